/*
 * private.c - splits a release of a private use into what runs inside and out.
 *
 * Inside: the grouping itself, whose target list becomes its keys and one
 * aggregate that adds up each subject's part (bounded.c).  Outside: the same
 * level over a function that runs the inner query, charges and adds noise; its
 * target list, HAVING, ORDER BY, LIMIT and windows see noisy figures only, and
 * so may do with them what they like.
 *
 * The inner query travels as text in the outer plan, sealed under a key of
 * this backend, so that nobody can have another one run.  The function draws
 * noise once an execution and charges for each, so plans that evaluate it
 * again (rescans, copies) gain nothing for free.
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "anonymity/private.h"
#include "anonymity/release_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "crypto/crypto.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* What a release may count or sum; the order is that of TwpFigureKind, but for count. */
static const struct
{
	const char *name;
	TwpFigureKind kind;
}			known_figures[] =
{
	{"count", TWP_FIGURE_COUNT}, {"sum", TWP_FIGURE_SUM}, {"avg", TWP_FIGURE_AVG},
	{"var_pop", TWP_FIGURE_VAR_POP}, {"var_samp", TWP_FIGURE_VAR_SAMP}, {"variance", TWP_FIGURE_VAR_SAMP},
	{"stddev_pop", TWP_FIGURE_STDDEV_POP}, {"stddev_samp", TWP_FIGURE_STDDEV_SAMP}, {"stddev", TWP_FIGURE_STDDEV_SAMP},
};

/* Something of each row that is counted or summed. */
typedef struct Column
{
	Node	   *expr;
	TwpBounds	bounds;			/* declared when it is summed */
	bool		squared;
	bool		complete;
} Column;

typedef struct Split
{
	TwpLevel   *level;
	List	   *keys;			/* expressions */
	List	   *domains;		/* of each key: its values as strings, or NIL */
	List	   *names;			/* of the function's columns */
	List	   *columns;		/* Column * */
	List	   *aggregates;		/* Aggref * */
	List	   *figures;		/* TwpFigure * */
	Node	   *quantile_of;	/* what quantiles are asked of, or NULL */
	TwpBounds	quantile_bounds;
} Split;

/* Refuses what a private release cannot give. */
static void
refuse_aggregate(const Split *split, const Aggref *agg)
{
	twp_anonymity_refuse(split->level->analysis,
						 "Allowed are count, count(DISTINCT subject), sum, avg, stddev, variance, percentile_cont and percentile_disc of a constant; extremes and lists show single values.",
						 "aggregate %s in a private release", get_func_name(agg->aggfnoid));
}

/* What kind of figure an aggregate is. */
static TwpFigureKind
figure_kind(const Split *split, const Aggref *agg)
{
	const char *name = get_func_name(agg->aggfnoid);

	if (agg->aggfnoid < FirstNormalObjectId && agg->aggkind == AGGKIND_NORMAL && agg->aggorder == NIL &&
		agg->aggdirectargs == NIL && !agg->aggvariadic && list_length(agg->args) <= 1 && agg->agglevelsup == 0)
		for (int i = 0; i < lengthof(known_figures); i++)
			if (strcmp(name, known_figures[i].name) == 0)
				return known_figures[i].kind;
	refuse_aggregate(split, agg);
	return TWP_FIGURE_COUNT;
}

/* Finds or adds a column; gives its number. */
static int
find_column(Split *split, Node *expr, TwpBounds bounds, bool squared, bool complete)
{
	Column	   *column = NULL;
	ListCell   *lc;

	foreach(lc, split->columns)
	{
		Column	   *known = lfirst(lc);

		if (equal(known->expr, expr) &&
			(!known->bounds.declared || !bounds.declared ||
			 (known->bounds.low == bounds.low && known->bounds.high == bounds.high)))
			break;
	}
	if (lc == NULL)
	{
		column = palloc0(sizeof(Column));
		column->expr = expr;
		column->complete = complete;
		split->columns = lappend(split->columns, column);
		lc = list_tail(split->columns);
	}
	column = lfirst(lc);
	if (bounds.declared)
		column->bounds = bounds;
	column->squared |= squared;
	return list_cell_number(split->columns, lc);
}

/* True for a column that counts in every row: never NULL, and no number that is none. */
static bool
is_complete(const TwpLevel *level, Node *expr)
{
	TwpData		mark;
	Var		   *var;
	Oid			type = exprType(expr);

	if (IsA(expr, Const))
		return !((Const *) expr)->constisnull;
	return (type == INT2OID || type == INT4OID || type == INT8OID) &&
		twp_anonymity_mark(level, expr, &mark, &var) && twp_anonymity_is_filled(level, var);
}

/* Judges the argument of a sum or mean; gives its bounds. */
static Node *
judge_number(Split *split, const Aggref *agg, Node *argument, TwpBounds *bounds)
{
	TwpBounds	clamp;

	*bounds = twp_anonymity_bounds(split->level, argument);
	argument = twp_anonymity_unclamp(argument, &clamp);
	twp_anonymity_check(split->level, argument);
	if (!twp_protect_bounds_fit(getBaseType(exprType(argument))))
		twp_anonymity_refuse(split->level->analysis, NULL, "aggregate %s of something else than a number",
							 get_func_name(agg->aggfnoid));
	if (!bounds->declared)
		twp_anonymity_refuse(split->level->analysis,
							 "Write LEAST(GREATEST(value, low), high) with constants, or ask a twin_privacy_admin to label the column with bounds=LOW:HIGH.",
							 "nothing says between which values the argument of %s lies", get_func_name(agg->aggfnoid));
	return argument;
}

/* Judges a quantile. */
static void
judge_quantile(Split *split, const Aggref *agg, TwpFigure *figure)
{
	const char *name = get_func_name(agg->aggfnoid);
	TwpBounds	bounds;
	double		fraction;
	Node	   *of;

	if (agg->aggfnoid >= FirstNormalObjectId || (strcmp(name, "percentile_cont") != 0 && strcmp(name, "percentile_disc") != 0) ||
		agg->agglevelsup > 0 || agg->aggfilter != NULL || agg->aggdistinct != NIL || list_length(agg->args) != 1 ||
		list_length(agg->aggdirectargs) != 1 || type_is_array(exprType(linitial(agg->aggdirectargs))) ||
		!twp_anonymity_constant(linitial(agg->aggdirectargs), &fraction) || !(fraction >= 0 && fraction <= 1))
		refuse_aggregate(split, agg);
	of = (Node *) linitial_node(TargetEntry, agg->args)->expr;
	/* percentile_cont casts what it orders by, which could fail */
	if (IsA(of, FuncExpr) && exprType(of) == FLOAT8OID && ((FuncExpr *) of)->funcformat == COERCE_IMPLICIT_CAST)
		of = linitial(((FuncExpr *) of)->args);
	of = judge_number(split, agg, of, &bounds);
	if (split->quantile_of != NULL && !equal(split->quantile_of, of))
		twp_anonymity_refuse(split->level->analysis, "Ask in several queries.", "quantiles of different columns in one release");
	split->quantile_of = of;
	split->quantile_bounds = bounds;
	figure->kind = TWP_FIGURE_QUANTILE;
	figure->millionths = (int) rint(fraction * 1000000);
}

/* A constant of the type that a bin is made of. */
static Const *
make_limit(bool numeric, double value)
{
	if (numeric)
		return makeConst(NUMERICOID, -1, InvalidOid, -1, DirectFunctionCall1(float8_numeric, Float8GetDatum(value)), false, false);
	return makeConst(FLOAT8OID, -1, InvalidOid, sizeof(float8), Float8GetDatum(value), false, FLOAT8PASSBYVAL);
}

/* The bin of what quantiles are asked of, as the last key of the inner query's groups. */
static TargetEntry *
make_bin_key(Split *split, Query *inner, List *targets)
{
	Node	   *of = split->quantile_of;
	bool		numeric = getBaseType(exprType(of)) == NUMERICOID;
	SortGroupClause *group = makeNode(SortGroupClause);
	TargetEntry *tle;
	List	   *args;
	ListCell   *lc;

	if (!numeric)
		of = coerce_to_target_type(NULL, copyObject(of), exprType(of), FLOAT8OID, -1, COERCION_EXPLICIT, COERCE_IMPLICIT_CAST, -1);
	args = list_make4(of, make_limit(numeric, split->quantile_bounds.low), make_limit(numeric, split->quantile_bounds.high),
					  makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(TWP_QUANTILE_BINS), false, true));
	tle = makeTargetEntry((Expr *) makeFuncExpr(twp_catalog_internal_function(numeric ? "bucket_numeric" : "bucket_float8"), INT4OID, args,
												InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
						  list_length(targets) + 1, pstrdup("bin"), false);
	tle->ressortgroupref = 1;
	foreach(lc, targets)
		tle->ressortgroupref = Max(tle->ressortgroupref, lfirst_node(TargetEntry, lc)->ressortgroupref + 1);
	group->tleSortGroupRef = tle->ressortgroupref;
	group->eqop = Int4EqualOperator;
	group->sortop = Int4LessOperator;
	group->hashable = true;
	inner->groupClause = lappend(list_copy(inner->groupClause), group);
	return tle;
}

/* Judges an aggregate and notes what figure it is; gives the figure's number. */
static int
judge_figure(Split *split, const Aggref *agg)
{
	TwpFigure  *figure = palloc0(sizeof(TwpFigure));
	Node	   *argument = agg->args == NIL ? NULL : (Node *) linitial_node(TargetEntry, agg->args)->expr;
	TwpBounds	bounds = {false};
	bool		complete;
	int			rti;

	figure->type = agg->aggtype;
	figure->column = -1;
	figure->name = get_func_name(agg->aggfnoid);
	split->figures = lappend(split->figures, figure);
	split->aggregates = lappend(split->aggregates, (void *) agg);
	if (agg->aggkind == AGGKIND_ORDERED_SET)
	{
		judge_quantile(split, agg, figure);
		return list_length(split->figures) - 1;
	}
	figure->kind = figure_kind(split, agg);
	if (checkExprHasSubLink((Node *) agg->aggfilter) || checkExprHasSubLink(argument))
		twp_anonymity_refuse(split->level->analysis, "Put the condition in WHERE.", "a sub-query in an aggregate");
	twp_anonymity_check(split->level, (Node *) agg->aggfilter);
	if (argument != NULL && twp_anonymity_is_subject(split->level, argument, &rti))
	{
		if (figure->kind != TWP_FIGURE_COUNT || split->level->sources[rti - 1].nullable)
			twp_anonymity_refuse(split->level->analysis, "Count it: count(DISTINCT subject).",
								 "an aggregate of the subject's key");
		if (agg->aggdistinct != NIL)
			figure->kind = TWP_FIGURE_SUBJECTS;
		argument = NULL;
	}
	else if (agg->aggdistinct != NIL)
		twp_anonymity_refuse(split->level->analysis, "Only subjects can be counted distinct.",
							 "aggregate %s with DISTINCT", get_func_name(agg->aggfnoid));
	else if (argument != NULL && figure->kind != TWP_FIGURE_COUNT)
		argument = judge_number(split, agg, argument, &bounds);
	else
		twp_anonymity_check(split->level, argument);
	complete = agg->aggfilter == NULL && argument != NULL && is_complete(split->level, argument);
	if (argument == NULL && agg->aggfilter != NULL)
		argument = makeBoolConst(true, false);
	if (argument != NULL && !(complete && figure->kind == TWP_FIGURE_COUNT))
		figure->column = find_column(split, agg->aggfilter == NULL ? argument : twp_anonymity_make_case((Node *) agg->aggfilter, argument, NULL),
									 bounds, figure->kind > TWP_FIGURE_AVG, complete);
	return list_length(split->figures) - 1;
}

/* A column of the function that replaces the level's FROM. */
static Node *
make_output(int number, Node *like)
{
	return (Node *) makeVar(1, number, exprType(like), exprTypmod(like), exprCollation(like), 0);
}

/* Rewrites an expression of the level to one over the function's columns. */
static Node *
move_out(Node *node, Split *split)
{
	ListCell   *lc;

	if (node == NULL)
		return NULL;
	foreach(lc, split->keys)
		if (equal(node, lfirst(lc)))
			return make_output(foreach_current_index(lc) + 1, node);
	if (IsA(node, Aggref))
	{
		foreach(lc, split->aggregates)
			if (equal(node, lfirst(lc)))
				return make_output(list_length(split->keys) + foreach_current_index(lc) + 1, node);
		return make_output(list_length(split->keys) + judge_figure(split, (Aggref *) node) + 1, node);
	}
	if (IsA(node, GroupingFunc))
		twp_anonymity_refuse(split->level->analysis, NULL, "GROUPING()");
	if (IsA(node, SubLink))
		twp_anonymity_refuse(split->level->analysis, "Put the release into a sub-query and join with it.",
							 "a sub-query in the result of a private release");
	if (IsA(node, Var))
		twp_anonymity_refuse(split->level->analysis, "Write it in GROUP BY.", "a column that is neither grouped nor aggregated");
	return expression_tree_mutator(node, move_out, split);
}

/* Rewrites an output column; a figure that is one is called like it. */
static void
move_target_out(TargetEntry *tle, Split *split)
{
	bool		is_figure = IsA(tle->expr, Aggref);

	tle->expr = (Expr *) move_out((Node *) tle->expr, split);
	if (is_figure && tle->resname != NULL)
		((TwpFigure *) list_nth(split->figures,
								castNode(Var, tle->expr)->varattno - list_length(split->keys) - 1))->name = tle->resname;
}

/* A key's values as nodes: a string each, an integer for NULL. */
static List *
describe_domain(List *values)
{
	List	   *nodes = NIL;
	ListCell   *lc;

	foreach(lc, values)
		nodes = lappend(nodes, lfirst(lc) == NULL ? (Node *) makeInteger(0) : (Node *) makeString(lfirst(lc)));
	return nodes;
}

/* Notes the keys of the groups; gives their target entries for the inner query. */
static List *
judge_keys(Split *split)
{
	Query	   *q = split->level->query;
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, q->groupClause)
	{
		TargetEntry *tle = get_sortgroupclause_tle(lfirst(lc), q->targetList);

		if (checkExprHasSubLink((Node *) tle->expr))
			twp_anonymity_refuse(split->level->analysis, "Join instead.", "a sub-query in GROUP BY");
		twp_anonymity_check(split->level, (Node *) tle->expr);
		twp_anonymity_check_collation(split->level, (Node *) tle->expr);
		split->keys = lappend(split->keys, tle->expr);
		split->domains = lappend(split->domains, describe_domain(twp_anonymity_domain(split->level, (Node *) tle->expr)));
		split->names = lappend(split->names, makeString(pstrdup(tle->resname != NULL ? tle->resname : "key")));
		tle = flatCopyTargetEntry(tle);
		tle->resno = list_length(targets) + 1;
		tle->resjunk = false;
		targets = lappend(targets, tle);
	}
	return targets;
}

/* Lays a column on a grid of whole numbers, as fine as it may be; whole values stay whole. */
static void
lay_grid(TwpBoundedColumn *grid, const Column *column)
{
	Oid			type = getBaseType(exprType(column->expr));
	bool		whole = type == INT2OID || type == INT4OID || type == INT8OID;
	double		step = 1e-6;

	grid->summed = column->bounds.declared;
	grid->squared = column->squared;
	grid->complete = column->complete;
	if (!grid->summed)
		return;
	while ((whole && step < 1) || (column->bounds.high - column->bounds.low) / step >= (double) (TWP_GRID_MAX - 2) ||
		   Max(fabs(column->bounds.low), fabs(column->bounds.high)) / step >= 1e15)
		step = rint(step * 10 * 1e6) / 1e6;
	grid->step = step;
	grid->origin = (int64) floor(column->bounds.low / step + 1e-9);
	grid->low = (double) grid->origin * step;
	grid->width = (int64) ceil((column->bounds.high - grid->low) / step - 1e-9);
}

/* The columns' layout as a constant. */
static Const *
make_layout(const Split *split)
{
	int			n = list_length(split->columns);
	TwpBoundedLayout *layout = palloc0(TWP_LAYOUT_SIZE(n));
	ListCell   *lc;

	SET_VARSIZE(layout, TWP_LAYOUT_SIZE(n));
	layout->ncolumns = n;
	foreach(lc, split->columns)
		lay_grid(&layout->columns[foreach_current_index(lc)], lfirst(lc));
	return makeConst(BYTEAOID, -1, InvalidOid, -1, PointerGetDatum(layout), false, false);
}

/* The call of the aggregate that adds up parts. */
static Aggref *
make_bounded(const Split *split, Const *layout)
{
	uint64		seed;
	List	   *arguments;
	ListCell   *lc;

	twp_crypto_random(&seed, sizeof(seed));
	arguments = list_make3(makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum((int64) seed), false,
									 FLOAT8PASSBYVAL),
						   layout, twp_anonymity_subject(split->level));
	foreach(lc, split->columns)
		arguments = lappend(arguments, ((Column *) lfirst(lc))->expr);
	if (list_length(arguments) > FUNC_MAX_ARGS - 2)
		twp_anonymity_refuse(split->level->analysis, "Ask in several queries.", "too many different figures in one release");
	return twp_anonymity_make_aggregate("bounded", BYTEAOID, arguments);
}

/* What the function is told beside the inner query. */
static List *
describe_release(const Split *split, Query *inner, Const *layout)
{
	List	   *figures = NIL;
	ListCell   *lc;

	foreach(lc, split->figures)
	{
		const TwpFigure *figure = lfirst(lc);

		figures = lappend(figures, list_make5(makeInteger(figure->kind), makeInteger(figure->column),
											  makeInteger((int) figure->type), makeString(pstrdup(figure->name)),
											  makeInteger(figure->millionths)));
	}
	return list_make5(inner, layout, figures,
					  makeString(psprintf("%llx", (unsigned long long) split->level->analysis->terms->stamp)),
					  list_make5(makeInteger(list_length(split->keys)), makeInteger(split->keys != NIL),
								 makeInteger(twp_anonymity_gives_once(split->level)), split->domains,
								 list_make3(makeInteger(split->quantile_of != NULL ? TWP_QUANTILE_BINS : 0),
											makeString(psprintf("%.17g", split->quantile_bounds.low)),
											makeString(psprintf("%.17g", split->quantile_bounds.high)))));
}

/* The level's new FROM: the function that runs the release. */
static RangeTblEntry *
make_source(const Split *split, List *payload)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblFunction *function = makeNode(RangeTblFunction);
	text	   *packed = cstring_to_text(nodeToString(payload));
	List	   *outputs = list_concat(list_copy(split->keys), split->aggregates);
	List	   *names = list_copy(split->names);
	ListCell   *lc;

	foreach(lc, split->figures)
		names = lappend(names, makeString(pstrdup(((TwpFigure *) lfirst(lc))->name)));
	foreach(lc, outputs)
	{
		function->funccolnames = lappend(function->funccolnames, copyObject(list_nth(names, foreach_current_index(lc))));
		function->funccoltypes = lappend_oid(function->funccoltypes, exprType(lfirst(lc)));
		function->funccoltypmods = lappend_int(function->funccoltypmods, exprTypmod(lfirst(lc)));
		function->funccolcollations = lappend_oid(function->funccolcollations, exprCollation(lfirst(lc)));
	}
	function->funccolcount = list_length(outputs);
	function->funcexpr = (Node *) makeFuncExpr(twp_catalog_internal_function("private_release"), RECORDOID,
											   list_make2(makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
																	PointerGetDatum(packed), false, false),
														  makeConst(BYTEAOID, -1, InvalidOid, -1,
																	PointerGetDatum(twp_anonymity_seal(packed)), false, false)),
											   InvalidOid, DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
	((FuncExpr *) function->funcexpr)->funcretset = true;
	rte->rtekind = RTE_FUNCTION;
	rte->functions = list_make1(function);
	rte->eref = makeAlias("private_release", names);
	rte->inFromCl = true;
	return rte;
}

/* Splits off the inner query, with everything that touches rows. */
static Query *
split_inner(Query *q)
{
	Query	   *inner = makeNode(Query);

	memcpy(inner, q, sizeof(Query));
	inner->hasAggs = true;
	inner->hasWindowFuncs = false;
	inner->hasTargetSRFs = false;
	inner->hasDistinctOn = false;
	inner->havingQual = NULL;
	inner->windowClause = inner->distinctClause = inner->sortClause = NIL;
	inner->limitOffset = inner->limitCount = NULL;
	/* what of it is used here has become sub-queries */
	inner->cteList = NIL;
	return inner;
}

/* Leaves the level nothing but what may see noisy figures. */
static void
strip_outer(TwpLevel *level, RangeTblEntry *source, Node *having)
{
	Query	   *q = level->query;
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = 1;
	q->rtable = list_make1(source);
	twp_compat_forget_sources(q);
	q->jointree = makeFromExpr(list_make1(ref), having);
	q->groupClause = NIL;
	q->havingQual = NULL;
	q->hasAggs = false;
}

/* True when all figures are quantiles. */
static bool
only_quantiles(const Split *split)
{
	ListCell   *lc;

	foreach(lc, split->figures)
		if (((const TwpFigure *) lfirst(lc))->kind != TWP_FIGURE_QUANTILE)
			return false;
	return true;
}

/* Judges and splits a release. */
void
twp_anonymity_noisy_cells(TwpLevel *level)
{
	Split		split = {.level = level};
	Query	   *q = level->query;
	List	   *targets = judge_keys(&split);
	Node	   *having = move_out(q->havingQual, &split);
	Const	   *layout;
	Query	   *inner;
	ListCell   *lc;

	foreach(lc, q->targetList)
		move_target_out(lfirst(lc), &split);
	if (split.quantile_of != NULL && (list_length(split.columns) > 0 || !only_quantiles(&split)))
		twp_anonymity_refuse(level->analysis, "Ask for quantiles in a query of their own.", "quantiles beside other figures");
	layout = make_layout(&split);
	inner = split_inner(q);
	if (split.quantile_of != NULL)
		targets = lappend(targets, make_bin_key(&split, inner, targets));
	targets = lappend(targets, makeTargetEntry((Expr *) make_bounded(&split, layout), list_length(targets) + 1,
											   pstrdup("parts"), false));
	inner->targetList = targets;
	twp_anonymity_check_judged(level->analysis, inner);
	strip_outer(level, make_source(&split, describe_release(&split, inner, layout)), having);
}

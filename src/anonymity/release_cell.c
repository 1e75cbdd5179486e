/*
 * release_cell.c - the figures that a release gives.
 *
 * Each group wants the cohort before anything else of it is looked at; what
 * the user asks of groups is asked only of those that pass (release_split.c).
 * An aggregate that sees only a part of its group (FILTER, CASE, NULL
 * arguments) becomes NULL unless the part and the rest are large enough.
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* Aggregates that a release may give. */
static const char *const released[] = {
	"count", "sum", "avg", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop",
};

/* Where both lists have sum(). */
#define PLACE_OF_SUM 1

/* Aggregates that a sub-query may compute for each subject; the first ones give a value. */
static const char *const for_subjects[] = {
	"count", "sum", "avg", "min", "max", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop",
	"bool_and", "bool_or", "every",
};
#define N_VALUES 11

/* Place of a built-in aggregate in a list, or -1. */
static int
find_aggregate(const Aggref *agg, const char *const *names, int n)
{
	const char *name = get_func_name(agg->aggfnoid);

	if (agg->aggfnoid < FirstNormalObjectId)
		for (int i = 0; i < n; i++)
			if (strcmp(name, names[i]) == 0)
				return i;
	return -1;
}

/* Refuses the forms of an aggregate that depend on more than the rows' values. */
static void
check_form(TwpLevel *level, const Aggref *agg)
{
	if (agg->agglevelsup > 0)
		twp_anonymity_refuse(level->analysis, NULL, "an aggregate of an outer query");
	if (agg->aggorder != NIL || agg->aggdirectargs != NIL || agg->aggvariadic || agg->aggkind != AGGKIND_NORMAL ||
		list_length(agg->args) > 1)
		twp_anonymity_refuse(level->analysis, NULL, "aggregate %s with ORDER BY or several arguments",
						   get_func_name(agg->aggfnoid));
}

/* The only argument of an aggregate, or NULL. */
static Node *
only_argument(const Aggref *agg)
{
	return agg->args == NIL ? NULL : (Node *) linitial_node(TargetEntry, agg->args)->expr;
}

/* True for types whose sums cannot fail on values as they are stored. */
static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID ||
		type == NUMERICOID;
}

/* True for types whose sums are rounded. */
static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/* Largest number, written or bound, that may be added up: 10^15 of its squares still have a sum in every type. */
#define LARGEST_ADDEND 1e15

/* True when a constant is a number whose sums always exist. */
static bool
adds_up(const Const *number)
{
	double		value;

	if (number->constisnull || !is_number(number->consttype))
		return true;
	switch (number->consttype)
	{
		case FLOAT4OID:
			value = DatumGetFloat4(number->constvalue);
			break;
		case FLOAT8OID:
			value = DatumGetFloat8(number->constvalue);
			break;
		case NUMERICOID:
			value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, number->constvalue));
			break;
		default:
			return true;		/* sums of integers are kept in larger types */
	}
	return fabs(value) <= LARGEST_ADDEND;
}

/*
 * Finds what the user brings to a sum that two rows could make overflow: the
 * error would tell that a subject has two such rows.  Columns of protected
 * tables are as they are; constants, parameters and other columns are chosen.
 */
static bool
may_overflow(Node *node, TwpLevel *level)
{
	Oid			type;
	TwpData		mark;
	Var		   *var;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
		return !adds_up((Const *) node);
	if (!IsA(node, Param) && !IsA(node, Var))
		return expression_tree_walker(node, may_overflow, level);
	type = exprType(node);
	if (type != FLOAT4OID && type != FLOAT8OID && type != NUMERICOID)
		return false;
	return IsA(node, Param) || !twp_anonymity_mark(level, node, &mark, &var) ||
		(mark != TWP_DATA_VALUE && mark != TWP_DATA_SUBJECT_VALUE);
}

/* Refuses a sum of what the user brings when it may overflow. */
static void
refuse_overflow(TwpLevel *level, const Aggref *agg)
{
	twp_anonymity_refuse(level->analysis, "Add up columns, and constants up to 1e15.",
						 "aggregate %s of a large or unknown number", get_func_name(agg->aggfnoid));
}

/*
 * True for CASE WHEN condition THEN something [ELSE NULL] END, or with zero: ELSE 0
 * END.  Zero adds nothing to a sum, but counts and means see the row.
 */
static bool
is_simple_case(Node *node, bool zero)
{
	CaseExpr   *expr = (CaseExpr *) node;
	Const	   *otherwise;

	if (!IsA(node, CaseExpr) || expr->arg != NULL || list_length(expr->args) != 1)
		return false;
	otherwise = (Const *) expr->defresult;
	if (otherwise == NULL || (IsA(otherwise, Const) && otherwise->constisnull))
		return true;
	if (!zero || !IsA(otherwise, Const))
		return false;
	switch (otherwise->consttype)
	{
		case INT2OID:
		case INT4OID:
			return DatumGetInt32(otherwise->constvalue) == 0;
		case INT8OID:
			return DatumGetInt64(otherwise->constvalue) == 0;
		case FLOAT8OID:
			return DatumGetFloat8(otherwise->constvalue) == 0;
		case NUMERICOID:
			return DatumGetBool(OidFunctionCall2(F_NUMERIC_EQ, otherwise->constvalue,
												 OidFunctionCall1(F_NUMERIC_INT4, Int32GetDatum(0))));
		default:
			return false;
	}
}

/*
 * Refuses counts and sums of what an outer join repeats: how many rows match
 * would show in them without a part of the group being seen.
 */
static void
check_repeated(TwpLevel *level, const Aggref *agg, Node *argument, int place)
{
	TwpData	mark;
	Var		   *var;

	if (!twp_anonymity_joins_outer(level) || place == 3 || place == 4 || place >= N_VALUES)
		return;
	if (argument != NULL && is_simple_case(argument, place == PLACE_OF_SUM))
		argument = (Node *) linitial_node(CaseWhen, ((CaseExpr *) argument)->args)->result;
	if (argument == NULL || !twp_anonymity_mark(level, argument, &mark, &var) ||
		!level->sources[var->varno - 1].nullable)
		twp_anonymity_refuse(level->analysis, "Count or sum a column of the table that is joined.",
							 "aggregate %s over an outer join, of something that it repeats", get_func_name(agg->aggfnoid));
}

/* Refuses an aggregate to which a join gives some rows more weight than others; summed: the column, or NULL. */
static void
refuse_repeated(const TwpLevel *level, const Aggref *agg, const Var *summed)
{
	if (summed != NULL ? !twp_anonymity_comes_once(level, summed) :
		!level->analysis->terms->noisy && bms_is_empty(level->bases))
		twp_anonymity_refuse(level->analysis,
							 "Write subject IN (SELECT subject ...), join sub-queries grouped by the subject, or join protected tables by unique keys; different subjects can be counted.",
							 "aggregate %s over a join that repeats what it counts or sums", get_func_name(agg->aggfnoid));
}

/* Judges an aggregate of a level that groups by subject; true when it gives a value. */
bool
twp_anonymity_subject_aggregate(TwpLevel *level, Aggref *agg)
{
	int			place = find_aggregate(agg, for_subjects, lengthof(for_subjects));
	Node	   *argument = only_argument(agg);
	TwpData	mark;
	Var		   *var;

	if (place < 0)
		twp_anonymity_refuse(level->analysis, "Allowed are count, sum, avg, min, max, stddev, variance, bool_and and bool_or.",
						   "aggregate %s of each data subject", get_func_name(agg->aggfnoid));
	check_form(level, agg);
	twp_anonymity_check(level, (Node *) agg->aggfilter);
	check_repeated(level, agg, argument, place);
	/* how many different values a column has is the same however often rows come */
	if (place == 0 && !(agg->aggdistinct != NIL && twp_anonymity_mark(level, argument, &mark, &var)))
		refuse_repeated(level, agg, NULL);
	if (argument == NULL)
		return true;
	if (twp_anonymity_mark(level, argument, &mark, &var) && mark == TWP_DATA_SUBJECT)
		return place == 0;
	if (place > 0 && place < N_VALUES && place != 3 && place != 4 && !is_number(exprType(argument)))
		twp_anonymity_refuse(level->analysis, NULL, "aggregate %s of something else than a number",
						   get_func_name(agg->aggfnoid));
	if (place > 0 && place < N_VALUES && place != 3 && place != 4 && may_overflow(argument, level))
		refuse_overflow(level, agg);
	twp_anonymity_check(level, argument);
	if (place == 0)
		return true;
	if (place >= N_VALUES || !is_number(exprType(argument)))
		return false;
	if (is_simple_case(argument, true))
		argument = (Node *) linitial_node(CaseWhen, ((CaseExpr *) argument)->args)->result;
	if (!twp_anonymity_mark(level, argument, &mark, &var) ||
		(mark != TWP_DATA_VALUE && mark != TWP_DATA_SUBJECT_VALUE))
		return false;
	/* and so are extremes */
	if (place == 3 || place == 4)
		return true;
	if (agg->aggdistinct == NIL)
		refuse_repeated(level, agg, var);
	/* the guard would find nothing near to what was rounded, each subject's in its own way */
	return level->analysis->terms->noisy || !is_float(exprType(argument));
}

/* The cohort as a constant. */
Node *
twp_anonymity_make_k(const TwpLevel *level)
{
	return twp_anonymity_make_int(level->analysis->terms->min_cohort);
}

/*
 * Judges the value that an aggregate sums, and adds what may make a row not
 * count; *summed: a column that is, *adds: that a row adds something to it.
 */
static List *
judge_value(TwpLevel *level, const Aggref *agg, Node *value, List *conditions, Var **summed, Node **adds)
{
	TwpData	mark;
	Var		   *var;
	bool		counts = agg->aggfnoid == F_COUNT_ANY;

	if (!counts && is_float(exprType(value)) && twp_anonymity_mark(level, value, &mark, &var) && mark == TWP_DATA_OWNED)
		twp_anonymity_refuse(level->analysis,
							 "Add up a column itself, smallest or largest values, or a column of type numeric.",
							 "aggregate %s of floating-point numbers that were computed for each data subject",
							 get_func_name(agg->aggfnoid));
	if (!counts && may_overflow(value, level))
		refuse_overflow(level, agg);
	if (IsA(value, Const))
		return conditions;
	if (twp_anonymity_mark(level, value, &mark, &var) &&
		(mark == TWP_DATA_VALUE || mark == TWP_DATA_SUBJECT_VALUE))
	{
		if (!counts && !is_number(exprType(value)))
			twp_anonymity_refuse(level->analysis, NULL, "aggregate %s of something else than a number",
							   get_func_name(agg->aggfnoid));
		if (!counts)
			*summed = var;
		if (!twp_anonymity_is_filled(level, var))
			conditions = lappend(conditions, twp_anonymity_make_not_null(value));
		if (mark == TWP_DATA_SUBJECT_VALUE && !counts)
			*adds = twp_anonymity_make_not_zero(value);
		return conditions;
	}
	if (!counts)
		twp_anonymity_refuse(level->analysis,
						   "Sum a column of a protected table, a figure of each subject, or CASE WHEN condition THEN such a column ELSE 0 END; compute with the released figures.",
						   "the argument of %s is computed", get_func_name(agg->aggfnoid));
	twp_anonymity_check(level, value);
	return lappend(conditions, twp_anonymity_make_not_null(value));
}

/*
 * Judges an aggregate of a release; gives the conditions that split its group,
 * *summed: the column it sums, and *adds: a condition on what adds to the sum.
 */
static List *
judge_aggregate(TwpLevel *level, Aggref *agg, Var **summed, Node **adds)
{
	Node	   *argument = only_argument(agg);
	List	   *conditions = NIL;
	int			place = find_aggregate(agg, released, lengthof(released));
	TwpData	mark;
	Var		   *var;

	if (place < 0)
		twp_anonymity_refuse(level->analysis, NULL, "aggregate %s", get_func_name(agg->aggfnoid));
	check_form(level, agg);
	if (agg->aggfilter != NULL)
	{
		if (checkExprHasSubLink((Node *) agg->aggfilter))
			twp_anonymity_refuse(level->analysis, "Put the condition in WHERE.", "a sub-query in FILTER");
		twp_anonymity_check(level, (Node *) agg->aggfilter);
		conditions = lappend(conditions, copyObject(agg->aggfilter));
	}
	if (argument == NULL)
		return conditions;
	if (twp_anonymity_mark(level, argument, &mark, &var) && mark == TWP_DATA_SUBJECT)
	{
		if (agg->aggfnoid != F_COUNT_ANY || level->sources[var->varno - 1].nullable)
			twp_anonymity_refuse(level->analysis, "Count it: count(DISTINCT subject).", "an aggregate of the subject's key");
		return conditions;
	}
	if (agg->aggdistinct != NIL)
		twp_anonymity_refuse(level->analysis, "Only subjects can be counted distinct.", "aggregate %s with DISTINCT",
						   get_func_name(agg->aggfnoid));
	if (checkExprHasSubLink(argument))
		twp_anonymity_refuse(level->analysis, "Put the condition in WHERE.", "a sub-query in an aggregate");
	if (is_simple_case(argument, place == PLACE_OF_SUM))
	{
		CaseWhen   *when = linitial_node(CaseWhen, ((CaseExpr *) argument)->args);

		twp_anonymity_check(level, (Node *) when->expr);
		conditions = lappend(conditions, copyObject(when->expr));
		argument = (Node *) when->result;
	}
	return judge_value(level, agg, argument, conditions, summed, adds);
}

/* True for a count of different subjects. */
static bool
counts_subjects(const Aggref *agg)
{
	return agg->aggdistinct != NIL;
}

/* True for an aggregate that the common one gives on the way; value: what it sums as a figure. */
static bool
is_tallied(const TwpLevel *level, const Aggref *agg, const Var *value, bool zeros)
{
	Node	   *argument = only_argument(agg);
	TwpData	mark;
	Var		   *var;

	if (argument != NULL && is_simple_case(argument, find_aggregate(agg, released, lengthof(released)) == PLACE_OF_SUM))
		argument = (Node *) linitial_node(CaseWhen, ((CaseExpr *) argument)->args)->result;
	switch (agg->aggfnoid)
	{
		case F_COUNT_:
			return true;
		case F_COUNT_ANY:
			/* rows that NULL alone keeps from being counted are no condition of the figure's */
			if (IsA(argument, Const))
				return !((Const *) argument)->constisnull;
			return !twp_anonymity_mark(level, argument, &mark, &var) || mark != TWP_DATA_SUBJECT;
		case F_AVG_INT2:
		case F_AVG_INT4:
		case F_AVG_FLOAT8:
			if (!zeros)
				return false;
			/* FALLTHROUGH */
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_SUM_FLOAT8:
			return value != NULL && IsA(argument, Var) && ((Var *) argument)->vartype == value->vartype;
		default:
			return false;
	}
}

/* Has the guard told how many rows a mean or deviation is of; gives whether these are shown. */
static Node *
add_rows(TwpLevel *level, const List *conditions)
{
	TwpReleaseFigure rows = {NULL};

	if (conditions != NIL)
		rows.condition = (Node *) make_ands_explicit(copyObject((List *) conditions));
	return twp_anonymity_figure_shown(level, &rows, twp_anonymity_add_figure(level, &rows));
}

/* What is shown of a number: its value, not how many decimals those had that it was made of. */
static Node *
trim_number(Node *number, const Var *value, bool rounded)
{
	if (value == NULL || value->vartype != NUMERICOID || value->vartypmod >= 0)
		return number;
	return twp_anonymity_make_call("guard_trim", NUMERICOID, list_make2(number, makeBoolConst(rounded, false)));
}

/* Guards an aggregate; gives the reference to what the release gives of it. */
static Node *
guard_aggregate(TwpLevel *level, Aggref *agg)
{
	TwpReleaseFigure figure = {NULL};
	Node	   *adds = NULL;
	List	   *conditions = judge_aggregate(level, agg, &figure.value, &adds);
	bool		moment = find_aggregate(agg, released, lengthof(released)) > PLACE_OF_SUM;
	Node	   *cell = (Node *) agg;
	Node	   *rows_shown = NULL;
	Node	   *shown;
	int			number = -1;

	if (!counts_subjects(agg))
		refuse_repeated(level, agg, figure.value);
	if (moment && twp_guard_enabled)
		rows_shown = add_rows(level, conditions);
	if (adds != NULL)
		conditions = lappend(conditions, adds);
	if (conditions != NIL)
		figure.condition = (Node *) make_ands_explicit(conditions);
	if (counts_subjects(agg) && twp_guard_enabled)
	{
		figure.subjects = twp_anonymity_make_subjects(level, agg);
		cell = twp_anonymity_make_call("guard_count", INT8OID,
									   list_make2(copyObject(figure.subjects), twp_anonymity_make_int(0)));
	}
	if (!counts_subjects(agg) || twp_guard_enabled)
		number = twp_anonymity_add_figure(level, &figure);
	if (!counts_subjects(agg) && number >= 0 && is_tallied(level, agg, figure.value, adds == NULL))
		cell = twp_anonymity_tally_figure(level, agg, number);
	if (cell == NULL)
		cell = (Node *) agg;
	shown = twp_anonymity_figure_shown(level, &figure, number);
	if (shown != NULL)
		cell = twp_anonymity_make_case(shown, cell, NULL);
	if (adds != NULL && rows_shown != NULL)
		cell = twp_anonymity_make_case(rows_shown, cell, NULL);
	cell = trim_number(twp_anonymity_release_column(level, cell), figure.value, moment);
	return twp_guard_enabled && figure.value != NULL ? twp_anonymity_show_figure(level, number, cell) : cell;
}

/* The reference to a key of the groups that an expression is; NULL when it is none. */
static Node *
find_key(TwpLevel *level, Node *expr)
{
	ListCell   *lc;

	foreach(lc, level->columns)
	{
		const TargetEntry *tle = lfirst(lc);

		if (tle->ressortgroupref > 0 && equal(tle->expr, expr))
			return twp_anonymity_release_column(level, expr);
	}
	return NULL;
}

/* Refuses a column that identifies. */
static void
check_ungrouped(TwpLevel *level, Node *node)
{
	TwpData	mark;
	Var		   *var;

	if (twp_anonymity_mark(level, node, &mark, &var) &&
		(mark == TWP_DATA_SUBJECT || mark == TWP_DATA_IDENTIFIER))
		twp_anonymity_refuse(level->analysis, NULL, "a column that identifies, in the result");
}

/* Rewrites an expression on groups: it refers to what the release gives. */
static Node *
rewrite_cells(Node *node, TwpLevel *level)
{
	Node	   *key;

	if (node == NULL)
		return NULL;
	if ((key = find_key(level, node)) != NULL)
		return key;
	if (IsA(node, Aggref))
		return guard_aggregate(level, (Aggref *) node);
	if (IsA(node, GroupingFunc))
		twp_anonymity_refuse(level->analysis, NULL, "GROUPING()");
	if (IsA(node, Var))
	{
		/* determined by the keys */
		check_ungrouped(level, node);
		return twp_anonymity_release_column(level, node);
	}
	if (IsA(node, SubLink))
	{
		SubLink    *sublink = (SubLink *) node;
		Query	   *query = castNode(Query, sublink->subselect);

		if (twp_anonymity_refers_out(query))
			twp_anonymity_refuse(level->analysis, "Join instead.", "a correlated sub-query in the result");
		if (twp_anonymity_query(level->analysis, query, level)->owned)
			twp_anonymity_refuse(level->analysis, NULL, "a sub-query that gives rows of data subjects");
		sublink->testexpr = rewrite_cells(sublink->testexpr, level);
		return node;
	}
	return expression_tree_mutator(node, rewrite_cells, level);
}

/* Judges the keys of the groups and makes them columns of the release. */
static void
take_keys(TwpLevel *level)
{
	ListCell   *lc;

	foreach(lc, level->query->groupClause)
	{
		SortGroupClause *clause = lfirst(lc);
		TargetEntry *tle = get_sortgroupclause_tle(clause, level->query->targetList);
		TargetEntry *key;

		twp_anonymity_check(level, (Node *) tle->expr);
		twp_anonymity_check_collation(level, (Node *) tle->expr);
		/* a clause each, even where two turned out to be the same */
		key = makeTargetEntry(tle->expr, list_length(level->columns) + 1, "key", false);
		key->ressortgroupref = clause->tleSortGroupRef;
		level->columns = lappend(level->columns, key);
	}
}

/* Judges and rewrites a release. */
void
twp_anonymity_cells(TwpLevel *level)
{
	Query	   *q = level->query;
	Node	   *having;
	ListCell   *lc;

	twp_compat_flatten_output(q);
	if (twp_guard_enabled)
		(void) twp_anonymity_release_column(level, (Node *) makeNullConst(INT8OID, -1, InvalidOid));
	take_keys(level);
	foreach(lc, q->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		tle->expr = (Expr *) rewrite_cells((Node *) tle->expr, level);
	}
	having = rewrite_cells(q->havingQual, level);
	twp_anonymity_split(level, having);
}

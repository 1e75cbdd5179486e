/*
 * release_from.c - the sources of a level: whose rows they are, and what joins them.
 *
 * Every owned source must be joined by its subject, so that a joined row is
 * still one subject's; every clean one by a unique key, so that it does not
 * give some subjects more weight than others.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* True when a relation has a unique index all of whose columns are in a set. */
bool
twp_anonymity_has_unique(Relation relation, const Bitmapset *columns)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		covered = form->indisunique && form->indimmediate && form->indisvalid &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);

		for (int i = 0; covered && i < form->indnkeyatts; i++)
			covered = form->indkey.values[i] > 0 && bms_is_member(form->indkey.values[i], columns);
		found |= covered;
		index_close(index, NoLock);
	}
	return found;
}

/* Fills the marks of a protected relation's columns. */
static void
mark_relation(TwpAnalysis *analysis, TwpSource *source, RangeTblEntry *rte)
{
	const TwpProtection *p = twp_protect_lookup(rte->relid);
	Relation	relation;

	if (p->broken != NULL)
		twp_anonymity_refuse(analysis, "A twin_privacy_admin mends its label.",
						   "protection of table \"%s\" does not resolve", get_rel_name(rte->relid));
	if (rte->tablesample != NULL)
		twp_anonymity_refuse(analysis, NULL, "TABLESAMPLE of table \"%s\"", get_rel_name(rte->relid));
	p = twp_protect_copy(p, CurrentMemoryContext);
	source->owned = true;
	source->subject = p->subject.nhops == 0 ? p->subject.start : 0;
	source->path = p->subject.nhops > 0 ? &p->subject : NULL;
	source->nmarks = p->natts;
	source->marks = palloc0(Max(p->natts, 1) * sizeof(TwpData));
	source->filled = palloc0(Max(p->natts, 1) * sizeof(bool));
	source->bounds = palloc0(Max(p->natts, 1) * sizeof(TwpBounds));
	source->values = palloc0(Max(p->natts, 1) * sizeof(char *));
	relation = relation_open(rte->relid, NoLock);
	/* an index of a table does not reach its inheritance children */
	source->once = source->subject > 0 && (rte->relkind == RELKIND_PARTITIONED_TABLE || !has_subclass(rte->relid)) &&
		twp_anonymity_has_unique(relation, bms_make_singleton(source->subject));
	for (int i = 0; i < p->natts; i++)
	{
		const TwpColumn *column = &p->columns[i];

		/* the start of a path is a key near to the subject's */
		source->marks[i] = i + 1 == p->subject.start ?
			(source->path == NULL ? TWP_DATA_SUBJECT : TWP_DATA_IDENTIFIER) :
			column->labelled && column->kind == TWP_KIND_IDENTIFIER ? TWP_DATA_IDENTIFIER : TWP_DATA_VALUE;
		source->bounds[i] = column->bounds;
		source->values[i] = column->values;
		/* a column of another category may be NULL for want of consent */
		source->filled[i] = column->category == p->category &&
			i < RelationGetNumberOfAttributes(relation) && TupleDescAttr(RelationGetDescr(relation), i)->attnotnull;
	}
	relation_close(relation, NoLock);
	analysis->judged = lappend(analysis->judged, rte);
}

/* Takes over what a sub-query or CTE gives. */
static void
mark_output(TwpSource *source, const TwpOutput *output)
{
	source->owned = output->owned;
	source->one_row = output->one_row;
	source->nmarks = output->nmarks;
	source->marks = output->marks;
	source->bounds = output->bounds;
	source->once = output->once;
	source->multiplied = output->multiplied;
	source->subject = output->subject;
}

/* Finds what a CTE gives, at whatever level it is defined. */
static TwpOutput *
find_cte(TwpLevel *level, const RangeTblEntry *rte)
{
	TwpLevel   *at = level;
	ListCell   *lc;

	for (Index up = 0; up < rte->ctelevelsup && at != NULL; up++)
		at = at->parent;
	if (at != NULL)
		foreach(lc, at->query->cteList)
		{
			int			n = foreach_current_index(lc);

			if (strcmp(lfirst_node(CommonTableExpr, lc)->ctename, rte->ctename) == 0 && n < list_length(at->ctes))
				return list_nth(at->ctes, n);
		}
	twp_anonymity_refuse(level->analysis, NULL, "WITH query \"%s\" refers to itself or to a later one", rte->ctename);
}

/* Notes the protected relations of a copied query, whose original was judged. */
static bool
note_copied(Node *node, TwpAnalysis *analysis)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
			if (lfirst_node(RangeTblEntry, lc)->rtekind == RTE_RELATION)
				analysis->judged = lappend(analysis->judged, lfirst(lc));
		return query_tree_walker((Query *) node, note_copied, analysis, 0);
	}
	return expression_tree_walker(node, note_copied, analysis);
}

/* Makes a sub-query of a WITH query of owned rows, so that a release can be moved with all it reads. */
static void
inline_cte(TwpLevel *level, RangeTblEntry *rte)
{
	TwpLevel   *at = level;
	ListCell   *lc;
	Query	   *copy = NULL;

	for (Index up = 0; up < rte->ctelevelsup; up++)
		at = at->parent;
	foreach(lc, at->query->cteList)
		if (strcmp(lfirst_node(CommonTableExpr, lc)->ctename, rte->ctename) == 0)
		{
			twp_anonymity_check_judged(level->analysis, castNode(Query, lfirst_node(CommonTableExpr, lc)->ctequery));
			copy = copyObject(castNode(Query, lfirst_node(CommonTableExpr, lc)->ctequery));
		}
	(void) note_copied((Node *) copy, level->analysis);
	if (rte->ctelevelsup > 0)
		IncrementVarSublevelsUp((Node *) copy, rte->ctelevelsup, 1);
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = copy;
	rte->security_barrier = false;
	rte->ctename = NULL;
	rte->ctelevelsup = 0;
	rte->self_reference = false;
	rte->coltypes = rte->coltypmods = rte->colcollations = NIL;
}

/* Judges one entry of the FROM. */
void
twp_anonymity_judge_source(TwpLevel *level, int rti, bool nullable)
{
	RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);
	TwpSource  *source = &level->sources[rti - 1];

	source->present = true;
	source->nullable = nullable;
	source->class = rti;
	switch (rte->rtekind)
	{
		case RTE_RELATION:
			if (twp_protect_is_protected(rte->relid))
				mark_relation(level->analysis, source, rte);
			break;
		case RTE_SUBQUERY:
			mark_output(source, twp_anonymity_query(level->analysis, rte->subquery, level));
			break;
		case RTE_CTE:
			mark_output(source, find_cte(level, rte));
			if (level->analysis->terms->noisy && source->owned)
				inline_cte(level, rte);
			break;
		default:
			break;
	}
	level->owned |= source->owned;
}

/* Splits a condition into conjuncts. */
static void
add_conjuncts(TwpLevel *level, Node *quals, Bitmapset *side)
{
	ListCell   *lc;

	if (quals == NULL)
		return;
	if (IsA(quals, List) || is_andclause(quals))
	{
		foreach(lc, IsA(quals, List) ? (List *) quals : ((BoolExpr *) quals)->args)
			add_conjuncts(level, lfirst(lc), side);
		return;
	}
	level->conjuncts = lappend(level->conjuncts, palloc(sizeof(TwpConjunct)));
	*(TwpConjunct *) llast(level->conjuncts) = (TwpConjunct)
	{
		quals, side
	};
}

/* Adds the sources below a join tree node to a set. */
static Bitmapset *
collect_rtis(Node *node, Bitmapset *set)
{
	ListCell   *lc;

	if (IsA(node, RangeTblRef))
		return bms_add_member(set, ((RangeTblRef *) node)->rtindex);
	if (IsA(node, JoinExpr))
		return collect_rtis(((JoinExpr *) node)->rarg, collect_rtis(((JoinExpr *) node)->larg, set));
	foreach(lc, ((FromExpr *) node)->fromlist)
		set = collect_rtis(lfirst(lc), set);
	return set;
}

/* Judges the FROM: its entries, and which conditions hold for which of them. */
void
twp_anonymity_judge_from(TwpLevel *level, Node *node, bool nullable)
{
	ListCell   *lc;

	if (IsA(node, RangeTblRef))
		twp_anonymity_judge_source(level, ((RangeTblRef *) node)->rtindex, nullable);
	else if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			twp_anonymity_judge_from(level, lfirst(lc), nullable);
		add_conjuncts(level, ((FromExpr *) node)->quals, NULL);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;
		Bitmapset  *side = NULL;

		twp_anonymity_judge_from(level, join->larg, nullable || join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL);
		twp_anonymity_judge_from(level, join->rarg, nullable || join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL);
		level->full_join |= join->jointype != JOIN_INNER && join->jointype != JOIN_LEFT && join->jointype != JOIN_RIGHT;
		if (join->jointype == JOIN_LEFT)
			side = collect_rtis(join->rarg, NULL);
		else if (join->jointype == JOIN_RIGHT)
			side = collect_rtis(join->larg, NULL);
		for (int rti = -1; (rti = bms_next_member(side, rti)) >= 0;)
			level->sources[rti - 1].nulling = bms_add_member(level->sources[rti - 1].nulling, join->rtindex);
		add_conjuncts(level, join->quals, side);
	}
	else
		twp_anonymity_refuse(level->analysis, NULL, "a FROM of this kind");
}

/* True when values of a type that differ differ as an operator's arguments, too: as bpchar texts lose blanks. */
static bool
keeps_apart(Oid type, Oid declared)
{
	type = getBaseType(type);
	return type == declared || IsPolymorphicType(declared) || (type == VARCHAROID && declared == TEXTOID);
}

/* The two sides of an equality of whole values, seen through casts that change nothing. */
static bool
split_equality(Node *expr, Node **left, Node **right)
{
	OpExpr	   *op = (OpExpr *) expr;
	Oid			left_type;
	Oid			right_type;

	if (!IsA(expr, OpExpr) || list_length(op->args) != 2 || op->opno >= FirstNormalObjectId ||
		!op_mergejoinable(op->opno, exprType(linitial(op->args))) ||
		(OidIsValid(op->inputcollid) && !get_collation_isdeterministic(op->inputcollid)))
		return false;
	op_input_types(op->opno, &left_type, &right_type);
	*left = strip_implicit_coercions(linitial(op->args));
	*right = strip_implicit_coercions(lsecond(op->args));
	return keeps_apart(exprType(*left), left_type) && keeps_apart(exprType(*right), right_type);
}

/* True when an expression is the subject of an owned source of the level; gives which. */
bool
twp_anonymity_is_subject(const TwpLevel *level, Node *expr, int *rti)
{
	TwpData	mark;
	Var		   *var;

	if (!twp_anonymity_mark(level, expr, &mark, &var) || mark != TWP_DATA_SUBJECT)
		return false;
	*rti = var->varno;
	return true;
}

/* True when a path's first hop is the other column, and ends there at the other source's subject. */
static bool
follows_path(const TwpLevel *level, Node *start, Node *key, int *a, int *b)
{
	Var		   *from = (Var *) twp_anonymity_resolve(level, start);
	Var		   *to = (Var *) twp_anonymity_resolve(level, key);
	const TwpPath *path;
	RangeTblEntry *rte;

	if (!IsA(from, Var) || !IsA(to, Var) || from->varlevelsup > 0 || to->varlevelsup > 0)
		return false;
	path = level->sources[from->varno - 1].path;
	rte = rt_fetch(to->varno, level->query->rtable);
	if (path == NULL || path->nhops != 1 || from->varattno != path->start || rte->rtekind != RTE_RELATION ||
		rte->relid != path->hops[0].relid || to->varattno != path->hops[0].key_attno ||
		!level->sources[to->varno - 1].owned || level->sources[to->varno - 1].subject != path->hops[0].value_attno)
		return false;
	*a = from->varno;
	*b = to->varno;
	return true;
}

/* True for a condition that matches the subjects of two sources. */
bool
twp_anonymity_is_match(const TwpLevel *level, Node *expr, int *a, int *b)
{
	Node	   *left;
	Node	   *right;

	if (!split_equality(expr, &left, &right))
		return false;
	return (twp_anonymity_is_subject(level, left, a) && twp_anonymity_is_subject(level, right, b)) ||
		follows_path(level, left, right, a, b) || follows_path(level, right, left, a, b);
}

/* Puts sources that are joined by their subject into one class, and wants that all are. */
void
twp_anonymity_match_subjects(TwpLevel *level)
{
	ListCell   *lc;
	int			first = 0;

	foreach(lc, level->conjuncts)
	{
		TwpConjunct *c = lfirst(lc);
		int			a;
		int			b;

		if (!twp_anonymity_is_match(level, c->expr, &a, &b) ||
			(c->side != NULL && !bms_is_member(a, c->side) && !bms_is_member(b, c->side)))
			continue;
		for (int from = level->sources[b - 1].class, i = 0; i < level->nsources; i++)
			if (level->sources[i].class == from)
				level->sources[i].class = level->sources[a - 1].class;
	}
	for (int i = 0; i < level->nsources; i++)
	{
		TwpSource  *source = &level->sources[i];

		if (!source->owned)
			continue;
		if (first == 0)
			first = i + 1;
		else if (source->class != level->sources[first - 1].class)
			twp_anonymity_refuse(level->analysis, "Join protected tables by their subject columns.",
							   "rows of more than one data subject are joined");
		/* a column is cheaper than a path */
		if (!source->nullable && (level->subject_rti == 0 ||
								  (level->sources[level->subject_rti - 1].path != NULL && source->path == NULL)))
			level->subject_rti = i + 1;
	}
	if (level->subject_rti == 0)
		twp_anonymity_refuse(level->analysis, "Put the protected table on the other side of the outer join.",
						   "rows without a data subject are made by an outer join");
}

/* True when an outer join may add rows of protected tables, or none, to a level's others. */
bool
twp_anonymity_joins_outer(const TwpLevel *level)
{
	for (int i = 0; i < level->nsources; i++)
		if (level->sources[i].present && level->sources[i].owned && level->sources[i].nullable)
			return true;
	return false;
}

/* True when an expression is made of sources of the set only. */
static bool
depends_on(const TwpLevel *level, Node *expr, const Bitmapset *known)
{
	List	   *vars = pull_var_clause(expr, PVC_RECURSE_PLACEHOLDERS);
	ListCell   *lc;

	foreach(lc, vars)
	{
		Node	   *node = twp_anonymity_resolve(level, lfirst(lc));

		if (IsA(node, Var) ? !bms_is_member(((Var *) node)->varno, known) : !depends_on(level, node, known))
			return false;
	}
	return true;
}

/* Columns of a source that conditions equate with what is known. */
Bitmapset *
twp_anonymity_fixed_columns(const TwpLevel *level, int rti, const Bitmapset *known)
{
	Bitmapset  *fixed = NULL;
	ListCell   *lc;

	foreach(lc, level->conjuncts)
	{
		TwpConjunct *c = lfirst(lc);
		Node	   *side[2];

		if ((c->side != NULL && !bms_is_member(rti, c->side)) || !split_equality(c->expr, &side[0], &side[1]))
			continue;
		for (int i = 0; i < 2; i++)
		{
			Node	   *column = twp_anonymity_resolve(level, side[i]);

			if (IsA(column, Var) && ((Var *) column)->varno == rti && ((Var *) column)->varattno > 0 &&
				!checkExprHasSubLink(side[1 - i]) && depends_on(level, side[1 - i], known))
				fixed = bms_add_member(fixed, ((Var *) column)->varattno);
		}
	}
	return fixed;
}

/* True when conditions fix all columns of one of a clean table's unique keys. */
static bool
is_joined_by_key(const TwpLevel *level, int rti, const Bitmapset *known)
{
	Relation	relation = table_open(rt_fetch(rti, level->query->rtable)->relid, NoLock);
	bool		found = twp_anonymity_has_unique(relation, twp_anonymity_fixed_columns(level, rti, known));

	table_close(relation, NoLock);
	return found;
}

/*
 * Refuses clean relations whose reading runs somebody's code: what is run
 * beside owned rows tells which of them there are.
 */
void
twp_anonymity_check_clean(const TwpAnalysis *analysis, const RangeTblEntry *rte)
{
	Relation	relation;
	bool		computed = false;

	if (rte->tablesample != NULL || rte->securityQuals != NIL ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW))
		twp_anonymity_refuse(analysis, "Copy what you need into a plain table.",
						   "\"%s\" is no plain table, sampled or under row security, and is read beside protected rows",
						   rte->eref->aliasname);
	relation = table_open(rte->relid, NoLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
		computed |= TupleDescAttr(RelationGetDescr(relation), i)->attgenerated == 'v';
	table_close(relation, NoLock);
	if (computed || (rte->inh && rte->relkind == RELKIND_RELATION && has_subclass(rte->relid)))
		twp_anonymity_refuse(analysis, "Copy what you need into a plain table.",
						   "\"%s\" has children or columns computed when read", rte->eref->aliasname);
}

/* Checks a clean source by itself; true when it gives one row at most whatever it is joined to. */
static bool
check_source(TwpLevel *level, int rti)
{
	TwpSource  *source = &level->sources[rti - 1];
	RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);

	if (rte->lateral)
		twp_anonymity_refuse(level->analysis, NULL, "LATERAL beside protected rows");
	if (source->owned || rte->rtekind == RTE_RESULT)
		return true;
	if (rte->rtekind == RTE_SUBQUERY && source->one_row && !twp_anonymity_touches((Node *) rte->subquery))
	{
		twp_anonymity_check_public(level, rte->subquery);
		return true;
	}
	if (rte->rtekind != RTE_RELATION)
		twp_anonymity_refuse(level->analysis, "Join tables by a unique key, or sub-queries that give one row.",
							 "\"%s\" may multiply the rows it is joined to", rte->eref->aliasname);
	twp_anonymity_check_clean(level->analysis, rte);
	return false;
}

/* Wants that clean sources do not multiply owned rows: each is joined by a key to what is fixed already. */
void
twp_anonymity_check_sources(TwpLevel *level)
{
	Bitmapset  *known = NULL;
	bool		progress = true;

	if (level->full_join)
		twp_anonymity_refuse(level->analysis, "Use an inner or a left join.", "a full join of protected rows");
	for (int i = 0; i < level->nsources; i++)
		if (level->sources[i].present && check_source(level, i + 1))
			known = bms_add_member(known, i + 1);
	while (progress)
	{
		progress = false;
		for (int i = 0; i < level->nsources; i++)
			if (level->sources[i].present && !bms_is_member(i + 1, known) && is_joined_by_key(level, i + 1, known))
			{
				known = bms_add_member(known, i + 1);
				progress = true;
			}
	}
	for (int i = 0; i < level->nsources; i++)
		if (level->sources[i].present && !bms_is_member(i + 1, known))
			twp_anonymity_refuse(level->analysis, "Join it by all columns of a unique key.",
								 "\"%s\" may multiply the rows it is joined to",
								 rt_fetch(i + 1, level->query->rtable)->eref->aliasname);
}

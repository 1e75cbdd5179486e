/*
 * release_remainder.c - groups below the cohort, merged into one.
 *
 * With twin_privacy.remainder_group the release has two steps: below, all
 * groups with their figures and their subjects' states; above, a group each for
 * the large ones and one, whose keys are NULL, for the others together, which
 * is shown when it has the cohort.
 *
 *   SELECT CASE WHEN large THEN key END, total(count) FROM (SELECT key, count(*),
 *          state .. GROUP BY key) AS parts GROUP BY 1, large HAVING merged state
 *
 * In the remainder are counts and sums over all its rows; what cannot be added
 * (means, deviations, different subjects, parts of groups) is NULL there.  A
 * remainder below the cohort is left out, and the guard sees to it that it
 * does not come out as the difference of a total and the visible groups.
 */
#include "postgres.h"

#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"
#include "utils/lsyscache.h"

/* The lower query's second column says whether the group is large; the first is its state. */
#define LARGE_COLUMN 2

/* The upper query's aggregate of a column of the lower one that adds, or keeps what there is one of. */
static Node *
make_total(Node *column)
{
	Aggref	   *total = twp_anonymity_make_aggregate("total", exprType(column), list_make1(column));

	total->aggcollid = exprCollation(column);
	return (Node *) total;
}

/* Adds a column to the lower query; gives the reference to it. */
static Node *
add_part(List **targets, Node *expr)
{
	TargetEntry *tle = makeTargetEntry((Expr *) expr, list_length(*targets) + 1,
									   psprintf("p%d", list_length(*targets) + 1), false);

	*targets = lappend(*targets, tle);
	return (Node *) makeVarFromTargetEntry(1, tle);
}

/* The reference that says whether a group of the lower query is large. */
static Node *
make_large(void)
{
	return (Node *) makeVar(1, LARGE_COLUMN, BOOLOID, -1, InvalidOid, 0);
}

/* A value that only large groups have. */
static Node *
of_large(Node *expr)
{
	return twp_anonymity_make_case(make_large(), expr, NULL);
}

/* True for a figure of a group that adds to one of the remainder: a count or a sum of all rows. */
static bool
is_additive(const TargetEntry *tle)
{
	const Aggref *agg = (const Aggref *) tle->expr;
	const char *name;

	if (!IsA(agg, Aggref) || agg->aggfilter != NULL || agg->aggdistinct != NIL)
		return false;
	name = get_func_name(agg->aggfnoid);
	return strcmp(name, "count") == 0 || strcmp(name, "sum") == 0;
}

/* Sees to it that the guard is told of the remainder what is shown of it. */
static void
lift_figures(TwpLevel *level, List **parts)
{
	ListCell   *lc;

	foreach(lc, level->figures)
	{
		TwpReleaseFigure *figure = lfirst(lc);

		if (figure->shown != NULL)
			figure->shown = of_large(make_total(add_part(parts, figure->shown)));
		else if (figure->subjects != NULL)
			figure->shown = make_large();
		if (figure->subjects != NULL)
			figure->sketch = of_large(make_total(add_part(parts, (Node *) figure->subjects)));
	}
}

/* Makes the upper query's columns from the level's, and the lower one's. */
static List *
lift_columns(TwpLevel *level, List **parts, List **groups)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, level->columns)
	{
		TargetEntry *tle = lfirst(lc);
		TargetEntry *lifted = flatCopyTargetEntry(tle);
		Node	   *part;

		columns = lappend(columns, lifted);
		/* the gate's column is filled in later */
		if (twp_guard_enabled && foreach_current_index(lc) == 0)
			continue;
		part = add_part(parts, (Node *) tle->expr);
		if (tle->ressortgroupref > 0)
		{
			llast_node(TargetEntry, *parts)->ressortgroupref = tle->ressortgroupref;
			lifted->expr = (Expr *) of_large(part);
		}
		else
			lifted->expr = (Expr *) (is_additive(tle) ? make_total(part) : of_large(make_total(part)));
	}
	*groups = copyObject(level->query->groupClause);
	return columns;
}

/* Makes "large" a key of the upper query. */
static void
group_by_large(List **columns, List **groups)
{
	SortGroupClause *clause = makeNode(SortGroupClause);
	TargetEntry *tle = makeTargetEntry((Expr *) make_large(), list_length(*columns) + 1, "large", false);
	bool		hashable;
	ListCell   *lc;

	foreach(lc, *columns)
		tle->ressortgroupref = Max(tle->ressortgroupref, lfirst_node(TargetEntry, lc)->ressortgroupref);
	tle->ressortgroupref++;
	get_sort_group_operators(BOOLOID, true, true, false, &clause->sortop, &clause->eqop, NULL, &hashable);
	clause->hashable = hashable;
	clause->tleSortGroupRef = tle->ressortgroupref;
	*columns = lappend(*columns, tle);
	*groups = lappend(*groups, clause);
}

/* Makes the two queries of a release with a remainder; gives the upper one. */
Query *
twp_anonymity_merge_small(TwpLevel *level)
{
	Query	   *upper = makeNode(Query);
	List	   *parts = NIL;
	List	   *groups;
	List	   *columns;
	List	   *tags = NIL;
	Aggref	   *state = twp_anonymity_make_aggregate("guard_part", BYTEAOID,
													  twp_anonymity_sketch_arguments(level, &tags, false));
	Aggref	   *merged;
	Query	   *lower;
	RangeTblRef *ref = makeNode(RangeTblRef);

	(void) add_part(&parts, (Node *) state);
	(void) add_part(&parts, twp_anonymity_make_call("guard_is_large", BOOLOID, list_make1(copyObject(state))));
	lift_figures(level, &parts);
	columns = lift_columns(level, &parts, &groups);
	group_by_large(&columns, &groups);
	lower = twp_anonymity_make_release(level, parts);
	merged = twp_anonymity_make_aggregate("guard_merge", BYTEAOID,
										  list_make1(makeVarFromTargetEntry(1, linitial_node(TargetEntry, parts))));
	if (twp_guard_enabled)
		linitial_node(TargetEntry, columns)->expr = (Expr *) twp_anonymity_make_gate(level, merged, tags);

	upper->commandType = CMD_SELECT;
	upper->querySource = lower->querySource;
	upper->canSetTag = true;
	ref->rtindex = 1;
	upper->rtable = list_make1(twp_anonymity_make_entry(lower));
	upper->jointree = makeFromExpr(list_make1(ref), NULL);
	upper->targetList = columns;
	upper->groupClause = groups;
	upper->havingQual = twp_anonymity_make_not_null((Node *) merged);
	upper->hasAggs = true;
	upper->hasRowSecurity = lower->hasRowSecurity;
	return upper;
}

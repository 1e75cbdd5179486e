/*
 * release_split.c - a release becomes a query of its own.
 *
 * What a level does with its groups (HAVING, windows, sorting, LIMIT, what the
 * user computes) moves above; below stay FROM, WHERE, GROUP BY and the
 * figures, with the cohort as the only condition on groups.  So no user's
 * function or failing operator sees a group before it is known that it may be
 * seen, and a guard can look at all groups before the first one is given out.
 *
 *   SELECT keys, f(count(*)) FROM .. GROUP BY keys HAVING h ORDER BY ..
 *     becomes
 *   SELECT keys, f(c) FROM (SELECT keys, count(*) AS c FROM .. GROUP BY keys
 *          HAVING cohort OFFSET 0) AS released WHERE h ORDER BY ..
 *
 * OFFSET 0 keeps the planner from moving conditions below.
 */
#include "postgres.h"

#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"

#define RELEASED "released"

/* Makes an expression on groups a column of the release; gives the reference to it. */
Node *
twp_anonymity_release_column(TwpLevel *level, Node *expr)
{
	TargetEntry *tle = NULL;
	ListCell   *lc;

	foreach(lc, level->columns)
		if (equal(((TargetEntry *) lfirst(lc))->expr, expr))
			tle = lfirst(lc);
	if (tle == NULL)
	{
		int			n = list_length(level->columns) + 1;

		tle = makeTargetEntry((Expr *) expr, n, psprintf("c%d", n), false);
		level->columns = lappend(level->columns, tle);
	}
	return (Node *) makeVarFromTargetEntry(1, tle);
}

/*
 * What the rows of an outer join must be: those with a match, and those
 * without, none or of the cohort.  Else a few people whose rows a condition
 * multiplies would be told by how many rows there are.
 */
static List *
match_conditions(const TwpLevel *level)
{
	List	   *conditions = NIL;

	for (int i = 0; i < level->nsources; i++)
	{
		const TwpSource *source = &level->sources[i];
		Node	   *key;

		if (!source->present || !source->owned || !source->nullable)
			continue;
		key = twp_anonymity_column(level, i + 1, source->path != NULL ? source->path->start : source->subject);
		conditions = lappend(conditions,
							 twp_anonymity_make_aggregate("at_least_parts", BOOLOID,
														  list_make3(twp_anonymity_subject(level),
																	 twp_anonymity_make_not_null(key),
																	 twp_anonymity_make_k(level))));
	}
	return conditions;
}

/* References to WITH queries that stay above now lie one level further up. */
static bool
shift_ctes(Node *node, int *depth)
{
	bool		result;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && (int) rte->ctelevelsup >= *depth)
			rte->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		(*depth)++;
		result = query_tree_walker((Query *) node, shift_ctes, depth, QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, shift_ctes, depth);
}

/* Makes the lower query from parts of the level's. */
Query *
twp_anonymity_make_release(TwpLevel *level, List *targets)
{
	Query	   *q = level->query;
	Query	   *release = makeNode(Query);
	List	   *conditions = match_conditions(level);
	int			depth = 0;

	release->commandType = CMD_SELECT;
	release->querySource = q->querySource;
	release->canSetTag = true;
	release->rtable = q->rtable;
	release->jointree = q->jointree;
	release->targetList = targets;
	release->groupClause = q->groupClause;
	release->groupDistinct = q->groupDistinct;
	release->hasAggs = true;
	release->havingQual = conditions != NIL ? (Node *) make_ands_explicit(conditions) : NULL;
	release->hasSubLinks = q->hasSubLinks;
	release->hasRowSecurity = q->hasRowSecurity;
	release->constraintDeps = q->constraintDeps;
	twp_compat_hand_permissions(q, release);
	(void) query_tree_walker(release, shift_ctes, &depth, QTW_EXAMINE_RTES_BEFORE);
	return release;
}

/* The entry of the lower query in the upper one. */
RangeTblEntry *
twp_anonymity_make_entry(Query *release)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = release;
	rte->eref = makeAlias(RELEASED, NIL);
	foreach(lc, release->targetList)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(lfirst_node(TargetEntry, lc)->resname)));
	rte->inFromCl = true;
	return rte;
}

/* Parts the level: its target list refers to columns of the release already, and so does having. */
void
twp_anonymity_split(TwpLevel *level, Node *having)
{
	Query	   *q = level->query;
	Query	   *release;
	RangeTblRef *ref = makeNode(RangeTblRef);

	if (twp_anonymity_merges_small(level))
		release = twp_anonymity_merge_small(level);
	else
	{
		Node	   *condition = twp_anonymity_guard_groups(level);

		release = twp_anonymity_make_release(level, level->columns);
		release->havingQual = (Node *) make_and_qual(condition, release->havingQual);
	}
	release->limitOffset = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0), false, true);
	release->hasWindowFuncs = contain_windowfuncs((Node *) release->targetList);
	if (release->hasWindowFuncs)
	{
		WindowClause *window = makeNode(WindowClause);

		window->winref = 1;
		window->frameOptions = FRAMEOPTION_DEFAULTS;
		release->windowClause = list_make1(window);
	}
	ref->rtindex = 1;
	q->rtable = list_make1(twp_anonymity_make_entry(release));
	q->jointree = makeFromExpr(list_make1(ref), having);
	q->groupClause = NIL;
	q->groupDistinct = false;
	q->havingQual = NULL;
	q->hasAggs = false;
	q->constraintDeps = NIL;
}

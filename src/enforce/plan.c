/*
 * plan.c - what a finished plan tells: its marks, the tables they name, and
 * whether it gathers rows.
 *
 * The marks are checked whenever a plan starts or runs: a protected relation
 * without a fitting one was reached around the rewriting, or for another
 * binding, and the plan does not run.
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/guc.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

/* True when a plan has a protected relation in it. */
bool
twp_enforce_touches_protected(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_COMPOSITE_TYPE &&
			twp_protect_is_protected(rte->relid))
			return true;
	}
	return false;
}

/* Refuses a plan whose marks do not fit: it was made around us, or for another binding. */
void
twp_enforce_refuse_plan(const RangeTblEntry *rte, bool stale)
{
	if (stale)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("the statement was planned under another binding"),
				 errhint("Run it again; a cursor must be declared anew.")));
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("protected table \"%s\" is reached in a way that is not supported",
					get_rel_name(rte->relid)),
			 errhint("Query the table itself; a protected child needs a parent that is protected alike.")));
}

/*
 * Refuses, in a parallel worker, a statement of a function's: marks do not
 * travel, so a plan with one was made here.  Nobody would record it, and the
 * leader would not know that values were read.
 */
void
twp_enforce_refuse_in_worker(PlannedStmt *plan)
{
	ListCell   *lc;
	TwpMark		mark;

	foreach(lc, plan->rtable)
		if (twp_enforce_get_mark(lfirst(lc), &mark))
			ereport(ERROR,
					(errcode(ERRCODE_TWP_OUTSIDE_USE),
					 errmsg("protected tables may not be read by a function in a parallel worker"),
					 errhint("Declare the function PARALLEL RESTRICTED.")));
}

/*
 * Checks the mark of every protected relation of a plan; returns the common
 * mode.  Children carry their parent's mark, so the protection's hash is
 * compared only where the mark is the relation's own, and a child whose own
 * label says something else is not read through the parent.
 */
TwpMarkMode
twp_enforce_check_marks(PlannedStmt *plan, uint64 stamp)
{
	TwpMarkMode mode = TWP_MARK_NONE;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		const TwpProtection *p;
		TwpMark		mark;

		if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_COMPOSITE_TYPE ||
			(p = twp_protect_lookup(rte->relid)) == NULL)
			continue;
		if (!twp_enforce_get_mark(rte, &mark) || (mode != TWP_MARK_NONE && mode != mark.mode))
			twp_enforce_refuse_plan(rte, false);
		mode = mark.mode;
		if (mode == TWP_MARK_USE &&
			(mark.stamp != stamp || (mark.relid == rte->relid && mark.protection_hash != p->hash)))
			twp_enforce_refuse_plan(rte, true);
		if (mode == TWP_MARK_USE && mark.relid != rte->relid &&
			!twp_protect_agrees(rte->relid, mark.relid))
			twp_enforce_refuse_plan(rte, false);
	}
	if ((mode == TWP_MARK_MAINTENANCE && !twp_in_maintenance()) ||
		(mode == TWP_MARK_FOREIGN_KEY && !twp_enforce_in_foreign_key_check()))
		twp_enforce_refuse_plan(linitial(plan->rtable), true);
	return mode;
}

/* The relations a plan's marks name. */
List *
twp_enforce_marked_relations(PlannedStmt *plan)
{
	List	   *relids = NIL;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		TwpMark		mark;

		if (rte->rtekind == RTE_RELATION && twp_enforce_get_mark(rte, &mark))
			relids = list_append_unique_oid(relids, mark.relid);
	}
	return relids;
}

/* Looks for an upsert in a plan tree. */
static bool
has_upsert(Plan *plan)
{
	if (plan == NULL)
		return false;
	if (IsA(plan, ModifyTable) && ((ModifyTable *) plan)->onConflictAction == ONCONFLICT_UPDATE)
		return true;
	return has_upsert(plan->lefttree) || has_upsert(plan->righttree);
}

/* True when a plan may change rows that are there, by whatever name; what is below a CTE writes too. */
bool
twp_enforce_may_update(PlannedStmt *plan)
{
	return plan->commandType != CMD_INSERT || plan->hasModifyingCTE || has_upsert(plan->planTree);
}

/* True when a node looks things up in what a sub-plan gave once: its value, or a hash table of its rows. */
static bool
keeps_subplans(PlanState *state)
{
	ListCell   *lc;

	foreach(lc, state->subPlan)
		if (((SubPlanState *) lfirst(lc))->subplan->useHashTable)
			return true;
	return state->initPlan != NIL;
}

/*
 * True for a plan node that keeps rows it has read for later.  So does one
 * that gives several rows for one of its input: a nested loop, or functions
 * that return sets; and a merge of sorted inputs, which holds the first of each.
 * What a function in FROM gave counts only when *function_rows says so.
 */
static bool
keeps_rows(PlanState *state, void *function_rows)
{
	if (keeps_subplans(state))
		return true;
	switch (nodeTag(state->plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapIndexScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_CustomScan:
		case T_SubqueryScan:
		case T_ValuesScan:
		case T_Result:
		case T_Append:
		case T_Limit:
		case T_LockRows:
		case T_Unique:
			return planstate_tree_walker(state, keeps_rows, function_rows);
		case T_FunctionScan:
			return *(bool *) function_rows || planstate_tree_walker(state, keeps_rows, function_rows);
		default:
			return true;
	}
}

/* True for a scan that notes rows before its last filter, which may drop them (note.c). */
static bool
notes_early(const Plan *scan)
{
	ListCell   *lc;
	int			first = IsA(scan, CustomScan) ? 0 : 1;	/* behind the row rule */

	if (list_length(scan->qual) <= first + 1)
		return false;
	for_each_from(lc, scan->qual, first)
	{
		const FuncExpr *call = lfirst(lc);

		if (IsA(call, FuncExpr) && call->funcid == twp_enforce_function_oid(TWP_FN_ROW_NOTED))
			return lnext(scan->qual, lc) != NULL;
	}
	return false;
}

/*
 * True for a plan that gives out the very rows its one scan lets through: then
 * the subjects noted are exactly those the client was told of.
 */
bool
twp_enforce_gives_scanned_rows(const PlannedStmt *plan)
{
	if (plan->subplans != NIL || plan->commandType != CMD_SELECT || notes_early(plan->planTree))
		return false;
	switch (nodeTag(plan->planTree))
	{
		case T_SeqScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			return true;
		case T_CustomScan:
			/* ours notes a row when it gives it out; of others nobody knows */
			return ((const CustomScan *) plan->planTree)->methods == twp_enforce_scan_methods();
		default:
			return false;
	}
}

/* True when a plan keeps rows it has read (functions' among them or not), so that a later fetch gives out what was judged before. */
bool
twp_enforce_keeps_rows(PlanState *state, bool function_rows)
{
	return keeps_rows(state, &function_rows);
}

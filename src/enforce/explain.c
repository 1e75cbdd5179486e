/*
 * explain.c - what EXPLAIN and its kin must not tell.
 *
 * Counts of rows that a filter removed, pages visited and index entries found
 * count hidden rows; estimates come from statistics of them, and a loop of
 * EXPLAINs with guessed constants reads a histogram back.  So those figures
 * are emptied before they are printed, but in maintenance.  The shape of a
 * plan stays, and can hint.
 *
 * Contract: a plan whose figures are emptied is a copy of its own, never a
 * cached one: the executor and the plan cache need the true figures.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "enforce/enforce_internal.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/* The range table index a scan reads, or 0. */
static Index
scan_relation(const PlanState *state)
{
	switch (nodeTag(state->plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_BitmapIndexScan:
		case T_CustomScan:
			return ((const Scan *) state->plan)->scanrelid;
		default:
			return 0;
	}
}

/* Empties what one measurement says of rows that were not shown. */
static void
forget_measured(Instrumentation *instrument, bool scan)
{
	memset(&instrument->bufusage, 0, sizeof(instrument->bufusage));
	if (!scan)
		return;
	instrument->nfiltered1 = 0;
	instrument->nfiltered2 = 0;
	instrument->ntuples2 = 0;	/* heap fetches */
}

typedef struct Forgetting
{
	bool		own_plan;		/* estimates go, too */
	bool		by_place;		/* below a node that tells rows apart by their partition */
} Forgetting;

/* Looks for a scan of a partition that tells of its rows. */
static bool
has_telling_scan(PlanState *state, void *context)
{
	Index		rti = scan_relation(state);

	Oid			relid = rti > 0 ? exec_rt_fetch(rti, state->state)->relid : InvalidOid;

	if (OidIsValid(relid) && get_rel_relispartition(relid) && twp_protect_place_may_be_hidden(relid))
		return true;
	return planstate_tree_walker(state, has_telling_scan, context);
}

/* Empties the figures of a plan's nodes. */
static bool
forget_figures(PlanState *state, void *forgetting)
{
	Forgetting	mine = *(const Forgetting *) forgetting;
	Index		rti = scan_relation(state);
	bool		scan = rti > 0 && twp_protect_is_protected(exec_rt_fetch(rti, state->state)->relid);

	if (mine.own_plan)
	{
		state->plan->startup_cost = state->plan->total_cost = 0;
		state->plan->plan_rows = 0;
	}
	if (state->instrument != NULL)
		forget_measured(state->instrument, scan);
	if (state->instrument != NULL && scan && IsA(state->plan, BitmapIndexScan))
		state->instrument->ntuples = state->instrument->tuplecount = 0;
	if (state->instrument != NULL && mine.by_place)
	{
		state->instrument->ntuples = state->instrument->tuplecount = 0;
		state->instrument->nfiltered1 = state->instrument->nfiltered2 = 0;
	}
	if (scan)
		twp_compat_forget_searches(state);
	if (IsA(state, BitmapHeapScanState))
		twp_compat_forget_pages((BitmapHeapScanState *) state);
	for (int i = 0; state->worker_instrument != NULL && i < state->worker_instrument->num_workers; i++)
		forget_measured(&state->worker_instrument->instrument[i], scan);
	/* a single partition is told by the plan's shape: what it gives is what the query gives */
	if ((IsA(state, AppendState) || IsA(state, MergeAppendState) || IsA(state, ModifyTableState)) && !mine.by_place)
		mine.by_place = has_telling_scan(state, NULL);
	return planstate_tree_walker(state, forget_figures, &mine);
}

/* True when auto_explain is there and may print plans, to the client, too. */
static bool
is_auto_explained(void)
{
	const char *duration = GetConfigOption("auto_explain.log_min_duration", true, false);

	return duration != NULL && strcmp(duration, "-1") != 0;
}

/* Gives a plan that will be printed a copy of its own, before it starts; true when it did. */
bool
twp_enforce_explain_starts(QueryDesc *query, int eflags)
{
	bool		explained = (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
		query->instrument_options != 0 || is_auto_explained();

	if (!explained || twp_in_maintenance())
		return false;
	query->plannedstmt = copyObject(query->plannedstmt);
	return true;
}

/* Empties the figures of a plan that will be printed without being run. */
void
twp_enforce_explain_started(QueryDesc *query, int eflags)
{
	Forgetting	all = {.own_plan = true};

	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 && !twp_in_maintenance() &&
		twp_enforce_touches_protected(query->plannedstmt))
		(void) forget_figures(query->planstate, &all);
}

/* Empties the figures of a plan that was run and may be printed; estimates only in a copy. */
void
twp_enforce_explain_ran(QueryDesc *query, bool own_plan)
{
	Forgetting	some = {.own_plan = own_plan};

	if ((query->instrument_options != 0 || own_plan) && query->planstate != NULL &&
		!twp_in_maintenance() && twp_enforce_touches_protected(query->plannedstmt))
		(void) forget_figures(query->planstate, &some);
}

/* Refuses a plan that debug_print_plan would print with its figures. */
void
twp_enforce_explain_planned(void)
{
	if (Debug_print_plan && !twp_in_maintenance())
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a plan over protected tables is not printed with its estimates"),
				 errhint("SET debug_print_plan = off, or use EXPLAIN.")));
}

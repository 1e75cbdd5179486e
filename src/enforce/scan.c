/*
 * scan.c - a sequential scan that judges the rows of a page at once.
 *
 * After PostgreSQL's heap scan has turned to a page, all its rows are judged
 * together (scan_page.c) and the open ones are given out from there.  The node
 * has a loop of its own instead of the executor's: columns that lie at the same
 * place in every row are read from there, and a row of which nothing is wanted
 * (count) is not looked at again.  Whoever passes the filters is noted here.
 *
 * Contract: as for row_visible: a decision of the plan's own stamp is in force
 * or the scan refuses.  When a new decision was begun meanwhile (the next
 * FETCH), the rows of the page that are still to come are judged again.
 * Runs in parallel workers.  No mark and restore, no backward scan, no
 * EvalPlanQual: the planner does not use it there.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* A column that is given out as it is stored. */
typedef struct Column
{
	AttrNumber	attno;
	int			offset;
	int16		len;
	bool		byval;
} Column;

typedef struct ConsentScan
{
	CustomScanState css;
	HeapTupleData tuple;		/* what the scan slot holds */
	Column	   *columns;		/* NULL: what is given out is not just columns with a fixed place */
	int			ncolumns;
	AttrNumber	last_column;	/* the greatest number among them */
	TwpScanPage page;
} ConsentScan;

static Node *create_state(CustomScan *scan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *run_scan(CustomScanState *node);
static TupleTableSlot *give_columns(PlanState *ps);
static TupleTableSlot *give_row(PlanState *ps);
static void end_scan(CustomScanState *node);
static void rescan(CustomScanState *node);
static Size estimate_shared(CustomScanState *node, ParallelContext *pcxt);
static void start_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate);
static void restart_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate);
static void join_shared(CustomScanState *node, shm_toc *toc, void *coordinate);

static const CustomScanMethods scan_methods = {
	.CustomName = "ConsentScan",
	.CreateCustomScanState = create_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = "ConsentScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = run_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_shared,
	.InitializeDSMCustomScan = start_shared,
	.ReInitializeDSMCustomScan = restart_shared,
	.InitializeWorkerCustomScan = join_shared,
};

/* Gives the methods of our plan node. */
const CustomScanMethods *
twp_enforce_scan_methods(void)
{
	return &scan_methods;
}

/* Makes our node known to those who read plans (parallel workers). */
void
twp_enforce_scan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

/* True when a row needs no more than its subject and what it is made from to be judged: nothing else of it is known. */
bool
twp_enforce_scan_can_judge(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);

	return p != NULL && p->broken == NULL && p->subject.nhops == 0 && !p->has_label_path &&
		p->facts[TWP_ROW_AUTHOR] == 0 && p->facts[TWP_ROW_ENCOUNTER] == 0 && p->facts[TWP_ROW_DATE] == 0 &&
		p->facts[TWP_ROW_PURPOSE] == 0;
}

/* Makes the running state of a plan node. */
static Node *
create_state(CustomScan *scan)
{
	ConsentScan *state = (ConsentScan *) newNode(sizeof(ConsentScan), T_CustomScanState);

	state->css.methods = &exec_methods;
	return (Node *) state;
}

/* Rows of no more columns are given out column by column though all are asked for. */
#define MAX_COLUMNS 8

/* Finds out whether all that is given out is columns with a fixed place. */
static void
find_columns(ConsentScan *state, List *targets)
{
	TupleDesc	desc = RelationGetDescr(state->css.ss.ss_currentRelation);
	Column	   *columns = palloc(sizeof(Column) * Max(list_length(targets), 1));
	ListCell   *lc;

	foreach(lc, targets)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, lc)->expr;
		Column	   *column = &columns[foreach_current_index(lc)];

		if (!IsA(var, Var) || var->varattno <= 0 || twp_enforce_fixed_offset(desc, var->varattno) < 0)
			return;
		column->attno = var->varattno;
		column->offset = twp_enforce_fixed_offset(desc, var->varattno);
		column->len = TupleDescAttr(desc, var->varattno - 1)->attlen;
		column->byval = TupleDescAttr(desc, var->varattno - 1)->attbyval;
		state->last_column = Max(state->last_column, var->varattno);
	}
	state->ncolumns = list_length(targets);
	state->columns = columns;
}

/* Prepares to run; the executor made the scan slot virtual, a heap's rows need their own kind. */
static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	ConsentScan *state = (ConsentScan *) node;
	Relation	relation = node->ss.ss_currentRelation;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;

	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(relation), table_slot_callbacks(relation));
	ExecAssignScanProjectionInfo(&node->ss);
	node->ss.ps.qual = ExecInitQual(scan->scan.plan.qual, &node->ss.ps);
	twp_enforce_page_init(&state->page, linitial_node(FuncExpr, scan->custom_private), relation);
	state->tuple.t_tableOid = RelationGetRelid(relation);
	/* all columns of a narrow row are given out one by one, too: cheaper than a row to be taken apart above */
	if (node->ss.ps.ps_ProjInfo != NULL || RelationGetNumberOfAttributes(relation) <= MAX_COLUMNS)
		find_columns(state, scan->scan.plan.targetlist);
	if (state->columns != NULL)
	{
		node->ss.ps.resultops = &TTSOpsVirtual;
		node->ss.ps.resultopsfixed = node->ss.ps.resultopsset = true;
	}
	/* called for each row: without the executor's step between */
	state->page.in_order = state->columns != NULL && node->ss.ps.qual == NULL;
	node->ss.ps.ExecProcNode = state->page.in_order ? give_columns : give_row;
}

/* Begins the heap scan of a process that reads alone. */
static TableScanDesc
open_scan(ScanState *ss)
{
	if (ss->ss_currentScanDesc == NULL)
		ss->ss_currentScanDesc = table_beginscan(ss->ss_currentRelation, ss->ps.state->es_snapshot, 0, NULL);
	if ((ss->ss_currentScanDesc->rs_flags & SO_ALLOW_PAGEMODE) == 0)
		elog(ERROR, "a consent scan needs an MVCC snapshot");
	return ss->ss_currentScanDesc;
}

/* Turns to the next page with an open row; false at the end. */
static bool
turn_page(ConsentScan *state)
{
	ScanState  *ss = &state->css.ss;
	TableScanDesc table_scan = open_scan(ss);
	HeapScanDesc scan = (HeapScanDesc) table_scan;

	twp_enforce_page_leave(&state->page);
	while (table_scan_getnextslot(table_scan, ForwardScanDirection, ss->ss_ScanTupleSlot))
	{
		CHECK_FOR_INTERRUPTS();
		Assert(scan->rs_cindex == 0);
		twp_enforce_page_judge(&state->page, scan);
		/* the heap scan counted one row; it is to go on to the next page */
		pgstat_count_index_tuples(ss->ss_currentRelation, scan->rs_ntuples - 1);
		scan->rs_cindex = scan->rs_ntuples - 1;
		if (state->page.n > 0)
			return true;
	}
	return false;
}

/* Gives the number of the next open row on the page, which may be the next one; -1 at the end. */
static inline int
next_row(ConsentScan *state)
{
	TwpScanPage *page = &state->page;

	CHECK_FOR_INTERRUPTS();
	if (unlikely(page->epoch != twp_decision_epoch()) && page->next < page->n)
		twp_enforce_page_judge_rest(page);
	if (unlikely(page->next >= page->n) && !turn_page(state))
		return -1;
	return page->kept[page->next++];
}

/* Fills the result with the columns of a row. */
static inline TupleTableSlot *
fill_columns(ConsentScan *state, HeapTupleHeader row)
{
	TupleTableSlot *slot = state->css.ss.ps.ps_ResultTupleSlot;
	const char *data = (const char *) row + row->t_hoff;

	if (unlikely(TTS_SHOULDFREE(slot)))
		ExecClearTuple(slot);
	if (state->ncolumns == 0)
		;
	else if (likely(twp_enforce_row_is_plain(row, state->last_column, 0)))
		for (int i = 0; i < state->ncolumns; i++)
		{
			slot->tts_values[i] = fetch_att(data + state->columns[i].offset, state->columns[i].byval,
											state->columns[i].len);
			slot->tts_isnull[i] = false;
		}
	else
		for (int i = 0; i < state->ncolumns; i++)
			slot->tts_values[i] = twp_enforce_page_column(&state->page, row, state->columns[i].attno,
														  &slot->tts_isnull[i]);
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_nvalid = (AttrNumber) state->ncolumns;
	return slot;
}

/* Runs a scan without filters that gives out columns. */
static TupleTableSlot *
give_columns(PlanState *ps)
{
	ConsentScan *state = (ConsentScan *) ps;
	int			i = next_row(state);

	if (unlikely(i < 0))
		return ExecClearTuple(ps->ps_ResultTupleSlot);
	twp_enforce_page_note(&state->page, i, true);
	return fill_columns(state, state->page.rows[i]);
}

/* Puts a row of the page into the scan slot. */
static void
store_row(ConsentScan *state, int i)
{
	ScanState  *ss = &state->css.ss;
	HeapScanDesc scan = (HeapScanDesc) ss->ss_currentScanDesc;
	ItemId		item = PageGetItemId(BufferGetPage(scan->rs_cbuf), scan->rs_vistuples[i]);

	state->tuple.t_data = state->page.rows[i];
	state->tuple.t_len = ItemIdGetLength(item);
	ItemPointerSet(&state->tuple.t_self, scan->rs_cblock, scan->rs_vistuples[i]);
	ExecStoreBufferHeapTuple(&state->tuple, ss->ss_ScanTupleSlot, scan->rs_cbuf);
}

/* Runs any other scan. */
static TupleTableSlot *
give_row(PlanState *ps)
{
	ConsentScan *state = (ConsentScan *) ps;
	ScanState  *ss = &state->css.ss;
	ExprContext *econtext = ps->ps_ExprContext;
	int			i;

	while ((i = next_row(state)) >= 0)
	{
		ResetExprContext(econtext);
		store_row(state, i);
		econtext->ecxt_scantuple = ss->ss_ScanTupleSlot;
		if (ps->qual != NULL && !ExecQual(ps->qual, econtext))
		{
			InstrCountFiltered1(ps, 1);
			continue;
		}
		twp_enforce_page_note(&state->page, i, false);
		if (state->columns != NULL)
			return fill_columns(state, state->page.rows[i]);
		return ps->ps_ProjInfo != NULL ? ExecProject(ps->ps_ProjInfo) : ss->ss_ScanTupleSlot;
	}
	return ExecClearTuple(ps->ps_ProjInfo != NULL || state->columns != NULL ? ps->ps_ResultTupleSlot : ss->ss_ScanTupleSlot);
}

/* The same for the executor's own step, which nothing uses. */
static TupleTableSlot *
run_scan(CustomScanState *node)
{
	return give_row(&node->ss.ps);
}

/* Ends the scan. */
static void
end_scan(CustomScanState *node)
{
	if (node->ss.ss_currentScanDesc != NULL)
		table_endscan(node->ss.ss_currentScanDesc);
}

/* Starts over. */
static void
rescan(CustomScanState *node)
{
	twp_enforce_page_leave(&((ConsentScan *) node)->page);
	if (node->ss.ss_currentScanDesc != NULL)
		table_rescan(node->ss.ss_currentScanDesc, NULL);
	ExecScanReScan(&node->ss);
}

/* Says how much a parallel scan shares. */
static Size
estimate_shared(CustomScanState *node, ParallelContext *pcxt)
{
	return table_parallelscan_estimate(node->ss.ss_currentRelation, node->ss.ps.state->es_snapshot);
}

/* Starts a parallel scan. */
static void
start_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	table_parallelscan_initialize(node->ss.ss_currentRelation, coordinate, node->ss.ps.state->es_snapshot);
	node->ss.ss_currentScanDesc = table_beginscan_parallel(node->ss.ss_currentRelation, coordinate);
}

/* Starts a parallel scan over. */
static void
restart_shared(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	table_parallelscan_reinitialize(node->ss.ss_currentRelation, coordinate);
}

/* Joins a parallel scan as a worker. */
static void
join_shared(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	node->ss.ss_currentScanDesc = table_beginscan_parallel(node->ss.ss_currentRelation, coordinate);
}

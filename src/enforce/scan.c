/*
 * scan.c - a sequential scan that judges the rows of a page at once.
 *
 * PostgreSQL's heap scan finds the visible rows of a page first and gives them
 * out one by one.  After it has turned to a page, we read the subjects of its
 * rows, ask for all of them together, and strike the rows that are closed from
 * the page's list before any is given out.
 *
 * Contract: as for row_visible: a decision of the plan's own stamp is in force
 * or the scan refuses.  When a new decision was begun meanwhile (the next
 * FETCH), the rows of the page that are still to come are judged again.
 * Runs in parallel workers.  No mark and restore, no backward scan, no
 * EvalPlanQual: the planner does not use it there.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "base/errors.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

typedef struct ConsentScan
{
	CustomScanState css;
	Oid			relid;			/* whose rule it is: the table's or its ancestor's */
	uint64		stamp;
	AttrNumber	key;			/* the subject column */
	Oid			key_type;
	bool		notes;			/* no filter follows: whom a page tells of is known at once */
	BlockNumber block;			/* the page judged last */
	uint64		epoch;			/* the decision it was judged under */
	MemoryContext page_context; /* texts of the page's subjects */
	uint64	   *noted;			/* bits by token: the statement knows it is given this subject */
	uint64		ntokens;
	uint64		token_version;
	MemoryContext context;
	TwpSubject	subjects[MaxHeapTuplesPerPage];
	TwpCategorySet open[MaxHeapTuplesPerPage];
	uint32		tokens[MaxHeapTuplesPerPage];
} ConsentScan;

StaticAssertDecl(MaxHeapTuplesPerPage <= TWP_CONSENT_MANY, "a page is judged at once");

static Node *create_state(CustomScan *scan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *run_scan(CustomScanState *node);
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

/* True when a row needs no more than its own subject column to be judged: nothing else of it is known. */
bool
twp_enforce_scan_can_judge(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);

	return p != NULL && p->broken == NULL && p->subject.nhops == 0 && !p->has_label_path &&
		p->facts[TWP_ROW_AUTHOR] == 0 && p->facts[TWP_ROW_ENCOUNTER] == 0 && p->facts[TWP_ROW_DATE] == 0;
}

/* Makes the running state of a plan node. */
static Node *
create_state(CustomScan *scan)
{
	ConsentScan *state = (ConsentScan *) newNode(sizeof(ConsentScan), T_CustomScanState);
	FuncExpr   *rule = linitial_node(FuncExpr, scan->custom_private);
	Var		   *key = lthird_node(Var, rule->args);

	state->css.methods = &exec_methods;
	state->relid = DatumGetObjectId(linitial_node(Const, rule->args)->constvalue);
	state->stamp = (uint64) DatumGetInt64(lsecond_node(Const, rule->args)->constvalue);
	state->key = key->varattno;
	state->key_type = getBaseType(key->vartype);
	state->notes = !twp_enforce_ends_in_note(scan->scan.plan.qual);
	state->block = InvalidBlockNumber;
	return (Node *) state;
}

/* Prepares to run; the executor made the scan slot virtual, a heap's rows need their own kind. */
static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	ConsentScan *state = (ConsentScan *) node;
	Relation	relation = node->ss.ss_currentRelation;

	ExecInitScanTupleSlot(estate, &node->ss, RelationGetDescr(relation), table_slot_callbacks(relation));
	ExecAssignScanProjectionInfo(&node->ss);
	node->ss.ps.qual = ExecInitQual(node->ss.ps.plan->qual, &node->ss.ps);
	state->context = CurrentMemoryContext;
	state->page_context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy page",
												ALLOCSET_SMALL_SIZES);
}

/* Makes sure that a decision of the plan's own stamp is in force. */
static void
require_decision(const ConsentScan *state)
{
	if (likely(twp_decision_is_current(state->stamp)))
		return;
	twp_decision_begin();
	if (!twp_decision_is_current(state->stamp))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("the bound use changed while the statement was running"),
				 errhint("Run the statement again.")));
}

/* Reads the subjects of rows first to last of the page; nobody's rows get an invalid one. */
static void
read_subjects(ConsentScan *state, HeapScanDesc scan, int first, int last)
{
	Relation	relation = scan->rs_base.rs_rd;
	TupleDesc	desc = RelationGetDescr(relation);
	Page		page = BufferGetPage(scan->rs_cbuf);
	MemoryContext old = MemoryContextSwitchTo(state->page_context);
	HeapTupleData tuple;

	tuple.t_tableOid = RelationGetRelid(relation);
	for (int i = first; i < last; i++)
	{
		ItemId		item = PageGetItemId(page, scan->rs_vistuples[i]);
		bool		isnull;
		Datum		value;

		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		value = heap_getattr(&tuple, state->key, desc, &isnull);
		if (isnull)
			state->subjects[i].kind = TWP_SUBJECT_INVALID;
		else
			twp_subject_from_datum(&state->subjects[i], state->key_type, value);
	}
	MemoryContextSwitchTo(old);
}

/* Makes room to note tokens of the map there is now. */
static void
prepare_tokens(ConsentScan *state)
{
	uint64		version;
	uint64		ntokens = twp_decision_tokens(&version);

	if (version == state->token_version)
		return;
	if (state->noted != NULL)
		pfree(state->noted);
	state->noted = NULL;
	state->ntokens = ntokens;
	state->token_version = version;
	if (ntokens > 0)
		state->noted = MemoryContextAllocZero(state->context, (ntokens / 64 + 1) * sizeof(uint64));
}

/* Tells the running statement that it is given row i's subject, once a subject where that can be told cheaply. */
static void
note_subject(ConsentScan *state, int i)
{
	uint32		token = state->tokens[i];

	if (token < state->ntokens)
	{
		if ((state->noted[token / 64] & (UINT64CONST(1) << (token % 64))) != 0)
			return;
		state->noted[token / 64] |= UINT64CONST(1) << (token % 64);
	}
	twp_enforce_note_subject(&state->subjects[i]);
}

/* Judges rows first and later of the page and keeps those that are open; returns whether first is. */
static bool
judge(ConsentScan *state, HeapScanDesc scan, int first)
{
	int			last = (int) scan->rs_ntuples;
	int			kept = first;
	bool		first_open = false;
	TwpCategorySet needs;

	require_decision(state);
	needs = twp_decision_table(state->relid)->needs;
	state->epoch = twp_decision_epoch();
	read_subjects(state, scan, first, last);
	twp_decision_open_many(&state->subjects[first], last - first, &state->open[first],
						   &state->tokens[first]);
	prepare_tokens(state);
	for (int i = first; i < last; i++)
	{
		bool		open = (state->open[i] & needs) == needs;

		if (open && state->notes)
			note_subject(state, i);
		if (i == first)
			first_open = open;
		/* The first row was given out already; it keeps its place so that the next is the one after it. */
		if (open || i == first)
			scan->rs_vistuples[kept++] = scan->rs_vistuples[i];
	}
	scan->rs_ntuples = kept;
	MemoryContextReset(state->page_context);
	return first_open;
}

/* Judges again what is left of a page when a new decision was begun since. */
static void
judge_rest(ConsentScan *state, HeapScanDesc scan)
{
	int			next = (int) scan->rs_cindex + 1;

	if (state->block == InvalidBlockNumber || !scan->rs_inited || scan->rs_cblock != state->block ||
		state->epoch == twp_decision_epoch() || next >= (int) scan->rs_ntuples)
		return;
	if (!judge(state, scan, next))
	{
		/* Here nothing was given out yet: strike the first, too. */
		memmove(&scan->rs_vistuples[next], &scan->rs_vistuples[next + 1],
				(scan->rs_ntuples - next - 1) * sizeof(OffsetNumber));
		scan->rs_ntuples--;
	}
}

/* Begins the heap scan of a process that reads alone. */
static TableScanDesc
open_scan(ScanState *ss)
{
	if (ss->ss_currentScanDesc == NULL)
		ss->ss_currentScanDesc = table_beginscan(ss->ss_currentRelation, ss->ps.state->es_snapshot, 0, NULL);
	return ss->ss_currentScanDesc;
}

/* Gives the next open row. */
static TupleTableSlot *
next_row(ScanState *ss)
{
	ConsentScan *state = (ConsentScan *) ss;
	TableScanDesc table_scan = open_scan(ss);
	HeapScanDesc scan = (HeapScanDesc) table_scan;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	bool		by_page = (table_scan->rs_flags & SO_ALLOW_PAGEMODE) != 0;

	judge_rest(state, scan);
	while (table_scan_getnextslot(table_scan, ForwardScanDirection, slot))
	{
		if (by_page && scan->rs_cblock == state->block)
			return slot;
		state->block = scan->rs_cblock;
		if (!by_page)
		{
			/* No list of the page: the row alone is one. */
			scan->rs_cindex = 0;
			scan->rs_ntuples = 1;
			scan->rs_vistuples[0] = ItemPointerGetOffsetNumber(&slot->tts_tid);
		}
		if (judge(state, scan, (int) scan->rs_cindex))
			return slot;
	}
	state->block = InvalidBlockNumber;
	return NULL;
}

/* Never asked: the planner uses the scan only where no row is looked at again. */
static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	elog(ERROR, "a consent scan cannot look at a row again");
}

/* Runs the scan through the executor's own loop of filter and projection. */
static TupleTableSlot *
run_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
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
	((ConsentScan *) node)->block = InvalidBlockNumber;
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

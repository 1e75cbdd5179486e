/*
 * statement.c - a statement that touches protected data, from start to end.
 *
 * At start the plan's marks are checked against the binding in force; before
 * the first row the intent is in the ledger; at each run (and so at each
 * FETCH) the authority is checked anew; at the end, or at abort, the
 * completion is recorded.  Records are kept in TopMemoryContext, because a
 * statement's own memory is gone when its transaction aborts.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "enforce/statement_internal.h"
#include "enforce/workers.h"
#include "executor/executor.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

typedef TwpStatement Statement;

static Statement *statements = NULL;	/* newest first */
static bool wrote_protected = false;	/* in this transaction */
bool		twp_enforce_copying_out = false;
bool		twp_enforce_changed = false;

/* Finds the record of a query. */
static Statement *
find_statement(const QueryDesc *query)
{
	for (Statement *s = statements; s != NULL; s = s->next)
		if (s->query == query)
			return s;
	return NULL;
}

/* Records how a statement ended and forgets it. */
static void
finish_statement(Statement *statement, TwpOutcome outcome)
{
	TwpCompletion completion = {
		.outcome = outcome,
		.row_count = statement->rows,
		.subjects_exact = statement->exact,
	};

	if (statement->parallel && twp_enforce_has_workers_part())
		twp_enforce_take_workers_part(twp_enforce_subjects_of(statement));
	if (statement->subjects != NULL)
		twp_enforce_pages_leave(statement->subjects);
	completion.subjects = statement->subjects;
	for (Statement **link = &statements; *link != NULL; link = &(*link)->next)
		if (*link == statement)
		{
			*link = statement->next;
			break;
		}
	for (TwpRun *run = twp_enforce_innermost(); run != NULL; run = run->outer)
		if (run->statement == statement)
			run->statement = NULL;
	if (statement->record_id != 0)
		twp_ledger_complete(statement->record_id, &completion);
	if (statement->context != NULL)
		MemoryContextDelete(statement->context);
	pfree(statement);
}

/* Finishes what ends by an abort; workers are gone by now. */
static void
finish_aborted(Statement *statement)
{
	finish_statement(statement, statement->outcome != TWP_OUTCOME_OPEN ?
					 statement->outcome : TWP_OUTCOME_ABORTED);
}

/* What is still open when a transaction aborts has been aborted with it. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	twp_enforce_copying_out = false;
	twp_enforce_adding_foreign_key = false;
	twp_enforce_forget_runs();
	twp_enforce_owed_at_transaction_end(event);
	/* answers kept for repeated questions are told by the counters whether they are still good */
	if (event == XACT_EVENT_COMMIT && twp_enforce_changed)
		pgstat_force_next_flush();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		wrote_protected = twp_enforce_changed = false;
		twp_enforce_unwatch_errors();
	}
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
	{
		while (statements != NULL)
			finish_aborted(statements);
		if (IsParallelWorker())
			twp_enforce_hand_over_aborting();
	}
}

/* The same for what began inside an aborted subtransaction. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	Statement  *next;

	twp_enforce_owed_at_subtransaction_end(event, mine, parent);
	if (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB)
		twp_enforce_end_level(event == SUBXACT_EVENT_COMMIT_SUB);
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	twp_enforce_copying_out = false;
	twp_enforce_adding_foreign_key = false;
	for (Statement *s = statements; s != NULL; s = next)
	{
		next = s->next;
		if (s->subid >= mine)
			finish_aborted(s);
	}
}

/* Registers for the ends of transactions, and our scan node. */
void
twp_enforce_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	twp_uses_on_change(twp_enforce_close_held);
	twp_enforce_scan_init();
	twp_enforce_claims_init();
	twp_enforce_rouse_init();
}

/* Starts keeping a record of a statement. */
static void
open_statement(QueryDesc *query, bool maintenance, bool own_plan)
{
	Statement  *statement = MemoryContextAllocZero(TopMemoryContext, sizeof(Statement));

	statement->query = query;
	statement->subid = GetCurrentSubTransactionId();
	statement->stamp = maintenance ? 0 : twp_decision_stamp();
	statement->parallel = query->plannedstmt->parallelModeNeeded;
	statement->maintenance = maintenance;
	statement->own_plan = own_plan;
	statement->may_export = maintenance || twp_decision_use()->may_export;
	statement->exact = twp_enforce_gives_scanned_rows(query->plannedstmt);
	statement->next = statements;
	statements = statement;
}

/* Checks marks and the binding of a protected plan; returns how it was treated. */
static TwpMarkMode
check_plan(QueryDesc *query, int eflags)
{
	TwpMarkMode mode;

	if (!twp_in_maintenance() && !twp_enforce_in_foreign_key_check())
		twp_decision_begin();
	mode = twp_enforce_check_marks(query->plannedstmt, twp_decision_stamp());
	if (mode == TWP_MARK_USE)
	{
		if (!twp_decision_is_current(twp_decision_stamp()))
			twp_decision_begin();
		twp_enforce_refuse_counting(query, eflags);
		twp_enforce_refuse_write_down(query);
		twp_enforce_refuse_folding();
	}
	return mode;
}

/* Refuses, and records that, protected data beside a table for insurance or employment. */
static void
check_meeting(QueryDesc *query)
{
	PG_TRY();
	{
		twp_enforce_refuse_meeting(query->plannedstmt);
	}
	PG_CATCH();
	{
		twp_enforce_record_refusal(twp_enforce_marked_relations(query->plannedstmt));
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Checks a plan before PostgreSQL starts it. */
void
twp_enforce_start(QueryDesc *query, int eflags)
{
	volatile TwpMarkMode mode = TWP_MARK_NONE;
	bool		writes = query->plannedstmt->resultRelations != NIL;
	bool		own_plan;

	if (writes && (eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		twp_enforce_announce_writes(query->plannedstmt);
	check_meeting(query);
	if (!twp_enforce_touches_protected(query->plannedstmt))
	{
		twp_enforce_refuse_storing(query);
		return;
	}
	if (IsParallelWorker())
	{
		/* marks are not sent to workers; the leader has checked them */
		twp_enforce_refuse_in_worker(query->plannedstmt);
		if (!twp_in_maintenance())
			twp_decision_begin();
		return;
	}
	own_plan = twp_enforce_explain_starts(query, eflags);
	PG_TRY();
	{
		mode = check_plan(query, eflags);
	}
	PG_CATCH();
	{
		twp_enforce_record_refusal(twp_enforce_marked_relations(query->plannedstmt));
		PG_RE_THROW();
	}
	PG_END_TRY();
	twp_enforce_changed |= writes;
	if (writes && mode != TWP_MARK_MAINTENANCE)
	{
		wrote_protected = true;
		twp_enforce_watch_errors();
	}
	if (mode == TWP_MARK_FOREIGN_KEY)
		return;
	if (mode == TWP_MARK_USE)
		twp_enforce_begin_start(twp_decision_use()->may_export, writes);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
		open_statement(query, mode == TWP_MARK_MAINTENANCE, own_plan);
}

/* Records the intent of a statement, durable before its first row. */
static void
record_intent(Statement *statement, PlannedStmt *plan)
{
	TwpIntent	intent;

	twp_enforce_describe(&intent, twp_enforce_marked_relations(plan), statement->maintenance);
	intent.query_fingerprint = plan->queryId;
	for (TwpRun *run = twp_enforce_innermost(); run != NULL && intent.parent == 0; run = run->outer)
		intent.parent = run->statement != NULL ? run->statement->record_id : 0;
	statement->record_id = twp_ledger_intend(&intent);
}

/*
 * Refuses to go on with a cursor whose rows were gathered (sorted, hashed)
 * before a consent changed or came to its end: those rows are beyond our
 * filter.  A plan that reads as it goes simply goes on.
 */
static void
check_gathered(Statement *statement, QueryDesc *query)
{
	if (!statement->was_run)
	{
		statement->was_run = true;
		statement->changes = twp_consent_changes();
		statement->horizon = DT_NOEND;
		return;
	}
	if ((statement->changes == twp_consent_changes() &&
		 twp_clock_latest() < statement->horizon) ||
		(!twp_enforce_keeps_rows(query->planstate, true) &&
		 (ActivePortal == NULL || (ActivePortal->cursorOptions & CURSOR_OPT_SCROLL) == 0)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("a consent changed since the cursor gathered its rows"),
			 errhint("Declare the cursor anew.")));
}

/* Records that a statement was refused for what its functions do, which shows while they are set up. */
void
twp_enforce_start_failed(QueryDesc *query)
{
	if (!IsParallelWorker() && !twp_in_maintenance() && twp_enforce_touches_protected(query->plannedstmt))
		twp_enforce_record_refusal(twp_enforce_marked_relations(query->plannedstmt));
}

/* Checks the authority of a protected statement before a run; the first also records the intent. */
static void
check_run(Statement *statement, QueryDesc *query)
{
	if (statement->maintenance && !twp_in_maintenance())
		twp_enforce_refuse_plan(NULL, true);
	if (!statement->maintenance)
	{
		PG_TRY();
		{
			twp_decision_begin();
			if (twp_decision_stamp() != statement->stamp)
				twp_enforce_refuse_plan(NULL, true);
			(void) twp_enforce_check_marks(query->plannedstmt, statement->stamp);
			check_gathered(statement, query);
		}
		PG_CATCH();
		{
			twp_enforce_record_refusal(twp_enforce_marked_relations(query->plannedstmt));
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	/* a portal gets its destination only now */
	if (!statement->maintenance)
		twp_enforce_refuse_write_down(query);
	if (statement->record_id == 0 && !statement->maintenance)
		twp_enforce_count_today(statement);
	if (statement->record_id == 0)
		record_intent(statement, query->plannedstmt);
	twp_enforce_note_held(query, statement->stamp, statement->may_export);
}

/* Enters a run or a fetch. */
void
twp_enforce_enter_run(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = find_statement(query);
	int			quiet = 0;

	twp_enforce_check_held();
	twp_enforce_check_portal(query);
	check_meeting(query);
	if (statement != NULL)
		check_run(statement, query);
	else if (twp_enforce_asks(query))
		twp_enforce_note_asked(query);
	twp_enforce_note_open(query);
	if (statement != NULL && !statement->maintenance)
		quiet = twp_enforce_begin_quiet_run(query);
	twp_enforce_push_run(run, query, statement, statement != NULL && !statement->may_export);
	run->quiet = quiet;
	if (quiet > 0)
		statement->quiet = true;
}

/* Leaves an execution that went well, counting its rows. */
void
twp_enforce_leave(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = run->statement;

	twp_enforce_end_quiet(run->quiet);
	twp_enforce_pop_run(run, statement != NULL && !statement->may_export &&
						(query->operation == CMD_SELECT || query->plannedstmt->hasReturning));
	if (statement != NULL)
	{
		statement->rows += query->estate->es_processed;
		if (!statement->maintenance)
		{
			statement->horizon = Min(statement->horizon, twp_decision_horizon());
			twp_enforce_note_horizon(twp_decision_horizon());
		}
	}
	else if (twp_enforce_asks(query))
		twp_enforce_note_answered();
	if (query->estate != NULL)
		twp_enforce_explain_ran(query, statement != NULL && statement->own_plan);
	/* it may have changed the acting role */
	if (twp_enforce_innermost() == NULL)
		twp_enforce_check_held();
}

/* Leaves an execution that failed, records how, and lets the error go on without values. */
void
twp_enforce_failed(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	/* the error's message may tell a handler of values */
	twp_enforce_pop_run(run, statement != NULL && !statement->may_export);
	if (statement != NULL)
	{
		if (query->estate != NULL)
			statement->rows += query->estate->es_processed;
		/* workers hand over what they saw until the transaction has waited for their end */
		statement->outcome = twp_enforce_outcome_of_error();
		statement->query = NULL;
		if (!statement->parallel)
			finish_statement(statement, statement->outcome);
	}
	twp_enforce_rethrow_discreetly(twp_enforce_touches_protected(query->plannedstmt));
}

/* Records the end of a statement, before PostgreSQL ends its plan. */
int
twp_enforce_end(QueryDesc *query)
{
	Statement  *statement = find_statement(query);
	bool		quiet = statement != NULL && statement->quiet;

	if (statement != NULL)
		finish_statement(statement, TWP_OUTCOME_DONE);
	else if (IsParallelWorker())
		twp_enforce_hand_over();
	return quiet ? twp_enforce_begin_quiet() : 0;
}

/* True when the transaction wrote protected rows, so that its constraints may quote them. */
bool
twp_enforce_wrote_protected(void)
{
	return wrote_protected;
}

/* The innermost statement of ours that runs, or NULL. */
TwpStatement *
twp_enforce_running(void)
{
	TwpRun	   *run = twp_enforce_innermost();

	return run != NULL ? run->statement : NULL;
}

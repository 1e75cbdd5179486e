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
#include "utils/timestamp.h"

typedef TwpStatement Statement;

static Statement *statements = NULL;	/* newest first */
static TwpRun *stack = NULL;	/* innermost execution */
static bool has_read = false;	/* within the client's command, values that may not be exported */
static bool starting = false;	/* a protected plan is being started */
static bool starting_may_export = false;
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
	completion.subjects = statement->subjects;
	for (Statement **link = &statements; *link != NULL; link = &(*link)->next)
		if (*link == statement)
		{
			*link = statement->next;
			break;
		}
	for (TwpRun *run = stack; run != NULL; run = run->outer)
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
	starting = false;
	/* answers kept for repeated questions are told by the counters whether they are still good */
	if (event == XACT_EVENT_COMMIT && twp_enforce_changed)
		pgstat_force_next_flush();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		wrote_protected = twp_enforce_changed = false;
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
}

/* True when a plan stores rows in a table (or file) that is not protected. */
static bool
stores_unprotected(QueryDesc *query)
{
	ListCell   *lc;

	if (query->dest != NULL &&
		(query->dest->mydest == DestIntoRel || query->dest->mydest == DestTransientRel ||
		 (twp_enforce_copying_out && query->dest->mydest == DestCopyOut)))
		return true;
	if (twp_sql_is_internal())
		return false;
	foreach(lc, query->plannedstmt->resultRelations)
	{
		RangeTblEntry *rte = list_nth(query->plannedstmt->rtable, lfirst_int(lc) - 1);

		/* a view stores nothing: what its INSTEAD OF trigger does is looked at by itself */
		if (rte->relkind != RELKIND_VIEW && !twp_protect_is_protected(rte->relid))
			return true;
	}
	return false;
}

/* Raises that values may not be stored. */
static void
raise_write_down(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("results under use \"%s\" may not be stored in an unprotected table or file",
					twp_uses_claimed() != NULL ? twp_uses_claimed() : ""),
			 errhint("Store them in a protected table, or ask for a use with export.")));
}

/* Refuses to read protected rows where they would be stored outside protection. */
static void
refuse_write_down(QueryDesc *query)
{
	bool		stores = stores_unprotected(query);

	if (query->dest != NULL && query->dest->mydest == DestTransientRel)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a materialized view may not read protected tables"),
				 errhint("Its rows would be frozen outside consent: fill a protected table instead.")));
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		stores |= run->stores;
	if (stores && !twp_decision_use()->may_export)
		raise_write_down();
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

/* Refuses EXPLAIN under forms that give figures only: it counts and estimates rows of any group. */
static void
refuse_explain(QueryDesc *query, int eflags)
{
	TwpForm		form = twp_decision_use()->form;

	if ((form == TWP_FORM_AGGREGATE || form == TWP_FORM_PRIVATE) &&
		((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 || query->instrument_options != 0))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("EXPLAIN is not available under use \"%s\"", twp_decision_use()->code),
				 errhint("Its row counts tell of groups below the cohort.")));
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
		refuse_explain(query, eflags);
		refuse_write_down(query);
	}
	return mode;
}

/* Checks a plan before PostgreSQL starts it. */
void
twp_enforce_start(QueryDesc *query, int eflags)
{
	volatile TwpMarkMode mode = TWP_MARK_NONE;
	bool		own_plan;

	starting = false;
	if (!twp_enforce_touches_protected(query->plannedstmt))
	{
		if (stack != NULL && (twp_enforce_holds_values() || twp_enforce_has_read()) &&
			stores_unprotected(query))
			raise_write_down();
		return;
	}
	if (IsParallelWorker())
	{
		/* marks are not sent to workers; the leader has checked them */
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
	twp_enforce_changed |= query->operation != CMD_SELECT;
	if (mode == TWP_MARK_FOREIGN_KEY)
		return;
	if (mode == TWP_MARK_USE)
	{
		wrote_protected |= query->operation != CMD_SELECT;
		starting = true;
		starting_may_export = twp_decision_use()->may_export;
	}
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
	for (TwpRun *run = stack; run != NULL && intent.parent == 0; run = run->outer)
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
		statement->revision = twp_consent_revision();
		statement->horizon = DT_NOEND;
		return;
	}
	if ((statement->revision == twp_consent_revision() &&
		 GetCurrentTimestamp() < statement->horizon) ||
		(!twp_enforce_keeps_rows(query->planstate) &&
		 (ActivePortal == NULL || (ActivePortal->cursorOptions & CURSOR_OPT_SCROLL) == 0)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("a consent changed since the cursor gathered its rows"),
			 errhint("Declare the cursor anew.")));
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
		refuse_write_down(query);
	if (statement->record_id == 0 && !statement->maintenance)
		twp_enforce_count_today(statement);
	if (statement->record_id == 0)
		record_intent(statement, query->plannedstmt);
	twp_enforce_note_held();
}

/* Puts an execution on the stack. */
static void
push(TwpRun *run, Statement *statement, bool stores)
{
	run->outer = stack;
	run->statement = statement;
	run->foreign_key = InNoForceRLSOperation();
	run->stores = stores;
	run->finishes = false;
	stack = run;
}

/* Takes it off; what one command of a client's read is not held against the next. */
static void
pop(TwpRun *run)
{
	stack = run->outer;
	if (stack == NULL)
		has_read = false;
}

/* Enters what reads nothing itself but may run users' code: planning, starting, a utility command. */
void
twp_enforce_enter_setup(TwpRun *run)
{
	push(run, NULL, false);
}

/* Leaves it, well or not. */
void
twp_enforce_leave_setup(TwpRun *run)
{
	pop(run);
	starting = false;
}

/* Enters a run or a fetch. */
void
twp_enforce_enter_run(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	twp_enforce_check_held();
	if (statement != NULL)
		check_run(statement, query);
	push(run, statement, statement == NULL && stores_unprotected(query));
}

/*
 * Enters the end of an execution, where after-triggers run.  They belong to
 * administrators and to foreign keys, so what they store is not held against
 * the statement.
 */
void
twp_enforce_enter_finish(TwpRun *run, QueryDesc *query)
{
	push(run, NULL, false);
	run->finishes = true;
}

/* Leaves an execution that went well, counting its rows. */
void
twp_enforce_leave(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = run->statement;

	pop(run);
	if (statement != NULL && stack != NULL && !statement->may_export &&
		(query->operation == CMD_SELECT || query->plannedstmt->hasReturning))
		has_read = true;
	if (statement != NULL)
	{
		statement->rows += query->estate->es_processed;
		if (!statement->maintenance)
			statement->horizon = Min(statement->horizon, twp_decision_horizon());
	}
	if (query->estate != NULL)
		twp_enforce_explain_ran(query, statement != NULL && statement->own_plan);
}

/* Leaves an execution that failed, records how, and lets the error go on without values. */
void
twp_enforce_failed(TwpRun *run, QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	pop(run);
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

/* Records the end of a statement. */
void
twp_enforce_end(QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	if (statement != NULL)
		finish_statement(statement, TWP_OUTCOME_DONE);
	else if (IsParallelWorker())
		twp_enforce_hand_over();
}

/* True while protected values that may not be exported are in hand. */
bool
twp_enforce_holds_values(void)
{
	if (starting && !starting_may_export)
		return true;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->statement != NULL && !run->statement->may_export)
			return true;
	return false;
}

/*
 * True when the client's command has read values that may not be exported and
 * goes on: a function or block has them in its variables.  After-triggers and
 * PostgreSQL's foreign-key queries are nobody's way to store them.
 */
bool
twp_enforce_has_read(void)
{
	if (!has_read || twp_enforce_in_foreign_key_check())
		return false;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->finishes)
			return false;
	return stack != NULL;
}

/* True while a protected plan that may not export is being started. */
bool
twp_enforce_is_starting(void)
{
	return starting && !starting_may_export;
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
	return stack != NULL ? stack->statement : NULL;
}

/* True where PostgreSQL itself is about to plan or start a foreign-key query. */
bool
twp_enforce_in_foreign_key_check(void)
{
	if (!InNoForceRLSOperation())
		return twp_enforce_adding_foreign_key && stack != NULL && stack->outer == NULL;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->foreign_key)
			return false;
	return true;
}

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
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "executor/executor.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Statement
{
	QueryDesc  *query;			/* identity only once the transaction is over */
	SubTransactionId subid;
	uint64		record_id;		/* 0 until the intent is recorded */
	uint64		stamp;
	uint64		rows;
	bool		maintenance;
	bool		parallel;		/* workers may have seen subjects we have not */
	MemoryContext context;		/* of the subjects */
	TwpSubjectSet *subjects;
	struct Statement *parent;
	struct Statement *next;
} Statement;

static Statement *statements = NULL;	/* newest first */
static Statement *running = NULL;
bool		twp_enforce_copying_out = false;

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
		.subjects = statement->subjects,
	};

	for (Statement **link = &statements; *link != NULL; link = &(*link)->next)
		if (*link == statement)
		{
			*link = statement->next;
			break;
		}
	for (Statement *s = statements; s != NULL; s = s->next)
		if (s->parent == statement)
			s->parent = NULL;
	if (running == statement)
		running = statement->parent;
	if (statement->record_id != 0)
		twp_ledger_complete(statement->record_id, &completion);
	if (statement->context != NULL)
		MemoryContextDelete(statement->context);
	pfree(statement);
}

/* What is still open when a transaction aborts has been aborted with it. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	twp_enforce_copying_out = false;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		while (statements != NULL)
			finish_statement(statements, TWP_OUTCOME_ABORTED);
}

/* The same for what began inside an aborted subtransaction. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	Statement  *next;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	twp_enforce_copying_out = false;
	for (Statement *s = statements; s != NULL; s = next)
	{
		next = s->next;
		if (s->subid >= mine)
			finish_statement(s, TWP_OUTCOME_ABORTED);
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
static void
refuse_plan(const RangeTblEntry *rte, bool stale)
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
 * Checks the mark of every protected relation of a plan; returns the common
 * mode.  Children carry their parent's mark, so the protection's hash is
 * compared only where the mark is the relation's own, and a child whose own
 * label says something else is not read through the parent.
 */
static TwpMarkMode
check_marks(PlannedStmt *plan, uint64 stamp)
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
			refuse_plan(rte, false);
		mode = mark.mode;
		if (mode == TWP_MARK_USE &&
			(mark.stamp != stamp || (mark.relid == rte->relid && mark.protection_hash != p->hash)))
			refuse_plan(rte, true);
		if (mode == TWP_MARK_USE && mark.relid != rte->relid &&
			!twp_protect_agrees(rte->relid, mark.relid))
			refuse_plan(rte, false);
	}
	if ((mode == TWP_MARK_MAINTENANCE && !twp_guc_maintenance) ||
		(mode == TWP_MARK_FOREIGN_KEY && !InNoForceRLSOperation()))
		refuse_plan(linitial(plan->rtable), true);
	return mode;
}

/* Refuses to store what is read in a table that is not protected. */
static void
refuse_write_down(QueryDesc *query)
{
	ListCell   *lc;
	bool		stores = query->dest != NULL && query->dest->mydest == DestIntoRel;

	if (query->dest != NULL && query->dest->mydest == DestTransientRel)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a materialized view may not read protected tables"),
				 errhint("Its rows would be frozen outside consent: fill a protected table instead.")));
	foreach(lc, query->plannedstmt->resultRelations)
	{
		RangeTblEntry *rte = list_nth(query->plannedstmt->rtable, lfirst_int(lc) - 1);

		stores |= !twp_protect_is_protected(rte->relid);
	}
	stores |= twp_enforce_copying_out && query->dest != NULL && query->dest->mydest == DestCopyOut;
	if (stores && !twp_decision_use()->may_export)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("results under use \"%s\" may not be stored in an unprotected table or file",
						twp_decision_use()->code),
				 errhint("Store them in a protected table, or ask for a use with export.")));
}

/* Starts keeping a record of a statement. */
static void
open_statement(QueryDesc *query, bool maintenance)
{
	Statement  *statement = MemoryContextAllocZero(TopMemoryContext, sizeof(Statement));

	statement->query = query;
	statement->subid = GetCurrentSubTransactionId();
	statement->stamp = maintenance ? 0 : twp_decision_stamp();
	statement->parallel = query->plannedstmt->parallelModeNeeded;
	statement->maintenance = maintenance;
	statement->parent = running;
	statement->next = statements;
	statements = statement;
}

/* The relations a plan's marks name. */
static List *
marked_relations(PlannedStmt *plan)
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

/* Checks a plan against the binding, and begins to keep a record of its statement. */
static void
start_statement(QueryDesc *query, int eflags)
{
	TwpMarkMode mode;

	if (!twp_guc_maintenance && !InNoForceRLSOperation())
		twp_decision_begin();
	mode = check_marks(query->plannedstmt, twp_decision_stamp());
	if (mode == TWP_MARK_USE && !twp_decision_is_current(twp_decision_stamp()))
		twp_decision_begin();
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 || mode == TWP_MARK_FOREIGN_KEY)
		return;
	if (mode == TWP_MARK_USE)
		refuse_write_down(query);
	open_statement(query, mode == TWP_MARK_MAINTENANCE);
}

/* Checks a plan before PostgreSQL starts it; a refusal is recorded as one at planning is. */
void
twp_enforce_start(QueryDesc *query, int eflags)
{
	if (!twp_enforce_touches_protected(query->plannedstmt))
		return;
	if (IsParallelWorker())
	{
		/* marks are not sent to workers; the leader has checked them */
		if (!twp_guc_maintenance)
			twp_decision_begin();
		return;
	}
	PG_TRY();
	{
		start_statement(query, eflags);
	}
	PG_CATCH();
	{
		twp_enforce_record_refusal(marked_relations(query->plannedstmt));
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Records the intent of a statement, durable before its first row. */
static void
record_intent(Statement *statement, PlannedStmt *plan)
{
	TwpIntent	intent;

	twp_enforce_describe(&intent, marked_relations(plan), statement->maintenance);
	intent.query_fingerprint = plan->queryId;
	for (Statement *s = statement->parent; s != NULL && intent.parent == 0; s = s->parent)
		intent.parent = s->record_id;
	statement->record_id = twp_ledger_intend(&intent);
}

/* Checks that a statement may still run, or go on. */
static void
check_statement(const Statement *statement, PlannedStmt *plan)
{
	if (statement->maintenance && !twp_guc_maintenance)
		refuse_plan(NULL, true);
	if (!statement->maintenance)
	{
		twp_decision_begin();
		if (twp_decision_stamp() != statement->stamp)
			refuse_plan(NULL, true);
		(void) check_marks(plan, statement->stamp);
	}
}

/* Checks the authority before each run or fetch; the first also records the intent. */
void
twp_enforce_run(QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	if (statement == NULL)
		return;
	PG_TRY();
	{
		check_statement(statement, query->plannedstmt);
	}
	PG_CATCH();
	{
		twp_enforce_record_refusal(marked_relations(query->plannedstmt));
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (statement->record_id == 0)
		record_intent(statement, query->plannedstmt);
	twp_enforce_note_held();
	statement->parent = running;
	running = statement;
}

/* Counts the rows of a run that ended well. */
void
twp_enforce_ran(QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	if (statement == NULL)
		return;
	statement->rows += query->estate->es_processed;
	running = statement->parent;
}

/* Records a run that ended in an error; called while the error is being handled. */
void
twp_enforce_failed(QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	if (statement == NULL)
		return;
	if (query->estate != NULL)
		statement->rows += query->estate->es_processed;
	finish_statement(statement, geterrcode() == ERRCODE_QUERY_CANCELED ? TWP_OUTCOME_CANCELLED :
					 ERRCODE_TO_CATEGORY(geterrcode()) == MAKE_SQLSTATE('T', 'P', '0', '0', '0') ?
					 TWP_OUTCOME_REFUSED : TWP_OUTCOME_ERROR);
}

/* Records the end of a statement. */
void
twp_enforce_end(QueryDesc *query)
{
	Statement  *statement = find_statement(query);

	if (statement != NULL)
		finish_statement(statement, TWP_OUTCOME_DONE);
}

/* Adds a subject to what the running statement was given. */
void
twp_enforce_note_subject(const TwpSubject *subject)
{
	if (running == NULL)
		return;
	if (running->subjects == NULL)
	{
		running->context = AllocSetContextCreate(TopMemoryContext, "twin_privacy subjects",
												 ALLOCSET_SMALL_SIZES);
		running->subjects = twp_ledger_subjects_create(running->context);
	}
	twp_ledger_subjects_add(running->subjects, subject);
}

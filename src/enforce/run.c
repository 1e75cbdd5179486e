/*
 * run.c - what runs within what, and so: what was read may be stored where?
 *
 * Executions, plannings and utility commands are kept on a stack.  From it
 * follow whether a foreign-key query is PostgreSQL's own, whether protected
 * values are in hand while something stores, and whether a command of the
 * client's has read such values before it stores: a function or block may
 * have them in its variables.
 *
 * Glossary.  Carrier: a function that takes its arguments out of the
 * statement (large objects, notifications, sequences).  PostgreSQL tells us
 * when a function is set up, not when it is called, so a query in which one
 * was set up counts as storing whenever it runs.
 *
 * Memory: runs live in their hooks' frames; what is remembered of a query
 * lives in the query's own memory and goes with it.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"

/* A query in which a carrier was set up, or a function that asks what is permitted. */
typedef struct NotedQuery
{
	QueryDesc  *query;
	bool		carries;
	bool		asks;
	struct NotedQuery *next;
	MemoryContextCallback gone;
} NotedQuery;

static TwpRun *stack = NULL;	/* innermost execution */
static NotedQuery *noted = NULL;
/* start of the client's command that read values that may not be exported; 0: none did */
static TimestampTz has_read = 0;
static bool starting = false;	/* a protected plan that may not export is being started */
static bool starting_writes = false;	/* and it writes rows; valid while that is set */
static bool carrier_prepared = false;	/* in this transaction, outside any query */

/* Innermost execution, or NULL. */
TwpRun *
twp_enforce_innermost(void)
{
	return stack;
}

/* Forgets a query whose memory goes. */
static void
forget_noted(void *arg)
{
	for (NotedQuery **link = &noted; *link != NULL; link = &(*link)->next)
		if (*link == arg)
		{
			*link = (*link)->next;
			break;
		}
}

/* Remembers what was set up in a query just started. */
static void
remember_query(QueryDesc *query, const TwpRun *run)
{
	NotedQuery *entry = MemoryContextAllocZero(query->estate->es_query_cxt, sizeof(NotedQuery));

	entry->query = query;
	entry->carries = run->stores;
	entry->asks = run->asks;
	entry->next = noted;
	entry->gone.func = forget_noted;
	entry->gone.arg = entry;
	MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &entry->gone);
	noted = entry;
}

/* What was set up in a query, or NULL. */
static const NotedQuery *
noted_of(const QueryDesc *query)
{
	for (NotedQuery *entry = noted; entry != NULL; entry = entry->next)
		if (entry->query == query)
			return entry;
	return NULL;
}

/* True when a carrier was set up in the query. */
static bool
carries(const QueryDesc *query)
{
	const NotedQuery *entry = noted_of(query);

	return entry != NULL && entry->carries;
}

/* True when the query asks what the binding and consents permit. */
bool
twp_enforce_asks(const QueryDesc *query)
{
	const NotedQuery *entry = noted_of(query);

	return entry != NULL && entry->asks;
}

/* True when a plan stores rows in a table (or file) that is not protected. */
static bool
stores_unprotected(const QueryDesc *query)
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

/* True for the triggers with which a foreign key changes or deletes rows that refer to others. */
static bool
is_cascade(Oid trigger_function)
{
	switch (trigger_function)
	{
		case F_RI_FKEY_CASCADE_DEL:
		case F_RI_FKEY_CASCADE_UPD:
		case F_RI_FKEY_SETNULL_DEL:
		case F_RI_FKEY_SETNULL_UPD:
		case F_RI_FKEY_SETDEFAULT_DEL:
		case F_RI_FKEY_SETDEFAULT_UPD:
			return true;
		default:
			return false;
	}
}

/* True when a table, and every table that foreign keys carry its changes into, is protected. */
static bool
is_protected_with_cascades(Oid relid, List **seen)
{
	Relation	rel;
	bool		protected = true;

	if (list_member_oid(*seen, relid))
		return true;
	*seen = lappend_oid(*seen, relid);
	if (!twp_protect_is_protected(relid))
		return false;
	rel = table_open(relid, AccessShareLock);
	for (int i = 0; rel->trigdesc != NULL && protected && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (is_cascade(trigger->tgfoid))
			protected = is_protected_with_cascades(trigger->tgconstrrelid, seen);
	}
	table_close(rel, NoLock);
	return protected;
}

/*
 * True when all that a plan writes is protected, views apart: the after-triggers
 * there are administrators'.  Those of tables that foreign keys carry the change
 * into run among them.
 */
static bool
runs_only_reviewed_triggers(const PlannedStmt *plan)
{
	List	   *seen = NIL;
	ListCell   *lc;

	foreach(lc, plan->resultRelations)
	{
		RangeTblEntry *rte = list_nth(plan->rtable, lfirst_int(lc) - 1);

		if (!is_protected_with_cascades(rte->relid, &seen))
			return false;
	}
	return plan->resultRelations != NIL;
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
void
twp_enforce_refuse_write_down(const QueryDesc *query)
{
	bool		stores = stores_unprotected(query);

	if (query->dest != NULL && query->dest->mydest == DestTransientRel)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a materialized view may not read protected tables"),
				 errhint("Its rows would be frozen outside consent: fill a protected table instead.")));
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		stores |= run->stores;
	if (twp_decision_use()->may_export)
		return;
	if (stores)
		raise_write_down();
	twp_enforce_refuse_undoing();
}

/* Refuses a plan of no protected table that would store what is in hand. */
void
twp_enforce_refuse_storing(const QueryDesc *query)
{
	if ((twp_enforce_holds_values() || twp_enforce_has_read()) &&
		(stores_unprotected(query) || carries(query)))
		raise_write_down();
}

/*
 * Refuses to read protected rows while the planner works out a function that
 * claims to be IMMUTABLE: the result would become part of a plan, and be
 * given to whoever runs it later.
 */
void
twp_enforce_refuse_folding(void)
{
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->folds)
			ereport(ERROR,
					(errcode(ERRCODE_TWP_OUTSIDE_USE),
					 errmsg("a function that is marked IMMUTABLE may not read protected tables"),
					 errhint("What it gives depends on the use and on consents: declare it STABLE.")));
}

/* Puts an execution on the stack. */
static void
push(TwpRun *run, struct TwpStatement *statement, bool stores)
{
	if (stack == NULL)
		twp_enforce_command_begins();
	memset(run, 0, sizeof(TwpRun));
	run->outer = stack;
	run->portal = ActivePortal;
	run->statement = statement;
	run->foreign_key = InNoForceRLSOperation();
	run->stores = stores;
	stack = run;
}

/* True where the client's own portal runs, and not what a function or a trigger at commit opened. */
static bool
is_clients_own(void)
{
	return stack == NULL && ActivePortal != NULL && ActivePortal->name[0] == '\0';
}

/* Takes it off; what one command of a client's read is not held against the next. */
static void
pop(TwpRun *run)
{
	stack = run->outer;
	if (is_clients_own())
		has_read = 0;
}

/* Enters planning, which reads nothing itself but may run users' code. */
void
twp_enforce_enter_planning(TwpRun *run, bool touches, int cursor_options)
{
	push(run, NULL, false);
	run->plans = true;
	run->touches = touches;
	run->scrolls = (cursor_options & CURSOR_OPT_SCROLL) != 0;
}

/* Enters the start of a plan, likewise. */
void
twp_enforce_enter_start(TwpRun *run)
{
	push(run, NULL, false);
	run->starts = true;
}

/* Leaves it, well or not. */
void
twp_enforce_leave_setup(TwpRun *run)
{
	pop(run);
	starting = false;
}

/* Leaves the start of a plan that went well. */
void
twp_enforce_leave_start(TwpRun *run, QueryDesc *query)
{
	if (run->stores || run->asks)
		remember_query(query, run);
	twp_enforce_leave_setup(run);
}

/* True for a command that makes a table of the session's own. */
static bool
creates_temporary(const Node *utility)
{
	if (IsA(utility, CreateTableAsStmt))
		return ((const CreateTableAsStmt *) utility)->into->rel->relpersistence == RELPERSISTENCE_TEMP;
	return IsA(utility, CreateStmt) && ((const CreateStmt *) utility)->relation->relpersistence == RELPERSISTENCE_TEMP;
}

/* Enters a utility command; most of them store what functions in them give. */
void
twp_enforce_enter_utility(TwpRun *run, Node *utility)
{
	push(run, NULL, twp_enforce_command_stores(utility));
	run->utility = utility;
	run->temporary = creates_temporary(utility);
	if (!run->temporary && !twp_enforce_command_keeps_nothing(utility))
		twp_enforce_note_stored(NULL);
}

/* The command in which a user's function is set up, the first time; else NULL. */
Node *
twp_enforce_first_code_of_command(void)
{
	Node	   *utility = stack != NULL ? stack->utility : NULL;

	if (utility != NULL)
		stack->utility = NULL;
	return utility;
}

/* Enters a run or a fetch that reads for the statement, or for none. */
void
twp_enforce_push_run(TwpRun *run, QueryDesc *query, struct TwpStatement *statement, bool holds)
{
	bool		carrier = carries(query);
	bool		temporary = stack != NULL && stack->temporary;

	push(run, statement, carrier || (statement == NULL && stores_unprotected(query)));
	if (run->stores && !(temporary && !carrier))
		twp_enforce_note_stored(carrier ? NULL : query);
	run->holds = holds;
	run->writes = query->plannedstmt->resultRelations != NIL;
	if (carrier && (twp_enforce_holds_values() || twp_enforce_has_read()))
	{
		pop(run);
		raise_write_down();
	}
}

/*
 * Enters the end of an execution, where after-triggers run.  Those of
 * protected tables belong to administrators and to foreign keys, so what they
 * store is not held against the statement.
 */
void
twp_enforce_enter_finish(TwpRun *run, QueryDesc *query)
{
	push(run, NULL, false);
	run->finishes = query->plannedstmt;
}

/* Takes an execution off; gives says whether whoever called it has protected values now. */
void
twp_enforce_pop_run(TwpRun *run, bool gives)
{
	pop(run);
	if (gives && !is_clients_own())
		has_read = GetCurrentStatementStartTimestamp();
}

/* A protected plan is about to be started. */
void
twp_enforce_begin_start(bool may_export, bool writes)
{
	starting = !may_export;
	starting_writes = writes;
	/* expressions prepared before are set up again, where each carrier is seen */
	if (starting && carrier_prepared)
		ResetPlanCache();
}

/* At the end of a transaction: nothing is prepared or started any more. */
void
twp_enforce_forget_runs(void)
{
	starting = false;
	carrier_prepared = false;
}

/* A carrier was set up; when it stores, whatever runs it may not come to read values meanwhile. */
void
twp_enforce_note_carrier(bool stores)
{
	if (stack == NULL || !stack->starts)
		carrier_prepared = true;
	if (stack != NULL)
		stack->stores |= stores;
}

/* A function was set up that asks what the binding and consents permit. */
void
twp_enforce_note_question(void)
{
	if (stack != NULL && stack->starts)
		stack->asks = true;
}

/* The planner works out a call of a function to put the result into a plan. */
void
twp_enforce_note_folding(bool folds)
{
	if (stack != NULL && stack->plans)
		stack->folds = folds;
}

/* True while protected rows are written: their keys come from sequences. */
bool
twp_enforce_writes_rows(void)
{
	if (starting && starting_writes)
		return true;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->statement != NULL && run->writes)
			return true;
	return false;
}

/* True while protected values that may not be exported are in hand. */
bool
twp_enforce_holds_values(void)
{
	if (starting)
		return true;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->statement != NULL && run->holds)
			return true;
	return false;
}

/*
 * True when the client's command has read values that may not be exported and
 * goes on: a function or block has them in its variables, or may fetch them
 * from a cursor that keeps them.  After-triggers of protected tables and
 * PostgreSQL's foreign-key queries are nobody's way to store them.
 */
bool
twp_enforce_has_read(void)
{
	if ((has_read != GetCurrentStatementStartTimestamp() && !twp_enforce_rows_are_held()) ||
		twp_enforce_in_foreign_key_check())
		return false;
	for (TwpRun *run = stack; run != NULL; run = run->outer)
		if (run->finishes != NULL)
			return !runs_only_reviewed_triggers(run->finishes);
	return !is_clients_own();
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

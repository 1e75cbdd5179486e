/*
 * hooks.c - saves, sets and chains PostgreSQL's hooks; decides nothing.
 *
 * Each entry calls the room that does the work and then the next in line.
 * Ours come first: what a neighbour sees is what the user will get.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "consent/consent.h"
#include "enforce/enforce.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "hooks/hooks.h"
#include "ledger/ledger.h"
#include "lineage/lineage.h"
#include "miscadmin.h"
#include "operations/operations.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "pseudonym/pseudonym.h"
#include "rewrite/rowsecurity.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/guc_tables.h"

static planner_hook_type next_planner = NULL;
static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorRun_hook_type next_executor_run = NULL;
static ExecutorFinish_hook_type next_executor_finish = NULL;
static ExecutorEnd_hook_type next_executor_end = NULL;
static ProcessUtility_hook_type next_utility = NULL;
static set_rel_pathlist_hook_type next_pathlist = NULL;
static needs_fmgr_hook_type next_needs_fmgr = NULL;
static row_security_policy_hook_type next_permissive = NULL;
static object_access_hook_type next_object_access = NULL;
static emit_log_hook_type next_emit_log = NULL;
static GucStringCheckHook next_application_name = NULL;
static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

/* Plans what the rewriting left of a query. */
static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	TwpRun		run;
	PlannedStmt *plan = NULL;
	bool		touches;

	twp_enforce_settle_owed();
	twp_pseudonym_check_query(parse);
	touches = twp_enforce_plan(parse, &cursor_options);
	twp_enforce_enter_planning(&run, touches, cursor_options);
	PG_TRY();
	{
		if (next_planner != NULL)
			plan = next_planner(parse, query_string, cursor_options, params);
		else
			plan = standard_planner(parse, query_string, cursor_options, params);
	}
	PG_FINALLY();
	{
		twp_enforce_leave_setup(&run);
	}
	PG_END_TRY();
	if (touches)
		twp_enforce_planned(plan);
	return plan;
}

/* Checks a plan before it starts. */
static void
start_executor(QueryDesc *query, int eflags)
{
	TwpRun		run;

	twp_enforce_settle_owed();
	twp_enforce_start(query, eflags);
	twp_enforce_enter_start(&run);
	PG_TRY();
	{
		if (next_executor_start != NULL)
			next_executor_start(query, eflags);
		else
			standard_ExecutorStart(query, eflags);
		twp_enforce_explain_started(query, eflags);
	}
	PG_CATCH();
	{
		twp_enforce_start_failed(query);
		twp_enforce_leave_setup(&run);
		PG_RE_THROW();
	}
	PG_END_TRY();
	twp_enforce_leave_start(&run, query);
}

/* Runs a plan (or fetches from it) with its authority checked and its end recorded. */
static void
run_executor(TWP_EXECUTOR_RUN_ARGS)
{
	TwpRun		run;

	twp_enforce_enter_run(&run, queryDesc);
	PG_TRY();
	{
		if (next_executor_run != NULL)
			next_executor_run(TWP_EXECUTOR_RUN_PASS);
		else
			standard_ExecutorRun(TWP_EXECUTOR_RUN_PASS);
		twp_enforce_settle_owed();
	}
	PG_CATCH();
	{
		twp_enforce_failed(&run, queryDesc);
	}
	PG_END_TRY();
	twp_enforce_leave(&run, queryDesc);
}

/* Runs what is left (after-triggers), with its failure recorded. */
static void
finish_executor(QueryDesc *query)
{
	TwpRun		run;

	twp_enforce_enter_finish(&run, query);
	PG_TRY();
	{
		if (next_executor_finish != NULL)
			next_executor_finish(query);
		else
			standard_ExecutorFinish(query);
		twp_enforce_settle_owed();
	}
	PG_CATCH();
	{
		twp_enforce_failed(&run, query);
	}
	PG_END_TRY();
	twp_enforce_leave(&run, query);
}

/* Ends a plan. */
static void
end_executor(QueryDesc *query)
{
	int			quiet = twp_enforce_end(query);

	if (next_executor_end != NULL)
		next_executor_end(query);
	else
		standard_ExecutorEnd(query);
	twp_enforce_end_quiet(quiet);
}

/* Lets utility commands through, changed or not at all. */
static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc)
{
	void	   *state = NULL;
	TwpRun		run;

	twp_enforce_settle_owed();
	if (read_only_tree)
		pstmt = copyObject(pstmt);
	if (!twp_enforce_utility_before(pstmt, query_string, context, params, dest, qc, &state))
		return;
	twp_enforce_enter_utility(&run, pstmt->utilityStmt);
	PG_TRY();
	{
		if (next_utility != NULL)
			next_utility(pstmt, query_string, false, context, params, environment, dest, qc);
		else
			standard_ProcessUtility(pstmt, query_string, false, context, params, environment, dest, qc);
	}
	PG_CATCH();
	{
		twp_enforce_leave_setup(&run);
		twp_enforce_utility_failed(pstmt->utilityStmt);
	}
	PG_END_TRY();
	twp_enforce_leave_setup(&run);
	twp_enforce_utility_after(pstmt, state);
}

/* Offers scans of our own for a relation. */
static void
add_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	if (next_pathlist != NULL)
		next_pathlist(root, rel, rti, rte);
	twp_enforce_add_paths(root, rel, rti, rte);
}

/* Keeps SQL functions that return sets from being inlined after rewriting. */
static bool
needs_fmgr(Oid function)
{
	if (next_needs_fmgr != NULL && next_needs_fmgr(function))
		return true;
	return twp_enforce_keeps_function(function);
}

/* Looks at functions about to run, constraints just made, schemas being named and tables about to be emptied. */
static void
access_object(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (next_object_access != NULL)
		next_object_access(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE)
		twp_enforce_function_executes(object_id);
	else if (access == OAT_POST_CREATE && class_id == ConstraintRelationId)
		twp_pseudonym_check_constraint(object_id);
	else if (access == OAT_NAMESPACE_SEARCH)
		twp_enforce_schema_named(object_id, arg);
	else if (access == OAT_DROP && class_id == RelationRelationId)
		twp_enforce_drops(object_id, sub_id);
	else if (access == OAT_TRUNCATE)
		twp_enforce_truncates(object_id);
}

/* Takes protected values out of messages on their way out, and puts hints in. */
static void
edit_message(ErrorData *error)
{
	twp_enforce_edit_message(error);
	twp_operations_add_hint(error);
	if (next_emit_log != NULL)
		next_emit_log(error);
}

/* Adds our policy to what PostgreSQL found for a relation. */
static List *
permissive_policies(CmdType command, Relation relation)
{
	List	   *policies = next_permissive != NULL ? next_permissive(command, relation) : NIL;

	return list_concat(policies, twp_enforce_permissive_policies(command, relation));
}

/* Looks at a new name of the application, which every session may see, however it is set. */
static bool
check_application_name(char **value, void **extra, GucSource source)
{
	if (source == PGC_S_SESSION && twp_enforce_setting_tells())
	{
		GUC_check_errcode(ERRCODE_TWP_OUTSIDE_USE);
		GUC_check_errmsg("application_name may not be set where protected tables were read");
		GUC_check_errhint("Other sessions see it: set it in a command of its own, or ask for a use with export.");
		return false;
	}
	return next_application_name == NULL || next_application_name(value, extra, source);
}

/* Asks for shared memory, room by room. */
static void
request_shmem(void)
{
	if (next_shmem_request != NULL)
		next_shmem_request();
	twp_consent_shmem_request();
	twp_pseudonym_shmem_request();
	twp_ledger_shmem_request();
	twp_lineage_shmem_request();
	twp_enforce_shmem_request();
}

/* Finds the shared memory, room by room. */
static void
startup_shmem(void)
{
	if (next_shmem_startup != NULL)
		next_shmem_startup();
	twp_consent_shmem_startup();
	twp_pseudonym_shmem_startup();
	twp_ledger_shmem_startup();
	twp_lineage_shmem_startup();
	twp_enforce_shmem_startup();
}

/* Sets all hooks. */
void
twp_hooks_init(void)
{
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = request_shmem;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	/*
	 * pg_upgrade restores the catalogs piece by piece, ours among them, on a
	 * server that nobody else can reach and that runs no query on a table's
	 * rows: there is nothing yet to ask, and nothing to protect.
	 */
	if (IsBinaryUpgrade)
		return;

	next_planner = planner_hook;
	planner_hook = plan_query;
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = run_executor;
	next_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_executor;
	next_executor_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end_executor;
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_paths;
	next_needs_fmgr = needs_fmgr_hook;
	needs_fmgr_hook = needs_fmgr;
	next_permissive = row_security_policy_hook_permissive;
	row_security_policy_hook_permissive = permissive_policies;
	next_object_access = object_access_hook;
	object_access_hook = access_object;
	next_emit_log = emit_log_hook;
	emit_log_hook = edit_message;
	next_application_name = twp_compat_text_setting("application_name")->check_hook;
	twp_compat_text_setting("application_name")->check_hook = check_application_name;
}

/*
 * discreet.c - what errors and side effects must not tell.
 *
 * Errors of constraints quote the failing row for roles that row security
 * does not apply to; functions and commands with side effects carry values
 * out of a statement that may not export.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "enforce/enforce_internal.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

/* True when a constraint error quotes values of a protected table (PostgreSQL's always name it). */
static bool
tells_of_protected(const ErrorData *error, bool touches)
{
	Oid			nsp;
	Oid			relid;

	if (error->detail == NULL)
		return false;
	if (error->sqlerrcode == ERRCODE_WITH_CHECK_OPTION_VIOLATION)
		return touches;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		error->schema_name == NULL || error->table_name == NULL)
		return false;
	nsp = get_namespace_oid(error->schema_name, true);
	relid = OidIsValid(nsp) ? get_relname_relid(error->table_name, nsp) : InvalidOid;
	return !OidIsValid(relid) || twp_protect_is_protected(relid);
}

/*
 * Re-raises the error being handled, without the detail of a constraint that
 * would quote a protected row.  Looking the table up is safe: constraint
 * errors come from the executor, not from the caches.
 */
void
twp_enforce_rethrow_discreetly(bool touches)
{
	ErrorData  *error;

	if ((ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
		 geterrcode() != ERRCODE_WITH_CHECK_OPTION_VIOLATION) || twp_in_maintenance())
		PG_RE_THROW();
	MemoryContextSwitchTo(TopTransactionContext);
	error = CopyErrorData();
	if (!tells_of_protected(error, touches))
		PG_RE_THROW();
	FlushErrorState();
	error->detail = NULL;
	error->detail_log = NULL;
	ReThrowError(error);
}

/* Errors of utility commands go on the same way. */
void
twp_enforce_utility_failed(void)
{
	twp_enforce_adding_foreign_key = false;
	twp_enforce_rethrow_discreetly(false);
}

/*
 * Takes the detail of a constraint error out of a message when the
 * transaction wrote protected rows: deferred constraints are checked at
 * commit, where no command of ours is on the way.  No look-ups here: the
 * transaction may be over.
 */
void
twp_enforce_edit_message(ErrorData *error)
{
	if (error->elevel < ERROR || !twp_enforce_wrote_protected() ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		return;
	error->detail = NULL;
	error->detail_log = NULL;
}

/* True for functions that carry their arguments somewhere else. */
static bool
carries_out(Oid function)
{
	static const char *const carriers[] = {
		"dblink", "dblink_exec", "dblink_open", "dblink_send_query", "dblink_connect",
		"pg_file_write",
	};
	bool		found = false;
	char	   *name;

	switch (function)
	{
		case F_LO_FROM_BYTEA:
		case F_LO_PUT:
		case F_LO_CREATE:
		case F_LOWRITE:
		case F_LO_EXPORT:
		case F_PG_NOTIFY:
		case F_SETVAL_REGCLASS_INT8:
		case F_SETVAL_REGCLASS_INT8_BOOL:
		case F_SET_CONFIG:
			return true;
		default:
			break;
	}
	name = get_func_name(function);
	if (name == NULL)
		return false;
	if (function < FirstNormalObjectId)
		found = strcmp(name, "pg_logical_emit_message") == 0;
	for (int i = 0; function >= FirstNormalObjectId && i < lengthof(carriers); i++)
		found |= strcmp(name, carriers[i]) == 0;
	pfree(name);
	return found;
}

/* True for users' code: procedural functions that may hold prepared expressions. */
static bool
is_users_code(Oid function)
{
	return function >= FirstNormalObjectId && get_func_namespace(function) != twp_catalog_internal_schema();
}

/*
 * Refuses functions that would carry values out of a statement that may not
 * export.  PostgreSQL tells us when a function is set up, not at each call;
 * so when such a statement runs users' code, expressions prepared before are
 * dropped and set up again.
 */
void
twp_enforce_function_executes(Oid function)
{
	if (!twp_enforce_holds_values() &&
		(!twp_enforce_has_read() || function == F_SET_CONFIG))
		return;
	if (twp_enforce_is_starting() && is_users_code(function))
		ResetPlanCache();
	if (!carries_out(function))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("function %s carries values out of the statement", get_func_name(function)),
			 errhint("Call it in a statement of its own, or ask for a use with export.")));
}

/*
 * Refuses commands run by functions of a statement that may not export, but
 * for those that neither store nor keep what they are told.
 */
void
twp_enforce_check_side_effect(Node *utility)
{
	switch (nodeTag(utility))
	{
		case T_VariableShowStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_DeclareCursorStmt:
		case T_ExecuteStmt:
		case T_DoStmt:
		case T_CallStmt:
		case T_ExplainStmt:
		case T_CopyStmt:
		case T_LockStmt:
		case T_ConstraintsSetStmt:
		case T_CreateTableAsStmt:
		case T_RefreshMatViewStmt:
		case T_TransactionStmt:
			return;
		default:
			break;
	}
	if (twp_sql_is_internal())
		return;
	if (twp_enforce_holds_values() ||
		(twp_enforce_has_read() && (IsA(utility, NotifyStmt) || IsA(utility, CommentStmt))))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a command may not run inside a statement that reads protected tables"),
				 errhint("Run it in a statement of its own, or ask for a use with export.")));
}

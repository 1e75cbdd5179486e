/*
 * discreet.c - what errors must not tell.
 *
 * Errors of constraints quote the failing row for roles that row security
 * does not apply to.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_proc.h"
#include "enforce/enforce_internal.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

/* what log_min_messages was before it was lowered for this transaction; 0: it was not */
static int	log_level_set = 0;

/* True when a foreign key leads to a protected table, whose key its errors quote, too. */
static bool
leads_to_protected(Oid relid, const char *constraint)
{
	Oid			oid = constraint != NULL ? get_relation_constraint_oid(relid, constraint, true) : InvalidOid;
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	Oid			target = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		target = ((Form_pg_constraint) GETSTRUCT(tuple))->confrelid;
		ReleaseSysCache(tuple);
	}
	return OidIsValid(target) && twp_protect_is_protected(target);
}

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
	return !OidIsValid(relid) || twp_protect_is_protected(relid) ||
		leads_to_protected(relid, error->constraint_name);
}

/* True for errors whose detail quotes a row. */
static bool
quotes_a_row(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		sqlerrcode == ERRCODE_WITH_CHECK_OPTION_VIOLATION;
}

/*
 * Raises an error caught before, without the detail of a constraint that
 * would quote a protected row.  Looking the table up is safe: constraint
 * errors come from the executor, not from the caches.
 */
void
twp_enforce_rethrow_copied(ErrorData *error, bool touches)
{
	if (quotes_a_row(error->sqlerrcode) && !twp_in_maintenance() && tells_of_protected(error, touches))
	{
		error->detail = NULL;
		error->detail_log = NULL;
	}
	ReThrowError(error);
}

/* The same for the error being handled. */
void
twp_enforce_rethrow_discreetly(bool touches)
{
	ErrorData  *error;

	if (!quotes_a_row(geterrcode()))
		PG_RE_THROW();
	MemoryContextSwitchTo(TopTransactionContext);
	error = CopyErrorData();
	FlushErrorState();
	twp_enforce_rethrow_copied(error, touches);
}

/* True when PostgreSQL logs messages of a level at a setting of log_min_messages. */
static bool
is_logged(int elevel, int log_level)
{
	if (elevel == LOG || elevel == LOG_SERVER_ONLY)
		return log_level == LOG || log_level <= ERROR;
	return elevel != WARNING_CLIENT_ONLY && elevel >= (log_level == LOG ? FATAL : log_level);
}

/*
 * Has every error of this transaction come by emit_log_hook, whatever is to be
 * logged: PostgreSQL calls it only for what goes to the log.  The variable is
 * set, not the setting, which would go back where a function ends.
 */
void
twp_enforce_watch_errors(void)
{
	if (is_logged(ERROR, log_min_messages))
		return;
	log_level_set = log_min_messages;
	log_min_messages = ERROR;
}

/* Ends that with the transaction. */
void
twp_enforce_unwatch_errors(void)
{
	if (log_level_set != 0)
		log_min_messages = log_level_set;
	log_level_set = 0;
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
	if (log_level_set != 0 && !is_logged(error->elevel, log_level_set))
		error->output_to_server = false;
	twp_enforce_explain_closed(error);
	if (error->elevel < ERROR || !twp_enforce_wrote_protected() ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		return;
	error->detail = NULL;
	error->detail_log = NULL;
}

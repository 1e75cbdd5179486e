/*
 * scoring.c - recipients that insure or employ people, and the exceptions that
 * two officers make from the rules against scoring.
 *
 * What the rules are stands where they are applied (decision/score.c,
 * enforce/context.c); here is to whom they apply and where they do not.  An
 * exception is of one use with its present terms, for one table, until a day.
 *
 * Contract: read with the uses (lookup.c), under a fresh snapshot.  A label is
 * put on by one officer and taken off by two; an exception needs two and is
 * ended by one: closing is easier than opening.  Logins count, not SET ROLE.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "uses/uses_internal.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_uses_label_recipient);
PG_FUNCTION_INFO_V1(twp_uses_propose_exception);
PG_FUNCTION_INFO_V1(twp_uses_approve_exception);
PG_FUNCTION_INFO_V1(twp_uses_end_exception);

/* Columns of twin_privacy_internal.scoring_exception that are read here. */
#define ANUM_EXCEPTION_CODE 2
#define ANUM_EXCEPTION_TERMS 3
#define ANUM_EXCEPTION_TARGET 4
#define ANUM_EXCEPTION_UNTIL 5
#define ANUM_EXCEPTION_APPROVED_BY 9
#define ANUM_EXCEPTION_ENDED_BY 11

#define A_YEAR (INT64CONST(366) * USECS_PER_DAY)

/* Reads the approved exceptions (TwpScoringException *) that nobody has ended. */
List *
twp_uses_read_exceptions(void)
{
	List	   *exceptions = NIL;
	Relation	rel = table_open(twp_catalog_internal_relid("scoring_exception"), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		TwpScoringException *exception;
		bool		isnull;

		if (heap_attisnull(tuple, ANUM_EXCEPTION_APPROVED_BY, desc) || !heap_attisnull(tuple, ANUM_EXCEPTION_ENDED_BY, desc))
			continue;
		exception = palloc(sizeof(TwpScoringException));
		exception->code = TextDatumGetCString(heap_getattr(tuple, ANUM_EXCEPTION_CODE, desc, &isnull));
		exception->terms = (uint64) DatumGetInt64(heap_getattr(tuple, ANUM_EXCEPTION_TERMS, desc, &isnull));
		exception->target = DatumGetObjectId(heap_getattr(tuple, ANUM_EXCEPTION_TARGET, desc, &isnull));
		exception->until = DatumGetTimestampTz(heap_getattr(tuple, ANUM_EXCEPTION_UNTIL, desc, &isnull));
		exceptions = lappend(exceptions, exception);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return exceptions;
}

/* What tells a recipient from another: its letters and digits, in whatever case. */
char *
twp_uses_fold_recipient(const char *name)
{
	char	   *lower = str_tolower(name, strlen(name), DEFAULT_COLLATION_OID);
	char	   *folded = palloc(strlen(lower) + 1);
	int			n = 0;

	for (const char *c = lower; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c) || isalnum((unsigned char) *c))
			folded[n++] = *c;
	folded[n] = '\0';
	return n > 0 ? folded : lower;
}

/* Reads the labelled recipients (char *, folded) into the current context. */
List *
twp_uses_read_recipients(void)
{
	List	   *recipients = NIL;
	Relation	rel = table_open(twp_catalog_internal_relid("recipient_kind"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		recipients = lappend(recipients, twp_uses_fold_recipient(TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull))));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return recipients;
}

/* True when the relation is the table or lies below it. */
static bool
is_at_or_below(Oid relid, Oid table)
{
	Oid			type = get_rel_type_id(table);

	if (relid == table)
		return true;
	return OidIsValid(type) && has_superclass(relid) && typeInheritsFrom(get_rel_type_id(relid), type);
}

/* Says whether an exception of the use's holds for a table. */
bool
twp_uses_is_excepted(const TwpUse *use, Oid relid, TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, twp_uses_exceptions())
	{
		const TwpScoringException *exception = lfirst(lc);

		if (exception->terms == use->hash && now < exception->until && strcmp(exception->code, use->code) == 0 &&
			is_at_or_below(relid, exception->target))
			return true;
	}
	return false;
}

/* A number that changes when the exceptions of the use's that hold do (0: none does); *until the first of their ends. */
uint64
twp_uses_exceptions_stamp(const TwpUse *use, TimestampTz now, TimestampTz *until)
{
	uint64		stamp = 0;
	ListCell   *lc;

	*until = DT_NOEND;
	foreach(lc, twp_uses_exceptions())
	{
		const TwpScoringException *exception = lfirst(lc);

		if (exception->terms != use->hash || now >= exception->until || strcmp(exception->code, use->code) != 0)
			continue;
		/* whatever their order */
		stamp += hash_combine64(1, (uint64) exception->target);
		*until = Min(*until, exception->until);
	}
	return stamp;
}

/* Reads a text argument that must be there and say something. */
static char *
text_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	char	   *value;

	TWP_REQUIRE_ARG(n, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (value[strspn(value, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name),
				 errhint("Name a value for the argument \"%s\".", name)));
	return value;
}

/* Announces and records a change. */
static void
emit(const char *table, const char *kind, const char *object, const char *key, const char *value)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "{\"%s\": ", key);
	escape_json(&detail, value);
	appendStringInfoChar(&detail, '}');
	twp_catalog_announce(table);
	twp_event_emit(kind, object, NULL, detail.data);
}

/* Runs a statement of one or two text arguments; the first value it returns, or NULL. */
static char *
run(const char *sql, const char *one, const char *other)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2] = {CStringGetTextDatum(one), other == NULL ? (Datum) 0 : CStringGetTextDatum(other)};
	MemoryContext caller = CurrentMemoryContext;
	char	   *result = NULL;

	twp_sql_connect();
	twp_sql_exec(sql, other == NULL ? 1 : 2, types, values, NULL);
	if (SPI_tuptable != NULL && SPI_processed > 0)
		result = MemoryContextStrdup(caller, twp_sql_text(0, 1));
	twp_sql_finish();
	return result;
}

/* Takes a label away: the first officer asks, another does it. */
static void
release_recipient(const char *recipient)
{
	char	   *done = run("UPDATE twin_privacy_internal.recipient_kind SET release_by = coalesce(release_by, session_user)"
						   " WHERE recipient = $1 RETURNING release_by <> session_user", recipient, NULL);

	if (done == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recipient \"%s\" has no label", recipient),
				 errhint("See twin_privacy.labelled_recipients.")));
	if (strcmp(done, "t") == 0)
	{
		(void) run("DELETE FROM twin_privacy_internal.recipient_kind WHERE recipient = $1", recipient, NULL);
		emit("recipient_kind", "recipient.release", recipient, "recipient", recipient);
		return;
	}
	emit("recipient_kind", "recipient.release.ask", recipient, "recipient", recipient);
	ereport(NOTICE,
			(errmsg("the label of recipient \"%s\" stays until another officer asks for the same", recipient),
			 errhint("Logins count, not SET ROLE.")));
}

/* label_recipient(recipient, kind) */
Datum
twp_uses_label_recipient(PG_FUNCTION_ARGS)
{
	char	   *recipient;
	char	   *kind;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "label a recipient");
	recipient = text_argument(fcinfo, 0, "recipient");
	if (PG_ARGISNULL(1))
	{
		release_recipient(recipient);
		PG_RETURN_VOID();
	}
	kind = text_argument(fcinfo, 1, "kind");
	if (strcmp(kind, "insurance") != 0 && strcmp(kind, "employment") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kind \"%s\" of a recipient is not known", kind),
				 errhint("Kinds are insurance and employment; NULL takes a label away.")));
	(void) run("INSERT INTO twin_privacy_internal.recipient_kind (recipient, kind, labelled_by, labelled_at)"
			   " VALUES ($1, $2, session_user, now()) ON CONFLICT (recipient) DO UPDATE"
			   " SET kind = $2, labelled_by = session_user, labelled_at = now(), release_by = NULL", recipient, kind);
	emit("recipient_kind", "recipient.label", recipient, "kind", kind);
	PG_RETURN_VOID();
}

/* Refuses an end that is past or more than a year away. */
static TimestampTz
check_until(TimestampTz until)
{
	TimestampTz now = GetCurrentTimestamp();

	if (until <= now || until - now > A_YEAR || TIMESTAMP_NOT_FINITE(until))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an exception ends within a year"),
				 errhint("Name a time between now and a year from now.")));
	return until;
}

/* Announces and records what is to be excepted. */
static void
emit_proposal(int64 exception_id, const char *code, Oid target, TimestampTz until, const char *reason)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"use\": ");
	escape_json(&detail, code);
	appendStringInfoString(&detail, ", \"table\": ");
	escape_json(&detail, twp_catalog_qualified_name(target));
	appendStringInfo(&detail, ", \"until\": \"%s\", \"reason\": ", timestamptz_to_str(until));
	escape_json(&detail, reason);
	appendStringInfoChar(&detail, '}');
	twp_catalog_announce("scoring_exception");
	twp_event_emit("scoring_exception.propose", psprintf(INT64_FORMAT, exception_id), NULL, detail.data);
}

/* propose_scoring_exception(code, target, until, reason) */
Datum
twp_uses_propose_exception(PG_FUNCTION_ARGS)
{
	Oid			types[] = {TEXTOID, INT8OID, REGCLASSOID, TIMESTAMPTZOID, TEXTOID};
	Datum		values[5];
	const TwpUse *use;
	char	   *code;
	int64		exception_id;
	bool		isnull;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "propose an exception from the rules against scoring");
	code = text_argument(fcinfo, 0, "code");
	TWP_REQUIRE_ARG(1, "target");
	TWP_REQUIRE_ARG(2, "until");
	values[4] = CStringGetTextDatum(text_argument(fcinfo, 3, "reason"));
	use = twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT);
	if (!twp_protect_is_protected(PG_GETARG_OID(1)) && twp_protect_context(PG_GETARG_OID(1)) == TWP_CONTEXT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no rule against scoring refuses table \"%s\"", get_rel_name(PG_GETARG_OID(1))),
				 errhint("Name the table with derived data, or the one that is labelled with a context.")));
	values[0] = CStringGetTextDatum(code);
	values[1] = Int64GetDatum((int64) use->hash);
	values[2] = PG_GETARG_DATUM(1);
	values[3] = TimestampTzGetDatum(check_until(PG_GETARG_TIMESTAMPTZ(2)));
	twp_sql_connect();
	twp_sql_exec("INSERT INTO twin_privacy_internal.scoring_exception (exception_id, code, terms, target, until, reason,"
				 " proposed_by, proposed_at) VALUES (nextval('twin_privacy_internal.scoring_exception_id_seq'),"
				 " $1, $2, $3, $4, $5, session_user, now()) RETURNING exception_id", 5, types, values, NULL);
	exception_id = DatumGetInt64(twp_sql_value(0, 1, &isnull));
	twp_sql_finish();
	emit_proposal(exception_id, code, PG_GETARG_OID(1), PG_GETARG_TIMESTAMPTZ(2), TextDatumGetCString(values[4]));
	PG_RETURN_INT64(exception_id);
}

/* Ends the exceptions of a use that is proposed anew. */
void
twp_uses_end_exceptions(Datum code)
{
	Oid			types[] = {TEXTOID};

	twp_sql_exec("UPDATE twin_privacy_internal.scoring_exception SET ended_by = session_user, ended_at = now()"
				 " WHERE code = $1 AND ended_by IS NULL", 1, types, &code, NULL);
	if (SPI_processed > 0)
		twp_catalog_announce("scoring_exception");
}

/* Changes an exception that must be in the state the SQL asks for; gives its use. */
static char *
change_exception(FunctionCallInfo fcinfo, const char *sql, const char *problem)
{
	char	   *number;
	char	   *code;

	TWP_REQUIRE_ARG(0, "exception_id");
	number = psprintf(INT64_FORMAT, PG_GETARG_INT64(0));
	code = run(sql, number, NULL);
	if (code != NULL)
		return code;
	if (run("SELECT code FROM twin_privacy_internal.scoring_exception WHERE exception_id = $1::int8", number, NULL) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no exception %s", number),
				 errhint("See twin_privacy.scoring_exceptions.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("exception %s %s", number, problem),
			 errhint("See twin_privacy.scoring_exceptions.")));
}

/* approve_scoring_exception(exception_id) */
Datum
twp_uses_approve_exception(PG_FUNCTION_ARGS)
{
	char	   *code;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "approve an exception from the rules against scoring");
	TWP_REQUIRE_ARG(0, "exception_id");
	if (run("SELECT code FROM twin_privacy_internal.scoring_exception"
			" WHERE exception_id = $1::int8 AND proposed_by = session_user AND approved_by IS NULL AND ended_by IS NULL",
			psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("an exception needs another officer than its proposer"),
				 errhint("Ask a second person with twin_privacy_officer; logins count, not SET ROLE.")));
	code = change_exception(fcinfo,
							"UPDATE twin_privacy_internal.scoring_exception SET approved_by = session_user, approved_at = now()"
							" WHERE exception_id = $1::int8 AND approved_by IS NULL AND ended_by IS NULL AND until > now()"
							" AND proposed_by <> session_user RETURNING code", "is not waiting for approval");
	if (run("SELECT code FROM twin_privacy_internal.scoring_exception WHERE exception_id = $1::int8 AND terms = $2::int8",
			psprintf(INT64_FORMAT, PG_GETARG_INT64(0)),
			psprintf(INT64_FORMAT, (int64) twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT)->hash)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("use \"%s\" has other terms than when exception " INT64_FORMAT " was proposed", code, PG_GETARG_INT64(0)),
				 errhint("End it, and propose an exception for the present terms.")));
	emit("scoring_exception", "scoring_exception.approve", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), "use", code);
	PG_RETURN_VOID();
}

/* end_scoring_exception(exception_id) */
Datum
twp_uses_end_exception(PG_FUNCTION_ARGS)
{
	char	   *code;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "end an exception from the rules against scoring");
	code = change_exception(fcinfo,
							"UPDATE twin_privacy_internal.scoring_exception SET ended_by = session_user, ended_at = now()"
							" WHERE exception_id = $1::int8 AND ended_by IS NULL RETURNING code", "has ended already");
	emit("scoring_exception", "scoring_exception.end", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), "use", code);
	PG_RETURN_VOID();
}

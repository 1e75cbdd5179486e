/*
 * breakglass.c - opening, closing and reviewing emergencies.
 *
 * Order of an opening: every check that needs no record; the row and NOTIFY
 * in a transaction of their own; the ledger's event, durable; only then the
 * session's binding.  Whatever fails leaves more record than access.
 *
 * The emergency is the session's, not the transaction's (session.c): ROLLBACK
 * does not close it, and does not undo its record.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/catalog.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "breakglass/breakglass_internal.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "ledger/ledger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "uses/uses.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_breakglass_break_glass);
PG_FUNCTION_INFO_V1(twp_breakglass_end_break_glass);
PG_FUNCTION_INFO_V1(twp_breakglass_review_break_glass);

#define MIN_JUSTIFICATION 10

static int	debt_limit = 3;

/* Defines the setting of the debt. */
void
twp_breakglass_init(void)
{
	DefineCustomIntVariable("twin_privacy.break_glass_debt_limit",
							"How many unreviewed break-glass events a person may have.",
							"At the limit the next one is refused; 0 allows none, -1 any number.",
							&debt_limit, 3, -1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Reads the justification; a few characters explain nothing. */
static char *
get_justification(FunctionCallInfo fcinfo)
{
	char	   *reason;
	char	   *end;

	TWP_REQUIRE_ARG(1, "justification");
	reason = text_to_cstring(PG_GETARG_TEXT_PP(1));
	while (isspace((unsigned char) *reason))
		reason++;
	end = reason + strlen(reason);
	while (end > reason && isspace((unsigned char) end[-1]))
		*--end = '\0';
	if (pg_mbstrlen(reason) < MIN_JUSTIFICATION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the justification must have at least %d characters", MIN_JUSTIFICATION),
				 errhint("Say why this patient's records are needed now; an officer will read it.")));
	return reason;
}

/* Reads the subject, refusing any other spelling of a key. */
static char *
get_subject(FunctionCallInfo fcinfo)
{
	char	   *subject;

	TWP_REQUIRE_ARG(0, "subject");
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_protect_check_subject_text(subject);
	return subject;
}

/* Reads the duration and gives the time the emergency ends. */
static TimestampTz
get_expiry(FunctionCallInfo fcinfo, TimestampTz now)
{
	TimestampTz expires_at;

	TWP_REQUIRE_ARG(2, "duration");
	expires_at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
														 PG_GETARG_DATUM(2)));
	if (expires_at <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the duration must be above zero"),
				 errhint("Name an interval such as '30 minutes'.")));
	return expires_at;
}

/* Records an attempt that was not let through, then lets the caller raise it. */
static void
note_refusal(const TwpUse *use, const char *subject, const char *reason, const char *justification)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, reason);
	appendStringInfoChar(&detail, '}');
	(void) twp_ledger_event_at_once("break_glass.refused", use->code, subject, detail.data, justification);
}

/* Refuses where a session cannot break the glass at all. */
static void
check_place(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot break the glass on a standby"),
				 errdetail("The event could not be announced and put up for review here."),
				 errhint("Connect to the primary, or promote this server.")));
	if (twp_uses_emergency() != NULL || twp_breakglass_waits_for_commit())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the session is in an emergency already"),
				 errhint("End it with twin_privacy.end_break_glass(); a new one is an event of its own.")));
}

/* Where clients share the session, refuses an emergency that nobody answers for or nobody could use. */
static void
check_pooled(const char *actor)
{
	if (!twp_uses_pooled())
		return;
	if (actor == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a session that clients share does not say who breaks the glass"),
				 errhint("Name the person with SET LOCAL twin_privacy.actor in the same transaction.")));
	if (!IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("an emergency in a session that clients share ends with its transaction"),
				 errhint("Begin a transaction, break the glass and read in it; for longer, connect without the pooler.")));
}

/* Raises that the subject has denied emergency access itself. */
static void
raise_denied(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("the subject has denied emergency access"),
			 errhint("A consent that denies purpose BTG stops it; ask the subject, or a twin_privacy_registrar.")));
}

/* Refuses when the subject has denied emergency access itself. */
static void
check_deny(const TwpUse *use, const char *subject, const char *justification, TimestampTz now)
{
	if (!twp_consent_denies_by_name(subject, "BTG", now))
		return;
	note_refusal(use, subject, "the subject denies break-glass", justification);
	raise_denied();
}

/* Lays a request out flat. */
static TwpGlassRequest *
make_request(const char *const texts[TWP_GLASS_TEXTS], Size *size)
{
	TwpGlassRequest *request;
	uint32		at = 0;

	*size = offsetof(TwpGlassRequest, texts);
	for (int i = 0; i < TWP_GLASS_TEXTS; i++)
		*size += strlen(texts[i]) + 1;
	request = palloc0(*size);
	for (int i = 0; i < TWP_GLASS_TEXTS; i++)
	{
		request->text_at[i] = at;
		strcpy(request->texts + at, texts[i]);
		at += strlen(texts[i]) + 1;
	}
	request->login = GetSessionUserId();
	request->debt_limit = debt_limit;
	return request;
}

/* Names officers other than the caller, for a hint. */
static char *
name_officers(void)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(GetSessionUserId())};
	char	   *found;
	char	   *names = "";

	twp_sql_connect();
	twp_sql_exec("SELECT pg_catalog.string_agg(rolname, ', ' ORDER BY rolname) FROM ("
				 "SELECT m.rolname FROM pg_catalog.pg_auth_members AS a"
				 " JOIN pg_catalog.pg_roles AS o ON o.oid = a.roleid"
				 " JOIN pg_catalog.pg_roles AS m ON m.oid = a.member"
				 " WHERE o.rolname = 'twin_privacy_officer' AND m.oid <> $1"
				 " ORDER BY m.rolname LIMIT 5) AS officers",
				 lengthof(types), types, values, NULL);
	found = twp_sql_text(0, 1);
	if (found != NULL)
	{
		/* In the caller's memory, as SPI's goes with twp_sql_finish(). */
		names = SPI_palloc(strlen(found) + 4);
		sprintf(names, " (%s)", found);
	}
	twp_sql_finish();
	return names;
}

/* Raises what the record refused. */
static void
check_result(const TwpGlassRequest *request, const TwpUse *use, const char *const texts[])
{
	if (request->result == TWP_GLASS_TOO_LONG)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the duration is longer than use \"%s\" allows", use->code),
				 errhint("Ask for less; a longer need is a new event.")));
	if (request->result == TWP_GLASS_IN_DEBT)
	{
		note_refusal(use, texts[TWP_GLASS_SUBJECT], "unreviewed events", texts[TWP_GLASS_JUSTIFICATION]);
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("earlier break-glass events of \"%s\" wait for review", texts[TWP_GLASS_SESSION_ROLE]),
				 errdetail("Not reviewed: %s.", request->unreviewed),
				 errhint("Ask a member of twin_privacy_officer%s to review them with twin_privacy.review_break_glass.",
						 name_officers())));
	}
}

/*
 * Records the opening everywhere and returns the event's number; *at_commit
 * tells that the event hangs on the session's own transaction.
 */
static int64
record_opening(const TwpUse *use, const char *const texts[], TimestampTz now, TimestampTz expires_at,
			   bool *at_commit)
{
	Size		size;
	TwpGlassRequest *request = make_request(texts, &size);

	request->opened_at = now;
	request->expires_at = expires_at;
	twp_breakglass_open_apart(request, size);
	*at_commit = request->result == TWP_GLASS_FAILED;
	/* It would begin as it ends. */
	if (*at_commit && twp_uses_pooled())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("the emergency could not be announced apart"),
				 errhint("Try again, or connect without the pooler; raise max_worker_processes when it happens often.")));
	if (*at_commit)
		request->result = twp_breakglass_record_open(request);
	check_result(request, use, texts);
	(void) twp_ledger_event_at_once("break_glass.open", psprintf(INT64_FORMAT, request->event_id),
									texts[TWP_GLASS_SUBJECT],
									psprintf("{\"expires_at\": \"%s\"%s}", timestamptz_to_str(expires_at),
											 *at_commit ? ", \"begins\": \"with its transaction's commit\"" : ""),
									texts[TWP_GLASS_JUSTIFICATION]);
	return request->event_id;
}

/* Tells the session, and the server's log, what has happened. */
static void
announce(const TwpEmergency *opened, const char *session_role, bool at_commit)
{
	if (at_commit)
		ereport(WARNING,
				(errmsg("break-glass event " INT64_FORMAT ": \"%s\" opens one subject's records under use \"%s\" when this transaction commits",
						opened->event_id, session_role, opened->use_code),
				 errdetail("No background worker was free to announce it apart."),
				 errhint("Commit to begin the emergency; the event will be reviewed.")));
	else
		ereport(WARNING,
				(errmsg("break-glass event " INT64_FORMAT ": \"%s\" opened one subject's records under use \"%s\"",
						opened->event_id, session_role, opened->use_code),
				 errhint("Call twin_privacy.end_break_glass() when they are no longer needed; the event will be reviewed.")));
}

/* Opens one subject's records to this session, at once, and for a time. */
Datum
twp_breakglass_break_glass(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		elapsed = twp_clock_elapsed();
	const char *actor = twp_uses_actor();
	const char *texts[TWP_GLASS_TEXTS];
	TwpEmergency opened = {.login = GetSessionUserId()};
	const TwpUse *use;
	bool		at_commit;

	texts[TWP_GLASS_SUBJECT] = get_subject(fcinfo);
	texts[TWP_GLASS_JUSTIFICATION] = get_justification(fcinfo);
	opened.expires_at = get_expiry(fcinfo, now);
	opened.deadline = elapsed + (opened.expires_at - now);
	check_place();
	check_pooled(actor);
	use = twp_uses_require_emergency_use(now);
	check_deny(use, texts[TWP_GLASS_SUBJECT], texts[TWP_GLASS_JUSTIFICATION], now);
	/* What follows may accept invalidations, which free the use. */
	texts[TWP_GLASS_USE] = pstrdup(use->code);
	texts[TWP_GLASS_SESSION_ROLE] = GetUserNameFromId(GetSessionUserId(), false);
	texts[TWP_GLASS_ACTING_ROLE] = GetUserNameFromId(GetOuterUserId(), false);
	texts[TWP_GLASS_ACTOR] = actor != NULL ? pstrdup(actor) : "";

	opened.event_id = record_opening(&(TwpUse) {.code = (char *) texts[TWP_GLASS_USE]}, texts, now,
									 opened.expires_at, &at_commit);
	strlcpy(opened.use_code, texts[TWP_GLASS_USE], sizeof(opened.use_code));
	opened.subject_text = (char *) texts[TWP_GLASS_SUBJECT];
	opened.justification = (char *) texts[TWP_GLASS_JUSTIFICATION];
	opened.actor = (char *) texts[TWP_GLASS_ACTOR];
	twp_breakglass_begin(&opened, at_commit);
	announce(&opened, texts[TWP_GLASS_SESSION_ROLE], at_commit);
	PG_RETURN_INT64(opened.event_id);
}

/* Ends an emergency that was judged or forbidden since it was opened. */
void
twp_breakglass_check(const TwpEmergency *emergency, TimestampTz now)
{
	int64		event_id = emergency->event_id;
	bool		judged = !twp_breakglass_is_open(event_id);

	if (!judged && !twp_consent_denies_by_name(emergency->subject_text, "BTG", now))
		return;
	if (!judged)
	{
		twp_breakglass_reset_session();
		raise_denied();
	}
	/* the review has recorded the end */
	twp_breakglass_forget_event();
	twp_uses_end_emergency();
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("the emergency of break-glass event " INT64_FORMAT " was ended", event_id),
			 errhint("An officer has reviewed it; see twin_privacy.break_glass_events.")));
}

/* Closes the session's emergency; the earlier binding holds again. */
Datum
twp_breakglass_end_break_glass(PG_FUNCTION_ARGS)
{
	const TwpEmergency *emergency = twp_uses_emergency();
	TimestampTz now = GetCurrentTimestamp();
	int64		event_id;

	if (emergency == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the session is in no emergency"),
				 errhint("It may have expired; see twin_privacy.break_glass_events.")));
	event_id = emergency->event_id;
	/* The access ends first: nothing below may keep it open. */
	twp_uses_end_emergency();
	twp_breakglass_forget_event();
	if (!twp_breakglass_end_apart(event_id, now, true))
		twp_breakglass_record_end(event_id, now);
	(void) twp_ledger_event_at_once("break_glass.end", psprintf(INT64_FORMAT, event_id), NULL, NULL, NULL);
	PG_RETURN_VOID();
}

/* True when the person an event names, behind whatever login, is the caller by login or by claim. */
static bool
is_oneself(const char *actor)
{
	return actor != NULL &&
		(strcmp(actor, GetUserNameFromId(GetSessionUserId(), false)) == 0 ||
		 (twp_uses_actor() != NULL && strcmp(actor, twp_uses_actor()) == 0));
}

/* Checks that the event waits for a review by somebody else. */
static void
check_reviewable(int64 event_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(event_id)};
	bool		isnull;

	twp_sql_exec("SELECT login::pg_catalog.oid, verdict, actor FROM twin_privacy_internal.break_glass_event"
				 " WHERE event_id = $1 FOR UPDATE",
				 lengthof(types), types, values, NULL);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("break-glass event " INT64_FORMAT " does not exist", event_id),
				 errhint("See twin_privacy.break_glass_events.")));
	if (DatumGetObjectId(twp_sql_value(0, 1, &isnull)) == GetSessionUserId() || is_oneself(twp_sql_text(0, 3)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("nobody reviews their own break-glass event"),
				 errhint("Ask another twin_privacy_officer.")));
	if (twp_sql_text(0, 2) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("break-glass event " INT64_FORMAT " is reviewed already", event_id),
				 errhint("A verdict stands; see twin_privacy.break_glass_events.")));
}

/* Records an officer's verdict on an event. */
Datum
twp_breakglass_review_break_glass(PG_FUNCTION_ARGS)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[5];
	char		nulls[] = "     ";
	char	   *verdict;
	int64		event_id;

	TWP_REQUIRE_ARG(0, "event_id");
	TWP_REQUIRE_ARG(1, "verdict");
	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "review a break-glass event");
	event_id = PG_GETARG_INT64(0);
	verdict = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(verdict, "justified") != 0 && strcmp(verdict, "unjustified") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("verdict \"%s\" is not known", verdict),
				 errhint("Verdicts are justified and unjustified.")));
	values[0] = Int64GetDatum(event_id);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[3] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	nulls[3] = PG_ARGISNULL(2) ? 'n' : ' ';
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	twp_sql_connect();
	check_reviewable(event_id);
	twp_event_emit("break_glass.review", psprintf(INT64_FORMAT, event_id), NULL,
				   psprintf("{\"verdict\": \"%s\"}", verdict));
	twp_sql_exec("UPDATE twin_privacy_internal.break_glass_event"
				 " SET verdict = $2, reviewer = $3, note = $4, reviewed_at = $5,"
				 " ended_at = COALESCE(ended_at, CASE WHEN expires_at > $5 THEN $5 END) WHERE event_id = $1",
				 lengthof(types), types, values, nulls);
	twp_sql_finish();
	PG_RETURN_VOID();
}

/*
 * record.c - recording and withdrawing directives.
 *
 * Contract: each function checks the caller's role, then its arguments, then
 * adds rows, and records the event last, so that an event the ledger cannot
 * take undoes the rows.  What is looked up before (terms, the subject's other
 * directives) is read under a fresh snapshot.  Rows are never changed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "consent/fhir_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_consent_record);
PG_FUNCTION_INFO_V1(twp_consent_withdraw);
PG_FUNCTION_INFO_V1(twp_consent_withdraw_all);

TWP_EXPORT Datum twp_consent_record(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_withdraw(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_withdraw_all(PG_FUNCTION_ARGS);

/* Raises unless the decision is one of the two that can be recorded. */
static void
check_decision(const char *decision)
{
	if (strcmp(decision, "permit") != 0 && strcmp(decision, "deny") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown decision \"%s\"", decision),
				 errhint("Decisions are: permit, deny.")));
}

/* Raises unless the reason says something. */
static void
check_reason(const char *reason)
{
	if (reason[strspn(reason, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("Say in a few words why the consent is withdrawn.")));
}

/* Reads a text array; empty arrays, NULLs and empty texts in them are errors. */
static TwpStrings
read_codes(ArrayType *array, const char *name)
{
	TwpStrings	codes = {NULL, 0};
	Datum	   *items;
	bool	   *nulls;
	int			nitems;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &nitems);
	if (nitems == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be an empty array", name),
				 errhint("Name at least one, or pass NULL for no restriction.")));
	for (int i = 0; i < nitems; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain null", name),
					 errhint("Leave the null element out.")));
		twp_strings_add(&codes, TextDatumGetCString(items[i]));
		if (codes.item[i][0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain an empty text", name),
					 errhint("Leave the empty element out.")));
	}
	return codes;
}

/* Makes the terms of a plain directive. */
static Jsonb *
make_terms(const char *decision, const char *purpose, ArrayType *categories, ArrayType *recipients)
{
	StringInfoData json;
	TwpStrings	codes;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"decision\": \"%s\", \"purpose\": ", decision);
	escape_json(&json, purpose);
	if (categories != NULL)
	{
		codes = read_codes(categories, "categories");
		for (int i = 0; i < codes.n; i++)
			(void) twp_vocab_require_category(codes.item[i]);
		twp_strings_write(&json, "categories", &codes);
	}
	if (recipients != NULL)
	{
		codes = read_codes(recipients, "recipients");
		twp_strings_write(&json, "recipients", &codes);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* Turns a range into [from, until), to the microsecond. */
static void
read_period(FunctionCallInfo fcinfo, RangeType *range, TimestampTz *from, TimestampTz *until)
{
	TypeCacheEntry *typcache = range_get_typcache(fcinfo, RangeTypeGetOid(range));
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(typcache, range, &lower, &upper, &empty);
	*from = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
	*until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	if (!lower.infinite && !lower.inclusive && !TIMESTAMP_NOT_FINITE(*from))
		(*from)++;
	if (!upper.infinite && upper.inclusive && !TIMESTAMP_NOT_FINITE(*until))
		(*until)++;
	if (empty || *from >= *until)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the period of validity is empty"),
				 errhint("Give a period that holds at least one moment, such as '[2026-01-01,2027-01-01)'.")));
}

/* Raises when the same terms are already in force for part of the period. */
static void
check_overlap(const TwpNewDirective *new, int64 terms_id)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpDirective *directives;
	int			n = twp_store_directives(new->subject, snapshot, &directives);

	for (int i = 0; i < n; i++)
		if (!directives[i].withdrawn && directives[i].terms_id == terms_id &&
			new->valid_from < directives[i].valid_until && directives[i].valid_from < new->valid_until)
			ereport(ERROR,
					(errcode(ERRCODE_EXCLUSION_VIOLATION),
					 errmsg("the same directive is already recorded for an overlapping period"),
					 errdetail("It is consent %lld.", (long long) directives[i].consent_id),
					 errhint("Choose a period that does not overlap, or withdraw that consent first.")));
	UnregisterSnapshot(snapshot);
}

/* Finds the number of terms, storing them when they are new; needs twp_sql_connect(). */
static int64
intern_terms(Jsonb *terms)
{
	Oid			types[2] = {BYTEAOID, JSONBOID};
	Datum		values[2];
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	bytea	   *digest;
	int64		terms_id;
	bool		found = twp_store_terms_id(terms, snapshot, &terms_id, &digest);
	bool		isnull;

	UnregisterSnapshot(snapshot);
	if (found)
		return terms_id;
	values[0] = PointerGetDatum(digest);
	values[1] = JsonbPGetDatum(terms);
	twp_sql_exec("INSERT INTO twin_privacy_internal.terms (terms_id, digest, terms)"
				 " VALUES (pg_catalog.nextval('twin_privacy_internal.terms_id_seq'), $1, $2)"
				 " ON CONFLICT (digest) DO NOTHING", 2, types, values, NULL);
	twp_sql_exec("SELECT t.terms_id FROM twin_privacy_internal.terms t"
				 " WHERE t.digest OPERATOR(pg_catalog.=) $1", 1, types, values, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "consent terms were not stored");
	return DatumGetInt64(twp_sql_value(0, 1, &isnull));
}

/* Adds the row of a directive and gives its number; needs twp_sql_connect(). */
static int64
insert_directive(const TwpNewDirective *new, int64 terms_id)
{
	Oid			types[7] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID};
	Datum		values[7];
	char		nulls[7] = {' ', ' ', ' ', ' ', ' ', ' ', ' '};
	bool		isnull;

	values[0] = Int64GetDatum(terms_id);
	values[1] = TimestampTzGetDatum(new->valid_from);
	values[2] = TimestampTzGetDatum(new->valid_until);
	values[3] = CStringGetTextDatum(new->subject);
	values[4] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[5] = JsonbPGetDatum(new->evidence);
	values[6] = TimestampTzGetDatum(new->given_at);
	nulls[5] = new->evidence == NULL ? 'n' : ' ';
	nulls[6] = new->given_at == DT_NOBEGIN ? 'n' : ' ';
	twp_sql_exec("INSERT INTO twin_privacy_internal.directive (consent_id, terms_id, valid_from, valid_until,"
				 " given_at, recorded_at, changed, subject, recorded_by, evidence)"
				 " VALUES (pg_catalog.nextval('twin_privacy_internal.consent_id_seq'), $1, $2, $3,"
				 " COALESCE($7, pg_catalog.clock_timestamp()), pg_catalog.clock_timestamp(),"
				 " pg_catalog.pg_current_xact_id(), $4, $5, $6) RETURNING consent_id",
				 7, types, values, nulls);
	return DatumGetInt64(twp_sql_value(0, 1, &isnull));
}

/* Stores a directive whose parts are checked, and records the event. */
int64
twp_record_directive(const TwpNewDirective *new)
{
	int64		terms_id;
	int64		consent_id;

	twp_consent_warn_unknown_key(new->subject);
	twp_sql_connect();
	terms_id = intern_terms(new->terms);
	if (!new->may_repeat)
		check_overlap(new, terms_id);
	consent_id = insert_directive(new, terms_id);
	twp_event_emit(new->event, psprintf(INT64_FORMAT, consent_id), new->subject,
				   JsonbToCString(NULL, &new->terms->root, VARSIZE(new->terms)));
	twp_sql_finish();
	return consent_id;
}

/* Reads the subject argument and refuses what cannot be one. */
static char *
read_subject(FunctionCallInfo fcinfo)
{
	char	   *subject;

	TWP_REQUIRE_ARG(0, "subject");
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_protect_check_subject_text(subject);
	return subject;
}

/* record_consent(...) records one permit or deny. */
Datum
twp_consent_record(PG_FUNCTION_ARGS)
{
	TwpNewDirective new = {0};
	char	   *decision;
	char	   *purpose;

	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "record a consent");
	new.subject = read_subject(fcinfo);
	TWP_REQUIRE_ARG(1, "decision");
	TWP_REQUIRE_ARG(2, "purpose");
	decision = text_to_cstring(PG_GETARG_TEXT_PP(1));
	purpose = text_to_cstring(PG_GETARG_TEXT_PP(2));
	check_decision(decision);
	twp_vocab_require_purpose(purpose);
	new.valid_from = GetCurrentTransactionStartTimestamp();
	new.valid_until = DT_NOEND;
	if (!PG_ARGISNULL(5))
		read_period(fcinfo, PG_GETARG_RANGE_P(5), &new.valid_from, &new.valid_until);
	new.given_at = DT_NOBEGIN;
	new.terms = make_terms(decision, purpose,
						   PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3),
						   PG_ARGISNULL(4) ? NULL : PG_GETARG_ARRAYTYPE_P(4));
	new.evidence = PG_ARGISNULL(6) ? NULL : PG_GETARG_JSONB_P(6);
	new.event = "consent.record";
	PG_RETURN_INT64(twp_record_directive(&new));
}

/* Adds the row of a withdrawal; false when there already is one. */
static bool
insert_withdrawal(int64 consent_id, const char *subject, const char *reason)
{
	Oid			types[4] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];

	values[0] = Int64GetDatum(consent_id);
	values[1] = CStringGetTextDatum(subject);
	values[2] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[3] = CStringGetTextDatum(reason);
	twp_sql_exec("INSERT INTO twin_privacy_internal.withdrawal (consent_id, withdrawn_at, changed,"
				 " subject, withdrawn_by, reason)"
				 " VALUES ($1, pg_catalog.clock_timestamp(), pg_catalog.pg_current_xact_id(), $2, $3, $4)"
				 " ON CONFLICT (consent_id) DO NOTHING", 4, types, values, NULL);
	return SPI_processed > 0;
}

/* withdraw_consent(consent_id, reason) takes one directive back. */
Datum
twp_consent_withdraw(PG_FUNCTION_ARGS)
{
	int64		consent_id;
	char	   *reason;
	char	   *subject;
	Snapshot	snapshot;

	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "withdraw a consent");
	TWP_REQUIRE_ARG(0, "consent_id");
	TWP_REQUIRE_ARG(1, "reason");
	consent_id = PG_GETARG_INT64(0);
	reason = text_to_cstring(PG_GETARG_TEXT_PP(1));
	check_reason(reason);

	snapshot = RegisterSnapshot(twp_consent_snapshot());
	subject = twp_store_subject_of(consent_id, snapshot);
	UnregisterSnapshot(snapshot);
	if (subject == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no consent %lld", (long long) consent_id),
				 errhint("See twin_privacy.consents for those there are.")));
	twp_sql_connect();
	if (!insert_withdrawal(consent_id, subject, reason))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("consent %lld is already withdrawn", (long long) consent_id),
				 errhint("There is nothing more to do; see twin_privacy.consents for when and why.")));
	twp_event_emit("consent.withdraw", psprintf(INT64_FORMAT, consent_id), subject, NULL);
	twp_sql_finish();
	PG_RETURN_VOID();
}

/* withdraw_all_consent(subject, reason) takes every permit back; what was denied stays denied. */
Datum
twp_consent_withdraw_all(PG_FUNCTION_ARGS)
{
	char	   *subject;
	char	   *reason;
	Snapshot	snapshot;
	TwpDirective *directives;
	int			n;
	int64		withdrawn = 0;
	StringInfoData detail;

	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "withdraw a consent");
	subject = read_subject(fcinfo);
	TWP_REQUIRE_ARG(1, "reason");
	reason = text_to_cstring(PG_GETARG_TEXT_PP(1));
	check_reason(reason);

	initStringInfo(&detail);
	twp_sql_connect();
	snapshot = RegisterSnapshot(twp_consent_snapshot());
	n = twp_store_directives(subject, snapshot, &directives);
	for (int i = 0; i < n; i++)
		if (!directives[i].withdrawn &&
			twp_rule_permits(twp_store_rule(directives[i].terms_id, snapshot)) &&
			insert_withdrawal(directives[i].consent_id, subject, reason))
			appendStringInfo(&detail, "%s" INT64_FORMAT, withdrawn++ == 0 ? "{\"consents\": [" : ", ",
							 directives[i].consent_id);
	UnregisterSnapshot(snapshot);
	if (withdrawn > 0)
	{
		appendStringInfoString(&detail, "]}");
		twp_event_emit("consent.withdraw", NULL, subject, detail.data);
	}
	twp_sql_finish();
	PG_RETURN_INT64(withdrawn);
}

/*
 * disclosures.c - the ledger as rows: disclosures, events, who and whom.
 *
 * An auditor reads everything of the database, anybody else what their own
 * login did.  Only an auditor may ask which subjects: to a user of a
 * pseudonymised use the answer would undo the pseudonyms.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "ledger/statement_fields.h"
#include "ledger/subjects_internal.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_ledger_disclosures);
PG_FUNCTION_INFO_V1(twp_ledger_events);
PG_FUNCTION_INFO_V1(twp_ledger_subjects_of);
PG_FUNCTION_INFO_V1(twp_ledger_disclosures_of);
PG_FUNCTION_INFO_V1(twp_ledger_subject_rows);

/* What a visit for rows needs. */
typedef struct RowSink
{
	ReturnSetInfo *rsinfo;
	const char *only_session_role;	/* NULL: everybody's */
	TwpSubject	wanted[3];		/* the subject asked for, as each kind its text may be */
	int			wanted_count;
	TimestampTz since;			/* older rows are left out */
	uint64		record_id;		/* whose subjects are being emitted */
} RowSink;

/* Names the login whose records the caller may see, or NULL for all. */
static const char *
visible_session_role(void)
{
	if (twp_role_has(GetUserId(), TWP_ROLES(TWP_ROLE_AUDITOR)))
		return NULL;
	return GetUserNameFromId(GetSessionUserId(), false);
}

/* True for what is no reading: a change of policy, or what the server went through. */
static bool
is_event(const TwpStatement *statement)
{
	return statement->begin->type == TWP_RECORD_EVENT || statement->begin->type == TWP_RECORD_GAP;
}

/* Emits a statement or refusal as a row. */
static bool
emit_disclosure(const TwpStatement *statement, void *arg)
{
	RowSink    *sink = arg;
	TwpStatementFields fields;
	Datum		values[TWP_DISCLOSURE_COLUMNS];
	bool		nulls[TWP_DISCLOSURE_COLUMNS];

	if (is_event(statement) || statement->begin->recorded_at < sink->since)
		return true;
	twp_statement_fields(statement, &fields);
	if (sink->only_session_role != NULL &&
		(fields.text[TWP_FIELD_SESSION_ROLE] == NULL ||
		 strcmp(fields.text[TWP_FIELD_SESSION_ROLE], sink->only_session_role) != 0))
		return true;
	twp_statement_row(statement, &fields, values, nulls);
	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, values, nulls);
	return true;
}

/* Gives every statement on protected data since a time that the caller may know of. */
Datum
twp_ledger_disclosures(PG_FUNCTION_ARGS)
{
	RowSink		sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};

	TWP_REQUIRE_ARG(0, "since");
	InitMaterializedSRF(fcinfo, 0);
	sink.since = PG_GETARG_TIMESTAMPTZ(0);
	sink.only_session_role = visible_session_role();
	twp_statements_visit_since(false, sink.since, emit_disclosure, &sink);
	return (Datum) 0;
}

/* Emits an event as a row. */
static bool
emit_event(const TwpStatement *statement, void *arg)
{
	static const TwpField columns[] = {
		TWP_FIELD_SESSION_ROLE, TWP_FIELD_ACTING_ROLE, TWP_FIELD_ACTOR, TWP_FIELD_KIND,
		TWP_FIELD_OBJECT, TWP_FIELD_SUBJECT, TWP_FIELD_DETAIL
	};
	RowSink    *sink = arg;
	TwpStatementFields fields;
	Datum		values[lengthof(columns) + 3];
	bool		nulls[lengthof(columns) + 3] = {0};

	if (!is_event(statement))
		return true;
	twp_statement_fields(statement, &fields);
	values[0] = Int64GetDatum((int64) statement->record_id);
	values[1] = TimestampTzGetDatum(statement->begin->recorded_at);
	for (int i = 0; i < lengthof(columns); i++)
	{
		const char *text = fields.text[columns[i]];

		nulls[i + 2] = text == NULL;
		values[i + 2] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
	}
	values[lengthof(columns) + 2] = CStringGetTextDatum(twp_outcome_name(fields.outcome));
	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, values, nulls);
	return true;
}

/* Gives every recorded change of policy, consent, keys and protection. */
Datum
twp_ledger_events(PG_FUNCTION_ARGS)
{
	RowSink		sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};

	InitMaterializedSRF(fcinfo, 0);
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "read the ledger's events");
	twp_statements_visit_since(false, PG_INT64_MIN, emit_event, &sink);
	return (Datum) 0;
}

/* Emits one subject's text. */
static bool
emit_subject(const TwpSubject *subject, void *arg)
{
	RowSink    *sink = arg;
	char	   *text = twp_subject_to_text(subject);
	Datum		value = CStringGetTextDatum(text);
	bool		isnull = false;

	CHECK_FOR_INTERRUPTS();
	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, &value, &isnull);
	pfree(DatumGetPointer(value));
	pfree(text);
	return true;
}

/* Emits a statement's subjects. */
static bool
emit_subjects(const TwpStatement *statement, void *arg)
{
	if (statement->packed != NULL &&
		!twp_ledger_subjects_walk(statement->packed, statement->packed_len, emit_subject, arg))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the subject set of record " INT64_FORMAT " is damaged", (int64) statement->record_id),
				 errhint("Call twin_privacy.verify_ledger().")));
	return true;
}

/* Gives the subjects a statement was told of. */
Datum
twp_ledger_subjects_of(PG_FUNCTION_ARGS)
{
	RowSink		sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	int64		record_id;

	TWP_REQUIRE_ARG(0, "record_id");
	record_id = PG_GETARG_INT64(0);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "read which subjects were disclosed");
	if (record_id <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("record_id must be positive"),
				 errhint("Take it from twin_privacy.disclosures.")));
	twp_statements_visit_one(record_id, emit_subjects, &sink);
	return (Datum) 0;
}

/* Emits a statement if the subject asked for is in its set. */
static bool
emit_if_subject(const TwpStatement *statement, void *arg)
{
	RowSink    *sink = arg;

	for (int i = 0; statement->packed != NULL && i < sink->wanted_count; i++)
		if (twp_subjects_contain(statement->packed, statement->packed_len, &sink->wanted[i]))
			return emit_disclosure(statement, arg);
	return true;
}

/* Reads a subject's text as every kind of key it can be. */
static void
want_subject(RowSink *sink, const char *text)
{
	static const TwpSubjectKind kinds[] = {TWP_SUBJECT_INT, TWP_SUBJECT_UUID, TWP_SUBJECT_TEXT};

	for (int i = 0; i < lengthof(kinds); i++)
		if (twp_subject_from_text(&sink->wanted[sink->wanted_count], kinds[i], text))
			sink->wanted_count++;
}

/* Gives the statements that were told of a subject. */
Datum
twp_ledger_disclosures_of(PG_FUNCTION_ARGS)
{
	RowSink		sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	char	   *subject;

	TWP_REQUIRE_ARG(0, "subject");
	InitMaterializedSRF(fcinfo, 0);
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "read what was disclosed about a subject");
	sink.since = PG_INT64_MIN;
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	want_subject(&sink, subject);
	twp_statements_visit_subjects(sink.wanted, sink.wanted_count, emit_if_subject, &sink);
	/* another spelling must not be told that nobody read anything; what was recorded when keys were of another kind is found */
	if (tuplestore_tuple_count(sink.rsinfo->setResult) == 0)
		twp_protect_check_subject_text(subject);
	return (Datum) 0;
}

/* Emits one subject beside the record it belongs to. */
static bool
emit_subject_row(const TwpSubject *subject, void *arg)
{
	RowSink    *sink = arg;
	Datum		values[2] = {Int64GetDatum((int64) sink->record_id), CStringGetTextDatum(twp_subject_to_text(subject))};
	bool		nulls[2] = {false, false};

	CHECK_FOR_INTERRUPTS();
	tuplestore_putvalues(sink->rsinfo->setResult, sink->rsinfo->setDesc, values, nulls);
	return true;
}

/* Emits the subjects of a statement that is recent enough. */
static bool
emit_subject_rows(const TwpStatement *statement, void *arg)
{
	RowSink    *sink = arg;

	sink->record_id = statement->record_id;
	if (statement->packed != NULL && statement->begin->recorded_at >= sink->since)
		(void) twp_ledger_subjects_walk(statement->packed, statement->packed_len, emit_subject_row, sink);
	return true;
}

/* Gives every pair of a record since a time and a subject it was told of. */
Datum
twp_ledger_subject_rows(PG_FUNCTION_ARGS)
{
	RowSink		sink = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};

	TWP_REQUIRE_ARG(0, "since");
	InitMaterializedSRF(fcinfo, 0);
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "read which subjects were disclosed");
	sink.since = PG_GETARG_TIMESTAMPTZ(0);
	twp_statements_visit_since(true, sink.since, emit_subject_rows, &sink);
	return (Datum) 0;
}

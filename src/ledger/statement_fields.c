/*
 * statement_fields.c - a statement's payloads decoded, and formed into a row.
 *
 * Memory: the current context.  Failure: malformed payloads give what could
 * be read; verify_ledger() says where they are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/statement_fields.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Where one statement read is to be kept. */
typedef struct ReadTarget
{
	TwpRecorded *recorded;
	MemoryContext context;
	bool		found;
} ReadTarget;

/* The contract's name of an outcome. */
const char *
twp_outcome_name(TwpOutcome outcome)
{
	static const char *const names[] = {
		[TWP_OUTCOME_OPEN] = "open",
		[TWP_OUTCOME_DONE] = "done",
		[TWP_OUTCOME_REFUSED] = "refused",
		[TWP_OUTCOME_ERROR] = "error",
		[TWP_OUTCOME_CANCELLED] = "cancelled",
		[TWP_OUTCOME_ABORTED] = "aborted",
		[TWP_OUTCOME_CRASHED] = "crashed",
	};

	return (unsigned) outcome < lengthof(names) ? names[outcome] : "unknown";
}

/* True for tags whose field is a number. */
static bool
is_number(int tag)
{
	switch (tag)
	{
		case TWP_FIELD_CONSENT_REVISION:
		case TWP_FIELD_POLICY_HASH:
		case TWP_FIELD_FINGERPRINT:
		case TWP_FIELD_PARENT:
		case TWP_FIELD_BREAK_GLASS:
		case TWP_FIELD_OUTCOME:
		case TWP_FIELD_ROWS:
		case TWP_FIELD_SUBJECT_COUNT:
		case TWP_FIELD_SUBJECTS_EXACT:
		case TWP_FIELD_SUBJECTS_STORED:
		case TWP_FIELD_SEQ:
			return true;
		default:
			return false;
	}
}

/* Decodes one record's payload. */
static void
decode(const TwpRecordHeader *record, TwpStatementFields *fields)
{
	const char *at = (const char *) (record + 1);
	const char *end = (const char *) record + record->length;
	const char *data;
	uint32		len;
	int			tag;

	while (twp_field_next(&at, end, &tag, &data, &len))
	{
		if (tag < 1 || tag > TWP_FIELD_MAX)
			continue;
		if (tag == TWP_FIELD_TABLE)
			fields->tables = lappend(fields->tables, pnstrdup(data, len));
		else if (tag == TWP_FIELD_CATEGORY)
			fields->categories = lappend(fields->categories, pnstrdup(data, len));
		else if (is_number(tag))
			fields->number[tag] = twp_field_number(data, len);
		else
			fields->text[tag] = pnstrdup(data, len);
	}
}

/* Decodes a statement. */
void
twp_statement_fields(const TwpStatement *statement, TwpStatementFields *fields)
{
	memset(fields, 0, sizeof(*fields));
	decode(statement->begin, fields);
	if (statement->completion != NULL)
		decode(statement->completion, fields);
	fields->outcome = statement->begin->type == TWP_RECORD_REFUSAL ? TWP_OUTCOME_REFUSED :
		statement->begin->type == TWP_RECORD_GAP ? TWP_OUTCOME_DONE :
		(TwpOutcome) fields->number[TWP_FIELD_OUTCOME];
}

/* Forms a text[] of a list of strings. */
static Datum
text_array(const List *strings)
{
	Datum	   *elements = palloc((list_length(strings) + 1) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, strings)
		elements[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Forms the row. */
void
twp_statement_row(const TwpStatement *statement, const TwpStatementFields *fields,
				  Datum *values, bool *nulls)
{
	static const TwpField texts[] = {
		TWP_FIELD_SESSION_ROLE, TWP_FIELD_ACTING_ROLE, TWP_FIELD_ACTOR, TWP_FIELD_USE_CODE,
		TWP_FIELD_PURPOSE, TWP_FIELD_RECIPIENT, TWP_FIELD_JUSTIFICATION
	};
	const uint64 *number = fields->number;
	bool		counted = fields->outcome != TWP_OUTCOME_OPEN && fields->outcome != TWP_OUTCOME_CRASHED;
	int			c = 0;

	memset(nulls, 0, TWP_DISCLOSURE_COLUMNS * sizeof(bool));
	values[c++] = Int64GetDatum((int64) statement->record_id);
	values[c++] = TimestampTzGetDatum(statement->begin->recorded_at);
	for (int i = 0; i < lengthof(texts); i++, c++)
	{
		nulls[c] = fields->text[texts[i]] == NULL;
		values[c] = nulls[c] ? (Datum) 0 : CStringGetTextDatum(fields->text[texts[i]]);
	}
	values[c++] = text_array(fields->tables);
	values[c++] = text_array(fields->categories);
	nulls[c] = fields->text[TWP_FIELD_FORM] == NULL;
	values[c] = nulls[c] ? (Datum) 0 : CStringGetTextDatum(fields->text[TWP_FIELD_FORM]);
	c++;
	/* What a crash cut off was never counted: NULL, not 0. */
	nulls[c] = nulls[c + 1] = nulls[c + 2] = !counted;
	values[c++] = Int64GetDatum((int64) number[TWP_FIELD_ROWS]);
	values[c++] = Int64GetDatum((int64) number[TWP_FIELD_SUBJECT_COUNT]);
	values[c++] = BoolGetDatum(number[TWP_FIELD_SUBJECTS_EXACT] != 0);
	values[c++] = Int64GetDatum((int64) number[TWP_FIELD_CONSENT_REVISION]);
	values[c++] = CStringGetTextDatum(psprintf("%016llx", (unsigned long long) number[TWP_FIELD_POLICY_HASH]));
	values[c++] = CStringGetTextDatum(psprintf("%016llx", (unsigned long long) number[TWP_FIELD_FINGERPRINT]));
	values[c++] = CStringGetTextDatum(twp_outcome_name(fields->outcome));
	nulls[c] = fields->text[TWP_FIELD_SQLSTATE] == NULL;
	values[c] = nulls[c] ? (Datum) 0 : CStringGetTextDatum(fields->text[TWP_FIELD_SQLSTATE]);
	c++;
	nulls[c] = number[TWP_FIELD_PARENT] == 0;
	values[c++] = Int64GetDatum((int64) number[TWP_FIELD_PARENT]);
	nulls[c] = number[TWP_FIELD_BREAK_GLASS] == 0;
	values[c++] = Int64GetDatum((int64) number[TWP_FIELD_BREAK_GLASS]);
	values[c++] = BoolGetDatum(number[TWP_FIELD_SUBJECTS_STORED] != 0);
	nulls[c] = statement->completion == NULL;
	values[c] = TimestampTzGetDatum(nulls[c] ? 0 : statement->completion->recorded_at);
	c++;
	nulls[c] = fields->text[TWP_FIELD_CLIENT] == NULL;
	values[c] = nulls[c] ? (Datum) 0 : CStringGetTextDatum(fields->text[TWP_FIELD_CLIENT]);
	c++;
	Assert(c == TWP_DISCLOSURE_COLUMNS);
}

/* Copies what was read where the caller keeps it. */
static bool
keep_statement(const TwpStatement *statement, void *arg)
{
	ReadTarget *target = arg;
	TwpRecorded *recorded = target->recorded;
	TwpStatementFields fields;
	MemoryContext old;

	if (statement->begin->type == TWP_RECORD_EVENT)
		return true;
	old = MemoryContextSwitchTo(target->context);
	twp_statement_fields(statement, &fields);
	recorded->intent.session_role = fields.text[TWP_FIELD_SESSION_ROLE];
	recorded->intent.acting_role = fields.text[TWP_FIELD_ACTING_ROLE];
	recorded->intent.actor = fields.text[TWP_FIELD_ACTOR];
	recorded->intent.use_code = fields.text[TWP_FIELD_USE_CODE];
	recorded->intent.purpose = fields.text[TWP_FIELD_PURPOSE];
	recorded->intent.recipient = fields.text[TWP_FIELD_RECIPIENT];
	recorded->intent.justification = fields.text[TWP_FIELD_JUSTIFICATION];
	recorded->intent.form = fields.text[TWP_FIELD_FORM];
	recorded->intent.tables = fields.tables;
	recorded->intent.categories = fields.categories;
	recorded->intent.consent_revision = fields.number[TWP_FIELD_CONSENT_REVISION];
	recorded->intent.policy_hash = fields.number[TWP_FIELD_POLICY_HASH];
	recorded->intent.query_fingerprint = fields.number[TWP_FIELD_FINGERPRINT];
	recorded->intent.parent = fields.number[TWP_FIELD_PARENT];
	recorded->intent.break_glass = fields.number[TWP_FIELD_BREAK_GLASS];
	recorded->recorded_at = statement->begin->recorded_at;
	recorded->outcome = fields.outcome;
	recorded->subject_count = fields.number[TWP_FIELD_SUBJECT_COUNT];
	recorded->subjects_len = statement->packed_len;
	if (statement->packed != NULL)
	{
		recorded->subjects = palloc(statement->packed_len + 1);
		memcpy(recorded->subjects, statement->packed, statement->packed_len);
	}
	target->found = true;
	MemoryContextSwitchTo(old);
	return false;
}

/* Reads a statement or refusal of the current database. */
bool
twp_ledger_read(uint64 record_id, TwpRecorded *recorded)
{
	ReadTarget	target = {.recorded = recorded, .context = CurrentMemoryContext};

	memset(recorded, 0, sizeof(*recorded));
	twp_statements_visit_one(record_id, keep_statement, &target);
	return target.found;
}

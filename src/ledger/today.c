/*
 * today.c - whom a use was told of since a moment: what a daily limit counts.
 *
 * Reads the chain from that moment on.  Failure: raises the scan's errors, so
 * that a limit which cannot be counted lets nothing through.
 */
#include "postgres.h"

#include "ledger/statement_fields.h"

typedef struct Telling
{
	const char *use_code;
	TimestampTz since;
	TwpSubjectSet *told;
} Telling;

/* Adds the subjects of one statement under the use. */
static bool
add_statement(const TwpStatement *statement, void *arg)
{
	Telling    *telling = arg;
	TwpStatementFields fields;

	if (statement->packed == NULL || statement->begin->recorded_at < telling->since)
		return true;
	twp_statement_fields(statement, &fields);
	if (fields.text[TWP_FIELD_USE_CODE] != NULL &&
		strcmp(fields.text[TWP_FIELD_USE_CODE], telling->use_code) == 0)
		twp_ledger_subjects_merge(telling->told, statement->packed, (uint32) statement->packed_len);
	return true;
}

/* Adds everybody whom statements under the use told of since a time. */
void
twp_ledger_told_since(const char *use_code, TimestampTz since, TwpSubjectSet *told)
{
	Telling		telling = {use_code, since, told};

	twp_statements_visit_since(true, since, add_statement, &telling);
}

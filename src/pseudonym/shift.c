/*
 * shift.c - shift_date(): one secret offset a patient and domain.
 *
 * A null subject is an error, not a value left as it is: a date that silently
 * kept its place would be the real one.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_pseudonym_shift_date);

/* Raises 42804 unless the type can be a subject's key; asked once a call site, it looks in a catalog. */
static void
check_subject_type(TwpDomainCall *call)
{
	if (call->subject_fits)
		return;
	if (call->value_type != UNKNOWNOID && twp_subject_kind(call->value_type) == TWP_SUBJECT_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a value of this type cannot be a data subject's key"),
				 errhint("Use smallint, integer, bigint, uuid, text or varchar.")));
	call->subject_fits = true;
}

/* Reads the subject, which as an untyped literal is text. */
static void
read_subject(TwpSubject *subject, Oid type, Datum value)
{
	if (type == UNKNOWNOID)
	{
		subject->kind = TWP_SUBJECT_TEXT;
		subject->key.text.data = DatumGetCString(value);
		subject->key.text.len = strlen(subject->key.text.data);
		return;
	}
	twp_subject_from_datum(subject, type, value);
}

/* shift_date(domain text, subject "any", value date | timestamp | timestamptz): the value's type */
Datum
twp_pseudonym_shift_date(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call = twp_pseudonym_call_domain(fcinfo, "pseudonym.shift", false);
	TwpSubject	subject;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);

	TWP_REQUIRE_ARG(1, "subject");
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	check_subject_type(call);
	read_subject(&subject, call->value_type, PG_GETARG_DATUM(1));
	return twp_pseudonym_shift(call->domain, &subject, type, PG_GETARG_DATUM(2));
}

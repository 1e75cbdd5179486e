/*
 * type.c - the type pseudonym: text, binary, typmod; and pseudonymize().
 *
 * The typmod is the domain's number, which follows from its name alone: a
 * table can be restored before the domains are, and no look-up tells whether a
 * domain exists.  Error messages never repeat the input: a mistyped pseudonym
 * may be somebody's name.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_pseudonym_in);
PG_FUNCTION_INFO_V1(twp_pseudonym_out);
PG_FUNCTION_INFO_V1(twp_pseudonym_recv);
PG_FUNCTION_INFO_V1(twp_pseudonym_send);
PG_FUNCTION_INFO_V1(twp_pseudonym_typmod_in);
PG_FUNCTION_INFO_V1(twp_pseudonym_typmod_out);
PG_FUNCTION_INFO_V1(twp_pseudonym_enforce_typmod);
PG_FUNCTION_INFO_V1(twp_pseudonym_pseudonymize);
PG_FUNCTION_INFO_V1(twp_pseudonym_pseudonyms);

/*
 * Checks that the value is of the domain the typmod names.  Raises 42804, or
 * (16 and later) notes it in the context of a soft input error and returns false.
 */
static bool
check_typmod(const TwpPseudonym *value, int32 typmod, Node *context)
{
	if (typmod < 0 || twp_pseudonym_domain_of(value) == typmod)
		return true;
	ereturn(context, false,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("pseudonym belongs to another domain than the column"),
			 errhint("Pseudonyms of one domain cannot be stored as those of another.")));
}

/* pseudonym_in(cstring, oid, int4) -> pseudonym */
Datum
twp_pseudonym_in(PG_FUNCTION_ARGS)
{
	TwpPseudonym *value = palloc(sizeof(TwpPseudonym));

	if (!twp_pseudonym_parse(PG_GETARG_CSTRING(0), value))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type pseudonym"),
				 errhint("A pseudonym has %d characters, the last of which checks the others.",
						 TWP_PSEUDONYM_TEXT_LEN)));
	if (!check_typmod(value, PG_GETARG_INT32(2), fcinfo->context))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(value);
}

/* pseudonym_out(pseudonym) -> cstring */
Datum
twp_pseudonym_out(PG_FUNCTION_ARGS)
{
	char	   *text = palloc(TWP_PSEUDONYM_TEXT_LEN + 1);

	twp_pseudonym_format(PG_GETARG_PSEUDONYM_P(0), text);
	PG_RETURN_CSTRING(text);
}

/* pseudonym_recv(internal, oid, int4) -> pseudonym */
Datum
twp_pseudonym_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	TwpPseudonym *value = palloc(sizeof(TwpPseudonym));

	memcpy(value, pq_getmsgbytes(buf, sizeof(TwpPseudonym)), sizeof(TwpPseudonym));
	if (!twp_pseudonym_valid(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type pseudonym"),
				 errhint("It is 16 bytes of MAC, 4 of domain and 2 of key version, as pseudonym's send function writes it.")));
	check_typmod(value, PG_GETARG_INT32(2), NULL);
	PG_RETURN_POINTER(value);
}

/* pseudonym_send(pseudonym) -> bytea */
Datum
twp_pseudonym_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (char *) PG_GETARG_PSEUDONYM_P(0), sizeof(TwpPseudonym));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* pseudonym_typmod_in(cstring[]) -> int4: a domain's name, or "#number" as typmod_out may write it. */
Datum
twp_pseudonym_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	int			n;
	const char *name;
	int32		domain_id;

	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements, NULL, &n);
	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type pseudonym takes one domain"),
				 errhint("Write pseudonym('DOMAIN').")));
	name = DatumGetCString(elements[0]);
	if (name[0] != '#')
		PG_RETURN_INT32(twp_keys_domain_id(name));
	domain_id = pg_strtoint32(name + 1);
	if (domain_id <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid pseudonym domain number"),
				 errhint("Write pseudonym('DOMAIN').")));
	PG_RETURN_INT32(domain_id);
}

/* pseudonym_typmod_out(int4) -> cstring: the name, or "#number" where the domain is not known. */
Datum
twp_pseudonym_typmod_out(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);
	char	   *name = twp_keys_domain_name(typmod);

	if (name == NULL)
		name = psprintf("#%d", typmod);
	PG_RETURN_CSTRING(psprintf("(%s)", quote_literal_cstr(name)));
}

/* pseudonym(pseudonym, int4, boolean) -> pseudonym: the cast to a column's domain. */
Datum
twp_pseudonym_enforce_typmod(PG_FUNCTION_ARGS)
{
	check_typmod(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_INT32(1), NULL);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * pseudonymize(domain text, value anyelement) -> pseudonym
 *
 * A null domain is an error: without one the result would be weaker than
 * asked.  A null value has no pseudonym.
 */
Datum
twp_pseudonym_pseudonymize(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call = twp_pseudonym_call_domain(fcinfo, "pseudonym.compute", false);
	TwpCanonical canonical;
	TwpPseudonym *value;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	twp_pseudonym_canonical(call->value_type, PG_GETARG_DATUM(1), &canonical);
	value = palloc(sizeof(TwpPseudonym));
	twp_pseudonym_compute(call->domain, &canonical, value);
	PG_RETURN_POINTER(value);
}

/*
 * pseudonyms(domain text, value anyelement) -> pseudonym[]
 *
 * One for each live key version, newest first: after a rotation a stored value
 * is found with = ANY (...), and no table has to be rewritten.
 */
Datum
twp_pseudonym_pseudonyms(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call = twp_pseudonym_call_domain(fcinfo, "pseudonym.compute", false);
	Oid			element = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
	TwpCanonical canonical;
	int16	   *versions;
	int			n;
	Datum	   *values;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	twp_pseudonym_canonical(call->value_type, PG_GETARG_DATUM(1), &canonical);
	n = twp_keys_versions(call->name, &versions);
	values = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		TwpPseudonym *value = palloc(sizeof(TwpPseudonym));

		twp_pseudonym_compute(twp_pseudonym_open_version(call->name, versions[i], CurrentMemoryContext),
							  &canonical, value);
		values[i] = PointerGetDatum(value);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, element, sizeof(TwpPseudonym), false, TYPALIGN_CHAR));
}

/* Starts the room. */
void
twp_pseudonym_init(void)
{
	twp_pseudonym_linkage_init();
	twp_pseudonym_salt_init();
	twp_pseudonym_unseal_init();
}

/*
 * sealed.c - the type sealed: reversible, deterministic, authenticated.
 *
 * seal() asks for the domain's permission, unseal() for permission to
 * re-identify, and every unseal() is recorded before its text is returned.
 * More than twin_privacy.unseal_limit values a login and day take a second person:
 * see unseal.c.  A value that was altered, or belongs to a key that is gone, is
 * an error; no message says more than that.
 *
 * Stored like bytea, so bytea's comparison, hash and send functions serve it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "libpq/pqformat.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "vocab/vocab.h"

PG_FUNCTION_INFO_V1(twp_sealed_in);
PG_FUNCTION_INFO_V1(twp_sealed_out);
PG_FUNCTION_INFO_V1(twp_sealed_recv);
PG_FUNCTION_INFO_V1(twp_sealed_seal);
PG_FUNCTION_INFO_V1(twp_sealed_unseal);

/* sealed_in(cstring) -> sealed */
Datum
twp_sealed_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	size_t		len = strlen(text);
	bytea	   *value = palloc(VARHDRSZ + len / 2 + 1);

	SET_VARSIZE(value, VARHDRSZ + len / 2);
	if (!twp_sealed_parse(text, len, (uint8 *) VARDATA(value)))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type sealed"),
				 errhint("A sealed value is written as at least %d hexadecimal digits.", 2 * TWP_SEALED_MIN_LEN)));
	PG_RETURN_BYTEA_P(value);
}

/* sealed_out(sealed) -> cstring */
Datum
twp_sealed_out(PG_FUNCTION_ARGS)
{
	bytea	   *value = PG_GETARG_BYTEA_PP(0);
	size_t		len = VARSIZE_ANY_EXHDR(value);
	char	   *text = palloc(2 * len + 1);

	text[hex_encode(VARDATA_ANY(value), len, text)] = '\0';
	PG_RETURN_CSTRING(text);
}

/* sealed_recv(internal) -> sealed */
Datum
twp_sealed_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	bytea	   *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	pq_copymsgbytes(buf, VARDATA(value), len);
	if (!twp_sealed_valid((uint8 *) VARDATA(value), len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type sealed"),
				 errhint("It is a header of %d bytes, a tag of %d and the cipher text.",
						 TWP_SEALED_HEADER_LEN, TWP_SIV_TAG_LEN)));
	PG_RETURN_BYTEA_P(value);
}

/*
 * seal(domain text, value text, category text DEFAULT NULL) -> sealed
 *
 * The header (domain, version, category) is associated data: a value moved
 * under another header no longer opens.
 */
Datum
twp_sealed_seal(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call = twp_pseudonym_call_domain(fcinfo, "sealed.seal", false);
	TwpDataKey *key = call->domain->key;
	int			category = TWP_SEALED_NO_CATEGORY;
	text	   *plain;
	size_t		len;
	bytea	   *value;
	uint8	   *bytes;
	TwpBytes	ad;

	if (!PG_ARGISNULL(2))
		category = twp_vocab_require_category(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	plain = PG_GETARG_TEXT_PP(1);
	len = VARSIZE_ANY_EXHDR(plain);
	value = palloc(VARHDRSZ + TWP_SEALED_MIN_LEN + len);
	SET_VARSIZE(value, VARHDRSZ + TWP_SEALED_MIN_LEN + len);
	bytes = (uint8 *) VARDATA(value);
	twp_sealed_set_header(bytes, key->domain_id, key->version, category);
	ad.data = bytes;
	ad.len = TWP_SEALED_HEADER_LEN;
	twp_crypto_siv_seal(twp_pseudonym_siv(call->domain), &ad, 1,
						(const uint8 *) VARDATA_ANY(plain), len, bytes + TWP_SEALED_HEADER_LEN);
	PG_RETURN_BYTEA_P(value);
}

/*
 * Records an opening.  A sealed value is named by the start of its tag: who
 * holds the value can find its openings, who does not learns nothing.
 */
void
twp_pseudonym_record_opening(const char *event, const char *domain, const uint8 *bytes)
{
	char		detail[64];
	char		tag[17];

	if (bytes == NULL)
	{
		twp_event_emit(event, domain, NULL, NULL);
		return;
	}
	tag[hex_encode((const char *) bytes + TWP_SEALED_HEADER_LEN, 8, tag)] = '\0';
	snprintf(detail, sizeof(detail), "{\"sealed\": \"%s\"}", tag);
	twp_event_emit(event, domain, NULL, detail);
}

/* Raises 22000: the value does not belong to any key, or not to the one it names. */
static void
altered(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("sealed value was altered"),
			 errhint("It does not open under the key, domain and category it names.")));
}

/* Opens the domain a sealed value names; to who may not, an unknown one looks like a foreign one. */
static void
open_domain_of(TwpDomainCall *call, const uint8 *bytes)
{
	const char *name;

	if (call->domain != NULL && call->domain->key->domain_id == twp_sealed_domain_of(bytes))
		name = call->name;
	else
		name = twp_keys_domain_name(twp_sealed_domain_of(bytes));
	if (name == NULL)
	{
		twp_keys_require_permission("#", true);
		altered();
	}
	twp_pseudonym_call_open(call, name, strlen(name), twp_sealed_version_of(bytes), true);
}

/* unseal(sealed) -> text */
Datum
twp_sealed_unseal(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call;
	bytea	   *value;
	const uint8 *bytes;
	size_t		len;
	text	   *plain;
	TwpBytes	ad;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	call = twp_pseudonym_call_state(fcinfo);
	value = PG_GETARG_BYTEA_PP(0);
	bytes = (const uint8 *) VARDATA_ANY(value);
	len = VARSIZE_ANY_EXHDR(value);
	open_domain_of(call, bytes);
	twp_pseudonym_unseal_charge(call->name);
	twp_pseudonym_record_opening("sealed.open", call->name, bytes);

	ad.data = bytes;
	ad.len = TWP_SEALED_HEADER_LEN;
	plain = palloc(VARHDRSZ + len - TWP_SEALED_MIN_LEN);
	SET_VARSIZE(plain, VARHDRSZ + len - TWP_SEALED_MIN_LEN);
	if (!twp_crypto_siv_open(twp_pseudonym_siv(call->domain), &ad, 1, bytes + TWP_SEALED_HEADER_LEN,
							 len - TWP_SEALED_HEADER_LEN, (uint8 *) VARDATA(plain)))
		altered();
	PG_RETURN_TEXT_P(plain);
}

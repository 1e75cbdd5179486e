/*
 * canonical.c - the bytes that are hashed for a value.
 *
 *   smallint, integer, bigint   'i', 8 bytes, network order: equal numbers agree
 *   text, varchar, char, name   't', UTF-8 in NFC; char without its trailing blanks
 *   uuid                        'u', 16 bytes
 *   date                        'd', days since 2000-01-01, 4 bytes, network order
 *   bytea                       'b', the bytes
 *
 * The tag keeps kinds apart: 17 and '17' differ.  A domain over one of these
 * counts as its base type.  doc/pseudonyms.md promises this layout; changing
 * it changes every pseudonym.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/uuid.h"

/* True when the (base) type has a canonical form. */
bool
twp_pseudonym_can_canonical(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
		case DATEOID:
		case BYTEAOID:
			return true;
		default:
			return false;
	}
}

/* Sets a number's canonical form. */
static void
set_number(TwpCanonical *canonical, int64 number)
{
	uint64		n = pg_hton64((uint64) number);

	canonical->tag = 'i';
	memcpy(canonical->small, &n, sizeof(n));
	canonical->data = canonical->small;
	canonical->len = sizeof(n);
}

/* True when the text has no byte above 127, and so is in NFC whatever the encoding. */
static bool
is_ascii(const char *text, size_t len)
{
	unsigned char seen = 0;

	for (size_t i = 0; i < len; i++)
		seen |= (unsigned char) text[i];
	return (seen & 0x80) == 0;
}

/* Brings text that is not all ASCII into NFC; *len becomes the new length. */
static char *
normalize(const char *text, size_t *len)
{
	char	   *utf8 = pg_server_to_any(text, (int) *len, PG_UTF8);
	size_t		utf8_len = utf8 == text ? *len : strlen(utf8);
	pg_wchar   *points = palloc((utf8_len + 1) * sizeof(pg_wchar));
	const unsigned char *in = (const unsigned char *) utf8;
	const unsigned char *end = in + utf8_len;
	pg_wchar   *nfc;
	char	   *out;
	int			n = 0;

	while (in < end)
	{
		points[n++] = utf8_to_unicode(in);
		in += pg_utf_mblen(in);
	}
	points[n] = 0;
	nfc = unicode_is_normalized_quickcheck(UNICODE_NFC, points) == UNICODE_NORM_QC_YES ?
		points : unicode_normalize(UNICODE_NFC, points);

	for (n = 0; nfc[n] != 0; n++)
		;
	out = palloc(4 * n + 1);
	*len = 0;
	for (int i = 0; i < n; i++)
	{
		unicode_to_utf8(nfc[i], (unsigned char *) out + *len);
		*len += pg_utf_mblen((unsigned char *) out + *len);
	}
	return out;
}

/* Sets a text's canonical form. */
static void
set_text(TwpCanonical *canonical, const char *text, size_t len)
{
	if (!is_ascii(text, len))
		text = normalize(text, &len);
	canonical->tag = 't';
	canonical->data = (const uint8 *) text;
	canonical->len = len;
}

/* Sets the form of a text type; char loses the blanks its comparison ignores. */
static void
set_varlena_text(TwpCanonical *canonical, Datum value, bool trim)
{
	text	   *t = DatumGetTextPP(value);
	const char *data = VARDATA_ANY(t);
	size_t		len = VARSIZE_ANY_EXHDR(t);

	while (trim && len > 0 && data[len - 1] == ' ')
		len--;
	set_text(canonical, data, len);
}

/* Finds the canonical form of a value of a base type; it may point into the value. */
void
twp_pseudonym_canonical(Oid type, Datum value, TwpCanonical *canonical)
{
	switch (type)
	{
		case INT2OID:
			set_number(canonical, DatumGetInt16(value));
			break;
		case INT4OID:
			set_number(canonical, DatumGetInt32(value));
			break;
		case INT8OID:
			set_number(canonical, DatumGetInt64(value));
			break;
		case TEXTOID:
		case VARCHAROID:
			set_varlena_text(canonical, value, false);
			break;
		case BPCHAROID:
			set_varlena_text(canonical, value, true);
			break;
		case NAMEOID:
			set_text(canonical, NameStr(*DatumGetName(value)), strlen(NameStr(*DatumGetName(value))));
			break;
		case UUIDOID:
			canonical->tag = 'u';
			canonical->data = DatumGetUUIDP(value)->data;
			canonical->len = UUID_LEN;
			break;
		case DATEOID:
			{
				uint32		days = pg_hton32((uint32) DatumGetDateADT(value));

				canonical->tag = 'd';
				memcpy(canonical->small, &days, sizeof(days));
				canonical->data = canonical->small;
				canonical->len = sizeof(days);
				break;
			}
		case BYTEAOID:
			{
				bytea	   *bytes = DatumGetByteaPP(value);

				canonical->tag = 'b';
				canonical->data = (const uint8 *) VARDATA_ANY(bytes);
				canonical->len = VARSIZE_ANY_EXHDR(bytes);
				break;
			}
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a value of this type has no pseudonym"),
					 errhint("Use smallint, integer, bigint, text, varchar, char, name, uuid, date or bytea.")));
	}
}

/* Finds the canonical form of a data subject's key: the same as of its value in a column. */
void
twp_pseudonym_canonical_subject(const TwpSubject *subject, TwpCanonical *canonical)
{
	switch (subject->kind)
	{
		case TWP_SUBJECT_INT:
			set_number(canonical, subject->key.number);
			break;
		case TWP_SUBJECT_UUID:
			canonical->tag = 'u';
			canonical->data = subject->key.uuid;
			canonical->len = UUID_LEN;
			break;
		case TWP_SUBJECT_TEXT:
			set_text(canonical, subject->key.text.data, subject->key.text.len);
			break;
		default:
			elog(ERROR, "not a data subject's key");
	}
}

/*
 * subject.c - the key of a data subject, in one canonical form.
 *
 * Pure functions: no catalog access but for domains' base types, no state.
 * Text subjects point into their source; whoever keeps one copies it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/subject.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

/* Says which kind of key a column type holds. */
TwpSubjectKind
twp_subject_kind(Oid type)
{
	/* a table that is asked about without a lock may be dropped meanwhile */
	switch (OidIsValid(type) ? getBaseType(type) : InvalidOid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return TWP_SUBJECT_INT;
		case UUIDOID:
			return TWP_SUBJECT_UUID;
		case TEXTOID:
		case VARCHAROID:
			return TWP_SUBJECT_TEXT;
		default:
			return TWP_SUBJECT_INVALID;
	}
}

/* Reads a subject from a column value; raises 42804 for a type that can be no key. */
void
twp_subject_from_datum(TwpSubject *subject, Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			subject->kind = TWP_SUBJECT_INT;
			subject->key.number = DatumGetInt16(value);
			break;
		case INT4OID:
			subject->kind = TWP_SUBJECT_INT;
			subject->key.number = DatumGetInt32(value);
			break;
		case INT8OID:
			subject->kind = TWP_SUBJECT_INT;
			subject->key.number = DatumGetInt64(value);
			break;
		case UUIDOID:
			subject->kind = TWP_SUBJECT_UUID;
			memcpy(subject->key.uuid, DatumGetUUIDP(value)->data, UUID_LEN);
			break;
		case TEXTOID:
		case VARCHAROID:
			{
				struct varlena *text = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));

				subject->kind = TWP_SUBJECT_TEXT;
				subject->key.text.data = VARDATA_ANY(text);
				subject->key.text.len = VARSIZE_ANY_EXHDR(text);
				break;
			}
		default:
			if (get_typtype(type) == TYPTYPE_DOMAIN)
			{
				twp_subject_from_datum(subject, getBaseType(type), value);
				break;
			}
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a value of this type cannot be a data subject's key"),
					 errhint("Use smallint, integer, bigint, uuid, text or varchar.")));
	}
}

/* Parses decimal digits with optional sign and leading zeros into *number. */
static bool
parse_integer(const char *text, int64 *number)
{
	const char *digits = text;
	uint64		magnitude = 0;
	bool		negative = false;
	uint64		limit;

	if (*digits == '-' || *digits == '+')
		negative = (*digits++ == '-');
	if (*digits == '\0')
		return false;
	limit = negative ? (uint64) PG_INT64_MAX + 1 : (uint64) PG_INT64_MAX;
	for (; *digits != '\0'; digits++)
	{
		unsigned	digit = (unsigned) (*digits - '0');

		if (digit > 9 || magnitude > (limit - digit) / 10)
			return false;
		magnitude = magnitude * 10 + digit;
	}
	*number = negative ? (int64) (0 - magnitude) : (int64) magnitude;
	return true;
}

/* Parses 32 hexadecimal digits, any case, with dashes and braces allowed. */
static bool
parse_uuid(const char *text, unsigned char *uuid)
{
	size_t		len = strlen(text);
	int			nibbles = 0;

	if (len > 2 && text[0] == '{' && text[len - 1] == '}')
	{
		text++;
		len -= 2;
	}
	memset(uuid, 0, UUID_LEN);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];
		int			value;

		if (c == '-' && nibbles > 0 && nibbles % 4 == 0 && text[i - 1] != '-')
			continue;
		if (c >= '0' && c <= '9')
			value = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = (c | 0x20) - 'a' + 10;
		else
			return false;
		if (nibbles >= 2 * UUID_LEN)
			return false;
		uuid[nibbles / 2] |= (unsigned char) (value << (nibbles % 2 == 0 ? 4 : 0));
		nibbles++;
	}
	return nibbles == 2 * UUID_LEN;
}

/* Reads any spelling of a key of the kind; the caller compares spellings. */
static bool
parse_any_spelling(TwpSubject *subject, TwpSubjectKind kind, const char *text)
{
	subject->kind = kind;
	switch (kind)
	{
		case TWP_SUBJECT_INT:
			return parse_integer(text, &subject->key.number);
		case TWP_SUBJECT_UUID:
			return parse_uuid(text, subject->key.uuid);
		case TWP_SUBJECT_TEXT:
			subject->key.text.data = text;
			subject->key.text.len = (int) strlen(text);
			return true;
		default:
			return false;
	}
}

/* Parses canonical text; any other spelling is no key. */
bool
twp_subject_from_text(TwpSubject *subject, TwpSubjectKind kind, const char *text)
{
	char	   *canonical;
	bool		same;

	if (!parse_any_spelling(subject, kind, text))
		return false;
	if (kind == TWP_SUBJECT_TEXT)
		return true;
	canonical = twp_subject_to_text(subject);
	same = strcmp(canonical, text) == 0;
	pfree(canonical);
	return same;
}

/* Names the canonical form of a key that was spelt another way, perhaps with blanks around it. */
char *
twp_subject_canonical(TwpSubjectKind kind, const char *text)
{
	static const char blanks[] = " \t\n\r\f\v";
	TwpSubject	subject;
	char	   *bare = pstrdup(text + strspn(text, blanks));
	size_t		len = strlen(bare);
	char	   *canonical;

	while (len > 0 && strchr(blanks, bare[len - 1]) != NULL)
		bare[--len] = '\0';
	if (!parse_any_spelling(&subject, kind, bare))
		return NULL;
	canonical = twp_subject_to_text(&subject);
	return strcmp(canonical, text) == 0 ? NULL : canonical;
}

/* Prints the canonical text. */
char *
twp_subject_to_text(const TwpSubject *subject)
{
	switch (subject->kind)
	{
		case TWP_SUBJECT_INT:
			return psprintf(INT64_FORMAT, subject->key.number);
		case TWP_SUBJECT_UUID:
			{
				const unsigned char *u = subject->key.uuid;

				return psprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
								u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
								u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
			}
		case TWP_SUBJECT_TEXT:
			return pnstrdup(subject->key.text.data, subject->key.text.len);
		default:
			elog(ERROR, "invalid data subject kind %d", (int) subject->kind);
	}
}

/* True when both are the same subject. */
bool
twp_subject_equal(const TwpSubject *a, const TwpSubject *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case TWP_SUBJECT_INT:
			return a->key.number == b->key.number;
		case TWP_SUBJECT_UUID:
			return memcmp(a->key.uuid, b->key.uuid, UUID_LEN) == 0;
		case TWP_SUBJECT_TEXT:
			return a->key.text.len == b->key.text.len &&
				memcmp(a->key.text.data, b->key.text.data, a->key.text.len) == 0;
		default:
			return false;
	}
}

/* Hashes a subject for in-memory tables. */
uint32
twp_subject_hash(const TwpSubject *subject)
{
	switch (subject->kind)
	{
		case TWP_SUBJECT_INT:
			return murmurhash32((uint32) subject->key.number ^
								(uint32) ((uint64) subject->key.number >> 32) * 0x9E3779B1u);
		case TWP_SUBJECT_UUID:
			return hash_bytes(subject->key.uuid, UUID_LEN);
		case TWP_SUBJECT_TEXT:
			return hash_bytes((const unsigned char *) subject->key.text.data, subject->key.text.len);
		default:
			return 0;
	}
}

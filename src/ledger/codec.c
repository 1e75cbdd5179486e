/*
 * codec.c - payloads as tagged fields: tag, length, bytes.
 *
 * Unknown tags are skipped by readers, so fields may be added.  Numbers are
 * little-endian base-128.  Reading checks every bound: the bytes come from
 * files somebody may have edited.
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"

/* Appends an unsigned number in base 128. */
static void
put_varint(StringInfo buf, uint64 value)
{
	while (value >= 0x80)
	{
		appendStringInfoCharMacro(buf, (char) (value | 0x80));
		value >>= 7;
	}
	appendStringInfoCharMacro(buf, (char) value);
}

/* Reads an unsigned number in base 128; false at the end or when overlong. */
static bool
get_varint(const char **cursor, const char *end, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && *cursor < end; shift += 7)
	{
		uint8		byte = (uint8) *(*cursor)++;

		*value |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

/* Appends one field. */
void
twp_field_put(StringInfo buf, TwpField tag, const void *data, size_t len)
{
	appendStringInfoCharMacro(buf, (char) tag);
	put_varint(buf, len);
	appendBinaryStringInfo(buf, data, (int) len);
}

/* Appends a text field unless it is NULL. */
void
twp_field_put_text(StringInfo buf, TwpField tag, const char *text)
{
	if (text != NULL)
		twp_field_put(buf, tag, text, strlen(text));
}

/* Appends a number field unless it is 0. */
void
twp_field_put_number(StringInfo buf, TwpField tag, uint64 value)
{
	char		bytes[sizeof(uint64)];
	int			len = 0;

	for (; value != 0; value >>= 8)
		bytes[len++] = (char) value;
	if (len > 0)
		twp_field_put(buf, tag, bytes, len);
}

/* Reads the next field; false at the end or where the payload is malformed. */
bool
twp_field_next(const char **cursor, const char *end, int *tag, const char **data, uint32 *len)
{
	uint64		length;

	if (*cursor >= end)
		return false;
	*tag = (uint8) *(*cursor)++;
	if (!get_varint(cursor, end, &length) || length > (uint64) (end - *cursor))
		return false;
	*data = *cursor;
	*len = (uint32) length;
	*cursor += length;
	return true;
}

/* Reads a number field. */
uint64
twp_field_number(const char *data, uint32 len)
{
	uint64		value = 0;

	for (uint32 i = 0; i < len && i < sizeof(uint64); i++)
		value |= (uint64) (uint8) data[i] << (8 * i);
	return value;
}

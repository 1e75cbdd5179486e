/*
 * sealed_value.c - a sealed value's header and its text form, hexadecimal digits.
 *
 * Pure functions: no memory, no errors, so that they can be fuzzed bare.
 */
#include "postgres.h"

#include "pseudonym/pseudonym_internal.h"

/* Writes the header, which is also the associated data of the encryption. */
void
twp_sealed_set_header(uint8 *bytes, int32 domain_id, int version, int category)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8) ((uint32) domain_id >> (24 - 8 * i));
	bytes[4] = (uint8) (version >> 8);
	bytes[5] = (uint8) version;
	bytes[6] = (uint8) category;
}

/* Reads the domain's number. */
int32
twp_sealed_domain_of(const uint8 *bytes)
{
	return (int32) ((uint32) bytes[0] << 24 | (uint32) bytes[1] << 16 |
					(uint32) bytes[2] << 8 | (uint32) bytes[3]);
}

/* Reads the key version. */
int
twp_sealed_version_of(const uint8 *bytes)
{
	return bytes[4] << 8 | bytes[5];
}

/* True when the bytes can be a sealed value; only its key tells whether they are one. */
bool
twp_sealed_valid(const uint8 *bytes, size_t len)
{
	return len >= TWP_SEALED_MIN_LEN && twp_sealed_domain_of(bytes) > 0 &&
		twp_sealed_version_of(bytes) > 0 && twp_sealed_version_of(bytes) <= PG_INT16_MAX;
}

/* Value of a hexadecimal digit, or -1. */
static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Parses the text form; false when it cannot be a sealed value. */
bool
twp_sealed_parse(const char *text, size_t len, uint8 *bytes)
{
	if (len % 2 != 0)
		return false;
	for (size_t i = 0; i < len / 2; i++)
	{
		int			high = digit_value(text[2 * i]);
		int			low = digit_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8) (high << 4 | low);
	}
	return twp_sealed_valid(bytes, len / 2);
}

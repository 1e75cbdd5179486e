/*
 * value.c - a pseudonym's parts and its text form.
 *
 * Text form: domain, version and MAC in Crockford's base 32 (no I, L, O, U),
 * then one check character: the number modulo 37.  Because 32 generates a
 * group of order 36 modulo 37, the check finds every single wrong character
 * and every exchange of two characters, wherever they stand.  Input takes lower
 * case, reads I and L as 1 and O as 0, and skips hyphens.
 *
 * Pure functions: no memory, no errors, so that they can be fuzzed bare.
 */
#include "postgres.h"

#include "pseudonym/pseudonym_internal.h"

#define DIGITS (TWP_PSEUDONYM_TEXT_LEN - 1)

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

/* Reads the domain's number. */
int32
twp_pseudonym_domain_of(const TwpPseudonym *value)
{
	return (int32) ((uint32) value->domain[0] << 24 | (uint32) value->domain[1] << 16 |
					(uint32) value->domain[2] << 8 | (uint32) value->domain[3]);
}

/* Reads the key version. */
int
twp_pseudonym_version_of(const TwpPseudonym *value)
{
	return value->version[0] << 8 | value->version[1];
}

/* Stores which key the value was made with. */
void
twp_pseudonym_set_key(TwpPseudonym *value, int32 domain_id, int version)
{
	for (int i = 0; i < 4; i++)
		value->domain[i] = (uint8) ((uint32) domain_id >> (24 - 8 * i));
	value->version[0] = (uint8) (version >> 8);
	value->version[1] = (uint8) version;
}

/* True when domain and version are ones a key can have. */
bool
twp_pseudonym_valid(const TwpPseudonym *value)
{
	int			version = twp_pseudonym_version_of(value);

	return twp_pseudonym_domain_of(value) > 0 && version > 0 && version <= PG_INT16_MAX;
}

/* Lays the value out in the order of its text: domain, version, MAC. */
static void
to_text_order(const TwpPseudonym *value, uint8 bytes[sizeof(TwpPseudonym)])
{
	memcpy(bytes, value->domain, 4);
	memcpy(bytes + 4, value->version, 2);
	memcpy(bytes + 6, value->mac, TWP_PSEUDONYM_MAC_LEN);
}

/* Writes the text form. */
void
twp_pseudonym_format(const TwpPseudonym *value, char *text)
{
	uint8		bytes[sizeof(TwpPseudonym)];
	uint32		pending = 0;
	int			bits = 4;		/* 180 bits of text begin with four zeros */
	uint32		check = 0;
	int			n = 0;

	to_text_order(value, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
	{
		pending = pending << 8 | bytes[i];
		bits += 8;
		check = (check * 256 + bytes[i]) % 37;
		while (bits >= 5)
		{
			bits -= 5;
			text[n++] = alphabet[pending >> bits & 31];
		}
	}
	text[n++] = alphabet[check];
	text[n] = '\0';
}

/* Value of a character in the digits (below 32) or the check place (below 37), or -1. */
static int
char_value(char c)
{
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char) (c - 'a' + 'A');
	if (c == 'I' || c == 'L')
		c = '1';
	if (c == 'O')
		c = '0';
	at = c == '\0' ? NULL : strchr(alphabet, c);
	return at == NULL ? -1 : (int) (at - alphabet);
}

/* Parses the text form; false when characters, length, check or key number are wrong. */
bool
twp_pseudonym_parse(const char *text, TwpPseudonym *value)
{
	uint8		bytes[sizeof(TwpPseudonym)];
	uint32		pending = 0;
	int			bits = -4;
	uint32		check = 0;
	int			n = 0;
	int			filled = 0;

	for (; *text != '\0'; text++)
	{
		int			digit;

		if (*text == '-')
			continue;
		digit = char_value(*text);
		if (digit < 0 || n > DIGITS || (n < DIGITS && digit >= 32))
			return false;
		if (n++ == DIGITS)
		{
			if (digit != (int) check)
				return false;
			continue;
		}
		if (n == 1 && digit > 1)
			return false;
		check = (check * 32 + digit) % 37;
		pending = pending << 5 | digit;
		bits += 5;
		if (bits >= 8)
		{
			bits -= 8;
			bytes[filled++] = (uint8) (pending >> bits);
		}
	}
	if (n != DIGITS + 1)
		return false;
	memcpy(value->domain, bytes, 4);
	memcpy(value->version, bytes + 4, 2);
	memcpy(value->mac, bytes + 6, TWP_PSEUDONYM_MAC_LEN);
	return twp_pseudonym_valid(value);
}

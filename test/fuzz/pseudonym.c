/*
 * pseudonym.c - fuzzes the text and binary input of type pseudonym.
 *
 * What is accepted as text is valid, prints as 37 characters and is read back as
 * the same; what is accepted as bytes likewise; one changed character is never
 * accepted.
 */
#include "postgres.h"

#include "pseudonym/value.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Checks that a valid value and its text turn into each other. */
static void
check_round(const TwpPseudonym *value)
{
	char		text[TWP_PSEUDONYM_TEXT_LEN + 1];
	TwpPseudonym again;

	twp_pseudonym_format(value, text);
	if (strlen(text) != TWP_PSEUDONYM_TEXT_LEN || !twp_pseudonym_parse(text, &again) ||
		memcmp(value, &again, sizeof(again)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	TwpPseudonym value;

	memcpy(text, data, size);
	text[size] = '\0';
	if (twp_pseudonym_parse(text, &value))
	{
		if (!twp_pseudonym_valid(&value))
			abort();
		check_round(&value);
	}
	free(text);

	if (size < sizeof(value) + 2)
		return 0;
	memcpy(&value, data, sizeof(value));
	if (twp_pseudonym_valid(&value))
	{
		char		changed[TWP_PSEUDONYM_TEXT_LEN + 1];
		int			at = data[sizeof(value)] % TWP_PSEUDONYM_TEXT_LEN;
		char		was;
		TwpPseudonym other;

		check_round(&value);
		twp_pseudonym_format(&value, changed);
		was = changed[at];
		changed[at] = (char) data[sizeof(value) + 1];
		/* a hyphen or an end changes the length, which is found as well */
		if (char_value(changed[at]) != char_value(was) && twp_pseudonym_parse(changed, &other))
			abort();
	}
	return 0;
}

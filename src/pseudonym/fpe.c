/*
 * fpe.c - format-preserving encryption of text over an alphabet (FF1).
 *
 * The result has as many characters as the value, all of the alphabet, so it
 * fits where the value did.  It carries no version and no check: sealed is the
 * better choice wherever its length can be stored.  The tweak (name the
 * column) keeps equal values of two columns apart.
 *
 * Alphabets: 'digits', 'alphanumeric' (0-9A-Z), or the characters themselves,
 * each once.  The two names repeat letters, so neither can be meant literally.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "mb/pg_wchar.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_fpe_encrypt);
PG_FUNCTION_INFO_V1(twp_fpe_decrypt);

/* An alphabet as parsed for a call site. */
typedef struct Alphabet
{
	text	   *source;
	int			radix;
	pg_wchar   *characters;
	int16		ascii[128];		/* numeral of an ASCII character, or -1 */
} Alphabet;

/* Raises 22023 for an alphabet that is none. */
static void
bad_alphabet(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid alphabet"),
			 errhint("Use 'digits', 'alphanumeric', or 2 to %d different characters.", PG_INT16_MAX)));
}

/* Finds the numeral of a character, or -1. */
static int
numeral_of(const Alphabet *alphabet, pg_wchar c)
{
	if (c < 128)
		return alphabet->ascii[c];
	for (int i = 0; i < alphabet->radix; i++)
		if (alphabet->characters[i] == c)
			return i;
	return -1;
}

/* Parses the characters of an alphabet into the memory context. */
static void
parse_alphabet(Alphabet *alphabet, const char *characters, int len, MemoryContext context)
{
	int			n;

	alphabet->characters = MemoryContextAlloc(context, (len + 1) * sizeof(pg_wchar));
	n = pg_mb2wchar_with_len(characters, alphabet->characters, len);
	if (n < 2 || n > PG_INT16_MAX)
		bad_alphabet();
	memset(alphabet->ascii, -1, sizeof(alphabet->ascii));
	alphabet->radix = 0;
	for (int i = 0; i < n; i++)
	{
		if (numeral_of(alphabet, alphabet->characters[i]) >= 0)
			bad_alphabet();
		if (alphabet->characters[i] < 128)
			alphabet->ascii[alphabet->characters[i]] = i;
		alphabet->radix = i + 1;
	}
}

/* Gives the alphabet named by argument 2, parsed once for equal arguments. */
static const Alphabet *
get_alphabet(FunctionCallInfo fcinfo, TwpDomainCall *call)
{
	text	   *source = PG_GETARG_TEXT_PP(2);
	int			len = VARSIZE_ANY_EXHDR(source);
	const char *data = VARDATA_ANY(source);
	Alphabet   *alphabet = call->extra;

	if (alphabet != NULL && VARSIZE_ANY_EXHDR(alphabet->source) == len &&
		memcmp(VARDATA_ANY(alphabet->source), data, len) == 0)
		return alphabet;
	alphabet = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Alphabet));
	alphabet->source = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, VARHDRSZ + len);
	SET_VARSIZE(alphabet->source, VARHDRSZ + len);
	memcpy(VARDATA(alphabet->source), data, len);
	if (len == 6 && memcmp(data, "digits", 6) == 0)
		parse_alphabet(alphabet, "0123456789", 10, fcinfo->flinfo->fn_mcxt);
	else if (len == 12 && memcmp(data, "alphanumeric", 12) == 0)
		parse_alphabet(alphabet, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 36, fcinfo->flinfo->fn_mcxt);
	else
		parse_alphabet(alphabet, data, len, fcinfo->flinfo->fn_mcxt);
	call->extra = alphabet;
	return alphabet;
}

/* Reads a text as numerals; returns their number. */
static int
read_numerals(const Alphabet *alphabet, text *value, uint32 **numerals)
{
	int			len = VARSIZE_ANY_EXHDR(value);
	pg_wchar   *characters = palloc((len + 1) * sizeof(pg_wchar));
	int			n = pg_mb2wchar_with_len(VARDATA_ANY(value), characters, len);

	*numerals = palloc((n + 1) * sizeof(uint32));
	for (int i = 0; i < n; i++)
	{
		int			numeral = numeral_of(alphabet, characters[i]);

		if (numeral < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("value has a character outside the alphabet"),
					 errhint("Remove separators first, or name an alphabet that has all its characters.")));
		(*numerals)[i] = numeral;
	}
	twp_crypto_wipe(characters, (n + 1) * sizeof(pg_wchar));
	pfree(characters);
	return n;
}

/* Writes numerals as text of the alphabet. */
static text *
write_numerals(const Alphabet *alphabet, const uint32 *numerals, int n)
{
	pg_wchar   *characters = palloc((n + 1) * sizeof(pg_wchar));
	char	   *data = palloc(n * pg_database_encoding_max_length() + 1);
	int			len;

	for (int i = 0; i < n; i++)
		characters[i] = alphabet->characters[numerals[i]];
	characters[n] = 0;
	len = pg_wchar2mb_with_len(characters, data, n);
	return cstring_to_text_with_len(data, len);
}

/* Puts the domain's number before the caller's tweak. */
static uint8 *
make_tweak(const TwpDomainCall *call, text *tweak, size_t *len)
{
	uint8	   *result = palloc(4 + VARSIZE_ANY_EXHDR(tweak));

	for (int i = 0; i < 4; i++)
		result[i] = (uint8) ((uint32) call->domain->key->domain_id >> (24 - 8 * i));
	memcpy(result + 4, VARDATA_ANY(tweak), VARSIZE_ANY_EXHDR(tweak));
	*len = 4 + VARSIZE_ANY_EXHDR(tweak);
	return result;
}

/* Encrypts or decrypts argument 1 (which may be null) with the domain opened. */
static Datum
fpe(FunctionCallInfo fcinfo, TwpDomainCall *call, bool encrypt)
{
	const Alphabet *alphabet;
	uint32	   *numerals;
	uint8	   *tweak;
	size_t		tweak_len;
	int			n;
	text	   *result;

	TWP_REQUIRE_ARG(2, "alphabet");
	TWP_REQUIRE_ARG(3, "tweak");
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	alphabet = get_alphabet(fcinfo, call);
	n = read_numerals(alphabet, PG_GETARG_TEXT_PP(1), &numerals);
	tweak = make_tweak(call, PG_GETARG_TEXT_PP(3), &tweak_len);
	if (!twp_crypto_ff1(twp_pseudonym_fpe(call->domain), encrypt, alphabet->radix, tweak, tweak_len, numerals, n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value cannot be encrypted in its own format"),
				 errhint("It must have at least 1,000,000 possible values of its length (6 digits, 4 letters and digits), "
						 "and value and tweak at most %d characters.", TWP_FF1_MAX_LEN - 4)));
	result = write_numerals(alphabet, numerals, n);
	twp_crypto_wipe(numerals, n * sizeof(uint32));
	PG_RETURN_TEXT_P(result);
}

/* fpe_encrypt(domain text, value text, alphabet text, tweak text DEFAULT '') -> text */
Datum
twp_fpe_encrypt(PG_FUNCTION_ARGS)
{
	return fpe(fcinfo, twp_pseudonym_call_domain(fcinfo, "fpe.encrypt", true), true);
}

/*
 * fpe_decrypt(domain text, value text, alphabet text, tweak text DEFAULT '', version int DEFAULT NULL) -> text
 *
 * Charged and recorded one by one, as unseal() is.
 */
Datum
twp_fpe_decrypt(PG_FUNCTION_ARGS)
{
	TwpDomainCall *call = twp_pseudonym_call_state(fcinfo);
	int			version = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4);
	text	   *name;

	TWP_REQUIRE_ARG(0, "domain");
	name = PG_GETARG_TEXT_PP(0);
	if (version < 0 || version > PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid key version"),
				 errhint("See twin_privacy.pseudonym_keys for the versions there are.")));
	twp_pseudonym_call_open(call, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), version, true);
	if (!PG_ARGISNULL(1))
	{
		twp_pseudonym_unseal_charge(call->name);
		twp_pseudonym_record_opening("fpe.decrypt", call->name, NULL);
	}
	return fpe(fcinfo, call, false);
}

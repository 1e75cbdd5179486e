/*
 * crypto_vectors.c - the crypto room callable from SQL, for tests only.
 *
 * The room's own files are compiled in: what runs here is the code of the
 * product, not its exported symbols, of which it has none.
 */
#include "postgres.h"

#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "crypto/cipher.c"
#include "crypto/ff1.c"
#include "crypto/mac.c"
#include "crypto/random.c"
#include "crypto/siv.c"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(cv_hmac);
PG_FUNCTION_INFO_V1(cv_hkdf);
PG_FUNCTION_INFO_V1(cv_cmac);
PG_FUNCTION_INFO_V1(cv_aes_block);
PG_FUNCTION_INFO_V1(cv_wrap);
PG_FUNCTION_INFO_V1(cv_unwrap);
PG_FUNCTION_INFO_V1(cv_siv_seal);
PG_FUNCTION_INFO_V1(cv_siv_open);
PG_FUNCTION_INFO_V1(cv_ff1);
PG_FUNCTION_INFO_V1(cv_memory_holds);
PG_FUNCTION_INFO_V1(cv_loop_hmac);
PG_FUNCTION_INFO_V1(cv_loop_siv);
PG_FUNCTION_INFO_V1(cv_loop_ff1);

#define DATA(n) ((const uint8 *) VARDATA_ANY(PG_GETARG_BYTEA_PP(n)))
#define LEN(n) VARSIZE_ANY_EXHDR(PG_GETARG_BYTEA_PP(n))

/* Makes a bytea of the length, to be filled. */
static bytea *
new_bytea(size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	return result;
}

#define BYTES(b) ((uint8 *) VARDATA(b))

/* Refuses a length that the C interface takes for granted. */
static void
require(bool ok)
{
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("wrong length")));
}

Datum
cv_hmac(PG_FUNCTION_ARGS)
{
	TwpMac	   *mac = twp_crypto_mac_create(CurrentMemoryContext, DATA(0), LEN(0));
	bytea	   *out = new_bytea(TWP_MAC_LEN);

	twp_crypto_mac(mac, DATA(1), LEN(1) / 2, DATA(1) + LEN(1) / 2, LEN(1) - LEN(1) / 2, BYTES(out));
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_hkdf(PG_FUNCTION_ARGS)
{
	int			len = PG_GETARG_INT32(3);
	bytea	   *out = new_bytea(len);

	twp_crypto_hkdf(DATA(0), LEN(0), DATA(1), LEN(1), DATA(2), LEN(2), BYTES(out), len);
	PG_RETURN_BYTEA_P(out);
}

/* CMAC is the library's alone: it is what its AES-SIV stands on. */
Datum
cv_cmac(PG_FUNCTION_ARGS)
{
	static char names[][12] = {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"};
	OSSL_PARAM	params[2] = {OSSL_PARAM_END, OSSL_PARAM_END};
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *state = EVP_MAC_CTX_new(mac);
	bytea	   *out = new_bytea(16);
	size_t		n;
	bool		ok;

	require(LEN(0) == 16 || LEN(0) == 24 || LEN(0) == 32);
	params[0] = OSSL_PARAM_construct_utf8_string("cipher", names[LEN(0) / 8 - 2], 0);
	ok = EVP_MAC_init(state, DATA(0), LEN(0), params) == 1 &&
		EVP_MAC_update(state, DATA(1), LEN(1)) == 1 &&
		EVP_MAC_final(state, BYTES(out), &n, 16) == 1;
	EVP_MAC_CTX_free(state);
	EVP_MAC_free(mac);
	require(ok);
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_aes_block(PG_FUNCTION_ARGS)
{
	bytea	   *out = new_bytea(TWP_BLOCK_LEN);

	require((LEN(0) == 16 || LEN(0) == 24 || LEN(0) == 32) && LEN(1) == TWP_BLOCK_LEN);
	twp_crypto_aes_block(twp_crypto_aes_create(CurrentMemoryContext, DATA(0), LEN(0)), DATA(1), BYTES(out));
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_wrap(PG_FUNCTION_ARGS)
{
	bytea	   *out = new_bytea(TWP_WRAPPED_LEN);

	require(LEN(0) == TWP_KEY_LEN && LEN(1) == TWP_KEY_LEN);
	twp_crypto_wrap(DATA(0), DATA(1), BYTES(out));
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_unwrap(PG_FUNCTION_ARGS)
{
	bytea	   *out = new_bytea(TWP_KEY_LEN);

	require(LEN(0) == TWP_KEY_LEN && LEN(1) == TWP_WRAPPED_LEN);
	if (!twp_crypto_unwrap(DATA(0), DATA(1), BYTES(out)))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(out);
}

/* Reads an array of bytea as associated data. */
static TwpBytes *
read_ad(ArrayType *array, int *n)
{
	Datum	   *elements;
	TwpBytes   *ad;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &elements, NULL, n);
	ad = palloc(Max(*n, 1) * sizeof(TwpBytes));
	for (int i = 0; i < *n; i++)
	{
		bytea	   *b = DatumGetByteaPP(elements[i]);

		ad[i].data = (const uint8 *) VARDATA_ANY(b);
		ad[i].len = VARSIZE_ANY_EXHDR(b);
	}
	return ad;
}

Datum
cv_siv_seal(PG_FUNCTION_ARGS)
{
	int			n;
	TwpBytes   *ad = read_ad(PG_GETARG_ARRAYTYPE_P(1), &n);
	bytea	   *out = new_bytea(LEN(2) + TWP_SIV_TAG_LEN);
	TwpSiv	   *siv = twp_crypto_siv_create(CurrentMemoryContext, DATA(0), LEN(0));
	bytea	   *again = new_bytea(LEN(2) + TWP_SIV_TAG_LEN);

	twp_crypto_siv_seal(siv, ad, n, DATA(2), LEN(2), BYTES(out));
	/* one handle serves many messages, and is deterministic */
	twp_crypto_siv_seal(siv, ad, n, DATA(2), LEN(2), BYTES(again));
	require(memcmp(out, again, VARSIZE(out)) == 0);
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_siv_open(PG_FUNCTION_ARGS)
{
	int			n;
	TwpBytes   *ad = read_ad(PG_GETARG_ARRAYTYPE_P(1), &n);
	TwpSiv	   *siv = twp_crypto_siv_create(CurrentMemoryContext, DATA(0), LEN(0));
	bytea	   *out;

	require(LEN(2) >= TWP_SIV_TAG_LEN);
	out = new_bytea(LEN(2) - TWP_SIV_TAG_LEN);
	if (!twp_crypto_siv_open(siv, ad, n, DATA(2), LEN(2), BYTES(out)))
	{
		/* a refused message must not spoil the handle for the next one */
		if (twp_crypto_siv_open(siv, ad, n, DATA(2), LEN(2), BYTES(out)))
			require(false);
		PG_RETURN_NULL();
	}
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_ff1(PG_FUNCTION_ARGS)
{
	TwpAes	   *aes;
	Datum	   *elements;
	uint32	   *digits;
	int			n;

	if (LEN(1) != 16 && LEN(1) != 24 && LEN(1) != 32)
		PG_RETURN_NULL();
	aes = twp_crypto_aes_create(CurrentMemoryContext, DATA(1), LEN(1));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), INT4OID, 4, true, TYPALIGN_INT, &elements, NULL, &n);
	digits = palloc(Max(n, 1) * sizeof(uint32));
	for (int i = 0; i < n; i++)
		digits[i] = (uint32) DatumGetInt32(elements[i]);
	if (!twp_crypto_ff1(aes, PG_GETARG_BOOL(0), PG_GETARG_INT32(2), DATA(3), LEN(3), digits, n))
		PG_RETURN_NULL();
	for (int i = 0; i < n; i++)
		elements[i] = Int32GetDatum((int32) digits[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, n, INT4OID, 4, true, TYPALIGN_INT));
}

Datum
cv_loop_hmac(PG_FUNCTION_ARGS)
{
	uint8		key[TWP_KEY_LEN] = {1};
	uint8		message[TWP_MAC_LEN] = {0};
	TwpMac	   *mac = twp_crypto_mac_create(CurrentMemoryContext, key, sizeof(key));
	bytea	   *out = new_bytea(TWP_MAC_LEN);

	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		twp_crypto_mac(mac, "t", 1, message, 16, message);
	memcpy(BYTES(out), message, TWP_MAC_LEN);
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_loop_siv(PG_FUNCTION_ARGS)
{
	uint8		key[TWP_SIV_KEY_LEN] = {1};
	uint8		sealed[TWP_SIV_TAG_LEN + 16] = {0};
	uint8		plain[16];
	TwpBytes	ad = {(const uint8 *) "header", 6};
	TwpSiv	   *siv = twp_crypto_siv_create(CurrentMemoryContext, key, sizeof(key));
	bytea	   *out = new_bytea(16);

	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		memcpy(plain, sealed, sizeof(plain));
		twp_crypto_siv_seal(siv, &ad, 1, plain, sizeof(plain), sealed);
	}
	memcpy(BYTES(out), sealed, 16);
	PG_RETURN_BYTEA_P(out);
}

Datum
cv_loop_ff1(PG_FUNCTION_ARGS)
{
	uint8		key[TWP_KEY_LEN] = {1};
	uint32		digits[16] = {0};
	TwpAes	   *aes = twp_crypto_aes_create(CurrentMemoryContext, key, sizeof(key));
	bytea	   *out = new_bytea(sizeof(digits));

	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		require(twp_crypto_ff1(aes, true, 10, (const uint8 *) "tweak", 5, digits, lengthof(digits)));
	memcpy(BYTES(out), digits, sizeof(digits));
	PG_RETURN_BYTEA_P(out);
}

/* Reads all memory: what a sanitizer forbids, and what it keeps itself (its shadow is larger than any heap). */
#define READS_ALL __attribute__((no_sanitize("address")))
#define SHADOW_SIZE (UINT64CONST(1) << 36)

/* True when the secret, whose bytes are given changed by 0x5a so as not to be found themselves, stands at p. */
READS_ALL static bool
stands_at(const uint8 *p, const uint8 *changed, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((p[i] ^ 0x5a) != changed[i])
			return false;
	return true;
}

/*
 * memory_holds(changed bytea) -> int: how often either half of a secret stands
 * in this process's writable private memory: heap, stack, data.
 */
READS_ALL Datum
cv_memory_holds(PG_FUNCTION_ARGS)
{
	const uint8 *changed = DATA(0);
	size_t		half = LEN(0) / 2;
	FILE	   *maps = fopen("/proc/self/maps", "r");
	char		line[512];
	int			found = 0;

	if (maps == NULL)
		ereport(ERROR, (errmsg("cannot read the memory map")));
	while (fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long start;
		unsigned long end;
		char		mode[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || strcmp(mode, "rw-p") != 0 ||
			end - start > SHADOW_SIZE)
			continue;
		for (const uint8 *p = (const uint8 *) start; p + half <= (const uint8 *) end; p++)
			if (stands_at(p, changed, half) || stands_at(p, changed + half, half))
				found++;
	}
	fclose(maps);
	PG_RETURN_INT32(found);
}

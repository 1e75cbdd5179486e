/*
 * siv.c - fuzzes AES-SIV: no made-up message opens, what was sealed opens with its
 * own associated data only, and an altered bit is found.
 */
#include "postgres.h"

#include "crypto/cipher.c"
#include "crypto/random.c"
#include "crypto/siv.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8 key[TWP_SIV_KEY_LEN] = {7};
	TwpSiv	   *siv = twp_crypto_siv_create(NULL, key, sizeof(key));
	size_t		ad_len = size > 0 ? data[0] % (size + 1) : 0;
	TwpBytes	ad = {data, ad_len};
	size_t		len = size - ad_len;
	uint8	   *sealed = malloc(len + TWP_SIV_TAG_LEN);
	uint8	   *plain = malloc(len + 1);

	if (len >= TWP_SIV_TAG_LEN && twp_crypto_siv_open(siv, &ad, 1, data + ad_len, len, plain))
		abort();
	twp_crypto_siv_seal(siv, &ad, 1, data + ad_len, len, sealed);
	if (!twp_crypto_siv_open(siv, &ad, 1, sealed, len + TWP_SIV_TAG_LEN, plain) ||
		(len > 0 && memcmp(plain, data + ad_len, len) != 0))
		abort();
	if (twp_crypto_siv_open(siv, NULL, 0, sealed, len + TWP_SIV_TAG_LEN, plain))
		abort();
	sealed[size % (len + TWP_SIV_TAG_LEN)] ^= (uint8) (1 << (size % 8));
	if (twp_crypto_siv_open(siv, &ad, 1, sealed, len + TWP_SIV_TAG_LEN, plain))
		abort();
	free(sealed);
	free(plain);
	siv_release(siv);
	free(siv);
	return 0;
}

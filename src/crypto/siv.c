/*
 * siv.c - AES-SIV (RFC 5297) from OpenSSL's CMAC and counter mode.
 *
 * Not OpenSSL's own AES-SIV: up to 3.0 it makes no tag for an empty text, and
 * its one way to use a key for many messages carries the associated data of
 * one message into the next.  Keying it anew for each costs 15 times as much
 * as what is done here.
 *
 * Memory: see crypto.h; handles are freed by a reset callback of their context.
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "utils/memutils.h"

struct TwpSiv
{
	EVP_MAC_CTX *cmac;
	EVP_CIPHER_CTX *ctr;
	uint8		start[TWP_BLOCK_LEN];	/* CMAC of the zero block */
	MemoryContextCallback on_reset;
};

/* Frees both states, which wipes their keys. */
static void
siv_release(void *arg)
{
	TwpSiv	   *siv = arg;

	EVP_MAC_CTX_free(siv->cmac);
	EVP_CIPHER_CTX_free(siv->ctr);
	siv->cmac = NULL;
	siv->ctr = NULL;
}

/* Computes CMAC(head || tail). */
static bool
cmac(TwpSiv *siv, const uint8 *head, size_t head_len, const uint8 *tail, size_t tail_len,
	 uint8 out[TWP_BLOCK_LEN])
{
	size_t		n;

	return EVP_MAC_init(siv->cmac, NULL, 0, NULL) == 1 &&
		(head_len == 0 || EVP_MAC_update(siv->cmac, head, head_len) == 1) &&
		(tail_len == 0 || EVP_MAC_update(siv->cmac, tail, tail_len) == 1) &&
		EVP_MAC_final(siv->cmac, out, &n, TWP_BLOCK_LEN) == 1;
}

/* Keys the states; false when the library fails. */
static bool
siv_start(TwpSiv *siv, const uint8 *key, size_t half)
{
	static char cbc[][12] = {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"};
	static const char *const ctr[] = {"AES-128-CTR", "AES-192-CTR", "AES-256-CTR"};
	static EVP_CIPHER *known[3];
	static EVP_MAC *mac;
	int			size = (int) half / 8 - 2;
	OSSL_PARAM	params[2];
	uint8		zero[TWP_BLOCK_LEN] = {0};
	bool		ok;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cbc[size], 0);
	params[1] = OSSL_PARAM_construct_end();
	if (mac == NULL)
		mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	siv->cmac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	siv->ctr = EVP_CIPHER_CTX_new();
	ok = siv->cmac != NULL && siv->ctr != NULL &&
		EVP_MAC_init(siv->cmac, key, half, params) == 1 &&
		EVP_EncryptInit_ex2(siv->ctr, twp_crypto_cipher(&known[size], ctr[size]), key + half, zero, NULL) == 1 &&
		cmac(siv, zero, sizeof(zero), NULL, 0, siv->start);
	return ok;
}

/* Prepares AES-SIV under a key of 32, 48 or 64 bytes. */
TwpSiv *
twp_crypto_siv_create(MemoryContext context, const uint8 *key, size_t len)
{
	TwpSiv	   *siv = MemoryContextAllocZero(context, sizeof(TwpSiv));

	Assert(len == 32 || len == 48 || len == 64);
	siv->on_reset.func = siv_release;
	siv->on_reset.arg = siv;
	MemoryContextRegisterResetCallback(context, &siv->on_reset);
	if (!siv_start(siv, key, len / 2))
		twp_crypto_fail("AES-SIV");
	return siv;
}

/* Doubles a block in the field of RFC 5297, section 2.3, without branching on it. */
static void
double_block(uint8 block[TWP_BLOCK_LEN])
{
	uint8		carry = block[0] >> 7;

	for (int i = 0; i < TWP_BLOCK_LEN - 1; i++)
		block[i] = (uint8) (block[i] << 1 | block[i + 1] >> 7);
	block[TWP_BLOCK_LEN - 1] = (uint8) (block[TWP_BLOCK_LEN - 1] << 1 ^ (0x87 & -carry));
}

/* Adds one block to another. */
static void
xor_block(uint8 to[TWP_BLOCK_LEN], const uint8 from[TWP_BLOCK_LEN])
{
	for (int i = 0; i < TWP_BLOCK_LEN; i++)
		to[i] ^= from[i];
}

/* Computes the synthetic IV of associated data and text (S2V, section 2.4). */
static void
siv_tag(TwpSiv *siv, const TwpBytes *ad, int n_ad, const uint8 *plain, size_t len,
		uint8 tag[TWP_BLOCK_LEN])
{
	uint8		sum[TWP_BLOCK_LEN];
	uint8		block[TWP_BLOCK_LEN];
	bool		ok = true;

	memcpy(sum, siv->start, TWP_BLOCK_LEN);
	for (int i = 0; i < n_ad; i++)
	{
		double_block(sum);
		ok = ok && cmac(siv, ad[i].data, ad[i].len, NULL, 0, block);
		xor_block(sum, block);
	}
	if (len >= TWP_BLOCK_LEN)
	{
		xor_block(sum, plain + len - TWP_BLOCK_LEN);
		ok = ok && cmac(siv, plain, len - TWP_BLOCK_LEN, sum, TWP_BLOCK_LEN, tag);
	}
	else
	{
		memset(block, 0, TWP_BLOCK_LEN);
		if (len > 0)
			memcpy(block, plain, len);
		block[len] = 0x80;
		double_block(sum);
		xor_block(sum, block);
		ok = ok && cmac(siv, sum, TWP_BLOCK_LEN, NULL, 0, tag);
		twp_crypto_wipe(block, sizeof(block));
	}
	if (!ok)
		twp_crypto_fail("AES-SIV");
}

/* Runs counter mode from the tag, two bits of which are cleared (section 2.5). */
static void
siv_stream(TwpSiv *siv, const uint8 tag[TWP_BLOCK_LEN], const uint8 *in, size_t len, uint8 *out)
{
	uint8		counter[TWP_BLOCK_LEN];
	int			n;

	memcpy(counter, tag, TWP_BLOCK_LEN);
	counter[8] &= 0x7f;
	counter[12] &= 0x7f;
	if (EVP_EncryptInit_ex2(siv->ctr, NULL, NULL, counter, NULL) != 1 ||
		(len > 0 && EVP_EncryptUpdate(siv->ctr, out, &n, in, (int) len) != 1))
		twp_crypto_fail("AES-SIV");
}

/* Encrypts deterministically: out is the tag and then the cipher text. */
void
twp_crypto_siv_seal(TwpSiv *siv, const TwpBytes *ad, int n_ad,
					const uint8 *plain, size_t len, uint8 *out)
{
	siv_tag(siv, ad, n_ad, plain, len, out);
	siv_stream(siv, out, plain, len, out + TWP_SIV_TAG_LEN);
}

/* Decrypts; false, with out wiped, when text, tag or associated data were altered. */
bool
twp_crypto_siv_open(TwpSiv *siv, const TwpBytes *ad, int n_ad,
					const uint8 *in, size_t len, uint8 *out)
{
	uint8		tag[TWP_SIV_TAG_LEN];

	if (len < TWP_SIV_TAG_LEN)
		return false;
	len -= TWP_SIV_TAG_LEN;
	siv_stream(siv, in, in + TWP_SIV_TAG_LEN, len, out);
	siv_tag(siv, ad, n_ad, out, len, tag);
	if (twp_crypto_equal(tag, in, TWP_SIV_TAG_LEN))
		return true;
	twp_crypto_wipe(out, len);
	return false;
}

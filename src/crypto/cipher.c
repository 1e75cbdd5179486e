/*
 * cipher.c - AES: single blocks, key wrap and SIV.
 *
 * Ciphers are fetched once per handle, never per value: a fetch walks the
 * provider tables and costs more than the encryption.
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

struct TwpAes
{
	EVP_CIPHER_CTX *state;
	MemoryContextCallback on_reset;
};

struct TwpSiv
{
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
	MemoryContextCallback on_reset;
};

/* Frees the block cipher's state, which wipes its key schedule. */
static void
aes_release(void *arg)
{
	TwpAes	   *aes = arg;

	EVP_CIPHER_CTX_free(aes->state);
	aes->state = NULL;
}

/* Prepares single-block encryption under a key of 16, 24 or 32 bytes. */
TwpAes *
twp_crypto_aes_create(MemoryContext context, const uint8 *key, size_t len)
{
	TwpAes	   *aes = MemoryContextAllocZero(context, sizeof(TwpAes));
	const EVP_CIPHER *cipher = len == 16 ? EVP_aes_128_ecb() :
		len == 24 ? EVP_aes_192_ecb() : EVP_aes_256_ecb();

	Assert(len == 16 || len == 24 || len == 32);
	aes->on_reset.func = aes_release;
	aes->on_reset.arg = aes;
	MemoryContextRegisterResetCallback(context, &aes->on_reset);

	aes->state = EVP_CIPHER_CTX_new();
	if (aes->state == NULL ||
		EVP_EncryptInit_ex(aes->state, cipher, NULL, key, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(aes->state, 0) != 1)
		twp_crypto_fail("AES");
	return aes;
}

/* Encrypts one block; in and out may be the same. */
void
twp_crypto_aes_block(TwpAes *aes, const uint8 in[TWP_BLOCK_LEN], uint8 out[TWP_BLOCK_LEN])
{
	int			n;

	if (EVP_EncryptUpdate(aes->state, out, &n, in, TWP_BLOCK_LEN) != 1)
		twp_crypto_fail("AES");
}

/*
 * Runs key wrap in one direction.  Returns false when the library refuses,
 * which for unwrapping means that the integrity check failed.
 */
static bool
key_wrap(bool wrap, const uint8 *kek, const uint8 *in, int len, uint8 *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();
	int			expected = wrap ? len + 8 : len - 8;
	int			n = 0;
	bool		ready;
	bool		ok;

	if (state != NULL)
		EVP_CIPHER_CTX_set_flags(state, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ready = cipher != NULL && state != NULL &&
		EVP_CipherInit_ex2(state, cipher, kek, NULL, wrap ? 1 : 0, NULL) == 1;
	ok = ready && EVP_CipherUpdate(state, out, &n, in, len) == 1 && n == expected;
	EVP_CIPHER_CTX_free(state);
	EVP_CIPHER_free(cipher);
	if (!ready)
		twp_crypto_fail("AES key wrap");
	return ok;
}

/* Wraps a data key under a key-encryption key. */
void
twp_crypto_wrap(const uint8 kek[TWP_KEY_LEN], const uint8 key[TWP_KEY_LEN],
				uint8 out[TWP_WRAPPED_LEN])
{
	if (!key_wrap(true, kek, key, TWP_KEY_LEN, out))
		twp_crypto_fail("AES key wrap");
}

/* Unwraps a data key; false when the key-encryption key or the bytes are not the right ones. */
bool
twp_crypto_unwrap(const uint8 kek[TWP_KEY_LEN], const uint8 wrapped[TWP_WRAPPED_LEN],
				  uint8 out[TWP_KEY_LEN])
{
	/* the library may write whole blocks before it knows that the tag is wrong */
	uint8		plain[TWP_WRAPPED_LEN];
	bool		ok = key_wrap(false, kek, wrapped, TWP_WRAPPED_LEN, plain);

	if (ok)
		memcpy(out, plain, TWP_KEY_LEN);
	twp_crypto_wipe(plain, sizeof(plain));
	return ok;
}

/* Frees both directions, which wipes their keys. */
static void
siv_release(void *arg)
{
	TwpSiv	   *siv = arg;

	EVP_CIPHER_CTX_free(siv->seal);
	EVP_CIPHER_CTX_free(siv->open);
	EVP_CIPHER_free(siv->cipher);
	siv->seal = siv->open = NULL;
	siv->cipher = NULL;
}

/* Keys one direction for many messages. */
static bool
siv_start(EVP_CIPHER_CTX *state, EVP_CIPHER *cipher, const uint8 *key, bool seal)
{
	/* without "speed" the library takes one message a keying */
	unsigned int speed = 1;
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_SPEED, &speed),
		OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex2(state, cipher, key, NULL, seal ? 1 : 0, NULL) == 1 &&
		EVP_CIPHER_CTX_set_params(state, params) == 1;
}

/* Prepares AES-SIV under a key of 32, 48 or 64 bytes. */
TwpSiv *
twp_crypto_siv_create(MemoryContext context, const uint8 *key, size_t len)
{
	TwpSiv	   *siv = MemoryContextAllocZero(context, sizeof(TwpSiv));
	const char *name = len == 32 ? "AES-128-SIV" : len == 48 ? "AES-192-SIV" : "AES-256-SIV";

	Assert(len == 32 || len == 48 || len == 64);
	siv->on_reset.func = siv_release;
	siv->on_reset.arg = siv;
	MemoryContextRegisterResetCallback(context, &siv->on_reset);

	siv->cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	siv->seal = EVP_CIPHER_CTX_new();
	siv->open = EVP_CIPHER_CTX_new();
	if (siv->cipher == NULL || siv->seal == NULL || siv->open == NULL ||
		!siv_start(siv->seal, siv->cipher, key, true) ||
		!siv_start(siv->open, siv->cipher, key, false))
		twp_crypto_fail("AES-SIV");
	return siv;
}

/* Feeds the associated data, one component at a time. */
static void
siv_associate(EVP_CIPHER_CTX *state, const TwpBytes *ad, int n_ad)
{
	int			n;

	for (int i = 0; i < n_ad; i++)
		if (EVP_CipherUpdate(state, NULL, &n, ad[i].data, (int) ad[i].len) != 1)
			twp_crypto_fail("AES-SIV");
}

/* Encrypts deterministically: out is the tag and then the cipher text. */
void
twp_crypto_siv_seal(TwpSiv *siv, const TwpBytes *ad, int n_ad,
					const uint8 *plain, size_t len, uint8 *out)
{
	int			n;

	siv_associate(siv->seal, ad, n_ad);
	if (EVP_CipherUpdate(siv->seal, out + TWP_SIV_TAG_LEN, &n, plain, (int) len) != 1 ||
		EVP_CipherFinal_ex(siv->seal, out + TWP_SIV_TAG_LEN + n, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(siv->seal, EVP_CTRL_AEAD_GET_TAG, TWP_SIV_TAG_LEN, out) != 1)
		twp_crypto_fail("AES-SIV");
}

/* Decrypts; false, with out wiped, when text, tag or associated data were altered. */
bool
twp_crypto_siv_open(TwpSiv *siv, const TwpBytes *ad, int n_ad,
					const uint8 *in, size_t len, uint8 *out)
{
	uint8		tag[TWP_SIV_TAG_LEN];
	int			n;

	if (len < TWP_SIV_TAG_LEN)
		return false;
	memcpy(tag, in, TWP_SIV_TAG_LEN);
	if (EVP_CIPHER_CTX_ctrl(siv->open, EVP_CTRL_AEAD_SET_TAG, TWP_SIV_TAG_LEN, tag) != 1)
		twp_crypto_fail("AES-SIV");
	siv_associate(siv->open, ad, n_ad);
	if (EVP_CipherUpdate(siv->open, out, &n, in + TWP_SIV_TAG_LEN, (int) (len - TWP_SIV_TAG_LEN)) == 1 &&
		EVP_CipherFinal_ex(siv->open, out + n, &n) == 1)
		return true;
	twp_crypto_wipe(out, len - TWP_SIV_TAG_LEN);
	return false;
}

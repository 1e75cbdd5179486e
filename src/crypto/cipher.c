/*
 * cipher.c - AES: single blocks and key wrap.
 *
 * Memory: see crypto.h; handles are freed by a reset callback of their context.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "utils/memutils.h"

struct TwpAes
{
	EVP_CIPHER_CTX *state;
	MemoryContextCallback on_reset;
};

/* Fetches a cipher once in the life of the process. */
const EVP_CIPHER *
twp_crypto_cipher(EVP_CIPHER **known, const char *name)
{
	if (*known == NULL)
		*known = EVP_CIPHER_fetch(NULL, name, NULL);
	if (*known == NULL)
		twp_crypto_fail(name);
	return *known;
}

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
	static EVP_CIPHER *known[3];
	static const char *const names[] = {"AES-128-ECB", "AES-192-ECB", "AES-256-ECB"};
	TwpAes	   *aes = MemoryContextAllocZero(context, sizeof(TwpAes));
	const EVP_CIPHER *cipher;

	Assert(len == 16 || len == 24 || len == 32);
	cipher = twp_crypto_cipher(&known[len / 8 - 2], names[len / 8 - 2]);
	aes->on_reset.func = aes_release;
	aes->on_reset.arg = aes;
	MemoryContextRegisterResetCallback(context, &aes->on_reset);

	aes->state = EVP_CIPHER_CTX_new();
	if (aes->state == NULL ||
		EVP_EncryptInit_ex2(aes->state, cipher, key, NULL, NULL) != 1 ||
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
	static EVP_CIPHER *known;
	const EVP_CIPHER *cipher = twp_crypto_cipher(&known, "AES-256-WRAP");
	EVP_CIPHER_CTX *state = EVP_CIPHER_CTX_new();
	int			expected = wrap ? len + 8 : len - 8;
	int			n = 0;
	bool		ready;
	bool		ok;

	if (state != NULL)
		EVP_CIPHER_CTX_set_flags(state, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ready = state != NULL &&
		EVP_CipherInit_ex2(state, cipher, kek, NULL, wrap ? 1 : 0, NULL) == 1;
	ok = ready && EVP_CipherUpdate(state, out, &n, in, len) == 1 && n == expected;
	EVP_CIPHER_CTX_free(state);
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

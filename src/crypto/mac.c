/*
 * mac.c - HMAC-SHA-256 and HKDF-SHA-256.
 *
 * HMAC is built from two prepared SHA-256 states (key xor ipad, key xor opad)
 * that are copied for each message: measured 2 to 9 times faster than
 * starting OpenSSL's or PostgreSQL's HMAC anew for each value.
 *
 * Memory: see crypto.h; handles are freed by a reset callback of their context.
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "utils/memutils.h"

#define SHA256_BLOCK_LEN 64

struct TwpMac
{
	EVP_MD_CTX *inner;			/* state after key xor ipad */
	EVP_MD_CTX *outer;			/* state after key xor opad */
	EVP_MD_CTX *work;
	MemoryContextCallback on_reset;
};

/* Frees the OpenSSL states, which wipes them. */
static void
mac_release(void *arg)
{
	TwpMac	   *mac = arg;

	EVP_MD_CTX_free(mac->inner);
	EVP_MD_CTX_free(mac->outer);
	EVP_MD_CTX_free(mac->work);
	mac->inner = mac->outer = mac->work = NULL;
}

/* Starts one padded-key state; returns false when the library fails. */
static bool
mac_start(EVP_MD_CTX *state, const uint8 *block, uint8 pad)
{
	uint8		padded[SHA256_BLOCK_LEN];
	bool		ok;

	for (int i = 0; i < SHA256_BLOCK_LEN; i++)
		padded[i] = block[i] ^ pad;
	ok = EVP_DigestInit_ex(state, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(state, padded, sizeof(padded)) == 1;
	twp_crypto_wipe(padded, sizeof(padded));
	return ok;
}

/* Prepares the two states for a key of any length. */
TwpMac *
twp_crypto_mac_create(MemoryContext context, const uint8 *key, size_t len)
{
	TwpMac	   *mac = MemoryContextAllocZero(context, sizeof(TwpMac));
	uint8		block[SHA256_BLOCK_LEN] = {0};
	bool		ok = true;

	mac->on_reset.func = mac_release;
	mac->on_reset.arg = mac;
	MemoryContextRegisterResetCallback(context, &mac->on_reset);

	if (len > sizeof(block))
		ok = EVP_Digest(key, len, block, NULL, EVP_sha256(), NULL) == 1;
	else if (len > 0)
		memcpy(block, key, len);

	mac->inner = EVP_MD_CTX_new();
	mac->outer = EVP_MD_CTX_new();
	mac->work = EVP_MD_CTX_new();
	ok = ok && mac->inner && mac->outer && mac->work &&
		mac_start(mac->inner, block, 0x36) && mac_start(mac->outer, block, 0x5c);
	twp_crypto_wipe(block, sizeof(block));
	if (!ok)
		twp_crypto_fail("HMAC-SHA-256");
	return mac;
}

/* Computes HMAC-SHA-256(key, prefix || data). */
void
twp_crypto_mac(TwpMac *mac, const void *prefix, size_t prefix_len,
			   const void *data, size_t len, uint8 out[TWP_MAC_LEN])
{
	uint8		digest[TWP_MAC_LEN];

	if (EVP_MD_CTX_copy_ex(mac->work, mac->inner) != 1 ||
		EVP_DigestUpdate(mac->work, prefix, prefix_len) != 1 ||
		EVP_DigestUpdate(mac->work, data, len) != 1 ||
		EVP_DigestFinal_ex(mac->work, digest, NULL) != 1 ||
		EVP_MD_CTX_copy_ex(mac->work, mac->outer) != 1 ||
		EVP_DigestUpdate(mac->work, digest, sizeof(digest)) != 1 ||
		EVP_DigestFinal_ex(mac->work, out, NULL) != 1)
		twp_crypto_fail("HMAC-SHA-256");
}

/* Derives a key by HKDF-SHA-256 (extract and expand). */
void
twp_crypto_hkdf(const uint8 *secret, size_t secret_len,
				const uint8 *salt, size_t salt_len,
				const uint8 *info, size_t info_len,
				uint8 *out, size_t out_len)
{
	static char digest[] = "SHA256";
	EVP_KDF    *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *state = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM	params[5];
	int			n = 0;
	bool		ok;

	params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconstify(uint8 *, secret), secret_len);
	if (salt != NULL && salt_len > 0)
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, unconstify(uint8 *, salt), salt_len);
	if (info_len > 0)
		params[n++] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, unconstify(uint8 *, info), info_len);
	params[n] = OSSL_PARAM_construct_end();

	ok = state != NULL && EVP_KDF_derive(state, out, out_len, params) == 1;
	EVP_KDF_CTX_free(state);
	EVP_KDF_free(kdf);
	if (!ok)
		twp_crypto_fail("HKDF-SHA-256");
}

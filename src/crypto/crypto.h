/*
 * crypto.h - the primitives, all from OpenSSL; this room knows no catalog.
 *
 * Glossary.  MAC: HMAC-SHA-256.  KDF: HKDF-SHA-256 (RFC 5869).  Wrap: AES key
 * wrap (RFC 3394).  SIV: AES-SIV (RFC 5297).  Block: one raw AES-256 block.
 *
 * Contract: a handle lives in the memory context it was made in; when that
 * context is reset or deleted, on success or error alike, the OpenSSL objects
 * are freed, which wipes their keys.  Verifying functions return false for a
 * wrong tag and nothing else; a failure of the library raises XX000.  No
 * function puts key or plain text into a message.
 */
#ifndef TWP_CRYPTO_H
#define TWP_CRYPTO_H

#include "postgres.h"

#define TWP_KEY_LEN 32
#define TWP_MAC_LEN 32
#define TWP_WRAPPED_LEN (TWP_KEY_LEN + 8)
#define TWP_BLOCK_LEN 16
#define TWP_SIV_TAG_LEN 16
#define TWP_SIV_KEY_LEN 64

/* A run of bytes somebody else owns. */
typedef struct TwpBytes
{
	const uint8 *data;
	size_t		len;
} TwpBytes;

/* HMAC-SHA-256 under one key; some 80 ns for a short message. */
typedef struct TwpMac TwpMac;

extern TwpMac *twp_crypto_mac_create(MemoryContext context, const uint8 *key, size_t len);
/* MAC of prefix || data. */
extern void twp_crypto_mac(TwpMac *mac, const void *prefix, size_t prefix_len,
						   const void *data, size_t len, uint8 out[TWP_MAC_LEN]);

/* HKDF-SHA-256; salt may be NULL. */
extern void twp_crypto_hkdf(const uint8 *secret, size_t secret_len,
							const uint8 *salt, size_t salt_len,
							const uint8 *info, size_t info_len,
							uint8 *out, size_t out_len);

/* One AES block at a time (key of 16, 24 or 32 bytes): for FF1 and permutations. */
typedef struct TwpAes TwpAes;

extern TwpAes *twp_crypto_aes_create(MemoryContext context, const uint8 *key, size_t len);
extern void twp_crypto_aes_block(TwpAes *aes, const uint8 in[TWP_BLOCK_LEN],
								 uint8 out[TWP_BLOCK_LEN]);

/* Key wrap of a 32-byte key; unwrap returns false when it does not verify. */
extern void twp_crypto_wrap(const uint8 kek[TWP_KEY_LEN], const uint8 key[TWP_KEY_LEN],
							uint8 out[TWP_WRAPPED_LEN]);
extern bool twp_crypto_unwrap(const uint8 kek[TWP_KEY_LEN], const uint8 wrapped[TWP_WRAPPED_LEN],
							  uint8 out[TWP_KEY_LEN]);

/* AES-SIV: deterministic, authenticated.  Key of 32, 48 or 64 bytes. */
typedef struct TwpSiv TwpSiv;

extern TwpSiv *twp_crypto_siv_create(MemoryContext context, const uint8 *key, size_t len);
/* out: tag followed by len bytes of cipher text. */
extern void twp_crypto_siv_seal(TwpSiv *siv, const TwpBytes *ad, int n_ad,
								const uint8 *plain, size_t len, uint8 *out);
/* in: tag and cipher text, len bytes in all; out: len - TWP_SIV_TAG_LEN bytes. */
extern bool twp_crypto_siv_open(TwpSiv *siv, const TwpBytes *ad, int n_ad,
								const uint8 *in, size_t len, uint8 *out);

/*
 * FF1 (NIST SP 800-38G): encrypts numerals below radix in place.  False, with
 * nothing changed, unless radix is 2..65536, every numeral is below it,
 * 2 <= n <= TWP_FF1_MAX_LEN and radix^n >= 1,000,000.
 */
#define TWP_FF1_MAX_LEN 1024

extern bool twp_crypto_ff1(TwpAes *aes, bool encrypt, uint32 radix, const uint8 *tweak, size_t tweak_len,
						   uint32 *digits, int n);

/* This process is about to hold a key: no core dumps of it. */
extern void twp_crypto_forbid_dumps(void);

extern void twp_crypto_random(void *buf, size_t len);
extern void twp_crypto_wipe(void *buf, size_t len);
/* Compares in time that depends on len only. */
extern bool twp_crypto_equal(const void *a, const void *b, size_t len);

#endif							/* TWP_CRYPTO_H */

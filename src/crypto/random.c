/*
 * random.c - random bytes, wiping, constant-time comparison, library failure.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"

/* Raises the library's failure; its reason names functions, never data. */
void
twp_crypto_fail(const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("cryptographic operation failed: %s", what),
			 reason != NULL ? errdetail_log("OpenSSL: %s.", reason) : 0));
}

/* Fills the buffer from OpenSSL's generator for private values. */
void
twp_crypto_random(void *buf, size_t len)
{
	if (RAND_priv_bytes(buf, (int) len) != 1)
		twp_crypto_fail("random bytes");
}

/* Overwrites a secret in a way the compiler cannot remove. */
void
twp_crypto_wipe(void *buf, size_t len)
{
	OPENSSL_cleanse(buf, len);
}

/* Compares without telling by its time where the difference lies. */
bool
twp_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/*
 * crypto_internal.h - shared by the files of the crypto room.
 */
#ifndef TWP_CRYPTO_INTERNAL_H
#define TWP_CRYPTO_INTERNAL_H

#include "postgres.h"

#include <openssl/evp.h>

#include "base/compat.h"

/* Raises XX000: the library refused or ran out of memory. */
pg_noreturn extern void twp_crypto_fail(const char *what);

/*
 * Fetches a cipher once in the life of the process: a look-up walks the
 * provider's tables under locks and costs more than what is done with it.
 */
extern const EVP_CIPHER *twp_crypto_cipher(EVP_CIPHER **known, const char *name);

#endif							/* TWP_CRYPTO_INTERNAL_H */

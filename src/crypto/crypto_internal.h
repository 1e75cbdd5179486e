/*
 * crypto_internal.h - shared by the files of the crypto room.
 */
#ifndef TWP_CRYPTO_INTERNAL_H
#define TWP_CRYPTO_INTERNAL_H

#include "postgres.h"

#include "base/compat.h"

/* Raises XX000: the library refused or ran out of memory. */
pg_noreturn extern void twp_crypto_fail(const char *what);

#endif							/* TWP_CRYPTO_INTERNAL_H */

/*
 * crypto_internal.h - shared by the files of the crypto room.
 */
#ifndef TWP_CRYPTO_INTERNAL_H
#define TWP_CRYPTO_INTERNAL_H

#include "postgres.h"

/* Raises XX000: the library refused or ran out of memory. */
extern void twp_crypto_fail(const char *what) pg_attribute_noreturn();

#endif							/* TWP_CRYPTO_INTERNAL_H */

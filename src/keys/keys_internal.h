/*
 * keys_internal.h - shared by the files of the keys room.
 */
#ifndef TWP_KEYS_INTERNAL_H
#define TWP_KEYS_INTERNAL_H

#include "postgres.h"

#include "keys/keys.h"

#define TWP_DOMAIN_TABLE "pseudonym_domain"
#define TWP_DOMAIN_INDEX "pseudonym_domain_pkey"
#define TWP_KEY_TABLE "pseudonym_key"
#define TWP_KEY_INDEX "pseudonym_key_pkey"

#define TWP_MASTER_ID_LEN 8

/* provider.c */
extern void twp_keys_provider_init(void);
/* Reads the master key into key; the caller wipes it.  Raises TP005. */
extern void twp_keys_master(uint8 key[TWP_KEY_LEN]);
/* Reads the master key before the last change; false when none is set. */
extern bool twp_keys_previous_master(uint8 key[TWP_KEY_LEN]);
/* A public name of a master key, to tell one from another. */
extern void twp_keys_master_id(const uint8 key[TWP_KEY_LEN], uint8 id[TWP_MASTER_ID_LEN]);

/* store.c */
extern void twp_keys_store_init(void);

/* wrap.c */
extern void twp_keys_unwrap(int32 domain_id, int16 version, const uint8 wrapped[TWP_WRAPPED_LEN],
							const uint8 master_id[TWP_MASTER_ID_LEN], uint8 key[TWP_KEY_LEN]);
/* Wraps a new random data key for the slot; fills its wrapped form and the master key's id. */
extern void twp_keys_wrap_new(int32 domain_id, int16 version, uint8 wrapped[TWP_WRAPPED_LEN],
							  uint8 master_id[TWP_MASTER_ID_LEN]);
/*
 * Wraps a slot's key under the current master key in place; false when it is
 * already.  Raises TP005 when neither master key opens it.
 */
extern bool twp_keys_rewrap(int32 domain_id, int16 version, uint8 wrapped[TWP_WRAPPED_LEN],
							uint8 master_id[TWP_MASTER_ID_LEN]);

#endif							/* TWP_KEYS_INTERNAL_H */

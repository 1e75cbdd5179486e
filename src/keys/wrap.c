/*
 * wrap.c - data keys wrapped by the master key, each bound to its slot.
 *
 * The key that wraps a data key is derived from the master key, the domain's
 * number and the version, so that rows changed about in the table do not
 * unwrap.  Each row names its master key: after a change of master keys both are
 * usable until every row is wrapped anew.
 *
 * Memory: secrets lie on the stack and are wiped on every way out.
 */
#include "postgres.h"

#include "base/errors.h"
#include "keys/keys_internal.h"

/* Derives the key that wraps one slot. */
static void
slot_key(const uint8 master[TWP_KEY_LEN], int32 domain_id, int16 version, uint8 out[TWP_KEY_LEN])
{
	char		info[64];
	int			n = snprintf(info, sizeof(info), "twin_privacy/wrap/%d/%d", domain_id, version);

	twp_crypto_hkdf(master, TWP_KEY_LEN, NULL, 0, (const uint8 *) info, n, out, TWP_KEY_LEN);
}

/* Wraps a data key for a slot under the current master key. */
static void
wrap(int32 domain_id, int16 version, const uint8 key[TWP_KEY_LEN], uint8 wrapped[TWP_WRAPPED_LEN],
	 uint8 master_id[TWP_MASTER_ID_LEN])
{
	uint8		secret[2][TWP_KEY_LEN]; /* master and slot key */

	PG_TRY();
	{
		twp_keys_master(secret[0]);
		twp_keys_master_id(secret[0], master_id);
		slot_key(secret[0], domain_id, version, secret[1]);
		twp_crypto_wrap(secret[1], key, wrapped);
	}
	PG_FINALLY();
	{
		twp_crypto_wipe(secret, sizeof(secret));
	}
	PG_END_TRY();
}

/* Wraps a new random data key for a slot. */
void
twp_keys_wrap_new(int32 domain_id, int16 version, uint8 wrapped[TWP_WRAPPED_LEN],
				  uint8 master_id[TWP_MASTER_ID_LEN])
{
	uint8		key[TWP_KEY_LEN];

	PG_TRY();
	{
		twp_crypto_random(key, TWP_KEY_LEN);
		wrap(domain_id, version, key, wrapped, master_id);
	}
	PG_FINALLY();
	{
		twp_crypto_wipe(key, sizeof(key));
	}
	PG_END_TRY();
}

/* Reads the master key of that name: the current one, else the previous one. */
static bool
find_master(const uint8 master_id[TWP_MASTER_ID_LEN], uint8 master[TWP_KEY_LEN])
{
	uint8		id[TWP_MASTER_ID_LEN];

	twp_keys_master(master);
	twp_keys_master_id(master, id);
	if (twp_crypto_equal(id, master_id, TWP_MASTER_ID_LEN))
		return true;
	if (!twp_keys_previous_master(master))
		return false;
	twp_keys_master_id(master, id);
	return twp_crypto_equal(id, master_id, TWP_MASTER_ID_LEN);
}

/* Unwraps a stored key, or raises TP005. */
void
twp_keys_unwrap(int32 domain_id, int16 version, const uint8 wrapped[TWP_WRAPPED_LEN],
				const uint8 master_id[TWP_MASTER_ID_LEN], uint8 key[TWP_KEY_LEN])
{
	uint8		secret[2][TWP_KEY_LEN]; /* master and slot key */
	bool		ok = false;

	PG_TRY();
	{
		if (find_master(master_id, secret[0]))
		{
			slot_key(secret[0], domain_id, version, secret[1]);
			ok = twp_crypto_unwrap(secret[1], wrapped, key);
		}
	}
	PG_FINALLY();
	{
		twp_crypto_wipe(secret, sizeof(secret));
	}
	PG_END_TRY();
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("a pseudonym key cannot be unwrapped"),
				 errhint("Give the server the master key the domain's keys were wrapped with.")));
}

/* Wraps a slot's key under the current master key; false when it is already. */
bool
twp_keys_rewrap(int32 domain_id, int16 version, uint8 wrapped[TWP_WRAPPED_LEN],
				uint8 master_id[TWP_MASTER_ID_LEN])
{
	uint8		before[TWP_MASTER_ID_LEN];
	uint8		key[TWP_KEY_LEN];

	memcpy(before, master_id, sizeof(before));
	PG_TRY();
	{
		twp_keys_unwrap(domain_id, version, wrapped, master_id, key);
		wrap(domain_id, version, key, wrapped, master_id);
	}
	PG_FINALLY();
	{
		twp_crypto_wipe(key, sizeof(key));
	}
	PG_END_TRY();
	return memcmp(before, master_id, sizeof(before)) != 0;
}

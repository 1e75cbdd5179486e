/*
 * status.c - whether the master key can be read, and which it is.
 *
 * The id is what wrapped keys carry beside them: it tells one master key from
 * another and nothing about it.  Raises TP005 when the key is not available.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "keys/keys_internal.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_keys_master_key_id);

TWP_EXPORT Datum twp_keys_master_key_id(PG_FUNCTION_ARGS);

/* master_key_id(): reads the master key and gives its public name. */
Datum
twp_keys_master_key_id(PG_FUNCTION_ARGS)
{
	uint8		key[TWP_KEY_LEN];
	bytea	   *id = palloc(VARHDRSZ + TWP_MASTER_ID_LEN);

	twp_keys_master(key);
	SET_VARSIZE(id, VARHDRSZ + TWP_MASTER_ID_LEN);
	twp_keys_master_id(key, (uint8 *) VARDATA(id));
	twp_crypto_wipe(key, sizeof(key));
	PG_RETURN_BYTEA_P(id);
}

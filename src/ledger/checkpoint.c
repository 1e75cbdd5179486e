/*
 * checkpoint.c - signed heads to keep elsewhere, and opening a damaged ledger.
 *
 * A checkpoint is a head and a time signed with an Ed25519 key that the
 * server's user reads from a file; whoever holds the public key can check
 * with any tool that this server attested the head, and verify_ledger() that
 * today's ledger still continues it.
 *
 * Failure: raises.  The private key lives only while it signs.
 */
#include "postgres.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "common/base64.h"
#include "fmgr.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_ledger_checkpoint);
PG_FUNCTION_INFO_V1(twp_ledger_checkpoint_valid);
PG_FUNCTION_INFO_V1(twp_ledger_seal_damaged);

#define SIGNATURE_LEN 64
#define SIGNED_PREFIX "twin_privacy ledger checkpoint v1"

char	   *twp_ledger_signing_key_file = NULL;

/* Raises that no signature can be made. */
static void
no_key(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_NOT_READY),
			 errmsg("the ledger's signing key cannot be read"),
			 errdetail_log("%s", detail),
			 errhint("Make one with \"openssl genpkey -algorithm ed25519\", owned by the server's user, mode 0600, "
					 "and name it in twin_privacy.ledger_signing_key_file.")));
}

/* Reads the private key. */
static EVP_PKEY *
read_signing_key(void)
{
	EVP_PKEY   *key;
	struct stat st;
	FILE	   *file;

	if (twp_ledger_signing_key_file == NULL || twp_ledger_signing_key_file[0] == '\0')
		no_key("The setting is empty.");
	file = AllocateFile(twp_ledger_signing_key_file, "r");
	if (file == NULL)
		no_key("The file cannot be opened.");
	if (fstat(fileno(file), &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		no_key("Group or others can reach the file.");
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	FreeFile(file);
	if (key != NULL && EVP_PKEY_id(key) != EVP_PKEY_ED25519)
	{
		EVP_PKEY_free(key);
		key = NULL;
	}
	if (key == NULL)
		no_key("The file holds no Ed25519 private key.");
	return key;
}

/* The bytes that are signed. */
static char *
signed_message(const char *head, const char *signed_at)
{
	return psprintf("%s\n%s\n%s\n", SIGNED_PREFIX, head, signed_at);
}

/* Signs a message; the signature in base 64. */
static char *
sign(const char *message)
{
	EVP_PKEY   *key = read_signing_key();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[SIGNATURE_LEN];
	size_t		len = sizeof(signature);
	char	   *text;
	bool		ok;
	int			n;

	ok = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(context, signature, &len, (const unsigned char *) message, strlen(message)) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	if (!ok)
		no_key("Signing failed.");
	text = palloc(pg_b64_enc_len((int) len) + 1);
	n = pg_b64_encode((void *) signature, (int) len, text, pg_b64_enc_len((int) len));
	text[Max(n, 0)] = '\0';
	return text;
}

/* Gives the head signed, as JSON. */
Datum
twp_ledger_checkpoint(PG_FUNCTION_ARGS)
{
	char	   *head = TextDatumGetCString(DirectFunctionCall1(twp_ledger_head, (Datum) 0));
	char	   *signed_at = pstrdup(timestamptz_to_str(GetCurrentTimestamp()));
	char	   *signature = sign(signed_message(head, signed_at));
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"algorithm\": \"Ed25519\", \"head\": ");
	escape_json(&json, head);
	appendStringInfoString(&json, ", \"signed_at\": ");
	escape_json(&json, signed_at);
	appendStringInfoString(&json, ", \"signature\": ");
	escape_json(&json, signature);
	appendStringInfoChar(&json, '}');
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* Reads a text field of a checkpoint. */
static char *
checkpoint_field(Jsonb *checkpoint, const char *name)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(checkpoint) ||
		getKeyJsonValueFromContainer(&checkpoint->root, name, strlen(name), &value) == NULL ||
		value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a checkpoint: \"%s\" is missing", name),
				 errhint("Give what twin_privacy.ledger_checkpoint() returned.")));
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* Reads a public key. */
static EVP_PKEY *
parse_public_key(const char *pem)
{
	BIO		   *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY   *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (key == NULL || EVP_PKEY_id(key) != EVP_PKEY_ED25519)
	{
		EVP_PKEY_free(key);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not an Ed25519 public key"),
				 errhint("Give the PEM text that \"openssl pkey -pubout\" prints.")));
	}
	return key;
}

/* Says whether a checkpoint was signed with the key that belongs to a public key. */
Datum
twp_ledger_checkpoint_valid(PG_FUNCTION_ARGS)
{
	Jsonb	   *checkpoint;
	char	   *message;
	char	   *encoded;
	char	   *signature;
	EVP_PKEY   *key;
	EVP_MD_CTX *context;
	bool		valid;
	int			len;

	TWP_REQUIRE_ARG(0, "checkpoint");
	TWP_REQUIRE_ARG(1, "public_key");
	checkpoint = PG_GETARG_JSONB_P(0);
	message = signed_message(checkpoint_field(checkpoint, "head"), checkpoint_field(checkpoint, "signed_at"));
	encoded = checkpoint_field(checkpoint, "signature");
	signature = palloc(pg_b64_dec_len((int) strlen(encoded)) + 1);
	len = pg_b64_decode(encoded, (int) strlen(encoded), (void *) signature, pg_b64_dec_len((int) strlen(encoded)));
	key = parse_public_key(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	context = EVP_MD_CTX_new();
	valid = len == SIGNATURE_LEN && context != NULL &&
		EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestVerify(context, (const unsigned char *) signature, SIGNATURE_LEN,
						 (const unsigned char *) message, strlen(message)) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	PG_RETURN_BOOL(valid);
}

/* Opens a ledger that damage keeps closed, behind the damage, which stays for verify_ledger() to find. */
Datum
twp_ledger_seal_damaged(PG_FUNCTION_ARGS)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	StringInfoData detail;
	TwpAnchor	anchor;
	bool		ok;

	TWP_REQUIRE_ARG(0, "reason");
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "open a damaged ledger");
	if (shared == NULL || !shared->damaged || pg_atomic_read_u32(&shared->state) != TWP_LEDGER_CLOSED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the ledger is not closed because of damage"),
				 errhint("Look at the server log for the reason it cannot record, if it cannot.")));
	LWLockAcquire(shared->flush_lock, LW_EXCLUSIVE);
	/* What the anchor attests was written once: its numbers are not given again. */
	if (twp_anchor_read(shared->directory, &anchor) && anchor.seq > shared->head_seq)
		shared->head_seq = anchor.seq;
	ok = twp_ledger_grow_locked() && twp_ledger_next_segment_locked();
	if (ok)
	{
		shared->next_seq = shared->head_seq + 1;
		shared->damaged = false;
		pg_atomic_write_u32(&shared->state, TWP_LEDGER_OPEN);
	}
	LWLockRelease(shared->flush_lock);
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_LEDGER_UNAVAILABLE),
				 errmsg("a new segment could not be begun"),
				 errhint("Look at the server log.")));
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	appendStringInfoChar(&detail, '}');
	(void) twp_ledger_event_at_once("ledger.seal_damaged", NULL, NULL, detail.data, NULL);
	PG_RETURN_VOID();
}

/*
 * salt.c - forgetting a subject: per-subject salts.
 *
 * A subject without a salt has the pseudonym of its key alone.  Forgetting it
 * gives it a random salt in every domain and live version: from then on its
 * key leads to another pseudonym and another date offset, and nothing that was
 * handed out before can be traced to it by the functions.  Integers masked in
 * their own type keep their image: a permutation cannot move one alone.
 *
 * A salt is found by a tag, the half of the subject's MAC that no pseudonym
 * shows, so the table names nobody; and it is stored added to a MAC of the tag,
 * so the table without the domain's key is useless.  Where nobody was forgotten
 * a value costs nothing more; else one probe of a hash table.
 *
 * Memory: all salts in one static context, dropped on invalidation.  Snapshot:
 * a fresh catalog snapshot, never the transaction's.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define SALT_TABLE "subject_salt"
#define SALT_LEN 16
#define TAG_LEN 16

/* columns of twin_privacy_internal.subject_salt */
#define SALT_DOMAIN 1
#define SALT_VERSION 2
#define SALT_TAG 3
#define SALT_SALT 4

PG_FUNCTION_INFO_V1(twp_pseudonym_forget_sql);

typedef struct SaltKey
{
	int32		domain_id;
	int32		version;
	uint8		tag[TAG_LEN];
} SaltKey;

typedef struct SaltEntry
{
	SaltKey		at;
	uint8		stored[SALT_LEN];
} SaltEntry;

static MemoryContext salt_context = NULL;
static HTAB *salts = NULL;		/* NULL while there are none */
static bool salts_known = false;
static Oid	salt_table = InvalidOid;

/* Forgets what was read when the table (or everything) is invalidated. */
static void
salts_invalidate(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == salt_table)
		salts_known = false;
}

/* Registers the invalidation callback. */
void
twp_pseudonym_salt_init(void)
{
	CacheRegisterRelcacheCallback(salts_invalidate, (Datum) 0);
}

/* Copies a bytea column of known length. */
static void
copy_bytes(HeapTuple tuple, int column, TupleDesc desc, uint8 *out, int len)
{
	bool		isnull;
	bytea	   *bytes = DatumGetByteaPP(heap_getattr(tuple, column, desc, &isnull));

	if (isnull || VARSIZE_ANY_EXHDR(bytes) != len)
		elog(ERROR, "subject salt has a wrong length");
	memcpy(out, VARDATA_ANY(bytes), len);
}

/* Adds one row to the table of salts. */
static void
add_salt(HeapTuple tuple, TupleDesc desc)
{
	HASHCTL		ctl = {.keysize = sizeof(SaltKey), .entrysize = sizeof(SaltEntry), .hcxt = salt_context};
	SaltKey		at = {0};
	SaltEntry  *entry;
	bool		isnull;

	if (salts == NULL)
		salts = hash_create("twin_privacy subject salts", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	at.domain_id = DatumGetInt32(heap_getattr(tuple, SALT_DOMAIN, desc, &isnull));
	at.version = DatumGetInt16(heap_getattr(tuple, SALT_VERSION, desc, &isnull));
	copy_bytes(tuple, SALT_TAG, desc, at.tag, TAG_LEN);
	entry = hash_search(salts, &at, HASH_ENTER, NULL);
	copy_bytes(tuple, SALT_SALT, desc, entry->stored, SALT_LEN);
}

/* Reads all salts.  The mark is set first: an invalidation while reading clears it again. */
static void
read_salts(void)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (salt_context == NULL)
		salt_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy subject salts",
											 ALLOCSET_DEFAULT_SIZES);
	salts = NULL;
	MemoryContextReset(salt_context);
	salt_table = twp_catalog_internal_relid(SALT_TABLE);
	rel = table_open(salt_table, AccessShareLock);
	salts_known = true;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
		add_salt(tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Adds the MAC of a tag to a salt: hides it, and, done again, shows it. */
static void
add_pad(TwpDomain *domain, const uint8 tag[TAG_LEN], uint8 salt[SALT_LEN])
{
	uint8		pad[TWP_MAC_LEN];

	twp_crypto_mac(twp_pseudonym_salt_mac(domain), "s", 1, tag, TAG_LEN, pad);
	for (int i = 0; i < SALT_LEN; i++)
		salt[i] ^= pad[i];
	twp_crypto_wipe(pad, sizeof(pad));
}

/* Computes the MAC of a value with its salt, under a tag no value without one has. */
static void
salted_mac(TwpMac *mac, const TwpCanonical *canonical, const uint8 salt[SALT_LEN], uint8 out[TWP_MAC_LEN])
{
	uint8	   *data = palloc(canonical->len + SALT_LEN);
	uint8		tag = canonical->tag - 'a' + 'A';

	memcpy(data, canonical->data, canonical->len);
	memcpy(data + canonical->len, salt, SALT_LEN);
	twp_crypto_mac(mac, &tag, 1, data, canonical->len + SALT_LEN, out);
	pfree(data);
}

/* Computes the MAC of a canonical value under one of the domain's keys, with its salt if it has one. */
void
twp_pseudonym_mac(TwpDomain *domain, TwpMac *mac, const TwpCanonical *canonical, uint8 out[TWP_MAC_LEN])
{
	SaltKey		at = {0};
	SaltEntry  *entry;
	uint8		salt[SALT_LEN];

	twp_crypto_mac(mac, &canonical->tag, 1, canonical->data, canonical->len, out);
	if (!salts_known)
		read_salts();
	if (salts == NULL)
		return;
	at.domain_id = domain->key->domain_id;
	at.version = domain->key->version;
	memcpy(at.tag, out + TWP_PSEUDONYM_MAC_LEN, TAG_LEN);
	entry = hash_search(salts, &at, HASH_FIND, NULL);
	if (entry == NULL)
		return;
	memcpy(salt, entry->stored, SALT_LEN);
	add_pad(domain, at.tag, salt);
	salted_mac(mac, canonical, salt, out);
}

/* Gives a value a new salt under one of the domain's keys. */
static void
store_salt(TwpDomain *domain, TwpMac *mac, const TwpCanonical *canonical)
{
	uint8		digest[TWP_MAC_LEN];
	bytea	   *tag = palloc(VARHDRSZ + TAG_LEN);
	bytea	   *salt = palloc(VARHDRSZ + SALT_LEN);
	Oid			types[] = {INT4OID, INT2OID, BYTEAOID, BYTEAOID};
	Datum		values[] = {Int32GetDatum(domain->key->domain_id), Int16GetDatum(domain->key->version),
	PointerGetDatum(tag), PointerGetDatum(salt)};

	twp_crypto_mac(mac, &canonical->tag, 1, canonical->data, canonical->len, digest);
	SET_VARSIZE(tag, VARHDRSZ + TAG_LEN);
	SET_VARSIZE(salt, VARHDRSZ + SALT_LEN);
	memcpy(VARDATA(tag), digest + TWP_PSEUDONYM_MAC_LEN, TAG_LEN);
	/* the bytes drawn are the sum of salt and pad: as random as either */
	twp_crypto_random(VARDATA(salt), SALT_LEN);
	twp_sql_exec("INSERT INTO twin_privacy_internal.subject_salt (domain_id, version, tag, salt) VALUES ($1, $2, $3, $4)"
				 " ON CONFLICT (domain_id, version, tag) DO UPDATE SET salt = excluded.salt",
				 4, types, values, NULL);
}

/* Gives a subject new salts under one key version; its text may be a key of several kinds. */
static void
forget_under(const char *domain_name, int version, const char *subject_text)
{
	static const TwpSubjectKind kinds[] = {TWP_SUBJECT_TEXT, TWP_SUBJECT_INT, TWP_SUBJECT_UUID};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy forgetting",
												  ALLOCSET_SMALL_SIZES);
	TwpDomain  *domain = twp_pseudonym_open_version(domain_name, version, context);

	for (int i = 0; i < lengthof(kinds); i++)
	{
		TwpSubject	subject;
		TwpCanonical canonical;

		if (!twp_subject_from_text(&subject, kinds[i], subject_text))
			continue;
		twp_pseudonym_canonical_subject(&subject, &canonical);
		store_salt(domain, domain->mac, &canonical);
		store_salt(domain, twp_pseudonym_shift_mac(domain), &canonical);
	}
	MemoryContextDelete(context);
}

/* Forgets the pseudonyms and date offsets of a subject in every domain. */
void
twp_pseudonym_forget_subject(const char *subject)
{
	SPITupleTable *keys;
	uint64		n;

	twp_sql_connect();
	twp_sql_exec("SELECT d.name, k.version::int4 FROM twin_privacy_internal.pseudonym_domain d"
				 " JOIN twin_privacy_internal.pseudonym_key k ON k.domain_id OPERATOR(pg_catalog.=) d.domain_id"
				 " WHERE k.wrapped IS NOT NULL", 0, NULL, NULL, NULL);
	keys = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		forget_under(SPI_getvalue(keys->vals[i], keys->tupdesc, 1),
					 DatumGetInt32(SPI_getbinval(keys->vals[i], keys->tupdesc, 2, &isnull)), subject);
	}
	twp_sql_finish();
	twp_catalog_announce(SALT_TABLE);
	/* this session must not go on with what it knew, either */
	salts_known = false;
	twp_event_emit("pseudonym.forget", NULL, subject, NULL);
}

/* forget_pseudonyms(subject text) -> void (registrar) */
Datum
twp_pseudonym_forget_sql(PG_FUNCTION_ARGS)
{
	TWP_REQUIRE_ARG(0, "subject");
	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "forget a subject's pseudonyms");
	twp_pseudonym_forget_subject(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/*
 * store.c - reads domains and wrapped keys, unwraps, and caches what it opened.
 *
 * Locks: AccessShareLock on the two tables while reading.  Snapshot: a fresh
 * catalog snapshot for each scan, never the transaction's.  Memory: unwrapped
 * keys lie in one static context whose reset callback wipes them.  Failure:
 * TP005 for whatever is missing, destroyed, or wrapped by another master key.
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/news.h"
#include "keys/keys_internal.h"
#include "port/pg_bswap.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* columns of twin_privacy_internal.pseudonym_domain */
#define DOMAIN_ID 1
#define DOMAIN_NAME 2
#define DOMAIN_MAX_SHIFT 3

/* columns of twin_privacy_internal.pseudonym_key */
#define KEY_DOMAIN 1
#define KEY_VERSION 2
#define KEY_WRAPPED 3
#define KEY_MASTER_ID 4

typedef struct KeyRow
{
	int16		version;
	bool		destroyed;
	uint8		wrapped[TWP_WRAPPED_LEN];
	uint8		master_id[TWP_MASTER_ID_LEN];
} KeyRow;

/* An opened key in the cache; version 0 in the look-up key means the newest. */
typedef struct CacheKey
{
	int32		domain_id;
	int32		version;
} CacheKey;

typedef struct CacheEntry
{
	CacheKey	at;
	char	   *name;
	int32		max_shift_days;
	int16		version;		/* the real one */
	uint8		key[TWP_KEY_LEN];
} CacheEntry;

static MemoryContext cache_context = NULL;
static HTAB *cache = NULL;
static Oid	cached_domain_table = InvalidOid;
static Oid	cached_key_table = InvalidOid;
uint64		twp_keys_generation = 1;

/* Wipes every unwrapped key and forgets them. */
static void
cache_drop(void)
{
	HASH_SEQ_STATUS scan;
	CacheEntry *entry;

	twp_keys_generation++;
	if (cache == NULL)
		return;
	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
		twp_crypto_wipe(entry->key, TWP_KEY_LEN);
	cache = NULL;
	MemoryContextReset(cache_context);
}

/* Drops the cache when one of the two tables (or everything) is invalidated. */
static void
cache_invalidate(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == cached_domain_table || relid == cached_key_table)
		cache_drop();
}

/* Wipes the cache at the backend's end. */
static void
cache_at_exit(int code, Datum arg)
{
	cache_drop();
}

/* Makes the cache on first use; knows then which tables it came from. */
static void
cache_prepare(void)
{
	static bool exit_registered = false;
	HASHCTL		ctl = {.keysize = sizeof(CacheKey), .entrysize = sizeof(CacheEntry)};

	if (cache != NULL)
		return;
	if (!exit_registered)
	{
		before_shmem_exit(cache_at_exit, (Datum) 0);
		exit_registered = true;
	}
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy data keys",
											  ALLOCSET_SMALL_SIZES);
	ctl.hcxt = cache_context;
	cached_domain_table = twp_catalog_internal_relid(TWP_DOMAIN_TABLE);
	cached_key_table = twp_catalog_internal_relid(TWP_KEY_TABLE);
	cache = hash_create("twin_privacy data keys", 16, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Registers the invalidation callback. */
void
twp_keys_store_init(void)
{
	twp_news_listen(cache_invalidate);
}

/* Numbers a domain name: the first 31 bits of its SHA-256, never zero. */
int32
twp_keys_domain_id(const char *name)
{
	uint8		digest[32];
	uint32		number;

	if (name[0] == '\0' || name[0] == '#' || strlen(name) > TWP_DOMAIN_NAME_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid pseudonym domain name"),
				 errhint("A name has 1 to %d bytes and does not begin with \"#\".", TWP_DOMAIN_NAME_MAX)));
	if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL) != 1)
		elog(ERROR, "SHA-256 failed");
	memcpy(&number, digest, sizeof(number));
	number = pg_ntoh32(number) & PG_INT32_MAX;
	return number == 0 ? 1 : (int32) number;
}

/* Reads one domain; false when there is none.  The name is palloc'd. */
static bool
read_domain(int32 domain_id, char **name, int32 *max_shift_days)
{
	Relation	rel = table_open(twp_catalog_internal_relid(TWP_DOMAIN_TABLE), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, DOMAIN_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(domain_id));
	scan = systable_beginscan(rel, twp_catalog_internal_relid(TWP_DOMAIN_INDEX), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		*name = TextDatumGetCString(heap_getattr(tuple, DOMAIN_NAME, RelationGetDescr(rel), &isnull));
		*max_shift_days = DatumGetInt32(heap_getattr(tuple, DOMAIN_MAX_SHIFT, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* Copies one row of the key table. */
static void
copy_key_row(HeapTuple tuple, TupleDesc desc, KeyRow *row)
{
	bool		isnull;
	Datum		value;
	bytea	   *bytes;

	row->version = DatumGetInt16(heap_getattr(tuple, KEY_VERSION, desc, &isnull));
	value = heap_getattr(tuple, KEY_WRAPPED, desc, &row->destroyed);
	if (row->destroyed)
		return;
	bytes = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(bytes) != TWP_WRAPPED_LEN)
		elog(ERROR, "wrapped key has a wrong length");
	memcpy(row->wrapped, VARDATA_ANY(bytes), TWP_WRAPPED_LEN);
	bytes = DatumGetByteaPP(heap_getattr(tuple, KEY_MASTER_ID, desc, &isnull));
	if (VARSIZE_ANY_EXHDR(bytes) != TWP_MASTER_ID_LEN)
		elog(ERROR, "master key id has a wrong length");
	memcpy(row->master_id, VARDATA_ANY(bytes), TWP_MASTER_ID_LEN);
}

/* Reads a domain's keys, all or one version, newest first; returns their number. */
static int
read_keys(int32 domain_id, int version, KeyRow **rows)
{
	Relation	rel = table_open(twp_catalog_internal_relid(TWP_KEY_TABLE), AccessShareLock);
	Relation	index = index_open(twp_catalog_internal_relid(TWP_KEY_INDEX), AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	int			size = 4;

	*rows = palloc(size * sizeof(KeyRow));
	ScanKeyInit(&keys[0], KEY_DOMAIN, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(domain_id));
	ScanKeyInit(&keys[1], KEY_VERSION, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(version));
	scan = systable_beginscan_ordered(rel, index, NULL, version == 0 ? 1 : 2, keys);
	while ((tuple = systable_getnext_ordered(scan, BackwardScanDirection)) != NULL)
	{
		if (n == size)
			*rows = repalloc(*rows, (size *= 2) * sizeof(KeyRow));
		copy_key_row(tuple, RelationGetDescr(rel), &(*rows)[n++]);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return n;
}

/* Raises TP005: the caller may use the domain, so may hear what is wrong with it. */
static void
no_key(const char *name, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_NOT_READY),
			 version == 0 ? errmsg("pseudonym domain \"%s\" has no usable key", name) :
			 errmsg("key version %d of pseudonym domain \"%s\" does not exist or was destroyed", version, name),
			 errhint("Create the domain with twin_privacy.create_pseudonym_domain() or a new key with "
					 "twin_privacy.rotate_pseudonym_key().")));
}

/*
 * Finds an opened key in the cache or opens it.  A destroyed newest version is
 * not replaced by an older one: that would make values nobody asked for.
 */
static CacheEntry *
open_entry(int32 domain_id, const char *expected_name, int version)
{
	CacheKey	at = {domain_id, version};
	CacheEntry *entry;
	char	   *name = NULL;
	int32		max_shift_days = 0;
	KeyRow	   *rows;
	uint8		key[TWP_KEY_LEN];
	uint64		seen;

	/* take in what other backends announced before trusting the cache */
	AcceptInvalidationMessages();
	cache_prepare();
	entry = hash_search(cache, &at, HASH_FIND, NULL);
	if (entry != NULL && (expected_name == NULL || strcmp(entry->name, expected_name) == 0))
		return entry;

	/* reading may take in an invalidation: then what was read first may be stale */
	do
	{
		seen = twp_keys_generation;
		cache_prepare();
		if (!read_domain(domain_id, &name, &max_shift_days) ||
			(expected_name != NULL && strcmp(name, expected_name) != 0))
			no_key(expected_name ? expected_name : psprintf("#%d", domain_id), version);
		if (read_keys(domain_id, version, &rows) == 0 || rows[0].destroyed)
			no_key(name, version);
	} while (seen != twp_keys_generation);
	twp_keys_unwrap(domain_id, rows[0].version, rows[0].wrapped, rows[0].master_id, key);

	name = MemoryContextStrdup(cache_context, name);
	entry = hash_search(cache, &at, HASH_ENTER, NULL);
	entry->name = name;
	entry->max_shift_days = max_shift_days;
	entry->version = rows[0].version;
	memcpy(entry->key, key, TWP_KEY_LEN);
	twp_crypto_wipe(key, TWP_KEY_LEN);
	pfree(rows);
	return entry;
}

/* Wipes an opened key with its context. */
static void
data_key_release(void *arg)
{
	TwpDataKey *key = arg;

	twp_crypto_wipe(key->key, TWP_KEY_LEN);
}

/* Hands out a copy of an opened key in the caller's context. */
static TwpDataKey *
copy_out(const CacheEntry *entry, MemoryContext context)
{
	TwpDataKey *key = MemoryContextAllocZero(context, sizeof(TwpDataKey));

	key->on_reset.func = data_key_release;
	key->on_reset.arg = key;
	MemoryContextRegisterResetCallback(context, &key->on_reset);
	key->domain_id = entry->at.domain_id;
	key->version = entry->version;
	key->max_shift_days = entry->max_shift_days;
	key->generation = twp_keys_generation;
	memcpy(key->key, entry->key, TWP_KEY_LEN);
	return key;
}

/* Opens a key by the domain's name; version 0 is the newest. */
TwpDataKey *
twp_keys_open(const char *name, int version, MemoryContext context)
{
	return copy_out(open_entry(twp_keys_domain_id(name), name, version), context);
}

/* Opens a key by the domain's number, as stored values carry it. */
TwpDataKey *
twp_keys_open_id(int32 domain_id, int version, MemoryContext context)
{
	return copy_out(open_entry(domain_id, NULL, version), context);
}

/* Finds the number of a domain's newest key: asked whenever a masked query is planned. */
int
twp_keys_newest_version(const char *name)
{
	static uint64 known_generation = 0;
	static int32 known_domain;
	static int	known_version;
	int32		domain_id = twp_keys_domain_id(name);
	KeyRow	   *rows;
	uint64		seen;

	/* without it, invalidations of tables not yet looked up would not be noticed */
	cache_prepare();
	if (known_generation == twp_keys_generation && known_domain == domain_id)
		return known_version;
	do
	{
		seen = twp_keys_generation;
		cache_prepare();
		known_version = read_keys(domain_id, 0, &rows) == 0 ? 0 : rows[0].version;
		pfree(rows);
	} while (seen != twp_keys_generation);
	known_domain = domain_id;
	known_generation = seen;
	return known_version;
}

/* The table of keys, whose change plans that pin a version must notice. */
Oid
twp_keys_relation(void)
{
	return twp_catalog_internal_relid(TWP_KEY_TABLE);
}

/* Lists the live versions of a domain, newest first. */
int
twp_keys_versions(const char *name, int16 **versions)
{
	KeyRow	   *rows;
	int			n = read_keys(twp_keys_domain_id(name), 0, &rows);
	int			live = 0;

	*versions = palloc(Max(n, 1) * sizeof(int16));
	for (int i = 0; i < n; i++)
		if (!rows[i].destroyed)
			(*versions)[live++] = rows[i].version;
	pfree(rows);
	return live;
}

/* Finds the name of a domain number, or NULL. */
char *
twp_keys_domain_name(int32 domain_id)
{
	char	   *name = NULL;
	int32		max_shift_days;

	if (!OidIsValid(twp_catalog_internal_relid_or_invalid(TWP_DOMAIN_TABLE)))
		return NULL;
	return read_domain(domain_id, &name, &max_shift_days) ? name : NULL;
}

/* Derives a key for one purpose; two purposes never share a key. */
void
twp_keys_derive(const TwpDataKey *key, const char *purpose, uint8 *out, size_t len)
{
	twp_crypto_hkdf(key->key, TWP_KEY_LEN, NULL, 0, (const uint8 *) purpose, strlen(purpose), out, len);
}

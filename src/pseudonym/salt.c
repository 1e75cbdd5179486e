/*
 * salt.c - forgotten subjects: how their values come out.
 *
 * A subject without a salt has the pseudonym of its key alone.  Forgetting it
 * (forget.c) gives it a random salt in every domain and live version: from then
 * on its key leads to another pseudonym and another date offset, the other
 * identifiers in its rows are salted with it, too, and nothing that was handed
 * out before can be traced to it by the functions.
 *
 * Integers masked in their own type have no room for a salt.  A forgotten number
 * instead takes the image of a partner: a random number of the other sign, which
 * keys hardly ever are, and the partner takes its own.  So the mask stays a
 * permutation.  Other integers in a forgotten subject's row cannot be moved so
 * and are masked by NULL.
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
#include "base/news.h"
#include "port/pg_bswap.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* columns of twin_privacy_internal.subject_salt */
#define SALT_DOMAIN 1
#define SALT_VERSION 2
#define SALT_TAG 3
#define SALT_SALT 4

typedef struct SaltKey
{
	int32		domain_id;
	int32		version;
	uint8		tag[TWP_SALT_TAG_LEN];
} SaltKey;

typedef struct SaltEntry
{
	SaltKey		at;
	uint8		stored[TWP_SALT_LEN];
} SaltEntry;

static MemoryContext salt_context = NULL;
static HTAB *salts = NULL;		/* NULL while there are none */
static uint64 salts_news = 1;	/* changes heard of */
static uint64 salts_read = 0;	/* how many there were when all salts were read */
static Oid	salt_table = InvalidOid;

/* Forgets what was read when the table (or everything) is invalidated. */
static void
salts_invalidate(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == salt_table)
		salts_news++;
}

/* Registers the invalidation callback. */
void
twp_pseudonym_salt_init(void)
{
	twp_news_listen(salts_invalidate);
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
	copy_bytes(tuple, SALT_TAG, desc, at.tag, TWP_SALT_TAG_LEN);
	entry = hash_search(salts, &at, HASH_ENTER, NULL);
	copy_bytes(tuple, SALT_SALT, desc, entry->stored, TWP_SALT_LEN);
}

/*
 * Reads all salts.  What is cut short (a cancelled statement) counts as not
 * read: with some salts missing, forgotten subjects would come out as before.
 */
static void
read_salts(void)
{
	uint64		news;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	salts_read = 0;
	if (salt_context == NULL)
		salt_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy subject salts",
											 ALLOCSET_DEFAULT_SIZES);
	salts = NULL;
	MemoryContextReset(salt_context);
	salt_table = twp_catalog_internal_relid(TWP_SALT_TABLE);
	rel = table_open(salt_table, AccessShareLock);
	news = salts_news;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
		add_salt(tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	salts_read = news;
}

/* What was read is stale: this session has just written. */
void
twp_pseudonym_salts_changed(void)
{
	salts_news++;
}

/* Finds the stored salt of a tag, or NULL. */
static const uint8 *
find_stored(const TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN])
{
	SaltKey		at = {0};
	SaltEntry  *entry;

	at.domain_id = domain->key->domain_id;
	at.version = domain->key->version;
	memcpy(at.tag, tag, TWP_SALT_TAG_LEN);
	entry = hash_search(salts, &at, HASH_FIND, NULL);
	return entry == NULL ? NULL : entry->stored;
}

/* True when anybody was forgotten in any domain. */
static inline bool
any_salts(void)
{
	if (unlikely(salts_read != salts_news))
		read_salts();
	return salts != NULL;
}

/* Adds the MAC of a tag to a salt: hides it, and, done again, shows it. */
static void
add_pad(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], uint8 salt[TWP_SALT_LEN])
{
	uint8		pad[TWP_MAC_LEN];

	twp_crypto_mac(twp_pseudonym_salt_mac(domain), "s", 1, tag, TWP_SALT_TAG_LEN, pad);
	for (int i = 0; i < TWP_SALT_LEN; i++)
		salt[i] ^= pad[i];
	twp_crypto_wipe(pad, sizeof(pad));
}

/* Computes the MAC of a value with a salt, under a tag no value without one has. */
static void
salted_mac(TwpMac *mac, const TwpCanonical *canonical, const uint8 salt[TWP_SALT_LEN], uint8 out[TWP_MAC_LEN])
{
	uint8	   *data = palloc(canonical->len + TWP_SALT_LEN);
	uint8		tag = canonical->tag - 'a' + 'A';

	memcpy(data, canonical->data, canonical->len);
	memcpy(data + canonical->len, salt, TWP_SALT_LEN);
	twp_crypto_mac(mac, &tag, 1, data, canonical->len + TWP_SALT_LEN, out);
	pfree(data);
}

/* Finds the salt of a value whose MAC is given; false when it has none. */
static bool
find_salt(TwpDomain *domain, const uint8 digest[TWP_MAC_LEN], uint8 salt[TWP_SALT_LEN])
{
	const uint8 *tag = digest + TWP_PSEUDONYM_MAC_LEN;
	const uint8 *stored = find_stored(domain, tag);

	if (stored == NULL)
		return false;
	memcpy(salt, stored, TWP_SALT_LEN);
	add_pad(domain, tag, salt);
	return true;
}

/* Computes the MAC of a canonical value under one of the domain's keys, with its salt if it has one. */
void
twp_pseudonym_mac(TwpDomain *domain, TwpMac *mac, const TwpCanonical *canonical, uint8 out[TWP_MAC_LEN])
{
	uint8		salt[TWP_SALT_LEN];

	twp_crypto_mac(mac, &canonical->tag, 1, canonical->data, canonical->len, out);
	if (any_salts() && find_salt(domain, out, salt))
		salted_mac(mac, canonical, salt, out);
}

/* Finds the salt of a forgotten subject; false when it was not forgotten. */
static bool
find_subject_salt(TwpDomain *domain, const TwpSubject *subject, uint8 salt[TWP_SALT_LEN])
{
	TwpCanonical canonical;
	uint8		digest[TWP_MAC_LEN];

	if (!any_salts())
		return false;
	twp_pseudonym_canonical_subject(subject, &canonical);
	twp_crypto_mac(domain->mac, &canonical.tag, 1, canonical.data, canonical.len, digest);
	return find_salt(domain, digest, salt);
}

/*
 * Makes the pseudonym of a value in a subject's row: with the value's own salt
 * if it has one (it is a forgotten subject's key), else with that of the subject.
 */
void
twp_pseudonym_compute_in_row(TwpDomain *domain, const TwpSubject *subject, const TwpCanonical *canonical,
							 TwpPseudonym *value)
{
	uint8		mac[TWP_MAC_LEN];
	uint8		salt[TWP_SALT_LEN];

	twp_crypto_mac(domain->mac, &canonical->tag, 1, canonical->data, canonical->len, mac);
	if (any_salts() && (find_salt(domain, mac, salt) || find_subject_salt(domain, subject, salt)))
		salted_mac(domain->mac, canonical, salt, mac);
	*value = domain->blank;
	memcpy(value->mac, mac, TWP_PSEUDONYM_MAC_LEN);
}

/* Names a number among those of a permutation: an AES block no round of it computes. */
void
twp_pseudonym_number_tag(TwpDomain *domain, int bits, int64 number, uint8 tag[TWP_SALT_TAG_LEN])
{
	uint8		block[TWP_BLOCK_LEN] = {0xff, (uint8) bits};
	uint64		n = pg_hton64((uint64) number);

	StaticAssertStmt(TWP_SALT_TAG_LEN == TWP_BLOCK_LEN, "a tag is a block");
	memcpy(block + 8, &n, sizeof(n));
	twp_crypto_aes_block(twp_pseudonym_permutation(domain), block, tag);
}

/* Adds a MAC of tag and nonce (the first half) to a partner (the second): hides it, and shows it again. */
void
twp_pseudonym_hide_partner(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], uint8 salt[TWP_SALT_LEN])
{
	uint8		data[TWP_SALT_TAG_LEN + TWP_SALT_LEN / 2];
	uint8		pad[TWP_MAC_LEN];

	memcpy(data, tag, TWP_SALT_TAG_LEN);
	memcpy(data + TWP_SALT_TAG_LEN, salt, TWP_SALT_LEN / 2);
	twp_crypto_mac(twp_pseudonym_salt_mac(domain), "p", 1, data, sizeof(data), pad);
	for (int i = 0; i < TWP_SALT_LEN / 2; i++)
		salt[TWP_SALT_LEN / 2 + i] ^= pad[i];
	twp_crypto_wipe(pad, sizeof(pad));
}

/* Reads the partner out of a stored salt. */
int64
twp_pseudonym_partner(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], const uint8 stored[TWP_SALT_LEN])
{
	uint8		salt[TWP_SALT_LEN];
	uint64		n;

	memcpy(salt, stored, TWP_SALT_LEN);
	twp_pseudonym_hide_partner(domain, tag, salt);
	memcpy(&n, salt + TWP_SALT_LEN / 2, sizeof(n));
	return (int64) pg_ntoh64(n);
}

/*
 * Replaces a number in a subject's row by its partner if it has one; false when
 * it must not come out at all: it stands in a forgotten subject's row and has none.
 */
bool
twp_pseudonym_swap_number(TwpDomain *domain, const TwpSubject *subject, int bits, int64 *number)
{
	uint8		tag[TWP_SALT_TAG_LEN];
	uint8		salt[TWP_SALT_LEN];
	const uint8 *stored;

	if (!any_salts())
		return true;
	twp_pseudonym_number_tag(domain, bits, *number, tag);
	stored = find_stored(domain, tag);
	if (stored == NULL)
		return !find_subject_salt(domain, subject, salt);
	*number = twp_pseudonym_partner(domain, tag, stored);
	return true;
}

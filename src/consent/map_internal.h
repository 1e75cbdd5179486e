/*
 * map_internal.h - one copy of everybody's consents for a whole database.
 *
 * Glossary.  Profile: the set of directives that are in force for a subject
 * (or begin before the horizon); few, because many sign the same forms.  Map:
 * from a subject's key to the number of its profile; it knows no purpose, so
 * one map serves every question.  Horizon: the moment up to which a map holds;
 * later beginnings and ends of validity are not in it.  Pin: what keeps a map
 * from being freed while a transaction reads it.
 *
 * Layout.  Keys are 16 bytes: a number, a uuid, a text of up to 15 bytes, or a
 * place in the arena for a longer text; three keys and their profiles fill a
 * bucket of one cache line.  Integers that lie close together are a plain
 * array instead.  Readers take no lock: a key is written before its profile
 * number, and nothing is ever moved or removed.
 */
#ifndef TWP_CONSENT_MAP_INTERNAL_H
#define TWP_CONSENT_MAP_INTERNAL_H

#include "postgres.h"

#include "access/transam.h"
#include "base/subject.h"
#include "consent/consent_internal.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/uuid.h"

#define TWP_PROFILE_NONE 0		/* no such subject */
#define TWP_PROFILE_EMPTY 1		/* a subject without directives in force */

typedef struct TwpMapKey
{
	uint64		a;
	uint64		b;
} TwpMapKey;

#define TWP_BUCKET_KEYS 3

typedef struct TwpMapBucket
{
	TwpMapKey	key[TWP_BUCKET_KEYS];
	uint32		profile[TWP_BUCKET_KEYS];
	uint32		unused;
} TwpMapBucket;

StaticAssertDecl(sizeof(TwpMapBucket) == 64, "a bucket is a cache line");

typedef enum TwpMapSection
{
	TWP_SECTION_INT,
	TWP_SECTION_UUID,
	TWP_SECTION_TEXT,
} TwpMapSection;

#define TWP_SECTIONS 3

/* Open addressing over buckets. */
typedef struct TwpMapTable
{
	TwpMapBucket *buckets;
	uint32		nbuckets;
	uint32		used;			/* keys in it */
	uint32		limit;			/* keys it takes */
} TwpMapTable;

/* Bytes of long texts, each after its length (uint32). */
typedef struct TwpMapArena
{
	char	   *data;
	uint64		used;
	uint64		size;
} TwpMapArena;

/* One directive of a profile, its validity cut at the horizon. */
typedef struct TwpProfileItem
{
	int64		terms_id;
	TimestampTz from;
	TimestampTz until;
} TwpProfileItem;

typedef struct TwpProfile
{
	uint32		start;
	uint32		n;
	uint32		hash;
} TwpProfile;

/* Profiles by number, found again by content. */
typedef struct TwpProfiles
{
	TwpProfile *profiles;
	uint32		n;
	uint32		capacity;
	TwpProfileItem *items;
	uint32		nitems;
	uint32		item_capacity;
	uint32	   *index;			/* 0 or a profile's number */
	uint32		index_mask;
	bool		fixed;			/* in shared memory: does not grow */
} TwpProfiles;

/* A map as one process sees it. */
typedef struct TwpMap
{
	uint64		version;
	TimestampTz built_at;
	TimestampTz horizon;
	uint32	   *dense;			/* profiles of the integers from dense_min, or NULL */
	int64		dense_min;
	uint64		dense_n;
	TwpMapTable table[TWP_SECTIONS];
	TwpMapArena arena;
	TwpProfiles profiles;
	struct TwpMapHeader *header;	/* in shared memory; NULL while being built */
} TwpMap;

/* A map in shared memory. */
typedef struct TwpMapHeader
{
	pg_atomic_uint32 pins;		/* one for being published, one a transaction */
	uint64		version;
	TimestampTz built_at;
	TimestampTz horizon;
	uint64		as_of;			/* completed transactions the map has seen */
	uint64		watermark;		/* transactions from here on may not be in it */
	uint64		bytes;
	dsa_pointer buckets[TWP_SECTIONS];
	TwpMapTable table[TWP_SECTIONS];	/* buckets unused */
	dsa_pointer dense;
	int64		dense_min;
	uint64		dense_n;
	dsa_pointer arena_data;
	TwpMapArena arena;			/* data unused */
	dsa_pointer profiles_data;
	dsa_pointer items_data;
	dsa_pointer index_data;
	TwpProfiles profiles;		/* pointers unused */
} TwpMapHeader;

/* Mixes a key into a hash. */
static inline uint64
twp_map_mix(uint64 a, uint64 b)
{
	uint64		h = (a ^ (b * UINT64CONST(0x9E3779B97F4A7C15))) * UINT64CONST(0xD6E8FEB86659FD93);

	h ^= h >> 32;
	h *= UINT64CONST(0xD6E8FEB86659FD93);
	return h ^ (h >> 29);
}

/* Gives the 16 bytes of a number or uuid. */
static inline TwpMapKey
twp_map_short_key(const TwpSubject *subject)
{
	TwpMapKey	key = {0, 0};

	if (subject->kind == TWP_SUBJECT_UUID)
		memcpy(&key, subject->key.uuid, UUID_LEN);
	else
		key.a = (uint64) subject->key.number;
	return key;
}

/* map_table.c: keys and tables, in whatever memory. */
/* Gives the one form in which a subject is a key, whatever the type of its column. */
extern void twp_map_canonical(const TwpSubject *subject, TwpSubject *canonical);
extern uint32 twp_map_find(const TwpMap *map, const TwpSubject *subject);
/* Profiles of many subjects, faster; and the number of each one's place, below twp_map_places(). */
extern void twp_map_find_many(const TwpMap *map, const TwpSubject *subjects, int n,
							  uint32 *profiles, uint32 *places);
extern uint64 twp_map_places(const TwpMap *map);
/* Place of the subject's profile number, made if missing; NULL when a fixed table or arena is full. */
extern uint32 *twp_map_place(TwpMap *map, const TwpSubject *subject, bool fixed);
extern void twp_map_table_create(TwpMapTable *table, uint32 keys, TwpMapBucket *zeroed);
extern uint32 twp_map_table_buckets(uint32 keys);
/* Adds every key of one table to another with room for them. */
extern void twp_map_table_copy(const TwpMapTable *from, TwpMapTable *to, const TwpMapArena *arena);

/* map_profile.c: profiles, in whatever memory. */
/* Number of the profile with these items (sorted here); TWP_PROFILE_NONE when a fixed store is full. */
extern uint32 twp_profiles_intern(TwpProfiles *store, TwpProfileItem *items, uint32 n);
extern void twp_profiles_reindex(TwpProfiles *store);
extern void twp_profiles_create(TwpProfiles *store);

/* map_build.c: reads everything; the result is private memory in the current context. */
extern TwpMap *twp_map_read(Snapshot snapshot, TimestampTz now, uint64 max_bytes);
/* The item a directive becomes; false when it plays no part before the horizon. */
extern bool twp_map_item(const TwpDirective *directive, TimestampTz now, TimestampTz horizon,
						 TwpProfileItem *item);

/* map_share.c: the copy in shared memory. */
extern bool twp_map_share(dsa_area *area, const TwpMap *from, dsa_pointer *pointer);
extern void twp_map_view(dsa_area *area, TwpMapHeader *header, TwpMap *map);
extern void twp_map_free(dsa_area *area, dsa_pointer pointer);

/* map_catch_up.c: false when the map must be built anew. */
extern bool twp_map_catch_up(dsa_area *area, TwpMap *map, LWLock *lock, TimestampTz now);
/* Full number of the oldest transaction that a snapshot may not see. */
extern uint64 twp_map_watermark(Snapshot snapshot);

/* map.c: the shared copy. */
extern int	twp_consent_map_threshold;
extern void twp_map_init(void);
/* The map of this database, pinned and right for a statement that starts now; NULL when there is none. */
extern const TwpMap *twp_map_begin(uint64 changes, TimestampTz now);
/* The pinned map, NULL when the transaction that pinned it has ended. */
extern const TwpMap *twp_map_pinned(void);
/* Builds a map unless somebody does or it cannot be; true when there may be one now. */
extern bool twp_map_build(TimestampTz now);
/* Figures of a published map. */
typedef struct TwpMapFigures
{
	uint64		version;
	uint64		subjects;		/* places for integers count, used or not */
	uint64		profiles;
	uint64		bytes;
	TimestampTz built_at;
	TimestampTz horizon;
} TwpMapFigures;

extern bool twp_map_describe(TwpMapFigures *figures);

/* What is counted from the server's start, for all its databases. */
typedef enum TwpMapCounter
{
	TWP_MAP_BUILDS,				/* maps built */
	TWP_MAP_SERVED,				/* times a statement began to ask with a map */
	TWP_MAP_ABSENT,				/* and without one */
	TWP_MAP_LOOKUPS,			/* subjects looked up in the index */
	TWP_MAP_COUNTERS
} TwpMapCounter;

extern void twp_map_count(TwpMapCounter counter, uint64 n);
extern uint64 twp_map_counted(TwpMapCounter counter);
/* Called by the stamp trigger: this transaction has changes only it may see. */
extern void twp_map_note_own_change(void);

#endif							/* TWP_CONSENT_MAP_INTERNAL_H */

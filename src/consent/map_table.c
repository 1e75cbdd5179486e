/*
 * map_table.c - keys and tables of the consent map.
 *
 * Works on private and on shared memory alike: nothing here allocates in
 * shared memory or takes a lock.  Writers are alone; readers of a shared table
 * see a key complete or not at all.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "consent/map_internal.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

/* Marks a key that is a place in the arena; a short text has its length there. */
#define LONG_TEXT UINT64CONST(0xFF)

/* Keys in a bucket on average when a table is full: probes stay short. */
#define KEYS_PER_BUCKET 2.4

/* Reads the canonical text of an integer: no sign but "-", no leading zeros. */
static bool
read_integer(const char *text, int length, int64 *number)
{
	bool		negative = length > 0 && text[0] == '-';
	uint64		limit = negative ? (uint64) PG_INT64_MAX + 1 : (uint64) PG_INT64_MAX;
	uint64		magnitude = 0;
	int			first = negative ? 1 : 0;

	if (length == first || length > first + 19 || (text[first] == '0' && (length > 1)))
		return false;
	for (int i = first; i < length; i++)
	{
		unsigned	digit = (unsigned) (text[i] - '0');

		if (digit > 9 || magnitude > (limit - digit) / 10)
			return false;
		magnitude = magnitude * 10 + digit;
	}
	*number = negative ? (int64) (0 - magnitude) : (int64) magnitude;
	return true;
}

/* Reads the canonical text of a uuid: lower case, with its four dashes. */
static bool
read_uuid(const char *text, int length, unsigned char *uuid)
{
	int			nibbles = 0;

	if (length != 36)
		return false;
	memset(uuid, 0, UUID_LEN);
	for (int i = 0; i < length; i++)
	{
		int			value;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (text[i] != '-')
				return false;
			continue;
		}
		if (text[i] >= '0' && text[i] <= '9')
			value = text[i] - '0';
		else if (text[i] >= 'a' && text[i] <= 'f')
			value = text[i] - 'a' + 10;
		else
			return false;
		uuid[nibbles / 2] |= (unsigned char) (value << (nibbles % 2 == 0 ? 4 : 0));
		nibbles++;
	}
	return true;
}

/* Gives the form in which a subject is a key: consents name subjects by text alone. */
void
twp_map_canonical(const TwpSubject *subject, TwpSubject *canonical)
{
	*canonical = *subject;
	if (subject->kind != TWP_SUBJECT_TEXT)
		return;
	if (read_integer(subject->key.text.data, subject->key.text.len, &canonical->key.number))
		canonical->kind = TWP_SUBJECT_INT;
	else if (read_uuid(subject->key.text.data, subject->key.text.len, canonical->key.uuid))
		canonical->kind = TWP_SUBJECT_UUID;
	else
		canonical->key.text = subject->key.text;
}

/* A key being looked for. */
typedef struct Wanted
{
	int			section;
	TwpMapKey	key;
	uint64		hash;
	const char *text;			/* of a long text */
	uint32		length;
} Wanted;

/* Prepares to look for a canonical subject. */
static inline void
want(const TwpSubject *subject, Wanted *wanted)
{
	wanted->text = NULL;
	wanted->key.a = wanted->key.b = 0;
	switch (subject->kind)
	{
		case TWP_SUBJECT_INT:
			wanted->section = TWP_SECTION_INT;
			wanted->key.a = (uint64) subject->key.number;
			break;
		case TWP_SUBJECT_UUID:
			wanted->section = TWP_SECTION_UUID;
			memcpy(&wanted->key, subject->key.uuid, UUID_LEN);
			break;
		default:
			wanted->section = TWP_SECTION_TEXT;
			if (subject->key.text.len < (int) sizeof(TwpMapKey))
			{
				memcpy(&wanted->key, subject->key.text.data, subject->key.text.len);
				((unsigned char *) &wanted->key)[sizeof(TwpMapKey) - 1] = (unsigned char) subject->key.text.len;
			}
			else
			{
				wanted->text = subject->key.text.data;
				wanted->length = (uint32) subject->key.text.len;
				wanted->hash = hash_bytes_extended((const unsigned char *) wanted->text, (int) wanted->length, 0);
				return;
			}
	}
	wanted->hash = twp_map_mix(wanted->key.a, wanted->key.b);
}

/* True when a stored key is the one wanted. */
static inline bool
same_key(const TwpMapKey *stored, const Wanted *wanted, const TwpMapArena *arena)
{
	uint32		length;

	if (wanted->text == NULL)
		return stored->a == wanted->key.a && stored->b == wanted->key.b;
	/* The key of a long text is its place and part of its hash. */
	if (((const unsigned char *) stored)[sizeof(TwpMapKey) - 1] != LONG_TEXT ||
		memcmp(&stored->b, &wanted->hash, sizeof(uint64) - 1) != 0)
		return false;
	memcpy(&length, arena->data + stored->a, sizeof(length));
	return length == wanted->length &&
		memcmp(arena->data + stored->a + sizeof(length), wanted->text, length) == 0;
}

/* The bucket where a hash begins to look. */
static inline uint32
first_bucket(const TwpMapTable *table, uint64 hash)
{
	return (uint32) (((hash >> 32) * (uint64) table->nbuckets) >> 32);
}

/* Finds the place of a key, or the free place where it belongs (profile TWP_PROFILE_NONE). */
static inline uint32 *
find_place(const TwpMapTable *table, const Wanted *wanted, const TwpMapArena *arena, TwpMapKey **key)
{
	uint32		b = first_bucket(table, wanted->hash);

	for (;;)
	{
		TwpMapBucket *bucket = &table->buckets[b];

		for (int i = 0; i < TWP_BUCKET_KEYS; i++)
		{
			if (*(volatile uint32 *) &bucket->profile[i] == TWP_PROFILE_NONE)
			{
				*key = &bucket->key[i];
				return &bucket->profile[i];
			}
			pg_read_barrier();
			if (same_key(&bucket->key[i], wanted, arena))
			{
				*key = &bucket->key[i];
				return &bucket->profile[i];
			}
		}
		if (++b == table->nbuckets)
			b = 0;
	}
}

/* True when the integer lies in the dense array. */
static inline bool
is_dense(const TwpMap *map, int64 number)
{
	return map->dense != NULL && number >= map->dense_min &&
		(uint64) number - (uint64) map->dense_min < map->dense_n;
}

/* Gives the number of the first place of a section. */
static inline uint32
first_place(const TwpMap *map, int section)
{
	uint64		number = map->dense_n;

	for (int before = 0; before < section; before++)
		number += (uint64) map->table[before].nbuckets * TWP_BUCKET_KEYS;
	return (uint32) number;
}

/* Gives one more than the greatest number of a place. */
uint64
twp_map_places(const TwpMap *map)
{
	return first_place(map, TWP_SECTIONS);
}

/* 1 when a key of a bucket is the one wanted, else 0. */
static inline int
is_key(const TwpMapBucket *bucket, int i, TwpMapKey key)
{
	return ((bucket->key[i].a ^ key.a) | (bucket->key[i].b ^ key.b)) == 0;
}

StaticAssertDecl(TWP_BUCKET_KEYS == 3, "find_short() compares three keys");

/*
 * Finds the profile of a key that is whole in 16 bytes, from a bucket on.
 * Which of a bucket's keys it is cannot be foretold, so all are compared
 * before the one branch.
 */
static inline uint32
find_short(const TwpMapTable *table, TwpMapKey key, uint32 b, uint32 *place)
{
	for (;;)
	{
		const TwpMapBucket *bucket = &table->buckets[b];
		int			match = is_key(bucket, 0, key) | is_key(bucket, 1, key) << 1 | is_key(bucket, 2, key) << 2;
		if (likely(match != 0))
		{
			int			i = pg_rightmost_one_pos32((uint32) match);

			/* A free place may hold the same bits, or a key not yet entered: then it is not there. */
			*place = b * TWP_BUCKET_KEYS + i;
			return *(volatile const uint32 *) &bucket->profile[i];
		}
		if (*(volatile const uint32 *) &bucket->profile[TWP_BUCKET_KEYS - 1] == TWP_PROFILE_NONE)
			return TWP_PROFILE_NONE;
		if (++b == table->nbuckets)
			b = 0;
	}
}

/* Finds the profile and the place of a text. */
static uint32
find_text(const TwpMap *map, const TwpSubject *subject, uint32 *place)
{
	TwpSubject	canonical;
	Wanted		wanted;
	TwpMapKey  *key;
	uint32	   *found;
	size_t		offset;

	twp_map_canonical(subject, &canonical);
	if (canonical.kind == TWP_SUBJECT_INT && is_dense(map, canonical.key.number))
	{
		*place = (uint32) (canonical.key.number - map->dense_min);
		return map->dense[*place];
	}
	want(&canonical, &wanted);
	found = find_place(&map->table[wanted.section], &wanted, &map->arena, &key);
	offset = (const char *) found - (const char *) map->table[wanted.section].buckets;
	*place = first_place(map, wanted.section) + (uint32) (offset / sizeof(TwpMapBucket)) * TWP_BUCKET_KEYS +
		(uint32) ((offset % sizeof(TwpMapBucket) - offsetof(TwpMapBucket, profile)) / sizeof(uint32));
	return *found;
}

/* Finds a subject's profile. */
uint32
twp_map_find(const TwpMap *map, const TwpSubject *subject)
{
	uint32		place;
	const TwpMapTable *table;
	TwpMapKey	key;

	if (subject->kind != TWP_SUBJECT_INT && subject->kind != TWP_SUBJECT_UUID)
		return find_text(map, subject, &place);
	if (subject->kind == TWP_SUBJECT_INT && is_dense(map, subject->key.number))
		return map->dense[subject->key.number - map->dense_min];
	table = &map->table[subject->kind == TWP_SUBJECT_INT ? TWP_SECTION_INT : TWP_SECTION_UUID];
	key = twp_map_short_key(subject);
	return find_short(table, key, first_bucket(table, twp_map_mix(key.a, key.b)), &place);
}

/*
 * Finds the profiles of many subjects, and the numbers of their places.  First
 * the memory of all is asked for, then it is read: by then it has come.
 */
void
twp_map_find_many(const TwpMap *map, const TwpSubject *subjects, int n, uint32 *profiles, uint32 *places)
{
	uint32		buckets[TWP_CONSENT_MANY];
	const TwpMapTable *table;
	uint32		first;

	for (int i = 0; i < n; i++)
	{
		TwpMapKey	key = twp_map_short_key(&subjects[i]);

		if (subjects[i].kind == TWP_SUBJECT_INT && is_dense(map, subjects[i].key.number))
			__builtin_prefetch(&map->dense[subjects[i].key.number - map->dense_min]);
		else if (subjects[i].kind == TWP_SUBJECT_INT || subjects[i].kind == TWP_SUBJECT_UUID)
		{
			table = &map->table[subjects[i].kind == TWP_SUBJECT_UUID ? TWP_SECTION_UUID : TWP_SECTION_INT];
			buckets[i] = first_bucket(table, twp_map_mix(key.a, key.b));
			__builtin_prefetch(&table->buckets[buckets[i]]);
		}
	}
	first = first_place(map, TWP_SECTION_UUID);
	table = &map->table[TWP_SECTION_UUID];
	for (int i = 0; i < n; i++)
	{
		const TwpSubject *subject = &subjects[i];

		if (subject->kind == TWP_SUBJECT_UUID)
		{
			profiles[i] = find_short(table, twp_map_short_key(subject), buckets[i], &places[i]);
			places[i] += first;
		}
		else if (subject->kind == TWP_SUBJECT_INT && is_dense(map, subject->key.number))
		{
			places[i] = (uint32) (subject->key.number - map->dense_min);
			profiles[i] = map->dense[places[i]];
		}
		else if (subject->kind == TWP_SUBJECT_INT)
		{
			profiles[i] = find_short(&map->table[TWP_SECTION_INT], twp_map_short_key(subject), buckets[i], &places[i]);
			places[i] += first_place(map, TWP_SECTION_INT);
		}
		else
			profiles[i] = subject->kind == TWP_SUBJECT_INVALID ? TWP_PROFILE_NONE :
				find_text(map, subject, &places[i]);
	}
}

/* Stores a long text and gives its key; false when a fixed arena is full. */
static bool
store_text(TwpMapArena *arena, const Wanted *wanted, bool fixed, TwpMapKey *key)
{
	uint64		needed = arena->used + sizeof(uint32) + wanted->length;

	if (needed > arena->size)
	{
		if (fixed)
			return false;
		arena->size = Max(arena->size * 2, needed + 8192);
		arena->data = arena->data == NULL ? MemoryContextAllocHuge(CurrentMemoryContext, arena->size)
			: repalloc_huge(arena->data, arena->size);
	}
	key->a = arena->used;
	key->b = wanted->hash;
	((unsigned char *) key)[sizeof(TwpMapKey) - 1] = LONG_TEXT;
	memcpy(arena->data + arena->used, &wanted->length, sizeof(uint32));
	memcpy(arena->data + arena->used + sizeof(uint32), wanted->text, wanted->length);
	arena->used = needed;
	return true;
}

/* Gives the number of buckets for so many keys. */
uint32
twp_map_table_buckets(uint32 keys)
{
	return (uint32) (keys / KEYS_PER_BUCKET) + 2;
}

/* Makes an empty table over zeroed buckets. */
void
twp_map_table_create(TwpMapTable *table, uint32 keys, TwpMapBucket *zeroed)
{
	table->buckets = zeroed;
	table->nbuckets = twp_map_table_buckets(keys);
	table->used = 0;
	table->limit = keys;
}

/* Adds every key of one table to another. */
void
twp_map_table_copy(const TwpMapTable *from, TwpMapTable *to, const TwpMapArena *arena)
{
	for (uint32 b = 0; b < from->nbuckets; b++)
		for (int i = 0; i < TWP_BUCKET_KEYS; i++)
		{
			const TwpMapBucket *bucket = &from->buckets[b];
			Wanted		wanted = {.key = bucket->key[i]};
			TwpMapKey  *key;
			uint32	   *place;

			if (bucket->profile[i] == TWP_PROFILE_NONE)
				continue;
			if (((const unsigned char *) &wanted.key)[sizeof(TwpMapKey) - 1] == LONG_TEXT &&
				arena != NULL)
			{
				memcpy(&wanted.length, arena->data + wanted.key.a, sizeof(uint32));
				wanted.text = arena->data + wanted.key.a + sizeof(uint32);
				wanted.hash = hash_bytes_extended((const unsigned char *) wanted.text, (int) wanted.length, 0);
			}
			else
				wanted.hash = twp_map_mix(wanted.key.a, wanted.key.b);
			place = find_place(to, &wanted, arena, &key);
			*key = bucket->key[i];
			*place = bucket->profile[i];
			to->used++;
		}
}

/* Doubles a private table. */
static void
grow_table(TwpMapTable *table, const TwpMapArena *arena)
{
	TwpMapTable larger;
	uint32		keys = Max(table->limit * 2, 1024);
	Size		size = (Size) twp_map_table_buckets(keys) * sizeof(TwpMapBucket);

	twp_map_table_create(&larger, keys,
						 MemoryContextAllocExtended(CurrentMemoryContext, size,
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
	if (table->buckets != NULL)
	{
		twp_map_table_copy(table, &larger, arena);
		pfree(table->buckets);
	}
	*table = larger;
}

/* Gives the place of a subject's profile number, made if missing. */
uint32 *
twp_map_place(TwpMap *map, const TwpSubject *subject, bool fixed)
{
	TwpSubject	canonical;
	Wanted		wanted;
	TwpMapTable *table;
	TwpMapKey  *key;
	TwpMapKey	stored;
	uint32	   *place;

	twp_map_canonical(subject, &canonical);
	if (canonical.kind == TWP_SUBJECT_INT && is_dense(map, canonical.key.number))
		return &map->dense[canonical.key.number - map->dense_min];
	want(&canonical, &wanted);
	table = &map->table[wanted.section];
	if (!fixed && table->used >= table->limit)
		grow_table(table, wanted.section == TWP_SECTION_TEXT ? &map->arena : NULL);
	place = find_place(table, &wanted, &map->arena, &key);
	if (*place != TWP_PROFILE_NONE)
		return place;
	if (table->used >= table->limit)
		return NULL;
	stored = wanted.key;
	if (wanted.text != NULL && !store_text(&map->arena, &wanted, fixed, &stored))
		return NULL;
	*key = stored;
	table->used++;
	/* Readers look at the profile first: the key must be there before it. */
	pg_write_barrier();
	*(volatile uint32 *) place = TWP_PROFILE_EMPTY;
	return place;
}

/*
 * map_profile.c - the profiles of the consent map, each stored once.
 *
 * Works on private memory, which grows, and on shared memory, which does not.
 * Writers are alone; a profile is whole before anybody can know its number.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "consent/map_internal.h"
#include "utils/memutils.h"

/* Orders the items of a profile. */
static int
compare_items(const void *left, const void *right)
{
	const TwpProfileItem *a = left;
	const TwpProfileItem *b = right;

	if (a->terms_id != b->terms_id)
		return a->terms_id < b->terms_id ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->until < b->until ? -1 : a->until > b->until;
}

/* Enters a profile into the index. */
static void
index_profile(TwpProfiles *store, uint32 number)
{
	uint32		i = store->profiles[number].hash & store->index_mask;

	while (store->index[i] != 0)
		i = (i + 1) & store->index_mask;
	store->index[i] = number;
}

/* Makes room for a profile of n items; false when a fixed store is full. */
static bool
make_room(TwpProfiles *store, uint32 n)
{
	if (store->n < store->capacity && store->nitems + n <= store->item_capacity)
		return true;
	if (store->fixed)
		return false;
	if (store->nitems + n > store->item_capacity)
	{
		store->item_capacity = Max(store->item_capacity * 2, store->nitems + n);
		store->items = repalloc_huge(store->items, store->item_capacity * sizeof(TwpProfileItem));
	}
	if (store->n == store->capacity)
	{
		store->capacity *= 2;
		store->profiles = repalloc_huge(store->profiles, store->capacity * sizeof(TwpProfile));
		store->index_mask = store->index_mask * 2 + 1;
		pfree(store->index);
		store->index = MemoryContextAllocExtended(CurrentMemoryContext,
												  ((Size) store->index_mask + 1) * sizeof(uint32),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		twp_profiles_reindex(store);
	}
	return true;
}

/* Finds or makes the profile with these items. */
uint32
twp_profiles_intern(TwpProfiles *store, TwpProfileItem *items, uint32 n)
{
	uint32		distinct = 0;
	uint32		hash;
	TwpProfile *profile;

	qsort(items, n, sizeof(TwpProfileItem), compare_items);
	for (uint32 i = 0; i < n; i++)
		if (i == 0 || compare_items(&items[i], &items[i - 1]) != 0)
			items[distinct++] = items[i];
	hash = hash_bytes((const unsigned char *) items, (int) (distinct * sizeof(TwpProfileItem)));
	for (uint32 i = hash & store->index_mask; store->index[i] != 0; i = (i + 1) & store->index_mask)
	{
		profile = &store->profiles[store->index[i]];
		if (profile->hash == hash && profile->n == distinct &&
			memcmp(&store->items[profile->start], items, distinct * sizeof(TwpProfileItem)) == 0)
			return store->index[i];
	}
	if (!make_room(store, distinct))
		return TWP_PROFILE_NONE;
	profile = &store->profiles[store->n];
	profile->start = store->nitems;
	profile->n = distinct;
	profile->hash = hash;
	memcpy(&store->items[store->nitems], items, distinct * sizeof(TwpProfileItem));
	store->nitems += distinct;
	index_profile(store, store->n);
	return store->n++;
}

/* Enters every profile into an empty index. */
void
twp_profiles_reindex(TwpProfiles *store)
{
	for (uint32 number = TWP_PROFILE_EMPTY; number < store->n; number++)
		index_profile(store, number);
}

/* Makes a private store that holds the empty profile. */
void
twp_profiles_create(TwpProfiles *store)
{
	store->capacity = 1024;
	store->profiles = palloc0(store->capacity * sizeof(TwpProfile));
	store->item_capacity = 4096;
	store->items = palloc(store->item_capacity * sizeof(TwpProfileItem));
	store->nitems = 0;
	store->index_mask = 2 * store->capacity - 1;
	store->index = palloc0(((Size) store->index_mask + 1) * sizeof(uint32));
	store->fixed = false;
	store->n = TWP_PROFILE_EMPTY;	/* number 0 stays unused */
	(void) twp_profiles_intern(store, store->items, 0);
}

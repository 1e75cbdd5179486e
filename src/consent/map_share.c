/*
 * map_share.c - a private map copied into shared memory, and seen from there.
 *
 * Offsets, not addresses, are what processes share.  The copy has some room
 * for subjects, texts and profiles to come; when that is used up the map is
 * built anew (map.c).  Takes no locks.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/map_internal.h"

/* Frees a map nobody reads. */
void
twp_map_free(dsa_area *area, dsa_pointer pointer)
{
	TwpMapHeader *header = dsa_get_address(area, pointer);
	dsa_pointer parts[] = {header->buckets[0], header->buckets[1], header->buckets[2], header->dense,
	header->arena_data, header->profiles_data, header->items_data, header->index_data, pointer};

	for (int i = 0; i < lengthof(parts); i++)
		if (DsaPointerIsValid(parts[i]))
			dsa_free(area, parts[i]);
}

/* Fills the view of a map from its header. */
void
twp_map_view(dsa_area *area, TwpMapHeader *header, TwpMap *map)
{
	map->version = header->version;
	map->built_at = header->built_at;
	map->horizon = header->horizon;
	map->header = header;
	for (int section = 0; section < TWP_SECTIONS; section++)
	{
		map->table[section] = header->table[section];
		map->table[section].buckets = dsa_get_address(area, header->buckets[section]);
	}
	map->dense = DsaPointerIsValid(header->dense) ? dsa_get_address(area, header->dense) : NULL;
	map->dense_min = header->dense_min;
	map->dense_n = header->dense_n;
	map->arena = header->arena;
	map->arena.data = dsa_get_address(area, header->arena_data);
	map->profiles = header->profiles;
	map->profiles.profiles = dsa_get_address(area, header->profiles_data);
	map->profiles.items = dsa_get_address(area, header->items_data);
	map->profiles.index = dsa_get_address(area, header->index_data);
}

/* Allocates a part of a map; false when memory is short. */
static bool
allocate(dsa_area *area, dsa_pointer *part, uint64 size, TwpMapHeader *header)
{
	*part = dsa_allocate_extended(area, Max(size, 64), DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	header->bytes += size;
	return DsaPointerIsValid(*part);
}

/* Copies a private map into shared memory, with some room for more; false when memory is short. */
bool
twp_map_share(dsa_area *area, const TwpMap *from, dsa_pointer *pointer)
{
	TwpMapHeader counted = {.bytes = 0};
	TwpMapHeader *header;
	TwpMap		to;
	uint64		item_capacity = from->profiles.nitems + from->profiles.nitems / 4 + 2048;
	uint64		capacity = from->profiles.n + from->profiles.n / 4 + 1024;
	uint64		index_size = 1024;
	bool		fits;

	while (index_size < 2 * capacity)
		index_size *= 2;
	if (!allocate(area, pointer, sizeof(TwpMapHeader), &counted))
		return false;
	header = dsa_get_address(area, *pointer);
	fits = true;
	for (int section = 0; section < TWP_SECTIONS && fits; section++)
	{
		uint32		used = from->table[section].used;

		header->table[section].limit = used + used / 32 + 256;
		header->table[section].nbuckets = twp_map_table_buckets(header->table[section].limit);
		fits = allocate(area, &header->buckets[section],
						(uint64) header->table[section].nbuckets * sizeof(TwpMapBucket), header);
	}
	header->arena.used = from->arena.used;
	header->arena.size = from->arena.used + from->arena.used / 32 + 8192;
	header->profiles = from->profiles;
	header->profiles.capacity = (uint32) capacity;
	header->profiles.item_capacity = (uint32) item_capacity;
	header->profiles.index_mask = (uint32) index_size - 1;
	fits = fits && allocate(area, &header->arena_data, header->arena.size, header) &&
		allocate(area, &header->profiles_data, capacity * sizeof(TwpProfile), header) &&
		allocate(area, &header->items_data, item_capacity * sizeof(TwpProfileItem), header) &&
		allocate(area, &header->index_data, index_size * sizeof(uint32), header) &&
		(from->dense == NULL || allocate(area, &header->dense, from->dense_n * sizeof(uint32), header));
	if (!fits)
	{
		twp_map_free(area, *pointer);
		return false;
	}
	header->built_at = from->built_at;
	header->horizon = from->horizon;
	header->dense_min = from->dense_min;
	header->dense_n = from->dense_n;
	twp_map_view(area, header, &to);
	for (int section = 0; section < TWP_SECTIONS; section++)
	{
		twp_map_table_copy(&from->table[section], &to.table[section],
						   section == TWP_SECTION_TEXT ? &from->arena : NULL);
		header->table[section].used = to.table[section].used;
	}
	if (from->dense != NULL)
		memcpy(to.dense, from->dense, from->dense_n * sizeof(uint32));
	if (from->arena.used > 0)
		memcpy(to.arena.data, from->arena.data, from->arena.used);
	memcpy(to.profiles.profiles, from->profiles.profiles, from->profiles.n * sizeof(TwpProfile));
	memcpy(to.profiles.items, from->profiles.items, from->profiles.nitems * sizeof(TwpProfileItem));
	twp_profiles_reindex(&to.profiles);
	pg_atomic_init_u32(&header->pins, 1);
	return true;
}

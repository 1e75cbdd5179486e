/*
 * map_build.c - reads all directives once, into a private map.
 *
 * Contract: one pass over the withdrawals and one over the directives, under
 * one snapshot, in whatever order the rows lie.  A subject's profile grows row
 * by row: adding the same directive to the same profile gives the same
 * profile, so the step is looked up rather than made.  Memory: the current
 * context, some 40 bytes a subject while it lasts.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "common/hashfn.h"
#include "consent/map_internal.h"
#include "consent/store_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* How long a map holds: beginnings and ends of validity later than that would only tell subjects apart. */
#define HORIZON (INT64CONST(24) * USECS_PER_HOUR)

/* Numbers of withdrawn directives. */
typedef struct Withdrawn
{
	int64		consent_id;
	char		status;
} Withdrawn;

#define SH_PREFIX withdrawn
#define SH_ELEMENT_TYPE Withdrawn
#define SH_KEY_TYPE int64
#define SH_KEY consent_id
#define SH_HASH_KEY(table, key) murmurhash32((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A step already taken: profile plus item gives profile. */
typedef struct Step
{
	uint32		from;
	uint32		to;
	TwpProfileItem item;
} Step;

#define STEPS 8192

/* What the reading carries along. */
typedef struct Build
{
	TwpMap	   *map;
	TimestampTz now;
	withdrawn_hash *withdrawn;
	Step	   *steps;
	uint64		max_bytes;
	int64		least;			/* of the integer subjects */
	int64		greatest;
} Build;

/* Gives the item a directive becomes, its validity cut at the horizon. */
bool
twp_map_item(const TwpDirective *directive, TimestampTz now, TimestampTz horizon, TwpProfileItem *item)
{
	if (directive->withdrawn || directive->valid_until <= now || directive->valid_from >= horizon)
		return false;
	item->terms_id = directive->terms_id;
	item->from = directive->valid_from <= now ? DT_NOBEGIN : directive->valid_from;
	item->until = directive->valid_until >= horizon ? DT_NOEND : directive->valid_until;
	return true;
}

/* Adds an item to a profile. */
static uint32
add_item(Build *build, uint32 profile, const TwpProfileItem *item)
{
	TwpProfiles *store = &build->map->profiles;
	uint32		slot = (murmurhash32(profile) ^ murmurhash32((uint32) item->terms_id) ^
						(uint32) item->from ^ (uint32) item->until) & (STEPS - 1);
	Step	   *step = &build->steps[slot];
	TwpProfileItem *items;
	uint32		n = store->profiles[profile].n;

	if (step->from == profile && memcmp(&step->item, item, sizeof(TwpProfileItem)) == 0)
		return step->to;
	items = palloc((n + 1) * sizeof(TwpProfileItem));
	memcpy(items, &store->items[store->profiles[profile].start], n * sizeof(TwpProfileItem));
	items[n] = *item;
	step->to = twp_profiles_intern(store, items, n + 1);
	step->from = profile;
	step->item = *item;
	pfree(items);
	return step->to;
}

/* Raises nothing but tells whether the map would be larger than allowed. */
static bool
too_large(const Build *build)
{
	uint64		bytes = build->map->arena.used;

	for (int section = 0; section < TWP_SECTIONS; section++)
		bytes += (uint64) build->map->table[section].used * sizeof(TwpMapBucket) / TWP_BUCKET_KEYS;
	bytes += (uint64) build->map->profiles.nitems * sizeof(TwpProfileItem);
	return bytes > build->max_bytes;
}

/* Takes one directive. */
static void
take_directive(Build *build, const TwpDirective *directive, const char *text, int length)
{
	TwpSubject	subject = {TWP_SUBJECT_TEXT};
	TwpSubject	canonical;
	TwpProfileItem item;
	uint32	   *place;

	if (!twp_map_item(directive, build->now, build->map->horizon, &item) ||
		(build->withdrawn->members > 0 &&
		 withdrawn_lookup(build->withdrawn, directive->consent_id) != NULL))
		return;
	subject.key.text.data = text;
	subject.key.text.len = length;
	twp_map_canonical(&subject, &canonical);
	if (canonical.kind == TWP_SUBJECT_INT)
	{
		build->least = Min(build->least, canonical.key.number);
		build->greatest = Max(build->greatest, canonical.key.number);
	}
	place = twp_map_place(build->map, &canonical, false);
	*place = add_item(build, *place, &item);
}

/* Reads the numbers of all withdrawn directives. */
static void
read_withdrawals(Build *build, Snapshot snapshot)
{
	Relation	rel = table_open(twp_catalog_internal_relid("withdrawal"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	bool		found;

	build->withdrawn = withdrawn_create(CurrentMemoryContext, 1024, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		(void) withdrawn_insert(build->withdrawn,
								((FormData_withdrawal *) GETSTRUCT(tuple))->consent_id, &found);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Reads all directives; false when the map gets too large. */
static bool
read_directives(Build *build, Snapshot snapshot)
{
	Relation	rel = table_open(twp_catalog_internal_relid("directive"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	uint64		rows = 0;
	bool		fits = true;

	while (fits && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FormData_directive *form = (FormData_directive *) GETSTRUCT(tuple);
		TwpDirective directive;

		CHECK_FOR_INTERRUPTS();
		twp_store_take_directive(&directive, tuple);
		take_directive(build, &directive, VARDATA_ANY(&form->subject), VARSIZE_ANY_EXHDR(&form->subject));
		if (++rows % 65536 == 0)
			fits = !too_large(build);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return fits && !too_large(build);
}

/* Lays integers that lie close together out as an array. */
static void
lay_out_integers(Build *build)
{
	TwpMap	   *map = build->map;
	TwpMapTable *table = &map->table[TWP_SECTION_INT];
	uint64		span = (uint64) build->greatest - (uint64) build->least;

	/* Four bytes a number against twenty-seven a key: as long as one in six is used. */
	if (table->used == 0 || span >= (uint64) table->used * 6)
		return;
	map->dense_min = build->least;
	map->dense_n = span + 1;
	map->dense = MemoryContextAllocExtended(CurrentMemoryContext, map->dense_n * sizeof(uint32),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 b = 0; b < table->nbuckets; b++)
		for (int i = 0; i < TWP_BUCKET_KEYS; i++)
			if (table->buckets[b].profile[i] != TWP_PROFILE_NONE)
				map->dense[(int64) table->buckets[b].key[i].a - map->dense_min] = table->buckets[b].profile[i];
	pfree(table->buckets);
	memset(table, 0, sizeof(*table));
}

/* Reads everything into a private map; NULL when it would be larger than allowed. */
TwpMap *
twp_map_read(Snapshot snapshot, TimestampTz now, uint64 max_bytes)
{
	Build		build = {.now = now,.max_bytes = max_bytes,.least = PG_INT64_MAX,.greatest = PG_INT64_MIN};

	build.map = palloc0(sizeof(TwpMap));
	build.map->built_at = now;
	build.map->horizon = now + HORIZON;
	build.steps = palloc0(STEPS * sizeof(Step));
	twp_profiles_create(&build.map->profiles);
	read_withdrawals(&build, snapshot);
	if (!read_directives(&build, snapshot))
		return NULL;
	lay_out_integers(&build);
	return build.map;
}

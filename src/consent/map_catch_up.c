/*
 * map_catch_up.c - brings a shared map up to what a snapshot of now sees.
 *
 * Contract: the subjects about whom something was recorded since the map's
 * watermark are read again under one fresh snapshot, without any lock of the
 * map; then, under its lock, they are entered, unless somebody has entered
 * what a later snapshot saw.  Cost: by the number of changes, not of people.
 * Failure: an error leaves the map as it was or partly newer; its watermark
 * moves only when everything is entered.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/map_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Changed subjects beyond which building anew is cheaper, for each hundred in the map. */
#define CATCH_UP_PERCENT 5
#define CATCH_UP_LEAST 10000

/* Gives the full number of the oldest transaction a snapshot may not see. */
uint64
twp_map_watermark(Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (snapshot->xmin > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, snapshot->xmin));
}

/* Subjects to read again. */
typedef struct Changed
{
	char	  **subjects;
	uint32		n;
	uint32		limit;
} Changed;

/* Collects one; false when there are too many. */
static bool
collect_changed(char *subject, void *arg)
{
	Changed    *changed = arg;

	if (changed->n == changed->limit)
		return false;
	if (changed->n % 1024 == 0)
		changed->subjects = changed->n == 0 ? palloc(1024 * sizeof(char *))
			: repalloc_huge(changed->subjects, (changed->n + 1024) * sizeof(char *));
	changed->subjects[changed->n++] = subject;
	return true;
}

/* Orders subjects, so that one that changed twice is read once. */
static int
compare_subjects(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What a changed subject's directives are now. */
typedef struct NewProfile
{
	char	   *subject;
	TwpProfileItem *items;
	uint32		n;
} NewProfile;

/* Reads the directives of changed subjects. */
static NewProfile *
read_changed(Changed *changed, Snapshot snapshot, TimestampTz now, TimestampTz horizon, uint32 *count)
{
	NewProfile *list = MemoryContextAllocHuge(CurrentMemoryContext, Max(changed->n, 1) * sizeof(NewProfile));

	qsort(changed->subjects, changed->n, sizeof(char *), compare_subjects);
	*count = 0;
	for (uint32 i = 0; i < changed->n; i++)
	{
		NewProfile *new = &list[*count];
		TwpDirective *directives;
		int			n;

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && strcmp(changed->subjects[i], changed->subjects[i - 1]) == 0)
			continue;
		n = twp_store_directives(changed->subjects[i], snapshot, &directives);
		new->subject = changed->subjects[i];
		new->items = palloc(Max(n, 1) * sizeof(TwpProfileItem));
		new->n = 0;
		for (int d = 0; d < n; d++)
			if (twp_map_item(&directives[d], now, horizon, &new->items[new->n]))
				new->n++;
		pfree(directives);
		(*count)++;
	}
	return list;
}

/* Enters new profiles into the map; false when there is no room. */
static bool
enter_changed(dsa_area *area, TwpMap *map, NewProfile *list, uint32 count)
{
	bool		fits = true;

	/* The header has the counts; others may have entered since we looked. */
	twp_map_view(area, map->header, map);
	map->profiles.fixed = true;
	for (uint32 i = 0; fits && i < count; i++)
	{
		TwpSubject	subject = {TWP_SUBJECT_TEXT};
		uint32		profile = twp_profiles_intern(&map->profiles, list[i].items, list[i].n);
		uint32	   *place;

		subject.key.text.data = list[i].subject;
		subject.key.text.len = (int) strlen(list[i].subject);
		/* The profile must be whole before a reader can find its number. */
		pg_write_barrier();
		place = profile == TWP_PROFILE_NONE ? NULL : twp_map_place(map, &subject, true);
		if (place != NULL)
			*(volatile uint32 *) place = profile;
		fits = place != NULL;
	}
	for (int section = 0; section < TWP_SECTIONS; section++)
		map->header->table[section].used = map->table[section].used;
	map->header->arena.used = map->arena.used;
	map->header->profiles.n = map->profiles.n;
	map->header->profiles.nitems = map->profiles.nitems;
	return fits;
}

/* Brings a pinned map up to what a snapshot of now sees; false when it must be built anew. */
bool
twp_map_catch_up(dsa_area *area, TwpMap *map, LWLock *lock, TimestampTz now)
{
	Snapshot	snapshot = twp_consent_snapshot();
	uint64		as_of = snapshot->snapXactCompletionCount;
	uint64		watermark = twp_map_watermark(snapshot);
	Changed		changed = {NULL};
	MemoryContext context;
	MemoryContext old;
	NewProfile *list;
	uint32		count;
	uint64		keys = map->dense_n;
	bool		fits;

	if (map->header->as_of >= as_of)
	{
		pg_read_barrier();
		return true;
	}
	for (int section = 0; section < TWP_SECTIONS; section++)
		keys += map->table[section].used;
	changed.limit = (uint32) Max(CATCH_UP_LEAST, keys * CATCH_UP_PERCENT / 100);
	context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy catch-up", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	snapshot = RegisterSnapshot(snapshot);
	fits = twp_store_visit_changed(map->header->watermark, snapshot, collect_changed, &changed);
	list = fits ? read_changed(&changed, snapshot, now, map->horizon, &count) : NULL;
	UnregisterSnapshot(snapshot);
	if (fits)
	{
		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (map->header->as_of < as_of)
		{
			fits = enter_changed(area, map, list, count);
			if (fits)
			{
				pg_write_barrier();
				map->header->as_of = as_of;
				map->header->watermark = watermark;
			}
		}
		LWLockRelease(lock);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return fits;
}

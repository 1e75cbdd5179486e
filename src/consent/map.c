/*
 * map.c - the shared consent map of each database: build, publish, catch up.
 *
 * Contract.  twp_map_begin() gives a map that is right for a statement that
 * starts now: when consents have changed since this process last looked, the
 * subjects changed since the map's watermark are read again and entered.  A
 * map says as of which snapshot it is right (the number of completed
 * transactions, by which snapshots are ordered), so that of two processes that
 * catch up, the later snapshot wins and the earlier one has nothing to do.  A
 * transaction with consent changes of its own neither reads nor writes a map.
 *
 * Locks: a slot's LWLock, shared to pin, exclusive to enter what was read or
 * to publish; tables are read before, without it, so an error or a wait there
 * holds nobody up.  Readers of a pinned map take no lock.
 *
 * Memory: one DSA area for all databases, limited by
 * twin_privacy.consent_map_memory; a map is freed when it is replaced and the
 * last transaction that pinned it ends.  Failure: no map, and every question
 * is answered from the index.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "consent/map_internal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Databases that can have a map at a time; one more takes the place of the one longest unused. */
#define SLOTS 32

#define TRANCHE "twin_privacy_consent"

/* A database's place. */
typedef struct MapSlot
{
	Oid			database;
	Oid			relid;			/* the directive table: another installation is another map */
	dsa_pointer header;			/* the published map */
	uint64		version;
	bool		building;
	TimestampTz used_at;
	TimestampTz retry_at;		/* after a map did not fit */
} MapSlot;

typedef struct MapControl
{
	bool		area_made;
	dsa_handle	area;
	int			tranche;
	volatile uint64 last_version;	/* of the maps published */
	pg_atomic_uint64 counters[TWP_MAP_COUNTERS];
	MapSlot		slots[SLOTS];
} MapControl;

static MapControl *control = NULL;
static LWLockPadded *locks = NULL;	/* number 0 for control, then one a slot */
static dsa_area *area = NULL;
static int	map_memory_mb = 256;
int			twp_consent_map_threshold = 1000;

/* This process's view. */
static int	my_slot = -1;
static Oid	my_relid = InvalidOid;	/* the directive table the slot was found for */
static uint64 my_version = 0;	/* of the map published last when it was looked for */
static TwpMap pinned;
static dsa_pointer pinned_header = InvalidDsaPointer;
static bool is_pinned = false;
static bool own_change = false;
static uint64 seen_changes = 0;

#define SLOT_LOCK(i) (&locks[(i) + 1].lock)

/* Asks for shared memory; called from shmem_request_hook. */
void
twp_consent_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(MapControl)));
	RequestNamedLWLockTranche(TRANCHE, SLOTS + 1);
}

/* Finds the shared memory; called from shmem_startup_hook. */
void
twp_consent_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("twin_privacy consent map", sizeof(MapControl), &found);
	locks = GetNamedLWLockTranche(TRANCHE);
	if (!found)
	{
		memset(control, 0, sizeof(*control));
		control->tranche = LWLockNewTrancheId();
		for (int i = 0; i < TWP_MAP_COUNTERS; i++)
			pg_atomic_init_u64(&control->counters[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Counts something n times. */
void
twp_map_count(TwpMapCounter counter, uint64 n)
{
	if (control != NULL && n > 0)
		pg_atomic_fetch_add_u64(&control->counters[counter], n);
}

/* How often it was counted since the server started. */
uint64
twp_map_counted(TwpMapCounter counter)
{
	return control == NULL ? 0 : pg_atomic_read_u64(&control->counters[counter]);
}

/* Attaches the area, or makes it; false when there is no shared memory. */
static bool
attach_area(bool make)
{
	MemoryContext old;

	if (area != NULL)
		return true;
	if (control == NULL)
		return false;
	old = MemoryContextSwitchTo(TopMemoryContext);
	LWLockRegisterTranche(control->tranche, TRANCHE "_area");
	LWLockAcquire(&locks[0].lock, LW_EXCLUSIVE);
	if (control->area_made)
		area = dsa_attach(control->area);
	else if (make)
	{
		area = dsa_create(control->tranche);
		dsa_pin(area);
		control->area = dsa_get_handle(area);
		control->area_made = true;
	}
	LWLockRelease(&locks[0].lock);
	if (area != NULL)
		dsa_pin_mapping(area);
	MemoryContextSwitchTo(old);
	return area != NULL;
}

/* Lets go of a map; the last one frees it. */
static void
release_map(dsa_pointer pointer)
{
	TwpMapHeader *header = dsa_get_address(area, pointer);

	if (pg_atomic_sub_fetch_u32(&header->pins, 1) == 0)
		twp_map_free(area, pointer);
}

/* Lets go of what this transaction pinned. */
static void
unpin(void)
{
	if (is_pinned)
	{
		is_pinned = false;
		release_map(pinned_header);
	}
}

/* At the end of a transaction nothing is pinned, and its own changes are everybody's or nobody's. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	unpin();
	own_change = false;
}

/* Notes that this transaction recorded something only it may see. */
void
twp_map_note_own_change(void)
{
	own_change = true;
	unpin();
}

/* Defines the setting and hears of transactions' ends. */
void
twp_map_init(void)
{
	DefineCustomIntVariable("twin_privacy.consent_map_memory",
							"Shared memory for the consent maps of all databases.",
							"Beyond it, or with 0, consents are looked up one by one.",
							&map_memory_mb,
							256, 0, MAX_KILOBYTES / 1024,
							PGC_SIGHUP,
							GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.consent_map_threshold",
							"Data subjects a statement asks for before it builds the consent map.",
							"Smaller statements look consents up one by one and never wait; 0 builds at once.",
							&twp_consent_map_threshold,
							1000, 0, INT_MAX,
							PGC_SUSET,
							0,
							NULL, NULL, NULL);
	RegisterXactCallback(end_transaction, NULL);
}

/* True when what this process may see differs from what is committed. */
static bool
sees_own_changes(void)
{
	/* A worker does not know what its leader wrote, only that it may have. */
	return own_change || (IsParallelWorker() && TransactionIdIsValid(GetTopTransactionIdIfAny()));
}

/* Finds this database's slot; with make, takes a free one or that of the map longest unused. */
static int
find_slot(bool make)
{
	Oid			relid = twp_catalog_internal_relid("directive");
	int			oldest = -1;

	if (my_slot >= 0 && control->slots[my_slot].database == MyDatabaseId &&
		control->slots[my_slot].relid == relid)
		return my_slot;
	/* where there was none there is none before somebody publishes a map, in a slot taken before */
	if (my_slot < 0 && !make && my_relid == relid && my_version == control->last_version)
		return -1;
	my_slot = -1;
	my_relid = relid;
	my_version = control->last_version;
	LWLockAcquire(&locks[0].lock, make ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
	{
		MapSlot    *slot = &control->slots[i];

		if (slot->database == MyDatabaseId && slot->relid == relid)
			my_slot = i;
		if (!slot->building && (oldest < 0 || slot->used_at < control->slots[oldest].used_at))
			oldest = i;
	}
	if (my_slot < 0 && make && oldest >= 0)
	{
		MapSlot    *slot = &control->slots[oldest];

		LWLockAcquire(SLOT_LOCK(oldest), LW_EXCLUSIVE);
		if (DsaPointerIsValid(slot->header))
			release_map(slot->header);
		memset(slot, 0, sizeof(*slot));
		slot->database = MyDatabaseId;
		slot->relid = relid;
		my_slot = oldest;
		LWLockRelease(SLOT_LOCK(oldest));
	}
	LWLockRelease(&locks[0].lock);
	return my_slot;
}

/* Pins the published map of the slot; false when there is none. */
static bool
pin(int slot)
{
	TwpMapHeader *header = NULL;

	LWLockAcquire(SLOT_LOCK(slot), LW_SHARED);
	if (control->slots[slot].database == MyDatabaseId && control->slots[slot].relid == my_relid &&
		DsaPointerIsValid(control->slots[slot].header))
	{
		pinned_header = control->slots[slot].header;
		header = dsa_get_address(area, pinned_header);
		pg_atomic_fetch_add_u32(&header->pins, 1);
	}
	LWLockRelease(SLOT_LOCK(slot));
	if (header == NULL)
		return false;
	is_pinned = true;
	twp_map_view(area, header, &pinned);
	return true;
}

/* Takes the published map away, so that the next large statement builds another. */
static void
retire(int slot)
{
	dsa_pointer header;

	LWLockAcquire(SLOT_LOCK(slot), LW_EXCLUSIVE);
	header = control->slots[slot].header;
	if (header == pinned_header)
	{
		control->slots[slot].header = InvalidDsaPointer;
		control->slots[slot].version = 0;
	}
	LWLockRelease(SLOT_LOCK(slot));
	if (header == pinned_header)
		release_map(header);
}

/* Pins a map that holds now and brings it up to date; false when there is none. */
static bool
begin_map(uint64 changes, TimestampTz now)
{
	int			slot;

	if (control == NULL || map_memory_mb == 0 || sees_own_changes())
		return false;
	slot = find_slot(false);
	if (slot < 0 || !attach_area(false))
		return false;
	if (is_pinned && control->slots[slot].version != pinned.version)
		unpin();
	if (!is_pinned && !pin(slot))
		return false;
	if (now < pinned.built_at || now >= pinned.horizon)
		return false;
	if (seen_changes != changes)
	{
		if (!twp_map_catch_up(area, &pinned, SLOT_LOCK(slot), now))
		{
			retire(slot);
			return false;
		}
		seen_changes = changes;
	}
	control->slots[slot].used_at = now;
	return true;
}

/* Gives a map right for a statement that starts now, or NULL. */
const TwpMap *
twp_map_begin(uint64 changes, TimestampTz now)
{
	if (begin_map(changes, now))
		return &pinned;
	unpin();
	return NULL;
}

/* Tells about the published map of this database; false when there is none. */
bool
twp_map_describe(TwpMapFigures *figures)
{
	int			slot = control == NULL ? -1 : find_slot(false);

	if (slot < 0 || !attach_area(false) || (!is_pinned && !pin(slot)))
		return false;
	figures->version = pinned.version;
	figures->bytes = pinned.header->bytes;
	figures->profiles = pinned.header->profiles.n;
	figures->subjects = pinned.dense_n;
	for (int section = 0; section < TWP_SECTIONS; section++)
		figures->subjects += pinned.header->table[section].used;
	figures->built_at = pinned.built_at;
	figures->horizon = pinned.horizon;
	return true;
}

/* Gives the pinned map, if it still is. */
const TwpMap *
twp_map_pinned(void)
{
	return is_pinned ? &pinned : NULL;
}

/* Publishes a map in place of the one there is. */
static void
publish(int slot, dsa_pointer pointer)
{
	TwpMapHeader *header = dsa_get_address(area, pointer);
	dsa_pointer replaced;

	LWLockAcquire(&locks[0].lock, LW_EXCLUSIVE);
	header->version = ++control->last_version;
	LWLockRelease(&locks[0].lock);
	LWLockAcquire(SLOT_LOCK(slot), LW_EXCLUSIVE);
	replaced = control->slots[slot].header;
	control->slots[slot].header = pointer;
	control->slots[slot].version = header->version;
	control->slots[slot].used_at = header->built_at;
	LWLockRelease(SLOT_LOCK(slot));
	if (DsaPointerIsValid(replaced))
		release_map(replaced);
}

/* Frees the map of another database that was not used for the longest time; false when there is none. */
static bool
free_oldest_other(int slot)
{
	dsa_pointer header = InvalidDsaPointer;
	int			oldest = -1;

	LWLockAcquire(&locks[0].lock, LW_SHARED);
	for (int i = 0; i < SLOTS; i++)
		if (i != slot && DsaPointerIsValid(control->slots[i].header) &&
			(oldest < 0 || control->slots[i].used_at < control->slots[oldest].used_at))
			oldest = i;
	LWLockRelease(&locks[0].lock);
	if (oldest < 0)
		return false;
	LWLockAcquire(SLOT_LOCK(oldest), LW_EXCLUSIVE);
	header = control->slots[oldest].header;
	control->slots[oldest].header = InvalidDsaPointer;
	control->slots[oldest].version = 0;
	LWLockRelease(SLOT_LOCK(oldest));
	if (DsaPointerIsValid(header))
		release_map(header);
	return true;
}

/* Copies a map into shared memory, at the cost of other databases' when memory is short. */
static bool
share_map(int slot, const TwpMap *map, dsa_pointer *pointer)
{
	while (!twp_map_share(area, map, pointer))
		if (!free_oldest_other(slot))
			return false;
	return true;
}

/* Lets the next process build. */
static void
end_building(int code, Datum arg)
{
	LWLockAcquire(SLOT_LOCK(DatumGetInt32(arg)), LW_EXCLUSIVE);
	control->slots[DatumGetInt32(arg)].building = false;
	LWLockRelease(SLOT_LOCK(DatumGetInt32(arg)));
}

/* Reads everything and publishes it. */
static void
read_and_publish(int slot, TimestampTz now)
{
	Snapshot	snapshot = twp_consent_snapshot();
	uint64		as_of = snapshot->snapXactCompletionCount;
	uint64		watermark = twp_map_watermark(snapshot);
	uint64		max_bytes = (uint64) map_memory_mb * 1024 * 1024;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy map", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TwpMap	   *map;
	dsa_pointer pointer;

	snapshot = RegisterSnapshot(snapshot);
	map = twp_map_read(snapshot, now, max_bytes);
	UnregisterSnapshot(snapshot);
	dsa_set_size_limit(area, Max(max_bytes, 2 * 1024 * 1024));
	if (map != NULL && share_map(slot, map, &pointer))
	{
		TwpMapHeader *header = dsa_get_address(area, pointer);

		header->as_of = as_of;
		header->watermark = watermark;
		publish(slot, pointer);
	}
	else
		control->slots[slot].retry_at = now + USECS_PER_MINUTE;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Builds a map unless somebody does or it cannot be. */
bool
twp_map_build(TimestampTz now)
{
	int			slot;
	bool		mine;

	if (control == NULL || map_memory_mb == 0 || sees_own_changes())
		return false;
	/* The area first: taking another database's slot frees its map. */
	if (!attach_area(true) || (slot = find_slot(true)) < 0)
		return false;
	LWLockAcquire(SLOT_LOCK(slot), LW_EXCLUSIVE);
	mine = !control->slots[slot].building && now >= control->slots[slot].retry_at;
	if (mine)
		control->slots[slot].building = true;
	LWLockRelease(SLOT_LOCK(slot));
	if (!mine)
		return false;
	PG_ENSURE_ERROR_CLEANUP(end_building, Int32GetDatum(slot));
	{
		read_and_publish(slot, now);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_building, Int32GetDatum(slot));
	end_building(0, Int32GetDatum(slot));
	twp_map_count(TWP_MAP_BUILDS, 1);
	return true;
}

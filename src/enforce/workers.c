/*
 * workers.c - what parallel workers saw, handed to their leader.
 *
 * The ledger names the data subjects a statement was given; a worker's part of
 * them is known in the worker alone.  It hands its set over when its plan ends,
 * and also when it is aborted, in a segment of dynamic shared memory that a
 * slot of the leader's names; the leader merges it when the statement ends.
 * Workers of several statements that a leader runs one inside the other share
 * its slot: what they saw goes to whichever ends first.
 *
 * Locks: one LWLock over all slots, held while a set is merged.  Memory: a
 * pinned segment of the set's size for each leader that has one.
 * Failure: handing over raises out of memory and out of segments, which fails
 * the statement; while aborting nothing is raised and the part is lost.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "enforce/workers.h"
#include "miscadmin.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define TRANCHE "twin_privacy worker subjects"

typedef struct Slot
{
	int			leader;			/* process id, 0 when free */
	dsm_handle	set;
} Slot;

typedef struct Shared
{
	LWLock	   *lock;
	int			nslots;
	Slot		slots[FLEXIBLE_ARRAY_MEMBER];
} Shared;

static Shared *shared = NULL;
static MemoryContext context = NULL;
static TwpSubjectSet *seen = NULL;	/* by this worker */

/* Bytes of the slots: a leader is a backend. */
static Size
shared_size(void)
{
	return add_size(offsetof(Shared, slots), mul_size(sizeof(Slot), MaxBackends));
}

/* Asks for the slots; to be called from shmem_request_hook. */
void
twp_enforce_shmem_request(void)
{
	RequestAddinShmemSpace(add_size(shared_size(), twp_enforce_rouse_size()));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Finds the slots; to be called from shmem_startup_hook. */
void
twp_enforce_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(TRANCHE, shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		shared->lock = &GetNamedLWLockTranche(TRANCHE)[0].lock;
		shared->nslots = MaxBackends;
	}
	twp_enforce_rouse_startup();
	LWLockRelease(AddinShmemInitLock);
}

/* The slot of a leader; with make, a free one when it has none.  Needs the lock. */
static Slot *
find_slot(int leader, bool make)
{
	Slot	   *free_slot = NULL;

	for (int i = 0; i < shared->nslots; i++)
	{
		if (shared->slots[i].leader == leader)
			return &shared->slots[i];
		if (shared->slots[i].leader == 0 && free_slot == NULL)
			free_slot = &shared->slots[i];
	}
	return make ? free_slot : NULL;
}

/* Takes the set of a slot into another and frees the slot.  Needs the lock. */
static void
empty_slot(Slot *slot, TwpSubjectSet *into)
{
	dsm_segment *segment = dsm_attach(slot->set);
	dsm_handle	handle = slot->set;

	slot->leader = 0;
	if (segment == NULL)
		return;
	if (into != NULL)
		twp_ledger_subjects_take(into, dsm_segment_address(segment));
	dsm_detach(segment);
	dsm_unpin_segment(handle);
}

/* The set of subjects this worker saw. */
TwpSubjectSet *
twp_enforce_worker_subjects(void)
{
	if (seen == NULL)
	{
		if (context == NULL)
			context = AllocSetContextCreate(TopMemoryContext, "twin_privacy worker", ALLOCSET_SMALL_SIZES);
		seen = twp_ledger_subjects_create(context);
	}
	return seen;
}

/* Puts what this worker saw, and what its leader's slot held, into the slot. */
static void
fill_slot(int leader)
{
	Slot	   *slot = find_slot(leader, true);
	dsm_segment *segment;

	if (slot == NULL)
		elog(ERROR, "no slot for the subjects that parallel workers saw");
	if (slot->leader == leader)
		empty_slot(slot, seen);
	segment = dsm_create(twp_ledger_subjects_hand_size(seen), 0);
	twp_ledger_subjects_hand(seen, dsm_segment_address(segment));
	dsm_pin_segment(segment);
	slot->set = dsm_segment_handle(segment);
	slot->leader = leader;
	dsm_detach(segment);
}

/* Hands what this worker saw to its leader. */
void
twp_enforce_hand_over(void)
{
	PGPROC	   *leader = MyProc->lockGroupLeader;

	if (seen == NULL || leader == NULL)
		return;
	twp_enforce_pages_leave(seen);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	fill_slot(leader->pid);
	LWLockRelease(shared->lock);
	seen = NULL;
	MemoryContextReset(context);
}

/* The same while the worker's transaction aborts. */
void
twp_enforce_hand_over_aborting(void)
{
	MemoryContext old = CurrentMemoryContext;

	if (seen == NULL)
		return;
	HOLD_INTERRUPTS();
	PG_TRY();
	{
		twp_enforce_hand_over();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		FlushErrorState();
		if (LWLockHeldByMe(shared->lock))
			LWLockRelease(shared->lock);
		seen = NULL;
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
}

/* True when workers have handed something to this leader. */
bool
twp_enforce_has_workers_part(void)
{
	bool		result;

	LWLockAcquire(shared->lock, LW_SHARED);
	result = find_slot(MyProcPid, false) != NULL;
	LWLockRelease(shared->lock);
	return result;
}

/* Adds to a set what this leader's workers handed over (NULL: drops it). */
void
twp_enforce_take_workers_part(TwpSubjectSet *into)
{
	Slot	   *slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(MyProcPid, false);
	if (slot != NULL)
		empty_slot(slot, into);
	LWLockRelease(shared->lock);
}

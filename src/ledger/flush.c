/*
 * flush.c - waiting until a record is durable, in groups.
 *
 * Backends that wait form a list, as in PostgreSQL's own group updates of the
 * process array.  The first in the list leads: it waits for the flush lock,
 * takes the whole list, drains once for all and wakes each member once.  Who
 * comes while a group is on its way to the disk begins the next one, whose
 * leader alone waits for the lock.  So a statement sleeps once, and the disk
 * is busy again as soon as a group is done.
 *
 * Locks: the flush lock.  A member sleeps on its semaphore, which nothing
 * interrupts.  Failure: false, for all of the group whose records the leader
 * could not make durable; none waits for a leader that failed.  Memory: shared.
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pg_sema.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

#define NOBODY PG_UINT32_MAX

/* Number of a process among the server's. */
#define NUMBER_OF(proc) ((uint32) ((proc) - ProcGlobal->allProcs))

/* How many processes may wait. */
static uint32
member_count(void)
{
	return MaxBackends > 0 ? MaxBackends : 100;
}

/* Shared memory for the list. */
Size
twp_ledger_group_size(void)
{
	return MAXALIGN(mul_size(member_count(), sizeof(TwpFlushMember)));
}

/* Sets the list up. */
void
twp_ledger_group_init(void)
{
	pg_atomic_init_u32(&twp_ledger_shared->group, NOBODY);
	for (uint32 i = 0; i < member_count(); i++)
		pg_atomic_init_u32(&twp_ledger_members()[i].next, NOBODY);
}

/* Enters this process into the list; true when it is the first and leads. */
static bool
enter_group(uint32 me, uint64 upto)
{
	TwpFlushMember *member = &twp_ledger_members()[me];
	uint32		first = pg_atomic_read_u32(&twp_ledger_shared->group);

	member->upto = upto;
	member->waits = true;
	do
		pg_atomic_write_u32(&member->next, first);
	while (!pg_atomic_compare_exchange_u32(&twp_ledger_shared->group, &first, me));
	return first == NOBODY;
}

/* Sleeps until the leader has seen to this process's record. */
static void
await_leader(uint32 me)
{
	TwpFlushMember *member = &twp_ledger_members()[me];
	int			others = 0;		/* wake-ups that were meant for something else */

	pgstat_report_wait_start(PG_WAIT_EXTENSION);
	for (;;)
	{
		PGSemaphoreLock(MyProc->sem);
		if (!member->waits)
			break;
		others++;
	}
	pgstat_report_wait_end();
	/* pairs with the leader's: how far the ledger is durable is read after being woken */
	pg_read_barrier();
	while (others-- > 0)
		PGSemaphoreUnlock(MyProc->sem);
}

/* Drains unless all of the group is durable by now; the caller holds the flush lock. */
static void
drain_for_group(uint32 first)
{
	uint64		upto = 0;

	for (uint32 i = first; i != NOBODY; i = pg_atomic_read_u32(&twp_ledger_members()[i].next))
		upto = Max(upto, twp_ledger_members()[i].upto);
	if (pg_atomic_read_u64(&twp_ledger_shared->flushed_pos) < upto)
		(void) twp_ledger_drain_locked();
}

/* Wakes the members, each of whom looks for itself how far the ledger is durable. */
static void
wake_group(uint32 first)
{
	while (first != NOBODY)
	{
		TwpFlushMember *member = &twp_ledger_members()[first];
		PGPROC	   *proc = &ProcGlobal->allProcs[first];

		first = pg_atomic_read_u32(&member->next);
		pg_atomic_write_u32(&member->next, NOBODY);
		/* It may enter another group as soon as it sees that it waits no more. */
		pg_write_barrier();
		member->waits = false;
		if (proc != MyProc)
			PGSemaphoreUnlock(proc->sem);
	}
}

/* Leads the group this process is the first of. */
static void
lead_group(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	volatile uint32 first = NOBODY;

	PG_TRY();
	{
		LWLockAcquire(shared->flush_lock, LW_EXCLUSIVE);
		first = pg_atomic_exchange_u32(&shared->group, NOBODY);
		drain_for_group(first);
		LWLockRelease(shared->flush_lock);
	}
	PG_FINALLY();
	{
		if (first == NOBODY)
			first = pg_atomic_exchange_u32(&shared->group, NOBODY);
		wake_group(first);
	}
	PG_END_TRY();
}

/* Makes everything up to a position durable, by this process or one that does it for several. */
bool
twp_ledger_flush(uint64 upto)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint32		me = NUMBER_OF(MyProc);

	if (pg_atomic_read_u64(&shared->flushed_pos) >= upto)
		return true;
	if (pg_atomic_read_u32(&shared->state) != TWP_LEDGER_OPEN)
		return false;
	/* an error would end an exiting process without waking anybody: it leads nobody */
	if (proc_exit_inprogress)
		return twp_ledger_drain() && pg_atomic_read_u64(&shared->flushed_pos) >= upto;
	Assert(me < member_count());
	if (enter_group(me, upto))
		lead_group();
	else
		await_leader(me);
	return pg_atomic_read_u64(&shared->flushed_pos) >= upto;
}

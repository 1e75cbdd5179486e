/*
 * flush.c - waiting until a record is durable, in groups.
 *
 * Backends that wait form a list, as in PostgreSQL's own group updates of the
 * process array.  Whoever leads a group takes the whole list, drains once for
 * all and wakes each member once.  Where nobody is flushing, the first in the
 * list leads.  Who comes while a group is on its way to the disk begins the
 * next one, which the flusher leads, a process of its own: on a busy machine
 * it goes from one flush to the next, where a member would first have to be
 * woken and given a processor while the disk idles.  Without a flusher the
 * first member waits for the lock and leads.
 *
 * Locks: the flush lock.  A member sleeps on its semaphore, which nothing
 * interrupts.  Failure: false, for all of the group whose records the leader
 * could not make durable; none waits for a leader that failed or is gone.
 * Memory: shared.
 */
#include "postgres.h"

#include "base/compat.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pg_sema.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

/*
 * What the flusher does.  It looks for a group after each change of this, as
 * members look here after they have entered one: nobody is forgotten.
 */
enum
{
	FLUSHER_GONE,				/* leads nobody */
	FLUSHER_ASLEEP,				/* looks for a group when its latch is set */
	FLUSHER_AWAKE				/* looks for a group before it sleeps */
};

TWP_EXPORT void twp_ledger_flusher_worker_main(Datum arg);

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
	pg_atomic_init_u32(&twp_ledger_shared->flusher, FLUSHER_GONE);
	for (uint32 i = 0; i < member_count(); i++)
	{
		pg_atomic_init_u32(&twp_ledger_members()[i].next, NOBODY);
		twp_ledger_members()[i].waits = false;
	}
}

/* Enters this process into the list; true when it is the first. */
static bool
enter_group(uint32 me, uint64 upto)
{
	TwpFlushMember *member = &twp_ledger_members()[me];
	uint32		first = pg_atomic_read_u32(&twp_ledger_shared->group);

	Assert(!member->waits);
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

/*
 * Wakes the members, each of whom looks for itself how far the ledger is durable.
 * True when this process is among them.
 */
static bool
wake_group(uint32 first)
{
	bool		me = false;

	while (first != NOBODY)
	{
		TwpFlushMember *member = &twp_ledger_members()[first];
		PGPROC	   *proc = &ProcGlobal->allProcs[first];

		first = pg_atomic_read_u32(&member->next);
		pg_atomic_write_u32(&member->next, NOBODY);
		/* It may enter another group as soon as it sees that it waits no more. */
		pg_write_barrier();
		member->waits = false;
		if (proc == MyProc)
			me = true;
		else
			PGSemaphoreUnlock(proc->sem);
	}
	return me;
}

/*
 * Leads the group that waits, if any; the caller may hold the flush lock already.
 * True when this process is in that group.
 */
static bool
lead_group(bool locked)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	volatile uint32 first = NOBODY;
	volatile bool taken = false;
	volatile bool me = false;

	PG_TRY();
	{
		if (!locked)
			LWLockAcquire(shared->flush_lock, LW_EXCLUSIVE);
		first = pg_atomic_exchange_u32(&shared->group, NOBODY);
		taken = true;
		drain_for_group(first);
		LWLockRelease(shared->flush_lock);
	}
	PG_FINALLY();
	{
		if (!taken)
			first = pg_atomic_exchange_u32(&shared->group, NOBODY);
		me = wake_group(first);
	}
	PG_END_TRY();
	return me;
}

/* True when the flusher will lead the group that this process has entered. */
static bool
hand_over(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint32		state = pg_atomic_read_u32(&shared->flusher);

	if (state == FLUSHER_GONE)
		return false;
	if (state == FLUSHER_ASLEEP &&
		pg_atomic_compare_exchange_u32(&shared->flusher, &state, FLUSHER_AWAKE))
		SetLatch(shared->flusher_latch);
	return true;
}

/*
 * Leads the group that this process is the first of, unless the flusher does.
 * False when somebody else has taken the group, or will, and wakes this process.
 */
static bool
lead_if_nobody_does(void)
{
	/* an awake flusher is left the lock: to wait for it would cost a group's time */
	if (pg_atomic_read_u32(&twp_ledger_shared->flusher) == FLUSHER_AWAKE)
		return false;
	if (LWLockConditionalAcquire(twp_ledger_shared->flush_lock, LW_EXCLUSIVE))
		return lead_group(true);
	return !hand_over() && lead_group(false);
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
	if (!(enter_group(me, upto) && lead_if_nobody_does()))
		await_leader(me);
	return pg_atomic_read_u64(&shared->flushed_pos) >= upto;
}

/* Leads whoever counts on the flusher, for the last time. */
static void
flusher_gone(int code, Datum arg)
{
	LWLockReleaseAll();
	pg_atomic_exchange_u32(&twp_ledger_shared->flusher, FLUSHER_GONE);
	while (pg_atomic_read_u32(&twp_ledger_shared->group) != NOBODY)
		(void) lead_group(false);
}

/* Runs the flusher until shutdown. */
void
twp_ledger_flusher_worker_main(Datum arg)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	if (shared == NULL)
		proc_exit(1);
	shared->flusher_latch = MyLatch;
	on_shmem_exit(flusher_gone, (Datum) 0);
	while (!ShutdownRequestPending)
	{
		pg_atomic_exchange_u32(&shared->flusher, FLUSHER_AWAKE);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (pg_atomic_read_u32(&shared->group) != NOBODY)
		{
			(void) lead_group(false);
			continue;
		}
		pg_atomic_exchange_u32(&shared->flusher, FLUSHER_ASLEEP);
		if (pg_atomic_read_u32(&shared->group) != NOBODY)
			continue;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	/* ended by the postmaster or by hand; in the latter case it is started again */
	proc_exit(1);
}

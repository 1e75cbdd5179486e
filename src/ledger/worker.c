/*
 * worker.c - the background worker that drains what nobody waits for.
 *
 * It has shared memory and no database connection, so it is never in the way
 * of DROP DATABASE or CREATE DATABASE ... TEMPLATE.  Every few milliseconds
 * while records arrive it drains the ring, keeps a spare segment ready and
 * writes the anchor; when nothing arrives it sleeps until woken.
 */
#include "postgres.h"

#include "base/compat.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define BUSY_SLEEP_MS 10
#define IDLE_AFTER_ROUNDS 100
#define IDLE_SLEEP_MS 60000
#define FULL_SLEEP_MS 100
#define ANCHOR_EVERY_MS 1000

TWP_EXPORT void twp_ledger_worker_main(Datum arg);

/* Takes the worker's latch out of shared memory when it exits. */
static void
worker_gone(int code, Datum arg)
{
	LWLockAcquire(twp_ledger_shared->append_lock, LW_EXCLUSIVE);
	twp_ledger_shared->worker_latch = NULL;
	LWLockRelease(twp_ledger_shared->append_lock);
}

/* True when the ring holds records not yet on disk; arms the wake-up when it does not and idle is asked for. */
static bool
records_wait(bool idle)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	bool		waiting;

	LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
	waiting = shared->insert_pos != shared->drained_pos;
	shared->worker_idle = idle && !waiting;
	LWLockRelease(shared->append_lock);
	return waiting;
}

/* Keeps one zero-filled segment ready. */
static void
keep_spare(void)
{
	LWLockAcquire(twp_ledger_shared->flush_lock, LW_EXCLUSIVE);
	if (twp_ledger_shared->spares < 1)
		(void) twp_ledger_grow_locked();
	LWLockRelease(twp_ledger_shared->flush_lock);
}

/* Writes indexes when a segment was finished, here or in a copy, since the last time. */
static void
keep_indexes(bool idle)
{
	static MemoryContext context = NULL;
	static uint64 last_segno = 0;
	MemoryContext old;

	if (last_segno == twp_ledger_shared->segno && !idle)
		return;
	last_segno = twp_ledger_shared->segno;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ledger indexes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	twp_index_write_missing();
	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
}

/* Runs the worker until shutdown. */
void
twp_ledger_worker_main(Datum arg)
{
	TimestampTz anchored = 0;
	int			quiet_rounds = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	if (twp_ledger_shared == NULL)
		proc_exit(1);
	on_shmem_exit(worker_gone, (Datum) 0);
	LWLockAcquire(twp_ledger_shared->append_lock, LW_EXCLUSIVE);
	twp_ledger_shared->worker_latch = MyLatch;
	LWLockRelease(twp_ledger_shared->append_lock);

	while (!ShutdownRequestPending)
	{
		bool		open = pg_atomic_read_u32(&twp_ledger_shared->state) == TWP_LEDGER_OPEN;
		bool		idle = !open || quiet_rounds > IDLE_AFTER_ROUNDS;
		bool		full = open && twp_ledger_drop_shipped();

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (open)
			twp_ledger_note_clock();
		if (open && records_wait(idle) && twp_ledger_drain())
		{
			quiet_rounds = 0;
			idle = false;
			keep_spare();
		}
		else
			quiet_rounds++;
		if (open && TimestampDifferenceExceeds(anchored, GetCurrentTimestamp(), ANCHOR_EVERY_MS))
		{
			twp_anchor_write();
			anchored = GetCurrentTimestamp();
		}
		if (open)
			keep_indexes(idle);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 full ? FULL_SLEEP_MS : idle ? IDLE_SLEEP_MS : BUSY_SLEEP_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	twp_ledger_note_clock();
	if (twp_ledger_drain())
		twp_anchor_write();
	proc_exit(0);
}

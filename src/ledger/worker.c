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

/*
 * Looks at the ring: *overdue when records wait that waited in the last round,
 * too (younger ones the next statement's flush may take along, and its client
 * need not wait for ours).  True when nothing waits and nothing came since the
 * last round; then the wake-up is armed if idle is asked for.
 */
static bool
ring_is_quiet(bool idle, bool *overdue)
{
	static uint64 last_round = 0;
	TwpLedgerShared *shared = twp_ledger_shared;
	bool		quiet;

	LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
	*overdue = shared->drained_pos < Min(last_round, shared->insert_pos);
	quiet = shared->insert_pos == shared->drained_pos && shared->insert_pos == last_round;
	shared->worker_idle = idle && quiet;
	last_round = shared->insert_pos;
	LWLockRelease(shared->append_lock);
	return quiet;
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
		bool		overdue;
		bool		quiet;
		bool		failed;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (open)
			twp_ledger_note_clock();
		quiet = !open || ring_is_quiet(idle, &overdue);
		/* what waits for a disk is tried again soon: nothing else wakes us for it */
		failed = !quiet && overdue && !twp_ledger_drain();
		if (quiet)
			quiet_rounds++;
		else
		{
			quiet_rounds = 0;
			idle = false;
			if (!failed)
				twp_ledger_keep_spare();
		}
		if (open && TimestampDifferenceExceeds(anchored, GetCurrentTimestamp(), ANCHOR_EVERY_MS))
		{
			twp_anchor_write();
			anchored = GetCurrentTimestamp();
		}
		if (open)
			keep_indexes(idle);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 full || failed ? FULL_SLEEP_MS : idle ? IDLE_SLEEP_MS : BUSY_SLEEP_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	twp_ledger_note_clock();
	if (twp_ledger_drain())
		twp_anchor_write();
	/* ended by the postmaster or by hand; in the latter case it is started again */
	proc_exit(1);
}

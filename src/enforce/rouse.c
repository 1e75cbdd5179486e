/*
 * rouse.c - wakes sessions that keep rows of protected tables in a portal.
 *
 * Where a driver executes a suspended portal again, PostgreSQL gives out the
 * rows it has stored and calls nobody.  So whoever commits news rouses the
 * sessions that keep such rows: each takes the news in while it waits for its
 * client, by PostgreSQL's own interrupt for that, and closes what it overtakes.
 *
 * Shared memory: for each backend its process number while it keeps rows, read
 * and written without a lock.  Locks: none.  A signal that comes too late or for
 * nothing does no harm.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/news.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/resowner.h"

static pg_atomic_uint32 *keepers = NULL;	/* by backend; 0: keeps none */
static bool news = false;		/* heard since the last transaction's end */

/* Size of the shared memory. */
Size
twp_enforce_rouse_size(void)
{
	return mul_size(sizeof(pg_atomic_uint32), MaxBackends);
}

/* Finds the shared memory; called with its lock held. */
void
twp_enforce_rouse_startup(void)
{
	bool		found;

	keepers = ShmemInitStruct("twin_privacy keepers", twp_enforce_rouse_size(), &found);
	for (int i = 0; !found && i < MaxBackends; i++)
		pg_atomic_init_u32(&keepers[i], 0);
}

/* Says whether this session keeps rows. */
void
twp_enforce_keep_rows(bool keeps)
{
	int			slot = MyProc != NULL ? MyProc - ProcGlobal->allProcs : -1;

	if (keepers != NULL && slot >= 0 && slot < MaxBackends)
		pg_atomic_write_u32(&keepers[slot], keeps ? (uint32) MyProcPid : 0);
}

/* Wakes all others that keep rows. */
static void
rouse_keepers(void)
{
	for (int i = 0; i < MaxBackends; i++)
	{
		int			pid = (int) pg_atomic_read_u32(&keepers[i]);

		/* told by its number alone: it may have ended, and then nobody is told */
		if (pid != 0 && pid != MyProcPid)
			(void) SendProcSignal(pid, PROCSIG_CATCHUP_INTERRUPT, -1);
	}
}

/* Hears of what this transaction changed last: PostgreSQL tells others of it only. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		CommandEndInvalidationMessages();
}

/* Tells others once a transaction's news is where they read it, which is after its commit's callbacks. */
static void
at_release(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	if (news && is_commit && keepers != NULL)
		rouse_keepers();
	news = false;
}

/* Takes in that a relation changed, or (InvalidOid) any may have. */
static void
hear(Datum arg, Oid relid)
{
	news = true;
	twp_enforce_hear();
}

/* Registers for news; after the rooms that count it. */
void
twp_enforce_rouse_init(void)
{
	twp_news_listen(hear);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterResourceReleaseCallback(at_release, NULL);
}

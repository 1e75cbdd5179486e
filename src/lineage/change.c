/*
 * change.c - notices that rows which decide about derived rows have changed.
 *
 * Counters in shared memory, a thousand for all relations of all databases: a
 * transaction that wrote provenance, or changed rows that others are made
 * from, counts before its rows are seen and again after.  Between the two a
 * reader may see its rows and not the second count; but a row it wrote is
 * newer than the graph then and is looked up by itself (graph.c).
 *
 * A prepared transaction is committed by somebody who knows nothing of what it
 * wrote, so such a transaction is not prepared.  A standby counts nothing:
 * there every row is looked up by itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "common/hashfn.h"
#include "lineage/lineage_internal.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define COUNTERS 1024

static pg_atomic_uint64 *counters = NULL;
static Bitmapset *touched = NULL;	/* counters of this transaction's writes */
static uint64 own_writes = 0;

/* The number of a relation's counter. */
static int
counter_of(Oid relid)
{
	return (int) (hash_combine(murmurhash32(MyDatabaseId), murmurhash32(relid)) % COUNTERS);
}

/* Counts once for everything the transaction touched. */
static void
count_touched(void)
{
	int			member = -1;

	while ((member = bms_next_member(touched, member)) >= 0)
		pg_atomic_fetch_add_u64(&counters[member], 1);
}

/* Counts around the end of a transaction that wrote. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (touched == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that has changed what derived rows are made from"),
					 errhint("Commit it in one phase.")));
			break;
		case XACT_EVENT_PRE_COMMIT:
			count_touched();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			count_touched();
			own_writes++;
			bms_free(touched);
			touched = NULL;
			break;
		default:
			break;
	}
}

/* An aborted part of a transaction takes its rows back. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && touched != NULL)
		own_writes++;
}

/* Asks for the counters' memory. */
void
twp_lineage_shmem_request(void)
{
	RequestAddinShmemSpace(mul_size(COUNTERS, sizeof(pg_atomic_uint64)));
}

/* Finds the counters. */
void
twp_lineage_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counters = ShmemInitStruct("twin_privacy lineage", mul_size(COUNTERS, sizeof(pg_atomic_uint64)), &found);
	for (int i = 0; !found && i < COUNTERS; i++)
		pg_atomic_init_u64(&counters[i], 0);
	LWLockRelease(AddinShmemInitLock);
}

/* Registers for the ends of transactions. */
void
twp_lineage_change_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

/* Notes that a statement writes a relation whose rows may decide about others. */
void
twp_lineage_writes(Oid relid, CmdType operation)
{
	MemoryContext old;

	if (!twp_protect_has_lineage() ||
		!(twp_protect_is_provenance(relid) ||
		  (operation != CMD_INSERT && (twp_protect_is_protected(relid) || twp_protect_is_on_path(relid)))))
		return;
	own_writes++;
	old = MemoryContextSwitchTo(TopMemoryContext);
	touched = bms_add_member(touched, counter_of(relid));
	MemoryContextSwitchTo(old);
}

/* What the relation's counter stands at. */
TwpMoment
twp_lineage_moment(Oid relid)
{
	return (TwpMoment) {.relid = relid,.shared = pg_atomic_read_u64(&counters[counter_of(relid)])};
}

/* True when nobody has counted for the relation since. */
bool
twp_lineage_unchanged(const TwpMoment *moment)
{
	return pg_atomic_read_u64(&counters[counter_of(moment->relid)]) == moment->shared;
}

/* Grows with each write of this backend's own. */
uint64
twp_lineage_own_writes(void)
{
	return own_writes;
}

/*
 * change.c - notices that rows which decide about derived rows have changed.
 *
 * Counters in shared memory, some for all relations of all databases.  One says
 * how many transactions that changed something are being committed, and how
 * many were; a transaction counts before its rows are seen and again after.
 * While one is between the two, what was read earlier does not count as
 * current.  A new source row is counted apart from other changes: it matters
 * only to who missed one.  A part of a table stands for all it is part of.
 *
 * What is applied by logical replication is not seen statement by statement:
 * each such transaction counts as a change of everything.  A prepared
 * transaction is committed by somebody who knows nothing of what it wrote, so
 * one that has changed something is not prepared.  A standby counts nothing:
 * there every row is looked up by itself.
 *
 * Provenance goes when its derived row has gone.  A snapshot from before still
 * sees the row and must not take it for one with less provenance: when some
 * was last taken away is kept as a number of completed transactions, which
 * snapshots carry, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_inherits.h"
#include "common/hashfn.h"
#include "lineage/lineage_internal.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "port/atomics.h"
#include "replication/logicalworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define COUNTERS 2048
/* Lower bits of a counter: commits under way; the others: commits done. */
#define UNDER_WAY UINT64CONST(0xFFFFF)
#define DONE (UNDER_WAY + 1)

static pg_atomic_uint64 *counters = NULL;
static pg_atomic_uint64 *removals = NULL;	/* by counter: when it last counted */
static Bitmapset *touched = NULL;	/* counters of this transaction's writes */
static bool counted = false;		/* as under way */
static uint64 own_writes = 0;

/* The number of a relation's counter. */
static int
counter_of(Oid relid, TwpChange change)
{
	return (int) (hash_combine(hash_combine(murmurhash32(MyDatabaseId), murmurhash32(relid)),
							   murmurhash32(change)) % COUNTERS);
}

/* Adds to the counters of everything the transaction touched. */
static void
count_touched(uint64 n)
{
	int			member = -1;

	while ((member = bms_next_member(touched, member)) >= 0)
		pg_atomic_fetch_add_u64(&counters[member], n);
}

/* Keeps when provenance was last taken away. */
static void
date_removals(void)
{
	uint64		now = twp_compat_completed_transactions();
	int			member = -1;

	while ((member = bms_next_member(touched, member)) >= 0)
	{
		uint64		before = pg_atomic_read_u64(&removals[member]);

		while (before < now && !pg_atomic_compare_exchange_u64(&removals[member], &before, now))
			;
	}
}

/* Notes that the transaction changes something. */
static void
touch(Oid relid, TwpChange change)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	touched = bms_add_member(touched, counter_of(relid, change));
	MemoryContextSwitchTo(old);
}

/* Counts around the end of a transaction that wrote. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT && IsLogicalWorker())
		touch(InvalidOid, TWP_CHANGE_APPLIED);
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
			count_touched(1);
			counted = true;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			date_removals();
			if (counted)
				count_touched(DONE - 1);
			counted = false;
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
	RequestAddinShmemSpace(mul_size(2 * COUNTERS, sizeof(pg_atomic_uint64)));
}

/* Finds the counters. */
void
twp_lineage_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counters = ShmemInitStruct("twin_privacy lineage", mul_size(2 * COUNTERS, sizeof(pg_atomic_uint64)), &found);
	removals = counters + COUNTERS;
	for (int i = 0; !found && i < 2 * COUNTERS; i++)
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

/* Notes that a statement writes a relation; true when its rows may decide about others. */
static bool
touch_relation(Oid relid, CmdType operation)
{
	bool		traces = twp_protect_is_provenance(relid);
	bool		decides = twp_protect_is_lineage_source(relid);

	if (traces || (decides && operation != CMD_INSERT))
		touch(relid, TWP_CHANGE_ANY);
	if (traces && operation != CMD_INSERT)
		touch(relid, TWP_CHANGE_REMOVED);
	if (decides)
		touch(relid, TWP_CHANGE_ADDED);
	return traces || decides;
}

/* Notes that a statement writes a relation, parts of which, or what it is part of, may decide about others. */
void
twp_lineage_writes(Oid relid, CmdType operation)
{
	List	   *relids;
	bool		counts = false;
	ListCell   *lc;

	if (!twp_protect_has_lineage())
		return;
	relids = list_make1_oid(relid);
	for (int i = 0; i < list_length(relids); i++)
		relids = list_concat_unique_oid(relids, twp_protect_parents(list_nth_oid(relids, i)));
	if (has_subclass(relid))
		relids = list_concat_unique_oid(relids, find_all_inheritors(relid, NoLock, NULL));
	foreach(lc, relids)
		counts |= touch_relation(lfirst_oid(lc), operation);
	if (counts)
		own_writes++;
}

/* What the relation's counter stands at. */
TwpMoment
twp_lineage_moment(Oid relid, TwpChange change)
{
	return (TwpMoment) {relid, change, pg_atomic_read_u64(&counters[counter_of(relid, change)])};
}

/* True when nobody has counted for the relation since, or is about to. */
bool
twp_lineage_unchanged(const TwpMoment *moment)
{
	uint64		now = pg_atomic_read_u64(&counters[counter_of(moment->relid, moment->change)]);

	return now == moment->shared && (now & UNDER_WAY) == 0;
}

/* True when what a counter counts has happened, or is about to, since a snapshot was taken. */
static bool
has_happened(int n, Snapshot snapshot)
{
	return bms_is_member(n, touched) || (pg_atomic_read_u64(&counters[n]) & UNDER_WAY) != 0 ||
		snapshot->snapXactCompletionCount < pg_atomic_read_u64(&removals[n]);
}

/* True when provenance may have been taken away that the snapshot sees the derived row of. */
bool
twp_lineage_removed_since(Oid relid, Snapshot snapshot)
{
	if (RecoveryInProgress())
		return snapshot->snapXactCompletionCount != twp_compat_completed_transactions();
	return has_happened(counter_of(relid, TWP_CHANGE_REMOVED), snapshot) ||
		has_happened(counter_of(InvalidOid, TWP_CHANGE_APPLIED), snapshot);
}

/* Grows with each write of this backend's own. */
uint64
twp_lineage_own_writes(void)
{
	return own_writes;
}

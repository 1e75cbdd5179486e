/*
 * figures.c - how the ledger is doing, for status() and for monitoring.
 *
 * Numbers of the server, not of a database: they count from its start, and
 * what is not atomic is read under the ledger's locks.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_ledger_figures);

TWP_EXPORT Datum twp_ledger_figures(PG_FUNCTION_ARGS);

/* Slot of the counter for a refusal's SQLSTATE. */
static int
refusal_counter(const char *sqlstate)
{
	if (strncmp(sqlstate, "TP00", 4) == 0 && sqlstate[4] >= '1' && sqlstate[4] <= '5')
		return TWP_COUNT_REFUSED + sqlstate[4] - '0';
	return TWP_COUNT_REFUSED;
}

/* Starts the counters at zero; called once, when shared memory is made. */
void
twp_ledger_init_counters(void)
{
	for (int i = 0; i < TWP_COUNTERS; i++)
		pg_atomic_init_u64(&twp_ledger_shared->counters[i], 0);
}

/* Counts a statement, an event, or (with its SQLSTATE) a refusal. */
void
twp_ledger_count(TwpCounter counter, const char *sqlstate)
{
	if (counter == TWP_COUNT_REFUSED)
		counter = refusal_counter(sqlstate);
	pg_atomic_fetch_add_u64(&twp_ledger_shared->counters[counter], 1);
}

/* Name of a state of the ledger. */
static const char *
state_name(uint32 state)
{
	switch (state)
	{
		case TWP_LEDGER_OPEN:
			return "open";
		case TWP_LEDGER_BROKEN:
			return "broken";
		default:
			return "closed";
	}
}

/* ledger_figures(): one row. */
Datum
twp_ledger_figures(PG_FUNCTION_ARGS)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[13 + TWP_COUNTERS];
	bool		nulls[13 + TWP_COUNTERS] = {false};
	int			n = 0;
	int64		open = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	LWLockAcquire(shared->flush_lock, LW_SHARED);
	LWLockAcquire(shared->append_lock, LW_SHARED);
	for (int i = 0; i < shared->slot_count; i++)
		open += shared->slots[i].seq != 0;
	values[n++] = CStringGetTextDatum(state_name(pg_atomic_read_u32(&shared->state)));
	nulls[n] = shared->reason[0] == '\0';
	values[n] = nulls[n] ? (Datum) 0 : CStringGetTextDatum(shared->reason);
	n++;
	values[n++] = Int64GetDatum((int64) shared->next_seq - 1);
	values[n++] = Int64GetDatum((int64) pg_atomic_read_u64(&shared->flushed_seq));
	values[n++] = Int64GetDatum((int64) (shared->insert_pos - pg_atomic_read_u64(&shared->flushed_pos)));
	values[n++] = Int64GetDatum(open);
	values[n++] = Int64GetDatum((int64) (shared->segno - shared->first_segno + 1));
	values[n++] = Int64GetDatum((int64) (shared->segno - shared->first_segno + 1) * TWP_SEGMENT_SIZE);
	values[n++] = Int64GetDatum((int64) twp_ledger_max_size_mb * 1024 * 1024);
	values[n++] = BoolGetDatum(shared->worker_latch != NULL);
	values[n++] = Int64GetDatum((int64) (shared->segno + 1 - pg_atomic_read_u64(&shared->shipped_segno)));
	values[n++] = Int64GetDatum((int64) shared->space_left);
	LWLockRelease(shared->append_lock);
	LWLockRelease(shared->flush_lock);
	values[n++] = Int64GetDatum(list_length(twp_scan_strangers()));
	for (int i = 0; i < TWP_COUNTERS; i++)
		values[n++] = Int64GetDatum((int64) pg_atomic_read_u64(&shared->counters[i]));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

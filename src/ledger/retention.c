/*
 * retention.c - dropping whole old segments, with their head sealed in the chain.
 *
 * Before segments go, a record names the seq and hash they ended with; what is
 * kept then begins where that record says, so verify_ledger() can tell a drop
 * from a loss.  A segment goes only when nothing in it is still open.
 *
 * On a standby whose spool has reached its limit the worker drops what the
 * primary holds; on a primary an auditor decides.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "fmgr.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_ledger_drop_before);

/* Records that everything before a segment is dropped; false when that is not possible now. */
static bool
seal(const TwpSegmentHeader *header)
{
	StringInfoData buf;
	uint64		end;
	bool		ok;

	if (twp_ledger_oldest_open() < header->first_seq)
		return false;
	initStringInfo(&buf);
	twp_field_put_number(&buf, TWP_FIELD_SEQ, header->first_seq - 1);
	twp_field_put(&buf, TWP_FIELD_HASH, header->prev_hash, TWP_HASH_LEN);
	/* A full spool keeps room for this one, else it could never be emptied. */
	ok = twp_ledger_append_note(TWP_RECORD_RETENTION, buf.data, buf.len, &end) && twp_ledger_flush(end);
	pfree(buf.data);
	return ok;
}

/* Drops the own segments before one; gives how many. */
static int
drop_before(uint64 segno)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpSegmentHeader header;
	uint64		first;
	int			dropped = 0;

	LWLockAcquire(shared->flush_lock, LW_SHARED);
	first = shared->first_segno;
	segno = Min(segno, shared->segno);
	LWLockRelease(shared->flush_lock);
	if (segno <= first ||
		!twp_scan_load(shared->directory, segno, (char *) &header, sizeof(header)) || !seal(&header))
		return 0;
	LWLockAcquire(shared->flush_lock, LW_EXCLUSIVE);
	while (shared->first_segno < segno && twp_spool_drop_segment(shared->directory, shared->first_segno))
	{
		shared->first_segno++;
		dropped++;
	}
	LWLockRelease(shared->flush_lock);
	return dropped;
}

/* On a standby whose spool is at its limit, drops what the primary holds; true while it is at the limit. */
bool
twp_ledger_drop_shipped(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		limit = (uint64) twp_ledger_max_size_mb * 1024 * 1024 / TWP_SEGMENT_SIZE;
	bool		full;

	if (limit == 0 || !RecoveryInProgress())
		return false;
	LWLockAcquire(shared->flush_lock, LW_SHARED);
	full = shared->segno - shared->first_segno + 1 + shared->spares >= limit;
	LWLockRelease(shared->flush_lock);
	if (full)
		(void) drop_before(pg_atomic_read_u64(&shared->shipped_segno));
	return full;
}

/* Drops the segments of this server's chain whose records are all older than a time. */
Datum
twp_ledger_drop_before(PG_FUNCTION_ARGS)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	StringInfoData detail;
	TimestampTz before;
	uint64		keep,
				last;

	TWP_REQUIRE_ARG(0, "before");
	TWP_REQUIRE_ARG(1, "reason");
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "drop old records of the ledger");
	before = PG_GETARG_TIMESTAMPTZ(0);
	if (before > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time must not lie in the future"),
				 errhint("Name the end of the period of retention, such as now() - interval '10 years'.")));
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	appendStringInfo(&detail, ", \"before\": \"%s\"}", timestamptz_to_str(before));
	twp_event_emit("ledger.drop", NULL, NULL, detail.data);

	LWLockAcquire(shared->flush_lock, LW_SHARED);
	keep = shared->first_segno;
	last = shared->segno;
	LWLockRelease(shared->flush_lock);
	/* A segment's records are all older than its successor's beginning. */
	for (uint64 segno = keep + 1; segno <= last; segno++)
	{
		TwpSegmentHeader header;

		if (!twp_scan_load(shared->directory, segno, (char *) &header, sizeof(header)) || header.created_at > before)
			break;
		keep = segno;
	}
	PG_RETURN_INT32(drop_before(keep));
}

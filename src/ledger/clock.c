/*
 * clock.c - a step of the server's clock, recorded where it happened.
 *
 * Records are ordered by their sequence and carry the wall clock as it was.
 * A reader who compares times must know when the clock was set: the worker
 * compares it with elapsed time, and a start with the last record.
 *
 * Locks: append lock.  Failure: none is raised; what could not be recorded is
 * tried again.
 */
#include "postgres.h"

#include "base/clock.h"
#include "ledger/ledger_internal.h"
#include "utils/timestamp.h"

/* Less than this is how clocks are kept right, leap seconds included. */
#define STEP_USECS (2 * USECS_PER_SEC)

/* Records one step; the room for it is always kept. */
static bool
record_step(int64 usecs, const char *what)
{
	StringInfoData buf;
	char		detail[96];
	bool		ok;

	snprintf(detail, sizeof(detail), "{\"seconds\": %.3f, \"since\": \"%s\"}", (double) usecs / USECS_PER_SEC, what);
	initStringInfo(&buf);
	twp_field_put_text(&buf, TWP_FIELD_KIND, "ledger.clock");
	twp_field_put_text(&buf, TWP_FIELD_DETAIL, detail);
	ok = twp_ledger_append_note(TWP_RECORD_GAP, buf.data, buf.len, NULL);
	pfree(buf.data);
	ereport(LOG,
			(errmsg("twin_privacy ledger: the server's clock was set by %.3f s", (double) usecs / USECS_PER_SEC)));
	return ok;
}

/* Records what the clock was set by since that was last recorded, or the ledger was opened; for the worker alone. */
void
twp_ledger_note_clock(void)
{
	int64		since = twp_clock_stepped() - twp_ledger_shared->clock_known;

	if ((since > STEP_USECS || since < -STEP_USECS) && record_step(since, "the records before"))
		twp_ledger_shared->clock_known += since;
}

/* Records that the server starts earlier than its last record says. */
void
twp_ledger_note_clock_at_start(TimestampTz last_recorded_at)
{
	int64		stepped = GetCurrentTimestamp() - last_recorded_at;

	if (stepped < -STEP_USECS)
		(void) record_step(stepped, "the last record before this start");
}

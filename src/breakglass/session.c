/*
 * session.c - the emergency a session is in: how it begins, and that its end is recorded.
 *
 * An emergency begins at once when its event was recorded apart.  When no
 * worker could be had, the event hangs on the session's own transaction; the
 * emergency then begins when that commits, and never when it does not: nobody
 * reads first and takes the record back afterwards.
 *
 * Where clients share the session (twin_privacy.pooled) only the transaction
 * is surely one client's: the emergency ends with it.
 *
 * Memory: texts in TopMemoryContext, handed over to uses/ when the emergency
 * begins, so that nothing need be allocated during a commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "breakglass/breakglass_internal.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The event this session has opened and not closed, or 0. */
static int64 open_event = 0;
static TimestampTz open_until = 0;

/* What begins at commit; event_id is 0 when nothing does. */
static TwpEmergency waiting;
static int	waiting_nest = 0;

/* Records the end of an emergency whose session exits. */
static void
session_ends(int code, Datum arg)
{
	int64		event_id = open_event;

	/* not twice: a session that exits ends its transaction after this */
	open_event = 0;
	if (event_id != 0 && GetCurrentTimestamp() < open_until &&
		!twp_breakglass_end_apart(event_id, GetCurrentTimestamp(), false))
		ereport(LOG_SERVER_ONLY,
				(errmsg("twin_privacy: the end of break-glass event " INT64_FORMAT " could not be recorded", event_id)));
}

/* Ends an emergency when the session is handed to somebody else. */
void
twp_breakglass_reset_session(void)
{
	session_ends(0, (Datum) 0);
	twp_uses_end_emergency();
}

/* Notes that the session's event was ended in order. */
void
twp_breakglass_forget_event(void)
{
	open_event = 0;
}

/* True when an emergency begins with this transaction's commit. */
bool
twp_breakglass_waits_for_commit(void)
{
	return waiting.event_id != 0;
}

/* Begins an emergency whose texts are ours to hand over; nothing here fails. */
static void
begin(const TwpEmergency *opened)
{
	/* One left open by another actor of a pooled connection ends here. */
	session_ends(0, (Datum) 0);
	open_event = opened->event_id;
	open_until = opened->expires_at;
	twp_uses_begin_emergency(opened);
}

/* Drops what would have begun at commit. */
static void
drop_waiting(void)
{
	if (waiting.event_id == 0)
		return;
	pfree(waiting.subject_text);
	pfree(waiting.justification);
	pfree(waiting.actor);
	memset(&waiting, 0, sizeof(waiting));
}

/* Begins what waits when its event is committed, and drops it when not; ends what the next client must not find. */
static void
xact_ended(XactEvent event, void *arg)
{
	TwpEmergency opened = waiting;

	if (twp_uses_pooled() && open_event != 0 &&
		(event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE))
		twp_breakglass_reset_session();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drop_waiting();
	if (event != XACT_EVENT_COMMIT || opened.event_id == 0)
		return;
	memset(&waiting, 0, sizeof(waiting));
	begin(&opened);
}

/* Drops what waits when the savepoint its event hangs on is rolled back. */
static void
subxact_ended(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	int			nest = GetCurrentTransactionNestLevel();

	if (waiting.event_id == 0 || waiting_nest < nest)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		waiting_nest = nest - 1;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_waiting();
}

/* Begins an emergency at once, or with the commit its event hangs on. */
void
twp_breakglass_begin(const TwpEmergency *opened, bool at_commit)
{
	static bool registered = false;
	TwpEmergency copy = *opened;

	if (!registered)
	{
		before_shmem_exit(session_ends, (Datum) 0);
		RegisterXactCallback(xact_ended, NULL);
		RegisterSubXactCallback(subxact_ended, NULL);
	}
	registered = true;
	copy.subject_text = MemoryContextStrdup(TopMemoryContext, opened->subject_text);
	copy.justification = MemoryContextStrdup(TopMemoryContext, opened->justification);
	copy.actor = MemoryContextStrdup(TopMemoryContext, opened->actor);
	if (!at_commit)
	{
		begin(&copy);
		return;
	}
	waiting = copy;
	waiting_nest = GetCurrentTransactionNestLevel();
}

/*
 * event.c - the one sink for what must be recorded.
 *
 * Contract: twp_event_emit() returns only when the sink has taken the event;
 * it raises TP004 when there is no sink or the sink cannot record, so that
 * the caller's change is rolled back with it.
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/event.h"

static TwpEventSink event_sink = NULL;
static void (*event_listener) (const TwpEvent *event) = NULL;

/* Registers the ledger's sink; called once, from the ledger's init. */
void
twp_event_register_sink(TwpEventSink sink)
{
	event_sink = sink;
}

/* Registers who else is to hear; called once, from the init of a room above. */
void
twp_event_register_listener(void (*listener) (const TwpEvent *event))
{
	event_listener = listener;
}

/* Hands one event to the ledger, then to the listener. */
void
twp_event_emit(const char *kind, const char *object,
			   const char *subject, const char *detail)
{
	TwpEvent	event = {kind, object, subject, detail};

	if (event_sink == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_LEDGER_UNAVAILABLE),
				 errmsg("the ledger is not ready to record"),
				 errhint("Add twin_privacy to shared_preload_libraries and restart the server.")));
	event_sink(&event);
	if (event_listener != NULL)
		event_listener(&event);
}

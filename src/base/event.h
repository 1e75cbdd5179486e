/*
 * event.h - news that must be recorded, on its way up to the ledger.
 *
 * Rooms below the ledger (vocab, keys, protect, uses, consent, pseudonym) may
 * not include it.  They hand what happened to the sink the ledger registered
 * at start.  An event without a sink is an error: nothing changes unrecorded.
 */
#ifndef TWP_BASE_EVENT_H
#define TWP_BASE_EVENT_H

#include "postgres.h"

/*
 * One change of policy, consent, key, use or protection.
 *
 * kind:    dotted lower-case name, e.g. "use.approve", "consent.withdraw"
 * object:  what it happened to (use code, table, domain), or NULL
 * subject: canonical text of the data subject concerned, or NULL
 * detail:  JSON object text with further non-secret facts, or NULL; never a
 *          key, a protected value or a justification
 */
typedef struct TwpEvent
{
	const char *kind;
	const char *object;
	const char *subject;
	const char *detail;
} TwpEvent;

/* Records the event durably before returning, or raises TP004. */
typedef void (*TwpEventSink) (const TwpEvent *event);

extern void twp_event_register_sink(TwpEventSink sink);
/* Registers who else is to hear of events, once recorded; there is one. */
extern void twp_event_register_listener(void (*listener) (const TwpEvent *event));
extern void twp_event_emit(const char *kind, const char *object,
						   const char *subject, const char *detail);

#endif							/* TWP_BASE_EVENT_H */

/*
 * breakglass_internal.h - one event, on its way into the table.
 */
#ifndef TWP_BREAKGLASS_INTERNAL_H
#define TWP_BREAKGLASS_INTERNAL_H

#include "postgres.h"

#include "breakglass/breakglass.h"
#include "datatype/timestamp.h"
#include "uses/uses.h"

typedef enum TwpGlassResult
{
	TWP_GLASS_FAILED,			/* nothing was recorded: the worker did not get through */
	TWP_GLASS_OPENED,
	TWP_GLASS_IN_DEBT,
	TWP_GLASS_TOO_LONG,
} TwpGlassResult;

/* The event's texts, by number. */
typedef enum TwpGlassText
{
	TWP_GLASS_SUBJECT,
	TWP_GLASS_USE,
	TWP_GLASS_SESSION_ROLE,
	TWP_GLASS_ACTING_ROLE,
	TWP_GLASS_ACTOR,			/* empty when none is claimed */
	TWP_GLASS_JUSTIFICATION,
	TWP_GLASS_TEXTS
} TwpGlassText;

/* Flat, because it travels through a shared-memory segment. */
typedef struct TwpGlassRequest
{
	Oid			login;
	int			debt_limit;
	TimestampTz opened_at;
	TimestampTz expires_at;
	/* answers */
	TwpGlassResult result;
	int64		event_id;
	char		unreviewed[128];	/* numbers of the events in debt */
	/* texts, NUL-terminated */
	uint32		text_at[TWP_GLASS_TEXTS];
	char		texts[FLEXIBLE_ARRAY_MEMBER];
} TwpGlassRequest;

/* session.c: the emergency this session is in */
extern void twp_breakglass_begin(const TwpEmergency *opened, bool at_commit);
extern bool twp_breakglass_waits_for_commit(void);
extern void twp_breakglass_forget_event(void);

/* record.c: the table, in the transaction at hand */
extern TwpGlassResult twp_breakglass_record_open(TwpGlassRequest *request);
extern void twp_breakglass_record_end(int64 event_id, TimestampTz ended_at);
extern bool twp_breakglass_is_open(int64 event_id);

/* worker.c: the same in a transaction of its own */
extern void twp_breakglass_open_apart(TwpGlassRequest *request, Size size);
extern bool twp_breakglass_end_apart(int64 event_id, TimestampTz ended_at, bool wait);

#endif							/* TWP_BREAKGLASS_INTERNAL_H */

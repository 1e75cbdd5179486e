/*
 * breakglass.h - the emergency door: one patient, now, and a debt to explain it.
 *
 * Glossary.  Breaking the glass: opening one subject's records without prior
 * consent, under an approved use of purpose BTG.  Debt: a person's events no
 * officer has reviewed yet.
 *
 * The session's side of an emergency lies in uses/ (twp_uses_emergency()).
 */
#ifndef TWP_BREAKGLASS_H
#define TWP_BREAKGLASS_H

#include "postgres.h"

#include "uses/uses.h"

extern void twp_breakglass_init(void);
/* Ends the session's emergency, if it is in one: DISCARD ALL hands the session to somebody else. */
extern void twp_breakglass_reset_session(void);

/*
 * Raises TP002, and ends the session's emergency, when an officer has judged
 * its event already or the subject has denied emergencies since.
 */
extern void twp_breakglass_check(const TwpEmergency *emergency, TimestampTz now);

#endif							/* TWP_BREAKGLASS_H */

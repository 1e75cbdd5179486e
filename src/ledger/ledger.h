/*
 * ledger.h - who was told what: intent before the first row, completion after.
 *
 * Contract: twp_ledger_intend() returns when the record is durable as
 * twin_privacy.ledger_commit asks, or raises TP004 and nothing may be read.
 * twp_ledger_complete() never raises: room for the completion was reserved
 * with the intent; it may be called from abort callbacks.  Neither takes part
 * in the transaction: records survive ROLLBACK.  Parallel workers never call.
 */
#ifndef TWP_LEDGER_H
#define TWP_LEDGER_H

#include "postgres.h"

#include "base/subject.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum TwpOutcome
{
	TWP_OUTCOME_OPEN,
	TWP_OUTCOME_DONE,
	TWP_OUTCOME_REFUSED,
	TWP_OUTCOME_ERROR,
	TWP_OUTCOME_CANCELLED,
	TWP_OUTCOME_ABORTED,
	TWP_OUTCOME_CRASHED,
} TwpOutcome;

/* All strings may be NULL where the contract's column may be. */
typedef struct TwpIntent
{
	const char *session_role;
	const char *acting_role;
	const char *actor;			/* as claimed */
	const char *use_code;
	const char *purpose;
	const char *recipient;
	const char *justification;
	const char *form;			/* identified, pseudonymised, aggregate, private, maintenance */
	List	   *tables;			/* char *, qualified names */
	List	   *categories;		/* char * */
	uint64		consent_revision;
	uint64		policy_hash;
	uint64		query_fingerprint;
	uint64		parent;			/* record_id of the enclosing statement, 0 for none */
	uint64		break_glass;	/* event id, 0 for none */
} TwpIntent;

typedef struct TwpCompletion
{
	TwpOutcome	outcome;
	uint64		row_count;
	uint64		subject_count;
	bool		subjects_exact;
	/* distinct subjects in canonical text (List of char *), or NIL when only counted */
	List	   *subjects;
} TwpCompletion;

extern void twp_ledger_init(void);

/* Records an intent and returns its record_id (never 0). */
extern uint64 twp_ledger_intend(const TwpIntent *intent);
/* Records how it ended. */
extern void twp_ledger_complete(uint64 record_id, const TwpCompletion *completion);
/* Records a refusal in one record (no intent needed); best effort in an already failing statement. */
extern void twp_ledger_refuse(const TwpIntent *intent, const char *sqlstate);

#endif							/* TWP_LEDGER_H */

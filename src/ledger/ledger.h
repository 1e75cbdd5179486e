/*
 * ledger.h - who was told what: intent before the first row, completion after.
 *
 * Contract: twp_ledger_intend() returns when the record is durable as
 * twin_privacy.ledger_commit asks, or raises TP004 and nothing may be read.
 * twp_ledger_complete() never raises: room for the completion was reserved
 * with the intent; it may be called from abort callbacks.  Neither takes part
 * in the transaction: records survive ROLLBACK.  Parallel workers never call;
 * they collect subjects into a set of their own, which the leader merges.
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

/* All strings may be NULL where the column of disclosures may be. */
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

/* Distinct subjects that a statement was given, being collected. */
typedef struct TwpSubjectSet TwpSubjectSet;

typedef struct TwpCompletion
{
	TwpOutcome	outcome;
	uint64		row_count;
	uint64		subject_count;
	bool		subjects_exact;
	/* the distinct subjects (then subject_count is taken from it), or NULL when only counted */
	TwpSubjectSet *subjects;
} TwpCompletion;

extern void twp_ledger_init(void);
/* To be called from shmem_request_hook and shmem_startup_hook. */
extern void twp_ledger_shmem_request(void);
extern void twp_ledger_shmem_startup(void);

/* Records an intent and returns its record_id (never 0). */
extern uint64 twp_ledger_intend(const TwpIntent *intent);
/* Records how it ended. */
extern void twp_ledger_complete(uint64 record_id, const TwpCompletion *completion);
/* Records a refusal in one record (no intent needed); best effort in an already failing statement. */
extern void twp_ledger_refuse(const TwpIntent *intent, const char *sqlstate);

/*
 * Records an event durably and returns its record_id, like twp_event_emit()
 * for rooms that may include this header.  The event's outcome follows its
 * transaction.  justification may be NULL; it is stored, never logged.
 */
extern uint64 twp_ledger_event(const char *kind, const char *object, const char *subject,
							   const char *detail, const char *justification);
/* Like it, for what holds whatever becomes of the transaction: its outcome is done at once. */
extern uint64 twp_ledger_event_at_once(const char *kind, const char *object, const char *subject,
									   const char *detail, const char *justification);

/* A recorded statement, read back. */
typedef struct TwpRecorded
{
	TwpIntent	intent;			/* as it was recorded */
	TimestampTz recorded_at;
	TwpOutcome	outcome;
	uint64		subject_count;
	char	   *subjects;		/* packed set, or NULL */
	uint64		subjects_len;
} TwpRecorded;

/* Reads a statement or refusal of the current database into the current memory context; false when there is none. */
extern bool twp_ledger_read(uint64 record_id, TwpRecorded *recorded);
/* Called for each subject of a packed set (text points into it); false stops. */
typedef bool (*TwpLedgerSubjectVisitor) (const TwpSubject *subject, void *arg);
/* Visits all; false when the bytes are malformed. */
extern bool twp_ledger_subjects_walk(const char *packed, uint64 len, TwpLedgerSubjectVisitor visit, void *arg);

/* Adds to a set everybody whom completed statements under a use told of since a time. */
extern void twp_ledger_told_since(const char *use_code, TimestampTz since, TwpSubjectSet *told);
/* Starts an empty set that lives in the context. */
extern TwpSubjectSet *twp_ledger_subjects_create(MemoryContext context);
/* Adds a subject; adding twice changes nothing.  Cheap for integers near each other. */
extern void twp_ledger_subjects_add(TwpSubjectSet *set, const TwpSubject *subject);
/*
 * For who adds many: bits by the number of a subject.  A bit that is set says
 * that the subject was added; who finds it unset sets it and, unless its number
 * is below *nintegers, adds the subject by the second.  Another numbering
 * begins with no bit set.
 */
extern uint64 *twp_ledger_subjects_numbered(TwpSubjectSet *set, const TwpNumbering *numbering, uint64 *nintegers);
extern void twp_ledger_subjects_add_numbered(TwpSubjectSet *set, const TwpSubject *subject, uint32 number);
/* Number of distinct subjects. */
extern uint64 twp_ledger_subjects_count(TwpSubjectSet *set);
/* Compact form, palloc'd (bytea-like: length in *len), to store. */
extern char *twp_ledger_subjects_pack(TwpSubjectSet *set, uint32 *len);
/* Adds all subjects of a packed set. */
extern void twp_ledger_subjects_merge(TwpSubjectSet *set, const char *packed, uint32 len);
/* To hand a set to another process of the same server: its size, itself, and adding what was handed over. */
extern Size twp_ledger_subjects_hand_size(TwpSubjectSet *set);
extern void twp_ledger_subjects_hand(const TwpSubjectSet *set, void *place);
extern void twp_ledger_subjects_take(TwpSubjectSet *set, const void *place);

#endif							/* TWP_LEDGER_H */

/*
 * consent.h - what the data subjects agreed to, and asking it fast.
 *
 * Glossary.  Directive: one recorded permit or deny (FHIR: a provision).
 * Lens: one question asked of many subjects - a purpose, a recipient and how
 * a missing permit counts.  Open: permitted for (subject, purpose, category,
 * recipient) at the statement's time.
 *
 * Contract: a lens is backend-local and lives until the backend ends; it is
 * found again by its question.  twp_consent_refresh() must be called at the
 * start of each statement (and FETCH) that reads through it: it accepts
 * pending invalidations, drops what changed, and fixes the time of decision.
 * Look-ups read the directives under a fresh snapshot, never the
 * transaction's.  Works in parallel workers and on standbys.
 */
#ifndef TWP_CONSENT_H
#define TWP_CONSENT_H

#include "postgres.h"

#include "base/event.h"
#include "base/subject.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "vocab/vocab.h"

typedef enum TwpDecision
{
	TWP_DECISION_NONE,			/* no directive applies */
	TWP_DECISION_PERMIT,
	TWP_DECISION_DENY,
} TwpDecision;

typedef struct TwpLensQuestion
{
	const char *purpose;
	const char *recipient;
	bool		none_permits;	/* basis other than consent: a missing permit counts as permit */
	bool		overrides_deny; /* the use overrides an explicit deny */
} TwpLensQuestion;

typedef struct TwpLens TwpLens;

/* Which facts of a row are known; a known fact may be empty, an unknown one could be anything. */
#define TWP_FACT_LABELS 0x01
#define TWP_FACT_AUTHORS 0x02
#define TWP_FACT_CUSTODIANS 0x04
#define TWP_FACT_ENCOUNTER 0x08
#define TWP_FACT_REFERENCE 0x10
#define TWP_FACT_TYPE 0x20
#define TWP_FACT_CODES 0x40
#define TWP_FACT_DATE 0x80

/* What a provision can ask of a row beside its subject and categories. */
typedef struct TwpRowFacts
{
	int			known;			/* TWP_FACT_ bits */
	const char *const *labels;	/* security labels */
	int			nlabels;
	const char *const *authors; /* references, with or without "Type/" */
	int			nauthors;
	const char *const *custodians;
	int			ncustodians;
	const char *encounter;		/* reference, or NULL: none */
	const char *reference;		/* of the row itself, or NULL */
	const char *type;			/* FHIR resource type */
	const char *const *codes;	/* clinical codes */
	int			ncodes;
	TimestampTz date_from;		/* clinical date: [from, until) */
	TimestampTz date_until;
} TwpRowFacts;

extern void twp_consent_init(void);
/* To be called from shmem_request_hook and shmem_startup_hook. */
extern void twp_consent_shmem_request(void);
extern void twp_consent_shmem_startup(void);

/* Finds or makes the lens for a question. */
extern TwpLens *twp_consent_lens(const TwpLensQuestion *question);
/* Start of a statement: nothing seen before it may be wrong for `now`. */
extern void twp_consent_refresh(TwpLens *lens, TimestampTz now);
/* The first moment at which an answer given since might be another; infinity when none will. */
extern TimestampTz twp_consent_horizon(const TwpLens *lens);
/* As long as it is the same after a refresh, earlier answers hold; no two lenses have the same. */
extern uint64 twp_consent_version(const TwpLens *lens);
/* Categories open for the subject, as of the last refresh. */
extern TwpCategorySet twp_consent_open(TwpLens *lens, const TwpSubject *subject);
/*
 * The same for many at once (up to TWP_CONSENT_MANY), which is faster; a
 * subject of kind TWP_SUBJECT_INVALID has nothing open, and one for whom not all
 * that is needed is open may be said to have nothing open.  Who has gets a
 * token: the subject's number under twp_consent_tokens(), or TWP_NO_TOKEN.
 */
#define TWP_CONSENT_MANY 300
#define TWP_NO_TOKEN PG_UINT32_MAX
extern void twp_consent_open_many(TwpLens *lens, const TwpSubject *subjects, int n, TwpCategorySet needs,
								  TwpCategorySet *open, uint32 *tokens);
extern TwpNumbering twp_consent_tokens(const TwpLens *lens);
/* Estimated share of the subjects with directives for whom all the categories are open; negative: not known. */
extern double twp_consent_share(TwpLens *lens, TwpCategorySet needs);

/*
 * True when some directive of the subject asks something of the row.  Then
 * twp_consent_open() gives what is open whatever the row says, and the row's
 * own answer comes from twp_consent_open_row().
 */
extern bool twp_consent_asks_row(TwpLens *lens, const TwpSubject *subject);
extern TwpCategorySet twp_consent_open_row(TwpLens *lens, const TwpSubject *subject,
										   const TwpRowFacts *row);

/*
 * The decision for one subject and category at a time, from the directives,
 * three-valued, deny for a prohibited purpose.  Not a fast path.
 */
extern TwpDecision twp_consent_decide(const char *subject, const char *purpose,
									  int category, const char *recipient, TimestampTz at);
/*
 * The same from the directives that twp_consent_revision() stood for, whatever
 * was recorded or withdrawn since; of the purpose's prohibition it says nothing.
 */
extern TwpDecision twp_consent_decide_then(const char *subject, const char *purpose,
										   int category, const char *recipient, TimestampTz at,
										   uint64 revision);
/*
 * Which category closes one to a question, for telling people: itself, or one
 * it is derived from; -1 when none does.
 */
extern int	twp_consent_closed_by(const char *subject, const TwpLensQuestion *question, int category,
								  TimestampTz at);
/*
 * What one directive of a subject closes for a purpose: a permit that was
 * withdrawn, or a deny in force, of what is not permitted now.
 */
typedef struct TwpLoss
{
	int64		cause;			/* the directive's number */
	TimestampTz since;			/* when the permit was withdrawn, or the deny recorded */
	const char *purpose;
	TwpCategorySet lost;		/* what is derived from a lost category is lost too */
} TwpLoss;

/*
 * Finds a subject's losses (TwpLoss *): to one question, or (NULL) to every
 * purpose and recipient that its directives name.  Not a fast path.
 */
extern List *twp_consent_losses(const char *subject, const TwpLensQuestion *only);
/* Lists the subjects (char *) that may have losses: something was withdrawn or is denied. */
extern List *twp_consent_losers(void);
/* True when a directive's event (its kind and terms) may be somebody's loss. */
extern bool twp_consent_is_loss(const TwpEvent *event);
/* True when a deny in force names the purpose itself (not an ancestor) for the subject: stops break-glass. */
extern bool twp_consent_denies_by_name(const char *subject, const char *purpose, TimestampTz at);
/* Revision of the consent base: grows with each recorded directive or withdrawal. */
extern uint64 twp_consent_revision(void);
/* Grows, in this backend, whenever consents or the vocabulary they are read by may have changed. */
extern uint64 twp_consent_changes(void);
/* The same of what was heard until now, where nothing may be looked up. */
extern uint64 twp_consent_changes_heard(void);

#endif							/* TWP_CONSENT_H */

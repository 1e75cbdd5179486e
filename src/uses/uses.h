/*
 * uses.h - approved uses, who may act under them, and the session's binding.
 *
 * Glossary.  Use: an approved purpose, recipient, set of categories, form of
 * disclosure and period.  Binding: the claim of a session to act under a use
 * (twin_privacy.use).  The claim gives nothing; twp_uses_require() checks the
 * authority at every statement.  Acting role: GetOuterUserId(), so SET ROLE
 * counts and SECURITY DEFINER lends nothing.
 *
 * Contract: a TwpUse stays valid until invalidations are next accepted;
 * copy what must live longer.  Works in parallel workers and on standbys.
 */
#ifndef TWP_USES_H
#define TWP_USES_H

#include "postgres.h"

#include "base/subject.h"
#include "datatype/timestamp.h"
#include "vocab/vocab.h"

typedef enum TwpForm
{
	TWP_FORM_IDENTIFIED,
	TWP_FORM_PSEUDONYMISED,
	TWP_FORM_AGGREGATE,
	TWP_FORM_PRIVATE,
} TwpForm;

typedef enum TwpBasis
{
	TWP_BASIS_CONSENT,
	TWP_BASIS_VITAL_INTEREST,
	TWP_BASIS_LEGAL_OBLIGATION,
	TWP_BASIS_PUBLIC_HEALTH,
} TwpBasis;

typedef enum TwpUseStatus
{
	TWP_USE_PROPOSED,
	TWP_USE_APPROVED,
	TWP_USE_SUSPENDED,
} TwpUseStatus;

/* A billionth of epsilon: budgets are counted in whole ones. */
#define TWP_EPSILON_UNIT 1000000000.0

typedef struct TwpUse
{
	char	   *code;
	char	   *purpose;
	char	   *recipient;
	TwpCategorySet categories;	/* closed downwards */
	TwpForm		form;
	TwpBasis	basis;
	TwpUseStatus status;
	bool		overrides_deny;
	bool		may_export;
	bool		has_statement;
	int			statement_version;
	int			min_cohort;
	int			max_subjects_per_day;	/* 0: no limit */
	int64		epsilon;		/* privacy budget in units of TWP_EPSILON_UNIT; 0: none */
	bool		may_score;		/* the recipient insures or employs people: see decision/score.c */
	TimestampTz valid_from;		/* -infinity when open */
	TimestampTz valid_until;	/* exclusive; infinity when open */
	uint64		hash;			/* of all of the above, part of the policy hash */
} TwpUse;

/* The emergency a session is in; set by breakglass/. */
typedef struct TwpEmergency
{
	char		use_code[NAMEDATALEN * 2];
	char	   *subject_text;	/* canonical, TopMemoryContext */
	char	   *justification;	/* given when it was opened */
	char	   *actor;			/* who it was opened for, or ""; it serves nobody else on a pooled connection */
	Oid			login;			/* who opened it */
	int64		event_id;
	TimestampTz expires_at;
	int64		deadline;		/* the same on the clock that nobody sets (base/clock.h) */
} TwpEmergency;

extern void twp_uses_init(void);

/* A use by code, or NULL; from a cache read under a fresh snapshot. */
extern const TwpUse *twp_uses_find(const char *code);
/*
 * The use the session is bound to, with its authority checked for the acting
 * role at `now`: raises TP001 when none is bound, TP002 when it is not usable.
 */
extern const TwpUse *twp_uses_require(TimestampTz now);
/* True when the session is bound to a use that its acting role may act under at `now`; never raises for a lack of it. */
extern bool twp_uses_is_usable(TimestampTz now);
/* Code the session claims (or its emergency's), or NULL. */
extern const char *twp_uses_claimed(void);
extern const char *twp_uses_justification(void);
extern const char *twp_uses_actor(void);
/* True when clients share the session, behind a pooler in transaction mode. */
extern bool twp_uses_pooled(void);
extern const char *twp_uses_form_name(TwpForm form);
/* Registers what must happen at once when the session's binding changes; it must not fail. */
extern void twp_uses_on_change(void (*callback) (void));
/* Grows whenever the session's binding may have changed, and with news about uses. */
extern uint64 twp_uses_epoch(void);
/* Grows when anything about uses may have changed, the binding apart. */
extern uint64 twp_uses_news(void);

/* True when two officers have excepted a table (or one above it) from the rules against scoring, for the use. */
extern bool twp_uses_is_excepted(const TwpUse *use, Oid relid, TimestampTz now);
/* A number that changes when the exceptions that hold for the use do, 0 when none does; *until the first of their ends. */
extern uint64 twp_uses_exceptions_stamp(const TwpUse *use, TimestampTz now, TimestampTz *until);

/* Emergency: replaces the claim until ended or expired; takes over the texts, palloc'd in TopMemoryContext, and does not fail. */
extern void twp_uses_begin_emergency(const TwpEmergency *opened);
extern void twp_uses_end_emergency(void);
extern const TwpEmergency *twp_uses_emergency(void);
/*
 * The use of purpose BTG under which the acting role may break the glass at
 * `now`: raises TP002, saying of a use granted but not usable what it lacks.
 */
extern const TwpUse *twp_uses_require_emergency_use(TimestampTz now);

#endif							/* TWP_USES_H */

/*
 * consent_internal.h - what the files of the consent room share.
 *
 * Glossary.  Terms: what a directive says, apart from whom and when; many
 * subjects sign the same form, so terms are stored once and shared.  Rule:
 * terms read into memory, a tree of provisions.  Outcome: for each category,
 * which of permit, deny and none are possible answers; it is one answer unless
 * the rule asks something of the row that is not known.
 */
#ifndef TWP_CONSENT_INTERNAL_H
#define TWP_CONSENT_INTERNAL_H

#include "postgres.h"

#include "consent/consent.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* Values of twin_privacy.consent_combining. */
typedef enum TwpCombining
{
	TWP_COMBINE_DENY_OVERRIDES,
	TWP_COMBINE_LATEST,
} TwpCombining;

extern int	twp_consent_combining;

/* Sets of categories for which each answer is possible; every category is in at least one. */
typedef struct TwpOutcome
{
	TwpCategorySet permit;
	TwpCategorySet deny;
	TwpCategorySet none;
	TimestampTz until;			/* the answers may change then without a write */
} TwpOutcome;

/* What is asked of a rule. */
typedef struct TwpRuleQuestion
{
	const char *purpose;
	const char *recipient;
	TimestampTz now;
} TwpRuleQuestion;

typedef struct TwpRule TwpRule;

struct TwpRule
{
	TwpDecision effect;
	char	   *purpose;		/* NULL: any */
	bool		all_categories;
	TwpCategorySet categories;	/* with all below those named */
	char	  **category_codes; /* as written */
	int			ncategories;
	char	  **recipients;		/* none: any */
	int			nrecipients;
};

/* rule.c: reading terms and asking them. */
extern TwpRule *twp_rule_parse(const Jsonb *terms);
/* True when the rule can permit anything at all. */
extern bool twp_rule_permits(const TwpRule *rule);
/* Says which condition of a rule the question does not meet; NULL when it meets all that are known. */
extern const char *twp_rule_mismatch(const TwpRule *rule, const char *purpose, int category,
									 const char *recipient);
/* True when the rule denies the purpose and names it itself. */
extern bool twp_rule_denies_by_name(const TwpRule *rule, const char *purpose);
extern void twp_rule_ask(const TwpRule *rule, const TwpRuleQuestion *question, TwpOutcome *outcome);

/* How outcomes of several directives become one; start with twp_outcome_init(). */
extern void twp_outcome_init(TwpOutcome *total);
extern void twp_outcome_add(TwpOutcome *total, const TwpOutcome *next, TwpCombining combining);

extern TwpDecision twp_outcome_decision(const TwpOutcome *outcome, int category);

/* One directive as stored; rows come oldest first (given_at, consent_id). */
typedef struct TwpDirective
{
	int64		consent_id;
	int64		terms_id;
	TimestampTz valid_from;
	TimestampTz valid_until;	/* exclusive */
	TimestampTz given_at;
	bool		withdrawn;
} TwpDirective;

/* store.c: the tables, always read under a fresh snapshot. */
extern Snapshot twp_consent_snapshot(void);
extern int	twp_store_directives(const char *subject, Snapshot snapshot, TwpDirective **directives);
extern char *twp_store_subject_of(int64 consent_id, Snapshot snapshot);
extern TwpRule *twp_store_rule(int64 terms_id, Snapshot snapshot);
extern bool twp_store_terms_id(const Jsonb *terms, Snapshot snapshot, int64 *terms_id, bytea **digest);
extern uint64 twp_store_latest_change(void);
/* Calls back for each subject that has directives, in the order of subjects. */
typedef void (*TwpSubjectVisitor) (const char *subject, TwpDirective *directives, int n, void *arg);
extern void twp_store_visit(Snapshot snapshot, TwpSubjectVisitor visitor, void *arg);
extern double twp_store_estimate(void);

/* The part of one directive in a decision: what its terms say while it is in force. */
extern void twp_directive_limit(const TwpDirective *directive, TimestampTz now, TwpOutcome *outcome);

/* Warns when the text can be no key of a kind in use. */
extern void twp_consent_warn_unknown_key(const char *subject);

/* cache.c: one counter of changes to consents and vocabulary. */
extern void twp_consent_cache_init(void);
extern uint64 twp_consent_changes(void);
extern void twp_consent_count_change(void);

#endif							/* TWP_CONSENT_INTERNAL_H */

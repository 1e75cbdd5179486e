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
typedef struct TwpAnswers
{
	TwpCategorySet permit;
	TwpCategorySet deny;
	TwpCategorySet none;
	TimestampTz until;			/* the answers may change then without a write */
} TwpAnswers;

/* What is asked of a rule. */
typedef struct TwpRuleQuestion
{
	const char *purpose;
	const char *recipient;
	TimestampTz now;
	const TwpRowFacts *row;		/* NULL: nothing is known of the row */
	bool		resource;		/* asked of one FHIR resource: its facts alone count, not categories */
} TwpRuleQuestion;

/* A list of strings; empty: no condition. */
typedef struct TwpStrings
{
	char	  **item;
	int			n;
} TwpStrings;

/* How a resource must relate to the one a provision names. */
typedef enum TwpDataMeaning
{
	TWP_DATA_INSTANCE,
	TWP_DATA_RELATED,
	TWP_DATA_DEPENDENTS,
	TWP_DATA_AUTHOREDBY,
} TwpDataMeaning;

typedef struct TwpDataCondition
{
	TwpDataMeaning meaning;
	char	   *reference;
} TwpDataCondition;

/*
 * One provision.  Its conditions are all to be met, each by one of its values;
 * an empty one is met.  Conditions of a tree's root on data (labels, data,
 * data period) bound only its own effect: where they are not met a permit
 * denies and a deny says nothing, and the provisions below are asked all the
 * same.
 */
typedef struct TwpRule
{
	TwpDecision effect;
	TwpStrings	purposes;
	bool		all_categories;
	TwpCategorySet categories;	/* with all below those named */
	TwpStrings	category_codes; /* as written */
	TwpStrings	recipients;		/* these three are one condition */
	TwpStrings	authors;
	TwpStrings	custodians;
	TimestampTz from;
	TimestampTz until;			/* exclusive */
	TwpStrings	actions;
	TwpStrings	types;			/* resource types; one condition with documents */
	TwpStrings	documents;		/* document types and profiles */
	TwpStrings	codes;
	TwpStrings	labels;
	TwpDataCondition *data;
	int			ndata;
	TimestampTz data_from;
	TimestampTz data_until;		/* exclusive */
	struct TwpRule **rules;
	int			nrules;
	bool		asks_row;		/* it or one below it has a condition that only a row can meet */
} TwpRule;

/* rule.c: reading terms. */
extern TwpRule *twp_rule_parse(const Jsonb *terms);
/* True when the rule can permit anything at all. */
extern bool twp_rule_permits(const TwpRule *rule);
/* True when the rule denies the purpose and names it itself. */
extern bool twp_rule_denies_by_name(const TwpRule *rule, const char *purpose);

/* ask.c: asking a rule. */
extern void twp_rule_ask(const TwpRule *rule, const TwpRuleQuestion *question, TwpAnswers *outcome);
/* Says which condition of a rule the question does not meet; NULL when it meets all that are known. */
extern const char *twp_rule_mismatch(const TwpRule *rule, const char *purpose, int category,
									 const char *recipient);

/* condition.c: single conditions. */
typedef struct TwpMatch
{
	TwpCategorySet sure;		/* met for these categories whatever the row */
	TwpCategorySet may;			/* met for these for some row; includes sure */
} TwpMatch;

extern TwpMatch twp_match_gates(const TwpRule *rule, const TwpRuleQuestion *question);
extern TwpMatch twp_match_data(const TwpRule *rule, const TwpRuleQuestion *question);
extern bool twp_match_purpose(const TwpRule *rule, const char *purpose);
extern bool twp_match_recipient(const TwpRule *rule, const char *recipient);

/* label.c: HL7 security labels and resource types. */
#define TWP_CONFIDENTIALITY_NORMAL 3
#define TWP_CONFIDENTIALITY_RESTRICTED 4
/* Rank of a confidentiality code (U L M N R V: 0 to 5), or -1 for another label. */
extern int	twp_label_confidentiality(const char *label);
/* True when a sensitivity label is the other or stands above it. */
extern bool twp_label_covers(const char *label, const char *other);
/* Categories whose data can be, and whose data can only be, of the resource types. */
extern TwpMatch twp_type_categories(const TwpStrings *types);

/* answers.c: how outcomes of several directives become one; start with twp_answers_init(). */
extern void twp_answers_init(TwpAnswers *total);
extern void twp_answers_add(TwpAnswers *total, const TwpAnswers *next, TwpCombining combining);

extern TwpDecision twp_answers_decision(const TwpAnswers *outcome, int category);
/* The same of a category and all it is derived from: a deny before a none before a permit. */
extern TwpDecision twp_answers_decision_with_inputs(const TwpAnswers *outcome, int category);

/* One directive as stored; rows come oldest first (given_at, consent_id). */
typedef struct TwpDirective
{
	int64		consent_id;
	int64		terms_id;
	TimestampTz valid_from;
	TimestampTz valid_until;	/* exclusive */
	TimestampTz given_at;
	bool		withdrawn;
	uint64		changed;		/* revision that recorded it */
	uint64		withdrawn_change;	/* and, if so, that withdrew it */
	TimestampTz recorded_at;
	TimestampTz withdrawn_at;
} TwpDirective;

/* store.c: the tables, always read under a fresh snapshot. */
extern Snapshot twp_consent_snapshot(void);
extern int	twp_store_directives(const char *subject, Snapshot snapshot, TwpDirective **directives);
extern char *twp_store_subject_of(int64 consent_id, Snapshot snapshot);
extern TwpRule *twp_store_rule(int64 terms_id, Snapshot snapshot);
extern bool twp_store_terms_id(const Jsonb *terms, Snapshot snapshot, int64 *terms_id, bytea **digest);
extern uint64 twp_store_latest_change(void);
/* Takes a subject; false to stop. */
typedef bool (*TwpSubjectVisitor) (char *subject, void *arg);
/* Visits the subjects of rows written by transaction number since or later; a subject may come twice. */
extern bool twp_store_visit_changed(uint64 since, Snapshot snapshot, TwpSubjectVisitor visitor, void *arg);
extern void twp_store_visit_losers(Snapshot snapshot, TwpSubjectVisitor visitor, void *arg);
extern double twp_store_estimate(void);

/* The part of one directive in a decision: what its terms say while it is in force. */
extern void twp_directive_limit(const TwpDirective *directive, TimestampTz now, TwpAnswers *outcome);

/* Warns when the text can be no key of a kind in use. */
extern void twp_consent_warn_unknown_key(const char *subject);

/* cache.c: one counter of changes to consents and vocabulary. */
extern void twp_consent_cache_init(void);
extern void twp_consent_count_change(void);

#endif							/* TWP_CONSENT_INTERNAL_H */

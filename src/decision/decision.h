/*
 * decision.h - the verdict: bound use, consent and protection become, for one
 * table, a row rule and a rule for each column.
 *
 * Glossary.  Stamp: a number that stands for the binding a plan was made
 * under; what runs under another stamp is refused.  Epoch: grows with each
 * twp_decision_begin(), so that whatever was derived since is looked at anew.
 *
 * Contract: twp_decision_begin() checks the authority, accepts news and fixes
 * the moment of decision; it raises TP001 or TP002, and leaves no decision
 * behind when it does.  Verdicts live until the next twp_decision_begin().
 * Works in parallel workers.
 */
#ifndef TWP_DECISION_H
#define TWP_DECISION_H

#include "postgres.h"

#include "base/subject.h"
#include "consent/consent.h"
#include "protect/protect.h"
#include "uses/uses.h"

typedef enum TwpCellRule
{
	TWP_CELL_SHOW,				/* as stored: the row's own category is enough */
	TWP_CELL_GATE,				/* as stored where its category is open, else NULL */
	TWP_CELL_MASK,				/* masked where its category is open, else NULL */
	TWP_CELL_HIDE,				/* always NULL */
} TwpCellRule;

typedef struct TwpColumnVerdict
{
	TwpCellRule rule;
	TwpCategorySet needs;		/* categories that must be open for this cell */
	TwpMask		mask;			/* for TWP_CELL_MASK */
} TwpColumnVerdict;

typedef struct TwpTableVerdict
{
	Oid			relid;
	uint64		protection_hash;
	const TwpProtection *protection;	/* valid as long as the verdict */
	TwpCategorySet needs;		/* the table's own category */
	TwpCategorySet withheld;	/* categories of whose rows nothing is given: score.c */
	int			natts;
	TwpColumnVerdict *columns;	/* index attno - 1 */
	AttrNumber	told_by_place;	/* a column not simply shown that its row's partition tells of, or 0 */
} TwpTableVerdict;

/* Start of a statement, execution or FETCH: authority, news, time. */
extern void twp_decision_begin(void);
/* Within a statement: takes in what changed since. */
extern void twp_decision_refresh(void);
/* True when the decision in force is still the session's. */
extern bool twp_decision_is_current(uint64 stamp);
extern uint64 twp_decision_stamp(void);
/* The stamp that a decision under the use, or an emergency (0: none) of it, has now; *until: as long as exceptions hold. */
extern uint64 twp_decision_stamp_of(const TwpUse *use, int64 emergency, TimestampTz now, TimestampTz *until);
extern uint64 twp_decision_epoch(void);
/* The use decided under; valid until the next begin. */
extern const TwpUse *twp_decision_use(void);

/*
 * The verdict for a protected relation.  Raises TP003 when the use does not
 * cover the table's category, 55000 when the protection does not resolve.
 */
extern const TwpTableVerdict *twp_decision_table(Oid relid);
/* The rule of one column under a use, whether or not it is the bound one; takes no decision. */
extern void twp_decision_rule_column(const TwpUse *use, const TwpProtection *p, AttrNumber attno,
									 TwpColumnVerdict *v);
/*
 * score.c: categories of derived data, and those that the use, whether or not
 * it is the bound one, gives nothing of in a table (NULL: outside any), because
 * its recipient would score persons by them.
 */
extern TwpCategorySet twp_decision_scores(void);
extern TwpCategorySet twp_decision_withheld(const TwpUse *use, const TwpProtection *p);
/* The first moment at which something decided since the begin might be decided otherwise. */
extern TimestampTz twp_decision_horizon(void);
/* Categories open for the subject under the use. */
extern TwpCategorySet twp_decision_open(const TwpSubject *subject);
/* The same for many at once, with tokens, as consent.h says. */
extern void twp_decision_open_many(const TwpSubject *subjects, int n, TwpCategorySet needs, TwpCategorySet *open,
								   uint32 *tokens);
extern TwpNumbering twp_decision_tokens(void);
/* Which category closes one for the subject: itself or one it is derived from; -1 when none does. */
extern int	twp_decision_closed_by(const char *subject, int category);
/* True when some consent of the subject asks something of the row; then the row's own answer is this. */
extern bool twp_decision_asks_row(const TwpSubject *subject);
extern TwpCategorySet twp_decision_open_row(const TwpSubject *subject, const TwpRowFacts *facts);
/*
 * Categories the subject's directives permit for the use's purpose and
 * recipient, whatever the use names: what a derived row asks of its inputs.
 */
extern TwpCategorySet twp_decision_consented(const TwpSubject *subject);
/* As long as it is the same, so is that answer for every subject; 0: not known. */
extern uint64 twp_decision_consent_version(void);
/*
 * May a row made for a purpose be read: for that purpose or one below it, or
 * where the subject's own directives permit the categories for the use's.
 */
extern bool twp_decision_purpose_allows(const char *made_for, const TwpSubject *subject, TwpCategorySet needs);
/* Estimated share of data subjects for whom the relation's own category is open; negative: not known. */
extern double twp_decision_share(Oid relid);

#endif							/* TWP_DECISION_H */

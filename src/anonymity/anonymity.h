/*
 * anonymity.h - ways out of the database that are anonymous by construction.
 *
 * Glossary.  Quasi-identifier: a column that others know too (age, postcode)
 * and by which a row can be linked to a person.  Class: the rows that agree
 * in all quasi-identifiers.  Sensitive: what must not be learnt of a person.
 * Cohort: the least number of data subjects a released figure rests on.
 *
 * Contract: the SQL functions read their tables as the caller, through
 * ordinary SQL, so protected tables are read under the caller's bound use
 * with its row rules and masks; nothing here sees more than the caller.
 */
#ifndef TWP_ANONYMITY_H
#define TWP_ANONYMITY_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/* Under which terms a query may release figures. */
typedef struct TwpReleaseTerms
{
	const char *use_code;
	int			min_cohort;
	bool		noisy;			/* figures leave with noise instead (private.h) */
	uint64		stamp;			/* of the binding, for noisy ones */
} TwpReleaseTerms;

extern void twp_anonymity_init(void);

/*
 * Judges a query of an aggregate-only use and rewrites it, in place, so that
 * only figures over the cohort leave; raises TP003 naming what may not.  To
 * be called on the tree the planner is given, before protected relations are
 * wrapped.  Memory: the current context.
 */
extern void twp_anonymity_release(Query *query, const TwpReleaseTerms *terms);

#endif							/* TWP_ANONYMITY_H */

/*
 * anonymity.h - ways out of the database that are anonymous by construction.
 *
 * Glossary.  Quasi-identifier: a column that others know too (age, postcode)
 * and by which a row can be linked to a person.  Class: the rows that agree
 * in all quasi-identifiers.  Sensitive: what must not be learnt of a person.
 *
 * Contract: the SQL functions read their tables as the caller, through
 * ordinary SQL, so protected tables are read under the caller's bound use
 * with its row rules and masks; nothing here sees more than the caller.
 */
#ifndef TWP_ANONYMITY_H
#define TWP_ANONYMITY_H

#include "postgres.h"

extern void twp_anonymity_init(void);

#endif							/* TWP_ANONYMITY_H */

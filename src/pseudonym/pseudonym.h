/*
 * pseudonym.h - what the masks need of pseudonyms: one domain, many values.
 *
 * A domain is a named key (and its versions).  Values masked in one domain
 * agree with each other and with nothing outside it.
 *
 * Contract: a TwpDomain lives in the memory context it was opened in; its key
 * is wiped when that context is reset or deleted.  It works in parallel
 * workers.  A missing domain or unreadable key raises TP005; never a weaker
 * result.
 */
#ifndef TWP_PSEUDONYM_H
#define TWP_PSEUDONYM_H

#include "postgres.h"

#include "base/subject.h"
#include "nodes/parsenodes.h"

typedef struct TwpDomain TwpDomain;

extern void twp_pseudonym_init(void);
extern void twp_pseudonym_shmem_request(void);
extern void twp_pseudonym_shmem_startup(void);

/*
 * Which domain and key version the masks of a statement under the use are made
 * with: to be put into its plan, so that a rotation meanwhile does not mix two
 * versions, whatever node, worker or FETCH makes a value.  The domain is the
 * linkage's while twin_privacy.linkage names an approved linkage of the use;
 * TP002 when it names anything else.  A missing key is an error of opening only.
 */
extern uint64 twp_pseudonym_pin(const char *use);
/*
 * Opens what was pinned in the given memory context; TP002 when the linkage is
 * another now or was revoked, TP005 without the key.
 */
extern TwpDomain *twp_pseudonym_open(const char *use, uint64 pin, MemoryContext context);
/* The table whose change makes pins in cached plans stale. */
extern Oid	twp_pseudonym_pinned_relation(void);
/* Creates a domain and its first key; does nothing when it exists. No privilege check. */
extern void twp_pseudonym_create_domain(const char *name);

/* True when the type has a type-preserving pseudonym mask (text, varchar, bpchar, uuid, int2/4/8). */
extern bool twp_pseudonym_can_mask(Oid type);
/*
 * Type-preserving deterministic pseudonym of a non-null value of the base type
 * in a subject's row: text gives the pseudonym's text form, uuid a uuid, integers
 * a keyed permutation of the type's own range, in which equal numbers of int4
 * and int8 agree.  *isnull where a forgotten subject would be known by the number.
 */
extern Datum twp_pseudonym_mask(TwpDomain *domain, const TwpSubject *subject, Oid type, Datum value, bool *isnull);
/* True for date, timestamp, timestamptz. */
extern bool twp_pseudonym_can_shift(Oid type);
/* Moves a date or time by the subject's secret offset in this domain (whole days, never zero). */
extern Datum twp_pseudonym_shift(TwpDomain *domain, const TwpSubject *subject,
								 Oid type, Datum value);

/*
 * Gives a subject a new salt in every domain: from the commit on its key leads
 * to other pseudonyms and another date offset.  No privilege check.
 */
extern void twp_pseudonym_forget_subject(const char *subject);

/* Before planning, and after making a constraint: refuse (42804) to compare pseudonyms of two known domains. */
extern void twp_pseudonym_check_query(Query *query);
extern void twp_pseudonym_check_constraint(Oid constraint);

#endif							/* TWP_PSEUDONYM_H */

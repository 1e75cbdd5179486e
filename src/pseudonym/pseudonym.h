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

typedef struct TwpDomain TwpDomain;

extern void twp_pseudonym_init(void);

/*
 * Opens the current key of a use's domain for its masks in the given memory
 * context; the linkage's domain while twin_privacy.linkage names an approved
 * linkage of the use, TP002 when it names anything else.
 */
extern TwpDomain *twp_pseudonym_open(const char *name, MemoryContext context);
/* Creates a domain and its first key; does nothing when it exists. No privilege check. */
extern void twp_pseudonym_create_domain(const char *name);

/* True when the type has a type-preserving pseudonym mask (text, varchar, bpchar, uuid, int2/4/8). */
extern bool twp_pseudonym_can_mask(Oid type);
/*
 * Type-preserving deterministic pseudonym of a non-null value of the base
 * type: text gives the pseudonym's text form, uuid a uuid, integers a keyed
 * permutation of the type's own range.  Equal numbers of two integer widths
 * need not agree; int4 and int8 columns that join should have one type.
 */
extern Datum twp_pseudonym_mask(TwpDomain *domain, Oid type, Datum value);
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

#endif							/* TWP_PSEUDONYM_H */

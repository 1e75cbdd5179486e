/*
 * uses_internal.h - the table of uses as C sees it, inside the room.
 */
#ifndef TWP_USES_INTERNAL_H
#define TWP_USES_INTERNAL_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "uses/uses.h"

/* Column numbers of twin_privacy_internal.approved_use. */
#define Anum_use_code 1
#define Anum_use_purpose 2
#define Anum_use_recipient 3
#define Anum_use_categories 4
#define Anum_use_disclosure 5
#define Anum_use_valid 6
#define Anum_use_statement 7
#define Anum_use_statement_version 8
#define Anum_use_export 9
#define Anum_use_min_cohort 10
#define Anum_use_epsilon 11
#define Anum_use_basis 12
#define Anum_use_overrides_deny 13
#define Anum_use_max_subjects_per_day 14
#define Anum_use_max_duration 15
#define Anum_use_status 16
#define Natts_use_read 16

typedef struct TwpUseProblem
{
	const char *message;
	const char *hint;
} TwpUseProblem;

/* lookup.c */
extern void twp_uses_lookup_init(void);
/* All uses, in order of their codes; list of const TwpUse *. */
extern List *twp_uses_all(void);
/* True when the role has the privileges of a grantee of the use. */
extern bool twp_uses_is_granted(const TwpUse *use, Oid role);
/* True when the login has acknowledged the use's present statement, or it has none. */
extern bool twp_uses_is_acknowledged(const TwpUse *use, Oid login);
/* -1 when unknown */
extern int	twp_uses_form_by_name(const char *name);
extern int	twp_uses_basis_by_name(const char *name);

/* scoring.c */
typedef struct TwpScoringException
{
	char	   *code;
	uint64		terms;			/* the use's hash when it was proposed */
	Oid			target;
	TimestampTz until;
} TwpScoringException;

extern List *twp_uses_read_recipients(void);
extern List *twp_uses_read_exceptions(void);
/* Ends what is excepted for a use whose terms change; needs twp_sql_connect(). */
extern void twp_uses_end_exceptions(Datum code);
extern char *twp_uses_fold_recipient(const char *name);
/* lookup.c: those in the cache. */
extern List *twp_uses_exceptions(void);

/* authority.c: false and *problem filled when the use can not be used. */
extern bool twp_uses_check(const TwpUse *use, Oid role, Oid login, TimestampTz now,
						   bool emergency, TwpUseProblem *problem);
/* A hint that lists what the role could bind. */
extern char *twp_uses_hint_bindable(Oid role, Oid login, TimestampTz now);
extern void twp_uses_raise(const TwpUseProblem *problem);
/* The use by code, or an error with the SQLSTATE given. */
extern const TwpUse *twp_uses_get(const char *code, int sqlstate);

/* binding.c */
extern void twp_uses_binding_init(void);

#endif							/* TWP_USES_INTERNAL_H */

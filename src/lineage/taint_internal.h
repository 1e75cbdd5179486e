/*
 * taint_internal.h - what the files on taints share.
 *
 * Glossary.  Taint: a derived row that stands on data of a subject who has
 * taken consent for it back, and the directive that did it (its cause).
 */
#ifndef TWP_LINEAGE_TAINT_INTERNAL_H
#define TWP_LINEAGE_TAINT_INTERNAL_H

#include "postgres.h"

#include "consent/consent.h"
#include "decision/decision.h"
#include "lineage/lineage_internal.h"

/* What somebody may be told of: everything, or what a use of theirs has lost. */
typedef struct TwpTaintScope
{
	bool		everything;
	Oid			role;			/* must be able to change or delete the table's rows */
	TwpUse	   *use;			/* bound; must not be kept from the table */
	TwpCategorySet categories;	/* must cover what the row asks for */
	bool		every_loss;		/* not only those to the question */
	TwpLensQuestion question;
} TwpTaintScope;

/* Losses of one subject, as bits of a word. */
#define TWP_LOSSES 64
typedef struct TwpLosses
{
	const char *subject;
	int			n;
	TwpLoss    *loss[TWP_LOSSES];
	TwpCategorySet lost;		/* by any of them */
} TwpLosses;

/* Takes a taint; key NULL: all rows of the subject in the table. */
typedef void (*TwpTaintSink) (Oid target, const TwpSubject *key, const char *subject, const TwpLoss *loss,
							  void *arg);

/* taint.c */
extern void twp_taint_init(void);

/* taint_scope.c */
/* What the current user may be told; raises TP001 or TP002 where that is nothing. */
extern TwpTaintScope twp_taint_scope(int roles);
extern bool twp_taint_covers_table(const TwpTaintScope *scope, Oid relid);
extern bool twp_taint_covers_row(const TwpTaintScope *scope, const char *made_for, TwpCategorySet needs);
/* A subject's losses that the scope has, in portions (TwpLosses *). */
extern List *twp_taint_losses(const TwpTaintScope *scope, const char *subject);
/* Which of the losses hit something that needs categories. */
extern uint64 twp_taint_hits(const TwpLosses *losses, TwpCategorySet needs);
/* Which of the losses concern a row made for a purpose (NULL: for any). */
extern uint64 twp_taint_of_purpose(const TwpLosses *losses, const char *made_for);
/* Hands each cause among the losses to the sink, once. */
extern void twp_taint_emit(const TwpLosses *losses, uint64 hit, Oid target, const TwpSubject *key,
						   TwpTaintSink sink, void *arg);

/* A row of a table with provenance, or that others are made from. */
typedef struct TwpTaintRow
{
	TwpOwner	owner;
	TwpSubject	subject;
	TwpCategorySet needs;
	char	   *made_for;		/* NULL: not told */
} TwpTaintRow;

/* taint_row.c: what a row is, and the taints of one row, from its inputs. */
extern TwpTaintRow twp_taint_read_row(TupleTableSlot *slot, const TwpProtection *p);
/* False when not all its inputs are found: then it may have more. */
extern bool twp_taint_of_row(const TwpTaintScope *scope, const TwpProtection *target, const TwpSubject *key,
							 TwpTaintSink sink, void *arg);

/* taint_walk.c */
/* All taints of one subject's losses, from the subject's rows on. */
extern void twp_taint_walk(const TwpTaintScope *scope, const TwpLosses *losses, TwpTaintSink sink, void *arg);

/* What is made from rows that are gone: handed out with an empty subject and a loss of cause 0. */
extern void twp_taint_orphans(const TwpTaintScope *scope, TwpTaintSink sink, void *arg);

#endif							/* TWP_LINEAGE_TAINT_INTERNAL_H */

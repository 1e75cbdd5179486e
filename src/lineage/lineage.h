/*
 * lineage.h - what derived rows are made from, and whether all of it is open.
 *
 * Glossary.  Target: a protected table of which provenance is declared.
 * Input: a source row that a target's row is traced to, through as many steps
 * as there are.  Graph: for every traced row of a target, the set of (subject,
 * categories) its inputs ask for; it knows no purpose and no consent, so that
 * a withdrawal leaves it as it is.
 *
 * Contract: questions are asked under the decision in force (decision.h) and
 * answered from the rows as they are now, not as the statement's snapshot saw
 * them.  What cannot be found out counts as closed.  Not for parallel workers.
 */
#ifndef TWP_LINEAGE_H
#define TWP_LINEAGE_H

#include "postgres.h"

#include "base/subject.h"
#include "nodes/nodes.h"
#include "protect/protect.h"

extern void twp_lineage_init(void);
extern void twp_lineage_shmem_request(void);
extern void twp_lineage_shmem_startup(void);

/*
 * True when everything the target's row of this key is made from is open.
 * `born` is the transaction that wrote the row; InvalidTransactionId for one
 * about to be stored, whose provenance may follow it.
 */
extern bool twp_lineage_open(const TwpProtection *target, const TwpSubject *key, TransactionId born);
/* Leaves of some rows, given by number, those of which it is true; returns how many. */
extern int	twp_lineage_keep_open(const TwpProtection *target, const TwpSubject *keys, const TransactionId *born,
								  uint16 *rows, int n);
/*
 * The same for a row of no subject of its own: all whose data it is made from
 * are its subjects, there must be some, and the row's own categories must be
 * open for each.
 */
extern bool twp_lineage_open_pooled(const TwpProtection *target, const TwpSubject *key, TransactionId born,
									TwpCategorySet needs);
/* Visits the subjects of all inputs of a row; a subject may come twice. */
extern void twp_lineage_visit_subjects(const TwpProtection *target, const TwpSubject *key, TransactionId born,
									   void (*visit) (const TwpSubject *subject));
/* True when the relation, or one below it, has a row of this key, committed or about to be. */
extern bool twp_lineage_row_exists(Oid relid, AttrNumber attno, const TwpSubject *key);

/* A statement is about to write the relation. */
extern void twp_lineage_writes(Oid relid, CmdType operation);

#endif							/* TWP_LINEAGE_H */

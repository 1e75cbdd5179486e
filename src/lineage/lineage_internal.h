/*
 * lineage_internal.h - what the files of the room share.
 */
#ifndef TWP_LINEAGE_INTERNAL_H
#define TWP_LINEAGE_INTERNAL_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "lineage/lineage.h"
#include "utils/snapshot.h"

extern int	twp_lineage_memory;	/* kB a graph may take */
extern int	twp_lineage_threshold;	/* rows asked one by one before a graph is made */

/* change.c: when rows that decide have changed. */

typedef enum TwpChange
{
	TWP_CHANGE_ANY,				/* any change of provenance; of other rows, all but a new one */
	TWP_CHANGE_ADDED,			/* a new row, or any other change, of what is not provenance */
	TWP_CHANGE_REMOVED,			/* of provenance, taken away or changed */
	TWP_CHANGE_APPLIED,			/* of whatever, by replication; relation InvalidOid */
} TwpChange;

/* What the counter of a relation's changes stood at. */
typedef struct TwpMoment
{
	Oid			relid;
	TwpChange	change;
	uint64		shared;
} TwpMoment;

extern void twp_lineage_change_init(void);
extern TwpMoment twp_lineage_moment(Oid relid, TwpChange change);
extern bool twp_lineage_unchanged(const TwpMoment *moment);
/* True when provenance may have been taken away that the snapshot sees the derived row of. */
extern bool twp_lineage_removed_since(Oid relid, Snapshot snapshot);
/* Grows with each write of this backend's own. */
extern uint64 twp_lineage_own_writes(void);

/* rows.c: rows of a relation and all below it, as they are now. */

/* Takes a row; false to stop. */
typedef bool (*TwpRowVisitor) (TupleTableSlot *slot, Oid relid, void *arg);
extern Snapshot twp_lineage_begin(Oid relid);
extern void twp_lineage_end(Snapshot snapshot);
/* Rows whose column (of relid) holds the key; false when a visitor stopped it. */
extern bool twp_lineage_visit_key(Oid relid, AttrNumber attno, const TwpSubject *key, Snapshot snapshot,
								  TwpRowVisitor visitor, void *arg);
/* Rows whose column holds one of some keys, and perhaps others. */
extern bool twp_lineage_visit_keys(Oid relid, AttrNumber attno, const TwpSubject *keys, int nkeys, Snapshot snapshot,
								   TwpRowVisitor visitor, void *arg);
extern bool twp_lineage_visit_all(Oid relid, Snapshot snapshot, TwpRowVisitor visitor, void *arg);
extern bool twp_lineage_has_index(Oid relid, AttrNumber attno);
/* The column of a part of a relation that is the relation's column. */
extern AttrNumber twp_lineage_column_of(Oid part, Oid relid, AttrNumber attno);
/* A column as a key; false for NULL. */
extern bool twp_lineage_key_of(TupleTableSlot *slot, AttrNumber attno, Oid type, TwpSubject *key);
/* The key by which provenance knows a target's row; false for NULL. */
extern bool twp_lineage_traced_key(TupleTableSlot *slot, const TwpProtection *p, TwpSubject *key);
/* Whose a source row is. */
typedef enum TwpOwner
{
	TWP_OWNER_NONE,				/* nobody's, or its labels are not known: closed to everybody */
	TWP_OWNER_ONE,				/* a subject's */
	TWP_OWNER_POOLED,			/* made from the data of several: all theirs */
} TwpOwner;

/* Whose a source row is and what it asks for. */
extern TwpOwner twp_lineage_owner_of(TupleTableSlot *slot, const TwpProtection *p, TwpSubject *subject,
									 TwpCategorySet *needs);

/* probe.c: one row's inputs, by index. */

/* Takes an input; false to stop. */
typedef bool (*TwpInputVisitor) (const TwpSubject *subject, TwpCategorySet needs, void *arg);
/*
 * Visits all inputs; false when one is missing or goes in a circle, the row
 * has none though it must, or a visitor stopped it.
 */
extern bool twp_lineage_probe(const TwpProtection *target, const TwpSubject *key, TwpInputVisitor visitor, void *arg);
/* The same of a row about to be stored: its provenance may follow it. */
extern bool twp_lineage_probe_new(const TwpProtection *target, const TwpSubject *key, TwpInputVisitor visitor,
								  void *arg);
/* A protection that lasts as long as nothing is declared anew. */
extern const TwpProtection *twp_lineage_protection(Oid relid);

/* graph.c: every row's inputs. */
typedef struct TwpGraph TwpGraph;

typedef enum TwpGraphAnswer
{
	TWP_GRAPH_UNKNOWN,			/* the row is newer than the graph */
	TWP_GRAPH_OPEN,
	TWP_GRAPH_CLOSED,
} TwpGraphAnswer;

extern void twp_lineage_graph_init(void);
/* Makes a target's graph; NULL when memory is short. */
extern TwpGraph *twp_lineage_build(const TwpProtection *target);
extern void twp_lineage_free(TwpGraph *graph);
extern bool twp_lineage_is_current(const TwpGraph *graph);

/* graph_ask.c: questions to a graph, under the decision in force. */
extern TwpGraphAnswer twp_lineage_ask(TwpGraph *graph, const TwpSubject *key, TransactionId born);
/* The same of a row of nobody's own, whose categories all its subjects are asked for. */
extern TwpGraphAnswer twp_lineage_ask_pooled(TwpGraph *graph, const TwpSubject *key, TransactionId born,
											 TwpCategorySet needs);
/* Visits the subjects below a row; false when the row is not known to the graph. */
extern bool twp_lineage_walk(TwpGraph *graph, const TwpSubject *key, TransactionId born,
							 void (*visit) (const TwpSubject *subject));

#endif							/* TWP_LINEAGE_INTERNAL_H */

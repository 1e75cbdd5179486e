/*
 * graph_internal.h - what a finished graph holds, for the files that make and ask it.
 */
#ifndef TWP_LINEAGE_GRAPH_INTERNAL_H
#define TWP_LINEAGE_GRAPH_INTERNAL_H

#include "postgres.h"

#include "lineage/lineage_internal.h"
#include "lineage/sets.h"
#include "nodes/pg_list.h"

/* A key of the target, in the finished graph. */
typedef struct KeyEntry
{
	TwpSubject	key;
	uint32		set;
	char		status;
} KeyEntry;

#define SH_PREFIX keys
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE TwpSubject
#define SH_KEY key
#define SH_HASH_KEY(table, k) twp_subject_hash(&(k))
#define SH_EQUAL(table, a, b) twp_subject_equal(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct TwpGraph
{
	MemoryContext context;
	Oid			relid;			/* the target */
	uint64		policy;			/* hash of the declarations it follows */
	List	   *targets;		/* OIDs of the targets among its tables */
	TwpMoment  *moments;
	int			nmoments;
	uint64		own_writes;
	bool		invalid;		/* a relation of it has been altered */
	/* the snapshot's view of transactions */
	TransactionId xmin;
	TransactionId xmax;
	TransactionId *running;
	uint32		nrunning;
	bool		overflowed;
	/* keys */
	int64		dense_min;
	uint64		dense_n;
	uint32	   *dense;
	keys_hash  *keys;
	uint32		untraced;		/* set of a row that no provenance tells of */
	TwpSets    *sets;
	/* graph_ask.c: what each set is under the decision in force, and subjects that were asked for */
	uint64		epoch;
	uint64		version;		/* of consents */
	uint8	   *answers;		/* TwpGraphAnswer */
	bool	   *known;
	TwpCategorySet *open;
	uint32	   *visited;		/* by set: the last walk that came by; made when needed */
	uint32		walk;
};

/* graph_build.c: fills a graph; false when memory is short. */
extern bool twp_graph_fill(TwpGraph *graph, const TwpProtection *target);
/* graph_ask.c: makes room for what is remembered between questions. */
extern void twp_graph_make_answers(TwpGraph *graph);
/* graph.c: mixes what is declared of some tables. */
extern uint64 twp_graph_policy_of(const List *relids);

#endif							/* TWP_LINEAGE_GRAPH_INTERNAL_H */

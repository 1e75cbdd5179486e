/*
 * graph.c - for every traced row of a target, whether what it is made from is open.
 *
 * The graph (graph_build.c) knows the rows its snapshot saw.  A row that was
 * written by a transaction the snapshot did not see is unknown to it: such a
 * row is looked up by itself, until the next graph.
 *
 * Memory: a graph's own context, until it is freed.  Failure: too little
 * memory gives no graph; an error leaves none behind.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "decision/decision.h"
#include "lineage/graph_internal.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static List *graphs = NIL;		/* TwpGraph * that have been handed out */

/* Marks graphs one of whose relations was altered. */
static void
relcache_callback(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, graphs)
	{
		TwpGraph   *graph = lfirst(lc);

		for (int i = 0; i < graph->nmoments && !graph->invalid; i++)
			graph->invalid = relid == InvalidOid || graph->moments[i].relid == relid;
	}
}

/* Registers for altered relations. */
void
twp_lineage_graph_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
}

/* Mixes what is declared of some tables. */
uint64
twp_graph_policy_of(const List *relids)
{
	uint64		hash = 0;
	ListCell   *lc;

	foreach(lc, relids)
	{
		const TwpProtection *p = twp_lineage_protection(lfirst_oid(lc));

		hash = hash_combine64(hash, p == NULL || p->broken != NULL ? 0 : p->hash);
	}
	return hash;
}

/* Makes a target's graph. */
TwpGraph *
twp_lineage_build(const TwpProtection *target)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy graph", ALLOCSET_DEFAULT_SIZES);
	TwpGraph   *graph = MemoryContextAllocZero(context, sizeof(TwpGraph));
	MemoryContext old;

	graph->context = context;
	if (!twp_graph_fill(graph, target))
	{
		MemoryContextDelete(context);
		return NULL;
	}
	MemoryContextSetParent(context, TopMemoryContext);
	old = MemoryContextSwitchTo(TopMemoryContext);
	graphs = lappend(graphs, graph);
	MemoryContextSwitchTo(old);
	return graph;
}

/* Frees a graph. */
void
twp_lineage_free(TwpGraph *graph)
{
	graphs = list_delete_ptr(graphs, graph);
	MemoryContextDelete(graph->context);
}

/* True while nothing the graph was made from has changed. */
bool
twp_lineage_is_current(const TwpGraph *graph)
{
	if (graph->invalid || graph->own_writes != twp_lineage_own_writes() || twp_graph_policy_of(graph->targets) != graph->policy)
		return false;
	for (int i = 0; i < graph->nmoments; i++)
		if (!twp_lineage_unchanged(&graph->moments[i]))
			return false;
	return true;
}

/* True when the graph's snapshot saw what the transaction wrote. */
static inline bool
has_seen(const TwpGraph *graph, TransactionId born)
{
	if (!TransactionIdIsNormal(born))
		return born == FrozenTransactionId;
	if (likely(TransactionIdPrecedes(born, graph->xmin)))
		return true;
	if (TransactionIdIsCurrentTransactionId(born))
		return true;
	if (graph->overflowed || !TransactionIdPrecedes(born, graph->xmax))
		return false;
	for (uint32 i = 0; i < graph->nrunning; i++)
		if (graph->running[i] == born)
			return false;
	return true;
}

/* Says whether a set is open under the decision in force. */
static bool
set_is_open(TwpGraph *graph, uint32 number)
{
	const TwpSet *set = &graph->sets->sets[number];

	if (number == TWP_SET_CLOSED)
		return false;
	for (uint32 i = 0; i < set->n; i++)
	{
		const TwpItem *item = &graph->sets->items[set->start + i];

		if ((twp_decision_consented(&graph->sets->subjects[item->subject]) & item->needs) != item->needs)
			return false;
	}
	return true;
}

/* Says whether a row's inputs are open. */
TwpGraphAnswer
twp_lineage_ask(TwpGraph *graph, const TwpSubject *key, TransactionId born)
{
	uint32		set = TWP_SET_EMPTY;

	if (unlikely(!has_seen(graph, born)))
		return TWP_GRAPH_UNKNOWN;
	if (graph->dense != NULL)
	{
		uint64		at = (uint64) key->key.number - (uint64) graph->dense_min;

		if (key->kind == TWP_SUBJECT_INT && at < graph->dense_n)
			set = graph->dense[at];
	}
	else
	{
		KeyEntry   *entry = keys_lookup(graph->keys, *key);

		if (entry != NULL)
			set = entry->set;
	}
	if (graph->answers_epoch != twp_decision_epoch())
	{
		memset(graph->answers, TWP_GRAPH_UNKNOWN, graph->sets->nsets);
		graph->answers[TWP_SET_EMPTY] = TWP_GRAPH_OPEN;
		graph->answers_epoch = twp_decision_epoch();
	}
	if (unlikely(graph->answers[set] == TWP_GRAPH_UNKNOWN))
	{
		bool		open = set_is_open(graph, set);

		graph->answers[set] = open ? TWP_GRAPH_OPEN : TWP_GRAPH_CLOSED;
	}
	return graph->answers[set];
}

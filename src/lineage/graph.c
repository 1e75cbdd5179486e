/*
 * graph.c - how long a graph holds.
 *
 * Memory: a graph's own context, until it is freed.  Failure: too little
 * memory gives no graph; an error leaves none behind.
 */
#include "postgres.h"

#include "base/news.h"
#include "common/hashfn.h"
#include "lineage/graph_internal.h"
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
	twp_news_listen(relcache_callback);
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
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	volatile bool filled = false;

	graph->context = context;
	graph->relid = target->relid;
	/* from now on, so that what is altered while it is made is heard of */
	graphs = lappend(graphs, graph);
	MemoryContextSwitchTo(old);
	PG_TRY();
	{
		filled = twp_graph_fill(graph, target);
	}
	PG_FINALLY();
	{
		if (!filled)
			graphs = list_delete_ptr(graphs, graph);
	}
	PG_END_TRY();
	if (!filled)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	MemoryContextSetParent(context, TopMemoryContext);
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

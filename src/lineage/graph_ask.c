/*
 * graph_ask.c - is what a graph's rows are made from open?
 *
 * The graph (graph_build.c) knows the rows its snapshot saw.  A row that was
 * written by a transaction the snapshot did not see is unknown to it: such a
 * row is looked up by itself, until the next graph.
 *
 * Each set is asked for once, each subject once, and the answers are kept until
 * a consent changes or the use does.  Sets that are items of others are asked
 * for first, in the order of their numbers, so that nothing goes deep.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "decision/decision.h"
#include "lineage/graph_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Takes a subject; false to stop. */
typedef bool (*SubjectVisitor) (TwpGraph *graph, uint32 subject, void *arg);

/* Makes room for what is remembered between questions. */
void
twp_graph_make_answers(TwpGraph *graph)
{
	graph->answers = MemoryContextAllocHuge(graph->context, graph->sets->nsets);
	graph->known = MemoryContextAllocHuge(graph->context, Max(graph->sets->nsubjects, 1));
	graph->open = MemoryContextAllocHuge(graph->context, sizeof(TwpCategorySet) * Max(graph->sets->nsubjects, 1));
}

/* What is open for a subject. */
static inline TwpCategorySet
open_of(TwpGraph *graph, uint32 subject)
{
	if (!graph->known[subject])
	{
		graph->open[subject] = twp_decision_consented(&graph->sets->subjects[subject]);
		graph->known[subject] = true;
	}
	return graph->open[subject];
}

/* Visits the subjects of a set and all sets below it, each set once. */
static bool
walk_set(TwpGraph *graph, uint32 number, SubjectVisitor visitor, void *arg)
{
	const TwpSets *sets = graph->sets;
	List	   *rest = list_make1_int((int) number);

	if (graph->visited == NULL)
		graph->visited = MemoryContextAllocExtended(graph->context, sizeof(uint32) * sets->nsets,
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	graph->walk++;
	while (rest != NIL)
	{
		const TwpSet *set = &sets->sets[llast_int(rest)];

		CHECK_FOR_INTERRUPTS();
		rest = list_delete_last(rest);
		for (uint32 i = 0; i < set->n; i++)
		{
			uint32		what = sets->items[set->start + i].what;

			if ((what & TWP_ITEM_SET) == 0)
			{
				if (!visitor(graph, what, arg))
				{
					list_free(rest);
					return false;
				}
			}
			else if (graph->visited[what & ~TWP_ITEM_SET] != graph->walk)
			{
				graph->visited[what & ~TWP_ITEM_SET] = graph->walk;
				rest = lappend_int(rest, (int) (what & ~TWP_ITEM_SET));
			}
		}
	}
	return true;
}

/* Asks a subject for categories. */
static bool
subject_is_open(TwpGraph *graph, uint32 subject, void *arg)
{
	TwpCategorySet needs = *(const TwpCategorySet *) arg;

	return (open_of(graph, subject) & needs) == needs;
}

/* Says whether a set is open; sets that are its items have been asked for. */
static bool
set_is_open(TwpGraph *graph, uint32 number)
{
	const TwpSet *set = &graph->sets->sets[number];

	for (uint32 i = 0; i < set->n; i++)
	{
		TwpItem		item = graph->sets->items[set->start + i];
		uint32		inner = item.what & ~TWP_ITEM_SET;

		if ((item.what & TWP_ITEM_SET) == 0)
		{
			if (!subject_is_open(graph, item.what, &item.needs))
				return false;
		}
		else if (graph->answers[inner] != TWP_GRAPH_OPEN ||
				 (item.needs != 0 && !walk_set(graph, inner, subject_is_open, &item.needs)))
			return false;
	}
	return true;
}

/* Asks for a set and keeps the answer. */
static TwpGraphAnswer
ask_set(TwpGraph *graph, uint32 number)
{
	if (unlikely(graph->answers[number] == TWP_GRAPH_UNKNOWN))
	{
		bool		open = set_is_open(graph, number);

		graph->answers[number] = open ? TWP_GRAPH_OPEN : TWP_GRAPH_CLOSED;
	}
	return graph->answers[number];
}

/* Drops answers that may no longer hold. */
static void
renew_answers(TwpGraph *graph)
{
	uint64		version = twp_decision_consent_version();
	const TwpSets *sets = graph->sets;

	if (version == 0 || version != graph->version)
	{
		graph->version = 0;
		memset(graph->answers, TWP_GRAPH_UNKNOWN, sets->nsets);
		memset(graph->known, false, sets->nsubjects);
		graph->answers[TWP_SET_EMPTY] = TWP_GRAPH_OPEN;
		graph->answers[TWP_SET_CLOSED] = TWP_GRAPH_CLOSED;
		for (uint32 i = 0; i < sets->ninner; i++)
			(void) ask_set(graph, sets->inner[i]);
		graph->version = version;
	}
	graph->epoch = twp_decision_epoch();
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

/* The set of a row. */
static inline uint32
set_of(const TwpGraph *graph, const TwpSubject *key)
{
	if (likely(graph->dense != NULL))
	{
		uint64		at = (uint64) key->key.number - (uint64) graph->dense_min;

		return key->kind == TWP_SUBJECT_INT && at < graph->dense_n ? graph->dense[at] : graph->untraced;
	}
	else
	{
		KeyEntry   *entry = keys_lookup(graph->keys, *key);

		return entry != NULL ? entry->set : graph->untraced;
	}
}

/* Says whether a row's inputs are open. */
TwpGraphAnswer
twp_lineage_ask(TwpGraph *graph, const TwpSubject *key, TransactionId born)
{
	if (unlikely(!has_seen(graph, born)))
		return TWP_GRAPH_UNKNOWN;
	if (unlikely(graph->epoch != twp_decision_epoch()))
		renew_answers(graph);
	return ask_set(graph, set_of(graph, key));
}

/* Says whether a row of nobody's own is open to all whose data it is made from. */
TwpGraphAnswer
twp_lineage_ask_pooled(TwpGraph *graph, const TwpSubject *key, TransactionId born, TwpCategorySet needs)
{
	TwpGraphAnswer answer = twp_lineage_ask(graph, key, born);
	uint32		set = set_of(graph, key);

	if (answer != TWP_GRAPH_OPEN)
		return answer;
	return set != TWP_SET_EMPTY && walk_set(graph, set, subject_is_open, &needs) ? TWP_GRAPH_OPEN : TWP_GRAPH_CLOSED;
}

/* Hands a subject on. */
static bool
visit_subject(TwpGraph *graph, uint32 subject, void *arg)
{
	(*(void (**) (const TwpSubject *)) arg) (&graph->sets->subjects[subject]);
	return true;
}

/* Visits the subjects below a row. */
bool
twp_lineage_walk(TwpGraph *graph, const TwpSubject *key, TransactionId born, void (*visit) (const TwpSubject *subject))
{
	if (!has_seen(graph, born))
		return false;
	return walk_set(graph, set_of(graph, key), visit_subject, &visit);
}

/*
 * graph_build.c - makes for every traced row of a target the set of what it is
 * made from.
 *
 * Provenance is read once, and the source rows it names; each row that some
 * provenance knows by a key is a node, and each use of one by another an edge.
 * Walked depth first, a node's set is all that is in the sets of what it used.
 * A node that goes in a circle, or a used one of which no row is found, is
 * closed, and so is everything made from it.
 *
 * Memory: nodes and edges in a context that ends with the building, keys and
 * sets in the graph's own, together below twin_privacy.provenance_memory.
 */
#include "postgres.h"

#include "lineage/graph_internal.h"
#include "lineage/nodes.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* An edge to a set instead of a node. */
#define LEAF 0x80000000u

#define NODE_USED 0x01			/* some provenance names it as a source */
#define NODE_FOUND 0x02			/* and there is such a row */
#define NODE_CLOSED 0x04
#define NODE_ON_WAY 0x08		/* walked from, not yet back */
#define NODE_DONE 0x10
#define NODE_TRACED 0x20		/* some provenance tells of it */
#define NODE_POOLED 0x40		/* a row of nobody's own has the key */

/* By which column of which relation provenance knows rows. */
typedef struct Slot
{
	Oid			relid;
	AttrNumber	attno;
} Slot;

typedef struct Edge
{
	uint32		from;			/* the row made */
	uint32		to;				/* what it used: a node, or LEAF and a set */
} Edge;

/* What building works on. */
typedef struct Builder
{
	TwpGraph   *graph;
	MemoryContext context;
	Snapshot	snapshot;
	List	   *targets;		/* const TwpProtection *, the first is the one built for */
	Slot	   *slots;
	uint32		nslots;
	TwpNodes   *nodes;
	uint8	   *flags;			/* by node */
	uint32		node_room;
	Edge	   *edges;
	uint32		nedges;
	uint32		edge_room;
	uint32	   *first;			/* edge of each node, once sorted */
	uint32	   *result;			/* set of each node */
	TwpCategorySet *pooled;		/* by node: what rows of nobody's own ask of all below them; made when needed */
	bool		too_large;
	bool		waits;			/* a row that is added may matter */
	/* of the rows being read */
	const TwpProvenance *provenance;
	uint32		derived_slot;
	uint32		source_slot;
	Oid			part;			/* part of the source the next three are of */
	const TwpProtection *part_protection;
	AttrNumber	part_key;
	Oid			part_key_type;
	uint32		own_slot;
	bool		last_known;		/* a row's start value, and the set it led to */
	TwpSubject	last_start;
	uint32		last_set;
} Builder;

/* Notes a counter of a relation before it is read, once. */
static void
watch_change(TwpGraph *graph, Oid relid, TwpChange change)
{
	for (int i = 0; i < graph->nmoments; i++)
		if (graph->moments[i].relid == relid && graph->moments[i].change == change)
			return;
	graph->moments = graph->moments == NULL ?
		MemoryContextAlloc(graph->context, sizeof(TwpMoment)) :
		repalloc(graph->moments, sizeof(TwpMoment) * (graph->nmoments + 1));
	graph->moments[graph->nmoments++] = twp_lineage_moment(relid, change);
}

/* Notes the counters of a relation. */
static void
watch(TwpGraph *graph, Oid relid)
{
	watch_change(graph, relid, TWP_CHANGE_ANY);
	watch_change(graph, relid, TWP_CHANGE_ADDED);
}

/* Forgets the counters of added rows: none was missed. */
static void
drop_added(TwpGraph *graph)
{
	int			kept = 0;

	for (int i = 0; i < graph->nmoments; i++)
		if (graph->moments[i].change != TWP_CHANGE_ADDED)
			graph->moments[kept++] = graph->moments[i];
	graph->nmoments = kept;
}

/* Notes the counters of a path's tables. */
static void
watch_path(TwpGraph *graph, const TwpPath *path)
{
	for (int i = 0; i < path->nhops; i++)
		watch(graph, path->hops[i].relid);
}

/* Collects the targets that can be reached, and everything that is to be watched. */
static void
collect_targets(Builder *b, const TwpProtection *target)
{
	watch_change(b->graph, InvalidOid, TWP_CHANGE_APPLIED);
	b->targets = list_make1((void *) target);
	for (int t = 0; t < list_length(b->targets); t++)
	{
		const TwpProtection *p = list_nth(b->targets, t);
		MemoryContext old = MemoryContextSwitchTo(b->graph->context);

		b->graph->targets = lappend_oid(b->graph->targets, p->relid);
		MemoryContextSwitchTo(old);
		for (int i = 0; i < p->nprovenance; i++)
		{
			const TwpProtection *source = twp_lineage_protection(p->provenance[i].source);

			watch(b->graph, p->provenance[i].relid);
			watch(b->graph, p->provenance[i].source);
			b->waits |= !twp_protect_is_unique(p->provenance[i].source, p->provenance[i].source_key);
			if (source == NULL || source->broken != NULL)
				continue;
			watch_path(b->graph, &source->subject);
			if (source->has_label_path)
				watch_path(b->graph, &source->labels);
			source = twp_lineage_protection(source->source);
			if (source != NULL && source->nprovenance > 0)
				b->targets = list_append_unique_ptr(b->targets, (void *) source);
		}
	}
}

/* Gives the number of a slot. */
static uint32
slot_number(Builder *b, Oid relid, AttrNumber attno)
{
	for (uint32 i = 0; i < b->nslots; i++)
		if (b->slots[i].relid == relid && b->slots[i].attno == attno)
			return i;
	b->slots = b->slots == NULL ? palloc(sizeof(Slot)) : repalloc(b->slots, sizeof(Slot) * (b->nslots + 1));
	b->slots[b->nslots] = (Slot) {relid, attno};
	return b->nslots++;
}

/* Gives the node of a key, made when there is none. */
static uint32
node_of(Builder *b, uint32 slot, const TwpSubject *key)
{
	uint32		node = twp_nodes_get(b->nodes, slot, key);

	if (node >= b->node_room)
	{
		uint32		room = b->node_room;

		b->node_room *= 2;
		b->flags = repalloc_huge(b->flags, b->node_room);
		memset(b->flags + room, 0, room);
	}
	return node;
}

/* Adds an edge. */
static void
add_edge(Builder *b, uint32 from, uint32 to)
{
	if (b->nedges == b->edge_room)
	{
		b->edge_room *= 2;
		b->edges = repalloc_huge(b->edges, b->edge_room * sizeof(Edge));
	}
	b->edges[b->nedges++] = (Edge) {from, to};
}

/* True while what is there fits; nodes weigh a table entry, a flag, a set and an edge's start. */
static bool
fits(Builder *b)
{
	Size		used = twp_nodes_size(b->nodes) + (Size) b->node_room * 9 +
		b->edge_room * sizeof(Edge) + b->nedges * sizeof(uint32) + twp_sets_size(b->graph->sets);

	b->too_large = used > (Size) twp_lineage_memory * 1024 || twp_nodes_count(b->nodes) >= LEAF - 1 || b->nedges >= LEAF - 1;
	return !b->too_large;
}

/* Takes a row of provenance: an edge. */
static bool
take_provenance(TupleTableSlot *slot, Oid relid, void *arg)
{
	Builder    *b = arg;
	TwpSubject	key;
	uint32		from;
	uint32		to;

	if (!twp_lineage_key_of(slot, b->provenance->derived, b->provenance->derived_type, &key))
		return true;
	from = node_of(b, b->derived_slot, &key);
	b->flags[from] |= NODE_TRACED;
	if (!twp_lineage_key_of(slot, b->provenance->used, b->provenance->used_type, &key))
		b->flags[from] |= NODE_CLOSED;
	else
	{
		to = node_of(b, b->source_slot, &key);
		b->flags[to] |= NODE_USED;
		add_edge(b, from, to);
	}
	return (b->nedges & 0xFFFF) != 0 || fits(b);
}

/* Turns to the rows of another part of the source. */
static void
turn_to_part(Builder *b, TupleTableSlot *slot, Oid relid)
{
	const TwpProtection *root;

	if (b->part == relid)
		return;
	b->part = relid;
	b->last_known = false;
	b->part_protection = twp_lineage_protection(relid);
	b->part_key = twp_lineage_column_of(relid, b->provenance->source, b->provenance->source_key);
	b->part_key_type = getBaseType(get_atttype(relid, b->part_key));
	b->own_slot = PG_UINT32_MAX;
	if (b->part_protection == NULL || b->part_protection->nprovenance == 0)
		return;
	root = twp_lineage_protection(b->part_protection->source);
	b->own_slot = slot_number(b, root->relid, root->facts[TWP_ROW_KEY]);
}

/* The set of a source row's subject; a start value that led to one leads there again. */
static uint32
set_of_row(Builder *b, TupleTableSlot *slot, uint32 node)
{
	const TwpProtection *p = b->part_protection;
	TwpSubject	start;
	TwpSubject	subject;
	TwpCategorySet needs;
	TwpOwner	owner;
	bool		remembers = !p->has_label_path && twp_subject_kind(p->subject.start_type) != TWP_SUBJECT_INVALID &&
		twp_subject_kind(p->subject.start_type) != TWP_SUBJECT_TEXT &&
		twp_lineage_key_of(slot, p->subject.start, p->subject.start_type, &start);

	if (remembers && b->last_known && twp_subject_equal(&start, &b->last_start))
		return b->last_set;
	owner = twp_lineage_owner_of(slot, p, &subject, &needs);
	if (owner == TWP_OWNER_POOLED)
	{
		if (b->pooled == NULL)
			b->pooled = MemoryContextAllocExtended(b->context, sizeof(TwpCategorySet) * twp_nodes_count(b->nodes),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		b->pooled[node] |= needs;
		b->flags[node] |= NODE_POOLED;
		return TWP_SET_EMPTY;
	}
	b->waits |= owner == TWP_OWNER_NONE;
	b->last_set = owner == TWP_OWNER_ONE ? twp_sets_single(b->graph->sets, &subject, needs) : TWP_SET_CLOSED;
	b->last_known = remembers;
	if (remembers)
		b->last_start = start;
	return b->last_set;
}

/* Adds what a source row is made from itself. */
static void
add_own_inputs(Builder *b, TupleTableSlot *slot, uint32 node)
{
	TwpSubject	own;
	uint32		made = TWP_NO_NODE;
	bool		known = twp_lineage_traced_key(slot, b->part_protection, &own);

	if (known)
		made = twp_nodes_find(b->nodes, b->own_slot, &own);
	if (!known || ((made == TWP_NO_NODE || (b->flags[made] & NODE_TRACED) == 0) && !b->part_protection->untraced_open))
		b->flags[node] |= NODE_CLOSED;
	else if (made != TWP_NO_NODE && made != node)
		add_edge(b, node, made);
}

/* Takes a source row that some provenance names: whose it is, and what it is made from itself. */
static bool
take_source(TupleTableSlot *slot, Oid relid, void *arg)
{
	Builder    *b = arg;
	TwpSubject	key;
	uint32		node;

	turn_to_part(b, slot, relid);
	if (b->part_protection == NULL || b->part_protection->broken != NULL ||
		!twp_lineage_key_of(slot, b->part_key, b->part_key_type, &key) ||
		(node = twp_nodes_find(b->nodes, b->source_slot, &key)) == TWP_NO_NODE)
		return true;
	b->flags[node] |= NODE_FOUND;
	add_edge(b, node, set_of_row(b, slot, node) | LEAF);
	if (b->own_slot != PG_UINT32_MAX)
		add_own_inputs(b, slot, node);
	return (b->nedges & 0xFFFF) != 0 || fits(b);
}

/* Reads the provenance of all targets, then the source rows it names. */
static bool
read_rows(Builder *b)
{
	ListCell   *lc;
	List	   *read = NIL;		/* source slots read already */

	for (int pass = 0; pass < 2; pass++)
		foreach(lc, b->targets)
		{
			const TwpProtection *p = lfirst(lc);

			for (int i = 0; i < p->nprovenance; i++)
			{
				b->provenance = &p->provenance[i];
				b->derived_slot = slot_number(b, p->relid, p->facts[TWP_ROW_KEY]);
				b->source_slot = slot_number(b, b->provenance->source, b->provenance->source_key);
				b->part = InvalidOid;
				if (pass == 0)
					(void) twp_lineage_visit_all(b->provenance->relid, b->snapshot, take_provenance, b);
				else if (!list_member_int(read, (int) b->source_slot))
				{
					read = lappend_int(read, (int) b->source_slot);
					(void) twp_lineage_visit_all(b->provenance->source, b->snapshot, take_source, b);
				}
				if (b->too_large || !fits(b))
					return false;
			}
		}
	return true;
}

/* Sorts the edges by the row made. */
static void
sort_edges(Builder *b)
{
	uint32	   *to = MemoryContextAllocHuge(b->context, Max(b->nedges, 1) * sizeof(uint32));
	uint32		nnodes = twp_nodes_count(b->nodes);
	uint32	   *at;

	b->first = MemoryContextAllocExtended(b->context, ((Size) nnodes + 2) * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	at = b->first + 1;
	for (uint32 i = 0; i < b->nedges; i++)
		at[b->edges[i].from + 1]++;
	for (uint32 n = 0; n < nnodes; n++)
		at[n + 1] += at[n];
	/* at[n] runs from the start of n's edges to their end, which is where first[n + 1] stands */
	for (uint32 i = 0; i < b->nedges; i++)
		to[at[b->edges[i].from]++] = b->edges[i].to;
	pfree(b->edges);
	b->edges = (Edge *) to;
}

/* Finds the set of a node all of whose uses are done. */
static uint32
settle(Builder *b, uint32 node, uint32 **scratch, uint32 *room)
{
	const uint32 *to = (const uint32 *) b->edges;
	uint32		n = b->first[node + 1] - b->first[node];
	bool		missing = (b->flags[node] & (NODE_USED | NODE_FOUND)) == NODE_USED;
	uint32		set;

	b->waits |= missing;
	if (missing || (b->flags[node] & NODE_CLOSED) != 0)
		return TWP_SET_CLOSED;
	if (n > *room)
	{
		*room = n * 2;
		*scratch = repalloc_huge(*scratch, *room * sizeof(uint32));
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint32		used = to[b->first[node] + i];

		(*scratch)[i] = (used & LEAF) != 0 ? used & ~LEAF : b->result[used];
	}
	set = twp_sets_union(b->graph->sets, *scratch, (int) n);
	return (b->flags[node] & NODE_POOLED) == 0 ? set :
		twp_sets_pooled(b->graph->sets, set, b->pooled[node]);
}

/* Walks from every node; one met on its own way goes in a circle.  False when memory is short. */
static bool
walk(Builder *b)
{
	const uint32 *to = (const uint32 *) b->edges;
	uint32		nnodes = twp_nodes_count(b->nodes);
	uint32	   *way = MemoryContextAllocHuge(b->context, ((Size) nnodes + 1) * sizeof(uint32));
	uint32	   *next = MemoryContextAllocHuge(b->context, ((Size) nnodes + 1) * sizeof(uint32));
	uint32		room = 64;
	uint32	   *scratch = palloc(room * sizeof(uint32));

	b->result = MemoryContextAllocHuge(b->context, ((Size) nnodes + 1) * sizeof(uint32));
	for (uint32 start = 0; start < nnodes; start++)
	{
		uint32		depth = 0;

		if ((b->flags[start] & NODE_DONE) != 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		if ((start & 0xFFF) == 0 && !fits(b))
			return false;
		way[0] = start;
		next[0] = b->first[start];
		b->flags[start] |= NODE_ON_WAY;
		for (;;)
		{
			uint32		node = way[depth];

			if (next[depth] < b->first[node + 1])
			{
				uint32		used = to[next[depth]++];

				if ((used & LEAF) != 0 || (b->flags[used] & NODE_DONE) != 0)
					continue;
				if ((b->flags[used] & NODE_ON_WAY) != 0)
				{
					b->flags[node] |= NODE_CLOSED;
					continue;
				}
				depth++;
				way[depth] = used;
				next[depth] = b->first[used];
				b->flags[used] |= NODE_ON_WAY;
				continue;
			}
			b->result[node] = settle(b, node, &scratch, &room);
			b->flags[node] = (b->flags[node] & ~NODE_ON_WAY) | NODE_DONE;
			if (depth-- == 0)
				break;
		}
	}
	return true;
}

/* What is found of the target's keys. */
typedef struct TargetKeys
{
	Builder    *b;
	uint64		n;
	bool		numbers;		/* all of them */
	int64		least;
	int64		most;
} TargetKeys;

/* Looks at a key: how many, and between which bounds? */
static void
measure_key(const TwpSubject *key, uint32 node, void *arg)
{
	TargetKeys *keys = arg;

	keys->n++;
	keys->numbers &= key->kind == TWP_SUBJECT_INT;
	if (keys->numbers)
	{
		keys->least = Min(keys->least, key->key.number);
		keys->most = Max(keys->most, key->key.number);
	}
}

/* Keeps a key with its set. */
static void
keep_key(const TwpSubject *key, uint32 node, void *arg)
{
	Builder    *b = ((TargetKeys *) arg)->b;
	TwpGraph   *graph = b->graph;
	bool		found;

	if (graph->dense != NULL)
		graph->dense[key->key.number - graph->dense_min] = b->result[node];
	else
		keys_insert(graph->keys, *key, &found)->set = b->result[node];
}

/* Keeps the target's keys: as an array where integers lie close together. */
static void
keep_keys(Builder *b)
{
	TwpGraph   *graph = b->graph;
	const TwpProtection *p = linitial(b->targets);
	uint32		slot = slot_number(b, p->relid, p->facts[TWP_ROW_KEY]);
	TargetKeys	keys = {.b = b,.numbers = true,.least = PG_INT64_MAX,.most = PG_INT64_MIN};

	twp_nodes_visit(b->nodes, slot, measure_key, &keys);
	graph->untraced = p->untraced_open ? TWP_SET_EMPTY : TWP_SET_CLOSED;
	if (keys.numbers && keys.n > 0 && (uint64) keys.most - (uint64) keys.least < keys.n * 8)
	{
		graph->dense_min = keys.least;
		graph->dense_n = (uint64) keys.most - (uint64) keys.least + 1;
		graph->dense = MemoryContextAllocHuge(graph->context, graph->dense_n * sizeof(uint32));
		for (uint64 i = 0; i < graph->dense_n; i++)
			graph->dense[i] = graph->untraced;
	}
	else
		graph->keys = keys_create(graph->context, keys.n + 1, NULL);
	twp_nodes_visit(b->nodes, slot, keep_key, &keys);
}

/* Keeps what the snapshot says of transactions. */
static void
keep_snapshot(TwpGraph *graph, Snapshot snapshot)
{
	uint32		n = snapshot->xcnt + Max(snapshot->subxcnt, 0);

	graph->xmin = snapshot->xmin;
	graph->xmax = snapshot->xmax;
	graph->overflowed = snapshot->suboverflowed;
	graph->running = MemoryContextAlloc(graph->context, sizeof(TransactionId) * Max(n, 1));
	/* a copied snapshot has no array of none */
	if (snapshot->xcnt > 0)
		memcpy(graph->running, snapshot->xip, sizeof(TransactionId) * snapshot->xcnt);
	graph->nrunning = snapshot->xcnt;
	if (!snapshot->suboverflowed && snapshot->subxcnt > 0)
	{
		memcpy(graph->running + graph->nrunning, snapshot->subxip, sizeof(TransactionId) * snapshot->subxcnt);
		graph->nrunning += snapshot->subxcnt;
	}
}

/* Fills a graph; false when memory is short. */
bool
twp_graph_fill(TwpGraph *graph, const TwpProtection *target)
{
	Builder		builder = {.graph = graph};
	Builder    *b = &builder;
	MemoryContext old;
	bool		complete;

	b->context = AllocSetContextCreate(graph->context, "twin_privacy graph building", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(b->context);
	graph->own_writes = twp_lineage_own_writes();
	graph->sets = twp_sets_create(graph->context);
	collect_targets(b, target);
	graph->policy = twp_graph_policy_of(graph->targets);
	b->snapshot = twp_lineage_begin(target->provenance[0].relid);
	keep_snapshot(graph, b->snapshot);
	b->nodes = twp_nodes_create(b->context, graph->context);
	b->node_room = b->edge_room = 1024;
	b->flags = palloc0(b->node_room);
	b->edges = palloc(b->edge_room * sizeof(Edge));
	complete = read_rows(b);
	if (complete)
	{
		sort_edges(b);
		complete = walk(b);
	}
	if (complete)
	{
		keep_keys(b);
		if (!b->waits)
			drop_added(graph);
		twp_sets_finish(graph->sets);
		twp_graph_make_answers(graph);
	}
	twp_lineage_end(b->snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(b->context);
	return complete;
}

/*
 * guard_search.c - finds what lies near to a figure among those released.
 *
 * Two figures that differ for fewer than k subjects agree in all but k - 1
 * cells of a row of their sketches; so an index of cells (of quotients of
 * neighbours where a factor may be between the two) finds every figure that
 * may be near, and few others.  A figure with few cells is compared with all.
 *
 * Memory: the index lives in the store's context.  Failure: out of memory.
 */
#include "postgres.h"

#include "anonymity/guard_store.h"
#include "base/compat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Adds a key to the index. */
static void
index_key(TwpGuardStore *store, uint64 key, uint32 figure)
{
	uint32		at;

	if (2 * (store->nused + 1) > store->nslots)
	{
		TwpGuardSlot	   *old = store->slots;
		uint32		nold = store->nslots;

		store->nslots = Max(1024, 2 * nold);
		store->slots = MemoryContextAllocExtended(store->context, store->nslots * sizeof(TwpGuardSlot),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		store->nused = 0;
		for (uint32 i = 0; i < nold; i++)
			if (old[i].key != 0)
				index_key(store, old[i].key, old[i].figure);
		if (old != NULL)
			pfree(old);
	}
	at = (uint32) key & (store->nslots - 1);
	while (store->slots[at].key != 0)
		at = (at + 1) & (store->nslots - 1);
	store->slots[at] = (TwpGuardSlot)
	{
		key, figure
	};
	store->nused++;
}

/* A key of the index, never 0. */
static uint64
make_key(uint32 tag, int place, uint64 value)
{
	uint64		key = twp_guard_mix(value + ((uint64) tag << 32) + place, UINT64CONST(0x9E3779B97F4A7C15));

	return key == 0 ? 1 : key;
}

/*
 * Works out a figure's keys: of the exact sketch its cells that are not zero,
 * of identities the quotients of two, which a factor does not change.  Gives
 * how many there are of the sketch that figures of its kind are compared by.
 */
static int
make_keys(const TwpGuardFigure *figure, int columns, uint64 *keys, int *nkeys)
{
	TwpGuardShape shape = {1, columns};
	uint64	   *cells = palloc(columns * sizeof(uint64));
	int			own = 0;

	*nkeys = 0;
	twp_guard_fold(figure->exact, figure->shape, cells, shape);
	for (int i = 0; i < columns; i++)
		if (cells[i] != 0)
			keys[(*nkeys)++] = make_key(0, i, cells[i]);
	if (figure->tag == 0)
	{
		pfree(cells);
		return *nkeys;
	}
	twp_guard_fold(figure->identity, figure->shape, cells, shape);
	for (int i = 0; i < columns; i += 2)
		if (cells[i] != 0 && cells[i + 1] != 0)
		{
			keys[(*nkeys)++] = make_key(figure->tag, i, twp_guard_multiply(cells[i], twp_guard_inverse(cells[i + 1])));
			own++;
		}
	pfree(cells);
	return Min(own, *nkeys - own);
}

/* Puts a figure into the index. */
static void
index_figure(TwpGuardStore *store, uint32 number)
{
	const TwpGuardFigure *figure = &store->figures[number];
	uint64	   *keys = palloc(2 * store->key_columns * sizeof(uint64));
	int			nkeys;

	if (figure->shape.columns < store->key_columns)
	{
		MemoryContext old = MemoryContextSwitchTo(store->context);

		store->unindexed = lappend_int(store->unindexed, number);
		MemoryContextSwitchTo(old);
	}
	else
	{
		(void) make_keys(figure, store->key_columns, keys, &nkeys);
		for (int i = 0; i < nkeys; i++)
			index_key(store, keys[i], number);
	}
	pfree(keys);
}

/* Brings the index up to date. */
static void
build_index(TwpGuardStore *store, int columns)
{
	if (store->key_columns != columns)
	{
		if (store->slots != NULL)
			pfree(store->slots);
		store->slots = NULL;
		store->nslots = store->nused = store->nindexed = 0;
		store->unindexed = NIL;
		store->key_columns = columns;
	}
	while (store->nindexed < store->nfigures)
		index_figure(store, store->nindexed++);
}

/* Says how far two figures are from each other; *same: the very same, up to a factor. */
static int
compare(const TwpGuardFigure *a, const TwpGuardFigure *b, int k, bool *same)
{
	TwpGuardShape shape = {1, Min(a->shape.columns, b->shape.columns)};
	int			best;
	uint64	   *cells;

	*same = false;
	if (a->tag != b->tag || a->tag == 0)
	{
		best = twp_guard_distance(a->exact, a->shape, b->exact, b->shape, 1, k);
		*same = best == 0 && a->tag == b->tag;
		return best == 0 ? INT_MAX : best;
	}
	best = twp_guard_distance(a->identity, a->shape, b->identity, b->shape, 1, k);
	cells = palloc(2 * shape.columns * sizeof(uint64));
	twp_guard_fold(a->identity, a->shape, cells, shape);
	twp_guard_fold(b->identity, b->shape, cells + shape.columns, shape);
	for (int i = 0; i + 1 < shape.columns && best > 0; i += 2)
	{
		uint64	   *x = cells + i;
		uint64	   *y = cells + shape.columns + i;

		/* where the quotients agree, the factor between the two is told by either */
		if (x[0] != 0 && y[0] != 0 && x[0] != y[0] && twp_guard_multiply(x[0], y[1]) == twp_guard_multiply(x[1], y[0]))
		{
			uint64		factor = twp_guard_multiply(x[0], twp_guard_inverse(y[0]));

			best = Min(best, twp_guard_distance(a->identity, a->shape, b->identity, b->shape, factor, k));
			break;
		}
	}
	pfree(cells);
	*same = best == 0;
	return best == 0 ? INT_MAX : best;
}

/* What is looked for among earlier figures. */
typedef struct Search
{
	TwpGuardStore *store;
	const TwpGuardFigure *figure;
	int			k;
	TimestampTz oldest;
	uint32		last;			/* compared just now, plus one */
	bool		near;
	bool		same;
} Search;

/* Looks at an earlier figure. */
static void
look_at(Search *search, uint32 number)
{
	const TwpGuardFigure *other = &search->store->figures[number];
	bool		same;

	if (number >= search->store->nfigures || number + 1 == search->last || other->released_at < search->oldest)
		return;
	search->last = number + 1;
	search->near |= compare(search->figure, other, search->k, &same) < search->k;
	search->same |= same;
}

/* Looks at every earlier figure that may be near. */
static void
search_near(Search *search)
{
	TwpGuardStore *store = search->store;
	uint64	   *keys = palloc(2 * store->key_columns * sizeof(uint64));
	int			nkeys = 0;
	ListCell   *lc;

	if (search->figure->shape.columns < store->key_columns ||
		make_keys(search->figure, store->key_columns, keys, &nkeys) < search->k)
	{
		/* so few cells that a near one may agree in none of them */
		for (uint32 i = 0; i < store->nfigures && !search->same; i++)
			look_at(search, i);
		pfree(keys);
		return;
	}
	foreach(lc, store->unindexed)
		look_at(search, lfirst_int(lc));
	for (int i = nkeys - 1; i >= 0 && !search->same; i--)
		for (uint32 at = (uint32) keys[i] & (store->nslots - 1);
			 store->nslots > 0 && store->slots[at].key != 0 && !search->same; at = (at + 1) & (store->nslots - 1))
			if (store->slots[at].key == keys[i])
				look_at(search, store->slots[at].figure);
	pfree(keys);
}

/* Judges a figure and keeps it unless the very same was released before. */
bool
twp_guard_admit(TwpGuardStore *store, const TwpGuardFigure *figure, int k)
{
	Search		search = {.store = store,.figure = figure,.k = Min(k, TWP_GUARD_MAX_SUBJECTS),.oldest = twp_guard_horizon()};

	build_index(store, twp_guard_shape(k, true).columns);
	search_near(&search);
	if (search.same)
		return true;
	if (search.near)
		return false;
	twp_guard_add_figure(store, figure);
	return true;
}

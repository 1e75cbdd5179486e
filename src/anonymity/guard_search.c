/*
 * guard_search.c - finds what lies near to a figure among those released.
 *
 * Two figures that differ for fewer than k subjects agree in all but k - 1
 * cells of a row of their sketches; so an index of cells, and of quotients of
 * neighbours, as a factor may be between the two, finds every figure that may
 * be near, and few others.  A figure with few cells is compared with all.
 *
 * Memory: the index lives in the store's context.  Failure: out of memory.
 */
#include "postgres.h"

#include "anonymity/guard_store.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Most factors that are tried between two figures. */
#define MAX_FACTORS 8

/* Adds a key to the index. */
static void
index_key(TwpGuardStore *store, uint64 key, uint32 figure)
{
	uint32		at;

	if (2 * (store->nused + 1) > store->nslots)
	{
		TwpGuardSlot	   *old = store->slots;
		uint32		nold = store->nslots;
		uint32		nslots = Max(1024, 2 * nold);

		store->slots = MemoryContextAllocExtended(store->context, nslots * sizeof(TwpGuardSlot),
												  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		store->nslots = nslots;
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

/* Adds the keys of quotients of two cells, which a factor does not change; gives how many. */
static int
add_quotients(const uint64 *cells, int columns, uint32 tag, int place, uint64 *keys, int *nkeys)
{
	int			before = *nkeys;

	for (int i = 0; i < columns; i += 2)
		if (cells[i] != 0 && cells[i + 1] != 0)
			keys[(*nkeys)++] = make_key(tag, place + i, twp_guard_multiply(cells[i], twp_guard_inverse(cells[i + 1])));
	return *nkeys - before;
}

/*
 * Works out a figure's keys: of the exact sketch its cells that are not zero
 * and their quotients, of identities the quotients.  There are 2 * columns at
 * most.  Gives how many there are of the kind of which there are the fewest.
 */
static int
make_keys(const TwpGuardFigure *figure, int columns, uint64 *keys, int *nkeys)
{
	uint64	   *cells = palloc(columns * sizeof(uint64));
	int			fewest;

	*nkeys = 0;
	twp_guard_fold(figure->exact, figure->columns, cells, columns);
	for (int i = 0; i < columns; i++)
		if (cells[i] != 0)
			keys[(*nkeys)++] = make_key(0, i, cells[i]);
	fewest = add_quotients(cells, columns, 0, columns, keys, nkeys);
	if (figure->tag != 0)
	{
		int			own;

		twp_guard_fold(figure->identity, figure->columns, cells, columns);
		own = add_quotients(cells, columns, figure->tag, 0, keys, nkeys);
		fewest = Min(fewest, own);
	}
	pfree(cells);
	return fewest;
}

/* Puts a figure into the index. */
static void
index_figure(TwpGuardStore *store, uint32 number)
{
	const TwpGuardFigure *figure = &store->figures[number];
	uint64	   *keys = palloc(2 * store->key_columns * sizeof(uint64));
	int			nkeys;

	if (figure->columns < store->key_columns)
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
	{
		/* again after an error in the middle of it: keys that are there twice do no harm */
		index_figure(store, store->nindexed);
		store->nindexed++;
	}
}

/* How far two sketches are from each other, or one from a multiple of the other. */
static int
distance(const uint64 *a, int a_columns, const uint64 *b, int b_columns, int k)
{
	int			columns = Min(a_columns, b_columns);
	int			best = twp_guard_distance(a, a_columns, b, b_columns, 1, k);
	uint64	   *x = palloc(2 * columns * sizeof(uint64));
	uint64	   *y = x + columns;
	int			last = -1;

	twp_guard_fold(a, a_columns, x, columns);
	twp_guard_fold(b, b_columns, y, columns);
	for (int i = 0, tries = 0; i < columns && best > 0 && tries < MAX_FACTORS; i++)
	{
		if (x[i] == 0 || y[i] == 0)
			continue;
		/* where the quotients agree, the factor between the two is told by either */
		if (last >= 0 && x[i] != y[i] && twp_guard_multiply(x[i], y[last]) == twp_guard_multiply(x[last], y[i]))
		{
			best = Min(best, twp_guard_distance(a, a_columns, b, b_columns,
												twp_guard_multiply(x[i], twp_guard_inverse(y[i])), k));
			tries++;
		}
		last = i;
	}
	pfree(x);
	return best;
}

/* Says how far two figures are from each other; *same: the very same, up to a factor. */
static int
compare(const TwpGuardFigure *a, const TwpGuardFigure *b, int k, bool *same)
{
	bool		by_rows = a->tag == b->tag && a->tag != 0;
	int			best = by_rows ? distance(a->identity, a->columns, b->identity, b->columns, k) :
		distance(a->exact, a->columns, b->exact, b->columns, k);

	*same = best == 0 && a->tag == b->tag;
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
	CHECK_FOR_INTERRUPTS();
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

	if (search->figure->columns < store->key_columns ||
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

	build_index(store, twp_guard_columns(k, true));
	search_near(&search);
	if (search.same)
		return true;
	if (search.near)
		return false;
	twp_guard_add_figure(store, figure);
	return true;
}

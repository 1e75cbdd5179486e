/*
 * lattice.c - global recoding: one level of each hierarchy for the whole table.
 *
 * Glossary.  Node: a vector of levels.  Suppressed: rows of classes that the
 * model refuses; they are left out of the release, at most a share of them.
 *
 * The search is exhaustive and exact: nodes are looked at in the order of
 * their entropy loss, which needs no look at the rows and never overstates
 * the loss of the two entropy metrics, so for these the search ends at the
 * first node whose bound is no better than the best found.  For the others a
 * node above one that was good enough is skipped, as its loss is no smaller.
 *
 * Where what a node lacks all nodes below it lack too, failures are told in
 * advance: along a path to the top, the highest failing node is found by
 * bisection, and all below it are failures.
 *
 * Memory: the distinct rows, and 8 bytes a node and column.
 */
#include "postgres.h"

#include "anonymity/lattice_internal.h"
#include "base/errors.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <math.h>

#define MAX_NODES 2000000

/* Orders nodes by bound, then by number, so that the result is always the same. */
static int
compare_nodes(const void *a, const void *b)
{
	const TwpNode *left = a;
	const TwpNode *right = b;

	if (left->bound != right->bound)
		return left->bound < right->bound ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

/* Lists all nodes in the order of their bound. */
static TwpNode *
list_nodes(const TwpSearch *search, uint32 *n)
{
	double		count = 1;
	int		   *levels = palloc(search->ds->nquasi * sizeof(int));
	TwpNode *nodes;

	for (int i = 0; i < search->ds->nquasi; i++)
		count *= search->nlevels[i];
	if (count > MAX_NODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the lattice has %.0f nodes", count),
				 errhint("At most %d are searched: use fewer or flatter hierarchies, or method mondrian.", MAX_NODES)));
	*n = (uint32) count;
	nodes = MemoryContextAllocHuge(CurrentMemoryContext, *n * sizeof(TwpNode));
	for (uint32 number = 0; number < *n; number++)
	{
		nodes[number] = (TwpNode)
		{
			0, number
		};
		twp_anonymity_lattice_levels(search, number, levels);
		for (int i = 0; i < search->ds->nquasi; i++)
			nodes[number].bound += search->losses[i][levels[i]];
	}
	qsort(nodes, *n, sizeof(TwpNode), compare_nodes);
	return nodes;
}

/* Notes that a node fails, and so do all below it. */
static void
mark_failed(TwpSearch *search, uint32 number)
{
	int			levels[TWP_MAX_QUASI];

	if (search->failed[number])
		return;
	search->failed[number] = true;
	twp_anonymity_lattice_levels(search, number, levels);
	for (int i = 0; i < search->ds->nquasi; i++)
		if (levels[i] > 0)
			mark_failed(search, number - search->strides[i]);
}

/* Looks for failures on a path from a node to the top, so that they need not be looked at one by one. */
static void
predict_failures(TwpSearch *search, uint32 number, int64 *examined)
{
	uint32		path[TWP_MAX_QUASI * 32];
	int			levels[TWP_MAX_QUASI];
	int			low = -1;		/* highest place known to fail */
	int			high = 0;

	twp_anonymity_lattice_levels(search, number, levels);
	for (int step = 0;; step++)
	{
		int			column = step % search->ds->nquasi;
		bool		top = true;

		for (int i = 0; i < search->ds->nquasi; i++)
			top &= levels[i] == search->nlevels[i] - 1;
		if (top)
			break;
		if (levels[column] == search->nlevels[column] - 1)
			continue;
		levels[column]++;
		number += search->strides[column];
		path[high++] = number;
	}
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		twp_anonymity_lattice_levels(search, path[middle], levels);
		twp_anonymity_lattice_group(search, levels);
		(*examined)++;
		if (twp_anonymity_lattice_judge(search) < 0)
			low = middle;
		else
			high = middle;
	}
	if (low >= 0)
		mark_failed(search, path[low]);
}

/* True when a node generalises the best one in every column. */
static bool
is_above(const TwpSearch *search, const int *levels, const int *best)
{
	for (int i = 0; i < search->ds->nquasi; i++)
		if (levels[i] < best[i])
			return false;
	return true;
}

/* Looks for the node with the least loss. */
static void
search_lattice(TwpSearch *search, TwpRecoding *recoding)
{
	bool		entropy = search->metric == TWP_METRIC_ENTROPY || search->metric == TWP_METRIC_ENTROPY_MONOTONIC;
	int		   *levels = palloc(search->ds->nquasi * sizeof(int));
	uint32		n;
	TwpNode *nodes = list_nodes(search, &n);

	search->failed = MemoryContextAllocExtended(CurrentMemoryContext, n * sizeof(bool), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < n; i++)
	{
		int64		suppressed;
		double		loss;

		if (entropy && recoding->found && nodes[i].bound >= recoding->loss)
			break;
		twp_anonymity_lattice_levels(search, nodes[i].number, levels);
		/* suppression aside, more general is no better */
		if (!entropy && recoding->found && search->metric == TWP_METRIC_DISCERNIBILITY &&
			is_above(search, levels, recoding->levels))
			continue;
		CHECK_FOR_INTERRUPTS();
		if (search->monotonic && !search->failed[nodes[i].number])
			predict_failures(search, nodes[i].number, &recoding->examined);
		if (search->failed[nodes[i].number])
			continue;
		recoding->examined++;
		twp_anonymity_lattice_group(search, levels);
		suppressed = twp_anonymity_lattice_judge(search);
		if (suppressed < 0)
			continue;
		loss = twp_anonymity_lattice_loss(search, nodes[i].bound, suppressed);
		if (recoding->found && loss >= recoding->loss)
			continue;
		recoding->found = true;
		recoding->loss = loss;
		recoding->suppressed = suppressed;
		memcpy(recoding->levels, levels, search->ds->nquasi * sizeof(int));
	}
}

/* Class of a row at the node that was grouped last. */
static int32
find_class(const TwpSearch *search, const int32 *row)
{
	size_t		len = search->ds->nquasi * sizeof(int32);
	uint32		at = hash_bytes((const unsigned char *) row, (int) len) & search->mask;

	while (memcmp(search->codes + (int64) search->classes[search->slots[at] - 1].first * search->ds->nquasi,
				  row, len) != 0)
		at = (at + 1) & search->mask;
	return search->slots[at] - 1;
}

/* Recodes the rows, and moves them so that the kept classes are runs; the others go. */
static TwpClasses *
keep_rows(TwpSearch *search, TwpRecoding *recoding)
{
	TwpDataset *ds = search->ds;
	TwpClasses *kept = palloc(sizeof(TwpClasses));
	int64	   *at;
	int32	   *moved;
	int64		rows = 0;
	bool		first = true;

	twp_anonymity_lattice_group(search, recoding->levels);
	(void) twp_anonymity_lattice_judge(search);
	at = MemoryContextAllocHuge(CurrentMemoryContext, Max(search->nclasses, 1) * sizeof(int64));
	kept->n = 0;
	kept->starts = MemoryContextAllocHuge(CurrentMemoryContext, (search->nclasses + 1) * sizeof(int64));
	for (int32 n = 0; n < search->nclasses; n++)
	{
		if (!search->classes[n].kept)
			continue;
		recoding->population_k = first ? search->classes[n].population :
			Min(recoding->population_k, search->classes[n].population);
		first = false;
		kept->starts[kept->n++] = at[n] = rows;
		rows += search->classes[n].rows;
	}
	kept->starts[kept->n] = rows;
	moved = MemoryContextAllocHuge(ds->context, Max(rows, 1) * ds->width * sizeof(int32));
	for (int64 n = 0; n < ds->nrows; n++)
	{
		int32	   *row = TWP_ROW(ds, n);
		int32		class;

		if (ds->origin >= 0 && row[ds->origin] == 0)
			continue;
		for (int i = 0; i < ds->nquasi; i++)
			row[i] = twp_anonymity_lattice_generalise(&ds->attributes[i], recoding->levels[i], row[i]);
		class = find_class(search, row);
		if (search->classes[class].kept)
			memcpy(moved + at[class]++ * ds->width, row, ds->width * sizeof(int32));
	}
	pfree(ds->rows);
	ds->rows = moved;
	ds->nrows = rows;
	return kept;
}

/* Chooses the levels and recodes the dataset with them. */
TwpRecoding *
twp_anonymity_recode(TwpDataset *ds, const TwpModel *model, TwpMetric metric, double suppression,
					 TwpClasses **classes)
{
	TwpSearch		search = {.ds = ds,.model = model,.metric = metric};
	TwpRecoding *recoding = palloc0(sizeof(TwpRecoding));

	recoding->levels = palloc0(ds->nquasi * sizeof(int));
	twp_anonymity_lattice_start(&search);
	search.limit = (int64) floor(suppression * (double) search.rows + 1e-9);
	search.monotonic = search.limit == 0 ||
		(model->t < 0 && model->average_risk < 0 && (model->l == 0 || model->diversity == TWP_DIVERSITY_DISTINCT));
	search_lattice(&search, recoding);
	if (recoding->found)
		*classes = keep_rows(&search, recoding);
	return recoding;
}

/*
 * node.c - one node of the lattice: its classes, whether it will do, its loss.
 *
 * Equal rows are merged once; a node then costs one pass over what is left.
 * The metrics are those of ARX (Prasser and others), so its published optima
 * can be compared.
 */
#include "postgres.h"

#include "anonymity/lattice_internal.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <math.h>

/* Orders base classes by subject, so that a subject's rows come together. */
static int
compare_subjects(const void *a, const void *b, void *arg)
{
	const TwpDataset *ds = arg;
	int32		left = TWP_ROW(ds, ((const TwpBaseClass *) a)->row)[ds->subject];
	int32		right = TWP_ROW(ds, ((const TwpBaseClass *) b)->row)[ds->subject];

	return left < right ? -1 : left > right;
}

/* Merges equal rows. */
static void
merge_rows(TwpSearch *search)
{
	TwpDataset *ds = search->ds;
	/* a key that is one row a subject is not worth keeping apart */
	int			key = ds->nquasi + (ds->sensitive >= 0 ? 1 : 0) + (ds->repeated ? 1 : 0);
	size_t		len = key * sizeof(int32);
	uint64		size = 1024;
	int64	   *slots;

	while (size < (uint64) ds->nrows * 2)
		size *= 2;
	slots = MemoryContextAllocExtended(CurrentMemoryContext, size * sizeof(int64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	search->base = MemoryContextAllocHuge(CurrentMemoryContext, Max(ds->nrows, 1) * sizeof(TwpBaseClass));
	for (int64 row = 0; row < ds->nrows; row++)
	{
		const int32 *codes = TWP_ROW(ds, row);
		uint64		at = hash_bytes((const unsigned char *) codes, (int) len) & (size - 1);
		bool		own = ds->origin < 0 || codes[ds->origin] == 1;

		while (slots[at] != 0 && memcmp(TWP_ROW(ds, search->base[slots[at] - 1].row), codes, len) != 0)
			at = (at + 1) & (size - 1);
		if (slots[at] == 0)
		{
			search->base[search->nbase] = (TwpBaseClass)
			{
				.row = row
			};
			slots[at] = ++search->nbase;
		}
		search->base[slots[at] - 1].rows += own;
		search->base[slots[at] - 1].population += ds->origin < 0 || !own;
		search->rows += own;
		if ((row & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
	}
	pfree(slots);
}

/* Entropy that each column loses at each of its levels. */
static void
find_losses(TwpSearch *search)
{
	TwpDataset *ds = search->ds;

	search->nlevels = palloc(ds->nquasi * sizeof(int));
	search->strides = palloc(ds->nquasi * sizeof(uint32));
	search->losses = palloc(ds->nquasi * sizeof(double *));
	for (int i = 0; i < ds->nquasi; i++)
	{
		TwpAttribute *attribute = &ds->attributes[i];
		double	   *base = palloc0(Max(attribute->nvalues, 1) * sizeof(double));
		double	   *wide = palloc(Max(attribute->nvalues, 1) * sizeof(double));

		search->strides[i] = i == 0 ? 1 : search->strides[i - 1] * search->nlevels[i - 1];
		search->nlevels[i] = attribute->hierarchy != NULL ? attribute->hierarchy->nlevels : 2;
		search->losses[i] = palloc0(search->nlevels[i] * sizeof(double));
		for (int64 n = 0; n < search->nbase; n++)
			base[TWP_ROW(ds, search->base[n].row)[i]] += (double) search->base[n].rows;
		for (int level = 1; level < search->nlevels[i]; level++)
		{
			memset(wide, 0, Max(attribute->nvalues, 1) * sizeof(double));
			for (int code = 0; code < attribute->nvalues; code++)
				wide[twp_anonymity_lattice_generalise(attribute, level, code)] += base[code];
			for (int code = 0; code < attribute->nvalues; code++)
				if (base[code] > 0)
					search->losses[i][level] -= base[code] *
						log2(base[code] / wide[twp_anonymity_lattice_generalise(attribute, level, code)]);
		}
	}
}

/* Reads a node's levels. */
void
twp_anonymity_lattice_levels(const TwpSearch *search, uint32 number, int *levels)
{
	for (int i = 0; i < search->ds->nquasi; i++)
	{
		levels[i] = number % search->nlevels[i];
		number /= search->nlevels[i];
	}
}

/* Groups the base classes as a node generalises them. */
void
twp_anonymity_lattice_group(TwpSearch *search, const int *levels)
{
	TwpDataset *ds = search->ds;
	size_t		len = ds->nquasi * sizeof(int32);
	int32		subject = 0;

	memset(search->slots, 0, ((Size) search->mask + 1) * sizeof(int32));
	search->nclasses = 0;
	for (int64 n = 0; n < search->nbase; n++)
	{
		const int32 *row = TWP_ROW(ds, search->base[n].row);
		int32	   *codes = search->codes + n * ds->nquasi;
		TwpWideClass  *class;
		uint32		at;

		for (int i = 0; i < ds->nquasi; i++)
			codes[i] = twp_anonymity_lattice_generalise(&ds->attributes[i], levels[i], row[i]);
		at = hash_bytes((const unsigned char *) codes, (int) len) & search->mask;
		while (search->slots[at] != 0 &&
			   memcmp(search->codes + (int64) search->classes[search->slots[at] - 1].first * ds->nquasi, codes, len) != 0)
			at = (at + 1) & search->mask;
		if (search->slots[at] == 0)
		{
			search->classes[search->nclasses] = (TwpWideClass)
			{
				.first = (int32) n,.last_subject = -1
			};
			search->slots[at] = ++search->nclasses;
		}
		search->class_of[n] = search->slots[at] - 1;
		class = &search->classes[search->class_of[n]];
		class->rows += search->base[n].rows;
		class->population += search->base[n].population;
		if (ds->repeated)
		{
			subject = row[ds->subject];
			if (subject != class->last_subject && subject != ds->attributes[ds->subject].null_code)
				class->subjects++;
			class->last_subject = subject;
		}
		else
			class->subjects += search->base[n].rows;
	}
}

/* Counts the sensitive values of all classes. */
static void
count_sensitive(TwpSearch *search)
{
	int			nvalues = search->sensitive->nvalues;
	int64		size = (int64) search->nclasses * nvalues;

	if (size > search->counts_size)
	{
		if (search->counts != NULL)
			pfree(search->counts);
		search->counts = MemoryContextAllocHuge(CurrentMemoryContext, size * sizeof(int64));
		search->counts_size = size;
	}
	memset(search->counts, 0, size * sizeof(int64));
	for (int64 n = 0; n < search->nbase; n++)
		search->counts[(int64) search->class_of[n] * nvalues +
					   TWP_ROW(search->ds, search->base[n].row)[search->ds->sensitive]] += search->base[n].rows;
}

/* Says whether the model accepts a class. */
static bool
class_fulfils(const TwpSearch *search, int32 n)
{
	const TwpWideClass *class = &search->classes[n];
	TwpClassFigures figures = {
		.rows = class->rows,.subjects = class->subjects,
		.hidden_among = search->ds->origin >= 0 ? class->population : class->subjects,
	};

	if (search->counts != NULL)
		twp_anonymity_weigh_counts(search->sensitive, search->model,
								   search->counts + (int64) n * search->sensitive->nvalues, class->rows, &figures);
	return twp_anonymity_fulfils(search->model, &figures);
}

/* Orders classes by size, then as they were found, so that the result is always the same. */
static int
compare_sizes(const void *a, const void *b, void *arg)
{
	const TwpSearch *search = arg;
	int32		left = *(const int32 *) a;
	int32		right = *(const int32 *) b;

	if (search->classes[left].rows != search->classes[right].rows)
		return search->classes[left].rows < search->classes[right].rows ? -1 : 1;
	return left < right ? -1 : left > right;
}

/* Gives up the smallest classes until the average risk is low enough; counts their rows. */
static int64
suppress_for_average(TwpSearch *search, int64 suppressed)
{
	int32	   *order = palloc(Max(search->nclasses, 1) * sizeof(int32));
	int64		kept = 0;
	int64		rows = search->rows - suppressed;

	for (int32 n = 0; n < search->nclasses; n++)
		if (search->classes[n].kept)
			order[kept++] = n;
	qsort_arg(order, kept, sizeof(int32), compare_sizes, search);
	for (int32 *next = order; kept > 0 && (double) kept > search->model->average_risk * (double) rows; next++)
	{
		search->classes[*next].kept = false;
		suppressed += search->classes[*next].rows;
		rows -= search->classes[*next].rows;
		kept--;
	}
	pfree(order);
	return suppressed;
}

/* Judges a node that was grouped: how many rows it suppresses, or -1 when too many. */
int64
twp_anonymity_lattice_judge(TwpSearch *search)
{
	int64		suppressed = 0;

	if (search->ds->sensitive >= 0 && (search->model->l > 0 || search->model->t >= 0))
		count_sensitive(search);
	for (int32 n = 0; n < search->nclasses; n++)
	{
		TwpWideClass  *class = &search->classes[n];

		class->kept = class->rows > 0 && class_fulfils(search, n);
		if (!class->kept)
			suppressed += class->rows;
		if (suppressed > search->limit)
			return -1;
	}
	if (search->model->average_risk >= 0)
		suppressed = suppress_for_average(search, suppressed);
	return suppressed > search->limit ? -1 : suppressed;
}

/* Adds what suppression loses: the entropy of the suppressed rows' labels. */
static double
suppression_loss(const TwpSearch *search, int64 suppressed)
{
	double		loss = 0;

	for (int i = 0; suppressed > 0 && i < search->ds->nquasi; i++)
	{
		TwpAttribute *attribute = &search->ds->attributes[i];
		int64	   *counts = palloc0(Max(attribute->nvalues, 1) * sizeof(int64));

		for (int32 n = 0; n < search->nclasses; n++)
			if (!search->classes[n].kept)
				counts[search->codes[(int64) search->classes[n].first * search->ds->nquasi + i]] +=
					search->classes[n].rows;
		for (int code = 0; code < attribute->nvalues; code++)
			if (counts[code] > 0)
				loss -= (double) counts[code] * log2((double) counts[code] / (double) suppressed);
		pfree(counts);
	}
	return loss;
}

/* Loss of a node that was judged. */
double
twp_anonymity_lattice_loss(const TwpSearch *search, double bound, int64 suppressed)
{
	double		squares = 0;
	int64		groups = 0;
	bool		dropped = false;

	switch (search->metric)
	{
		case TWP_METRIC_ENTROPY:
			return bound + suppression_loss(search, suppressed);
		case TWP_METRIC_ENTROPY_MONOTONIC:
			return bound;
		case TWP_METRIC_DISCERNIBILITY:
			for (int32 n = 0; n < search->nclasses; n++)
				squares += (double) search->classes[n].rows * (double) search->classes[n].rows;
			return squares;
		case TWP_METRIC_AVERAGE_CLASS:
			for (int32 n = 0; n < search->nclasses; n++)
			{
				groups += search->classes[n].kept;
				dropped |= !search->classes[n].kept && search->classes[n].rows > 0;
			}
			return (double) search->rows / (double) Max(groups + dropped, 1);
	}
	pg_unreachable();
}

/* Prepares a search. */
void
twp_anonymity_lattice_start(TwpSearch *search)
{
	TwpDataset *ds = search->ds;
	uint64		size = 1024;

	search->sensitive = twp_anonymity_sensitive(ds);
	merge_rows(search);
	if (ds->repeated)
		qsort_arg(search->base, search->nbase, sizeof(TwpBaseClass), compare_subjects, ds);
	find_losses(search);
	while (size < (uint64) search->nbase * 2)
		size *= 2;
	search->mask = (uint32) size - 1;
	search->slots = MemoryContextAllocHuge(CurrentMemoryContext, size * sizeof(int32));
	search->codes = MemoryContextAllocHuge(CurrentMemoryContext, Max(search->nbase, 1) * ds->nquasi * sizeof(int32));
	search->class_of = MemoryContextAllocHuge(CurrentMemoryContext, Max(search->nbase, 1) * sizeof(int32));
	search->classes = MemoryContextAllocHuge(CurrentMemoryContext, Max(search->nbase, 1) * sizeof(TwpWideClass));
}


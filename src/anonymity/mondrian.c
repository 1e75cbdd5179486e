/*
 * mondrian.c - multidimensional recoding: cut the rows in two, again and again.
 *
 * LeFevre, DeWitt and Ramakrishnan, "Mondrian Multidimensional K-Anonymity"
 * (2006), with three differences: a class's bounds are those of its rows, not
 * those of the cuts; when the median cut leaves a side that the model refuses,
 * the nearest cut that it accepts is taken; a column with a hierarchy is cut
 * only between the children of the node that holds the rows.
 *
 * Rows are moved, so that every part is a run of them: the work is sequential
 * in memory.  A part is looked at once, then cut or left as a class.
 */
#include "postgres.h"

#include "anonymity/anonymity_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* How many cuts of one column are tried when the model asks for more than k rows. */
#define MAX_TRIALS 8

typedef struct Part
{
	int64		from;
	int64		to;
} Part;

typedef struct Cutter
{
	TwpDataset *ds;
	const TwpModel *model;
	TwpSensitive *sensitive;
	bool		counting_rows;	/* the model is k rows a class and nothing else */
	double	   *spans;			/* [quasi-identifier] of the whole table */
	int32	   *low;			/* bounds of the part at hand */
	int32	   *high;
	int32	   *histogram;		/* all zero between uses */
	int32	   *sorted;			/* codes of a small part */
	int			sorted_size;
	Part	   *stack;
	int			depth;
	int			capacity;
} Cutter;

/* A cut: rows whose code is at most `code` go left. */
typedef struct Cut
{
	int32		code;
	int64		left;			/* rows on the left */
} Cut;

/* Width of a range of codes. */
static double
span(const TwpAttribute *attribute, int32 low, int32 high)
{
	if (low == high)
		return 0;
	if (attribute->hierarchy != NULL)
	{
		const TwpHierarchy *h = attribute->hierarchy;
		int			level = twp_anonymity_common_level(h, low, high);

		return level < h->nlevels ? h->leaves[level][h->nodes[level][low]] : h->nvalues;
	}
	if (attribute->numbers != NULL)
		return attribute->numbers[high] - attribute->numbers[low];
	return high - low;
}

/* Finds the bounds of a part. */
static void
find_bounds(Cutter *cutter, const Part *part)
{
	TwpDataset *ds = cutter->ds;
	int			nquasi = ds->nquasi;
	int32	   *low = cutter->low;
	int32	   *high = cutter->high;

	memcpy(low, TWP_ROW(ds, part->from), nquasi * sizeof(int32));
	memcpy(high, low, nquasi * sizeof(int32));
	for (int64 n = part->from + 1; n < part->to; n++)
	{
		const int32 *row = TWP_ROW(ds, n);

		for (int i = 0; i < nquasi; i++)
		{
			low[i] = Min(low[i], row[i]);
			high[i] = Max(high[i], row[i]);
		}
	}
}

/* Says whether a column may be cut behind a code. */
static inline bool
may_cut(const TwpHierarchy *h, int level, int32 code, int32 next)
{
	return h == NULL || level == 0 || h->nodes[level - 1][code] != h->nodes[level - 1][next];
}

/* Orders integers. */
static int
compare_int32(const void *a, const void *b)
{
	int32		left = *(const int32 *) a;
	int32		right = *(const int32 *) b;

	return left < right ? -1 : left > right;
}

/*
 * Keeps the cuts nearest to the median: cuts are seen from left to right, so
 * the best ones are a window that moves until it gets worse.
 */
static void
offer_cut(Cut *cuts, int *n, int max, Cut cut, int64 rows)
{
	int64		distance = llabs(2 * cut.left - rows);

	if (*n == max && distance >= llabs(2 * cuts[max - 1].left - rows))
		return;
	if (*n < max)
		(*n)++;
	for (int i = *n - 1;; i--)
		if (i == 0 || llabs(2 * cuts[i - 1].left - rows) <= distance)
		{
			cuts[i] = cut;
			break;
		}
		else
			cuts[i] = cuts[i - 1];
}

/* Lists the best cuts of a column, nearest to the median first; both sides have k rows. */
static int
find_cuts(Cutter *cutter, const Part *part, int column, Cut *cuts, int max)
{
	TwpDataset *ds = cutter->ds;
	const TwpHierarchy *h = ds->attributes[column].hierarchy;
	int32		low = cutter->low[column];
	int32		high = cutter->high[column];
	int			level = h != NULL ? twp_anonymity_common_level(h, low, high) : 0;
	int64		rows = part->to - part->from;
	int64		k = cutter->model->k;
	int64		left = 0;
	int			n = 0;

	if ((int64) high - low > rows * 4 && rows <= cutter->sorted_size)
	{
		for (int64 i = 0; i < rows; i++)
			cutter->sorted[i] = TWP_ROW(ds, part->from + i)[column];
		qsort(cutter->sorted, rows, sizeof(int32), compare_int32);
		for (int64 i = k; i <= rows - k; i++)
			if (cutter->sorted[i - 1] != cutter->sorted[i] &&
				may_cut(h, level, cutter->sorted[i - 1], cutter->sorted[i]))
				offer_cut(cuts, &n, max, (Cut)
		{
			cutter->sorted[i - 1], i
		}, rows);
		return n;
	}
	for (int64 i = part->from; i < part->to; i++)
		cutter->histogram[TWP_ROW(ds, i)[column]]++;
	for (int32 code = low; code < high; code++)
	{
		if (cutter->histogram[code] == 0)
			continue;
		left += cutter->histogram[code];
		cutter->histogram[code] = 0;
		if (left >= k && rows - left >= k)
		{
			int32		next = code + 1;

			while (cutter->histogram[next] == 0)
				next++;
			if (may_cut(h, level, code, next))
				offer_cut(cuts, &n, max, (Cut)
			{
				code, left
			}, rows);
		}
	}
	cutter->histogram[high] = 0;
	return n;
}

/* Moves the rows of a part to their side. */
static void
move_rows(TwpDataset *ds, const Part *part, int column, int32 code)
{
	int64		i = part->from;
	int64		j = part->to - 1;

	while (i <= j)
	{
		int32	   *left = TWP_ROW(ds, i);
		int32	   *right = TWP_ROW(ds, j);

		if (left[column] <= code)
			i++;
		else if (right[column] > code)
			j--;
		else
		{
			for (int n = 0; n < ds->width; n++)
			{
				int32		code_moved = left[n];

				left[n] = right[n];
				right[n] = code_moved;
			}
			i++;
			j--;
		}
	}
}

/* Says whether the model accepts a run of rows as a class. */
static bool
accepts(Cutter *cutter, int64 from, int64 to)
{
	TwpClassFigures figures;

	twp_anonymity_weigh(cutter->ds, cutter->sensitive, cutter->model, from, to, &figures);
	return twp_anonymity_fulfils(cutter->model, &figures);
}

/* Adds a part to be looked at. */
static void
push_part(Cutter *cutter, int64 from, int64 to)
{
	if (cutter->depth == cutter->capacity)
	{
		cutter->capacity *= 2;
		cutter->stack = repalloc_huge(cutter->stack, cutter->capacity * sizeof(Part));
	}
	cutter->stack[cutter->depth++] = (Part)
	{
		from, to
	};
}

/* Cuts a part along one column, if the model lets it. */
static bool
cut_column(Cutter *cutter, const Part *part, int column)
{
	Cut			cuts[MAX_TRIALS];
	int			n = find_cuts(cutter, part, column, cuts, cutter->counting_rows ? 1 : MAX_TRIALS);

	for (int i = 0; i < n; i++)
	{
		int64		middle = part->from + cuts[i].left;

		move_rows(cutter->ds, part, column, cuts[i].code);
		if (!cutter->counting_rows && (!accepts(cutter, part->from, middle) || !accepts(cutter, middle, part->to)))
			continue;
		push_part(cutter, middle, part->to);
		push_part(cutter, part->from, middle);
		return true;
	}
	return false;
}

/* Cuts a part along the widest column that can be cut. */
static bool
cut_part(Cutter *cutter, const Part *part)
{
	TwpDataset *ds = cutter->ds;
	double		widths[TWP_MAX_QUASI];

	if (part->to - part->from < 2 * (int64) cutter->model->k)
		return false;
	find_bounds(cutter, part);
	for (int i = 0; i < ds->nquasi; i++)
		widths[i] = cutter->low[i] == cutter->high[i] ? -1 : cutter->spans[i] <= 0 ? 0 :
			span(&ds->attributes[i], cutter->low[i], cutter->high[i]) / cutter->spans[i];
	for (;;)
	{
		int			widest = 0;

		for (int i = 1; i < ds->nquasi; i++)
			if (widths[i] > widths[widest])
				widest = i;
		if (widths[widest] < 0)
			return false;
		if (cut_column(cutter, part, widest))
			return true;
		widths[widest] = -1;
	}
}

/* Prepares to cut a dataset. */
static void
start_cutting(Cutter *cutter, TwpDataset *ds, const TwpModel *model)
{
	int			widest = 1;

	memset(cutter, 0, sizeof(*cutter));
	cutter->ds = ds;
	cutter->model = model;
	cutter->sensitive = twp_anonymity_sensitive(ds);
	cutter->counting_rows = model->l == 0 && model->t < 0 && !ds->repeated;
	cutter->spans = palloc(ds->nquasi * sizeof(double));
	cutter->low = palloc(ds->nquasi * sizeof(int32));
	cutter->high = palloc(ds->nquasi * sizeof(int32));
	for (int i = 0; i < ds->nquasi; i++)
	{
		widest = Max(widest, ds->attributes[i].nvalues);
		cutter->spans[i] = ds->attributes[i].nvalues > 0 ?
			span(&ds->attributes[i], 0, ds->attributes[i].nvalues - 1) : 0;
	}
	cutter->histogram = MemoryContextAllocExtended(CurrentMemoryContext, widest * sizeof(int32),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	cutter->sorted_size = widest / 4 + 1;
	cutter->sorted = palloc(cutter->sorted_size * sizeof(int32));
	cutter->capacity = 64;
	cutter->stack = palloc(cutter->capacity * sizeof(Part));
}

/* Cuts the rows into classes; no class at all when the whole table is not what the model demands. */
TwpClasses *
twp_anonymity_mondrian(TwpDataset *ds, const TwpModel *model)
{
	TwpClasses *classes = palloc(sizeof(TwpClasses));
	int64		capacity = 1024;
	Cutter		cutter;

	start_cutting(&cutter, ds, model);
	classes->n = 0;
	classes->starts = palloc(capacity * sizeof(int64));
	classes->starts[0] = 0;
	if (ds->nrows == 0 || !accepts(&cutter, 0, ds->nrows))
		return classes;
	push_part(&cutter, 0, ds->nrows);
	while (cutter.depth > 0)
	{
		Part		part = cutter.stack[--cutter.depth];

		CHECK_FOR_INTERRUPTS();
		if (cut_part(&cutter, &part))
			continue;
		if (classes->n + 2 > capacity)
		{
			capacity *= 2;
			classes->starts = repalloc_huge(classes->starts, capacity * sizeof(int64));
		}
		/* the left side is always looked at first, so classes come in the rows' order */
		classes->starts[++classes->n] = part.to;
	}
	return classes;
}

/*
 * classes.c - equivalence classes and the figures of risk.
 *
 * Glossary.  k: the least number of data subjects in a class.  l: how many
 * sensitive values a class has (distinct), how many equally likely ones its
 * entropy is worth (entropy), or the largest l with r_1 < c (r_l + ... + r_m)
 * for its counts in falling order (recursive).  t: the largest earth mover's
 * distance between the sensitive values of a class and of the table.
 *
 * Pure computation over a dataset; memory is the caller's.
 */
#include "postgres.h"

#include "anonymity/anonymity_internal.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <math.h>

/* Numbers the class of every row by its quasi-identifiers; gives the number of classes. */
static int64
number_classes(const TwpDataset *ds, int32 *class_of)
{
	size_t		len = ds->nquasi * sizeof(int32);
	uint64		size = 1024;
	int64	   *slots;			/* row that stands for the class + 1 */
	int64		n = 0;

	while (size < (uint64) ds->nrows * 2)
		size *= 2;
	slots = MemoryContextAllocExtended(CurrentMemoryContext, size * sizeof(int64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 row = 0; row < ds->nrows; row++)
	{
		const int32 *codes = TWP_ROW(ds, row);
		uint64		at = hash_bytes((const unsigned char *) codes, (int) len) & (size - 1);

		while (slots[at] != 0 && memcmp(TWP_ROW(ds, slots[at] - 1), codes, len) != 0)
			at = (at + 1) & (size - 1);
		if (slots[at] == 0)
		{
			slots[at] = row + 1;
			class_of[row] = (int32) n++;
		}
		else
			class_of[row] = class_of[slots[at] - 1];
		if ((row & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
	}
	pfree(slots);
	return n;
}

/* Moves the rows so that each class is a run. */
TwpClasses *
twp_anonymity_group(TwpDataset *ds)
{
	TwpClasses *classes = palloc(sizeof(TwpClasses));
	int32	   *class_of = MemoryContextAllocHuge(CurrentMemoryContext, Max(ds->nrows, 1) * sizeof(int32));
	int32	   *moved = MemoryContextAllocHuge(ds->context, Max(ds->nrows, 1) * ds->width * sizeof(int32));
	int64	   *at;

	classes->n = number_classes(ds, class_of);
	classes->starts = MemoryContextAllocHuge(CurrentMemoryContext, (classes->n + 1) * sizeof(int64));
	at = MemoryContextAllocHuge(CurrentMemoryContext, (classes->n + 1) * sizeof(int64));
	memset(classes->starts, 0, (classes->n + 1) * sizeof(int64));
	for (int64 row = 0; row < ds->nrows; row++)
		classes->starts[class_of[row] + 1]++;
	for (int64 n = 0; n < classes->n; n++)
		classes->starts[n + 1] += classes->starts[n];
	memcpy(at, classes->starts, (classes->n + 1) * sizeof(int64));
	for (int64 row = 0; row < ds->nrows; row++)
		memcpy(moved + at[class_of[row]]++ * ds->width, TWP_ROW(ds, row), ds->width * sizeof(int32));
	pfree(ds->rows);
	ds->rows = moved;
	ds->capacity = ds->nrows;
	pfree(class_of);
	pfree(at);
	return classes;
}

/* Prepares for counting: shares of the sensitive values, room for counts and stamps. */
TwpSensitive *
twp_anonymity_sensitive(TwpDataset *ds)
{
	TwpSensitive *s = palloc0(sizeof(TwpSensitive));
	int64		rows = 0;

	if (ds->subject >= 0)
	{
		Size		size = Max(ds->attributes[ds->subject].nvalues, 1) * sizeof(int32);

		s->stamps = MemoryContextAllocExtended(CurrentMemoryContext, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	}
	if (ds->sensitive < 0)
		return s;
	s->nvalues = ds->attributes[ds->sensitive].nvalues;
	s->hierarchy = ds->attributes[ds->sensitive].hierarchy;
	s->share = MemoryContextAllocExtended(CurrentMemoryContext, Max(s->nvalues, 1) * sizeof(double),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	s->counts = MemoryContextAllocExtended(CurrentMemoryContext, Max(s->nvalues, 1) * sizeof(int64),
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 row = 0; row < ds->nrows; row++)
		if (ds->origin < 0 || TWP_ROW(ds, row)[ds->origin] == 1)
		{
			s->share[TWP_ROW(ds, row)[ds->sensitive]] += 1.0;
			rows++;
		}
	for (int code = 0; code < s->nvalues; code++)
	{
		s->share[code] /= (double) Max(rows, 1);
		s->present += s->share[code] > 0;
	}
	return s;
}

/* Earth mover's distance over a tree: what cannot be matched below a node moves through it. */
static double
hierarchical_distance(const TwpSensitive *s, const int64 *counts, int64 total)
{
	const TwpHierarchy *h = s->hierarchy;
	int			top = h->nlevels - 1;
	double		distance = 0;
	double	   *surplus = palloc(s->nvalues * sizeof(double));

	for (int code = 0; code < s->nvalues; code++)
		surplus[code] = (double) counts[code] / (double) total - s->share[code];
	/* surplus[] holds, at the first code of each node below the level, the node's surplus */
	for (int level = 1; level <= top; level++)
		for (int from = 0, to; from < s->nvalues; from = to)
		{
			double		positive = 0;
			double		negative = 0;

			for (to = from; to < s->nvalues && h->nodes[level][to] == h->nodes[level][from]; to++)
			{
				if (to > from && h->nodes[level - 1][to] == h->nodes[level - 1][to - 1])
					continue;
				if (surplus[to] > 0)
					positive += surplus[to];
				else
					negative -= surplus[to];
			}
			distance += (double) level / top * Min(positive, negative);
			surplus[from] = positive - negative;
		}
	pfree(surplus);
	return distance;
}

/* Distance between a class's sensitive values and the table's, 0 to 1. */
double
twp_anonymity_distance(const TwpSensitive *s, TwpDistance distance, const int64 *counts, int64 total)
{
	double		sum = 0;
	double		carried = 0;

	if (distance == TWP_DISTANCE_HIERARCHICAL)
		return hierarchical_distance(s, counts, total);
	for (int code = 0; code < s->nvalues; code++)
	{
		double		surplus = (double) counts[code] / (double) total - s->share[code];

		carried += surplus;
		sum += fabs(distance == TWP_DISTANCE_EQUAL ? surplus : carried);
	}
	if (distance == TWP_DISTANCE_EQUAL)
		return sum / 2;
	return s->present > 1 ? sum / (s->present - 1) : 0;
}

/* Orders counts, largest first. */
static int
compare_counts(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? 1 : left > right ? -1 : 0;
}

/* The largest l for which the counts are recursively (c, l)-diverse. */
static int
recursive_diversity(const TwpSensitive *s, const int64 *counts, double c)
{
	int64	   *sorted = palloc(Max(s->nvalues, 1) * sizeof(int64));
	int			n = 0;
	int			l;
	double		tail = 0;

	for (int code = 0; code < s->nvalues; code++)
		if (counts[code] > 0)
			sorted[n++] = counts[code];
	qsort(sorted, n, sizeof(int64), compare_counts);
	for (l = n; l > 0; l--)
	{
		tail += (double) sorted[l - 1];
		if ((double) sorted[0] < c * tail)
			break;
	}
	pfree(sorted);
	return l;
}

/* Fills what the counts of a class's sensitive values say. */
void
twp_anonymity_weigh_counts(const TwpSensitive *s, const TwpModel *model, const int64 *counts, int64 total,
						   TwpClassFigures *figures)
{
	figures->distinct = 0;
	figures->entropy = 0;
	for (int code = 0; code < s->nvalues; code++)
	{
		double		share = (double) counts[code] / (double) total;

		if (counts[code] == 0)
			continue;
		figures->distinct++;
		figures->entropy -= share * log(share);
	}
	if (model->t >= 0)
		figures->t = twp_anonymity_distance(s, model->distance, counts, total);
	if (model->diversity == TWP_DIVERSITY_RECURSIVE && model->l > 0)
		figures->recursive = recursive_diversity(s, counts, model->c);
}

/* Counts what a class of rows has. */
void
twp_anonymity_weigh(const TwpDataset *ds, TwpSensitive *s, const TwpModel *model, int64 from, int64 to,
					TwpClassFigures *figures)
{
	memset(figures, 0, sizeof(*figures));
	figures->rows = figures->subjects = figures->hidden_among = to - from;
	if (ds->origin >= 0)
	{
		figures->rows = 0;
		for (int64 row = from; row < to; row++)
			figures->rows += TWP_ROW(ds, row)[ds->origin];
		figures->subjects = figures->rows;
		figures->hidden_among = to - from - figures->rows;
	}
	if (ds->repeated)
	{
		figures->subjects = 0;
		s->stamp++;
		for (int64 row = from; row < to; row++)
		{
			int			subject = TWP_ROW(ds, row)[ds->subject];

			/* a row that is nobody's hides nobody */
			if (s->stamps[subject] != s->stamp && subject != ds->attributes[ds->subject].null_code)
				figures->subjects++;
			s->stamps[subject] = s->stamp;
		}
		figures->hidden_among = figures->subjects;
	}
	if (ds->sensitive < 0 || figures->rows == 0 || (model->l == 0 && model->t < 0))
		return;
	for (int64 row = from; row < to; row++)
		s->counts[TWP_ROW(ds, row)[ds->sensitive]] += ds->origin < 0 || TWP_ROW(ds, row)[ds->origin] == 1;
	twp_anonymity_weigh_counts(s, model, s->counts, figures->rows, figures);
	for (int64 row = from; row < to; row++)
		s->counts[TWP_ROW(ds, row)[ds->sensitive]] = 0;
}

/* Says whether a class is what the model demands. */
bool
twp_anonymity_fulfils(const TwpModel *model, const TwpClassFigures *figures)
{
	if (figures->hidden_among < model->k)
		return false;
	if (model->t >= 0 && figures->t > model->t + 1e-12)
		return false;
	if (model->l == 0)
		return true;
	switch (model->diversity)
	{
		case TWP_DIVERSITY_ENTROPY:
			return exp(figures->entropy) >= model->l - 1e-9;
		case TWP_DIVERSITY_RECURSIVE:
			return figures->recursive >= model->l;
		default:
			return figures->distinct >= model->l;
	}
}

/* Number of different subjects; rows, where they are not told apart. */
static int64
count_subjects(const TwpDataset *ds)
{
	bool	   *seen;
	int64		n = 0;

	if (ds->subject < 0)
		return ds->nrows;
	seen = MemoryContextAllocExtended(CurrentMemoryContext, Max(ds->attributes[ds->subject].nvalues, 1),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 row = 0; row < ds->nrows; row++)
	{
		int			subject = TWP_ROW(ds, row)[ds->subject];

		n += !seen[subject] && subject != ds->attributes[ds->subject].null_code;
		seen[subject] = true;
	}
	pfree(seen);
	return n;
}

/* Puts together the figures of a table. */
void
twp_anonymity_measure(const TwpDataset *ds, const TwpClasses *classes, double c, TwpMeasures *m)
{
	TwpSensitive *s = twp_anonymity_sensitive((TwpDataset *) ds);
	TwpModel	model = {.l = 1,.t = 0,.diversity = TWP_DIVERSITY_RECURSIVE,.distance = TWP_DISTANCE_EQUAL,.c = c};
	TwpModel	ordered = {.t = 0,.distance = TWP_DISTANCE_ORDERED};

	memset(m, 0, sizeof(*m));
	m->subjects = count_subjects(ds);
	for (int64 n = 0; n < classes->n; n++)
	{
		TwpClassFigures figures;
		bool		first = (m->classes == 0);

		CHECK_FOR_INTERRUPTS();
		twp_anonymity_weigh(ds, s, &model, classes->starts[n], classes->starts[n + 1], &figures);
		if (figures.rows == 0)
			continue;
		m->classes++;
		m->rows += figures.rows;
		m->members += figures.subjects;
		m->sum_of_squares += (double) figures.rows * (double) figures.rows;
		m->k = first ? figures.subjects : Min(m->k, figures.subjects);
		m->population_k = first ? figures.hidden_among : Min(m->population_k, figures.hidden_among);
		if (figures.subjects <= 1)
			m->unique_rows += figures.rows;
		if (ds->sensitive < 0)
			continue;
		m->l_distinct = first ? figures.distinct : Min(m->l_distinct, figures.distinct);
		m->l_entropy = first ? exp(figures.entropy) : Min(m->l_entropy, exp(figures.entropy));
		m->l_recursive = first ? figures.recursive : Min(m->l_recursive, figures.recursive);
		m->t_equal = Max(m->t_equal, figures.t);
		twp_anonymity_weigh(ds, s, &ordered, classes->starts[n], classes->starts[n + 1], &figures);
		m->t_ordered = Max(m->t_ordered, figures.t);
	}
}

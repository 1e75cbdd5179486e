/*
 * noise.c - from the parts of data subjects to figures with noise.
 *
 * Why it is private: what a subject adds to all groups together is bounded by
 * caps that do not depend on the subject, so one more or one less subject
 * moves each quantity (a whole number for each group) by at most its
 * sensitivity, summed over the groups; discrete Laplace noise of scale
 * sensitivity / epsilon hides that.  Epsilon is split evenly over the
 * quantities, after an eighth for each cap that is itself found from the data
 * (the sparse vector technique).  A group whose key comes from the data is
 * given when its noisy number of subjects reaches a threshold that one of a
 * single subject passes with probability delta.
 *
 * How much of each subject counts is people.c's.
 *
 * Pure but for random numbers.  Memory: the current context.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/noise_internal.h"
#include "anonymity/sampler.h"
#include "miscadmin.h"
#include "uses/uses.h"

/* Sums are cut to this many bits of sensitivity before noise. */
#define SENSITIVITY_BITS 24

typedef enum QuantityKind
{
	QUANTITY_ROWS,				/* weighted rows */
	QUANTITY_SUM,				/* sum of values on the grid, from its origin */
	QUANTITY_CENTRED,			/* sum of 2 value - width */
	QUANTITY_SQUARES,			/* sum of 2 (2 value - width)^2 - width^2 */
	QUANTITY_SUBJECTS,
} QuantityKind;

typedef struct TwpQuantity
{
	QuantityKind kind;
	int			column;			/* -1: all rows */
	int			shift;			/* bits cut off */
	uint64		sensitivity;	/* of what is left */
	double		scale;			/* of the noise, before the cut */
} Quantity;

typedef TwpNoiseWork Work;

/* The quantity of a kind and column; added when it is new. */
static int
find_quantity(Work *work, QuantityKind kind, int column)
{
	if (kind == QUANTITY_ROWS && column >= 0 && work->release->layout->columns[column].complete)
		column = -1;
	for (int i = 0; i < work->nquantities; i++)
		if (work->quantities[i].kind == kind && work->quantities[i].column == column)
			return i;
	work->quantities[work->nquantities] = (Quantity)
	{
		kind, column
	};
	return work->nquantities++;
}

/* True when a column's mean is asked for, from which its sum can be had. */
static bool
has_mean(const TwpRelease *release, int column)
{
	for (int f = 0; f < release->nfigures; f++)
		if (release->figures[f].kind >= TWP_FIGURE_AVG && release->figures[f].column == column)
			return true;
	return false;
}

/* True when a group shows only where enough subjects are in it. */
static inline bool
must_reach(const Work *work)
{
	return work->release->grouped && !work->known;
}

/* Lists the quantities that the figures rest on. */
static void
list_quantities(Work *work)
{
	const TwpRelease *release = work->release;

	work->quantities = palloc((3 * release->nfigures + 1) * sizeof(Quantity));
	if (must_reach(work))
		(void) find_quantity(work, QUANTITY_SUBJECTS, -1);
	for (int f = 0; f < release->nfigures; f++)
	{
		const TwpFigure *figure = &release->figures[f];

		if (figure->kind == TWP_FIGURE_SUBJECTS)
			(void) find_quantity(work, QUANTITY_SUBJECTS, figure->column);
		else if (figure->kind == TWP_FIGURE_SUM && !has_mean(release, figure->column))
			(void) find_quantity(work, QUANTITY_SUM, figure->column);
		else
			(void) find_quantity(work, QUANTITY_ROWS, figure->column);
		if (figure->kind >= TWP_FIGURE_AVG)
			(void) find_quantity(work, QUANTITY_CENTRED, figure->column);
		if (figure->kind > TWP_FIGURE_AVG)
			(void) find_quantity(work, QUANTITY_SQUARES, figure->column);
	}
}

/* By how much one subject can move a quantity, over all groups together. */
static uint128
sensitivity(const Work *work, const Quantity *quantity)
{
	const TwpBoundedColumn *column = quantity->column >= 0 ? &work->release->layout->columns[quantity->column] : NULL;
	uint128		rows = (uint128) work->max_rows * work->weight;

	switch (quantity->kind)
	{
		case QUANTITY_SUBJECTS:
			return work->max_groups;
		case QUANTITY_SUM:
			return rows * Max(Max(column->origin + column->width, -column->origin), 1);
		case QUANTITY_CENTRED:
			return rows * column->width;
		case QUANTITY_SQUARES:
			return rows * column->width * column->width;
		default:
			return rows;
	}
}

/* Where one subject alone in each of its groups passes in any of them with probability delta at most. */
double
twp_noise_threshold(const Work *work, double scale)
{
	return Max(1 + scale * log((double) work->max_groups * TWP_DELTA_UNIT / (double) work->options.delta),
			   work->options.min_cohort);
}

/* Sets each quantity's noise. */
static void
scale_quantities(Work *work, int64 epsilon)
{
	work->epsilon = Max(epsilon / Max(work->nquantities, 1), 1);
	for (int i = 0; i < work->nquantities; i++)
	{
		Quantity   *q = &work->quantities[i];
		uint128		exact = sensitivity(work, q);

		while ((exact >> q->shift) >> SENSITIVITY_BITS != 0)
			q->shift++;
		/* cutting moves each group that the subject is in by less than one more */
		q->sensitivity = Max((uint64) (exact >> q->shift), 1) + (q->shift > 0 ? 1 + work->max_groups : 0);
		q->scale = ldexp((double) q->sensitivity * TWP_EPSILON_UNIT / (double) work->epsilon, q->shift);
	}
	if (must_reach(work))
		work->threshold = twp_noise_threshold(work, work->quantities[0].scale);
}

/* What a part adds to a quantity; sums that were cut short stay within what their rows allow. */
static inline int128
contribution(const Work *work, const Quantity *quantity, int64 *part, int64 weight)
{
	int			j = quantity->column;
	const TwpBoundedColumn *column = &work->release->layout->columns[Max(j, 0)];
	int64		rows = *twp_part_count(part, j);
	const int64 *sums = part + work->places[Max(j, 0)];

	switch (quantity->kind)
	{
		case QUANTITY_SUBJECTS:
			return rows > 0;
		case QUANTITY_SUM:
			return (int128) weight * (Min(sums[0], rows * column->width) + (int128) rows * column->origin);
		case QUANTITY_CENTRED:
			return (int128) weight * (2 * Min(sums[0], rows * column->width) - rows * column->width);
		case QUANTITY_SQUARES:
			return weight * (2 * Min((int128) sums[1], (int128) rows * column->width * column->width) -
							 (int128) rows * column->width * column->width);
		default:
			return (int128) weight * rows;
	}
}

/* Adds up a group's quantities; says whether anybody is left in it. */
static bool
add_group(const Work *work, const TwpGroup *group, int128 *sums)
{
	bool		anybody = false;

	memset(sums, 0, work->nquantities * sizeof(int128));
	for (uint64 i = 0; i < group->nparts; i++)
	{
		int64	   *part = group->parts + i * work->size;
		uint32		rows = *twp_part_count(part, -1);
		int64		weight;

		if (rows == 0)
			continue;
		anybody = true;
		if (work->release->once)
			weight = rows == 1;
		else
			weight = work->people[part[TWP_PART_KEY]].weight;
		for (int q = 0; q < work->nquantities; q++)
			sums[q] += contribution(work, &work->quantities[q], part, weight);
	}
	return anybody;
}

/* A quantity with noise. */
static double
noisy(const Work *work, int q, const int128 *sums)
{
	const Quantity *quantity = &work->quantities[q];
	int128		cut = (sums[q] >> quantity->shift) +
		twp_noise_laplace(quantity->sensitivity * (uint64) TWP_EPSILON_UNIT, work->epsilon);

	return ldexp((double) cut, quantity->shift);
}

/* Works out a mean or variance from noisy quantities; NULL when too few rows are left. */
static void
work_out_moment(Work *work, const TwpFigure *figure, const double *noisy_sums, TwpNoisyFigure *out)
{
	const TwpBoundedColumn *column = &work->release->layout->columns[figure->column];
	int			rows = find_quantity(work, QUANTITY_ROWS, figure->column);
	int			centred = find_quantity(work, QUANTITY_CENTRED, figure->column);
	double		n = noisy_sums[rows];
	double		width = (double) column->width;
	double		mean = noisy_sums[centred] / n;	/* of 2 value - width */
	double		off = (work->quantities[centred].scale + fabs(mean) * work->quantities[rows].scale) / n;

	out->isnull = n < work->weight * (figure->kind == TWP_FIGURE_AVG ? 1 : 2);
	if (out->isnull)
		return;
	mean = Max(-width, Min(width, mean));
	out->scale = work->quantities[centred].scale * column->step / 2 / work->weight;
	if (figure->kind == TWP_FIGURE_AVG)
	{
		out->value = (column->origin + (width + mean) / 2) * column->step;
		out->error = off * log(40) * column->step / 2;
	}
	else
	{
		int			squares = find_quantity(work, QUANTITY_SQUARES, figure->column);
		double		lean = noisy_sums[squares] / n;
		double		variance = (lean + width * width) / 2 - mean * mean;
		double		error = (work->quantities[squares].scale + fabs(lean) * work->quantities[rows].scale) / n / 2;
		bool		sample = figure->kind == TWP_FIGURE_VAR_SAMP || figure->kind == TWP_FIGURE_STDDEV_SAMP;

		n /= work->weight;
		variance = Max(0, Min(width * width, variance)) * (sample ? n / (n - 1) : 1);
		out->value = variance * column->step * column->step / 4;
		out->error = (error + 2 * fabs(mean) * off) * log(60) * column->step * column->step / 4;
		out->scale = work->quantities[squares].scale * column->step * column->step / 8 / work->weight;
		if (figure->kind >= TWP_FIGURE_STDDEV_POP)
		{
			out->value = sqrt(out->value);
			out->error = out->value > 0 ? out->error / (2 * out->value) : sqrt(out->error);
			out->scale = out->value > 0 ? out->scale / (2 * out->value) : sqrt(out->scale);
		}
	}
}

/* Works out a figure from noisy quantities. */
static void
work_out(Work *work, const TwpFigure *figure, const double *noisy_sums, TwpNoisyFigure *out)
{
	int			q;
	double		unit = 1.0 / work->weight;

	memset(out, 0, sizeof(*out));
	if (figure->kind >= TWP_FIGURE_AVG)
	{
		work_out_moment(work, figure, noisy_sums, out);
		return;
	}
	if (figure->kind == TWP_FIGURE_SUM && has_mean(work->release, figure->column))
	{
		const TwpBoundedColumn *column = &work->release->layout->columns[figure->column];
		int			centred = find_quantity(work, QUANTITY_CENTRED, figure->column);
		double		middle = column->origin + column->width / 2.0;

		q = find_quantity(work, QUANTITY_ROWS, figure->column);
		out->value = (noisy_sums[q] * middle + noisy_sums[centred] / 2) * unit * column->step;
		out->scale = work->quantities[centred].scale / 2 * unit * column->step;
		out->error = (fabs(middle) * work->quantities[q].scale + work->quantities[centred].scale / 2) *
			log(40) * unit * column->step;
		return;
	}
	if (figure->kind == TWP_FIGURE_SUM)
	{
		q = find_quantity(work, QUANTITY_SUM, figure->column);
		unit *= work->release->layout->columns[figure->column].step;
	}
	else if (figure->kind == TWP_FIGURE_SUBJECTS)
	{
		q = find_quantity(work, QUANTITY_SUBJECTS, figure->column);
		unit = 1;
	}
	else
		q = find_quantity(work, QUANTITY_ROWS, figure->column);
	out->value = noisy_sums[q] * unit;
	out->scale = work->quantities[q].scale * unit;
	out->error = out->scale * log(20);
}

/* Adds noise to one group; NULL when it stays below the threshold. */
static TwpNoisyRow *
release_group(Work *work, const TwpGroup *group, int128 *sums, double *noisy_sums)
{
	TwpNoisyRow *row;

	/* a key that only dropped parts have is not there at all: delta counts on it */
	if (!add_group(work, group, sums) && must_reach(work))
		return NULL;
	if (must_reach(work) && (noisy_sums[0] = noisy(work, 0, sums)) < work->threshold)
		return NULL;
	for (int q = must_reach(work); q < work->nquantities; q++)
		noisy_sums[q] = noisy(work, q, sums);
	row = palloc(sizeof(TwpNoisyRow));
	row->keys = group->keys;
	row->figures = palloc0(Max(work->release->nfigures, 1) * sizeof(TwpNoisyFigure));
	for (int f = 0; f < work->release->nfigures; f++)
		work_out(work, &work->release->figures[f], noisy_sums, &row->figures[f]);
	return row;
}

/* The rows that leave. */
List *
twp_private_add_noise(const TwpRelease *release, const TwpReleaseOptions *options, TwpGroup *groups, int ngroups)
{
	Work		work = {.release = release,.options = *options,.groups = groups,.ngroups = ngroups};
	int			nkeys = release->nkeys;
	List	   *rows = NIL;
	int64		epsilon;
	int128	   *sums;
	double	   *noisy_sums;

	work.known = twp_private_groups_known(release);
	if (work.known)
		work.groups = groups = twp_private_known_groups(release, groups, ngroups, &ngroups);
	work.ngroups = ngroups;
	work.places = palloc(Max(release->layout->ncolumns, 1) * sizeof(int));
	twp_part_places(release->layout, work.places, &work.size);
	epsilon = twp_noise_bound_people(&work);
	list_quantities(&work);
	scale_quantities(&work, epsilon);
	sums = palloc(Max(work.nquantities, 1) * sizeof(int128));
	noisy_sums = palloc(Max(work.nquantities, 1) * sizeof(double));
	/* the order in which groups were met tells of all of them */
	qsort_arg(groups, ngroups, sizeof(TwpGroup), twp_private_compare_groups, &nkeys);
	for (int g = 0; g < ngroups; g++)
	{
		TwpNoisyRow *row;

		CHECK_FOR_INTERRUPTS();
		row = release_group(&work, &groups[g], sums, noisy_sums);
		if (row != NULL)
			rows = lappend(rows, row);
	}
	return rows;
}

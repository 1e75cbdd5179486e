/*
 * quantile.c - quantiles by the permute-and-flip mechanism.
 *
 * The inner query counts each subject's rows in each of many bins between the
 * column's bounds, group by group; weighted as for sums, one subject more or
 * less moves the mass below a bin, less the share that the quantile asks for,
 * by at most what their rows in the group weigh.  A bin is drawn that is far
 * from the quantile's place with a probability that falls exponentially in the
 * distance (McKenna and Sheldon, "Permute-and-Flip", 2020): pure epsilon, by
 * whole numbers and exact coins.
 *
 * Why groups cost nothing more: what a subject tells by one draw is in
 * proportion to what their rows weigh there, and the cap bounds that of all
 * groups together.  Whether a group shows whose key comes from the data is
 * told by a noisy number of subjects, as for other figures (noise.c).
 *
 * Memory: the current context.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/noise_internal.h"
#include "anonymity/sampler.h"
#include "miscadmin.h"
#include "uses/uses.h"

#define MILLION 1000000

/* The bin of a group; rows outside the bounds are put at them. */
static int
bin_of(const TwpRelease *release, const TwpGroup *group)
{
	int			bin = atoi(group->keys[release->nkeys]);

	return Max(1, Min(release->nbins, bin)) - 1;
}

/* What is drawn from for one group. */
typedef struct Histogram
{
	int128	   *bins;			/* weights of each bin's rows */
	int128		total;
	int64		subjects;
} Histogram;

/* Adds up the bins of one group, which is the number-th; what is no number is in none. */
static void
add_bins(const TwpNoiseWork *work, const TwpGroup *groups, int ngroups, uint64 number, Histogram *histogram)
{
	memset(histogram->bins, 0, work->release->nbins * sizeof(int128));
	histogram->total = histogram->subjects = 0;
	for (int g = 0; g < ngroups; g++)
		for (uint64 i = 0; i < groups[g].nparts; i++)
		{
			int64	   *part = groups[g].parts + i * work->size;
			int64		rows = *twp_part_count(part, -1);
			TwpPerson  *person = work->release->once ? NULL : &work->people[part[TWP_PART_KEY]];
			int128		mass = person == NULL ? rows == 1 : (int128) rows * person->weight;

			if (rows > 0 && (person == NULL || person->at != number))
				histogram->subjects++;
			if (rows > 0 && person != NULL)
				person->at = number;
			if (groups[g].keys[work->release->nkeys] == NULL)
				continue;
			histogram->bins[bin_of(work->release, &groups[g])] += mass;
			histogram->total += mass;
		}
}

/* How far each bin is from a quantile's place, in millionths of weight. */
static int128 *
measure_bins(const int128 *bins, int nbins, int128 total, int millionths, int128 *least)
{
	int128	   *distance = palloc(nbins * sizeof(int128));
	int128		place = total * millionths;
	int128		below = 0;

	for (int b = 0; b < nbins; b++)
	{
		int128		through = below + bins[b] * MILLION;

		distance[b] = below > place ? below - place : through < place ? place - through : 0;
		*least = b == 0 ? distance[b] : Min(*least, distance[b]);
		below = through;
	}
	return distance;
}

/* Draws a bin: in random order, the first whose coin says so. */
static int
draw_bin(const int128 *distance, int nbins, int128 least, uint128 sensitivity, int64 epsilon)
{
	int		   *order = palloc(nbins * sizeof(int));

	for (int b = 0; b < nbins; b++)
		order[b] = b;
	for (int left = nbins; left > 0; left--)
	{
		int			pick = (int) twp_noise_uniform(left);
		int			bin = order[pick];

		order[pick] = order[left - 1];
		if (twp_noise_bernoulli_exp((uint128) (distance[bin] - least) * epsilon,
									2 * sensitivity * (uint64) TWP_EPSILON_UNIT))
			return bin;
	}
	elog(ERROR, "no bin was drawn");
}

/* Draws a group's quantiles. */
static TwpNoisyRow *
draw_row(const TwpNoiseWork *work, char **keys, const Histogram *histogram)
{
	const TwpRelease *release = work->release;
	TwpNoisyRow *row = palloc0(sizeof(TwpNoisyRow));
	double		width = (release->high - release->low) / release->nbins;

	row->keys = keys;
	row->figures = palloc0(release->nfigures * sizeof(TwpNoisyFigure));
	for (int f = 0; f < release->nfigures; f++)
	{
		int128		least = 0;
		int			millionths = release->figures[f].millionths;
		int128	   *distance = measure_bins(histogram->bins, release->nbins, histogram->total, millionths, &least);
		/* rows below a bin move it by what is not their share of the place's move, others by that share */
		int			moved = Max(millionths, MILLION - millionths);
		uint128		sensitivity = (uint128) moved * work->max_rows * work->weight;

		row->figures[f].value = release->low +
			(draw_bin(distance, release->nbins, least, sensitivity, work->epsilon) + 0.5) * width;
		/* of ranks, not of values */
		row->figures[f].scale = 2.0 * work->max_rows * moved / MILLION * TWP_EPSILON_UNIT / work->epsilon;
		row->figures[f].error = row->figures[f].scale * log(release->nbins / (1 - TWP_NOISE_CONFIDENCE));
		pfree(distance);
	}
	return row;
}

/* The groups that may leave, in the order of their keys: those known, those met, or the only one. */
static TwpGroup *
list_heads(const TwpNoiseWork *work, int *nheads)
{
	int			nkeys = work->release->nkeys;
	TwpGroup   *heads;

	if (work->known)
	{
		heads = twp_private_known_groups(work->release, NULL, 0, nheads);
		qsort_arg(heads, *nheads, sizeof(TwpGroup), twp_private_compare_groups, &nkeys);
		return heads;
	}
	heads = palloc0((work->ngroups + 1) * sizeof(TwpGroup));
	*nheads = !work->release->grouped;
	for (int g = 0; g < work->ngroups && work->release->grouped; g++)
		if (g == 0 || twp_private_compare_groups(&work->groups[g - 1], &work->groups[g], &nkeys) != 0)
			heads[(*nheads)++] = work->groups[g];
	return heads;
}

/* Leaves those that are of known groups. */
static void
leave_known(TwpNoiseWork *work, const TwpGroup *heads, int nheads)
{
	int			nkeys = work->release->nkeys;
	int			n = 0;

	for (int g = 0; g < work->ngroups; g++)
		if (bsearch_arg(&work->groups[g], heads, nheads, sizeof(TwpGroup), twp_private_compare_groups, &nkeys) != NULL)
			work->groups[n++] = work->groups[g];
	work->ngroups = n;
}

/* True when a group shows: it is known, or its noisy number of subjects is large enough. */
static bool
shows(const TwpNoiseWork *work, const Histogram *histogram)
{
	uint64		sensitivity = (uint64) work->max_groups * (uint64) TWP_EPSILON_UNIT;

	if (!work->release->grouped || work->known)
		return true;
	/* a key that only dropped parts have is not there at all: delta counts on it */
	return histogram->subjects > 0 &&
		(double) (histogram->subjects + twp_noise_laplace(sensitivity, work->epsilon)) >=
		twp_noise_threshold(work, (double) sensitivity / (double) work->epsilon);
}

/* The rows that leave. */
List *
twp_private_add_quantiles(const TwpRelease *release, const TwpReleaseOptions *options, TwpGroup *groups, int ngroups)
{
	TwpNoiseWork work = {.release = release,.options = *options,.groups = groups,.ngroups = ngroups};
	int			nkeys = release->nkeys;
	List	   *rows = NIL;
	Histogram	histogram = {.bins = palloc(release->nbins * sizeof(int128))};
	TwpGroup   *heads;
	int64		epsilon;
	int			nheads;
	int			at = 0;

	work.known = twp_private_groups_known(release);
	work.places = palloc(sizeof(int) * (1 + release->layout->ncolumns));
	twp_part_places(release->layout, work.places, &work.size);
	qsort_arg(groups, ngroups, sizeof(TwpGroup), twp_private_compare_groups, &nkeys);
	heads = list_heads(&work, &nheads);
	if (work.known)
		leave_known(&work, heads, nheads);
	epsilon = twp_noise_bound_people(&work);
	/* split over the quantiles, and whether a group shows */
	work.epsilon = Max(epsilon / (release->nfigures + (release->grouped && !work.known)), 1);
	for (uint64 p = 0; p < work.npeople; p++)
		work.people[p].at = 0;
	for (int h = 0; h < nheads; h++)
	{
		int			first = at;

		CHECK_FOR_INTERRUPTS();
		while (at < work.ngroups && twp_private_compare_groups(&work.groups[at], &heads[h], &nkeys) == 0)
			at++;
		add_bins(&work, work.groups + first, at - first, h + 1, &histogram);
		if (shows(&work, &histogram))
			rows = lappend(rows, draw_row(&work, heads[h].keys, &histogram));
	}
	return rows;
}

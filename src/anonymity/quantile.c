/*
 * quantile.c - quantiles by the permute-and-flip mechanism.
 *
 * The inner query counts each subject's rows in each of many bins between the
 * column's bounds; weighted as for sums, one subject more or less moves the
 * mass below a bin, less the share that the quantile asks for, by at most cap
 * rows.  A bin is drawn that is far from the quantile's place with a
 * probability that falls exponentially in the distance (McKenna and Sheldon,
 * "Permute-and-Flip", 2020): pure epsilon, by whole numbers and exact coins.
 *
 * Memory: the current context.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/noise_internal.h"
#include "anonymity/sampler.h"
#include "uses/uses.h"

#define MILLION 1000000

/* The bin of a group; rows outside the bounds are put at them. */
static int
bin_of(const TwpRelease *release, const TwpGroup *group)
{
	int			bin = atoi(group->keys[0]);

	return Max(1, Min(release->nbins, bin)) - 1;
}

/* Adds up the weights of each bin's rows. */
static int128 *
add_bins(const TwpNoiseWork *work, int128 *total)
{
	int128	   *bins = palloc0(work->release->nbins * sizeof(int128));

	*total = 0;
	for (int g = 0; g < work->ngroups; g++)
	{
		const TwpGroup *group = &work->groups[g];

		/* what is no number is in no bin */
		if (group->keys[0] == NULL)
			continue;
		for (uint64 i = 0; i < group->nparts; i++)
		{
			int64	   *part = group->parts + i * work->size;
			int64		rows = *twp_part_count(part, -1);
			int128		mass = work->release->once ? rows == 1 : (int128) rows * work->people[part[TWP_PART_KEY]].weight;

			bins[bin_of(work->release, group)] += mass;
			*total += mass;
		}
	}
	return bins;
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

/* The row that leaves. */
List *
twp_private_add_quantiles(const TwpRelease *release, const TwpReleaseOptions *options, TwpGroup *groups, int ngroups)
{
	TwpNoiseWork work = {.release = release,.options = *options,.groups = groups,.ngroups = ngroups};
	TwpNoisyRow *row = palloc0(sizeof(TwpNoisyRow));
	double		width = (release->high - release->low) / release->nbins;
	int128		total;
	int128	   *bins;
	int64		epsilon;
	uint128		sensitivity;

	work.places = palloc(sizeof(int) * (1 + release->layout->ncolumns));
	twp_part_places(release->layout, work.places, &work.size);
	epsilon = twp_noise_bound_people(&work);
	epsilon = Max(epsilon / release->nfigures, 1);
	sensitivity = (uint128) MILLION * work.max_rows * work.weight;
	bins = add_bins(&work, &total);
	row->figures = palloc0(release->nfigures * sizeof(TwpNoisyFigure));
	for (int f = 0; f < release->nfigures; f++)
	{
		int128		least = 0;
		int128	   *distance = measure_bins(bins, release->nbins, total, release->figures[f].millionths, &least);

		row->figures[f].value = release->low +
			(draw_bin(distance, release->nbins, least, sensitivity, epsilon) + 0.5) * width;
		/* of ranks, not of values */
		row->figures[f].scale = 2.0 * work.max_rows * TWP_EPSILON_UNIT / epsilon;
		row->figures[f].error = row->figures[f].scale * log(release->nbins / (1 - TWP_NOISE_CONFIDENCE));
	}
	return list_make1(row);
}

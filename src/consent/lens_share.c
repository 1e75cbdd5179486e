/*
 * lens_share.c - for the planner: the share of data subjects who are open.
 *
 * An estimate from a sample of the map, kept until consents or the map change;
 * without a map it is not known.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/lens_internal.h"

/* Counts in a sample of the map's subjects. */
typedef struct Sample
{
	TwpLens    *lens;
	const TwpMap *map;
	TwpCategorySet needs;
	uint32		seen;
	uint32		open;
} Sample;

/* Takes one profile number into a sample. */
static void
take_sample(Sample *sample, uint32 number)
{
	const ProfileAnswer *answer;

	if (number == TWP_PROFILE_NONE)
		return;
	answer = &sample->lens->profiles[number & sample->lens->profile_mask];
	if (answer->profile != number || sample->lens->now >= answer->until)
		answer = twp_lens_ask_profile(sample->lens, sample->map, number);
	sample->seen++;
	if ((answer->open & sample->needs) == sample->needs)
		sample->open++;
}

/* Counts who is open among some subjects of the map, evenly spread over it. */
static double
sample_share(TwpLens *lens, const TwpMap *map, TwpCategorySet needs)
{
	Sample		sample = {lens, map, needs, 0, 0};
	uint64		n = Min(map->dense_n, 1000);

	/* An odd stride, so that no pattern in the keys is sampled for the whole. */
	for (uint64 i = 0; i < n; i++)
		take_sample(&sample, map->dense[(i * map->dense_n / n + (i * 7919) % 1000) % map->dense_n]);
	for (int section = 0; section < TWP_SECTIONS; section++)
	{
		const TwpMapTable *table = &map->table[section];

		n = Min(table->nbuckets, 500);
		for (uint64 i = 0; i < n; i++)
			take_sample(&sample, table->buckets[i * table->nbuckets / n].profile[0]);
	}
	return sample.seen == 0 ? -1 : (double) sample.open / sample.seen;
}

/* Estimates the share of subjects with directives for whom all the categories are open. */
double
twp_consent_share(TwpLens *lens, TwpCategorySet needs)
{
	const TwpMap *map = twp_lens_map(lens);

	if (map == NULL || needs == 0)
		return -1;
	if (lens->share_needs != needs || lens->share_version != map->version)
	{
		lens->share = sample_share(lens, map, needs);
		lens->share_needs = needs;
		lens->share_version = map->version;
	}
	return lens->share;
}

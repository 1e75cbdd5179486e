/*
 * people.c - how much of each data subject counts.
 *
 * Of a subject with too many groups some are kept, chosen by a keyed hash; of
 * one with too many rows each weighs cap / rows.  Both look at the subject's
 * own parts only, never at the order of rows, of groups or of anybody else.
 * The caps are given, or found with an eighth of epsilon each.
 *
 * Memory: the current context, what outlives the call included.
 */
#include "postgres.h"

#include "anonymity/noise_internal.h"
#include "anonymity/sampler.h"
#include "common/hashfn.h"
#include "uses/uses.h"
#include "utils/memutils.h"

/* Weight of a row that counts in full, where rows may weigh less. */
#define FULL_WEIGHT 65536
#define MAX_CAP (1 << 20)
/* Caps are sought that leave this share of the subjects whole: 19 of 20. */
#define SHARE_OF 20
#define SHARE 19

/* A part of a person with too many groups. */
typedef struct Candidate
{
	uint64		score;
	int64	   *part;
} Candidate;

/* Scatters bits. */
static inline uint64
mix(uint64 x)
{
	x ^= x >> 32;
	x *= UINT64CONST(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64CONST(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

/* Finds where the index has a key, or may have it. */
static uint32 *
find_place(const TwpNoiseWork *work, int64 key)
{
	uint64		at = mix((uint64) key) & (work->capacity - 1);

	while (work->index[at] != 0 && work->people[work->index[at] - 1].key != key)
		at = (at + 1) & (work->capacity - 1);
	return &work->index[at];
}

/* Makes room for twice as many people. */
static void
grow_people(TwpNoiseWork *work)
{
	work->capacity = Max(2 * work->capacity, 1024);
	if (work->people == NULL)
		work->people = palloc(work->capacity * sizeof(TwpPerson));
	else
	{
		work->people = repalloc_huge(work->people, work->capacity * sizeof(TwpPerson));
		pfree(work->index);
	}
	work->index = MemoryContextAllocExtended(CurrentMemoryContext, work->capacity * sizeof(uint32),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 p = 0; p < work->npeople; p++)
		*find_place(work, work->people[p].key) = (uint32) p + 1;
}

/* The person of a part; a new one when there is none. */
static TwpPerson *
find_person(TwpNoiseWork *work, int64 key)
{
	uint32	   *place = find_place(work, key);

	if (*place == 0)
	{
		if (work->npeople >= work->capacity / 4 * 3)
		{
			grow_people(work);
			place = find_place(work, key);
		}
		work->people[work->npeople] = (TwpPerson){.key = key};
		*place = (uint32) ++work->npeople;
	}
	return &work->people[*place - 1];
}

/* Adds up each person's rows and groups; from then on a part's key is the person's number. */
static void
count_people(TwpNoiseWork *work)
{
	int			nkeys = work->release->nkeys;
	uint64		number = 0;		/* of the group, bins of one taken together */

	grow_people(work);
	for (int g = 0; g < work->ngroups; g++)
	{
		if (g == 0 || work->release->nbins == 0 ||
			twp_private_compare_groups(&work->groups[g - 1], &work->groups[g], &nkeys) != 0)
			number++;
		for (uint64 i = 0; i < work->groups[g].nparts; i++)
		{
			int64	   *part = work->groups[g].parts + i * work->size;
			TwpPerson  *person = find_person(work, part[TWP_PART_KEY]);

			person->ngroups += person->at != number;
			person->at = number;
			person->nparts++;
			person->rows += *twp_part_count(part, -1);
			part[TWP_PART_KEY] = person - work->people;
		}
	}
	pfree(work->index);
}

/* The candidates for a cap: 1, 2, 3, 4, 6, 8, 12 ... */
static int64
candidate_cap(int i)
{
	return i == 0 ? 1 : i % 2 == 1 ? INT64CONST(2) << (i / 2) : INT64CONST(3) << (i / 2 - 1);
}

/* The first candidate that is no less than a number. */
static int
candidate_of(int64 n)
{
	int			i = 0;

	while (candidate_cap(i) < n && candidate_cap(i) < MAX_CAP)
		i++;
	return i;
}

/*
 * Finds the first candidate that leaves most subjects whole, noisily: the
 * sparse vector technique, pure epsilon.  One subject more or less moves
 * SHARE_OF * (subjects within) - SHARE * (subjects) by at most SHARE.
 */
static int64
find_cap(const TwpNoiseWork *work, bool of_groups, int64 epsilon)
{
	int64		noise = twp_noise_laplace(2 * SHARE * (uint64) TWP_EPSILON_UNIT, epsilon);
	int64		people[64] = {0};
	int64		within = 0;
	int			i = 0;

	for (uint64 p = 0; p < work->npeople; p++)
		people[candidate_of(of_groups ? work->people[p].ngroups : work->people[p].rows)]++;
	for (;; i++)
	{
		within += people[i];
		if (candidate_cap(i) >= MAX_CAP ||
			SHARE_OF * within - SHARE * (int64) work->npeople +
			twp_noise_laplace(4 * SHARE * (uint64) TWP_EPSILON_UNIT, epsilon) >= noise)
			return candidate_cap(i);
	}
}

/* Orders parts by their scores. */
static int
compare_candidates(const void *a, const void *b)
{
	uint64		x = ((const Candidate *) a)->score;
	uint64		y = ((const Candidate *) b)->score;

	return x < y ? -1 : x > y;
}

/* A keyed hash of a group's key. */
static uint64
hash_group(const TwpNoiseWork *work, const TwpGroup *group, uint64 seed)
{
	for (int k = 0; k < work->release->nkeys; k++)
	{
		const char *key = group->keys[k];

		seed = key == NULL ? mix(seed + 1) :
			hash_bytes_extended((const unsigned char *) key, (int) strlen(key) + 1, seed);
	}
	return seed;
}

/* Collects the parts of people with too many groups, each person's together. */
static Candidate *
collect_candidates(const TwpNoiseWork *work, uint64 n)
{
	uint64		seed = (uint64) twp_noise_uniform((uint128) 1 << 64);
	Candidate  *candidates = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(Candidate));

	for (int g = 0; g < work->ngroups; g++)
	{
		uint64		hash = hash_group(work, &work->groups[g], seed);

		for (uint64 i = 0; i < work->groups[g].nparts; i++)
		{
			int64	   *part = work->groups[g].parts + i * work->size;
			TwpPerson  *person = &work->people[part[TWP_PART_KEY]];

			if (person->ngroups > work->max_groups)
				candidates[person->at++] = (Candidate)
			{
				mix(hash ^ mix(seed + (uint64) person->key)), part
			};
		}
	}
	return candidates;
}

/* Leaves people with too many groups as many as the cap, whichever a keyed hash says. */
static void
drop_groups(TwpNoiseWork *work)
{
	uint64		n = 0;
	Candidate  *candidates;

	for (uint64 p = 0; p < work->npeople; p++)
		if (work->people[p].ngroups > work->max_groups)
		{
			work->people[p].at = n;
			n += work->people[p].nparts;
		}
	if (n == 0)
		return;
	candidates = collect_candidates(work, n);
	for (uint64 p = 0; p < work->npeople; p++)
	{
		TwpPerson  *person = &work->people[p];
		Candidate  *own = candidates + person->at - person->nparts;
		int64		kept = 0;

		if (person->ngroups <= work->max_groups)
			continue;
		qsort(own, person->nparts, sizeof(Candidate), compare_candidates);
		for (int64 i = 0; i < person->nparts; i++)
		{
			/* parts of one group have one score */
			kept += i == 0 || own[i].score != own[i - 1].score;
			if (kept <= work->max_groups)
				continue;
			person->rows -= *twp_part_count(own[i].part, -1);
			*twp_part_count(own[i].part, -1) = 0;
		}
	}
	pfree(candidates);
}

/* Decides the caps, bounds the groups of each person, and says what epsilon is left. */
int64
twp_noise_bound_people(TwpNoiseWork *work)
{
	const TwpReleaseOptions *options = &work->options;
	int64		share = Max(options->epsilon / 8, 1);
	int64		left = options->epsilon;

	work->max_groups = work->max_rows = work->weight = 1;
	if (work->release->once)
		return left;
	work->weight = FULL_WEIGHT;
	count_people(work);
	if (work->release->grouped && (work->max_groups = options->max_groups) == 0)
	{
		work->max_groups = find_cap(work, true, share);
		left -= share;
	}
	if (work->release->grouped)
		drop_groups(work);
	if ((work->max_rows = options->max_rows) == 0)
	{
		work->max_rows = find_cap(work, false, share);
		left -= share;
	}
	for (uint64 p = 0; p < work->npeople; p++)
		work->people[p].weight = work->people[p].rows <= work->max_rows ? FULL_WEIGHT :
			FULL_WEIGHT * work->max_rows / work->people[p].rows;
	return left;
}

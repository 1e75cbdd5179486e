/*
 * sieve.c - turns most subjects away before the map is asked.
 *
 * Each look-up in the map of a large population costs a trip to memory that a
 * processor's cache does not hold, also those that end in "closed".  Once a
 * lens has asked for many and enough of them were closed, it keeps one bit for
 * each hash value that an open subject has: who finds it unset is closed, who
 * finds it set is asked for in the map.
 *
 * Contract: a sieve is of one set of categories and lives as long as the lens's
 * answers and its map's version; later permits drop those at the next
 * twp_consent_refresh().  Memory: the lens's context, half a megabyte at most.
 */
#include "postgres.h"

#include <math.h>

#include "consent/lens_internal.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* A sieve is made when it turns away this share; more where subjects lie close together in the map, at their number. */
#define WORTH 0.25
#define WORTH_DENSE 0.8
#define MIN_ASKED 65536
#define BITS_A_SUBJECT 16
#define MIN_BITS 65536
#define MAX_BITS (4 * 1024 * 1024)
#define MAX_PROFILES_ASKED 2000

/* Finds out for which profiles all the categories are open. */
static bool *
ask_profiles(TwpLens *lens, const TwpMap *map, TwpCategorySet needs)
{
	bool	   *open = palloc0(map->profiles.n * sizeof(bool));

	for (uint32 i = TWP_PROFILE_EMPTY; i < map->profiles.n; i++)
		open[i] = (twp_lens_ask_profile(lens, map, i)->open & needs) == needs;
	return open;
}

/* A sieve being made. */
typedef struct Sieve
{
	uint64	   *words;
	uint64		mask;
	const bool *open;			/* by profile */
	uint32		nprofiles;		/* later ones are let through */
} Sieve;

/* Lets a key through whose profile is open. */
static inline void
add_key(const Sieve *sieve, TwpMapKey key, uint32 profile)
{
	uint64		bit = twp_map_mix(key.a, key.b) & sieve->mask;

	if (profile >= sieve->nprofiles || sieve->open[profile])
		sieve->words[bit / 64] |= UINT64CONST(1) << (bit % 64);
}

/* Lets everybody through whose profile is open. */
static void
fill(const Sieve *sieve, const TwpMap *map)
{
	for (uint64 i = 0; i < map->dense_n; i++)
	{
		TwpMapKey	key = {(uint64) (map->dense_min + (int64) i), 0};

		add_key(sieve, key, map->dense[i]);
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	for (int section = 0; section < TWP_SECTION_TEXT; section++)
		for (uint32 b = 0; b < map->table[section].nbuckets; b++)
		{
			const TwpMapBucket *bucket = &map->table[section].buckets[b];

			for (int i = 0; i < TWP_BUCKET_KEYS; i++)
			{
				uint32		profile = *(volatile const uint32 *) &bucket->profile[i];

				/* a key is there before its profile's number is */
				pg_read_barrier();
				add_key(sieve, bucket->key[i], profile);
			}
			if (b % 65536 == 0)
				CHECK_FOR_INTERRUPTS();
		}
}

/* Gives the bits of a sieve that pays, by what was found so far; 0 when none does. */
static uint64
choose_bits(const TwpLens *lens, const TwpMap *map)
{
	double		share = (double) lens->found_open / lens->asked;
	double		open = twp_map_places(map) * share;
	uint64		bits = pg_nextpower2_64(Max((uint64) (open * BITS_A_SUBJECT), MIN_BITS));
	bool		dense = map->dense_n > twp_map_places(map) / 2;

	bits = Min(bits, MAX_BITS);
	/* turned away are those that are closed and find no open subject's bit */
	return (1 - share) * exp(-open / bits) < (dense ? WORTH_DENSE : WORTH) ? 0 : bits;
}

/* Makes a sieve when what was asked for so far says that it pays. */
void
twp_sieve_consider(TwpLens *lens, const TwpMap *map, TwpCategorySet needs, int n, int open)
{
	Sieve		sieve = {.nprofiles = map->profiles.n};
	uint64		bits;

	if (lens->sieve_needs != needs)
	{
		twp_sieve_drop(lens);
		lens->sieve_needs = needs;
	}
	lens->asked += n;
	lens->found_open += open;
	if (lens->sieve_tried || lens->asked < Max(MIN_ASKED, twp_map_places(map) / 4))
		return;
	lens->sieve_tried = true;
	bits = choose_bits(lens, map);
	if (bits == 0 || sieve.nprofiles > MAX_PROFILES_ASKED || (lens->unnamed & needs) == needs)
		return;
	sieve.open = ask_profiles(lens, map, needs);
	sieve.mask = bits - 1;
	sieve.words = MemoryContextAllocZero(lens->context, bits / 8);
	fill(&sieve, map);
	/* not before it is whole: an interrupt leaves none */
	lens->sieve = sieve.words;
	lens->sieve_mask = sieve.mask;
}

/* Forgets the sieve and what was asked. */
void
twp_sieve_drop(TwpLens *lens)
{
	if (lens->sieve != NULL)
		pfree(lens->sieve);
	lens->sieve = NULL;
	lens->sieve_tried = false;
	lens->asked = lens->found_open = 0;
}

/* Lists those that the map must be asked for; returns how many. */
int
twp_sieve_pass(const TwpLens *lens, const TwpSubject *subjects, int n, uint16 *passed)
{
	int			npassed = 0;

	for (int i = 0; i < n; i++)
	{
		TwpMapKey	key = twp_map_short_key(&subjects[i]);
		uint64		bit = twp_map_mix(key.a, key.b) & lens->sieve_mask;

		passed[npassed] = (uint16) i;
		npassed += subjects[i].kind == TWP_SUBJECT_TEXT ||
			(lens->sieve[bit / 64] >> (bit % 64) & 1) != 0;
	}
	return npassed;
}

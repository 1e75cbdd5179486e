/*
 * noise_internal.h - one release on its way from parts to figures.
 */
#ifndef TWP_NOISE_INTERNAL_H
#define TWP_NOISE_INTERNAL_H

#include "postgres.h"

#include "anonymity/private.h"

/* One data subject over all groups. */
typedef struct TwpPerson
{
	int64		key;
	int64		rows;
	int64		nparts;
	int64		ngroups;		/* that these are of: bins of one group are several parts */
	int64		weight;			/* of each row */
	uint64		at;				/* scratch */
} TwpPerson;

typedef struct TwpNoiseWork
{
	const TwpRelease *release;
	TwpReleaseOptions options;
	bool		known;			/* all groups are known in advance */
	TwpGroup   *groups;
	int			ngroups;
	int			size;			/* words of a part */
	int		   *places;			/* of the columns' sums in it */
	uint64		npeople;
	uint64		capacity;		/* of the index, a power of two; people fill three quarters at most */
	TwpPerson  *people;
	uint32	   *index;			/* place of a person, plus one, by hash of the key; freed after counting */
	int64		max_rows;
	int64		max_groups;
	int64		weight;			/* of a row that counts in full */
	int64		epsilon;		/* for each quantity */
	int			nquantities;
	struct TwpQuantity *quantities;
	double		threshold;
} TwpNoiseWork;

/*
 * noise.c: the noisy number of subjects at which a group shows whose key comes
 * from the data, by the scale of that noise.
 */
extern double twp_noise_threshold(const TwpNoiseWork *work, double scale);

/*
 * people.c: decides the caps, bounds the groups of each person and the weight
 * of their rows, and says what epsilon is left.  Bins of one group come one
 * after the other.
 */
extern int64 twp_noise_bound_people(TwpNoiseWork *work);

#endif							/* TWP_NOISE_INTERNAL_H */

/*
 * lens_internal.h - what a lens remembers, for the files that use it.
 */
#ifndef TWP_CONSENT_LENS_INTERNAL_H
#define TWP_CONSENT_LENS_INTERNAL_H

#include "postgres.h"

#include "consent/map_internal.h"
#include "lib/ilist.h"

/* What a profile says to the question; the slot is the profile's number, folded. */
typedef struct ProfileAnswer
{
	uint32		profile;
	bool		asks_row;
	TwpCategorySet open;
	TimestampTz until;
} ProfileAnswer;

struct TwpLens
{
	slist_node	node;
	TwpLensQuestion question;	/* strings are ours */
	MemoryContext context;		/* of the answers */
	struct answers_hash *answers;
	struct termsanswers_hash *terms;
	ProfileAnswer *profiles;
	uint32		profile_mask;
	uint64		profile_version;	/* map the profiles are of */
	uint64		changes;		/* counter when the answers began */
	uint64		version;		/* no other lens's answers, and none before, had it */
	TimestampTz now;			/* time of decision */
	TimestampTz horizon;		/* first end of an answer given since the answers began */
	bool		use_map;		/* as of the last refresh there is a pinned map */
	uint64		probes;			/* subjects looked up in the index by this statement */
	uint64		probed;			/* and by all since there was a map */
	bool		prohibited;
	TwpCategorySet unnamed;		/* open for a subject without directives */
	uint64	   *sieve;			/* bits by hash, NULL: none */
	uint64		sieve_mask;
	TwpCategorySet sieve_needs; /* what it is of, and the next two */
	bool		sieve_tried;
	uint64		asked;			/* subjects asked for many at a time */
	uint64		found_open;		/* of them */
	TwpCategorySet share_needs; /* the last estimate, 0: none */
	uint64		share_version;
	double		share;
};

/* lens.c: answers for a profile and remembers it. */
extern const ProfileAnswer *twp_lens_ask_profile(TwpLens *lens, const TwpMap *map, uint32 number);

/* sieve.c */
/* Takes note of n more that were asked for, and makes a sieve when that pays. */
extern void twp_sieve_consider(TwpLens *lens, const TwpMap *map, TwpCategorySet needs, int n, int open);
extern void twp_sieve_drop(TwpLens *lens);
/* Lists the numbers of those who may be open; the others are not. */
extern int	twp_sieve_pass(const TwpLens *lens, const TwpSubject *subjects, int n, uint16 *passed);

/* The map as of the last refresh, unless its transaction has ended. */
static inline const TwpMap *
twp_lens_map(const TwpLens *lens)
{
	return lens->use_map ? twp_map_pinned() : NULL;
}

#endif							/* TWP_CONSENT_LENS_INTERNAL_H */

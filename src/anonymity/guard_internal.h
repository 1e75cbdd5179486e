/*
 * guard_internal.h - the differencing guard: what was released, and whether
 * something new lies too near to it.
 *
 * Glossary.  Figure: one released number (or what it is computed from).  Its
 * contributions: for each data subject, what the subject's rows add to it.
 * Sketch: a linear summary of them from which it can be told whether two
 * figures' contributions differ for fewer than a number of subjects, but not
 * for whom.  A figure has two: the exact one of the numbers added, so that
 * equal figures are known as equal however they were asked for; and one of the
 * rows' identities, so that two sets of rows that happen to be alike in
 * number are told apart.  Figures of one tag are made of the same rows and
 * compared by the latter, others by the former.  A sum whose rows have no
 * identity has a sketch of their number in its place, which is not kept.
 *
 * Algebra: sketch(a ++ b) == sketch(a) + sketch(b), cell by cell, over the
 * field of integers modulo 2^61 - 1.
 */
#ifndef TWP_GUARD_INTERNAL_H
#define TWP_GUARD_INTERNAL_H

#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"

#define TWP_GUARD_PRIME ((UINT64CONST(1) << 61) - 1)
#define TWP_GUARD_MAX_FIGURES 48
/* Numbers that a specification begins with, and those of a figure. */
#define TWP_GUARD_SPEC_HEADER 4
#define TWP_GUARD_SPEC_FIGURE 5
/* Tables whose rows one aggregate tells apart. */
#define TWP_GUARD_MAX_IDENTITIES 16
/* Differences are told apart up to so many subjects; a larger cohort is treated like it. */
#define TWP_GUARD_MAX_SUBJECTS 256
#define TWP_GUARD_SECRET_LEN 32

/* What sketches of a use are keyed with, so that nobody can craft ones that collide. */
typedef struct TwpGuardSecret
{
	uint64		word[TWP_GUARD_SECRET_LEN / sizeof(uint64)];
} TwpGuardSecret;

/* A figure as it is compared and stored. */
typedef struct TwpGuardFigure
{
	uint32		tag;			/* 0: no identity, exact sketch only */
	int32		columns;		/* power of two */
	TimestampTz released_at;
	uint64	   *exact;			/* a cell a column */
	uint64	   *identity;		/* the same, or NULL */
} TwpGuardFigure;

/*
 * What the aggregates give for a group; the figures' tallies follow, and cells,
 * [column][2 * figure + (0 exact, 1 identity)].
 */
typedef struct TwpGuardCell
{
	int32		nfigures;
	int32		columns;		/* 0: no cells: fewer than k subjects, or nothing is sketched */
} TwpGuardCell;

/* The figure itself: how many rows count for it, and what they add up to, as sum() would. */
typedef struct TwpGuardTally
{
	int64		n;
	int64		whole;			/* of int2 and int4 */
	double		real;			/* of float8 */
	int64		split;			/* whether the cohort counts for it, and the cohort or nobody does not */
} TwpGuardTally;

/* What a subject is in sketches. */
typedef struct TwpGuardPlace
{
	uint64		coefficient;	/* 1 .. prime - 1 */
	uint64		position;		/* its lowest bits say which column */
} TwpGuardPlace;

/* Multiplies and folds: the step of all keyed hashes here. */
static inline uint64
twp_guard_mix(uint64 a, uint64 b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64) product ^ (uint64) (product >> 64);
}

/* a + b in the field. */
static inline uint64
twp_guard_add(uint64 a, uint64 b)
{
	uint64		sum = a + b;

	return sum >= TWP_GUARD_PRIME ? sum - TWP_GUARD_PRIME : sum;
}

/* a - b in the field. */
static inline uint64
twp_guard_subtract(uint64 a, uint64 b)
{
	return a >= b ? a - b : a + TWP_GUARD_PRIME - b;
}

/* Any 64-bit number in the field. */
static inline uint64
twp_guard_reduce(uint64 a)
{
	a = (a & TWP_GUARD_PRIME) + (a >> 61);
	return a >= TWP_GUARD_PRIME ? a - TWP_GUARD_PRIME : a;
}

/* a * b in the field. */
static inline uint64
twp_guard_multiply(uint64 a, uint64 b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return twp_guard_add((uint64) product & TWP_GUARD_PRIME, (uint64) (product >> 61));
}

/* A number's size and sign as an element of the field. */
static inline uint64
twp_guard_signed(uint64 magnitude, bool negative)
{
	return negative ? twp_guard_subtract(0, magnitude) : magnitude;
}

/* A whole number. */
static inline uint64
twp_guard_integer(int64 value)
{
	return twp_guard_signed(twp_guard_reduce(value < 0 ? 0 - (uint64) value : (uint64) value), value < 0);
}

/* A binary floating-point number: 2 has the order 61 in the field, so that its powers are rotations. */
static inline uint64
twp_guard_double(double value)
{
	uint64		bits;
	uint64		mantissa;
	uint32		exponent;
	uint32		rotation;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & ((UINT64CONST(1) << 52) - 1);
	exponent = (uint32) (bits >> 52) & 0x7FF;
	/* what is no number becomes one that no sum of numbers is likely to be */
	if (unlikely(exponent == 0x7FF))
		return twp_guard_reduce(twp_guard_mix(bits, UINT64CONST(0x9E3779B97F4A7C15)));
	if (exponent == 0)
		exponent = 1;
	else
		mantissa |= UINT64CONST(1) << 52;
	/* the exponent less 1075; 18 * 61 is more than that */
	rotation = (exponent + 18 * 61 - 1075) % 61;
	/* fewer than 61 bits are set, so that this is no other form of zero */
	mantissa = ((mantissa << rotation) & TWP_GUARD_PRIME) | (mantissa >> (61 - rotation));
	return twp_guard_signed(mantissa, (bits >> 63) != 0);
}

/* Where a subject's key lies in sketches. */
static inline TwpGuardPlace
twp_guard_place(const TwpGuardSecret *secret, uint64 key)
{
	uint64		first = twp_guard_mix(key ^ secret->word[0], secret->word[1]);
	unsigned __int128 second = (unsigned __int128) (first ^ secret->word[2]) * (key ^ secret->word[3]);
	TwpGuardPlace place;

	place.coefficient = ((uint64) second & TWP_GUARD_PRIME) | 1;
	if (place.coefficient == TWP_GUARD_PRIME)
		place.coefficient = 1;
	place.position = (uint64) (second >> 64) ^ first;
	return place;
}

/* guard_sketch.c */
/* 1 / a in the field; 0 for 0. */
extern uint64 twp_guard_inverse(uint64 a);
extern uint64 twp_guard_other_number(Oid type, Datum value);
/* The number of columns that tells differences of fewer than k subjects; light for releases of many groups. */
extern int	twp_guard_columns(int k, bool light);
/* Brings a sketch into one of fewer columns. */
extern void twp_guard_fold(const uint64 *from, int columns, uint64 *into, int fewer);
/* No more than the number of subjects for whom a and factor * b differ, up to a limit; b NULL: nothing. */
extern int	twp_guard_distance(const uint64 *a, int a_columns, const uint64 *b, int b_columns, uint64 factor, int limit);

/* A number of one of the types that can be summed, exactly, as an element of the field. */
static inline uint64
twp_guard_number(Oid type, Datum value)
{
	return type == FLOAT8OID ? twp_guard_double(DatumGetFloat8(value)) : twp_guard_other_number(type, value);
}

/* guard_cell.c */
/* Raises that bytes given to an internal function were not made by another one. */
pg_noreturn extern void twp_guard_refuse_bytes(void);

/* guard_store.c */
/* The releases of a use that this backend knows of. */
typedef struct TwpGuardStore TwpGuardStore;

extern const TwpGuardSecret *twp_guard_secret(const char *use_code);
/* Locks the releases of a use and reads what others added. */
extern TwpGuardStore *twp_guard_open(const char *use_code);
/*
 * Judges a figure and, unless the very same was released before, keeps it for
 * twp_guard_close(); false when it lies too near to one that was, or was kept.
 */
extern bool twp_guard_admit(TwpGuardStore *store, const TwpGuardFigure *figure, int k);
/* Makes what was kept durable and unlocks. */
extern void twp_guard_close(TwpGuardStore *store);
/* Drops what was kept since the opening, and unlocks. */
extern void twp_guard_abandon(TwpGuardStore *store);
/* Forgets all releases of a use; gives their number. */
extern int64 twp_guard_forget(const char *use_code);

/* guard.c */
extern void twp_guard_init(void);
extern bool twp_guard_enabled;
extern bool twp_guard_remainder;
extern int	twp_guard_retention_days;
extern int	twp_guard_memory_kb;

#endif							/* TWP_GUARD_INTERNAL_H */

/*
 * cohort.h - how subjects are told apart when they are counted.
 */
#ifndef TWP_COHORT_H
#define TWP_COHORT_H

#include "postgres.h"

#include "base/subject.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"

/* Largest cohort of which a state can be kept. */
#define TWP_COHORT_MAX 100000

/* Subjects seen on two sides of a condition, at most k a side. */
typedef struct TwpCohort
{
	int32		k;
	Oid			type;			/* of the subject */
	int32		n[2];			/* [0] misses, [1] hits */
	uint64		keys[FLEXIBLE_ARRAY_MEMBER];	/* 2 * k */
} TwpCohort;

#define TWP_COHORT_SIZE(k) (offsetof(TwpCohort, keys) + 2 * (Size) (k) * sizeof(uint64))

/* The 64-bit key of a subject: integers as they are, others hashed. */
static inline uint64
twp_cohort_key(Oid type, Datum value)
{
	TwpSubject	subject;

	switch (type)
	{
		case INT4OID:
			return (uint64) (int64) DatumGetInt32(value);
		case INT8OID:
			return (uint64) DatumGetInt64(value);
		default:
			twp_subject_from_datum(&subject, type, value);
			if (subject.kind == TWP_SUBJECT_INT)
				return (uint64) subject.key.number;
			if (subject.kind == TWP_SUBJECT_UUID)
				return hash_bytes_extended(subject.key.uuid, sizeof(subject.key.uuid), 0);
			return hash_bytes_extended((const unsigned char *) subject.key.text.data, subject.key.text.len, 0);
	}
}

/* cohort.c: adds a key to a side that is not full. */
extern void twp_cohort_add_key(TwpCohort *cohort, int side, uint64 key);

/* Adds a key to one side, unless that is full. */
static inline void
twp_cohort_add(TwpCohort *cohort, int side, uint64 key)
{
	if (cohort->n[side] < cohort->k)
		twp_cohort_add_key(cohort, side, key);
}

/* Adds what another one has seen. */
extern void twp_cohort_merge(TwpCohort *into, const TwpCohort *from);

/* True when k hit, and none or k missed. */
static inline bool
twp_cohort_is_split(const TwpCohort *cohort)
{
	return cohort->n[1] >= cohort->k && (cohort->n[0] == 0 || cohort->n[0] >= cohort->k);
}

/* Raises unless a cohort of that size can be counted. */
extern void twp_cohort_check_size(int32 k);

#endif							/* TWP_COHORT_H */

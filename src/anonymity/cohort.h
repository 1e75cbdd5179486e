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

/* Raises unless a cohort of that size can be counted. */
extern void twp_cohort_check_size(int32 k);

#endif							/* TWP_COHORT_H */

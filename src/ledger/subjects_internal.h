/*
 * subjects_internal.h - the packed form of a set of data subjects.
 */
#ifndef TWP_LEDGER_SUBJECTS_INTERNAL_H
#define TWP_LEDGER_SUBJECTS_INTERNAL_H

#include "ledger/ledger.h"

/* Encodings of integers; numbers are on disk for ever.  Other kinds use DELTAS. */
typedef enum TwpSetEncoding
{
	TWP_SET_DELTAS = 1,			/* base, then for each the gap behind the one before */
	TWP_SET_RUNS,				/* base, then gap and length - 1 of each run */
	TWP_SET_BITMAP,				/* base, then 64-bit words */
} TwpSetEncoding;

/* Counts bytes while data is NULL, else writes them. */
typedef struct TwpPackWriter
{
	char	   *data;
	uint64		len;
} TwpPackWriter;

extern void twp_pack_put_varint(TwpPackWriter *writer, uint64 value);
extern void twp_pack_put_signed(TwpPackWriter *writer, int64 value);
extern void twp_pack_put_bytes(TwpPackWriter *writer, const void *data, uint64 len);
extern void twp_pack_begin_part(TwpPackWriter *writer, TwpSubjectKind kind, TwpSetEncoding encoding,
								uint64 count, uint64 len);

/* True when the packed set holds the subject. */
extern bool twp_subjects_contain(const char *packed, uint64 len, const TwpSubject *subject);
/* Number of subjects as the parts state it. */
extern uint64 twp_subjects_packed_count(const char *packed, uint64 len);
extern int	twp_subject_compare(const TwpSubject *a, const TwpSubject *b);

#endif							/* TWP_LEDGER_SUBJECTS_INTERNAL_H */

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

/* A uuid among those a set lists, with the number it was added under. */
typedef struct TwpListedUuid
{
	unsigned char uuid[16];
	uint32		number;
} TwpListedUuid;

/* Bits that stand for the integers from first on; the window has room for them. */
typedef struct TwpCountedIntegers
{
	const uint64 *bits;
	int64		first;
	uint64		n;
	struct TwpCountedIntegers *next;
} TwpCountedIntegers;

/* Every subject is in one of three places: the window, the list, or the hash table. */
struct TwpSubjectSet
{
	MemoryContext context;
	int64		base;			/* number of the window's first bit, a multiple of 64 */
	uint64		bits;			/* size of the window, a multiple of 64 */
	uint64	   *words;
	uint64		window_count;
	struct member_hash *members;	/* neither in the window nor listed, or NULL */
	uint64		numbering;		/* version of the numbers, 0: none yet */
	uint64		nnumbers;
	uint64	   *numbered;		/* bits by number */
	uint64		nintegers;		/* numbers below it need no adding */
	struct TwpCountedIntegers *counted; /* what such bits stand for, under this and earlier numberings */
	TwpListedUuid *listed;
	uint64		nlisted;
	uint64		list_room;
	bool		repeats;		/* the list may name a subject twice, or one that is a member */
};

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

/* Takes in what was only marked by a number, and removes repetitions from the list; raises nothing. */
extern void twp_subjects_settle(TwpSubjectSet *set);
/* Copies the hash table's members, sorted; NULL when out of memory. */
extern TwpSubject *twp_subjects_sorted_members(const TwpSubjectSet *set, uint64 *n);
/* True when the packed set holds the subject. */
extern bool twp_subjects_contain(const char *packed, uint64 len, const TwpSubject *subject);
/* Number of subjects as the parts state it. */
extern uint64 twp_subjects_packed_count(const char *packed, uint64 len);
extern int	twp_subject_compare(const TwpSubject *a, const TwpSubject *b);

#endif							/* TWP_LEDGER_SUBJECTS_INTERNAL_H */

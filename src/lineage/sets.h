/*
 * sets.h - sets of (subject, categories), each kept once.
 *
 * Most rows are made from data of the same person, so there are few different
 * sets; a row holds the number of its set.  Set 0 is empty, set 1 is closed to
 * everybody.
 */
#ifndef TWP_LINEAGE_SETS_H
#define TWP_LINEAGE_SETS_H

#include "postgres.h"

#include "base/subject.h"
#include "vocab/vocab.h"

#define TWP_SET_EMPTY 0
#define TWP_SET_CLOSED 1

typedef struct TwpItem
{
	uint32		subject;		/* number */
	TwpCategorySet needs;
} TwpItem;

typedef struct TwpSet
{
	uint32		start;			/* of its items */
	uint32		n;
} TwpSet;

typedef struct TwpSets
{
	MemoryContext context;
	TwpSet	   *sets;
	uint32		nsets;
	TwpItem    *items;
	uint32		nitems;
	TwpSubject *subjects;
	uint32		nsubjects;
	uint32		set_room;
	uint32		item_room;
	uint32		subject_room;
	struct subjectnumbers_hash *numbers;
	struct setnumbers_hash *index;
} TwpSets;

extern TwpSets *twp_sets_create(MemoryContext context);
/* Bytes in use. */
extern Size twp_sets_size(const TwpSets *sets);
/* The set of one subject and what is asked of it. */
extern uint32 twp_sets_single(TwpSets *sets, const TwpSubject *subject, TwpCategorySet needs);
/* The set of all that is in some sets. */
extern uint32 twp_sets_union(TwpSets *sets, const uint32 *numbers, int n);
/* Frees what only making sets needs. */
extern void twp_sets_finish(TwpSets *sets);

#endif							/* TWP_LINEAGE_SETS_H */

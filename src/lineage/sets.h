/*
 * sets.h - sets of what rows are made from, each kept once.
 *
 * An item of a set is a subject with the categories asked of it, or another
 * set: a large one (a pooled model's) is not copied into what is made from it.
 * Such a reference may ask for categories of every subject below it besides,
 * of which there must be one then (made from a row of nobody's own).  A set
 * refers only to sets with lower numbers.
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

/* Of an item: it is another set. */
#define TWP_ITEM_SET 0x80000000u

typedef struct TwpItem
{
	uint32		what;			/* number of a subject; or TWP_ITEM_SET and of a set */
	TwpCategorySet needs;
} TwpItem;

typedef struct TwpSet
{
	uint32		start;			/* of its items */
	uint32		n;
	bool		inner;			/* is an item of another */
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
	uint32	   *inner;			/* sets that are items of others, in order once finished */
	uint32		ninner;
	uint32		inner_room;
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
/* The set of what a row of nobody's own stands for: all subjects of a set, each asked for more. */
extern uint32 twp_sets_pooled(TwpSets *sets, uint32 number, TwpCategorySet needs);
/* Ends the making of sets, and frees what only that needs. */
extern void twp_sets_finish(TwpSets *sets);

#endif							/* TWP_LINEAGE_SETS_H */

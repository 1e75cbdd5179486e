/*
 * bounded_table.h - the parts of a group's data subjects, found by their keys.
 *
 * Parts lie one after the other, and an index of their numbers beside them, so
 * that they are given out as they are and only the index is made anew when it
 * grows.  Memory: the table's context.
 */
#ifndef TWP_BOUNDED_TABLE_H
#define TWP_BOUNDED_TABLE_H

#include "postgres.h"

#include "anonymity/bounded.h"
#include "port/pg_bitutils.h"

typedef struct TwpBoundedTable
{
	MemoryContext context;
	uint64		seed;
	int			size;			/* words of a part */
	uint64		nindex;			/* a power of two, or 0 */
	uint32	   *index;			/* by hash of the key: the part's number plus one, 0 for none */
	uint64		capacity;		/* parts there is room for */
	uint64		used;
	int64	   *parts;
} TwpBoundedTable;

/* The size of an index for a number of parts: three quarters are filled at most. */
static inline uint64
twp_bounded_index_size(uint64 n)
{
	return pg_nextpower2_64(Max(n + n / 2, 32));
}

/* Where the search for a key begins in the index. */
static inline uint64
twp_bounded_place(const TwpBoundedTable *table, uint64 key)
{
	key ^= table->seed;
	key ^= key >> 32;
	key *= UINT64CONST(0xd6e8feb86659fd93);
	key ^= key >> 32;
	return key & (table->nindex - 1);
}

/* Makes room for a number of parts in an empty table. */
extern void twp_bounded_prepare(TwpBoundedTable *table, uint64 n);
/* Adds a part without rows; gives it. */
extern int64 *twp_bounded_add_part(TwpBoundedTable *table, uint64 key);

/* Finds or makes the part of a key; a new one has no rows yet. */
static inline int64 *
twp_bounded_part_of(TwpBoundedTable *table, uint64 key)
{
	if (table->nindex > 0)
		for (uint64 at = twp_bounded_place(table, key); table->index[at] != 0; at = (at + 1) & (table->nindex - 1))
		{
			int64	   *part = table->parts + (uint64) (table->index[at] - 1) * table->size;

			if (part[TWP_PART_KEY] == (int64) key)
				return part;
		}
	return twp_bounded_add_part(table, key);
}

#endif							/* TWP_BOUNDED_TABLE_H */

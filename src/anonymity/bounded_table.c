/*
 * bounded_table.c - the parts of a group's data subjects: how the table grows.
 */
#include "postgres.h"

#include "anonymity/bounded_table.h"
#include "base/compat.h"
#include "utils/memutils.h"

/* Parts for which there is room at first. */
#define FIRST_PARTS 16

/* Makes an index of a size of the parts there are. */
static void
make_index(TwpBoundedTable *table, uint64 n)
{
	if (table->index != NULL)
		pfree(table->index);
	table->nindex = n;
	table->index = MemoryContextAllocExtended(table->context, n * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < table->used; i++)
	{
		uint64		at = twp_bounded_place(table, (uint64) table->parts[i * table->size + TWP_PART_KEY]);

		while (table->index[at] != 0)
			at = (at + 1) & (n - 1);
		table->index[at] = (uint32) i + 1;
	}
}

/* Makes room for a number of parts. */
static void
make_parts(TwpBoundedTable *table, uint64 n)
{
	Size		bytes = n * table->size * sizeof(int64);

	table->parts = table->parts == NULL ? MemoryContextAllocHuge(table->context, bytes) :
		repalloc_huge(table->parts, bytes);
	table->capacity = n;
}

/* Makes room for a number of parts in an empty table. */
void
twp_bounded_prepare(TwpBoundedTable *table, uint64 n)
{
	make_index(table, twp_bounded_index_size(n));
	make_parts(table, n);
}

/* Adds a part without rows; gives it. */
int64 *
twp_bounded_add_part(TwpBoundedTable *table, uint64 key)
{
	int64	   *part;
	uint64		at;

	if (table->used == PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many data subjects in one group"),
				 errhint("Ask for smaller groups.")));
	if (table->used >= table->nindex / 4 * 3)
		make_index(table, twp_bounded_index_size(table->nindex));
	if (table->used == table->capacity)
		make_parts(table, Max(2 * table->capacity, FIRST_PARTS));
	for (at = twp_bounded_place(table, key); table->index[at] != 0;)
		at = (at + 1) & (table->nindex - 1);
	part = table->parts + table->used * table->size;
	table->index[at] = (uint32) ++table->used;
	memset(part, 0, table->size * sizeof(int64));
	part[TWP_PART_KEY] = (int64) key;
	return part;
}

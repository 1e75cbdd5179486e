/*
 * bounded.h - what each data subject gives to a group, added up exactly.
 *
 * Glossary.  Column: something of each row that is counted and perhaps summed.
 * Grid: whole numbers 0 .. width that stand for low, low + step, ... of a
 * column; values beyond its ends are put at them.  Part: one subject's rows of
 * one group, as whole numbers.
 */
#ifndef TWP_BOUNDED_H
#define TWP_BOUNDED_H

#include "postgres.h"

/* Largest width of a grid: its squares add up within 64 bits for eight million rows of a subject. */
#define TWP_GRID_MAX (INT64CONST(1) << 20)

typedef struct TwpBoundedColumn
{
	bool		summed;			/* else only counted */
	bool		squared;		/* squares of the distance from the middle are wanted, too */
	bool		complete;		/* every row counts */
	double		low;			/* value at 0 of the grid */
	double		step;
	int64		origin;			/* low / step, whole */
	int64		width;
} TwpBoundedColumn;

typedef struct TwpBoundedLayout
{
	int32		vl_len_;		/* it is passed as a bytea */
	int32		ncolumns;
	TwpBoundedColumn columns[FLEXIBLE_ARRAY_MEMBER];
} TwpBoundedLayout;

#define TWP_LAYOUT_SIZE(n) (offsetof(TwpBoundedLayout, columns) + (n) * sizeof(TwpBoundedColumn))

/*
 * A part is an array of 64-bit words: the subject's key; how many rows, in the
 * lower half of a word, and how many of them each column counts, in the halves
 * that follow; and for each column the sum of its grid values and of
 * (2 value - width)^2, where these are wanted.
 */
#define TWP_PART_KEY 0
#define TWP_PART_COUNTS 1
#define TWP_PART_SUMS(ncolumns) (TWP_PART_COUNTS + (ncolumns) / 2 + 1)

/* How many rows a part has (column -1), or how many of them a column counts. */
static inline uint32 *
twp_part_count(int64 *part, int column)
{
	return (uint32 *) (part + TWP_PART_COUNTS) + column + 1;
}

/* Where a column's sums lie in a part; *size becomes the size of a part. */
static inline void
twp_part_places(const TwpBoundedLayout *layout, int *places, int *size)
{
	int			at = TWP_PART_SUMS(layout->ncolumns);

	for (int j = 0; j < layout->ncolumns; j++)
	{
		places[j] = at;
		at += layout->columns[j].summed + layout->columns[j].squared;
	}
	*size = at;
}

#endif							/* TWP_BOUNDED_H */

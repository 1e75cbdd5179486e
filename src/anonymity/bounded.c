/*
 * bounded.c - the aggregate that adds up each data subject's part of a group.
 *
 * bounded(seed, layout, subject, column, ...) gives, as bytea, one part for
 * each subject (bounded.h).  Values become whole numbers before anything is
 * added, and whole numbers add up to the same in any order:
 *   merge(agg(a), agg(b)) == agg(a ++ b).
 * Sums of squares that no longer fit stay at the largest number, which errs
 * on the side of less.
 *
 * Rows wait until there are some thousands of a group, so that its table is in
 * the processor's caches when they are added, and is made once, of the right
 * size, when there are no more.
 *
 * Keys are 64-bit: integers as they are, others hashed under the seed, so that
 * nobody can choose subjects that meet.  What is not a finite number counts
 * as missing.  Memory: the aggregate's context.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/bounded.h"
#include "anonymity/bounded_table.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/subject.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twp_anonymity_bounded_add);
PG_FUNCTION_INFO_V1(twp_anonymity_bounded_combine);
PG_FUNCTION_INFO_V1(twp_anonymity_bounded_serialize);
PG_FUNCTION_INFO_V1(twp_anonymity_bounded_deserialize);
PG_FUNCTION_INFO_V1(twp_anonymity_bounded_final);

#define ARG_SEED 1
#define ARG_LAYOUT 2
#define ARG_SUBJECT 3
#define ARG_COLUMNS 4

/* Rows for which there is room at first, and that wait at most while their table is no larger. */
#define FIRST_ROOM 16
#define MAX_ROOM 4096
/* Rows for which memory is fetched while others are added. */
#define BATCH 64
/* Room for the table of one group, used for one after the other. */
typedef struct Scratch
{
	uint64		nindex;
	uint32	   *index;
	uint64		words;
	int64	   *parts;
} Scratch;

/* What all groups of an aggregate share; worked out at the first row. */
typedef struct Site
{
	uint64		seed;
	int			ncolumns;
	int			size;			/* words of a part */
	int			width;			/* bytes of a row that waits */
	Oid			subject_type;
	Oid			types[FUNC_MAX_ARGS];	/* of the columns */
	int			places[FUNC_MAX_ARGS];	/* of the columns' sums */
	TwpBoundedLayout *layout;
} Site;

typedef struct Bounded
{
	const Site *site;			/* NULL in a state that is only merged */
	int			room;			/* for rows that wait */
	int			nwaiting;
	char	   *waiting;		/* rows: the key, then each column's place on its grid, -1 where it does not count */
	int			ncolumns;
	TwpBoundedTable table;
	bool		finished;		/* its parts were given */
} Bounded;

/* The table of a serialised state: a header and parts without gaps. */
typedef struct Packed
{
	uint64		seed;
	int32		ncolumns;
	int32		size;
	uint64		used;
	int64		parts[FLEXIBLE_ARRAY_MEMBER];
} Packed;

/* Raises that bytes given to an internal function were not made by another one. */
static void
refuse_state(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed state of a private release"),
			 errhint("Queries under a private use call this function; nobody else need.")));
}

/* Makes an empty state. */
static Bounded *
create_state(MemoryContext context, uint64 seed, int ncolumns, int size)
{
	Bounded    *b = MemoryContextAllocZero(context, sizeof(Bounded));

	b->table.context = context;
	b->table.seed = seed;
	b->ncolumns = ncolumns;
	b->table.size = size;
	return b;
}

/* The 64-bit key of a subject. */
static inline uint64
subject_key(const Site *site, Datum value)
{
	TwpSubject	subject;

	if (site->subject_type == INT4OID)
		return (uint64) (int64) DatumGetInt32(value);
	if (site->subject_type == INT8OID)
		return (uint64) DatumGetInt64(value);
	twp_subject_from_datum(&subject, site->subject_type, value);
	if (subject.kind == TWP_SUBJECT_INT)
		return (uint64) subject.key.number;
	if (subject.kind == TWP_SUBJECT_UUID)
		return hash_bytes_extended(subject.key.uuid, sizeof(subject.key.uuid), site->seed);
	return hash_bytes_extended((const unsigned char *) subject.key.text.data, subject.key.text.len, site->seed);
}

/* A number of any type. */
static inline double
number_of(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case FLOAT8OID:
			return DatumGetFloat8(value);
		default:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
	}
}

/* Adding it and taking it off rounds what is smaller to a whole number, as rint() does. */
#define ROUNDER 6755399441055744.0

/* The place of a number on a column's grid. */
static inline int64
grid_value(const TwpBoundedColumn *column, double number)
{
	double		place = (number - column->low) / column->step;

	if (place <= 0)
		return 0;
	return place >= (double) column->width ? column->width : (int64) ((place + ROUNDER) - ROUNDER);
}

/* Adds two numbers that are not negative; what does not fit stays at the largest. */
static inline int64
add_up(int64 a, int64 b)
{
	int64		sum;

	return pg_add_s64_overflow(a, b, &sum) ? PG_INT64_MAX : sum;
}

/* Adds to a count; it stays at the largest number, which noise.c knows how to take. */
static inline void
count_up(uint32 *count, uint32 n)
{
	*count = n > PG_UINT32_MAX - *count ? PG_UINT32_MAX : *count + n;
}

/* The key of a row that waits. */
static inline uint64
row_key(const char *row)
{
	uint64		key;

	memcpy(&key, row, sizeof(key));
	return key;
}

/* Adds a row to the part of its subject. */
static inline void
add_row(const Site *site, int64 *part, const char *row)
{
	row += sizeof(uint64);
	count_up(twp_part_count(part, -1), 1);
	for (int j = 0; j < site->ncolumns; j++, row += sizeof(int32))
	{
		const TwpBoundedColumn *column = &site->layout->columns[j];
		int64	   *sums = part + site->places[j];
		int32		place;

		memcpy(&place, row, sizeof(place));
		if (place < 0)
			continue;
		count_up(twp_part_count(part, j), 1);
		if (column->summed)
			sums[0] += place;
		if (column->squared)
			sums[1] = add_up(sums[1], (2 * place - column->width) * (2 * place - column->width));
	}
}

/* Adds the rows that wait. */
static void
add_waiting(Bounded *b)
{
	if (b->table.nindex == 0 && b->nwaiting > 0)
	{
		twp_bounded_prepare(&b->table, b->nwaiting);
	}
	for (int start = 0; start < b->nwaiting; start += BATCH)
	{
		const char *first = b->waiting + (Size) start * b->site->width;
		const char *end = b->waiting + (Size) Min(start + BATCH, b->nwaiting) * b->site->width;

		for (const char *row = first; row < end; row += b->site->width)
			__builtin_prefetch(&b->table.index[twp_bounded_place(&b->table, row_key(row))]);
		for (const char *row = first; row < end; row += b->site->width)
		{
			uint32		number = b->table.index[twp_bounded_place(&b->table, row_key(row))];

			if (number != 0)
				__builtin_prefetch(b->table.parts + (uint64) (number - 1) * b->table.size, 1);
		}
		for (const char *row = first; row < end; row += b->site->width)
			add_row(b->site, twp_bounded_part_of(&b->table, row_key(row)), row);
	}
	b->nwaiting = 0;
}

/* Raises when the parts of a state were given: nobody may ask for them again. */
static void
check_open(const Bounded *b)
{
	if (b->finished)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a group of a private release is given once"),
				 errhint("Queries under a private use call this function; nobody else need.")));
}

/* Makes room for a row: more rows wait, up to as many as the table has parts, or all are added. */
static void
make_room(Bounded *b)
{
	check_open(b);
	if (b->room >= MAX_ROOM && (uint64) b->room >= b->table.used)
	{
		add_waiting(b);
		return;
	}
	b->room = b->room < MAX_ROOM ? Max(4 * b->room, FIRST_ROOM) : 2 * b->room;
	b->waiting = b->waiting == NULL ? MemoryContextAlloc(b->table.context, (Size) b->room * b->site->width) :
		repalloc_huge(b->waiting, (Size) b->room * b->site->width);
}

/* The place of a column's value on its grid; 0 when it is only counted, -1 when it does not count. */
static inline int32
place_of(const Site *site, int j, NullableDatum value)
{
	const TwpBoundedColumn *column = &site->layout->columns[j];
	double		number;

	if (value.isnull)
		return -1;
	if (!column->summed)
		return 0;
	number = number_of(site->types[j], value.value);
	return isfinite(number) ? (int32) grid_value(column, number) : -1;
}

/* What the groups of an aggregate share. */
static Site *
call_site(FunctionCallInfo fcinfo)
{
	Site	   *site = fcinfo->flinfo->fn_extra;
	TwpBoundedLayout *layout;

	if (site != NULL)
		return site;
	TWP_REQUIRE_ARG(ARG_LAYOUT, "layout");
	TWP_REQUIRE_ARG(ARG_SEED, "seed");
	layout = (TwpBoundedLayout *) PG_DETOAST_DATUM(PG_GETARG_DATUM(ARG_LAYOUT));
	if (VARSIZE(layout) < offsetof(TwpBoundedLayout, columns) || layout->ncolumns != PG_NARGS() - ARG_COLUMNS ||
		VARSIZE(layout) != TWP_LAYOUT_SIZE(layout->ncolumns))
		refuse_state();
	site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Site));
	site->layout = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, VARSIZE(layout));
	memcpy(site->layout, layout, VARSIZE(layout));
	site->seed = (uint64) PG_GETARG_INT64(ARG_SEED);
	site->ncolumns = layout->ncolumns;
	twp_part_places(layout, site->places, &site->size);
	site->width = sizeof(uint64) + layout->ncolumns * sizeof(int32);
	site->subject_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, ARG_SUBJECT));
	for (int j = 0; j < site->ncolumns; j++)
		site->types[j] = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, ARG_COLUMNS + j));
	fcinfo->flinfo->fn_extra = site;
	return site;
}

/* Prepares a state at a group's first row. */
static Bounded *
begin_state(FunctionCallInfo fcinfo)
{
	const Site *site = call_site(fcinfo);
	MemoryContext context;
	Bounded    *b;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	b = create_state(context, site->seed, site->ncolumns, site->size);
	b->site = site;
	return b;
}

/* Adds a row. */
Datum
twp_anonymity_bounded_add(PG_FUNCTION_ARGS)
{
	Bounded    *b = PG_ARGISNULL(0) ? begin_state(fcinfo) : (Bounded *) PG_GETARG_POINTER(0);
	const Site *site = b->site;
	uint64		key;
	char	   *row;

	if (PG_ARGISNULL(ARG_SUBJECT))
		PG_RETURN_POINTER(b);
	if (b->nwaiting == b->room)
		make_room(b);
	row = b->waiting + (Size) b->nwaiting++ * site->width;
	key = subject_key(site, PG_GETARG_DATUM(ARG_SUBJECT));
	memcpy(row, &key, sizeof(key));
	row += sizeof(key);
	for (int j = 0; j < site->ncolumns; j++, row += sizeof(int32))
	{
		int32		place = place_of(site, j, fcinfo->args[ARG_COLUMNS + j]);

		memcpy(row, &place, sizeof(place));
	}
	PG_RETURN_POINTER(b);
}

/* Adds a part to a state. */
static void
merge_part(Bounded *b, const int64 *from)
{
	int64	   *part = twp_bounded_part_of(&b->table, (uint64) from[TWP_PART_KEY]);

	for (int j = -1; j < b->ncolumns; j++)
		count_up(twp_part_count(part, j), *twp_part_count((int64 *) from, j));
	for (int word = TWP_PART_SUMS(b->ncolumns); word < b->table.size; word++)
		part[word] = add_up(part[word], from[word]);
}

/* Merges two states. */
Datum
twp_anonymity_bounded_combine(PG_FUNCTION_ARGS)
{
	Bounded    *into = PG_ARGISNULL(0) ? NULL : (Bounded *) PG_GETARG_POINTER(0);
	Bounded    *from = PG_ARGISNULL(1) ? NULL : (Bounded *) PG_GETARG_POINTER(1);
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	if (from == NULL)
	{
		if (into == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(into);
	}
	if (into == NULL)
		into = create_state(context, from->table.seed, from->ncolumns, from->table.size);
	if (into->table.size != from->table.size || into->ncolumns != from->ncolumns)
		refuse_state();
	add_waiting(from);
	for (uint64 i = 0; i < from->table.used; i++)
		merge_part(into, from->table.parts + i * from->table.size);
	PG_RETURN_POINTER(into);
}

/* Lends a state that has none a table, empty and large enough for the rows that wait. */
static void
lend_table(Bounded *b, FunctionCallInfo fcinfo)
{
	Scratch    *scratch = fcinfo->flinfo->fn_extra;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	uint64		words = (uint64) b->nwaiting * b->table.size;

	if (scratch == NULL)
		scratch = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(context, sizeof(Scratch));
	b->table.nindex = twp_bounded_index_size(b->nwaiting);
	if (scratch->nindex < b->table.nindex)
	{
		if (scratch->index != NULL)
			pfree(scratch->index);
		scratch->index = MemoryContextAllocHuge(context, b->table.nindex * sizeof(uint32));
		scratch->nindex = b->table.nindex;
	}
	if (scratch->words < words)
	{
		if (scratch->parts != NULL)
			pfree(scratch->parts);
		scratch->parts = MemoryContextAllocHuge(context, words * sizeof(int64));
		scratch->words = words;
	}
	b->table.index = memset(scratch->index, 0, b->table.nindex * sizeof(uint32));
	b->table.parts = scratch->parts;
	b->table.capacity = b->nwaiting;
}

/* Frees what a state holds once its parts were given: those of other groups take its place. */
static void
finish(Bounded *b, bool lent)
{
	if (!lent && b->table.index != NULL)
	{
		pfree(b->table.index);
		pfree(b->table.parts);
	}
	if (b->waiting != NULL)
		pfree(b->waiting);
	b->table.index = NULL;
	b->table.parts = NULL;
	b->waiting = NULL;
	b->table.nindex = b->table.capacity = b->table.used = 0;
	b->room = b->nwaiting = 0;
	b->finished = true;
}

/* Makes a bytea of a header of some size and the parts. */
static bytea *
pack_parts(FunctionCallInfo fcinfo, Bounded *b, Size header)
{
	bool		lent = b->table.nindex == 0 && b->nwaiting > 0;
	Size		bytes;
	bytea	   *packed;

	check_open(b);
	if (lent)
		lend_table(b, fcinfo);
	add_waiting(b);
	bytes = header + b->table.used * b->table.size * sizeof(int64);
	if (!AllocSizeIsValid(VARHDRSZ + bytes))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many data subjects in one group"),
				 errhint("Ask for smaller groups.")));
	packed = palloc(VARHDRSZ + bytes);
	SET_VARSIZE(packed, VARHDRSZ + bytes);
	if (b->table.used > 0)
		memcpy(VARDATA(packed) + header, b->table.parts, bytes - header);
	finish(b, lent);
	return packed;
}

/* Packs a state for another process. */
Datum
twp_anonymity_bounded_serialize(PG_FUNCTION_ARGS)
{
	Bounded    *b = (Bounded *) PG_GETARG_POINTER(0);
	bytea	   *packed = pack_parts(fcinfo, b, offsetof(Packed, parts));
	Packed		header = {b->table.seed, b->ncolumns, b->table.size,
	(VARSIZE(packed) - VARHDRSZ - offsetof(Packed, parts)) / (b->table.size * sizeof(int64))};

	memcpy(VARDATA(packed), &header, offsetof(Packed, parts));
	PG_RETURN_BYTEA_P(packed);
}

/* Unpacks it. */
Datum
twp_anonymity_bounded_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *packed = PG_GETARG_BYTEA_PP(0);
	Size		len = VARSIZE_ANY_EXHDR(packed);
	Packed	   *copy = palloc(len + sizeof(int64));
	Bounded    *b;

	memcpy(copy, VARDATA_ANY(packed), len);
	if (len < offsetof(Packed, parts) || copy->ncolumns < 0 || copy->ncolumns > FUNC_MAX_ARGS ||
		copy->size < TWP_PART_SUMS(copy->ncolumns) || copy->size > 4 * FUNC_MAX_ARGS ||
		copy->used > len || len != offsetof(Packed, parts) + copy->used * copy->size * sizeof(int64))
		refuse_state();
	b = create_state(CurrentMemoryContext, copy->seed, copy->ncolumns, copy->size);
	for (uint64 i = 0; i < copy->used; i++)
		merge_part(b, copy->parts + i * copy->size);
	pfree(copy);
	PG_RETURN_POINTER(b);
}

/* Gives the parts. */
Datum
twp_anonymity_bounded_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(pack_parts(fcinfo, (Bounded *) PG_GETARG_POINTER(0), 0));
}

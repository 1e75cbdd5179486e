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
 * Keys are 64-bit: integers as they are, others hashed under the seed, so that
 * nobody can choose subjects that meet.  What is not a finite number counts
 * as missing.  Memory: the aggregate's context.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/bounded.h"
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

/* Rows that wait to be added together, so that memory is fetched for some while others are added. */
#define MAX_WAITING 64
/* Words from which on a table is worth waiting for. */
#define LARGE_TABLE 2048

typedef struct Bounded
{
	MemoryContext context;
	uint64		seed;
	int			ncolumns;
	Oid			subject_type;
	Oid		   *types;			/* of the columns */
	TwpBoundedLayout *layout;	/* NULL in a state that is only merged */
	int		   *places;			/* of the columns' sums */
	int			size;			/* words of a part */
	uint64		capacity;		/* parts there is room for, a power of two */
	uint64		used;
	int64	   *parts;			/* open addressing; a part without rows is free */
	int			nwaiting;
	int64	   *waiting;		/* rows: the key and each column's place on its grid, -1 for none; or NULL */
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

/* Makes an empty state. */
static Bounded *
create_state(MemoryContext context, uint64 seed, int ncolumns, int size)
{
	Bounded    *b = MemoryContextAllocZero(context, sizeof(Bounded));

	b->context = context;
	b->seed = seed;
	b->ncolumns = ncolumns;
	b->size = size;
	b->capacity = 16;
	b->parts = MemoryContextAllocZero(context, b->capacity * size * sizeof(int64));
	return b;
}

/* Where the search for a key begins. */
static inline int64 *
first_place(const Bounded *b, uint64 key)
{
	key ^= b->seed;
	key ^= key >> 32;
	key *= UINT64CONST(0xd6e8feb86659fd93);
	key ^= key >> 32;
	return b->parts + (key & (b->capacity - 1)) * b->size;
}

/* Finds the part of a key, or the free place for it. */
static inline int64 *
find_part(const Bounded *b, uint64 key)
{
	int64	   *part = first_place(b, key);
	const int64 *end = b->parts + b->capacity * b->size;

	while (*twp_part_count(part, -1) != 0 && part[TWP_PART_KEY] != (int64) key)
	{
		part += b->size;
		if (part == end)
			part = b->parts;
	}
	return part;
}

/* Doubles the table. */
static void
grow(Bounded *b)
{
	int64	   *old = b->parts;
	uint64		n = b->capacity;

	b->capacity *= 2;
	b->parts = MemoryContextAllocExtended(b->context, b->capacity * b->size * sizeof(int64),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < n; i++)
	{
		int64	   *part = old + i * b->size;

		if (*twp_part_count(part, -1) != 0)
			memcpy(find_part(b, part[TWP_PART_KEY]), part, b->size * sizeof(int64));
	}
	pfree(old);
	if (b->waiting == NULL && b->layout != NULL && b->capacity * b->size >= LARGE_TABLE)
		b->waiting = MemoryContextAlloc(b->context, MAX_WAITING * (1 + b->ncolumns) * sizeof(int64));
}

/* Finds or makes the part of a key; a new one has no rows yet. */
static inline int64 *
part_of(Bounded *b, uint64 key)
{
	int64	   *part = find_part(b, key);

	if (*twp_part_count(part, -1) == 0)
	{
		if (b->used >= b->capacity / 4 * 3)
		{
			grow(b);
			part = find_part(b, key);
		}
		b->used++;
		part[TWP_PART_KEY] = (int64) key;
	}
	return part;
}

/* The 64-bit key of a subject. */
static inline uint64
subject_key(const Bounded *b, Datum value)
{
	TwpSubject	subject;

	if (b->subject_type == INT4OID)
		return (uint64) (int64) DatumGetInt32(value);
	if (b->subject_type == INT8OID)
		return (uint64) DatumGetInt64(value);
	twp_subject_from_datum(&subject, b->subject_type, value);
	if (subject.kind == TWP_SUBJECT_INT)
		return (uint64) subject.key.number;
	if (subject.kind == TWP_SUBJECT_UUID)
		return hash_bytes_extended(subject.key.uuid, sizeof(subject.key.uuid), b->seed);
	return hash_bytes_extended((const unsigned char *) subject.key.text.data, subject.key.text.len, b->seed);
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

/* The place of a number on a column's grid. */
static inline int64
grid_value(const TwpBoundedColumn *column, double number)
{
	double		place = rint((number - column->low) / column->step);

	if (place <= 0)
		return 0;
	return place >= column->width ? column->width : (int64) place;
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

/* Adds a row: its key and each column's place on its grid. */
static inline void
add_row(Bounded *b, const int64 *row)
{
	int64	   *part = part_of(b, (uint64) row[0]);

	count_up(twp_part_count(part, -1), 1);
	for (int j = 0; j < b->ncolumns; j++)
	{
		const TwpBoundedColumn *column = &b->layout->columns[j];
		int64		place = row[1 + j];
		int64	   *sums = part + b->places[j];

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
	int			width = 1 + b->ncolumns;

	for (int i = 0; i < b->nwaiting; i++)
		__builtin_prefetch(first_place(b, (uint64) b->waiting[i * width]), 1);
	for (int i = 0; i < b->nwaiting; i++)
		add_row(b, b->waiting + i * width);
	b->nwaiting = 0;
}

/* The place of a column's value on its grid; 0 when it is only counted, -1 when it does not count. */
static inline int64
place_of(const Bounded *b, int j, NullableDatum value)
{
	const TwpBoundedColumn *column = &b->layout->columns[j];
	double		number;

	if (value.isnull)
		return -1;
	if (!column->summed)
		return 0;
	number = number_of(b->types[j], value.value);
	return isfinite(number) ? grid_value(column, number) : -1;
}

/* Prepares a state at a group's first row. */
static Bounded *
begin_state(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	TwpBoundedLayout *layout;
	Bounded    *b;
	int			places[FUNC_MAX_ARGS];
	int			size;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	TWP_REQUIRE_ARG(ARG_LAYOUT, "layout");
	TWP_REQUIRE_ARG(ARG_SEED, "seed");
	layout = (TwpBoundedLayout *) PG_DETOAST_DATUM(PG_GETARG_DATUM(ARG_LAYOUT));
	if (VARSIZE(layout) < offsetof(TwpBoundedLayout, columns) || layout->ncolumns != PG_NARGS() - ARG_COLUMNS ||
		VARSIZE(layout) != TWP_LAYOUT_SIZE(layout->ncolumns))
		elog(ERROR, "malformed layout");
	twp_part_places(layout, places, &size);
	b = create_state(context, (uint64) PG_GETARG_INT64(ARG_SEED), layout->ncolumns, size);
	b->layout = MemoryContextAlloc(context, VARSIZE(layout));
	memcpy(b->layout, layout, VARSIZE(layout));
	b->places = MemoryContextAlloc(context, sizeof(places));
	memcpy(b->places, places, sizeof(places));
	b->subject_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, ARG_SUBJECT));
	b->types = MemoryContextAlloc(context, sizeof(Oid) * Max(layout->ncolumns, 1));
	for (int j = 0; j < layout->ncolumns; j++)
		b->types[j] = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, ARG_COLUMNS + j));
	return b;
}

/* Adds a row, at once or with others. */
Datum
twp_anonymity_bounded_add(PG_FUNCTION_ARGS)
{
	Bounded    *b = PG_ARGISNULL(0) ? begin_state(fcinfo) : (Bounded *) PG_GETARG_POINTER(0);
	int64		alone[FUNC_MAX_ARGS];
	int64	   *row = b->waiting != NULL ? b->waiting + b->nwaiting * (1 + b->ncolumns) : alone;

	if (PG_ARGISNULL(ARG_SUBJECT))
		PG_RETURN_POINTER(b);
	row[0] = (int64) subject_key(b, PG_GETARG_DATUM(ARG_SUBJECT));
	for (int j = 0; j < b->ncolumns; j++)
		row[1 + j] = place_of(b, j, fcinfo->args[ARG_COLUMNS + j]);
	if (row == alone)
		add_row(b, row);
	else if (++b->nwaiting == MAX_WAITING)
		add_waiting(b);
	PG_RETURN_POINTER(b);
}

/* Adds a part to a state. */
static void
merge_part(Bounded *b, const int64 *from)
{
	int64	   *part = part_of(b, (uint64) from[TWP_PART_KEY]);

	for (int j = -1; j < b->ncolumns; j++)
		count_up(twp_part_count(part, j), *twp_part_count((int64 *) from, j));
	for (int word = TWP_PART_SUMS(b->ncolumns); word < b->size; word++)
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
		into = create_state(context, from->seed, from->ncolumns, from->size);
	add_waiting(from);
	for (uint64 i = 0; i < from->capacity; i++)
		if (*twp_part_count(from->parts + i * from->size, -1) != 0)
			merge_part(into, from->parts + i * from->size);
	PG_RETURN_POINTER(into);
}

/* Makes a bytea of a header of some size and the parts. */
static bytea *
pack_parts(Bounded *b, Size header)
{
	Size		bytes;
	bytea	   *packed;
	char	   *at;

	add_waiting(b);
	bytes = header + b->used * b->size * sizeof(int64);
	if (!AllocSizeIsValid(VARHDRSZ + bytes))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many data subjects in one group"),
				 errhint("Ask for smaller groups.")));
	packed = palloc(VARHDRSZ + bytes);
	SET_VARSIZE(packed, VARHDRSZ + bytes);
	at = VARDATA(packed) + header;
	for (uint64 i = 0; i < b->capacity; i++)
		if (*twp_part_count(b->parts + i * b->size, -1) != 0)
		{
			memcpy(at, b->parts + i * b->size, b->size * sizeof(int64));
			at += b->size * sizeof(int64);
		}
	return packed;
}

/* Packs a state for another process. */
Datum
twp_anonymity_bounded_serialize(PG_FUNCTION_ARGS)
{
	Bounded    *b = (Bounded *) PG_GETARG_POINTER(0);
	bytea	   *packed = pack_parts(b, offsetof(Packed, parts));
	Packed		header = {b->seed, b->ncolumns, b->size, b->used};

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
		elog(ERROR, "malformed state");
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
	PG_RETURN_BYTEA_P(pack_parts((Bounded *) PG_GETARG_POINTER(0), 0));
}

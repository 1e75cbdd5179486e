/*
 * guard_sketch.c - linear sketches of contributions: arithmetic only.
 *
 * A subject's contribution, times a coefficient of the subject's, goes into
 * one cell.  The difference of two sketches is the sketch of the difference;
 * the cells that are not zero are at most as many as subjects that differ, so
 * a difference of fewer than k is never missed.  (That a cell is zero by
 * chance has probability 2^-61.)  Collisions make a larger difference look
 * smaller: with 256 cells, 11 subjects look like fewer in one case of five, 12
 * in one of forty.  One row of many cells does that as well as several short
 * ones and costs one step into memory.
 */
#include "postgres.h"

#include "anonymity/guard_internal.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/fmgrprotos.h"

#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_BASE 10000

/* a to a power in the field. */
static uint64
power(uint64 a, uint64 exponent)
{
	uint64		result = 1;

	for (; exponent > 0; exponent >>= 1)
	{
		if (exponent & 1)
			result = twp_guard_multiply(result, a);
		a = twp_guard_multiply(a, a);
	}
	return result;
}

/* 1 / a in the field. */
uint64
twp_guard_inverse(uint64 a)
{
	return power(a, TWP_GUARD_PRIME - 2);
}

/* Reads two bytes of a numeric as it is sent. */
static inline int
read_short(const uint8 *at)
{
	return (int16) ((at[0] << 8) | at[1]);
}

/* A decimal number, from the form in which it is sent: digits, weight, sign, scale, then digits to base 10000. */
static uint64
from_numeric(Datum value)
{
	bytea	   *sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, value));
	const uint8 *at = (const uint8 *) VARDATA_ANY(sent);
	int			ndigits = read_short(at);
	int			weight = read_short(at + 2);
	int			sign = read_short(at + 4) & 0xFFFF;
	uint64		result = 0;
	int			last = weight - ndigits + 1;	/* power of the base that the last digit has */

	if (sign != 0 && sign != NUMERIC_NEGATIVE)
		return twp_guard_reduce(twp_guard_mix((uint64) sign, UINT64CONST(0x9E3779B97F4A7C15)));
	for (int i = 0; i < ndigits; i++)
		result = twp_guard_add(twp_guard_multiply(result, NUMERIC_BASE), (uint64) read_short(at + 8 + 2 * i));
	if (last > 0)
		result = twp_guard_multiply(result, power(NUMERIC_BASE, last));
	else if (last < 0)
	{
		static uint64 inverse = 0;

		if (inverse == 0)
			inverse = twp_guard_inverse(NUMERIC_BASE);
		result = twp_guard_multiply(result, power(inverse, -last));
	}
	return twp_guard_signed(result, sign == NUMERIC_NEGATIVE);
}

/* A number of another type than float8. */
uint64
twp_guard_other_number(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return twp_guard_integer(DatumGetInt16(value));
		case INT4OID:
			return twp_guard_integer(DatumGetInt32(value));
		case INT8OID:
			return twp_guard_integer(DatumGetInt64(value));
		case FLOAT4OID:
			return twp_guard_double(DatumGetFloat4(value));
		case NUMERICOID:
			return from_numeric(value);
		default:
			elog(ERROR, "no number: type %u", type);
	}
}

/* The number of columns that tells differences of fewer than k subjects. */
int
twp_guard_columns(int k, bool light)
{
	int			full = pg_nextpower2_32(Max(256, 16 * Min(k, TWP_GUARD_MAX_SUBJECTS)));

	return light ? full / 8 : full;
}

/* Brings a sketch into one of fewer columns. */
void
twp_guard_fold(const uint64 *from, int columns, uint64 *into, int fewer)
{
	memset(into, 0, fewer * sizeof(uint64));
	for (int i = 0; i < columns; i++)
		into[i & (fewer - 1)] = twp_guard_add(into[i & (fewer - 1)], from[i]);
}

/* Number of cells that differ, counted up to a limit. */
static int
count_different(const uint64 *a, const uint64 *b, int columns, uint64 factor, int limit)
{
	int			count = 0;

	for (int i = 0; i < columns && count < limit; i++)
		count += a[i] != (b == NULL ? 0 : factor == 1 ? b[i] : twp_guard_multiply(factor, b[i]));
	return count;
}

/* No more than the number of subjects for whom a and factor * b differ, up to a limit. */
int
twp_guard_distance(const uint64 *a, int a_columns, const uint64 *b, int b_columns, uint64 factor, int limit)
{
	int			columns = Min(a_columns, b_columns);
	uint64	   *folded;
	int			distance;

	if (b == NULL || a_columns == b_columns)
		return count_different(a, b, a_columns, factor, limit);
	folded = palloc(columns * sizeof(uint64));
	if (a_columns > b_columns)
		twp_guard_fold(a, a_columns, folded, columns);
	else
		twp_guard_fold(b, b_columns, folded, columns);
	distance = a_columns > b_columns ? count_different(folded, b, columns, factor, limit) :
		count_different(a, folded, columns, factor, limit);
	pfree(folded);
	return distance;
}

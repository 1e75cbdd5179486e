/*
 * guard_sketch.c - linear sketches of contributions: arithmetic only.
 *
 * Each row of a sketch throws a subject's contribution, times a coefficient
 * of the subject's, into one of its columns.  The difference of two sketches
 * is the sketch of the difference; the columns of a row that are not zero are
 * at most as many as subjects that differ, so a difference of fewer than k is
 * never missed.  (That a column is zero by chance has probability 2^-61.)
 * Collisions make a larger difference look smaller: with four rows of 64
 * columns, 11 subjects look like fewer in one case of ten, 12 in one of 200.
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

/* Takes the sign into account. */
static uint64
with_sign(uint64 magnitude, bool negative)
{
	return negative ? twp_guard_subtract(0, magnitude) : magnitude;
}

/* A whole number. */
static uint64
from_integer(int64 value)
{
	return with_sign(twp_guard_reduce(value < 0 ? 0 - (uint64) value : (uint64) value), value < 0);
}

/* A binary floating-point number: 2 has the order 61 in the field, so that its powers are rotations. */
static uint64
from_double(double value)
{
	uint64		bits;
	uint64		mantissa;
	int			exponent;
	int			rotation;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & ((UINT64CONST(1) << 52) - 1);
	exponent = (int) (bits >> 52) & 0x7FF;
	/* what is no number becomes one that no sum of numbers is likely to be */
	if (exponent == 0x7FF)
		return twp_guard_reduce(twp_guard_mix(bits, UINT64CONST(0x9E3779B97F4A7C15)));
	if (exponent == 0)
		exponent = 1;
	else
		mantissa |= UINT64CONST(1) << 52;
	rotation = (((exponent - 1075) % 61) + 61) % 61;
	mantissa = rotation == 0 ? mantissa :
		((mantissa << rotation) & TWP_GUARD_PRIME) | (mantissa >> (61 - rotation));
	return with_sign(twp_guard_reduce(mantissa), (bits >> 63) != 0);
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
	return with_sign(result, sign == NUMERIC_NEGATIVE);
}

/* A number that can be summed, as an element of the field. */
uint64
twp_guard_number(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return from_integer(DatumGetInt16(value));
		case INT4OID:
			return from_integer(DatumGetInt32(value));
		case INT8OID:
			return from_integer(DatumGetInt64(value));
		case FLOAT4OID:
			return from_double(DatumGetFloat4(value));
		case FLOAT8OID:
			return from_double(DatumGetFloat8(value));
		case NUMERICOID:
			return from_numeric(value);
		default:
			elog(ERROR, "no number: type %u", type);
	}
}

/* The shape that tells differences of fewer than k subjects. */
TwpGuardShape
twp_guard_shape(int k, bool light)
{
	uint32		columns = pg_nextpower2_32(Max(64, 4 * Min(k, TWP_GUARD_MAX_SUBJECTS) - 3));

	return light ? (TwpGuardShape)
	{
		1, columns / 2
	} : (TwpGuardShape)
	{
		TWP_GUARD_ROWS, columns
	};
}

/* Brings a sketch into a smaller shape. */
void
twp_guard_fold(const uint64 *from, TwpGuardShape shape, uint64 *into, TwpGuardShape smaller)
{
	memset(into, 0, TWP_GUARD_NCELLS(smaller) * sizeof(uint64));
	for (int row = 0; row < smaller.rows; row++)
		for (int column = 0; column < shape.columns; column++)
		{
			uint64	   *cell = into + row * smaller.columns + (column & (smaller.columns - 1));

			*cell = twp_guard_add(*cell, from[row * shape.columns + column]);
		}
}

/* Number of columns of a row that differ, counted up to a limit. */
static int
count_different(const uint64 *a, const uint64 *b, int columns, uint64 factor, int limit)
{
	int			count = 0;

	for (int column = 0; column < columns && count < limit; column++)
		count += a[column] != (b == NULL ? 0 :
							   factor == 1 ? b[column] : twp_guard_multiply(factor, b[column]));
	return count;
}

/* No more than the number of subjects for whom a and factor * b differ. */
int
twp_guard_distance(const uint64 *a, TwpGuardShape a_shape, const uint64 *b, TwpGuardShape b_shape,
				   uint64 factor, int limit)
{
	TwpGuardShape shape = {Min(a_shape.rows, b_shape.rows), Min(a_shape.columns, b_shape.columns)};
	uint64	   *folded = NULL;
	int			distance = 0;

	if (b != NULL && a_shape.columns != b_shape.columns)
	{
		bool		fold_a = a_shape.columns > b_shape.columns;

		folded = palloc(TWP_GUARD_NCELLS(shape) * sizeof(uint64));
		twp_guard_fold(fold_a ? a : b, fold_a ? a_shape : b_shape, folded, shape);
		if (fold_a)
			a = folded;
		else
			b = folded;
	}
	for (int row = 0; row < shape.rows && distance < limit; row++)
		distance = Max(distance, count_different(a + row * shape.columns,
												 b == NULL ? NULL : b + row * shape.columns, shape.columns, factor, limit));
	if (folded != NULL)
		pfree(folded);
	return distance;
}

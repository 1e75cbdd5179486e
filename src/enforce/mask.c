/*
 * mask.c - the closed catalogue of masks.
 *
 * Each keeps the column's type.  NULL stays NULL before it gets here.  Time
 * zones never come in: a session that moves its TimeZone must not be able to
 * move the edges of a year.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* First day of the year or month of a date. */
static Datum
truncate_date(Datum value, bool to_year)
{
	DateADT		date = DatumGetDateADT(value);
	int			year,
				month,
				day;

	if (DATE_NOT_FINITE(date))
		return value;
	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return DateADTGetDatum(date2j(year, to_year ? 1 : month, 1) - POSTGRES_EPOCH_JDATE);
}

/* First moment of the year or month; timestamptz in UTC. */
static Datum
truncate_time(Oid type, Datum value, bool to_year)
{
	Datum		unit = PointerGetDatum(cstring_to_text(to_year ? "year" : "month"));

	if (type == DATEOID)
		return truncate_date(value, to_year);
	/* timestamptz counts from the same epoch in UTC, so timestamp's arithmetic is UTC's */
	return DirectFunctionCall2(timestamp_trunc, unit, value);
}

/* Largest multiple of step not above the value (band), or the nearest, half away from zero. */
static Datum
step_numeric(Datum value, Datum step, bool round)
{
	Datum		zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	bool		negative = DatumGetBool(DirectFunctionCall2(numeric_lt, value, zero));
	Datum		rest = DirectFunctionCall2(numeric_mod, value, step);	/* sign of the value */
	Datum		base = DirectFunctionCall2(numeric_sub, value, rest);	/* towards zero */
	bool		away;

	if (round)
	{
		Datum		twice = DirectFunctionCall2(numeric_add, rest, rest);

		away = DatumGetBool(DirectFunctionCall2(numeric_ge,
												DirectFunctionCall1(numeric_abs, twice), step));
	}
	else
		away = negative && !DatumGetBool(DirectFunctionCall2(numeric_eq, rest, zero));
	if (!away)
		return base;
	return DirectFunctionCall2(negative ? numeric_sub : numeric_add, base, step);
}

/* Converts a numeric back to an integer type; NULL when the mask leaves the type's range. */
static Datum
numeric_to_integer(Oid type, Datum value, bool *isnull)
{
	int64		lowest = type == INT2OID ? PG_INT16_MIN : type == INT4OID ? PG_INT32_MIN : PG_INT64_MIN;
	int64		highest = type == INT2OID ? PG_INT16_MAX : type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
	int64		result;

	if (DatumGetBool(DirectFunctionCall2(numeric_lt, value, NumericGetDatum(int64_to_numeric(lowest)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, value, NumericGetDatum(int64_to_numeric(highest)))))
	{
		*isnull = true;
		return (Datum) 0;
	}
	result = DatumGetInt64(DirectFunctionCall1(numeric_int8, value));
	if (type == INT2OID)
		return Int16GetDatum((int16) result);
	return type == INT4OID ? Int32GetDatum((int32) result) : Int64GetDatum(result);
}

/* Bands or rounds a number of any type through exact decimal arithmetic. */
static Datum
step_number(const TwpMask *mask, Oid type, Datum value, bool *isnull)
{
	bool		round = mask->kind == TWP_MASK_ROUND;
	Datum		step = DirectFunctionCall3(numeric_in, CStringGetDatum(mask->step),
										   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	Datum		number;

	switch (type)
	{
		case INT2OID:
			number = DirectFunctionCall1(int2_numeric, value);
			break;
		case INT4OID:
			number = DirectFunctionCall1(int4_numeric, value);
			break;
		case INT8OID:
			number = DirectFunctionCall1(int8_numeric, value);
			break;
		case FLOAT4OID:
			number = DirectFunctionCall1(float4_numeric, value);
			break;
		case FLOAT8OID:
			number = DirectFunctionCall1(float8_numeric, value);
			break;
		default:
			number = value;
			break;
	}
	if (numeric_is_nan(DatumGetNumeric(number)) || numeric_is_inf(DatumGetNumeric(number)))
		return value;
	number = step_numeric(number, step, round);
	if (type == FLOAT4OID)
		return DirectFunctionCall1(numeric_float4, number);
	if (type == FLOAT8OID)
		return DirectFunctionCall1(numeric_float8, number);
	/* The step's scale, not the value's: how many digits the raw value had would tell values apart. */
	if (type == NUMERICOID)
		return DirectFunctionCall2(numeric_round, number, DirectFunctionCall1(numeric_scale, step));
	return numeric_to_integer(type, number, isnull);
}

/* Keeps the first `first` and last `last` characters, the rest becomes `filler`. */
static Datum
keep_ends(Datum value, int first, int last, char filler, bool hide_short)
{
	text	   *source = DatumGetTextPP(value);
	const char *data = VARDATA_ANY(source);
	int			bytes = VARSIZE_ANY_EXHDR(source);
	int			chars = pg_mbstrlen_with_len(data, bytes);
	StringInfoData out;
	int			position = 0;

	if (first + last >= chars)
	{
		if (!hide_short)
			return value;
		first = last = 0;
	}
	initStringInfo(&out);
	for (int offset = 0; offset < bytes; position++)
	{
		int			width = pg_mblen(data + offset);

		if (position < first || position >= chars - last)
			appendBinaryStringInfo(&out, data + offset, Min(width, bytes - offset));
		else
			appendStringInfoChar(&out, filler);
		offset += width;
	}
	return PointerGetDatum(cstring_to_text_with_len(out.data, out.len));
}

/* Applies a mask to a non-null value of the (base) type. */
Datum
twp_enforce_mask(const TwpMask *mask, Oid type, Datum value, TwpDomain *domain,
				 const TwpSubject *subject, bool *isnull)
{
	*isnull = false;
	switch (mask->kind)
	{
		case TWP_MASK_NULL:
			break;
		case TWP_MASK_REDACT:
			return CStringGetTextDatum("REDACTED");
		case TWP_MASK_PSEUDONYM:
			return twp_pseudonym_mask(domain, subject, type, value, isnull);
		case TWP_MASK_YEAR:
			return truncate_time(type, value, true);
		case TWP_MASK_MONTH:
			return truncate_time(type, value, false);
		case TWP_MASK_DATE_SHIFT:
			return twp_pseudonym_shift(domain, subject, type, value);
		case TWP_MASK_BAND:
		case TWP_MASK_ROUND:
			return step_number(mask, type, value, isnull);
		case TWP_MASK_ZIP3:
			return keep_ends(value, 3, 0, '0', false);
		case TWP_MASK_PARTIAL:
			return keep_ends(value, mask->first, mask->last, '*', true);
	}
	*isnull = true;
	return (Datum) 0;
}

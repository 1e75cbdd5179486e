/*
 * guard_tally.c - counts, sums and means that the guard's aggregate has added
 * up on the way: what PostgreSQL's own give, and cheaper than them beside it.
 *
 * Pure.  A NULL cell is one of no rows.
 */
#include "postgres.h"

#include "anonymity/guard_internal.h"
#include "base/compat.h"
#include "base/errors.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twp_anonymity_guard_count);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_split);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_trim);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_sum_whole);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_sum_real);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_avg_whole);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_avg_real);

/* The tally of a figure of a group. */
static TwpGuardTally
read_tally(FunctionCallInfo fcinfo)
{
	TwpGuardTally tally = {0};
	TwpGuardCell header;
	const bytea *packed;
	int			number;

	TWP_REQUIRE_ARG(1, "figure");
	if (PG_ARGISNULL(0))
		return tally;
	packed = PG_GETARG_BYTEA_PP(0);
	number = PG_GETARG_INT32(1);
	if (VARSIZE_ANY_EXHDR(packed) < sizeof(header))
		twp_guard_refuse_bytes();
	memcpy(&header, VARDATA_ANY(packed), sizeof(header));
	if (number < 0 || number >= header.nfigures || header.nfigures > TWP_GUARD_MAX_FIGURES ||
		VARSIZE_ANY_EXHDR(packed) < sizeof(header) + header.nfigures * sizeof(tally))
		twp_guard_refuse_bytes();
	memcpy(&tally, VARDATA_ANY(packed) + sizeof(header) + number * sizeof(tally), sizeof(tally));
	return tally;
}

/* guard_count(cell, figure): count(), of different subjects, too. */
Datum
twp_anonymity_guard_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(read_tally(fcinfo).n);
}

/* guard_split(cell, figure): has a part of the group the cohort, and what is left of it none or the cohort? */
Datum
twp_anonymity_guard_split(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(read_tally(fcinfo).split != 0);
}

/* guard_sum_whole(cell, figure): sum() of int2 or int4. */
Datum
twp_anonymity_guard_sum_whole(PG_FUNCTION_ARGS)
{
	TwpGuardTally tally = read_tally(fcinfo);

	if (tally.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(tally.whole);
}

/* guard_sum_real(cell, figure): sum() of float8. */
Datum
twp_anonymity_guard_sum_real(PG_FUNCTION_ARGS)
{
	TwpGuardTally tally = read_tally(fcinfo);

	if (tally.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(tally.real);
}

/* guard_avg_whole(cell, figure): avg() of int2 or int4. */
Datum
twp_anonymity_guard_avg_whole(PG_FUNCTION_ARGS)
{
	TwpGuardTally tally = read_tally(fcinfo);

	if (tally.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall2(numeric_div, NumericGetDatum(int64_to_numeric(tally.whole)),
										NumericGetDatum(int64_to_numeric(tally.n))));
}

/* guard_avg_real(cell, figure): avg() of float8. */
Datum
twp_anonymity_guard_avg_real(PG_FUNCTION_ARGS)
{
	TwpGuardTally tally = read_tally(fcinfo);

	if (tally.n == 0)
		PG_RETURN_NULL();
	/* avg() adds to zero */
	PG_RETURN_FLOAT8((0.0 + tally.real) / (double) tally.n);
}

/* Digits behind the first of a rounded number: what PostgreSQL's means have at least. */
#define ROUNDED_DIGITS 15

/*
 * guard_trim(number, rounded): the number in a form that depends on nothing but
 * its value.  PostgreSQL's has as many decimals as one of the numbers that it
 * was made of, be that a zero, and where it is rounded as many digits.
 */
Datum
twp_anonymity_guard_trim(PG_FUNCTION_ARGS)
{
	Datum		number = PG_GETARG_DATUM(0);

	if (PG_GETARG_BOOL(1))
		number = DirectFunctionCall3(numeric_in, CStringGetDatum(numeric_out_sci(DatumGetNumeric(number), ROUNDED_DIGITS)),
									 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return DirectFunctionCall1(numeric_trim_scale, number);
}

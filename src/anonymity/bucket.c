/*
 * bucket.c - width_bucket for rows of which nothing may be told.
 *
 * PostgreSQL's raises an error for what is not a number, and so tells of a
 * row; ours gives NULL.  It takes the place of PostgreSQL's where bounds and
 * count are constants that cannot fail either.
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "anonymity/release_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twp_anonymity_bucket_float8);
PG_FUNCTION_INFO_V1(twp_anonymity_bucket_numeric);

/* Bucket of a float8. */
Datum
twp_anonymity_bucket_float8(PG_FUNCTION_ARGS)
{
	if (isnan(PG_GETARG_FLOAT8(0)))
		PG_RETURN_NULL();
	return DirectFunctionCall4(width_bucket_float8, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2),
							   PG_GETARG_DATUM(3));
}

/* Bucket of a numeric. */
Datum
twp_anonymity_bucket_numeric(PG_FUNCTION_ARGS)
{
	if (numeric_is_nan(PG_GETARG_NUMERIC(0)))
		PG_RETURN_NULL();
	return DirectFunctionCall4(width_bucket_numeric, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2),
							   PG_GETARG_DATUM(3));
}

/* True for a call of width_bucket whose bounds and count are constants that fit. */
static bool
is_safe_call(const FuncExpr *call)
{
	double		low;
	double		high;
	double		count;

	return (call->funcid == F_WIDTH_BUCKET_FLOAT8_FLOAT8_FLOAT8_INT4 ||
			call->funcid == F_WIDTH_BUCKET_NUMERIC_NUMERIC_NUMERIC_INT4) &&
		twp_anonymity_constant(lsecond(call->args), &low) && twp_anonymity_constant(lthird(call->args), &high) &&
		twp_anonymity_constant(lfourth(call->args), &count) && low != high && count >= 1 && count < PG_INT32_MAX;
}

/* Replaces such calls. */
static bool
replace_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && is_safe_call((FuncExpr *) node))
	{
		FuncExpr   *call = (FuncExpr *) node;
		bool		of_float8 = call->funcid == F_WIDTH_BUCKET_FLOAT8_FLOAT8_FLOAT8_INT4;

		call->funcid = twp_catalog_internal_function(of_float8 ? "bucket_float8" : "bucket_numeric");
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, replace_walker, context, 0);
	return expression_tree_walker(node, replace_walker, context);
}

/* Puts our functions into the place of width_bucket. */
void
twp_anonymity_replace_buckets(Query *query)
{
	(void) query_tree_walker(query, replace_walker, NULL, 0);
}

/* True for our functions. */
bool
twp_anonymity_is_bucket(Oid function)
{
	return function >= FirstNormalObjectId &&
		(function == twp_catalog_internal_function("bucket_float8") || function == twp_catalog_internal_function("bucket_numeric"));
}

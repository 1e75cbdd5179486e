/*
 * cohort.c - aggregates that say whether enough data subjects take part.
 *
 * at_least(subject, k) is true when at least k different subjects were seen.
 * at_least_split(subject, hit, k) looks at both sides of a condition: at least
 * k subjects have a row that hits, and none or at least k have one that does
 * not; so neither a part nor what is left of the whole is a small group.
 * at_least_parts(subject, hit, k) is also true when nobody hits.
 *
 * The state keeps at most k keys a side and stops looking once it is full, so
 * it costs the same for a large group as for a small one:
 *   merge(agg(a), agg(b)) == agg(a ++ b).
 * Keys are 64-bit: integers as they are, others hashed.  Two subjects with
 * one hash count as one, which errs on the side of silence.
 *
 * Memory: the aggregate's context.  A NULL subject is nobody and counts for
 * nothing.
 */
#include "postgres.h"

#include "anonymity/cohort.h"
#include "base/compat.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_anonymity_at_least_add);
PG_FUNCTION_INFO_V1(twp_anonymity_at_least_split_add);
PG_FUNCTION_INFO_V1(twp_anonymity_cohort_combine);
PG_FUNCTION_INFO_V1(twp_anonymity_cohort_serialize);
PG_FUNCTION_INFO_V1(twp_anonymity_cohort_deserialize);
PG_FUNCTION_INFO_V1(twp_anonymity_at_least_final);
PG_FUNCTION_INFO_V1(twp_anonymity_at_least_split_final);
PG_FUNCTION_INFO_V1(twp_anonymity_at_least_parts_final);
PG_FUNCTION_INFO_V1(twp_anonymity_total_add);

typedef TwpCohort Cohort;

/* Raises unless a cohort of that size can be counted. */
void
twp_cohort_check_size(int32 k)
{
	if (k < 1 || k > TWP_COHORT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the cohort must lie between 1 and %d", TWP_COHORT_MAX),
				 errhint("It is the use's min_cohort.")));
}

/* Makes an empty state. */
static Cohort *
create_cohort(FunctionCallInfo fcinfo, int32 k)
{
	MemoryContext context;
	Cohort	   *cohort;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	twp_cohort_check_size(k);
	cohort = MemoryContextAllocZero(context, TWP_COHORT_SIZE(k));
	cohort->k = k;
	cohort->type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1));
	return cohort;
}

/* Adds a key to a side that is not full. */
void
twp_cohort_add_key(TwpCohort *cohort, int side, uint64 key)
{
	uint64	   *keys = cohort->keys + side * cohort->k;
	int32		n = cohort->n[side];

	for (int32 i = 0; i < n; i++)
		if (keys[i] == key)
			return;
	keys[n] = key;
	cohort->n[side] = n + 1;
}

/* Adds what another one has seen. */
void
twp_cohort_merge(TwpCohort *into, const TwpCohort *from)
{
	for (int side = 0; side < 2; side++)
		for (int32 i = 0; i < from->n[side]; i++)
			twp_cohort_add(into, side, from->keys[side * from->k + i]);
}

/* Adds the subject of a row to one side. */
static Datum
add_row(FunctionCallInfo fcinfo, int side, int k_argument)
{
	Cohort	   *cohort;

	if (PG_ARGISNULL(0))
		cohort = create_cohort(fcinfo, PG_ARGISNULL(k_argument) ? 0 : PG_GETARG_INT32(k_argument));
	else
		cohort = (Cohort *) PG_GETARG_POINTER(0);
	if (!PG_ARGISNULL(1))
		twp_cohort_add(cohort, side, twp_cohort_key(cohort->type, PG_GETARG_DATUM(1)));
	PG_RETURN_POINTER(cohort);
}

/* at_least: adds a row. */
Datum
twp_anonymity_at_least_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, 1, 2);
}

/* at_least_split: adds a row; a NULL condition is a miss. */
Datum
twp_anonymity_at_least_split_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), 3);
}

/* Merges two states. */
Datum
twp_anonymity_cohort_combine(PG_FUNCTION_ARGS)
{
	Cohort	   *into;
	Cohort	   *from;
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_POINTER(PG_GETARG_POINTER(0));
	}
	from = (Cohort *) PG_GETARG_POINTER(1);
	if (PG_ARGISNULL(0))
	{
		into = MemoryContextAlloc(context, TWP_COHORT_SIZE(from->k));
		memcpy(into, from, TWP_COHORT_SIZE(from->k));
		PG_RETURN_POINTER(into);
	}
	into = (Cohort *) PG_GETARG_POINTER(0);
	twp_cohort_merge(into, from);
	PG_RETURN_POINTER(into);
}

/* Packs a state for another process. */
Datum
twp_anonymity_cohort_serialize(PG_FUNCTION_ARGS)
{
	Cohort	   *cohort = (Cohort *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (const char *) cohort, (int) TWP_COHORT_SIZE(cohort->k));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Unpacks it. */
Datum
twp_anonymity_cohort_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *packed = PG_GETARG_BYTEA_PP(0);
	Size		size = VARSIZE_ANY_EXHDR(packed);
	Cohort	   *cohort = palloc(size);

	memcpy(cohort, VARDATA_ANY(packed), size);
	if (size < offsetof(Cohort, keys) || cohort->k < 1 || cohort->k > TWP_COHORT_MAX || size != TWP_COHORT_SIZE(cohort->k) ||
		cohort->n[0] < 0 || cohort->n[0] > cohort->k || cohort->n[1] < 0 || cohort->n[1] > cohort->k)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("malformed state of a cohort"),
				 errhint("Queries under an aggregate-only use call this function; nobody else need.")));
	PG_RETURN_POINTER(cohort);
}

/* at_least: true when enough subjects were seen. */
Datum
twp_anonymity_at_least_final(PG_FUNCTION_ARGS)
{
	Cohort	   *cohort = PG_ARGISNULL(0) ? NULL : (Cohort *) PG_GETARG_POINTER(0);

	PG_RETURN_BOOL(cohort != NULL && cohort->n[1] >= cohort->k);
}

/* at_least_split: true when both sides are large enough, or the other one is empty. */
Datum
twp_anonymity_at_least_split_final(PG_FUNCTION_ARGS)
{
	Cohort	   *cohort = PG_ARGISNULL(0) ? NULL : (Cohort *) PG_GETARG_POINTER(0);

	PG_RETURN_BOOL(cohort != NULL && twp_cohort_is_split(cohort));
}

/* at_least_parts: true when each side is empty or large enough. */
Datum
twp_anonymity_at_least_parts_final(PG_FUNCTION_ARGS)
{
	Cohort	   *cohort = PG_ARGISNULL(0) ? NULL : (Cohort *) PG_GETARG_POINTER(0);

	PG_RETURN_BOOL(cohort == NULL || ((cohort->n[1] == 0 || cohort->n[1] >= cohort->k) &&
									  (cohort->n[0] == 0 || cohort->n[0] >= cohort->k)));
}

/*
 * total: adds numbers; of anything else, of which there is one, the first is
 * kept.  For figures of groups that are put together.
 */
Datum
twp_anonymity_total_add(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(0))
	{
		if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_ARGISNULL(0) ? PG_GETARG_DATUM(1) : PG_GETARG_DATUM(0));
	}
	switch (get_fn_expr_argtype(fcinfo->flinfo, 1))
	{
		case INT8OID:
			return DirectFunctionCall2(int8pl, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
		case NUMERICOID:
			return DirectFunctionCall2(numeric_add, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
		case FLOAT4OID:
			return DirectFunctionCall2(float4pl, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
		case FLOAT8OID:
			return DirectFunctionCall2(float8pl, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
		default:
			PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
}

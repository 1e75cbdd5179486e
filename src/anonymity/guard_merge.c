/*
 * guard_merge.c - merges states of guarded groups: of parallel workers, and of
 * groups below the cohort that are put together.
 *
 *   merge(agg(a), agg(b)) == agg(a ++ b), but for the number of columns: the
 * fewer.
 *
 * Memory: the aggregate's context.  Failure: out of memory.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/cohort.h"
#include "anonymity/guard_state.h"
#include "base/compat.h"
#include "libpq/pqformat.h"
#include "port/pg_bitutils.h"
#include "utils/float.h"

PG_FUNCTION_INFO_V1(twp_anonymity_guard_cell_combine);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_cell_serialize);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_cell_deserialize);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_part_final);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_is_large);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_merge_add);

/* Brings a state's sketch into fewer columns. */
static void
shrink(TwpGuardState *state, int columns, MemoryContext context)
{
	int			width = 2 * state->nfigures;
	uint64	   *cells;

	if (state->columns <= columns)
		return;
	cells = MemoryContextAllocZero(context, (Size) columns * width * sizeof(uint64));
	for (int column = 0; column < state->columns; column++)
		for (int i = 0; i < width; i++)
		{
			uint64	   *into = cells + (Size) width * (column & (columns - 1)) + i;

			*into = twp_guard_add(*into, state->cells[(Size) width * column + i]);
		}
	pfree(state->cells);
	state->cells = cells;
	state->columns = columns;
}

/* Copies a cohort into a context; NULL gives NULL. */
static TwpCohort *
copy_cohort(const TwpCohort *from, MemoryContext context)
{
	return from == NULL ? NULL : memcpy(MemoryContextAlloc(context, TWP_COHORT_SIZE(from->k)), from, TWP_COHORT_SIZE(from->k));
}

/* Adds one state that keeps subjects to another state. */
static void
merge_entries(TwpGuardState *into, const TwpGuardState *from, MemoryContext context, int *groups)
{
	int			width = TWP_GUARD_ENTRY_WIDTH(from->nfigures);

	for (int i = 0; i < from->nsubjects; i++)
	{
		const uint64 *other = from->entries + i * width;

		if (into->cells == NULL)
			twp_guard_add_to_entry(into, twp_guard_find_entry(into, other[0]), (TwpGuardPlace)
						 {
							 other[1], other[2]
						 }, other + 3);
		else
			twp_guard_add_to_cells(into, other[2], other + 3);
		if (into->cells == NULL && into->nsubjects == into->k)
			twp_guard_make_sketch(into, context, (*groups)++ >= TWP_GUARD_FULL_GROUPS);
	}
}

/* Copies a state into a context. */
static TwpGuardState *
copy_state(const TwpGuardState *from, MemoryContext context)
{
	TwpGuardState	   *state = MemoryContextAlloc(context, sizeof(TwpGuardState));

	*state = *from;
	memcpy(state->tallies = MemoryContextAlloc(context, Max(TWP_GUARD_TALLIES_SIZE(from), 1)),
		   from->tallies, TWP_GUARD_TALLIES_SIZE(from));
	state->people = copy_cohort(from->people, context);
	state->splits = MemoryContextAllocZero(context, Max(from->nfigures, 1) * sizeof(TwpCohort *));
	for (int i = 0; i < from->nfigures; i++)
		state->splits[i] = copy_cohort(from->splits[i], context);
	if (from->entries != NULL)
		memcpy(state->entries = MemoryContextAlloc(context, TWP_GUARD_LIST_SIZE(from, from->capacity)),
			   from->entries, TWP_GUARD_LIST_SIZE(from, from->capacity));
	if (from->cells != NULL)
		memcpy(state->cells = MemoryContextAlloc(context, TWP_GUARD_CELLS_SIZE(from)), from->cells, TWP_GUARD_CELLS_SIZE(from));
	return state;
}

/* Adds figures up. */
static void
add_tallies(TwpGuardTally *into, const TwpGuardTally *from, int nfigures)
{
	for (int i = 0; i < nfigures; i++)
	{
		double		real = into[i].real + from[i].real;

		if (unlikely(isinf(real)) && !isinf(into[i].real) && !isinf(from[i].real))
			float_overflow_error();
		into[i].n += from[i].n;
		into[i].whole += from[i].whole;
		into[i].real = real;
	}
}

/* Merges one state into the running one. */
static Datum
merge_state(FunctionCallInfo fcinfo, TwpGuardState *from)
{
	MemoryContext context = twp_guard_aggregate_context(fcinfo);
	TwpGuardState	   *into;
	int		   *groups = fcinfo->flinfo->fn_extra;

	if (groups == NULL)
		groups = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(int));
	if (PG_ARGISNULL(0))
		PG_RETURN_POINTER(copy_state(from, context));
	into = (TwpGuardState *) PG_GETARG_POINTER(0);
	if (from->k != into->k || from->nfigures != into->nfigures || from->plain != into->plain || from->parts != into->parts)
		twp_guard_refuse_bytes();
	add_tallies(into->tallies, from->tallies, from->nfigures);
	for (int i = 0; i < from->nfigures; i++)
		if (from->splits[i] != NULL)
			twp_cohort_merge(into->splits[i], from->splits[i]);
	if (from->plain)
	{
		twp_cohort_merge(into->people, from->people);
		PG_RETURN_POINTER(into);
	}
	if (from->cells == NULL)
	{
		merge_entries(into, from, context, groups);
		PG_RETURN_POINTER(into);
	}
	if (into->cells == NULL)
		twp_guard_make_sketch(into, context, from->columns < twp_guard_columns(from->k, false));
	shrink(into, from->columns, context);
	if (from->columns > into->columns)
		shrink(from = copy_state(from, CurrentMemoryContext), into->columns, CurrentMemoryContext);
	for (Size i = 0; i < TWP_GUARD_CELLS_SIZE(into) / sizeof(uint64); i++)
		into->cells[i] = twp_guard_add(into->cells[i], from->cells[i]);
	PG_RETURN_POINTER(into);
}

/* Merges two states. */
Datum
twp_anonymity_guard_cell_combine(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(1))
		return merge_state(fcinfo, (TwpGuardState *) PG_GETARG_POINTER(1));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(PG_GETARG_POINTER(0));
}

/* Packs a state, for another process or for merging. */
static Datum
pack_state(const TwpGuardState *state)
{
	StringInfoData buf;
	TwpGuardState header = *state;

	header.tallies = NULL;
	header.entries = header.cells = NULL;
	header.people = NULL;
	header.splits = NULL;
	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (const char *) &header, sizeof(header));
	pq_sendbytes(&buf, (const char *) state->tallies, TWP_GUARD_TALLIES_SIZE(state));
	if (state->plain)
		pq_sendbytes(&buf, (const char *) state->people, TWP_COHORT_SIZE(state->k));
	for (int i = 0; i < state->nfigures; i++)
		if (state->splits[i] != NULL)
			pq_sendbytes(&buf, (const char *) state->splits[i], TWP_COHORT_SIZE(state->k));
	if (state->entries != NULL)
		pq_sendbytes(&buf, (const char *) state->entries, TWP_GUARD_LIST_SIZE(state, state->nsubjects));
	else if (state->cells != NULL)
		pq_sendbytes(&buf, (const char *) state->cells, TWP_GUARD_CELLS_SIZE(state));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Packs a state for another process. */
Datum
twp_anonymity_guard_cell_serialize(PG_FUNCTION_ARGS)
{
	return pack_state((TwpGuardState *) PG_GETARG_POINTER(0));
}

/* Raises unless a header could be one of a packed state; gives the size of what follows it. */
static Size
check_header(const TwpGuardState *state)
{
	bool		listed = state->columns == 0;
	int			ncohorts;

	if (state->nfigures < 0 || state->nfigures > TWP_GUARD_MAX_FIGURES || state->k < 1 || state->k > TWP_COHORT_MAX ||
		state->nsubjects < 0 || state->nsubjects >= (listed ? state->k : 1) || state->columns < 0 ||
		(state->columns & (state->columns - 1)) != 0 || state->columns > twp_guard_columns(state->k, false) ||
		state->parts >> state->nfigures != 0 || (state->plain && (state->columns > 0 || state->nsubjects > 0)))
		twp_guard_refuse_bytes();
	ncohorts = (int) pg_popcount64(state->parts) + (state->plain ? 1 : 0);
	return TWP_GUARD_TALLIES_SIZE(state) + ncohorts * TWP_COHORT_SIZE(state->k) +
		(listed ? TWP_GUARD_LIST_SIZE(state, state->nsubjects) : TWP_GUARD_CELLS_SIZE(state));
}

/* Takes bytes of a packed state. */
static void *
take_bytes(const char **at, Size size)
{
	void	   *bytes = memcpy(palloc(Max(size, 1)), *at, size);

	*at += size;
	return bytes;
}

/* Takes a cohort of a packed state. */
static TwpCohort *
take_cohort(const char **at, int32 k)
{
	TwpCohort  *cohort = take_bytes(at, TWP_COHORT_SIZE(k));

	if (cohort->k != k || cohort->n[0] < 0 || cohort->n[0] > k || cohort->n[1] < 0 || cohort->n[1] > k)
		twp_guard_refuse_bytes();
	return cohort;
}

/* Unpacks a state. */
static TwpGuardState *
unpack_state(const bytea *packed)
{
	Size		size = VARSIZE_ANY_EXHDR(packed);
	const char *at = VARDATA_ANY(packed);
	TwpGuardState	   *state;

	if (size < sizeof(TwpGuardState))
		twp_guard_refuse_bytes();
	state = take_bytes(&at, sizeof(TwpGuardState));
	if (size - sizeof(TwpGuardState) != check_header(state))
		twp_guard_refuse_bytes();
	state->tallies = take_bytes(&at, TWP_GUARD_TALLIES_SIZE(state));
	state->people = state->plain ? take_cohort(&at, state->k) : NULL;
	state->splits = palloc0(Max(state->nfigures, 1) * sizeof(TwpCohort *));
	for (int i = 0; i < state->nfigures; i++)
		if ((state->parts >> i) & 1)
			state->splits[i] = take_cohort(&at, state->k);
	state->entries = state->cells = NULL;
	state->capacity = Max(state->nsubjects, 1);
	if (state->columns > 0)
		state->cells = take_bytes(&at, TWP_GUARD_CELLS_SIZE(state));
	else if (!state->plain)
	{
		state->entries = palloc0(TWP_GUARD_LIST_SIZE(state, state->capacity));
		memcpy(state->entries, at, TWP_GUARD_LIST_SIZE(state, state->nsubjects));
	}
	return state;
}

/* Unpacks it in another process. */
Datum
twp_anonymity_guard_cell_deserialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(unpack_state(PG_GETARG_BYTEA_PP(0)));
}

/* guard_part: the state itself, for guard_is_large and guard_merge. */
Datum
twp_anonymity_guard_part_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return pack_state((TwpGuardState *) PG_GETARG_POINTER(0));
}

/* guard_is_large(part): has the group the cohort? */
Datum
twp_anonymity_guard_is_large(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!PG_ARGISNULL(0) && unpack_state(PG_GETARG_BYTEA_PP(0))->cells != NULL);
}

/* guard_merge: adds a part. */
Datum
twp_anonymity_guard_merge_add(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(1))
		return merge_state(fcinfo, unpack_state(PG_GETARG_BYTEA_PP(1)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(PG_GETARG_POINTER(0));
}

/*
 * guard_cell.c - the aggregates that sketch what a group's figures are made of.
 *
 * guard_cell(subject, spec, VARIADIC values) is the cohort of a group
 * and the sketches of its figures in one: NULL for fewer than k subjects.  Up
 * to k subjects it keeps each one's contributions; then these go into sketches
 * and no subject is known any more.  The first groups of a plan node get full
 * sketches, later ones light ones, which tell a little more to be too near.
 * guard_subjects(DISTINCT subject) is the same for a count of different
 * subjects, which it counts, too; it is never NULL but for no rows.  It has
 * one argument, so that PostgreSQL sorts nothing but keys: the use is the
 * bound one.
 *
 *   merge(agg(a), agg(b)) == agg(a ++ b), but for the number of columns.
 *
 * What the figures are it adds up on the way, and whether those of a part of the
 * group rest on enough subjects; and nothing else when it is told not to sketch.
 *
 * spec, numbers of four bytes: the cohort, how many figures and identities,
 * whether to sketch; for each identity its first value and how many; for each
 * figure its tag, the identities taken (bits), condition and value (numbers of
 * values, -1: none), and whether its part of the group is wanted; behind them
 * the use's code.  Row identities are hashed with the subject
 * and summed, so the order of joins does not count.
 *
 * Memory: the aggregate's context.  Failure: out of memory; TP005 when the
 * secret cannot be read.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/cohort.h"
#include "anonymity/guard_state.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "uses/uses.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_anonymity_guard_cell_add);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_subjects_add);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_cell_final);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_subjects_final);

/* Arguments in front of the values: state, subject, spec. */
#define FIRST_VALUE 3
#define MAX_COLUMNS 100

typedef struct Identity
{
	int			first;
	int			n;
} Identity;

typedef struct Figure
{
	uint32		tag;
	uint32		identities;
	int			condition;
	int			value;
	Oid			type;			/* of the value */
	int			kind;			/* of what its rows are identified by, -1: nothing */
	bool		split;			/* who counts for it and who does not is wanted */
} Figure;

/* What rows are identified by in some of the figures. */
typedef struct Kind
{
	uint32		identities;
	int			value;			/* -1: it is part of the identities, or there is none */
} Kind;

/* What a call knows from its constant arguments. */
typedef struct Site
{
	const TwpGuardSecret *secret;
	int32		k;
	Oid			subject_type;
	bool		plain;			/* nothing is sketched */
	int			groups;			/* that got a sketch */
	int			nidentities;
	Identity	identities[TWP_GUARD_MAX_IDENTITIES];
	int			nfigures;
	Figure	   *figures;
	int			nkinds;
	Kind	   *kinds;
	uint64	   *kind_hashes;	/* of a row */
	Oid		   *types;			/* of the values */
	int16	   *lens;
	bool	   *byvals;
	uint64		hashes[TWP_GUARD_MAX_IDENTITIES];
	uint64		pads[MAX_COLUMNS + 1];
} Site;

/* The memory context of the running aggregate. */
MemoryContext
twp_guard_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside an aggregate");
	return context;
}

/* Raises that bytes given to an internal function were not made by another one. */
void
twp_guard_refuse_bytes(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed state of a guarded release"),
			 errhint("Queries under an aggregate-only use call this function; nobody else need.")));
}

/* Reads the types of the values. */
static void
read_types(FunctionCallInfo fcinfo, Site *site)
{
	int			n = PG_NARGS() - FIRST_VALUE;

	site->types = palloc0(Max(n, 1) * sizeof(Oid));
	site->lens = palloc0(Max(n, 1) * sizeof(int16));
	site->byvals = palloc0(Max(n, 1) * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		site->types[i] = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, FIRST_VALUE + i));
		get_typlenbyval(site->types[i], &site->lens[i], &site->byvals[i]);
	}
}

/* Number of what a figure's rows are identified by: the same for figures that share it. */
static int
find_kind(Site *site, uint32 identities, int value)
{
	for (int i = 0; i < site->nidentities; i++)
		if ((identities & (1U << i)) != 0 && value >= site->identities[i].first &&
			value < site->identities[i].first + site->identities[i].n)
			value = -1;
	for (int i = 0; i < site->nkinds; i++)
		if (site->kinds[i].identities == identities && site->kinds[i].value == value)
			return i;
	site->kinds[site->nkinds] = (Kind)
	{
		identities, value
	};
	return site->nkinds++;
}

/* Reads the specification; what is behind its numbers is the use. */
static void
read_spec(Site *site, const bytea *spec, int nvalues)
{
	int			n = VARSIZE_ANY_EXHDR(spec) / sizeof(int32);
	int32	   *numbers = palloc(VARSIZE_ANY_EXHDR(spec) + 1);
	int32	   *at = numbers + TWP_GUARD_SPEC_HEADER;

	memcpy(numbers, VARDATA_ANY(spec), VARSIZE_ANY_EXHDR(spec));
	((char *) numbers)[VARSIZE_ANY_EXHDR(spec)] = '\0';
	if (n >= TWP_GUARD_SPEC_HEADER)
	{
		site->k = numbers[0];
		site->nfigures = numbers[1];
		site->nidentities = numbers[2];
		site->plain = numbers[3] == 0;
	}
	if (n < TWP_GUARD_SPEC_HEADER || site->nidentities < 0 || site->nidentities > TWP_GUARD_MAX_IDENTITIES || site->nfigures < 0 ||
		site->nfigures > TWP_GUARD_MAX_FIGURES || n < TWP_GUARD_SPEC_HEADER + 2 * site->nidentities + TWP_GUARD_SPEC_FIGURE * site->nfigures)
		twp_guard_refuse_bytes();
	for (int i = 0; i < site->nidentities; i++, at += 2)
	{
		if (at[0] < 0 || at[0] > nvalues || at[1] < 0 || at[1] > Min(MAX_COLUMNS, nvalues - at[0]))
			twp_guard_refuse_bytes();
		site->identities[i] = (Identity)
		{
			at[0], at[1]
		};
	}
	site->figures = palloc0(Max(site->nfigures, 1) * sizeof(Figure));
	site->kinds = palloc0(Max(site->nfigures, 1) * sizeof(Kind));
	site->kind_hashes = palloc0(Max(site->nfigures, 1) * sizeof(uint64));
	for (int i = 0; i < site->nfigures; i++, at += TWP_GUARD_SPEC_FIGURE)
	{
		site->figures[i] = (Figure)
		{
			(uint32) at[0], (uint32) at[1], at[2], at[3],.split = at[4] != 0
		};
		if (at[2] >= nvalues || at[3] >= nvalues || (at[2] >= 0 && site->types[at[2]] != BOOLOID))
			twp_guard_refuse_bytes();
		site->figures[i].type = at[3] >= 0 ? site->types[at[3]] : InvalidOid;
		site->figures[i].kind = at[0] != 0 ? find_kind(site, (uint32) at[1], at[3]) : -1;
	}
	if (site->plain)
		return;
	site->secret = twp_guard_secret((char *) at);
	for (int i = 0; i <= MAX_COLUMNS; i++)
		site->pads[i] = twp_guard_mix(site->secret->word[0] + i, site->secret->word[1]);
}

/* What is known of this call; worked out at the first. */
static Site *
call_site(FunctionCallInfo fcinfo, bool distinct)
{
	Site	   *site = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (site != NULL)
		return site;
	if (!distinct)
		TWP_REQUIRE_ARG(2, "spec");
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	site = palloc0(sizeof(Site));
	site->subject_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1));
	if (distinct)
	{
		const TwpUse *use = twp_uses_claimed() != NULL ? twp_uses_find(twp_uses_claimed()) : NULL;

		if (use == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_TWP_NO_USE_BOUND),
					 errmsg("no use is bound"),
					 errhint("Queries under an aggregate-only use call this function; bind one.")));
		site->k = Max(use->min_cohort, 1);
		site->secret = twp_guard_secret(use->code);
		site->nfigures = 1;
		site->figures = palloc0(sizeof(Figure));
		site->figures->condition = site->figures->value = site->figures->kind = -1;
	}
	else
	{
		read_types(fcinfo, site);
		read_spec(site, PG_GETARG_BYTEA_PP(2), PG_NARGS() - FIRST_VALUE);
	}
	twp_cohort_check_size(site->k);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = site;
	return site;
}

/* Makes an empty cohort. */
TwpCohort *
twp_guard_create_cohort(MemoryContext context, int32 k)
{
	TwpCohort  *cohort = MemoryContextAllocZero(context, TWP_COHORT_SIZE(k));

	cohort->k = k;
	return cohort;
}

/* Makes an empty state. */
static TwpGuardState *
create_state(MemoryContext context, const Site *site)
{
	TwpGuardState *state = MemoryContextAllocZero(context, sizeof(TwpGuardState));

	state->k = site->k;
	state->nfigures = site->nfigures;
	state->plain = site->plain;
	if (site->plain)
		state->people = twp_guard_create_cohort(context, site->k);
	else
	{
		state->capacity = Min(site->k, 4);
		state->entries = MemoryContextAllocZero(context, TWP_GUARD_LIST_SIZE(state, state->capacity));
	}
	state->tallies = MemoryContextAlloc(context, Max(TWP_GUARD_TALLIES_SIZE(state), 1));
	state->splits = MemoryContextAllocZero(context, Max(site->nfigures, 1) * sizeof(TwpCohort *));
	for (int i = 0; i < site->nfigures; i++)
	{
		/* adding to zero below zero keeps the sign of a zero, as sum() does */
		state->tallies[i] = (TwpGuardTally) {.real = -0.0};
		if (!site->figures[i].split)
			continue;
		state->splits[i] = twp_guard_create_cohort(context, site->k);
		state->parts |= UINT64CONST(1) << i;
	}
	return state;
}

/* Hash of a value that is not in its Datum. */
static uint64
hash_bytes_of(const Site *site, int n, Datum value)
{
	int			len = site->lens[n];
	const char *bytes = DatumGetPointer(value);

	if (len == -1)
	{
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

		bytes = VARDATA_ANY(packed);
		len = VARSIZE_ANY_EXHDR(packed);
	}
	else if (len == -2)
		len = strlen(bytes);
	return hash_bytes_extended((const unsigned char *) bytes, len, site->secret->word[0]);
}

/* A value as a word: itself where it fits. */
static inline uint64
value_word(FunctionCallInfo fcinfo, const Site *site, int n)
{
	if (PG_ARGISNULL(FIRST_VALUE + n))
		return site->secret->word[2];
	return site->byvals[n] ? (uint64) PG_GETARG_DATUM(FIRST_VALUE + n) :
		hash_bytes_of(site, n, PG_GETARG_DATUM(FIRST_VALUE + n));
}

/*
 * Hashes the identities of the rows that make up this one: sums of products of
 * two words each, which do not wait for one another.
 */
static inline void
hash_identities(FunctionCallInfo fcinfo, Site *site, uint64 key)
{
	for (int i = 0; i < site->nidentities; i++)
	{
		int			first = site->identities[i].first;
		int			n = site->identities[i].n;
		uint64		hash = key;

		for (int j = 0; j < n; j += 2)
			hash += twp_guard_mix(value_word(fcinfo, site, first + j) ^ site->pads[j],
								  (j + 1 < n ? value_word(fcinfo, site, first + j + 1) : key) ^ site->pads[j + 1]);
		site->hashes[i] = hash;
	}
}

/* Works out what identifies the row in figures, once for all that share it. */
static inline void
hash_kinds(FunctionCallInfo fcinfo, Site *site, uint64 key)
{
	hash_identities(fcinfo, site, key);
	for (int k = 0; k < site->nkinds; k++)
	{
		const Kind *kind = &site->kinds[k];
		uint64		sum = 0;

		for (int i = 0; i < site->nidentities; i++)
			if (kind->identities & (1U << i))
				sum += site->hashes[i];
		if (kind->value >= 0)
			sum += twp_guard_mix(value_word(fcinfo, site, kind->value) ^ site->pads[0], key ^ site->pads[1]);
		site->kind_hashes[k] = twp_guard_mix(sum ^ site->secret->word[2], key ^ site->secret->word[0]) & TWP_GUARD_PRIME;
	}
}

/* True when the row of a call counts for a figure. */
static inline bool
counts_for(FunctionCallInfo fcinfo, const Figure *figure)
{
	if (figure->condition >= 0 &&
		(PG_ARGISNULL(FIRST_VALUE + figure->condition) || !PG_GETARG_BOOL(FIRST_VALUE + figure->condition)))
		return false;
	return figure->value < 0 || !PG_ARGISNULL(FIRST_VALUE + figure->value);
}

/* Adds a value to the figure itself. */
static inline void
add_to_tally(TwpGuardTally *tally, Oid type, Datum value)
{
	tally->n++;
	if (type == FLOAT8OID)
	{
		double		real = tally->real + DatumGetFloat8(value);

		if (unlikely(isinf(real)) && !isinf(tally->real) && !isinf(DatumGetFloat8(value)))
			float_overflow_error();
		tally->real = real;
	}
	else if (type == INT4OID)
		tally->whole += DatumGetInt32(value);
	else if (type == INT2OID)
		tally->whole += DatumGetInt16(value);
}

/* The value that a row has for a figure. */
static inline Datum
value_of(FunctionCallInfo fcinfo, const Figure *figure)
{
	return figure->value >= 0 ? PG_GETARG_DATUM(FIRST_VALUE + figure->value) : (Datum) 0;
}

/* Adds a row to the figures themselves, of nobody: key NULL; gives the bits of those that it counts for. */
static inline uint64
tally_row(FunctionCallInfo fcinfo, const Site *site, TwpGuardState *state, const uint64 *key)
{
	uint64		counted = 0;

	for (int i = 0; i < site->nfigures; i++)
	{
		const Figure *figure = &site->figures[i];
		bool		counts = counts_for(fcinfo, figure);

		if (figure->split && key != NULL)
			twp_cohort_add(state->splits[i], counts, *key);
		if (!counts)
			continue;
		add_to_tally(&state->tallies[i], figure->type, value_of(fcinfo, figure));
		counted |= UINT64CONST(1) << i;
	}
	return counted;
}

/* What one figure gets from a row that counts for it. */
static inline void
contribute(FunctionCallInfo fcinfo, const Site *site, const Figure *figure, uint64 coefficient, uint64 *pair)
{
	uint64		exact = figure->value < 0 ? coefficient :
		twp_guard_multiply(coefficient, twp_guard_number(figure->type, value_of(fcinfo, figure)));

	pair[0] = twp_guard_add(pair[0], exact);
	pair[1] = twp_guard_add(pair[1], figure->kind >= 0 ? site->kind_hashes[figure->kind] : coefficient);
}

/* Adds the row's contributions to pairs, one a figure. */
static inline void
add_contributions(FunctionCallInfo fcinfo, const Site *site, uint64 counted, uint64 coefficient, uint64 *pair)
{
	for (int i = 0; i < site->nfigures; i++, pair += 2, counted >>= 1)
		if (counted & 1)
			contribute(fcinfo, site, &site->figures[i], coefficient, pair);
}

/* Adds the row's contributions to the entry of its subject; the cohort makes a sketch. */
static void
add_to_list(FunctionCallInfo fcinfo, Site *site, TwpGuardState *state, uint64 counted, uint64 key, TwpGuardPlace place)
{
	uint64	   *entry = twp_guard_find_entry(state, key);

	entry[1] = place.coefficient;
	entry[2] = place.position;
	add_contributions(fcinfo, site, counted, place.coefficient, entry + 3);
	if (state->nsubjects == state->k)
		twp_guard_make_sketch(state, twp_guard_aggregate_context(fcinfo), site->groups++ >= TWP_GUARD_FULL_GROUPS);
}

/* Puts the kept contributions into a sketch: from now on no subject is known. */
void
twp_guard_make_sketch(TwpGuardState *state, MemoryContext context, bool light)
{
	int			width = TWP_GUARD_ENTRY_WIDTH(state->nfigures);

	state->columns = twp_guard_columns(state->k, light);
	state->cells = MemoryContextAllocZero(context, TWP_GUARD_CELLS_SIZE(state));
	for (int i = 0; i < state->nsubjects; i++)
		twp_guard_add_to_cells(state, state->entries[i * width + 2], state->entries + i * width + 3);
	pfree(state->entries);
	state->entries = NULL;
	state->nsubjects = state->capacity = 0;
}

/* The entry of a subject; a new one when there is none. */
uint64 *
twp_guard_find_entry(TwpGuardState *state, uint64 key)
{
	int			width = TWP_GUARD_ENTRY_WIDTH(state->nfigures);
	uint64	   *entry;

	for (int i = 0; i < state->nsubjects; i++)
	{
		entry = state->entries + i * width;
		if (entry[0] == key)
			return entry;
	}
	if (state->nsubjects == state->capacity)
	{
		state->capacity = Min(state->k, 2 * state->capacity);
		state->entries = repalloc(state->entries, TWP_GUARD_LIST_SIZE(state, state->capacity));
		memset(state->entries + state->nsubjects * width, 0, TWP_GUARD_LIST_SIZE(state, state->capacity - state->nsubjects));
	}
	entry = state->entries + state->nsubjects++ * width;
	entry[0] = key;
	return entry;
}

/* Adds contributions of a subject to a state that has no sketch yet. */
void
twp_guard_add_to_entry(TwpGuardState *state, uint64 *entry, TwpGuardPlace place, const uint64 *contributions)
{
	entry[1] = place.coefficient;
	entry[2] = place.position;
	for (int i = 0; i < 2 * state->nfigures; i++)
		entry[3 + i] = twp_guard_add(entry[3 + i], contributions[i]);
}

/* Adds a row. */
static Datum
add_row(FunctionCallInfo fcinfo, bool distinct)
{
	Site	   *site = call_site(fcinfo, distinct);
	TwpGuardState *state = PG_ARGISNULL(0) ?
		create_state(twp_guard_aggregate_context(fcinfo), site) : (TwpGuardState *) PG_GETARG_POINTER(0);
	uint64		key;
	uint64		counted;
	TwpGuardPlace place;

	if (PG_ARGISNULL(1))
	{
		if (!distinct)
			(void) tally_row(fcinfo, site, state, NULL);
		PG_RETURN_POINTER(state);
	}
	key = twp_cohort_key(site->subject_type, PG_GETARG_DATUM(1));
	counted = tally_row(fcinfo, site, state, &key);
	if (site->plain)
	{
		twp_cohort_add(state->people, 1, key);
		PG_RETURN_POINTER(state);
	}
	place = twp_guard_place(site->secret, key);
	hash_kinds(fcinfo, site, key);
	if (state->cells != NULL)
		add_contributions(fcinfo, site, counted, place.coefficient,
						  state->cells + (Size) 2 * state->nfigures * (place.position & (state->columns - 1)));
	else
		add_to_list(fcinfo, site, state, counted, key, place);
	PG_RETURN_POINTER(state);
}

/* guard_cell: adds a row. */
Datum
twp_anonymity_guard_cell_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, false);
}

/* guard_subjects: adds a subject, each once. */
Datum
twp_anonymity_guard_subjects_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, true);
}

/* What a state gives to the gate. */
static Datum
finish_state(TwpGuardState *state)
{
	TwpGuardCell header = {.nfigures = state->nfigures,.columns = state->columns};
	Size		tallies = TWP_GUARD_TALLIES_SIZE(state);
	Size		cells = state->cells != NULL ? TWP_GUARD_CELLS_SIZE(state) : 0;
	bytea	   *result = palloc(VARHDRSZ + sizeof(header) + tallies + cells);

	for (int i = 0; i < state->nfigures; i++)
		state->tallies[i].split = state->splits[i] != NULL && twp_cohort_is_split(state->splits[i]);
	SET_VARSIZE(result, VARHDRSZ + sizeof(header) + tallies + cells);
	memcpy(VARDATA(result), &header, sizeof(header));
	memcpy(VARDATA(result) + sizeof(header), state->tallies, tallies);
	if (cells > 0)
		memcpy(VARDATA(result) + sizeof(header) + tallies, state->cells, cells);
	PG_RETURN_BYTEA_P(result);
}

/* guard_cell: a group with k subjects, else NULL. */
Datum
twp_anonymity_guard_cell_final(PG_FUNCTION_ARGS)
{
	TwpGuardState *state = PG_ARGISNULL(0) ? NULL : (TwpGuardState *) PG_GETARG_POINTER(0);

	if (state == NULL || (state->plain ? state->people->n[1] < state->k : state->cells == NULL))
		PG_RETURN_NULL();
	return finish_state(state);
}

/* guard_subjects: the sketch and the number of subjects. */
Datum
twp_anonymity_guard_subjects_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return finish_state((TwpGuardState *) PG_GETARG_POINTER(0));
}

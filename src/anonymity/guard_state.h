/*
 * guard_state.h - the state of a guarded group while it is gathered and merged.
 */
#ifndef TWP_GUARD_STATE_H
#define TWP_GUARD_STATE_H

#include "postgres.h"

#include "anonymity/cohort.h"
#include "anonymity/guard_internal.h"
#include "fmgr.h"

/* Groups of a plan node that get a full sketch. */
#define TWP_GUARD_FULL_GROUPS 64

typedef struct TwpGuardState
{
	int32		k;
	int32		nfigures;
	int32		nsubjects;		/* in entries */
	int32		capacity;		/* of entries */
	int32		columns;		/* 0 while there is no sketch */
	int32		plain;			/* nothing is sketched: people are counted */
	uint64		parts;			/* bits of the figures that have a split */
	TwpGuardTally *tallies;		/* one a figure */
	TwpCohort  *people;			/* of a plain state */
	TwpCohort **splits;			/* one a figure, or NULL: subjects that count for it and those that do not */
	uint64	   *entries;		/* key, coefficient, position, then 2 * nfigures contributions */
	uint64	   *cells;
} TwpGuardState;

#define TWP_GUARD_ENTRY_WIDTH(nfigures) (3 + 2 * (nfigures))
#define TWP_GUARD_LIST_SIZE(state, n) ((Size) (n) * TWP_GUARD_ENTRY_WIDTH((state)->nfigures) * sizeof(uint64))
#define TWP_GUARD_CELLS_SIZE(state) ((Size) (state)->columns * 2 * (state)->nfigures * sizeof(uint64))

#define TWP_GUARD_TALLIES_SIZE(state) ((Size) (state)->nfigures * sizeof(TwpGuardTally))

/* Adds contributions to the cell of a place. */
static inline void
twp_guard_add_to_cells(TwpGuardState *state, uint64 position, const uint64 *contributions)
{
	int			width = 2 * state->nfigures;
	uint64	   *cell = state->cells + (Size) width * (position & (state->columns - 1));

	for (int i = 0; i < width; i++)
		cell[i] = twp_guard_add(cell[i], contributions[i]);
}

/* Makes an empty cohort. */
extern TwpCohort *twp_guard_create_cohort(MemoryContext context, int32 k);
/* The memory context of the running aggregate. */
extern MemoryContext twp_guard_aggregate_context(FunctionCallInfo fcinfo);
/* Puts the kept contributions into a sketch: from now on no subject is known. */
extern void twp_guard_make_sketch(TwpGuardState *state, MemoryContext context, bool light);
/* The entry of a subject; a new one when there is none. */
extern uint64 *twp_guard_find_entry(TwpGuardState *state, uint64 key);
/* Adds contributions of a subject to a state that has no sketch yet. */
extern void twp_guard_add_to_entry(TwpGuardState *state, uint64 *entry, TwpGuardPlace place,
								   const uint64 *contributions);

#endif							/* TWP_GUARD_STATE_H */

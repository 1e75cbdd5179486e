/*
 * guard_store.h - the figures of a use in memory, shared by the file that keeps
 * them and the one that searches them.
 */
#ifndef TWP_GUARD_STORE_H
#define TWP_GUARD_STORE_H

#include "postgres.h"

#include "anonymity/guard_internal.h"
#include "nodes/pg_list.h"

#define TWP_GUARD_CODE_LEN 256

/* A key of the index and the figure that has it. */
typedef struct TwpGuardSlot
{
	uint64		key;			/* 0: free */
	uint32		figure;
} TwpGuardSlot;

struct TwpGuardStore
{
	struct TwpGuardStore *next;
	Oid			database;
	MemoryContext context;		/* of figures and slots */
	char		code[TWP_GUARD_CODE_LEN];
	bool		has_secret;
	TwpGuardSecret secret;
	uint64		generation;
	off_t		length;			/* read so far, and known to be whole */
	uint32		nfigures;
	uint32		nstored;		/* the others were kept since opening */
	uint32		capacity;
	TwpGuardFigure *figures;
	int			key_columns;	/* of the index; 0: not built */
	uint32		nslots;			/* power of two */
	uint32		nused;
	uint32		nindexed;		/* figures */
	TwpGuardSlot	   *slots;
	List	   *unindexed;		/* numbers of figures with fewer columns */
};

/* Adds a figure; its cells are copied. */
extern void twp_guard_add_figure(TwpGuardStore *store, const TwpGuardFigure *figure);
/* The moment before which releases are forgotten. */
extern TimestampTz twp_guard_horizon(void);

#endif							/* TWP_GUARD_STORE_H */

/*
 * statement_internal.h - what is kept of a statement that touches protected data.
 */
#ifndef TWP_ENFORCE_STATEMENT_INTERNAL_H
#define TWP_ENFORCE_STATEMENT_INTERNAL_H

#include "postgres.h"

#include "enforce/enforce.h"
#include "executor/execdesc.h"
#include "ledger/ledger.h"

typedef struct TwpStatement
{
	QueryDesc  *query;			/* identity only once the transaction is over */
	SubTransactionId subid;
	uint64		record_id;		/* 0 until the intent is recorded */
	uint64		stamp;
	uint64		rows;
	bool		maintenance;
	bool		own_plan;		/* a copy, to be printed */
	bool		quiet;			/* nothing says how many rows it meets */
	bool		parallel;		/* workers may have seen subjects we have not */
	TwpOutcome	outcome;		/* of a failed one whose workers are not gone yet */
	MemoryContext context;		/* of the subjects */
	TwpSubjectSet *subjects;
	TwpSubjectSet *told;		/* with a daily limit: everybody the use was told of today */
	uint64		limit;			/* how many that may be; 0: no limit */
	bool		may_export;
	bool		exact;			/* the subjects noted are those told of */
	bool		was_run;		/* at least once: the next run is a fetch */
	uint64		changes;		/* of consents and vocabulary when it was run first */
	TimestampTz horizon;		/* when something decided so far may be decided otherwise */
	struct TwpStatement *next;
} TwpStatement;

/* statement.c: the innermost statement of ours that runs, or NULL. */
extern TwpStatement *twp_enforce_running(void);

/* told.c */
/* The set of subjects a statement was given, begun when there is none. */
extern TwpSubjectSet *twp_enforce_subjects_of(TwpStatement *statement);
/* Looks up whom a use with a daily limit was told of today. */
extern void twp_enforce_count_today(TwpStatement *statement);

#endif							/* TWP_ENFORCE_STATEMENT_INTERNAL_H */

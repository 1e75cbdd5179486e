/*
 * stored.c - what a command of the client's stored before it reads.
 *
 * Storing after reading is refused (run.c).  Storing first helps nobody, as
 * long as nothing can be taken back by what is read later: a block with an
 * exception handler stores a guess, reads, and raises when the guess was
 * wrong.  So protected rows are not read, without export, while a
 * subtransaction of the same command is open that stored outside protection.
 * That a whole command fails is what its client sees.
 *
 * Contract: raises only where told; levels of subtransactions are bits, those
 * too deep for a word share the last.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "utils/lsyscache.h"

#define DEEPEST		63

static TimestampTz command = 0; /* start of the client's command that is told of */
static int	outside = 0;		/* nesting of subtransactions around it */
static uint64 levels = 0;		/* nestings at which it stored something that is still to be undone or kept */

/* The bit of a nesting of subtransactions. */
static uint64
level_bit(int level)
{
	return UINT64CONST(1) << Min(level, DEEPEST);
}

/* Something of the client's begins: a command of its own, or the next part of one. */
void
twp_enforce_command_begins(void)
{
	if (command == GetCurrentStatementStartTimestamp())
		return;
	command = GetCurrentStatementStartTimestamp();
	outside = GetCurrentTransactionNestLevel();
	levels = 0;
}

/* True when all that a plan writes is of the session alone. */
static bool
writes_temporary(const QueryDesc *query)
{
	ListCell   *lc;

	foreach(lc, query->plannedstmt->resultRelations)
		if (get_rel_persistence(((RangeTblEntry *) list_nth(query->plannedstmt->rtable, lfirst_int(lc) - 1))->relid) != RELPERSISTENCE_TEMP)
			return false;
	return query->plannedstmt->resultRelations != NIL;
}

/* Notes that a plan, or a command where that is NULL, stores outside protection. */
void
twp_enforce_note_stored(const QueryDesc *query)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level > outside && (query == NULL || !writes_temporary(query)))
		levels |= level_bit(level);
}

/* At the end of a subtransaction its parent keeps what it stored, or nobody does. */
void
twp_enforce_end_level(bool commits)
{
	int			level = GetCurrentTransactionNestLevel();

	if (commits && level < DEEPEST && (levels & level_bit(level)) != 0)
		levels |= level_bit(level - 1);
	if (level < DEEPEST)
		levels &= level_bit(level) - 1;
}

/* Refuses to read while what was stored could be undone by what is read. */
void
twp_enforce_refuse_undoing(void)
{
	if (levels >> (Min(outside, DEEPEST - 1) + 1) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("protected tables may not be read in a block that stored in an unprotected table and handles errors"),
			 errhint("What is read could decide whether that stays: store in a command of its own, or ask for a use with export.")));
}

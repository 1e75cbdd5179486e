/*
 * unrecorded.c - the library with its recording of reads taken out, for a benchmark.
 *
 * Linked in front of the library's own objects (ld --wrap): no intent, no
 * completion, nobody noted; everything else is decided and filtered as ever.
 * Only the second server of test/bench/40_ledger.sh loads it.  There is no
 * setting that does the same, on purpose.
 */
#include "postgres.h"

#include "enforce/enforce_internal.h"
#include "ledger/ledger.h"

/* Declares the replacement of a function, and fails to compile when that is not there any more. */
#define REPLACES(name) \
	extern __typeof__(name) __wrap_##name

REPLACES(twp_ledger_intend);
REPLACES(twp_ledger_complete);
REPLACES(twp_enforce_describe);
REPLACES(twp_enforce_planned);
REPLACES(twp_enforce_note_subject);
REPLACES(twp_enforce_noting);

/* Takes an intent and forgets it. */
uint64
__wrap_twp_ledger_intend(const TwpIntent *intent)
{
	return 1;
}

/* Forgets how it ended. */
void
__wrap_twp_ledger_complete(uint64 record_id, const TwpCompletion *completion)
{
}

/* Describes nothing. */
void
__wrap_twp_enforce_describe(TwpIntent *intent, List *relids, bool maintenance)
{
	memset(intent, 0, sizeof(*intent));
}

/* Adds no notes to a plan; does the rest. */
void
__wrap_twp_enforce_planned(PlannedStmt *plan)
{
	twp_enforce_explain_planned();
	plan->relationOids = lappend_oid(plan->relationOids, twp_pseudonym_pinned_relation());
}

/* Notes nobody. */
void
__wrap_twp_enforce_note_subject(const TwpSubject *subject)
{
}

/* Keeps no set of those to be noted. */
TwpSubjectSet *
__wrap_twp_enforce_noting(void)
{
	return NULL;
}

/*
 * told.c - whom a statement was told of.
 *
 * Each statement collects the data subjects it was given for its completion in
 * the ledger; under a use with a daily limit they are counted as they come.
 * In a parallel worker they go into the worker's own set (workers.c).
 *
 * Memory: a context of the statement's, under TopMemoryContext, because what
 * was told is recorded when its transaction has aborted, too.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "base/errors.h"
#include "enforce/enforce_internal.h"
#include "enforce/statement_internal.h"
#include "enforce/workers.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The set of subjects a statement was given, begun when there is none. */
TwpSubjectSet *
twp_enforce_subjects_of(TwpStatement *statement)
{
	if (statement->subjects == NULL)
	{
		statement->context = AllocSetContextCreate(TopMemoryContext, "twin_privacy subjects",
												   ALLOCSET_SMALL_SIZES);
		statement->subjects = twp_ledger_subjects_create(statement->context);
	}
	return statement->subjects;
}

/* Looks up whom a use with a daily limit was told of since midnight, UTC. */
void
twp_enforce_count_today(TwpStatement *statement)
{
	TimestampTz now = GetCurrentTimestamp();

	statement->limit = twp_decision_use()->max_subjects_per_day;
	if (statement->limit == 0)
		return;
	(void) twp_enforce_subjects_of(statement);
	statement->told = twp_ledger_subjects_create(statement->context);
	now -= ((now % USECS_PER_DAY) + USECS_PER_DAY) % USECS_PER_DAY;
	twp_ledger_told_since(twp_decision_use()->code, now, statement->told);
}

/* The set a scan adds to that notes many subjects; NULL when it is to tell each by itself, or nobody. */
TwpSubjectSet *
twp_enforce_noting(void)
{
	TwpStatement *statement = twp_enforce_running();

	if (IsParallelWorker())
		return twp_enforce_worker_subjects();
	return statement == NULL || statement->told != NULL ? NULL : twp_enforce_subjects_of(statement);
}

/* Adds a subject to what the running statement was given. */
void
twp_enforce_note_subject(const TwpSubject *subject)
{
	TwpStatement *statement = twp_enforce_running();
	TwpSubjectSet *told = statement != NULL ? statement->told : NULL;
	TwpSubjectSet *set = told != NULL ? statement->subjects : twp_enforce_noting();

	if (told != NULL)
		twp_ledger_subjects_add(told, subject);
	if (told != NULL && twp_ledger_subjects_count(told) > statement->limit)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" may be told of at most " UINT64_FORMAT " data subjects a day",
						twp_decision_use()->code, statement->limit),
				 errhint("Ask for fewer people at a time, wait for tomorrow (UTC), or ask a twin_privacy_officer for a wider use.")));
	if (set != NULL)
		twp_ledger_subjects_add(set, subject);
}

/*
 * context.c - twin data does not meet the tables that insurance and employment
 * are decided by.
 *
 * A closed rule: one command of a client's does not touch a protected table
 * and a table that is labelled with a context, in whatever shape (joins,
 * sub-queries, views, functions one after the other, prepared or not), under
 * whatever purpose.  It is asked of every plan that starts, with all it reads
 * and writes, parts of tables included; a command is told from the next by the
 * time it began.
 *
 * What a client carries from one command to the next, and a copy that nobody
 * labelled, are not seen.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "utils/lsyscache.h"

/* When the command began in which each was last met. */
static TimestampTz protected_met = 0;
static TimestampTz context_met = 0;

/* Notes what a plan touches; gives a table with a context among it, or InvalidOid. */
static Oid
meet_relations(PlannedStmt *plan, TimestampTz command)
{
	Oid			labelled = InvalidOid;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_COMPOSITE_TYPE)
			continue;
		if (twp_protect_context(rte->relid) != TWP_CONTEXT_NONE)
		{
			labelled = rte->relid;
			context_met = command;
		}
		if (twp_protect_is_protected(rte->relid))
			protected_met = command;
	}
	return labelled;
}

/* Refuses a plan by which protected data and a labelled table meet in one command. */
void
twp_enforce_refuse_meeting(PlannedStmt *plan)
{
	TimestampTz command = GetCurrentStatementStartTimestamp();
	Oid			labelled;

	if (IsParallelWorker() || twp_in_maintenance() || twp_sql_is_internal() || !twp_protect_any_context() ||
		twp_enforce_in_foreign_key_check())
		return;
	labelled = meet_relations(plan, command);
	if (protected_met != command || context_met != command)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 OidIsValid(labelled) ?
			 errmsg("protected tables may not be read together with table \"%s\", which is kept for %s",
					get_rel_name(labelled), twp_protect_context_name(twp_protect_context(labelled))) :
			 errmsg("protected tables may not be read together with a table that is kept for insurance or employment"),
			 errhint("Health data may not decide on insurance or employment (EHDS art. 54). If the label is wrong, a twin_privacy_admin changes it with twin_privacy.label_context.")));
}

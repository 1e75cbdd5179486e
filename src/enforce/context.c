/*
 * context.c - twin data does not meet the tables that insurance and employment
 * are decided by.
 *
 * A closed rule: one command of a client's does not touch a protected table
 * and a table that is labelled with a context, in whatever shape (joins,
 * sub-queries, views, functions one after the other, prepared or not), under
 * whatever purpose.  It is asked of every plan that starts and of every run
 * (a driver's portal runs in a later command than it starts in), with all it
 * reads and writes, parts of tables included; a command is told from the next by
 * the time it began.
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
static TimestampTz protected_met = DT_NOBEGIN;
static TimestampTz context_met = DT_NOBEGIN;

/* Raises that protected data and a labelled table (InvalidOid: some) meet. */
static void
raise_meeting(Oid labelled)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 OidIsValid(labelled) ?
			 errmsg("protected tables may not be read together with table \"%s\", which is kept for %s",
					get_rel_name(labelled), twp_protect_context_name(twp_protect_context(labelled))) :
			 errmsg("protected tables may not be read together with a table that is kept for insurance or employment"),
			 errhint("Health data may not decide on insurance or employment (EHDS art. 54). If the label is wrong, a twin_privacy_admin changes it with twin_privacy.label_context.")));
}

/* Notes that a command touches a table; true for one with a context. */
static bool
meet_relation(Oid relid, TimestampTz command)
{
	bool		labelled = twp_protect_context(relid) != TWP_CONTEXT_NONE;

	if (labelled)
		context_met = command;
	if (twp_protect_is_protected(relid))
		protected_met = command;
	return labelled;
}

/* Notes what a plan touches; gives a table with a context among it, or InvalidOid. */
static Oid
meet_relations(PlannedStmt *plan, TimestampTz command)
{
	Oid			labelled = InvalidOid;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_COMPOSITE_TYPE && meet_relation(rte->relid, command))
			labelled = rte->relid;
	}
	return labelled;
}

/* COPY FROM has no plan, but triggers that may read: notes its table, and refuses what has met by now. */
void
twp_enforce_meet_copied(Oid relid)
{
	TimestampTz command = GetCurrentStatementStartTimestamp();

	if (!OidIsValid(relid) || twp_in_maintenance() || !twp_protect_any_context())
		return;
	(void) meet_relation(relid, command);
	if (protected_met == command && context_met == command)
		raise_meeting(InvalidOid);
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
	if (protected_met == command && context_met == command)
		raise_meeting(labelled);
}

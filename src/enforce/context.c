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
 * Two officers may except a labelled table for one use, until a day: then the
 * command may read it together with what it reads under that use, and under no
 * other.
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
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What the command that began then has met. */
typedef struct Met
{
	TimestampTz command;
	bool		protected;
	List	   *contexts;		/* OIDs of labelled tables */
	char	   *code;			/* of the use under which protected tables were read */
	bool		mixed;			/* under several uses, or none */
} Met;

static Met met = {.command = DT_NOBEGIN};
static MemoryContext met_context = NULL;

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
			 errhint("Health data may not decide on insurance or employment (EHDS art. 54). If the label is wrong, a twin_privacy_admin changes it with twin_privacy.label_context; where the rule is, two officers except the table with twin_privacy.propose_scoring_exception.")));
}

/* Begins to note what a command meets. */
static void
begin_command(void)
{
	TimestampTz command = GetCurrentStatementStartTimestamp();

	if (met.command == command)
		return;
	if (met_context == NULL)
		met_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy context", ALLOCSET_SMALL_SIZES);
	met = (Met) {.command = command};
	MemoryContextReset(met_context);
}

/* Notes that a protected table is met under the use that is claimed; its authority is checked where it is read. */
static void
meet_protected(void)
{
	const char *code = twp_uses_claimed();

	if (!met.protected)
		met.code = code == NULL ? NULL : MemoryContextStrdup(met_context, code);
	met.protected = true;
	met.mixed = met.mixed || code == NULL || met.code == NULL || strcmp(code, met.code) != 0;
}

/* Notes that a command touches a table; true for one with a context. */
static bool
meet_relation(Oid relid)
{
	bool		labelled = twp_protect_context(relid) != TWP_CONTEXT_NONE;

	if (labelled)
	{
		MemoryContext old = MemoryContextSwitchTo(met_context);

		met.contexts = list_append_unique_oid(met.contexts, relid);
		MemoryContextSwitchTo(old);
	}
	if (twp_protect_is_protected(relid))
		meet_protected();
	return labelled;
}

/* Notes what a plan touches; gives a table with a context among it, or InvalidOid. */
static Oid
meet_relations(PlannedStmt *plan)
{
	Oid			labelled = InvalidOid;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_COMPOSITE_TYPE && meet_relation(rte->relid))
			labelled = rte->relid;
	}
	return labelled;
}

/* True when every labelled table that was met is excepted for the one use under which protected ones were. */
static bool
is_excepted(void)
{
	const TwpUse *use = met.mixed ? NULL : twp_uses_find(met.code);
	ListCell   *lc;

	if (use == NULL)
		return false;
	foreach(lc, met.contexts)
		if (!twp_uses_is_excepted(use, lfirst_oid(lc), GetCurrentTimestamp()))
			return false;
	return true;
}

/* True when the command has met protected data and a labelled table that may not meet. */
static bool
is_refused(void)
{
	return met.protected && met.contexts != NIL && !is_excepted();
}

/* COPY FROM has no plan, but triggers that may read: notes its table, and refuses what has met by now. */
void
twp_enforce_meet_copied(Oid relid)
{
	if (!OidIsValid(relid) || twp_in_maintenance() || !twp_protect_any_context())
		return;
	begin_command();
	(void) meet_relation(relid);
	if (is_refused())
		raise_meeting(InvalidOid);
}

/* Refuses a plan by which protected data and a labelled table meet in one command. */
void
twp_enforce_refuse_meeting(PlannedStmt *plan)
{
	Oid			labelled;

	if (IsParallelWorker() || twp_in_maintenance() || twp_sql_is_internal() || !twp_protect_any_context() ||
		twp_enforce_in_foreign_key_check())
		return;
	begin_command();
	labelled = meet_relations(plan);
	if (is_refused())
		raise_meeting(labelled);
}

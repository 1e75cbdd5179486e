/*
 * lineage.c - tables by whose rows derived rows are traced to what they were
 * made from.
 *
 * Their rows are added by whoever may insert, and that closes more.  To change
 * or take one away would open the row it traces, so nobody does but in
 * maintenance; a row whose derived row is gone is of no more use and may be
 * deleted (by a foreign key's cascade, too).
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "lineage/lineage.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_enforce_untraced);

/* Refuses to change a table's rows. */
static void
refuse_change(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("rows of provenance table \"%s\" are added, never changed or taken away", get_rel_name(relid)),
			 errhint("A row that has lost its provenance would be open. Delete the derived row first; its provenance may go then.")));
}

/* True for a command that changes rows, or may. */
static bool
changes_rows(const Query *query)
{
	ListCell   *lc;

	if (query->commandType == CMD_UPDATE)
		return true;
	if (query->commandType == CMD_INSERT)
		return query->onConflict != NULL && query->onConflict->action == ONCONFLICT_UPDATE;
	foreach(lc, query->mergeActionList)
	{
		CmdType		command = ((MergeAction *) lfirst(lc))->commandType;

		if (command != CMD_INSERT && command != CMD_NOTHING)
			return true;
	}
	return false;
}

/* Keeps a query from changing provenance, and lets it delete only what traces nothing any longer. */
void
twp_enforce_guard_provenance(Query *query)
{
	int			rti = twp_compat_merge_target(query) != 0 ? twp_compat_merge_target(query) : query->resultRelation;
	RangeTblEntry *rte;

	if (rti == 0 || query->commandType == CMD_SELECT || query->commandType == CMD_UTILITY || twp_in_maintenance() ||
		!twp_protect_has_lineage())
		return;
	rte = rt_fetch(rti, query->rtable);
	if (rte->rtekind != RTE_RELATION || !twp_protect_is_provenance(rte->relid))
		return;
	if (changes_rows(query))
		refuse_change(rte->relid);
	if (query->commandType == CMD_DELETE)
		rte->securityQuals = lcons(twp_enforce_untraced_expr(rte->relid, rti), rte->securityQuals);
}

/*
 * Guards every TRUNCATE: of protected tables and of what decides whose their
 * rows are, which takes an administrator, and of provenance, which takes
 * maintenance.
 */
void
twp_enforce_truncates(Oid relid)
{
	/*
	 * Named by the command, or by another's CASCADE.  The table is locked
	 * already, and steps are looked up in others: not where nobody is refused,
	 * as a parallel restore would wait for itself.
	 */
	if (twp_protect_any() && !twp_enforce_is_trusted())
	{
		twp_enforce_require_admin(relid, "TRUNCATE");
		if (twp_protect_deletes_decide(relid))
			twp_enforce_guard_step(relid, "TRUNCATE");
	}
	if (!twp_in_maintenance() && !twp_sql_is_installing() && twp_protect_has_lineage() &&
		twp_protect_is_provenance(relid))
		refuse_change(relid);
	twp_lineage_writes(relid, CMD_DELETE);
}

/* Tells what hangs on a plan's written relations that they change. */
void
twp_enforce_announce_writes(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), plan->rtable);

		twp_lineage_writes(rte->relid, twp_enforce_may_update(plan) ? CMD_UPDATE : CMD_INSERT);
	}
}

/* untraced(relation, attno, key): is there no derived row of this key any longer? */
Datum
twp_enforce_untraced(PG_FUNCTION_ARGS)
{
	List	   *targets;
	ListCell   *lc;
	TwpSubject	key;

	if (PG_ARGISNULL(2))
		PG_RETURN_BOOL(true);
	twp_subject_from_datum(&key, get_fn_expr_argtype(fcinfo->flinfo, 2), PG_GETARG_DATUM(2));
	targets = twp_protect_traced_tables(PG_GETARG_OID(0), PG_GETARG_INT16(1));
	foreach(lc, targets)
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));

		if (p == NULL || p->facts[TWP_ROW_KEY] == 0 ||
			twp_lineage_row_exists(p->relid, p->facts[TWP_ROW_KEY], &key))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}

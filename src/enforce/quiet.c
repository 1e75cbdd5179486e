/*
 * quiet.c - under forms that give figures only, nothing else says how many
 * rows a statement met.
 *
 * PostgreSQL counts for everybody how many rows of which table and index were
 * read (pg_stat_xact_user_tables), of an analyst's own table that protected rows
 * were joined to, too; EXPLAIN counts them, and a serializable transaction shows
 * a lock for each (pg_locks).  It also logs how much it sorts (trace_sort), to the
 * client where that asks for it.  So such statements are not explained, run in no
 * serializable transaction, are not counted, and log nothing to the client.
 *
 * Failure: TP003.  The settings that see to it end with the run or its
 * (sub)transaction.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* True when the bound use gives figures only. */
static bool
gives_figures(void)
{
	TwpForm		form = twp_decision_use()->form;

	return form == TWP_FORM_AGGREGATE || form == TWP_FORM_PRIVATE;
}

/* Refuses what would show how many rows a statement meets, where the bound use gives figures only. */
void
twp_enforce_refuse_counting(const QueryDesc *query, int eflags)
{
	if (!gives_figures())
		return;
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 || query->instrument_options != 0)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("EXPLAIN is not available under use \"%s\"", twp_decision_use()->code),
				 errhint("Its row counts tell of groups below the cohort.")));
	if (IsolationIsSerializable())
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("SERIALIZABLE transactions are not available under use \"%s\"", twp_decision_use()->code),
				 errhint("Their locks tell of single rows: use REPEATABLE READ.")));
}

/* Opens a table and its indexes while nothing is counted: that lasts until they are opened again. */
static void
open_uncounted(Oid relid)
{
	Relation	relation = table_open(relid, NoLock);
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *lc;

	foreach(lc, indexes)
		index_close(index_open(lfirst_oid(lc), AccessShareLock), NoLock);
	list_free(indexes);
	table_close(relation, NoLock);
}

/* Begins something of which nothing is counted or logged to the client; gives what ends it. */
int
twp_enforce_begin_quiet(void)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option("track_counts", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (client_min_messages < NOTICE)
		(void) set_config_option("client_min_messages", "notice", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Begins a run likewise, where the bound use gives figures only; gives 0 elsewhere. */
int
twp_enforce_begin_quiet_run(const QueryDesc *query)
{
	int			level;
	ListCell   *lc;

	if (!gives_figures())
		return 0;
	level = twp_enforce_begin_quiet();
	foreach(lc, query->plannedstmt->rtable)
	{
		const RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && (rte->relkind == RELKIND_RELATION || rte->relkind == RELKIND_MATVIEW))
			open_uncounted(rte->relid);
	}
	return level;
}

/* Ends it when it went well. */
void
twp_enforce_end_quiet(int level)
{
	if (level > 0)
		AtEOXact_GUC(true, level);
}

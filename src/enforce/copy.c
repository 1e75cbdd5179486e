/*
 * copy.c - COPY of a protected table.
 *
 * COPY table TO reads the heap without the planner; it becomes COPY (SELECT
 * columns FROM ONLY table) TO, which is rewritten like every query.
 */
#include "postgres.h"

#include "access/table.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A result column that is a plain column. */
static ResTarget *
column_target(const char *name)
{
	ResTarget  *target = makeNode(ResTarget);
	ColumnRef  *column = makeNode(ColumnRef);

	column->fields = list_make1(makeString(pstrdup(name)));
	column->location = -1;
	target->val = (Node *) column;
	target->location = -1;
	return target;
}

/* The columns COPY would write: those named, or all but dropped and generated ones. */
static List *
copy_targets(Oid relid, List *names)
{
	List	   *targets = NIL;
	ListCell   *lc;
	Relation	rel;

	foreach(lc, names)
		targets = lappend(targets, column_target(strVal(lfirst(lc))));
	if (names != NIL)
		return targets;
	rel = table_open(relid, AccessShareLock);
	for (int i = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped && att->attgenerated == '\0')
			targets = lappend(targets, column_target(NameStr(att->attname)));
	}
	table_close(rel, NoLock);
	return targets;
}

/* Turns COPY table TO into COPY (query) TO. */
static void
copy_from_query(CopyStmt *stmt, Oid relid)
{
	SelectStmt *select = makeNode(SelectStmt);
	RangeVar   *from = copyObject(stmt->relation);

	from->schemaname = get_namespace_name(get_rel_namespace(relid));
	from->inh = false;
	select->targetList = copy_targets(relid, stmt->attlist);
	select->fromClause = list_make1(from);
	stmt->query = (Node *) select;
	stmt->relation = NULL;
	stmt->attlist = NIL;
}

/* Treats COPY of a protected table; always goes on with what it became. */
bool
twp_enforce_copy(PlannedStmt *pstmt, const char *query_string, DestReceiver *dest, QueryCompletion *qc)
{
	CopyStmt   *stmt = (CopyStmt *) pstmt->utilityStmt;
	Oid			relid;

	if (stmt->relation == NULL || twp_guc_maintenance)
		return true;
	relid = RangeVarGetRelid(stmt->relation, AccessShareLock, true);
	if (!OidIsValid(relid) || !twp_protect_is_protected(relid))
		return true;
	if (stmt->is_from)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("COPY FROM into protected table \"%s\" is not supported", get_rel_name(relid)),
				 errhint("Use INSERT; a superuser restores with twin_privacy.maintenance.")));
	/* PostgreSQL's own error names partitioned tables better than a rewritten query would */
	if (get_rel_relkind(relid) == RELKIND_RELATION)
		copy_from_query(stmt, relid);
	return true;
}

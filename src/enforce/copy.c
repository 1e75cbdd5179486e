/*
 * copy.c - COPY of a protected table.
 *
 * COPY table TO reads the heap without the planner; it becomes COPY (SELECT
 * columns FROM ONLY table) TO, which is rewritten like every query.
 *
 * COPY table FROM is refused by PostgreSQL under row security, because it
 * evaluates no policies.  It is carried out here as PostgreSQL does, with the
 * checks an INSERT would get added to its WHERE clause, where each row passes
 * before it is stored.  Before-row triggers could change the row after that,
 * so a table that has some is loaded by INSERT.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext_data.h"
#include "commands/copy.h"
#include "enforce/enforce_internal.h"
#include "lineage/lineage.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "utils/acl.h"
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
	{
		const char *name = strVal(lfirst(lc));
		AttrNumber	attno = get_attnum(relid, name);

		/* a query could give it; COPY of the table does not */
		if (attno != InvalidAttrNumber && get_attgenerated(relid, attno) != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					 errmsg("column \"%s\" is a generated column", name),
					 errdetail("Generated columns cannot be used in COPY.")));
		targets = lappend(targets, column_target(name));
	}
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
become_query(CopyStmt *stmt, Oid relid)
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

/* The privileges PostgreSQL asks for reading a server file or program. */
static void
check_source(const CopyStmt *stmt)
{
	Oid			role = stmt->is_program ? ROLE_PG_EXECUTE_SERVER_PROGRAM : ROLE_PG_READ_SERVER_FILES;

	if (stmt->filename != NULL && !has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to COPY from a server file or program"),
				 errhint("Use COPY FROM STDIN or psql's \\copy.")));
}

/* True when a column that tells a fact of the row is generated. */
static bool
has_generated_fact(Relation rel, const TwpProtection *p)
{
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		if (p->facts[fact] != 0 &&
			TupleDescAttr(RelationGetDescr(rel), p->facts[fact] - 1)->attgenerated != '\0')
			return true;
	return false;
}

/* Refuses what would change a row after its check. */
static void
check_target(Relation rel, const TwpTableVerdict *v)
{
	const TwpProtection *p = v->protection;

	if (twp_decision_use()->form != TWP_FORM_IDENTIFIED)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" of form %s may not write", twp_decision_use()->code,
						twp_uses_form_name(twp_decision_use()->form)),
				 errhint("Bind a use of form identified to change protected tables.")));
	if ((rel->trigdesc != NULL && rel->trigdesc->trig_insert_before_row) ||
		TupleDescAttr(RelationGetDescr(rel), p->subject.start - 1)->attgenerated != '\0' ||
		(p->has_label_path &&
		 TupleDescAttr(RelationGetDescr(rel), p->labels.start - 1)->attgenerated != '\0') ||
		has_generated_fact(rel, p))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("COPY FROM cannot check rows that triggers or generated columns change"),
				 errhint("Use INSERT for table \"%s\".", RelationGetRelationName(rel))));
}

/* Refuses, as PostgreSQL does, a condition on what is computed only when a row is stored. */
static void
refuse_generated(Relation rel, Node *where)
{
	Bitmapset  *used = NULL;
	bool		whole;

	pull_varattnos(where, 1, &used);
	whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
		if (TupleDescAttr(RelationGetDescr(rel), attno - 1)->attgenerated != '\0' &&
			(whole || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, used)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					 errmsg("generated columns are not supported in COPY FROM WHERE conditions"),
					 errdetail("Column \"%s\" is a generated column.",
							   get_attname(RelationGetRelid(rel), attno, false))));
}

/* The user's WHERE clause and our checks, as COPY wants them: a list of conjuncts. */
static List *
row_conditions(ParseState *pstate, ParseNamespaceItem *item, Relation rel, const CopyStmt *stmt,
			   const TwpTableVerdict *v, List *attnums)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	if (stmt->whereClause != NULL)
	{
		Node	   *where;

		addNSItemToQuery(pstate, item, false, true, true);
		where = transformExpr(pstate, stmt->whereClause, EXPR_KIND_COPY_WHERE);
		where = coerce_to_boolean(pstate, where, "WHERE");
		assign_expr_collations(pstate, where);
		refuse_generated(rel, where);
		where = eval_const_expressions(NULL, where);
		conditions = make_ands_implicit((Expr *) canonicalize_qual((Expr *) where, false));
	}
	if (twp_enforce_purpose_check(v, 1) != NULL)
		conditions = lappend(conditions, twp_enforce_purpose_check(v, 1));
	conditions = lappend(conditions, twp_enforce_row_expr(twp_enforce_insert_check(v), v, 1));
	foreach(lc, attnums)
	{
		Node	   *check = twp_enforce_cell_check(v, 1, lfirst_int(lc));

		if (check != NULL)
			conditions = lappend(conditions, check);
	}
	fix_opfuncids((Node *) conditions);
	return conditions;
}

/* Loads rows as PostgreSQL does, each of them checked. */
static uint64
load_rows(ParseState *pstate, Relation rel, const CopyStmt *stmt, List *conditions)
{
	CopyFromState state = BeginCopyFrom(pstate, rel, (Node *) conditions, stmt->filename,
										stmt->is_program, NULL, stmt->attlist, stmt->options);
	uint64		rows = CopyFrom(state);

	EndCopyFrom(state);
	return rows;
}

/* Carries out COPY protected_table FROM. */
static void
copy_in(CopyStmt *stmt, const char *query_string, QueryCompletion *qc)
{
	Relation	rel = table_openrv(stmt->relation, RowExclusiveLock);
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	const TwpTableVerdict *v;
	List	   *attnums;
	uint64		record_id = 0;
	uint64		rows = 0;

	check_source(stmt);
	if (XactReadOnly)
		PreventCommandIfReadOnly("COPY FROM");
	pstate->p_sourcetext = query_string;
	item = addRangeTableEntryForRelation(pstate, rel, RowExclusiveLock, NULL, false, false);
	attnums = CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist);
	twp_compat_check_insert(pstate, item, attnums);
	PG_TRY();
	{
		twp_decision_begin();
		v = twp_decision_table(RelationGetRelid(rel));
		check_target(rel, v);
		twp_enforce_refuse_strict_partitions(v->relid);
		attnums = row_conditions(pstate, item, rel, stmt, v, attnums);
		twp_enforce_changed = true;
		record_id = twp_enforce_begin_command(RelationGetRelid(rel));
		rows = load_rows(pstate, rel, stmt, attnums);
		twp_enforce_settle_owed();
	}
	PG_CATCH();
	{
		if (record_id == 0)
			twp_enforce_record_refusal(list_make1_oid(RelationGetRelid(rel)));
		else
			twp_enforce_end_command(record_id, 0, twp_enforce_outcome_of_error());
		PG_RE_THROW();
	}
	PG_END_TRY();
	twp_enforce_end_command(record_id, rows, TWP_OUTCOME_DONE);
	table_close(rel, NoLock);
	free_parsestate(pstate);
	if (qc != NULL)
		SetQueryCompletion(qc, CMDTAG_COPY, rows);
}

/* True for catalogs and tables of ours whose rows are filtered or refused when they are queried. */
static bool
tells_of_values(const CopyStmt *stmt, Oid relid)
{
	return !stmt->is_from &&
		(relid == StatisticRelationId || relid == StatisticExtDataRelationId ||
		 (relid >= FirstNormalObjectId && twp_catalog_is_ours(relid) && !superuser()));
}

/* Treats COPY; false when it was carried out here. */
bool
twp_enforce_copy(PlannedStmt *pstmt, const char *query_string, QueryCompletion *qc)
{
	CopyStmt   *stmt = (CopyStmt *) pstmt->utilityStmt;
	Oid			relid;

	twp_enforce_copying_out = !stmt->is_from && stmt->filename != NULL;
	if (stmt->relation == NULL)
		return true;
	relid = RangeVarGetRelid(stmt->relation, AccessShareLock, true);
	if (stmt->is_from)
	{
		twp_enforce_guard_own(relid);
		twp_enforce_meet_copied(relid);
	}
	if (stmt->is_from && OidIsValid(relid))
		twp_lineage_writes(relid, CMD_INSERT);
	if (twp_in_maintenance())
		return true;
	if (!OidIsValid(relid) || !(twp_protect_is_protected(relid) || tells_of_values(stmt, relid)))
		return true;
	if (stmt->is_from)
	{
		copy_in(stmt, query_string, qc);
		return false;
	}
	/* PostgreSQL's own message: row security would make an empty file of it */
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot copy from partitioned table \"%s\"", get_rel_name(relid)),
				 errhint("Try the COPY (SELECT ...) TO variant.")));
	become_query(stmt, relid);
	return true;
}

/*
 * write.c - a protected relation that is written.
 *
 * Only the identified form writes.  Rows that are changed or deleted must be
 * visible; new rows must be writable (their subject's consent covers the
 * table and the cells given).  Conditions and RETURNING see what a reader
 * would; a value that is hidden is never written back, and a hidden cell is
 * never overwritten.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct ReplaceContext
{
	const TwpTableVerdict *v;
	int			rti;
	int			sublevels;
	TwpFunction function;		/* TWP_FN_CELL, or _STRICT for what is assigned */
} ReplaceContext;

/* Refuses to write a column outside the use, or to compute from it what is written. */
void
twp_enforce_refuse_hidden_column(const TwpTableVerdict *v, AttrNumber attno)
{
	if (v->columns[attno - 1].rule != TWP_CELL_HIDE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("use \"%s\" does not cover category \"%s\" of column \"%s\"", twp_decision_use()->code,
					twp_vocab_category_code(v->protection->columns[attno - 1].category),
					get_attname(v->relid, attno, false)),
			 errhint("Leave the column out, or bind a use that names the category.")));
}

/* Replaces references to the written relation's columns. */
static Node *
replace_vars(Node *node, ReplaceContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno != context->rti || (int) var->varlevelsup != context->sublevels ||
			(var->varattno < 0 && context->v->told_by_place == 0))
			return node;
		if (var->varattno < 0)
			return twp_compat_returning((Node *) twp_enforce_empty_system_column(context->v, var->varattno), var);
		if (var->varattno == 0)
			return twp_compat_returning(twp_enforce_whole_row(context->function, context->v, var), var);
		/* a hidden column reads as NULL, which must not be stored as if it were the value */
		if (context->function == TWP_FN_CELL_STRICT)
			twp_enforce_refuse_hidden_column(context->v, var->varattno);
		return twp_compat_returning(twp_enforce_cell_expr(context->function, context->v,
														  var->varattno, (Node *) var, var), var);
	}
	if (IsA(node, Query))
	{
		Query	   *query;

		context->sublevels++;
		query = query_tree_mutator((Query *) node, replace_vars, context, 0);
		context->sublevels--;
		return (Node *) query;
	}
	return expression_tree_mutator(node, replace_vars, context);
}

/* True when every column is simply shown, so that nothing needs replacing. */
static bool
all_shown(const TwpTableVerdict *v)
{
	for (int i = 0; i < v->natts; i++)
		if (v->columns[i].rule != TWP_CELL_SHOW &&
			OidIsValid(get_atttype(v->relid, i + 1)))
			return false;
	return true;
}

/* True for a column whose value a row keeps: what it was made for, and what provenance knows it by. */
static bool
is_fixed(const TwpTableVerdict *v, AttrNumber attno)
{
	return attno == v->protection->facts[TWP_ROW_PURPOSE] || twp_protect_is_lineage_key(v->relid, attno);
}

/* Guards the assignments of an UPDATE: strict right sides, open cells. */
static List *
guard_assignments(List *target_list, const TwpTableVerdict *v, int rti)
{
	ReplaceContext strict = {.v = v,.rti = rti,.function = TWP_FN_CELL_STRICT};
	Var			like = {.xpr.type = T_Var,.varno = rti,.varnosyn = rti};
	ListCell   *lc;

	foreach(lc, target_list)
	{
		TargetEntry *tle = lfirst(lc);

		tle->expr = (Expr *) replace_vars((Node *) tle->expr, &strict);
		if (tle->resjunk || tle->resno > v->natts)
			continue;
		twp_enforce_refuse_hidden_column(v, tle->resno);
		if (twp_protect_decides_subject(v->relid, tle->resno))
			tle->expr = (Expr *) twp_enforce_cell_call(TWP_FN_SUBJECT_WRITE, v, tle->resno,
													   (Node *) tle->expr, &like);
		if (is_fixed(v, tle->resno))
			tle->expr = (Expr *) twp_enforce_cell_call(TWP_FN_FIXED_WRITE, v, tle->resno,
													   (Node *) tle->expr, &like);
		if (v->columns[tle->resno - 1].rule == TWP_CELL_GATE)
			tle->expr = (Expr *) twp_enforce_cell_expr(TWP_FN_CELL_WRITE, v, tle->resno,
													   (Node *) tle->expr, &like);
	}
	return target_list;
}

/* Adds a check on new (or, for a conflict, existing) rows. */
static void
add_check(Query *query, const TwpTableVerdict *v, WCOKind kind, Node *qual)
{
	WithCheckOption *check = makeNode(WithCheckOption);

	check->kind = kind;
	check->relname = pstrdup(get_rel_name(v->relid));
	check->qual = qual;
	query->withCheckOptions = lcons(check, query->withCheckOptions);
}

/*
 * A condition that is true for rows whose cell may be stored, and raises where
 * it may not; NULL when the row's own check is enough.
 */
Node *
twp_enforce_cell_check(const TwpTableVerdict *v, int rti, AttrNumber attno)
{
	Var			like = {.xpr.type = T_Var,.varno = rti,.varnosyn = rti};
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (attno <= 0 || attno > v->natts)
		return NULL;
	/* many applications name every column, and leave NULL what they do not know */
	if (v->columns[attno - 1].rule != TWP_CELL_GATE && v->columns[attno - 1].rule != TWP_CELL_HIDE)
		return NULL;
	get_atttypetypmodcoll(v->relid, attno, &type, &typmod, &collation);
	return twp_enforce_cell_call(TWP_FN_CELL_WRITABLE, v, attno,
								 (Node *) makeVar(rti, attno, type, typmod, collation, 0), &like);
}

/* True for the value the table itself gives a column that an INSERT leaves out. */
static bool
is_own_default(Oid relid, const TargetEntry *tle)
{
	Relation	rel = table_open(relid, NoLock);
	Node	   *value = build_column_default(rel, tle->resno);

	table_close(rel, NoLock);
	return value != NULL ? equal(value, tle->expr) :
		IsA(tle->expr, Const) && ((Const *) tle->expr)->constisnull;
}

/* Adds the columns that get a value of a view's default: it is somebody's choice as if it were named. */
static Bitmapset *
add_given_columns(Bitmapset *columns, const List *target_list, const TwpTableVerdict *v)
{
	ListCell   *lc;

	foreach(lc, target_list)
	{
		const TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk && tle->resno <= v->natts && v->columns[tle->resno - 1].rule != TWP_CELL_SHOW &&
			!is_own_default(v->relid, tle))
			columns = bms_add_member(columns, tle->resno - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

/* Adds the checks for the cells an INSERT names: their categories must be open too. */
static void
check_inserted_cells(Query *query, int rti, const TwpTableVerdict *v, const Bitmapset *named)
{
	Bitmapset  *columns = bms_copy(named);
	int			member = -1;
	ListCell   *lc;

	if (query->commandType == CMD_INSERT)
		columns = add_given_columns(columns, query->targetList, v);
	foreach(lc, query->mergeActionList)
	{
		const MergeAction *action = lfirst(lc);

		if (action->commandType == CMD_INSERT)
			columns = add_given_columns(columns, action->targetList, v);
	}
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		Node	   *check = twp_enforce_cell_check(v, rti, member + FirstLowInvalidHeapAttributeNumber);

		if (check != NULL)
			add_check(query, v, WCO_RLS_INSERT_CHECK, check);
	}
}

/* The columns by which ON CONFLICT finds the row that is there, shifted as in pull_varattnos. */
static Bitmapset *
arbiter_columns(const OnConflictExpr *conflict, int rti)
{
	Bitmapset  *columns = NULL;
	HeapTuple	tuple;

	pull_varattnos((Node *) conflict->arbiterElems, rti, &columns);
	pull_varattnos(conflict->arbiterWhere, rti, &columns);
	if (!OidIsValid(conflict->constraint))
		return columns;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(get_constraint_index(conflict->constraint)));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		for (int i = 0; i < index->indnkeyatts; i++)
			columns = bms_add_member(columns, index->indkey.values[i] - FirstLowInvalidHeapAttributeNumber);
		ReleaseSysCache(tuple);
	}
	return columns;
}

/*
 * Adds the checks for the row that is there: what it was found by must be open,
 * or it would tell whose a guessed key is.  PostgreSQL makes them after the
 * condition of DO UPDATE, which may tell what it is given: they stand before it,
 * too, with a note of whom the statement is told of.
 */
static void
check_conflicting_row(Query *query, int rti, const TwpTableVerdict *v)
{
	Bitmapset  *columns = arbiter_columns(query->onConflict, rti);
	Node	   *row = twp_enforce_row_expr(TWP_FN_ROW_WRITABLE, v, rti);
	List	   *conditions = list_make1(twp_enforce_make_note((FuncExpr *) twp_enforce_row_expr(TWP_FN_ROW_VISIBLE, v, rti)));
	int			member = -1;

	if (query->onConflict->onConflictWhere != NULL)
		conditions = lappend(conditions, query->onConflict->onConflictWhere);
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;
		Node	   *check = twp_enforce_cell_check(v, rti, attno);

		if (attno > 0 && attno <= v->natts)
			twp_enforce_refuse_hidden_column(v, attno);
		if (check != NULL)
		{
			add_check(query, v, WCO_RLS_CONFLICT_CHECK, check);
			conditions = lcons(copyObject(check), conditions);
		}
	}
	add_check(query, v, WCO_RLS_CONFLICT_CHECK, row);
	conditions = lcons(copyObject(row), conditions);
	query->onConflict->onConflictWhere = (Node *) make_andclause(conditions);
}

/*
 * Adds the check of rows that decide whose other tables' rows are, where they
 * are deleted: among what the rows that passed all conditions give, or last
 * among the conditions of a MERGE's arm.  As a filter it would judge rows that
 * stay, too.
 */
static void
check_deleted(Query *query, int rti, const TwpTableVerdict *v)
{
	ListCell   *lc;

	if (query->commandType == CMD_DELETE)
		query->targetList = lappend(query->targetList,
									makeTargetEntry((Expr *) twp_enforce_row_expr(TWP_FN_ROW_DELETABLE, v, rti),
													list_length(query->targetList) + 1,
													pstrdup("twin_privacy deletable"), true));
	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst(lc);

		if (action->commandType == CMD_DELETE)
			action->qual = make_and_qual(action->qual, twp_enforce_row_expr(TWP_FN_ROW_DELETABLE, v, rti));
	}
}

/*
 * Replaces column references everywhere but in the relation's own security
 * quals and checks, and in what names a unique index for ON CONFLICT: that is
 * compared with the index and never run.
 */
static void
replace_everywhere(Query *query, int rti, const TwpTableVerdict *v)
{
	RangeTblEntry *rte = rt_fetch(rti, query->rtable);
	OnConflictExpr arbiter = {0};
	ReplaceContext lenient = {.v = v,.rti = rti,.function = TWP_FN_CELL};
	List	   *security = rte->securityQuals;
	List	   *checks = query->withCheckOptions;
	List	   *targets = query->targetList;
	ListCell   *lc;

	rte->securityQuals = NIL;
	query->withCheckOptions = NIL;
	query->targetList = NIL;
	foreach(lc, checks)
	{
		WithCheckOption *check = lfirst(lc);

		/* a view's own condition is a user's; policies are an administrator's */
		if (check->kind == WCO_VIEW_CHECK)
			check->qual = replace_vars(check->qual, &lenient);
	}
	if (query->onConflict != NULL)
	{
		arbiter = *query->onConflict;
		query->onConflict->arbiterElems = NIL;
		query->onConflict->arbiterWhere = NULL;
		query->onConflict->onConflictSet = guard_assignments(query->onConflict->onConflictSet, v, rti);
	}
	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst(lc);

		if (action->commandType == CMD_UPDATE)
			action->targetList = guard_assignments(action->targetList, v, rti);
	}
	(void) query_tree_mutator(query, replace_vars, &lenient, QTW_DONT_COPY_QUERY);
	if (query->onConflict != NULL)
	{
		query->onConflict->arbiterElems = arbiter.arbiterElems;
		query->onConflict->arbiterWhere = arbiter.arbiterWhere;
	}
	rt_fetch(rti, query->rtable)->securityQuals = security;
	query->withCheckOptions = checks;
	query->targetList = query->commandType == CMD_UPDATE ?
		guard_assignments(targets, v, rti) : targets;
}

/*
 * Refuses to put rows in through a parent when one of its partitions has a
 * label of its own: a conflict would read, and a row might go, where the parent's
 * rules are not those that hold.
 */
void
twp_enforce_refuse_strict_partitions(Oid relid)
{
	Oid			child = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? twp_protect_strict_child(relid) :
		InvalidOid;

	if (OidIsValid(child))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("rows are not stored through table \"%s\": partition \"%s\" is protected by a label of its own",
						get_rel_name(relid), get_rel_name(child)),
				 errhint("Store them in the partition itself, or have it labelled like its parent.")));
}

/* Protects the relation an INSERT, UPDATE, DELETE or MERGE writes. */
void
twp_enforce_protect_write(Query *query, int rti, const TwpTableVerdict *v)
{
	RangeTblEntry *rte = rt_fetch(rti, query->rtable);
	bool		updates = query->commandType == CMD_UPDATE || query->commandType == CMD_MERGE ||
		query->onConflict != NULL;
	bool		inserts = query->commandType == CMD_INSERT || query->commandType == CMD_MERGE;
	/* what is given back must be checked before */
	TwpFunction check = updates || query->returningList != NIL ? TWP_FN_ROW_WRITABLE : twp_enforce_insert_check(v);

	if (twp_decision_use()->form != TWP_FORM_IDENTIFIED)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" of form %s may not write", twp_decision_use()->code,
						twp_uses_form_name(twp_decision_use()->form)),
				 errhint("Bind a use of form identified to change protected tables.")));
	if (inserts)
		twp_enforce_refuse_strict_partitions(v->relid);
	if (!all_shown(v) || updates)
		replace_everywhere(query, rti, v);
	rte = rt_fetch(rti, query->rtable);
	query->hasRowSecurity = true;

	if (twp_protect_deletes_decide(v->relid))
		check_deleted(query, rti, v);
	if (query->commandType != CMD_INSERT)
		rte->securityQuals = lcons(twp_enforce_row_expr(TWP_FN_ROW_VISIBLE, v, rti), rte->securityQuals);
	if (inserts)
	{
		check_inserted_cells(query, rti, v, twp_compat_written_columns(query, rte, true));
		add_check(query, v, WCO_RLS_INSERT_CHECK, twp_enforce_row_expr(check, v, rti));
		/* added in front: it says more of what is wrong with a purpose */
		if (twp_enforce_purpose_check(v, rti) != NULL)
			add_check(query, v, WCO_RLS_INSERT_CHECK, twp_enforce_purpose_check(v, rti));
	}
	if (updates)
		add_check(query, v, WCO_RLS_UPDATE_CHECK, twp_enforce_row_expr(TWP_FN_ROW_WRITABLE, v, rti));
	if (query->onConflict != NULL && query->onConflict->action == ONCONFLICT_UPDATE)
		check_conflicting_row(query, rti, v);
	twp_enforce_set_mark(rte, TWP_MARK_USE, twp_decision_stamp(), v->protection_hash);
}

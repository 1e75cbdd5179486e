/*
 * wrap.c - a protected relation that is read.
 *
 * The row rule becomes a security qual of the relation.  When a column that
 * the query uses is not simply shown, the relation becomes a subquery over
 * itself whose target list has the replacements.  The subquery is no security
 * barrier, so the planner pulls it up, and every predicate, join and
 * aggregate above sees the replacement and never the column (a barrier would
 * cost index use; see doc/architecture.md).
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "base/compat.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

typedef struct UseContext
{
	Query	   *query;			/* the query that holds the relation */
	int			rti;
	int			sublevels;
	Bitmapset  *used;			/* attno - FirstLowInvalidHeapAttributeNumber */
} UseContext;

typedef struct RemapContext
{
	int			rti;
	int			sublevels;
	AttrNumber	map[-FirstLowInvalidHeapAttributeNumber + 1];	/* by -attno */
} RemapContext;

static bool collect_used(Node *node, UseContext *context);

/* Notes a column reference, through a join's alias list when it names a join. */
static void
note_var(Var *var, UseContext *context)
{
	RangeTblEntry *rte;

	if (var->varno == context->rti)
	{
		context->used = bms_add_member(context->used,
									   var->varattno - FirstLowInvalidHeapAttributeNumber);
		return;
	}
	if (var->varno <= 0 || var->varno > list_length(context->query->rtable))
		return;
	rte = rt_fetch(var->varno, context->query->rtable);
	if (rte->rtekind == RTE_JOIN && var->varattno >= 0)
	{
		/* alias variables are of the query's own level */
		int			save = context->sublevels;
		ListCell   *lc;

		context->sublevels = 0;
		if (var->varattno > 0)
			(void) collect_used(list_nth(rte->joinaliasvars, var->varattno - 1), context);
		else
			foreach(lc, rte->joinaliasvars)
				(void) collect_used(lfirst(lc), context);
		context->sublevels = save;
	}
}

/* Collects the columns of one relation that a query tree refers to. */
static bool
collect_used(Node *node, UseContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		if ((int) ((Var *) node)->varlevelsup == context->sublevels)
			note_var((Var *) node, context);
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		context->sublevels++;
		result = query_tree_walker((Query *) node, collect_used, context, QTW_IGNORE_JOINALIASES);
		context->sublevels--;
		return result;
	}
	return expression_tree_walker(node, collect_used, context);
}

/* Points references to system columns and the whole row at their new places. */
static bool
remap_vars(Node *node, RemapContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == context->rti && (int) var->varlevelsup == context->sublevels &&
			var->varattno <= 0)
		{
			var->varattno = context->map[-var->varattno];
			if (var->varnosyn == (Index) context->rti)
				var->varattnosyn = var->varattno;
		}
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		context->sublevels++;
		result = query_tree_walker((Query *) node, remap_vars, context, 0);
		context->sublevels--;
		return result;
	}
	return expression_tree_walker(node, remap_vars, context);
}

/* True when system columns are what they are. */
static bool
keeps_system_columns(const TwpTableVerdict *v)
{
	return twp_decision_use()->form == TWP_FORM_IDENTIFIED && v->told_by_place == 0;
}

/* Says whether any used column is more than simply shown. */
static bool
needs_wrapping(const TwpTableVerdict *v, const Bitmapset *used)
{
	int			member = -1;

	while ((member = bms_next_member(used, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

		if (attno < 0 && !keeps_system_columns(v))
			return true;
		if (attno == 0)
		{
			for (int i = 0; i < v->natts; i++)
				if (v->columns[i].rule != TWP_CELL_SHOW)
					return true;
		}
		else if (attno > 0 && (attno > v->natts || v->columns[attno - 1].rule != TWP_CELL_SHOW))
			return true;
	}
	return false;
}

/* Appends one output column to the wrapping subquery. */
static AttrNumber
add_target(Query *sub, RangeTblEntry *outer, Expr *expr, const char *name)
{
	AttrNumber	resno = list_length(sub->targetList) + 1;

	sub->targetList = lappend(sub->targetList,
							  makeTargetEntry(expr, resno, pstrdup(name), false));
	/* the first columns are named by the relation's own alias list already */
	if (resno > list_length(outer->eref->colnames))
		outer->eref->colnames = lappend(outer->eref->colnames, makeString(pstrdup(name)));
	return resno;
}

/*
 * Makes a system column's replacement.  Outside the identified form it is
 * empty: a row's place and its writer's transaction are the same under every
 * use, so two uses could be linked by them, and gaps count the hidden rows.
 * So it is where the partition tells a key that is not shown; the table's OID
 * is the named table's.
 */
Expr *
twp_enforce_empty_system_column(const TwpTableVerdict *v, AttrNumber attno)
{
	const FormData_pg_attribute *att = SystemAttributeDefinition(attno);

	if (attno == TableOidAttributeNumber)
		return (Expr *) makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
								  ObjectIdGetDatum(v->relid), false, true);
	return (Expr *) makeNullConst(att->atttypid, att->atttypmod, att->attcollation);
}

/* A system column as the subquery gives it. */
static Expr *
system_column(const TwpTableVerdict *v, AttrNumber attno)
{
	const FormData_pg_attribute *att = SystemAttributeDefinition(attno);

	if (!keeps_system_columns(v))
		return twp_enforce_empty_system_column(v, attno);
	return (Expr *) makeVar(1, attno, att->atttypid, att->atttypmod, att->attcollation, 0);
}

/* Fills the subquery's target list: all columns in place, then what else is used. */
static void
add_targets(Query *sub, RangeTblEntry *outer, const TwpTableVerdict *v, const Bitmapset *used,
			RemapContext *remap)
{
	Var			like = {.xpr.type = T_Var,.varno = 1,.varnosyn = 1};
	int			member = -1;

	for (AttrNumber attno = 1; attno <= v->natts; attno++)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;
		Expr	   *expr;
		char	   *name = get_attname(v->relid, attno, true);

		get_atttypetypmodcoll(v->relid, attno, &type, &typmod, &collation);
		if (!OidIsValid(type))
			expr = (Expr *) twp_enforce_null(INT4OID, -1, InvalidOid);
		else
			expr = (Expr *) twp_enforce_cell_expr(TWP_FN_CELL, v, attno,
												  (Node *) makeVar(1, attno, type, typmod, collation, 0),
												  &like);
		add_target(sub, outer, expr, name != NULL ? name : "");
	}
	while ((member = bms_next_member(used, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;
		Expr	   *expr;

		if (attno > 0)
			continue;
		if (attno == 0)
			expr = (Expr *) twp_enforce_whole_row(TWP_FN_CELL, v, &like);
		else
			expr = system_column(v, attno);
		remap->map[-attno] = add_target(sub, outer, expr,
										attno == 0 ? "*" : NameStr(SystemAttributeDefinition(attno)->attname));
	}
}

/* Moves FOR UPDATE and its kin down to the relation itself. */
static void
move_row_mark(Query *query, int rti, Query *sub)
{
	RowMarkClause *mark = get_parse_rowmark(query, rti);

	if (mark == NULL)
		return;
	mark = copyObject(mark);
	mark->rti = 1;
	mark->pushedDown = true;
	sub->rowMarks = list_make1(mark);
	sub->hasForUpdate = true;
}

/* Turns the entry at rti into a subquery over the relation. */
static void
wrap_relation(Query *query, int rti, const TwpTableVerdict *v, const Bitmapset *used)
{
	RangeTblEntry *outer = rt_fetch(rti, query->rtable);
	RangeTblEntry *inner = copyObject(outer);
	RangeTblRef *ref = makeNode(RangeTblRef);
	Query	   *sub = makeNode(Query);
	RemapContext remap = {.rti = rti};

	sub->commandType = CMD_SELECT;
	sub->querySource = QSRC_ORIGINAL;
	sub->hasRowSecurity = true;
	sub->hasSubLinks = checkExprHasSubLink((Node *) inner->securityQuals);
	ChangeVarNodes((Node *) inner->securityQuals, rti, 1, 0);
	inner->securityQuals = lcons(twp_enforce_row_expr(TWP_FN_ROW_VISIBLE, v, 1), inner->securityQuals);
	if (inner->tablesample != NULL)
		IncrementVarSublevelsUp((Node *) inner->tablesample, 1, 0);
	inner->lateral = false;
	twp_enforce_set_mark(inner, TWP_MARK_USE, twp_decision_stamp(), v->protection_hash);
	sub->rtable = list_make1(inner);
	ref->rtindex = 1;
	sub->jointree = makeFromExpr(list_make1(ref), NULL);
	add_targets(sub, outer, v, used, &remap);
	move_row_mark(query, rti, sub);

	/* While the entry still is the relation its permissions are about: 16 checks that. */
	twp_compat_move_permissions(query, outer, sub, inner);
	outer->lateral = outer->tablesample != NULL;
	outer->rtekind = RTE_SUBQUERY;
	outer->subquery = sub;
	outer->security_barrier = false;
	outer->relid = InvalidOid;
	outer->relkind = 0;
	outer->rellockmode = 0;
	outer->inh = false;
	outer->tablesample = NULL;
	outer->securityQuals = NIL;
	outer->enrname = NULL;
	(void) query_tree_walker(query, remap_vars, &remap, 0);
}

/* Protects one relation that the query reads. */
void
twp_enforce_protect_read(Query *query, int rti, const TwpTableVerdict *v)
{
	RangeTblEntry *rte = rt_fetch(rti, query->rtable);
	UseContext	context = {.query = query,.rti = rti};

	(void) query_tree_walker(query, collect_used, &context, QTW_IGNORE_JOINALIASES);
	query->hasRowSecurity = true;
	if (needs_wrapping(v, context.used))
	{
		wrap_relation(query, rti, v, context.used);
		return;
	}
	rte->securityQuals = lcons(twp_enforce_row_expr(TWP_FN_ROW_VISIBLE, v, rti), rte->securityQuals);
	twp_enforce_set_mark(rte, TWP_MARK_USE, twp_decision_stamp(), v->protection_hash);
}

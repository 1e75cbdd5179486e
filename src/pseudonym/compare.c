/*
 * compare.c - refuses to compare pseudonyms whose domains are known and differ.
 *
 * A value's domain is known where its type says so: pseudonym('DOMAIN').  Values
 * of two domains are never equal, so a comparison of two such is a mistake or an
 * attempt at linkage, and is refused when the query is planned, before anything
 * is read.  PostgreSQL compares in many more places than an operator written
 * between two columns: IN and ANY, IS DISTINCT FROM, NULLIF, simple CASE, rows,
 * GREATEST, set operations, grouping, sorting; and it forgets a type's modifier
 * wherever two meet (CASE, COALESCE, UNION ALL).  So each expression is asked for
 * all domains its values can be known to have, through sub-queries, common table
 * expressions and joins; where a comparison meets two, it is refused.
 *
 * Stored expressions do not come through the planner as queries: foreign keys
 * and CHECK constraints are looked at when they are made.
 *
 * Contract: reads the query and changes nothing.  Failure: 42804.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* a recursive common table expression refers to itself: nothing new is found so deep */
#define MAX_DEPTH 40

/* A query within those around it, for columns that refer outwards. */
typedef struct Level
{
	Query	   *query;			/* NULL for a stored expression */
	Query	   *compared;		/* the sub-query of the ANY or ALL looked at */
	const struct Level *outer;
} Level;

static Oid	pseudonym_type;		/* while a query is looked at */
static Oid	pseudonym_array;

static List *known_domains(List *known, Node *expr, const Level *level, int depth);
static List *known_of_column(List *known, Query *query, int column, const Level *outer, int depth);

/* Finds the two types; false when the extension is not installed here. */
static bool
find_types(void)
{
	Oid			schema = get_namespace_oid(TWP_SCHEMA, true);

	if (!OidIsValid(schema))
		return false;
	pseudonym_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("pseudonym"),
									 ObjectIdGetDatum(schema));
	if (!OidIsValid(pseudonym_type))
		return false;
	pseudonym_array = get_array_type(pseudonym_type);
	return true;
}

/* Raises the one refusal. */
void
twp_pseudonym_refuse_comparison(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("pseudonyms of different domains cannot be compared"),
			 errhint("They are never equal; values of two uses can be brought together only by an approved linkage.")));
}

/* Refuses when more than one domain is known of what meets. */
static void
require_one(const List *known)
{
	if (list_length(known) > 1)
		twp_pseudonym_refuse_comparison();
}

/* True for pseudonyms, arrays of them and domains over them; sets the domain, or -1, their type tells. */
static bool
is_pseudonym(Oid type, int32 *typmod)
{
	if (type < FirstNormalObjectId)
		return false;
	if (type != pseudonym_type && type != pseudonym_array)
	{
		if (get_typtype(type) != TYPTYPE_DOMAIN)
			return false;
		*typmod = -1;
		type = getBaseTypeAndTypmod(type, typmod);
	}
	return type == pseudonym_type || type == pseudonym_array;
}

/* Adds what is known of each expression of a list; target entries and CASE branches among them. */
static List *
known_of_list(List *known, List *exprs, const Level *level, int depth)
{
	ListCell   *lc;

	foreach(lc, exprs)
	{
		Node	   *expr = lfirst(lc);

		if (expr != NULL && IsA(expr, TargetEntry))
			expr = (Node *) ((TargetEntry *) expr)->expr;
		else if (expr != NULL && IsA(expr, CaseWhen))
			expr = (Node *) ((CaseWhen *) expr)->result;
		known = known_domains(known, expr, level, depth);
	}
	return known;
}

/* Adds what is known of a column of a set operation: that of each of its branches. */
static List *
known_of_set(List *known, Node *node, int column, const Level *level, int depth)
{
	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, level->query->rtable);

		return known_of_column(known, rte->subquery, column, level, depth + 1);
	}
	known = known_of_set(known, castNode(SetOperationStmt, node)->larg, column, level, depth);
	return known_of_set(known, ((SetOperationStmt *) node)->rarg, column, level, depth);
}

/* Adds what is known of a query's output column. */
static List *
known_of_column(List *known, Query *query, int column, const Level *outer, int depth)
{
	Level		level = {.query = query,.outer = outer};
	TargetEntry *entry;

	if (depth > MAX_DEPTH)
		return known;
	if (query->setOperations != NULL)
		return known_of_set(known, query->setOperations, column, &level, depth);
	entry = get_tle_by_resno(query->commandType == CMD_SELECT ? query->targetList : query->returningList, column);
	return entry == NULL ? known : known_domains(known, (Node *) entry->expr, &level, depth + 1);
}

/* Adds what is known of a column of a common table expression. */
static List *
known_of_cte(List *known, const RangeTblEntry *rte, int column, const Level *level, int depth)
{
	ListCell   *lc;

	for (Index up = rte->ctelevelsup; up > 0 && level != NULL; up--)
		level = level->outer;
	if (level == NULL || level->query == NULL)
		return known;
	foreach(lc, level->query->cteList)
	{
		CommonTableExpr *cte = lfirst(lc);

		if (strcmp(cte->ctename, rte->ctename) == 0 && IsA(cte->ctequery, Query))
			return known_of_column(known, (Query *) cte->ctequery, column, level, depth + 1);
	}
	return known;
}

/* Adds what is known of a column of a function in FROM: a single one stands for its result. */
static List *
known_of_function(List *known, const RangeTblEntry *rte, int column, const Level *level, int depth)
{
	ListCell   *lc;

	foreach(lc, rte->functions)
	{
		RangeTblFunction *function = lfirst(lc);

		if (column == 1 && function->funccolcount == 1)
			return known_domains(known, function->funcexpr, level, depth + 1);
		column -= function->funccolcount;
	}
	return known;
}

/* Adds what is known of a column whose own type does not tell. */
static List *
known_of_var(List *known, const Var *var, const Level *level, int depth)
{
	RangeTblEntry *rte;
	List	   *exprs = NIL;
	ListCell   *lc;

	for (Index up = var->varlevelsup; up > 0 && level != NULL; up--)
		level = level->outer;
	if (level == NULL || level->query == NULL || var->varattno <= 0 ||
		var->varno < 1 || var->varno > list_length(level->query->rtable))
		return known;
	rte = rt_fetch(var->varno, level->query->rtable);
	switch (rte->rtekind)
	{
		case RTE_SUBQUERY:
			return known_of_column(known, rte->subquery, var->varattno, level, depth + 1);
		case RTE_CTE:
			return known_of_cte(known, rte, var->varattno, level, depth);
		case RTE_FUNCTION:
			return known_of_function(known, rte, var->varattno, level, depth);
		case RTE_VALUES:
			foreach(lc, rte->values_lists)
				exprs = lappend(exprs, list_nth(lfirst(lc), var->varattno - 1));
			break;
		case RTE_JOIN:
			exprs = rte->joinaliasvars;
			break;
		default:
			exprs = twp_compat_group_exprs(rte);
			break;
	}
	if (rte->rtekind == RTE_VALUES)
		return known_of_list(known, exprs, level, depth + 1);
	return var->varattno > list_length(exprs) ? known :
		known_domains(known, list_nth(exprs, var->varattno - 1), level, depth + 1);
}

/* The arguments whose values a call of PostgreSQL's own gives back, in some form: lag, array_agg, unnest, ||. */
static List *
passed_through(Node *expr)
{
	switch (nodeTag(expr))
	{
		case T_FuncExpr:
			return ((FuncExpr *) expr)->funcid < FirstNormalObjectId ? ((FuncExpr *) expr)->args : NIL;
		case T_OpExpr:
			return ((OpExpr *) expr)->opno < FirstNormalObjectId ? ((OpExpr *) expr)->args : NIL;
		case T_Aggref:
			return ((Aggref *) expr)->aggfnoid < FirstNormalObjectId ? ((Aggref *) expr)->args : NIL;
		case T_WindowFunc:
			return ((WindowFunc *) expr)->winfnoid < FirstNormalObjectId ? ((WindowFunc *) expr)->args : NIL;
		case T_CoalesceExpr:
			return ((CoalesceExpr *) expr)->args;
		case T_MinMaxExpr:
			return ((MinMaxExpr *) expr)->args;
		case T_ArrayExpr:
			return ((ArrayExpr *) expr)->elements;
		case T_RelabelType:
			return list_make1(((RelabelType *) expr)->arg);
		case T_CoerceToDomain:
			return list_make1(((CoerceToDomain *) expr)->arg);
		case T_SubscriptingRef:
			return list_make1(((SubscriptingRef *) expr)->refexpr);
		case T_CaseExpr:
			return lappend(list_copy(((CaseExpr *) expr)->args), ((CaseExpr *) expr)->defresult);
		default:
			return NIL;
	}
}

/* Adds the domains an expression's values are known to have, none for what are no pseudonyms. */
static List *
known_domains(List *known, Node *expr, const Level *level, int depth)
{
	int32		typmod;

	if (expr == NULL || depth > MAX_DEPTH)
		return known;
	/* queries that name each other several times are looked at as often */
	CHECK_FOR_INTERRUPTS();
	typmod = exprTypmod(expr);
	if (!is_pseudonym(exprType(expr), &typmod))
		return known;
	if (typmod >= 0)
		return list_append_unique_int(known, typmod);
	if (IsA(expr, Var))
		return known_of_var(known, (Var *) expr, level, depth);
	if (IsA(expr, Param) && ((Param *) expr)->paramkind == PARAM_SUBLINK && level->compared != NULL)
		return known_of_column(known, level->compared, ((Param *) expr)->paramid, level, depth + 1);
	if (IsA(expr, SubLink) && IsA(((SubLink *) expr)->subselect, Query))
		return known_of_column(known, (Query *) ((SubLink *) expr)->subselect, 1, level, depth + 1);
	return known_of_list(known, passed_through(expr), level, depth + 1);
}

/* Lists, column by column, what is known of a row; NIL where its columns are not known. */
static List *
known_of_row(Node *row, const Level *level)
{
	List	   *columns = NIL;
	TupleDesc	desc;
	ListCell   *lc;

	if (IsA(row, RowExpr))
	{
		foreach(lc, ((RowExpr *) row)->args)
			columns = lappend(columns, known_domains(NIL, lfirst(lc), level, 0));
		return columns;
	}
	if (IsA(row, Var) && ((Var *) row)->varattno == 0 && ((Var *) row)->varlevelsup == 0 && level->query != NULL)
	{
		RangeTblEntry *rte = rt_fetch(((Var *) row)->varno, level->query->rtable);

		if (rte->rtekind == RTE_SUBQUERY)
		{
			for (int i = 1; i <= list_length(rte->eref->colnames); i++)
				columns = lappend(columns, known_of_column(NIL, rte->subquery, i, level, 0));
			return columns;
		}
	}
	desc = get_expr_result_tupdesc(row, true);
	for (int i = 0; desc != NULL && i < desc->natts; i++)
	{
		int32		typmod = TupleDescAttr(desc, i)->atttypmod;

		columns = lappend(columns, is_pseudonym(TupleDescAttr(desc, i)->atttypid, &typmod) && typmod >= 0 ?
						  list_make1_int(typmod) : NIL);
	}
	return columns;
}

/* Refuses to compare two rows that have different domains in the same place. */
static void
check_rows(Node *left, Node *right, const Level *level)
{
	List	   *lefts = known_of_row(left, level);
	List	   *rights = known_of_row(right, level);
	ListCell   *l;
	ListCell   *r;

	forboth(l, lefts, r, rights)
		require_one(list_union_int(lfirst(l), lfirst(r)));
}

/* Refuses what a comparison's arguments must not be. */
static void
check_operands(List *args, const Level *level)
{
	Oid			type = exprType(linitial(args));

	if (list_length(args) == 2 &&
		(type == RECORDOID || (type >= FirstNormalObjectId && type != pseudonym_type && type_is_rowtype(type))))
		check_rows(linitial(args), lsecond(args), level);
	else
		require_one(known_of_list(NIL, args, level, 0));
}

/* Refuses expressions of two domains where a query groups, sorts or makes distinct. */
static void
check_sorted(List *entries, const Level *level)
{
	ListCell   *lc;

	foreach(lc, entries)
	{
		TargetEntry *entry = lfirst(lc);

		if (entry->ressortgroupref > 0)
			require_one(known_domains(NIL, (Node *) entry->expr, level, 0));
	}
}

/* Refuses a set operation that compares rows (all but UNION ALL do) with two domains in a column. */
static void
check_set(Node *node, const Level *level)
{
	SetOperationStmt *set = (SetOperationStmt *) node;

	if (node == NULL || !IsA(node, SetOperationStmt))
		return;
	if (set->op != SETOP_UNION || !set->all)
		for (int column = 1; column <= list_length(set->colTypes); column++)
			require_one(known_of_set(NIL, node, column, level, 0));
	check_set(set->larg, level);
	check_set(set->rarg, level);
}

/* Looks at every comparison of an expression or query. */
static bool
check_walker(Node *node, Level *level)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_OpExpr:
			/* operators that compare give a boolean; || brings arrays together and does not */
			if (((OpExpr *) node)->opresulttype == BOOLOID)
				check_operands(((OpExpr *) node)->args, level);
			break;
		case T_DistinctExpr:
		case T_NullIfExpr:
			check_operands(((OpExpr *) node)->args, level);
			break;
		case T_ScalarArrayOpExpr:
			check_operands(((ScalarArrayOpExpr *) node)->args, level);
			break;
		case T_MinMaxExpr:
			check_operands(((MinMaxExpr *) node)->args, level);
			break;
		case T_RowCompareExpr:
			{
				ListCell   *l;
				ListCell   *r;

				forboth(l, ((RowCompareExpr *) node)->largs, r, ((RowCompareExpr *) node)->rargs)
					check_operands(list_make2(lfirst(l), lfirst(r)), level);
				break;
			}
		case T_Aggref:
			check_sorted(((Aggref *) node)->args, level);
			break;
		case T_SubLink:
			{
				SubLink    *link = (SubLink *) node;
				Level		inner = *level;

				inner.compared = (Query *) link->subselect;
				(void) check_walker(link->testexpr, &inner);
				return check_walker(link->subselect, level);
			}
		case T_Query:
			{
				Query	   *query = (Query *) node;
				Level		inner = {.query = query,.outer = level};

				if (query->setOperations != NULL)
					check_set(query->setOperations, &inner);
				else
					check_sorted(query->targetList, &inner);
				return query_tree_walker(query, check_walker, &inner, 0);
			}
		default:
			break;
	}
	return expression_tree_walker(node, check_walker, level);
}

/* Refuses a query about to be planned that compares pseudonyms of two known domains. */
void
twp_pseudonym_check_query(Query *query)
{
	if (query->commandType != CMD_UTILITY && find_types())
		(void) check_walker((Node *) query, NULL);
}

/* Refuses a foreign key between columns of two domains. */
static void
check_foreign_key(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	Datum		keys[2];
	bool		isnull;
	ArrayType  *columns[2];

	keys[0] = heap_getattr(tuple, Anum_pg_constraint_conkey, desc, &isnull);
	keys[1] = heap_getattr(tuple, Anum_pg_constraint_confkey, desc, &isnull);
	columns[0] = DatumGetArrayTypeP(keys[0]);
	columns[1] = DatumGetArrayTypeP(keys[1]);
	for (int i = 0; i < ARR_DIMS(columns[0])[0]; i++)
	{
		List	   *known = NIL;

		for (int side = 0; side < 2; side++)
		{
			Oid			type;
			int32		typmod;
			Oid			collation;

			get_atttypetypmodcoll(side == 0 ? constraint->conrelid : constraint->confrelid,
								  ((int16 *) ARR_DATA_PTR(columns[side]))[i], &type, &typmod, &collation);
			if (is_pseudonym(type, &typmod) && typmod >= 0)
				known = list_append_unique_int(known, typmod);
		}
		require_one(known);
	}
}

/* Refuses a constraint just made that compares pseudonyms of two known domains. */
void
twp_pseudonym_check_constraint(Oid constraint)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!find_types())
		return;
	rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_constraint_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(constraint));
	/* the row is of the running command, which no other snapshot shows */
	scan = systable_beginscan(rel, ConstraintOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		char		kind = ((Form_pg_constraint) GETSTRUCT(tuple))->contype;
		bool		isnull;
		Datum		expr = heap_getattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(rel), &isnull);
		Level		level = {NULL};

		if (kind == CONSTRAINT_FOREIGN)
			check_foreign_key(tuple, RelationGetDescr(rel));
		else if (kind == CONSTRAINT_CHECK && !isnull)
			(void) check_walker(stringToNode(TextDatumGetCString(expr)), &level);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

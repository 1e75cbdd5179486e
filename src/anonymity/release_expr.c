/*
 * release_expr.c - which expressions may be evaluated on owned rows.
 *
 * Whether an expression is reached tells of the row it would be evaluated
 * on, so it must not raise an error or do anything that can be seen.  Allowed
 * are columns, constants and parameters, and functions of pg_catalog that are
 * leakproof or are listed here because they are total: comparisons and casts
 * of numerics, parts of dates, bands by division through a constant.
 */
#include "postgres.h"

#include "access/transam.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Functions that are total for all arguments. */
static const Oid total_functions[] = {
	F_NUMERIC_EQ, F_NUMERIC_NE, F_NUMERIC_LT, F_NUMERIC_LE, F_NUMERIC_GT, F_NUMERIC_GE,
	F_NUMERIC_INT2, F_NUMERIC_INT4, F_NUMERIC_INT8, F_FLOAT8_INT2, F_FLOAT8_INT4, F_FLOAT8_INT8,
	F_FLOAT8_FLOAT4, F_INT8_INT4, F_INT8_INT2, F_INT4_INT2, F_FLOAT4_INT2, F_FLOAT4_INT4,
	F_DATE_TIMESTAMP, F_DATE_TIMESTAMPTZ, F_LOWER_TEXT, F_UPPER_TEXT, F_LENGTH_TEXT,
	F_ABS_FLOAT4, F_ABS_FLOAT8, F_ABS_NUMERIC,
	/* these compare what does not fit as infinite */
	F_DATE_EQ_TIMESTAMP, F_DATE_NE_TIMESTAMP, F_DATE_LT_TIMESTAMP, F_DATE_LE_TIMESTAMP, F_DATE_GT_TIMESTAMP, F_DATE_GE_TIMESTAMP,
	F_DATE_EQ_TIMESTAMPTZ, F_DATE_NE_TIMESTAMPTZ, F_DATE_LT_TIMESTAMPTZ, F_DATE_LE_TIMESTAMPTZ, F_DATE_GT_TIMESTAMPTZ, F_DATE_GE_TIMESTAMPTZ,
	F_TIMESTAMP_EQ_DATE, F_TIMESTAMP_NE_DATE, F_TIMESTAMP_LT_DATE, F_TIMESTAMP_LE_DATE, F_TIMESTAMP_GT_DATE, F_TIMESTAMP_GE_DATE,
	F_TIMESTAMPTZ_EQ_DATE, F_TIMESTAMPTZ_NE_DATE, F_TIMESTAMPTZ_LT_DATE, F_TIMESTAMPTZ_LE_DATE, F_TIMESTAMPTZ_GT_DATE, F_TIMESTAMPTZ_GE_DATE,
	F_TIMESTAMP_EQ_TIMESTAMPTZ, F_TIMESTAMP_NE_TIMESTAMPTZ, F_TIMESTAMP_LT_TIMESTAMPTZ, F_TIMESTAMP_LE_TIMESTAMPTZ, F_TIMESTAMP_GT_TIMESTAMPTZ, F_TIMESTAMP_GE_TIMESTAMPTZ,
	F_TIMESTAMPTZ_EQ_TIMESTAMP, F_TIMESTAMPTZ_NE_TIMESTAMP, F_TIMESTAMPTZ_LT_TIMESTAMP, F_TIMESTAMPTZ_LE_TIMESTAMP, F_TIMESTAMPTZ_GT_TIMESTAMP, F_TIMESTAMPTZ_GE_TIMESTAMP,
};

/* Casts between numbers that lose nothing a sum would show. */
static const Oid number_casts[] = {
	F_NUMERIC_INT2, F_NUMERIC_INT4, F_NUMERIC_INT8, F_FLOAT8_INT2, F_FLOAT8_INT4, F_FLOAT8_INT8,
	F_FLOAT8_FLOAT4, F_INT8_INT4, F_INT8_INT2, F_INT4_INT2,
};

/* True when the list has the function. */
static bool
is_listed(const Oid *list, int n, Oid function)
{
	for (int i = 0; i < n; i++)
		if (list[i] == function)
			return true;
	return false;
}

/* Text of a constant argument; NULL when it is none. */
static char *
constant_text(Node *node)
{
	if (!IsA(node, Const) || ((Const *) node)->constisnull || ((Const *) node)->consttype != TEXTOID)
		return NULL;
	return TextDatumGetCString(((Const *) node)->constvalue);
}

/* True when the first argument names a part that every date and time has. */
static bool
names_date_part(List *args)
{
	static const char *const parts[] = {"year", "quarter", "month", "week", "day", "dow", "doy", "isodow", "decade"};
	char	   *unit = constant_text(linitial(args));

	for (int i = 0; unit != NULL && i < lengthof(parts); i++)
		if (strcmp(unit, parts[i]) == 0)
			return true;
	return false;
}

/* True when the first argument names a unit to which a time can be cut. */
static bool
names_truncation(List *args)
{
	static const char *const units[] = {"year", "quarter", "month", "day", "hour", "minute"};
	char	   *unit = constant_text(linitial(args));

	for (int i = 0; unit != NULL && i < lengthof(units); i++)
		if (strcmp(unit, units[i]) == 0)
			return true;
	return false;
}

/* Value of a whole constant; false for anything else. */
static bool
constant_integer(Node *node, int64 *value)
{
	Const	   *c = (Const *) node;

	if (!IsA(node, Const) || c->constisnull)
		return false;
	switch (c->consttype)
	{
		case INT2OID:
			*value = DatumGetInt16(c->constvalue);
			return true;
		case INT4OID:
			*value = DatumGetInt32(c->constvalue);
			return true;
		case INT8OID:
			*value = DatumGetInt64(c->constvalue);
			return true;
		default:
			return false;
	}
}

/* True for a division or remainder by a constant that cannot fail. */
static bool
divides_by_constant(Oid function, List *args)
{
	int64		divisor;

	switch (function)
	{
		case F_INT2DIV:
		case F_INT4DIV:
		case F_INT8DIV:
		case F_INT42DIV:
		case F_INT84DIV:
		case F_INT82DIV:
		case F_INT2MOD:
		case F_INT4MOD:
		case F_INT8MOD:
			return constant_integer(lsecond(args), &divisor) && divisor > 0;
		default:
			return false;
	}
}

/* True for x / c * c, the lower bound of a band. */
static bool
makes_band(Oid function, List *args)
{
	OpExpr	   *inner = linitial(args);
	int64		divisor;
	int64		factor;

	if (function != F_INT2MUL && function != F_INT4MUL && function != F_INT8MUL && function != F_INT84MUL)
		return false;
	if (!IsA(inner, OpExpr) || list_length(inner->args) != 2)
		return false;
	set_opfuncid(inner);
	return divides_by_constant(inner->opfuncid, inner->args) && inner->opfuncid != F_INT2MOD &&
		inner->opfuncid != F_INT4MOD && inner->opfuncid != F_INT8MOD &&
		constant_integer(lsecond(inner->args), &divisor) &&
		constant_integer(lsecond(args), &factor) && factor > 0 && factor <= divisor;
}

/* True for LIKE with a constant pattern that has no escapes, which cannot fail. */
static bool
matches_constant(Oid function, List *args)
{
	char	   *pattern;

	if (function != F_TEXTLIKE && function != F_TEXTNLIKE && function != F_TEXTICLIKE && function != F_TEXTICNLIKE)
		return false;
	pattern = constant_text(lsecond(args));
	return pattern != NULL && strchr(pattern, '\\') == NULL;
}

/* True for "now less or plus a sane interval": no value of a row has part in it. */
static bool
moves_now(Oid function, List *args)
{
	Node	   *start = linitial(args);
	Const	   *step = lsecond(args);
	Interval   *interval;

	if (function != F_TIMESTAMPTZ_MI_INTERVAL && function != F_TIMESTAMPTZ_PL_INTERVAL)
		return false;
	if (!(IsA(start, FuncExpr) && ((FuncExpr *) start)->funcid == F_NOW) && !IsA(start, SQLValueFunction))
		return false;
	if (!IsA(step, Const) || step->constisnull)
		return false;
	interval = DatumGetIntervalP(step->constvalue);
	return interval->month >= -12000 && interval->month <= 12000 &&
		interval->day >= -366000 && interval->day <= 366000 &&
		interval->time >= -INT64CONST(8784) * USECS_PER_HOUR && interval->time <= INT64CONST(8784) * USECS_PER_HOUR;
}

/* True for "today less or plus a sane number of days". */
static bool
moves_today(Oid function, List *args)
{
	int64		days;

	return (function == F_DATE_MII || function == F_DATE_PLI) && IsA(linitial(args), SQLValueFunction) &&
		constant_integer(eval_const_expressions(NULL, copyObject(lsecond(args))), &days) &&
		days >= -366000 && days <= 366000;
}

/* True when a function can be called on owned rows with these arguments. */
static bool
is_total(Oid function, List *args)
{
	if (function >= FirstNormalObjectId)
		return twp_anonymity_is_bucket(function);
	if (get_func_leakproof(function) && func_volatile(function) != PROVOLATILE_VOLATILE && !get_func_retset(function))
		return true;
	if (is_listed(total_functions, lengthof(total_functions), function) || function == F_NOW)
		return true;
	switch (function)
	{
		case F_EXTRACT_TEXT_DATE:
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_DATE_PART_TEXT_DATE:
		case F_DATE_PART_TEXT_TIMESTAMP:
		case F_DATE_PART_TEXT_TIMESTAMPTZ:
			return names_date_part(args);
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
		case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
			return names_truncation(args);
		default:
			break;
	}
	if (list_length(args) != 2)
		return false;
	return divides_by_constant(function, args) || makes_band(function, args) ||
		matches_constant(function, args) || moves_now(function, args) || moves_today(function, args);
}

/* What a column reference names, seen through the aliases of joins and groups. */
Node *
twp_anonymity_resolve(const TwpLevel *level, Node *node)
{
	for (;;)
	{
		Var		   *var = (Var *) node;
		RangeTblEntry *rte;
		List	   *groups;

		if (node == NULL || !IsA(node, Var) || var->varlevelsup > 0)
			return node;
		rte = rt_fetch(var->varno, level->query->rtable);
		groups = twp_compat_group_exprs(rte);
		if (rte->rtekind == RTE_JOIN && var->varattno > 0)
			node = list_nth(rte->joinaliasvars, var->varattno - 1);
		else if (groups != NIL && var->varattno > 0)
			node = list_nth(groups, var->varattno - 1);
		else
			return node;
	}
}

/* Name of a column, for messages. */
static const char *
column_name(const TwpLevel *level, const Var *var)
{
	return get_rte_attribute_name(rt_fetch(var->varno, level->query->rtable), var->varattno);
}

/* The mark of a column of the level. */
static TwpData
var_mark(const TwpLevel *level, const Var *var)
{
	const TwpSource *source = &level->sources[var->varno - 1];

	if (!source->owned)
		return TWP_DATA_PUBLIC;
	if (var->varattno <= 0 || var->varattno > source->nmarks)
		return TWP_DATA_IDENTIFIER;
	return source->marks[var->varattno - 1];
}

/* Mark of a bare column; a key that was cast is a key no more. */
bool
twp_anonymity_mark(const TwpLevel *level, Node *node, TwpData *mark, Var **var)
{
	bool		cast = false;

	for (;;)
	{
		node = twp_anonymity_resolve(level, node);
		if (node == NULL)
			return false;
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && is_listed(number_casts, lengthof(number_casts), ((FuncExpr *) node)->funcid))
		{
			node = linitial(((FuncExpr *) node)->args);
			cast = true;
		}
		else
			break;
	}
	if (!IsA(node, Var) || ((Var *) node)->varlevelsup > 0)
		return false;
	*var = (Var *) node;
	*mark = var_mark(level, *var);
	if (cast && *mark == TWP_DATA_SUBJECT)
		*mark = TWP_DATA_IDENTIFIER;
	return true;
}

/* True when a column of the level is never NULL. */
bool
twp_anonymity_is_filled(const TwpLevel *level, const Var *var)
{
	const TwpSource *source = &level->sources[var->varno - 1];

	return source->filled != NULL && !source->nullable && var->varattno > 0 && source->filled[var->varattno - 1];
}

/* Checks a column reference. */
static void
check_var(TwpLevel *level, Var *var)
{
	Node	   *node = twp_anonymity_resolve(level, (Node *) var);
	TwpData	mark;

	if (!IsA(node, Var))
	{
		twp_anonymity_check(level, node);
		return;
	}
	var = (Var *) node;
	if (var->varlevelsup > 0)
		twp_anonymity_refuse(level->analysis, NULL, "a reference to an outer query");
	if (var->varattno <= 0)
		twp_anonymity_refuse(level->analysis, NULL, "a whole row or system column beside protected rows");
	mark = var_mark(level, var);
	if (mark == TWP_DATA_SUBJECT || mark == TWP_DATA_IDENTIFIER)
		twp_anonymity_refuse(level->analysis,
						   "The subject may be matched with another table's, grouped by in a sub-query, and counted.",
						   "column \"%s\" identifies", column_name(level, var));
}

/* Refuses a text whose collation is not known: comparing it raises an error. */
void
twp_anonymity_check_collation(TwpLevel *level, Node *expr)
{
	if (type_is_collatable(exprType(expr)) && !OidIsValid(exprCollation(expr)))
		twp_anonymity_refuse(level->analysis, "Add a COLLATE clause.", "a text of undetermined collation");
}

/* Checks that a call's collation cannot fail. */
static void
check_call_collation(TwpLevel *level, Oid function, Oid collation, List *args)
{
	ListCell   *lc;
	bool		pattern = function == F_TEXTLIKE || function == F_TEXTNLIKE ||
		function == F_TEXTICLIKE || function == F_TEXTICNLIKE;

	foreach(lc, args)
		if (type_is_collatable(exprType(lfirst(lc))) && !OidIsValid(collation))
			twp_anonymity_refuse(level->analysis, "Add a COLLATE clause.", "a text of undetermined collation");
	if (pattern && !get_collation_isdeterministic(collation))
		twp_anonymity_refuse(level->analysis, "Use another collation.", "LIKE with a nondeterministic collation");
}

/* Checks a function call. */
static void
check_call(TwpLevel *level, Oid function, Oid operator, Oid collation, List *args)
{
	if (!is_total(function, args))
	{
		if (OidIsValid(operator))
			twp_anonymity_refuse(level->analysis,
							   "It may fail, and so tell of a row: compute with released figures instead.",
							   "operator %s on protected rows", get_opname(operator));
		twp_anonymity_refuse(level->analysis,
						   "It may fail or act, and so tell of a row: apply it to released figures instead.",
						   "function %s on protected rows", get_func_name(function));
	}
	check_call_collation(level, function, collation, args);
	/* its constant may be computed, which is done when planning */
	if (moves_today(function, args))
		return;
	twp_anonymity_check(level, (Node *) args);
}

/* Checks the node types that call a function. */
static bool
check_operation(TwpLevel *level, Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			check_call(level, ((FuncExpr *) node)->funcid, InvalidOid, exprInputCollation(node), ((FuncExpr *) node)->args);
			return true;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			check_call(level, ((OpExpr *) node)->opfuncid, ((OpExpr *) node)->opno, exprInputCollation(node),
					   ((OpExpr *) node)->args);
			return true;
		case T_ScalarArrayOpExpr:
			set_sa_opfuncid((ScalarArrayOpExpr *) node);
			check_call(level, ((ScalarArrayOpExpr *) node)->opfuncid, ((ScalarArrayOpExpr *) node)->opno,
					   exprInputCollation(node), ((ScalarArrayOpExpr *) node)->args);
			return true;
		default:
			return false;
	}
}

/* Checks the parts of a CASE. */
static void
check_case(TwpLevel *level, CaseExpr *expr)
{
	ListCell   *lc;

	twp_anonymity_check(level, (Node *) expr->arg);
	foreach(lc, expr->args)
	{
		twp_anonymity_check(level, (Node *) lfirst_node(CaseWhen, lc)->expr);
		twp_anonymity_check(level, (Node *) lfirst_node(CaseWhen, lc)->result);
	}
	twp_anonymity_check(level, (Node *) expr->defresult);
}

/* Raises unless the expression can be evaluated on owned rows. */
void
twp_anonymity_check(TwpLevel *level, Node *node)
{
	ListCell   *lc;

	if (node == NULL || check_operation(level, node))
		return;
	switch (nodeTag(node))
	{
		case T_Var:
			check_var(level, (Var *) node);
			break;
		case T_Const:
		case T_Param:
		case T_CaseTestExpr:
		case T_SQLValueFunction:
			break;
		case T_List:
			foreach(lc, (List *) node)
				twp_anonymity_check(level, lfirst(lc));
			break;
		case T_RelabelType:
			twp_anonymity_check(level, (Node *) ((RelabelType *) node)->arg);
			break;
		case T_CollateExpr:
			twp_anonymity_check(level, (Node *) ((CollateExpr *) node)->arg);
			break;
		case T_BoolExpr:
			twp_anonymity_check(level, (Node *) ((BoolExpr *) node)->args);
			break;
		case T_NullTest:
			if (((NullTest *) node)->argisrow)
				twp_anonymity_refuse(level->analysis, NULL, "a test of a whole row");
			twp_anonymity_check(level, (Node *) ((NullTest *) node)->arg);
			break;
		case T_BooleanTest:
			twp_anonymity_check(level, (Node *) ((BooleanTest *) node)->arg);
			break;
		case T_CaseExpr:
			check_case(level, (CaseExpr *) node);
			break;
		case T_CoalesceExpr:
			twp_anonymity_check(level, (Node *) ((CoalesceExpr *) node)->args);
			break;
		case T_ArrayExpr:
			twp_anonymity_check(level, (Node *) ((ArrayExpr *) node)->elements);
			break;
		case T_SubLink:
			twp_anonymity_sublink(level, (SubLink *) node);
			break;
		case T_Aggref:
			twp_anonymity_refuse(level->analysis, "Aggregate in a sub-query first.", "an aggregate inside another expression");
		default:
			twp_anonymity_refuse(level->analysis, "Compute it with released figures instead.",
							   "an expression of a kind that may fail on protected rows");
	}
}

/* Checks the conditions of a clean query's FROM. */
static void
check_public_from(TwpLevel *clean, Node *node)
{
	ListCell   *lc;

	if (IsA(node, JoinExpr))
	{
		check_public_from(clean, ((JoinExpr *) node)->larg);
		check_public_from(clean, ((JoinExpr *) node)->rarg);
		twp_anonymity_check(clean, ((JoinExpr *) node)->quals);
	}
	else if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			check_public_from(clean, lfirst(lc));
		twp_anonymity_check(clean, ((FromExpr *) node)->quals);
	}
}

/*
 * Raises unless a query over clean tables can be evaluated beside owned rows:
 * plain tables, harmless expressions, and counting, which cannot overflow.
 */
void
twp_anonymity_check_public(TwpLevel *level, Query *query)
{
	static const char hint[] = "Put what it gives into a table.";
	TwpLevel	clean = {.analysis = level->analysis,.query = query};
	ListCell   *lc;

	if (query->commandType != CMD_SELECT || query->cteList != NIL || query->setOperations != NULL ||
		query->hasTargetSRFs || query->hasWindowFuncs || query->hasSubLinks || query->rowMarks != NIL ||
		query->limitCount != NULL || query->limitOffset != NULL || query->havingQual != NULL ||
		query->groupingSets != NIL)
		twp_anonymity_refuse(level->analysis, hint, "a sub-query that does more than filter, beside protected rows");
	clean.nsources = list_length(query->rtable);
	clean.sources = palloc0(Max(clean.nsources, 1) * sizeof(TwpSource));
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW)
			twp_anonymity_check_clean(level->analysis, rte);
		else if (rte->rtekind != RTE_RELATION && rte->rtekind != RTE_JOIN && rte->rtekind != RTE_RESULT &&
				 twp_compat_group_exprs(rte) == NIL)
			twp_anonymity_refuse(level->analysis, hint, "a sub-query over something else than tables, beside protected rows");
	}
	check_public_from(&clean, (Node *) query->jointree);
	foreach(lc, query->targetList)
	{
		Node	   *expr = (Node *) lfirst_node(TargetEntry, lc)->expr;

		if (IsA(expr, Aggref) && ((Aggref *) expr)->aggfnoid == F_COUNT_ && ((Aggref *) expr)->aggfilter == NULL)
			continue;
		twp_anonymity_check(&clean, expr);
		twp_anonymity_check_collation(level, expr);
	}
}

/*
 * private_bounds.c - between which values an expression on owned rows lies, and
 * which values a key of groups may have.
 *
 * What sums are made private of must be bounded by something that is no
 * secret: a column's label, constants, or LEAST and GREATEST in the query.
 * The bounds need not be true: values beyond them are put at them.
 */
#include "postgres.h"

#include <math.h>

#include "anonymity/release_internal.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#define NO_BOUNDS ((TwpBounds) {false, 0, 0})

/* The number a constant expression stands for; false when it is none. */
bool
twp_anonymity_constant(Node *expr, double *number)
{
	Const	   *c;

	if (contain_var_clause(expr) || contain_agg_clause(expr) || contain_mutable_functions(expr) ||
		contain_subplans(expr))
		return false;
	c = (Const *) eval_const_expressions(NULL, copyObject(expr));
	if (!IsA(c, Const) || c->constisnull)
		return false;
	switch (c->consttype)
	{
		case INT2OID:
			*number = DatumGetInt16(c->constvalue);
			break;
		case INT4OID:
			*number = DatumGetInt32(c->constvalue);
			break;
		case INT8OID:
			*number = (double) DatumGetInt64(c->constvalue);
			break;
		case FLOAT4OID:
			*number = DatumGetFloat4(c->constvalue);
			break;
		case FLOAT8OID:
			*number = DatumGetFloat8(c->constvalue);
			break;
		case NUMERICOID:
			*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, c->constvalue));
			break;
		default:
			return false;
	}
	/* labels cannot say more, either */
	return *number >= -1e15 && *number <= 1e15;
}

/* The narrowest bounds that hold both. */
static TwpBounds
join_bounds(TwpBounds a, TwpBounds b)
{
	if (!a.declared || !b.declared)
		return NO_BOUNDS;
	return (TwpBounds)
	{
		true, Min(a.low, b.low), Max(a.high, b.high)
	};
}

/* Takes off LEAST and GREATEST with constants; clamp becomes what they say, infinite where they say nothing. */
Node *
twp_anonymity_unclamp(Node *expr, TwpBounds *clamp)
{
	*clamp = (TwpBounds)
	{
		false, -INFINITY, INFINITY
	};
	while (expr != NULL && IsA(expr, MinMaxExpr))
	{
		MinMaxExpr *minmax = (MinMaxExpr *) expr;
		Node	   *inner = NULL;
		ListCell   *lc;

		foreach(lc, minmax->args)
		{
			double		number;

			if (twp_anonymity_constant(lfirst(lc), &number))
			{
				if (minmax->op == IS_LEAST)
					clamp->high = Min(clamp->high, number);
				else
					clamp->low = Max(clamp->low, number);
			}
			else if (inner != NULL)
				return expr;
			else
				inner = lfirst(lc);
		}
		if (inner == NULL)
			return expr;
		expr = inner;
	}
	clamp->declared = isfinite(clamp->low) && isfinite(clamp->high) && clamp->low < clamp->high;
	return expr;
}

/* Bounds of what a CASE gives. */
static TwpBounds
case_bounds(const TwpLevel *level, const CaseExpr *expr)
{
	TwpBounds	bounds = NO_BOUNDS;
	ListCell   *lc;

	foreach(lc, expr->args)
	{
		TwpBounds	result = twp_anonymity_bounds(level, (Node *) lfirst_node(CaseWhen, lc)->result);

		bounds = foreach_current_index(lc) == 0 ? result : join_bounds(bounds, result);
	}
	if (expr->defresult == NULL || (IsA(expr->defresult, Const) && ((Const *) expr->defresult)->constisnull))
		return bounds;
	return join_bounds(bounds, twp_anonymity_bounds(level, (Node *) expr->defresult));
}

/* Bounds of an aggregate of one subject's rows: those of its argument where it stays within. */
static TwpBounds
aggregate_bounds(const TwpLevel *level, const Aggref *agg)
{
	const char *name = get_func_name(agg->aggfnoid);

	if (agg->args == NIL || agg->aggkind != AGGKIND_NORMAL ||
		(strcmp(name, "min") != 0 && strcmp(name, "max") != 0 && strcmp(name, "avg") != 0))
		return NO_BOUNDS;
	return twp_anonymity_bounds(level, (Node *) linitial_node(TargetEntry, agg->args)->expr);
}

/* Between which values an expression without LEAST and GREATEST lies. */
static TwpBounds
plain_bounds(const TwpLevel *level, Node *expr)
{
	TwpData		mark;
	Var		   *var;
	double		number;

	if (IsA(expr, Aggref))
		return aggregate_bounds(level, (Aggref *) expr);
	if (IsA(expr, CaseExpr))
		return case_bounds(level, (CaseExpr *) expr);
	if (twp_anonymity_mark(level, expr, &mark, &var))
	{
		const TwpSource *source = &level->sources[var->varno - 1];

		if (source->bounds == NULL || var->varattno <= 0 || var->varattno > source->nmarks)
			return NO_BOUNDS;
		return source->bounds[var->varattno - 1];
	}
	if (twp_anonymity_constant(expr, &number))
		return (TwpBounds)
	{
		true, number, number
	};
	return NO_BOUNDS;
}

/* Between which values an expression lies: what the query says narrows what labels say, or stands alone. */
TwpBounds
twp_anonymity_bounds(const TwpLevel *level, Node *expr)
{
	TwpBounds	clamp;
	TwpBounds	bounds;

	expr = twp_anonymity_unclamp(expr, &clamp);
	if (expr == NULL || IsA(expr, MinMaxExpr))
		return NO_BOUNDS;
	bounds = plain_bounds(level, expr);
	if (!bounds.declared || clamp.low >= bounds.high || clamp.high <= bounds.low)
		return clamp;
	bounds.low = Max(bounds.low, clamp.low);
	bounds.high = Min(bounds.high, clamp.high);
	return bounds;
}

/* The values that a column's label lists. */
static List *
listed_values(const TwpLevel *level, Node *key)
{
	TwpData		mark;
	Var		   *var;
	const TwpSource *source;
	char	   *rest;
	List	   *values = NIL;

	if (!IsA(key, Var) && !IsA(key, RelabelType))
		return NIL;
	if (!twp_anonymity_mark(level, key, &mark, &var) || var->varattno <= 0)
		return NIL;
	source = &level->sources[var->varno - 1];
	if (source->values == NULL || source->values[var->varattno - 1] == NULL)
		return NIL;
	rest = pstrdup(source->values[var->varattno - 1]);
	for (char *value; (value = strsep(&rest, "|")) != NULL;)
	{
		ListCell   *lc;

		/* a group given twice would be given with two noises */
		foreach(lc, values)
			if (strcmp(lfirst(lc), value) == 0)
				break;
		if (lc == NULL)
			values = lappend(values, value);
	}
	return values;
}

/* All values a key may have: of a label, of width_bucket, of a boolean. */
List *
twp_anonymity_domain(const TwpLevel *level, Node *key)
{
	List	   *values = NIL;
	Node	   *operand;
	double		n;
	TwpData		mark;
	Var		   *var;

	key = twp_anonymity_resolve(level, key);
	operand = key;
	if (IsA(key, FuncExpr) && twp_anonymity_is_bucket(((FuncExpr *) key)->funcid))
	{
		operand = linitial(((FuncExpr *) key)->args);
		if (twp_anonymity_constant(lfourth(((FuncExpr *) key)->args), &n) && n <= TWP_MAX_DOMAIN)
			for (int i = 0; i <= (int) n + 1; i++)
				values = lappend(values, psprintf("%d", i));
	}
	else if (exprType(key) == BOOLOID)
		values = list_make2(pstrdup("f"), pstrdup("t"));
	else
		values = listed_values(level, key);
	if (values != NIL && !(twp_anonymity_mark(level, operand, &mark, &var) && twp_anonymity_is_filled(level, var)))
		values = lappend(values, NULL);
	return values;
}

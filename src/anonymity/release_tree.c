/*
 * release_tree.c - makes nodes of query trees.
 *
 * Memory: the current context.  Failure: TP005 when one of our functions is
 * missing.
 */
#include "postgres.h"

#include "anonymity/release_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* Makes a call of one of our aggregates. */
Aggref *
twp_anonymity_make_aggregate(const char *name, Oid type, List *arguments)
{
	Aggref	   *agg = makeNode(Aggref);
	ListCell   *lc;

	foreach(lc, arguments)
	{
		agg->aggargtypes = lappend_oid(agg->aggargtypes, exprType(lfirst(lc)));
		agg->args = lappend(agg->args, makeTargetEntry(lfirst(lc), foreach_current_index(lc) + 1, NULL, false));
	}
	agg->aggfnoid = twp_catalog_internal_function(name);
	agg->aggtype = type;
	agg->inputcollid = exprCollation(linitial(arguments));
	agg->aggkind = AGGKIND_NORMAL;
	agg->aggsplit = AGGSPLIT_SIMPLE;
	agg->aggno = -1;
	agg->aggtransno = -1;
	agg->location = -1;
	return agg;
}

/* Makes a call of one of our functions. */
Node *
twp_anonymity_make_call(const char *name, Oid type, List *arguments)
{
	Oid			collation = type_is_collatable(type) ? DEFAULT_COLLATION_OID : InvalidOid;

	return (Node *) makeFuncExpr(twp_catalog_internal_function(name), type, arguments, collation, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

/* A constant text. */
Node *
twp_anonymity_make_text(const char *text)
{
	return (Node *) makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum(text), false, false);
}

/* A constant number. */
Node *
twp_anonymity_make_int(int32 value)
{
	return (Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false, true);
}

/* A constant array of numbers. */
Node *
twp_anonymity_make_ints(const int32 *values, int n)
{
	Datum	   *datums = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = Int32GetDatum(values[i]);
	return (Node *) makeConst(INT4ARRAYOID, -1, InvalidOid, -1,
							  PointerGetDatum(construct_array(datums, n, INT4OID, sizeof(int32), true, TYPALIGN_INT)),
							  false, false);
}

/* CASE WHEN condition THEN result ELSE otherwise (NULL: the NULL) END. */
Node *
twp_anonymity_make_case(Node *condition, Node *result, Node *otherwise)
{
	CaseExpr   *expr = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = (Expr *) condition;
	when->result = (Expr *) result;
	when->location = -1;
	expr->casetype = exprType(result);
	expr->casecollid = exprCollation(result);
	expr->args = list_make1(when);
	expr->defresult = otherwise != NULL ? (Expr *) otherwise :
		(Expr *) makeNullConst(expr->casetype, -1, expr->casecollid);
	expr->location = -1;
	return (Node *) expr;
}

/* A test that an expression is not NULL. */
Node *
twp_anonymity_make_not_null(Node *expr)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) copyObject(expr);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return (Node *) test;
}

/* Zero of a number's type. */
static Const *
make_zero(Oid type)
{
	Datum		zero;

	switch (type)
	{
		case INT2OID:
			zero = Int16GetDatum(0);
			break;
		case INT4OID:
			zero = Int32GetDatum(0);
			break;
		case INT8OID:
			zero = Int64GetDatum(0);
			break;
		case FLOAT4OID:
			zero = Float4GetDatum(0);
			break;
		case FLOAT8OID:
			zero = Float8GetDatum(0);
			break;
		default:
			zero = OidFunctionCall1(F_NUMERIC_INT4, Int32GetDatum(0));
			break;
	}
	return makeConst(type, -1, InvalidOid, get_typlen(type), zero, false, get_typbyval(type));
}

/* A test that a number is not zero. */
Node *
twp_anonymity_make_not_zero(Node *expr)
{
	Oid			type = exprType(expr);
	Oid			operator = OpernameGetOprid(list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("<>"))),
											type, type);

	return (Node *) make_opclause(operator, BOOLOID, false, (Expr *) copyObject(expr), (Expr *) make_zero(type),
								  InvalidOid, InvalidOid);
}

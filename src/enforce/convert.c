/*
 * convert.c - changes of a column's type that fail for no value.
 *
 * ALTER COLUMN TYPE with a narrower type tries every raw row, and whether it
 * fails tells the largest or longest value, one trial each.  A change that
 * any value survives tells nothing.  Reads the catalog; takes no locks of its own.
 */
#include "postgres.h"

#include "base/compat.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* True for PostgreSQL's own conversions whose result always exists. */
static bool
is_total(Oid function)
{
	switch (function)
	{
		case F_INT4_INT2:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_FLOAT8_FLOAT4:
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
			return true;
		default:
			return false;
	}
}

/* True when a conversion's expression cannot fail, whatever the column holds. */
static bool
always_succeeds(Node *expr)
{
	if (IsA(expr, Var))
		return true;
	if (IsA(expr, RelabelType))
		return always_succeeds((Node *) ((RelabelType *) expr)->arg);
	if (IsA(expr, FuncExpr) && is_total(((FuncExpr *) expr)->funcid))
		return always_succeeds(linitial(((FuncExpr *) expr)->args));
	return false;
}

/* True when the column can take the type without any of its values being refused. */
bool
twp_enforce_type_change_is_total(Oid relid, const char *column, TypeName *name)
{
	AttrNumber	attno = get_attnum(relid, column);
	Oid			type;
	Oid			target;
	int32		typmod;
	int32		target_typmod;
	Oid			collation;
	Node	   *expr;

	if (attno <= 0)
		return true;			/* PostgreSQL has its own error for it */
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	typenameTypeIdAndMod(NULL, name, &target, &target_typmod);
	expr = coerce_to_target_type(NULL, (Node *) makeVar(1, attno, type, typmod, collation, 0), type,
								 target, target_typmod, COERCION_ASSIGNMENT,
								 COERCE_IMPLICIT_CAST, -1);
	return expr == NULL || always_succeeds((Node *) expression_planner((Expr *) expr));
}

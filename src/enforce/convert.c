/*
 * convert.c - types of columns, and changes of them that fail for no value.
 *
 * ALTER COLUMN TYPE with a narrower type tries every raw row, and whether it
 * fails tells the largest or longest value, one trial each.  A change that
 * any value survives tells nothing.  Reads the catalog; takes no locks of its own.
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/compat.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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

/* True when the column can take its new type, by assignment or by the cast it is told, without any of its values being refused. */
static bool
type_change_is_total(Oid relid, const char *column, const ColumnDef *definition)
{
	bool		casts = definition->raw_default != NULL && IsA(definition->raw_default, TypeCast);
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
	typenameTypeIdAndMod(NULL, definition->typeName, &target, &target_typmod);
	expr = coerce_to_target_type(NULL, (Node *) makeVar(1, attno, type, typmod, collation, 0), type,
								 target, target_typmod, casts ? COERCION_EXPLICIT : COERCION_ASSIGNMENT,
								 COERCE_IMPLICIT_CAST, -1);
	return expr == NULL || always_succeeds((Node *) expression_planner((Expr *) expr));
}

/* True for the names that stand for an integer with a sequence, whatever types there are. */
static bool
is_serial(const TypeName *name)
{
	static const char *const serials[] = {"smallserial", "serial2", "serial", "serial4", "bigserial", "serial8"};
	bool		found = false;

	for (int i = 0; list_length(name->names) == 1 && !name->pct_type && i < lengthof(serials); i++)
		found |= strcmp(strVal(linitial(name->names)), serials[i]) == 0;
	return found;
}

/* True when a type's conversion and input run no user's code. */
bool
twp_enforce_type_is_builtin(TypeName *name)
{
	Oid			type = InvalidOid;
	int32		typmod;
	Type		tuple = is_serial(name) ? NULL : LookupTypeName(NULL, name, &typmod, true);

	if (tuple != NULL)
	{
		type = typeTypeId(tuple);
		ReleaseSysCache(tuple);
	}
	return is_serial(name) || (OidIsValid(type) && type < FirstNormalObjectId);
}

/*
 * True when what ALTER COLUMN TYPE is told to compute is nothing but the column
 * itself, cast to its new type: many programs write USING for every change.
 */
static bool
only_casts(const char *column, const ColumnDef *definition)
{
	Node	   *expr = definition->raw_default;

	if (expr != NULL && IsA(expr, TypeCast) && equal(((TypeCast *) expr)->typeName, definition->typeName))
		expr = ((TypeCast *) expr)->arg;
	return expr == NULL ||
		(IsA(expr, ColumnRef) && list_length(((ColumnRef *) expr)->fields) == 1 &&
		 IsA(linitial(((ColumnRef *) expr)->fields), String) &&
		 strcmp(strVal(linitial(((ColumnRef *) expr)->fields)), column) == 0);
}

/* Refuses, unless trusted, a conversion that computes, or that could fail. */
void
twp_enforce_check_conversion(Oid relid, const char *column, const ColumnDef *definition)
{
	if (!only_casts(column, definition) || !twp_enforce_type_is_builtin(definition->typeName))
		twp_enforce_require_admin(relid, "ALTER COLUMN TYPE with an expression or a user-defined type");
	else if (!type_change_is_total(relid, column, definition))
		twp_enforce_require_admin(relid, "ALTER COLUMN TYPE to a type that cannot hold every value");
}

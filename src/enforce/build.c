/*
 * build.c - expressions that call our runtime functions.
 *
 * What is decided when planning (which rule a column falls under) becomes the
 * shape of the expression; what is decided a row at a time (is the category
 * open for this subject) is left to the function.  Each call carries the
 * stamp of the binding it was made for.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"

static const char *const function_names[N_TWP_FUNCTIONS] = {
	[TWP_FN_ROW_VISIBLE] = "row_visible",
	[TWP_FN_ROW_WRITABLE] = "row_writable",
	[TWP_FN_ROW_OWED] = "row_owed",
	[TWP_FN_ROW_DELETABLE] = "row_deletable",
	[TWP_FN_ROW_NOTED] = "row_noted",
	[TWP_FN_CELL] = "cell",
	[TWP_FN_CELL_STRICT] = "cell_strict",
	[TWP_FN_CELL_WRITE] = "cell_write",
	[TWP_FN_CELL_WRITABLE] = "cell_writable",
	[TWP_FN_SUBJECT_WRITE] = "subject_write",
	[TWP_FN_FIXED_WRITE] = "fixed_write",
	[TWP_FN_PURPOSE_WRITTEN] = "purpose_written",
	[TWP_FN_UNTRACED] = "untraced",
	[TWP_FN_STATISTICS] = "statistics_visible",
	[TWP_FN_SUBJECT_KEY] = "subject_key",
};

/* OID of one of our runtime functions. */
Oid
twp_enforce_function_oid(TwpFunction function)
{
	return twp_catalog_internal_function(function_names[function]);
}

/* OID of row_visible. */
Oid
twp_enforce_row_visible_oid(void)
{
	return twp_enforce_function_oid(TWP_FN_ROW_VISIBLE);
}

/* A column of the relation that `like` refers to, at the same query level and row version. */
static Var *
column_like(const Var *like, Oid relid, AttrNumber attno)
{
	Var		   *var = copyObject((Var *) like);
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	var->varattno = attno;
	var->varattnosyn = like->varnosyn != 0 ? attno : 0;
	var->vartype = type;
	var->vartypmod = typmod;
	var->varcollid = collation;
	var->location = -1;
	return var;
}

/* A typed NULL. */
Node *
twp_enforce_null(Oid type, int32 typmod, Oid collation)
{
	return (Node *) makeNullConst(type, typmod, collation);
}

/* OID constant. */
static Node *
oid_const(Oid value)
{
	return (Node *) makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(value), false, true);
}

/* Stamp constant. */
static Node *
stamp_const(void)
{
	return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
							  Int64GetDatum((int64) twp_decision_stamp()), false, FLOAT8PASSBYVAL);
}

/* The key version that a mask is made with, of no meaning to those that need none. */
static Node *
pin_const(TwpMaskKind kind)
{
	bool		keyed = kind == TWP_MASK_PSEUDONYM || kind == TWP_MASK_DATE_SHIFT;
	uint64		pin = keyed && twp_decision_use()->form == TWP_FORM_PSEUDONYMISED ?
		twp_pseudonym_pin(twp_decision_use()->code) : 0;

	return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum((int64) pin),
							  false, FLOAT8PASSBYVAL);
}

/* The transaction that wrote a row, where it matters and is known: by it, newer rows are told from older. */
static Node *
born_arg(TwpFunction function, const TwpProtection *p, int rti)
{
	if (p->nprovenance == 0 || function != TWP_FN_ROW_VISIBLE || get_rel_relkind(p->relid) == RELKIND_FOREIGN_TABLE)
		return twp_enforce_null(XIDOID, -1, InvalidOid);
	return (Node *) makeVar(rti, MinTransactionIdAttributeNumber, XIDOID, -1, InvalidOid, 0);
}

/* row_visible, row_writable or row_owed for the relation at rti. */
Node *
twp_enforce_row_expr(TwpFunction function, const TwpTableVerdict *v, int rti)
{
	const TwpProtection *p = v->protection;
	Var			like = {.xpr.type = T_Var,.varno = rti,.varnosyn = rti};
	Node	   *labels;
	List	   *args;

	if (p->has_label_path)
		labels = (Node *) column_like(&like, v->relid, p->labels.start);
	else
		labels = twp_enforce_null(TEXTOID, -1, InvalidOid);
	args = list_make4(oid_const(v->relid), stamp_const(),
					  column_like(&like, v->relid, p->subject.start), labels);
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		args = lappend(args, p->facts[fact] != 0 ? (Node *) column_like(&like, v->relid, p->facts[fact])
					   : twp_enforce_null(TEXTOID, -1, InvalidOid));
	args = lappend(args, born_arg(function, p, rti));
	return (Node *) makeFuncExpr(twp_enforce_function_oid(function), BOOLOID, args,
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The check of what a new row says it was made for; NULL for a table without a purpose column. */
Node *
twp_enforce_purpose_check(const TwpTableVerdict *v, int rti)
{
	Var			like = {.xpr.type = T_Var,.varno = rti,.varnosyn = rti};
	AttrNumber	attno = v->protection->facts[TWP_ROW_PURPOSE];
	Node	   *purpose;

	if (attno == 0)
		return NULL;
	purpose = coerce_to_target_type(NULL, (Node *) column_like(&like, v->relid, attno),
									get_atttype(v->relid, attno), TEXTOID, -1,
									COERCION_EXPLICIT, COERCE_IMPLICIT_CAST, -1);
	return (Node *) makeFuncExpr(twp_enforce_function_oid(TWP_FN_PURPOSE_WRITTEN), BOOLOID,
								 list_make3(oid_const(v->relid), stamp_const(), purpose),
								 InvalidOid, DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
}

/* A condition on rows of a provenance table that are about to be deleted. */
Node *
twp_enforce_untraced_expr(Oid relid, int rti)
{
	Var			like = {.xpr.type = T_Var,.varno = rti,.varnosyn = rti};
	List	   *columns = twp_protect_traced_columns(relid);
	List	   *args = NIL;
	ListCell   *lc;

	foreach(lc, columns)
		args = lappend(args, makeFuncExpr(twp_enforce_function_oid(TWP_FN_UNTRACED), BOOLOID,
										  list_make3(oid_const(relid),
													 makeConst(INT2OID, -1, InvalidOid, sizeof(int16),
															   Int16GetDatum(lfirst_int(lc)), false, true),
													 column_like(&like, relid, lfirst_int(lc))),
										  InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
	return (Node *) make_ands_explicit(args);
}

/* The replacement of one column's value under its rule. */
Node *
twp_enforce_cell_expr(TwpFunction function, const TwpTableVerdict *v, AttrNumber attno,
					  Node *value, const Var *like)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(v->relid, attno, &type, &typmod, &collation);
	switch (v->columns[attno - 1].rule)
	{
		case TWP_CELL_SHOW:
			return value;
		case TWP_CELL_HIDE:
			return twp_enforce_null(type, typmod, collation);
		default:
			break;
	}
	return twp_enforce_cell_call(function, v, attno, value, like);
}

/* A call of one of the cell functions, whatever the column's rule. */
Node *
twp_enforce_cell_call(TwpFunction function, const TwpTableVerdict *v, AttrNumber attno,
					  Node *value, const Var *like)
{
	bool		tests = function == TWP_FN_CELL_WRITABLE;
	List	   *args;
	Oid			type;
	int32		typmod;
	Oid			collation;
	FuncExpr   *call;

	get_atttypetypmodcoll(v->relid, attno, &type, &typmod, &collation);
	args = list_make5(value, oid_const(v->relid), stamp_const(),
					  makeConst(INT2OID, -1, InvalidOid, sizeof(int16),
								Int16GetDatum(attno), false, true),
					  column_like(like, v->relid, v->protection->subject.start));
	if (function == TWP_FN_CELL)
		args = lappend(args, pin_const(v->columns[attno - 1].mask.kind));
	if (function == TWP_FN_SUBJECT_WRITE || function == TWP_FN_FIXED_WRITE)
		args = lappend(args, column_like(like, v->relid, attno));
	call = makeFuncExpr(twp_enforce_function_oid(function), tests ? BOOLOID : type, args,
						tests ? InvalidOid : collation, collation, COERCE_EXPLICIT_CALL);
	if (typmod < 0 || tests)
		return (Node *) call;
	/* keep varchar(20) a varchar(20) for CREATE TABLE AS and clients */
	return (Node *) makeRelabelType((Expr *) call, type, typmod, collation, COERCE_IMPLICIT_CAST);
}

/* The whole row with each column replaced. */
Node *
twp_enforce_whole_row(TwpFunction function, const TwpTableVerdict *v, const Var *like)
{
	RowExpr    *row = makeNode(RowExpr);

	for (AttrNumber attno = 1; attno <= v->natts; attno++)
	{
		char	   *name = get_attname(v->relid, attno, true);
		Node	   *value;

		if (name == NULL || !OidIsValid(get_atttype(v->relid, attno)))
		{
			/* a dropped column keeps its place in the row type */
			value = twp_enforce_null(INT4OID, -1, InvalidOid);
			name = "";
		}
		else
			value = twp_enforce_cell_expr(function, v, attno,
										  (Node *) column_like(like, v->relid, attno), like);
		row->args = lappend(row->args, value);
		row->colnames = lappend(row->colnames, makeString(name));
	}
	row->row_typeid = get_rel_type_id(v->relid);
	row->row_format = COERCE_IMPLICIT_CAST;
	row->location = -1;
	return (Node *) row;
}

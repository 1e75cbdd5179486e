/*
 * functions.c - permits, reveal, require_use and why, for application SQL.
 *
 * They answer for the caller's own bound use only, as of the statement they
 * run in, whether it reads a protected table or not.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "decision/decision.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "protect/protect.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_decision_permits);
PG_FUNCTION_INFO_V1(twp_decision_reveal);
PG_FUNCTION_INFO_V1(twp_decision_require_use);
PG_FUNCTION_INFO_V1(twp_decision_why);
PG_FUNCTION_INFO_V1(twp_decision_bound_purpose);

/* Under which a call site began its decision. */
typedef struct CallSite
{
	Oid			role;
	TimestampTz statement;
} CallSite;

/*
 * Makes sure the decision in force is of now.  A call site begins one in each
 * statement and for each role it acts as: PL/pgSQL keeps a call site for a
 * whole transaction, and nothing else begins a decision when no protected
 * table is read.  In between, news is taken in.
 */
static void
ensure_decision(FunctionCallInfo fcinfo)
{
	CallSite   *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	if (site->role == GetOuterUserId() &&
		site->statement == GetCurrentStatementStartTimestamp())
	{
		twp_decision_refresh();
		return;
	}
	twp_decision_begin();
	site->role = GetOuterUserId();
	site->statement = GetCurrentStatementStartTimestamp();
}

/* Refuses a subject's text that is another spelling of a key: it would silently miss. */
static void
check_spelling(const TwpSubject *subject)
{
	if (subject->kind == TWP_SUBJECT_TEXT)
		twp_protect_check_subject_text(twp_subject_to_text(subject));
}

/* Whether a category (argument n) is open for the subject (argument m). */
static bool
permits(FunctionCallInfo fcinfo, int subject_arg, int category_arg)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, subject_arg);
	TwpSubject	subject;
	int			category;

	TWP_REQUIRE_ARG(category_arg, "category");
	category = twp_vocab_require_category(text_to_cstring(PG_GETARG_TEXT_PP(category_arg)));
	ensure_decision(fcinfo);
	if (PG_ARGISNULL(subject_arg))
		return false;
	if (type == UNKNOWNOID)
	{
		subject.kind = TWP_SUBJECT_TEXT;
		subject.key.text.data = DatumGetCString(PG_GETARG_DATUM(subject_arg));
		subject.key.text.len = (int) strlen(subject.key.text.data);
	}
	else if (twp_subject_kind(type) != TWP_SUBJECT_INVALID)
		twp_subject_from_datum(&subject, getBaseType(type), PG_GETARG_DATUM(subject_arg));
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a data subject's key is not of type %s", format_type_be(type)),
				 errhint("Pass the subject as bigint, int, uuid or text.")));
	check_spelling(&subject);
	return (twp_decision_open(&subject) & ~twp_decision_withheld(twp_decision_use(), NULL) &
			TWP_CATEGORY_BIT(category)) != 0;
}

/* permits(subject, category): is the category open for the subject under the bound use? */
Datum
twp_decision_permits(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(permits(fcinfo, 0, 1));
}

/* reveal(value, subject, category): the value where permitted, else NULL. */
Datum
twp_decision_reveal(PG_FUNCTION_ARGS)
{
	if (!permits(fcinfo, 1, 2) || PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* require_use(purposes): true, or an error unless the bound use's purpose is one of them or below. */
Datum
twp_decision_require_use(PG_FUNCTION_ARGS)
{
	Datum	   *purposes;
	bool	   *nulls;
	int			n;
	StringInfoData wanted;

	TWP_REQUIRE_ARG(0, "purposes");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT,
					  &purposes, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purposes must not be empty"),
				 errhint("Name purposes of twin_privacy.purposes.")));
	ensure_decision(fcinfo);
	initStringInfo(&wanted);
	for (int i = 0; i < n; i++)
	{
		char	   *purpose;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("purposes must not contain null"),
					 errhint("Name purposes of twin_privacy.purposes.")));
		purpose = TextDatumGetCString(purposes[i]);
		twp_vocab_require_purpose(purpose);
		if (twp_vocab_purpose_covers(purpose, twp_decision_use()->purpose))
			PG_RETURN_BOOL(true);
		appendStringInfo(&wanted, "%s%s", i > 0 ? ", " : "", purpose);
	}
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("purpose \"%s\" of use \"%s\" does not allow this", twp_decision_use()->purpose,
					twp_decision_use()->code),
			 errhint("Bind a use for one of: %s.", wanted.data)));
}

/* bound_purpose(): purpose of the use the session may act under now; NULL in maintenance. */
Datum
twp_decision_bound_purpose(PG_FUNCTION_ARGS)
{
	if (twp_in_maintenance())
		PG_RETURN_NULL();
	ensure_decision(fcinfo);
	PG_RETURN_TEXT_P(cstring_to_text(twp_decision_use()->purpose));
}

/* One row of why(). */
static void
put_why(ReturnSetInfo *rsinfo, const char *column, const char *verdict, const char *reason)
{
	Datum		values[3] = {(Datum) 0, CStringGetTextDatum(verdict), CStringGetTextDatum(reason)};
	bool		nulls[3] = {column == NULL, false, false};

	if (column != NULL)
		values[0] = DirectFunctionCall1(namein, CStringGetDatum(column));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Says which consent is missing for categories of which not all are open: for one, or for what it is derived from. */
static char *
missing_consent(const char *subject, const char *what, TwpCategorySet missing)
{
	int			category = pg_rightmost_one_pos64(missing);
	int			closed_by = twp_decision_closed_by(subject, category);

	if (closed_by >= 0 && closed_by != category)
		return psprintf("no consent for category \"%s\", which \"%s\" is derived from",
						twp_vocab_category_code(closed_by), twp_vocab_category_code(category));
	return psprintf("no consent for %s \"%s\"", what, twp_vocab_category_code(category));
}

/* Explains one column for a subject whose row is visible. */
static void
why_column(ReturnSetInfo *rsinfo, const TwpTableVerdict *v, AttrNumber attno, const char *subject,
		   TwpCategorySet open)
{
	const TwpColumnVerdict *cv = &v->columns[attno - 1];
	const TwpColumn *column = &v->protection->columns[attno - 1];
	const char *name = get_attname(v->relid, attno, false);
	const char *category = twp_vocab_category_code(column->category);

	if (cv->rule == TWP_CELL_HIDE && !column->labelled)
		put_why(rsinfo, name, "hidden", "the column has no label");
	else if (cv->rule == TWP_CELL_HIDE && (cv->needs & twp_decision_use()->categories) == 0)
		put_why(rsinfo, name, "hidden", psprintf("the use does not cover category \"%s\"", category));
	else if (cv->rule == TWP_CELL_HIDE && (cv->needs & twp_decision_withheld(twp_decision_use(), v->protection)) != 0)
		put_why(rsinfo, name, "hidden", psprintf("category \"%s\" would score persons for \"%s\"", category,
												 twp_decision_use()->recipient));
	else if (cv->rule == TWP_CELL_HIDE)
		put_why(rsinfo, name, "hidden", psprintf("kind \"%s\" without a mask",
												 twp_protect_kind_name(column->kind)));
	else if ((cv->needs & open) != cv->needs)
		put_why(rsinfo, name, "hidden", missing_consent(subject, "category", cv->needs & ~open));
	else if (cv->rule == TWP_CELL_MASK)
		put_why(rsinfo, name, "masked", psprintf("mask \"%s\" under form \"%s\"",
												 twp_protect_mask_name(cv->mask.kind),
												 twp_uses_form_name(twp_decision_use()->form)));
	else
		put_why(rsinfo, name, "clear", psprintf("consent covers category \"%s\"", category));
}

/* why(target, subject): row and column verdicts for the caller's own bound use. */
Datum
twp_decision_why(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const TwpTableVerdict *v;
	TwpSubject	subject;
	TwpCategorySet open;
	char	   *subject_text;
	Oid			relid;

	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(1, "subject");
	relid = PG_GETARG_OID(0);
	subject_text = text_to_cstring(PG_GETARG_TEXT_PP(1));
	InitMaterializedSRF(fcinfo, 0);
	if (!twp_protect_is_protected(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not protected", get_rel_name(relid)),
				 errhint("See twin_privacy.protected_tables.")));
	twp_decision_begin();
	v = twp_decision_table(relid);
	twp_protect_check_subject_text(subject_text);
	if (!twp_subject_from_text(&subject, v->protection->subject_kind, subject_text))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subject is not a key of the table's type"),
				 errhint("Write it as the table's subject column prints it.")));
	open = twp_decision_open(&subject);
	if ((open & v->needs) != v->needs)
	{
		put_why(rsinfo, NULL, "hidden",
				missing_consent(subject_text, "the table's category", v->needs & ~open));
		return (Datum) 0;
	}
	put_why(rsinfo, NULL, "visible", v->protection->has_label_path ?
			"consent covers the table's category; a row's own labels may still hide it" :
			"consent covers the table's category");
	for (AttrNumber attno = 1; attno <= v->natts; attno++)
		if (OidIsValid(get_atttype(relid, attno)))
			why_column(rsinfo, v, attno, subject_text, open);
	return (Datum) 0;
}

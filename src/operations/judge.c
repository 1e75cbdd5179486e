/*
 * judge.c - what a use would show, asked by an officer before it is approved.
 *
 * The rules are the decision room's, the answers the consent room's, but no
 * decision begins: nothing here changes what the running session may read.
 * Authority (approval, period, grant) is not asked: the terms alone count.
 *
 * Memory: the caller's; counting keeps one page of subjects at a time.
 * Failure: raises.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "decision/decision.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_operations_judge);
PG_FUNCTION_INFO_V1(twp_operations_count_open);

TWP_EXPORT Datum twp_operations_judge(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_operations_count_open(PG_FUNCTION_ARGS);

#define PAGE_OF_SUBJECTS "10000"

/* A use and a table, with the question put to the consents. */
typedef struct Case
{
	TwpUse		use;
	TwpProtection *protection;
	TwpLens    *lens;
	char	   *refused;		/* why nothing at all would be seen, or NULL */
} Case;

/* Why the use opens nothing of the table, or NULL. */
static char *
find_refusal(const TwpUse *use, const TwpProtection *p)
{
	const char *reason = NULL;

	if (p->broken != NULL)
		return psprintf("the protection does not resolve: %s", p->broken);
	if (twp_vocab_purpose_prohibited(use->purpose, &reason))
		return psprintf("purpose \"%s\" is prohibited", use->purpose);
	if ((TWP_CATEGORY_BIT(p->category) & use->categories) == 0)
		return psprintf("the use does not cover category \"%s\"", twp_vocab_category_code(p->category));
	if ((TWP_CATEGORY_BIT(p->category) & twp_decision_withheld(use, p)) != 0)
		return psprintf("derived data would score persons for \"%s\"", use->recipient);
	return NULL;
}

/* Reads the arguments use and target into a case. */
static void
open_case(FunctionCallInfo fcinfo, Case *c)
{
	const TwpProtection *p;
	const TwpUse *use;
	TwpLensQuestion question = {0};

	TWP_REQUIRE_ARG(0, "use");
	TWP_REQUIRE_ARG(1, "table");
	AcceptInvalidationMessages();
	p = twp_protect_lookup(PG_GETARG_OID(1));
	if (p == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not protected", get_rel_name(PG_GETARG_OID(1))),
				 errhint("See twin_privacy.protected_tables.")));
	c->protection = twp_protect_copy(p, CurrentMemoryContext);
	use = twp_uses_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (use == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("use \"%s\" does not exist", text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errhint("See twin_privacy.approved_uses; a use may be judged as soon as it is proposed.")));
	c->use = *use;
	question.purpose = c->use.purpose = pstrdup(use->purpose);
	question.recipient = c->use.recipient = pstrdup(use->recipient);
	question.none_permits = use->basis != TWP_BASIS_CONSENT;
	question.overrides_deny = use->overrides_deny;
	c->refused = find_refusal(&c->use, c->protection);
	c->lens = twp_consent_lens(&question);
	twp_consent_refresh(c->lens, GetCurrentTimestamp());
}

/* Adds a row (column_name, verdict, reason). */
static void
put_row(ReturnSetInfo *result, const char *column, const char *verdict, const char *reason)
{
	Datum		values[3] = {(Datum) 0, CStringGetTextDatum(verdict), CStringGetTextDatum(reason)};
	bool		nulls[3] = {column == NULL, false, false};

	if (column != NULL)
		values[0] = DirectFunctionCall1(namein, CStringGetDatum(column));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Adds the row of one column of a visible row. */
static void
judge_column(ReturnSetInfo *result, const Case *c, AttrNumber attno, TwpCategorySet open)
{
	const TwpColumn *column = &c->protection->columns[attno - 1];
	const char *name = get_attname(c->protection->relid, attno, false);
	const char *category = twp_vocab_category_code(column->category);
	TwpColumnVerdict v;

	twp_decision_rule_column(&c->use, c->protection, attno, &v);
	if (v.rule == TWP_CELL_HIDE)
		put_row(result, name, "hidden", !column->labelled ? "the column has no label" :
				(v.needs & c->use.categories) == 0 ?
				psprintf("the use does not cover category \"%s\"", category) :
				(v.needs & twp_decision_withheld(&c->use, c->protection)) != 0 ?
				psprintf("category \"%s\" would score persons for \"%s\"", category, c->use.recipient) :
				"no mask for this kind");
	else if ((v.needs & open) != v.needs)
		put_row(result, name, "hidden", psprintf("no consent for category \"%s\"", category));
	else if (v.rule == TWP_CELL_MASK)
		put_row(result, name, "masked", psprintf("mask \"%s\"", twp_protect_mask_name(v.mask.kind)));
	else if (c->use.form == TWP_FORM_AGGREGATE || c->use.form == TWP_FORM_PRIVATE)
		put_row(result, name, "aggregated", "only aggregates leave");
	else
		put_row(result, name, "clear", psprintf("category \"%s\"", category));
}

/* judge(use, target, subject): the row's verdict, then each column's; subject NULL: of one who permits everything. */
Datum
twp_operations_judge(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Case		c;
	TwpSubject	subject;
	TwpCategorySet open;

	InitMaterializedSRF(fcinfo, 0);
	open_case(fcinfo, &c);
	if (c.refused != NULL)
	{
		put_row(result, NULL, "refused", c.refused);
		return (Datum) 0;
	}
	open = c.use.categories;
	if (!PG_ARGISNULL(2))
	{
		char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(2));

		twp_protect_check_subject_text(key);
		if (!twp_subject_from_text(&subject, c.protection->subject_kind, key))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("subject is not a key of the table's type"),
					 errhint("Write it as the table's subject column prints it.")));
		open &= twp_consent_open(c.lens, &subject);
	}
	if ((open & TWP_CATEGORY_BIT(c.protection->category)) == 0)
	{
		put_row(result, NULL, "hidden", psprintf("no consent for the table's category \"%s\"",
												 twp_vocab_category_code(c.protection->category)));
		return (Datum) 0;
	}
	put_row(result, NULL, "visible", c.protection->has_label_path ?
			"consent covers the table's category; a row's own labels may still hide it" :
			"consent covers the table's category");
	for (AttrNumber attno = 1; attno <= c.protection->natts; attno++)
		if (OidIsValid(get_atttype(c.protection->relid, attno)))
			judge_column(result, &c, attno, open);
	return (Datum) 0;
}

/* Reads the page of subjects with directives behind one (NULL: the first); returns how many. */
static uint64
next_page(const char *after)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(after != NULL ? after : "")};

	twp_sql_exec("SELECT DISTINCT subject FROM twin_privacy_internal.directive WHERE subject > $1"
				 " ORDER BY subject LIMIT " PAGE_OF_SUBJECTS, 1, types, values, NULL);
	return SPI_processed;
}

/* count_open(use, target): how many subjects with directives could have rows there, and for how many they would be visible. */
Datum
twp_operations_count_open(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Case		c;
	TwpCategorySet needs;
	int64		known = 0;
	int64		visible = 0;
	char	   *last = NULL;
	uint64		rows;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	open_case(fcinfo, &c);
	needs = c.refused == NULL ? TWP_CATEGORY_BIT(c.protection->category) : 0;
	twp_sql_connect();
	while ((rows = next_page(last)) > 0)
	{
		for (uint64 i = 0; i < rows; i++)
		{
			char	   *key = twp_sql_text((int) i, 1);
			TwpSubject	subject;

			if (twp_subject_from_text(&subject, c.protection->subject_kind, key))
			{
				known++;
				if (needs != 0 && (twp_consent_open(c.lens, &subject) & c.use.categories & needs) != 0)
					visible++;
			}
			if (i + 1 < rows)
				pfree(key);
			else
				last = key;
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	twp_sql_finish();
	values[0] = Int64GetDatum(known);
	values[1] = Int64GetDatum(visible);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

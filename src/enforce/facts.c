/*
 * facts.c - what a row tells of itself, for consents that ask.
 *
 * A consent may be about data of a certain author, of one encounter, of some
 * time, or with a certain label.  A fact whose column is not declared, and an
 * author or date that is NULL, is not known: then the consent counts for what
 * is sure whatever it were.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* True when rows of the table tell more of themselves than their subject. */
bool
twp_enforce_knows_facts(const TwpProtection *p)
{
	bool		knows = p->has_label_path;

	for (int fact = 0; fact < TWP_CONSENT_FACTS; fact++)
		knows |= p->facts[fact] != 0;
	return knows;
}

/* Gives a fact as text; NULL when the row does not tell it. */
static const char *
fact_text(FunctionCallInfo fcinfo, TwpRowFact fact)
{
	int			arg = TWP_FIRST_FACT_ARG + fact;
	Oid			output;
	bool		varlena;

	if (PG_ARGISNULL(arg))
		return NULL;
	getTypeOutputInfo(get_fn_expr_argtype(fcinfo->flinfo, arg), &output, &varlena);
	return OidOutputFunctionCall(output, PG_GETARG_DATUM(arg));
}

/* Reads the clinical date: a date is all of its day. */
static void
read_date(FunctionCallInfo fcinfo, TwpRowFacts *facts)
{
	int			arg = TWP_FIRST_FACT_ARG + TWP_ROW_DATE;
	Datum		value = PG_GETARG_DATUM(arg);

	switch (getBaseType(get_fn_expr_argtype(fcinfo->flinfo, arg)))
	{
		case DATEOID:
			facts->date_from = DatumGetTimestampTz(DirectFunctionCall1(date_timestamptz, value));
			facts->date_until = DATE_NOT_FINITE(DatumGetDateADT(value)) ? facts->date_from :
				DatumGetTimestampTz(DirectFunctionCall1(date_timestamptz,
														DateADTGetDatum(DatumGetDateADT(value) + 1)));
			break;
		case TIMESTAMPOID:
			facts->date_from = DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz, value));
			facts->date_until = facts->date_from + 1;
			break;
		default:
			facts->date_from = DatumGetTimestampTz(value);
			facts->date_until = facts->date_from + 1;
	}
	facts->known |= TWP_FACT_DATE;
}

/* Gives the categories open for the row whose facts are the call's arguments. */
TwpCategorySet
twp_enforce_open_row(const TwpProtection *p, const TwpSubject *subject, List *labels, FunctionCallInfo fcinfo)
{
	TwpRowFacts facts = {0};
	const char *author = NULL;
	const char **label_array = palloc(Max(list_length(labels), 1) * sizeof(char *));
	ListCell   *lc;

	if (p->has_label_path)
		facts.known |= TWP_FACT_LABELS;
	foreach(lc, labels)
		label_array[facts.nlabels++] = lfirst(lc);
	facts.labels = label_array;
	if (p->facts[TWP_ROW_AUTHOR] != 0 && (author = fact_text(fcinfo, TWP_ROW_AUTHOR)) != NULL)
	{
		facts.authors = &author;
		facts.nauthors = 1;
		facts.known |= TWP_FACT_AUTHORS;
	}
	if (p->facts[TWP_ROW_ENCOUNTER] != 0)
	{
		facts.encounter = fact_text(fcinfo, TWP_ROW_ENCOUNTER);
		facts.known |= TWP_FACT_ENCOUNTER;
	}
	if (p->facts[TWP_ROW_DATE] != 0 && !PG_ARGISNULL(TWP_FIRST_FACT_ARG + TWP_ROW_DATE))
		read_date(fcinfo, &facts);
	return twp_decision_open_row(subject, &facts);
}

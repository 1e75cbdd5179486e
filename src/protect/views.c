/*
 * views.c - what is protected, as rows: protected_tables, protected_columns,
 * traced_tables, check_protection.
 *
 * Labels are metadata about tables, not about people, and psql shows them
 * anyway: everybody may read these.  A table whose label does not resolve is
 * shown with the reason.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(twp_protect_list_tables);
PG_FUNCTION_INFO_V1(twp_protect_list_columns);
PG_FUNCTION_INFO_V1(twp_protect_list_provenance);

/* A text datum, or NULL. */
static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text == NULL);
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Every relation under a label: the labelled ones and all below them. */
static List *
protected_relations(void)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, twp_protect_labelled_relations())
		all = list_concat_unique_oid(all, twp_protect_with_descendants(lfirst_oid(lc)));
	return all;
}

/* One row a protected relation: target, source, subject, category, label_column, problem. */
Datum
twp_protect_list_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, protected_relations())
	{
		Oid			relid = lfirst_oid(lc);
		const TwpProtection *p = twp_protect_lookup(relid);
		TwpTableLabel *label;
		const char *problem;
		Datum		values[6];
		bool		nulls[6] = {false};

		if (p == NULL)
			continue;
		label = twp_protect_parse_leniently(twp_protect_label_text(p->source, 0), true, &problem);
		values[0] = ObjectIdGetDatum(relid);
		values[1] = ObjectIdGetDatum(p->source);
		values[2] = text_or_null(label != NULL ? label->subject : NULL, &nulls[2]);
		values[3] = text_or_null(label != NULL ? label->category : NULL, &nulls[3]);
		values[4] = text_or_null(label != NULL ? label->label_column : NULL, &nulls[4]);
		values[5] = text_or_null(p->broken, &nulls[5]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Prints a mask as labels write it. */
static char *
mask_text(const TwpMask *mask)
{
	const char *name = twp_protect_mask_name(mask->kind);

	if (mask->kind == TWP_MASK_BAND || mask->kind == TWP_MASK_ROUND)
		return psprintf("%s:%s", name, mask->step);
	if (mask->kind == TWP_MASK_PARTIAL)
		return psprintf("%s:%d:%d", name, mask->first, mask->last);
	return pstrdup(name);
}

/* One row a column of a protected relation: target, column, labelled, category, kind, mask. */
Datum
twp_protect_list_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, protected_relations())
	{
		Oid			relid = lfirst_oid(lc);
		const TwpProtection *p = twp_protect_lookup(relid);

		for (int i = 0; p != NULL && i < p->natts; i++)
		{
			const TwpColumn *column = &p->columns[i];
			char	   *name = get_attname(relid, i + 1, true);
			Datum		values[6];
			bool		nulls[6] = {false};

			/* get_attname answers for dropped columns too: their type is gone */
			if (name == NULL || !OidIsValid(get_atttype(relid, i + 1)))
				continue;
			values[0] = ObjectIdGetDatum(relid);
			values[1] = CStringGetDatum(name);
			values[1] = DirectFunctionCall1(namein, values[1]);
			values[2] = BoolGetDatum(column->labelled);
			values[3] = text_or_null(twp_vocab_category_code(column->category), &nulls[3]);
			values[4] = CStringGetTextDatum(twp_protect_kind_name(column->kind));
			values[5] = CStringGetTextDatum(mask_text(&column->mask));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* A column's name as a datum. */
static Datum
column_name(Oid relid, AttrNumber attno)
{
	return DirectFunctionCall1(namein, CStringGetDatum(get_attname(relid, attno, false)));
}

/* One row a declared provenance: target, target_key, provenance, derived_column, source, source_column, source_key, untraced. */
Datum
twp_protect_list_provenance(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, twp_protect_labelled_relations())
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));

		for (int i = 0; p != NULL && i < p->nprovenance; i++)
		{
			const TwpProvenance *provenance = &p->provenance[i];
			Datum		values[8];
			bool		nulls[8] = {false};

			values[0] = ObjectIdGetDatum(p->relid);
			nulls[1] = p->facts[TWP_ROW_KEY] == 0;
			if (!nulls[1])
				values[1] = column_name(p->relid, p->facts[TWP_ROW_KEY]);
			values[2] = ObjectIdGetDatum(provenance->relid);
			values[3] = column_name(provenance->relid, provenance->derived);
			values[4] = ObjectIdGetDatum(provenance->source);
			values[5] = column_name(provenance->relid, provenance->used);
			values[6] = column_name(provenance->source, provenance->source_key);
			values[7] = CStringGetTextDatum(p->untraced_open ? "open" : "closed");
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

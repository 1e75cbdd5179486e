/*
 * identify.c - which columns look as if they identified somebody.
 *
 * Names and types are matched against a table of hints.  Values are looked at
 * only where the table is not protected: the others' unlabelled columns are
 * hidden anyway, and a suggestion must not be a way to them.
 *
 * Failure: that of reading the table.  No value leaves, only what it looks like.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "anonymity/anonymity_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(twp_anonymity_find_identifiers);

/* Values looked at, and how many make a statement about uniqueness. */
#define SAMPLE_ROWS 1000
#define ENOUGH_ROWS 20

typedef struct Sample
{
	ArrayType  *texts;			/* values of the column that are not NULL */
	bool		almost_unique;
} Sample;

/* Reads some values of a column, as the caller. */
static void
read_sample(Oid relid, const char *column, MemoryContext context, Sample *sample)
{
	char	   *name = (char *) quote_identifier(column);
	bool		isnull;
	Datum		value;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(psprintf("SELECT pg_catalog.array_agg(s.v), "
							 "pg_catalog.count(s.v), pg_catalog.count(DISTINCT s.v) FROM "
							 "(SELECT pg_catalog.\"left\"(CAST(t.%s AS pg_catalog.text), 200) AS v FROM %s AS t "
							 "WHERE t.%s IS NOT NULL LIMIT %d) AS s", name,
							 twp_catalog_qualified_name(relid), name, SAMPLE_ROWS),
					false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "reading the table failed");
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int64		rows;
		int64		distinct;

		sample->texts = DatumGetArrayTypePCopy(value);
		MemoryContextSwitchTo(old);
		rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
		distinct = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
		sample->almost_unique = rows >= ENOUGH_ROWS && distinct * 20 >= rows * 19;
	}
	SPI_finish();
}

/* Asks the hints about a column; false when none fits. */
static bool
match_hint(const char *column, Oid type, const Sample *sample, MemoryContext context, char **kind, char **mask,
		   char **reason)
{
	Oid			types[3] = {NAMEOID, TEXTOID, TEXTARRAYOID};
	Datum		values[3];
	NameData	name;
	bool		found = false;

	namestrcpy(&name, column);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(format_type_be(type));
	values[2] = PointerGetDatum(sample->texts != NULL ? sample->texts : construct_empty_array(TEXTOID));
	twp_sql_connect();
	(void) twp_sql_exec("SELECT (h).kind, (h).mask, (h).reason "
						"FROM twin_privacy_internal.match_hint($1, $2, $3) AS h WHERE (h).kind IS NOT NULL",
						3, types, values, NULL);
	if (SPI_processed > 0)
	{
		found = true;
		*kind = MemoryContextStrdup(context, twp_sql_text(0, 1));
		*mask = MemoryContextStrdup(context, twp_sql_text(0, 2));
		*reason = MemoryContextStrdup(context, twp_sql_text(0, 3));
	}
	twp_sql_finish();
	return found;
}

/* The mask suggested, or null where it does not fit the column's type. */
static char *
fitting_mask(char *mask, Oid type, int32 typmod)
{
	TwpMask		parsed = {.kind = TWP_MASK_NULL};
	static const struct
	{
		const char *name;
		TwpMaskKind kind;
	}			masks[] = {
		{"redact", TWP_MASK_REDACT}, {"pseudonym", TWP_MASK_PSEUDONYM}, {"year", TWP_MASK_YEAR},
		{"month", TWP_MASK_MONTH}, {"zip3", TWP_MASK_ZIP3}, {"band:5", TWP_MASK_BAND},
	};

	for (int i = 0; i < lengthof(masks); i++)
		if (strcmp(mask, masks[i].name) == 0)
			parsed.kind = masks[i].kind;
	if (parsed.kind == TWP_MASK_BAND)
		parsed.step = pstrdup("5");
	return twp_protect_mask_fits(&parsed, getBaseType(type), typmod) ? mask : pstrdup("null");
}

/* Judges one column; false when nothing is suspicious. */
static bool
judge_column(Oid relid, AttrNumber attno, bool look_at_values, Datum *result)
{
	const char *column = get_attname(relid, attno, false);
	MemoryContext context = CurrentMemoryContext;
	Sample		sample = {NULL, false};
	char	   *kind = NULL;
	char	   *mask = NULL;
	char	   *reason = NULL;
	Oid			type;
	int32		typmod;
	Oid			collation;
	char		category;
	bool		preferred;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	get_type_category_preferred(getBaseType(type), &category, &preferred);
	if (look_at_values)
		read_sample(relid, column, context, &sample);
	/* a date prints like a telephone number: only texts are judged by their looks */
	if (category != TYPCATEGORY_STRING)
		sample.texts = NULL;
	if (!match_hint(column, getBaseType(type), &sample, context, &kind, &mask, &reason))
	{
		/* measurements differ, too: only what could be a key is suspected for that */
		if (!sample.almost_unique || twp_subject_kind(type) == TWP_SUBJECT_INVALID)
			return false;
		kind = "identifier";
		mask = "pseudonym";
		reason = "almost every row has a value of its own";
	}
	mask = fitting_mask(mask, type, typmod);
	result[0] = DirectFunctionCall1(namein, CStringGetDatum(column));
	result[1] = CStringGetTextDatum(kind);
	result[2] = CStringGetTextDatum(mask);
	result[3] = CStringGetTextDatum(psprintf("kind=%s, mask=%s", kind, mask));
	result[4] = CStringGetTextDatum(reason);
	return true;
}

/* find_identifiers(target regclass): one row a column that looks as if it identified somebody. */
Datum
twp_anonymity_find_identifiers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const TwpProtection *p;
	Relation	relation;
	Oid			relid;
	AttrNumber	natts;
	bool	   *skip;
	bool		protected;

	TWP_REQUIRE_ARG(0, "target");
	relid = PG_GETARG_OID(0);
	InitMaterializedSRF(fcinfo, 0);
	relation = relation_open(relid, AccessShareLock);
	natts = RelationGetNumberOfAttributes(relation);
	relation_close(relation, NoLock);
	skip = palloc0(Max(natts, 1) * sizeof(bool));
	p = twp_protect_lookup(relid);
	protected = p != NULL;
	for (AttrNumber attno = 1; p != NULL && attno <= Min(natts, p->natts); attno++)
		skip[attno - 1] = p->columns[attno - 1].labelled || attno == p->subject.start;
	for (AttrNumber attno = 1; attno <= natts; attno++)
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		CHECK_FOR_INTERRUPTS();
		if (skip[attno - 1] || !OidIsValid(get_atttype(relid, attno)))
			continue;
		if (judge_column(relid, attno, !protected, values))
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

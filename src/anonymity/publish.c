/*
 * publish.c - the table that is released: generalised text a quasi-identifier.
 *
 * A value that all rows of a class share is printed as it is; otherwise a
 * column with a hierarchy shows the lowest common label ("*" when there is
 * none), one with a place on the number line an interval "[low, high]", any
 * other the set of the class's values "{a, b}".  Only the quasi-identifiers
 * and the sensitive column are in the release: what nobody judged stays out.
 * Within a class the sensitive values are sorted, so that the order of the
 * rows tells nothing.
 *
 * The table is made by CREATE TABLE AS over the source, as the caller: rights,
 * row security and the use's permission to store results are PostgreSQL's and
 * enforce's to check.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "anonymity/anonymity_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#define BATCH 1000

typedef struct Writer
{
	Relation	relation;
	BulkInsertState bulk;
	CommandId	command;
	MemoryContext texts;		/* values of the rows in the slots */
	TupleTableSlot *slots[BATCH];
	int			filled;
} Writer;

/* Orders codes. */
static int
compare_codes(const void *a, const void *b)
{
	int32		left = *(const int32 *) a;
	int32		right = *(const int32 *) b;

	return left < right ? -1 : left > right;
}

/* Prints the set of a class's values. */
static void
print_set(StringInfo out, const TwpDataset *ds, int column, int64 from, int64 to)
{
	TwpAttribute *attribute = &ds->attributes[column];
	int32	   *codes = palloc((to - from) * sizeof(int32));

	for (int64 n = from; n < to; n++)
		codes[n - from] = TWP_ROW(ds, n)[column];
	qsort(codes, to - from, sizeof(int32), compare_codes);
	appendStringInfoChar(out, '{');
	for (int64 n = 0; n < to - from; n++)
		if (n == 0 || codes[n] != codes[n - 1])
			appendStringInfo(out, "%s%s", n > 0 ? ", " : "", twp_anonymity_text(attribute, codes[n]));
	appendStringInfoChar(out, '}');
	pfree(codes);
}

/* Finds the bounds of a class in one column. */
static void
find_bounds(const TwpDataset *ds, int column, int64 from, int64 to, int32 *low, int32 *high)
{
	*low = *high = TWP_ROW(ds, from)[column];
	for (int64 n = from + 1; n < to; n++)
	{
		int32		code = TWP_ROW(ds, n)[column];

		*low = Min(*low, code);
		*high = Max(*high, code);
	}
}

/* Prints an interval; whether a row is NULL is told apart from the values. */
static void
print_interval(StringInfo out, TwpAttribute *attribute, int32 low, int32 high)
{
	bool		null = low == attribute->null_code;

	if (null)
		low++;
	if (low == high)
		appendStringInfoString(out, twp_anonymity_text(attribute, low));
	else
		appendStringInfo(out, "[%s, %s]", twp_anonymity_text(attribute, low), twp_anonymity_text(attribute, high));
	if (null)
		appendStringInfoString(out, " or NULL");
}

/* Prints what a class shows in one column. */
static void
print_class(StringInfo out, const TwpDataset *ds, int column, int64 from, int64 to)
{
	TwpAttribute *attribute = &ds->attributes[column];
	int32		low;
	int32		high;

	find_bounds(ds, column, from, to, &low, &high);
	if (low == high)
		appendStringInfoString(out, twp_anonymity_text(attribute, low));
	else if (attribute->hierarchy != NULL)
	{
		int			level = twp_anonymity_common_level(attribute->hierarchy, low, high);

		appendStringInfoString(out, level < attribute->hierarchy->nlevels ?
							   attribute->hierarchy->labels[level][low] : "*");
	}
	else if (attribute->numbers != NULL)
		print_interval(out, attribute, low, high);
	else
		print_set(out, ds, column, from, to);
}

/* Prints the label that a recoded column shows; the rows hold label numbers. */
static void
print_label(StringInfo out, TwpAttribute *attribute, int level, int32 node)
{
	const TwpHierarchy *h = attribute->hierarchy;

	if (level == 0)
		appendStringInfoString(out, twp_anonymity_text(attribute, node));
	else if (h == NULL)
		appendStringInfoChar(out, '*');
	else
	{
		/* nodes are numbered in the order of their values */
		int			low = 0;
		int			high = h->nvalues - 1;

		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (h->nodes[level][middle] < node)
				low = middle + 1;
			else
				high = middle;
		}
		appendStringInfoString(out, h->labels[level][low]);
	}
}

/* Makes the empty table; gives its OID. */
static Oid
create_table(const TwpDataset *ds, Oid source, const char *target)
{
	RangeVar   *name = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(target)));
	Oid			namespace = RangeVarGetCreationNamespace(name);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s AS SELECT ",
					 quote_qualified_identifier(get_namespace_name(namespace), name->relname));
	for (int i = 0; i < ds->nquasi; i++)
	{
		const char *column = quote_identifier(ds->attributes[i].name);

		appendStringInfo(&sql, "%sCAST(t.%s AS pg_catalog.text) AS %s", i > 0 ? ", " : "", column, column);
	}
	if (ds->sensitive >= 0)
		appendStringInfo(&sql, ", t.%s", quote_identifier(ds->attributes[ds->sensitive].name));
	appendStringInfo(&sql, " FROM %s AS t LIMIT 0",
					 twp_catalog_qualified_name(source));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "creating the released table failed");
	SPI_finish();
	return get_relname_relid(name->relname, namespace);
}

/* Writes the rows in the slots. */
static void
flush_rows(Writer *writer)
{
	if (writer->filled > 0)
		table_multi_insert(writer->relation, writer->slots, writer->filled, writer->command,
						   TABLE_INSERT_SKIP_FSM, writer->bulk);
	for (int i = 0; i < writer->filled; i++)
		ExecClearTuple(writer->slots[i]);
	writer->filled = 0;
	MemoryContextReset(writer->texts);
}

/* Writes the rows of one class. */
static void
write_class(Writer *writer, const TwpDataset *ds, const int *levels, int64 from, int64 to)
{
	Datum	   *values = palloc(ds->nquasi * sizeof(Datum));
	int32	   *sensitive = NULL;
	StringInfoData text;

	initStringInfo(&text);
	if (ds->sensitive >= 0)
	{
		sensitive = palloc((to - from) * sizeof(int32));
		for (int64 n = from; n < to; n++)
			sensitive[n - from] = TWP_ROW(ds, n)[ds->sensitive];
		qsort(sensitive, to - from, sizeof(int32), compare_codes);
	}
	for (int64 n = from; n < to; n++)
	{
		TupleTableSlot *slot;

		if (writer->filled == BATCH)
			flush_rows(writer);
		/* a flush takes the texts of the class with it */
		if (n == from || writer->filled == 0)
			for (int i = 0; i < ds->nquasi; i++)
			{
				MemoryContext old;

				resetStringInfo(&text);
				if (levels != NULL)
					print_label(&text, &ds->attributes[i], levels[i], TWP_ROW(ds, from)[i]);
				else
					print_class(&text, ds, i, from, to);
				old = MemoryContextSwitchTo(writer->texts);
				values[i] = PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
				MemoryContextSwitchTo(old);
			}
		slot = writer->slots[writer->filled++];
		memcpy(slot->tts_values, values, ds->nquasi * sizeof(Datum));
		memset(slot->tts_isnull, 0, ds->nquasi * sizeof(bool));
		if (sensitive != NULL)
		{
			const TwpAttribute *attribute = &ds->attributes[ds->sensitive];

			slot->tts_isnull[ds->nquasi] = sensitive[n - from] == attribute->null_code;
			slot->tts_values[ds->nquasi] = attribute->values[sensitive[n - from]];
		}
		ExecStoreVirtualTuple(slot);
	}
}

/* Makes the table and writes all classes; gives the rows written. */
int64
twp_anonymity_publish(TwpDataset *ds, const TwpClasses *classes, const int *levels, Oid source,
					  const char *target)
{
	Writer	   *writer = palloc0(sizeof(Writer));
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy class",
												  ALLOCSET_DEFAULT_SIZES);

	writer->relation = table_open(create_table(ds, source, target), RowExclusiveLock);
	writer->command = GetCurrentCommandId(true);
	writer->bulk = GetBulkInsertState();
	writer->texts = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy rows", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < BATCH; i++)
		writer->slots[i] = table_slot_create(writer->relation, NULL);
	for (int64 n = 0; n < classes->n; n++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		write_class(writer, ds, levels, classes->starts[n], classes->starts[n + 1]);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	flush_rows(writer);
	for (int i = 0; i < BATCH; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	FreeBulkInsertState(writer->bulk);
	table_finish_bulk_insert(writer->relation, TABLE_INSERT_SKIP_FSM);
	table_close(writer->relation, NoLock);
	CommandCounterIncrement();
	return ds->nrows;
}

/* Penalty of one class in one column, 0 (the value itself) to 1 (nothing). */
static double
column_penalty(const TwpDataset *ds, int column, int level, int64 from, int64 to)
{
	const TwpAttribute *attribute = &ds->attributes[column];
	const TwpHierarchy *h = attribute->hierarchy;
	int			last = attribute->nvalues - 1;
	int32		low;
	int32		high;
	int			leaves;

	if (level >= 0)
	{
		if (level == 0)
			return 0;
		leaves = h == NULL ? attribute->nvalues : h->leaves[level][TWP_ROW(ds, from)[column]];
		return leaves > 1 ? (double) leaves / attribute->nvalues : 0;
	}
	find_bounds(ds, column, from, to, &low, &high);
	if (low == high)
		return 0;
	if (h != NULL)
	{
		level = twp_anonymity_common_level(h, low, high);
		return level < h->nlevels ? (double) h->leaves[level][h->nodes[level][low]] / attribute->nvalues : 1;
	}
	if (attribute->numbers != NULL && attribute->numbers[last] > attribute->numbers[0])
		return (attribute->numbers[high] - attribute->numbers[low]) / (attribute->numbers[last] - attribute->numbers[0]);
	return (double) (high - low) / last;
}

/* The penalty of a release; what is suppressed is added by the caller, who knows how much. */
double
twp_anonymity_penalty(TwpDataset *ds, const TwpClasses *classes, const int *levels)
{
	double		sum = 0;

	for (int64 n = 0; n < classes->n; n++)
		for (int i = 0; i < ds->nquasi; i++)
			sum += column_penalty(ds, i, levels == NULL ? -1 : levels[i], classes->starts[n], classes->starts[n + 1]) *
				(double) (classes->starts[n + 1] - classes->starts[n]);
	return ds->nrows > 0 ? sum / ds->nquasi / (double) ds->nrows : 0;
}

/*
 * hierarchy.c - how a column's values generalise, kept as an ordinary table.
 *
 * A hierarchy table has one row a value: its first column is the value as the
 * column's type prints it, the next ones are its ever more general labels.
 * This is the form of ARX's CSV files, which import_hierarchy() reads.
 *
 * Failure: 22023 when a value has no row, or two values share a label and
 * part again further up (such a thing is no tree).
 */
#include "postgres.h"

#include "anonymity/anonymity_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(twp_anonymity_import_hierarchy);

#define MAX_LEVELS 32

typedef struct TextCode
{
	const char *text;
	int			code;
} TextCode;

typedef struct TreeOrder
{
	int			nlevels;
	int32	  **ranks;			/* [level][code]: least code with the same label */
} TreeOrder;

/* Orders texts. */
static int
compare_texts(const void *a, const void *b)
{
	return strcmp(((const TextCode *) a)->text, ((const TextCode *) b)->text);
}

/* Orders codes by their labels from the root down, then by value. */
static int
compare_places(const void *a, const void *b, void *arg)
{
	const TreeOrder *order = arg;
	int			left = *(const int32 *) a;
	int			right = *(const int32 *) b;

	for (int level = order->nlevels - 1; level > 0; level--)
		if (order->ranks[level][left] != order->ranks[level][right])
			return order->ranks[level][left] < order->ranks[level][right] ? -1 : 1;
	return left < right ? -1 : left > right;
}

/* Reads the labels of all values: labels[level][code], in natural code order. */
static char ***
read_labels(TwpAttribute *attribute, Oid table, int *nlevels)
{
	TextCode   *known = palloc(Max(attribute->nvalues, 1) * sizeof(TextCode));
	char	 ***labels;
	int			missing = 0;
	MemoryContext context = CurrentMemoryContext;

	for (int code = 0; code < attribute->nvalues; code++)
		known[code] = (TextCode)
	{
		twp_anonymity_text(attribute, code), code
	};
	qsort(known, attribute->nvalues, sizeof(TextCode), compare_texts);
	if (SPI_execute(psprintf("SELECT * FROM %s",
							 twp_catalog_qualified_name(table)), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "reading the hierarchy failed");
	/* SPI leaves us in its own context */
	MemoryContextSwitchTo(context);
	*nlevels = SPI_tuptable->tupdesc->natts;
	if (*nlevels < 1 || *nlevels > MAX_LEVELS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hierarchy table \"%s\" has %d columns", get_rel_name(table), *nlevels),
				 errhint("A hierarchy has the value and its labels, 1 to %d columns.", MAX_LEVELS)));
	labels = palloc(*nlevels * sizeof(char **));
	for (int level = 0; level < *nlevels; level++)
		labels[level] = palloc0(Max(attribute->nvalues, 1) * sizeof(char *));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		TextCode	key = {SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1), 0};
		TextCode   *found;

		if (key.text == NULL)
			continue;
		found = bsearch(&key, known, attribute->nvalues, sizeof(TextCode), compare_texts);
		for (int level = 0; found != NULL && level < *nlevels; level++)
		{
			char	   *label = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, level + 1);

			labels[level][found->code] = label == NULL ? pstrdup("*") : label;
		}
	}
	for (int code = 0; code < attribute->nvalues; code++)
	{
		if (labels[0][code] != NULL)
			continue;
		/* a NULL that has no row of its own generalises at once */
		if (code != attribute->null_code)
			missing++;
		else
			for (int level = 0; level < *nlevels; level++)
				labels[level][code] = pstrdup(level == 0 ? "NULL" : "*");
	}
	if (missing > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hierarchy table \"%s\" lacks %d values of column \"%s\"", get_rel_name(table), missing,
						attribute->name),
				 errhint("Its first column must hold every value of the column, as text.")));
	return labels;
}

/* Finds, for one level, the least code with the same label. */
static int32 *
rank_level(char **labels, int nvalues)
{
	TextCode   *sorted = palloc(Max(nvalues, 1) * sizeof(TextCode));
	int32	   *ranks = palloc(Max(nvalues, 1) * sizeof(int32));

	for (int code = 0; code < nvalues; code++)
		sorted[code] = (TextCode)
	{
		labels[code], code
	};
	qsort(sorted, nvalues, sizeof(TextCode), compare_texts);
	for (int from = 0, to; from < nvalues; from = to)
	{
		int32		least = sorted[from].code;

		for (to = from; to < nvalues && strcmp(sorted[to].text, sorted[from].text) == 0; to++)
			least = Min(least, sorted[to].code);
		for (int i = from; i < to; i++)
			ranks[sorted[i].code] = least;
	}
	return ranks;
}

/* Numbers the labels of one level, whose values are now in the tree's order. */
static void
number_level(TwpHierarchy *h, int level, const char *column)
{
	int32	   *nodes = h->nodes[level];
	int			n = 0;

	for (int code = 0; code < h->nvalues; code++)
	{
		bool		same = code > 0 && strcmp(h->labels[level][code], h->labels[level][code - 1]) == 0;

		if (level > 0 && code > 0 && h->nodes[level - 1][code] == h->nodes[level - 1][code - 1] && !same)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("hierarchy of column \"%s\" is not a tree at level %d", column, level),
					 errhint("Values with one label must have one label at every higher level.")));
		nodes[code] = same ? n - 1 : n++;
	}
	h->nnodes[level] = n;
	h->leaves[level] = palloc0(Max(n, 1) * sizeof(int32));
	for (int code = 0; code < h->nvalues; code++)
		h->leaves[level][nodes[code]]++;
}

/* Loads a hierarchy for a column whose codes are in natural order. */
TwpHierarchy *
twp_anonymity_load_hierarchy(TwpAttribute *attribute, Oid table, int32 *map)
{
	TwpHierarchy *h = palloc0(sizeof(TwpHierarchy));
	int32	   *order = palloc(Max(attribute->nvalues, 1) * sizeof(int32));
	TreeOrder	tree;
	char	 ***labels = read_labels(attribute, table, &h->nlevels);

	h->nvalues = attribute->nvalues;
	tree.nlevels = h->nlevels;
	tree.ranks = palloc(h->nlevels * sizeof(int32 *));
	for (int level = 0; level < h->nlevels; level++)
		tree.ranks[level] = rank_level(labels[level], h->nvalues);
	for (int code = 0; code < h->nvalues; code++)
		order[code] = code;
	qsort_arg(order, h->nvalues, sizeof(int32), compare_places, &tree);
	for (int place = 0; place < h->nvalues; place++)
		map[order[place]] = place;

	h->labels = palloc(h->nlevels * sizeof(char **));
	h->nodes = palloc(h->nlevels * sizeof(int32 *));
	h->nnodes = palloc0(h->nlevels * sizeof(int));
	h->leaves = palloc(h->nlevels * sizeof(int32 *));
	for (int level = 0; level < h->nlevels; level++)
	{
		h->labels[level] = palloc(Max(h->nvalues, 1) * sizeof(char *));
		h->nodes[level] = palloc(Max(h->nvalues, 1) * sizeof(int32));
		for (int place = 0; place < h->nvalues; place++)
			h->labels[level][place] = labels[level][order[place]];
		number_level(h, level, attribute->name);
	}
	return h;
}

/* The lowest level at which two codes have one label. */
int
twp_anonymity_common_level(const TwpHierarchy *hierarchy, int a, int b)
{
	int			level = 0;

	while (level < hierarchy->nlevels && hierarchy->nodes[level][a] != hierarchy->nodes[level][b])
		level++;
	return level;
}

/* Splits CSV text into one row's fields; *at moves behind the row.  Quotes are doubled as in RFC 4180. */
static List *
next_row(const char **at, char delimiter)
{
	List	   *fields = NIL;
	StringInfoData field;
	bool		quoted = false;
	const char *p = *at;

	initStringInfo(&field);
	for (;; p++)
	{
		if (quoted && *p == '"' && p[1] == '"')
			appendStringInfoChar(&field, *p++);
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '\0' || (!quoted && (*p == delimiter || *p == '\n')))
		{
			fields = lappend(fields, pstrdup(field.data));
			resetStringInfo(&field);
			if (*p != delimiter)
				break;
		}
		else if (*p != '\r' || quoted)
			appendStringInfoChar(&field, *p);
	}
	if (quoted)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("a quoted field of the hierarchy is not closed"),
				 errhint("Double a quote that is part of a label.")));
	*at = *p == '\0' ? p : p + 1;
	return fields;
}

/* Makes the table of a hierarchy: level0 is its key. */
static void
create_table(const char *target, int nlevels)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (level0 pg_catalog.text PRIMARY KEY", target);
	for (int level = 1; level < nlevels; level++)
		appendStringInfo(&sql, ", level%d pg_catalog.text NOT NULL", level);
	appendStringInfoChar(&sql, ')');
	if (SPI_execute(sql.data, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "creating the hierarchy failed");
}

/* Inserts one row; its values are bound, never pasted. */
static void
insert_row(const char *target, List *fields)
{
	StringInfoData sql;
	Oid			types[MAX_LEVELS];
	Datum		values[MAX_LEVELS];
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s VALUES (", target);
	foreach(lc, fields)
	{
		int			n = foreach_current_index(lc);

		appendStringInfo(&sql, "%s$%d", n > 0 ? ", " : "", n + 1);
		types[n] = TEXTOID;
		values[n] = CStringGetTextDatum(lfirst(lc));
	}
	appendStringInfoChar(&sql, ')');
	if (SPI_execute_with_args(sql.data, list_length(fields), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "filling the hierarchy failed");
}

/* import_hierarchy(target text, csv text, delimiter text): makes a hierarchy table, gives its rows. */
Datum
twp_anonymity_import_hierarchy(PG_FUNCTION_ARGS)
{
	const char *at;
	char	   *delimiter;
	char	   *target;
	RangeVar   *name;
	int			nlevels = 0;
	int64		rows = 0;

	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(1, "csv");
	TWP_REQUIRE_ARG(2, "delimiter");
	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	target = (char *) quote_qualified_identifier(name->schemaname, name->relname);
	at = text_to_cstring(PG_GETARG_TEXT_PP(1));
	delimiter = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (strlen(delimiter) != 1 || *delimiter == '"' || *delimiter == '\n' || *delimiter == '\r')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delimiter must be a single character"),
				 errhint("ARX writes ';'.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	while (*at != '\0')
	{
		List	   *fields = next_row(&at, *delimiter);

		CHECK_FOR_INTERRUPTS();
		if (list_length(fields) == 1 && *(char *) linitial(fields) == '\0')
			continue;
		if (rows++ == 0)
		{
			nlevels = list_length(fields);
			if (nlevels > MAX_LEVELS)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the hierarchy has %d levels", nlevels),
						 errhint("At most %d levels are supported.", MAX_LEVELS)));
			create_table(target, nlevels);
		}
		if (list_length(fields) != nlevels)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("row " INT64_FORMAT " of the hierarchy has %d fields, the first has %d", rows,
							list_length(fields), nlevels),
					 errhint("Give every value a label at every level.")));
		insert_row(target, fields);
	}
	if (rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the hierarchy is empty"),
				 errhint("Give one row a value: the value and its labels.")));
	SPI_finish();
	PG_RETURN_INT64(rows);
}

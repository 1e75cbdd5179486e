/*
 * values.c - the distinct values of a column: their order, text and number.
 *
 * The order is what generalisation goes by: that of the type for what has a
 * place on the number line, the tree's for a column with a hierarchy, and
 * frequency for the others.
 */
#include "postgres.h"

#include "anonymity/anonymity_internal.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include <math.h>

typedef struct SortKey
{
	TwpAttribute *attribute;
	TypeCacheEntry *type;
} SortKey;

/* Compares two codes by their values: NULL first, then the type's order, or the text. */
static int
compare_codes(const void *a, const void *b, void *arg)
{
	SortKey    *key = arg;
	TwpAttribute *attribute = key->attribute;
	int			left = *(const int32 *) a;
	int			right = *(const int32 *) b;

	if (left == attribute->null_code || right == attribute->null_code)
		return (right == attribute->null_code) - (left == attribute->null_code);
	if (OidIsValid(key->type->cmp_proc_finfo.fn_oid))
	{
		int			order = DatumGetInt32(FunctionCall2Coll(&key->type->cmp_proc_finfo, attribute->collation,
															attribute->values[left], attribute->values[right]));

		if (order != 0)
			return order;
	}
	return strcmp(twp_anonymity_text(attribute, left), twp_anonymity_text(attribute, right));
}

/* Prints all values of a column that have not been printed yet. */
static void
print_values(TwpAttribute *attribute)
{
	Oid			output;
	bool		is_varlena;
	FmgrInfo	finfo;

	getTypeOutputInfo(attribute->type, &output, &is_varlena);
	fmgr_info(output, &finfo);
	attribute->texts = palloc(Max(attribute->nvalues, 1) * sizeof(char *));
	for (int code = 0; code < attribute->nvalues; code++)
		attribute->texts[code] = code == attribute->null_code ? pstrdup("NULL") :
			OutputFunctionCall(&finfo, attribute->values[code]);
}

/* Text of a code; the values are printed at the first question. */
const char *
twp_anonymity_text(TwpAttribute *attribute, int code)
{
	if (attribute->texts == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(attribute->values));

		print_values(attribute);
		MemoryContextSwitchTo(old);
	}
	return attribute->texts[code];
}

/* The place of a value on the number line, for types that have one. */
static bool
value_number(Oid type, Datum value, double *number)
{
	switch (type)
	{
		case INT2OID:
			*number = DatumGetInt16(value);
			return true;
		case INT4OID:
			*number = DatumGetInt32(value);
			return true;
		case DATEOID:
			*number = DatumGetDateADT(value);
			return true;
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case TIMEOID:
			*number = (double) DatumGetInt64(value);
			return true;
		case FLOAT4OID:
			*number = DatumGetFloat4(value);
			return true;
		case FLOAT8OID:
			*number = DatumGetFloat8(value);
			return true;
		case NUMERICOID:
			*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
			return true;
		default:
			return false;
	}
}

/* Fills the numbers of a column whose codes are in order; not finite ones count as their neighbour. */
static void
number_values(TwpAttribute *attribute)
{
	double	   *numbers;
	double		number = 0;
	double		last = 0;
	bool		started = false;

	if (attribute->nvalues == 0 || attribute->hierarchy != NULL)
		return;
	numbers = palloc(attribute->nvalues * sizeof(double));
	for (int code = 0; code < attribute->nvalues; code++)
	{
		if (code != attribute->null_code)
		{
			if (!value_number(attribute->type, attribute->values[code], &number))
				return;
			if (!isinf(number) && !isnan(number))
			{
				for (int before = 0; !started && before < code; before++)
					numbers[before] = number;
				last = number;
				started = true;
			}
		}
		numbers[code] = last;
	}
	attribute->numbers = numbers;
}

/* Reorders a column's values so that new code map[c] stands for what c stood for. */
static void
reorder_values(TwpAttribute *attribute, const int32 *map)
{
	Datum	   *values = palloc(Max(attribute->nvalues, 1) * sizeof(Datum));
	char	  **texts = attribute->texts == NULL ? NULL : palloc(Max(attribute->nvalues, 1) * sizeof(char *));

	for (int code = 0; code < attribute->nvalues; code++)
	{
		values[map[code]] = attribute->values[code];
		if (texts != NULL)
			texts[map[code]] = attribute->texts[code];
	}
	attribute->values = values;
	attribute->texts = texts;
	if (attribute->null_code >= 0)
		attribute->null_code = map[attribute->null_code];
}

/* Orders places by how often their value occurs, then as they are. */
static int
compare_frequencies(const void *a, const void *b, void *arg)
{
	const int64 *frequencies = arg;
	int32		left = *(const int32 *) a;
	int32		right = *(const int32 *) b;

	if (frequencies[left] != frequencies[right])
		return frequencies[left] > frequencies[right] ? -1 : 1;
	return left < right ? -1 : left > right;
}

/*
 * Orders a column that has neither a number line nor a hierarchy by frequency:
 * its order means nothing, and then rare values end up in few classes.
 */
static void
order_by_frequency(const TwpDataset *ds, int column, int32 *map)
{
	TwpAttribute *attribute = &ds->attributes[column];
	int64	   *frequencies = palloc0(Max(attribute->nvalues, 1) * sizeof(int64));
	int32	   *order = palloc(Max(attribute->nvalues, 1) * sizeof(int32));
	int32	   *places = palloc(Max(attribute->nvalues, 1) * sizeof(int32));

	for (int64 n = 0; n < ds->nrows; n++)
		frequencies[map[TWP_ROW(ds, n)[column]]]++;
	for (int code = 0; code < attribute->nvalues; code++)
		order[code] = code;
	qsort_arg(order, attribute->nvalues, sizeof(int32), compare_frequencies, frequencies);
	for (int place = 0; place < attribute->nvalues; place++)
		places[order[place]] = place;
	reorder_values(attribute, places);
	for (int code = 0; code < attribute->nvalues; code++)
		map[code] = places[map[code]];
}

/* Puts a column's values in order; map gives each provisional code its place. */
void
twp_anonymity_order_values(TwpDataset *ds, int column, Oid hierarchy, int32 *map)
{
	TwpAttribute *attribute = &ds->attributes[column];
	SortKey		key = {attribute, lookup_type_cache(attribute->type, TYPECACHE_CMP_PROC_FINFO)};
	int32	   *order = palloc(Max(attribute->nvalues, 1) * sizeof(int32));

	for (int code = 0; code < attribute->nvalues; code++)
		order[code] = code;
	qsort_arg(order, attribute->nvalues, sizeof(int32), compare_codes, &key);
	for (int place = 0; place < attribute->nvalues; place++)
		map[order[place]] = place;
	reorder_values(attribute, map);
	if (OidIsValid(hierarchy))
	{
		int32	   *tree = palloc(Max(attribute->nvalues, 1) * sizeof(int32));

		attribute->hierarchy = twp_anonymity_load_hierarchy(attribute, hierarchy, tree);
		reorder_values(attribute, tree);
		for (int code = 0; code < attribute->nvalues; code++)
			map[code] = tree[map[code]];
	}
	number_values(attribute);
	if (column < ds->nquasi && attribute->numbers == NULL && attribute->hierarchy == NULL)
		order_by_frequency(ds, column, map);
}

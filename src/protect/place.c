/*
 * place.c - columns that a row's place tells of.
 *
 * In which partition a row lies says something of its partition key.  Who may
 * not see that column must not learn it from the partition, either.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "optimizer/optimizer.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Numbers (offset FirstLowInvalidHeapAttributeNumber) of the columns a relation is partitioned by. */
static Bitmapset *
key_columns(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	Form_pg_partitioned_table form;
	Bitmapset  *columns = NULL;
	Datum		expressions;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	for (int i = 0; i < form->partnatts; i++)
		if (form->partattrs.values[i] != 0)
			columns = bms_add_member(columns, form->partattrs.values[i] - FirstLowInvalidHeapAttributeNumber);
	expressions = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &isnull);
	if (!isnull)
		pull_varattnos(stringToNode(TextDatumGetCString(expressions)), 1, &columns);
	ReleaseSysCache(tuple);
	return columns;
}

/* Adds the columns that one relation is partitioned by, as the asked relation numbers them. */
static Bitmapset *
add_places(Bitmapset *places, Oid relid, Oid partitioned)
{
	Bitmapset  *keys = key_columns(partitioned);
	int			member = -1;

	while ((member = bms_next_member(keys, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;
		char	   *name = attno > 0 ? get_attname(partitioned, attno, true) : NULL;
		AttrNumber	mine = name != NULL ? get_attnum(relid, name) : InvalidAttrNumber;

		if (mine > 0)
			places = bms_add_member(places, mine);
	}
	bms_free(keys);
	return places;
}

/* Columns of which it tells in which of the tables above or below it a row lies; NULL: none. */
Bitmapset *
twp_protect_place_columns(Oid relid)
{
	List	   *partitioned = NIL;
	Bitmapset  *places = NULL;
	ListCell   *lc;

	if (get_rel_relispartition(relid))
		partitioned = get_partition_ancestors(relid);
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		partitioned = list_concat(partitioned, find_all_inheritors(relid, NoLock, NULL));
	foreach(lc, partitioned)
		places = add_places(places, relid, lfirst_oid(lc));
	return places;
}

/* True when some use may not show a column of a row it shows. */
bool
twp_protect_may_be_hidden(const TwpProtection *p, AttrNumber attno)
{
	const TwpColumn *column = &p->columns[attno - 1];

	return !column->labelled || column->category != p->category || column->sources != 0 ||
		column->kind == TWP_KIND_IDENTIFIER || column->kind == TWP_KIND_QUASI;
}

/* True when such a column is among those a row's partition tells of. */
bool
twp_protect_place_may_be_hidden(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	Bitmapset  *places = p != NULL ? twp_protect_place_columns(relid) : NULL;
	int			attno = 0;

	while ((attno = bms_next_member(places, attno)) > 0)
		if (twp_protect_may_be_hidden(p, attno))
			return true;
	return false;
}

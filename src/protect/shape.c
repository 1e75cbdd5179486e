/*
 * shape.c - what the catalogs say of tables, without a lock on them.
 *
 * Questions about all protected tables are asked while a command holds locks
 * of its own; a lock on each of them could wait for the others' commands, or
 * in a circle with them.  So what is asked about may be dropped meanwhile:
 * nothing here fails then, and the invalidation that tells of it makes the
 * answer be asked for again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Appends the direct children of a relation that are not listed yet. */
static List *
append_children(List *list, Relation inherits, Oid relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhparent, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsParentIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		list = list_append_unique_oid(list, ((Form_pg_inherits) GETSTRUCT(tuple))->inhrelid);
	systable_endscan(scan);
	return list;
}

/* Lists a relation and all below it, partitions whose detachment is pending included. */
List *
twp_protect_with_descendants(Oid relid)
{
	List	   *all = list_make1_oid(relid);
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);

	for (int i = 0; i < list_length(all); i++)
		all = append_children(all, inherits, list_nth_oid(all, i));
	table_close(inherits, AccessShareLock);
	return all;
}

/* The type below all domains, and its modifier; InvalidOid when it is gone. */
Oid
twp_protect_base_type(Oid type, int32 *typmod)
{
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type))))
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);
		bool		is_domain = form->typtype == TYPTYPE_DOMAIN;

		if (is_domain)
		{
			type = form->typbasetype;
			*typmod = form->typtypmod;
		}
		ReleaseSysCache(tuple);
		if (!is_domain)
			return type;
	}
	return InvalidOid;
}

/* The base type of a column; InvalidOid when either is gone. */
Oid
twp_protect_column_type(Oid relid, AttrNumber attno)
{
	int32		typmod = -1;

	return twp_protect_base_type(get_atttype(relid, attno), &typmod);
}

/* The attributes that a generated column, or else its default, is computed from, shifted as in pull_varattnos. */
Bitmapset *
twp_protect_computed_from(Oid relid, AttrNumber attno)
{
	Bitmapset  *used = NULL;
	Relation	defaults;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	defaults = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attno));
	scan = systable_beginscan(defaults, AttrDefaultIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		expression = heap_getattr(tuple, Anum_pg_attrdef_adbin, RelationGetDescr(defaults), &isnull);

		if (!isnull)
			pull_varattnos(stringToNode(TextDatumGetCString(expression)), 1, &used);
	}
	systable_endscan(scan);
	table_close(defaults, AccessShareLock);
	return used;
}

/*
 * Lets a generated column inherit the categories of what it is computed from:
 * it is no more open than any of it.
 */
void
twp_protect_resolve_generated(TwpProtection *p, const Bitmapset *generated)
{
	int			column = 0;

	while ((column = bms_next_member(generated, column)) > 0)
	{
		Bitmapset  *used = twp_protect_computed_from(p->relid, column);
		int			member = -1;

		while ((member = bms_next_member(used, member)) >= 0)
		{
			AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

			if (attno > 0 && attno <= p->natts && p->columns[attno - 1].category >= 0)
				p->columns[column - 1].sources |= TWP_CATEGORY_BIT(p->columns[attno - 1].category);
		}
	}
}

/*
 * computed.c - what generated columns are computed from.
 *
 * Read from the catalogs alone: questions about all protected tables are asked
 * while a command holds locks of its own, and a lock on each of them could
 * wait for the others' commands, or in a circle with them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The attributes a generated column is computed from, shifted as in pull_varattnos; NULL for others. */
Bitmapset *
twp_protect_computed_from(Oid relid, AttrNumber attno)
{
	Bitmapset  *used = NULL;
	Relation	defaults;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	if (attno <= 0 || get_attgenerated(relid, attno) == '\0')
		return NULL;
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
twp_protect_resolve_generated(TwpProtection *p)
{
	for (AttrNumber column = 1; column <= p->natts; column++)
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

/*
 * statistics.c - what the planner's statistics tell of protected tables.
 *
 * pg_statistic and pg_statistic_ext_data hold values.  Row security hides
 * them from most roles through pg_stats; this hides them from every role that
 * reads the catalogs by SQL.  The planner itself does not read them by SQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/guc.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_statistic_ext_data.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(twp_enforce_statistics_visible);

/* The table a row of the catalog tells of. */
static Oid
table_of(Oid catalog, Oid object)
{
	HeapTuple	tuple;
	Oid			relid;

	if (catalog == StatisticRelationId)
	{
		char		relkind = get_rel_relkind(object);

		/* of an index's expressions */
		return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX ?
			IndexGetRelation(object, true) : object;
	}
	tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(object));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	relid = ((Form_pg_statistic_ext) GETSTRUCT(tuple))->stxrelid;
	ReleaseSysCache(tuple);
	return relid;
}

/* statistics_visible(catalog, object): may this row of a statistics catalog be seen? */
Datum
twp_enforce_statistics_visible(PG_FUNCTION_ARGS)
{
	Oid			relid;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	relid = table_of(PG_GETARG_OID(0), PG_GETARG_OID(1));
	/* our own tables name data subjects, too */
	PG_RETURN_BOOL(!twp_protect_is_protected(relid) &&
				   (relid < FirstNormalObjectId || !twp_catalog_is_ours(relid)));
}

/* Adds the filter to a read of a statistics catalog. */
void
twp_enforce_filter_statistics(RangeTblEntry *rte, int rti)
{
	AttrNumber	attno;

	if (rte->relid == StatisticRelationId)
		attno = Anum_pg_statistic_starelid;
	else if (rte->relid == StatisticExtDataRelationId)
		attno = Anum_pg_statistic_ext_data_stxoid;
	else
		return;
	if (twp_in_maintenance() || !twp_catalog_installed())
		return;
	rte->securityQuals = lcons(makeFuncExpr(twp_enforce_function_oid(TWP_FN_STATISTICS), BOOLOID,
											list_make2(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
																 ObjectIdGetDatum(rte->relid), false, true),
													   makeVar(rti, attno, OIDOID, -1, InvalidOid, 0)),
											InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
							   rte->securityQuals);
}

/*
 * path.c - following a subject (or label) path from a row to its end.
 *
 * Reads the path's tables raw, by unique index, under the statement's own
 * snapshot: the tables on the way may be protected themselves and the caller
 * need not be able to read them; only the value at the end is used, and only
 * to decide.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(twp_enforce_subject_key);

/* Looks one value up in a unique column of another table; false when no row has the key. */
static bool
follow_hop(const TwpHop *hop, Datum key, Datum *value, bool *isnull)
{
	Relation	rel = table_open(hop->relid, AccessShareLock);
	Relation	index = index_open(hop->index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData scankey;
	Oid			eq = get_opcode(get_opfamily_member(index->rd_opfamily[0], index->rd_opcintype[0],
													index->rd_opcintype[0], BTEqualStrategyNumber));
	bool		found;

	ScanKeyEntryInitialize(&scankey, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], eq, key);
	scan = twp_compat_index_beginscan(rel, index, GetActiveSnapshot(), 1);
	index_rescan(scan, &scankey, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		*value = slot_getattr(slot, hop->value_attno, isnull);
		if (!*isnull)
		{
			int16		len;
			bool		byval;

			get_typlenbyval(hop->value_type, &len, &byval);
			*value = datumCopy(*value, byval, len);
		}
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Follows a path from a row's start value to the value at its end, which may
 * be NULL; false when the path breaks off before.
 */
bool
twp_enforce_follow_path(const TwpPath *path, Datum start, Datum *value, bool *isnull)
{
	*value = start;
	*isnull = false;
	for (int i = 0; i < path->nhops; i++)
		if (*isnull || !follow_hop(&path->hops[i], *value, value, isnull))
			return false;
	return true;
}

/* A protection kept for the calls of one function node. */
typedef struct SubjectKey
{
	Oid			relid;
	uint64		generation;
	TwpProtection *protection;
} SubjectKey;

/* subject_key(relation oid, start): canonical text of the subject that a row's path leads to, or NULL. */
Datum
twp_enforce_subject_key(PG_FUNCTION_ARGS)
{
	SubjectKey *kept = fcinfo->flinfo->fn_extra;
	Oid			relid = PG_GETARG_OID(0);
	TwpSubject	subject;
	Datum		value;
	bool		isnull;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (kept == NULL || kept->relid != relid || kept->generation != twp_protect_generation())
	{
		const TwpProtection *p = twp_protect_lookup(relid);

		if (p == NULL || p->broken != NULL)
			elog(ERROR, "relation %u is not protected", relid);
		kept = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(SubjectKey));
		kept->relid = relid;
		kept->protection = twp_protect_copy(p, fcinfo->flinfo->fn_mcxt);
		kept->generation = twp_protect_generation();
		fcinfo->flinfo->fn_extra = kept;
	}
	if (!twp_enforce_follow_path(&kept->protection->subject, PG_GETARG_DATUM(1), &value, &isnull) || isnull)
		PG_RETURN_NULL();
	twp_subject_from_datum(&subject, kept->protection->subject.type, value);
	PG_RETURN_TEXT_P(cstring_to_text(twp_subject_to_text(&subject)));
}

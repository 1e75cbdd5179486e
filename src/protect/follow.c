/*
 * follow.c - what lies at the end of a path, and what a row's labels ask for.
 *
 * Reads the path's tables raw, by unique index, under the active snapshot: the
 * tables on the way may be protected themselves and the caller need not be
 * able to read them; only the value at the end is used, and only to decide.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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
twp_protect_follow_path(const TwpPath *path, Datum start, Datum *value, bool *isnull)
{
	*value = start;
	*isnull = false;
	for (int i = 0; i < path->nhops; i++)
		if (*isnull || !follow_hop(&path->hops[i], *value, value, isnull))
			return false;
	return true;
}

/* Adds what one label asks for; false when it is unknown. */
static bool
add_label(char *label, TwpCategorySet *needs, List **labels)
{
	TwpCategorySet required;

	if (!twp_vocab_label(label, &required))
		return false;
	*needs |= required;
	*labels = lappend(*labels, label);
	return true;
}

/* Adds what a text of labels asks for; commas and white space part them. */
static bool
add_label_text(Datum value, TwpCategorySet *needs, List **labels)
{
	char	   *rest = TextDatumGetCString(value);
	char	   *label;

	while ((label = strsep(&rest, ", \t\n")) != NULL)
		if (label[0] != '\0' && !add_label(label, needs, labels))
			return false;
	return true;
}

/* Adds what a row's label value asks for, and lists its labels; false for an unknown one. */
bool
twp_protect_read_labels(Oid type, Datum value, TwpCategorySet *needs, List **found)
{
	Datum	   *labels;
	bool	   *nulls;
	int			n;

	if (type != TEXTARRAYOID)
		return add_label_text(value, needs, found);
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &labels, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (nulls[i] || !add_label(TextDatumGetCString(labels[i]), needs, found))
			return false;
	return true;
}

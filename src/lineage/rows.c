/*
 * rows.c - raw rows of the tables that decide, as they are now.
 *
 * Read under a fresh snapshot, never the transaction's, and without regard to
 * who asks: only what they say about other rows is used.  A relation stands
 * for itself and all below it.
 *
 * Locks: AccessShare on each relation and index while it is read.  Memory: the
 * caller's; text keys point into the slot.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "lineage/lineage_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

/* Takes a fresh snapshot and makes it the active one, for paths. */
Snapshot
twp_lineage_begin(Oid relid)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));

	PushActiveSnapshot(snapshot);
	return snapshot;
}

/* Gives it back. */
void
twp_lineage_end(Snapshot snapshot)
{
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
}

/* Finds the column of a part that is the relation's column. */
AttrNumber
twp_lineage_column_of(Oid part, Oid relid, AttrNumber attno)
{
	return part == relid ? attno : get_attnum(part, get_attname(relid, attno, false));
}

/* Reads a column as a key. */
bool
twp_lineage_key_of(TupleTableSlot *slot, AttrNumber attno, Oid type, TwpSubject *key)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attno, &isnull);

	if (!isnull)
		twp_subject_from_datum(key, type, value);
	return !isnull;
}

/* Reads the key by which provenance knows a target's row. */
bool
twp_lineage_traced_key(TupleTableSlot *slot, const TwpProtection *p, TwpSubject *key)
{
	AttrNumber	attno = p->facts[TWP_ROW_KEY];

	return attno != 0 && twp_lineage_key_of(slot, attno, TupleDescAttr(slot->tts_tupleDescriptor, attno - 1)->atttypid, key);
}

/* Adds what a row's labels ask for; false when they are not known. */
static bool
add_labels(TupleTableSlot *slot, const TwpProtection *p, TwpCategorySet *needs)
{
	List	   *labels = NIL;
	bool		isnull;
	Datum		value;

	if (!p->has_label_path)
		return true;
	value = slot_getattr(slot, p->labels.start, &isnull);
	if (isnull)
		return true;
	if (!twp_protect_follow_path(&p->labels, value, &value, &isnull))
		return false;
	return isnull || twp_protect_read_labels(p->labels.type, value, needs, &labels);
}

/* Finds whose a source row is and what it asks for. */
TwpOwner
twp_lineage_owner_of(TupleTableSlot *slot, const TwpProtection *p, TwpSubject *subject, TwpCategorySet *needs)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, p->subject.start, &isnull);

	*needs = TWP_CATEGORY_BIT(p->category);
	if (isnull)
		return p->nprovenance > 0 && p->subject.nhops == 0 && add_labels(slot, p, needs) ?
			TWP_OWNER_POOLED : TWP_OWNER_NONE;
	if (!twp_protect_follow_path(&p->subject, value, &value, &isnull) || isnull || !add_labels(slot, p, needs))
		return TWP_OWNER_NONE;
	twp_subject_from_datum(subject, p->subject.type, value);
	return TWP_OWNER_ONE;
}

/* Finds a plain btree index whose first column is this one. */
static Oid
find_index(Relation rel, AttrNumber attno)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisvalid && index->rd_index->indisready && index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indkey.values[0] == attno && RelationGetIndexPredicate(index) == NIL)
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
		if (OidIsValid(found))
			break;
	}
	list_free(indexes);
	return found;
}

/* The key as a value of the type; false when the type cannot hold it. */
static bool
key_datum(const TwpSubject *key, Oid type, Datum *value)
{
	int64		number = key->key.number;
	pg_uuid_t  *uuid;

	switch (type)
	{
		case INT2OID:
			*value = Int16GetDatum((int16) number);
			return key->kind == TWP_SUBJECT_INT && number == (int16) number;
		case INT4OID:
			*value = Int32GetDatum((int32) number);
			return key->kind == TWP_SUBJECT_INT && number == (int32) number;
		case INT8OID:
			*value = Int64GetDatum(number);
			return key->kind == TWP_SUBJECT_INT;
		case UUIDOID:
			uuid = palloc(sizeof(pg_uuid_t));
			memcpy(uuid->data, key->key.uuid, UUID_LEN);
			*value = UUIDPGetDatum(uuid);
			return key->kind == TWP_SUBJECT_UUID;
		case TEXTOID:
		case VARCHAROID:
			if (key->kind != TWP_SUBJECT_TEXT)
				return false;
			*value = PointerGetDatum(cstring_to_text_with_len(key->key.text.data, key->key.text.len));
			return true;
		default:
			return false;
	}
}

/* Visits the rows of one relation with the keys, by an index. */
static bool
visit_by_index(Relation rel, Oid index_oid, AttrNumber attno, Oid type, const TwpSubject *keys, int nkeys,
			   Snapshot snapshot, TwpRowVisitor visitor, void *arg)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	Oid			input = index->rd_opcintype[0];
	Oid			eq = get_opcode(get_opfamily_member(index->rd_opfamily[0], input, input, BTEqualStrategyNumber));
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = twp_compat_index_beginscan(rel, index, snapshot, 1);
	bool		go_on = true;

	for (int i = 0; i < nkeys && go_on; i++)
	{
		ScanKeyData scankey;
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		if (!key_datum(&keys[i], type, &value))
			continue;
		ScanKeyEntryInitialize(&scankey, 0, 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[0], eq, value);
		index_rescan(scan, &scankey, 1, NULL, 0);
		while (go_on && index_getnext_slot(scan, ForwardScanDirection, slot))
		{
			TwpSubject	found;

			/* a collation may take two texts for one; keys do not */
			if (twp_lineage_key_of(slot, attno, type, &found) && twp_subject_equal(&found, &keys[i]))
				go_on = visitor(slot, RelationGetRelid(rel), arg);
		}
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	return go_on;
}

/* Visits all rows of one relation, or those with a key. */
static bool
visit_by_scan(Relation rel, AttrNumber attno, Oid type, const TwpSubject *key, Snapshot snapshot,
			  TwpRowVisitor visitor, void *arg)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool		go_on = true;

	while (go_on && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		TwpSubject	found;

		CHECK_FOR_INTERRUPTS();
		if (key == NULL ||
			(twp_lineage_key_of(slot, attno, type, &found) && twp_subject_equal(&found, key)))
			go_on = visitor(slot, RelationGetRelid(rel), arg);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return go_on;
}

/*
 * Visits rows of a relation and all below it: those with one of some keys, or
 * all; of many keys without an index all rows too, for the visitor to know.
 */
static bool
visit(Oid relid, AttrNumber attno, const TwpSubject *keys, int nkeys, Snapshot snapshot, TwpRowVisitor visitor,
	  void *arg)
{
	List	   *parts = has_subclass(relid) ? find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
	bool		go_on = true;
	ListCell   *lc;

	foreach(lc, parts)
	{
		Relation	rel = table_open(lfirst_oid(lc), AccessShareLock);
		AttrNumber	column = attno == 0 ? 0 : twp_lineage_column_of(lfirst_oid(lc), relid, attno);
		Oid			type = column == 0 ? InvalidOid : getBaseType(get_atttype(lfirst_oid(lc), column));
		Oid			index;

		if (go_on && rel->rd_tableam != NULL)
		{
			index = nkeys == 0 ? InvalidOid : find_index(rel, column);
			go_on = OidIsValid(index) ?
				visit_by_index(rel, index, column, type, keys, nkeys, snapshot, visitor, arg) :
				visit_by_scan(rel, column, type, nkeys == 1 ? keys : NULL, snapshot, visitor, arg);
		}
		/* rows of a foreign table cannot be read here: what hangs on them is not found, and closed */
		table_close(rel, AccessShareLock);
	}
	list_free(parts);
	return go_on;
}

/* Visits the rows that have a key. */
bool
twp_lineage_visit_key(Oid relid, AttrNumber attno, const TwpSubject *key, Snapshot snapshot,
					  TwpRowVisitor visitor, void *arg)
{
	return visit(relid, attno, key, 1, snapshot, visitor, arg);
}

/* Visits the rows that have one of some keys, and perhaps others. */
bool
twp_lineage_visit_keys(Oid relid, AttrNumber attno, const TwpSubject *keys, int nkeys, Snapshot snapshot,
					   TwpRowVisitor visitor, void *arg)
{
	return nkeys == 0 || visit(relid, attno, keys, nkeys, snapshot, visitor, arg);
}

/* Visits all rows. */
bool
twp_lineage_visit_all(Oid relid, Snapshot snapshot, TwpRowVisitor visitor, void *arg)
{
	return visit(relid, 0, NULL, 0, snapshot, visitor, arg);
}

/* True when rows are found by the column without reading them all. */
bool
twp_lineage_has_index(Oid relid, AttrNumber attno)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		has = OidIsValid(find_index(rel, attno));

	table_close(rel, AccessShareLock);
	return has;
}

/* Stops at the first row. */
static bool
stop_at_row(TupleTableSlot *slot, Oid relid, void *arg)
{
	return false;
}

/* True when some row has the key, one that is about to come or to go included. */
bool
twp_lineage_row_exists(Oid relid, AttrNumber attno, const TwpSubject *key)
{
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	return !twp_lineage_visit_key(relid, attno, key, &dirty, stop_at_row, NULL);
}

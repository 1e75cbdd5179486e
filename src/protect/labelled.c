/*
 * labelled.c - which relations carry labels of ours, and what follows for all.
 *
 * Answers are remembered until any protection may have changed; what is about
 * to change labels reads them as they are (twp_protect_scan_labels).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_seclabel.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* As remembered: relations with a label that protects; whether any is kept for a context. */
static List *labelled = NIL;
static bool any_context = false;

/* What a label names a relation's context to be; *protects is false when it says nothing else. */
TwpContext
twp_protect_label_context_of(const char *text, bool *protects)
{
	const char *problem;
	TwpTableLabel *label = twp_protect_parse_leniently(text, true, &problem);

	*protects = label == NULL || label->subject != NULL;
	return label == NULL ? TWP_CONTEXT_NONE : label->context;
}

/* Lists the relations that carry a table label of ours which protects, or which names a context. */
static void
scan_labels(List **protecting, List **contexts)
{
	Relation	seclabels = table_open(SecLabelRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(seclabels, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FormData_pg_seclabel *row = (FormData_pg_seclabel *) GETSTRUCT(tuple);
		bool		isnull;
		Datum		provider = heap_getattr(tuple, Anum_pg_seclabel_provider,
											RelationGetDescr(seclabels), &isnull);

		if (row->classoid == RelationRelationId && row->objsubid == 0 && !isnull &&
			strcmp(TextDatumGetCString(provider), "twin_privacy") == 0)
		{
			Datum		label = heap_getattr(tuple, Anum_pg_seclabel_label, RelationGetDescr(seclabels), &isnull);
			bool		protects;

			if (twp_protect_label_context_of(TextDatumGetCString(label), &protects) != TWP_CONTEXT_NONE)
				*contexts = lappend_oid(*contexts, row->objoid);
			if (protects)
				*protecting = lappend_oid(*protecting, row->objoid);
		}
	}
	systable_endscan(scan);
	table_close(seclabels, AccessShareLock);
}

/* Makes what is remembered current. */
static void
load_labels(void)
{
	static MemoryContext context = NULL;
	static uint64 loaded = 0;
	uint64		started = twp_protect_generation();
	List	   *protecting = NIL;
	List	   *contexts = NIL;
	MemoryContext old;

	if (loaded == started)
		return;
	scan_labels(&protecting, &contexts);
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "twin_privacy labels", ALLOCSET_SMALL_SIZES);
	loaded = 0;
	labelled = NIL;
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	labelled = list_copy(protecting);
	MemoryContextSwitchTo(old);
	any_context = contexts != NIL;
	/* not the present one: what came in while reading must be read again */
	loaded = started;
}

/* Lists the relations that are protected by a label of ours, as they are now. */
List *
twp_protect_scan_labels(void)
{
	List	   *protecting = NIL;
	List	   *contexts = NIL;

	scan_labels(&protecting, &contexts);
	return protecting;
}

/* Lists the relations that are protected by a label of ours, in the current memory context. */
List *
twp_protect_labelled_relations(void)
{
	load_labels();
	return list_copy(labelled);
}

/* Says whether any table is kept for a context. */
bool
twp_protect_any_context(void)
{
	load_labels();
	return any_context;
}

/* Says whether any table is protected. */
bool
twp_protect_any(void)
{
	load_labels();
	return labelled != NIL;
}

/* Collects the kinds of subject keys that protected tables use. */
int
twp_protect_subject_kinds(void)
{
	static int	kinds = 0;
	static uint64 kinds_generation = 0;
	uint64		started = twp_protect_generation();
	ListCell   *lc;

	if (kinds_generation == twp_protect_generation())
		return kinds;
	kinds = 0;
	foreach(lc, twp_protect_labelled_relations())
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));

		if (p != NULL && p->broken == NULL)
			kinds |= 1 << p->subject_kind;
	}
	kinds_generation = started;
	return kinds;
}

/*
 * labelled.c - which relations carry labels of ours, and what follows for all.
 *
 * Answers are remembered until any protection may have changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_seclabel.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/rel.h"

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
static List *
labelled_relations(bool protecting)
{
	List	   *relids = NIL;
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
			TwpContext	context = twp_protect_label_context_of(TextDatumGetCString(label), &protects);

			if (protecting ? protects : context != TWP_CONTEXT_NONE)
				relids = lappend_oid(relids, row->objoid);
		}
	}
	systable_endscan(scan);
	table_close(seclabels, AccessShareLock);
	return relids;
}

/* Lists the relations that carry a table label of ours and are protected by it. */
List *
twp_protect_labelled_relations(void)
{
	return labelled_relations(true);
}

/* Says whether any table is kept for a context; remembered until something may have changed. */
bool
twp_protect_any_context(void)
{
	static bool any = false;
	static uint64 any_generation = 0;
	uint64		started = twp_protect_generation();

	if (any_generation != twp_protect_generation())
	{
		any = labelled_relations(false) != NIL;
		any_generation = started;
	}
	return any;
}

/* Says whether any table is protected; remembered until something may have changed. */
bool
twp_protect_any(void)
{
	static bool any = false;
	static uint64 any_generation = 0;
	uint64		started = twp_protect_generation();

	if (any_generation != twp_protect_generation())
	{
		List	   *relids = twp_protect_labelled_relations();

		any = relids != NIL;
		any_generation = started;
		list_free(relids);
	}
	return any;
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

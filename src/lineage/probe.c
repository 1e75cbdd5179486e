/*
 * probe.c - what one row is made from, step by step through the provenance.
 *
 * Contract: a row that goes in a circle, an input that is not there, and a
 * source table that is not protected or whose label does not resolve, end the
 * walk as closed.  Memory: a context of its own for each question.
 */
#include "postgres.h"

#include "lineage/lineage_internal.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* A row on the way from the one that was asked about. */
typedef struct Step
{
	Oid			relid;
	const TwpSubject *key;
	struct Step *before;
} Step;

/* A row whose inputs have been seen to the end. */
typedef struct Done
{
	Oid			relid;
	TwpSubject	key;
} Done;

typedef struct Probe
{
	Snapshot	snapshot;
	TwpInputVisitor visitor;
	void	   *arg;
	List	   *done;			/* Done * */
	MemoryContext context;
} Probe;

/* What the visitors of rows work on. */
typedef struct UsedKeys
{
	const TwpProvenance *provenance;
	MemoryContext context;
	List	   *keys;			/* TwpSubject * */
	bool		unknown;		/* a row does not say what was used */
} UsedKeys;

typedef struct SourceRows
{
	Probe	   *probe;
	const Step *step;
	bool		found;
} SourceRows;

static bool probe_row(Probe *probe, const TwpProtection *p, const TwpSubject *key, const Step *before);

static MemoryContext kept_context = NULL;
static List *kept = NIL;		/* TwpProtection * */
static uint64 kept_generation = 0;

/* Gives a protection that outlives locks; NULL for a relation that has none. */
const TwpProtection *
twp_lineage_protection(Oid relid)
{
	const TwpProtection *p;
	ListCell   *lc;
	MemoryContext old;

	if (kept_generation != twp_protect_generation())
	{
		/* an earlier one may still be in use by whoever asked before */
		if (kept_context != NULL)
			MemoryContextSetParent(kept_context, CurTransactionContext);
		kept_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy lineage", ALLOCSET_SMALL_SIZES);
		kept = NIL;
		kept_generation = twp_protect_generation();
	}
	foreach(lc, kept)
		if (((TwpProtection *) lfirst(lc))->relid == relid)
			return lfirst(lc);
	p = twp_protect_lookup(relid);
	if (p == NULL)
		return NULL;
	p = twp_protect_copy(p, kept_context);
	old = MemoryContextSwitchTo(kept_context);
	kept = lappend(kept, (void *) p);
	MemoryContextSwitchTo(old);
	return p;
}

/* Copies a key. */
static TwpSubject *
copy_key(const TwpSubject *key)
{
	TwpSubject *copy = palloc(sizeof(TwpSubject));

	*copy = *key;
	if (key->kind == TWP_SUBJECT_TEXT)
		copy->key.text.data = pnstrdup(key->key.text.data, key->key.text.len);
	return copy;
}

/* Takes a row of provenance: what was used. */
static bool
take_used(TupleTableSlot *slot, Oid relid, void *arg)
{
	UsedKeys   *used = arg;
	MemoryContext old = MemoryContextSwitchTo(used->context);
	TwpSubject	key;

	if (twp_lineage_key_of(slot, used->provenance->used, used->provenance->used_type, &key))
		used->keys = lappend(used->keys, copy_key(&key));
	else
		used->unknown = true;
	MemoryContextSwitchTo(old);
	return !used->unknown;
}

/* Takes a source row: whose it is, what it asks for, and what it is made from itself. */
static bool
take_source(TupleTableSlot *slot, Oid relid, void *arg)
{
	SourceRows *rows = arg;
	const TwpProtection *p = twp_lineage_protection(relid);
	MemoryContext old = MemoryContextSwitchTo(rows->probe->context);
	TwpSubject	subject;
	TwpSubject	key;
	TwpCategorySet needs;
	bool		open;

	rows->found = true;
	open = p != NULL && p->broken == NULL && twp_lineage_item_of(slot, p, &subject, &needs) &&
		rows->probe->visitor(&subject, needs, rows->probe->arg);
	if (open && p->nprovenance > 0)
		open = twp_lineage_key_of(slot, p->facts[TWP_ROW_KEY], p->facts[TWP_ROW_KEY] == 0 ? InvalidOid :
								  TupleDescAttr(slot->tts_tupleDescriptor, p->facts[TWP_ROW_KEY] - 1)->atttypid, &key) &&
			probe_row(rows->probe, p, copy_key(&key), rows->step);
	MemoryContextSwitchTo(old);
	return open;
}

/* True when the row is already known to be open to its end. */
static bool
is_done(const Probe *probe, Oid relid, const TwpSubject *key)
{
	ListCell   *lc;

	foreach(lc, probe->done)
	{
		const Done *done = lfirst(lc);

		if (done->relid == relid && twp_subject_equal(&done->key, key))
			return true;
	}
	return false;
}

/* Follows one declared provenance of a row. */
static bool
probe_provenance(Probe *probe, const TwpProvenance *provenance, const Step *step)
{
	UsedKeys	used = {.provenance = provenance,.context = probe->context};
	ListCell   *lc;

	(void) twp_lineage_visit_key(provenance->relid, provenance->derived, step->key, probe->snapshot, take_used, &used);
	if (used.unknown)
		return false;
	foreach(lc, used.keys)
	{
		SourceRows	rows = {.probe = probe,.step = step};

		if (!twp_lineage_visit_key(provenance->source, provenance->source_key, lfirst(lc), probe->snapshot,
								   take_source, &rows) || !rows.found)
			return false;
	}
	return true;
}

/* Visits everything a row is made from. */
static bool
probe_row(Probe *probe, const TwpProtection *p, const TwpSubject *key, const Step *before)
{
	Step		step = {.relid = p->source,.key = key,.before = (Step *) before};
	Done	   *done;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	for (const Step *s = before; s != NULL; s = s->before)
		if (s->relid == p->source && twp_subject_equal(s->key, key))
			return false;
	if (is_done(probe, p->source, key))
		return true;
	for (int i = 0; i < p->nprovenance; i++)
		if (!probe_provenance(probe, &p->provenance[i], &step))
			return false;
	done = palloc(sizeof(Done));
	done->relid = p->source;
	done->key = *key;
	probe->done = lappend(probe->done, done);
	return true;
}

/* Visits everything a row is made from, as the rows are now. */
bool
twp_lineage_probe(const TwpProtection *target, const TwpSubject *key, TwpInputVisitor visitor, void *arg)
{
	Probe		probe = {.visitor = visitor,.arg = arg};
	MemoryContext old;
	bool		open;

	if (target->broken != NULL)
		return false;
	probe.context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy inputs", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(probe.context);
	probe.snapshot = twp_lineage_begin(target->provenance[0].relid);
	open = probe_row(&probe, target, key, NULL);
	twp_lineage_end(probe.snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(probe.context);
	return open;
}

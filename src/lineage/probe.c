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

typedef struct RowKey
{
	Oid			relid;
	TwpSubject	key;
} RowKey;

/* A row whose inputs have been seen to the end. */
typedef struct Done
{
	RowKey		row;
	TwpCategorySet also;
	bool		has_subjects;
	char		status;
} Done;

#define SH_PREFIX done
#define SH_ELEMENT_TYPE Done
#define SH_KEY_TYPE RowKey
#define SH_KEY row
#define SH_HASH_KEY(table, k) (twp_subject_hash(&(k).key) ^ (k).relid * 0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a).relid == (b).relid && twp_subject_equal(&(a).key, &(b).key))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Probe
{
	Snapshot	snapshot;
	TwpInputVisitor visitor;
	void	   *arg;
	bool		is_new;			/* the row asked about is about to be stored */
	done_hash  *done;
	MemoryContext context;
} Probe;

/* What is asked of a row's inputs, and what was found. */
typedef struct Inputs
{
	TwpCategorySet also;		/* of each subject, besides what its row asks */
	bool		traced;			/* some provenance tells of the row */
	bool		has_subjects;
} Inputs;

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
	Inputs	   *inputs;			/* of the row made */
	bool		found;
} SourceRows;

static bool probe_row(Probe *probe, const TwpProtection *p, const TwpSubject *key, const Step *before,
					  Inputs *inputs);

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

/* Follows what a source row is made from itself; a row of nobody's own asks its categories of all below it. */
static bool
probe_source(SourceRows *rows, TupleTableSlot *slot, const TwpProtection *p, TwpOwner owner, TwpCategorySet needs)
{
	Inputs		inputs = {.also = rows->inputs->also};
	TwpSubject	key;

	if (p->nprovenance == 0)
		return true;
	if (owner == TWP_OWNER_POOLED)
		inputs.also |= needs;
	if (!twp_lineage_traced_key(slot, p, &key) || !probe_row(rows->probe, p, copy_key(&key), rows->step, &inputs))
		return false;
	rows->inputs->has_subjects |= inputs.has_subjects;
	return owner == TWP_OWNER_ONE || inputs.has_subjects;
}

/* Takes a source row: whose it is, what it asks for, and what it is made from itself. */
static bool
take_source(TupleTableSlot *slot, Oid relid, void *arg)
{
	SourceRows *rows = arg;
	const TwpProtection *p = twp_lineage_protection(relid);
	MemoryContext old = MemoryContextSwitchTo(rows->probe->context);
	TwpOwner	owner = TWP_OWNER_NONE;
	TwpSubject	subject;
	TwpCategorySet needs;
	bool		open;

	rows->found = true;
	if (p != NULL && p->broken == NULL)
		owner = twp_lineage_owner_of(slot, p, &subject, &needs);
	open = owner != TWP_OWNER_NONE;
	if (owner == TWP_OWNER_ONE)
	{
		rows->inputs->has_subjects = true;
		open = rows->probe->visitor(&subject, needs | rows->inputs->also, rows->probe->arg);
	}
	open = open && probe_source(rows, slot, p, owner, needs);
	MemoryContextSwitchTo(old);
	return open;
}

/* Follows one declared provenance of a row. */
static bool
probe_provenance(Probe *probe, const TwpProvenance *provenance, const Step *step, Inputs *inputs)
{
	UsedKeys	used = {.provenance = provenance,.context = probe->context};
	ListCell   *lc;

	(void) twp_lineage_visit_key(provenance->relid, provenance->derived, step->key, probe->snapshot, take_used, &used);
	if (used.unknown)
		return false;
	inputs->traced |= used.keys != NIL;
	foreach(lc, used.keys)
	{
		SourceRows	rows = {.probe = probe,.step = step,.inputs = inputs};

		if (!twp_lineage_visit_key(provenance->source, provenance->source_key, lfirst(lc), probe->snapshot,
								   take_source, &rows) || !rows.found)
			return false;
	}
	return true;
}

/* True when the row is on the way that led to it. */
static bool
is_circle(const Step *before, Oid relid, const TwpSubject *key)
{
	for (const Step *s = before; s != NULL; s = s->before)
		if (s->relid == relid && twp_subject_equal(s->key, key))
			return true;
	return false;
}

/* Visits everything a row is made from. */
static bool
probe_row(Probe *probe, const TwpProtection *p, const TwpSubject *key, const Step *before, Inputs *inputs)
{
	Step		step = {.relid = p->source,.key = key,.before = (Step *) before};
	RowKey		row = {p->source, *key};
	Done	   *done;
	bool		found;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (is_circle(before, p->source, key))
		return false;
	/* found open to its end, asked for no less */
	done = done_lookup(probe->done, row);
	if (done != NULL && (done->also & inputs->also) == inputs->also)
	{
		inputs->has_subjects = done->has_subjects;
		return true;
	}
	for (int i = 0; i < p->nprovenance; i++)
		if (!probe_provenance(probe, &p->provenance[i], &step, inputs))
			return false;
	if (!inputs->traced && !p->untraced_open && !(probe->is_new && before == NULL))
		return false;
	done = done_insert(probe->done, row, &found);
	/* who permits this and that permits both */
	done->also = inputs->also | (found ? done->also : 0);
	done->has_subjects = inputs->has_subjects;
	return true;
}

/* Visits everything a row is made from, as the rows are now. */
static bool
probe_all(const TwpProtection *target, const TwpSubject *key, bool is_new, TwpInputVisitor visitor, void *arg)
{
	Probe		probe = {.visitor = visitor,.arg = arg,.is_new = is_new};
	Inputs		inputs = {0};
	MemoryContext old;
	bool		open;

	if (target->broken != NULL)
		return false;
	probe.context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy inputs", ALLOCSET_SMALL_SIZES);
	probe.done = done_create(probe.context, 4, NULL);
	old = MemoryContextSwitchTo(probe.context);
	probe.snapshot = twp_lineage_begin(target->provenance[0].relid);
	open = probe_row(&probe, target, key, NULL, &inputs);
	twp_lineage_end(probe.snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(probe.context);
	return open;
}

/* Visits everything a row is made from. */
bool
twp_lineage_probe(const TwpProtection *target, const TwpSubject *key, TwpInputVisitor visitor, void *arg)
{
	return probe_all(target, key, false, visitor, arg);
}

/* Visits everything a row about to be stored is made from so far. */
bool
twp_lineage_probe_new(const TwpProtection *target, const TwpSubject *key, TwpInputVisitor visitor, void *arg)
{
	return probe_all(target, key, true, visitor, arg);
}

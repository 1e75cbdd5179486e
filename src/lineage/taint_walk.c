/*
 * taint_walk.c - from the rows of a subject who has taken consent back to
 * everything that was made from them.
 *
 * Places are the columns by which rows are known: where a provenance names
 * what was used, and where a target's rows have their key.  A key arrives at a
 * place with the losses that hit it, and waits there until the place's keys are
 * all looked up together: by an index, or in one reading of the table.  It
 * waits again when it arrives with more; so circles come to an end.
 *
 * Rows that no loss hits are followed too where a pooled row, which asks every
 * contributor for its own category, may lie ahead.
 *
 * Locks and snapshots: rows.c.  Memory: a context of its own.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lineage/taint_internal.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct PlaceKey
{
	uint32		place;
	TwpSubject	key;
} PlaceKey;

/* A key that arrived. */
typedef struct Arrival
{
	PlaceKey	key;
	uint64		hit;
	uint64		listed;			/* of a target's row */
	bool		waiting;
	char		status;
} Arrival;

#define SH_PREFIX arrivals
#define SH_ELEMENT_TYPE Arrival
#define SH_KEY_TYPE PlaceKey
#define SH_KEY key
#define SH_HASH_KEY(table, k) (twp_subject_hash(&(k).key) ^ (k).place * 0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a).place == (b).place && twp_subject_equal(&(a).key, &(b).key))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Place
{
	const TwpProtection *target;	/* whose rows are known here, or are made */
	const TwpProvenance *provenance;	/* NULL: the target's own key */
	uint32		rows;			/* of provenance: the target's own place */
	TwpSubject *waiting;
	uint32		nwaiting;
	uint32		room;
	/* the source's key in the part of it that was looked at last */
	Oid			part;
	AttrNumber	part_key;
	Oid			part_type;
} Place;

#define NO_PLACE PG_UINT32_MAX
/* The one loss in a walk from rows that are gone. */
#define GONE UINT64CONST(1)

typedef struct Walk
{
	const TwpTaintScope *scope;
	const TwpLosses *losses;
	bool		carry;			/* follow what no loss has hit yet */
	Place	   *places;
	uint32		nplaces;
	arrivals_hash *arrivals;
	Snapshot	snapshot;
	MemoryContext caller;
	MemoryContext context;
	MemoryContext row_context;
	uint32		place;			/* being looked up */
	bool		seeding;		/* rows are read because they are the subject's */
	const TwpProtection *table; /* whose rows are read */
	uint32		rows;			/* the place of its rows' keys, or NO_PLACE */
	uint64		listed;			/* by rows of a table without keys */
} Walk;

/* One step of a subject's path, taken backwards. */
typedef struct StepBack
{
	const TwpHop *hop;
	TwpSubject *keys;
	int			nkeys;
	int			room;
} StepBack;

/* Puts a key at a place, with the losses that hit it, to wait there. */
static Arrival *
arrive(Walk *walk, uint32 n, const TwpSubject *key, uint64 hit, bool wait)
{
	PlaceKey	at = {.place = n,.key = *key};
	Place	   *place = &walk->places[n];
	Arrival    *arrival = arrivals_lookup(walk->arrivals, at);
	bool		new = arrival == NULL;

	if (new)
	{
		if (key->kind == TWP_SUBJECT_TEXT)
			at.key.key.text.data = pnstrdup(key->key.text.data, key->key.text.len);
		arrival = arrivals_insert(walk->arrivals, at, &new);
		arrival->hit = arrival->listed = 0;
		arrival->waiting = false;
		new = true;
	}
	if (wait && !arrival->waiting && (new || (hit & ~arrival->hit) != 0))
	{
		if (place->nwaiting == place->room)
		{
			place->room = Max(place->room * 2, 64);
			place->waiting = place->waiting == NULL ? palloc(sizeof(TwpSubject) * place->room) :
				repalloc_huge(place->waiting, sizeof(TwpSubject) * place->room);
		}
		place->waiting[place->nwaiting++] = arrival->key.key;
		arrival->waiting = true;
	}
	arrival->hit |= hit;
	return arrival;
}

/* Hands a source row's key on to every provenance that may name it. */
static void
hand_on(Walk *walk, TupleTableSlot *slot, Oid relid, uint64 hit)
{
	for (uint32 n = 0; n < walk->nplaces; n++)
	{
		Place	   *place = &walk->places[n];
		TwpSubject	key;

		if (place->provenance == NULL ||
			(place->provenance->source != walk->table->relid && place->provenance->source != relid))
			continue;
		if (place->part != relid)
		{
			place->part = relid;
			place->part_key = twp_lineage_column_of(relid, place->provenance->source, place->provenance->source_key);
			place->part_type = getBaseType(get_atttype(relid, place->part_key));
		}
		if (twp_lineage_key_of(slot, place->part_key, place->part_type, &key))
			(void) arrive(walk, n, &key, hit, true);
	}
}

/*
 * Finds which losses hit a row, reached (with those it arrived with) or read
 * because it may be the subject's, and of which the scope may be told.  False
 * for a row that does not concern the subject.
 */
static bool
judge_row(Walk *walk, TupleTableSlot *slot, const TwpProtection *p, bool reached, uint64 *hit, uint64 *listed)
{
	MemoryContext old = MemoryContextSwitchTo(walk->row_context);
	TwpTaintRow row = twp_taint_read_row(slot, p);
	bool		own = row.owner == TWP_OWNER_ONE && strcmp(twp_subject_to_text(&row.subject), walk->losses->subject) == 0;

	if (own || (reached && row.owner == TWP_OWNER_POOLED))
		*hit |= twp_taint_hits(walk->losses, row.needs);
	*listed = *hit == 0 || !twp_taint_covers_row(walk->scope, row.made_for, row.needs) ? 0 :
		*hit & twp_taint_of_purpose(walk->losses, row.made_for);
	MemoryContextSwitchTo(old);
	MemoryContextReset(walk->row_context);
	return own || reached;
}

/* Takes a row of the table being read: one of the subject's own, or one that is made from others. */
static bool
take_row(TupleTableSlot *slot, Oid relid, void *arg)
{
	Walk	   *walk = arg;
	const TwpProtection *p = twp_lineage_protection(relid);
	Arrival    *arrival;
	uint64		listed;
	uint64		hit = 0;
	bool		has_key;
	TwpSubject	key;

	if (p == NULL || p->broken != NULL)
		return true;
	has_key = walk->rows != NO_PLACE && twp_lineage_traced_key(slot, p, &key);
	arrival = has_key ? arrivals_lookup(walk->arrivals, (PlaceKey) {.place = walk->rows,.key = key}) : NULL;
	if (arrival != NULL)
		hit = arrival->hit;
	else if (!walk->seeding)
		return true;
	if (!judge_row(walk, slot, p, arrival != NULL, &hit, &listed) || (hit == 0 && !walk->carry))
		return true;
	if (has_key)
		arrive(walk, walk->rows, &key, hit, false)->listed |= listed;
	hand_on(walk, slot, relid, hit);
	return true;
}

/* Takes a row of provenance: what was made from a key that arrived. */
static bool
take_provenance(TupleTableSlot *slot, Oid relid, void *arg)
{
	Walk	   *walk = arg;
	const Place *place = &walk->places[walk->place];
	Arrival    *arrival;
	TwpSubject	key;

	if (!twp_lineage_key_of(slot, place->provenance->used, place->provenance->used_type, &key))
		return true;
	arrival = arrivals_lookup(walk->arrivals, (PlaceKey) {.place = walk->place,.key = key});
	if (arrival != NULL &&
		twp_lineage_key_of(slot, place->provenance->derived, place->provenance->derived_type, &key))
		(void) arrive(walk, place->rows, &key, arrival->hit, true);
	return true;
}

/* Looks up all keys that wait at a place. */
static void
look_up(Walk *walk, uint32 n)
{
	Place	   *place = &walk->places[n];
	TwpSubject *keys = place->waiting;
	uint32		nkeys = place->nwaiting;

	place->waiting = NULL;
	place->nwaiting = place->room = 0;
	for (uint32 i = 0; i < nkeys; i++)
		arrivals_lookup(walk->arrivals, (PlaceKey) {.place = n,.key = keys[i]})->waiting = false;
	walk->place = n;
	if (place->provenance != NULL)
		(void) twp_lineage_visit_keys(place->provenance->relid, place->provenance->used, keys, nkeys,
									  walk->snapshot, take_provenance, walk);
	else
	{
		walk->table = place->target;
		walk->rows = n;
		(void) twp_lineage_visit_keys(place->target->relid, place->target->facts[TWP_ROW_KEY], keys, nkeys,
									  walk->snapshot, take_row, walk);
	}
	pfree(keys);
}

/* Makes the places of all declared provenance. */
static void
make_places(Walk *walk, const List *tables)
{
	ListCell   *lc;
	uint32		room = 0;

	foreach(lc, tables)
		room += 1 + ((const TwpProtection *) lfirst(lc))->nprovenance;
	walk->places = palloc0(sizeof(Place) * Max(room, 1));
	foreach(lc, tables)
	{
		const TwpProtection *p = lfirst(lc);
		uint32		rows = walk->nplaces;

		if (p->nprovenance == 0)
			continue;
		walk->places[walk->nplaces++] = (Place) {.target = p};
		for (int i = 0; i < p->nprovenance; i++)
			walk->places[walk->nplaces++] = (Place) {.target = p,.provenance = &p->provenance[i],.rows = rows};
		walk->carry |= (walk->losses->lost & TWP_CATEGORY_BIT(p->category)) != 0;
	}
}

/* The place where a table's rows have their key, or NO_PLACE. */
static uint32
place_of(const Walk *walk, const TwpProtection *p)
{
	for (uint32 n = 0; n < walk->nplaces; n++)
		if (walk->places[n].target == p && walk->places[n].provenance == NULL)
			return n;
	return NO_PLACE;
}

/* True for a table some of whose parts are what provenance names as a source. */
static bool
is_source(const Walk *walk, const TwpProtection *p)
{
	for (uint32 n = 0; n < walk->nplaces; n++)
	{
		const TwpProtection *source = walk->places[n].provenance == NULL ? NULL :
			twp_lineage_protection(walk->places[n].provenance->source);

		if (source != NULL && source->source == p->relid)
			return true;
	}
	return false;
}

/* Notes that there is a row of the subject's, and looks no further. */
static bool
stop_at_own(TupleTableSlot *slot, Oid relid, void *arg)
{
	Walk	   *walk = arg;
	const TwpProtection *p = twp_lineage_protection(relid);
	uint64		listed;
	uint64		hit = 0;

	if (p == NULL || p->broken != NULL || !judge_row(walk, slot, p, false, &hit, &listed))
		return true;
	walk->listed |= listed;
	return walk->listed == 0;
}

/* Collects the keys that one step of a subject's path leads back to. */
static bool
collect_key(TupleTableSlot *slot, Oid relid, void *arg)
{
	StepBack   *step = arg;
	TwpSubject	key;

	if (!twp_lineage_key_of(slot, twp_lineage_column_of(relid, step->hop->relid, step->hop->key_attno),
							getBaseType(step->hop->key_type), &key))
		return true;
	if (key.kind == TWP_SUBJECT_TEXT)
		key.key.text.data = pnstrdup(key.key.text.data, key.key.text.len);
	if (step->nkeys == step->room)
		step->keys = repalloc(step->keys, sizeof(TwpSubject) * (step->room *= 2));
	step->keys[step->nkeys++] = key;
	return true;
}

/* True when the path can be followed backwards. */
static bool
is_reversible(const TwpPath *path)
{
	for (int i = 0; i < path->nhops; i++)
		if (twp_subject_kind(path->hops[i].key_type) == TWP_SUBJECT_INVALID ||
			twp_subject_kind(path->hops[i].value_type) == TWP_SUBJECT_INVALID)
			return false;
	return true;
}

/* Visits the rows of the subject in a table, and perhaps others. */
static void
visit_own(Walk *walk, const TwpProtection *p, const TwpSubject *subject, TwpRowVisitor visitor)
{
	TwpSubject *keys = palloc(sizeof(TwpSubject));
	int			nkeys = 1;

	if (!is_reversible(&p->subject))
	{
		(void) twp_lineage_visit_all(p->relid, walk->snapshot, visitor, walk);
		return;
	}
	keys[0] = *subject;
	for (int i = p->subject.nhops - 1; i >= 0; i--)
	{
		StepBack	step = {.hop = &p->subject.hops[i],.room = 16};

		step.keys = palloc(sizeof(TwpSubject) * step.room);
		(void) twp_lineage_visit_keys(step.hop->relid, step.hop->value_attno, keys, nkeys, walk->snapshot,
									  collect_key, &step);
		keys = step.keys;
		nkeys = step.nkeys;
	}
	(void) twp_lineage_visit_keys(p->relid, p->subject.start, keys, nkeys, walk->snapshot, visitor, walk);
}

/* Starts from the subject's rows of one table. */
static void
seed_from(Walk *walk, const TwpProtection *p, TwpTaintSink sink, void *arg)
{
	bool		may_hit = p->has_label_path || (walk->losses->lost & TWP_CATEGORY_BIT(p->category)) != 0;
	TwpSubject	subject;

	if (!twp_subject_from_text(&subject, p->subject_kind, walk->losses->subject))
		return;
	walk->table = p;
	walk->rows = place_of(walk, p);
	if (walk->rows != NO_PLACE || is_source(walk, p))
	{
		if (may_hit || walk->carry)
			visit_own(walk, p, &subject, take_row);
	}
	else if (may_hit && twp_vocab_category_inputs(p->category) != 0 && twp_taint_covers_table(walk->scope, p->relid))
	{
		/* derived by its category alone: its rows have no keys to name them by */
		walk->listed = 0;
		visit_own(walk, p, &subject, stop_at_own);
		twp_taint_emit(walk->losses, walk->listed, p->relid, NULL, sink, arg);
	}
}

/* Hands out the rows that are tainted. */
static void
emit_rows(const Walk *walk, TwpTaintSink sink, void *arg)
{
	arrivals_iterator it;
	Arrival    *arrival;

	arrivals_start_iterate(walk->arrivals, &it);
	while ((arrival = arrivals_iterate(walk->arrivals, &it)) != NULL)
	{
		const Place *place = &walk->places[arrival->key.place];

		if (arrival->listed != 0 && twp_taint_covers_table(walk->scope, place->target->relid))
			twp_taint_emit(walk->losses, arrival->listed, place->target->relid, &arrival->key.key, sink, arg);
	}
}

/* The protected tables, as labels of their own say. */
static List *
protected_tables(void)
{
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, twp_protect_labelled_relations())
	{
		const TwpProtection *p = twp_lineage_protection(lfirst_oid(lc));

		if (p != NULL && p->broken == NULL)
			tables = lappend(tables, (void *) p);
	}
	return tables;
}

/* Readies a walk, in a context of its own that becomes the current one; gives the protected tables. */
static List *
begin_walk(Walk *walk)
{
	List	   *tables;

	walk->context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy taints", ALLOCSET_DEFAULT_SIZES);
	walk->caller = MemoryContextSwitchTo(walk->context);
	walk->row_context = AllocSetContextCreate(walk->context, "twin_privacy tainted row", ALLOCSET_SMALL_SIZES);
	tables = protected_tables();
	walk->arrivals = arrivals_create(walk->context, 1024, NULL);
	walk->snapshot = twp_lineage_begin(tables == NIL ? InvalidOid : ((TwpProtection *) linitial(tables))->relid);
	make_places(walk, tables);
	walk->seeding = true;
	return tables;
}

/* Walks from the keys that wait to the end, hands out what is tainted, and ends the walk. */
static void
finish_walk(Walk *walk, TwpTaintSink sink, void *arg)
{
	bool		more = true;

	walk->seeding = false;
	while (more)
	{
		more = false;
		for (uint32 n = 0; n < walk->nplaces; n++)
			if (walk->places[n].nwaiting > 0)
			{
				look_up(walk, n);
				more = true;
			}
	}
	twp_lineage_end(walk->snapshot);
	emit_rows(walk, sink, arg);
	MemoryContextSwitchTo(walk->caller);
	MemoryContextDelete(walk->context);
}

/* Finds every taint of one subject's losses. */
void
twp_taint_walk(const TwpTaintScope *scope, const TwpLosses *losses, TwpTaintSink sink, void *arg)
{
	Walk		walk = {.scope = scope,.losses = losses};
	ListCell   *lc;

	foreach(lc, begin_walk(&walk))
		seed_from(&walk, lfirst(lc), sink, arg);
	finish_walk(&walk, sink, arg);
}

/* Takes a row of provenance: what it names as used is to be looked for. */
static bool
take_used(TupleTableSlot *slot, Oid relid, void *arg)
{
	Walk	   *walk = arg;
	Place	   *place = &walk->places[walk->place];
	TwpSubject	key;

	if (twp_lineage_key_of(slot, place->provenance->used, place->provenance->used_type, &key))
		(void) arrive(walk, walk->place, &key, 0, true);
	else if (twp_lineage_key_of(slot, place->provenance->derived, place->provenance->derived_type, &key))
		(void) arrive(walk, place->rows, &key, GONE, true);
	return true;
}

/* Takes a source row: it is there. */
static bool
take_found(TupleTableSlot *slot, Oid relid, void *arg)
{
	Walk	   *walk = arg;
	const TwpProvenance *provenance = walk->places[walk->place].provenance;
	Arrival    *arrival;
	TwpSubject	key;

	if (!twp_lineage_key_of(slot, twp_lineage_column_of(relid, provenance->source, provenance->source_key),
							provenance->source_key_type, &key))
		return true;
	arrival = arrivals_lookup(walk->arrivals, (PlaceKey) {.place = walk->place,.key = key});
	if (arrival != NULL)
		arrival->waiting = false;
	return true;
}

/* Leaves of the keys that one provenance names as used those to wait whose rows are gone. */
static void
seed_from_gone(Walk *walk, uint32 n)
{
	Place	   *place = &walk->places[n];
	uint32		left = 0;

	walk->place = n;
	(void) twp_lineage_visit_all(place->provenance->relid, walk->snapshot, take_used, walk);
	(void) twp_lineage_visit_keys(place->provenance->source, place->provenance->source_key, place->waiting,
								  place->nwaiting, walk->snapshot, take_found, walk);
	for (uint32 i = 0; i < place->nwaiting; i++)
	{
		Arrival    *arrival = arrivals_lookup(walk->arrivals, (PlaceKey) {.place = n,.key = place->waiting[i]});

		if (!arrival->waiting)
			continue;
		arrival->hit = GONE;
		place->waiting[left++] = place->waiting[i];
	}
	place->nwaiting = left;
}

/* Finds the rows made from rows that are gone, or that are not told: nobody knows whose they were. */
void
twp_taint_orphans(const TwpTaintScope *scope, TwpTaintSink sink, void *arg)
{
	TwpLoss		loss = {0};
	TwpLosses	losses = {.subject = "",.n = 1,.loss = {&loss}};
	Walk		walk = {.scope = scope,.losses = &losses};

	(void) begin_walk(&walk);
	for (uint32 n = 0; n < walk.nplaces; n++)
		if (walk.places[n].provenance != NULL)
			seed_from_gone(&walk, n);
	finish_walk(&walk, sink, arg);
}

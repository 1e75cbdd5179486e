/*
 * steps.c - tables that decide whose rows another table's are.
 *
 * Other tables' paths lead through them, or foreign keys carry changes of
 * their keys into the columns that a path begins with, or that tell what a
 * consent asks of a row (ON UPDATE CASCADE and its kin).  Whoever changes such
 * a key or value changes whose rows others are, or what they tell.  The list of steps is made from all labels at once and kept until any
 * protection may have changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/seclabel.h"
#include "protect/protect_internal.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct Step
{
	Oid			relid;			/* the table that decides */
	AttrNumber	key_attno;
	AttrNumber	value_attno;
	bool		deletes;		/* so does a row that is deleted */
	bool		by_name;		/* a path names it: another table of its name would decide instead */
	TwpCategorySet needs;		/* of the table it decides about */
} Step;

static MemoryContext step_context = NULL;
static bool any_broken = false;
static List *steps = NIL;
static uint64 steps_generation = 0;

/* Adds one step of one relation. */
static void
add_one_step(Oid relid, AttrNumber key, AttrNumber value, bool deletes, bool by_name, TwpCategorySet needs)
{
	Step	   *step = palloc(sizeof(Step));

	step->relid = relid;
	step->key_attno = key;
	step->value_attno = value;
	step->deletes = deletes;
	step->by_name = by_name;
	step->needs = needs;
	steps = lappend(steps, step);
}

/* Adds one step, and the relations above it: what is done through them is done to its rows. */
static void
add_step(Oid relid, AttrNumber key, AttrNumber value, bool deletes, bool by_name, TwpCategorySet needs)
{
	const char *key_name = key > 0 ? get_attname(relid, key, true) : NULL;
	const char *value_name = value > 0 ? get_attname(relid, value, true) : NULL;
	ListCell   *lc;

	add_one_step(relid, key, value, deletes, by_name, needs);
	foreach(lc, twp_protect_ancestors(relid))
		add_one_step(lfirst_oid(lc), key_name != NULL ? get_attnum(lfirst_oid(lc), key_name) : InvalidAttrNumber,
					 value_name != NULL ? get_attnum(lfirst_oid(lc), value_name) : InvalidAttrNumber,
					 deletes, false, needs);
}

/* Adds the hops of one path. */
static void
add_path(const TwpPath *path, TwpCategorySet needs)
{
	for (int i = 0; i < path->nhops; i++)
		add_step(path->hops[i].relid, path->hops[i].key_attno, path->hops[i].value_attno, true, true, needs);
}

/*
 * Adds the hops that the text of a path names, as far as they are there.  A
 * path that does not resolve today closes its table, but may resolve again
 * tomorrow: what was changed meanwhile would count then.
 */
static void
add_named_path(const char *text, TwpCategorySet needs)
{
	TwpHop		hop;

	while (text != NULL && (text = strstr(text, "->")) != NULL)
	{
		text += strlen("->");
		if (twp_protect_name_hop(text, &hop))
			add_step(hop.relid, hop.key_attno, hop.value_attno, true, true, needs);
	}
}

/* Adds the paths of a label that does not resolve. */
static void
add_broken(const TwpProtection *p, TwpCategorySet needs)
{
	ObjectAddress address = {RelationRelationId, p->source, 0};
	char	   *text = GetSecurityLabel(&address, "twin_privacy");
	const char *problem = NULL;
	const TwpTableLabel *label = text != NULL ? twp_protect_parse_leniently(text, true, &problem) : NULL;

	any_broken = true;
	if (label == NULL)
		return;
	add_named_path(label->subject, needs);
	add_named_path(label->label_column, needs);
}

/* True for a column that a path of the table begins with, or that tells a fact consents ask for. */
static bool
is_asked_for(const TwpProtection *p, AttrNumber attno)
{
	bool		asked = attno == p->subject.start || (p->has_label_path && attno == p->labels.start);

	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		asked |= p->facts[fact] != 0 && attno == p->facts[fact];
	return asked;
}

/*
 * True for a column whose NULL asks for less: no labels, no key to trace the
 * row by.  A row without a subject is nobody's, and only what is sure opens
 * where a fact is not known.
 */
static bool
opens_by_null(const TwpProtection *p, AttrNumber attno)
{
	return attno != p->subject.start &&
		((p->has_label_path && attno == p->labels.start) || attno == p->facts[TWP_ROW_KEY]);
}

/* Adds the step of one foreign key, if its actions would change what a path begins with, or a fact. */
static void
add_foreign_key(const TwpProtection *p, HeapTuple tuple, TwpCategorySet needs)
{
	const FormData_pg_constraint *constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	bool		updates = constraint->confupdtype != FKCONSTR_ACTION_NOACTION &&
		constraint->confupdtype != FKCONSTR_ACTION_RESTRICT;
	bool		deletes = constraint->confdeltype == FKCONSTR_ACTION_SETDEFAULT ||
		constraint->confdeltype == FKCONSTR_ACTION_SETNULL;
	AttrNumber	own[INDEX_MAX_KEYS];
	AttrNumber	theirs[INDEX_MAX_KEYS];
	int			n;

	if (constraint->contype != CONSTRAINT_FOREIGN || !(updates || deletes))
		return;
	DeconstructFkConstraintRow(tuple, &n, own, theirs, NULL, NULL, NULL, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		bool		opens = deletes && (constraint->confdeltype == FKCONSTR_ACTION_SETDEFAULT ||
										opens_by_null(p, own[i]));

		if (is_asked_for(p, own[i]) && (updates || opens))
			add_step(constraint->confrelid, theirs[i], theirs[i], opens, false, needs);
	}
}

/* Adds the foreign keys of a protected table and of those below it. */
static void
add_foreign_keys(Oid relid, TwpCategorySet needs)
{
	Relation	constraints = table_open(ConstraintRelationId, AccessShareLock);
	ListCell   *lc;

	foreach(lc, twp_protect_with_descendants(relid))
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		if (p == NULL || p->broken != NULL)
			continue;
		ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(p->relid));
		scan = systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			add_foreign_key(p, tuple, needs);
		systable_endscan(scan);
	}
	table_close(constraints, AccessShareLock);
}

/* Adds the paths of one protected table. */
static void
add_table(const TwpProtection *p)
{
	TwpCategorySet needs = p->category >= 0 ? TWP_CATEGORY_BIT(p->category) : 0;

	for (int i = 0; i < p->natts; i++)
		if (p->columns[i].category >= 0)
			needs |= TWP_CATEGORY_BIT(p->columns[i].category);
	if (p->broken != NULL)
	{
		add_broken(p, needs);
		return;
	}
	add_path(&p->subject, needs);
	if (p->has_label_path)
		add_path(&p->labels, needs);
	add_foreign_keys(p->relid, needs);
}

/* Makes the list current. */
static void
load_steps(void)
{
	uint64		started = twp_protect_generation();
	List	   *relids;
	ListCell   *lc;
	MemoryContext old;

	if (steps_generation == started)
		return;
	relids = twp_protect_labelled_relations();
	if (step_context == NULL)
		step_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy steps", ALLOCSET_SMALL_SIZES);
	steps = NIL;
	any_broken = false;
	steps_generation = 0;
	MemoryContextReset(step_context);
	foreach(lc, relids)
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));

		if (p == NULL)
			continue;
		old = MemoryContextSwitchTo(step_context);
		add_table(p);
		MemoryContextSwitchTo(old);
	}
	steps_generation = started;
}

/* Says whether the relation decides whose rows another's are. */
bool
twp_protect_is_on_path(Oid relid)
{
	ListCell   *lc;

	load_steps();
	foreach(lc, steps)
		if (((Step *) lfirst(lc))->relid == relid)
			return true;
	return false;
}

/* Says whether a path names the relation, and the column (0: none is asked about). */
bool
twp_protect_is_named_by_path(Oid relid, AttrNumber attno)
{
	ListCell   *lc;

	load_steps();
	foreach(lc, steps)
	{
		const Step *step = lfirst(lc);

		if (step->relid == relid && step->by_name &&
			(attno == 0 || attno == step->key_attno || attno == step->value_attno))
			return true;
	}
	return false;
}

/* Says whether some label does not resolve. */
bool
twp_protect_any_broken(void)
{
	load_steps();
	return any_broken;
}

/* Says whether a column that decides is computed from others of its row. */
bool
twp_protect_computes_subject(Oid relid)
{
	ListCell   *lc;

	load_steps();
	foreach(lc, steps)
	{
		const Step *step = lfirst(lc);

		if (step->relid == relid &&
			((step->key_attno > 0 && get_attgenerated(relid, step->key_attno) != '\0') ||
			 (step->value_attno > 0 && get_attgenerated(relid, step->value_attno) != '\0')))
			return true;
	}
	return false;
}

/* Says whether deleting one of its rows decides, too. */
bool
twp_protect_deletes_decide(Oid relid)
{
	ListCell   *lc;

	load_steps();
	foreach(lc, steps)
		if (((Step *) lfirst(lc))->relid == relid && ((Step *) lfirst(lc))->deletes)
			return true;
	return false;
}

/* True for the column itself, and for one that it is computed from. */
static bool
feeds(Oid relid, AttrNumber attno, AttrNumber target)
{
	return attno == target ||
		(target > 0 && get_attgenerated(relid, target) != '\0' &&
		 bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, twp_protect_computed_from(relid, target)));
}

/* Says whether a column's value decides whose row it is, here or at the other end of a path. */
bool
twp_protect_decides_subject(Oid relid, AttrNumber attno)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	ListCell   *lc;

	if (p != NULL && feeds(relid, attno, p->subject.start))
		return true;
	load_steps();
	foreach(lc, steps)
	{
		const Step *step = lfirst(lc);

		if (step->relid == relid && (feeds(relid, attno, step->key_attno) || feeds(relid, attno, step->value_attno)))
			return true;
	}
	return false;
}

/* Collects the categories that hang on the relation through paths. */
TwpCategorySet
twp_protect_path_needs(Oid relid)
{
	TwpCategorySet needs = 0;
	ListCell   *lc;

	load_steps();
	foreach(lc, steps)
		if (((Step *) lfirst(lc))->relid == relid)
			needs |= ((Step *) lfirst(lc))->needs;
	return needs;
}

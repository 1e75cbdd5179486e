/*
 * steps.c - tables that other tables' paths lead through.
 *
 * Whoever changes such a table's key or value changes whose rows others are.
 * The list of steps is made from all labels at once and kept until any
 * protection may have changed.
 */
#include "postgres.h"

#include "protect/protect.h"
#include "utils/memutils.h"

typedef struct Step
{
	Oid			relid;			/* the table a path leads through */
	AttrNumber	key_attno;
	AttrNumber	value_attno;
	TwpCategorySet needs;		/* of the table the path belongs to */
} Step;

static MemoryContext step_context = NULL;
static List *steps = NIL;
static uint64 steps_generation = 0;

/* Adds the hops of one path. */
static void
add_path(const TwpPath *path, TwpCategorySet needs)
{
	for (int i = 0; i < path->nhops; i++)
	{
		Step	   *step = palloc(sizeof(Step));

		step->relid = path->hops[i].relid;
		step->key_attno = path->hops[i].key_attno;
		step->value_attno = path->hops[i].value_attno;
		step->needs = needs;
		steps = lappend(steps, step);
	}
}

/* Adds the paths of one protected table. */
static void
add_table(const TwpProtection *p)
{
	TwpCategorySet needs = TWP_CATEGORY_BIT(p->category);

	for (int i = 0; i < p->natts; i++)
		if (p->columns[i].category >= 0)
			needs |= TWP_CATEGORY_BIT(p->columns[i].category);
	add_path(&p->subject, needs);
	if (p->has_label_path)
		add_path(&p->labels, needs);
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
	steps_generation = 0;
	MemoryContextReset(step_context);
	foreach(lc, relids)
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));

		if (p == NULL || p->broken != NULL)
			continue;
		old = MemoryContextSwitchTo(step_context);
		add_table(p);
		MemoryContextSwitchTo(old);
	}
	steps_generation = started;
}

/* Says whether some path leads through the relation. */
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

/* Says whether a column's value decides whose row it is, here or at the other end of a path. */
bool
twp_protect_decides_subject(Oid relid, AttrNumber attno)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	ListCell   *lc;

	if (p != NULL && attno == p->subject.start)
		return true;
	load_steps();
	foreach(lc, steps)
	{
		const Step *step = lfirst(lc);

		if (step->relid == relid && (attno == step->key_attno || attno == step->value_attno))
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

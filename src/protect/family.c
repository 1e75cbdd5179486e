/*
 * family.c - what stands above and below a protected relation.
 *
 * A row that goes in through a parent may come to lie in a child whose own
 * label asks for more.  Children found by a plan are compared when it starts;
 * those that rows are routed to while it runs are in no plan.  The list of such
 * children is made from all labels at once and kept until any protection may
 * have changed.
 */
#include "postgres.h"

#include "protect/protect.h"
#include "protect/protect_internal.h"
#include "utils/memutils.h"

typedef struct StrictChild
{
	Oid			relid;
	Oid			ancestor;
} StrictChild;

static List *strict_children = NIL;
static uint64 strict_generation = 0;

/* Lists all relations that stand above one in inheritance or partition trees. */
List *
twp_protect_ancestors(Oid relid)
{
	List	   *ancestors = twp_protect_parents(relid);

	for (int i = 0; i < list_length(ancestors); i++)
		ancestors = list_concat_unique_oid(ancestors, twp_protect_parents(list_nth_oid(ancestors, i)));
	return ancestors;
}

/* Makes the list of children with labels of their own current. */
static void
load_strict_children(void)
{
	uint64		started = twp_protect_generation();
	ListCell   *lc;
	ListCell   *up;

	if (strict_generation == started)
		return;
	list_free_deep(strict_children);
	strict_children = NIL;
	strict_generation = 0;
	foreach(lc, twp_protect_labelled_relations())
		foreach(up, twp_protect_ancestors(lfirst_oid(lc)))
		{
			MemoryContext old;
			StrictChild *child;

			if (twp_protect_lookup(lfirst_oid(lc)) == NULL ||
				twp_protect_agrees(lfirst_oid(lc), lfirst_oid(up)))
				continue;
			old = MemoryContextSwitchTo(TopMemoryContext);
			child = palloc(sizeof(StrictChild));
			child->relid = lfirst_oid(lc);
			child->ancestor = lfirst_oid(up);
			strict_children = lappend(strict_children, child);
			MemoryContextSwitchTo(old);
		}
	strict_generation = started;
}

/* A relation below this one whose own label asks for something else, or InvalidOid. */
Oid
twp_protect_strict_child(Oid relid)
{
	ListCell   *lc;

	load_strict_children();
	foreach(lc, strict_children)
		if (((StrictChild *) lfirst(lc))->ancestor == relid)
			return ((StrictChild *) lfirst(lc))->relid;
	return InvalidOid;
}

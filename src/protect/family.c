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

#include "base/catalog.h"
#include "catalog/pg_type.h"
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

/* Refuses while materialized views hold copies of the rows of a table, or of what stands below it. */
void
twp_protect_refuse_materialized_views(Oid relid)
{
	static const char *const query =
		"WITH RECURSIVE reader(oid) AS ("
		"  SELECT $1"
		"  UNION"
		"  SELECT n.oid FROM reader, LATERAL ("
		"    SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid"
		"    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass"
		"      AND d.refobjid = reader.oid AND r.ev_class <> reader.oid"
		"    UNION ALL SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = reader.oid) AS n(oid))"
		" SELECT c.oid::regclass::text FROM reader JOIN pg_class c USING (oid)"
		" WHERE c.relkind = 'm' ORDER BY 1 LIMIT 1";
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(relid)};

	twp_sql_connect();
	twp_sql_exec(query, 1, types, values, NULL);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("materialized view %s reads the table", twp_sql_text(0, 1)),
				 errhint("Its rows would be frozen outside consent: drop it and fill a protected table instead.")));
	twp_sql_finish();
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

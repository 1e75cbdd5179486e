/*
 * release_weight.c - whether a join gives some rows of a level more weight than others.
 *
 * Who joins a person's rows to each other so often that their sum is larger
 * than all others' reads it off the figure's leading digits, though the group
 * has the cohort.  So what is summed is of a source whose rows come once each:
 * to each of them all other sources give one row at most, because a subject
 * has one, or by a unique key, or by keys of the groups.  Rows are counted
 * where there is such a source.
 *
 * Private uses need none of this: their caps bound what a subject adds.
 */
#include "postgres.h"

#include "access/table.h"
#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

/* Columns of a source that are the same in all rows of a group; of the remainder's groups none are. */
static Bitmapset *
grouped_columns(const TwpLevel *level, int rti)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	if (twp_guard_remainder)
		return NULL;
	foreach(lc, level->query->groupClause)
	{
		TargetEntry *tle = get_sortgroupclause_tle(lfirst(lc), level->query->targetList);
		Node	   *column = twp_anonymity_resolve(level, (Node *) tle->expr);

		if (IsA(column, Var) && ((Var *) column)->varlevelsup == 0 && ((Var *) column)->varno == rti &&
			((Var *) column)->varattno > 0)
			columns = bms_add_member(columns, ((Var *) column)->varattno);
	}
	return columns;
}

/* True when a sub-query gives one row at most for values of a set of its columns: it groups by them. */
static bool
groups_by(const Query *query, const Bitmapset *columns)
{
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		TargetEntry *tle = get_sortgroupclause_tle(lfirst(lc), query->targetList);

		if (tle->resjunk || !bms_is_member(tle->resno, columns))
			return false;
	}
	return query->groupClause != NIL && query->groupingSets == NIL;
}

/* True when a source gives one row at most for each row, within its group, of those that are known. */
static bool
adds_no_rows(const TwpLevel *level, int rti, const Bitmapset *known)
{
	const TwpSource *source = &level->sources[rti - 1];
	RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);
	Bitmapset  *fixed;
	Relation	relation;
	bool		found;

	if (source->once || (!source->owned && rte->rtekind != RTE_RELATION))
		return true;
	fixed = bms_union(twp_anonymity_fixed_columns(level, rti, known), grouped_columns(level, rti));
	if (rte->rtekind == RTE_SUBQUERY)
		return groups_by(rte->subquery, fixed);
	if (rte->rtekind != RTE_RELATION || (rte->relkind != RELKIND_PARTITIONED_TABLE && has_subclass(rte->relid)))
		return false;
	relation = table_open(rte->relid, NoLock);
	found = twp_anonymity_has_unique(relation, fixed);
	table_close(relation, NoLock);
	return found;
}

/* True when all sources together give one row at most, within a group, for each row of one of them. */
static bool
follow_from(const TwpLevel *level, int base)
{
	Bitmapset  *known = bms_make_singleton(base);
	bool		progress = true;
	bool		all = true;

	while (progress)
	{
		progress = false;
		all = true;
		for (int i = 1; i <= level->nsources; i++)
		{
			if (!level->sources[i - 1].present || bms_is_member(i, known))
				continue;
			if (adds_no_rows(level, i, known))
			{
				known = bms_add_member(known, i);
				progress = true;
			}
			else
				all = false;
		}
	}
	return all;
}

/* Finds the sources of a level none of whose rows comes more than once in a group. */
Bitmapset *
twp_anonymity_find_bases(const TwpLevel *level)
{
	Bitmapset  *bases = NULL;

	for (int i = 0; i < level->nsources; i++)
		if (level->sources[i].present && level->sources[i].multiplied)
			return NULL;
	for (int i = 1; i <= level->nsources; i++)
		if (level->sources[i - 1].present && level->sources[i - 1].owned && follow_from(level, i))
			bases = bms_add_member(bases, i);
	return bases;
}

/* True when a column is of rows that come once each. */
bool
twp_anonymity_comes_once(const TwpLevel *level, const Var *var)
{
	return level->analysis->terms->noisy || bms_is_member(var->varno, level->bases);
}

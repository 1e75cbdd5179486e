/*
 * scan_plan.c - offers the planner a scan that judges rows page by page.
 *
 * A relation whose row rule is a plain call of row_visible (its subject is a
 * column of its own, its rows have no labels) can be read by our scan node
 * (scan.c), which asks the consent map for all rows of a page at once and so
 * hides the time memory takes.  The call is then the node's own and leaves the
 * plan's filter.  Everything else (index scans, joins) stays PostgreSQL's.
 *
 * Only where no row can be looked at again by itself (EvalPlanQual): in reads.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(twp_enforce_row_visible_support);

/* Part of a call's cost that remains when pages are judged at once. */
#define BATCH_COST 0.3

static Plan *make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist,
					   List *clauses, List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = "ConsentScan",
	.PlanCustomPath = make_plan,
};

/* The row rule among a relation's restrictions, if it is one we can judge page by page. */
static RestrictInfo *
find_rule(RelOptInfo *rel, Index rti)
{
	ListCell   *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		FuncExpr   *call = (FuncExpr *) rinfo->clause;
		Var		   *key;
		Const	   *labels;

		if (!IsA(call, FuncExpr) || rinfo->pseudoconstant || call->funcid != twp_enforce_row_visible_oid())
			continue;
		key = lthird(call->args);
		labels = lfourth(call->args);
		if (IsA(key, Var) && key->varno == rti && key->varattno > 0 && IsA(labels, Const) &&
			twp_enforce_scan_can_judge(DatumGetObjectId(((Const *) linitial(call->args))->constvalue)))
			return rinfo;
	}
	return NULL;
}

/* True for a heap that is read whole and never row by row again. */
static bool
is_plain_read(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	Relation	relation;
	bool		heap;

	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_RELATION || rte->inh ||
		rte->tablesample != NULL || root->parse->rowMarks != NIL || root->rowMarks != NIL ||
		(root->parse->commandType != CMD_SELECT && root->parse->commandType != CMD_INSERT))
		return false;
	relation = table_open(rte->relid, NoLock);
	heap = relation->rd_tableam == GetHeapamTableAmRoutine();
	table_close(relation, NoLock);
	return heap;
}

/* Makes our path from a sequential one. */
static CustomPath *
make_path(RelOptInfo *rel, const Path *like, RestrictInfo *rule)
{
	CustomPath *path = makeNode(CustomPath);
	QualCost	cost;

	path->path = *like;
	NodeSetTag(path, T_CustomPath);
	path->path.pathtype = T_CustomScan;
	cost_qual_eval_node(&cost, (Node *) rule->clause, NULL);
	path->path.total_cost -= cost.per_tuple * (1.0 - BATCH_COST) * rel->tuples /
		Max(like->parallel_workers, 1);
	path->path.total_cost = Max(path->path.total_cost, path->path.startup_cost);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make1(rule);
	path->methods = &path_methods;
	return path;
}

/* Adds our paths beside a relation's sequential ones. */
void
twp_enforce_add_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	RestrictInfo *rule;
	List	   *paths = NIL;
	List	   *partial = NIL;
	ListCell   *lc;
	const TwpRun *planning = twp_enforce_innermost();

	/* our scan goes forward only: a Material above it would hide it from WHERE CURRENT OF */
	if (planning != NULL && planning->scrolls)
		return;
	if (rel->baserestrictinfo == NIL || IS_DUMMY_REL(rel) || !twp_protect_is_protected(rte->relid) ||
		!is_plain_read(root, rel, rte) || (rule = find_rule(rel, rti)) == NULL)
		return;
	/* a page tells of more people than a statement may end up giving out */
	if (twp_decision_use()->max_subjects_per_day > 0)
		return;
	foreach(lc, rel->pathlist)
		if (((Path *) lfirst(lc))->pathtype == T_SeqScan)
			paths = lappend(paths, make_path(rel, lfirst(lc), rule));
	foreach(lc, rel->partial_pathlist)
		if (((Path *) lfirst(lc))->pathtype == T_SeqScan)
			partial = lappend(partial, make_path(rel, lfirst(lc), rule));
	foreach(lc, paths)
		add_path(rel, lfirst(lc));
	foreach(lc, partial)
		add_partial_path(rel, lfirst(lc));
}

/* Turns our path into a plan node that carries the rule and filters by the rest. */
static Plan *
make_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *best_path, List *tlist, List *clauses,
		  List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	RestrictInfo *rule = linitial_node(RestrictInfo, best_path->custom_private);
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
		if (lfirst(lc) != rule)
			others = lappend(others, lfirst(lc));
	Assert(list_length(others) + 1 == list_length(clauses));
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = twp_enforce_note_scan(extract_actual_clauses(others, false), castNode(FuncExpr, rule->clause));
	scan->scan.scanrelid = rel->relid;
	scan->flags = best_path->flags;
	scan->custom_private = list_make1(copyObject(rule->clause));
	scan->methods = twp_enforce_scan_methods();
	return &scan->scan.plan;
}

/* Planner support of row_visible: the share of data subjects for whom the table is open. */
Datum
twp_enforce_row_visible_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSelectivity *selectivity = (SupportRequestSelectivity *) request;
	Const	   *relid;
	Const	   *stamp;
	double		share;

	if (!IsA(request, SupportRequestSelectivity) || selectivity->is_join)
		PG_RETURN_POINTER(NULL);
	relid = linitial(selectivity->args);
	stamp = lsecond(selectivity->args);
	if (!IsA(relid, Const) || !IsA(stamp, Const) ||
		!twp_decision_is_current((uint64) DatumGetInt64(stamp->constvalue)))
		PG_RETURN_POINTER(NULL);
	share = twp_decision_share(DatumGetObjectId(relid->constvalue));
	if (share < 0)
		PG_RETURN_POINTER(NULL);
	selectivity->selectivity = Max(share, 1e-6);
	PG_RETURN_POINTER(request);
}

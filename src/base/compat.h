/*
 * compat.h - the one place that knows PostgreSQL versions.
 *
 * Everything else in the tree is written against the newest signatures and
 * includes this header when it needs one that changed between 15 and 18.
 * PG_VERSION_NUM may be tested nowhere else ("make lint" checks).
 */
#ifndef TWP_BASE_COMPAT_H
#define TWP_BASE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "twin_privacy is tested on PostgreSQL 15 to 18 only"
#endif

#define TWP_PG16_GE (PG_VERSION_NUM >= 160000)
#define TWP_PG17_GE (PG_VERSION_NUM >= 170000)
#define TWP_PG18_GE (PG_VERSION_NUM >= 180000)

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "utils/guc_tables.h"

/* 16 moved the varlena macros out of postgres.h (commit d952373a987). */
#if TWP_PG16_GE
#include "varatt.h"
#endif

/*
 * Symbols that other libraries (or the server) look up by name.  Everything else
 * is hidden (-fvisibility=hidden); the Makefile gives PGDLLEXPORT the meaning
 * that 16 and later give it by themselves.
 */
#define TWP_EXPORT PGDLLEXPORT

/* 16 exports the function here, not only its info record. */
#if !TWP_PG16_GE
#include "fmgr.h"
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int	no_such_variable
#endif

/* 18 has the C11 keyword before the declaration instead of an attribute behind it. */
#if !TWP_PG18_GE
#define pg_noreturn _Noreturn
#endif

/* 16 lets input functions report bad input without raising (commit d9f7f5d32f2). */
#if TWP_PG16_GE
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) ereport_domain((ERROR), TEXTDOMAIN, __VA_ARGS__)
#endif

/*
 * 16 moved permissions out of range table entries into a list of the query
 * (commit a61b1f74823).  When an entry becomes a subquery over itself, its
 * permissions go with the inner entry, a copy of the outer one as it was.
 */
static inline void
twp_compat_move_permissions(Query *query, RangeTblEntry *outer, Query *sub, RangeTblEntry *inner)
{
#if TWP_PG16_GE
	if (inner->perminfoindex > 0)
	{
		sub->rteperminfos = list_make1(copyObject(getRTEPermissionInfo(query->rteperminfos, inner)));
		inner->perminfoindex = 1;
		outer->perminfoindex = 0;
	}
#else
	outer->requiredPerms = 0;
	outer->checkAsUser = InvalidOid;
	outer->selectedCols = outer->insertedCols = outer->updatedCols = NULL;
	outer->extraUpdatedCols = NULL;
#endif
}

/* 18 asks for other orders than btree's, too (commit a8025f54487). */
#if TWP_PG18_GE
#define get_op_btree_interpretation get_op_index_interpretation
#endif

/* Columns an INSERT or UPDATE names explicitly (offset FirstLowInvalidHeapAttributeNumber). */
static inline Bitmapset *
twp_compat_written_columns(Query *query, RangeTblEntry *rte, bool insert)
{
#if TWP_PG16_GE
	RTEPermissionInfo *info = getRTEPermissionInfo(query->rteperminfos, rte);

	return insert ? info->insertedCols : info->updatedCols;
#else
	return insert ? rte->insertedCols : rte->updatedCols;
#endif
}

/*
 * 18 lets RETURNING name the old and new row (commit 80feb727c86): what
 * replaces such a reference must be NULL when that row does not exist.
 */
static inline Node *
twp_compat_returning(Node *replacement, const Var *original)
{
#if TWP_PG18_GE
	if (original->varreturningtype != VAR_RETURNING_DEFAULT)
	{
		ReturningExpr *expr = makeNode(ReturningExpr);

		expr->retlevelsup = original->varlevelsup;
		expr->retold = (original->varreturningtype == VAR_RETURNING_OLD);
		expr->retexpr = (Expr *) replacement;
		return (Node *) expr;
	}
#endif
	return replacement;
}

/* 17 lets MERGE's target differ from the result relation (commit 0294df2f1f8). */
static inline int
twp_compat_merge_target(const Query *query)
{
#if TWP_PG17_GE
	return query->mergeTargetRelation;
#else
	return 0;
#endif
}

/* 18 counts index searches through an extra argument (commit 0fbceae841c). */
static inline IndexScanDesc
twp_compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if TWP_PG18_GE
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* 18 gives the expressions of GROUP BY an entry of their own (commit 247dea89f76). */
static inline List *
twp_compat_group_exprs(const RangeTblEntry *rte)
{
#if TWP_PG18_GE
	return rte->rtekind == RTE_GROUP ? rte->groupexprs : NIL;
#else
	return NIL;
#endif
}

/*
 * Forgets what a query keeps beside the range table about entries that are
 * gone: permissions (16: see above), the entry of GROUP BY (18: see above).
 */
static inline void
twp_compat_forget_sources(Query *query)
{
#if TWP_PG16_GE
	query->rteperminfos = NIL;
#endif
#if TWP_PG18_GE
	query->hasGroupRTE = false;
#endif
}

/*
 * Puts the expressions themselves in place of references to joins' columns
 * and (18: see above) to groups, in what a query gives and asks of its groups.
 * 16 gave the function its first argument (commit a61b1f74823).
 */
static inline void
twp_compat_flatten_output(Query *query)
{
#if TWP_PG18_GE
	if (query->hasGroupRTE)
	{
		query->targetList = (List *) flatten_group_exprs(NULL, query, (Node *) query->targetList);
		query->havingQual = flatten_group_exprs(NULL, query, query->havingQual);
		query->hasGroupRTE = false;
	}
#endif
#if TWP_PG16_GE
	query->targetList = (List *) flatten_join_alias_vars(NULL, query, (Node *) query->targetList);
	query->havingQual = flatten_join_alias_vars(NULL, query, query->havingQual);
#else
	query->targetList = (List *) flatten_join_alias_vars(query, (Node *) query->targetList);
	query->havingQual = flatten_join_alias_vars(query, query->havingQual);
#endif
}

/* Says which outer joins may make a column NULL (16: commit 2489d76c490). */
static inline void
twp_compat_set_nulling(Var *var, Bitmapset *joins)
{
#if TWP_PG16_GE
	var->varnullingrels = bms_copy(joins);
#endif
}

/* Moves the permissions of all entries of a query to another one (16: see above). */
static inline void
twp_compat_hand_permissions(Query *from, Query *to)
{
#if TWP_PG16_GE
	to->rteperminfos = from->rteperminfos;
	from->rteperminfos = NIL;
#endif
}

/* 18 dropped ExecutorRun's execute_once (commit 3eea7a0c97e). */
#if TWP_PG18_GE
#define TWP_EXECUTOR_RUN_ARGS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define TWP_EXECUTOR_RUN_PASS queryDesc, direction, count
#else
#define TWP_EXECUTOR_RUN_ARGS QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define TWP_EXECUTOR_RUN_PASS queryDesc, direction, count, execute_once
#endif

/* Runs a query to its end. */
static inline void
twp_compat_executor_run(QueryDesc *query)
{
#if TWP_PG18_GE
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

/* Checks the privilege to insert into the columns of a range table item (16: see above). */
static inline void
twp_compat_check_insert(ParseState *pstate, ParseNamespaceItem *item, List *attnums)
{
	ListCell   *lc;
	Bitmapset  *columns = NULL;

	foreach(lc, attnums)
		columns = bms_add_member(columns, lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber);
#if TWP_PG16_GE
	item->p_perminfo->requiredPerms = ACL_INSERT;
	item->p_perminfo->insertedCols = columns;
	(void) ExecCheckPermissions(pstate->p_rtable, list_make1(item->p_perminfo), true);
#else
	item->p_rte->requiredPerms = ACL_INSERT;
	item->p_rte->insertedCols = columns;
	(void) ExecCheckRTPerms(pstate->p_rtable, true);
#endif
}

/* The role a range table entry is checked as, InvalidOid for the current one (16: see above). */
static inline Oid
twp_compat_check_as_user(Query *query, RangeTblEntry *rte)
{
#if TWP_PG16_GE
	return rte->perminfoindex > 0 ? getRTEPermissionInfo(query->rteperminfos, rte)->checkAsUser : InvalidOid;
#else
	return rte->checkAsUser;
#endif
}

/* The number of transactions completed so far, as snapshots carry it (17 renamed the variable). */
static inline uint64
twp_compat_completed_transactions(void)
{
#if TWP_PG17_GE
	return TransamVariables->xactCompletionCount;
#else
	return ShmemVariableCache->xactCompletionCount;
#endif
}

/* Empties a bitmap scan's counts of pages visited (18 keeps them for each worker, too). */
static inline void
twp_compat_forget_pages(BitmapHeapScanState *state)
{
#if TWP_PG18_GE
	memset(&state->stats, 0, sizeof(state->stats));
	for (int i = 0; state->sinstrument != NULL && i < state->sinstrument->num_workers; i++)
		memset(&state->sinstrument->sinstrument[i], 0, sizeof(state->sinstrument->sinstrument[i]));
#else
	state->exact_pages = state->lossy_pages = 0;
#endif
}

/* Name of the constraint that a subcommand of ALTER TABLE drops or (18) no longer enforces, or NULL. */
static inline const char *
twp_compat_ended_constraint(const AlterTableCmd *cmd)
{
#if TWP_PG18_GE
	if (cmd->subtype == AT_AlterConstraint)
	{
		const ATAlterConstraint *change = (const ATAlterConstraint *) cmd->def;

		return change->alterEnforceability && !change->is_enforced ? change->conname : NULL;
	}
#endif
	return cmd->subtype == AT_DropConstraint ? cmd->name : NULL;
}

#if TWP_PG18_GE
/* Empties what one index scan and its workers counted. */
static inline void
twp_compat_forget_searched(IndexScanInstrumentation *own, SharedIndexScanInstrumentation *shared)
{
	memset(own, 0, sizeof(*own));
	for (int i = 0; shared != NULL && i < shared->num_workers; i++)
		memset(&shared->winstrument[i], 0, sizeof(shared->winstrument[i]));
}
#endif

/* Empties the number of searches that 18 counts of an index scan: of how many values there are to skip. */
static inline void
twp_compat_forget_searches(PlanState *state)
{
#if TWP_PG18_GE
	if (IsA(state, IndexScanState))
		twp_compat_forget_searched(&((IndexScanState *) state)->iss_Instrument, ((IndexScanState *) state)->iss_SharedInfo);
	else if (IsA(state, IndexOnlyScanState))
		twp_compat_forget_searched(&((IndexOnlyScanState *) state)->ioss_Instrument,
								   ((IndexOnlyScanState *) state)->ioss_SharedInfo);
	else if (IsA(state, BitmapIndexScanState))
		twp_compat_forget_searched(&((BitmapIndexScanState *) state)->biss_Instrument,
								   ((BitmapIndexScanState *) state)->biss_SharedInfo);
#endif
}

/* A setting of PostgreSQL's own whose value is a text. */
static inline struct config_string *
twp_compat_text_setting(const char *name)
{
#if TWP_PG16_GE
	return (struct config_string *) find_option(name, false, false, ERROR);
#else
	struct config_generic **settings = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (strcmp(settings[i]->name, name) == 0)
			return (struct config_string *) settings[i];
	elog(ERROR, "there is no setting \"%s\"", name);
#endif
}

#endif							/* TWP_BASE_COMPAT_H */

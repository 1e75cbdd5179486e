/*
 * enforce.h - what hooks/ calls: planning, running and utility commands.
 *
 * Glossary.  Mark: a note on a range table entry that says how it was treated
 * (rewritten for a use, raw for maintenance, a foreign-key check).  A plan
 * with a protected relation that carries no fitting mark does not run.
 *
 * Contract: ordinary functions; the caller chains PostgreSQL's hooks.
 */
#ifndef TWP_ENFORCE_H
#define TWP_ENFORCE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"
#include "utils/relcache.h"

extern void twp_enforce_init(void);

/* Before planning: rewrites the query in place; true when it reads or writes protected tables. */
extern bool twp_enforce_plan(Query *query, int *cursor_options);
/* Planning of one relation: beside PostgreSQL's paths, a scan that judges rows page by page. */
extern void twp_enforce_add_paths(PlannerInfo *root, RelOptInfo *rel, Index rti,
								  RangeTblEntry *rte);
/* Row security's own hook: what keeps PostgreSQL's default deny from closing our tables. */
extern List *twp_enforce_permissive_policies(CmdType command, Relation relation);
/* LANGUAGE sql set-returning functions must not be inlined behind our back. */
extern bool twp_enforce_keeps_function(Oid function);

/* Executor: start, each run (or fetch), end, and what is left at abort. */
extern void twp_enforce_start(QueryDesc *query, int eflags);
extern void twp_enforce_run(QueryDesc *query);
extern void twp_enforce_ran(QueryDesc *query);
extern void twp_enforce_failed(QueryDesc *query);
extern void twp_enforce_end(QueryDesc *query);

/* Utility: before returns false when the command was carried out here. */
extern bool twp_enforce_utility_before(PlannedStmt *pstmt, const char *query_string,
									   ProcessUtilityContext context, ParamListInfo params,
									   DestReceiver *dest, QueryCompletion *qc, void **state);
extern void twp_enforce_utility_after(PlannedStmt *pstmt, void *state);

#endif							/* TWP_ENFORCE_H */

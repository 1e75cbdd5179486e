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

#include "base/compat.h"
#include "catalog/objectaccess.h"
#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"
#include "utils/relcache.h"

extern void twp_enforce_init(void);
extern void twp_enforce_shmem_request(void);
extern void twp_enforce_shmem_startup(void);

/* Before planning: rewrites the query in place; true when it reads or writes protected tables. */
extern bool twp_enforce_plan(Query *query, int *cursor_options);
/* Planning of one relation: beside PostgreSQL's paths, a scan that judges rows page by page. */
extern void twp_enforce_add_paths(PlannerInfo *root, RelOptInfo *rel, Index rti,
								  RangeTblEntry *rte);
/* After planning such a query: lets each scan of protected rows tell whose rows passed all its filters. */
extern void twp_enforce_planned(PlannedStmt *plan);
/* Makes the checks of new rows that are owed; raises, and still owes, when one may not be stored. */
extern void twp_enforce_settle_owed(void);
/* Row security's own hook: what keeps PostgreSQL's default deny from closing our tables. */
extern List *twp_enforce_permissive_policies(CmdType command, Relation relation);
/* LANGUAGE sql set-returning functions must not be inlined behind our back. */
extern bool twp_enforce_keeps_function(Oid function);

/*
 * One execution on the stack of executions; lives in the hook's own frame.
 * What runs within what decides two questions: is a foreign-key query
 * PostgreSQL's own, and would a value read here be stored there.
 */
typedef struct TwpRun
{
	struct TwpRun *outer;
	struct PortalData *portal;	/* in which it runs, or NULL */
	struct TwpStatement *statement; /* protected data is being read or written, or NULL */
	bool		holds;			/* what the statement reads may not be exported */
	bool		writes;			/* its plan writes rows */
	bool		foreign_key;	/* begun under PostgreSQL's foreign-key context */
	bool		stores;			/* writes to a table that is not protected, or carries values out */
	const PlannedStmt *finishes;	/* whose after-triggers run, or NULL */
	bool		plans;			/* the planner runs */
	bool		touches;		/* on a query of protected tables */
	bool		folds;			/* and works out a function into the plan */
	bool		scrolls;		/* and plans for a cursor that goes both ways */
	bool		starts;			/* a plan is being started */
	bool		asks;			/* that asks whether something is permitted */
	bool		temporary;		/* a command that makes a table of the session's own */
	int			quiet;			/* level of settings at which nothing is counted, or 0 */
	Node	   *utility;		/* the command that runs, until it was checked again */
} TwpRun;

/*
 * Planning, starting and utility commands are bracketed by _setup; then each run or fetch,
 * finishing, ending.  _enter may raise
 * and then has not entered; _leave and _failed never raise but for _failed,
 * which re-raises the error being handled, without what it must not tell.
 */
extern void twp_enforce_start(QueryDesc *query, int eflags);
extern void twp_enforce_enter_planning(TwpRun *run, bool touches, int cursor_options);
extern void twp_enforce_enter_start(TwpRun *run);
/* Records the refusal, when the error being handled is one, of what failed while it was set up. */
extern void twp_enforce_start_failed(QueryDesc *query);
extern void twp_enforce_leave_setup(TwpRun *run);
extern void twp_enforce_leave_start(TwpRun *run, QueryDesc *query);
extern void twp_enforce_enter_utility(TwpRun *run, Node *utility);
extern void twp_enforce_enter_run(TwpRun *run, QueryDesc *query);
extern void twp_enforce_enter_finish(TwpRun *run, QueryDesc *query);
extern void twp_enforce_leave(TwpRun *run, QueryDesc *query);
pg_noreturn extern void twp_enforce_failed(TwpRun *run, QueryDesc *query);
/* Before PostgreSQL ends a plan; gives what twp_enforce_end_quiet() is told afterwards. */
extern int	twp_enforce_end(QueryDesc *query);
extern void twp_enforce_end_quiet(int level);
/* A plan was started, perhaps only to be printed: empties figures about hidden rows. */
extern void twp_enforce_explain_started(QueryDesc *query, int eflags);
/* A function is about to be set up for execution. */
extern void twp_enforce_function_executes(Oid function);
/* True where a setting that other sessions see would tell what was read. */
extern bool twp_enforce_setting_tells(void);
/* A relation is about to be emptied. */
extern void twp_enforce_drops(Oid relid, int attno);
extern void twp_enforce_truncates(Oid relid);
/* A message is about to be written or sent: takes values of protected rows out of it. */
extern void twp_enforce_edit_message(ErrorData *error);

/* Utility: before returns false when the command was carried out here. */
extern bool twp_enforce_utility_before(PlannedStmt *pstmt, const char *query_string,
									   ProcessUtilityContext context, ParamListInfo params,
									   DestReceiver *dest, QueryCompletion *qc, void **state);
extern void twp_enforce_utility_after(PlannedStmt *pstmt, void *state);
/* An error of a utility command, re-raised without values of protected rows. */
pg_noreturn extern void twp_enforce_utility_failed(Node *utility);
/* A table (attno 0) or column is about to be dropped. */
extern void twp_enforce_relation_dropped(Oid relid, AttrNumber attno);
/* A schema is looked up by name: ours is not to be named by everybody. */
extern void twp_enforce_schema_named(Oid schema, ObjectAccessNamespaceSearch *search);

#endif							/* TWP_ENFORCE_H */

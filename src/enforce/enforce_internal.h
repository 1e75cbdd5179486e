/*
 * enforce_internal.h - shared between the files of the room.
 */
#ifndef TWP_ENFORCE_INTERNAL_H
#define TWP_ENFORCE_INTERNAL_H

#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/subject.h"
#include "decision/decision.h"
#include "enforce/enforce.h"
#include "ledger/ledger.h"
#include "pseudonym/pseudonym.h"

/* How a range table entry was treated. */
typedef enum TwpMarkMode
{
	TWP_MARK_NONE = 0,
	TWP_MARK_USE = 'u',			/* rewritten under a use */
	TWP_MARK_MAINTENANCE = 'm', /* raw, for a superuser in maintenance */
	TWP_MARK_FOREIGN_KEY = 'f', /* raw, PostgreSQL's own foreign-key query */
} TwpMarkMode;

typedef struct TwpMark
{
	TwpMarkMode mode;
	Oid			relid;
	uint64		stamp;
	uint64		protection_hash;
} TwpMark;

/* mark.c */
extern void twp_enforce_set_mark(RangeTblEntry *rte, TwpMarkMode mode, uint64 stamp,
								 uint64 protection_hash);
extern bool twp_enforce_get_mark(const RangeTblEntry *rte, TwpMark *mark);
extern bool twp_enforce_is_foreign_key_query(const Query *query);
/* ALTER TABLE is adding or validating a foreign key, and no query of a user's runs (utility.c). */
extern bool twp_enforce_adding_foreign_key;
extern void twp_enforce_check_again(Node *utility);
extern HeapTuple twp_enforce_find_constraint(Oid relid, const char *name);
extern bool twp_enforce_adds_foreign_key_between(Oid from, Oid to);
/* True where PostgreSQL itself is about to run a foreign-key query (run.c). */
extern bool twp_enforce_in_foreign_key_check(void);

/* build.c: expressions over our runtime functions. */
typedef enum TwpFunction
{
	TWP_FN_ROW_VISIBLE,
	TWP_FN_ROW_WRITABLE,
	TWP_FN_ROW_OWED,
	TWP_FN_ROW_DELETABLE,
	TWP_FN_ROW_NOTED,
	TWP_FN_CELL,
	TWP_FN_CELL_STRICT,
	TWP_FN_CELL_WRITE,
	TWP_FN_CELL_WRITABLE,
	TWP_FN_SUBJECT_WRITE,
	TWP_FN_FIXED_WRITE,
	TWP_FN_PURPOSE_WRITTEN,
	TWP_FN_UNTRACED,
	TWP_FN_STATISTICS,
	TWP_FN_SUBJECT_KEY,
	N_TWP_FUNCTIONS
} TwpFunction;

extern Oid	twp_enforce_function_oid(TwpFunction function);
extern Node *twp_enforce_row_expr(TwpFunction function, const TwpTableVerdict *v, int rti);
/* The value's replacement: itself, NULL, or a call; value is an expression of the column's type. */
extern Node *twp_enforce_cell_expr(TwpFunction function, const TwpTableVerdict *v,
								   AttrNumber attno, Node *value, const Var *like);
extern Node *twp_enforce_cell_call(TwpFunction function, const TwpTableVerdict *v,
								   AttrNumber attno, Node *value, const Var *like);
extern Node *twp_enforce_purpose_check(const TwpTableVerdict *v, int rti);
extern Node *twp_enforce_untraced_expr(Oid relid, int rti);
extern Node *twp_enforce_null(Oid type, int32 typmod, Oid collation);
/* Row of all columns as the relation's row type, each replaced. */
extern Node *twp_enforce_whole_row(TwpFunction function, const TwpTableVerdict *v, const Var *like);

/* context.c: protected data beside tables for insurance and employment. */
extern void twp_enforce_refuse_meeting(PlannedStmt *plan);
extern void twp_enforce_meet_copied(Oid relid);

/* lineage.c: tables by whose rows others are traced. */
extern void twp_enforce_guard_provenance(Query *query);
extern void twp_enforce_announce_writes(PlannedStmt *plan);

/* cell.c: refuses unless a decision of the stamp is in force. */
extern void twp_enforce_require_decision(uint64 stamp);

/* owed.c: checks of new rows, made many at once. */
extern TwpFunction twp_enforce_insert_check(const TwpTableVerdict *v);
pg_noreturn extern void twp_enforce_refuse_row(Oid relid);
extern void twp_enforce_owed_at_transaction_end(XactEvent event);
extern void twp_enforce_owed_at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent);

/* wrap.c, write.c */
extern void twp_enforce_refuse_hidden_column(const TwpTableVerdict *v, AttrNumber attno);
extern Node *twp_enforce_cell_check(const TwpTableVerdict *v, int rti, AttrNumber attno);
/* What stands for a system column that must not tell a row's place. */
extern Expr *twp_enforce_empty_system_column(const TwpTableVerdict *v, AttrNumber attno);
extern void twp_enforce_protect_read(Query *query, int rti, const TwpTableVerdict *v);
extern void twp_enforce_protect_write(Query *query, int rti, const TwpTableVerdict *v);
extern void twp_enforce_refuse_strict_partitions(Oid relid);

/* mask.c */
extern Datum twp_enforce_mask(const TwpMask *mask, Oid type, Datum value, TwpDomain *domain,
							  const TwpSubject *subject, bool *isnull);

/* The argument of row_visible and row_writable that holds the first fact. */
#define TWP_FIRST_FACT_ARG 4
/* The one that holds the transaction that wrote the row. */
#define TWP_BORN_ARG (TWP_FIRST_FACT_ARG + TWP_ROW_FACTS)

/* cell.c: is a row of nobody's own open to all whose data it is made from? */
extern bool twp_enforce_pooled_is_open(const TwpTableVerdict *v, TwpCategorySet needs, const TwpSubject *key,
									   TransactionId born);

/* facts.c: what a row tells of itself, for consents that ask. */
extern bool twp_enforce_knows_facts(const TwpProtection *p);
extern TwpCategorySet twp_enforce_open_row(const TwpProtection *p, const TwpSubject *subject, List *labels,
										   FunctionCallInfo fcinfo);

/* private.c: the query of a release that is being planned, which was judged before; or NULL */
extern Query *twp_enforce_inner_release;

/* plan.c */
extern bool twp_enforce_touches_protected(PlannedStmt *plan);
extern void twp_enforce_refuse_plan(const RangeTblEntry *rte, bool stale);
extern void twp_enforce_refuse_in_worker(PlannedStmt *plan);
extern TwpMarkMode twp_enforce_check_marks(PlannedStmt *plan, uint64 stamp);
extern List *twp_enforce_marked_relations(PlannedStmt *plan);
extern bool twp_enforce_keeps_rows(PlanState *state, bool function_rows);
extern bool twp_enforce_may_update(PlannedStmt *plan);
extern bool twp_enforce_gives_scanned_rows(const PlannedStmt *plan);


/* run.c: what runs within what. */
extern TwpRun *twp_enforce_innermost(void);
extern void twp_enforce_push_run(TwpRun *run, QueryDesc *query, struct TwpStatement *statement, bool holds);
extern void twp_enforce_pop_run(TwpRun *run, bool gives);
extern void twp_enforce_begin_start(bool may_export, bool writes);
extern void twp_enforce_forget_runs(void);
extern void twp_enforce_refuse_write_down(const QueryDesc *query);
extern void twp_enforce_refuse_storing(const QueryDesc *query);
extern void twp_enforce_refuse_folding(void);
extern void twp_enforce_note_carrier(bool stores);
extern void twp_enforce_note_question(void);
extern bool twp_enforce_asks(const QueryDesc *query);
extern bool twp_enforce_command_keeps_nothing(Node *utility);
extern void twp_enforce_note_folding(bool folds);
extern Node *twp_enforce_first_code_of_command(void);
/* True while protected values that may not be exported are in hand. */
extern bool twp_enforce_holds_values(void);
extern bool twp_enforce_writes_rows(void);
/* True when the client's command has read such values and goes on. */
extern bool twp_enforce_has_read(void);

/* stored.c: what a command stored before it reads. */
extern void twp_enforce_command_begins(void);
extern void twp_enforce_note_stored(const QueryDesc *query);
extern void twp_enforce_end_level(bool commits);
extern void twp_enforce_refuse_undoing(void);

/* statement.c */
extern bool twp_enforce_wrote_protected(void);
extern void twp_enforce_watch_errors(void);
extern void twp_enforce_unwatch_errors(void);
/* The transaction changed protected rows by whatever right: what it sees may be undone. */
extern bool twp_enforce_changed;

/* discreet.c: what errors must not tell. */
pg_noreturn extern void twp_enforce_rethrow_discreetly(bool touches_protected);
pg_noreturn extern void twp_enforce_rethrow_copied(ErrorData *error, bool touches_protected);

/* effect.c: functions and commands that carry values out. */
extern void twp_enforce_check_side_effect(Node *utility);
extern bool twp_enforce_command_stores(Node *utility);

/* record.c */
extern uint64 twp_enforce_mix_policy(uint64 hash, const TwpProtection *p);
extern void twp_enforce_describe(TwpIntent *intent, List *relids, bool maintenance);
/* A utility command (COPY FROM) that writes protected rows, recorded as statements are. */
extern uint64 twp_enforce_begin_command(Oid relid);
extern void twp_enforce_end_command(uint64 record_id, uint64 rows, TwpOutcome outcome);
/* In an error handler: records that the statement was refused, if that is what the error says. */
extern TwpOutcome twp_enforce_outcome_of_error(void);
extern void twp_enforce_record_refusal(List *relids);
/* A visible row of the running statement was of this subject. */
extern void twp_enforce_note_subject(const TwpSubject *subject);
/* An expression that notes the subject of the row a row rule is about. */
extern Node *twp_enforce_make_note(const FuncExpr *rule);
/* The set to note many in, or NULL: then each is told by itself. */
extern TwpSubjectSet *twp_enforce_noting(void);
/* COPY ... TO a file or program is under way (results leave the database). */
extern bool twp_enforce_copying_out;

/* copy.c: false when the command was carried out. */
extern bool twp_enforce_copy(PlannedStmt *pstmt, const char *query_string, QueryCompletion *qc);

/* ddl.c */
extern Oid	twp_enforce_relation_of(const RangeVar *range);
extern void twp_enforce_require_admin(Oid relid, const char *what);
extern void twp_enforce_guard_step(Oid relid, const char *what);
extern void twp_enforce_check_rename(const RangeVar *relation, bool schema);
extern bool twp_enforce_is_trusted(void);
extern bool twp_enforce_serves_protected(const char *query, Oid object);
extern void twp_enforce_refuse_untrusted(const char *what);
extern bool twp_enforce_type_is_builtin(TypeName *name);
extern void twp_enforce_check_conversion(Oid relid, const char *column, const ColumnDef *definition);
extern void twp_enforce_guard_own(Oid relid);
extern void twp_enforce_guard_ours(Node *node);
extern void twp_enforce_check_alter_table(const AlterTableStmt *stmt, bool again);
extern void twp_enforce_check_index(const IndexStmt *stmt);

/* heir.c: tables that come below protected ones, and leave. */
extern void twp_enforce_refuse_open_parent(Oid parent, Oid child);
extern void twp_enforce_check_beside_default(Oid parent);
extern void twp_enforce_check_create_table(const CreateStmt *stmt);
extern void twp_enforce_check_order(Oid relid, const char *index_name);
extern void twp_enforce_check_statistics(const CreateStatsStmt *stmt);
extern void twp_enforce_check_domain(const AlterDomainStmt *stmt);
extern void twp_enforce_check_publication(const List *objects);
extern void twp_enforce_check_truncate(const TruncateStmt *stmt);
extern List *twp_enforce_remember_detached(const AlterTableStmt *stmt);
extern void twp_enforce_protect_detached(List *remembered);
extern void twp_enforce_protect_created(const CreateStmt *stmt);
extern void twp_enforce_protect_attached(const AlterTableStmt *stmt);
extern void twp_enforce_refuse_materialized_view(Oid relid);

/* claims.c: what the functions of a query claim of themselves. */
typedef struct TwpClaims
{
	Oid			leakproof;		/* one that is not believed, or InvalidOid */
	bool		parallel;		/* an interpreted one claims to be safe in workers */
} TwpClaims;

extern void twp_enforce_claims_init(void);
extern void twp_enforce_note_claims(Node *node, TwpClaims *claims);
extern void twp_enforce_refuse_leakproof(const TwpClaims *claims);
extern bool twp_enforce_claims_exist(void);

/* dependent.c */
extern void twp_enforce_check_altered_function(List *qualified_name);

/* statistics.c */
extern void twp_enforce_filter_statistics(RangeTblEntry *rte, int rti);

/* held.c */
extern void twp_enforce_note_held(const QueryDesc *query, uint64 stamp, bool may_export);
extern void twp_enforce_note_asked(const QueryDesc *query);
extern void twp_enforce_note_answered(void);
extern void twp_enforce_note_open(const QueryDesc *query);
extern void twp_enforce_note_fetched(const char *cursor);
extern void twp_enforce_hear(void);
extern void twp_enforce_note_horizon(TimestampTz horizon);
extern void twp_enforce_close_held(void);
extern void twp_enforce_check_held(void);
extern void twp_enforce_explain_closed(ErrorData *error);
extern void twp_enforce_check_portal(const QueryDesc *query);
extern bool twp_enforce_rows_are_held(void);

/* rouse.c: news for sessions that keep rows. */
extern Size twp_enforce_rouse_size(void);
extern void twp_enforce_rouse_startup(void);
extern void twp_enforce_rouse_init(void);
extern void twp_enforce_keep_rows(bool keeps);

/* explain.c */
extern bool twp_enforce_explain_starts(QueryDesc *query, int eflags);
extern void twp_enforce_explain_ran(QueryDesc *query, bool own_plan);
extern void twp_enforce_explain_planned(void);

/* quiet.c */
/* Refuses what would show how many rows a statement meets, where the bound use gives figures only. */
extern void twp_enforce_refuse_counting(const QueryDesc *query, int eflags);
/* Begins something of which nothing is counted or logged to the client; gives what ends it. */
extern int	twp_enforce_begin_quiet(void);
/* Begins a run likewise, where the bound use gives figures only; gives 0 elsewhere. */
extern int	twp_enforce_begin_quiet_run(const QueryDesc *query);

#endif							/* TWP_ENFORCE_INTERNAL_H */

/*
 * enforce_internal.h - shared between the files of the room.
 */
#ifndef TWP_ENFORCE_INTERNAL_H
#define TWP_ENFORCE_INTERNAL_H

#include "postgres.h"

#include "base/subject.h"
#include "decision/decision.h"
#include "enforce/enforce.h"
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

/* build.c: expressions over our runtime functions. */
typedef enum TwpFunction
{
	TWP_FN_ROW_VISIBLE,
	TWP_FN_ROW_WRITABLE,
	TWP_FN_CELL,
	TWP_FN_CELL_STRICT,
	TWP_FN_CELL_WRITE,
	N_TWP_FUNCTIONS
} TwpFunction;

extern Node *twp_enforce_row_expr(TwpFunction function, const TwpTableVerdict *v, int rti);
/* The value's replacement: itself, NULL, or a call; value is an expression of the column's type. */
extern Node *twp_enforce_cell_expr(TwpFunction function, const TwpTableVerdict *v,
								   AttrNumber attno, Node *value, const Var *like);
extern Node *twp_enforce_null(Oid type, int32 typmod, Oid collation);
/* Row of all columns as the relation's row type, each replaced. */
extern Node *twp_enforce_whole_row(TwpFunction function, const TwpTableVerdict *v, const Var *like);

/* wrap.c, write.c */
extern void twp_enforce_protect_read(Query *query, int rti, const TwpTableVerdict *v);
extern void twp_enforce_protect_write(Query *query, int rti, const TwpTableVerdict *v);

/* mask.c */
extern Datum twp_enforce_mask(const TwpMask *mask, Oid type, Datum value, TwpDomain *domain,
							  const TwpSubject *subject, bool *isnull);

/* path.c: the value at the end of a path for a row's start value. */
extern Datum twp_enforce_follow_path(const TwpPath *path, Datum start, bool *isnull);

/* statement.c */
extern bool twp_enforce_touches_protected(PlannedStmt *plan);

/* copy.c */
extern bool twp_enforce_copy(PlannedStmt *pstmt, const char *query_string,
							 DestReceiver *dest, QueryCompletion *qc);

#endif							/* TWP_ENFORCE_INTERNAL_H */

/*
 * release_internal.h - shared by the files that judge and rewrite queries.
 *
 * Glossary.  Level: one Query.  Owned: every row is computed from one data
 * subject's rows and public data.  Public: no row tells of fewer subjects than
 * the cohort.  Release: a level that groups owned rows by something else than
 * the subject; the only step from owned to public.  Source: an entry of a
 * level's FROM.
 */
#ifndef TWP_RELEASE_INTERNAL_H
#define TWP_RELEASE_INTERNAL_H

#include "postgres.h"

#include "anonymity/anonymity.h"
#include "base/compat.h"
#include "nodes/parsenodes.h"
#include "protect/protect.h"
#include "utils/relcache.h"

/* What a column of an owned source is. */
typedef enum TwpData
{
	TWP_DATA_PUBLIC,			/* of a clean table or a release */
	TWP_DATA_OWNED,				/* owned: may group and filter */
	TWP_DATA_VALUE,				/* owned: may also be summed */
	TWP_DATA_SUBJECT_VALUE,		/* likewise, one figure a subject: zero may mean "none" */
	TWP_DATA_SUBJECT,			/* the subject's key */
	TWP_DATA_IDENTIFIER,		/* labelled as identifier */
} TwpData;

typedef struct TwpSource
{
	bool		present;		/* is in the FROM */
	bool		owned;
	bool		nullable;		/* behind an outer join */
	bool		one_row;
	int			class;			/* owned sources joined by their subject have one number */
	int			nmarks;
	TwpData  *marks;			/* index attno - 1 */
	bool	   *filled;			/* never NULL in this source, index attno - 1; or NULL */
	TwpBounds  *bounds;			/* of numbers, index attno - 1; or NULL */
	char	  **values;			/* all a column may have, by label, index attno - 1; or NULL */
	bool		once;			/* no subject has more than one row */
	bool		multiplied;		/* rows of a subject come several times each */
	Bitmapset  *nulling;		/* outer joins behind which it is */
	AttrNumber	subject;		/* 0 when a path leads to it */
	const TwpPath *path;		/* from a column of the source to its subject, or NULL */
} TwpSource;

/* What a query gives to the one that holds it. */
typedef struct TwpOutput
{
	bool		owned;
	bool		one_row;
	int			nmarks;
	TwpData  *marks;
	TwpBounds  *bounds;			/* of owned rows; or NULL */
	bool		once;			/* no subject has more than one row */
	bool		multiplied;		/* rows of a subject come several times each */
	AttrNumber	subject;
} TwpOutput;

/* A condition that a row fulfils, or (side set) that the rows of an outer join's nullable side do. */
typedef struct TwpConjunct
{
	Node	   *expr;
	Bitmapset  *side;
} TwpConjunct;

typedef struct TwpAnalysis
{
	const TwpReleaseTerms *terms;
	List	   *judged;			/* RangeTblEntry *: protected relations that were judged */
} TwpAnalysis;

/* A figure of a release: what the differencing guard sketches. */
typedef struct TwpReleaseFigure
{
	Node	   *condition;		/* rows that count, or NULL for all */
	Var		   *value;			/* what is summed; NULL: rows are counted */
	Aggref	   *subjects;		/* different subjects are counted: the aggregate that does */
	bool		part;			/* the common aggregate says whether the part of the group is large enough */
	Node	   *shown;			/* whether it is, or NULL */
	Node	   *sketch;			/* of subjects, where it is no longer that aggregate's own */
} TwpReleaseFigure;

typedef struct TwpLevel
{
	TwpAnalysis *analysis;
	struct TwpLevel *parent;	/* for names of CTEs */
	Query	   *query;
	bool		owned;
	bool		full_join;
	int			nsources;
	TwpSource  *sources;		/* index rti - 1 */
	List	   *conjuncts;
	List	   *ctes;			/* TwpOutput *, as query->cteList */
	Bitmapset  *bases;			/* sources whose rows come once each */
	int			subject_rti;	/* the source whose subject stands for the level's */
	List	   *columns;		/* TargetEntry *: what the groups of a release give */
	List	   *figures;		/* TwpReleaseFigure * */
} TwpLevel;

/* Refuses the query; hint may be NULL. */
pg_noreturn extern void twp_anonymity_refuse(const TwpAnalysis *analysis, const char *hint, const char *fmt,...)
			pg_attribute_printf(3, 4);

/* release.c */
extern TwpOutput *twp_anonymity_query(TwpAnalysis *analysis, Query *query, TwpLevel *parent);
extern bool twp_anonymity_touches(Node *node);
extern bool twp_anonymity_refers_out(Query *query);
/* The subject of a level as an expression. */
extern Node *twp_anonymity_subject(const TwpLevel *level);
/* A column of a source as an expression. */
extern Node *twp_anonymity_column(const TwpLevel *level, int rti, AttrNumber attno);
extern void twp_anonymity_sublink(TwpLevel *level, SubLink *sublink);
/* True when an outer join may add rows of protected tables, or none, to a level's others. */
extern bool twp_anonymity_joins_outer(const TwpLevel *level);
/* True when no subject has more than one row of a level's join. */
extern bool twp_anonymity_gives_once(const TwpLevel *level);
/* Refuses protected relations that nobody judged. */
extern void twp_anonymity_check_judged(TwpAnalysis *analysis, Query *query);

/* release_from.c */
extern void twp_anonymity_judge_source(TwpLevel *level, int rti, bool nullable);
extern void twp_anonymity_judge_from(TwpLevel *level, Node *node, bool nullable);
/* True when an expression is the subject of an owned source of the level; gives which. */
extern bool twp_anonymity_is_subject(const TwpLevel *level, Node *expr, int *rti);
/* True for a condition that matches the subjects of two sources. */
extern bool twp_anonymity_is_match(const TwpLevel *level, Node *expr, int *a, int *b);
extern void twp_anonymity_match_subjects(TwpLevel *level);
extern void twp_anonymity_check_sources(TwpLevel *level);
/* True when a relation has a unique index all of whose columns are in a set. */
extern bool twp_anonymity_has_unique(Relation relation, const Bitmapset *columns);
/* Columns of a source that conditions equate with sources that are known. */
extern Bitmapset *twp_anonymity_fixed_columns(const TwpLevel *level, int rti, const Bitmapset *known);

/* release_weight.c */
/* The sources whose rows come once each, within a group; NULL: there is none. */
extern Bitmapset *twp_anonymity_find_bases(const TwpLevel *level);
/* True when a column is of such a source, or noise is made for all its rows. */
extern bool twp_anonymity_comes_once(const TwpLevel *level, const Var *var);
extern void twp_anonymity_check_clean(const TwpAnalysis *analysis, const RangeTblEntry *rte);

/* release_expr.c */
/* What a column reference names, seen through joins; an expression when it is none. */
extern Node *twp_anonymity_resolve(const TwpLevel *level, Node *node);
/* Mark of a bare column, seen through casts that keep the number; false for anything else. */
extern bool twp_anonymity_mark(const TwpLevel *level, Node *node, TwpData *mark, Var **var);
/* True when a column of the level is never NULL. */
extern bool twp_anonymity_is_filled(const TwpLevel *level, const Var *var);
/* Raises unless the expression can be evaluated on owned rows without telling anything. */
extern void twp_anonymity_check(TwpLevel *level, Node *node);
extern void twp_anonymity_check_collation(TwpLevel *level, Node *expr);
/* Raises unless a query that reads no protected table can be evaluated in an owned level. */
extern void twp_anonymity_check_public(TwpLevel *level, Query *query);

/*
 * Puts functions of ours, which cannot fail, into the place of width_bucket
 * with constant bounds; and whether a function is one of them.
 */
extern void twp_anonymity_replace_buckets(Query *query);
extern bool twp_anonymity_is_bucket(Oid function);
/* Most groups that are listed in advance. */
#define TWP_MAX_DOMAIN 10000

/* release_cell.c */
extern void twp_anonymity_cells(TwpLevel *level);
/* The cohort as a constant. */
extern Node *twp_anonymity_make_k(const TwpLevel *level);
extern bool twp_anonymity_subject_aggregate(TwpLevel *level, Aggref *agg);

/* payload.c: the seal of a payload */
extern bytea *twp_anonymity_seal(const text *payload);
/* private.c */
extern void twp_anonymity_noisy_cells(TwpLevel *level);
/* private_bounds.c: between which values an expression on owned rows lies; not declared when that is not known. */
extern TwpBounds twp_anonymity_bounds(const TwpLevel *level, Node *expr);
/* The number a constant expression stands for; false when it is none. */
extern bool twp_anonymity_constant(Node *expr, double *number);
/* All values a key may have, as texts (NULL for NULL), where the query or a label says so; else NIL. */
extern List *twp_anonymity_domain(const TwpLevel *level, Node *key);
/* Takes off LEAST and GREATEST with constants, which bounds say as well. */
extern Node *twp_anonymity_unclamp(Node *expr, TwpBounds *clamp);

/* release_tree.c: nodes of query trees. */
extern Aggref *twp_anonymity_make_aggregate(const char *name, Oid type, List *arguments);
extern Node *twp_anonymity_make_call(const char *name, Oid type, List *arguments);
extern Node *twp_anonymity_make_text(const char *text);
extern Node *twp_anonymity_make_int(int32 value);
extern Node *twp_anonymity_make_ints(const int32 *values, int n);
/* CASE WHEN condition THEN result ELSE otherwise (NULL: the NULL) END. */
extern Node *twp_anonymity_make_case(Node *condition, Node *result, Node *otherwise);
extern Node *twp_anonymity_make_not_null(Node *expr);
extern Node *twp_anonymity_make_not_zero(Node *expr);

/* release_split.c: a release becomes a query of its own below the rest of its level. */
/* Makes an expression on groups a column of the release; gives the reference to it. */
extern Node *twp_anonymity_release_column(TwpLevel *level, Node *expr);
extern void twp_anonymity_split(TwpLevel *level, Node *having);
/* The query that groups owned rows, out of parts of the level's. */
extern Query *twp_anonymity_make_release(TwpLevel *level, List *targets);
/* The entry of a query in the FROM of the one above. */
extern RangeTblEntry *twp_anonymity_make_entry(Query *release);

/* release_remainder.c: the same in two queries, the small groups merged into one. */
extern Query *twp_anonymity_merge_small(TwpLevel *level);

/* release_figure.c: what the differencing guard is told. */
/* True when groups below the cohort are put together. */
extern bool twp_anonymity_merges_small(const TwpLevel *level);
/* Number of a figure, the same for equal ones; -1 when there is none, as nothing is compared. */
extern int	twp_anonymity_add_figure(TwpLevel *level, const TwpReleaseFigure *figure);
/* Whether a figure's part of the group is large enough to be shown; NULL: it is no part. */
extern Node *twp_anonymity_figure_shown(TwpLevel *level, const TwpReleaseFigure *figure, int number);
/* The aggregate that counts different subjects, guarded. */
extern Aggref *twp_anonymity_make_subjects(TwpLevel *level, const Aggref *count);
/* The value of a figure where the guard shows it. */
extern Node *twp_anonymity_show_figure(TwpLevel *level, int number, Node *column);
/* What the common aggregate gives of a figure by itself; NULL: nothing. */
extern Node *twp_anonymity_tally_figure(TwpLevel *level, const Aggref *agg, int number);
/* Arguments of the aggregate that sketches a level's figures, and the figures' tags. */
extern List *twp_anonymity_sketch_arguments(TwpLevel *level, List **tags, bool plain);
/* Makes the gate's call: all groups' sketches, and which figures of the group are large enough. */
extern Node *twp_anonymity_make_gate(TwpLevel *level, Aggref *cell, List *tags);
/* Puts the guard in front of the groups; gives the condition on them. */
extern Node *twp_anonymity_guard_groups(TwpLevel *level);

#endif							/* TWP_RELEASE_INTERNAL_H */

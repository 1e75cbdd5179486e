/*
 * protect.h - which tables and columns are protected, and how.
 *
 * Glossary.  Protection: what the security labels of a table and its columns
 * say, resolved to attribute numbers.  Path: a column of the table, or a
 * column followed through unique keys of other tables, that ends at a value
 * (the data subject's key, or the row's labels).
 *
 * The labels themselves (pg_seclabel, provider twin_privacy) are the only
 * store: they follow renames, dumps and drops of what they label.
 *
 * Contract: twp_protect_lookup() answers from a backend-local cache dropped by
 * relcache invalidation; the result is valid until the next lock is taken or
 * invalidations are accepted, so callers copy what must live longer.  Needs a
 * transaction, takes AccessShareLock on pg_seclabel and pg_inherits only.  A
 * label that can not be resolved gives a protection with broken set: such a
 * table must be refused, not skipped.
 */
#ifndef TWP_PROTECT_H
#define TWP_PROTECT_H

#include "postgres.h"

#include "access/attnum.h"
#include "base/subject.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "vocab/vocab.h"

typedef enum TwpColumnKind
{
	TWP_KIND_PLAIN,
	TWP_KIND_SENSITIVE,
	TWP_KIND_QUASI,
	TWP_KIND_IDENTIFIER,
} TwpColumnKind;

typedef enum TwpMaskKind
{
	TWP_MASK_NULL,
	TWP_MASK_REDACT,
	TWP_MASK_PSEUDONYM,
	TWP_MASK_YEAR,
	TWP_MASK_MONTH,
	TWP_MASK_DATE_SHIFT,
	TWP_MASK_BAND,
	TWP_MASK_ROUND,
	TWP_MASK_ZIP3,
	TWP_MASK_PARTIAL,
} TwpMaskKind;

typedef struct TwpMask
{
	TwpMaskKind kind;
	/* band, round: the step as text of a positive number; partial: kept characters */
	char	   *step;
	int			first;
	int			last;
} TwpMask;

/* Between which values a number is taken to lie where sums are made private. */
typedef struct TwpBounds
{
	bool		declared;
	double		low;
	double		high;			/* above low, both finite */
} TwpBounds;

/* What a column's label says; kind and mask are the defaults when unlabelled. */
typedef struct TwpColumn
{
	bool		labelled;
	TwpBounds	bounds;
	char	   *values;			/* all it may have, separated by |, where that is no secret; or NULL */
	int			category;		/* resolved: the table's when the label names none */
	TwpColumnKind kind;
	TwpMask		mask;
	TwpCategorySet sources;		/* a generated column: categories of what it is computed from */
} TwpColumn;

typedef struct TwpHop
{
	Oid			relid;
	AttrNumber	key_attno;		/* unique column looked up */
	Oid			key_type;
	Oid			index;			/* its unique index */
	AttrNumber	value_attno;	/* column read from the row found */
	Oid			value_type;
} TwpHop;

typedef struct TwpPath
{
	AttrNumber	start;			/* column of the protected table */
	Oid			start_type;
	Oid			type;			/* type of the value at the end */
	int			nhops;
	TwpHop	   *hops;
} TwpPath;

/* Columns that decide about a row beside its subject and labels. */
typedef enum TwpRowFact
{
	TWP_ROW_AUTHOR,				/* who wrote it */
	TWP_ROW_ENCOUNTER,
	TWP_ROW_DATE,				/* when it happened, clinically */
	TWP_ROW_PURPOSE,			/* what it was made for */
	TWP_ROW_KEY,				/* what provenance knows it by */
} TwpRowFact;

#define TWP_ROW_FACTS 5
/* Those before this one are what a consent may ask of a row. */
#define TWP_CONSENT_FACTS TWP_ROW_PURPOSE

/* A table each of whose rows says that a derived row used a source row. */
typedef struct TwpProvenance
{
	Oid			relid;
	AttrNumber	derived;		/* column that holds the derived row's key */
	Oid			derived_type;
	AttrNumber	used;			/* column that holds the source row's key */
	Oid			used_type;
	Oid			source;			/* table of the source rows */
	AttrNumber	source_key;
	Oid			source_key_type;
} TwpProvenance;

/* What a table is kept for, whatever its rows; a label item of its own. */
typedef enum TwpContext
{
	TWP_CONTEXT_NONE,
	TWP_CONTEXT_INSURANCE,
	TWP_CONTEXT_EMPLOYMENT,
} TwpContext;

typedef struct TwpProtection
{
	Oid			relid;			/* the relation asked about */
	Oid			source;			/* the relation whose label protects it: itself or an ancestor */
	const char *broken;			/* why the label can not be resolved, or NULL */
	TwpPath		subject;
	TwpSubjectKind subject_kind;
	bool		has_label_path;
	TwpPath		labels;
	AttrNumber	facts[TWP_ROW_FACTS];	/* by TwpRowFact; 0: not told */
	int			nprovenance;
	TwpProvenance *provenance;	/* what its rows are made from */
	bool		untraced_open;	/* rows of which no provenance tells are not closed */
	int			category;		/* the table's own */
	bool		native_rls;		/* had row security policies of its own before */
	int			natts;
	TwpColumn  *columns;		/* natts entries, index attno - 1 */
	uint64		hash;			/* of all label texts, part of the policy hash */
} TwpProtection;

extern void twp_protect_init(void);

/* Registers what is to be said of a table that protect_table has protected. */
typedef void (*TwpProtectedListener) (Oid relid);
extern void twp_protect_register_protected(TwpProtectedListener listener);

/* The protection of a relation, or NULL when it has none. */
extern const TwpProtection *twp_protect_lookup(Oid relid);
/* A deep copy in the context, for what must outlive the next lookup. */
extern TwpProtection *twp_protect_copy(const TwpProtection *p, MemoryContext context);
/* True when a lookup would find a protection; the cheap question. */
extern bool twp_protect_is_protected(Oid relid);
/* True when reading a protected child through its protected parent obeys the child's label too. */
extern bool twp_protect_agrees(Oid child, Oid parent);
/* All relations above one in inheritance and partition trees. */
extern List *twp_protect_ancestors(Oid relid);
extern void twp_protect_refuse_materialized_views(Oid relid);
/* A relation below one to which rows may be routed, and whose own label asks for something else; or InvalidOid. */
extern Oid	twp_protect_strict_child(Oid relid);
/* True when the database has a protected table at all. */
extern bool twp_protect_any(void);
/* OIDs of all relations that carry a table label of ours. */
extern List *twp_protect_labelled_relations(void);
/* The same, read now: for what changes labels. */
extern List *twp_protect_scan_labels(void);
/* Bit mask (1 << TwpSubjectKind) of the subject keys in use. */
extern int	twp_protect_subject_kinds(void);
/* Refuses (22023) an empty subject and another spelling of a key of a kind in use, naming the canonical form. */
extern void twp_protect_check_subject_text(const char *subject);
/* Grows whenever any protection may have changed. */
extern uint64 twp_protect_generation(void);

/* True when the mask can be applied to a column of the (base) type and typmod. */
extern bool twp_protect_mask_fits(const TwpMask *mask, Oid type, int32 typmod);
/* True for a column type that can have bounds. */
extern bool twp_protect_bounds_fit(Oid type);
/* Name of a row fact, as in labels and arguments. */
extern const char *twp_protect_fact_name(TwpRowFact fact);
/* Name of a mask kind or column kind, as in labels. */
extern const char *twp_protect_mask_name(TwpMaskKind kind);
extern const char *twp_protect_kind_name(TwpColumnKind kind);

/* True for a column whose value decides whose row it is: a subject, or a step of some table's path. */
extern bool twp_protect_decides_subject(Oid relid, AttrNumber attno);
/* True when the relation decides whose rows a protected table's are: by a path through it, or a foreign key's actions. */
extern bool twp_protect_is_on_path(Oid relid);
/* True for a table, or a column of one (else 0), that a path names, whether or not the path resolves. */
extern bool twp_protect_is_named_by_path(Oid relid, AttrNumber attno);
/* True when the label of some table does not resolve: renames do not reach what it names. */
extern bool twp_protect_any_broken(void);
/* True when a column that decides is computed from others of its row. */
extern bool twp_protect_computes_subject(Oid relid);
/* True when a row deleted there decides, too. */
extern bool twp_protect_deletes_decide(Oid relid);
/* Categories of all tables (and their columns) that the relation decides about. */
extern TwpCategorySet twp_protect_path_needs(Oid relid);

/* True when no two rows of the relation, parts included, have the same value in the column. */
extern bool twp_protect_is_unique(Oid relid, AttrNumber attno);
/* Direct parents of a relation in the inheritance or partition tree. */
extern List *twp_protect_parents(Oid relid);
/* True when any provenance is declared. */
extern bool twp_protect_has_lineage(void);
/* True for a table that some protected table's rows are traced by. */
extern bool twp_protect_is_provenance(Oid relid);
/* True when rows are made from the relation's, or what those are judged by stands in it. */
extern bool twp_protect_is_lineage_source(Oid relid);
/* Columns (numbers) of a provenance table that hold keys of derived rows. */
extern List *twp_protect_traced_columns(Oid relid);
/* Tables whose rows a column of a provenance table traces. */
extern List *twp_protect_traced_tables(Oid relid, AttrNumber attno);
/* True for a column by which provenance knows a row: a target's key or a source's. */
extern bool twp_protect_is_lineage_key(Oid relid, AttrNumber attno);
/* The context a table (or one above it) is labelled with. */
extern TwpContext twp_protect_context(Oid relid);
extern const char *twp_protect_context_name(TwpContext context);
/* True when some table is labelled with a context. */
extern bool twp_protect_any_context(void);

/*
 * The value at the end of a path for a row's start value, read raw under the
 * active snapshot; false when the path breaks off before.
 */
extern bool twp_protect_follow_path(const TwpPath *path, Datum start, Datum *value, bool *isnull);
/* What a row's label value asks for, and its labels (char *); false for an unknown label. */
extern bool twp_protect_read_labels(Oid type, Datum value, TwpCategorySet *needs, List **labels);

/* Columns (numbers) that a row's partition tells of: keys of what is partitioned above or below the relation. */
extern Bitmapset *twp_protect_place_columns(Oid relid);

/* True when some use may not show a column of a row it shows: by its label, or for want of one. */
extern bool twp_protect_may_be_hidden(const TwpProtection *p, AttrNumber attno);
/* True when such a column is among those a row's partition tells of. */
extern bool twp_protect_place_may_be_hidden(Oid relid);

/* Turns row security on (and force) for a relation and all below it. */
extern void twp_protect_switch_rls(Oid relid, bool on);
/* Writes the labels that name something renamed anew; call with what was resolved before. */
extern List *twp_protect_remember_labels(void);
extern void twp_protect_rewrite_labels(List *remembered);
/* Takes a table (attno 0) or column that is about to be dropped out of the labels that name it. */
extern void twp_protect_forget_dropped(Oid relid, AttrNumber attno);

#endif							/* TWP_PROTECT_H */

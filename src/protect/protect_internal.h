/*
 * protect_internal.h - label texts and their parsed form, inside the room.
 */
#ifndef TWP_PROTECT_INTERNAL_H
#define TWP_PROTECT_INTERNAL_H

#include "postgres.h"

#include "catalog/objectaddress.h"
#include "fmgr.h"
#include "nodes/bitmapset.h"
#include "protect/protect.h"

/* A table label as written: names, not yet resolved.  Without a subject it only names a context. */
typedef struct TwpTableLabel
{
	char	   *subject;
	char	   *category;
	char	   *label_column;	/* or NULL */
	char	   *facts[TWP_ROW_FACTS];	/* columns by TwpRowFact, or NULL */
	List	   *provenance;		/* texts, char * */
	bool		untraced_open;	/* rows without provenance are not closed */
	TwpContext	context;
	bool		native_rls;		/* the table had row security of its own before */
} TwpTableLabel;

/* A column label as written. */
typedef struct TwpColumnLabel
{
	char	   *category;		/* or NULL: the table's */
	TwpColumnKind kind;
	bool		has_mask;
	TwpMask		mask;
	TwpBounds	bounds;
	char	   *values;			/* or NULL */
} TwpColumnLabel;

/* label.c: texts in, structs out; raise 22023 with hints. */
extern TwpTableLabel *twp_protect_parse_table_label(const char *text);
extern TwpColumnLabel *twp_protect_parse_column_label(const char *text);
extern bool twp_protect_parse_untraced(const char *text);
extern char *twp_protect_format_table_label(const TwpTableLabel *label);

/*
 * path.c: resolves a path for a relation; *problem says why it can not be
 * followed, and NULL is returned when parts of it are not there.
 */
extern TwpPath *twp_protect_resolve_path(Oid relid, const char *text, const char **problem);
/* Finds the table and columns that the text behind an arrow of a path names; false when there is no such table. */
extern bool twp_protect_name_hop(const char *text, TwpHop *hop);
extern char *twp_protect_format_path(Oid relid, const TwpPath *path, const ObjectAddress *gone);
/* Pieces of the same grammar, for provenance.c. */
extern const char *twp_protect_format_name(Oid relid, AttrNumber attno, const ObjectAddress *gone);
extern char *twp_protect_read_identifier(const char **cursor);
extern bool twp_protect_read_symbol(const char **cursor, const char *symbol);

/* provenance.c: "schema.table(derived).used -> schema.source(key)". */
extern bool twp_protect_resolve_provenance(const char *text, Oid key_type, TwpProvenance *provenance,
										   const char **problem);
extern char *twp_protect_format_provenance(const TwpProvenance *provenance, const ObjectAddress *gone);
/* Lets the target hang on its provenance tables, so that those are not dropped alone. */
extern void twp_protect_depend_on_provenance(Oid relid, const TwpTableLabel *label);
extern void twp_protect_forget_provenance(Oid relid, const TwpTableLabel *label);

/* lineage.c: the default of the column that a label names for purposes. */
extern void twp_protect_drop_purpose_default(Oid relid, const TwpTableLabel *label);

/* command.c */
extern char *twp_protect_required_text(FunctionCallInfo fcinfo, int n, const char *name);
extern void twp_protect_set_label(const char *object, const char *label);

/*
 * shape.c: what catalogs say, without locks; InvalidOid when it is gone.  The
 * attributes are shifted as in pull_varattnos.
 */
extern List *twp_protect_with_descendants(Oid relid);
extern Oid	twp_protect_base_type(Oid type, int32 *typmod);
extern Oid	twp_protect_column_type(Oid relid, AttrNumber attno);
extern Bitmapset *twp_protect_computed_from(Oid relid, AttrNumber attno);
/* Fills sources of the protection's generated columns. */
extern void twp_protect_resolve_generated(TwpProtection *p, const Bitmapset *generated);

/* lookup.c */
/* A table or column label parsed, or NULL and *broken when it does not parse. */
extern void *twp_protect_parse_leniently(const char *text, bool table, const char **broken);
extern char *twp_protect_label_text(Oid relid, AttrNumber attno);
/* labelled.c: the context a label names; *protects is false when it says nothing else. */
extern TwpContext twp_protect_label_context_of(const char *text, bool *protects);

/* relabel.c: the label provider's check, and the types a label column may have. */
extern bool twp_protect_is_label_type(Oid type);
/* Why a path cannot tell the row fact, or NULL when it can. */
extern const char *twp_protect_fact_problem(TwpRowFact fact, const TwpPath *path);
extern void twp_protect_check_relabel(const ObjectAddress *object, const char *seclabel);

#endif							/* TWP_PROTECT_INTERNAL_H */

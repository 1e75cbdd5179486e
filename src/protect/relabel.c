/*
 * relabel.c - SECURITY LABEL FOR twin_privacy: who may, what fits, and the
 * renames that labels must follow.
 *
 * PostgreSQL has checked ownership before it calls us; we ask for
 * twin_privacy_admin on top, so that the owner alone is refused.  Under
 * maintenance (restore) names may not exist yet: the text is checked by
 * grammar only, and a label that does not resolve leaves the table refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/event.h"
#include "base/guc.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "protect/protect_internal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct RememberedLabel
{
	Oid			relid;
	TwpTableLabel *label;
	TwpPath    *subject;
	TwpPath    *labels;
	TwpPath    *facts[TWP_ROW_FACTS];
	List	   *provenance;		/* TwpProvenance *, NULL for one that does not resolve */
} RememberedLabel;

/* True for a text type whose declared length holds at least n characters. */
static bool
text_holds(Oid type, int32 typmod, int n)
{
	if (type != TEXTOID && type != VARCHAROID && type != BPCHAROID)
		return false;
	return type == TEXTOID || typmod < 0 || typmod - (int32) VARHDRSZ >= n;
}

/* Says whether a mask can be applied to a type and keep it. */
bool
twp_protect_mask_fits(const TwpMask *mask, Oid type, int32 typmod)
{
	switch (mask->kind)
	{
		case TWP_MASK_NULL:
			return true;
		case TWP_MASK_REDACT:
			return text_holds(type, typmod, strlen("REDACTED"));
		case TWP_MASK_PSEUDONYM:
			return type == INT2OID || type == INT4OID || type == INT8OID || type == UUIDOID ||
				text_holds(type, typmod, 40);
		case TWP_MASK_YEAR:
		case TWP_MASK_MONTH:
		case TWP_MASK_DATE_SHIFT:
			return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
		case TWP_MASK_BAND:
		case TWP_MASK_ROUND:
			return type == INT2OID || type == INT4OID || type == INT8OID ||
				type == FLOAT4OID || type == FLOAT8OID || type == NUMERICOID;
		case TWP_MASK_ZIP3:
		case TWP_MASK_PARTIAL:
			return text_holds(type, -1, 0);
	}
	return false;
}

/* True for the types of row labels. */
bool
twp_protect_is_label_type(Oid type)
{
	return type == TEXTARRAYOID || type == TEXTOID || type == VARCHAROID;
}

/* Refuses relations that cannot be protected. */
static void
check_relation(Oid relid, bool context_only)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	const char *problem = NULL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relkind != RELKIND_RELATION && form->relkind != RELKIND_PARTITIONED_TABLE &&
		!(context_only && (form->relkind == RELKIND_FOREIGN_TABLE || form->relkind == RELKIND_MATVIEW)))
		problem = "only tables can be protected";
	/* lookup.c passes over what initdb made, information_schema included */
	else if (relid < FirstNormalObjectId || twp_catalog_is_ours(relid))
		problem = "system tables cannot be protected";
	else if (form->relpersistence == RELPERSISTENCE_TEMP && !context_only)
		problem = "temporary tables cannot be protected";
	ReleaseSysCache(tuple);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s", problem),
				 errhint("Protect the ordinary or partitioned table that holds the rows.")));
}

/* Says why a path cannot tell a row fact. */
const char *
twp_protect_fact_problem(TwpRowFact fact, const TwpPath *path)
{
	Oid			type = OidIsValid(path->type) ? getBaseType(path->type) : InvalidOid;

	if (path->nhops > 0)
		return "what tells something of a row is a column of its own table";
	if (fact == TWP_ROW_PURPOSE && type != TEXTOID && type != VARCHAROID)
		return "the purpose column is not of type text";
	if (fact == TWP_ROW_KEY && twp_subject_kind(type) == TWP_SUBJECT_INVALID)
		return "the key column is not of type bigint, int, uuid or text";
	if (fact == TWP_ROW_DATE && type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID)
		return "the date column is not of type date, timestamp or timestamptz";
	return NULL;
}

/* Refuses a path that does not resolve, with the path's own reason. */
static TwpPath *
require_path(Oid relid, const char *text, const char *what)
{
	const char *problem;
	TwpPath    *path = twp_protect_resolve_path(relid, text, &problem);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(strstr(problem, "does not exist") ? ERRCODE_UNDEFINED_COLUMN :
						 ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of \"%s\" does not resolve: %s", what, get_rel_name(relid), problem),
				 errhint("Name a column of the table, or a path such as \"order_id -> clinic.lab_order(id).patient_id\" through unique columns.")));
	return path;
}

/* Checks the columns of row facts that a table label names. */
static void
check_facts(Oid relid, const TwpTableLabel *label)
{
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
	{
		const char *problem;

		if (label->facts[fact] == NULL)
			continue;
		problem = twp_protect_fact_problem(fact, require_path(relid, label->facts[fact],
															  psprintf("the %s column", twp_protect_fact_name(fact))));
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("%s column of \"%s\" does not fit: %s", twp_protect_fact_name(fact),
							get_rel_name(relid), problem),
					 errhint("Name a column of the table itself, of a type that tells it.")));
	}
}

/* Checks the tables that a label says its rows are traced by. */
static void
check_provenance(Oid relid, const TwpTableLabel *label)
{
	Oid			key_type = label->facts[TWP_ROW_KEY] == NULL ? InvalidOid :
		require_path(relid, label->facts[TWP_ROW_KEY], "the key column")->type;
	ListCell   *lc;

	foreach(lc, label->provenance)
	{
		const char *problem;
		TwpProvenance provenance;

		if (!twp_protect_resolve_provenance(lfirst(lc), key_type, &provenance, &problem) || problem != NULL)
			ereport(ERROR,
					(errcode(strstr(problem, "does not exist") ? ERRCODE_UNDEFINED_COLUMN :
							 strstr(problem, "one kind") ? ERRCODE_DATATYPE_MISMATCH : ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("provenance of \"%s\" does not resolve: %s", get_rel_name(relid), problem),
					 errhint("Use twin_privacy.declare_provenance, with keys of type bigint, int, uuid or text.")));
	}
}

/* Checks what a table label names. */
static void
check_table_label(Oid relid, const TwpTableLabel *label)
{
	TwpPath    *subject = require_path(relid, label->subject, "the subject");

	if (twp_subject_kind(subject->type) == TWP_SUBJECT_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("subject column of \"%s\" has type %s", get_rel_name(relid),
						format_type_be(subject->type)),
				 errhint("A data subject's key is of type bigint, int, uuid or text.")));
	twp_vocab_require_category(label->category);
	if (label->label_column != NULL)
	{
		TwpPath    *labels = require_path(relid, label->label_column, "the label column");

		if (!twp_protect_is_label_type(labels->type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("label column of \"%s\" has type %s", get_rel_name(relid),
							format_type_be(labels->type)),
					 errhint("Labels are of type text[] or text.")));
	}
	check_facts(relid, label);
	check_provenance(relid, label);
}

/* Checks what a column label names. */
static void
check_column_label(Oid relid, AttrNumber attno, const TwpColumnLabel *label)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (label->category != NULL)
		twp_vocab_require_category(label->category);
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	if (label->bounds.declared && !twp_protect_bounds_fit(getBaseType(type)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("bounds do not fit column \"%s\" of type %s", get_attname(relid, attno, false),
						format_type_with_typemod(type, typmod)),
				 errhint("Bounds are for columns of numbers.")));
	if (!twp_protect_mask_fits(&label->mask, getBaseTypeAndTypmod(type, &typmod), typmod))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("mask \"%s\" does not fit column \"%s\" of type %s",
						twp_protect_mask_name(label->mask.kind), get_attname(relid, attno, false),
						format_type_with_typemod(type, typmod)),
				 errhint("Choose a mask that keeps the column's type: band and round for numbers, year, month and date_shift for dates and times, redact, zip3 and partial for text long enough, pseudonym for integers, uuid and text, null for any.")));
}

/* True for two items of labels that say the same, or both nothing. */
static bool
same_item(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* True when two labels say the same of what rows are made from and for. */
static bool
same_lineage(const TwpTableLabel *one, const TwpTableLabel *other)
{
	ListCell   *a;
	ListCell   *b;

	if (list_length(one->provenance) != list_length(other->provenance) || one->untraced_open != other->untraced_open ||
		!same_item(one->facts[TWP_ROW_KEY], other->facts[TWP_ROW_KEY]) ||
		!same_item(one->facts[TWP_ROW_PURPOSE], other->facts[TWP_ROW_PURPOSE]))
		return false;
	forboth(a, one->provenance, b, other->provenance)
		if (strcmp(lfirst(a), lfirst(b)) != 0)
			return false;
	return true;
}

/*
 * Leaves lineage to the functions that ask for a reason and look for those who
 * write meanwhile; takes the dependencies of the label before with it.
 */
static void
replace_lineage(Oid relid, const char *old, const TwpTableLabel *label)
{
	const char *problem;
	const TwpTableLabel *before = old == NULL ? NULL : twp_protect_parse_leniently(old, true, &problem);
	const TwpTableLabel none = {0};

	if (before == NULL)
		before = &none;
	if (label == NULL)
		label = &none;
	if (!twp_in_maintenance() && !twp_sql_is_internal() && !same_lineage(before, label))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("what the rows of \"%s\" are made from, and for, is not changed with its label", get_rel_name(relid)),
				 errhint("Use twin_privacy.declare_provenance, drop_provenance, declare_purpose_column and drop_purpose_column.")));
	twp_protect_forget_provenance(relid, before);
	CommandCounterIncrement();
	twp_protect_depend_on_provenance(relid, label);
}

/* Records that a table or column has another label. */
static void
emit_relabel(Oid relid, AttrNumber attno)
{
	char	   *table = twp_catalog_qualified_name(relid);

	if (attno == 0)
		twp_event_emit("protect.table", table, NULL, NULL);
	else
		twp_event_emit("protect.column", psprintf("%s.%s", table, quote_identifier(get_attname(relid, attno, false))),
					   NULL, NULL);
}

/* Checks one SECURITY LABEL statement before PostgreSQL stores it. */
void
twp_protect_check_relabel(const ObjectAddress *object, const char *seclabel)
{
	Oid			relid = object->objectId;
	AttrNumber	attno = (AttrNumber) object->objectSubId;
	bool		protects = false;
	char	   *old;

	if (object->classId != RelationRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("twin_privacy labels tables and columns only"),
				 errhint("Use SECURITY LABEL FOR twin_privacy ON TABLE or ON COLUMN.")));
	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "change protection");
	check_relation(relid, attno == 0 && (seclabel == NULL || twp_protect_parse_table_label(seclabel)->subject == NULL));
	/* by the label alone: resolving it would lock other tables, which parallel restores deadlock over */
	old = attno == 0 ? twp_protect_label_text(relid, 0) : NULL;
	if (old != NULL)
		(void) twp_protect_label_context_of(old, &protects);

	if (seclabel == NULL && attno == 0 && protects && !twp_sql_is_internal())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a table's protection is not dropped with its label"),
				 errhint("Use twin_privacy.unprotect_table, which asks for a reason.")));
	if (attno == 0 && seclabel == NULL)
		replace_lineage(relid, old, NULL);
	else if (attno == 0)
	{
		TwpTableLabel *label = twp_protect_parse_table_label(seclabel);

		if (label->subject == NULL && protects && !twp_sql_is_internal())
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a context alone would end the table's protection"),
					 errhint("Use twin_privacy.label_context, which keeps the rest of the label.")));
		if (label->subject != NULL && !twp_in_maintenance())
		{
			check_table_label(relid, label);
			/* protect_table has looked before */
			if (!twp_sql_is_internal())
				twp_protect_refuse_materialized_views(relid);
		}
		if (label->subject != NULL)
			twp_protect_switch_rls(relid, true);
		replace_lineage(relid, old, label);
	}
	else if (seclabel != NULL)
	{
		TwpColumnLabel *label = twp_protect_parse_column_label(seclabel);

		if (!twp_in_maintenance())
			check_column_label(relid, attno, label);
	}
	emit_relabel(relid, attno);
	CacheInvalidateRelcacheByRelid(relid);
}

/* Sets both row security flags of one table in pg_class, as ALTER TABLE does. */
static void
set_rls_flags(Oid relid, bool on)
{
	Relation	classes = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relkind != RELKIND_FOREIGN_TABLE &&
		(form->relrowsecurity != on || form->relforcerowsecurity != on))
	{
		form->relrowsecurity = on;
		form->relforcerowsecurity = on;
		CatalogTupleUpdate(classes, &tuple->t_self, tuple);
		CommandCounterIncrement();
	}
	heap_freetuple(tuple);
	table_close(classes, RowExclusiveLock);
}

/*
 * Switches row security for a relation and everything below it (off only for
 * what no label of its own protects any longer).  It is what
 * stays closed when the library is not there, and hides pg_stats.  Written to
 * the catalog directly: SECURITY LABEL holds the table open, which ALTER
 * TABLE would refuse.
 */
void
twp_protect_switch_rls(Oid relid, bool on)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
		if (on || !twp_protect_is_protected(lfirst_oid(lc)))
			set_rls_flags(lfirst_oid(lc), on);
}

/* Resolves what a label says its rows are traced by. */
static void
remember_provenance(RememberedLabel *r)
{
	Oid			key_type = r->facts[TWP_ROW_KEY] != NULL ? r->facts[TWP_ROW_KEY]->type : InvalidOid;
	ListCell   *lc;

	foreach(lc, r->label->provenance)
	{
		TwpProvenance *provenance = palloc(sizeof(TwpProvenance));
		const char *problem;

		r->provenance = lappend(r->provenance,
								twp_protect_resolve_provenance(lfirst(lc), key_type, provenance, &problem) ? provenance : NULL);
	}
}

/* Puts today's names into the provenance of a remembered label; true when any has changed. */
static bool
rename_provenance(RememberedLabel *r, const ObjectAddress *gone)
{
	bool		stale = false;
	ListCell   *text;
	ListCell   *lc;

	forboth(text, r->label->provenance, lc, r->provenance)
	{
		char	   *now;

		/* one that did not resolve keeps the table refused; it is left as it was */
		if (lfirst(lc) == NULL)
			continue;
		now = twp_protect_format_provenance(lfirst(lc), gone);
		stale |= strcmp(lfirst(text), now) != 0;
		lfirst(text) = now;
	}
	return stale;
}

/* Resolves all table labels, so that a rename can be followed. */
List *
twp_protect_remember_labels(void)
{
	List	   *remembered = NIL;
	ListCell   *lc;

	foreach(lc, twp_protect_scan_labels())
	{
		RememberedLabel *r = palloc0(sizeof(RememberedLabel));
		const char *problem;

		r->relid = lfirst_oid(lc);
		r->label = twp_protect_parse_leniently(twp_protect_label_text(r->relid, 0), true, &problem);
		if (r->label == NULL || r->label->subject == NULL)
			continue;
		r->subject = twp_protect_resolve_path(r->relid, r->label->subject, &problem);
		if (r->label->label_column != NULL)
			r->labels = twp_protect_resolve_path(r->relid, r->label->label_column, &problem);
		for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
			if (r->label->facts[fact] != NULL)
				r->facts[fact] = twp_protect_resolve_path(r->relid, r->label->facts[fact], &problem);
		remember_provenance(r);
		if (r->subject != NULL && (r->labels != NULL || r->label->label_column == NULL))
			remembered = lappend(remembered, r);
	}
	return remembered;
}

/* Writes anew one remembered label whose names have changed since; what is gone has none. */
static void
rewrite_label(RememberedLabel *r, const ObjectAddress *gone)
{
	ObjectAddress object = {RelationRelationId, r->relid, 0};
	char	  **texts[TWP_ROW_FACTS + 2] = {&r->label->subject, &r->label->label_column};
	TwpPath    *paths[TWP_ROW_FACTS + 2] = {r->subject, r->labels};
	bool		stale = false;

	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
	{
		texts[fact + 2] = &r->label->facts[fact];
		paths[fact + 2] = r->facts[fact];
	}
	for (int i = 0; i < lengthof(paths); i++)
		if (paths[i] != NULL)
		{
			char	   *now = twp_protect_format_path(r->relid, paths[i], gone);

			stale |= strcmp(*texts[i], now) != 0;
			*texts[i] = now;
		}
	stale |= rename_provenance(r, gone);
	if (!stale)
		return;
	SetSecurityLabel(&object, "twin_privacy", twp_protect_format_table_label(r->label));
	CacheInvalidateRelcacheByRelid(r->relid);
}

/* Writes anew each remembered label whose names have changed since. */
void
twp_protect_rewrite_labels(List *remembered)
{
	ListCell   *lc;

	foreach(lc, remembered)
	{
		RememberedLabel *r = lfirst(lc);

		if (twp_protect_label_text(r->relid, 0) != NULL)
			rewrite_label(r, NULL);
	}
}

/* True when a path begins or leads where something is gone. */
static bool
path_names(Oid relid, const TwpPath *path, const ObjectAddress *gone)
{
	AttrNumber	attno = gone->objectSubId;

	if (path == NULL)
		return false;
	if (relid == gone->objectId && attno != 0 && attno == path->start)
		return true;
	for (int i = 0; i < path->nhops; i++)
		if (path->hops[i].relid == gone->objectId &&
			(attno == 0 || attno == path->hops[i].key_attno || attno == path->hops[i].value_attno))
			return true;
	return false;
}

/* True when some provenance of a label is, or leads, where something is gone. */
static bool
provenance_names(const List *provenances, const ObjectAddress *gone)
{
	AttrNumber	attno = gone->objectSubId;
	const ListCell *lc;

	foreach(lc, provenances)
	{
		const TwpProvenance *p = lfirst(lc);

		if (p != NULL && ((p->relid == gone->objectId && (attno == 0 || attno == p->derived || attno == p->used)) ||
						  (p->source == gone->objectId && (attno == 0 || attno == p->source_key))))
			return true;
	}
	return false;
}

/*
 * A table or column is about to be dropped: labels that name it name nothing
 * from now on, so that another of the same name does not take its place.
 */
void
twp_protect_forget_dropped(Oid relid, AttrNumber attno)
{
	ObjectAddress gone = {RelationRelationId, relid, attno};
	ListCell   *lc;

	foreach(lc, twp_protect_remember_labels())
	{
		RememberedLabel *r = lfirst(lc);
		bool		named = path_names(r->relid, r->subject, &gone) || path_names(r->relid, r->labels, &gone) ||
			provenance_names(r->provenance, &gone);

		for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
			named |= path_names(r->relid, r->facts[fact], &gone);
		if (named && (attno != 0 || r->relid != relid))
			rewrite_label(r, &gone);
	}
}

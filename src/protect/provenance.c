/*
 * provenance.c - by which rows of an application's table a derived row is
 * traced to what it was made from.
 *
 *	schema.table(derived_column).used_column -> schema.source(key_column)
 *
 * Each row of the table says that the row of the protected table whose key
 * stands in derived_column used the rows of source whose key stands in
 * used_column.  Keys are of the kinds that subjects have (subject.h), so that
 * an integer of any width is the same key.  The table itself is an ordinary
 * one without children, because a row that is not seen opens another; and the
 * target hangs on it by a dependency, so that it is not dropped and made anew.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Reads "schema.table(column)" and finds both. */
static bool
resolve_column(const char **cursor, Oid *relid, AttrNumber *attno, Oid *type, const char **problem)
{
	char	   *schema = twp_protect_read_identifier(cursor);
	char	   *table = NULL;
	char	   *column = NULL;

	if (schema == NULL || !twp_protect_read_symbol(cursor, ".") ||
		(table = twp_protect_read_identifier(cursor)) == NULL || !twp_protect_read_symbol(cursor, "(") ||
		(column = twp_protect_read_identifier(cursor)) == NULL || !twp_protect_read_symbol(cursor, ")"))
	{
		*problem = "the provenance does not parse";
		return false;
	}
	*relid = get_relname_relid(table, get_namespace_oid(schema, true));
	*attno = OidIsValid(*relid) ? get_attnum(*relid, column) : InvalidAttrNumber;
	if (*attno <= 0)
	{
		*problem = psprintf("the provenance's column \"%s.%s(%s)\" does not exist", schema, table, column);
		return false;
	}
	*type = twp_protect_column_type(*relid, *attno);
	return true;
}

/* Says why a relation cannot serve as provenance. */
static const char *
relation_problem(Oid relid)
{
	if (get_rel_relkind(relid) != RELKIND_RELATION || get_rel_persistence(relid) != RELPERSISTENCE_PERMANENT)
		return "the provenance table is not an ordinary, logged table";
	if (has_subclass(relid) || has_superclass(relid))
		return "the provenance table has children or a parent";
	return NULL;
}

/* True for two types whose values are keys of one kind. */
static bool
same_kind(Oid one, Oid other)
{
	return OidIsValid(one) && OidIsValid(other) && twp_subject_kind(one) != TWP_SUBJECT_INVALID &&
		twp_subject_kind(one) == twp_subject_kind(other);
}

/* Finds what a provenance's text names, for rows whose key is of the type; see below. */
static bool
resolve(const char *text, Oid key_type, TwpProvenance *provenance, const char **problem)
{
	const char *cursor = text;
	char	   *used;

	if (!resolve_column(&cursor, &provenance->relid, &provenance->derived, &provenance->derived_type, problem))
		return false;
	*problem = "the provenance does not parse";
	if (!twp_protect_read_symbol(&cursor, ".") || (used = twp_protect_read_identifier(&cursor)) == NULL ||
		!twp_protect_read_symbol(&cursor, "->"))
		return false;
	provenance->used = get_attnum(provenance->relid, used);
	if (provenance->used <= 0)
	{
		*problem = psprintf("the provenance's column \"%s\" does not exist", used);
		return false;
	}
	provenance->used_type = twp_protect_column_type(provenance->relid, provenance->used);
	if (!resolve_column(&cursor, &provenance->source, &provenance->source_key, &provenance->source_key_type, problem))
		return false;
	*problem = *cursor != '\0' ? "the provenance does not parse" : relation_problem(provenance->relid);
	if (*problem == NULL && !same_kind(key_type, provenance->derived_type))
		*problem = "the provenance's derived column and the table's key are not keys of one kind";
	if (*problem == NULL && !same_kind(provenance->used_type, provenance->source_key_type))
		*problem = "the provenance's source column and the source's key are not keys of one kind";
	return true;
}

/*
 * Resolves a provenance's text for rows whose key is of the type.  False when
 * what it names is not there; *problem says so, or why what is there does not
 * serve: then the table is refused, and what is named stays guarded.
 */
bool
twp_protect_resolve_provenance(const char *text, Oid key_type, TwpProvenance *provenance, const char **problem)
{
	if (resolve(text, key_type, provenance, problem))
		return true;
	if (strstr(text, "\"\"") != NULL)
		*problem = "what its rows are traced by was dropped";
	return false;
}

/* Prints a schema-qualified relation and a column of it. */
static char *
format_column(Oid relid, AttrNumber attno, const ObjectAddress *gone)
{
	return psprintf("%s.%s(%s)", quote_identifier(get_namespace_name(get_rel_namespace(relid))),
					twp_protect_format_name(relid, InvalidAttrNumber, gone), twp_protect_format_name(relid, attno, gone));
}

/* Prints a resolved provenance with today's names; what is gone (a table or column, or NULL) has none. */
char *
twp_protect_format_provenance(const TwpProvenance *provenance, const ObjectAddress *gone)
{
	return psprintf("%s.%s -> %s", format_column(provenance->relid, provenance->derived, gone),
					twp_protect_format_name(provenance->relid, provenance->used, gone),
					format_column(provenance->source, provenance->source_key, gone));
}

/* The provenance tables a label names, as far as they resolve. */
static List *
tables_of(Oid relid, const TwpTableLabel *label)
{
	List	   *relids = NIL;
	ListCell   *lc;

	foreach(lc, label->provenance)
	{
		const char *cursor = lfirst(lc);
		const char *problem;
		TwpProvenance provenance;

		if (resolve_column(&cursor, &provenance.relid, &provenance.derived, &provenance.derived_type, &problem) &&
			provenance.relid != relid)
			relids = list_append_unique_oid(relids, provenance.relid);
	}
	return relids;
}

/* Takes the dependencies on a label's provenance tables away. */
void
twp_protect_forget_provenance(Oid relid, const TwpTableLabel *label)
{
	ListCell   *lc;

	foreach(lc, tables_of(relid, label))
		(void) deleteDependencyRecordsForSpecific(RelationRelationId, relid, DEPENDENCY_NORMAL,
												  RelationRelationId, lfirst_oid(lc));
}

/* Makes the target depend on its label's provenance tables: dropping one alone would open its rows. */
void
twp_protect_depend_on_provenance(Oid relid, const TwpTableLabel *label)
{
	ObjectAddress target = {RelationRelationId, relid, 0};
	ListCell   *lc;

	twp_protect_forget_provenance(relid, label);
	foreach(lc, tables_of(relid, label))
	{
		ObjectAddress table = {RelationRelationId, lfirst_oid(lc), 0};

		recordDependencyOn(&target, &table, DEPENDENCY_NORMAL);
		/* a plan made before must not go on changing the table's rows */
		CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
	}
	CommandCounterIncrement();
}

/* One table's declared provenance, for questions about the other tables. */
typedef struct Trace
{
	Oid			target;
	TwpProvenance provenance;
} Trace;

static MemoryContext trace_context = NULL;
static List *traces = NIL;
static uint64 traces_generation = 0;

/* Makes the list of all declared provenance current. */
static void
load_traces(void)
{
	uint64		started = twp_protect_generation();
	List	   *relids;
	ListCell   *lc;

	if (traces_generation == started)
		return;
	relids = twp_protect_labelled_relations();
	if (trace_context == NULL)
		trace_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy provenance", ALLOCSET_SMALL_SIZES);
	traces = NIL;
	traces_generation = 0;
	MemoryContextReset(trace_context);
	foreach(lc, relids)
	{
		const TwpProtection *p = twp_protect_lookup(lfirst_oid(lc));
		MemoryContext old = MemoryContextSwitchTo(trace_context);

		/* of a label that does not resolve, what does still counts: it closes more */
		for (int i = 0; p != NULL && i < p->nprovenance; i++)
		{
			Trace	   *trace = palloc(sizeof(Trace));

			trace->target = p->relid;
			trace->provenance = p->provenance[i];
			traces = lappend(traces, trace);
		}
		MemoryContextSwitchTo(old);
	}
	traces_generation = started;
}

/* Says whether any provenance is declared. */
bool
twp_protect_has_lineage(void)
{
	load_traces();
	return traces != NIL;
}

/* Says whether some protected table's rows are traced by the relation. */
bool
twp_protect_is_provenance(Oid relid)
{
	ListCell   *lc;

	load_traces();
	foreach(lc, traces)
		if (((Trace *) lfirst(lc))->provenance.relid == relid)
			return true;
	return false;
}

/* True when the relation is on the way of a path. */
static bool
is_hop(const TwpPath *path, Oid relid)
{
	for (int i = 0; i < path->nhops; i++)
		if (path->hops[i].relid == relid)
			return true;
	return false;
}

/* Says whether rows are made from the relation's, or what those are judged by stands in it. */
bool
twp_protect_is_lineage_source(Oid relid)
{
	ListCell   *lc;

	load_traces();
	foreach(lc, traces)
	{
		Oid			source = ((Trace *) lfirst(lc))->provenance.source;
		const TwpProtection *p = source == relid ? NULL : twp_protect_lookup(source);

		if (source == relid || (p != NULL && (is_hop(&p->subject, relid) || (p->has_label_path && is_hop(&p->labels, relid)))))
			return true;
	}
	return false;
}

/* Lists the columns of a provenance table that hold keys of derived rows. */
List *
twp_protect_traced_columns(Oid relid)
{
	List	   *columns = NIL;
	ListCell   *lc;

	load_traces();
	foreach(lc, traces)
		if (((Trace *) lfirst(lc))->provenance.relid == relid)
			columns = list_append_unique_int(columns, ((Trace *) lfirst(lc))->provenance.derived);
	return columns;
}

/* Lists the tables whose rows a column of a provenance table traces. */
List *
twp_protect_traced_tables(Oid relid, AttrNumber attno)
{
	List	   *tables = NIL;
	ListCell   *lc;

	load_traces();
	foreach(lc, traces)
	{
		const Trace *trace = lfirst(lc);

		if (trace->provenance.relid == relid && trace->provenance.derived == attno)
			tables = list_append_unique_oid(tables, trace->target);
	}
	return tables;
}

/* True when a source's key is the column of the relation, which may be a part of the source, or be above it. */
static bool
is_source_key(const TwpProvenance *provenance, Oid relid, AttrNumber attno)
{
	if (provenance->source == relid)
		return provenance->source_key == attno;
	/* a part may have a label of its own: what is above and below decides */
	return (list_member_oid(twp_protect_ancestors(relid), provenance->source) ||
			list_member_oid(twp_protect_ancestors(provenance->source), relid)) &&
		strcmp(get_attname(relid, attno, false), get_attname(provenance->source, provenance->source_key, false)) == 0;
}

/* Says whether provenance knows rows of the relation by the column. */
bool
twp_protect_is_lineage_key(Oid relid, AttrNumber attno)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	ListCell   *lc;

	if (p != NULL && p->facts[TWP_ROW_KEY] == attno)
		return true;
	load_traces();
	foreach(lc, traces)
	{
		const Trace *trace = lfirst(lc);

		if (is_source_key(&trace->provenance, relid, attno))
			return true;
	}
	return false;
}

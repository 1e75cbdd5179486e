/*
 * lineage.c - declare_provenance, declare_purpose_column, label_context and
 * what takes them back.
 *
 * Each changes one item of a table's security label and leaves the others.
 * All need twin_privacy_admin; everything is checked before anything changes.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "protect/protect_internal.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(twp_protect_declare_provenance);
PG_FUNCTION_INFO_V1(twp_protect_drop_provenance);
PG_FUNCTION_INFO_V1(twp_protect_declare_purpose_column);
PG_FUNCTION_INFO_V1(twp_protect_drop_purpose_column);
PG_FUNCTION_INFO_V1(twp_protect_label_context);

/* Reads and locks a table that a label of its own protects; *label is that label. */
static Oid
open_target(FunctionCallInfo fcinfo, TwpTableLabel **label)
{
	Oid			relid;
	const TwpProtection *p;

	TWP_REQUIRE_ARG(0, "target");
	relid = PG_GETARG_OID(0);
	(void) twp_catalog_qualified_name(relid);
	LockRelationOid(relid, AccessExclusiveLock);
	p = twp_protect_lookup(relid);
	if (p == NULL || p->source != relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not protected%s", twp_catalog_qualified_name(relid),
						p != NULL ? " by a label of its own" : ""),
				 errhint("Protect it first with twin_privacy.protect_table, or name the table whose label protects it.")));
	*label = twp_protect_parse_table_label(twp_protect_label_text(relid, 0));
	return relid;
}

/* Writes a changed label. */
static void
store_label(Oid relid, const TwpTableLabel *label)
{
	twp_protect_set_label(psprintf("TABLE %s", twp_catalog_qualified_name(relid)),
						  twp_protect_format_table_label(label));
}

/* Records that something was taken back, and why. */
static void
emit_drop(const char *kind, Oid relid, const char *reason)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, reason);
	appendStringInfoChar(&detail, '}');
	twp_event_emit(kind, twp_catalog_qualified_name(relid), NULL, detail.data);
}

/* Reads a column argument and its number in a relation. */
static char *
column_argument(FunctionCallInfo fcinfo, int n, const char *name, Oid relid)
{
	char	   *column;

	TWP_REQUIRE_ARG(n, name);
	column = NameStr(*PG_GETARG_NAME(n));
	if (get_attnum(relid, column) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of %s does not exist", column, twp_catalog_qualified_name(relid)),
				 errhint("Name one of the table's columns as %s.", name)));
	return pstrdup(quote_identifier(column));
}

/* Reads a table argument. */
static Oid
table_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	TWP_REQUIRE_ARG(n, name);
	(void) twp_catalog_qualified_name(PG_GETARG_OID(n));
	return PG_GETARG_OID(n);
}

/* Refuses tables that cannot say what a target's rows are made from. */
static void
check_tables(Oid target, Oid provenance, Oid source)
{
	if (provenance == target || provenance == source)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot be its own provenance", twp_catalog_qualified_name(provenance)),
				 errhint("Name the table whose rows say which row was made from which.")));
	if (twp_catalog_owner(provenance) != twp_catalog_owner(target))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s has another owner than %s", twp_catalog_qualified_name(provenance),
						twp_catalog_qualified_name(target)),
				 errhint("Whoever may drop the provenance takes its target with it: let both belong to one role.")));
	if (!twp_protect_is_protected(source))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not protected", twp_catalog_qualified_name(source)),
				 errhint("Protect it first with twin_privacy.protect_table: its subject and category are what a derived row needs.")));
}

/* Adds one provenance to a label; false when it is there and nothing else is new. */
static bool
add_provenance(TwpTableLabel *label, char *key, char *item, const char *untraced)
{
	bool		open = untraced != NULL ? twp_protect_parse_untraced(untraced) : label->untraced_open;
	bool		changes = open != label->untraced_open;
	ListCell   *lc;

	label->untraced_open = open;
	foreach(lc, label->provenance)
		if (strcmp(lfirst(lc), item) == 0)
			return changes;
	label->facts[TWP_ROW_KEY] = key;
	label->provenance = lappend(label->provenance, item);
	return true;
}

/*
 * Waits for transactions that have written what the source's rows are judged
 * by: they do not count changes yet.  The source itself is locked already.
 */
static void
lock_paths(Oid source)
{
	const TwpProtection *p = twp_protect_lookup(source);

	for (int i = 0; i < p->subject.nhops; i++)
		LockRelationOid(p->subject.hops[i].relid, ShareRowExclusiveLock);
	for (int i = 0; p->has_label_path && i < p->labels.nhops; i++)
		LockRelationOid(p->labels.hops[i].relid, ShareRowExclusiveLock);
}

/* declare_provenance(target, target_key, provenance, derived_column, source, source_column, source_key, untraced) */
Datum
twp_protect_declare_provenance(PG_FUNCTION_ARGS)
{
	TwpTableLabel *label;
	Oid			relid;
	Oid			provenance;
	Oid			source;
	char	   *key;
	char	   *item;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "declare provenance");
	relid = open_target(fcinfo, &label);
	key = column_argument(fcinfo, 1, "target_key", relid);
	provenance = table_argument(fcinfo, 2, "provenance");
	LockRelationOid(provenance, ShareRowExclusiveLock);
	source = table_argument(fcinfo, 4, "source");
	LockRelationOid(source, ShareRowExclusiveLock);
	item = psprintf("%s(%s).%s -> %s(%s)", twp_catalog_qualified_name(provenance),
					column_argument(fcinfo, 3, "derived_column", provenance),
					column_argument(fcinfo, 5, "source_column", provenance),
					twp_catalog_qualified_name(source),
					column_argument(fcinfo, 6, "source_key", source));
	check_tables(relid, provenance, source);
	if (label->provenance != NIL && strcmp(label->facts[TWP_ROW_KEY], key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("provenance knows rows of %s by column %s already", twp_catalog_qualified_name(relid),
						label->facts[TWP_ROW_KEY]),
				 errhint("A table's rows have one key for all its provenance.")));
	if (!add_provenance(label, key, item, PG_ARGISNULL(7) ? NULL : twp_protect_required_text(fcinfo, 7, "untraced")))
		PG_RETURN_VOID();
	lock_paths(source);
	store_label(relid, label);
	twp_event_emit("provenance.declare", twp_catalog_qualified_name(relid), NULL, NULL);
	PG_RETURN_VOID();
}

/* drop_provenance(target, reason) takes all provenance of a table back. */
Datum
twp_protect_drop_provenance(PG_FUNCTION_ARGS)
{
	TwpTableLabel *label;
	Oid			relid;
	char	   *reason;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "drop provenance");
	relid = open_target(fcinfo, &label);
	reason = twp_protect_required_text(fcinfo, 1, "reason");
	if (label->provenance == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no provenance is declared of %s", twp_catalog_qualified_name(relid)),
				 errhint("There is nothing to take back.")));
	emit_drop("provenance.drop", relid, reason);
	label->provenance = NIL;
	label->untraced_open = false;
	label->facts[TWP_ROW_KEY] = NULL;
	store_label(relid, label);
	PG_RETURN_VOID();
}

/* Takes the default of a table's purpose column away, if the label names one that is there. */
void
twp_protect_drop_purpose_default(Oid relid, const TwpTableLabel *label)
{
	const char *text = label->facts[TWP_ROW_PURPOSE];
	char	   *column = text == NULL ? NULL : twp_protect_read_identifier(&text);

	if (column == NULL || get_attnum(relid, column) <= 0)
		return;
	twp_sql_connect();
	twp_sql_exec(psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", twp_catalog_qualified_name(relid),
						  quote_identifier(column)), 0, NULL, NULL, NULL);
	twp_sql_finish();
}

/* declare_purpose_column(target, column_name): rows are read for the purpose that stands in the column. */
Datum
twp_protect_declare_purpose_column(PG_FUNCTION_ARGS)
{
	TwpTableLabel *label;
	Oid			relid;
	char	   *column;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "declare a purpose column");
	relid = open_target(fcinfo, &label);
	column = column_argument(fcinfo, 1, "column_name", relid);
	twp_protect_drop_purpose_default(relid, label);
	label->facts[TWP_ROW_PURPOSE] = column;
	store_label(relid, label);
	twp_sql_connect();
	twp_sql_exec(psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT twin_privacy_internal.bound_purpose()",
						  twp_catalog_qualified_name(relid), column), 0, NULL, NULL, NULL);
	twp_sql_finish();
	twp_event_emit("purpose_column.declare", twp_catalog_qualified_name(relid), NULL, NULL);
	PG_RETURN_VOID();
}

/* drop_purpose_column(target, reason) takes it back. */
Datum
twp_protect_drop_purpose_column(PG_FUNCTION_ARGS)
{
	TwpTableLabel *label;
	Oid			relid;
	char	   *reason;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "drop a purpose column");
	relid = open_target(fcinfo, &label);
	reason = twp_protect_required_text(fcinfo, 1, "reason");
	if (label->facts[TWP_ROW_PURPOSE] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no purpose column is declared of %s", twp_catalog_qualified_name(relid)),
				 errhint("There is nothing to take back.")));
	emit_drop("purpose_column.drop", relid, reason);
	twp_protect_drop_purpose_default(relid, label);
	label->facts[TWP_ROW_PURPOSE] = NULL;
	store_label(relid, label);
	PG_RETURN_VOID();
}

/* label_context(target, context) says what a table, protected or not, is kept for; NULL takes that back. */
Datum
twp_protect_label_context(PG_FUNCTION_ARGS)
{
	TwpTableLabel *label = palloc0(sizeof(TwpTableLabel));
	Oid			relid;
	char	   *text;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "label a table's context");
	relid = table_argument(fcinfo, 0, "target");
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	text = twp_protect_label_text(relid, 0);
	if (text != NULL)
		label = twp_protect_parse_table_label(text);
	label->context = PG_ARGISNULL(1) ? TWP_CONTEXT_NONE :
		twp_protect_parse_table_label(psprintf("context=%s", twp_protect_required_text(fcinfo, 1, "context")))->context;
	if (label->subject == NULL && label->context == TWP_CONTEXT_NONE)
	{
		if (text != NULL)
			twp_protect_set_label(psprintf("TABLE %s", twp_catalog_qualified_name(relid)), NULL);
	}
	else
		store_label(relid, label);
	twp_event_emit("context.label", twp_catalog_qualified_name(relid), NULL,
				   label->context == TWP_CONTEXT_NONE ? "{\"context\": null}" :
				   psprintf("{\"context\": \"%s\"}", twp_protect_context_name(label->context)));
	PG_RETURN_VOID();
}

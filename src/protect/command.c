/*
 * command.c - protect_table, unprotect_table, label_column.
 *
 * All need twin_privacy_admin.  They write security labels as PostgreSQL's own
 * SECURITY LABEL does, with its locks, so that both ways are one; everything
 * is checked before anything changes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "protect/protect_internal.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(twp_protect_table);
PG_FUNCTION_INFO_V1(twp_protect_unprotect_table);
PG_FUNCTION_INFO_V1(twp_protect_label_column);

static TwpProtectedListener protected_listener = NULL;

/* Registers what is to be said of a table that was protected; called once, from an upper room's init. */
void
twp_protect_register_protected(TwpProtectedListener listener)
{
	protected_listener = listener;
}

/* Reads a text argument, refusing NULL and blank. */
char *
twp_protect_required_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	char	   *value;

	TWP_REQUIRE_ARG(n, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (value[strspn(value, " \t\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name),
				 errhint("Name a value for the argument \"%s\".", name)));
	return value;
}

/* Refuses text that would read as more than one item of a label. */
static void
check_item(const char *value, const char *name)
{
	bool		quoted = false;

	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p == '"')
			quoted = !quoted;
		if (!quoted && (*p == ',' || *p == '='))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain commas or equals signs", name),
					 errhint("Double-quote a column name that has them.")));
	}
}

/* Refuses a table below one that is not protected, which would reach into its rows. */
static void
refuse_open_parent(Oid relid)
{
	List	   *parents = twp_protect_parents(relid);

	if (parents != NIL && !twp_protect_is_protected(linitial_oid(parents)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is part of %s, which is not protected", twp_catalog_qualified_name(relid),
						twp_catalog_qualified_name(linitial_oid(parents))),
				 errhint("Protect the parent: protection covers partitions and children.")));
}

/* True when the table uses row security already, for policies of its own. */
static bool
has_row_security(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	result = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;
	ReleaseSysCache(tuple);
	return result;
}

/* Runs a SECURITY LABEL statement as the extension. */
void
twp_protect_set_label(const char *object, const char *label)
{
	twp_sql_connect();
	twp_sql_exec(psprintf("SECURITY LABEL FOR twin_privacy ON %s IS %s", object,
						  label != NULL ? quote_literal_cstr(label) : "NULL"),
				 0, NULL, NULL, NULL);
	twp_sql_finish();
}

/* Keeps of a table's earlier label what other functions declared: dropping it here would open rows. */
static void
keep_lineage(Oid relid, TwpTableLabel *label)
{
	char	   *text = twp_protect_label_text(relid, 0);
	const char *problem;
	TwpTableLabel *old = text == NULL ? NULL : twp_protect_parse_leniently(text, true, &problem);

	if (old == NULL)
		return;
	label->facts[TWP_ROW_PURPOSE] = old->facts[TWP_ROW_PURPOSE];
	label->facts[TWP_ROW_KEY] = old->facts[TWP_ROW_KEY];
	label->provenance = old->provenance;
	label->untraced_open = old->untraced_open;
	label->context = old->context;
}

/* Protects a table: subject, category and, optionally, the columns of row labels, author, encounter and date. */
Datum
twp_protect_table(PG_FUNCTION_ARGS)
{
	TwpTableLabel label = {0};
	Oid			relid;
	char	   *name;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "protect a table");
	TWP_REQUIRE_ARG(0, "target");
	relid = PG_GETARG_OID(0);
	name = twp_catalog_qualified_name(relid);
	label.subject = twp_protect_required_text(fcinfo, 1, "subject");
	label.category = twp_protect_required_text(fcinfo, 2, "category");
	check_item(label.subject, "subject");
	check_item(label.category, "category");
	if (!PG_ARGISNULL(3))
	{
		label.label_column = twp_protect_required_text(fcinfo, 3, "label_column");
		check_item(label.label_column, "label_column");
	}
	for (int fact = 0; fact < TWP_CONSENT_FACTS; fact++)
		if (!PG_ARGISNULL(4 + fact))
		{
			label.facts[fact] = twp_protect_required_text(fcinfo, 4 + fact, twp_protect_fact_name(fact));
			check_item(label.facts[fact], twp_protect_fact_name(fact));
		}

	LockRelationOid(relid, AccessExclusiveLock);
	if (twp_protect_is_protected(relid) && twp_protect_lookup(relid)->source != relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is protected through its parent", name),
				 errhint("Label columns of its own with twin_privacy.label_column; the table's subject and category are the parent's.")));
	refuse_open_parent(relid);
	twp_protect_refuse_materialized_views(relid);
	label.native_rls = twp_protect_is_protected(relid) ? twp_protect_lookup(relid)->native_rls :
		has_row_security(relid);
	keep_lineage(relid, &label);
	twp_protect_set_label(psprintf("TABLE %s", name), twp_protect_format_table_label(&label));
	if (protected_listener != NULL)
		protected_listener(relid);
	PG_RETURN_VOID();
}

/* Ends a table's protection, for a reason that is recorded. */
Datum
twp_protect_unprotect_table(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *name;
	char	   *reason;
	TwpTableLabel *label;
	StringInfoData detail;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "end a table's protection");
	TWP_REQUIRE_ARG(0, "target");
	relid = PG_GETARG_OID(0);
	name = twp_catalog_qualified_name(relid);
	reason = twp_protect_required_text(fcinfo, 1, "reason");

	LockRelationOid(relid, AccessExclusiveLock);
	if (!twp_protect_is_protected(relid) || twp_protect_lookup(relid)->source != relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not protected%s", name,
						twp_protect_is_protected(relid) ? " by a label of its own" : ""),
				 errhint("See twin_privacy.protected_tables.")));
	label = twp_protect_parse_table_label(twp_protect_label_text(relid, 0));
	twp_protect_drop_purpose_default(relid, label);
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, reason);
	appendStringInfoChar(&detail, '}');
	twp_event_emit("protect.unprotect", name, NULL, detail.data);
	twp_protect_set_label(psprintf("TABLE %s", name), label->context == TWP_CONTEXT_NONE ? NULL :
						  psprintf("context=%s", twp_protect_context_name(label->context)));
	if (!label->native_rls)
		twp_protect_switch_rls(relid, false);
	PG_RETURN_VOID();
}

/* Labels one column; NULL takes the label away and hides the column again. */
Datum
twp_protect_label_column(PG_FUNCTION_ARGS)
{
	Oid			relid;
	char	   *name;
	char	   *column;
	const TwpProtection *p;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "label a column");
	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(1, "column_name");
	relid = PG_GETARG_OID(0);
	name = twp_catalog_qualified_name(relid);
	column = NameStr(*PG_GETARG_NAME(1));
	if (get_attnum(relid, column) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of %s does not exist", column, name),
				 errhint("Name one of the table's columns.")));
	p = twp_protect_lookup(relid);
	if (p == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not protected", name),
				 errhint("Protect it first with twin_privacy.protect_table.")));
	if (p->source != relid && get_attnum(p->source, column) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of %s is the parent's", column, name),
				 errhint("Label it on %s.", twp_catalog_qualified_name(p->source))));
	twp_protect_set_label(psprintf("COLUMN %s.%s", name, quote_identifier(column)),
			  PG_ARGISNULL(2) ? NULL : twp_protect_required_text(fcinfo, 2, "label"));
	PG_RETURN_VOID();
}

/*
 * own.c - our own tables and schemas as objects of commands.
 *
 * They are known by their schema, so neither the tables nor the schemas move,
 * and no table goes above or below ours: what is written to it would be
 * written to ours.  Maintenance and our own scripts may.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/guc.h"
#include "enforce/enforce_internal.h"
#include "utils/lsyscache.h"

/* Refuses, but for maintenance, a command on something of ours. */
static void
guard_name(const char *name)
{
	if (twp_sql_is_internal() || twp_in_maintenance() || twp_sql_is_installing())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("\"%s\" changes only through the functions of twin_privacy", name),
			 errhint("A superuser repairs with twin_privacy.maintenance.")));
}

/* Refuses commands on our own tables. */
void
twp_enforce_guard_own(Oid relid)
{
	if (OidIsValid(relid) && twp_catalog_is_ours(relid))
		guard_name(get_rel_name(relid));
}

/* Refuses to rename one of our schemas, or to give it to another owner, who could drop what is in it. */
static void
guard_schema(const char *name)
{
	if ((strcmp(name, TWP_SCHEMA) == 0 || strcmp(name, TWP_INTERNAL_SCHEMA) == 0) && twp_catalog_installed())
		guard_name(name);
}

/* Refuses the commands of which our tables, our schemas or our extension's contents are the object. */
void
twp_enforce_guard_ours(Node *node)
{
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_CreatePolicyStmt:
			twp_enforce_guard_own(twp_enforce_relation_of(((CreatePolicyStmt *) node)->table));
			break;
		case T_CreateTrigStmt:
			twp_enforce_guard_own(twp_enforce_relation_of(((CreateTrigStmt *) node)->relation));
			break;
		case T_RuleStmt:
			twp_enforce_guard_own(twp_enforce_relation_of(((RuleStmt *) node)->relation));
			break;
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			foreach(lc, ((CreateStmt *) node)->inhRelations)
				twp_enforce_guard_own(twp_enforce_relation_of(lfirst(lc)));
			break;
		case T_AlterObjectSchemaStmt:
			twp_enforce_guard_own(twp_enforce_relation_of(((AlterObjectSchemaStmt *) node)->relation));
			break;
		case T_AlterOwnerStmt:
			if (((AlterOwnerStmt *) node)->objectType == OBJECT_SCHEMA)
				guard_schema(strVal(((AlterOwnerStmt *) node)->object));
			break;
		case T_AlterExtensionContentsStmt:
			/* what is no member of the extension could be dropped by itself */
			if (strcmp(((AlterExtensionContentsStmt *) node)->extname, TWP_SCHEMA) == 0)
				guard_name(TWP_SCHEMA);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) node)->renameType == OBJECT_SCHEMA)
				guard_schema(((RenameStmt *) node)->subname);
			twp_enforce_guard_own(twp_enforce_relation_of(((RenameStmt *) node)->relation));
			break;
		default:
			break;
	}
}

/*
 * utility.c - utility commands around protected tables.
 *
 * Before: refuse what would open a protected table, change what would read
 * it raw, remember names that labels mention.  After: let labels follow
 * renames and protection follow new partitions and children.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct UtilityState
{
	List	   *remembered_labels;
} UtilityState;

/* Relation a range variable names, or InvalidOid. */
static Oid
relation_of(const RangeVar *range)
{
	return range != NULL ? RangeVarGetRelid(range, NoLock, true) : InvalidOid;
}

/* Refuses a command on a protected table unless an administrator of protection gives it. */
static void
require_admin(Oid relid, const char *what)
{
	if (!OidIsValid(relid) || !twp_protect_is_protected(relid) || twp_guc_maintenance ||
		twp_sql_is_internal() || twp_role_has(GetUserId(), TWP_ROLES(TWP_ROLE_ADMIN)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s on protected table \"%s\" takes an administrator of protection", what,
					get_rel_name(relid)),
			 errhint("It would see raw rows: ask a member of twin_privacy_admin to review and create it.")));
}

/* Refuses to switch off the row security that keeps a table closed without the library. */
static void
check_alter_table(const AlterTableStmt *stmt)
{
	Oid			relid = relation_of(stmt->relation);
	ListCell   *lc;

	if (!OidIsValid(relid) || !twp_protect_is_protected(relid) || twp_guc_maintenance ||
		twp_sql_is_internal())
		return;
	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);

		if (cmd->subtype == AT_DisableRowSecurity || cmd->subtype == AT_NoForceRowSecurity)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row security of protected table \"%s\" stays on", get_rel_name(relid)),
					 errhint("Use twin_privacy.unprotect_table to end its protection.")));
	}
}

/* Refuses commands on our own tables. */
static void
guard_own_relation(Oid relid)
{
	if (OidIsValid(relid) && twp_catalog_is_ours(relid) && !twp_sql_is_internal() &&
		!twp_guc_maintenance && !twp_sql_is_installing())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" changes only through the functions of twin_privacy", get_rel_name(relid)),
				 errhint("A superuser repairs with twin_privacy.maintenance.")));
}

/* Looks at the relations TRUNCATE empties. */
static void
check_truncate(const TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		Oid			relid = relation_of(lfirst(lc));

		guard_own_relation(relid);
		require_admin(relid, "TRUNCATE");
	}
}

/* Refuses, changes or remembers, by kind of command. */
bool
twp_enforce_utility_before(PlannedStmt *pstmt, const char *query_string,
						   ProcessUtilityContext context, ParamListInfo params,
						   DestReceiver *dest, QueryCompletion *qc, void **state)
{
	Node	   *node = pstmt->utilityStmt;

	*state = NULL;
	switch (nodeTag(node))
	{
		case T_CopyStmt:
			if (((CopyStmt *) node)->is_from)
				guard_own_relation(relation_of(((CopyStmt *) node)->relation));
			return twp_enforce_copy(pstmt, query_string, dest, qc);
		case T_AlterTableStmt:
			guard_own_relation(relation_of(((AlterTableStmt *) node)->relation));
			check_alter_table((AlterTableStmt *) node);
			break;
		case T_CreatePolicyStmt:
			require_admin(relation_of(((CreatePolicyStmt *) node)->table), "CREATE POLICY");
			break;
		case T_AlterPolicyStmt:
			require_admin(relation_of(((AlterPolicyStmt *) node)->table), "ALTER POLICY");
			break;
		case T_CreateTrigStmt:
			guard_own_relation(relation_of(((CreateTrigStmt *) node)->relation));
			require_admin(relation_of(((CreateTrigStmt *) node)->relation), "CREATE TRIGGER");
			break;
		case T_RuleStmt:
			guard_own_relation(relation_of(((RuleStmt *) node)->relation));
			require_admin(relation_of(((RuleStmt *) node)->relation), "CREATE RULE");
			break;
		case T_TruncateStmt:
			check_truncate((TruncateStmt *) node);
			break;
		case T_RenameStmt:
			guard_own_relation(relation_of(((RenameStmt *) node)->relation));
			if (twp_catalog_installed())
			{
				UtilityState *mine = palloc0(sizeof(UtilityState));

				mine->remembered_labels = twp_protect_remember_labels();
				*state = mine;
			}
			break;
		case T_AlterObjectSchemaStmt:
			if (twp_catalog_installed())
			{
				UtilityState *mine = palloc0(sizeof(UtilityState));

				mine->remembered_labels = twp_protect_remember_labels();
				*state = mine;
			}
			break;
		default:
			break;
	}
	return true;
}

/* Turns row security on for a table that inherits protection. */
static void
protect_heir(Oid relid)
{
	if (OidIsValid(relid) && twp_protect_is_protected(relid))
		twp_protect_switch_rls(relid, true);
}

/* Finds children that ALTER TABLE attached. */
static void
protect_attached(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);

		if (cmd->subtype == AT_AttachPartition)
			protect_heir(relation_of(((PartitionCmd *) cmd->def)->name));
		else if (cmd->subtype == AT_AddInherit)
			protect_heir(relation_of(stmt->relation));
	}
}

/* Lets labels follow renames and protection follow new children. */
void
twp_enforce_utility_after(PlannedStmt *pstmt, void *state)
{
	Node	   *node = pstmt->utilityStmt;
	UtilityState *mine = state;

	if (mine != NULL && mine->remembered_labels != NIL)
	{
		CommandCounterIncrement();
		twp_protect_rewrite_labels(mine->remembered_labels);
	}
	if (IsA(node, CreateStmt) && ((CreateStmt *) node)->inhRelations != NIL)
		protect_heir(relation_of(((CreateStmt *) node)->relation));
	else if (IsA(node, AlterTableStmt))
		protect_attached((AlterTableStmt *) node);
}

/*
 * utility.c - utility commands around protected tables: the dispatcher.
 *
 * Before: refuse what would open a protected table, change what would read
 * it raw, remember what labels mention.  After: let labels follow renames and
 * protection follow new, attached and detached children.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/guc.h"
#include "breakglass/breakglass.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "enforce/enforce_internal.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

typedef struct UtilityState
{
	List	   *labels;			/* labels as resolved before a rename */
	List	   *detached;		/* children about to be detached, with their labels */
} UtilityState;

bool		twp_enforce_adding_foreign_key = false;
static const AlterTableStmt *adding = NULL; /* valid while that is set */

/* The table a subcommand's foreign key leads to; InvalidOid where it neither adds nor validates one. */
static Oid
referenced_by(const AlterTableStmt *stmt, const AlterTableCmd *cmd)
{
	const Constraint *constraint = (const Constraint *) cmd->def;
	Oid			result = InvalidOid;
	HeapTuple	tuple;

	if (cmd->subtype == AT_AddConstraint && constraint->contype == CONSTR_FOREIGN)
		return twp_enforce_relation_of(constraint->pktable);
	if (cmd->subtype != AT_ValidateConstraint)
		return InvalidOid;
	tuple = twp_enforce_find_constraint(twp_enforce_relation_of(stmt->relation), cmd->name);
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_constraint) GETSTRUCT(tuple))->confrelid;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * True for an ALTER TABLE that adds or validates foreign keys and nothing else:
 * a check or a conversion beside them would run a user's code meanwhile.
 */
static bool
adds_foreign_key(const Node *node)
{
	const AlterTableStmt *stmt = (const AlterTableStmt *) node;
	ListCell   *lc;

	if (!IsA(node, AlterTableStmt))
		return false;
	foreach(lc, stmt->cmds)
		if (!OidIsValid(referenced_by(stmt, lfirst(lc))))
			return false;
	return true;
}

/* True when a relation is the other or stands below it. */
static bool
is_part_of(Oid relid, Oid whole)
{
	return OidIsValid(whole) &&
		(relid == whole || list_member_oid(find_all_inheritors(whole, NoLock, NULL), relid));
}

/* True when the command under way adds or validates a foreign key from the one relation to the other. */
bool
twp_enforce_adds_foreign_key_between(Oid from, Oid to)
{
	ListCell   *lc;

	if (!twp_enforce_adding_foreign_key || !is_part_of(from, twp_enforce_relation_of(adding->relation)))
		return false;
	foreach(lc, adding->cmds)
		if (is_part_of(to, referenced_by(adding, lfirst(lc))))
			return true;
	return false;
}

/* Remembers what must follow a command. */
static UtilityState *
remember(Node *node)
{
	UtilityState *state;

	if (!twp_catalog_installed())
		return NULL;
	state = palloc0(sizeof(UtilityState));
	if (IsA(node, RenameStmt) || IsA(node, AlterObjectSchemaStmt))
		state->labels = twp_protect_remember_labels();
	else
		state->detached = twp_enforce_remember_detached((AlterTableStmt *) node);
	return state;
}

/* Checks commands that define things on one table. */
static void
check_definition(Node *node, bool again)
{
	twp_enforce_guard_ours(node);
	switch (nodeTag(node))
	{
		case T_AlterTableStmt:
			twp_enforce_check_alter_table((AlterTableStmt *) node, again);
			break;
		case T_CreatePolicyStmt:
			twp_enforce_require_admin(twp_enforce_relation_of(((CreatePolicyStmt *) node)->table), "CREATE POLICY");
			break;
		case T_AlterPolicyStmt:
			twp_enforce_require_admin(twp_enforce_relation_of(((AlterPolicyStmt *) node)->table), "ALTER POLICY");
			break;
		case T_CreateTrigStmt:
			twp_enforce_require_admin(twp_enforce_relation_of(((CreateTrigStmt *) node)->relation), "CREATE TRIGGER");
			if (TRIGGER_FOR_BEFORE(((CreateTrigStmt *) node)->timing) && ((CreateTrigStmt *) node)->row &&
				TRIGGER_FOR_UPDATE(((CreateTrigStmt *) node)->events))
				twp_enforce_guard_step(twp_enforce_relation_of(((CreateTrigStmt *) node)->relation), "a trigger before updates");
			break;
		case T_RuleStmt:
			twp_enforce_require_admin(twp_enforce_relation_of(((RuleStmt *) node)->relation), "CREATE RULE");
			break;
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			/* afterwards it is there itself */
			if (!again)
				twp_enforce_check_create_table((CreateStmt *) node);
			break;
		case T_ClusterStmt:
			{
				const ClusterStmt *stmt = (ClusterStmt *) node;

				/* one that is not there is PostgreSQL's to refuse, and no word about all */
				if (stmt->relation == NULL || OidIsValid(twp_enforce_relation_of(stmt->relation)))
					twp_enforce_check_order(twp_enforce_relation_of(stmt->relation), stmt->indexname);
			}
			break;
		case T_IndexStmt:
			twp_enforce_check_index((IndexStmt *) node);
			break;
		case T_CreateStatsStmt:
			twp_enforce_check_statistics((CreateStatsStmt *) node);
			break;
		case T_CreatePublicationStmt:
			twp_enforce_check_publication(((CreatePublicationStmt *) node)->pubobjects);
			break;
		case T_AlterPublicationStmt:
			twp_enforce_check_publication(((AlterPublicationStmt *) node)->pubobjects);
			break;
		case T_TruncateStmt:
			twp_enforce_check_truncate((TruncateStmt *) node);
			break;
		case T_AlterDomainStmt:
			twp_enforce_check_domain((AlterDomainStmt *) node);
			break;
		case T_AlterFunctionStmt:
			twp_enforce_check_altered_function(((AlterFunctionStmt *) node)->func->objname);
			break;
		case T_CreateFunctionStmt:
			if (((CreateFunctionStmt *) node)->replace)
				twp_enforce_check_altered_function(((CreateFunctionStmt *) node)->funcname);
			break;
		case T_AlterObjectSchemaStmt:
			if (!again)
				twp_enforce_check_rename(((AlterObjectSchemaStmt *) node)->relation, false);
			break;
		case T_RenameStmt:
			if (!again)
				twp_enforce_check_rename(((RenameStmt *) node)->relation,
										 ((RenameStmt *) node)->renameType == OBJECT_SCHEMA);
			break;
		default:
			break;
	}
}

/*
 * Checks a definition once more, when its tables are locked: until PostgreSQL
 * had its lock another session might have given a name to another table, or
 * protected this one.  Before users' code runs in the command, and after it.
 */
void
twp_enforce_check_again(Node *node)
{
	if (!IsA(node, TransactionStmt) && !IsA(node, CopyStmt))
		check_definition(node, true);
}

/* Refuses, changes or remembers, by kind of command; false when it was carried out here. */
bool
twp_enforce_utility_before(PlannedStmt *pstmt, const char *query_string,
						   ProcessUtilityContext context, ParamListInfo params,
						   DestReceiver *dest, QueryCompletion *qc, void **state)
{
	Node	   *node = pstmt->utilityStmt;

	*state = NULL;
	if (IsA(node, TransactionStmt))
		return true;
	twp_enforce_check_held();
	twp_enforce_check_side_effect(node);
	if (IsA(node, CopyStmt))
		return twp_enforce_copy(pstmt, query_string, qc);
	check_definition(node, false);
	if (IsA(node, RenameStmt) || IsA(node, AlterObjectSchemaStmt) || IsA(node, AlterTableStmt))
		*state = remember(node);
	twp_enforce_adding_foreign_key = context == PROCESS_UTILITY_TOPLEVEL && adds_foreign_key(node);
	adding = twp_enforce_adding_foreign_key ? (const AlterTableStmt *) node : NULL;
	return true;
}

/*
 * An error of a command goes on without values of protected rows, or as our
 * refusal where the command was none to be given: its error might tell.
 */
void
twp_enforce_utility_failed(Node *node)
{
	twp_enforce_adding_foreign_key = false;
	if (IsA(node, AlterTableStmt) || IsA(node, IndexStmt) || IsA(node, AlterDomainStmt))
	{
		ErrorContextCallback *callbacks = error_context_stack;
		MemoryContext context = MemoryContextSwitchTo(TopTransactionContext);
		ErrorData  *error = CopyErrorData();

		FlushErrorState();
		twp_enforce_check_again(node);
		error_context_stack = callbacks;
		MemoryContextSwitchTo(context);
		twp_enforce_rethrow_copied(error, false);
	}
	twp_enforce_rethrow_discreetly(false);
}

/* Lets labels follow renames and protection follow children; ends an emergency with the session. */
void
twp_enforce_utility_after(PlannedStmt *pstmt, void *state)
{
	Node	   *node = pstmt->utilityStmt;
	UtilityState *mine = state;

	twp_enforce_adding_foreign_key = false;
	twp_enforce_check_again(node);
	if (IsA(node, FetchStmt))
		twp_enforce_note_fetched(((FetchStmt *) node)->portalname);
	if (!IsA(node, TransactionStmt))
		twp_enforce_check_held();
	if (mine != NULL && (mine->labels != NIL || mine->detached != NIL))
	{
		/* DETACH CONCURRENTLY has ended its transaction, and the snapshot with it */
		bool		bare = !ActiveSnapshotSet();

		if (bare)
			PushActiveSnapshot(GetTransactionSnapshot());
		CommandCounterIncrement();
		twp_protect_rewrite_labels(mine->labels);
		twp_enforce_protect_detached(mine->detached);
		if (bare)
			PopActiveSnapshot();
	}
	if (IsA(node, CreateStmt) || IsA(node, CreateForeignTableStmt))
		twp_enforce_protect_created((CreateStmt *) node);
	else if (IsA(node, AlterTableStmt))
		twp_enforce_protect_attached((AlterTableStmt *) node);
	else if (IsA(node, CreateTableAsStmt) &&
			 ((CreateTableAsStmt *) node)->objtype == OBJECT_MATVIEW)
		twp_enforce_refuse_materialized_view(twp_enforce_relation_of(((CreateTableAsStmt *) node)->into->rel));
	else if (IsA(node, DiscardStmt) && ((DiscardStmt *) node)->target == DISCARD_ALL)
		twp_breakglass_reset_session();
}

/*
 * effect.c - functions and commands with effects beside their result.
 *
 * They carry values out of a statement that may not export: a large object, a
 * notification, a table's name, a program's command line.
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "enforce/enforce_internal.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/syscache.h"

/* True for functions of PostgreSQL's that carry their arguments somewhere else. */
static bool
is_builtin_carrier(Oid function)
{
	switch (function)
	{
		case F_LO_FROM_BYTEA:
		case F_LO_PUT:
		case F_LO_CREAT:
		case F_LO_CREATE:
		case F_LO_IMPORT_TEXT:
		case F_LO_IMPORT_TEXT_OID:
		case F_LO_TRUNCATE:
		case F_LO_TRUNCATE64:
		case F_LO_UNLINK:
		case F_LOWRITE:
		case F_LO_EXPORT:
		case F_PG_NOTIFY:
		case F_SETVAL_REGCLASS_INT8:
		case F_SETVAL_REGCLASS_INT8_BOOL:
		case F_PG_CREATE_RESTORE_POINT:
		case F_PG_REPLICATION_ORIGIN_CREATE:
			return true;
		default:
			break;
	}
	return false;
}

/* What is known of a function, until one changes or a schema does. */
typedef struct Effects
{
	Oid			function;		/* hash key */
	bool		immutable;		/* by its claim */
	bool		named_carrier;
	bool		kept_in_session;
	bool		kept_by_us;
	bool		asks;			/* what the binding and consents permit */
} Effects;

static HTAB *known_effects = NULL;
static bool effects_changed = false;

/*
 * True for functions, known by their names alone, that carry their arguments
 * somewhere else: into what they are told to write, or into which object is
 * gone, shorter or further on afterwards.
 */
static bool
is_named_carrier(Oid function, const char *name)
{
	static const char *const builtin[] = {
		"pg_logical_emit_message", "pg_create_physical_replication_slot",
		"pg_create_logical_replication_slot", "pg_copy_physical_replication_slot",
		"pg_copy_logical_replication_slot", "pg_drop_replication_slot", "pg_replication_slot_advance",
		"pg_logical_slot_get_changes", "pg_logical_slot_get_binary_changes",
		"pg_replication_origin_advance", "pg_replication_origin_drop",
		"pg_replication_origin_session_setup", "pg_replication_origin_xact_setup",
		"pg_backup_start", "pg_restore_relation_stats", "pg_restore_attribute_stats",
		"pg_clear_relation_stats", "pg_clear_attribute_stats",
		"pg_stat_reset_single_table_counters", "pg_stat_reset_single_function_counters",
		"pg_stat_reset_slru", "pg_stat_reset_shared", "pg_stat_reset_replication_slot",
		"pg_stat_reset_subscription_stats", "pg_import_system_collations",
		"brin_summarize_new_values", "brin_summarize_range", "brin_desummarize_range",
		"gin_clean_pending_list", "pg_cancel_backend", "pg_terminate_backend",
		"pg_log_backend_memory_contexts",
	};
	static const char *const extensions[] = {
		"dblink", "dblink_exec", "dblink_open", "dblink_send_query", "dblink_connect",
		"dblink_connect_u", "pg_file_write", "pg_file_rename",
	};
	bool		found = false;

	if (function < FirstNormalObjectId)
		for (int i = 0; i < lengthof(builtin); i++)
			found |= strcmp(name, builtin[i]) == 0;
	else
		for (int i = 0; i < lengthof(extensions); i++)
			found |= strcmp(name, extensions[i]) == 0;
	return found;
}

/* True for functions whose argument can be read back from the session or the list of locks. */
static bool
is_kept_in_session(Oid function, const char *name)
{
	return function < FirstNormalObjectId &&
		(strcmp(name, "setseed") == 0 || strncmp(name, "pg_advisory_", strlen("pg_advisory_")) == 0 ||
		 strncmp(name, "pg_try_advisory_", strlen("pg_try_advisory_")) == 0);
}

/* True for a function of ours that has one of the names. */
static bool
is_one_of_ours(Oid function, const char *name, const char *const *names, int n)
{
	bool		found = false;

	for (int i = 0; function >= FirstNormalObjectId && i < n; i++)
		found |= strcmp(name, names[i]) == 0;
	return found && get_func_namespace(function) == get_namespace_oid(TWP_SCHEMA, true);
}

/* True for functions of ours, open to all, that keep their argument: in the ledger, or for an officer to read. */
static bool
is_kept_by_us(Oid function, const char *name)
{
	static const char *const names[] = {"bind_use", "break_glass", "acknowledge_use", "request_unseal", "begin_unseal"};

	return is_one_of_ours(function, name, names, lengthof(names));
}

/* True for functions of ours whose answer follows the binding and consents. */
static bool
is_question(Oid function, const char *name)
{
	static const char *const names[] = {"permits", "reveal", "require_use"};

	return is_one_of_ours(function, name, names, lengthof(names));
}

/* Forgets what was known when a function or a schema changes. */
static void
forget_effects(Datum arg, int cache, uint32 hash)
{
	effects_changed = true;
}

/* Begins to remember, with nothing. */
static void
begin_effects(void)
{
	static bool registered = false;
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Effects)};

	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, forget_effects, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_effects, (Datum) 0);
		registered = true;
	}
	if (known_effects != NULL)
		hash_destroy(known_effects);
	known_effects = NULL;
	known_effects = hash_create("twin_privacy effects", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	effects_changed = false;
}

/* What is known of a function; each expression set up asks, so it is looked up once. */
static Effects
effects_of(Oid function)
{
	Effects    *known;
	Effects		effects = {.function = function};
	char	   *name;

	if (known_effects == NULL || effects_changed)
		begin_effects();
	known = hash_search(known_effects, &function, HASH_FIND, NULL);
	if (known != NULL)
		return *known;
	name = get_func_name(function);
	if (name == NULL)
		return effects;
	effects.immutable = func_volatile(function) == PROVOLATILE_IMMUTABLE;
	effects.named_carrier = is_named_carrier(function, name);
	effects.kept_in_session = is_kept_in_session(function, name);
	effects.kept_by_us = is_kept_by_us(function, name);
	effects.asks = is_question(function, name);
	pfree(name);
	/* what changed while we looked may be what we found */
	if (!effects_changed)
	{
		known = hash_search(known_effects, &function, HASH_ENTER, NULL);
		*known = effects;
	}
	return effects;
}

/*
 * Looks at a function being set up: refuses carriers while there are values
 * to carry, notes them otherwise, and notes what the planner folds.
 */
void
twp_enforce_function_executes(Oid function)
{
	bool		holds = twp_enforce_holds_values();
	bool		in_hand = holds || twp_enforce_has_read();
	bool		carrier;
	Effects		effects;

	if (function >= FirstNormalObjectId && !twp_protect_any())
		return;
	effects = effects_of(function);
	if (function >= FirstNormalObjectId)
	{
		Node	   *utility = twp_enforce_first_code_of_command();

		if (utility != NULL)
			twp_enforce_check_again(utility);
		twp_enforce_note_folding(effects.immutable);
	}
	if (effects.asks)
		twp_enforce_note_question();
	/* what stays in the session a client's program could keep as well */
	if (function == F_SET_CONFIG || (holds && effects.kept_in_session))
		carrier = holds;
	else if (function == F_NEXTVAL)
		carrier = holds && !twp_enforce_writes_rows();
	else if (holds && effects.kept_by_us)
		carrier = true;
	else
		carrier = is_builtin_carrier(function) ||
			((in_hand || function >= FirstNormalObjectId) && effects.named_carrier);
	if (carrier || function == F_SET_CONFIG)
		twp_enforce_note_carrier(carrier);
	if (!carrier || !in_hand)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("function %s carries values out of the statement", get_func_name(function)),
			 errhint("Call it in a statement of its own, or ask for a use with export.")));
}

/* True for commands that neither store nor keep what they are told. */
static bool
keeps_nothing(Node *utility)
{
	switch (nodeTag(utility))
	{
		case T_VariableShowStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_ExecuteStmt:
		case T_DoStmt:
		case T_CallStmt:
		case T_ExplainStmt:
		case T_ConstraintsSetStmt:
		case T_TransactionStmt:
			return true;
		case T_DeclareCursorStmt:
			return (((DeclareCursorStmt *) utility)->options & CURSOR_OPT_HOLD) == 0;
		case T_CreateTableAsStmt:
			/* with data it is the executor that stores */
			return !((CreateTableAsStmt *) utility)->into->skipData;
		case T_CopyStmt:
			return !((CopyStmt *) utility)->is_from && ((CopyStmt *) utility)->filename == NULL;
		default:
			return false;
	}
}

/* True for a temporary relation, and for none. */
static bool
is_temporary(const RangeVar *relation)
{
	Oid			relid = twp_enforce_relation_of(relation);

	return !OidIsValid(relid) || get_rel_persistence(relid) == RELPERSISTENCE_TEMP;
}

/* True for a DROP of temporary relations. */
static bool
drops_temporary(const DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_TABLE && stmt->removeType != OBJECT_INDEX &&
		stmt->removeType != OBJECT_SEQUENCE && stmt->removeType != OBJECT_VIEW)
		return false;
	foreach(lc, stmt->objects)
		if (!is_temporary(makeRangeVarFromNameList(lfirst(lc))))
			return false;
	return true;
}

/*
 * True for commands that keep what they are told in the session.  Which table
 * of several was dropped, emptied, analyzed or granted is a value, too, that
 * others can see; temporary ones are the session's.
 */
static bool
stays_in_session(Node *utility)
{
	ListCell   *lc;

	switch (nodeTag(utility))
	{
		case T_VariableSetStmt:
			/* other sessions see this one */
			return ((VariableSetStmt *) utility)->name == NULL ||
				pg_strcasecmp(((VariableSetStmt *) utility)->name, "application_name") != 0;
		case T_DeclareCursorStmt:
		case T_LockStmt:
		case T_PrepareStmt:
		case T_DeallocateStmt:
		case T_DiscardStmt:
		case T_ListenStmt:
		case T_UnlistenStmt:
		case T_CheckPointStmt:
			return true;
		case T_DropStmt:
			return drops_temporary((DropStmt *) utility);
		case T_TruncateStmt:
			foreach(lc, ((TruncateStmt *) utility)->relations)
				if (!is_temporary(lfirst(lc)))
					return false;
			return true;
		case T_VacuumStmt:
			foreach(lc, ((VacuumStmt *) utility)->rels)
				if (!is_temporary(((VacuumRelation *) lfirst(lc))->relation))
					return false;
			return true;
		default:
			return false;
	}
}

/* True for commands of which nothing is left outside the session. */
bool
twp_enforce_command_keeps_nothing(Node *utility)
{
	return keeps_nothing(utility) || stays_in_session(utility) || twp_sql_is_internal();
}

/* Refuses commands that could store, or make names of, values that may not be exported. */
void
twp_enforce_check_side_effect(Node *utility)
{
	if (keeps_nothing(utility) || twp_sql_is_internal() || (IsA(utility, LockStmt) && twp_enforce_writes_rows()))
		return;
	if (twp_enforce_holds_values() || (twp_enforce_has_read() && !stays_in_session(utility)))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a command that could store values may not run where protected tables were read"),
				 errhint("Run it as a command of its own, or ask for a use with export.")));
}

/* True where a setting that other sessions see would tell what was read. */
bool
twp_enforce_setting_tells(void)
{
	return IsTransactionState() && !twp_sql_is_internal() && (twp_enforce_holds_values() || twp_enforce_has_read());
}

/*
 * True for commands that store what functions in them give: defaults and
 * conversions of a rewrite, index expressions, statistics, bounds, rows of
 * COPY.  What is stored with a protected table is protected.
 */
bool
twp_enforce_command_stores(Node *utility)
{
	const RangeVar *relation = NULL;

	if (IsA(utility, CopyStmt) ? !((CopyStmt *) utility)->is_from :
		keeps_nothing(utility) || IsA(utility, DeclareCursorStmt) || IsA(utility, LockStmt) ||
		IsA(utility, CreateTableAsStmt) || IsA(utility, RefreshMatViewStmt))
		return false;
	if (IsA(utility, CopyStmt))
		relation = ((CopyStmt *) utility)->relation;
	else if (IsA(utility, AlterTableStmt))
		relation = ((AlterTableStmt *) utility)->relation;
	else if (IsA(utility, IndexStmt))
		relation = ((IndexStmt *) utility)->relation;
	return relation == NULL || !twp_protect_is_protected(twp_enforce_relation_of(relation));
}

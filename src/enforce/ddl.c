/*
 * ddl.c - commands that define things on protected tables.
 *
 * Refused, unless an administrator of protection gives the command, is what
 * would run somebody's expression over raw rows (conversions, generated
 * columns, checks, index and statistics expressions, triggers, rules,
 * policies), send raw rows elsewhere (publications) or end what keeps the
 * table closed.  Everything else is let through, and protection follows it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Relation a range variable names, or InvalidOid. */
Oid
twp_enforce_relation_of(const RangeVar *range)
{
	return range != NULL ? RangeVarGetRelid(range, NoLock, true) : InvalidOid;
}

/* True when the command comes from us, from maintenance, or from an administrator of protection. */
bool
twp_enforce_is_trusted(void)
{
	return twp_in_maintenance() || twp_sql_is_internal() || twp_sql_is_installing() ||
		twp_role_has(GetUserId(), TWP_ROLES(TWP_ROLE_ADMIN));
}

/* Refuses a command on a protected table unless an administrator of protection gives it. */
void
twp_enforce_require_admin(Oid relid, const char *what)
{
	if (!OidIsValid(relid) || !(twp_protect_is_protected(relid) || twp_protect_is_provenance(relid)) || twp_enforce_is_trusted())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s on protected table \"%s\" takes an administrator of protection", what,
					get_rel_name(relid)),
			 errhint("It could see raw rows: ask a member of twin_privacy_admin to review and do it.")));
}

/* Refuses, unless trusted, what makes anew how an open table decides whose rows a protected table's are. */
void
twp_enforce_guard_step(Oid relid, const char *what)
{
	if (!OidIsValid(relid) || !twp_protect_any() || twp_enforce_is_trusted() || !twp_protect_is_on_path(relid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"%s\" decides whose rows a protected table's are: %s takes an administrator of protection",
					get_rel_name(relid), what),
			 errhint("Ask a member of twin_privacy_admin to review and do it.")));
}

/* True for the unique index of a column that a path looks up; *table is its table. */
static bool
serves_path(Oid index, Oid *table)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		found = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		*table = form->indrelid;
		/* what REINDEX CONCURRENTLY has replaced is not valid any more */
		found = form->indisunique && form->indisvalid && form->indnkeyatts == 1 && form->indkey.values[0] > 0 &&
			twp_protect_is_named_by_path(form->indrelid, form->indkey.values[0]);
		ReleaseSysCache(tuple);
	}
	return found;
}

/*
 * A table, column or unique key that a path names is about to be dropped:
 * another of its name would decide instead.  What goes by a cascade, with its
 * type or schema, or by an administrator's command, is taken out of the labels
 * that name it: they name nothing until an administrator protects the table anew.
 */
void
twp_enforce_drops(Oid relid, int attno)
{
	char		relkind;
	Oid			table;

	if (relid < FirstNormalObjectId || !twp_protect_any())
		return;
	relkind = get_rel_relkind(relid);
	if (!twp_enforce_is_trusted())
	{
		if (twp_protect_is_named_by_path(relid, attno))
			twp_enforce_guard_step(relid, attno != 0 ? "DROP COLUMN" : "DROP TABLE");
		else if (relkind == RELKIND_INDEX && serves_path(relid, &table))
			twp_enforce_guard_step(table, "dropping its unique key");
	}
	if ((relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE || relkind == RELKIND_FOREIGN_TABLE) &&
		twp_catalog_installed() && !twp_in_maintenance() && !twp_sql_is_installing() &&
		get_rel_persistence(relid) != RELPERSISTENCE_TEMP)
		twp_protect_forget_dropped(relid, attno);
}

/*
 * Labels follow renames, but one that does not resolve cannot: meanwhile what
 * it names keeps its name, or another table would take its place.
 */
void
twp_enforce_check_rename(const RangeVar *relation, bool schema)
{
	Oid			relid = relation != NULL ? twp_enforce_relation_of(relation) : InvalidOid;
	const TwpProtection *p = OidIsValid(relid) ? twp_protect_lookup(relid) : NULL;

	if (!twp_protect_any() || twp_enforce_is_trusted() || !twp_protect_any_broken())
		return;
	if (schema || (p != NULL && p->broken != NULL) ||
		(OidIsValid(relid) && twp_protect_is_named_by_path(relid, 0)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("renaming takes an administrator of protection while the label of a protected table does not resolve"),
				 errhint("See twin_privacy.check_protection(), and mend the label first.")));
}

/* True when the query finds a protected table for the object. */
bool
twp_enforce_serves_protected(const char *query, Oid object)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(object)};
	bool		found = false;

	twp_sql_connect();
	twp_sql_exec(query, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed && !found; i++)
	{
		bool		isnull;

		found = twp_protect_is_protected(DatumGetObjectId(twp_sql_value((int) i, 1, &isnull)));
	}
	twp_sql_finish();
	return found;
}

/* Refuses, unless trusted, what would run over raw rows of a protected table. */
void
twp_enforce_refuse_untrusted(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s that serves a protected table takes an administrator of protection", what),
			 errhint("It could see raw rows: ask a member of twin_privacy_admin to review and do it.")));
}

/* True when a column definition computes its value from the row. */
static bool
is_generated(const ColumnDef *column)
{
	ListCell   *lc;

	foreach(lc, column->constraints)
	{
		Constraint *constraint = lfirst(lc);

		if (constraint->contype == CONSTR_GENERATED || constraint->contype == CONSTR_CHECK)
			return true;
	}
	return false;
}

/* Refuses to drop the column that leads to the data subject. */
static void
check_drop_column(Oid relid, const char *column)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	AttrNumber	attno = get_attnum(relid, column);
	bool		decides;

	if (p == NULL || attno == InvalidAttrNumber)
		return;
	if (p->broken != NULL)
		twp_enforce_require_admin(relid, "DROP COLUMN, while its label does not resolve,");
	decides = attno == p->subject.start || (p->has_label_path && attno == p->labels.start);
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		decides |= p->facts[fact] != 0 && attno == p->facts[fact];
	decides |= twp_protect_is_lineage_key(relid, attno);
	if (!decides)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("column \"%s\" decides who may read protected table \"%s\"", column, get_rel_name(relid)),
			 errhint("Protect the table by another column first, with twin_privacy.protect_table.")));
}

/* True when a unique key has the subject in it: a new row's is one its writer may write, so it meets that subject's rows only. */
static bool
has_subject(Oid relid, const List *columns)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	ListCell   *lc;

	foreach(lc, columns)
	{
		Node	   *column = lfirst(lc);
		const char *name = IsA(column, IndexElem) ? ((IndexElem *) column)->name : strVal(column);

		if (p != NULL && p->subject.nhops == 0 && name != NULL && get_attnum(relid, name) == p->subject.start)
			return true;
	}
	return false;
}

/*
 * Refuses constraints that run expressions, unique keys by which hidden rows could be asked for values, and foreign
 * keys from columns other than the data subject's: whether a guessed value is "still referenced" would tell who has it.
 */
static void
check_constraint(Oid relid, const Constraint *constraint)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	ListCell   *lc;

	if (constraint->contype == CONSTR_CHECK || constraint->contype == CONSTR_EXCLUSION)
		twp_enforce_require_admin(relid, "a CHECK or exclusion constraint");
	if ((constraint->contype == CONSTR_UNIQUE || constraint->contype == CONSTR_PRIMARY) &&
		!has_subject(relid, constraint->keys))
		twp_enforce_require_admin(relid, "a unique key without the data subject");
	if (constraint->contype != CONSTR_FOREIGN || p == NULL)
		return;
	/* actions would carry what triggers and computed keys of an open table make of its rows */
	if ((constraint->fk_upd_action == FKCONSTR_ACTION_CASCADE || constraint->fk_upd_action == FKCONSTR_ACTION_SETNULL ||
		 constraint->fk_upd_action == FKCONSTR_ACTION_SETDEFAULT || constraint->fk_del_action == FKCONSTR_ACTION_SETDEFAULT) &&
		!twp_protect_is_protected(twp_enforce_relation_of(constraint->pktable)))
		twp_enforce_require_admin(relid, "a foreign key that carries changes from a table that is not protected");
	foreach(lc, constraint->fk_attrs)
		if (get_attnum(relid, strVal(lfirst(lc))) != p->subject.start)
			twp_enforce_require_admin(relid, "a foreign key from a column that does not lead to the data subject");
}

/* The constraint of a table by its name, to be released; NULL where there is none. */
HeapTuple
twp_enforce_find_constraint(Oid relid, const char *name)
{
	Oid			constraint = OidIsValid(relid) ? get_relation_constraint_oid(relid, name, true) : InvalidOid;

	return OidIsValid(constraint) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint)) : NULL;
}

/* True for a foreign key; *leads says whether it is from the subject's column and no other. */
static bool
is_foreign_key(Oid relid, const char *name, AttrNumber subject, bool *leads)
{
	HeapTuple	tuple = twp_enforce_find_constraint(relid, name);
	bool		found = HeapTupleIsValid(tuple) &&
		((Form_pg_constraint) GETSTRUCT(tuple))->contype == CONSTRAINT_FOREIGN;
	AttrNumber	own[INDEX_MAX_KEYS];
	AttrNumber	theirs[INDEX_MAX_KEYS];
	int			n = 0;

	if (found)
		DeconstructFkConstraintRow(tuple, &n, own, theirs, NULL, NULL, NULL, NULL, NULL);
	*leads = n == 1 && own[0] == subject;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return found;
}

/* Refuses to drop the foreign key that a path to the data subject stands on, or to enforce it no longer, and to try others. */
static void
check_named_constraint(Oid relid, const AlterTableCmd *cmd)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	const char *name = cmd->subtype == AT_ValidateConstraint ? cmd->name : twp_compat_ended_constraint(cmd);
	bool		foreign;
	bool		leads;

	if (p == NULL || name == NULL || !OidIsValid(get_relation_constraint_oid(relid, name, true)))
		return;
	foreign = is_foreign_key(relid, name, p->subject.start, &leads);
	if (cmd->subtype != AT_ValidateConstraint && foreign && p->subject.nhops > 0)
		twp_enforce_require_admin(relid, cmd->subtype == AT_DropConstraint ? "DROP CONSTRAINT of a foreign key" : "NOT ENFORCED on a foreign key");
	if (cmd->subtype == AT_ValidateConstraint && !leads)
		twp_enforce_require_admin(relid, "VALIDATE CONSTRAINT");
}

/*
 * Refuses one subcommand of ALTER TABLE where it would open or read the table.  What types and constraints it had is
 * known before the command only; a table that came under its name later was not looked at.
 */
static void
check_alter_command(Oid relid, const AlterTableCmd *cmd, bool again, bool seen)
{
	const ColumnDef *column = (const ColumnDef *) cmd->def;

	switch (cmd->subtype)
	{
		case AT_DisableRowSecurity:
		case AT_NoForceRowSecurity:
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row security of protected table \"%s\" stays on", get_rel_name(relid)),
					 errhint("Use twin_privacy.unprotect_table to end its protection.")));
			break;
		case AT_AlterColumnType:
			if (!again)
				twp_enforce_check_conversion(relid, cmd->name, column);
			else if (!seen)
				twp_enforce_require_admin(relid, "ALTER COLUMN TYPE");
			break;
		case AT_AddColumn:
			if (is_generated(column) || !twp_enforce_type_is_builtin(column->typeName))
				twp_enforce_require_admin(relid, "ADD COLUMN with a check, a generated value or a user-defined type");
			break;
#if TWP_PG17_GE
		case AT_SetExpression:
#endif
		case AT_DropExpression:
			/* what it was computed from is no longer known afterwards, but its values stay */
			twp_enforce_require_admin(relid, "ALTER COLUMN SET or DROP EXPRESSION");
			break;
		case AT_AddConstraint:
			check_constraint(relid, (const Constraint *) cmd->def);
			break;
		case AT_AddOf:
			twp_enforce_require_admin(relid, "ALTER TABLE OF");
			break;
		case AT_DropConstraint:
			if (again && !seen)
				twp_enforce_require_admin(relid, "DROP CONSTRAINT");
			/* fall through */
		case AT_AlterConstraint:
		case AT_ValidateConstraint:
			check_named_constraint(relid, cmd);
			break;
		case AT_EnableTrig:
		case AT_EnableAlwaysTrig:
		case AT_EnableReplicaTrig:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
		case AT_EnableRule:
		case AT_EnableAlwaysRule:
		case AT_EnableReplicaRule:
			twp_enforce_require_admin(relid, "enabling a trigger or rule");
			break;
		case AT_DropColumn:
			check_drop_column(relid, cmd->name);
			break;
		case AT_ClusterOn:
			twp_enforce_check_order(relid, cmd->name);
			break;
		default:
			break;
	}
}

/* Refuses to compute anew, in an open table, a column that decides whose rows another table's are. */
static void
check_alter_step(Oid relid, const AlterTableCmd *cmd)
{
	bool		computes = cmd->subtype == AT_AlterColumnType && ((const ColumnDef *) cmd->def)->raw_default != NULL;

#if TWP_PG17_GE
	computes |= cmd->subtype == AT_SetExpression;
#endif
	if (computes && twp_protect_decides_subject(relid, get_attnum(relid, cmd->name)))
		twp_enforce_guard_step(relid, "computing a column anew");
}

/* Refuses what could change, hide or lose rows of a provenance table; what adds to it is let through. */
static void
check_alter_provenance(Oid relid, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			if (is_generated((const ColumnDef *) cmd->def))
				twp_enforce_require_admin(relid, "ADD COLUMN with a check or a generated value");
			break;
		case AT_AddConstraint:
		case AT_ValidateConstraint:
		case AT_DropConstraint:
		case AT_ColumnDefault:
		case AT_SetNotNull:
		case AT_DropNotNull:
		case AT_SetStatistics:
		case AT_SetOptions:
		case AT_ResetOptions:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_ClusterOn:
		case AT_SetTableSpace:
		case AT_ReplicaIdentity:
			break;
		default:
			twp_enforce_require_admin(relid, "this ALTER TABLE");
	}
}

/* Looks at an ALTER TABLE of a protected or own table, before it and, again, after. */
void
twp_enforce_check_alter_table(const AlterTableStmt *stmt, bool again)
{
	static const AlterTableStmt *seen = NULL;
	static Oid	seen_relid = InvalidOid;
	Oid			relid = twp_enforce_relation_of(stmt->relation);
	ListCell   *lc;

	if (!again)
	{
		seen = stmt;
		seen_relid = OidIsValid(relid) && twp_protect_is_protected(relid) ? relid : InvalidOid;
	}
	twp_enforce_guard_own(relid);
	if (!OidIsValid(relid) || twp_in_maintenance() || twp_sql_is_internal())
		return;
	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);

		if (cmd->subtype == AT_AddInherit)
		{
			Oid			parent = twp_enforce_relation_of((RangeVar *) cmd->def);

			twp_enforce_guard_own(parent);
			twp_enforce_refuse_open_parent(parent, relid);
		}
		else if (cmd->subtype == AT_AttachPartition)
		{
			Oid			child = twp_enforce_relation_of(((PartitionCmd *) cmd->def)->name);

			twp_enforce_guard_own(child);
			twp_enforce_refuse_open_parent(relid, child);
			/* whether its rows keep to the bounds is a question about hidden values; once attached all are */
			if (!again)
				twp_enforce_require_admin(child, "ATTACH PARTITION of rows");
			if (!again)
				twp_enforce_check_beside_default(relid);
		}
	}
	if (stmt->objtype == OBJECT_TYPE && twp_catalog_installed() && !twp_enforce_is_trusted() &&
		twp_enforce_serves_protected("SELECT t.oid FROM pg_class t JOIN pg_class c ON t.reloftype = c.reltype"
						 " WHERE c.oid = $1", relid))
		twp_enforce_refuse_untrusted("a type of a table");
	if (twp_protect_is_provenance(relid))
		foreach(lc, stmt->cmds)
			check_alter_provenance(relid, lfirst(lc));
	if (!twp_protect_is_protected(relid))
	{
		foreach(lc, stmt->cmds)
			check_alter_step(relid, lfirst(lc));
		return;
	}
	foreach(lc, stmt->cmds)
		check_alter_command(relid, lfirst(lc), again, seen == stmt && seen_relid == relid);
}

/* True for an operator class that is not PostgreSQL's own. */
static bool
is_users_opclass(const IndexStmt *stmt, List *name)
{
	Oid			method = get_index_am_oid(stmt->accessMethod, true);

	return name != NIL && OidIsValid(method) && get_opclass_oid(method, name, true) >= FirstNormalObjectId;
}

/* Looks at a CREATE INDEX: expressions and predicates run over raw rows. */
void
twp_enforce_check_index(const IndexStmt *stmt)
{
	Oid			relid = twp_enforce_relation_of(stmt->relation);
	bool		computes = stmt->whereClause != NULL;
	ListCell   *lc;

	twp_enforce_guard_own(relid);
	foreach(lc, stmt->indexParams)
	{
		const IndexElem *element = lfirst(lc);

		computes |= element->expr != NULL || is_users_opclass(stmt, element->opclass);
	}
	if (computes)
		twp_enforce_require_admin(relid, "an index with an expression, a predicate or a user's operator class");
	if (stmt->unique && !has_subject(relid, stmt->indexParams))
		twp_enforce_require_admin(relid, "a unique index without the data subject");
}

/* Looks at a CREATE STATISTICS. */
void
twp_enforce_check_statistics(const CreateStatsStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
		if (IsA(lfirst(lc), RangeVar))
			twp_enforce_require_admin(twp_enforce_relation_of(lfirst(lc)), "CREATE STATISTICS");
}

/* Looks at the tables a publication would send. */
void
twp_enforce_check_publication(const List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		const PublicationObjSpec *object = lfirst(lc);

		if (object->pubtable != NULL)
			twp_enforce_require_admin(twp_enforce_relation_of(object->pubtable->relation), "a publication");
		else if (!twp_enforce_is_trusted() && twp_protect_labelled_relations() != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("publishing a whole schema takes an administrator of protection"),
					 errhint("Raw rows of protected tables would be sent: name the tables.")));
	}
}

/* Looks at the relations TRUNCATE empties. */
void
twp_enforce_check_truncate(const TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		Oid			relid = twp_enforce_relation_of(lfirst(lc));

		twp_enforce_guard_own(relid);
		twp_enforce_require_admin(relid, "TRUNCATE");
	}
}

/* Looks at an ALTER DOMAIN: a new check runs over every column of the domain. */
void
twp_enforce_check_domain(const AlterDomainStmt *stmt)
{
	TypeName   *name = makeTypeNameFromNameList(stmt->typeName);
	Oid			type = LookupTypeNameOid(NULL, name, true);

	if ((stmt->subtype == 'C' || stmt->subtype == 'V') && OidIsValid(type) &&
		twp_catalog_installed() && !twp_enforce_is_trusted() &&
		twp_enforce_serves_protected("WITH RECURSIVE t(oid) AS (SELECT $1 UNION SELECT y.oid FROM t, pg_type y"
						 "  WHERE t.oid IN (y.typbasetype, y.typelem))"
						 " SELECT a.attrelid FROM t JOIN pg_attribute a ON a.atttypid = t.oid", type))
		twp_enforce_refuse_untrusted("a check of a domain");
}

/* Refuses a view that would freeze protected rows; called once it exists, so that it is rolled back. */
void
twp_enforce_refuse_materialized_view(Oid relid)
{
	static const char *const query =
		"WITH RECURSIVE reads(oid) AS ("
		"  SELECT $1"
		"  UNION"
		"  SELECT d.refobjid FROM reads, pg_rewrite r, pg_depend d"
		"  WHERE r.ev_class = reads.oid AND d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid"
		"    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> reads.oid)"
		" SELECT oid FROM reads";
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(relid)};
	List	   *relids = NIL;
	ListCell   *lc;

	if (!OidIsValid(relid) || !twp_catalog_installed())
		return;
	twp_sql_connect();
	twp_sql_exec(query, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);

		relids = lappend_oid(relids, DatumGetObjectId(twp_sql_value((int) i, 1, &isnull)));
		MemoryContextSwitchTo(old);
	}
	twp_sql_finish();
	foreach(lc, relids)
		if (twp_protect_is_protected(lfirst_oid(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_TWP_OUTSIDE_USE),
					 errmsg("a materialized view may not read protected table \"%s\"",
							get_rel_name(lfirst_oid(lc))),
					 errhint("Its rows would be frozen outside consent: fill a protected table instead.")));
}

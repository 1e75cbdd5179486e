/*
 * heir.c - tables that come below protected ones, and leave.
 *
 * Protection is inherited from birth or attachment on, and kept when a table
 * leaves.  What comes must bring no code that would see what is written
 * through the parent, and no question about rows that are there already.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/seclabel.h"
#include "enforce/enforce_internal.h"
#include "nodes/parsenodes.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * Refuses a protected child below an unprotected parent: statistics, checks
 * and conversions of the parent would reach into it.
 */
void
twp_enforce_refuse_open_parent(Oid parent, Oid child)
{
	if (!OidIsValid(parent) || !OidIsValid(child) || twp_in_maintenance() ||
		!twp_protect_is_protected(child) || twp_protect_is_protected(parent))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("protected table \"%s\" cannot go below table \"%s\", which is not protected",
					get_rel_name(child), get_rel_name(parent)),
			 errhint("Protect the parent first with twin_privacy.protect_table.")));
}

/* What a child owed to its parent's labels, to be its own once detached. */
typedef struct Inheritance
{
	Oid			child;
	char	   *table_label;
	List	   *columns;		/* names, char * */
	List	   *labels;			/* texts, char * */
} Inheritance;

/* Remembers the labels that reach a child through its parent. */
static Inheritance *
remember_inheritance(Oid child)
{
	const TwpProtection *p = OidIsValid(child) ? twp_protect_lookup(child) : NULL;
	Inheritance *inherited;
	ObjectAddress source = {RelationRelationId, InvalidOid, 0};
	char	   *name;

	if (p == NULL || p->source == child)
		return NULL;
	inherited = palloc0(sizeof(Inheritance));
	inherited->child = child;
	source.objectId = p->source;
	inherited->table_label = GetSecurityLabel(&source, "twin_privacy");
	for (AttrNumber attno = 1; (name = get_attname(p->source, attno, true)) != NULL; attno++)
	{
		char	   *label;

		source.objectSubId = attno;
		label = GetSecurityLabel(&source, "twin_privacy");
		if (label == NULL)
			continue;
		inherited->columns = lappend(inherited->columns, name);
		inherited->labels = lappend(inherited->labels, label);
	}
	return inherited;
}

/* Remembers for each child an ALTER TABLE is about to detach; list of Inheritance. */
List *
twp_enforce_remember_detached(const AlterTableStmt *stmt)
{
	List	   *remembered = NIL;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);
		Inheritance *inherited = NULL;

		if (cmd->subtype == AT_DetachPartition || cmd->subtype == AT_DetachPartitionFinalize)
			inherited = remember_inheritance(twp_enforce_relation_of(((PartitionCmd *) cmd->def)->name));
		else if (cmd->subtype == AT_DropInherit)
			inherited = remember_inheritance(twp_enforce_relation_of(stmt->relation));
		if (inherited != NULL)
			remembered = lappend(remembered, inherited);
	}
	return remembered;
}

/* Writes the remembered labels onto children that are on their own now. */
void
twp_enforce_protect_detached(List *remembered)
{
	ListCell   *lc;

	foreach(lc, remembered)
	{
		Inheritance *inherited = lfirst(lc);
		ObjectAddress object = {RelationRelationId, inherited->child, 0};
		ListCell   *column;
		ListCell   *label;

		if (!OidIsValid(get_rel_namespace(inherited->child)) ||
			twp_protect_is_protected(inherited->child))
			continue;
		SetSecurityLabel(&object, "twin_privacy", inherited->table_label);
		forboth(column, inherited->columns, label, inherited->labels)
		{
			object.objectSubId = get_attnum(inherited->child, lfirst(column));
			if (object.objectSubId > 0)
				SetSecurityLabel(&object, "twin_privacy", lfirst(label));
		}
		CacheInvalidateRelcacheByRelid(inherited->child);
		twp_protect_switch_rls(inherited->child, true);
	}
}

/*
 * Refuses a table that comes below a protected one with code of its own, or
 * that lies elsewhere: what is written to the parent would pass through it.
 * What it has of its parent an administrator has seen there.
 */
static void
refuse_own_code(Oid relid)
{
	static const char *const query =
		"WITH RECURSIVE rel(oid) AS ("
		"  SELECT $1 UNION SELECT i.inhrelid FROM rel, pg_inherits i WHERE i.inhparent = rel.oid)"
		" SELECT r.oid FROM rel r JOIN pg_class c ON c.oid = r.oid WHERE c.relkind = 'f'"
		"  OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.oid AND NOT g.tgisinternal AND g.tgparentid = 0)"
		"  OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = r.oid)"
		"  OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r.oid)"
		"  OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
		"    WHERE a.attrelid = r.oid AND a.attnum > 0 AND a.attinhcount = 0 AND t.typtype = 'd')"
		"  OR EXISTS (SELECT FROM pg_depend d WHERE d.refobjid >= 16384"
		"    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass)"
		"    AND (d.classid = 'pg_class'::regclass AND d.objid = r.oid"
		"     OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT i.indexrelid FROM pg_index i"
		"        JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = r.oid AND NOT x.relispartition)"
		"     OR d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT k.oid FROM pg_constraint k"
		"        WHERE k.conrelid = r.oid AND k.conislocal)"
		"     OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT f.oid FROM pg_attrdef f"
		"        JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum"
		"        WHERE f.adrelid = r.oid AND a.attgenerated <> '' AND a.attinhcount = 0)"
		"     OR d.classid = 'pg_statistic_ext'::regclass AND d.objid IN (SELECT s.oid FROM pg_statistic_ext s"
		"        WHERE s.stxrelid = r.oid)))";

	if (!twp_catalog_installed() || twp_enforce_is_trusted())
		return;
	CommandCounterIncrement();
	if (!twp_enforce_serves_protected(query, relid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"%s\" goes below a protected table with code of its own", get_rel_name(relid)),
			 errdetail("It has a trigger, rule, policy, check, computed column, index, key or statistics that run functions, or is a foreign table."),
			 errhint("It could see raw rows: ask a member of twin_privacy_admin to review and do it.")));
}

/* Turns row security on for a table that inherits protection. */
static void
protect_heir(Oid relid)
{
	if (!OidIsValid(relid) || !twp_protect_is_protected(relid))
		return;
	refuse_own_code(relid);
	twp_protect_switch_rls(relid, true);
}

/* Protects at birth what CREATE TABLE made below a protected table. */
void
twp_enforce_protect_created(const CreateStmt *stmt)
{
	Oid			relid = stmt->inhRelations != NIL ? twp_enforce_relation_of(stmt->relation) : InvalidOid;
	ListCell   *lc;

	protect_heir(relid);
	foreach(lc, stmt->inhRelations)
		twp_enforce_refuse_open_parent(twp_enforce_relation_of(lfirst(lc)), relid);
}

/* Protects what ALTER TABLE put below a protected table. */
void
twp_enforce_protect_attached(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst(lc);

		if (cmd->subtype == AT_AttachPartition)
			protect_heir(twp_enforce_relation_of(((PartitionCmd *) cmd->def)->name));
		else if (cmd->subtype == AT_AddInherit)
			protect_heir(twp_enforce_relation_of(stmt->relation));
	}
}

/*
 * Refuses a partition beside a default one where the key is labelled so that
 * it may be hidden: whether rows of the default one stand in its way tells who
 * has the value.
 */
void
twp_enforce_check_beside_default(Oid parent)
{
	const TwpProtection *p = OidIsValid(parent) ? twp_protect_lookup(parent) : NULL;
	Bitmapset  *places = p != NULL ? twp_protect_place_columns(parent) : NULL;
	int			attno = 0;

	while ((attno = bms_next_member(places, attno)) > 0)
		if (p->columns[attno - 1].labelled && attno != p->subject.start && twp_protect_may_be_hidden(p, attno) &&
			OidIsValid(get_default_partition_oid(parent)))
			twp_enforce_require_admin(parent, "a partition by a hidden column beside a default one");
}

/* Looks at a CREATE TABLE: a partition's parent may have a default one. */
void
twp_enforce_check_create_table(const CreateStmt *stmt)
{
	if (stmt->partbound != NULL && stmt->inhRelations != NIL)
		twp_enforce_check_beside_default(twp_enforce_relation_of(linitial(stmt->inhRelations)));
}

/* Refuses to put rows into the order of an index (NULL: the marked one) over columns that may be hidden. */
void
twp_enforce_check_order(Oid relid, const char *index_name)
{
	const TwpProtection *p = OidIsValid(relid) ? twp_protect_lookup(relid) : NULL;
	Oid			index;
	HeapTuple	tuple;

	if (p == NULL)
		return;
	index = index_name != NULL ? get_relname_relid(index_name, get_rel_namespace(relid)) : InvalidOid;
	tuple = OidIsValid(index) ? SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index)) : NULL;
	if (!HeapTupleIsValid(tuple))
		return;
	for (int i = 0; i < ((Form_pg_index) GETSTRUCT(tuple))->indnatts; i++)
	{
		AttrNumber	attno = ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[i];

		if (attno > 0 && attno <= p->natts && attno != p->subject.start && twp_protect_may_be_hidden(p, attno))
		{
			ReleaseSysCache(tuple);
			twp_enforce_require_admin(relid, "an order of rows by a column that may be hidden");
			return;
		}
	}
	ReleaseSysCache(tuple);
}

/*
 * heir.c - tables that come below protected ones, and leave.
 *
 * Protection is inherited from birth or attachment on, and kept when a table
 * leaves.  What comes must bring no code that would see what is written
 * through the parent, and no question about rows that are there already.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/seclabel.h"
#include "enforce/enforce_internal.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
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
	Oid			source;			/* whose labels they were */
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
	inherited->source = p->source;
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

		const TwpProtection *p;

		/* another parent may be protected, too, but by labels that ask for less */
		if (!OidIsValid(get_rel_namespace(inherited->child)) ||
			((p = twp_protect_lookup(inherited->child)) != NULL && p->source == inherited->source))
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
 * What relation $1 and those below it have that runs, or sends elsewhere, what
 * is stored in them, and did not come from their parents; of a check, its
 * expression.  $2: the column that leads to the data subject.
 */
static const char *const own_code_query =
	"WITH RECURSIVE heir(oid) AS ("
	"  SELECT $1 UNION SELECT i.inhrelid FROM heir h JOIN pg_inherits i ON i.inhparent = h.oid)"
	" SELECT b.what, b.expression FROM heir h, LATERAL ("
	"  SELECT 'a trigger', NULL::text FROM pg_trigger t"
	"   WHERE t.tgrelid = h.oid AND NOT t.tgisinternal AND t.tgparentid = 0"
	"  UNION ALL SELECT 'a rule', NULL FROM pg_rewrite r WHERE r.ev_class = h.oid"
	"  UNION ALL SELECT 'a policy', NULL FROM pg_policy p WHERE p.polrelid = h.oid"
	"  UNION ALL SELECT 'a statistics object', NULL FROM pg_statistic_ext s WHERE s.stxrelid = h.oid"
	"  UNION ALL SELECT 'a publication', NULL FROM pg_publication_rel p WHERE p.prrelid = h.oid"
	"  UNION ALL SELECT 'a foreign server', NULL FROM pg_foreign_table f WHERE f.ftrelid = h.oid"
	"  UNION ALL SELECT 'a partition key with an expression', NULL FROM pg_partitioned_table p"
	"   WHERE p.partrelid = h.oid AND p.partexprs IS NOT NULL"
	"  UNION ALL SELECT 'a check', c.conbin::text FROM pg_constraint c"
	"   WHERE c.conrelid = h.oid AND c.contype = 'c' AND c.coninhcount = 0"
	"  UNION ALL SELECT 'an exclusion constraint', NULL FROM pg_constraint c"
	"   WHERE c.conrelid = h.oid AND c.contype = 'x' AND c.conparentid = 0"
	"  UNION ALL SELECT 'a foreign key from a column that does not lead to the data subject', NULL FROM pg_constraint c"
	"   WHERE c.conrelid = h.oid AND c.contype = 'f' AND c.conparentid = 0 AND EXISTS ("
	"    SELECT FROM pg_attribute a WHERE a.attrelid = h.oid AND a.attnum = ANY (c.conkey) AND a.attname <> $2)"
	"  UNION ALL SELECT 'an index with an expression or a predicate', NULL FROM pg_index x"
	"   WHERE x.indrelid = h.oid AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)"
	"    AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = x.indexrelid)"
	"  UNION ALL SELECT 'a column of a user-defined type', NULL FROM pg_attribute a"
	"   WHERE a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0 AND a.atttypid >= 16384"
	"  UNION ALL SELECT 'a generated column', NULL FROM pg_attribute a JOIN pg_attrdef d"
	"    ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
	"   WHERE a.attrelid = h.oid AND a.attgenerated <> '' AND NOT EXISTS ("
	"    SELECT FROM pg_inherits i JOIN pg_attribute pa ON pa.attrelid = i.inhparent AND pa.attname = a.attname"
	"     JOIN pg_attrdef pd ON pd.adrelid = pa.attrelid AND pd.adnum = pa.attnum"
	"     WHERE i.inhrelid = h.oid AND pa.attgenerated <> ''"
	"      AND pg_get_expr(pd.adbin, pd.adrelid) = pg_get_expr(d.adbin, d.adrelid))"
	" ) AS b(what, expression)";

/* True for an operator of PostgreSQL's that compares values of a sortable type: it tells nobody and never fails. */
static bool
is_comparison_operator(Oid operator)
{
	return operator < FirstNormalObjectId && get_op_btree_interpretation(operator) != NIL;
}

/* True for anything in an expression but columns, constants and comparisons of them. */
static bool
computes(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_List:
		case T_BoolExpr:
		case T_NullTest:
		case T_RelabelType:
			break;
		case T_OpExpr:
			if (!is_comparison_operator(((OpExpr *) node)->opno))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (!is_comparison_operator(((ScalarArrayOpExpr *) node)->opno))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, computes, context);
}

/*
 * Refuses a table that comes below a protected one with code of its own, or
 * that lies elsewhere: what is written to the parent would pass through it.
 * What it has of its parent an administrator has seen there.  Bounds of a
 * partition to be are no code.
 */
static void
refuse_own_code(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	Oid			types[2] = {OIDOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(relid)};
	const char *name = get_attname(relid, p->subject.start, true);
	char	   *found = NULL;

	if (!twp_catalog_installed() || twp_enforce_is_trusted())
		return;
	CommandCounterIncrement();
	values[1] = CStringGetTextDatum(name != NULL ? name : "");
	twp_sql_connect();
	twp_sql_exec(own_code_query, 2, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed && found == NULL; i++)
	{
		char	   *expression = twp_sql_text((int) i, 2);

		if (expression == NULL || computes(stringToNode(expression), NULL))
			found = twp_sql_text((int) i, 1);
	}
	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("table \"%s\" goes below a protected table with code of its own: %s",
						get_rel_name(relid), found),
				 errhint("It could see raw rows: leave it out, or ask a member of twin_privacy_admin to review and do it.")));
	twp_sql_finish();
}

/* Turns row security on for a table that inherits protection, after looking at what it brings. */
static void
protect_heir(Oid relid)
{
	ListCell   *lc;

	if (!OidIsValid(relid) || !twp_protect_is_protected(relid))
		return;
	foreach(lc, twp_protect_ancestors(relid))
		twp_enforce_refuse_open_parent(lfirst_oid(lc), relid);
	refuse_own_code(relid);
	if (!twp_in_maintenance())
		twp_protect_refuse_materialized_views(relid);
	twp_protect_switch_rls(relid, true);
}

/* Protects at birth what CREATE TABLE made below a protected table. */
void
twp_enforce_protect_created(const CreateStmt *stmt)
{
	/* a temporary table of the same name would be found first */
	if (stmt->inhRelations != NIL)
		protect_heir(get_relname_relid(stmt->relation->relname, RangeVarGetCreationNamespace(stmt->relation)));
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

/* Refuses to put a table's rows into the order of an index over columns that may be hidden. */
static void
check_order_of(Form_pg_index index)
{
	Oid			relid = index->indrelid;
	const TwpProtection *p = twp_protect_lookup(relid);

	for (int i = 0; p != NULL && i < index->indnatts; i++)
	{
		AttrNumber	attno = index->indkey.values[i];

		if (attno > 0 && attno <= p->natts && attno != p->subject.start && twp_protect_may_be_hidden(p, attno))
			twp_enforce_require_admin(relid, "an order of rows by a column that may be hidden");
	}
}

/* The same for the indexes that are marked, perhaps before protection: of a table, or (InvalidOid) of any. */
static void
check_marked_orders(Oid relid)
{
	Relation	indexes = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(indexes, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		if (form->indisclustered && (!OidIsValid(relid) || form->indrelid == relid))
			check_order_of(form);
	}
	systable_endscan(scan);
	table_close(indexes, AccessShareLock);
}

/* Looks at an order of rows that is asked for: by an index of the table, by the marked one (NULL), of all tables (InvalidOid). */
void
twp_enforce_check_order(Oid relid, const char *index_name)
{
	Oid			index;
	HeapTuple	tuple;

	if (!twp_protect_any() || twp_enforce_is_trusted())
		return;
	if (index_name == NULL)
	{
		check_marked_orders(relid);
		return;
	}
	index = OidIsValid(relid) ? get_relname_relid(index_name, get_rel_namespace(relid)) : InvalidOid;
	tuple = OidIsValid(index) ? SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index)) : NULL;
	if (!HeapTupleIsValid(tuple))
		return;
	check_order_of((Form_pg_index) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
}

/*
 * dependent.c - functions about to change, which protected tables run already.
 *
 * What an administrator let into an index, a check, a default, a trigger or a
 * policy, or a partition key, may not be replaced or altered afterwards by who
 * owns it, be it reached through an operator, an operator class, a cast, a
 * domain, a range type or another function.  Names in the text of a function make no dependency: there the
 * administrator must look.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "catalog/namespace.h"
#include "enforce/enforce_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What stands on a function of a given name in schema $1, and the tables that use it. */
static const char *const tables_query =
	"WITH RECURSIVE user_of(class, object) AS ("
	"  SELECT 'pg_proc'::regclass::oid, f.oid FROM pg_proc f WHERE f.pronamespace = $1 AND f.proname = %s"
	"  UNION"
	"  SELECT n.class, n.object FROM user_of u, LATERAL ("
	"    SELECT d.classid, d.objid FROM pg_depend d"
	"     WHERE d.refclassid = u.class AND d.refobjid = u.object AND d.deptype IN ('n', 'a', 'i')"
	"       AND d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass,"
	"         'pg_opfamily'::regclass, 'pg_amproc'::regclass, 'pg_amop'::regclass, 'pg_cast'::regclass,"
	"         'pg_constraint'::regclass, 'pg_type'::regclass)"
	"    UNION ALL"
	"    SELECT d.refclassid, d.refobjid FROM pg_depend d"
	"     WHERE d.classid = u.class AND d.objid = u.object"
	"       AND u.class IN ('pg_amproc'::regclass, 'pg_amop'::regclass)"
	"       AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass)"
	"    UNION ALL"
	"    SELECT 'pg_type'::regclass, c.contypid FROM pg_constraint c"
	"     WHERE u.class = 'pg_constraint'::regclass AND c.oid = u.object AND c.contypid <> 0"
	"    UNION ALL"
	"    SELECT 'pg_type'::regclass, t.oid FROM pg_type t"
	"     WHERE u.class = 'pg_type'::regclass AND u.object IN (t.typbasetype, t.typelem)"
	"    UNION ALL"
	"    SELECT 'pg_type'::regclass, c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
	"     WHERE u.class = 'pg_type'::regclass AND a.atttypid = u.object AND c.relkind = 'c'"
	"  ) AS n(class, object))"
	" SELECT a.attrelid FROM user_of u JOIN pg_attribute a ON a.atttypid = u.object"
	"  WHERE u.class = 'pg_type'::regclass"
	" UNION"
	" SELECT c.conrelid FROM user_of u JOIN pg_constraint c ON c.oid = u.object"
	"  WHERE u.class = 'pg_constraint'::regclass"
	" UNION"
	" SELECT coalesce(i.indrelid, f.adrelid, g.tgrelid, p.polrelid, s.stxrelid, k.partrelid)"
	"  FROM user_of u JOIN pg_depend e ON e.refclassid = u.class AND e.refobjid = u.object"
	"  LEFT JOIN pg_index i ON e.classid = 'pg_class'::regclass AND i.indexrelid = e.objid"
	"  LEFT JOIN pg_attrdef f ON e.classid = 'pg_attrdef'::regclass AND f.oid = e.objid"
	"  LEFT JOIN pg_trigger g ON e.classid = 'pg_trigger'::regclass AND g.oid = e.objid"
	"  LEFT JOIN pg_policy p ON e.classid = 'pg_policy'::regclass AND p.oid = e.objid"
	"  LEFT JOIN pg_statistic_ext s ON e.classid = 'pg_statistic_ext'::regclass AND s.oid = e.objid"
	"  LEFT JOIN pg_partitioned_table k ON e.classid = 'pg_class'::regclass AND k.partrelid = e.objid";

/* Looks at a function about to change. */
void
twp_enforce_check_altered_function(List *qualified_name)
{
	char	   *schema;
	char	   *name;
	Oid			nsp;

	if (!twp_catalog_installed() || !twp_protect_any() || twp_enforce_is_trusted())
		return;
	DeconstructQualifiedName(qualified_name, &schema, &name);
	nsp = schema != NULL ? get_namespace_oid(schema, true) :
		QualifiedNameGetCreationNamespace(qualified_name, &name);
	if (OidIsValid(nsp) &&
		twp_enforce_serves_protected(psprintf(tables_query, quote_literal_cstr(name)), nsp))
		twp_enforce_refuse_untrusted("a function");
}

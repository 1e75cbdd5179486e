/*
 * catalog.h - our schemas, tables, roles, and SQL run as the extension.
 *
 * Names are looked up through PostgreSQL's syscaches, and what is remembered of
 * them goes when those do, so nothing here can go stale.  twp_sql_* runs SQL as
 * the bootstrap superuser with search_path pinned to pg_catalog; only inside it
 * may our own tables be written (twp_sql_is_internal() tells the guard so).
 */
#ifndef TWP_BASE_CATALOG_H
#define TWP_BASE_CATALOG_H

#include "postgres.h"

#include "executor/spi.h"

#define TWP_SCHEMA "twin_privacy"
#define TWP_INTERNAL_SCHEMA "twin_privacy_internal"

typedef enum TwpRole
{
	TWP_ROLE_ADMIN,
	TWP_ROLE_OFFICER,
	TWP_ROLE_REGISTRAR,
	TWP_ROLE_AUDITOR,
} TwpRole;

#define TWP_ROLES(a) (1 << (a))

extern void twp_catalog_init(void);

/* True when the extension is installed in this database. */
extern bool twp_catalog_installed(void);
/* OID of a table or index in the internal schema; raises TP005 when missing. */
extern Oid	twp_catalog_internal_relid(const char *name);
/* The same of a function there that has its name alone. */
extern Oid	twp_catalog_internal_function(const char *name);
/* Like the first, but InvalidOid when missing. */
extern Oid	twp_catalog_internal_relid_or_invalid(const char *name);
/* True for a relation in one of our two schemas. */
extern bool twp_catalog_is_ours(Oid relid);
/* OID of the internal schema, InvalidOid when not installed. */
extern Oid	twp_catalog_internal_schema(void);
/* Name of a relation with its schema's, quoted, palloc'd; raises 42P01 when it is gone. */
extern char *twp_catalog_qualified_name(Oid relid);
/* Owner of a relation. */
extern Oid	twp_catalog_owner(Oid relid);
/* Tells every backend (and standby) that the table's content changed, at commit. */
extern void twp_catalog_announce(const char *table);

/* True when the current user (or role) holds one of the roles in the set. */
extern bool twp_role_has(Oid roleid, int roles);
/* Names of the roles in the set, joined by "or". */
extern char *twp_role_names(int roles);
/* Raises 42501 naming the roles that may, unless the current user is one. */
extern void twp_role_require(int roles, const char *action);

/*
 * SQL as the extension: connect, exec any number of times, read SPI_tuptable,
 * finish.  exec raises the SQL's own errors.  Values are bound, never pasted.
 */
extern void twp_sql_connect(void);
extern int	twp_sql_exec(const char *sql, int nargs, Oid *types,
						 Datum *values, const char *nulls);
extern void twp_sql_finish(void);
extern bool twp_sql_is_internal(void);
/* True while our own install or upgrade script runs, which builds those tables. */
extern bool twp_sql_is_installing(void);

/* Cell of the first result row (or row n), with NULL as *isnull. */
extern Datum twp_sql_value(int row, int column, bool *isnull);
/* Same as text in the caller's SPI context; NULL for NULL. */
extern char *twp_sql_text(int row, int column);

#endif							/* TWP_BASE_CATALOG_H */

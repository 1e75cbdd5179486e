/*
 * catalog.c - our schemas, tables and roles, and SQL run as the extension.
 *
 * Locks: none of its own beyond what the SQL takes.  Memory: results live in
 * the SPI context until twp_sql_finish().  Failure: errors of the SQL go to
 * the caller; the internal mark and the user are restored either way.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static const char *const role_names[] = {
	[TWP_ROLE_ADMIN] = "twin_privacy_admin",
	[TWP_ROLE_OFFICER] = "twin_privacy_officer",
	[TWP_ROLE_REGISTRAR] = "twin_privacy_registrar",
	[TWP_ROLE_AUDITOR] = "twin_privacy_auditor",
};

/* How many of our own SQL calls are running; more than zero opens our tables. */
static int	internal_depth = 0;

/* A relation of the internal schema, in the place that its name hashes to. */
typedef struct KnownRelation
{
	NameData	name;
	Oid			relid;			/* InvalidOid: nothing here */
} KnownRelation;

/* The quoted name of a relation of any schema. */
typedef struct KnownName
{
	Oid			relid;			/* hash key */
	char		name[2 * (2 * NAMEDATALEN + 2) + 2];
} KnownName;

/* Changes of relations and schemas heard of, and how many there were when what is known was found. */
static uint64 catalog_news = 1;
static uint64 known_news = 0;
static KnownRelation known_relations[128];
static HTAB *known_names = NULL;

/* Notes that a relation or schema changed. */
static void
note_news(Datum arg, int cache, uint32 hash)
{
	catalog_news++;
}

/* Registers for changes of the catalogs. */
void
twp_catalog_init(void)
{
	CacheRegisterSyscacheCallback(RELNAMENSP, note_news, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, note_news, (Datum) 0);
}

/* Forgets what was known before the news. */
static void
take_news(void)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownName)};

	if (known_news == catalog_news)
		return;
	if (known_names != NULL)
		hash_destroy(known_names);
	known_names = NULL;
	known_names = hash_create("twin_privacy names of relations", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	memset(known_relations, 0, sizeof(known_relations));
	known_news = catalog_news;
}

/* True when the extension is installed in this database. */
bool
twp_catalog_installed(void)
{
	return OidIsValid(get_namespace_oid(TWP_INTERNAL_SCHEMA, true)) &&
		OidIsValid(get_extension_oid("twin_privacy", true));
}

/* Finds a relation of the internal schema, or InvalidOid. */
Oid
twp_catalog_internal_relid_or_invalid(const char *name)
{
	Oid			nsp = get_namespace_oid(TWP_INTERNAL_SCHEMA, true);

	return OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;
}

/* Refuses to go on without an object of ours: its absence closes everything. */
static Oid
require_installed(Oid object)
{
	if (!OidIsValid(object))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("extension twin_privacy is not installed in this database"),
				 errhint("Run CREATE EXTENSION twin_privacy CASCADE.")));
	return object;
}

/* The place of a name among the known relations. */
static KnownRelation *
place_of(const char *name)
{
	uint32		hash = 0;

	for (; *name != '\0'; name++)
		hash = hash * 31 + (unsigned char) *name;
	return &known_relations[hash % lengthof(known_relations)];
}

/* Finds a relation of the internal schema; every statement asks for some, again and again. */
Oid
twp_catalog_internal_relid(const char *name)
{
	KnownRelation *known = place_of(name);
	Oid			relid;

	take_news();
	if (OidIsValid(known->relid) && strcmp(NameStr(known->name), name) == 0)
		return known->relid;
	relid = require_installed(twp_catalog_internal_relid_or_invalid(name));
	/* what changed while we looked may be what we found */
	if (known_news == catalog_news)
	{
		namestrcpy(&known->name, name);
		known->relid = relid;
	}
	return relid;
}

/* Name of a relation with its schema's, quoted where it must be. */
char *
twp_catalog_qualified_name(Oid relid)
{
	KnownName  *known;
	char	   *name;

	take_news();
	known = hash_search(known_names, &relid, HASH_FIND, NULL);
	if (known != NULL)
		return pstrdup(known->name);
	name = get_rel_name(relid);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid),
				 errhint("Name an existing table.")));
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
	if (known_news == catalog_news)
	{
		known = hash_search(known_names, &relid, HASH_ENTER, NULL);
		strlcpy(known->name, name, sizeof(known->name));
	}
	return name;
}

/* Finds a function of the internal schema, which is closed to those about to use it. */
Oid
twp_catalog_internal_function(const char *name)
{
	Oid			nsp = twp_catalog_internal_schema();
	Oid			function = InvalidOid;
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (OidIsValid(nsp) && proc->pronamespace == nsp)
			function = proc->oid;
	}
	ReleaseSysCacheList(list);
	return require_installed(function);
}

/* True for a relation in one of our two schemas. */
bool
twp_catalog_is_ours(Oid relid)
{
	Oid			nsp = get_rel_namespace(relid);

	return OidIsValid(nsp) &&
		(nsp == get_namespace_oid(TWP_SCHEMA, true) ||
		 nsp == get_namespace_oid(TWP_INTERNAL_SCHEMA, true));
}

/* OID of the internal schema. */
Oid
twp_catalog_internal_schema(void)
{
	return get_namespace_oid(TWP_INTERNAL_SCHEMA, true);
}

/* Owner of a relation, InvalidOid when it is gone. */
Oid
twp_catalog_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* Announces a change of one of our tables to every backend, at commit. */
void
twp_catalog_announce(const char *table)
{
	CacheInvalidateRelcacheByRelid(twp_catalog_internal_relid(table));
}

/* True when roleid has the privileges of one of our roles in the set. */
bool
twp_role_has(Oid roleid, int roles)
{
	for (int role = 0; role < lengthof(role_names); role++)
	{
		Oid			oid;

		if ((roles & TWP_ROLES(role)) == 0)
			continue;
		oid = get_role_oid(role_names[role], true);
		if (OidIsValid(oid) && has_privs_of_role(roleid, oid))
			return true;
	}
	return false;
}

/* Names roles of a set, joined by "or". */
char *
twp_role_names(int roles)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int role = 0; role < lengthof(role_names); role++)
		if ((roles & TWP_ROLES(role)) != 0)
			appendStringInfo(&names, "%s%s", names.len > 0 ? " or " : "", role_names[role]);
	return names.data;
}

/* Refuses the action unless the current user holds one of the roles. */
void
twp_role_require(int roles, const char *action)
{
	if (twp_role_has(GetUserId(), roles))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s", action),
			 errhint("Ask for membership in %s.", twp_role_names(roles))));
}

/* Opens an SPI connection for twp_sql_exec(). */
void
twp_sql_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* Closes it; results are gone afterwards. */
void
twp_sql_finish(void)
{
	SPI_finish();
}

/* True while our own SQL runs, and only then may our tables be written. */
bool
twp_sql_is_internal(void)
{
	return internal_depth > 0;
}

/* True while our own install or upgrade script runs. */
bool
twp_sql_is_installing(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("twin_privacy", true);
}

/*
 * Runs one statement as the bootstrap superuser with a pinned search_path and
 * returns SPI's result code; rows are in SPI_tuptable.
 */
int
twp_sql_exec(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Oid			save_userid;
	int			save_sec_context;
	int			nestlevel = NewGUCNestLevel();
	int			result = 0;

	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	internal_depth++;
	PG_TRY();
	{
		SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
							   save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
		result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		internal_depth--;
		SetUserIdAndSecContext(save_userid, save_sec_context);
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nestlevel);
	if (result < 0)
		elog(ERROR, "internal statement failed: %s", SPI_result_code_string(result));
	return result;
}

/* Reads one cell of the last result; columns count from 1, rows from 0. */
Datum
twp_sql_value(int row, int column, bool *isnull)
{
	Assert(row < (int) SPI_processed);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* Reads one cell of the last result as text. */
char *
twp_sql_text(int row, int column)
{
	Assert(row < (int) SPI_processed);
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/*
 * path.c - the way from a row to its data subject (or to its labels).
 *
 *	column
 *	column -> schema.table(unique_column).column [-> ...]
 *
 * Each step looks the value up in a unique column of another table, so that a
 * row has at most one subject.  Names may be double-quoted; one that is empty
 * stands for what was dropped.  Locks: none but on catalogs; failure is reported in
 * *problem, never raised, so that a table whose path is gone can be refused at
 * the right place.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "lib/stringinfo.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Skips white space. */
static const char *
skip_space(const char *p)
{
	while (isspace((unsigned char) *p))
		p++;
	return p;
}

/* Reads one identifier, folded as SQL does unless quoted; NULL when there is none. */
char *
twp_protect_read_identifier(const char **cursor)
{
	const char *p = skip_space(*cursor);
	StringInfoData name;

	initStringInfo(&name);
	if (*p == '"')
	{
		for (p++; *p != '\0'; p++)
		{
			if (*p == '"' && *++p != '"')
				break;
			appendStringInfoChar(&name, *p);
		}
		if (p[-1] != '"')
			return NULL;
	}
	else
	{
		while (isalnum((unsigned char) *p) || *p == '_' || *p == '$' || (*p & 0x80) != 0)
			appendStringInfoChar(&name, (char) tolower((unsigned char) *p++));
	}
	*cursor = skip_space(p);
	return name.len > 0 && name.len < NAMEDATALEN ? name.data : NULL;
}

/* Steps over an expected symbol. */
bool
twp_protect_read_symbol(const char **cursor, const char *symbol)
{
	size_t		len = strlen(symbol);

	*cursor = skip_space(*cursor);
	if (strncmp(*cursor, symbol, len) != 0)
		return false;
	*cursor = skip_space(*cursor + len);
	return true;
}

/* True for a unique, valid, plain index on exactly this column. */
static bool
is_unique_on(HeapTuple tuple, AttrNumber attno)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

	return index->indislive && index->indisunique && index->indisvalid && index->indisready && index->indimmediate &&
		index->indnkeyatts == 1 && index->indkey.values[0] == attno &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
}

/* Finds such an index, the oldest, in the catalog. */
static Oid
find_unique_index(Oid relid, AttrNumber attno)
{
	Relation	indexes = table_open(IndexRelationId, AccessShareLock);
	Oid			found = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(indexes, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			index = ((Form_pg_index) GETSTRUCT(tuple))->indexrelid;

		if (is_unique_on(tuple, attno) && (!OidIsValid(found) || index < found))
			found = index;
	}
	systable_endscan(scan);
	table_close(indexes, AccessShareLock);
	return found;
}

/* True when no two rows of the relation, parts included, have the same value in the column. */
bool
twp_protect_is_unique(Oid relid, AttrNumber attno)
{
	return OidIsValid(find_unique_index(relid, attno)) &&
		(get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE || !has_subclass(relid));
}

/* Reads "schema.table(key).value"; the table is NULL when there is no schema. */
static bool
read_hop(const char **cursor, char **schema, char **table, char **key, char **value)
{
	*table = NULL;
	return (*schema = twp_protect_read_identifier(cursor)) != NULL &&
		(!twp_protect_read_symbol(cursor, ".") || (*table = twp_protect_read_identifier(cursor)) != NULL) &&
		twp_protect_read_symbol(cursor, "(") && (*key = twp_protect_read_identifier(cursor)) != NULL &&
		twp_protect_read_symbol(cursor, ")") && twp_protect_read_symbol(cursor, ".") &&
		(*value = twp_protect_read_identifier(cursor)) != NULL;
}

/* Finds the table, and the columns that are there (else 0), which the text behind an arrow names. */
bool
twp_protect_name_hop(const char *text, TwpHop *hop)
{
	char	   *schema;
	char	   *table;
	char	   *key;
	char	   *value;

	if (!read_hop(&text, &schema, &table, &key, &value) || table == NULL)
		return false;
	hop->relid = get_relname_relid(table, get_namespace_oid(schema, true));
	if (!OidIsValid(hop->relid))
		return false;
	hop->key_attno = get_attnum(hop->relid, key);
	hop->value_attno = get_attnum(hop->relid, value);
	return true;
}

/*
 * Resolves "schema.table(key).value" behind an arrow.  A hop whose table and
 * columns are there, but that cannot be followed now, is a problem and a hop:
 * a rename is followed meanwhile.
 */
static bool
resolve_hop(const char **cursor, Oid from_type, TwpHop *hop, const char **problem)
{
	char	   *schema;
	char	   *table;
	char	   *key;
	char	   *value;

	if (!read_hop(cursor, &schema, &table, &key, &value))
	{
		*problem = "the path does not parse";
		return false;
	}
	if (table == NULL)
	{
		*problem = psprintf("the path names table \"%s\" without its schema", schema);
		return false;
	}
	hop->relid = get_relname_relid(table, get_namespace_oid(schema, true));
	if (!OidIsValid(hop->relid) || get_rel_relkind(hop->relid) != RELKIND_RELATION)
	{
		*problem = psprintf("the path's table \"%s.%s\" does not exist", schema, table);
		return false;
	}
	hop->key_attno = get_attnum(hop->relid, key);
	hop->value_attno = get_attnum(hop->relid, value);
	if (hop->key_attno <= 0 || hop->value_attno <= 0)
	{
		*problem = psprintf("the path's column \"%s\" does not exist in \"%s.%s\"",
							hop->key_attno <= 0 ? key : value, schema, table);
		return false;
	}
	hop->key_type = twp_protect_column_type(hop->relid, hop->key_attno);
	hop->value_type = twp_protect_column_type(hop->relid, hop->value_attno);
	hop->index = find_unique_index(hop->relid, hop->key_attno);
	if (!OidIsValid(hop->value_type) || hop->key_type != from_type)
		*problem = psprintf("the path joins columns of different types at \"%s.%s(%s)\"", schema, table, key);
	else if (!OidIsValid(hop->index))
		*problem = psprintf("the path's column \"%s.%s(%s)\" is not unique", schema, table, key);
	return true;
}

/* Resolves a path's text for a relation; *problem when it can not be followed, NULL when its parts are not there. */
TwpPath *
twp_protect_resolve_path(Oid relid, const char *text, const char **problem)
{
	TwpPath    *path = palloc0(sizeof(TwpPath));
	const char *cursor = text;
	char	   *column = twp_protect_read_identifier(&cursor);
	Oid			type;

	*problem = NULL;
	if (column == NULL)
	{
		*problem = strstr(text, "\"\"") != NULL ? "what it names was dropped" : "the path does not parse";
		return NULL;
	}
	path->start = get_attnum(relid, column);
	if (path->start <= 0)
	{
		*problem = psprintf("column \"%s\" does not exist", column);
		return NULL;
	}
	type = path->start_type = twp_protect_column_type(relid, path->start);
	path->hops = palloc0(sizeof(TwpHop) * (strlen(text) / 2 + 1));
	while (*cursor != '\0')
	{
		if (!twp_protect_read_symbol(&cursor, "->"))
		{
			*problem = "the path does not parse";
			return NULL;
		}
		if (!resolve_hop(&cursor, type, &path->hops[path->nhops], problem))
		{
			if (strstr(text, "\"\"") != NULL)
				*problem = "what its path leads through was dropped";
			return NULL;
		}
		type = path->hops[path->nhops++].value_type;
	}
	path->type = type;
	return path;
}

/* The name of a column or (0) of the relation, or an empty one when it is being dropped. */
const char *
twp_protect_format_name(Oid relid, AttrNumber attno, const ObjectAddress *gone)
{
	if (gone != NULL && gone->objectId == relid && gone->objectSubId == attno)
		return "\"\"";
	return quote_identifier(attno == InvalidAttrNumber ? get_rel_name(relid) : get_attname(relid, attno, false));
}

/* Prints a resolved path with today's names; what is gone (a table or column, or NULL) has none. */
char *
twp_protect_format_path(Oid relid, const TwpPath *path, const ObjectAddress *gone)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, twp_protect_format_name(relid, path->start, gone));
	for (int i = 0; i < path->nhops; i++)
	{
		const TwpHop *hop = &path->hops[i];

		appendStringInfo(&text, " -> %s.%s(%s).%s",
						 quote_identifier(get_namespace_name(get_rel_namespace(hop->relid))),
						 twp_protect_format_name(hop->relid, InvalidAttrNumber, gone),
						 twp_protect_format_name(hop->relid, hop->key_attno, gone),
						 twp_protect_format_name(hop->relid, hop->value_attno, gone));
	}
	return text.data;
}

/*
 * vocab_functions.c - SQL functions that add to the vocabulary.
 *
 * Contract: each checks the caller's role, then its arguments, then takes
 * ShareRowExclusiveLock on the table it extends (readers go on), so that what
 * it checks in the fresh copy stays true until commit; records the event; and
 * announces the change to every backend at commit.  Nothing is ever removed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "vocab/vocab.h"
#include "vocab/vocab_internal.h"

PG_FUNCTION_INFO_V1(twp_vocab_add_purpose);
PG_FUNCTION_INFO_V1(twp_vocab_prohibit_purpose);
PG_FUNCTION_INFO_V1(twp_vocab_add_category);

TWP_EXPORT Datum twp_vocab_add_purpose(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_vocab_prohibit_purpose(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_vocab_add_category(PG_FUNCTION_ARGS);

/* Longest display text or reason: kept in line, so that catalog scans need no TOAST. */
#define MAX_TEXT 1000

/* Raises unless the code can be one; the characters left out mean something in labels and arrays. */
static void
check_code(const char *code)
{
	size_t		len = strlen(code);

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("code must not be empty"),
				 errhint("Use 1 to %d letters, digits, \"_\", \"-\", \".\" or \":\".", NAMEDATALEN - 1)));
	if (len >= NAMEDATALEN ||
		strspn(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid code \"%s\"", code),
				 errhint("Use 1 to %d letters, digits, \"_\", \"-\", \".\" or \":\".", NAMEDATALEN - 1)));
}

/* Raises unless the text says something and fits. */
static void
check_text(const char *name, const char *value)
{
	if (value[strspn(value, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name),
				 errhint("Say in a few words what people will read.")));
	if (strlen(value) > MAX_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s is longer than %d bytes", name, MAX_TEXT),
				 errhint("Shorten it.")));
}

/* Raises when a code is to be its own parent. */
static void
check_parent(const char *what, const char *code, const char *parent)
{
	if (parent != NULL && strcmp(code, parent) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s \"%s\" cannot be its own parent", what, code),
				 errhint("Name an existing parent, or NULL for none.")));
}

/* Waits for other writers of the table; from here on the fresh copy stays true. */
static void
lock_table(const char *table)
{
	LockRelationOid(twp_catalog_internal_relid(table), ShareRowExclusiveLock);
}

/* Runs one INSERT of text values (NULL for NULL) and announces the table. */
static void
insert_row(const char *table, const char *sql, int nargs, const char **args)
{
	Oid			types[4];
	Datum		values[4];
	char		nulls[4];

	Assert(nargs <= lengthof(types));
	for (int i = 0; i < nargs; i++)
	{
		types[i] = TEXTOID;
		nulls[i] = args[i] == NULL ? 'n' : ' ';
		values[i] = args[i] == NULL ? (Datum) 0 : CStringGetTextDatum(args[i]);
	}
	twp_sql_exec(sql, nargs, types, values, nulls);
	twp_catalog_announce(table);
}

/* Records an event whose one further fact is a text, or none. */
static void
emit(const char *kind, const char *code, const char *fact, const char *value)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "{\"%s\": ", fact);
	if (value == NULL)
		appendStringInfoString(&detail, "null");
	else
		escape_json(&detail, value);
	appendStringInfoChar(&detail, '}');
	twp_event_emit(kind, code, NULL, detail.data);
}

/* add_purpose(code, parent, display) adds a purpose below its parent. */
Datum
twp_vocab_add_purpose(PG_FUNCTION_ARGS)
{
	const char *row[3];
	char	   *code;
	char	   *parent;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "add a purpose");
	TWP_REQUIRE_ARG(0, "code");
	TWP_REQUIRE_ARG(2, "display");
	row[0] = code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	row[1] = parent = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	row[2] = text_to_cstring(PG_GETARG_TEXT_PP(2));
	check_code(code);
	check_text("display", row[2]);
	check_parent("purpose", code, parent);

	lock_table("purpose");
	if (twp_vocab_purpose_exists(code))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("purpose \"%s\" already exists", code),
				 errhint("Choose another code; see twin_privacy.purposes.")));
	if (parent != NULL)
		twp_vocab_require_purpose(parent);

	twp_sql_connect();
	insert_row("purpose",
			   "INSERT INTO twin_privacy_internal.purpose (code, display) VALUES ($1, $2)",
			   2, (const char *[]) {row[0], row[2]});
	if (parent != NULL)
		insert_row("purpose_parent",
				   "INSERT INTO twin_privacy_internal.purpose_parent (code, number, parent)"
				   " VALUES ($1, 1, $2)",
				   2, row);
	twp_sql_finish();
	emit("purpose.add", code, "parent", parent);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* prohibit_purpose(code, reason) closes a purpose and all below it, for good. */
Datum
twp_vocab_prohibit_purpose(PG_FUNCTION_ARGS)
{
	const char *row[2];

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "prohibit a purpose");
	TWP_REQUIRE_ARG(0, "code");
	TWP_REQUIRE_ARG(1, "reason");
	row[0] = text_to_cstring(PG_GETARG_TEXT_PP(0));
	row[1] = text_to_cstring(PG_GETARG_TEXT_PP(1));
	check_text("reason", row[1]);

	lock_table("purpose_prohibition");
	twp_vocab_require_purpose(row[0]);
	if (strcmp(row[0], TWP_VOCAB_ROOT_PURPOSE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purpose \"%s\" cannot be prohibited", row[0]),
				 errdetail("It would close every purpose, care and emergencies included, for good."),
				 errhint("Prohibit a purpose below it.")));
	if (twp_vocab_purpose_prohibited_itself(row[0]))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("purpose \"%s\" is already prohibited", row[0]),
				 errhint("A prohibition is for good; there is nothing more to do.")));

	twp_sql_connect();
	insert_row("purpose_prohibition",
			   "INSERT INTO twin_privacy_internal.purpose_prohibition (code, reason) VALUES ($1, $2)",
			   2, row);
	twp_sql_finish();
	emit("purpose.prohibit", row[0], "reason", row[1]);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* Gives the number for a user's new category: the highest that is free. */
static int
free_category_number(void)
{
	TwpCategorySet all = twp_vocab_all_categories();

	for (int n = TWP_MAX_CATEGORIES - 1; n >= 0; n--)
		if ((all & TWP_CATEGORY_BIT(n)) == 0)
			return n;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("there are already %d categories, the most there can be", TWP_MAX_CATEGORIES),
			 errhint("Use an existing category; see twin_privacy.categories.")));
}

/* add_category(code, parent, display) adds a category below its parent. */
Datum
twp_vocab_add_category(PG_FUNCTION_ARGS)
{
	const char *row[4];
	const char *code;
	const char *parent;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "add a category");
	TWP_REQUIRE_ARG(0, "code");
	TWP_REQUIRE_ARG(2, "display");
	row[0] = code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	row[1] = parent = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	row[2] = text_to_cstring(PG_GETARG_TEXT_PP(2));
	check_code(code);
	check_text("display", row[2]);
	check_parent("category", code, parent);

	lock_table("category");
	if (twp_vocab_category(code) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("category \"%s\" already exists", code),
				 errhint("Choose another code; see twin_privacy.categories.")));
	if (twp_vocab_is_security_label(code))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is an HL7 security label", code),
				 errdetail("A row label of that code could mean either."),
				 errhint("Choose another code.")));
	if (parent != NULL)
		(void) twp_vocab_require_category(parent);
	row[3] = psprintf("%d", free_category_number());

	twp_sql_connect();
	insert_row("category",
			   "INSERT INTO twin_privacy_internal.category (code, parent, display, number)"
			   " VALUES ($1, $2, $3, $4::pg_catalog.int2)",
			   4, row);
	twp_sql_finish();
	emit("category.add", code, "parent", parent);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

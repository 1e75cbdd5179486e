/*
 * derivation.c - which categories of data are made from which.
 *
 * A derivation says that data of a category is computed from data of others:
 * a prediction from a twin's state and a genome.  Then consent for the
 * category is not enough: what it is made from must be permitted as well, and
 * what that is made from.  A declaration holds for all below its category, as
 * every rule does, and names with a source all below that.
 *
 * Contract: as vocab_functions.c: role, arguments, lock, check, write, event,
 * announcement.  A declaration replaces the category's earlier one.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "vocab/vocab_internal.h"

PG_FUNCTION_INFO_V1(twp_vocab_declare_derivation);
PG_FUNCTION_INFO_V1(twp_vocab_drop_derivation);

TWP_EXPORT Datum twp_vocab_declare_derivation(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_vocab_drop_derivation(PG_FUNCTION_ARGS);

/* Everything below the members of a set, themselves included. */
static TwpCategorySet
all_below(const TwpCategoryTree *tree, TwpCategorySet set)
{
	TwpCategorySet below = 0;

	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if ((set & TWP_CATEGORY_BIT(n)) != 0)
			below |= tree->below[n];
	return below;
}

/*
 * Finds for each category all that its data is made from.  Repeats until
 * nothing is added, which ends for circles too: then each needs all others.
 */
void
twp_vocab_close_derivations(const TwpCategoryTree *tree, TwpCategorySet *inputs)
{
	bool		added = true;

	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
	{
		inputs[n] = 0;
		for (int a = 0; a < TWP_MAX_CATEGORIES; a++)
			if ((tree->above[n] & TWP_CATEGORY_BIT(a)) != 0)
				inputs[n] |= all_below(tree, tree->declared[a]);
	}
	while (added)
	{
		added = false;
		for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		{
			TwpCategorySet all = inputs[n];

			for (int i = 0; i < TWP_MAX_CATEGORIES; i++)
				if ((inputs[n] & TWP_CATEGORY_BIT(i)) != 0)
					all |= inputs[i];
			added |= all != inputs[n];
			inputs[n] = all;
		}
	}
}

/* Refuses a declaration by which some category would be made from itself. */
static void
check_circle(int category, TwpCategorySet sources)
{
	TwpCategoryTree tree = *twp_vocab_category_tree();
	TwpCategorySet inputs[TWP_MAX_CATEGORIES];

	tree.declared[category] = sources;
	twp_vocab_close_derivations(&tree, inputs);
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if ((inputs[n] & TWP_CATEGORY_BIT(n)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("category \"%s\" would be derived from itself", twp_vocab_category_code(n)),
					 errhint("See twin_privacy.derivations; a derivation holds for all below its category, and a source stands for all below it.")));
}

/* Reads the codes of from_categories. */
static TwpCategorySet
read_sources(ArrayType *array)
{
	TwpCategorySet sources = 0;
	Datum	   *codes;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &codes, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_categories must not be empty"),
				 errhint("Name at least one category, or take the derivation back with twin_privacy.drop_derivation.")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("from_categories must not contain null"),
					 errhint("Leave the null element out.")));
		sources |= TWP_CATEGORY_BIT(twp_vocab_require_category(TextDatumGetCString(codes[i])));
	}
	return sources;
}

/* Takes the category's declaration out of the table; needs twp_sql_connect(). */
static uint64
delete_declaration(const char *category)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(category)};

	twp_sql_exec("DELETE FROM twin_privacy_internal.derivation WHERE category OPERATOR(pg_catalog.=) $1",
				 1, types, values, NULL);
	return SPI_processed;
}

/* Adds the category's sources to the table and gives their codes as JSON; needs twp_sql_connect(). */
static char *
insert_declaration(const char *category, TwpCategorySet sources)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"from\": [");
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if ((sources & TWP_CATEGORY_BIT(n)) != 0)
		{
			const char *source = twp_vocab_category_code(n);
			Datum		values[2] = {CStringGetTextDatum(category), CStringGetTextDatum(source)};

			twp_sql_exec("INSERT INTO twin_privacy_internal.derivation (category, source) VALUES ($1, $2)",
						 2, types, values, NULL);
			if (json.data[json.len - 1] != '[')
				appendStringInfoString(&json, ", ");
			escape_json(&json, source);
		}
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* declare_derivation(category, from_categories) says what a category's data is made from. */
Datum
twp_vocab_declare_derivation(PG_FUNCTION_ARGS)
{
	char	   *category;
	int			number;
	TwpCategorySet sources;
	char	   *detail;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "declare a derivation");
	TWP_REQUIRE_ARG(0, "category");
	TWP_REQUIRE_ARG(1, "from_categories");
	category = text_to_cstring(PG_GETARG_TEXT_PP(0));

	LockRelationOid(twp_catalog_internal_relid("derivation"), ShareRowExclusiveLock);
	number = twp_vocab_require_category(category);
	sources = read_sources(PG_GETARG_ARRAYTYPE_P(1));
	check_circle(number, sources);

	twp_sql_connect();
	(void) delete_declaration(category);
	detail = insert_declaration(category, sources);
	twp_catalog_announce("derivation");
	twp_event_emit("derivation.declare", category, NULL, detail);
	twp_sql_finish();
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* drop_derivation(category) takes what was declared of a category back. */
Datum
twp_vocab_drop_derivation(PG_FUNCTION_ARGS)
{
	char	   *category;

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "drop a derivation");
	TWP_REQUIRE_ARG(0, "category");
	category = text_to_cstring(PG_GETARG_TEXT_PP(0));

	LockRelationOid(twp_catalog_internal_relid("derivation"), ShareRowExclusiveLock);
	(void) twp_vocab_require_category(category);
	twp_sql_connect();
	if (delete_declaration(category) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no derivation is declared of category \"%s\"", category),
				 errhint("See twin_privacy.derivations.")));
	twp_catalog_announce("derivation");
	twp_event_emit("derivation.drop", category, NULL, NULL);
	twp_sql_finish();
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

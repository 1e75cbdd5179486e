/*
 * rule.c - terms, as stored in JSON, read into a tree of rules.
 *
 * Terms are an object: "decision" (permit or deny) and conditions, each
 * optional: "purpose" or "purposes", "categories", "recipients", "authors",
 * "custodians", "period", "actions", "types", "documents", "codes", "labels",
 * "data", "data_period"; and "rules", exceptions of the same form.  A period
 * is [from, until), either may be null.
 *
 * Contract: a rule lives in the memory context it was parsed in and holds only
 * as long as the vocabulary does not change.  Terms we cannot read are an
 * error: a directive that is not understood must not be taken for one that is
 * absent.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/consent_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static TwpRule *parse_rule(JsonbContainer *object);

/* Gives a member of a JSON object, or NULL. */
static JsonbValue *
find_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

/* Copies a JSON string. */
static char *
copy_string(const JsonbValue *value, const char *name)
{
	if (value == NULL || value->type != jbvString)
		elog(ERROR, "consent terms: \"%s\" is not a string", name);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Gives an array member, or NULL. */
static JsonbContainer *
array_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = find_member(object, name);

	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		elog(ERROR, "consent terms: \"%s\" is not an array", name);
	return value->val.binary.data;
}

/* Gives the strings of an array member; none when there is none. */
static TwpStrings
strings_member(JsonbContainer *object, const char *name)
{
	JsonbContainer *array = array_member(object, name);
	TwpStrings	strings = {NULL, 0};

	if (array == NULL)
		return strings;
	if (JsonContainerSize(array) == 0)
		elog(ERROR, "consent terms: \"%s\" is empty", name);
	strings.item = palloc(JsonContainerSize(array) * sizeof(char *));
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
		strings.item[strings.n++] = copy_string(getIthJsonbValueFromContainer(array, i), name);
	return strings;
}

/* Reads a bound of a period. */
static TimestampTz
parse_bound(const JsonbValue *value, const char *name, TimestampTz missing)
{
	if (value != NULL && value->type == jbvNull)
		return missing;
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(copy_string(value, name)),
												   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* Reads a period; without one it is all of time. */
static void
parse_period(JsonbContainer *object, const char *name, TimestampTz *from, TimestampTz *until)
{
	JsonbContainer *array = array_member(object, name);

	*from = DT_NOBEGIN;
	*until = DT_NOEND;
	if (array == NULL)
		return;
	*from = parse_bound(getIthJsonbValueFromContainer(array, 0), name, DT_NOBEGIN);
	*until = parse_bound(getIthJsonbValueFromContainer(array, 1), name, DT_NOEND);
}

/* Reads an effect. */
static TwpDecision
parse_effect(const JsonbValue *value)
{
	char	   *effect = copy_string(value, "decision");

	if (strcmp(effect, "permit") == 0)
		return TWP_DECISION_PERMIT;
	if (strcmp(effect, "deny") == 0)
		return TWP_DECISION_DENY;
	elog(ERROR, "consent terms have no valid decision");
}

/* Reads how a resource must relate to the one named. */
static TwpDataMeaning
parse_meaning(const char *meaning)
{
	if (strcmp(meaning, "instance") == 0)
		return TWP_DATA_INSTANCE;
	if (strcmp(meaning, "related") == 0)
		return TWP_DATA_RELATED;
	if (strcmp(meaning, "dependents") == 0)
		return TWP_DATA_DEPENDENTS;
	if (strcmp(meaning, "authoredby") == 0)
		return TWP_DATA_AUTHOREDBY;
	elog(ERROR, "consent terms have an unknown meaning of data");
}

/* Reads the conditions on data references. */
static void
parse_data(JsonbContainer *object, TwpRule *rule)
{
	JsonbContainer *array = array_member(object, "data");

	if (array == NULL)
		return;
	rule->data = palloc(JsonContainerSize(array) * sizeof(TwpDataCondition));
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(array, i);

		if (item == NULL || item->type != jbvBinary || !JsonContainerIsObject(item->val.binary.data))
			elog(ERROR, "consent terms: \"data\" holds other than objects");
		rule->data[rule->ndata].meaning =
			parse_meaning(copy_string(find_member(item->val.binary.data, "meaning"), "meaning"));
		rule->data[rule->ndata++].reference =
			copy_string(find_member(item->val.binary.data, "reference"), "reference");
	}
}

/* Reads the exceptions. */
static void
parse_rules(JsonbContainer *object, TwpRule *rule)
{
	JsonbContainer *array = array_member(object, "rules");

	if (array == NULL)
		return;
	check_stack_depth();
	rule->rules = palloc(JsonContainerSize(array) * sizeof(TwpRule *));
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(array, i);

		if (item == NULL || item->type != jbvBinary || !JsonContainerIsObject(item->val.binary.data))
			elog(ERROR, "consent terms: \"rules\" holds other than objects");
		rule->rules[rule->nrules] = parse_rule(item->val.binary.data);
		rule->asks_row |= rule->rules[rule->nrules++]->asks_row;
	}
}

/* Reads one provision. */
static TwpRule *
parse_rule(JsonbContainer *object)
{
	TwpRule    *rule = palloc0(sizeof(TwpRule));
	JsonbValue *purpose = find_member(object, "purpose");

	rule->effect = parse_effect(find_member(object, "decision"));
	rule->purposes = strings_member(object, "purposes");
	if (purpose != NULL)
	{
		rule->purposes.item = palloc(sizeof(char *));
		rule->purposes.item[0] = copy_string(purpose, "purpose");
		rule->purposes.n = 1;
	}
	rule->category_codes = strings_member(object, "categories");
	rule->all_categories = rule->category_codes.n == 0;
	for (int i = 0; i < rule->category_codes.n; i++)
		rule->categories |=
			twp_vocab_category_covers(twp_vocab_require_category(rule->category_codes.item[i]));
	rule->recipients = strings_member(object, "recipients");
	rule->authors = strings_member(object, "authors");
	rule->custodians = strings_member(object, "custodians");
	rule->actions = strings_member(object, "actions");
	rule->types = strings_member(object, "types");
	rule->documents = strings_member(object, "documents");
	rule->codes = strings_member(object, "codes");
	rule->labels = strings_member(object, "labels");
	parse_period(object, "period", &rule->from, &rule->until);
	parse_period(object, "data_period", &rule->data_from, &rule->data_until);
	parse_data(object, rule);
	rule->asks_row = rule->authors.n > 0 || rule->custodians.n > 0 || rule->types.n > 0 ||
		rule->documents.n > 0 || rule->codes.n > 0 || rule->labels.n > 0 || rule->ndata > 0 ||
		rule->data_from != DT_NOBEGIN || rule->data_until != DT_NOEND;
	parse_rules(object, rule);
	return rule;
}

/* Reads terms into memory. */
TwpRule *
twp_rule_parse(const Jsonb *terms)
{
	if (!JB_ROOT_IS_OBJECT(terms))
		elog(ERROR, "consent terms are not an object");
	return parse_rule((JsonbContainer *) &terms->root);
}

/* True when the rule can permit anything at all. */
bool
twp_rule_permits(const TwpRule *rule)
{
	if (rule->effect == TWP_DECISION_PERMIT)
		return true;
	for (int i = 0; i < rule->nrules; i++)
		if (twp_rule_permits(rule->rules[i]))
			return true;
	return false;
}

/* True when the rule denies the purpose and names it itself. */
bool
twp_rule_denies_by_name(const TwpRule *rule, const char *purpose)
{
	if (rule->effect == TWP_DECISION_DENY)
		for (int i = 0; i < rule->purposes.n; i++)
			if (strcmp(rule->purposes.item[i], purpose) == 0)
				return true;
	for (int i = 0; i < rule->nrules; i++)
		if (twp_rule_denies_by_name(rule->rules[i], purpose))
			return true;
	return false;
}

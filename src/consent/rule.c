/*
 * rule.c - terms read into a tree of rules, and asking it.
 *
 * Pure functions over the vocabulary: no tables but its own, no locks.  A rule
 * lives in the memory context it was parsed in, and holds only as long as the
 * vocabulary does not change.  Terms we cannot read are an error: a directive
 * that is not understood must not be taken for one that is absent.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "consent/consent_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Gives a member of a JSON object, or NULL. */
static JsonbValue *
find_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

/* Gives a string member, or NULL. */
static char *
text_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = find_member(object, name);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		elog(ERROR, "consent terms: \"%s\" is not a string", name);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Gives the strings of an array member; false when there is none. */
static bool
array_member(JsonbContainer *object, const char *name, char ***items, int *nitems)
{
	JsonbValue *value = find_member(object, name);
	JsonbContainer *array;

	*items = NULL;
	*nitems = 0;
	if (value == NULL)
		return false;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		elog(ERROR, "consent terms: \"%s\" is not an array", name);
	array = value->val.binary.data;
	*items = palloc(Max(JsonContainerSize(array), 1) * sizeof(char *));
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(array, i);

		if (item == NULL || item->type != jbvString)
			elog(ERROR, "consent terms: \"%s\" holds other than strings", name);
		(*items)[(*nitems)++] = pnstrdup(item->val.string.val, item->val.string.len);
	}
	return true;
}

/* Reads an effect. */
static TwpDecision
parse_effect(const char *effect)
{
	if (effect != NULL && strcmp(effect, "permit") == 0)
		return TWP_DECISION_PERMIT;
	if (effect != NULL && strcmp(effect, "deny") == 0)
		return TWP_DECISION_DENY;
	elog(ERROR, "consent terms have no valid decision");
}

/* Reads terms into memory. */
TwpRule *
twp_rule_parse(const Jsonb *terms)
{
	JsonbContainer *object = (JsonbContainer *) &terms->root;
	TwpRule    *rule = palloc0(sizeof(TwpRule));

	if (!JsonContainerIsObject(object))
		elog(ERROR, "consent terms are not an object");
	rule->effect = parse_effect(text_member(object, "decision"));
	rule->purpose = text_member(object, "purpose");
	rule->all_categories = !array_member(object, "categories", &rule->category_codes, &rule->ncategories);
	for (int i = 0; i < rule->ncategories; i++)
		rule->categories |= twp_vocab_category_covers(twp_vocab_require_category(rule->category_codes[i]));
	array_member(object, "recipients", &rule->recipients, &rule->nrecipients);
	return rule;
}

/* True when the rule can permit anything at all. */
bool
twp_rule_permits(const TwpRule *rule)
{
	return rule->effect == TWP_DECISION_PERMIT;
}

/* True when the rule denies the purpose and names it itself. */
bool
twp_rule_denies_by_name(const TwpRule *rule, const char *purpose)
{
	return rule->effect == TWP_DECISION_DENY && rule->purpose != NULL &&
		strcmp(rule->purpose, purpose) == 0;
}

/* True when the list is empty or holds the recipient. */
static bool
recipient_matches(const TwpRule *rule, const char *recipient)
{
	for (int i = 0; i < rule->nrecipients; i++)
		if (strcmp(rule->recipients[i], recipient) == 0)
			return true;
	return rule->nrecipients == 0;
}

/* Says which condition of a rule the question does not meet. */
const char *
twp_rule_mismatch(const TwpRule *rule, const char *purpose, int category, const char *recipient)
{
	if (rule->purpose != NULL && !twp_vocab_purpose_covers(rule->purpose, purpose))
		return psprintf("it is for purpose %s", rule->purpose);
	if (!recipient_matches(rule, recipient))
		return "it is for other recipients";
	if (!rule->all_categories && (rule->categories & TWP_CATEGORY_BIT(category)) == 0)
		return "it is for other categories";
	return NULL;
}

/* Says for each category what the rule answers to the question. */
void
twp_rule_ask(const TwpRule *rule, const TwpRuleQuestion *question, TwpOutcome *outcome)
{
	TwpCategorySet matched = ~UINT64CONST(0);

	if (rule->purpose != NULL && !twp_vocab_purpose_covers(rule->purpose, question->purpose))
		matched = 0;
	if (!recipient_matches(rule, question->recipient))
		matched = 0;
	if (!rule->all_categories)
		matched &= rule->categories;
	outcome->permit = rule->effect == TWP_DECISION_PERMIT ? matched : 0;
	outcome->deny = rule->effect == TWP_DECISION_DENY ? matched : 0;
	outcome->none = ~matched;
	outcome->until = DT_NOEND;
}

/* Starts with: no directive, no answer. */
void
twp_outcome_init(TwpOutcome *total)
{
	total->permit = total->deny = 0;
	total->none = ~UINT64CONST(0);
	total->until = DT_NOEND;
}

/*
 * Adds the outcome of one more directive, given later than those before it.
 * Each side is a set of possible answers; the result holds every answer that
 * some pair of them gives, so what is called sure is sure.
 */
void
twp_outcome_add(TwpOutcome *total, const TwpOutcome *next, TwpCombining combining)
{
	TwpOutcome	old = *total;

	if (combining == TWP_COMBINE_LATEST)
	{
		total->permit = (old.permit & next->none) | next->permit;
		total->deny = (old.deny & next->none) | next->deny;
	}
	else
	{
		total->permit = (old.permit & (next->permit | next->none)) | (old.none & next->permit);
		total->deny = old.deny | next->deny;
	}
	total->none = old.none & next->none;
	total->until = Min(old.until, next->until);
}

/*
 * Turns what a directive's terms say into what it says now: nothing outside
 * its validity or once withdrawn, and never beyond the next end of validity.
 */
void
twp_directive_limit(const TwpDirective *directive, TimestampTz now, TwpOutcome *outcome)
{
	if (directive->withdrawn || now < directive->valid_from || now >= directive->valid_until)
	{
		twp_outcome_init(outcome);
		if (!directive->withdrawn && now < directive->valid_from)
			outcome->until = directive->valid_from;
	}
	else
		outcome->until = Min(outcome->until, directive->valid_until);
}

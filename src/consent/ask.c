/*
 * ask.c - what a tree of rules answers.
 *
 * A provision that matches gives its own effect, unless provisions below it
 * match too: then they decide, and a deny among them wins.  All categories are
 * asked at once, and answers that depend on what is not known of the row are
 * carried as several possible answers (answers.c).
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/consent_internal.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/* What the provisions below a rule can do to each category. */
typedef struct Below
{
	TwpCategorySet sure_hit;	/* some provision surely matches */
	TwpCategorySet may_permit;
	TwpCategorySet may_deny;
	TwpCategorySet sure_deny;
} Below;

static void ask_rule(const TwpRule *rule, const TwpRuleQuestion *question, bool root, TwpAnswers *outcome);

/* Notes the next moment at which the rule's period begins or ends. */
static void
note_boundary(const TwpRule *rule, TimestampTz now, TwpAnswers *outcome)
{
	if (now < rule->from)
		outcome->until = Min(outcome->until, rule->from);
	else if (now < rule->until)
		outcome->until = Min(outcome->until, rule->until);
}

/* Asks the provisions below a rule. */
static Below
ask_below(const TwpRule *rule, const TwpRuleQuestion *question, TwpAnswers *outcome)
{
	Below		below = {0};

	check_stack_depth();
	for (int i = 0; i < rule->nrules; i++)
	{
		TwpAnswers	one;

		ask_rule(rule->rules[i], question, false, &one);
		below.sure_hit |= ~one.none;
		below.may_permit |= one.permit;
		below.may_deny |= one.deny;
		below.sure_deny |= one.deny & ~one.permit & ~one.none;
		outcome->until = Min(outcome->until, one.until);
	}
	return below;
}

/* Gives the possible own effects of a rule that matches, before those below it. */
static TwpAnswers
own_effect(const TwpRule *rule, TwpMatch data, bool root)
{
	TwpAnswers	own = {0};
	TwpCategorySet elsewhere = root ? ~data.sure : 0;
	TwpCategorySet here = root ? data.may : ~UINT64CONST(0);

	if (rule->effect == TWP_DECISION_PERMIT)
	{
		own.permit = here;
		own.deny = elsewhere;
	}
	else
	{
		own.deny = here;
		own.none = elsewhere;
	}
	return own;
}

/* Asks one rule and all below it. */
static void
ask_rule(const TwpRule *rule, const TwpRuleQuestion *question, bool root, TwpAnswers *outcome)
{
	TwpMatch	match = twp_match_gates(rule, question);
	TwpMatch	data = twp_match_data(rule, question);
	TwpAnswers	own = own_effect(rule, data, root);
	Below		below;

	if (!root)
	{
		match.sure &= data.sure;
		match.may &= data.may;
	}
	outcome->until = DT_NOEND;
	note_boundary(rule, question->now, outcome);
	below = ask_below(rule, question, outcome);
	outcome->permit = match.may & ((below.may_permit & ~below.sure_deny) | (~below.sure_hit & own.permit));
	outcome->deny = match.may & (below.may_deny | (~below.sure_hit & own.deny));
	outcome->none = (match.may & ~below.sure_hit & own.none) | ~match.sure;
}

/* Says for each category what the rule answers to the question. */
void
twp_rule_ask(const TwpRule *rule, const TwpRuleQuestion *question, TwpAnswers *outcome)
{
	ask_rule(rule, question, true, outcome);
}

/* Says which condition of a rule the question does not meet. */
const char *
twp_rule_mismatch(const TwpRule *rule, const char *purpose, int category, const char *recipient)
{
	if (!twp_match_purpose(rule, purpose))
		return psprintf("it is for purpose %s", rule->purposes.item[0]);
	if (!twp_match_recipient(rule, recipient))
		return "it is for other recipients";
	if (!rule->all_categories && (rule->categories & TWP_CATEGORY_BIT(category)) == 0)
		return "it is for other categories";
	return NULL;
}

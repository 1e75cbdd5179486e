/*
 * condition.c - whether a provision's conditions are met.
 *
 * Each condition narrows a match: the categories for which it is met whatever
 * the row is, and those for which some row meets it.  What is not known of the
 * row could be anything, so a condition on it is never surely met and never
 * surely not.  Where labels are not known of rows, a category stands for the
 * labels its data would carry.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/consent_internal.h"
#include "utils/timestamp.h"

#define EVERY_CATEGORY (~UINT64CONST(0))

/* Narrows the match by a condition. */
static void
narrow(TwpMatch *match, TwpCategorySet sure, TwpCategorySet may)
{
	match->sure &= sure;
	match->may &= may;
}

/* Narrows the match by a condition that is met, or not, for every category alike. */
static void
narrow_all(TwpMatch *match, bool sure, bool may)
{
	narrow(match, sure ? EVERY_CATEGORY : 0, may ? EVERY_CATEGORY : 0);
}

/* True when the fact is known of the row. */
static bool
knows(const TwpRuleQuestion *question, int fact)
{
	return question->row != NULL && (question->row->known & fact) != 0;
}

/* True when the reference is the other one, or ends in "/" and it: "Organization/A" is also "A". */
static bool
same_reference(const char *reference, const char *other)
{
	size_t		length = strlen(reference);
	size_t		tail = strlen(other);

	if (strcmp(reference, other) == 0)
		return true;
	return length > tail && reference[length - tail - 1] == '/' &&
		strcmp(reference + length - tail, other) == 0;
}

/* True when one of the references is one of the others. */
static bool
same_one(const TwpStrings *references, const char *const *others, int nothers)
{
	for (int i = 0; i < references->n; i++)
		for (int j = 0; j < nothers; j++)
			if (same_reference(references->item[i], others[j]))
				return true;
	return false;
}

/* True when a purpose of the rule is the one asked for or above it. */
bool
twp_match_purpose(const TwpRule *rule, const char *purpose)
{
	for (int i = 0; i < rule->purposes.n; i++)
		if (strcmp(rule->purposes.item[i], purpose) == 0 ||
			twp_vocab_purpose_covers(rule->purposes.item[i], purpose))
			return true;
	return rule->purposes.n == 0;
}

/* True when the rule names the recipient or asks for nobody. */
bool
twp_match_recipient(const TwpRule *rule, const char *recipient)
{
	if (rule->recipients.n + rule->authors.n + rule->custodians.n == 0)
		return true;
	return same_one(&rule->recipients, &recipient, 1);
}

/* Narrows by who asks, who wrote the data and who keeps it: one of them is enough. */
static void
narrow_actors(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	const TwpRowFacts *row = question->row;
	bool		sure = twp_match_recipient(rule, question->recipient);
	bool		may = sure;

	if (rule->authors.n > 0)
	{
		if (!knows(question, TWP_FACT_AUTHORS))
			may = true;
		else if (same_one(&rule->authors, row->authors, row->nauthors))
			sure = may = true;
	}
	if (rule->custodians.n > 0)
	{
		/* Who wrote the data and keeps it is often one organisation, told once. */
		if (knows(question, TWP_FACT_AUTHORS) &&
			same_one(&rule->custodians, row->authors, row->nauthors))
			sure = may = true;
		else if (!knows(question, TWP_FACT_CUSTODIANS))
			may = true;
		else if (same_one(&rule->custodians, row->custodians, row->ncustodians))
			sure = may = true;
	}
	narrow_all(match, sure, may);
}

/* True when the rule is about reading: a rule about collecting or correcting alone is not. */
static bool
is_about_reading(const TwpRule *rule)
{
	static const char *const reading[] = {"access", "use", "disclose"};

	for (int i = 0; i < rule->actions.n; i++)
		for (int j = 0; j < lengthof(reading); j++)
			if (strcmp(rule->actions.item[i], reading[j]) == 0)
				return true;
	return rule->actions.n == 0;
}

/* Narrows by resource type; document types are never known of a row. */
static void
narrow_types(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	TwpMatch	types = {0, 0};

	if (rule->types.n + rule->documents.n == 0)
		return;
	if (rule->types.n > 0 && knows(question, TWP_FACT_TYPE))
	{
		const char *type = question->row->type;

		for (int i = 0; i < rule->types.n; i++)
			if (type != NULL && strcmp(rule->types.item[i], type) == 0)
				types.sure = types.may = EVERY_CATEGORY;
	}
	else if (rule->types.n > 0 && question->resource)
		types.may = EVERY_CATEGORY;
	else if (rule->types.n > 0)
		types = twp_type_categories(&rule->types);
	if (rule->documents.n > 0)
		types.may = EVERY_CATEGORY;
	narrow(match, types.sure, types.may);
}

/* True when a code of the rule, with its system before a bar, is the row's. */
static bool
same_code(const char *code, const char *other)
{
	const char *bar = strrchr(code, '|');

	return strcmp(code, other) == 0 || (bar != NULL && strcmp(bar + 1, other) == 0);
}

/* Narrows by clinical codes. */
static void
narrow_codes(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	bool		met = false;

	if (rule->codes.n == 0)
		return;
	if (!knows(question, TWP_FACT_CODES))
	{
		narrow_all(match, false, true);
		return;
	}
	for (int i = 0; i < rule->codes.n; i++)
		for (int j = 0; j < question->row->ncodes; j++)
			met |= same_code(rule->codes.item[i], question->row->codes[j]);
	narrow_all(match, met, met);
}

/* Matches the conditions that must be met before a rule or those below it count. */
TwpMatch
twp_match_gates(const TwpRule *rule, const TwpRuleQuestion *question)
{
	TwpMatch	match = {EVERY_CATEGORY, EVERY_CATEGORY};

	if (question->now < rule->from || question->now >= rule->until ||
		!is_about_reading(rule) || !twp_match_purpose(rule, question->purpose))
		narrow_all(&match, false, false);
	if (!rule->all_categories)
		narrow(&match, rule->categories, rule->categories);
	narrow_actors(&match, rule, question);
	narrow_types(&match, rule, question);
	narrow_codes(&match, rule, question);
	return match;
}

/* Gives the row's confidentiality: its highest label, normal without one. */
static int
row_confidentiality(const TwpRuleQuestion *question)
{
	int			rank = -1;

	if (knows(question, TWP_FACT_LABELS))
		for (int i = 0; i < question->row->nlabels; i++)
			rank = Max(rank, twp_label_confidentiality(question->row->labels[i]));
	return rank < 0 ? TWP_CONFIDENTIALITY_NORMAL : rank;
}

/*
 * Matches a confidentiality code, a high-water mark: a permit for R is for R
 * and lower, a deny of R is of R and higher.  The categories below "sensitive"
 * are restricted by themselves.
 */
static TwpMatch
match_confidentiality(TwpDecision effect, int rank, const TwpRuleQuestion *question)
{
	int			sensitive = twp_vocab_category("sensitive");
	int			row_rank = row_confidentiality(question);
	TwpCategorySet restricted = 0;
	TwpMatch	match = {0, 0};

	if (!question->resource && sensitive >= 0)
		restricted = twp_vocab_category_covers(sensitive);
	for (int i = 0; i < 2; i++)
	{
		int			of = i == 0 ? row_rank : Max(row_rank, TWP_CONFIDENTIALITY_RESTRICTED);

		if (effect == TWP_DECISION_PERMIT ? of <= rank : of >= rank)
			match.sure |= i == 0 ? ~restricted : restricted;
	}
	match.may = match.sure;
	return match;
}

/* Matches a sensitivity label: by the row's own labels, or by category. */
static TwpMatch
match_sensitivity(const char *label, const TwpRuleQuestion *question)
{
	TwpMatch	match = {0, 0};
	TwpCategorySet required;

	if (knows(question, TWP_FACT_LABELS))
		for (int i = 0; i < question->row->nlabels; i++)
			if (twp_label_covers(label, question->row->labels[i]))
				match.sure = EVERY_CATEGORY;
	if (!question->resource && twp_vocab_label(label, &required))
	{
		for (int category = 0; category < TWP_MAX_CATEGORIES; category++)
			if ((required & TWP_CATEGORY_BIT(category)) != 0)
				match.may |= twp_vocab_category_covers(category);
		/* A label that maps to several categories is narrower than each of them. */
		if ((required & (required - 1)) == 0)
			match.sure |= match.may;
	}
	match.may |= match.sure;
	return match;
}

/* Narrows by security labels. */
static void
narrow_labels(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	TwpMatch	any = {0, 0};

	if (rule->labels.n == 0)
		return;
	for (int i = 0; i < rule->labels.n; i++)
	{
		int			rank = twp_label_confidentiality(rule->labels.item[i]);
		TwpMatch	one = rank >= 0 ? match_confidentiality(rule->effect, rank, question)
			: match_sensitivity(rule->labels.item[i], question);

		any.sure |= one.sure;
		any.may |= one.may;
	}
	narrow(match, any.sure, any.may);
}

/* Matches one data reference by what the row tells of itself. */
static void
match_reference(const TwpDataCondition *data, const TwpRuleQuestion *question, bool *sure, bool *may)
{
	const TwpRowFacts *row = question->row;

	if (data->meaning == TWP_DATA_AUTHOREDBY)
	{
		if (!knows(question, TWP_FACT_AUTHORS))
			*may = true;
		else
			for (int i = 0; i < row->nauthors; i++)
				*sure |= same_reference(data->reference, row->authors[i]);
		return;
	}
	if (!knows(question, TWP_FACT_REFERENCE))
		*may = true;
	else if (row->reference != NULL && same_reference(data->reference, row->reference))
		*sure = true;
	if (data->meaning == TWP_DATA_INSTANCE)
		return;
	/* Of what a row refers to or is referred to by, its encounter is what it can tell. */
	if (!knows(question, TWP_FACT_ENCOUNTER))
		*may = true;
	else if (row->encounter != NULL && same_reference(data->reference, row->encounter))
		*sure = true;
}

/* Narrows by data references. */
static void
narrow_references(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	bool		sure = false;
	bool		may = false;

	if (rule->ndata == 0)
		return;
	for (int i = 0; i < rule->ndata; i++)
		match_reference(&rule->data[i], question, &sure, &may);
	narrow_all(match, sure, sure || may);
}

/* Narrows by the clinical date: surely met when all of it lies within the period. */
static void
narrow_data_period(TwpMatch *match, const TwpRule *rule, const TwpRuleQuestion *question)
{
	const TwpRowFacts *row = question->row;

	if (rule->data_from == DT_NOBEGIN && rule->data_until == DT_NOEND)
		return;
	if (!knows(question, TWP_FACT_DATE))
		narrow_all(match, false, true);
	else
		narrow_all(match, row->date_from >= rule->data_from && row->date_until <= rule->data_until,
				   row->date_from < rule->data_until && row->date_until > rule->data_from);
}

/* Matches the conditions on the data itself. */
TwpMatch
twp_match_data(const TwpRule *rule, const TwpRuleQuestion *question)
{
	TwpMatch	match = {EVERY_CATEGORY, EVERY_CATEGORY};

	narrow_labels(&match, rule, question);
	narrow_references(&match, rule, question);
	narrow_data_period(&match, rule, question);
	return match;
}

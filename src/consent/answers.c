/*
 * answers.c - how the outcomes of several directives become one.
 *
 * Pure functions on sets of possible answers.  The combination of two sets
 * holds every answer that some pair of members gives, so an answer that is
 * alone in a set is sure.
 */
#include "postgres.h"

#include "consent/consent_internal.h"
#include "utils/timestamp.h"

/* Starts with: no directive, no answer. */
void
twp_answers_init(TwpAnswers *total)
{
	total->permit = total->deny = 0;
	total->none = ~UINT64CONST(0);
	total->until = DT_NOEND;
}

/* Adds the outcome of one more directive, given later than those before it. */
void
twp_answers_add(TwpAnswers *total, const TwpAnswers *next, TwpCombining combining)
{
	TwpAnswers	old = *total;

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
twp_directive_limit(const TwpDirective *directive, TimestampTz now, TwpAnswers *outcome)
{
	if (directive->withdrawn || now < directive->valid_from || now >= directive->valid_until)
	{
		twp_answers_init(outcome);
		if (!directive->withdrawn && now < directive->valid_from)
			outcome->until = directive->valid_from;
	}
	else
		outcome->until = Min(outcome->until, directive->valid_until);
}

/* Gives the one answer an outcome has for a category; what is not sure counts against the asker. */
TwpDecision
twp_answers_decision(const TwpAnswers *outcome, int category)
{
	TwpCategorySet bit = TWP_CATEGORY_BIT(category);

	if ((outcome->deny & bit) != 0)
		return TWP_DECISION_DENY;
	if ((outcome->none & bit) != 0)
		return TWP_DECISION_NONE;
	return TWP_DECISION_PERMIT;
}

/* Gives the one answer for a category and everything it is derived from. */
TwpDecision
twp_answers_decision_with_inputs(const TwpAnswers *outcome, int category)
{
	TwpCategorySet inputs = twp_vocab_category_inputs(category);
	TwpDecision total = twp_answers_decision(outcome, category);

	for (int n = 0; n < TWP_MAX_CATEGORIES && total != TWP_DECISION_DENY; n++)
	{
		TwpDecision input = (inputs & TWP_CATEGORY_BIT(n)) == 0 ? TWP_DECISION_PERMIT :
			twp_answers_decision(outcome, n);

		if (input != TWP_DECISION_PERMIT)
			total = input;
	}
	return total;
}

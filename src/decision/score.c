/*
 * score.c - what scores a person, and whom it is withheld from.
 *
 * The rule, closed: under a use whose recipient insures or employs people
 * (label_recipient), no row and no cell is given, in the identified or the
 * pseudonymised form or in aggregates of fewer people than the usual cohort,
 * that is derived data: of the categories twin_parameter, twin_state,
 * simulation and prediction and all below them, by its table, its column or
 * its row's labels; of a category that is declared to be derived; or of a table
 * with provenance.  The purpose does not matter, nor by which command it is
 * read.  Two officers may except a table, for one use, until a day.
 *
 * Raw data (a bill's procedures) and other aggregates are not touched by it.
 */
#include "postgres.h"

#include "decision/decision.h"
#include "utils/timestamp.h"

/* A figure of fewer people says too much of each: the default of min_cohort. */
#define USUAL_COHORT 11

/* True where the use gives data of single persons, or of few. */
static bool
gives_persons(const TwpUse *use)
{
	return use->form == TWP_FORM_IDENTIFIED || use->form == TWP_FORM_PSEUDONYMISED ||
		(use->form == TWP_FORM_AGGREGATE && use->min_cohort < USUAL_COHORT);
}

/* Categories of derived data. */
TwpCategorySet
twp_decision_scores(void)
{
	static const char *const codes[] = {"twin_parameter", "twin_state", "simulation", "prediction"};
	TwpCategorySet scores = 0;

	for (int i = 0; i < lengthof(codes); i++)
	{
		int			category = twp_vocab_category(codes[i]);

		if (category >= 0)
			scores |= twp_vocab_category_covers(category);
	}
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if (twp_vocab_category_inputs(n) != 0)
			scores |= TWP_CATEGORY_BIT(n);
	return scores;
}

/* Categories the use gives nothing of in a table, because it would score persons. */
TwpCategorySet
twp_decision_withheld(const TwpUse *use, const TwpProtection *p)
{
	if (!use->may_score || !gives_persons(use) ||
		(p != NULL && twp_uses_is_excepted(use, p->relid, GetCurrentTimestamp())))
		return 0;
	return p != NULL && p->nprovenance > 0 ? ~UINT64CONST(0) : twp_decision_scores();
}

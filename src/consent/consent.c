/*
 * consent.c - the room's start, and single decisions.
 *
 * A single decision reads the subject's directives anew each time; it serves
 * officers' questions and break-glass, not rows.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/map_internal.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

int			twp_consent_combining = TWP_COMBINE_DENY_OVERRIDES;

static const struct config_enum_entry combining_options[] = {
	{"deny_overrides", TWP_COMBINE_DENY_OVERRIDES, false},
	{"latest", TWP_COMBINE_LATEST, false},
	{NULL, 0, false}
};

/* Drops remembered answers that were combined the other way. */
static void
assign_combining(int newval, void *extra)
{
	if (newval != twp_consent_combining)
		twp_consent_count_change();
}

/* Starts the room: its setting and its ear for changes. */
void
twp_consent_init(void)
{
	DefineCustomEnumVariable("twin_privacy.consent_combining",
							 "How several directives of one person become one decision.",
							 "deny_overrides: any deny in force wins; latest: the one given last wins.",
							 &twp_consent_combining,
							 TWP_COMBINE_DENY_OVERRIDES,
							 combining_options,
							 PGC_SUSET,
							 GUC_NOT_WHILE_SEC_REST,
							 NULL, assign_combining, NULL);
	twp_consent_cache_init();
	twp_map_init();
}

/* Combines what a subject's directives of a revision say. */
static void
combine_then(const char *subject, const char *purpose, const char *recipient, TimestampTz at,
			 uint64 revision, TwpAnswers *total)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpRuleQuestion question = {purpose, recipient, at, NULL, false};
	TwpDirective *directives;
	int			n = twp_store_directives(subject, snapshot, &directives);

	twp_answers_init(total);
	for (int i = 0; i < n; i++)
	{
		TwpAnswers	outcome;

		if (directives[i].changed > revision)
			continue;
		if (directives[i].withdrawn_change > revision)
			directives[i].withdrawn = false;
		twp_rule_ask(twp_store_rule(directives[i].terms_id, snapshot), &question, &outcome);
		twp_directive_limit(&directives[i], at, &outcome);
		twp_answers_add(total, &outcome, twp_consent_combining);
	}
	UnregisterSnapshot(snapshot);
}

/* Decides for one subject and category, and all that the category is derived from, from the directives of a revision. */
TwpDecision
twp_consent_decide_then(const char *subject, const char *purpose, int category,
						const char *recipient, TimestampTz at, uint64 revision)
{
	TwpAnswers	total;

	combine_then(subject, purpose, recipient, at, revision, &total);
	return twp_answers_decision_with_inputs(&total, category);
}

/* Decides for one subject and category, now. */
TwpDecision
twp_consent_decide(const char *subject, const char *purpose, int category,
				   const char *recipient, TimestampTz at)
{
	if (twp_vocab_purpose_prohibited(purpose, NULL))
		return TWP_DECISION_DENY;
	return twp_consent_decide_then(subject, purpose, category, recipient, at, PG_UINT64_MAX);
}

/* True when a decision closes a category to the question. */
static bool
closes(const TwpLensQuestion *question, TwpDecision decision)
{
	if (decision == TWP_DECISION_DENY && question->overrides_deny)
		decision = TWP_DECISION_NONE;
	return decision == TWP_DECISION_DENY || (decision == TWP_DECISION_NONE && !question->none_permits);
}

/* Finds which category closes one to the question: itself, or the first of those it is derived from. */
int
twp_consent_closed_by(const char *subject, const TwpLensQuestion *question, int category, TimestampTz at)
{
	TwpCategorySet inputs = twp_vocab_category_inputs(category);
	TwpAnswers	total;

	combine_then(subject, question->purpose, question->recipient, at, PG_UINT64_MAX, &total);
	if (closes(question, twp_answers_decision(&total, category)))
		return category;
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if ((inputs & TWP_CATEGORY_BIT(n)) != 0 && closes(question, twp_answers_decision(&total, n)))
			return n;
	return -1;
}

/* True when a deny in force names the purpose itself. */
bool
twp_consent_denies_by_name(const char *subject, const char *purpose, TimestampTz at)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpDirective *directives;
	int			n = twp_store_directives(subject, snapshot, &directives);
	bool		denies = false;

	for (int i = 0; i < n && !denies; i++)
		if (!directives[i].withdrawn && at >= directives[i].valid_from && at < directives[i].valid_until)
			denies = twp_rule_denies_by_name(twp_store_rule(directives[i].terms_id, snapshot), purpose);
	UnregisterSnapshot(snapshot);
	return denies;
}

/* Gives the revision of the consent base, remembered until something changes. */
uint64
twp_consent_revision(void)
{
	static uint64 revision = 0;
	static uint64 seen = 0;
	uint64		changes = twp_consent_changes();

	if (seen != changes)
	{
		revision = twp_store_latest_change();
		seen = changes;
	}
	return revision;
}

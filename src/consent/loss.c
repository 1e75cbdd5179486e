/*
 * loss.c - which of a subject's directives have taken something back.
 *
 * Glossary.  Loss: categories that are not permitted to a purpose now, and the
 * directive that is why: a permit that was withdrawn, or a deny in force.
 * Nothing is said of the past: whoever permits again has lost nothing, and a
 * permit that came to its end as agreed is no loss.  Of one that was withdrawn,
 * given again and withdrawn again, the last is the cause.
 *
 * Contract: the directives are read under a fresh snapshot.  A condition that
 * only a row can meet counts as met where it closes.  Memory: the caller's.
 */
#include "postgres.h"

#include "consent/consent_internal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Who is not named by any directive is told apart by those for anyone. */
#define NOBODY_NAMED ""

/* A subject's directives, read. */
typedef struct History
{
	TwpDirective *directives;
	TwpRule   **rules;
	int			n;
	TimestampTz now;
} History;

/* Adds strings to a list, each once. */
static List *
add_strings(List *list, const TwpStrings *strings)
{
	for (int i = 0; i < strings->n; i++)
	{
		ListCell   *lc;

		foreach(lc, list)
			if (strcmp(lfirst(lc), strings->item[i]) == 0)
				break;
		if (lc == NULL)
			list = lappend(list, strings->item[i]);
	}
	return list;
}

/* Collects the purposes and recipients that a rule and those below it name. */
static void
collect_names(const TwpRule *rule, List **purposes, List **recipients)
{
	*purposes = add_strings(*purposes, &rule->purposes);
	*recipients = add_strings(*recipients, &rule->recipients);
	for (int i = 0; i < rule->nrules; i++)
		collect_names(rule->rules[i], purposes, recipients);
}

/* Reads a subject's directives and their rules. */
static History
read_history(const char *subject)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	History		history = {.now = GetCurrentTimestamp()};

	history.n = twp_store_directives(subject, snapshot, &history.directives);
	history.rules = palloc(sizeof(TwpRule *) * Max(history.n, 1));
	for (int i = 0; i < history.n; i++)
		history.rules[i] = twp_store_rule(history.directives[i].terms_id, snapshot);
	UnregisterSnapshot(snapshot);
	return history;
}

/* Categories that are not surely open to the question. */
static TwpCategorySet
closed_to(const History *history, const TwpLensQuestion *question)
{
	TwpRuleQuestion asked = {question->purpose, question->recipient, history->now, NULL, false};
	TwpAnswers	total;
	TwpCategorySet closed;

	twp_answers_init(&total);
	for (int i = 0; i < history->n; i++)
	{
		TwpAnswers	outcome;

		twp_rule_ask(history->rules[i], &asked, &outcome);
		twp_directive_limit(&history->directives[i], history->now, &outcome);
		twp_answers_add(&total, &outcome, twp_consent_combining);
	}
	closed = question->overrides_deny ? 0 : total.deny;
	if (!question->none_permits)
		closed |= total.none | total.deny;
	return closed;
}

/* What a directive says to the question against what is closed: permitted until withdrawn, or denied. */
static TwpCategorySet
taken_back(const History *history, int i, const TwpLensQuestion *question)
{
	const TwpDirective *directive = &history->directives[i];
	TwpRuleQuestion asked = {question->purpose, question->recipient, history->now, NULL, false};
	TwpAnswers	outcome;

	if (directive->withdrawn)
	{
		/* as it was just before, if it held then or had held */
		if (directive->withdrawn_at <= directive->valid_from)
			return 0;
		asked.now = Min(directive->withdrawn_at, directive->valid_until) - 1;
	}
	else if (history->now < directive->valid_from || history->now >= directive->valid_until)
		return 0;
	twp_rule_ask(history->rules[i], &asked, &outcome);
	return directive->withdrawn ? outcome.permit : outcome.deny;
}

/* What of a withdrawn permit was permitted again after, by one that was then withdrawn, too; taken: by each directive. */
static TwpCategorySet
given_again(const History *history, int i, const TwpCategorySet *taken)
{
	const TwpDirective *directive = &history->directives[i];
	TwpCategorySet again = 0;

	for (int j = 0; directive->withdrawn && j < history->n; j++)
		if (history->directives[j].withdrawn && history->directives[j].consent_id > directive->consent_id &&
			history->directives[j].recorded_at >= directive->withdrawn_at)
			again |= taken[j];
	return again;
}

/* Adds to each directive's losses what it took back from one question. */
static void
add_taken(const History *history, const TwpLensQuestion *question, TwpCategorySet *lost)
{
	TwpCategorySet closed = closed_to(history, question) & twp_vocab_all_categories();
	TwpCategorySet *taken;

	if (closed == 0)
		return;
	taken = palloc(sizeof(TwpCategorySet) * history->n);
	for (int i = 0; i < history->n; i++)
		taken[i] = taken_back(history, i, question) & closed;
	for (int i = 0; i < history->n; i++)
		if (taken[i] != 0)
			lost[i] |= taken[i] & ~given_again(history, i, taken);
	pfree(taken);
}

/* Adds to a set all that is derived from its members. */
static TwpCategorySet
with_derived(TwpCategorySet set)
{
	TwpCategorySet all = set;

	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if ((twp_vocab_category_inputs(n) & set) != 0)
			all |= TWP_CATEGORY_BIT(n);
	return all;
}

/* Adds what each directive took back from a purpose, over its recipients. */
static List *
add_losses(List *losses, const History *history, const TwpLensQuestion *questions, int n)
{
	TwpCategorySet *lost = palloc0(sizeof(TwpCategorySet) * Max(history->n, 1));

	for (int q = 0; q < n; q++)
		add_taken(history, &questions[q], lost);
	for (int i = 0; i < history->n; i++)
	{
		TwpLoss    *loss;

		if (lost[i] == 0)
			continue;
		loss = palloc(sizeof(TwpLoss));
		loss->cause = history->directives[i].consent_id;
		loss->since = history->directives[i].withdrawn ? history->directives[i].withdrawn_at :
			history->directives[i].recorded_at;
		loss->purpose = questions[0].purpose;
		loss->lost = with_derived(lost[i]);
		losses = lappend(losses, loss);
	}
	return losses;
}

/* Finds a subject's losses. */
List *
twp_consent_losses(const char *subject, const TwpLensQuestion *only)
{
	History		history = read_history(subject);
	List	   *purposes = NIL;
	List	   *recipients = list_make1(NOBODY_NAMED);
	List	   *losses = NIL;
	TwpLensQuestion *questions;
	ListCell   *lc;

	if (only != NULL)
		return add_losses(NIL, &history, only, 1);
	for (int i = 0; i < history.n; i++)
		collect_names(history.rules[i], &purposes, &recipients);
	/* where no purpose is named, all are answered alike */
	if (purposes == NIL)
		purposes = list_make1("TREAT");
	questions = palloc0(sizeof(TwpLensQuestion) * list_length(recipients));
	foreach(lc, purposes)
	{
		for (int r = 0; r < list_length(recipients); r++)
		{
			questions[r].purpose = lfirst(lc);
			questions[r].recipient = list_nth(recipients, r);
		}
		losses = add_losses(losses, &history, questions, list_length(recipients));
	}
	return losses;
}

/* Adds a subject to the list. */
static bool
add_subject(char *subject, void *arg)
{
	List	  **subjects = arg;

	*subjects = lappend(*subjects, subject);
	return true;
}

/* Orders subjects by their text. */
static int
compare_subjects(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Lists the subjects of whom something was withdrawn or is denied, each once. */
List *
twp_consent_losers(void)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	List	   *all = NIL;
	List	   *subjects = NIL;
	ListCell   *lc;

	twp_store_visit_losers(snapshot, add_subject, &all);
	UnregisterSnapshot(snapshot);
	list_sort(all, compare_subjects);
	foreach(lc, all)
		if (subjects == NIL || strcmp(llast(subjects), lfirst(lc)) != 0)
			subjects = lappend(subjects, lfirst(lc));
	return subjects;
}

/* Says whether what happened may be a loss: a withdrawal, or terms that deny. */
bool
twp_consent_is_loss(const TwpEvent *event)
{
	if (strcmp(event->kind, "consent.withdraw") == 0)
		return true;
	return strncmp(event->kind, "consent.", strlen("consent.")) == 0 && event->detail != NULL &&
		strstr(event->detail, "\"deny\"") != NULL;
}

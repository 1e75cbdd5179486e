/*
 * explain.c - decide, explain_decision and consent_summary.
 *
 * Contract: for the four roles only; the subject's directives are read under
 * a fresh snapshot each time.  Nothing is written or remembered.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "consent/consent_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(twp_consent_decide_sql);
PG_FUNCTION_INFO_V1(twp_consent_explain_sql);
PG_FUNCTION_INFO_V1(twp_consent_summary_sql);

TWP_EXPORT Datum twp_consent_decide_sql(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_explain_sql(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_summary_sql(PG_FUNCTION_ARGS);

#define READERS \
	(TWP_ROLES(TWP_ROLE_REGISTRAR) | TWP_ROLES(TWP_ROLE_OFFICER) | \
	 TWP_ROLES(TWP_ROLE_AUDITOR) | TWP_ROLES(TWP_ROLE_ADMIN))

/* Columns of explain_decision. */
#define EXPLAIN_COLUMNS 4

/* A question as the SQL functions take it. */
typedef struct Asked
{
	char	   *subject;
	char	   *purpose;
	char	   *category_code;
	int			category;
	char	   *recipient;
	TimestampTz at;
} Asked;

static const char *const decision_names[] = {
	[TWP_DECISION_NONE] = "none",
	[TWP_DECISION_PERMIT] = "permit",
	[TWP_DECISION_DENY] = "deny",
};

/* Checks the caller and reads the five arguments. */
static Asked
read_question(FunctionCallInfo fcinfo)
{
	Asked		asked;

	twp_role_require(READERS, "ask for a decision on consent");
	TWP_REQUIRE_ARG(0, "subject");
	TWP_REQUIRE_ARG(1, "purpose");
	TWP_REQUIRE_ARG(2, "category");
	TWP_REQUIRE_ARG(3, "recipient");
	TWP_REQUIRE_ARG(4, "at");
	asked.subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	asked.purpose = text_to_cstring(PG_GETARG_TEXT_PP(1));
	asked.category_code = text_to_cstring(PG_GETARG_TEXT_PP(2));
	asked.recipient = text_to_cstring(PG_GETARG_TEXT_PP(3));
	asked.at = PG_GETARG_TIMESTAMPTZ(4);
	twp_protect_check_subject_text(asked.subject);
	twp_vocab_require_purpose(asked.purpose);
	asked.category = twp_vocab_require_category(asked.category_code);
	return asked;
}

/* decide(subject, purpose, category, recipient, at) gives the decision. */
Datum
twp_consent_decide_sql(PG_FUNCTION_ARGS)
{
	Asked		asked = read_question(fcinfo);
	TwpDecision decision = twp_consent_decide(asked.subject, asked.purpose, asked.category,
											  asked.recipient, asked.at);

	PG_RETURN_TEXT_P(cstring_to_text(decision_names[decision]));
}

/* Says why a directive in force answers as it does. */
static char *
explain_terms(const TwpRule *rule, const Asked *asked, TwpDecision decision)
{
	const char *mismatch = twp_rule_mismatch(rule, asked->purpose, asked->category, asked->recipient);

	if (decision == TWP_DECISION_NONE)
		return psprintf("does not apply: %s", mismatch == NULL ? "its provisions ask for more than is known" : mismatch);
	return psprintf("applies to %s, %s and %s", asked->purpose, asked->category_code, asked->recipient);
}

/* Says what one directive answers, and why. */
static TwpDecision
explain_directive(const TwpDirective *directive, const Asked *asked, Snapshot snapshot, char **reason)
{
	TwpRuleQuestion question = {asked->purpose, asked->recipient, asked->at, NULL, false};
	TwpRule    *rule = twp_store_rule(directive->terms_id, snapshot);
	TwpAnswers	outcome;
	TwpDecision decision;

	*reason = NULL;
	if (directive->withdrawn)
		*reason = "withdrawn";
	else if (asked->at < directive->valid_from)
		*reason = "its validity has not begun";
	else if (asked->at >= directive->valid_until)
		*reason = "its validity has ended";
	if (*reason != NULL)
		return TWP_DECISION_NONE;
	twp_rule_ask(rule, &question, &outcome);
	decision = twp_answers_decision(&outcome, asked->category);
	*reason = explain_terms(rule, asked, decision);
	return decision;
}

/* Puts one row of explain_decision. */
static void
put_row(ReturnSetInfo *result, const int64 *consent_id, TwpDecision decision, bool decisive,
		const char *reason)
{
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {consent_id == NULL};

	values[0] = consent_id == NULL ? (Datum) 0 : Int64GetDatum(*consent_id);
	values[1] = CStringGetTextDatum(decision_names[decision]);
	values[2] = BoolGetDatum(decisive);
	values[3] = CStringGetTextDatum(reason);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What the subject's directives say of one category. */
typedef struct Explained
{
	TwpDirective *directives;
	int			n;
	TwpDecision *decisions;
	char	  **reasons;
	TwpDecision total;
	int			last;			/* the last directive that applies, or -1 */
} Explained;

/* Finds which directives decided: those that say so, or the last of them. */
static void
find_decisive(Explained *e)
{
	e->total = TWP_DECISION_NONE;
	e->last = -1;
	for (int i = 0; i < e->n; i++)
	{
		if (e->decisions[i] == TWP_DECISION_NONE)
			continue;
		e->last = i;
		if (twp_consent_combining == TWP_COMBINE_LATEST || e->total != TWP_DECISION_DENY)
			e->total = e->decisions[i];
	}
}

/* Asks each of the subject's directives about one category. */
static void
explain_category(const Asked *asked, Explained *e)
{
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());

	e->n = twp_store_directives(asked->subject, snapshot, &e->directives);
	e->decisions = palloc(Max(e->n, 1) * sizeof(TwpDecision));
	e->reasons = palloc(Max(e->n, 1) * sizeof(char *));
	for (int i = 0; i < e->n; i++)
		e->decisions[i] = explain_directive(&e->directives[i], asked, snapshot, &e->reasons[i]);
	UnregisterSnapshot(snapshot);
	find_decisive(e);
}

/* True for a directive that, with others alike, decided its category. */
static bool
is_decisive(const Explained *e, int i)
{
	return e->decisions[i] != TWP_DECISION_NONE && e->decisions[i] == e->total &&
		(twp_consent_combining == TWP_COMBINE_DENY_OVERRIDES || i == e->last);
}

/* Puts what decided against an input of the category, where that is the whole decision. */
static void
put_input(ReturnSetInfo *result, const Asked *asked, int input, TwpDecision decision)
{
	Asked		about = *asked;
	Explained	e;
	char	   *prefix;

	about.category = input;
	about.category_code = pstrdup(twp_vocab_category_code(input));
	explain_category(&about, &e);
	if (e.total != decision)
		return;
	prefix = psprintf("\"%s\" is derived from \"%s\": ", asked->category_code, about.category_code);
	if (e.last < 0)
		put_row(result, NULL, TWP_DECISION_NONE, true,
				psprintf("%sno directive in force applies", prefix));
	for (int i = 0; i < e.n; i++)
		if (is_decisive(&e, i))
			put_row(result, &e.directives[i].consent_id, e.decisions[i], true,
					psprintf("%s%s", prefix, e.reasons[i]));
}

/* Puts a row for each directive about the category itself. */
static void
put_directives(ReturnSetInfo *result, const Explained *e, const char *overruled)
{
	for (int i = 0; i < e->n; i++)
	{
		bool		decisive = overruled == NULL && is_decisive(e, i);
		const char *why = e->reasons[i];

		if (e->decisions[i] != TWP_DECISION_NONE && !decisive)
			why = psprintf("%s, but %s", why, overruled != NULL ? overruled :
						   twp_consent_combining == TWP_COMBINE_LATEST ? "a later directive decides" :
						   "a deny overrides it");
		put_row(result, &e->directives[i].consent_id, e->decisions[i], decisive, why);
	}
}

/* explain_decision(...) gives a row for each directive of the subject, and for what closes an input. */
Datum
twp_consent_explain_sql(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Asked		asked = read_question(fcinfo);
	TwpCategorySet inputs = twp_vocab_category_inputs(asked.category);
	const char *prohibition;
	const char *overruled = NULL;
	TwpDecision total;
	Explained	e;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	explain_category(&asked, &e);
	total = twp_consent_decide(asked.subject, asked.purpose, asked.category, asked.recipient, asked.at);
	if (twp_vocab_purpose_prohibited(asked.purpose, &prohibition))
	{
		inputs = 0;
		overruled = "the purpose is prohibited";
		put_row(result, NULL, TWP_DECISION_DENY, true,
				psprintf("purpose %s is prohibited: %s", asked.purpose, prohibition));
	}
	else if (total != e.total)
		overruled = "what the category is derived from is not permitted";
	else if (e.last < 0)
		put_row(result, NULL, TWP_DECISION_NONE, true, "no directive in force applies");
	for (int n = 0; n < TWP_MAX_CATEGORIES && total != TWP_DECISION_PERMIT; n++)
		if ((inputs & TWP_CATEGORY_BIT(n)) != 0)
			put_input(result, &asked, n, total);
	put_directives(result, &e, overruled);
	return (Datum) 0;
}

/* Gives the display text of a purpose or category, or its code. */
static char *
display_of(const char *table, const char *code)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(code)};
	char	   *sql = psprintf("SELECT display FROM twin_privacy_internal.%s"
							   " WHERE code OPERATOR(pg_catalog.=) $1", table);

	twp_sql_exec(sql, 1, types, values, NULL);
	return SPI_processed == 1 ? twp_sql_text(0, 1) : pstrdup(code);
}

/* Appends a list in words: "a; b and c". */
static void
append_list(StringInfo words, char **items, int n)
{
	for (int i = 0; i < n; i++)
		appendStringInfo(words, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : "; ", items[i]);
}

/* Appends a moment: the date alone when it is a midnight. */
static void
append_moment(StringInfo words, TimestampTz moment)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(moment, &tz, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	appendStringInfo(words, "%04d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	if (tm.tm_hour != 0 || tm.tm_min != 0 || tm.tm_sec != 0)
		appendStringInfo(words, " %02d:%02d", tm.tm_hour, tm.tm_min);
}

/* Appends when a directive holds. */
static void
append_period(StringInfo words, const TwpDirective *directive)
{
	if (!TIMESTAMP_NOT_FINITE(directive->valid_from))
	{
		appendStringInfoString(words, ", from ");
		append_moment(words, directive->valid_from);
	}
	if (TIMESTAMP_NOT_FINITE(directive->valid_until))
		appendStringInfoString(words, ", until further notice");
	else
	{
		appendStringInfoString(words, ", until ");
		append_moment(words, directive->valid_until);
	}
}

/* Appends one directive as a sentence. */
static void
append_directive(StringInfo words, const TwpDirective *directive, const TwpRule *rule)
{
	char	  **names = palloc(Max(Max(rule->category_codes.n, rule->purposes.n), 1) * sizeof(char *));

	appendStringInfo(words, "Consent " INT64_FORMAT " %s ", directive->consent_id,
					 rule->effect == TWP_DECISION_PERMIT ? "permits" : "refuses");
	if (rule->all_categories)
		appendStringInfoString(words, "the use of all data");
	else
	{
		for (int i = 0; i < rule->category_codes.n; i++)
			names[i] = display_of("category", rule->category_codes.item[i]);
		appendStringInfoString(words, "the use of ");
		append_list(words, names, rule->category_codes.n);
	}
	appendStringInfoString(words, " for ");
	if (rule->purposes.n == 0)
		appendStringInfoString(words, "any purpose");
	for (int i = 0; i < rule->purposes.n; i++)
		names[i] = display_of("purpose", rule->purposes.item[i]);
	append_list(words, names, rule->purposes.n);
	appendStringInfoString(words, " by ");
	if (rule->recipients.n == 0)
		appendStringInfoString(words, "anyone");
	append_list(words, rule->recipients.item, rule->recipients.n);
	append_period(words, directive);
	appendStringInfoChar(words, '.');
}

/* consent_summary(subject) says in plain words what is in force or to come. */
Datum
twp_consent_summary_sql(PG_FUNCTION_ARGS)
{
	StringInfoData words;
	Snapshot	snapshot;
	TwpDirective *directives;
	TimestampTz now = GetCurrentTimestamp();
	char	   *subject;
	text	   *result;
	int			n;

	twp_role_require(READERS, "read a consent summary");
	TWP_REQUIRE_ARG(0, "subject");
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_protect_check_subject_text(subject);
	initStringInfo(&words);

	twp_sql_connect();
	snapshot = RegisterSnapshot(twp_consent_snapshot());
	n = twp_store_directives(subject, snapshot, &directives);
	for (int i = 0; i < n; i++)
	{
		if (directives[i].withdrawn || directives[i].valid_until <= now)
			continue;
		if (words.len > 0)
			appendStringInfoChar(&words, '\n');
		append_directive(&words, &directives[i], twp_store_rule(directives[i].terms_id, snapshot));
	}
	UnregisterSnapshot(snapshot);
	twp_sql_finish();
	if (words.len == 0)
		appendStringInfoString(&words, "No consent is in force or to come: nothing may be used that needs one.");
	result = cstring_to_text_with_len(words.data, words.len);
	PG_RETURN_TEXT_P(result);
}

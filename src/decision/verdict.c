/*
 * verdict.c - the decision in force and the verdicts derived from it.
 *
 * One decision is in force at a time: the statement's that began last.  An
 * outer statement that goes on after a nested one finds the epoch changed and
 * begins again, under its own stamp or not at all.  Memory: one context,
 * reset when the binding or any protection changes.
 */
#include "postgres.h"

#include "base/errors.h"
#include "breakglass/breakglass.h"
#include "common/hashfn.h"
#include "consent/consent.h"
#include "decision/decision.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct VerdictEntry
{
	Oid			relid;			/* hash key */
	TwpTableVerdict *verdict;
} VerdictEntry;

typedef struct Decision
{
	bool		valid;
	uint64		stamp;
	uint64		uses_epoch;		/* twp_uses_epoch() when begun */
	TimestampTz excepted_until; /* first end of an exception from the rules against scoring */
	uint64		generation;		/* twp_protect_generation() the verdicts rest on */
	TwpUse		use;			/* strings in the context */
	TwpLens    *lens;
	TwpLens    *explicit_lens;	/* the same, of permits only; made when first asked */
	uint64		explicit_epoch;
	TimestampTz now;
	TwpSubject	emergency_subject;
	bool		emergency;
	MemoryContext context;
	HTAB	   *verdicts;
} Decision;

static Decision decision;
static uint64 epoch = 1;

/* Empties everything derived from an earlier binding or protection. */
static void
reset_context(const TwpUse *use)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(VerdictEntry)};

	if (decision.context == NULL)
		decision.context = AllocSetContextCreate(TopMemoryContext, "twin_privacy decision",
												 ALLOCSET_SMALL_SIZES);
	decision.verdicts = NULL;
	MemoryContextReset(decision.context);
	decision.use = *use;
	decision.use.code = MemoryContextStrdup(decision.context, use->code);
	decision.use.purpose = MemoryContextStrdup(decision.context, use->purpose);
	decision.use.recipient = MemoryContextStrdup(decision.context, use->recipient);
	ctl.hcxt = decision.context;
	decision.verdicts = hash_create("twin_privacy verdicts", 32, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The stamp of a use, or of an emergency (0: none) under it, and of what is excepted for it; *until that ends. */
uint64
twp_decision_stamp_of(const TwpUse *use, int64 emergency, TimestampTz now, TimestampTz *until)
{
	uint64		stamp = use->hash;
	uint64		excepted;

	*until = DT_NOEND;
	if (emergency != 0)
		stamp = hash_combine64(stamp, (uint64) emergency + 1);
	if (use->may_score && (excepted = twp_uses_exceptions_stamp(use, now, until)) != 0)
		stamp = hash_combine64(stamp, excepted);
	return stamp;
}

/* What the use in force asks of consents. */
static TwpLensQuestion
use_question(void)
{
	return (TwpLensQuestion) {
		.purpose = decision.use.purpose,
		.recipient = decision.use.recipient,
		.none_permits = decision.use.basis != TWP_BASIS_CONSENT,
		.overrides_deny = decision.use.overrides_deny,
	};
}

/* Begins a decision for a statement that is about to plan, run or fetch. */
void
twp_decision_begin(void)
{
	TimestampTz now = GetCurrentTimestamp();
	const TwpUse *use;
	const TwpEmergency *emergency;
	uint64		stamp;

	decision.valid = false;
	epoch++;
	AcceptInvalidationMessages();
	if (twp_uses_emergency() != NULL)
		twp_breakglass_check(twp_uses_emergency(), now);
	decision.uses_epoch = twp_uses_epoch();
	use = twp_uses_require(now);
	emergency = twp_uses_emergency();
	stamp = twp_decision_stamp_of(use, emergency != NULL ? emergency->event_id : 0, now, &decision.excepted_until);
	if (decision.verdicts == NULL || decision.stamp != stamp ||
		decision.generation != twp_protect_generation())
	{
		decision.generation = twp_protect_generation();
		reset_context(use);
		decision.stamp = stamp;
	}

	decision.now = now;
	decision.emergency = (emergency != NULL);
	if (emergency != NULL)
	{
		decision.emergency_subject.kind = TWP_SUBJECT_TEXT;
		decision.emergency_subject.key.text.data = emergency->subject_text;
		decision.emergency_subject.key.text.len = (int) strlen(emergency->subject_text);
	}
	else
	{
		TwpLensQuestion question = use_question();

		decision.lens = twp_consent_lens(&question);
		twp_consent_refresh(decision.lens, now);
	}
	decision.valid = true;
}

/* Says whether the decision in force is the one of this stamp, and still holds. */
bool
twp_decision_is_current(uint64 stamp)
{
	return decision.valid && decision.stamp == stamp && decision.uses_epoch == twp_uses_epoch();
}

/* Takes in what changed since the decision in force began, or begins one when none holds. */
void
twp_decision_refresh(void)
{
	AcceptInvalidationMessages();
	if (!twp_decision_is_current(decision.stamp))
		twp_decision_begin();
	else if (!decision.emergency)
	{
		decision.now = GetCurrentTimestamp();
		decision.explicit_epoch = 0;
		twp_consent_refresh(decision.lens, decision.now);
	}
}

/* Stamp of the decision in force. */
uint64
twp_decision_stamp(void)
{
	return decision.stamp;
}

/* Grows with each begin. */
uint64
twp_decision_epoch(void)
{
	return epoch;
}

/* The use decided under. */
const TwpUse *
twp_decision_use(void)
{
	Assert(decision.valid);
	return &decision.use;
}

/* Rules one column; the order of the tests decides what it is refused for. */
void
twp_decision_rule_column(const TwpUse *use, const TwpProtection *p, AttrNumber attno, TwpColumnVerdict *v)
{
	const TwpColumn *column = &p->columns[attno - 1];
	bool		pseudonymised = use->form == TWP_FORM_PSEUDONYMISED;
	TwpCategorySet bit = column->category >= 0 ? TWP_CATEGORY_BIT(column->category) : 0;

	v->needs = bit;
	v->mask = column->mask;
	if (attno == p->subject.start && p->subject.nhops == 0)
	{
		/* the row is visible, so its subject may be known: as such, or as the use's pseudonym */
		v->needs = TWP_CATEGORY_BIT(p->category);
		v->mask.kind = TWP_MASK_PSEUDONYM;
		v->rule = pseudonymised ? TWP_CELL_MASK : TWP_CELL_SHOW;
	}
	else if (!column->labelled && pseudonymised)
		v->rule = TWP_CELL_HIDE;
	else if ((bit & use->categories) == 0 ||
			 (use->may_score && ((bit | column->sources) & twp_decision_withheld(use, p)) != 0))
		v->rule = TWP_CELL_HIDE;
	else if (pseudonymised &&
			 (column->kind == TWP_KIND_IDENTIFIER || column->kind == TWP_KIND_QUASI))
		v->rule = column->mask.kind == TWP_MASK_NULL ? TWP_CELL_HIDE : TWP_CELL_MASK;
	else if ((column->sources & ~use->categories) != 0)
		v->rule = TWP_CELL_HIDE;
	else
	{
		v->needs |= column->sources;
		v->rule = v->needs == TWP_CATEGORY_BIT(p->category) ? TWP_CELL_SHOW : TWP_CELL_GATE;
	}
}

/* A column that the use does not simply show and its row's partition tells of, or 0. */
static AttrNumber
find_told_by_place(const TwpTableVerdict *v)
{
	Bitmapset  *places = twp_protect_place_columns(v->relid);
	AttrNumber	found = 0;
	int			attno = 0;

	/* rather one whose label says so than the subject, or one without a label */
	while ((attno = bms_next_member(places, attno)) > 0)
		if (attno <= v->natts && v->columns[attno - 1].rule != TWP_CELL_SHOW &&
			(found == 0 || (v->protection->columns[attno - 1].labelled && attno != v->protection->subject.start)))
			found = attno;
	return found;
}

/* Refuses tables and forms the use does not open. */
static void
check_table(const TwpProtection *p)
{
	if (p->broken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("protection of table \"%s\" does not resolve: %s", get_rel_name(p->relid), p->broken),
				 errhint("A twin_privacy_admin mends its label with twin_privacy.protect_table or label_column.")));
	if ((TWP_CATEGORY_BIT(p->category) & decision.use.categories) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" does not cover category \"%s\" of table \"%s\"", decision.use.code,
						twp_vocab_category_code(p->category), get_rel_name(p->relid)),
				 errhint("Bind a use that names the category, or ask a twin_privacy_officer for one.")));
}

/* Refuses tables of derived data to who would score persons by them. */
static void
check_scores(const TwpProtection *p)
{
	if ((TWP_CATEGORY_BIT(p->category) & twp_decision_withheld(&decision.use, p)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" gives \"%s\" no derived data of single persons, as table \"%s\" holds",
						decision.use.code, decision.use.recipient, get_rel_name(p->relid)),
				 errhint("Recipients that insure or employ people do not score them by their twins (EHDS art. 54). Use an aggregate form with the usual cohort; where the rule is wrong, two officers except the table with twin_privacy.propose_scoring_exception.")));
}

/* Finds or makes the verdict for a protected relation. */
const TwpTableVerdict *
twp_decision_table(Oid relid)
{
	const TwpProtection *p;
	VerdictEntry *entry;
	TwpTableVerdict *v;
	bool		found;

	if (!decision.valid)
		elog(ERROR, "no decision is in force");
	entry = hash_search(decision.verdicts, &relid, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->verdict;

	p = twp_protect_lookup(relid);
	if (p == NULL)
		elog(ERROR, "relation %u is not protected", relid);
	check_table(p);
	check_scores(p);
	v = MemoryContextAllocZero(decision.context, sizeof(TwpTableVerdict));
	v->relid = relid;
	v->protection = twp_protect_copy(p, decision.context);
	v->protection_hash = p->hash;
	v->needs = TWP_CATEGORY_BIT(p->category);
	v->withheld = twp_decision_withheld(&decision.use, p);
	v->natts = p->natts;
	v->columns = MemoryContextAllocZero(decision.context, sizeof(TwpColumnVerdict) * Max(p->natts, 1));
	for (AttrNumber attno = 1; attno <= p->natts; attno++)
		twp_decision_rule_column(&decision.use, v->protection, attno, &v->columns[attno - 1]);
	v->told_by_place = find_told_by_place(v);

	entry = hash_search(decision.verdicts, &relid, HASH_ENTER, &found);
	entry->verdict = v;
	return v;
}

/* The first end of a directive met since the begin, of the use, or of an exception it has; an emergency's end is news of uses. */
TimestampTz
twp_decision_horizon(void)
{
	TimestampTz horizon = Min(decision.use.valid_until, decision.excepted_until);

	if (decision.emergency)
		return twp_uses_emergency() != NULL ? horizon : DT_NOBEGIN;
	if (decision.explicit_epoch == epoch)
		horizon = Min(horizon, twp_consent_horizon(decision.explicit_lens));
	return Min(horizon, twp_consent_horizon(decision.lens));
}

/* True for the one subject of the emergency. */
static bool
is_emergency_subject(const TwpSubject *subject)
{
	char	   *text = twp_subject_to_text(subject);
	bool		same = strlen(text) == (size_t) decision.emergency_subject.key.text.len &&
		memcmp(text, decision.emergency_subject.key.text.data, strlen(text)) == 0;

	pfree(text);
	return same;
}

/* Categories the subject's directives (or the emergency) open, whatever the use names. */
TwpCategorySet
twp_decision_consented(const TwpSubject *subject)
{
	Assert(decision.valid);
	if (decision.emergency)
		return is_emergency_subject(subject) ? ~UINT64CONST(0) : 0;
	return twp_consent_open(decision.lens, subject);
}

/* Names what directives open, until one changes. */
uint64
twp_decision_consent_version(void)
{
	return decision.emergency ? 0 : twp_consent_version(decision.lens);
}

/* Categories open for one subject: consented (or the emergency's) and named by the use. */
TwpCategorySet
twp_decision_open(const TwpSubject *subject)
{
	return twp_decision_consented(subject) & decision.use.categories;
}

/* What the subject's own directives permit for the use's purpose and recipient, whatever the use's basis. */
static TwpCategorySet
permitted(const TwpSubject *subject)
{
	if (decision.explicit_epoch != epoch)
	{
		TwpLensQuestion question = {.purpose = decision.use.purpose,.recipient = decision.use.recipient};

		decision.explicit_lens = twp_consent_lens(&question);
		twp_consent_refresh(decision.explicit_lens, decision.now);
		decision.explicit_epoch = epoch;
	}
	return twp_consent_open(decision.explicit_lens, subject);
}

/* Says whether a row made for a purpose may be read under the use. */
bool
twp_decision_purpose_allows(const char *made_for, const TwpSubject *subject, TwpCategorySet needs)
{
	if (!twp_vocab_purpose_exists(made_for))
		return false;
	return twp_vocab_purpose_covers(made_for, decision.use.purpose) || (permitted(subject) & needs) == needs;
}

/* Which category closes one for the subject, for telling people. */
int
twp_decision_closed_by(const char *subject, int category)
{
	TwpLensQuestion question = use_question();

	return decision.emergency ? -1 : twp_consent_closed_by(subject, &question, category, GetCurrentTimestamp());
}

/* Categories open for each of many subjects. */
void
twp_decision_open_many(const TwpSubject *subjects, int n, TwpCategorySet needs, TwpCategorySet *open,
					   uint32 *tokens)
{
	Assert(decision.valid);
	if (decision.emergency)
	{
		for (int i = 0; i < n; i++)
		{
			open[i] = subjects[i].kind == TWP_SUBJECT_INVALID ? 0 : twp_decision_open(&subjects[i]);
			tokens[i] = TWP_NO_TOKEN;
		}
		return;
	}
	twp_consent_open_many(decision.lens, subjects, n, needs, open, tokens);
	for (int i = 0; i < n; i++)
		open[i] &= decision.use.categories;
}

/* Whether some consent of the subject asks something of the row. */
bool
twp_decision_asks_row(const TwpSubject *subject)
{
	return !decision.emergency && twp_consent_asks_row(decision.lens, subject);
}

/* Categories open for a row of the subject, of which facts are known. */
TwpCategorySet
twp_decision_open_row(const TwpSubject *subject, const TwpRowFacts *facts)
{
	if (decision.emergency)
		return twp_decision_open(subject);
	return twp_consent_open_row(decision.lens, subject, facts) & decision.use.categories;
}

/* What tokens stand for. */
TwpNumbering
twp_decision_tokens(void)
{
	return decision.emergency ? (TwpNumbering) {0} : twp_consent_tokens(decision.lens);
}

/* Estimates for the planner how many subjects the relation is open for. */
double
twp_decision_share(Oid relid)
{
	if (decision.emergency)
		return 0;
	return twp_consent_share(decision.lens, twp_decision_table(relid)->needs);
}

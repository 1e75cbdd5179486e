/*
 * lens.c - one question asked of many subjects, with answers remembered.
 *
 * Contract: answers are kept between twp_consent_refresh() calls as long as no
 * consent and no vocabulary changed, and each until the next moment at which a
 * period of validity begins or ends.  An answer is computed from what is in
 * the tables when it is asked for (a fresh snapshot); the counter of changes
 * is read before, so that a change arriving meanwhile drops it at the next
 * refresh.  Small statements probe the index subject by subject; one that
 * asks for many reads all directives once.
 *
 * Memory: a context under TopMemoryContext for each lens, emptied whenever its
 * answers are dropped.  Failure: an error leaves fewer answers, never wrong
 * ones.  Locks: see store.c.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "consent/consent_internal.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Probes before reading everything can pay; a probe costs about as much as eight rows of a full read. */
#define MIN_PROBES 1000
#define ROWS_PER_PROBE 8

/* What is remembered of one subject. */
typedef struct Answer
{
	TwpSubject	subject;
	TwpCategorySet open;
	TimestampTz until;
	uint32		hash;
	char		status;
} Answer;

#define SH_PREFIX answers
#define SH_ELEMENT_TYPE Answer
#define SH_KEY_TYPE TwpSubject
#define SH_KEY subject
#define SH_HASH_KEY(table, key) twp_subject_hash(&key)
#define SH_EQUAL(table, a, b) twp_subject_equal(&a, &b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, element) (element)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What terms say to the lens's question, whoever signed them. */
typedef struct TermsAnswer
{
	int64		terms_id;
	TwpOutcome	outcome;
	char		status;
} TermsAnswer;

#define SH_PREFIX termsanswers
#define SH_ELEMENT_TYPE TermsAnswer
#define SH_KEY_TYPE int64
#define SH_KEY terms_id
#define SH_HASH_KEY(table, key) murmurhash32((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct TwpLens
{
	slist_node	node;
	TwpLensQuestion question;	/* strings are ours */
	MemoryContext context;		/* of the answers */
	answers_hash *answers;
	termsanswers_hash *terms;
	uint64		changes;		/* counter when the answers began */
	TimestampTz now;			/* time of decision */
	TwpSubjectKind complete;	/* kind of which every subject with directives is here */
	TimestampTz complete_until; /* when the whole must be read again */
	uint64		probes;
	bool		prohibited;
	TwpCategorySet unnamed;		/* open for a subject without directives */
};

static slist_head lenses = SLIST_STATIC_INIT(lenses);

/* True when both questions are the same. */
static bool
same_question(const TwpLensQuestion *a, const TwpLensQuestion *b)
{
	return strcmp(a->purpose, b->purpose) == 0 && strcmp(a->recipient, b->recipient) == 0 &&
		a->none_permits == b->none_permits && a->overrides_deny == b->overrides_deny;
}

/* Finds or makes the lens for a question. */
TwpLens *
twp_consent_lens(const TwpLensQuestion *question)
{
	slist_iter	iter;
	TwpLens    *lens;

	slist_foreach(iter, &lenses)
	{
		lens = slist_container(TwpLens, node, iter.cur);
		if (same_question(&lens->question, question))
			return lens;
	}
	lens = MemoryContextAllocZero(TopMemoryContext, sizeof(TwpLens));
	lens->question = *question;
	lens->question.purpose = MemoryContextStrdup(TopMemoryContext, question->purpose);
	lens->question.recipient = MemoryContextStrdup(TopMemoryContext, question->recipient);
	lens->context = AllocSetContextCreate(TopMemoryContext, "twin_privacy lens", ALLOCSET_DEFAULT_SIZES);
	slist_push_head(&lenses, &lens->node);
	return lens;
}

/* Makes categories out of an outcome: those that are surely open. */
static TwpCategorySet
open_categories(const TwpLens *lens, const TwpOutcome *outcome)
{
	TwpCategorySet permit = outcome->permit;
	TwpCategorySet closed = outcome->deny;

	if (lens->prohibited)
		return 0;
	if (lens->question.none_permits)
		permit |= outcome->none;
	else
		closed |= outcome->none;
	return permit & ~closed;
}

/* Drops every answer. */
static void
forget(TwpLens *lens)
{
	TwpOutcome	nothing;

	lens->answers = NULL;
	lens->terms = NULL;
	lens->complete = TWP_SUBJECT_INVALID;
	lens->probes = 0;
	MemoryContextReset(lens->context);
	lens->answers = answers_create(lens->context, 64, NULL);
	lens->terms = termsanswers_create(lens->context, 16, NULL);
	lens->prohibited = twp_vocab_purpose_prohibited(lens->question.purpose, NULL);
	twp_outcome_init(&nothing);
	lens->unnamed = open_categories(lens, &nothing);
}

/* Makes the lens right for a statement that starts now. */
void
twp_consent_refresh(TwpLens *lens, TimestampTz now)
{
	uint64		changes = twp_consent_changes();

	if (lens->answers == NULL || lens->changes != changes || now < lens->now)
	{
		lens->changes = 0;
		forget(lens);
		lens->changes = changes;
	}
	if (lens->complete != TWP_SUBJECT_INVALID && now >= lens->complete_until)
		lens->complete = TWP_SUBJECT_INVALID;
	lens->now = now;
}

/* Gives what terms say to the question, reading them the first time. */
static const TwpOutcome *
ask_terms(TwpLens *lens, int64 terms_id, Snapshot snapshot)
{
	TermsAnswer *answer = termsanswers_lookup(lens->terms, terms_id);
	TwpRuleQuestion question = {lens->question.purpose, lens->question.recipient, lens->now, NULL, false};
	TwpOutcome	outcome;
	bool		found;

	if (answer != NULL && lens->now < answer->outcome.until)
		return &answer->outcome;
	twp_rule_ask(twp_store_rule(terms_id, snapshot), &question, &outcome);
	if (lens->question.overrides_deny)
	{
		outcome.none |= outcome.deny;
		outcome.deny = 0;
	}
	answer = termsanswers_insert(lens->terms, terms_id, &found);
	answer->outcome = outcome;
	return &answer->outcome;
}

/* Combines a subject's directives into what is open and until when. */
static TwpCategorySet
combine(TwpLens *lens, const TwpDirective *directives, int n, Snapshot snapshot, TimestampTz *until)
{
	TwpOutcome	total;

	twp_outcome_init(&total);
	for (int i = 0; i < n; i++)
	{
		TwpOutcome	outcome;

		if (directives[i].withdrawn)
			continue;
		outcome = *ask_terms(lens, directives[i].terms_id, snapshot);
		twp_directive_limit(&directives[i], lens->now, &outcome);
		twp_outcome_add(&total, &outcome, twp_consent_combining);
	}
	*until = total.until;
	return open_categories(lens, &total);
}

/* Remembers an answer. */
static void
remember(TwpLens *lens, const TwpSubject *subject, TwpCategorySet open, TimestampTz until)
{
	TwpSubject	key = *subject;
	Answer	   *answer;
	bool		found;

	answer = answers_lookup(lens->answers, key);
	if (answer == NULL)
	{
		if (key.kind == TWP_SUBJECT_TEXT)
		{
			char	   *copy = MemoryContextAlloc(lens->context, Max(key.key.text.len, 1));

			memcpy(copy, key.key.text.data, key.key.text.len);
			key.key.text.data = copy;
		}
		answer = answers_insert(lens->answers, key, &found);
	}
	answer->open = open;
	answer->until = until;
}

/* Reads one subject's directives. */
static TwpCategorySet
probe(TwpLens *lens, const TwpSubject *subject)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy probe",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpDirective *directives;
	TimestampTz until;
	TwpCategorySet open;
	int			n;

	n = twp_store_directives(twp_subject_to_text(subject), snapshot, &directives);
	open = combine(lens, directives, n, snapshot, &until);
	remember(lens, subject, open, until);
	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return open;
}

/* What a full read carries along. */
typedef struct FullRead
{
	TwpLens    *lens;
	TwpSubjectKind kind;
	Snapshot	snapshot;
	TimestampTz until;
} FullRead;

/* Takes one subject of a full read; texts that are no keys of the kind are nobody here. */
static void
take_subject(const char *text, TwpDirective *directives, int n, void *arg)
{
	FullRead   *read = arg;
	TwpSubject	subject;
	TimestampTz until;
	TwpCategorySet open;

	if (!twp_subject_from_text(&subject, read->kind, text))
		return;
	open = combine(read->lens, directives, n, read->snapshot, &until);
	remember(read->lens, &subject, open, until);
}

/* Reads all directives, so that a subject not remembered has none. */
static void
read_all(TwpLens *lens, TwpSubjectKind kind)
{
	FullRead	read = {lens, kind, RegisterSnapshot(twp_consent_snapshot())};

	twp_store_visit(read.snapshot, take_subject, &read);
	UnregisterSnapshot(read.snapshot);
	lens->complete = kind;
	lens->complete_until = DT_NOEND;
}

/* True once probing has cost about as much as a full read would. */
static bool
full_read_pays(const TwpLens *lens)
{
	return lens->probes >= MIN_PROBES && lens->probes % MIN_PROBES == 0 &&
		lens->probes * ROWS_PER_PROBE >= twp_store_estimate();
}

/* Gives the categories open for the subject. */
TwpCategorySet
twp_consent_open(TwpLens *lens, const TwpSubject *subject)
{
	Answer	   *answer = answers_lookup(lens->answers, *subject);

	if (answer != NULL && lens->now < answer->until)
		return answer->open;
	if (answer == NULL && lens->complete == subject->kind)
		return lens->unnamed;
	lens->probes++;
	if (answer == NULL && full_read_pays(lens))
	{
		read_all(lens, subject->kind);
		return twp_consent_open(lens, subject);
	}
	return probe(lens, subject);
}

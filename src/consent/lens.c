/*
 * lens.c - one question asked of many subjects, with answers remembered.
 *
 * Two ways lead to an answer.  With the shared map: the subject's profile, and
 * what that profile says to the question, kept by profile number.  Without it
 * (a small statement, no memory, a transaction with changes of its own,
 * "latest" combining): the subject's directives by the index, the answer kept
 * by subject.  A statement that has asked for many subjects builds the map.
 *
 * Contract: answers are kept between twp_consent_refresh() calls as long as no
 * consent and no vocabulary changed, and each until the next moment at which a
 * period of validity begins or ends.  The counter of changes is read before an
 * answer is made, so that a change arriving meanwhile drops it at the next one.
 *
 * Memory: a context under TopMemoryContext for each lens, under a megabyte,
 * emptied when its answers are dropped.  Failure: an error leaves fewer
 * answers, never wrong ones.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "consent/lens_internal.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A probe costs about as much as sixteen rows of building a map. */
#define ROWS_PER_PROBE 16

/* Bounds on what is remembered. */
#define MAX_ANSWERS 6000
#define MAX_TERMS 2000
#define MAX_PROFILES 8192

/* What is remembered of one subject. */
typedef struct Answer
{
	TwpSubject	subject;
	TwpCategorySet open;
	TimestampTz until;
	uint32		hash;
	bool		asks_row;
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
	TwpAnswers	said;
	bool		asks_row;
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

/*
 * Makes categories out of what directives say: those that are surely open,
 * and so is everything they are derived from.
 */
static TwpCategorySet
open_categories(const TwpLens *lens, const TwpAnswers *said)
{
	TwpCategorySet permit = said->permit;
	TwpCategorySet closed = said->deny;

	if (lens->prohibited)
		return 0;
	if (lens->question.none_permits)
		permit |= said->none;
	else
		closed |= said->none;
	return twp_vocab_with_inputs(permit & ~closed);
}

/* Drops every answer. */
static void
forget(TwpLens *lens)
{
	static uint64 versions = 0;
	TwpAnswers	nothing;

	lens->version = ++versions;
	lens->answers = NULL;
	lens->terms = NULL;
	lens->profiles = NULL;
	lens->share_needs = 0;
	twp_sieve_drop(lens);
	MemoryContextReset(lens->context);
	lens->answers = answers_create(lens->context, 64, NULL);
	lens->terms = termsanswers_create(lens->context, 16, NULL);
	lens->prohibited = twp_vocab_purpose_prohibited(lens->question.purpose, NULL);
	twp_answers_init(&nothing);
	lens->unnamed = open_categories(lens, &nothing);
}

/* Looks whether there is a map to use, and makes room for its profiles' answers. */
static void
look_for_map(TwpLens *lens)
{
	const TwpMap *map = NULL;
	uint32		slots;

	/* A profile does not say in which order its directives were given. */
	if (twp_consent_combining == TWP_COMBINE_DENY_OVERRIDES)
		map = twp_map_begin(lens->changes, lens->now);
	lens->use_map = map != NULL;
	if (map != NULL)
		lens->probed = 0;
	if (map == NULL || (lens->profiles != NULL && lens->profile_version == map->version))
		return;
	if (lens->profiles != NULL)
		pfree(lens->profiles);
	lens->profiles = NULL;
	twp_sieve_drop(lens);
	slots = pg_nextpower2_32(Max(Min(map->profiles.n, MAX_PROFILES), 64));
	lens->profiles = MemoryContextAllocZero(lens->context, slots * sizeof(ProfileAnswer));
	lens->profile_mask = slots - 1;
	lens->profile_version = map->version;
}

/* Makes the lens right for a statement that starts now. */
void
twp_consent_refresh(TwpLens *lens, TimestampTz now)
{
	uint64		changes = twp_consent_changes();

	if (lens->answers == NULL || lens->changes != changes || now < lens->now || now >= lens->horizon)
	{
		lens->changes = 0;
		forget(lens);
		lens->changes = changes;
		lens->horizon = DT_NOEND;
	}
	lens->now = now;
	twp_map_count(TWP_MAP_LOOKUPS, lens->probes);
	lens->probes = 0;
	look_for_map(lens);
	twp_map_count(lens->use_map ? TWP_MAP_SERVED : TWP_MAP_ABSENT, 1);
}

/* Names the answers given since the last change. */
uint64
twp_consent_version(const TwpLens *lens)
{
	return lens->version;
}

/* When an answer given since may change. */
TimestampTz
twp_consent_horizon(const TwpLens *lens)
{
	return lens->horizon;
}

/* Asks a rule for the lens; a denial that the use overrides says nothing. */
static void
ask_rule(const TwpLens *lens, const TwpRule *rule, const TwpRowFacts *row, TwpAnswers *said)
{
	TwpRuleQuestion question = {lens->question.purpose, lens->question.recipient, lens->now, row, false};

	twp_rule_ask(rule, &question, said);
	if (lens->question.overrides_deny)
	{
		said->none |= said->deny;
		said->deny = 0;
	}
}

/* Gives what terms say to the question, reading them the first time. */
static const TermsAnswer *
ask_terms(TwpLens *lens, int64 terms_id, Snapshot snapshot)
{
	TermsAnswer *answer = termsanswers_lookup(lens->terms, terms_id);
	TwpAnswers	said;
	TwpRule    *rule;
	bool		found;

	if (answer != NULL && lens->now < answer->said.until)
		return answer;
	rule = twp_store_rule(terms_id, snapshot);
	ask_rule(lens, rule, NULL, &said);
	if (lens->terms->members >= MAX_TERMS)
		termsanswers_reset(lens->terms);
	answer = termsanswers_insert(lens->terms, terms_id, &found);
	answer->said = said;
	answer->asks_row = rule->asks_row;
	return answer;
}

/* Combines directives into what is open, until when, and whether they ask of the row. */
static TwpCategorySet
combine(TwpLens *lens, const TwpDirective *directives, int n, Snapshot snapshot, TimestampTz *until, bool *asks_row)
{
	TwpAnswers	total;

	twp_answers_init(&total);
	*asks_row = false;
	for (int i = 0; i < n; i++)
	{
		const TermsAnswer *answer;
		TwpAnswers	said;

		if (directives[i].withdrawn)
			continue;
		answer = ask_terms(lens, directives[i].terms_id, snapshot);
		said = answer->said;
		*asks_row |= answer->asks_row;
		twp_directive_limit(&directives[i], lens->now, &said);
		twp_answers_add(&total, &said, twp_consent_combining);
	}
	*until = total.until;
	return open_categories(lens, &total);
}

/* Combines the same directives for a row of which facts are known. */
static TwpCategorySet
combine_for_row(TwpLens *lens, const TwpDirective *directives, int n, Snapshot snapshot, const TwpRowFacts *row)
{
	TwpAnswers	total;

	twp_answers_init(&total);
	for (int i = 0; i < n; i++)
	{
		TwpAnswers	said;

		if (directives[i].withdrawn)
			continue;
		ask_rule(lens, twp_store_rule(directives[i].terms_id, snapshot), row, &said);
		twp_directive_limit(&directives[i], lens->now, &said);
		twp_answers_add(&total, &said, twp_consent_combining);
	}
	return open_categories(lens, &total);
}

/* Gives the directives of a profile. */
static int
profile_directives(const TwpMap *map, uint32 number, TwpDirective **directives)
{
	const TwpProfile *profile = &map->profiles.profiles[number];

	*directives = palloc0(Max(profile->n, 1) * sizeof(TwpDirective));
	for (uint32 i = 0; i < profile->n; i++)
	{
		const TwpProfileItem *item = &map->profiles.items[profile->start + i];

		(*directives)[i].terms_id = item->terms_id;
		(*directives)[i].valid_from = item->from;
		(*directives)[i].valid_until = item->until;
	}
	return (int) profile->n;
}

/* Answers for a profile and remembers it. */
const ProfileAnswer *
twp_lens_ask_profile(TwpLens *lens, const TwpMap *map, uint32 number)
{
	ProfileAnswer *answer = &lens->profiles[number & lens->profile_mask];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy profile",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpDirective *directives;
	int			n = profile_directives(map, number, &directives);
	TimestampTz until;
	bool		asks_row;
	TwpCategorySet open = combine(lens, directives, n, snapshot, &until, &asks_row);

	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	lens->horizon = Min(lens->horizon, until);
	answer->open = open;
	answer->until = until;
	answer->asks_row = asks_row;
	answer->profile = number;
	return answer;
}

/* Gives the answer for a subject's profile; NULL for a subject the map does not have. */
static inline const ProfileAnswer *
find_profile(TwpLens *lens, const TwpMap *map, const TwpSubject *subject)
{
	uint32		number = twp_map_find(map, subject);
	const ProfileAnswer *answer;

	if (number == TWP_PROFILE_NONE)
		return NULL;
	answer = &lens->profiles[number & lens->profile_mask];
	if (likely(answer->profile == number && lens->now < answer->until))
		return answer;
	return twp_lens_ask_profile(lens, map, number);
}

/* Remembers an answer by subject. */
static Answer *
remember(TwpLens *lens, const TwpSubject *subject)
{
	TwpSubject	key = *subject;
	bool		found;

	if (key.kind == TWP_SUBJECT_TEXT)
	{
		char	   *copy = MemoryContextAlloc(lens->context, Max(key.key.text.len, 1));

		memcpy(copy, key.key.text.data, key.key.text.len);
		key.key.text.data = copy;
	}
	return answers_insert(lens->answers, key, &found);
}

/* Answers for a subject from the index. */
static const Answer *
probe(TwpLens *lens, const TwpSubject *subject)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy probe",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Snapshot	snapshot = RegisterSnapshot(twp_consent_snapshot());
	TwpDirective *directives;
	int			n = twp_store_directives(twp_subject_to_text(subject), snapshot, &directives);
	TimestampTz until;
	bool		asks_row;
	TwpCategorySet open = combine(lens, directives, n, snapshot, &until, &asks_row);
	Answer	   *answer = answers_lookup(lens->answers, *subject);

	UnregisterSnapshot(snapshot);
	if (answer == NULL)
	{
		if (lens->answers->members >= MAX_ANSWERS)
			forget(lens);
		answer = remember(lens, subject);
	}
	lens->horizon = Min(lens->horizon, until);
	answer->open = open;
	answer->until = until;
	answer->asks_row = asks_row;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return answer;
}

/*
 * Turns to a map once so many subjects were asked for that reading everything
 * costs no more: one that somebody has built meanwhile, or its own.  Small
 * statements never wait for that; those that are not pay for one between them.
 */
static void
consider_map(TwpLens *lens)
{
	int			least = twp_consent_map_threshold;

	if (twp_consent_combining != TWP_COMBINE_DENY_OVERRIDES || lens->probes % Max(least, 1) != 0)
		return;
	look_for_map(lens);
	if (lens->use_map || (least > 0 && lens->probed * ROWS_PER_PROBE < twp_store_estimate()))
		return;
	if (twp_map_build(lens->now))
		look_for_map(lens);
}

/* Answers for a subject without a map. */
static const Answer *
find_answer(TwpLens *lens, const TwpSubject *subject)
{
	Answer	   *answer = answers_lookup(lens->answers, *subject);

	if (answer != NULL && lens->now < answer->until)
		return answer;
	return probe(lens, subject);
}

/* Gives the categories open for the subject. */
TwpCategorySet
twp_consent_open(TwpLens *lens, const TwpSubject *subject)
{
	const TwpMap *map = twp_lens_map(lens);
	Answer	   *answer;

	if (map == NULL)
	{
		answer = answers_lookup(lens->answers, *subject);
		if (answer != NULL && lens->now < answer->until)
			return answer->open;
		lens->probes++;
		lens->probed++;
		consider_map(lens);
		map = twp_lens_map(lens);
	}
	if (map != NULL)
	{
		const ProfileAnswer *profile = find_profile(lens, map, subject);

		return profile == NULL ? lens->unnamed : profile->open;
	}
	return probe(lens, subject)->open;
}

/* Asks the map for many subjects. */
static void
open_many(TwpLens *lens, const TwpMap *map, const TwpSubject *subjects, int n, TwpCategorySet *open,
		  uint32 *tokens)
{
	uint32		profiles[TWP_CONSENT_MANY];

	twp_map_find_many(map, subjects, n, profiles, tokens);
	for (int i = 0; i < n; i++)
	{
		const ProfileAnswer *answer = &lens->profiles[profiles[i] & lens->profile_mask];

		if (profiles[i] == TWP_PROFILE_NONE)
		{
			open[i] = subjects[i].kind == TWP_SUBJECT_INVALID ? 0 : lens->unnamed;
			tokens[i] = TWP_NO_TOKEN;
			continue;
		}
		if (unlikely(answer->profile != profiles[i] || lens->now >= answer->until))
			answer = twp_lens_ask_profile(lens, map, profiles[i]);
		open[i] = answer->open;
	}
}

/* Asks the map for those the sieve lets through. */
static void
open_sieved(TwpLens *lens, const TwpMap *map, const TwpSubject *subjects, int n, TwpCategorySet *open,
			uint32 *tokens)
{
	uint16		passed[TWP_CONSENT_MANY];
	int			npassed = twp_sieve_pass(lens, subjects, n, passed);
	TwpSubject	few[TWP_CONSENT_MANY];
	TwpCategorySet few_open[TWP_CONSENT_MANY];
	uint32		few_tokens[TWP_CONSENT_MANY];

	memset(open, 0, n * sizeof(TwpCategorySet));
	for (int i = 0; i < npassed; i++)
		few[i] = subjects[passed[i]];
	open_many(lens, map, few, npassed, few_open, few_tokens);
	for (int i = 0; i < npassed; i++)
	{
		open[passed[i]] = few_open[i];
		tokens[passed[i]] = few_tokens[i];
	}
}

/* Gives what is open for each of many subjects, and a token for each where there is a map. */
void
twp_consent_open_many(TwpLens *lens, const TwpSubject *subjects, int n, TwpCategorySet needs,
					  TwpCategorySet *open, uint32 *tokens)
{
	const TwpMap *map = twp_lens_map(lens);
	int			nopen = 0;

	Assert(n <= TWP_CONSENT_MANY);
	if (map == NULL)
	{
		for (int i = 0; i < n; i++)
		{
			open[i] = subjects[i].kind == TWP_SUBJECT_INVALID ? 0 : twp_consent_open(lens, &subjects[i]);
			tokens[i] = TWP_NO_TOKEN;
		}
		return;
	}
	if (lens->sieve != NULL && lens->sieve_needs == needs)
	{
		open_sieved(lens, map, subjects, n, open, tokens);
		return;
	}
	open_many(lens, map, subjects, n, open, tokens);
	for (int i = 0; i < n; i++)
		nopen += (open[i] & needs) == needs;
	twp_sieve_consider(lens, map, needs, n, nopen);
}

/* Says what tokens stand for. */
TwpNumbering
twp_consent_tokens(const TwpLens *lens)
{
	const TwpMap *map = twp_lens_map(lens);

	if (map == NULL)
		return (TwpNumbering) {0};
	return (TwpNumbering) {
		.version = map->version,
		.n = twp_map_places(map),
		.first = map->dense_min,
		.nintegers = map->dense == NULL ? 0 : map->dense_n,
	};
}

/* True when some directive of the subject asks something of the row. */
bool
twp_consent_asks_row(TwpLens *lens, const TwpSubject *subject)
{
	const TwpMap *map = twp_lens_map(lens);

	if (map != NULL)
	{
		const ProfileAnswer *profile = find_profile(lens, map, subject);

		return profile != NULL && profile->asks_row;
	}
	return find_answer(lens, subject)->asks_row;
}

/* Gives the categories open for a row of the subject, of which facts are known. */
TwpCategorySet
twp_consent_open_row(TwpLens *lens, const TwpSubject *subject, const TwpRowFacts *row)
{
	MemoryContext context;
	MemoryContext old;
	Snapshot	snapshot;
	TwpDirective *directives;
	TwpCategorySet open;
	int			n;

	if (!twp_consent_asks_row(lens, subject))
		return twp_consent_open(lens, subject);
	context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy row", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	snapshot = RegisterSnapshot(twp_consent_snapshot());
	n = twp_store_directives(twp_subject_to_text(subject), snapshot, &directives);
	open = combine_for_row(lens, directives, n, snapshot, row);
	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return open;
}

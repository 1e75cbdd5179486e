/*
 * subjects.c - sets of data subjects: collecting, and handing to another process.
 *
 * Integers near each other are bits of one window, which grows while it stays
 * dense (the way a scan gives a million patients in 125 kB); everything else
 * lies in a hash table.  A point read costs 64 bytes.  Who adds many and has
 * numbers for them (the consent map's) asks a bit whether one was added, and
 * uuids it adds so are only listed.
 *
 * Memory: the set's context.  Failure: adding raises only out of memory.
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"
#include "ledger/subjects_internal.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

typedef struct MemberEntry
{
	TwpSubject	key;
	char		status;
} MemberEntry;

#define SH_PREFIX member
#define SH_ELEMENT_TYPE MemberEntry
#define SH_KEY_TYPE TwpSubject
#define SH_KEY key
#define SH_HASH_KEY(tb, k) twp_subject_hash(&(k))
#define SH_EQUAL(tb, a, b) twp_subject_equal(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

#define WINDOW_FIRST_BITS 512
#define WINDOW_MAX_BYTES (UINT64CONST(512) * 1024 * 1024)
#define WINDOW_BYTES_FREE 1024	/* window allowed without regard to density */
#define WINDOW_BYTES_A_SUBJECT 64

/* Starts an empty set. */
TwpSubjectSet *
twp_ledger_subjects_create(MemoryContext context)
{
	TwpSubjectSet *set = MemoryContextAllocZero(context, sizeof(TwpSubjectSet));

	set->context = context;
	return set;
}

/* Number of subjects, those listed twice counted twice. */
static uint64
rough_count(const TwpSubjectSet *set)
{
	return set->window_count + set->nlisted + (set->members != NULL ? set->members->members : 0);
}

/* Sets a bit of the window. */
static inline void
mark(TwpSubjectSet *set, uint64 offset)
{
	uint64		bit = UINT64CONST(1) << (offset % 64);
	uint64	   *word = &set->words[offset / 64];

	set->window_count += (*word & bit) == 0;
	*word |= bit;
}

/* Moves integers that a grown window covers from the hash table into it. */
static void
absorb_members(TwpSubjectSet *set)
{
	member_iterator iterator;
	MemberEntry *entry;
	int64	   *moved;
	uint64		n = 0;

	if (set->members == NULL)
		return;
	moved = MemoryContextAllocHuge(set->context, (set->members->members + 1) * sizeof(int64));
	member_start_iterate(set->members, &iterator);
	while ((entry = member_iterate(set->members, &iterator)) != NULL)
	{
		uint64		offset = (uint64) entry->key.key.number - (uint64) set->base;

		if (entry->key.kind == TWP_SUBJECT_INT && offset < set->bits)
			moved[n++] = entry->key.key.number;
	}
	for (uint64 i = 0; i < n; i++)
	{
		TwpSubject	key = {.kind = TWP_SUBJECT_INT, .key.number = moved[i]};

		mark(set, (uint64) moved[i] - (uint64) set->base);
		(void) member_delete(set->members, key);
	}
	pfree(moved);
}

/* Makes the window another that holds it. */
static void
move_window(TwpSubjectSet *set, int64 base, uint64 bits)
{
	uint64	   *words = MemoryContextAllocExtended(set->context, bits / 8, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	if (set->words != NULL)
	{
		memcpy(words + ((uint64) set->base - (uint64) base) / 64, set->words, set->bits / 8);
		pfree(set->words);
	}
	set->words = words;
	set->base = base;
	set->bits = bits;
	absorb_members(set);
}

/* Widens the window to hold a number if it stays dense enough; false when it does not. */
static bool
grow_window(TwpSubjectSet *set, int64 number)
{
	int64		low = number - (number & (WINDOW_FIRST_BITS - 1));
	uint64		allowed = Min(WINDOW_MAX_BYTES, WINDOW_BYTES_FREE +
							  WINDOW_BYTES_A_SUBJECT * rough_count(set)) * 8;
	uint64		span = WINDOW_FIRST_BITS;

	if (set->bits > 0)
	{
		bool		downwards = number < set->base;
		uint64		distance = downwards ? (uint64) set->base - (uint64) low : (uint64) low - (uint64) set->base;

		/* First alone: the sum below could pass 2^64. */
		if (distance > allowed)
			return false;
		span = distance + (downwards ? set->bits : WINDOW_FIRST_BITS);
		if (span > allowed)
			return false;
		/* Doubling keeps the copies linear, on the side that grows. */
		span = Max(span, Min(2 * set->bits, allowed & ~UINT64CONST(511)));
		if (!downwards)
			low = set->base;
		else if (span - set->bits <= (uint64) set->base - (uint64) PG_INT64_MIN)
			low = (int64) ((uint64) set->base - (span - set->bits));
		else
			span = distance + set->bits;
	}
	move_window(set, low, span);
	return true;
}

/* Widens the window to hold n numbers, however dense; false where it would hold many more. */
static bool
cover(TwpSubjectSet *set, int64 first, uint64 n)
{
	int64		low = first - (first & (WINDOW_FIRST_BITS - 1));
	uint64		span = TYPEALIGN64(WINDOW_FIRST_BITS, (uint64) first - (uint64) low + n);

	if (set->bits > 0)
	{
		int64		lowest = Min(low, set->base);
		uint64		mine = (uint64) set->base - (uint64) lowest;
		uint64		theirs = (uint64) low - (uint64) lowest;

		/* first alone: a sum could pass 2^64 */
		if (Max(mine, theirs) > 2 * (n + set->bits))
			return false;
		span = Max(mine + set->bits, theirs + span);
		low = lowest;
	}
	if (span / 8 > WINDOW_MAX_BYTES || span > 4 * (n + set->bits) + WINDOW_FIRST_BITS)
		return false;
	if (low != set->base || span != set->bits)
		move_window(set, low, span);
	return true;
}

/* Adds a subject that is no bit of the window. */
static void
add_member(TwpSubjectSet *set, const TwpSubject *subject)
{
	MemberEntry *entry;
	bool		found;

	if (set->members == NULL)
		set->members = member_create(set->context, 32, NULL);
	set->repeats |= set->nlisted > 0;
	entry = member_insert(set->members, *subject, &found);
	if (!found && subject->kind == TWP_SUBJECT_TEXT)
	{
		char	   *copy = MemoryContextAlloc(set->context, subject->key.text.len + 1);

		memcpy(copy, subject->key.text.data, subject->key.text.len);
		entry->key.key.text.data = copy;
	}
}

/* Adds a subject; adding twice changes nothing. */
void
twp_ledger_subjects_add(TwpSubjectSet *set, const TwpSubject *subject)
{
	if (subject->kind == TWP_SUBJECT_INT)
	{
		uint64		offset = (uint64) subject->key.number - (uint64) set->base;

		if (offset >= set->bits)
		{
			if (!grow_window(set, subject->key.number))
			{
				add_member(set, subject);
				return;
			}
			offset = (uint64) subject->key.number - (uint64) set->base;
		}
		mark(set, offset);
		return;
	}
	add_member(set, subject);
}

/* Lets bits stand for integers, where the window has room for them all. */
static void
count_integers(TwpSubjectSet *set, const TwpNumbering *numbering)
{
	TwpCountedIntegers *counted;

	if (numbering->nintegers == 0 || !cover(set, numbering->first, numbering->nintegers))
		return;
	counted = MemoryContextAlloc(set->context, sizeof(TwpCountedIntegers));
	counted->bits = set->numbered;
	counted->first = numbering->first;
	counted->n = set->nintegers = numbering->nintegers;
	counted->next = set->counted;
	set->counted = counted;
}

/* Gives the bits by number of a numbering; another one than before begins with none. */
uint64 *
twp_ledger_subjects_numbered(TwpSubjectSet *set, const TwpNumbering *numbering, uint64 *nintegers)
{
	if (set->numbering != numbering->version || set->nnumbers != numbering->n)
	{
		/* who uses the bits of an earlier numbering may go on doing so: they are not freed */
		set->repeats |= set->nlisted > 0 || set->numbering != 0;
		set->numbered = MemoryContextAllocExtended(set->context, (numbering->n / 64 + 1) * sizeof(uint64),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		set->numbering = numbering->version;
		set->nnumbers = numbering->n;
		set->nintegers = 0;
		count_integers(set, numbering);
	}
	*nintegers = set->nintegers;
	return set->numbered;
}

/* Adds a subject whose bit was not set. */
void
twp_ledger_subjects_add_numbered(TwpSubjectSet *set, const TwpSubject *subject, uint32 number)
{
	TwpListedUuid *listed;

	if (subject->kind != TWP_SUBJECT_UUID)
	{
		twp_ledger_subjects_add(set, subject);
		return;
	}
	if (set->nlisted == set->list_room)
	{
		uint64		room = Max(2 * set->list_room, 256);

		set->listed = set->listed == NULL ?
			MemoryContextAllocHuge(set->context, room * sizeof(TwpListedUuid)) :
			repalloc_huge(set->listed, room * sizeof(TwpListedUuid));
		set->list_room = room;
	}
	set->repeats |= set->members != NULL;
	listed = &set->listed[set->nlisted++];
	memcpy(listed->uuid, subject->key.uuid, sizeof(listed->uuid));
	listed->number = number;
}

/* Orders listed uuids. */
static int
compare_listed(const void *a, const void *b)
{
	return memcmp(((const TwpListedUuid *) a)->uuid, ((const TwpListedUuid *) b)->uuid,
				  sizeof(((const TwpListedUuid *) a)->uuid));
}

/* Marks those of 64 numbers from an offset of the window on that a word has. */
static inline void
mark_word(TwpSubjectSet *set, uint64 offset, uint64 word)
{
	int			shift = offset % 64;
	uint64	   *place = &set->words[offset / 64];
	uint64		parts[] = {word << shift, shift == 0 ? 0 : word >> (64 - shift)};

	for (int i = 0; i < lengthof(parts); i++)
		if (parts[i] != 0)
		{
			set->window_count += pg_popcount64(parts[i] & ~place[i]);
			place[i] |= parts[i];
		}
}

/* Adds those of n integers from a number on whose bits are set. */
static void
take_integers(TwpSubjectSet *set, int64 first, const uint64 *bits, uint64 n)
{
	for (uint64 i = 0; i < n; i += 64)
	{
		uint64		offset = (uint64) first + i - (uint64) set->base;
		uint64		word = bits[i / 64];

		if (n - i < 64)
			word &= (UINT64CONST(1) << (n - i)) - 1;
		if (offset < set->bits && set->bits - offset >= 64)
			mark_word(set, offset, word);
		else
			for (; word != 0; word &= word - 1)
			{
				TwpSubject	subject = {.kind = TWP_SUBJECT_INT};

				subject.key.number = (int64) ((uint64) first + i + pg_rightmost_one_pos64(word));
				twp_ledger_subjects_add(set, &subject);
			}
	}
}

/* Takes in integers that were only marked, and removes repetitions from the list. */
void
twp_subjects_settle(TwpSubjectSet *set)
{
	uint64		kept = 0;

	for (const TwpCountedIntegers *counted = set->counted; counted != NULL; counted = counted->next)
		take_integers(set, counted->first, counted->bits, counted->n);
	if (!set->repeats)
		return;
	qsort(set->listed, set->nlisted, sizeof(TwpListedUuid), compare_listed);
	for (uint64 i = 0; i < set->nlisted; i++)
	{
		TwpSubject	subject = {.kind = TWP_SUBJECT_UUID};

		if (kept > 0 && compare_listed(&set->listed[kept - 1], &set->listed[i]) == 0)
			continue;
		memcpy(subject.key.uuid, set->listed[i].uuid, sizeof(subject.key.uuid));
		if (set->members == NULL || member_lookup(set->members, subject) == NULL)
			set->listed[kept++] = set->listed[i];
	}
	set->nlisted = kept;
	set->repeats = false;
	/* numbers of several numberings may be among them now */
	set->numbering = 0;
}

/* Number of distinct subjects. */
uint64
twp_ledger_subjects_count(TwpSubjectSet *set)
{
	twp_subjects_settle(set);
	return rough_count(set);
}

/* Sorts by kind, then value. */
static int
compare_members(const void *a, const void *b)
{
	return twp_subject_compare((const TwpSubject *) a, (const TwpSubject *) b);
}

/* Copies the hash table's members, sorted; NULL when out of memory. */
TwpSubject *
twp_subjects_sorted_members(const TwpSubjectSet *set, uint64 *n)
{
	member_iterator iterator;
	MemberEntry *entry;
	TwpSubject *sorted;

	*n = 0;
	sorted = MemoryContextAllocExtended(set->context, (set->members->members + 1) * sizeof(TwpSubject),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (sorted == NULL)
		return NULL;
	member_start_iterate(set->members, &iterator);
	while ((entry = member_iterate(set->members, &iterator)) != NULL)
		sorted[(*n)++] = entry->key;
	qsort(sorted, *n, sizeof(TwpSubject), compare_members);
	return sorted;
}

/* Adds one subject of a packed set. */
static bool
merge_one(const TwpSubject *subject, void *arg)
{
	twp_ledger_subjects_add(arg, subject);
	return true;
}

/* Adds all subjects of a packed set. */
void
twp_ledger_subjects_merge(TwpSubjectSet *set, const char *packed, uint32 len)
{
	twp_ledger_subjects_walk(packed, len, merge_one, set);
}

/* A set as it is handed to another process; behind it the window, the list and the members. */
typedef struct HandedSet
{
	int64		base;
	uint64		bits;
	uint64		numbering;
	uint64		nnumbers;
	uint64		nlisted;
	uint64		members_len;
	bool		repeats;
} HandedSet;

/* Bytes of the members of a set, each followed by its text; writes them where told to. */
static uint64
hand_members(const TwpSubjectSet *set, char *place)
{
	TwpPackWriter writer = {.data = place};
	member_iterator iterator;
	MemberEntry *entry;

	if (set->members == NULL)
		return 0;
	member_start_iterate(set->members, &iterator);
	while ((entry = member_iterate(set->members, &iterator)) != NULL)
	{
		bool		text = entry->key.kind == TWP_SUBJECT_TEXT;

		twp_pack_put_bytes(&writer, &entry->key, sizeof(TwpSubject));
		if (text)
			twp_pack_put_bytes(&writer, entry->key.key.text.data, entry->key.key.text.len);
	}
	return writer.len;
}

/* Bytes a set takes when it is handed over. */
Size
twp_ledger_subjects_hand_size(TwpSubjectSet *set)
{
	twp_subjects_settle(set);
	return sizeof(HandedSet) + set->bits / 8 + set->nlisted * sizeof(TwpListedUuid) + hand_members(set, NULL);
}

/* Writes a set to be handed over. */
void
twp_ledger_subjects_hand(const TwpSubjectSet *set, void *place)
{
	HandedSet  *handed = place;
	char	   *at = (char *) (handed + 1);

	handed->base = set->base;
	handed->bits = set->bits;
	handed->numbering = set->numbering;
	handed->nnumbers = set->nnumbers;
	handed->nlisted = set->nlisted;
	handed->repeats = set->repeats;
	if (set->bits > 0)
		memcpy(at, set->words, set->bits / 8);
	at += set->bits / 8;
	if (set->nlisted > 0)
		memcpy(at, set->listed, set->nlisted * sizeof(TwpListedUuid));
	at += set->nlisted * sizeof(TwpListedUuid);
	handed->members_len = hand_members(set, at);
}

/* Adds listed uuids; by their numbers where both sets count alike. */
static void
take_list(TwpSubjectSet *set, const HandedSet *handed, const TwpListedUuid *listed)
{
	bool		alike = set->numbering == 0 || set->numbering == handed->numbering;
	TwpNumbering numbering = {.version = handed->numbering,.n = handed->nnumbers};
	uint64	   *numbered = NULL;
	uint64		nintegers;

	if (alike && !handed->repeats)
		numbered = twp_ledger_subjects_numbered(set, &numbering, &nintegers);
	else
		set->repeats = true;
	for (uint64 i = 0; i < handed->nlisted; i++)
	{
		uint32		number = listed[i].number;
		TwpSubject	subject = {.kind = TWP_SUBJECT_UUID};

		if (numbered != NULL && (numbered[number / 64] & (UINT64CONST(1) << (number % 64))) != 0)
			continue;
		if (numbered != NULL)
			numbered[number / 64] |= UINT64CONST(1) << (number % 64);
		memcpy(subject.key.uuid, listed[i].uuid, sizeof(subject.key.uuid));
		twp_ledger_subjects_add_numbered(set, &subject, number);
	}
}

/* Adds a set that was handed over. */
void
twp_ledger_subjects_take(TwpSubjectSet *set, const void *place)
{
	const HandedSet *handed = place;
	const uint64 *words = (const uint64 *) (handed + 1);
	const TwpListedUuid *listed = (const TwpListedUuid *) (words + handed->bits / 64);
	const char *at = (const char *) (listed + handed->nlisted);
	const char *end = at + handed->members_len;

	take_integers(set, handed->base, words, handed->bits);
	if (handed->nlisted > 0)
		take_list(set, handed, listed);
	while (at < end)
	{
		TwpSubject	subject;

		memcpy(&subject, at, sizeof(subject));
		at += sizeof(subject);
		if (subject.kind == TWP_SUBJECT_TEXT)
		{
			subject.key.text.data = at;
			at += subject.key.text.len;
		}
		twp_ledger_subjects_add(set, &subject);
	}
}

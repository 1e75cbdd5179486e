/*
 * subjects.c - sets of data subjects: collecting, packing, asking.
 *
 * Collecting.  Integers near each other are bits of one window, which grows
 * while it stays dense (the way a scan gives a million patients in 125 kB);
 * everything else lies in a hash table.  A point read costs 64 bytes.
 *
 * Packed.  Parts, each: kind, encoding, number of subjects, bytes.  Integers
 * are deltas, runs or a bitmap, whichever is smallest; uuids and texts are
 * sorted.  Readers check every bound: packed sets come from files.
 *
 * Memory: the set's context.  Failure: adding raises only out of memory;
 * packing for a completion must not raise and gives NULL instead.
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

struct TwpSubjectSet
{
	MemoryContext context;
	int64		base;			/* number of the window's first bit, a multiple of 64 */
	uint64		bits;			/* size of the window, a multiple of 64 */
	uint64	   *words;
	uint64		window_count;
	member_hash *members;		/* all outside the window, or NULL */
};

/* Starts an empty set. */
TwpSubjectSet *
twp_ledger_subjects_create(MemoryContext context)
{
	TwpSubjectSet *set = MemoryContextAllocZero(context, sizeof(TwpSubjectSet));

	set->context = context;
	return set;
}

/* Number of distinct subjects. */
uint64
twp_ledger_subjects_count(const TwpSubjectSet *set)
{
	return set->window_count + (set->members != NULL ? set->members->members : 0);
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

/* Widens the window to hold a number if it stays dense enough; false when it does not. */
static bool
grow_window(TwpSubjectSet *set, int64 number)
{
	int64		low = number - (number & (WINDOW_FIRST_BITS - 1));
	uint64		allowed = Min(WINDOW_MAX_BYTES, WINDOW_BYTES_FREE +
							  WINDOW_BYTES_A_SUBJECT * twp_ledger_subjects_count(set)) * 8;
	uint64		span = WINDOW_FIRST_BITS;
	uint64	   *words;

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
	words = MemoryContextAllocExtended(set->context, span / 8, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (set->words != NULL)
	{
		memcpy(words + ((uint64) set->base - (uint64) low) / 64, set->words, set->bits / 8);
		pfree(set->words);
	}
	set->words = words;
	set->base = low;
	set->bits = span;
	absorb_members(set);
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

/* Gives the next number in the window at or after *number's offset; false at the end. */
static bool
next_in_window(const TwpSubjectSet *set, uint64 *offset)
{
	uint64		word_index = *offset / 64;
	uint64		word;

	if (*offset >= set->bits)
		return false;
	word = set->words[word_index] & (~UINT64CONST(0) << (*offset % 64));
	while (word == 0)
	{
		if (++word_index * 64 >= set->bits)
			return false;
		word = set->words[word_index];
	}
	*offset = word_index * 64 + pg_rightmost_one_pos64(word);
	return true;
}

/* Writes the window's numbers as deltas, or as runs. */
static void
write_window(TwpPackWriter *writer, const TwpSubjectSet *set, TwpSetEncoding encoding)
{
	uint64		offset = 0;
	uint64		behind = 0;		/* first offset not yet written about */

	twp_pack_put_signed(writer, set->base);
	if (encoding == TWP_SET_BITMAP)
	{
		twp_pack_put_bytes(writer, set->words, set->bits / 8);
		return;
	}
	while (next_in_window(set, &offset))
	{
		uint64		run = offset + 1;

		twp_pack_put_varint(writer, offset - behind);
		if (encoding == TWP_SET_RUNS)
		{
			while (run < set->bits && (set->words[run / 64] & (UINT64CONST(1) << (run % 64))) != 0)
				run++;
			twp_pack_put_varint(writer, run - offset - 1);
		}
		behind = offset = run;
	}
}

/* Size of the window in an encoding. */
static uint64
window_size(const TwpSubjectSet *set, TwpSetEncoding encoding)
{
	TwpPackWriter writer = {0};

	write_window(&writer, set, encoding);
	return writer.len;
}

/* Adds the window as a part in its smallest encoding. */
static void
pack_window(TwpPackWriter *writer, const TwpSubjectSet *set)
{
	uint64		best_size = window_size(set, TWP_SET_BITMAP);
	TwpSetEncoding best = TWP_SET_BITMAP;

	if (set->window_count == 0)
		return;
	for (int encoding = TWP_SET_DELTAS; encoding <= TWP_SET_RUNS; encoding++)
	{
		uint64		size = window_size(set, encoding);

		if (size < best_size)
		{
			best_size = size;
			best = encoding;
		}
	}
	twp_pack_begin_part(writer, TWP_SUBJECT_INT, best, set->window_count, best_size);
	write_window(writer, set, best);
}

/* Sorts by kind, then value. */
static int
compare_members(const void *a, const void *b)
{
	return twp_subject_compare((const TwpSubject *) a, (const TwpSubject *) b);
}

/* Copies the hash table's members, sorted; NULL when out of memory. */
static TwpSubject *
sorted_members(const TwpSubjectSet *set, uint64 *n)
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

/* Writes sorted members of one kind. */
static void
write_members(TwpPackWriter *writer, const TwpSubject *members, uint64 n)
{
	int64		last = 0;

	for (uint64 i = 0; i < n; i++)
		switch (members[i].kind)
		{
			case TWP_SUBJECT_INT:
				if (i == 0)
					twp_pack_put_signed(writer, members[i].key.number);
				twp_pack_put_varint(writer, i == 0 ? 0 :
									(uint64) members[i].key.number - (uint64) last - 1);
				last = members[i].key.number;
				break;
			case TWP_SUBJECT_UUID:
				twp_pack_put_bytes(writer, members[i].key.uuid, sizeof(members[i].key.uuid));
				break;
			default:
				twp_pack_put_varint(writer, members[i].key.text.len);
				twp_pack_put_bytes(writer, members[i].key.text.data, members[i].key.text.len);
		}
}

/* Adds the sorted members as one part a kind. */
static void
pack_members(TwpPackWriter *writer, const TwpSubject *members, uint64 n)
{
	for (uint64 from = 0, to; from < n; from = to)
	{
		TwpPackWriter size = {0};

		for (to = from; to < n && members[to].kind == members[from].kind; to++)
			;
		write_members(&size, members + from, to - from);
		twp_pack_begin_part(writer, members[from].kind, TWP_SET_DELTAS, to - from, size.len);
		write_members(writer, members + from, to - from);
	}
}

/* Packs a set without raising an error; NULL when out of memory. */
char *
twp_subjects_pack_quietly(const TwpSubjectSet *set, uint64 *len)
{
	TwpPackWriter writer = {0};
	TwpSubject *members = NULL;
	uint64		n = 0;

	if (set->members != NULL && (members = sorted_members(set, &n)) == NULL)
		return NULL;
	pack_window(&writer, set);
	pack_members(&writer, members, n);
	*len = writer.len;
	writer.data = MemoryContextAllocExtended(set->context, writer.len + 1,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (writer.data != NULL)
	{
		writer.len = 0;
		pack_window(&writer, set);
		pack_members(&writer, members, n);
	}
	if (members != NULL)
		pfree(members);
	return writer.data;
}

/* Packs a set. */
char *
twp_ledger_subjects_pack(const TwpSubjectSet *set, uint32 *len)
{
	uint64		size;
	char	   *packed = twp_subjects_pack_quietly(set, &size);

	if (packed == NULL || size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not pack a set of data subjects.")));
	*len = (uint32) size;
	return packed;
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

/* Stores a set as records that belong to an intent; false when it could not be stored whole. */
bool
twp_subjects_append(uint64 seq, const TwpSubjectSet *set)
{
	static char piece[TWP_RECORD_MAX - 1024];
	uint64		len;
	char	   *packed = twp_subjects_pack_quietly(set, &len);
	bool		ok = packed != NULL;

	for (uint64 at = 0; ok && at < len;)
	{
		TwpPackWriter writer = {.data = piece};
		uint64		size = Min(len - at, sizeof(piece) - 16);

		twp_pack_put_varint(&writer, TWP_FIELD_SET_DATA);
		twp_pack_put_varint(&writer, size);
		twp_pack_put_bytes(&writer, packed + at, size);
		ok = twp_ledger_append(TWP_RECORD_SUBJECTS, seq, piece, writer.len, NULL, false, NULL) != 0;
		at += size;
	}
	if (packed != NULL)
		pfree(packed);
	return ok;
}

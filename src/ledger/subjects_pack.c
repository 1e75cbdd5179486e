/*
 * subjects_pack.c - a set of data subjects as bytes.
 *
 * Packed.  Parts, each: kind, encoding, number of subjects, bytes.  Integers
 * are deltas, runs or a bitmap, whichever is smallest; texts are sorted, uuids
 * may come in any order, and there may be several parts of a kind.  Readers
 * check every bound: packed sets come from files.
 *
 * Memory: the set's context.  Failure: packing for a completion must not raise
 * and gives NULL instead.
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"
#include "ledger/subjects_internal.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

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

/* Gives the offset behind the run that a number of the window begins. */
static uint64
end_of_run(const TwpSubjectSet *set, uint64 offset)
{
	uint64		word_index = offset / 64;
	uint64		gaps = ~set->words[word_index] & (~UINT64CONST(0) << (offset % 64));

	while (gaps == 0)
	{
		if (++word_index * 64 >= set->bits)
			return set->bits;
		gaps = ~set->words[word_index];
	}
	return word_index * 64 + pg_rightmost_one_pos64(gaps);
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
			run = end_of_run(set, offset);
			twp_pack_put_varint(writer, run - offset - 1);
		}
		behind = offset = run;
	}
}

/* Number of runs in the window; one that crosses a word counts twice. */
static uint64
count_runs(const TwpSubjectSet *set)
{
	uint64		runs = 0;

	for (uint64 i = 0; i < set->bits / 64; i++)
		runs += pg_popcount64(set->words[i] & ~(set->words[i] << 1));
	return runs;
}

/* Size of the window in an encoding, or something above a limit. */
static uint64
window_size(const TwpSubjectSet *set, TwpSetEncoding encoding, uint64 limit)
{
	TwpPackWriter writer = {0};

	/* a delta takes a byte at least, and a run two */
	if ((encoding == TWP_SET_DELTAS && set->window_count > limit) ||
		(encoding == TWP_SET_RUNS && 2 * (count_runs(set) - Min(count_runs(set), set->bits / 64)) > limit))
		return limit + 1;
	write_window(&writer, set, encoding);
	return writer.len;
}

/* Adds the window as a part in its smallest encoding. */
static void
pack_window(TwpPackWriter *writer, const TwpSubjectSet *set)
{
	bool		one = set->window_count == 1;
	/* of one number a delta is the smallest: the way of a point read */
	TwpSetEncoding best = one ? TWP_SET_DELTAS : TWP_SET_BITMAP;
	uint64		best_size = window_size(set, best, 1);

	if (set->window_count == 0)
		return;
	for (int encoding = TWP_SET_DELTAS; !one && encoding <= TWP_SET_RUNS; encoding++)
	{
		uint64		size = window_size(set, encoding, best_size);

		if (size < best_size)
		{
			best_size = size;
			best = encoding;
		}
	}
	twp_pack_begin_part(writer, TWP_SUBJECT_INT, best, set->window_count, best_size);
	write_window(writer, set, best);
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

/* Adds the listed uuids as one part. */
static void
pack_list(TwpPackWriter *writer, const TwpSubjectSet *set)
{
	if (set->nlisted == 0)
		return;
	twp_pack_begin_part(writer, TWP_SUBJECT_UUID, TWP_SET_DELTAS, set->nlisted,
						set->nlisted * sizeof(set->listed->uuid));
	for (uint64 i = 0; writer->data != NULL && i < set->nlisted; i++)
		memcpy(writer->data + writer->len + i * sizeof(set->listed->uuid), set->listed[i].uuid,
			   sizeof(set->listed->uuid));
	writer->len += set->nlisted * sizeof(set->listed->uuid);
}

/* Packs a set without raising an error; NULL when out of memory. */
char *
twp_subjects_pack_quietly(TwpSubjectSet *set, uint64 *len)
{
	TwpPackWriter writer = {0};
	TwpSubject *members = NULL;
	uint64		n = 0;

	twp_subjects_settle(set);
	if (set->members != NULL && (members = twp_subjects_sorted_members(set, &n)) == NULL)
		return NULL;
	pack_window(&writer, set);
	pack_list(&writer, set);
	pack_members(&writer, members, n);
	*len = writer.len;
	writer.data = MemoryContextAllocExtended(set->context, writer.len + 1,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (writer.data != NULL)
	{
		writer.len = 0;
		pack_window(&writer, set);
		pack_list(&writer, set);
		pack_members(&writer, members, n);
	}
	if (members != NULL)
		pfree(members);
	return writer.data;
}

/* Packs a set. */
char *
twp_ledger_subjects_pack(TwpSubjectSet *set, uint32 *len)
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

/* Stores a packed set as records that belong to an intent; false when it could not be stored whole. */
bool
twp_subjects_append(uint64 seq, const char *packed, uint64 len)
{
	static char piece[TWP_RECORD_MAX - 1024];
	bool		ok = true;

	for (uint64 at = 0; ok && at < len;)
	{
		TwpPackWriter writer = {.data = piece};
		uint64		size = Min(len - at, sizeof(piece) - 16);

		twp_pack_put_varint(&writer, TWP_FIELD_SET_DATA);
		twp_pack_put_varint(&writer, size);
		twp_pack_put_bytes(&writer, packed + at, size);
		ok = twp_ledger_append(TWP_RECORD_SUBJECTS, seq, piece, writer.len, NULL, NULL) != 0;
		at += size;
	}
	return ok;
}

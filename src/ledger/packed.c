/*
 * packed.c - reading and writing the packed form of subject sets.
 *
 * Pure functions over bytes: no locks, no memory, no errors raised.  Every
 * bound is checked, because packed sets are read from files.
 */
#include "postgres.h"

#include "ledger/subjects_internal.h"

/* One part of a packed set. */
typedef struct Part
{
	TwpSubjectKind kind;
	TwpSetEncoding encoding;
	uint64		count;
	const char *data;
	const char *end;
} Part;

/* Writes or counts bytes. */
void
twp_pack_put_bytes(TwpPackWriter *writer, const void *data, uint64 len)
{
	if (writer->data != NULL && len > 0)
		memcpy(writer->data + writer->len, data, len);
	writer->len += len;
}

/* Writes or counts a number in base 128. */
void
twp_pack_put_varint(TwpPackWriter *writer, uint64 value)
{
	do
	{
		if (writer->data != NULL)
			writer->data[writer->len] = (char) (value >= 0x80 ? value | 0x80 : value);
		writer->len++;
		value >>= 7;
	} while (value != 0);
}

/* Writes or counts a signed number, small when near zero. */
void
twp_pack_put_signed(TwpPackWriter *writer, int64 value)
{
	twp_pack_put_varint(writer, ((uint64) value << 1) ^ (uint64) (value < 0 ? -1 : 0));
}

/* Writes a part's head. */
void
twp_pack_begin_part(TwpPackWriter *writer, TwpSubjectKind kind, TwpSetEncoding encoding,
					uint64 count, uint64 len)
{
	char		head[2] = {(char) kind, (char) encoding};

	twp_pack_put_bytes(writer, head, sizeof(head));
	twp_pack_put_varint(writer, count);
	twp_pack_put_varint(writer, len);
}

/* Reads a number in base 128. */
static bool
get_varint(const char **at, const char *end, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && *at < end; shift += 7)
	{
		uint8		byte = (uint8) *(*at)++;

		*value |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

/* Reads a signed number. */
static bool
get_signed(const char **at, const char *end, int64 *value)
{
	uint64		raw;

	if (!get_varint(at, end, &raw))
		return false;
	*value = (int64) ((raw >> 1) ^ (0 - (raw & 1)));
	return true;
}

/* Reads the next part's head; false at the end or where it is malformed. */
static bool
next_part(const char **at, const char *end, Part *part)
{
	uint64		len;

	if (end - *at < 2)
		return false;
	part->kind = (TwpSubjectKind) *(*at)++;
	part->encoding = (TwpSetEncoding) *(*at)++;
	if (!get_varint(at, end, &part->count) || !get_varint(at, end, &len) || len > (uint64) (end - *at))
		return false;
	part->data = *at;
	part->end = *at + len;
	*at += len;
	return true;
}

/* Visits the integers of a part. */
static bool
walk_integers(const Part *part, TwpLedgerSubjectVisitor visit, void *arg)
{
	const char *at = part->data;
	TwpSubject	subject = {.kind = TWP_SUBJECT_INT};
	uint64		gap,
				more = 0;
	int64		base;

	if (!get_signed(&at, part->end, &base))
		return false;
	if (part->encoding == TWP_SET_BITMAP)
	{
		for (uint64 bit = 0; at + bit / 8 < part->end; bit++)
			if (((uint8) at[bit / 8] & (1 << (bit % 8))) != 0)
			{
				subject.key.number = (int64) ((uint64) base + bit);
				if (!visit(&subject, arg))
					return true;
			}
		return true;
	}
	while (at < part->end)
	{
		if (!get_varint(&at, part->end, &gap) ||
			(part->encoding == TWP_SET_RUNS && !get_varint(&at, part->end, &more)))
			return false;
		base = (int64) ((uint64) base + gap);
		for (uint64 i = 0; i <= more; i++)
		{
			subject.key.number = base;
			base = (int64) ((uint64) base + 1);
			if (!visit(&subject, arg))
				return true;
		}
	}
	return true;
}

/* Visits the uuids or texts of a part. */
static bool
walk_others(const Part *part, TwpLedgerSubjectVisitor visit, void *arg)
{
	const char *at = part->data;
	TwpSubject	subject = {.kind = part->kind};

	while (at < part->end)
	{
		uint64		len = sizeof(subject.key.uuid);

		if (part->kind == TWP_SUBJECT_TEXT && !get_varint(&at, part->end, &len))
			return false;
		if (len > (uint64) (part->end - at) || len > PG_INT32_MAX)
			return false;
		if (part->kind == TWP_SUBJECT_UUID)
			memcpy(subject.key.uuid, at, len);
		else
		{
			subject.key.text.data = at;
			subject.key.text.len = (int) len;
		}
		at += len;
		if (!visit(&subject, arg))
			return true;
	}
	return true;
}

/* Visits all subjects of a packed set. */
bool
twp_ledger_subjects_walk(const char *packed, uint64 len, TwpLedgerSubjectVisitor visit, void *arg)
{
	const char *at = packed;
	const char *end = packed + len;
	Part		part;

	while (next_part(&at, end, &part))
	{
		bool		ok = part.kind == TWP_SUBJECT_INT ? walk_integers(&part, visit, arg) :
			walk_others(&part, visit, arg);

		if (!ok)
			return false;
	}
	return at == end;
}

/* A subject looked for among those visited. */
typedef struct Search
{
	const TwpSubject *wanted;
	bool		found;
} Search;

/* Stops at the subject looked for. */
static bool
search_one(const TwpSubject *subject, void *arg)
{
	Search	   *search = arg;

	search->found = twp_subject_equal(subject, search->wanted);
	return !search->found;
}

/* True when a part's bitmap has the number. */
static bool
bitmap_contains(const Part *part, int64 number)
{
	const char *at = part->data;
	int64		base;
	uint64		offset;

	if (!get_signed(&at, part->end, &base))
		return false;
	offset = (uint64) number - (uint64) base;
	return offset / 8 < (uint64) (part->end - at) &&
		((uint8) at[offset / 8] & (1 << (offset % 8))) != 0;
}

/* True when the packed set holds the subject. */
bool
twp_subjects_contain(const char *packed, uint64 len, const TwpSubject *subject)
{
	const char *at = packed;
	const char *end = packed + len;
	Search		search = {subject, false};
	Part		part;

	while (!search.found && next_part(&at, end, &part))
	{
		if (part.kind != subject->kind)
			continue;
		if (part.kind != TWP_SUBJECT_INT)
			(void) walk_others(&part, search_one, &search);
		else if (part.encoding == TWP_SET_BITMAP)
			search.found = bitmap_contains(&part, subject->key.number);
		else
			(void) walk_integers(&part, search_one, &search);
	}
	return search.found;
}

/* Number of subjects as the parts state it. */
uint64
twp_subjects_packed_count(const char *packed, uint64 len)
{
	const char *at = packed;
	uint64		count = 0;
	Part		part;

	while (next_part(&at, packed + len, &part))
		count += part.count;
	return count;
}

/* Orders subjects by kind, then value. */
int
twp_subject_compare(const TwpSubject *a, const TwpSubject *b)
{
	int			order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	switch (a->kind)
	{
		case TWP_SUBJECT_INT:
			return a->key.number < b->key.number ? -1 : a->key.number > b->key.number;
		case TWP_SUBJECT_UUID:
			return memcmp(a->key.uuid, b->key.uuid, sizeof(a->key.uuid));
		default:
			order = memcmp(a->key.text.data, b->key.text.data,
						   Min(a->key.text.len, b->key.text.len));
			return order != 0 ? order : a->key.text.len - b->key.text.len;
	}
}

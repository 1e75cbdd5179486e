/*
 * index.c - beside each finished segment, which subjects its statements told of.
 *
 * NNN.idx holds sorted pairs of a subject's hash and the seq of a statement,
 * and the seqs of statements with sets too large to list.  It only proposes:
 * each statement found is read and its set asked.  A missing index costs time,
 * not answers; verify_ledger() compares it with the segment.
 *
 * Locks: none; the worker writes, under another name first.  Memory: the
 * current context.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "ledger/ledger_internal.h"
#include "ledger/subjects_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#define INDEX_MAGIC "TWPINDX1"
#define LISTED_MAX 4096			/* larger sets are asked one by one */

typedef struct IndexHeader
{
	char		magic[8];
	uint64		entries;
	uint64		large;
} IndexHeader;

typedef struct IndexEntry
{
	uint64		hash;
	uint64		seq;
} IndexEntry;

/* An index being built; data is the file's bytes in the end. */
typedef struct Builder
{
	StringInfoData entries;
	StringInfoData large;
	uint64		seq;			/* statement whose set is walked */
} Builder;

/* Hashes a subject for good: the value is on disk. */
static uint64
index_hash(const TwpSubject *subject)
{
	char	   *text = twp_subject_to_text(subject);
	uint64		hash = hash_bytes_extended((const unsigned char *) text, (int) strlen(text), (uint64) subject->kind);

	pfree(text);
	return hash;
}

/* Names an index's file. */
static void
index_path(char *path, const char *directory, uint64 segno)
{
	snprintf(path, MAXPGPATH, "%s/%012llX.idx", directory, (unsigned long long) segno);
}

/* Adds one subject of the set being walked. */
static bool
list_subject(const TwpSubject *subject, void *arg)
{
	Builder    *builder = arg;
	IndexEntry	entry = {index_hash(subject), builder->seq};

	appendBinaryStringInfo(&builder->entries, (char *) &entry, sizeof(entry));
	return true;
}

/* Adds what a record with subjects says. */
static void
list_record(Builder *builder, const TwpRecordHeader *record)
{
	const char *at = (const char *) (record + 1);
	const char *end = (const char *) record + record->length;
	const char *data;
	uint32		len;
	int			tag;

	builder->seq = record->ref;
	while (twp_field_next(&at, end, &tag, &data, &len))
	{
		if (tag != TWP_FIELD_SET_DATA)
			continue;
		/* A set in several pieces cannot be told apart here: it is asked whole. */
		if (record->length > TWP_RECORD_MAX / 2 || twp_subjects_packed_count(data, len) > LISTED_MAX)
			appendBinaryStringInfo(&builder->large, (char *) &record->ref, sizeof(uint64));
		else
			(void) twp_ledger_subjects_walk(data, len, list_subject, builder);
	}
}

/* Orders entries by hash, then seq. */
static int
compare_entries(const void *a, const void *b)
{
	const IndexEntry *x = a;
	const IndexEntry *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Builds the bytes of the index of a loaded segment. */
void
twp_index_build(const char *segment, StringInfo bytes)
{
	Builder		builder;
	IndexHeader header = {0};
	const TwpRecordHeader *record;

	memcpy(header.magic, INDEX_MAGIC, sizeof(header.magic));
	initStringInfo(&builder.entries);
	initStringInfo(&builder.large);
	for (uint32 at = TWP_SEGMENT_START; (record = twp_scan_record_at(segment, at)) != NULL;
		 at += TWP_RECORD_ALIGN(record->length))
		if (record->type == TWP_RECORD_SUBJECTS || record->type == TWP_RECORD_COMPLETION)
			list_record(&builder, record);
	header.entries = builder.entries.len / sizeof(IndexEntry);
	header.large = builder.large.len / sizeof(uint64);
	qsort(builder.entries.data, header.entries, sizeof(IndexEntry), compare_entries);
	initStringInfo(bytes);
	appendBinaryStringInfo(bytes, (char *) &header, sizeof(header));
	appendBinaryStringInfo(bytes, builder.entries.data, builder.entries.len);
	appendBinaryStringInfo(bytes, builder.large.data, builder.large.len);
	pfree(builder.entries.data);
	pfree(builder.large.data);
}

/* Writes the index of a segment unless it is there. */
static void
write_index(const char *directory, uint64 segno, char *buffer)
{
	char		path[MAXPGPATH];
	char		temporary[MAXPGPATH];
	StringInfoData bytes;
	bool		ok;
	int			fd;

	index_path(path, directory, segno);
	if (access(path, F_OK) == 0 || !twp_scan_load(directory, segno, buffer, TWP_SEGMENT_SIZE))
		return;
	twp_index_build(buffer, &bytes);
	snprintf(temporary, sizeof(temporary), "%s/index.tmp", directory);
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd >= 0 && twp_spool_write(fd, bytes.data, bytes.len, 0) && pg_fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok || rename(temporary, path) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("twin_privacy ledger: could not write \"%s\": %m", path)));
	pfree(bytes.data);
}

/* Writes the indexes that finished segments lack, of all chains here. */
void
twp_index_write_missing(void)
{
	char	   *buffer = palloc(TWP_SEGMENT_SIZE);
	ListCell   *lc;

	foreach(lc, twp_scan_nodes())
	{
		TwpNodeRef *node = lfirst(lc);
		uint64		first,
					last;

		if (twp_scan_segments(node->directory, &first, &last))
			for (uint64 segno = first; segno < last; segno++)
				write_index(node->directory, segno, buffer);
	}
	pfree(buffer);
}

/* Reads the whole index of a segment; NULL when there is none. */
char *
twp_index_load(const char *directory, uint64 segno, uint64 *len)
{
	char		path[MAXPGPATH];
	char	   *bytes = NULL;
	struct stat st;
	int			fd;

	index_path(path, directory, segno);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t) sizeof(IndexHeader) && st.st_size < (off_t) MaxAllocSize)
	{
		bytes = palloc(st.st_size);
		*len = st.st_size;
		if (pread(fd, bytes, st.st_size, 0) != st.st_size)
		{
			pfree(bytes);
			bytes = NULL;
		}
	}
	close(fd);
	return bytes;
}

/* Adds the seqs an index's bytes propose for a subject's hash. */
static void
propose(const char *bytes, uint64 len, uint64 hash, StringInfo seqs)
{
	const IndexHeader *header = (const IndexHeader *) bytes;
	const IndexEntry *entries = (const IndexEntry *) (header + 1);
	uint64		low = 0,
				high = header->entries;

	if (memcmp(header->magic, INDEX_MAGIC, sizeof(header->magic)) != 0 ||
		header->entries > len / sizeof(IndexEntry) || header->large > len / sizeof(uint64) ||
		sizeof(IndexHeader) + header->entries * sizeof(IndexEntry) + header->large * sizeof(uint64) != len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an index of the ledger is damaged"),
				 errhint("Call twin_privacy.verify_ledger() and remove the file it names.")));
	while (low < high)
	{
		uint64		middle = (low + high) / 2;

		if (entries[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < header->entries && entries[low].hash == hash; low++)
		appendBinaryStringInfo(seqs, (const char *) &entries[low].seq, sizeof(uint64));
	appendBinaryStringInfo(seqs, (const char *) (entries + header->entries), (int) (header->large * sizeof(uint64)));
}

/* Orders seqs. */
static int
compare_seqs(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Lists, in order and each once, the statements of a node that may have told
 * of one of the subjects; an unfinished segment is indexed in memory.
 */
uint64 *
twp_index_candidates(const TwpNodeRef *node, const TwpSubject *subjects, int n, int *count)
{
	StringInfoData seqs;
	uint64	   *list;
	char	   *buffer = NULL;
	uint64		first,
				last;
	int			kept = 0;

	initStringInfo(&seqs);
	*count = 0;
	if (!twp_scan_segments(node->directory, &first, &last))
		return NULL;
	for (uint64 segno = first; segno <= last; segno++)
	{
		uint64		len;
		StringInfoData built;
		char	   *bytes = twp_index_load(node->directory, segno, &len);

		CHECK_FOR_INTERRUPTS();
		if (bytes == NULL)
		{
			if (buffer == NULL)
				buffer = palloc(TWP_SEGMENT_SIZE);
			if (!twp_scan_load(node->directory, segno, buffer, TWP_SEGMENT_SIZE))
				continue;
			twp_index_build(buffer, &built);
			bytes = built.data;
			len = built.len;
		}
		for (int i = 0; i < n; i++)
			propose(bytes, len, index_hash(&subjects[i]), &seqs);
		pfree(bytes);
	}
	list = (uint64 *) seqs.data;
	*count = seqs.len / (int) sizeof(uint64);
	qsort(list, *count, sizeof(uint64), compare_seqs);
	for (int i = 0; i < *count; i++)
		if (kept == 0 || list[kept - 1] != list[i])
			list[kept++] = list[i];
	*count = kept;
	return list;
}

/* Removes the index of a segment that is dropped. */
void
twp_index_drop(const char *directory, uint64 segno)
{
	char		path[MAXPGPATH];

	index_path(path, directory, segno);
	(void) unlink(path);
}

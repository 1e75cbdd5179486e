/*
 * scan.c - reading chains back from the segment files.
 *
 * A scan sees what was durable when it began; readers of this node's chain
 * drain it first so that they see what they did themselves.  It checks that
 * records are well formed, not that they chain: verify.c does.
 *
 * Locks: none; files only grow, and a dropped segment ends or skips the scan.
 * Memory: one segment's bytes in the current context.  Failure: raises the
 * errors of the files (not for use while aborting).
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"

struct TwpScan
{
	TwpNodeRef	node;
	uint64		segno;			/* loaded, or next to load when buffer_used is 0 */
	uint64		last_segno;
	uint64		from_seq;
	uint64		limit_seq;
	char	   *buffer;
	uint32		offset;
};

/* Finds the smallest and largest segment number of a node; false when there is none. */
bool
twp_scan_segments(const char *directory, uint64 *first, uint64 *last)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;
	bool		any = false;

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL)
	{
		unsigned long long segno;
		int			used = 0;

		if (sscanf(entry->d_name, "%12llX.seg%n", &segno, &used) != 1 || entry->d_name[used] != '\0' || used == 0)
			continue;
		if (!any || segno < *first)
			*first = segno;
		if (!any || segno > *last)
			*last = segno;
		any = true;
	}
	closedir(dir);
	return any;
}

/* Reads up to len bytes at the start of a segment; the rest of buffer becomes zero. */
bool
twp_scan_load(const char *directory, uint64 segno, char *buffer, size_t len)
{
	int			fd = twp_spool_open(directory, segno, false);
	size_t		done = 0;

	if (fd < 0)
		return false;
	while (done < len)
	{
		ssize_t		got = pread(fd, buffer + done, len - done, done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += got;
	}
	close(fd);
	memset(buffer + done, 0, len - done);
	return done > 0;
}

/* The record at an offset of a loaded segment, or NULL where none is well formed. */
const TwpRecordHeader *
twp_scan_record_at(const char *buffer, uint32 offset)
{
	const TwpRecordHeader *record = (const TwpRecordHeader *) (buffer + offset);

	if (offset + sizeof(TwpRecordHeader) > TWP_SEGMENT_SIZE ||
		record->magic != TWP_RECORD_MAGIC ||
		record->length < sizeof(TwpRecordHeader) ||
		record->length > TWP_RECORD_MAX ||
		offset + TWP_RECORD_ALIGN(record->length) > TWP_SEGMENT_SIZE)
		return NULL;
	return record;
}

/* Lists the chains in the ledger directory: this cluster's and those it adopted, or all others. */
static List *
list_chains(bool strangers)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	char	   *root = pstrdup(shared->directory);
	List	   *nodes = NIL;
	DIR		   *dir;
	struct dirent *entry;

	/* a server that could not make its own directory has none to look beside */
	if (root[0] == '\0')
		return NIL;
	*strrchr(root, '/') = '\0';
	dir = AllocateDir(root);
	while ((entry = ReadDir(dir, root)) != NULL)
	{
		TwpNodeRef *ref;
		TwpSegmentHeader header;
		uint64		first,
					last;

		if (strncmp(entry->d_name, "node-", 5) != 0)
			continue;
		ref = palloc0(sizeof(TwpNodeRef));
		snprintf(ref->directory, MAXPGPATH, "%s/%s", root, entry->d_name);
		ref->own = strcmp(ref->directory, shared->directory) == 0;
		if (!twp_scan_segments(ref->directory, &first, &last) ||
			!twp_scan_load(ref->directory, first, (char *) &header, sizeof(header)))
			continue;
		ref->node_number = header.node_number;
		memcpy(ref->node, header.node, TWP_NODE_LEN);
		ref->adopted = header.system != shared->system &&
			twp_adopt_find(ref->directory, shared->system, &ref->node_number);
		if ((header.system == shared->system || ref->adopted) == strangers)
			continue;
		nodes = ref->own ? lcons(ref, nodes) : lappend(nodes, ref);
	}
	FreeDir(dir);
	return nodes;
}

/* Lists the nodes whose chains lie in the ledger directory and are this cluster's past and present, its own first. */
List *
twp_scan_nodes(void)
{
	return list_chains(false);
}

/* Lists the chains of other clusters there, which nobody has adopted. */
List *
twp_scan_strangers(void)
{
	return list_chains(true);
}

/* Finds the last segment that begins at or before a seq. */
static uint64
segment_of_seq(const char *directory, uint64 first, uint64 last, uint64 seq)
{
	while (first < last)
	{
		uint64		middle = first + (last - first + 1) / 2;
		TwpSegmentHeader header;

		if (!twp_scan_load(directory, middle, (char *) &header, sizeof(header)))
			return first;
		if (header.first_seq <= seq)
			first = middle;
		else
			last = middle - 1;
	}
	return first;
}

/*
 * Finds a seq from which on everything recorded since a time lies: the
 * beginning of the last segment that was begun before it.  The clock may have
 * been set back meanwhile, so the first segment begun later ends the search.
 */
uint64
twp_scan_seq_since(const TwpNodeRef *node, int64 since)
{
	uint64		first,
				last,
				seq = 0;

	if (since == PG_INT64_MIN || !twp_scan_segments(node->directory, &first, &last))
		return 0;
	for (uint64 segno = first; segno <= last; segno++)
	{
		TwpSegmentHeader header;

		if (!twp_scan_load(node->directory, segno, (char *) &header, sizeof(header)) ||
			header.created_at > since)
			break;
		seq = header.first_seq;
	}
	return seq;
}

/* Begins to read a node's chain at a seq (0: at its oldest kept record). */
TwpScan *
twp_scan_begin(const TwpNodeRef *node, uint64 from_seq)
{
	TwpScan    *scan = palloc0(sizeof(TwpScan));
	uint64		first;

	scan->node = *node;
	scan->from_seq = from_seq;
	scan->limit_seq = PG_UINT64_MAX;
	if (node->own)
	{
		if (pg_atomic_read_u32(&twp_ledger_shared->state) == TWP_LEDGER_OPEN)
			(void) twp_ledger_drain();
		scan->limit_seq = pg_atomic_read_u64(&twp_ledger_shared->flushed_seq);
	}
	if (!twp_scan_segments(node->directory, &first, &scan->last_segno))
	{
		scan->segno = 1;
		return scan;
	}
	scan->segno = segment_of_seq(node->directory, first, scan->last_segno, from_seq);
	return scan;
}

/* Gives the next record, valid until the next call, or NULL at the end. */
const TwpRecordHeader *
twp_scan_next(TwpScan *scan)
{
	for (;;)
	{
		const TwpRecordHeader *record;

		CHECK_FOR_INTERRUPTS();
		if (scan->offset == 0)
		{
			if (scan->segno > scan->last_segno)
				return NULL;
			if (scan->buffer == NULL)
				scan->buffer = palloc(TWP_SEGMENT_SIZE);
			scan->offset = TWP_SEGMENT_START;
			if (!twp_scan_load(scan->node.directory, scan->segno, scan->buffer, TWP_SEGMENT_SIZE))
				scan->offset = TWP_SEGMENT_SIZE;
		}
		record = twp_scan_record_at(scan->buffer, scan->offset);
		if (record == NULL)
		{
			scan->segno++;
			scan->offset = 0;
			continue;
		}
		if (record->seq > scan->limit_seq)
			return NULL;
		scan->offset += TWP_RECORD_ALIGN(record->length);
		if (record->seq >= scan->from_seq)
			return record;
	}
}

/* Frees a scan. */
void
twp_scan_end(TwpScan *scan)
{
	if (scan->buffer != NULL)
		pfree(scan->buffer);
	pfree(scan);
}

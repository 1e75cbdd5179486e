/*
 * recover.c - finding the end of the chain at start, and what a crash left.
 *
 * The last segment is read and its chain recomputed.  What follows the last
 * record that chains is one of two things.  A torn batch: the crash came
 * before its sync ended, so nobody was told anything on its strength; it is
 * zeroed.  Or damage: some later record, or the anchor, says that the missing
 * record had been durable; then the ledger stays closed (fail closed, nothing
 * is overwritten) until an auditor has looked.
 *
 * Runs in the postmaster (or a single-user backend) before any other process
 * can write.  Failure: the ledger stays closed, the server starts.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"

/* Open intents found in the spool. */
typedef struct OpenList
{
	uint64	   *seqs;
	int			count;
	int			size;
} OpenList;

/* Removes spares of an earlier run: a crash may have left one half filled. */
static void
remove_spares(const char *directory)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;
	char		path[MAXPGPATH];

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
	{
		if (strncmp(entry->d_name, "spare.", 6) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		(void) unlink(path);
	}
	closedir(dir);
}

/* True when the server was shut down in order, so that no buffered record was lost. */
static bool
shut_down_cleanly(void)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(".", &crc_ok);
	bool		clean = crc_ok && (control->state == DB_SHUTDOWNED ||
								   control->state == DB_SHUTDOWNED_IN_RECOVERY);

	pfree(control);
	return clean;
}

/* Checks a loaded segment's header against itself and this node. */
static bool
header_valid(const TwpSegmentHeader *header, uint64 segno)
{
	uint8		hash[TWP_HASH_LEN];

	return memcmp(header->magic, TWP_SEGMENT_MAGIC, sizeof(header->magic)) == 0 &&
		header->segno == segno &&
		memcmp(header->node, twp_ledger_shared->node, TWP_NODE_LEN) == 0 &&
		twp_spool_hash_segment(header, hash) &&
		memcmp(hash, header->hash, TWP_HASH_LEN) == 0;
}

/* Walks the chain of the last segment and sets the head to its last good record, whose time it gives. */
static TimestampTz
walk_last_segment(const char *buffer, const TwpAnchor *anchor, bool *anchor_contradicts)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	const TwpSegmentHeader *header = (const TwpSegmentHeader *) buffer;
	const TwpRecordHeader *record;
	TimestampTz recorded_at = header->created_at;

	shared->head_seq = header->first_seq - 1;
	memcpy(shared->head, header->prev_hash, TWP_HASH_LEN);
	shared->offset = TWP_SEGMENT_START;
	while ((record = twp_scan_record_at(buffer, shared->offset)) != NULL)
	{
		uint8		hash[TWP_HASH_LEN];

		if (record->seq != shared->head_seq + 1 ||
			!twp_spool_hash_record(shared->node, shared->head, (TwpRecordHeader *) record, hash) ||
			memcmp(hash, record->hash, TWP_HASH_LEN) != 0)
			break;
		shared->head_seq = record->seq;
		memcpy(shared->head, hash, TWP_HASH_LEN);
		shared->offset += TWP_RECORD_ALIGN(record->length);
		if (anchor->seq == record->seq && memcmp(anchor->hash, hash, TWP_HASH_LEN) != 0)
			*anchor_contradicts = true;
		recorded_at = record->recorded_at;
	}
	return recorded_at;
}

/* True when bytes behind the good part claim that something missing had been durable. */
static bool
tail_was_durable(const char *buffer)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	for (uint32 at = shared->offset; at < TWP_SEGMENT_SIZE; at += 8)
	{
		const TwpRecordHeader *record = twp_scan_record_at(buffer, at);

		if (record != NULL && record->durable_seq > shared->head_seq)
			return true;
	}
	return false;
}

/* Zeroes a torn batch behind the good part; tells how many bytes it had. */
static bool
clear_torn_tail(const char *buffer, uint32 *discarded)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint32		end = TWP_SEGMENT_SIZE;
	char	   *zeros;
	bool		ok;
	int			fd;

	while (end > shared->offset && buffer[end - 1] == 0)
		end--;
	*discarded = end - shared->offset;
	if (*discarded == 0)
		return true;
	fd = twp_spool_open(shared->directory, shared->segno, true);
	zeros = palloc0(*discarded);
	ok = fd >= 0 && twp_spool_write(fd, zeros, *discarded, shared->offset) && pg_fsync(fd) == 0;
	if (!ok)
		twp_ledger_fail(TWP_LEDGER_CLOSED, "could not clear a torn tail: %s", strerror(errno));
	pfree(zeros);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Adds or removes an open intent or event; what is open is mostly recent. */
static void
note_record(OpenList *open, const TwpRecordHeader *record)
{
	/* an event that refers to another shares its completion */
	if (record->type == TWP_RECORD_INTENT || (record->type == TWP_RECORD_EVENT && record->ref == 0))
	{
		if (open->count == open->size)
		{
			open->size = open->size == 0 ? 256 : open->size * 2;
			open->seqs = open->seqs == NULL ? palloc(open->size * sizeof(uint64)) :
				repalloc(open->seqs, open->size * sizeof(uint64));
		}
		open->seqs[open->count++] = record->seq;
	}
	else if (record->type == TWP_RECORD_COMPLETION)
	{
		for (int i = open->count - 1; i >= 0; i--)
			if (open->seqs[i] == record->ref)
			{
				memmove(&open->seqs[i], &open->seqs[i + 1], (open->count - i - 1) * sizeof(uint64));
				open->count--;
				break;
			}
	}
}

/* Lists what is open up to the head, reading back as far as the last segment's header says. */
static void
find_open(uint64 from_seq, OpenList *open)
{
	TwpNodeRef	node = {.node_number = twp_ledger_shared->node_number};
	TwpScan    *scan;
	const TwpRecordHeader *record;

	strlcpy(node.directory, twp_ledger_shared->directory, MAXPGPATH);
	scan = twp_scan_begin(&node, from_seq);
	while ((record = twp_scan_next(scan)) != NULL && record->seq <= twp_ledger_shared->head_seq)
		note_record(open, record);
	twp_scan_end(scan);
}

/* Appends a record of the ledger's own. */
static bool
append_note(TwpRecordType type, const char *kind, const char *detail)
{
	StringInfoData buf;
	bool		ok;

	initStringInfo(&buf);
	twp_field_put_text(&buf, TWP_FIELD_KIND, kind);
	twp_field_put_text(&buf, TWP_FIELD_DETAIL, detail);
	ok = twp_ledger_append_note(type, buf.data, buf.len, NULL);
	pfree(buf.data);
	return ok;
}

/*
 * Completes what a crash left open, and says that there was one.  Room for
 * both was kept, so that a crash on a full disk does not leave the ledger closed.
 */
static bool
record_crash(const OpenList *open, uint32 discarded)
{
	char	   *detail = psprintf("{\"open\": %d, \"torn_bytes\": %u, \"may_be_missing\": "
								  "\"completions of the last moments; in mode binding also statements of the last %d ms\"}",
								  open->count, discarded, TWP_BINDING_WINDOW_MS);
	StringInfoData buf;
	bool		ok = append_note(TWP_RECORD_GAP, "ledger.gap", detail);

	initStringInfo(&buf);
	twp_field_put_number(&buf, TWP_FIELD_OUTCOME, TWP_OUTCOME_CRASHED);
	twp_ledger_shared->reserved += (uint64) open->count * TWP_COMPLETION_MAX;
	for (int i = 0; ok && i < open->count; i++)
		ok = twp_ledger_append_completion(TWP_NO_SLOT, open->seqs[i], buf.data, buf.len) != 0;
	pfree(buf.data);
	pfree(detail);
	return ok;
}

/* Begins the chain of a new node. */
static bool
begin_chain(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpAnchor	anchor;

	if (twp_anchor_read(shared->directory, &anchor))
	{
		shared->damaged = true;
		twp_ledger_fail(TWP_LEDGER_CLOSED, "all segments are missing from \"%s\"", shared->directory);
		return false;
	}
	shared->segno = 0;
	shared->first_segno = 1;
	shared->next_seq = 1;
	if (!twp_ledger_grow_locked() || !twp_ledger_next_segment_locked())
		return false;
	pg_atomic_write_u32(&shared->state, TWP_LEDGER_OPEN);
	return append_note(TWP_RECORD_GENESIS, "ledger.genesis", NULL) && twp_ledger_drain();
}

/* Takes up the chain where its last segment ends. */
static bool
resume_chain(char *buffer)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	const TwpSegmentHeader *header = (const TwpSegmentHeader *) buffer;
	TwpAnchor	anchor = {0};
	bool		anchor_contradicts = false;
	TimestampTz last_recorded_at;
	uint32		discarded;
	OpenList	open = {0};
	bool		clean = shut_down_cleanly();

	if (!twp_scan_load(shared->directory, shared->segno, buffer, TWP_SEGMENT_SIZE) ||
		!header_valid(header, shared->segno))
	{
		shared->damaged = true;
		twp_ledger_fail(TWP_LEDGER_CLOSED, "header of segment %llu is damaged", (unsigned long long) shared->segno);
		return false;
	}
	(void) twp_anchor_read(shared->directory, &anchor);
	last_recorded_at = walk_last_segment(buffer, &anchor, &anchor_contradicts);
	if (anchor_contradicts || anchor.seq > shared->head_seq || tail_was_durable(buffer))
	{
		shared->damaged = true;
		twp_ledger_fail(TWP_LEDGER_CLOSED, "records after %llu are damaged or missing; call twin_privacy.verify_ledger()",
						(unsigned long long) twp_ledger_record_id(shared->head_seq));
		return false;
	}
	if (!clear_torn_tail(buffer, &discarded))
		return false;
	find_open(header->oldest_open, &open);
	shared->next_seq = shared->head_seq + 1;
	/* On a full disk what is left of the segment may still do. */
	(void) twp_ledger_grow_locked();
	pg_atomic_write_u32(&shared->state, TWP_LEDGER_OPEN);
	twp_ledger_publish_locked(0);
	twp_ledger_note_clock_at_start(last_recorded_at);
	return (clean && open.count == 0 && discarded == 0) ||
		(record_crash(&open, discarded) && twp_ledger_drain());
}

/* Opens the ledger at server start; leaves it closed, with the reason, when it cannot. */
void
twp_ledger_recover(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		first,
				last;
	bool		created;
	bool		ok;

	shared->system = GetSystemIdentifier();
	if (!twp_spool_find_node(twp_ledger_directory, shared->system, shared, &created))
		return;
	remove_spares(shared->directory);
	if (!twp_scan_segments(shared->directory, &first, &last))
		ok = begin_chain();
	else
	{
		char	   *buffer = palloc(TWP_SEGMENT_SIZE);

		shared->first_segno = first;
		shared->segno = last;
		ok = resume_chain(buffer);
		pfree(buffer);
	}
	if (!ok)
		pg_atomic_write_u32(&shared->state, TWP_LEDGER_CLOSED);
}

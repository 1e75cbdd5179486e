/*
 * drain.c - the one place where records are chained, written and synced.
 *
 * Whoever holds the flush lock is the drainer: it takes all records that wait
 * in the ring, chains them, writes them with one pwrite, syncs once and
 * publishes how far the ledger is durable.  Who drains for whom: flush.c.
 *
 * Locks: flush lock, then append lock for moments.  Failure: false; a failed
 * sync breaks the ledger until restart, because after it nobody knows what the
 * disk holds.  Memory: shared staging only; one file descriptor a process.
 */
#include "postgres.h"

#include <unistd.h>

#include "base/clock.h"
#include "ledger/ledger_internal.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

/* A full disk is not filled to its brim all the time to see whether it still is. */
#define SPARE_RETRY_MS 1000

/* The current segment, as this process has it open. */
static int	segment_fd = -1;
static uint64 segment_fd_segno = 0;

/* State of one drain. */
typedef struct Drain
{
	uint64		pos;			/* next record in the ring */
	uint64		end;
	uint32		staged;			/* bytes waiting in the staging area */
	uint64		head_seq;		/* chain including what is staged */
	uint8		head[TWP_HASH_LEN];
	uint64		durable_seq;
} Drain;

/* Copies bytes from a position of the ring. */
static void
ring_get(uint64 pos, char *data, size_t len)
{
	uint64		at = pos % twp_ledger_shared->ring_size;
	size_t		first = Min(len, twp_ledger_shared->ring_size - at);

	memcpy(data, twp_ledger_ring() + at, first);
	memcpy(data + first, twp_ledger_ring(), len - first);
}

/* Opens the current segment in this process. */
static bool
open_segment(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	if (segment_fd >= 0 && segment_fd_segno == shared->segno)
		return true;
	if (segment_fd >= 0)
		close(segment_fd);
	segment_fd = twp_spool_open(shared->directory, shared->segno, true);
	segment_fd_segno = shared->segno;
	if (segment_fd < 0)
		twp_ledger_fail(TWP_LEDGER_BROKEN, "could not open the current segment: %s", strerror(errno));
	return segment_fd >= 0;
}

/* Bytes that records up to the largest can surely use, in the segment and the spares. */
static uint64
usable_space(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		space = 0;

	if (shared->offset + TWP_RECORD_MAX < TWP_SEGMENT_SIZE)
		space = TWP_SEGMENT_SIZE - TWP_RECORD_MAX - shared->offset;
	return space + (uint64) shared->spares *
		(TWP_SEGMENT_SIZE - TWP_RECORD_MAX - TWP_SEGMENT_START);
}

/* Tells everybody how far the ring is on disk and what room is left. */
void
twp_ledger_publish_locked(uint64 pos)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
	shared->drained_pos = pos;
	shared->space_left = usable_space();
	LWLockRelease(shared->append_lock);
	pg_atomic_write_u64(&shared->flushed_seq, shared->head_seq);
	pg_atomic_write_u64(&shared->flushed_pos, pos);
}

/*
 * Fills up what is staged with zeros, which are there already, to the end of
 * the last page when it is the first time that something is written there:
 * a page of which only a part is written is read from the disk before, unless
 * it is in memory, and everybody would wait for that.  Returns the length.
 */
static uint32
fill_new_page(uint32 offset, uint32 staged)
{
	uint32		end = offset + staged;
	uint32		rest = (TWP_SEGMENT_PAGE - end % TWP_SEGMENT_PAGE) % TWP_SEGMENT_PAGE;

	if (offset % TWP_SEGMENT_PAGE != 0 && offset / TWP_SEGMENT_PAGE == end / TWP_SEGMENT_PAGE)
		return staged;
	memset(twp_ledger_staging() + staged, 0, rest);
	return staged + rest;
}

/* Writes and syncs what is staged, and moves the chain's head over it. */
static bool
write_staged(Drain *drain)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	if (drain->staged == 0)
		return true;
	if (!open_segment())
		return false;
	if (!twp_spool_write(segment_fd, twp_ledger_staging(), fill_new_page(shared->offset, drain->staged),
						 shared->offset))
	{
		twp_ledger_fail(TWP_LEDGER_OPEN, "could not write: %s", strerror(errno));
		return false;
	}
	if (pg_fdatasync(segment_fd) != 0)
	{
		twp_ledger_fail(TWP_LEDGER_BROKEN, "could not sync: %s", strerror(errno));
		return false;
	}
	shared->offset += drain->staged;
	shared->head_seq = drain->head_seq;
	memcpy(shared->head, drain->head, TWP_HASH_LEN);
	drain->staged = 0;
	drain->durable_seq = drain->head_seq;
	twp_ledger_publish_locked(drain->pos);
	return true;
}

/*
 * Smallest seq whose completion is owed or not yet written: where a recovery
 * that begins in the next segment must look back to.
 */
uint64
twp_ledger_oldest_open(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		oldest = pg_atomic_read_u64(&shared->flushed_seq) + 1;
	TwpRecordHeader header;

	LWLockAcquire(shared->append_lock, LW_SHARED);
	for (uint64 pos = shared->drained_pos; pos < shared->insert_pos;
		 pos += TWP_RECORD_ALIGN(header.length))
	{
		ring_get(pos, (char *) &header, sizeof(header));
		if (header.type == TWP_RECORD_COMPLETION && header.ref < oldest)
			oldest = header.ref;
	}
	for (int i = 0; i < shared->slot_count; i++)
		if (shared->slots[i].seq != 0 && shared->slots[i].seq < oldest)
			oldest = shared->slots[i].seq;
	LWLockRelease(shared->append_lock);
	return oldest;
}

/* True when the GUC's limit leaves room for one more segment. */
static bool
may_grow(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		limit = (uint64) twp_ledger_max_size_mb * 1024 * 1024 / TWP_SEGMENT_SIZE;

	return limit == 0 || shared->segno - shared->first_segno + 1 + shared->spares < limit;
}

/* Counts one more spare. */
static void
add_spare_locked(void)
{
	twp_ledger_shared->spares++;
	twp_ledger_publish_locked(twp_ledger_shared->drained_pos);
}

/* Adds one zero-filled spare; the caller holds the flush lock. */
bool
twp_ledger_grow_locked(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	if (!may_grow())
	{
		twp_ledger_fail(TWP_LEDGER_OPEN, "spool is full (twin_privacy.ledger_max_size)");
		return false;
	}
	if (!twp_spool_make_spare(shared->directory, shared->spares))
		return false;
	add_spare_locked();
	return true;
}

/* Keeps one spare ready, filled while others go on flushing; for the worker alone. */
void
twp_ledger_keep_spare(void)
{
	static int64 next_try = 0;
	TwpLedgerShared *shared = twp_ledger_shared;

	/* Read without the lock, for which statements wait: whoever uses a spare now is seen in the next round. */
	if (shared->spares > 0 || !may_grow() || twp_clock_elapsed() < next_try)
		return;
	next_try = twp_clock_elapsed() + SPARE_RETRY_MS * INT64CONST(1000);
	if (!twp_spool_make_spare(shared->directory, TWP_SPARE_IN_THE_MAKING))
		return;
	LWLockAcquire(shared->flush_lock, LW_EXCLUSIVE);
	/* Somebody who could not wait may have made one by now: it is named behind that. */
	if (may_grow() && twp_spool_name_spare(shared->directory, shared->spares))
	{
		add_spare_locked();
		next_try = 0;
	}
	LWLockRelease(shared->flush_lock);
}

/* Begins the next segment behind the chain's head; the caller holds the flush lock. */
bool
twp_ledger_next_segment_locked(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpSegmentHeader header = {
		.version = 1,
		.node_number = shared->node_number,
		.system = shared->system,
		.segno = shared->segno + 1,
		.first_seq = shared->head_seq + 1,
		.oldest_open = twp_ledger_oldest_open(),
		.created_at = GetCurrentTimestamp(),
	};
	int			fd;

	if (shared->spares == 0 && !twp_ledger_grow_locked())
		return false;
	memcpy(header.magic, TWP_SEGMENT_MAGIC, sizeof(header.magic));
	memcpy(header.node, shared->node, TWP_NODE_LEN);
	memcpy(header.prev_hash, shared->head, TWP_HASH_LEN);
	if (!twp_spool_hash_segment(&header, header.hash))
		return false;
	fd = twp_spool_begin_segment(shared->directory, shared->spares - 1, &header);
	if (fd < 0)
		return false;
	if (segment_fd >= 0)
		close(segment_fd);
	segment_fd = fd;
	segment_fd_segno = header.segno;
	shared->spares--;
	shared->segno = header.segno;
	shared->offset = TWP_SEGMENT_START;
	twp_ledger_publish_locked(shared->drained_pos);
	return true;
}

/* Chains the record at the drain's position into the staging area. */
static bool
stage_record(Drain *drain, uint32 length)
{
	TwpRecordHeader *record = (TwpRecordHeader *) (twp_ledger_staging() + drain->staged);
	uint32		size = TWP_RECORD_ALIGN(length);

	ring_get(drain->pos, (char *) record, size);
	record->durable_seq = drain->durable_seq;
	if (!twp_spool_hash_record(twp_ledger_shared->node, drain->head, record, record->hash))
	{
		twp_ledger_fail(TWP_LEDGER_OPEN, "could not compute a hash");
		return false;
	}
	memcpy(drain->head, record->hash, TWP_HASH_LEN);
	drain->head_seq = record->seq;
	drain->staged += size;
	drain->pos += size;
	return true;
}

/* Makes everything appended so far durable; the caller holds the flush lock. */
bool
twp_ledger_drain_locked(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	Drain		drain = {.staged = 0, .head_seq = shared->head_seq, .durable_seq = shared->head_seq};

	if (pg_atomic_read_u32(&shared->state) != TWP_LEDGER_OPEN)
		return false;
	memcpy(drain.head, shared->head, TWP_HASH_LEN);
	LWLockAcquire(shared->append_lock, LW_SHARED);
	drain.pos = shared->drained_pos;
	drain.end = shared->insert_pos;
	LWLockRelease(shared->append_lock);

	while (drain.pos < drain.end)
	{
		TwpRecordHeader header;

		ring_get(drain.pos, (char *) &header, sizeof(header));
		if (shared->offset + drain.staged + TWP_RECORD_ALIGN(header.length) > TWP_SEGMENT_SIZE &&
			!(write_staged(&drain) && twp_ledger_next_segment_locked()))
			return false;
		if (!stage_record(&drain, header.length))
			return false;
	}
	return write_staged(&drain);
}

/* Makes everything appended so far durable. */
bool
twp_ledger_drain(void)
{
	bool		ok;

	LWLockAcquire(twp_ledger_shared->flush_lock, LW_EXCLUSIVE);
	ok = twp_ledger_drain_locked();
	LWLockRelease(twp_ledger_shared->flush_lock);
	return ok;
}

/*
 * ring.c - shared memory: records on their way to the spool, and what is owed.
 *
 * Appending copies a record into the ring under the append lock and gives it
 * its seq; the drainer chains and writes it later.  An intent also takes a
 * slot and reserves room on disk for its completion, so that a statement that
 * was let through can always be completed.
 *
 * Failure: 0 instead of a seq; never an error.  Memory: shared only.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define TRANCHE "twin_privacy_ledger"
#define OPEN_PER_BACKEND 16

TwpLedgerShared *twp_ledger_shared = NULL;

/* Says how many statements and events may be open at once, over all backends. */
static int
slot_count(void)
{
	return OPEN_PER_BACKEND * (MaxBackends > 0 ? MaxBackends : 100);
}

/* Size of the fixed part with its slots. */
static Size
shared_size(void)
{
	return MAXALIGN(offsetof(TwpLedgerShared, slots) + slot_count() * sizeof(TwpOpenSlot));
}

/* The ring's bytes. */
char *
twp_ledger_ring(void)
{
	return (char *) twp_ledger_shared +
		MAXALIGN(offsetof(TwpLedgerShared, slots) + twp_ledger_shared->slot_count * sizeof(TwpOpenSlot));
}

/* The drainer's bytes, as many and a page of zeros. */
char *
twp_ledger_staging(void)
{
	return twp_ledger_ring() + twp_ledger_shared->ring_size;
}

/* Who waits for a flush, by number of the process. */
TwpFlushMember *
twp_ledger_members(void)
{
	return (TwpFlushMember *) (twp_ledger_staging() + twp_ledger_shared->ring_size + TWP_SEGMENT_PAGE);
}

/* All of the ledger's shared memory. */
static Size
whole_size(void)
{
	return add_size(add_size(shared_size(), (Size) twp_ledger_buffer_kb * 1024 * 2 + TWP_SEGMENT_PAGE),
					twp_ledger_group_size());
}

/* Asks for shared memory and locks; to be called from shmem_request_hook. */
void
twp_ledger_shmem_request(void)
{
	RequestAddinShmemSpace(whole_size());
	RequestNamedLWLockTranche(TRANCHE, 3);
}

/* Sets shared memory up and recovers the spool; to be called from shmem_startup_hook. */
void
twp_ledger_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	twp_ledger_shared = ShmemInitStruct(TRANCHE, whole_size(), &found);
	if (!found)
	{
		TwpLedgerShared *shared = twp_ledger_shared;
		LWLockPadded *locks = GetNamedLWLockTranche(TRANCHE);

		memset(shared, 0, shared_size());
		shared->append_lock = &locks[0].lock;
		shared->flush_lock = &locks[1].lock;
		shared->copy_lock = &locks[2].lock;
		shared->ring_size = (uint64) twp_ledger_buffer_kb * 1024;
		shared->slot_count = slot_count();
		shared->reserved = TWP_COMPLETION_MAX;	/* for twp_ledger_append_note() */
		for (int i = 0; i < shared->slot_count; i++)
			shared->slots[i].next_free = i + 1 < shared->slot_count ? i + 1 : -1;
		pg_atomic_init_u32(&shared->state, TWP_LEDGER_CLOSED);
		pg_atomic_init_u64(&shared->flushed_pos, 0);
		pg_atomic_init_u64(&shared->flushed_seq, 0);
		pg_atomic_init_u64(&shared->shipped_segno, 0);
		twp_ledger_group_init();
		twp_ledger_init_counters();
		shared->clock_known = twp_clock_stepped();
		/* pg_upgrade discloses nothing, and finds the old cluster's spool as it was left. */
		if (!IsBinaryUpgrade)
			twp_ledger_recover();
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Notes why the ledger cannot record, and how lasting that is. */
void
twp_ledger_fail(TwpLedgerState state, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(twp_ledger_shared->reason, sizeof(twp_ledger_shared->reason), format, args);
	va_end(args);
	if (state != TWP_LEDGER_OPEN)
		pg_atomic_write_u32(&twp_ledger_shared->state, state);
	/* no client is told of paths, nor waited for: the flush lock may be held */
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_IO_ERROR),
			 errmsg("twin_privacy ledger: %s", twp_ledger_shared->reason)));
}

/* Makes the id users see of a seq of this node. */
uint64
twp_ledger_record_id(uint64 seq)
{
	return ((uint64) twp_ledger_shared->node_number << TWP_SEQ_BITS) | seq;
}

/* Copies bytes to a position of the ring, around its end. */
static void
ring_put(uint64 pos, const char *data, size_t len)
{
	uint64		at = pos % twp_ledger_shared->ring_size;
	size_t		first = Min(len, twp_ledger_shared->ring_size - at);

	memcpy(twp_ledger_ring() + at, data, first);
	memcpy(twp_ledger_ring(), data + first, len - first);
}

/* What an append found, under the append lock. */
typedef enum AppendVerdict
{
	APPEND_FITS,
	APPEND_RING_FULL,
	APPEND_NO_SLOT,
	APPEND_NO_SPACE,
} AppendVerdict;

/* Judges whether a record of the size can be taken now. */
static AppendVerdict
judge_append(uint32 size, bool wants_slot, bool from_reserve)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		pending = shared->insert_pos - shared->drained_pos;

	if (pending + size > shared->ring_size)
		return APPEND_RING_FULL;
	if (wants_slot && shared->free_slot < 0)
		return APPEND_NO_SLOT;
	if (!from_reserve &&
		shared->space_left < pending + shared->reserved + size + (wants_slot ? TWP_COMPLETION_MAX : 0))
		return APPEND_NO_SPACE;
	return APPEND_FITS;
}

/* Puts the record into the ring; the caller holds the append lock and knows it fits. */
static uint64
put_record(TwpRecordType type, uint64 ref, const char *payload, uint32 payload_len)
{
	static const char zeros[8] = {0};
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpRecordHeader header = {
		.magic = TWP_RECORD_MAGIC,
		.length = (uint32) sizeof(TwpRecordHeader) + payload_len,
		.seq = shared->next_seq++,
		.recorded_at = GetCurrentTimestamp(),
		.ref = ref,
		.database = MyDatabaseId,
		.type = type,
	};
	uint32		size = TWP_RECORD_ALIGN(header.length);

	ring_put(shared->insert_pos, (char *) &header, sizeof(header));
	ring_put(shared->insert_pos + sizeof(header), payload, payload_len);
	ring_put(shared->insert_pos + header.length, zeros, size - header.length);
	shared->insert_pos += size;
	return header.seq;
}

/* Frees what the verdict says is short; false when that is not possible. */
static bool
make_room(AppendVerdict verdict)
{
	bool		ok;

	switch (verdict)
	{
		case APPEND_RING_FULL:
			return twp_ledger_drain();
		case APPEND_NO_SPACE:
			LWLockAcquire(twp_ledger_shared->flush_lock, LW_EXCLUSIVE);
			ok = twp_ledger_grow_locked();
			LWLockRelease(twp_ledger_shared->flush_lock);
			return ok;
		default:
			twp_ledger_fail(TWP_LEDGER_OPEN, "more than %d statements are open at once",
							twp_ledger_shared->slot_count);
			return false;
	}
}

/* Takes the append lock with room for a record of the size; false, and no lock, when there is none to be had. */
static bool
lock_with_room(uint32 size, bool wants_slot, bool from_reserve)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	Assert(size <= TWP_RECORD_MAX);
	while (pg_atomic_read_u32(&shared->state) == TWP_LEDGER_OPEN)
	{
		AppendVerdict verdict;

		LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
		verdict = judge_append(size, wants_slot, from_reserve);
		if (verdict == APPEND_FITS)
			return true;
		LWLockRelease(shared->append_lock);
		if (!make_room(verdict))
			return false;
	}
	return false;
}

/* Releases the append lock and wakes the worker if it sleeps long. */
static void
unlock_and_wake(void)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	Latch	   *wake = shared->worker_idle ? shared->worker_latch : NULL;

	shared->worker_idle = false;
	LWLockRelease(shared->append_lock);
	if (wake != NULL)
		SetLatch(wake);
}

/*
 * Appends a record and returns its seq, or 0 when the ledger cannot take it.
 *
 * open_slot: where to keep the slot taken for its completion, or NULL.
 * end_pos: position to flush up to, or NULL.
 */
uint64
twp_ledger_append(TwpRecordType type, uint64 ref, const char *payload, uint32 payload_len,
				  int *open_slot, uint64 *end_pos)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		seq;

	if (!lock_with_room(TWP_RECORD_SIZE(payload_len), open_slot != NULL, false))
		return 0;
	seq = put_record(type, ref, payload, payload_len);
	if (open_slot != NULL)
	{
		*open_slot = shared->free_slot;
		shared->free_slot = shared->slots[*open_slot].next_free;
		shared->slots[*open_slot].seq = seq;
		shared->reserved += TWP_COMPLETION_MAX;
	}
	if (end_pos != NULL)
		*end_pos = shared->insert_pos;
	unlock_and_wake();
	return seq;
}

/*
 * Appends a record of the ledger's own for which room is always kept; the
 * same room is kept again afterwards.  end_pos: position to flush up to, or NULL.
 */
bool
twp_ledger_append_note(TwpRecordType type, const char *payload, uint32 payload_len, uint64 *end_pos)
{
	uint32		size = TWP_RECORD_SIZE(payload_len);

	Assert(size <= TWP_COMPLETION_MAX);
	if (!lock_with_room(size, false, true))
		return false;
	(void) put_record(type, 0, payload, payload_len);
	if (end_pos != NULL)
		*end_pos = twp_ledger_shared->insert_pos;
	unlock_and_wake();
	return true;
}

/*
 * Appends a completion from the room kept for it and gives its slot back, also
 * when the ledger cannot take it any more; what an earlier run left open has
 * none (TWP_NO_SLOT).  Returns the position to flush up to, or 0.
 */
uint64
twp_ledger_append_completion(int slot, uint64 ref, const char *payload, uint32 payload_len)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint32		size = TWP_RECORD_SIZE(payload_len);
	uint64		end_pos = 0;

	Assert(size <= TWP_COMPLETION_MAX);
	if (lock_with_room(size, false, true))
	{
		(void) put_record(TWP_RECORD_COMPLETION, ref, payload, payload_len);
		end_pos = shared->insert_pos;
	}
	else
		LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
	shared->reserved -= TWP_COMPLETION_MAX;
	if (slot != TWP_NO_SLOT)
	{
		shared->slots[slot].seq = 0;
		shared->slots[slot].next_free = shared->free_slot;
		shared->free_slot = slot;
	}
	unlock_and_wake();
	return end_pos;
}

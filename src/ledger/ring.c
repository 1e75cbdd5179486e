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

/* The drainer's bytes, as many. */
char *
twp_ledger_staging(void)
{
	return twp_ledger_ring() + twp_ledger_shared->ring_size;
}

/* Asks for shared memory and locks; to be called from shmem_request_hook. */
void
twp_ledger_shmem_request(void)
{
	RequestAddinShmemSpace(add_size(shared_size(), (Size) twp_ledger_buffer_kb * 1024 * 2));
	RequestNamedLWLockTranche(TRANCHE, 3);
}

/* Sets shared memory up and recovers the spool; to be called from shmem_startup_hook. */
void
twp_ledger_shmem_startup(void)
{
	bool		found;
	Size		size = add_size(shared_size(), (Size) twp_ledger_buffer_kb * 1024 * 2);

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	twp_ledger_shared = ShmemInitStruct(TRANCHE, size, &found);
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
		twp_ledger_init_counters();
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
	ereport(LOG,
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

/*
 * Appends a record and returns its seq, or 0 when the ledger cannot take it.
 *
 * open_slot: where to keep the slot taken for its completion, or NULL.
 * from_reserve: it is a completion and uses up the room kept for it.
 * end_pos: position to flush up to, or NULL.
 */
uint64
twp_ledger_append(TwpRecordType type, uint64 ref, const char *payload, uint32 payload_len,
				  int *open_slot, bool from_reserve, uint64 *end_pos)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint32		size = TWP_RECORD_ALIGN((uint32) sizeof(TwpRecordHeader) + payload_len);
	Latch	   *wake = NULL;
	uint64		seq = 0;

	Assert(size <= TWP_RECORD_MAX);
	for (;;)
	{
		AppendVerdict verdict;

		if (pg_atomic_read_u32(&shared->state) != TWP_LEDGER_OPEN)
			return 0;
		LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
		verdict = judge_append(size, open_slot != NULL, from_reserve);
		if (verdict == APPEND_FITS)
			break;
		LWLockRelease(shared->append_lock);
		if (!make_room(verdict))
			return 0;
	}
	seq = put_record(type, ref, payload, payload_len);
	if (from_reserve)
		shared->reserved -= TWP_COMPLETION_MAX;
	if (open_slot != NULL)
	{
		*open_slot = shared->free_slot;
		shared->free_slot = shared->slots[*open_slot].next_free;
		shared->slots[*open_slot].seq = seq;
		shared->reserved += TWP_COMPLETION_MAX;
	}
	if (end_pos != NULL)
		*end_pos = shared->insert_pos;
	if (shared->worker_idle)
	{
		shared->worker_idle = false;
		wake = shared->worker_latch;
	}
	LWLockRelease(shared->append_lock);
	if (wake != NULL)
		SetLatch(wake);
	return seq;
}

/*
 * Appends a record of the ledger's own for which room is always kept; the
 * same room is kept again afterwards.
 */
bool
twp_ledger_append_note(TwpRecordType type, const char *payload, uint32 payload_len, uint64 *end_pos)
{
	bool		ok;

	Assert(sizeof(TwpRecordHeader) + payload_len <= TWP_COMPLETION_MAX);
	ok = twp_ledger_append(type, 0, payload, payload_len, NULL, true, end_pos) != 0;
	if (ok)
	{
		LWLockAcquire(twp_ledger_shared->append_lock, LW_EXCLUSIVE);
		twp_ledger_shared->reserved += TWP_COMPLETION_MAX;
		LWLockRelease(twp_ledger_shared->append_lock);
	}
	return ok;
}

/* Gives a slot back once its completion is in the ring. */
void
twp_ledger_release_slot(int slot)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	LWLockAcquire(shared->append_lock, LW_EXCLUSIVE);
	shared->slots[slot].seq = 0;
	shared->slots[slot].next_free = shared->free_slot;
	shared->free_slot = slot;
	LWLockRelease(shared->append_lock);
}

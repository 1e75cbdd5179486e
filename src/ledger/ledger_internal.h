/*
 * ledger_internal.h - what the files of the ledger share among themselves.
 *
 * Glossary.
 *   node      one server with a chain of its own; a copied spool is another node
 *   spool     the node's append-only, zero-filled segment files: the ledger itself
 *   record    header, payload of tagged fields, zero padding to 8 bytes
 *   ring      shared-memory buffer of records not yet chained and written
 *   drainer   whoever holds the flush lock: chains, writes, syncs, publishes
 *   seq       position of a record in its node's chain, from 1 without gaps
 *   record_id (node number << 47) + seq: unique over all nodes of a cluster
 *
 * Locks, always in this order: flush lock (the segment, the chain's head),
 * then append lock (the ring, the reservations, the open intents).
 *
 * Failure: nothing below raises an error; functions return false and leave
 * the reason in shared memory, so that they may be called while aborting.
 */
#ifndef TWP_LEDGER_INTERNAL_H
#define TWP_LEDGER_INTERNAL_H

#include "fmgr.h"
#include "ledger/ledger.h"
#include "lib/stringinfo.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#define TWP_HASH_LEN 32
#define TWP_NODE_LEN 16

#define TWP_SEGMENT_SIZE (16 * 1024 * 1024)
#define TWP_SEGMENT_START 256	/* records begin behind the header */
#define TWP_SEGMENT_MAGIC "TWPLEDG1"
#define TWP_RECORD_MAGIC 0x52505754 /* "TWPR" */
#define TWP_SEGMENT_PAGE 4096	/* what the disk's cache is filled by; a segment ends with one */
#define TWP_RECORD_MAX (64 * 1024)
#define TWP_COMPLETION_MAX 256	/* room kept for one completion, with its subjects where they are few */
#define TWP_RECORD_ALIGN(len) (((len) + 7) & ~((uint32) 7))
#define TWP_RECORD_SIZE(payload_len) TWP_RECORD_ALIGN((uint32) sizeof(TwpRecordHeader) + (payload_len))

/* Longest a statement of mode binding waits in shared memory. */
#define TWP_BINDING_WINDOW_MS 200

#define TWP_SEQ_BITS 47
#define TWP_SEQ_MASK ((UINT64CONST(1) << TWP_SEQ_BITS) - 1)

typedef enum TwpRecordType
{
	TWP_RECORD_GENESIS = 1,		/* first of a chain */
	TWP_RECORD_INTENT,
	TWP_RECORD_COMPLETION,		/* of the intent or event in ref; holds a small subject set itself */
	TWP_RECORD_REFUSAL,
	TWP_RECORD_EVENT,
	TWP_RECORD_SUBJECTS,		/* one piece of the subject set of the intent in ref */
	TWP_RECORD_GAP,				/* the server crashed, or its clock was set: what that means is in the detail */
	TWP_RECORD_RETENTION,		/* older segments were dropped; their head is in the payload */
} TwpRecordType;

typedef struct TwpRecordHeader
{
	uint32		magic;
	uint32		length;			/* header and payload, without padding */
	uint64		seq;
	int64		recorded_at;	/* TimestampTz */
	uint64		ref;			/* seq of the record this one belongs to, or 0 */
	uint64		durable_seq;	/* all up to here were durable when this was written */
	uint32		database;
	uint16		type;
	uint16		flags;
	uint8		hash[TWP_HASH_LEN];
} TwpRecordHeader;

typedef struct TwpSegmentHeader
{
	char		magic[8];
	uint32		version;
	uint32		node_number;
	uint8		node[TWP_NODE_LEN];
	uint64		system;			/* system identifier of the cluster */
	uint64		segno;
	uint64		first_seq;
	uint64		oldest_open;	/* smallest seq not yet completed when it was begun */
	int64		created_at;
	uint8		prev_hash[TWP_HASH_LEN];	/* hash of the record before first_seq */
	uint8		hash[TWP_HASH_LEN]; /* of all above */
} TwpSegmentHeader;

/* Field tags of payloads.  Numbers are on disk for ever. */
typedef enum TwpField
{
	TWP_FIELD_SESSION_ROLE = 1,
	TWP_FIELD_ACTING_ROLE,
	TWP_FIELD_ACTOR,
	TWP_FIELD_USE_CODE,
	TWP_FIELD_PURPOSE,
	TWP_FIELD_RECIPIENT,
	TWP_FIELD_JUSTIFICATION,
	TWP_FIELD_FORM,
	TWP_FIELD_TABLE,
	TWP_FIELD_CATEGORY,
	TWP_FIELD_CONSENT_REVISION,
	TWP_FIELD_POLICY_HASH,
	TWP_FIELD_FINGERPRINT,
	TWP_FIELD_PARENT,
	TWP_FIELD_BREAK_GLASS,
	TWP_FIELD_OUTCOME,
	TWP_FIELD_ROWS,
	TWP_FIELD_SUBJECT_COUNT,
	TWP_FIELD_SUBJECTS_EXACT,
	TWP_FIELD_SUBJECTS_STORED,
	TWP_FIELD_SQLSTATE,
	TWP_FIELD_KIND,
	TWP_FIELD_OBJECT,
	TWP_FIELD_SUBJECT,
	TWP_FIELD_DETAIL,
	TWP_FIELD_SET_KIND,
	TWP_FIELD_SET_DATA,
	TWP_FIELD_SEQ,
	TWP_FIELD_HASH,
	TWP_FIELD_CLIENT,			/* address the session came from, or [local] */
	TWP_FIELD_MAX = TWP_FIELD_CLIENT
} TwpField;

/* One intent or event whose completion is owed, with room reserved for it. */
typedef struct TwpOpenSlot
{
	uint64		seq;			/* 0: free */
	int			next_free;
} TwpOpenSlot;

/* One process that waits until its record is durable, by its number among the server's processes. */
typedef struct TwpFlushMember
{
	uint64		upto;			/* position in the ring it waits for */
	pg_atomic_uint32 next;
	volatile bool waits;
} TwpFlushMember;

typedef enum TwpLedgerState
{
	TWP_LEDGER_CLOSED,			/* start failed: see reason */
	TWP_LEDGER_OPEN,
	TWP_LEDGER_BROKEN,			/* a sync failed: nothing more until restart */
} TwpLedgerState;

/* What has been recorded since the server started; refusals have one for each SQLSTATE TP001..TP005. */
typedef enum TwpCounter
{
	TWP_COUNT_STATEMENTS,
	TWP_COUNT_EVENTS,
	TWP_COUNT_REFUSED,			/* any other; then TP001 .. TP005 */
	TWP_COUNTERS = TWP_COUNT_REFUSED + 6
} TwpCounter;

typedef struct TwpLedgerShared
{
	LWLock	   *append_lock;
	LWLock	   *flush_lock;
	LWLock	   *copy_lock;		/* copies of other nodes' chains; never held with the others */

	/* Fixed at start. */
	char		directory[MAXPGPATH];	/* the node's own */
	uint8		node[TWP_NODE_LEN];
	uint32		node_number;
	uint64		system;
	uint64		ring_size;
	int			slot_count;
	bool		damaged;		/* closed because the spool is not what was written */

	int64		clock_known;	/* steps of the clock that need not be recorded any more; the worker's */

	/* Under the append lock. */
	uint64		insert_pos;
	uint64		drained_pos;	/* written under both locks */
	uint64		next_seq;
	uint64		space_left;		/* bytes on disk behind drained_pos, safely usable */
	uint64		reserved;		/* of these, kept for completions */
	int			free_slot;
	int			worker_idle;	/* the worker sleeps long: wake it */

	/* Under the flush lock. */
	uint64		segno;
	uint64		first_segno;	/* oldest segment kept */
	uint32		offset;			/* end of the records in the segment */
	int			spares;			/* zero-filled segments waiting */
	uint64		head_seq;
	uint8		head[TWP_HASH_LEN];

	pg_atomic_uint32 state;
	pg_atomic_uint64 flushed_pos;
	pg_atomic_uint64 flushed_seq;
	pg_atomic_uint32 group;		/* first of those who wait for the next flush */
	pg_atomic_uint32 flusher;	/* what the process does that leads them when many wait (flush.c) */
	pg_atomic_uint64 shipped_segno; /* own segments before it are on the primary, too */
	pg_atomic_uint64 counters[TWP_COUNTERS];
	char		reason[256];
	Latch	   *flusher_latch;	/* set before it says that it is there */
	Latch	   *worker_latch;	/* set under the append lock; NULL while the worker is not there */

	TwpOpenSlot slots[FLEXIBLE_ARRAY_MEMBER];
} TwpLedgerShared;

extern TwpLedgerShared *twp_ledger_shared;

/* Where the head was last seen (anchor.c). */
typedef struct TwpAnchor
{
	char		magic[8];
	uint64		seq;
	uint8		hash[TWP_HASH_LEN];
	uint32		check;
} TwpAnchor;

/* settings (ledger.c) */
extern char *twp_ledger_directory;
extern int	twp_ledger_buffer_kb;
extern int	twp_ledger_max_size_mb;
extern char *twp_ledger_ship_conninfo;	/* ship.c */

/* ring.c: shared memory and appending */
extern char *twp_ledger_ring(void);
extern char *twp_ledger_staging(void);
extern TwpFlushMember *twp_ledger_members(void);
extern void twp_ledger_fail(TwpLedgerState state, const char *format,...) pg_attribute_printf(2, 3);
extern uint64 twp_ledger_append(TwpRecordType type, uint64 ref, const char *payload, uint32 payload_len,
								int *open_slot, uint64 *end_pos);
extern bool twp_ledger_append_note(TwpRecordType type, const char *payload, uint32 payload_len, uint64 *end_pos);
#define TWP_NO_SLOT (-1)
extern uint64 twp_ledger_append_completion(int slot, uint64 ref, const char *payload, uint32 payload_len);
extern uint64 twp_ledger_record_id(uint64 seq);

/* flush.c: waiting until durable */
extern Size twp_ledger_group_size(void);
extern void twp_ledger_group_init(void);
extern bool twp_ledger_flush(uint64 upto);

/* drain.c: chaining, writing, syncing */
extern bool twp_ledger_drain(void);
extern bool twp_ledger_drain_locked(void);
extern bool twp_ledger_next_segment_locked(void);
extern bool twp_ledger_grow_locked(void);
extern void twp_ledger_keep_spare(void);
extern void twp_ledger_publish_locked(uint64 pos);
extern uint64 twp_ledger_oldest_open(void);

/* clock.c: steps of the clock */
extern void twp_ledger_note_clock(void);
extern void twp_ledger_note_clock_at_start(TimestampTz last_recorded_at);

/* figures.c */
extern void twp_ledger_init_counters(void);
extern void twp_ledger_count(TwpCounter counter, const char *sqlstate);

/* retention.c */
extern bool twp_ledger_drop_shipped(void);

/* spool.c: files */
extern bool twp_spool_hash_record(const uint8 *node, const uint8 *prev, TwpRecordHeader *record, uint8 *out);
extern bool twp_spool_hash_segment(const TwpSegmentHeader *header, uint8 *out);
extern void twp_spool_segment_path(char *path, const char *directory, uint64 segno);
#define TWP_SPARE_IN_THE_MAKING (-1)	/* number of one that is not yet to be used */
extern bool twp_spool_make_spare(const char *directory, int number);
extern bool twp_spool_name_spare(const char *directory, int number);
extern bool twp_spool_drop_segment(const char *directory, uint64 segno);
extern int	twp_spool_begin_segment(const char *directory, int spare, const TwpSegmentHeader *header);
extern int	twp_spool_open(const char *directory, uint64 segno, bool for_writing);
extern bool twp_spool_write(int fd, const char *data, size_t len, off_t offset);
extern bool twp_spool_find_node(const char *root, uint64 system, TwpLedgerShared *shared, bool *created);

extern char *twp_ledger_signing_key_file;	/* checkpoint.c */

/* verify.c */
extern Datum twp_ledger_head(PG_FUNCTION_ARGS);

/* anchor.c */
extern bool twp_anchor_read(const char *directory, TwpAnchor *anchor);
extern void twp_anchor_write(void);

/* copy.c: chains of other nodes, held as copies */
typedef struct TwpCopyEnd
{
	uint64		first_segno;
	uint64		segno;			/* 0: there is no copy */
	uint32		offset;
	uint64		seq;
	uint8		hash[TWP_HASH_LEN];
} TwpCopyEnd;

extern void twp_copy_directory(const uint8 *node, char *directory);
extern void twp_copy_find_end(const char *directory, TwpCopyEnd *end);
extern void twp_copy_own_end(TwpCopyEnd *end);
extern void twp_copy_receive(const uint8 *node, uint64 segno, uint32 at, const char *data, uint32 len);
extern char *twp_copy_read(const char *directory, const TwpCopyEnd *end, uint64 segno, uint32 at, uint32 *len);

/* adopt.c: chains of another cluster as this one's past */
extern bool twp_adopt_find(const char *directory, uint64 system, uint32 *number);

/* recover.c: start */
extern void twp_ledger_recover(void);

/* subjects.c */
extern char *twp_subjects_pack_quietly(TwpSubjectSet *set, uint64 *len);
/* stores a packed set as records that belong to seq; false when it could not */
extern bool twp_subjects_append(uint64 seq, const char *packed, uint64 len);

/* codec.c: payload fields */
extern void twp_field_put(StringInfo buf, TwpField tag, const void *data, size_t len);
extern void twp_field_put_text(StringInfo buf, TwpField tag, const char *text);
extern void twp_field_put_number(StringInfo buf, TwpField tag, uint64 value);
extern bool twp_field_next(const char **cursor, const char *end, int *tag, const char **data, uint32 *len);
extern uint64 twp_field_number(const char *data, uint32 len);

/* scan.c: reading a chain back */
typedef struct TwpScan TwpScan;
typedef struct TwpNodeRef
{
	char		directory[MAXPGPATH];
	uint8		node[TWP_NODE_LEN];
	uint32		node_number;
	bool		own;
	bool		adopted;		/* another cluster's, taken over as this one's past */
} TwpNodeRef;

extern bool twp_scan_segments(const char *directory, uint64 *first, uint64 *last);
extern bool twp_scan_load(const char *directory, uint64 segno, char *buffer, size_t len);
extern const TwpRecordHeader *twp_scan_record_at(const char *buffer, uint32 offset);
extern List *twp_scan_nodes(void);
extern List *twp_scan_strangers(void);
/* A seq from which on everything recorded since a time is found. */
extern uint64 twp_scan_seq_since(const TwpNodeRef *node, int64 since);
extern TwpScan *twp_scan_begin(const TwpNodeRef *node, uint64 from_seq);
extern const TwpRecordHeader *twp_scan_next(TwpScan *scan);
extern void twp_scan_end(TwpScan *scan);

/* statements.c: intents, refusals and events with what became of them */
typedef struct TwpStatement
{
	const TwpRecordHeader *begin;	/* intent, refusal or event */
	const TwpRecordHeader *completion;	/* NULL while open */
	const char *packed;			/* subject set as stored so far, or NULL */
	uint64		packed_len;
	uint64		record_id;
} TwpStatement;

/* Called in a memory context that is reset afterwards; false stops the visit. */
typedef bool (*TwpStatementVisitor) (const TwpStatement *statement, void *arg);

/* index.c */
extern void twp_index_build(const char *segment, StringInfo bytes);
extern void twp_index_write_missing(void);
extern char *twp_index_load(const char *directory, uint64 segno, uint64 *len);
extern uint64 *twp_index_candidates(const TwpNodeRef *node, const TwpSubject *subjects, int n, int *count);
extern void twp_index_drop(const char *directory, uint64 segno);

/* Visits those that may have told of one of the subjects. */
extern void twp_statements_visit_subjects(const TwpSubject *subjects, int n,
										  TwpStatementVisitor visit, void *arg);
/* Visits one, if it is of the current database. */
extern void twp_statements_visit_one(uint64 record_id, TwpStatementVisitor visit, void *arg);
/* Visits those of the current database, of all nodes, that began since a time (or somewhat earlier). */
extern void twp_statements_visit_since(bool want_sets, int64 since, TwpStatementVisitor visit, void *arg);

#endif							/* TWP_LEDGER_INTERNAL_H */

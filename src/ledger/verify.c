/*
 * verify.c - is the ledger what was written?  And what to keep elsewhere.
 *
 * Every chain in the ledger directory is recomputed from its first kept
 * record to its head.  Each finding says where and what: an edited record, a
 * missing, swapped or added one, a cut end, a missing segment, another
 * history than the one a kept head attests (a fork).
 *
 * Locks: the flush lock for a moment, to know the live head.  Memory: one
 * segment.  Failure: findings are rows, not errors.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_ledger_verify);
PG_FUNCTION_INFO_V1(twp_ledger_head);

#define HEAD_FORMAT "twp1:%s:%llu:%s"

/* A head the caller, the anchor or shared memory attests. */
typedef struct KnownHead
{
	uint8		node[TWP_NODE_LEN];
	uint64		seq;			/* 0: none */
	uint8		hash[TWP_HASH_LEN];
	bool		seen;
	const char *source;
} KnownHead;

/* One verification of one chain. */
typedef struct Check
{
	ReturnSetInfo *rsinfo;
	const TwpNodeRef *node;
	KnownHead  *heads;
	int			head_count;
	uint64		limit_seq;		/* records behind it are still being written */
	uint64		seq;			/* last record checked */
	uint8		hash[TWP_HASH_LEN];
	/* What the first kept segment claims to follow, until a retention record attests it. */
	uint64		begun_after_seq;
	uint8		begun_after_hash[TWP_HASH_LEN];
	bool		begin_attested;
	bool		lost;			/* the chain is broken: what follows is not comparable */
} Check;

/* Reports one finding. */
static void
report(Check *check, uint64 segno, uint64 seq, const char *finding)
{
	Datum		values[3];
	bool		nulls[3] = {seq == 0, false, false};
	const char *node = strrchr(check->node->directory, '/') + 1;

	values[0] = Int64GetDatum((int64) (((uint64) check->node->node_number << TWP_SEQ_BITS) | seq));
	values[1] = CStringGetTextDatum(psprintf("%s, segment %llu", node, (unsigned long long) segno));
	values[2] = CStringGetTextDatum(finding);
	tuplestore_putvalues(check->rsinfo->setResult, check->rsinfo->setDesc, values, nulls);
}

/* Compares the record just checked with every head known for its seq. */
static void
compare_heads(Check *check, uint64 segno)
{
	for (int i = 0; i < check->head_count; i++)
	{
		KnownHead  *head = &check->heads[i];

		if (head->seq != check->seq || memcmp(head->node, check->node->node, TWP_NODE_LEN) != 0)
			continue;
		head->seen = true;
		if (memcmp(head->hash, check->hash, TWP_HASH_LEN) != 0)
			report(check, segno, check->seq,
				   psprintf("not the record attested by the %s: the chain was rewritten or forked", head->source));
	}
}

/* Takes a retention record's word for what was dropped. */
static void
note_retention(Check *check, const TwpRecordHeader *record)
{
	const char *at = (const char *) (record + 1);
	const char *end = (const char *) record + record->length;
	const char *data;
	uint32		len;
	uint64		seq = 0;
	int			tag;

	while (twp_field_next(&at, end, &tag, &data, &len))
	{
		if (tag == TWP_FIELD_SEQ)
			seq = twp_field_number(data, len);
		else if (tag == TWP_FIELD_HASH && len == TWP_HASH_LEN && seq == check->begun_after_seq &&
				 memcmp(data, check->begun_after_hash, TWP_HASH_LEN) == 0)
			check->begin_attested = true;
	}
}

/* Checks a segment's header and its link to the segment before. */
static void
check_header(Check *check, const TwpSegmentHeader *header, uint64 segno, bool first)
{
	uint8		hash[TWP_HASH_LEN];

	if (memcmp(header->magic, TWP_SEGMENT_MAGIC, sizeof(header->magic)) != 0 ||
		!twp_spool_hash_segment(header, hash) || memcmp(hash, header->hash, TWP_HASH_LEN) != 0)
		report(check, segno, check->seq + 1, "the segment's header was edited");
	else if (header->segno != segno || memcmp(header->node, check->node->node, TWP_NODE_LEN) != 0)
		report(check, segno, check->seq + 1, "the segment is another one's copy");
	else if (first)
	{
		check->seq = check->begun_after_seq = header->first_seq - 1;
		memcpy(check->hash, header->prev_hash, TWP_HASH_LEN);
		memcpy(check->begun_after_hash, header->prev_hash, TWP_HASH_LEN);
		check->begin_attested = header->first_seq == 1;
	}
	else if (!check->lost &&
			 (header->first_seq != check->seq + 1 || memcmp(header->prev_hash, check->hash, TWP_HASH_LEN) != 0))
		report(check, segno, check->seq + 1, "the segment does not follow the one before: records are missing, added or changed");
	if (check->lost)
	{
		/* Pick the chain up again, so that later damage is found, too. */
		check->seq = header->first_seq - 1;
		memcpy(check->hash, header->prev_hash, TWP_HASH_LEN);
		check->lost = false;
	}
}

/* True when all bytes from an offset are zero. */
static bool
zero_from(const char *buffer, uint32 offset)
{
	for (; offset < TWP_SEGMENT_SIZE; offset++)
		if (buffer[offset] != 0)
			return false;
	return true;
}

/* Checks the records of a loaded segment. */
static void
check_records(Check *check, const char *buffer, uint64 segno)
{
	uint32		offset = TWP_SEGMENT_START;
	const TwpRecordHeader *record;

	while ((record = twp_scan_record_at(buffer, offset)) != NULL)
	{
		uint8		hash[TWP_HASH_LEN];

		CHECK_FOR_INTERRUPTS();
		if (check->seq >= check->limit_seq)
			return;
		if (!twp_spool_hash_record(check->node->node, check->hash, (TwpRecordHeader *) record, hash))
			elog(ERROR, "could not compute a hash");
		if (record->seq != check->seq + 1 || memcmp(hash, record->hash, TWP_HASH_LEN) != 0)
		{
			report(check, segno, check->seq + 1,
				   record->seq == check->seq + 1 ? "the record was edited, or does not follow the one before" :
				   "the record is missing or out of order");
			check->lost = true;
			return;
		}
		check->seq = record->seq;
		memcpy(check->hash, hash, TWP_HASH_LEN);
		compare_heads(check, segno);
		if (record->type == TWP_RECORD_RETENTION)
			note_retention(check, record);
		offset += TWP_RECORD_ALIGN(record->length);
	}
	if (check->seq < check->limit_seq && !zero_from(buffer, offset))
	{
		report(check, segno, check->seq + 1, "the record is malformed");
		check->lost = true;
	}
}

/* Compares a segment's index, if it has one, with what its records say. */
static void
check_index(Check *check, const char *buffer, uint64 segno)
{
	StringInfoData built;
	uint64		len;
	char	   *bytes = twp_index_load(check->node->directory, segno, &len);

	if (bytes == NULL)
		return;
	twp_index_build(buffer, &built);
	if (len != (uint64) built.len || memcmp(bytes, built.data, len) != 0)
		report(check, segno, 0, "the segment's index was edited: remove the .idx file, it is made again");
	pfree(built.data);
	pfree(bytes);
}

/* Reports heads that were attested and not reached. */
static void
check_heads_seen(Check *check, uint64 segno)
{
	for (int i = 0; i < check->head_count; i++)
	{
		KnownHead  *head = &check->heads[i];

		if (memcmp(head->node, check->node->node, TWP_NODE_LEN) != 0)
			continue;
		if (!head->seen && head->seq > check->seq && !check->lost)
			report(check, segno, check->seq + 1,
				   psprintf("the chain ends before record %llu attested by the %s: its end was cut off",
							(unsigned long long) head->seq, head->source));
		head->seen = true;
	}
}

/* Checks that nothing lies behind the live end of the own chain. */
static void
check_live_tail(Check *check, char *buffer)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		segno;
	uint32		offset;
	bool		loaded;

	/* Holding the lock keeps drainers away: what lies there is not theirs. */
	LWLockAcquire(shared->flush_lock, LW_SHARED);
	segno = shared->segno;
	offset = shared->offset;
	loaded = twp_scan_load(shared->directory, segno, buffer, TWP_SEGMENT_SIZE);
	LWLockRelease(shared->flush_lock);
	if (loaded && !zero_from(buffer, offset))
		report(check, segno, check->seq + 1, "something was written behind the end of the chain");
}

/* Verifies one node's chain. */
static void
verify_node(Check *check)
{
	char	   *buffer = palloc(TWP_SEGMENT_SIZE);
	uint64		first,
				last;

	if (!twp_scan_segments(check->node->directory, &first, &last))
	{
		report(check, 0, 0, "all segments are missing");
		pfree(buffer);
		return;
	}
	for (uint64 segno = first; segno <= last; segno++)
	{
		if (!twp_scan_load(check->node->directory, segno, buffer, TWP_SEGMENT_SIZE))
		{
			report(check, segno, check->seq + 1, "the segment is missing");
			check->lost = true;
			continue;
		}
		check_header(check, (TwpSegmentHeader *) buffer, segno, segno == first);
		check_records(check, buffer, segno);
		check_index(check, buffer, segno);
		if (check->seq >= check->limit_seq)
			break;
	}
	if (!check->begin_attested)
		report(check, first, 0, "older segments are missing and no retention record says so");
	check_heads_seen(check, last);
	if (check->node->own && check->limit_seq != PG_UINT64_MAX)
		check_live_tail(check, buffer);
	pfree(buffer);
}

/* Prints bytes as hexadecimal digits. */
static char *
to_hex(const uint8 *bytes, int len)
{
	char	   *hex = palloc(2 * len + 1);

	hex_encode((const char *) bytes, len, hex);
	hex[2 * len] = '\0';
	return hex;
}

/* Reads a head that ledger_head() gave. */
static void
parse_head(const char *text, KnownHead *head)
{
	char		node[2 * TWP_NODE_LEN + 1],
				hash[2 * TWP_HASH_LEN + 1];
	unsigned long long seq;
	int			used = 0;

	if (sscanf(text, "twp1:%32[0-9a-f]:%llu:%64[0-9a-f]%n", node, &seq, hash, &used) != 3 ||
		text[used] != '\0' || strlen(node) != 2 * TWP_NODE_LEN || strlen(hash) != 2 * TWP_HASH_LEN || seq == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a head of a ledger"),
				 errhint("Give the text that twin_privacy.ledger_head() returned.")));
	hex_decode(node, strlen(node), (char *) head->node);
	hex_decode(hash, strlen(hash), (char *) head->hash);
	head->seq = seq;
	head->source = "head you kept";
}

/* Notes the live head of this node, and that of its anchor. */
static int
collect_heads(KnownHead *heads, uint64 *limit_seq)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpAnchor	anchor;
	int			n = 0;

	*limit_seq = PG_UINT64_MAX;
	if (pg_atomic_read_u32(&shared->state) == TWP_LEDGER_OPEN)
	{
		(void) twp_ledger_drain();
		LWLockAcquire(shared->flush_lock, LW_SHARED);
		heads[n].seq = *limit_seq = shared->head_seq;
		memcpy(heads[n].hash, shared->head, TWP_HASH_LEN);
		LWLockRelease(shared->flush_lock);
		memcpy(heads[n].node, shared->node, TWP_NODE_LEN);
		heads[n++].source = "running server";
	}
	if (twp_anchor_read(shared->directory, &anchor) && anchor.seq <= *limit_seq)
	{
		heads[n].seq = anchor.seq;
		memcpy(heads[n].hash, anchor.hash, TWP_HASH_LEN);
		memcpy(heads[n].node, shared->node, TWP_NODE_LEN);
		heads[n++].source = "anchor file";
	}
	return n;
}

/* Verifies every chain; one row a finding, none when all is intact. */
Datum
twp_ledger_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	KnownHead	heads[3] = {0};
	uint64		limit_seq;
	int			n;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "verify the ledger");
	if (twp_ledger_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("the ledger's shared memory is missing"),
				 errhint("Add twin_privacy to shared_preload_libraries and restart the server.")));
	n = collect_heads(heads, &limit_seq);
	if (!PG_ARGISNULL(0))
		parse_head(text_to_cstring(PG_GETARG_TEXT_PP(0)), &heads[n++]);
	foreach(lc, twp_scan_nodes())
	{
		TwpNodeRef *node = lfirst(lc);
		Check		check = {
			.rsinfo = rsinfo,
			.node = node,
			.heads = heads,
			.head_count = n,
			.limit_seq = node->own ? limit_seq : PG_UINT64_MAX,
		};

		verify_node(&check);
	}
	for (int i = 0; i < n; i++)
		if (!heads[i].seen)
		{
			TwpNodeRef	none = {.directory = "/unknown node"};
			Check		check = {.rsinfo = rsinfo, .node = &none};

			report(&check, 0, 0, psprintf("no chain here has the record attested by the %s", heads[i].source));
		}
	return (Datum) 0;
}

/* Gives the digest that attests everything recorded so far. */
Datum
twp_ledger_head(PG_FUNCTION_ARGS)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	uint64		seq;
	uint8		hash[TWP_HASH_LEN];

	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "read the ledger's head");
	if (shared == NULL || !twp_ledger_drain())
		ereport(ERROR,
				(errcode(ERRCODE_TWP_LEDGER_UNAVAILABLE),
				 errmsg("the ledger is closed"),
				 errhint("Call twin_privacy.verify_ledger() and look at the server log.")));
	LWLockAcquire(shared->flush_lock, LW_SHARED);
	seq = shared->head_seq;
	memcpy(hash, shared->head, TWP_HASH_LEN);
	LWLockRelease(shared->flush_lock);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(HEAD_FORMAT, to_hex(shared->node, TWP_NODE_LEN),
											  (unsigned long long) seq, to_hex(hash, TWP_HASH_LEN))));
}

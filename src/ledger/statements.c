/*
 * statements.c - records put together again: what began and how it ended.
 *
 * A chain is read once, forwards; what has begun is kept in a hash table
 * until its completion comes by, so memory follows what was open at one time,
 * not the length of the ledger.  Failure: raises the scan's errors.
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Something begun and not yet completed. */
typedef struct Pending
{
	uint64		seq;			/* hash key */
	TwpRecordHeader *begin;
	StringInfoData packed;		/* data is NULL when no set came by */
} Pending;

/* State of one visit over one node. */
typedef struct Visit
{
	const TwpNodeRef *node;
	bool		want_sets;
	HTAB	   *pending;
	MemoryContext row_context;
	TwpStatementVisitor visit;
	void	   *arg;
} Visit;

/* Keeps what begins. */
static void
note_begin(Visit *visit, const TwpRecordHeader *record)
{
	uint64		seq = record->seq;
	bool		found;
	Pending    *pending = hash_search(visit->pending, &seq, HASH_ENTER, &found);

	if (found)
		return;
	pending->begin = palloc(record->length);
	memcpy(pending->begin, record, record->length);
	memset(&pending->packed, 0, sizeof(pending->packed));
}

/* Keeps a piece of a subject set. */
static void
note_subjects(Visit *visit, const TwpRecordHeader *record)
{
	uint64		seq = record->ref;
	Pending    *pending = hash_search(visit->pending, &seq, HASH_FIND, NULL);
	const char *at = (const char *) (record + 1);
	const char *end = (const char *) record + record->length;
	const char *data;
	uint32		len;
	int			tag;

	if (pending == NULL || !visit->want_sets)
		return;
	if (pending->packed.data == NULL)
		initStringInfo(&pending->packed);
	while (twp_field_next(&at, end, &tag, &data, &len))
		if (tag == TWP_FIELD_SET_DATA)
			appendBinaryStringInfo(&pending->packed, data, (int) len);
}

/* Shows one statement to the visitor. */
static bool
show(Visit *visit, const TwpRecordHeader *begin, const TwpRecordHeader *completion, const StringInfoData *packed)
{
	TwpStatement statement = {
		.begin = begin,
		.completion = completion,
		.packed = packed != NULL ? packed->data : NULL,
		.packed_len = packed != NULL ? packed->len : 0,
		.record_id = ((uint64) visit->node->node_number << TWP_SEQ_BITS) | begin->seq,
	};
	MemoryContext old = MemoryContextSwitchTo(visit->row_context);
	bool		more = visit->visit(&statement, visit->arg);

	MemoryContextSwitchTo(old);
	MemoryContextReset(visit->row_context);
	return more;
}

/* Shows what a completion closes and forgets it. */
static bool
note_completion(Visit *visit, const TwpRecordHeader *record)
{
	uint64		seq = record->ref;
	Pending    *pending = hash_search(visit->pending, &seq, HASH_FIND, NULL);
	bool		more;

	if (pending == NULL)
		return true;
	more = show(visit, pending->begin, record, &pending->packed);
	pfree(pending->begin);
	if (pending->packed.data != NULL)
		pfree(pending->packed.data);
	(void) hash_search(visit->pending, &seq, HASH_REMOVE, NULL);
	return more;
}

/* Visits one node's chain from a seq; new beginnings after to_seq do not count. */
static bool
visit_node(Visit *visit, uint64 from_seq, uint64 to_seq)
{
	TwpScan    *scan = twp_scan_begin(visit->node, from_seq);
	const TwpRecordHeader *record;
	HASH_SEQ_STATUS status;
	Pending    *pending;
	bool		more = true;

	while (more && (record = twp_scan_next(scan)) != NULL)
	{
		bool		ours = record->database == MyDatabaseId && record->seq <= to_seq;

		switch (record->type)
		{
			case TWP_RECORD_INTENT:
			case TWP_RECORD_EVENT:
				if (ours)
					note_begin(visit, record);
				break;
			case TWP_RECORD_REFUSAL:
				if (ours)
					more = show(visit, record, NULL, NULL);
				break;
			case TWP_RECORD_SUBJECTS:
				note_subjects(visit, record);
				break;
			case TWP_RECORD_COMPLETION:
				more = note_completion(visit, record);
				break;
			default:
				break;
		}
		if (record->seq >= to_seq && hash_get_num_entries(visit->pending) == 0)
			break;
	}
	twp_scan_end(scan);
	hash_seq_init(&status, visit->pending);
	while ((pending = hash_seq_search(&status)) != NULL)
		if (more && !show(visit, pending->begin, NULL, &pending->packed))
		{
			hash_seq_term(&status);
			return false;
		}
	return more;
}

/* Visits what was recorded for the current database between two record ids (0: from the first, to the last). */
void
twp_statements_visit(bool want_sets, uint64 from_record_id, uint64 to_record_id,
					 TwpStatementVisitor visitor, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger visit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *lc;

	foreach(lc, twp_scan_nodes())
	{
		HASHCTL		ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(Pending), .hcxt = context};
		Visit		visit = {
			.node = lfirst(lc),
			.want_sets = want_sets,
			.row_context = AllocSetContextCreate(context, "ledger row", ALLOCSET_DEFAULT_SIZES),
			.visit = visitor,
			.arg = arg,
		};
		uint64		from = from_record_id;
		uint64		to = to_record_id == 0 ? TWP_SEQ_MASK : to_record_id;

		if (from != 0 || to_record_id != 0)
		{
			if (visit.node->node_number != (from != 0 ? from : to) >> TWP_SEQ_BITS)
				continue;
		}
		visit.pending = hash_create("ledger pending", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		if (!visit_node(&visit, from & TWP_SEQ_MASK, to & TWP_SEQ_MASK))
			break;
		hash_destroy(visit.pending);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

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

/* Statements nearer to each other than this are found by reading on. */
#define WANTED_NEAR 10000

/* Something begun and not yet completed. */
typedef struct Pending
{
	uint64		seq;			/* hash key */
	TwpRecordHeader *begin;		/* NULL when only others that share its completion are asked for */
	List	   *others;			/* TwpRecordHeader *, events of the same transaction */
	StringInfoData packed;		/* data is NULL when no set came by */
} Pending;

/* State of one visit over one node. */
typedef struct Visit
{
	const TwpNodeRef *node;
	bool		want_sets;
	const uint64 *wanted;		/* seqs in order, or NULL for all */
	int			wanted_count;
	int			wanted_next;	/* first not yet seen */
	HTAB	   *pending;
	MemoryContext row_context;
	TwpStatementVisitor visit;
	void	   *arg;
} Visit;

/* Keeps what begins, under the seq that its completion will name. */
static void
note_begin(Visit *visit, const TwpRecordHeader *record)
{
	bool		shares = record->type == TWP_RECORD_EVENT && record->ref != 0;
	uint64		seq = shares ? record->ref : record->seq;
	bool		found;
	Pending    *pending = hash_search(visit->pending, &seq, HASH_ENTER, &found);
	TwpRecordHeader *copy = palloc(record->length);

	memcpy(copy, record, record->length);
	if (!found)
	{
		pending->begin = NULL;
		pending->others = NIL;
		memset(&pending->packed, 0, sizeof(pending->packed));
	}
	if (shares)
		pending->others = lappend(pending->others, copy);
	else
		pending->begin = copy;
}

/* Keeps a subject set, or a piece of one, that a record holds. */
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

/* Shows all that one completion closes, or that has none (NULL). */
static bool
show_all(Visit *visit, const Pending *pending, const TwpRecordHeader *completion)
{
	bool		more = pending->begin == NULL || show(visit, pending->begin, completion, &pending->packed);
	ListCell   *lc;

	foreach(lc, pending->others)
	{
		if (!more)
			break;
		more = show(visit, lfirst(lc), completion, NULL);
	}
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
	note_subjects(visit, record);
	more = show_all(visit, pending, record);
	if (pending->begin != NULL)
		pfree(pending->begin);
	list_free_deep(pending->others);
	if (pending->packed.data != NULL)
		pfree(pending->packed.data);
	(void) hash_search(visit->pending, &seq, HASH_REMOVE, NULL);
	return more;
}

/* True when a statement is among those wanted; they are asked for in order. */
static bool
is_wanted(Visit *visit, uint64 seq)
{
	if (visit->wanted == NULL)
		return true;
	while (visit->wanted_next < visit->wanted_count && visit->wanted[visit->wanted_next] < seq)
		visit->wanted_next++;
	return visit->wanted_next < visit->wanted_count && visit->wanted[visit->wanted_next] == seq;
}

/* Shows what never ended, or not yet. */
static bool
show_pending(Visit *visit)
{
	HASH_SEQ_STATUS status;
	Pending    *pending;

	hash_seq_init(&status, visit->pending);
	while ((pending = hash_seq_search(&status)) != NULL)
	{
		if (!show_all(visit, pending, NULL))
		{
			hash_seq_term(&status);
			return false;
		}
		(void) hash_search(visit->pending, &pending->seq, HASH_REMOVE, NULL);
	}
	return true;
}

/* Visits one node's chain from a seq; new beginnings after to_seq do not count. */
static bool
visit_node(Visit *visit, uint64 from_seq, uint64 to_seq)
{
	TwpScan    *scan = twp_scan_begin(visit->node, from_seq);
	const TwpRecordHeader *record;
	bool		more = true;

	while (more && (record = twp_scan_next(scan)) != NULL)
	{
		bool		ours = record->database == MyDatabaseId && record->seq <= to_seq &&
			is_wanted(visit, record->seq);

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
			case TWP_RECORD_GAP:
				/* whatever the server went through concerns every database's readers */
				if (visit->wanted == NULL)
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
	return more && show_pending(visit);
}

/* Visits the statements wanted of one node; where they lie far apart, from each to its end. */
static bool
visit_wanted(Visit *visit)
{
	for (int i = 0; i < visit->wanted_count;)
	{
		uint64		from = visit->wanted[i];
		uint64		to = from;

		while (++i < visit->wanted_count && visit->wanted[i] - to < WANTED_NEAR)
			to = visit->wanted[i];
		if (!visit_node(visit, from, to))
			return false;
	}
	return true;
}

/* Makes the state of a visit of one node. */
static Visit
make_visit(const TwpNodeRef *node, bool want_sets, TwpStatementVisitor visitor, void *arg)
{
	HASHCTL		ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(Pending), .hcxt = CurrentMemoryContext};
	Visit		visit = {
		.node = node,
		.want_sets = want_sets,
		.row_context = AllocSetContextCreate(CurrentMemoryContext, "ledger row", ALLOCSET_DEFAULT_SIZES),
		.visit = visitor,
		.arg = arg,
	};

	visit.pending = hash_create("ledger pending", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return visit;
}

/* Visits the statements that may have told of one of the subjects. */
void
twp_statements_visit_subjects(const TwpSubject *subjects, int n, TwpStatementVisitor visitor, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger visit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *lc;

	/* What is still in the ring must be in the files to be proposed. */
	(void) twp_ledger_drain();
	foreach(lc, twp_scan_nodes())
	{
		Visit		visit = make_visit(lfirst(lc), true, visitor, arg);

		visit.wanted = twp_index_candidates(visit.node, subjects, n, &visit.wanted_count);
		if (visit.wanted_count > 0 && !visit_wanted(&visit))
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Visits what began since a time, of all nodes. */
void
twp_statements_visit_since(bool want_sets, int64 since, TwpStatementVisitor visitor, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger visit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *lc;

	foreach(lc, twp_scan_nodes())
	{
		Visit		visit = make_visit(lfirst(lc), want_sets, visitor, arg);

		if (!visit_node(&visit, twp_scan_seq_since(visit.node, since), TWP_SEQ_MASK))
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Visits one statement. */
void
twp_statements_visit_one(uint64 record_id, TwpStatementVisitor visitor, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ledger visit", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64		seq = record_id & TWP_SEQ_MASK;
	ListCell   *lc;

	foreach(lc, twp_scan_nodes())
	{
		const TwpNodeRef *node = lfirst(lc);
		Visit		visit;

		if (node->node_number != record_id >> TWP_SEQ_BITS)
			continue;
		visit = make_visit(node, true, visitor, arg);
		visit.wanted = &seq;
		visit.wanted_count = 1;
		(void) visit_node(&visit, seq, seq);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * scan_internal.h - between the planning and the running of our scan node.
 */
#ifndef TWP_ENFORCE_SCAN_INTERNAL_H
#define TWP_ENFORCE_SCAN_INTERNAL_H

#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "consent/consent.h"
#include "ledger/ledger.h"
#include "nodes/extensible.h"

/* OID of row_visible. */
extern Oid	twp_enforce_row_visible_oid(void);
/* True when the rows of the relation need no more than their subject, and what they are made from, to be judged. */
extern bool twp_enforce_scan_can_judge(Oid relid);
/* The filters of our scan, with a note of the row's subject before those that may tell what they are given. */
extern List *twp_enforce_note_scan(List *qual, const FuncExpr *rule);
/* Makes the node known. */
extern void twp_enforce_scan_init(void);
/* How a plan node of ours begins to run. */
extern const CustomScanMethods *twp_enforce_scan_methods(void);

/* A column that holds keys. */
typedef struct TwpKeyColumn
{
	AttrNumber	attno;			/* 0: there is none */
	Oid			type;
	int			offset;			/* its place in a row without NULLs; -1: rows differ */
} TwpKeyColumn;

/* The heap page a scan has turned to. */
typedef struct TwpScanPage
{
	Oid			relid;			/* whose rule it is: the table's or its ancestor's */
	uint64		stamp;
	Relation	relation;
	TwpKeyColumn subject;
	TwpKeyColumn traced;		/* by which provenance knows rows, where it tells what they are made from */
	uint64		epoch;			/* the decision it was judged under */
	MemoryContext context;		/* texts of the subjects */
	TwpSubjectSet *noting;		/* whom the statement was told of, if it keeps a set for us */
	uint64	   *numbered;		/* bits by token: those in it */
	uint64		nnumbers;
	uint64		nintegers;		/* of them, those that need no more than their bit */
	bool		in_order;		/* every row kept is given out, one after the other */
	bool		by_value;		/* a subject is kept, not pointed to */
	bool		later;			/* who is given out may be noted later */
	int			noted;			/* rows kept up to here are noted, where they are given out in order; */
	int			given;			/* else the first so many are given out and still to be noted */
	int			n;				/* rows that are open */
	int			next;			/* of them, the first not given out */
	int			nrows;			/* rows the heap scan found */
	uint16		kept[MaxHeapTuplesPerPage];
	uint32		tokens[MaxHeapTuplesPerPage];
	HeapTupleHeader rows[MaxHeapTuplesPerPage];
	TwpCategorySet open[MaxHeapTuplesPerPage];
	TwpSubject	subjects[MaxHeapTuplesPerPage];
	/* of tables whose rows are traced */
	TwpSubject	traced_keys[MaxHeapTuplesPerPage];
	TransactionId born[MaxHeapTuplesPerPage];
	struct TwpScanPage *other;	/* next of the pages that scans of this process are on */
	MemoryContextCallback gone;
} TwpScanPage;

/* scan_page.c */
extern int	twp_enforce_fixed_offset(TupleDesc desc, AttrNumber attno);
extern void twp_enforce_page_init(TwpScanPage *page, const FuncExpr *rule, Relation relation);
extern void twp_enforce_page_judge(TwpScanPage *page, HeapScanDesc scan);
extern void twp_enforce_page_judge_rest(TwpScanPage *page);
extern void twp_enforce_page_note_now(TwpScanPage *page, int i);
extern void twp_enforce_page_leave(TwpScanPage *page);
/* Notes whoever was given out and is not noted yet among those who are noted in the set, which goes then. */
extern void twp_enforce_pages_leave(const TwpSubjectSet *noting);
extern Datum twp_enforce_page_column(const TwpScanPage *page, HeapTupleHeader row, AttrNumber attno, bool *isnull);

/* True when a row has its column number attno at the place that twp_enforce_fixed_offset() gave. */
static inline bool
twp_enforce_row_is_plain(HeapTupleHeader row, AttrNumber attno, int offset)
{
	return (row->t_infomask & HEAP_HASNULL) == 0 && HeapTupleHeaderGetNatts(row) >= attno && offset >= 0;
}

/*
 * Tells the running statement that it is given row i's subject.  The rows of
 * a page are noted together before the scan leaves it, which costs less than
 * one by one between the executor's steps; in order, not even their numbers
 * need to be kept.
 */
static inline void
twp_enforce_page_note(TwpScanPage *page, int i, bool in_order)
{
	if (unlikely(!page->later))
		twp_enforce_page_note_now(page, i);
	else if (!in_order)
		page->kept[page->given++] = (uint16) i;
}

#endif							/* TWP_ENFORCE_SCAN_INTERNAL_H */

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
} TwpScanPage;

/* scan_page.c */
extern int	twp_enforce_fixed_offset(TupleDesc desc, AttrNumber attno);
extern void twp_enforce_page_init(TwpScanPage *page, const FuncExpr *rule, Relation relation);
extern void twp_enforce_page_judge(TwpScanPage *page, HeapScanDesc scan);
extern void twp_enforce_page_judge_rest(TwpScanPage *page);
extern void twp_enforce_page_note_new(TwpScanPage *page, int i);
extern Datum twp_enforce_page_column(const TwpScanPage *page, HeapTupleHeader row, AttrNumber attno, bool *isnull);

/* True when a row has its column number attno at the place that twp_enforce_fixed_offset() gave. */
static inline bool
twp_enforce_row_is_plain(HeapTupleHeader row, AttrNumber attno, int offset)
{
	return (row->t_infomask & HEAP_HASNULL) == 0 && HeapTupleHeaderGetNatts(row) >= attno && offset >= 0;
}

/* Tells the running statement that it is given row i's subject, once a subject where that can be told cheaply. */
static inline void
twp_enforce_page_note(TwpScanPage *page, int i)
{
	uint32		token = page->tokens[i];
	uint64		bit = UINT64CONST(1) << (token % 64);

	if (likely(token < page->nnumbers))
	{
		if (likely((page->numbered[token / 64] & bit) != 0))
			return;
		page->numbered[token / 64] |= bit;
	}
	twp_enforce_page_note_new(page, i);
}

#endif							/* TWP_ENFORCE_SCAN_INTERNAL_H */

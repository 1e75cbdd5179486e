/*
 * scan_page.c - the rows of one heap page, judged together.
 *
 * PostgreSQL's heap scan finds the visible rows of a page first.  The subjects
 * of all of them are read and asked for at once, so that the memory the
 * consent map lies in is fetched for some while others are compared.
 *
 * Contract: a decision of the plan's own stamp is in force, or the scan
 * refuses.  Pointers into the page are good as long as the scan pins it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

StaticAssertDecl(MaxHeapTuplesPerPage <= TWP_CONSENT_MANY, "a page is judged at once");

/* Gives the place of a column in every row without NULLs; -1 when rows differ. */
int
twp_enforce_fixed_offset(TupleDesc desc, AttrNumber attno)
{
	int			offset = 0;

	for (int i = 0;; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			aligned = att_align_nominal(offset, att->attalign);

		/* a text may begin unaligned */
		if (att->attlen < 0 && (i != attno - 1 || att->attlen != -1 || aligned != offset))
			return -1;
		if (i == attno - 1)
			return aligned;
		offset = aligned + att->attlen;
	}
}

/* Prepares to judge pages of a relation for a row rule. */
void
twp_enforce_page_init(TwpScanPage *page, const FuncExpr *rule, Relation relation)
{
	Var		   *key = lthird_node(Var, rule->args);

	page->relid = DatumGetObjectId(linitial_node(Const, rule->args)->constvalue);
	page->stamp = (uint64) DatumGetInt64(lsecond_node(Const, rule->args)->constvalue);
	page->key = key->varattno;
	page->key_type = getBaseType(key->vartype);
	page->key_offset = twp_enforce_fixed_offset(RelationGetDescr(relation), key->varattno);
	page->relation = relation;
	page->context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy page", ALLOCSET_SMALL_SIZES);
	page->n = page->next = page->nrows = 0;
}

/* Gives a column of a row of the page. */
Datum
twp_enforce_page_column(const TwpScanPage *page, HeapTupleHeader row, AttrNumber attno, bool *isnull)
{
	HeapTupleData tuple = {.t_data = row,.t_tableOid = RelationGetRelid(page->relation)};

	return heap_getattr(&tuple, attno, RelationGetDescr(page->relation), isnull);
}

/* Reads the subject of a row; nobody's row gets an invalid one. */
static inline void
read_subject(const TwpScanPage *page, HeapTupleHeader row, TwpSubject *subject)
{
	const char *place = (const char *) row + row->t_hoff + page->key_offset;
	bool		isnull;
	Datum		value;

	if (likely(twp_enforce_row_is_plain(row, page->key, page->key_offset)))
	{
		if (page->key_type == INT8OID)
		{
			subject->kind = TWP_SUBJECT_INT;
			memcpy(&subject->key.number, place, sizeof(int64));
			return;
		}
		if (page->key_type == UUIDOID)
		{
			subject->kind = TWP_SUBJECT_UUID;
			memcpy(subject->key.uuid, place, UUID_LEN);
			return;
		}
	}
	value = twp_enforce_page_column(page, row, page->key, &isnull);
	if (isnull)
		subject->kind = TWP_SUBJECT_INVALID;
	else
		twp_subject_from_datum(subject, page->key_type, value);
}

/* Reads the subjects of the rows the scan found on its page. */
static void
read_subjects(TwpScanPage *page, HeapScanDesc scan)
{
	Page		heap_page = BufferGetPage(scan->rs_cbuf);
	MemoryContext old;

	MemoryContextReset(page->context);
	old = MemoryContextSwitchTo(page->context);
	page->nrows = (int) scan->rs_ntuples;
	for (int i = 0; i < page->nrows; i++)
	{
		page->rows[i] = (HeapTupleHeader) PageGetItem(heap_page, PageGetItemId(heap_page, scan->rs_vistuples[i]));
		read_subject(page, page->rows[i], &page->subjects[i]);
	}
	MemoryContextSwitchTo(old);
}

/* Asks for all subjects of the page under the decision in force; returns what must be open. */
static TwpCategorySet
ask(TwpScanPage *page)
{
	TwpCategorySet needs;
	uint64		version;
	uint64		n;

	twp_enforce_require_decision(page->stamp);
	needs = twp_decision_table(page->relid)->needs;
	page->epoch = twp_decision_epoch();
	twp_decision_open_many(page->subjects, page->nrows, needs, page->open, page->tokens);
	n = twp_decision_tokens(&version);
	page->noting = twp_enforce_noting();
	page->nnumbers = page->noting != NULL ? n : 0;
	page->numbered = page->nnumbers == 0 ? NULL : twp_ledger_subjects_numbered(page->noting, version, n);
	return needs;
}

/* Judges the page a heap scan has turned to. */
void
twp_enforce_page_judge(TwpScanPage *page, HeapScanDesc scan)
{
	TwpCategorySet needs;
	int			n = 0;

	read_subjects(page, scan);
	needs = ask(page);
	/* which rows are open cannot be foretold: no branch */
	for (int i = 0; i < page->nrows; i++)
	{
		page->kept[n] = (uint16) i;
		n += (page->open[i] & needs) == needs;
	}
	page->n = n;
	page->next = 0;
}

/* Judges again the rows of the page that were not given out yet. */
void
twp_enforce_page_judge_rest(TwpScanPage *page)
{
	TwpCategorySet needs = ask(page);
	int			n = page->next;

	for (int k = page->next; k < page->n; k++)
	{
		page->kept[n] = page->kept[k];
		n += (page->open[page->kept[k]] & needs) == needs;
	}
	page->n = n;
}

/* Tells the running statement that it is given a subject it does not know to have been given. */
void
twp_enforce_page_note_new(TwpScanPage *page, int i)
{
	if (page->tokens[i] < page->nnumbers)
		twp_ledger_subjects_add_numbered(page->noting, &page->subjects[i], page->tokens[i]);
	else
		twp_enforce_note_subject(&page->subjects[i]);
}

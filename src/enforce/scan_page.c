/*
 * scan_page.c - the rows of one heap page, judged together.
 *
 * PostgreSQL's heap scan finds the visible rows of a page first.  The subjects
 * of all of them are read and asked for at once, so that the memory the
 * consent map lies in is fetched for some while others are compared.  What
 * open rows are made from is asked for all of them after that.
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
#include "lineage/lineage.h"
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

/* Finds the column an argument of the row rule stands for; a constant stands for none. */
static TwpKeyColumn
find_column(const FuncExpr *rule, int arg, Relation relation)
{
	Var		   *var = list_nth(rule->args, arg);

	if (!IsA(var, Var))
		return (TwpKeyColumn) {0};
	return (TwpKeyColumn) {
		.attno = var->varattno,
		.type = getBaseType(var->vartype),
		.offset = twp_enforce_fixed_offset(RelationGetDescr(relation), var->varattno),
	};
}

/* Prepares to judge pages of a relation for a row rule. */
void
twp_enforce_page_init(TwpScanPage *page, const FuncExpr *rule, Relation relation)
{
	page->relid = DatumGetObjectId(linitial_node(Const, rule->args)->constvalue);
	page->stamp = (uint64) DatumGetInt64(lsecond_node(Const, rule->args)->constvalue);
	page->subject = find_column(rule, 2, relation);
	page->traced = find_column(rule, TWP_FIRST_FACT_ARG + TWP_ROW_KEY, relation);
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

/* Reads a key of a row; NULL gives an invalid one. */
static inline void
read_key(const TwpScanPage *page, const TwpKeyColumn *column, HeapTupleHeader row, TwpSubject *key)
{
	const char *place = (const char *) row + row->t_hoff + column->offset;
	bool		isnull;
	Datum		value;

	if (likely(twp_enforce_row_is_plain(row, column->attno, column->offset)))
	{
		if (column->type == INT8OID)
		{
			key->kind = TWP_SUBJECT_INT;
			memcpy(&key->key.number, place, sizeof(int64));
			return;
		}
		if (column->type == UUIDOID)
		{
			key->kind = TWP_SUBJECT_UUID;
			memcpy(key->key.uuid, place, UUID_LEN);
			return;
		}
	}
	value = twp_enforce_page_column(page, row, column->attno, &isnull);
	if (isnull)
		key->kind = TWP_SUBJECT_INVALID;
	else
		twp_subject_from_datum(key, column->type, value);
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
		read_key(page, &page->subject, page->rows[i], &page->subjects[i]);
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

/* Reads by what provenance knows the rows of the page. */
static void
read_traced(TwpScanPage *page)
{
	MemoryContext old = MemoryContextSwitchTo(page->context);

	for (int i = 0; i < page->nrows; i++)
	{
		read_key(page, &page->traced, page->rows[i], &page->traced_keys[i]);
		page->born[i] = HeapTupleHeaderGetRawXmin(page->rows[i]);
	}
	MemoryContextSwitchTo(old);
}

/* Opens rows of nobody's own, where all whose data they are made from permit. */
static void
ask_pooled(TwpScanPage *page, TwpCategorySet needs)
{
	for (int i = 0; i < page->nrows; i++)
		if (unlikely(page->subjects[i].kind == TWP_SUBJECT_INVALID))
		{
			bool		open = page->traced_keys[i].kind != TWP_SUBJECT_INVALID &&
				twp_enforce_pooled_is_open(twp_decision_table(page->relid), needs, &page->traced_keys[i], page->born[i]);

			page->open[i] = open ? needs : 0;
			page->tokens[i] = TWP_NO_TOKEN;
		}
}

/* Leaves of the n rows kept from a place on those that are made from nothing closed; returns how many. */
static inline int
keep_traced(TwpScanPage *page, int from, int n)
{
	return page->traced.attno == 0 ? n :
		twp_lineage_keep_open(twp_decision_table(page->relid)->protection, page->traced_keys, page->born,
							  &page->kept[from], n);
}

/* Judges the page a heap scan has turned to. */
void
twp_enforce_page_judge(TwpScanPage *page, HeapScanDesc scan)
{
	TwpCategorySet needs;
	int			n = 0;

	read_subjects(page, scan);
	needs = ask(page);
	if (page->traced.attno != 0)
	{
		read_traced(page);
		ask_pooled(page, needs);
	}
	/* which rows are open cannot be foretold: no branch */
	for (int i = 0; i < page->nrows; i++)
	{
		page->kept[n] = (uint16) i;
		n += (page->open[i] & needs) == needs;
	}
	page->n = keep_traced(page, 0, n);
	page->next = 0;
}

/* Judges again the rows of the page that were not given out yet. */
void
twp_enforce_page_judge_rest(TwpScanPage *page)
{
	TwpCategorySet needs = ask(page);
	int			n = page->next;

	if (page->traced.attno != 0)
		ask_pooled(page, needs);
	for (int k = page->next; k < page->n; k++)
	{
		page->kept[n] = page->kept[k];
		n += (page->open[page->kept[k]] & needs) == needs;
	}
	page->n = page->next + keep_traced(page, page->next, n - page->next);
}

/* Tells the running statement that it is given a subject it does not know to have been given. */
void
twp_enforce_page_note_new(TwpScanPage *page, int i)
{
	if (page->subjects[i].kind == TWP_SUBJECT_INVALID)
		twp_lineage_visit_subjects(twp_decision_table(page->relid)->protection, &page->traced_keys[i], page->born[i],
								   twp_enforce_note_subject);
	else if (page->tokens[i] < page->nnumbers)
		twp_ledger_subjects_add_numbered(page->noting, &page->subjects[i], page->tokens[i]);
	else
		twp_enforce_note_subject(&page->subjects[i]);
}

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

/* Those that scans of this process are on. */
static TwpScanPage *pages = NULL;

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

/* Notes the subjects of the rows given out since the last time. */
static void
note_given(TwpScanPage *page)
{
	int			from = page->in_order ? page->noted : 0;
	int			to = page->in_order ? page->next : page->given;
	uint64	   *numbered = page->numbered;
	uint64		nintegers = page->nintegers;
	uint64		nnumbers = page->nnumbers;
	uint16		fresh[MaxHeapTuplesPerPage];
	int			n = 0;

	/* first: should memory run out, nobody comes here again with the same rows */
	page->noted = page->next;
	page->given = 0;
	if (!page->later)
		return;
	for (int k = from; k < to; k++)
	{
		uint16		i = page->kept[k];
		uint32		token = page->tokens[i];
		uint64		bit = UINT64CONST(1) << (token % 64);

		if (token < nintegers)
			numbered[token / 64] |= bit;
		else if (token < nnumbers)
		{
			/* which subjects are new cannot be foretold: no branch */
			fresh[n] = i;
			n += (numbered[token / 64] & bit) == 0;
			numbered[token / 64] |= bit;
		}
		else
			twp_ledger_subjects_add(page->noting, &page->subjects[i]);
	}
	for (int k = 0; k < n; k++)
		twp_ledger_subjects_add_numbered(page->noting, &page->subjects[fresh[k]], page->tokens[fresh[k]]);
}

/* Leaves a page, or what there was of one. */
void
twp_enforce_page_leave(TwpScanPage *page)
{
	note_given(page);
	page->n = page->next = page->noted = 0;
}

/* Notes what is left of a page and forgets it when its scan's memory goes. */
static void
forget_page(void *arg)
{
	note_given(arg);
	for (TwpScanPage **link = &pages; *link != NULL; link = &(*link)->other)
		if (*link == arg)
		{
			*link = (*link)->other;
			break;
		}
}

/* Prepares to judge pages of a relation for a row rule. */
void
twp_enforce_page_init(TwpScanPage *page, const FuncExpr *rule, Relation relation)
{
	page->relid = DatumGetObjectId(linitial_node(Const, rule->args)->constvalue);
	page->stamp = (uint64) DatumGetInt64(lsecond_node(Const, rule->args)->constvalue);
	page->subject = find_column(rule, 2, relation);
	page->traced = find_column(rule, TWP_FIRST_FACT_ARG + TWP_ROW_KEY, relation);
	page->by_value = twp_subject_kind(page->subject.type) != TWP_SUBJECT_TEXT;
	page->relation = relation;
	page->context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy page", ALLOCSET_SMALL_SIZES);
	page->n = page->next = page->nrows = page->noted = page->given = 0;
	page->other = pages;
	pages = page;
	page->gone.func = forget_page;
	page->gone.arg = page;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &page->gone);
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
	TwpNumbering tokens;

	twp_enforce_require_decision(page->stamp);
	needs = twp_decision_table(page->relid)->needs;
	page->epoch = twp_decision_epoch();
	twp_decision_open_many(page->subjects, page->nrows, needs, page->open, page->tokens);
	tokens = twp_decision_tokens();
	page->noting = twp_enforce_noting();
	page->nnumbers = page->noting != NULL ? tokens.n : 0;
	page->later = page->by_value && page->noting != NULL && page->traced.attno == 0;
	page->nintegers = 0;
	page->numbered = page->nnumbers == 0 ? NULL :
		twp_ledger_subjects_numbered(page->noting, &tokens, &page->nintegers);
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
	TwpCategorySet needs;
	int			n = page->next;

	note_given(page);
	needs = ask(page);

	if (page->traced.attno != 0)
		ask_pooled(page, needs);
	for (int k = page->next; k < page->n; k++)
	{
		page->kept[n] = page->kept[k];
		n += (page->open[page->kept[k]] & needs) == needs;
	}
	page->n = page->next + keep_traced(page, page->next, n - page->next);
}

/* Tells the running statement that it is given row i's subject. */
void
twp_enforce_page_note_now(TwpScanPage *page, int i)
{
	uint32		token = page->tokens[i];
	uint64		bit = UINT64CONST(1) << (token % 64);

	if (page->subjects[i].kind == TWP_SUBJECT_INVALID)
		twp_lineage_visit_subjects(twp_decision_table(page->relid)->protection, &page->traced_keys[i], page->born[i],
								   twp_enforce_note_subject);
	else if (token >= page->nnumbers)
		twp_enforce_note_subject(&page->subjects[i]);
	else if ((page->numbered[token / 64] & bit) == 0)
	{
		page->numbered[token / 64] |= bit;
		twp_ledger_subjects_add_numbered(page->noting, &page->subjects[i], token);
	}
}

/* Notes what is left to be noted in a set that is about to go. */
void
twp_enforce_pages_leave(const TwpSubjectSet *noting)
{
	for (TwpScanPage *page = pages; page != NULL; page = page->other)
		if (page->noting == noting)
		{
			note_given(page);
			page->noting = NULL;
			page->nnumbers = 0;
			page->later = false;
		}
}

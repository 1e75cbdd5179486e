/*
 * taint_row.c - what a row is to taints, and the taints of one row, found from
 * its inputs.
 *
 * This is the way back: from a row to all it is made from.  The way forth,
 * from a subject to all made from its data, is taint_walk.c; both must say the
 * same of every row.
 */
#include "postgres.h"

#include "lineage/taint_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Finds whose a row is, what it needs, and what it was made for. */
TwpTaintRow
twp_taint_read_row(TupleTableSlot *slot, const TwpProtection *p)
{
	TwpTaintRow row = {0};
	AttrNumber	purpose = p->facts[TWP_ROW_PURPOSE];
	bool		isnull;
	Datum		value;

	row.owner = twp_lineage_owner_of(slot, p, &row.subject, &row.needs);
	if (purpose != 0)
	{
		value = slot_getattr(slot, purpose, &isnull);
		if (!isnull)
			row.made_for = TextDatumGetCString(value);
	}
	return row;
}

/* What is known of one subject a row depends on. */
typedef struct Contributor
{
	TwpSubject	subject;
	List	   *portions;		/* TwpLosses * */
	List	   *hits;			/* uint64 *, beside portions */
} Contributor;

/* What finding a row's taints works on. */
typedef struct Search
{
	const TwpTaintScope *scope;
	TwpTaintRow row;
	bool		found;
	bool		covered;
	List	   *contributors;
	MemoryContext context;
} Search;

/* Finds or makes what is known of a subject. */
static Contributor *
contributor_of(Search *search, const TwpSubject *subject)
{
	Contributor *c;
	ListCell   *lc;

	foreach(lc, search->contributors)
	{
		c = lfirst(lc);
		if (twp_subject_equal(&c->subject, subject))
			return c;
	}
	c = palloc0(sizeof(Contributor));
	c->subject = *subject;
	if (subject->kind == TWP_SUBJECT_TEXT)
		c->subject.key.text.data = pnstrdup(subject->key.text.data, subject->key.text.len);
	c->portions = twp_taint_losses(search->scope, twp_subject_to_text(subject));
	foreach(lc, c->portions)
		c->hits = lappend(c->hits, palloc0(sizeof(uint64)));
	search->contributors = lappend(search->contributors, c);
	return c;
}

/* Takes an input: which losses of its subject hit it. */
static bool
take_input(const TwpSubject *subject, TwpCategorySet needs, void *arg)
{
	Search	   *search = arg;
	MemoryContext old = MemoryContextSwitchTo(search->context);
	Contributor *c = contributor_of(search, subject);
	ListCell   *portion;
	ListCell   *hits;

	if (search->row.owner == TWP_OWNER_POOLED)
		needs |= search->row.needs;
	forboth(portion, c->portions, hits, c->hits)
		*(uint64 *) lfirst(hits) |= twp_taint_hits(lfirst(portion), needs);
	MemoryContextSwitchTo(old);
	return true;
}

/* Takes the row itself. */
static bool
take_row(TupleTableSlot *slot, Oid relid, void *arg)
{
	Search	   *search = arg;
	const TwpProtection *p = twp_lineage_protection(relid);

	if (p == NULL || p->broken != NULL)
		return true;
	search->row = twp_taint_read_row(slot, p);
	search->found = true;
	search->covered = twp_taint_covers_row(search->scope, search->row.made_for, search->row.needs);
	if (search->row.owner == TWP_OWNER_ONE)
		(void) take_input(&search->row.subject, search->row.needs, search);
	return false;
}

/* Finds the taints of one row. */
bool
twp_taint_of_row(const TwpTaintScope *scope, const TwpProtection *target, const TwpSubject *key, TwpTaintSink sink,
				 void *arg)
{
	Search		search = {.scope = scope,.context = CurrentMemoryContext};
	Snapshot	snapshot = twp_lineage_begin(target->relid);
	bool		complete;
	ListCell   *lc;

	(void) twp_lineage_visit_key(target->relid, target->facts[TWP_ROW_KEY], key, snapshot, take_row, &search);
	twp_lineage_end(snapshot);
	if (!search.found || !search.covered)
		return true;
	complete = twp_lineage_probe(target, key, take_input, &search);
	foreach(lc, search.contributors)
	{
		Contributor *c = lfirst(lc);
		ListCell   *portion;
		ListCell   *hits;

		forboth(portion, c->portions, hits, c->hits)
			twp_taint_emit(lfirst(portion), *(uint64 *) lfirst(hits) &
						   twp_taint_of_purpose(lfirst(portion), search.row.made_for),
						   target->relid, key, sink, arg);
	}
	return complete;
}

/*
 * store.c - reading the consent tables, always as they are now.
 *
 * Contract: every read takes a fresh catalog snapshot, never the
 * transaction's, so it is right in REPEATABLE READ, in parallel workers and on
 * standbys, and sees this transaction's own changes.  Directives and their
 * withdrawals are read under one snapshot: a transaction that withdraws one
 * directive and records another is seen whole or not at all.
 *
 * Locks: AccessShare on the tables while they are read.  Memory: results are
 * palloc'd in the caller's context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "consent/store_internal.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define ANUM_DIRECTIVE_CONSENT_ID 1
#define ANUM_DIRECTIVE_CHANGED 7
#define ANUM_DIRECTIVE_SUBJECT 8
#define ANUM_WITHDRAWAL_CONSENT_ID 1
#define ANUM_WITHDRAWAL_CHANGED 3
#define ANUM_WITHDRAWAL_SUBJECT 4
#define ANUM_TERMS_ID 1
#define ANUM_TERMS_DIGEST 2
#define ANUM_TERMS_TERMS 3

/* Takes a snapshot of now; the caller registers it if it is to be kept. */
Snapshot
twp_consent_snapshot(void)
{
	return GetCatalogSnapshot(twp_catalog_internal_relid("directive"));
}

/* Opens one of our tables for reading. */
static Relation
open_table(const char *name)
{
	return table_open(twp_catalog_internal_relid(name), AccessShareLock);
}

/* Fills the part of a directive that its row tells. */
void
twp_store_take_directive(TwpDirective *directive, HeapTuple tuple)
{
	FormData_directive *form = (FormData_directive *) GETSTRUCT(tuple);

	directive->consent_id = form->consent_id;
	directive->terms_id = form->terms_id;
	directive->valid_from = form->valid_from;
	directive->valid_until = form->valid_until;
	directive->given_at = form->given_at;
	directive->withdrawn = false;
	directive->changed = form->changed;
	directive->withdrawn_change = 0;
	directive->recorded_at = form->recorded_at;
	directive->withdrawn_at = 0;
}

/* Orders directives from the oldest to the latest. */
static int
compare_directives(const void *left, const void *right)
{
	const TwpDirective *a = left;
	const TwpDirective *b = right;

	if (a->given_at != b->given_at)
		return a->given_at < b->given_at ? -1 : 1;
	return a->consent_id < b->consent_id ? -1 : a->consent_id > b->consent_id;
}

/* Marks what was withdrawn. */
static void
mark_withdrawn(const char *subject, Snapshot snapshot, TwpDirective *directives, int n)
{
	Relation	rel = open_table("withdrawal");
	Oid			index = twp_catalog_internal_relid("withdrawal_subject_idx");
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, ANUM_WITHDRAWAL_SUBJECT, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(subject));
	scan = systable_beginscan(rel, index, true, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FormData_withdrawal *form = (FormData_withdrawal *) GETSTRUCT(tuple);

		for (int i = 0; i < n; i++)
			if (directives[i].consent_id == form->consent_id)
			{
				directives[i].withdrawn = true;
				directives[i].withdrawn_change = form->changed;
				directives[i].withdrawn_at = form->withdrawn_at;
			}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Reads all directives of a subject, oldest first, withdrawn ones marked. */
int
twp_store_directives(const char *subject, Snapshot snapshot, TwpDirective **directives)
{
	Relation	rel = open_table("directive");
	Oid			index = twp_catalog_internal_relid("directive_subject_idx");
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	int			capacity = 4;

	*directives = palloc(capacity * sizeof(TwpDirective));
	ScanKeyInit(&key, ANUM_DIRECTIVE_SUBJECT, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(subject));
	scan = systable_beginscan(rel, index, true, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (n == capacity)
			*directives = repalloc(*directives, (capacity *= 2) * sizeof(TwpDirective));
		twp_store_take_directive(&(*directives)[n++], tuple);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (n > 0)
		mark_withdrawn(subject, snapshot, *directives, n);
	qsort(*directives, n, sizeof(TwpDirective), compare_directives);
	return n;
}

/* Visits the subjects of one table's rows that were written by a transaction from since on. */
static bool
visit_changed(const char *table, const char *index, int changed_column, int subject_column, uint64 since,
			  Snapshot snapshot, TwpSubjectVisitor visitor, void *arg)
{
	Relation	rel = open_table(table);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		more = true;

	ScanKeyInit(&key, changed_column, BTGreaterEqualStrategyNumber, F_XID8GE, UInt64GetDatum(since));
	scan = systable_beginscan(rel, twp_catalog_internal_relid(index), true, snapshot, 1, &key);
	while (more && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		subject = heap_getattr(tuple, subject_column, RelationGetDescr(rel), &isnull);

		CHECK_FOR_INTERRUPTS();
		more = visitor(TextDatumGetCString(subject), arg);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return more;
}

/* Visits the subjects about whom something was recorded since; false when the visitor stopped it. */
bool
twp_store_visit_changed(uint64 since, Snapshot snapshot, TwpSubjectVisitor visitor, void *arg)
{
	return visit_changed("directive", "directive_changed_idx", ANUM_DIRECTIVE_CHANGED,
						 ANUM_DIRECTIVE_SUBJECT, since, snapshot, visitor, arg) &&
		visit_changed("withdrawal", "withdrawal_changed_idx", ANUM_WITHDRAWAL_CHANGED,
					  ANUM_WITHDRAWAL_SUBJECT, since, snapshot, visitor, arg);
}

/* True when the rule, or one below it, denies. */
static bool
denies(const TwpRule *rule)
{
	bool		found = rule->effect == TWP_DECISION_DENY;

	for (int i = 0; i < rule->nrules && !found; i++)
		found = denies(rule->rules[i]);
	return found;
}

/* Orders numbers of terms. */
static int
compare_numbers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Numbers of all terms that deny something, in order. */
static int64 *
denying_terms(Snapshot snapshot, Size *n)
{
	Relation	rel = open_table("terms");
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy terms", ALLOCSET_DEFAULT_SIZES);
	Size		room = 64;
	int64	   *numbers = palloc(room * sizeof(int64));
	HeapTuple	tuple;

	*n = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		terms = heap_getattr(tuple, ANUM_TERMS_TERMS, RelationGetDescr(rel), &isnull);
		bool		found = denies(twp_rule_parse(DatumGetJsonbP(terms)));

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		if (!found)
			continue;
		if (*n == room)
			numbers = repalloc_huge(numbers, (room *= 2) * sizeof(int64));
		numbers[(*n)++] = DatumGetInt64(heap_getattr(tuple, ANUM_TERMS_ID, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	MemoryContextDelete(context);
	qsort(numbers, *n, sizeof(int64), compare_numbers);
	return numbers;
}

/* Visits the subjects of whom something was withdrawn, or is denied; a subject may come twice. */
void
twp_store_visit_losers(Snapshot snapshot, TwpSubjectVisitor visitor, void *arg)
{
	Size		nterms;
	int64	   *terms = denying_terms(snapshot, &nterms);
	Relation	rel = open_table("directive");
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FormData_directive *form = (FormData_directive *) GETSTRUCT(tuple);
		int64		number = form->terms_id;

		CHECK_FOR_INTERRUPTS();
		if (bsearch(&number, terms, nterms, sizeof(int64), compare_numbers) != NULL)
			(void) visitor(text_to_cstring(&form->subject), arg);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	(void) visit_changed("withdrawal", "withdrawal_changed_idx", ANUM_WITHDRAWAL_CHANGED,
						 ANUM_WITHDRAWAL_SUBJECT, 0, snapshot, visitor, arg);
}

/* Estimates the number of directives there are. */
double
twp_store_estimate(void)
{
	Relation	rel = open_table("directive");
	double		tuples = rel->rd_rel->reltuples;

	/* Never analyzed: some sixty short rows fill a page. */
	if (tuples < 0)
		tuples = 60.0 * RelationGetNumberOfBlocks(rel);
	table_close(rel, AccessShareLock);
	return tuples;
}

/* Finds one row by a bigint or bytea key through a unique index; NULL when there is none. */
static HeapTuple
find_row(Relation rel, const char *index, Snapshot snapshot, int column, RegProcedure equal, Datum value)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, equal, value);
	scan = systable_beginscan(rel, twp_catalog_internal_relid(index), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Gives the subject a directive is about; NULL when there is no such directive. */
char *
twp_store_subject_of(int64 consent_id, Snapshot snapshot)
{
	Relation	rel = open_table("directive");
	HeapTuple	tuple = find_row(rel, "directive_pkey", snapshot, ANUM_DIRECTIVE_CONSENT_ID,
								 F_INT8EQ, Int64GetDatum(consent_id));
	char	   *subject = NULL;

	if (HeapTupleIsValid(tuple))
		subject = text_to_cstring(&((FormData_directive *) GETSTRUCT(tuple))->subject);
	table_close(rel, AccessShareLock);
	return subject;
}

/* Reads the rule that terms say. */
TwpRule *
twp_store_rule(int64 terms_id, Snapshot snapshot)
{
	Relation	rel = open_table("terms");
	HeapTuple	tuple = find_row(rel, "terms_pkey", snapshot, ANUM_TERMS_ID, F_INT8EQ,
								 Int64GetDatum(terms_id));
	TwpRule    *rule;
	bool		isnull;

	/* A directive whose terms are lost must not be taken for one that says nothing. */
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "terms " INT64_FORMAT " of a consent directive are missing", terms_id);
	rule = twp_rule_parse(DatumGetJsonbP(heap_getattr(tuple, ANUM_TERMS_TERMS,
													  RelationGetDescr(rel), &isnull)));
	table_close(rel, AccessShareLock);
	return rule;
}

/* Computes the digest that terms are found by. */
static bytea *
digest_terms(const Jsonb *terms)
{
	char	   *printed = JsonbToCString(NULL, (JsonbContainer *) &terms->root, VARSIZE(terms));
	bytea	   *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) printed, strlen(printed)) < 0 ||
		pg_cryptohash_final(ctx, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute the digest of consent terms");
	pg_cryptohash_free(ctx);
	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	return digest;
}

/* Finds terms already stored; gives their digest in any case. */
bool
twp_store_terms_id(const Jsonb *terms, Snapshot snapshot, int64 *terms_id, bytea **digest)
{
	Relation	rel = open_table("terms");
	HeapTuple	tuple;

	*digest = digest_terms(terms);
	tuple = find_row(rel, "terms_digest_key", snapshot, ANUM_TERMS_DIGEST, F_BYTEAEQ,
					 PointerGetDatum(*digest));
	if (HeapTupleIsValid(tuple))
		*terms_id = *(int64 *) GETSTRUCT(tuple);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* Gives the latest change recorded in one table, by its index. */
static uint64
latest_change_of(const char *table, const char *index_name, int column)
{
	Relation	rel = open_table(table);
	Relation	index = index_open(twp_catalog_internal_relid(index_name), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(rel, index, twp_consent_snapshot(), 0, NULL);
	HeapTuple	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	uint64		change = 0;
	bool		isnull;

	if (HeapTupleIsValid(tuple))
		change = DatumGetUInt64(heap_getattr(tuple, column, RelationGetDescr(rel), &isnull));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return change;
}

/* Gives the latest change: the highest transaction that recorded or withdrew. */
uint64
twp_store_latest_change(void)
{
	return Max(latest_change_of("directive", "directive_changed_idx", ANUM_DIRECTIVE_CHANGED),
			   latest_change_of("withdrawal", "withdrawal_changed_idx", ANUM_WITHDRAWAL_CHANGED));
}

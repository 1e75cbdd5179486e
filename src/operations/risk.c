/*
 * risk.c - how many patients stand alone with their quasi-identifiers, for the report.
 *
 * Over the values as stored: what a use shows is masked, so this is the worst
 * case.  Only figures leave.  The table is read by scan, and only columns of
 * types that PostgreSQL itself brings are looked at: nothing of the owner's
 * runs.  Two combinations, or two patients, with one 64-bit hash count as one.
 *
 * Locks: AccessShareLock on the table and all below it.  Memory: sixteen
 * bytes a row, of at most ROWS_READ rows.  Failure: raises.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(twp_operations_risk);

TWP_EXPORT Datum twp_operations_risk(PG_FUNCTION_ARGS);

#define ROWS_READ 1000000

/* A row: its combination, and whose it is. */
typedef struct Member
{
	uint64		combination;
	uint64		subject;
} Member;

typedef struct Members
{
	Member	   *rows;
	int			n;
	int			capacity;
} Members;

/* Orders by combination, then by patient. */
static int
compare_members(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;

	if (x->combination != y->combination)
		return x->combination < y->combination ? -1 : 1;
	return x->subject < y->subject ? -1 : x->subject > y->subject;
}

/* A column that is looked at. */
typedef struct Column
{
	AttrNumber	attno;
	FmgrInfo	output;
} Column;

/* Prepares to look at a column. */
static Column
open_column(Oid relid, AttrNumber attno)
{
	Column		column = {.attno = attno};
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(getBaseType(get_atttype(relid, attno)), &output, &varlena);
	fmgr_info(output, &column.output);
	return column;
}

/* Finds the quasi-identifiers of a table that are looked at; gives how many.  None of one whose labels are gone meanwhile. */
static int
find_quasi(Oid relid, Column **columns)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	int			n = 0;

	if (p == NULL)
		return 0;
	p = twp_protect_copy(p, CurrentMemoryContext);
	*columns = palloc(Max(p->natts, 1) * sizeof(Column));
	for (AttrNumber attno = 1; attno <= p->natts; attno++)
	{
		Oid			type = getBaseType(get_atttype(relid, attno));

		if (p->columns[attno - 1].kind == TWP_KIND_QUASI && p->columns[attno - 1].labelled &&
			OidIsValid(type) && type < FirstNormalObjectId)
			(*columns)[n++] = open_column(relid, attno);
	}
	return n;
}

/* Hashes a column's value by its text; NULL is a value of its own. */
static uint64
hash_value(Column *column, TupleTableSlot *slot, bool *isnull)
{
	Datum		value = slot_getattr(slot, column->attno, isnull);
	char	   *text;

	if (*isnull)
		return 0;
	text = OutputFunctionCall(&column->output, value);
	return DatumGetUInt64(hash_any_extended((unsigned char *) text, (int) strlen(text), 1));
}

/* Adds a row. */
static void
add_member(Members *members, const Member *member)
{
	if (members->n == members->capacity)
	{
		members->capacity *= 2;
		members->rows = repalloc_huge(members->rows, members->capacity * sizeof(Member));
	}
	members->rows[members->n++] = *member;
}

/* Adds the rows of one table. */
static void
read_members(const TwpProtection *p, Oid relid, Members *members)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Column		key = open_column(relid, get_attnum(relid, get_attname(p->relid, p->subject.start, false)));
	Column	   *quasi = NULL;
	int			nquasi = find_quasi(relid, &quasi);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy row", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);

	while (members->n < ROWS_READ && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Member		member = {0};
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < nquasi; i++)
			member.combination = hash_combine64(member.combination, hash_value(&quasi[i], slot, &isnull));
		member.subject = hash_value(&key, slot, &isnull);
		if (!isnull)
			add_member(members, &member);
		MemoryContextReset(row);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

/* Counts over sorted members: memberships, the smallest group, and those alone. */
static void
count_groups(const Members *members, int64 *patients, int64 *smallest, int64 *alone)
{
	int			i = 0;

	*patients = *smallest = *alone = 0;
	while (i < members->n)
	{
		uint64		combination = members->rows[i].combination;
		int64		size = 0;

		for (; i < members->n && members->rows[i].combination == combination; i++)
			if (size == 0 || members->rows[i].subject != members->rows[i - 1].subject)
				size++;
		*patients += size;
		*smallest = *smallest == 0 ? size : Min(*smallest, size);
		*alone += size == 1;
	}
}

/* quasi_risk(target): one row, none where the subject is not a column of the table. */
Datum
twp_operations_risk(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relid = PG_GETARG_OID(0);
	const TwpProtection *p = twp_protect_lookup(relid);
	Members		members = {.capacity = 1024};
	int64		figures[3];
	Datum		values[4];
	bool		nulls[4] = {false};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (p == NULL || p->broken != NULL || p->subject.nhops > 0)
		return (Datum) 0;
	p = twp_protect_copy(p, CurrentMemoryContext);
	members.rows = palloc(members.capacity * sizeof(Member));
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			read_members(p, lfirst_oid(lc), &members);
	qsort(members.rows, members.n, sizeof(Member), compare_members);
	count_groups(&members, &figures[0], &figures[1], &figures[2]);
	for (int i = 0; i < 3; i++)
		values[i] = Int64GetDatum(figures[i]);
	values[3] = BoolGetDatum(members.n < ROWS_READ);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

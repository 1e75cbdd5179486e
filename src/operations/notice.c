/*
 * notice.c - what a table that was just protected will show: nothing, as long as
 * nobody permitted anything.
 *
 * Only tables that hold the subject themselves are counted, and at most
 * ROWS_READ of their rows: a word of caution, not a survey.  The table is read by
 * scan, not by SQL: a query run as superuser could call functions of the owner.
 *
 * Locks: the caller's, on the table and all below it.  Memory: the subjects
 * found, until the end of the call.  Failure: raises.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "operations/operations.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define ROWS_READ 100000

/* Reads the subjects of one table into values, as text; gives how many values there are then. */
static int
read_subjects(Oid relid, const char *column, Datum *values, int n)
{
	Relation	rel = table_open(relid, NoLock);
	AttrNumber	attno = get_attnum(relid, column);
	Oid			type = getBaseType(get_atttype(relid, attno));
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

	while (n < ROWS_READ && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, attno, &isnull);
		TwpSubject	subject;

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		twp_subject_from_datum(&subject, type, value);
		values[n++] = CStringGetTextDatum(twp_subject_to_text(&subject));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return n;
}

/* Says how many of the subjects read have no permit in force. */
static void
say_uncovered(Oid relid, Datum *values, int n)
{
	Oid			types[1] = {TEXTARRAYOID};
	Datum		arguments[1] = {PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT))};
	char	   *known;
	char	   *uncovered;

	twp_sql_connect();
	twp_sql_exec("SELECT count(*), count(*) FILTER (WHERE c.subject IS NULL)"
				 "  FROM (SELECT DISTINCT u AS subject FROM unnest($1) AS u) AS s"
				 "  LEFT JOIN (SELECT DISTINCT subject FROM twin_privacy.consents"
				 "              WHERE decision = 'permit' AND withdrawn_at IS NULL) AS c USING (subject)",
				 1, types, arguments, NULL);
	known = twp_sql_text(0, 1);
	uncovered = twp_sql_text(0, 2);
	if (strcmp(uncovered, "0") != 0)
		ereport(NOTICE,
				(errmsg("%s of %s patients %s \"%s\" permit nothing yet, so nobody sees their rows",
						uncovered, known, n == ROWS_READ ? "met in the first rows of" : "in", get_rel_name(relid)),
				 errhint("Record what they agreed to with twin_privacy.record_consent or twin_privacy.import_consent; twin_privacy.simulate_use counts whom a use would see.")));
	twp_sql_finish();
}

/* Tells of patients in a table just protected who have permitted nothing. */
static void
tell_of_uncovered(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);
	MemoryContext context;
	MemoryContext old;
	char	   *column;
	Datum	   *values;
	int			n = 0;
	ListCell   *lc;

	if (p == NULL || p->broken != NULL || p->subject.nhops > 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy uncovered", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	column = get_attname(relid, p->subject.start, false);
	values = palloc(ROWS_READ * sizeof(Datum));
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			n = read_subjects(lfirst_oid(lc), column, values, n);
	if (n > 0)
		say_uncovered(relid, values, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Starts the room. */
void
twp_operations_init(void)
{
	twp_protect_register_protected(tell_of_uncovered);
}

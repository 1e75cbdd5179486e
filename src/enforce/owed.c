/*
 * owed.c - write checks that a statement owes.
 *
 * With a million patients the look-up of one waits for memory, and a row that
 * is loaded costs little more than that.  Where only its subject decides, the
 * checks of new rows are gathered and made many at once.  They are settled
 * before anything else is planned or run (a trigger's or foreign key's query, a
 * command), before the execution ends, and at the latest before the transaction
 * commits; until then nobody else sees the rows.
 *
 * A table with a unique index or an exclusion constraint is checked row by
 * row: its errors would come first, and tell of rows whose subject is closed.
 *
 * Contract: what is owed belongs to one subtransaction and goes when that
 * aborts.  Failure: settling raises and still owes, so that nobody who catches
 * the error is rid of the check.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(twp_enforce_row_owed);

/* Enough that fetches from memory overlap; few, so that a refusal comes soon. */
#define MAX_OWED 64

StaticAssertDecl(MAX_OWED <= TWP_CONSENT_MANY, "what is owed is asked for at once");

static struct
{
	Oid			relid;
	uint64		stamp;
	SubTransactionId subid;
	Oid			type;			/* of the subject's column */
	int			n;
	TwpSubject	subjects[MAX_OWED];
}			owed;

/* True when an index refuses rows for what is in other rows. */
static bool
has_unique_index(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	List	   *indexes = RelationGetIndexList(rel);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(lc));
		found |= ((Form_pg_index) GETSTRUCT(tuple))->indisunique ||
			((Form_pg_index) GETSTRUCT(tuple))->indisexclusion;
		ReleaseSysCache(tuple);
	}
	table_close(rel, NoLock);
	return found;
}

/* The check of rows that are inserted: one that is owed where the subject alone decides and nothing tells of others. */
TwpFunction
twp_enforce_insert_check(const TwpTableVerdict *v)
{
	const TwpProtection *p = v->protection;

	/* a partition's indexes can be made without a new plan for its parent */
	if (p->subject.nhops > 0 || p->nprovenance > 0 || p->facts[TWP_ROW_PURPOSE] != 0 || twp_enforce_knows_facts(p) ||
		(p->subject_kind != TWP_SUBJECT_INT && p->subject_kind != TWP_SUBJECT_UUID) ||
		get_rel_relkind(v->relid) != RELKIND_RELATION || has_unique_index(v->relid))
		return TWP_FN_ROW_WRITABLE;
	return TWP_FN_ROW_OWED;
}

/* Raises that a row may not be stored. */
void
twp_enforce_refuse_row(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("a row of table \"%s\" may not be written under use \"%s\"",
					get_rel_name(relid), twp_decision_use()->code),
			 errhint("The row's data subject, or one of its labels, has no consent for it; see twin_privacy.why.")));
}

/* Makes the checks that are owed. */
void
twp_enforce_settle_owed(void)
{
	TwpCategorySet open[MAX_OWED];
	uint32		tokens[MAX_OWED];
	TwpCategorySet needs;

	if (likely(owed.n == 0))
		return;
	twp_enforce_require_decision(owed.stamp);
	needs = twp_decision_table(owed.relid)->needs;
	twp_decision_open_many(owed.subjects, owed.n, needs, open, tokens);
	for (int i = 0; i < owed.n; i++)
		if ((open[i] & needs) != needs)
			twp_enforce_refuse_row(owed.relid);
	owed.n = 0;
}

/* Begins to owe checks of rows of a relation. */
static void
begin_owing(Oid relid, uint64 stamp)
{
	twp_enforce_settle_owed();
	twp_enforce_require_decision(stamp);
	owed.relid = relid;
	owed.stamp = stamp;
	owed.subid = GetCurrentSubTransactionId();
	owed.type = twp_decision_table(relid)->protection->subject.type;
}

/*
 * row_owed(relation, stamp, key, ...): true; the row's subject is looked up
 * before the execution ends.  Declared STABLE though it remembers: COPY stores row
 * by row where a condition is volatile.
 */
Datum
twp_enforce_row_owed(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	uint64		stamp = (uint64) PG_GETARG_INT64(1);

	if (owed.n == 0 || owed.n == MAX_OWED || owed.relid != relid || owed.stamp != stamp ||
		owed.subid != GetCurrentSubTransactionId())
		begin_owing(relid, stamp);
	if (PG_ARGISNULL(2))
		twp_enforce_refuse_row(relid);
	twp_subject_from_datum(&owed.subjects[owed.n], owed.type, PG_GETARG_DATUM(2));
	/* sensors send many rows of one patient in turn */
	if (owed.n == 0 || !twp_subject_equal(&owed.subjects[owed.n - 1], &owed.subjects[owed.n]))
		owed.n++;
	PG_RETURN_BOOL(true);
}

/* Settles before a transaction commits; an aborted one owes nothing. */
void
twp_enforce_owed_at_transaction_end(XactEvent event)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		twp_enforce_settle_owed();
	else if (event == XACT_EVENT_ABORT)
		owed.n = 0;
}

/* Forgets what an aborted subtransaction owed; a committed one's parent owes it. */
void
twp_enforce_owed_at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
	if (owed.n == 0 || owed.subid < mine)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		owed.n = 0;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		owed.subid = parent;
}

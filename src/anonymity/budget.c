/*
 * budget.c - what a private use may spend, and what it has spent.
 *
 * A charge changes the use's row of privacy_account in place, as PostgreSQL
 * changes a sequence: not under the transaction, which could be rolled back,
 * but logged by itself and flushed before the query runs.  So it survives
 * ROLLBACK and crashes, reaches standbys, and is part of dumps.  Two sessions
 * take turns at the row's page, and what one has spent the other sees.
 *
 * Locks: RowExclusiveLock on the table, the page's lock for moments.  Failure:
 * raises; what was charged before stays charged.  The row must not be changed
 * otherwise; a superuser in maintenance who does so does it with no query
 * running.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "anonymity/anonymity_internal.h"
#include "anonymity/private.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_collation.h"
#include "storage/bufmgr.h"
#include "uses/uses.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* The numbers at the beginning of a row of privacy_account. */
typedef struct Account
{
	int64		epsilon_spent;
	int64		delta_spent;
	int64		queries;
} Account;

#define Anum_account_code 4

static double query_epsilon = 0.1;
static double query_delta = 1e-9;
static int	max_rows = 0;
static int	max_groups = 0;

/* Defines what a session may choose of each query. */
void
twp_anonymity_define_private_settings(void)
{
	DefineCustomRealVariable("twin_privacy.query_epsilon",
							 "Epsilon that a query under a private use is charged.",
							 "The more, the less noise; counted for each grouping of protected rows.",
							 &query_epsilon, 0.1, 1e-6, 100, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("twin_privacy.query_delta",
							 "Delta that a query with groups is charged under a private use.",
							 "Bounds the probability that a group of one data subject is shown.",
							 &query_delta, 1e-9, 1e-12, 1e-6, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.max_rows_per_subject",
							"How many rows of a data subject count in full under a private use.",
							"0: found from the data, for an eighth of the query's epsilon.",
							&max_rows, 0, 0, 1 << 20, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.max_groups_per_subject",
							"In how many groups a data subject counts under a private use.",
							"0: found from the data, for an eighth of the query's epsilon.",
							&max_groups, 0, 0, 1 << 20, PGC_USERSET, 0, NULL, NULL, NULL);
}

/* The charge and caps that the session's settings ask for. */
void
twp_private_settings(TwpReleaseOptions *options)
{
	options->epsilon = (int64) rint(query_epsilon * TWP_EPSILON_UNIT);
	options->delta = (int64) rint(query_delta * TWP_DELTA_UNIT);
	options->max_rows = max_rows;
	options->max_groups = max_groups;
}

/* Finds a use's row. */
static bool
find_account(Relation relation, const char *use_code, ItemPointer tid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_account_code, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(use_code));
	key.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(relation, twp_catalog_internal_relid("privacy_account_pkey"), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		*tid = tuple->t_self;
	systable_endscan(scan);
	return HeapTupleIsValid(tuple);
}

/* The account in a page, unless the row is gone or being replaced. */
static Account *
account_in(Page page, ItemPointer tid)
{
	ItemId		item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
	HeapTupleHeader row;

	if (!ItemIdIsNormal(item))
		return NULL;
	row = (HeapTupleHeader) PageGetItem(page, item);
	if ((row->t_infomask & HEAP_XMAX_INVALID) == 0 && !HEAP_XMAX_IS_LOCKED_ONLY(row->t_infomask))
		return NULL;
	return (Account *) ((char *) row + row->t_hoff);
}

/* Refuses a charge that the budget does not hold. */
static void
refuse_charge(const char *use_code, const Account *account, int64 budget, int64 epsilon, int64 delta)
{
	if (account->epsilon_spent + epsilon > budget)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("the privacy budget of use \"%s\" is exhausted: %g of epsilon left, %g asked for", use_code,
						Max(budget - account->epsilon_spent, 0) / TWP_EPSILON_UNIT, epsilon / TWP_EPSILON_UNIT),
				 errhint("Repeat a query asked before, which is free while the data is the same, ask for less with twin_privacy.query_epsilon, or ask a twin_privacy_officer for another use.")));
	if (account->delta_spent + delta > TWP_DELTA_BUDGET)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("the privacy budget of use \"%s\" is exhausted: %g of delta left, %g asked for", use_code,
						Max(TWP_DELTA_BUDGET - account->delta_spent, 0) / TWP_DELTA_UNIT, delta / TWP_DELTA_UNIT),
				 errhint("Ask without GROUP BY or with a smaller twin_privacy.query_delta, or ask a twin_privacy_officer for another use.")));
}

/* Takes a charge from the account at a place; false when the row has moved on. */
static bool
charge_row(Relation relation, ItemPointer tid, const char *use_code, int64 budget, int64 epsilon, int64 delta)
{
	Buffer		buffer = ReadBuffer(relation, ItemPointerGetBlockNumber(tid));
	GenericXLogState *state = GenericXLogStart(relation);
	Account    *account;
	Account		was;
	XLogRecPtr	end;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	account = account_in(GenericXLogRegisterBuffer(state, buffer, 0), tid);
	if (account == NULL || account->epsilon_spent + epsilon > budget ||
		account->delta_spent + delta > TWP_DELTA_BUDGET)
	{
		if (account != NULL)
			was = *account;
		GenericXLogAbort(state);
		UnlockReleaseBuffer(buffer);
		if (account != NULL)
			refuse_charge(use_code, &was, budget, epsilon, delta);
		return false;
	}
	account->epsilon_spent += epsilon;
	account->delta_spent += delta;
	account->queries++;
	end = GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	XLogFlush(end);
	return true;
}

/* Takes a charge, durable before it returns. */
void
twp_private_charge(const char *use_code, int64 budget, int64 epsilon, int64 delta)
{
	Relation	relation;
	ItemPointerData tid;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a standby cannot charge the privacy budget of use \"%s\"", use_code),
				 errhint("Ask the primary.")));
	relation = table_open(twp_catalog_internal_relid("privacy_account"), RowExclusiveLock);
	if (!find_account(relation, use_code, &tid) || !charge_row(relation, &tid, use_code, budget, epsilon, delta))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" has no privacy budget that can be charged now", use_code),
				 errhint("Approval opens its account; if maintenance is changing it, try again.")));
	table_close(relation, NoLock);
}

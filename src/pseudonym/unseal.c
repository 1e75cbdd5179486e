/*
 * unseal.c - four eyes for unsealing in bulk.
 *
 * A login may unseal twin_privacy.unseal_limit values in 24 hours on its use's
 * approval alone, in all its sessions together: connecting anew gives nothing
 * new.  More take an order: requested by the person, approved by an officer
 * under another login, begun once.  What an order allows counts when the
 * transaction that begins it commits, so rolling back gives nothing back;
 * orders begun one after the other add up, each for its domain.
 *
 * State: accounts of logins in shared memory, until the server stops; what
 * orders allow in the backend.  Locks: one LWLock over the accounts.  Failure:
 * with no account free, a login that has none unseals on orders only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pseudonym/pseudonym_internal.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_unseal_request);
PG_FUNCTION_INFO_V1(twp_unseal_approve);
PG_FUNCTION_INFO_V1(twp_unseal_begin);

#define TRANCHE "twin_privacy unsealing"
#define MAX_ACCOUNTS 1024

static int	unseal_limit = 100;

/* What a login unsealed without an order since its first within 24 hours. */
typedef struct Account
{
	Oid			login;			/* InvalidOid: free */
	TimestampTz since;
	int64		charged;
} Account;

typedef struct Shared
{
	LWLock	   *lock;
	Account		accounts[MAX_ACCOUNTS];
} Shared;

static Shared *shared = NULL;

/* What an order that this session has begun still allows. */
typedef struct Allowance
{
	char		domain[TWP_DOMAIN_NAME_MAX + 1];
	int64		left;
	SubTransactionId begun_in;	/* InvalidSubTransactionId once it is committed */
} Allowance;

static List *allowances = NIL;	/* in TopMemoryContext */

/* Gives up allowances that a transaction (from its first subtransaction on), or a subtransaction, began. */
static void
drop_begun(SubTransactionId since)
{
	ListCell   *lc;

	foreach(lc, allowances)
	{
		Allowance  *allowance = lfirst(lc);

		if (allowance->begun_in >= since)
		{
			allowances = foreach_delete_current(allowances, lc);
			pfree(allowance);
		}
	}
}

/* Lets orders count when the transaction that began them commits. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (event == XACT_EVENT_COMMIT)
		foreach(lc, allowances)
			((Allowance *) lfirst(lc))->begun_in = InvalidSubTransactionId;
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drop_begun(TopSubTransactionId);
}

/* Drops orders begun within a subtransaction that fails. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_begun(id);
}

/* Adds what an order allows, to count from the commit on. */
static void
begin_allowance(const char *domain, int64 values)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Allowance  *allowance = palloc(sizeof(Allowance));

	strlcpy(allowance->domain, domain, sizeof(allowance->domain));
	allowance->left = values;
	allowance->begun_in = GetCurrentSubTransactionId();
	allowances = lappend(allowances, allowance);
	MemoryContextSwitchTo(old);
}

/* Charges one value to an order for its domain; false when none has any left. */
static bool
charge_order(const char *domain)
{
	ListCell   *lc;

	foreach(lc, allowances)
	{
		Allowance  *allowance = lfirst(lc);

		if (allowance->begun_in != InvalidSubTransactionId || strcmp(allowance->domain, domain) != 0)
			continue;
		if (--allowance->left == 0)
		{
			allowances = foreach_delete_current(allowances, lc);
			pfree(allowance);
		}
		return true;
	}
	return false;
}

/* Asks for the accounts; to be called from shmem_request_hook. */
void
twp_pseudonym_shmem_request(void)
{
	RequestAddinShmemSpace(sizeof(Shared));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Finds the accounts; to be called from shmem_startup_hook. */
void
twp_pseudonym_shmem_startup(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(TRANCHE, sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		shared->lock = &GetNamedLWLockTranche(TRANCHE)[0].lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Finds a login's account, or one it may take: free or a day old; NULL when there is none.  Needs the lock. */
static Account *
find_account(Oid login, TimestampTz now)
{
	Account    *usable = NULL;

	for (int i = 0; i < MAX_ACCOUNTS; i++)
	{
		Account    *account = &shared->accounts[i];
		bool		old = account->since < now - USECS_PER_DAY;

		if (account->login == login && !old)
			return account;
		if (account->login == login || (usable == NULL && (!OidIsValid(account->login) || old)))
			usable = account;
	}
	if (usable != NULL)
		*usable = (Account) {.login = login,.since = now};
	return usable;
}

/* Charges one value to the login; false when it has used up its limit. */
static bool
charge_login(void)
{
	Account    *account;
	bool		charged;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	account = find_account(GetSessionUserId(), GetCurrentTimestamp());
	charged = account != NULL && account->charged < unseal_limit;
	if (charged)
		account->charged++;
	LWLockRelease(shared->lock);
	return charged;
}

/* Charges one value to the login or to its order, or refuses. */
void
twp_pseudonym_unseal_charge(const char *domain)
{
	if (charge_login() || charge_order(domain))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("unsealing more than %d values in 24 hours takes a second person", unseal_limit),
			 errhint("Ask with twin_privacy.request_unseal(), have an officer approve it, then call twin_privacy.begin_unseal().")));
}

/* request_unseal(domain text, max_values int, reason text) -> bigint */
Datum
twp_unseal_request(PG_FUNCTION_ARGS)
{
	char	   *domain;
	Oid			types[] = {TEXTOID, INT4OID, TEXTOID};
	Datum		values[3];
	bool		isnull;
	int64		order;

	TWP_REQUIRE_ARG(0, "domain");
	TWP_REQUIRE_ARG(1, "max_values");
	TWP_REQUIRE_ARG(2, "reason");
	domain = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_keys_require_permission(domain, true);
	if (PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_values must be at least 1"),
				 errhint("Name how many values are to be unsealed.")));
	for (int i = 0; i < 3; i++)
		values[i] = PG_GETARG_DATUM(i);
	twp_sql_connect();
	twp_sql_exec("INSERT INTO twin_privacy_internal.unseal_order (domain, max_values, reason, requested_by)"
				 " VALUES ($1, $2, $3, SESSION_USER) RETURNING order_id", 3, types, values, NULL);
	order = DatumGetInt64(twp_sql_value(0, 1, &isnull));
	twp_sql_finish();
	twp_event_emit("sealed.request", domain, NULL,
				   psprintf("{\"order\": " INT64_FORMAT ", \"values\": %d}", order, PG_GETARG_INT32(1)));
	PG_RETURN_INT64(order);
}

/* Runs an update that must find the order in the state it asks for; returns its domain. */
static char *
update_order(const char *sql, int64 order, int32 *max_values)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(order)};
	char	   *domain = NULL;
	bool		isnull;

	twp_sql_connect();
	twp_sql_exec(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
	{
		domain = MemoryContextStrdup(caller, twp_sql_text(0, 1));
		*max_values = DatumGetInt32(twp_sql_value(0, 2, &isnull));
	}
	twp_sql_finish();
	return domain;
}

/* approve_unseal(order_id bigint) -> void: an officer, not under the login that asked. */
Datum
twp_unseal_approve(PG_FUNCTION_ARGS)
{
	char	   *domain;
	int32		max_values;

	TWP_REQUIRE_ARG(0, "order_id");
	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "approve unsealing");
	domain = update_order("UPDATE twin_privacy_internal.unseal_order"
						  " SET approved_by = SESSION_USER, approved_at = pg_catalog.statement_timestamp()"
						  " WHERE order_id OPERATOR(pg_catalog.=) $1 AND approved_by IS NULL"
						  " AND requested_by OPERATOR(pg_catalog.<>) SESSION_USER"
						  " RETURNING domain, max_values", PG_GETARG_INT64(0), &max_values);
	if (domain == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("this order cannot be approved"),
				 errhint("It must exist, be open, and have been requested under another login.")));
	twp_event_emit("sealed.approve", domain, NULL, psprintf("{\"order\": " INT64_FORMAT "}", PG_GETARG_INT64(0)));
	PG_RETURN_VOID();
}

/* begin_unseal(order_id bigint) -> void: once, by who asked, within a day of the approval. */
Datum
twp_unseal_begin(PG_FUNCTION_ARGS)
{
	char	   *domain;
	int32		max_values;

	TWP_REQUIRE_ARG(0, "order_id");
	domain = update_order("UPDATE twin_privacy_internal.unseal_order SET begun_at = pg_catalog.statement_timestamp()"
						  " WHERE order_id OPERATOR(pg_catalog.=) $1 AND begun_at IS NULL"
						  " AND requested_by OPERATOR(pg_catalog.=) SESSION_USER"
						  " AND approved_at OPERATOR(pg_catalog.>)"
						  " (pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '1 day'::interval)"
						  " RETURNING domain, max_values", PG_GETARG_INT64(0), &max_values);
	if (domain == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("this order cannot be begun"),
				 errhint("It must be yours, approved within the last day, and not begun before.")));
	twp_event_emit("sealed.begin", domain, NULL, psprintf("{\"order\": " INT64_FORMAT "}", PG_GETARG_INT64(0)));
	begin_allowance(domain, max_values);
	PG_RETURN_VOID();
}

/* Defines the limit and follows transactions. */
void
twp_pseudonym_unseal_init(void)
{
	DefineCustomIntVariable("twin_privacy.unseal_limit",
							"Values a login may unseal in 24 hours before a second person must approve.",
							NULL,
							&unseal_limit,
							100, 0, INT_MAX,
							PGC_SUSET,
							0,
							NULL, NULL, NULL);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

/*
 * ship.c - on a standby, the worker that carries chains to and from the primary.
 *
 * It connects as the standby's replication does (primary_conninfo, to which
 * twin_privacy.ledger_ship_conninfo is added), sends what the primary lacks of
 * the own chain and fetches what is new of the others'.  The receiver holds
 * the position, so a crash repeats nothing.  An unreachable primary is normal:
 * reads go on until the spool is full.  On a primary the worker ends at once,
 * and after promotion, too.
 *
 * Failure: an error ends the worker; it is started again after a while.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "base/compat.h"
#include "ledger/ledger_internal.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_bswap.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define CYCLE_MS 1000
#define RETRY_MS 5000
#define CHUNK (1024 * 1024)

TWP_EXPORT void twp_ledger_ship_worker_main(Datum arg);

char	   *twp_ledger_ship_conninfo = NULL;

/* Where the primary's copy of a chain ends. */
typedef struct RemoteEnd
{
	uint8		node[TWP_NODE_LEN];
	uint64		first_segno;
	uint64		segno;
	uint32		offset;
} RemoteEnd;

/* Opens a connection to a database of the primary; NULL when it cannot be had. */
static PGconn *
connect_database(const char *database)
{
	char	   *conninfo = psprintf("%s dbname='%s' application_name='twin_privacy ledger' connect_timeout=5"
									" tcp_user_timeout=5000 %s",
									PrimaryConnInfo, database, twp_ledger_ship_conninfo);
	PGconn	   *conn = PQconnectdb(conninfo);

	pfree(conninfo);
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	ereport(DEBUG1,
			(errmsg_internal("ledger shipping: %s", PQerrorMessage(conn))));
	PQfinish(conn);
	return NULL;
}

/* Names the database that the newest own record belongs to, for one to find the functions in. */
static Oid
some_database(void)
{
	TwpNodeRef	own = {.own = true};
	TwpScan    *scan;
	const TwpRecordHeader *record;
	Oid			database = InvalidOid;
	TwpCopyEnd	end;

	twp_copy_own_end(&end);
	strlcpy(own.directory, twp_ledger_shared->directory, MAXPGPATH);
	scan = twp_scan_begin(&own, end.seq > 1000 ? end.seq - 1000 : 0);
	while ((record = twp_scan_next(scan)) != NULL)
		if (record->database != InvalidOid)
			database = record->database;
	twp_scan_end(scan);
	return database;
}

/*
 * Connects where the extension is: the database the setting names, or the one
 * of the newest record.
 */
static PGconn *
connect_primary(void)
{
	PGconn	   *conn = connect_database("postgres");
	Oid			database = some_database();
	char	   *name = NULL;
	PGresult   *result;

	if (conn == NULL || strstr(twp_ledger_ship_conninfo, "dbname") != NULL || database == InvalidOid)
		return conn;
	result = PQexec(conn, psprintf("SELECT datname FROM pg_catalog.pg_database WHERE oid = %u", database));
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		name = pstrdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	if (name == NULL || strpbrk(name, "'\\") != NULL)
		return conn;
	PQfinish(conn);
	return connect_database(name);
}

/* Runs one of the copy functions with binary arguments; NULL after a failure, which is logged once a kind. */
static PGresult *
call_primary(PGconn *conn, const char *sql, int n, const char *const *values, const int *lens)
{
	static char last_failure[256] = "";
	const int	formats[4] = {1, 1, 1, 1};
	PGresult   *result = PQexecParams(conn, sql, n, NULL, values, lens, formats, 1);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	if (strncmp(last_failure, PQerrorMessage(conn), sizeof(last_failure) - 1) != 0)
		ereport(LOG,
				(errmsg("twin_privacy ledger: could not exchange records with the primary: %s", PQerrorMessage(conn))));
	strlcpy(last_failure, PQerrorMessage(conn), sizeof(last_failure));
	PQclear(result);
	return NULL;
}

/* Reads a big-endian number of a binary result. */
static uint64
result_number(PGresult *result, int row, int column)
{
	uint64		value = 0;

	for (int i = 0; i < PQgetlength(result, row, column); i++)
		value = value << 8 | (uint8) PQgetvalue(result, row, column)[i];
	return value;
}

/* Asks the primary which chains it has; NIL and false when it does not answer. */
static bool
list_remote(PGconn *conn, List **ends)
{
	PGresult   *result = call_primary(conn, "SELECT node, first_segment, segment, at FROM twin_privacy.ledger_copy_nodes()",
									  0, NULL, NULL);

	*ends = NIL;
	if (result == NULL)
		return false;
	for (int i = 0; i < PQntuples(result); i++)
	{
		RemoteEnd  *end = palloc0(sizeof(RemoteEnd));

		if (PQgetlength(result, i, 0) != TWP_NODE_LEN)
			continue;
		memcpy(end->node, PQgetvalue(result, i, 0), TWP_NODE_LEN);
		end->first_segno = result_number(result, i, 1);
		end->segno = result_number(result, i, 2);
		end->offset = (uint32) result_number(result, i, 3);
		*ends = lappend(*ends, end);
	}
	PQclear(result);
	return true;
}

/* Calls a copy function for a position of a node's chain, with or without bytes. */
static PGresult *
call_at(PGconn *conn, const char *sql, const uint8 *node, uint64 segno, uint32 at, const char *data, uint32 len)
{
	uint64		net_segno = pg_hton64(segno);
	uint32		net_at = pg_hton32(at);
	const char *values[] = {(const char *) node, (const char *) &net_segno, (const char *) &net_at, data};
	const int	lens[] = {TWP_NODE_LEN, sizeof(net_segno), sizeof(net_at), (int) len};

	return call_primary(conn, sql, data != NULL ? 4 : 3, values, lens);
}

/* Sends what the primary lacks of the own chain. */
static bool
send_own(PGconn *conn, const RemoteEnd *remote)
{
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpCopyEnd	own;
	uint64		segno;
	uint32		at;

	twp_copy_own_end(&own);
	segno = remote != NULL && remote->segno != 0 ? remote->segno : own.first_segno;
	at = remote != NULL && remote->segno != 0 ? remote->offset : 0;
	while (!ShutdownRequestPending)
	{
		uint32		len = CHUNK;
		char	   *bytes = twp_copy_read(shared->directory, &own, segno, at, &len);
		PGresult   *result;

		if (bytes == NULL && segno >= own.segno)
			return true;
		if (bytes == NULL)
		{
			segno++;
			at = 0;
			continue;
		}
		result = call_at(conn, "SELECT twin_privacy.ledger_copy_receive($1::bytea, $2::bigint, $3::int, $4::bytea)",
						 shared->node, segno, at, bytes, len);
		pfree(bytes);
		if (result == NULL)
			return false;
		PQclear(result);
		at = at == 0 ? TWP_SEGMENT_START : at + len;
		pg_atomic_write_u64(&shared->shipped_segno, segno);
	}
	return true;
}

/* Fetches what is new of another node's chain. */
static bool
fetch_other(PGconn *conn, const RemoteEnd *remote)
{
	char		directory[MAXPGPATH];
	TwpCopyEnd	held;

	twp_copy_directory(remote->node, directory);
	while (!ShutdownRequestPending)
	{
		uint64		segno;
		uint32		at;
		PGresult   *result;

		twp_copy_find_end(directory, &held);
		segno = held.segno != 0 ? held.segno : remote->first_segno;
		at = held.segno != 0 ? held.offset : 0;
		if (segno > remote->segno || (segno == remote->segno && at >= remote->offset))
			return true;
		result = call_at(conn, "SELECT twin_privacy.ledger_copy_send($1::bytea, $2::bigint, $3::int)",
						 remote->node, segno, at, NULL, 0);
		if (result != NULL && PQgetisnull(result, 0, 0))
		{
			/* The segment is full: its successor begins with a header. */
			PQclear(result);
			segno++;
			at = 0;
			result = call_at(conn, "SELECT twin_privacy.ledger_copy_send($1::bytea, $2::bigint, $3::int)",
							 remote->node, segno, at, NULL, 0);
		}
		if (result == NULL)
			return false;
		if (!PQgetisnull(result, 0, 0))
			twp_copy_receive(remote->node, segno, at, PQgetvalue(result, 0, 0), PQgetlength(result, 0, 0));
		PQclear(result);
	}
	return true;
}

/* Exchanges everything new with the primary; false when it did not answer. */
static bool
exchange(PGconn *conn)
{
	List	   *ends;
	const RemoteEnd *own = NULL;
	ListCell   *lc;

	if (!list_remote(conn, &ends))
		return false;
	foreach(lc, ends)
	{
		RemoteEnd  *end = lfirst(lc);

		if (memcmp(end->node, twp_ledger_shared->node, TWP_NODE_LEN) == 0)
			own = end;
		else if (!fetch_other(conn, end))
			return false;
	}
	return send_own(conn, own);
}

/* Runs the worker on a standby until shutdown or promotion. */
void
twp_ledger_ship_worker_main(Datum arg)
{
	MemoryContext cycle = AllocSetContextCreate(TopMemoryContext, "ledger shipping", ALLOCSET_DEFAULT_SIZES);
	PGconn	   *conn = NULL;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	while (!ShutdownRequestPending && RecoveryInProgress())
	{
		bool		ok = false;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			PQfinish(conn);
			conn = NULL;
		}
		MemoryContextReset(cycle);
		MemoryContextSwitchTo(cycle);
		if (PrimaryConnInfo != NULL && PrimaryConnInfo[0] != '\0' &&
			pg_atomic_read_u32(&twp_ledger_shared->state) == TWP_LEDGER_OPEN)
		{
			if (conn == NULL)
				conn = connect_primary();
			ok = conn != NULL && exchange(conn);
			if (!ok)
			{
				PQfinish(conn);
				conn = NULL;
			}
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ok ? CYCLE_MS : RETRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	PQfinish(conn);
	proc_exit(ShutdownRequestPending ? 1 : 0);
}

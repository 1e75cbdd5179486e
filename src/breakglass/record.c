/*
 * record.c - break-glass events as rows, in whatever transaction runs it.
 *
 * Locks: one for each login until the transaction ends, so that two sessions
 * of one person cannot both take the last place below the debt limit.  It is
 * on an object, not an advisory one, which anybody could hold to keep others
 * from opening an emergency.  Failure: the SQL's errors.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "breakglass/breakglass_internal.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define CHANNEL "twin_privacy_break_glass"

/* Column numbers of twin_privacy_internal.break_glass_event. */
#define Anum_event_id 1
#define Anum_event_ended_at 11
#define Anum_event_verdict 12

/* Says whether the period is longer than the use allows. */
static bool
is_too_long(const TwpGlassRequest *request, const char *use_code)
{
	Oid			types[] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[] = {CStringGetTextDatum(use_code), TimestampTzGetDatum(request->opened_at),
	TimestampTzGetDatum(request->expires_at)};

	twp_sql_exec("SELECT FROM twin_privacy_internal.approved_use AS u WHERE u.code = $1"
				 " AND $2 + COALESCE(u.max_duration, '4 hours'::pg_catalog.interval) >= $3",
				 lengthof(types), types, values, NULL);
	return SPI_processed == 0;
}

/* Lists the person's unreviewed events if they are as many as the limit. */
static bool
is_in_debt(TwpGlassRequest *request)
{
	Oid			types[] = {REGROLEOID};
	Datum		values[] = {ObjectIdGetDatum(request->login)};
	bool		isnull;

	LockDatabaseObject(twp_catalog_internal_relid("break_glass_event"), request->login, 0, ExclusiveLock);
	if (request->debt_limit < 0)
		return false;
	twp_sql_exec("SELECT pg_catalog.count(*), pg_catalog.string_agg(event_id::text, ', ' ORDER BY event_id)"
				 " FROM twin_privacy_internal.break_glass_event WHERE login = $1 AND verdict IS NULL",
				 lengthof(types), types, values, NULL);
	if (DatumGetInt64(twp_sql_value(0, 1, &isnull)) < request->debt_limit)
		return false;
	strlcpy(request->unreviewed, twp_sql_text(0, 2) != NULL ? twp_sql_text(0, 2) : "",
			sizeof(request->unreviewed));
	return true;
}

/* Inserts the row and announces it. */
static void
insert_event(TwpGlassRequest *request)
{
	Oid			types[TWP_GLASS_TEXTS + 3];
	Datum		values[TWP_GLASS_TEXTS + 3];
	char		nulls[TWP_GLASS_TEXTS + 4] = "         ";
	bool		isnull;

	for (int i = 0; i < TWP_GLASS_TEXTS; i++)
	{
		types[i] = TEXTOID;
		values[i] = CStringGetTextDatum(request->texts + request->text_at[i]);
	}
	if (request->texts[request->text_at[TWP_GLASS_ACTOR]] == '\0')
		nulls[TWP_GLASS_ACTOR] = 'n';
	types[TWP_GLASS_TEXTS] = REGROLEOID;
	values[TWP_GLASS_TEXTS] = ObjectIdGetDatum(request->login);
	types[TWP_GLASS_TEXTS + 1] = types[TWP_GLASS_TEXTS + 2] = TIMESTAMPTZOID;
	values[TWP_GLASS_TEXTS + 1] = TimestampTzGetDatum(request->opened_at);
	values[TWP_GLASS_TEXTS + 2] = TimestampTzGetDatum(request->expires_at);
	twp_sql_exec("INSERT INTO twin_privacy_internal.break_glass_event (subject, use_code, session_role,"
				 " acting_role, actor, justification, login, opened_at, expires_at)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING event_id,"
				 " pg_catalog.json_build_object('event_id', event_id, 'session_role', session_role,"
				 " 'use_code', use_code, 'opened_at', opened_at, 'expires_at', expires_at)::pg_catalog.text",
				 lengthof(types), types, values, nulls);
	request->event_id = DatumGetInt64(twp_sql_value(0, 1, &isnull));
	/* Who may listen is not known: the message says that it happened, not of whom. */
	Async_Notify(CHANNEL, twp_sql_text(0, 2));
}

/* Records that a glass is opened, unless the person's debt or the period forbids it. */
TwpGlassResult
twp_breakglass_record_open(TwpGlassRequest *request)
{
	TwpGlassResult result = TWP_GLASS_OPENED;

	twp_sql_connect();
	if (is_too_long(request, request->texts + request->text_at[TWP_GLASS_USE]))
		result = TWP_GLASS_TOO_LONG;
	else if (is_in_debt(request))
		result = TWP_GLASS_IN_DEBT;
	else
		insert_event(request);
	twp_sql_finish();
	return result;
}

/* True while nobody has ended or judged an event; read afresh. */
bool
twp_breakglass_is_open(int64 event_id)
{
	Relation	events = table_open(twp_catalog_internal_relid("break_glass_event"), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	event;
	bool		open;

	ScanKeyInit(&key, Anum_event_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(event_id));
	scan = systable_beginscan(events, twp_catalog_internal_relid("break_glass_event_pkey"), true, NULL, 1, &key);
	event = systable_getnext(scan);
	open = HeapTupleIsValid(event) && heap_attisnull(event, Anum_event_ended_at, RelationGetDescr(events)) &&
		heap_attisnull(event, Anum_event_verdict, RelationGetDescr(events));
	systable_endscan(scan);
	table_close(events, AccessShareLock);
	return open;
}

/* Records that a glass is closed. */
void
twp_breakglass_record_end(int64 event_id, TimestampTz ended_at)
{
	Oid			types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[] = {Int64GetDatum(event_id), TimestampTzGetDatum(ended_at)};

	twp_sql_connect();
	twp_sql_exec("UPDATE twin_privacy_internal.break_glass_event SET ended_at = $2"
				 " WHERE event_id = $1 AND ended_at IS NULL AND expires_at > $2",
				 lengthof(types), types, values, NULL);
	twp_sql_finish();
}

/*
 * guard.c - what keeps the consent tables append-only and every cache informed.
 *
 * The triggers fire for every writer, also for a restore or a replication
 * session.  The stamp gives a new row the writing transaction's number, by
 * which a shared copy finds what it has not seen, and announces the change at
 * commit.  The keep trigger has no exception: not even maintenance changes
 * what somebody once said.  Here too: what the shared map is like, for those who
 * look after it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/subject.h"
#include "commands/trigger.h"
#include "consent/map_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(twp_consent_stamp);
PG_FUNCTION_INFO_V1(twp_consent_keep);
PG_FUNCTION_INFO_V1(twp_consent_map_figures);
PG_FUNCTION_INFO_V1(twp_consent_map_build_sql);
PG_FUNCTION_INFO_V1(twp_consent_counters);

TWP_EXPORT Datum twp_consent_stamp(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_keep(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_map_figures(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_map_build_sql(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_counters(PG_FUNCTION_ARGS);

/* Trigger: stamps a new row and announces it. */
Datum
twp_consent_stamp(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			column;
	Datum		value;
	bool		isnull = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("consent_stamp() must be called by its own trigger")));
	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "changed");
	if (column <= 0)
		elog(ERROR, "consent table has no column \"changed\"");
	value = FullTransactionIdGetDatum(GetTopFullTransactionId());
	CacheInvalidateRelcache(trigger->tg_relation);
	twp_map_note_own_change();
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_trigtuple, desc, 1, &column, &value, &isnull));
}

/* Trigger: refuses to change or remove rows. */
Datum
twp_consent_keep(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("consent records are never changed or removed"),
			 errhint("Use twin_privacy.withdraw_consent; a withdrawal is a new record.")));
}

/* consent_map(): one row about this database's shared map, none when there is no map. */
Datum
twp_consent_map_figures(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TwpMapFigures figures;
	Datum		values[6];
	bool		nulls[6] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (!twp_map_describe(&figures))
		return (Datum) 0;
	values[0] = Int64GetDatum((int64) figures.version);
	values[1] = Int64GetDatum((int64) figures.subjects);
	values[2] = Int64GetDatum((int64) figures.profiles);
	values[3] = Int64GetDatum((int64) figures.bytes);
	values[4] = TimestampTzGetDatum(figures.built_at);
	values[5] = TimestampTzGetDatum(figures.horizon);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

/* consent_counters(): one row, from the server's start. */
Datum
twp_consent_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[TWP_MAP_COUNTERS];
	bool		nulls[TWP_MAP_COUNTERS] = {false};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < TWP_MAP_COUNTERS; i++)
		values[i] = Int64GetDatum((int64) twp_map_counted(i));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

/* consent_map_build(): builds the map anew and gives the milliseconds that took. */
Datum
twp_consent_map_build_sql(PG_FUNCTION_ARGS)
{
	TimestampTz start = GetCurrentTimestamp();
	TwpMapFigures figures;

	if (!twp_map_build(start) || !twp_map_describe(&figures))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the consent map cannot be built now"),
				 errhint("Look at twin_privacy.consent_map_memory; commit consents of your own first, and let no other session build it.")));
	PG_RETURN_FLOAT8((double) (GetCurrentTimestamp() - start) / 1000.0);
}

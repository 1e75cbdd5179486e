/*
 * guard.c - what keeps the consent tables append-only and every cache informed.
 *
 * The triggers fire for every writer, also for a restore or a replication
 * session.  The stamp gives a new row the writing transaction's number, by
 * which a shared copy finds what it has not seen, and announces the change at
 * commit.  The keep trigger has no exception: not even maintenance changes
 * what somebody once said.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/subject.h"
#include "commands/trigger.h"
#include "consent/consent_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(twp_consent_stamp);
PG_FUNCTION_INFO_V1(twp_consent_keep);

TWP_EXPORT Datum twp_consent_stamp(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_keep(PG_FUNCTION_ARGS);

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

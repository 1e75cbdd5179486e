/*
 * views.c - my_uses: what the caller may act under, and what is still missing.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "uses/uses_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_uses_list_mine);

/* One row a use granted to the acting role: code, acknowledged, usable, problem. */
Datum
twp_uses_list_mine(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			role = GetOuterUserId();
	Oid			login = GetSessionUserId();
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, twp_uses_all())
	{
		const TwpUse *use = lfirst(lc);
		TwpUseProblem problem;
		bool		usable;
		Datum		values[4];
		bool		nulls[4] = {false};

		if (!twp_uses_is_granted(use, role))
			continue;
		usable = twp_uses_check(use, role, login, now, false, &problem);
		values[0] = CStringGetTextDatum(use->code);
		values[1] = BoolGetDatum(twp_uses_is_acknowledged(use, login));
		values[2] = BoolGetDatum(usable);
		nulls[3] = usable;
		values[3] = usable ? (Datum) 0 : CStringGetTextDatum(problem.message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

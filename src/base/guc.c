/*
 * guc.c - settings every floor may ask, and the reserved prefix.
 *
 * twin_privacy.maintenance is PGC_SUSET: a superuser opens the raw tables for
 * backup, restore and repair.  Switching it is an event for the ledger, which
 * the statement path records at the first statement that runs under it.
 */
#include "postgres.h"

#include "base/guc.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/plancache.h"

static bool guc_maintenance = false;

/* Drops cached plans: one made for raw tables must not outlive the setting. */
static void
assign_maintenance(bool newval, void *extra)
{
	if (newval != guc_maintenance)
		ResetPlanCache();
}

/*
 * Says whether raw access is open.  The setting alone is not enough: it can be
 * granted (GRANT SET ON PARAMETER) or left on by a function of a superuser's.
 * pg_upgrade is maintenance, too: it moves what is there, labels first, tables
 * of ours after them, on a server that lets in superusers only.
 */
bool
twp_in_maintenance(void)
{
	return (guc_maintenance || IsBinaryUpgrade) && superuser_arg(GetOuterUserId());
}

/* Defines the settings of the ground floor. */
void
twp_guc_init(void)
{
	DefineCustomBoolVariable("twin_privacy.maintenance",
							 "Opens protected tables raw for dump, restore and repair.",
							 "Superusers only; recorded in the ledger.",
							 &guc_maintenance,
							 false,
							 PGC_SUSET,
							 GUC_NOT_WHILE_SEC_REST,
							 NULL, assign_maintenance, NULL);
}

/* Reserves the prefix once every room has defined its settings. */
void
twp_guc_init_finish(void)
{
	MarkGUCPrefixReserved("twin_privacy");
}

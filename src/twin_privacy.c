/*
 * twin_privacy.c - module magic and the list of room inits.
 *
 * The library refuses to load other than through shared_preload_libraries:
 * loaded half-way, without its hooks, it would answer questions while
 * protecting nothing.
 */
#include "postgres.h"

#include "anonymity/anonymity.h"
#include "base/catalog.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "breakglass/breakglass.h"
#include "consent/consent.h"
#include "enforce/enforce.h"
#include "fmgr.h"
#include "hooks/hooks.h"
#include "keys/keys.h"
#include "ledger/ledger.h"
#include "lineage/lineage.h"
#include "miscadmin.h"
#include "operations/operations.h"
#include "protect/protect.h"
#include "pseudonym/pseudonym.h"
#include "uses/uses.h"
#include "vocab/vocab.h"

PG_MODULE_MAGIC;

TWP_EXPORT void _PG_init(void);

/* Starts each room, floor by floor. */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("twin_privacy must be loaded via shared_preload_libraries"),
				 errhint("Add twin_privacy to shared_preload_libraries and restart the server.")));

	twp_catalog_init();
	twp_clock_init();
	twp_guc_init();
	twp_vocab_init();
	twp_keys_init();
	twp_protect_init();
	twp_uses_init();
	twp_consent_init();
	twp_pseudonym_init();
	twp_ledger_init();
	twp_breakglass_init();
	twp_anonymity_init();
	twp_lineage_init();
	twp_enforce_init();
	twp_operations_init();
	twp_hooks_init();
	twp_guc_init_finish();
}

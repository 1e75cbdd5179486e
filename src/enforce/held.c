/*
 * held.c - portals that keep rows already decided upon.
 *
 * A cursor WITH HOLD whose transaction committed, one over UPDATE ...
 * RETURNING, and a query over a function that read protected rows keep what
 * they gave or gathered: fetching from them asks nobody.  So each portal that
 * keeps protected rows is remembered.  Where PostgreSQL stores its rows, it is
 * closed for good (marked failed) as soon as the binding, a consent or a label
 * is not what it was; where it runs on, it is refused the next time it is
 * fetched from.  News is looked at before every command and every run, and at
 * once when it concerns this session's own binding.
 *
 * Memory: a list in TopMemoryContext, found again by name and time of
 * creation; entries of portals that are gone are dropped when met.
 */
#include "postgres.h"

#include "base/errors.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "tcop/pquery.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

typedef struct HeldPortal
{
	char	   *name;
	TimestampTz created;
	bool		gathers;		/* rows come from a statement within the portal's own */
	bool		may_export;
	uint64		stamp;			/* of the binding */
	uint64		uses_epoch;
	uint64		generation;
	uint64		revision;
	TimestampTz horizon;		/* when something decided may be decided otherwise */
} HeldPortal;

static List *held = NIL;

/* The portal of an entry, or NULL when it is gone. */
static Portal
portal_of(const HeldPortal *entry)
{
	Portal		portal = GetPortalByName(entry->name);

	return PortalIsValid(portal) && portal->creation_time == entry->created ? portal : NULL;
}

/* The entry of the portal being run, or NULL. */
static HeldPortal *
active_entry(void)
{
	ListCell   *lc;

	if (ActivePortal == NULL)
		return NULL;
	foreach(lc, held)
		if (portal_of(lfirst(lc)) == ActivePortal)
			return lfirst(lc);
	return NULL;
}

/* Remembers the portal being run if it keeps what this query of it gives. */
void
twp_enforce_note_held(const QueryDesc *query, uint64 stamp, bool may_export)
{
	MemoryContext old;
	HeldPortal *entry;
	bool		gathers;

	if (ActivePortal == NULL)
		return;
	gathers = ActivePortal->queryDesc != query;
	if (!gathers && (ActivePortal->cursorOptions & CURSOR_OPT_HOLD) == 0)
		return;
	entry = active_entry();
	if (entry != NULL)
	{
		entry->gathers |= gathers;
		return;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc0(sizeof(HeldPortal));
	entry->name = pstrdup(ActivePortal->name);
	entry->created = ActivePortal->creation_time;
	entry->gathers = gathers;
	entry->may_export = may_export;
	entry->stamp = stamp;
	entry->uses_epoch = twp_uses_epoch();
	entry->generation = twp_protect_generation();
	entry->revision = twp_consent_revision();
	entry->horizon = DT_NOEND;
	held = lappend(held, entry);
	MemoryContextSwitchTo(old);
}

/* Something decided for the portal being run may be decided otherwise from then on. */
void
twp_enforce_note_horizon(TimestampTz horizon)
{
	HeldPortal *entry = active_entry();

	if (entry != NULL)
		entry->horizon = Min(entry->horizon, horizon);
}

/* Closes a portal for good: whoever fetches from it gets PostgreSQL's error. */
static void
close_portal(Portal portal)
{
	if (portal->holdStore != NULL && portal->status == PORTAL_READY)
		portal->status = PORTAL_FAILED;
}

/* Closes every portal that keeps rows; safe where nothing may fail (an assign hook). */
void
twp_enforce_close_held(void)
{
	ListCell   *lc;

	foreach(lc, held)
	{
		Portal		portal = portal_of(lfirst(lc));

		if (portal != NULL)
			close_portal(portal);
	}
}

/* True when consents and time are what they were for an entry. */
static bool
is_fresh(const HeldPortal *entry)
{
	return entry->revision == twp_consent_revision() && GetCurrentTimestamp() < entry->horizon;
}

/* Closes the portals that news has overtaken, and forgets those that are gone. */
void
twp_enforce_check_held(void)
{
	ListCell   *lc;

	if (held == NIL)
		return;
	AcceptInvalidationMessages();
	foreach(lc, held)
	{
		HeldPortal *entry = lfirst(lc);
		Portal		portal = portal_of(entry);

		/* still an open query, or being filled: each fetch decides anew */
		if (portal != NULL && (portal->holdStore == NULL || portal->status == PORTAL_ACTIVE))
			continue;
		if (portal != NULL && entry->uses_epoch == twp_uses_epoch() &&
			entry->generation == twp_protect_generation() && is_fresh(entry))
			continue;
		if (portal != NULL)
			close_portal(portal);
		held = foreach_delete_current(held, lc);
		pfree(entry->name);
		pfree(entry);
	}
}

/* Refuses to go on with a portal whose own query gathered rows of another, when these might be decided otherwise now. */
void
twp_enforce_check_portal(const QueryDesc *query)
{
	HeldPortal *entry = held != NIL ? active_entry() : NULL;

	if (entry == NULL || !entry->gathers || entry->stamp == 0 || ActivePortal->queryDesc != query)
		return;
	twp_decision_begin();
	if (entry->stamp == twp_decision_stamp() && is_fresh(entry))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("the binding or a consent changed since the cursor gathered its rows"),
			 errhint("Declare the cursor anew.")));
}

/* True when some portal keeps rows that may not be exported: whoever fetches them runs no query. */
bool
twp_enforce_rows_are_held(void)
{
	ListCell   *lc;

	foreach(lc, held)
	{
		const HeldPortal *entry = lfirst(lc);
		Portal		portal = entry->may_export ? NULL : portal_of(entry);

		if (portal != NULL && portal->holdStore != NULL && portal->status == PORTAL_READY)
			return true;
	}
	return false;
}

/*
 * held.c - cursors WITH HOLD, whose rows outlive their transaction.
 *
 * Once its transaction commits such a cursor is a store of rows already
 * decided upon; fetching runs no executor and asks nobody.  So each one that
 * holds protected rows is remembered, and is closed for good (its portal is
 * marked failed) as soon as the binding, a consent or a label is not what it
 * was.  News is looked at before every command and every run, and at once
 * when it concerns this session's own binding.
 *
 * Memory: a list in TopMemoryContext, found again by name and time of
 * creation; entries of portals that are gone are dropped when met.
 */
#include "postgres.h"

#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "tcop/pquery.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"

typedef struct HeldCursor
{
	char	   *name;
	TimestampTz created;
	uint64		uses_epoch;
	uint64		generation;
	uint64		revision;
} HeldCursor;

static List *held = NIL;

/* The portal of an entry, or NULL when it is gone. */
static Portal
portal_of(const HeldCursor *cursor)
{
	Portal		portal = GetPortalByName(cursor->name);

	return PortalIsValid(portal) && portal->creation_time == cursor->created ? portal : NULL;
}

/* Remembers the portal being run if it can outlive its transaction. */
void
twp_enforce_note_held(void)
{
	MemoryContext old;
	HeldCursor *cursor;

	if (ActivePortal == NULL || (ActivePortal->cursorOptions & CURSOR_OPT_HOLD) == 0)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	cursor = palloc0(sizeof(HeldCursor));
	cursor->name = pstrdup(ActivePortal->name);
	cursor->created = ActivePortal->creation_time;
	cursor->uses_epoch = twp_uses_epoch();
	cursor->generation = twp_protect_generation();
	cursor->revision = twp_consent_revision();
	held = lappend(held, cursor);
	MemoryContextSwitchTo(old);
}

/* Closes a held portal for good: whoever fetches from it gets PostgreSQL's error. */
static void
close_portal(Portal portal)
{
	if (portal->holdStore != NULL && portal->status == PORTAL_READY)
		portal->status = PORTAL_FAILED;
}

/* Closes every held cursor; safe where nothing may fail (an assign hook). */
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

/* Closes the held cursors that news has overtaken, and forgets those that are gone. */
void
twp_enforce_check_held(void)
{
	ListCell   *lc;

	if (held == NIL)
		return;
	AcceptInvalidationMessages();
	foreach(lc, held)
	{
		HeldCursor *cursor = lfirst(lc);
		Portal		portal = portal_of(cursor);

		if (portal != NULL && portal->holdStore == NULL)
			continue;			/* still an open query: each fetch decides anew */
		if (portal != NULL && cursor->uses_epoch == twp_uses_epoch() &&
			cursor->generation == twp_protect_generation() &&
			cursor->revision == twp_consent_revision())
			continue;
		if (portal != NULL)
			close_portal(portal);
		held = foreach_delete_current(held, lc);
		pfree(cursor->name);
		pfree(cursor);
	}
}

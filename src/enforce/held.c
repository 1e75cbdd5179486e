/*
 * held.c - portals that keep rows already decided upon.
 *
 * A cursor WITH HOLD whose transaction committed, a portal over UPDATE ...
 * RETURNING, EXECUTE or FETCH, and a query over a function that read protected
 * rows keep what they gave or gathered: fetching from them asks nobody.  So each
 * portal that keeps protected rows is remembered, also where they came through
 * a portal within it, and each holdable one over tables that may be protected
 * while it keeps their rows.  Where PostgreSQL stores its rows, it is closed for good
 * (marked failed) as soon as the binding, a consent or a label is not what it
 * was; where it runs on, it is refused the next time it is fetched from.
 *
 * All is looked at before every command and every run, and after the client's
 * own.  The protocol may execute a suspended portal again without either: so
 * the session's own binding closes it at once, and others' news of consents and
 * uses wakes the session (rouse.c).
 *
 * Memory: entries live in their portals' contexts and go with them; the list
 * of them is in TopMemoryContext.
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/guc.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "tcop/pquery.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

/* A table whose rows are kept, and how it was protected. */
typedef struct HeldTable
{
	Oid			relid;
	uint64		hash;
} HeldTable;

typedef struct HeldPortal
{
	Portal		portal;
	MemoryContextCallback gone;
	bool		open;			/* so far it keeps rows of tables that are not protected, or not yet */
	bool		gathers;		/* rows come from a statement within the portal's own */
	bool		may_export;
	uint64		stamp;			/* of the binding */
	uint64		uses_epoch;
	uint64		generation;		/* at which the tables were protected so */
	List	   *tables;			/* HeldTable */
	uint64		changes;		/* of consents and vocabulary */
	uint64		uses_news;		/* of uses, their grants and acknowledgements */
	TimestampTz horizon;		/* when something decided may be decided otherwise */
} HeldPortal;

static List *held = NIL;

/* Forgets the entry of a portal that is dropped. */
static void
forget(void *entry)
{
	held = list_delete_ptr(held, entry);
	if (held == NIL)
		twp_enforce_keep_rows(false);
}

/* The entry of a portal, or NULL. */
static HeldPortal *
entry_of(const PortalData *portal)
{
	ListCell   *lc;

	foreach(lc, held)
		if (((HeldPortal *) lfirst(lc))->portal == portal)
			return lfirst(lc);
	return NULL;
}

/* How a relation is protected now; 0: not at all. */
static uint64
protection_hash(Oid relid)
{
	const TwpProtection *p = twp_protect_lookup(relid);

	return p != NULL ? p->hash : 0;
}

/* Adds tables to what an entry keeps rows of. */
static void
add_tables(HeldPortal *entry, List *relids)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		MemoryContext old;
		HeldTable  *table;
		ListCell   *known;

		foreach(known, entry->tables)
			if (((HeldTable *) lfirst(known))->relid == lfirst_oid(lc))
				break;
		if (known != NULL)
			continue;
		old = MemoryContextSwitchTo(entry->portal->portalContext);
		table = palloc(sizeof(HeldTable));
		table->relid = lfirst_oid(lc);
		table->hash = protection_hash(table->relid);
		entry->tables = lappend(entry->tables, table);
		MemoryContextSwitchTo(old);
	}
}

/* True when the tables are protected as they were. */
static bool
protects_as_before(HeldPortal *entry)
{
	uint64		generation = twp_protect_generation();
	ListCell   *lc;

	if (entry->generation == generation)
		return true;
	foreach(lc, entry->tables)
	{
		const HeldTable *table = lfirst(lc);

		if (protection_hash(table->relid) != table->hash)
			return false;
	}
	entry->generation = generation;
	return true;
}

/* Makes the entry of a portal. */
static HeldPortal *
add_entry(Portal portal)
{
	HeldPortal *entry = MemoryContextAllocZero(portal->portalContext, sizeof(HeldPortal));
	MemoryContext old;

	entry->portal = portal;
	entry->gone.func = forget;
	entry->gone.arg = entry;
	entry->open = true;
	entry->may_export = true;
	entry->generation = twp_protect_generation();
	old = MemoryContextSwitchTo(TopMemoryContext);
	held = lappend(held, entry);
	MemoryContextSwitchTo(old);
	MemoryContextRegisterResetCallback(portal->portalContext, &entry->gone);
	return entry;
}

/* Remembers one portal that keeps what a query gives. */
static void
note_portal(Portal portal, bool gathers, const QueryDesc *query, uint64 stamp, bool may_export)
{
	HeldPortal *entry = entry_of(portal);

	if (entry == NULL)
		entry = add_entry(portal);
	if (entry->open)
	{
		twp_enforce_keep_rows(true);
		entry->open = false;
		entry->stamp = stamp;
		entry->uses_epoch = twp_uses_epoch();
		entry->changes = twp_consent_changes();
		entry->uses_news = twp_uses_news();
		entry->horizon = DT_NOEND;
	}
	entry->gathers |= gathers;
	entry->may_export &= may_export;
	add_tables(entry, twp_enforce_marked_relations(query->plannedstmt));
}

/* Remembers a holdable portal over tables of which one may be protected while it keeps its rows, without a lock. */
static void
note_open_portal(Portal portal, const PlannedStmt *plan)
{
	HeldPortal *entry;
	List	   *relids = NIL;
	ListCell   *lc;

	if (portal == NULL || (portal->cursorOptions & CURSOR_OPT_HOLD) == 0)
		return;
	foreach(lc, plan->rtable)
	{
		const RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId)
			relids = lappend_oid(relids, rte->relid);
	}
	if (relids == NIL)
		return;
	entry = entry_of(portal);
	add_tables(entry != NULL ? entry : add_entry(portal), relids);
	list_free(relids);
}

/* Remembers the holdable portals that a query of no protected table runs in. */
void
twp_enforce_note_open(const QueryDesc *query)
{
	note_open_portal(ActivePortal, query->plannedstmt);
	for (TwpRun *run = twp_enforce_innermost(); run != NULL; run = run->outer)
		if (run->portal != ActivePortal)
			note_open_portal(run->portal, query->plannedstmt);
}

/* Remembers the portal being run if it keeps what this query gives, and those it is run within. */
void
twp_enforce_note_held(const QueryDesc *query, uint64 stamp, bool may_export)
{
	bool		gathers = ActivePortal != NULL && ActivePortal->queryDesc != query;

	/* a procedure's loop over a query is held without being asked to when the procedure commits */
	if (ActivePortal != NULL &&
		(gathers || (ActivePortal->cursorOptions & CURSOR_OPT_HOLD) != 0 || ActivePortal->holdStore != NULL))
		note_portal(ActivePortal, gathers, query, stamp, may_export);
	for (TwpRun *run = twp_enforce_innermost(); run != NULL; run = run->outer)
		if (run->portal != NULL && run->portal != ActivePortal)
			note_portal(run->portal, run->portal->holdStore == NULL, query, stamp, may_export);
}

/*
 * Remembers the portal being run if it keeps rows of its own query that what
 * the binding and consents permit decided, though its tables are not protected.
 */
void
twp_enforce_note_asked(const QueryDesc *query)
{
	bool		own = ActivePortal != NULL && ActivePortal->queryDesc == query;
	bool		gathers = own && twp_enforce_keeps_rows(query->planstate, false);

	if (ActivePortal == NULL || !twp_uses_is_usable(GetCurrentTimestamp()) ||
		!(gathers || ActivePortal->holdStore != NULL || (own && (ActivePortal->cursorOptions & CURSOR_OPT_HOLD) != 0)))
		return;
	twp_decision_begin();
	note_portal(ActivePortal, gathers, query, twp_decision_stamp(), true);
}

/* Remembers the portal in which FETCH copied the rows of one that keeps them: no query ran for it. */
void
twp_enforce_note_fetched(const char *cursor)
{
	const HeldPortal *from = held != NIL ? entry_of(GetPortalByName(cursor)) : NULL;
	HeldPortal *entry;
	MemoryContext old;
	ListCell   *lc;

	if (from == NULL || ActivePortal == NULL || ActivePortal->holdStore == NULL || entry_of(ActivePortal) != NULL)
		return;
	entry = add_entry(ActivePortal);
	twp_enforce_keep_rows(true);
	entry->open = from->open;
	entry->may_export = from->may_export;
	entry->stamp = from->stamp;
	entry->uses_epoch = from->uses_epoch;
	entry->generation = from->generation;
	entry->changes = from->changes;
	entry->uses_news = from->uses_news;
	entry->horizon = from->horizon;
	old = MemoryContextSwitchTo(entry->portal->portalContext);
	foreach(lc, from->tables)
	{
		HeldTable  *table = palloc(sizeof(HeldTable));

		*table = *(const HeldTable *) lfirst(lc);
		entry->tables = lappend(entry->tables, table);
	}
	MemoryContextSwitchTo(old);
}

/* Something decided for the portals being run may be decided otherwise from then on. */
void
twp_enforce_note_horizon(TimestampTz horizon)
{
	ListCell   *lc;

	foreach(lc, held)
	{
		HeldPortal *entry = lfirst(lc);

		if (entry->portal->status == PORTAL_ACTIVE)
			entry->horizon = Min(entry->horizon, horizon);
	}
}

/* What the portal being run asked was answered: notes until when that holds. */
void
twp_enforce_note_answered(void)
{
	const HeldPortal *entry = held != NIL && ActivePortal != NULL ? entry_of(ActivePortal) : NULL;

	if (entry != NULL && entry->stamp != 0)
		twp_enforce_note_horizon(twp_decision_horizon());
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
		const HeldPortal *entry = lfirst(lc);

		if (!entry->open)
			close_portal(entry->portal);
	}
}

/* Puts a hint to PostgreSQL's error for a portal that was closed here; it knows only that the portal failed. */
void
twp_enforce_explain_closed(ErrorData *error)
{
	ListCell   *lc;

	if (error->sqlerrcode != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE || error->hint != NULL ||
		error->funcname == NULL || strcmp(error->funcname, "MarkPortalActive") != 0)
		return;
	foreach(lc, held)
		if (((HeldPortal *) lfirst(lc))->portal->status == PORTAL_FAILED)
			error->hint = MemoryContextStrdup(error->assoc_context,
											  "The binding, the role, a consent, a use or a label changed or ended since the cursor kept its rows: declare the cursor anew.");
}

/*
 * Closes the portals that news of consents and uses overtakes; called wherever
 * PostgreSQL takes news in, so it looks at nothing but what has been counted.
 */
void
twp_enforce_hear(void)
{
	ListCell   *lc;

	foreach(lc, held)
	{
		const HeldPortal *entry = lfirst(lc);

		if (entry->stamp != 0 &&
			(entry->changes != twp_consent_changes_heard() || entry->uses_news != twp_uses_news()))
			close_portal(entry->portal);
	}
}

/* True when the acting role might still be given an entry's rows, and consents and time are what they were. */
static bool
is_fresh(const HeldPortal *entry)
{
	if (entry->open)
		return true;
	if (entry->stamp == 0)
		return twp_in_maintenance();
	return twp_uses_is_usable(GetCurrentTimestamp()) && entry->changes == twp_consent_changes() &&
		twp_clock_latest() < entry->horizon;
}

/* Closes the portals that news has overtaken. */
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

		/* what is still an open query, or being filled, decides anew at each fetch */
		if (entry->portal->holdStore != NULL && entry->portal->status == PORTAL_READY &&
			!((entry->open || entry->uses_epoch == twp_uses_epoch()) && protects_as_before(entry) && is_fresh(entry)))
			close_portal(entry->portal);
	}
}

/* Refuses to go on with a portal whose own query gathered rows of another, when these might be decided otherwise now. */
void
twp_enforce_check_portal(const QueryDesc *query)
{
	HeldPortal *entry = held != NIL ? entry_of(ActivePortal) : NULL;

	if (entry == NULL || !entry->gathers || ActivePortal->queryDesc != query)
		return;
	if (entry->stamp != 0)
		twp_decision_begin();
	if ((entry->stamp == 0 || entry->stamp == twp_decision_stamp()) && protects_as_before(entry) && is_fresh(entry))
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

		if (!entry->may_export &&
			(entry->gathers || (entry->portal->holdStore != NULL && entry->portal->status == PORTAL_READY)))
			return true;
	}
	return false;
}

/*
 * cache.c - notices that consents, or the vocabulary they are read by, changed.
 *
 * One counter grows at every relcache invalidation of a table that decisions
 * come from.  Whoever keeps an answer keeps the counter's value from before it
 * read, and drops the answer when the counter has moved: an invalidation that
 * arrives while an answer is made is not lost.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/news.h"
#include "consent/consent_internal.h"
#include "utils/inval.h"

static const char *const tables[] = {
	"directive", "withdrawal", "category", "purpose", "purpose_parent", "purpose_prohibition",
	"security_label", "derivation",
};

static Oid	relids[lengthof(tables)];
static bool relids_known = false;
static uint64 changes = 1;

/* Counts a change of one of the tables (or of all). */
static void
relcache_callback(Datum arg, Oid relid)
{
	bool		concerns = (relid == InvalidOid || !relids_known);

	for (int i = 0; i < lengthof(tables) && !concerns; i++)
		concerns = (relid == relids[i]);
	if (concerns)
	{
		/* The table may have been dropped and made anew. */
		relids_known = false;
		changes++;
	}
}

/* Registers for invalidations. */
void
twp_consent_cache_init(void)
{
	twp_news_listen(relcache_callback);
}

/* Gives the counter, after taking in what other backends have announced. */
uint64
twp_consent_changes(void)
{
	AcceptInvalidationMessages();
	if (!relids_known)
	{
		uint64		before = changes;

		for (int i = 0; i < lengthof(tables); i++)
			relids[i] = twp_catalog_internal_relid(tables[i]);
		/* Until a look-up runs undisturbed, every invalidation counts as ours. */
		relids_known = (before == changes);
	}
	return changes;
}

/* Gives the counter as it is. */
uint64
twp_consent_changes_heard(void)
{
	return changes;
}

/* Counts a change of what decisions depend on beside the tables. */
void
twp_consent_count_change(void)
{
	changes++;
}

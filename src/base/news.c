/*
 * news.c - one ear for what changed in the catalogs, for all rooms.
 *
 * PostgreSQL keeps ten places for callbacks on invalidated relations, and
 * needs some itself: a session that is out of them ends.  So we take one.
 */
#include "postgres.h"

#include "base/news.h"
#include "utils/inval.h"

static RelcacheCallbackFunction listeners[16];
static int	nlisteners = 0;

/* Tells all listeners, lower rooms first. */
static void
tell(Datum arg, Oid relid)
{
	for (int i = 0; i < nlisteners; i++)
		listeners[i] (arg, relid);
}

/* Registers a listener, to be called with (Datum) 0 and the relation, InvalidOid for all. */
void
twp_news_listen(RelcacheCallbackFunction listener)
{
	if (nlisteners == lengthof(listeners))
		elog(FATAL, "too many listeners");
	if (nlisteners == 0)
		CacheRegisterRelcacheCallback(tell, (Datum) 0);
	listeners[nlisteners++] = listener;
}

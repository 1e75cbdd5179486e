/*
 * news.h - what changed in the catalogs.
 */
#ifndef TWP_BASE_NEWS_H
#define TWP_BASE_NEWS_H

#include "postgres.h"

#include "utils/inval.h"

/* Called wherever PostgreSQL takes invalidations in: a listener looks nothing up and raises nothing. */
extern void twp_news_listen(RelcacheCallbackFunction listener);

#endif							/* TWP_BASE_NEWS_H */

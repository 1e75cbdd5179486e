/*
 * compat.h - the one place that knows PostgreSQL versions.
 *
 * Everything else in the tree is written against the newest signatures and
 * includes this header when it needs one that changed between 15 and 18.
 * PG_VERSION_NUM may be tested nowhere else ("make lint" checks).
 */
#ifndef TWP_BASE_COMPAT_H
#define TWP_BASE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "twin_privacy is tested on PostgreSQL 15 to 18 only"
#endif

#define TWP_PG16_GE (PG_VERSION_NUM >= 160000)
#define TWP_PG17_GE (PG_VERSION_NUM >= 170000)
#define TWP_PG18_GE (PG_VERSION_NUM >= 180000)

/* 16 moved the varlena macros out of postgres.h (commit d952373a987). */
#if TWP_PG16_GE
#include "varatt.h"
#endif

/* Symbols that other libraries (or the server) look up by name. */
#define TWP_EXPORT PGDLLEXPORT

#endif							/* TWP_BASE_COMPAT_H */

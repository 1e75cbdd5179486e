/*
 * errors.h - SQLSTATEs of class TP, as documented in the SQL reference.
 *
 * A standard code is used wherever PostgreSQL has one that fits; class TP is
 * for what only this extension can refuse.
 */
#ifndef TWP_BASE_ERRORS_H
#define TWP_BASE_ERRORS_H

#include "postgres.h"

#include "utils/elog.h"

/* no approved use is bound */
#define ERRCODE_TWP_NO_USE_BOUND MAKE_SQLSTATE('T', 'P', '0', '0', '1')
/* the use named cannot be used (now, by this role, for this purpose) */
#define ERRCODE_TWP_USE_NOT_USABLE MAKE_SQLSTATE('T', 'P', '0', '0', '2')
/* what was asked lies outside the bound use: category, form, rule or write */
#define ERRCODE_TWP_OUTSIDE_USE MAKE_SQLSTATE('T', 'P', '0', '0', '3')
/* the ledger cannot record, so nothing may be disclosed */
#define ERRCODE_TWP_LEDGER_UNAVAILABLE MAKE_SQLSTATE('T', 'P', '0', '0', '4')
/* the library is not preloaded or a key cannot be read */
#define ERRCODE_TWP_NOT_READY MAKE_SQLSTATE('T', 'P', '0', '0', '5')

/* Raises 22004 naming the argument when it is NULL (for functions that are not STRICT). */
#define TWP_REQUIRE_ARG(n, name) \
	do { \
		if (PG_ARGISNULL(n)) \
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), \
							errmsg("%s must not be null", name), \
							errhint("Name a value for the argument \"%s\".", name))); \
	} while (0)

#endif							/* TWP_BASE_ERRORS_H */

/*
 * operations.h - what the operations room offers to the hooks.
 */
#ifndef TWP_OPERATIONS_H
#define TWP_OPERATIONS_H

#include "postgres.h"

#include "utils/elog.h"

extern void twp_operations_init(void);
/* Adds a hint to a message of PostgreSQL's about something of ours. */
extern void twp_operations_add_hint(ErrorData *error);

#endif							/* TWP_OPERATIONS_H */

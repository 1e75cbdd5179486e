/*
 * scan_internal.h - between the planning and the running of our scan node.
 */
#ifndef TWP_ENFORCE_SCAN_INTERNAL_H
#define TWP_ENFORCE_SCAN_INTERNAL_H

#include "postgres.h"

#include "nodes/extensible.h"

/* OID of row_visible. */
extern Oid	twp_enforce_row_visible_oid(void);
/* True when the rows of the relation need no more than their own subject column to be judged. */
extern bool twp_enforce_scan_can_judge(Oid relid);
/* Makes the node known. */
extern void twp_enforce_scan_init(void);
/* How a plan node of ours begins to run. */
extern const CustomScanMethods *twp_enforce_scan_methods(void);

#endif							/* TWP_ENFORCE_SCAN_INTERNAL_H */

/*
 * guc.h - settings that belong to no room above, and the binding epoch.
 *
 * Rooms define their own settings in their init functions; this one holds
 * what every floor may ask.
 */
#ifndef TWP_BASE_GUC_H
#define TWP_BASE_GUC_H

#include "postgres.h"

/*
 * True while twin_privacy.maintenance is on and the session acts as a superuser:
 * raw access for dump, restore and repair.
 */
extern bool twp_in_maintenance(void);

extern void twp_guc_init(void);
extern void twp_guc_init_finish(void);

#endif							/* TWP_BASE_GUC_H */

/*
 * workers.h - what parallel workers saw, handed to their leader.
 */
#ifndef TWP_ENFORCE_WORKERS_H
#define TWP_ENFORCE_WORKERS_H

#include "postgres.h"

#include "base/subject.h"
#include "ledger/ledger.h"

/* In a worker. */
extern TwpSubjectSet *twp_enforce_worker_subjects(void);
extern void twp_enforce_hand_over(void);
extern void twp_enforce_hand_over_aborting(void);

/* In a leader. */
extern bool twp_enforce_has_workers_part(void);
extern void twp_enforce_take_workers_part(TwpSubjectSet *into);

#endif							/* TWP_ENFORCE_WORKERS_H */

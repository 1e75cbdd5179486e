/*
 * clock.h - time that nobody can set back.
 *
 * Glossary.  Wall clock: GetCurrentTimestamp(), which an administrator or a
 * time server may set.  Elapsed time: microseconds on a clock that only goes
 * forward, also while the machine sleeps; the same in all processes.
 */
#ifndef TWP_BASE_CLOCK_H
#define TWP_BASE_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern void twp_clock_init(void);
extern int64 twp_clock_elapsed(void);
/*
 * The wall clock, or what it would say had nobody set it back since the
 * server started, whichever is later: for what must end in time.
 */
extern TimestampTz twp_clock_latest(void);
/* How much later the wall clock is than elapsed time says, in microseconds: its steps since the server started. */
extern int64 twp_clock_stepped(void);

#endif							/* TWP_BASE_CLOCK_H */

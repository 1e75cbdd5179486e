/*
 * clock.c - time that nobody can set back.
 *
 * Both clocks are read when the postmaster loads the library; all processes
 * inherit what they said then.  Failure: none.
 */
#include "postgres.h"

#include <time.h>

#include "base/clock.h"
#include "utils/timestamp.h"

/* Goes on while the machine sleeps, where the system has one that does. */
#ifdef CLOCK_BOOTTIME
#define FORWARD_CLOCK CLOCK_BOOTTIME
#else
#define FORWARD_CLOCK CLOCK_MONOTONIC
#endif

static TimestampTz wall_at_start = 0;
static int64 elapsed_at_start = 0;

/* Reads both clocks, once, in the postmaster. */
void
twp_clock_init(void)
{
	wall_at_start = GetCurrentTimestamp();
	elapsed_at_start = twp_clock_elapsed();
}

/* Microseconds on the clock that only goes forward. */
int64
twp_clock_elapsed(void)
{
	struct timespec now;

	clock_gettime(FORWARD_CLOCK, &now);
	return (int64) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

/* What the wall clock would say had nobody touched it since the server started. */
static TimestampTz
untouched(void)
{
	return wall_at_start + (twp_clock_elapsed() - elapsed_at_start);
}

/* The later of the two. */
TimestampTz
twp_clock_latest(void)
{
	TimestampTz wall = GetCurrentTimestamp();

	return Max(wall, untouched());
}

/* How far the wall clock was set since the server started. */
int64
twp_clock_stepped(void)
{
	return GetCurrentTimestamp() - untouched();
}

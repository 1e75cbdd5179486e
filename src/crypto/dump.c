/*
 * dump.c - keeps a process that holds keys out of core dumps.
 *
 * On Linux the process is made undumpable: the kernel writes no core, not to a
 * collector either (which a resource limit would not stop), and only root may
 * attach to it or read its memory.  Elsewhere the limit is all there is.
 */
#include "postgres.h"

#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "crypto/crypto.h"

/* Forbids core dumps of this process from now on; a refusal by the system leaves it as it was. */
void
twp_crypto_forbid_dumps(void)
{
	static bool done = false;
	struct rlimit none = {0, 0};

	if (done)
		return;
	(void) setrlimit(RLIMIT_CORE, &none);
#ifdef __linux__
	(void) prctl(PR_SET_DUMPABLE, 0);
#endif
	done = true;
}

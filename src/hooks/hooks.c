/*
 * hooks.c - the one file that saves, sets and chains PostgreSQL's hooks.
 *
 * Each hook calls the one set before it and then the rooms below.
 */
#include "postgres.h"

#include "hooks/hooks.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "storage/ipc.h"

static shmem_request_hook_type previous_shmem_request = NULL;
static shmem_startup_hook_type previous_shmem_startup = NULL;

/* Asks for the rooms' shared memory. */
static void
request_shmem(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	twp_ledger_shmem_request();
}

/* Sets the rooms' shared memory up. */
static void
start_shmem(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	twp_ledger_shmem_startup();
}

/* Sets every hook, chained to what was there. */
void
twp_hooks_init(void)
{
	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

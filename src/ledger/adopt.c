/*
 * adopt.c - chains of another cluster taken over as this one's past.
 *
 * pg_upgrade makes a new cluster with a new system identifier, so the chains
 * the old one wrote are a stranger's until an auditor says that they are ours.
 * That is an event, which names where each chain ends; beside the chain, the
 * file ADOPTED has a line for each cluster that took it over, and the number
 * its records have there.  An adopted chain is read and verified, never
 * written, and not shipped: a new standby is made from a copy of the files.
 *
 * Locks: the chain's marker while it is adopted, so that no server is writing
 * it; two at once adopt the same twice, which is once.  Memory: one segment.
 * Failure: raises before anything is adopted.
 */
#include "postgres.h"

#include <sys/file.h>
#include <unistd.h>

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "fmgr.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(twp_ledger_adopt);

TWP_EXPORT Datum twp_ledger_adopt(PG_FUNCTION_ARGS);

#define ADOPTED_LINE "system %llu number %u\n"

/* Looks for a cluster's line in a chain's file of adoptions; *number is what its records are numbered by. */
bool
twp_adopt_find(const char *directory, uint64 system, uint32 *number)
{
	char		path[MAXPGPATH];
	char		line[128];
	FILE	   *file;
	bool		found = false;

	snprintf(path, sizeof(path), "%s/ADOPTED", directory);
	file = AllocateFile(path, "r");
	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
	{
		unsigned long long adopter;
		unsigned int value;

		if (sscanf(line, ADOPTED_LINE, &adopter, &value) == 2 && adopter == system)
		{
			*number = value;
			found = true;
		}
	}
	FreeFile(file);
	return found;
}

/* Writes this cluster's line behind those of earlier adopters, durably. */
static void
write_adoption(const char *directory, uint32 number)
{
	char		path[MAXPGPATH];
	char		line[128];
	int			len = snprintf(line, sizeof(line), ADOPTED_LINE,
							   (unsigned long long) twp_ledger_shared->system, number);
	int			fd;

	snprintf(path, sizeof(path), "%s/ADOPTED", directory);
	fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	/* a short write sets no errno */
	if (fd >= 0)
		errno = ENOSPC;
	if (fd < 0 || write(fd, line, len) != len || pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write \"%s\": %m", path),
				 errhint("Make room there and let the server write to it, then adopt again.")));
	fsync_fname(directory, true);
}

/* Refuses a chain that a running server writes; the lock is held until the transaction ends. */
static void
require_idle(const char *directory)
{
	char		path[MAXPGPATH];
	int			fd;

	snprintf(path, sizeof(path), "%s/NODE", directory);
	fd = OpenTransientFile(path, O_RDWR);
	if (fd < 0 && errno == ENOENT)
		return;					/* a copy, which only its receiver wrote */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a running server writes \"%s\"", directory),
				 errhint("Stop the old server first, for good: two clusters cannot share a past.")));
}

/* True when a chain's records have the number already. */
static bool
number_taken(List *chains, uint32 number)
{
	ListCell   *lc;

	foreach(lc, chains)
		if (((TwpNodeRef *) lfirst(lc))->node_number == number)
			return true;
	return false;
}

/* The number for a chain's records: its own, unless another chain has it here. */
static uint32
choose_number(const TwpNodeRef *chain, List *visible)
{
	uint32		number = chain->node_number;

	while (number_taken(visible, number))
		number = (number + 1) % 65536;
	return number;
}

/* adopt_ledger(reason): takes over every strange chain that lies beside the own; gives how many. */
Datum
twp_ledger_adopt(PG_FUNCTION_ARGS)
{
	List	   *strangers;
	List	   *visible;
	ListCell   *lc;
	StringInfoData detail;

	TWP_REQUIRE_ARG(0, "reason");
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "adopt the ledger of another cluster");
	if (twp_ledger_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("the ledger's shared memory is missing"),
				 errhint("Add twin_privacy to shared_preload_libraries and restart the server.")));
	strangers = twp_scan_strangers();
	visible = twp_scan_nodes();
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	appendStringInfoString(&detail, ", \"chains\": [");
	foreach(lc, strangers)
	{
		TwpNodeRef *chain = lfirst(lc);
		char		hash[2 * TWP_HASH_LEN + 1];
		TwpCopyEnd	end;

		require_idle(chain->directory);
		twp_copy_find_end(chain->directory, &end);
		chain->node_number = choose_number(chain, visible);
		visible = lappend(visible, chain);
		hex_encode((const char *) end.hash, TWP_HASH_LEN, hash);
		hash[2 * TWP_HASH_LEN] = '\0';
		appendStringInfo(&detail, "%s{\"node\": \"%s\", \"number\": %u, \"seq\": " UINT64_FORMAT ", \"hash\": \"%s\"}",
						 foreach_current_index(lc) > 0 ? ", " : "", strrchr(chain->directory, '-') + 1,
						 chain->node_number, end.seq, hash);
	}
	appendStringInfoString(&detail, "]}");
	if (strangers != NIL)
		twp_ledger_event_at_once("ledger.adopt", NULL, NULL, detail.data, NULL);
	foreach(lc, strangers)
		write_adoption(((TwpNodeRef *) lfirst(lc))->directory, ((TwpNodeRef *) lfirst(lc))->node_number);
	PG_RETURN_INT32(list_length(strangers));
}

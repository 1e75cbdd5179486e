/*
 * anchor.c - where the chain's head was last seen, in a file of its own.
 *
 * The worker writes it about once a second and at shutdown.  Whoever cuts
 * records off the end of the spool must forge it too; whoever keeps
 * twin_privacy.ledger_head() elsewhere need not rely on it.
 *
 * Failure: a missing or half-written anchor is no anchor (seq 0).
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "ledger/ledger_internal.h"
#include "storage/fd.h"

#define ANCHOR_MAGIC "TWPHEAD1"

/* Guards against a torn write, not against forgery. */
static uint32
anchor_check(const TwpAnchor *anchor)
{
	return hash_bytes((const unsigned char *) anchor, offsetof(TwpAnchor, check));
}

/* Reads the anchor of a node's directory. */
bool
twp_anchor_read(const char *directory, TwpAnchor *anchor)
{
	char		path[MAXPGPATH];
	int			fd;
	bool		ok;

	snprintf(path, sizeof(path), "%s/HEAD", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = fd >= 0 && read(fd, anchor, sizeof(*anchor)) == sizeof(*anchor) &&
		memcmp(anchor->magic, ANCHOR_MAGIC, sizeof(anchor->magic)) == 0 &&
		anchor->check == anchor_check(anchor);
	if (fd >= 0)
		close(fd);
	if (!ok)
		memset(anchor, 0, sizeof(*anchor));
	return ok;
}

/* Writes the chain's current head as the anchor, if it moved since last time. */
void
twp_anchor_write(void)
{
	static uint64 last_seq = 0;
	TwpLedgerShared *shared = twp_ledger_shared;
	TwpAnchor	anchor;
	char		path[MAXPGPATH];
	int			fd;

	memset(&anchor, 0, sizeof(anchor));
	memcpy(anchor.magic, ANCHOR_MAGIC, sizeof(anchor.magic));
	LWLockAcquire(shared->flush_lock, LW_SHARED);
	anchor.seq = shared->head_seq;
	memcpy(anchor.hash, shared->head, TWP_HASH_LEN);
	LWLockRelease(shared->flush_lock);
	if (anchor.seq == last_seq)
		return;
	anchor.check = anchor_check(&anchor);
	snprintf(path, sizeof(path), "%s/HEAD", shared->directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && twp_spool_write(fd, (char *) &anchor, sizeof(anchor), 0) && pg_fsync(fd) == 0)
		last_seq = anchor.seq;
	if (fd >= 0)
		close(fd);
}

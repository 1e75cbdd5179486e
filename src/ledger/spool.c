/*
 * spool.c - the ledger's files: segments, their headers, the node's mark.
 *
 * <ledger_directory>/node-<id>/NODE names the node, its cluster and the
 * marker file's own inode and birth; a copy of the directory (base backup,
 * restored archive) has another inode, is recognised as another node's past
 * and never continued: that would fork the chain.
 *
 * Failure: false or -1, with the reason left through twp_ledger_fail().
 * Memory: none kept but one hash context a process.
 */
#include "postgres.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"

#define HASH_PREFIX_RECORD "twin_privacy ledger record v1"
#define HASH_PREFIX_SEGMENT "twin_privacy ledger segment v1"
#define RECORD_HASHED offsetof(TwpRecordHeader, hash)

/* Digests up to four pieces with SHA-256. */
static bool
sha256_pieces(const void *const *pieces, const size_t *lens, int n, uint8 *out)
{
	static EVP_MD_CTX *context = NULL;
	static EVP_MD *sha256 = NULL;

	if (context == NULL)
		context = EVP_MD_CTX_new();
	/* Fetched once: EVP_sha256() would have OpenSSL look its provider up, under a lock, for each record. */
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	if (context == NULL || sha256 == NULL || EVP_DigestInit_ex(context, sha256, NULL) != 1)
		return false;
	for (int i = 0; i < n; i++)
		if (EVP_DigestUpdate(context, pieces[i], lens[i]) != 1)
			return false;
	return EVP_DigestFinal_ex(context, out, NULL) == 1;
}

/* Chains one record to its predecessor. */
bool
twp_spool_hash_record(const uint8 *node, const uint8 *prev, TwpRecordHeader *record, uint8 *out)
{
	const void *pieces[] = {HASH_PREFIX_RECORD, node, prev, record,
	(const char *) record + sizeof(TwpRecordHeader)};
	const size_t lens[] = {sizeof(HASH_PREFIX_RECORD), TWP_NODE_LEN, TWP_HASH_LEN, RECORD_HASHED,
	record->length - sizeof(TwpRecordHeader)};

	return sha256_pieces(pieces, lens, lengthof(lens), out);
}

/* Digests a segment's header. */
bool
twp_spool_hash_segment(const TwpSegmentHeader *header, uint8 *out)
{
	const void *pieces[] = {HASH_PREFIX_SEGMENT, header};
	const size_t lens[] = {sizeof(HASH_PREFIX_SEGMENT), offsetof(TwpSegmentHeader, hash)};

	return sha256_pieces(pieces, lens, lengthof(lens), out);
}

/* Names a segment's file; path holds MAXPGPATH. */
void
twp_spool_segment_path(char *path, const char *directory, uint64 segno)
{
	snprintf(path, MAXPGPATH, "%s/%012llX.seg", directory, (unsigned long long) segno);
}

/* Names a spare's file. */
static void
spare_path(char *path, const char *directory, int number)
{
	if (number == TWP_SPARE_IN_THE_MAKING)
		snprintf(path, MAXPGPATH, "%s/spare.new", directory);
	else
		snprintf(path, MAXPGPATH, "%s/spare.%d", directory, number);
}

/* Opens a segment, or gives -1. */
int
twp_spool_open(const char *directory, uint64 segno, bool for_writing)
{
	char		path[MAXPGPATH];

	twp_spool_segment_path(path, directory, segno);
	return open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0600);
}

/* Writes all bytes at an offset. */
bool
twp_spool_write(int fd, const char *data, size_t len, off_t offset)
{
	while (len > 0)
	{
		ssize_t		written = pwrite(fd, data, len, offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (written == 0)
				errno = ENOSPC;
			return false;
		}
		data += written;
		len -= written;
		offset += written;
	}
	return true;
}

/* Makes a zero-filled file of one segment, so that later writes need no new space. */
bool
twp_spool_make_spare(const char *directory, int number)
{
	static const char zeros[64 * 1024];
	char		path[MAXPGPATH];
	int			fd;
	bool		ok = true;

	spare_path(path, directory, number);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
	{
		twp_ledger_fail(TWP_LEDGER_OPEN, "could not create \"%s\": %s", path, strerror(errno));
		return false;
	}
	for (off_t at = 0; ok && at < TWP_SEGMENT_SIZE; at += sizeof(zeros))
		ok = twp_spool_write(fd, zeros, sizeof(zeros), at);
	ok = ok && pg_fsync(fd) == 0;
	if (!ok)
		twp_ledger_fail(TWP_LEDGER_OPEN, "could not fill \"%s\": %s", path, strerror(errno));
	close(fd);
	if (ok)
		ok = fsync_fname_ext(directory, true, true, LOG) == 0;
	else
		unlink(path);
	return ok;
}

/* Numbers the spare that was in the making; its directory is synced with the segment it becomes. */
bool
twp_spool_name_spare(const char *directory, int number)
{
	char		from[MAXPGPATH];
	char		to[MAXPGPATH];

	spare_path(from, directory, TWP_SPARE_IN_THE_MAKING);
	spare_path(to, directory, number);
	if (rename(from, to) == 0)
		return true;
	twp_ledger_fail(TWP_LEDGER_OPEN, "could not rename \"%s\": %s", from, strerror(errno));
	return false;
}

/* Turns a spare into the segment the header describes and opens it. */
int
twp_spool_begin_segment(const char *directory, int spare, const TwpSegmentHeader *header)
{
	char		from[MAXPGPATH];
	char		to[MAXPGPATH];
	int			fd;

	spare_path(from, directory, spare);
	twp_spool_segment_path(to, directory, header->segno);
	fd = open(from, O_RDWR | O_CLOEXEC);
	if (fd >= 0 &&
		twp_spool_write(fd, (const char *) header, sizeof(*header), 0) &&
		pg_fsync(fd) == 0 &&
		rename(from, to) == 0 &&
		fsync_fname_ext(directory, true, true, LOG) == 0)
		return fd;
	twp_ledger_fail(TWP_LEDGER_OPEN, "could not begin segment \"%s\": %s", to, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Removes a segment. */
bool
twp_spool_drop_segment(const char *directory, uint64 segno)
{
	char		path[MAXPGPATH];

	twp_spool_segment_path(path, directory, segno);
	twp_index_drop(directory, segno);
	if (unlink(path) == 0)
		return fsync_fname_ext(directory, true, true, LOG) == 0;
	twp_ledger_fail(TWP_LEDGER_OPEN, "could not remove \"%s\": %s", path, strerror(errno));
	return false;
}

/* Reads a file's inode and birth time (0 where the file system keeps none). */
static bool
file_identity(int fd, uint64 *inode, uint64 *born)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	*inode = st.st_ino;
	*born = 0;
#ifdef STATX_BTIME
	{
		struct statx stx;

		if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 && (stx.stx_mask & STATX_BTIME) != 0)
			*born = (uint64) stx.stx_btime.tv_sec * UINT64CONST(1000000000) + stx.stx_btime.tv_nsec;
	}
#endif
	return true;
}

/* Reads a node directory's marker; *own tells whether it was made here by this cluster. */
static bool
read_marker(const char *directory, uint64 system, uint8 *node, uint32 *number, bool *own, int *marker_fd)
{
	char		path[MAXPGPATH];
	char		text[512];
	char		id[2 * TWP_NODE_LEN + 1];
	unsigned long long sys,
				ino,
				birth;
	uint64		inode,
				born;
	ssize_t		len;
	int			fd;

	snprintf(path, sizeof(path), "%s/NODE", directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	if (len <= 0 || !file_identity(fd, &inode, &born))
	{
		close(fd);
		return false;
	}
	text[len] = '\0';
	if (sscanf(text, "node %32s\nnumber %u\nsystem %llu\ninode %llu\nborn %llu\n",
			   id, number, &sys, &ino, &birth) != 5)
	{
		close(fd);
		return false;
	}
	for (int i = 0; i < TWP_NODE_LEN; i++)
	{
		unsigned	byte = 0;

		(void) sscanf(id + 2 * i, "%2x", &byte);
		node[i] = (uint8) byte;
	}
	*own = sys == system && ino == inode && birth == born;
	if (*own && marker_fd != NULL)
		*marker_fd = fd;
	else
		close(fd);
	return true;
}

/* Makes a node's directory and marker. */
static bool
make_node(const char *root, TwpLedgerShared *shared, int *marker_fd)
{
	char		path[MAXPGPATH];
	char		id[2 * TWP_NODE_LEN + 1];
	char		text[256];
	uint64		inode,
				born;

	if (!pg_strong_random(shared->node, TWP_NODE_LEN))
	{
		twp_ledger_fail(TWP_LEDGER_CLOSED, "no random numbers for a node id");
		return false;
	}
	for (int i = 0; i < TWP_NODE_LEN; i++)
		sprintf(id + 2 * i, "%02x", shared->node[i]);
	snprintf(shared->directory, MAXPGPATH, "%s/node-%s", root, id);
	snprintf(path, sizeof(path), "%s/NODE", shared->directory);
	*marker_fd = -1;
	if (mkdir(shared->directory, 0700) == 0 &&
		(*marker_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0 &&
		file_identity(*marker_fd, &inode, &born))
	{
		int			len = snprintf(text, sizeof(text),
								   "node %s\nnumber %u\nsystem %llu\ninode %llu\nborn %llu\n",
								   id, shared->node_number, (unsigned long long) shared->system,
								   (unsigned long long) inode, (unsigned long long) born);

		if (twp_spool_write(*marker_fd, text, len, 0) && pg_fsync(*marker_fd) == 0 &&
			fsync_fname_ext(shared->directory, true, true, LOG) == 0 &&
			fsync_fname_ext(root, true, true, LOG) == 0)
			return true;
	}
	twp_ledger_fail(TWP_LEDGER_CLOSED, "could not create \"%s\": %s", path, strerror(errno));
	return false;
}

/* True when the data directory starts as a standby or from a backup. */
static bool
starts_in_recovery(void)
{
	return access("standby.signal", F_OK) == 0 || access("recovery.signal", F_OK) == 0 ||
		access("backup_label", F_OK) == 0;
}

/*
 * Finds this server's node directory under root, or makes one, and locks it
 * for as long as any process of this server lives.
 */
bool
twp_spool_find_node(const char *root, uint64 system, TwpLedgerShared *shared, bool *created)
{
	static int	marker_fd = -1;
	DIR		   *dir;
	struct dirent *entry;
	bool		relatives = false;

	*created = false;
	if (mkdir(root, 0700) != 0 && errno != EEXIST)
	{
		twp_ledger_fail(TWP_LEDGER_CLOSED, "could not create \"%s\": %s", root, strerror(errno));
		return false;
	}
	dir = opendir(root);
	if (dir == NULL)
	{
		twp_ledger_fail(TWP_LEDGER_CLOSED, "could not open \"%s\": %s", root, strerror(errno));
		return false;
	}
	if (marker_fd >= 0)
		close(marker_fd);
	marker_fd = -1;
	while ((entry = readdir(dir)) != NULL)
	{
		char		directory[MAXPGPATH];
		uint8		node[TWP_NODE_LEN];
		uint32		number;
		bool		own;
		int			fd = -1;

		if (strncmp(entry->d_name, "node-", 5) != 0)
			continue;
		snprintf(directory, sizeof(directory), "%s/%s", root, entry->d_name);
		if (!read_marker(directory, system, node, &number, &own, &fd))
			continue;
		/* its number may be taken: by a copy of this cluster's chain, or one to be adopted */
		relatives = true;
		if (!own)
			continue;
		marker_fd = fd;
		shared->node_number = number;
		memcpy(shared->node, node, TWP_NODE_LEN);
		strlcpy(shared->directory, directory, MAXPGPATH);
	}
	closedir(dir);

	if (marker_fd < 0)
	{
		*created = true;
		shared->node_number = 0;
		if (relatives || starts_in_recovery())
		{
			uint16		random;

			if (!pg_strong_random(&random, sizeof(random)))
				random = (uint16) MyProcPid;

			shared->node_number = 1 + random % 65535;
		}
		if (!make_node(root, shared, &marker_fd))
			return false;
	}
	if (flock(marker_fd, LOCK_EX | LOCK_NB) != 0)
	{
		twp_ledger_fail(TWP_LEDGER_CLOSED, "another server is writing \"%s\"", shared->directory);
		return false;
	}
	return true;
}

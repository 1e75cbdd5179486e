/*
 * guard_store.c - the figures a use has released, kept outside transactions.
 *
 * One file a use in the data directory: the secret its sketches are keyed
 * with, then batches of figures, each appended and made durable before the
 * rows it belongs to leave; so a ROLLBACK forgets nothing.  A backend keeps
 * what it has read and reads on where others appended.
 *
 * Locks: a heavyweight lock a use, held from opening to closing, so that of
 * two sessions the second sees what the first releases.  Memory: a context a
 * use, kept.  Failure: TP005 for a file that cannot be read or written, TP003
 * when it is full; an incomplete last batch (a crash) was never released and
 * is cut off.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anonymity/guard_store.h"
#include "base/compat.h"
#include "base/errors.h"
#include "common/hashfn.h"
#include "crypto/crypto.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define DIRECTORY "pg_twin_privacy_guard"
#define FILE_MAGIC UINT64CONST(0x4452415547505754)	/* TWPGUARD */
#define FILE_VERSION 2
#define LOCK_FIELD 9			/* advisory locks of SQL have 1 and 2 */

typedef struct FileHeader
{
	uint64		magic;
	uint32		version;
	pg_crc32c	crc;			/* of what follows */
	TwpGuardSecret secret;
	uint64		generation;		/* another one whenever the file is written anew */
	char		code[TWP_GUARD_CODE_LEN + 8];
} FileHeader;

/*
 * All that is in a file begins at a multiple of 16, so that this header is in
 * one sector of the disk: a crash leaves it whole or as zeros.
 */
typedef struct BatchHeader
{
	uint64		length;			/* of the figures behind */
	pg_crc32c	crc;			/* of the figures */
	pg_crc32c	own_crc;		/* of what is in front of it */
} BatchHeader;

StaticAssertDecl(sizeof(FileHeader) % sizeof(BatchHeader) == 0, "batches begin at multiples of their header's size");

/* A figure in a batch; its cells follow, the exact ones first. */
typedef struct FigureHeader
{
	TimestampTz released_at;
	uint32		tag;
	int32		columns;
} FigureHeader;

static TwpGuardStore *stores = NULL;

#define CELL_BYTES(columns) ((Size) (columns) * sizeof(uint64))
#define FIGURE_BYTES(columns, tag) (sizeof(FigureHeader) + CELL_BYTES(columns) * ((tag) != 0 ? 2 : 1))

/* Raises that the file cannot be used. */
pg_noreturn static void
refuse_file(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_NOT_READY),
			 errmsg("the releases of a use cannot be remembered, so nothing is released"),
			 errdetail_log("Could not %s: %m.", what),
			 errhint("Ask the administrator to look at the server log and at directory \"%s\".", DIRECTORY)));
}

/* Names the file of a store; path holds MAXPGPATH. */
static void
file_path(const TwpGuardStore *store, char *path)
{
	const unsigned char *code = (const unsigned char *) store->code;
	int			len = strlen(store->code);

	snprintf(path, MAXPGPATH, "%s/%u-%016llx%016llx", DIRECTORY, store->database,
			 (unsigned long long) hash_bytes_extended(code, len, 1),
			 (unsigned long long) hash_bytes_extended(code, len, 2));
}

/* Check sum of bytes. */
static pg_crc32c
checksum(const void *bytes, Size len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, len);
	FIN_CRC32C(crc);
	return crc;
}

/* Check sum of a header's rest. */
static pg_crc32c
header_crc(const FileHeader *header)
{
	return checksum((const char *) header + offsetof(FileHeader, secret), sizeof(*header) - offsetof(FileHeader, secret));
}

/* Writes bytes and makes them durable, or raises. */
static void
write_durably(int fd, const void *data, Size len, off_t at)
{
	errno = 0;
	if (pg_pwrite(fd, data, len, at) != (ssize_t) len)
	{
		if (errno == 0)
			errno = ENOSPC;
		refuse_file("write");
	}
	/* what could not be written may be forgotten though a later attempt says it was not */
	if (pg_fsync(fd) != 0)
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(), errmsg("could not fsync a file in directory \"%s\": %m", DIRECTORY)));
}

/* Fills the header of a store's new file and writes it. */
static void
write_header(const TwpGuardStore *store, const TwpGuardSecret *secret, int fd)
{
	FileHeader	header = {.magic = FILE_MAGIC,.version = FILE_VERSION};

	if (secret != NULL)
		header.secret = *secret;
	else
		twp_crypto_random(&header.secret, sizeof(header.secret));
	twp_crypto_random(&header.generation, sizeof(header.generation));
	strlcpy(header.code, store->code, sizeof(header.code));
	header.crc = header_crc(&header);
	write_durably(fd, &header, sizeof(header), 0);
	twp_crypto_wipe(&header, sizeof(header));
}

/*
 * Makes the file with a new secret, unless another session is faster: the
 * complete file gets its name in one step.
 */
static void
create_file(const TwpGuardStore *store, const char *path)
{
	char		temporary[MAXPGPATH];
	int			fd;

	if (MakePGDirectory(DIRECTORY) != 0 && errno != EEXIST)
		refuse_file("create directory");
	snprintf(temporary, sizeof(temporary), "%s.%d", path, MyProcPid);
	fd = OpenTransientFile(temporary, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0)
		refuse_file("create file");
	write_header(store, NULL, fd);
	CloseTransientFile(fd);
	if (link(temporary, path) != 0 && errno != EEXIST)
		refuse_file("name file");
	unlink(temporary);
	fsync_fname(DIRECTORY, true);
}

/* Opens the file of a store, making it when there is none, and reads the secret. */
static int
open_file(TwpGuardStore *store)
{
	char		path[MAXPGPATH];
	FileHeader	header;
	int			fd;

	file_path(store, path);
	fd = OpenTransientFile(path, O_RDWR | PG_BINARY);
	if (fd < 0 && errno == ENOENT)
	{
		create_file(store, path);
		fd = OpenTransientFile(path, O_RDWR | PG_BINARY);
	}
	if (fd < 0)
		refuse_file("open file");
	errno = 0;
	if (pg_pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
		header.magic != FILE_MAGIC || header.version != FILE_VERSION ||
		header.crc != header_crc(&header) || strncmp(header.code, store->code, TWP_GUARD_CODE_LEN) != 0)
		refuse_file("read header");
	if (store->generation != header.generation)
		store->length = 0;
	store->generation = header.generation;
	store->secret = header.secret;
	store->has_secret = true;
	twp_crypto_wipe(&header, sizeof(header));
	return fd;
}

/* Finds or makes the store of a use. */
static TwpGuardStore *
find_store(const char *use_code)
{
	TwpGuardStore *store = stores;

	while (store != NULL && (store->database != MyDatabaseId || strncmp(store->code, use_code, TWP_GUARD_CODE_LEN - 1) != 0))
		store = store->next;
	if (store != NULL)
		return store;
	store = MemoryContextAllocZero(TopMemoryContext, sizeof(TwpGuardStore));
	store->database = MyDatabaseId;
	strlcpy(store->code, use_code, TWP_GUARD_CODE_LEN);
	store->context = AllocSetContextCreate(TopMemoryContext, "twin_privacy releases", ALLOCSET_DEFAULT_SIZES);
	store->next = stores;
	stores = store;
	return store;
}

/* The secret that sketches of a use are keyed with. */
const TwpGuardSecret *
twp_guard_secret(const char *use_code)
{
	TwpGuardStore *store = find_store(use_code);

	if (!store->has_secret)
		CloseTransientFile(open_file(store));
	return &store->secret;
}

/* Forgets what was read. */
static void
reset_store(TwpGuardStore *store)
{
	MemoryContextReset(store->context);
	store->length = 0;
	store->nfigures = store->nstored = store->capacity = 0;
	store->figures = NULL;
	store->key_columns = 0;
	store->nslots = store->nused = store->nindexed = 0;
	store->slots = NULL;
	store->unindexed = NIL;
}

/*
 * Drops figures that were kept and not made durable.  Their keys stay in the
 * index and lead to whatever has their number later, which is looked at.
 */
static void
drop_kept(TwpGuardStore *store)
{
	while (store->nfigures > store->nstored)
		pfree(store->figures[--store->nfigures].exact);
	store->nindexed = Min(store->nindexed, store->nfigures);
}

/* Adds a figure; its cells are copied. */
void
twp_guard_add_figure(TwpGuardStore *store, const TwpGuardFigure *figure)
{
	Size		bytes = CELL_BYTES(figure->columns);
	TwpGuardFigure *added;

	if (store->nfigures == store->capacity)
	{
		uint32		capacity = Max(64, 2 * store->capacity);

		store->figures = store->figures == NULL ?
			MemoryContextAlloc(store->context, capacity * sizeof(TwpGuardFigure)) :
			repalloc_huge(store->figures, capacity * sizeof(TwpGuardFigure));
		store->capacity = capacity;
	}
	added = &store->figures[store->nfigures];
	*added = *figure;
	added->exact = MemoryContextAlloc(store->context, bytes * (figure->tag != 0 ? 2 : 1));
	/* counted once it is there: the store outlives an error */
	store->nfigures++;
	memcpy(added->exact, figure->exact, bytes);
	added->identity = NULL;
	if (figure->tag != 0)
	{
		added->identity = added->exact + figure->columns;
		memcpy(added->identity, figure->identity, bytes);
	}
}

/* The moment before which releases are forgotten. */
TimestampTz
twp_guard_horizon(void)
{
	if (twp_guard_retention_days == 0)
		return DT_NOBEGIN;
	return GetCurrentTimestamp() - (int64) twp_guard_retention_days * USECS_PER_DAY;
}

/* Adds the figures of a batch. */
static void
add_batch(TwpGuardStore *store, const char *at, Size length)
{
	const char *end = at + length;
	TimestampTz oldest = twp_guard_horizon();

	while (at < end)
	{
		FigureHeader header;
		TwpGuardFigure figure;

		if (end - at < sizeof(header))
			refuse_file("read figures");
		memcpy(&header, at, sizeof(header));
		if (end - at < FIGURE_BYTES(header.columns, header.tag))
			refuse_file("read figures");
		figure = (TwpGuardFigure)
		{
			.tag = header.tag,.columns = header.columns,.released_at = header.released_at,
			.exact = (uint64 *) (at + sizeof(header)),
			.identity = (uint64 *) (at + sizeof(header) + CELL_BYTES(header.columns)),
		};
		if (header.released_at >= oldest)
			twp_guard_add_figure(store, &figure);
		at += FIGURE_BYTES(header.columns, header.tag);
	}
}

/*
 * True when a batch at that place is whole; gives its length, header included.
 * What a crash cannot have left is damage, and nothing is released then: a
 * header that is neither right nor zeros, or figures that are not right and
 * not the last.
 */
static bool
check_batch(const char *at, Size available, Size *length)
{
	static const BatchHeader nothing = {0};
	BatchHeader header;
	bool		whole;

	if (available < sizeof(header))
		return false;
	memcpy(&header, at, sizeof(header));
	if (memcmp(&header, &nothing, sizeof(header)) == 0)
		return false;
	if (header.own_crc != checksum(&header, offsetof(BatchHeader, own_crc)))
		refuse_file("read a damaged batch");
	if (header.length > available - sizeof(header))
		return false;
	whole = header.crc == checksum(at + sizeof(header), header.length);
	*length = sizeof(header) + header.length;
	if (!whole && *length < available)
		refuse_file("read a damaged batch");
	return whole;
}

/*
 * Reads what was appended since the last time.  A batch that is not whole and
 * is the last was being written in a crash: nobody was given its rows.
 */
static void
read_on(TwpGuardStore *store, int fd)
{
	struct stat st;
	Size		size;
	char	   *bytes;
	Size		at = 0;
	Size		length;

	if (fstat(fd, &st) != 0)
		refuse_file("stat");
	if (st.st_size < store->length || store->length == 0)
	{
		reset_store(store);
		store->length = sizeof(FileHeader);
	}
	drop_kept(store);
	size = st.st_size - store->length;
	if (size == 0)
		return;
	bytes = palloc_extended(size, MCXT_ALLOC_HUGE);
	errno = 0;
	if (pg_pread(fd, bytes, size, store->length) != (ssize_t) size)
		refuse_file("read");
	while (at < size && check_batch(bytes + at, size - at, &length))
	{
		add_batch(store, bytes + at + sizeof(BatchHeader), length - sizeof(BatchHeader));
		at += length;
	}
	pfree(bytes);
	store->nstored = store->nfigures;
	store->length += at;
	if (at < size && ftruncate(fd, store->length) != 0)
		refuse_file("cut off an incomplete batch");
}

/* Takes or gives back the lock of a use. */
static void
lock_store(const TwpGuardStore *store, bool take)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) store->code, strlen(store->code), 3);
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, store->database, (uint32) (hash >> 32), (uint32) hash, LOCK_FIELD);
	if (take)
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
	else
		(void) LockRelease(&tag, ExclusiveLock, false);
}

/* Locks the releases of a use and reads what others added. */
TwpGuardStore *
twp_guard_open(const char *use_code)
{
	TwpGuardStore *store = find_store(use_code);
	int			fd;

	lock_store(store, true);
	fd = open_file(store);
	read_on(store, fd);
	CloseTransientFile(fd);
	return store;
}

/* Packs figures into a batch. */
static char *
pack_batch(const TwpGuardStore *store, uint32 from, Size *length)
{
	BatchHeader header = {0};
	char	   *batch;
	char	   *at;

	for (uint32 i = from; i < store->nfigures; i++)
		header.length += FIGURE_BYTES(store->figures[i].columns, store->figures[i].tag);
	*length = sizeof(header) + header.length;
	batch = palloc_extended(*length, MCXT_ALLOC_HUGE);
	at = batch + sizeof(header);
	for (uint32 i = from; i < store->nfigures; i++)
	{
		const TwpGuardFigure *figure = &store->figures[i];
		FigureHeader fields = {figure->released_at, figure->tag, figure->columns};
		Size		cells = CELL_BYTES(figure->columns) * (figure->tag != 0 ? 2 : 1);

		memcpy(at, &fields, sizeof(fields));
		memcpy(at + sizeof(fields), figure->exact, cells);
		at += sizeof(fields) + cells;
	}
	header.crc = checksum(batch + sizeof(header), header.length);
	header.own_crc = checksum(&header, offsetof(BatchHeader, own_crc));
	memcpy(batch, &header, sizeof(header));
	return batch;
}

/* Writes the file anew with what has not expired. */
static void
rewrite_file(TwpGuardStore *store, const char *batch, Size length)
{
	char		path[MAXPGPATH];
	char		temporary[MAXPGPATH];
	int			fd;

	file_path(store, path);
	snprintf(temporary, sizeof(temporary), "%s.%d", path, MyProcPid);
	fd = OpenTransientFile(temporary, O_RDWR | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0)
		refuse_file("create file");
	write_durably(fd, batch, length, sizeof(FileHeader));
	write_header(store, &store->secret, fd);
	CloseTransientFile(fd);
	if (durable_rename(temporary, path, LOG) != 0)
		refuse_file("rename file");
	reset_store(store);
}

/* Takes figures that have expired out of memory, before it is given up. */
static void
drop_expired(TwpGuardStore *store)
{
	TimestampTz oldest = twp_guard_horizon();
	uint32		n = 0;

	for (uint32 i = 0; i < store->nfigures; i++)
		if (store->figures[i].released_at >= oldest)
			store->figures[n++] = store->figures[i];
	store->nfigures = n;
	store->nstored = 0;
	store->length = 0;
}

/* Raises that no more can be remembered. */
static void
refuse_full(TwpGuardStore *store)
{
	twp_guard_abandon(store);
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("use \"%s\" has released as much as can be remembered", store->code),
			 errhint("Ask for what was released before, or ask a twin_privacy_officer to call twin_privacy.forget_releases; the administrator may raise twin_privacy.guard_memory.")));
}

/* Makes what was kept durable and unlocks. */
void
twp_guard_close(TwpGuardStore *store)
{
	off_t		limit = (off_t) twp_guard_memory_kb * 1024;
	char	   *batch;
	Size		length;
	int			fd;

	if (store->nfigures == store->nstored)
	{
		lock_store(store, false);
		return;
	}
	batch = pack_batch(store, store->nstored, &length);
	if (store->length + (off_t) length > limit)
	{
		drop_expired(store);
		pfree(batch);
		batch = pack_batch(store, 0, &length);
		if ((off_t) (sizeof(FileHeader) + length) > limit)
			refuse_full(store);
		rewrite_file(store, batch, length);
	}
	else
	{
		fd = open_file(store);
		write_durably(fd, batch, length, store->length);
		CloseTransientFile(fd);
		store->length += length;
		store->nstored = store->nfigures;
	}
	pfree(batch);
	lock_store(store, false);
}

/* Drops what was kept since the opening, and unlocks. */
void
twp_guard_abandon(TwpGuardStore *store)
{
	drop_kept(store);
	lock_store(store, false);
}

/* Forgets all releases of a use; the secret stays, as running statements have it. */
int64
twp_guard_forget(const char *use_code)
{
	TwpGuardStore *store = twp_guard_open(use_code);
	int64		n = store->nfigures;
	Size		length;
	char	   *batch;

	store->nfigures = store->nstored = 0;
	batch = pack_batch(store, 0, &length);
	rewrite_file(store, batch, length);
	lock_store(store, false);
	return n;
}

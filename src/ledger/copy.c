/*
 * copy.c - chains of other nodes, carried between primary and standbys.
 *
 * A standby records its reads in a chain of its own and ships it to the
 * primary; it also fetches the primary's, so that the history is still there
 * when it is promoted.  What travels are the segments' bytes; a receiver takes
 * a record only if it continues the chain it holds, so a copy can be late but
 * not different.  Functions of SQL are for roles that replicate, and auditors.
 *
 * Locks: the copy lock while receiving.  Memory: one segment.  Failure:
 * raises; what was received before stays and is continued next time.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_ledger_copy_nodes);
PG_FUNCTION_INFO_V1(twp_ledger_copy_send);
PG_FUNCTION_INFO_V1(twp_ledger_copy_receive);

/* Raises that bytes received do not continue the chain held. */
static void
refuse_bytes(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("ledger copy: %s", what),
			 errhint("Call twin_privacy.verify_ledger() on both servers.")));
}

/* Names the directory that holds a node's chain here; directory has MAXPGPATH bytes. */
void
twp_copy_directory(const uint8 *node, char *directory)
{
	char		hex[2 * TWP_NODE_LEN + 1];
	char	   *slash;

	hex_encode((const char *) node, TWP_NODE_LEN, hex);
	hex[2 * TWP_NODE_LEN] = '\0';
	strlcpy(directory, twp_ledger_shared->directory, MAXPGPATH);
	slash = strrchr(directory, '/');
	snprintf(slash, MAXPGPATH - (slash - directory), "/node-%s", hex);
}

/* Walks the last segment of a copy and finds where its chain ends. */
void
twp_copy_find_end(const char *directory, TwpCopyEnd *end)
{
	char	   *buffer;
	const TwpSegmentHeader *header;
	const TwpRecordHeader *record;

	memset(end, 0, sizeof(*end));
	if (!twp_scan_segments(directory, &end->first_segno, &end->segno))
		return;
	buffer = palloc(TWP_SEGMENT_SIZE);
	header = (const TwpSegmentHeader *) buffer;
	if (!twp_scan_load(directory, end->segno, buffer, TWP_SEGMENT_SIZE))
		refuse_bytes("the last segment held cannot be read");
	end->offset = TWP_SEGMENT_START;
	end->seq = header->first_seq - 1;
	memcpy(end->hash, header->prev_hash, TWP_HASH_LEN);
	while ((record = twp_scan_record_at(buffer, end->offset)) != NULL)
	{
		uint8		hash[TWP_HASH_LEN];

		if (record->seq != end->seq + 1 ||
			!twp_spool_hash_record(header->node, end->hash, (TwpRecordHeader *) record, hash) ||
			memcmp(hash, record->hash, TWP_HASH_LEN) != 0)
			break;
		end->seq = record->seq;
		memcpy(end->hash, hash, TWP_HASH_LEN);
		end->offset += TWP_RECORD_ALIGN(record->length);
	}
	pfree(buffer);
}

/* Finds where the own chain durably ends. */
void
twp_copy_own_end(TwpCopyEnd *end)
{
	TwpLedgerShared *shared = twp_ledger_shared;

	LWLockAcquire(shared->flush_lock, LW_SHARED);
	end->first_segno = shared->first_segno;
	end->segno = shared->segno;
	end->offset = shared->offset;
	end->seq = shared->head_seq;
	memcpy(end->hash, shared->head, TWP_HASH_LEN);
	LWLockRelease(shared->flush_lock);
}

/* Begins a segment of a copy with the header received. */
static void
receive_header(const char *directory, const TwpCopyEnd *end, const uint8 *node, uint64 segno,
			   const TwpSegmentHeader *header)
{
	uint8		hash[TWP_HASH_LEN];
	int			fd;

	if (memcmp(header->magic, TWP_SEGMENT_MAGIC, sizeof(header->magic)) != 0 ||
		!twp_spool_hash_segment(header, hash) || memcmp(hash, header->hash, TWP_HASH_LEN) != 0 ||
		memcmp(header->node, node, TWP_NODE_LEN) != 0 || header->segno != segno)
		refuse_bytes("a segment header is not valid");
	if (header->system != twp_ledger_shared->system)
		refuse_bytes("it belongs to another cluster");
	if (end->segno != 0 && (segno != end->segno + 1 || header->first_seq != end->seq + 1 ||
							memcmp(header->prev_hash, end->hash, TWP_HASH_LEN) != 0))
		refuse_bytes("a segment does not follow the one held");
	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", directory)));
	fd = twp_spool_make_spare(directory, 0) ? twp_spool_begin_segment(directory, 0, header) : -1;
	if (fd < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("could not begin a segment of a ledger copy")));
	close(fd);
}

/* Writes records that continue the copy. */
static void
receive_records(const char *directory, const TwpCopyEnd *end, const uint8 *node, const char *data, uint32 len)
{
	uint64		seq = end->seq;
	uint8		hash[TWP_HASH_LEN];
	uint32		at = 0;
	int			fd;

	memcpy(hash, end->hash, TWP_HASH_LEN);
	while (at < len)
	{
		/* The bytes may lie unaligned in their datum. */
		TwpRecordHeader *record;
		uint8		next[TWP_HASH_LEN];
		uint32		length;

		if (len - at < sizeof(TwpRecordHeader))
			refuse_bytes("a record is cut off");
		memcpy(&length, data + at + offsetof(TwpRecordHeader, length), sizeof(length));
		if (length < sizeof(TwpRecordHeader) || length > TWP_RECORD_MAX || TWP_RECORD_ALIGN(length) > len - at)
			refuse_bytes("a record is malformed");
		record = palloc(length);
		memcpy(record, data + at, length);
		if (record->magic != TWP_RECORD_MAGIC || record->seq != seq + 1 ||
			!twp_spool_hash_record(node, hash, record, next) ||
			memcmp(next, record->hash, TWP_HASH_LEN) != 0)
			refuse_bytes("a record does not continue the chain held");
		pfree(record);
		seq++;
		memcpy(hash, next, TWP_HASH_LEN);
		at += TWP_RECORD_ALIGN(length);
	}
	if (end->offset + len > TWP_SEGMENT_SIZE)
		refuse_bytes("a segment is longer than segments are");
	fd = twp_spool_open(directory, end->segno, true);
	if (fd < 0 || !twp_spool_write(fd, data, len, end->offset) || pg_fsync(fd) != 0)
	{
		int			error = errno;

		if (fd >= 0)
			close(fd);
		errno = error;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write a ledger copy: %m")));
	}
	close(fd);
}

/* Takes bytes of a segment of another node: its header at 0, records behind it. */
void
twp_copy_receive(const uint8 *node, uint64 segno, uint32 at, const char *data, uint32 len)
{
	char		directory[MAXPGPATH];
	TwpCopyEnd	end;
	TwpSegmentHeader header;

	if (memcmp(node, twp_ledger_shared->node, TWP_NODE_LEN) == 0)
		refuse_bytes("this is the server's own chain");
	twp_copy_directory(node, directory);
	LWLockAcquire(twp_ledger_shared->copy_lock, LW_EXCLUSIVE);
	twp_copy_find_end(directory, &end);
	if (at == 0)
	{
		if (len != sizeof(header))
			refuse_bytes("a segment header is cut off");
		memcpy(&header, data, sizeof(header));
		receive_header(directory, &end, node, segno, &header);
	}
	else if (segno != end.segno || at != end.offset)
		refuse_bytes("the bytes do not follow those held");
	else
		receive_records(directory, &end, node, data, len);
	LWLockRelease(twp_ledger_shared->copy_lock);
}

/*
 * Reads bytes of a chain held here from a position on: the header for 0, else
 * whole records up to *len bytes; NULL when there are none (yet).
 */
char *
twp_copy_read(const char *directory, const TwpCopyEnd *end, uint64 segno, uint32 at, uint32 *len)
{
	char	   *buffer;
	char	   *bytes;
	uint32		stop = at;
	uint32		limit = segno == end->segno ? end->offset : TWP_SEGMENT_SIZE;
	const TwpRecordHeader *record;

	if (segno > end->segno || segno < end->first_segno || at >= TWP_SEGMENT_SIZE || at % 8 != 0)
		return NULL;
	buffer = palloc(TWP_SEGMENT_SIZE);
	if (!twp_scan_load(directory, segno, buffer, TWP_SEGMENT_SIZE))
		refuse_bytes("a segment cannot be read");
	if (at == 0)
		stop = sizeof(TwpSegmentHeader);
	else
		while (stop < limit && (record = twp_scan_record_at(buffer, stop)) != NULL &&
			   stop + TWP_RECORD_ALIGN(record->length) - at <= *len)
			stop += TWP_RECORD_ALIGN(record->length);
	*len = stop - at;
	bytes = *len > 0 ? palloc(*len) : NULL;
	if (bytes != NULL)
		memcpy(bytes, buffer + at, *len);
	pfree(buffer);
	return bytes;
}

/* Refuses whoever neither replicates the server nor may read the whole ledger. */
static void
require_replication(void)
{
	if (!has_rolreplication(GetUserId()) && !twp_role_has(GetUserId(), TWP_ROLES(TWP_ROLE_AUDITOR)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to copy the ledger"),
				 errhint("The role must have REPLICATION or be a twin_privacy_auditor.")));
	if (twp_ledger_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("the ledger's shared memory is missing"),
				 errhint("Add twin_privacy to shared_preload_libraries and restart the server.")));
	if (twp_ledger_shared->directory[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_TWP_LEDGER_UNAVAILABLE),
				 errmsg("the ledger has no directory"),
				 errhint("Call twin_privacy.status() and look at the server log.")));
}

/* Reads a node id argument. */
static const uint8 *
node_argument(FunctionCallInfo fcinfo)
{
	bytea	   *node;

	TWP_REQUIRE_ARG(0, "node");
	node = PG_GETARG_BYTEA_PP(0);
	if (VARSIZE_ANY_EXHDR(node) != TWP_NODE_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a node id has %d bytes", TWP_NODE_LEN),
				 errhint("Take it from twin_privacy.ledger_copy_nodes().")));
	return (const uint8 *) VARDATA_ANY(node);
}

/* Finds a chain held here, own or copy. */
static void
find_chain(const uint8 *node, char *directory, TwpCopyEnd *end)
{
	twp_copy_directory(node, directory);
	if (memcmp(node, twp_ledger_shared->node, TWP_NODE_LEN) == 0)
		twp_copy_own_end(end);
	else
		twp_copy_find_end(directory, end);
}

/* Lists the chains held here and where they end. */
Datum
twp_ledger_copy_nodes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	require_replication();
	foreach(lc, twp_scan_nodes())
	{
		TwpNodeRef *ref = lfirst(lc);
		char		directory[MAXPGPATH];
		TwpCopyEnd	end;
		bytea	   *id = palloc(VARHDRSZ + TWP_NODE_LEN);
		Datum		values[4];
		bool		nulls[4] = {0};

		/* What another cluster wrote no standby of this one would take. */
		if (ref->adopted)
			continue;
		find_chain(ref->node, directory, &end);
		SET_VARSIZE(id, VARHDRSZ + TWP_NODE_LEN);
		memcpy(VARDATA(id), ref->node, TWP_NODE_LEN);
		values[0] = PointerGetDatum(id);
		values[1] = Int64GetDatum((int64) end.first_segno);
		values[2] = Int64GetDatum((int64) end.segno);
		values[3] = Int32GetDatum((int32) end.offset);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Gives bytes of a chain held here. */
Datum
twp_ledger_copy_send(PG_FUNCTION_ARGS)
{
	const uint8 *node = node_argument(fcinfo);
	char		directory[MAXPGPATH];
	TwpCopyEnd	end;
	uint32		len = 1024 * 1024;
	char	   *bytes;
	bytea	   *result;

	TWP_REQUIRE_ARG(1, "segment");
	TWP_REQUIRE_ARG(2, "at");
	require_replication();
	find_chain(node, directory, &end);
	bytes = twp_copy_read(directory, &end, (uint64) PG_GETARG_INT64(1), (uint32) PG_GETARG_INT32(2), &len);
	if (bytes == NULL)
		PG_RETURN_NULL();
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	PG_RETURN_BYTEA_P(result);
}

/* Takes bytes of another node's chain. */
Datum
twp_ledger_copy_receive(PG_FUNCTION_ARGS)
{
	const uint8 *node = node_argument(fcinfo);
	bytea	   *data;

	TWP_REQUIRE_ARG(1, "segment");
	TWP_REQUIRE_ARG(2, "at");
	TWP_REQUIRE_ARG(3, "data");
	require_replication();
	data = PG_GETARG_BYTEA_PP(3);
	twp_copy_receive(node, (uint64) PG_GETARG_INT64(1), (uint32) PG_GETARG_INT32(2),
					 VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	PG_RETURN_VOID();
}

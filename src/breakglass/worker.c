/*
 * worker.c - an event recorded in a transaction of its own.
 *
 * The row and the NOTIFY must be there at once, even if the person's
 * transaction is read-only or rolls back.  So a background worker is started
 * for the moment: it connects, records, commits and goes.  The request
 * travels in a shared-memory segment, the end of an event in the worker's own
 * arguments, so that it also works while the session exits.
 *
 * Failure: without a free worker, or when it fails, the request's result
 * stays TWP_GLASS_FAILED and the caller records in its own transaction, with
 * whose commit the emergency then begins.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/event.h"
#include "breakglass/breakglass_internal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

TWP_EXPORT void twp_breakglass_worker_main(Datum arg);

/* What a worker is told directly. */
typedef struct Errand
{
	Oid			database;
	int64		event_id;		/* to end; 0 when a request is in the segment */
	TimestampTz ended_at;
	bool		session_ended;
} Errand;

/* Runs an errand in one transaction. */
static void
run_errand(const Errand *errand, TwpGlassRequest *request)
{
	TwpGlassResult result = TWP_GLASS_FAILED;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (request != NULL)
		result = twp_breakglass_record_open(request);
	else
	{
		twp_breakglass_record_end(errand->event_id, errand->ended_at);
		if (errand->session_ended)
			twp_event_emit("break_glass.end", psprintf(INT64_FORMAT, errand->event_id), NULL,
						   "{\"how\": \"not by end_break_glass()\"}");
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* Not before it is committed. */
	if (request != NULL)
		request->result = result;
}

/* Runs the worker. */
void
twp_breakglass_worker_main(Datum arg)
{
	Errand		errand;
	dsm_segment *segment = NULL;

	memcpy(&errand, MyBgworkerEntry->bgw_extra, sizeof(errand));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(errand.database, InvalidOid, 0);
	/* The caller may hold a lock and waits for us: give up rather than hang. */
	SetConfigOption("lock_timeout", "3s", PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_RUNNING, "recording a break-glass event");
	StartTransactionCommand();
	if (errand.event_id == 0)
	{
		segment = dsm_attach(DatumGetUInt32(arg));
		if (segment == NULL)
			proc_exit(1);
		dsm_pin_mapping(segment);
	}
	run_errand(&errand, segment != NULL ? dsm_segment_address(segment) : NULL);
	proc_exit(0);
}

/* Starts a worker on an errand; waits for its end when asked. */
static bool
send_worker(const Errand *errand, Datum arg, bool wait)
{
	BackgroundWorker worker = {
		.bgw_name = "twin_privacy break-glass",
		.bgw_type = "twin_privacy break-glass",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "twin_privacy",
		.bgw_function_name = "twp_breakglass_worker_main",
		.bgw_main_arg = arg,
		.bgw_notify_pid = wait ? MyProcPid : 0,
	};
	BackgroundWorkerHandle *handle;

	StaticAssertStmt(sizeof(Errand) <= BGW_EXTRALEN, "an errand fits the worker's arguments");
	memcpy(worker.bgw_extra, errand, sizeof(*errand));
	if (!RegisterDynamicBackgroundWorker(&worker, wait ? &handle : NULL))
		return false;
	return !wait || WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}

/* Records an opening apart; the answers are in the request. */
void
twp_breakglass_open_apart(TwpGlassRequest *request, Size size)
{
	Errand		errand = {.database = MyDatabaseId};
	dsm_segment *segment = dsm_create(size, 0);
	TwpGlassRequest *shared = dsm_segment_address(segment);

	memcpy(shared, request, size);
	shared->result = TWP_GLASS_FAILED;
	(void) send_worker(&errand, UInt32GetDatum(dsm_segment_handle(segment)), true);
	memcpy(request, shared, size);
	dsm_detach(segment);
}

/* Records an end apart; false when no worker could be had. */
bool
twp_breakglass_end_apart(int64 event_id, TimestampTz ended_at, bool wait)
{
	Errand		errand = {.database = MyDatabaseId, .event_id = event_id, .ended_at = ended_at,
	.session_ended = !wait};

	return send_worker(&errand, (Datum) 0, wait);
}

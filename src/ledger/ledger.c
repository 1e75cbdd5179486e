/*
 * ledger.c - intents, completions, refusals and events as records.
 *
 * Each backend remembers what it owes: the slot of every intent and event it
 * has not completed.  Events are completed with their transaction, intents by
 * the statement path; whatever is left when the backend exits is completed as
 * aborted.  Locks and failure: see ring.c and drain.c; only functions that
 * begin something raise errors (TP004).
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/event.h"
#include "common/ip.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef enum CommitMode
{
	COMMIT_STATEMENT,
	COMMIT_BINDING,
} CommitMode;

static const struct config_enum_entry commit_modes[] = {
	{"statement", COMMIT_STATEMENT, false},
	{"binding", COMMIT_BINDING, false},
	{NULL, 0, false}
};

/* Longest set within a completion: its length takes one byte, and the five numbers at most 29 beside it. */
#define SET_WITHIN_MAX 127
StaticAssertDecl(sizeof(TwpRecordHeader) + 29 + 2 + SET_WITHIN_MAX <= TWP_COMPLETION_MAX,
				 "a completion fits the room kept for it");

static int	commit_mode = COMMIT_STATEMENT;
char	   *twp_ledger_directory = NULL;
int			twp_ledger_buffer_kb = 4096;
int			twp_ledger_max_size_mb = 0;

/* One completion this backend owes. */
typedef struct Owed
{
	struct Owed *next;
	uint64		seq;
	int			slot;
	int			event_nest;		/* nesting of the transaction an event hangs on; 0 for intents */
} Owed;

static Owed *owed = NULL;
static int	owed_count = 0;
/* Position up to which the transaction's changes of consents must be durable before it commits; 0: none. */
static uint64 due = 0;

/* Raises TP004 with the reason. */
static void
refuse_unrecorded(void)
{
	const char *reason = twp_ledger_shared == NULL ? "its shared memory is missing" :
		twp_ledger_shared->reason;

	ereport(ERROR,
			(errcode(ERRCODE_TWP_LEDGER_UNAVAILABLE),
			 errmsg("the ledger cannot record, so nothing is disclosed"),
			 *reason != '\0' ? errdetail_log("%s", reason) : 0,
			 errhint("Ask the administrator to look at the server log and at twin_privacy.status().")));
}

/* Writes an outcome's record from the room kept for it and gives the slot back. */
static void
settle(Owed *entry, const char *payload, uint32 len)
{
	uint64		end = twp_ledger_append_completion(entry->slot, entry->seq, payload, len);

	/* Nobody may be there to drain it later. */
	if (proc_exit_inprogress && end != 0)
		(void) twp_ledger_flush(end);
}

/* Settles an entry with nothing but an outcome. */
static void
settle_outcome(Owed *entry, TwpOutcome outcome)
{
	const char	payload[] = {TWP_FIELD_OUTCOME, 1, (char) outcome};

	settle(entry, payload, sizeof(payload));
}

/* Takes an entry off the list. */
static void
forget(Owed *entry)
{
	for (Owed **link = &owed; *link != NULL; link = &(*link)->next)
		if (*link == entry)
		{
			*link = entry->next;
			owed_count--;
			break;
		}
	pfree(entry);
}

/* Completes what the backend still owes when it exits. */
static void
settle_at_exit(int code, Datum arg)
{
	while (owed != NULL)
	{
		settle_outcome(owed, TWP_OUTCOME_ABORTED);
		owed = owed->next;
	}
}

/* Completes events with their transaction. */
static void
xact_ended(XactEvent event, void *arg)
{
	TwpOutcome	outcome = event == XACT_EVENT_COMMIT ? TWP_OUTCOME_DONE : TWP_OUTCOME_ABORTED;

	if (event == XACT_EVENT_PRE_COMMIT && due != 0)
	{
		uint64		end = due;

		due = 0;
		if (!twp_ledger_flush(end))
			refuse_unrecorded();
	}
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PRE_PREPARE)
		return;
	due = 0;
	for (Owed *entry = owed, *next; entry != NULL; entry = next)
	{
		next = entry->next;
		if (entry->event_nest == 0)
			continue;
		if (event == XACT_EVENT_PRE_PREPARE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that changed privacy policy, consent or keys"),
					 errhint("Use COMMIT.")));
		settle_outcome(entry, outcome);
		forget(entry);
	}
}

/* Completes events of a rolled-back savepoint; those of a released one follow its parent. */
static void
subxact_ended(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	int			nest = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (Owed *entry = owed, *next; entry != NULL; entry = next)
	{
		next = entry->next;
		if (entry->event_nest < nest)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->event_nest = nest - 1;
		else
		{
			settle_outcome(entry, TWP_OUTCOME_ABORTED);
			forget(entry);
		}
	}
}

/* Prepares this backend for owing completions, once. */
static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(xact_ended, NULL);
	RegisterSubXactCallback(subxact_ended, NULL);
	on_shmem_exit(settle_at_exit, (Datum) 0);
	registered = true;
}

/* True when a record may not wait for the worker, or there is none to wait for. */
static bool
must_be_durable_now(TwpRecordType type)
{
	return type == TWP_RECORD_EVENT || commit_mode == COMMIT_STATEMENT ||
		twp_ledger_shared->worker_latch == NULL;
}

/*
 * Appends a record whose completion will be owed and waits until it is
 * durable (or, for intents in mode binding, will be within the window).
 */
static uint64
begin_record(TwpRecordType type, StringInfo payload, int event_nest)
{
	Owed	   *entry;
	uint64		end;

	if (payload->len > TWP_RECORD_MAX - (int) sizeof(TwpRecordHeader))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too much to record in the ledger"),
				 errhint("Shorten the justification, or name fewer tables in one statement.")));
	if (twp_ledger_shared == NULL)
		refuse_unrecorded();
	/* What may be open is shared by all sessions: one takes a quarter at most. */
	if (owed_count >= twp_ledger_shared->slot_count / 4)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many statements of this session are not ended"),
				 errhint("Close cursors that are no longer needed.")));
	register_callbacks();
	entry = MemoryContextAllocZero(TopMemoryContext, sizeof(Owed));
	entry->event_nest = event_nest;
	entry->seq = twp_ledger_append(type, 0, payload->data, payload->len, &entry->slot, &end);
	if (entry->seq == 0)
	{
		pfree(entry);
		refuse_unrecorded();
	}
	if (must_be_durable_now(type) && !twp_ledger_flush(end))
	{
		/* It may reach the disk later: then it must say that nothing was given. */
		settle_outcome(entry, TWP_OUTCOME_REFUSED);
		pfree(entry);
		refuse_unrecorded();
	}
	entry->next = owed;
	owed = entry;
	owed_count++;
	return twp_ledger_record_id(entry->seq);
}

/*
 * Appends an event to those its transaction (or savepoint) has recorded
 * already: they share the first one's completion, so that a transaction may
 * record a whole population.  Returns 0 when it is the first.
 */
static uint64
join_group(StringInfo payload, int event_nest, uint64 *end)
{
	Owed	   *leader = owed;
	uint64		seq;

	while (leader != NULL && leader->event_nest != event_nest)
		leader = leader->next;
	if (leader == NULL || payload->len > TWP_RECORD_MAX - (int) sizeof(TwpRecordHeader))
		return 0;
	seq = twp_ledger_append(TWP_RECORD_EVENT, leader->seq, payload->data, payload->len, NULL, end);
	if (seq == 0)
		refuse_unrecorded();
	return seq;
}

/*
 * Records an event that hangs on the transaction.  What only changes consents
 * has no effect before the commit and is made durable with it; everything
 * else at once.
 */
static uint64
begin_event(StringInfo payload, const char *kind)
{
	uint64		end;
	uint64		seq = join_group(payload, GetCurrentTransactionNestLevel(), &end);

	if (seq == 0)
		return begin_record(TWP_RECORD_EVENT, payload, GetCurrentTransactionNestLevel());
	if (strncmp(kind, "consent.", strlen("consent.")) == 0)
		due = end;
	else if (!twp_ledger_flush(end))
		refuse_unrecorded();
	return twp_ledger_record_id(seq);
}

/* Writes where the session comes from. */
static void
put_client(StringInfo buf)
{
	static char client[NI_MAXHOST] = "";

	if (client[0] == '\0' && MyBEEntry != NULL && MyBEEntry->st_clientaddr.addr.ss_family != 0 &&
		(MyBEEntry->st_clientaddr.addr.ss_family == AF_UNIX ||
		 pg_getnameinfo_all(&MyBEEntry->st_clientaddr.addr, MyBEEntry->st_clientaddr.salen,
							client, sizeof(client), NULL, 0, NI_NUMERICHOST) != 0))
		strlcpy(client, "[local]", sizeof(client));
	twp_field_put_text(buf, TWP_FIELD_CLIENT, client[0] != '\0' ? client : NULL);
}

/* Writes an intent's fields. */
static void
put_intent(StringInfo buf, const TwpIntent *intent)
{
	ListCell   *lc;

	initStringInfo(buf);
	twp_field_put_text(buf, TWP_FIELD_SESSION_ROLE, intent->session_role);
	twp_field_put_text(buf, TWP_FIELD_ACTING_ROLE, intent->acting_role);
	twp_field_put_text(buf, TWP_FIELD_ACTOR, intent->actor);
	twp_field_put_text(buf, TWP_FIELD_USE_CODE, intent->use_code);
	twp_field_put_text(buf, TWP_FIELD_PURPOSE, intent->purpose);
	twp_field_put_text(buf, TWP_FIELD_RECIPIENT, intent->recipient);
	twp_field_put_text(buf, TWP_FIELD_JUSTIFICATION, intent->justification);
	twp_field_put_text(buf, TWP_FIELD_FORM, intent->form);
	foreach(lc, intent->tables)
		twp_field_put_text(buf, TWP_FIELD_TABLE, lfirst(lc));
	foreach(lc, intent->categories)
		twp_field_put_text(buf, TWP_FIELD_CATEGORY, lfirst(lc));
	twp_field_put_number(buf, TWP_FIELD_CONSENT_REVISION, intent->consent_revision);
	twp_field_put_number(buf, TWP_FIELD_POLICY_HASH, intent->policy_hash);
	twp_field_put_number(buf, TWP_FIELD_FINGERPRINT, intent->query_fingerprint);
	twp_field_put_number(buf, TWP_FIELD_PARENT, intent->parent);
	twp_field_put_number(buf, TWP_FIELD_BREAK_GLASS, intent->break_glass);
	put_client(buf);
}

/* Records an intent. */
uint64
twp_ledger_intend(const TwpIntent *intent)
{
	StringInfoData buf;
	uint64		record_id;

	put_intent(&buf, intent);
	record_id = begin_record(TWP_RECORD_INTENT, &buf, 0);
	twp_ledger_count(TWP_COUNT_STATEMENTS, NULL);
	pfree(buf.data);
	return record_id;
}

/* Appends one number field to a fixed buffer; a completion's fields cannot overflow it. */
static char *
put_number(char *at, TwpField tag, uint64 value)
{
	char	   *len = at + 1;
	char	   *end = at + 2;

	for (; value != 0; value >>= 8)
		*end++ = (char) value;
	*at = (char) tag;
	*len = (char) (end - at - 2);
	return end;
}

/*
 * Appends a subject set to a completion's payload when it is small, else
 * stores it in records of its own; false when it could not be stored.
 */
static bool
put_subjects(char **at, uint64 seq, TwpSubjectSet *set)
{
	uint64		len;
	char	   *packed = twp_subjects_pack_quietly(set, &len);
	bool		stored = packed != NULL;

	if (packed == NULL)
		return false;
	if (len > SET_WITHIN_MAX)
		stored = twp_subjects_append(seq, packed, len);
	else if (len > 0)
	{
		*(*at)++ = TWP_FIELD_SET_DATA;
		*(*at)++ = (char) len;
		memcpy(*at, packed, len);
		*at += len;
	}
	pfree(packed);
	return stored;
}

/* Records how an intent ended; never raises. */
void
twp_ledger_complete(uint64 record_id, const TwpCompletion *completion)
{
	char		payload[TWP_COMPLETION_MAX - sizeof(TwpRecordHeader)];
	char	   *end = payload;
	uint64		count = completion->subject_count;
	Owed	   *entry = owed;
	bool		stored = false;

	while (entry != NULL && twp_ledger_record_id(entry->seq) != record_id)
		entry = entry->next;
	if (entry == NULL)
		return;
	end = put_number(end, TWP_FIELD_OUTCOME, completion->outcome);
	end = put_number(end, TWP_FIELD_ROWS, completion->row_count);
	if (completion->subjects != NULL)
	{
		count = twp_ledger_subjects_count(completion->subjects);
		stored = put_subjects(&end, entry->seq, completion->subjects);
	}
	end = put_number(end, TWP_FIELD_SUBJECT_COUNT, count);
	end = put_number(end, TWP_FIELD_SUBJECTS_EXACT, completion->subjects_exact);
	end = put_number(end, TWP_FIELD_SUBJECTS_STORED, stored);
	settle(entry, payload, end - payload);
	forget(entry);
}

/* Bytes of a claim that a refusal too long for a record keeps. */
#define MAX_REFUSED_CLAIM 1024

/*
 * Writes a refusal's fields; claims too long to record are left out, so that
 * nobody tries doors unseen behind a long justification.
 */
static void
put_refusal(StringInfo buf, const TwpIntent *intent)
{
	TwpIntent	shorter = *intent;

	put_intent(buf, intent);
	if (buf->len <= TWP_RECORD_MAX - TWP_COMPLETION_MAX)
		return;
	pfree(buf->data);
	if (intent->justification != NULL && strlen(intent->justification) > MAX_REFUSED_CLAIM)
		shorter.justification = "(too long to record)";
	if (intent->actor != NULL && strlen(intent->actor) > MAX_REFUSED_CLAIM)
		shorter.actor = "(too long to record)";
	put_intent(buf, &shorter);
}

/* Records a refusal; gives up silently when it cannot. */
void
twp_ledger_refuse(const TwpIntent *intent, const char *sqlstate)
{
	StringInfoData buf;
	uint64		end;

	if (twp_ledger_shared == NULL)
		return;
	twp_ledger_count(TWP_COUNT_REFUSED, sqlstate);
	put_refusal(&buf, intent);
	twp_field_put_text(&buf, TWP_FIELD_SQLSTATE, sqlstate);
	if (buf.len <= TWP_RECORD_MAX - (int) sizeof(TwpRecordHeader) &&
		twp_ledger_append(TWP_RECORD_REFUSAL, 0, buf.data, buf.len, NULL, &end) != 0 &&
		must_be_durable_now(TWP_RECORD_REFUSAL))
		(void) twp_ledger_flush(end);
	pfree(buf.data);
}

/* Writes an event's fields. */
static void
put_event(StringInfo buf, const char *kind, const char *object, const char *subject,
		  const char *detail, const char *justification)
{
	initStringInfo(buf);
	twp_field_put_text(buf, TWP_FIELD_KIND, kind);
	twp_field_put_text(buf, TWP_FIELD_OBJECT, object);
	twp_field_put_text(buf, TWP_FIELD_SUBJECT, subject);
	twp_field_put_text(buf, TWP_FIELD_DETAIL, detail);
	twp_field_put_text(buf, TWP_FIELD_JUSTIFICATION, justification);
	twp_field_put_text(buf, TWP_FIELD_SESSION_ROLE, GetUserNameFromId(GetSessionUserId(), true));
	twp_field_put_text(buf, TWP_FIELD_ACTING_ROLE, GetUserNameFromId(GetOuterUserId(), true));
	twp_field_put_text(buf, TWP_FIELD_ACTOR, GetConfigOption("twin_privacy.actor", true, false));
	put_client(buf);
}

/* Records an event durably; its outcome follows the transaction. */
uint64
twp_ledger_event(const char *kind, const char *object, const char *subject,
				 const char *detail, const char *justification)
{
	StringInfoData buf;
	uint64		record_id;

	put_event(&buf, kind, object, subject, detail, justification);
	record_id = begin_event(&buf, kind);
	twp_ledger_count(TWP_COUNT_EVENTS, NULL);
	pfree(buf.data);
	return record_id;
}

/* Records an event durably that does not hang on the transaction. */
uint64
twp_ledger_event_at_once(const char *kind, const char *object, const char *subject,
						 const char *detail, const char *justification)
{
	TwpCompletion done = {.outcome = TWP_OUTCOME_DONE};
	StringInfoData buf;
	uint64		record_id;

	put_event(&buf, kind, object, subject, detail, justification);
	record_id = begin_record(TWP_RECORD_EVENT, &buf, GetCurrentTransactionNestLevel());
	twp_ledger_count(TWP_COUNT_EVENTS, NULL);
	pfree(buf.data);
	twp_ledger_complete(record_id, &done);
	return record_id;
}

/* Takes an event from the rooms below; what pg_upgrade lays again was recorded when it was decided. */
static void
event_sink(const TwpEvent *event)
{
	if (IsBinaryUpgrade)
		return;
	(void) twp_ledger_event(event->kind, event->object, event->subject, event->detail, NULL);
}

/* Defines the ledger's settings. */
static void
define_settings(void)
{
	DefineCustomStringVariable("twin_privacy.ledger_directory",
							   "Directory of the ledger's spool.",
							   "Relative to the data directory unless absolute; a disk of its own is best.",
							   &twp_ledger_directory, "pg_twin_privacy",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.ledger_buffer_size",
							"Shared memory for records on their way to the spool.",
							NULL, &twp_ledger_buffer_kb, 4096, 1024, 1024 * 1024,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.ledger_max_size",
							"Size at which the spool is full and reads are refused.",
							"0 means no limit but the disk's.",
							&twp_ledger_max_size_mb, 0, 0, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomStringVariable("twin_privacy.ledger_ship_conninfo",
							   "Added to primary_conninfo where a standby exchanges records with the primary.",
							   "Such as \"dbname=clinic user=shipper\"; empty: the database of the newest record.",
							   &twp_ledger_ship_conninfo, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("twin_privacy.ledger_signing_key_file",
							   "File with the Ed25519 private key (PEM) that signs checkpoints.",
							   "Owned by the server's user, mode 0600.",
							   &twp_ledger_signing_key_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomEnumVariable("twin_privacy.ledger_commit",
							 "When the record of a read must be durable.",
							 "\"statement\": before its first row; \"binding\": within 200 ms.",
							 &commit_mode, COMMIT_STATEMENT, commit_modes,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Starts the room: settings, the sink for events, the workers. */
void
twp_ledger_init(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS,
		.bgw_start_time = BgWorkerStart_PostmasterStart,
		.bgw_restart_time = 1,
		.bgw_name = "twin_privacy ledger",
		.bgw_type = "twin_privacy ledger",
		.bgw_library_name = "twin_privacy",
		.bgw_function_name = "twp_ledger_worker_main",
	};

	BackgroundWorker flusher = worker;
	BackgroundWorker shipper = worker;

	define_settings();
	twp_event_register_sink(event_sink);
	if (IsBinaryUpgrade)
		return;
	RegisterBackgroundWorker(&worker);
	shipper.bgw_start_time = BgWorkerStart_ConsistentState;
	shipper.bgw_restart_time = 5;
	strcpy(shipper.bgw_name, "twin_privacy ledger shipping");
	strcpy(shipper.bgw_type, "twin_privacy ledger shipping");
	strcpy(shipper.bgw_function_name, "twp_ledger_ship_worker_main");
	RegisterBackgroundWorker(&shipper);
	/* last: where processes are short, statements lead each other */
	strcpy(flusher.bgw_name, "twin_privacy ledger flusher");
	strcpy(flusher.bgw_type, "twin_privacy ledger flusher");
	strcpy(flusher.bgw_function_name, "twp_ledger_flusher_worker_main");
	RegisterBackgroundWorker(&flusher);
}

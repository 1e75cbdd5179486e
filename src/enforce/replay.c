/*
 * replay.c - was a recorded disclosure right?  Decided again, from the record.
 *
 * The policy hash is computed anew from the use and the tables' labels: equal,
 * and the policy that is asked now is the one of then.  Each subject of the
 * record is decided from the directives of the recorded consent revision, at
 * the recorded time; in an emergency it must be the event's.  A subject whose
 * rows were given although no category of the record's tables was open is a
 * finding.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(twp_enforce_audit_replay);

/* One replay. */
typedef struct Replay
{
	ReturnSetInfo *rsinfo;
	TwpRecorded recorded;
	const TwpUse *use;			/* as it is now, or NULL */
	char	   *emergency_subject;	/* of the record's emergency, or NULL */
	uint64		subjects;
	uint64		agreeing;
	MemoryContext context;		/* for one subject */
} Replay;

/* Emits one comparison. */
static void
emit(Replay *replay, const char *aspect, const char *recorded, const char *replayed, bool agrees)
{
	Datum		values[4] = {CStringGetTextDatum(aspect), CStringGetTextDatum(recorded),
	CStringGetTextDatum(replayed), BoolGetDatum(agrees)};
	bool		nulls[4] = {false, false, false, false};

	tuplestore_putvalues(replay->rsinfo->setResult, replay->rsinfo->setDesc, values, nulls);
}

/* Computes the policy hash of the record's use and tables as they are now. */
static uint64
policy_hash_now(const Replay *replay)
{
	const TwpIntent *intent = &replay->recorded.intent;
	TimestampTz until;
	uint64		hash = twp_decision_stamp_of(replay->use, (int64) intent->break_glass, GetCurrentTimestamp(), &until);
	ListCell   *lc;

	foreach(lc, intent->tables)
	{
		LOCAL_FCINFO(call, 1);
		const TwpProtection *protection;
		Datum		relid;

		InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
		call->args[0].value = CStringGetTextDatum(lfirst(lc));
		call->args[0].isnull = false;
		relid = to_regclass(call);
		protection = call->isnull ? NULL : twp_protect_lookup(DatumGetObjectId(relid));
		if (protection != NULL)
			hash = twp_enforce_mix_policy(hash, protection);
	}
	return hash;
}

/* True when the decision opens a category for the use. */
static bool
opens(const TwpUse *use, TwpDecision decision)
{
	if (decision == TWP_DECISION_DENY)
		return use->overrides_deny;
	return decision == TWP_DECISION_PERMIT || use->basis != TWP_BASIS_CONSENT;
}

/* Decides one subject of the record again. */
static bool
subject_was_open(const Replay *replay, const char *subject)
{
	const TwpRecorded *recorded = &replay->recorded;
	ListCell   *lc;

	if (recorded->intent.break_glass != 0)
		return replay->emergency_subject != NULL && strcmp(subject, replay->emergency_subject) == 0;
	foreach(lc, recorded->intent.categories)
	{
		int			category = twp_vocab_category(lfirst(lc));

		if (category >= 0 &&
			opens(replay->use, twp_consent_decide_then(subject, recorded->intent.purpose, category,
													   recorded->intent.recipient, recorded->recorded_at,
													   recorded->intent.consent_revision)))
			return true;
	}
	return false;
}

/* Replays one subject, and says so when it does not agree. */
static bool
replay_subject(const TwpSubject *subject, void *arg)
{
	Replay	   *replay = arg;
	MemoryContext old = MemoryContextSwitchTo(replay->context);
	char	   *text = twp_subject_to_text(subject);

	CHECK_FOR_INTERRUPTS();
	replay->subjects++;
	if (subject_was_open(replay, text))
		replay->agreeing++;
	else
		emit(replay, psprintf("subject %s", text), "disclosed", "not open", false);
	MemoryContextSwitchTo(old);
	MemoryContextReset(replay->context);
	return true;
}

/* Finds whom a recorded emergency was about. */
static char *
emergency_subject(uint64 event_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum((int64) event_id)};
	char	   *subject = NULL;

	twp_sql_connect();
	twp_sql_exec("SELECT subject FROM twin_privacy_internal.break_glass_event WHERE event_id = $1",
				 1, types, values, NULL);
	if (SPI_processed == 1)
	{
		char	   *found = twp_sql_text(0, 1);

		subject = strcpy(SPI_palloc(strlen(found) + 1), found);
	}
	twp_sql_finish();
	return subject;
}

/* Reads the record asked for. */
static void
read_record(FunctionCallInfo fcinfo, Replay *replay)
{
	TWP_REQUIRE_ARG(0, "record_id");
	twp_role_require(TWP_ROLES(TWP_ROLE_AUDITOR), "replay a recorded disclosure");
	if (PG_GETARG_INT64(0) <= 0 || !twp_ledger_read((uint64) PG_GETARG_INT64(0), &replay->recorded))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("record " INT64_FORMAT " does not exist in this database", PG_GETARG_INT64(0)),
				 errhint("Take it from twin_privacy.disclosures.")));
	if (replay->recorded.intent.use_code != NULL)
		replay->use = twp_uses_find(replay->recorded.intent.use_code);
	if (replay->recorded.intent.break_glass != 0)
		replay->emergency_subject = emergency_subject(replay->recorded.intent.break_glass);
}

/* Decides a recorded statement again; one row a comparison. */
Datum
twp_enforce_audit_replay(PG_FUNCTION_ARGS)
{
	Replay		replay = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	const TwpIntent *intent = &replay.recorded.intent;
	char	   *then;
	char	   *now;

	InitMaterializedSRF(fcinfo, 0);
	read_record(fcinfo, &replay);
	if (replay.use == NULL)
	{
		emit(&replay, "use", intent->use_code != NULL ? intent->use_code : "none bound", "none", intent->use_code == NULL);
		return (Datum) 0;
	}
	emit(&replay, "use", intent->use_code, replay.use->code, true);
	/* A refusal has no decision to repeat beyond its use. */
	if (replay.recorded.outcome == TWP_OUTCOME_REFUSED)
		return (Datum) 0;
	then = psprintf("%016llx", (unsigned long long) intent->policy_hash);
	now = psprintf("%016llx", (unsigned long long) policy_hash_now(&replay));
	emit(&replay, "policy_hash", then, now, strcmp(then, now) == 0);
	replay.context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy replay", ALLOCSET_SMALL_SIZES);
	if (replay.recorded.subjects != NULL &&
		!twp_ledger_subjects_walk(replay.recorded.subjects, replay.recorded.subjects_len, replay_subject, &replay))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the record's subject set is damaged"),
				 errhint("Call twin_privacy.verify_ledger().")));
	emit(&replay, "subjects", psprintf(UINT64_FORMAT, replay.subjects), psprintf(UINT64_FORMAT, replay.agreeing),
		 replay.subjects == replay.agreeing);
	return (Datum) 0;
}

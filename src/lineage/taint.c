/*
 * taint.c - the work list of what withdrawals left to do: list_taints,
 * clear_taint, and the word to the pipeline.
 *
 * Nothing is stored about a taint: the list is found from the directives, the
 * provenance and the rows as they are now.  So it shows what was calibrated
 * while the withdrawal was on its way, and a row that is deleted or whose
 * subject permits again is off it without anybody's doing.  Stored is only
 * what somebody ticked off: a row, a cause, by whom and why.
 *
 * The word (NOTIFY) says that there may be more to do and nothing else, since
 * anybody may listen.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lineage/taint_internal.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define CHANNEL "twin_privacy_taint"

#define READERS \
	(TWP_ROLES(TWP_ROLE_REGISTRAR) | TWP_ROLES(TWP_ROLE_OFFICER) | \
	 TWP_ROLES(TWP_ROLE_AUDITOR) | TWP_ROLES(TWP_ROLE_ADMIN))

/* What a row has whose inputs are gone: nobody knows whose they were. */
#define NO_CAUSE 0

/* Columns of list_taints. */
#define LIST_COLUMNS 6

PG_FUNCTION_INFO_V1(twp_lineage_list_taints);
PG_FUNCTION_INFO_V1(twp_lineage_list_taints_of);
PG_FUNCTION_INFO_V1(twp_lineage_list_losses);
PG_FUNCTION_INFO_V1(twp_lineage_clear_taint);

TWP_EXPORT Datum twp_lineage_list_taints(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_lineage_list_taints_of(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_lineage_list_losses(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_lineage_clear_taint(PG_FUNCTION_ARGS);

static bool word_is_due = false;

/* Notes that the pipeline is to be told, if there is one: something was taken back. */
static void
hear_event(const TwpEvent *event)
{
	if (twp_consent_is_loss(event) && twp_protect_any())
		word_is_due = true;
}

/* Tells the pipeline as part of the commit; who prepares a transaction instead tells nobody. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT && word_is_due)
		Async_Notify(CHANNEL, "");
	word_is_due = false;
}

/* Starts listening for withdrawals. */
void
twp_taint_init(void)
{
	twp_event_register_listener(hear_event);
	RegisterXactCallback(at_transaction_end, NULL);
}

/* What list_taints puts its rows into. */
typedef struct Listing
{
	ReturnSetInfo *result;
	const TwpTaintScope *scope;
} Listing;

/* Puts one taint into the result. */
static void
put_taint(Oid target, const TwpSubject *key, const char *subject, const TwpLoss *loss, void *arg)
{
	Listing    *listing = arg;
	Datum		values[LIST_COLUMNS];
	bool		nulls[LIST_COLUMNS] = {false};

	values[0] = ObjectIdGetDatum(target);
	nulls[1] = key == NULL;
	nulls[2] = nulls[3] = loss->cause == NO_CAUSE;
	values[1] = key == NULL ? (Datum) 0 : CStringGetTextDatum(twp_subject_to_text(key));
	values[2] = CStringGetTextDatum(subject);
	values[3] = TimestampTzGetDatum(loss->since);
	values[4] = Int64GetDatum(loss->cause);
	values[5] = BoolGetDatum(listing->scope->everything);
	tuplestore_putvalues(listing->result->setResult, listing->result->setDesc, values, nulls);
}

/* Finds the taints of one subject, or (NULL) of all, and what has lost its inputs. */
static void
find_taints(const TwpTaintScope *scope, const char *subject, TwpTaintSink sink, void *arg)
{
	List	   *subjects = subject != NULL ? list_make1((void *) subject) : twp_consent_losers();
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy losses", ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	foreach(lc, subjects)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		ListCell   *portion;

		CHECK_FOR_INTERRUPTS();
		foreach(portion, twp_taint_losses(scope, lfirst(lc)))
			twp_taint_walk(scope, lfirst(portion), sink, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	if (subject == NULL && scope->every_loss)
		twp_taint_orphans(scope, sink, arg);
}

/* Lists the taints of a subject, or (NULL) of everybody, that the caller may be told of; recorded. */
static void
list_taints(FunctionCallInfo fcinfo, const char *subject)
{
	TwpTaintScope scope = twp_taint_scope(READERS);
	Listing		listing = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.scope = &scope};

	InitMaterializedSRF(fcinfo, 0);
	twp_event_emit("taint.list", NULL, subject, NULL);
	find_taints(&scope, subject, put_taint, &listing);
}

/* list_taints(): everybody's. */
Datum
twp_lineage_list_taints(PG_FUNCTION_ARGS)
{
	list_taints(fcinfo, NULL);
	return (Datum) 0;
}

/* list_taints_of(subject) */
Datum
twp_lineage_list_taints_of(PG_FUNCTION_ARGS)
{
	char	   *subject;

	TWP_REQUIRE_ARG(0, "subject");
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_protect_check_subject_text(subject);
	list_taints(fcinfo, subject);
	return (Datum) 0;
}

/* The codes of a set's categories. */
static Datum
category_codes(TwpCategorySet set)
{
	Datum		codes[TWP_MAX_CATEGORIES];
	int			n = 0;

	for (int c = 0; c < TWP_MAX_CATEGORIES; c++)
		if ((set & TWP_CATEGORY_BIT(c)) != 0)
			codes[n++] = CStringGetTextDatum(twp_vocab_category_code(c));
	return PointerGetDatum(construct_array(codes, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* list_losses(subject): what the subject's directives took back, for each cause and purpose. */
Datum
twp_lineage_list_losses(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	twp_role_require(READERS, "read what was taken back");
	TWP_REQUIRE_ARG(0, "subject");
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, twp_consent_losses(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL))
	{
		const TwpLoss *loss = lfirst(lc);
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = Int64GetDatum(loss->cause);
		values[1] = TimestampTzGetDatum(loss->since);
		values[2] = CStringGetTextDatum(loss->purpose);
		values[3] = category_codes(loss->lost);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* What is to be ticked off. */
typedef struct Ticks
{
	Oid			target;
	TwpSubject	key;
	bool		has_key;
	List	   *subjects;		/* char *, beside causes */
	List	   *causes;			/* int64 * */
} Ticks;

/* Notes a taint of the row that is to be ticked off. */
static void
note_taint(Oid target, const TwpSubject *key, const char *subject, const TwpLoss *loss, void *arg)
{
	Ticks	   *ticks = arg;
	MemoryContext old;
	int64	   *cause;

	if (target != ticks->target || (key != NULL) != ticks->has_key ||
		(key != NULL && !twp_subject_equal(key, &ticks->key)))
		return;
	old = MemoryContextSwitchTo(CurTransactionContext);
	cause = palloc(sizeof(int64));
	*cause = loss->cause;
	ticks->causes = lappend(ticks->causes, cause);
	ticks->subjects = lappend(ticks->subjects, pstrdup(subject));
	MemoryContextSwitchTo(old);
}

/* Finds the taints of the row; of rows that no key names, or whose inputs are not all there, by way of everybody's. */
static void
find_ticks(const TwpTaintScope *scope, const TwpProtection *p, Ticks *ticks)
{
	if (ticks->has_key && twp_taint_of_row(scope, p, &ticks->key, note_taint, ticks))
		return;
	ticks->causes = ticks->subjects = NIL;
	find_taints(scope, NULL, note_taint, ticks);
}

/* Stores that a row's taints are dealt with; gives how many were not before. */
static int64
store_ticks(const Ticks *ticks, text *row_key, text *note)
{
	Oid			types[6] = {REGCLASSOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID};
	char		nulls[7] = {' ', row_key == NULL ? 'n' : ' ', ' ', ' ', ' ', ' ', '\0'};
	ListCell   *subject;
	ListCell   *cause;
	int64		n = 0;

	twp_sql_connect();
	forboth(subject, ticks->subjects, cause, ticks->causes)
	{
		Datum		values[6];

		values[0] = ObjectIdGetDatum(ticks->target);
		values[1] = PointerGetDatum(row_key);
		values[2] = CStringGetTextDatum(lfirst(subject));
		values[3] = Int64GetDatum(*(int64 *) lfirst(cause));
		values[4] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
		values[5] = PointerGetDatum(note);
		twp_sql_exec("INSERT INTO twin_privacy_internal.taint_clearance (target, row_key, subject, cause,"
					 " cleared_at, cleared_by, note) VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), $5, $6)"
					 " ON CONFLICT DO NOTHING", 6, types, values, nulls);
		n += (int64) SPI_processed;
	}
	twp_sql_finish();
	return n;
}

/* Refuses to tick off what is not on the list, or not on the caller's. */
static void
refuse_clear(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the row is not on the list of tainted rows"),
			 errhint("See twin_privacy.tainted: a row whose subjects permit again, that is gone or was ticked off is no longer there.")));
}

/* clear_taint(target, row_key, note) ticks a row off, for what it is tainted by now. */
Datum
twp_lineage_clear_taint(PG_FUNCTION_ARGS)
{
	TwpTaintScope scope = twp_taint_scope(TWP_ROLES(TWP_ROLE_ADMIN));
	Ticks		ticks = {.has_key = !PG_ARGISNULL(1)};
	const TwpProtection *p;
	char	   *note;

	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(2, "note");
	note = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (note[strspn(note, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("note must not be empty"),
				 errhint("Say in a few words what was done about the row.")));
	ticks.target = PG_GETARG_OID(0);
	p = twp_lineage_protection(ticks.target);
	if (p == NULL || p->broken != NULL || p->source != ticks.target || (p->nprovenance > 0) != ticks.has_key ||
		!twp_taint_covers_table(&scope, ticks.target) ||
		(ticks.has_key &&
		 !twp_subject_from_text(&ticks.key, twp_subject_kind(get_atttype(ticks.target, p->facts[TWP_ROW_KEY])),
								text_to_cstring(PG_GETARG_TEXT_PP(1)))))
		refuse_clear();
	find_ticks(&scope, p, &ticks);
	if (store_ticks(&ticks, ticks.has_key ? PG_GETARG_TEXT_PP(1) : NULL, PG_GETARG_TEXT_PP(2)) == 0)
		refuse_clear();
	twp_event_emit("taint.clear", get_rel_name(ticks.target), NULL,
				   psprintf("{\"taints\": %d}", list_length(ticks.causes)));
	PG_RETURN_VOID();
}

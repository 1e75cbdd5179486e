/*
 * answer.c - answers given before, and what is known of the last one's noise.
 *
 * A question asked again of the same data gets the same answer, read back, for
 * nothing: what has left once tells nothing new.  Noise is never made again
 * from a seed, because on other data its difference would be exact.  Whether
 * the data is the same is told by a fingerprint of change counters; when that
 * errs, an old answer comes back, which is stale but discloses nothing.
 *
 * Answers are kept in the caller's transaction: one that is rolled back costs
 * again.  Memory: what last_noise() shows lives in a context of its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "anonymity/private.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_anonymity_last_noise);

/* Most figures of an answer of which the noise is remembered. */
#define MAX_NOTES 100000

typedef struct NoiseNote
{
	char	   *group;
	char	   *figure;
	double		scale;
	double		error;
} NoiseNote;

static MemoryContext notes_context = NULL;
static List *notes = NIL;

/* Finds the answer to a question about data in a state; NULL when there is none. */
ArrayType *
twp_private_find_answer(const TwpAnswerKey *key)
{
	Oid			types[] = {TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID};
	Datum		values[] = {CStringGetTextDatum(key->use_code), PointerGetDatum(key->question),
	PointerGetDatum(key->state), TimestampTzGetDatum(GetCurrentTimestamp())};
	MemoryContext context = CurrentMemoryContext;
	ArrayType  *answer = NULL;

	twp_sql_connect();
	twp_sql_exec("SELECT answer FROM twin_privacy_internal.private_answer"
				 " WHERE code = $1 AND question = $2 AND state = $3 AND answered_at <= $4 AND good_until > $4"
				 " ORDER BY answered_at DESC LIMIT 1",
				 lengthof(types), types, values, NULL);
	if (SPI_processed > 0)
	{
		bool		isnull;
		Datum		value = twp_sql_value(0, 1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(context);

		answer = DatumGetArrayTypePCopy(value);
		MemoryContextSwitchTo(spi);
	}
	twp_sql_finish();
	return answer;
}

/* Keeps an answer, where the transaction may write. */
void
twp_private_keep_answer(const TwpAnswerKey *key, TimestampTz until, ArrayType *answer)
{
	Oid			types[] = {TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTARRAYOID};
	Datum		values[] = {CStringGetTextDatum(key->use_code), PointerGetDatum(key->question),
		PointerGetDatum(key->state), TimestampTzGetDatum(GetCurrentTimestamp()), TimestampTzGetDatum(until),
	PointerGetDatum(answer)};

	if (XactReadOnly || RecoveryInProgress())
		return;
	twp_sql_connect();
	twp_sql_exec("INSERT INTO twin_privacy_internal.private_answer (code, question, state, answered_at, good_until, answer)"
				 " VALUES ($1, $2, $3, $4, $5, $6)",
				 lengthof(types), types, values, NULL);
	twp_sql_finish();
}

/* Forgets the noise of the last release. */
void
twp_private_forget_noise(void)
{
	if (notes_context == NULL)
		notes_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy noise", ALLOCSET_SMALL_SIZES);
	notes = NIL;
	MemoryContextReset(notes_context);
}

/* Notes the noise of one figure. */
void
twp_private_note_noise(const char *group, const char *figure, double scale, double error)
{
	MemoryContext old;
	NoiseNote  *note;

	if (list_length(notes) >= MAX_NOTES)
		return;
	old = MemoryContextSwitchTo(notes_context);
	note = palloc(sizeof(NoiseNote));
	note->group = group != NULL ? pstrdup(group) : NULL;
	note->figure = pstrdup(figure);
	note->scale = scale;
	note->error = error;
	notes = lappend(notes, note);
	MemoryContextSwitchTo(old);
}

/* Shows the noise of the session's last release. */
Datum
twp_anonymity_last_noise(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, notes)
	{
		const NoiseNote *note = lfirst(lc);
		Datum		values[5];
		bool		nulls[5] = {note->group == NULL};

		values[0] = note->group != NULL ? CStringGetTextDatum(note->group) : (Datum) 0;
		values[1] = CStringGetTextDatum(note->figure);
		values[2] = Float8GetDatum(note->scale);
		values[3] = Float8GetDatum(note->error);
		values[4] = Float8GetDatum(TWP_NOISE_CONFIDENCE);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * authority.c - may this role act under this use, now?
 *
 * The answer is given for one moment and never cached beyond a statement:
 * suspension, expiry, prohibition and revocation hold for the next one.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/errors.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "uses/uses_internal.h"
#include "utils/timestamp.h"

/* Fills a problem; always false, so that checks read as one return. */
static bool
problem_is(TwpUseProblem *problem, const char *message, const char *hint)
{
	problem->message = message;
	problem->hint = hint;
	return false;
}

/* Checks status and period. */
static bool
check_state(const TwpUse *use, TimestampTz now, TwpUseProblem *problem)
{
	if (use->status == TWP_USE_PROPOSED)
		return problem_is(problem, psprintf("use \"%s\" is not approved", use->code),
						  "Ask a second twin_privacy_officer to approve it.");
	if (use->status == TWP_USE_SUSPENDED)
		return problem_is(problem, psprintf("use \"%s\" is suspended", use->code),
						  "Ask a twin_privacy_officer why, and to resume it.");
	if (now < use->valid_from)
		return problem_is(problem, psprintf("use \"%s\" is not valid yet", use->code),
						  "Wait for its period to begin, or ask for another use.");
	/* The end comes in time although the clock was set back since. */
	if (Max(now, twp_clock_latest()) >= use->valid_until)
		return problem_is(problem, psprintf("use \"%s\" has expired", use->code),
						  now >= use->valid_until ? "Ask a twin_privacy_officer to propose it anew." :
						  "The server's clock was set back. If it is right now, restart the server; else ask a twin_privacy_officer to propose the use anew.");
	return true;
}

/* Checks everything that lets a role and login act under a use. */
bool
twp_uses_check(const TwpUse *use, Oid role, Oid login, TimestampTz now,
			   bool emergency, TwpUseProblem *problem)
{
	if (twp_vocab_purpose_prohibited(use->purpose, NULL))
		return problem_is(problem, psprintf("purpose \"%s\" of use \"%s\" is prohibited",
											use->purpose, use->code),
						  "No use opens a prohibited purpose; see twin_privacy.purposes for the reason.");
	if (!twp_uses_is_granted(use, role))
		return problem_is(problem, psprintf("use \"%s\" is not granted to role \"%s\"", use->code,
											GetUserNameFromId(role, false)),
						  psprintf("Ask a twin_privacy_officer to grant it. %s",
								   twp_uses_hint_bindable(role, login, now)));
	if (!check_state(use, now, problem))
		return false;
	if (!emergency && twp_vocab_purpose_covers("BTG", use->purpose))
		return problem_is(problem, psprintf("use \"%s\" is for emergencies", use->code),
						  "Open it for one patient with twin_privacy.break_glass.");
	if (!twp_uses_is_acknowledged(use, login))
		return problem_is(problem, psprintf("use \"%s\" is not acknowledged by \"%s\"", use->code,
											GetUserNameFromId(login, false)),
						  psprintf("Read its statement in twin_privacy.my_uses, then call twin_privacy.acknowledge_use('%s').",
								   use->code));
	return true;
}

/* Lists what a role could bind now, as a sentence. */
char *
twp_uses_hint_bindable(Oid role, Oid login, TimestampTz now)
{
	StringInfoData hint;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&hint);
	foreach(lc, twp_uses_all())
	{
		const TwpUse *use = lfirst(lc);
		TwpUseProblem problem;

		/* granted first: the check's own hint would come back here otherwise */
		if (twp_uses_is_granted(use, role) &&
			twp_uses_check(use, role, login, now, false, &problem))
			appendStringInfo(&hint, "%s%s", n++ == 0 ? "You could bind: " : ", ", use->code);
	}
	if (n == 0)
		return psprintf("No use is open to role \"%s\": see twin_privacy.my_uses, or ask a twin_privacy_officer.",
						GetUserNameFromId(role, false));
	appendStringInfoString(&hint, twp_uses_pooled() ?
						   ". Bind it in the transaction that reads: clients share this session (twin_privacy.pooled)." :
						   ". Use twin_privacy.bind_use(code, justification).");
	return hint.data;
}

/* Raises a problem as TP002. */
void
twp_uses_raise(const TwpUseProblem *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("%s", problem->message),
			 errhint("%s", problem->hint)));
}

/* Finds a use that must exist. */
const TwpUse *
twp_uses_get(const char *code, int sqlstate)
{
	const TwpUse *use = twp_uses_find(code);

	if (use == NULL)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("use \"%s\" does not exist", code),
				 errhint("%s", twp_uses_hint_bindable(GetOuterUserId(), GetSessionUserId(),
													   GetCurrentTimestamp()))));
	return use;
}

/* The bound use with its authority, or an error that says what to do. */
const TwpUse *
twp_uses_require(TimestampTz now)
{
	const char *code = twp_uses_claimed();
	const TwpUse *use;
	TwpUseProblem problem;

	if (code == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NO_USE_BOUND),
				 errmsg("no approved use is bound"),
				 errhint("%s", twp_uses_hint_bindable(GetOuterUserId(), GetSessionUserId(), now))));
	use = twp_uses_get(code, ERRCODE_TWP_USE_NOT_USABLE);
	if (!twp_uses_check(use, GetOuterUserId(), GetSessionUserId(), now,
						twp_uses_emergency() != NULL, &problem))
		twp_uses_raise(&problem);
	return use;
}

/* Says whether the bound use could be acted under now. */
bool
twp_uses_is_usable(TimestampTz now)
{
	const char *code = twp_uses_claimed();
	const TwpUse *use = code != NULL ? twp_uses_find(code) : NULL;
	TwpUseProblem problem;

	return use != NULL && twp_uses_check(use, GetOuterUserId(), GetSessionUserId(), now,
										 twp_uses_emergency() != NULL, &problem);
}

/* Finds the emergency use the acting role may open, or says why there is none. */
const TwpUse *
twp_uses_require_emergency_use(TimestampTz now)
{
	TwpUseProblem problem;
	bool		any = false;
	ListCell   *lc;

	foreach(lc, twp_uses_all())
	{
		const TwpUse *use = lfirst(lc);

		if (!twp_vocab_purpose_covers("BTG", use->purpose) || !twp_uses_is_granted(use, GetOuterUserId()))
			continue;
		any = true;
		if (twp_uses_check(use, GetOuterUserId(), GetSessionUserId(), now, true, &problem))
			return use;
	}
	if (any)
		twp_uses_raise(&problem);
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("no emergency use is granted to role \"%s\"", GetUserNameFromId(GetOuterUserId(), false)),
			 errhint("Ask a twin_privacy_officer to grant a use of purpose BTG.")));
	return NULL;
}

/*
 * binding.c - the session's claim to act under a use.
 *
 * Glossary.  Claim: the settings twin_privacy.use, .justification and .actor.
 * They are ordinary settings, so they follow transactions, SET LOCAL,
 * poolers, ALTER ROLE and parallel workers as PostgreSQL's own do.
 *
 * A changed claim drops cached plans: a plan carries the masks of the use it
 * was made under (the executor checks that again, and refuses).
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "keys/keys.h"
#include "miscadmin.h"
#include "uses/uses_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_uses_bind_use);
PG_FUNCTION_INFO_V1(twp_uses_unbind_use);
PG_FUNCTION_INFO_V1(twp_uses_current_use);

static char *guc_use = NULL;
static char *guc_justification = NULL;
static char *guc_actor = NULL;
static bool guc_pooled = false;
static uint64 epoch = 1;
static TwpEmergency emergency;
static bool in_emergency = false;
static void (*on_change) (void) = NULL;

/* Registers the one callback. */
void
twp_uses_on_change(void (*callback) (void))
{
	on_change = callback;
}

/* Notes that plans made so far carry another binding's masks. */
static void
binding_changed(void)
{
	epoch++;
	twp_keys_permission_changed();
	ResetPlanCache();
	if (on_change != NULL)
		on_change();
}

/* Assign hook of twin_privacy.actor: an emergency is one actor's. */
static void
assign_actor(const char *newval, void *extra)
{
	if (in_emergency)
		binding_changed();
}

/* Assign hook of twin_privacy.use. */
static void
assign_use(const char *newval, void *extra)
{
	if (guc_use == NULL || newval == NULL || strcmp(guc_use, newval) != 0)
		binding_changed();
}

/*
 * In a session that clients share, a claim holds for the transaction that made
 * it: takes back what would outlast it.  (An aborted one takes back all by itself.)
 */
static void
take_claims_back(XactEvent event, void *arg)
{
	static const char *const claims[] = {"twin_privacy.use", "twin_privacy.justification", "twin_privacy.actor"};

	if (!guc_pooled || (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE))
		return;
	for (int i = 0; i < lengthof(claims); i++)
		if (strcmp(GetConfigOption(claims[i], false, false), GetConfigOptionResetString(claims[i])) != 0)
			(void) set_config_option(claims[i], NULL, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

/* Defines the binding's settings. */
void
twp_uses_binding_init(void)
{
	RegisterXactCallback(take_claims_back, NULL);
	DefineCustomBoolVariable("twin_privacy.pooled",
							 "Says that clients share this session, behind a pooler in transaction mode.",
							 "Use, justification and actor hold for the transaction that sets them; an emergency needs an actor and ends with its transaction.",
							 &guc_pooled, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("twin_privacy.actor",
							   "Names the end user behind a shared application role.",
							   "Recorded as claimed; gives no authority.",
							   &guc_actor, "", PGC_USERSET, 0, NULL, assign_actor, NULL);
	DefineCustomStringVariable("twin_privacy.justification",
							   "Says why the bound use is exercised now.",
							   "Recorded in the ledger.",
							   &guc_justification, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("twin_privacy.use",
							   "Names the approved use the session claims to act under.",
							   "Authority is checked at every statement.",
							   &guc_use, "", PGC_USERSET, 0, NULL, assign_use, NULL);
}

/*
 * May the session compute in a domain, or turn its values back?  Only under an
 * identified use, in that use's own domain: who is given pseudonyms must not
 * be able to make those of values of their choosing and compare.  Sealed
 * values of domains that are no use's may be turned back by any identified use.
 */
static bool
may_use_domain(const char *domain, bool reidentify)
{
	const char *code = twp_uses_claimed();
	const TwpUse *use = code != NULL ? twp_uses_find(code) : NULL;
	TwpUseProblem problem;

	if (use == NULL || !twp_uses_check(use, GetOuterUserId(), GetSessionUserId(),
									   GetCurrentTimestamp(), twp_uses_emergency() != NULL,
									   &problem))
		return false;
	if (use->form != TWP_FORM_IDENTIFIED)
		return false;
	return strcmp(domain, code) == 0 || (reidentify && twp_uses_find(domain) == NULL);
}

/* Starts the room. */
void
twp_uses_init(void)
{
	twp_keys_register_permission(may_use_domain);
	twp_uses_lookup_init();
	twp_uses_binding_init();
}

/* Ends an emergency whose time is over: by the server's time, and by a clock that nobody sets back. */
static void
expire_emergency(void)
{
	if (in_emergency &&
		(GetCurrentTimestamp() >= emergency.expires_at || twp_clock_elapsed() >= emergency.deadline))
		twp_uses_end_emergency();
}

/*
 * True while the session is in an emergency.  Behind a transaction pooler the
 * next client may come with another actor, and a superuser may hand the
 * session to another login: the emergency is not theirs.
 */
static bool
emergency_applies(void)
{
	expire_emergency();
	return in_emergency && emergency.login == GetSessionUserId() &&
		strcmp(emergency.actor, guc_actor != NULL ? guc_actor : "") == 0;
}

/* Code the session claims, or NULL. */
const char *
twp_uses_claimed(void)
{
	if (emergency_applies())
		return emergency.use_code;
	return guc_use != NULL && guc_use[0] != '\0' ? guc_use : NULL;
}

/* The claimed justification, or NULL. */
const char *
twp_uses_justification(void)
{
	if (emergency_applies())
		return emergency.justification;
	return guc_justification != NULL && guc_justification[0] != '\0' ? guc_justification : NULL;
}

/* The claimed end user, or NULL. */
const char *
twp_uses_actor(void)
{
	return guc_actor != NULL && guc_actor[0] != '\0' ? guc_actor : NULL;
}

/* True when the next transaction of this session may be another client's. */
bool
twp_uses_pooled(void)
{
	return guc_pooled;
}

/* Grows whenever the binding or anything about uses may have changed. */
uint64
twp_uses_epoch(void)
{
	expire_emergency();
	return epoch + twp_uses_news();
}

/* Binds the session to an emergency use for one subject. */
void
twp_uses_begin_emergency(const TwpEmergency *opened)
{
	twp_uses_end_emergency();
	emergency = *opened;
	in_emergency = true;
	binding_changed();
}

/* Ends it, which restores the earlier claim. */
void
twp_uses_end_emergency(void)
{
	if (!in_emergency)
		return;
	in_emergency = false;
	pfree(emergency.subject_text);
	pfree(emergency.justification);
	pfree(emergency.actor);
	emergency.subject_text = emergency.justification = emergency.actor = NULL;
	binding_changed();
}

/* The emergency the session is in, or NULL. */
const TwpEmergency *
twp_uses_emergency(void)
{
	return emergency_applies() ? &emergency : NULL;
}

/* Sets one of our settings for the session, as SET does. */
static void
set_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
}

/* Refuses to rebind while an emergency is open. */
static void
refuse_in_emergency(void)
{
	if (twp_uses_emergency() != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the session is bound to an emergency"),
				 errhint("End it with twin_privacy.end_break_glass first.")));
}

/* Binds the session to a use the caller may act under. */
Datum
twp_uses_bind_use(PG_FUNCTION_ARGS)
{
	const TwpUse *use;
	TwpUseProblem problem;
	char	   *code;

	TWP_REQUIRE_ARG(0, "code");
	code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	refuse_in_emergency();
	use = twp_uses_get(code, ERRCODE_TWP_USE_NOT_USABLE);
	if (!twp_uses_check(use, GetOuterUserId(), GetSessionUserId(), GetCurrentTimestamp(),
						false, &problem))
		twp_uses_raise(&problem);
	set_setting("twin_privacy.use", code);
	set_setting("twin_privacy.justification",
				PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* Takes the claim back. */
Datum
twp_uses_unbind_use(PG_FUNCTION_ARGS)
{
	refuse_in_emergency();
	set_setting("twin_privacy.use", "");
	set_setting("twin_privacy.justification", "");
	PG_RETURN_VOID();
}

/* Code of the claimed use, or NULL. */
Datum
twp_uses_current_use(PG_FUNCTION_ARGS)
{
	const char *code = twp_uses_claimed();

	if (code == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

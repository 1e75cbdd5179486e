/*
 * call.c - a domain for the SQL functions: permission, opening, recording.
 *
 * A function's call site keeps its domain for the statement: permission is
 * checked and the key opened at the first row, and again when the name, the
 * user, the statement or the keys change.  The first use in a statement is
 * recorded before its value is made, and then every thousandfold, so that the
 * ledger tells a look-up from a harvest at no cost a row.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "miscadmin.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define EVENT_GROWTH 1000

/* Checks permission, then opens the domain and records that it is used. */
static void
call_open(TwpDomainCall *call, const char *name, size_t len, bool reidentify)
{
	call->domain = NULL;
	MemoryContextReset(call->context);
	call->name = MemoryContextAlloc(call->context, len + 1);
	memcpy(call->name, name, len);
	call->name[len] = '\0';
	call->name_len = len;
	call->reidentify = reidentify;
	twp_keys_require_permission(call->name, reidentify);
	call->domain = twp_pseudonym_open(call->name, call->context);
	call->user = GetUserId();
	call->statement = GetCurrentStatementStartTimestamp();
	call->generation = twp_keys_generation();
	call->computed = 0;
	call->next_event = 1;
}

/* Records how many values this call site has made in this statement. */
static void
call_record(TwpDomainCall *call, const char *event)
{
	char		detail[40];

	snprintf(detail, sizeof(detail), "{\"values\": " UINT64_FORMAT "}", call->next_event);
	twp_event_emit(event, call->name, NULL, detail);
	call->next_event *= EVENT_GROWTH;
}

/* Gives the domain named by argument 0, which must not be null. */
TwpDomainCall *
twp_pseudonym_call_domain(FunctionCallInfo fcinfo, const char *event, bool reidentify)
{
	TwpDomainCall *call = fcinfo->flinfo->fn_extra;
	text	   *name;
	size_t		len;

	TWP_REQUIRE_ARG(0, "domain");
	name = PG_GETARG_TEXT_PP(0);
	len = VARSIZE_ANY_EXHDR(name);
	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(TwpDomainCall));
		call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "twin_privacy domain",
											  ALLOCSET_SMALL_SIZES);
		call->value_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1));
		fcinfo->flinfo->fn_extra = call;
	}
	if (call->domain == NULL || call->name_len != len || memcmp(call->name, VARDATA_ANY(name), len) != 0 ||
		call->user != GetUserId() || call->statement != GetCurrentStatementStartTimestamp() ||
		call->generation != twp_keys_generation())
		call_open(call, VARDATA_ANY(name), len, reidentify);
	if (++call->computed >= call->next_event)
		call_record(call, event);
	return call;
}

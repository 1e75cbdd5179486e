/*
 * call.c - a domain for the SQL functions: permission, opening, recording.
 *
 * A function's call site keeps its domain for the statement: permission is
 * checked and the key opened at the first row, and again when the name, the
 * user, the statement or the keys change.  The first use in a statement is
 * recorded before its value is made, and then every thousandfold, so that the
 * ledger tells a look-up from a harvest at no cost a row.
 *
 * A rotation while a query runs does not mix two versions: the first call that
 * opens a domain's newest key says which it is for all calls of the statement
 * under the same snapshot.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define EVENT_GROWTH 1000
#define MAX_PINS 16

/* What one query sees: a later snapshot of the statement's is another. */
typedef struct Moment
{
	TimestampTz statement;
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	CommandId	curcid;
} Moment;

/* The version in use for a domain at the moment. */
typedef struct Pin
{
	int32		domain_id;
	int			version;
} Pin;

static Moment pinned_at;
static Pin	pins[MAX_PINS];
static int	npins = 0;

/* Starts the list of versions anew when the query is another. */
static void
look_at_moment(void)
{
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;
	Moment		now;

	/* compared byte for byte */
	memset(&now, 0, sizeof(now));
	now.statement = GetCurrentStatementStartTimestamp();
	if (snapshot != NULL)
	{
		now.xmin = snapshot->xmin;
		now.xmax = snapshot->xmax;
		now.xcnt = snapshot->xcnt;
		now.curcid = snapshot->curcid;
	}
	if (snapshot == NULL || memcmp(&now, &pinned_at, sizeof(now)) != 0)
		npins = 0;
	pinned_at = now;
}

/* Opens the version of a domain the query has begun with, the newest if it has not. */
static TwpDomain *
open_newest(const char *name, MemoryContext context)
{
	int32		domain_id = twp_keys_domain_id(name);
	TwpDomain  *domain;

	look_at_moment();
	for (int i = 0; i < npins; i++)
		if (pins[i].domain_id == domain_id)
			return twp_pseudonym_open_version(name, pins[i].version, context);
	domain = twp_pseudonym_open_version(name, 0, context);
	if (npins < MAX_PINS)
		pins[npins++] = (Pin) {domain_id, domain->key->version};
	return domain;
}

/*
 * True when the call's first argument is a constant.  A parameter is not
 * enough: PL/pgSQL evaluates one expression many times over with variables that
 * change in between.
 */
static bool
first_is_constant(Node *call)
{
	return call != NULL && IsA(call, FuncExpr) && IsA(linitial(((FuncExpr *) call)->args), Const);
}

/* Gives the call site's state, made at its first call. */
TwpDomainCall *
twp_pseudonym_call_state(FunctionCallInfo fcinfo)
{
	TwpDomainCall *call = fcinfo->flinfo->fn_extra;

	if (call != NULL)
		return call;
	call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(TwpDomainCall));
	call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "twin_privacy domain",
										  ALLOCSET_SMALL_SIZES);
	call->name_constant = first_is_constant(fcinfo->flinfo->fn_expr);
	if (PG_NARGS() > 1)
		call->value_type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1));
	fcinfo->flinfo->fn_extra = call;
	return call;
}

/* True when what is open was opened for this user, statement and state of the keys. */
static inline bool
still_open(const TwpDomainCall *call)
{
	return call->domain != NULL && call->generation == twp_keys_generation &&
		call->user == GetUserId() && call->statement == GetCurrentStatementStartTimestamp();
}

/* Checks permission, then opens the domain, unless it is open for this user and statement. */
void
twp_pseudonym_call_open(TwpDomainCall *call, const char *name, size_t len, int version, bool reidentify)
{
	if (still_open(call) && call->version == version &&
		call->name_len == len && memcmp(call->name, name, len) == 0)
		return;

	call->domain = NULL;
	/* the name may be our own copy, which the reset frees */
	name = pnstrdup(name, len);
	MemoryContextReset(call->context);
	call->name = MemoryContextStrdup(call->context, name);
	call->name_len = len;
	call->version = version;
	twp_keys_require_permission(call->name, reidentify);
	call->domain = version == 0 ? open_newest(call->name, call->context) :
		twp_pseudonym_open_version(call->name, version, call->context);
	call->user = GetUserId();
	call->statement = GetCurrentStatementStartTimestamp();
	call->generation = twp_keys_generation;
	call->computed = 0;
	call->next_event = 1;
}

/* Counts a value; records how many this call site has made in this statement. */
void
twp_pseudonym_call_count(TwpDomainCall *call, const char *event)
{
	char		detail[40];

	if (++call->computed < call->next_event)
		return;
	snprintf(detail, sizeof(detail), "{\"values\": " UINT64_FORMAT "}", call->next_event);
	twp_event_emit(event, call->name, NULL, detail);
	call->next_event *= EVENT_GROWTH;
}

/* Gives the domain named by argument 0, which must not be null, and counts the value. */
TwpDomainCall *
twp_pseudonym_call_domain(FunctionCallInfo fcinfo, const char *event, bool reidentify)
{
	TwpDomainCall *call = twp_pseudonym_call_state(fcinfo);
	text	   *name;

	if (call->name_constant && still_open(call))
	{
		twp_pseudonym_call_count(call, event);
		return call;
	}
	TWP_REQUIRE_ARG(0, "domain");
	name = PG_GETARG_TEXT_PP(0);
	twp_pseudonym_call_open(call, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), 0, reidentify);
	twp_pseudonym_call_count(call, event);
	return call;
}

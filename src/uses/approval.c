/*
 * approval.c - proposing, approving, granting, suspending and acknowledging.
 *
 * Every change is one statement on one of our tables, announced to all
 * backends and recorded before it commits.  Four eyes are two logins
 * (session_user): SET ROLE makes nobody a second person.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "keys/keys.h"
#include "miscadmin.h"
#include "uses/uses_internal.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(twp_uses_propose_use);
PG_FUNCTION_INFO_V1(twp_uses_approve_use);
PG_FUNCTION_INFO_V1(twp_uses_grant_use);
PG_FUNCTION_INFO_V1(twp_uses_revoke_use);
PG_FUNCTION_INFO_V1(twp_uses_suspend_use);
PG_FUNCTION_INFO_V1(twp_uses_resume_use);
PG_FUNCTION_INFO_V1(twp_uses_acknowledge_use);

/* Arguments of propose_use. */
enum
{
	ARG_CODE, ARG_PURPOSE, ARG_RECIPIENT, ARG_CATEGORIES, ARG_DISCLOSURE, ARG_VALID,
	ARG_STATEMENT, ARG_EXPORT, ARG_MIN_COHORT, ARG_EPSILON, ARG_BASIS, ARG_OVERRIDES_DENY,
	ARG_MAX_SUBJECTS, ARG_MAX_DURATION, N_PROPOSE_ARGS
};

static const char *const propose_names[N_PROPOSE_ARGS] = {
	"code", "purpose", "recipient", "categories", "disclosure", "valid", "statement", "export",
	"min_cohort", "epsilon", "basis", "overrides_deny", "max_subjects_per_day", "max_duration",
};

/* Raises 22023 with a hint. */
static void
bad_value(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* Reads a text argument that must be there and not blank. */
static char *
required_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	char	   *value;

	TWP_REQUIRE_ARG(n, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (value[strspn(value, " \t\n")] == '\0')
		bad_value(psprintf("%s must not be empty", name),
				  psprintf("Name a value for the argument \"%s\".", name));
	return value;
}

/* Checks the code: short, and plain enough to type in SET. */
static void
check_code(const char *code)
{
	if (strlen(code) > NAMEDATALEN - 1 ||
		strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != strlen(code))
		bad_value("code of a use is at most 63 letters, digits, hyphens, underscores and points",
				  "Choose a short code such as CARDIO-7.");
}

/* Checks the categories: at least one, each known, none NULL. */
static void
check_categories(ArrayType *array)
{
	Datum	   *codes;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &codes, &nulls, &n);
	if (n == 0)
		bad_value("categories must not be empty", "Name the categories the use needs, such as '{laboratory}'.");
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			bad_value("categories must not contain null", "Name the categories the use needs.");
		twp_vocab_require_category(TextDatumGetCString(codes[i]));
	}
}

/* Checks purpose and refuses prohibited ones. */
static void
check_purpose(const char *purpose)
{
	const char *reason = NULL;

	twp_vocab_require_purpose(purpose);
	if (twp_vocab_purpose_prohibited(purpose, &reason))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("purpose \"%s\" is prohibited", purpose),
				 reason ? errdetail("%s", reason) : 0,
				 errhint("No use can be approved for it or anything below it.")));
}

/* Checks form, basis and the figures that belong to them. */
static void
check_terms(FunctionCallInfo fcinfo, const char *purpose)
{
	char	   *disclosure = required_text(fcinfo, ARG_DISCLOSURE, "disclosure");
	char	   *basis = required_text(fcinfo, ARG_BASIS, "basis");
	int			form = twp_uses_form_by_name(disclosure);
	bool		emergency = twp_vocab_purpose_covers("BTG", purpose);

	if (form < 0)
		bad_value(psprintf("disclosure \"%s\" is not known", disclosure),
				  "Forms are identified, pseudonymised, aggregate and private.");
	if (twp_uses_basis_by_name(basis) < 0)
		bad_value(psprintf("basis \"%s\" is not known", basis),
				  "Bases are consent, vital_interest, legal_obligation and public_health.");
	if (strcmp(basis, "consent") == 0 && PG_GETARG_BOOL(ARG_OVERRIDES_DENY))
		bad_value("a use based on consent cannot override a deny",
				  "Name another basis, or leave overrides_deny out.");
	if (PG_GETARG_INT32(ARG_MIN_COHORT) < 2)
		bad_value("min_cohort must be at least 2", "The default is 11 distinct patients.");
	if (form == TWP_FORM_PRIVATE && PG_ARGISNULL(ARG_EPSILON))
		bad_value("a private use needs epsilon", "Name the privacy budget, such as epsilon => 1.0.");
	if (!PG_ARGISNULL(ARG_EPSILON) &&
		!(DatumGetFloat8(DirectFunctionCall1(numeric_float8, PG_GETARG_DATUM(ARG_EPSILON))) > 0 &&
		  DatumGetFloat8(DirectFunctionCall1(numeric_float8, PG_GETARG_DATUM(ARG_EPSILON))) <= 100))
		bad_value("epsilon must be above 0 and at most 100", "Name the privacy budget, such as epsilon => 1.0.");
	if (!PG_ARGISNULL(ARG_MAX_SUBJECTS) && PG_GETARG_INT32(ARG_MAX_SUBJECTS) < 1)
		bad_value("max_subjects_per_day must be at least 1", "Leave it out for no limit.");
	if (emergency && form != TWP_FORM_IDENTIFIED)
		bad_value("an emergency use discloses identified data", "Use disclosure => 'identified'.");
	if (!PG_ARGISNULL(ARG_MAX_DURATION))
	{
		Interval   *duration = PG_GETARG_INTERVAL_P(ARG_MAX_DURATION);

		if (!emergency)
			bad_value("max_duration belongs to uses of purpose BTG", "Leave it out, or name purpose => 'BTG'.");
		if (duration->month != 0 || duration->day < 0 || duration->time < 0 ||
			(duration->day == 0 && duration->time == 0))
			bad_value("max_duration must be above zero and in days, hours or minutes",
					  "The default is 4 hours.");
	}
}

/* Refuses an empty period; backwards ones never parse. */
static void
check_period(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_VALID) && RangeIsEmpty(PG_GETARG_RANGE_P(ARG_VALID)))
		bad_value("the period of a use must not be empty", "Write it as '[2026-01-01,2027-01-01)'.");
}

/* Announces and records a change of a use. */
static void
changed(const char *table, const char *kind, const char *code, const char *key, const char *value)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	if (key != NULL)
	{
		escape_json(&detail, key);
		appendStringInfoString(&detail, ": ");
		escape_json(&detail, value);
	}
	appendStringInfoChar(&detail, '}');
	twp_catalog_announce(table);
	twp_event_emit(kind, code, NULL, detail.data);
}

/* Runs one statement of two or three text/oid arguments; returns rows affected. */
static uint64
run(const char *sql, int nargs, Oid *types, Datum *values)
{
	uint64		n;

	twp_sql_connect();
	twp_sql_exec(sql, nargs, types, values, NULL);
	n = SPI_processed;
	twp_sql_finish();
	return n;
}

/*
 * True when a source of the master key is set.  Without one an identified use
 * can still be approved: it never masks.
 */
static bool
master_key_configured(void)
{
	const char *file = GetConfigOption("twin_privacy.master_key_file", true, false);
	const char *command = GetConfigOption("twin_privacy.master_key_command", true, false);

	return (file != NULL && file[0] != '\0') || (command != NULL && command[0] != '\0');
}

/* Name of the login, as recorded beside each change. */
static Datum
login_name(void)
{
	return DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetSessionUserId(), false)));
}

/* Stores a proposal: a new use, or a new version of one that is not approved. */
static void
store_proposal(FunctionCallInfo fcinfo)
{
	static const char *const sql =
		"INSERT INTO twin_privacy_internal.approved_use AS u (code, purpose, recipient, categories,"
		" disclosure, valid, statement, statement_version, export, min_cohort, epsilon, basis,"
		" overrides_deny, max_subjects_per_day, max_duration, status, proposed_by, proposed_at)"
		" VALUES ($1, $2, $3, $4, $5, coalesce($6, tstzrange(now(), NULL)), $7, 1, $8, $9, $10, $11, $12, $13, $14, 'proposed', $15, now())"
		" ON CONFLICT (code) DO UPDATE SET purpose = $2, recipient = $3, categories = $4,"
		" disclosure = $5, valid = excluded.valid, statement = $7,"
		" statement_version = u.statement_version + (u.statement IS DISTINCT FROM $7)::int,"
		" export = $8, min_cohort = $9, epsilon = $10, basis = $11, overrides_deny = $12,"
		" max_subjects_per_day = $13, max_duration = $14, status = 'proposed', proposed_by = $15,"
		" proposed_at = now(), approved_by = NULL, approved_at = NULL, suspended_by = NULL,"
		" suspended_at = NULL, suspend_reason = NULL"
		" WHERE u.status <> 'approved'";
	Oid			types[N_PROPOSE_ARGS + 1] = {TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID,
		TSTZRANGEOID, TEXTOID, BOOLOID, INT4OID, NUMERICOID, TEXTOID, BOOLOID, INT4OID,
	INTERVALOID, NAMEOID};
	Datum		values[N_PROPOSE_ARGS + 1];
	char		nulls[N_PROPOSE_ARGS + 2];

	for (int i = 0; i < N_PROPOSE_ARGS; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[N_PROPOSE_ARGS] = login_name();
	nulls[N_PROPOSE_ARGS] = ' ';
	nulls[N_PROPOSE_ARGS + 1] = '\0';

	twp_sql_connect();
	twp_sql_exec(sql, N_PROPOSE_ARGS + 1, types, values, nulls);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("use \"%s\" is approved already", TextDatumGetCString(values[ARG_CODE])),
				 errhint("Choose another code, or suspend it first to propose a new version.")));
	twp_uses_end_exceptions(values[ARG_CODE]);
	twp_sql_finish();
}

/* Proposes a use; it opens nothing until a second officer approves it. */
Datum
twp_uses_propose_use(PG_FUNCTION_ARGS)
{
	char	   *code;
	char	   *purpose;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "propose a use");
	code = required_text(fcinfo, ARG_CODE, "code");
	check_code(code);
	purpose = required_text(fcinfo, ARG_PURPOSE, "purpose");
	check_purpose(purpose);
	(void) required_text(fcinfo, ARG_RECIPIENT, "recipient");
	TWP_REQUIRE_ARG(ARG_CATEGORIES, "categories");
	check_categories(PG_GETARG_ARRAYTYPE_P(ARG_CATEGORIES));
	for (int i = ARG_EXPORT; i <= ARG_OVERRIDES_DENY; i++)
		if (i != ARG_EPSILON)
			TWP_REQUIRE_ARG(i, propose_names[i]);
	if (!PG_ARGISNULL(ARG_STATEMENT))
		(void) required_text(fcinfo, ARG_STATEMENT, "statement");
	check_terms(fcinfo, purpose);
	check_period(fcinfo);

	store_proposal(fcinfo);
	changed("approved_use", "use.propose", code, "purpose", purpose);
	PG_RETURN_VOID();
}

/* Approves a proposal; refuses the login that proposed it. */
Datum
twp_uses_approve_use(PG_FUNCTION_ARGS)
{
	Oid			types[2] = {TEXTOID, NAMEOID};
	Datum		values[2];
	char	   *code;
	const TwpUse *use;
	bool		same_login;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "approve a use");
	code = required_text(fcinfo, 0, "code");
	use = twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT);
	if (use->status != TWP_USE_PROPOSED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("use \"%s\" is not waiting for approval", code),
				 errhint("A suspended use is opened again by twin_privacy.resume_use.")));
	check_purpose(use->purpose);
	values[0] = CStringGetTextDatum(code);
	values[1] = login_name();

	twp_sql_connect();
	twp_sql_exec("SELECT proposed_by = $2 FROM twin_privacy_internal.approved_use"
				 " WHERE code = $1 FOR UPDATE", 2, types, values, NULL);
	same_login = SPI_processed != 1 || strcmp(twp_sql_text(0, 1), "t") == 0;
	twp_sql_finish();
	if (same_login)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("use \"%s\" needs another officer than its proposer", code),
				 errhint("Ask a second person with twin_privacy_officer; logins count, not SET ROLE.")));
	if (run("UPDATE twin_privacy_internal.approved_use SET status = 'approved', approved_by = $2,"
			" approved_at = now() WHERE code = $1 AND status = 'proposed'", 2, types, values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("use \"%s\" is not waiting for approval", code),
				 errhint("Another session changed it; look at twin_privacy.approved_uses.")));
	if (use->form == TWP_FORM_PSEUDONYMISED || master_key_configured())
		twp_keys_create_domain(code);
	/* what an earlier version of the use has spent stays spent */
	if (use->form == TWP_FORM_PRIVATE)
		(void) run("INSERT INTO twin_privacy_internal.privacy_account (epsilon_spent, delta_spent, queries, code)"
				   " VALUES (0, 0, 0, $1) ON CONFLICT DO NOTHING", 1, types, values);
	changed("approved_use", "use.approve", code, NULL, NULL);
	PG_RETURN_VOID();
}

/* Grants a use to a role and, as privileges do, to its members. */
Datum
twp_uses_grant_use(PG_FUNCTION_ARGS)
{
	Oid			types[3] = {TEXTOID, REGROLEOID, NAMEOID};
	Datum		values[3];
	char	   *code;
	char	   *role;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "grant a use");
	code = required_text(fcinfo, 0, "code");
	TWP_REQUIRE_ARG(1, "role");
	role = NameStr(*PG_GETARG_NAME(1));
	check_purpose(twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT)->purpose);
	values[0] = CStringGetTextDatum(code);
	values[1] = ObjectIdGetDatum(get_role_oid(role, false));
	values[2] = login_name();
	if (run("INSERT INTO twin_privacy_internal.use_grant (code, grantee, granted_by, granted_at)"
			" VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING", 3, types, values) == 1)
		changed("use_grant", "use.grant", code, "role", role);
	PG_RETURN_VOID();
}

/* Takes a grant back. */
Datum
twp_uses_revoke_use(PG_FUNCTION_ARGS)
{
	Oid			types[2] = {TEXTOID, REGROLEOID};
	Datum		values[2];
	char	   *code;
	char	   *role;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "revoke a use");
	code = required_text(fcinfo, 0, "code");
	TWP_REQUIRE_ARG(1, "role");
	role = NameStr(*PG_GETARG_NAME(1));
	(void) twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT);
	values[0] = CStringGetTextDatum(code);
	values[1] = ObjectIdGetDatum(get_role_oid(role, false));
	if (run("DELETE FROM twin_privacy_internal.use_grant WHERE code = $1 AND grantee = $2",
			2, types, values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("use \"%s\" is not granted to role \"%s\"", code, role),
				 errhint("See twin_privacy.approved_uses for the roles it is granted to.")));
	changed("use_grant", "use.revoke", code, "role", role);
	PG_RETURN_VOID();
}

/* Closes an approved use at once, for a reason. */
Datum
twp_uses_suspend_use(PG_FUNCTION_ARGS)
{
	Oid			types[3] = {TEXTOID, NAMEOID, TEXTOID};
	Datum		values[3];
	char	   *code;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "suspend a use");
	code = required_text(fcinfo, 0, "code");
	values[2] = CStringGetTextDatum(required_text(fcinfo, 1, "reason"));
	(void) twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT);
	values[0] = CStringGetTextDatum(code);
	values[1] = login_name();
	if (run("UPDATE twin_privacy_internal.approved_use SET status = 'suspended', suspended_by = $2,"
			" suspended_at = now(), suspend_reason = $3 WHERE code = $1 AND status = 'approved'",
			3, types, values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("use \"%s\" is not approved", code),
				 errhint("Only an approved use can be suspended.")));
	changed("approved_use", "use.suspend", code, "reason", TextDatumGetCString(values[2]));
	PG_RETURN_VOID();
}

/* Opens a suspended use again. */
Datum
twp_uses_resume_use(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	char	   *code;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "resume a use");
	code = required_text(fcinfo, 0, "code");
	check_purpose(twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT)->purpose);
	values[0] = CStringGetTextDatum(code);
	if (run("UPDATE twin_privacy_internal.approved_use SET status = 'approved', suspended_by = NULL,"
			" suspended_at = NULL, suspend_reason = NULL WHERE code = $1 AND status = 'suspended'",
			1, types, values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("use \"%s\" is not suspended", code),
				 errhint("Only a suspended use can be resumed.")));
	changed("approved_use", "use.resume", code, NULL, NULL);
	PG_RETURN_VOID();
}

/* Records that the login read and accepts the use's present statement. */
Datum
twp_uses_acknowledge_use(PG_FUNCTION_ARGS)
{
	Oid			types[3] = {TEXTOID, REGROLEOID, INT4OID};
	Datum		values[3];
	char	   *code = required_text(fcinfo, 0, "code");
	const TwpUse *use = twp_uses_get(code, ERRCODE_UNDEFINED_OBJECT);

	if (!twp_uses_is_granted(use, GetOuterUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("use \"%s\" is not granted to role \"%s\"", code,
						GetUserNameFromId(GetOuterUserId(), false)),
				 errhint("Ask a twin_privacy_officer to grant it first.")));
	if (!use->has_statement)
		PG_RETURN_VOID();
	values[0] = CStringGetTextDatum(code);
	values[1] = ObjectIdGetDatum(GetSessionUserId());
	values[2] = Int32GetDatum(use->statement_version);
	if (run("INSERT INTO twin_privacy_internal.use_acknowledgement (code, login, statement_version, acknowledged_at)"
			" VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING", 3, types, values) == 1)
		changed("use_acknowledgement", "use.acknowledge", code, NULL, NULL);
	PG_RETURN_VOID();
}

/*
 * linkage.c - approved linkages: two uses whose outputs may be brought together.
 *
 * Masks of two uses cannot be linked, because each use has a domain of its
 * own.  A linkage is a third domain.  While a session bound to one of its two
 * uses sets twin_privacy.linkage to its code, masks come out in the linkage's
 * domain, the same from either use.  It is proposed by an officer and approved
 * by two others, each under a login of their own; it can be revoked, never
 * changed.
 *
 * The setting is a claim.  Each opening of a domain for masks checks under a
 * fresh snapshot that the linkage is approved, not revoked, and one of the use's;
 * anything else is an error, never the use's own domain in silence.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(twp_linkage_propose);
PG_FUNCTION_INFO_V1(twp_linkage_approve);
PG_FUNCTION_INFO_V1(twp_linkage_revoke);

/* columns of twin_privacy_internal.linkage */
#define LINKAGE_CODE 1
#define LINKAGE_FIRST_USE 2
#define LINKAGE_SECOND_USE 3
#define LINKAGE_SECOND_APPROVER 4
#define LINKAGE_REVOKED_BY 5

typedef struct Linkage
{
	char	   *uses[2];
	bool		holds;			/* approved twice and not revoked */
} Linkage;

static char *guc_linkage = NULL;

/* Reads a linkage under a fresh snapshot; false when there is none. */
static bool
find_linkage(const char *code, Linkage *linkage)
{
	Relation	rel = table_open(twp_catalog_internal_relid("linkage"), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyEntryInitialize(&key, 0, LINKAGE_CODE, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXTEQ, CStringGetTextDatum(code));
	scan = systable_beginscan(rel, twp_catalog_internal_relid("linkage_pkey"), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		linkage->uses[0] = TextDatumGetCString(heap_getattr(tuple, LINKAGE_FIRST_USE, desc, &isnull));
		linkage->uses[1] = TextDatumGetCString(heap_getattr(tuple, LINKAGE_SECOND_USE, desc, &isnull));
		(void) heap_getattr(tuple, LINKAGE_SECOND_APPROVER, desc, &isnull);
		linkage->holds = !isnull;
		(void) heap_getattr(tuple, LINKAGE_REVOKED_BY, desc, &isnull);
		linkage->holds = linkage->holds && isnull;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* The domain of a use's masks: its own, or that of the linkage the session chose. */
const char *
twp_pseudonym_mask_domain(const char *use)
{
	Linkage		linkage;

	if (guc_linkage == NULL || guc_linkage[0] == '\0')
		return use;
	if (find_linkage(guc_linkage, &linkage) && linkage.holds &&
		(strcmp(linkage.uses[0], use) == 0 || strcmp(linkage.uses[1], use) == 0))
		return guc_linkage;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_USE_NOT_USABLE),
			 errmsg("twin_privacy.linkage names no approved linkage of use \"%s\"", use),
			 errhint("RESET twin_privacy.linkage, or ask two officers to approve the linkage.")));
}

/* Raises 22023 unless the argument names something. */
static char *
name_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(n));

	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name),
				 errhint("Name a value for the argument \"%s\".", name)));
	return value;
}

/*
 * propose_linkage(code text, first_use text, second_use text, reason text) -> void
 *
 * The linkage's domain is made at once, so that no other can take its name;
 * nothing uses it before it is approved.
 */
Datum
twp_linkage_propose(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"code", "first_use", "second_use", "reason"};
	char	   *arguments[4];
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	Linkage		linkage;

	for (int i = 0; i < lengthof(names); i++)
	{
		TWP_REQUIRE_ARG(i, names[i]);
		arguments[i] = name_argument(fcinfo, i, names[i]);
		values[i] = PG_GETARG_DATUM(i);
	}
	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "propose a linkage");
	if (strcmp(arguments[1], arguments[2]) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a linkage joins two different uses"),
				 errhint("Name two uses.")));
	if (find_linkage(arguments[0], &linkage) ||
		twp_keys_domain_name(twp_keys_domain_id(arguments[0])) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("linkage or pseudonym domain \"%s\" already exists", arguments[0]),
				 errhint("Choose another code.")));
	/* each use's domain is there once it is approved */
	for (int i = 1; i <= 2; i++)
		if (twp_keys_domain_name(twp_keys_domain_id(arguments[i])) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("use \"%s\" has no pseudonym domain", arguments[i]),
					 errhint("Link uses that are approved.")));

	twp_keys_create_domain(arguments[0]);
	twp_sql_connect();
	twp_sql_exec("INSERT INTO twin_privacy_internal.linkage (code, first_use, second_use, reason, proposed_by)"
				 " VALUES ($1, $2, $3, $4, SESSION_USER)", 4, types, values, NULL);
	twp_sql_finish();
	twp_event_emit("linkage.propose", arguments[0], NULL, NULL);
	PG_RETURN_VOID();
}

/* Runs an update of the linkage named by argument 0 that must find it in the state it asks for. */
static void
change_linkage(FunctionCallInfo fcinfo, const char *sql, const char *event, const char *action, const char *needs)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {PG_GETARG_DATUM(0)};
	bool		changed;

	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), action);
	twp_sql_connect();
	twp_sql_exec(sql, 1, types, values, NULL);
	changed = SPI_processed == 1;
	twp_sql_finish();
	if (!changed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this linkage cannot be changed so"),
				 errhint("%s", needs)));
	twp_event_emit(event, text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, NULL);
}

/* approve_linkage(code text) -> void: twice, by officers other than the proposer and each other. */
Datum
twp_linkage_approve(PG_FUNCTION_ARGS)
{
	TWP_REQUIRE_ARG(0, "code");
	change_linkage(fcinfo,
				   "UPDATE twin_privacy_internal.linkage SET"
				   " first_approver = COALESCE(first_approver, SESSION_USER),"
				   " second_approver = CASE WHEN first_approver IS NOT NULL THEN SESSION_USER END"
				   " WHERE code OPERATOR(pg_catalog.=) $1 AND second_approver IS NULL AND revoked_by IS NULL"
				   " AND proposed_by OPERATOR(pg_catalog.<>) SESSION_USER"
				   " AND first_approver IS DISTINCT FROM SESSION_USER",
				   "linkage.approve", "approve a linkage",
				   "It must wait for approval, and each approval and the proposal are of different logins.");
	PG_RETURN_VOID();
}

/* revoke_linkage(code text) -> void */
Datum
twp_linkage_revoke(PG_FUNCTION_ARGS)
{
	TWP_REQUIRE_ARG(0, "code");
	change_linkage(fcinfo,
				   "UPDATE twin_privacy_internal.linkage SET revoked_by = SESSION_USER,"
				   " revoked_at = pg_catalog.statement_timestamp()"
				   " WHERE code OPERATOR(pg_catalog.=) $1 AND revoked_by IS NULL",
				   "linkage.revoke", "revoke a linkage",
				   "It must exist and not be revoked yet.");
	PG_RETURN_VOID();
}

/* Plans made so far pin another domain. */
static void
assign_linkage(const char *newval, void *extra)
{
	if (guc_linkage == NULL || newval == NULL || strcmp(guc_linkage, newval) != 0)
		ResetPlanCache();
}

/* Defines the setting. */
void
twp_pseudonym_linkage_init(void)
{
	DefineCustomStringVariable("twin_privacy.linkage",
							   "Names the approved linkage in whose domain masks come out.",
							   "Checked at every statement; empty for the bound use's own domain.",
							   &guc_linkage,
							   "",
							   PGC_USERSET,
							   0,
							   NULL, assign_linkage, NULL);
}

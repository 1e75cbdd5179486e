/*
 * domain.c - domains made, keys rotated and destroyed; who may use a domain.
 *
 * Locks: ShareRowExclusiveLock on the key table while a version number is
 * chosen, so that two rotations cannot choose the same.  Failure: nothing half
 * done, the tables and the event stand or fall with the transaction.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "keys/keys_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

#define DEFAULT_MAX_SHIFT 182

PG_FUNCTION_INFO_V1(twp_keys_create_pseudonym_domain);
PG_FUNCTION_INFO_V1(twp_keys_rotate_pseudonym_key);
PG_FUNCTION_INFO_V1(twp_keys_destroy_pseudonym_key);
PG_FUNCTION_INFO_V1(twp_keys_rewrap_pseudonym_keys);

static TwpDomainPermission permission_of_use = NULL;

/* Registers the room that knows the bound use. */
void
twp_keys_register_permission(TwpDomainPermission permission)
{
	permission_of_use = permission;
}

/* Makes every call site ask again. */
void
twp_keys_permission_changed(void)
{
	twp_keys_generation++;
}

/* May the current user compute in the domain, or turn its values back? */
static bool
permitted(const char *domain, bool reidentify)
{
	return (!reidentify && twp_role_has(GetUserId(), TWP_ROLES(TWP_ROLE_ADMIN))) ||
		(permission_of_use != NULL && permission_of_use(domain, reidentify));
}

/* Refuses, in words that do not tell whether the domain exists. */
void
twp_keys_require_permission(const char *domain, bool reidentify)
{
	if (permitted(domain, reidentify))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for this pseudonym domain"),
			 errhint("Bind an approved use of form identified that owns the domain.")));
}

/* Emits a key event with the version in its detail. */
static void
emit_key_event(const char *kind, const char *name, int version)
{
	char		detail[32];

	snprintf(detail, sizeof(detail), "{\"version\": %d}", version);
	twp_event_emit(kind, name, NULL, detail);
}

/* Makes a bytea of a buffer. */
static Datum
bytea_of(const void *data, size_t len)
{
	bytea	   *bytes = palloc(VARHDRSZ + len);

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), data, len);
	return PointerGetDatum(bytes);
}

/* Stores a new wrapped key in the slot. */
static void
insert_key(int32 domain_id, int16 version)
{
	uint8		wrapped[TWP_WRAPPED_LEN];
	uint8		master_id[TWP_MASTER_ID_LEN];
	Oid			types[] = {INT4OID, INT2OID, BYTEAOID, BYTEAOID};
	Datum		values[4] = {Int32GetDatum(domain_id), Int16GetDatum(version)};

	twp_keys_wrap_new(domain_id, version, wrapped, master_id);
	values[2] = bytea_of(wrapped, sizeof(wrapped));
	values[3] = bytea_of(master_id, sizeof(master_id));
	twp_sql_exec("INSERT INTO twin_privacy_internal.pseudonym_key (domain_id, version, wrapped, master_id)"
				 " VALUES ($1, $2, $3, $4)", 4, types, values, NULL);
}

/* Creates a domain with its first key; returns false when it was there already. */
static bool
create_domain(const char *name, int32 max_shift_days)
{
	int32		domain_id = twp_keys_domain_id(name);
	Oid			types[] = {INT4OID, TEXTOID, INT4OID};
	Datum		values[] = {Int32GetDatum(domain_id), CStringGetTextDatum(name), Int32GetDatum(max_shift_days)};
	bool		created;
	bool		same_name = true;

	twp_sql_connect();
	twp_sql_exec("INSERT INTO twin_privacy_internal.pseudonym_domain (domain_id, name, max_shift_days)"
				 " VALUES ($1, $2, $3) ON CONFLICT (domain_id) DO NOTHING", 3, types, values, NULL);
	created = SPI_processed == 1;
	if (created)
		insert_key(domain_id, 1);
	else
	{
		twp_sql_exec("SELECT FROM twin_privacy_internal.pseudonym_domain"
					 " WHERE domain_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.<>) $2",
					 2, types, values, NULL);
		same_name = SPI_processed == 0;
	}
	twp_sql_finish();
	if (!same_name)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("pseudonym domain \"%s\" has the number of another domain", name),
				 errhint("Choose another name.")));
	if (!created)
		return false;
	twp_catalog_announce(TWP_DOMAIN_TABLE);
	twp_catalog_announce(TWP_KEY_TABLE);
	CommandCounterIncrement();
	emit_key_event("key.create_domain", name, 1);
	return true;
}

/* Creates a domain unless it exists; the caller has checked who asks. */
void
twp_keys_create_domain(const char *name)
{
	(void) create_domain(name, DEFAULT_MAX_SHIFT);
}

/* create_pseudonym_domain(name text, max_shift_days int) -> void */
Datum
twp_keys_create_pseudonym_domain(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		max_shift_days;

	TWP_REQUIRE_ARG(0, "name");
	TWP_REQUIRE_ARG(1, "max_shift_days");
	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "create a pseudonym domain");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	max_shift_days = PG_GETARG_INT32(1);
	if (max_shift_days < 1 || max_shift_days > TWP_MAX_SHIFT_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_shift_days out of range"),
				 errhint("Use 1 to %d days.", TWP_MAX_SHIFT_DAYS)));
	if (!create_domain(name, max_shift_days))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("pseudonym domain \"%s\" already exists", name),
				 errhint("Rotate its key with twin_privacy.rotate_pseudonym_key() if a new key is wanted.")));
	PG_RETURN_VOID();
}

/* Raises 42704 for an admin who names a domain that does not exist. */
static void
domain_missing(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("pseudonym domain \"%s\" does not exist", name),
			 errhint("See twin_privacy.pseudonym_keys for the domains there are.")));
}

/* rotate_pseudonym_key(name text) -> int: the new version. */
Datum
twp_keys_rotate_pseudonym_key(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		domain_id;
	Oid			types[] = {INT4OID};
	Datum		values[1];
	bool		isnull;
	int32		version;

	TWP_REQUIRE_ARG(0, "name");
	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "rotate a pseudonym key");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	domain_id = twp_keys_domain_id(name);
	values[0] = Int32GetDatum(domain_id);

	twp_sql_connect();
	twp_sql_exec("LOCK TABLE twin_privacy_internal.pseudonym_key IN SHARE ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL);
	twp_sql_exec("SELECT pg_catalog.max(k.version)::int4 FROM twin_privacy_internal.pseudonym_key k"
				 " WHERE k.domain_id OPERATOR(pg_catalog.=) $1", 1, types, values, NULL);
	version = DatumGetInt32(twp_sql_value(0, 1, &isnull));
	if (isnull)
		domain_missing(name);
	if (version >= PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("pseudonym domain \"%s\" has no key versions left", name),
				 errhint("Create a new domain.")));
	insert_key(domain_id, ++version);
	twp_sql_finish();
	twp_catalog_announce(TWP_KEY_TABLE);
	CommandCounterIncrement();
	emit_key_event("key.rotate", name, version);
	PG_RETURN_INT32(version);
}

/*
 * destroy_pseudonym_key(name text, version int, reason text) -> void
 *
 * The wrapped key is overwritten by NULL; the row stays as the record that
 * there was one.
 */
Datum
twp_keys_destroy_pseudonym_key(PG_FUNCTION_ARGS)
{
	char	   *name;
	int32		version;
	Oid			types[] = {INT4OID, INT4OID, TEXTOID};
	Datum		values[3];
	bool		destroyed;

	TWP_REQUIRE_ARG(0, "name");
	TWP_REQUIRE_ARG(1, "version");
	TWP_REQUIRE_ARG(2, "reason");
	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "destroy a pseudonym key");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	version = PG_GETARG_INT32(1);
	values[0] = Int32GetDatum(twp_keys_domain_id(name));
	values[1] = Int32GetDatum(version);
	values[2] = PG_GETARG_DATUM(2);

	twp_sql_connect();
	twp_sql_exec("UPDATE twin_privacy_internal.pseudonym_key SET wrapped = NULL, master_id = NULL,"
				 " destroyed_at = pg_catalog.statement_timestamp(), destroyed_by = SESSION_USER, reason = $3"
				 " WHERE domain_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2"
				 " AND wrapped IS NOT NULL", 3, types, values, NULL);
	destroyed = SPI_processed == 1;
	twp_sql_finish();
	if (!destroyed)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pseudonym domain \"%s\" has no live key version %d", name, version),
				 errhint("See twin_privacy.pseudonym_keys for the versions there are.")));
	twp_catalog_announce(TWP_KEY_TABLE);
	emit_key_event("key.destroy", name, version);
	PG_RETURN_VOID();
}

/* Wraps row n of the last result anew and stores it; false when it was already. */
static bool
rewrap_row(int row)
{
	bool		isnull;
	int32		domain_id = DatumGetInt32(twp_sql_value(row, 1, &isnull));
	int16		version = DatumGetInt16(twp_sql_value(row, 2, &isnull));
	bytea	   *old_wrapped = DatumGetByteaPP(twp_sql_value(row, 3, &isnull));
	bytea	   *old_id = DatumGetByteaPP(twp_sql_value(row, 4, &isnull));
	uint8		wrapped[TWP_WRAPPED_LEN];
	uint8		master_id[TWP_MASTER_ID_LEN];
	Oid			types[] = {INT4OID, INT2OID, BYTEAOID, BYTEAOID};
	Datum		values[4];

	memcpy(wrapped, VARDATA_ANY(old_wrapped), TWP_WRAPPED_LEN);
	memcpy(master_id, VARDATA_ANY(old_id), TWP_MASTER_ID_LEN);
	if (!twp_keys_rewrap(domain_id, version, wrapped, master_id))
		return false;
	values[0] = Int32GetDatum(domain_id);
	values[1] = Int16GetDatum(version);
	values[2] = bytea_of(wrapped, sizeof(wrapped));
	values[3] = bytea_of(master_id, sizeof(master_id));
	twp_sql_exec("UPDATE twin_privacy_internal.pseudonym_key SET wrapped = $3, master_id = $4"
				 " WHERE domain_id OPERATOR(pg_catalog.=) $1 AND version OPERATOR(pg_catalog.=) $2",
				 4, types, values, NULL);
	return true;
}

/* rewrap_pseudonym_keys() -> int: how many keys were wrapped by another master key. */
Datum
twp_keys_rewrap_pseudonym_keys(PG_FUNCTION_ARGS)
{
	SPITupleTable *keys;
	uint64		n;
	int32		changed = 0;
	char		detail[32];

	twp_role_require(TWP_ROLES(TWP_ROLE_ADMIN), "wrap the pseudonym keys anew");
	twp_sql_connect();
	twp_sql_exec("LOCK TABLE twin_privacy_internal.pseudonym_key IN SHARE ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL);
	twp_sql_exec("SELECT domain_id, version, wrapped, master_id FROM twin_privacy_internal.pseudonym_key"
				 " WHERE wrapped IS NOT NULL", 0, NULL, NULL, NULL);
	keys = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		SPI_tuptable = keys;
		SPI_processed = n;
		if (rewrap_row((int) i))
			changed++;
	}
	twp_sql_finish();
	twp_catalog_announce(TWP_KEY_TABLE);
	snprintf(detail, sizeof(detail), "{\"keys\": %d}", changed);
	twp_event_emit("key.rewrap", NULL, NULL, detail);
	PG_RETURN_INT32(changed);
}

/* Starts the room. */
void
twp_keys_init(void)
{
	twp_keys_provider_init();
	twp_keys_store_init();
}

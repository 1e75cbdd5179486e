/*
 * forget.c - forgetting a subject: new salts, and partners for numbers.
 *
 * salt.c says what they do.  A number that is forgotten again moves on: the
 * images go round among it, its old partner and the new one, so that the mask
 * stays a permutation and no image comes back to a key that had it before.
 *
 * Locks: ShareRowExclusiveLock on the table of salts, so that two erasures
 * cannot choose one partner.  Failure: nothing half done, the rows and the event
 * stand or fall with the transaction.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "protect/protect.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* a smallint has 32,768 partners; elsewhere the first is free */
#define PARTNER_TRIES 1000

PG_FUNCTION_INFO_V1(twp_pseudonym_forget_sql);

/* Makes a bytea of a buffer. */
static Datum
bytea_of(const uint8 *data, size_t len)
{
	bytea	   *bytes = palloc(VARHDRSZ + len);

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), data, len);
	return PointerGetDatum(bytes);
}

/* Stores the salt of a tag in place of what it had. */
static void
store(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], const uint8 salt[TWP_SALT_LEN])
{
	Oid			types[] = {INT4OID, INT2OID, BYTEAOID, BYTEAOID};
	Datum		values[] = {Int32GetDatum(domain->key->domain_id), Int16GetDatum(domain->key->version),
	bytea_of(tag, TWP_SALT_TAG_LEN), bytea_of(salt, TWP_SALT_LEN)};

	twp_sql_exec("INSERT INTO twin_privacy_internal.subject_salt (domain_id, version, tag, salt) VALUES ($1, $2, $3, $4)"
				 " ON CONFLICT (domain_id, version, tag) DO UPDATE SET salt = excluded.salt",
				 4, types, values, NULL);
}

/* Reads the salt stored for a tag; false when there is none. */
static bool
load(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], uint8 salt[TWP_SALT_LEN])
{
	Oid			types[] = {INT4OID, INT2OID, BYTEAOID};
	Datum		values[] = {Int32GetDatum(domain->key->domain_id), Int16GetDatum(domain->key->version),
	bytea_of(tag, TWP_SALT_TAG_LEN)};
	bool		isnull;

	twp_sql_exec("SELECT salt FROM twin_privacy_internal.subject_salt WHERE domain_id OPERATOR(pg_catalog.=) $1"
				 " AND version OPERATOR(pg_catalog.=) $2 AND tag OPERATOR(pg_catalog.=) $3", 3, types, values, NULL);
	if (SPI_processed == 0)
		return false;
	memcpy(salt, VARDATA_ANY(DatumGetByteaPP(twp_sql_value(0, 1, &isnull))), TWP_SALT_LEN);
	return true;
}

/* Gives a value a new salt under one of the domain's keys. */
static void
store_salt(TwpDomain *domain, TwpMac *mac, const TwpCanonical *canonical)
{
	uint8		digest[TWP_MAC_LEN];
	uint8		salt[TWP_SALT_LEN];

	twp_crypto_mac(mac, &canonical->tag, 1, canonical->data, canonical->len, digest);
	/* the bytes drawn are the sum of salt and pad: as random as either */
	twp_crypto_random(salt, TWP_SALT_LEN);
	store(domain, digest + TWP_PSEUDONYM_MAC_LEN, salt);
}

/* Stores a number's partner. */
static void
store_partner(TwpDomain *domain, int bits, int64 number, int64 partner)
{
	uint8		tag[TWP_SALT_TAG_LEN];
	uint8		salt[TWP_SALT_LEN];
	uint64		n = pg_hton64((uint64) partner);

	twp_pseudonym_number_tag(domain, bits, number, tag);
	twp_crypto_random(salt, TWP_SALT_LEN / 2);
	memcpy(salt + TWP_SALT_LEN / 2, &n, sizeof(n));
	twp_pseudonym_hide_partner(domain, tag, salt);
	store(domain, tag, salt);
}

/* Draws a number of the other sign that no number was exchanged with yet. */
static int64
draw_partner(TwpDomain *domain, int bits, int64 number)
{
	uint8		tag[TWP_SALT_TAG_LEN];
	uint8		salt[TWP_SALT_LEN];

	for (int i = 0; i < PARTNER_TRIES; i++)
	{
		uint64		bytes;
		int64		partner;

		twp_crypto_random(&bytes, sizeof(bytes));
		partner = (int64) (bytes & ((UINT64CONST(1) << (bits - 1)) - 1));
		if (number >= 0)
			partner = -1 - partner;
		if (twp_pseudonym_number_bits(bits == 16, partner) != bits)
			continue;
		twp_pseudonym_number_tag(domain, bits, partner, tag);
		if (!load(domain, tag, salt))
			return partner;
	}
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("no number is left that the subject's could be exchanged with"),
			 errhint("Rotate the domain's key with twin_privacy.rotate_pseudonym_key() and destroy the old one.")));
}

/* Gives a number the image of a new partner, and the partner the image the number had. */
static void
exchange_number(TwpDomain *domain, int bits, int64 number)
{
	uint8		tag[TWP_SALT_TAG_LEN];
	uint8		salt[TWP_SALT_LEN];
	int64		had = number;
	int64		partner = draw_partner(domain, bits, number);

	twp_pseudonym_number_tag(domain, bits, number, tag);
	if (load(domain, tag, salt))
		had = twp_pseudonym_partner(domain, tag, salt);
	store_partner(domain, bits, number, partner);
	store_partner(domain, bits, partner, had);
}

/* Gives a subject new salts under one key version; its text may be a key of several kinds. */
static void
forget_under(const char *domain_name, int version, const char *subject_text)
{
	static const TwpSubjectKind kinds[] = {TWP_SUBJECT_TEXT, TWP_SUBJECT_INT, TWP_SUBJECT_UUID};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy forgetting",
												  ALLOCSET_SMALL_SIZES);
	TwpDomain  *domain = twp_pseudonym_open_version(domain_name, version, context);

	for (int i = 0; i < lengthof(kinds); i++)
	{
		TwpSubject	subject;
		TwpCanonical canonical;

		if (!twp_subject_from_text(&subject, kinds[i], subject_text))
			continue;
		twp_pseudonym_canonical_subject(&subject, &canonical);
		store_salt(domain, domain->mac, &canonical);
		store_salt(domain, twp_pseudonym_shift_mac(domain), &canonical);
		if (kinds[i] != TWP_SUBJECT_INT)
			continue;
		exchange_number(domain, twp_pseudonym_number_bits(false, subject.key.number), subject.key.number);
		if (subject.key.number >= PG_INT16_MIN && subject.key.number <= PG_INT16_MAX)
			exchange_number(domain, 16, subject.key.number);
	}
	MemoryContextDelete(context);
}

/* Forgets the pseudonyms and date offsets of a subject in every domain. */
void
twp_pseudonym_forget_subject(const char *subject)
{
	SPITupleTable *keys;
	uint64		n;

	twp_sql_connect();
	twp_sql_exec("LOCK TABLE twin_privacy_internal.subject_salt IN SHARE ROW EXCLUSIVE MODE", 0, NULL, NULL, NULL);
	twp_sql_exec("SELECT d.name, k.version::int4 FROM twin_privacy_internal.pseudonym_domain d"
				 " JOIN twin_privacy_internal.pseudonym_key k ON k.domain_id OPERATOR(pg_catalog.=) d.domain_id"
				 " WHERE k.wrapped IS NOT NULL", 0, NULL, NULL, NULL);
	keys = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		forget_under(SPI_getvalue(keys->vals[i], keys->tupdesc, 1),
					 DatumGetInt32(SPI_getbinval(keys->vals[i], keys->tupdesc, 2, &isnull)), subject);
	}
	twp_sql_finish();
	twp_catalog_announce(TWP_SALT_TABLE);
	twp_pseudonym_salts_changed();
	twp_event_emit("pseudonym.forget", NULL, subject, NULL);
}

/* forget_pseudonyms(subject text) -> void (registrar) */
Datum
twp_pseudonym_forget_sql(PG_FUNCTION_ARGS)
{
	TWP_REQUIRE_ARG(0, "subject");
	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "forget a subject's pseudonyms");
	twp_protect_check_subject_text(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	twp_pseudonym_forget_subject(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/*
 * mask.c - the masks that keep a column's type, and the date shift.
 *
 * varchar(n) and char(n): the mask is always the whole text form of 37
 * characters; cut short it would no longer be unique.  Reading never applies a
 * column's length; storing the mask into a shorter column fails with 22001.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* True when the type (domains looked through) has a mask that keeps it. */
bool
twp_pseudonym_can_mask(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case UUIDOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return true;
		default:
			return false;
	}
}

/* Makes a uuid of version 8 (RFC 9562: custom) of a uuid. */
static Datum
mask_uuid(const TwpPseudonym *pseudonym)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	memcpy(uuid->data, pseudonym->mac, UUID_LEN);
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x80;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
	return UUIDPGetDatum(uuid);
}

/* Masks an integer; sets *isnull where a forgotten subject's row would be known by it. */
static int64
mask_number(TwpDomain *domain, const TwpSubject *subject, bool small, int64 number, bool *isnull)
{
	int			bits = twp_pseudonym_number_bits(small, number);

	*isnull = !twp_pseudonym_swap_number(domain, subject, bits, &number);
	return *isnull ? 0 : twp_pseudonym_number_image(twp_pseudonym_permutation(domain), bits, number);
}

/* Masks a value in a subject's row by one of its own type. */
Datum
twp_pseudonym_mask(TwpDomain *domain, const TwpSubject *subject, Oid type, Datum value, bool *isnull)
{
	TwpCanonical canonical;
	TwpPseudonym pseudonym;
	char		text[TWP_PSEUDONYM_TEXT_LEN + 1];

	*isnull = false;
	switch (type)
	{
		case INT2OID:
			return Int16GetDatum((int16) mask_number(domain, subject, true, DatumGetInt16(value), isnull));
		case INT4OID:
			return Int32GetDatum((int32) mask_number(domain, subject, false, DatumGetInt32(value), isnull));
		case INT8OID:
			return Int64GetDatum(mask_number(domain, subject, false, DatumGetInt64(value), isnull));
		case UUIDOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			twp_pseudonym_canonical(type, value, &canonical);
			twp_pseudonym_compute_in_row(domain, subject, &canonical, &pseudonym);
			if (type == UUIDOID)
				return mask_uuid(&pseudonym);
			twp_pseudonym_format(&pseudonym, text);
			return PointerGetDatum(cstring_to_text_with_len(text, TWP_PSEUDONYM_TEXT_LEN));
		default:
			if (get_typtype(type) == TYPTYPE_DOMAIN)
				return twp_pseudonym_mask(domain, subject, getBaseType(type), value, isnull);
			elog(ERROR, "type %u has no pseudonym mask", type);
	}
}

/* True for the types that can be shifted. */
bool
twp_pseudonym_can_shift(Oid type)
{
	Oid			base = getBaseType(type);

	return base == DATEOID || base == TIMESTAMPOID || base == TIMESTAMPTZOID;
}

/*
 * Finds the subject's offset: -max..max days, never zero.  64 bits modulo at
 * most 7,300 leave a bias below 2^-50.
 */
static int
shift_days(TwpDomain *domain, const TwpSubject *subject)
{
	TwpCanonical canonical;
	uint8		mac[TWP_MAC_LEN];
	uint64		number;
	int			max = domain->key->max_shift_days;
	int			days;

	twp_pseudonym_canonical_subject(subject, &canonical);
	twp_pseudonym_mac(domain, twp_pseudonym_shift_mac(domain), &canonical, mac);
	memcpy(&number, mac, sizeof(number));
	days = (int) (pg_ntoh64(number) % (2 * max));
	return days < max ? days - max : days - max + 1;
}

/* Raises 22008: the shifted value would leave the type's range. */
static void
shift_out_of_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("shifted date out of range"),
			 errhint("Dates within %d days of the type's limits cannot be shifted.", TWP_MAX_SHIFT_DAYS)));
}

/* Moves a date or time by whole days; infinity stays infinity. */
Datum
twp_pseudonym_shift(TwpDomain *domain, const TwpSubject *subject, Oid type, Datum value)
{
	int			days = shift_days(domain, subject);

	if (type == DATEOID)
	{
		DateADT		date = DatumGetDateADT(value);

		if (DATE_NOT_FINITE(date))
			return value;
		if (!IS_VALID_DATE((int64) date + days))
			shift_out_of_range();
		return DateADTGetDatum(date + days);
	}
	if (type == TIMESTAMPOID || type == TIMESTAMPTZOID)
	{
		Timestamp	time = DatumGetTimestamp(value);

		if (TIMESTAMP_NOT_FINITE(time))
			return value;
		time += days * USECS_PER_DAY;
		if (!IS_VALID_TIMESTAMP(time))
			shift_out_of_range();
		return TimestampGetDatum(time);
	}
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		return twp_pseudonym_shift(domain, subject, getBaseType(type), value);
	elog(ERROR, "type %u cannot be shifted", type);
}

/*
 * store_internal.h - the rows of the consent tables, as C reads them.
 *
 * The columns up to subject lie at fixed places in every row (consent.sql).
 */
#ifndef TWP_CONSENT_STORE_INTERNAL_H
#define TWP_CONSENT_STORE_INTERNAL_H

#include "postgres.h"

#include "access/htup.h"
#include "consent/consent_internal.h"

/* Row of twin_privacy_internal.directive; the columns after subject are not read here. */
typedef struct FormData_directive
{
	int64		consent_id;
	int64		terms_id;
	TimestampTz valid_from;
	TimestampTz valid_until;
	TimestampTz given_at;
	TimestampTz recorded_at;
	uint64		changed;
	text		subject;
} FormData_directive;

/* Row of twin_privacy_internal.withdrawal. */
typedef struct FormData_withdrawal
{
	int64		consent_id;
	TimestampTz withdrawn_at;
	uint64		changed;
	text		subject;
} FormData_withdrawal;

/* Fills the part of a directive that its row tells. */
extern void twp_store_take_directive(TwpDirective *directive, HeapTuple tuple);

#endif							/* TWP_CONSENT_STORE_INTERNAL_H */

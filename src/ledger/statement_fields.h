/*
 * statement_fields.h - a statement's payloads decoded.
 */
#ifndef TWP_LEDGER_STATEMENT_FIELDS_H
#define TWP_LEDGER_STATEMENT_FIELDS_H

#include "ledger/ledger_internal.h"

/* The columns of twin_privacy_internal.ledger_disclosures(), in order. */
#define TWP_DISCLOSURE_COLUMNS 25

typedef struct TwpStatementFields
{
	char	   *text[TWP_FIELD_MAX + 1];	/* text fields by tag, or NULL */
	uint64		number[TWP_FIELD_MAX + 1];	/* number fields by tag, or 0 */
	List	   *tables;			/* char * */
	List	   *categories;		/* char * */
	TwpOutcome	outcome;
} TwpStatementFields;

/* Decodes a statement in the current memory context. */
extern void twp_statement_fields(const TwpStatement *statement, TwpStatementFields *fields);
/* Forms the row of ledger_disclosures(). */
extern void twp_statement_row(const TwpStatement *statement, const TwpStatementFields *fields,
							  Datum *values, bool *nulls);
extern const char *twp_outcome_name(TwpOutcome outcome);

#endif							/* TWP_LEDGER_STATEMENT_FIELDS_H */

/*
 * subject.h - the key of a data subject, in one canonical form.
 *
 * A data subject is known by the value of a table's subject column.  Keys of
 * type smallint, integer and bigint are one kind (equal numbers are the same
 * subject); uuid and text (varchar) are the others.  The canonical text is
 * what the type's output function prints; consents name subjects by it.
 */
#ifndef TWP_BASE_SUBJECT_H
#define TWP_BASE_SUBJECT_H

#include "postgres.h"

typedef enum TwpSubjectKind
{
	TWP_SUBJECT_INVALID = 0,
	TWP_SUBJECT_INT,
	TWP_SUBJECT_UUID,
	TWP_SUBJECT_TEXT,
} TwpSubjectKind;

typedef struct TwpSubject
{
	TwpSubjectKind kind;
	union
	{
		int64		number;
		unsigned char uuid[16];
		struct
		{
			const char *data;	/* not NUL-terminated, lives as long as the source */
			int			len;
		}			text;
	}			key;
} TwpSubject;

/* Numbers that somebody has given to data subjects. */
typedef struct TwpNumbering
{
	uint64		version;		/* 0: nobody has one */
	uint64		n;				/* all are below */
	int64		first;			/* those below nintegers stand for the integers from this one on */
	uint64		nintegers;
} TwpNumbering;

/* Kind for a column type (domains looked through); TWP_SUBJECT_INVALID when unfit. */
extern TwpSubjectKind twp_subject_kind(Oid type);
/* Fills *subject from a non-null datum of the (base) type; text points into a detoasted copy or the datum. */
extern void twp_subject_from_datum(TwpSubject *subject, Oid type, Datum value);
/* Parses canonical text as the kind; false when it is not a canonical key of that kind. */
extern bool twp_subject_from_text(TwpSubject *subject, TwpSubjectKind kind, const char *text);
/* If text is a valid but non-canonical key of the kind, the canonical form (palloc'd); else NULL. */
extern char *twp_subject_canonical(TwpSubjectKind kind, const char *text);
/* Canonical text, palloc'd. */
extern char *twp_subject_to_text(const TwpSubject *subject);
extern bool twp_subject_equal(const TwpSubject *a, const TwpSubject *b);
extern uint32 twp_subject_hash(const TwpSubject *subject);

#endif							/* TWP_BASE_SUBJECT_H */

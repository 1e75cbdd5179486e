/*
 * subject_text.c - directives about subjects that no protected table has a key for.
 *
 * Another spelling of a key of a kind in use is an error (protect/subject_text.c);
 * a text that is no key at all may be a person yet to come, and only warns.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "consent/consent_internal.h"
#include "protect/protect.h"

#define KIND_BIT(kind) (1 << (kind))

/* Warns when the text can be no key of any kind in use. */
void
twp_consent_warn_unknown_key(const char *subject)
{
	int			kinds = twp_protect_subject_kinds();
	TwpSubject	key;

	if (kinds == 0 || (kinds & KIND_BIT(TWP_SUBJECT_TEXT)) != 0)
		return;
	if ((kinds & KIND_BIT(TWP_SUBJECT_UUID)) != 0 && twp_subject_from_text(&key, TWP_SUBJECT_UUID, subject))
		return;
	if ((kinds & KIND_BIT(TWP_SUBJECT_INT)) != 0 && twp_subject_from_text(&key, TWP_SUBJECT_INT, subject))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("subject is not a key of any kind that protected tables use"),
			 errhint("The directive is recorded, but no row of today's protected tables can be about it.")));
}

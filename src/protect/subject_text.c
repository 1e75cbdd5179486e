/*
 * subject_text.c - subjects named in text must be spelt as their tables spell them.
 *
 * A consent for "017" would never be found for the integer key 17: the person
 * would think to have decided and would not have, and whoever asks the ledger
 * for it would be told that nobody read anything.
 */
#include "postgres.h"

#include "base/errors.h"
#include "protect/protect.h"

#define KIND_BIT(kind) (1 << (kind))

/* Raises when the text is another spelling of a key of the kind. */
static void
check_spelling(TwpSubjectKind kind, const char *name, const char *subject)
{
	char	   *canonical = twp_subject_canonical(kind, subject);

	if (canonical != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subject is not the canonical form \"%s\" of a key of type %s", canonical, name),
				 errhint("Write it as \"%s\".", canonical)));
}

/* Refuses an empty subject and another spelling of a key of a kind in use. */
void
twp_protect_check_subject_text(const char *subject)
{
	int			kinds = twp_protect_subject_kinds();

	if (subject[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subject must not be empty"),
				 errhint("Give the canonical text of the data subject's key.")));
	if (strlen(subject) > 1000)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("subject is longer than 1000 bytes"),
				 errhint("Give the canonical text of the data subject's key.")));
	if ((kinds & KIND_BIT(TWP_SUBJECT_UUID)) != 0)
		check_spelling(TWP_SUBJECT_UUID, "uuid", subject);
	/* Where keys are texts, "017" is a key of its own. */
	if ((kinds & KIND_BIT(TWP_SUBJECT_INT)) != 0 && (kinds & KIND_BIT(TWP_SUBJECT_TEXT)) == 0)
		check_spelling(TWP_SUBJECT_INT, "bigint", subject);
}

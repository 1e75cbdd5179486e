/*
 * path.c - the data subject's key in a rewritten query of figures only.
 */
#include "postgres.h"

#include "base/compat.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_enforce_subject_key);

/* A protection kept for the calls of one function node. */
typedef struct SubjectKey
{
	Oid			relid;
	uint64		generation;
	TwpProtection *protection;
} SubjectKey;

/* subject_key(relation oid, start): canonical text of the subject that a row's path leads to, or NULL. */
Datum
twp_enforce_subject_key(PG_FUNCTION_ARGS)
{
	SubjectKey *kept = fcinfo->flinfo->fn_extra;
	Oid			relid = PG_GETARG_OID(0);
	TwpSubject	subject;
	Datum		value;
	bool		isnull;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (kept == NULL || kept->relid != relid || kept->generation != twp_protect_generation())
	{
		const TwpProtection *p = twp_protect_lookup(relid);

		if (p == NULL || p->broken != NULL)
			elog(ERROR, "relation %u is not protected", relid);
		kept = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(SubjectKey));
		kept->relid = relid;
		kept->protection = twp_protect_copy(p, fcinfo->flinfo->fn_mcxt);
		kept->generation = twp_protect_generation();
		fcinfo->flinfo->fn_extra = kept;
	}
	if (!twp_protect_follow_path(&kept->protection->subject, PG_GETARG_DATUM(1), &value, &isnull) || isnull)
		PG_RETURN_NULL();
	twp_subject_from_datum(&subject, kept->protection->subject.type, value);
	PG_RETURN_TEXT_P(cstring_to_text(twp_subject_to_text(&subject)));
}

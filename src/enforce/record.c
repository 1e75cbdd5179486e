/*
 * record.c - what the ledger is told: intents of statements and commands, and
 * refusals.
 *
 * A refusal is recorded while its error is being handled, so nothing here
 * relies on the decision that failed: the claim is looked up again, and an
 * error of ours replaces none of the user's.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "common/hashfn.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

/* Fills the part of an intent that the session tells. */
static void
describe_session(TwpIntent *intent)
{
	intent->session_role = GetUserNameFromId(GetSessionUserId(), true);
	intent->acting_role = GetOuterUserId() == GetSessionUserId() ? intent->session_role :
		GetUserNameFromId(GetOuterUserId(), true);
	intent->actor = twp_uses_actor();
	intent->justification = twp_uses_justification();
	intent->use_code = twp_uses_claimed();
}

/* Fills the part that a use tells. */
static void
describe_use(TwpIntent *intent, const TwpUse *use)
{
	intent->use_code = use->code;
	intent->purpose = use->purpose;
	intent->recipient = use->recipient;
	intent->form = twp_uses_form_name(use->form);
}

/* Mixes what decides about a table into a policy hash: its labels, and what its category is derived from. */
uint64
twp_enforce_mix_policy(uint64 hash, const TwpProtection *p)
{
	TwpCategorySet inputs = twp_vocab_category_inputs(p->category);

	for (int i = 0; i < p->natts; i++)
		inputs |= twp_vocab_category_inputs(p->columns[i].category);
	hash = hash_combine64(hash, p->hash);
	return inputs == 0 ? hash : hash_combine64(hash, inputs);
}

/* Lists tables and the categories they stand for, and mixes their labels into the policy hash. */
static void
describe_relations(TwpIntent *intent, List *relids)
{
	TwpCategorySet categories = 0;
	ListCell   *lc;

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		const TwpProtection *p = twp_protect_lookup(relid);

		intent->tables = lappend(intent->tables, twp_catalog_qualified_name(relid));
		if (p == NULL)
			continue;
		intent->policy_hash = twp_enforce_mix_policy(intent->policy_hash, p);
		if (p->category >= 0)
			categories |= TWP_CATEGORY_BIT(p->category);
	}
	for (; categories != 0; categories &= categories - 1)
		intent->categories = lappend(intent->categories,
									 pstrdup(twp_vocab_category_code(pg_rightmost_one_pos64(categories))));
}

/* Describes a statement about to read or write the relations. */
void
twp_enforce_describe(TwpIntent *intent, List *relids, bool maintenance)
{
	memset(intent, 0, sizeof(*intent));
	describe_session(intent);
	if (maintenance)
		intent->form = "maintenance";
	else
	{
		describe_use(intent, twp_decision_use());
		intent->policy_hash = twp_decision_stamp();
		intent->consent_revision = twp_consent_revision();
		intent->break_glass = twp_uses_emergency() != NULL ? twp_uses_emergency()->event_id : 0;
	}
	describe_relations(intent, relids);
}

/* Records the intent of a utility command that writes protected rows. */
uint64
twp_enforce_begin_command(Oid relid)
{
	TwpIntent	intent;

	twp_enforce_describe(&intent, list_make1_oid(relid), false);
	return twp_ledger_intend(&intent);
}

/* Records how it ended. */
void
twp_enforce_end_command(uint64 record_id, uint64 rows, TwpOutcome outcome)
{
	TwpCompletion completion = {.outcome = outcome,.row_count = rows};

	twp_ledger_complete(record_id, &completion);
}

/* True when the error being handled is one of ours. */
static bool
is_refusal(int code)
{
	return ERRCODE_TO_CATEGORY(code) == MAKE_SQLSTATE('T', 'P', '0', '0', '0');
}

/* How the statement ends that the error being handled ends. */
TwpOutcome
twp_enforce_outcome_of_error(void)
{
	if (geterrcode() == ERRCODE_QUERY_CANCELED)
		return TWP_OUTCOME_CANCELLED;
	return is_refusal(geterrcode()) ? TWP_OUTCOME_REFUSED : TWP_OUTCOME_ERROR;
}

/* Records a refusal when the error being handled is one of ours. */
void
twp_enforce_record_refusal(List *relids)
{
	int			code = geterrcode();
	const char *claimed;
	const TwpUse *use;
	TwpIntent	intent;
	MemoryContext context;
	MemoryContext old;

	if (!is_refusal(code))
		return;
	context = AllocSetContextCreate(TopTransactionContext, "twin_privacy refusal", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	memset(&intent, 0, sizeof(intent));
	describe_session(&intent);
	claimed = twp_uses_claimed();
	use = claimed != NULL ? twp_uses_find(claimed) : NULL;
	if (use != NULL)
		describe_use(&intent, use);
	describe_relations(&intent, relids);
	twp_ledger_refuse(&intent, unpack_sql_state(code));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

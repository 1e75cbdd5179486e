/*
 * hint.c - what to do about PostgreSQL's own errors that a newcomer gets with us:
 * a name without its schema, a task of another role, a database without the
 * extension.
 *
 * Contract: called while an error is on its way out, so nothing is looked up;
 * the names are listed here (test/t/010_newcomer.pl compares them with the
 * catalog).  Message texts are searched for names, not read, since they are
 * translated.  Only messages that reach the server log pass here.
 * Memory: the message's own.  Failure: none.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "operations/operations.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#define ADMIN TWP_ROLES(TWP_ROLE_ADMIN)
#define OFFICER TWP_ROLES(TWP_ROLE_OFFICER)
#define REGISTRAR TWP_ROLES(TWP_ROLE_REGISTRAR)
#define AUDITOR TWP_ROLES(TWP_ROLE_AUDITOR)
#define PLANNERS (ADMIN | OFFICER | AUDITOR)
#define FOUR (PLANNERS | REGISTRAR)

/* Something in schema twin_privacy, and whose task it is; 0: everybody's. */
typedef struct Known
{
	const char *name;
	int			roles;
} Known;

static const Known functions[] = {
	{"acknowledge_use", 0},
	{"add_category", ADMIN},
	{"add_purpose", OFFICER},
	{"adopt_ledger", AUDITOR},
	{"anonymize", 0},
	{"approve_linkage", OFFICER},
	{"approve_scoring_exception", OFFICER},
	{"approve_unseal", OFFICER},
	{"approve_use", OFFICER},
	{"audit_events", AUDITOR},
	{"audit_replay", AUDITOR},
	{"begin_unseal", 0},
	{"bind_use", 0},
	{"break_glass", 0},
	{"check_protection", 0},
	{"check_release", 0},
	{"clear_taint", 0},
	{"compare_policy", PLANNERS},
	{"consent_summary", FOUR},
	{"create_pseudonym_domain", ADMIN},
	{"current_use", 0},
	{"decide", FOUR},
	{"declare_derivation", ADMIN},
	{"declare_provenance", ADMIN},
	{"declare_purpose_column", ADMIN},
	{"destroy_pseudonym_key", ADMIN},
	{"disclosure_report", AUDITOR},
	{"disclosures_of", AUDITOR},
	{"drop_derivation", ADMIN},
	{"drop_ledger_before", AUDITOR},
	{"drop_provenance", ADMIN},
	{"drop_purpose_column", ADMIN},
	{"end_break_glass", 0},
	{"end_scoring_exception", OFFICER},
	{"erase_subject", REGISTRAR},
	{"evaluate_consent", FOUR},
	{"explain_decision", FOUR},
	{"export_consents", FOUR},
	{"export_policy", PLANNERS},
	{"find_identifiers", 0},
	{"forget_pseudonyms", REGISTRAR},
	{"forget_releases", OFFICER},
	{"fpe_decrypt", 0},
	{"fpe_encrypt", 0},
	{"grant_use", OFFICER},
	{"import_consent", REGISTRAR},
	{"import_hierarchy", 0},
	{"import_policy", PLANNERS},
	{"k_anonymity", 0},
	{"label_column", ADMIN},
	{"label_context", ADMIN},
	{"label_recipient", OFFICER},
	{"last_noise", 0},
	{"ledger_checkpoint", AUDITOR},
	{"ledger_checkpoint_valid", 0},
	{"ledger_copy_nodes", 0},
	{"ledger_copy_receive", 0},
	{"ledger_copy_send", 0},
	{"ledger_head", AUDITOR},
	{"permits", 0},
	{"prohibit_purpose", OFFICER},
	{"propose_linkage", OFFICER},
	{"propose_scoring_exception", OFFICER},
	{"propose_use", OFFICER},
	{"protect_table", ADMIN},
	{"pseudonymize", 0},
	{"pseudonyms", 0},
	{"record_consent", REGISTRAR},
	{"report", OFFICER | AUDITOR},
	{"request_unseal", 0},
	{"require_use", 0},
	{"resume_use", OFFICER},
	{"reveal", 0},
	{"review_break_glass", OFFICER},
	{"revoke_linkage", OFFICER},
	{"revoke_use", OFFICER},
	{"rewrap_pseudonym_keys", ADMIN},
	{"risk_report", 0},
	{"rotate_pseudonym_key", ADMIN},
	{"seal", 0},
	{"seal_damaged_ledger", AUDITOR},
	{"shift_date", 0},
	{"simulate_use", PLANNERS},
	{"status", FOUR},
	{"subjects_of", AUDITOR},
	{"suspend_use", OFFICER},
	{"taint_report", FOUR},
	{"test_policy", PLANNERS},
	{"unbind_use", 0},
	{"unprotect_table", ADMIN},
	{"unseal", 0},
	{"verify_ledger", AUDITOR},
	{"why", 0},
	{"withdraw_all_consent", REGISTRAR},
	{"withdraw_consent", REGISTRAR},
};

static const Known views[] = {
	{"approved_uses", PLANNERS},
	{"break_glass_events", 0},
	{"categories", 0},
	{"consents", FOUR},
	{"derivations", 0},
	{"disclosures", 0},
	{"labelled_recipients", PLANNERS},
	{"ledger_events", AUDITOR},
	{"linkages", PLANNERS},
	{"my_uses", 0},
	{"privacy_budget", 0},
	{"protected_columns", 0},
	{"protected_tables", 0},
	{"pseudonym_keys", ADMIN | AUDITOR},
	{"purposes", 0},
	{"scoring_exceptions", PLANNERS},
	{"tainted", 0},
	{"twin_privacy_stat", FOUR},
};

/* True for a character that a name of ours consists of. */
static bool
is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Finds the listed name that a message has in it as a word; *qualified tells whether our schema stands before it. */
static const Known *
find_name(const char *message, const Known *list, int n, bool *qualified)
{
	for (int i = 0; i < n; i++)
	{
		size_t		len = strlen(list[i].name);

		for (const char *at = strstr(message, list[i].name); at != NULL; at = strstr(at + 1, list[i].name))
		{
			if (is_name_character(at[len]) || (at > message && is_name_character(at[-1])))
				continue;
			*qualified = at > message && at[-1] == '.';
			return &list[i];
		}
	}
	return NULL;
}

/* Finds a function or view of ours in a message. */
static const Known *
find_object(const char *message, bool *qualified)
{
	const Known *known = find_name(message, views, lengthof(views), qualified);

	return known != NULL ? known : find_name(message, functions, lengthof(functions), qualified);
}

/* The hint for an error about what was named, or NULL. */
static char *
choose_hint(const ErrorData *error)
{
	const Known *known;
	bool		qualified = false;

	switch (error->sqlerrcode)
	{
		case ERRCODE_UNDEFINED_SCHEMA:
			return strstr(error->message, TWP_SCHEMA) == NULL ? NULL :
				pstrdup("Run CREATE EXTENSION twin_privacy CASCADE in this database, or connect to the one that has it.");
		case ERRCODE_UNDEFINED_FUNCTION:
			known = find_name(error->message, functions, lengthof(functions), &qualified);
			if (known == NULL)
				return NULL;
			return qualified ? psprintf("\\df+ twin_privacy.%s shows its arguments and what they mean.", known->name) :
				psprintf("There is twin_privacy.%s: write the schema before it, or add it to search_path.", known->name);
		case ERRCODE_UNDEFINED_TABLE:
			known = find_name(error->message, views, lengthof(views), &qualified);
			return known == NULL || qualified ? NULL :
				psprintf("There is twin_privacy.%s: write the schema before it, or add it to search_path.", known->name);
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			known = find_object(error->message, &qualified);
			return known == NULL || known->roles == 0 ? NULL :
				psprintf("For twin_privacy.%s ask for membership in %s.", known->name, twp_role_names(known->roles));
		default:
			return NULL;
	}
}

/* Adds a hint to a message of PostgreSQL's about something of ours. */
void
twp_operations_add_hint(ErrorData *error)
{
	MemoryContext old;
	char	   *hint;

	if (error->elevel != ERROR || error->message == NULL)
		return;
	/* our own messages of this code have a hint already */
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE && error->hint != NULL)
		return;
	old = MemoryContextSwitchTo(error->assoc_context);
	hint = choose_hint(error);
	if (hint != NULL)
		error->hint = hint;
	MemoryContextSwitchTo(old);
}

/*
 * taint_scope.c - who may be told of which taints, and which losses those are.
 *
 * The roles that may read consents see every taint.  Others see, of tables
 * they may change, the rows that were open to their own bound use and are not
 * any longer: they have seen those rows, and must not learn from the list what
 * a patient has told somebody else.  A use that a deny does not stop (the one
 * that erases) is told of every withdrawal, because its rows do not disappear.
 * What would score persons for the use's recipient is told of no more than shown.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/errors.h"
#include "decision/decision.h"
#include "lineage/taint_internal.h"
#include "miscadmin.h"
#include "utils/acl.h"

/* Refuses to tell a use of rows it has not seen as they are. */
static void
check_use(const TwpUse *use)
{
	if (use->form != TWP_FORM_IDENTIFIED || twp_uses_emergency() != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("use \"%s\" does not see which derived rows are tainted", use->code),
				 errhint("Bind a use of the identified form under which the rows are written, or ask one of the roles %s.",
						 twp_role_names(TWP_ROLES(TWP_ROLE_ADMIN) | TWP_ROLES(TWP_ROLE_OFFICER)))));
}

/* Finds what the current user may be told: everything, or what the bound use has lost. */
TwpTaintScope
twp_taint_scope(int roles)
{
	TwpTaintScope scope = {.everything = twp_role_has(GetUserId(), roles)};
	const TwpUse *use;

	if (scope.everything)
	{
		scope.every_loss = true;
		return scope;
	}
	twp_decision_begin();
	use = twp_decision_use();
	check_use(use);
	scope.use = palloc(sizeof(TwpUse));
	*scope.use = *use;
	scope.role = GetOuterUserId();
	scope.categories = use->categories;
	scope.question.purpose = pstrdup(use->purpose);
	scope.question.recipient = pstrdup(use->recipient);
	scope.question.none_permits = use->basis != TWP_BASIS_CONSENT;
	scope.question.overrides_deny = use->overrides_deny;
	scope.every_loss = scope.question.none_permits && scope.question.overrides_deny;
	return scope;
}

/* Says whether the scope reaches into a table. */
bool
twp_taint_covers_table(const TwpTaintScope *scope, Oid relid)
{
	const TwpProtection *p;

	if (scope->everything)
		return true;
	if (pg_class_aclmask(relid, scope->role, ACL_UPDATE | ACL_DELETE, ACLMASK_ANY) == ACL_NO_RIGHTS)
		return false;
	p = twp_lineage_protection(relid);
	return p != NULL && (TWP_CATEGORY_BIT(p->category) & twp_decision_withheld(scope->use, p)) == 0;
}

/* Says whether the scope has a row of a table it reaches into. */
bool
twp_taint_covers_row(const TwpTaintScope *scope, const char *made_for, TwpCategorySet needs)
{
	if (scope->everything)
		return true;
	return (needs & ~scope->categories) == 0 &&
		(scope->every_loss || made_for == NULL || twp_vocab_purpose_covers(made_for, scope->question.purpose));
}

/* Orders losses by their cause. */
static int
compare_losses(const ListCell *a, const ListCell *b)
{
	const TwpLoss *left = lfirst(a);
	const TwpLoss *right = lfirst(b);

	return left->cause < right->cause ? -1 : left->cause > right->cause;
}

/* Finds a subject's losses, in portions that do not part a cause where they need not. */
List *
twp_taint_losses(const TwpTaintScope *scope, const char *subject)
{
	List	   *all = twp_consent_losses(subject, scope->every_loss ? NULL : &scope->question);
	List	   *portions = NIL;
	TwpLosses  *portion = NULL;

	list_sort(all, compare_losses);
	for (int i = 0; i < list_length(all); i++)
	{
		int			end = i;

		while (end < list_length(all) && compare_losses(list_nth_cell(all, i), list_nth_cell(all, end)) == 0)
			end++;
		if (portion == NULL || portion->n == TWP_LOSSES ||
			(portion->loss[portion->n - 1]->cause != ((TwpLoss *) list_nth(all, i))->cause &&
			 portion->n + (end - i) > TWP_LOSSES))
		{
			portion = palloc0(sizeof(TwpLosses));
			portion->subject = subject;
			portions = lappend(portions, portion);
		}
		portion->loss[portion->n++] = list_nth(all, i);
		portion->lost |= ((TwpLoss *) list_nth(all, i))->lost;
	}
	return portions;
}

/* Finds the losses by which something that needs categories is lost. */
uint64
twp_taint_hits(const TwpLosses *losses, TwpCategorySet needs)
{
	uint64		hit = 0;

	for (int i = 0; (losses->lost & needs) != 0 && i < losses->n; i++)
		if ((losses->loss[i]->lost & needs) != 0)
			hit |= UINT64CONST(1) << i;
	return hit;
}

/* Finds the losses that concern a row made for a purpose: one of them lies below the other. */
uint64
twp_taint_of_purpose(const TwpLosses *losses, const char *made_for)
{
	uint64		concerned = 0;

	for (int i = 0; i < losses->n; i++)
		if (made_for == NULL || losses->loss[i]->purpose == NULL || !twp_vocab_purpose_exists(made_for) ||
			twp_vocab_purpose_covers(losses->loss[i]->purpose, made_for) ||
			twp_vocab_purpose_covers(made_for, losses->loss[i]->purpose))
			concerned |= UINT64CONST(1) << i;
	return concerned;
}

/* Hands each cause to the sink, once: losses of one cause follow each other. */
void
twp_taint_emit(const TwpLosses *losses, uint64 hit, Oid target, const TwpSubject *key, TwpTaintSink sink, void *arg)
{
	const TwpLoss *last = NULL;

	for (int i = 0; i < losses->n; i++)
	{
		if ((hit & (UINT64CONST(1) << i)) == 0 || (last != NULL && last->cause == losses->loss[i]->cause))
			continue;
		last = losses->loss[i];
		sink(target, key, losses->subject, last, arg);
	}
}

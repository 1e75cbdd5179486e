/*
 * rewrite.c - from a query tree to one that discloses only what was decided.
 *
 * Works on the tree PostgreSQL hands to the planner: views and rules are
 * expanded, row security is added, and it is ours to change.  Sub-queries are
 * treated before the query that holds them, so that what wrap.c adds is never
 * treated twice.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "anonymity/anonymity.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_seclabel.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext_data.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rowsecurity.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct SurveyContext
{
	List	   *relids;			/* protected relations */
	TwpClaims	claims;
} SurveyContext;

/* Refuses writes to our own tables other than through our functions. */
static void
guard_own_tables(const Query *query)
{
	const RangeTblEntry *rte;

	if (query->resultRelation == 0 || twp_sql_is_internal() || twp_sql_is_installing() ||
		twp_in_maintenance())
		return;
	rte = rt_fetch(query->resultRelation, query->rtable);
	if (rte->rtekind == RTE_RELATION && rte->relid == SecLabelRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("security labels change only through SECURITY LABEL"),
				 errhint("Use SECURITY LABEL or twin_privacy.unprotect_table.")));
	if (rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId &&
		twp_catalog_is_ours(rte->relid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("table \"%s\" changes only through the functions of twin_privacy",
						get_rel_name(rte->relid)),
				 errhint("See the SQL reference for the function; a superuser repairs with twin_privacy.maintenance.")));
}

/*
 * Refuses to read our internal tables other than through our views and
 * functions: they name subjects, and pg_read_all_data knows no purpose.  A
 * superuser could open them by maintenance and may as well look.
 */
static void
guard_own_rows(Query *query, RangeTblEntry *rte)
{
	Oid			owner;

	if (rte->relid < FirstNormalObjectId || twp_sql_is_internal() || twp_sql_is_installing() ||
		superuser() ||
		get_rel_namespace(rte->relid) != get_namespace_oid(TWP_INTERNAL_SCHEMA, true))
		return;
	/* our views are checked as their owner; our SECURITY DEFINER functions run as it */
	owner = twp_catalog_owner(rte->relid);
	if (twp_compat_check_as_user(query, rte) == owner ||
		(InLocalUserIdChange() && GetUserId() == owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"%s\" is internal to twin_privacy", get_rel_name(rte->relid)),
			 errhint("Read the views of schema twin_privacy.")));
}

/*
 * Keeps our internal schema from being named: pg_read_all_data may use every
 * schema, and the functions that rewritten queries call answer whoever calls
 * them.  A superuser could open it by maintenance and may as well look.
 */
void
twp_enforce_schema_named(Oid schema, ObjectAccessNamespaceSearch *search)
{
	if (schema < FirstNormalObjectId || superuser() || twp_sql_is_internal() ||
		schema != twp_catalog_internal_schema())
		return;
	if (search->ereport_on_violation)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema \"%s\" is internal to twin_privacy", TWP_INTERNAL_SCHEMA),
				 errhint("Use the views and functions of schema twin_privacy.")));
	search->result = false;
}

/*
 * Refuses to change, in a table that is not protected itself, a column that
 * decides whose rows another table's are.
 */
static void
guard_steps(const Query *query)
{
	const RangeTblEntry *rte;
	ListCell   *lc;

	if (query->commandType == CMD_SELECT || query->commandType == CMD_UTILITY ||
		(query->commandType == CMD_INSERT && query->onConflict == NULL))
		return;
	rte = rt_fetch(query->resultRelation, query->rtable);
	if (rte->rtekind != RTE_RELATION || twp_in_maintenance() || twp_sql_is_internal() ||
		!twp_protect_is_on_path(rte->relid) || twp_protect_is_protected(rte->relid))
		return;
	if (query->commandType == CMD_UPDATE)
		foreach(lc, query->targetList)
		{
			const TargetEntry *tle = lfirst(lc);

			if (!tle->resjunk && twp_protect_decides_subject(rte->relid, tle->resno))
				break;
		}
	else
		lc = NULL;
	if ((query->commandType == CMD_UPDATE && lc == NULL && !twp_protect_computes_subject(rte->relid)) ||
		(query->commandType == CMD_DELETE && !twp_protect_deletes_decide(rte->relid)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("table \"%s\" decides whose rows a protected table's are", get_rel_name(rte->relid)),
			 errhint("Protect it with twin_privacy.protect_table, so that such a change can be judged.")));
}

/* The protected table a TOAST relation belongs to, or InvalidOid. */
static Oid
toast_owner(Oid relid)
{
	Oid			owner;

	if (get_rel_relkind(relid) != RELKIND_TOASTVALUE ||
		sscanf(get_rel_name(relid), "pg_toast_%u", &owner) != 1)
		return InvalidOid;
	return owner;
}

/* True when a table's out-of-line values are none to be read: protected, ours, or statistics. */
static bool
is_closed_toast(Oid owner)
{
	return owner == StatisticRelationId || owner == StatisticExtDataRelationId ||
		(owner >= FirstNormalObjectId && (twp_catalog_is_ours(owner) || twp_protect_is_protected(owner)));
}

/* Looks for protected relations anywhere in a query tree. */
static bool
survey(Node *node, SurveyContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		guard_own_tables(query);
		guard_steps(query);
		twp_enforce_guard_provenance(query);
		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind != RTE_RELATION)
				continue;
			twp_enforce_filter_statistics(rte, foreach_current_index(lc) + 1);
			guard_own_rows(query, rte);
			if (twp_protect_is_protected(rte->relid))
				context->relids = list_append_unique_oid(context->relids, rte->relid);
			else if (rte->relkind == RELKIND_TOASTVALUE && !twp_in_maintenance() &&
					 is_closed_toast(toast_owner(rte->relid)))
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("out-of-line storage of a protected table cannot be read"),
						 errhint("Read the table itself under an approved use.")));
		}
		return query_tree_walker(query, survey, context, 0);
	}
	twp_enforce_note_claims(node, &context->claims);
	return expression_tree_walker(node, survey, context);
}

/* Marks every protected relation of a tree as raw, for one reason. */
static bool
mark_raw(Node *node, TwpMarkMode *mode)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION && twp_protect_is_protected(rte->relid))
				twp_enforce_set_mark(rte, *mode, 0, 0);
		}
		return query_tree_walker((Query *) node, mark_raw, mode, 0);
	}
	return expression_tree_walker(node, mark_raw, mode);
}

/* True for the relation a query writes. */
static bool
is_written(const Query *query, int rti)
{
	return rti == query->resultRelation || rti == twp_compat_merge_target(query);
}

/*
 * Refuses to look into a partition where it tells of a column that is labelled
 * so that the use does not show it: which rows are in it is the answer.  A new
 * row's writer knows what it says.  A partition of subjects, or by a column
 * that nobody labelled, is read: its bounds are what its name may say.
 */
static void
refuse_telling_partition(const Query *query, int rti, const TwpTableVerdict *v)
{
	if (v->told_by_place == 0 || !get_rel_relispartition(v->relid) ||
		!v->protection->columns[v->told_by_place - 1].labelled ||
		v->told_by_place == v->protection->subject.start ||
		(query->commandType == CMD_INSERT && query->onConflict == NULL && is_written(query, rti)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("partition \"%s\" tells of column \"%s\", which use \"%s\" does not show",
					get_rel_name(v->relid), get_attname(v->relid, v->told_by_place, false),
					twp_decision_use()->code),
			 errhint("Query the partitioned table.")));
}

/* Treats one query level, sub-queries first. */
static bool
rewrite(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		int			nentries = list_length(query->rtable);

		(void) query_tree_walker(query, rewrite, context, 0);
		for (int rti = 1; rti <= nentries; rti++)
		{
			RangeTblEntry *rte = rt_fetch(rti, query->rtable);

			/* EXCLUDED of ON CONFLICT is the proposed row, not the table */
			if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_COMPOSITE_TYPE ||
				!twp_protect_is_protected(rte->relid))
				continue;
			refuse_telling_partition(query, rti, twp_decision_table(rte->relid));
			if (is_written(query, rti))
				twp_enforce_protect_write(query, rti, twp_decision_table(rte->relid));
			else
				twp_enforce_protect_read(query, rti, twp_decision_table(rte->relid));
		}
		return false;
	}
	return expression_tree_walker(node, rewrite, context);
}

/* Lets only what the form of the use gives out of a query: aggregates over its cohort, or figures with noise. */
static void
release_aggregates(Query *query)
{
	const TwpUse *use = twp_decision_use();
	TwpReleaseTerms terms = {
		.use_code = use->code,
		.min_cohort = Max(use->min_cohort, 1),
		.noisy = use->form == TWP_FORM_PRIVATE,
		.stamp = twp_decision_stamp(),
	};

	twp_anonymity_release(query, &terms);
}

/* True when rows of one of the relations are traced to what they are made from. */
static bool
has_traced(List *relids)
{
	ListCell   *lc;

	foreach(lc, relids)
		if (twp_decision_table(lfirst_oid(lc))->protection->nprovenance > 0)
			return true;
	return false;
}

/* Rewrites a query about to be planned; true when it touches protected tables. */
bool
twp_enforce_plan(Query *query, int *cursor_options)
{
	SurveyContext context = {NIL};
	TwpMarkMode mode;

	(void) survey((Node *) query, &context);
	if (context.claims.parallel && twp_protect_any())
		*cursor_options &= ~CURSOR_OPT_PARALLEL_OK;
	if (context.relids == NIL)
		return false;

	if (twp_in_maintenance())
	{
		mode = TWP_MARK_MAINTENANCE;
		(void) mark_raw((Node *) query, &mode);
		return true;
	}
	if (twp_enforce_is_foreign_key_query(query))
	{
		mode = TWP_MARK_FOREIGN_KEY;
		(void) mark_raw((Node *) query, &mode);
		return true;
	}
	PG_TRY();
	{
		twp_decision_begin();
		twp_enforce_refuse_leakproof(&context.claims);
		/* judged as it was written, before relations become sub-queries */
		if (query == twp_enforce_inner_release && twp_decision_use()->form == TWP_FORM_PRIVATE)
			twp_enforce_inner_release = NULL;
		else if (twp_decision_use()->form == TWP_FORM_AGGREGATE || twp_decision_use()->form == TWP_FORM_PRIVATE)
			release_aggregates(query);
		(void) rewrite((Node *) query, NULL);
	}
	PG_CATCH();
	{
		twp_enforce_record_refusal(context.relids);
		PG_RE_THROW();
	}
	PG_END_TRY();
	/* an emergency is known to this backend alone, and so is what a daily limit leaves, and what rows are made from */
	if (twp_uses_emergency() != NULL || twp_decision_use()->max_subjects_per_day > 0 || has_traced(context.relids))
		*cursor_options &= ~CURSOR_OPT_PARALLEL_OK;
	return true;
}

/* True when the relation has a permissive policy of the application's own. */
static bool
has_own_policy(Relation relation)
{
	ListCell   *lc;

	if (relation->rd_rsdesc == NULL)
		return false;
	foreach(lc, relation->rd_rsdesc->policies)
		if (((RowSecurityPolicy *) lfirst(lc))->permissive)
			return true;
	return false;
}

/*
 * A policy that lets everything pass, for relations whose row security is on
 * only because of us: the row rule itself is added when planning, for every
 * role.  Without the library there is no such policy and nothing passes.  A
 * policy of the application's own, made before or after, is not overruled.
 */
List *
twp_enforce_permissive_policies(CmdType command, Relation relation)
{
	const TwpProtection *p = twp_protect_lookup(RelationGetRelid(relation));
	RowSecurityPolicy *policy;
	Datum		everyone = ObjectIdGetDatum(ACL_ID_PUBLIC);

	if (p == NULL || p->native_rls || has_own_policy(relation))
		return NIL;
	policy = palloc0(sizeof(RowSecurityPolicy));
	policy->policy_name = pstrdup("twin_privacy");
	policy->polcmd = '*';
	policy->roles = construct_array(&everyone, 1, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
	policy->permissive = true;
	policy->qual = (Expr *) makeBoolConst(true, false);
	policy->with_check_qual = copyObject(policy->qual);
	return list_make1(policy);
}

/*
 * True for functions whose body would be inlined into a query after it was
 * rewritten: LANGUAGE sql, returning a set, or any that might bring into a
 * query of protected tables a call it was not looked at for.
 */
bool
twp_enforce_keeps_function(Oid function)
{
	const TwpRun *run = twp_enforce_innermost();
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		keep;

	if (function < FirstNormalObjectId || !twp_protect_any())
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	keep = proc->prolang == SQLlanguageId && (proc->proretset || (run != NULL && run->touches && twp_enforce_claims_exist()));
	ReleaseSysCache(tuple);
	return keep;
}

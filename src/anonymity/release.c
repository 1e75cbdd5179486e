/*
 * release.c - judges whether a query releases nothing but figures over cohorts.
 *
 * An allow-list over the query tree: each level is found to be owned or
 * public, and whatever is not known to be harmless is refused.  The rules:
 *
 *  - the result must be public, and only a release makes owned rows public;
 *  - owned sources of a level are joined by their subject, so that each row
 *    is one subject's; clean tables joined to them must not multiply rows;
 *  - expressions on owned rows can raise no error and have no side effect,
 *    because whether they are reached tells of a row;
 *  - the subject and identifiers appear only where subjects are matched,
 *    grouped or counted;
 *  - a release has a HAVING that wants the cohort, evaluated before anything
 *    else of it, and OFFSET 0, so that no condition from outside is moved in.
 *
 * Backstop: every protected relation that was judged is noted; one that is in
 * the tree and was not noted is refused, wherever it hides.
 *
 * Not promised: figures of two queries that differ by few subjects may be
 * subtracted; k counts heads, not what an adversary knows of them.
 */
#include "postgres.h"

#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

/* Levels of nesting within which outer references are looked for. */
#define MAX_DEPTH 32

/* Refuses the query. */
void
twp_anonymity_refuse(const TwpAnalysis *analysis, const char *hint, const char *fmt,...)
{
	StringInfoData message;
	va_list		args;
	int			needed;

	initStringInfo(&message);
	do
	{
		va_start(args, fmt);
		needed = appendStringInfoVA(&message, fmt, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	} while (needed > 0);
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("use \"%s\" releases aggregates only: %s", analysis->terms->use_code, message.data),
			 hint != NULL ? errhint("%s", hint) :
			 errhint("Only count, sum, avg, stddev and variance over at least %d data subjects leave.",
					 analysis->terms->min_cohort)));
}

/* True when a tree reads a protected relation. */
static bool
touches_walker(Node *node, void *context)
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
				return true;
		}
		return query_tree_walker((Query *) node, touches_walker, context, 0);
	}
	return expression_tree_walker(node, touches_walker, context);
}

/* True when a tree reads a protected relation. */
bool
twp_anonymity_touches(Node *node)
{
	return touches_walker(node, NULL);
}

/* True when a query refers to a level outside itself. */
bool
twp_anonymity_refers_out(Query *query)
{
	for (int level = 1; level < MAX_DEPTH; level++)
		if (contain_vars_of_level((Node *) query, level) || contain_aggs_of_level((Node *) query, level))
			return true;
	return false;
}

/* Refuses clauses that owned rows cannot pass. */
static void
check_clauses(TwpLevel *level, bool grouped, bool release)
{
	Query	   *q = level->query;
	TwpAnalysis *analysis = level->analysis;

	if (q->rowMarks != NIL)
		twp_anonymity_refuse(analysis, NULL, "FOR UPDATE or FOR SHARE of protected rows");
	if (q->groupingSets != NIL)
		twp_anonymity_refuse(analysis, "Group in separate queries.",
						   "GROUPING SETS, ROLLUP and CUBE, whose sums give away suppressed groups");
	if (q->hasTargetSRFs)
		twp_anonymity_refuse(analysis, NULL, "a set-returning function in the target list");
	if (release)
		return;
	if (q->limitCount != NULL || q->limitOffset != NULL)
		twp_anonymity_refuse(analysis, NULL, "LIMIT or OFFSET of protected rows");
	if (q->hasWindowFuncs)
		twp_anonymity_refuse(analysis, NULL, "a window function over protected rows");
	if (q->distinctClause != NIL)
		twp_anonymity_refuse(analysis, "Write GROUP BY.", "DISTINCT of protected rows");
	if (!grouped && q->havingQual != NULL)
		twp_anonymity_refuse(analysis, NULL, "HAVING without groups");
}

/* Checks the conditions of FROM and WHERE. */
static void
check_conditions(TwpLevel *level)
{
	ListCell   *lc;

	foreach(lc, level->conjuncts)
	{
		Node	   *expr = ((TwpConjunct *) lfirst(lc))->expr;
		int			a;
		int			b;

		if (twp_anonymity_is_match(level, expr, &a, &b))
			continue;
		if (IsA(expr, SubLink))
			twp_anonymity_sublink(level, (SubLink *) expr);
		else if (IsA(expr, BoolExpr) && ((BoolExpr *) expr)->boolop == NOT_EXPR &&
				 IsA(linitial(((BoolExpr *) expr)->args), SubLink))
			twp_anonymity_sublink(level, linitial(((BoolExpr *) expr)->args));
		else
			twp_anonymity_check(level, expr);
	}
}

/*
 * Judges a sub-query in a condition on owned rows: one over clean tables, or
 * subject IN (SELECT subject ...).
 */
void
twp_anonymity_sublink(TwpLevel *level, SubLink *sublink)
{
	Query	   *query = castNode(Query, sublink->subselect);
	TwpOutput  *output;
	OpExpr	   *op = (OpExpr *) sublink->testexpr;
	int			rti;

	if (twp_anonymity_refers_out(query))
		twp_anonymity_refuse(level->analysis, "Write subject IN (SELECT subject FROM ... WHERE ...).",
						   "a correlated sub-query in a condition");
	if (!twp_anonymity_touches((Node *) query))
	{
		twp_anonymity_check_public(level, query);
		if (sublink->subLinkType != EXISTS_SUBLINK && sublink->subLinkType != ANY_SUBLINK)
			twp_anonymity_refuse(level->analysis, "Write IN or EXISTS.", "a sub-query that may give more than one row");
		if (sublink->testexpr != NULL)
			twp_anonymity_check(level, sublink->testexpr);
		return;
	}
	output = twp_anonymity_query(level->analysis, query, level);
	if (sublink->subLinkType != ANY_SUBLINK || op == NULL || !IsA(op, OpExpr) || list_length(op->args) != 2 ||
		op->opno >= FirstNormalObjectId || !op_mergejoinable(op->opno, exprType(linitial(op->args))) ||
		!twp_anonymity_is_subject(level, strip_implicit_coercions(linitial(op->args)), &rti) ||
		!output->owned || output->nmarks != 1 || output->marks[0] != TWP_DATA_SUBJECT)
		twp_anonymity_refuse(level->analysis, "Write subject IN (SELECT subject FROM ... WHERE ...).",
						   "a sub-query over protected rows in a condition");
}

/* A column of a source as an expression. */
Node *
twp_anonymity_column(const TwpLevel *level, int rti, AttrNumber attno)
{
	RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);
	Oid			type;
	int32		typmod;
	Oid			collation;
	Var		   *var;

	if (rte->rtekind == RTE_SUBQUERY)
		return (Node *) makeVarFromTargetEntry(rti, get_tle_by_resno(rte->subquery->targetList, attno));
	if (rte->rtekind == RTE_RELATION)
		get_atttypetypmodcoll(rte->relid, attno, &type, &typmod, &collation);
	else
	{
		type = list_nth_oid(rte->coltypes, attno - 1);
		typmod = list_nth_int(rte->coltypmods, attno - 1);
		collation = list_nth_oid(rte->colcollations, attno - 1);
	}
	var = makeVar(rti, attno, type, typmod, collation, 0);
	twp_compat_set_nulling(var, level->sources[rti - 1].nulling);
	return (Node *) var;
}

/* The subject of a level as an expression: a column, or what a path leads to, as text. */
Node *
twp_anonymity_subject(const TwpLevel *level)
{
	int			rti = level->subject_rti;
	const TwpSource *source = &level->sources[rti - 1];

	if (source->path == NULL)
		return twp_anonymity_column(level, rti, source->subject);
	return twp_anonymity_make_call("subject_key", TEXTOID,
								   list_make2(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
														ObjectIdGetDatum(rt_fetch(rti, level->query->rtable)->relid),
														false, true),
											  twp_anonymity_column(level, rti, source->path->start)));
}

/* Adds an output column in front of the junk ones; gives its number. */
static AttrNumber
add_output(Query *query, Expr *expr, Index sortgroupref)
{
	List	   *targets = NIL;
	AttrNumber	resno = 1;
	TargetEntry *added;
	ListCell   *lc;

	foreach(lc, query->targetList)
		if (!lfirst_node(TargetEntry, lc)->resjunk)
		{
			targets = lappend(targets, lfirst(lc));
			resno++;
		}
	added = makeTargetEntry(expr, resno, pstrdup("subject"), false);
	added->ressortgroupref = sortgroupref;
	targets = lappend(targets, added);
	foreach(lc, query->targetList)
		if (lfirst_node(TargetEntry, lc)->resjunk)
		{
			lfirst_node(TargetEntry, lc)->resno = list_length(targets) + 1;
			targets = lappend(targets, lfirst(lc));
		}
	query->targetList = targets;
	return resno;
}

/* Finds the column by which a level groups each subject apart; NULL when it does not. */
static TargetEntry *
find_subject_group(const TwpLevel *level)
{
	ListCell   *lc;
	int			rti;

	foreach(lc, level->query->groupClause)
	{
		TargetEntry *tle = get_sortgroupclause_tle(lfirst(lc), level->query->targetList);

		if (twp_anonymity_is_subject(level, (Node *) tle->expr, &rti) && !level->sources[rti - 1].nullable)
			return tle;
	}
	return NULL;
}

/* What an owned level's output column is. */
static TwpData
judge_output(TwpLevel *level, Node *expr, bool grouped)
{
	TwpData	mark;
	Var		   *var;

	if (grouped && IsA(expr, Aggref))
		return twp_anonymity_subject_aggregate(level, (Aggref *) expr) ? TWP_DATA_SUBJECT_VALUE : TWP_DATA_OWNED;
	if (twp_anonymity_mark(level, expr, &mark, &var))
	{
		if (mark == TWP_DATA_SUBJECT && level->sources[var->varno - 1].nullable)
			return TWP_DATA_IDENTIFIER;
		if ((mark == TWP_DATA_VALUE || mark == TWP_DATA_SUBJECT_VALUE) && !twp_anonymity_comes_once(level, var))
			return TWP_DATA_OWNED;
		return mark == TWP_DATA_VALUE && grouped ? TWP_DATA_OWNED : mark;
	}
	twp_anonymity_check(level, expr);
	return TWP_DATA_OWNED;
}

/* True when no subject has more than one row in any source, and so in none of their joins. */
bool
twp_anonymity_gives_once(const TwpLevel *level)
{
	for (int i = 0; i < level->nsources; i++)
		if (level->sources[i].present && level->sources[i].owned && !level->sources[i].once)
			return false;
	return true;
}

/* Judges the output of a level that stays owned, and makes sure the subject is part of it. */
static void
judge_owned_output(TwpLevel *level, TwpOutput *output, TargetEntry *group)
{
	Query	   *q = level->query;
	bool		grouped = q->groupClause != NIL || q->hasAggs;
	ListCell   *lc;

	if (q->havingQual != NULL)
		twp_anonymity_refuse(level->analysis, "Filter the groups of a sub-query in WHERE.",
						   "HAVING on figures of one data subject");
	if (!grouped && twp_anonymity_joins_outer(level))
		twp_anonymity_refuse(level->analysis, "Join in the query that groups, or group the sub-query by the subject.",
							 "an outer join of protected tables in a sub-query");
	output->owned = true;
	output->subject = 0;
	output->nmarks = 0;
	output->marks = palloc0((list_length(q->targetList) + 1) * sizeof(TwpData));
	output->bounds = palloc0((list_length(q->targetList) + 1) * sizeof(TwpBounds));
	output->once = grouped ? list_length(q->groupClause) == 1 : twp_anonymity_gives_once(level);
	output->multiplied = !output->once && bms_is_empty(level->bases);
	foreach(lc, q->targetList)
	{
		TargetEntry *tle = lfirst(lc);
		TwpData	mark = judge_output(level, (Node *) tle->expr, grouped);

		if (tle->resjunk)
			continue;
		output->bounds[output->nmarks] = twp_anonymity_bounds(level, (Node *) tle->expr);
		output->marks[output->nmarks++] = mark;
		if (mark == TWP_DATA_SUBJECT && output->subject == 0)
			output->subject = tle->resno;
	}
	if (output->subject == 0)
	{
		output->subject = add_output(q, group != NULL ? copyObject(group->expr) : (Expr *) twp_anonymity_subject(level), 0);
		output->marks[output->nmarks++] = TWP_DATA_SUBJECT;
	}
}

/* Judges a level that has owned rows. */
static void
judge_owned_level(TwpLevel *level, TwpOutput *output)
{
	Query	   *q = level->query;
	bool		grouped = q->groupClause != NIL || q->hasAggs || q->havingQual != NULL;
	TargetEntry *group;

	twp_anonymity_match_subjects(level);
	twp_anonymity_check_sources(level);
	level->bases = twp_anonymity_find_bases(level);
	group = find_subject_group(level);
	check_clauses(level, grouped, grouped && group == NULL);
	check_conditions(level);
	if (!grouped || group != NULL)
	{
		judge_owned_output(level, output, group);
		return;
	}
	output->one_row = q->groupClause == NIL;
	if (level->analysis->terms->noisy)
		twp_anonymity_noisy_cells(level);
	else
		twp_anonymity_cells(level);
}

/* Judges the sub-queries in the expressions of a public level. */
static bool
public_sublinks(Node *node, TwpLevel *level)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink    *sublink = (SubLink *) node;

		if (twp_anonymity_query(level->analysis, castNode(Query, sublink->subselect), level)->owned)
			twp_anonymity_refuse(level->analysis, NULL, "a sub-query that gives rows of data subjects");
		return public_sublinks(sublink->testexpr, level);
	}
	/* sub-queries of FROM and WITH are judged where they stand */
	if (IsA(node, Query))
		return false;
	return expression_tree_walker(node, public_sublinks, level);
}

/* Fills the marks of a public level's output. */
static void
mark_public(Query *query, TwpOutput *output)
{
	output->owned = false;
	output->nmarks = 0;
	output->marks = palloc0((list_length(query->targetList) + 1) * sizeof(TwpData));
	for (ListCell *lc = list_head(query->targetList); lc != NULL; lc = lnext(query->targetList, lc))
		output->nmarks += !lfirst_node(TargetEntry, lc)->resjunk;
}

/* Judges the WITH list. */
static void
judge_ctes(TwpLevel *level)
{
	ListCell   *lc;

	if (level->query->hasModifyingCTE)
		twp_anonymity_refuse(level->analysis, NULL, "WITH that modifies data");
	foreach(lc, level->query->cteList)
	{
		CommonTableExpr *cte = lfirst(lc);
		TwpOutput  *output;
		bool		noisy = level->analysis->terms->noisy && twp_anonymity_touches(cte->ctequery);

		if (cte->cterecursive && twp_anonymity_touches(cte->ctequery))
			twp_anonymity_refuse(level->analysis, NULL, "WITH RECURSIVE over protected rows");
		if (cte->cterecursive)
		{
			output = palloc0(sizeof(TwpOutput));
			mark_public(castNode(Query, cte->ctequery), output);
		}
		else
			output = twp_anonymity_query(level->analysis, castNode(Query, cte->ctequery), level);
		if (output->owned && output->nmarks > list_length(cte->ctecolnames))
			twp_anonymity_refuse(level->analysis, "Select the subject's column in the WITH query, or write it as a sub-query.",
							   "WITH query \"%s\" leaves out whose rows it gives", cte->ctename);
		/* drawn once, however often it is named */
		if (noisy && !output->owned)
			cte->ctematerialized = CTEMaterializeAlways;
		level->ctes = lappend(level->ctes, output);
	}
}

/* Takes WITH queries of owned rows away: where they were named they have become sub-queries. */
static void
drop_owned_ctes(TwpLevel *level)
{
	List	   *kept = NIL;
	ListCell   *lc;

	foreach(lc, level->query->cteList)
		if (!((TwpOutput *) list_nth(level->ctes, foreach_current_index(lc)))->owned)
			kept = lappend(kept, lfirst(lc));
	level->query->cteList = kept;
}

/* Judges the branches of a set operation, none of which may be owned. */
static void
judge_branches(TwpLevel *level, Node *node)
{
	if (IsA(node, SetOperationStmt))
	{
		judge_branches(level, ((SetOperationStmt *) node)->larg);
		judge_branches(level, ((SetOperationStmt *) node)->rarg);
		return;
	}
	twp_anonymity_judge_source(level, castNode(RangeTblRef, node)->rtindex, false);
	if (level->owned)
		twp_anonymity_refuse(level->analysis, "Aggregate each branch.", "UNION, INTERSECT or EXCEPT of protected rows");
}

/* Names the output columns that were added to sub-queries. */
static void
name_added_columns(TwpLevel *level)
{
	for (int i = 0; i < level->nsources; i++)
	{
		RangeTblEntry *rte = rt_fetch(i + 1, level->query->rtable);

		if (rte->rtekind == RTE_SUBQUERY && level->sources[i].owned)
			while (list_length(rte->eref->colnames) < level->sources[i].nmarks)
				rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup("subject")));
	}
}

/* Judges a query and everything in it. */
TwpOutput *
twp_anonymity_query(TwpAnalysis *analysis, Query *query, TwpLevel *parent)
{
	TwpLevel	level = {.analysis = analysis,.parent = parent,.query = query};
	TwpOutput  *output = palloc0(sizeof(TwpOutput));

	mark_public(query, output);
	/* names of WITH queries outside may stand for protected rows */
	if (!twp_anonymity_touches((Node *) query) && parent == NULL)
		return output;
	if (query->commandType != CMD_SELECT && !(query->commandType == CMD_INSERT && parent == NULL))
		twp_anonymity_refuse(analysis, NULL, "a statement that changes data");
	if (query->commandType == CMD_INSERT &&
		twp_protect_is_protected(rt_fetch(query->resultRelation, query->rtable)->relid))
		twp_anonymity_refuse(analysis, NULL, "a write to a protected table");
	if (twp_anonymity_touches((Node *) query) && twp_anonymity_refers_out(query))
		twp_anonymity_refuse(analysis, "Join instead, or write subject IN (SELECT subject ...).",
						   "a correlated sub-query over protected rows");
	level.nsources = list_length(query->rtable);
	level.sources = palloc0(Max(level.nsources, 1) * sizeof(TwpSource));
	judge_ctes(&level);
	if (query->setOperations != NULL)
		judge_branches(&level, query->setOperations);
	else
		twp_anonymity_judge_from(&level, (Node *) query->jointree, false);
	name_added_columns(&level);
	if (level.owned && query->commandType != CMD_SELECT)
		twp_anonymity_refuse(analysis, NULL, "rows of data subjects may not be stored");
	if (level.owned && twp_anonymity_refers_out(query))
		twp_anonymity_refuse(analysis, "Join instead.", "a correlated sub-query over protected rows");
	if (level.owned)
		judge_owned_level(&level, output);
	else
	{
		(void) query_tree_walker(query, public_sublinks, &level, QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES);
		output->one_row = query->hasAggs && query->groupClause == NIL && query->groupingSets == NIL && !query->hasTargetSRFs;
	}
	if (analysis->terms->noisy)
		drop_owned_ctes(&level);
	return output;
}

/* Finds a protected relation that nobody judged. */
static bool
find_unjudged(Node *node, TwpAnalysis *analysis)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION && twp_protect_is_protected(rte->relid) &&
				!list_member_ptr(analysis->judged, rte))
				twp_anonymity_refuse(analysis, NULL, "table \"%s\" is reached in a place that is not supported",
								   get_rel_name(rte->relid));
		}
		return query_tree_walker((Query *) node, find_unjudged, analysis, 0);
	}
	return expression_tree_walker(node, find_unjudged, analysis);
}

/* Refuses protected relations that nobody judged. */
void
twp_anonymity_check_judged(TwpAnalysis *analysis, Query *query)
{
	(void) find_unjudged((Node *) query, analysis);
}

/* Judges and rewrites a query. */
void
twp_anonymity_release(Query *query, const TwpReleaseTerms *terms)
{
	TwpAnalysis analysis = {.terms = terms};

	twp_anonymity_replace_buckets(query);
	if (twp_anonymity_query(&analysis, query, NULL)->owned)
		twp_anonymity_refuse(&analysis, NULL, "rows of data subjects may not leave");
	if (terms->noisy && twp_anonymity_touches((Node *) query))
		twp_anonymity_refuse(&analysis, NULL, "a protected table is reached in a place that is not supported");
	(void) find_unjudged((Node *) query, &analysis);
}

/*
 * mark.c - notes on range table entries, and PostgreSQL's foreign-key queries.
 *
 * The mark is kept in the entry's enrname, which PostgreSQL uses for named
 * tuplestores only: it survives planning, copying of cached plans, and is
 * inherited by the entries of partitions and children.  It is not sent to
 * parallel workers, so only the leader looks at it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_proc.h"
#include "enforce/enforce_internal.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MARK_PREFIX "twin_privacy:"

/* Notes how an entry was treated. */
void
twp_enforce_set_mark(RangeTblEntry *rte, TwpMarkMode mode, uint64 stamp, uint64 protection_hash)
{
	rte->enrname = psprintf(MARK_PREFIX "%c:%x:%llx:%llx", (char) mode, rte->relid,
							(unsigned long long) stamp, (unsigned long long) protection_hash);
}

/* Reads a number of a mark and moves behind it; false when something else than the end follows. */
static inline bool
read_number(const char **at, char end, uint64 *value)
{
	*value = 0;
	for (;; (*at)++)
	{
		if (**at >= '0' && **at <= '9')
			*value = *value << 4 | (uint64) (**at - '0');
		else if (**at >= 'a' && **at <= 'f')
			*value = *value << 4 | (uint64) (**at - 'a' + 10);
		else
			return *(*at)++ == end;
	}
}

/* Reads a mark; false when the entry has none.  Every statement reads some, so not by strtoull(). */
bool
twp_enforce_get_mark(const RangeTblEntry *rte, TwpMark *mark)
{
	const char *at = rte->enrname;
	uint64		relid;

	if (at == NULL || strncmp(at, MARK_PREFIX, sizeof(MARK_PREFIX) - 1) != 0)
		return false;
	at += sizeof(MARK_PREFIX) - 1;
	if (at[0] == '\0' || at[1] != ':')
		return false;
	mark->mode = (TwpMarkMode) at[0];
	at += 2;
	if (!read_number(&at, ':', &relid) || !read_number(&at, ':', &mark->stamp) ||
		!read_number(&at, '\0', &mark->protection_hash))
		return false;
	mark->relid = (Oid) relid;
	return true;
}

/* True for an operator of a superuser's: key types come with such, users' leaky ones are not. */
static bool
is_trusted_operator(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(get_opcode(operator)));
	bool		trusted = false;

	if (HeapTupleIsValid(tuple))
	{
		trusted = superuser_arg(((Form_pg_proc) GETSTRUCT(tuple))->proowner);
		ReleaseSysCache(tuple);
	}
	return trusted;
}

/* True for an expression made of columns, parameters, coercions and comparisons only. */
static bool
is_key_comparison(Node *node)
{
	ListCell   *lc;

	if (node == NULL)
		return true;
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varattno > 0;
		case T_Param:
		case T_Const:
			return true;
		case T_RelabelType:
			return is_key_comparison((Node *) ((RelabelType *) node)->arg);
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcformat != COERCE_IMPLICIT_CAST)
				return false;
			foreach(lc, ((FuncExpr *) node)->args)
				if (!is_key_comparison(lfirst(lc)))
					return false;
			return true;
		case T_OpExpr:
			if (!is_trusted_operator(((OpExpr *) node)->opno))
				return false;
			foreach(lc, ((OpExpr *) node)->args)
				if (!is_key_comparison(lfirst(lc)))
					return false;
			return true;
		case T_CollateExpr:
			return is_key_comparison((Node *) ((CollateExpr *) node)->arg);
		case T_BoolExpr:
			foreach(lc, ((BoolExpr *) node)->args)
				if (!is_key_comparison(lfirst(lc)))
					return false;
			return ((BoolExpr *) node)->boolop == AND_EXPR;
		default:
			return false;
	}
}

/* True when the target list discloses nothing: constants, parameters or defaults only. */
static bool
discloses_nothing(List *target_list)
{
	ListCell   *lc;

	foreach(lc, target_list)
	{
		TargetEntry *tle = lfirst(lc);
		Node	   *expr = (Node *) tle->expr;

		while (IsA(expr, RelabelType) || IsA(expr, CoerceToDomain))
			expr = IsA(expr, RelabelType) ? (Node *) ((RelabelType *) expr)->arg :
				(Node *) ((CoerceToDomain *) expr)->arg;
		if (!IsA(expr, Const) && !IsA(expr, Param))
			return false;
	}
	return true;
}

/*
 * Recognises the query with which ALTER TABLE ... ADD FOREIGN KEY looks for
 * rows without a referenced one: SELECT keys FROM ONLY fk LEFT JOIN ONLY pk
 * WHERE pk IS NULL.  It runs while no query of a user's does; what it finds
 * becomes an error without its detail.
 */
static bool
is_initial_check(const Query *query)
{
	Oid			relids[2];
	int			nrelations = 0;
	ListCell   *lc;

	if (query->commandType != CMD_SELECT || list_length(query->rtable) != 3 ||
		query->cteList != NIL || query->hasSubLinks || query->hasTargetSRFs)
		return false;
	foreach(lc, query->rtable)
	{
		const RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && nrelations < 2)
			relids[nrelations++] = rte->relid;
		else if (rte->rtekind != RTE_JOIN)
			return false;
	}
	return nrelations == 2 && twp_enforce_adds_foreign_key_between(relids[0], relids[1]);
}

/*
 * Recognises the queries PostgreSQL's foreign-key triggers run: on one ONLY
 * table, by key columns and parameters, giving nothing but existence.  The
 * context flag alone is no licence: a user's trigger, rule or operator inside
 * a cascade runs under it too.  But those always run within the execution of
 * PostgreSQL's own query, so only what is planned and started outside any
 * execution under the flag is PostgreSQL's.
 */
bool
twp_enforce_is_foreign_key_query(const Query *query)
{
	RangeTblEntry *rte;

	if (!InNoForceRLSOperation())
		return twp_enforce_in_foreign_key_check() && is_initial_check(query);
	if (!twp_enforce_in_foreign_key_check() || list_length(query->rtable) != 1 ||
		query->cteList != NIL || query->hasSubLinks || query->hasAggs || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->returningList != NIL || query->setOperations != NULL ||
		query->groupClause != NIL || query->havingQual != NULL || query->jointree == NULL ||
		query->limitCount != NULL || query->sortClause != NIL || query->onConflict != NULL)
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind != RTE_RELATION || rte->tablesample != NULL)
		return false;
	if (query->commandType == CMD_SELECT)
	{
		/* SELECT 1 FROM [ONLY] pk x WHERE key = $1 ... FOR KEY SHARE OF x */
		if (list_length(query->rowMarks) != 1)
			return false;
	}
	else if (query->commandType != CMD_UPDATE && query->commandType != CMD_DELETE)
		return false;
	return discloses_nothing(query->targetList) && is_key_comparison(query->jointree->quals);
}

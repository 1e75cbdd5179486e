/*
 * private.c - runs a release of a private use: charge, inner query, noise.
 *
 * Called by the function that private.c of anonymity/ put into the place of a
 * grouping of protected rows.  In this order: the authority and the binding
 * are checked; the inner query is planned and started, which checks rights on
 * its tables; an answer given before is given again; else the budget is
 * charged, durably, and only then a row is read.  The inner query runs as a
 * statement of its own, so its reading is recorded like any other.
 *
 * Memory: a context of its own for the parts; figures in the caller's.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "anonymity/private.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "enforce/enforce_internal.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(twp_enforce_private_release);

Query	   *twp_enforce_inner_release = NULL;

/* Collects the groups that the inner query gives. */
typedef struct GroupReceiver
{
	DestReceiver pub;
	const TwpRelease *release;
	MemoryContext context;
	int			nkeys;			/* of the inner query */
	FmgrInfo   *out;			/* of the keys */
	int			size;			/* words of a part */
	TwpGroup   *groups;
	int			ngroups;
	int			space;
} GroupReceiver;

/* One execution of a release. */
typedef struct Execution
{
	TwpRelease *release;
	TwpReleaseOptions options;
	QueryDesc  *query;
	GroupReceiver *receiver;
	TwpAnswerKey key;
	bool		may_repeat;		/* the answer is a function of what the key tells */
} Execution;

/* Value of a parameter. */
static Node *
param_value(const Param *param, ParamListInfo params)
{
	ParamExternData buffer;
	ParamExternData *value = NULL;
	int16		typlen;
	bool		typbyval;

	if (params != NULL && param->paramid > 0 && param->paramid <= params->numParams)
		value = params->paramFetch != NULL ? params->paramFetch(params, param->paramid, false, &buffer) :
			&params->params[param->paramid - 1];
	if (value == NULL || value->ptype != param->paramtype)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no value found for parameter %d", param->paramid),
				 errhint("Run the statement again.")));
	get_typlenbyval(param->paramtype, &typlen, &typbyval);
	return (Node *) makeConst(param->paramtype, param->paramtypmod, param->paramcollid, typlen,
							  value->isnull ? (Datum) 0 : datumCopy(value->value, typbyval, typlen),
							  value->isnull, typbyval);
}

/* What an expression without columns gives now. */
static Node *
value_now(Node *expr)
{
	EState	   *estate = CreateExecutorState();
	ExprState  *state = ExecPrepareExpr((Expr *) expr, estate);
	int16		typlen;
	bool		typbyval;
	bool		isnull;
	Datum		value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &isnull);
	Node	   *result;

	get_typlenbyval(exprType(expr), &typlen, &typbyval);
	if (!isnull)
		value = datumCopy(value, typbyval, typlen);
	result = (Node *) makeConst(exprType(expr), exprTypmod(expr), exprCollation(expr), typlen, value, isnull, typbyval);
	FreeExecutorState(estate);
	return result;
}

/* Puts the values of parameters, of now and of who asks into a query: they are part of the question. */
static Node *
fix_values(Node *node, void *params)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
		return param_value((Param *) node, params);
	if (IsA(node, SQLValueFunction) || (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_NOW))
		return value_now(node);
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, fix_values, params, 0);
	return expression_tree_mutator(node, fix_values, params);
}

/* Locks the relations of a query as its parsing did. */
static bool
lock_relations(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
		{
			const RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION)
				LockRelationOid(rte->relid, AccessShareLock);
		}
		return query_tree_walker((Query *) node, lock_relations, context, 0);
	}
	return expression_tree_walker(node, lock_relations, context);
}

/* Takes names and places out of a query: they are no part of the question. */
static bool
forget_names(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		query->stmt_location = -1;
		query->stmt_len = 0;
		query->canSetTag = false;
		query->querySource = QSRC_ORIGINAL;
		foreach(lc, query->rtable)
		{
			lfirst_node(RangeTblEntry, lc)->alias = NULL;
			lfirst_node(RangeTblEntry, lc)->eref = makeAlias("", NIL);
		}
		foreach(lc, query->targetList)
			lfirst_node(TargetEntry, lc)->resname = NULL;
		return query_tree_walker(query, forget_names, context, 0);
	}
	return expression_tree_walker(node, forget_names, context);
}

/* SHA-256 of a buffer as bytea. */
static bytea *
digest(StringInfo buf)
{
	return DatumGetByteaP(DirectFunctionCall1(sha256_bytea,
											  PointerGetDatum(cstring_to_text_with_len(buf->data, buf->len))));
}

/* The question: inner query, figures and settings. */
static bytea *
make_question(const Execution *e)
{
	Query	   *query = copyObject(e->release->inner);
	Aggref	   *bounded = castNode(Aggref, llast_node(TargetEntry, query->targetList)->expr);
	StringInfoData buf;

	/* the seed is drawn anew each time */
	linitial_node(TargetEntry, bounded->args)->expr = (Expr *) makeNullConst(INT8OID, -1, InvalidOid);
	(void) forget_names((Node *) query, NULL);
	initStringInfo(&buf);
	appendStringInfoString(&buf, nodeToString(query));
	for (int f = 0; f < e->release->nfigures; f++)
		appendStringInfo(&buf, " %d %d %u %d", e->release->figures[f].kind, e->release->figures[f].column,
						 e->release->figures[f].type, e->release->figures[f].millionths);
	appendStringInfoString(&buf, nodeToString(e->release->domains));
	appendStringInfo(&buf, " %lld %lld %d %d %d", (long long) e->options.epsilon, (long long) e->options.delta,
					 e->options.min_cohort, e->options.max_rows, e->options.max_groups);
	return digest(&buf);
}

/* Adds what tells that a relation's rows have changed. */
static void
add_relation_state(StringInfo buf, Oid relid)
{
	const PgStat_StatTabEntry *counters = pgstat_fetch_stat_tabentry(relid);
	const TwpProtection *p = twp_protect_lookup(relid);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));

	appendStringInfo(buf, " %u", relid);
	if (HeapTupleIsValid(tuple))
	{
		/* TRUNCATE and rewrites */
		appendStringInfo(buf, " %u", ((Form_pg_class) GETSTRUCT(tuple))->relfilenode);
		ReleaseSysCache(tuple);
	}
	if (p != NULL)
		appendStringInfo(buf, " %llx", (unsigned long long) p->hash);
	if (counters != NULL)
		appendStringInfo(buf, " %lld %lld %lld", (long long) counters->tuples_inserted,
						 (long long) counters->tuples_updated, (long long) counters->tuples_deleted);
}

/* What tells whether the data has changed since an answer. */
static bytea *
make_state(const Execution *e)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%llx %llu", (unsigned long long) e->release->stamp,
					 (unsigned long long) twp_consent_revision());
	pgstat_clear_snapshot();
	foreach(lc, e->query->plannedstmt->rtable)
	{
		const RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION)
			add_relation_state(&buf, rte->relid);
	}
	return digest(&buf);
}

/* Nothing to prepare or to end. */
static void
receive_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

/* Likewise. */
static void
receive_end(DestReceiver *self)
{
}

/* Takes one group in. */
static bool
receive_group(TupleTableSlot *slot, DestReceiver *self)
{
	GroupReceiver *r = (GroupReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(r->context);
	int			nkeys = r->nkeys;
	TwpGroup   *group;

	slot_getallattrs(slot);
	if (r->ngroups == r->space)
	{
		r->space = Max(2 * r->space, 64);
		r->groups = r->groups == NULL ? palloc(r->space * sizeof(TwpGroup)) :
			repalloc_huge(r->groups, r->space * sizeof(TwpGroup));
	}
	group = &r->groups[r->ngroups++];
	memset(group, 0, sizeof(*group));
	group->keys = palloc0(Max(nkeys, 1) * sizeof(char *));
	for (int k = 0; k < nkeys; k++)
		if (!slot->tts_isnull[k])
			group->keys[k] = OutputFunctionCall(&r->out[k], slot->tts_values[k]);
	if (!slot->tts_isnull[nkeys])
	{
		bytea	   *parts = DatumGetByteaPP(slot->tts_values[nkeys]);
		Size		len = VARSIZE_ANY_EXHDR(parts);

		group->parts = palloc(Max(len, 1));
		memcpy(group->parts, VARDATA_ANY(parts), len);
		group->nparts = len / (r->size * sizeof(int64));
	}
	MemoryContextSwitchTo(old);
	return true;
}

/* Makes the receiver of groups. */
static GroupReceiver *
make_receiver(const TwpRelease *release)
{
	GroupReceiver *r = palloc0(sizeof(GroupReceiver));
	int			places[FUNC_MAX_ARGS];

	r->pub.receiveSlot = receive_group;
	r->pub.rStartup = receive_startup;
	r->pub.rShutdown = receive_end;
	r->pub.rDestroy = receive_end;
	r->pub.mydest = DestNone;
	r->release = release;
	twp_part_places(release->layout, places, &r->size);
	r->context = CurrentMemoryContext;
	r->nkeys = release->nkeys + (release->nbins > 0);
	r->out = palloc(Max(r->nkeys, 1) * sizeof(FmgrInfo));
	for (int k = 0; k < r->nkeys; k++)
	{
		Node	   *key = (Node *) list_nth_node(TargetEntry, release->inner->targetList, k)->expr;
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(exprType(key), &function, &varlena);
		fmgr_info(function, &r->out[k]);
	}
	return r;
}

/* Plans the inner query and starts it, which checks the rights of who asks. */
static void
start_inner(Execution *e)
{
	Query	   *inner = copyObject(e->release->inner);
	PlannedStmt *plan;

	PG_TRY();
	{
		twp_enforce_inner_release = inner;
		plan = pg_plan_query(inner, "", CURSOR_OPT_PARALLEL_OK, NULL);
	}
	PG_FINALLY();
	{
		twp_enforce_inner_release = NULL;
	}
	PG_END_TRY();
	e->receiver = make_receiver(e->release);
	e->query = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, &e->receiver->pub, NULL, NULL, 0);
	ExecutorStart(e->query, 0);
}

/* Records a charge or a repetition, beside the account. */
static void
record_release(const Execution *e, const char *kind)
{
	(void) twp_ledger_event_at_once(kind, e->key.use_code, NULL,
									psprintf("{\"epsilon\": %g, \"delta\": %g}", e->options.epsilon / TWP_EPSILON_UNIT,
											 e->options.delta / TWP_DELTA_UNIT), NULL);
}

/* A number as its type prints it; whole where the type is. */
static char *
print_number(Oid type, double value)
{
	if (type == INT4OID || type == INT2OID)
		return psprintf("%d", (int) rint(value));
	if (type != INT8OID)
		return psprintf(type == FLOAT4OID ? "%.7g" : "%.15g", value);
	if (value >= 9e18 || value <= -9e18)
		return pstrdup(value > 0 ? "9000000000000000000" : "-9000000000000000000");
	return psprintf("%lld", (long long) rint(value));
}

/* Adds a text to an answer. */
static void
put_text(ArrayBuildState **state, const char *text)
{
	*state = accumArrayResult(*state, text != NULL ? CStringGetTextDatum(text) : (Datum) 0, text == NULL,
							  TEXTOID, CurrentMemoryContext);
}

/* Rows with noise as an answer: for each keys, figures, scales and errors. */
static ArrayType *
make_answer(const TwpRelease *release, List *rows)
{
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ListCell   *lc;

	foreach(lc, rows)
	{
		const TwpNoisyRow *row = lfirst(lc);

		for (int k = 0; k < release->nkeys; k++)
			put_text(&state, row->keys[k]);
		for (int f = 0; f < release->nfigures; f++)
			put_text(&state, row->figures[f].isnull ? NULL :
					 print_number(release->figures[f].type, row->figures[f].value));
		for (int f = 0; f < release->nfigures; f++)
			put_text(&state, psprintf("%.6g", row->figures[f].scale));
		for (int f = 0; f < release->nfigures; f++)
			put_text(&state, psprintf("%.6g", row->figures[f].error));
	}
	return DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext));
}

/* Runs the inner query for a charge, and adds noise. */
static ArrayType *
make_figures(Execution *e)
{
	TwpGroup	nobody = {0};

	twp_private_charge(e->key.use_code, twp_decision_use()->epsilon, e->options.epsilon,
					   e->options.delta);
	record_release(e, "private.charge");
	twp_compat_executor_run(e->query);
	if (e->release->nbins > 0)
		return make_answer(e->release, twp_private_add_quantiles(e->release, &e->options, e->receiver->groups,
																 e->receiver->ngroups));
	if (!e->release->grouped && e->receiver->ngroups == 0)
		return make_answer(e->release, twp_private_add_noise(e->release, &e->options, &nobody, 1));
	return make_answer(e->release, twp_private_add_noise(e->release, &e->options, e->receiver->groups, e->receiver->ngroups));
}

/* The keys of a row, as last_noise() shows them. */
static char *
describe_group(const TwpRelease *release, char **texts)
{
	StringInfoData buf;

	if (!release->grouped)
		return NULL;
	initStringInfo(&buf);
	for (int k = 0; k < release->nkeys; k++)
		appendStringInfo(&buf, "%s%s", k > 0 ? ", " : "", texts[k] != NULL ? texts[k] : "NULL");
	return buf.data;
}

/* Gives an answer's rows, and notes their noise. */
static void
give_answer(const TwpRelease *release, ArrayType *answer, ReturnSetInfo *rsinfo)
{
	AttInMetadata *meta = TupleDescGetAttInMetadata(rsinfo->setDesc);
	int			width = release->nkeys + 3 * release->nfigures;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	twp_private_forget_noise();
	deconstruct_array(answer, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int at = 0; at + width <= n && width > 0; at += width)
	{
		char	  **texts = palloc(width * sizeof(char *));
		char	   *group;

		for (int i = 0; i < width; i++)
			texts[i] = nulls[at + i] ? NULL : TextDatumGetCString(values[at + i]);
		tuplestore_puttuple(rsinfo->setResult, BuildTupleFromCStrings(meta, texts));
		group = describe_group(release, texts);
		for (int f = 0; f < release->nfigures; f++)
			twp_private_note_noise(group, release->figures[f].name,
								   strtod(texts[release->nkeys + release->nfigures + f], NULL),
								   strtod(texts[release->nkeys + 2 * release->nfigures + f], NULL));
	}
}

/* True for functions whose result the state of the data tells. */
static bool
is_told_by_state(Oid function, void *context)
{
	return func_volatile(function) != PROVOLATILE_IMMUTABLE && function != *(Oid *) context;
}

/* Looks for anything else that could change an answer. */
static bool
depends_on_more(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_told_by_state, context))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, depends_on_more, context, 0);
	return expression_tree_walker(node, depends_on_more, context);
}

/* Prepares an execution: the binding, the values it depends on, the inner query. */
static void
prepare(Execution *e, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			path = twp_enforce_function_oid(TWP_FN_SUBJECT_KEY);

	e->release = twp_private_open(PG_GETARG_TEXT_PP(0), PG_GETARG_BYTEA_PP(1));
	twp_decision_begin();
	if (twp_decision_stamp() != e->release->stamp || twp_decision_use()->form != TWP_FORM_PRIVATE)
		twp_enforce_refuse_plan(NULL, true);
	twp_private_settings(&e->options);
	e->options.min_cohort = Max(twp_decision_use()->min_cohort, 1);
	if (!e->release->grouped || twp_private_groups_known(e->release))
		e->options.delta = 0;
	e->release->inner = castNode(Query, fix_values((Node *) e->release->inner, rsinfo->econtext->ecxt_param_list_info));
	(void) lock_relations((Node *) e->release->inner, NULL);
	/* what this transaction has changed may be undone */
	e->may_repeat = !twp_enforce_changed && !IsolationUsesXactSnapshot() &&
		!depends_on_more((Node *) e->release->inner, &path);
	e->key.use_code = pstrdup(twp_decision_use()->code);
	start_inner(e);
	if (e->may_repeat)
	{
		e->key.question = make_question(e);
		e->key.state = make_state(e);
	}
}

/* Runs a release. */
Datum
twp_enforce_private_release(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy release", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Execution	e = {0};
	ArrayType  *answer = NULL;
	int			nestlevel;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	old = MemoryContextSwitchTo(context);
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("DateStyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("extra_float_digits", "1", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	prepare(&e, fcinfo);
	if (e.may_repeat)
		answer = twp_private_find_answer(&e.key);
	if (answer != NULL)
		record_release(&e, "private.repeat");
	else
	{
		answer = make_figures(&e);
		if (e.may_repeat)
			twp_private_keep_answer(&e.key, twp_decision_horizon(), answer);
	}
	ExecutorFinish(e.query);
	ExecutorEnd(e.query);
	FreeQueryDesc(e.query);
	give_answer(e.release, answer, rsinfo);
	AtEOXact_GUC(false, nestlevel);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}

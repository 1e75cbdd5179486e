/*
 * note.c - whose rows passed all the filters of a scan.
 *
 * The row rule comes first among a scan's filters, so that the user's see open
 * rows only; whom a statement is told of is known after the last of them.  So
 * once a plan is made, each scan that has other filters gets one more at its
 * end, which notes the row's subject.  It is added to the finished plan:
 * PostgreSQL orders filters by cost, and a cost high enough to come last would
 * distort the choice of plans.
 *
 * A filter in SQL or a procedural language may tell what it is given, by a
 * notice for one, whatever it answers: the note goes before the first such.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "enforce/scan_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/syscache.h"

typedef struct NoteContext
{
	Oid			row_visible;
	Oid			row_noted;
} NoteContext;

/* The note that goes with a row rule: over the same relation, stamp, keys and writer. */
static FuncExpr *
make_note(const NoteContext *context, const FuncExpr *rule)
{
	List	   *args = list_copy_head(rule->args, 3);

	args = lappend(args, list_nth(rule->args, TWP_FIRST_FACT_ARG + TWP_ROW_KEY));
	args = lappend(args, list_nth(rule->args, TWP_BORN_ARG));
	return makeFuncExpr(context->row_noted, BOOLOID, copyObject(args), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The same for a row that is found by its key and not by a scan. */
Node *
twp_enforce_make_note(const FuncExpr *rule)
{
	NoteContext context = {.row_noted = twp_enforce_function_oid(TWP_FN_ROW_NOTED)};

	return (Node *) make_note(&context, rule);
}

/* The row rule among a scan's filters, or NULL. */
static FuncExpr *
find_rule(const NoteContext *context, const List *qual)
{
	ListCell   *lc;

	foreach(lc, qual)
	{
		FuncExpr   *call = lfirst(lc);

		if (IsA(call, FuncExpr) && call->funcid == context->row_visible)
			return call;
	}
	return NULL;
}

/* True for a function that is written in SQL or a procedural language. */
static bool
is_told(Oid function, void *arg)
{
	HeapTuple	tuple;
	Oid			language;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	ReleaseSysCache(tuple);
	return language != INTERNALlanguageId && language != ClanguageId;
}

/* True when a filter gives what it is about to such a function, to a domain's checks or to a query. */
static bool
may_tell(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || (IsA(node, SubPlan) && ((SubPlan *) node)->parParam != NIL))
		return true;
	return check_functions_in_node(node, is_told, arg) || expression_tree_walker(node, may_tell, arg);
}

/* Puts a note before the first filter that may tell; false when there is none. */
static bool
note_before_code(const NoteContext *context, List **qual, const FuncExpr *rule)
{
	ListCell   *lc;

	foreach(lc, *qual)
		if (may_tell(lfirst(lc), NULL))
		{
			*qual = list_insert_nth(*qual, foreach_current_index(lc), make_note(context, rule));
			return true;
		}
	return false;
}

/* The functions that the notes are about. */
static NoteContext
note_context(void)
{
	return (NoteContext) {
		.row_visible = twp_enforce_function_oid(TWP_FN_ROW_VISIBLE),
		.row_noted = twp_enforce_function_oid(TWP_FN_ROW_NOTED),
	};
}

/* The filters of a scan that judges by the rule and notes who passes them itself, with a note where they may tell. */
List *
twp_enforce_note_scan(List *qual, const FuncExpr *rule)
{
	NoteContext context = note_context();

	(void) note_before_code(&context, &qual, rule);
	return qual;
}

/* Adds the note to one plan node that scans protected rows. */
static void
note_node(const NoteContext *context, Plan *plan)
{
	FuncExpr   *rule = find_rule(context, plan->qual);

	if (rule != NULL && !note_before_code(context, &plan->qual, rule))
		plan->qual = lappend(plan->qual, make_note(context, rule));
}

static void note_plan(const NoteContext *context, Plan *plan);

/* Goes through a list of plans. */
static void
note_plans(const NoteContext *context, List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		note_plan(context, lfirst(lc));
}

/* Goes through a plan tree. */
static void
note_plan(const NoteContext *context, Plan *plan)
{
	if (plan == NULL)
		return;
	note_node(context, plan);
	note_plan(context, plan->lefttree);
	note_plan(context, plan->righttree);
	switch (nodeTag(plan))
	{
		case T_Append:
			note_plans(context, ((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			note_plans(context, ((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			note_plan(context, ((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			note_plans(context, ((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
}

/* Adds notes to every scan of protected rows in a finished plan. */
void
twp_enforce_planned(PlannedStmt *plan)
{
	NoteContext context = note_context();

	twp_enforce_explain_planned();
	note_plan(&context, plan->planTree);
	note_plans(&context, plan->subplans);
	/* a cached plan that pins the version of a key is made anew when keys change */
	plan->relationOids = lappend_oid(plan->relationOids, twp_pseudonym_pinned_relation());
}

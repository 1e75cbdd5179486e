/*
 * note.c - whose rows passed all the filters of a scan.
 *
 * The row rule comes first among a scan's filters, so that the user's see open
 * rows only; whom a statement is told of is known after the last of them.  So
 * once a plan is made, each scan that has other filters gets one more at its
 * end, which notes the row's subject.  It is added to the finished plan:
 * PostgreSQL orders filters by cost, and a cost high enough to come last would
 * distort the choice of plans.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "nodes/makefuncs.h"

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

/* Adds the note to one plan node that scans protected rows. */
static void
note_node(const NoteContext *context, Plan *plan)
{
	FuncExpr   *rule = find_rule(context, plan->qual);

	if (rule != NULL)
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
	NoteContext context = {
		.row_visible = twp_enforce_function_oid(TWP_FN_ROW_VISIBLE),
		.row_noted = twp_enforce_function_oid(TWP_FN_ROW_NOTED),
	};

	twp_enforce_explain_planned();
	note_plan(&context, plan->planTree);
	note_plans(&context, plan->subplans);
	/* a cached plan that pins the version of a key is made anew when keys change */
	plan->relationOids = lappend_oid(plan->relationOids, twp_pseudonym_pinned_relation());
}

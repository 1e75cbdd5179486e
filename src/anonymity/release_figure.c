/*
 * release_figure.c - what the differencing guard is told of a release.
 *
 * Every different thing that is counted or summed is a figure.  One aggregate
 * sketches them all and is the groups' cohort at the same time; a window
 * function over all groups, the gate, judges the sketches before the first
 * group leaves.
 *
 * Rows are told apart by the primary key of their table, else by their place.
 * Tables with one row a subject need neither.  A sub-query's rows cannot be
 * told apart: what is computed from them is compared by its numbers alone.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* The column of a release that holds what the gate says: the first. */
#define GATE_COLUMN 1

/* What is gathered for the aggregate. */
typedef struct Arguments
{
	List	   *values;
	int		   *first;			/* [rti - 1]: of a source's identity, -1: not asked for */
	int		   *count;
	int		   *number;			/* of the identity */
	int32		placed;			/* identities that are places */
	int			nidentities;
} Arguments;

/* Number of a figure; the same for equal ones. */
int
twp_anonymity_add_figure(TwpLevel *level, const TwpReleaseFigure *figure)
{
	TwpReleaseFigure *added;
	ListCell   *lc;

	foreach(lc, level->figures)
	{
		TwpReleaseFigure *other = lfirst(lc);

		if (equal(other->condition, figure->condition) && equal(other->value, figure->value) &&
			equal(other->subjects, figure->subjects))
			return foreach_current_index(lc);
	}
	if (list_length(level->figures) == TWP_GUARD_MAX_FIGURES)
		twp_anonymity_refuse(level->analysis, "Ask for them in several queries.", "more than %d different aggregates",
							 TWP_GUARD_MAX_FIGURES);
	added = palloc(sizeof(TwpReleaseFigure));
	*added = *figure;
	level->figures = lappend(level->figures, added);
	return list_length(level->figures) - 1;
}

/* The use as an argument. */
static Node *
make_use(const TwpLevel *level)
{
	return twp_anonymity_make_text(level->analysis->terms->use_code);
}

/* The aggregate that counts different subjects, guarded. */
Aggref *
twp_anonymity_make_subjects(TwpLevel *level, const Aggref *count)
{
	Node	   *subject = copyObject((Node *) linitial_node(TargetEntry, count->args)->expr);
	Aggref	   *agg = twp_anonymity_make_aggregate("guard_subjects", BYTEAOID, list_make1(subject));

	agg->aggdistinct = copyObject(count->aggdistinct);
	agg->aggfilter = copyObject(count->aggfilter);
	linitial_node(TargetEntry, agg->args)->ressortgroupref =
		linitial_node(TargetEntry, count->args)->ressortgroupref;
	return agg;
}

/* What tells rows of a relation apart; *placed: nothing but their place does. */
static List *
identify_rows(const TwpLevel *level, int rti, bool *placed)
{
	const RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);
	Relation	relation = table_open(rte->relid, NoLock);
	Bitmapset  *key = NULL;
	List	   *columns = NIL;
	bool		inherited = rte->inh && has_subclass(rte->relid);

	if (!inherited || rte->relkind == RELKIND_PARTITIONED_TABLE)
		key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	for (int member = -1; (member = bms_next_member(key, member)) >= 0;)
		columns = lappend(columns, twp_anonymity_column(level, rti, member + FirstLowInvalidHeapAttributeNumber));
	*placed = columns == NIL;
	if (*placed)
	{
		columns = list_make1(twp_anonymity_column(level, rti, SelfItemPointerAttributeNumber));
		if (inherited)
			columns = lappend(columns, twp_anonymity_column(level, rti, TableOidAttributeNumber));
	}
	table_close(relation, NoLock);
	return columns;
}

/* Number of the identity of a source's rows, -1 when it needs none. */
static int
identity_of(const TwpLevel *level, Arguments *arguments, int rti)
{
	List	   *columns;
	bool		placed;

	if (level->sources[rti - 1].once)
		return -1;
	if (arguments->first[rti - 1] < 0)
	{
		columns = identify_rows(level, rti, &placed);
		arguments->first[rti - 1] = list_length(arguments->values);
		arguments->count[rti - 1] = list_length(columns);
		arguments->placed |= (int32) placed << arguments->nidentities;
		arguments->number[rti - 1] = arguments->nidentities++;
		arguments->values = list_concat(arguments->values, columns);
	}
	return arguments->number[rti - 1];
}

/* Mixes a number into a tag. */
static uint32
mix_tag(uint32 tag, uint32 value)
{
	return hash_combine(tag, murmurhash32(value));
}

/* A tag that is not 0 and says whether one of its identities is a place. */
static uint32
finish_tag(uint32 tag, const Arguments *arguments, int32 identities)
{
	tag = Max(tag & ~TWP_GUARD_BY_PLACE, 1);
	return (arguments->placed & identities) != 0 ? tag | TWP_GUARD_BY_PLACE : tag;
}

/* The tag and identities of a count of rows: those of all tables with several rows a subject. */
static uint32
tag_rows(const TwpLevel *level, Arguments *arguments, int32 *identities)
{
	uint32		sum = 0;

	*identities = 0;
	for (int i = 0; i < level->nsources; i++)
	{
		int			number;

		if (!level->sources[i].present || !level->sources[i].owned || level->sources[i].once)
			continue;
		if (rt_fetch(i + 1, level->query->rtable)->rtekind != RTE_RELATION)
			return 0;
		number = identity_of(level, arguments, i + 1);
		*identities |= 1 << number;
		/* whatever order they are joined in */
		sum += mix_tag(1, rt_fetch(i + 1, level->query->rtable)->relid);
	}
	return sum == 0 ? 0 : finish_tag(sum, arguments, *identities);
}

/* The tag and identity of a sum: those of its column. */
static uint32
tag_value(const TwpLevel *level, Arguments *arguments, const Var *value, int32 *identities)
{
	const RangeTblEntry *rte = rt_fetch(value->varno, level->query->rtable);
	int			number;
	uint32		tag;

	*identities = 0;
	if (rte->rtekind != RTE_RELATION)
		return 0;
	number = identity_of(level, arguments, value->varno);
	if (number >= 0)
		*identities = 1 << number;
	tag = mix_tag(mix_tag(2, rte->relid), value->varattno);
	return finish_tag(tag, arguments, *identities);
}

/* Number of an expression among the values; it is added when new. */
static int
argument_number(Arguments *arguments, Node *expr)
{
	ListCell   *lc;

	if (expr == NULL)
		return -1;
	foreach(lc, arguments->values)
		if (equal(lfirst(lc), expr))
			return foreach_current_index(lc);
	arguments->values = lappend(arguments->values, copyObject(expr));
	return list_length(arguments->values) - 1;
}

/* Makes room for identities of all sources. */
static void
init_arguments(const TwpLevel *level, Arguments *arguments)
{
	int			n = Max(level->nsources, 1);

	memset(arguments, 0, sizeof(*arguments));
	arguments->first = palloc(n * sizeof(int));
	arguments->count = palloc0(n * sizeof(int));
	arguments->number = palloc0(n * sizeof(int));
	for (int i = 0; i < n; i++)
		arguments->first[i] = -1;
}

/* Writes the specification of the figures that one aggregate sketches; their tags come first to the gate. */
static Node *
make_spec(const TwpLevel *level, Arguments *arguments, List **tags)
{
	int32	   *spec = palloc((1 + 2 * level->nsources + 4 * list_length(level->figures)) * sizeof(int32));
	int32	   *figures = palloc(4 * Max(list_length(level->figures), 1) * sizeof(int32));
	int			n = 0;
	int			nfigures = 0;
	ListCell   *lc;

	foreach(lc, level->figures)
	{
		const TwpReleaseFigure *figure = lfirst(lc);
		int32	   *at = figures + 4 * nfigures;

		if (figure->subjects != NULL)
			continue;
		at[0] = (int32) (figure->value != NULL ? tag_value(level, arguments, figure->value, &at[1]) :
						 tag_rows(level, arguments, &at[1]));
		at[2] = argument_number(arguments, figure->condition);
		at[3] = argument_number(arguments, (Node *) figure->value);
		*tags = lappend_int(*tags, at[0]);
		nfigures++;
	}
	spec[n++] = arguments->nidentities;
	for (int number = 0; number < arguments->nidentities; number++)
		for (int i = 0; i < level->nsources; i++)
			if (arguments->first[i] >= 0 && arguments->number[i] == number)
			{
				spec[n++] = arguments->first[i];
				spec[n++] = arguments->count[i];
			}
	memcpy(spec + n, figures, 4 * nfigures * sizeof(int32));
	return twp_anonymity_make_ints(spec, n + 4 * nfigures);
}

/* An array of expressions. */
static Node *
make_array(Oid type, Oid element, List *elements)
{
	ArrayExpr  *array = makeNode(ArrayExpr);

	array->array_typeid = type;
	array->element_typeid = element;
	array->elements = elements;
	array->location = -1;
	return (Node *) array;
}

/* Makes the gate's call: all groups' sketches, and which figures of the group are large enough. */
Node *
twp_anonymity_make_gate(TwpLevel *level, Aggref *cell, List *tags)
{
	WindowFunc *gate = makeNode(WindowFunc);
	List	   *cells = list_make1(copyObject(cell));
	List	   *shown = NIL;
	int32	   *numbers;
	int			n = 0;

	/* those of the common aggregate in front, as it has them */
	for (int distinct = 0; distinct <= 1; distinct++)
	{
		ListCell   *lc;

		foreach(lc, level->figures)
		{
			const TwpReleaseFigure *figure = lfirst(lc);

			if ((figure->subjects != NULL) != distinct)
				continue;
			shown = lappend(shown, figure->shown != NULL ? copyObject(figure->shown) : makeBoolConst(true, false));
			if (distinct)
			{
				cells = lappend(cells, figure->sketch != NULL ? copyObject(figure->sketch) : (Node *) copyObject(figure->subjects));
				tags = lappend_int(tags, 0);
			}
		}
	}
	numbers = palloc(Max(list_length(tags), 1) * sizeof(int32));
	for (n = 0; n < list_length(tags); n++)
		numbers[n] = list_nth_int(tags, n);
	gate->winfnoid = twp_anonymity_function("guard_gate");
	gate->wintype = INT8OID;
	gate->args = list_make5(make_use(level), twp_anonymity_make_k(level), twp_anonymity_make_ints(numbers, n),
							make_array(BYTEAARRAYOID, BYTEAOID, cells), make_array(BOOLARRAYOID, BOOLOID, shown));
	gate->winref = 1;
	gate->location = -1;
	return (Node *) gate;
}

/* Place of a figure in what the gate gives: those of the common aggregate come first. */
static int
gate_bit(const TwpLevel *level, int number)
{
	int			bit = 0;

	for (int i = 0; i < number; i++)
		bit += ((TwpReleaseFigure *) list_nth(level->figures, i))->subjects == NULL;
	return bit;
}

/*
 * The value of a figure where the guard shows it: a sum whose numbers are zero
 * for nearly everybody rests on the few others.
 */
Node *
twp_anonymity_show_figure(TwpLevel *level, int number, Node *column)
{
	Var		   *gate = makeVar(1, GATE_COLUMN, INT8OID, -1, InvalidOid, 0);

	return twp_anonymity_make_case(twp_anonymity_make_call("guard_shows", BOOLOID,
														   list_make2(gate, twp_anonymity_make_int(gate_bit(level, number)))),
								   column, NULL);
}

/* Arguments of the aggregate that sketches a level's figures, and the figures' tags. */
List *
twp_anonymity_sketch_arguments(TwpLevel *level, List **tags)
{
	Arguments	arguments;
	Node	   *spec;

	init_arguments(level, &arguments);
	spec = make_spec(level, &arguments, tags);
	if (arguments.values == NIL)
		arguments.values = list_make1(makeBoolConst(true, false));
	return list_concat(list_make4(twp_anonymity_subject(level), twp_anonymity_make_k(level), make_use(level), spec),
					   arguments.values);
}

/* Puts the guard in front of the groups; gives the condition on them. */
Node *
twp_anonymity_guard_groups(TwpLevel *level)
{
	List	   *tags = NIL;
	Aggref	   *cell;

	if (!twp_guard_enabled)
		return (Node *) twp_anonymity_make_aggregate("at_least", BOOLOID,
													 list_make2(twp_anonymity_subject(level), twp_anonymity_make_k(level)));
	cell = twp_anonymity_make_aggregate("guard_cell", BYTEAOID, twp_anonymity_sketch_arguments(level, &tags));
	linitial_node(TargetEntry, level->columns)->expr = (Expr *) twp_anonymity_make_gate(level, cell, tags);
	return twp_anonymity_make_not_null((Node *) cell);
}

/*
 * release_figure.c - what the differencing guard is told of a release.
 *
 * Every different thing that is counted or summed is a figure.  One aggregate
 * sketches them all, is the groups' cohort at the same time, and gives counts,
 * sums and means by the way; with the guard off it sketches nothing.  A window
 * function over all groups, the gate, judges the sketches before the first
 * group leaves.
 *
 * Rows are told apart by the primary key of their table; the tag says how.
 * Tables with one row a subject need none.  Rows of a sub-query, or of a table
 * without a key, which an update would make others of, are not told apart: what
 * is computed from them is compared by its numbers alone.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "anonymity/guard_internal.h"
#include "anonymity/release_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* The column of a release that holds what the gate says: the first. */
#define GATE_COLUMN 1

/* Arguments of the aggregate in front of the values, its state included. */
#define FIXED_ARGUMENTS 3

/* What is gathered for the aggregate. */
typedef struct Arguments
{
	List	   *values;
	int		   *first;			/* [rti - 1]: of a source's identity, -1: not asked for */
	int		   *count;
	int		   *number;			/* of the identity */
	int			nidentities;
} Arguments;

/* True when groups below the cohort are put together. */
bool
twp_anonymity_merges_small(const TwpLevel *level)
{
	return twp_guard_remainder && level->query->groupClause != NIL;
}

/* Number of a figure, the same for equal ones; -1 when there is none, as nothing is compared. */
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
	if (!twp_guard_enabled && (twp_anonymity_merges_small(level) || list_length(level->figures) == TWP_GUARD_MAX_FIGURES))
		return -1;
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

/* Columns of the primary key of a relation, which tell its rows apart; NULL when it has none. */
static Bitmapset *
key_columns(const RangeTblEntry *rte)
{
	Relation	relation = table_open(rte->relid, NoLock);
	Bitmapset  *columns = NULL;
	Bitmapset  *key = NULL;

	if (rte->relkind == RELKIND_PARTITIONED_TABLE || !rte->inh || !has_subclass(rte->relid))
		key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	for (int member = -1; (member = bms_next_member(key, member)) >= 0;)
		columns = bms_add_member(columns, member + FirstLowInvalidHeapAttributeNumber);
	table_close(relation, NoLock);
	return columns;
}

/* Mixes a number into a tag. */
static uint32
mix_tag(uint32 tag, uint32 value)
{
	return hash_combine(tag, murmurhash32(value));
}

/*
 * A tag for rows of a relation as they are told apart.  It is keyed, so that nobody
 * can look for joins of tables that have one tag, whose rows would be compared
 * by identities that they do not share.
 */
static uint32
tag_relation(const TwpLevel *level, const RangeTblEntry *rte, const Bitmapset *columns)
{
	const TwpGuardSecret *secret = twp_guard_secret(level->analysis->terms->use_code);
	uint32		tag = mix_tag((uint32) twp_guard_mix(secret->word[0] ^ secret->word[3], secret->word[1]), rte->relid);

	for (int attno = -1; (attno = bms_next_member(columns, attno)) >= 0;)
		tag = mix_tag(tag, attno);
	return tag;
}

/* Refuses what one aggregate cannot be told of. */
pg_noreturn static void
refuse_large(const TwpLevel *level)
{
	twp_anonymity_refuse(level->analysis, "Ask for fewer aggregates at once, or of a sub-query grouped by the subject.",
						 "a grouping of so many tables, aggregates and conditions");
}

/*
 * Adds the identity of a source's rows to those asked for, and mixes how they
 * are told apart into the tag; false when nothing tells them apart.
 */
static bool
add_identity(const TwpLevel *level, Arguments *arguments, int rti, int32 *identities, uint32 *tag)
{
	const RangeTblEntry *rte = rt_fetch(rti, level->query->rtable);
	Bitmapset  *key;

	if (rte->rtekind != RTE_RELATION)
		return false;
	if (level->sources[rti - 1].once)
	{
		*tag = tag_relation(level, rte, NULL);
		return true;
	}
	key = key_columns(rte);
	if (key == NULL)
		return false;
	*tag = tag_relation(level, rte, key);
	if (arguments->first[rti - 1] < 0)
	{
		if (arguments->nidentities == TWP_GUARD_MAX_IDENTITIES)
			refuse_large(level);
		arguments->first[rti - 1] = list_length(arguments->values);
		arguments->count[rti - 1] = bms_num_members(key);
		arguments->number[rti - 1] = arguments->nidentities++;
		for (int attno = -1; (attno = bms_next_member(key, attno)) >= 0;)
			arguments->values = lappend(arguments->values, twp_anonymity_column(level, rti, attno));
	}
	*identities |= 1 << arguments->number[rti - 1];
	return true;
}

/* The tag and identities of a count of rows: those of all tables with several rows a subject; 0: by its numbers. */
static uint32
tag_rows(const TwpLevel *level, Arguments *arguments, int32 *identities)
{
	uint32		sum = 0;

	*identities = 0;
	for (int i = 0; i < level->nsources; i++)
	{
		uint32		tag;

		if (!level->sources[i].present || !level->sources[i].owned || level->sources[i].once)
			continue;
		if (!add_identity(level, arguments, i + 1, identities, &tag))
			return 0;
		/* whatever order they are joined in */
		sum += tag;
	}
	return sum;
}

/* The tag and identity of a sum: those of its column; 0: by its numbers. */
static uint32
tag_value(const TwpLevel *level, Arguments *arguments, const Var *value, int32 *identities)
{
	uint32		tag;

	*identities = 0;
	if (!add_identity(level, arguments, value->varno, identities, &tag))
		return 0;
	return mix_tag(tag, value->varattno);
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

/* A constant of bytes: numbers, and a text behind them. */
static Node *
make_bytes(const int32 *numbers, Size len, const char *text)
{
	bytea	   *bytes = palloc(VARHDRSZ + len + strlen(text));

	SET_VARSIZE(bytes, VARHDRSZ + len + strlen(text));
	memcpy(VARDATA(bytes), numbers, len);
	memcpy(VARDATA(bytes) + len, text, strlen(text));
	return (Node *) makeConst(BYTEAOID, -1, InvalidOid, -1, PointerGetDatum(bytes), false, false);
}

/*
 * Writes what the aggregate that sketches figures, or (plain) only gives them, is
 * told in one constant: the cohort, identities, figures and the use; gives the
 * figures' tags, too.
 */
static Node *
make_spec(const TwpLevel *level, Arguments *arguments, List **tags, bool plain)
{
	int			nfigures_max = Max(list_length(level->figures), 1);
	int32	   *spec = palloc((TWP_GUARD_SPEC_HEADER + 2 * level->nsources + TWP_GUARD_SPEC_FIGURE * nfigures_max) * sizeof(int32));
	int32	   *figures = palloc0(TWP_GUARD_SPEC_FIGURE * nfigures_max * sizeof(int32));
	int			n = 0;
	int			nfigures = 0;
	ListCell   *lc;

	foreach(lc, level->figures)
	{
		const TwpReleaseFigure *figure = lfirst(lc);
		int32	   *at = figures + TWP_GUARD_SPEC_FIGURE * nfigures;

		if (figure->subjects != NULL)
			continue;
		if (!plain)
			at[0] = (int32) (figure->value != NULL ? tag_value(level, arguments, figure->value, &at[1]) :
							 tag_rows(level, arguments, &at[1]));
		at[2] = argument_number(arguments, figure->condition);
		at[3] = argument_number(arguments, (Node *) figure->value);
		at[4] = figure->part;
		*tags = lappend_int(*tags, at[0]);
		nfigures++;
	}
	spec[n++] = level->analysis->terms->min_cohort;
	spec[n++] = nfigures;
	spec[n++] = arguments->nidentities;
	spec[n++] = !plain;
	for (int number = 0; number < arguments->nidentities; number++)
		for (int i = 0; i < level->nsources; i++)
			if (arguments->first[i] >= 0 && arguments->number[i] == number)
			{
				spec[n++] = arguments->first[i];
				spec[n++] = arguments->count[i];
			}
	memcpy(spec + n, figures, TWP_GUARD_SPEC_FIGURE * nfigures * sizeof(int32));
	return make_bytes(spec, (n + TWP_GUARD_SPEC_FIGURE * nfigures) * sizeof(int32), level->analysis->terms->use_code);
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
	gate->winfnoid = twp_catalog_internal_function("guard_gate");
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
twp_anonymity_sketch_arguments(TwpLevel *level, List **tags, bool plain)
{
	Arguments	arguments;
	Node	   *spec;

	init_arguments(level, &arguments);
	spec = make_spec(level, &arguments, tags, plain);
	if (arguments.values == NIL)
		arguments.values = list_make1(makeBoolConst(true, false));
	/* PostgreSQL's own arrays of types are of that size */
	if (list_length(arguments.values) + FIXED_ARGUMENTS > FUNC_MAX_ARGS)
		refuse_large(level);
	return list_concat(list_make2(twp_anonymity_subject(level), spec), arguments.values);
}

/* The common aggregate, as it is named before all figures are known. */
static Aggref *
make_cell(const TwpLevel *level)
{
	return twp_anonymity_make_aggregate("guard_cell", BYTEAOID, list_make1(twp_anonymity_subject(level)));
}

/* Something that the common aggregate gives of a figure. */
static Node *
make_of_cell(const TwpLevel *level, const char *function, Oid type, int number)
{
	return twp_anonymity_make_call(function, type,
								   list_make2(make_cell(level), twp_anonymity_make_int(gate_bit(level, number))));
}

/* Whether a figure's part of the group is large enough to be shown; NULL: it is no part. */
Node *
twp_anonymity_figure_shown(TwpLevel *level, const TwpReleaseFigure *figure, int number)
{
	TwpReleaseFigure *added = number >= 0 ? list_nth(level->figures, number) : NULL;
	Node	   *shown;

	if (figure->condition == NULL)
		return NULL;
	if (added == NULL || figure->subjects != NULL || twp_anonymity_merges_small(level))
		shown = (Node *) twp_anonymity_make_aggregate("at_least_split", BOOLOID,
													  list_make3(twp_anonymity_subject(level), copyObject(figure->condition),
																 twp_anonymity_make_k(level)));
	else
	{
		added->part = true;
		shown = make_of_cell(level, "guard_split", BOOLOID, number);
	}
	if (added != NULL)
		added->shown = copyObject(shown);
	return shown;
}

/*
 * What the common aggregate gives of a figure by itself: a count, a sum or a mean;
 * NULL where small groups are merged, which adds up PostgreSQL's.
 */
Node *
twp_anonymity_tally_figure(TwpLevel *level, const Aggref *agg, int number)
{
	static const struct
	{
		Oid			function;
		const char *name;
	}			tallied[] = {
		{F_COUNT_, "guard_count"}, {F_COUNT_ANY, "guard_count"}, {F_SUM_INT2, "guard_sum_whole"},
		{F_SUM_INT4, "guard_sum_whole"}, {F_SUM_FLOAT8, "guard_sum_real"}, {F_AVG_INT2, "guard_avg_whole"},
		{F_AVG_INT4, "guard_avg_whole"}, {F_AVG_FLOAT8, "guard_avg_real"},
	};

	if (twp_anonymity_merges_small(level))
		return NULL;
	for (int i = 0; i < lengthof(tallied); i++)
		if (tallied[i].function == agg->aggfnoid)
			return make_of_cell(level, tallied[i].name, agg->aggtype, number);
	return NULL;
}

/* Puts the aggregate into the place of its name. */
static Node *
fill_in_cell(Node *node, Aggref *cell)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref))
		return ((Aggref *) node)->aggfnoid == cell->aggfnoid ? copyObject((Node *) cell) : node;
	return expression_tree_mutator(node, fill_in_cell, cell);
}

/* Puts the guard in front of the groups, unless it is off; gives the condition on them. */
Node *
twp_anonymity_guard_groups(TwpLevel *level)
{
	List	   *tags = NIL;
	Aggref	   *cell = twp_anonymity_make_aggregate("guard_cell", BYTEAOID,
													twp_anonymity_sketch_arguments(level, &tags, !twp_guard_enabled));

	if (twp_guard_enabled)
		linitial_node(TargetEntry, level->columns)->expr = (Expr *) twp_anonymity_make_gate(level, cell, tags);
	level->columns = (List *) fill_in_cell((Node *) level->columns, cell);
	return twp_anonymity_make_not_null((Node *) cell);
}

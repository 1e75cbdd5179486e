/*
 * cell.c - the functions rewritten queries call, one row at a time.
 *
 * All ask the same question, which categories are open for the row's subject,
 * and the answer is kept for the row: the row filter and every cell of the
 * row read the same bits.  What a call derives from the decision is dropped
 * with the decision's epoch; a call made under another stamp begins the
 * decision again and refuses when it is not the one it was planned for.
 *
 * Memory: one context, reset with the epoch; results go to the caller's.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "enforce/enforce_internal.h"
#include "fmgr.h"
#include "ledger/ledger.h"
#include "lineage/lineage.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(twp_enforce_row_noted);
PG_FUNCTION_INFO_V1(twp_enforce_row_visible);
PG_FUNCTION_INFO_V1(twp_enforce_row_writable);
PG_FUNCTION_INFO_V1(twp_enforce_row_deletable);
PG_FUNCTION_INFO_V1(twp_enforce_cell);
PG_FUNCTION_INFO_V1(twp_enforce_cell_strict);
PG_FUNCTION_INFO_V1(twp_enforce_cell_writable);
PG_FUNCTION_INFO_V1(twp_enforce_cell_write);
PG_FUNCTION_INFO_V1(twp_enforce_subject_write);
PG_FUNCTION_INFO_V1(twp_enforce_fixed_write);
PG_FUNCTION_INFO_V1(twp_enforce_purpose_written);

/* What is known of one table and of the row being looked at. */
typedef struct RowState
{
	Oid			relid;
	const TwpTableVerdict *v;
	int16		start_len;
	bool		start_byval;
	/* the row's start value last seen, its subject and what is open for it */
	bool		known;
	bool		has_subject;
	Datum		start;
	Size		start_room;		/* bytes available behind start, for by-reference types */
	TwpSubject	subject;
	text	   *subject_text;	/* what a text subject at the end of a path points into */
	TwpCategorySet open;
	bool		noted;			/* told the running statement */
	TwpDomain  *domain;			/* of the use's masks, opened at the first pseudonym */
	uint64		pin;			/* the key version it was opened for */
} RowState;

/* Per call site: the state of its table, and when that was looked up. */
typedef struct CallSite
{
	uint64		epoch;
	RowState   *row;
} CallSite;

static MemoryContext row_context = NULL;
static List *row_states = NIL;
static uint64 row_epoch = 0;

/* Finds or makes the state of a table under the decision in force. */
static RowState *
find_state(Oid relid)
{
	MemoryContext old;
	RowState   *row;
	ListCell   *lc;

	if (row_epoch != twp_decision_epoch())
	{
		if (row_context == NULL)
			row_context = AllocSetContextCreate(TopMemoryContext, "twin_privacy rows",
												ALLOCSET_SMALL_SIZES);
		row_states = NIL;
		MemoryContextReset(row_context);
		row_epoch = twp_decision_epoch();
	}
	foreach(lc, row_states)
	{
		row = lfirst(lc);
		if (row->relid == relid)
			return row;
	}
	old = MemoryContextSwitchTo(row_context);
	row = palloc0(sizeof(RowState));
	row->relid = relid;
	row->v = twp_decision_table(relid);
	get_typlenbyval(row->v->protection->subject.start_type, &row->start_len, &row->start_byval);
	row_states = lappend(row_states, row);
	MemoryContextSwitchTo(old);
	return row;
}

/* Makes sure that a decision of the plan's own stamp is in force. */
void
twp_enforce_require_decision(uint64 stamp)
{
	if (likely(twp_decision_is_current(stamp)))
		return;
	twp_decision_begin();
	if (!twp_decision_is_current(stamp))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("the bound use changed while the statement was running"),
				 errhint("Run the statement again.")));
}

/* The state for this call, with a decision in force that the call was planned for. */
static RowState *
call_state(FunctionCallInfo fcinfo, Oid relid, uint64 stamp)
{
	CallSite   *site = fcinfo->flinfo->fn_extra;

	if (site != NULL && site->epoch == twp_decision_epoch() && twp_decision_is_current(stamp))
		return site->row;

	twp_enforce_require_decision(stamp);
	if (site == NULL)
		site = fcinfo->flinfo->fn_extra =
			MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	site->row = find_state(relid);
	site->epoch = twp_decision_epoch();
	return site->row;
}

/* True when the row's start value is the one last seen. */
static inline bool
is_last_start(const RowState *row, Datum start)
{
	if (!row->known)
		return false;
	if (row->start_byval)
		return row->start == start;
	if (row->start_len > 0)
		return memcmp(DatumGetPointer(row->start), DatumGetPointer(start), row->start_len) == 0;
	return datumIsEqual(row->start, start, false, row->start_len);
}

/* Keeps a copy of the row's start value, so that the next cell need not ask again. */
static void
remember_start(RowState *row, Datum start)
{
	Size		size;

	if (row->start_byval)
	{
		row->start = start;
		return;
	}
	size = row->start_len > 0 ? (Size) row->start_len : datumGetSize(start, false, row->start_len);
	if (size > row->start_room)
	{
		row->start_room = Max(size, 64);
		row->start = PointerGetDatum(MemoryContextAlloc(row_context, row->start_room));
	}
	memcpy(DatumGetPointer(row->start), DatumGetPointer(start), size);
}

/* Finds the row's subject: the start value, or what its path leads to. */
static void
find_subject(RowState *row, Datum start)
{
	const TwpPath *path = &row->v->protection->subject;
	Datum		value = start;
	bool		isnull = false;

	if (path->nhops > 0)
	{
		isnull = !twp_protect_follow_path(path, start, &value, &isnull) || isnull;
		if (!isnull && row->v->protection->subject_kind == TWP_SUBJECT_TEXT)
		{
			/* the text must outlive the row: the last one is kept until the next */
			MemoryContext old = MemoryContextSwitchTo(row_context);

			if (row->subject_text != NULL)
				pfree(row->subject_text);
			row->subject_text = DatumGetTextPCopy(value);
			value = PointerGetDatum(row->subject_text);
			MemoryContextSwitchTo(old);
		}
	}
	row->has_subject = !isnull;
	if (row->has_subject)
		twp_subject_from_datum(&row->subject, path->type, value);
}

/* Looks the row's subject up, unless it is the one looked up last. */
static void
look_at_row(RowState *row, NullableDatum key)
{
	if (key.isnull)
	{
		row->known = false;
		row->has_subject = false;
		row->open = 0;
		return;
	}
	if (is_last_start(row, key.value))
		return;
	row->known = false;
	row->noted = false;
	if (row->start_len == -1)
		key.value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(key.value));
	remember_start(row, key.value);
	find_subject(row, row->start);
	row->open = row->has_subject ? twp_decision_open(&row->subject) : 0;
	row->known = true;
}

/* Adds what the row's labels ask for, and lists them; false hides the row. */
static bool
add_labels(RowState *row, NullableDatum start, TwpCategorySet *needs, List **found)
{
	const TwpPath *path = &row->v->protection->labels;
	Datum		value = start.value;
	bool		isnull = start.isnull;

	if (!row->v->protection->has_label_path || isnull)
		return true;
	/* a broken path hides the row; NULL at its end is a row without labels */
	if (!twp_protect_follow_path(path, value, &value, &isnull))
		return false;
	if (isnull)
		return true;
	return twp_protect_read_labels(path->type, value, needs, found) && (*needs & row->v->withheld) == 0;
}

/* True when the row was made for what the use is for, or its subject permits the other purpose. */
static bool
purpose_is_open(RowState *row, FunctionCallInfo fcinfo, TwpCategorySet needs)
{
	NullableDatum made_for = fcinfo->args[TWP_FIRST_FACT_ARG + TWP_ROW_PURPOSE];

	if (row->v->protection->facts[TWP_ROW_PURPOSE] == 0)
		return true;
	return !made_for.isnull &&
		twp_decision_purpose_allows(TextDatumGetCString(made_for.value), &row->subject, needs);
}

/* The key by which provenance knows the row; false for a row that has none. */
static bool
traced_key(FunctionCallInfo fcinfo, int arg, TwpSubject *key)
{
	if (PG_ARGISNULL(arg))
		return false;
	twp_subject_from_datum(key, get_fn_expr_argtype(fcinfo->flinfo, arg), PG_GETARG_DATUM(arg));
	return true;
}

/* True when everything the row is made from is open. */
static bool
inputs_are_open(RowState *row, FunctionCallInfo fcinfo)
{
	const NullableDatum *born = &fcinfo->args[TWP_BORN_ARG];
	TwpSubject	key;

	return row->v->protection->nprovenance == 0 ||
		(traced_key(fcinfo, TWP_FIRST_FACT_ARG + TWP_ROW_KEY, &key) &&
		 twp_lineage_open(row->v->protection, &key,
						  born->isnull ? InvalidTransactionId : DatumGetTransactionId(born->value)));
}

/*
 * Says whether a row of nobody's own, made from the data of several (a pooled
 * model), is open: to every one of them.  It is no row of a cohort.
 */
bool
twp_enforce_pooled_is_open(const TwpTableVerdict *v, TwpCategorySet needs, const TwpSubject *key, TransactionId born)
{
	TwpForm		form = twp_decision_use()->form;

	return v->protection->nprovenance > 0 && v->protection->facts[TWP_ROW_PURPOSE] == 0 &&
		v->protection->subject.nhops == 0 && (form == TWP_FORM_IDENTIFIED || form == TWP_FORM_PSEUDONYMISED) &&
		(needs & ~twp_decision_use()->categories) == 0 &&
		twp_lineage_open_pooled(v->protection, key, born, needs);
}

/* The same of the row a call is about. */
static bool
pooled_row_is_open(RowState *row, FunctionCallInfo fcinfo)
{
	const NullableDatum *born = &fcinfo->args[TWP_BORN_ARG];
	TwpCategorySet needs = row->v->needs;
	List	   *labels = NIL;
	TwpSubject	key;

	return traced_key(fcinfo, TWP_FIRST_FACT_ARG + TWP_ROW_KEY, &key) &&
		add_labels(row, fcinfo->args[3], &needs, &labels) &&
		twp_enforce_pooled_is_open(row->v, needs, &key,
								   born->isnull ? InvalidTransactionId : DatumGetTransactionId(born->value));
}

/* The row rule: the table's category and every label open for the row's subject, as the row's facts say. */
static bool
row_is_open(RowState *row, FunctionCallInfo fcinfo)
{
	TwpCategorySet needs = row->v->needs;
	TwpCategorySet open;
	List	   *labels = NIL;
	bool		asks_row;

	look_at_row(row, fcinfo->args[2]);
	if (!row->has_subject)
		return fcinfo->args[2].isnull && pooled_row_is_open(row, fcinfo);
	open = row->open;
	asks_row = twp_enforce_knows_facts(row->v->protection) && twp_decision_asks_row(&row->subject);
	if (!asks_row && (open & needs) != needs)
		return false;
	if (!add_labels(row, fcinfo->args[3], &needs, &labels))
		return false;
	if (asks_row)
		open = twp_enforce_open_row(row->v->protection, &row->subject, labels, fcinfo);
	return (open & needs) == needs && purpose_is_open(row, fcinfo, needs) && inputs_are_open(row, fcinfo);
}

/* row_visible(relation, stamp, key, labels, author, encounter, date): may the row be seen? */
Datum
twp_enforce_row_visible(PG_FUNCTION_ARGS)
{
	RowState   *row = call_state(fcinfo, PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));

	PG_RETURN_BOOL(row_is_open(row, fcinfo));
}

/*
 * row_noted(relation, stamp, key, traced_by, born): true; the last of a scan's
 * filters, it tells the running statement that it is given the row's subject,
 * or all whose data a row of nobody's own is made from.
 */
Datum
twp_enforce_row_noted(PG_FUNCTION_ARGS)
{
	RowState   *row = call_state(fcinfo, PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));
	TwpSubject	key;

	look_at_row(row, fcinfo->args[2]);
	if (fcinfo->args[2].isnull && row->v->protection->nprovenance > 0 && traced_key(fcinfo, 3, &key))
		twp_lineage_visit_subjects(row->v->protection, &key,
								   PG_ARGISNULL(4) ? InvalidTransactionId : DatumGetTransactionId(PG_GETARG_DATUM(4)),
								   twp_enforce_note_subject);
	if (row->has_subject && !row->noted)
	{
		twp_enforce_note_subject(&row->subject);
		row->noted = true;
	}
	PG_RETURN_BOOL(true);
}

/* row_writable(relation, stamp, key, labels, author, encounter, date): true, or an error, for a row about to be stored. */
Datum
twp_enforce_row_writable(PG_FUNCTION_ARGS)
{
	RowState   *row = call_state(fcinfo, PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));

	if (!row_is_open(row, fcinfo))
		twp_enforce_refuse_row(row->relid);
	PG_RETURN_BOOL(true);
}

/* Arguments of cell and its kin: value, relation, stamp, attno, key; cell has a pin, too. */
static const TwpColumnVerdict *
look_at_cell(FunctionCallInfo fcinfo, RowState **row)
{
	*row = call_state(fcinfo, PG_GETARG_OID(1), (uint64) PG_GETARG_INT64(2));
	look_at_row(*row, fcinfo->args[4]);
	return &(*row)->v->columns[PG_GETARG_INT16(3) - 1];
}

/* True when the cell's category is open for the row's subject. */
static bool
cell_is_open(const RowState *row, const TwpColumnVerdict *column)
{
	return row->has_subject && (row->open & column->needs) == column->needs;
}

/* The domain of the use's masks under the version the plan pins, opened once a statement. */
static TwpDomain *
own_domain(RowState *row, uint64 pin)
{
	if (row->domain == NULL || row->pin != pin)
		row->domain = twp_pseudonym_open(twp_decision_use()->code, pin, row_context);
	row->pin = pin;
	return row->domain;
}

/* cell(value, relation, stamp, attno, key, pin): the value where it may be seen, masked or NULL. */
Datum
twp_enforce_cell(PG_FUNCTION_ARGS)
{
	RowState   *row;
	const TwpColumnVerdict *column = look_at_cell(fcinfo, &row);
	bool		keyed = column->mask.kind == TWP_MASK_PSEUDONYM || column->mask.kind == TWP_MASK_DATE_SHIFT;
	Datum		result;
	bool		isnull;

	if (PG_ARGISNULL(0) || !cell_is_open(row, column))
		PG_RETURN_NULL();
	if (column->rule != TWP_CELL_MASK)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	result = twp_enforce_mask(&column->mask, getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0)),
							  PG_GETARG_DATUM(0), keyed ? own_domain(row, (uint64) PG_GETARG_INT64(5)) : NULL,
							  &row->subject, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* Refuses to touch a closed cell. */
static void
refuse_closed_cell(const RowState *row, FunctionCallInfo fcinfo)
{
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("column \"%s\" of table \"%s\" may not be written for this row under use \"%s\"",
					get_attname(row->relid, PG_GETARG_INT16(3), false), get_rel_name(row->relid),
					twp_decision_use()->code),
			 errhint("The row's data subject has no consent for the column's category; leave the column out.")));
}

/* cell_strict: like cell, but a closed cell is an error: it must not be stored as NULL. */
Datum
twp_enforce_cell_strict(PG_FUNCTION_ARGS)
{
	RowState   *row;
	const TwpColumnVerdict *column = look_at_cell(fcinfo, &row);

	if (!cell_is_open(row, column))
		refuse_closed_cell(row, fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* cell_write: the new value, or an error when the cell is closed. */
Datum
twp_enforce_cell_write(PG_FUNCTION_ARGS)
{
	return twp_enforce_cell_strict(fcinfo);
}

/* cell_writable: true for a value that may be stored (nothing is stored by NULL), or an error. */
Datum
twp_enforce_cell_writable(PG_FUNCTION_ARGS)
{
	RowState   *row;
	const TwpColumnVerdict *column = look_at_cell(fcinfo, &row);

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	twp_enforce_refuse_hidden_column(row->v, PG_GETARG_INT16(3));
	if (!cell_is_open(row, column))
		refuse_closed_cell(row, fcinfo);
	PG_RETURN_BOOL(true);
}

/* Everything that hangs on the row's subject: its own cells and the tables whose paths lead through it. */
static TwpCategorySet
needs_of_subject(const RowState *row)
{
	TwpCategorySet needs = twp_protect_path_needs(row->relid);

	for (int i = 0; i < row->v->natts; i++)
		needs |= row->v->columns[i].needs;
	return needs;
}

/*
 * subject_write(value, relation, stamp, attno, key, old): the new value of a column that decides whose row it is.  The
 * row may be given to another subject only by somebody to whom all of it is
 * open: else what is closed now could be read under the other's consent.
 */
Datum
twp_enforce_subject_write(PG_FUNCTION_ARGS)
{
	RowState   *row;
	int16		len;
	bool		byval;

	(void) look_at_cell(fcinfo, &row);
	get_typlenbyval(getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0)), &len, &byval);
	/* many applications assign every column of a row they changed */
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(5) &&
		datum_image_eq(PG_GETARG_DATUM(0), PG_GETARG_DATUM(5), byval, len))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (!row->has_subject || (row->open & needs_of_subject(row)) != needs_of_subject(row))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a row of table \"%s\" may not change its data subject under use \"%s\"",
						get_rel_name(row->relid), twp_decision_use()->code),
				 errhint("It has cells that are closed for its present subject and might be open for the new one.")));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* fixed_write(value, relation, stamp, attno, key, old): the value, or an error when it is not the old one. */
Datum
twp_enforce_fixed_write(PG_FUNCTION_ARGS)
{
	int16		len;
	bool		byval;

	get_typlenbyval(getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0)), &len, &byval);
	if (PG_ARGISNULL(0) != PG_ARGISNULL(5) ||
		(!PG_ARGISNULL(0) && !datum_image_eq(PG_GETARG_DATUM(0), PG_GETARG_DATUM(5), byval, len)))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("column \"%s\" of table \"%s\" is not changed",
						get_attname(PG_GETARG_OID(1), PG_GETARG_INT16(3), false), get_rel_name(PG_GETARG_OID(1))),
				 errhint("What a row was made for, and what its provenance knows it by, stays: write a new row.")));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* purpose_written(relation, stamp, purpose): true, or an error for a new row made for another purpose than the use's. */
Datum
twp_enforce_purpose_written(PG_FUNCTION_ARGS)
{
	RowState   *row = call_state(fcinfo, PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));

	if (PG_ARGISNULL(2) ||
		strcmp(text_to_cstring(PG_GETARG_TEXT_PP(2)), twp_decision_use()->purpose) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a new row of table \"%s\" records the purpose of use \"%s\"",
						get_rel_name(row->relid), twp_decision_use()->code),
				 errhint("Leave the column \"%s\" out: its default is the purpose.",
						 get_attname(row->relid, row->v->protection->facts[TWP_ROW_PURPOSE], false))));
	PG_RETURN_BOOL(true);
}

/*
 * row_deletable: true, or an error, for a row that other tables' paths lead
 * through: whoever deletes it and inserts its key anew gives their rows away.
 */
Datum
twp_enforce_row_deletable(PG_FUNCTION_ARGS)
{
	RowState   *row = call_state(fcinfo, PG_GETARG_OID(0), (uint64) PG_GETARG_INT64(1));
	TwpCategorySet needs = twp_protect_path_needs(row->relid);

	look_at_row(row, fcinfo->args[2]);
	if (!row->has_subject || (row->open & needs) != needs)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("a row of table \"%s\" may not be deleted under use \"%s\"",
						get_rel_name(row->relid), twp_decision_use()->code),
				 errhint("Other tables' rows belong to its data subject through it, and not all of them are open to the use.")));
	PG_RETURN_BOOL(true);
}

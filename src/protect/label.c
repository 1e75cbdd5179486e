/*
 * label.c - the grammar of security labels.
 *
 *	table:   subject=PATH, category=CODE [, label_column=PATH] [, author=COLUMN]
 *	         [, encounter=COLUMN] [, date=COLUMN] [, purpose=COLUMN] [, key=COLUMN]
 *	         [, provenance=TABLE(COLUMN).COLUMN -> TABLE(COLUMN)] ... [, untraced=open|closed]
 *	         [, context=CONTEXT] [, native_rls=on]
 *	         or context=CONTEXT alone, which protects nothing
 *	column:  [category=CODE] [, kind=KIND] [, mask=MASK] [, bounds=LOW:HIGH] [, values=A|B|...]
 *
 * A closed grammar without SQL text: values are names and numbers.  Commas
 * inside double quotes belong to the name.  Pure functions; errors are 22023
 * with the accepted values in the hint, and never echo more than the label.
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"

typedef struct LabelItem
{
	char	   *key;
	char	   *value;
} LabelItem;

static const char *const mask_names[] = {
	[TWP_MASK_NULL] = "null",
	[TWP_MASK_REDACT] = "redact",
	[TWP_MASK_PSEUDONYM] = "pseudonym",
	[TWP_MASK_YEAR] = "year",
	[TWP_MASK_MONTH] = "month",
	[TWP_MASK_DATE_SHIFT] = "date_shift",
	[TWP_MASK_BAND] = "band",
	[TWP_MASK_ROUND] = "round",
	[TWP_MASK_ZIP3] = "zip3",
	[TWP_MASK_PARTIAL] = "partial",
};

static const char *const kind_names[] = {
	[TWP_KIND_PLAIN] = "plain",
	[TWP_KIND_SENSITIVE] = "sensitive",
	[TWP_KIND_QUASI] = "quasi",
	[TWP_KIND_IDENTIFIER] = "identifier",
};

static const char *const fact_names[TWP_ROW_FACTS] = {
	[TWP_ROW_AUTHOR] = "author",
	[TWP_ROW_ENCOUNTER] = "encounter",
	[TWP_ROW_DATE] = "date",
	[TWP_ROW_PURPOSE] = "purpose",
	[TWP_ROW_KEY] = "key",
};

static const char *const context_names[] = {
	[TWP_CONTEXT_NONE] = "none",
	[TWP_CONTEXT_INSURANCE] = "insurance",
	[TWP_CONTEXT_EMPLOYMENT] = "employment",
};

/* Names a context as labels spell it. */
const char *
twp_protect_context_name(TwpContext context)
{
	return context_names[context];
}

/* Names a row fact as labels spell it. */
const char *
twp_protect_fact_name(TwpRowFact fact)
{
	return fact_names[fact];
}

/* Names a mask kind as labels spell it. */
const char *
twp_protect_mask_name(TwpMaskKind kind)
{
	return mask_names[kind];
}

/* Names a column kind as labels spell it. */
const char *
twp_protect_kind_name(TwpColumnKind kind)
{
	return kind_names[kind];
}

/* Cuts white space off both ends, in place. */
static char *
trim(char *text)
{
	char	   *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		*--end = '\0';
	return text;
}

/* Splits a label at commas outside double quotes into key=value items. */
static List *
split_items(const char *text, const char *form)
{
	List	   *items = NIL;
	char	   *rest = pstrdup(text);

	while (rest != NULL)
	{
		LabelItem  *item = palloc(sizeof(LabelItem));
		bool		quoted = false;
		char	   *p;
		char	   *equals;

		for (p = rest; *p != '\0' && (quoted || *p != ','); p++)
			if (*p == '"')
				quoted = !quoted;
		item->key = rest;
		rest = (*p == ',') ? p + 1 : NULL;
		*p = '\0';

		equals = strchr(item->key, '=');
		if (equals == NULL || quoted)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("security label does not parse"),
					 errhint("Write it as: %s.", form)));
		*equals = '\0';
		item->value = trim(equals + 1);
		item->key = trim(item->key);
		if (item->value[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("security label item \"%s\" has no value", item->key),
					 errhint("Write it as: %s.", form)));
		items = lappend(items, item);
	}
	return items;
}

/* Stores an item's value once; a second one is an error. */
static void
set_once(char **target, const LabelItem *item)
{
	if (*target != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("security label item \"%s\" is given twice", item->key),
				 errhint("Keep one of them.")));
	*target = item->value;
}

/* Refuses an item the grammar does not know. */
static void
unknown_item(const LabelItem *item, const char *form)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("security label item \"%s\" is not known", item->key),
			 errhint("Write it as: %s.", form)));
}

/* Stores an item that names the column of a row fact; false when it is another item. */
static bool
set_fact(TwpTableLabel *label, const LabelItem *item)
{
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		if (strcmp(item->key, fact_names[fact]) == 0)
		{
			set_once(&label->facts[fact], item);
			return true;
		}
	return false;
}

/* Reads a context. */
static TwpContext
parse_context(const char *text)
{
	for (int context = TWP_CONTEXT_INSURANCE; context < lengthof(context_names); context++)
		if (strcmp(text, context_names[context]) == 0)
			return (TwpContext) context;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("context \"%s\" is not known", text),
			 errhint("Contexts are insurance and employment.")));
}

/* Reads what rows without provenance are; true for open. */
bool
twp_protect_parse_untraced(const char *text)
{
	if (strcmp(text, "open") != 0 && strcmp(text, "closed") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows without provenance are open or closed, not \"%s\"", text),
				 errhint("Say \"open\" only where some rows of the table are not derived from others.")));
	return strcmp(text, "open") == 0;
}

/* Parses a table's label. */
TwpTableLabel *
twp_protect_parse_table_label(const char *text)
{
	static const char *const form =
		"subject=COLUMN_OR_PATH, category=CODE [, label_column=COLUMN_OR_PATH]"
		" [, author=COLUMN] [, encounter=COLUMN] [, date=COLUMN] [, context=insurance|employment]";
	TwpTableLabel *label = palloc0(sizeof(TwpTableLabel));
	char	   *native_rls = NULL;
	char	   *context = NULL;
	char	   *untraced = NULL;
	ListCell   *lc;

	foreach(lc, split_items(text, form))
	{
		LabelItem  *item = lfirst(lc);

		if (strcmp(item->key, "subject") == 0)
			set_once(&label->subject, item);
		else if (strcmp(item->key, "category") == 0)
			set_once(&label->category, item);
		else if (strcmp(item->key, "label_column") == 0)
			set_once(&label->label_column, item);
		else if (strcmp(item->key, "native_rls") == 0)
			set_once(&native_rls, item);
		else if (strcmp(item->key, "context") == 0)
			set_once(&context, item);
		else if (strcmp(item->key, "untraced") == 0)
			set_once(&untraced, item);
		else if (strcmp(item->key, "provenance") == 0)
			label->provenance = lappend(label->provenance, item->value);
		else if (!set_fact(label, item))
			unknown_item(item, form);
	}
	if (context != NULL)
		label->context = parse_context(context);
	if (untraced != NULL)
		label->untraced_open = twp_protect_parse_untraced(untraced);
	if (context != NULL && list_length(split_items(text, form)) == 1)
		return label;
	if (label->subject == NULL || label->category == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a table's security label needs subject and category"),
				 errhint("Write it as: %s.", form)));
	if (label->provenance != NIL && label->facts[TWP_ROW_KEY] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a table's security label with provenance needs key"),
				 errhint("Use twin_privacy.declare_provenance.")));
	if (native_rls != NULL && !parse_bool(native_rls, &label->native_rls))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("security label item \"native_rls\" takes on or off"),
				 errhint("Leave it out unless the table has row security policies of its own.")));
	return label;
}

/* Prints a table's label in canonical order. */
char *
twp_protect_format_table_label(const TwpTableLabel *label)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	if (label->subject == NULL)
		return psprintf("context=%s", context_names[label->context]);
	appendStringInfo(&text, "subject=%s, category=%s", label->subject, label->category);
	if (label->label_column != NULL)
		appendStringInfo(&text, ", label_column=%s", label->label_column);
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
		if (label->facts[fact] != NULL)
			appendStringInfo(&text, ", %s=%s", fact_names[fact], label->facts[fact]);
	foreach(lc, label->provenance)
		appendStringInfo(&text, ", provenance=%s", (char *) lfirst(lc));
	if (label->untraced_open)
		appendStringInfoString(&text, ", untraced=open");
	if (label->context != TWP_CONTEXT_NONE)
		appendStringInfo(&text, ", context=%s", context_names[label->context]);
	if (label->native_rls)
		appendStringInfoString(&text, ", native_rls=on");
	return text.data;
}

/* Refuses a mask, naming the catalogue. */
static void
bad_mask(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem),
			 errhint("Masks are null, redact, pseudonym, year, month, date_shift, band:N, round:N, zip3 and partial:A:B.")));
}

/* Checks that a step is a plain positive decimal number: digits, at most one point. */
static void
check_step(const char *step, const char *mask)
{
	int			digits = 0;
	int			points = 0;
	bool		positive = false;

	for (const char *p = step; *p != '\0'; p++)
	{
		if (*p == '.')
			points++;
		else if (isdigit((unsigned char) *p))
		{
			digits++;
			positive |= (*p != '0');
		}
		else
			digits = -100;
	}
	if (digits < 1 || digits > 18 || points > 1 || !positive)
		bad_mask(psprintf("mask \"%s\" needs a positive number", mask));
}

/* Reads a count of kept characters. */
static int
parse_kept(const char *text)
{
	char	   *end;
	long		value = strtol(text, &end, 10);

	if (!isdigit((unsigned char) text[0]) || *end != '\0' || value > 1000)
		bad_mask("mask \"partial\" needs two character counts from 0 to 1000");
	return (int) value;
}

/* Parses one mask of the closed catalogue. */
static void
parse_mask(const char *text, TwpMask *mask)
{
	char	   *name = pstrdup(text);
	char	   *args = strchr(name, ':');
	int			kind;

	if (args != NULL)
		*args++ = '\0';
	for (kind = 0; kind < lengthof(mask_names); kind++)
		if (strcmp(name, mask_names[kind]) == 0)
			break;
	if (kind == lengthof(mask_names))
		bad_mask(psprintf("mask \"%s\" is not known", name));

	mask->kind = (TwpMaskKind) kind;
	if (mask->kind == TWP_MASK_BAND || mask->kind == TWP_MASK_ROUND)
	{
		if (args == NULL)
			bad_mask(psprintf("mask \"%s\" needs a positive number", name));
		check_step(args, name);
		mask->step = args;
	}
	else if (mask->kind == TWP_MASK_PARTIAL)
	{
		char	   *second = args != NULL ? strchr(args, ':') : NULL;

		if (second == NULL)
			bad_mask("mask \"partial\" needs two character counts from 0 to 1000");
		*second++ = '\0';
		mask->first = parse_kept(args);
		mask->last = parse_kept(second);
	}
	else if (args != NULL)
		bad_mask(psprintf("mask \"%s\" takes no argument", name));
}

/* Parses the values between which a column's numbers are taken to lie. */
static void
parse_bounds(const char *text, TwpBounds *bounds)
{
	char	   *end;

	errno = 0;
	bounds->low = strtod(text, &end);
	if (end != text && *end == ':')
	{
		const char *high = end + 1;

		bounds->high = strtod(high, &end);
		bounds->declared = end != high && *end == '\0';
	}
	if (!bounds->declared || errno != 0 || strspn(text, "0123456789.:-+eE") != strlen(text) ||
		!(bounds->low < bounds->high) || fabs(bounds->low) > 1e15 || fabs(bounds->high) > 1e15)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("security label item \"bounds\" takes two numbers, the lower one first"),
				 errhint("Write it as bounds=40:400; neither may lie beyond 1e15.")));
}

/* True for a column type that can have bounds. */
bool
twp_protect_bounds_fit(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID ||
		type == NUMERICOID;
}

/* Parses a column's label. */
TwpColumnLabel *
twp_protect_parse_column_label(const char *text)
{
	static const char *const form =
		"category=CODE, kind=identifier|quasi|sensitive|plain, mask=MASK, bounds=LOW:HIGH, values=A|B|... (each optional)";
	TwpColumnLabel *label = palloc0(sizeof(TwpColumnLabel));
	char	   *kind = NULL;
	char	   *mask = NULL;
	char	   *bounds = NULL;
	ListCell   *lc;

	foreach(lc, split_items(text, form))
	{
		LabelItem  *item = lfirst(lc);

		if (strcmp(item->key, "category") == 0)
			set_once(&label->category, item);
		else if (strcmp(item->key, "kind") == 0)
			set_once(&kind, item);
		else if (strcmp(item->key, "mask") == 0)
			set_once(&mask, item);
		else if (strcmp(item->key, "bounds") == 0)
			set_once(&bounds, item);
		else if (strcmp(item->key, "values") == 0)
			set_once(&label->values, item);
		else
			unknown_item(item, form);
	}
	if (bounds != NULL)
		parse_bounds(bounds, &label->bounds);
	label->kind = TWP_KIND_PLAIN;
	if (kind != NULL)
	{
		int			k;

		for (k = 0; k < lengthof(kind_names); k++)
			if (strcmp(kind, kind_names[k]) == 0)
				break;
		if (k == lengthof(kind_names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column kind \"%s\" is not known", kind),
					 errhint("Kinds are identifier, quasi, sensitive and plain.")));
		label->kind = (TwpColumnKind) k;
	}
	label->mask.kind = TWP_MASK_NULL;
	if (mask != NULL)
	{
		label->has_mask = true;
		parse_mask(mask, &label->mask);
	}
	return label;
}

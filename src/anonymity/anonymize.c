/*
 * anonymize.c - the SQL functions of k-anonymity: measure and release.
 *
 * Failure: nothing half done; a table is made only when the model is met.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "anonymity/anonymity_internal.h"
#include "anonymity/guard_internal.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/varlena.h"

#include <math.h>

PG_FUNCTION_INFO_V1(twp_anonymity_k);
PG_FUNCTION_INFO_V1(twp_anonymity_risk_report);
PG_FUNCTION_INFO_V1(twp_anonymity_anonymize);

/* What may be asked of anonymize() beyond its arguments. */
typedef struct Options
{
	bool		global;
	double		suppression;
	TwpMetric	metric;
} Options;

static const char *const option_names[] = {
	"method", "suppression", "metric", "hierarchies", "diversity", "distance", "c",
	"average_risk", "population", "subject",
};

/* Reads the names of the quasi-identifiers. */
static List *
read_quasi(ArrayType *array)
{
	List	   *names = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		ListCell   *lc;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("quasi must not contain null"),
					 errhint("Name columns of the table.")));
		foreach(lc, names)
			if (strcmp(lfirst(lc), NameStr(*DatumGetName(values[i]))) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" is named twice", NameStr(*DatumGetName(values[i]))),
						 errhint("Name each quasi-identifier once.")));
		names = lappend(names, pstrdup(NameStr(*DatumGetName(values[i]))));
	}
	if (n == 0 || n > TWP_MAX_QUASI)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quasi names %d columns", n),
				 errhint("Name 1 to %d columns of the table.", TWP_MAX_QUASI)));
	return names;
}

/* Reads the sensitive column, which is no quasi-identifier. */
static char *
read_sensitive(const List *quasi, const char *name)
{
	ListCell   *lc;

	foreach(lc, quasi)
		if (strcmp(lfirst(lc), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be both quasi-identifier and sensitive", name),
					 errhint("Name another sensitive column.")));
	return pstrdup(name);
}

/* The relation a text names, as the caller's search_path finds it. */
static Oid
find_relation(const char *name)
{
	return RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name))),
							NoLock, false);
}

/* k_anonymity(target regclass, quasi name[]): the least number of subjects in a class. */
Datum
twp_anonymity_k(PG_FUNCTION_ARGS)
{
	TwpDatasetSpec spec = {0};
	TwpMeasures m;
	TwpDataset *ds;

	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(1, "quasi");
	spec.source = PG_GETARG_OID(0);
	spec.quasi = read_quasi(PG_GETARG_ARRAYTYPE_P(1));
	ds = twp_anonymity_load(&spec);
	if (ds->nrows == 0)
		PG_RETURN_NULL();
	twp_anonymity_measure(ds, twp_anonymity_group(ds), 1, &m);
	PG_RETURN_INT32((int32) m.k);
}

/* Fills a column of a result row. */
static void
set_float(Datum *values, bool *nulls, int n, double value, bool known)
{
	values[n] = Float8GetDatum(value);
	nulls[n] = !known;
}

/* risk_report(target, quasi, sensitive, population, c): one row of figures. */
Datum
twp_anonymity_risk_report(PG_FUNCTION_ARGS)
{
	TwpDatasetSpec spec = {0};
	TwpMeasures m;
	TwpDataset *ds;
	TupleDesc	desc;
	Datum		values[14] = {0};
	bool		nulls[14] = {false};
	bool		any;

	TWP_REQUIRE_ARG(0, "target");
	TWP_REQUIRE_ARG(1, "quasi");
	TWP_REQUIRE_ARG(4, "c");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	spec.source = PG_GETARG_OID(0);
	spec.quasi = read_quasi(PG_GETARG_ARRAYTYPE_P(1));
	if (!PG_ARGISNULL(2))
		spec.sensitive = read_sensitive(spec.quasi, NameStr(*PG_GETARG_NAME(2)));
	if (!PG_ARGISNULL(3))
		spec.population = PG_GETARG_OID(3);
	ds = twp_anonymity_load(&spec);
	twp_anonymity_measure(ds, twp_anonymity_group(ds), PG_GETARG_FLOAT8(4), &m);
	any = m.rows > 0;
	values[0] = Int64GetDatum(m.rows);
	values[1] = Int64GetDatum(m.subjects);
	nulls[1] = ds->subject < 0;
	values[2] = Int64GetDatum(m.classes);
	values[3] = Int32GetDatum((int32) m.k);
	nulls[3] = !any;
	values[4] = Int64GetDatum(m.unique_rows);
	set_float(values, nulls, 5, m.k > 0 ? 1.0 / (double) m.k : 1, any);
	/* without a population everybody may know who is in the table */
	if (ds->origin >= 0)
		set_float(values, nulls, 6, m.population_k > 0 ? 1.0 / (double) m.population_k : 1, any);
	else
		set_float(values, nulls, 6, m.k > 0 ? 1.0 / (double) m.k : 1, any);
	set_float(values, nulls, 7, Min(1, (double) m.classes / (double) Max(m.members, 1)), any);
	values[8] = Int32GetDatum(m.l_distinct);
	nulls[8] = !any || ds->sensitive < 0;
	set_float(values, nulls, 9, m.l_entropy, !nulls[8]);
	values[10] = Int32GetDatum(m.l_recursive);
	nulls[10] = nulls[8];
	set_float(values, nulls, 11, m.t_equal, !nulls[8]);
	set_float(values, nulls, 12, m.t_ordered, !nulls[8]);
	set_float(values, nulls, 13, m.sum_of_squares, any);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Text of a scalar option, or NULL when it is not given. */
static char *
option_text(Jsonb *options, const char *name)
{
	JsonbValue	found;
	JsonbValue *value;

	if (options == NULL)
		return NULL;
	value = getKeyJsonValueFromContainer(&options->root, name, (int) strlen(name), &found);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be a text or a number", name),
			 errhint("See the function's comment.")));
}

/* Number of an option between two bounds, or a default. */
static double
option_number(Jsonb *options, const char *name, double low, double high, double otherwise)
{
	char	   *text = option_text(options, name);
	double		number;
	char	   *end;

	if (text == NULL)
		return otherwise;
	number = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || !(number >= low && number <= high))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a number", name),
				 errhint("It lies between %g and %g.", low, high)));
	return number;
}

/* Place of an option among the names allowed; the first is the default. */
static int
option_choice(Jsonb *options, const char *name, const char *const *choices, int n)
{
	char	   *text = option_text(options, name);
	StringInfoData list;

	if (text == NULL)
		return 0;
	for (int i = 0; i < n; i++)
		if (strcmp(text, choices[i]) == 0)
			return i;
	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", choices[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown value of option \"%s\"", name),
			 errhint("Valid values: %s.", list.data)));
}

/* Refuses options that nobody reads. */
static void
check_option_names(Jsonb *options)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("Such as '{\"method\": \"global\"}'.")));
	it = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < lengthof(option_names); i++)
			known |= strlen(option_names[i]) == (size_t) v.val.string.len &&
				memcmp(option_names[i], v.val.string.val, v.val.string.len) == 0;
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%.*s\"", v.val.string.len, v.val.string.val),
					 errhint("Options: method, suppression, metric, hierarchies, diversity, distance, c, average_risk, population, subject.")));
	}
}

/* Reads {"column": "table", ...}. */
static List *
read_hierarchies(Jsonb *options, const TwpDatasetSpec *spec)
{
	List	   *sources = NIL;
	JsonbValue	found;
	JsonbValue *value = getKeyJsonValueFromContainer(&options->root, "hierarchies", 11, &found);
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	TwpHierarchySource *source = NULL;

	if (value == NULL)
		return NIL;
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"hierarchies\" must be a JSON object"),
				 errhint("It names a hierarchy table for each column: '{\"age\": \"age_levels\"}'.")));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		bool		known;
		ListCell   *lc;

		if (token == WJB_KEY)
		{
			source = palloc(sizeof(TwpHierarchySource));
			source->column = pnstrdup(v.val.string.val, v.val.string.len);
			known = spec->sensitive != NULL && strcmp(spec->sensitive, source->column) == 0;
			foreach(lc, spec->quasi)
				known |= strcmp(lfirst(lc), source->column) == 0;
			if (!known)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("hierarchy for column \"%s\", which is not part of the release", source->column),
						 errhint("Name it as quasi-identifier or sensitive column, too.")));
		}
		else if (token == WJB_VALUE)
		{
			if (v.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("hierarchy of column \"%s\" must be the name of a table", source->column),
						 errhint("Make one with twin_privacy.import_hierarchy.")));
			source->table = find_relation(pnstrdup(v.val.string.val, v.val.string.len));
			sources = lappend(sources, source);
		}
	}
	return sources;
}

/* Reads the options into where they belong. */
static void
read_options(Jsonb *options, TwpDatasetSpec *spec, TwpModel *model, Options *o)
{
	static const char *const methods[] = {"mondrian", "global"};
	static const char *const metrics[] = {"entropy", "entropy_monotonic", "discernibility", "average_class"};
	static const char *const diversities[] = {"distinct", "entropy", "recursive"};
	static const char *const distances[] = {"equal", "ordered", "hierarchical"};
	char	   *population;

	if (options != NULL)
	{
		check_option_names(options);
		spec->hierarchies = read_hierarchies(options, spec);
	}
	o->global = option_choice(options, "method", methods, lengthof(methods)) == 1;
	o->metric = (TwpMetric) option_choice(options, "metric", metrics, lengthof(metrics));
	o->suppression = option_number(options, "suppression", 0, 1, 0);
	model->diversity = (TwpDiversity) option_choice(options, "diversity", diversities, lengthof(diversities));
	model->distance = (TwpDistance) option_choice(options, "distance", distances, lengthof(distances));
	model->c = option_number(options, "c", 0, 1e9, 3);
	model->average_risk = option_number(options, "average_risk", 0, 1, -1);
	spec->subject = option_text(options, "subject");
	population = option_text(options, "population");
	if (population != NULL)
		spec->population = find_relation(population);
	if (!o->global && (population != NULL || model->average_risk >= 0 || o->suppression > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options suppression, average_risk and population need method global"),
				 errhint("Add \"method\": \"global\", or leave them out.")));
	if (population != NULL && spec->subject != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options population and subject exclude each other"),
				 errhint("With a population k counts its rows.")));
}

/* Reads k, l and t. */
static void
read_model(FunctionCallInfo fcinfo, const TwpDatasetSpec *spec, TwpModel *model)
{
	model->k = PG_GETARG_INT32(3);
	model->l = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5);
	model->t = PG_ARGISNULL(6) ? -1 : PG_GETARG_FLOAT8(6);
	if (model->k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1"),
				 errhint("Usual values are 5 to 50.")));
	if (!PG_ARGISNULL(5) && model->l < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("l must be at least 1"),
				 errhint("Leave it NULL for no demand on diversity.")));
	if (!PG_ARGISNULL(6) && !(model->t >= 0 && model->t <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("t must lie between 0 and 1"),
				 errhint("Leave it NULL for no demand on closeness.")));
	if ((model->l > 0 || model->t >= 0) && spec->sensitive == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("l and t need a sensitive column"),
				 errhint("Name it in the argument \"sensitive\".")));
}

/* A hierarchical distance needs a tree with one root over the sensitive values. */
static void
check_sensitive_tree(const TwpDataset *ds, const TwpModel *model)
{
	const TwpHierarchy *h = ds->sensitive >= 0 ? ds->attributes[ds->sensitive].hierarchy : NULL;

	if (model->t < 0 || model->distance != TWP_DISTANCE_HIERARCHICAL)
		return;
	if (h == NULL || h->nlevels < 2 || h->nnodes[h->nlevels - 1] > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("distance hierarchical needs a hierarchy of the sensitive column with one root"),
				 errhint("Name its table in the option \"hierarchies\".")));
}

/* Adds a number to the result, or null where it is not known. */
static void
append_number(StringInfo out, const char *name, double value, bool known)
{
	if (known)
		appendStringInfo(out, ", \"%s\": %.10g", name, value);
	else
		appendStringInfo(out, ", \"%s\": null", name);
}

/* Writes the figures of a release as JSON. */
static char *
describe_release(const TwpDataset *ds, const TwpMeasures *m, const Options *o, const TwpRecoding *r,
				 double penalty, const char *target)
{
	StringInfoData out;
	bool		any = m->rows > 0;
	double		all = (double) m->rows + (r != NULL ? (double) r->suppressed : 0);

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"target\": ");
	escape_json(&out, target);
	appendStringInfo(&out, ", \"method\": \"%s\", \"rows\": " INT64_FORMAT ", \"suppressed\": " INT64_FORMAT
					 ", \"classes\": " INT64_FORMAT, o->global ? "global" : "mondrian", m->rows,
					 r != NULL ? r->suppressed : 0, m->classes);
	append_number(&out, "k", (double) m->k, any);
	append_number(&out, "subjects", (double) m->subjects, ds->subject >= 0);
	append_number(&out, "unique_rows", (double) m->unique_rows, true);
	append_number(&out, "prosecutor_risk", m->k > 0 ? 1.0 / (double) m->k : 1, any);
	append_number(&out, "journalist_risk", r != NULL && r->population_k > 0 ? 1.0 / (double) r->population_k :
				  m->k > 0 ? 1.0 / (double) m->k : 1, any);
	append_number(&out, "marketer_risk", Min(1, (double) m->classes / (double) Max(m->members, 1)), any);
	append_number(&out, "l_distinct", m->l_distinct, any && ds->sensitive >= 0);
	append_number(&out, "l_entropy", m->l_entropy, any && ds->sensitive >= 0);
	append_number(&out, "l_recursive", m->l_recursive, any && ds->sensitive >= 0);
	append_number(&out, "t_equal", m->t_equal, any && ds->sensitive >= 0);
	append_number(&out, "t_ordered", m->t_ordered, any && ds->sensitive >= 0);
	append_number(&out, "discernibility", m->sum_of_squares, true);
	append_number(&out, "gcp", all > 0 ? (penalty * (double) m->rows + (all - (double) m->rows)) / all : 0, true);
	if (r != NULL)
	{
		append_number(&out, "loss", r->loss, true);
		append_number(&out, "nodes_examined", (double) r->examined, true);
		appendStringInfoString(&out, ", \"levels\": {");
		for (int i = 0; i < ds->nquasi; i++)
		{
			appendStringInfoString(&out, i > 0 ? ", " : "");
			escape_json(&out, ds->attributes[i].name);
			appendStringInfo(&out, ": %d", r->levels[i]);
		}
		appendStringInfoChar(&out, '}');
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

/* Says that the model cannot be met. */
pg_noreturn static void
refuse_model(const TwpDatasetSpec *spec)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no release of \"%s\" meets the model", get_rel_name(spec->source)),
			 errdetail("Even the most general form falls short of k, l, t or the risk asked for."),
			 errhint("Ask for less, allow suppression, or release more rows.")));
}

/* anonymize(source, target, quasi, k, sensitive, l, t, options): a new table and its figures. */
Datum
twp_anonymity_anonymize(PG_FUNCTION_ARGS)
{
	TwpDatasetSpec spec = {0};
	TwpModel	model = {0};
	Options		o;
	TwpDataset *ds;
	TwpClasses *classes = NULL;
	TwpRecoding *recoding = NULL;
	TwpMeasures m;
	const int  *levels = NULL;
	double		penalty;
	char	   *target;
	char	   *figures;

	TWP_REQUIRE_ARG(0, "source");
	TWP_REQUIRE_ARG(1, "target");
	TWP_REQUIRE_ARG(2, "quasi");
	TWP_REQUIRE_ARG(3, "k");
	spec.source = PG_GETARG_OID(0);
	target = text_to_cstring(PG_GETARG_TEXT_PP(1));
	spec.quasi = read_quasi(PG_GETARG_ARRAYTYPE_P(2));
	if (!PG_ARGISNULL(4))
		spec.sensitive = read_sensitive(spec.quasi, NameStr(*PG_GETARG_NAME(4)));
	read_model(fcinfo, &spec, &model);
	read_options(PG_ARGISNULL(7) ? NULL : PG_GETARG_JSONB_P(7), &spec, &model, &o);

	ds = twp_anonymity_load(&spec);
	check_sensitive_tree(ds, &model);
	if (o.global)
	{
		recoding = twp_anonymity_recode(ds, &model, o.metric, o.suppression, &classes);
		if (!recoding->found)
			refuse_model(&spec);
		levels = recoding->levels;
		/* the population is gone; every row is of the table itself */
		ds->origin = -1;
	}
	else
	{
		classes = twp_anonymity_mondrian(ds, &model);
		if (classes->n == 0 && ds->nrows > 0)
			refuse_model(&spec);
	}
	twp_anonymity_measure(ds, classes, model.c, &m);
	penalty = twp_anonymity_penalty(ds, classes, levels);
	(void) twp_anonymity_publish(ds, classes, levels, spec.source, target);
	figures = describe_release(ds, &m, &o, recoding, penalty, target);
	if (twp_protect_is_protected(spec.source))
		(void) twp_ledger_event("anonymity.release", target, NULL, figures, NULL);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(figures)));
}

/* Starts the room: its settings. */
void
twp_anonymity_init(void)
{
	twp_anonymity_define_private_settings();
	twp_guard_init();
}

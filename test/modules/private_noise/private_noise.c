/*
 * private_noise.c - the noise of private uses callable from SQL, for tests only.
 *
 * The room's own files are compiled in.  The sampler that noise.c calls is put
 * behind a switch, so that a broken one takes its place on demand: a test that
 * does not notice those proves nothing.
 */
#include "postgres.h"

#include "base/compat.h"
#include "anonymity/sampler.c"

static int64 switched_laplace(uint64 numerator, uint64 denominator);
static bool switched_bernoulli(uint128 numerator, uint128 denominator);

#define twp_noise_laplace switched_laplace
#define twp_noise_bernoulli_exp switched_bernoulli
#include "anonymity/domain.c"
#include "anonymity/noise.c"
#include "anonymity/people.c"
#include "anonymity/quantile.c"
#undef twp_noise_laplace
#undef twp_noise_bernoulli_exp

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(pn_samples);
PG_FUNCTION_INFO_V1(pn_sample_loop);
PG_FUNCTION_INFO_V1(pn_releases);
PG_FUNCTION_INFO_V1(pn_quantiles);

static const char *noise = "exact";

/* A uniform number in (0, 1). */
static double
uniform_float(void)
{
	return ((double) (random_bits() >> 11) + 0.5) / 9007199254740992.0;
}

/* Samples from the sampler of a name. */
static int64
sample(const char *sampler, int64 a, int64 b)
{
	if (strcmp(sampler, "laplace") == 0)
		return twp_noise_laplace(a, b);
	if (strcmp(sampler, "gaussian") == 0)
		return twp_noise_gaussian(a);
	/* the textbook's float noise, rounded */
	if (strcmp(sampler, "rounded") == 0)
	{
		double		u = uniform_float() - 0.5;

		return (int64) rint((u < 0 ? 1 : -1) * log(1 - 2 * fabs(u)) * a / b);
	}
	/* zero twice as often: the case the sampler draws again */
	if (strcmp(sampler, "double_zero") == 0)
	{
		int64		x = llabs(twp_noise_laplace(a, b));

		return (random_bits() & 1) != 0 ? x : x == 0 && uniform_float() < 0.5 ? 1 : -x;
	}
	/* scale 5 % too small */
	if (strcmp(sampler, "narrow") == 0)
		return twp_noise_laplace(a * 95, b * 100);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no such sampler")));
}

/* What noise.c calls. */
static int64
switched_laplace(uint64 numerator, uint64 denominator)
{
	if (strcmp(noise, "exact") == 0 || strcmp(noise, "rows") == 0)
		return twp_noise_laplace(numerator, denominator);
	if (strcmp(noise, "none") == 0)
		return 0;
	/* half the scale, as if each row and not each subject were hidden */
	if (strcmp(noise, "half") == 0)
		return twp_noise_laplace(numerator / 2, denominator);
	/* noise of too few bits */
	if (strcmp(noise, "bounded") == 0)
		return (int64) twp_noise_uniform(2 * (numerator / denominator) + 1) - (int64) (numerator / denominator);
	return sample(noise, numerator, denominator);
}

/* What quantile.c calls. */
static bool
switched_bernoulli(uint128 numerator, uint128 denominator)
{
	/* as if each of four rows and not each subject were hidden */
	if (strcmp(noise, "rows") == 0)
		return twp_noise_bernoulli_exp(4 * numerator, denominator);
	return twp_noise_bernoulli_exp(numerator, denominator);
}

/* Gives samples. */
Datum
pn_samples(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *sampler = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		isnull = false;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < PG_GETARG_INT32(3); i++)
	{
		Datum		value = Int64GetDatum(sample(sampler, PG_GETARG_INT64(1), PG_GETARG_INT64(2)));

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

/* Samples and forgets. */
Datum
pn_sample_loop(PG_FUNCTION_ARGS)
{
	bool		gaussian = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "gaussian") == 0;
	uint64		a = PG_GETARG_INT64(1);
	uint64		b = PG_GETARG_INT64(2);
	int64		sum = 0;

	for (int i = 0; i < PG_GETARG_INT32(3); i++)
		sum += gaussian ? twp_noise_gaussian(a) : twp_noise_laplace(a, b);
	PG_RETURN_INT64(sum);
}

/* The groups that an array of {subject, group, rows, value} describes. */
static TwpGroup *
make_groups(const int32 *numbers, int n, int *ngroups)
{
	TwpGroup   *groups;

	*ngroups = 1;
	for (int i = 0; i < n; i++)
		*ngroups = Max(*ngroups, numbers[4 * i + 1] + 1);
	groups = palloc0(*ngroups * sizeof(TwpGroup));
	for (int g = 0; g < *ngroups; g++)
	{
		groups[g].keys = palloc(sizeof(char *));
		groups[g].keys[0] = psprintf("%06d", g);
		groups[g].parts = palloc0(n * 3 * sizeof(int64) + 1);
	}
	for (int i = 0; i < n; i++)
	{
		const int32 *at = numbers + 4 * i;
		TwpGroup   *group = &groups[at[1]];
		int64	   *part = group->parts + group->nparts++ * 3;

		part[TWP_PART_KEY] = at[0];
		*twp_part_count(part, -1) = *twp_part_count(part, 0) = at[2];
		part[2] = (int64) at[2] * at[3];
	}
	return groups;
}

/* Makes releases. */
Datum
pn_releases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	TwpBoundedLayout *layout = palloc0(TWP_LAYOUT_SIZE(1));
	TwpFigure	figures[3] = {{TWP_FIGURE_COUNT, -1}, {TWP_FIGURE_SUM, 0}, {TWP_FIGURE_SUBJECTS, -1}};
	TwpRelease	release = {.nkeys = 1,.grouped = PG_GETARG_BOOL(2),.layout = layout,.nfigures = 3,.figures = figures};
	TwpReleaseOptions options = {.epsilon = (int64) rint(PG_GETARG_FLOAT8(3) * TWP_EPSILON_UNIT),
		.delta = (int64) rint(PG_GETARG_FLOAT8(4) * TWP_DELTA_UNIT),.min_cohort = 1,
	.max_rows = PG_GETARG_INT32(5),.max_groups = PG_GETARG_INT32(6)};
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) / 4;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "release", ALLOCSET_DEFAULT_SIZES);

	layout->ncolumns = 1;
	layout->columns[0] = (TwpBoundedColumn){.summed = true,.step = 1,.width = 100};
	InitMaterializedSRF(fcinfo, 0);
	noise = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < PG_GETARG_INT32(7); i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int			ngroups;
		TwpGroup   *groups = make_groups((int32 *) ARR_DATA_PTR(array), n, &ngroups);
		List	   *rows = twp_private_add_noise(&release, &options, groups, ngroups);
		TwpNoisyRow *row = rows == NIL ? NULL : linitial(rows);
		Datum		values[3] = {0};
		bool		nulls[3];

		for (int f = 0; f < 3; f++)
		{
			nulls[f] = row == NULL || strcmp(row->keys[0], "000000") != 0;
			if (!nulls[f])
				values[f] = Float8GetDatum(row->figures[f].value);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	noise = "exact";
	return (Datum) 0;
}

/* The groups of bins that an array of {subject, group, bin, rows} describes. */
static TwpGroup *
make_bins(const int32 *numbers, int n, int *ngroups)
{
	TwpGroup   *groups = palloc0(Max(n, 1) * sizeof(TwpGroup));

	*ngroups = 0;
	for (int i = 0; i < n; i++)
	{
		const int32 *at = numbers + 4 * i;
		char	   *keys[2] = {psprintf("%06d", at[1]), psprintf("%d", at[2])};
		TwpGroup   *group = groups;
		int64	   *part;

		while (group < groups + *ngroups && (strcmp(group->keys[0], keys[0]) != 0 || strcmp(group->keys[1], keys[1]) != 0))
			group++;
		if (group == groups + *ngroups)
		{
			++*ngroups;
			group->keys = memcpy(palloc(sizeof(keys)), keys, sizeof(keys));
			group->parts = palloc0(n * 2 * sizeof(int64));
		}
		part = group->parts + group->nparts++ * 2;
		part[TWP_PART_KEY] = at[0];
		*twp_part_count(part, -1) = at[3];
	}
	return groups;
}

/* Draws quantiles. */
Datum
pn_quantiles(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	TwpBoundedLayout *layout = palloc0(TWP_LAYOUT_SIZE(0));
	TwpFigure	figure = {TWP_FIGURE_QUANTILE,.millionths = (int) rint(PG_GETARG_FLOAT8(3) * 1000000)};
	TwpRelease	release = {.nkeys = 1,.grouped = true,.layout = layout,.nfigures = 1,.figures = &figure,
	.nbins = PG_GETARG_INT32(2),.high = PG_GETARG_INT32(2)};
	TwpReleaseOptions options = {.epsilon = (int64) rint(PG_GETARG_FLOAT8(4) * TWP_EPSILON_UNIT),
		.delta = (int64) rint(PG_GETARG_FLOAT8(5) * TWP_DELTA_UNIT),.min_cohort = 1,
	.max_rows = PG_GETARG_INT32(6),.max_groups = PG_GETARG_INT32(7)};
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) / 4;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quantiles", ALLOCSET_DEFAULT_SIZES);

	InitMaterializedSRF(fcinfo, 0);
	noise = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 0; i < PG_GETARG_INT32(8); i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int			ngroups;
		TwpGroup   *groups = make_bins((int32 *) ARR_DATA_PTR(array), n, &ngroups);
		Datum		values[2] = {0};
		bool		nulls[2] = {true, true};
		ListCell   *lc;

		foreach(lc, twp_private_add_quantiles(&release, &options, groups, ngroups))
		{
			const TwpNoisyRow *row = lfirst(lc);
			int			group = atoi(row->keys[0]);

			if (group > 1)
				continue;
			values[group] = Int32GetDatum((int) ceil(row->figures[0].value));
			nulls[group] = false;
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	noise = "exact";
	return (Datum) 0;
}

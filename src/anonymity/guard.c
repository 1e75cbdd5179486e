/*
 * guard.c - the gate in front of released groups, and its settings.
 *
 * guard_gate() is a window function over all groups of a release: at the first
 * it has read and judged them all, so that none leaves before.  A release that
 * has one figure too near to an earlier one, or a sum over the visible groups
 * that is, is refused as a whole: which figure it was is not told.  What
 * passes is durable before the first group leaves.
 *
 * Not promised: sums and differences of more than two figures or visible
 * totals; what a refusal tells by itself; figures of other uses.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "anonymity/anonymity.h"
#include "anonymity/guard_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/event.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "uses/uses.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"
#include "windowapi.h"

PG_FUNCTION_INFO_V1(twp_anonymity_guard_gate);
PG_FUNCTION_INFO_V1(twp_anonymity_guard_shows);
PG_FUNCTION_INFO_V1(twp_anonymity_forget_releases);

bool		twp_guard_enabled = true;
bool		twp_guard_remainder = false;
int			twp_guard_retention_days = 365;
int			twp_guard_memory_kb = 65536;

/* Arguments of the gate. */
enum
{
	GATE_USE, GATE_K, GATE_TAGS, GATE_CELLS, GATE_SHOWN
};

/* What the gate says of every group: bits of the figures shown. */
typedef struct Verdicts
{
	bool		judged;
	int64		masks[FLEXIBLE_ARRAY_MEMBER];
} Verdicts;

/* The judging of one release. */
typedef struct Judging
{
	const char *use_code;
	int			k;
	int			nfigures;
	uint32		tags[TWP_GUARD_MAX_FIGURES];
	TimestampTz now;
	TwpGuardStore *store;
	TwpGuardFigure totals[TWP_GUARD_MAX_FIGURES];
	int			parts[TWP_GUARD_MAX_FIGURES];	/* groups in a total */
} Judging;

/* Drops cached plans: one made with the guard off must not outlive the setting. */
static void
assign_enabled(bool newval, void *extra)
{
	if (newval != twp_guard_enabled)
		ResetPlanCache();
}

/* Drops cached plans likewise. */
static void
assign_remainder(bool newval, void *extra)
{
	if (newval != twp_guard_remainder)
		ResetPlanCache();
}

/* Raises that a release lies too near to an earlier one. */
static void
refuse_near(const Judging *judging)
{
	twp_guard_abandon(judging->store);
	ereport(ERROR,
			(errcode(ERRCODE_TWP_OUTSIDE_USE),
			 errmsg("use \"%s\" does not release figures that differ from released ones for fewer than %d data subjects",
					judging->use_code, judging->k),
			 errhint("Ask what was asked before, or for groups that differ by more people; new data of a few people can be asked for when there is more of it.")));
}

/* Reads the header of what an aggregate gives, and checks that its cells are there. */
static TwpGuardCell
read_header(const bytea *packed)
{
	TwpGuardCell header;
	Size		size = VARSIZE_ANY_EXHDR(packed);

	if (size < sizeof(header))
		twp_guard_refuse_bytes();
	memcpy(&header, VARDATA_ANY(packed), sizeof(header));
	if (header.nfigures < 0 || header.nfigures > TWP_GUARD_MAX_FIGURES || header.columns < 0 ||
		(header.columns & (header.columns - 1)) != 0 ||
		size - sizeof(header) != header.nfigures * (sizeof(TwpGuardTally) + (Size) header.columns * 2 * sizeof(uint64)))
		twp_guard_refuse_bytes();
	return header;
}

/* Takes one figure out of what an aggregate gives; its cells are palloc'd.  False: it has none. */
static bool
take_figure(bytea *packed, int number, uint32 tag, TimestampTz now, TwpGuardFigure *figure)
{
	TwpGuardCell header = read_header(packed);
	const char *cells = VARDATA_ANY(packed) + sizeof(header) + header.nfigures * sizeof(TwpGuardTally);
	int			ncells;

	if (header.columns == 0)
		return false;
	if (number >= header.nfigures)
		twp_guard_refuse_bytes();
	ncells = header.columns;
	figure->tag = tag;
	figure->columns = header.columns;
	figure->released_at = now;
	figure->exact = palloc(2 * ncells * sizeof(uint64));
	figure->identity = figure->exact + ncells;
	for (int i = 0; i < ncells; i++)
	{
		uint64		pair[2];

		memcpy(pair, cells + (Size) (i * header.nfigures + number) * sizeof(pair), sizeof(pair));
		figure->exact[i] = pair[0];
		figure->identity[i] = pair[1];
	}
	return true;
}

/*
 * True for a sum to which fewer than k subjects add anything although more
 * have rows.
 */
static bool
rests_on_few(const TwpGuardFigure *figure, int k)
{
	int			adding;

	k = Min(k, TWP_GUARD_MAX_SUBJECTS);
	adding = twp_guard_distance(figure->exact, figure->columns, NULL, 0, 1, k);
	return adding < k && adding < twp_guard_distance(figure->identity, figure->columns, NULL, 0, 1, k);
}

/* Adds a figure to the sum over groups. */
static void
add_to_total(TwpGuardFigure *total, const TwpGuardFigure *figure, bool first)
{
	int			ncells = first ? figure->columns : Min(total->columns, figure->columns);
	uint64	   *sum = palloc0(4 * ncells * sizeof(uint64));

	if (!first)
	{
		twp_guard_fold(total->exact, total->columns, sum, ncells);
		twp_guard_fold(total->identity, total->columns, sum + ncells, ncells);
		pfree(total->exact);
	}
	twp_guard_fold(figure->exact, figure->columns, sum + 2 * ncells, ncells);
	twp_guard_fold(figure->identity, figure->columns, sum + 3 * ncells, ncells);
	for (int i = 0; i < 2 * ncells; i++)
		sum[i] = twp_guard_add(sum[i], sum[2 * ncells + i]);
	*total = *figure;
	total->columns = ncells;
	total->exact = sum;
	total->identity = sum + ncells;
}

/* Judges a group; gives the bits of what is shown of it. */
static int64
judge_group(Judging *judging, ArrayType *cells, ArrayType *shown)
{
	Datum	   *packed;
	Datum	   *shows;
	bool	   *packed_nulls;
	bool	   *show_nulls;
	int			npacked;
	int			nshown;
	int			common;
	int64		mask = 0;

	deconstruct_array(cells, BYTEAOID, -1, false, TYPALIGN_INT, &packed, &packed_nulls, &npacked);
	deconstruct_array(shown, BOOLOID, 1, true, TYPALIGN_CHAR, &shows, &show_nulls, &nshown);
	if (nshown != judging->nfigures || npacked < 1 || packed_nulls[0])
		twp_guard_refuse_bytes();
	common = nshown - (npacked - 1);
	for (int i = 0; i < nshown; i++)
	{
		TwpGuardFigure figure;
		int			n = i < common ? 0 : 1 + i - common;

		if (show_nulls[i] || !DatumGetBool(shows[i]) || packed_nulls[n] ||
			!take_figure(DatumGetByteaPP(packed[n]), i < common ? i : 0, judging->tags[i], judging->now, &figure) ||
			rests_on_few(&figure, judging->k))
			continue;
		if (!twp_guard_admit(judging->store, &figure, judging->k))
			refuse_near(judging);
		add_to_total(&judging->totals[i], &figure, judging->parts[i]++ == 0);
		pfree(figure.exact);
		mask |= INT64CONST(1) << i;
	}
	return mask;
}

/* Reads the constant arguments and locks the use's releases. */
static void
begin_judging(WindowObject window, Judging *judging)
{
	bool		isnull;
	ArrayType  *tags;

	memset(judging, 0, sizeof(*judging));
	for (int i = GATE_USE; i <= GATE_SHOWN; i++)
	{
		(void) WinGetFuncArgCurrent(window, i, &isnull);
		if (isnull)
			twp_guard_refuse_bytes();
	}
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("aggregates are not released on a standby"),
				 errhint("What was released is remembered where it is released: ask the primary, or turn off twin_privacy.differencing_guard here.")));
	judging->use_code = text_to_cstring(DatumGetTextPP(WinGetFuncArgCurrent(window, GATE_USE, &isnull)));
	judging->k = DatumGetInt32(WinGetFuncArgCurrent(window, GATE_K, &isnull));
	tags = DatumGetArrayTypeP(WinGetFuncArgCurrent(window, GATE_TAGS, &isnull));
	judging->nfigures = ArrayGetNItems(ARR_NDIM(tags), ARR_DIMS(tags));
	if (judging->nfigures > TWP_GUARD_MAX_FIGURES)
		twp_guard_refuse_bytes();
	if (judging->nfigures > 0)
		memcpy(judging->tags, ARR_DATA_PTR(tags), judging->nfigures * sizeof(uint32));
	judging->now = GetCurrentTimestamp();
	judging->store = twp_guard_open(judging->use_code);
}

/* Judges all groups. */
static void
judge_release(WindowObject window, int64 n, Verdicts *verdicts)
{
	Judging		judging;

	begin_judging(window, &judging);
	for (int64 i = 0; i < n; i++)
	{
		bool		isnull;
		bool		isout;
		ArrayType  *cells;
		ArrayType  *shown;

		CHECK_FOR_INTERRUPTS();
		cells = DatumGetArrayTypeP(WinGetFuncArgInPartition(window, GATE_CELLS, (int) i, WINDOW_SEEK_HEAD,
															false, &isnull, &isout));
		shown = DatumGetArrayTypeP(WinGetFuncArgInPartition(window, GATE_SHOWN, (int) i, WINDOW_SEEK_HEAD,
															false, &isnull, &isout));
		verdicts->masks[i] = judge_group(&judging, cells, shown);
	}
	for (int i = 0; i < judging.nfigures; i++)
		if (judging.parts[i] > 1 && !twp_guard_admit(judging.store, &judging.totals[i], judging.k))
			refuse_near(&judging);
	twp_guard_close(judging.store);
	verdicts->judged = true;
}

/* guard_gate(use, k, tags, cells, shown): bits of the figures of a group that are shown. */
Datum
twp_anonymity_guard_gate(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	int64		n = WinGetPartitionRowCount(window);
	Verdicts   *verdicts = WinGetPartitionLocalMemory(window, offsetof(Verdicts, masks) + n * sizeof(int64));

	if (!verdicts->judged)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy gate", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		judge_release(window, n, verdicts);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_RETURN_INT64(verdicts->masks[WinGetCurrentPosition(window)]);
}

/* guard_shows(gate, figure): may the figure be shown? */
Datum
twp_anonymity_guard_shows(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((PG_GETARG_INT64(0) >> PG_GETARG_INT32(1)) & 1);
}

/* forget_releases(use, reason): forgets what a use released; gives how many figures. */
Datum
twp_anonymity_forget_releases(PG_FUNCTION_ARGS)
{
	const TwpUse *use;
	char	   *code;
	StringInfoData detail;
	int64		n;

	TWP_REQUIRE_ARG(0, "use");
	TWP_REQUIRE_ARG(1, "reason");
	twp_role_require(TWP_ROLES(TWP_ROLE_OFFICER), "forget releases");
	code = text_to_cstring(PG_GETARG_TEXT_PP(0));
	use = twp_uses_find(code);
	if (use == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("use \"%s\" does not exist", code),
				 errhint("See twin_privacy.approved_uses.")));
	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"reason\": ");
	escape_json(&detail, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	appendStringInfoChar(&detail, '}');
	twp_event_emit("use.forget_releases", code, NULL, detail.data);
	n = twp_guard_forget(code);
	PG_RETURN_INT64(n);
}

/* Defines the guard's settings. */
void
twp_guard_init(void)
{
	DefineCustomBoolVariable("twin_privacy.differencing_guard",
							 "Compares what aggregate-only uses release with what they released before.",
							 "Off, two releases that differ for few people can be subtracted.",
							 &twp_guard_enabled, true,
							 PGC_SUSET, GUC_NOT_WHILE_SEC_REST, NULL, assign_enabled, NULL);
	DefineCustomBoolVariable("twin_privacy.remainder_group",
							 "Merges groups below the cohort into one under aggregate-only uses.",
							 "Its keys are NULL; it is shown when it has the cohort.",
							 &twp_guard_remainder, false,
							 PGC_USERSET, 0, NULL, assign_remainder, NULL);
	DefineCustomIntVariable("twin_privacy.guard_retention",
							"Days for which releases of aggregate-only uses are remembered.",
							"0 means for ever.",
							&twp_guard_retention_days, 365, 0, 36500,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.guard_memory",
							"Size up to which the releases of a use are remembered.",
							"A use that released more is refused whatever it did not release before.",
							&twp_guard_memory_kb, 65536, 64, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
}

/*
 * lookup.c - uses, grants and acknowledgements, read under a fresh snapshot.
 *
 * The three tables are small, so all of them are read at once into one
 * memory context and dropped together when any of them (or the categories
 * they name) is announced changed.  systable scans without a snapshot see the
 * newest commits even inside REPEATABLE READ, and work in parallel workers.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "base/news.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "uses/uses_internal.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

static const char *const form_names[] = {
	[TWP_FORM_IDENTIFIED] = "identified",
	[TWP_FORM_PSEUDONYMISED] = "pseudonymised",
	[TWP_FORM_AGGREGATE] = "aggregate",
	[TWP_FORM_PRIVATE] = "private",
};

static const char *const basis_names[] = {
	[TWP_BASIS_CONSENT] = "consent",
	[TWP_BASIS_VITAL_INTEREST] = "vital_interest",
	[TWP_BASIS_LEGAL_OBLIGATION] = "legal_obligation",
	[TWP_BASIS_PUBLIC_HEALTH] = "public_health",
};

static const char *const status_names[] = {
	[TWP_USE_PROPOSED] = "proposed",
	[TWP_USE_APPROVED] = "approved",
	[TWP_USE_SUSPENDED] = "suspended",
};

/* A grant (version 0) or an acknowledgement (statement version from 1). */
typedef struct UseRole
{
	char	   *code;
	Oid			role;
	int			version;
} UseRole;

/* The tables whose news empty the cache. */
static const char *const watched_names[] = {
	"approved_use", "use_grant", "use_acknowledgement", "category", "recipient_kind", "scoring_exception",
};
static Oid	watched[lengthof(watched_names)];

static MemoryContext cache_context = NULL;
static List *cached_uses = NIL;
static List *cached_grants = NIL;
static List *cached_acknowledgements = NIL;
static List *cached_exceptions = NIL;
static uint64 news = 1;
static uint64 cached_news = 0;

/* Notes news about one of our tables. */
static void
note_news(Datum arg, Oid relid)
{
	for (int i = 0; i < lengthof(watched); i++)
		if (!OidIsValid(relid) || relid == watched[i])
		{
			news++;
			return;
		}
}

/* Registers for news about our tables. */
void
twp_uses_lookup_init(void)
{
	twp_news_listen(note_news);
}

/* Grows when anything about uses may have changed. */
uint64
twp_uses_news(void)
{
	return news;
}

/* Finds a name in one of the tables of names above; -1 when it is not there. */
static int
find_name(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* Form of disclosure by name, or -1. */
int
twp_uses_form_by_name(const char *name)
{
	return find_name(form_names, lengthof(form_names), name);
}

/* Basis by name, or -1. */
int
twp_uses_basis_by_name(const char *name)
{
	return find_name(basis_names, lengthof(basis_names), name);
}

/* Name of a form of disclosure. */
const char *
twp_uses_form_name(TwpForm form)
{
	return form_names[form];
}

/* Reads a name column into its enum; an unknown name closes the use. */
static int
read_enum(const char *const *names, int n, Datum value)
{
	int			i = find_name(names, n, TextDatumGetCString(value));

	if (i < 0)
		ereport(ERROR,
				(errcode(ERRCODE_TWP_NOT_READY),
				 errmsg("an approved use is not readable by this version of the library"),
				 errhint("Run ALTER EXTENSION twin_privacy UPDATE, or restore the table of uses.")));
	return i;
}

/* Closes a set of category codes downwards; codes that are gone give nothing. */
static TwpCategorySet
close_categories(Datum array)
{
	TwpCategorySet set = 0;
	Datum	   *codes;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &codes, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		int			category = nulls[i] ? -1 : twp_vocab_category(TextDatumGetCString(codes[i]));

		if (category >= 0)
			set |= twp_vocab_category_covers(category);
	}
	return set;
}

/* Reads a period into its bounds: lower inclusive, upper exclusive. */
static void
read_period(TwpUse *use, Datum value)
{
	RangeType  *range = DatumGetRangeTypeP(value);
	TypeCacheEntry *typcache = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(typcache, range, &lower, &upper, &empty);
	use->valid_from = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
	use->valid_until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	if (empty)
		use->valid_until = use->valid_from = DT_NOBEGIN;
	else
	{
		if (!lower.infinite && !lower.inclusive && use->valid_from < DT_NOEND - 1)
			use->valid_from++;
		if (!upper.infinite && upper.inclusive && use->valid_until < DT_NOEND - 1)
			use->valid_until++;
	}
}

/* Mixes a string into a use's hash. */
static uint64
hash_text(uint64 hash, const char *text)
{
	return hash_combine64(hash, DatumGetUInt64(hash_any_extended((const unsigned char *) text,
																   strlen(text), 0)));
}

/* True when the recipient is among those labelled. */
static bool
is_labelled(const char *recipient, const List *labelled)
{
	char	   *folded = labelled == NIL ? NULL : twp_uses_fold_recipient(recipient);
	ListCell   *lc;

	foreach(lc, labelled)
		if (strcmp(lfirst(lc), folded) == 0)
			return true;
	return false;
}

/* Turns one row of approved_use into a TwpUse. */
static TwpUse *
read_use(HeapTuple tuple, TupleDesc desc, const List *labelled)
{
	TwpUse	   *use = palloc0(sizeof(TwpUse));
	Datum		v[Natts_use_read + 1];
	bool		null[Natts_use_read + 1];

	for (int i = 1; i <= Natts_use_read; i++)
		v[i] = heap_getattr(tuple, i, desc, &null[i]);
	use->code = TextDatumGetCString(v[Anum_use_code]);
	use->purpose = TextDatumGetCString(v[Anum_use_purpose]);
	use->recipient = TextDatumGetCString(v[Anum_use_recipient]);
	use->categories = close_categories(v[Anum_use_categories]);
	use->form = read_enum(form_names, lengthof(form_names), v[Anum_use_disclosure]);
	use->basis = read_enum(basis_names, lengthof(basis_names), v[Anum_use_basis]);
	use->status = read_enum(status_names, lengthof(status_names), v[Anum_use_status]);
	read_period(use, v[Anum_use_valid]);
	use->has_statement = !null[Anum_use_statement];
	use->statement_version = DatumGetInt32(v[Anum_use_statement_version]);
	use->may_export = DatumGetBool(v[Anum_use_export]);
	use->min_cohort = DatumGetInt32(v[Anum_use_min_cohort]);
	use->overrides_deny = DatumGetBool(v[Anum_use_overrides_deny]);
	use->max_subjects_per_day = null[Anum_use_max_subjects_per_day] ? 0 :
		DatumGetInt32(v[Anum_use_max_subjects_per_day]);
	/* checked to be at most 100 when proposed */
	if (!null[Anum_use_epsilon])
		use->epsilon = (int64) rint(DatumGetFloat8(DirectFunctionCall1(numeric_float8, v[Anum_use_epsilon])) *
									TWP_EPSILON_UNIT);

	use->hash = hash_text(hash_text(hash_text(0, use->code), use->purpose), use->recipient);
	use->hash = hash_combine64(use->hash, use->categories);
	use->hash = hash_combine64(use->hash, (uint64) use->form << 8 | (uint64) use->basis << 4 |
							   (uint64) use->overrides_deny << 1 | (uint64) use->may_export);
	use->hash = hash_combine64(use->hash, (uint64) use->statement_version << 32 |
							   (uint64) use->min_cohort);
	if (use->epsilon != 0)
		use->hash = hash_combine64(use->hash, (uint64) use->epsilon);
	use->may_score = is_labelled(use->recipient, labelled);
	if (use->may_score)
		use->hash = hash_combine64(use->hash, 1);
	return use;
}

/* Reads a table of (code, role[, version]) rows. */
static List *
read_roles(const char *table, bool versioned)
{
	List	   *roles = NIL;
	Relation	rel = table_open(twp_catalog_internal_relid(table), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		UseRole    *role = palloc0(sizeof(UseRole));
		bool		isnull;

		role->code = TextDatumGetCString(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
		role->role = DatumGetObjectId(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull));
		if (versioned)
			role->version = DatumGetInt32(heap_getattr(tuple, 3, RelationGetDescr(rel), &isnull));
		roles = lappend(roles, role);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return roles;
}

/* Reads all uses. */
static List *
read_uses(void)
{
	List	   *uses = NIL;
	List	   *labelled = twp_uses_read_recipients();
	Relation	rel = table_open(twp_catalog_internal_relid("approved_use"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		uses = lappend(uses, read_use(tuple, RelationGetDescr(rel), labelled));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return uses;
}

/* Makes the cache current; an error leaves it empty. */
static void
load_cache(void)
{
	uint64		started;
	MemoryContext context;
	MemoryContext old;
	List	   *uses;
	List	   *grants;
	List	   *acknowledgements;
	List	   *exceptions;

	if (cached_news == news)
		return;
	for (int i = 0; i < lengthof(watched); i++)
		watched[i] = twp_catalog_internal_relid(watched_names[i]);
	started = news;
	context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy uses", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	uses = read_uses();
	grants = read_roles("use_grant", false);
	acknowledgements = read_roles("use_acknowledgement", true);
	exceptions = twp_uses_read_exceptions();
	MemoryContextSwitchTo(old);

	cached_news = 0;
	if (cache_context != NULL)
		MemoryContextDelete(cache_context);
	MemoryContextSetParent(context, CacheMemoryContext);
	cache_context = context;
	cached_uses = uses;
	cached_grants = grants;
	cached_acknowledgements = acknowledgements;
	cached_exceptions = exceptions;
	/* Not `news`: what came in while reading must be read again. */
	cached_news = started;
}

/* Finds a use by its code. */
const TwpUse *
twp_uses_find(const char *code)
{
	ListCell   *lc;

	load_cache();
	foreach(lc, cached_uses)
	{
		const TwpUse *use = lfirst(lc);

		if (strcmp(use->code, code) == 0)
			return use;
	}
	return NULL;
}

/* The exceptions from the rules against scoring. */
List *
twp_uses_exceptions(void)
{
	load_cache();
	return cached_exceptions;
}

/* Orders uses by code. */
static int
compare_codes(const ListCell *a, const ListCell *b)
{
	return strcmp(((const TwpUse *) lfirst(a))->code, ((const TwpUse *) lfirst(b))->code);
}

/* Lists all uses. */
List *
twp_uses_all(void)
{
	List	   *uses;

	load_cache();
	uses = list_copy(cached_uses);
	list_sort(uses, compare_codes);
	return uses;
}

/* Says whether the role has the privileges of a grantee. */
bool
twp_uses_is_granted(const TwpUse *use, Oid role)
{
	ListCell   *lc;

	foreach(lc, cached_grants)
	{
		const UseRole *grant = lfirst(lc);

		if (strcmp(grant->code, use->code) == 0 && has_privs_of_role(role, grant->role))
			return true;
	}
	return false;
}

/* Says whether the login acknowledged what the use asks for now. */
bool
twp_uses_is_acknowledged(const TwpUse *use, Oid login)
{
	ListCell   *lc;

	if (!use->has_statement)
		return true;
	foreach(lc, cached_acknowledgements)
	{
		const UseRole *ack = lfirst(lc);

		if (ack->role == login && ack->version == use->statement_version &&
			strcmp(ack->code, use->code) == 0)
			return true;
	}
	return false;
}

/*
 * operators.c - comparing, sorting and hashing pseudonyms.
 *
 * Order is by bytes, MAC first: it tells nothing of what was pseudonymised.
 * Values of two domains differ in their domain bytes, so they are never equal;
 * where both columns' typmods tell different domains, the planner support
 * function refuses the comparison before anything is read.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "port/pg_bswap.h"
#include "pseudonym/pseudonym_internal.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(twp_pseudonym_eq);
PG_FUNCTION_INFO_V1(twp_pseudonym_ne);
PG_FUNCTION_INFO_V1(twp_pseudonym_lt);
PG_FUNCTION_INFO_V1(twp_pseudonym_le);
PG_FUNCTION_INFO_V1(twp_pseudonym_gt);
PG_FUNCTION_INFO_V1(twp_pseudonym_ge);
PG_FUNCTION_INFO_V1(twp_pseudonym_cmp);
PG_FUNCTION_INFO_V1(twp_pseudonym_sortsupport);
PG_FUNCTION_INFO_V1(twp_pseudonym_hash);
PG_FUNCTION_INFO_V1(twp_pseudonym_hash_extended);
PG_FUNCTION_INFO_V1(twp_pseudonym_compare_support);

/* Eight bytes of a value from an offset on, as a number that orders as they do. */
static inline uint64
bytes_at(Datum value, int offset)
{
	uint64		number;

	memcpy(&number, DatumGetPointer(value) + offset, sizeof(number));
	return pg_ntoh64(number);
}

/* the last eight bytes; they overlap the second eight */
#define TAIL ((int) (sizeof(TwpPseudonym) - sizeof(uint64)))

/* True when two values have the same bytes. */
static inline bool
same(Datum a, Datum b)
{
	return bytes_at(a, 0) == bytes_at(b, 0) && bytes_at(a, 8) == bytes_at(b, 8) && bytes_at(a, TAIL) == bytes_at(b, TAIL);
}

/* Orders two values by their bytes; in words, because merge joins compare equal ones all the time. */
static inline int
compare(Datum a, Datum b)
{
	static const int offsets[] = {0, 8, TAIL};

	for (int i = 0; i < lengthof(offsets); i++)
	{
		uint64		x = bytes_at(a, offsets[i]);
		uint64		y = bytes_at(b, offsets[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

/* pseudonym = pseudonym */
Datum
twp_pseudonym_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* pseudonym <> pseudonym */
Datum
twp_pseudonym_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* pseudonym < pseudonym */
Datum
twp_pseudonym_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

/* pseudonym <= pseudonym */
Datum
twp_pseudonym_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

/* pseudonym > pseudonym */
Datum
twp_pseudonym_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

/* pseudonym >= pseudonym */
Datum
twp_pseudonym_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

/* btree support 1: order */
Datum
twp_pseudonym_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* Orders two values in a sort. */
static int
sort_compare(Datum a, Datum b, SortSupport ssup)
{
	return compare(a, b);
}

/* Abbreviates a value to its first bytes as a native number. */
static Datum
abbreviate(Datum original, SortSupport ssup)
{
	Datum		key;

	memcpy(&key, DatumGetPseudonymP(original)->mac, sizeof(Datum));
	return DatumBigEndianToNative(key);
}

/* Keeps abbreviating: the first bytes of a MAC are as good as random. */
static bool
abbreviate_abort(int memtupcount, SortSupport ssup)
{
	return false;
}

/* btree support 2: sort with abbreviated keys */
Datum
twp_pseudonym_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = sort_compare;
	if (ssup->abbreviate)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = abbreviate;
		ssup->abbrev_abort = abbreviate_abort;
		ssup->abbrev_full_comparator = sort_compare;
	}
	PG_RETURN_VOID();
}

/* The MAC's first bytes as a number: as good as random already, and of one version of one domain. */
static inline uint32
first_bytes(Datum value)
{
	uint32		number;

	memcpy(&number, DatumGetPseudonymP(value)->mac, sizeof(number));
	return pg_ntoh32(number);
}

/* hash support 1 */
Datum
twp_pseudonym_hash(PG_FUNCTION_ARGS)
{
	return hash_uint32(first_bytes(PG_GETARG_DATUM(0)));
}

/* hash support 2 */
Datum
twp_pseudonym_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_uint32_extended(first_bytes(PG_GETARG_DATUM(0)), PG_GETARG_INT64(1));
}

/*
 * Planner support of the comparisons: refuses two columns of known, different
 * domains.  compare.c does so for queries; this one sees stored expressions, too.
 */
Datum
twp_pseudonym_compare_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
	{
		List	   *args = ((SupportRequestSimplify *) request)->fcall->args;
		int32		left = exprTypmod(linitial(args));
		int32		right = exprTypmod(lsecond(args));

		if (left >= 0 && right >= 0 && left != right)
			twp_pseudonym_refuse_comparison();
	}
	PG_RETURN_POINTER(NULL);
}

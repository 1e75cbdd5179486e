/*
 * vocab.c - the backend's copy of the purpose and category trees.
 *
 * Contract: the copy is read with catalog scans under a fresh catalog
 * snapshot, so that it is right in REPEATABLE READ, in parallel workers and on
 * standbys.  A relcache invalidation of one of our tables marks it stale; the
 * next question reads it again.  Whoever asks with twp_vocab_require_*() (the
 * SQL functions, for their arguments) accepts pending invalidations first; the
 * questions asked for each row do not, their statement has.
 *
 * Locks: AccessShare on each table while it is read.  Memory: one context
 * under CacheMemoryContext; a replaced copy lives until the end of the
 * transaction, because codes and reasons handed out point into it.  Failure:
 * an error while reading leaves no copy, and every question raises until the
 * reading succeeds.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/news.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"
#include "vocab/vocab.h"
#include "vocab/vocab_internal.h"

/* Parent edges a purpose can have in the copy; HL7 itself has at most two. */
#define MAX_PARENTS 8

/* Codes are at most NAMEDATALEN - 1 bytes (CHECK in vocab.sql), so they are hash keys as they are. */
typedef struct Purpose
{
	char		code[NAMEDATALEN];
	int			nparents;
	struct Purpose *parents[MAX_PARENTS];
	const char *prohibition;	/* reason, or NULL when not prohibited itself */
} Purpose;

typedef struct Category
{
	char		code[NAMEDATALEN];
	int			number;
} Category;

typedef struct Label
{
	char		code[NAMEDATALEN];
	TwpCategorySet required;
} Label;

typedef struct Vocab
{
	MemoryContext context;
	HTAB	   *purposes;
	HTAB	   *categories;
	HTAB	   *labels;
	TwpCategorySet all;
	const char *codes[TWP_MAX_CATEGORIES];	/* NULL where there is none */
	char	   *parent_codes[TWP_MAX_CATEGORIES];
	TwpCategoryTree tree;
	TwpCategorySet inputs[TWP_MAX_CATEGORIES];
	TwpCategorySet derived;		/* those that have inputs */
} Vocab;

typedef void (*TakeRow) (Vocab *vocab, HeapTuple tuple, TupleDesc desc);

typedef struct Source
{
	const char *table;
	TakeRow		take;
} Source;

static void take_purpose(Vocab *vocab, HeapTuple tuple, TupleDesc desc);
static void take_purpose_parent(Vocab *vocab, HeapTuple tuple, TupleDesc desc);
static void take_prohibition(Vocab *vocab, HeapTuple tuple, TupleDesc desc);
static void take_category(Vocab *vocab, HeapTuple tuple, TupleDesc desc);
static void take_derivation(Vocab *vocab, HeapTuple tuple, TupleDesc desc);
static void take_label(Vocab *vocab, HeapTuple tuple, TupleDesc desc);

/* Our tables, in an order in which each row finds what it refers to. */
static const Source sources[] = {
	{"purpose", take_purpose},
	{"purpose_parent", take_purpose_parent},
	{"purpose_prohibition", take_prohibition},
	{"category", take_category},
	{"derivation", take_derivation},
	{"security_label", take_label},
};

static Vocab *current = NULL;
static bool current_valid = false;
static Oid	source_relids[lengthof(sources)];
static uint64 invalidations = 0;

/* Marks the copy stale when one of our tables changed (or all might have). */
static void
relcache_callback(Datum arg, Oid relid)
{
	for (int i = 0; i < lengthof(sources); i++)
		if (relid == InvalidOid || relid == source_relids[i])
		{
			current_valid = false;
			invalidations++;
			return;
		}
}

/* Registers for invalidations. */
void
twp_vocab_init(void)
{
	twp_news_listen(relcache_callback);
}

/* Reads a text column as a C string in the copy's context; NULL for NULL. */
static char *
column_text(Vocab *vocab, HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);
	MemoryContext old;
	char	   *result;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(vocab->context);
	result = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return result;
}

/* Makes a hash table keyed by code in the copy's context. */
static HTAB *
make_table(Vocab *vocab, const char *name, Size entrysize)
{
	HASHCTL		ctl = {0};

	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = entrysize;
	ctl.hcxt = vocab->context;
	return hash_create(name, 128, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* Finds an entry by exact code; a code too long to be one is not truncated into another. */
static void *
find(HTAB *table, const char *code)
{
	if (strlen(code) >= NAMEDATALEN)
		return NULL;
	return hash_search(table, code, HASH_FIND, NULL);
}

/* Adds an entry; the tables' primary keys keep codes unique. */
static void *
enter(HTAB *table, const char *code)
{
	if (strlen(code) >= NAMEDATALEN)
		elog(ERROR, "vocabulary code is too long: \"%s\"", code);
	return hash_search(table, code, HASH_ENTER, NULL);
}

/* Takes a row of twin_privacy_internal.purpose. */
static void
take_purpose(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	Purpose    *purpose = enter(vocab->purposes, column_text(vocab, tuple, desc, 1));

	purpose->nparents = 0;
	purpose->prohibition = NULL;
}

/* Takes a row of twin_privacy_internal.purpose_parent. */
static void
take_purpose_parent(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	char	   *code = column_text(vocab, tuple, desc, 1);
	char	   *parent_code = column_text(vocab, tuple, desc, 3);
	Purpose    *purpose = find(vocab->purposes, code);
	Purpose    *parent = find(vocab->purposes, parent_code);

	/* A purpose committed between the two scans: the announced change makes us read again. */
	if (purpose == NULL || parent == NULL)
		return;
	if (purpose->nparents >= MAX_PARENTS)
		elog(ERROR, "purpose \"%s\" has more than %d parents", code, MAX_PARENTS);
	purpose->parents[purpose->nparents++] = parent;
}

/* Takes a row of twin_privacy_internal.purpose_prohibition. */
static void
take_prohibition(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	Purpose    *purpose = find(vocab->purposes, column_text(vocab, tuple, desc, 1));

	if (purpose != NULL)
		purpose->prohibition = column_text(vocab, tuple, desc, 2);
}

/* Takes a row of twin_privacy_internal.category. */
static void
take_category(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	char	   *code = column_text(vocab, tuple, desc, 1);
	Category   *category = enter(vocab->categories, code);
	bool		isnull;
	int			number = DatumGetInt16(heap_getattr(tuple, 2, desc, &isnull));

	if (isnull || number < 0 || number >= TWP_MAX_CATEGORIES)
		elog(ERROR, "category \"%s\" has no valid number", code);
	category->number = number;
	vocab->codes[number] = code;
	vocab->parent_codes[number] = column_text(vocab, tuple, desc, 3);
	vocab->all |= TWP_CATEGORY_BIT(number);
}

/* Takes a row of twin_privacy_internal.derivation. */
static void
take_derivation(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	Category   *category = find(vocab->categories, column_text(vocab, tuple, desc, 1));
	Category   *source = find(vocab->categories, column_text(vocab, tuple, desc, 2));

	/* A category committed between the two scans: the announced change makes us read again. */
	if (category != NULL && source != NULL)
		vocab->tree.declared[category->number] |= TWP_CATEGORY_BIT(source->number);
}

/* Takes a row of twin_privacy_internal.security_label. */
static void
take_label(Vocab *vocab, HeapTuple tuple, TupleDesc desc)
{
	Label	   *label = enter(vocab->labels, column_text(vocab, tuple, desc, 1));
	bool		isnull;
	Datum		value = heap_getattr(tuple, 2, desc, &isnull);
	Datum	   *codes;
	int			ncodes;

	label->required = 0;
	if (isnull)
		elog(ERROR, "security label \"%s\" names no categories", label->code);
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
					  &codes, NULL, &ncodes);
	for (int i = 0; i < ncodes; i++)
	{
		char	   *code = TextDatumGetCString(codes[i]);
		Category   *category = find(vocab->categories, code);

		if (category == NULL)
			elog(ERROR, "security label \"%s\" names unknown category \"%s\"", label->code, code);
		label->required |= TWP_CATEGORY_BIT(category->number);
	}
}

/* Fills above and below from the parents, once all categories are known. */
static void
close_categories(Vocab *vocab)
{
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
	{
		int			up = n;

		if (vocab->codes[n] == NULL)
			continue;
		/* Bounded by the number of categories, so that a damaged table cannot hang us. */
		for (int steps = 0; steps < TWP_MAX_CATEGORIES; steps++)
		{
			Category   *parent;

			vocab->tree.above[n] |= TWP_CATEGORY_BIT(up);
			vocab->tree.below[up] |= TWP_CATEGORY_BIT(n);
			if (vocab->parent_codes[up] == NULL)
				break;
			parent = find(vocab->categories, vocab->parent_codes[up]);
			if (parent == NULL)
				elog(ERROR, "category \"%s\" has an unknown parent", vocab->codes[up]);
			up = parent->number;
		}
	}
}

/* Reads one of our tables under a fresh catalog snapshot. */
static void
read_source(Vocab *vocab, int i)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	source_relids[i] = twp_catalog_internal_relid(sources[i].table);
	rel = table_open(source_relids[i], AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		sources[i].take(vocab, tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Reads the whole vocabulary into a context that an error would free. */
static Vocab *
read_vocab(void)
{
	MemoryContext context = AllocSetContextCreate(CurTransactionContext, "twin_privacy vocabulary",
												  ALLOCSET_DEFAULT_SIZES);
	Vocab	   *vocab = MemoryContextAllocZero(context, sizeof(Vocab));

	vocab->context = context;
	vocab->purposes = make_table(vocab, "twin_privacy purposes", sizeof(Purpose));
	vocab->categories = make_table(vocab, "twin_privacy categories", sizeof(Category));
	vocab->labels = make_table(vocab, "twin_privacy labels", sizeof(Label));
	for (int i = 0; i < lengthof(sources); i++)
		read_source(vocab, i);
	close_categories(vocab);
	twp_vocab_close_derivations(&vocab->tree, vocab->inputs);
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if (vocab->inputs[n] != 0)
			vocab->derived |= TWP_CATEGORY_BIT(n);
	return vocab;
}

/* Gives the copy, read again if it is stale. */
static Vocab *
get_vocab(void)
{
	Vocab	   *fresh;
	uint64		seen;

	if (current_valid)
		return current;

	/* A change that arrives while we read may be half in: read until none does. */
	for (;;)
	{
		seen = invalidations;
		fresh = read_vocab();
		if (seen == invalidations)
			break;
		MemoryContextDelete(fresh->context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSetParent(fresh->context, CacheMemoryContext);
	if (current != NULL)
		MemoryContextSetParent(current->context, TopTransactionContext);
	current = fresh;
	current_valid = true;
	return current;
}

/* Finds a category's number. */
int
twp_vocab_category(const char *code)
{
	Category   *category = find(get_vocab()->categories, code);

	return category == NULL ? -1 : category->number;
}

/* Finds a category's number or raises, listing all there are. */
int
twp_vocab_require_category(const char *code)
{
	int			number;
	StringInfoData list;

	AcceptInvalidationMessages();
	number = twp_vocab_category(code);
	if (number >= 0)
		return number;

	initStringInfo(&list);
	for (int n = 0; n < TWP_MAX_CATEGORIES; n++)
		if (current->codes[n] != NULL)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", current->codes[n]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown category \"%s\"", code),
			 errhint("Categories are: %s.", list.data)));
}

/* True for a number that a category has. */
static bool
is_category(Vocab *vocab, int category)
{
	return category >= 0 && category < TWP_MAX_CATEGORIES && vocab->codes[category] != NULL;
}

/* Gives the category and all below it. */
TwpCategorySet
twp_vocab_category_covers(int category)
{
	Vocab	   *vocab = get_vocab();

	return is_category(vocab, category) ? vocab->tree.below[category] : 0;
}

/* Gives the category and all above it. */
TwpCategorySet
twp_vocab_category_ancestors(int category)
{
	Vocab	   *vocab = get_vocab();

	return is_category(vocab, category) ? vocab->tree.above[category] : 0;
}

/* Gives all that the category's data is made from. */
TwpCategorySet
twp_vocab_category_inputs(int category)
{
	Vocab	   *vocab = get_vocab();

	return is_category(vocab, category) ? vocab->inputs[category] : 0;
}

/* Takes out of a set what is derived from a category outside it. */
TwpCategorySet
twp_vocab_with_inputs(TwpCategorySet open)
{
	Vocab	   *vocab = get_vocab();
	TwpCategorySet derived = open & vocab->derived;
	TwpCategorySet kept = open;

	for (int n = 0; derived != 0; n++, derived >>= 1)
		if ((derived & 1) != 0 && (vocab->inputs[n] & ~open) != 0)
			kept &= ~TWP_CATEGORY_BIT(n);
	return kept;
}

/* Gives the tree of categories and what is declared of them. */
const TwpCategoryTree *
twp_vocab_category_tree(void)
{
	return &get_vocab()->tree;
}

/* Gives the code of a category number. */
const char *
twp_vocab_category_code(int category)
{
	Vocab	   *vocab = get_vocab();

	return is_category(vocab, category) ? vocab->codes[category] : NULL;
}

/* Gives the set of all categories. */
TwpCategorySet
twp_vocab_all_categories(void)
{
	return get_vocab()->all;
}

/* True when there is such a purpose. */
bool
twp_vocab_purpose_exists(const char *code)
{
	return find(get_vocab()->purposes, code) != NULL;
}

/* Gives the purpose whose code is nearest in spelling, or NULL when none is near. */
static const char *
nearest_purpose(Vocab *vocab, const char *code)
{
	HASH_SEQ_STATUS status;
	Purpose    *purpose;
	const char *nearest = NULL;
	int			best = Max(2, (int) strlen(code) / 3) + 1;

	if (strlen(code) >= NAMEDATALEN)
		return NULL;
	hash_seq_init(&status, vocab->purposes);
	while ((purpose = hash_seq_search(&status)) != NULL)
	{
		int			distance = pg_strcasecmp(code, purpose->code) == 0 ? 0 :
			varstr_levenshtein_less_equal(code, strlen(code), purpose->code,
										  strlen(purpose->code), 1, 1, 1, best, true);

		/* Among equals the first in order, so that the hint does not depend on the hash. */
		if (distance < best ||
			(distance == best && nearest != NULL && strcmp(purpose->code, nearest) < 0))
		{
			best = distance;
			nearest = purpose->code;
		}
	}
	return nearest;
}

/* Raises, with the nearest code as a hint, unless there is such a purpose. */
void
twp_vocab_require_purpose(const char *code)
{
	const char *nearest;

	AcceptInvalidationMessages();
	if (twp_vocab_purpose_exists(code))
		return;
	nearest = nearest_purpose(current, code);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown purpose \"%s\"", code),
			 nearest != NULL ?
			 errhint("Did you mean \"%s\"? See twin_privacy.purposes; codes are case-sensitive.", nearest) :
			 errhint("See twin_privacy.purposes; codes are case-sensitive.")));
}

/* True when ancestor is the purpose or lies above it. */
static bool
lies_below(Purpose *purpose, Purpose *ancestor)
{
	check_stack_depth();
	if (purpose == ancestor)
		return true;
	for (int i = 0; i < purpose->nparents; i++)
		if (lies_below(purpose->parents[i], ancestor))
			return true;
	return false;
}

/* True when both exist and code is ancestor or lies below it. */
bool
twp_vocab_purpose_covers(const char *ancestor, const char *code)
{
	Vocab	   *vocab = get_vocab();
	Purpose    *above = find(vocab->purposes, ancestor);
	Purpose    *below = find(vocab->purposes, code);

	return above != NULL && below != NULL && lies_below(below, above);
}

/* Gives the reason that closes a purpose, its own before one from above, or NULL. */
static const char *
find_prohibition(Purpose *purpose)
{
	const char *reason = purpose->prohibition;

	check_stack_depth();
	for (int i = 0; reason == NULL && i < purpose->nparents; i++)
		reason = find_prohibition(purpose->parents[i]);
	return reason;
}

/* True when the purpose is closed; an unknown one is, too. */
bool
twp_vocab_purpose_prohibited(const char *code, const char **reason)
{
	Purpose    *purpose = find(get_vocab()->purposes, code);
	const char *why = purpose == NULL ? "unknown purpose" : find_prohibition(purpose);

	if (reason != NULL)
		*reason = why;
	return why != NULL;
}

/* True when the purpose itself is prohibited. */
bool
twp_vocab_purpose_prohibited_itself(const char *code)
{
	Purpose    *purpose = find(get_vocab()->purposes, code);

	return purpose != NULL && purpose->prohibition != NULL;
}

/* True for a code of the HL7 security label table. */
bool
twp_vocab_is_security_label(const char *code)
{
	return find(get_vocab()->labels, code) != NULL;
}

/* Says which categories a row label asks for; false when nobody knows. */
bool
twp_vocab_label(const char *label, TwpCategorySet *required)
{
	Vocab	   *vocab = get_vocab();
	Category   *category = find(vocab->categories, label);
	Label	   *mapped;

	if (category != NULL)
	{
		*required = TWP_CATEGORY_BIT(category->number);
		return true;
	}
	mapped = find(vocab->labels, label);
	*required = mapped == NULL ? 0 : mapped->required;
	return mapped != NULL;
}

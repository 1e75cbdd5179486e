/*
 * sets.c - sets of (subject, categories), each kept once.
 *
 * Memory: arrays that double, in the context given.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lineage/sets.h"
#include "utils/memutils.h"

/* Sets of more items are referred to, not copied. */
#define COPIED 32

typedef struct SubjectNumber
{
	TwpSubject	subject;
	uint32		number;
	char		status;
} SubjectNumber;

#define SH_PREFIX subjectnumbers
#define SH_ELEMENT_TYPE SubjectNumber
#define SH_KEY_TYPE TwpSubject
#define SH_KEY subject
#define SH_HASH_KEY(table, key) twp_subject_hash(&key)
#define SH_EQUAL(table, a, b) twp_subject_equal(&a, &b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A set found by its content; the key is its number, and the newest set is what is looked for. */
typedef struct SetNumber
{
	uint32		number;
	uint32		hash;
	char		status;
} SetNumber;

static uint32 hash_set(const TwpSets *sets, uint32 number);
static bool same_set(const TwpSets *sets, uint32 one, uint32 other);

#define SH_PREFIX setnumbers
#define SH_ELEMENT_TYPE SetNumber
#define SH_KEY_TYPE uint32
#define SH_KEY number
#define SH_HASH_KEY(table, key) hash_set((table)->private_data, key)
#define SH_EQUAL(table, a, b) same_set((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, element) (element)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Hashes a set's items. */
static uint32
hash_set(const TwpSets *sets, uint32 number)
{
	const TwpSet *set = &sets->sets[number];
	uint32		hash = set->n;

	for (uint32 i = 0; i < set->n; i++)
	{
		const TwpItem *item = &sets->items[set->start + i];

		hash = hash_combine(hash, murmurhash32(item->what));
		hash = hash_combine(hash, murmurhash32((uint32) (item->needs ^ (item->needs >> 32))));
	}
	return hash;
}

/* True for two sets of the same items. */
static bool
same_set(const TwpSets *sets, uint32 one, uint32 other)
{
	const TwpSet *a = &sets->sets[one];
	const TwpSet *b = &sets->sets[other];

	if (a->n != b->n)
		return false;
	for (uint32 i = 0; i < a->n; i++)
		if (sets->items[a->start + i].what != sets->items[b->start + i].what ||
			sets->items[a->start + i].needs != sets->items[b->start + i].needs)
			return false;
	return true;
}

/* Makes room for n more elements. */
static void *
make_room(void *array, uint32 used, uint32 n, uint32 *room, Size size)
{
	if (used + n <= *room)
		return array;
	*room = Max(*room * 2, used + n);
	return repalloc_huge(array, *room * size);
}

/* Makes the two sets that are always there. */
TwpSets *
twp_sets_create(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TwpSets    *sets = palloc0(sizeof(TwpSets));

	sets->context = context;
	sets->set_room = sets->item_room = sets->subject_room = 1024;
	sets->sets = palloc0(sizeof(TwpSet) * sets->set_room);
	sets->items = palloc(sizeof(TwpItem) * sets->item_room);
	sets->subjects = palloc(sizeof(TwpSubject) * sets->subject_room);
	sets->inner_room = 64;
	sets->inner = palloc(sizeof(uint32) * sets->inner_room);
	sets->nsets = 2;
	sets->numbers = subjectnumbers_create(context, 1024, NULL);
	sets->index = setnumbers_create(context, 1024, sets);
	MemoryContextSwitchTo(old);
	return sets;
}

/* Says how much memory is in use. */
Size
twp_sets_size(const TwpSets *sets)
{
	return sets->set_room * sizeof(TwpSet) + sets->item_room * sizeof(TwpItem) +
		sets->subject_room * sizeof(TwpSubject) + sets->inner_room * sizeof(uint32) +
		(sets->numbers != NULL ? sets->numbers->size * sizeof(SubjectNumber) + sets->index->size * sizeof(SetNumber) : 0);
}

/* Gives a subject's number. */
static uint32
subject_number(TwpSets *sets, const TwpSubject *subject)
{
	SubjectNumber *found = subjectnumbers_lookup(sets->numbers, *subject);
	TwpSubject	copy = *subject;
	bool		exists;

	if (found != NULL)
		return found->number;
	if (subject->kind == TWP_SUBJECT_TEXT)
	{
		char	   *text = MemoryContextAlloc(sets->context, Max(subject->key.text.len, 1));

		memcpy(text, subject->key.text.data, subject->key.text.len);
		copy.key.text.data = text;
	}
	sets->subjects = make_room(sets->subjects, sets->nsubjects, 1, &sets->subject_room, sizeof(TwpSubject));
	sets->subjects[sets->nsubjects] = copy;
	found = subjectnumbers_insert(sets->numbers, copy, &exists);
	found->number = sets->nsubjects;
	return sets->nsubjects++;
}

/* Gives the number of the set just put at the end, which is taken away again when it was there already. */
static uint32
intern(TwpSets *sets)
{
	uint32		number = sets->nsets - 1;
	bool		exists;
	SetNumber  *entry = setnumbers_insert(sets->index, number, &exists);

	if (exists)
	{
		sets->nsets--;
		sets->nitems = sets->sets[number].start;
	}
	return entry->number;
}

/* Begins a set at the end with room for items. */
static TwpItem *
begin_set(TwpSets *sets, uint32 n)
{
	sets->sets = make_room(sets->sets, sets->nsets, 1, &sets->set_room, sizeof(TwpSet));
	sets->items = make_room(sets->items, sets->nitems, n, &sets->item_room, sizeof(TwpItem));
	sets->sets[sets->nsets].start = sets->nitems;
	sets->sets[sets->nsets].n = n;
	sets->sets[sets->nsets].inner = false;
	sets->nsets++;
	return &sets->items[sets->nitems];
}

/* Gives the set of one subject. */
uint32
twp_sets_single(TwpSets *sets, const TwpSubject *subject, TwpCategorySet needs)
{
	uint32		number = subject_number(sets, subject);
	TwpItem    *item = begin_set(sets, 1);

	item->what = number;
	item->needs = needs;
	sets->nitems++;
	return intern(sets);
}

/* Orders items by what they are. */
static int
compare_items(const void *a, const void *b)
{
	const TwpItem *one = a;
	const TwpItem *other = b;

	return one->what < other->what ? -1 : one->what > other->what;
}

/* Gives the reference to a set, and notes that there is one. */
static TwpItem
refer(TwpSets *sets, uint32 number, TwpCategorySet needs)
{
	if (!sets->sets[number].inner)
	{
		sets->inner = make_room(sets->inner, sets->ninner, 1, &sets->inner_room, sizeof(uint32));
		sets->inner[sets->ninner++] = number;
		sets->sets[number].inner = true;
	}
	return (TwpItem) {number | TWP_ITEM_SET, needs};
}

/* Sorts items and leaves each once; returns how many. */
static uint32
merge_items(TwpItem *items, uint32 n)
{
	uint32		kept = 0;

	qsort(items, n, sizeof(TwpItem), compare_items);
	for (uint32 i = 0; i < n; i++)
		if (kept > 0 && items[kept - 1].what == items[i].what)
			items[kept - 1].needs |= items[i].needs;
		else
			items[kept++] = items[i];
	return kept;
}

/* Gives the set of all that is in some sets. */
uint32
twp_sets_union(TwpSets *sets, const uint32 *numbers, int n)
{
	uint32		total = 0;
	uint32		first = TWP_SET_EMPTY;
	bool		same = true;
	TwpItem    *items;

	for (int i = 0; i < n; i++)
	{
		if (numbers[i] == TWP_SET_CLOSED)
			return TWP_SET_CLOSED;
		if (numbers[i] == TWP_SET_EMPTY)
			continue;
		same &= first == TWP_SET_EMPTY || numbers[i] == first;
		first = numbers[i];
		total += Min(sets->sets[numbers[i]].n, COPIED);
	}
	if (same)
		return first;
	items = begin_set(sets, total);
	total = 0;
	for (int i = 0; i < n; i++)
	{
		const TwpSet *set = &sets->sets[numbers[i]];

		if (set->n > COPIED)
			items[total++] = refer(sets, numbers[i], 0);
		else
		{
			memcpy(&items[total], &sets->items[set->start], set->n * sizeof(TwpItem));
			total += set->n;
		}
	}
	total = merge_items(items, total);
	sets->sets[sets->nsets - 1].n = total;
	sets->nitems += total;
	return intern(sets);
}

/* Gives the set of all subjects of a set, each asked for more. */
uint32
twp_sets_pooled(TwpSets *sets, uint32 number, TwpCategorySet needs)
{
	TwpItem    *item;

	if (number == TWP_SET_CLOSED || number == TWP_SET_EMPTY)
		return TWP_SET_CLOSED;
	item = begin_set(sets, 1);
	*item = refer(sets, number, needs);
	sets->nitems++;
	return intern(sets);
}

/* Orders numbers. */
static int
compare_numbers(const void *a, const void *b)
{
	uint32		one = *(const uint32 *) a;
	uint32		other = *(const uint32 *) b;

	return one < other ? -1 : one > other;
}

/* Ends the making of sets. */
void
twp_sets_finish(TwpSets *sets)
{
	qsort(sets->inner, sets->ninner, sizeof(uint32), compare_numbers);
	subjectnumbers_destroy(sets->numbers);
	setnumbers_destroy(sets->index);
	sets->numbers = NULL;
	sets->index = NULL;
}

/*
 * nodes.c - numbers for the rows that provenance knows by a key.
 *
 * Most keys are integers that lie close together and come in order: they are
 * found in pages of 256, and memory is gone through in order, too.  Others, and
 * integers that would leave pages almost empty, are in a hash table.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lineage/nodes.h"
#include "utils/memutils.h"

#define PAGE_BITS 8
#define PAGE_SIZE (1 << PAGE_BITS)
/* Pages may be this many before their keys must fill a sixteenth of them. */
#define FREE_PAGES 4096

typedef struct NodeKey
{
	uint32		slot;
	TwpSubject	key;
} NodeKey;

typedef struct NodeEntry
{
	NodeKey		key;
	uint32		node;
	char		status;
} NodeEntry;

#define SH_PREFIX nodes
#define SH_ELEMENT_TYPE NodeEntry
#define SH_KEY_TYPE NodeKey
#define SH_KEY key
#define SH_HASH_KEY(table, k) (twp_subject_hash(&(k).key) ^ (k).slot * 0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a).slot == (b).slot && twp_subject_equal(&(a).key, &(b).key))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Keys that differ only in their last bits. */
typedef struct PageKey
{
	uint32		slot;
	int64		number;
} PageKey;

typedef struct PageEntry
{
	PageKey		key;
	uint32	   *nodes;			/* PAGE_SIZE of them, each one more than the node's number; 0: none */
	char		status;
} PageEntry;

#define SH_PREFIX pages
#define SH_ELEMENT_TYPE PageEntry
#define SH_KEY_TYPE PageKey
#define SH_KEY key
#define SH_HASH_KEY(table, k) (murmurhash32((uint32) (k).number ^ (uint32) ((k).number >> 32)) ^ (k).slot * 0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a).slot == (b).slot && (a).number == (b).number)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The pages last found, by the slot's last bits. */
#define REMEMBERED 8

struct TwpNodes
{
	MemoryContext context;
	MemoryContext texts;
	uint32		n;
	nodes_hash *others;
	uint32		nnumbers;		/* integers among the others */
	pages_hash *pages;
	PageEntry	last[REMEMBERED];	/* nodes NULL: nothing yet */
};

/* Makes an empty table. */
TwpNodes *
twp_nodes_create(MemoryContext context, MemoryContext texts)
{
	TwpNodes   *nodes = MemoryContextAllocZero(context, sizeof(TwpNodes));

	nodes->context = context;
	nodes->texts = texts;
	nodes->others = nodes_create(context, 64, NULL);
	nodes->pages = pages_create(context, 64, NULL);
	return nodes;
}

/* Says how much memory is in use. */
Size
twp_nodes_size(const TwpNodes *nodes)
{
	return nodes->others->size * sizeof(NodeEntry) + nodes->pages->size * sizeof(PageEntry) +
		(Size) nodes->pages->members * PAGE_SIZE * sizeof(uint32);
}

/* Says how many nodes there are. */
uint32
twp_nodes_count(const TwpNodes *nodes)
{
	return nodes->n;
}

/* The place of an integer on its page; NULL when there is no such page. */
static inline uint32 *
find_place(TwpNodes *nodes, uint32 slot, int64 number)
{
	PageKey		key = {.slot = slot,.number = number >> PAGE_BITS};
	PageEntry  *last = &nodes->last[slot % REMEMBERED];

	if (unlikely(last->nodes == NULL || last->key.slot != slot || last->key.number != key.number))
	{
		PageEntry  *entry = pages_lookup(nodes->pages, key);

		if (entry == NULL)
			return NULL;
		*last = *entry;
	}
	return &last->nodes[number & (PAGE_SIZE - 1)];
}

/* Makes the page of an integer and gives its place; NULL when pages would be too empty. */
static uint32 *
make_place(TwpNodes *nodes, uint32 slot, int64 number)
{
	PageKey		key = {.slot = slot,.number = number >> PAGE_BITS};
	bool		found;

	if (nodes->pages->members >= FREE_PAGES + nodes->n / (PAGE_SIZE / 16))
		return NULL;
	pages_insert(nodes->pages, key, &found)->nodes =
		MemoryContextAllocZero(nodes->context, PAGE_SIZE * sizeof(uint32));
	return find_place(nodes, slot, number);
}

/* Finds a key in the hash table. */
static uint32
find_other(TwpNodes *nodes, uint32 slot, const TwpSubject *key)
{
	NodeKey		lookup = {.slot = slot,.key = *key};
	NodeEntry  *entry = nodes_lookup(nodes->others, lookup);

	return entry != NULL ? entry->node : TWP_NO_NODE;
}

/* Gives the node of a key. */
uint32
twp_nodes_find(TwpNodes *nodes, uint32 slot, const TwpSubject *key)
{
	const uint32 *place;

	if (key->kind != TWP_SUBJECT_INT)
		return find_other(nodes, slot, key);
	place = find_place(nodes, slot, key->key.number);
	if (place != NULL && *place != 0)
		return *place - 1;
	/* it may have come before its page did */
	return nodes->nnumbers > 0 ? find_other(nodes, slot, key) : TWP_NO_NODE;
}

/* Puts a new key into the hash table. */
static void
add_other(TwpNodes *nodes, uint32 slot, const TwpSubject *key)
{
	NodeKey		lookup = {.slot = slot,.key = *key};
	bool		found;

	if (key->kind == TWP_SUBJECT_TEXT)
	{
		char	   *text = MemoryContextAlloc(nodes->texts, Max(key->key.text.len, 1));

		memcpy(text, key->key.text.data, key->key.text.len);
		lookup.key.key.text.data = text;
	}
	nodes->nnumbers += key->kind == TWP_SUBJECT_INT;
	nodes_insert(nodes->others, lookup, &found)->node = nodes->n;
}

/* Gives the node of a key, made when there is none. */
uint32
twp_nodes_get(TwpNodes *nodes, uint32 slot, const TwpSubject *key)
{
	uint32		node = twp_nodes_find(nodes, slot, key);
	uint32	   *place = NULL;

	if (node != TWP_NO_NODE)
		return node;
	if (key->kind == TWP_SUBJECT_INT)
	{
		place = find_place(nodes, slot, key->key.number);
		if (place == NULL)
			place = make_place(nodes, slot, key->key.number);
	}
	if (place != NULL)
		*place = nodes->n + 1;
	else
		add_other(nodes, slot, key);
	return nodes->n++;
}

/* Visits the nodes of a slot. */
void
twp_nodes_visit(TwpNodes *nodes, uint32 slot, TwpNodeVisitor visitor, void *arg)
{
	pages_iterator page;
	nodes_iterator other;
	PageEntry  *entry;
	NodeEntry  *node;

	pages_start_iterate(nodes->pages, &page);
	while ((entry = pages_iterate(nodes->pages, &page)) != NULL)
		for (int i = 0; entry->key.slot == slot && i < PAGE_SIZE; i++)
			if (entry->nodes[i] != 0)
			{
				TwpSubject	key = {.kind = TWP_SUBJECT_INT,.key.number = entry->key.number * PAGE_SIZE + i};

				visitor(&key, entry->nodes[i] - 1, arg);
			}
	nodes_start_iterate(nodes->others, &other);
	while ((node = nodes_iterate(nodes->others, &other)) != NULL)
		if (node->key.slot == slot)
			visitor(&node->key.key, node->node, arg);
}

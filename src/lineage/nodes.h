/*
 * nodes.h - numbers for the rows that provenance knows by a key.
 *
 * A row is known by the column (slot) and the key that stands in it.  Numbers
 * count up from 0.  Memory: the context given; texts of keys in another.
 */
#ifndef TWP_LINEAGE_NODES_H
#define TWP_LINEAGE_NODES_H

#include "postgres.h"

#include "base/subject.h"

#define TWP_NO_NODE PG_UINT32_MAX

typedef struct TwpNodes TwpNodes;
typedef void (*TwpNodeVisitor) (const TwpSubject *key, uint32 node, void *arg);

extern TwpNodes *twp_nodes_create(MemoryContext context, MemoryContext texts);
/* Bytes in use, without texts. */
extern Size twp_nodes_size(const TwpNodes *nodes);
/* How many there are. */
extern uint32 twp_nodes_count(const TwpNodes *nodes);
/* The node of a key; TWP_NO_NODE when there is none. */
extern uint32 twp_nodes_find(TwpNodes *nodes, uint32 slot, const TwpSubject *key);
/* The node of a key, made when there is none. */
extern uint32 twp_nodes_get(TwpNodes *nodes, uint32 slot, const TwpSubject *key);
/* Visits the nodes of a slot. */
extern void twp_nodes_visit(TwpNodes *nodes, uint32 slot, TwpNodeVisitor visitor, void *arg);

#endif							/* TWP_LINEAGE_NODES_H */

/*
 * lattice_internal.h - the search of lattice.c and the nodes of node.c.
 */
#ifndef TWP_LATTICE_INTERNAL_H
#define TWP_LATTICE_INTERNAL_H

#include "postgres.h"

#include "anonymity/anonymity_internal.h"

typedef struct TwpNode
{
	double		bound;
	uint32		number;			/* mixed radix: the levels */
} TwpNode;

/* A distinct combination of values (and subject), with its rows. */
typedef struct TwpBaseClass
{
	int64		row;			/* one of them */
	int64		rows;
	int64		population;
} TwpBaseClass;

/* A class of the generalised table. */
typedef struct TwpWideClass
{
	int64		rows;
	int64		subjects;
	int64		population;
	int32		first;			/* base class that stands for it */
	int32		last_subject;
	bool		kept;
} TwpWideClass;

typedef struct TwpSearch
{
	TwpDataset *ds;
	const TwpModel *model;
	TwpMetric	metric;
	int64		limit;			/* rows that may be suppressed */
	int64		rows;			/* rows of the table itself */
	TwpSensitive *sensitive;
	int		   *nlevels;		/* [column] */
	double	  **losses;			/* [column][level] entropy lost */
	int64		nbase;
	TwpBaseClass *base;
	int32	   *codes;			/* generalised codes of the node at hand, nquasi a base class */
	int32	   *class_of;		/* [base] */
	int32	   *slots;
	uint32		mask;
	TwpWideClass *classes;
	int32		nclasses;
	int64	   *counts;			/* [class * nvalues + sensitive code] */
	int64		counts_size;
	bool		monotonic;		/* a failure below every failure */
	uint32	   *strides;		/* [column] */
	bool	   *failed;			/* [node number] known to fail */
} TwpSearch;

/* Number of the label of a code at a level; without a hierarchy there are the values and "*". */
static inline int32
twp_anonymity_lattice_generalise(const TwpAttribute *attribute, int level, int32 code)
{
	if (level == 0)
		return code;
	return attribute->hierarchy != NULL ? attribute->hierarchy->nodes[level][code] : 0;
}

/* Merges equal rows and prepares to look at nodes. */
extern void twp_anonymity_lattice_start(TwpSearch *search);
/* Reads a node's levels. */
extern void twp_anonymity_lattice_levels(const TwpSearch *search, uint32 number, int *levels);
/* Groups the merged rows as a node generalises them. */
extern void twp_anonymity_lattice_group(TwpSearch *search, const int *levels);
/* Judges the node grouped last: how many rows it suppresses, or -1 when too many. */
extern int64 twp_anonymity_lattice_judge(TwpSearch *search);
/* Its loss. */
extern double twp_anonymity_lattice_loss(const TwpSearch *search, double bound, int64 suppressed);

#endif							/* TWP_LATTICE_INTERNAL_H */

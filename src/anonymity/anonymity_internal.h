/*
 * anonymity_internal.h - shared between the files of the room.
 */
#ifndef TWP_ANONYMITY_INTERNAL_H
#define TWP_ANONYMITY_INTERNAL_H

#include "postgres.h"

#include "anonymity/anonymity.h"
#include "nodes/pg_list.h"

/* budget.c: settings of private uses */
extern void twp_anonymity_define_private_settings(void);

/* Most quasi-identifiers a release can have. */
#define TWP_MAX_QUASI 64

/* A tree over a column's values: one label a value and level, level 0 being the value itself. */
typedef struct TwpHierarchy
{
	int			nlevels;
	int			nvalues;
	char	 ***labels;			/* [level][code] */
	int32	  **nodes;			/* [level][code]: number of the label within the level */
	int		   *nnodes;			/* [level] */
	int32	  **leaves;			/* [level][node]: values below it */
} TwpHierarchy;

/* A column that was read: values are known by codes, 0 .. nvalues-1 in their order. */
typedef struct TwpAttribute
{
	char	   *name;
	Oid			type;
	Oid			collation;
	bool		byval;
	int16		typlen;
	int			nvalues;
	Datum	   *values;			/* the NULL, when there is one, is code null_code */
	int			null_code;		/* -1 when no row is NULL */
	double	   *numbers;		/* place on the number line, for types that have one; else NULL */
	char	  **texts;			/* what the type prints */
	TwpHierarchy *hierarchy;
} TwpAttribute;

/*
 * The rows of a table as codes, one after the other: the quasi-identifiers,
 * then what else was asked for.  Rows are moved freely; their order means
 * nothing.
 */
typedef struct TwpDataset
{
	MemoryContext context;
	int			nquasi;
	int			width;			/* codes a row */
	int			sensitive;		/* column of a row, or -1 */
	int			subject;		/* column of a row, or -1 */
	int			origin;			/* column of a row: 0 population only, 1 the table itself; or -1 */
	bool		repeated;		/* some subject has several rows */
	int64		nrows;
	int64		capacity;
	int32	   *rows;
	TwpAttribute *attributes;	/* width entries */
} TwpDataset;

#define TWP_ROW(ds, n) ((ds)->rows + (n) * (ds)->width)

/* Which columns of which tables to read. */
typedef struct TwpDatasetSpec
{
	Oid			source;
	Oid			population;		/* read as well, or InvalidOid */
	List	   *quasi;			/* char * */
	char	   *sensitive;		/* or NULL */
	char	   *subject;		/* column that tells data subjects apart, or NULL: the protection's */
	List	   *hierarchies;	/* TwpHierarchySource * */
} TwpDatasetSpec;

typedef struct TwpHierarchySource
{
	char	   *column;
	Oid			table;
} TwpHierarchySource;

/* Classes as runs of rows: class n is rows starts[n] .. starts[n + 1] - 1. */
typedef struct TwpClasses
{
	int64		n;
	int64	   *starts;			/* n + 1 entries */
} TwpClasses;

/* What is demanded of every class. */
typedef enum TwpDiversity
{
	TWP_DIVERSITY_DISTINCT,
	TWP_DIVERSITY_ENTROPY,
	TWP_DIVERSITY_RECURSIVE,
} TwpDiversity;

typedef enum TwpDistance
{
	TWP_DISTANCE_EQUAL,
	TWP_DISTANCE_ORDERED,
	TWP_DISTANCE_HIERARCHICAL,
} TwpDistance;

typedef struct TwpModel
{
	int			k;
	int			l;				/* 0: none */
	double		t;				/* negative: none */
	TwpDiversity diversity;
	TwpDistance distance;
	double		c;				/* of recursive (c, l)-diversity */
	double		average_risk;	/* classes / rows, over the table; negative: none */
} TwpModel;

/* What is known of the sensitive column as a whole, and room to count in. */
typedef struct TwpSensitive
{
	int			nvalues;
	int			present;		/* values that occur in the table */
	double	   *share;			/* [code] in the whole table */
	int64	   *counts;			/* [code] all zero between uses */
	int32	   *stamps;			/* [subject code] last class it was seen in */
	int32		stamp;
	const TwpHierarchy *hierarchy;
} TwpSensitive;

/* Figures of one class. */
typedef struct TwpClassFigures
{
	int64		rows;
	int64		subjects;		/* rows where subjects are not told apart */
	int64		hidden_among;	/* what k counts: subjects, or rows of the population when one is read */
	int			distinct;
	double		entropy;		/* in nats */
	int			recursive;		/* largest l for which it is (c, l)-diverse */
	double		t;
} TwpClassFigures;

/* Figures of a table. */
typedef struct TwpMeasures
{
	int64		rows;
	int64		subjects;		/* different ones in the table */
	int64		members;		/* of all classes: a subject counts in each that it has rows in */
	int64		classes;
	int64		k;
	int64		unique_rows;
	int64		population_k;
	int			l_distinct;
	double		l_entropy;
	int			l_recursive;
	double		t_equal;
	double		t_ordered;
	double		sum_of_squares;
} TwpMeasures;

/* dataset.c */
extern TwpDataset *twp_anonymity_load(const TwpDatasetSpec *spec);

/* values.c */
/* Orders a column's values and says where each code went; the rows still hold the old codes. */
extern void twp_anonymity_order_values(TwpDataset *ds, int column, Oid hierarchy, int32 *map);
/* Text of a code as the type prints it; "NULL" for the NULL. */
extern const char *twp_anonymity_text(TwpAttribute *attribute, int code);

/* hierarchy.c */
/* Reads the table and gives map[code] = place of the code in the tree's order. */
extern TwpHierarchy *twp_anonymity_load_hierarchy(TwpAttribute *attribute, Oid table, int32 *map);
/* The lowest level at which the two codes have one label; nlevels when there is none. */
extern int	twp_anonymity_common_level(const TwpHierarchy *hierarchy, int a, int b);

/* classes.c */
extern TwpClasses *twp_anonymity_group(TwpDataset *ds);
extern TwpSensitive *twp_anonymity_sensitive(TwpDataset *ds);
extern void twp_anonymity_weigh(const TwpDataset *ds, TwpSensitive *sensitive, const TwpModel *model,
								int64 from, int64 to, TwpClassFigures *figures);
extern void twp_anonymity_weigh_counts(const TwpSensitive *sensitive, const TwpModel *model,
									   const int64 *counts, int64 total, TwpClassFigures *figures);
extern bool twp_anonymity_fulfils(const TwpModel *model, const TwpClassFigures *figures);
extern void twp_anonymity_measure(const TwpDataset *ds, const TwpClasses *classes, double c,
								  TwpMeasures *measures);
extern double twp_anonymity_distance(const TwpSensitive *sensitive, TwpDistance distance,
									 const int64 *counts, int64 total);

/* mondrian.c */
extern TwpClasses *twp_anonymity_mondrian(TwpDataset *ds, const TwpModel *model);

/* lattice.c */
typedef enum TwpMetric
{
	TWP_METRIC_ENTROPY,
	TWP_METRIC_ENTROPY_MONOTONIC,
	TWP_METRIC_DISCERNIBILITY,
	TWP_METRIC_AVERAGE_CLASS,
} TwpMetric;

typedef struct TwpRecoding
{
	bool		found;
	int		   *levels;			/* [quasi-identifier] */
	double		loss;
	int64		suppressed;
	int64		population_k;	/* least rows of the population in a kept class */
	int64		examined;		/* nodes of the lattice that were looked at */
} TwpRecoding;

/* Searches the levels, then recodes and groups the rows; those suppressed, and the population, are gone. */
extern TwpRecoding *twp_anonymity_recode(TwpDataset *ds, const TwpModel *model, TwpMetric metric,
										 double suppression, TwpClasses **classes);

/* publish.c */
extern int64 twp_anonymity_publish(TwpDataset *ds, const TwpClasses *classes, const int *levels,
								   Oid source, const char *target);
/* Normalised certainty penalty, averaged over rows and quasi-identifiers of the release. */
extern double twp_anonymity_penalty(TwpDataset *ds, const TwpClasses *classes, const int *levels);

#endif							/* TWP_ANONYMITY_INTERNAL_H */

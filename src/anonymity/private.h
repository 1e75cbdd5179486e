/*
 * private.h - figures that are differentially private for data subjects.
 *
 * Glossary.  Release: one grouping of protected rows whose figures leave with
 * noise.  Neighbours: two databases that differ in all rows of one data
 * subject.  Cap: how many rows (or groups) of a subject count in full; the
 * rows of one who has more weigh less.  Charge: epsilon and delta taken from
 * the use's budget, whatever becomes of the query.
 *
 * A query is judged and split when it is planned (private.c): the inner query
 * adds up each subject's part of each group and is run by the outer one
 * through a function, which charges, adds noise (noise.c) and gives figures.
 */
#ifndef TWP_PRIVATE_H
#define TWP_PRIVATE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "anonymity/bounded.h"
#include "datatype/timestamp.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

/* A unit of delta: budgets are counted in whole ones. */
#define TWP_DELTA_UNIT 1e15
/* What all queries of a use may add up to: one in a million. */
#define TWP_DELTA_BUDGET INT64CONST(1000000000)

/* What a figure is. */
typedef enum TwpFigureKind
{
	TWP_FIGURE_COUNT,
	TWP_FIGURE_SUBJECTS,
	TWP_FIGURE_SUM,
	TWP_FIGURE_AVG,
	TWP_FIGURE_VAR_POP,
	TWP_FIGURE_VAR_SAMP,
	TWP_FIGURE_STDDEV_POP,
	TWP_FIGURE_STDDEV_SAMP,
	TWP_FIGURE_QUANTILE,		/* beside none of the others: see quantile.c */
} TwpFigureKind;

typedef struct TwpFigure
{
	TwpFigureKind kind;
	int			column;			/* of the layout; -1: all rows */
	Oid			type;			/* what it is given as */
	int			millionths;		/* of a quantile: which */
	const char *name;
} TwpFigure;

/* A release as it was judged. */
typedef struct TwpRelease
{
	Query	   *inner;			/* keys, then the parts as bytea */
	uint64		stamp;			/* binding it was judged under */
	int			nkeys;
	bool		grouped;
	bool		once;			/* each subject has one row at most */
	int			nbins;			/* of quantiles: the inner query's last key is a bin, 1 .. nbins (0 and beyond: outside); 0: none */
	double		low;
	double		high;
	List	   *domains;		/* of each key: its values as String, Integer for NULL; NIL where they are not known */
	const TwpBoundedLayout *layout;
	int			nfigures;
	TwpFigure  *figures;
} TwpRelease;

/* How a release is made. */
typedef struct TwpReleaseOptions
{
	int64		epsilon;		/* in TWP_EPSILON_UNIT */
	int64		delta;			/* in TWP_DELTA_UNIT */
	int			min_cohort;
	int			max_rows;		/* caps; 0: found with a part of epsilon */
	int			max_groups;
} TwpReleaseOptions;

/* One group as the inner query gives it. */
typedef struct TwpGroup
{
	char	  **keys;			/* as text; NULL for NULL */
	int64	   *parts;			/* bounded.h; changed on the way */
	uint64		nparts;
} TwpGroup;

/* One figure of one group, with its noise. */
typedef struct TwpNoisyFigure
{
	bool		isnull;
	double		value;
	double		scale;			/* of the noise, in the figure's unit; of the sum for means */
	double		error;			/* half the width of the interval at TWP_NOISE_CONFIDENCE */
} TwpNoisyFigure;

#define TWP_NOISE_CONFIDENCE 0.95

typedef struct TwpNoisyRow
{
	char	  **keys;
	TwpNoisyFigure *figures;
} TwpNoisyRow;

/* private.c: from a payload back to the release; raises unless this backend made it. */
extern TwpRelease *twp_private_open(text *payload, bytea *seal);

/*
 * domain.c: true when all groups are known in advance, whoever is in them; and
 * then these, in the place of those that were met.
 */
extern bool twp_private_groups_known(const TwpRelease *release);
extern TwpGroup *twp_private_known_groups(const TwpRelease *release, const TwpGroup *met, int nmet, int *ngroups);
/* Orders groups by their keys, NULL last; arg points to their number. */
extern int	twp_private_compare_groups(const void *a, const void *b, void *arg);

/* noise.c: the rows that leave, in the order of their keys; groups may come in any order. */
extern List *twp_private_add_noise(const TwpRelease *release, const TwpReleaseOptions *options,
								   TwpGroup *groups, int ngroups);

/* quantile.c: how many bins quantiles are told apart by; the rows that leave. */
#define TWP_QUANTILE_BINS 1000
extern List *twp_private_add_quantiles(const TwpRelease *release, const TwpReleaseOptions *options,
									   TwpGroup *groups, int ngroups);

/* budget.c: takes a charge, durable before it returns, or raises TP003. */
extern void twp_private_charge(const char *use_code, int64 budget, int64 epsilon, int64 delta);
/* The charge and caps that the session's settings ask for. */
extern void twp_private_settings(TwpReleaseOptions *options);

/* answer.c: answers given before; flat: rows of texts. */
typedef struct TwpAnswerKey
{
	const char *use_code;
	bytea	   *question;
	bytea	   *state;			/* of the data the answer rests on */
} TwpAnswerKey;

extern ArrayType *twp_private_find_answer(const TwpAnswerKey *key);
extern void twp_private_keep_answer(const TwpAnswerKey *key, TimestampTz until, ArrayType *answer);
/* What twin_privacy.last_noise() shows of the session's last release. */
extern void twp_private_forget_noise(void);
extern void twp_private_note_noise(const char *group, const char *figure, double scale, double error);

#endif							/* TWP_PRIVATE_H */

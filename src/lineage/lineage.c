/*
 * lineage.c - is everything a row was made from open?
 *
 * A few rows are looked up one by one, by the indexes of the provenance
 * tables.  A statement that asks for many makes the target's graph (graph.c),
 * which serves this backend until rows it stands on change.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "decision/decision.h"
#include "lineage/taint_internal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* A look-up costs about as much as fifty rows of making a graph. */
#define ROWS_PER_PROBE 50

int			twp_lineage_memory = 262144;
int			twp_lineage_threshold = 100;

/* What is kept of a target. */
typedef struct Target
{
	Oid			relid;
	TwpGraph   *graph;			/* or NULL */
	uint64		epoch;			/* decision under which the graph was last found current */
	uint64		probes;			/* since then */
	uint64		next;			/* number of them at which to think of a graph */
	uint64		writes;			/* of our own, when it was too large */
	bool		too_large;
} Target;

static List *targets = NIL;

/* Starts the room: its settings and its ears for changes. */
void
twp_lineage_init(void)
{
	DefineCustomIntVariable("twin_privacy.provenance_memory",
							"Memory a session may use for what the rows of a derived table are made from.",
							"Beyond it each row is looked up by itself, which is slower.",
							&twp_lineage_memory, 262144, 64, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB | GUC_NOT_WHILE_SEC_REST, NULL, NULL, NULL);
	DefineCustomIntVariable("twin_privacy.provenance_threshold",
							"Rows of a derived table that a statement looks up one by one before it reads all provenance.",
							NULL,
							&twp_lineage_threshold, 100, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	twp_lineage_change_init();
	twp_lineage_graph_init();
	twp_taint_init();
}

/* Finds or makes what is kept of a target. */
static Target *
find_target(Oid relid)
{
	Target	   *target;
	ListCell   *lc;
	MemoryContext old;

	foreach(lc, targets)
	{
		target = lfirst(lc);
		if (target->relid == relid)
			return target;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	target = palloc0(sizeof(Target));
	target->relid = relid;
	targets = lappend(targets, target);
	MemoryContextSwitchTo(old);
	return target;
}

/* Number of rows the provenance of a target has, as far as PostgreSQL has counted. */
static double
count_provenance(const TwpProtection *p)
{
	double		rows = 0;

	for (int i = 0; i < p->nprovenance; i++)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(p->provenance[i].relid));

		if (!HeapTupleIsValid(tuple))
			continue;
		rows += Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 0);
		ReleaseSysCache(tuple);
	}
	return rows;
}

/* True when a row can be looked up without reading all provenance. */
static bool
has_indexes(const TwpProtection *p)
{
	for (int i = 0; i < p->nprovenance; i++)
		if (!twp_lineage_has_index(p->provenance[i].relid, p->provenance[i].derived))
			return false;
	return true;
}

/* Decides to make a graph when so many rows were asked for that it costs no more. */
static bool
pays(Target *target, const TwpProtection *p)
{
	if (target->too_large && target->writes == twp_lineage_own_writes())
		return false;
	if (target->probes == 0)
		return !has_indexes(p) || twp_lineage_threshold == 0;
	if (target->probes < Max(target->next, (uint64) twp_lineage_threshold))
		return false;
	/* looking at the size costs, too: not at each row */
	target->next = target->probes + Max(twp_lineage_threshold, 1);
	return target->probes * ROWS_PER_PROBE >= count_provenance(p);
}

/* Gives the target's graph for n rows if there is one that holds, made when it pays; NULL for none. */
static TwpGraph *
graph_of(const TwpProtection *p, int n)
{
	Target	   *target;

	/* a standby does not hear of changes */
	if (RecoveryInProgress())
		return NULL;
	target = find_target(p->relid);
	if (target->epoch != twp_decision_epoch())
	{
		if (target->graph != NULL && !twp_lineage_is_current(target->graph))
		{
			TwpGraph   *old = target->graph;

			target->graph = NULL;
			target->probes = target->next = 0;
			twp_lineage_free(old);
		}
		target->epoch = twp_decision_epoch();
	}
	if (target->graph != NULL)
		return target->graph;
	if (pays(target, p))
	{
		target->graph = twp_lineage_build(p);
		target->too_large = target->graph == NULL;
		target->writes = twp_lineage_own_writes();
	}
	target->probes += n;
	return target->graph;
}

/* An input that must be open; for pooled rows the row's own categories too. */
typedef struct Asked
{
	TwpCategorySet also;
	bool		found;
} Asked;

/* Says whether an input is open. */
static bool
input_is_open(const TwpSubject *subject, TwpCategorySet needs, void *arg)
{
	Asked	   *asked = arg;

	asked->found = true;
	needs |= asked->also;
	return (twp_decision_consented(subject) & needs) == needs;
}

/*
 * True for a use that neither a missing consent nor a deny stops, such as one
 * that erases: then nothing is asked of the inputs, and a row whose inputs are
 * gone can be dealt with, too.
 */
static bool
asks_nothing(void)
{
	const TwpUse *use = twp_decision_use();

	return use->overrides_deny && use->basis != TWP_BASIS_CONSENT && twp_uses_emergency() == NULL;
}

/* The protection whose label declares the provenance: the relation's or its ancestor's. */
static const TwpProtection *
root_of(const TwpProtection *p)
{
	return p->source == p->relid ? p : twp_lineage_protection(p->source);
}

/* True when a row the statement sees may have gone meanwhile, and some of its provenance with it. */
static inline bool
may_be_gone(const TwpProtection *p)
{
	for (int i = 0; i < p->nprovenance; i++)
		if (unlikely(twp_lineage_removed_since(p->provenance[i].relid, GetActiveSnapshot())))
			return true;
	return false;
}

/* Says whether everything a row is made from is open, by the graph if there is one. */
static bool
row_is_open(const TwpProtection *p, TwpGraph *graph, bool look, const TwpSubject *key, TransactionId born)
{
	Asked		asked = {0};

	if (unlikely(look) && !twp_lineage_row_exists(p->relid, p->facts[TWP_ROW_KEY], key))
		return false;
	if (graph != NULL)
	{
		TwpGraphAnswer answer = twp_lineage_ask(graph, key, born);

		if (likely(answer != TWP_GRAPH_UNKNOWN))
			return answer == TWP_GRAPH_OPEN;
	}
	return twp_lineage_probe(p, key, input_is_open, &asked);
}

/* Says whether everything a row is made from is open. */
bool
twp_lineage_open(const TwpProtection *target, const TwpSubject *key, TransactionId born)
{
	const TwpProtection *p = root_of(target);
	Asked		asked = {0};

	if (p == NULL || p->broken != NULL)
		return false;
	if (asks_nothing())
		return true;
	if (!TransactionIdIsValid(born))
		return twp_lineage_probe_new(p, key, input_is_open, &asked);
	return row_is_open(p, graph_of(p, 1), may_be_gone(p), key, born);
}

/* Leaves of some rows those all of whose inputs are open. */
int
twp_lineage_keep_open(const TwpProtection *target, const TwpSubject *keys, const TransactionId *born, uint16 *rows, int n)
{
	const TwpProtection *p = root_of(target);
	TwpGraph   *graph;
	bool		look;
	int			kept = 0;

	if (p == NULL || p->broken != NULL || n == 0)
		return 0;
	if (asks_nothing())
		return n;
	graph = graph_of(p, n);
	look = may_be_gone(p);
	for (int i = 0; i < n; i++)
	{
		uint16		row = rows[i];

		/* which rows are open cannot be foretold: no branch */
		rows[kept] = row;
		kept += keys[row].kind != TWP_SUBJECT_INVALID && row_is_open(p, graph, look, &keys[row], born[row]);
	}
	return kept;
}

/* Says whether a row of no subject of its own is open: to all whose data it is made from. */
bool
twp_lineage_open_pooled(const TwpProtection *target, const TwpSubject *key, TransactionId born, TwpCategorySet needs)
{
	const TwpProtection *p = root_of(target);
	Asked		asked = {.also = needs};
	TwpGraph   *graph;
	bool		open;

	if (p == NULL || p->broken != NULL ||
		(may_be_gone(p) && !twp_lineage_row_exists(p->relid, p->facts[TWP_ROW_KEY], key)))
		return false;
	graph = asks_nothing() ? NULL : graph_of(p, 1);
	if (graph != NULL)
	{
		TwpGraphAnswer answer = twp_lineage_ask_pooled(graph, key, born, needs);

		if (answer != TWP_GRAPH_UNKNOWN)
			return answer == TWP_GRAPH_OPEN;
	}
	open = twp_lineage_probe(p, key, input_is_open, &asked);
	return open ? asked.found : asks_nothing();
}

/* Hands an input's subject on. */
static bool
visit_subject(const TwpSubject *subject, TwpCategorySet needs, void *arg)
{
	(*(void (**) (const TwpSubject *)) arg) (subject);
	return true;
}

/* Visits the subjects of all inputs of a row. */
void
twp_lineage_visit_subjects(const TwpProtection *target, const TwpSubject *key, TransactionId born,
						   void (*visit) (const TwpSubject *subject))
{
	const TwpProtection *p = root_of(target);
	TwpGraph   *graph;

	if (p == NULL || p->broken != NULL)
		return;
	graph = graph_of(p, 0);
	if (graph == NULL || !twp_lineage_walk(graph, key, born, visit))
		(void) twp_lineage_probe(p, key, visit_subject, &visit);
}

/*
 * lookup.c - the protection of a relation, cached.
 *
 * Every relation of every planned query is asked about, so the common answer
 * ("none") is one hash probe.  An entry is dropped when its relation's
 * relcache entry is invalidated (relabelling does that); an entry that depends
 * on other relations (ancestors, path tables, user categories) is dropped on
 * any invalidation.  Entries live in their own contexts under
 * CacheMemoryContext; an error while building leaves no entry behind.
 * Locks: none but on catalogs, as shape.c says why; whoever reads or writes
 * a relation has locked it before asking.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/news.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_seclabel.h"
#include "commands/seclabel.h"
#include "common/hashfn.h"
#include "protect/protect_internal.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct CacheEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	bool		has_others;		/* depends on other relations than relid */
	uint64		generation;		/* when built; counts only with has_others */
	TwpContext	kept_for;
	MemoryContext context;		/* NULL when unprotected */
	TwpProtection *protection;	/* NULL when unprotected */
} CacheEntry;

static HTAB *cache = NULL;
static uint64 generation = 1;

/* Marks what one relation's invalidation makes doubtful. */
static void
invalidate_relation(Datum arg, Oid relid)
{
	generation++;
	if (cache == NULL)
		return;
	if (OidIsValid(relid))
	{
		CacheEntry *entry = hash_search(cache, &relid, HASH_FIND, NULL);

		if (entry != NULL)
			entry->valid = false;
	}
	else
	{
		HASH_SEQ_STATUS status;
		CacheEntry *entry;

		hash_seq_init(&status, cache);
		while ((entry = hash_seq_search(&status)) != NULL)
			entry->valid = false;
	}
}

/* Registers the label provider and the cache's invalidation. */
void
twp_protect_init(void)
{
	register_label_provider("twin_privacy", twp_protect_check_relabel);
	twp_news_listen(invalidate_relation);
}

/* Grows whenever any protection may have changed. */
uint64
twp_protect_generation(void)
{
	return generation;
}

/* Reads our label of a relation (attno 0) or one of its columns; NULL when none. */
char *
twp_protect_label_text(Oid relid, AttrNumber attno)
{
	ObjectAddress object = {RelationRelationId, relid, attno};

	return GetSecurityLabel(&object, "twin_privacy");
}

/* Direct parents of a relation in the inheritance or partition tree. */
List *
twp_protect_parents(Oid relid)
{
	List	   *parents = NIL;
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/*
 * Finds the nearest relation, upward from relid, whose label protects, and the
 * nearest context on the way and above.
 */
static Oid
find_source(Oid relid, char **label, bool *has_parents, TwpContext *context)
{
	List	   *queue = list_make1_oid(relid);
	Oid			source = InvalidOid;

	*has_parents = false;
	*context = TWP_CONTEXT_NONE;
	for (int i = 0; i < list_length(queue); i++)
	{
		Oid			candidate = list_nth_oid(queue, i);
		List	   *parents;
		char	   *text = twp_protect_label_text(candidate, 0);
		bool		protects = false;

		if (text != NULL && *context == TWP_CONTEXT_NONE)
			*context = twp_protect_label_context_of(text, &protects);
		else if (text != NULL)
			(void) twp_protect_label_context_of(text, &protects);
		if (protects && !OidIsValid(source))
		{
			source = candidate;
			*label = text;
		}
		parents = twp_protect_parents(candidate);
		*has_parents |= (parents != NIL);
		queue = list_concat_unique_oid(queue, parents);
	}
	return source;
}

/* Mixes a label text into the protection's hash. */
static void
mix_hash(uint64 *hash, const char *text)
{
	if (text != NULL)
		*hash = hash_combine64(*hash, DatumGetUInt64(hash_any_extended((const unsigned char *) text,
																	   strlen(text), 0)));
	else
		*hash = hash_combine64(*hash, 1);
}

/*
 * Parses a stored label; one that does not parse (edited behind our back)
 * leaves the table refused, instead of making an error of every question.
 */
void *
twp_protect_parse_leniently(const char *text, bool table, const char **broken)
{
	MemoryContext context = CurrentMemoryContext;
	void	   *volatile label = NULL;

	if (text == NULL)
	{
		/* another session dropped what was labelled */
		*broken = "the security label is gone";
		return NULL;
	}
	PG_TRY();
	{
		label = table ? (void *) twp_protect_parse_table_label(text) :
			(void *) twp_protect_parse_column_label(text);
	}
	PG_CATCH();
	{
		/* the grammar is pure: nothing to undo but the error itself */
		MemoryContextSwitchTo(context);
		FlushErrorState();
		*broken = "a security label does not parse";
	}
	PG_END_TRY();
	return label;
}

/*
 * Resolves one column.  A column the source also has speaks through the
 * source's label, so that parent and child never disagree; a column of the
 * child's own speaks through its own.
 */
static void
resolve_column(TwpProtection *p, Form_pg_attribute att, TwpColumn *column)
{
	AttrNumber	source_attno = p->source == p->relid ? att->attnum :
		get_attnum(p->source, NameStr(att->attname));
	char	   *text = source_attno > 0 ? twp_protect_label_text(p->source, source_attno) :
		twp_protect_label_text(p->relid, att->attnum);
	TwpColumnLabel *label;
	int32		typmod = att->atttypmod;
	Oid			type;

	column->labelled = false;
	column->category = p->category;
	column->kind = TWP_KIND_IDENTIFIER;
	column->mask.kind = TWP_MASK_NULL;
	mix_hash(&p->hash, text);
	if (text == NULL)
		return;

	label = twp_protect_parse_leniently(text, false, &p->broken);
	if (label == NULL)
		return;
	column->labelled = true;
	column->kind = label->kind;
	column->mask = label->mask;
	column->bounds = label->bounds;
	column->values = label->values;
	if (label->category != NULL)
	{
		column->category = twp_vocab_category(label->category);
		if (column->category < 0)
			p->broken = psprintf("category \"%s\" of column \"%s\" does not exist",
								 label->category, NameStr(att->attname));
	}
	type = twp_protect_base_type(att->atttypid, &typmod);
	if (column->bounds.declared && !twp_protect_bounds_fit(type))
		p->broken = psprintf("bounds do not fit column \"%s\"", NameStr(att->attname));
	if (!twp_protect_mask_fits(&column->mask, type, typmod))
		p->broken = psprintf("mask \"%s\" does not fit column \"%s\"",
							 twp_protect_mask_name(column->mask.kind), NameStr(att->attname));
}

/* Resolves the columns of row facts; sets broken on failure. */
static void
resolve_facts(TwpProtection *p, const TwpTableLabel *label)
{
	for (int fact = 0; fact < TWP_ROW_FACTS; fact++)
	{
		const char *problem;
		TwpPath    *path;

		if (label->facts[fact] == NULL)
			continue;
		path = twp_protect_resolve_path(p->relid, label->facts[fact], &problem);
		if (path != NULL && problem == NULL)
			problem = twp_protect_fact_problem(fact, path);
		if (problem != NULL)
			p->broken = problem;
		else
			p->facts[fact] = path->start;
	}
}

/* Resolves what the rows are made from; sets broken on failure. */
static void
resolve_lineage(TwpProtection *p, const TwpTableLabel *label)
{
	Oid			key_type = p->facts[TWP_ROW_KEY] == 0 ? InvalidOid :
		twp_protect_column_type(p->relid, p->facts[TWP_ROW_KEY]);
	ListCell   *lc;

	p->untraced_open = label->untraced_open;
	p->provenance = palloc(sizeof(TwpProvenance) * Max(list_length(label->provenance), 1));
	foreach(lc, label->provenance)
	{
		const char *problem;

		if (twp_protect_resolve_provenance(lfirst(lc), key_type, &p->provenance[p->nprovenance], &problem))
			p->nprovenance++;
		if (problem != NULL)
			p->broken = problem;
	}
}

/* Resolves the table label against the relation; sets broken on failure. */
static void
resolve_table(TwpProtection *p, const TwpTableLabel *label)
{
	const char *problem;
	TwpPath    *path = twp_protect_resolve_path(p->relid, label->subject, &problem);

	p->native_rls = label->native_rls;
	p->category = twp_vocab_category(label->category);
	if (p->category < 0)
		p->broken = psprintf("category \"%s\" does not exist", label->category);
	if (problem != NULL)
		p->broken = problem;
	if (path != NULL)
	{
		p->subject = *path;
		p->subject_kind = twp_subject_kind(path->type);
		if (p->subject_kind == TWP_SUBJECT_INVALID)
			p->broken = "the subject column is not of type bigint, int, uuid or text";
	}
	if (label->label_column != NULL)
	{
		path = twp_protect_resolve_path(p->relid, label->label_column, &problem);
		if (problem != NULL)
			p->broken = problem;
		else if (!twp_protect_is_label_type(path->type))
			p->broken = "the label column is not of type text[] or text";
		if (path != NULL)
		{
			p->has_label_path = true;
			p->labels = *path;
		}
	}
	resolve_facts(p, label);
	resolve_lineage(p, label);
}

/* The number of a relation's columns, dropped ones included; negative when it is gone. */
static int
number_of_columns(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int			natts;

	if (!HeapTupleIsValid(tuple))
		return -1;
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	return natts;
}

/*
 * Builds the protection of a relation in the current memory context; NULL when
 * it is gone meanwhile: a list of labelled tables may name one being dropped.
 */
static TwpProtection *
build_protection(Oid relid, Oid source, const char *label_text)
{
	TwpProtection *p = palloc0(sizeof(TwpProtection));
	TwpTableLabel *label;
	Bitmapset  *generated = NULL;

	p->relid = relid;
	p->source = source;
	p->natts = number_of_columns(relid);
	if (p->natts < 0)
		return NULL;
	mix_hash(&p->hash, label_text);
	label = twp_protect_parse_leniently(label_text, true, &p->broken);
	if (label != NULL)
		resolve_table(p, label);
	p->columns = palloc0(sizeof(TwpColumn) * Max(p->natts, 1));
	for (AttrNumber attno = 1; attno <= p->natts; attno++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attno));
		Form_pg_attribute att;

		if (!HeapTupleIsValid(tuple))
			return NULL;
		att = (Form_pg_attribute) GETSTRUCT(tuple);
		if (att->attisdropped)
			p->columns[attno - 1].category = -1;
		else
			resolve_column(p, att, &p->columns[attno - 1]);
		if (att->attgenerated != '\0')
			generated = bms_add_member(generated, attno);
		ReleaseSysCache(tuple);
	}
	twp_protect_resolve_generated(p, generated);
	return p;
}

/* Fills a cache entry; the caller's entry stays invalid on error. */
static void
fill_entry(CacheEntry *entry)
{
	uint64		started = generation;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy lookup",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	char	   *label;
	bool		has_parents;
	TwpContext	kept_for;
	Oid			source = find_source(entry->relid, &label, &has_parents, &kept_for);
	TwpProtection *protection = NULL;
	MemoryContext context = NULL;

	if (OidIsValid(source))
	{
		context = AllocSetContextCreate(scratch, "twin_privacy protection", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(context);
		protection = build_protection(entry->relid, source, label);
		MemoryContextSetParent(context, CacheMemoryContext);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);

	entry->kept_for = kept_for;
	entry->context = context;
	entry->protection = protection;
	entry->generation = started;
	entry->has_others = has_parents || protection != NULL;
	/* News that came while reading: answer now, read again next time. */
	entry->valid = (generation == started);
}

/* Says whether relations of this OID and kind can carry or inherit a protection. */
static bool
can_be_protected(Oid relid)
{
	char		relkind;

	if (relid < FirstNormalObjectId)
		return false;
	relkind = get_rel_relkind(relid);
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_FOREIGN_TABLE || relkind == RELKIND_MATVIEW;
}

/* Finds or fills the entry of a relation; NULL for one that cannot carry a label. */
static CacheEntry *
find_entry(Oid relid)
{
	CacheEntry *entry;
	bool		found;

	if (relid < FirstNormalObjectId)
		return NULL;
	if (cache == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(CacheEntry),
		.hcxt = CacheMemoryContext};

		CreateCacheMemoryContext();
		ctl.hcxt = CacheMemoryContext;
		cache = hash_create("twin_privacy protections", 128, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(cache, &relid, HASH_FIND, NULL);
	if (entry != NULL && entry->valid &&
		(!entry->has_others || entry->generation == generation))
		return entry;
	if (!can_be_protected(relid))
		return NULL;

	entry = hash_search(cache, &relid, HASH_ENTER, &found);
	if (!found)
		entry->context = NULL;
	entry->valid = false;
	entry->protection = NULL;
	if (entry->context != NULL)
	{
		MemoryContext old = entry->context;

		entry->context = NULL;
		MemoryContextDelete(old);
	}
	fill_entry(entry);
	return entry;
}

/* Looks a relation's protection up; NULL when it has none. */
const TwpProtection *
twp_protect_lookup(Oid relid)
{
	CacheEntry *entry = find_entry(relid);

	return entry == NULL ? NULL : entry->protection;
}

/* Gives the context a relation is kept for. */
TwpContext
twp_protect_context(Oid relid)
{
	CacheEntry *entry = find_entry(relid);

	return entry == NULL ? TWP_CONTEXT_NONE : entry->kept_for;
}

/* Copies a path's hops. */
static void
copy_path(TwpPath *path)
{
	TwpHop	   *hops = palloc(sizeof(TwpHop) * Max(path->nhops, 1));

	if (path->nhops > 0)
		memcpy(hops, path->hops, sizeof(TwpHop) * path->nhops);
	path->hops = hops;
}

/* Copies a protection into a context of the caller's. */
TwpProtection *
twp_protect_copy(const TwpProtection *p, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TwpProtection *copy = palloc(sizeof(TwpProtection));

	*copy = *p;
	copy->broken = p->broken != NULL ? pstrdup(p->broken) : NULL;
	copy_path(&copy->subject);
	copy_path(&copy->labels);
	copy->provenance = palloc(sizeof(TwpProvenance) * Max(p->nprovenance, 1));
	if (p->nprovenance > 0)
		memcpy(copy->provenance, p->provenance, sizeof(TwpProvenance) * p->nprovenance);
	copy->columns = palloc(sizeof(TwpColumn) * Max(p->natts, 1));
	for (int i = 0; i < p->natts; i++)
	{
		copy->columns[i] = p->columns[i];
		if (p->columns[i].mask.step != NULL)
			copy->columns[i].mask.step = pstrdup(p->columns[i].mask.step);
		if (p->columns[i].values != NULL)
			copy->columns[i].values = pstrdup(p->columns[i].values);
	}
	MemoryContextSwitchTo(old);
	return copy;
}

/* Answers only whether a relation is protected. */
bool
twp_protect_is_protected(Oid relid)
{
	return twp_protect_lookup(relid) != NULL;
}

/* True for two label texts that are the same, or both missing. */
static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Says whether a child that has a label of its own asks for the same as the
 * relation it is read through: the parent's rules are what such a read obeys.
 */
bool
twp_protect_agrees(Oid child, Oid parent)
{
	const TwpProtection *p = twp_protect_lookup(child);
	Oid			own = p != NULL ? p->source : InvalidOid;
	Oid			other;
	char	   *name;

	p = twp_protect_lookup(parent);
	other = p != NULL ? p->source : InvalidOid;
	if (own == other)
		return true;
	if (!OidIsValid(other) ||
		!same_text(twp_protect_label_text(own, 0), twp_protect_label_text(other, 0)))
		return false;
	for (AttrNumber attno = 1; (name = get_attname(other, attno, true)) != NULL; attno++)
	{
		AttrNumber	counterpart = get_attnum(own, name);

		if (!same_text(twp_protect_label_text(other, attno),
					   counterpart > 0 ? twp_protect_label_text(own, counterpart) : NULL))
			return false;
	}
	return true;
}

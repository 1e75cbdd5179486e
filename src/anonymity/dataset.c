/*
 * dataset.c - a table's columns read as codes.
 *
 * The rows come through SPI into a receiver of our own, which gives every
 * distinct value of a column a number; afterwards the numbers follow the
 * values' order (or their hierarchy's).  Values are told apart by their bytes,
 * so 1.0 and 1.00 are two: whoever sees them printed tells them apart, too.
 *
 * Memory: one context, freed with the caller's; four bytes a cell and the
 * distinct values.  Locks: those of the query.  Failure: the query's own
 * errors, and 42703 for a column that is not there.
 */
#include "postgres.h"

#include "anonymity/anonymity_internal.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Numbers the distinct values of one column: open addressing, slots hold code + 1. */
typedef struct Encoder
{
	uint32	   *slots;
	uint32	   *hashes;			/* [code] */
	uint32		mask;
	int			capacity;
} Encoder;

typedef struct Receiver
{
	DestReceiver pub;
	TwpDataset *ds;
	Encoder    *encoders;
} Receiver;

/* Doubles the room of an encoder. */
static void
grow_encoder(Encoder *encoder, TwpAttribute *attribute)
{
	uint32		size = encoder->slots == NULL ? 64 : (encoder->mask + 1) * 2;

	if (encoder->slots != NULL)
		pfree(encoder->slots);
	encoder->slots = MemoryContextAllocExtended(CurrentMemoryContext, size * sizeof(uint32),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	encoder->mask = size - 1;
	for (int code = 0; code < attribute->nvalues; code++)
	{
		uint32		at = encoder->hashes[code] & encoder->mask;

		while (encoder->slots[at] != 0)
			at = (at + 1) & encoder->mask;
		encoder->slots[at] = code + 1;
	}
}

/* Appends a value that was not seen before; returns its code. */
static int
add_value(Encoder *encoder, TwpAttribute *attribute, Datum value, uint32 hash)
{
	int			code = attribute->nvalues;

	if (code == encoder->capacity)
	{
		int			capacity = code == 0 ? 32 : code * 2;

		if (code == 0)
		{
			encoder->hashes = palloc(capacity * sizeof(uint32));
			attribute->values = palloc(capacity * sizeof(Datum));
		}
		else
		{
			encoder->hashes = repalloc_huge(encoder->hashes, capacity * sizeof(uint32));
			attribute->values = repalloc_huge(attribute->values, capacity * sizeof(Datum));
		}
		encoder->capacity = capacity;
	}
	attribute->values[code] = datumCopy(value, attribute->byval, attribute->typlen);
	encoder->hashes[code] = hash;
	attribute->nvalues = code + 1;
	return code;
}

/* The bytes of a value that is not passed by value. */
static inline const char *
value_bytes(const TwpAttribute *attribute, Datum value, size_t *len)
{
	if (attribute->typlen > 0)
	{
		*len = attribute->typlen;
		return DatumGetPointer(value);
	}
	*len = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return VARDATA_ANY(DatumGetPointer(value));
}

/* Code of a value, new or known. */
static int32
encode_value(Encoder *encoder, TwpAttribute *attribute, Datum value)
{
	const char *bytes = NULL;
	size_t		len = 0;
	uint32		hash;
	uint32		at;

	if (attribute->byval)
		hash = (uint32) murmurhash32((uint32) value ^ (uint32) ((uint64) value >> 32) * 0x9E3779B1u);
	else
	{
		if (attribute->typlen == -1)
			value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
		bytes = value_bytes(attribute, value, &len);
		hash = hash_bytes((const unsigned char *) bytes, (int) len);
	}
	for (at = hash & encoder->mask; encoder->slots[at] != 0; at = (at + 1) & encoder->mask)
	{
		int			code = encoder->slots[at] - 1;
		size_t		known_len;
		const char *known;

		if (encoder->hashes[code] != hash || code == attribute->null_code)
			continue;
		if (attribute->byval)
		{
			if (attribute->values[code] == value)
				return code;
			continue;
		}
		known = value_bytes(attribute, attribute->values[code], &known_len);
		if (known_len == len && memcmp(known, bytes, len) == 0)
			return code;
	}
	encoder->slots[at] = add_value(encoder, attribute, value, hash) + 1;
	if (attribute->nvalues * 2 > (int) encoder->mask)
		grow_encoder(encoder, attribute);
	return attribute->nvalues - 1;
}

/* Code of the NULL, which is found by its number and not in the slots. */
static int32
encode_null(Encoder *encoder, TwpAttribute *attribute)
{
	if (attribute->null_code < 0)
	{
		int			code = attribute->nvalues;

		if (attribute->byval)
			(void) add_value(encoder, attribute, (Datum) 0, 0);
		else
		{
			/* a place without a value: nothing is copied from it */
			attribute->byval = true;
			(void) add_value(encoder, attribute, (Datum) 0, 0);
			attribute->byval = false;
		}
		attribute->null_code = code;
	}
	return attribute->null_code;
}

/* Takes one row. */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	TwpDataset *ds = receiver->ds;
	int32	   *row;
	MemoryContext old;

	if (ds->nrows == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the table has too many rows to anonymize at once"),
				 errhint("At most %d rows can be read: anonymize it in parts.", PG_INT32_MAX)));
	old = MemoryContextSwitchTo(ds->context);
	if (ds->nrows == ds->capacity)
	{
		ds->capacity *= 2;
		ds->rows = repalloc_huge(ds->rows, ds->capacity * ds->width * sizeof(int32));
	}
	slot_getallattrs(slot);
	row = TWP_ROW(ds, ds->nrows);
	for (int i = 0; i < ds->width; i++)
		row[i] = slot->tts_isnull[i] ?
			encode_null(&receiver->encoders[i], &ds->attributes[i]) :
			encode_value(&receiver->encoders[i], &ds->attributes[i], slot->tts_values[i]);
	ds->nrows++;
	MemoryContextSwitchTo(old);
	return true;
}

/* Learns the columns' types and prepares the encoders. */
static void
receive_start(DestReceiver *self, int operation, TupleDesc desc)
{
	Receiver   *receiver = (Receiver *) self;
	TwpDataset *ds = receiver->ds;
	MemoryContext old = MemoryContextSwitchTo(ds->context);

	Assert(desc->natts == ds->width);
	for (int i = 0; i < ds->width; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		TwpAttribute *attribute = &ds->attributes[i];

		attribute->type = getBaseType(att->atttypid);
		attribute->collation = att->attcollation;
		attribute->byval = att->attbyval;
		attribute->typlen = att->attlen;
		attribute->null_code = -1;
		grow_encoder(&receiver->encoders[i], attribute);
	}
	MemoryContextSwitchTo(old);
}

/* Nothing to do at the end: the dataset is the caller's. */
static void
receive_end(DestReceiver *self)
{
}

/* Gives all codes of the rows their final numbers. */
static void
finish_dataset(TwpDataset *ds, List *hierarchies)
{
	int32	  **maps = palloc0(ds->width * sizeof(int32 *));
	MemoryContext old = MemoryContextSwitchTo(ds->context);

	for (int i = 0; i < ds->width; i++)
	{
		Oid			table = InvalidOid;
		ListCell   *lc;

		/* a subject's key is only compared, its order means nothing */
		if (i == ds->subject || i == ds->origin)
			continue;
		foreach(lc, hierarchies)
		{
			TwpHierarchySource *source = lfirst(lc);

			if (strcmp(source->column, ds->attributes[i].name) == 0)
				table = source->table;
		}
		maps[i] = palloc(Max(ds->attributes[i].nvalues, 1) * sizeof(int32));
		twp_anonymity_order_values(ds, i, table, maps[i]);
	}
	for (int64 n = 0; n < ds->nrows; n++)
	{
		int32	   *row = TWP_ROW(ds, n);

		for (int i = 0; i < ds->width; i++)
			if (maps[i] != NULL)
				row[i] = maps[i][row[i]];
	}
	if (ds->origin >= 0)
	{
		TwpAttribute *origin = &ds->attributes[ds->origin];

		for (int64 n = 0; n < ds->nrows; n++)
			TWP_ROW(ds, n)[ds->origin] = DatumGetBool(origin->values[TWP_ROW(ds, n)[ds->origin]]);
	}
	ds->repeated = ds->subject >= 0 && ds->attributes[ds->subject].nvalues < ds->nrows;
	MemoryContextSwitchTo(old);
}

/* Writes the SQL that follows a subject path: nested look-ups by unique keys. */
static char *
subject_expression(const TwpProtection *p)
{
	char	   *expression = psprintf("t.%s", quote_identifier(get_attname(p->relid, p->subject.start, false)));

	for (int i = 0; i < p->subject.nhops; i++)
	{
		const TwpHop *hop = &p->subject.hops[i];

		expression = psprintf("(SELECT h.%s FROM %s AS h WHERE h.%s OPERATOR(pg_catalog.=) %s)",
							  quote_identifier(get_attname(hop->relid, hop->value_attno, false)),
							  twp_catalog_qualified_name(hop->relid),
							  quote_identifier(get_attname(hop->relid, hop->key_attno, false)),
							  expression);
	}
	return expression;
}

/* Writes the query for one of the tables. */
static void
append_query(StringInfo sql, const TwpDatasetSpec *spec, Oid relid, const char *subject, bool mark)
{
	ListCell   *lc;

	appendStringInfoString(sql, "SELECT ");
	foreach(lc, spec->quasi)
		appendStringInfo(sql, "%st.%s", foreach_current_index(lc) > 0 ? ", " : "", quote_identifier(lfirst(lc)));
	/* of the population only the quasi-identifiers are known */
	if (spec->sensitive != NULL && relid == spec->source)
		appendStringInfo(sql, ", t.%s", quote_identifier(spec->sensitive));
	else if (spec->sensitive != NULL)
		appendStringInfoString(sql, ", NULL");
	if (subject != NULL)
		appendStringInfo(sql, ", %s", subject);
	if (mark)
		appendStringInfo(sql, ", %s", relid == spec->source ? "true" : "false");
	appendStringInfo(sql, " FROM %s AS t",
					 twp_catalog_qualified_name(relid));
}

/* Refuses names that are no columns of the relation. */
static void
require_column(Oid relid, const char *name)
{
	AttrNumber	attno = get_attnum(relid, name);

	if (attno == InvalidAttrNumber || attno < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relid)),
				 errhint("Name columns of the table.")));
}

/* Lays out an empty dataset for what is asked. */
static TwpDataset *
create_dataset(const TwpDatasetSpec *spec, bool subject)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_privacy dataset",
												  ALLOCSET_DEFAULT_SIZES);
	TwpDataset *ds = MemoryContextAllocZero(context, sizeof(TwpDataset));
	ListCell   *lc;

	ds->context = context;
	ds->nquasi = ds->width = list_length(spec->quasi);
	ds->sensitive = spec->sensitive != NULL ? ds->width++ : -1;
	ds->subject = subject ? ds->width++ : -1;
	ds->origin = OidIsValid(spec->population) ? ds->width++ : -1;
	ds->capacity = 1024;
	ds->rows = MemoryContextAlloc(context, ds->capacity * ds->width * sizeof(int32));
	ds->attributes = MemoryContextAllocZero(context, ds->width * sizeof(TwpAttribute));
	foreach(lc, spec->quasi)
	{
		require_column(spec->source, lfirst(lc));
		ds->attributes[foreach_current_index(lc)].name = MemoryContextStrdup(context, lfirst(lc));
	}
	if (ds->sensitive >= 0)
	{
		require_column(spec->source, spec->sensitive);
		ds->attributes[ds->sensitive].name = MemoryContextStrdup(context, spec->sensitive);
	}
	return ds;
}

/* The expression that tells subjects apart: as named, or the protection's; NULL when neither. */
static char *
find_subject(const TwpDatasetSpec *spec)
{
	const TwpProtection *p;

	if (spec->subject != NULL)
	{
		require_column(spec->source, spec->subject);
		return psprintf("t.%s", quote_identifier(spec->subject));
	}
	p = twp_protect_lookup(spec->source);
	return p != NULL && p->broken == NULL ? subject_expression(p) : NULL;
}

/* Reads the columns of a table, as the caller. */
TwpDataset *
twp_anonymity_load(const TwpDatasetSpec *spec)
{
	char	   *subject = OidIsValid(spec->population) ? NULL : find_subject(spec);
	TwpDataset *ds = create_dataset(spec, subject != NULL);
	Receiver	receiver = {
		.pub = {receive_row, receive_start, receive_end, receive_end, DestTuplestore},
		.ds = ds,
	};
	SPIExecuteOptions options = {.read_only = false,.dest = &receiver.pub};
	StringInfoData sql;

	receiver.encoders = MemoryContextAllocZero(ds->context, ds->width * sizeof(Encoder));
	initStringInfo(&sql);
	append_query(&sql, spec, spec->source, subject, ds->origin >= 0);
	if (ds->origin >= 0)
	{
		appendStringInfoString(&sql, " UNION ALL ");
		append_query(&sql, spec, spec->population, NULL, true);
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_extended(sql.data, &options) != SPI_OK_SELECT)
		elog(ERROR, "reading the table failed");
	finish_dataset(ds, spec->hierarchies);
	SPI_finish();
	return ds;
}

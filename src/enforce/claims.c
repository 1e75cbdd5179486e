/*
 * claims.c - what users' functions claim of themselves, and is not believed.
 *
 * LEAKPROOF: PostgreSQL lets such a function look at rows before row security
 * has judged them, and at statistics.  PostgreSQL's own deserve it; others are
 * refused in queries of protected tables.  PARALLEL SAFE: what an interpreted
 * function reads in a worker would not be recorded, nor known to the leader.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/errors.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "enforce/enforce_internal.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static uint64 claims_news = 1;	/* changes heard of */
static uint64 claims_read = 0;	/* how many there were when claims_exist was found out */
static bool claims_exist = false;

/* Forgets what was known when a function changes. */
static void
forget_claims(Datum arg, int cache, uint32 hash)
{
	claims_news++;
}

/* Registers for changes of functions. */
void
twp_enforce_claims_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, forget_claims, (Datum) 0);
}

/* True for a function that claims to be leakproof and is neither PostgreSQL's nor ours (which are compiled). */
static bool
claims_leakproof(Oid function, const FormData_pg_proc *proc)
{
	return proc->proleakproof && function >= FirstNormalObjectId &&
		((proc->prolang != ClanguageId && proc->prolang != INTERNALlanguageId) ||
		 (proc->pronamespace != get_namespace_oid(TWP_SCHEMA, true) &&
		  proc->pronamespace != twp_catalog_internal_schema()));
}

/* Notes what one function claims; never ends the walk. */
static bool
note_function(Oid function, void *context)
{
	TwpClaims  *claims = context;
	HeapTuple	tuple;
	Form_pg_proc proc;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (claims_leakproof(function, proc))
		claims->leakproof = function;
	claims->parallel |= proc->proparallel == PROPARALLEL_SAFE &&
		proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId;
	ReleaseSysCache(tuple);
	return false;
}

/* Notes what the functions of one expression node claim. */
void
twp_enforce_note_claims(Node *node, TwpClaims *claims)
{
	(void) check_functions_in_node(node, note_function, claims);
}

/* Refuses a query of protected tables with a function that would look at rows too early. */
void
twp_enforce_refuse_leakproof(const TwpClaims *claims)
{
	if (OidIsValid(claims->leakproof))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_OUTSIDE_USE),
				 errmsg("function %s is marked LEAKPROOF, which is not believed of it on protected tables",
						get_func_name(claims->leakproof)),
				 errhint("ALTER FUNCTION ... NOT LEAKPROOF makes it see rows only after they were judged.")));
}

/*
 * True when the database has a function whose claim is not believed: then no
 * SQL function may be inlined into a query of protected tables, which might
 * bring a call of it in.
 */
bool
twp_enforce_claims_exist(void)
{
	Relation	procs;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	uint64		news;
	bool		found = false;

	if (claims_read == claims_news)
		return claims_exist;
	procs = table_open(ProcedureRelationId, AccessShareLock);
	news = claims_news;
	ScanKeyInit(&key, Anum_pg_proc_proleakproof, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true));
	scan = systable_beginscan(procs, InvalidOid, false, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

		found = claims_leakproof(proc->oid, proc);
	}
	systable_endscan(scan);
	table_close(procs, AccessShareLock);
	claims_exist = found;
	/* not before: a search that was cancelled found nothing out */
	claims_read = news;
	return found;
}

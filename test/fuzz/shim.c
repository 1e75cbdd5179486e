/*
 * shim.c - the little of a server that the fuzzed rooms call.
 *
 * Memory comes from malloc and is not freed by context: each input is small.  An
 * error raised is a finding: the fuzzed functions answer bad input by false.
 */
#include "postgres.h"

#include "utils/memutils.h"

#undef palloc
#undef palloc0

MemoryContext CurrentMemoryContext = NULL;
sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;

void *
palloc(Size size)
{
	return malloc(size);
}

void *
palloc0(Size size)
{
	return calloc(1, size);
}

void
pfree(void *pointer)
{
	free(pointer);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return calloc(1, size);
}

/* Kept by the target, which frees what it made. */
void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
}

bool
errstart(int elevel, const char *domain)
{
	abort();
}

bool
errstart_cold(int elevel, const char *domain)
{
	abort();
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *fmt,...)
{
	return 0;
}

int
errdetail_log(const char *fmt,...)
{
	return 0;
}

void
pg_re_throw(void)
{
	abort();
}

/*
 * compat.h - the one place that knows PostgreSQL versions.
 *
 * Everything else in the tree is written against the newest signatures and
 * includes this header when it needs one that changed between 15 and 18.
 * PG_VERSION_NUM may be tested nowhere else ("make lint" checks).
 */
#ifndef TWP_BASE_COMPAT_H
#define TWP_BASE_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "twin_privacy is tested on PostgreSQL 15 to 18 only"
#endif

#define TWP_PG16_GE (PG_VERSION_NUM >= 160000)
#define TWP_PG17_GE (PG_VERSION_NUM >= 170000)
#define TWP_PG18_GE (PG_VERSION_NUM >= 180000)

/* 16 moved the varlena macros out of postgres.h (commit d952373a987). */
#if TWP_PG16_GE
#include "varatt.h"
#endif

/*
 * Symbols that other libraries (or the server) look up by name.  Everything else
 * is hidden (-fvisibility=hidden); the Makefile gives PGDLLEXPORT the meaning
 * that 16 and later give it by themselves.
 */
#define TWP_EXPORT PGDLLEXPORT

/* 16 exports the function here, not only its info record. */
#if !TWP_PG16_GE
#include "fmgr.h"
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int	no_such_variable
#endif

/* 18 has the C11 keyword before the declaration instead of an attribute behind it. */
#if !TWP_PG18_GE
#define pg_noreturn _Noreturn
#endif

/* 16 lets input functions report bad input without raising (commit d9f7f5d32f2). */
#if TWP_PG16_GE
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) ereport_domain((ERROR), TEXTDOMAIN, __VA_ARGS__)
#endif

#endif							/* TWP_BASE_COMPAT_H */

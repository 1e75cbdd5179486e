/*
 * operations.c - what of the operations room is not SQL: the library's version.
 *
 * ALTER EXTENSION can update the catalog while an old library stays loaded
 * until the restart; status() compares the two.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twp_operations_library_version);

TWP_EXPORT Datum twp_operations_library_version(PG_FUNCTION_ARGS);

/* library_version(): the version this library was built as. */
Datum
twp_operations_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(TWP_VERSION));
}

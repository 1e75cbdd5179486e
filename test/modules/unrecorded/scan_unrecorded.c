/*
 * scan_unrecorded.c - the scan of whole pages without the note a row: it is inline, so
 * the file is compiled anew.
 */
#include "postgres.h"

#include "enforce/scan_internal.h"

#define twp_enforce_page_note(page, i, in_order) ((void) 0)

#include "../../../src/enforce/scan.c"

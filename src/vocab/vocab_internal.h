/*
 * vocab_internal.h - what the room's files tell each other.
 */
#ifndef TWP_VOCAB_INTERNAL_H
#define TWP_VOCAB_INTERNAL_H

#include "postgres.h"

/* Root of the HL7 tree; prohibiting it would close every purpose for good. */
#define TWP_VOCAB_ROOT_PURPOSE "PurposeOfUse"

/* True when the purpose itself, not only one above it, is prohibited. */
extern bool twp_vocab_purpose_prohibited_itself(const char *code);
/* True for a code of the HL7 security label table. */
extern bool twp_vocab_is_security_label(const char *code);

#endif							/* TWP_VOCAB_INTERNAL_H */

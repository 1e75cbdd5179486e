/*
 * vocab_internal.h - what the room's files tell each other.
 */
#ifndef TWP_VOCAB_INTERNAL_H
#define TWP_VOCAB_INTERNAL_H

#include "postgres.h"

#include "vocab/vocab.h"

/* Categories as arrays by number: what derivations are closed over. */
typedef struct TwpCategoryTree
{
	TwpCategorySet above[TWP_MAX_CATEGORIES];	/* itself and all above */
	TwpCategorySet below[TWP_MAX_CATEGORIES];	/* itself and all below */
	TwpCategorySet declared[TWP_MAX_CATEGORIES];	/* sources named in its own declaration */
} TwpCategoryTree;

/* Root of the HL7 tree; prohibiting it would close every purpose for good. */
#define TWP_VOCAB_ROOT_PURPOSE "PurposeOfUse"

/* True when the purpose itself, not only one above it, is prohibited. */
extern bool twp_vocab_purpose_prohibited_itself(const char *code);
/* True for a code of the HL7 security label table. */
extern bool twp_vocab_is_security_label(const char *code);
/* The tree of the copy; valid until the end of the transaction. */
extern const TwpCategoryTree *twp_vocab_category_tree(void);

/* derivation.c: everything that each category's data is made from. */
extern void twp_vocab_close_derivations(const TwpCategoryTree *tree, TwpCategorySet *inputs);

#endif							/* TWP_VOCAB_INTERNAL_H */

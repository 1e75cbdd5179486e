/*
 * vocab.h - purposes of use and categories of data, and their hierarchies.
 *
 * Glossary.  Purpose of use: why data is asked for (HL7 v3 PurposeOfUse).
 * Category: what kind of data it is.  Both are trees; what is said of a node
 * holds for all below it.  Categories are numbered 0..63 so that a set of
 * them is one 64-bit word.
 *
 * Contract: answers come from a backend-local copy of twin_privacy's tables,
 * read under a fresh snapshot and dropped on relcache invalidation; codes
 * returned live until the end of the transaction.  All functions may read
 * catalogs, so they need a transaction.  They work in parallel workers.
 */
#ifndef TWP_VOCAB_H
#define TWP_VOCAB_H

#include "postgres.h"

/* A set of categories; bit n is category number n. */
typedef uint64 TwpCategorySet;

#define TWP_MAX_CATEGORIES 64
#define TWP_CATEGORY_BIT(n) (UINT64CONST(1) << (n))

extern void twp_vocab_init(void);

/* Number of a category by code (exact, case-sensitive), or -1. */
extern int	twp_vocab_category(const char *code);
/* Like it, of the newest vocabulary: accepts invalidations; raises 22023 with a hint listing the codes. */
extern int	twp_vocab_require_category(const char *code);
/* The category and all below it. */
extern TwpCategorySet twp_vocab_category_covers(int category);
/* The category and all above it. */
extern TwpCategorySet twp_vocab_category_ancestors(int category);
/*
 * What a category's data is made from, as declared of it or of a category
 * above it, and what that is made from in turn; with each, all below it.
 */
extern TwpCategorySet twp_vocab_category_inputs(int category);
/* The categories of the set whose inputs are in the set too: what stays open of what consents open. */
extern TwpCategorySet twp_vocab_with_inputs(TwpCategorySet open);
/* Code of a category number; NULL when there is none. */
extern const char *twp_vocab_category_code(int category);
/* All categories there are. */
extern TwpCategorySet twp_vocab_all_categories(void);

/* True when the purpose code exists. */
extern bool twp_vocab_purpose_exists(const char *code);
/* Accepts invalidations; raises 22023 with a hint unless it exists. */
extern void twp_vocab_require_purpose(const char *code);
/* True when code is ancestor or lies anywhere below it (all parents count). */
extern bool twp_vocab_purpose_covers(const char *ancestor, const char *code);
/* True when the purpose or one above it is prohibited; *reason (may be NULL) says why. */
extern bool twp_vocab_purpose_prohibited(const char *code, const char **reason);

/*
 * What a row label asks for.  A label is a category code, an HL7 sensitivity
 * code mapped to one, or an HL7 confidentiality code (U L M N ask nothing, R
 * and V ask for "sensitive").  Returns false for an unknown label: the row
 * must be hidden.
 */
extern bool twp_vocab_label(const char *label, TwpCategorySet *required);

#endif							/* TWP_VOCAB_H */

/*
 * pseudonym_internal.h - shared by the files of the pseudonym room.
 */
#ifndef TWP_PSEUDONYM_INTERNAL_H
#define TWP_PSEUDONYM_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "keys/keys.h"
#include "pseudonym/pseudonym.h"

#define TWP_PSEUDONYM_MAC_LEN 16
/* 22 bytes are 176 bits: 36 characters of 5 bits, and the check character */
#define TWP_PSEUDONYM_TEXT_LEN 37

/*
 * A value of type pseudonym, byte for byte as stored and sent.  The MAC comes
 * first so that sorting and hashing meet random bytes at once; numbers are in
 * network order.
 */
typedef struct TwpPseudonym
{
	uint8		mac[TWP_PSEUDONYM_MAC_LEN];
	uint8		domain[4];
	uint8		version[2];
} TwpPseudonym;

StaticAssertDecl(sizeof(TwpPseudonym) == 22, "pseudonym must have no padding");

#define DatumGetPseudonymP(d) ((TwpPseudonym *) DatumGetPointer(d))
#define PG_GETARG_PSEUDONYM_P(n) DatumGetPseudonymP(PG_GETARG_DATUM(n))

/* value.c: pure functions, no memory, no errors */
extern int32 twp_pseudonym_domain_of(const TwpPseudonym *value);
extern int	twp_pseudonym_version_of(const TwpPseudonym *value);
extern void twp_pseudonym_set_key(TwpPseudonym *value, int32 domain_id, int version);
/* True when domain and version are ones a key can have. */
extern bool twp_pseudonym_valid(const TwpPseudonym *value);
/* Writes TWP_PSEUDONYM_TEXT_LEN characters and a NUL. */
extern void twp_pseudonym_format(const TwpPseudonym *value, char *text);
extern bool twp_pseudonym_parse(const char *text, TwpPseudonym *value);

/* canonical.c: the bytes that stand for a value, whatever type it came in */
typedef struct TwpCanonical
{
	uint8		tag;
	const uint8 *data;
	size_t		len;
	uint8		small[8];		/* data of fixed-length kinds points here */
} TwpCanonical;

extern bool twp_pseudonym_can_canonical(Oid type);
extern void twp_pseudonym_canonical(Oid type, Datum value, TwpCanonical *canonical);
extern void twp_pseudonym_canonical_subject(const TwpSubject *subject, TwpCanonical *canonical);

/* mask.c */
extern TwpDomain *twp_pseudonym_open_version(const char *name, int version, MemoryContext context);
extern void twp_pseudonym_compute(TwpDomain *domain, const TwpCanonical *canonical, TwpPseudonym *value);

/* permute.c: keyed permutation of all integers of 16, 32 or 64 bits */
extern uint64 twp_pseudonym_permute(TwpAes *aes, int bits, uint64 number);

/* call.c: what SQL functions keep between the calls of one statement */
typedef struct TwpDomainCall
{
	char	   *name;
	size_t		name_len;
	bool		reidentify;
	Oid			user;
	TimestampTz statement;
	uint64		generation;
	MemoryContext context;		/* holds the domain; reset when it is opened anew */
	TwpDomain  *domain;
	Oid			value_type;		/* base type of argument 1 */
	uint64		computed;
	uint64		next_event;
} TwpDomainCall;

/* The domain named by argument 0, permission checked, opened once a statement; records the use. */
extern TwpDomainCall *twp_pseudonym_call_domain(FunctionCallInfo fcinfo, const char *event, bool reidentify);

#endif							/* TWP_PSEUDONYM_INTERNAL_H */

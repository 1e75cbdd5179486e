/*
 * pseudonym_internal.h - shared by the files of the pseudonym room.
 */
#ifndef TWP_PSEUDONYM_INTERNAL_H
#define TWP_PSEUDONYM_INTERNAL_H

#include "postgres.h"

#include "base/compat.h"
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

/* compare.c: raises 42804 */
pg_noreturn extern void twp_pseudonym_refuse_comparison(void);

/* domain.c: a domain opened; keys but the first are derived when first needed */
struct TwpDomain
{
	MemoryContext context;
	TwpDataKey *key;
	TwpPseudonym blank;			/* domain and version, no MAC yet */
	TwpMac	   *mac;			/* pseudonyms */
	TwpAes	   *permutation;	/* integers */
	TwpMac	   *shift;			/* date offsets */
	TwpSiv	   *siv;			/* sealed values */
	TwpAes	   *fpe;			/* format-preserving encryption */
	TwpMac	   *salt;			/* hides the salts of forgotten subjects */
};

extern TwpDomain *twp_pseudonym_open_version(const char *name, int version, MemoryContext context);
extern TwpAes *twp_pseudonym_permutation(TwpDomain *domain);
extern TwpMac *twp_pseudonym_shift_mac(TwpDomain *domain);
extern TwpSiv *twp_pseudonym_siv(TwpDomain *domain);
extern TwpAes *twp_pseudonym_fpe(TwpDomain *domain);
extern TwpMac *twp_pseudonym_salt_mac(TwpDomain *domain);
extern void twp_pseudonym_compute(TwpDomain *domain, const TwpCanonical *canonical, TwpPseudonym *value);

/* salt.c: forgotten subjects.  A salt is 16 bytes, of which a number's holds a nonce and its partner. */
#define TWP_SALT_TABLE "subject_salt"
#define TWP_SALT_LEN 16
#define TWP_SALT_TAG_LEN 16

extern void twp_pseudonym_salt_init(void);
extern void twp_pseudonym_salts_changed(void);
/* A canonical value's MAC, with its salt when it is a forgotten subject's key. */
extern void twp_pseudonym_mac(TwpDomain *domain, TwpMac *mac, const TwpCanonical *canonical, uint8 out[TWP_MAC_LEN]);
extern void twp_pseudonym_compute_in_row(TwpDomain *domain, const TwpSubject *subject, const TwpCanonical *canonical,
										 TwpPseudonym *value);
extern void twp_pseudonym_number_tag(TwpDomain *domain, int bits, int64 number, uint8 tag[TWP_SALT_TAG_LEN]);
extern void twp_pseudonym_hide_partner(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN], uint8 salt[TWP_SALT_LEN]);
extern int64 twp_pseudonym_partner(TwpDomain *domain, const uint8 tag[TWP_SALT_TAG_LEN],
								   const uint8 stored[TWP_SALT_LEN]);
extern bool twp_pseudonym_swap_number(TwpDomain *domain, const TwpSubject *subject, int bits, int64 *number);

/* linkage.c: the domain of a use's masks */
extern void twp_pseudonym_linkage_init(void);
extern const char *twp_pseudonym_mask_domain(const char *use);

/* permute.c: keyed permutations of integers. */
extern uint64 twp_pseudonym_permute(TwpAes *aes, int bits, uint64 number);
/* The permutation a number belongs to: that of smallints, of integers, or of the other bigints. */
extern int	twp_pseudonym_number_bits(bool small, int64 number);
/* A number's image under the permutation it belongs to. */
extern int64 twp_pseudonym_number_image(TwpAes *aes, int bits, int64 number);

/*
 * sealed.c, sealed_value.c: a sealed value's bytes are a header (domain,
 * version, category number or 255), then the SIV tag and the cipher text.
 */
#define TWP_SEALED_HEADER_LEN 7
#define TWP_SEALED_MIN_LEN (TWP_SEALED_HEADER_LEN + TWP_SIV_TAG_LEN)
#define TWP_SEALED_NO_CATEGORY 255

extern void twp_sealed_set_header(uint8 *bytes, int32 domain_id, int version, int category);
extern int32 twp_sealed_domain_of(const uint8 *bytes);
extern int	twp_sealed_version_of(const uint8 *bytes);
/* True when bytes of that length can be a sealed value. */
extern bool twp_sealed_valid(const uint8 *bytes, size_t len);
/* Hexadecimal text into bytes, which has room for half its length; false when it cannot be a sealed value. */
extern bool twp_sealed_parse(const char *text, size_t len, uint8 *bytes);

/* Records that one value was turned back; bytes name a sealed one, else NULL. */
extern void twp_pseudonym_record_opening(const char *event, const char *domain, const uint8 *bytes);

/* unseal.c: charges one value turned back to the login or its order, or raises TP003 */
extern void twp_pseudonym_unseal_init(void);
extern void twp_pseudonym_unseal_charge(const char *domain);

/* call.c: what SQL functions keep between the calls of one statement */
typedef struct TwpDomainCall
{
	char	   *name;
	size_t		name_len;
	bool		name_constant;	/* argument 0 is written in the query */
	int			version;		/* as asked for; 0 is the newest */
	Oid			user;
	TimestampTz statement;
	uint64		generation;
	MemoryContext context;		/* holds the domain; reset when it is opened anew */
	TwpDomain  *domain;
	Oid			value_type;		/* base type of argument 1 */
	bool		subject_fits;	/* and that it can be a subject's key */
	uint64		computed;
	uint64		next_event;
	void	   *extra;			/* the function's own, in its fn_mcxt */
} TwpDomainCall;

/* The call site's state, made at its first call. */
extern TwpDomainCall *twp_pseudonym_call_state(FunctionCallInfo fcinfo);
/* Opens the domain, permission checked, unless it is open for this user and statement. */
extern void twp_pseudonym_call_open(TwpDomainCall *call, const char *name, size_t len, int version, bool reidentify);
/* Records the first value and then every thousandfold. */
extern void twp_pseudonym_call_count(TwpDomainCall *call, const char *event);
/* All of it for a domain named by argument 0. */
extern TwpDomainCall *twp_pseudonym_call_domain(FunctionCallInfo fcinfo, const char *event, bool reidentify);

#endif							/* TWP_PSEUDONYM_INTERNAL_H */

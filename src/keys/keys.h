/*
 * keys.h - the key ring: domains, their data keys, and who may use them.
 *
 * Glossary.  Domain: a named key space; values made in one domain agree with
 * each other and with nothing outside.  Data key: 32 random bytes of one
 * (domain, version); in the database only wrapped.  Master key: wraps the data
 * keys; comes from a file or a command and is never stored.  Domain number:
 * 31 bits of the name's SHA-256, so that a typmod or a stored value means the
 * same domain in every database, before and after dump and restore.
 *
 * Contract: keys are read under a fresh snapshot, so a rotation or destruction
 * holds for every later opening, also inside REPEATABLE READ, in parallel
 * workers and on standbys once replayed.  Unwrapped data keys are cached in
 * the backend, wiped when the tables change and when the backend ends; the
 * master key is wiped as soon as a data key is unwrapped.  Whatever is missing
 * or unreadable raises TP005: never a weaker result.
 */
#ifndef TWP_KEYS_H
#define TWP_KEYS_H

#include "postgres.h"

#include "crypto/crypto.h"

#define TWP_DOMAIN_NAME_MAX 128
#define TWP_MAX_SHIFT_DAYS 3650

/* A data key opened for use; lives in the context it was opened in and is wiped with it. */
typedef struct TwpDataKey
{
	int32		domain_id;
	int16		version;
	int32		max_shift_days;
	uint64		generation;		/* compare with twp_keys_generation */
	uint8		key[TWP_KEY_LEN];
	MemoryContextCallback on_reset;
} TwpDataKey;

extern void twp_keys_init(void);

/* The number of a domain name, whether or not the domain exists; raises 22023 for a bad name. */
extern int32 twp_keys_domain_id(const char *name);
/* The name of a domain number, palloc'd, or NULL when there is none. */
extern char *twp_keys_domain_name(int32 domain_id);

/* Creates a domain and its first key; does nothing when it exists.  No privilege check. */
extern void twp_keys_create_domain(const char *name);

/* Opens the newest key of a domain (version 0) or a given version. */
extern TwpDataKey *twp_keys_open(const char *name, int version, MemoryContext context);
extern TwpDataKey *twp_keys_open_id(int32 domain_id, int version, MemoryContext context);
/* The newest version, destroyed or not, 0 when there is none; kept until keys change. */
extern int	twp_keys_newest_version(const char *name);
/* The table of keys. */
extern Oid	twp_keys_relation(void);
/* Live versions of a domain, newest first; returns their number. */
extern int	twp_keys_versions(const char *name, int16 **versions);
/* Changes whenever keys may have changed; what was opened under another value must be opened again. */
extern uint64 twp_keys_generation;
/* Derives a purpose-bound key from a data key. */
extern void twp_keys_derive(const TwpDataKey *key, const char *purpose, uint8 *out, size_t len);

/*
 * May the current user compute in the domain, or (reidentify) turn its values
 * back?  Asked of the room that knows the bound use; without an answer only
 * twin_privacy_admin may compute and nobody may turn back.
 */
typedef bool (*TwpDomainPermission) (const char *domain, bool reidentify);

extern void twp_keys_register_permission(TwpDomainPermission permission);
/* The answer may be another from now on, also in the middle of a statement. */
extern void twp_keys_permission_changed(void);
/* Raises 42501, in the same words whether or not the domain exists. */
extern void twp_keys_require_permission(const char *domain, bool reidentify);

#endif							/* TWP_KEYS_H */

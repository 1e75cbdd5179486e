/*
 * domain.c - one domain opened for many values.
 *
 * Memory: a TwpDomain and all its keys live in the context it was opened in
 * and are wiped with it.  Each purpose has a key of its own, derived from the
 * domain's data key.  Failure: TP005 for a missing domain or key, nothing weaker.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "pseudonym/pseudonym_internal.h"

/* Derives a MAC for one purpose of the domain. */
static TwpMac *
derive_mac(TwpDomain *domain, const char *purpose)
{
	uint8		key[TWP_KEY_LEN];
	TwpMac	   *mac;

	twp_keys_derive(domain->key, purpose, key, sizeof(key));
	mac = twp_crypto_mac_create(domain->context, key, sizeof(key));
	twp_crypto_wipe(key, sizeof(key));
	return mac;
}

/* Opens a version of a domain, 0 for the newest. */
TwpDomain *
twp_pseudonym_open_version(const char *name, int version, MemoryContext context)
{
	TwpDomain  *domain = MemoryContextAllocZero(context, sizeof(TwpDomain));

	domain->context = context;
	domain->key = twp_keys_open(name, version, context);
	twp_pseudonym_set_key(&domain->blank, domain->key->domain_id, domain->key->version);
	domain->mac = derive_mac(domain, "twin_privacy/pseudonym");
	return domain;
}

/* Tells which domain and version the use's masks are made with now. */
uint64
twp_pseudonym_pin(const char *use)
{
	const char *domain = twp_pseudonym_mask_domain(use);

	return (uint64) twp_keys_domain_id(domain) << 16 | (uint64) twp_keys_newest_version(domain);
}

/* Opens what was pinned. */
TwpDomain *
twp_pseudonym_open(const char *use, uint64 pin, MemoryContext context)
{
	const char *domain = twp_pseudonym_mask_domain(use);

	if (pin >> 16 != (uint64) twp_keys_domain_id(domain))
		ereport(ERROR,
				(errcode(ERRCODE_TWP_USE_NOT_USABLE),
				 errmsg("twin_privacy.linkage changed while the statement was running"),
				 errhint("Run the statement again.")));
	return twp_pseudonym_open_version(domain, (int) (pin & PG_UINT16_MAX), context);
}

/* The table of keys: a rotation announces it. */
Oid
twp_pseudonym_pinned_relation(void)
{
	return twp_keys_relation();
}

/* Creates a domain and its first key unless it exists. */
void
twp_pseudonym_create_domain(const char *name)
{
	twp_keys_create_domain(name);
}

/* Derives a block cipher for one purpose of the domain. */
static TwpAes *
derive_aes(TwpDomain *domain, const char *purpose)
{
	uint8		key[TWP_KEY_LEN];
	TwpAes	   *aes;

	twp_keys_derive(domain->key, purpose, key, sizeof(key));
	aes = twp_crypto_aes_create(domain->context, key, sizeof(key));
	twp_crypto_wipe(key, sizeof(key));
	return aes;
}

/* Gives the cipher of the integers' permutation. */
TwpAes *
twp_pseudonym_permutation(TwpDomain *domain)
{
	if (domain->permutation == NULL)
		domain->permutation = derive_aes(domain, "twin_privacy/permutation");
	return domain->permutation;
}

/* Gives the MAC of the date offsets. */
TwpMac *
twp_pseudonym_shift_mac(TwpDomain *domain)
{
	if (domain->shift == NULL)
		domain->shift = derive_mac(domain, "twin_privacy/shift");
	return domain->shift;
}

/* Gives the MAC that hides the salts of forgotten subjects. */
TwpMac *
twp_pseudonym_salt_mac(TwpDomain *domain)
{
	if (domain->salt == NULL)
		domain->salt = derive_mac(domain, "twin_privacy/salt");
	return domain->salt;
}

/* Gives the cipher of format-preserving encryption. */
TwpAes *
twp_pseudonym_fpe(TwpDomain *domain)
{
	if (domain->fpe == NULL)
		domain->fpe = derive_aes(domain, "twin_privacy/fpe");
	return domain->fpe;
}

/* Gives the cipher of sealed values. */
TwpSiv *
twp_pseudonym_siv(TwpDomain *domain)
{
	if (domain->siv == NULL)
	{
		uint8		key[TWP_SIV_KEY_LEN];

		twp_keys_derive(domain->key, "twin_privacy/sealed", key, sizeof(key));
		domain->siv = twp_crypto_siv_create(domain->context, key, sizeof(key));
		twp_crypto_wipe(key, sizeof(key));
	}
	return domain->siv;
}

/* Makes the pseudonym of a canonical value. */
void
twp_pseudonym_compute(TwpDomain *domain, const TwpCanonical *canonical, TwpPseudonym *value)
{
	uint8		mac[TWP_MAC_LEN];

	twp_pseudonym_mac(domain, domain->mac, canonical, mac);
	*value = domain->blank;
	memcpy(value->mac, mac, TWP_PSEUDONYM_MAC_LEN);
}

/*
 * payload.c - what a release's function is told, sealed and read back.
 *
 * The key of the seal is drawn by each backend and never leaves it: plans stay
 * within their backend, too.
 */
#include "postgres.h"

#include "anonymity/private.h"
#include "anonymity/release_internal.h"
#include "base/compat.h"
#include "crypto/crypto.h"
#include "nodes/nodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Seals payloads of this backend; made at first use. */
static TwpMac *seal_mac = NULL;

/* The seal of a payload. */
bytea *
twp_anonymity_seal(const text *payload)
{
	bytea	   *seal = palloc(VARHDRSZ + TWP_MAC_LEN);

	if (seal_mac == NULL)
	{
		uint8		key[TWP_KEY_LEN];

		twp_crypto_random(key, sizeof(key));
		seal_mac = twp_crypto_mac_create(TopMemoryContext, key, sizeof(key));
		twp_crypto_wipe(key, sizeof(key));
	}
	SET_VARSIZE(seal, VARHDRSZ + TWP_MAC_LEN);
	twp_crypto_mac(seal_mac, "release", 7, VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload), (uint8 *) VARDATA(seal));
	return seal;
}

/* Reads the description of a release back. */
TwpRelease *
twp_private_open(text *payload, bytea *seal)
{
	TwpRelease *release = palloc0(sizeof(TwpRelease));
	List	   *parts;
	List	   *flags;
	ListCell   *lc;

	if (VARSIZE_ANY_EXHDR(seal) != TWP_MAC_LEN ||
		!twp_crypto_equal(VARDATA_ANY(seal), VARDATA(twp_anonymity_seal(payload)), TWP_MAC_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a private release is run by rewritten queries only"),
				 errhint("Query protected tables under a private use.")));
	parts = castNode(List, stringToNode(text_to_cstring(payload)));
	flags = castNode(List, list_nth(parts, 4));
	release->inner = linitial_node(Query, parts);
	release->layout = (const TwpBoundedLayout *) DatumGetPointer(lsecond_node(Const, parts)->constvalue);
	release->stamp = strtoull(strVal(lfourth(parts)), NULL, 16);
	release->nkeys = intVal(linitial(flags));
	release->grouped = intVal(lsecond(flags)) != 0;
	release->once = intVal(lthird(flags)) != 0;
	release->domains = lfourth(flags);
	release->nbins = intVal(linitial(list_nth_node(List, flags, 4)));
	release->low = strtod(strVal(lsecond(list_nth_node(List, flags, 4))), NULL);
	release->high = strtod(strVal(lthird(list_nth_node(List, flags, 4))), NULL);
	release->nfigures = list_length(lthird(parts));
	release->figures = palloc0(Max(release->nfigures, 1) * sizeof(TwpFigure));
	foreach(lc, lthird_node(List, parts))
	{
		TwpFigure  *figure = &release->figures[foreach_current_index(lc)];
		List	   *fields = lfirst(lc);

		figure->kind = intVal(linitial(fields));
		figure->column = intVal(lsecond(fields));
		figure->type = (Oid) intVal(lthird(fields));
		figure->name = strVal(lfourth(fields));
		figure->millionths = intVal(list_nth(fields, 4));
	}
	return release;
}

/*
 * domain.c - groups that are known before any row is read.
 *
 * Where every key's values are listed (by labels, by width_bucket, because it
 * is a boolean), all groups leave, those of nobody as well; so that a group
 * shows tells nothing, and there is no threshold and no delta.  Rows with
 * other keys than those listed are not counted.
 */
#include "postgres.h"

#include "anonymity/private.h"
#include "anonymity/release_internal.h"
#include "nodes/value.h"

/* True when all groups are known in advance. */
bool
twp_private_groups_known(const TwpRelease *release)
{
	double		n = 1;
	ListCell   *lc;

	foreach(lc, release->domains)
		n *= list_length(lfirst(lc));
	return release->nkeys > 0 && list_length(release->domains) == release->nkeys && n > 0 && n <= TWP_MAX_DOMAIN;
}

/* Orders groups by their keys, NULL last. */
int
twp_private_compare_groups(const void *a, const void *b, void *arg)
{
	const TwpGroup *x = a;
	const TwpGroup *y = b;

	for (int k = 0; k < *(int *) arg; k++)
	{
		int			c = x->keys[k] == NULL || y->keys[k] == NULL ?
			(x->keys[k] == NULL) - (y->keys[k] == NULL) : strcmp(x->keys[k], y->keys[k]);

		if (c != 0)
			return c;
	}
	return 0;
}

/* The groups that are known, with the parts of those that were met. */
TwpGroup *
twp_private_known_groups(const TwpRelease *release, const TwpGroup *met, int nmet, int *ngroups)
{
	int			nkeys = release->nkeys;
	TwpGroup   *groups;
	TwpGroup   *sorted = palloc(Max(nmet, 1) * sizeof(TwpGroup));

	if (nmet > 0)
		memcpy(sorted, met, nmet * sizeof(TwpGroup));
	qsort_arg(sorted, nmet, sizeof(TwpGroup), twp_private_compare_groups, &nkeys);
	*ngroups = 1;
	for (int k = 0; k < nkeys; k++)
		*ngroups *= list_length(list_nth(release->domains, k));
	groups = palloc0(*ngroups * sizeof(TwpGroup));
	for (int g = 0; g < *ngroups; g++)
	{
		int			rest = g;
		TwpGroup   *found;

		groups[g].keys = palloc(nkeys * sizeof(char *));
		for (int k = 0; k < nkeys; k++)
		{
			List	   *values = list_nth(release->domains, k);
			Node	   *value = list_nth(values, rest % list_length(values));

			groups[g].keys[k] = IsA(value, String) ? strVal(value) : NULL;
			rest /= list_length(values);
		}
		found = bsearch_arg(&groups[g], sorted, nmet, sizeof(TwpGroup), twp_private_compare_groups, &nkeys);
		if (found != NULL)
		{
			groups[g].parts = found->parts;
			groups[g].nparts = found->nparts;
		}
	}
	return groups;
}

/*
 * label.c - what HL7 says of security labels, and what our categories hold.
 *
 * Pure functions.  The hierarchy of sensitivity codes is HL7 v3 ActCode's
 * (HL7 Terminology, CC0): specially protected information stands above
 * behavioral health, and that above its kinds.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/consent_internal.h"

static const char *const confidentiality[] = {"U", "L", "M", "N", "R", "V"};

static const struct
{
	const char *code;
	const char *parent;
}			sensitivity[] = {
	{"BH", "SPI"},
	{"COGN", "BH"}, {"DVD", "BH"}, {"EMOTDIS", "BH"}, {"MH", "BH"}, {"PSY", "BH"},
	{"PSYTHPN", "BH"}, {"SUD", "BH"},
	{"ETHUD", "SUD"}, {"OPIOIDUD", "SUD"},
};

/* Resource types that hold the data of a category; a category not named here may be any. */
static const struct
{
	const char *category;
	const char *type;
}			resource_types[] = {
	{"identity", "Patient"}, {"contact", "Patient"}, {"demographics", "Patient"},
	{"condition", "Condition"},
	{"medication", "MedicationRequest"}, {"medication", "MedicationStatement"},
	{"medication", "MedicationAdministration"}, {"medication", "MedicationDispense"},
	{"laboratory", "Observation"}, {"laboratory", "DiagnosticReport"},
	{"vital_signs", "Observation"},
	{"imaging", "ImagingStudy"}, {"imaging", "DiagnosticReport"},
	{"procedure", "Procedure"},
	{"genomics", "Observation"}, {"genomics", "MolecularSequence"}, {"genomics", "DiagnosticReport"},
};

/* Gives the rank of a confidentiality code. */
int
twp_label_confidentiality(const char *label)
{
	for (int i = 0; i < lengthof(confidentiality); i++)
		if (strcmp(confidentiality[i], label) == 0)
			return i;
	return -1;
}

/* True when label is other or stands above it. */
bool
twp_label_covers(const char *label, const char *other)
{
	while (other != NULL)
	{
		const char *parent = NULL;

		if (strcmp(label, other) == 0)
			return true;
		for (int i = 0; i < lengthof(sensitivity); i++)
			if (strcmp(sensitivity[i].code, other) == 0)
				parent = sensitivity[i].parent;
		other = parent;
	}
	return false;
}

/* True when the list holds the string. */
static bool
holds(const TwpStrings *list, const char *string)
{
	for (int i = 0; i < list->n; i++)
		if (strcmp(list->item[i], string) == 0)
			return true;
	return false;
}

/* Gives the categories whose data can be, or can only be, of the types. */
TwpMatch
twp_type_categories(const TwpStrings *types)
{
	TwpCategorySet known = 0;
	TwpCategorySet some = 0;
	TwpCategorySet other = 0;
	TwpMatch	match;

	for (int i = 0; i < lengthof(resource_types); i++)
	{
		int			category = twp_vocab_category(resource_types[i].category);

		if (category < 0)
			continue;
		known |= TWP_CATEGORY_BIT(category);
		if (holds(types, resource_types[i].type))
			some |= TWP_CATEGORY_BIT(category);
		else
			other |= TWP_CATEGORY_BIT(category);
	}
	match.sure = some & ~other;
	match.may = some | ~known;
	return match;
}

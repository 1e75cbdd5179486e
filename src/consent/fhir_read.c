/*
 * fhir_read.c - a FHIR R4 or R5 Consent, read into terms.
 *
 * R4 has two styles.  A root provision with a type is the base decision
 * itself; one without a type is an exception to policyRule (OPTIN, OPTOUT),
 * with the opposite effect.  In R5 the base decision is its own element and
 * provisions alternate: exceptions, exceptions to those, and so on.  Either
 * becomes one tree in which every provision has its own effect (rule.c).
 *
 * Contract: what changes the meaning and cannot be kept is refused with its
 * path.  Elements that only describe (who signed, where the paper is, display
 * texts) are known by name and left to the evidence.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/fhir_internal.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Takes the base decision that policyRule tells. */
static void
take_policy(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	TwpDecision *base = arg;

	if (strcmp(code, "OPTIN") == 0)
		*base = TWP_DECISION_PERMIT;
	else if (strcmp(code, "OPTOUT") == 0)
		*base = TWP_DECISION_DENY;
}

/* Reads an R4 resource's terms; false when it has no base decision. */
static bool
read_r4_terms(const TwpFhirReader *reader, StringInfo json, TwpFhirConsent *consent, const char *path)
{
	JsonbContainer *provision = twp_fhir_object(reader->root, "provision", path);
	JsonbContainer *policy = twp_fhir_object(reader->root, "policyRule", path);
	char	   *place = psprintf("%s.provision", path);
	char	   *type = provision == NULL ? NULL : twp_fhir_string(provision, "type", place);
	TwpDecision base = TWP_DECISION_NONE;

	if (type != NULL)
	{
		twp_fhir_period(provision, "period", place, &consent->valid_from, &consent->valid_until);
		twp_fhir_provision(reader, json, provision, place, twp_fhir_effect(type, psprintf("%s.type", place)), true);
		return true;
	}
	if (policy != NULL && twp_fhir_member(policy, "coding") != NULL)
		twp_fhir_codings(reader, policy, "coding", psprintf("%s.policyRule", path), take_policy, &base);
	if (base == TWP_DECISION_NONE)
	{
		consent->missing = psprintf("%s.type", place);
		return false;
	}
	appendStringInfo(json, "{\"decision\": \"%s\"", base == TWP_DECISION_PERMIT ? "permit" : "deny");
	if (provision != NULL)
	{
		appendStringInfoString(json, ", \"rules\": [");
		twp_fhir_provision(reader, json, provision, place, twp_fhir_opposite(base), false);
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
	return true;
}

/* Reads an R5 resource's terms; false when it has no base decision. */
static bool
read_r5_terms(const TwpFhirReader *reader, StringInfo json, TwpFhirConsent *consent, const char *path)
{
	char	   *decision = twp_fhir_string(reader->root, "decision", path);
	TwpStrings	grantees = {NULL, 0};
	TwpDecision base;
	int			n;
	JsonbContainer *array = twp_fhir_array(reader->root, "grantee", path, &n);

	if (decision == NULL)
	{
		consent->missing = psprintf("%s.decision", path);
		return false;
	}
	base = twp_fhir_effect(decision, psprintf("%s.decision", path));
	twp_fhir_period(reader->root, "period", path, &consent->valid_from, &consent->valid_until);
	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.grantee[%d]", path, i);

		twp_fhir_add_actor(reader, &grantees, twp_fhir_element(array, i, place), place);
	}
	appendStringInfo(json, "{\"decision\": \"%s\"", decision);
	twp_strings_write(json, "recipients", &grantees);
	twp_fhir_provisions(reader, json, reader->root, path, base);
	appendStringInfoChar(json, '}');
	return true;
}

/* Reads whom the consent is of: the id of the patient. */
static char *
read_subject(const TwpFhirReader *reader, const char *path)
{
	const char *name = reader->r5 ? "subject" : "patient";
	JsonbContainer *reference = twp_fhir_object(reader->root, name, path);
	char	   *text;
	char	   *slash;

	if (reference == NULL)
		return NULL;
	text = twp_fhir_reference(reader, reference, psprintf("%s.%s", path, name));
	if (text[0] == '#')
		twp_fhir_refuse(psprintf("%s.%s", path, name), "a patient in the resource itself");
	if (strncmp(text, "urn:uuid:", 9) == 0)
		return text + 9;
	slash = strrchr(text, '/');
	return slash == NULL ? text : slash + 1;
}

/* Refuses an R4 scope that is not about privacy or research. */
static void
take_scope(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	if (strcmp(code, "patient-privacy") != 0 && strcmp(code, "research") != 0)
		twp_fhir_refuse(path, "the consent is not about the use of data");
}

/* Reads a resource that is part of another value. */
TwpFhirConsent
twp_fhir_read_container(JsonbContainer *object, const char *path, bool dry)
{
	static const char *const known_r4[] = {"resourceType", "id", "meta", "language", "text", "contained",
		"extension", "identifier", "status", "scope", "category", "patient", "dateTime", "performer",
		"organization", "sourceAttachment", "sourceReference", "policy", "policyRule", "verification",
		"provision", NULL};
	static const char *const known_r5[] = {"resourceType", "id", "meta", "language", "text", "contained",
		"extension", "identifier", "status", "category", "subject", "date", "period", "grantor", "grantee",
		"manager", "controller", "sourceAttachment", "sourceReference", "regulatoryBasis", "policyBasis",
		"policyText", "verification", "decision", "provision", NULL};
	TwpFhirReader reader = {object, dry, false};
	TwpFhirConsent consent = {NULL, false, DT_NOBEGIN, DT_NOEND, DT_NOBEGIN};
	JsonbValue *provision;
	JsonbContainer *scope;
	StringInfoData json;
	TimestampTz other;
	char	   *text = twp_fhir_string(object, "resourceType", path);

	if (text == NULL || strcmp(text, "Consent") != 0)
		twp_fhir_invalid(psprintf("%s.resourceType", path), "is not Consent");
	provision = twp_fhir_member(object, "provision");
	reader.r5 = twp_fhir_member(object, "decision") != NULL || twp_fhir_member(object, "subject") != NULL ||
		twp_fhir_member(object, "date") != NULL ||
		(provision != NULL && provision->type == jbvBinary &&
		 JsonContainerIsArray(provision->val.binary.data));
	twp_fhir_check_members(object, path, reader.r5 ? known_r5 : known_r4);
	text = twp_fhir_string(object, "status", path);
	if (text == NULL)
		twp_fhir_invalid(psprintf("%s.status", path), "is missing");
	consent.active = strcmp(text, "active") == 0;
	if ((scope = twp_fhir_object(object, "scope", path)) != NULL)
		twp_fhir_concept(&reader, scope, psprintf("%s.scope", path), take_scope, NULL);
	consent.subject = read_subject(&reader, path);
	text = twp_fhir_string(object, reader.r5 ? "date" : "dateTime", path);
	if (text != NULL)
		twp_fhir_time(text, psprintf("%s.%s", path, reader.r5 ? "date" : "dateTime"), &consent.given_at, &other);

	initStringInfo(&json);
	if (reader.r5 ? read_r5_terms(&reader, &json, &consent, path) : read_r4_terms(&reader, &json, &consent, path))
		consent.terms = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
	return consent;
}

/* Reads a resource. */
TwpFhirConsent
twp_fhir_read(const Jsonb *resource, bool dry)
{
	if (!JB_ROOT_IS_OBJECT(resource))
		twp_fhir_invalid("Consent", "is not an object");
	return twp_fhir_read_container((JsonbContainer *) &resource->root, "Consent", dry);
}

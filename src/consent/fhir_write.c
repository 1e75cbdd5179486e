/*
 * fhir_write.c - terms written as a FHIR R4 Consent.
 *
 * Every provision is written with its type, so that the resource can be read
 * back (fhir_read.c) into the same terms.  What HL7 has no code for (our
 * categories, our recipients by name, added purposes) goes under systems of
 * our own.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "consent/fhir_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* Separates a member from those before it. */
static void
separate(StringInfo json)
{
	char		last = json->data[json->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoString(json, ", ");
}

/* Writes a member with a string. */
static void
put_string(StringInfo json, const char *name, const char *value)
{
	separate(json);
	escape_json(json, name);
	appendStringInfoString(json, ": ");
	escape_json(json, value);
}

/* Begins a member, or with a NULL name an element, that is an object or array. */
static void
begin(StringInfo json, const char *name, char bracket)
{
	separate(json);
	if (name != NULL)
	{
		escape_json(json, name);
		appendStringInfoString(json, ": ");
	}
	appendStringInfoChar(json, bracket);
}

/* Writes a Coding; a code with a bar brings its own system. */
static void
put_coding(StringInfo json, const char *system, const char *code)
{
	const char *bar = system == NULL ? strrchr(code, '|') : NULL;

	begin(json, NULL, '{');
	if (bar != NULL)
		put_string(json, "system", pnstrdup(code, bar - code));
	else if (system != NULL)
		put_string(json, "system", system);
	put_string(json, "code", bar != NULL ? bar + 1 : code);
	appendStringInfoChar(json, '}');
}

/* Writes an array of CodeableConcept. */
static void
put_concepts(StringInfo json, const char *name, const char *system, const TwpStrings *codes)
{
	if (codes->n == 0)
		return;
	begin(json, name, '[');
	for (int i = 0; i < codes->n; i++)
	{
		begin(json, NULL, '{');
		begin(json, "coding", '[');
		put_coding(json, system, codes->item[i]);
		appendStringInfoString(json, "]}");
	}
	appendStringInfoChar(json, ']');
}

/* Gives the code system of a purpose: HL7's codes are capitals, those it lacks are ours. */
static const char *
purpose_system(const char *code)
{
	return strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(code) ||
		strcmp(code, "PurposeOfUse") == 0 ? FHIR_ACT_REASON : FHIR_OUR_PURPOSE;
}

/* Writes the purposes. */
static void
put_purposes(StringInfo json, const TwpStrings *purposes)
{
	if (purposes->n == 0)
		return;
	begin(json, "purpose", '[');
	for (int i = 0; i < purposes->n; i++)
		put_coding(json, purpose_system(purposes->item[i]), purposes->item[i]);
	appendStringInfoChar(json, ']');
}

/* Writes the security labels. */
static void
put_labels(StringInfo json, const TwpStrings *labels)
{
	if (labels->n == 0)
		return;
	begin(json, "securityLabel", '[');
	for (int i = 0; i < labels->n; i++)
		put_coding(json, twp_label_confidentiality(labels->item[i]) >= 0 ? FHIR_CONFIDENTIALITY : FHIR_ACT_CODE,
				   labels->item[i]);
	appendStringInfoChar(json, ']');
}

/* Writes classes: resource types, kinds of document, our categories. */
static void
put_classes(StringInfo json, const TwpRule *rule)
{
	if (rule->types.n + rule->documents.n + rule->category_codes.n == 0)
		return;
	begin(json, "class", '[');
	for (int i = 0; i < rule->types.n; i++)
		put_coding(json, FHIR_RESOURCE_TYPES, rule->types.item[i]);
	for (int i = 0; i < rule->documents.n; i++)
		put_coding(json, NULL, rule->documents.item[i]);
	for (int i = 0; i < rule->category_codes.n; i++)
		put_coding(json, FHIR_OUR_CATEGORY, rule->category_codes.item[i]);
	appendStringInfoChar(json, ']');
}

/* Writes a Reference: a name without a type goes as an identifier. */
static void
put_reference(StringInfo json, const char *reference)
{
	const char *bar = strrchr(reference, '|');

	begin(json, "reference", '{');
	if (bar == NULL && strchr(reference, '/') != NULL)
		put_string(json, "reference", reference);
	else
	{
		begin(json, "identifier", '{');
		put_string(json, "system", bar == NULL ? FHIR_OUR_RECIPIENT : pnstrdup(reference, bar - reference));
		put_string(json, "value", bar == NULL ? reference : bar + 1);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, '}');
}

/* Writes the actors of one role. */
static void
put_actors(StringInfo json, const char *role, const TwpStrings *references)
{
	for (int i = 0; i < references->n; i++)
	{
		begin(json, NULL, '{');
		begin(json, "role", '{');
		begin(json, "coding", '[');
		put_coding(json, FHIR_PARTICIPATION, role);
		appendStringInfoString(json, "]}");
		put_reference(json, references->item[i]);
		appendStringInfoChar(json, '}');
	}
}

/* Gives a dateTime in UTC. */
static char *
time_text(TimestampTz time)
{
	char		text[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID, &utc);
	return pstrdup(text);
}

/*
 * Writes a Period, whose end is inclusive: a whole second for one that ends
 * with a second, else the last microsecond.
 */
static void
put_period(StringInfo json, const char *name, TimestampTz from, TimestampTz until)
{
	if (TIMESTAMP_NOT_FINITE(from) && TIMESTAMP_NOT_FINITE(until))
		return;
	begin(json, name, '{');
	if (!TIMESTAMP_NOT_FINITE(from))
		put_string(json, "start", time_text(from));
	if (!TIMESTAMP_NOT_FINITE(until))
		put_string(json, "end", time_text(until % USECS_PER_SEC == 0 ? until - USECS_PER_SEC : until - 1));
	appendStringInfoChar(json, '}');
}

/* Writes the data references. */
static void
put_data(StringInfo json, const TwpRule *rule)
{
	static const char *const meanings[] = {
		[TWP_DATA_INSTANCE] = "instance",
		[TWP_DATA_RELATED] = "related",
		[TWP_DATA_DEPENDENTS] = "dependents",
		[TWP_DATA_AUTHOREDBY] = "authoredby",
	};

	if (rule->ndata == 0)
		return;
	begin(json, "data", '[');
	for (int i = 0; i < rule->ndata; i++)
	{
		begin(json, NULL, '{');
		put_string(json, "meaning", meanings[rule->data[i].meaning]);
		put_reference(json, rule->data[i].reference);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

/* Writes one provision and all below it. */
static void
put_provision(StringInfo json, const TwpRule *rule, TimestampTz from, TimestampTz until)
{
	check_stack_depth();
	put_string(json, "type", rule->effect == TWP_DECISION_PERMIT ? "permit" : "deny");
	put_period(json, "period", from, until);
	if (rule->recipients.n + rule->authors.n + rule->custodians.n > 0)
	{
		begin(json, "actor", '[');
		put_actors(json, "IRCP", &rule->recipients);
		put_actors(json, "AUT", &rule->authors);
		put_actors(json, "CST", &rule->custodians);
		appendStringInfoChar(json, ']');
	}
	put_concepts(json, "action", FHIR_CONSENT_ACTION, &rule->actions);
	put_labels(json, &rule->labels);
	put_purposes(json, &rule->purposes);
	put_classes(json, rule);
	put_concepts(json, "code", NULL, &rule->codes);
	put_period(json, "dataPeriod", rule->data_from, rule->data_until);
	put_data(json, rule);
	if (rule->nrules == 0)
		return;
	begin(json, "provision", '[');
	for (int i = 0; i < rule->nrules; i++)
	{
		begin(json, NULL, '{');
		put_provision(json, rule->rules[i], rule->rules[i]->from, rule->rules[i]->until);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

/* Writes a directive as an R4 Consent. */
char *
twp_fhir_write(const TwpDirective *directive, const char *subject, const TwpRule *rule)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	put_string(&json, "resourceType", "Consent");
	begin(&json, "identifier", '[');
	begin(&json, NULL, '{');
	put_string(&json, "system", "urn:twin_privacy:consent");
	put_string(&json, "value", psprintf(INT64_FORMAT, directive->consent_id));
	appendStringInfoString(&json, "}]");
	put_string(&json, "status", directive->withdrawn ? "inactive" : "active");
	begin(&json, "scope", '{');
	begin(&json, "coding", '[');
	put_coding(&json, FHIR_CONSENT_SCOPE, "patient-privacy");
	appendStringInfoString(&json, "]}");
	begin(&json, "category", '[');
	begin(&json, NULL, '{');
	begin(&json, "coding", '[');
	put_coding(&json, "http://loinc.org", "59284-0");
	appendStringInfoString(&json, "]}]");
	begin(&json, "patient", '{');
	put_string(&json, "reference", psprintf("Patient/%s", subject));
	appendStringInfoChar(&json, '}');
	put_string(&json, "dateTime", time_text(directive->given_at));
	begin(&json, "provision", '{');
	put_provision(&json, rule, directive->valid_from, directive->valid_until);
	appendStringInfoString(&json, "}}");
	return json.data;
}

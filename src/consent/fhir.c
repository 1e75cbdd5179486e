/*
 * fhir.c - import_consent, export_consents and evaluate_consent.
 *
 * Contract: an import stores one directive with the resource as evidence, or
 * nothing; it needs a registrar.  An evaluation reads nothing but the
 * vocabulary and stores nothing.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/errors.h"
#include "catalog/pg_type.h"
#include "consent/fhir_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "protect/protect.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(twp_consent_import);
PG_FUNCTION_INFO_V1(twp_consent_export);
PG_FUNCTION_INFO_V1(twp_consent_evaluate);

TWP_EXPORT Datum twp_consent_import(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_export(PG_FUNCTION_ARGS);
TWP_EXPORT Datum twp_consent_evaluate(PG_FUNCTION_ARGS);

/* Raises when the very resource is already in force: two papers may say the same, one is signed once. */
static void
check_not_imported(const TwpNewDirective *new)
{
	Oid			types[2] = {TEXTOID, JSONBOID};
	Datum		values[2] = {CStringGetTextDatum(new->subject), JsonbPGetDatum(new->evidence)};

	twp_sql_connect();
	twp_sql_exec("SELECT d.consent_id FROM twin_privacy_internal.directive d"
				 " WHERE d.subject OPERATOR(pg_catalog.=) $1 AND d.evidence OPERATOR(pg_catalog.=) $2"
				 " AND NOT EXISTS (SELECT FROM twin_privacy_internal.withdrawal w"
				 "                  WHERE w.consent_id OPERATOR(pg_catalog.=) d.consent_id)",
				 2, types, values, NULL);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("this resource is already imported"),
				 errdetail("It is consent %s.", twp_sql_text(0, 1)),
				 errhint("Withdraw that consent first to import it again.")));
	twp_sql_finish();
}

/* import_consent(resource) stores a FHIR Consent as a directive. */
Datum
twp_consent_import(PG_FUNCTION_ARGS)
{
	TwpFhirConsent consent;
	TwpNewDirective new = {0};

	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR), "import a consent");
	TWP_REQUIRE_ARG(0, "resource");
	new.evidence = PG_GETARG_JSONB_P(0);
	consent = twp_fhir_read(new.evidence, false);
	if (!consent.active)
		twp_fhir_refuse("Consent.status", "only an active consent counts");
	if (consent.terms == NULL)
		twp_fhir_refuse(consent.missing, "without it there is no base decision");
	if (consent.subject == NULL)
		twp_fhir_refuse("Consent.patient", "the consent is nobody's");
	twp_protect_check_subject_text(consent.subject);
	new.subject = consent.subject;
	new.terms = consent.terms;
	new.valid_from = consent.valid_from;
	new.valid_until = consent.valid_until;
	new.given_at = consent.given_at;
	new.event = "consent.import";
	new.may_repeat = true;
	check_not_imported(&new);
	PG_RETURN_INT64(twp_record_directive(&new));
}

/* export_consents(subject) gives each directive as an R4 Consent. */
Datum
twp_consent_export(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	snapshot;
	TwpDirective *directives;
	char	   *subject;
	int			n;

	twp_role_require(TWP_ROLES(TWP_ROLE_REGISTRAR) | TWP_ROLES(TWP_ROLE_OFFICER) |
					 TWP_ROLES(TWP_ROLE_AUDITOR) | TWP_ROLES(TWP_ROLE_ADMIN), "export consents");
	TWP_REQUIRE_ARG(0, "subject");
	subject = text_to_cstring(PG_GETARG_TEXT_PP(0));
	twp_protect_check_subject_text(subject);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	snapshot = RegisterSnapshot(twp_consent_snapshot());
	n = twp_store_directives(subject, snapshot, &directives);
	for (int i = 0; i < n; i++)
	{
		char	   *json = twp_fhir_write(&directives[i], subject, twp_store_rule(directives[i].terms_id, snapshot));
		Datum		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}

/* Reads a member that is a string or an array of strings; *known tells whether there is one. */
static TwpStrings
read_strings(JsonbContainer *object, const char *name, const char *path, bool *known)
{
	JsonbValue *value = twp_fhir_member(object, name);
	TwpStrings	strings = {NULL, 0};
	char	   *place = psprintf("%s.%s", path, name);

	*known = value != NULL;
	if (value == NULL || value->type == jbvNull)
		return strings;
	if (value->type == jbvString)
	{
		twp_strings_add(&strings, pnstrdup(value->val.string.val, value->val.string.len));
		return strings;
	}
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		twp_fhir_invalid(place, "is neither a string nor an array of strings");
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(value->val.binary.data, i);

		if (item->type != jbvString)
			twp_fhir_invalid(place, "holds other than strings");
		twp_strings_add(&strings, pnstrdup(item->val.string.val, item->val.string.len));
	}
	return strings;
}

/* Reads a string of the request; null and the empty string stand for nothing. */
static char *
request_string(JsonbContainer *object, const char *name, const char *path)
{
	JsonbValue *value = twp_fhir_member(object, name);

	if (value == NULL || value->type == jbvNull || (value->type == jbvString && value->val.string.len == 0))
		return NULL;
	return twp_fhir_string(object, name, path);
}

/* Reads what the request tells of the resource asked for; what it does not name, the resource does not have. */
static void
read_resource(JsonbContainer *resource, const char *path, TwpRowFacts *row)
{
	TwpStrings	strings;
	bool		known;
	char	   *date;

	strings = read_strings(resource, "security", path, &known);
	row->labels = (const char *const *) strings.item;
	row->nlabels = strings.n;
	strings = read_strings(resource, "author", path, &known);
	row->authors = (const char *const *) strings.item;
	row->nauthors = strings.n;
	strings = read_strings(resource, "custodian", path, &known);
	row->custodians = (const char *const *) strings.item;
	row->ncustodians = strings.n;
	row->known |= known ? TWP_FACT_CUSTODIANS : 0;
	strings = read_strings(resource, "codes", path, &known);
	row->codes = (const char *const *) strings.item;
	row->ncodes = strings.n;
	row->encounter = request_string(resource, "encounter", path);
	row->reference = request_string(resource, "reference", path);
	row->type = request_string(resource, "resourceType", path);
	row->known |= TWP_FACT_LABELS | TWP_FACT_AUTHORS | TWP_FACT_CODES | TWP_FACT_ENCOUNTER | TWP_FACT_REFERENCE;
	row->known |= row->type != NULL ? TWP_FACT_TYPE : 0;
	date = request_string(resource, "date", path);
	if (date != NULL)
	{
		twp_fhir_time(date, psprintf("%s.date", path), &row->date_from, &row->date_until);
		row->known |= TWP_FACT_DATE;
	}
}

/* Reads a resource described in the short form of HL7's worked example: type and confidentiality. */
static void
read_short_form(JsonbContainer *request, TwpRowFacts *row)
{
	char	   *type = request_string(request, "resourceType", "request");
	char	   *confidentiality = request_string(request, "confidentiality", "request");

	if (type != NULL)
	{
		row->type = type;
		row->known |= TWP_FACT_TYPE;
	}
	if (confidentiality != NULL)
	{
		const char **labels = palloc(sizeof(char *));

		labels[0] = confidentiality;
		row->labels = labels;
		row->nlabels = 1;
		row->known |= TWP_FACT_LABELS;
	}
}

/* Reads the request. */
static TwpRuleQuestion
read_request(JsonbContainer *request, TwpRowFacts *row)
{
	static const char *const known_members[] = {"purposeOfUse", "actor", "now", "resource",
		"resourceType", "confidentiality", NULL};
	static const char *const known_resource[] = {"reference", "resourceType", "security", "codes", "author",
		"custodian", "encounter", "date", NULL};
	TwpRuleQuestion question = {NULL, NULL, GetCurrentTimestamp(), row, true};
	JsonbContainer *resource = twp_fhir_object(request, "resource", "request");
	TimestampTz other;
	char	   *now;

	twp_fhir_check_members(request, "request", known_members);
	question.purpose = request_string(request, "purposeOfUse", "request");
	question.recipient = request_string(request, "actor", "request");
	if (question.purpose == NULL || question.recipient == NULL)
		twp_fhir_invalid(question.purpose == NULL ? "request.purposeOfUse" : "request.actor", "is missing");
	now = request_string(request, "now", "request");
	if (now != NULL)
		twp_fhir_time(now, "request.now", &question.now, &other);
	if (resource == NULL)
		read_short_form(request, row);
	else
	{
		twp_fhir_check_members(resource, "request.resource", known_resource);
		read_resource(resource, "request.resource", row);
	}
	return question;
}

/* A consent's part in an evaluation. */
typedef struct Evaluated
{
	TimestampTz given_at;
	int			position;
	TwpAnswers	outcome;
} Evaluated;

/* Orders evaluated consents from the oldest to the latest. */
static int
compare_evaluated(const void *left, const void *right)
{
	const Evaluated *a = left;
	const Evaluated *b = right;

	if (a->given_at != b->given_at)
		return a->given_at < b->given_at ? -1 : 1;
	return a->position - b->position;
}

/* Evaluates one consent: nothing when it is not active or has no base decision. */
static Evaluated
evaluate_one(JsonbContainer *object, const char *path, int position, const TwpRuleQuestion *question)
{
	TwpFhirConsent consent = twp_fhir_read_container(object, path, true);
	Evaluated	evaluated = {consent.given_at, position};
	TwpDirective directive = {.valid_from = consent.valid_from, .valid_until = consent.valid_until};

	if (!consent.active || consent.terms == NULL)
		twp_answers_init(&evaluated.outcome);
	else
	{
		twp_rule_ask(twp_rule_parse(consent.terms), question, &evaluated.outcome);
		twp_directive_limit(&directive, question->now, &evaluated.outcome);
	}
	return evaluated;
}

/* evaluate_consent(consents, request) decides without state. */
Datum
twp_consent_evaluate(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[TWP_DECISION_NONE] = "none",
		[TWP_DECISION_PERMIT] = "permit",
		[TWP_DECISION_DENY] = "deny",
	};
	Jsonb	   *consents;
	Jsonb	   *request;
	TwpRowFacts row = {0};
	TwpRuleQuestion question;
	TwpAnswers	total;
	Evaluated  *evaluated;
	int			n;
	bool		array;

	TWP_REQUIRE_ARG(0, "consents");
	TWP_REQUIRE_ARG(1, "request");
	consents = PG_GETARG_JSONB_P(0);
	request = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(request))
		twp_fhir_invalid("request", "is not an object");
	question = read_request(&request->root, &row);
	array = JB_ROOT_IS_ARRAY(consents) && !JB_ROOT_IS_SCALAR(consents);
	if (!array && !JB_ROOT_IS_OBJECT(consents))
		twp_fhir_invalid("consents", "is neither a Consent nor an array of them");
	n = array ? (int) JB_ROOT_COUNT(consents) : 1;
	evaluated = palloc(Max(n, 1) * sizeof(Evaluated));
	for (int i = 0; i < n; i++)
	{
		char	   *path = array ? psprintf("consents[%d]", i) : pstrdup("Consent");

		evaluated[i] = evaluate_one(array ? twp_fhir_element(&consents->root, i, path) : &consents->root,
									path, i, &question);
	}
	qsort(evaluated, n, sizeof(Evaluated), compare_evaluated);
	twp_answers_init(&total);
	for (int i = 0; i < n; i++)
		twp_answers_add(&total, &evaluated[i].outcome, twp_consent_combining);
	if (twp_vocab_purpose_exists(question.purpose) &&
		twp_vocab_purpose_prohibited(question.purpose, NULL))
		PG_RETURN_TEXT_P(cstring_to_text(names[TWP_DECISION_DENY]));
	PG_RETURN_TEXT_P(cstring_to_text(names[twp_answers_decision(&total, 0)]));
}

/*
 * fhir_internal.h - FHIR Consent resources, in and out.
 *
 * Shared by the fhir_*.c files.  A path is a FHIRPath-like place in the
 * resource, such as Consent.provision.provision[0].code; every refusal names
 * one.
 */
#ifndef TWP_CONSENT_FHIR_INTERNAL_H
#define TWP_CONSENT_FHIR_INTERNAL_H

#include "postgres.h"

#include "base/compat.h"
#include "consent/consent_internal.h"
#include "lib/stringinfo.h"

#define FHIR_ACT_REASON "http://terminology.hl7.org/CodeSystem/v3-ActReason"
#define FHIR_ACT_CODE "http://terminology.hl7.org/CodeSystem/v3-ActCode"
#define FHIR_CONFIDENTIALITY "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
#define FHIR_PARTICIPATION "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
#define FHIR_RESOURCE_TYPES "http://hl7.org/fhir/resource-types"
#define FHIR_CONSENT_ACTION "http://terminology.hl7.org/CodeSystem/consentaction"
#define FHIR_CONSENT_SCOPE "http://terminology.hl7.org/CodeSystem/consentscope"
/* Our own: what HL7 has no code for. */
#define FHIR_OUR_CATEGORY "urn:twin_privacy:category"
#define FHIR_OUR_PURPOSE "urn:twin_privacy:purpose"
#define FHIR_OUR_RECIPIENT "urn:twin_privacy:recipient"

/* A Consent, read. */
typedef struct TwpFhirConsent
{
	char	   *subject;		/* NULL when the resource names none */
	bool		active;
	TimestampTz valid_from;
	TimestampTz valid_until;
	TimestampTz given_at;		/* DT_NOBEGIN: not told */
	Jsonb	   *terms;			/* NULL: the resource has no base decision */
	const char *missing;		/* then: the path of what is missing */
} TwpFhirConsent;

/*
 * fhir_read.c: reads a resource.  With dry set, codes this database does not
 * know are taken as they are; else they are refused.
 */
extern TwpFhirConsent twp_fhir_read(const Jsonb *resource, bool dry);
/* The same for a resource inside another value; path names its place. */
extern TwpFhirConsent twp_fhir_read_container(JsonbContainer *object, const char *path, bool dry);

/* What is known while one resource is read. */
typedef struct TwpFhirReader
{
	JsonbContainer *root;
	bool		dry;
	bool		r5;
} TwpFhirReader;

/* Takes one code with its system (or NULL) and path into arg. */
typedef void (*TwpFhirTakeCode) (const TwpFhirReader *reader, char *system, char *code,
								 const char *path, void *arg);

/* fhir_provision.c: parts of a resource. */
extern TwpDecision twp_fhir_opposite(TwpDecision effect);
extern TwpDecision twp_fhir_effect(const char *text, const char *path);
/* An array of Coding, a CodeableConcept, or an array of them. */
extern void twp_fhir_codings(const TwpFhirReader *reader, JsonbContainer *object, const char *name,
							 const char *path, TwpFhirTakeCode take, void *arg);
extern void twp_fhir_concept(const TwpFhirReader *reader, JsonbContainer *concept, const char *path,
							 TwpFhirTakeCode take, void *arg);
/* A Reference as text: "Type/id", or the value of an identifier. */
extern char *twp_fhir_reference(const TwpFhirReader *reader, JsonbContainer *reference, const char *path);
/* Adds who a Reference names: the members, for a contained group. */
extern void twp_fhir_add_actor(const TwpFhirReader *reader, TwpStrings *list, JsonbContainer *reference,
							   const char *path);
/* Writes one provision and those below it; hoisted: its period became the directive's validity. */
extern void twp_fhir_provision(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision,
							   const char *path, TwpDecision effect, bool hoisted);
extern void twp_fhir_provisions(const TwpFhirReader *reader, StringInfo json, JsonbContainer *parent,
								const char *path, TwpDecision parent_effect);

/* fhir_value.c: members of JSON objects, with paths. */
pg_noreturn extern void twp_fhir_refuse(const char *path, const char *why);
pg_noreturn extern void twp_fhir_invalid(const char *path, const char *why);
extern JsonbValue *twp_fhir_member(JsonbContainer *object, const char *name);
extern char *twp_fhir_string(JsonbContainer *object, const char *name, const char *path);
extern JsonbContainer *twp_fhir_object(JsonbContainer *object, const char *name, const char *path);
/* An array member, or NULL; *n is its size. */
extern JsonbContainer *twp_fhir_array(JsonbContainer *object, const char *name, const char *path, int *n);
extern JsonbContainer *twp_fhir_element(JsonbContainer *array, int i, const char *path);
extern void twp_fhir_check_members(JsonbContainer *object, const char *path, const char *const *known);
/* A date or dateTime as the time it covers: [from, until). */
extern void twp_fhir_time(const char *text, const char *path, TimestampTz *from, TimestampTz *until);
extern void twp_fhir_period(JsonbContainer *object, const char *name, const char *path,
							TimestampTz *from, TimestampTz *until);

/* Lists of strings, sorted and distinct when written. */
extern void twp_strings_add(TwpStrings *strings, char *item);
extern void twp_strings_write(StringInfo json, const char *name, TwpStrings *strings);
extern void twp_period_write(StringInfo json, const char *name, TimestampTz from, TimestampTz until);

/* fhir_write.c: terms as an R4 Consent, in JSON. */
extern char *twp_fhir_write(const TwpDirective *directive, const char *subject, const TwpRule *rule);

/* record.c: stores a directive; for import, with its own time of giving. */
typedef struct TwpNewDirective
{
	const char *subject;
	Jsonb	   *terms;
	TimestampTz valid_from;
	TimestampTz valid_until;
	TimestampTz given_at;		/* DT_NOBEGIN: now */
	Jsonb	   *evidence;		/* or NULL */
	const char *event;
	bool		may_repeat;		/* what another directive says already */
} TwpNewDirective;

extern int64 twp_record_directive(const TwpNewDirective *directive);

#endif							/* TWP_CONSENT_FHIR_INTERNAL_H */

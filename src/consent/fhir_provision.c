/*
 * fhir_provision.c - FHIR provisions, read into the rules of terms.
 *
 * Every condition of a provision is kept, or refused with its path: a code
 * this database does not know, a group whose members are not told, a role that
 * is neither recipient, author nor custodian.
 */
#include "postgres.h"

#include "base/compat.h"
#include "consent/fhir_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* Gives the twp_fhir_opposite effect. */
TwpDecision
twp_fhir_opposite(TwpDecision effect)
{
	return effect == TWP_DECISION_PERMIT ? TWP_DECISION_DENY : TWP_DECISION_PERMIT;
}

/* Reads permit or deny. */
TwpDecision
twp_fhir_effect(const char *text, const char *path)
{
	if (strcmp(text, "permit") == 0)
		return TWP_DECISION_PERMIT;
	if (strcmp(text, "deny") == 0)
		return TWP_DECISION_DENY;
	twp_fhir_invalid(path, "is neither permit nor deny");
}

/* Reads a Coding's system (NULL when not told) and code. */
static char *
read_coding(JsonbContainer *coding, const char *path, char **system)
{
	static const char *const known[] = {"id", "extension", "system", "version", "code", "display",
		"userSelected", NULL};
	char	   *code;

	twp_fhir_check_members(coding, path, known);
	*system = twp_fhir_string(coding, "system", path);
	code = twp_fhir_string(coding, "code", path);
	if (code == NULL)
		twp_fhir_refuse(path, "it has no code");
	return code;
}

/* Reads an array of Coding. */
void
twp_fhir_codings(const TwpFhirReader *reader, JsonbContainer *object, const char *name, const char *path,
			 TwpFhirTakeCode take, void *arg)
{
	int			n;
	JsonbContainer *array = twp_fhir_array(object, name, path, &n);

	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.%s[%d]", path, name, i);
		char	   *system;
		char	   *code = read_coding(twp_fhir_element(array, i, place), place, &system);

		take(reader, system, code, place, arg);
	}
}

/* Reads a CodeableConcept: any of its codings. */
void
twp_fhir_concept(const TwpFhirReader *reader, JsonbContainer *concept, const char *path, TwpFhirTakeCode take, void *arg)
{
	static const char *const known[] = {"id", "extension", "coding", "text", NULL};

	twp_fhir_check_members(concept, path, known);
	if (twp_fhir_member(concept, "coding") == NULL)
		twp_fhir_refuse(path, "it has no coding");
	twp_fhir_codings(reader, concept, "coding", path, take, arg);
}

/* Reads an array of CodeableConcept. */
static void
read_concepts(const TwpFhirReader *reader, JsonbContainer *object, const char *name, const char *path,
			  TwpFhirTakeCode take, void *arg)
{
	int			n;
	JsonbContainer *array = twp_fhir_array(object, name, path, &n);

	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.%s[%d]", path, name, i);

		twp_fhir_concept(reader, twp_fhir_element(array, i, place), place, take, arg);
	}
}

/* Takes a purpose of use. */
static void
take_purpose(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	if (!reader->dry)
	{
		if (system != NULL && strcmp(system, FHIR_ACT_REASON) != 0 && strcmp(system, FHIR_OUR_PURPOSE) != 0)
			twp_fhir_refuse(path, "its code system has no purposes known here");
		if (!twp_vocab_purpose_exists(code))
			twp_fhir_refuse(path, "the purpose is unknown here; an officer can add it with twin_privacy.add_purpose");
	}
	twp_strings_add(arg, code);
}

/* Takes an action. */
static void
take_action(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	static const char *const known[] = {"collect", "access", "use", "disclose", "correct"};

	for (int i = 0; i < lengthof(known); i++)
		if (strcmp(known[i], code) == 0)
		{
			twp_strings_add(arg, code);
			return;
		}
	twp_fhir_refuse(path, "the action is unknown here");
}

/* Takes a security label. */
static void
take_label(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	TwpCategorySet required;

	if (!reader->dry && !twp_vocab_label(code, &required))
		twp_fhir_refuse(path, "the security label is unknown here");
	twp_strings_add(arg, code);
}

/* Joins system and code, so that a code keeps its system. */
static char *
join_code(char *system, char *code)
{
	return system == NULL ? code : psprintf("%s|%s", system, code);
}

/* Takes a clinical code. */
static void
take_code(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	twp_strings_add(arg, join_code(system, code));
}

/* The lists that class, resourceType and documentType fill. */
typedef struct Classes
{
	TwpStrings	types;
	TwpStrings	documents;
	TwpStrings	categories;
} Classes;

/* Takes a class: a resource type, one of our categories, or a kind of document. */
static void
take_class(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	Classes    *classes = arg;

	if (system != NULL && strcmp(system, FHIR_RESOURCE_TYPES) == 0)
		twp_strings_add(&classes->types, code);
	else if (system != NULL && strcmp(system, FHIR_OUR_CATEGORY) == 0)
	{
		if (twp_vocab_category(code) < 0)
			twp_fhir_refuse(path, "the category is unknown here");
		twp_strings_add(&classes->categories, code);
	}
	else
		twp_strings_add(&classes->documents, join_code(system, code));
}

/* Reads what a provision says of classes and writes it. */
static void
read_classes(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision, const char *path)
{
	Classes		classes = {0};

	twp_fhir_codings(reader, provision, "class", path, take_class, &classes);
	twp_fhir_codings(reader, provision, "resourceType", path, take_class, &classes);
	twp_fhir_codings(reader, provision, "documentType", path, take_class, &classes);
	if (classes.categories.n > 0 && classes.types.n + classes.documents.n > 0)
		twp_fhir_refuse(psprintf("%s.class", path), "categories and other classes are mixed");
	twp_strings_write(json, "types", &classes.types);
	twp_strings_write(json, "documents", &classes.documents);
	twp_strings_write(json, "categories", &classes.categories);
}

/* Gives the contained resource with an id, or NULL. */
static JsonbContainer *
find_contained(const TwpFhirReader *reader, const char *id)
{
	int			n;
	JsonbContainer *array = twp_fhir_array(reader->root, "contained", "Consent", &n);

	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("Consent.contained[%d]", i);
		JsonbContainer *resource = twp_fhir_element(array, i, place);
		char	   *other = twp_fhir_string(resource, "id", place);

		if (other != NULL && strcmp(other, id) == 0)
			return resource;
	}
	return NULL;
}

/* Reads a Reference into text: "Type/id", or the value of an identifier; NULL when it is contained. */
char *
twp_fhir_reference(const TwpFhirReader *reader, JsonbContainer *reference, const char *path)
{
	static const char *const known[] = {"id", "extension", "reference", "type", "identifier", "display", NULL};
	JsonbContainer *identifier;
	char	   *text;
	char	   *history;
	char	   *system;

	twp_fhir_check_members(reference, path, known);
	text = twp_fhir_string(reference, "reference", path);
	if (text != NULL)
	{
		if ((history = strstr(text, "/_history/")) != NULL)
			*history = '\0';
		return text;
	}
	identifier = twp_fhir_object(reference, "identifier", path);
	if (identifier == NULL || (text = twp_fhir_string(identifier, "value", path)) == NULL)
		twp_fhir_refuse(path, "it names nobody: neither reference nor identifier");
	system = twp_fhir_string(identifier, "system", path);
	if (system != NULL && strcmp(system, FHIR_OUR_RECIPIENT) != 0)
		text = join_code(system, text);
	return text;
}

/* Adds who a reference names: the members, for a group in the resource. */
void
twp_fhir_add_actor(const TwpFhirReader *reader, TwpStrings *list, JsonbContainer *reference, const char *path)
{
	char	   *text = twp_fhir_reference(reader, reference, path);
	JsonbContainer *contained;
	JsonbContainer *members;
	char	   *type;
	int			n;

	/* Groups may hold one another. */
	check_stack_depth();
	if (text[0] != '#')
	{
		if (!reader->dry && (strncmp(text, "Group/", 6) == 0 || strstr(text, "/Group/") != NULL))
			twp_fhir_refuse(path, "the members of the group are not in the resource");
		twp_strings_add(list, text);
		return;
	}
	contained = find_contained(reader, text + 1);
	if (contained == NULL)
		twp_fhir_invalid(path, "refers to no contained resource");
	type = twp_fhir_string(contained, "resourceType", path);
	members = twp_fhir_array(contained, "member", path, &n);
	if (type == NULL || strcmp(type, "Group") != 0 || members == NULL)
		twp_fhir_refuse(path, "a contained resource other than a group with members");
	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s(%s.member[%d])", path, text, i);
		JsonbContainer *member = twp_fhir_element(members, i, place);
		JsonbContainer *entity = twp_fhir_object(member, "entity", place);

		if (entity == NULL || twp_fhir_member(member, "inactive") != NULL ||
			twp_fhir_member(member, "period") != NULL)
			twp_fhir_refuse(place, "a member that is not plainly one");
		twp_fhir_add_actor(reader, list, entity, place);
	}
}

/* The lists that actors fill. */
typedef struct Actors
{
	TwpStrings	recipients;
	TwpStrings	authors;
	TwpStrings	custodians;
	TwpStrings *current;		/* the list that the role just read selects */
} Actors;

/* Takes an actor's role: who gets the data, who wrote it or who keeps it. */
static void
take_role(const TwpFhirReader *reader, char *system, char *code, const char *path, void *arg)
{
	static const char *const recipients[] = {"IRCP", "PRCP", "GRANTEE", "DELEGATEE"};
	Actors	   *actors = arg;
	TwpStrings *list = NULL;

	for (int i = 0; i < lengthof(recipients); i++)
		if (strcmp(recipients[i], code) == 0)
			list = &actors->recipients;
	if (strcmp(code, "AUT") == 0)
		list = &actors->authors;
	if (strcmp(code, "CST") == 0)
		list = &actors->custodians;
	if (list == NULL)
		twp_fhir_refuse(path, "the role is unknown here");
	if (actors->current != NULL && actors->current != list)
		twp_fhir_refuse(path, "the roles of one actor differ");
	actors->current = list;
}

/* Reads who a provision is about. */
static void
read_actors(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision, const char *path)
{
	static const char *const known[] = {"id", "extension", "role", "reference", NULL};
	Actors		actors = {0};
	int			n;
	JsonbContainer *array = twp_fhir_array(provision, "actor", path, &n);

	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.actor[%d]", path, i);
		JsonbContainer *actor = twp_fhir_element(array, i, place);
		JsonbContainer *role = twp_fhir_object(actor, "role", place);
		JsonbContainer *reference = twp_fhir_object(actor, "reference", place);

		twp_fhir_check_members(actor, place, known);
		if (reference == NULL)
			twp_fhir_refuse(place, "it names nobody");
		actors.current = NULL;
		if (role != NULL)
			twp_fhir_concept(reader, role, psprintf("%s.role", place), take_role, &actors);
		else
			actors.current = &actors.recipients;
		twp_fhir_add_actor(reader, actors.current, reference, psprintf("%s.reference", place));
	}
	twp_strings_write(json, "recipients", &actors.recipients);
	twp_strings_write(json, "authors", &actors.authors);
	twp_strings_write(json, "custodians", &actors.custodians);
}

/* Reads which data a provision is about. */
static void
read_data(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision, const char *path)
{
	static const char *const known[] = {"id", "extension", "meaning", "reference", NULL};
	static const char *const meanings[] = {"instance", "related", "dependents", "authoredby"};
	int			n;
	JsonbContainer *array = twp_fhir_array(provision, "data", path, &n);

	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.data[%d]", path, i);
		JsonbContainer *data = twp_fhir_element(array, i, place);
		JsonbContainer *reference = twp_fhir_object(data, "reference", place);
		char	   *meaning = twp_fhir_string(data, "meaning", place);
		char	   *text;
		bool		found = false;

		twp_fhir_check_members(data, place, known);
		for (int j = 0; j < lengthof(meanings) && meaning != NULL; j++)
			found |= strcmp(meanings[j], meaning) == 0;
		if (!found || reference == NULL)
			twp_fhir_invalid(place, "has no valid meaning or no reference");
		text = twp_fhir_reference(reader, reference, psprintf("%s.reference", place));
		if (text[0] == '#')
			twp_fhir_refuse(psprintf("%s.reference", place), "data in the resource itself");
		appendStringInfo(json, "%s{\"meaning\": \"%s\", \"reference\": ", i == 0 ? ", \"data\": [" : ", ", meaning);
		escape_json(json, text);
		appendStringInfoChar(json, '}');
	}
	if (n > 0)
		appendStringInfoChar(json, ']');
}

/* Reads the purposes: one is written as record_consent writes it. */
static void
read_purposes(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision, const char *path)
{
	TwpStrings	purposes = {NULL, 0};

	twp_fhir_codings(reader, provision, "purpose", path, take_purpose, &purposes);
	if (purposes.n == 1)
	{
		appendStringInfoString(json, ", \"purpose\": ");
		escape_json(json, purposes.item[0]);
	}
	else
		twp_strings_write(json, "purposes", &purposes);
}

/* Reads the provisions below one, or below an R5 resource. */
void
twp_fhir_provisions(const TwpFhirReader *reader, StringInfo json, JsonbContainer *parent, const char *path,
				TwpDecision parent_effect)
{
	int			n;
	JsonbContainer *array = twp_fhir_array(parent, "provision", path, &n);

	check_stack_depth();
	for (int i = 0; i < n; i++)
	{
		char	   *place = psprintf("%s.provision[%d]", path, i);
		JsonbContainer *provision = twp_fhir_element(array, i, place);
		char	   *type = reader->r5 ? NULL : twp_fhir_string(provision, "type", place);

		appendStringInfoString(json, i == 0 ? ", \"rules\": [" : ", ");
		twp_fhir_provision(reader, json, provision, place,
					   type != NULL ? twp_fhir_effect(type, psprintf("%s.type", place)) : twp_fhir_opposite(parent_effect),
					   false);
	}
	if (n > 0)
		appendStringInfoChar(json, ']');
}

/* Reads one provision and all below it; its period may have become the directive's validity. */
void
twp_fhir_provision(const TwpFhirReader *reader, StringInfo json, JsonbContainer *provision, const char *path,
			   TwpDecision effect, bool hoisted)
{
	static const char *const known_r4[] = {"id", "extension", "type", "period", "actor", "action",
		"securityLabel", "purpose", "class", "code", "dataPeriod", "data", "provision", NULL};
	static const char *const known_r5[] = {"id", "extension", "period", "actor", "action",
		"securityLabel", "purpose", "documentType", "resourceType", "code", "dataPeriod", "data",
		"provision", NULL};
	TwpStrings	actions = {NULL, 0};
	TwpStrings	labels = {NULL, 0};
	TwpStrings	codes = {NULL, 0};
	TimestampTz from;
	TimestampTz until;

	twp_fhir_check_members(provision, path, reader->r5 ? known_r5 : known_r4);
	appendStringInfo(json, "{\"decision\": \"%s\"", effect == TWP_DECISION_PERMIT ? "permit" : "deny");
	read_purposes(reader, json, provision, path);
	read_actors(reader, json, provision, path);
	read_classes(reader, json, provision, path);
	read_concepts(reader, provision, "action", path, take_action, &actions);
	twp_strings_write(json, "actions", &actions);
	twp_fhir_codings(reader, provision, "securityLabel", path, take_label, &labels);
	twp_strings_write(json, "labels", &labels);
	read_concepts(reader, provision, "code", path, take_code, &codes);
	twp_strings_write(json, "codes", &codes);
	if (!hoisted)
	{
		twp_fhir_period(provision, "period", path, &from, &until);
		twp_period_write(json, "period", from, until);
	}
	twp_fhir_period(provision, "dataPeriod", path, &from, &until);
	twp_period_write(json, "data_period", from, until);
	read_data(reader, json, provision, path);
	twp_fhir_provisions(reader, json, provision, path, effect);
	appendStringInfoChar(json, '}');
}

/*
 * fhir_value.c - members of FHIR JSON objects, read with their paths.
 *
 * Contract: what is not what FHIR says it must be is an error naming the path
 * (22023); what is valid but cannot be expressed here is another (0A000).
 * Nothing is skipped in silence.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "consent/fhir_internal.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* Refuses what is valid but cannot be expressed. */
void
twp_fhir_refuse(const char *path, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot express %s: %s", path, why),
			 errhint("A consent is imported whole or not at all; take the element out only if the person agrees.")));
}

/* Refuses what is not FHIR. */
void
twp_fhir_invalid(const char *path, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid FHIR resource: %s %s", path, why),
			 errhint("Give a FHIR R4 or R5 Consent resource in JSON.")));
}

/* Gives a member, or NULL. */
JsonbValue *
twp_fhir_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

/* Gives a string member, or NULL when there is none. */
char *
twp_fhir_string(JsonbContainer *object, const char *name, const char *path)
{
	JsonbValue *value = twp_fhir_member(object, name);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString || value->val.string.len == 0)
		twp_fhir_invalid(psprintf("%s.%s", path, name), "is not a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Gives an object member, or NULL when there is none. */
JsonbContainer *
twp_fhir_object(JsonbContainer *object, const char *name, const char *path)
{
	JsonbValue *value = twp_fhir_member(object, name);

	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		twp_fhir_invalid(psprintf("%s.%s", path, name), "is not an object");
	return value->val.binary.data;
}

/* Gives an array member and its size, or NULL and 0 when there is none. */
JsonbContainer *
twp_fhir_array(JsonbContainer *object, const char *name, const char *path, int *n)
{
	JsonbValue *value = twp_fhir_member(object, name);

	*n = 0;
	if (value == NULL)
		return NULL;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		twp_fhir_invalid(psprintf("%s.%s", path, name), "is not an array");
	*n = (int) JsonContainerSize(value->val.binary.data);
	if (*n == 0)
		twp_fhir_invalid(psprintf("%s.%s", path, name), "is empty");
	return value->val.binary.data;
}

/* Gives an element of an array, which must be an object; path is the element's. */
JsonbContainer *
twp_fhir_element(JsonbContainer *array, int i, const char *path)
{
	JsonbValue *value = getIthJsonbValueFromContainer(array, (uint32) i);

	if (value == NULL || value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		twp_fhir_invalid(path, "is not an object");
	return value->val.binary.data;
}

/* Refuses members that are not in the list: what we do not know may change the meaning. */
void
twp_fhir_check_members(JsonbContainer *object, const char *path, const char *const *known)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	key;
	JsonbIteratorToken token;

	(void) JsonbIteratorNext(&iterator, &key, false);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool		found = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; known[i] != NULL && !found; i++)
			found = key.val.string.len == (int) strlen(known[i]) &&
				memcmp(key.val.string.val, known[i], key.val.string.len) == 0;
		if (!found)
			twp_fhir_refuse(psprintf("%s.%.*s", path, key.val.string.len, key.val.string.val),
							"its meaning is not known here");
	}
}

/* True when the text has digits where the pattern has 0, and else the pattern's characters. */
static bool
looks_like(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; text++, pattern++)
		if (*pattern == '0' ? (*text < '0' || *text > '9') : *text != *pattern)
			return false;
	return true;
}

/* Adds the path to an error raised while a time is read. */
static void
tell_path(void *arg)
{
	errcontext("FHIR element %s", (const char *) arg);
}

/* Parses a time that PostgreSQL reads; dates are days of the session's time zone. */
static TimestampTz
parse_time(const char *text, const char *path)
{
	ErrorContextCallback context = {error_context_stack, tell_path, unconstify(char *, path)};
	Datum		time;

	error_context_stack = &context;
	time = DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	error_context_stack = context.previous;
	return DatumGetTimestampTz(time);
}

/* Adds an interval given in words. */
static TimestampTz
add_interval(TimestampTz time, const char *interval)
{
	Datum		span = DirectFunctionCall3(interval_in, CStringGetDatum(interval),
										   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(time), span));
}

/* Reads a FHIR date or dateTime: a year, month, day or second stands for all of it. */
void
twp_fhir_time(const char *text, const char *path, TimestampTz *from, TimestampTz *until)
{
	size_t		length = strlen(text);

	if (length == 4 && looks_like(text, "0000"))
	{
		*from = parse_time(psprintf("%s-01-01", text), path);
		*until = add_interval(*from, "1 year");
	}
	else if (length == 7 && looks_like(text, "0000-00"))
	{
		*from = parse_time(psprintf("%s-01", text), path);
		*until = add_interval(*from, "1 month");
	}
	else if (length == 10 && looks_like(text, "0000-00-00"))
	{
		*from = parse_time(text, path);
		*until = add_interval(*from, "1 day");
	}
	else if (length >= 16 && looks_like(text, "0000-00-00T00:00"))
	{
		*from = parse_time(text, path);
		*until = *from + (strchr(text, '.') != NULL ? 1 : USECS_PER_SEC);
	}
	else
		twp_fhir_invalid(path, "is not a date or dateTime");
}

/* Reads a Period member, both bounds inclusive, into [from, until); all of time without one. */
void
twp_fhir_period(JsonbContainer *object, const char *name, const char *path,
				TimestampTz *from, TimestampTz *until)
{
	static const char *const known[] = {"id", "extension", "start", "end", NULL};
	JsonbContainer *period = twp_fhir_object(object, name, path);
	char	   *place = psprintf("%s.%s", path, name);
	char	   *start;
	char	   *end;
	TimestampTz other;

	*from = DT_NOBEGIN;
	*until = DT_NOEND;
	if (period == NULL)
		return;
	twp_fhir_check_members(period, place, known);
	start = twp_fhir_string(period, "start", place);
	end = twp_fhir_string(period, "end", place);
	if (start != NULL)
		twp_fhir_time(start, psprintf("%s.start", place), from, &other);
	if (end != NULL)
		twp_fhir_time(end, psprintf("%s.end", place), &other, until);
	if (*from >= *until)
		twp_fhir_invalid(place, "ends before it starts");
}

/* Adds a string. */
void
twp_strings_add(TwpStrings *strings, char *item)
{
	if (strings->item == NULL)
		strings->item = palloc(sizeof(char *));
	else
		strings->item = repalloc(strings->item, (strings->n + 1) * sizeof(char *));
	strings->item[strings->n++] = item;
}

/* Orders strings bytewise. */
static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Writes a JSON member after others: the strings, sorted and distinct; nothing when there are none. */
void
twp_strings_write(StringInfo json, const char *name, TwpStrings *strings)
{
	if (strings->n == 0)
		return;
	qsort(strings->item, strings->n, sizeof(char *), compare_strings);
	appendStringInfo(json, ", \"%s\": [", name);
	for (int i = 0; i < strings->n; i++)
	{
		if (i > 0 && strcmp(strings->item[i], strings->item[i - 1]) == 0)
			continue;
		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, strings->item[i]);
	}
	appendStringInfoChar(json, ']');
}

/* Writes a bound of a period, in UTC whatever the session's time zone. */
static void
write_bound(StringInfo json, TimestampTz bound)
{
	char		text[MAXDATELEN + 1];
	int			utc = 0;

	if (TIMESTAMP_NOT_FINITE(bound))
	{
		appendStringInfoString(json, "null");
		return;
	}
	JsonEncodeDateTime(text, TimestampTzGetDatum(bound), TIMESTAMPTZOID, &utc);
	appendStringInfo(json, "\"%s\"", text);
}

/* Writes a JSON member after others: a period; nothing for all of time. */
void
twp_period_write(StringInfo json, const char *name, TimestampTz from, TimestampTz until)
{
	if (from == DT_NOBEGIN && until == DT_NOEND)
		return;
	appendStringInfo(json, ", \"%s\": [", name);
	write_bound(json, from);
	appendStringInfoString(json, ", ");
	write_bound(json, until);
	appendStringInfoChar(json, ']');
}

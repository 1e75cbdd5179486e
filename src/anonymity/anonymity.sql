--
-- anonymity: measures of risk, and releases that are anonymous by construction.
--

CREATE FUNCTION twin_privacy.k_anonymity(target regclass, quasi name[])
RETURNS integer
AS 'MODULE_PATHNAME', 'twp_anonymity_k'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.k_anonymity(regclass, name[]) IS
'(all) The least number of data subjects (rows, where the table is not protected) that agree in all quasi-identifiers of target; NULL for an empty table; NULL values agree with each other. Reads the table as the caller. Errors: 22004 NULL argument, 22023 no column, 42703 unknown column, 42701 column named twice.';

CREATE FUNCTION twin_privacy.risk_report(
    target regclass, quasi name[], sensitive name DEFAULT NULL, population regclass DEFAULT NULL,
    c double precision DEFAULT 3,
    OUT records bigint, OUT subjects bigint, OUT classes bigint, OUT k integer, OUT unique_rows bigint,
    OUT prosecutor_risk double precision, OUT journalist_risk double precision,
    OUT marketer_risk double precision, OUT l_distinct integer, OUT l_entropy double precision,
    OUT l_recursive integer, OUT t_equal double precision, OUT t_ordered double precision,
    OUT discernibility double precision)
RETURNS record
AS 'MODULE_PATHNAME', 'twp_anonymity_risk_report'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.risk_report(regclass, name[], name, regclass, double precision) IS
'(all) Figures of re-identification risk of a table by its quasi-identifiers. records; subjects (NULL: not told apart); classes of equal quasi-identifiers; k, the least subjects in a class; unique_rows, rows of classes of one; prosecutor_risk 1/k (highest risk when the intruder knows that the person is in the table), journalist_risk 1/(least class in population; NULL population: as prosecutor), marketer_risk (share of subjects re-identified on average); of the sensitive column (NULL: not judged) the least over the classes of l_distinct, l_entropy (exp of the entropy) and l_recursive (largest l of recursive (c, l)-diversity), and the greatest t_equal and t_ordered (earth mover''s distance 0 to 1 to the whole table, by equal distance and by the values'' order); discernibility (sum of squared class sizes). Reads the tables as the caller. Errors as k_anonymity.';

CREATE FUNCTION twin_privacy.anonymize(
    source regclass, target text, quasi name[], k integer, sensitive name DEFAULT NULL,
    l integer DEFAULT NULL, t double precision DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'twp_anonymity_anonymize'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.anonymize(regclass, text, name[], integer, name, integer, double precision, jsonb) IS
'(all) Makes the table target (must not exist) with the quasi-identifiers generalised so that each class has k data subjects (rows, where source is not protected), and with the sensitive column as it is; other columns are left out. l and t (NULL: none) are demanded of each class. Gives its figures as in risk_report, and gcp (information loss, 0 to 1). options: method mondrian (default) or global (one level a column, searched exhaustively); hierarchies {"column": "table"}; diversity distinct, entropy, recursive (with c, default 3); distance equal, ordered, hierarchical; for global: suppression (share of rows that may be dropped, default 0), metric entropy, entropy_monotonic, discernibility, average_class, average_risk (greatest marketer risk), population (table: k counts its rows); subject (column that tells data subjects apart). Reads source as the caller; a protected source needs a use of a row-level form with export. Errors: 22004 NULL argument, 22023 bad value or no release meets the model, 42703 unknown column, 42P07 target exists, TP003 outside the use.';

CREATE FUNCTION twin_privacy.import_hierarchy(target text, csv text, delimiter text DEFAULT ';')
RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_anonymity_import_hierarchy'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.import_hierarchy(text, text, text) IS
'(all) Makes the hierarchy table target from ARX''s CSV form (one line a value: the value, then ever more general labels) and gives the number of values. Any table of that shape is a hierarchy. Errors: 22004 NULL argument, 22023 empty or too deep, 22P04 malformed CSV, 23505 value twice, 42P07 target exists.';

-- What names and values of columns suggest; the first rule that matches counts.
CREATE TABLE twin_privacy_internal.identifier_hint (
    rank integer PRIMARY KEY,
    source text NOT NULL CHECK (source IN ('name', 'type', 'value')),
    pattern text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('identifier', 'quasi', 'sensitive')),
    mask text NOT NULL,
    reason text NOT NULL
);
INSERT INTO twin_privacy_internal.identifier_hint (rank, source, pattern, kind, mask, reason) VALUES
    (10, 'value', '^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$', 'identifier', 'redact', 'values look like e-mail addresses'),
    (11, 'value', '^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$', 'identifier', 'redact', 'values look like bank accounts (IBAN)'),
    (12, 'value', '^\d{3}-\d{2}-\d{4}$', 'identifier', 'redact', 'values look like social security numbers'),
    (13, 'value', '^\d{1,3}(\.\d{1,3}){3}$', 'identifier', 'redact', 'values look like network addresses'),
    (14, 'value', '^\+?[\d(][\d ()/.-]{7,18}\d$', 'identifier', 'redact', 'values look like telephone numbers'),
    (15, 'value', '^https?://', 'identifier', 'redact', 'values look like web addresses'),
    (20, 'name', '(^|_)(first|last|given|family|full|sur|maiden|middle|birth|user|patient)_?name', 'identifier', 'redact', 'named like a person''s name'),
    (21, 'name', '^(name|surname|forename|initials|prefix|suffix)$', 'identifier', 'redact', 'named like a person''s name'),
    (22, 'name', '(^|_)(ssn|nhs|mrn|npi|iban|passport|drivers?|licen[cs]e|insurance|policy|account|card|member|medical_record)(_|$)', 'identifier', 'pseudonym', 'named like a number that identifies'),
    (23, 'name', 'e_?mail|phone|(^|_)(tel|fax|mobile)(_|$)', 'identifier', 'redact', 'named like a way to reach a person'),
    (24, 'name', 'address|street|(^|_)(house|apt|apartment|lat|lon|lng|latitude|longitude|geo|gps|location)(_|$)', 'identifier', 'redact', 'named like a place of living'),
    (25, 'name', '(^|_)(ip|mac|imei|imsi|device|serial|url|photo|picture|fingerprint|biometric|signature)(_|$)', 'identifier', 'redact', 'named like a device or an image of a person'),
    (26, 'name', '(^|_)(note|notes|comment|comments|text|remark|description|narrative)$', 'identifier', 'redact', 'free text may name anybody'),
    (30, 'type', '^(inet|cidr|macaddr|macaddr8)$', 'identifier', 'null', 'a network address'),
    (31, 'type', '^(bytea|xml|json|jsonb|point|polygon)$', 'identifier', 'null', 'its content cannot be judged'),
    (40, 'name', '(^|_)(dob|birth|birthdate|birthday|born|date_of_birth)(_|$)', 'quasi', 'year', 'named like a birth date'),
    (41, 'name', '(^|_)(zip|zipcode|postal|postcode|plz)(_|$)', 'quasi', 'zip3', 'named like a postal code'),
    (42, 'name', '(^|_)(age|years)(_|$)', 'quasi', 'band:5', 'named like an age'),
    (43, 'name', '(^|_)(death|died|deceased|admission|admitted|discharge|visit)(_|$)', 'quasi', 'month', 'named like a date that others know'),
    (44, 'name', '(^|_)(sex|gender|race|ethnicity|ethnic|nationality|country|city|county|state|region|birthplace|marital|occupation|profession|job|employer|education|language|religion|height|weight|income|salary)(_|$)', 'quasi', 'null', 'named like a property that others know'),
    (50, 'name', 'diagnos|(^|_)(icd|icd10|snomed|condition|hiv|std|mental|psych|genom|allele|pregnan|abuse|alcohol|drug|disease)', 'sensitive', 'null', 'named like what must not be learnt'),
    (60, 'type', '^(date|timestamp without time zone|timestamp with time zone)$', 'quasi', 'month', 'dates of events single people out');

CREATE FUNCTION twin_privacy_internal.match_hint(column_name name, type_name text, sample text[])
RETURNS twin_privacy_internal.identifier_hint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT h FROM twin_privacy_internal.identifier_hint AS h
     WHERE CASE h.source
               WHEN 'name' THEN lower(regexp_replace(match_hint.column_name::text, '([a-z])([A-Z])|-', '\1_\2', 'g')) ~ h.pattern
               WHEN 'type' THEN match_hint.type_name ~ h.pattern
               ELSE cardinality(match_hint.sample) >= 5
                    AND (SELECT count(*) FROM unnest(match_hint.sample) AS v WHERE v ~ h.pattern) * 10
                        >= cardinality(match_hint.sample) * 9
           END
     ORDER BY h.rank LIMIT 1;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.match_hint(name, text, text[]) FROM PUBLIC;

CREATE FUNCTION twin_privacy.find_identifiers(
    target regclass, OUT column_name name, OUT kind text, OUT mask text, OUT label text, OUT reason text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_anonymity_find_identifiers'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.find_identifiers(regclass) IS
'(all) Suggests labels for the columns of target that have none: column_name, kind (identifier, quasi, sensitive), mask, label (ready for label_column), reason. Judged by names and types; where target is not protected also by up to 1000 of its values, read as the caller. A suggestion is no finding: what is not listed may identify, too. Errors: 22004 NULL, those of reading the table.';

CREATE FUNCTION twin_privacy.check_release(
    target regclass, quasi name[], k integer DEFAULT 11, sensitive name DEFAULT NULL, l integer DEFAULT NULL,
    t double precision DEFAULT NULL, max_average_risk double precision DEFAULT NULL,
    population regclass DEFAULT NULL, enforce boolean DEFAULT false,
    OUT requirement text, OUT required text, OUT actual text, OUT passed boolean)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    figures record;
    columns text;
    failed text[] := '{}';
BEGIN
    IF target IS NULL OR quasi IS NULL OR k IS NULL OR enforce IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'target, quasi, k and enforce must not be null',
            HINT = 'Name a table and its quasi-identifiers.';
    END IF;
    IF (l IS NOT NULL OR t IS NOT NULL) AND sensitive IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'l and t need a sensitive column',
            HINT = 'Name it in the argument "sensitive".';
    END IF;
    figures := twin_privacy.risk_report(target, quasi, sensitive, population);
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
      FROM pg_attribute AS a
      JOIN twin_privacy.find_identifiers(target) AS f ON f.column_name = a.attname
     WHERE a.attrelid = target AND NOT a.attname = ANY (quasi) AND a.attname IS DISTINCT FROM sensitive
       AND f.kind <> 'sensitive';
    FOR requirement, required, actual, passed IN
        SELECT c.* FROM (VALUES
            ('subjects in each class', 'at least ' || k::text, figures.k::text, coalesce(figures.k >= k, true)),
            ('distinct sensitive values in each class', 'at least ' || l::text, figures.l_distinct::text,
             coalesce(figures.l_distinct >= l, true)),
            ('distance of sensitive values', 'at most ' || t::text, figures.t_equal::text,
             coalesce(figures.t_equal <= t, true)),
            ('average risk', 'at most ' || max_average_risk::text, figures.marketer_risk::text,
             coalesce(figures.marketer_risk <= max_average_risk, true)),
            ('risk in the population', 'at most 1/' || k::text,
             CASE WHEN population IS NOT NULL THEN figures.journalist_risk::text END,
             population IS NULL OR coalesce(figures.journalist_risk <= 1.0 / k, true)),
            ('columns nobody judged', 'none that look like identifiers', coalesce(columns, 'none'), columns IS NULL)
        ) AS c(requirement, required, actual, passed)
        WHERE c.required IS NOT NULL AND (c.requirement <> 'risk in the population' OR population IS NOT NULL)
    LOOP
        IF NOT passed THEN
            failed := failed || (requirement || ' (' || required || ': ' || coalesce(actual, 'none') || ')');
        END IF;
        RETURN NEXT;
    END LOOP;
    IF enforce AND cardinality(failed) > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation',
            MESSAGE = format('table %s must not be released', target),
            DETAIL = array_to_string(failed, '; ') || '.',
            HINT = 'Make a table that may with twin_privacy.anonymize.';
    END IF;
END
$$;
COMMENT ON FUNCTION twin_privacy.check_release(regclass, name[], integer, name, integer, double precision, double precision, regclass, boolean) IS
'(all) Checks a table before it leaves: one row a requirement with what was required, the actual figure, and passed. k subjects a class; l distinct sensitive values and t (equal distance) when given; max_average_risk (marketer); population (table): 1/k there, too; and that no column outside quasi and sensitive looks like an identifier (find_identifiers). enforce: raises 23514 when one fails, for scripts. An empty table passes. Errors: 22004 NULL argument, 22023 l or t without sensitive, those of risk_report.';

-- Aggregate-only uses: what enforce's rewriting calls.  Executed by analysts in
-- plans made for them; without the schema nobody can name them.
CREATE FUNCTION twin_privacy_internal.at_least_add(internal, "any", integer) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_at_least_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.at_least_split_add(internal, "any", boolean, integer) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_at_least_split_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.cohort_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_cohort_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.cohort_serialize(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_cohort_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.cohort_deserialize(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_cohort_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.at_least_final(internal) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_at_least_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.at_least_split_final(internal) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_at_least_split_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.at_least("any", integer) (
    SFUNC = twin_privacy_internal.at_least_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = twin_privacy_internal.at_least_final,
    COMBINEFUNC = twin_privacy_internal.cohort_combine,
    SERIALFUNC = twin_privacy_internal.cohort_serialize,
    DESERIALFUNC = twin_privacy_internal.cohort_deserialize, PARALLEL = SAFE);
CREATE AGGREGATE twin_privacy_internal.at_least_split("any", boolean, integer) (
    SFUNC = twin_privacy_internal.at_least_split_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = twin_privacy_internal.at_least_split_final,
    COMBINEFUNC = twin_privacy_internal.cohort_combine,
    SERIALFUNC = twin_privacy_internal.cohort_serialize,
    DESERIALFUNC = twin_privacy_internal.cohort_deserialize, PARALLEL = SAFE);

CREATE FUNCTION twin_privacy_internal.at_least_parts_final(internal) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_at_least_parts_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.at_least_parts("any", boolean, integer) (
    SFUNC = twin_privacy_internal.at_least_split_add, STYPE = internal, SSPACE = 256,
    FINALFUNC = twin_privacy_internal.at_least_parts_final,
    COMBINEFUNC = twin_privacy_internal.cohort_combine,
    SERIALFUNC = twin_privacy_internal.cohort_serialize,
    DESERIALFUNC = twin_privacy_internal.cohort_deserialize, PARALLEL = SAFE);

-- The differencing guard: sketches of a group's figures, the gate in front of
-- the groups, and what it says.
CREATE FUNCTION twin_privacy_internal.guard_cell_add(internal, "any", bytea, VARIADIC "any") RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_cell_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_subjects_add(internal, "any") RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_subjects_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_cell_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_cell_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_cell_serialize(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_cell_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_cell_deserialize(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_cell_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_cell_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_cell_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_subjects_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_subjects_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.guard_cell("any", bytea, VARIADIC "any") (
    SFUNC = twin_privacy_internal.guard_cell_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = twin_privacy_internal.guard_cell_final,
    COMBINEFUNC = twin_privacy_internal.guard_cell_combine,
    SERIALFUNC = twin_privacy_internal.guard_cell_serialize,
    DESERIALFUNC = twin_privacy_internal.guard_cell_deserialize, PARALLEL = SAFE);
CREATE AGGREGATE twin_privacy_internal.guard_subjects("any") (
    SFUNC = twin_privacy_internal.guard_subjects_add, STYPE = internal, SSPACE = 2048,
    FINALFUNC = twin_privacy_internal.guard_subjects_final, PARALLEL = SAFE);
CREATE FUNCTION twin_privacy_internal.guard_part_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_part_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.guard_part("any", bytea, VARIADIC "any") (
    SFUNC = twin_privacy_internal.guard_cell_add, STYPE = internal, SSPACE = 1024,
    FINALFUNC = twin_privacy_internal.guard_part_final,
    COMBINEFUNC = twin_privacy_internal.guard_cell_combine,
    SERIALFUNC = twin_privacy_internal.guard_cell_serialize,
    DESERIALFUNC = twin_privacy_internal.guard_cell_deserialize, PARALLEL = SAFE);
CREATE FUNCTION twin_privacy_internal.guard_is_large(bytea) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_is_large' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_merge_add(internal, bytea) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_merge_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.guard_merge(bytea) (
    SFUNC = twin_privacy_internal.guard_merge_add, STYPE = internal, SSPACE = 2048,
    FINALFUNC = twin_privacy_internal.guard_cell_final);
CREATE FUNCTION twin_privacy_internal.total_add(anyelement, anyelement) RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_anonymity_total_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE twin_privacy_internal.total(anyelement) (
    SFUNC = twin_privacy_internal.total_add, STYPE = anyelement);
CREATE FUNCTION twin_privacy_internal.guard_gate(text, integer, integer[], bytea[], boolean[]) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_gate' LANGUAGE C WINDOW VOLATILE PARALLEL RESTRICTED;
CREATE FUNCTION twin_privacy_internal.guard_shows(bigint, integer) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_shows' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_count(bytea, integer) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_count' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_split(bytea, integer) RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_trim(numeric, boolean) RETURNS numeric
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_trim' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_sum_whole(bytea, integer) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_sum_whole' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_sum_real(bytea, integer) RETURNS double precision
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_sum_real' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_avg_whole(bytea, integer) RETURNS numeric
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_avg_whole' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.guard_avg_real(bytea, integer) RETURNS double precision
AS 'MODULE_PATHNAME', 'twp_anonymity_guard_avg_real' LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION twin_privacy.forget_releases(use text, reason text) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_anonymity_forget_releases' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.forget_releases(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.forget_releases(text, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.forget_releases(text, text) IS
'(officer) Forgets what an aggregate-only use has released and gives the number of figures: from then on new figures are compared with none of them, so that they may be subtracted from each other. For a use whose memory is full, or after its data was replaced. Holds at once, also when the transaction is rolled back; recorded as use.forget_releases. Errors: 22004 NULL argument, 42501 not an officer, 42704 unknown use, TP005 the file cannot be written.';

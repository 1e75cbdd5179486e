-- Directives of data subjects. Rows are only ever added; a withdrawal is a row.

-- What a directive says, apart from whom and when: thousands sign one form.
CREATE TABLE twin_privacy_internal.terms (
    terms_id bigint PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    terms jsonb NOT NULL
) USING heap;
-- The columns up to subject are read by C at fixed places (store.c): add new ones at the end.
CREATE TABLE twin_privacy_internal.directive (
    consent_id bigint PRIMARY KEY,
    terms_id bigint NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    given_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    changed xid8 NOT NULL,
    subject text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(subject) BETWEEN 1 AND 1000),
    recorded_by text NOT NULL,
    evidence jsonb
) USING heap;
CREATE INDEX directive_subject_idx ON twin_privacy_internal.directive (subject, consent_id);
CREATE INDEX directive_changed_idx ON twin_privacy_internal.directive (changed);
CREATE TABLE twin_privacy_internal.withdrawal (
    consent_id bigint PRIMARY KEY,
    withdrawn_at timestamptz NOT NULL,
    changed xid8 NOT NULL,
    subject text COLLATE "C" NOT NULL,
    withdrawn_by text NOT NULL,
    reason text NOT NULL
) USING heap;
CREATE INDEX withdrawal_subject_idx ON twin_privacy_internal.withdrawal (subject);
CREATE INDEX withdrawal_changed_idx ON twin_privacy_internal.withdrawal (changed);
CREATE SEQUENCE twin_privacy_internal.terms_id_seq;
CREATE SEQUENCE twin_privacy_internal.consent_id_seq;

SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.terms', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.directive', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.withdrawal', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.terms_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.consent_id_seq', '');

-- Stamps each new row with its transaction and tells every cache; refuses the rest.
CREATE FUNCTION twin_privacy_internal.consent_stamp() RETURNS trigger
AS 'MODULE_PATHNAME', 'twp_consent_stamp' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.consent_stamp() FROM PUBLIC;
CREATE FUNCTION twin_privacy_internal.consent_keep() RETURNS trigger
AS 'MODULE_PATHNAME', 'twp_consent_keep' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.consent_keep() FROM PUBLIC;

CREATE TRIGGER stamp BEFORE INSERT ON twin_privacy_internal.directive
    FOR EACH ROW EXECUTE FUNCTION twin_privacy_internal.consent_stamp();
CREATE TRIGGER stamp BEFORE INSERT ON twin_privacy_internal.withdrawal
    FOR EACH ROW EXECUTE FUNCTION twin_privacy_internal.consent_stamp();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON twin_privacy_internal.terms
    FOR EACH STATEMENT EXECUTE FUNCTION twin_privacy_internal.consent_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON twin_privacy_internal.directive
    FOR EACH STATEMENT EXECUTE FUNCTION twin_privacy_internal.consent_keep();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON twin_privacy_internal.withdrawal
    FOR EACH STATEMENT EXECUTE FUNCTION twin_privacy_internal.consent_keep();
-- Also where a session replicates or restores.
ALTER TABLE twin_privacy_internal.directive ENABLE ALWAYS TRIGGER stamp;
ALTER TABLE twin_privacy_internal.withdrawal ENABLE ALWAYS TRIGGER stamp;
ALTER TABLE twin_privacy_internal.terms ENABLE ALWAYS TRIGGER keep;
ALTER TABLE twin_privacy_internal.directive ENABLE ALWAYS TRIGGER keep;
ALTER TABLE twin_privacy_internal.withdrawal ENABLE ALWAYS TRIGGER keep;

CREATE VIEW twin_privacy.consents AS
SELECT d.consent_id, d.subject,
       t.terms OPERATOR(pg_catalog.->>) 'decision' AS decision,
       COALESCE(t.terms OPERATOR(pg_catalog.->>) 'purpose',
                (SELECT pg_catalog.string_agg(p.code, ', ')
                   FROM pg_catalog.jsonb_array_elements_text(t.terms OPERATOR(pg_catalog.->) 'purposes') AS p(code)))
           AS purpose,
       CASE WHEN t.terms OPERATOR(pg_catalog.?) 'categories'
            THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(t.terms OPERATOR(pg_catalog.->) 'categories'))
       END AS categories,
       CASE WHEN t.terms OPERATOR(pg_catalog.?) 'recipients'
            THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(t.terms OPERATOR(pg_catalog.->) 'recipients'))
       END AS recipients,
       pg_catalog.tstzrange(NULLIF(d.valid_from, '-infinity'), NULLIF(d.valid_until, 'infinity')) AS valid,
       d.recorded_at, d.recorded_by, w.withdrawn_at, w.withdrawn_by, w.reason, d.evidence
  FROM twin_privacy_internal.directive d
  JOIN twin_privacy_internal.terms t ON t.terms_id OPERATOR(pg_catalog.=) d.terms_id
  LEFT JOIN twin_privacy_internal.withdrawal w ON w.consent_id OPERATOR(pg_catalog.=) d.consent_id
 WHERE twin_privacy_internal.holds_role('registrar', 'officer', 'auditor', 'admin');
REVOKE ALL ON twin_privacy.consents FROM PUBLIC;
GRANT SELECT ON twin_privacy.consents TO twin_privacy_registrar, twin_privacy_officer,
                                         twin_privacy_auditor, twin_privacy_admin;
COMMENT ON VIEW twin_privacy.consents IS
'Every directive ever recorded, withdrawn ones too. categories NULL: all; recipients NULL: any; valid: [from, until). recorded_by and withdrawn_by name the login. For registrars, officers, auditors and admins.';

CREATE FUNCTION twin_privacy.record_consent(
    subject text, decision text, purpose text, categories text[] DEFAULT NULL,
    recipients text[] DEFAULT NULL, valid tstzrange DEFAULT NULL, evidence jsonb DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_consent_record' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.record_consent(text, text, text, text[], text[], tstzrange, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.record_consent(text, text, text, text[], text[], tstzrange, jsonb) TO twin_privacy_registrar;
COMMENT ON FUNCTION twin_privacy.record_consent(text, text, text, text[], text[], tstzrange, jsonb) IS
'Records a directive and returns its consent_id. subject: canonical text of the key; decision: permit or deny; purpose: code, covers all below it; categories NULL: all; recipients NULL: any; valid NULL: from now on. Errors: 22004 subject, decision or purpose NULL, or a NULL in an array; 22023 empty subject or other spelling of a key, unknown decision, purpose or category, empty array or period; 22000 backwards period; 23P01 the same directive is in force for an overlapping period; 42501 not a registrar. Warns when subject is no key of a kind in use.';

CREATE FUNCTION twin_privacy.withdraw_consent(consent_id bigint, reason text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_consent_withdraw' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.withdraw_consent(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.withdraw_consent(bigint, text) TO twin_privacy_registrar;
COMMENT ON FUNCTION twin_privacy.withdraw_consent(bigint, text) IS
'Withdraws a directive, for every statement that starts after the commit. Errors: 22004 an argument is NULL, 22023 empty reason, 42704 no such directive, 55000 already withdrawn, 42501 not a registrar.';

CREATE FUNCTION twin_privacy.withdraw_all_consent(subject text, reason text) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_consent_withdraw_all' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.withdraw_all_consent(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.withdraw_all_consent(text, text) TO twin_privacy_registrar;
COMMENT ON FUNCTION twin_privacy.withdraw_all_consent(text, text) IS
'Withdraws every permit of a subject that is not withdrawn yet and returns how many; denies stay. Errors: 22004 an argument is NULL, 22023 other spelling of a key or empty reason, 42501 not a registrar.';

CREATE FUNCTION twin_privacy.decide(subject text, purpose text, category text, recipient text,
                                    at timestamptz DEFAULT pg_catalog.now()) RETURNS text
AS 'MODULE_PATHNAME', 'twp_consent_decide_sql' LANGUAGE C VOLATILE PARALLEL SAFE;
REVOKE ALL ON FUNCTION twin_privacy.decide(text, text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.decide(text, text, text, text, timestamptz)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.decide(text, text, text, text, timestamptz) IS
'Says permit, deny or none for a subject, purpose, category and recipient; deny for a prohibited purpose. at moves the test of validity only: what is withdrawn is out. Errors: 22004 an argument is NULL, 22023 other spelling of a key, unknown purpose or category, 42501 none of the four roles.';

CREATE FUNCTION twin_privacy.explain_decision(subject text, purpose text, category text, recipient text,
                                              at timestamptz DEFAULT pg_catalog.now())
RETURNS TABLE (consent_id bigint, decision text, decisive boolean, reason text)
AS 'MODULE_PATHNAME', 'twp_consent_explain_sql' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 3;
REVOKE ALL ON FUNCTION twin_privacy.explain_decision(text, text, text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.explain_decision(text, text, text, text, timestamptz)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.explain_decision(text, text, text, text, timestamptz) IS
'Says how decide came to its answer: a row for each directive of the subject, with what it says to the question (permit, deny, none), whether it decided, and why. A row without consent_id when the purpose is prohibited or no directive applies. Errors as for decide.';

CREATE FUNCTION twin_privacy.consent_summary(subject text) RETURNS text
AS 'MODULE_PATHNAME', 'twp_consent_summary_sql' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.consent_summary(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.consent_summary(text)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.consent_summary(text) IS
'Tells in plain words what a subject has agreed to or refused: what, with whom, for what, until when; a line a directive in force or to come. Errors: 22004 subject NULL, 22023 other spelling of a key, 42501 none of the four roles.';

CREATE FUNCTION twin_privacy.import_consent(resource jsonb) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_consent_import' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.import_consent(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.import_consent(jsonb) TO twin_privacy_registrar;
COMMENT ON FUNCTION twin_privacy.import_consent(jsonb) IS
'Records a FHIR R4 or R5 Consent (https://hl7.org/fhir/consent.html) and returns its consent_id; the resource is kept as evidence. The subject is the id of the patient; an actor "Organization/A" is the recipient of that name, or A. A consent is taken whole or refused: errors name the path. Errors: 22004 resource NULL, 22023 not a Consent, or the subject another spelling of a key, 0A000 something in it cannot be expressed (unknown codes, inactive, no base decision, ...), 23505 the same resource is already imported, 42501 not a registrar.';

CREATE FUNCTION twin_privacy.export_consents(subject text) RETURNS SETOF jsonb
AS 'MODULE_PATHNAME', 'twp_consent_export' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 3;
REVOKE ALL ON FUNCTION twin_privacy.export_consents(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.export_consents(text)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.export_consents(text) IS
'Gives each directive of a subject as a FHIR R4 Consent, oldest first; withdrawn ones have status inactive. Read back by import_consent it means the same. Errors: 22004 subject NULL, 22023 other spelling of a key, 42501 none of the four roles.';

CREATE FUNCTION twin_privacy.evaluate_consent(consents jsonb, request jsonb) RETURNS text
AS 'MODULE_PATHNAME', 'twp_consent_evaluate' LANGUAGE C STABLE PARALLEL SAFE;
REVOKE ALL ON FUNCTION twin_privacy.evaluate_consent(jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.evaluate_consent(jsonb, jsonb)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.evaluate_consent(jsonb, jsonb) IS
'Says permit, deny or none for a request against one FHIR Consent or an array of them; nothing is stored or read. request: purposeOfUse, actor, now (default: now), resource{reference, resourceType, security[], codes[], author[], custodian[], encounter, date}. Several consents are combined by twin_privacy.consent_combining. Errors: 22004 an argument is NULL, 22023 not FHIR or not a request, 0A000 something in a consent cannot be expressed.';

-- For status() and for tests: what the shared map of this database is like.
CREATE FUNCTION twin_privacy_internal.consent_map(
    OUT version bigint, OUT subjects bigint, OUT profiles bigint, OUT bytes bigint,
    OUT built_at timestamptz, OUT horizon timestamptz) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_consent_map_figures' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
REVOKE ALL ON FUNCTION twin_privacy_internal.consent_map() FROM PUBLIC;
CREATE FUNCTION twin_privacy_internal.consent_counters(
    OUT builds bigint, OUT with_map bigint, OUT without_map bigint, OUT lookups bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_consent_counters' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
REVOKE ALL ON FUNCTION twin_privacy_internal.consent_counters() FROM PUBLIC;
CREATE FUNCTION twin_privacy_internal.consent_map_build() RETURNS double precision
AS 'MODULE_PATHNAME', 'twp_consent_map_build_sql' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.consent_map_build() FROM PUBLIC;

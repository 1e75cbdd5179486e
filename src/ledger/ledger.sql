-- ledger: who was told what. The ledger lies in files of its own; SQL only reads it.

CREATE FUNCTION twin_privacy_internal.ledger_disclosures(since timestamptz,
        OUT record_id bigint, OUT recorded_at timestamptz, OUT session_role text, OUT acting_role text,
        OUT actor text, OUT use_code text, OUT purpose text, OUT recipient text, OUT justification text,
        OUT tables text[], OUT categories text[], OUT form text, OUT row_count bigint,
        OUT subject_count bigint, OUT subjects_exact boolean, OUT consent_revision bigint,
        OUT policy_hash text, OUT query_fingerprint text, OUT outcome text, OUT sqlstate text,
        OUT parent_id bigint, OUT break_glass_id bigint, OUT subjects_stored boolean, OUT completed_at timestamptz,
        OUT client text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_disclosures'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE VIEW twin_privacy.disclosures AS
    SELECT record_id, recorded_at, session_role, acting_role, actor, use_code, purpose, recipient, justification,
           tables, categories, form, row_count, subject_count, subjects_exact, consent_revision, policy_hash,
           query_fingerprint, outcome
      FROM twin_privacy_internal.ledger_disclosures('-infinity');
COMMENT ON VIEW twin_privacy.disclosures IS
    'Every read of protected data in this database and every refusal (all: an auditor sees everything, a person what their own login did). '
    'row_count, subject_count and subjects_exact are NULL while a statement is open and after a crash. subjects_exact false: an upper bound. '
    'policy_hash and query_fingerprint are 16 hexadecimal digits. Source: GDPR article 30.';
GRANT SELECT ON twin_privacy.disclosures TO PUBLIC;

CREATE FUNCTION twin_privacy_internal.ledger_events(
        OUT event_id bigint, OUT recorded_at timestamptz, OUT session_role text, OUT acting_role text,
        OUT actor text, OUT kind text, OUT object text, OUT subject text, OUT detail text, OUT outcome text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_events'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE VIEW twin_privacy.ledger_events AS
    SELECT event_id, recorded_at, session_role, acting_role, actor, kind, object, subject, detail, outcome
      FROM twin_privacy_internal.ledger_events();
COMMENT ON VIEW twin_privacy.ledger_events IS
    'Every recorded change of policy, consent, keys and protection in this database, and what the server went through (auditor): crashes (ledger.gap) and '
    'steps of its clock (ledger.clock), without session_role. outcome follows the transaction: done, aborted, open while it runs, crashed. '
    'Error: 42501 not an auditor.';
GRANT SELECT ON twin_privacy.ledger_events TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.subjects_of(record_id bigint) RETURNS SETOF text
    AS 'MODULE_PATHNAME', 'twp_ledger_subjects_of'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.subjects_of(bigint) IS
    'The data subjects a recorded statement was told of, as canonical text (auditor); no rows for statements that only count. '
    'record_id: from disclosures. NULL: error 22004. Errors: 42501 not an auditor, 22023 not positive.';
REVOKE ALL ON FUNCTION twin_privacy.subjects_of(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.subjects_of(bigint) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.disclosures_of(subject text,
        OUT record_id bigint, OUT recorded_at timestamptz, OUT session_role text, OUT acting_role text,
        OUT actor text, OUT use_code text, OUT purpose text, OUT recipient text, OUT justification text,
        OUT tables text[], OUT categories text[], OUT form text, OUT row_count bigint,
        OUT subject_count bigint, OUT subjects_exact boolean, OUT consent_revision bigint,
        OUT policy_hash text, OUT query_fingerprint text, OUT outcome text, OUT sqlstate text,
        OUT parent_id bigint, OUT break_glass_id bigint, OUT subjects_stored boolean, OUT completed_at timestamptz,
        OUT client text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_disclosures_of'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.disclosures_of(text) IS
    'The recorded statements that were told of a data subject (auditor), in the row-level forms. subject: canonical text of the key. '
    'NULL: error 22004. Errors: 42501 not an auditor, 22023 nothing recorded and another spelling of a key. Source: GDPR article 15(1)(c).';
REVOKE ALL ON FUNCTION twin_privacy.disclosures_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.disclosures_of(text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.verify_ledger(head text DEFAULT NULL,
        OUT record_id bigint, OUT place text, OUT finding text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_verify'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.verify_ledger(text) IS
    'Recomputes every hash chain of the ledger (auditor): one row a finding, none when intact. head: a text that ledger_head() once gave, '
    'to prove that today''s chain continues that one; NULL: compare with the running server and the anchor file only. '
    'Errors: 42501 not an auditor, 22023 not a head, TP005 library not preloaded.';
REVOKE ALL ON FUNCTION twin_privacy.verify_ledger(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.verify_ledger(text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.ledger_head() RETURNS text
    AS 'MODULE_PATHNAME', 'twp_ledger_head'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_head() IS
    'A digest of everything recorded so far (auditor), to keep elsewhere and give to verify_ledger() later: twp1:node:seq:SHA-256. '
    'Errors: 42501 not an auditor, TP004 the ledger is closed.';
REVOKE ALL ON FUNCTION twin_privacy.ledger_head() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.ledger_head() TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy_internal.ledger_subject_rows(since timestamptz, OUT record_id bigint, OUT subject text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_subject_rows'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- One statement as a FHIR R4 AuditEvent: IHE BALP PatientQuery for a successful one about one patient,
-- Query for a successful one about nobody in particular, plain AuditEvent for what failed.
CREATE FUNCTION twin_privacy_internal.audit_event(d record, subject text) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dcm CONSTANT text := 'http://dicom.nema.org/resources/ontology/DCM';
    entity_type CONSTANT text := 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
    object_role CONSTANT text := 'http://terminology.hl7.org/CodeSystem/object-role';
    reason CONSTANT text := 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
    profile CONSTANT text := 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';
    described CONSTANT text := 'twin_privacy statement ' || d.query_fingerprint || ' on ' ||
        pg_catalog.array_to_string(d.tables, ', ') || ' for ' || pg_catalog.array_to_string(d.categories, ', ');
    -- FHIR strings have no control characters but tab and the ends of lines
    actor CONSTANT text := regexp_replace(nullif(d.actor, ''), '[\x01-\x08\x0B\x0C\x0E-\x1F]', ' ', 'g');
    purpose CONSTANT jsonb := CASE WHEN d.purpose IS NOT NULL THEN
        jsonb_build_array(jsonb_build_object('coding', jsonb_build_array(
            jsonb_build_object('system', reason, 'code', d.purpose)))) END;
BEGIN
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'resourceType', 'AuditEvent',
        'id', 'twin-privacy-' || d.record_id || coalesce('-' || left(encode(sha256(convert_to(subject, 'UTF8')), 'hex'), 16), ''),
        'meta', CASE WHEN d.outcome = 'done' THEN jsonb_build_object('profile', jsonb_build_array(
            profile || CASE WHEN subject IS NULL THEN 'Query' ELSE 'PatientQuery' END)) END,
        'type', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/audit-event-type',
                                   'code', 'rest', 'display', 'Restful Operation'),
        'subtype', jsonb_build_array(jsonb_build_object('system', 'http://hl7.org/fhir/restful-interaction',
                                                        'code', 'search', 'display', 'search')),
        'action', 'E',
        'recorded', to_char(d.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'outcome', CASE d.outcome WHEN 'done' THEN '0' WHEN 'crashed' THEN '8' ELSE '4' END,
        'outcomeDesc', CASE WHEN d.outcome <> 'done' THEN d.outcome || coalesce(' ' || d.sqlstate, '') END,
        'purposeOfEvent', purpose,
        'agent', jsonb_build_array(
            jsonb_build_object(
                'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
                    'system', dcm, 'code', '110153', 'display', 'Source Role ID'))),
                'who', jsonb_build_object('display', coalesce(d.recipient, 'unknown')),
                'requestor', false,
                'network', CASE WHEN coalesce(d.client, '[local]') = '[local]'
                    THEN jsonb_build_object('address', 'localhost', 'type', '1')
                    ELSE jsonb_build_object('address', d.client, 'type', '2') END),
            jsonb_build_object(
                'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
                    'system', dcm, 'code', '110152', 'display', 'Destination Role ID'))),
                'who', jsonb_build_object('display', 'PostgreSQL database ' || current_database()),
                'requestor', false,
                'network', jsonb_build_object('address', coalesce(host(inet_server_addr()), 'localhost'),
                                              'type', CASE WHEN inet_server_addr() IS NULL THEN '1' ELSE '2' END)),
            jsonb_build_object(
                'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
                    'system', 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType',
                    'code', 'IRCP', 'display', 'information recipient'))),
                'who', jsonb_build_object('display', coalesce(actor, d.session_role)),
                'altId', d.session_role,
                'name', actor,
                'requestor', true,
                'role', jsonb_build_array(jsonb_build_object('text', d.acting_role)),
                'purposeOfUse', purpose)),
        'source', jsonb_build_object(
            'site', current_database(),
            'observer', jsonb_build_object('display', 'twin_privacy'),
            'type', jsonb_build_array(jsonb_build_object(
                'system', 'http://terminology.hl7.org/CodeSystem/security-source-type',
                'code', '4', 'display', 'Application Server'))),
        'entity', jsonb_build_array(
            jsonb_build_object(
                'type', jsonb_build_object('system', entity_type, 'code', '2', 'display', 'System Object'),
                'role', jsonb_build_object('system', object_role, 'code', '24', 'display', 'Query'),
                'description', described,
                'query', replace(encode(convert_to(described, 'UTF8'), 'base64'), E'\n', '')))
            || CASE WHEN subject IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(
            jsonb_build_object(
                'type', jsonb_build_object('system', entity_type, 'code', '1', 'display', 'Person'),
                'role', jsonb_build_object('system', object_role, 'code', '1', 'display', 'Patient'),
                'what', jsonb_build_object('identifier', jsonb_build_object('value', subject), 'type', 'Patient'))) END));
END
$$;

CREATE FUNCTION twin_privacy.audit_events(since timestamptz) RETURNS SETOF jsonb
    LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT twin_privacy_internal.audit_event(d, s.subject)
      FROM twin_privacy_internal.ledger_disclosures(since) AS d
      LEFT JOIN twin_privacy_internal.ledger_subject_rows(since) AS s
             ON s.record_id OPERATOR(pg_catalog.=) d.record_id
     ORDER BY d.record_id, s.subject;
END;
COMMENT ON FUNCTION twin_privacy.audit_events(timestamptz) IS
    'The disclosures and refusals since a time as FHIR R4 AuditEvent resources (auditor), one for each patient a statement was told of: '
    'IHE BALP PatientQuery, Query where a statement named nobody. entity.query holds the statement''s fingerprint, never its text. '
    'NULL: error 22004. Error: 42501 not an auditor. Source: IHE ITI BALP 1.1, FHIR R4 AuditEvent.';
REVOKE ALL ON FUNCTION twin_privacy.audit_events(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.audit_events(timestamptz) TO twin_privacy_auditor;

-- One disclosure in a patient's words; on one line, as what its readers claimed must not look like lines of ours.
CREATE FUNCTION twin_privacy_internal.disclosure_line(d record, purpose_display text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN regexp_replace(to_char(d.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') || ': '
        || CASE WHEN d.break_glass_id IS NOT NULL THEN 'EMERGENCY ACCESS. ' ELSE '' END
        || coalesce(nullif(d.actor, '') || ' (login ' || d.session_role || ')', d.session_role)
        || coalesce(' of ' || d.recipient, '')
        || CASE d.outcome
               WHEN 'done' THEN ' was given '
               WHEN 'open' THEN ' is being given '
               ELSE ' began to be given, and was stopped: ' END
        || CASE d.form
               WHEN 'identified' THEN 'your data, with your identity, '
               WHEN 'pseudonymised' THEN 'your data under a pseudonym '
               ELSE 'your data ' END
        || coalesce('of the kind ' || nullif(array_to_string(d.categories, ', '), '') || ' ', '')
        || 'from ' || array_to_string(d.tables, ', ')
        || coalesce(', for ' || coalesce(purpose_display || ' (' || d.purpose || ')', d.purpose), '')
        || coalesce(', under the approved use ' || d.use_code, '')
        || coalesce('. Reason given: ' || nullif(d.justification, ''), '')
        || '. (record ' || d.record_id || ')'
        || CASE WHEN NOT d.subjects_exact THEN ' It is not certain that your data were among those shown.' ELSE '' END,
        '[[:cntrl:]\u0085\u2028-\u202E\u2066-\u2069]+', ' ', 'g');
END
$$;

CREATE FUNCTION twin_privacy.disclosure_report(subject text) RETURNS text
    LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH mine AS (
        SELECT d.recorded_at, d.record_id, d.break_glass_id,
               twin_privacy_internal.disclosure_line(d, p.display) AS line
          FROM twin_privacy.disclosures_of(subject) AS d
          LEFT JOIN twin_privacy.purposes AS p ON p.code = d.purpose
    ), others AS (
        SELECT count(*) FILTER (WHERE form IN ('aggregate', 'private') AND outcome = 'done') AS statistics,
               count(*) FILTER (WHERE form IN ('identified', 'pseudonymised') AND outcome <> 'refused'
                                  AND outcome <> 'open' AND NOT subjects_stored
                                  AND coalesce(subject_count, 1) > 0) AS unknown
          FROM twin_privacy_internal.ledger_disclosures('-infinity')
    )
    SELECT 'Who was given data about ' || coalesce(subject, '') || E':\n'
           || coalesce((SELECT string_agg(line, E'\n' ORDER BY recorded_at, record_id) FROM mine), 'Nobody.')
           || coalesce((SELECT E'\n' || count(*) || ' of these were emergency accesses; each is reviewed by a privacy officer.'
                          FROM mine WHERE break_glass_id IS NOT NULL HAVING count(*) > 0), '')
           || CASE WHEN statistics > 0 THEN E'\n' || statistics || ' statistics about groups of people were made, which name nobody.' ELSE '' END
           || CASE WHEN unknown > 0 THEN E'\n' || unknown || ' readings ended before it could be recorded whose data they reached.' ELSE '' END
      FROM others;
END;
COMMENT ON FUNCTION twin_privacy.disclosure_report(text) IS
    'Who was given data about a data subject, in plain words to hand to a patient (auditor). subject: canonical text of the key. '
    'NULL: error 22004. Errors: as of disclosures_of. Source: GDPR article 15(1)(c), HIPAA 45 CFR 164.528.';
REVOKE ALL ON FUNCTION twin_privacy.disclosure_report(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.disclosure_report(text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.ledger_copy_nodes(OUT node bytea, OUT first_segment bigint, OUT segment bigint, OUT at integer)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_copy_nodes'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_copy_nodes() IS
    'The hash chains this server holds, its own and copies of others'', and where they end (all): only roles with REPLICATION and auditors get an answer. '
    'Errors: 42501 otherwise, TP005 library not preloaded. Source: doc/ledger.';

CREATE FUNCTION twin_privacy.ledger_copy_send(node bytea, segment bigint, at integer) RETURNS bytea
    AS 'MODULE_PATHNAME', 'twp_ledger_copy_send'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_copy_send(bytea, bigint, integer) IS
    'Bytes of a chain from a position on, for a standby to copy: a segment''s header at 0, whole records up to 1 MB behind it (all), NULL when there are none. '
    'Only for roles with REPLICATION and for auditors. NULL argument: error 22004. Errors: 42501 otherwise, 22023 not a node id. Source: doc/ledger.';

CREATE FUNCTION twin_privacy.ledger_copy_receive(node bytea, segment bigint, at integer, data bytea) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_ledger_copy_receive'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_copy_receive(bytea, bigint, integer, bytea) IS
    'Takes bytes that ledger_copy_send() gave of another chain, if they continue the copy held here (all). '
    'Only for roles with REPLICATION and for auditors. NULL argument: error 22004. Errors: 42501 otherwise, XX001 they do not. Source: doc/ledger.';

CREATE FUNCTION twin_privacy.drop_ledger_before(before timestamptz, reason text) RETURNS integer
    AS 'MODULE_PATHNAME', 'twp_ledger_drop_before'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.drop_ledger_before(timestamptz, text) IS
    'Drops whole segments of 16 MB whose records are all older than a time, of every database of the server (auditor); returns how many. Their head is sealed in the chain, '
    'so verify_ledger() knows the drop from a loss. Not undone by ROLLBACK. NULL: error 22004. Errors: 42501 not an auditor, 22023 a time in the future, TP004 not recordable. '
    'Source: GDPR article 5(1)(e).';
REVOKE ALL ON FUNCTION twin_privacy.drop_ledger_before(timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.drop_ledger_before(timestamptz, text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.adopt_ledger(reason text) RETURNS integer
    AS 'MODULE_PATHNAME', 'twp_ledger_adopt'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.adopt_ledger(text) IS
    'Takes over the chains of other clusters that lie in the ledger directory as this one''s past, which pg_upgrade makes necessary (auditor); gives how many. '
    'They are read and verified from then on, never written. Where each ends is recorded. Not undone by ROLLBACK. reason: recorded. NULL: error 22004. '
    'Errors: 42501 not an auditor, 55006 a running server writes one of them, TP004 not recordable. Source: doc/ledger.';
REVOKE ALL ON FUNCTION twin_privacy.adopt_ledger(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.adopt_ledger(text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.ledger_checkpoint() RETURNS jsonb
    AS 'MODULE_PATHNAME', 'twp_ledger_checkpoint'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_checkpoint() IS
    'The ledger''s head signed with the Ed25519 key of twin_privacy.ledger_signing_key_file, to keep elsewhere (auditor): algorithm, head, signed_at, signature (base 64) '
    'over "twin_privacy ledger checkpoint v1", head and signed_at, each with a newline. Errors: 42501 not an auditor, TP004 the ledger is closed, TP005 no key. Source: RFC 8032.';
REVOKE ALL ON FUNCTION twin_privacy.ledger_checkpoint() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.ledger_checkpoint() TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.ledger_checkpoint_valid(checkpoint jsonb, public_key text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_ledger_checkpoint_valid'
    LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.ledger_checkpoint_valid(jsonb, text) IS
    'True when a checkpoint''s signature is by the private key that belongs to a public key in PEM (all). Then give its head to verify_ledger(). '
    'NULL: error 22004. Error: 22023 not a checkpoint or not such a key. Source: RFC 8032.';

CREATE FUNCTION twin_privacy.seal_damaged_ledger(reason text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_ledger_seal_damaged'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.seal_damaged_ledger(text) IS
    'Lets a ledger that damage keeps closed record again, in a new segment behind the damage (auditor). Nothing is repaired: verify_ledger() finds the damage for ever. '
    'NULL: error 22004. Errors: 42501 not an auditor, 55000 not closed because of damage, TP004 no new segment. Source: doc/ledger.';
REVOKE ALL ON FUNCTION twin_privacy.seal_damaged_ledger(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.seal_damaged_ledger(text) TO twin_privacy_auditor;

-- For status() and twin_privacy_stat: the server's figures, one row. unshipped_segments means something on a standby only.
CREATE FUNCTION twin_privacy_internal.ledger_figures(
        OUT state text, OUT reason text, OUT last_record bigint, OUT durable_record bigint, OUT waiting_bytes bigint,
        OUT open_records bigint, OUT segments bigint, OUT bytes bigint, OUT max_bytes bigint,
        OUT worker_running boolean, OUT unshipped_segments bigint, OUT space_left bigint, OUT strange_chains bigint,
        OUT statements bigint, OUT events bigint, OUT refused_other bigint, OUT refused_tp001 bigint, OUT refused_tp002 bigint,
        OUT refused_tp003 bigint, OUT refused_tp004 bigint, OUT refused_tp005 bigint)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_figures'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
REVOKE ALL ON FUNCTION twin_privacy_internal.ledger_figures() FROM PUBLIC;

-- ledger: who was told what. The ledger lies in files of its own; SQL only reads it.

CREATE FUNCTION twin_privacy_internal.ledger_disclosures(
        OUT record_id bigint, OUT recorded_at timestamptz, OUT session_role text, OUT acting_role text,
        OUT actor text, OUT use_code text, OUT purpose text, OUT recipient text, OUT justification text,
        OUT tables text[], OUT categories text[], OUT form text, OUT row_count bigint,
        OUT subject_count bigint, OUT subjects_exact boolean, OUT consent_revision bigint,
        OUT policy_hash text, OUT query_fingerprint text, OUT outcome text, OUT sqlstate text,
        OUT parent_id bigint, OUT break_glass_id bigint, OUT subjects_stored boolean, OUT completed_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_disclosures'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE VIEW twin_privacy.disclosures AS
    SELECT record_id, recorded_at, session_role, acting_role, actor, use_code, purpose, recipient, justification,
           tables, categories, form, row_count, subject_count, subjects_exact, consent_revision, policy_hash,
           query_fingerprint, outcome
      FROM twin_privacy_internal.ledger_disclosures();
COMMENT ON VIEW twin_privacy.disclosures IS
    'Every read of protected data in this database and every refusal (all: an auditor sees everything, a person what their own login did). '
    'row_count, subject_count and subjects_exact are NULL while a statement is open and after a crash. subjects_exact false: an upper bound. '
    'policy_hash and query_fingerprint are 16 hexadecimal digits. Source: contract of twin_privacy, section 9; GDPR article 30.';
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
    'Every recorded change of policy, consent, keys and protection in this database (auditor). outcome follows the transaction: '
    'done, aborted, open while it runs, crashed. Error: 42501 not an auditor. Source: contract of twin_privacy, section 9.';
GRANT SELECT ON twin_privacy.ledger_events TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.subjects_of(record_id bigint) RETURNS SETOF text
    AS 'MODULE_PATHNAME', 'twp_ledger_subjects_of'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.subjects_of(bigint) IS
    'The data subjects a recorded statement was told of, as canonical text (auditor); no rows for statements that only count. '
    'record_id: from disclosures. NULL: error 22004. Errors: 42501 not an auditor, 22023 not positive. Source: contract of twin_privacy, section 9.';
REVOKE ALL ON FUNCTION twin_privacy.subjects_of(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.subjects_of(bigint) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.disclosures_of(subject text,
        OUT record_id bigint, OUT recorded_at timestamptz, OUT session_role text, OUT acting_role text,
        OUT actor text, OUT use_code text, OUT purpose text, OUT recipient text, OUT justification text,
        OUT tables text[], OUT categories text[], OUT form text, OUT row_count bigint,
        OUT subject_count bigint, OUT subjects_exact boolean, OUT consent_revision bigint,
        OUT policy_hash text, OUT query_fingerprint text, OUT outcome text, OUT sqlstate text,
        OUT parent_id bigint, OUT break_glass_id bigint, OUT subjects_stored boolean, OUT completed_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_ledger_disclosures_of'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.disclosures_of(text) IS
    'The recorded statements that were told of a data subject (auditor), in the row-level forms. subject: canonical text of the key. '
    'NULL: error 22004. Error: 42501 not an auditor. Source: contract of twin_privacy, section 9; GDPR article 15(1)(c).';
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
    'Errors: 42501 not an auditor, 22023 not a head, TP005 library not preloaded. Source: contract of twin_privacy, section 9.';
REVOKE ALL ON FUNCTION twin_privacy.verify_ledger(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.verify_ledger(text) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy.ledger_head() RETURNS text
    AS 'MODULE_PATHNAME', 'twp_ledger_head'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.ledger_head() IS
    'A digest of everything recorded so far (auditor), to keep elsewhere and give to verify_ledger() later: twp1:node:seq:SHA-256. '
    'Errors: 42501 not an auditor, TP004 the ledger is closed. Source: contract of twin_privacy, section 9.';
REVOKE ALL ON FUNCTION twin_privacy.ledger_head() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.ledger_head() TO twin_privacy_auditor;

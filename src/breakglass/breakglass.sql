--
-- breakglass: emergency access and its review.
--

CREATE TABLE twin_privacy_internal.break_glass_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    use_code text NOT NULL,
    login regrole NOT NULL,
    session_role name NOT NULL,
    acting_role name NOT NULL,
    actor text,
    justification text NOT NULL,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    verdict text CHECK (verdict IN ('justified', 'unjustified')),
    reviewer name,
    reviewed_at timestamptz,
    note text,
    CHECK ((verdict IS NULL) = (reviewer IS NULL) AND (verdict IS NULL) = (reviewed_at IS NULL))
);
CREATE INDEX break_glass_event_unreviewed ON twin_privacy_internal.break_glass_event (login) WHERE verdict IS NULL;
COMMENT ON TABLE twin_privacy_internal.break_glass_event IS
    'Emergency accesses, each written in a transaction of its own. login is who broke the glass, whatever the role is called now.';
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.break_glass_event', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.break_glass_event_event_id_seq', '');

CREATE VIEW twin_privacy.break_glass_events AS
    SELECT event_id, subject, use_code, session_role, acting_role, actor, justification, opened_at, expires_at,
           CASE WHEN ended_at IS NOT NULL THEN ended_at
                WHEN expires_at <= pg_catalog.clock_timestamp() THEN expires_at END AS ended_at,
           verdict, reviewer, reviewed_at, note
      FROM twin_privacy_internal.break_glass_event
     WHERE session_role = SESSION_USER
        OR pg_catalog.pg_has_role('twin_privacy_officer', 'USAGE')
        OR pg_catalog.pg_has_role('twin_privacy_auditor', 'USAGE');
COMMENT ON VIEW twin_privacy.break_glass_events IS
    'Emergency accesses and their reviews (all: officers and auditors see everything, a person their own). ended_at is NULL while one is open; '
    'verdict is NULL until reviewed: justified or unjustified. Source: 45 CFR 164.312(a)(2)(ii).';
GRANT SELECT ON twin_privacy.break_glass_events TO PUBLIC;

CREATE FUNCTION twin_privacy.break_glass(subject text, justification text, duration interval DEFAULT '1 hour')
    RETURNS bigint
    AS 'MODULE_PATHNAME', 'twp_breakglass_break_glass'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.break_glass(text, text, interval) IS
    'Opens one data subject''s records to this session at once, under an approved use of purpose BTG granted to the role (all), and returns the event''s number. '
    'subject: canonical text of the key. justification: at least 10 characters. duration: server time, at most the use''s max_duration (4 hours by default). '
    'The event is recorded, announced (NOTIFY twin_privacy_break_glass) and logged even if the transaction rolls back (without a free background worker the emergency begins '
    'with its commit); the emergency ends by end_break_glass(), DISCARD ALL, expiry or the session''s end, not by ROLLBACK. NULL: error 22004. Errors: TP002 no usable emergency use, the subject denies BTG, or earlier events wait for review; '
    '22023 bad duration, justification or subject; 55000 already in an emergency, or no actor where clients share the session (twin_privacy.pooled), which also ends it with its '
    'transaction (25P01 outside one); 25006 on a standby; TP004 not recordable.';

CREATE FUNCTION twin_privacy.end_break_glass() RETURNS void
    AS 'MODULE_PATHNAME', 'twp_breakglass_end_break_glass'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.end_break_glass() IS
    'Ends the session''s emergency (all); the earlier binding holds again, whatever becomes of the transaction. '
    'Error: 55000 in no emergency.';

CREATE FUNCTION twin_privacy.review_break_glass(event_id bigint, verdict text, note text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_breakglass_review_break_glass'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.review_break_glass(bigint, text, text) IS
    'Records a verdict on an emergency access (officer, not the person who broke the glass, by login or by the actor recorded): justified or unjustified. '
    'It ends an emergency that is still open. note may be NULL; other NULLs: error 22004. Errors: 42501 not an officer or one''s own event, 42704 no such event, 55000 reviewed already, 22023 unknown verdict.';
REVOKE ALL ON FUNCTION twin_privacy.review_break_glass(bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.review_break_glass(bigint, text, text) TO twin_privacy_officer;

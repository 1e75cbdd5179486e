-- Categories made from others: consent for what they are made from is needed too.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' | ' || hint;
END $$;
\set SHOW_CONTEXT never
CREATE ROLE dd_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE dd_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE dd_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE dd_registrar LOGIN IN ROLE twin_privacy_registrar, twin_privacy_auditor;
CREATE ROLE dd_reader LOGIN;
CREATE SCHEMA dd;
GRANT USAGE ON SCHEMA dd TO PUBLIC;
CREATE TABLE dd.forecast (patient_id int, risk int, gene text);
INSERT INTO dd.forecast SELECT p, p * 10, 'g' || p FROM generate_series(1, 7) AS p;
GRANT SELECT ON dd.forecast TO dd_reader;
SELECT twin_privacy.protect_table('dd.forecast', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.label_column('dd.forecast', 'risk', 'kind=plain'), twin_privacy.label_column('dd.forecast', 'gene', 'category=genomics, kind=plain');

-- who may, and what is refused
SET SESSION AUTHORIZATION dd_one;
SELECT attempt($$SELECT twin_privacy.declare_derivation('prediction', '{twin_state}')$$);
SET SESSION AUTHORIZATION dd_admin;
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$SELECT twin_privacy.declare_derivation(NULL, '{twin_state}')$$, $$SELECT twin_privacy.declare_derivation('prediction', NULL)$$,
    $$SELECT twin_privacy.declare_derivation('prediction', '{}')$$, $$SELECT twin_privacy.declare_derivation('prediction', '{NULL}')$$,
    $$SELECT twin_privacy.declare_derivation('prediction', '{prediction}')$$, $$SELECT twin_privacy.declare_derivation('laboratory', '{clinical}')$$,
    $$SELECT twin_privacy.declare_derivation('clinical', '{laboratory}')$$, $$SELECT twin_privacy.drop_derivation('prediction')$$,
    $$SELECT twin_privacy.drop_derivation(NULL)$$]) AS sql;
SELECT left(attempt($$SELECT twin_privacy.declare_derivation('prediction', '{nonsense}')$$), 50),
       left(attempt($$SELECT twin_privacy.declare_derivation('nonsense', '{prediction}')$$), 50);
SELECT twin_privacy.declare_derivation('prediction', '{simulation}');
SELECT twin_privacy.declare_derivation('simulation', '{twin_state,twin_state}');
SELECT twin_privacy.declare_derivation('twin_state', '{sensor_stream,sensitive}');
SELECT attempt($$SELECT twin_privacy.declare_derivation('sensor_stream', '{prediction}')$$), attempt($$SELECT twin_privacy.declare_derivation('genomics', '{twin_state}')$$);
SELECT * FROM twin_privacy.derivations ORDER BY category;

-- six patients: all; all but the stream; all but the genome, which lies below "sensitive"; a permit of the prediction alone;
-- of everything it is made from; a withdrawn one; and one who said nothing
SET SESSION AUTHORIZATION dd_registrar;
SELECT s, d, c, twin_privacy.record_consent(s, decision => d, purpose => 'HRESCH', categories => c::text[]) > 0 FROM (VALUES
    ('1', 'permit', NULL), ('2', 'permit', NULL), ('2', 'deny', '{sensor_stream}'), ('3', 'permit', NULL), ('3', 'deny', '{genomics}'),
    ('4', 'permit', '{prediction}'), ('5', 'permit', '{prediction,simulation,twin_state,sensor_stream,sensitive}'), ('6', 'permit', NULL)) AS t(s, d, c);
SELECT twin_privacy.withdraw_consent(consent_id, 'asked') FROM twin_privacy.consents WHERE subject = '6';
SELECT s, twin_privacy.decide(s::text, 'HRESCH', 'prediction', 'us'), twin_privacy.decide(s::text, 'HRESCH', 'twin_state', 'us'),
       twin_privacy.decide(s::text, 'HRESCH', 'sensor_stream', 'us') FROM generate_series(1, 7) AS s ORDER BY s;
SELECT s, decision, decisive, reason FROM generate_series(1, 6) AS s, twin_privacy.explain_decision(s::text, 'HRESCH', 'prediction', 'us') ORDER BY s, decisive DESC, reason;
SELECT decision, decisive, reason FROM twin_privacy.explain_decision('3', 'REIDENTIFICATION', 'prediction', 'us') ORDER BY decisive DESC, reason;

SET SESSION AUTHORIZATION dd_one;
SELECT code, twin_privacy.propose_use(code, purpose => 'HRESCH', recipient => 'us', categories => c::text[], disclosure => 'pseudonymised', valid => '(,)', basis => b)
  FROM (VALUES ('DD', '{prediction}', 'consent'), ('DD-ALL', '{prediction,genomics}', 'consent'), ('DD-PUBLIC', '{prediction}', 'public_health')) AS u(code, c, b);
SET SESSION AUTHORIZATION dd_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'dd_reader') FROM unnest('{DD,DD-ALL,DD-PUBLIC}'::text[]) AS code;

-- the use need not name what the prediction is made from: the patient must have permitted it
SET SESSION AUTHORIZATION dd_reader;
SET twin_privacy.use = 'DD';
PREPARE seen AS SELECT risk, gene FROM dd.forecast ORDER BY risk;
EXECUTE seen;
SET twin_privacy.use = 'DD-ALL';
SELECT risk, gene FROM dd.forecast ORDER BY risk;
SET twin_privacy.use = 'DD-PUBLIC';
SELECT risk, gene FROM dd.forecast ORDER BY risk;
SET twin_privacy.use = 'DD-ALL';
SELECT s, verdict, reason FROM generate_series(1, 4) AS s, twin_privacy.why('dd.forecast', s::text) WHERE column_name IS NULL ORDER BY s;

-- a change holds at once, prepared or not, and is in the policy's hash
SET twin_privacy.use = 'DD';
SET SESSION AUTHORIZATION dd_admin;
SELECT twin_privacy.declare_derivation('twin_state', '{genomics}');
SET SESSION AUTHORIZATION dd_reader;
EXECUTE seen;
SET SESSION AUTHORIZATION dd_admin;
SELECT twin_privacy.drop_derivation('twin_state');
SET SESSION AUTHORIZATION dd_reader;
EXECUTE seen;
SET SESSION AUTHORIZATION dd_registrar;
SELECT count(DISTINCT policy_hash) FROM twin_privacy.disclosures WHERE use_code = 'DD' AND outcome = 'done' AND session_role = 'dd_reader';
SET SESSION AUTHORIZATION dd_admin;
SELECT twin_privacy.drop_derivation(category) FROM twin_privacy.derivations;
SELECT count(*) FROM twin_privacy.derivations;
RESET SESSION AUTHORIZATION;
DROP SCHEMA dd CASCADE;
DROP ROLE dd_admin, dd_one, dd_two, dd_registrar, dd_reader;

-- Twin data does not meet tables that are kept for insurance or employment.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE cx_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE cx_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE cx_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE cx_reader LOGIN;
CREATE SCHEMA cx;
GRANT USAGE, CREATE ON SCHEMA cx TO PUBLIC;
CREATE TABLE cx.score (patient_id int, score int);
CREATE TABLE cx.policy (patient_id int, premium int) PARTITION BY LIST (premium);
CREATE TABLE cx.policy_1 PARTITION OF cx.policy DEFAULT;
CREATE TABLE cx.staff (patient_id int, job text);
CREATE TABLE cx.free (patient_id int);
INSERT INTO cx.score VALUES (1, 10), (2, 20);
INSERT INTO cx.policy VALUES (1, 100);
INSERT INTO cx.staff VALUES (1, 'nurse');
INSERT INTO cx.free VALUES (1);
GRANT ALL ON ALL TABLES IN SCHEMA cx TO PUBLIC;
SELECT twin_privacy.protect_table('cx.score', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.label_column('cx.score', 'score', 'kind=plain');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HPAYMT')) FROM generate_series(1, 2) AS p;
SET SESSION AUTHORIZATION cx_one;
SELECT twin_privacy.propose_use('CX', purpose => 'HPAYMT', recipient => 'us', categories => '{prediction}', disclosure => 'identified', valid => '(,)', export => true);
SET SESSION AUTHORIZATION cx_two;
SELECT twin_privacy.approve_use('CX'), twin_privacy.grant_use('CX', 'cx_reader');
SET SESSION AUTHORIZATION cx_reader;
SELECT attempt($$SELECT twin_privacy.label_context('cx.policy', 'insurance')$$);
SET twin_privacy.use = 'CX';
SELECT count(*) FROM cx.score JOIN cx.policy USING (patient_id);
CREATE VIEW cx.both AS SELECT patient_id, score, premium FROM cx.score JOIN cx.policy USING (patient_id);
CREATE FUNCTION cx.premium(p int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT premium FROM cx.policy WHERE patient_id = p); END$$;
CREATE FUNCTION cx.one_by_one() RETURNS int LANGUAGE plpgsql AS $$
DECLARE a int; b int;
BEGIN
    SELECT max(score) INTO a FROM cx.score;
    SELECT max(premium) INTO b FROM cx.policy;
    RETURN a + b;
END$$;
PREPARE together AS SELECT * FROM cx.score WHERE patient_id IN (SELECT patient_id FROM cx.policy);
EXECUTE together;

SET SESSION AUTHORIZATION cx_admin;
SELECT attempt(sql) FROM unnest(ARRAY[$$SELECT twin_privacy.label_context(NULL, 'insurance')$$, $$SELECT twin_privacy.label_context('cx.policy', 'hiring')$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE cx.score IS 'context=insurance'$$]) AS sql;
SELECT twin_privacy.label_context('cx.policy', 'insurance'), twin_privacy.label_context('cx.staff', 'employment');
SELECT count(*) FROM twin_privacy.protected_tables WHERE target IN ('cx.policy'::regclass, 'cx.staff'::regclass);
RESET SESSION AUTHORIZATION;
SELECT l.objoid::regclass, l.label FROM pg_seclabel l WHERE l.objsubid = 0 ORDER BY 1;

SET SESSION AUTHORIZATION cx_reader;
-- alone, both are what they were
SELECT count(*) FROM cx.score;
SELECT count(*) FROM cx.policy;
SELECT count(*) FROM cx.policy JOIN cx.staff USING (patient_id);
SELECT count(*) FROM cx.score JOIN cx.free USING (patient_id);
-- together, in any shape
SELECT count(*) FROM cx.score JOIN cx.policy USING (patient_id);
SELECT count(*) FROM cx.score JOIN cx.policy_1 USING (patient_id);
SELECT count(*) FROM cx.score WHERE patient_id IN (SELECT patient_id FROM cx.staff);
WITH s AS MATERIALIZED (SELECT * FROM cx.score) SELECT * FROM s, LATERAL (SELECT premium FROM cx.policy p WHERE p.patient_id = s.patient_id) AS p;
SELECT score FROM cx.score UNION ALL SELECT premium FROM cx.policy;
SELECT * FROM cx.both;
EXECUTE together;
SELECT cx.premium(patient_id) FROM cx.score;
SELECT (SELECT max(score) FROM cx.score) FROM cx.free WHERE cx.premium(1) > 0;
SELECT cx.one_by_one();
DO $$BEGIN PERFORM * FROM cx.policy; PERFORM * FROM cx.score; END$$;
INSERT INTO cx.policy SELECT patient_id, score FROM cx.score;
CREATE TABLE cx.copied AS SELECT s.*, p.premium FROM cx.score s, cx.policy p;
COPY (SELECT * FROM cx.both) TO STDOUT;
EXPLAIN SELECT * FROM cx.both;
-- a refusal is recorded
RESET SESSION AUTHORIZATION;
SELECT outcome, tables, count(*) > 0 AS some FROM twin_privacy.disclosures WHERE use_code = 'CX' AND outcome = 'refused' AND 'cx.score' = ANY (tables) GROUP BY 1, 2;
-- a label on a protected table keeps its protection, and is taken back
SET SESSION AUTHORIZATION cx_admin;
SELECT twin_privacy.label_context('cx.score', 'insurance'), twin_privacy.label_context('cx.policy', NULL), twin_privacy.label_context('cx.staff', NULL);
SET SESSION AUTHORIZATION cx_reader;
SELECT count(*) FROM cx.score;
SET SESSION AUTHORIZATION cx_admin;
SELECT twin_privacy.label_context('cx.score', NULL);
SET SESSION AUTHORIZATION cx_reader;
SELECT count(*) FROM cx.both;
RESET SESSION AUTHORIZATION;
SELECT l.objoid::regclass, l.label FROM pg_seclabel l WHERE l.objsubid = 0 ORDER BY 1;
-- who labelled what is recorded, and who took it off
SELECT session_role, object, detail FROM twin_privacy.ledger_events WHERE kind = 'context.label' ORDER BY recorded_at;
DROP SCHEMA cx CASCADE;
DROP ROLE cx_admin, cx_one, cx_two, cx_reader;

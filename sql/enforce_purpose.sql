-- Rows made for a purpose.
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
SET client_min_messages = warning;
CREATE ROLE pu_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pu_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pu_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pu_reader LOGIN;
CREATE SCHEMA pu;
GRANT USAGE ON SCHEMA pu TO PUBLIC;
CREATE TABLE pu.run (id int PRIMARY KEY, patient_id int, made_for text);
CREATE TABLE pu.free (id int, made_for text);
GRANT ALL ON ALL TABLES IN SCHEMA pu TO pu_reader;
INSERT INTO pu.run VALUES (1, 1, NULL), (2, 1, 'NONSENSE'), (3, 1, 'TREAT'), (4, 1, 'HRESCH'), (5, 2, 'TREAT'), (6, 2, 'PUBHLTH');
SELECT twin_privacy.protect_table('pu.run', subject => 'patient_id', category => 'simulation');
SET SESSION AUTHORIZATION pu_one;
SELECT attempt($$SELECT twin_privacy.declare_purpose_column('pu.run', 'made_for')$$);
SET SESSION AUTHORIZATION pu_admin;
SELECT attempt(sql) FROM unnest(ARRAY[$$SELECT twin_privacy.declare_purpose_column('pu.run', NULL)$$, $$SELECT twin_privacy.declare_purpose_column('pu.run', 'nil')$$,
    $$SELECT twin_privacy.declare_purpose_column('pu.run', 'id')$$, $$SELECT twin_privacy.declare_purpose_column('pu.free', 'made_for')$$,
    $$SELECT twin_privacy.drop_purpose_column('pu.run', 'x')$$]) AS sql;
SELECT twin_privacy.declare_purpose_column('pu.run', 'made_for');
RESET SESSION AUTHORIZATION;
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => p)) FROM (VALUES ('1', 'TREAT'), ('2', 'TREAT'), ('2', 'PUBHLTH')) AS t(s, p);
SET SESSION AUTHORIZATION pu_one;
SELECT code, twin_privacy.propose_use(code, purpose => p, recipient => 'us', categories => '{simulation}', disclosure => 'identified', valid => '(,)', basis => b)
  FROM (VALUES ('PU-CARE', 'TREAT', 'consent'), ('PU-URGENT', 'ETREAT', 'consent'), ('PU-HEALTH', 'PUBHLTH', 'public_health')) AS u(code, p, b);
SET SESSION AUTHORIZATION pu_two;
SELECT twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'pu_reader') FROM unnest('{PU-CARE,PU-URGENT,PU-HEALTH}'::text[]) AS code;

-- read: for the purpose or one below; for another where the patient's own consent says so
SET SESSION AUTHORIZATION pu_reader;
SET twin_privacy.use = 'PU-CARE';
SELECT id, made_for FROM pu.run ORDER BY id;
SET twin_privacy.use = 'PU-URGENT';
SELECT id, made_for FROM pu.run ORDER BY id;
SET twin_privacy.use = 'PU-HEALTH';
SELECT id, made_for FROM pu.run ORDER BY id;

-- written: the purpose of the use, whatever is said
SET twin_privacy.use = 'PU-URGENT';
INSERT INTO pu.run (id, patient_id) VALUES (10, 1);
INSERT INTO pu.run VALUES (11, 1, DEFAULT), (12, 1, 'ETREAT');
SELECT attempt(sql), sql FROM unnest(ARRAY[$$INSERT INTO pu.run VALUES (13, 1, 'TREAT')$$, $$INSERT INTO pu.run VALUES (13, 1, NULL)$$,
    $$UPDATE pu.run SET made_for = 'HRESCH' WHERE id = 10$$, $$UPDATE pu.run SET made_for = NULL WHERE id = 10$$, $$UPDATE pu.run SET made_for = 'ETREAT' WHERE id = 10$$,
    $$UPDATE pu.run SET made_for = DEFAULT WHERE id = 3$$,
    $$INSERT INTO pu.run VALUES (10, 1) ON CONFLICT (id) DO UPDATE SET made_for = 'TREAT'$$,
    $$MERGE INTO pu.run r USING (VALUES (14)) v(id) ON r.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'TREAT')$$,
    $$MERGE INTO pu.run r USING (VALUES (15)) v(id) ON r.id = v.id WHEN NOT MATCHED THEN INSERT (id, patient_id) VALUES (v.id, 1)$$,
    $$MERGE INTO pu.run r USING (VALUES (15)) v(id) ON r.id = v.id WHEN MATCHED THEN UPDATE SET made_for = 'TREAT'$$,
    $$ALTER TABLE pu.run ALTER made_for SET DEFAULT 'TREAT'$$]) AS sql;
COPY pu.run (id, patient_id) FROM STDIN;
16	1
\.
COPY pu.run FROM STDIN;
17	1	TREAT
\.
SELECT id, made_for FROM pu.run WHERE id >= 10 ORDER BY id;
SET twin_privacy.use = 'PU-CARE';
SELECT id FROM pu.run WHERE id >= 10 ORDER BY id;
SET SESSION AUTHORIZATION pu_admin;
SELECT twin_privacy.drop_purpose_column('pu.run', 'test');
SET SESSION AUTHORIZATION pu_reader;
SELECT count(*) FROM pu.run;
RESET SESSION AUTHORIZATION;
DROP SCHEMA pu CASCADE;
DROP ROLE pu_admin, pu_one, pu_two, pu_reader;

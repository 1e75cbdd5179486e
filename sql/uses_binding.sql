-- The session's binding: a setting like any other, worth what the acting role may do.
-- Says how a statement fails: SQLSTATE, message, hint.
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
CREATE ROLE ub_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ub_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ub_team;
CREATE ROLE ub_doctor LOGIN;
CREATE ROLE ub_app LOGIN NOINHERIT;
GRANT ub_team TO ub_app;
CREATE ROLE ub_nobody LOGIN;
CREATE SCHEMA ub;
GRANT USAGE, CREATE ON SCHEMA ub TO PUBLIC;
CREATE TABLE ub.lab (patient_id bigint, value numeric, code text);
INSERT INTO ub.lab VALUES (1, 5.5, 'GLU'), (2, 6.5, 'GLU');
GRANT SELECT ON ub.lab TO PUBLIC;
SELECT twin_privacy.protect_table('ub.lab', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.label_column('ub.lab', 'value', 'kind=plain'), twin_privacy.label_column('ub.lab', 'code', 'kind=identifier, mask=redact');
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => p))
  FROM unnest('{1,2}'::text[]) AS s, unnest('{TREAT,HRESCH}'::text[]) AS p;
SET SESSION AUTHORIZATION ub_one;
SELECT code, twin_privacy.propose_use(code, purpose => purpose, recipient => 'ward', categories => '{laboratory}',
    disclosure => form, valid => '(,)') FROM (VALUES ('UB-CARE', 'TREAT', 'identified'), ('UB-STUDY', 'HRESCH', 'pseudonymised'),
    ('UB-TEAM', 'TREAT', 'identified')) AS u(code, purpose, form);
SET SESSION AUTHORIZATION ub_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, role) FROM (VALUES ('UB-CARE', 'ub_doctor'),
    ('UB-STUDY', 'ub_doctor'), ('UB-TEAM', 'ub_team')) AS u(code, role);

-- unbound: every way in is an error, and says what could be bound
SET SESSION AUTHORIZATION ub_doctor;
SELECT twin_privacy.current_use();
SELECT attempt(sql), sql FROM unnest(ARRAY['SELECT * FROM ub.lab', 'SELECT count(*) FROM ub.lab WHERE false', 'EXPLAIN SELECT * FROM ub.lab',
    'DECLARE c CURSOR FOR SELECT * FROM ub.lab', 'SELECT 1 WHERE EXISTS (SELECT FROM ub.lab)', 'TABLE ub.lab',
    'WITH w AS (SELECT * FROM ub.lab) SELECT 1 FROM w', 'SELECT twin_privacy.permits(1, ''laboratory'')']) AS sql;
COPY ub.lab TO STDOUT;
SET SESSION AUTHORIZATION ub_nobody;
SELECT attempt('SELECT * FROM ub.lab');
RESET SESSION AUTHORIZATION;
SELECT attempt('SELECT * FROM ub.lab');

-- bind_use, unbind_use
SET SESSION AUTHORIZATION ub_doctor;
SELECT twin_privacy.bind_use('UB-CARE', 'ward round');
SELECT twin_privacy.current_use(), current_setting('twin_privacy.use'), current_setting('twin_privacy.justification');
SELECT * FROM ub.lab ORDER BY value;
SELECT twin_privacy.bind_use('UB-STUDY');
SELECT twin_privacy.current_use(), current_setting('twin_privacy.justification');
SELECT patient_id = 1 AS raw_key, value, code FROM ub.lab ORDER BY value;
-- a refused binding leaves the one there was
SELECT twin_privacy.bind_use('UB-TEAM');
SELECT twin_privacy.current_use();
SELECT twin_privacy.unbind_use();
SELECT twin_privacy.current_use();
SELECT * FROM ub.lab;

-- SET, SET LOCAL, RESET, rollbacks, DISCARD ALL
SET twin_privacy.use = 'UB-CARE';
BEGIN;
SET LOCAL twin_privacy.use = 'UB-STUDY';
SELECT DISTINCT code FROM ub.lab;
COMMIT;
SELECT DISTINCT code FROM ub.lab;
BEGIN;
SET twin_privacy.use = 'UB-STUDY';
SELECT DISTINCT code FROM ub.lab;
SAVEPOINT s;
SELECT twin_privacy.unbind_use();
SELECT twin_privacy.current_use();
ROLLBACK TO s;
SELECT DISTINCT code FROM ub.lab;
SAVEPOINT s2;
SET twin_privacy.use = '';
SELECT * FROM ub.lab;
ROLLBACK TO s2;
SELECT DISTINCT code FROM ub.lab;
ROLLBACK;
SELECT twin_privacy.current_use();
SELECT DISTINCT code FROM ub.lab;
BEGIN;
SELECT twin_privacy.bind_use('UB-STUDY');
COMMIT;
SELECT DISTINCT code FROM ub.lab;
RESET twin_privacy.use;
SELECT * FROM ub.lab;
SET twin_privacy.use = 'UB-CARE';
DISCARD ALL;
-- which also ended the session authorization
SELECT session_user = 'postgres' AS reset, twin_privacy.current_use();
SET SESSION AUTHORIZATION ub_doctor;
SELECT * FROM ub.lab;
SET twin_privacy.use = 'UB-CARE';
RESET ALL;
SELECT * FROM ub.lab;

-- a forged or unusual setting gives nothing
SET SESSION AUTHORIZATION ub_nobody;
SET twin_privacy.use = 'UB-CARE';
SELECT * FROM ub.lab;
SET twin_privacy.use = 'ub-care';
SELECT * FROM ub.lab;
SET twin_privacy.use = 'UB-CARE'' OR ''1''=''1';
SELECT * FROM ub.lab;
SELECT set_config('twin_privacy.use', repeat('X', 70000), false) <> '' AS set;
SELECT attempt('SELECT * FROM ub.lab') ~ '^TP002 use "X+" does not exist' AS refused;
SET twin_privacy.use = '*';
SELECT * FROM ub.lab;
SET twin_privacy.maintenance = on;
SET twin_privacy.anything = on;
RESET twin_privacy.use;

-- SET ROLE counts: the role the session acts as
SET SESSION AUTHORIZATION ub_app;
SET twin_privacy.use = 'UB-TEAM';
SELECT * FROM ub.lab;
SET ROLE ub_team;
SELECT count(*) FROM ub.lab;
SELECT code, usable FROM twin_privacy.my_uses;
RESET ROLE;
SELECT * FROM ub.lab;
SELECT count(*) FROM twin_privacy.my_uses;
BEGIN;
SET LOCAL ROLE ub_team;
SELECT count(*) FROM ub.lab;
COMMIT;
SELECT * FROM ub.lab;
-- also for a statement prepared before
PREPARE counting AS SELECT count(*) FROM ub.lab;
SET ROLE ub_team;
EXECUTE counting;
RESET ROLE;
EXECUTE counting;
DEALLOCATE counting;
RESET twin_privacy.use;

-- SECURITY DEFINER lends nothing: a function, a view, a function that binds
SET SESSION AUTHORIZATION ub_doctor;
CREATE FUNCTION ub.lend() RETURNS SETOF ub.lab LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM ub.lab';
CREATE FUNCTION ub.lend_plpgsql() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
    'BEGIN PERFORM twin_privacy.bind_use(''UB-CARE''); RETURN (SELECT count(*) FROM ub.lab); END';
CREATE FUNCTION ub.lend_set() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET twin_privacy.use = 'UB-CARE' AS
    'BEGIN RETURN (SELECT count(*) FROM ub.lab); END';
CREATE FUNCTION ub.lend_role() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET role = 'ub_doctor' SET twin_privacy.use = 'UB-CARE' AS
    'BEGIN RETURN (SELECT count(*) FROM ub.lab); END';
CREATE VIEW ub.lent AS SELECT * FROM ub.lab;
GRANT SELECT ON ub.lent TO PUBLIC;
SELECT ub.lend_set(), ub.lend_plpgsql();
SELECT twin_privacy.current_use(), count(*) FROM ub.lend();
SELECT twin_privacy.unbind_use();
SET SESSION AUTHORIZATION ub_nobody;
SELECT attempt(sql), sql FROM unnest(ARRAY['SELECT ub.lend()', 'SELECT ub.lend_plpgsql()', 'SELECT ub.lend_set()', 'SELECT ub.lend_role()',
    'SELECT * FROM ub.lent']) AS sql;
SET twin_privacy.use = 'UB-CARE';
SELECT attempt(sql), sql FROM unnest(ARRAY['SELECT ub.lend()', 'SELECT ub.lend_plpgsql()', 'SELECT ub.lend_set()', 'SELECT ub.lend_role()',
    'SELECT * FROM ub.lent']) AS sql;
RESET twin_privacy.use;
-- the other way round, a definer without a use does not take the caller's away
SET SESSION AUTHORIZATION ub_nobody;
CREATE FUNCTION ub.borrow() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM ub.lab';
SET SESSION AUTHORIZATION ub_doctor;
SET twin_privacy.use = 'UB-CARE';
SELECT ub.borrow();

-- plans follow the binding: prepared statements, generic plans, functions
SET plan_cache_mode = force_generic_plan;
PREPARE codes(bigint) AS SELECT DISTINCT code FROM ub.lab WHERE value > $1;
CREATE FUNCTION ub.codes() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT DISTINCT code FROM ub.lab); END';
EXECUTE codes(0);
SELECT ub.codes();
SET twin_privacy.use = 'UB-STUDY';
EXECUTE codes(0);
SELECT ub.codes();
RESET twin_privacy.use;
EXECUTE codes(0);
SELECT ub.codes();
SET twin_privacy.use = 'UB-CARE';
EXECUTE codes(0);
SET SESSION AUTHORIZATION ub_nobody;
EXECUTE codes(0);
SET SESSION AUTHORIZATION ub_doctor;
EXECUTE codes(0);
RESET plan_cache_mode;

-- an open cursor belongs to the binding it was declared under
BEGIN;
DECLARE c CURSOR FOR SELECT code FROM ub.lab ORDER BY value;
FETCH 1 FROM c;
SET LOCAL twin_privacy.use = 'UB-STUDY';
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
SET LOCAL twin_privacy.use = 'UB-CARE';
FETCH 1 FROM c;
ROLLBACK;
-- the end user behind a shared role, and the reason, are recorded as claimed
SET twin_privacy.actor = 'dr. who';
SET twin_privacy.justification = 'recorded reason';
SELECT count(*) FROM ub.lab;
SELECT use_code, actor, justification, outcome FROM twin_privacy.disclosures WHERE justification = 'recorded reason';
RESET ALL;

-- bound from the start of a session
RESET SESSION AUTHORIZATION;
ALTER ROLE ub_doctor SET twin_privacy.use = 'UB-STUDY';
ALTER ROLE ub_nobody SET twin_privacy.use = 'UB-STUDY';
\connect - ub_doctor
SELECT twin_privacy.current_use();
SELECT DISTINCT code FROM ub.lab;
\connect - ub_nobody
SELECT DISTINCT code FROM ub.lab;
\connect - postgres

SET client_min_messages = warning;
DROP SCHEMA ub CASCADE;
DROP ROLE ub_one, ub_two, ub_team, ub_doctor, ub_app, ub_nobody;

-- Ways by which provenance, or the purpose a row was made for, might be lost: labels by hand, drops by cascade.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE sql;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN 'done ' || n;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE pa_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pa_owner LOGIN;
CREATE ROLE pa_both LOGIN IN ROLE twin_privacy_admin, pa_owner;
CREATE ROLE pa_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pa_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pa_reader LOGIN;
CREATE SCHEMA pa AUTHORIZATION pa_owner;
GRANT USAGE ON SCHEMA pa TO PUBLIC;
SET ROLE pa_owner;
CREATE DOMAIN pa.used_id AS int;
CREATE DOMAIN pa.made_id AS int;
CREATE DOMAIN pa.source_id AS int;
CREATE DOMAIN pa.purpose AS text;
CREATE TABLE pa.stream (id int PRIMARY KEY, patient_id int, number pa.source_id);
CREATE TABLE pa.param (id int PRIMARY KEY, patient_id int, value int, made_for text);
CREATE TABLE pa.run (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE pa.model (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE pa.param_used (param_id int, stream_id pa.used_id);
CREATE TABLE pa.run_used (run_id pa.made_id, stream_id int);
CREATE TABLE pa.model_used (model_id int, number int);
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA pa TO pa_reader;
RESET ROLE;
INSERT INTO pa.stream SELECT p, p, p FROM generate_series(1, 3) AS p;
INSERT INTO pa.param SELECT p, p, p, 'HRESCH' FROM generate_series(1, 3) AS p;
INSERT INTO pa.run SELECT p, p, p FROM generate_series(1, 3) AS p;
INSERT INTO pa.model SELECT p, p, p FROM generate_series(1, 3) AS p;
-- all of it is also made from the stream of patient 1, who permits nothing
INSERT INTO pa.param_used SELECT p, 1 FROM generate_series(1, 3) AS p;
INSERT INTO pa.run_used SELECT p, 1 FROM generate_series(1, 3) AS p;
INSERT INTO pa.model_used SELECT p, 1 FROM generate_series(1, 3) AS p;
SELECT twin_privacy.protect_table('pa.stream', subject => 'patient_id', category => 'sensor_stream'), twin_privacy.protect_table('pa.param', subject => 'patient_id', category => 'twin_parameter'),
       twin_privacy.protect_table('pa.run', subject => 'patient_id', category => 'simulation'), twin_privacy.protect_table('pa.model', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.declare_provenance('pa.param', 'id', 'pa.param_used', 'param_id', 'pa.stream', 'stream_id', 'id'),
       twin_privacy.declare_provenance('pa.run', 'id', 'pa.run_used', 'run_id', 'pa.stream', 'stream_id', 'id'),
       twin_privacy.declare_provenance('pa.model', 'id', 'pa.model_used', 'model_id', 'pa.stream', 'number', 'number');
SELECT twin_privacy.declare_purpose_column('pa.param', 'made_for');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(2, 3) AS p;
SET SESSION AUTHORIZATION pa_one;
SELECT twin_privacy.propose_use('PA', purpose => 'HRESCH', recipient => 'us', categories => '{sensor_stream,twin_parameter,simulation,prediction}', disclosure => 'identified', valid => '(,)');
SET SESSION AUTHORIZATION pa_two;
SELECT twin_privacy.approve_use('PA'), twin_privacy.grant_use('PA', 'pa_reader');
SELECT twin_privacy.propose_use('PA-LAW', purpose => 'HRESCH', recipient => 'us', categories => '{twin_parameter,simulation,prediction}', disclosure => 'identified', valid => '(,)',
                                basis => 'legal_obligation', overrides_deny => true),
       twin_privacy.propose_use('PA-NONE', purpose => 'HRESCH', recipient => 'us', categories => '{twin_parameter,simulation,prediction}', disclosure => 'identified', valid => '(,)', basis => 'legal_obligation');
SET SESSION AUTHORIZATION pa_one;
SELECT count(twin_privacy.approve_use(code)::text), count(twin_privacy.grant_use(code, 'pa_reader')::text) FROM unnest('{PA-LAW,PA-NONE}'::text[]) AS code;
RESET SESSION AUTHORIZATION;
CREATE VIEW labels AS SELECT l.objoid::regclass AS table, l.label FROM pg_seclabel AS l WHERE l.objsubid = 0 AND l.objoid::regclass::text LIKE 'pa.%' ORDER BY l.objoid::regclass::text;
GRANT SELECT ON labels TO PUBLIC;

-- by hand, an admin who owns the table neither takes it away nor adds to it: that is for functions that ask for a reason
SET SESSION AUTHORIZATION pa_both;
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SECURITY LABEL FOR twin_privacy ON TABLE pa.run IS 'subject=patient_id, category=simulation'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pa.param IS 'subject=patient_id, category=twin_parameter, provenance=pa.param_used(param_id).stream_id -> pa.stream(id), key=id'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pa.stream IS 'subject=patient_id, category=sensor_stream, key=id, provenance=pa.run_used(run_id).stream_id -> pa.stream(id)'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pa.run IS 'subject=patient_id, category=simulation, key=id, untraced=open, provenance=pa.run_used(run_id).stream_id -> pa.stream(id)'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pa.run IS 'subject=patient_id, category=simulation, key=id, provenance=pa.param_used(param_id).stream_id -> pa.stream(id)'$$]) AS sql;
-- what is no lineage is changed as before
SELECT attempt(format('SECURITY LABEL FOR twin_privacy ON TABLE pa.run IS %L', replace(label, 'simulation', 'prediction'))) FROM labels WHERE "table" = 'pa.run'::regclass;
RESET SESSION AUTHORIZATION;
SELECT * FROM labels;
-- in maintenance (a restore) it is; then the table hangs on what it is traced by now, and on nothing else
BEGIN;
SET LOCAL twin_privacy.maintenance = on;
SECURITY LABEL FOR twin_privacy ON TABLE pa.run IS 'subject=patient_id, category=simulation, key=id, provenance=pa.model_used(model_id).number -> pa.stream(id)';
SELECT refobjid::regclass FROM pg_depend WHERE objid = 'pa.run'::regclass AND deptype = 'n' AND refclassid = 'pg_class'::regclass;
ROLLBACK;

-- a row that no provenance tells of, and one of nobody's own, are seen by a use that overrides every deny, and by no other
SET twin_privacy.maintenance = on;
INSERT INTO pa.run VALUES (8, 2, 8), (9, NULL, 9);
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION pa_reader;
SET twin_privacy.use = 'PA';
SELECT array_agg(id ORDER BY id) FROM pa.run;
SET twin_privacy.use = 'PA-NONE';
SELECT array_agg(id ORDER BY id) FROM pa.run;
SET twin_privacy.use = 'PA-LAW';
SELECT array_agg(id ORDER BY id) FROM pa.run;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
DELETE FROM pa.run WHERE id > 3;
RESET twin_privacy.maintenance;

-- a column goes with its type, and another comes in its place
SET SESSION AUTHORIZATION pa_reader;
SET twin_privacy.use = 'PA';
SELECT (SELECT count(*) FROM pa.param) AS params, (SELECT count(*) FROM pa.run) AS runs, (SELECT count(*) FROM pa.model) AS models;
SET SESSION AUTHORIZATION pa_owner;
DROP DOMAIN pa.used_id CASCADE;
DROP DOMAIN pa.made_id CASCADE;
DROP DOMAIN pa.source_id CASCADE;
SELECT attempt(sql), sql FROM unnest(ARRAY['ALTER TABLE pa.param_used ADD COLUMN stream_id int DEFAULT 2', 'ALTER TABLE pa.run_used ADD COLUMN run_id int',
    'INSERT INTO pa.run_used (run_id, stream_id) SELECT p, 2 FROM generate_series(1, 3) AS p', 'ALTER TABLE pa.stream ADD COLUMN number int', 'INSERT INTO pa.stream (id, patient_id, number) VALUES (9, 2, 1)']) AS sql;
RESET SESSION AUTHORIZATION;
SELECT * FROM labels;
SET SESSION AUTHORIZATION pa_reader;
SELECT attempt('SELECT * FROM pa.param'), attempt('SELECT * FROM pa.run'), attempt('SELECT * FROM pa.model');
-- declared anew, it says what stands there by then: whoever declares it looks first
SET SESSION AUTHORIZATION pa_both;
SELECT twin_privacy.drop_provenance('pa.run', 'its column is gone');
SELECT * FROM labels WHERE "table" = 'pa.run'::regclass;
SELECT twin_privacy.declare_provenance('pa.run', 'id', 'pa.run_used', 'run_id', 'pa.stream', 'stream_id', 'id');
SET SESSION AUTHORIZATION pa_owner;
SELECT attempt('DELETE FROM pa.run_used WHERE stream_id = 2'), attempt('TRUNCATE pa.run_used'), attempt('UPDATE pa.run_used SET stream_id = 2');
SET SESSION AUTHORIZATION pa_reader;
SELECT count(*) FROM pa.run;

-- the source goes, and another of its name comes
SET SESSION AUTHORIZATION pa_owner;
DROP TABLE pa.stream;
CREATE TABLE pa.stream (id int PRIMARY KEY, patient_id int);
SET SESSION AUTHORIZATION pa_reader;
SELECT attempt('SELECT * FROM pa.run');
SELECT label FROM labels WHERE "table" = 'pa.run'::regclass;

-- the column of purposes: another takes its place, it is dropped, it is given up, the table is
SELECT attempt('ALTER TABLE pa.param ADD COLUMN kept_for pa.purpose');
SELECT twin_privacy.drop_provenance('pa.param', 'its column is gone');
SELECT twin_privacy.declare_purpose_column('pa.param', 'kept_for');
RESET SESSION AUTHORIZATION;
CREATE VIEW defaults AS SELECT d.adrelid::regclass AS table, a.attname, pg_get_expr(d.adbin, d.adrelid) AS default FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
 WHERE d.adrelid::regclass::text LIKE 'pa.%' ORDER BY d.adrelid::regclass::text, 2;
GRANT SELECT ON defaults TO PUBLIC;
TABLE defaults;
SET SESSION AUTHORIZATION pa_owner;
DROP DOMAIN pa.purpose CASCADE;
SELECT * FROM labels WHERE "table" = 'pa.param'::regclass;
SET SESSION AUTHORIZATION pa_reader;
SELECT attempt('SELECT * FROM pa.param');
SET SESSION AUTHORIZATION pa_both;
SELECT twin_privacy.drop_purpose_column('pa.param', 'it is gone');
SELECT * FROM labels WHERE "table" = 'pa.param'::regclass;
SELECT twin_privacy.declare_purpose_column('pa.param', 'made_for');
TABLE defaults;
SELECT twin_privacy.drop_purpose_column('pa.param', 'not used');
TABLE defaults;
SELECT twin_privacy.declare_purpose_column('pa.param', 'made_for');
SELECT twin_privacy.unprotect_table('pa.param', 'test');
TABLE defaults;
RESET SESSION AUTHORIZATION;
DROP VIEW labels, defaults;
DROP SCHEMA pa CASCADE;
DROP ROLE pa_admin, pa_both, pa_owner, pa_one, pa_two, pa_reader;

-- Derived rows: seen only where everything they were made from is permitted.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    n bigint;
BEGIN
    EXECUTE sql;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN 'done ' || n;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' | ' || hint;
END $$;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE ep_owner LOGIN;
CREATE ROLE ep_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE ep_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ep_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ep_registrar LOGIN IN ROLE twin_privacy_registrar, twin_privacy_auditor;
CREATE ROLE ep_reader LOGIN;
CREATE SCHEMA ep AUTHORIZATION ep_owner;
GRANT USAGE ON SCHEMA ep TO PUBLIC;
SET ROLE ep_owner;
CREATE TABLE ep.twin (id int PRIMARY KEY, patient_id int);
CREATE TABLE ep.stream (id bigint PRIMARY KEY, twin_id int REFERENCES ep.twin, labels text[]);
CREATE TABLE ep.param (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE ep.run (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE ep.model (id text PRIMARY KEY, patient_id int, value int);
CREATE TABLE ep.param_used (param_id int, stream_id bigint);
CREATE TABLE ep.run_used (run_id int, param_id int);
CREATE TABLE ep.model_used (model_id text, run_id int);
CREATE INDEX ON ep.param_used (param_id);
CREATE INDEX ON ep.run_used (run_id);
CREATE INDEX ON ep.model_used (model_id);
CREATE TABLE ep.other (id int);
GRANT ALL ON ALL TABLES IN SCHEMA ep TO ep_reader;
RESET ROLE;
-- patients 1 to 6, a twin each; run 5 also uses the parameters of patient 1
INSERT INTO ep.twin SELECT p * 10, p FROM generate_series(1, 6) AS p;
INSERT INTO ep.stream SELECT p * 100 + i, p * 10, CASE WHEN p = 4 AND i = 2 THEN '{genomics}'::text[] END FROM generate_series(1, 6) AS p, generate_series(1, 3) AS i;
INSERT INTO ep.param SELECT p, p, p FROM generate_series(1, 6) AS p;
INSERT INTO ep.param_used SELECT id / 100, id FROM ep.stream;
INSERT INTO ep.run SELECT p, p, p FROM generate_series(1, 6) AS p;
INSERT INTO ep.run_used SELECT p, p FROM generate_series(1, 6) AS p UNION ALL SELECT 5, 1;
INSERT INTO ep.model VALUES ('pooled', NULL, 1), ('of two', NULL, 2), ('of one', 2, 3), ('of none', NULL, 4);
INSERT INTO ep.model_used SELECT 'pooled', p FROM generate_series(1, 6) AS p UNION ALL VALUES ('of two', 2), ('of two', 3), ('of one', 2);
SELECT twin_privacy.protect_table('ep.stream', subject => 'twin_id -> ep.twin(id).patient_id', category => 'sensor_stream', label_column => 'labels');
SELECT twin_privacy.protect_table('ep.param', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('ep.run', subject => 'patient_id', category => 'simulation');
SELECT twin_privacy.protect_table('ep.model', subject => 'patient_id', category => 'prediction');
SELECT count(twin_privacy.label_column(t, 'value', 'kind=plain')::text), count(twin_privacy.label_column(t, 'id', 'kind=plain')::text) FROM unnest('{ep.param,ep.run,ep.model}'::regclass[]) AS t;
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 6) AS p;
SET SESSION AUTHORIZATION ep_one;
SELECT twin_privacy.propose_use('EP', purpose => 'HRESCH', recipient => 'us', categories => '{sensor_stream,twin_parameter,simulation,prediction}', disclosure => 'identified', valid => '(,)');
SET SESSION AUTHORIZATION ep_two;
SELECT twin_privacy.approve_use('EP'), twin_privacy.grant_use('EP', 'ep_reader');

-- declaring
SET SESSION AUTHORIZATION ep_owner;
SELECT attempt($$SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$);
SET SESSION AUTHORIZATION ep_admin;
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.declare_provenance(NULL, 'id', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.param', NULL, 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.other', 'id', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_used', 'param_id', 'ep.other', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.param', 'nil', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param', 'id', 'ep.stream', 'value', 'id')$$,
    $$SELECT twin_privacy.declare_provenance('ep.model', 'id', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id')$$,
    $$SELECT twin_privacy.drop_provenance('ep.model', 'none')$$]) AS sql;
SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_used', 'param_id', 'ep.stream', 'stream_id', 'id');
SELECT twin_privacy.declare_provenance('ep.run', 'id', 'ep.run_used', 'run_id', 'ep.param', 'param_id', 'id');
SELECT twin_privacy.declare_provenance('ep.model', 'id', 'ep.model_used', 'model_id', 'ep.run', 'run_id', 'id');
SELECT twin_privacy.declare_provenance('ep.model', 'id', 'ep.model_used', 'model_id', 'ep.run', 'run_id', 'id');
SELECT l.objoid::regclass, l.label FROM pg_seclabel l WHERE l.objsubid = 0 ORDER BY 1;
RESET SESSION AUTHORIZATION;

CREATE FUNCTION seen(OUT param text, OUT run text, OUT model text) LANGUAGE sql AS
$$SELECT (SELECT string_agg(id::text, ' ' ORDER BY id) FROM ep.param), (SELECT string_agg(id::text, ' ' ORDER BY id) FROM ep.run),
         (SELECT string_agg(id, ', ' ORDER BY id) FROM ep.model)$$;
-- everybody permits everything, but nobody the genome that a label of patient 4 tells of; a blanket permit covers it
SET SESSION AUTHORIZATION ep_reader;
SET twin_privacy.use = 'EP';
SELECT * FROM seen();
SET SESSION AUTHORIZATION ep_registrar;
SELECT twin_privacy.record_consent('4', decision => 'deny', purpose => 'HRESCH', categories => '{genomics}') > 0;
SET SESSION AUTHORIZATION ep_reader;
SELECT * FROM seen();
SET SESSION AUTHORIZATION ep_registrar;
SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HRESCH', categories => '{sensor_stream}') AS deny \gset
SET SESSION AUTHORIZATION ep_reader;
SELECT * FROM seen();
-- the same by graph as by look-ups
SET twin_privacy.provenance_threshold = 0;
SELECT * FROM seen();
SELECT * FROM seen();
SET twin_privacy.provenance_threshold = 1000;
SET SESSION AUTHORIZATION ep_registrar;
SELECT twin_privacy.withdraw_consent(:deny, 'changed her mind');
SET SESSION AUTHORIZATION ep_reader;
SELECT * FROM seen();

-- in every path
SELECT twin_privacy.unbind_use();
SET twin_privacy.use = 'EP';
SET enable_seqscan = off;
SELECT id FROM ep.run WHERE id = 4;
SELECT id FROM ep.run WHERE id IN (3, 4) ORDER BY id;
RESET enable_seqscan;
COPY (SELECT id FROM ep.run ORDER BY id) TO STDOUT;
COPY ep.run (id) TO STDOUT;
SELECT count(*) FROM ep.run TABLESAMPLE BERNOULLI (100);
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM ep.run ORDER BY id DESC;
FETCH ALL c;
COMMIT;
UPDATE ep.run SET value = value WHERE id = 4;
WITH gone AS (DELETE FROM ep.run WHERE id = 4 RETURNING id) SELECT * FROM gone;

-- what closes: an unknown input, one that is gone, a circle; new rows at once, by the graph too
SET twin_privacy.provenance_threshold = 0;
SELECT * FROM seen();
INSERT INTO ep.param VALUES (7, 1, 7), (8, 1, 8), (9, 1, 9);
INSERT INTO ep.param_used VALUES (7, NULL), (8, 999);
INSERT INTO ep.run VALUES (20, 1, 0);
INSERT INTO ep.run_used VALUES (20, 7);
SELECT * FROM seen();
BEGIN;
INSERT INTO ep.param VALUES (10, 1, 10), (11, 1, 11);
INSERT INTO ep.param_used VALUES (10, 402), (11, 201);
SELECT param FROM seen();
ROLLBACK;
SELECT param FROM seen();

-- provenance is added, never taken away: not by its owner either
SET SESSION AUTHORIZATION ep_owner;
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$UPDATE ep.param_used SET stream_id = 301$$, $$DELETE FROM ep.param_used$$, $$DELETE FROM ep.param_used WHERE param_id = 4$$,
    $$TRUNCATE ep.param_used$$, $$INSERT INTO ep.param_used VALUES (4, 401)$$,
    $$MERGE INTO ep.param_used u USING (VALUES (4)) v(p) ON u.param_id = v.p WHEN MATCHED THEN DELETE$$,
    $$MERGE INTO ep.param_used u USING (VALUES (4)) v(p) ON u.param_id = v.p WHEN MATCHED THEN UPDATE SET stream_id = 301$$,
    $$DROP TABLE ep.param_used$$, $$ALTER TABLE ep.param_used DROP COLUMN stream_id$$, $$ALTER TABLE ep.param_used ALTER stream_id TYPE bigint USING 301$$,
    $$CREATE RULE r AS ON INSERT TO ep.param_used DO INSTEAD NOTHING$$, $$ALTER TABLE ep.param_used SET UNLOGGED$$,
    $$CREATE TRIGGER t BEFORE INSERT ON ep.param_used FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()$$,
    $$ALTER TABLE ep.param_used INHERIT ep.other$$]) AS sql;
-- renaming is followed
ALTER TABLE ep.param_used RENAME TO param_made;
ALTER TABLE ep.param_made RENAME stream_id TO reading;
CREATE TABLE ep.param_used (param_id int, stream_id bigint);
SET SESSION AUTHORIZATION ep_reader;
SELECT * FROM seen();
-- keys stay
SELECT attempt($$UPDATE ep.run SET id = 99 WHERE id = 3$$), attempt($$UPDATE ep.run SET id = 3 WHERE id = 3$$),
       attempt($$UPDATE ep.stream SET id = 999 WHERE id = 301$$);
-- what traces a row that is gone may go
DELETE FROM ep.model WHERE id = 'of one';
SET SESSION AUTHORIZATION ep_owner;
DELETE FROM ep.model_used;
SELECT model_id, count(*) FROM ep.model_used GROUP BY 1 ORDER BY 1;
SET SESSION AUTHORIZATION ep_admin;
-- rows that no provenance tells of are closed, unless the declaration says otherwise
SELECT attempt($$SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_made', 'param_id', 'ep.stream', 'reading', 'id', 'perhaps')$$);
SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_made', 'param_id', 'ep.stream', 'reading', 'id', untraced => 'open');
SELECT label FROM pg_seclabel WHERE objoid = 'ep.param'::regclass AND objsubid = 0;
SET SESSION AUTHORIZATION ep_reader;
SELECT param FROM seen();
SET SESSION AUTHORIZATION ep_admin;
SELECT twin_privacy.declare_provenance('ep.param', 'id', 'ep.param_made', 'param_id', 'ep.stream', 'reading', 'id', untraced => 'closed');
SET SESSION AUTHORIZATION ep_reader;
SELECT param FROM seen();
-- what is made from a row of nobody's own asks everybody whose data that was made from
SET SESSION AUTHORIZATION ep_owner;
CREATE TABLE ep.forecast (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE ep.forecast_used (forecast_id int, model_id text);
CREATE INDEX ON ep.forecast_used (forecast_id);
GRANT ALL ON ep.forecast, ep.forecast_used TO ep_reader;
INSERT INTO ep.forecast SELECT p, p, p FROM generate_series(1, 6) p UNION ALL VALUES (10, NULL, 0), (11, NULL, 0), (12, 1, 0);
INSERT INTO ep.forecast_used SELECT p, 'of two' FROM generate_series(1, 6) p UNION ALL VALUES (10, 'of two'), (11, 'pooled'), (12, 'of none');
SET SESSION AUTHORIZATION ep_admin;
SELECT twin_privacy.protect_table('ep.forecast', subject => 'patient_id', category => 'prediction');
SELECT count(twin_privacy.label_column('ep.forecast', c, 'kind=plain')::text) FROM unnest('{id,value}'::name[]) AS c;
SELECT twin_privacy.declare_provenance('ep.forecast', 'id', 'ep.forecast_used', 'forecast_id', 'ep.model', 'model_id', 'id');
SET SESSION AUTHORIZATION ep_reader;
SELECT array_agg(id ORDER BY id) FROM ep.forecast;
SET twin_privacy.provenance_threshold = 100000;
SET enable_seqscan = off;
SELECT id FROM ep.forecast WHERE id = 1 OR id = 10 OR id = 11 OR id = 12 ORDER BY id;
RESET enable_seqscan;
SET twin_privacy.provenance_threshold = 0;
-- the ledger is told of them for rows that are given out, not for rows looked at
SET twin_privacy.justification = 'pooled, given out';
SELECT id FROM ep.model WHERE id = 'of two';
SELECT id FROM ep.forecast WHERE id = 10;
SET twin_privacy.justification = 'pooled, looked at';
SELECT id FROM ep.model WHERE id = 'of two' AND value = 99;
SET SESSION AUTHORIZATION ep_registrar;
SELECT justification, (SELECT array_agg(subject ORDER BY subject) FROM twin_privacy.subjects_of(record_id) AS subject) FROM twin_privacy.disclosures
 WHERE justification LIKE 'pooled%' ORDER BY 1, record_id;
-- a category that only the pooled row asks for
SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'HRESCH', categories => '{prediction}') AS deny \gset
SET SESSION AUTHORIZATION ep_reader;
RESET twin_privacy.justification;
SELECT array_agg(id ORDER BY id) FROM ep.forecast;
SET SESSION AUTHORIZATION ep_registrar;
SELECT twin_privacy.withdraw_consent(:deny, 'back again');
-- prepared transactions
SET SESSION AUTHORIZATION ep_owner;
BEGIN;
INSERT INTO ep.forecast_used VALUES (1, 'of two');
PREPARE TRANSACTION 'calibration';
SET SESSION AUTHORIZATION ep_admin;
SELECT twin_privacy.protect_table('ep.run', subject => 'patient_id', category => 'simulation');
SELECT label FROM pg_seclabel WHERE objoid = 'ep.run'::regclass AND objsubid = 0;
-- what is slow, and what an owner could do, is reported
RESET SESSION AUTHORIZATION;
SELECT severity, object, finding FROM twin_privacy.check_protection() WHERE object LIKE 'ep.%' AND finding ~ 'traced|traces';
DROP INDEX ep.run_used_run_id_idx;
SET twin_privacy.maintenance = on;
ALTER TABLE ep.run_used OWNER TO ep_reader;
RESET twin_privacy.maintenance;
SELECT severity, object, finding FROM twin_privacy.check_protection() WHERE object LIKE 'ep.%' AND finding ~ 'traced|traces';
SET SESSION AUTHORIZATION ep_admin;
SELECT twin_privacy.drop_provenance('ep.model', 'test'), attempt($$SELECT twin_privacy.drop_provenance('ep.run', NULL)$$);
SET SESSION AUTHORIZATION ep_reader;
SELECT * FROM seen();
RESET SESSION AUTHORIZATION;
DROP SCHEMA ep CASCADE;
DROP FUNCTION seen();
DROP ROLE ep_owner, ep_admin, ep_one, ep_two, ep_registrar, ep_reader;

-- The ledger's record of statements: who, under what, which tables and categories, how it ended.
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
CREATE ROLE eg_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eg_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eg_team;
CREATE ROLE eg_reader LOGIN IN ROLE eg_team;
CREATE ROLE eg_other LOGIN;
CREATE SCHEMA eg;
GRANT USAGE, CREATE ON SCHEMA eg TO PUBLIC;
CREATE TABLE eg.lab (id int PRIMARY KEY, s bigint, value int, gene text);
CREATE TABLE eg.vital (id int, s bigint, v int);
CREATE TABLE eg.genes (s bigint);
CREATE TABLE eg.plain (id int);
CREATE TABLE eg.stream (s bigint, day int) PARTITION BY LIST (day);
CREATE TABLE eg.stream_1 PARTITION OF eg.stream FOR VALUES IN (1);
CREATE TABLE eg.stream_2 PARTITION OF eg.stream FOR VALUES IN (2);
INSERT INTO eg.lab SELECT i, 1 + i % 3, i, 'g' FROM generate_series(1, 9) i;
INSERT INTO eg.vital SELECT i, i, i FROM generate_series(1, 3) i;
INSERT INTO eg.stream SELECT 1 + i % 3, 1 + i % 2 FROM generate_series(1, 6) i;
GRANT ALL ON ALL TABLES IN SCHEMA eg TO PUBLIC;
SELECT t, twin_privacy.protect_table(('eg.' || t)::regclass, 's', c) FROM (VALUES ('lab', 'laboratory'), ('vital', 'vital_signs'), ('genes', 'genomics'), ('stream', 'laboratory')) AS x(t, c);
SELECT twin_privacy.label_column('eg.lab', 'gene', 'category=genomics'), twin_privacy.label_column('eg.lab', 'id', 'kind=plain');
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => 'PurposeOfUse')) FROM unnest('{1,2}'::text[]) s;
SET SESSION AUTHORIZATION eg_one;
SELECT code, twin_privacy.propose_use(code, p, 'ward', '{laboratory,vital_signs}', f, valid => '(,)') FROM (VALUES ('EG-CARE', 'TREAT', 'identified'), ('EG-STUDY', 'HRESCH', 'pseudonymised')) AS u(code, p, f);
SET SESSION AUTHORIZATION eg_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'eg_team') FROM unnest('{EG-CARE,EG-STUDY}'::text[]) AS code;
RESET SESSION AUTHORIZATION;
CREATE VIEW eg.record AS SELECT justification AS what, session_role, acting_role, use_code, tables, categories, form, row_count, outcome FROM twin_privacy.disclosures
 WHERE session_role LIKE 'eg\_%' AND justification IS NOT NULL ORDER BY record_id;

-- one statement, one record
SET SESSION AUTHORIZATION eg_reader;
SELECT twin_privacy.bind_use('EG-CARE', '1 rows');
SELECT id FROM eg.lab ORDER BY id;
SET twin_privacy.justification = '2 count';
SELECT count(*) FROM eg.lab;
SET twin_privacy.justification = '3 nothing found';
SELECT * FROM eg.lab WHERE id = 77;
SET twin_privacy.justification = '4 join';
SELECT count(*) FROM eg.lab JOIN eg.vital USING (s);
SET twin_privacy.justification = '5 self join';
SELECT count(*) FROM eg.lab a, eg.lab b;
SET twin_privacy.justification = '6 partitions';
SELECT count(*) FROM eg.stream;
SET twin_privacy.justification = '7 one partition';
SELECT count(*) FROM eg.stream_2;
SET twin_privacy.justification = '8 acting as a role';
SET ROLE eg_team;
SELECT count(*) FROM eg.vital;
RESET ROLE;
SET twin_privacy.justification = '9 pseudonymised';
SET twin_privacy.use = 'EG-STUDY';
SELECT count(s) FROM eg.vital;
SET twin_privacy.use = 'EG-CARE';
SET twin_privacy.justification = '10 no protected table';
SELECT count(*) FROM eg.plain;
SET twin_privacy.justification = '11 explained only';
SELECT attempt('EXPLAIN SELECT * FROM eg.vital');
SET twin_privacy.justification = '12 written';
INSERT INTO eg.vital VALUES (11, 1, 1), (12, 2, 2);
UPDATE eg.vital SET v = v + 1 WHERE id > 10;
DELETE FROM eg.vital WHERE id > 10;
SET twin_privacy.justification = '13 copied';
COPY eg.vital (v) TO STDOUT;
COPY (SELECT v FROM eg.vital ORDER BY v) TO STDOUT;

-- rolled back, failed, refused: recorded all the same
SET twin_privacy.justification = '20 rolled back';
BEGIN;
SELECT count(*) FROM eg.vital;
ROLLBACK;
SET twin_privacy.justification = '21 rolled back to a savepoint';
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM eg.vital;
ROLLBACK TO a;
COMMIT;
SET twin_privacy.justification = '22 fails on the way';
SELECT 1 / (v - 2) FROM eg.vital;
SET twin_privacy.justification = '23 fails in a function that goes on';
DO $$ BEGIN PERFORM 1 / (v - 2) FROM eg.vital; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SET twin_privacy.justification = '24 cancelled';
SET statement_timeout = 100;
SELECT pg_sleep(10) FROM eg.vital;
RESET statement_timeout;
SET twin_privacy.justification = '25 outside the use';
SELECT * FROM eg.genes;
SET twin_privacy.justification = '26 stored elsewhere';
CREATE TABLE eg.stolen AS SELECT * FROM eg.vital;
SET twin_privacy.justification = '27 write refused';
INSERT INTO eg.vital VALUES (13, 3, 3);
SET SESSION AUTHORIZATION eg_other;
SET twin_privacy.justification = '28 not granted';
SELECT * FROM eg.vital;
RESET twin_privacy.use;
SET twin_privacy.justification = '29 nothing bound';
SELECT * FROM eg.vital;

-- cursors: one record from the first FETCH to the end
SET SESSION AUTHORIZATION eg_reader;
SET twin_privacy.use = 'EG-CARE';
BEGIN;
SET LOCAL twin_privacy.justification = '30 cursor never fetched';
DECLARE never CURSOR FOR SELECT id FROM eg.lab;
SET LOCAL twin_privacy.justification = '31 cursor';
DECLARE c CURSOR FOR SELECT id FROM eg.lab ORDER BY id;
FETCH 2 FROM c;
FETCH 3 FROM c;
CLOSE c;
SET LOCAL twin_privacy.justification = '32 cursor left open';
DECLARE d CURSOR FOR SELECT id FROM eg.lab ORDER BY id;
FETCH 1 FROM d;
COMMIT;
SET twin_privacy.justification = '33 cursor held';
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM eg.lab ORDER BY id;
COMMIT;
FETCH 2 FROM h;
CLOSE h;
SET twin_privacy.justification = '34 prepared';
PREPARE p AS SELECT count(*) FROM eg.vital;
EXECUTE p;
EXECUTE p;

SET twin_privacy.justification = '35 prepared, then suspended';
SET plan_cache_mode = force_generic_plan;
EXECUTE p;
BEGIN;
DECLARE s CURSOR FOR SELECT id FROM eg.lab ORDER BY id;
FETCH 1 FROM s;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.suspend_use('EG-CARE', 'x');
SET SESSION AUTHORIZATION eg_reader;
FETCH 1 FROM s;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.suspend_use('EG-CARE', 'x');
SET SESSION AUTHORIZATION eg_reader;
EXECUTE p;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.resume_use('EG-CARE');
SET SESSION AUTHORIZATION eg_reader;

-- nested statements know the one that ran them
CREATE FUNCTION eg.inner() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM eg.vital); END';
SET twin_privacy.justification = '40 nested';
SELECT id, eg.inner() FROM eg.lab WHERE id < 3 ORDER BY id;
SET twin_privacy.justification = '41 function in a loop';
DO $$ BEGIN FOR i IN 1..2 LOOP PERFORM count(*) FROM eg.vital WHERE id = i; END LOOP; END $$;

-- whom a filter left out was not told of, with an index or without; an error on the way told of those before
SET SESSION AUTHORIZATION eg_reader;
SET twin_privacy.use = 'EG-CARE';
SET twin_privacy.justification = '45 filtered';
SELECT s FROM eg.vital WHERE v = 2 AND id < 10;
SELECT s FROM eg.vital WHERE v = 200;
SELECT count(*) FROM eg.vital WHERE v > 1 AND id < 10;
SELECT l.s FROM eg.lab l WHERE l.id = (SELECT min(id) FROM eg.lab);
RESET SESSION AUTHORIZATION;
SELECT row_count, subject_count, (SELECT array_agg(subject ORDER BY subject) FROM twin_privacy.subjects_of(record_id) AS subject) AS subjects
  FROM twin_privacy.disclosures WHERE justification = '45 filtered' ORDER BY record_id;

-- a daily limit counts people, not statements, over all sessions
SELECT twin_privacy.propose_use('EG-FEW', purpose => 'TREAT', recipient => 'ward', categories => '{clinical}', disclosure => 'identified', max_subjects_per_day => 1);
SET SESSION AUTHORIZATION eg_one;
SELECT twin_privacy.approve_use('EG-FEW'), twin_privacy.grant_use('EG-FEW', 'eg_reader');
SET SESSION AUTHORIZATION eg_reader;
SET twin_privacy.use = 'EG-FEW';
SET twin_privacy.justification = '46 limited';
SELECT count(*) FROM eg.vital WHERE s = 1;
SELECT count(*) FROM eg.vital WHERE s = 1;
SELECT attempt('SELECT count(*) FROM eg.vital WHERE s = 2');
SELECT attempt('SELECT * FROM eg.lab');
SELECT count(*) FROM eg.vital WHERE s = 1;
RESET SESSION AUTHORIZATION;
SELECT outcome, subject_count FROM twin_privacy.disclosures WHERE justification = '46 limited' ORDER BY record_id;

-- maintenance is recorded too
RESET SESSION AUTHORIZATION;
SET twin_privacy.justification = '50 maintenance';
SET twin_privacy.maintenance = on;
SELECT count(*) FROM eg.genes;
RESET twin_privacy.maintenance;
SELECT * FROM eg.record;
SELECT justification, use_code, form, tables, outcome FROM twin_privacy.disclosures WHERE justification = '50 maintenance';
SELECT i.what AS inner, p.justification AS outer FROM twin_privacy_internal.ledger_disclosures('-infinity') d
  JOIN twin_privacy_internal.ledger_disclosures('-infinity') p ON p.record_id = d.parent_id, LATERAL (SELECT d.justification AS what) i
 WHERE d.justification LIKE '4%' ORDER BY d.record_id;
SELECT justification, sqlstate FROM twin_privacy_internal.ledger_disclosures('-infinity') WHERE justification LIKE '2%' ORDER BY record_id;

-- a person sees what the own login did; an auditor everything; nothing changes it
SET SESSION AUTHORIZATION eg_other;
SELECT justification, outcome FROM twin_privacy.disclosures ORDER BY record_id;
RESET SESSION AUTHORIZATION;
GRANT twin_privacy_auditor TO eg_other;
SET SESSION AUTHORIZATION eg_other;
SELECT count(*) > 30 AS all FROM twin_privacy.disclosures;
SELECT subject FROM (SELECT record_id FROM twin_privacy.disclosures WHERE justification = '1 rows') d, twin_privacy.subjects_of(d.record_id) AS subject ORDER BY 1;
SELECT justification FROM twin_privacy.disclosures_of('2') WHERE justification IN ('1 rows', '3 nothing found') ORDER BY record_id;
SELECT count(*) FROM twin_privacy.disclosures_of('3');
SELECT attempt('DELETE FROM twin_privacy.disclosures');
SELECT count(*) FROM twin_privacy.verify_ledger();
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA eg CASCADE;
DROP ROLE eg_one, eg_two, eg_reader, eg_team, eg_other;

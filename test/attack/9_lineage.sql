--! everybody doc:CARE owner:CARE bypass:CARE super:CARE writer:CARE analyst:RES nobody:none

--! attack derived_rows_by_every_path
SELECT * FROM twin.param;
SELECT * FROM twin.run;
SELECT value FROM twin.param WHERE id = 2;
SELECT string_agg(value, ',') FROM twin.run;
SELECT (SELECT p) FROM twin.param p;
SELECT r.value, p.value FROM twin.run r JOIN twin.run_made m ON m.run_id = r.id JOIN twin.param p ON p.id = m.param_id;
SELECT value FROM twin.run TABLESAMPLE BERNOULLI (100);
COPY twin.param TO STDOUT;
COPY (SELECT value FROM twin.run) TO STDOUT;
TABLE twin.param ORDER BY value FETCH FIRST ROW WITH TIES;

--! attack derived_rows_one_by_one_and_all_at_once
SET twin_privacy.provenance_threshold = 0;
SELECT value FROM twin.param;
SET enable_seqscan = off;
SELECT value FROM twin.param WHERE id > 0;
SET twin_privacy.provenance_threshold = 2147483647;
SELECT value FROM twin.param WHERE id > 0;
RESET enable_seqscan;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT value FROM twin.run WHERE id = 2;

--! attack derived_rows_in_parallel
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET force_parallel_mode = on;
SELECT string_agg(value, ',') FROM twin.param;
SELECT count(*), min(value) FROM twin.run GROUP BY patient_id % 2;

--! attack derived_rows_by_existence
SELECT 'SEEN' || count(*) FROM twin.param;
SELECT 'SEEN' || count(*) FROM twin.param WHERE EXISTS (SELECT FROM twin.run_made m WHERE m.param_id = param.id);
INSERT INTO twin.param VALUES (2, 5500000002, 'mine') ON CONFLICT DO NOTHING RETURNING 'SEEN' || 5;
DO $$BEGIN IF (SELECT count(*) FROM twin.param) > 4 THEN RAISE NOTICE '%', 'SEEN' || 5; END IF; END$$;
--! canary SEEN5
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack derived_rows_in_errors_and_plans
SELECT value::int FROM twin.param WHERE id = 2;
SELECT 1 / (length(value) - length(value)) FROM twin.run WHERE id = 2;
EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM twin.param WHERE value > 'CN';
SELECT * FROM pg_stats WHERE schemaname = 'twin' AND tablename <> 'premium';
UPDATE twin.param SET id = 1 WHERE id = 2;
INSERT INTO twin.run SELECT id, patient_id, value FROM twin.param;

--! attack provenance_deleted
DELETE FROM twin.param_made WHERE base_id > 3;
DELETE FROM twin.param_made USING clinic.base WHERE base.id = base_id;
WITH gone AS (DELETE FROM twin.run_made RETURNING run_id) SELECT value FROM twin.run JOIN gone ON run_id = id;
DO $$BEGIN DELETE FROM twin.param_made; EXCEPTION WHEN OTHERS THEN NULL; END$$;
SELECT value FROM twin.param;
SELECT value FROM twin.run;

--! attack provenance_changed
UPDATE twin.param_made SET base_id = 1;
UPDATE twin.param_made SET param_id = 1 WHERE base_id = 4;
UPDATE twin.run_made SET param_id = 1;
INSERT INTO twin.param_made VALUES (3, 1);
CREATE UNIQUE INDEX one ON twin.run_made (run_id, param_id);
INSERT INTO twin.run_made VALUES (2, 2) ON CONFLICT (run_id, param_id) DO UPDATE SET param_id = 1;
MERGE INTO twin.param_made m USING (VALUES (4)) v(b) ON m.base_id = v.b WHEN MATCHED THEN DELETE;
MERGE INTO twin.param_made m USING (VALUES (4)) v(b) ON m.base_id = v.b WHEN MATCHED THEN UPDATE SET base_id = 1;
SELECT value FROM twin.param WHERE id <> 3;
SELECT value FROM twin.run;

--! attack provenance_changed_through_views
CREATE VIEW lair.made AS SELECT * FROM twin.param_made WHERE base_id > 3 WITH CHECK OPTION;
CREATE VIEW lair.read AS SELECT p.value, m.base_id FROM twin.param p LEFT JOIN twin.param_made m ON m.param_id = p.id;
DELETE FROM lair.made;
UPDATE lair.made SET base_id = 14;
SELECT * FROM lair.read;
CREATE RULE r AS ON DELETE TO twin.run_made DO INSTEAD UPDATE twin.param_made SET base_id = 1;
DELETE FROM twin.run_made;
SELECT value FROM twin.param;

--! attack provenance_emptied_and_replaced
TRUNCATE twin.param_made;
TRUNCATE twin.run_made, twin.run;
TRUNCATE clinic.base CASCADE;
DROP TABLE twin.param_made CASCADE;
ALTER TABLE twin.param_made RENAME TO old_made;
CREATE TABLE twin.param_made AS SELECT n AS param_id, 1 AS base_id FROM generate_series(1, 5) n;
SELECT value FROM twin.param;
ALTER TABLE twin.old_made RENAME param_id TO was;
ALTER TABLE twin.old_made ADD param_id int DEFAULT 1;
SELECT value FROM twin.param;
ALTER TABLE twin.run_made SET SCHEMA lair;
CREATE TABLE twin.run_made AS SELECT n AS run_id, 1 AS param_id FROM generate_series(1, 5) n;
SELECT value FROM twin.run;

--! attack provenance_altered
ALTER TABLE twin.param_made ALTER base_id TYPE int USING 1;
ALTER TABLE twin.param_made DROP COLUMN base_id CASCADE;
ALTER TABLE twin.param_made ADD base_id int GENERATED ALWAYS AS (1) STORED;
ALTER TABLE twin.param ALTER id TYPE int USING 1;
ALTER TABLE twin.param RENAME id TO old;
ALTER TABLE twin.param ADD id int DEFAULT 1;
ALTER TABLE clinic.base RENAME id TO old;
ALTER TABLE clinic.base ADD id int DEFAULT 1;
SELECT value FROM twin.param;
SELECT value FROM twin.run;
--! as doc:CARE owner:CARE bypass:CARE writer:CARE

--! attack provenance_hidden_from_the_reader
ALTER TABLE twin.param_made ENABLE ROW LEVEL SECURITY;
ALTER TABLE twin.param_made FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON twin.param_made USING (false);
REVOKE ALL ON twin.param_made FROM PUBLIC;
SELECT value FROM twin.param;
CREATE TABLE lair.child () INHERITS (twin.run_made);
CREATE TABLE lair.parent (run_id int, param_id int);
ALTER TABLE twin.run_made INHERIT lair.parent;
SELECT value FROM twin.run;
ALTER TABLE twin.run_made SET UNLOGGED;
SELECT value FROM twin.run;

--! attack provenance_swapped_by_a_partition
ALTER TABLE twin.param_made RENAME TO was;
CREATE TABLE twin.param_made (param_id int, base_id int) PARTITION BY RANGE (param_id);
ALTER TABLE twin.param_made ATTACH PARTITION twin.was FOR VALUES FROM (100) TO (200);
SELECT value FROM twin.param;

--! attack provenance_suppressed_by_triggers
CREATE FUNCTION lair.none() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION lair.other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.param_id = 1; NEW.base_id = 1; RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON twin.param_made FOR EACH ROW EXECUTE FUNCTION lair.other();
INSERT INTO twin.param (id, patient_id, value) SELECT 50, 550000000 * 10::bigint + 1, 'DERI' || 'VED';
INSERT INTO twin.param_made SELECT 50, id FROM clinic.base;
INSERT INTO twin.param_made VALUES (50, 4);
SELECT value FROM twin.param WHERE id = 50;
--! canary DERIVED

--! attack provenance_without_triggers_and_foreign_keys
ALTER TABLE twin.param_made DISABLE TRIGGER ALL;
SET session_replication_role = replica;
DELETE FROM twin.param WHERE id = 2;
DELETE FROM twin.param_made;
UPDATE twin.param_made SET base_id = 1;
SELECT value FROM twin.param;

--! attack provenance_taken_back_by_savepoints
SAVEPOINT a;
DELETE FROM twin.param;
TRUNCATE twin.run;
SAVEPOINT b;
DELETE FROM twin.param_made;
DELETE FROM twin.run_made;
RELEASE b;
SELECT value FROM twin.run;
ROLLBACK TO a;
SELECT value FROM twin.param;
SELECT value FROM twin.run;
SAVEPOINT c;
INSERT INTO twin.param_made VALUES (1, 1);
ROLLBACK TO c;
SELECT value FROM twin.param;

--! attack provenance_copied_in
COPY twin.param_made FROM STDIN;
2	1
3	1
4	1
\.
SELECT value FROM twin.param WHERE id <> 3;

--! attack provenance_seen_by_an_older_plan
PREPARE q AS SELECT value FROM twin.param WHERE id <> 3;
PREPARE d AS DELETE FROM twin.param_made WHERE base_id = $1;
PREPARE u(int) AS UPDATE twin.run_made SET param_id = 1 WHERE param_id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE q;
EXECUTE d(4);
EXECUTE u(2);
EXECUTE q;
SELECT value FROM twin.run;

--! attack provenance_declared_away
SELECT twin_privacy.drop_provenance('twin.param', 'mine');
SELECT twin_privacy.declare_provenance('twin.param', 'id', 'twin.run_made', 'run_id', 'clinic.base', 'param_id', 'id', 'open');
SECURITY LABEL FOR twin_privacy ON TABLE twin.param IS 'subject=patient_id, category=clinical';
SECURITY LABEL FOR twin_privacy ON TABLE twin.run IS NULL;
SELECT twin_privacy.unprotect_table('twin.param', 'mine');
DELETE FROM pg_depend WHERE refobjid = 'twin.param_made'::regclass;
DROP TABLE twin.param_made;
SELECT value FROM twin.param;
SELECT value FROM twin.run;
--! as doc:CARE owner:CARE bypass:CARE writer:CARE

--! attack source_rows_moved
UPDATE clinic.base SET patient_id = 550000000 * 10::bigint + 1;
UPDATE clinic.base SET id = 99 WHERE id = 1;
UPDATE clinic.derived SET id = id + 100;
DELETE FROM clinic.derived;
INSERT INTO clinic.base VALUES (99, 550000000 * 10::bigint + 1, 'mine');
INSERT INTO clinic.derived VALUES (14, 550000000 * 10::bigint + 1, 'mine', 'x');
SELECT value FROM twin.param WHERE id <> 3;
SELECT value FROM twin.run WHERE id <> 4;

--! attack derived_row_named_as_its_own_source
INSERT INTO twin.run (id, patient_id, value) VALUES (99, 550000000 * 10::bigint + 2, 'mine');
INSERT INTO twin.param (id, patient_id, value) VALUES (99, 550000000 * 10::bigint + 2, 'mine');
INSERT INTO twin.run_made VALUES (99, 99);
SELECT value FROM twin.run;

--! attack keys_of_derived_rows_moved
UPDATE twin.param SET id = 60 WHERE id = 2;
UPDATE twin.param SET patient_id = 550000000 * 10::bigint + 1;
UPDATE twin.run SET id = id + 10;
SELECT value FROM twin.param;
SELECT value FROM twin.run;

--! attack protected_beside_insurance
SELECT 'SCO' || 'RE' || count(*) FROM clinic.base JOIN twin.premium USING (patient_id);
SELECT 'SCO' || 'RE' || (SELECT max(amount) FROM twin.premium) || count(*) FROM clinic.base;
WITH p AS MATERIALIZED (SELECT * FROM twin.premium) SELECT 'SCO' || 'RE' || count(*) FROM p, clinic.base;
CREATE VIEW lair.joined AS SELECT b.id, amount FROM clinic.base b JOIN twin.premium p USING (patient_id);
SELECT 'SCO' || 'RE' || count(*) FROM lair.joined;
CREATE FUNCTION lair.amount(bigint) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT amount FROM twin.premium WHERE patient_id = $1); END';
SELECT 'SCO' || 'RE' || count(lair.amount(patient_id)) FROM clinic.base;
DO $$DECLARE n int; m int; BEGIN SELECT count(*) INTO n FROM clinic.base; SELECT max(amount) INTO m FROM twin.premium; RAISE NOTICE '%', 'SCO' || 'RE' || n || m; END$$;
PREPARE j AS SELECT 'SCO' || 'RE' || count(*) FROM clinic.base, twin.premium;
EXECUTE j;
INSERT INTO twin.premium SELECT patient_id, id FROM clinic.base RETURNING 'SCO' || 'RE';
UPDATE twin.premium SET amount = b.id FROM clinic.base b WHERE b.patient_id = premium.patient_id RETURNING 'SCO' || 'RE';
COPY (SELECT 'SCO' || 'RE', count(*) FROM clinic.base, twin.premium) TO STDOUT;
DELETE FROM twin.premium USING clinic.base b WHERE b.patient_id = premium.patient_id RETURNING 'SCO' || 'RE';
--! canary SCORE
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack protected_beside_insurance_in_parts
CREATE FUNCTION lair.amount(bigint) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT amount FROM twin.premium WHERE patient_id = $1); END';
DECLARE c CURSOR FOR SELECT 'SCO' || 'RE' || lair.amount(patient_id) FROM clinic.base;
FETCH ALL FROM c;
CREATE FUNCTION lair.score() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.amount = (SELECT count(*) FROM clinic.base); RAISE NOTICE '%', 'SCO' || 'RE' || NEW.amount; RETURN NEW; END$$;
CREATE TRIGGER score BEFORE INSERT ON twin.premium FOR EACH ROW EXECUTE FUNCTION lair.score();
COPY twin.premium FROM stdin;
5500000001	1
\.
--! canary SCORE
--! as owner:CARE super:CARE

--! attack source_key_made_anew
ALTER TABLE clinic.base DROP COLUMN id;
ALTER TABLE clinic.base ADD COLUMN id int;
INSERT INTO clinic.base (id, patient_id) SELECT i, 550000000 * 10::bigint + 1 FROM generate_series(1, 20) i;
SELECT value FROM twin.param;
--! as owner:CARE

--! attack provenance_changed_while_it_does_not_resolve
CREATE TABLE lair.child () INHERITS (twin.run_made);
UPDATE twin.run_made SET param_id = 1;
INSERT INTO twin.run_made SELECT i, 1 FROM generate_series(1, 4) i;
DELETE FROM twin.run_made WHERE param_id <> 1;
DROP TABLE lair.child;
ANALYZE twin.run_made;
SELECT value FROM twin.run;
--! as owner:CARE

--! attack insurance_unlabelled
SELECT twin_privacy.label_context('twin.premium', NULL);
SECURITY LABEL FOR twin_privacy ON TABLE twin.premium IS NULL;
CREATE TABLE lair.heir () INHERITS (twin.premium);
INSERT INTO lair.heir SELECT id, 1 FROM generate_series(1, 9) id;
SELECT 'SCO' || 'RE' || count(*) FROM clinic.base, lair.heir;
SELECT 'SCO' || 'RE' || count(*) FROM clinic.base JOIN twin.premium USING (patient_id);
--! canary SCORE
--! as doc:CARE owner:CARE bypass:CARE

--! everybody doc:ALL owner:ALL super:ALL

--! attack outer_joins_extend_with_nulls
SELECT p.id, p.name, p.genome, o.id, o.code, o IS NULL, o.price IS NULL FROM clinic.patient p LEFT JOIN clinic.lab_order o ON o.patient_id = p.id AND o.id < 3 ORDER BY 1, 4;
SELECT p, p.name, o.id FROM clinic.lab_order o LEFT JOIN clinic.patient p ON p.id = o.patient_id AND p.sex = 'f' ORDER BY o.id;
SELECT count(p), count(p.genome), count(*) FROM clinic.lab_order o LEFT JOIN clinic.patient p ON false;
SELECT * FROM clinic.result r FULL JOIN clinic.visit v ON v.id = r.id ORDER BY 1, 5;
SELECT coalesce(p.genome, 'none') FROM clinic.lab_order o LEFT JOIN clinic.patient p ON p.id = o.patient_id AND o.id > 4 ORDER BY o.id;

--! attack whole_rows_and_json
SELECT p, row_to_json(p), p::text, (p).genome FROM clinic.patient p ORDER BY id;
SELECT to_jsonb(v) FROM clinic.visit v ORDER BY id;
SELECT d::clinic.base, d FROM clinic.derived d ORDER BY id;
SELECT b, b.tableoid::regclass FROM clinic.base b ORDER BY id;
SELECT json_agg(x ORDER BY x.id) FROM (SELECT p.*, o FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id) x;
SELECT name(p), p.genome FROM clinic.patient p WHERE p.name = 'IDNTname1';

--! attack groups_windows_and_sets
SELECT id, name FROM clinic.patient GROUP BY id ORDER BY id;
SELECT sex, count(*), rank() OVER (ORDER BY count(*)), grouping(sex) FROM clinic.patient GROUP BY CUBE (sex) ORDER BY 1, 2;
SELECT DISTINCT ON (sex) sex, name FROM clinic.patient ORDER BY sex, name DESC;
SELECT name FROM clinic.patient UNION SELECT code FROM clinic.lab_order EXCEPT SELECT 'GLU' ORDER BY 1;
WITH RECURSIVE r(id, n) AS (SELECT id, 1 FROM clinic.lab_order WHERE id = 1 UNION ALL SELECT o.id, n + 1 FROM r JOIN clinic.lab_order o ON o.id = r.id + 1) SELECT * FROM r;
SELECT sum(price) FILTER (WHERE code = 'GLU'), array_agg(code ORDER BY id DESC) FROM clinic.lab_order;

--! attack join_using_and_aliases
SELECT j.patient_id, j FROM (clinic.lab_order o JOIN clinic.diary d USING (patient_id)) AS j ORDER BY 1;
SELECT patient_id, count(*) FROM clinic.visit NATURAL JOIN clinic.diary GROUP BY 1 ORDER BY 1;
SELECT o.*, x.* FROM clinic.lab_order o, LATERAL (SELECT p.name FROM clinic.patient p WHERE p.id = o.patient_id LIMIT 1) x ORDER BY 1;
SELECT * FROM clinic.visit TABLESAMPLE BERNOULLI (100) WHERE id < 4 ORDER BY id;

--! attack cursors_in_all_directions
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM clinic.patient ORDER BY id;
FETCH 2 FROM c; FETCH BACKWARD 1 FROM c; FETCH LAST FROM c; FETCH ABSOLUTE -2 FROM c; MOVE 0 FROM c; FETCH RELATIVE 1 FROM c;
DECLARE u CURSOR FOR SELECT * FROM clinic.lab_order FOR UPDATE;
FETCH 3 FROM u;
UPDATE clinic.lab_order SET code = 'CURRENT' WHERE CURRENT OF u;
DELETE FROM clinic.lab_order WHERE CURRENT OF u;
DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM clinic.patient;
FETCH ALL FROM h;
SELECT code FROM clinic.lab_order ORDER BY id;

--! attack current_of_a_partition
DECLARE u CURSOR FOR SELECT * FROM clinic.visit ORDER BY id;
DECLARE w CURSOR FOR SELECT * FROM clinic.visit_2 FOR UPDATE;
FETCH 2 FROM w;
UPDATE clinic.visit_2 SET note = 'CURRENT' WHERE CURRENT OF w;
UPDATE clinic.visit SET note = 'CURRENT2' WHERE CURRENT OF w;
SELECT id, note FROM clinic.visit WHERE note LIKE 'CUR%';

--! attack insert_update_delete_returning
INSERT INTO clinic.patient (id, name, sex) VALUES (1, 'new', 'f'), (2, 'newer', 'm') RETURNING *;
INSERT INTO clinic.patient VALUES (3, 'full', '2000-01-01', '1', 'f', 'g', 1, 'e') RETURNING patient, ctid IS NOT NULL, tableoid::regclass;
INSERT INTO clinic.lab_order SELECT id + 100, patient_id, code, price FROM clinic.lab_order RETURNING *;
UPDATE clinic.patient SET name = upper(name), genome = genome || '!', (zip, extra) = (SELECT 'z', 'e') WHERE id < 4 RETURNING *;
UPDATE clinic.patient p SET extra = o.code FROM clinic.lab_order o WHERE o.patient_id = p.id AND o.id < 3 RETURNING p.*, o.*;
UPDATE clinic.patient SET id = 4 WHERE id = 3 RETURNING id, name;
DELETE FROM clinic.patient USING clinic.diary d WHERE d.patient_id = patient.id AND patient.id < 0;
DELETE FROM clinic.patient WHERE id < 4 RETURNING id, name, genome;
WITH x AS (DELETE FROM clinic.lab_order WHERE id > 100 RETURNING *) SELECT count(*), sum(price) FROM x;
WITH x AS (UPDATE clinic.visit SET bill = 0 WHERE id = 1 RETURNING *) SELECT * FROM x JOIN clinic.visit USING (id);

--! attack defaults_and_constraints
INSERT INTO clinic.patient (id, name) VALUES (1, 'a');
INSERT INTO clinic.patient (id, name, sex) VALUES (5500000001, 'a', 'f');
INSERT INTO clinic.lab_order VALUES (100, 42, 'x', 1);
UPDATE clinic.patient SET sex = NULL WHERE id = 5500000001;
DELETE FROM clinic.lab_order WHERE id = 999;
INSERT INTO clinic.visit (id) VALUES (1000);
UPDATE clinic.visit SET id = 1000 WHERE id = 1;
--! as doc:ALL

--! attack on_conflict
INSERT INTO clinic.patient (id, name, sex) VALUES (5500000001, 'again', 'm') ON CONFLICT DO NOTHING RETURNING *;
INSERT INTO clinic.patient AS p (id, name, sex) VALUES (5500000001, 'again', 'm'), (8, 'eight', 'm')
ON CONFLICT (id) DO UPDATE SET name = p.name || excluded.name, extra = excluded.sex WHERE p.sex <> 'x' RETURNING *;
INSERT INTO clinic.patient AS p (id, name, sex) VALUES (8, 'again', 'm') ON CONFLICT ON CONSTRAINT patient_pkey DO UPDATE SET (name, genome) = (SELECT excluded.name, p.genome) RETURNING p;

--! attack merge
MERGE INTO clinic.patient p USING (VALUES (5500000001, 'a'), (9, 'b'), (5500000002, 'c')) s(id, n) ON p.id = s.id
WHEN MATCHED AND s.n = 'c' THEN UPDATE SET extra = p.extra || s.n, zip = s.n
WHEN MATCHED THEN DO NOTHING
WHEN NOT MATCHED THEN INSERT (id, name, sex) VALUES (s.id, s.n, 'f');
MERGE INTO clinic.visit v USING clinic.lab_order o ON v.id = o.id WHEN MATCHED AND o.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET bill = o.price + v.bill WHEN NOT MATCHED THEN INSERT VALUES (50 + o.id, o.patient_id);
SELECT * FROM clinic.patient ORDER BY id;
SELECT * FROM clinic.visit ORDER BY id;

--! attack partition_moves
UPDATE clinic.visit SET id = id + 100 WHERE id IN (1, 4) RETURNING id, tableoid::regclass;
INSERT INTO clinic.visit_1 VALUES (77, 5500000001) RETURNING *;
INSERT INTO clinic.visit VALUES (78, 5500000001), (178, 5500000002) RETURNING tableoid::regclass, *;
UPDATE clinic.visit_1 SET note = note || '!' WHERE id = 77 RETURNING *;
DELETE FROM clinic.visit WHERE id IN (77, 78) RETURNING *;
SELECT tableoid::regclass, count(*) FROM clinic.visit GROUP BY 1 ORDER BY 1;

--! attack inheritance_writes
UPDATE clinic.base SET note = note || '+' WHERE id IN (1, 11) RETURNING *, tableoid::regclass;
UPDATE ONLY clinic.base SET note = note || '+' WHERE id IN (1, 11) RETURNING *;
UPDATE clinic.derived SET deep = deep || note WHERE id = 12 RETURNING *;
DELETE FROM clinic.base WHERE id = 13 RETURNING base;
INSERT INTO clinic.derived VALUES (99, 5500000001, 'n', 'd') RETURNING derived;

--! attack foreign_keys_and_cascades
DELETE FROM clinic.patient WHERE id = 5500000001;
SELECT * FROM clinic.lab_order ORDER BY id; SELECT * FROM clinic.result ORDER BY id;
UPDATE clinic.patient SET id = 17 WHERE id = 5500000002;
SELECT * FROM clinic.lab_order ORDER BY id;
SELECT count(*) FROM clinic.lab_order o JOIN clinic.patient p ON p.id = o.patient_id;
INSERT INTO clinic.lab_order VALUES (200, 17, 'new', 1);
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM clinic.patient;
SELECT count(*) FROM clinic.result;

--! attack foreign_key_of_an_unprotected_child
CREATE TABLE lair.stay (id int, patient bigint REFERENCES clinic.patient ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO lair.stay VALUES (1, 5500000001), (2, 7700000004), (3, NULL);
INSERT INTO lair.stay VALUES (4, 12);
UPDATE clinic.patient SET id = 12 WHERE id = 7700000004;
DELETE FROM clinic.patient WHERE id = 5500000001;
SELECT * FROM lair.stay ORDER BY id;

--! attack views_read_and_write
CREATE VIEW lair.v AS SELECT id, name, sex, genome FROM clinic.patient WHERE sex = 'f' WITH CHECK OPTION;
SELECT * FROM lair.v ORDER BY id;
UPDATE lair.v SET name = name || '?' WHERE id = 5500000001 RETURNING *;
UPDATE lair.v SET sex = 'm' WHERE id = 5500000001;
INSERT INTO lair.v VALUES (1, 'one', 'f', 'g') RETURNING v;
DELETE FROM lair.v WHERE id = 1 RETURNING *;
CREATE VIEW lair.w WITH (security_invoker) AS SELECT v.*, o.code FROM lair.v JOIN clinic.lab_order o ON o.patient_id = v.id;
SELECT * FROM lair.w ORDER BY id;
CREATE VIEW lair.x WITH (security_barrier) AS SELECT * FROM clinic.patient WHERE genome IS NOT NULL;
SELECT count(*) FROM lair.x WHERE name LIKE 'I%';
UPDATE lair.x SET extra = 'barrier' WHERE id = 5500000002 RETURNING extra;

--! attack rules_on_views
CREATE VIEW lair.v AS SELECT id, name FROM clinic.patient;
CREATE RULE r AS ON UPDATE TO lair.v DO INSTEAD UPDATE clinic.patient SET name = NEW.name WHERE id = OLD.id RETURNING patient.id, patient.name;
UPDATE lair.v SET name = name || ' ruled' WHERE id = 5500000001 RETURNING *;
CREATE RULE d AS ON DELETE TO lair.v DO INSTEAD NOTHING;
DELETE FROM lair.v;

--! attack plpgsql_and_do
DO $$DECLARE r record; n int := 0; BEGIN FOR r IN SELECT * FROM clinic.patient ORDER BY id LOOP n := n + 1; END LOOP; RAISE NOTICE '% rows', n; END$$;
DO $$DECLARE p clinic.patient; BEGIN SELECT * INTO STRICT p FROM clinic.patient WHERE id = 5500000001; RAISE NOTICE '%', p.name; UPDATE clinic.patient SET extra = 'plpgsql' WHERE id = p.id RETURNING extra INTO p.extra; RAISE NOTICE '%', p.extra; END$$;
CREATE FUNCTION lair.f(i bigint) RETURNS clinic.patient LANGUAGE sql STABLE AS 'SELECT p FROM clinic.patient p WHERE id = i';
CREATE FUNCTION lair.s() RETURNS SETOF clinic.patient LANGUAGE sql STABLE AS 'SELECT p FROM clinic.patient p ORDER BY id';
CREATE FUNCTION lair.a() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT name FROM clinic.patient ORDER BY id; END;
SELECT (lair.f(5500000001)).name; SELECT id, genome FROM lair.s(); SELECT * FROM lair.a() WITH ORDINALITY;
SELECT o.id, f.name FROM clinic.lab_order o, LATERAL lair.f(o.patient_id) f ORDER BY 1;
DO $$BEGIN BEGIN PERFORM 1 / (secret - 1.5) FROM clinic.patient; EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'caught'; END; PERFORM count(*) FROM clinic.patient; END$$;
CREATE PROCEDURE lair.p() LANGUAGE plpgsql AS $$BEGIN INSERT INTO clinic.diary VALUES (5500000001, 'proc'); END$$;
CALL lair.p();
SELECT count(*) FROM clinic.diary;

--! attack procedure_with_transactions
CREATE PROCEDURE lair.tx() LANGUAGE plpgsql AS $$DECLARE r record; BEGIN FOR r IN SELECT id FROM clinic.lab_order ORDER BY id LOOP UPDATE clinic.lab_order SET code = code WHERE id = r.id; COMMIT; END LOOP; ROLLBACK; PERFORM count(*) FROM clinic.patient; COMMIT; END$$;
CALL lair.tx();
DROP PROCEDURE lair.tx;
SELECT count(*) FROM clinic.lab_order;
--! commit

--! attack prepared_and_generic
PREPARE p(bigint) AS SELECT name FROM clinic.patient WHERE id = $1;
EXECUTE p(5500000001); EXECUTE p(5500000002);
SET plan_cache_mode = force_generic_plan;
EXECUTE p(5500000003);
PREPARE u(text, bigint) AS UPDATE clinic.patient SET extra = $1 WHERE id = $2 RETURNING extra;
EXECUTE u('e', 5500000001);
DEALLOCATE ALL;

--! attack copy_out
COPY clinic.result TO STDOUT;
COPY clinic.result (id, remark) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (remark));
COPY (SELECT * FROM clinic.patient ORDER BY id) TO STDOUT;
COPY clinic.visit_1 TO STDOUT;
COPY (SELECT * FROM clinic.base ORDER BY id) TO STDOUT WITH DELIMITER '|';
COPY (INSERT INTO clinic.diary VALUES (5500000001, 'copied') RETURNING *) TO STDOUT;

--! attack ddl_that_stays_harmless
ALTER TABLE clinic.patient ADD note text DEFAULT 'd';
ALTER TABLE clinic.patient ALTER zip SET DEFAULT 'z';
ALTER TABLE clinic.patient ALTER zip SET NOT NULL;
ALTER TABLE clinic.patient ALTER zip DROP NOT NULL;
CREATE INDEX ON clinic.patient (name);
CREATE INDEX ON clinic.visit (day);
ALTER TABLE clinic.patient RENAME extra TO extras;
SELECT name, extras, note FROM clinic.patient ORDER BY id LIMIT 1;
ALTER TABLE clinic.patient DROP extras;
ALTER TABLE clinic.patient RENAME TO patients;
SELECT count(*) FROM clinic.patients;
ALTER TABLE clinic.patients SET (fillfactor = 90);
COMMENT ON TABLE clinic.patients IS 'x';
ANALYZE clinic.patients;
CREATE TABLE clinic.visit_3 PARTITION OF clinic.visit FOR VALUES FROM (200) TO (300);
INSERT INTO clinic.visit (id, patient_id) VALUES (201, 5500000001);
SELECT count(*) FROM clinic.visit;
DROP TABLE clinic.visit_3;
ALTER TABLE clinic.diary SET SCHEMA lair;
SELECT count(*) FROM lair.diary;
DROP TABLE lair.diary;
--! as owner:ALL super:ALL

--! attack maintenance_commands
VACUUM clinic.patient;
VACUUM FULL clinic.diary;
CLUSTER clinic.patient USING patient_pkey;
REINDEX TABLE clinic.patient;
ANALYZE clinic.visit;
--! commit
--! as owner:ALL super:ALL owner:none

--! attack foreign_key_added
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient;
INSERT INTO clinic.diary VALUES (3, 'x');
--! as owner:ALL super:ALL

--! attack locks
LOCK TABLE clinic.patient IN SHARE MODE;
SELECT id FROM clinic.patient ORDER BY id FOR UPDATE;
SELECT v.id FROM clinic.visit v JOIN clinic.lab_order o ON o.id = v.id ORDER BY 1 FOR SHARE OF v;
SELECT count(*) FROM (SELECT 1 FROM clinic.patient FOR NO KEY UPDATE) x;

--! attack explain_runs
DO $$DECLARE l text; BEGIN FOR l IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE clinic.patient SET extra = 1' LOOP END LOOP; RAISE NOTICE 'explained'; END$$;
SELECT DISTINCT extra FROM clinic.patient;

--! attack two_phase
BEGIN;
UPDATE clinic.patient SET extra = extra WHERE id = 5500000001;
SELECT count(*) FROM clinic.patient;
PREPARE TRANSACTION 'att';
COMMIT PREPARED 'att';
--! commit

--! attack temp_and_exported_types
CREATE TEMP TABLE t (p clinic.patient, n int);
INSERT INTO t VALUES (row(1, 'a', NULL, NULL, 'f', NULL, 1, NULL), 1);
SELECT (p).name FROM t;
CREATE TYPE lair.two AS (a clinic.patient, b int);
CREATE FUNCTION lair.n(clinic.patient) RETURNS text LANGUAGE sql AS 'SELECT $1.name';
SELECT p.n FROM (SELECT lair.n(p) AS n FROM clinic.patient p ORDER BY id) p;

--! attack metadata
\d clinic.patient
\d+ clinic.visit
\dt clinic.*
\dp clinic.patient
--! as owner:none

--! attack copy_in
COPY clinic.diary FROM STDIN;
5500000001	copied
5500000002	\N
\.
COPY clinic.patient (id, name, sex) FROM STDIN (FORMAT csv);
1,n,f
\.
COPY clinic.visit (id, patient_id) FROM STDIN WHERE id < 100;
70	5500000001
170	5500000001
\.
COPY clinic.visit_1 (id, patient_id, labels) FROM STDIN;
71	5500000001	{}
\.
COPY clinic.patient (id, name, sex) FROM STDIN;
1	twice	f
\.
COPY clinic.patient (id, name, sex) FROM STDIN;
x	broken	f
\.
SELECT count(*) FROM clinic.diary; SELECT * FROM clinic.patient WHERE id = 1; SELECT id, tableoid::regclass FROM clinic.visit WHERE id IN (70, 71, 170);
\copy clinic.diary from '/dev/null'

--! attack instead_of_triggers
CREATE VIEW lair.v AS SELECT id, name FROM clinic.patient;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE clinic.patient SET name = NEW.name WHERE id = OLD.id; RETURN NEW; END$$;
CREATE TRIGGER t INSTEAD OF UPDATE ON lair.v FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE lair.v SET name = 'through' WHERE id = 5500000001 RETURNING *;
SELECT name FROM clinic.patient WHERE id = 5500000001;

--! attack copy_out_of_a_partitioned_table
COPY clinic.visit TO STDOUT;

--! attack foreign_key_added_unbound
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient;
ALTER TABLE clinic.diary DROP CONSTRAINT diary_patient_id_fkey;
--! as owner:none super:none

--! attack columns_indexes_and_keys_of_an_orm
ALTER TABLE clinic.visit ADD COLUMN number bigserial;
ALTER TABLE clinic.patient ADD COLUMN rank smallserial, ADD COLUMN place point, ADD COLUMN tags text[] DEFAULT '{}';
ALTER TABLE clinic.patient ADD COLUMN email varchar(254) NULL;
ALTER TABLE clinic.patient ALTER COLUMN email TYPE varchar(300) USING "email"::varchar(300);
ALTER TABLE clinic.cohort ALTER COLUMN bucket TYPE bigint USING bucket::bigint;
ALTER TABLE clinic.patient ALTER COLUMN email TYPE text USING email;
CREATE INDEX patient_email_like ON clinic.patient (email varchar_pattern_ops);
CREATE INDEX patient_name_like ON clinic.patient (name text_pattern_ops DESC);
CREATE INDEX visit_labels ON clinic.visit USING gin (labels array_ops);
ALTER TABLE clinic.diary ADD CONSTRAINT diary_patient FOREIGN KEY (patient_id) REFERENCES clinic.patient NOT VALID;
ALTER TABLE clinic.diary VALIDATE CONSTRAINT diary_patient;
ALTER TABLE clinic.diary VALIDATE CONSTRAINT no_such_constraint;
ALTER TABLE clinic.lab_order ADD COLUMN visit_number bigint NULL REFERENCES clinic.cohort DEFERRABLE INITIALLY DEFERRED;
DELETE FROM clinic.patient WHERE id = 5500000001;
ALTER TABLE clinic.base ADD CONSTRAINT base_patient FOREIGN KEY (patient_id) REFERENCES clinic.patient NOT VALID;
ALTER TABLE clinic.base VALIDATE CONSTRAINT base_patient;
SELECT id, rank IS NOT NULL, place, tags, email FROM clinic.patient ORDER BY id;
--! as owner:ALL super:ALL

--! everybody doc:CARE owner:CARE bypass:CARE super:CARE analyst:RES nobody:none

--! attack subject_moved_to_another_consent
DELETE FROM clinic.lab_order;
DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3;
UPDATE clinic.patient SET id = 550000000 * 10::bigint + 3 WHERE id = 550000000 * 10::bigint + 1 RETURNING genome;
SELECT genome FROM clinic.patient WHERE name LIKE '%name1';
--! as doc:CARE2 owner:CARE2 bypass:CARE2 super:CARE2
--! canary CNRYgen1

--! attack subject_moved_by_conflict
DELETE FROM clinic.lab_order;
DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3;
INSERT INTO clinic.patient (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f'
ON CONFLICT (id) DO UPDATE SET id = 550000000 * 10::bigint + 3 RETURNING genome;
--! as doc:CARE2 owner:CARE2 bypass:CARE2 super:CARE2
--! canary CNRYgen1

--! attack subject_moved_by_merge
DELETE FROM clinic.lab_order;
DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3;
MERGE INTO clinic.patient p USING (VALUES (1)) s(x) ON p.name LIKE '%name1'
WHEN MATCHED THEN UPDATE SET id = 550000000 * 10::bigint + 3;
SELECT genome FROM clinic.patient;
--! as doc:CARE2 owner:CARE2 bypass:CARE2 super:CARE2
--! canary CNRYgen1

--! attack insert_into_closed_category
INSERT INTO clinic.patient (id, name, sex, genome) SELECT 550000000 * 10::bigint + 1 , 'n', 'f', 'STORED' || 'gene'
ON CONFLICT (id) DO NOTHING;
DELETE FROM clinic.lab_order; DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 1;
INSERT INTO clinic.patient (id, name, sex, genome) SELECT 550000000 * 10::bigint + 1 , 'n', 'f', 'STORED' || 'gene';
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT genome FROM clinic.patient;
--! as super:CARE2
--! canary STOREDgene

--! attack check_option_sees_hidden_column
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE VIEW lair.v AS SELECT * FROM clinic.patient WHERE lair.tell(genome) WITH CHECK OPTION;
UPDATE lair.v SET sex = sex;

--! attack failing_row_detail
UPDATE clinic.patient SET sex = NULL;

--! attack failing_row_detail_partition
UPDATE clinic.visit SET id = id + 1000;
UPDATE clinic.visit_1 SET id = id + 1000;
INSERT INTO clinic.visit SELECT 1000, 770000000 * 10::bigint + 4, date '1944-06-07', 'x', '{}', 5;
--! canary CNRY
--! as doc:CARE owner:CARE bypass:CARE super:CARE
--! before
ALTER TABLE clinic.visit ADD hidden text;
UPDATE clinic.visit SET hidden = 'CNRYhidden';
SELECT twin_privacy.label_column('clinic.visit', 'hidden', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.visit'::regclass;
--! after
ALTER TABLE clinic.visit DROP hidden;

--! attack write_down_explain_analyze
CREATE TABLE lair.copy (stored text);
EXPLAIN ANALYZE INSERT INTO lair.copy SELECT sex FROM clinic.patient;
EXPLAIN ANALYZE CREATE TABLE lair.copy2 AS SELECT sex FROM clinic.patient;
PREPARE p AS SELECT sex FROM clinic.patient;
CREATE TABLE lair.copy3 AS EXECUTE p;
SELECT 'STORED' || count(*) FROM lair.copy WHERE stored IS NOT NULL;
SELECT 'STORED' || count(*) FROM pg_class WHERE relname IN ('copy2', 'copy3');
--! canary STORED[1-9]

--! attack write_down_set_function
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.rows() RETURNS SETOF text LANGUAGE sql AS 'SELECT sex FROM clinic.patient';
INSERT INTO lair.copy SELECT * FROM lair.rows();
CREATE TABLE lair.copy2 AS SELECT * FROM lair.rows();
SELECT 'STORED' || count(*) FROM lair.copy;
SELECT 'STORED' || count(*) FROM pg_class WHERE relname = 'copy2';
--! canary STORED[1-9]

--! attack write_down_scalar_function
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
INSERT INTO lair.copy VALUES (lair.one());
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_function_argument
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.keep(text) RETURNS void LANGUAGE sql AS 'INSERT INTO lair.copy VALUES ($1)';
SELECT lair.keep(sex) FROM clinic.patient;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_plpgsql_loop
CREATE TABLE lair.copy (stored text);
DO $$DECLARE r record; BEGIN FOR r IN SELECT sex FROM clinic.patient LOOP INSERT INTO lair.copy VALUES (r.sex); END LOOP; END$$;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_dynamic_sql
DO $$BEGIN EXECUTE format('CREATE TABLE lair.copy AS SELECT %L AS stored', (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_session_setting
SELECT set_config('lair.kept', string_agg(sex, ','), false) FROM clinic.patient;
SELECT twin_privacy.unbind_use();
SELECT 'STORED' || current_setting('lair.kept');
--! canary STORED[fm]

--! attack write_down_matview
CREATE MATERIALIZED VIEW lair.copy AS SELECT sex FROM clinic.patient;
CREATE FUNCTION lair.rows() RETURNS SETOF text LANGUAGE sql AS 'SELECT sex FROM clinic.patient';
CREATE MATERIALIZED VIEW lair.copy2 AS SELECT * FROM lair.rows();
CREATE MATERIALIZED VIEW lair.copy3 AS SELECT sex FROM clinic.patient WITH NO DATA;
REFRESH MATERIALIZED VIEW lair.copy3;
SELECT 'STORED' || relname || relispopulated FROM pg_class WHERE relname LIKE 'copy%' AND relkind = 'm';
--! canary STORED\w+true

--! attack write_down_large_object
SELECT lo_from_bytea(771, convert_to(string_agg(sex, ','), 'UTF8')) FROM clinic.patient;
SELECT 'STORED' || convert_from(lo_get(771), 'UTF8');
--! canary STORED[fm]

--! attack write_down_file
\! rm -f /tmp/twp_attack_copy
COPY clinic.patient TO '/tmp/twp_attack_copy';
COPY (SELECT sex FROM clinic.patient) TO '/tmp/twp_attack_copy';
COPY (SELECT sex FROM clinic.patient) TO PROGRAM 'cat > /tmp/twp_attack_copy';
\! test -s /tmp/twp_attack_copy && echo STO''RED1
\! rm -f /tmp/twp_attack_copy
--! as super:CARE super:RES
--! canary STORED1

--! attack write_down_notify
LISTEN twp;
SELECT pg_notify('twp', 'STORED' || sex) FROM clinic.patient;
COMMIT;
--! canary STORED[fm].*received

--! attack write_down_sequence
CREATE SEQUENCE lair.seq;
SELECT setval('lair.seq', 900 + max(secret)::int) FROM clinic.patient;
SELECT 'STORED' || last_value FROM lair.seq;
--! canary STORED9|STORED8

--! attack write_down_logical_message
SELECT pg_logical_emit_message(false, 'x', string_agg(sex, ',')) || 'STO' || 'RED' FROM clinic.patient;
--! canary STORED

--! attack write_down_cursor_fetch
CREATE TABLE lair.copy (stored text);
DO $$DECLARE c CURSOR FOR SELECT sex FROM clinic.patient; s text; BEGIN OPEN c; FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
SELECT 'STORED' || count(*) FROM lair.copy WHERE stored IS NOT NULL;
--! canary STORED[1-9]

--! attack write_down_column_default_comment
DO $$BEGIN EXECUTE format('COMMENT ON SCHEMA lair IS %L', 'STORED' || (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT obj_description('lair'::regnamespace);
--! as super:CARE super:RES
--! canary STORED[fm]


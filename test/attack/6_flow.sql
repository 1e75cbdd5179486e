--! everybody doc:CARE owner:CARE bypass:CARE super:CARE

--! attack write_down_after_trigger_of_ones_own
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.bait (x text);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NULL; END$$;
CREATE TRIGGER t AFTER INSERT ON lair.bait FOR EACH ROW EXECUTE FUNCTION lair.trig();
INSERT INTO lair.bait VALUES ('x');
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_deferred_trigger
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.bait (x text);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON lair.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lair.trig();
INSERT INTO lair.bait VALUES ('x');
SELECT 'STORED' || stored FROM lair.copy;
DROP TABLE lair.copy, lair.bait; DROP FUNCTION lair.trig;
--! canary STORED[fm]
--! commit

--! attack write_down_message_of_an_error
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.raise(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION '%', $1; END$$;
DO $$DECLARE m text; BEGIN BEGIN PERFORM lair.raise(sex) FROM clinic.patient; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT; END; INSERT INTO lair.copy VALUES (m); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_names_without_data
CREATE FUNCTION lair.name_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE TABLE lair.%I AS SELECT 1 WITH NO DATA', 'stored_' || $1); RETURN ''; END$$;
CREATE FUNCTION lair.name_it2(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE MATERIALIZED VIEW lair.%I AS SELECT 1 WITH NO DATA', 'storedm_' || $1); RETURN ''; END$$;
SELECT lair.name_it(min(sex)) FROM clinic.patient;
SELECT lair.name_it2(min(sex)) FROM clinic.patient;
DO $$BEGIN EXECUTE format('CREATE TABLE lair.%I AS SELECT 1 WITH NO DATA', 'stored3_' || (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'SEEN' || relname FROM pg_class WHERE relname LIKE 'stored%';
--! canary SEENstored\w?_[fm]

--! attack write_down_names_after_reading
DO $$BEGIN EXECUTE format('CREATE TABLE lair.%I ()', 'stored_' || (SELECT min(sex) FROM clinic.patient)); END$$;
DO $$BEGIN EXECUTE format('CREATE SEQUENCE lair.%I', 'stored2_' || (SELECT min(sex) FROM clinic.patient)); END$$;
DO $$BEGIN EXECUTE format('CREATE TYPE lair.stored3 AS ENUM (%L)', 'stored3_' || (SELECT min(sex) FROM clinic.patient)); END$$;
DO $$BEGIN EXECUTE format('CREATE FUNCTION lair.stored4() RETURNS text LANGUAGE sql AS %L', 'SELECT ''stored4_' || (SELECT min(sex) FROM clinic.patient) || ''''); END$$;
DO $$BEGIN EXECUTE format('CREATE VIEW lair.stored5 AS SELECT %L', 'stored5_' || (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'SEEN' || relname FROM pg_class WHERE relname LIKE 'stored%' UNION ALL SELECT 'SEEN' || enumlabel FROM pg_enum WHERE enumlabel LIKE 'stored%'
UNION ALL SELECT 'SEEN' || substr(prosrc, 9) FROM pg_proc WHERE prosrc LIKE '%stored4%' UNION ALL SELECT 'SEEN' || substr(pg_get_viewdef('lair.stored5'::regclass), 10, 9);
--! canary SEEN'?stored\w?_[fm]

--! attack write_down_hold_cursor_of_a_constant
CREATE FUNCTION lair.hold_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('DECLARE c CURSOR WITH HOLD FOR SELECT ''STO'' || ''RED'' || %L', $1); RETURN ''; END$$;
BEGIN;
SELECT lair.hold_it(min(sex)) FROM clinic.patient;
COMMIT;
SELECT twin_privacy.unbind_use();
FETCH ALL FROM c;
DROP FUNCTION lair.hold_it;
--! commit
--! canary STORED[fm]

--! attack write_down_copy_from_program
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.prog(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('COPY lair.copy FROM PROGRAM %L', 'echo ' || $1); RETURN ''; END$$;
SELECT lair.prog(min(sex)) FROM clinic.patient;
DO $$BEGIN EXECUTE format('COPY lair.copy FROM PROGRAM %L', 'echo ' || (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! as super:CARE super:RES
--! canary STORED[fm]

--! attack write_down_copy_to_program_text
\! rm -f /tmp/twp_attack_copy
CREATE TABLE lair.empty (x text);
CREATE FUNCTION lair.prog(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('COPY lair.empty TO PROGRAM %L', 'echo ' || $1 || ' >> /tmp/twp_attack_copy'); RETURN ''; END$$;
SELECT lair.prog(min(sex)) FROM clinic.patient;
DO $$BEGIN PERFORM lair.prog((SELECT min(sex) FROM clinic.patient)); END$$;
\! test -s /tmp/twp_attack_copy && echo STO''RED1
\! rm -f /tmp/twp_attack_copy
--! as super:CARE super:RES
--! canary STORED1

--! attack write_down_copy_from_trigger
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SELECT min(sex) INTO NEW.stored FROM clinic.patient; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE INSERT ON lair.copy FOR EACH ROW EXECUTE FUNCTION lair.trig();
\copy lair.copy from program 'echo x'
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_copy_from_default
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.copy (x text, stored text DEFAULT lair.one());
\copy lair.copy (x) from program 'echo x'
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_column_default_of_a_rewrite
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql VOLATILE AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.copy (x int); INSERT INTO lair.copy VALUES (1);
ALTER TABLE lair.copy ADD stored text DEFAULT lair.one();
SELECT 'STORED' || stored FROM lair.copy;
ALTER TABLE lair.copy ADD stored2 text GENERATED ALWAYS AS (lair.imm(x)) STORED;
SELECT 'STORED' || stored2 FROM lair.copy;
ALTER TABLE lair.copy ADD stored3 text;
ALTER TABLE lair.copy ALTER stored3 TYPE text USING lair.one();
SELECT 'STORED' || stored3 FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_statistics_of_an_index_expression
SELECT 'STO' || 'RED' || most_common_vals::text FROM pg_stats WHERE tablename LIKE 'copy_%' AND most_common_vals IS NOT NULL;
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT max(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.copy (x int); INSERT INTO lair.copy SELECT 1 FROM generate_series(1, 20);
CREATE INDEX copy_imm ON lair.copy (lair.imm(x));
ANALYZE lair.copy;
SELECT twin_privacy.unbind_use();
SELECT 'STO' || 'RED' || most_common_vals::text FROM pg_stats WHERE tablename = 'copy_imm';
--! canary STORED\{[fm]

--! attack write_down_statistics_of_an_extended_expression
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT max(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.copy (x int); INSERT INTO lair.copy SELECT 1 FROM generate_series(1, 20);
CREATE STATISTICS lair.st ON (lair.imm(x)) FROM lair.copy;
ANALYZE lair.copy;
SELECT 'STO' || 'RED' || most_common_vals::text FROM pg_stats_ext_exprs WHERE tablename = 'copy';
--! canary STORED\{[fm]

--! attack write_down_partition_bound
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.tree (x text) PARTITION BY LIST (x);
CREATE TABLE lair.leaf PARTITION OF lair.tree FOR VALUES IN (lair.one());
CREATE TABLE lair.leaf2 (x text);
ALTER TABLE lair.tree ATTACH PARTITION lair.leaf2 FOR VALUES IN (lair.one());
SELECT 'STORED' || pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname LIKE 'leaf%';
--! canary STOREDFOR VALUES IN \('[fm]

--! attack write_down_held_cursor_fetched_later
\o /dev/null
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT sex FROM clinic.patient;
COMMIT;
CREATE TABLE lair.copy (stored text);
DO $$DECLARE c refcursor := 'c'; s text; BEGIN FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
\o
SELECT 'STORED' || stored FROM lair.copy;
DROP TABLE lair.copy;
--! commit
--! canary STORED[fm]

--! attack write_down_returning_cursor_fetched_later
\o /dev/null
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.open() RETURNS text LANGUAGE plpgsql AS $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR EXECUTE 'UPDATE clinic.patient SET sex = sex RETURNING sex'; MOVE FORWARD 1 FROM c; RETURN c; END$$;
SELECT lair.open();
DO $$DECLARE c refcursor := 'c'; s text; BEGIN FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
\o
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_carrier_around_a_function
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
SELECT lo_from_bytea(771, convert_to(lair.one(), 'UTF8'));
SELECT 'STORED' || convert_from(lo_get(771), 'UTF8');
--! canary STORED[fm]

--! attack write_down_notify_around_a_function
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
LISTEN twp;
SELECT pg_notify('twp', 'STO' || 'RED' || lair.one());
DROP FUNCTION lair.one;
SELECT 1;
--! commit
--! canary STORED[fm]

--! attack write_down_prepared_expression_after_reading
CREATE FUNCTION lair.put(n text, v text) RETURNS text LANGUAGE plpgsql AS $$DECLARE o oid; BEGIN o := lo_from_bytea(n::oid, convert_to(v, 'UTF8')); RETURN o; END$$;
DO $$DECLARE s text; BEGIN PERFORM lair.put('772', 'x'); SELECT min(sex) INTO s FROM clinic.patient; PERFORM lair.put('773', s); END$$;
SELECT 'STORED' || convert_from(lo_get(773), 'UTF8');
--! canary STORED[fm]

--! attack write_down_expression_with_a_nested_read
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
DO $$DECLARE o oid; BEGIN o := lo_from_bytea(774, convert_to(lair.one(), 'UTF8')); END$$;
SELECT 'STORED' || convert_from(lo_get(774), 'UTF8');
--! canary STORED[fm]

--! attack write_down_parallel_function
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql PARALLEL SAFE STABLE AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE TABLE lair.seed AS SELECT generate_series(1, 10) n;
SET force_parallel_mode = on; SET debug_parallel_query = on;
CREATE TABLE lair.copy AS SELECT lair.one() AS stored;
CREATE TABLE lair.copy2 AS SELECT lair.one() AS stored FROM lair.seed;
SELECT 'STORED' || stored FROM lair.copy;
SELECT 'STORED' || stored FROM lair.copy2;
--! canary STORED[fm]

--! attack write_down_other_builtins
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
SELECT pg_create_restore_point(sex) FROM clinic.patient LIMIT 1;
SELECT pg_replication_origin_create('stored_' || min(sex)) FROM clinic.patient;
SELECT pg_create_physical_replication_slot('stored_' || min(sex)) FROM clinic.patient;
SELECT 'SEEN' || roname FROM pg_replication_origin UNION ALL SELECT 'SEEN' || slot_name FROM pg_replication_slots;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'stored%';
--! as super:CARE
--! canary SEENstored_[fm]

--! attack write_down_procedure_with_commit
CREATE TABLE lair.copy (stored text);
CREATE PROCEDURE lair.move() LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; COMMIT; PERFORM twin_privacy.unbind_use(); INSERT INTO lair.copy VALUES (s); COMMIT; END$$;
CALL lair.move();
SELECT 'STORED' || stored FROM lair.copy;
DROP TABLE lair.copy; DROP PROCEDURE lair.move;
--! commit
--! canary STORED[fm]

--! attack write_down_after_unbinding_within_the_command
CREATE TABLE lair.copy (stored text);
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; PERFORM twin_privacy.unbind_use(); INSERT INTO lair.copy VALUES (s); END$$;
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; SET twin_privacy.use = ''; UPDATE lair.copy SET stored = s; CREATE TABLE lair.copy2 AS SELECT s; END$$;
SELECT 'STORED' || stored FROM lair.copy;
SELECT 'STORED' || s FROM lair.copy2;
--! canary STORED[fm]

--! attack write_down_rows_of_a_function_in_a_cursor
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.rows() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT sex FROM clinic.patient; END$$;
DECLARE c CURSOR FOR SELECT * FROM lair.rows();
DO $$DECLARE c refcursor := 'c'; s text; BEGIN FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
MOVE FORWARD 1 FROM c;
DO $$DECLARE c refcursor := 'c'; s text; BEGIN FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_scroll_cursor_of_a_plan_that_ended
CREATE TABLE lair.copy (stored text);
DECLARE c SCROLL CURSOR FOR SELECT sex FROM clinic.patient ORDER BY 1;
\o /dev/null
FETCH ALL FROM c;
\o
DO $$DECLARE c refcursor := 'c'; s text; BEGIN FETCH FIRST FROM c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_domain_check
CREATE SEQUENCE lair.seq;
CREATE DOMAIN lair.dom AS int CHECK (setval('lair.seq', 900 + VALUE) > 0);
SELECT secret::int::lair.dom FROM clinic.patient;
DO $$DECLARE d lair.dom; n int; BEGIN d := 1; SELECT max(ascii(sex)) INTO n FROM clinic.patient; d := n; END$$;
SELECT 'STORED' || last_value FROM lair.seq;
--! canary STORED(1009|90[234]\b)

--! attack write_down_view_rule_and_trigger_condition
CREATE TABLE lair.copy (stored text); CREATE VIEW lair.w AS SELECT ''::text AS stored;
CREATE RULE r AS ON INSERT TO lair.w DO INSTEAD INSERT INTO lair.copy VALUES (NEW.stored);
INSERT INTO lair.w SELECT sex FROM clinic.patient;
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.w VALUES (s); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_aggregate_and_cast
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.acc(text, text) RETURNS text LANGUAGE sql AS 'SELECT coalesce($1, '''') || $2';
CREATE FUNCTION lair.fin(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy VALUES ($1); RETURN $1; END$$;
CREATE AGGREGATE lair.keep(text) (SFUNC = lair.acc, STYPE = text, FINALFUNC = lair.fin);
SELECT lair.keep(sex) FROM clinic.patient;
CREATE TYPE lair.box AS (v text);
CREATE FUNCTION lair.to_box(text) RETURNS lair.box LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy VALUES ($1); RETURN row($1); END$$;
CREATE CAST (text AS lair.box) WITH FUNCTION lair.to_box(text);
SELECT sex::lair.box FROM clinic.patient;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]

--! attack write_down_by_which_table
CREATE TABLE lair.to_f AS SELECT 1 AS x; CREATE TABLE lair.to_m AS SELECT 1 AS x; CREATE TABLE lair.of_f AS SELECT 1; CREATE TABLE lair.of_m AS SELECT 1;
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; EXECUTE 'TRUNCATE lair.of_' || s; END$$;
SELECT 'STORED' WHERE NOT EXISTS (SELECT FROM lair.of_f);
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; EXECUTE 'ANALYZE lair.to_' || s; END$$;
SELECT 'STO' || 'RED' FROM pg_stats WHERE tablename = 'to_f';
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; EXECUTE format('GRANT SELECT ON lair.to_%s TO att_nobody', s); END$$;
SELECT 'STORED' WHERE has_table_privilege('att_nobody', 'lair.to_f', 'SELECT');
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; EXECUTE 'DROP TABLE lair.to_' || s; END$$;
SELECT 'STORED' WHERE to_regclass('lair.to_f') IS NULL;
--! canary ^STORED

--! attack write_down_shape_of_large_objects
SELECT count(lo_create(800 + n)) FROM generate_series(1, 130) n;
SELECT lo_unlink((800 + ascii(min(sex)))::oid) FROM clinic.patient;
SELECT lo_truncate(lo_open(801, 131072), ascii(min(sex))) FROM clinic.patient;
DO $$DECLARE n int; BEGIN SELECT ascii(min(sex)) INTO n FROM clinic.patient; PERFORM lo_truncate64(lo_open(802, 131072), n); END$$;
SELECT 'STO' || 'RED' WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 902);
SELECT 'STO' || 'RED' || length(lo_get(801)) + length(lo_get(802));
--! canary STORED($|[1-9])

--! attack write_down_sequence_by_name_or_count
CREATE SEQUENCE lair.st_f; CREATE SEQUENCE lair.st_m; CREATE SEQUENCE lair.st;
SELECT nextval('lair.st_' || min(sex)) FROM clinic.patient;
SELECT 'STO' || 'RED' || last_value FROM lair.st_f WHERE is_called;
SELECT count(nextval('lair.st')) FROM clinic.patient, generate_series(1, ascii(sex)) g;
SELECT 'STO' || 'RED' || last_value FROM lair.st WHERE is_called;
--! canary STORED[1-9]

--! attack write_down_in_a_block_that_is_undone
CREATE TABLE lair.copy (stored text); CREATE TABLE lair.bait (x text);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy VALUES ('t' || NEW.x); RETURN NEW; END$$;
CREATE TRIGGER t AFTER INSERT ON lair.bait FOR EACH ROW EXECUTE FUNCTION lair.trig();
CREATE FUNCTION lair.guess(g text, into_table text) RETURNS void LANGUAGE plpgsql AS $$DECLARE s text; BEGIN
    BEGIN EXECUTE format('INSERT INTO lair.%I VALUES (%L)', into_table, g); EXCEPTION WHEN division_by_zero THEN NULL; END;
    SELECT min(sex) INTO s FROM clinic.patient; IF s <> g THEN RAISE EXCEPTION 'wrong'; END IF;
    EXCEPTION WHEN OTHERS THEN NULL; END$$;
SELECT lair.guess(g, 'copy') FROM unnest('{z,f,y}'::text[]) g;
SELECT lair.guess(g, 'bait') FROM unnest('{z,f,y}'::text[]) g;
DO $$DECLARE s text; BEGIN BEGIN CREATE TABLE lair.named_f (); SELECT min(sex) INTO s FROM clinic.patient; IF s <> 'f' THEN RAISE EXCEPTION 'wrong'; END IF; EXCEPTION WHEN OTHERS THEN NULL; END; END$$;
SELECT 'STORED' || stored FROM lair.copy;
SELECT 'STORED' || relname FROM pg_class WHERE relname = 'named_f';
--! canary STORED[tfn]

--! attack write_down_trigger_of_a_cascade
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE CASCADE);
INSERT INTO lair.child VALUES (1);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NULL; END$$;
CREATE TRIGGER t AFTER DELETE ON lair.child FOR EACH ROW EXECUTE FUNCTION lair.trig();
DELETE FROM clinic.lab_order WHERE id = 1;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_statement_trigger_of_a_cascade
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO lair.child VALUES (1);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NULL; END$$;
CREATE TRIGGER t AFTER UPDATE ON lair.child FOR EACH STATEMENT EXECUTE FUNCTION lair.trig();
DELETE FROM clinic.lab_order WHERE id = 1;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_after_statement_trigger_of_a_view
CREATE TABLE lair.copy (stored text);
CREATE VIEW lair.v AS SELECT 1 AS x;
CREATE FUNCTION lair.inst() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NULL; END$$;
CREATE TRIGGER i INSTEAD OF UPDATE ON lair.v FOR EACH ROW EXECUTE FUNCTION lair.inst();
CREATE TRIGGER t AFTER UPDATE ON lair.v FOR EACH STATEMENT EXECUTE FUNCTION lair.trig();
UPDATE lair.v SET x = 2;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_before_statement_trigger_of_a_view
CREATE TABLE lair.copy (stored text);
CREATE VIEW lair.v AS SELECT 1 AS x;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); RETURN NEW; END$$;
CREATE TRIGGER i INSTEAD OF UPDATE ON lair.v FOR EACH ROW EXECUTE FUNCTION lair.trig();
CREATE TRIGGER t BEFORE UPDATE ON lair.v FOR EACH STATEMENT EXECUTE FUNCTION lair.trig();
UPDATE lair.v SET x = 2;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_large_object_length
SELECT lo_create(771);
SELECT lo_truncate(lo_open(771, 393216), 900 + ascii(sex)) FROM clinic.patient LIMIT 1;
SELECT 'STORED' || length(lo_get(771));
--! canary STORED(1002|1009)
--! as doc:CARE owner:CARE

--! attack write_down_large_objects_unlinked
SELECT lo_create(99000 + n) FROM generate_series(95, 125) n;
SELECT lo_unlink(99000 + ascii(sex)) FROM clinic.patient WHERE sex = 'm' LIMIT 1;
SELECT 'STORED' || n FROM generate_series(95, 125) n WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 99000 + n);
--! canary STORED109
--! as doc:CARE owner:CARE

--! attack write_down_application_name
DO $$BEGIN EXECUTE 'SET application_name = kept_' || (SELECT min(sex) FROM clinic.patient); END$$;
SELECT 'STO' || 'RED' || application_name FROM pg_stat_activity;
--! as doc:CARE owner:CARE
--! canary STOREDkept_[fm]

--! attack write_down_application_name_by_functions
DO $$DECLARE kept text; BEGIN SELECT 'kept_' || min(sex) INTO kept FROM clinic.patient; PERFORM set_config('application_name', kept, false); END$$;
DO $$DECLARE kept text; BEGIN SELECT 'kept_' || min(sex) INTO kept FROM clinic.patient; kept := set_config('application_name', kept, false); END$$;
DO $$DECLARE kept text; BEGIN SELECT 'kept_' || min(sex) INTO kept FROM clinic.patient; UPDATE pg_settings SET setting = kept WHERE name = 'application_name'; END$$;
SELECT 'STO' || 'RED' || application_name FROM pg_stat_activity;
--! as doc:CARE owner:CARE
--! canary STOREDkept_[fm]

--! attack write_down_modifying_cte
CREATE TABLE lair.copy (stored text);
WITH u AS (UPDATE clinic.patient SET sex = sex RETURNING sex) INSERT INTO lair.copy SELECT sex FROM u;
WITH i AS (INSERT INTO lair.copy SELECT sex FROM clinic.patient RETURNING stored) UPDATE clinic.patient SET extra = 'x' FROM i;
WITH d AS (DELETE FROM clinic.diary RETURNING patient_id) MERGE INTO lair.copy USING d ON false WHEN NOT MATCHED THEN INSERT VALUES (patient_id::text);
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm5]
--! as doc:CARE owner:CARE

--! attack write_down_prepared_insert_by_name
CREATE TABLE lair.copy (stored text);
PREPARE ins(text) AS INSERT INTO lair.copy VALUES ($1);
DO $$BEGIN EXECUTE format('EXECUTE ins(%L)', (SELECT min(sex) FROM clinic.patient)); END$$;
EXECUTE ins((SELECT 'a'));
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_execute_parameter
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
PREPARE ins(text) AS INSERT INTO lair.copy VALUES ($1);
EXECUTE ins(lair.one());
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_call_parameter
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT min(sex) FROM clinic.patient); END$$;
CREATE PROCEDURE lair.put(text) LANGUAGE sql AS 'INSERT INTO lair.copy VALUES ($1)';
CREATE PROCEDURE lair.put2(text) LANGUAGE sql BEGIN ATOMIC INSERT INTO lair.copy VALUES ($1); END;
CALL lair.put(lair.one());
CALL lair.put2(lair.one());
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_out_parameter_of_a_procedure
CREATE TABLE lair.copy (stored text);
CREATE PROCEDURE lair.get(INOUT s text) LANGUAGE plpgsql AS $$BEGIN SELECT min(sex) INTO s FROM clinic.patient; END$$;
DO $$DECLARE s text; BEGIN CALL lair.get(s); INSERT INTO lair.copy VALUES (s); END$$;
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_sql_function_two_steps
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.read() RETURNS text LANGUAGE sql AS 'SELECT min(sex) FROM clinic.patient';
CREATE FUNCTION lair.both() RETURNS void LANGUAGE sql AS 'SELECT set_config(''lair.x'', lair.read(), false); INSERT INTO lair.copy VALUES (current_setting(''lair.x''));';
SELECT lair.both();
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_returns_query_and_after
CREATE TABLE lair.copy (stored text);
CREATE FUNCTION lair.rows() RETURNS SETOF text LANGUAGE plpgsql AS $$DECLARE s text; BEGIN FOR s IN SELECT sex FROM clinic.patient LOOP RETURN NEXT s; END LOOP; INSERT INTO lair.copy VALUES (s); END$$;
SELECT * FROM lair.rows();
CREATE FUNCTION lair.nested() RETURNS text LANGUAGE plpgsql AS $$DECLARE a text[]; BEGIN a := ARRAY(SELECT lair.rows()); INSERT INTO lair.copy VALUES (a[1]); RETURN ''; EXCEPTION WHEN OTHERS THEN INSERT INTO lair.copy VALUES (a[1]); RETURN ''; END$$;
SELECT lair.nested();
SELECT 'STORED' || stored FROM lair.copy;
--! canary STORED[fm]
--! as doc:CARE owner:CARE

--! attack write_down_identity_of_an_insert_default
CREATE SEQUENCE lair.seq;
CREATE TABLE lair.copy (x int DEFAULT nextval('lair.seq'));
DO $$DECLARE n int; BEGIN SELECT ascii(min(sex)) INTO n FROM clinic.patient; FOR i IN 1..n LOOP PERFORM nextval('lair.seq'); END LOOP; END$$;
ALTER SEQUENCE lair.seq RESTART 5;
DO $$DECLARE n int; BEGIN SELECT ascii(min(sex)) INTO n FROM clinic.patient; EXECUTE 'ALTER SEQUENCE lair.seq RESTART ' || n + 900; END$$;
SELECT 'STORED' || last_value FROM lair.seq;
--! canary STORED(1002|1009)
--! as doc:CARE owner:CARE

--! attack write_down_into_a_justification
SELECT twin_privacy.bind_use('CARE', string_agg('STO' || 'RED' || sex, ',')) FROM clinic.patient;
SELECT 'kept ' || current_setting('twin_privacy.justification', true);
SELECT 'kept ' || justification FROM twin_privacy.disclosures;
--! as doc:CARE owner:CARE
--! canary kept STORED[fm]

--! attack write_down_imported_statistics
--! since 18
SELECT pg_restore_relation_stats('schemaname', 'clinic', 'relname', 'patient', 'relpages', 1, 'reltuples', 5::real);
SELECT pg_restore_attribute_stats('schemaname', 'clinic', 'relname', 'patient', 'attname', 'sex', 'inherited', false, 'null_frac', 0::real, 'n_distinct', -1::real, 'most_common_vals', '{x}', 'most_common_freqs', '{0.5}'::real[]);
SELECT * FROM pg_stats WHERE tablename IN ('patient', 'visit_1');
SELECT stavalues1, stavalues2 FROM pg_statistic WHERE starelid = 'clinic.patient'::regclass;
SELECT pg_restore_attribute_stats('schemaname', 'lair', 'relname', 'mine', 'attname', 'x', 'inherited', false, 'null_frac', 0::real, 'most_common_vals', format('{%s}', string_agg('STO' || 'RED' || sex, ',')), 'most_common_freqs', '{0.5,0.2,0.1}'::real[]) FROM clinic.patient;
SELECT most_common_vals FROM pg_stats WHERE tablename = 'mine';
--! canary CNRY|STORED[fm]
--! as doc:CARE owner:CARE super:CARE
--! before
CREATE TABLE lair.mine (x text); ALTER TABLE lair.mine OWNER TO att_owner; INSERT INTO lair.mine VALUES ('a'); GRANT ALL ON lair.mine TO PUBLIC;
--! after
DROP TABLE lair.mine;

--! attack write_down_login_event_trigger
--! since 17
\c - att_doc
SELECT 'STORED' || stored FROM lair.copy;
--! as doc:CARE
--! canary STORED[fm]
--! before
CREATE TABLE lair.copy (stored text); GRANT ALL ON lair.copy TO PUBLIC;
CREATE FUNCTION lair.et() RETURNS event_trigger LANGUAGE plpgsql AS $$DECLARE s text; BEGIN IF session_user = 'att_doc' THEN PERFORM set_config('twin_privacy.use', 'CARE', false); SELECT min(sex) INTO s FROM clinic.patient; INSERT INTO lair.copy VALUES (s); END IF; END$$;
CREATE EVENT TRIGGER et ON login EXECUTE FUNCTION lair.et();
--! after
DROP EVENT TRIGGER et; DROP TABLE lair.copy; DROP FUNCTION lair.et;

--! attack write_down_by_which_view_or_lock
CREATE MATERIALIZED VIEW lair.view_f AS SELECT 1; CREATE MATERIALIZED VIEW lair.view_m AS SELECT 1; CREATE TABLE lair.lock_f (); CREATE TABLE lair.lock_m ();
DO $$DECLARE s text; BEGIN SELECT min(sex) INTO s FROM clinic.patient; EXECUTE format('REFRESH MATERIALIZED VIEW lair.view_%s WITH NO DATA', s); END$$;
SELECT 'STORED' FROM pg_class WHERE relname = 'view_f' AND NOT relispopulated;
SAVEPOINT s;
CREATE FUNCTION lair.lock_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('LOCK TABLE lair.lock_%s IN SHARE MODE', $1); RETURN ''; END$$;
SELECT lair.lock_it(min(sex)) FROM clinic.patient;
SELECT 'STORED' FROM pg_locks WHERE relation = 'lair.lock_f'::regclass AND mode = 'ShareLock';
--! canary ^STORED

--! attack write_down_count_of_large_objects
SELECT count(lo_creat(-1)) FROM clinic.patient WHERE sex = 'f';
SELECT 'STO' || 'RED' || count(*) FROM pg_largeobject_metadata WHERE lomowner = session_user::regrole;
--! canary STORED[1-9]

--! attack write_down_into_an_order_to_unseal
SELECT twin_privacy.request_unseal('CARE', 5, 'STO' || 'RED' || sex) FROM clinic.patient;
SELECT twin_privacy.acknowledge_use('OATH') FROM clinic.patient WHERE sex = 'f';
SELECT u::text FROM twin_privacy.my_uses u; SELECT * FROM twin_privacy.ledger_events;
SELECT 'kept', reason FROM twin_privacy_internal.unseal_order;
--! as doc:CARE super:CARE
--! canary STORED[fm]

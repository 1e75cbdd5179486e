--! everybody doc:CARE owner:CARE bypass:CARE super:CARE analyst:RES nobody:none

--! attack update_where_hidden_column
UPDATE clinic.patient SET extra = 'found' WHERE genome = 'CN' || 'RYgen1' RETURNING extra || ' ' || 'SEEN' || id;
--! canary SEEN55

--! attack update_returning_hidden_column
UPDATE clinic.patient SET zip = zip RETURNING genome;

--! attack update_copies_hidden_to_open_column
UPDATE clinic.patient SET zip = genome;
SELECT zip FROM clinic.patient;

--! attack update_returning_hidden_rows
UPDATE clinic.patient SET zip = '1' WHERE id > 0 RETURNING patient;

--! attack delete_returning
DELETE FROM clinic.diary RETURNING left(body, 20), patient_id;
DELETE FROM clinic.patient RETURNING *;

--! attack insert_on_conflict_returning
INSERT INTO clinic.patient (id, name, sex) SELECT 770000000 * 10::bigint + 4, 'a', 'f'
ON CONFLICT (id) DO UPDATE SET sex = excluded.sex RETURNING *;

--! attack insert_on_conflict_sets_hidden
INSERT INTO clinic.patient (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f'
ON CONFLICT (id) DO UPDATE SET zip = patient.genome RETURNING *;

--! attack insert_on_conflict_where_hidden
INSERT INTO clinic.patient (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f'
ON CONFLICT (id) DO UPDATE SET sex = 'f' WHERE patient.genome = 'CN' || 'RYgen1' RETURNING 'SEEN' || patient.sex;
--! canary SEENf

--! attack merge_copies_hidden
MERGE INTO clinic.patient p USING (VALUES (550000000 * 10::bigint + 1)) s(id) ON p.id = s.id
WHEN MATCHED THEN UPDATE SET zip = genome;
SELECT zip FROM clinic.patient;

--! attack merge_condition_on_hidden
MERGE INTO clinic.patient p USING (VALUES (550000000 * 10::bigint + 1)) s(id) ON p.id = s.id
WHEN MATCHED AND genome = 'CN' || 'RYgen1' THEN UPDATE SET zip = 'SEEN' || 'zip';
SELECT zip FROM clinic.patient;
--! canary SEENzip

--! attack merge_deletes_hidden_rows
MERGE INTO clinic.patient p USING (VALUES (770000000 * 10::bigint + 4)) s(id) ON p.id = s.id
WHEN MATCHED THEN DELETE;
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT 'LEFT' || count(*) FROM clinic.patient;
--! as super:CARE
--! canary LEFT5

--! attack path_moved_to_another_consent
UPDATE clinic.lab_order SET patient_id = 550000000 * 10::bigint + 1 WHERE patient_id = 770000000 * 10::bigint + 4;
UPDATE clinic.result SET order_id = 1;
SELECT * FROM clinic.result;
SELECT * FROM clinic.lab_order;

--! attack subject_of_hidden_rows_by_cascade
UPDATE clinic.patient SET id = 550000000 * 10::bigint + 7 WHERE id = 770000000 * 10::bigint + 4;
SELECT * FROM clinic.lab_order;

--! attack insert_for_unconsenting_subject
INSERT INTO clinic.diary SELECT 770000000 * 10::bigint + 4, 'STORED' || 'diary';
INSERT INTO clinic.visit (id, patient_id, note) SELECT 50, 770000000 * 10::bigint + 4, 'STORED' || 'visit';
INSERT INTO clinic.visit_1 (id, patient_id, note) SELECT 50, 770000000 * 10::bigint + 4, 'STORED' || 'part';
INSERT INTO clinic.derived (id, patient_id, note) SELECT 50, 770000000 * 10::bigint + 4, 'STORED' || 'child';
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT body FROM clinic.diary WHERE body LIKE 'ST%';
SELECT note FROM clinic.visit WHERE note LIKE 'ST%';
SELECT note FROM clinic.base WHERE note LIKE 'ST%';
--! as super:CARE
--! canary STORED(diary|visit|part|child)

--! attack write_down_ctas
CREATE TABLE lair.copy AS SELECT * FROM clinic.patient;
CREATE TEMP TABLE copy AS SELECT secret AS stored FROM clinic.patient;
SELECT * INTO lair.copy2 FROM clinic.patient;
SELECT 'STORED' || count(*) FROM pg_class WHERE relname LIKE 'copy%';
--! canary STORED[123]

--! attack write_down_insert_select
CREATE TABLE lair.copy (stored text);
INSERT INTO lair.copy SELECT sex FROM clinic.patient;
WITH w AS (INSERT INTO lair.copy SELECT sex FROM clinic.patient RETURNING 1) SELECT 1;
INSERT INTO lair.copy VALUES ((SELECT min(sex) FROM clinic.patient));
SELECT 'STORED' || count(*) FROM lair.copy WHERE stored IS NOT NULL;
--! canary STORED[1-9]

--! attack write_down_update_merge
CREATE TABLE lair.copy (stored text);
INSERT INTO lair.copy VALUES (NULL);
UPDATE lair.copy SET stored = p.sex FROM clinic.patient p;
UPDATE lair.copy SET stored = (SELECT min(sex) FROM clinic.patient);
MERGE INTO lair.copy USING clinic.patient p ON p.sex = stored WHEN NOT MATCHED THEN INSERT VALUES (p.sex);
SELECT 'STORED' || count(*) FROM lair.copy WHERE stored IS NOT NULL;
--! canary STORED[1-9]

--! attack write_down_rule_on_view
CREATE TABLE lair.copy (stored text);
CREATE VIEW lair.v AS SELECT * FROM clinic.patient;
CREATE RULE r AS ON UPDATE TO lair.v DO ALSO INSERT INTO lair.copy VALUES (OLD.sex);
UPDATE lair.v SET sex = sex;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_trigger_on_view
CREATE TABLE lair.copy (stored text);
CREATE VIEW lair.v AS SELECT * FROM clinic.patient;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy VALUES (OLD.sex); RETURN OLD; END$$;
CREATE TRIGGER t INSTEAD OF UPDATE ON lair.v FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE lair.v SET sex = sex;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_trigger_on_own_table
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.bait (x text);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy SELECT sex FROM clinic.patient; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE INSERT ON lair.bait FOR EACH ROW EXECUTE FUNCTION lair.trig();
INSERT INTO lair.bait VALUES (1);
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

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

--! attack copy_from_for_unconsenting_subject
\copy clinic.diary from program 'printf "770000000""4\tSTOR""EDcopy\n"'
\copy clinic.visit (id, patient_id, note) from program 'printf "51\t770000000""4\tSTOR""EDcopy\n"'
\copy clinic.visit_1 (id, patient_id, note) from program 'printf "52\t770000000""4\tSTOR""EDcopy\n"'
\copy clinic.patient (id, name, sex, genome) from program 'printf "1\tn\tf\tSTOR""EDcopy\n"'
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT 'GOT' || body FROM clinic.diary WHERE body LIKE 'ST%' UNION ALL SELECT 'GOT' || note FROM clinic.visit WHERE note LIKE 'ST%' UNION ALL SELECT 'GOT' || genome FROM clinic.patient WHERE genome LIKE 'ST%';
--! as super:CARE
--! canary GOTSTOREDcopy

--! attack copy_from_closed_category
\copy clinic.patient (id, name, sex, genome) from program 'printf "550000000""1\tn\tf\tSTOR""EDcopy\n"'
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT 'GOT' || genome FROM clinic.patient WHERE genome LIKE 'ST%';
--! as super:CARE2
--! canary GOTSTOREDcopy
--! before
DELETE FROM clinic.patient WHERE id = 5500000001;
--! after
INSERT INTO clinic.patient VALUES (5500000001, 'IDNTname1', '1971-08-11', '90211', 'f', 'CNRYgen1', 1.5, 'IDNTextra1');
INSERT INTO clinic.lab_order VALUES (1, 5500000001, 'GLU', 1);
INSERT INTO clinic.result VALUES (10, 1, 1, 'IDNTremark1');

--! attack write_down_role_names
CREATE FUNCTION lair.role_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE ROLE %I', 'stored_' || $1); RETURN ''; END$$;
SELECT lair.role_it(min(sex)) FROM clinic.patient;
SELECT 'SEEN' || rolname FROM pg_roles WHERE rolname LIKE 'stored%';
--! as super:CARE
--! canary SEENstored_[fm]

--! attack conflict_condition_sees_the_hidden_row
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
INSERT INTO clinic.lab_order AS o VALUES (4, 550000000 * 10::bigint + 1, 'x', 1) ON CONFLICT (id) DO UPDATE SET price = 1 WHERE lair.tell(o.code);
INSERT INTO clinic.lab_order AS o VALUES (4, 550000000 * 10::bigint + 1, 'x', 1) ON CONFLICT (id) DO UPDATE SET price = 1 WHERE lair.tell(o::text);
--! as owner:CARE doc:CARE bypass:CARE super:CARE

--! attack conflict_condition_guesses_hidden_values
INSERT INTO clinic.lab_order AS o VALUES (4, 550000000 * 10::bigint + 1, 'x', 1) ON CONFLICT (id) DO UPDATE SET price = 1 WHERE 1 / (o.price - 867530 * 10 - 9) > 0;
--! as owner:CARE doc:CARE super:CARE
--! canary division by zero

--! attack path_moved_by_delete_and_insert
ALTER TABLE clinic.result ALTER CONSTRAINT result_order_id_fkey DEFERRABLE INITIALLY DEFERRED;
DELETE FROM clinic.lab_order WHERE id = 1;
INSERT INTO clinic.lab_order VALUES (1, 550000000 * 10::bigint + 3, 'GLU', 1);
SELECT gene FROM clinic.result WHERE id = 10;
--! as owner:CARE2 super:CARE2
--! canary CNRYgene10
--! before
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES clinic.lab_order, ADD gene text;
UPDATE clinic.result SET gene = 'CNRYgene' || id;
SELECT twin_privacy.label_column('clinic.result', 'gene', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES clinic.lab_order ON DELETE CASCADE, DROP gene;

--! attack write_down_cached_simple_expression
CREATE FUNCTION lair.keep(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN set_config('lair.kept', coalesce(current_setting('lair.kept', true), '') || $1, false); END$$;
SELECT lair.keep('');
SELECT lair.keep(sex) FROM clinic.patient;
SELECT 'STORED' || current_setting('lair.kept');
--! canary STORED[fm]

--! attack write_down_as_names
CREATE FUNCTION lair.name_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE SCHEMA %I', 'stored_' || $1); RETURN ''; END$$;
CREATE FUNCTION lair.seq_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE SEQUENCE lair.%I', 'stored_' || $1); RETURN ''; END$$;
CREATE FUNCTION lair.prepare_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('PREPARE %I AS SELECT 1', 'stored_' || $1); RETURN ''; END$$;
CREATE FUNCTION lair.domain_it(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE DOMAIN lair.%I AS text', 'stored_' || $1); RETURN ''; END$$;
SELECT lair.name_it(min(sex)), lair.name_it(max(sex)) FROM clinic.patient;
SELECT lair.seq_it(min(sex)) FROM clinic.patient;
SELECT lair.prepare_it(min(sex)) FROM clinic.patient;
SELECT lair.domain_it(min(sex)) FROM clinic.patient;
SELECT 'SEEN' || nspname FROM pg_namespace WHERE nspname LIKE 'stored%' UNION ALL SELECT 'SEEN' || relname FROM pg_class WHERE relname LIKE 'stored%'
UNION ALL SELECT 'SEEN' || name FROM pg_prepared_statements WHERE name LIKE 'stored%' UNION ALL SELECT 'SEEN' || typname FROM pg_type WHERE typname LIKE 'stored%';
--! canary SEENstored_[fm]

--! attack write_down_large_object_numbers
SELECT lo_create(99000 + secret::int) FROM clinic.patient WHERE sex = 'm' ORDER BY secret LIMIT 1;
SELECT 'STORED' || max(oid::bigint) FROM pg_largeobject_metadata;
--! canary STORED(9900|877|867)

--! attack syntax_of_newer_servers
UPDATE clinic.patient SET sex = sex RETURNING OLD.genome, NEW.genome;
UPDATE clinic.patient SET zip = 'x' RETURNING OLD, NEW, OLD.*, NEW.*;
UPDATE clinic.patient SET extra = 'x' RETURNING WITH (OLD AS o, NEW AS n) o.genome, n;
DELETE FROM clinic.diary RETURNING OLD, NEW;
INSERT INTO clinic.patient (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f' ON CONFLICT (id) DO UPDATE SET sex = 'm' RETURNING OLD.genome, NEW.genome, OLD, NEW;
MERGE INTO clinic.patient p USING (VALUES (1)) s(id) ON p.id = s.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET zip = genome RETURNING merge_action(), p.*;
MERGE INTO clinic.patient p USING (VALUES (1)) s(id) ON p.id = s.id WHEN NOT MATCHED BY SOURCE AND genome LIKE 'C%' THEN UPDATE SET zip = 'SEEN' || 'zip' RETURNING merge_action(), p, OLD, NEW;
MERGE INTO clinic.patient p USING (VALUES (1)) s(id) ON p.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING p, OLD.genome;
WITH m AS (MERGE INTO clinic.patient p USING (VALUES (1)) s(id) ON p.id = s.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET sex = 'f' RETURNING p.genome) SELECT * FROM m;
SELECT j.* FROM clinic.patient p, JSON_TABLE(to_jsonb(p), '$' COLUMNS (g text PATH '$.genome', n text PATH '$.secret')) j;
SELECT JSON_OBJECTAGG(p.id VALUE p), JSON_ARRAYAGG(p.genome), JSON_OBJECT('a' VALUE max(p.genome)) FROM clinic.patient p;
ALTER TABLE clinic.patient ADD virtual text GENERATED ALWAYS AS (genome) VIRTUAL;
SELECT virtual FROM clinic.patient;
SELECT genome, zip FROM clinic.patient;
--! canary CNRY|8675309|SEENzip

--! attack write_down_plpgsql_loop
CREATE TABLE lair.copy (stored text);
DO $$DECLARE r record; BEGIN FOR r IN SELECT sex FROM clinic.patient LOOP INSERT INTO lair.copy VALUES (r.sex); END LOOP; END$$;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_dynamic_sql
DO $$BEGIN EXECUTE format('CREATE TABLE lair.copy AS SELECT %L AS stored', (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'STORED' || count(*) FROM lair.copy;
--! canary STORED[1-9]

--! attack write_down_cursor_fetch
CREATE TABLE lair.copy (stored text);
DO $$DECLARE c CURSOR FOR SELECT sex FROM clinic.patient; s text; BEGIN OPEN c; FETCH c INTO s; INSERT INTO lair.copy VALUES (s); END$$;
SELECT 'STORED' || count(*) FROM lair.copy WHERE stored IS NOT NULL;
--! canary STORED[1-9]

--! attack write_down_column_default_comment
DO $$BEGIN EXECUTE format('COMMENT ON SCHEMA lair IS %L', (SELECT min(sex) FROM clinic.patient)); END$$;
SELECT 'STORED' || obj_description('lair'::regnamespace);
--! as super:CARE super:RES
--! canary STORED[fm]

--! attack subject_moved_by_a_cascade_from_ones_own_table
CREATE TABLE lair.people (id bigint PRIMARY KEY);
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES lair.people ON UPDATE CASCADE NOT VALID;
INSERT INTO lair.people SELECT 770000000 * 10::bigint + 4;
UPDATE lair.people SET id = 550000000 * 10::bigint + 1;
SELECT patient_id, left(body, 20) FROM clinic.diary;
--! as owner:CARE
--! canary CNRYtoast

--! attack subject_moved_by_a_default_on_delete
ALTER TABLE clinic.diary ALTER patient_id SET DEFAULT 550000000 * 10::bigint + 1;
CREATE TABLE lair.people (id bigint PRIMARY KEY);
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES lair.people ON DELETE SET DEFAULT NOT VALID;
INSERT INTO lair.people SELECT 770000000 * 10::bigint + n FROM generate_series(0, 9) n;
INSERT INTO lair.people SELECT 550000000 * 10::bigint + n FROM generate_series(0, 9) n;
DELETE FROM lair.people WHERE id > 600000000 * 10::bigint;
SELECT patient_id, left(body, 20) FROM clinic.diary;
--! as owner:CARE
--! canary CNRYtoast

--! attack subject_moved_by_a_cascade_of_a_protected_table
UPDATE lair.person SET id = 550000000 * 10::bigint + 3 WHERE id = 550000000 * 10::bigint + 1;
SELECT * FROM lair.gene;
--! as doc:CARE2 owner:CARE2 bypass:CARE2 super:CARE2
--! canary CNRYgene
--! before
CREATE TABLE lair.person (id bigint PRIMARY KEY);
CREATE TABLE lair.gene (person_id bigint REFERENCES lair.person ON UPDATE CASCADE, g text);
INSERT INTO lair.person VALUES (5500000001); INSERT INTO lair.gene VALUES (5500000001, 'CNRYgene');
GRANT ALL ON lair.person, lair.gene TO PUBLIC;
SELECT twin_privacy.protect_table('lair.person', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.gene', subject => 'person_id', category => 'genomics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.gene, lair.person;

--! attack subject_moved_by_a_cascade_into_a_child
CREATE TABLE lair.people (id bigint PRIMARY KEY);
ALTER TABLE clinic.derived ADD FOREIGN KEY (patient_id) REFERENCES lair.people ON UPDATE CASCADE NOT VALID;
INSERT INTO lair.people SELECT 770000000 * 10::bigint + 4;
UPDATE lair.people SET id = 550000000 * 10::bigint + 1;
MERGE INTO lair.people USING (VALUES (1)) v(x) ON true WHEN MATCHED THEN UPDATE SET id = 550000000 * 10::bigint + 1;
INSERT INTO lair.people SELECT 770000000 * 10::bigint + 4 ON CONFLICT (id) DO UPDATE SET id = 550000000 * 10::bigint + 2;
SELECT * FROM clinic.base;
--! as owner:CARE
--! canary CNRYderived

--! attack path_moved_by_merge
MERGE INTO clinic.lab_order o USING (VALUES (1)) s(id) ON o.id = s.id WHEN MATCHED THEN DELETE;
INSERT INTO clinic.lab_order VALUES (1, 550000000 * 10::bigint + 3, 'GLU', 1);
SELECT gene FROM clinic.result WHERE id = 10;
--! as owner:CARE2 doc:CARE2
--! canary CNRYgene10
--! before
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES clinic.lab_order DEFERRABLE INITIALLY DEFERRED, ADD gene text;
UPDATE clinic.result SET gene = 'CNRYgene' || id;
SELECT twin_privacy.label_column('clinic.result', 'gene', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES clinic.lab_order ON DELETE CASCADE, DROP gene;

--! attack labels_changed_by_a_cascade
UPDATE lair.codes SET code = 'N' WHERE code = 'R';
SELECT * FROM lair.labelled;
--! as owner:CARE doc:CARE
--! canary CNRYlabelled
--! before
CREATE TABLE lair.codes (code text PRIMARY KEY); INSERT INTO lair.codes VALUES ('R');
CREATE TABLE lair.labelled (id bigint, note text, label text REFERENCES lair.codes ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 'R');
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled, lair.codes;

--! attack labels_emptied_by_a_delete
DELETE FROM lair.codes;
SELECT * FROM lair.labelled;
--! as owner:CARE doc:CARE
--! canary CNRYlabelled
--! before
CREATE TABLE lair.codes (code text PRIMARY KEY); INSERT INTO lair.codes VALUES ('R');
CREATE TABLE lair.labelled (id bigint, note text, label text REFERENCES lair.codes ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 'R');
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled, lair.codes;

--! attack labels_taken_off_by_an_update
UPDATE clinic.visit SET labels = '{}';
UPDATE clinic.visit SET labels = NULL, note = note WHERE labels IS NOT NULL;
INSERT INTO clinic.visit SELECT 5, 550000000 * 10::bigint + 1, NULL, 'x', '{R}', 1;
SELECT * FROM clinic.visit;
--! canary CNRYlabelled
--! as owner:CARE doc:CARE super:CARE

--! attack merge_every_arm_with_a_leaky_function
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN 'x'; END$$;
MERGE INTO clinic.patient p USING clinic.lab_order s ON p.id = s.patient_id AND lair.tell(p.genome) AND lair.tell(p.name) AND lair.tell(s.code)
WHEN MATCHED AND lair.tell(p.genome) AND lair.tell(p::text) THEN UPDATE SET zip = lair.say(s.code)
WHEN MATCHED AND lair.tell(p.name || s.code) THEN DELETE
WHEN NOT MATCHED AND lair.tell(s.code) THEN INSERT (id, name, sex) VALUES (1, lair.say(s.code), 'f');
MERGE INTO clinic.patient p USING (SELECT q, q.genome AS g FROM clinic.patient q) s ON lair.tell(s.g) AND lair.tell(s.q::text) AND lair.tell(p.genome)
WHEN MATCHED THEN UPDATE SET extra = lair.say(p::text) WHEN NOT MATCHED THEN DO NOTHING;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack on_conflict_with_whole_rows
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN 'x'; END$$;
INSERT INTO clinic.patient AS p (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f'
ON CONFLICT (id) DO UPDATE SET extra = lair.say(p::text), zip = lair.say((SELECT p.genome || excluded::text)) WHERE lair.say(p.genome) IS NOT NULL AND lair.say(excluded::text || p::text) IS NOT NULL RETURNING lair.say(p::text), p, (SELECT p.genome);
INSERT INTO clinic.patient AS p SELECT (q).* FROM (SELECT q FROM clinic.patient q) x ON CONFLICT (id) DO UPDATE SET extra = excluded.genome, zip = coalesce(excluded.genome, p.genome) RETURNING *;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack assignments_from_other_rows
UPDATE clinic.patient p SET (zip, extra) = (SELECT q.genome, lair.say(q::text) FROM clinic.patient q WHERE q.ctid = p.ctid) RETURNING *;
UPDATE clinic.patient p SET extra = lair.say(q::text || q.genome) FROM clinic.patient q, LATERAL (SELECT q.*, p.*) l(a, b, c, d, e, f) WHERE q.ctid = p.ctid AND lair.say(l::text) = 'x' RETURNING p.*, q.*, l;
DELETE FROM clinic.diary d USING clinic.patient p WHERE p.id = d.patient_id AND lair.say(p::text) = 'x' AND lair.say(left(d::text, 40)) = 'x' RETURNING left(d.body, 12), p;
--! as doc:CARE owner:CARE bypass:CARE super:CARE
--! before
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN 'x'; END$$;
--! after
DROP FUNCTION lair.say;

--! attack write_down_advisory_lock
SELECT pg_advisory_lock(length(sex), 4711) FROM clinic.patient LIMIT 1;
SELECT pg_try_advisory_xact_lock_shared(4711, length(sex)) FROM clinic.patient LIMIT 1;
SELECT 'STORED' || classid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND pid = pg_backend_pid();
--! canary STORED1

--! attack write_down_seed
SELECT setseed(1.0 / (ascii(min(sex)) + 1)) FROM clinic.patient;
SELECT random() AS kept \gset
SELECT setseed(1.0 / (ascii('f') + 1));
SELECT 'STORED' || (random() = :kept);
--! canary STOREDtrue

--! attack insert_closed_category_by_a_view_default
CREATE VIEW lair.v AS SELECT * FROM clinic.patient;
ALTER VIEW lair.v ALTER genome SET DEFAULT 'STORED' || 'gene';
DELETE FROM clinic.lab_order; DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 1;
INSERT INTO lair.v (id, name, sex) SELECT 550000000 * 10::bigint + 1 , 'n', 'f';
INSERT INTO lair.v (id, name, sex, genome) SELECT 550000000 * 10::bigint + 1 , 'n', 'f', 'STORED' || 'gene2';
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT genome FROM clinic.patient;
--! as super:CARE2 super:CARE
--! canary STOREDgene

--! attack insert_through_a_rule_into_hidden
CREATE VIEW lair.v AS SELECT id, name, sex FROM clinic.patient;
CREATE RULE r AS ON INSERT TO lair.v DO INSTEAD INSERT INTO clinic.patient (id, name, sex, genome) VALUES (NEW.id, NEW.name, NEW.sex, 'STORED' || 'rule') RETURNING id, name, genome;
DELETE FROM clinic.lab_order; DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 1;
INSERT INTO lair.v SELECT 550000000 * 10::bigint + 1 , 'n', 'f';
INSERT INTO lair.v SELECT 770000000 * 10::bigint + 9 , 'n', 'f' RETURNING *;
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT 'GOT' || id || genome FROM clinic.patient WHERE genome LIKE 'STO%';
--! as super:CARE2 super:CARE
--! canary GOT\d

--! attack merge_insert_closed_category
DELETE FROM clinic.lab_order; DELETE FROM clinic.patient WHERE id = 550000000 * 10::bigint + 1;
MERGE INTO clinic.patient p USING (VALUES (550000000 * 10::bigint + 1)) s(id) ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, name, sex, genome) VALUES (s.id, 'n', 'f', 'STORED' || 'merge');
MERGE INTO clinic.patient p USING (VALUES (770000000 * 10::bigint + 9)) s(id) ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, name, sex) VALUES (s.id, 'STORED' || 'merge', 'f');
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
SELECT 'GOT' || id FROM clinic.patient WHERE genome LIKE 'STO%' OR name LIKE 'STO%';
--! as super:CARE2 super:CARE
--! canary GOT\d

--! attack conflict_through_parent_into_strict_child
INSERT INTO lair.tree (id, patient_id, note) VALUES (1, 550000000 * 10::bigint + 1, 'x') ON CONFLICT (id) DO UPDATE SET note = tree.note || '' RETURNING note;
INSERT INTO lair.tree (id, patient_id, note) VALUES (1, 550000000 * 10::bigint + 1, 'x') ON CONFLICT (id) DO UPDATE SET patient_id = tree.patient_id RETURNING note, tree;
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.tree (id int PRIMARY KEY, patient_id bigint, note text) PARTITION BY RANGE (id);
CREATE TABLE lair.leaf (id int PRIMARY KEY, patient_id bigint, note text);
INSERT INTO lair.leaf VALUES (1, 5500000001, 'CNRYleaf');
GRANT ALL ON lair.tree, lair.leaf TO PUBLIC;
SELECT twin_privacy.protect_table('lair.tree', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.leaf', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.leaf', 'note', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ALTER TABLE lair.tree ATTACH PARTITION lair.leaf FOR VALUES FROM (0) TO (100);
--! after
DROP TABLE lair.tree;

--! attack update_moves_rows_into_strict_child_and_back
UPDATE lair.tree SET id = 1 WHERE id = 101 RETURNING note;
SELECT note FROM lair.tree; SELECT note FROM lair.leaf;
UPDATE lair.leaf SET id = id;
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.tree (id int PRIMARY KEY, patient_id bigint, note text) PARTITION BY RANGE (id);
CREATE TABLE lair.leaf (id int PRIMARY KEY, patient_id bigint, note text);
INSERT INTO lair.leaf VALUES (2, 5500000001, 'CNRYleaf');
CREATE TABLE lair.leaf2 PARTITION OF lair.tree FOR VALUES FROM (100) TO (200); INSERT INTO lair.leaf2 VALUES (101, 5500000001, 'plain');
GRANT ALL ON lair.tree, lair.leaf, lair.leaf2 TO PUBLIC;
SELECT twin_privacy.protect_table('lair.tree', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.leaf', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.leaf', 'note', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ALTER TABLE lair.tree ATTACH PARTITION lair.leaf FOR VALUES FROM (0) TO (100);
--! after
DROP TABLE lair.tree;

--! attack path_moved_through_a_parent_of_the_step
UPDATE lair.above SET patient_id = 550000000 * 10::bigint + 3 WHERE id = 1;
SELECT gene FROM lair.res;
--! as doc:CARE2 owner:CARE2
--! before
CREATE TABLE lair.above (id int NOT NULL, patient_id bigint);
CREATE TABLE lair.ord (PRIMARY KEY (id)) INHERITS (lair.above); INSERT INTO lair.ord VALUES (1, 5500000001);
CREATE TABLE lair.res (id int, order_id int REFERENCES lair.ord, gene text); INSERT INTO lair.res VALUES (1, 1, 'CNRYgene');
GRANT ALL ON lair.above, lair.ord, lair.res TO PUBLIC;
SELECT twin_privacy.protect_table('lair.above', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.res', subject => 'order_id -> lair.ord(id).patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.res', 'gene', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.res, lair.ord, lair.above;

--! attack path_deleted_through_a_parent_of_the_step
DELETE FROM lair.above WHERE id = 1;
INSERT INTO lair.ord VALUES (1, 550000000 * 10::bigint + 3);
SELECT gene FROM lair.res;
--! as doc:CARE2 owner:CARE2
--! before
CREATE TABLE lair.above (id int NOT NULL, patient_id bigint);
CREATE TABLE lair.ord (PRIMARY KEY (id)) INHERITS (lair.above); INSERT INTO lair.ord VALUES (1, 5500000001);
CREATE TABLE lair.res (id int, order_id int, gene text); INSERT INTO lair.res VALUES (1, 1, 'CNRYgene');
GRANT ALL ON lair.above, lair.ord, lair.res TO PUBLIC;
SELECT twin_privacy.protect_table('lair.above', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.res', subject => 'order_id -> lair.ord(id).patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.res', 'gene', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.res, lair.ord, lair.above;

--! attack subject_moved_by_a_cascade_from_a_partition
CREATE TABLE lair.people (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE lair.people1 PARTITION OF lair.people DEFAULT;
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES lair.people ON UPDATE CASCADE NOT VALID;
INSERT INTO lair.people SELECT 770000000 * 10::bigint + 4;
UPDATE lair.people1 SET id = 550000000 * 10::bigint + 1;
SELECT patient_id, left(body, 20) FROM clinic.diary;
--! as owner:CARE
--! canary CNRYtoast

--! attack key_dropped_meanwhile_orders_moved
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
DELETE FROM clinic.lab_order WHERE id = 1;
INSERT INTO clinic.lab_order VALUES (1, 550000000 * 10::bigint + 3, 'GLU', 1);
ALTER TABLE clinic.lab_order ADD PRIMARY KEY (id);
SELECT gene FROM clinic.result WHERE id = 10;
--! as owner:CARE2 super:CARE2
--! canary CNRYgene10
--! before
ALTER TABLE clinic.result ADD gene text;
UPDATE clinic.result SET gene = 'CNRYgene' || id;
SELECT twin_privacy.label_column('clinic.result', 'gene', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
ALTER TABLE clinic.result DROP gene;

--! attack key_dropped_and_table_swapped
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER TABLE clinic.lab_order RENAME TO gone;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint);
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result;
--! as owner:CARE owner:RES

--! attack update_from_view_with_instead_rule
CREATE VIEW lair.v AS SELECT id, sex, genome, secret FROM clinic.patient;
CREATE RULE r AS ON UPDATE TO lair.v DO INSTEAD UPDATE clinic.patient p SET zip = OLD.genome, extra = OLD.genome || NEW.sex FROM clinic.lab_order o WHERE p.id = OLD.id AND o.patient_id = p.id RETURNING p.id, p.sex, OLD.genome, p.secret;
UPDATE lair.v SET sex = 'x' WHERE genome LIKE 'C%' RETURNING *;
UPDATE lair.v SET sex = 'x' RETURNING *;
SELECT zip, extra FROM clinic.patient;
CREATE RULE d AS ON DELETE TO lair.v DO INSTEAD DELETE FROM clinic.diary d USING clinic.patient p WHERE d.patient_id = OLD.id AND p.ctid = p.ctid RETURNING OLD.id, p.sex, p.genome, p.secret;
DELETE FROM lair.v RETURNING *;
--! as doc:CARE owner:CARE

--! attack merge_source_and_target_same_rows
MERGE INTO clinic.patient p USING clinic.patient q ON p.id = q.id AND q.genome IS NOT NULL WHEN MATCHED THEN UPDATE SET zip = 'SEEN' || 'zip';
MERGE INTO clinic.patient p USING (SELECT id, genome FROM clinic.patient) q ON p.id = q.id WHEN MATCHED AND q.genome LIKE 'C%' THEN UPDATE SET zip = 'SEEN' || 'zip' WHEN MATCHED AND p.genome LIKE 'C%' THEN DELETE;
MERGE INTO lair.v p USING (VALUES (1)) q ON true WHEN MATCHED AND genome LIKE 'C%' THEN UPDATE SET zip = 'SEEN' || 'zip' WHEN MATCHED THEN UPDATE SET extra = genome;
SELECT zip, extra FROM clinic.patient;
--! as doc:CARE owner:CARE
--! before
CREATE VIEW lair.v AS SELECT * FROM clinic.patient; GRANT ALL ON lair.v TO PUBLIC;
--! after
DROP VIEW lair.v;
--! canary SEENzip|CNRY

--! attack on_conflict_do_nothing_counts
WITH i AS (INSERT INTO clinic.patient (id, name, sex) SELECT 770000000 * 10::bigint + n, 'a', 'f' FROM generate_series(1, 9) n ON CONFLICT DO NOTHING RETURNING id) SELECT 'free', id - 770000000 * 10::bigint FROM i;
INSERT INTO clinic.patient (id, name, sex) SELECT 550000000 * 10::bigint + n, 'a', 'f' FROM generate_series(1, 9) n ON CONFLICT (id) DO UPDATE SET sex = patient.sex WHERE patient.genome LIKE 'C%' RETURNING 'SEEN' || id;
--! canary SEEN550000000[12]
--! as doc:CARE owner:CARE

--! attack returning_old_and_new_everywhere
--! since 18
UPDATE clinic.patient SET zip = 'x' RETURNING OLD.zip, OLD.genome, NEW.genome, OLD, NEW, to_jsonb(OLD), (SELECT NEW.genome), (SELECT o FROM (SELECT OLD.*) o);
DELETE FROM clinic.patient RETURNING OLD.*, NEW.*, OLD.genome;
INSERT INTO clinic.patient AS p (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f' ON CONFLICT (id) DO UPDATE SET sex = OLD_sex(p) RETURNING OLD, NEW;
INSERT INTO clinic.patient AS p (id, name, sex) SELECT 550000000 * 10::bigint + 1, 'a', 'f' ON CONFLICT (id) DO UPDATE SET sex = p.sex RETURNING WITH (OLD AS o, NEW AS n) o.*, n.*, o.genome || n.genome, (o).genome;
WITH u AS (UPDATE clinic.patient SET zip = 'x' RETURNING OLD AS o, NEW AS n) SELECT (o).*, (n).genome FROM u;
UPDATE lair.v SET zip = 'x' RETURNING OLD, NEW, OLD.genome;
MERGE INTO lair.v v USING (VALUES (1)) s ON true WHEN MATCHED AND v.genome LIKE 'C%' THEN UPDATE SET zip = 'SEEN' || 'zip' WHEN MATCHED THEN UPDATE SET zip = 'y' RETURNING merge_action(), OLD, NEW, v.genome;
MERGE INTO clinic.patient p USING (SELECT * FROM clinic.patient) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET zip = s.zip RETURNING OLD.genome, NEW, s, p;
MERGE INTO clinic.patient p USING (VALUES (1)) s(id) ON p.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING OLD, NEW, p;
MERGE INTO lair.iv v USING (VALUES (1)) s ON true WHEN MATCHED THEN UPDATE SET zip = v.genome RETURNING OLD, NEW, v;
--! as doc:CARE owner:CARE super:CARE
--! before
CREATE VIEW lair.v AS SELECT * FROM clinic.patient; GRANT ALL ON lair.v TO PUBLIC;
CREATE VIEW lair.iv AS SELECT * FROM clinic.patient; GRANT ALL ON lair.iv TO PUBLIC;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told % %', OLD, NEW; RETURN NEW; END$$;
CREATE TRIGGER t INSTEAD OF UPDATE ON lair.iv FOR EACH ROW EXECUTE FUNCTION lair.trig();
--! after
DROP VIEW lair.v, lair.iv; DROP FUNCTION lair.trig;
--! canary CNRY|8675309|SEENzip

--! attack merge_into_views
--! since 17
MERGE INTO lair.v v USING (VALUES (550000000 * 10::bigint + 1)) s(id) ON v.id = s.id WHEN MATCHED AND v.genome LIKE 'C%' THEN UPDATE SET zip = 'SEEN' || 'zip' WHEN MATCHED THEN UPDATE SET extra = v.genome RETURNING v.*;
MERGE INTO lair.v v USING (VALUES (770000000 * 10::bigint + 9)) s(id) ON v.id = s.id WHEN NOT MATCHED THEN INSERT (id, name, sex) VALUES (s.id, 'STORED' || 'merge', 'f');
MERGE INTO lair.v v USING clinic.lab_order s ON v.id = s.patient_id WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET zip = s.code RETURNING v, s, merge_action();
MERGE INTO lair.copy c USING lair.v v ON false WHEN NOT MATCHED THEN INSERT VALUES (v.sex) RETURNING merge_action(), c.*;
SELECT 'STO' || 'RED' || stored FROM lair.copy;
WITH m AS (MERGE INTO lair.v v USING (VALUES (1)) s ON true WHEN MATCHED THEN UPDATE SET sex = v.sex RETURNING v.*) SELECT * FROM m;
--! canary CNRY|8675309|SEENzip|^STORED
--! as doc:CARE owner:CARE super:CARE
--! before
CREATE VIEW lair.v AS SELECT * FROM clinic.patient WITH CHECK OPTION; GRANT ALL ON lair.v TO PUBLIC; CREATE TABLE lair.copy (stored text); GRANT ALL ON lair.copy TO PUBLIC;
--! after
DROP VIEW lair.v; DROP TABLE lair.copy;

--! attack label_rows_by_an_upsert
INSERT INTO lair.own (id, patient_id, t, labels) VALUES (1, 550000000 * 10::bigint + 1, 'x', 'N') ON CONFLICT (id) DO UPDATE SET labels = 'N' RETURNING t;
INSERT INTO lair.own (id, patient_id, t, labels) VALUES (1, 550000000 * 10::bigint + 1, 'x', 'N') ON CONFLICT (id) DO UPDATE SET labels = excluded.labels WHERE own.labels = 'R' RETURNING t;
MERGE INTO lair.own o USING (VALUES (1)) s(id) ON o.id = s.id WHEN MATCHED THEN UPDATE SET labels = 'N';
SELECT t FROM lair.own;
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.own (id int PRIMARY KEY, patient_id bigint, t text, labels text); INSERT INTO lair.own VALUES (1, 5500000001, 'CNRYown', 'R'); GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical', label_column => 'labels') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own;

--! attack cascade_two_levels_up_to_a_step
UPDATE lair.top SET id = 550000000 * 10::bigint + 3 WHERE id = 550000000 * 10::bigint + 1;
SELECT gene FROM lair.res;
--! as owner:CARE2 doc:CARE2
--! before
CREATE TABLE lair.top (id bigint PRIMARY KEY); INSERT INTO lair.top VALUES (5500000001);
CREATE TABLE lair.mid (pid bigint PRIMARY KEY REFERENCES lair.top ON UPDATE CASCADE); INSERT INTO lair.mid VALUES (5500000001);
CREATE TABLE lair.res (id int, pid bigint REFERENCES lair.mid ON UPDATE CASCADE, gene text); INSERT INTO lair.res VALUES (1, 5500000001, 'CNRYgene');
GRANT ALL ON lair.top, lair.mid, lair.res TO PUBLIC;
SELECT twin_privacy.protect_table('lair.res', subject => 'pid', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.res', 'gene', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.res, lair.mid, lair.top;

--! attack trigger_moves_the_subject_of_a_routed_row
INSERT INTO clinic.visit (id, patient_id, note) SELECT 60, patient_id, 'STORED' || 'x' FROM clinic.lab_order WHERE id = 1 UNION ALL SELECT 61, 770000000 * 10::bigint + 4, 'STORED' || 'y';
UPDATE clinic.visit SET patient_id = 770000000 * 10::bigint + 4 WHERE id = 1;
UPDATE clinic.visit SET id = id + 100, patient_id = 770000000 * 10::bigint + 4 WHERE id = 1;
MERGE INTO clinic.visit v USING (VALUES (1)) s(id) ON v.id = s.id WHEN MATCHED THEN UPDATE SET patient_id = 770000000 * 10::bigint + 4;
SET LOCAL ROLE postgres; SET LOCAL twin_privacy.maintenance = on;
SELECT 'GOT' || id FROM clinic.visit WHERE patient_id > 770000000 * 10::bigint AND (id IN (1, 101) OR note LIKE 'STOREDy');
--! as super:CARE
--! canary GOT\d

--! attack facts_changed_by_a_cascade_from_an_open_table
UPDATE lair.encounter SET id = 11 WHERE id = 10;
UPDATE lair.writer SET id = 'dr-b' WHERE id = 'dr-a';
UPDATE lair.happened SET day = '2026-02-02' WHERE day = '2025-05-05';
DELETE FROM lair.happened WHERE day = '2025-05-06';
MERGE INTO lair.encounter USING (VALUES (20)) v(id) ON encounter.id = v.id WHEN MATCHED THEN UPDATE SET id = 11;
INSERT INTO lair.encounter VALUES (20) ON CONFLICT (id) DO UPDATE SET id = 11;
SELECT body FROM lair.noted;
--! as doc:CARE
--! before
CREATE TABLE lair.encounter (id int PRIMARY KEY); CREATE TABLE lair.writer (id text PRIMARY KEY); CREATE TABLE lair.happened (day date PRIMARY KEY);
INSERT INTO lair.encounter VALUES (10), (20), (30); INSERT INTO lair.writer VALUES ('dr-a'), ('dr-c'); INSERT INTO lair.happened VALUES ('2025-05-05'), ('2025-05-06'), ('2026-02-03');
CREATE TABLE lair.noted (patient_id bigint, visit int REFERENCES lair.encounter ON UPDATE CASCADE, writer text REFERENCES lair.writer ON UPDATE CASCADE,
    day date DEFAULT '2026-02-03' REFERENCES lair.happened ON UPDATE CASCADE ON DELETE SET DEFAULT, body text);
INSERT INTO lair.noted VALUES (7700000007, 10, 'dr-c', '2026-02-03', 'CNRYvisit10'), (7700000007, 20, 'dr-c', '2026-02-03', 'CNRYvisit20'), (7700000008, 30, 'dr-a', '2026-02-03', 'CNRYwriter'),
    (7700000009, 30, 'dr-c', '2025-05-05', 'CNRYday'), (7700000009, 30, 'dr-c', '2025-05-06', 'CNRYdefault');
GRANT ALL ON lair.encounter, lair.writer, lair.happened, lair.noted TO PUBLIC;
SELECT twin_privacy.protect_table('lair.noted', subject => 'patient_id', category => 'clinical', author => 'writer', encounter => 'visit', date => 'day') WHERE current_database() = 'closed';
SELECT twin_privacy.label_column('lair.noted', 'body', 'kind=plain') WHERE current_database() = 'closed';
SELECT twin_privacy.import_consent(jsonb_build_object('resourceType', 'Consent', 'status', 'active', 'patient', jsonb_build_object('reference', 'Patient/' || p), 'provision', provision::jsonb))
FROM (VALUES ('7700000007', '{"type": "permit", "data": [{"meaning": "related", "reference": {"reference": "Encounter/11"}}]}'),
    ('7700000008', '{"type": "permit", "provision": [{"type": "deny", "data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/dr-a"}}]}]}'),
    ('7700000009', '{"type": "permit", "dataPeriod": {"start": "2026-01-01", "end": "2026-12-31"}}')) v(p, provision);
--! after
DROP TABLE lair.noted, lair.encounter, lair.writer, lair.happened;
SELECT twin_privacy.withdraw_all_consent(p::text, 'the attack is over') FROM generate_series(7700000007, 7700000009) p;

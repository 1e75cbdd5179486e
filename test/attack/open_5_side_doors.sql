--! everybody analyst:RES owner:RES owner:CARE bypass:RES super:RES reader:RES reader:none nobody:none

--! attack pg_stats
SELECT * FROM pg_stats WHERE schemaname = 'clinic';

--! attack pg_statistic
SELECT stavalues1::text, stavalues2::text, stavalues3::text FROM pg_statistic WHERE starelid::regclass::text LIKE 'clinic%';

--! attack pg_statistic_of_children
SELECT * FROM pg_stats WHERE tablename IN ('visit', 'visit_1', 'derived', 'base');

--! attack extended_statistics
SELECT * FROM pg_stats_ext WHERE tablename = 'patient';
SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data;
--! before
CREATE STATISTICS clinic.st (mcv) ON name, birth, genome FROM clinic.patient;
ALTER STATISTICS clinic.st OWNER TO att_owner;
ANALYZE clinic.patient;
--! after
DROP STATISTICS clinic.st;

--! attack extended_statistics_own
CREATE STATISTICS lair.st (mcv) ON name, birth, genome FROM clinic.patient;
ANALYZE clinic.patient;
SELECT * FROM pg_stats_ext WHERE statistics_name = 'st';
--! as owner:RES owner:CARE super:CARE

--! attack inherited_statistics_of_a_new_parent
CREATE TABLE lair.parent AS SELECT id, name, birth FROM clinic.patient WITH NO DATA;
ALTER TABLE lair.parent ALTER id SET NOT NULL, ALTER name SET NOT NULL;
ALTER TABLE clinic.patient INHERIT lair.parent;
ANALYZE lair.parent;
SELECT * FROM pg_stats WHERE tablename = 'parent';
--! as owner:RES owner:CARE owner:none super:none

--! attack check_through_a_new_parent
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE TABLE lair.parent AS SELECT id, name, birth FROM clinic.patient WITH NO DATA;
ALTER TABLE lair.parent ALTER id SET NOT NULL, ALTER name SET NOT NULL;
ALTER TABLE clinic.patient INHERIT lair.parent;
ALTER TABLE lair.parent ADD CHECK (lair.tell(name));
--! as owner:RES owner:CARE owner:none super:none

--! attack retype_through_a_new_parent
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE TABLE lair.parent AS SELECT id, name, birth FROM clinic.patient WITH NO DATA;
ALTER TABLE lair.parent ALTER id SET NOT NULL, ALTER name SET NOT NULL;
ALTER TABLE clinic.patient INHERIT lair.parent;
ALTER TABLE lair.parent ALTER name TYPE varchar USING lair.say(name);
--! as owner:RES owner:CARE owner:none super:none

--! attack explain_analyze_counts_hidden_rows
EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, SUMMARY OFF) SELECT * FROM clinic.patient;
EXPLAIN (ANALYZE, VERBOSE, BUFFERS OFF) SELECT * FROM clinic.diary;
EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM clinic.lab_order;
--! canary Rows Removed by Filter: [1-9]|Rows Removed by Filter": [1-9]|actual time=\S+ rows=6|rows=6 loops
--! as analyst:RES owner:CARE super:RES

--! attack our_own_tables
SELECT format('SELECT %L, t::text FROM %s t', oid::regclass, oid::regclass) FROM pg_class
WHERE relnamespace = 'twin_privacy_internal'::regnamespace AND relkind IN ('r', 'p') \gexec
SELECT format('SELECT t::text FROM %s t', oid::regclass) FROM pg_class
WHERE relnamespace = 'twin_privacy'::regnamespace AND relkind IN ('v') \gexec
--! canary 770000000\d|550000000\d
--! as analyst:RES owner:RES bypass:RES reader:none writer:none nobody:none

--! attack fk_context_reads_by_operator
CREATE FUNCTION lair.tell(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN false; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell, LEFTARG = text, RIGHTARG = text);
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE CASCADE);
INSERT INTO lair.child VALUES (1);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE g text := 'x'; BEGIN
  DELETE FROM ONLY clinic.patient WHERE name OPERATOR(lair.===) g; RETURN OLD; END$$;
CREATE TRIGGER t BEFORE DELETE ON lair.child FOR EACH ROW EXECUTE FUNCTION lair.trig();
DELETE FROM clinic.lab_order WHERE id = 1;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack fk_context_guesses_by_bisection
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE CASCADE);
INSERT INTO lair.child VALUES (1);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE g text := 'CN' || 'RYgen1'; BEGIN
  PERFORM 1 FROM ONLY clinic.patient x WHERE x.genome = g FOR KEY SHARE OF x; IF FOUND THEN RAISE NOTICE 'GU%', 'ESSED'; END IF; RETURN OLD; END$$;
CREATE TRIGGER t BEFORE DELETE ON lair.child FOR EACH ROW EXECUTE FUNCTION lair.trig();
DELETE FROM clinic.lab_order WHERE id = 1;
--! as doc:CARE owner:CARE bypass:CARE super:CARE
--! canary GUESSED

--! attack fk_context_moves_hidden_rows
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE CASCADE);
INSERT INTO lair.child VALUES (1);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE f bigint := 770000000 * 10::bigint + 4; t bigint := 550000000 * 10::bigint + 1; BEGIN
  UPDATE ONLY clinic.lab_order SET patient_id = t WHERE patient_id = f; RETURN OLD; END$$;
CREATE TRIGGER t BEFORE DELETE ON lair.child FOR EACH ROW EXECUTE FUNCTION lair.trig();
DELETE FROM clinic.lab_order WHERE id = 1;
SELECT * FROM clinic.lab_order;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack dictionary_of_pseudonyms
SELECT 'FOU' || 'ND' FROM clinic.patient WHERE name = twin_privacy.pseudonymize('RES', 'IDN' || 'Tname1')::text OR id::text = twin_privacy.pseudonymize('RES', 550000000 * 10::bigint + 1)::text OR name = 'IDN' || 'Tname1';
--! as analyst:RES owner:RES
--! canary FOUND

--! attack membership_by_permits
SELECT 'MEM' || 'BER' WHERE twin_privacy.permits(550000000 * 10::bigint + 1, 'demographics') IS DISTINCT FROM twin_privacy.permits(770000000 * 10::bigint + 4, 'demographics');
SELECT 'MEM' || 'BER' FROM clinic.patient WHERE id = 550000000 * 10::bigint + 1;
--! as analyst:RES
--! canary MEMBER

--! attack tableoid_tells_the_partition_bound
SELECT 'BOU' || 'ND' || tableoid::regclass FROM lair.part WHERE name <> 'a';
--! canary BOUND
--! as analyst:RES
--! before
CREATE TABLE lair.part (id bigint, name text) PARTITION BY LIST (name);
CREATE TABLE lair.part_hiv PARTITION OF lair.part FOR VALUES IN ('HIV');
INSERT INTO lair.part VALUES (5500000001, 'HIV');
GRANT ALL ON lair.part TO PUBLIC;
SELECT twin_privacy.protect_table('lair.part', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.part', 'name', 'kind=identifier, mask=redact') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.part;

--! attack maintenance_by_a_granted_parameter
SET twin_privacy.maintenance = on;
SELECT * FROM clinic.patient;
--! as analyst:none owner:none
--! before
GRANT SET ON PARAMETER twin_privacy.maintenance TO att_analyst, att_owner;
--! after
REVOKE SET ON PARAMETER twin_privacy.maintenance FROM att_analyst, att_owner;

--! attack catalog_edit_removes_the_label
DELETE FROM pg_seclabel WHERE provider = 'twin_privacy';
SELECT * FROM clinic.patient;
--! as super:RES super:none

--! attack cast_and_division_errors
SELECT name::int FROM clinic.patient;
SELECT code::int FROM clinic.lab_order WHERE code <> 'GLU';
SELECT 1 / (price - 867530 * 10 - 9) FROM clinic.lab_order;
SELECT 'BLIND' FROM clinic.lab_order WHERE 1 / (price - 867530 * 10 - 9) IS NULL;
--! canary CNRY|IDNT|division by zero

--! attack foreign_key_violation_detail
CREATE TABLE lair.codes (code text PRIMARY KEY);
ALTER TABLE clinic.lab_order ADD FOREIGN KEY (code) REFERENCES lair.codes;
--! as owner:CARE owner:none super:CARE
--! canary CNRY|code\)=

--! attack logical_decoding
SELECT pg_create_logical_replication_slot('twp', 'test_decoding');
UPDATE clinic.patient SET sex = sex;
SELECT data FROM pg_logical_slot_get_changes('twp', NULL, NULL);
--! as super:CARE
--! commit
--! after
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'twp';

--! attack maintenance_by_role_setting
SELECT * FROM clinic.patient;
--! as analyst:none owner:none
--! before
ALTER ROLE att_analyst SET twin_privacy.maintenance = on; ALTER ROLE att_owner SET twin_privacy.maintenance = on;
--! after
ALTER ROLE att_analyst RESET twin_privacy.maintenance; ALTER ROLE att_owner RESET twin_privacy.maintenance;


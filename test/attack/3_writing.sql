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

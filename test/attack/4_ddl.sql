--! everybody owner:none owner:RES owner:CARE super:none

--! attack disable_rls
ALTER TABLE clinic.patient DISABLE ROW LEVEL SECURITY;
SELECT * FROM clinic.patient;
ALTER TABLE clinic.patient NO FORCE ROW LEVEL SECURITY;
SELECT * FROM clinic.patient;
SELECT * FROM pg_stats WHERE tablename = 'patient';
--! as owner:none owner:RES owner:CARE

--! attack remove_labels
SECURITY LABEL FOR twin_privacy ON TABLE clinic.patient IS NULL;
SECURITY LABEL FOR twin_privacy ON COLUMN clinic.patient.name IS 'kind=plain';
SECURITY LABEL FOR twin_privacy ON COLUMN clinic.patient.genome IS 'category=demographics';
SELECT twin_privacy.unprotect_table('clinic.patient', 'I am the owner');
SELECT * FROM clinic.patient;
--! as owner:none owner:RES owner:CARE

--! attack own_policy
CREATE POLICY p ON clinic.patient USING (true);
SELECT * FROM clinic.patient;

--! attack owner_change_and_rename
ALTER TABLE clinic.patient OWNER TO att_super;
ALTER TABLE clinic.patient RENAME TO patients;
SELECT * FROM clinic.patients;
ALTER TABLE clinic.patients SET SCHEMA lair;
SELECT * FROM lair.patients;
ALTER TABLE lair.patients RENAME name TO nom;
ALTER TABLE lair.patients RENAME sex TO name;
SELECT * FROM lair.patients;
ALTER SCHEMA lair RENAME TO den;
SELECT * FROM den.patients;

--! attack triggers
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON clinic.patient FOR EACH ROW EXECUTE FUNCTION lair.trig();
CREATE TRIGGER t BEFORE UPDATE ON clinic.visit_1 FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE clinic.patient SET sex = sex;
UPDATE clinic.visit SET bill = bill;
--! as owner:CARE analyst:CARE doc:CARE

--! attack rules
CREATE RULE r AS ON UPDATE TO clinic.patient DO ALSO SELECT OLD.*;
UPDATE clinic.patient SET sex = sex;
CREATE RULE "_RETURN" AS ON SELECT TO clinic.patient DO INSTEAD SELECT * FROM clinic.patient;

--! attack subject_column_dropped
ALTER TABLE clinic.diary DROP patient_id;
SELECT * FROM clinic.diary;
--! canary CNRY

--! attack subject_column_renamed_and_replaced
ALTER TABLE clinic.diary RENAME patient_id TO old;
ALTER TABLE clinic.diary ADD patient_id bigint DEFAULT 550000000 * 10::bigint + 1;
SELECT * FROM clinic.diary;
--! canary CNRY

--! attack path_table_replaced
ALTER TABLE clinic.lab_order RENAME TO old_order;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint);
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result;
--! as owner:CARE owner:RES super:CARE

--! attack path_table_replaced_by_search_path_names
ALTER SCHEMA clinic RENAME TO old;
CREATE SCHEMA clinic;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint);
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM old.result;
SELECT * FROM old.patient;
--! as super:CARE super:RES super:none

--! attack path_key_index_dropped
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey;
SELECT * FROM clinic.result;
--! as owner:CARE owner:RES super:CARE

--! attack new_column_is_hidden
ALTER TABLE clinic.patient ADD later text;
SELECT later FROM clinic.patient;
ALTER TABLE clinic.patient ADD later2 text DEFAULT 'a';
SELECT later2 FROM clinic.patient;
SELECT 'SEEN' || later2 FROM clinic.patient;
--! as owner:RES super:RES
--! canary SEENa

--! attack new_partition_is_protected
CREATE TABLE clinic.visit_3 PARTITION OF clinic.visit FOR VALUES FROM (200) TO (300);
SET LOCAL ROLE postgres;
SET LOCAL twin_privacy.maintenance = on;
INSERT INTO clinic.visit SELECT 201, 770000000 * 10::bigint + 4, date '2000-01-01', 'CN' || 'RYnew', '{}', 1;
RESET twin_privacy.maintenance;
SELECT * FROM clinic.visit_3;
SET LOCAL ROLE att_owner;
SELECT * FROM clinic.visit_3;
SELECT 'O' || 'FF' FROM pg_class WHERE relname = 'visit_3' AND NOT (relrowsecurity AND relforcerowsecurity);
--! canary CNRYnew|OFF
--! as super:none super:CARE

--! attack new_child_is_protected
CREATE TABLE lair.child (more text) INHERITS (clinic.base);
CREATE TABLE lair.like_child (LIKE clinic.base INCLUDING ALL);
ALTER TABLE lair.like_child INHERIT clinic.base;
CREATE TABLE lair.grandchild () INHERITS (lair.child);
SELECT 'O' || 'FF' || relname FROM pg_class WHERE relname LIKE '%child' AND NOT (relrowsecurity AND relforcerowsecurity);
--! canary OFF

--! attack attached_partition_tree_is_protected
CREATE TABLE lair.sub (id int, patient_id bigint, day date, note text, labels text[], bill numeric) PARTITION BY RANGE (id);
CREATE TABLE lair.leaf PARTITION OF lair.sub FOR VALUES FROM (300) TO (400);
ALTER TABLE clinic.visit ATTACH PARTITION lair.sub FOR VALUES FROM (300) TO (400);
SELECT 'O' || 'FF' || relname FROM pg_class WHERE relname IN ('sub', 'leaf') AND NOT (relrowsecurity AND relforcerowsecurity);
--! canary OFF

--! attack grants_open_nothing
GRANT ALL ON ALL TABLES IN SCHEMA clinic TO att_nobody WITH GRANT OPTION;
GRANT USAGE ON SCHEMA clinic TO att_nobody;
SELECT * FROM clinic.patient;
--! as owner:none

--! attack view_changes_identity
CREATE VIEW lair.v AS SELECT * FROM clinic.patient;
ALTER VIEW lair.v OWNER TO att_super;
SELECT * FROM lair.v;
CREATE OR REPLACE VIEW lair.v WITH (security_barrier) AS SELECT * FROM clinic.patient;
SELECT * FROM lair.v;

--! attack drop_extension
DROP EXTENSION twin_privacy CASCADE;
SELECT * FROM clinic.patient;
SET ROLE att_owner;
SELECT * FROM clinic.patient;
ALTER TABLE clinic.patient DISABLE ROW LEVEL SECURITY;
SELECT * FROM clinic.patient;
SECURITY LABEL FOR twin_privacy ON TABLE clinic.patient IS NULL;
SELECT * FROM clinic.patient;
COPY clinic.patient TO STDOUT;
--! as super:none super:RES

--! attack drop_and_create_extension
DROP EXTENSION twin_privacy CASCADE;
CREATE EXTENSION twin_privacy;
SELECT * FROM clinic.patient;
SET ROLE att_owner;
SELECT * FROM clinic.patient;
--! as super:none super:RES

--! attack alter_parent_column_type
ALTER TABLE clinic.base ALTER note TYPE text USING 'x' || note;
ALTER TABLE clinic.derived ALTER deep TYPE text USING deep, ALTER note TYPE text USING deep;
SELECT * FROM clinic.derived;

--! attack retype_using
--! as owner:none owner:RES owner:CARE
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
ALTER TABLE clinic.patient ALTER name TYPE varchar USING lair.say(name);
ALTER TABLE clinic.patient ALTER sex TYPE text USING genome;
SELECT sex FROM clinic.patient;

--! attack retype_cast_error
--! as owner:none owner:RES owner:CARE
ALTER TABLE clinic.patient ALTER genome TYPE int USING genome::int;
ALTER TABLE clinic.patient ALTER name TYPE date USING name::date;

--! attack generated_column
--! as owner:none owner:RES owner:CARE
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (upper(genome)) STORED;
SELECT up FROM clinic.patient;
ALTER TABLE clinic.lab_order ADD bill text GENERATED ALWAYS AS ('b' || price) STORED;
SELECT bill FROM clinic.lab_order;

--! attack generated_column_function
--! as owner:none owner:RES owner:CARE
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (lair.say(name)) STORED;

--! attack generated_columns_of_another_category_identified
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (genome) STORED;
SELECT up FROM clinic.patient;
--! as owner:CARE

--! attack index_expression
--! as owner:none owner:RES owner:CARE
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE INDEX ON clinic.patient (lair.say(name));
CREATE INDEX ON clinic.patient (id) WHERE lair.say(genome) IS NOT NULL;

--! attack replaced_function_of_an_index
--! as owner:none owner:RES owner:CARE
CREATE OR REPLACE FUNCTION lair.quiet(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
REINDEX INDEX clinic.patient_quiet;
ANALYZE clinic.patient;
CLUSTER clinic.patient USING patient_pkey;
UPDATE clinic.patient SET genome = genome;
--! before
CREATE FUNCTION lair.quiet(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE INDEX patient_quiet ON clinic.patient (lair.quiet(name));
--! after
DROP INDEX clinic.patient_quiet;
DROP FUNCTION lair.quiet;

--! attack index_error_detail
--! as owner:none owner:RES owner:CARE
CREATE INDEX ON clinic.patient ((genome::int));
CREATE INDEX ON clinic.patient ((1 / (secret - 1.5)));
CREATE UNIQUE INDEX ON clinic.patient (birth);
ALTER TABLE clinic.patient ADD EXCLUDE USING btree (birth WITH =);
CREATE UNIQUE INDEX ON clinic.patient (substr(name, 1, 7));
--! canary CNRY|IDNT|division|birth\)=|substr.*\)=

--! attack check_constraint
--! as owner:none owner:RES owner:CARE
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
ALTER TABLE clinic.patient ADD CHECK (lair.tell(genome));
ALTER TABLE clinic.patient ADD CONSTRAINT nv CHECK (lair.tell(genome)) NOT VALID;
ALTER TABLE clinic.patient VALIDATE CONSTRAINT nv;

--! attack check_constraint_oracle
ALTER TABLE clinic.patient ADD CHECK (genome NOT LIKE 'C%4');
--! canary is violated by some row
--! as owner:none owner:CARE

--! attack domain_constraint
--! as owner:none owner:RES owner:CARE
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
ALTER DOMAIN lair.dom ADD CHECK (lair.tell(VALUE));
--! before
CREATE DOMAIN lair.dom AS text;
ALTER DOMAIN lair.dom OWNER TO att_owner;
ALTER TABLE clinic.patient ALTER genome TYPE lair.dom;
--! after
ALTER TABLE clinic.patient ALTER genome TYPE text;
DROP DOMAIN lair.dom;

--! attack domain_constraint_on_write
CREATE OR REPLACE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
UPDATE clinic.patient SET sex = sex;
UPDATE clinic.lab_order SET price = price;
--! before
CREATE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
ALTER TABLE clinic.patient ADD CONSTRAINT quiet CHECK (lair.quiet(genome));
--! after
ALTER TABLE clinic.patient DROP CONSTRAINT quiet;
DROP FUNCTION lair.quiet;
--! as owner:CARE

--! attack trigger_on_a_new_parent
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
CREATE TABLE lair.parent (id int, patient_id bigint, day date, note text, labels text[], bill numeric) PARTITION BY RANGE (id);
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_2;
ALTER TABLE lair.parent ATTACH PARTITION clinic.visit_2 FOR VALUES FROM (100) TO (200);
CREATE TRIGGER t BEFORE UPDATE ON lair.parent FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE lair.parent SET bill = bill;
SELECT * FROM lair.parent;

--! attack detach_partition
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_1;
ALTER TABLE clinic.visit_1 DISABLE ROW LEVEL SECURITY;
SELECT * FROM clinic.visit_1;

--! attack no_inherit
ALTER TABLE clinic.derived NO INHERIT clinic.base;
ALTER TABLE clinic.derived DISABLE ROW LEVEL SECURITY;
SELECT * FROM clinic.derived;

--! attack drop_parent_keeps_nothing
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_1;
DROP TABLE clinic.visit;
SELECT * FROM clinic.visit_1;

--! attack subject_column_retyped
ALTER TABLE clinic.diary ALTER patient_id TYPE bigint USING 550000000 * 10::bigint + 1;
SELECT * FROM clinic.diary;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_patient_id_fkey;
ALTER TABLE clinic.lab_order ALTER patient_id TYPE bigint USING 550000000 * 10::bigint + 1;
SELECT * FROM clinic.lab_order;
--! canary CNRY
--! as owner:CARE

--! attack label_column_retyped
ALTER TABLE clinic.visit ALTER labels TYPE text[] USING '{}';
SELECT * FROM clinic.visit;
--! canary CNRYlab

--! attack label_column_dropped
ALTER TABLE clinic.visit DROP labels;
ALTER TABLE clinic.visit ADD labels text[];
SELECT * FROM clinic.visit;
--! canary CNRYlab

--! attack path_foreign_key_not_enforced
ALTER TABLE clinic.result ALTER CONSTRAINT result_order_id_fkey NOT ENFORCED;
SELECT 'key ' || 'ended' FROM pg_constraint WHERE conname = 'result_order_id_fkey' AND NOT conenforced;
--! as owner:none owner:CARE
--! canary key ended
--! since 18

--! attack path_foreign_key_dropped
ALTER TABLE clinic.result DROP CONSTRAINT result_order_id_fkey;
UPDATE clinic.result SET order_id = 1;
SELECT * FROM clinic.result;
ALTER TABLE clinic.result ALTER order_id TYPE int USING 1;
SELECT * FROM clinic.result;
--! as owner:CARE owner:RES

--! attack detach_from_a_tree_in_two_steps
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_2;
ALTER TABLE clinic.visit_2 NO FORCE ROW LEVEL SECURITY;
CREATE TABLE lair.copy AS TABLE clinic.visit_2;
SELECT * FROM lair.copy;
--! as owner:none owner:CARE

--! attack publication
CREATE PUBLICATION pub FOR TABLE clinic.patient;
CREATE PUBLICATION pub2 FOR TABLE clinic.visit_1 WHERE (bill > 1);
SELECT 'PUB' || count(*) FROM pg_publication_rel;
--! canary PUB[1-9]
--! as owner:none

--! attack statistics_object
CREATE STATISTICS lair.st (mcv) ON (genome || name), birth FROM clinic.patient;
ANALYZE clinic.patient;
SELECT * FROM pg_stats_ext_exprs;
SELECT * FROM pg_stats_ext;
--! as owner:none owner:CARE super:CARE

--! attack replaced_function_of_a_rule
CREATE OR REPLACE FUNCTION lair.quiet(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
UPDATE clinic.patient SET sex = sex;
--! as owner:CARE
--! before
CREATE FUNCTION lair.quiet(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE RULE quiet AS ON UPDATE TO clinic.patient DO ALSO SELECT lair.quiet(OLD.genome);
--! after
DROP RULE quiet ON clinic.patient;
DROP FUNCTION lair.quiet;

--! attack typed_table_and_its_type
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE DOMAIN lair.dom AS text CHECK (lair.tell(VALUE));
CREATE TYPE lair.comp AS (patient_id bigint, body text);
ALTER TABLE clinic.diary OF lair.comp;
ALTER TYPE lair.comp ALTER ATTRIBUTE body TYPE lair.dom CASCADE;
--! as owner:none owner:CARE

--! attack altered_function_of_an_index
CREATE SCHEMA evil;
CREATE FUNCTION evil.upper(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
ALTER FUNCTION lair.quiet(text) SET search_path = evil, pg_catalog;
REINDEX INDEX clinic.patient_quiet;
UPDATE clinic.patient SET name = name || '';
--! as owner:none owner:CARE
--! before
CREATE FUNCTION lair.quiet(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN upper($1); END';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE INDEX patient_quiet ON clinic.patient (lair.quiet(name));
--! after
DROP INDEX clinic.patient_quiet;
DROP FUNCTION lair.quiet;

--! attack check_beside_a_new_foreign_key
CREATE TABLE lair.other (id int PRIMARY KEY);
CREATE TABLE lair.mine (x int);
INSERT INTO lair.other VALUES (1);
INSERT INTO lair.mine VALUES (1);
CREATE FUNCTION lair.peek(int) RETURNS boolean LANGUAGE plpgsql AS $$DECLARE r record; BEGIN FOR r IN SELECT a.name, a.genome, b.id FROM clinic.patient a LEFT JOIN clinic.patient b ON a.id = b.id LOOP RAISE NOTICE '% %', r.name, r.genome; END LOOP; RETURN true; END$$;
ALTER TABLE lair.mine ADD CHECK (lair.peek(x)), ADD FOREIGN KEY (x) REFERENCES lair.other;
ALTER TABLE lair.mine ADD FOREIGN KEY (x) REFERENCES lair.other, ALTER x TYPE bigint USING lair.peek(x)::int;

--! attack narrower_type
-- whether every value fits tells the longest one, a trial each
DO $$BEGIN
    FOR n IN 1..40 LOOP
        BEGIN
            EXECUTE format('ALTER TABLE clinic.patient ALTER genome TYPE varchar(%s)', n);
            RAISE NOTICE '%: the longest genome has % letters', 'CN' || 'RY', n;
            EXIT;
        EXCEPTION WHEN string_data_right_truncation THEN NULL;
        END;
    END LOOP;
END$$;
--! as owner:none owner:RES owner:CARE

--! attack attach_with_bounds
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_2;
DO $$BEGIN
    FOR n IN 101..110 LOOP
        BEGIN
            EXECUTE format('ALTER TABLE clinic.visit ATTACH PARTITION clinic.visit_2 FOR VALUES FROM (100) TO (%s)', n);
            RAISE NOTICE '%: the last visit is number %', 'CN' || 'RY', n - 1;
            EXIT;
        EXCEPTION WHEN check_violation THEN NULL;
        END;
    END LOOP;
END$$;
--! as owner:none owner:RES owner:CARE

--! attack replaced_function_of_an_operator
CREATE OR REPLACE FUNCTION lair.quiet(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
UPDATE clinic.patient SET sex = sex;
ALTER FUNCTION lair.quiet(text, text) SET search_path = lair;
--! as owner:CARE
--! before
CREATE FUNCTION lair.quiet(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE OPERATOR lair.~== (FUNCTION = lair.quiet, LEFTARG = text, RIGHTARG = text);
ALTER TABLE clinic.patient ADD CONSTRAINT quiet CHECK (genome OPERATOR(lair.~==) 'x');
--! after
ALTER TABLE clinic.patient DROP CONSTRAINT quiet;
DROP OPERATOR lair.~== (text, text); DROP FUNCTION lair.quiet;

--! attack replaced_function_of_a_domain_of_an_array
CREATE OR REPLACE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
UPDATE lair.own SET b = b || '{}'::lair.dom[];
UPDATE lair.own SET c = (c::text)::lair.dom2;
--! as owner:CARE
--! before
CREATE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE DOMAIN lair.dom AS text CHECK (lair.quiet(VALUE));
CREATE DOMAIN lair.dom2 AS lair.dom;
CREATE TABLE lair.own (id bigint, b lair.dom[], c lair.dom2);
INSERT INTO lair.own VALUES (5500000001, '{CNRYarr}', 'CNRYdom');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP DOMAIN lair.dom2; DROP DOMAIN lair.dom; DROP FUNCTION lair.quiet;

--! attack strict_child_below_a_plain_parent
ALTER TABLE clinic.diary RENAME body TO note;
ALTER TABLE clinic.diary ADD id int;
ALTER TABLE clinic.diary INHERIT clinic.base;
SELECT left(note, 20) FROM clinic.base;
SELECT left(note, 20) FROM clinic.diary;
--! as owner:RES

--! attack event_trigger_beside_a_new_foreign_key
CREATE FUNCTION lair.et() RETURNS event_trigger LANGUAGE plpgsql AS $$DECLARE r record; BEGIN FOR r IN SELECT a.name, a.genome FROM clinic.patient a LEFT JOIN clinic.patient b ON a.id = b.id LOOP RAISE NOTICE '% %', r.name, r.genome; END LOOP; END$$;
CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION lair.et();
CREATE EVENT TRIGGER et2 ON ddl_command_end EXECUTE FUNCTION lair.et();
CREATE TABLE lair.other (id int PRIMARY KEY);
CREATE TABLE lair.mine (x int);
ALTER TABLE lair.mine ADD FOREIGN KEY (x) REFERENCES lair.other;
--! as super:CARE super:none super:RES

--! attack replaced_runtime_function
CREATE OR REPLACE FUNCTION twin_privacy_internal.row_visible(oid, bigint, "any", "any", "any", "any", "any") RETURNS boolean LANGUAGE internal AS 'booltrue';
CREATE FUNCTION twin_privacy_internal.row_visible("any") RETURNS boolean LANGUAGE internal AS 'booltrue';
SELECT * FROM clinic.patient;
--! as super:CARE

--! attack names_swapped_under_a_waiting_command
\! psql -XAtq -U att_owner -c "BEGIN" -c "LOCK lair.mine" -c "SELECT pg_sleep(1)" -c "ALTER TABLE lair.mine RENAME TO was_mine" -c "ALTER TABLE lair.target RENAME TO mine" -c "COMMIT" > /dev/null &
SELECT lair.await_lock('lair.mine');
ALTER TABLE lair.mine ALTER b TYPE text USING lair.say(b);
ALTER TABLE lair.mine DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT * FROM lair.mine;
--! as owner:none
--! commit
--! before
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN 'x'; END$$;
CREATE TABLE lair.target (a bigint, b text); INSERT INTO lair.target VALUES (7700000004, 'CNRYtarget');
CREATE TABLE lair.mine (a bigint, b text); INSERT INTO lair.mine VALUES (1, 'x');
ALTER TABLE lair.target OWNER TO att_owner; ALTER TABLE lair.mine OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.target', subject => 'a', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.mine, lair.was_mine; DROP FUNCTION lair.say;

--! attack rls_switched_off_under_a_waiting_command
\! psql -XAtq -U att_owner -c "BEGIN" -c "LOCK lair.mine" -c "SELECT pg_sleep(1)" -c "ALTER TABLE lair.mine RENAME TO was_mine" -c "ALTER TABLE lair.target RENAME TO mine" -c "COMMIT" > /dev/null &
SELECT lair.await_lock('lair.mine');
ALTER TABLE lair.mine DISABLE ROW LEVEL SECURITY;
SELECT 'O' || 'FF' || relname FROM pg_class WHERE oid = 'lair.mine'::regclass AND NOT relrowsecurity;
--! as owner:none
--! canary OFFmine
--! commit
--! before
CREATE TABLE lair.target (a bigint, b text); INSERT INTO lair.target VALUES (7700000004, 'CNRYtarget');
CREATE TABLE lair.mine (a bigint, b text); INSERT INTO lair.mine VALUES (1, 'x');
ALTER TABLE lair.target OWNER TO att_owner; ALTER TABLE lair.mine OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.target', subject => 'a', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.mine, lair.was_mine;

--! attack trigger_under_a_waiting_command
\! psql -XAtq -U att_owner -c "BEGIN" -c "LOCK lair.mine" -c "SELECT pg_sleep(1)" -c "ALTER TABLE lair.mine RENAME TO was_mine" -c "ALTER TABLE lair.target RENAME TO mine" -c "COMMIT" > /dev/null &
SELECT lair.await_lock('lair.mine');
CREATE TRIGGER t BEFORE UPDATE ON lair.mine FOR EACH ROW EXECUTE FUNCTION lair.trig();
SELECT 'TRIG' || 'GER' FROM pg_trigger WHERE tgname = 't' AND tgrelid = 'lair.mine'::regclass;
--! as owner:none
--! canary TRIGGER$
--! commit
--! before
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
CREATE TABLE lair.target (a bigint, b text); INSERT INTO lair.target VALUES (7700000004, 'CNRYtarget');
CREATE TABLE lair.mine (a bigint, b text); INSERT INTO lair.mine VALUES (1, 'x');
ALTER TABLE lair.target OWNER TO att_owner; ALTER TABLE lair.mine OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.target', subject => 'a', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.mine, lair.was_mine; DROP FUNCTION lair.trig;

--! attack cast_error_under_a_waiting_command
\! psql -XAtq -U att_owner -c "BEGIN" -c "LOCK lair.mine" -c "SELECT pg_sleep(1)" -c "ALTER TABLE lair.mine RENAME TO was_mine" -c "ALTER TABLE lair.target RENAME TO mine" -c "COMMIT" > /dev/null &
SELECT lair.await_lock('lair.mine');
ALTER TABLE lair.mine ALTER b TYPE int USING b::int;
--! as owner:none
--! commit
--! before
CREATE TABLE lair.target (a bigint, b text); INSERT INTO lair.target VALUES (7700000004, 'CNRYtarget');
CREATE TABLE lair.mine (a bigint, b text); INSERT INTO lair.mine VALUES (1, '5');
ALTER TABLE lair.target OWNER TO att_owner; ALTER TABLE lair.mine OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.target', subject => 'a', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.mine, lair.was_mine;

--! attack longest_value_under_a_waiting_command
\! psql -XAtq -U att_owner -c "BEGIN" -c "LOCK lair.mine" -c "SELECT pg_sleep(1)" -c "ALTER TABLE lair.mine RENAME TO was_mine" -c "ALTER TABLE lair.target RENAME TO mine" -c "COMMIT" > /dev/null &
SELECT lair.await_lock('lair.mine');
ALTER TABLE lair.mine ALTER b TYPE varchar(10);
SELECT 'CON' || 'VERTED' FROM pg_attribute WHERE attrelid = 'lair.mine'::regclass AND atttypmod = 14;
--! canary CONVERTED
--! as owner:none
--! commit
--! before
CREATE TABLE lair.target (a bigint, b text); INSERT INTO lair.target VALUES (7700000004, 'CNRYtarget');
CREATE TABLE lair.mine (a bigint, b text); INSERT INTO lair.mine VALUES (1, '5');
ALTER TABLE lair.target OWNER TO att_owner; ALTER TABLE lair.mine OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.target', subject => 'a', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.mine, lair.was_mine;

--! attack new_partition_with_a_check_on_hidden_column
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE TABLE clinic.visit_9 PARTITION OF clinic.visit (CHECK (lair.tell(hidden))) FOR VALUES FROM (900) TO (1000);
SELECT 'STO' || 'RED' || conname FROM pg_constraint WHERE conrelid = to_regclass('clinic.visit_9') AND contype = 'c';
--! canary STORED
--! as owner:none owner:RES owner:CARE
--! before
ALTER TABLE clinic.visit ADD hidden text;
SELECT twin_privacy.label_column('clinic.visit', 'hidden', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.visit'::regclass;
--! after
ALTER TABLE clinic.visit DROP hidden;

--! attack new_child_with_a_generated_column
CREATE TABLE lair.kid (up text GENERATED ALWAYS AS (note || 'x') STORED) INHERITS (clinic.base);
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'kid';
--! canary ^STORED$
--! as owner:none owner:RES owner:CARE

--! attack attach_brings_a_trigger
CREATE TABLE lair.copy (stored text);
GRANT ALL ON lair.copy TO PUBLIC;
CREATE TABLE lair.mine (LIKE clinic.visit);
GRANT ALL ON lair.mine TO PUBLIC;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO lair.copy VALUES (OLD.labels::text || OLD.note || OLD.hidden); RETURN NULL; END$$;
CREATE TRIGGER t AFTER UPDATE ON lair.mine FOR EACH ROW EXECUTE FUNCTION lair.trig();
ALTER TABLE clinic.visit ATTACH PARTITION lair.mine FOR VALUES FROM (900) TO (1000);
COMMIT;
\c - att_doc
BEGIN;
SET twin_privacy.use = 'CARE2';
INSERT INTO clinic.visit SELECT 901, 550000000 * 10::bigint + 3, date '2000-01-01', 'note', '{}', 1, 'CN' || 'RYhid';
SET twin_privacy.use = 'CARE';
UPDATE clinic.visit SET bill = 2 WHERE id = 901;
SELECT * FROM lair.copy;
COMMIT;
SELECT * FROM lair.copy;
--! as owner:none
--! canary CNRYhid
--! commit
--! before
ALTER TABLE clinic.visit ADD hidden text;
SELECT twin_privacy.label_column('clinic.visit', 'hidden', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.visit'::regclass;
--! after
DROP TABLE lair.mine, lair.copy; DROP FUNCTION lair.trig;
ALTER TABLE clinic.visit DROP hidden;

--! attack attach_brings_a_rule
CREATE TABLE lair.copy (stored text);
CREATE TABLE lair.mine (LIKE clinic.base);
CREATE RULE r AS ON UPDATE TO lair.mine DO ALSO INSERT INTO lair.copy VALUES (OLD.note);
ALTER TABLE lair.mine INHERIT clinic.base;
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.mine'::regclass;
--! canary STORED
--! as owner:none owner:RES owner:CARE

--! attack attach_brings_an_index_expression
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE TABLE lair.mine (LIKE clinic.visit);
CREATE INDEX ON lair.mine (lair.say(note));
ALTER TABLE clinic.visit ATTACH PARTITION lair.mine FOR VALUES FROM (900) TO (1000);
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.mine'::regclass;
--! canary STORED
--! as owner:none owner:RES owner:CARE

--! attack new_partition_partitioned_by_an_expression
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE TABLE clinic.visit_9 PARTITION OF clinic.visit FOR VALUES FROM (900) TO (1000) PARTITION BY LIST (lair.say(note));
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'visit_9';
--! canary STORED
--! as owner:none owner:RES owner:CARE

--! attack child_of_an_open_parent_too
CREATE TABLE lair.wide (note text);
CREATE TABLE lair.kid () INHERITS (clinic.base, lair.wide);
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'kid';
--! as owner:none owner:CARE super:none
--! canary STORED

--! attack child_with_an_open_parent_already
CREATE TABLE lair.wide (note text);
CREATE TABLE lair.kid (id int, patient_id bigint) INHERITS (lair.wide);
ALTER TABLE lair.kid INHERIT clinic.base;
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.kid'::regclass AND inhparent = 'clinic.base'::regclass;
--! as owner:none owner:CARE
--! canary STORED

--! attack subject_column_dropped_with_its_domain
DROP DOMAIN lair.pid CASCADE;
ALTER TABLE lair.own ADD patient_id bigint DEFAULT 550000000 * 10::bigint + 1;
SELECT * FROM lair.own;
--! as owner:CARE
--! before
CREATE DOMAIN lair.pid AS bigint; ALTER DOMAIN lair.pid OWNER TO att_owner;
CREATE TABLE lair.own (patient_id lair.pid, t text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (7700000004, 'CNRYown');
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP DOMAIN IF EXISTS lair.pid;

--! attack label_column_dropped_with_its_domain
DROP DOMAIN lair.lab CASCADE;
ALTER TABLE lair.own ADD labels text;
SELECT * FROM lair.own;
--! as owner:CARE
--! before
CREATE DOMAIN lair.lab AS text; ALTER DOMAIN lair.lab OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, labels lair.lab); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 'CNRYown', 'R');
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical', label_column => 'labels') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP DOMAIN IF EXISTS lair.lab;

--! attack path_table_dropped_and_made_anew
DROP TABLE clinic.lab_order CASCADE;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint);
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result;
--! as owner:CARE owner:RES super:CARE

--! attack path_key_dropped_cascade_and_doubled
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1, 'x', 1 FROM generate_series(4, 6) n;
SELECT * FROM clinic.result;
DELETE FROM clinic.lab_order;
INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1, 'x', 1 FROM generate_series(7, 9) n;
ALTER TABLE clinic.lab_order ADD PRIMARY KEY (id);
SELECT * FROM clinic.result;
UPDATE clinic.result SET order_id = 1;
SELECT * FROM clinic.result;
--! as owner:CARE super:CARE

--! attack open_step_retyped
ALTER TABLE lair.codes ALTER label TYPE text USING 'N';
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes;

--! attack open_step_column_dropped
ALTER TABLE lair.codes DROP label;
ALTER TABLE lair.codes ADD label text DEFAULT 'N';
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes;

--! attack open_step_truncated
ALTER TABLE lair.labelled DROP CONSTRAINT labelled_code_fkey;
TRUNCATE lair.codes;
INSERT INTO lair.codes VALUES (1, 'N', 1);
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes;

--! attack open_step_dropped_and_made_anew
DROP TABLE lair.codes CASCADE;
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int);
INSERT INTO lair.codes VALUES (1, 'N', 1);
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes;

--! attack open_step_with_a_trigger
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.label := 'N'; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON lair.codes FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE lair.codes SET kind = 5;
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes; DROP FUNCTION IF EXISTS lair.trig;

--! attack open_step_through_a_parent
CREATE TABLE lair.above (code int NOT NULL, label text, kind int);
ALTER TABLE lair.codes INHERIT lair.above;
UPDATE lair.above SET label = 'N';
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text, kind int); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int REFERENCES lair.codes);
INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes; 

--! attack generated_subject
UPDATE lair.own SET k = '550000000' || '3';
SELECT g FROM lair.own;
--! as owner:CARE2 doc:CARE2
--! before
CREATE TABLE lair.own (k text, patient_id bigint GENERATED ALWAYS AS (k::bigint) STORED, g text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES ('5500000001', DEFAULT, 'CNRYown');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own;

--! attack replaced_function_of_a_partition_key
CREATE OR REPLACE FUNCTION lair.bucket(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN 1; END$$;
UPDATE lair.own SET t = 'x';
--! as owner:CARE
--! before
CREATE FUNCTION lair.bucket(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; ALTER FUNCTION lair.bucket OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, g text) PARTITION BY LIST (lair.bucket(g)); ALTER TABLE lair.own OWNER TO att_owner;
CREATE TABLE lair.own1 PARTITION OF lair.own FOR VALUES IN (1);
INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP FUNCTION lair.bucket;

--! attack replaced_function_of_a_range_type
CREATE OR REPLACE FUNCTION lair.diff(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told % %', $1, $2; RETURN $1 - $2; END$$;
ANALYZE lair.own;
CREATE INDEX ON lair.own USING gist (r);
--! as owner:none owner:CARE
--! before
CREATE FUNCTION lair.diff(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 - $2; END'; ALTER FUNCTION lair.diff OWNER TO att_owner;
CREATE TYPE lair.rng AS RANGE (subtype = int, subtype_diff = lair.diff); ALTER TYPE lair.rng OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, r lair.rng); ALTER TABLE lair.own OWNER TO att_owner;
INSERT INTO lair.own SELECT 7700000004, lair.rng(n, 8675309) FROM generate_series(1, 400) n;
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP TYPE lair.rng; DROP FUNCTION lair.diff;

--! attack statistics_of_an_admins_index_expression
SELECT * FROM pg_stats WHERE tablename = 'patient_up';
SELECT stavalues1 FROM pg_statistic WHERE starelid = 'clinic.patient_up'::regclass;
--! as owner:none super:none owner:CARE
--! before
CREATE INDEX patient_up ON clinic.patient (upper(name)); ANALYZE clinic.patient;
--! after
DROP INDEX clinic.patient_up;

--! attack shadowed_by_a_temp_table_at_birth
CREATE TEMP TABLE kid (x int);
SET search_path = lair;
CREATE TABLE kid () INHERITS (clinic.base);
SELECT 'O' || 'FF' || relname FROM pg_class WHERE oid = to_regclass('lair.kid') AND NOT (relrowsecurity AND relforcerowsecurity);
--! canary OFF
--! as owner:none

--! attack detach_concurrently_left_pending
\! psql -XAtq -U att_super -c "SET twin_privacy.maintenance=on; BEGIN; SELECT count(*) FROM clinic.visit; SELECT pg_sleep(1.5); COMMIT" >/dev/null &
SELECT lair.await_lock('clinic.visit', 'AccessShareLock');
SET statement_timeout = '400ms';
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_1 CONCURRENTLY;
RESET statement_timeout;
SELECT 'pend' || inhdetachpending FROM pg_inherits WHERE inhrelid = 'clinic.visit_1'::regclass;
SELECT * FROM clinic.visit_1;
ALTER TABLE clinic.visit_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT * FROM clinic.visit_1;
\! sleep 1.5
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_1 FINALIZE;
SELECT * FROM clinic.visit_1;
ALTER TABLE clinic.visit_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT * FROM clinic.visit_1;
--! as owner:none
--! commit
--! after
ALTER TABLE clinic.visit ATTACH PARTITION clinic.visit_1 FOR VALUES FROM (0) TO (100);
SELECT twin_privacy.unprotect_table('clinic.visit_1', 'again') FROM twin_privacy.protected_tables WHERE target = 'clinic.visit_1'::regclass;
DO $$BEGIN IF EXISTS (SELECT FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass) THEN ALTER TABLE clinic.visit_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; END IF; END$$;

--! attack detach_concurrently_done
ALTER TABLE clinic.visit DETACH PARTITION clinic.visit_1 CONCURRENTLY;
ALTER TABLE clinic.visit_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT * FROM clinic.visit_1;
--! as owner:none
--! commit
--! after
ALTER TABLE clinic.visit ATTACH PARTITION clinic.visit_1 FOR VALUES FROM (0) TO (100);
SELECT twin_privacy.unprotect_table('clinic.visit_1', 'again') FROM twin_privacy.protected_tables WHERE target = 'clinic.visit_1'::regclass;
DO $$BEGIN IF EXISTS (SELECT FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass) THEN ALTER TABLE clinic.visit_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; END IF; END$$;

--! attack foreign_partition
CREATE FOREIGN TABLE clinic.visit_far PARTITION OF clinic.visit FOR VALUES FROM (800) TO (900) SERVER loop OPTIONS (schema_name 'lair', table_name 'far');
INSERT INTO clinic.visit SELECT 801, 550000000 * 10::bigint + 1, NULL, 'STO' || 'RED', NULL, 1;
SELECT note FROM lair.far;
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'visit_far';
--! as owner:CARE
--! canary STORED
--! before
CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'x');
GRANT USAGE ON FOREIGN SERVER loop TO PUBLIC;
CREATE TABLE lair.far (LIKE clinic.visit); GRANT ALL ON lair.far TO PUBLIC;
--! after
DROP EXTENSION postgres_fdw CASCADE; DROP TABLE lair.far;

--! attack foreign_table_attached
ALTER TABLE clinic.visit ATTACH PARTITION lair.far FOR VALUES FROM (800) TO (900);
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.far'::regclass;
--! as owner:CARE
--! canary STORED
--! before
CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'x');
GRANT USAGE ON FOREIGN SERVER loop TO PUBLIC;
CREATE FOREIGN TABLE lair.far (id int, patient_id bigint, day date, note text, labels text[], bill numeric) SERVER loop; ALTER FOREIGN TABLE lair.far OWNER TO att_owner;
--! after
DROP EXTENSION postgres_fdw CASCADE;

--! attack create_child_with_a_foreign_key
CREATE TABLE lair.dict (note text PRIMARY KEY);
CREATE TABLE lair.kid (FOREIGN KEY (note) REFERENCES lair.dict ON UPDATE CASCADE) INHERITS (clinic.base);
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'kid';
--! as owner:none
--! canary STORED

--! attack create_child_with_a_domain_column
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE DOMAIN lair.dom AS text CHECK (lair.tell(VALUE));
CREATE TABLE lair.kid (d lair.dom) INHERITS (clinic.base);
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'kid';
--! as owner:none
--! canary STORED

--! attack alter_child_columns_type_then_attach
CREATE TABLE lair.mine (LIKE clinic.visit INCLUDING ALL);
ALTER TABLE lair.mine ADD CHECK (CASE WHEN bill = 5 THEN note::int > 0 ELSE true END);
ALTER TABLE clinic.visit ATTACH PARTITION lair.mine FOR VALUES FROM (900) TO (1000);
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.mine'::regclass;
--! as owner:none
--! canary STORED

--! attack subpartition_with_a_trigger_below
CREATE TABLE lair.sub (LIKE clinic.visit) PARTITION BY RANGE (id);
CREATE TABLE lair.leaf PARTITION OF lair.sub FOR VALUES FROM (900) TO (950);
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON lair.leaf FOR EACH ROW EXECUTE FUNCTION lair.trig();
ALTER TABLE clinic.visit ATTACH PARTITION lair.sub FOR VALUES FROM (900) TO (1000);
SELECT 'STO' || 'RED' FROM pg_inherits WHERE inhrelid = 'lair.sub'::regclass;
--! as owner:none
--! canary STORED

--! attack disabled_trigger_enabled
ALTER TABLE lair.own ENABLE ALWAYS TRIGGER t;
ALTER TABLE lair.own ENABLE TRIGGER ALL;
UPDATE lair.own SET t = 'x';
--! as owner:CARE
--! before
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
CREATE TABLE lair.own (patient_id bigint, t text, g text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
CREATE TRIGGER t BEFORE UPDATE ON lair.own FOR EACH ROW EXECUTE FUNCTION lair.trig(); ALTER TABLE lair.own DISABLE TRIGGER t;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP FUNCTION lair.trig;

--! attack replaced_function_of_a_trigger_condition
CREATE OR REPLACE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
UPDATE lair.own SET t = 'x';
--! as owner:CARE
--! before
CREATE FUNCTION lair.quiet(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; ALTER FUNCTION lair.quiet OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, g text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
CREATE TRIGGER t BEFORE UPDATE ON lair.own FOR EACH ROW WHEN (lair.quiet(OLD.g)) EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP FUNCTION lair.quiet;

--! attack replaced_trigger_function
CREATE OR REPLACE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', OLD; RETURN NEW; END$$;
ALTER FUNCTION lair.trig() RESET ALL;
UPDATE lair.own SET t = 'x';
--! as owner:CARE
--! before
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; ALTER FUNCTION lair.trig OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, g text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
CREATE TRIGGER t BEFORE UPDATE ON lair.own FOR EACH ROW EXECUTE FUNCTION lair.trig();
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP FUNCTION lair.trig;

--! attack function_that_an_admins_function_calls_by_atomic_body
CREATE OR REPLACE FUNCTION lair.inner(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
UPDATE lair.own SET t = 'x';
REINDEX TABLE lair.own;
--! as owner:CARE
--! before
CREATE FUNCTION lair.inner(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'; ALTER FUNCTION lair.inner OWNER TO att_owner;
CREATE FUNCTION lair.outer(text) RETURNS text IMMUTABLE LANGUAGE sql RETURN lair.inner($1);
CREATE TABLE lair.own (patient_id bigint, t text, g text); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
CREATE INDEX ON lair.own (lair.outer(g));
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP FUNCTION lair.outer; DROP FUNCTION lair.inner;

--! attack domain_of_a_subject_or_generated_chain
ALTER DOMAIN lair.dom SET NOT NULL;
ALTER DOMAIN lair.dom ADD CONSTRAINT c CHECK (VALUE NOT LIKE 'CN' || '%') NOT VALID;
ALTER DOMAIN lair.dom VALIDATE CONSTRAINT c;
ALTER DOMAIN lair.dom2 ADD CHECK (lair.tell(VALUE));
SELECT 'STO' || 'RED' FROM pg_constraint WHERE contypid IN ('lair.dom'::regtype, 'lair.dom2'::regtype) AND contype = 'c';
--! as owner:CARE
--! canary CNRY|violates|STORED
--! before
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE DOMAIN lair.dom AS text; CREATE DOMAIN lair.dom2 AS lair.dom; ALTER DOMAIN lair.dom OWNER TO att_owner; ALTER DOMAIN lair.dom2 OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, g lair.dom2); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (7700000004, 't', 'CNRYown');
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP DOMAIN lair.dom2; DROP DOMAIN lair.dom; DROP FUNCTION lair.tell;

--! attack security_label_other_ways
SECURITY LABEL ON TABLE clinic.patient IS 'subject=id,category=demographics';
SECURITY LABEL FOR twin_privacy ON COLUMN clinic.patient.genome IS NULL;
SECURITY LABEL FOR twin_privacy ON VIEW lair.v IS 'x';
SECURITY LABEL FOR twin_privacy ON SCHEMA clinic IS 'x';
COMMENT ON COLUMN clinic.patient.genome IS 'kind=plain';
DELETE FROM pg_seclabel; UPDATE pg_seclabel SET label = 'subject=id,category=demographics';
DELETE FROM pg_seclabels;
SELECT genome, name FROM clinic.patient;
--! as owner:CARE owner:RES super:RES

--! attack reassign_and_drop_owned
REASSIGN OWNED BY att_owner TO att_analyst;
SELECT * FROM clinic.patient;
DROP OWNED BY twin_privacy_auditor, twin_privacy_officer, twin_privacy_registrar, twin_privacy_admin;
SELECT * FROM clinic.patient;
SET ROLE att_analyst;
ALTER TABLE clinic.patient DISABLE ROW LEVEL SECURITY;
SELECT * FROM clinic.patient;
--! as super:none

--! attack extension_membership
ALTER EXTENSION pgcrypto ADD TABLE clinic.diary;
SELECT left(body, 20) FROM clinic.diary;
ALTER EXTENSION pgcrypto DROP TABLE clinic.diary;
ALTER EXTENSION twin_privacy ADD TABLE clinic.diary;
SELECT left(body, 20) FROM clinic.diary;
ALTER EXTENSION twin_privacy DROP VIEW twin_privacy.my_uses;
ALTER EXTENSION twin_privacy DROP FUNCTION twin_privacy_internal.row_visible;
CREATE FUNCTION lair.leak(text) RETURNS boolean LEAKPROOF LANGUAGE plpgsql COST 0.001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
ALTER EXTENSION twin_privacy ADD FUNCTION lair.leak(text);
SELECT * FROM clinic.visit WHERE lair.leak(note);
ALTER FUNCTION lair.leak(text) SET SCHEMA twin_privacy;
SELECT * FROM clinic.visit WHERE twin_privacy.leak(note);
--! as super:CARE super:none

--! attack leakproof_function_put_into_our_schema
CREATE FUNCTION twin_privacy.leak(text) RETURNS boolean LEAKPROOF LANGUAGE plpgsql COST 0.001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
SELECT * FROM clinic.visit WHERE twin_privacy.leak(note);
--! as super:CARE super:RES

--! attack default_and_sequence_positions
ALTER TABLE clinic.patient ADD n int GENERATED ALWAYS AS IDENTITY;
SELECT n FROM clinic.patient;
CREATE SEQUENCE lair.s; 
ALTER TABLE clinic.patient ADD m int DEFAULT nextval('lair.s');
SELECT m FROM clinic.patient;
CREATE FUNCTION lair.volatile() RETURNS text LANGUAGE plpgsql AS $$DECLARE t text; BEGIN SELECT string_agg(p::text, '') INTO t FROM clinic.patient p; RAISE NOTICE 'told %', t; RETURN t; END$$;
ALTER TABLE clinic.patient ADD k text DEFAULT lair.volatile();
SELECT k FROM clinic.patient;
--! as owner:RES owner:none owner:CARE

--! attack temp_table_inherits
CREATE TEMP TABLE kid () INHERITS (clinic.base);
INSERT INTO kid SELECT id, patient_id, note FROM clinic.base;
SELECT twin_privacy.unbind_use();
SELECT note FROM kid;
ALTER TABLE kid DISABLE ROW LEVEL SECURITY;
SELECT patient_id, note FROM pg_temp.kid;
ALTER TABLE kid NO INHERIT clinic.base;
ALTER TABLE kid DISABLE ROW LEVEL SECURITY;
SELECT patient_id FROM kid;
--! as owner:CARE
--! canary 550000000

--! attack virtual_column_of_the_admins
--! since 18
SELECT up, v.* FROM lair.own v;
SELECT v FROM lair.own v WHERE up LIKE 'C%';
UPDATE lair.own SET t = 'x' RETURNING up, own, OLD.up, NEW;
UPDATE lair.own SET t = up;
SELECT t FROM lair.own;
COPY lair.own TO STDOUT;
ALTER TABLE lair.own ALTER up SET EXPRESSION AS (g || 'z');
ALTER TABLE lair.own ALTER COLUMN up DROP EXPRESSION;
SELECT up FROM lair.own;
CREATE INDEX ON lair.own (up);
ALTER TABLE lair.own ADD CHECK (up > '');
--! as doc:CARE owner:CARE super:CARE
--! before
CREATE TABLE lair.own (patient_id bigint, t text, g text, up text GENERATED ALWAYS AS (g || 'x') VIRTUAL); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own;

--! attack temporal_constraints
--! since 18
ALTER TABLE lair.own ADD CONSTRAINT w UNIQUE (t, r WITHOUT OVERLAPS);
ALTER TABLE lair.own ADD CONSTRAINT w2 PRIMARY KEY (g, r WITHOUT OVERLAPS);
CREATE TABLE lair.ref (t text, r int4range, UNIQUE (t, r WITHOUT OVERLAPS));
ALTER TABLE lair.own ADD FOREIGN KEY (t, PERIOD r) REFERENCES lair.ref (t, PERIOD r);
ALTER TABLE lair.own ADD CONSTRAINT nn NOT NULL g NOT VALID;
ALTER TABLE lair.own VALIDATE CONSTRAINT nn;
ALTER TABLE lair.own ADD CONSTRAINT ck CHECK (g < 'A') NOT ENFORCED;
ALTER TABLE lair.own ALTER CONSTRAINT ck ENFORCED;
ALTER TABLE lair.own ADD CONSTRAINT fk FOREIGN KEY (patient_id) REFERENCES clinic.patient NOT ENFORCED;
ALTER TABLE lair.own ALTER CONSTRAINT fk ENFORCED;
INSERT INTO lair.own SELECT 550000000 * 10::bigint + 1, 't', 'x', '[1,5]';
UPDATE lair.own SET r = '[3,4]' RETURNING *;
--! as owner:CARE
--! before
CREATE EXTENSION btree_gist;
CREATE TABLE lair.own (patient_id bigint, t text, g text, r int4range); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (7700000004, 'CNRYt', 'CNRYown', '[1,3]'), (7700000004, 'CNRYt', 'CNRYown', '[2,4]'), (5500000001, 'ok', 'CNRYown', '[7,8]');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP EXTENSION btree_gist;

--! attack computed_column_from_another_expression
--! since 17
ALTER TABLE lair.own ALTER up SET EXPRESSION AS (g);
SELECT up FROM lair.own;
--! as owner:CARE owner:RES
--! before
CREATE TABLE lair.own (patient_id bigint, t text, g text, up text GENERATED ALWAYS AS (t || 'x') STORED); ALTER TABLE lair.own OWNER TO att_owner;
INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', c, 'kind=plain') FROM unnest('{up,t}'::name[]) c, twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own;

--! attack virtual_column_from_another_expression
--! since 18
ALTER TABLE lair.own ALTER up SET EXPRESSION AS (g);
SELECT up FROM lair.own;
--! as owner:CARE owner:RES
--! before
CREATE TABLE lair.own (patient_id bigint, t text, g text, up text GENERATED ALWAYS AS (t || 'x') VIRTUAL); ALTER TABLE lair.own OWNER TO att_owner;
INSERT INTO lair.own VALUES (5500000001, 't', 'CNRYown');
GRANT ALL ON lair.own TO PUBLIC;
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', 'g', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.own', c, 'kind=plain') FROM unnest('{up,t}'::name[]) c, twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own;

--! attack moved_below_a_laxer_parent
ALTER TABLE lair.strict_kid INHERIT lair.lax;
ALTER TABLE lair.strict_kid NO INHERIT lair.strict;
SELECT note FROM lair.strict_kid;
SELECT note FROM lair.lax;
--! as owner:CARE
--! before
CREATE TABLE lair.strict (patient_id bigint, note text); CREATE TABLE lair.strict_kid () INHERITS (lair.strict); CREATE TABLE lair.lax (patient_id bigint);
INSERT INTO lair.strict_kid VALUES (5500000001, 'CNRYnote');
ALTER TABLE lair.strict OWNER TO att_owner; ALTER TABLE lair.strict_kid OWNER TO att_owner; ALTER TABLE lair.lax OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.strict', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.strict', 'note', 'category=genomics,kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.lax', subject => 'patient_id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.strict_kid; DROP TABLE lair.strict, lair.lax;

--! attack unique_index_as_an_oracle
CREATE UNIQUE INDEX guess ON clinic.patient (genome);
UPDATE clinic.patient SET genome = 'CN' || 'RYgen1' WHERE id = 550000000 * 10::bigint + 3;
ALTER TABLE clinic.patient ADD CONSTRAINT guess2 UNIQUE (secret);
UPDATE clinic.patient SET secret = 8675000 + 309.4 WHERE id = 550000000 * 10::bigint + 3;
--! as owner:CARE2
--! canary duplicate key

--! attack enum_and_label_values_renamed
ALTER TYPE lair.lab RENAME VALUE 'R' TO 'N';
SELECT * FROM lair.own;
--! as owner:CARE
--! before
CREATE TYPE lair.lab AS ENUM ('N', 'R'); ALTER TYPE lair.lab OWNER TO att_owner;
CREATE TABLE lair.own (patient_id bigint, t text, lab lair.lab, labels text GENERATED ALWAYS AS (CASE lab WHEN 'R' THEN 'R' ELSE 'N' END) STORED); ALTER TABLE lair.own OWNER TO att_owner; INSERT INTO lair.own VALUES (5500000001, 'CNRYown', 'R');
SELECT twin_privacy.protect_table('lair.own', subject => 'patient_id', category => 'clinical', label_column => 'labels') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.own; DROP TYPE lair.lab;

--! attack labels_through_a_path_of_two_hops
UPDATE lair.kinds SET label = 'N'; DELETE FROM lair.kinds; INSERT INTO lair.kinds VALUES (2, 'N');
UPDATE lair.codes SET kind = 2; INSERT INTO lair.codes VALUES (1, 2) ON CONFLICT (code) DO UPDATE SET kind = 2;
MERGE INTO lair.codes c USING (VALUES (2)) s(k) ON true WHEN MATCHED THEN UPDATE SET kind = s.k;
WITH u AS (UPDATE lair.codes SET kind = 2 RETURNING 1) SELECT * FROM u;
ALTER TABLE lair.codes ALTER kind TYPE int USING 2;
ALTER TABLE lair.codes ADD FOREIGN KEY (kind) REFERENCES lair.up ON UPDATE CASCADE NOT VALID;
INSERT INTO lair.up VALUES (1); UPDATE lair.up SET k = 2;
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.up (k int PRIMARY KEY); GRANT ALL ON lair.up TO PUBLIC; ALTER TABLE lair.up OWNER TO att_owner;
CREATE TABLE lair.kinds (k int PRIMARY KEY, label text); INSERT INTO lair.kinds VALUES (1, 'R'); ALTER TABLE lair.kinds OWNER TO att_owner;
CREATE TABLE lair.codes (code int PRIMARY KEY, kind int); INSERT INTO lair.codes VALUES (1, 1); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int); INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled, lair.kinds TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).kind -> lair.kinds(k).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes, lair.kinds, lair.up CASCADE;

--! attack copy_into_a_step_or_its_conflict
\copy lair.codes from program 'printf "2\tN\n"'
TRUNCATE ONLY lair.above; TRUNCATE lair.above;
\copy lair.codes from program 'printf "1\tN\n"'
INSERT INTO lair.codes VALUES (1, 'N');
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.above (code int NOT NULL, label text); ALTER TABLE lair.above OWNER TO att_owner;
CREATE TABLE lair.codes (PRIMARY KEY (code)) INHERITS (lair.above); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int); INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
GRANT ALL ON lair.codes, lair.labelled, lair.above TO PUBLIC;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE lair.above CASCADE;

--! attack open_step_dropped_by_a_schema
DROP SCHEMA den CASCADE;
CREATE SCHEMA den;
CREATE TABLE den.codes (code int PRIMARY KEY, label text);
INSERT INTO den.codes VALUES (1, 'N');
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE SCHEMA den AUTHORIZATION att_owner;
CREATE TABLE den.codes (code int PRIMARY KEY, label text); INSERT INTO den.codes VALUES (1, 'R'); ALTER TABLE den.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int); INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> den.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP SCHEMA den CASCADE;

--! attack open_step_renamed_in_a_subtransaction_and_rolled_back
SAVEPOINT s;
ALTER TABLE lair.codes RENAME TO gone;
ROLLBACK TO s;
ALTER TABLE lair.codes RENAME COLUMN label TO was;
ALTER TABLE lair.codes ADD label text DEFAULT 'N';
ALTER TABLE lair.codes RENAME COLUMN code TO c; ALTER TABLE lair.codes ADD code int UNIQUE DEFAULT 1;
DO $$BEGIN ALTER TABLE lair.codes RENAME TO moved; CREATE TABLE lair.codes (code int PRIMARY KEY, label text); INSERT INTO lair.codes VALUES (1, 'N'); END$$;
SELECT * FROM lair.labelled;
--! as owner:CARE
--! before
CREATE TABLE lair.codes (code int PRIMARY KEY, label text); INSERT INTO lair.codes VALUES (1, 'R'); ALTER TABLE lair.codes OWNER TO att_owner;
CREATE TABLE lair.labelled (id bigint, note text, code int); INSERT INTO lair.labelled VALUES (5500000001, 'CNRYlabelled', 1); ALTER TABLE lair.labelled OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.labelled', subject => 'id', category => 'clinical', label_column => 'code -> lair.codes(code).label') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.labelled; DROP TABLE IF EXISTS lair.codes, lair.moved;

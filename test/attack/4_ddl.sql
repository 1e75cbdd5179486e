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
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
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
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
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
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
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
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
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

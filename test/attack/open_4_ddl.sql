--! everybody owner:none owner:RES owner:CARE super:none

--! attack retype_using
CREATE FUNCTION lair.say(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
ALTER TABLE clinic.patient ALTER name TYPE varchar USING lair.say(name);
ALTER TABLE clinic.patient ALTER sex TYPE text USING genome;
SELECT sex FROM clinic.patient;

--! attack retype_cast_error
ALTER TABLE clinic.patient ALTER genome TYPE int USING genome::int;
ALTER TABLE clinic.patient ALTER name TYPE date USING name::date;

--! attack generated_column
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (upper(genome)) STORED;
SELECT up FROM clinic.patient;
ALTER TABLE clinic.lab_order ADD bill text GENERATED ALWAYS AS ('b' || price) STORED;
SELECT bill FROM clinic.lab_order;

--! attack generated_column_function
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (lair.say(name)) STORED;

--! attack generated_columns_of_another_category_identified
ALTER TABLE clinic.patient ADD up text GENERATED ALWAYS AS (genome) STORED;
SELECT up FROM clinic.patient;
--! as owner:CARE super:CARE

--! attack index_expression
CREATE FUNCTION lair.say(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE INDEX ON clinic.patient (lair.say(name));
CREATE INDEX ON clinic.patient (id) WHERE lair.say(genome) IS NOT NULL;

--! attack replaced_function_of_an_index
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
CREATE INDEX ON clinic.patient ((genome::int));
CREATE INDEX ON clinic.patient ((1 / (secret - 1.5)));
CREATE UNIQUE INDEX ON clinic.patient (birth);
ALTER TABLE clinic.patient ADD EXCLUDE USING btree (birth WITH =);
CREATE UNIQUE INDEX ON clinic.patient (substr(name, 1, 7));
--! canary CNRY|IDNT|division|birth\)=|substr.*\)=

--! attack check_constraint
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
ALTER TABLE clinic.patient ADD CHECK (lair.tell(genome));
ALTER TABLE clinic.patient ADD CONSTRAINT nv CHECK (lair.tell(genome)) NOT VALID;
ALTER TABLE clinic.patient VALIDATE CONSTRAINT nv;

--! attack check_constraint_oracle
ALTER TABLE clinic.patient ADD CHECK (genome NOT LIKE 'C%4');
--! canary is violated by some row
--! as owner:none owner:CARE

--! attack domain_constraint
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
--! as owner:CARE super:CARE

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
--! as owner:CARE super:CARE

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
--! as owner:CARE owner:RES super:CARE

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
--! as super:none

--! attack statistics_object
CREATE STATISTICS lair.st (mcv) ON (genome || name), birth FROM clinic.patient;
ANALYZE clinic.patient;
SELECT * FROM pg_stats_ext_exprs;
SELECT * FROM pg_stats_ext;
--! as owner:none owner:CARE super:CARE

--! attack foreign_key_reads_existence
CREATE TABLE lair.probe (id bigint REFERENCES clinic.patient);
INSERT INTO lair.probe VALUES (770000000 * 10::bigint + 4);
INSERT INTO lair.probe VALUES (770000000 * 10::bigint + 9);
SELECT 'EXISTS' || count(*) FROM lair.probe;
--! canary EXISTS1
--! as analyst:RES nobody:none


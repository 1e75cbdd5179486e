--! everybody analyst:RES owner:RES owner:CARE bypass:RES super:RES reader:RES reader:none nobody:none

--! attack read_through_a_new_parent
CREATE TABLE lair.parent AS SELECT id, name, birth FROM clinic.patient WITH NO DATA;
ALTER TABLE lair.parent ALTER id SET NOT NULL, ALTER name SET NOT NULL;
ALTER TABLE clinic.patient INHERIT lair.parent;
SELECT * FROM lair.parent;
COPY (SELECT * FROM lair.parent) TO STDOUT;
--! as owner:RES owner:CARE owner:none super:none

--! attack explain_estimates
CREATE FUNCTION lair.estimate(q text) RETURNS text LANGUAGE plpgsql AS $$DECLARE l text; BEGIN FOR l IN EXECUTE 'EXPLAIN ' || q LOOP IF l ~ 'rows=' THEN RETURN substring(l from 'rows=\d+'); END IF; END LOOP; END$$;
SELECT lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 867530' || '9') || CASE WHEN lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 867530' || '9') IS DISTINCT FROM lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 2') THEN ' DIFFE' || 'RENT' END;
--! canary DIFFERENT
--! as analyst:RES owner:CARE super:RES
--! before
ANALYZE clinic.lab_order;

--! attack toast
SELECT 'pg_toast_' || 'clinic.diary'::regclass::oid AS toast \gset
SELECT convert_from(chunk_data, 'UTF8') FROM pg_toast.:"toast";
COPY pg_toast.:"toast" TO STDOUT;
--! as reader:none reader:RES super:RES super:none
--! canary CNRY|434e525974

--! attack maintenance_by_function_clause
SELECT lair.m(); SELECT lair.n();
SELECT * FROM clinic.patient;
--! as analyst:none owner:RES
--! before
CREATE FUNCTION lair.m() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN BEGIN PERFORM set_config('twin_privacy.maintenance', 'on', true); EXCEPTION WHEN insufficient_privilege THEN END; RETURN QUERY SELECT p::text FROM clinic.patient p; END$$;
CREATE FUNCTION lair.n() RETURNS SETOF text LANGUAGE plpgsql SET twin_privacy.maintenance = on AS $$BEGIN RETURN QUERY SELECT p::text FROM clinic.patient p; END$$;
--! after
DROP FUNCTION lair.m, lair.n;

--! attack session_replication_role
SET session_replication_role = replica;
SELECT * FROM clinic.patient;
UPDATE clinic.patient SET sex = sex RETURNING *;
--! as super:RES super:none

--! attack row_security_off
SET row_security = off;
SELECT * FROM clinic.patient;
COPY clinic.patient TO STDOUT;

--! attack catalog_edit_removes_rls
UPDATE pg_class SET relrowsecurity = false, relforcerowsecurity = false WHERE relname = 'patient';
SET ROLE att_owner;
SELECT * FROM clinic.patient;
--! as super:RES super:none

--! attack temp_schema_hijack
CREATE FUNCTION pg_temp.row_visible(oid, bigint, "any", "any") RETURNS boolean LANGUAGE internal AS 'booltrue';
SET search_path = pg_temp, pg_catalog, clinic, twin_privacy_internal;
CREATE FUNCTION pg_temp.cell(anyelement, oid, bigint, smallint, bigint) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION pg_temp.cell(text, oid, bigint, smallint, bigint) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE TEMP TABLE pg_seclabel AS SELECT * FROM pg_catalog.pg_seclabel WHERE false;
SELECT * FROM patient;

--! attack leaky_function_in_where
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
SELECT count(*) FROM clinic.patient p WHERE lair.tell(name) AND lair.tell(secret::text) AND lair.tell(p::text) AND lair.tell(birth::text);
SELECT count(*) FROM clinic.lab_order WHERE lair.tell(price::text) AND lair.tell(code);

--! attack leaky_operator_and_estimator
CREATE FUNCTION lair.tell(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
EXPLAIN SELECT * FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.visit_1 WHERE note OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.visit WHERE note OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.base WHERE note OPERATOR(lair.===) 'x';
SELECT count(*) FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
SELECT count(*) FROM clinic.visit WHERE note OPERATOR(lair.===) 'x';

--! attack unique_violation_detail
UPDATE clinic.patient SET id = 550000000 * 10::bigint + 1;
CREATE UNIQUE INDEX ON clinic.lab_order (price);
ALTER TABLE clinic.lab_order ADD UNIQUE (code);
CREATE UNIQUE INDEX ON clinic.patient (birth);
ALTER TABLE clinic.patient ADD EXCLUDE USING btree (birth WITH =);
--! as owner:CARE owner:none super:CARE
--! canary CNRY|8675309|1944-06-06|770000000\d|code\)=|price\)=|birth\)=

--! attack xml_and_export_functions
SELECT table_to_xml('clinic.patient', true, false, '');
SELECT query_to_xml('SELECT * FROM clinic.patient', true, false, '');
SELECT schema_to_xml('clinic', true, false, '');
SELECT database_to_xml(true, false, '');
DO $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT * FROM clinic.patient; END$$;
SELECT cursor_to_xml('c', 10, true, false, '');

--! attack ts_stat_runs_a_query
SELECT * FROM ts_stat('SELECT to_tsvector(''simple'', name || birth || genome) FROM clinic.patient');
--! canary (?i:cnry|idnt|1971-08-1|1944)

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
ALTER TABLE lair.parent ALTER birth TYPE timestamp USING lair.say(birth::text)::timestamp;
--! as owner:RES owner:CARE owner:none super:none

--! attack explain_analyze_counts_hidden_rows
EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, SUMMARY OFF) SELECT * FROM clinic.patient;
EXPLAIN (ANALYZE, VERBOSE, BUFFERS OFF) SELECT * FROM clinic.diary;
EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM clinic.lab_order;
--! canary Rows Removed by Filter: [1-9]|Rows Removed by Filter": [1-9]|actual time=\S+ rows=6|rows=6 loops
--! as analyst:RES owner:CARE super:RES

--! attack our_own_tables
--! open maintenance:none
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
SELECT 'FOU' || 'ND' FROM clinic.patient WHERE name = twin_privacy.pseudonymize('RES', 'IDN' || 'Tname1')::text OR id::text = twin_privacy.pseudonymize('RES', 550000000 * 10::bigint + 1)::text;
SELECT 'FOU' || 'ND' FROM clinic.patient WHERE name = 'IDN' || 'Tname1';
SELECT 'FOU' || 'ND' FROM clinic.patient, twin_privacy.pseudonyms('RES', 'IDN' || 'Tname1') AS s(x) WHERE name = x::text;
SELECT 'FOU' || 'ND' WHERE twin_privacy.shift_date('RES', 550000000 * 10::bigint + 1, date '2000-01-01') IS NOT NULL;
SELECT 'FOU' || 'ND' WHERE twin_privacy.fpe_encrypt('RES', '12345678', '0123456789', '') IS NOT NULL;
SELECT 'FOU' || 'ND' WHERE twin_privacy.seal('RES', 'x', 'y') IS NOT NULL;
--! as analyst:RES owner:RES
--! canary FOUND

--! attack tableoid_tells_the_partition_bound
SELECT 'BOU' || 'ND' || tableoid::regclass FROM lair.part WHERE name <> 'a';
--! canary BOUNDlair.part_hiv
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

--! attack our_table_moved_out_and_back
ALTER TABLE twin_privacy_internal.approved_use SET SCHEMA lair;
UPDATE lair.approved_use SET basis = 'legal_obligation';
ALTER TABLE lair.approved_use SET SCHEMA twin_privacy_internal;
SELECT * FROM clinic.patient;
--! as super:RES super:CARE

--! attack our_schema_renamed_and_back
ALTER SCHEMA twin_privacy_internal RENAME TO elsewhere;
UPDATE elsewhere.approved_use SET basis = 'legal_obligation';
ALTER SCHEMA elsewhere RENAME TO twin_privacy_internal;
SELECT * FROM clinic.patient;
--! as super:RES super:CARE

--! attack our_table_below_another
CREATE TABLE lair.upper (LIKE twin_privacy_internal.approved_use) PARTITION BY LIST (basis);
ALTER TABLE lair.upper ATTACH PARTITION twin_privacy_internal.approved_use DEFAULT;
UPDATE lair.upper SET basis = 'legal_obligation';
SELECT * FROM clinic.patient;
--! as super:RES super:CARE

--! attack our_schema_given_away
ALTER SCHEMA twin_privacy_internal OWNER TO att_owner;
ALTER EXTENSION twin_privacy DROP TABLE twin_privacy_internal.use_grant;
CREATE TABLE lair.lower () INHERITS (twin_privacy_internal.directive);
CREATE POLICY p ON twin_privacy_internal.directive USING (true);
SELECT 'CN' || 'RYbelow' FROM pg_class WHERE oid = to_regclass('lair.lower');
SELECT 'CN' || 'RYowner' FROM pg_namespace WHERE nspname = 'twin_privacy_internal' AND nspowner = 'att_owner'::regrole;
SELECT 'CN' || 'RYgone' FROM pg_class c WHERE c.oid = 'twin_privacy_internal.use_grant'::regclass AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e');
--! open maintenance:none
--! as super:none

--! attack cast_errors
SELECT name::int FROM clinic.patient;
SELECT extra::date FROM clinic.patient WHERE extra > 'J';
SELECT code::int FROM clinic.lab_order WHERE code <> 'GLU';
SELECT genome::int FROM clinic.patient;

--! attack division_errors_of_hidden_rows
SELECT 1 / (price - 867530 * 10 - 9) FROM clinic.lab_order;
SELECT 'BLIND' FROM clinic.lab_order WHERE 1 / (price - 867530 * 10 - 9) IS NULL;
SELECT CASE WHEN price > 0 THEN 1 / (price - 867530 * 10 - 9) END FROM clinic.lab_order;
--! canary division by zero

--! attack foreign_key_violation_detail
CREATE TABLE lair.codes (code text PRIMARY KEY);
ALTER TABLE clinic.lab_order ADD FOREIGN KEY (code) REFERENCES lair.codes;
--! as owner:CARE owner:none super:CARE
--! canary CNRY|code\)=

--! attack maintenance_by_role_setting
SELECT * FROM clinic.patient;
--! as analyst:none owner:none
--! before
ALTER ROLE att_analyst SET twin_privacy.maintenance = on; ALTER ROLE att_owner SET twin_privacy.maintenance = on;
--! after
ALTER ROLE att_analyst RESET twin_privacy.maintenance; ALTER ROLE att_owner RESET twin_privacy.maintenance;

--! attack error_detail_through_an_exception_block
DO $$DECLARE d text; BEGIN UPDATE clinic.patient SET sex = NULL; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL; RAISE NOTICE 'told %', d; END$$;
--! as doc:CARE bypass:CARE super:CARE

--! attack fk_context_at_planning_time
DELETE FROM clinic.lab_order WHERE id = 1;
--! as doc:CARE owner:CARE bypass:CARE super:CARE
--! open owner:CARE
--! before
CREATE FUNCTION lair.tell(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN false; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION lair.vol() RETURNS boolean LANGUAGE plpgsql AS $$DECLARE g text := 'x'; BEGIN
  DELETE FROM ONLY clinic.patient WHERE genome OPERATOR(lair.===) g;
  PERFORM 1 FROM ONLY clinic.patient x WHERE x.genome OPERATOR(lair.===) g FOR KEY SHARE OF x; RETURN true;
  EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; RETURN true; END$$;
CREATE FUNCTION lair.imm(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN lair.vol(); END$$;
SET check_function_bodies = off;
CREATE TABLE lair.child (id int REFERENCES clinic.lab_order ON DELETE CASCADE, n int);
INSERT INTO lair.child VALUES (1);
CREATE INDEX ON lair.child (id) WHERE lair.imm(1);
GRANT ALL ON lair.child TO PUBLIC;
ALTER TABLE lair.child OWNER TO att_doc;
--! after
DROP TABLE lair.child; DROP OPERATOR lair.=== (text, text); DROP FUNCTION lair.imm, lair.vol, lair.tell;

--! attack fk_from_a_hidden_column_as_oracle
CREATE TABLE lair.dict (code text PRIMARY KEY);
INSERT INTO lair.dict VALUES ('CN' || 'RYgen4'), ('other');
ALTER TABLE clinic.patient ADD FOREIGN KEY (genome) REFERENCES lair.dict NOT VALID;
DO $$BEGIN DELETE FROM lair.dict WHERE code = 'other'; DELETE FROM lair.dict; EXCEPTION WHEN foreign_key_violation THEN RAISE NOTICE 'GU%', 'ESSED'; END$$;
--! as owner:none owner:CARE
--! canary GUESSED

--! attack toast_of_statistics
--! open maintenance:none
SELECT encode(chunk_data, 'escape') FROM pg_toast.pg_toast_2619;
SELECT format('SELECT encode(chunk_data, ''escape'') FROM %s', reltoastrelid::regclass) FROM pg_class
WHERE relnamespace = 'twin_privacy_internal'::regnamespace AND reltoastrelid <> 0 \gexec
--! as reader:none super:RES
--! canary CNRYstat
--! before
CREATE TABLE lair.wide (id bigint, a text);
INSERT INTO lair.wide SELECT 7700000004, 'CNRYstat' || n || (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 20) m) FROM generate_series(1, 100) n;
SELECT twin_privacy.protect_table('lair.wide', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ANALYZE lair.wide;
--! after
DROP TABLE lair.wide;

--! attack explain_analyze_counts_index_entries
SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT code FROM clinic.lab_order WHERE id = 4;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT code FROM clinic.lab_order WHERE id IN (4, 5, 6);
--! as analyst:RES doc:CARE super:CARE
--! canary Bitmap Index Scan.*actual rows=[1-9]

--! attack explain_analyze_heap_fetches
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM clinic.patient WHERE id > 600000000 * 10::bigint;
--! as analyst:RES doc:CARE super:CARE
--! canary Heap Fetches: [1-9]

--! attack check_option_detail
CREATE VIEW lair.v AS SELECT * FROM clinic.patient WHERE sex = 'f' WITH CHECK OPTION;
UPDATE lair.v SET sex = 'm';
--! as doc:CARE bypass:CARE super:CARE

--! attack deferred_unique_detail
BEGIN;
UPDATE clinic.patient SET sex = 'f' WHERE id = 550000000 * 10::bigint + 2;
COMMIT;
--! as doc:CARE bypass:CARE super:CARE
--! commit
--! before
UPDATE clinic.patient SET genome = 'CNRYsame' WHERE id IN (5500000001, 5500000002);
ALTER TABLE clinic.patient ADD CONSTRAINT du UNIQUE (sex, genome) DEFERRABLE INITIALLY DEFERRED;
--! after
ALTER TABLE clinic.patient DROP CONSTRAINT du;
UPDATE clinic.patient SET genome = 'CNRYgen' || substr(id::text, 10), sex = CASE WHEN id = 5500000002 THEN 'm' ELSE sex END WHERE id IN (5500000001, 5500000002);

--! attack deferred_unique_detail_not_logged
BEGIN;
UPDATE clinic.patient SET sex = 'f' WHERE id = 550000000 * 10::bigint + 2;
COMMIT;
--! as doc:CARE bypass:CARE super:CARE
--! commit
--! before
UPDATE clinic.patient SET genome = 'CNRYsame' WHERE id IN (5500000001, 5500000002);
ALTER TABLE clinic.patient ADD CONSTRAINT du UNIQUE (sex, genome) DEFERRABLE INITIALLY DEFERRED;
ALTER ROLE att_bypass SET log_min_messages = fatal;
ALTER ROLE att_super SET log_min_messages = log;
--! after
ALTER TABLE clinic.patient DROP CONSTRAINT du;
UPDATE clinic.patient SET genome = 'CNRYgen' || substr(id::text, 10), sex = CASE WHEN id = 5500000002 THEN 'm' ELSE sex END WHERE id IN (5500000001, 5500000002);
ALTER ROLE att_bypass RESET log_min_messages;
ALTER ROLE att_super RESET log_min_messages;

--! attack deferred_unique_detail_within_with
WITH changed AS (UPDATE clinic.patient SET sex = 'f' WHERE id = 550000000 * 10::bigint + 2) SELECT;
--! as doc:CARE bypass:CARE super:CARE
--! commit
--! before
UPDATE clinic.patient SET genome = 'CNRYsame' WHERE id IN (5500000001, 5500000002);
ALTER TABLE clinic.patient ADD CONSTRAINT du UNIQUE (sex, genome) DEFERRABLE INITIALLY DEFERRED;
--! after
ALTER TABLE clinic.patient DROP CONSTRAINT du;
UPDATE clinic.patient SET genome = 'CNRYgen' || substr(id::text, 10), sex = CASE WHEN id = 5500000002 THEN 'm' ELSE sex END WHERE id IN (5500000001, 5500000002);

--! attack cascade_quotes_keys
DELETE FROM lair.parent;
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM lair.parent;
SET CONSTRAINTS ALL IMMEDIATE;
--! as bypass:CARE super:CARE
--! before
CREATE TABLE lair.parent (id int PRIMARY KEY);
INSERT INTO lair.parent VALUES (1);
ALTER TABLE clinic.result ADD parent int REFERENCES lair.parent ON DELETE CASCADE, ADD secret text UNIQUE;
UPDATE clinic.result SET parent = 1, secret = 'CNRYsecret' || id;
CREATE TABLE lair.child (secret text REFERENCES clinic.result (secret) DEFERRABLE);
INSERT INTO lair.child SELECT secret FROM clinic.result;
GRANT SELECT, DELETE ON lair.parent TO att_bypass;
GRANT SELECT ON lair.child, clinic.result TO att_bypass;
--! after
DROP TABLE lair.child;
ALTER TABLE clinic.result DROP parent, DROP secret;
DROP TABLE lair.parent;

--! attack cascade_quotes_keys_at_commit
DELETE FROM lair.parent;
--! as bypass:CARE super:CARE
--! commit
--! before
CREATE TABLE lair.parent (id int PRIMARY KEY);
INSERT INTO lair.parent VALUES (1);
ALTER TABLE clinic.result ADD parent int REFERENCES lair.parent ON DELETE CASCADE, ADD secret text UNIQUE;
UPDATE clinic.result SET parent = 1, secret = 'CNRYsecret' || id;
CREATE TABLE lair.child (secret text REFERENCES clinic.result (secret) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO lair.child SELECT secret FROM clinic.result;
GRANT SELECT, DELETE ON lair.parent TO att_bypass;
GRANT SELECT ON lair.child, clinic.result TO att_bypass;
--! after
DROP TABLE lair.child;
ALTER TABLE clinic.result DROP parent, DROP secret;
DROP TABLE lair.parent;

--! attack refreshed_view_over_a_function
REFRESH MATERIALIZED VIEW lair.kept;
SELECT 'STORED' || sex FROM lair.kept;
--! as owner:RES owner:CARE
--! canary STORED[fm]
--! before
CREATE FUNCTION lair.rows() RETURNS SETOF clinic.patient LANGUAGE sql AS 'SELECT * FROM clinic.patient';
CREATE MATERIALIZED VIEW lair.kept AS SELECT sex FROM lair.rows() WITH NO DATA;
ALTER MATERIALIZED VIEW lair.kept OWNER TO att_owner;
--! after
DROP MATERIALIZED VIEW lair.kept; DROP FUNCTION lair.rows;

--! attack forged_bindings
SET twin_privacy.use = 'CARE2'; SELECT * FROM clinic.patient;
SELECT set_config('twin_privacy.use', 'ALL', false); SELECT * FROM clinic.patient;
SET twin_privacy.use = 'care'; SELECT * FROM clinic.patient;
SET twin_privacy.actor = 'att_doc'; SET twin_privacy.justification = 'att_super'; SELECT * FROM clinic.patient;
SELECT twin_privacy.bind_use('CARE', 'x'); SELECT * FROM clinic.patient;
SET ROLE att_doc; SELECT * FROM clinic.patient;
SET SESSION AUTHORIZATION att_doc; SELECT * FROM clinic.patient;
--! as analyst:RES nobody:none

--! attack binding_from_outside
\setenv PGUSER :USER
\setenv PGOPTIONS '-c twin_privacy.use=ALL -c twin_privacy.maintenance=on -c session_replication_role=replica -c row_security=off'
\! psql -XAt -c 'SELECT * FROM clinic.patient' 2>&1
\setenv PGOPTIONS '-c twin_privacy.use=ALL -c row_security=off'
\! psql -XAt -c 'SELECT * FROM clinic.patient' 2>&1
ALTER ROLE CURRENT_USER SET twin_privacy.use = 'CARE2';
\setenv PGOPTIONS ''
\! psql -XAt -c 'SELECT * FROM clinic.patient' 2>&1
--! as analyst:RES nobody:none

--! attack pg_dump
\setenv PGUSER :USER
\! pg_dump --data-only -t 'clinic.*' 2>&1
\! pg_dump --data-only --enable-row-security -t 'clinic.*' 2>&1
\! pg_dump --inserts --enable-row-security -t clinic.patient 2>&1
\! pg_dump -n clinic --statistics-only 2>&1
\setenv PGOPTIONS '-c twin_privacy.use=RES'
\! pg_dump --data-only --enable-row-security -t 'clinic.*' 2>&1
--! as owner:RES reader:RES bypass:RES super:RES nobody:none

--! attack dblink_loop
SELECT * FROM dblink(lair.here(), 'SELECT p::text FROM clinic.patient p') AS t(x text);
SELECT dblink_exec(lair.here(), format('CREATE TABLE lair.linked AS SELECT %L AS x', name)) FROM clinic.patient;
SELECT 'STO' || 'RED' FROM pg_class WHERE relname = 'linked';
--! as super:RES
--! canary CNRY|IDNT|STORED
--! before
CREATE EXTENSION dblink SCHEMA lair;
CREATE FUNCTION lair.here() RETURNS text LANGUAGE sql AS $$SELECT format('dbname=%s host=%s port=%s user=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), session_user)$$;
ALTER ROLE att_super SET search_path = lair, public;
--! after
ALTER ROLE att_super RESET search_path;
DROP EXTENSION dblink; DROP FUNCTION lair.here;
DROP TABLE IF EXISTS lair.linked;

--! attack foreign_table_loop
SELECT * FROM lair.far; SELECT f FROM lair.far f; COPY (SELECT * FROM lair.far) TO STDOUT;
--! as super:RES bypass:RES
--! before
CREATE EXTENSION postgres_fdw;
DO $$BEGIN EXECUTE format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')); END$$;
CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'att_bypass', password_required 'false');
CREATE FOREIGN TABLE lair.far (id bigint, name text, genome text) SERVER loop OPTIONS (schema_name 'clinic', table_name 'patient');
GRANT ALL ON lair.far TO PUBLIC;
--! after
DROP EXTENSION postgres_fdw CASCADE;

--! attack unacknowledged_use
SET twin_privacy.use = 'OATH'; SELECT * FROM clinic.patient;
SELECT twin_privacy.bind_use('OATH', 'x'); SELECT * FROM clinic.patient;
--! as doc:none owner:none super:none

--! attack prohibited_purpose
SELECT twin_privacy.prohibit_purpose('TREAT', 'test');
SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient; EXECUTE p;
--! as super:CARE
--! canary CNRY|IDNT

--! attack member_without_inheritance
SET twin_privacy.use = 'CARE'; SELECT * FROM clinic.patient;
--! as nobody:none
--! before
ALTER ROLE att_nobody NOINHERIT; GRANT att_doc TO att_nobody;
--! after
REVOKE att_doc FROM att_nobody; ALTER ROLE att_nobody INHERIT;

--! attack our_statistics
SELECT * FROM pg_stats WHERE schemaname LIKE 'twin%';
SELECT starelid::regclass, stavalues1::text, stavalues2::text FROM pg_statistic WHERE starelid::regclass::text LIKE 'twin%';
COPY pg_statistic TO STDOUT;
--! as reader:none super:none analyst:RES
--! open maintenance:none
--! before
ANALYZE twin_privacy_internal.directive;

--! attack copy_of_catalogs_and_our_tables
COPY pg_statistic TO STDOUT;
COPY pg_statistic_ext_data TO STDOUT;
COPY twin_privacy_internal.directive TO STDOUT;
SELECT format('COPY %s TO STDOUT', oid::regclass) FROM pg_class
WHERE relnamespace = 'twin_privacy_internal'::regnamespace AND relkind IN ('r', 'p') \gexec
--! as reader:none reader:RES
--! open maintenance:none

--! attack copy_of_statistics_by_the_superuser
COPY pg_statistic TO STDOUT;
COPY (SELECT * FROM pg_statistic) TO STDOUT;
--! as super:none super:RES

--! attack explain_estimates_of_leakproof_operators
-- statistics serve these even under row security; a loop over constants reads the histogram
EXPLAIN SELECT 1 FROM clinic.visit_1 WHERE note = 'CN' || 'RYlabelled';
EXPLAIN (FORMAT json) SELECT 1 FROM clinic.visit_1 WHERE day < '1950-01-01';
PREPARE guess(date) AS SELECT 1 FROM clinic.visit_2 WHERE day < $1 OFFSET 0;
EXPLAIN EXECUTE guess('1950-01-01');
EXPLAIN ANALYZE EXECUTE guess('1950-01-01');
SET plan_cache_mode = force_generic_plan;
EXPLAIN EXECUTE guess('1950-01-01');
--! canary cost=\S+ rows=[3-9]|"Plan Rows": [3-9]
--! as analyst:RES doc:CARE owner:RES owner:CARE bypass:RES reader:RES
--! before
ANALYZE clinic.visit_1, clinic.visit_2;

--! attack explain_pages_of_hidden_rows
SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT code FROM clinic.lab_order WHERE id = 4;
DO $$DECLARE plan json; BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT code FROM clinic.lab_order WHERE id IN (4, 5, 6)' INTO plan;
    RAISE NOTICE 'pages %', (plan->0->'Plan'->>'Shared Hit Blocks')::int + (plan->0->'Plan'->>'Shared Read Blocks')::int;
END$$;
--! canary Heap Blocks: exact=[1-9]|pages [1-9]
--! as analyst:RES doc:CARE owner:CARE

--! attack debug_print_plan_estimates
SET client_min_messages = log; SET debug_print_plan = on; SET debug_pretty_print = on;
SELECT 1 FROM clinic.visit_1 WHERE note = 'CN' || 'RYlabelled';
--! canary plan_rows [3-9]
--! as analyst:RES doc:CARE owner:CARE
--! before
ANALYZE clinic.visit_1;

--! attack leakproof_function_by_mistake
SELECT count(*) FROM clinic.patient WHERE lair.tell(name) AND lair.tell(sex);
SELECT count(*) FROM clinic.visit WHERE lair.tell(note);
SELECT count(*) FROM clinic.lab_order o JOIN clinic.patient p ON lair.tell(o.code) AND p.id = o.patient_id AND lair.tell(p.name);
SELECT count(*) FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
--! as doc:CARE owner:CARE bypass:CARE super:CARE
--! before
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE FUNCTION lair.tell2(text, text) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell2, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
--! after
DROP OPERATOR lair.=== (text, text); DROP FUNCTION lair.tell, lair.tell2;

--! attack leakproof_estimator
EXPLAIN SELECT count(*) FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
EXPLAIN SELECT count(*) FROM clinic.lab_order WHERE price OPERATOR(lair.===) 5;
EXPLAIN SELECT count(*) FROM clinic.visit WHERE note OPERATOR(lair.===) 'x';
--! as analyst:RES doc:CARE owner:CARE bypass:CARE super:CARE
--! before
CREATE FUNCTION lair.tell2(text, text) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE FUNCTION lair.tell2(numeric, numeric) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell2, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR lair.=== (FUNCTION = lair.tell2, LEFTARG = numeric, RIGHTARG = numeric, RESTRICT = eqsel, JOIN = eqjoinsel);
--! after
DROP OPERATOR lair.=== (text, text), lair.=== (numeric, numeric); DROP FUNCTION lair.tell2(text, text), lair.tell2(numeric, numeric);

--! attack runtime_functions_called_by_name
SELECT 'FOU' || 'ND' FROM clinic.patient p WHERE p.name = twin_privacy_internal.cell('IDN' || 'Tname1'::text, 'clinic.patient'::regclass, (SELECT substring(lair.expl() from '''(-?\d+)''::bigint')::bigint), 2::smallint, 550000000 * 10::bigint + 1);
SELECT 'FOU' || 'ND' FROM clinic.patient WHERE name = 'IDN' || 'Tname1';
--! as reader:RES
--! canary FOUND
--! before
CREATE FUNCTION lair.expl() RETURNS text LANGUAGE plpgsql AS $$DECLARE l text; a text := ''; BEGIN FOR l IN EXECUTE 'EXPLAIN VERBOSE SELECT name FROM clinic.patient' LOOP a := a || l; END LOOP; RETURN a; END$$;
--! after
DROP FUNCTION lair.expl;

--! attack subjects_of_ones_own_pseudonymised_reading
SELECT id, sex FROM clinic.patient;
SELECT twin_privacy.subjects_of(record_id) FROM twin_privacy.disclosures;
SELECT * FROM twin_privacy.disclosures_of('55' || '00000001');
--! as analyst:RES

--! attack inspecting_extensions
SELECT encode(get_raw_page('clinic.patient', 0), 'escape');
SELECT t_attrs FROM heap_page_item_attrs(get_raw_page('clinic.patient', 0), 'clinic.patient');
SELECT encode(data::bytea, 'escape') FROM bt_page_items('clinic.patient_pkey', 1);
--! as doc:CARE owner:CARE bypass:CARE reader:none
--! open super:none
--! canary CNRY|434e5259
--! before
CREATE EXTENSION IF NOT EXISTS pageinspect;
--! after
DROP EXTENSION pageinspect;

--! attack ledger_misses_a_parallel_function
CREATE FUNCTION lair.one() RETURNS text LANGUAGE plpgsql PARALLEL SAFE STABLE AS $$BEGIN RETURN (SELECT min(name) FROM clinic.patient); END$$;
SET force_parallel_mode = on; SET debug_parallel_query = on;
SELECT count(*) AS n FROM twin_privacy.disclosures \gset
SELECT lair.one() <> '' AS got \gset
SELECT CASE WHEN :'got' = 't' AND count(*) <= :n THEN 'UN' || 'RECORDED' END FROM twin_privacy.disclosures;
--! as doc:CARE owner:CARE
--! canary UNRECORDED

--! attack database_wide_exports_by_functions
SELECT cursor_to_xmlschema('c', true, false, ''), database_to_xml_and_xmlschema(true, false, '');
SELECT xmlserialize(CONTENT query_to_xml('SELECT name FROM clinic.patient', false, true, '') AS text);
SELECT * FROM crosstab('SELECT id, sex, genome FROM clinic.patient ORDER BY 1, 2') AS t(i bigint, a text);
SELECT * FROM crosstab('SELECT id, sex, genome FROM clinic.patient ORDER BY 1', 'SELECT DISTINCT name FROM clinic.patient') AS t(i bigint, a text, b text, c text, d text, e text, f text);
SELECT * FROM connectby('clinic.patient', 'name', 'genome', 'x', 0) AS t(a text, b text, l int);
SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', genome) FROM clinic.patient');
--! canary (?i)CNRY
--! as analyst:RES doc:CARE owner:CARE super:CARE bypass:CARE
--! before
CREATE EXTENSION IF NOT EXISTS tablefunc;
--! after
DROP EXTENSION tablefunc;

--! attack partitions_of_a_masked_column
SELECT 'BOU' || 'ND' || id FROM lair.part_hiv;
SELECT 'BOU' || 'ND' || count(*) FROM lair.part_hiv HAVING count(*) > 0;
UPDATE lair.part_hiv SET id = id RETURNING 'BOU' || 'ND' || id;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM lair.part ORDER BY id;
--! canary BOUND|rows=1(\.00)? 
--! as analyst:RES
--! before
CREATE TABLE lair.part (id bigint, name text) PARTITION BY LIST (name);
CREATE TABLE lair.part_hiv PARTITION OF lair.part FOR VALUES IN ('HIV');
CREATE TABLE lair.part_other PARTITION OF lair.part DEFAULT;
INSERT INTO lair.part VALUES (5500000001, 'HIV'), (5500000002, 'flu'), (5500000003, 'flu');
GRANT ALL ON lair.part, lair.part_hiv TO PUBLIC;
SELECT twin_privacy.protect_table('lair.part', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.part', 'name', 'kind=identifier, mask=redact') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.part;

--! attack partitions_of_a_hidden_category
SELECT id, 'BOU' || 'ND' || tableoid::regclass FROM lair.part;
SELECT 'BOU' || 'ND' || ctid FROM lair.part WHERE tableoid = 'lair.part_hiv'::regclass;
SELECT 'BOU' || 'ND' || id FROM lair.part_hiv;
SELECT 'BOU' || 'ND' || id FROM lair.part_b;
COPY lair.part_hiv TO STDOUT;
UPDATE lair.part SET id = id RETURNING 'BOU' || 'ND' || tableoid::regclass, 'BOU' || 'ND' || ctid;
UPDATE lair.part SET id = id WHERE tableoid = 'lair.part_hiv'::regclass RETURNING 'BOU' || 'ND' || 1;
UPDATE lair.part_hiv SET id = id RETURNING 'BOU' || 'ND' || id;
DELETE FROM lair.part_hiv RETURNING 'BOU' || 'ND' || id;
MERGE INTO lair.part_hiv USING (VALUES (1)) v ON true WHEN MATCHED THEN DELETE;
SELECT 'BOU' || 'ND' || 2 FROM (SELECT count(*) AS n FROM lair.part) p WHERE n < 3;
DELETE FROM lair.part WHERE tableoid = 'lair.part_hiv'::regclass;
SELECT 'BOU' || 'ND' || 3 FROM (SELECT count(*) AS n FROM lair.part) p WHERE n < 3;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM lair.part;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) SELECT id FROM lair.part ORDER BY id;
--! canary BOUND(lair.part_hiv|[15]|.0,)|part_hiv.*actual rows=1|"Actual Rows": 1(\.00)?,
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.part (id bigint, geno text) PARTITION BY LIST (geno);
CREATE TABLE lair.part_b PARTITION OF lair.part FOR VALUES IN ('HIV') PARTITION BY HASH (lower(geno));
CREATE TABLE lair.part_hiv PARTITION OF lair.part_b FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE lair.part_other PARTITION OF lair.part DEFAULT;
INSERT INTO lair.part VALUES (5500000001, 'HIV'), (5500000002, 'flu'), (5500000003, 'flu');
GRANT ALL ON lair.part, lair.part_b, lair.part_hiv TO PUBLIC;
SELECT twin_privacy.protect_table('lair.part', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.part', 'geno', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.part;

--! attack foreign_partition_takes_rows_out
BEGIN;
CREATE FOREIGN TABLE lair.ft PARTITION OF clinic.visit FOR VALUES FROM (200) TO (300) SERVER loop OPTIONS (schema_name 'lair', table_name 'sink');
COMMIT;
BEGIN;
INSERT INTO clinic.visit VALUES (250, 550000000 * 10::bigint + 1, '2026-01-01', 'sinknote', '{}', 1);
UPDATE clinic.visit SET id = id + 200 WHERE id < 3;
INSERT INTO clinic.base VALUES (1, 550000000 * 10::bigint + 1, 'x');
CREATE FOREIGN TABLE lair.ft2 (v text) INHERITS (clinic.base) SERVER loop OPTIONS (schema_name 'lair', table_name 'sink');
COMMIT;
SELECT 'STO' || 'RED' || note FROM lair.sink;
DROP FOREIGN TABLE IF EXISTS lair.ft, lair.ft2;
--! as owner:CARE
--! commit
--! canary STORED
--! before
CREATE EXTENSION postgres_fdw;
DO $$BEGIN EXECUTE format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, host %L, port %L)', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')); END$$;
CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'att_bypass', password_required 'false');
GRANT USAGE ON FOREIGN SERVER loop TO PUBLIC;
CREATE TABLE lair.sink (id int, patient_id bigint, day date, note text, labels text[], bill numeric); GRANT ALL ON lair.sink TO PUBLIC;
--! after
DROP EXTENSION postgres_fdw CASCADE; DROP TABLE lair.sink;

--! attack check_in_a_new_partition
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'TO%', 'LD' || $1; RETURN true; END$$;
CREATE TABLE lair.np PARTITION OF clinic.visit (CONSTRAINT c CHECK (lair.tell(note))) FOR VALUES FROM (200) TO (300);
INSERT INTO clinic.visit VALUES (250, 550000000 * 10::bigint + 1, '2026-01-01', 'np', '{}', 1);
--! as owner:CARE
--! canary TOLDnp

--! attack computed_column_in_a_new_child
CREATE FUNCTION lair.tell(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE NOTICE 'TO%', 'LD' || $1; RETURN 'x'; END$$;
CREATE TABLE lair.kid (g text GENERATED ALWAYS AS (lair.tell(note)) STORED) INHERITS (clinic.base);
INSERT INTO lair.kid (id, patient_id, note) VALUES (250, 550000000 * 10::bigint + 1, 'np');
--! as owner:CARE
--! canary TOLDnp

--! attack trigger_of_an_attached_partition
CREATE TABLE lair.np (LIKE clinic.visit);
CREATE FUNCTION lair.tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'TO%', 'LD' || NEW.note; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE INSERT ON lair.np FOR EACH ROW EXECUTE FUNCTION lair.tr();
ALTER TABLE clinic.visit ATTACH PARTITION lair.np FOR VALUES FROM (200) TO (300);
INSERT INTO clinic.visit VALUES (250, 550000000 * 10::bigint + 1, '2026-01-01', 'np', '{}', 1);
--! as owner:CARE
--! canary TOLDnp

--! attack code_of_an_attached_partition
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE NOTICE 'TO%', 'LD' || $1; RETURN true; END$$;
CREATE TABLE lair.np (LIKE clinic.visit); CREATE INDEX ON lair.np (lair.tell(note));
ALTER TABLE lair.np ADD CHECK (lair.tell(note));
ALTER TABLE clinic.visit ATTACH PARTITION lair.np FOR VALUES FROM (200) TO (300);
INSERT INTO clinic.visit VALUES (250, 550000000 * 10::bigint + 1, '2026-01-01', 'np', '{}', 1);
CREATE TABLE lair.nq (LIKE clinic.visit); CREATE RULE r AS ON INSERT TO lair.nq DO ALSO SELECT lair.tell(NEW.note); ALTER TABLE clinic.visit ATTACH PARTITION lair.nq FOR VALUES FROM (300) TO (400);
INSERT INTO clinic.visit VALUES (350, 550000000 * 10::bigint + 1, '2026-01-01', 'np', '{}', 1);
--! as owner:CARE
--! canary TOLDnp

--! attack trigger_of_a_new_child
CREATE TABLE lair.kid (LIKE clinic.base);
CREATE FUNCTION lair.tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'TO%', 'LD' || OLD.note; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON lair.kid FOR EACH ROW EXECUTE FUNCTION lair.tr();
INSERT INTO lair.kid VALUES (1, 550000000 * 10::bigint + 1, 'np');
ALTER TABLE lair.kid INHERIT clinic.base;
UPDATE clinic.base SET id = id;
--! as owner:CARE
--! canary TOLDnp

--! attack unique_index_asks_for_values
CREATE UNIQUE INDEX ON clinic.patient (secret);
DO $$BEGIN UPDATE clinic.patient SET secret = 8675 * 1000 + 309.4 WHERE id = 550000000 * 10::bigint + 1; RAISE NOTICE 'no'; EXCEPTION WHEN unique_violation THEN RAISE NOTICE 'GUE%', 'SSED'; END$$;
--! as owner:CARE
--! canary GUESSED

--! attack unique_constraint_asks_for_values
ALTER TABLE clinic.patient ADD UNIQUE (extra);
DO $$BEGIN UPDATE clinic.patient SET extra = 'CN' || 'RYextra4' WHERE id = 550000000 * 10::bigint + 1; RAISE NOTICE 'no'; EXCEPTION WHEN unique_violation THEN RAISE NOTICE 'GUE%', 'SSED'; END$$;
CREATE TABLE lair.g (v text REFERENCES clinic.patient (extra)); DO $$BEGIN INSERT INTO lair.g VALUES ('CN' || 'RYextra4'); RAISE NOTICE 'GUE%', 'SSED'; EXCEPTION WHEN foreign_key_violation THEN RAISE NOTICE 'no'; END$$;
--! as owner:CARE owner:none
--! canary GUESSED

--! attack unique_index_under_a_lax_collation
--! icu
CREATE COLLATION lair.lax (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE UNIQUE INDEX ON clinic.patient (genome COLLATE lair.lax);
SELECT 'MA' || 'DE' FROM pg_index WHERE indrelid = 'clinic.patient'::regclass AND NOT indisprimary;
--! as owner:CARE
--! canary MADE

--! attack partition_beside_a_default_one_asks_for_values
DO $$BEGIN CREATE TABLE lair.p_try PARTITION OF lair.part FOR VALUES IN ('HIV'); EXCEPTION WHEN check_violation THEN RAISE NOTICE 'GUE%', 'SSED'; END$$;
--! as owner:CARE owner:RES
--! canary GUESSED
--! before
CREATE TABLE lair.part (id bigint, geno text) PARTITION BY LIST (geno);
CREATE TABLE lair.part_o PARTITION OF lair.part DEFAULT;
INSERT INTO lair.part VALUES (5500000001, 'HIV');
ALTER TABLE lair.part OWNER TO att_owner; ALTER TABLE lair.part_o OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.part', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.part', 'geno', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.part;

--! attack cluster_by_a_hidden_column
CREATE INDEX gi ON clinic.patient (genome DESC);
CLUSTER clinic.patient USING gi;
SELECT 'ORD' || 'ERED' FROM pg_index WHERE indexrelid = 'clinic.gi'::regclass AND indisclustered;
ALTER TABLE clinic.patient CLUSTER ON gi;
SELECT 'ORD' || 'ERED' FROM pg_index WHERE indexrelid = 'clinic.gi'::regclass AND indisclustered;
--! as owner:CARE
--! canary ORDERED

--! attack cluster_by_a_mark_from_before
SELECT pg_relation_filenode('clinic.patient') AS file \gset
CLUSTER clinic.patient;
CLUSTER;
SELECT 'ORD' || 'ERED' WHERE pg_relation_filenode('clinic.patient') <> :file;
--! as owner:CARE
--! before
CREATE INDEX gi ON clinic.patient (genome DESC);
ALTER TABLE clinic.patient CLUSTER ON gi;
--! after
DROP INDEX clinic.gi;
--! canary ORDERED

--! attack dropped_hop_made_anew
DROP TABLE clinic.lab_order CASCADE;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint); INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result;
--! as owner:CARE

--! attack dropped_key_made_anew
ALTER TABLE clinic.lab_order DROP COLUMN id CASCADE;
ALTER TABLE clinic.lab_order ADD COLUMN id int UNIQUE;
UPDATE clinic.lab_order SET id = 4 WHERE patient_id = 550000000 * 10::bigint + 1;
UPDATE clinic.lab_order SET id = 5 WHERE patient_id = 550000000 * 10::bigint + 2;
SELECT * FROM clinic.result;
--! as owner:CARE

--! attack open_hop_changed_around_the_check
SAVEPOINT a; CREATE FUNCTION lair.tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.pid := 550000000 * 10::bigint + 1; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON lair.ord FOR EACH ROW EXECUTE FUNCTION lair.tr();
UPDATE lair.ord SET note = 'x'; SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord ALTER pid TYPE bigint USING 550000000 * 10::bigint + 1; SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord DROP COLUMN pid; ALTER TABLE lair.ord ADD pid bigint; UPDATE lair.ord SET pid = 550000000 * 10::bigint + 1; SELECT * FROM lair.res; ROLLBACK TO a;
DROP TABLE lair.ord CASCADE; CREATE TABLE lair.ord (id int PRIMARY KEY, pid bigint); INSERT INTO lair.ord VALUES (1, 550000000 * 10::bigint + 1), (4, 550000000 * 10::bigint + 1); SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord DROP CONSTRAINT ord_pkey CASCADE; UPDATE lair.ord SET pid = 550000000 * 10::bigint + 1; DELETE FROM lair.ord WHERE id = 4; INSERT INTO lair.ord VALUES (4, 550000000 * 10::bigint + 1); ALTER TABLE lair.ord ADD PRIMARY KEY (id); SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord ALTER id TYPE bigint; UPDATE lair.ord SET pid = 550000000 * 10::bigint + 1; ALTER TABLE lair.ord ALTER id TYPE int; SELECT * FROM lair.res; ROLLBACK TO a;
UPDATE lair.gen SET x = 550000000 * 10::bigint + 1; SELECT * FROM lair.res2; ROLLBACK TO a;
--! as owner:CARE
--! open owner:none
--! before
CREATE TABLE lair.ord (id int PRIMARY KEY, pid bigint, note text); INSERT INTO lair.ord VALUES (1, 5500000001), (4, 7700000004);
CREATE TABLE lair.res (id int, ord int REFERENCES lair.ord, v text); INSERT INTO lair.res VALUES (1, 1, 'fine'), (4, 4, 'CNRYres');
CREATE TABLE lair.gen (id int PRIMARY KEY, x bigint, pid bigint GENERATED ALWAYS AS (x) STORED); INSERT INTO lair.gen VALUES (1, 5500000001), (4, 7700000004);
CREATE TABLE lair.res2 (id int, ord int REFERENCES lair.gen, v text); INSERT INTO lair.res2 VALUES (1, 1, 'fine'), (4, 4, 'CNRYres');
ALTER TABLE lair.ord OWNER TO att_owner; ALTER TABLE lair.res OWNER TO att_owner; ALTER TABLE lair.gen OWNER TO att_owner; ALTER TABLE lair.res2 OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.res', subject => 'ord -> lair.ord(id).pid', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.res2', subject => 'ord -> lair.gen(id).pid', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.res, lair.ord, lair.res2, lair.gen;

--! attack trigger_moves_the_key_behind_a_cascade
CREATE TABLE lair.mid (id bigint PRIMARY KEY, x int); INSERT INTO lair.mid SELECT 550000000 * 10::bigint + n FROM generate_series(1, 3) n UNION SELECT 770000000 * 10::bigint + n FROM generate_series(4, 6) n;
DELETE FROM clinic.lab_order WHERE id = 2;
CREATE FUNCTION lair.tr() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.id := 550000000 * 10::bigint + 2; RETURN NEW; END$$;
CREATE TRIGGER t BEFORE UPDATE ON lair.mid FOR EACH ROW EXECUTE FUNCTION lair.tr();
ALTER TABLE clinic.lab_order ADD FOREIGN KEY (patient_id) REFERENCES lair.mid ON UPDATE CASCADE;
DELETE FROM lair.mid WHERE id = 550000000 * 10::bigint + 2;
UPDATE lair.mid SET x = 1 WHERE id = 770000000 * 10::bigint + 4;
SELECT * FROM clinic.lab_order;
--! as owner:CARE

--! attack computed_key_behind_a_cascade
CREATE TABLE lair.mid (x bigint, id bigint GENERATED ALWAYS AS (x) STORED PRIMARY KEY); INSERT INTO lair.mid SELECT 550000000 * 10::bigint + n FROM generate_series(1, 3) n UNION SELECT 770000000 * 10::bigint + n FROM generate_series(4, 6) n;
DELETE FROM clinic.lab_order WHERE id = 2;
ALTER TABLE clinic.lab_order ADD FOREIGN KEY (patient_id) REFERENCES lair.mid ON UPDATE CASCADE;
DELETE FROM lair.mid WHERE id = 550000000 * 10::bigint + 2;
UPDATE lair.mid SET x = 550000000 * 10::bigint + 2 WHERE id = 770000000 * 10::bigint + 4;
SELECT * FROM clinic.lab_order;
--! as owner:CARE

--! attack truncate_by_cascade
TRUNCATE lair.par CASCADE;
SELECT 'EMP' || 'TY' WHERE NOT EXISTS (SELECT FROM lair.par);
--! canary EMPTY
--! as owner:CARE owner:none
--! before
CREATE TABLE lair.par (id int PRIMARY KEY); INSERT INTO lair.par VALUES (1);
CREATE TABLE lair.kept (id bigint, par int REFERENCES lair.par); INSERT INTO lair.kept VALUES (5500000001, 1);
ALTER TABLE lair.par OWNER TO att_owner; ALTER TABLE lair.kept OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.kept', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.kept, lair.par;

--! attack computed_column_loses_its_expression
ALTER TABLE lair.gx ALTER sx DROP EXPRESSION;
SELECT sx FROM lair.gx;
--! as owner:CARE
--! before
CREATE TABLE lair.gx (id bigint, geno text, sx text GENERATED ALWAYS AS (upper(geno)) STORED); INSERT INTO lair.gx VALUES (5500000001, 'CNRYgx');
ALTER TABLE lair.gx OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.gx', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.gx', 'geno', 'category=genomics, kind=sensitive'), twin_privacy.label_column('lair.gx', 'sx', 'kind=plain') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.gx;

--! attack renamed_hop_while_the_path_is_broken
SAVEPOINT a;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER TABLE clinic.lab_order RENAME TO lab_order_old;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint); INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result; ROLLBACK TO a;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER TABLE clinic.lab_order SET SCHEMA lair;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint); INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic.result; ROLLBACK TO a;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER SCHEMA clinic RENAME TO clinic2; CREATE SCHEMA clinic;
CREATE TABLE clinic.lab_order (id int PRIMARY KEY, patient_id bigint); INSERT INTO clinic.lab_order SELECT n, 550000000 * 10::bigint + 1 FROM generate_series(1, 6) n;
SELECT * FROM clinic2.result; ROLLBACK TO a;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER TABLE clinic.lab_order RENAME COLUMN id TO id_old; ALTER TABLE clinic.lab_order ADD COLUMN id int; CREATE UNIQUE INDEX ON clinic.lab_order (id, patient_id); UPDATE clinic.lab_order SET id = 4 WHERE id_old = 1; ALTER TABLE clinic.lab_order ADD UNIQUE (id);
SELECT * FROM clinic.result; ROLLBACK TO a;
ALTER TABLE clinic.lab_order DROP CONSTRAINT lab_order_pkey CASCADE;
ALTER TABLE clinic.result RENAME order_id TO oo; ALTER TABLE clinic.result ADD order_id int DEFAULT 1; ALTER TABLE clinic.lab_order ADD UNIQUE (id);
SELECT * FROM clinic.result;
--! as owner:CARE

--! attack renamed_open_hop_while_the_path_is_broken
SAVEPOINT a;
ALTER TABLE lair.ord ALTER id TYPE bigint; ALTER TABLE lair.ord RENAME TO ord2; CREATE TABLE lair.ord (id int PRIMARY KEY, pid bigint); INSERT INTO lair.ord VALUES (1, 550000000 * 10::bigint + 1), (4, 550000000 * 10::bigint + 1); SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord ALTER id TYPE bigint; ALTER TABLE lair.ord RENAME pid TO pid2; ALTER TABLE lair.ord ADD pid bigint DEFAULT 55000::bigint * 100000 + 1; ALTER TABLE lair.ord ALTER id TYPE int; SELECT * FROM lair.res; ROLLBACK TO a;
ALTER TABLE lair.ord ALTER id TYPE bigint; ALTER TABLE lair.res RENAME ord TO o2; ALTER TABLE lair.res ADD ord int DEFAULT 1; ALTER TABLE lair.ord ALTER id TYPE int; SELECT * FROM lair.res; ROLLBACK TO a;
DROP INDEX lair.ord_id; ALTER TABLE lair.ord RENAME TO ord2; CREATE TABLE lair.ord (id int PRIMARY KEY, pid bigint); INSERT INTO lair.ord VALUES (1, 550000000 * 10::bigint + 1), (4, 550000000 * 10::bigint + 1); SELECT * FROM lair.res; ROLLBACK TO a;
--! as owner:CARE
--! open owner:none
--! before
CREATE TABLE lair.ord (id int, pid bigint, note text); CREATE UNIQUE INDEX ord_id ON lair.ord (id); INSERT INTO lair.ord VALUES (1, 5500000001), (4, 7700000004);
CREATE TABLE lair.res (id int, ord int, v text); INSERT INTO lair.res VALUES (1, 1, 'fine'), (4, 4, 'CNRYres');
ALTER TABLE lair.ord OWNER TO att_owner; ALTER TABLE lair.res OWNER TO att_owner;
SELECT twin_privacy.protect_table('lair.res', subject => 'ord -> lair.ord(id).pid', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.res, lair.ord;

-- Which tables and columns are protected: protect_table, unprotect_table, label_column, SECURITY LABEL.
-- Says how a statement fails: SQLSTATE, message, hint.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' | ' || hint;
END $$;
CREATE VIEW rls AS
SELECT c.oid::regclass AS relation, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'pt\_%' AND c.relkind IN ('r', 'p')
 ORDER BY c.oid::regclass::text COLLATE "C";

GRANT SELECT ON rls TO PUBLIC;
CREATE ROLE pt_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pt_admin_2 LOGIN IN ROLE twin_privacy_admin, twin_privacy_officer;
CREATE ROLE pt_owner LOGIN;
CREATE ROLE pt_both LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pt_nobody LOGIN;
CREATE SCHEMA pt_clinic AUTHORIZATION pt_owner;
GRANT USAGE ON SCHEMA pt_clinic TO PUBLIC;
SET SESSION AUTHORIZATION pt_owner;
CREATE TABLE pt_clinic.patient (id bigint PRIMARY KEY, name text, short varchar(5), birth date, seen timestamptz,
    zip text, weight numeric(5,2), flag boolean, labels text[], label text, token uuid UNIQUE, double float8);
CREATE TABLE pt_clinic.visit (id int PRIMARY KEY, patient_id bigint REFERENCES pt_clinic.patient, other int, labels text[]);
CREATE TABLE pt_clinic.result (id int PRIMARY KEY, visit_id int REFERENCES pt_clinic.visit, value numeric);
INSERT INTO pt_clinic.patient (id, name) VALUES (1, 'Ada');
CREATE VIEW pt_clinic.people AS SELECT id, name FROM pt_clinic.patient;
CREATE SEQUENCE pt_clinic.numbers;
RESET SESSION AUTHORIZATION;
GRANT ALL ON ALL TABLES IN SCHEMA pt_clinic TO pt_nobody;

-- who may: an administrator of protection; not the owner, not a member without the privileges of membership
SET SESSION AUTHORIZATION pt_owner;
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics')$$);
SELECT attempt($$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.patient IS 'subject=id, category=demographics'$$);
SELECT attempt($$SECURITY LABEL FOR twin_privacy ON COLUMN pt_clinic.patient.name IS 'kind=plain'$$);
SET SESSION AUTHORIZATION pt_nobody;
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics')$$);
SELECT attempt($$SELECT twin_privacy.unprotect_table('pt_clinic.patient', 'x')$$);
SELECT attempt($$SELECT twin_privacy.label_column('pt_clinic.patient', 'name', 'kind=plain')$$);
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM twin_privacy.protected_tables;

-- bad input of protect_table: each its own error, nothing done
SET SESSION AUTHORIZATION pt_admin;
CREATE TEMP TABLE scratch (id bigint);
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.protect_table(NULL, subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => NULL, category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => NULL)$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => ' ', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => '')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics', label_column => '')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.missing', subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table(1::oid, subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'patient_id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'ctid', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'birth', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'labels', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographic')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics, kind=plain')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id=1', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics', label_column => 'codes')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics', label_column => 'birth')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.people', subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.numbers', subject => 'last_value', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pt_clinic.patient_pkey', subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('scratch', subject => 'id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('pg_catalog.pg_class', subject => 'oid', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('information_schema.sql_features', subject => 'feature_id', category => 'demographics')$$,
    $$SELECT twin_privacy.protect_table('twin_privacy_internal.approved_use', subject => 'code', category => 'demographics')$$]) AS sql;
DROP TABLE scratch;

-- paths: what does not lead to one subject by unique columns is refused
SELECT attempt(format('SELECT twin_privacy.protect_table(%L, subject => %L, category => %L)', 'pt_clinic.result', path, 'laboratory')),
       path
  FROM unnest(ARRAY[
    'visit_id ->', '-> pt_clinic.visit(id).patient_id', 'visit_id pt_clinic.visit(id).patient_id',
    'visit_id -> pt_clinic.visit', 'visit_id -> pt_clinic.visit(id)', 'visit_id -> pt_clinic.visit(id) patient_id',
    'visit_id -> pt_clinic.visit(id).patient_id extra', 'visit_id -> "pt_clinic.visit(id).patient_id',
    'visit_id -> visit(id).patient_id', 'visit_id -> pt_clinic.visits(id).patient_id', 'visit_id -> clinic.visit(id).patient_id',
    'visit_id -> pt_clinic.visit(nr).patient_id', 'visit_id -> pt_clinic.visit(id).patient',
    'visit_id -> pt_clinic.visit(other).patient_id', 'visit_id -> pt_clinic.patient(id).id',
    'visit_id -> pt_clinic.people(id).id', 'id -> pt_clinic.visit(id).labels',
    'visit_id -> pt_clinic.visit(id).patient_id -> pt_clinic.patient(id).birth']) AS path;
SELECT count(*) FROM twin_privacy.protected_tables;

-- foreign tables; a table that a materialized view reads, also through a view
RESET SESSION AUTHORIZATION;
CREATE FOREIGN DATA WRAPPER pt_nothing;
CREATE SERVER pt_nowhere FOREIGN DATA WRAPPER pt_nothing;
CREATE FOREIGN TABLE pt_clinic.abroad (id bigint) SERVER pt_nowhere;
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.abroad', subject => 'id', category => 'demographics')$$);
DROP FOREIGN DATA WRAPPER pt_nothing CASCADE;
CREATE MATERIALIZED VIEW pt_clinic.frozen AS SELECT name FROM pt_clinic.people;
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics')$$);
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.frozen', subject => 'name', category => 'demographics')$$);
DROP MATERIALIZED VIEW pt_clinic.frozen;
SELECT * FROM rls;

-- nor may one read what stands below the table, or is attached to it, nor by SECURITY LABEL
CREATE TABLE pt_clinic.whole (id int, patient_id bigint) PARTITION BY RANGE (id);
CREATE TABLE pt_clinic.part PARTITION OF pt_clinic.whole FOR VALUES FROM (0) TO (10);
CREATE TABLE pt_clinic.apart (id int, patient_id bigint);
CREATE VIEW pt_clinic.parts AS SELECT * FROM pt_clinic.part;
CREATE MATERIALIZED VIEW pt_clinic.frozen AS SELECT * FROM pt_clinic.parts;
CREATE MATERIALIZED VIEW pt_clinic.frozen_apart AS SELECT * FROM pt_clinic.apart;
SELECT attempt($$SELECT twin_privacy.protect_table('pt_clinic.whole', subject => 'patient_id', category => 'clinical')$$);
SELECT attempt($$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.whole IS 'subject=patient_id, category=clinical'$$);
DROP MATERIALIZED VIEW pt_clinic.frozen;
SELECT twin_privacy.protect_table('pt_clinic.whole', subject => 'patient_id', category => 'clinical');
SELECT attempt($$ALTER TABLE pt_clinic.whole ATTACH PARTITION pt_clinic.apart FOR VALUES FROM (10) TO (20)$$);
SET client_min_messages = warning;
DROP TABLE pt_clinic.whole, pt_clinic.apart CASCADE;
RESET client_min_messages;

-- protection; the owner reads no row from now on, nor does the administrator or the superuser
SET SESSION AUTHORIZATION pt_admin;
SELECT twin_privacy.protect_table('pt_clinic.patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('pt_clinic.visit', subject => 'patient_id', category => 'clinical', label_column => 'labels');
SELECT twin_privacy.protect_table('pt_clinic.result', category => 'laboratory', label_column => 'visit_id -> pt_clinic.visit(id).labels',
    subject => 'visit_id -> pt_clinic.visit(id).patient_id');
SELECT * FROM rls;
SELECT * FROM twin_privacy.protected_tables ORDER BY target::text COLLATE "C";
SET SESSION AUTHORIZATION pt_owner;
SELECT count(*) FROM pt_clinic.patient;
SELECT * FROM pt_clinic.people;
SET SESSION AUTHORIZATION pt_admin;
SELECT count(*) FROM pt_clinic.patient;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM pt_clinic.patient;
SET twin_privacy.maintenance = on;
SELECT name FROM pt_clinic.patient;
RESET twin_privacy.maintenance;

-- labels of columns: bad input
SET SESSION AUTHORIZATION pt_admin;
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.label_column(NULL, 'name', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_clinic.patient', NULL, 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_clinic.missing', 'name', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_clinic.patient', 'missing', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_clinic.patient', 'ctid', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_clinic.people', 'name', 'kind=plain')$$]) AS sql;
SELECT column_name, label, attempt(format('SELECT twin_privacy.label_column(%L, %L, %L)', 'pt_clinic.patient', column_name, label))
  FROM (VALUES ('name', ''), ('name', 'plain'), ('name', 'kind'), ('name', 'kind='), ('name', 'kind=plain,'), ('name', ',kind=plain'),
    ('name', '"kind=plain'), ('name', 'colour=red'), ('name', 'kind=secret'), ('name', 'kind=PLAIN'), ('name', 'kind=plain, kind=plain'),
    ('name', 'mask=year, mask=redact'), ('name', 'category=identity, category=contact'), ('name', 'category=unknown'),
    ('name', 'subject=id'), ('name', 'kind=identifier, mask=upper(name)'), ('name', 'mask=''x'''), ('name', 'mask=NULL'),
    ('name', 'mask=band'), ('name', 'mask=band:'), ('name', 'mask=band:0'), ('name', 'mask=band:-5'), ('name', 'mask=band:1e3'),
    ('name', 'mask=band:1.2.3'), ('name', 'mask=band:.'), ('name', 'mask=band:1234567890123456789'), ('name', 'mask=round:abc'), ('name', 'mask=null:1'),
    ('name', 'mask=partial'), ('name', 'mask=partial:1'), ('name', 'mask=partial:1:'), ('name', 'mask=partial:-1:2'),
    ('name', 'mask=partial:1001:2'), ('name', 'mask=partial:1:2:3'), ('name', 'mask=zip3:3'),
    ('name', 'mask=year'), ('name', 'mask=month'), ('name', 'mask=date_shift'), ('name', 'mask=band:5'), ('name', 'mask=round:5'),
    ('birth', 'mask=redact'), ('birth', 'mask=pseudonym'), ('birth', 'mask=zip3'), ('birth', 'mask=partial:1:1'), ('birth', 'mask=band:5'),
    ('weight', 'mask=pseudonym'), ('double', 'mask=pseudonym'), ('weight', 'mask=year'), ('flag', 'mask=redact'), ('labels', 'mask=redact'),
    ('short', 'mask=redact'), ('short', 'mask=pseudonym'), ('id', 'mask=partial:1:1')) AS t(column_name, label);
SELECT DISTINCT column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns WHERE target = 'pt_clinic.patient'::regclass AND labelled;

-- every mask, and a label taken away
SELECT column_name, label, attempt(format('SELECT twin_privacy.label_column(%L, %L, %L)', 'pt_clinic.patient', column_name, label))
  FROM (VALUES ('name', ' category = identity , kind=identifier,mask=pseudonym '), ('birth', 'kind=quasi, mask=month'),
    ('seen', 'kind=quasi, mask=date_shift'), ('zip', 'kind=quasi, mask=zip3'), ('weight', 'kind=quasi, mask=band:2.50'),
    ('short', 'kind=quasi, mask=partial:1:1'), ('flag', 'kind=sensitive'), ('label', 'kind=identifier, mask=redact'), ('token', 'kind=identifier'),
    ('double', 'mask=round:10')) AS t(column_name, label);
SELECT column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns WHERE target = 'pt_clinic.patient'::regclass;
SELECT twin_privacy.label_column('pt_clinic.patient', 'label', NULL);
SELECT column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns
 WHERE target = 'pt_clinic.patient'::regclass AND column_name = 'label';

-- SECURITY LABEL is the same thing said by who owns the table and is an administrator
SELECT attempt($$SECURITY LABEL FOR twin_privacy ON COLUMN pt_clinic.patient.double IS 'kind=plain'$$);
RESET SESSION AUTHORIZATION;
GRANT pt_owner TO pt_both;
SET SESSION AUTHORIZATION pt_both;
SECURITY LABEL FOR twin_privacy ON COLUMN pt_clinic.patient.double IS 'category=vital_signs, kind=quasi, mask=round:0.5';
SECURITY LABEL FOR twin_privacy ON COLUMN pt_clinic.patient.zip IS NULL;
SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient_id, category=procedure, label_column=labels';
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS NULL$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS ''$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient_id'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'category=clinical'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient, category=clinical'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient_id, category=clinicl'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient_id, category=clinical, native_rls=perhaps'$$,
    $$SECURITY LABEL FOR twin_privacy ON TABLE pt_clinic.visit IS 'subject=patient_id, category=clinical, mask=null'$$,
    $$SECURITY LABEL FOR twin_privacy ON COLUMN pt_clinic.patient.double IS 'kind=plain, mask=year'$$,
    $$SECURITY LABEL FOR twin_privacy ON SEQUENCE pt_clinic.numbers IS 'subject=id, category=clinical'$$,
    $$SECURITY LABEL FOR twin_privacy ON VIEW pt_clinic.people IS 'subject=id, category=clinical'$$]) AS sql;
RESET SESSION AUTHORIZATION;
SELECT attempt($$SECURITY LABEL FOR twin_privacy ON ROLE pt_both IS 'subject=id, category=clinical'$$);
SELECT objname, label FROM pg_seclabels WHERE provider = 'twin_privacy' AND objname ~ '^pt_clinic.(visit|patient$|patient.(double|zip))' ORDER BY objname COLLATE "C";

-- names are followed: columns, tables and schemas renamed, also along a path
RESET SESSION AUTHORIZATION;
ALTER TABLE pt_clinic.visit RENAME COLUMN patient_id TO "Patient, the";
ALTER TABLE pt_clinic.visit RENAME COLUMN labels TO row_labels;
SELECT target, subject, label_column, problem FROM twin_privacy.protected_tables ORDER BY target::text COLLATE "C";
ALTER TABLE pt_clinic.visit RENAME COLUMN id TO nr;
ALTER TABLE pt_clinic.visit RENAME TO "Encounter";
ALTER SCHEMA pt_clinic RENAME TO pt_ward;
CREATE SCHEMA pt_else;
GRANT USAGE ON SCHEMA pt_else TO PUBLIC;
ALTER TABLE pt_ward."Encounter" SET SCHEMA pt_else;
SELECT target, subject, label_column, problem FROM twin_privacy.protected_tables ORDER BY target::text COLLATE "C";
BEGIN;
ALTER TABLE pt_else."Encounter" RENAME COLUMN nr TO number;
ROLLBACK;
SELECT target, subject, problem FROM twin_privacy.protected_tables WHERE problem IS NOT NULL OR subject LIKE '%number%';
SELECT attempt($$SELECT count(*) FROM pt_else."Encounter"$$);

-- a column dropped takes its label along, a new one is hidden; a subject dropped closes the table
DROP VIEW pt_ward.people;
ALTER TABLE pt_ward.patient DROP COLUMN name, ADD COLUMN phone text, DROP COLUMN double;
SELECT column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns
 WHERE target = 'pt_ward.patient'::regclass ORDER BY column_name COLLATE "C";
SELECT attempt($$ALTER TABLE pt_else."Encounter" DROP COLUMN "Patient, the"$$);
SELECT attempt($$ALTER TABLE pt_else."Encounter" DROP COLUMN row_labels$$);
SET twin_privacy.maintenance = on;
ALTER TABLE pt_else."Encounter" DROP COLUMN "Patient, the";
RESET twin_privacy.maintenance;
SELECT target, problem FROM twin_privacy.protected_tables ORDER BY target::text COLLATE "C";
SELECT attempt($$SELECT count(*) FROM pt_else."Encounter"$$);
SELECT * FROM twin_privacy.check_protection() ORDER BY severity, object, finding COLLATE "C";

-- so do types that no longer fit what the label says
CREATE DOMAIN pt_else.shorter AS varchar(7);
CREATE TABLE pt_else.fit (id bigint, name text, labels text[]);
SELECT twin_privacy.protect_table('pt_else.fit', subject => 'id', category => 'clinical', label_column => 'labels');
SELECT twin_privacy.label_column('pt_else.fit', 'name', 'kind=identifier, mask=redact');
ALTER TABLE pt_else.fit ALTER COLUMN name TYPE pt_else.shorter;
SELECT problem FROM twin_privacy.protected_tables WHERE target = 'pt_else.fit'::regclass;
ALTER TABLE pt_else.fit ALTER COLUMN name TYPE text, ALTER COLUMN labels TYPE int USING 1;
SELECT problem FROM twin_privacy.protected_tables WHERE target = 'pt_else.fit'::regclass;
ALTER TABLE pt_else.fit ALTER COLUMN labels TYPE text, ALTER COLUMN id TYPE date USING 'today';
SELECT problem FROM twin_privacy.protected_tables WHERE target = 'pt_else.fit'::regclass;
ALTER TABLE pt_else.fit ALTER COLUMN id TYPE text;
SELECT problem FROM twin_privacy.protected_tables WHERE target = 'pt_else.fit'::regclass;
DROP TABLE pt_else.fit;

-- the end of a protection needs a reason, and is the administrator's
SET SESSION AUTHORIZATION pt_owner;
SELECT attempt($$SELECT twin_privacy.unprotect_table('pt_ward.patient', 'x')$$);
SELECT attempt($$ALTER TABLE pt_ward.patient DISABLE ROW LEVEL SECURITY$$);
SELECT attempt($$ALTER TABLE pt_ward.patient NO FORCE ROW LEVEL SECURITY$$);
SELECT attempt($$CREATE TRIGGER pt_spy BEFORE UPDATE ON pt_ward.patient FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()$$);
SELECT attempt($$CREATE RULE pt_spy AS ON DELETE TO pt_ward.patient DO ALSO SELECT 1$$);
SELECT attempt($$CREATE POLICY pt_spy ON pt_ward.patient USING (true)$$);
SELECT attempt($$TRUNCATE pt_ward.patient CASCADE$$);
SELECT attempt($$CREATE MATERIALIZED VIEW pt_ward.copy AS SELECT * FROM pt_ward.patient$$);
SET SESSION AUTHORIZATION pt_admin;
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.unprotect_table(NULL, 'retired')$$,
    $$SELECT twin_privacy.unprotect_table('pt_ward.patient', NULL)$$,
    $$SELECT twin_privacy.unprotect_table('pt_ward.patient', ' ')$$,
    $$SELECT twin_privacy.unprotect_table('pt_ward.people', 'retired')$$,
    $$SELECT twin_privacy.unprotect_table('pg_catalog.pg_class', 'retired')$$]) AS sql;
SELECT twin_privacy.unprotect_table('pt_ward.patient', 'retired');
SELECT twin_privacy.unprotect_table('pt_ward.result', 'retired');
SELECT twin_privacy.unprotect_table('pt_else."Encounter"', reason => 'retired');
SELECT attempt($$SELECT twin_privacy.unprotect_table('pt_ward.patient', 'retired')$$);
SELECT * FROM rls;
SELECT count(*) FROM twin_privacy.protected_tables;
SELECT objname, label FROM pg_seclabels WHERE provider = 'twin_privacy' ORDER BY objname COLLATE "C";
SET SESSION AUTHORIZATION pt_owner;
SELECT id FROM pt_ward.patient;
RESET SESSION AUTHORIZATION;
SELECT kind, object, detail FROM twin_privacy.ledger_events WHERE kind = 'protect.unprotect' ORDER BY event_id;

-- partitions and children, present and future, whose rows come through parent or child
CREATE SCHEMA pt_stream;
CREATE TABLE pt_stream.sample (patient_id bigint, at date, value numeric) PARTITION BY RANGE (at);
CREATE TABLE pt_stream.sample_1 PARTITION OF pt_stream.sample FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE pt_stream.base (patient_id bigint, note text);
CREATE TABLE pt_stream.heir (own text) INHERITS (pt_stream.base);
SELECT twin_privacy.protect_table('pt_stream.sample', subject => 'patient_id', category => 'sensor_stream');
SELECT twin_privacy.protect_table('pt_stream.base', subject => 'patient_id', category => 'clinical');
CREATE TABLE pt_stream.sample_2 PARTITION OF pt_stream.sample FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')
    PARTITION BY RANGE (at);
CREATE TABLE pt_stream.sample_2_1 PARTITION OF pt_stream.sample_2 FOR VALUES FROM ('2026-02-01') TO ('2026-02-10');
CREATE TABLE pt_stream.sample_3 (value numeric, junk text, at date, patient_id bigint);
ALTER TABLE pt_stream.sample_3 DROP COLUMN junk;
ALTER TABLE pt_stream.sample ATTACH PARTITION pt_stream.sample_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE pt_stream.late (patient_id bigint, note text, extra text);
ALTER TABLE pt_stream.late INHERIT pt_stream.base;
SELECT relation, enabled, forced FROM rls WHERE relation::text LIKE 'pt_stream%';
SELECT target, source, subject, category, problem FROM twin_privacy.protected_tables
 WHERE target::text LIKE 'pt_stream%' ORDER BY target::text COLLATE "C";
SELECT attempt('SELECT * FROM ' || relation) FROM rls WHERE relation::text LIKE 'pt_stream%';

-- a child labels columns of its own, not the parent's
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.label_column('pt_stream.heir', 'own', 'kind=identifier, mask=redact')$$,
    $$SELECT twin_privacy.label_column('pt_stream.heir', 'note', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_stream.sample_1', 'value', 'kind=plain')$$,
    $$SELECT twin_privacy.label_column('pt_stream.base', 'note', 'kind=sensitive')$$,
    $$SELECT twin_privacy.protect_table('pt_stream.heir', subject => 'patient_id', category => 'laboratory')$$,
    $$SELECT twin_privacy.unprotect_table('pt_stream.heir', 'x')$$]) AS sql;
SELECT target, column_name, labelled, kind, mask FROM twin_privacy.protected_columns
 WHERE target::text LIKE 'pt_stream.[bhl]%' OR target::text ~ 'base|heir|late' ORDER BY target::text COLLATE "C", column_name COLLATE "C";

-- what is taken out keeps the labels as its own
SELECT twin_privacy.label_column('pt_stream.sample', 'value', 'kind=quasi, mask=round:1');
ALTER TABLE pt_stream.sample DETACH PARTITION pt_stream.sample_3;
ALTER TABLE pt_stream.sample DETACH PARTITION pt_stream.sample_2;
ALTER TABLE pt_stream.late NO INHERIT pt_stream.base;
SELECT target, source, subject, category FROM twin_privacy.protected_tables
 WHERE target::text LIKE 'pt_stream%' ORDER BY target::text COLLATE "C";
SELECT target, column_name, kind, mask FROM twin_privacy.protected_columns
 WHERE target::text LIKE 'pt_stream.%' AND labelled ORDER BY target::text COLLATE "C", column_name COLLATE "C";
SELECT relation, enabled, forced FROM rls WHERE relation::text LIKE 'pt_stream%';
SELECT twin_privacy.unprotect_table('pt_stream.base', 'retired');
SELECT relation, enabled FROM rls WHERE relation::text ~ 'base|heir|late';

-- a child with a label of its own, older than the parent's, outlives it
CREATE TABLE pt_stream.above (patient_id bigint);
CREATE TABLE pt_stream.below () INHERITS (pt_stream.above);
SELECT twin_privacy.protect_table('pt_stream.below', subject => 'patient_id', category => 'sensitive');
ALTER TABLE pt_stream.below NO INHERIT pt_stream.above;
SELECT twin_privacy.protect_table('pt_stream.below', subject => 'patient_id', category => 'sensitive');
ALTER TABLE pt_stream.below INHERIT pt_stream.above;
SELECT twin_privacy.protect_table('pt_stream.above', subject => 'patient_id', category => 'clinical');
ALTER TABLE pt_stream.below INHERIT pt_stream.above;
SELECT target, source, category FROM twin_privacy.protected_tables WHERE target::text ~ 'above|below' ORDER BY target::text COLLATE "C";
-- meanwhile its rows do not come out under the parent's rules, unless these are the same
SELECT twin_privacy.record_consent('1', decision => 'permit', purpose => 'TREAT') > 0 AS recorded;
SET twin_privacy.maintenance = on;
INSERT INTO pt_stream.sample_3 (patient_id, at, value) VALUES (1, '2026-03-05', 1);
INSERT INTO pt_stream.below VALUES (1);
RESET twin_privacy.maintenance;
SELECT twin_privacy.propose_use('PT-ALL', 'TREAT', 'ward', '{clinical,sensor_stream}', 'identified');
SET SESSION AUTHORIZATION pt_admin_2;
SELECT twin_privacy.approve_use('PT-ALL'), twin_privacy.grant_use('PT-ALL', 'pt_nobody');
RESET SESSION AUTHORIZATION;
SET twin_privacy.use = 'PT-ALL';
SELECT attempt($$SELECT * FROM pt_stream.above$$);
SELECT attempt($$SELECT * FROM ONLY pt_stream.above$$);
ALTER TABLE pt_stream.sample ATTACH PARTITION pt_stream.sample_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
SELECT * FROM pt_stream.sample;
SELECT twin_privacy.label_column('pt_stream.sample', 'at', 'kind=plain');
SELECT attempt($$SELECT * FROM pt_stream.sample$$);
SELECT twin_privacy.label_column('pt_stream.sample_3', 'at', 'kind=plain');
SELECT * FROM pt_stream.sample;
RESET twin_privacy.use;
SELECT twin_privacy.unprotect_table('pt_stream.above', 'retired');
SELECT relation, enabled FROM rls WHERE relation::text ~ 'above|below';
SELECT attempt($$SELECT * FROM pt_stream.below$$);

-- row security of the application's own: kept beside ours, and after it
CREATE SCHEMA pt_app;
CREATE TABLE pt_app.note (patient_id bigint, author text, body text);
ALTER TABLE pt_app.note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON pt_app.note USING (author = current_user);
INSERT INTO pt_app.note VALUES (1, 'pt_nobody', 'mine'), (1, 'pt_owner', 'not mine'), (2, 'pt_nobody', 'no consent');
GRANT USAGE ON SCHEMA pt_app TO pt_nobody;
GRANT SELECT ON pt_app.note TO pt_nobody;
SELECT twin_privacy.protect_table('pt_app.note', subject => 'patient_id', category => 'clinical');
SELECT label FROM pg_seclabels WHERE objname = 'pt_app.note' AND provider = 'twin_privacy';
CREATE ROLE pt_officer_1 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pt_officer_2 LOGIN IN ROLE twin_privacy_officer;
SET SESSION AUTHORIZATION pt_officer_1;
SELECT twin_privacy.propose_use('PT-CARE', purpose => 'TREAT', recipient => 'ward', categories => '{clinical}', disclosure => 'identified');
SET SESSION AUTHORIZATION pt_officer_2;
SELECT twin_privacy.approve_use('PT-CARE'), twin_privacy.grant_use('PT-CARE', 'pt_nobody');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION pt_nobody;
SET twin_privacy.use = 'PT-CARE';
SELECT * FROM pt_app.note;
RESET SESSION AUTHORIZATION;
SELECT severity, object, finding FROM twin_privacy.check_protection() WHERE object LIKE 'pt_app%';
-- a policy made later holds too, and when SECURITY LABEL protected the table
SECURITY LABEL FOR twin_privacy ON TABLE pt_app.note IS 'subject=patient_id, category=clinical';
SET SESSION AUTHORIZATION pt_nobody;
SELECT author FROM pt_app.note;
RESET SESSION AUTHORIZATION;
DROP POLICY own ON pt_app.note;
SET SESSION AUTHORIZATION pt_nobody;
SELECT author FROM pt_app.note ORDER BY author COLLATE "C";
RESET SESSION AUTHORIZATION;
CREATE POLICY strict ON pt_app.note AS RESTRICTIVE USING (author <> current_user);
SET SESSION AUTHORIZATION pt_nobody;
SELECT author FROM pt_app.note;
RESET SESSION AUTHORIZATION;
CREATE POLICY own ON pt_app.note FOR SELECT USING (author = current_user);
SET SESSION AUTHORIZATION pt_nobody;
SELECT author FROM pt_app.note;
RESET SESSION AUTHORIZATION;
DROP POLICY strict ON pt_app.note;
SECURITY LABEL FOR twin_privacy ON TABLE pt_app.note IS 'subject=patient_id, category=clinical, native_rls=on';
SELECT twin_privacy.unprotect_table('pt_app.note', 'retired');
SELECT relation, enabled FROM rls WHERE relation::text = 'pt_app.note';
SET SESSION AUTHORIZATION pt_nobody;
SELECT * FROM pt_app.note ORDER BY patient_id;
RESET SESSION AUTHORIZATION;

-- undone with its transaction
BEGIN;
SELECT twin_privacy.protect_table('pt_app.note', subject => 'patient_id', category => 'clinical');
SELECT count(*) FROM twin_privacy.protected_tables WHERE target = 'pt_app.note'::regclass;
ROLLBACK;
SELECT count(*) FROM twin_privacy.protected_tables WHERE target = 'pt_app.note'::regclass;
SELECT count(*) FROM pt_app.note;

-- lint: functions that the table itself uses
CREATE FUNCTION pt_app.rounded(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 10';
CREATE TABLE pt_app.scored (patient_id int, score int CHECK (pt_app.rounded(score) >= 0));
CREATE INDEX ON pt_app.scored (pt_app.rounded(score), abs(score));
SELECT twin_privacy.protect_table('pt_app.scored', subject => 'patient_id', category => 'clinical');
SELECT severity, finding FROM twin_privacy.check_protection() WHERE object = 'pt_app.scored';

-- lint: columns that show what others mask
CREATE TABLE pt_app.shown (patient_id int, name text, birth date, again int GENERATED ALWAYS AS (patient_id + 0) STORED,
    loud text GENERATED ALWAYS AS (upper(name)) STORED, covered text GENERATED ALWAYS AS (lower(name)) STORED, day int);
SELECT twin_privacy.protect_table('pt_app.shown', subject => 'patient_id', category => 'clinical');
SELECT twin_privacy.label_column('pt_app.shown', c, l) FROM (VALUES ('name', 'kind=identifier, mask=pseudonym'), ('birth', 'kind=quasi, mask=year'),
    ('again', 'kind=plain'), ('loud', 'kind=sensitive'), ('covered', 'kind=identifier, mask=redact'), ('day', 'kind=plain')) v(c, l);
SELECT * FROM twin_privacy.check_protection() WHERE object LIKE 'pt_app.shown%';

SET client_min_messages = warning;
DROP SCHEMA pt_ward, pt_else, pt_stream, pt_app CASCADE;
SELECT count(*) FROM twin_privacy.protected_tables;
DROP ROLE pt_admin, pt_admin_2, pt_owner, pt_both, pt_nobody, pt_officer_1, pt_officer_2;

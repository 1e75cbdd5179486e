-- Policy as code: exported, compared, imported; four eyes and roles stay as they are.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET twin_privacy.maintenance = on;
CREATE ROLE policy_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE policy_officer LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE policy_second LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE policy_auditor LOGIN IN ROLE twin_privacy_auditor;
CREATE ROLE policy_reader LOGIN;
CREATE ROLE "policy ""odd"" reader" LOGIN;
CREATE SCHEMA clinic;
CREATE TABLE clinic.patient (id int PRIMARY KEY, name text, born date, "Odd, =Column" text);
CREATE TABLE clinic.lab (patient_id int NOT NULL REFERENCES clinic.patient, value int, labels text[]) PARTITION BY LIST (value);
CREATE TABLE clinic.lab_1 PARTITION OF clinic.lab DEFAULT;
CREATE TABLE clinic.inpatient (ward text) INHERITS (clinic.patient);
GRANT USAGE, CREATE ON SCHEMA clinic TO policy_admin;
ALTER TABLE clinic.patient OWNER TO policy_admin;
ALTER TABLE clinic.lab OWNER TO policy_admin;
ALTER TABLE clinic.inpatient OWNER TO policy_admin;
RESET twin_privacy.maintenance;
SELECT twin_privacy.export_policy();

-- A policy in the two parts that its two roles import. \gset keeps it.
SELECT '{"format": "twin_privacy policy 1",
  "purposes": [{"code": "TWINS_2", "parent": "TWINS", "display": "more twins"}, {"code": "TWINS", "parent": "CLINTRCH", "display": "twins in trials"}],
  "prohibitions": [{"purpose": "HMARKT", "reason": "board decision"}],
  "categories": [{"code": "ecg_12", "parent": "ecg", "display": "twelve leads"}, {"code": "ecg", "parent": "vital_signs", "display": "electrocardiograms"}],
  "derivations": [{"category": "prediction", "from_categories": ["twin_state", "ecg"]}],
  "tables": [
    {"table": "clinic.patient", "subject": "id", "category": "demographics",
     "columns": {"name": "category=identity, kind=identifier, mask=pseudonym", "Odd, =Column": "kind=plain"}},
    {"table": "clinic.lab", "subject": "patient_id", "category": "ecg", "label_column": "labels", "columns": {"value": "kind=quasi,mask=band:10"}},
    {"table": "clinic.inpatient", "columns": {"ward": "kind=quasi, mask=partial:1:0"}}],
  "recipients": [{"recipient": "Sure Life", "kind": "insurance"}],
  "uses": [
    {"code": "STUDY", "purpose": "TWINS", "recipient": "us", "categories": ["vital_signs", "demographics"], "disclosure": "pseudonymised",
     "valid": "[2026-01-01 00:00:00+00,2036-01-01 00:00:00+00)", "statement": "I will not.", "grants": ["policy_reader", "policy \"odd\" reader"]},
    {"code": "CARE", "purpose": "TREAT", "recipient": "us", "categories": ["clinical", "demographics"], "disclosure": "identified", "grants": []},
    {"code": "BTG-1", "purpose": "BTG", "recipient": "us", "categories": ["clinical"], "disclosure": "identified", "valid": "[2026-01-01 00:00:00+00,)", "max_duration": "90 minutes"},
    {"code": "OPEN", "purpose": "PUBHLTH", "recipient": "agency", "categories": ["laboratory"], "disclosure": "private", "valid": "[2026-01-01 00:00:00+00,)", "epsilon": 2.50, "basis": "public_health"}]}' AS policy \gset
SET SESSION AUTHORIZATION policy_auditor;
SELECT * FROM twin_privacy.import_policy(:'policy', dry_run => true);
SELECT * FROM twin_privacy.import_policy(:'policy');
SET SESSION AUTHORIZATION policy_reader;
SELECT twin_privacy.export_policy();
SELECT * FROM twin_privacy.compare_policy(:'policy');
SELECT * FROM twin_privacy.import_policy(:'policy');

-- Neither role can do the other's part, and half is nothing.
SET SESSION AUTHORIZATION policy_officer;
SELECT * FROM twin_privacy.import_policy(:'policy');
SET SESSION AUTHORIZATION policy_admin;
SELECT * FROM twin_privacy.import_policy(:'policy');
SELECT count(*) FROM twin_privacy.compare_policy(:'policy');
SELECT action, kind, object FROM twin_privacy.import_policy(:'policy'::jsonb - '{purposes,prohibitions,recipients,uses}'::text[]);
SET SESSION AUTHORIZATION policy_officer;
SELECT action, kind, object FROM twin_privacy.import_policy(:'policy');

-- Twice is once; the export is a policy of the same meaning.
SELECT * FROM twin_privacy.import_policy(:'policy');
SELECT * FROM twin_privacy.import_policy(twin_privacy.export_policy());

-- The columns of row facts come and go with the policy, too.
RESET SESSION AUTHORIZATION;
CREATE TABLE clinic.note (patient_id int NOT NULL, body text, "Written, date=by" text, visit text, happened date);
SELECT twin_privacy.protect_table('clinic.note', subject => 'patient_id', category => 'clinical', author => '"Written, date=by"', encounter => 'visit', date => 'happened');
SELECT t AS noted FROM jsonb_array_elements(twin_privacy.export_policy()->'tables') AS t WHERE t->>'table' = 'clinic.note' \gset
SELECT :'noted'::jsonb - 'columns' AS noted;
SELECT twin_privacy.protect_table('clinic.note', subject => 'patient_id', category => 'clinical');
SELECT * FROM twin_privacy.import_policy(jsonb_build_object('format', 'twin_privacy policy 1', 'tables', jsonb_build_array(:'noted'::jsonb))) WHERE action <> 'extra';
SELECT label FROM pg_seclabels WHERE objname = 'clinic.note' AND objtype = 'table';
SELECT count(*) FROM twin_privacy.import_policy(jsonb_build_object('format', 'twin_privacy policy 1', 'tables', jsonb_build_array(:'noted'::jsonb))) WHERE action <> 'extra';
-- And what rows are made from, made for and kept for.
CREATE TABLE clinic."State, of" ("Id" int PRIMARY KEY, patient_id int, made_for text);
CREATE TABLE clinic.made ("State" int, lab_value int);
CREATE TABLE clinic.tariff (patient_id int, amount int);
SELECT twin_privacy.protect_table('clinic."State, of"', subject => 'patient_id', category => 'twin_state'),
       twin_privacy.protect_table('clinic.note', subject => 'patient_id', category => 'clinical');
SELECT twin_privacy.declare_provenance('clinic."State, of"', 'Id', 'clinic.made', 'State', 'clinic.lab', 'lab_value', 'value', untraced => 'open'),
       twin_privacy.declare_purpose_column('clinic."State, of"', 'made_for'), twin_privacy.label_context('clinic.tariff', 'insurance');
SELECT * FROM twin_privacy.traced_tables;
SELECT jsonb_build_object('format', 'twin_privacy policy 1', 'tables', jsonb_agg(t)) AS derived, jsonb_pretty(jsonb_agg(t)) AS shown
  FROM jsonb_array_elements(twin_privacy.export_policy()->'tables') AS t WHERE t->>'table' IN ('clinic."State, of"', 'clinic.tariff') \gset
SELECT :'shown' AS derived;
SELECT twin_privacy.drop_provenance('clinic."State, of"', 'test'), twin_privacy.drop_purpose_column('clinic."State, of"', 'test'), twin_privacy.label_context('clinic.tariff', NULL);
SELECT * FROM twin_privacy.import_policy(:'derived', dry_run => true) WHERE action <> 'extra';
SELECT action, kind FROM twin_privacy.import_policy(:'derived') WHERE action <> 'extra';
SELECT objname, label FROM pg_seclabels WHERE objname LIKE 'clinic.%' AND objtype = 'table' AND label ~ 'provenance|context' ORDER BY 1;
SELECT count(*) FROM twin_privacy.import_policy(:'derived') WHERE action <> 'extra';
-- a stricter policy closes; one that says less leaves what is there
SELECT * FROM twin_privacy.import_policy(:'derived'::jsonb #- '{tables,0,untraced}') WHERE action <> 'extra';
SELECT * FROM twin_privacy.compare_policy(:'derived'::jsonb #- '{tables,0,provenance}' #- '{tables,0,purpose_column}' #- '{tables,1,context}') WHERE object ~ 'State|tariff';
SELECT * FROM twin_privacy.compare_policy(jsonb_set(:'derived', '{tables,0,provenance,0,via}', '"x"'));
SELECT * FROM twin_privacy.compare_policy(jsonb_set(:'derived', '{tables,0,provenance,0,table}', '"clinic.gone"'));
SELECT twin_privacy.unprotect_table('clinic."State, of"', 'test');
DROP TABLE clinic."State, of", clinic.made, clinic.tariff;
SELECT twin_privacy.unprotect_table('clinic.note', 'test');
DROP TABLE clinic.note;
SET SESSION AUTHORIZATION policy_officer;
SET timezone = 'Asia/Tokyo';
SELECT jsonb_pretty(twin_privacy.export_policy() #- '{uses,1,valid}');
SELECT * FROM twin_privacy.import_policy(:'policy');
RESET timezone;

-- What came in is proposed: the importer cannot approve it, nobody can use it.
SELECT code, status, proposed_by, approved_by FROM twin_privacy.approved_uses ORDER BY code;
SELECT twin_privacy.approve_use('STUDY');
SET SESSION AUTHORIZATION policy_reader;
SELECT code, usable, problem FROM twin_privacy.my_uses;
SELECT twin_privacy.bind_use('STUDY');
SET SESSION AUTHORIZATION policy_second;
SELECT twin_privacy.approve_use('STUDY');

-- An approved use keeps its terms, its grants follow the policy.
SELECT jsonb_set(jsonb_set(:'policy', '{uses,0,disclosure}', '"identified"'), '{uses,0,grants}', '["policy_reader"]') AS changed \gset
SELECT * FROM twin_privacy.import_policy(:'changed', dry_run => true);
SELECT * FROM twin_privacy.import_policy(:'changed');
SELECT * FROM twin_privacy.import_policy(jsonb_set(:'policy', '{uses,0,grants}', '["policy_reader"]'));
SELECT twin_privacy.suspend_use('STUDY', 'new version');
SELECT * FROM twin_privacy.import_policy(:'changed');
SELECT code, status, disclosure, statement_version, proposed_by, approved_by FROM twin_privacy.approved_uses WHERE code = 'STUDY';
SELECT twin_privacy.approve_use('STUDY');

-- A label the policy does not have goes, which hides the column; what it does not name stays.
SET SESSION AUTHORIZATION policy_admin;
SELECT jsonb_set(:'changed', '{tables}', '[{"table": "clinic.patient", "subject": "id", "category": "identity", "columns": {"born": "kind=quasi, mask=year"}}]') AS labels \gset
SELECT * FROM twin_privacy.import_policy(:'labels');
SELECT column_name, labelled, category, kind, mask FROM twin_privacy.protected_columns WHERE target = 'clinic.patient'::regclass ORDER BY 1;
SELECT * FROM twin_privacy.import_policy(:'labels'::jsonb - 'tables');
SELECT * FROM twin_privacy.import_policy('{"format": "twin_privacy policy 1", "purposes": [], "prohibitions": [], "categories": [], "uses": []}');

-- A prohibition closes what the policy would open, in whatever order it is written.
SET SESSION AUTHORIZATION policy_officer;
SELECT * FROM twin_privacy.import_policy('{"format": "twin_privacy policy 1",
  "uses": [{"code": "ADS", "purpose": "HFUND", "recipient": "us", "categories": ["contact"], "disclosure": "identified"}],
  "prohibitions": [{"purpose": "HFUND", "reason": "none"}], "purposes": [{"code": "HFUND", "parent": "HOPERAT", "display": "funds"}]}');
SELECT count(*) FROM twin_privacy.purposes WHERE code = 'HFUND';

-- What is no policy is an error, never half understood.
SELECT twin_privacy.import_policy(NULL);
SELECT twin_privacy.import_policy(:'policy', NULL);
SELECT twin_privacy.compare_policy('[]');
SELECT twin_privacy.compare_policy('{"uses": []}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "use": []}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "uses": {}}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "uses": [1]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "uses": [{"code": "A"}]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "categories": [{"code": "a", "display": "b", "parnt": "c"}]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "categories": [{"code": "a", "display": "b"}, {"code": "a", "display": "c"}]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "categories": [{"code": "a", "parent": "b", "display": "b"}, {"code": "b", "parent": "a", "display": "c"}]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "categories": [{"code": "genomics", "parent": "clinical", "display": "b"}]}');
SELECT twin_privacy.compare_policy('{"format": "twin_privacy policy 1", "tables": [{"table": "clinic.nowhere"}]}');
SELECT twin_privacy.import_policy('{"format": "twin_privacy policy 1", "uses": [{"code": "A B", "purpose": "TREAT", "recipient": "us", "categories": ["clinical"], "disclosure": "identified"}]}');
SELECT twin_privacy.import_policy('{"format": "twin_privacy policy 1", "uses": [{"code": "CARE", "purpose": "TREAT", "recipient": "us", "categories": ["clinical", "demographics"], "disclosure": "identified", "grants": ["nobody_at_all"]}]}');
SELECT twin_privacy.import_policy('{"format": "twin_privacy policy 1"}');

RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
DROP SCHEMA clinic CASCADE;
DROP ROLE policy_admin, policy_officer, policy_second, policy_auditor, policy_reader, "policy ""odd"" reader";

-- setup.sql - the hospital under attack.  :protect is on in the closed database
-- and off in its open twin, where every attack must leak.
--
-- Canaries: CNRY..., 8675309, 1944-06-06 and keys 7700000004..6 belong to
-- patients who consented to nothing, or to a category no use here names; nobody
-- may see them.  IDNT..., 1971-08-1x and keys 5500000001..3 identify patients
-- who consented: clear under CARE, never under RES or without a use.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS twin_privacy CASCADE;
CREATE SCHEMA clinic AUTHORIZATION att_owner;
CREATE SCHEMA lair;
GRANT ALL ON SCHEMA lair TO PUBLIC;
-- Waits until somebody holds a table: attacks that want a command to wait for them.
CREATE FUNCTION lair.await_lock(name text, wanted text DEFAULT 'AccessExclusiveLock') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = name::regclass AND mode = wanted AND pid <> pg_backend_pid());
        PERFORM pg_sleep(0.05);
    END LOOP;
END$$;
GRANT CREATE ON DATABASE :"DBNAME" TO att_owner;
SET ROLE att_owner;
CREATE TABLE clinic.patient (
    id bigint PRIMARY KEY, name text NOT NULL, birth date, zip text, sex text NOT NULL,
    genome text, secret numeric, extra text);
CREATE TABLE clinic.lab_order (
    id int PRIMARY KEY, patient_id bigint NOT NULL REFERENCES clinic.patient ON DELETE CASCADE ON UPDATE CASCADE,
    code text, price numeric);
CREATE TABLE clinic.result (
    id int PRIMARY KEY, order_id int REFERENCES clinic.lab_order ON DELETE CASCADE, value numeric, remark text);
CREATE TABLE clinic.visit (
    id int, patient_id bigint, day date, note text, labels text[], bill numeric)
    PARTITION BY RANGE (id);
CREATE TABLE clinic.visit_1 PARTITION OF clinic.visit FOR VALUES FROM (0) TO (100);
CREATE TABLE clinic.visit_2 PARTITION OF clinic.visit FOR VALUES FROM (100) TO (200);
CREATE TABLE clinic.base (id int, patient_id bigint, note text);
CREATE TABLE clinic.derived (deep text) INHERITS (clinic.base);
CREATE TABLE clinic.diary (patient_id bigint, body text);

INSERT INTO clinic.patient VALUES
    (5500000001, 'IDNTname1', '1971-08-11', '90211', 'f', 'CNRYgen1', 1.5, 'IDNTextra1'),
    (5500000002, 'IDNTname2', '1971-08-12', '90212', 'm', 'CNRYgen2', 2.5, 'IDNTextra2'),
    (5500000003, 'IDNTname3', '1971-08-13', '90213', 'f', 'CNRYgen3', 3.5, 'IDNTextra3'),
    (7700000004, 'CNRYname4', '1944-06-06', '70004', 'f', 'CNRYgen4', 8675309.4, 'CNRYextra4'),
    (7700000005, 'CNRYname5', '1944-06-06', '70005', 'm', 'CNRYgen5', 8675309.5, 'CNRYextra5'),
    (7700000006, 'CNRYname6', '1944-06-06', '70006', 'm', 'CNRYgen6', 8675309.6, 'CNRYextra6');
INSERT INTO clinic.lab_order
    SELECT n, id, CASE WHEN n < 4 THEN 'GLU' ELSE 'CNRYcode' || n END, CASE WHEN n < 4 THEN n ELSE 8675309 END
    FROM (SELECT row_number() OVER (ORDER BY id)::int, id FROM clinic.patient) AS p(n, id);
INSERT INTO clinic.result
    SELECT n * 10, n, CASE WHEN n < 4 THEN n ELSE 8675309 END, CASE WHEN n < 4 THEN 'IDNTremark' ELSE 'CNRYremark' END || n
    FROM generate_series(1, 6) n;
INSERT INTO clinic.visit
    SELECT o.id + shift, patient_id, CASE WHEN o.id < 4 THEN date '2026-01-01' ELSE '1944-06-06' END,
        CASE WHEN o.id < 4 THEN 'seen' ELSE 'CNRYnote' END || o.id,
        CASE WHEN o.id < 3 THEN '{}' ELSE '{R}' END::text[], CASE WHEN o.id < 4 THEN o.id ELSE 8675309 END
    FROM clinic.lab_order o, (VALUES (0), (100)) s(shift);
UPDATE clinic.visit SET note = 'CNRYlabelled', bill = 8675309 WHERE labels = '{R}';
INSERT INTO clinic.base SELECT o.id, o.patient_id, CASE WHEN id < 4 THEN 'ok' ELSE 'CNRYbase' || id END FROM clinic.lab_order o;
INSERT INTO clinic.derived SELECT o.id + 10, o.patient_id, CASE WHEN id < 4 THEN 'ok' ELSE 'CNRYderived' || id END, 'CNRYdeep' FROM clinic.lab_order o;
INSERT INTO clinic.diary SELECT id, CASE WHEN id < 6000000000 THEN 'IDNTtoast ' ELSE 'CNRYtoast ' END || repeat(md5(id::text) || md5(name), 200) FROM clinic.patient;
CREATE TABLE clinic.cohort (id bigint PRIMARY KEY, bucket int, score numeric, tag text);
INSERT INTO clinic.cohort SELECT 5600000000 + n, n % 2, CASE n WHEN 7 THEN 424242 ELSE n END, CASE n WHEN 7 THEN 'LONEtag' ELSE 'tag' END FROM generate_series(1, 40) n;
-- Derived rows: a parameter from one's own notes, one from a stranger's, one of unknown origin, a pooled one; runs from parameters.
CREATE SCHEMA twin;
CREATE TABLE twin.param (id int PRIMARY KEY, patient_id bigint, value text);
CREATE TABLE twin.run (id int PRIMARY KEY, patient_id bigint, value text);
CREATE TABLE twin.param_made (param_id int REFERENCES twin.param ON DELETE CASCADE, base_id int);
CREATE TABLE twin.run_made (run_id int, param_id int);
CREATE TABLE twin.premium (patient_id bigint, amount int);
INSERT INTO twin.param VALUES (1, 5500000001, 'ok'), (2, 5500000002, 'CNRYparam2'), (3, 5500000003, 'CNRYparam3'), (4, NULL, 'CNRYpooled'), (5, 5500000001, 'CNRYparam5');
INSERT INTO twin.param_made VALUES (1, 1), (2, 2), (2, 4), (4, 1), (4, 4), (5, 14);
INSERT INTO twin.run VALUES (1, 5500000001, 'ok'), (2, 5500000001, 'CNRYrun2'), (3, 5500000002, 'CNRYrun3'), (4, 5500000002, 'CNRYrun4');
INSERT INTO twin.run_made VALUES (1, 1), (2, 1), (2, 2), (3, 4), (4, 99);
CREATE INDEX ON twin.param_made (param_id);
ALTER TABLE twin.premium ALTER patient_id SET STATISTICS 0;
INSERT INTO twin.premium SELECT id, 100 FROM clinic.patient;
GRANT USAGE ON SCHEMA twin TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA twin TO PUBLIC;
ALTER TABLE clinic.diary ALTER body SET STORAGE EXTERNAL;
UPDATE clinic.diary SET body = body || '.';
GRANT USAGE ON SCHEMA clinic TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA clinic TO PUBLIC;
RESET ROLE;
ANALYZE;

SELECT :'protect' = 'on' AS protect \gset
\if :protect
SELECT twin_privacy.protect_table('clinic.patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.label_column('clinic.patient', 'name', 'category=identity, kind=identifier, mask=pseudonym');
SELECT twin_privacy.label_column('clinic.patient', 'birth', 'kind=quasi, mask=year');
SELECT twin_privacy.label_column('clinic.patient', 'zip', 'kind=quasi, mask=zip3');
SELECT twin_privacy.label_column('clinic.patient', 'sex', 'kind=plain');
SELECT twin_privacy.label_column('clinic.patient', 'genome', 'category=genomics, kind=sensitive');
SELECT twin_privacy.label_column('clinic.patient', 'secret', 'kind=plain');
SELECT twin_privacy.protect_table('clinic.lab_order', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.label_column('clinic.lab_order', c, 'kind=plain') FROM unnest('{id,code,price}'::name[]) c;
SELECT twin_privacy.protect_table('clinic.result', subject => 'order_id -> clinic.lab_order(id).patient_id', category => 'laboratory');
SELECT twin_privacy.label_column('clinic.result', c, 'kind=plain') FROM unnest('{id,order_id,value}'::name[]) c;
SELECT twin_privacy.protect_table('clinic.visit', subject => 'patient_id', category => 'clinical', label_column => 'labels');
SELECT twin_privacy.label_column('clinic.visit', c, 'kind=plain') FROM unnest('{id,day,note,bill}'::name[]) c;
SELECT twin_privacy.protect_table('clinic.base', subject => 'patient_id', category => 'clinical');
SELECT twin_privacy.label_column('clinic.base', c, 'kind=plain') FROM unnest('{id,note}'::name[]) c;
SELECT twin_privacy.label_column('clinic.derived', 'deep', 'category=genomics, kind=sensitive');
SELECT twin_privacy.protect_table('clinic.cohort', subject => 'id', category => 'clinical');
SELECT twin_privacy.label_column('clinic.cohort', c, 'kind=plain') FROM unnest('{bucket,score,tag}'::name[]) c;
SELECT twin_privacy.protect_table('clinic.diary', subject => 'patient_id', category => 'clinical');
SELECT twin_privacy.protect_table(t, subject => 'patient_id', category => 'clinical') FROM unnest('{twin.param,twin.run}'::regclass[]) t;
SELECT twin_privacy.label_column(t, c, 'kind=plain') FROM unnest('{twin.param,twin.run}'::regclass[]) t, unnest('{id,value}'::name[]) c;
SELECT twin_privacy.declare_provenance('twin.param', 'id', 'twin.param_made', 'param_id', 'clinic.base', 'base_id', 'id');
SELECT twin_privacy.declare_provenance('twin.run', 'id', 'twin.run_made', 'run_id', 'twin.param', 'param_id', 'id');
SELECT twin_privacy.label_context('twin.premium', 'insurance');
\endif

SET SESSION AUTHORIZATION att_officer1;
SELECT twin_privacy.propose_use('RES', purpose => 'HRESCH', recipient => 'university',
    categories => '{identity,demographics,clinical}', disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
    categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('CARE2', purpose => 'TREAT', recipient => 'ward',
    categories => '{identity,demographics,clinical,genomics}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('ALL', purpose => 'TREAT', recipient => 'ward', basis => 'legal_obligation',
    categories => '{identity,demographics,clinical,sensitive}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('GLASS', purpose => 'BTG', recipient => 'ward',
    categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('OATH', purpose => 'TREAT', recipient => 'ward', statement => 'I swear.',
    categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('AGG', purpose => 'HRESCH', recipient => 'university', categories => '{identity,demographics,clinical}',
    disclosure => 'aggregate', valid => '[2020-01-01,2100-01-01)');
SELECT twin_privacy.propose_use('DP', purpose => 'HRESCH', recipient => 'university', categories => '{identity,demographics,clinical}',
    disclosure => 'private', epsilon => 100, valid => '[2020-01-01,2100-01-01)');
SET SESSION AUTHORIZATION att_officer2;
SELECT twin_privacy.approve_use(u) FROM unnest('{RES,CARE,CARE2,ALL,GLASS,OATH,AGG,DP}'::text[]) u;
SELECT twin_privacy.grant_use(u, r) FROM unnest('{GLASS,OATH}'::text[]) u, unnest('{att_doc,att_owner,att_super}'::name[]) r;
SELECT twin_privacy.grant_use('ALL', r) FROM unnest('{att_owner,att_doc,att_super}'::name[]) r;
SELECT twin_privacy.grant_use(u, r) FROM unnest('{RES,AGG,DP}'::text[]) u, unnest('{att_analyst}'::name[]) r;
SELECT twin_privacy.grant_use(u, r) FROM unnest('{AGG,DP}'::text[]) u, unnest('{att_owner,att_super}'::name[]) r;
SELECT twin_privacy.grant_use(u, 'att_doc') FROM unnest('{CARE,CARE2}'::text[]) u;
SELECT twin_privacy.grant_use(u, r)
FROM unnest('{RES,CARE,CARE2}'::text[]) u,
     unnest('{att_owner,att_reader,att_bypass,att_super,att_writer,att_viewer}'::name[]) r;
SET SESSION AUTHORIZATION att_registrar;
SELECT twin_privacy.record_consent(s, decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}')
FROM unnest('{5500000001,5500000002,5500000003}'::text[]) s, unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');
SELECT twin_privacy.record_consent((5600000000 + n)::text, decision => 'permit', purpose => 'HRESCH', categories => '{clinical}')
FROM generate_series(1, 40) n;
RESET SESSION AUTHORIZATION;

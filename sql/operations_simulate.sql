-- What a use would show, before it is approved; and afterwards why() and the rows agree.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE ROLE sim_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE sim_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE sim_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE sim_reader LOGIN;
CREATE SCHEMA sim;
GRANT USAGE ON SCHEMA sim TO sim_reader;
CREATE TABLE sim.patient (id int PRIMARY KEY, name text, born date, genome text, note text, hidden text);
CREATE TABLE sim.visit (patient_id int NOT NULL REFERENCES sim.patient, ward text, labels text[]);
CREATE TABLE sim.device (key uuid PRIMARY KEY, model text);
INSERT INTO sim.patient SELECT i, 'n' || i, '1950-01-01', 'g' || i, 't' || i, 'h' || i FROM generate_series(1, 9) i;
INSERT INTO sim.visit SELECT i, 'w' || i, NULL FROM generate_series(1, 9) i;
SELECT twin_privacy.protect_table('sim.patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('sim.visit', subject => 'patient_id', category => 'clinical', label_column => 'labels');
SELECT twin_privacy.protect_table('sim.device', subject => 'key', category => 'sensor_stream');
SELECT twin_privacy.label_column('sim.patient', 'name', 'category=identity, kind=identifier, mask=redact'),
       twin_privacy.label_column('sim.patient', 'born', 'kind=quasi, mask=year'),
       twin_privacy.label_column('sim.patient', 'genome', 'category=genomics, kind=sensitive'),
       twin_privacy.label_column('sim.patient', 'note', 'category=clinical, kind=quasi'),
       twin_privacy.label_column('sim.visit', 'ward', 'kind=plain');
GRANT SELECT ON ALL TABLES IN SCHEMA sim TO sim_reader;
SET SESSION AUTHORIZATION sim_registrar;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH', categories => '{demographics,identity}')) FROM generate_series(1, 5) i;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH', categories => '{clinical,genomics}')) FROM generate_series(1, 2) i;
SELECT count(twin_privacy.record_consent(i::text, decision => 'deny', purpose => 'CLINTRCH')) FROM generate_series(5, 7) i;
SELECT twin_privacy.record_consent('12345678-1234-4234-8234-123456789012', decision => 'permit', purpose => 'PurposeOfUse') > 0 AS recorded;
SET SESSION AUTHORIZATION sim_one;
SELECT twin_privacy.propose_use('TRIAL', purpose => 'CLINTRCH', recipient => 'us', categories => '{demographics,clinical,genomics,identity}', disclosure => 'pseudonymised');
SELECT twin_privacy.propose_use('CARE', purpose => 'CLINTRCH', recipient => 'us', categories => '{demographics,clinical}', disclosure => 'identified');
SELECT twin_privacy.propose_use('LAW', purpose => 'CLINTRCH', recipient => 'us', categories => '{demographics}', disclosure => 'identified', basis => 'legal_obligation');
SELECT twin_privacy.propose_use('COUNT', purpose => 'CLINTRCH', recipient => 'us', categories => '{demographics}', disclosure => 'aggregate');
SELECT u.code, s.* FROM twin_privacy.approved_uses AS u CROSS JOIN LATERAL twin_privacy.simulate_use(u.code) AS s ORDER BY u.code, s.target;

SELECT * FROM twin_privacy.test_policy('[
  {"use": "TRIAL", "table": "sim.patient", "column": "genome", "subject": "3", "expect": "hidden", "because": "no consent for genomics"},
  {"use": "TRIAL", "table": "sim.patient", "column": "genome", "subject": "1", "expect": "clear"},
  {"use": "TRIAL", "table": "sim.patient", "column": "name", "subject": "1", "expect": "masked"},
  {"use": "TRIAL", "table": "sim.patient", "column": "name", "subject": "5", "expect": "masked", "because": "wrong on purpose: 5 denies"},
  {"use": "TRIAL", "table": "sim.patient", "subject": "5", "expect": "hidden"},
  {"use": "TRIAL", "table": "sim.patient", "subject": "9", "expect": "hidden"},
  {"use": "TRIAL", "table": "sim.device", "expect": "refused"},
  {"use": "LAW", "table": "sim.patient", "subject": "9", "expect": "visible"},
  {"use": "COUNT", "table": "sim.patient", "column": "born", "expect": "aggregated"},
  {"use": "TRIAL", "table": "sim.patient", "role": "sim_reader", "expect": "refused"}]');
SELECT twin_privacy.test_policy(NULL);
SELECT twin_privacy.test_policy('{}');
SELECT twin_privacy.test_policy('[1]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "sim.patient"}]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "sim.patient", "expect": "hidden", "colum": "name"}]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "sim.patient", "expect": "masked"}]');
SELECT twin_privacy.test_policy('[{"use": "NONE", "table": "sim.patient", "expect": "hidden"}]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "pg_catalog.pg_class", "expect": "hidden"}]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "sim.patient", "column": "nam", "expect": "hidden"}]');
SELECT twin_privacy.test_policy('[{"use": "TRIAL", "table": "sim.patient", "subject": "017", "expect": "hidden"}]');
SELECT twin_privacy.simulate_use(NULL);
SELECT twin_privacy.simulate_use('NONE');

-- Approved and bound: why() says the same of every column and subject, and as many rows are visible.
SET SESSION AUTHORIZATION sim_two;
SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'sim_reader') FROM unnest('{TRIAL,CARE,LAW}'::text[]) u;
RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE answer (use text, target regclass, subject text, column_name name, verdict text);
GRANT SELECT, INSERT ON answer TO sim_reader;
SET SESSION AUTHORIZATION sim_reader;
SELECT twin_privacy.simulate_use('TRIAL');
SELECT twin_privacy.test_policy('[]');
SELECT twin_privacy.bind_use('TRIAL');
INSERT INTO answer SELECT 'TRIAL', t, i::text, w.column_name, w.verdict FROM unnest('{sim.patient,sim.visit}'::regclass[]) t, generate_series(1, 9) i, twin_privacy.why(t, i::text) w;
SELECT count(*) FROM sim.patient;
SELECT twin_privacy.bind_use('CARE');
INSERT INTO answer SELECT 'CARE', t, i::text, w.column_name, w.verdict FROM unnest('{sim.patient,sim.visit}'::regclass[]) t, generate_series(1, 9) i, twin_privacy.why(t, i::text) w;
SELECT count(*) FROM sim.patient;
SELECT twin_privacy.bind_use('LAW');
INSERT INTO answer SELECT 'LAW', t, i::text, w.column_name, w.verdict FROM unnest('{sim.patient}'::regclass[]) t, generate_series(1, 9) i, twin_privacy.why(t, i::text) w;
SELECT count(*) FROM sim.patient;
RESET SESSION AUTHORIZATION;
SELECT use, verdict, count(*) FROM answer GROUP BY 1, 2 ORDER BY 1, 2;
SELECT t.* FROM answer AS a CROSS JOIN LATERAL twin_privacy.test_policy(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'use', a.use, 'table', a.target::text, 'subject', a.subject, 'column', a.column_name, 'expect', a.verdict)))) AS t WHERE t.passed IS NOT TRUE;

-- A prohibition shows at once.
SELECT twin_privacy.prohibit_purpose('CLINTRCH', 'over');
SELECT target, refused, subjects_visible FROM twin_privacy.simulate_use('TRIAL');

SET twin_privacy.maintenance = on;
DROP TABLE answer;
DROP SCHEMA sim CASCADE;
DROP ROLE sim_one, sim_two, sim_registrar, sim_reader;

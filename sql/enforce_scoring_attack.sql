-- Ways round the rule that recipients who insure or employ people are given no derived data of single persons.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE sql;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN 'done ' || n;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE sa_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE sa_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE sa_two LOGIN IN ROLE twin_privacy_officer, twin_privacy_auditor;
CREATE ROLE sa_insurer LOGIN;
CREATE SCHEMA sa;
GRANT USAGE, CREATE ON SCHEMA sa TO PUBLIC;
CREATE TABLE sa.score (id int PRIMARY KEY, patient_id int, score int);
CREATE TABLE sa.lab (id int PRIMARY KEY, patient_id int, value int, risk int);
CREATE TABLE sa.model (id int PRIMARY KEY, patient_id int, weight int);
CREATE TABLE sa.trained_on (model_id int, lab_id int);
CREATE TABLE sa.free (patient_id int);
CREATE TABLE sa.note (id int, patient_id int, labels text[], value int);
INSERT INTO sa.note VALUES (1, 1, NULL, 1), (2, 2, '{N}', 2), (3, 3, '{prediction}', 3), (4, 4, '{laboratory,prediction}', 4);
INSERT INTO sa.lab SELECT p, p, p, p FROM generate_series(1, 30) AS p;
INSERT INTO sa.score SELECT p, p, p FROM generate_series(1, 30) AS p;
INSERT INTO sa.model VALUES (1, NULL, 7);
INSERT INTO sa.trained_on SELECT 1, p FROM generate_series(1, 30) AS p;
GRANT ALL ON ALL TABLES IN SCHEMA sa TO PUBLIC;
SELECT twin_privacy.protect_table('sa.score', subject => 'patient_id', category => 'prediction'), twin_privacy.protect_table('sa.lab', subject => 'patient_id', category => 'laboratory'),
       twin_privacy.protect_table('sa.model', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.protect_table('sa.note', subject => 'patient_id', category => 'laboratory', label_column => 'labels'), twin_privacy.label_column('sa.note', 'value', 'kind=plain');
SELECT twin_privacy.label_column('sa.score', 'score', 'kind=plain'), twin_privacy.label_column('sa.lab', 'value', 'kind=plain'), twin_privacy.label_column('sa.lab', 'risk', 'category=prediction, kind=plain'),
       twin_privacy.label_column('sa.model', 'weight', 'kind=plain');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HPAYMT')) FROM generate_series(1, 30) AS p;
SET SESSION AUTHORIZATION sa_one;
SELECT count(twin_privacy.propose_use(code, purpose => p, recipient => r, categories => '{laboratory,prediction}', disclosure => d, valid => '(,)', export => true, min_cohort => n, basis => b, overrides_deny => o,
                                      max_subjects_per_day => NULL)::text)
  FROM (VALUES ('SA', 'HPAYMT', 'Sure Life', 'identified', 11, 'consent', false), ('SA-SPELT', 'HPAYMT', ' sure-LIFE. ', 'identified', 11, 'consent', false),
               ('SA-FEW', 'HPAYMT', 'Sure Life', 'aggregate', 10, 'consent', false), ('SA-MANY', 'HPAYMT', 'Sure Life', 'aggregate', 11, 'consent', false),
               ('SA-LAW', 'HPAYMT', 'Sure Life', 'identified', 11, 'legal_obligation', true), ('SA-BTG', 'BTG', 'Sure Life', 'identified', 11, 'consent', false)) AS u(code, p, r, d, n, b, o);
SET SESSION AUTHORIZATION sa_two;
SELECT count(twin_privacy.approve_use(code)::text), count(twin_privacy.grant_use(code, 'sa_insurer')::text) FROM unnest('{SA,SA-SPELT,SA-FEW,SA-MANY,SA-LAW,SA-BTG}'::text[]) AS code;
-- no use without a recipient
SELECT attempt(sql) FROM unnest(ARRAY[$$SELECT twin_privacy.propose_use('SA-NONE', purpose => 'HPAYMT', recipient => NULL, categories => '{laboratory}', disclosure => 'identified')$$,
    $$SELECT twin_privacy.propose_use('SA-NONE', purpose => 'HPAYMT', recipient => ' ', categories => '{laboratory}', disclosure => 'identified')$$]) AS sql;

-- what is opened before the label ends with it: prepared, in a cursor, held
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
PREPARE scores AS SELECT count(score) FROM sa.score;
EXECUTE scores;
BEGIN;
DECLARE open CURSOR FOR SELECT score FROM sa.score ORDER BY 1;
FETCH 1 FROM open;
SET LOCAL SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.label_recipient('Sure Life', 'insurance');
SET LOCAL SESSION AUTHORIZATION sa_insurer;
SELECT attempt('EXECUTE scores');
FETCH 1 FROM open;
COMMIT;
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.label_recipient('Sure Life', 'insurance');
-- a recipient is one by its letters, and whatever the use may otherwise do
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.actor = 'hospital';
SET twin_privacy.use = 'SA';
SELECT attempt('SELECT max(score) FROM sa.score');
-- a row that its label calls a prediction
SELECT array_agg(value ORDER BY value) AS notes FROM sa.note;
SELECT * FROM twin_privacy.why('sa.note', '3') WHERE column_name IS NULL;
UPDATE sa.note SET labels = '{prediction}' WHERE id = 1;
SET twin_privacy.use = 'SA-SPELT';
SELECT attempt('SELECT score FROM sa.score');
SET twin_privacy.use = 'SA-LAW';
SELECT attempt('SELECT score FROM sa.score'), (SELECT count(risk) FROM sa.lab) AS risks;
RESET twin_privacy.use;
SELECT twin_privacy.break_glass('1', 'unconscious in the office', '5 minutes') IS NOT NULL AS opened;
SELECT attempt('SELECT score FROM sa.score'), (SELECT count(risk) FROM sa.lab) AS risks, (SELECT count(value) FROM sa.lab) AS readings;
SELECT twin_privacy.end_break_glass();
RESET twin_privacy.actor;
-- figures of few, also of a column beside raw data
SET twin_privacy.use = 'SA-FEW';
SELECT attempt('SELECT avg(score) FROM sa.score'), attempt('SELECT avg(risk) FROM sa.lab'), attempt('SELECT count(*) FROM sa.lab WHERE risk > 3');
SELECT avg(value) > 0 AS raw, avg(risk) AS derived FROM sa.lab;
SET twin_privacy.use = 'SA-MANY';
SELECT avg(score) > 0 AS many, (SELECT avg(risk) > 0 FROM sa.lab) AS derived FROM sa.score;
SELECT score, count(*) FROM sa.score GROUP BY 1;

-- what becomes derived data later is withheld from then on, though it was read before
SET twin_privacy.use = 'SA';
PREPARE readings AS SELECT count(value) FROM sa.lab;
EXECUTE readings;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.declare_derivation('laboratory', '{sensor_stream}');
SET SESSION AUTHORIZATION sa_insurer;
SELECT attempt('EXECUTE readings'), attempt('SELECT * FROM sa.lab');
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.drop_derivation('laboratory');
SET SESSION AUTHORIZATION sa_insurer;
EXECUTE readings;
-- a pooled row, by provenance
SELECT attempt('SELECT weight FROM sa.model');
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.declare_provenance('sa.model', 'id', 'sa.trained_on', 'model_id', 'sa.lab', 'lab_id', 'id');
SET SESSION AUTHORIZATION sa_insurer;
SELECT attempt('SELECT weight FROM sa.model'), attempt('SELECT count(*) FROM sa.model JOIN sa.trained_on ON id = model_id');

-- nor does the list of what a withdrawal taints tell of it
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HPAYMT') IS NOT NULL AS withdrawn;
SET SESSION AUTHORIZATION sa_insurer;
SELECT target, row_key FROM twin_privacy.tainted;
SELECT attempt($$SELECT twin_privacy.clear_taint('sa.model', '1', 'seen')$$);
SET twin_privacy.use = 'SA-LAW';
SELECT target, row_key FROM twin_privacy.tainted;
SELECT attempt('DELETE FROM sa.score WHERE patient_id = 1');
-- with an exception it does
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_scoring_exception('SA', 'sa.model', now() + '1 day', 'it cleans up') AS clean \gset
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.approve_scoring_exception(:clean);
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
SELECT target, row_key FROM twin_privacy.tainted;

-- an exception is of the terms that were approved: a label, or new terms that look the same, end it
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_scoring_exception('SA', 'sa.score', now() + '1 day', 'for these terms') AS terms,
       twin_privacy.propose_scoring_exception('SA', 'sa.lab', now() + '1 day', 'waits') AS waits \gset
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.approve_scoring_exception(:terms);
SELECT twin_privacy.suspend_use('SA', 'a pause'), twin_privacy.resume_use('SA');
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
SELECT count(score) FROM sa.score;
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.suspend_use('SA', 'a year more'), twin_privacy.propose_use('SA', purpose => 'HPAYMT', recipient => 'Sure Life', categories => '{laboratory,prediction}', disclosure => 'identified', valid => '(,)', export => true);
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.approve_use('SA');
SELECT code, target, approved_by, ended_by FROM twin_privacy.scoring_exceptions ORDER BY exception_id;
SET SESSION AUTHORIZATION sa_two;
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :waits));
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
SELECT attempt('SELECT count(score) FROM sa.score');
-- one that was proposed before the recipient was labelled is not approved after
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_use('SA-NEW', purpose => 'HPAYMT', recipient => 'Newcomer', categories => '{prediction}', disclosure => 'identified', valid => '(,)');
SELECT twin_privacy.propose_scoring_exception('SA-NEW', 'sa.score', now() + '1 day', 'early') AS early \gset
SELECT twin_privacy.label_recipient('Newcomer', 'employment');
SET SESSION AUTHORIZATION sa_two;
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :early));
-- a cursor that was opened under an exception ends with it, held or not
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_scoring_exception('SA', 'sa.score', clock_timestamp() + '1 second', 'short') AS short \gset
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.approve_scoring_exception(:short);
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
BEGIN;
DECLARE slow CURSOR FOR SELECT score FROM sa.score ORDER BY id;
FETCH 1 FROM slow;
SELECT pg_sleep(1.1);
FETCH 1 FROM slow;
ROLLBACK;
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_scoring_exception('SA', 'sa.score', clock_timestamp() + '1 second', 'short') AS short \gset
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.approve_scoring_exception(:short);
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
BEGIN;
DECLARE kept CURSOR WITH HOLD FOR SELECT score FROM sa.score ORDER BY id;
COMMIT;
FETCH 1 FROM kept;
SELECT pg_sleep(1.1);
FETCH 1 FROM kept;
CLOSE kept;
RESET SESSION AUTHORIZATION;
SELECT kind, detail::jsonb - 'until' AS detail, detail::jsonb ? 'until' AS until FROM twin_privacy.ledger_events WHERE kind = 'scoring_exception.propose' ORDER BY recorded_at;
-- a record is decided again as it was, and says when an exception that held then does not now
SET SESSION AUTHORIZATION sa_one;
SELECT twin_privacy.propose_scoring_exception('SA', 'sa.score', now() + '1 day', 'once more') AS more \gset
SET SESSION AUTHORIZATION sa_two;
SELECT twin_privacy.approve_scoring_exception(:more);
SET SESSION AUTHORIZATION sa_insurer;
SET twin_privacy.use = 'SA';
SELECT count(score) FROM sa.score;
SET SESSION AUTHORIZATION sa_two;
SELECT count(*) FROM (SELECT max(record_id) AS record FROM twin_privacy.disclosures WHERE use_code = 'SA' AND outcome = 'done') AS d, twin_privacy.audit_replay(d.record) AS r WHERE NOT r.agrees;
SELECT twin_privacy.end_scoring_exception(:more);
SELECT r.aspect FROM (SELECT max(record_id) AS record FROM twin_privacy.disclosures WHERE use_code = 'SA' AND outcome = 'done') AS d, twin_privacy.audit_replay(d.record) AS r WHERE NOT r.agrees;
SET SESSION AUTHORIZATION sa_insurer;
SELECT count(value) FROM sa.lab;
SET SESSION AUTHORIZATION sa_two;
SELECT count(*) FROM (SELECT max(record_id) AS record FROM twin_privacy.disclosures WHERE use_code = 'SA' AND outcome = 'done') AS d, twin_privacy.audit_replay(d.record) AS r WHERE NOT r.agrees;

-- what the tables of the rule hold is written by its functions only
SET SESSION AUTHORIZATION sa_one;
SELECT attempt(sql), sql FROM unnest(ARRAY['DELETE FROM twin_privacy_internal.recipient_kind', 'UPDATE twin_privacy_internal.scoring_exception SET approved_by = proposed_by',
    'INSERT INTO twin_privacy.labelled_recipients VALUES (1)', 'SELECT setval($$twin_privacy_internal.scoring_exception_id_seq$$, 1)']) AS sql;
SET SESSION AUTHORIZATION sa_insurer;
SELECT attempt('TABLE twin_privacy.labelled_recipients'), attempt('TABLE twin_privacy.scoring_exceptions');
RESET SESSION AUTHORIZATION;
DROP SCHEMA sa CASCADE;
DROP ROLE sa_admin, sa_one, sa_two, sa_insurer;

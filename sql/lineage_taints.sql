-- What withdrawals leave to do: the rows made from what was taken back, as a list to tick off.
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
CREATE ROLE lt_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE lt_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE lt_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE lt_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE lt_auditor LOGIN IN ROLE twin_privacy_auditor;
CREATE ROLE lt_pipeline LOGIN;
CREATE ROLE lt_eraser LOGIN;
CREATE ROLE lt_reader LOGIN;
CREATE ROLE lt_stranger LOGIN IN ROLE pg_read_all_data;
CREATE SCHEMA lt;
GRANT USAGE ON SCHEMA lt TO PUBLIC;
CREATE TABLE lt.twin (id int PRIMARY KEY, patient_id int);
CREATE TABLE lt.stream (id bigint PRIMARY KEY, twin_id int REFERENCES lt.twin, labels text[]);
CREATE TABLE lt.param (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE lt.run (id int PRIMARY KEY, patient_id int, made_for text) PARTITION BY RANGE (id);
CREATE TABLE lt.run_1 PARTITION OF lt.run FOR VALUES FROM (0) TO (4);
CREATE TABLE lt.run_2 PARTITION OF lt.run DEFAULT;
CREATE TABLE lt.model (id text PRIMARY KEY, patient_id int, value int);
CREATE TABLE lt.risk (patient_id int, score int);
CREATE TABLE lt.param_used (param_id int, stream_id bigint);
CREATE TABLE lt.run_used (run_id int, param_id int);
CREATE TABLE lt.run_parent (run_id int, parent_id int);
CREATE TABLE lt.model_used (model_id text, run_id int);
CREATE INDEX ON lt.param_used (param_id);
CREATE INDEX ON lt.param_used (stream_id);
CREATE INDEX ON lt.run_used (param_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lt TO lt_pipeline, lt_eraser;
GRANT SELECT ON ALL TABLES IN SCHEMA lt TO lt_reader, lt_stranger;
-- patients 1 to 6, a twin each; run 5 also uses the parameters of patient 1, and run 15 goes on from it
INSERT INTO lt.twin SELECT p * 10, p FROM generate_series(1, 6) AS p;
INSERT INTO lt.stream SELECT p * 100 + i, p * 10, CASE WHEN p = 4 AND i = 2 THEN '{genomics}'::text[] END FROM generate_series(1, 6) AS p, generate_series(1, 3) AS i;
INSERT INTO lt.param SELECT p, p, p FROM generate_series(1, 6) AS p;
INSERT INTO lt.param_used SELECT id / 100, id FROM lt.stream;
INSERT INTO lt.run SELECT p, p, CASE WHEN p % 2 = 1 THEN 'HRESCH' ELSE 'TREAT' END FROM generate_series(1, 6) AS p UNION ALL SELECT 15, 5, 'HRESCH';
INSERT INTO lt.run_used SELECT p, p FROM generate_series(1, 6) AS p UNION ALL SELECT 5, 1;
INSERT INTO lt.run_parent VALUES (15, 5);
INSERT INTO lt.model VALUES ('pooled', NULL, 1), ('of two', NULL, 2), ('of one', 2, 3);
INSERT INTO lt.model_used SELECT 'pooled', p FROM generate_series(1, 6) AS p UNION ALL VALUES ('of two', 2), ('of two', 3), ('of one', 2);
INSERT INTO lt.risk SELECT p, p FROM generate_series(1, 6) AS p;
SELECT twin_privacy.protect_table('lt.stream', subject => 'twin_id -> lt.twin(id).patient_id', category => 'sensor_stream', label_column => 'labels');
SELECT twin_privacy.protect_table('lt.param', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('lt.run', subject => 'patient_id', category => 'simulation');
SELECT twin_privacy.protect_table('lt.model', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.protect_table('lt.risk', subject => 'patient_id', category => 'imaging');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => u)) FROM generate_series(1, 6) AS p, unnest('{HRESCH,TREAT}'::text[]) AS u;
SELECT twin_privacy.declare_provenance('lt.param', 'id', 'lt.param_used', 'param_id', 'lt.stream', 'stream_id', 'id');
SELECT twin_privacy.declare_provenance('lt.run', 'id', 'lt.run_used', 'run_id', 'lt.param', 'param_id', 'id');
SELECT twin_privacy.declare_provenance('lt.run', 'id', 'lt.run_parent', 'run_id', 'lt.run', 'parent_id', 'id');
SELECT twin_privacy.declare_provenance('lt.model', 'id', 'lt.model_used', 'model_id', 'lt.run', 'run_id', 'id');
SET SESSION AUTHORIZATION lt_one;
SELECT code, twin_privacy.propose_use(code, purpose => p, recipient => r, categories => '{sensor_stream,twin_parameter,simulation,prediction,imaging}',
       disclosure => d, valid => '(,)', basis => b, overrides_deny => b <> 'consent', min_cohort => 2)
  FROM (VALUES ('LT', 'HRESCH', 'us', 'identified', 'consent'), ('LT-CARE', 'TREAT', 'us', 'identified', 'consent'),
               ('LT-ERASE', 'HRESCH', 'us', 'identified', 'legal_obligation'), ('LT-PSEUDO', 'HRESCH', 'us', 'pseudonymised', 'consent'),
               ('LT-COUNT', 'HRESCH', 'them', 'aggregate', 'consent')) AS u(code, p, r, d, b);
SET SESSION AUTHORIZATION lt_two;
SELECT twin_privacy.approve_use(code), twin_privacy.grant_use(code, role) FROM (VALUES ('LT', 'lt_pipeline'), ('LT-CARE', 'lt_reader'),
    ('LT-ERASE', 'lt_eraser'), ('LT-PSEUDO', 'lt_pipeline'), ('LT-COUNT', 'lt_pipeline')) AS u(code, role);
SELECT twin_privacy.grant_use('LT', 'lt_reader');
RESET SESSION AUTHORIZATION;
-- the list without times, and with patients by name
CREATE VIEW listed AS SELECT target, string_agg(row_key || coalesce('<' || subject, ''), ' ' ORDER BY row_key, subject) AS rows FROM twin_privacy.tainted GROUP BY 1 ORDER BY 1::text;
GRANT SELECT ON listed TO PUBLIC;

-- nothing is tainted by consents that nobody took back
SET SESSION AUTHORIZATION lt_registrar;
SELECT * FROM listed;

-- patient 1 takes back the streams: her parameters and runs, what others made of them, and the pooled model
SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'HRESCH', categories => '{sensor_stream}') AS deny \gset
SELECT * FROM listed;
SELECT kind, object, row_key, cause = :deny AS by_it, todo, cleared_at FROM twin_privacy.taint_report('1');
SELECT count(*) FROM twin_privacy.taint_report('2');
SELECT attempt($$SELECT twin_privacy.taint_report(NULL)$$), attempt($$SELECT twin_privacy.taint_report('01')$$);
-- what a row's label asks for counts
SELECT twin_privacy.record_consent('4', decision => 'deny', purpose => 'TREAT', categories => '{genomics}') AS genomics \gset
SELECT * FROM listed;
-- permitting again takes everything off the list
SELECT twin_privacy.withdraw_consent(:deny, 'changed her mind'), twin_privacy.withdraw_consent(:genomics, 'changed his');
SELECT * FROM listed;

-- what is made for another purpose is not concerned
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.declare_purpose_column('lt.run', 'made_for');
SET SESSION AUTHORIZATION lt_registrar;
SELECT consent_id AS one FROM twin_privacy.consents WHERE subject = '1' AND purpose = 'HRESCH' AND decision = 'permit' \gset
SELECT consent_id AS two FROM twin_privacy.consents WHERE subject = '2' AND purpose = 'HRESCH' \gset
SELECT twin_privacy.withdraw_consent(:one, 'left'), twin_privacy.withdraw_consent(:two, 'left');
SELECT * FROM listed;
-- a narrower consent does not help those whom it does not name
SELECT twin_privacy.record_consent('1', decision => 'permit', purpose => 'HRESCH', recipients => '{us}') AS narrow \gset
SELECT count(*) FROM twin_privacy.taint_report('1');
-- denied for another purpose than runs 1 and 3 were made for
SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'TREAT', categories => '{sensor_stream}') > 0;
SELECT target, row_key FROM twin_privacy.tainted WHERE subject = '3' ORDER BY 1::text, 2;

-- whoever made the rows sees what it lost, of tables it may change, without names
SET SESSION AUTHORIZATION lt_pipeline;
SELECT attempt('SELECT * FROM twin_privacy.tainted');
SET twin_privacy.use = 'LT-PSEUDO';
SELECT attempt('SELECT * FROM twin_privacy.tainted');
SET twin_privacy.use = 'LT-COUNT';
SELECT attempt('SELECT * FROM twin_privacy.tainted');
SET twin_privacy.use = 'LT-CARE';
SELECT attempt('SELECT * FROM twin_privacy.tainted');
SET twin_privacy.use = 'LT';
SELECT target, row_key, subject, cause FROM twin_privacy.tainted ORDER BY 1::text, 2;
SELECT attempt($$SELECT * FROM twin_privacy.taint_report('2')$$), attempt('SELECT * FROM twin_privacy_internal.list_taints()'),
       attempt('SELECT * FROM twin_privacy_internal.taint_clearance');
-- whoever only reads them does not, nor who may read everything
SET SESSION AUTHORIZATION lt_reader;
SET twin_privacy.use = 'LT';
SELECT count(*) FROM twin_privacy.tainted;
SET SESSION AUTHORIZATION lt_stranger;
SELECT attempt('SELECT * FROM twin_privacy.tainted'), attempt('TABLE twin_privacy_internal.taint_clearance');
SELECT attempt($$SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'done')$$);

-- ticking off: who may, what there is
SET SESSION AUTHORIZATION lt_registrar;
SELECT attempt($$SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'done')$$);
SET SESSION AUTHORIZATION lt_reader;
SELECT attempt($$SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'done')$$);
SET SESSION AUTHORIZATION lt_admin;
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SELECT twin_privacy.clear_taint(NULL, 'pooled', 'done')$$, $$SELECT twin_privacy.clear_taint('lt.model', 'pooled', NULL)$$,
    $$SELECT twin_privacy.clear_taint('lt.model', 'pooled', ' ')$$, $$SELECT twin_privacy.clear_taint('lt.model', NULL, 'done')$$,
    $$SELECT twin_privacy.clear_taint('lt.model', 'nil', 'done')$$, $$SELECT twin_privacy.clear_taint('lt.run', 'no number', 'done')$$,
    $$SELECT twin_privacy.clear_taint('lt.run', '4', 'done')$$, $$SELECT twin_privacy.clear_taint('lt.run_1', '1', 'done')$$,
    $$SELECT twin_privacy.clear_taint('lt.twin', '10', 'done')$$]) AS sql;
SET SESSION AUTHORIZATION lt_pipeline;
SET twin_privacy.use = 'LT';
SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'trained anew as pooled 2');
SELECT attempt($$SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'again')$$);
SELECT target, row_key FROM twin_privacy.tainted ORDER BY 1::text, 2;
-- what the pipeline has not lost stays on the list of those who see all
SET SESSION AUTHORIZATION lt_admin;
SELECT target, row_key, subject FROM twin_privacy.tainted WHERE target = 'lt.model'::regclass ORDER BY 2, 3;
SELECT twin_privacy.clear_taint('lt.model', 'pooled', 'trained anew as pooled 2');
SELECT target, row_key, subject FROM twin_privacy.tainted WHERE target = 'lt.model'::regclass ORDER BY 2, 3;
SELECT kind, object, row_key, cleared_at < now() AS cleared, cleared_by, note FROM twin_privacy.taint_report('2') WHERE kind = 'prediction';
-- a row ticked off is closed as before, and a new withdrawal puts it on the list again
SET SESSION AUTHORIZATION lt_pipeline;
SET twin_privacy.use = 'LT';
SELECT count(*) FROM lt.model WHERE id = 'pooled';
SET SESSION AUTHORIZATION lt_registrar;
SELECT twin_privacy.withdraw_all_consent('6', 'left');
SELECT target, row_key, subject FROM twin_privacy.tainted WHERE target = 'lt.model'::regclass ORDER BY 2, 3;

-- who erases is told of everything, and what is gone is off the list
SET SESSION AUTHORIZATION lt_eraser;
SET twin_privacy.use = 'LT-ERASE';
SELECT target, row_key, subject, cause FROM twin_privacy.tainted WHERE target IN ('lt.model'::regclass, 'lt.param'::regclass) ORDER BY 1::text, 2, since;
DELETE FROM lt.model WHERE id = 'pooled';
DELETE FROM lt.param WHERE id IN (SELECT row_key::int FROM twin_privacy.tainted WHERE target = 'lt.param'::regclass);
SELECT target, row_key FROM twin_privacy.tainted WHERE target IN ('lt.model'::regclass, 'lt.param'::regclass) ORDER BY 1::text, 2;

-- what was made from rows that are gone is on the list all the same: nobody knows whose they were
SET SESSION AUTHORIZATION lt_admin;
SELECT target, row_key, subject, since IS NULL AS gone FROM twin_privacy.tainted WHERE target = 'lt.run'::regclass ORDER BY 2, 3;
SELECT twin_privacy.clear_taint('lt.run', '6', 'done');
SELECT target, row_key, subject, since IS NULL AS gone FROM twin_privacy.tainted WHERE target = 'lt.run'::regclass ORDER BY 2, 3;
-- and can be deleted by whom no consent stops, in whatever order, under a use of the purpose they were made for
SET SESSION AUTHORIZATION lt_eraser;
SET twin_privacy.use = 'LT-ERASE';
SELECT id FROM lt.run WHERE id IN (5, 15) ORDER BY id;
DELETE FROM lt.run WHERE id = 5;
SELECT target, row_key, since IS NULL AS gone FROM twin_privacy.tainted WHERE target = 'lt.run'::regclass ORDER BY 2, 3;
DELETE FROM lt.run WHERE id IN (SELECT row_key::int FROM twin_privacy.tainted WHERE target = 'lt.run'::regclass);
SELECT target, row_key FROM twin_privacy.tainted WHERE target = 'lt.run'::regclass ORDER BY 2;
SET SESSION AUTHORIZATION lt_admin;

-- derived by category alone: all rows of the subject, in one line
SELECT twin_privacy.declare_derivation('imaging', '{sensor_stream}');
SELECT target, row_key, subject FROM twin_privacy.tainted WHERE target = 'lt.risk'::regclass ORDER BY 3;
SELECT kind, object, row_key, todo FROM twin_privacy.taint_report('6') WHERE object = 'lt.risk';
SELECT twin_privacy.clear_taint('lt.risk', NULL, 'kept until the trial ends, by law');
SELECT count(*) FROM twin_privacy.tainted WHERE target = 'lt.risk'::regclass;
SELECT twin_privacy.drop_derivation('imaging');

-- what was given out before
SET SESSION AUTHORIZATION lt_pipeline;
SET twin_privacy.use = 'LT';
SELECT count(*) FROM lt.param WHERE patient_id = 4;
SET twin_privacy.use = 'LT-COUNT';
SELECT count(*) >= 2 FROM lt.stream;
SET SESSION AUTHORIZATION lt_registrar;
SELECT twin_privacy.withdraw_all_consent('4', 'left');
SELECT kind, object, regexp_replace(todo, '\d+', 'N', 'g') AS todo FROM twin_privacy.taint_report('4') WHERE kind IN ('release', 'disclosure');

-- taken back, given again and taken back again: the last withdrawal is the cause, once
SELECT twin_privacy.withdraw_all_consent('5', 'left');
SELECT count(*) AS rows, count(DISTINCT cause) AS causes FROM twin_privacy.tainted WHERE subject = '5';
SELECT twin_privacy.record_consent('5', decision => 'permit', purpose => u) > 0 FROM unnest('{HRESCH,TREAT}'::text[]) AS u;
SELECT count(*) AS rows FROM twin_privacy.tainted WHERE subject = '5';
SELECT twin_privacy.withdraw_all_consent('5', 'left again');
SELECT count(*) AS rows, min(cause) > (SELECT min(consent_id) FROM twin_privacy.consents WHERE subject = '5' AND purpose = 'TREAT') AS last FROM twin_privacy.tainted WHERE subject = '5';

-- recorded
SET SESSION AUTHORIZATION lt_auditor;
SELECT kind, object, subject, detail FROM twin_privacy.ledger_events WHERE kind LIKE 'taint.%' AND (kind = 'taint.clear' OR subject IS NOT NULL) ORDER BY recorded_at, object;

RESET SESSION AUTHORIZATION;
DROP VIEW listed;
DROP SCHEMA lt CASCADE;
DROP ROLE lt_admin, lt_one, lt_two, lt_registrar, lt_auditor, lt_pipeline, lt_eraser, lt_reader, lt_stranger;

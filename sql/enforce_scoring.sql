-- Recipients that insure or employ people are given no derived data of single persons; two officers may except a table.
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
CREATE ROLE es_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE es_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE es_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE es_hat LOGIN IN ROLE es_one, es_two;
CREATE ROLE es_insurer LOGIN;
CREATE SCHEMA es;
GRANT USAGE, CREATE ON SCHEMA es TO PUBLIC;
CREATE TABLE es.bill (patient_id int, code text, risk int);
CREATE TABLE es.score (id int PRIMARY KEY, patient_id int, score int) PARTITION BY RANGE (id);
CREATE TABLE es.score_1 PARTITION OF es.score DEFAULT;
CREATE TABLE es.lab (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE es.derived (id int PRIMARY KEY, patient_id int, value int);
CREATE TABLE es.derived_used (derived_id int, lab_id int);
CREATE TABLE es.premium (patient_id int, premium int) PARTITION BY LIST (premium);
CREATE TABLE es.premium_1 PARTITION OF es.premium DEFAULT;
CREATE TABLE es.free (patient_id int);
INSERT INTO es.bill SELECT p, 'X' || p, p FROM generate_series(1, 12) AS p;
INSERT INTO es.score SELECT p, p, p FROM generate_series(1, 12) AS p;
INSERT INTO es.lab SELECT p, p, p FROM generate_series(1, 12) AS p;
INSERT INTO es.derived SELECT p, p, p FROM generate_series(1, 12) AS p;
INSERT INTO es.derived_used SELECT p, p FROM generate_series(1, 12) AS p;
INSERT INTO es.premium VALUES (1, 100);
INSERT INTO es.free VALUES (1);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA es TO PUBLIC;
SELECT twin_privacy.protect_table('es.bill', subject => 'patient_id', category => 'procedure'), twin_privacy.protect_table('es.score', subject => 'patient_id', category => 'prediction'),
       twin_privacy.protect_table('es.lab', subject => 'patient_id', category => 'laboratory'), twin_privacy.protect_table('es.derived', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.label_column('es.bill', 'code', 'kind=plain'), twin_privacy.label_column('es.bill', 'risk', 'category=prediction, kind=plain'), twin_privacy.label_column('es.score', 'score', 'kind=plain'),
       twin_privacy.label_column('es.lab', 'value', 'kind=plain'), twin_privacy.label_column('es.derived', 'value', 'kind=plain');
SELECT twin_privacy.declare_provenance('es.derived', 'id', 'es.derived_used', 'derived_id', 'es.lab', 'lab_id', 'id');
SELECT twin_privacy.label_context('es.premium', 'insurance');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HPAYMT')) FROM generate_series(1, 12) AS p;
SET SESSION AUTHORIZATION es_one;
SELECT count(twin_privacy.propose_use(code, purpose => 'HPAYMT', recipient => r, categories => '{procedure,prediction,laboratory}', disclosure => d, valid => '(,)', export => true, min_cohort => 2)::text)
  FROM (VALUES ('ES', 'Sure Life', 'identified'), ('ES-PSEUDO', 'sure life', 'pseudonymised'), ('ES-COUNT', ' SURE LIFE ', 'aggregate'), ('ES-OTHER', 'hospital', 'identified')) AS u(code, r, d);
SELECT twin_privacy.propose_use('ES-MANY', purpose => 'HPAYMT', recipient => 'Sure Life', categories => '{prediction}', disclosure => 'aggregate', valid => '(,)');
SET SESSION AUTHORIZATION es_two;
SELECT count(twin_privacy.approve_use(code)::text), count(twin_privacy.grant_use(code, 'es_insurer')::text) FROM unnest('{ES,ES-PSEUDO,ES-COUNT,ES-MANY,ES-OTHER}'::text[]) AS code;

-- labelling a recipient: by one officer
SET SESSION AUTHORIZATION es_admin;
SELECT attempt($$SELECT twin_privacy.label_recipient('Sure Life', 'insurance')$$);
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT count(*) FROM es.score;
PREPARE scores AS SELECT count(*) FROM es.score;
EXECUTE scores;
SET SESSION AUTHORIZATION es_one;
SELECT attempt(sql) FROM unnest(ARRAY[$$SELECT twin_privacy.label_recipient(NULL, 'insurance')$$, $$SELECT twin_privacy.label_recipient(' ', 'insurance')$$,
    $$SELECT twin_privacy.label_recipient('Sure Life', 'bank')$$, $$SELECT twin_privacy.label_recipient('Sure Life', NULL)$$]) AS sql;
SELECT twin_privacy.label_recipient('Sure Life', 'insurance');

-- then: no derived data of single persons, in whatever form, shape or table
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT patient_id, code, risk FROM es.bill ORDER BY 1;
SELECT count(value) FROM es.lab;
CREATE VIEW es.seen AS SELECT patient_id, score FROM es.score;
CREATE FUNCTION es.worth(p int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT score FROM es.score WHERE patient_id = p); END';
SELECT attempt(sql), sql FROM unnest(ARRAY['EXECUTE scores', 'SELECT * FROM es.score', 'SELECT count(*) FROM es.score', 'SELECT * FROM es.score_1', 'SELECT * FROM es.derived',
    'TABLE es.seen', 'SELECT es.worth(1)', 'SELECT b.code, (SELECT max(score) FROM es.score s WHERE s.patient_id = b.patient_id) FROM es.bill b',
    'CREATE TABLE es.taken AS SELECT * FROM es.score', 'INSERT INTO es.free SELECT score FROM es.score', 'DECLARE c CURSOR FOR SELECT * FROM es.score',
    'UPDATE es.score SET score = 0', 'UPDATE es.score SET id = id RETURNING score', 'DELETE FROM es.score RETURNING score', 'INSERT INTO es.score VALUES (99, 1, 1) RETURNING (SELECT max(score) FROM es.score)',
    'MERGE INTO es.free f USING es.score s ON f.patient_id = s.score WHEN NOT MATCHED THEN INSERT VALUES (s.score)', 'SELECT 1 FROM es.bill WHERE EXISTS (SELECT FROM es.score WHERE score > 3)',
    'SELECT s FROM es.score s', 'SELECT (s).score FROM es.score s', 'TABLE ONLY es.score', 'SELECT * FROM es.score FOR UPDATE', 'EXPLAIN ANALYZE SELECT * FROM es.score', 'SELECT risk FROM es.bill WHERE risk > 0',
    'SELECT max(score) FROM es.score GROUP BY patient_id', 'SELECT twin_privacy.k_anonymity($$es.score$$, $${score}$$)', 'EXPLAIN SELECT * FROM es.score']) AS sql;
COPY es.score_1 TO STDOUT;
COPY (SELECT * FROM es.seen) TO STDOUT;
EXECUTE scores;
SELECT twin_privacy.permits(1, 'prediction'), twin_privacy.permits(1, 'procedure'), twin_privacy.reveal(7, 1, 'prediction') IS NULL AS hidden;
SELECT * FROM twin_privacy.why('es.bill', '1') ORDER BY column_name NULLS FIRST;
SELECT attempt($$SELECT * FROM twin_privacy.why('es.score', '1')$$);
SET twin_privacy.use = 'ES-PSEUDO';
SELECT code, risk FROM es.bill ORDER BY 1 LIMIT 1;
SELECT attempt('SELECT count(*) FROM es.score');
-- aggregates of less than the usual cohort, too; others, and the rest, as before
SET twin_privacy.use = 'ES-COUNT';
SELECT attempt('SELECT count(*) FROM es.score');
SELECT count(*) FROM es.bill;
SET twin_privacy.use = 'ES-MANY';
SELECT count(*) FROM es.score;
SET twin_privacy.use = 'ES-OTHER';
SELECT count(score) FROM es.score;
-- an officer sees it beforehand
SET SESSION AUTHORIZATION es_one;
SELECT target, refused, columns_hidden FROM twin_privacy.simulate_use('ES') WHERE target IN ('es.score', 'es.bill') ORDER BY 1;

-- exceptions: two officers, one use, one table, a day on which they end
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SELECT twin_privacy.propose_scoring_exception(NULL, 'es.score', now() + '1 day', 'x')$$,
    $$SELECT twin_privacy.propose_scoring_exception('ES', NULL, now() + '1 day', 'x')$$, $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', NULL, 'x')$$,
    $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', now() + '1 day', ' ')$$, $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', now() - '1 day'::interval, 'x')$$,
    $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', now() + '2 years', 'x')$$, $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', 'infinity', 'x')$$,
    $$SELECT twin_privacy.propose_scoring_exception('NONE', 'es.score', now() + '1 day', 'x')$$, $$SELECT twin_privacy.propose_scoring_exception('ES', 'es.free', now() + '1 day', 'x')$$,
    $$SELECT twin_privacy.approve_scoring_exception(99)$$, $$SELECT twin_privacy.end_scoring_exception(NULL)$$]) AS sql;
SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', now() + '1 day', 'the patients asked for it in writing') AS first \gset
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :first));
-- one person with two hats is one person
SET ROLE twin_privacy_officer;
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :first));
SET SESSION AUTHORIZATION es_hat;
SET ROLE es_one;
SELECT twin_privacy.propose_scoring_exception('ES', 'es.bill', now() + '1 day', 'as two') AS hat \gset
SET ROLE es_two;
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :hat));
SELECT twin_privacy.end_scoring_exception(:hat);
SET SESSION AUTHORIZATION es_admin;
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :first));
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :first));
SELECT attempt('SELECT count(*) FROM es.score');
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.approve_scoring_exception(:first);
SELECT attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :first)), attempt(format('SELECT twin_privacy.approve_scoring_exception(%s)', :hat));
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT count(score) FROM es.score;
SELECT count(*) FROM es.score_1;
EXECUTE scores;
SELECT attempt('SELECT count(*) FROM es.derived'), (SELECT count(risk) FROM es.bill) AS risks;
SET twin_privacy.use = 'ES-PSEUDO';
SELECT attempt('SELECT count(*) FROM es.score');
-- it ends: by an officer, by its day, and with the terms of the use
SET SESSION AUTHORIZATION es_one;
SELECT twin_privacy.end_scoring_exception(:first);
SELECT attempt(format('SELECT twin_privacy.end_scoring_exception(%s)', :first));
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT attempt('EXECUTE scores');
SET SESSION AUTHORIZATION es_one;
SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', clock_timestamp() + '1 second', 'short') AS short \gset
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.approve_scoring_exception(:short);
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT count(*) FROM es.score;
SELECT pg_sleep(1.1);
SELECT attempt('SELECT count(*) FROM es.score');
SET SESSION AUTHORIZATION es_one;
SELECT twin_privacy.propose_scoring_exception('ES', 'es.score', now() + '1 day', 'for these terms') AS terms \gset
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.approve_scoring_exception(:terms);
SELECT twin_privacy.suspend_use('ES', 'new terms'), twin_privacy.propose_use('ES', purpose => 'HPAYMT', recipient => 'Sure Life', categories => '{procedure,prediction,laboratory,condition}', disclosure => 'identified', valid => '(,)', export => true);
SET SESSION AUTHORIZATION es_one;
SELECT twin_privacy.approve_use('ES');
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT attempt('SELECT count(*) FROM es.score');

-- and of the rule that twin data does not meet tables kept for insurance
SET twin_privacy.use = 'ES-OTHER';
SELECT attempt('SELECT * FROM es.score JOIN es.premium USING (patient_id)');
SET SESSION AUTHORIZATION es_one;
SELECT twin_privacy.propose_scoring_exception('ES-OTHER', 'es.premium', now() + '1 day', 'a study of premiums, approved by the board') AS study \gset
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.approve_scoring_exception(:study);
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES-OTHER';
SELECT score, premium FROM es.score JOIN es.premium USING (patient_id);
SELECT score, premium FROM es.score JOIN es.premium_1 USING (patient_id);
-- under this use only, not by changing it within a command
SET twin_privacy.use = 'ES';
SELECT attempt('SELECT * FROM es.bill JOIN es.premium USING (patient_id)');
SELECT attempt($x$DO $do$BEGIN PERFORM code FROM es.bill; PERFORM set_config('twin_privacy.use', 'ES-OTHER', false); PERFORM premium FROM es.premium; END$do$$x$);
SELECT attempt($x$DO $do$BEGIN PERFORM premium FROM es.premium; PERFORM set_config('twin_privacy.use', 'ES', false); PERFORM code FROM es.bill; END$do$$x$);
SELECT attempt($x$DO $do$BEGIN PERFORM set_config('twin_privacy.use', 'ES-OTHER', false); PERFORM code FROM es.bill; PERFORM set_config('twin_privacy.use', 'ES', false); PERFORM code FROM es.bill; PERFORM premium FROM es.premium; END$do$$x$);
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.end_scoring_exception(:study);
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES-OTHER';
SELECT attempt('SELECT * FROM es.score JOIN es.premium USING (patient_id)');

-- the label comes off when two officers ask
SET SESSION AUTHORIZATION es_one;
SET client_min_messages = notice;
SELECT twin_privacy.label_recipient('Sure Life', NULL);
SELECT twin_privacy.label_recipient('Sure Life', NULL);
SET client_min_messages = warning;
SELECT recipient, kind, labelled_by, release_by FROM twin_privacy.labelled_recipients;
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT attempt('SELECT count(*) FROM es.score');
SET SESSION AUTHORIZATION es_two;
SELECT twin_privacy.label_recipient('Sure Life', NULL);
SET SESSION AUTHORIZATION es_insurer;
SET twin_privacy.use = 'ES';
SELECT count(*) FROM es.score;

-- recorded
RESET SESSION AUTHORIZATION;
SELECT kind, session_role, detail::jsonb - 'until' AS detail FROM twin_privacy.ledger_events WHERE kind ~ '^(recipient|scoring_exception)' ORDER BY recorded_at;
SELECT code, target, reason, proposed_by, approved_by, ended_by FROM twin_privacy.scoring_exceptions ORDER BY exception_id;
DROP SCHEMA es CASCADE;
DROP ROLE es_admin, es_one, es_two, es_hat, es_insurer;

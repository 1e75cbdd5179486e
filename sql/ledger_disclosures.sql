-- Every way of reading leaves a record; the record says whom it told of.
CREATE ROLE told_officer LOGIN;
CREATE ROLE told_chief LOGIN;
GRANT twin_privacy_officer TO told_officer, told_chief;
CREATE ROLE told_admin LOGIN;
GRANT twin_privacy_admin, twin_privacy_registrar TO told_admin;
CREATE ROLE told_auditor LOGIN;
GRANT twin_privacy_auditor TO told_auditor;
CREATE ROLE told_nurse LOGIN;
CREATE ROLE told_analyst LOGIN;

CREATE TABLE patient (id int PRIMARY KEY, name text);
CREATE TABLE note (id int PRIMARY KEY, person text, body text);
INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 6) i;
INSERT INTO note VALUES (1, 'p-1', 'one'), (2, 'p-2', 'two'), (3, 'p-1', 'three');
SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('note', subject => 'person', category => 'clinical');
GRANT SELECT ON patient, note TO told_nurse, told_analyst;
CREATE FUNCTION inner_name(int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT name FROM patient WHERE id = $1); END $$;
SET SESSION AUTHORIZATION told_officer;
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward', categories => '{demographics,clinical}',
                                disclosure => 'identified');
SET SESSION AUTHORIZATION told_chief;
SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'told_nurse');
SET SESSION AUTHORIZATION told_admin;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => p))
  FROM generate_series(1, 4) i, unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('p-1', decision => 'permit', purpose => 'TREAT') > 0 AS recorded;

SET SESSION AUTHORIZATION told_nurse;
SET twin_privacy.actor = 'nurse Joy';
-- refused: no use
SELECT * FROM patient;
SELECT twin_privacy.bind_use('CARE', 'point read');
SELECT name FROM patient WHERE id = 2;
SET twin_privacy.justification = 'nobody';
SELECT name FROM patient WHERE id = 5;
SET twin_privacy.justification = 'join';
SELECT count(*) FROM patient, note WHERE note.id < 3;
SET twin_privacy.justification = 'cursor';
BEGIN;
DECLARE c CURSOR FOR SELECT name FROM patient ORDER BY id;
FETCH 2 FROM c;
ROLLBACK;
SET twin_privacy.justification = 'never fetched';
BEGIN;
DECLARE c CURSOR FOR SELECT name FROM patient ORDER BY id;
COMMIT;
SET twin_privacy.justification = 'copy';
COPY patient TO STDOUT;
SET twin_privacy.justification = 'explain';
DO $$ BEGIN EXECUTE 'EXPLAIN SELECT * FROM patient'; END $$;
SET twin_privacy.justification = 'explain analyze';
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE SELECT * FROM patient'; END $$;
SET twin_privacy.justification = 'nested';
SELECT inner_name(1) FROM patient WHERE id = 2;
SET twin_privacy.justification = 'error';
SELECT 1 / (id - 3) FROM patient WHERE id = 3;
SET twin_privacy.justification = 'timeout';
SET statement_timeout = 20;
SELECT pg_sleep(60) FROM patient WHERE id = 1;
RESET statement_timeout;
SET twin_privacy.justification = 'savepoint';
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM patient;
ROLLBACK TO s;
COMMIT;

SET SESSION AUTHORIZATION told_analyst;
-- refused: another's use
SET twin_privacy.use = 'CARE';
SELECT name FROM patient;
SELECT count(*) > 0 AS own, bool_and(session_role = 'told_analyst') AS only_own FROM twin_privacy.disclosures;

SET SESSION AUTHORIZATION told_auditor;
SELECT session_role, actor, use_code, purpose, recipient, justification, tables, categories, form, row_count,
       subject_count, subjects_exact, outcome
  FROM twin_privacy.disclosures ORDER BY record_id;
SELECT d.justification, array_agg(s ORDER BY s) AS told
  FROM twin_privacy.disclosures d, twin_privacy.subjects_of(d.record_id) s
 GROUP BY d.record_id, d.justification ORDER BY d.record_id;
SELECT justification FROM twin_privacy.disclosures_of('1') ORDER BY record_id;
SELECT justification FROM twin_privacy.disclosures_of('p-1') ORDER BY record_id;
SELECT count(*) FROM twin_privacy.disclosures_of('5');
SELECT regexp_replace(twin_privacy.disclosure_report('2'), '\d{4}-\d\d-\d\d \d\d:\d\d UTC|record \d+', '...', 'g') AS report;
RESET SESSION AUTHORIZATION;
SELECT child.justification, parent.justification AS inside
  FROM twin_privacy_internal.ledger_disclosures('-infinity') child
  JOIN twin_privacy_internal.ledger_disclosures('-infinity') parent ON parent.record_id = child.parent_id
 ORDER BY child.record_id;
-- literals are nowhere in the ledger
SELECT count(*) FROM twin_privacy_internal.ledger_disclosures('-infinity') d WHERE d::text LIKE '%p-2%';
-- whoever joined afterwards has nothing to see
SET SESSION AUTHORIZATION told_officer;
SELECT count(*) FROM twin_privacy.disclosures;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.unprotect_table('patient', 'end of test'), twin_privacy.unprotect_table('note', 'end of test');
DROP FUNCTION inner_name;
DROP TABLE patient, note;
SELECT twin_privacy.revoke_use('CARE', 'told_nurse');
DROP ROLE told_officer, told_chief, told_admin, told_auditor, told_nurse, told_analyst;

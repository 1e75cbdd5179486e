-- Break-glass: one patient, now, recorded, reviewed.
CREATE ROLE glass_officer LOGIN;
CREATE ROLE glass_chief LOGIN;
GRANT twin_privacy_officer TO glass_officer, glass_chief;
CREATE ROLE glass_admin LOGIN;
GRANT twin_privacy_admin, twin_privacy_registrar TO glass_admin;
CREATE ROLE glass_auditor LOGIN;
GRANT twin_privacy_auditor TO glass_auditor;
CREATE ROLE glass_doctor LOGIN;
CREATE ROLE glass_nobody LOGIN;

CREATE TABLE patient (id int PRIMARY KEY, name text);
CREATE TABLE observation (id int PRIMARY KEY, patient_id int REFERENCES patient, value text);
INSERT INTO patient VALUES (1, 'Anna'), (2, 'Bert'), (3, 'Cleo');
INSERT INTO observation VALUES (1, 1, 'pulse 80'), (2, 1, 'pulse 120'), (3, 2, 'pulse 60'), (4, 3, 'pulse 70');
SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('observation', subject => 'patient_id', category => 'vital_signs');
GRANT SELECT ON patient, observation TO glass_doctor, glass_nobody;

SET SESSION AUTHORIZATION glass_officer;
SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'hospital', categories => '{vital_signs,demographics}',
                                disclosure => 'identified', max_duration => '2 hours');
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'hospital', categories => '{vital_signs}',
                                disclosure => 'identified');
SET SESSION AUTHORIZATION glass_chief;
SELECT twin_privacy.approve_use('ER');
SELECT twin_privacy.approve_use('CARE');
SELECT twin_privacy.grant_use('ER', 'glass_doctor');
SELECT twin_privacy.grant_use('ER', 'glass_chief');
SELECT twin_privacy.grant_use('CARE', 'glass_doctor');
SET SESSION AUTHORIZATION glass_admin;
SELECT twin_privacy.record_consent('2', decision => 'permit', purpose => 'TREAT') > 0 AS recorded;
SELECT twin_privacy.record_consent('1', decision => 'deny', purpose => 'TREAT') > 0 AS recorded;
SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'BTG') > 0 AS recorded;

-- not for everybody, not without reasons, not for nonsense
SET SESSION AUTHORIZATION glass_nobody;
SELECT twin_privacy.break_glass('1', 'unconscious patient');
SET SESSION AUTHORIZATION glass_doctor;
SELECT twin_privacy.break_glass(NULL, 'unconscious patient');
SELECT twin_privacy.break_glass('1', NULL);
SELECT twin_privacy.break_glass('1', 'unconscious patient', NULL);
SELECT twin_privacy.break_glass('1', '  short   ');
SELECT twin_privacy.break_glass('01', 'unconscious patient');
SELECT twin_privacy.break_glass('1', 'unconscious patient', '0');
SELECT twin_privacy.break_glass('1', 'unconscious patient', '-1 hour');
SELECT twin_privacy.break_glass('1', 'unconscious patient', '3 hours');
SELECT twin_privacy.bind_use('ER', 'not this way');
SET twin_privacy.use = 'ER';
SELECT * FROM observation ORDER BY id;
RESET twin_privacy.use;
SELECT twin_privacy.end_break_glass();

-- the patient's own deny stops it, a general deny does not
SELECT twin_privacy.break_glass('3', 'unconscious patient');
SELECT twin_privacy.bind_use('CARE', 'ward round');
SELECT * FROM observation ORDER BY id;
SELECT twin_privacy.break_glass('1', 'unconscious patient');
SELECT twin_privacy.current_use();
SELECT * FROM observation ORDER BY id;
SELECT * FROM patient;
-- one at a time, and nothing else meanwhile
SELECT twin_privacy.break_glass('2', 'unconscious patient');
SELECT twin_privacy.bind_use('CARE', 'ward round');
SELECT twin_privacy.end_break_glass();
SELECT twin_privacy.current_use();
SELECT * FROM observation ORDER BY id;

-- neither ROLLBACK nor READ ONLY undoes the record
BEGIN READ ONLY;
SELECT twin_privacy.break_glass('2', 'seizure in the ward', '30 minutes');
SELECT count(*) FROM patient;
ROLLBACK;
SELECT twin_privacy.current_use();
SELECT * FROM patient;
-- an emergency is one actor's
SET twin_privacy.actor = 'somebody else on a pooled connection';
SELECT twin_privacy.current_use();
SELECT * FROM observation ORDER BY id;
RESET twin_privacy.actor;
SELECT twin_privacy.current_use();
BEGIN;
SELECT twin_privacy.end_break_glass();
ROLLBACK;
SELECT twin_privacy.current_use();

-- time is the server's
SELECT twin_privacy.break_glass('1', 'one second only', '1 second');
SELECT pg_sleep(1.1);
SELECT twin_privacy.current_use();
SELECT twin_privacy.end_break_glass();

-- three wait for review: no fourth
SELECT twin_privacy.break_glass('1', 'unconscious patient');
SELECT event_id, subject, use_code, session_role, acting_role, actor, justification, expires_at - opened_at AS duration,
       ended_at IS NOT NULL AS ended, verdict, reviewer, reviewed_at, note
  FROM twin_privacy.break_glass_events ORDER BY event_id;
SELECT twin_privacy.review_break_glass(1, 'justified', 'my own');
SET SESSION AUTHORIZATION glass_nobody;
SELECT count(*) FROM twin_privacy.break_glass_events;

-- review: by another officer, once, with a verdict there is
SET SESSION AUTHORIZATION glass_officer;
SELECT twin_privacy.review_break_glass(NULL, 'justified');
SELECT twin_privacy.review_break_glass(1, NULL);
SELECT twin_privacy.review_break_glass(1, 'fine');
SELECT twin_privacy.review_break_glass(99, 'justified');
SELECT twin_privacy.review_break_glass(1, 'justified', 'the patient was unconscious');
SELECT twin_privacy.review_break_glass(1, 'unjustified', 'on second thoughts');
SELECT twin_privacy.review_break_glass(2, 'unjustified', 'no seizure that day');
SET SESSION AUTHORIZATION glass_chief;
SELECT twin_privacy.break_glass('1', 'chief in the ward');
SELECT twin_privacy.end_break_glass();
SELECT twin_privacy.review_break_glass(4, 'justified', 'my own');
SET SESSION AUTHORIZATION glass_doctor;
SELECT twin_privacy.break_glass('1', 'unconscious patient');
SELECT twin_privacy.end_break_glass();

-- a session handed on is in no emergency
SET SESSION AUTHORIZATION glass_officer;
SELECT twin_privacy.review_break_glass(5, 'justified');
SET SESSION AUTHORIZATION glass_doctor;
SELECT twin_privacy.break_glass('2', 'unconscious patient');
SELECT twin_privacy.current_use();
RESET SESSION AUTHORIZATION;
DISCARD ALL;
SET SESSION AUTHORIZATION glass_doctor;
SELECT twin_privacy.current_use();
SELECT count(*) FROM patient;

-- the ledger tells these reads apart
SET SESSION AUTHORIZATION glass_auditor;
SELECT kind, object, subject, outcome, session_role FROM twin_privacy.ledger_events
 WHERE kind LIKE 'break_glass%' AND (object <> '6' OR kind <> 'break_glass.end') ORDER BY event_id;
SELECT justification, use_code, purpose, tables, row_count, subject_count, break_glass_id IS NOT NULL AS emergency
  FROM twin_privacy.disclosures_of('1') ORDER BY record_id;
SELECT event_id, verdict, reviewer, note FROM twin_privacy.break_glass_events ORDER BY event_id;
SELECT regexp_replace(twin_privacy.disclosure_report('1'), '\d{4}-\d\d-\d\d \d\d:\d\d UTC|record \d+', '...', 'g') AS report;
SELECT count(*) FROM twin_privacy.verify_ledger();

RESET SESSION AUTHORIZATION;
SELECT session_role, use_code, tables, row_count, break_glass_id, outcome
  FROM twin_privacy_internal.ledger_disclosures('-infinity') ORDER BY record_id;
INSERT INTO twin_privacy_internal.break_glass_event DEFAULT VALUES;
UPDATE twin_privacy_internal.break_glass_event SET verdict = 'justified';
SELECT twin_privacy.unprotect_table('patient', 'end of test');
SELECT twin_privacy.unprotect_table('observation', 'end of test');
DROP TABLE observation, patient;
SELECT twin_privacy.revoke_use('ER', 'glass_doctor');
DROP ROLE glass_officer, glass_chief, glass_admin, glass_auditor, glass_doctor, glass_nobody;

-- A recorded disclosure decided again from its own policy and consent revision.
CREATE ROLE replay_officer LOGIN;
CREATE ROLE replay_chief LOGIN;
GRANT twin_privacy_officer TO replay_officer, replay_chief;
CREATE ROLE replay_admin LOGIN;
GRANT twin_privacy_admin, twin_privacy_registrar TO replay_admin;
CREATE ROLE replay_auditor LOGIN;
GRANT twin_privacy_auditor TO replay_auditor;
CREATE ROLE replay_nurse LOGIN;
CREATE TABLE patient (id int PRIMARY KEY, name text);
INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 5) i;
SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
GRANT SELECT ON patient TO replay_nurse;
SET SESSION AUTHORIZATION replay_officer;
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward', categories => '{demographics}',
                                disclosure => 'identified');
SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'ward', categories => '{demographics}',
                                disclosure => 'identified');
SET SESSION AUTHORIZATION replay_chief;
SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'replay_nurse');
SELECT twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'replay_nurse');
SET SESSION AUTHORIZATION replay_admin;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT')) FROM generate_series(1, 3) i;

SET SESSION AUTHORIZATION replay_nurse;
SELECT name FROM patient;
SELECT twin_privacy.bind_use('CARE', 'before');
SELECT name FROM patient ORDER BY id;
SELECT twin_privacy.break_glass('4', 'unconscious patient') > 0 AS opened;
SELECT name FROM patient;
SELECT twin_privacy.end_break_glass();

-- what was withdrawn and given since changes nothing about then
SET SESSION AUTHORIZATION replay_admin;
SELECT twin_privacy.withdraw_all_consent('1', 'left');
SELECT twin_privacy.record_consent('2', decision => 'deny', purpose => 'TREAT') > 0 AS recorded;
SELECT twin_privacy.record_consent('5', decision => 'permit', purpose => 'TREAT') > 0 AS recorded;
SET SESSION AUTHORIZATION replay_nurse;
SELECT twin_privacy.bind_use('CARE', 'after');
SELECT name FROM patient ORDER BY id;

SET SESSION AUTHORIZATION replay_auditor;
CREATE TEMP TABLE record AS SELECT record_id, row_number() OVER (ORDER BY record_id) AS n FROM twin_privacy.disclosures;
SELECT n, aspect, CASE aspect WHEN 'policy_hash' THEN '...' ELSE recorded END AS recorded,
       CASE aspect WHEN 'policy_hash' THEN '...' ELSE replayed END AS replayed, agrees
  FROM record, twin_privacy.audit_replay(record_id) ORDER BY n, aspect;

-- a policy changed since is said; so is a disclosure that was not right
RESET SESSION AUTHORIZATION;
SECURITY LABEL FOR twin_privacy ON COLUMN patient.name IS 'category=identity, kind=identifier, mask=redact';
SET twin_privacy.maintenance = on;
-- somebody with all rights moves the withdrawal to before the disclosure
ALTER TABLE twin_privacy_internal.withdrawal DISABLE TRIGGER ALL;
UPDATE twin_privacy_internal.withdrawal SET changed = '1';
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION replay_auditor;
SELECT n, aspect, CASE aspect WHEN 'policy_hash' THEN '...' ELSE recorded END AS recorded,
       CASE aspect WHEN 'policy_hash' THEN '...' ELSE replayed END AS replayed, agrees
  FROM record, twin_privacy.audit_replay(record_id) WHERE NOT agrees ORDER BY n, aspect;
SELECT twin_privacy.audit_replay(NULL);
SELECT twin_privacy.audit_replay(0);
SELECT twin_privacy.audit_replay(1);
SET SESSION AUTHORIZATION replay_nurse;
SELECT twin_privacy.audit_replay(1);
RESET SESSION AUTHORIZATION;
DROP TABLE record;
SELECT twin_privacy.unprotect_table('patient', 'end of test');
DROP TABLE patient;
SELECT twin_privacy.revoke_use('CARE', 'replay_nurse'), twin_privacy.revoke_use('ER', 'replay_nurse');
DROP ROLE replay_officer, replay_chief, replay_admin, replay_auditor, replay_nurse;

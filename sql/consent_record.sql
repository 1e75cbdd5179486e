-- Recording and withdrawing consents.
SET timezone = 'UTC'; SET datestyle = 'ISO';
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
CREATE ROLE consent_registrar IN ROLE twin_privacy_registrar;
CREATE ROLE consent_auditor IN ROLE twin_privacy_auditor;
CREATE ROLE consent_nobody;

-- as in the contract
SET ROLE consent_registrar;
SELECT twin_privacy.record_consent('patient-17', decision => 'permit', purpose => 'HRESCH',
         categories => '{laboratory}', recipients => '{university-hospital}',
         valid => '[2026-01-01,)', evidence => '{"form":"v3","signed":"2026-01-01"}');
SELECT twin_privacy.record_consent('patient-17', 'deny', 'TREAT');
SELECT consent_id, subject, decision, purpose, categories, recipients,
       CASE consent_id WHEN 1 THEN valid END AS valid, recorded_by = session_user AS by_login,
       upper_inf(valid) AS open_ended, lower(valid) <= now() AS holds_now, withdrawn_at, reason, evidence
  FROM twin_privacy.consents ORDER BY consent_id;

-- arrays are sets: order and repetition do not make another directive
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', '{laboratory,imaging,laboratory}')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', '{imaging,laboratory}')$$);

-- what does not work
SELECT attempt($$SELECT twin_privacy.record_consent(NULL, 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', NULL, 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', NULL)$$);
SELECT attempt($$SELECT twin_privacy.record_consent('', 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent(repeat('x', 1001), 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'maybe', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'NOSUCH')$$);
SELECT split_part(attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', '{nosuch}')$$), ' | ', 1);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', '{}')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', '{NULL}')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', recipients => '{}')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', recipients => '{""}')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', valid => 'empty')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', valid => '[2026-02-01,2026-01-01)')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'TREAT', valid => 'soon')$$);

-- the same directive twice at a time is an error, one after the other is not
SELECT twin_privacy.record_consent('q', 'permit', 'TREAT', valid => '[2026-01-01,2026-06-01)') > 0;
SELECT attempt($$SELECT twin_privacy.record_consent('q', 'permit', 'TREAT', valid => '[2026-05-01,2026-08-01)')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('q', 'permit', 'TREAT', valid => '[2026-06-01,2026-08-01)')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('q', 'deny', 'TREAT', valid => '[2026-05-01,2026-08-01)')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('q', 'permit', 'TREAT', '{laboratory}', valid => '[2026-05-01,2026-08-01)')$$);

-- withdrawal
SELECT twin_privacy.withdraw_consent(1, 'asked by phone');
SELECT attempt('SELECT twin_privacy.withdraw_consent(1, ''again'')');
SELECT attempt('SELECT twin_privacy.withdraw_consent(999, ''no such'')');
SELECT attempt('SELECT twin_privacy.withdraw_consent(NULL, ''why'')');
SELECT attempt('SELECT twin_privacy.withdraw_consent(2, NULL)');
SELECT attempt('SELECT twin_privacy.withdraw_consent(2, '' '')');
SELECT consent_id, withdrawn_at IS NOT NULL AS withdrawn, withdrawn_by = session_user AS by_login, reason
  FROM twin_privacy.consents WHERE subject = 'patient-17' ORDER BY consent_id;
SELECT twin_privacy.record_consent('patient-17', 'permit', 'HRESCH', '{laboratory}', '{university-hospital}', '[2026-01-01,)') > 0;
-- all permits; what was refused stays refused
SELECT twin_privacy.withdraw_all_consent('patient-17', 'left the study');
SELECT twin_privacy.withdraw_all_consent('patient-17', 'left the study');
SELECT twin_privacy.withdraw_all_consent('nobody', 'never came');
SELECT attempt('SELECT twin_privacy.withdraw_all_consent(NULL, ''x'')');
SELECT decision, withdrawn_at IS NOT NULL AS withdrawn, reason
  FROM twin_privacy.consents WHERE subject = 'patient-17' ORDER BY consent_id;
-- an undone transaction leaves nothing
BEGIN;
SELECT twin_privacy.withdraw_consent(2, 'changed their mind');
SELECT twin_privacy.record_consent('patient-17', 'permit', 'TREAT') > 0;
ROLLBACK;
SELECT count(*), count(withdrawn_at) FROM twin_privacy.consents WHERE subject = 'patient-17';
RESET ROLE;

-- who may
SET ROLE consent_auditor;
SELECT count(*) > 0 FROM twin_privacy.consents;
SELECT attempt($$SELECT twin_privacy.record_consent('p', 'permit', 'HMARKT')$$);
SELECT attempt('SELECT twin_privacy.withdraw_consent(2, ''x'')');
SET ROLE consent_nobody;
SELECT attempt('SELECT * FROM twin_privacy.consents');
SELECT attempt($$SELECT twin_privacy.decide('p', 'TREAT', 'imaging', 'r')$$);
SELECT attempt($$SELECT twin_privacy.import_consent('{}')$$);
RESET ROLE;

-- rows are never changed or removed, whoever asks
SELECT split_part(attempt(sql), ' | ', 1) FROM (VALUES
    ('UPDATE twin_privacy_internal.directive SET valid_until = ''infinity'''),
    ('DELETE FROM twin_privacy_internal.withdrawal'),
    ('TRUNCATE twin_privacy_internal.terms CASCADE')) v(sql);
-- nor moved to where they would not be known as ours
SELECT split_part(attempt(sql), ' | ', 1) FROM (VALUES
    ('ALTER TABLE twin_privacy_internal.directive SET SCHEMA public'),
    ('ALTER VIEW twin_privacy.consents SET SCHEMA public'),
    ('ALTER SCHEMA twin_privacy_internal RENAME TO mine'),
    ('ALTER SCHEMA twin_privacy RENAME TO mine'),
    ('ALTER EXTENSION twin_privacy DROP TABLE twin_privacy_internal.directive'),
    ('CREATE TABLE more () INHERITS (twin_privacy_internal.directive)'),
    ('CREATE TABLE more (LIKE twin_privacy_internal.directive INCLUDING CONSTRAINTS); ALTER TABLE more INHERIT twin_privacy_internal.directive')) v(sql);
SET twin_privacy.maintenance = on;
SELECT attempt(sql) FROM (VALUES
    ('UPDATE twin_privacy_internal.directive SET valid_until = ''infinity'''),
    ('DELETE FROM twin_privacy_internal.withdrawal'),
    ('TRUNCATE twin_privacy_internal.terms')) v(sql);
RESET twin_privacy.maintenance;

-- spelling: a key must be written as its tables write it
CREATE TABLE by_number (patient_id bigint PRIMARY KEY, v text);
SELECT twin_privacy.protect_table('by_number', subject => 'patient_id', category => 'laboratory');
SET ROLE consent_registrar;
SELECT attempt($$SELECT twin_privacy.record_consent('17', 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('017', 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('+17', 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.decide('017', 'TREAT', 'laboratory', 'r')$$);
SELECT attempt($$SELECT twin_privacy.consent_summary('017')$$);
SELECT attempt($$SELECT twin_privacy.consent_summary(E' 17\n')$$);
SELECT twin_privacy.record_consent('patient-18', 'permit', 'TREAT') > 0;
RESET ROLE;
-- another spelling is not told that nobody read anything, nor that its pseudonyms are forgotten
SELECT attempt($$SELECT twin_privacy.disclosure_report('017')$$);
SELECT attempt($$SELECT twin_privacy.forget_pseudonyms('017')$$);
CREATE TABLE by_uuid (patient_id uuid PRIMARY KEY, v text);
SELECT twin_privacy.protect_table('by_uuid', subject => 'patient_id', category => 'laboratory');
SET ROLE consent_registrar;
SELECT attempt($$SELECT twin_privacy.record_consent('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'permit', 'TREAT')$$);
SELECT attempt($$SELECT twin_privacy.record_consent('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'permit', 'TREAT')$$);
RESET ROLE;
CREATE TABLE by_text (patient_id text PRIMARY KEY, v text);
SELECT twin_privacy.protect_table('by_text', subject => 'patient_id', category => 'laboratory');
SET ROLE consent_registrar;
SELECT attempt($$SELECT twin_privacy.record_consent('018', 'permit', 'TREAT')$$);
SELECT twin_privacy.record_consent('patient-19', 'permit', 'TREAT') > 0;
SELECT attempt($$SELECT twin_privacy.record_consent('{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12}', 'permit', 'TREAT')$$);
RESET ROLE;

DROP TABLE by_number, by_uuid, by_text;
DROP ROLE consent_registrar, consent_auditor, consent_nobody;

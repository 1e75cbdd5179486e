-- Approved uses: proposed, approved by a second login, granted, acknowledged, suspended, expired, prohibited.
-- Says how a statement fails: SQLSTATE, message, hint.
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
CREATE ROLE ul_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ul_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ul_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE ul_reader LOGIN;
CREATE ROLE ul_other LOGIN;
CREATE SCHEMA ul;
GRANT USAGE ON SCHEMA ul TO PUBLIC;
CREATE TABLE ul.lab (patient_id bigint, value numeric);
INSERT INTO ul.lab VALUES (1, 5.5);
GRANT SELECT ON ul.lab TO PUBLIC;
SELECT twin_privacy.protect_table('ul.lab', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.record_consent('1', decision => 'permit', purpose => 'PurposeOfUse') > 0 AS recorded;

-- who may: officers only
SET SESSION AUTHORIZATION ul_admin;
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.propose_use('U', 'TREAT', 'ward', '{laboratory}', 'identified')$$,
    $$SELECT twin_privacy.approve_use('U')$$, $$SELECT twin_privacy.grant_use('U', 'ul_reader')$$,
    $$SELECT twin_privacy.revoke_use('U', 'ul_reader')$$, $$SELECT twin_privacy.suspend_use('U', 'x')$$,
    $$SELECT twin_privacy.resume_use('U')$$]) AS sql;
SELECT count(*) FROM twin_privacy.approved_uses;
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT * FROM twin_privacy.approved_uses$$);
SELECT attempt($$SELECT * FROM twin_privacy_internal.approved_use$$);
SELECT attempt($$INSERT INTO twin_privacy_internal.use_grant VALUES ('U', 'ul_reader', 'x', now())$$);
SELECT count(*) FROM twin_privacy.my_uses;

-- proposals: bad input, each its own error and nothing done
SET SESSION AUTHORIZATION ul_one;
SELECT attempt('SELECT twin_privacy.propose_use(' || args || ')'), args FROM unnest(ARRAY[
    $$NULL, 'TREAT', 'ward', '{laboratory}', 'identified'$$,
    $$'U', NULL, 'ward', '{laboratory}', 'identified'$$,
    $$'U', 'TREAT', NULL, '{laboratory}', 'identified'$$,
    $$'U', 'TREAT', 'ward', NULL, 'identified'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', NULL$$,
    $$' ', 'TREAT', 'ward', '{laboratory}', 'identified'$$,
    $$'U V', 'TREAT', 'ward', '{laboratory}', 'identified'$$,
    $$'U;DROP', 'TREAT', 'ward', '{laboratory}', 'identified'$$,
    $$repeat('U', 64), 'TREAT', 'ward', '{laboratory}', 'identified'$$,
    $$'U', 'treat', 'ward', '{laboratory}', 'identified'$$,
    $$'U', 'NOWHERE', 'ward', '{laboratory}', 'identified'$$,
    $$'U', 'TREAT', ' ', '{laboratory}', 'identified'$$,
    $$'U', 'TREAT', 'ward', '{}', 'identified'$$,
    $$'U', 'TREAT', 'ward', '{laboratory,NULL}', 'identified'$$,
    $$'U', 'TREAT', 'ward', '{laboratory,nonsense}', 'identified'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'anonymous'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', valid => 'empty'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '[2027-01-01,2026-01-01)'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '[2026-01-01,2026-01-01)'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', valid => 'soon'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', statement => ''$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', export => NULL$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', min_cohort => NULL$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'aggregate', min_cohort => 1$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private', epsilon => 0$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private', epsilon => -1$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private', epsilon => 'NaN'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private', epsilon => 'Infinity'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'private', epsilon => 101$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', basis => NULL$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', basis => 'curiosity'$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', overrides_deny => true$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', overrides_deny => NULL$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', max_subjects_per_day => 0$$,
    $$'U', 'TREAT', 'ward', '{laboratory}', 'identified', max_duration => '1 hour'$$,
    $$'U', 'BTG', 'ward', '{laboratory}', 'pseudonymised'$$,
    $$'U', 'BTG', 'ward', '{laboratory}', 'identified', max_duration => '0'$$,
    $$'U', 'BTG', 'ward', '{laboratory}', 'identified', max_duration => '-1 hour'$$,
    $$'U', 'BTG', 'ward', '{laboratory}', 'identified', max_duration => '1 month'$$,
    $$'U', 'INSURANCE_RISK_SCORING', 'insurer', '{laboratory}', 'aggregate'$$]) AS args;
SELECT count(*) FROM twin_privacy.approved_uses;

-- the other functions: bad input
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.approve_use(NULL)$$, $$SELECT twin_privacy.approve_use('')$$, $$SELECT twin_privacy.approve_use('NONE')$$,
    $$SELECT twin_privacy.grant_use(NULL, 'ul_reader')$$, $$SELECT twin_privacy.grant_use('NONE', 'ul_reader')$$,
    $$SELECT twin_privacy.revoke_use(NULL, 'ul_reader')$$, $$SELECT twin_privacy.revoke_use('NONE', 'ul_reader')$$,
    $$SELECT twin_privacy.suspend_use(NULL, 'x')$$, $$SELECT twin_privacy.suspend_use('NONE', 'x')$$,
    $$SELECT twin_privacy.resume_use(NULL)$$, $$SELECT twin_privacy.resume_use('NONE')$$,
    $$SELECT twin_privacy.acknowledge_use(NULL)$$, $$SELECT twin_privacy.acknowledge_use('NONE')$$,
    $$SELECT twin_privacy.bind_use(NULL)$$, $$SELECT twin_privacy.bind_use('NONE')$$, $$SELECT twin_privacy.bind_use('')$$]) AS sql;

-- four eyes: the proposer's login cannot approve, whatever role it acts as
RESET SESSION AUTHORIZATION;
GRANT ul_two TO ul_one;
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.propose_use('UL-LAB', purpose => 'HRESCH', recipient => 'uni', categories => '{laboratory}',
    disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)', statement => 'I will behave.');
SELECT attempt($$SELECT twin_privacy.approve_use('UL-LAB')$$);
SET ROLE ul_two;
SELECT attempt($$SELECT twin_privacy.approve_use('UL-LAB')$$);
RESET ROLE;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION ul.lend() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$SELECT twin_privacy.approve_use('UL-LAB')$$;
ALTER FUNCTION ul.lend() OWNER TO ul_two;
SET SESSION AUTHORIZATION ul_one;
SELECT attempt($$SELECT ul.lend()$$);
RESET SESSION AUTHORIZATION;
DROP FUNCTION ul.lend();
REVOKE ul_two FROM ul_one;
SELECT code, status, proposed_by, approved_by, statement_version, export, min_cohort, epsilon, basis, overrides_deny,
       max_subjects_per_day, max_duration, granted_to FROM twin_privacy.approved_uses;
-- neither a proposal nor a use of another status opens anything
SELECT count(*) FROM twin_privacy_internal.pseudonym_domain WHERE name = 'UL-LAB';
SET SESSION AUTHORIZATION ul_two;
SELECT attempt($$SELECT twin_privacy.suspend_use('UL-LAB', 'x')$$);
SELECT attempt($$SELECT twin_privacy.resume_use('UL-LAB')$$);
SELECT attempt($$SELECT twin_privacy.grant_use('UL-LAB', NULL)$$);
SELECT attempt($$SELECT twin_privacy.grant_use('UL-LAB', 'ul_missing')$$);
SELECT attempt($$SELECT twin_privacy.revoke_use('UL-LAB', 'ul_reader')$$);
SELECT twin_privacy.grant_use('UL-LAB', 'ul_reader');
SELECT twin_privacy.grant_use('UL-LAB', 'ul_reader');
SET SESSION AUTHORIZATION ul_reader;
SELECT code, status, acknowledged, usable, problem FROM twin_privacy.my_uses;
SELECT attempt($$SELECT twin_privacy.bind_use('UL-LAB')$$);
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.approve_use('UL-LAB');
SELECT attempt($$SELECT twin_privacy.approve_use('UL-LAB')$$);
SELECT attempt($$SELECT twin_privacy.propose_use('UL-LAB', 'TREAT', 'ward', '{laboratory}', 'identified')$$);
SELECT code, status, proposed_by, approved_by, granted_to FROM twin_privacy.approved_uses;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM twin_privacy_internal.pseudonym_domain WHERE name = 'UL-LAB';

-- acknowledged by login, once a statement version, by who it is granted to
SET SESSION AUTHORIZATION ul_other;
SELECT attempt($$SELECT twin_privacy.acknowledge_use('UL-LAB')$$);
SELECT attempt($$SELECT twin_privacy.bind_use('UL-LAB')$$);
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT twin_privacy.bind_use('UL-LAB')$$);
SET twin_privacy.use = 'UL-LAB';
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT code, statement, acknowledged, usable, problem FROM twin_privacy.my_uses;
SELECT twin_privacy.acknowledge_use('UL-LAB');
SELECT twin_privacy.acknowledge_use('UL-LAB');
SELECT code, acknowledged, usable, problem FROM twin_privacy.my_uses;
SELECT count(*) FROM ul.lab;

-- suspended at once, for a reason; open again when resumed
SET SESSION AUTHORIZATION ul_two;
SELECT attempt($$SELECT twin_privacy.suspend_use('UL-LAB', NULL)$$);
SELECT attempt($$SELECT twin_privacy.suspend_use('UL-LAB', ' ')$$);
SELECT twin_privacy.suspend_use('UL-LAB', 'complaint 12');
SELECT attempt($$SELECT twin_privacy.suspend_use('UL-LAB', 'again')$$);
SELECT code, status, suspended_by, suspend_reason FROM twin_privacy.approved_uses;
SET SESSION AUTHORIZATION ul_reader;
SELECT twin_privacy.current_use();
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT code, usable, problem FROM twin_privacy.my_uses;
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.resume_use('UL-LAB');
SELECT code, status, suspended_by, suspend_reason FROM twin_privacy.approved_uses;
SET SESSION AUTHORIZATION ul_reader;
SELECT count(*) FROM ul.lab;

-- a new version of the terms: approved anew by another login; acknowledged anew only when the statement changed
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.suspend_use('UL-LAB', 'new terms');
SELECT twin_privacy.propose_use('UL-LAB', purpose => 'HRESCH', recipient => 'uni', categories => '{laboratory,vital_signs}',
    disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)', statement => 'I will behave.');
SELECT attempt($$SELECT twin_privacy.approve_use('UL-LAB')$$);
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT * FROM ul.lab$$);
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.approve_use('UL-LAB');
SELECT code, statement_version, categories, proposed_by, approved_by, granted_to FROM twin_privacy.approved_uses;
SET SESSION AUTHORIZATION ul_reader;
SELECT count(*) FROM ul.lab;
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.suspend_use('UL-LAB', 'new statement');
SELECT twin_privacy.propose_use('UL-LAB', purpose => 'HRESCH', recipient => 'uni', categories => '{laboratory}',
    disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)', statement => 'I will behave well.');
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.approve_use('UL-LAB');
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT twin_privacy.acknowledge_use('UL-LAB');
SELECT count(*) FROM ul.lab;

-- revoked: nothing from the next statement on
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.revoke_use('UL-LAB', 'ul_reader');
SELECT attempt($$SELECT twin_privacy.revoke_use('UL-LAB', 'ul_reader')$$);
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT count(*) FROM twin_privacy.my_uses;

-- granted to a role, it serves members as privileges do
RESET SESSION AUTHORIZATION;
CREATE ROLE ul_team;
CREATE ROLE ul_member LOGIN IN ROLE ul_team;
CREATE ROLE ul_indirect LOGIN IN ROLE ul_member;
CREATE ROLE ul_noinherit LOGIN NOINHERIT;
GRANT ul_team TO ul_noinherit;
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.propose_use('UL-TEAM', purpose => 'TREAT', recipient => 'ward', categories => '{laboratory}',
    disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.approve_use('UL-TEAM'), twin_privacy.grant_use('UL-TEAM', 'ul_team');
SELECT code, granted_to FROM twin_privacy.approved_uses WHERE code = 'UL-TEAM';
SET SESSION AUTHORIZATION ul_member;
SELECT twin_privacy.bind_use('UL-TEAM');
SELECT * FROM ul.lab;
SET SESSION AUTHORIZATION ul_indirect;
SELECT * FROM ul.lab;
SET SESSION AUTHORIZATION ul_noinherit;
SELECT attempt($$SELECT * FROM ul.lab$$);
SET ROLE ul_team;
SELECT * FROM ul.lab;
RESET ROLE;
SELECT attempt($$SELECT * FROM ul.lab$$);
-- the membership taken back, the authority is gone
RESET SESSION AUTHORIZATION;
REVOKE ul_team FROM ul_member;
SET SESSION AUTHORIZATION ul_member;
SELECT attempt($$SELECT * FROM ul.lab$$);
-- a superuser is a member of everything, and still needs a use that is granted to somebody
RESET SESSION AUTHORIZATION;
SELECT * FROM ul.lab;
RESET twin_privacy.use;

-- periods: past and future
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.propose_use('UL-PAST', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '[2020-01-01,2021-01-01)');
SELECT twin_privacy.propose_use('UL-FUTURE', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '[2100-01-01,)');
SELECT twin_privacy.propose_use('UL-OPEN', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '(,)');
SELECT twin_privacy.propose_use('UL-BTG', 'BTG', 'ward', '{laboratory}', 'identified', max_duration => '2 hours');
SET SESSION AUTHORIZATION ul_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'ul_reader')
  FROM unnest(ARRAY['UL-PAST', 'UL-FUTURE', 'UL-OPEN', 'UL-BTG']) AS code;
SET SESSION AUTHORIZATION ul_reader;
SELECT code, attempt(format('SELECT twin_privacy.bind_use(%L)', code))
  FROM unnest(ARRAY['UL-PAST', 'UL-FUTURE', 'UL-BTG', 'UL-OPEN']) AS code;
SELECT count(*) FROM ul.lab;
SET twin_privacy.use = 'UL-PAST';
SELECT attempt($$SELECT * FROM ul.lab$$);
SET twin_privacy.use = 'UL-FUTURE';
SELECT attempt($$SELECT * FROM ul.lab$$);
SET twin_privacy.use = 'UL-BTG';
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT code, usable, problem FROM twin_privacy.my_uses ORDER BY code COLLATE "C";
RESET twin_privacy.use;

-- prohibited purposes: closed at every door, whenever that was decided, also for what lies below and for a superuser
SET SESSION AUTHORIZATION ul_one;
SELECT twin_privacy.add_purpose('UL_STUDY', 'CLINTRCH', 'a trial'), twin_privacy.add_purpose('UL_ARM', 'UL_STUDY', 'one arm of it');
SELECT twin_privacy.propose_use('UL-BOUND', 'UL_ARM', 'uni', '{laboratory}', 'identified', valid => '(,)');
SELECT twin_privacy.propose_use('UL-WAITING', 'UL_ARM', 'uni', '{laboratory}', 'identified', valid => '(,)');
SELECT twin_privacy.propose_use('UL-HELD', 'UL_ARM', 'uni', '{laboratory}', 'identified', valid => '(,)',
    basis => 'legal_obligation', overrides_deny => true);
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.approve_use('UL-BOUND'), twin_privacy.grant_use('UL-BOUND', 'ul_reader');
SELECT twin_privacy.approve_use('UL-HELD'), twin_privacy.grant_use('UL-HELD', 'ul_reader'), twin_privacy.suspend_use('UL-HELD', 'x');
SET SESSION AUTHORIZATION ul_reader;
SELECT twin_privacy.bind_use('UL-BOUND');
SELECT count(*) FROM ul.lab;
SET SESSION AUTHORIZATION ul_two;
SELECT twin_privacy.prohibit_purpose('UL_STUDY', 'ethics board');
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.propose_use('UL-NEW', 'UL_ARM', 'uni', '{laboratory}', 'identified')$$,
    $$SELECT twin_privacy.approve_use('UL-WAITING')$$,
    $$SELECT twin_privacy.grant_use('UL-BOUND', 'ul_other')$$,
    $$SELECT twin_privacy.resume_use('UL-HELD')$$]) AS sql;
SET SESSION AUTHORIZATION ul_reader;
SELECT attempt($$SELECT * FROM ul.lab$$);
SELECT attempt($$SELECT twin_privacy.bind_use('UL-BOUND')$$);
SELECT code, usable, problem FROM twin_privacy.my_uses WHERE code IN ('UL-BOUND', 'UL-HELD') ORDER BY code COLLATE "C";
RESET SESSION AUTHORIZATION;
SELECT attempt($$SELECT twin_privacy.propose_use('UL-NEW', 'UL_ARM', 'uni', '{laboratory}', 'identified')$$);
SELECT attempt($$SELECT twin_privacy.bind_use('UL-BOUND')$$);
SET twin_privacy.use = 'UL-BOUND';
SELECT attempt($$SELECT * FROM ul.lab$$);
RESET twin_privacy.use;
SELECT attempt($$UPDATE twin_privacy_internal.approved_use SET purpose = 'TREAT'$$);
SELECT attempt($$DELETE FROM twin_privacy_internal.use_grant$$);
SELECT attempt($$TRUNCATE twin_privacy_internal.use_acknowledgement$$);

-- undone with its transaction
SET SESSION AUTHORIZATION ul_two;
BEGIN;
SELECT twin_privacy.suspend_use('UL-OPEN', 'x');
ROLLBACK;
SET SESSION AUTHORIZATION ul_reader;
SET twin_privacy.use = 'UL-OPEN';
SELECT count(*) FROM ul.lab;
RESET SESSION AUTHORIZATION;

-- every change is an event of the ledger
SELECT session_role, kind, object, detail FROM twin_privacy.ledger_events
 WHERE kind LIKE 'use.%' AND object IN ('UL-LAB', 'UL-TEAM') ORDER BY event_id;

-- a role that is dropped leaves a grant to nobody, which is not dumped
SELECT code, twin_privacy.revoke_use(code, 'ul_reader') FROM unnest(ARRAY['UL-PAST', 'UL-FUTURE', 'UL-OPEN', 'UL-BTG']) AS code;
DROP ROLE ul_team;
CREATE ROLE ul_team;
GRANT ul_team TO ul_member;
SELECT code, granted_to FROM twin_privacy.approved_uses WHERE code = 'UL-TEAM';
SET SESSION AUTHORIZATION ul_member;
SELECT count(*) FROM twin_privacy.my_uses;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM twin_privacy_internal.use_grant WHERE code = 'UL-TEAM';
CREATE FUNCTION dumped(relation regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s %s', relation,
                   (SELECT extcondition[array_position(extconfig, relation::oid)] FROM pg_extension WHERE extname = 'twin_privacy')) INTO n;
    RETURN n;
END $$;
SELECT dumped('twin_privacy_internal.use_grant') AS grants, dumped('twin_privacy_internal.use_acknowledgement') AS acknowledgements;
DROP ROLE ul_reader;
SELECT dumped('twin_privacy_internal.use_grant') AS grants, dumped('twin_privacy_internal.use_acknowledgement') AS acknowledgements;

DROP TABLE ul.lab;
DROP ROLE ul_team, ul_one, ul_two, ul_admin, ul_other, ul_member, ul_indirect, ul_noinherit;

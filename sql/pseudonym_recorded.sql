-- Every use of a domain leaves an event: the first value of a statement, then every thousandfold; each opening one.
\set VERBOSITY terse
CREATE ROLE pr_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pr_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pr_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pr_nurse LOGIN;
SET SESSION AUTHORIZATION pr_one;
SELECT twin_privacy.propose_use('RECORDED', purpose => 'TREAT', recipient => 'hospital', categories => '{clinical}', disclosure => 'identified');
SET SESSION AUTHORIZATION pr_two;
SELECT twin_privacy.approve_use('RECORDED'), twin_privacy.grant_use('RECORDED', 'pr_nurse');

SET SESSION AUTHORIZATION pr_admin;
SELECT count(twin_privacy.pseudonymize('RECORDED', i)) FROM generate_series(1, 999) i;
SELECT count(twin_privacy.pseudonymize('RECORDED', i)) FROM generate_series(1, 1000) i;
SELECT count(twin_privacy.shift_date('RECORDED', i, date '2020-01-01')) FROM generate_series(1, 3) i;
-- what is refused made no value; what is rolled back did
SET SESSION AUTHORIZATION pr_nurse;
SELECT twin_privacy.pseudonymize('RECORDED', 1);
SELECT twin_privacy.bind_use('RECORDED', 'test');
BEGIN;
SELECT twin_privacy.pseudonymize('RECORDED', 1) IS NOT NULL AS made;
ROLLBACK;
CREATE TEMP TABLE kept AS SELECT twin_privacy.seal('RECORDED', 'text ' || i) AS s FROM generate_series(1, 3) i;
SELECT count(twin_privacy.unseal(s)) FROM kept;
BEGIN;
SELECT twin_privacy.unseal(s) FROM kept LIMIT 1;
ROLLBACK;
SELECT twin_privacy.fpe_decrypt('RECORDED', twin_privacy.fpe_encrypt('RECORDED', '1234567', 'digits'), 'digits');

RESET SESSION AUTHORIZATION;
SELECT session_role, kind, object, detail::jsonb - 'sealed' AS detail, detail::jsonb ->> 'sealed' ~ '^[0-9a-f]{16}$' AS names_the_value, outcome
  FROM twin_privacy.ledger_events WHERE object = 'RECORDED' ORDER BY event_id;
-- no event tells a value, a pseudonym or a key
SELECT count(*) FROM twin_privacy.ledger_events e WHERE object = 'RECORDED' AND (e::text ~ 'text [123]' OR e::text ~ '1234567');

DROP TABLE kept;
DROP OWNED BY pr_nurse, pr_admin, pr_one, pr_two;
DROP ROLE pr_admin, pr_one, pr_two, pr_nurse;

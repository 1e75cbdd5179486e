-- sealed values, format-preserving encryption, and who may turn them back.
\set VERBOSITY terse
CREATE ROLE ps_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE ps_officer1 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ps_officer2 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ps_nurse LOGIN;
CREATE ROLE ps_clerk LOGIN;
CREATE ROLE ps_analyst LOGIN;
SET SESSION AUTHORIZATION ps_officer1;
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'hospital', categories => '{clinical}', disclosure => 'identified');
SELECT twin_privacy.propose_use('STUDY', purpose => 'HRESCH', recipient => 'university', categories => '{clinical}', disclosure => 'pseudonymised');
SET SESSION AUTHORIZATION ps_officer2;
SELECT twin_privacy.approve_use('CARE'), twin_privacy.approve_use('STUDY');
SELECT twin_privacy.grant_use('CARE', 'ps_nurse'), twin_privacy.grant_use('CARE', 'ps_clerk'), twin_privacy.grant_use('STUDY', 'ps_analyst');
RESET SESSION AUTHORIZATION;
CREATE TABLE safe (id int PRIMARY KEY, s twin_privacy.sealed UNIQUE, c twin_privacy.sealed);
GRANT SELECT, INSERT ON safe TO ps_nurse, ps_clerk, ps_analyst;

-- the bound use seals in its own domain; text, empty text, long text
SET SESSION AUTHORIZATION ps_nurse;
SELECT twin_privacy.seal('CARE', 'x');
SELECT twin_privacy.bind_use('CARE', 'test');
INSERT INTO safe VALUES (1, twin_privacy.seal('CARE', 'Müller'), twin_privacy.seal('CARE', 'Müller', 'laboratory')),
                        (2, twin_privacy.seal('CARE', ''), twin_privacy.seal('CARE', '', 'condition')),
                        (3, twin_privacy.seal('CARE', 'short'), twin_privacy.seal('CARE', repeat('long ', 20000)));
SELECT id, left(twin_privacy.unseal(s), 20) AS plain, left(twin_privacy.unseal(c), 20) AS plain_c, length(twin_privacy.unseal(c)) FROM safe ORDER BY id;
-- deterministic inside domain and category, different outside
SELECT s = twin_privacy.seal('CARE', 'Müller') AS same, s = c AS other_category FROM safe WHERE id = 1;
SELECT id FROM safe WHERE s = twin_privacy.seal('CARE', 'Müller');
INSERT INTO safe VALUES (4, twin_privacy.seal('CARE', 'Müller'));
SELECT twin_privacy.seal('CARE', NULL) IS NULL AS null_in_null_out, twin_privacy.unseal(NULL) IS NULL AS null_too;
SELECT twin_privacy.seal(NULL, 'x');
SELECT twin_privacy.seal('CARE', 'x', 'no_such_category');
SELECT twin_privacy.seal('STUDY', 'x');

-- a binding that ends in the middle of a statement ends the permission with it
DO $$
DECLARE
    p twin_privacy.pseudonym;
BEGIN
    FOR i IN 1..2 LOOP
        p := twin_privacy.pseudonymize('CARE', i);
        RAISE NOTICE 'made %', i;
        PERFORM twin_privacy.unbind_use();
    END LOOP;
END $$;
SELECT twin_privacy.bind_use('CARE', 'test');

-- text, binary, order, hash; the same bytes all round
SELECT bool_and(s::text::twin_privacy.sealed = s) AS text_round, bool_and(length(twin_privacy.sealed_send(s)) * 2 = length(s::text)) AS binary_length FROM safe;
SELECT count(*) FROM safe x JOIN safe y USING (s);
SELECT count(DISTINCT s), count(*) FILTER (WHERE s < c OR s > c) AS ordered FROM safe;

-- altered: any byte of header, tag or text
CREATE FUNCTION pg_temp.outcome(v text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN twin_privacy.unseal(v::twin_privacy.sealed);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT part, pg_temp.outcome(encode(set_byte(bytes, at, get_byte(bytes, at) # 1), 'hex')) AS outcome
  FROM (SELECT decode(c::text, 'hex') AS bytes FROM safe WHERE id = 1) AS v,
       (VALUES ('domain', 3), ('version', 5), ('category', 6), ('tag', 7), ('text', 24)) AS p (part, at);
SELECT pg_temp.outcome(left(c::text, -2)) AS cut, pg_temp.outcome(c::text || '00') AS longer,
       pg_temp.outcome(left(c::text, 44)) AS header_only, pg_temp.outcome('zz') AS no_hex, pg_temp.outcome('') AS nothing FROM safe WHERE id = 1;
\set VERBOSITY default
SELECT twin_privacy.unseal(encode(set_byte(decode(s::text, 'hex'), 24, 0), 'hex')::twin_privacy.sealed) FROM safe WHERE id = 1;
SELECT 'Max Mustermann'::twin_privacy.sealed;
\set VERBOSITY terse

-- turning back takes a use that identifies: not a pseudonymised one, no admin, no superuser without a use
SET SESSION AUTHORIZATION ps_analyst;
SELECT twin_privacy.bind_use('STUDY', 'test');
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 1;
SELECT twin_privacy.unseal(twin_privacy.seal('STUDY', 'x'));
SELECT twin_privacy.fpe_encrypt('STUDY', '1234567', 'digits');
SET SESSION AUTHORIZATION ps_admin;
SELECT twin_privacy.unseal(twin_privacy.seal('CARE', 'x'));
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 1;

-- format-preserving encryption
SET SESSION AUTHORIZATION ps_nurse;
SELECT twin_privacy.bind_use('CARE', 'test');
CREATE TEMP TABLE f AS
SELECT v, a, twin_privacy.fpe_encrypt('CARE', v, a, 'patient.phone') AS e
  FROM (VALUES ('0301234567', 'digits'), ('A7K9', 'alphanumeric'), ('ÄÖÜäöüß', 'ÄÖÜäöüßABCDEF'), ('111000111000111000111', '01'),
               (repeat('0123456789', 10), 'digits')) AS v (v, a);
SELECT a, length(e) = length(v) AS length, e <> v AS changed, e ~ ('^[' || CASE a WHEN 'digits' THEN '0-9' WHEN 'alphanumeric' THEN '0-9A-Z' ELSE a END || ']+$') AS alphabet,
       twin_privacy.fpe_decrypt('CARE', e, a, 'patient.phone') = v AS back,
       twin_privacy.fpe_encrypt('CARE', v, a, 'patient.phone') = e AS deterministic,
       twin_privacy.fpe_encrypt('CARE', v, a, 'patient.fax') <> e AS tweak FROM f;
SELECT twin_privacy.fpe_encrypt('CARE', NULL, 'digits') IS NULL AS null_in_null_out;
SELECT twin_privacy.fpe_encrypt('CARE', '12345', 'digits');
SELECT twin_privacy.fpe_encrypt('CARE', '030-1234567', 'digits');
SELECT twin_privacy.fpe_encrypt('CARE', repeat('1', 1025), 'digits');
SELECT twin_privacy.fpe_encrypt('CARE', '1234567', '0');
SELECT twin_privacy.fpe_encrypt('CARE', '1234567', '0123456780');
SELECT twin_privacy.fpe_encrypt('CARE', '1234567', NULL);
SELECT twin_privacy.fpe_encrypt('CARE', '1234567', 'digits', NULL);
SELECT twin_privacy.fpe_encrypt(NULL, '1234567', 'digits');
SELECT twin_privacy.fpe_decrypt('CARE', '1234567', 'digits', version => 2);
SELECT twin_privacy.fpe_decrypt('CARE', '1234567', 'digits', version => -1);

-- rotation: sealed values name their key, FF1 values are told it; a destroyed key takes them along
SET SESSION AUTHORIZATION ps_admin;
SELECT twin_privacy.rotate_pseudonym_key('CARE');
SET SESSION AUTHORIZATION ps_nurse;
SELECT twin_privacy.bind_use('CARE', 'test');
SELECT twin_privacy.unseal(s) AS old_opens, s = twin_privacy.seal('CARE', 'Müller') AS same_as_new FROM safe WHERE id = 1;
SELECT twin_privacy.fpe_decrypt('CARE', e, a, 'patient.phone', version => 1) = v AS old_turns_back,
       twin_privacy.fpe_decrypt('CARE', e, a, 'patient.phone') = v AS new_does_not FROM f WHERE a = 'alphanumeric';
SET SESSION AUTHORIZATION ps_admin;
SELECT twin_privacy.destroy_pseudonym_key('CARE', 1, 'shredded');
SET SESSION AUTHORIZATION ps_nurse;
SELECT twin_privacy.bind_use('CARE', 'test');
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 1;

-- in bulk: a second person
INSERT INTO safe SELECT i, twin_privacy.seal('CARE', 'bulk ' || i) FROM generate_series(101, 200) i;
RESET SESSION AUTHORIZATION;
\c - ps_clerk
\set VERBOSITY terse
SET twin_privacy.unseal_limit = 1000;
SELECT twin_privacy.bind_use('CARE', 'test');
SELECT count(twin_privacy.unseal(s)) FROM safe WHERE id > 100;
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;
-- connecting anew gives nothing new, and FF1 values count as well
\c - ps_clerk
\set VERBOSITY terse
SELECT twin_privacy.bind_use('CARE', 'test');
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;
SELECT twin_privacy.fpe_decrypt('CARE', '1234567', 'digits');
SELECT twin_privacy.request_unseal('CARE', 0, 'audit');
SELECT twin_privacy.request_unseal('STUDY', 10, 'audit');
SELECT twin_privacy.request_unseal('CARE', 50, NULL);
SELECT twin_privacy.request_unseal('CARE', 50, 'audit');
SELECT twin_privacy.request_unseal('CARE', 3, 'audit'), twin_privacy.request_unseal('CARE', 2, 'audit');
SELECT twin_privacy.begin_unseal(1);
SELECT twin_privacy.approve_unseal(1);
\c - ps_officer1
\set VERBOSITY terse
SELECT twin_privacy.approve_unseal(1);
SELECT twin_privacy.approve_unseal(1);
SELECT twin_privacy.approve_unseal(2), twin_privacy.approve_unseal(3);
SELECT twin_privacy.approve_unseal(99);
-- an officer who asks is not the one who approves, not even acting as another role
SELECT twin_privacy.grant_use('CARE', 'ps_officer1');
SELECT twin_privacy.bind_use('CARE', 'test');
SELECT twin_privacy.request_unseal('CARE', 50, 'audit') AS own \gset
SELECT twin_privacy.approve_unseal(:own);
SET ROLE twin_privacy_officer;
SELECT twin_privacy.approve_unseal(:own);
RESET ROLE;
SELECT twin_privacy.begin_unseal(1);
\c - ps_clerk
\set VERBOSITY terse
SELECT twin_privacy.bind_use('CARE', 'test');
-- a rolled back beginning allows nothing; a committed one its number, once
BEGIN;
SELECT twin_privacy.begin_unseal(1);
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;
ROLLBACK;
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;
SELECT twin_privacy.begin_unseal(1);
SELECT count(twin_privacy.unseal(s)) FROM safe WHERE id BETWEEN 101 AND 150;
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;
SELECT twin_privacy.begin_unseal(1);
-- two orders add up, and a subtransaction that fails takes only its own with it
BEGIN;
SELECT twin_privacy.begin_unseal(2);
SAVEPOINT s;
SELECT twin_privacy.begin_unseal(3);
ROLLBACK TO s;
COMMIT;
SELECT twin_privacy.begin_unseal(3);
SELECT count(twin_privacy.unseal(s)) FROM safe WHERE id BETWEEN 101 AND 105;
SELECT twin_privacy.unseal(s) FROM safe WHERE id = 101;

\c - postgres
DROP TABLE safe;
DROP OWNED BY ps_clerk, ps_nurse, ps_analyst, ps_admin, ps_officer1, ps_officer2;
DROP ROLE ps_clerk, ps_admin, ps_officer1, ps_officer2, ps_nurse, ps_analyst;

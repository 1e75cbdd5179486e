-- Pseudonym domains: create, rotate, destroy; who may, and what stays of it.
\set VERBOSITY terse
CREATE ROLE kd_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE kd_nobody LOGIN;

SET SESSION AUTHORIZATION kd_admin;
SELECT twin_privacy.create_pseudonym_domain('STUDY-1');
SELECT twin_privacy.create_pseudonym_domain('STUDY-2', max_shift_days => 30);

-- what is wrong is said, each with its own code
\set VERBOSITY sqlstate
SELECT twin_privacy.create_pseudonym_domain('STUDY-1');
SELECT twin_privacy.create_pseudonym_domain(NULL);
SELECT twin_privacy.create_pseudonym_domain('');
SELECT twin_privacy.create_pseudonym_domain('#1');
SELECT twin_privacy.create_pseudonym_domain(repeat('x', 129));
SELECT twin_privacy.create_pseudonym_domain('STUDY-3', 0);
SELECT twin_privacy.create_pseudonym_domain('STUDY-3', 3651);
SELECT twin_privacy.create_pseudonym_domain('STUDY-3', NULL);
SELECT twin_privacy.rotate_pseudonym_key('NONE');
SELECT twin_privacy.rotate_pseudonym_key(NULL);
SELECT twin_privacy.destroy_pseudonym_key('NONE', 1, 'test');
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', 2, 'test');
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', NULL, 'test');
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', 1, NULL);
\set VERBOSITY default
SELECT twin_privacy.create_pseudonym_domain('STUDY-1');
\set VERBOSITY terse

-- two names with one number (31 bits of SHA-256): the second is refused, never mixed up
SELECT twin_privacy.create_pseudonym_domain('DOMAIN-9048');
SELECT twin_privacy.create_pseudonym_domain('DOMAIN-39587');
SELECT twin_privacy.pseudonymize('DOMAIN-39587', 1);

-- a rolled back domain was never there
BEGIN;
SELECT twin_privacy.create_pseudonym_domain('ROLLED-BACK');
SELECT twin_privacy.pseudonymize('ROLLED-BACK', 1) IS NOT NULL AS usable_inside;
ROLLBACK;
SELECT twin_privacy.pseudonymize('ROLLED-BACK', 1);

-- nobody else may, and nobody reads the tables
SET SESSION AUTHORIZATION kd_nobody;
SELECT twin_privacy.create_pseudonym_domain('MINE');
SELECT twin_privacy.rotate_pseudonym_key('STUDY-1');
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', 1, 'spite');
SELECT * FROM twin_privacy.pseudonym_keys;
SELECT * FROM twin_privacy_internal.pseudonym_key;
\set VERBOSITY sqlstate
SHOW twin_privacy.master_key_file;
SHOW twin_privacy.master_key_command;
\set VERBOSITY terse
SET twin_privacy.master_key_file = '/dev/null';

-- the answer is the same whether or not the domain exists
SELECT twin_privacy.pseudonymize('STUDY-1', 1);
SELECT twin_privacy.pseudonymize('NONE', 1);
SELECT twin_privacy.pseudonymize('STUDY-1', NULL::int);
SELECT twin_privacy.seal('STUDY-1', 'x');
SELECT twin_privacy.seal('NONE', 'x');
SELECT twin_privacy.shift_date('STUDY-1', 1, date '2020-01-01');
SELECT twin_privacy.shift_date('NONE', 1, date '2020-01-01');
SELECT twin_privacy.fpe_encrypt('STUDY-1', '1234567', 'digits');
SELECT twin_privacy.fpe_encrypt('NONE', '1234567', 'digits');
RESET SESSION AUTHORIZATION;

-- a rotated key makes new values; the old version stays readable for what it made
CREATE TABLE made AS SELECT 1 AS key_version, twin_privacy.pseudonymize('STUDY-1', 42) AS p;
SELECT twin_privacy.rotate_pseudonym_key('STUDY-1');
INSERT INTO made SELECT 2, twin_privacy.pseudonymize('STUDY-1', 42);
SELECT count(DISTINCT p) FROM made;
SELECT p = twin_privacy.pseudonymize('STUDY-1', 42) AS newest, key_version FROM made ORDER BY key_version;
SELECT m.key_version FROM made m
 WHERE m.p = ANY (twin_privacy.pseudonyms('STUDY-1', 42)) ORDER BY m.key_version;

-- destroyed: the newest version is not replaced by an older one
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', 2, 'withdrawn');
SELECT twin_privacy.pseudonymize('STUDY-1', 42);
SELECT twin_privacy.destroy_pseudonym_key('STUDY-1', 2, 'twice');
SELECT twin_privacy.rotate_pseudonym_key('STUDY-1');
SELECT cardinality(twin_privacy.pseudonyms('STUDY-1', 42)) AS versions_left;
SELECT p = twin_privacy.pseudonymize('STUDY-1', 42) AS same_again FROM made ORDER BY key_version;
SELECT domain, version, is_newest, created_by, destroyed_at IS NOT NULL AS destroyed, destroyed_by, reason
  FROM twin_privacy.pseudonym_keys WHERE domain LIKE 'STUDY%' ORDER BY domain, version;

-- a wrapped key opens in its own place only
SELECT octet_length(wrapped) AS length, octet_length(master_id) AS id_length
  FROM twin_privacy_internal.pseudonym_key WHERE wrapped IS NOT NULL GROUP BY 1, 2;
SET twin_privacy.maintenance = on;
BEGIN;
UPDATE twin_privacy_internal.pseudonym_key k SET wrapped = o.wrapped
  FROM twin_privacy_internal.pseudonym_key o, twin_privacy_internal.pseudonym_domain kd, twin_privacy_internal.pseudonym_domain od
 WHERE kd.domain_id = k.domain_id AND od.domain_id = o.domain_id
   AND kd.name = 'STUDY-2' AND od.name = 'STUDY-1' AND o.version = 1;
SELECT twin_privacy.pseudonymize('STUDY-2', 42);
ROLLBACK;
RESET twin_privacy.maintenance;
SELECT twin_privacy.pseudonymize('STUDY-2', 42) IS NOT NULL AS usable;

DROP TABLE made;
DROP ROLE kd_admin, kd_nobody;

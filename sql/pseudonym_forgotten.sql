-- Erasing a subject under uses that need no consent: nothing handed out before can be linked to what comes after, keys of
-- every type still join, and nobody else moves.  And: integer and bigint keys of one number have one mask.
\set VERBOSITY terse
CREATE ROLE pf_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pf_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pf_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE pf_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pf_analyst LOGIN;
CREATE TABLE person (id int PRIMARY KEY, mrn text, ref uuid, doctor int, born date);
CREATE TABLE visit (id int PRIMARY KEY, person_id bigint, mrn text, at date);
CREATE TABLE short (person_id smallint);
CREATE TABLE far (id bigint PRIMARY KEY);
CREATE TABLE of_text (id text PRIMARY KEY, number int);
CREATE TABLE of_uuid (id uuid PRIMARY KEY);
INSERT INTO person SELECT i, 'mrn-' || i, md5(i::text)::uuid, 100 + i % 3, date '1950-01-01' + i FROM generate_series(1, 40) i;
INSERT INTO visit SELECT i, 1 + i % 40, 'mrn-' || 1 + i % 40, date '2021-01-01' + i % 40 FROM generate_series(1, 200) i;
INSERT INTO short SELECT i FROM generate_series(1, 40) i;
INSERT INTO far SELECT i * 10000000000 FROM generate_series(-20, 20) i;
INSERT INTO of_text SELECT 'p' || i, 1000 + i FROM generate_series(1, 40) i;
INSERT INTO of_uuid SELECT md5(i::text)::uuid FROM generate_series(1, 40) i;
SELECT count(twin_privacy.protect_table(t, subject => s, category => 'demographics'))
  FROM (VALUES ('person'::regclass, 'id'), ('visit', 'person_id'), ('short', 'person_id'), ('far', 'id'), ('of_text', 'id'), ('of_uuid', 'id')) v (t, s);
SELECT count(twin_privacy.label_column(t, c, 'kind=identifier, mask=pseudonym'))
  FROM (VALUES ('person'::regclass, 'mrn'::name), ('person', 'ref'), ('person', 'doctor'), ('visit', 'mrn'), ('of_text', 'number')) v (t, c);
SELECT twin_privacy.label_column('person', 'born', 'kind=quasi, mask=date_shift'), twin_privacy.label_column('visit', 'at', 'kind=quasi, mask=date_shift'),
       twin_privacy.label_column('visit', 'id', 'kind=plain');
GRANT SELECT ON person, visit, short, far, of_text, of_uuid TO pf_analyst;
SET SESSION AUTHORIZATION pf_one;
SELECT twin_privacy.propose_use('DUTY', purpose => 'HRESCH', recipient => 'registry', categories => '{demographics}', disclosure => 'pseudonymised', basis => 'legal_obligation',
       export => true);
SET SESSION AUTHORIZATION pf_two;
SELECT twin_privacy.approve_use('DUTY'), twin_privacy.grant_use('DUTY', 'pf_analyst');

SET SESSION AUTHORIZATION pf_analyst;
SELECT twin_privacy.bind_use('DUTY', 'test');
-- integer and bigint columns agree, so masked keys join; large numbers stay large, and all masks are one to one
SELECT count(*), count(DISTINCT person_id) FROM visit v JOIN person p ON p.id = v.person_id;
SELECT count(*) FROM visit v JOIN person p USING (mrn);
SELECT count(DISTINCT id), count(*) FILTER (WHERE id BETWEEN -2147483648 AND 2147483647) AS small FROM far;
-- a smallint has a range of its own
SELECT count(DISTINCT person_id) AS shorts, count(*) FILTER (WHERE person_id IN (SELECT id FROM person)) AS joining FROM short;

-- what was handed out before
CREATE TEMP TABLE was AS SELECT * FROM person;
CREATE TEMP TABLE was_short AS SELECT * FROM short;
CREATE TEMP TABLE was_far AS SELECT * FROM far;
CREATE TEMP TABLE was_text AS SELECT * FROM of_text;
CREATE TEMP TABLE was_uuid AS SELECT * FROM of_uuid;
CREATE TEMP TABLE was_visit AS SELECT * FROM visit;
SET SESSION AUTHORIZATION pf_registrar;
SELECT twin_privacy.erase_subject('7', 'asked in writing');
SELECT twin_privacy.erase_subject('70000000000', 'asked in writing');
SELECT twin_privacy.erase_subject('p7', 'asked in writing');
SELECT twin_privacy.erase_subject('8f14e45f-ceea-467a-9575-4fb8b8b1c1f0', 'nobody of ours');
SELECT twin_privacy.erase_subject(md5('7')::uuid::text, 'asked in writing');

SET SESSION AUTHORIZATION pf_analyst;
SELECT twin_privacy.bind_use('DUTY', 'test');
-- of each column, how many of the forty values are known from before: the forgotten subject's is not
SELECT count(*) AS rows, count(DISTINCT id) AS keys,
       count(*) FILTER (WHERE id IN (SELECT id FROM was)) AS ids_known, count(*) FILTER (WHERE mrn IN (SELECT mrn FROM was)) AS mrns_known,
       count(*) FILTER (WHERE ref IN (SELECT ref FROM was)) AS refs_known FROM person;
-- an integer that is not the subject's key cannot move alone: it is not told
SELECT count(doctor) AS doctors_told, count(*) FILTER (WHERE doctor IS NULL AND id NOT IN (SELECT id FROM was)) AS of_the_forgotten FROM person;
SELECT count(*) FILTER (WHERE number IS NULL) AS numbers_hidden, count(DISTINCT id) AS keys, count(*) FILTER (WHERE id IN (SELECT id FROM was_text)) AS known FROM of_text;
SELECT count(DISTINCT id) AS keys, count(*) FILTER (WHERE id IN (SELECT id FROM was_uuid)) AS known FROM of_uuid;
SELECT count(DISTINCT id) AS keys, count(*) FILTER (WHERE id IN (SELECT id FROM was_far)) AS known, count(*) FILTER (WHERE id BETWEEN -2147483648 AND 2147483647) AS small FROM far;
SELECT count(DISTINCT person_id) AS keys, count(*) FILTER (WHERE person_id IN (SELECT person_id FROM was_short)) AS known FROM short;
-- the forgotten image is nobody's now
SELECT count(*) FROM was WHERE id NOT IN (SELECT id FROM person) AND id IN (SELECT person_id FROM visit);
-- and the forgotten subject's rows still join one another, by key and by other identifiers, as the others' do
SELECT count(*), count(DISTINCT person_id) FROM visit v JOIN person p ON p.id = v.person_id;
SELECT count(*) FROM visit v JOIN person p USING (mrn);
-- dates moved by another offset, or by chance the same
SELECT count(*) FILTER (WHERE (p.id, p.born) IN (SELECT id, born FROM was)) >= 39 AS others_stay FROM person p;

-- forgotten twice: on again, and never back
CREATE TEMP TABLE second AS SELECT id, mrn FROM person;
SET SESSION AUTHORIZATION pf_registrar;
SELECT twin_privacy.erase_subject('7', 'again');
SET SESSION AUTHORIZATION pf_analyst;
SELECT twin_privacy.bind_use('DUTY', 'test');
SELECT count(DISTINCT id) AS keys, count(*) FILTER (WHERE id IN (SELECT id FROM second)) AS known, count(*) FILTER (WHERE id IN (SELECT id FROM was)) AS known_first,
       count(*) FILTER (WHERE mrn IN (SELECT mrn FROM second)) AS mrns_known FROM person;
SELECT count(*), count(DISTINCT person_id) FROM visit v JOIN person p ON p.id = v.person_id;

-- the whole of smallint stays one to one, however many were forgotten
SET SESSION AUTHORIZATION pf_registrar;
SELECT count(twin_privacy.forget_pseudonyms(i::text)) FROM generate_series(1, 40) i;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
INSERT INTO short SELECT i FROM generate_series(-32768, 32767) i WHERE i NOT BETWEEN 1 AND 40;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION pf_analyst;
SELECT twin_privacy.bind_use('DUTY', 'test');
SELECT count(*), count(DISTINCT person_id) FROM short;

-- the table of salts names nobody: neither key nor partner stands in it
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
SELECT count(*) > 100 AS salts, count(*) FILTER (WHERE position(int8send(7) IN tag || salt) > 0 OR position(int8send(70000000000) IN tag || salt) > 0) AS naming
  FROM twin_privacy_internal.subject_salt;
RESET twin_privacy.maintenance;
-- a later key version knows none of it: it links to nothing before
SET SESSION AUTHORIZATION pf_admin;
SELECT twin_privacy.rotate_pseudonym_key('DUTY');
SET SESSION AUTHORIZATION pf_analyst;
SELECT twin_privacy.bind_use('DUTY', 'test');
SELECT count(DISTINCT id) AS keys, count(doctor) AS doctors, count(*) FILTER (WHERE id IN (SELECT id FROM was UNION SELECT id FROM second)) AS known FROM person;

RESET SESSION AUTHORIZATION;
DROP TABLE person, visit, short, far, of_text, of_uuid;
DROP TABLE was, was_short, was_far, was_text, was_uuid, was_visit, second;
DROP OWNED BY pf_one, pf_two, pf_registrar, pf_admin, pf_analyst;
DROP ROLE pf_one, pf_two, pf_registrar, pf_admin, pf_analyst;

-- Whom a statement was told of, where the rows of a page are judged and noted together: complete and no more, however it ends.
CREATE ROLE td_officer LOGIN;
CREATE ROLE td_chief LOGIN;
GRANT twin_privacy_officer TO td_officer, td_chief;
CREATE ROLE td_auditor LOGIN;
GRANT twin_privacy_auditor TO td_auditor;
CREATE ROLE td_registrar LOGIN;
GRANT twin_privacy_registrar TO td_registrar;
CREATE ROLE td_reader LOGIN;
CREATE TABLE td_number (id bigint, v int);
CREATE TABLE td_uuid (id uuid, v int);
CREATE TABLE td_text (id text, v int);
CREATE TABLE td_key (id bigint, v int UNIQUE);
INSERT INTO td_key VALUES (1001, 1), (1002, 2);
-- 300 integers beside each other and two far away; everybody but each tenth permits
INSERT INTO td_number SELECT 1000 + i * 7 % 300, i FROM generate_series(0, 2999) i;
INSERT INTO td_number VALUES (-5000000000, 3000), (7000000000, 3001);
INSERT INTO td_uuid SELECT md5((i * 7 % 300)::text)::uuid, i FROM generate_series(0, 999) i;
INSERT INTO td_text SELECT 'p-' || i * 7 % 300, i FROM generate_series(0, 999) i;
SELECT twin_privacy.protect_table(t::regclass, subject => 'id', category => 'laboratory')
  FROM unnest('{td_number,td_uuid,td_text,td_key}'::text[]) t;
SELECT twin_privacy.label_column(t::regclass, 'v', 'kind=plain') FROM unnest('{td_number,td_uuid,td_text,td_key}'::text[]) t;
GRANT SELECT ON td_number, td_uuid, td_text TO td_reader;
GRANT ALL ON td_key TO td_reader;
SET SESSION AUTHORIZATION td_registrar;
SET client_min_messages = error;
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => 'TREAT'))
  FROM (SELECT unnest(ARRAY[(1000 + i)::text, md5(i::text)::uuid::text, 'p-' || i]) FROM generate_series(0, 299) i WHERE i % 10 > 0
        UNION ALL VALUES ('-5000000000'), ('7000000000')) AS subjects (s);
RESET client_min_messages;
SET SESSION AUTHORIZATION td_officer;
SELECT twin_privacy.propose_use('TOLD', purpose => 'TREAT', recipient => 'ward', categories => '{laboratory}', disclosure => 'identified');
SET SESSION AUTHORIZATION td_chief;
SELECT twin_privacy.approve_use('TOLD'), twin_privacy.grant_use('TOLD', 'td_reader');
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
ANALYZE td_number, td_uuid, td_text;
CREATE TEMP TABLE open_rows AS
    SELECT 'number' AS source, id::text AS subject, v FROM td_number WHERE id NOT BETWEEN 1000 AND 1299 OR id % 10 > 0
    UNION ALL SELECT 'uuid', id::text, v FROM td_uuid WHERE v * 7 % 300 % 10 > 0
    UNION ALL SELECT 'text', id, v FROM td_text WHERE v * 7 % 300 % 10 > 0;
RESET twin_privacy.maintenance;

SET twin_privacy.consent_map_threshold = 0;
SET SESSION AUTHORIZATION td_reader;
SET twin_privacy.use = 'TOLD';
EXPLAIN (COSTS off) SELECT count(*) FROM td_number;
SET twin_privacy.justification = 'number all';
SELECT count(*) FROM td_number;
SET twin_privacy.justification = 'uuid all';
SELECT count(*) FROM td_uuid;
SET twin_privacy.justification = 'text all';
SELECT count(*) FROM td_text;
SET twin_privacy.justification = 'number filtered';
SELECT count(*) FROM td_number WHERE v % 97 = 1;
SET twin_privacy.justification = 'uuid filtered';
SELECT count(*) FROM td_uuid WHERE v % 97 = 1;
SET twin_privacy.justification = 'number limit 3';
SELECT id FROM td_number LIMIT 3;
SET twin_privacy.justification = 'uuid limit 3';
SELECT v FROM td_uuid LIMIT 3;
SET twin_privacy.justification = 'number cursor 5';
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM td_number;
FETCH 2 FROM c;
FETCH 3 FROM c;
COMMIT;
SET twin_privacy.justification = 'number aborted 5';
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM td_number;
FETCH 5 FROM c;
SELECT 1 / 0;
ROLLBACK;
SET twin_privacy.justification = 'uuid savepoint 5';
BEGIN;
SAVEPOINT s;
DECLARE c CURSOR FOR SELECT v FROM td_uuid;
FETCH 5 FROM c;
ROLLBACK TO s;
COMMIT;
SET twin_privacy.justification = 'number failed';
SELECT count(1 / (v - 6)) FROM td_number;
SET twin_privacy.justification = 'number rescanned';
SET enable_material = off;
SELECT n, (SELECT count(*) FROM td_number WHERE v BETWEEN n AND n + 2) FROM generate_series(100, 102) n;
RESET enable_material;
SET twin_privacy.justification = 'number+uuid+text joined';
SELECT count(*) FROM td_number n, td_uuid u, td_text t WHERE n.v = u.v AND u.v = t.v;
-- a scan within a scan: each statement is told of its own
CREATE FUNCTION pg_temp.inner_count(x int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT count(*) FROM td_uuid WHERE v = x);
END $$;
SET twin_privacy.justification = 'number outer';
SELECT v, pg_temp.inner_count(v) FROM td_number WHERE v IN (11, 12);
-- a filter that may tell what it is given, whatever it answers: whoever passed those before it
CREATE FUNCTION pg_temp.whispered(x int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN false; END $$;
SET twin_privacy.justification = 'number whispered';
SELECT count(*) FROM td_number WHERE pg_temp.whispered(v) AND v < 20;
SET twin_privacy.justification = 'uuid whispered';
SELECT count(*) FROM td_uuid TABLESAMPLE system (100) WHERE pg_temp.whispered(v);
SET twin_privacy.justification = 'text whispered';
SELECT count(*) FROM td_text WHERE v < 20 OR (SELECT pg_temp.whispered(td_text.v));
-- a row that ON CONFLICT found is told of as well
SET twin_privacy.justification = 'conflict';
INSERT INTO td_key VALUES (1003, 2) ON CONFLICT (v) DO UPDATE SET v = 20 RETURNING id;

RESET SESSION AUTHORIZATION;
CREATE TEMP TABLE expected AS
    SELECT source || ' all' AS what, subject FROM open_rows
    UNION SELECT source || ' filtered', subject FROM open_rows WHERE v % 97 = 1
    UNION SELECT source || ' whispered', subject FROM open_rows WHERE source <> 'number' OR v < 20
    UNION SELECT source || ' limit 3', subject FROM open_rows WHERE v < 4
    UNION SELECT source || ' cursor 5', subject FROM open_rows WHERE v < 6
    UNION SELECT source || ' aborted 5', subject FROM open_rows WHERE v < 6
    UNION SELECT source || ' savepoint 5', subject FROM open_rows WHERE v < 6
    UNION SELECT 'number failed', subject FROM open_rows WHERE source = 'number' AND v <= 6
    UNION SELECT 'number rescanned', subject FROM open_rows WHERE source = 'number' AND v BETWEEN 100 AND 104
    UNION SELECT 'number+uuid+text joined', subject FROM open_rows
    UNION SELECT 'number outer', subject FROM open_rows WHERE source = 'number' AND v IN (11, 12)
    UNION SELECT 'conflict', '1002'
    UNION SELECT 'inner ' || v, subject FROM open_rows WHERE source = 'uuid' AND v IN (11, 12);
CREATE TEMP TABLE told AS
    SELECT record_id, CASE WHEN parent_id IS NULL THEN justification
                           ELSE 'inner ' || 10 + row_number() OVER (PARTITION BY parent_id IS NULL ORDER BY record_id) END AS what,
           outcome, subject_count, ARRAY(SELECT twin_privacy.subjects_of(record_id)) AS subjects
      FROM twin_privacy_internal.ledger_disclosures('-infinity') WHERE session_role = 'td_reader';
SELECT what, outcome, subject_count, cardinality(subjects) AS stored,
       ARRAY(SELECT unnest(subjects) EXCEPT SELECT subject FROM expected e WHERE e.what = t.what) AS too_many,
       ARRAY(SELECT subject FROM expected e WHERE e.what = t.what EXCEPT SELECT unnest(subjects)) AS missing
  FROM told t ORDER BY record_id;
SELECT count(twin_privacy.unprotect_table(t::regclass, 'end of test')) FROM unnest('{td_number,td_uuid,td_text,td_key}'::text[]) t;
DROP FUNCTION pg_temp.inner_count(int), pg_temp.whispered(int);
DROP TABLE td_number, td_uuid, td_text, td_key, open_rows, expected, told;
SELECT twin_privacy.revoke_use('TOLD', 'td_reader');
DROP ROLE td_officer, td_chief, td_auditor, td_registrar, td_reader;

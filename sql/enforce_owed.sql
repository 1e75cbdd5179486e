-- New rows whose subject alone decides are checked many at once: none slips through, none says more than before.
\set SHOW_CONTEXT never
\set stored 'RESET SESSION AUTHORIZATION; SET twin_privacy.maintenance = on; SELECT s, count(*), count(DISTINCT t) AS texts FROM eo.beat GROUP BY s ORDER BY s; TRUNCATE eo.beat, eo.seen, eo.fk; RESET twin_privacy.maintenance; SET SESSION AUTHORIZATION eo_doctor;'
CREATE ROLE eo_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eo_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eo_doctor LOGIN;
CREATE SCHEMA eo;
GRANT USAGE ON SCHEMA eo TO eo_doctor;
CREATE TABLE eo.person (id bigint PRIMARY KEY);
CREATE TABLE eo.beat (s bigint, n int, t text);
CREATE TABLE eo.seen (s bigint, n int);
CREATE TABLE eo.fk (s bigint REFERENCES eo.person, n int);
CREATE TABLE eo.keyed (s bigint, n int, UNIQUE (s, n));
INSERT INTO eo.person VALUES (1), (2), (3);
INSERT INTO eo.keyed VALUES (3, 1);
GRANT ALL ON ALL TABLES IN SCHEMA eo TO eo_doctor;
SELECT twin_privacy.protect_table('eo.' || t, CASE t WHEN 'person' THEN 'id' ELSE 's' END::name, 'laboratory') FROM unnest('{person,beat,seen,fk,keyed}'::text[]) AS t;
SELECT count(twin_privacy.label_column('eo.' || t, c, 'kind=plain')::text) FROM (VALUES ('beat', 'n'), ('beat', 't'), ('seen', 'n'), ('fk', 'n'), ('keyed', 'n')) AS x(t, c);
-- patients 1 and 2 permit, 3 does not
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => 'TREAT', categories => '{laboratory}')) FROM unnest('{1,2}'::text[]) AS s;
SET SESSION AUTHORIZATION eo_one;
SELECT twin_privacy.propose_use('EO', 'TREAT', 'ward', '{laboratory}', 'identified', valid => '(,)');
SET SESSION AUTHORIZATION eo_two;
SELECT twin_privacy.approve_use('EO'), twin_privacy.grant_use('EO', 'eo_doctor');
SET SESSION AUTHORIZATION eo_doctor;
SET twin_privacy.use = 'EO';

-- a closed row anywhere in a batch, at its edges, alone and without a subject
SELECT twin_privacy_internal.row_owed(0, 0, 1, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL);
INSERT INTO eo.beat SELECT 1 + g % 2, g, 'x' FROM generate_series(1, 1000) g;
CREATE FUNCTION pg_temp.refused(at int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO eo.beat SELECT CASE WHEN g = at THEN 3 ELSE 1 + g % 2 END, g, 'bad' FROM generate_series(1, 200) g;
    RETURN 'stored';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT pg_temp.refused(at), count(*) FROM generate_series(0, 200) AS at GROUP BY 1 ORDER BY 1;
INSERT INTO eo.beat VALUES (3, 1, 'bad');
INSERT INTO eo.beat VALUES (NULL, 1, 'bad');
INSERT INTO eo.beat VALUES (1, 1, 'y'), (3, 1, 'bad'), (1, 1, 'y');
WITH i AS (INSERT INTO eo.beat VALUES (3, 1, 'bad')) SELECT 1;
WITH i AS (INSERT INTO eo.beat VALUES (3, 1, 'bad') RETURNING n) SELECT n / (n - 1) FROM i;
:stored

-- COPY
COPY eo.beat FROM stdin;
1	1	a
2	2	a
\.
COPY eo.beat FROM stdin;
1	1	bad
3	2	bad
2	3	bad
\.
COPY eo.beat FROM stdin WHERE s < 3;
1	1	a
3	2	bad
\.
:stored

-- who catches an error does not get rid of what was owed before it
RESET SESSION AUTHORIZATION;
CREATE FUNCTION eo.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        NEW.t := 'n' || (1 / (NEW.n % 3));
    EXCEPTION WHEN division_by_zero THEN
        NEW.t := 'zero';
    END;
    BEGIN
        INSERT INTO eo.seen VALUES (NEW.s, NEW.n);
    EXCEPTION WHEN OTHERS THEN
        NEW.t := SQLSTATE;
    END;
    RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE INSERT ON eo.beat FOR EACH ROW EXECUTE FUNCTION eo.note();
SET SESSION AUTHORIZATION eo_doctor;
INSERT INTO eo.beat SELECT 1 + g % 2, g FROM generate_series(1, 9) g;
INSERT INTO eo.beat VALUES (1, 1), (3, 2), (2, 3), (1, 4);
INSERT INTO eo.beat VALUES (3, 1), (1, 2);
BEGIN;
INSERT INTO eo.beat VALUES (1, 1);
SAVEPOINT s;
INSERT INTO eo.beat VALUES (2, 2), (3, 3);
ROLLBACK TO s;
INSERT INTO eo.beat VALUES (2, 5);
COMMIT;
:stored
RESET SESSION AUTHORIZATION;
DROP TRIGGER note ON eo.beat;
SET SESSION AUTHORIZATION eo_doctor;

-- no key of a closed subject is told of by another error that comes first
INSERT INTO eo.keyed VALUES (1, 1), (3, 1);
INSERT INTO eo.keyed VALUES (3, 2);
INSERT INTO eo.fk VALUES (3, 1);
INSERT INTO eo.fk VALUES (4, 1);
COPY eo.fk FROM stdin;
1	1
4	1
\.
COPY eo.fk FROM stdin;
1	1
3	1
\.
RESET SESSION AUTHORIZATION;
CREATE FUNCTION eo.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM NEW.n / (NEW.n - 1);
    RETURN NULL;
END $$;
CREATE TRIGGER fail AFTER INSERT ON eo.beat FOR EACH ROW EXECUTE FUNCTION eo.fail();
SET SESSION AUTHORIZATION eo_doctor;
COPY eo.beat FROM stdin;
1	1	a
\.
COPY eo.beat FROM stdin;
3	1	a
\.
RESET SESSION AUTHORIZATION;
DROP TRIGGER fail ON eo.beat;

-- the use is looked at when the checks are made
RESET SESSION AUTHORIZATION;
CREATE FUNCTION eo.unbind() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text;
BEGIN
    IF NEW.n = 3 THEN
        was := set_config('twin_privacy.use', '', false);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER unbind BEFORE INSERT ON eo.beat FOR EACH ROW EXECUTE FUNCTION eo.unbind();
SET SESSION AUTHORIZATION eo_doctor;
INSERT INTO eo.beat SELECT 1, g FROM generate_series(1, 2) g;
INSERT INTO eo.beat SELECT 1, g FROM generate_series(1, 3) g;
:stored

RESET SESSION AUTHORIZATION;
SELECT twin_privacy.suspend_use('EO', 'the test is over');
SET twin_privacy.maintenance = on;
DROP FUNCTION pg_temp.refused;
SET client_min_messages = warning;
DROP SCHEMA eo CASCADE;
RESET twin_privacy.maintenance;
DROP ROLE eo_one, eo_two, eo_doctor;

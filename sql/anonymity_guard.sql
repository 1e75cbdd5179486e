-- The differencing guard: what an aggregate-only use may not be asked after what it was asked.
CREATE SCHEMA gd;
CREATE TABLE gd.patient (id int PRIMARY KEY, sex text NOT NULL, city text NOT NULL, weight numeric(6, 2) NOT NULL, flag int NOT NULL, arms int NOT NULL);
INSERT INTO gd.patient SELECT i, (ARRAY['f', 'm'])[1 + i % 2], (ARRAY['Ulm', 'Jena', 'Kiel'])[1 + i % 3], 50 + i % 47 + 0.25, (i <= 4)::int, 2 - (i = 6)::int FROM generate_series(1, 300) AS i;
UPDATE gd.patient SET city = 'Hof' WHERE id IN (5, 6, 7);
-- no key: its rows are not told apart
CREATE TABLE gd.obs (patient_id int NOT NULL, day int NOT NULL, site int NOT NULL, value float8 NOT NULL);
INSERT INTO gd.obs SELECT 1 + i % 300, i / 300, (i * 31 + i / 300) % 7, 80 + i * 7919 % 101 FROM generate_series(0, 5999) AS i;
-- every patient has two rows: joining it doubles what is joined
CREATE TABLE gd.twice (patient_id int NOT NULL, part int NOT NULL, PRIMARY KEY (patient_id, part));
INSERT INTO gd.twice SELECT i, p FROM generate_series(1, 300) AS i, generate_series(1, 2) AS p;
CREATE VIEW gd.seen AS SELECT * FROM gd.obs;
CREATE TABLE gd.extreme (patient_id int NOT NULL, x float8 NOT NULL);
INSERT INTO gd.extreme SELECT i, CASE WHEN i = 1 THEN float8 'NaN' WHEN i = 2 THEN 'Infinity' ELSE i END FROM generate_series(1, 300) AS i;
SELECT twin_privacy.protect_table(t, s, 'laboratory') FROM (VALUES ('gd.patient'::regclass, 'id'), ('gd.obs', 'patient_id'), ('gd.twice', 'patient_id'), ('gd.extreme', 'patient_id')) AS v(t, s);
CREATE TABLE gd.tenth (id int PRIMARY KEY, patient_id int NOT NULL, x float8 NOT NULL, y numeric NOT NULL);
INSERT INTO gd.tenth SELECT i, 1 + i % 300, (i * 7919 % 101) / 10.0, (i * 7919 % 101) / 10.0 FROM generate_series(1, 6000) AS i;
GRANT SELECT ON gd.tenth TO PUBLIC;
SELECT twin_privacy.protect_table('gd.tenth', 'patient_id', 'laboratory');
\set ECHO none
SELECT 'CREATE TABLE gd.wide (patient_id int NOT NULL, n int NOT NULL, ' || string_agg('c' || i || ' int NOT NULL', ', ' ORDER BY i) || ', PRIMARY KEY (patient_id, n))' FROM generate_series(1, 60) AS i \gexec
SELECT 'INSERT INTO gd.wide SELECT 1 + n % 300, n, ' || string_agg('100', ', ') || ' FROM generate_series(1, 600) AS n' FROM generate_series(1, 60) \gexec
\set ECHO all
SELECT twin_privacy.protect_table('gd.wide', 'patient_id', 'laboratory');
CREATE ROLE gd_one LOGIN; CREATE ROLE gd_two LOGIN; CREATE ROLE gd_analyst LOGIN;
GRANT twin_privacy_officer, twin_privacy_registrar TO gd_one, gd_two;
GRANT USAGE, CREATE ON SCHEMA gd TO gd_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA gd TO gd_analyst;
SET SESSION AUTHORIZATION gd_one;
SELECT count(twin_privacy.propose_use('U' || i, purpose => 'HRESCH', recipient => 'university', categories => '{laboratory}', disclosure => 'aggregate')::text) FROM generate_series(1, 30) AS i;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 300) AS i;
SET SESSION AUTHORIZATION gd_two;
SELECT count(twin_privacy.approve_use('U' || i)::text || twin_privacy.grant_use('U' || i, 'gd_analyst')::text) FROM generate_series(1, 30) AS i;
RESET SESSION AUTHORIZATION;
ALTER ROLE gd_analyst SET search_path = gd;
SET search_path = gd;
\set VERBOSITY terse

-- without it each pair gives away a few people
SET twin_privacy.differencing_guard = off;
SET SESSION AUTHORIZATION gd_analyst;
SET twin_privacy.use = 'U1';
SELECT count(*) FROM obs WHERE day < 5;
SELECT count(*) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT count(*) FROM patient;
SELECT city, count(*), sum(count(*)) OVER () FROM patient GROUP BY city ORDER BY city;
SELECT sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id WHERE NOT a.patient_id IN (SELECT id FROM patient WHERE city = 'Hof');
SELECT sum(value) * 2 FROM obs;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM obs WHERE NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY patient_id) AS s;
SELECT sum(flag) FROM patient;
RESET SESSION AUTHORIZATION;
SET twin_privacy.differencing_guard = on;
SET SESSION AUTHORIZATION gd_analyst;

-- differences of rows, of values, of subjects
SET twin_privacy.use = 'U2';
SELECT count(*) FROM obs WHERE day < 5;
SELECT count(*) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
-- equal figures pass, however they are asked for; so does what differs by many, and what is refused once is refused again
SELECT count(*) FROM obs WHERE NOT day >= 5;
SELECT count(*) FROM obs o JOIN patient p ON p.id = o.patient_id WHERE o.day IN (0, 1, 2, 3, 4);
SELECT count(1) AS n FROM seen WHERE day < 5 HAVING count(*) > 3;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM obs WHERE day < 5 GROUP BY patient_id) AS s;
SELECT count(*) FROM obs WHERE day < 6;
SELECT count(*) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT count(*) FROM seen WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM obs WHERE day < 5 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY patient_id) AS s;
-- the same patients, one row more of one of them: sets of patients alone would not tell
SELECT sum(value) FROM obs WHERE day < 9;
SELECT sum(value) FROM obs WHERE day < 9 OR (day = 11 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT avg(value) FROM obs WHERE day < 9 OR (day = 11 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT stddev(value) FROM obs WHERE day < 9 OR (day = 11 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
-- a sum of ones is a count
SELECT sum(1) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT sum(CASE WHEN day < 5 THEN 3 ELSE 0 END) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT count(DISTINCT patient_id) FROM obs;
SELECT count(DISTINCT patient_id) FROM obs WHERE NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof');
SELECT count(*) FROM patient WHERE city <> 'Hof';

-- a total less its visible parts, either way round
SET twin_privacy.use = 'U3';
SELECT count(*) FROM patient;
SELECT city, count(*) FROM patient GROUP BY city;
SET twin_privacy.use = 'U4';
SELECT city, count(*) FROM patient GROUP BY city ORDER BY city;
SELECT count(*) FROM patient;
SELECT count(*) FROM patient WHERE sex = 'f';
SELECT city, sex, count(*) FROM patient GROUP BY city, sex ORDER BY 1, 2;

-- what is joined doubles every row, which a factor of two would take out again
SET twin_privacy.use = 'U5';
SELECT sum(value) FROM obs;
SELECT sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id WHERE NOT a.patient_id IN (SELECT id FROM patient WHERE city = 'Hof');
SELECT sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id;

-- parts of one query
SET twin_privacy.use = 'U6';
SELECT count(*) FILTER (WHERE day < 5), count(*) FILTER (WHERE day < 5 OR (day = 7 AND site = 3 AND value < 95)) FROM obs;
SELECT count(*) FILTER (WHERE day < 5), count(*) FILTER (WHERE day > 5) FROM obs;
SELECT sum(CASE WHEN day < 5 THEN value END), sum(value) FILTER (WHERE day > 5) FROM obs;
-- what is shown of no one is kept for no one: the suppressed part does not count
SELECT count(*) FILTER (WHERE city = 'Hof') FROM patient;

-- a sum that rests on few
SET twin_privacy.use = 'U7';
SELECT sum(flag), avg(flag), count(*) FROM patient;
SELECT sum(flag), sum(id_mod) FROM (SELECT id, sum(flag) AS flag, count(*) AS id_mod FROM patient GROUP BY id) AS s;

-- ROLLBACK forgets nothing, nor does an error after the first row, a cursor, a savepoint
SET twin_privacy.use = 'U8';
BEGIN;
SELECT count(*) FROM obs WHERE day < 3;
ROLLBACK;
SELECT count(*) FROM obs WHERE day < 3 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof'));
BEGIN;
SAVEPOINT a;
DECLARE c CURSOR FOR SELECT site, count(*) FROM obs WHERE day < 7 GROUP BY site ORDER BY site;
FETCH 1 FROM c;
ROLLBACK TO a;
COMMIT;
SELECT count(*) FROM obs WHERE day < 7 AND site = 3 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof');
SELECT 1 / (count(*) - count(*)) FROM obs WHERE day < 12;
SELECT count(*) FROM obs WHERE day < 12 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof');

-- prepared, in functions, in COPY; the user's code sees nothing before the gate
SET twin_privacy.use = 'U9';
SET plan_cache_mode = force_generic_plan;
PREPARE below(int) AS SELECT count(*) FROM obs WHERE day < $1;
EXECUTE below(4);
EXECUTE below(8);
PREPARE city(text) AS SELECT count(*) FROM obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM patient WHERE patient.city = $1);
EXECUTE city('Ulm');
EXECUTE city('Hof');
RESET plan_cache_mode;
COPY (SELECT count(*) FROM obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof')) TO STDOUT;
DO $$ BEGIN PERFORM count(*) FROM gd.obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM gd.patient WHERE city = 'Hof'); END $$;
CREATE FUNCTION gd.tell(n bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', n; RETURN true; END $$;
SELECT count(*) FROM obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') HAVING gd.tell(count(*));
SELECT site, gd.tell(count(*)) FROM obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY site HAVING 1 / (count(*) - count(*)) > 0;
SELECT n FROM (SELECT count(*) AS n FROM obs WHERE day < 4 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof')) AS s WHERE gd.tell(n);

-- averaging and cloning: the same again, under other names
SET twin_privacy.use = 'U10';
SELECT count(*) FROM obs WHERE site = 2;
SELECT count(*) FROM obs WHERE site = 2 AND site = 2 AND day >= -5;
SELECT count(*) FROM (SELECT * FROM obs WHERE site = 2) AS s WHERE day < 1000;
-- empty sets
SELECT count(*) FROM obs WHERE false;
SELECT site, count(*) FROM obs WHERE day < 0 GROUP BY site;
SELECT count(*) FILTER (WHERE false), sum(value) FILTER (WHERE day > 1000) FROM obs WHERE site = 2;
-- not a number, infinite, and what would overflow a sum of the guard's
SELECT count(*), sum(x) FROM extreme;
SELECT sum(x) FROM extreme WHERE x <> 'NaN';
SELECT sum(x) FROM extreme WHERE x < 250 AND x <> 'NaN';
SELECT count(*) FROM extreme WHERE x < 250;
SELECT count(*) FROM extreme WHERE x < 250 AND x > 2;

-- uses are apart; what a use released an officer may forget, at once
SET twin_privacy.use = 'U11';
SELECT count(*) FROM obs WHERE day < 5 OR (day = 7 AND patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'f'));
SELECT count(*) FROM obs WHERE day < 5;
SELECT twin_privacy.forget_releases('U11', 'to be asked anew');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION gd_one;
SELECT twin_privacy.forget_releases(NULL, 'x');
SELECT twin_privacy.forget_releases('U11', NULL);
SELECT twin_privacy.forget_releases('nobody', 'x');
BEGIN;
SELECT twin_privacy.forget_releases('U11', 'to be asked anew');
ROLLBACK;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION gd_analyst;
SELECT count(*) FROM obs WHERE day < 5;

-- analysts cannot turn it off, nor call its parts
SET twin_privacy.differencing_guard = off;
SELECT twin_privacy_internal.guard_gate('U11', 11, '{}', '{}', '{}') OVER ();

-- new data: of few it is refused, of many it passes
SET twin_privacy.use = 'U12';
SELECT sum(weight), count(*) FROM patient;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE gd.patient SET weight = weight + 1 WHERE id IN (17, 18);
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION gd_analyst;
SELECT sum(weight) FROM patient;
SELECT count(*) FROM patient;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE gd.patient SET weight = weight + 1 WHERE id BETWEEN 100 AND 160;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION gd_analyst;
SELECT sum(weight) FROM patient;

-- many groups, and workers
SET twin_privacy.use = 'U13';
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*), sum(n) FROM (SELECT day, site, count(*) AS n FROM obs GROUP BY 1, 2) AS s;
SELECT site, count(*) FROM obs GROUP BY site ORDER BY site;
SELECT count(*) FROM obs WHERE NOT (day = 3 AND site = 2 AND value < 90);
SELECT site, count(*) FROM obs WHERE NOT (day = 3 AND site = 2 AND value < 90) GROUP BY site;
SELECT count(*) FROM obs WHERE day = 3 AND site = 2 AND value > 90;
SET max_parallel_workers_per_gather = 0;
SELECT site, count(*) FROM obs GROUP BY site ORDER BY site;
\set VERBOSITY default
SELECT count(*) FROM obs WHERE NOT (day = 3 AND site = 2 AND value < 90);

-- the remainder: small groups in one where that is large enough; what cannot be added is NULL in it
SET twin_privacy.use = 'U14';
SET twin_privacy.remainder_group = on;
SELECT city, count(*) FROM patient GROUP BY city ORDER BY city;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE gd.patient SET city = 'Bern' WHERE id BETWEEN 20 AND 29;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION gd_analyst;
SET twin_privacy.use = 'U15';
SET twin_privacy.remainder_group = off;
SELECT city, count(*) FROM patient GROUP BY city ORDER BY city;
SET twin_privacy.remainder_group = on;
SELECT city, count(*), sum(weight), round(avg(weight), 2) AS avg, count(DISTINCT id), count(*) FILTER (WHERE sex = 'f') AS f FROM patient GROUP BY city ORDER BY city;
SELECT city, sex, count(*) FROM patient GROUP BY city, sex HAVING count(*) > 5 ORDER BY 1, 2;
SELECT upper(city) AS c, round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent FROM patient GROUP BY 1 ORDER BY 1;
SELECT count(*), sum(n) FROM (SELECT city, count(*) AS n FROM patient GROUP BY city) AS s;
-- here it agrees with the total
SELECT count(*) FROM patient;
-- and is compared like any other group
SELECT count(*) FROM patient WHERE city IN ('Bern', 'Hof');
SELECT count(*) FROM patient WHERE city IN ('Bern', 'Hof') AND NOT (city = 'Hof' AND sex = 'f');
-- too small: left out, and no difference of the total and the rest
SET twin_privacy.use = 'U16';
SELECT city, count(*) FROM patient WHERE city <> 'Bern' GROUP BY city ORDER BY city;
SELECT count(*) FROM patient WHERE city <> 'Bern';
SET twin_privacy.use = 'U17';
SELECT site, count(*), sum(value) FROM obs WHERE day = 3 AND patient_id IN (SELECT id FROM patient WHERE city IN ('Bern', 'Hof')) GROUP BY site ORDER BY site;

-- a factor that a sub-query hides is taken out, too, and so is the number that nearly everybody has
RESET twin_privacy.remainder_group;
SET twin_privacy.use = 'U19';
SELECT count(*) FROM patient;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM twice WHERE NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY 1) AS s;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM twice GROUP BY 1) AS s;
SET twin_privacy.use = 'U20';
SELECT sum(arms) FROM patient;
SELECT count(*) FROM patient;

-- who joins rows of a few to each other until their sum is larger than all others' reads it off the leading digits
SET twin_privacy.use = 'U21';
SELECT count(*) / 8000 AS men_of_hof FROM obs a JOIN obs b ON b.patient_id = a.patient_id JOIN obs c ON c.patient_id = a.patient_id
  WHERE a.patient_id IN (SELECT id FROM patient WHERE city = 'Hof' AND sex = 'm') OR (a.day = 0 AND b.day = 0 AND c.day = 0);
SELECT floor(sum(a.value) / 8000) AS of_one FROM obs a JOIN obs b ON b.patient_id = a.patient_id JOIN obs c ON c.patient_id = a.patient_id JOIN obs d ON d.patient_id = a.patient_id JOIN patient p ON p.id = a.patient_id
  WHERE (p.city = 'Hof' AND p.sex = 'f' AND a.day = 3) OR (a.day = 0 AND b.day = 0 AND c.day = 0 AND d.day = 0);
SELECT count(*) FROM (SELECT a.patient_id FROM obs a JOIN obs b ON b.patient_id = a.patient_id) AS s;
SELECT sum(n) FROM (SELECT a.patient_id, count(*) AS n FROM obs a JOIN obs b ON b.patient_id = a.patient_id GROUP BY 1) AS s;
SELECT sum(n) FROM (SELECT a.patient_id, count(DISTINCT ARRAY[a.day, b.day]) AS n FROM obs a JOIN obs b ON b.patient_id = a.patient_id GROUP BY 1) AS s;
SELECT count(*) FROM (SELECT a.patient_id, a.day, b.day AS other FROM obs a JOIN obs b ON b.patient_id = a.patient_id GROUP BY 1, 2, 3) AS s;
SELECT count(*) FROM obs a JOIN (SELECT patient_id, site, day FROM obs GROUP BY 1, 2, 3) AS b ON b.patient_id = a.patient_id GROUP BY b.site ORDER BY 1;
SELECT sum(p.weight) FROM obs o JOIN patient p ON p.id = o.patient_id;
SELECT sum(weight) FROM (SELECT p.id, p.weight FROM obs o JOIN patient p ON p.id = o.patient_id) AS s;
SELECT sum(a.n) FROM (SELECT patient_id, count(*) AS n FROM obs GROUP BY 1) AS a JOIN obs b ON b.patient_id = a.patient_id;
-- what gives one row at most, or is the same however often rows come, may be joined
SELECT count(DISTINCT a.patient_id) FROM obs a JOIN obs b ON b.patient_id = a.patient_id WHERE a.site = 1 AND b.site = 2;
SELECT sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id AND t.part = 1;
SELECT t.part, sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id GROUP BY t.part ORDER BY 1;
SET twin_privacy.remainder_group = on;
SELECT t.part, sum(a.value) FROM obs a JOIN twice t ON t.patient_id = a.patient_id GROUP BY t.part ORDER BY 1;
RESET twin_privacy.remainder_group;
SELECT b.site, count(*) FROM obs a JOIN (SELECT patient_id, site FROM obs WHERE day < 10 GROUP BY 1, 2) AS b ON b.patient_id = a.patient_id GROUP BY b.site ORDER BY 1;
SELECT sum(a.n) FROM (SELECT patient_id, count(*) AS n FROM obs GROUP BY 1) AS a JOIN patient p ON p.id = a.patient_id WHERE p.sex = 'f';
SELECT sum(m) FROM (SELECT a.patient_id, max(b.day) AS m FROM obs a JOIN obs b ON b.patient_id = a.patient_id GROUP BY 1) AS s;

-- sums of floats that are rounded for each subject agree with nothing, so nothing would be found near them
SET twin_privacy.use = 'U22';
SELECT round(sum(x)::numeric, 6) FROM tenth;
SELECT round(sum(n)::numeric, 6) FROM (SELECT patient_id, sum(x) AS n FROM tenth WHERE NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY 1) AS s;
SELECT avg(n) > 0 FROM (SELECT patient_id, avg(x) AS n FROM tenth GROUP BY 1) AS s;
SELECT sum(n) > 0 FROM (SELECT patient_id, max(x) AS n FROM tenth GROUP BY 1) AS s;
SELECT count(*) FROM (SELECT patient_id, avg(x) AS n FROM tenth GROUP BY 1) AS s WHERE n > 5;
SELECT sum(y) FROM tenth;
SELECT sum(n) FROM (SELECT patient_id, sum(y) AS n FROM tenth WHERE NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof') GROUP BY 1) AS s;
SELECT sum(n) FROM (SELECT patient_id, sum(y) AS n FROM tenth GROUP BY 1) AS s;
SELECT avg(n) > 0 FROM (SELECT patient_id, avg(y) AS n FROM tenth GROUP BY 1) AS s;

-- rows without a key are compared by their numbers: an update makes no others of them
SET twin_privacy.use = 'U23';
SELECT sum(value) FROM obs WHERE day < 6;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE gd.obs SET site = site + 10;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION gd_analyst;
SELECT sum(value) FROM obs WHERE day < 6 AND NOT patient_id IN (SELECT id FROM patient WHERE city = 'Hof');
SELECT sum(value) FROM obs WHERE day < 6;

-- what is added up on the way is what PostgreSQL adds up
SET twin_privacy.use = 'U25';
SELECT count(*), count(value), sum(value), avg(value), avg(day), sum(day), sum(day) FILTER (WHERE day > 3), count(CASE WHEN day > 3 THEN site END), count(CASE WHEN day > 3 THEN NULL END) FROM obs;
SELECT avg(n), sum(n) FROM (SELECT patient_id, min(day) AS n FROM obs WHERE day > 0 GROUP BY 1) AS s;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
SELECT count(*), count(value), sum(value), avg(value), avg(day), sum(day), sum(day) FILTER (WHERE day > 3), count(CASE WHEN day > 3 THEN site END), count(CASE WHEN day > 3 THEN NULL END) FROM obs;
SELECT avg(n), sum(n) FROM (SELECT patient_id, min(day) AS n FROM obs WHERE day > 0 GROUP BY 1) AS s;
RESET twin_privacy.maintenance;
-- bytes that no query under such a use made
RESET twin_privacy.use;
CREATE FUNCTION gd.state_of(call text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT twin_privacy_internal.' || call; RETURN '00000'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
SELECT call, array_agg(DISTINCT gd.state_of(replace(call, 'bytes', quote_literal(bytes) || '::bytea')))
FROM (VALUES ('guard_count(bytes, 0)'), ('guard_split(bytes, -1)'), ('guard_sum_real(bytes, 7)'), ('guard_is_large(bytes)'), ('guard_merge(bytes)'),
             ('guard_cell(1, bytes, 1)'), ('guard_part(1, bytes, true)'), ('guard_gate(''U1'', 1, ''{0}'', array[bytes], ''{t}'') OVER ()'), ('guard_subjects(1)'), ('bounded(1, bytes, 1, 2)')) AS c(call),
     unnest(ARRAY['\x', '\x00', '\x' || repeat('01', 64), '\x' || repeat('ff', 200)]) AS bytes
GROUP BY call ORDER BY call;
SET SESSION AUTHORIZATION gd_analyst;

-- more than one aggregate is told of: as many tables with several rows a subject, as many arguments
SET twin_privacy.use = 'U24';
SET join_collapse_limit = 1;
\set ECHO none
SELECT 'SELECT count(*) FROM twice t1' || string_agg(format(' JOIN twice t%s ON t%1$s.patient_id = t1.patient_id AND t%1$s.part = t1.part', i), '' ORDER BY i) FROM generate_series(2, 16) AS i \gexec
SELECT 'SELECT count(*) FROM twice t1' || string_agg(format(' JOIN twice t%s ON t%1$s.patient_id = t1.patient_id AND t%1$s.part = t1.part', i), '' ORDER BY i) FROM generate_series(2, 17) AS i \gexec
RESET join_collapse_limit;
SELECT 'SELECT ' || string_agg(format('sum(c%s) FILTER (WHERE c60 > %1$s) > 0', i), ' AND ' ORDER BY i) || ' AS all_so FROM wide' FROM generate_series(9, 55) AS i \gexec
SELECT 'SELECT ' || string_agg(format('sum(c%s) FILTER (WHERE c60 > %1$s) > 0', i), ' AND ' ORDER BY i) || ' AS all_so FROM wide' FROM generate_series(9, 56) AS i \gexec
\set ECHO all

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT twin_privacy.unprotect_table(t, 'test ends') FROM unnest('{gd.patient,gd.obs,gd.twice,gd.extreme,gd.tenth,gd.wide}'::regclass[]) AS t;
DROP OWNED BY gd_analyst;
DROP SCHEMA gd CASCADE;
DROP ROLE gd_analyst, gd_one, gd_two;

-- Aggregate-only uses: what analysts may ask in plain SQL, and what is refused.
CREATE SCHEMA anon;
CREATE TABLE anon.patient (id int PRIMARY KEY, name text, birth date NOT NULL, sex text NOT NULL, city text, weight numeric);
INSERT INTO anon.patient SELECT i, 'p' || i, date '1950-01-01' + i * 97, (ARRAY['f', 'm'])[1 + i % 2],
       (ARRAY['Ulm', 'Jena', 'Kiel'])[1 + i % 3], 50 + i % 40 FROM generate_series(1, 120) AS i;
-- three patients live elsewhere; one has no weight
UPDATE anon.patient SET city = 'Hof' WHERE id IN (5, 6, 7);
UPDATE anon.patient SET weight = NULL WHERE id = 9;
CREATE TABLE anon.obs (obs_id bigint PRIMARY KEY, patient_id int REFERENCES anon.patient, code text NOT NULL, value int NOT NULL, day int NOT NULL);
INSERT INTO anon.obs SELECT i, 1 + i % 120, (ARRAY['glucose', 'hb1ac'])[1 + i / 120 % 2], 80 + i * 7 % 60, i / 120 FROM generate_series(0, 1199) AS i;
CREATE TABLE anon.codes (code text PRIMARY KEY, display text, factor int);
INSERT INTO anon.codes VALUES ('glucose', 'Glucose', 1), ('hb1ac', 'HbA1c', 2);
CREATE TABLE anon.weights (id int, w int);
INSERT INTO anon.weights SELECT 17, 1 FROM generate_series(1, 1000);

-- results belong to a patient through the observation they are part of
CREATE TABLE anon.part (obs_id bigint REFERENCES anon.obs, grade text NOT NULL, points int NOT NULL);
INSERT INTO anon.part SELECT i, (ARRAY['low', 'high'])[1 + i % 2], i % 10 FROM generate_series(0, 1199) AS i;
INSERT INTO anon.part SELECT 16, 'rare', 1 FROM generate_series(1, 50);
CREATE TABLE anon.ring (id int PRIMARY KEY, next int);
CREATE TABLE anon.guarded (code text PRIMARY KEY);
ALTER TABLE anon.guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE anon.labels (code text PRIMARY KEY, a text COLLATE "C", b text COLLATE "POSIX");

CREATE ROLE anon_officer1 LOGIN; CREATE ROLE anon_officer2 LOGIN; CREATE ROLE anon_analyst LOGIN;
GRANT twin_privacy_admin, twin_privacy_officer, twin_privacy_registrar TO anon_officer1, anon_officer2;
GRANT USAGE ON SCHEMA anon TO anon_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA anon TO anon_analyst;
GRANT CREATE ON SCHEMA anon TO anon_analyst;
SELECT twin_privacy.protect_table('anon.patient', 'id', 'demographics');
SELECT twin_privacy.protect_table('anon.obs', 'patient_id', 'laboratory');
SELECT twin_privacy.protect_table('anon.part', 'obs_id -> anon.obs(obs_id).patient_id', 'laboratory');
SELECT twin_privacy.label_column('anon.patient', 'name', 'category=identity, kind=identifier, mask=redact');
SELECT twin_privacy.label_column('anon.obs', 'obs_id', 'kind=identifier, mask=null');
SET SESSION AUTHORIZATION anon_officer1;
SELECT twin_privacy.propose_use('STATS', purpose => 'HRESCH', recipient => 'university', categories => '{laboratory,demographics,identity}', disclosure => 'aggregate');
SET SESSION AUTHORIZATION anon_officer2;
SELECT twin_privacy.approve_use('STATS');
SELECT twin_privacy.grant_use('STATS', 'anon_analyst');
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 120) AS i;
RESET SESSION AUTHORIZATION;
-- sql/anonymity_guard.sql is about differences; here a query may come near another
SET twin_privacy.differencing_guard = off;
SET SESSION AUTHORIZATION anon_analyst;
SELECT twin_privacy.bind_use('STATS', 'regression test');

-- what may be asked
SELECT count(*), count(DISTINCT patient_id), sum(value), round(avg(value), 2) AS avg, round(stddev(value), 2) AS sd FROM anon.obs;
SELECT code, count(*), avg(value)::int FROM anon.obs GROUP BY code ORDER BY code;
SELECT extract(decade FROM birth) AS decade, value / 20 * 20 AS band, count(*) FROM anon.patient JOIN anon.obs ON patient_id = id GROUP BY 1, 2 ORDER BY 1, 2;
SELECT sex, count(*) AS n, round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS percent FROM anon.patient GROUP BY sex HAVING count(*) > 5 ORDER BY n DESC, sex LIMIT 5;
SELECT c.display, count(*) FROM anon.obs o JOIN anon.codes c ON c.code = o.code GROUP BY c.display ORDER BY 1;
SELECT c.display, count(*) FROM anon.obs o LEFT JOIN anon.codes c USING (code) GROUP BY 1 ORDER BY 1;
SELECT p.sex, avg(o.value)::int FROM anon.obs o JOIN anon.patient p ON p.id = o.patient_id WHERE o.day < 5 GROUP BY p.sex ORDER BY 1;
SELECT avg(n)::int, count(*) FROM (SELECT patient_id, count(*) AS n FROM anon.obs GROUP BY patient_id) AS s;
SELECT avg(m)::int FROM (SELECT max(value) AS m FROM anon.obs GROUP BY patient_id) AS s;
WITH s AS (SELECT patient_id, avg(value) AS a FROM anon.obs GROUP BY patient_id)
SELECT p.sex, avg(s.a)::int FROM s JOIN anon.patient p ON p.id = s.patient_id GROUP BY p.sex ORDER BY 1;
SELECT count(*) FROM anon.patient WHERE id IN (SELECT patient_id FROM anon.obs WHERE value > 130);
SELECT count(*) FROM anon.patient WHERE NOT id IN (SELECT patient_id FROM anon.obs WHERE value > 138 AND day = 3);
SELECT count(*) FILTER (WHERE value > 100), sum(CASE WHEN value > 100 THEN 1 ELSE 0 END) FROM anon.obs;
SELECT count(*) FROM anon.patient WHERE birth > now() - interval '500 years' AND birth < now() - interval '10 years' AND birth < current_date - 365 * 10;
SELECT code FROM anon.obs WHERE code LIKE 'g%' GROUP BY code;
SELECT 'all' AS g, count(*) FROM anon.obs UNION ALL SELECT sex, count(*) FROM anon.patient GROUP BY sex ORDER BY 1;
SELECT (SELECT count(*) FROM anon.obs) AS rows, * FROM anon.codes ORDER BY code;
-- through a path: fifty rows of one patient are no cohort
SELECT grade, count(*), sum(points) FROM anon.part GROUP BY grade ORDER BY 1;
SELECT o.code, r.grade, count(*), count(DISTINCT o.patient_id) FROM anon.part r JOIN anon.obs o ON o.obs_id = r.obs_id GROUP BY 1, 2 ORDER BY 1, 2;
SELECT avg(m)::int FROM (SELECT o.patient_id, max(r.points) AS m FROM anon.part r JOIN anon.obs o ON o.obs_id = r.obs_id GROUP BY 1) AS s;
SELECT count(*) FROM (SELECT points FROM anon.part) AS s WHERE points > 3;
PREPARE p(int) AS SELECT count(*) FROM anon.obs WHERE day < $1;
EXECUTE p(2);
EXECUTE p(3);
-- two rows of somebody must not show as an overflow
SELECT count(*) FROM (SELECT patient_id, sum(CASE WHEN value > 80 THEN '1.7e308'::float8 END) AS s FROM anon.obs GROUP BY patient_id) AS q WHERE s > 0;
SELECT count(*) FROM (SELECT patient_id, sum(CASE WHEN value > 80 THEN '9e131071'::numeric END) AS s FROM anon.obs GROUP BY patient_id) AS q WHERE s > 0;
SELECT stddev('1e300'::float8) FROM anon.obs WHERE value > 80;
PREPARE big(float8) AS SELECT count(*) FROM (SELECT patient_id, sum(CASE WHEN value > 80 THEN $1 END) AS s FROM anon.obs GROUP BY patient_id) AS q WHERE s > 0;
EXECUTE big('1.7e308');
SELECT count(*) FROM (SELECT patient_id, avg(c) AS s FROM (SELECT patient_id, '1.7e308'::float8 AS c FROM anon.obs WHERE value > 80) AS x GROUP BY patient_id) AS q WHERE s > 0;
SELECT count(*) FROM (SELECT patient_id, sum(CASE WHEN value > 80 THEN '1e15'::float8 ELSE 0 END) AS s FROM anon.obs GROUP BY patient_id) AS q WHERE s > 0;
CREATE VIEW anon.by_day AS SELECT day, count(*) AS n FROM anon.obs GROUP BY day;
SELECT max(n) FROM anon.by_day;

-- small groups are left out, small parts become NULL
SELECT city, count(*) FROM anon.patient GROUP BY city ORDER BY city;
SELECT count(*) FROM anon.patient WHERE city = 'Hof';
SELECT count(*) FROM anon.obs WHERE value = 80 AND day = 0;
SELECT count(*) AS n, count(*) FILTER (WHERE city = 'Hof') AS hof, count(weight) AS weighed, avg(weight)::int FROM anon.patient;
SELECT sum(CASE WHEN city = 'Hof' THEN 1 ELSE 0 END) FROM anon.patient;
SELECT sum(n) FROM (SELECT id, count(*) FILTER (WHERE city = 'Hof') AS n FROM anon.patient GROUP BY id) AS s;

-- what is refused, and why
\set VERBOSITY terse
SELECT * FROM anon.obs;
SELECT value FROM anon.obs LIMIT 1;
SELECT patient_id, count(*) FROM anon.obs GROUP BY patient_id;
SELECT min(value), max(value) FROM anon.obs;
SELECT mode() WITHIN GROUP (ORDER BY value) FROM anon.obs;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM anon.obs;
SELECT array_agg(value) FROM anon.obs;
SELECT string_agg(code, ',') FROM anon.obs;
SELECT json_agg(o) FROM anon.obs o;
SELECT sum(value) FROM anon.obs WHERE patient_id = 17;
SELECT sum(value) FILTER (WHERE patient_id = 17) FROM anon.obs;
SELECT sum(CASE WHEN patient_id = 17 THEN value ELSE 1000 END) FROM anon.obs;
SELECT sum(value * value) FROM anon.obs;
SELECT sum(value / ((patient_id - 17) ^ 2 + 1e-9)) FROM anon.obs;
SELECT sum(CASE WHEN day = 3 THEN value ELSE 7 END) FROM anon.obs;
SELECT count(DISTINCT code) FROM anon.obs;
SELECT sum(w.w) FROM anon.obs o JOIN anon.weights w ON w.id = o.value;
SELECT count(*) FROM anon.obs o JOIN anon.weights w ON w.id = o.value;
SELECT count(*) FROM anon.obs o, anon.ring a, anon.ring b WHERE a.id = b.next AND b.id = a.next;
SELECT count(*) FROM anon.obs o JOIN anon.codes c ON c.code = o.code OR o.value = 80;
SELECT count(*) FROM anon.obs o JOIN anon.guarded g ON g.code = o.code;
SELECT count(*) FROM anon.obs o JOIN (SELECT max(factor) AS f FROM anon.codes) c ON true WHERE o.value > c.f;
SELECT count(*) FROM anon.obs o JOIN anon.labels l ON l.code = o.code WHERE l.a < l.b;
SELECT count(*) FROM anon.obs o, generate_series(1, 3);
SELECT count(*) FROM anon.obs o, LATERAL (SELECT o.value AS v) l;
SELECT count(*) FROM anon.obs o, (VALUES (1), (2)) v(x);
SELECT count(*) FROM anon.obs a, anon.obs b;
SELECT count(*) FROM anon.obs a JOIN anon.obs b ON a.value = b.value;
SELECT count(*) FROM anon.patient p FULL JOIN anon.obs o ON o.patient_id = p.id;
SELECT count(*) FROM anon.codes c LEFT JOIN anon.obs o ON o.code = c.code;
SELECT count(*) FROM anon.part r JOIN anon.obs o ON o.obs_id = r.points;
SELECT count(*) FROM anon.part WHERE obs_id = 16;
SELECT count(*) FROM anon.part a JOIN anon.part b ON a.obs_id = b.obs_id;
SELECT count(*) FROM anon.obs WHERE 1 / (value - 100) > 0;
SELECT count(*) FROM anon.obs WHERE value * 2000000000 > 0;
SELECT count(*) FROM anon.obs WHERE code::int = 1;
SELECT count(*) FROM anon.patient WHERE name = 'p17';
SELECT name, count(*) FROM anon.patient GROUP BY name;
SELECT count(*) FROM anon.patient WHERE id IN (17);
SELECT count(*) FROM anon.patient WHERE id IN (SELECT id FROM anon.weights);
SELECT count(*) FROM anon.obs o WHERE EXISTS (SELECT 1 FROM anon.patient p WHERE p.id = 17);
SELECT count(*) FROM anon.obs o WHERE value > (SELECT avg(value) FROM anon.obs i WHERE i.code = o.code);
SELECT count(*) FROM anon.obs WHERE value > (SELECT 1 / w FROM anon.weights);
SELECT code, count(*) FROM anon.obs GROUP BY ROLLUP (code);
SELECT city, count(*) FROM anon.patient GROUP BY GROUPING SETS ((city), ());
SELECT DISTINCT city FROM anon.patient;
SELECT sum(s) FROM (SELECT sum(value) OVER () AS s FROM anon.obs) AS w;
SELECT count(*) FROM (SELECT value FROM anon.obs LIMIT 300) AS s;
SELECT count(*) FROM (SELECT value FROM anon.obs UNION ALL SELECT value FROM anon.obs) AS s;
SELECT count(*) FROM anon.obs TABLESAMPLE BERNOULLI (50);
SELECT count(o) FROM anon.obs o;
SELECT count(*) FROM anon.obs WHERE ctid = '(0,1)';
SELECT count(*) FROM anon.obs FOR UPDATE;
WITH RECURSIVE r AS (SELECT value FROM anon.obs UNION ALL SELECT value FROM r) SELECT count(*) FROM r;
WITH s AS (SELECT value FROM anon.obs) SELECT count(*) FROM s;
SELECT city, count(*) FROM anon.patient GROUP BY city ORDER BY (SELECT max(value) FROM anon.obs);
SELECT count(*) FROM anon.codes LIMIT (SELECT value FROM anon.obs WHERE patient_id = 17 LIMIT 1);
SELECT code, count(*) FROM anon.obs GROUP BY code LIMIT (SELECT day FROM anon.obs WHERE value = 81 AND day = 1);
SELECT code, sum(count(*)) OVER (ORDER BY code ROWS (SELECT day FROM anon.obs LIMIT 1) PRECEDING) FROM anon.obs GROUP BY code;
SELECT count(*) FROM anon.codes TABLESAMPLE BERNOULLI ((SELECT value FROM anon.obs LIMIT 1));
VALUES ((SELECT value FROM anon.obs LIMIT 1));
SELECT * FROM generate_series(1, (SELECT value FROM anon.obs LIMIT 1));
SELECT twin_privacy.k_anonymity('anon.patient', '{sex}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.taken', '{sex}', 11);
EXPLAIN SELECT count(*) FROM anon.obs WHERE value = 80;
EXPLAIN ANALYZE SELECT count(*) FROM anon.obs;
COPY anon.obs TO STDOUT;
COPY (SELECT value FROM anon.obs) TO STDOUT;
UPDATE anon.obs SET value = 1;
DELETE FROM anon.obs;
INSERT INTO anon.obs SELECT 9999, 1, 'x', 1, 1;
CREATE TABLE anon.taken AS SELECT code, count(*) FROM anon.obs GROUP BY code;
CREATE TABLE anon.taken AS SELECT value FROM anon.obs;

-- an error or a notice must not tell of a group that is not shown
CREATE FUNCTION anon.tell(n bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', n; RETURN true; END $$;
SELECT city FROM anon.patient GROUP BY city HAVING anon.tell(count(*)) ORDER BY city;
SELECT city FROM anon.patient GROUP BY city HAVING 1 / (count(*) - 3) > -1 ORDER BY city;
SELECT city FROM (SELECT city, count(*) AS n FROM anon.patient GROUP BY city) AS s WHERE anon.tell(n) ORDER BY city;
SELECT city FROM (SELECT city, count(*) AS n FROM anon.patient GROUP BY city) AS s WHERE 1 / (n - 3) > -1 ORDER BY city;
SELECT city FROM (SELECT city, count(*) AS n FROM anon.patient GROUP BY city HAVING length(city || city || city || city) > 0) AS s WHERE anon.tell(n) ORDER BY city;
SELECT city, anon.tell(count(*)) FROM anon.patient GROUP BY city ORDER BY city;
SELECT count(*) FROM anon.patient WHERE anon.tell(weight::bigint);
SELECT count(*) FROM anon.obs o JOIN anon.codes c ON c.code = o.code AND anon.tell(c.factor);
SELECT sum(anon.tell(1)::int) FROM anon.obs;
SELECT anon.tell(o.value) FROM anon.obs o GROUP BY 1;

-- the definer's, the caller's: everything is planned under the use
CREATE FUNCTION anon.peek() RETURNS int LANGUAGE sql AS 'SELECT value FROM anon.obs WHERE patient_id = 17 LIMIT 1';
SELECT anon.peek();
CREATE FUNCTION anon.rows() RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT value FROM anon.obs';
SELECT count(*) FROM anon.rows();
DECLARE c CURSOR WITH HOLD FOR SELECT value FROM anon.obs;
DO $$ BEGIN PERFORM value FROM anon.obs; END $$;
\set VERBOSITY default

SELECT count(*), max(n) FROM generate_series(1, 3) AS n;
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT twin_privacy.unprotect_table(t, 'test ends') FROM unnest('{anon.part,anon.patient,anon.obs}'::regclass[]) AS t;
DROP SCHEMA anon CASCADE;
DROP ROLE anon_analyst, anon_officer1, anon_officer2;

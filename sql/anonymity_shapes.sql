-- Shapes of queries that were thought of after the rules were written: each is answered rightly, suppressed or refused.
CREATE SCHEMA sh;
CREATE TABLE sh.patient (id int PRIMARY KEY, name text, sex text NOT NULL, city text NOT NULL, birth date NOT NULL, weight int);
INSERT INTO sh.patient SELECT i, 'p' || i, (ARRAY['f', 'm'])[1 + i % 2], (ARRAY['Ulm', 'Jena', 'Kiel'])[1 + i % 3], date '1950-01-01' + i * 97, 50 + i % 40 FROM generate_series(1, 120) AS i;
UPDATE sh.patient SET city = 'Hof' WHERE id IN (5, 6, 7);
CREATE TABLE sh.obs (patient_id int NOT NULL, day int NOT NULL, code text NOT NULL, value int NOT NULL);
INSERT INTO sh.obs SELECT 1 + i % 120, i / 120, (ARRAY['a', 'b'])[1 + i / 120 % 2], 80 + i * 7 % 60 FROM generate_series(0, 1199) AS i;
CREATE TABLE sh.code (code text PRIMARY KEY, display text NOT NULL);
INSERT INTO sh.code VALUES ('a', 'Alpha'), ('b', 'Beta');
CREATE VIEW sh.old AS SELECT * FROM sh.patient WHERE birth < '1970-01-01';
CREATE VIEW sh.older AS SELECT id, sex, city FROM sh.old WHERE birth < '1965-01-01';
CREATE ROLE sh_one LOGIN; CREATE ROLE sh_two LOGIN; CREATE ROLE sh_analyst LOGIN;
GRANT twin_privacy_officer, twin_privacy_registrar TO sh_one, sh_two;
GRANT USAGE, CREATE ON SCHEMA sh TO sh_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA sh TO sh_analyst;
SELECT twin_privacy.protect_table('sh.patient', 'id', 'laboratory'), twin_privacy.protect_table('sh.obs', 'patient_id', 'laboratory');
SELECT twin_privacy.label_column('sh.patient', 'name', 'kind=identifier, mask=redact');
SET SESSION AUTHORIZATION sh_one;
SELECT twin_privacy.propose_use('SHAPES', purpose => 'HRESCH', recipient => 'u', categories => '{laboratory}', disclosure => 'aggregate');
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 120) AS i;
SET SESSION AUTHORIZATION sh_two;
SELECT twin_privacy.approve_use('SHAPES'), twin_privacy.grant_use('SHAPES', 'sh_analyst');
RESET SESSION AUTHORIZATION;
SET twin_privacy.differencing_guard = off;
SET search_path = sh;
SET SESSION AUTHORIZATION sh_analyst;
SET twin_privacy.use = 'SHAPES';
\set VERBOSITY terse

-- above the release everything goes
SELECT day, sum(sum(value)) OVER (ORDER BY day), lag(count(*)) OVER (ORDER BY day) FROM obs GROUP BY day ORDER BY day LIMIT 3;
SELECT code, count(*) FILTER (WHERE code = 'a') OVER () FROM obs GROUP BY code ORDER BY code;
SELECT DISTINCT count(*) FROM obs GROUP BY day;
SELECT DISTINCT ON (sex) sex, city, count(*) FROM patient GROUP BY sex, city ORDER BY sex, count(*) DESC, city;
SELECT day FROM obs GROUP BY day ORDER BY sum(value) DESC, day FETCH FIRST 1 ROW WITH TIES;
SELECT COALESCE(sum(value), 0), GREATEST(count(*), 5), (ARRAY[count(*)])[1], 1 + avg(value)::int * 2 FROM obs;
SELECT string_agg(city || n::text, ',' ORDER BY city) FROM (SELECT city, count(*) AS n FROM patient GROUP BY city) AS s;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n), mode() WITHIN GROUP (ORDER BY n), array_agg(n) FROM (SELECT city, count(*) AS n FROM patient GROUP BY city) AS s;
SELECT city, grouping(city), sum(n) FROM (SELECT city, count(*) AS n FROM patient GROUP BY city) AS s GROUP BY ROLLUP (city) ORDER BY 1;
SELECT (SELECT count(*) FROM patient) - (SELECT count(*) FROM patient WHERE sex = 'f') AS m;
SELECT EXISTS (SELECT FROM obs GROUP BY day HAVING count(*) > 200), ARRAY(SELECT count(*) FROM obs GROUP BY code);
SELECT * FROM (VALUES ((SELECT count(*) FROM obs)), (7)) AS v(n) ORDER BY n;
SELECT city FROM patient GROUP BY city EXCEPT SELECT 'Ulm' ORDER BY 1;
(SELECT 'f' AS what, count(*) FROM patient WHERE sex = 'f' LIMIT 1) UNION ALL (SELECT code, count(*) FROM obs GROUP BY code) ORDER BY 1;
WITH r AS MATERIALIZED (SELECT day, count(*) AS n FROM obs GROUP BY day), t AS (SELECT max(n) AS top FROM r) SELECT (SELECT top FROM t), count(*) FROM r;
WITH RECURSIVE r(i) AS (SELECT count(*) FROM code UNION ALL SELECT i + 1 FROM r WHERE i < (SELECT count(*) / 30 FROM patient)) SELECT count(*) FROM r;
BEGIN; DECLARE c SCROLL CURSOR FOR SELECT city, count(*) FROM patient GROUP BY city ORDER BY city; FETCH ALL FROM c; FETCH BACKWARD 1 FROM c; COMMIT;

-- keys
SELECT sex, sex AS again, count(*) FROM patient GROUP BY sex, sex, 2 ORDER BY 1;
SELECT upper(sex), count(*) FROM patient GROUP BY sex ORDER BY sex;
SELECT extract(year FROM birth)::int / 10 AS decade, count(*) FROM patient GROUP BY extract(year FROM birth) ORDER BY 1 LIMIT 1;
SELECT length(city), count(*) FROM patient GROUP BY length(city) ORDER BY 1;
SELECT 'x' AS k, weight > 60 AS heavy, count(*) FROM patient GROUP BY 1, 2 ORDER BY 2;
SELECT c.display, count(*) FROM obs o JOIN code c USING (code) GROUP BY c.code ORDER BY 1;
SELECT count(*) FROM patient GROUP BY id / 10;
SELECT count(*) FROM patient GROUP BY id % 2;
SELECT count(*) FROM patient GROUP BY CASE WHEN id = 17 THEN 1 END;
SELECT count(*) FROM patient p GROUP BY p;
SELECT count(*) FROM patient GROUP BY ();
SELECT sex, count(*) FROM patient GROUP BY CUBE (sex, city);
SELECT count(*) FROM patient GROUP BY (SELECT max(code) FROM code);
SELECT count(*) FROM patient GROUP BY left(city, 1);
SELECT birth, count(*) FROM patient GROUP BY birth;

-- aggregates
SELECT count(patient_id), count(DISTINCT (patient_id)), avg(value::float8)::int, sum(value::bigint), sum(1), var_pop(value)::int FROM obs;
SELECT count(NULLIF(day, 3)), count(CASE day WHEN 3 THEN 1 END) FROM obs;
SELECT count(NULLIF(city, 'Hof')) FROM patient;
SELECT count(DISTINCT id) FILTER (WHERE city = 'Hof') AS hof, count(DISTINCT id) FILTER (WHERE city = 'Ulm') AS ulm FROM patient;
SELECT count(*) FILTER (WHERE day < 5) - count(*) FILTER (WHERE day < 4) FROM obs;
SELECT count(DISTINCT patient_id::text) FROM obs;
SELECT sum(patient_id), avg(DISTINCT value) FROM obs;
SELECT avg(DISTINCT value) FROM obs;
SELECT corr(value, day) FROM obs;
SELECT bool_or(value > 130) FROM obs;
SELECT bit_or(value) FROM obs;
SELECT rank(100) WITHIN GROUP (ORDER BY value) FROM obs;
SELECT any_sum FROM (SELECT sum(value) OVER (PARTITION BY code) AS any_sum FROM obs) AS s;
SELECT jsonb_object_agg(code, value) FROM obs;
SELECT sum(-value) FROM obs;
SELECT sum(CASE WHEN day = 3 THEN value WHEN day = 4 THEN -value ELSE 0 END) FROM obs;
SELECT sum(value::text::int) FROM obs;
SELECT count((value, day)) FROM obs;
SELECT count(*) FILTER (WHERE patient_id IN (SELECT id FROM patient)) FROM obs;
SELECT count(*) FILTER (WHERE o IS NOT NULL) FROM obs AS o;
SELECT count(*) FILTER (WHERE name = 'p17') FROM patient;

-- for each subject first
SELECT avg(m)::int FROM (SELECT patient_id, max(a) AS m FROM (SELECT patient_id, day, avg(value) AS a FROM obs GROUP BY 1, 2) AS x GROUP BY 1) AS y;
SELECT count(*) FROM (SELECT patient_id, bool_or(value > 130) AS high FROM obs GROUP BY patient_id) AS s WHERE high;
SELECT high, count(*) FROM (SELECT patient_id, count(*) FILTER (WHERE value > 130) > 1 AS high FROM obs GROUP BY patient_id) AS s GROUP BY high;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM obs GROUP BY patient_id HAVING count(*) > 3) AS s;
SELECT max(n) FROM (SELECT patient_id, count(*) AS n FROM obs GROUP BY patient_id) AS s;
SELECT sum(n) FROM (SELECT patient_id, count(*) AS n FROM obs GROUP BY patient_id ORDER BY n DESC LIMIT 20) AS s;
SELECT count(*) FROM (SELECT id, row_number() OVER (ORDER BY birth) AS r FROM patient) AS s WHERE r = 17;
SELECT count(*) FROM (SELECT DISTINCT patient_id, code FROM obs) AS s;
WITH s AS (SELECT patient_id, avg(value) AS a FROM obs GROUP BY 1) SELECT count(*), avg(a)::int FROM patient AS p JOIN (SELECT * FROM s WHERE a > 100) AS x ON x.patient_id = p.id;
WITH t AS (SELECT patient_id FROM obs WHERE value > 130) SELECT count(*) FROM patient WHERE id IN (SELECT patient_id FROM t) AND sex = 'f';

-- joins
SELECT count(*) FROM patient NATURAL JOIN (SELECT patient_id AS id, value FROM obs) AS o;
SELECT count(*) FROM obs AS a JOIN obs AS b USING (patient_id, day);
SELECT count(*), count(o.value) FROM obs AS o RIGHT JOIN patient AS p ON p.id = o.patient_id;
SELECT count(*) FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof';
SELECT count(*), count(o.day), sum(o.value) FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof';
SELECT p.sex, count(*), sum(o.value) FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Ulm' GROUP BY p.sex ORDER BY 1;
SELECT count(*), count(o.value) FROM patient AS p LEFT JOIN obs AS o ON false AND o.patient_id = p.id;
SELECT count(*) FROM patient AS p LEFT JOIN (SELECT patient_id, count(*) AS n FROM obs WHERE value > 138 GROUP BY 1) AS o ON o.patient_id = p.id WHERE o.n IS NULL;
SELECT count(*), count(o.n) FROM patient AS p LEFT JOIN (SELECT patient_id, count(*) AS n FROM obs WHERE value > 130 GROUP BY 1) AS o ON o.patient_id = p.id;
SELECT count(*) FROM (SELECT p.id, o.value FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof') AS s;
SELECT sum(n) FROM (SELECT p.id, count(*) AS n FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof' GROUP BY p.id) AS s;
SELECT sum(w) FROM (SELECT p.id, sum(p.weight) AS w FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof' GROUP BY p.id) AS s;
SELECT sum(n) FROM (SELECT p.id, count(o.value) AS n FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Hof' GROUP BY p.id) AS s;
SELECT sum(n) FROM (SELECT p.id, count(o.value) AS n FROM patient AS p LEFT JOIN obs AS o ON o.patient_id = p.id AND p.city = 'Ulm' GROUP BY p.id) AS s;
SELECT count(*) FROM patient AS p, LATERAL (SELECT count(*) FROM obs AS o WHERE o.patient_id = p.id) AS x;
SELECT count(*) FROM patient AS p CROSS JOIN ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS g;
SELECT count(*) FROM ONLY obs;
SELECT sex, count(*) FROM older GROUP BY sex ORDER BY 1;
SELECT count(*) FROM patient AS p JOIN code AS c ON c.code = 'a' AND p.id > 17;

-- conditions
SELECT count(*) FROM patient WHERE (sex, city) = ('f', 'Ulm');
SELECT count(*) FROM patient WHERE birth BETWEEN SYMMETRIC '1980-01-01' AND '1960-01-01' AND weight IS DISTINCT FROM 60 AND sex = ANY ('{f,m}') AND sex <> ALL (ARRAY['x']);
SELECT count(*) FROM patient WHERE id = ANY (SELECT patient_id FROM obs WHERE value > 130);
SELECT count(*) FROM patient WHERE ROW(sex, city) < ROW('f', 'z');
SELECT count(*) FROM patient WHERE id = ANY (ARRAY(SELECT patient_id FROM obs));
SELECT count(*) FROM patient WHERE id <> ALL (SELECT patient_id FROM obs);
SELECT count(*) FROM patient WHERE (id, sex) IN (SELECT patient_id, 'f' FROM obs);
SELECT count(*) FROM patient WHERE NOT EXISTS (SELECT FROM obs WHERE patient_id = id);
SELECT count(*) FROM obs WHERE day = (SELECT max(day) FROM obs);
SELECT count(*) FROM patient WHERE city ~ 'H.f';
SELECT count(*) FROM patient WHERE random() < 0.5;
SELECT count(*) FROM patient WHERE current_setting('x', true) = city;
SELECT count(*) FROM patient WHERE pg_sleep(0.1) IS NOT NULL;
SELECT count(*) FROM patient WHERE name IS NULL;
SELECT count(*) FROM patient WHERE id::text LIKE '17';
SELECT count(*) FROM patient WHERE COALESCE(weight, id) > 3;
SELECT count(*) FROM patient WHERE hashtext(city) % 2 = 0;
SELECT count(*) FROM patient WHERE xmin::text = '1';
INSERT INTO code SELECT 'x', count(*)::text FROM obs;
WITH d AS (DELETE FROM obs RETURNING value) SELECT count(*) FROM d;
MERGE INTO code USING (SELECT count(*) AS n FROM obs) AS s ON true WHEN MATCHED THEN UPDATE SET display = n::text;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT twin_privacy.unprotect_table(t, 'test ends') FROM unnest('{sh.patient,sh.obs}'::regclass[]) AS t;
DROP OWNED BY sh_analyst;
DROP SCHEMA sh CASCADE;
DROP ROLE sh_analyst, sh_one, sh_two;

-- Releases: what they show, what they refuse, and that they are what they say.
CREATE SCHEMA anon;
CREATE TABLE anon.patient AS
    SELECT i AS id, 20 + i % 60 AS age, (ARRAY['f', 'm'])[1 + i % 2] AS sex,
           date '1950-01-01' + (i * 37 % 20000) AS birth, (ARRAY['Ulm', 'Jena', 'Kiel', 'Bonn', 'Trier'])[1 + i % 5] AS city,
           (ARRAY['flu', 'hiv', 'asthma', 'gout'])[1 + i * 7 / 3 % 4] AS diagnosis
      FROM generate_series(1, 400) AS i;
INSERT INTO anon.patient SELECT 1000 + i, NULL, 'f', NULL, 'Ulm', NULL FROM generate_series(1, 3) AS i;

SELECT j ->> 'k' AS k, j ->> 'rows' AS rows, j ->> 'suppressed' AS suppressed, j ->> 'l_distinct' AS l
  FROM twin_privacy.anonymize('anon.patient', 'anon.release', '{age,sex,birth,city}', 5, 'diagnosis', 2) AS j;
-- nothing but what was named, and no row lost
\d anon.release
SELECT count(*), count(*) FILTER (WHERE diagnosis IS NULL) AS nulls FROM anon.release;
SELECT twin_privacy.k_anonymity('anon.release', '{age,sex,birth,city}') >= 5 AS k_holds,
       (SELECT min(n) >= 2 FROM (SELECT count(DISTINCT coalesce(diagnosis, '')) AS n FROM anon.release GROUP BY age, sex, birth, city) AS c) AS l_holds;
-- an interval, a set, a value, an interval with NULL
SELECT DISTINCT age FROM anon.release ORDER BY age LIMIT 3;
SELECT bool_and(city ~ '^(\w+|\{\w+(, \w+)+\})$') AS cities, bool_and(sex IN ('f', 'm', '{f, m}', '{m, f}')) AS sexes FROM anon.release;
SELECT count(*) >= 5 AS hidden_among FROM anon.release WHERE age LIKE '%NULL%' OR age = 'NULL';
-- every generalised age covers the ages it stands for: nothing is made up
SELECT sum((age = '*')::int) AS stars FROM anon.release;

-- equal input gives equal output
SELECT twin_privacy.anonymize('anon.patient', 'anon.again', '{age,sex,birth,city}', 5, 'diagnosis', 2) ->> 'target' AS target;
SELECT count(*) AS differences FROM (TABLE anon.release EXCEPT ALL TABLE anon.again) AS d;

-- hierarchies
SELECT twin_privacy.import_hierarchy('anon.city_levels', E'Ulm;south;*\nJena;east;*\nKiel;north;*\nBonn;"we;st";*\r\nTrier;"we;st";*\n');
TABLE anon.city_levels;
CREATE TABLE anon.age_levels AS SELECT a::text AS age, (a / 10 * 10) || '-' || (a / 10 * 10 + 9) AS decade, '*' AS all FROM generate_series(0, 99) AS a;
SELECT j ->> 'k' AS k, j -> 'levels' AS levels
  FROM twin_privacy.anonymize('anon.patient', 'anon.global', '{age,city}', 5, options =>
       '{"method": "global", "hierarchies": {"age": "anon.age_levels", "city": "anon.city_levels"}, "suppression": 0.01}') AS j;
SELECT DISTINCT age, city FROM anon.global ORDER BY 1, 2 LIMIT 4;
SELECT j ->> 'k' AS k FROM twin_privacy.anonymize('anon.patient', 'anon.tree', '{age,city}', 30, options =>
       '{"hierarchies": {"age": "anon.age_levels", "city": "anon.city_levels"}}') AS j;
SELECT city, count(*) FROM anon.tree GROUP BY 1 ORDER BY 1;

-- k counts the subjects of a table that has several rows a patient
CREATE TABLE anon.reading AS SELECT i / 10 AS patient, i / 10 / 3 AS room, i AS value FROM generate_series(0, 299) AS i;
SELECT j ->> 'k' AS rows_k FROM twin_privacy.anonymize('anon.reading', 'anon.by_row', '{room}', 20) AS j;
SELECT j ->> 'k' AS subjects_k, j ->> 'subjects' AS subjects
  FROM twin_privacy.anonymize('anon.reading', 'anon.by_subject', '{room}', 5, options => '{"subject": "patient"}') AS j;
SELECT min(length(room)) > 2 AS rooms_merged FROM anon.by_subject;
SELECT j ->> 'k' AS subjects_k FROM twin_privacy.anonymize('anon.reading', 'anon.by_subject2', '{room}', 5,
       options => '{"subject": "patient", "method": "global"}') AS j;

-- the whole table is the last class: when it will not do, there is no release
SELECT twin_privacy.anonymize('anon.patient', 'anon.no', '{age}', 404);
SELECT twin_privacy.anonymize('anon.patient', 'anon.no', '{age}', 404, options => '{"method": "global"}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.no', '{age}', 2, 'diagnosis', 6);
SELECT to_regclass('anon.no') IS NULL AS nothing_half_done;
SELECT j ->> 'rows' AS rows, j ->> 'k' AS k FROM twin_privacy.anonymize('anon.reading', 'anon.some', '{room}', 1) AS j;

-- clear errors
\set VERBOSITY terse
SELECT twin_privacy.anonymize(NULL, 'x', '{age}', 2);
SELECT twin_privacy.anonymize('anon.patient', NULL, '{age}', 2);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', NULL, 2);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', NULL);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 0);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, l => 2);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, 'diagnosis', 0);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, 'diagnosis', t => 1.5);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, 'diagnosis', t => 'NaN');
SELECT twin_privacy.anonymize('anon.patient', 'anon.release', '{age}', 2);
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '{"suppresion": 0.1}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '{"suppression": 0.1}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '{"method": "magic"}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '{"method": "global", "suppression": 2}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '[1]');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{age}', 2, options => '{"hierarchies": {"city": "anon.city_levels"}}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{city}', 2, options => '{"hierarchies": {"city": "anon.age_levels"}}');
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{city}', 2, 'diagnosis', t => 0.5, options => '{"distance": "hierarchical"}');
CREATE TABLE anon.no_tree AS SELECT city, CASE WHEN city < 'K' THEN 'a' ELSE 'b' END AS l1, city AS l2 FROM anon.patient GROUP BY city;
SELECT twin_privacy.anonymize('anon.patient', 'anon.x', '{city}', 2, options => '{"hierarchies": {"city": "anon.no_tree"}}');
SELECT twin_privacy.import_hierarchy('anon.h', '');
SELECT twin_privacy.import_hierarchy('anon.h', E'a;b\nc');
SELECT twin_privacy.import_hierarchy('anon.h', 'a;"b');
SELECT twin_privacy.import_hierarchy('anon.h', 'a;b', '');
SELECT twin_privacy.import_hierarchy('anon.h', E'a;b\na;c');

SET client_min_messages = warning;
DROP SCHEMA anon CASCADE;

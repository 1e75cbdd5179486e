-- Private uses: what leaves is noisy, bounded, and paid for.
CREATE SCHEMA noise;
CREATE TABLE noise.patient (id int PRIMARY KEY, name text, sex text NOT NULL, city text NOT NULL, weight numeric);
INSERT INTO noise.patient SELECT i, 'p' || i, (ARRAY['f', 'm'])[1 + i % 2], (ARRAY['Ulm', 'Jena', 'Kiel'])[1 + i % 3], 50 + i % 40 FROM generate_series(1, 600) AS i;
-- three patients live elsewhere; one weighs no number, one nothing known
UPDATE noise.patient SET city = 'Hof' WHERE id <= 3;
UPDATE noise.patient SET weight = 'NaN' WHERE id = 10;
UPDATE noise.patient SET weight = NULL WHERE id = 11;
CREATE TABLE noise.obs (patient_id int NOT NULL, code text NOT NULL, value int NOT NULL, reading float8);
INSERT INTO noise.obs SELECT 1 + i % 600, (ARRAY['glucose', 'hb1ac'])[1 + i / 600 % 2], 80 + i * 7 % 60, 5 + i % 10 FROM generate_series(0, 5999) AS i;
-- one patient has more rows than all others together, with values beyond all bounds
INSERT INTO noise.obs SELECT 600, 'glucose', 2000000000, (ARRAY['Infinity', '-Infinity', 'NaN', '1e300'])[1 + i % 4]::float8 FROM generate_series(1, 20000) AS i;
-- more people in a group than rows wait at once
CREATE TABLE noise.many (patient_id int NOT NULL, half boolean NOT NULL, value float8 NOT NULL);
INSERT INTO noise.many SELECT 1 + i::bigint * 7919 % 20000, i % 2 = 0, i % 10 FROM generate_series(0, 59999) AS i;
CREATE TABLE noise.codes (code text PRIMARY KEY, display text);
INSERT INTO noise.codes VALUES ('glucose', 'Glucose'), ('hb1ac', 'HbA1c');
CREATE TABLE noise.part (id int, patient_id int NOT NULL, v int) PARTITION BY RANGE (id);
CREATE TABLE noise.part_1 PARTITION OF noise.part FOR VALUES FROM (0) TO (300);
CREATE TABLE noise.part_2 PARTITION OF noise.part FOR VALUES FROM (300) TO (1000);
INSERT INTO noise.part SELECT i, i, 1 FROM generate_series(1, 600) AS i;

-- what was loaded before the tables were protected is counted when the server likes: now
SELECT pg_stat_force_next_flush();

CREATE ROLE noise_officer1 LOGIN; CREATE ROLE noise_officer2 LOGIN; CREATE ROLE noise_analyst LOGIN; CREATE ROLE noise_outsider LOGIN;
GRANT twin_privacy_admin, twin_privacy_officer, twin_privacy_registrar TO noise_officer1, noise_officer2;
GRANT USAGE, CREATE ON SCHEMA noise TO noise_analyst, noise_outsider;
GRANT SELECT ON ALL TABLES IN SCHEMA noise TO noise_analyst;
SELECT twin_privacy.protect_table(t::regclass, s, 'laboratory') FROM (VALUES ('noise.patient', 'id'), ('noise.obs', 'patient_id'), ('noise.part', 'patient_id'), ('noise.many', 'patient_id')) AS v(t, s);
SELECT twin_privacy.label_column('noise.patient', 'name', 'kind=identifier, mask=redact');
SELECT twin_privacy.label_column('noise.patient', 'weight', 'kind=plain, bounds=30:130');
SELECT twin_privacy.label_column('noise.obs', 'value', 'kind=plain, bounds=0:200');
SELECT twin_privacy.label_column('noise.many', 'value', 'kind=plain, bounds=0:10');
SELECT twin_privacy.label_column('noise.obs', 'reading', 'kind=plain, bounds=0:20.5');

-- labels of bounds
\set VERBOSITY terse
SELECT twin_privacy.label_column('noise.obs', 'value', 'bounds=200:0');
SELECT twin_privacy.label_column('noise.obs', 'value', 'bounds=0:1e300');
SELECT twin_privacy.label_column('noise.obs', 'value', 'bounds=nan:1');
SELECT twin_privacy.label_column('noise.obs', 'value', 'bounds=5');
SELECT twin_privacy.label_column('noise.obs', 'code', 'bounds=0:1');
\set VERBOSITY default

SET SESSION AUTHORIZATION noise_officer1;
SELECT twin_privacy.propose_use(u, purpose => 'HRESCH', recipient => 'university', categories => '{laboratory}', disclosure => 'private', epsilon => e, basis => 'public_health')
FROM (VALUES ('NOISY', 100), ('SMALL', 1), ('OTHER', 1)) AS v(u, e);
SET SESSION AUTHORIZATION noise_officer2;
SELECT twin_privacy.approve_use(u) FROM unnest('{NOISY,SMALL,OTHER}'::text[]) AS u;
SELECT twin_privacy.grant_use(u, r) FROM unnest('{NOISY,SMALL}'::text[]) AS u, unnest('{noise_analyst,noise_outsider}'::name[]) AS r;
SET SESSION AUTHORIZATION noise_analyst;
-- everybody sees their own budgets
SELECT use_code, epsilon, spent, "left", queries FROM twin_privacy.privacy_budget ORDER BY use_code;
SET twin_privacy.use = 'NOISY';
SET twin_privacy.query_epsilon = 2;
SET twin_privacy.max_rows_per_subject = 10;
SET twin_privacy.max_groups_per_subject = 2;

-- near enough: seven times the error at 95 % is 21 scales, passed once in a billion runs
\set near '(SELECT CASE WHEN count(*) > 0 AND bool_and(abs(v.noisy - v.truth) <= 7 * n.error) THEN ''near'' ELSE ''far: '' || string_agg(v::text || n::text, '' '') END FROM twin_privacy.last_noise() AS n, (VALUES (:noisy::float8, :truth::float8)) AS v(noisy, truth) WHERE n.figure = :''figure'')'

-- counts: the patient of 20010 rows counts as ten
SELECT count(*) AS noisy FROM noise.obs \gset
\set truth 6000
\set figure noisy
SELECT :near AS all_rows;
SELECT group_key, figure, scale, round(error::numeric, 3) AS error, confidence FROM twin_privacy.last_noise();
SELECT count(DISTINCT patient_id) AS noisy FROM noise.obs \gset
\set truth 600
SELECT :near AS subjects;
-- sums of what lies within bounds, of the patient's share of it, too
SELECT sum(value) AS noisy FROM noise.obs \gset
\set truth 657000
SELECT :near AS total;
SELECT avg(value) AS noisy FROM noise.obs \gset
\set truth 109.6
SELECT :near AS mean;
SELECT avg(weight) AS noisy, count(weight) AS known, count(*) AS everybody FROM noise.patient \gset
\set truth 69.4
SELECT :near AS mean_weight, abs(:known - :everybody) < 100 AS counted;
SELECT stddev(weight) AS noisy FROM noise.patient \gset
\set truth 11.5
SELECT :near AS deviation;
SELECT var_pop(weight) AS noisy FROM noise.patient \gset
\set truth 133
SELECT :near AS variance;
-- infinities and what is no number count as missing; 1e300 is 20.5
SELECT sum(reading) AS noisy, count(*) FILTER (WHERE value > 100) AS above FROM noise.obs \gset
\set truth 57005
SELECT :near AS readings;
SELECT sum(CASE WHEN value > 100 THEN 1 ELSE 0 END) AS noisy FROM noise.obs \gset
\set truth 3900
SELECT :near AS cases;
SELECT sum(LEAST(value, 5)) AS noisy FROM noise.obs \gset
\set truth 30000
SELECT :near AS narrowed;
-- per patient first: no cap is needed, each counts once
SELECT avg(m) AS noisy FROM (SELECT patient_id, max(value) AS m FROM noise.obs WHERE value < 1000 GROUP BY patient_id) AS s \gset
\set truth 109.4
SELECT :near AS mean_of_maxima;
WITH s AS (SELECT patient_id, count(*) AS n FROM noise.obs GROUP BY patient_id)
SELECT avg(LEAST(GREATEST(n, 0), 30)) AS noisy FROM s JOIN noise.patient p ON p.id = s.patient_id WHERE p.sex = 'f' \gset
\set truth 10
SELECT :near AS rows_each;
SELECT sum(value) AS noisy FROM noise.many \gset
\set truth 270000
SELECT :near AS sum_of_many;
SELECT count(DISTINCT patient_id) AS noisy FROM noise.many \gset
\set truth 20000
SELECT :near AS many;
SELECT half, abs(count(*) - 30000) < 1000 AS rows, abs(sum(value) - CASE WHEN half THEN 120000 ELSE 150000 END) < 10000 AS total FROM noise.many GROUP BY half ORDER BY half;
-- nothing else says how many rows there are
BEGIN;
SELECT seq_tup_read AS before FROM pg_stat_xact_user_tables WHERE relid = 'noise.patient'::regclass \gset
SELECT abs(count(*) - 600) < 1000 AS near FROM noise.patient WHERE city <> 'Nowhere';
SELECT seq_tup_read - :before AS read FROM pg_stat_xact_user_tables WHERE relid = 'noise.patient'::regclass;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM noise.patient WHERE city <> 'Nobody''s';
ROLLBACK;
-- groups: Hof has three patients and stays hidden
SELECT city FROM noise.patient GROUP BY city ORDER BY city;
SELECT sex, count(*) BETWEEN 200 AND 400 AS plausible FROM noise.patient GROUP BY sex HAVING count(*) > 20 ORDER BY count(*) > 0, sex LIMIT 5;
SELECT c.display, sum(count(*)) OVER () BETWEEN 5000 AND 7000 AS plausible FROM noise.obs o JOIN noise.codes c ON c.code = o.code GROUP BY c.display ORDER BY 1;
SELECT count(*) BETWEEN 500 AND 700 AS partitioned FROM noise.part;
SELECT 'all' AS what, count(*) > 0 AS some FROM noise.obs UNION ALL SELECT sex, count(*) > 0 FROM noise.patient GROUP BY sex ORDER BY 1;

-- histograms: all buckets show, those of nobody, too, and cost no delta; what is no number is in none
SELECT delta_spent AS before FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY' \gset
SELECT width_bucket(reading, 0, 20, 5) AS bucket, count(*) > 500 AS many FROM noise.obs GROUP BY 1 ORDER BY 1;
SELECT width_bucket(weight, 50, 90, 4) AS bucket, count(*) > 75 AS many FROM noise.patient GROUP BY 1 ORDER BY 1;
SELECT value > 100 AS high, count(*) > 1000 AS many FROM noise.obs GROUP BY 1 ORDER BY 1;
-- so do the values that a label lists, and no others
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.label_column('noise.patient', 'city', 'values=Ulm|Hof|Bonn|Ulm');
SET SESSION AUTHORIZATION noise_analyst;
SELECT city, count(*) > 100 AS many FROM noise.patient GROUP BY 1 ORDER BY 1;
SELECT sex, city, count(*) > 50 AS many FROM noise.patient GROUP BY 1, 2 ORDER BY 1, 2;
SELECT round((delta_spent - :before) * 1e9) AS grouped_by_unknown_keys FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY';
\set VERBOSITY terse
SELECT width_bucket(reading, 0, 0, 5), count(*) FROM noise.obs GROUP BY 1;
SELECT width_bucket(reading, 0, value, 5), count(*) FROM noise.obs GROUP BY 1;
\set VERBOSITY default

-- quantiles: a bin near the place asked for
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) BETWEEN 100 AND 120 AS median, percentile_cont(0.9) WITHIN GROUP (ORDER BY value) BETWEEN 125 AND 140 AS high FROM noise.obs;
SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY weight) BETWEEN 55 AND 65 AS quarter FROM noise.patient WHERE sex = 'f';
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY LEAST(GREATEST(n, 0), 100)) BETWEEN 8 AND 12 AS rows_each FROM (SELECT patient_id, count(*) AS n FROM noise.obs GROUP BY patient_id) AS s;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) BETWEEN 0 AND 200 AS nobody FROM noise.obs WHERE value > 100000000 AND value < 0;
-- of groups: those of keys from the data show above a threshold, for delta; those that are known all show
SELECT spent, delta_spent FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY' \gset before_
SELECT code, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) BETWEEN 90 AND 130 AS middle, percentile_disc(1) WITHIN GROUP (ORDER BY value) > 100 AS high FROM noise.obs GROUP BY code ORDER BY code;
SELECT round((spent - :before_spent)::numeric, 6) AS epsilon, round((delta_spent - :before_delta_spent) * 1e9) AS delta FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY';
SELECT spent, delta_spent FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY' \gset before_
SELECT city, median BETWEEN 60 AND 80 OR city <> 'Ulm' AS middle FROM (SELECT city, percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) AS median FROM noise.patient GROUP BY city) AS s ORDER BY city;
SELECT group_key, figure, scale > 0 AS scaled FROM twin_privacy.last_noise() ORDER BY 1;
SELECT round((spent - :before_spent)::numeric, 6) AS epsilon, round((delta_spent - :before_delta_spent) * 1e9) AS delta FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY';
SELECT sex, width_bucket(weight, 0, 200, 2) AS half, percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) BETWEEN 0 AND 200 AS middle FROM noise.patient GROUP BY 1, 2 HAVING percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) >= 0 ORDER BY 1, 2;
\set VERBOSITY terse
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value), count(*) FROM noise.obs;
SELECT percentile_cont(ARRAY[0.5]) WITHIN GROUP (ORDER BY value) FROM noise.obs;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY length(code)) FROM noise.obs;
SELECT mode() WITHIN GROUP (ORDER BY value) FROM noise.obs;
\set VERBOSITY default

-- a question asked again is answered again, for nothing, however it is written
SELECT count(*) AS first FROM noise.obs WHERE code = 'glucose' \gset
SELECT spent AS before FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY' \gset
SELECT count(*) = :first AS same FROM noise.obs WHERE code = 'glucose';
select Count( * ) = :first AS same from noise . obs as o where o.code='glucose';
PREPARE ask(text) AS SELECT count(*) AS n FROM noise.obs WHERE code = $1;
EXECUTE ask('glucose') \gset
SELECT :n = :first AS same;
SET plan_cache_mode = force_generic_plan;
EXECUTE ask('glucose') \gset
SELECT :n = :first AS same;
RESET plan_cache_mode;
-- and however often a plan wants it
WITH r AS NOT MATERIALIZED (SELECT count(*) AS n FROM noise.obs WHERE code = 'glucose') SELECT count(DISTINCT x.n) AS answers, min(x.n) = :first AS same FROM (SELECT n FROM r UNION ALL SELECT n FROM r) AS x;
SET enable_material = off;
SELECT count(DISTINCT s.n) AS answers FROM generate_series(1, 100) AS g JOIN (SELECT count(*) AS n FROM noise.obs WHERE code = 'glucose') AS s ON s.n + g > 0;
RESET enable_material;
SELECT count(DISTINCT (SELECT count(*) FROM noise.obs WHERE code = 'glucose')) AS answers FROM generate_series(1, 100);
SELECT spent - :before AS cost FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY';
-- other data costs, and other settings
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
DELETE FROM noise.obs WHERE patient_id = 17;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION noise_analyst;
SELECT count(*) >= 0 AS asked FROM noise.obs WHERE code = 'glucose';
SET twin_privacy.query_epsilon = 1;
SELECT count(*) >= 0 AS asked FROM noise.obs WHERE code = 'glucose';
SELECT spent - :before AS cost FROM twin_privacy.privacy_budget WHERE use_code = 'NOISY';

-- nothing is refunded: not by ROLLBACK, not by savepoints, not for errors
SET twin_privacy.use = 'SMALL';
SET twin_privacy.query_epsilon = 0.2;
BEGIN;
SELECT count(*) > -1000 AS asked FROM noise.obs;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT count(*) > -1000 AS asked FROM noise.obs;
ROLLBACK TO s;
COMMIT;
SELECT 1 / (count(*) - count(*)) FROM noise.patient;
BEGIN READ ONLY;
SELECT count(*) > -1000 AS asked FROM noise.obs;
COMMIT;
SELECT use_code, spent, "left", queries FROM twin_privacy.privacy_budget WHERE use_code = 'SMALL';
-- the last of it, and then no more, but for what was answered before
SELECT count(*) AS last FROM noise.part \gset
SELECT count(*) FROM noise.patient;
SELECT count(*) = :last AS same FROM noise.part;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT sum(value) FROM noise.obs;
ROLLBACK;
SELECT use_code, spent, "left", queries FROM twin_privacy.privacy_budget WHERE use_code = 'SMALL';

-- who may not read the table gets no answer to it, not even an old one
SET SESSION AUTHORIZATION noise_outsider;
SET twin_privacy.use = 'SMALL';
SELECT count(*) FROM noise.part;

-- what is refused, and why
SET SESSION AUTHORIZATION noise_analyst;
SET twin_privacy.use = 'NOISY';
\set VERBOSITY terse
SELECT * FROM noise.obs;
SELECT max(value) FROM noise.obs;
SELECT array_agg(value) FROM noise.obs;
SELECT sum(LEAST(patient_id, 5)) FROM noise.obs;
SELECT sum(LEAST(length(code), 5)) FROM noise.obs;
SELECT sum(patient_id) FROM noise.obs;
SELECT count(*) FROM noise.obs WHERE patient_id = 17;
SELECT patient_id, count(*) FROM noise.obs GROUP BY patient_id;
SELECT name, count(*) FROM noise.patient GROUP BY name;
SELECT count(DISTINCT code) FROM noise.obs;
SELECT count(*) FROM noise.obs WHERE 1 / (value - 100) > 0;
SELECT code, count(*), (SELECT count(*) FROM noise.patient) FROM noise.obs GROUP BY code;
SELECT count(*) FROM noise.obs LIMIT (SELECT count(*) FROM noise.patient);
SELECT count(*) FROM noise.obs o WHERE value > (SELECT avg(value) FROM noise.obs i WHERE i.code = o.code);
SELECT code, count(*) FROM noise.obs GROUP BY ROLLUP (code);
SELECT count(*) FROM noise.obs a JOIN noise.obs b ON a.value = b.value;
SELECT count(*) FROM noise.obs, generate_series(1, 3);
SELECT twin_privacy_internal.private_release('', '');
CREATE TABLE noise.taken AS SELECT count(*) FROM noise.obs;
COPY noise.obs TO STDOUT;
UPDATE noise.obs SET value = 1;
\set VERBOSITY default
EXPLAIN (COSTS OFF) SELECT city, count(*) FROM noise.patient GROUP BY city;

-- the ledger has the charges
RESET SESSION AUTHORIZATION;
SELECT use_code, purpose, form, tables, outcome, count(*) > 0 AS some FROM twin_privacy.disclosures WHERE use_code = 'SMALL' AND outcome = 'done' GROUP BY 1, 2, 3, 4, 5 ORDER BY 4;
-- the account is nobody's to change
UPDATE twin_privacy_internal.privacy_account SET epsilon_spent = 0;
SET client_min_messages = warning;
SELECT twin_privacy.unprotect_table(t, 'test ends') FROM unnest('{noise.part,noise.patient,noise.obs}'::regclass[]) AS t;
DROP SCHEMA noise CASCADE;
DROP ROLE noise_analyst, noise_outsider, noise_officer1, noise_officer2;

-- A query over protected tables answers as the same query over a copy of what may be seen:
-- masks, rows and hidden cells are decided before anything else of the query.
\set SHOW_CONTEXT never
CREATE ROLE eq_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eq_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE eq_reader LOGIN;
CREATE SCHEMA eq;
CREATE SCHEMA eq_shadow;
GRANT USAGE, CREATE ON SCHEMA eq, eq_shadow TO eq_reader;
CREATE TABLE eq.patient (id int PRIMARY KEY, name text, zip varchar(10), born date, sex char(1), extra text);
CREATE TABLE eq.lab (id int PRIMARY KEY, patient_id int REFERENCES eq.patient, value numeric, n int, gene text, at timestamp, labels text[]);
CREATE TABLE eq.item (id int, lab_id int REFERENCES eq.lab, v int, note text);
CREATE TABLE eq.stream (patient_id int, day int, v float8) PARTITION BY RANGE (day);
CREATE TABLE eq.stream_1 PARTITION OF eq.stream FOR VALUES FROM (0) TO (5);
CREATE TABLE eq.stream_2 PARTITION OF eq.stream FOR VALUES FROM (5) TO (10);
CREATE TABLE eq.free (id int, t text);
INSERT INTO eq.patient SELECT i, 'name ' || i % 17, lpad((i * 7919 % 100000)::text, 5, '0'), date '1930-01-01' + i * 97, CASE WHEN i % 2 = 0 THEN 'f' ELSE 'm' END, nullif('x' || i % 5, 'x0')
  FROM generate_series(1, 60) i;
INSERT INTO eq.lab SELECT i, 1 + i * 31 % 60, (i * 37 % 1000) / 10.0, i * 53 % 100, nullif('ACGT' || i % 9, 'ACGT0'), timestamp '2026-01-01' + i * interval '7 hours', CASE i % 11 WHEN 0 THEN '{PSY}'::text[] WHEN 1 THEN '{N}' WHEN 2 THEN '{ODD}' END
  FROM generate_series(1, 240) i;
INSERT INTO eq.item SELECT i, 1 + i * 17 % 240, i % 13, 'note ' || i % 7 FROM generate_series(1, 300) i;
INSERT INTO eq.stream SELECT 1 + i % 60, i % 10, i / 4.0 FROM generate_series(1, 300) i;
INSERT INTO eq.free SELECT i, 'free ' || i FROM generate_series(1, 70) i;
CREATE INDEX ON eq.lab (n);
CREATE INDEX ON eq.lab (patient_id);
CREATE INDEX ON eq.patient (name);
CREATE INDEX ON eq.stream (day);
GRANT SELECT ON ALL TABLES IN SCHEMA eq TO eq_reader;
ANALYZE;
SELECT t, twin_privacy.protect_table(('eq.' || t)::regclass, p, c, label_column => l) FROM (VALUES ('patient', 'id', 'demographics', NULL), ('lab', 'patient_id', 'laboratory', 'labels'),
    ('item', 'lab_id -> eq.lab(id).patient_id', 'laboratory', NULL), ('stream', 'patient_id', 'vital_signs', NULL)) AS x(t, p, c, l);
SELECT count(twin_privacy.label_column(('eq.' || t)::regclass, c, l)::text) FROM (VALUES ('patient', 'name'::name, 'category=identity, kind=identifier, mask=redact'), ('patient', 'zip', 'kind=quasi, mask=zip3'),
    ('patient', 'born', 'kind=quasi, mask=year'), ('patient', 'sex', 'kind=plain'), ('lab', 'id', 'kind=plain'), ('lab', 'value', 'kind=quasi, mask=round:5'), ('lab', 'n', 'category=vital_signs, kind=quasi, mask=band:10'),
    ('lab', 'gene', 'category=genomics, kind=identifier, mask=partial:1:1'), ('lab', 'at', 'kind=quasi, mask=month'), ('item', 'id', 'kind=plain'), ('item', 'lab_id', 'kind=plain'), ('item', 'v', 'kind=plain'),
    ('item', 'note', 'category=identity, kind=identifier, mask=partial:2:0'), ('stream', 'day', 'kind=plain'), ('stream', 'v', 'kind=quasi, mask=band:2.5')) AS x(t, c, l);
SELECT count(twin_privacy.record_consent(p::text, 'permit', 'HRESCH', categories => CASE p % 4 WHEN 0 THEN '{demographics,laboratory}'::text[] WHEN 1 THEN '{demographics,laboratory,vital_signs,identity}' WHEN 2 THEN '{laboratory,genomics,mental_health}' END))
  FROM generate_series(1, 50) p;
SET SESSION AUTHORIZATION eq_one;
SELECT code, twin_privacy.propose_use(code, 'HRESCH', 'uni', '{demographics,laboratory,vital_signs,identity,genomics,mental_health}', f, valid => '(,)', export => true)
  FROM (VALUES ('EQ-CLEAR', 'identified'), ('EQ-MASKED', 'pseudonymised')) u(code, f);
SET SESSION AUTHORIZATION eq_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'eq_reader') FROM unnest('{EQ-CLEAR,EQ-MASKED}'::text[]) AS code;

RESET SESSION AUTHORIZATION;
CREATE TABLE eq_shadow.query (n serial, sql text);
INSERT INTO eq_shadow.query (sql) VALUES
('SELECT * FROM patient'), ('SELECT * FROM lab'), ('SELECT * FROM item'), ('SELECT * FROM stream'), ('TABLE patient'), ('SELECT p FROM patient p'), ('SELECT p.*, p FROM patient p'),
('SELECT id, name || zip FROM patient'), ('SELECT count(*), count(name), count(extra), count(DISTINCT zip) FROM patient'), ('SELECT to_jsonb(p) FROM patient p'), ('SELECT row_to_json(l) FROM lab l'), ('SELECT l::text FROM lab l'),
('SELECT zip, count(*) FROM patient GROUP BY zip'), ('SELECT zip, born, count(*) FROM patient GROUP BY GROUPING SETS ((zip), (born), ())'), ('SELECT extract(year FROM born) AS y, count(*) FROM patient GROUP BY 1 HAVING count(*) > 1'),
('SELECT id, count(*) FROM patient GROUP BY id'), ('SELECT DISTINCT name, sex FROM patient'), ('SELECT DISTINCT ON (sex) sex, zip FROM patient ORDER BY sex, zip'), ('SELECT id FROM lab ORDER BY n, id LIMIT 7'), ('SELECT id FROM lab ORDER BY n DESC NULLS LAST, id OFFSET 3 FETCH FIRST 5 ROWS WITH TIES'),
('SELECT id FROM lab WHERE n = 50'), ('SELECT id FROM lab WHERE n BETWEEN 11 AND 49'), ('SELECT id FROM lab WHERE n IS NULL'), ('SELECT id FROM lab WHERE n IS NOT DISTINCT FROM NULL'), ('SELECT id FROM lab WHERE gene LIKE ''A%'''), ('SELECT id FROM lab WHERE gene > ''A***1'' COLLATE "C"'),
('SELECT id FROM lab WHERE gene = ANY (ARRAY[''A***3'', ''ACGT3''])'), ('SELECT id FROM lab WHERE at < ''2026-02-15'''), ('SELECT id FROM lab WHERE value % 5 = 0 AND n > 10 OR gene IS NULL'), ('SELECT id FROM lab WHERE (n, value) < (40, 50)'), ('SELECT id FROM lab WHERE NOT (n > 50)'),
('SELECT id FROM lab WHERE coalesce(n, -1) = -1'), ('SELECT id, CASE WHEN n > 50 THEN gene ELSE at::text END FROM lab'), ('SELECT id, labels FROM lab'), ('SELECT tableoid IS NULL FROM stream'),
('SELECT p.name, l.value FROM patient p JOIN lab l ON l.patient_id = p.id'), ('SELECT p.sex, sum(l.n) FROM patient p JOIN lab l ON l.patient_id = p.id GROUP BY p.sex'), ('SELECT l.id, i.note FROM lab l JOIN item i ON i.lab_id = l.id'), ('SELECT a.id, b.id FROM lab a JOIN lab b ON a.n = b.n AND a.id < b.id'), ('SELECT a.id, b.id FROM patient a JOIN patient b USING (zip)'),
('SELECT * FROM patient NATURAL JOIN free'), ('SELECT f.id, p.name, p FROM free f LEFT JOIN patient p USING (id)'), ('SELECT f.id, l.n, l.id IS NULL FROM free f LEFT JOIN lab l ON l.id = f.id AND l.n > 20'), ('SELECT p.id, f.t FROM patient p RIGHT JOIN free f ON f.id = p.id'), ('SELECT p.name, f.t FROM patient p FULL JOIN free f USING (id)'),
('SELECT f.id, p.name, l.gene FROM free f LEFT JOIN (patient p LEFT JOIN lab l ON l.patient_id = p.id) ON p.id = f.id'), ('SELECT f.id FROM free f LEFT JOIN lab l ON l.id = f.id WHERE l.gene IS NULL'), ('SELECT f.id, x FROM free f LEFT JOIN LATERAL (SELECT max(n) AS x, count(*) FROM lab l WHERE l.id < f.id) y ON true'),
('SELECT f.id, x.* FROM free f, LATERAL (SELECT l.gene, l.n FROM lab l WHERE l.id = f.id) x'), ('SELECT f.id FROM free f WHERE EXISTS (SELECT FROM lab l WHERE l.id = f.id AND l.n > 20)'), ('SELECT f.id FROM free f WHERE NOT EXISTS (SELECT FROM lab l WHERE l.id = f.id AND l.n > 20)'), ('SELECT f.id FROM free f WHERE f.id IN (SELECT n FROM lab)'),
('SELECT f.id FROM free f WHERE f.id NOT IN (SELECT n FROM lab WHERE n IS NOT NULL)'), ('SELECT f.id FROM free f WHERE f.id > ALL (SELECT n FROM lab WHERE n < 30)'), ('SELECT f.id, (SELECT gene FROM lab l WHERE l.id = f.id) FROM free f'), ('SELECT f.id, ARRAY(SELECT n FROM lab l WHERE l.id % 10 = f.id ORDER BY l.id) FROM free f'),
('SELECT id, rank() OVER (PARTITION BY sex ORDER BY born), lag(zip) OVER (ORDER BY id) FROM patient'), ('SELECT id, sum(n) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM lab'), ('SELECT patient_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FROM lab GROUP BY patient_id'),
('SELECT array_agg(gene ORDER BY id), string_agg(DISTINCT gene, '','' ORDER BY gene), sum(n) FILTER (WHERE value > 50) FROM lab'), ('SELECT (array_agg(l ORDER BY id))[1:2] FROM lab l'), ('SELECT jsonb_agg(p ORDER BY p.sex, p.zip, p.born) FROM patient p'),
('SELECT name FROM patient UNION SELECT note FROM item'), ('SELECT zip FROM patient EXCEPT ALL SELECT zip FROM patient WHERE sex = ''f'''), ('SELECT n FROM lab INTERSECT SELECT v FROM item'), ('SELECT id, n FROM lab UNION ALL SELECT day, v::int FROM stream'),
('WITH w AS (SELECT * FROM lab WHERE n > 30) SELECT a.id, b.gene FROM w a JOIN w b USING (id)'), ('WITH w AS MATERIALIZED (SELECT gene, count(*) AS c FROM lab GROUP BY gene) SELECT * FROM w WHERE c > 1'), ('WITH RECURSIVE r AS (SELECT id, n, 1 AS depth FROM lab WHERE id = 3 UNION ALL SELECT l.id, l.n, depth + 1 FROM lab l JOIN r ON l.id = r.id + 3 WHERE depth < 20) SELECT * FROM r'),
('SELECT day, count(*), sum(v) FROM stream GROUP BY day'), ('SELECT * FROM stream WHERE day = 7'), ('SELECT * FROM stream_2'), ('SELECT * FROM ONLY stream_1 WHERE v > 20'), ('SELECT a.day, count(*) FROM stream a JOIN stream b USING (patient_id, day) GROUP BY 1'), ('SELECT s.v, l.n FROM stream s JOIN lab l ON l.n = s.v::int'),
('SELECT x.id FROM (SELECT * FROM lab OFFSET 0) x WHERE x.n > 50'), ('SELECT x.a, x.b FROM (SELECT id AS a, upper(gene) AS b FROM lab) x WHERE x.b LIKE ''A%'''), ('SELECT (SELECT count(*) FROM lab l WHERE l.patient_id = p.id), p.sex FROM patient p'), ('SELECT l.id FROM lab l TABLESAMPLE BERNOULLI (100)'),
('SELECT g, l.gene FROM generate_series(1, 20) g LEFT JOIN lab l ON l.id = g AND l.gene IS NOT NULL'), ('SELECT l.id, unnest(coalesce(l.labels, ''{none}'')) FROM lab l'), ('SELECT min(gene COLLATE "C"), max(at), bool_or(n > 90), avg(value) FROM lab'), ('SELECT q.sex, q.y FROM (SELECT sex, extract(year FROM born) AS y FROM patient) q GROUP BY q.sex, q.y'),
('SELECT i.id, l.gene, p.zip FROM item i JOIN lab l ON l.id = i.lab_id JOIN patient p ON p.id = l.patient_id WHERE i.v > 6'), ('SELECT p.zip, l.id FROM patient p, lab l WHERE p.id = l.patient_id AND p.born < ''1940-01-01'' AND l.value > 20'), ('SELECT 1 FROM patient WHERE name = ''name 5'''), ('SELECT 1 FROM patient WHERE name = ''REDACTED'''),
('SELECT width_bucket(n, 0, 100, 5), count(*) FROM lab GROUP BY 1'), ('SELECT corr(n, value::float8) IS NULL, regr_count(n, value::float8) FROM lab'), ('SELECT hashtext(gene), md5(at::text) FROM lab'), ('SELECT id FROM lab WHERE id IN (1, 2, 3, 4, 5) ORDER BY id FOR UPDATE'), ('VALUES ((SELECT max(n) FROM lab)), ((SELECT min(n) FROM lab))');
GRANT SELECT ON eq_shadow.query TO eq_reader;

-- An answer without its order, as a digest; an error's words when it has none.
CREATE FUNCTION eq_shadow.answer(place text, sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('search_path', place || ', pg_catalog', true);
    EXECUTE 'SELECT count(*) || '' rows '' || coalesce(md5(string_agg(r::text, E''\n'' ORDER BY r::text)), '''') FROM (' ||
        replace(sql, ' FOR UPDATE', '') || ') AS r' INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;

CREATE FUNCTION eq_shadow.copy(use text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text;
BEGIN
    PERFORM set_config('twin_privacy.use', use, false);
    SET LOCAL client_min_messages = warning;
    FOREACH t IN ARRAY '{patient,lab,item,stream,stream_1,stream_2}'::text[] LOOP
        EXECUTE format('DROP TABLE IF EXISTS eq_shadow.%I', t);
        EXECUTE format('CREATE TABLE eq_shadow.%I AS SELECT * FROM eq.%I', t, t);
        EXECUTE format('ANALYZE eq_shadow.%I', t);
    END LOOP;
    DROP TABLE IF EXISTS eq_shadow.free;
    CREATE TABLE eq_shadow.free AS SELECT * FROM eq.free;
END $$;
CREATE FUNCTION eq_shadow.difference(OUT n int, OUT sql text, OUT protected text, OUT copy text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM (SELECT q.n, q.sql, eq_shadow.answer('eq', q.sql), eq_shadow.answer('eq_shadow', q.sql) FROM eq_shadow.query q OFFSET 0) x(n, sql, protected, copy)
        WHERE x.protected IS DISTINCT FROM x.copy ORDER BY 1;
END $$;

-- the copy: what each use shows of each table; compared under each use, with other plans too
SET SESSION AUTHORIZATION eq_reader;
SELECT eq_shadow.copy('EQ-MASKED');
SELECT count(*), count(name), count(extra) FROM eq_shadow.patient;
SELECT count(*), count(n), count(gene), count(DISTINCT gene) FROM eq_shadow.lab;
SELECT count(*), count(note) FROM eq_shadow.item;
SELECT count(*) AS queries, count(*) FILTER (WHERE eq_shadow.answer('eq', sql) ~ '^\d+ rows \w') AS answered FROM eq_shadow.query;
SELECT * FROM eq_shadow.difference();
SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off;
SELECT * FROM eq_shadow.difference();
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_mergejoin = off; SET enable_hashagg = off;
SELECT * FROM eq_shadow.difference();
RESET ALL;
SET jit = off; SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on; SET enable_nestloop = off; SET enable_sort = off;
SELECT eq_shadow.copy('EQ-CLEAR');
SELECT count(*), count(name), count(extra) FROM eq_shadow.patient;
SELECT * FROM eq_shadow.difference();
RESET ALL;
SELECT eq_shadow.copy('EQ-CLEAR');
SELECT * FROM eq_shadow.difference();
-- and a difference would be seen
SELECT count(*) > 60 AS many FROM (SELECT set_config('twin_privacy.use', 'EQ-MASKED', false)) s, LATERAL (SELECT * FROM eq_shadow.difference() OFFSET 0) d;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA eq, eq_shadow CASCADE;
DROP ROLE eq_one, eq_two, eq_reader;

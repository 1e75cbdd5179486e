-- The type pseudonym: text, binary, typmod, comparison, indexes, joins.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION crypto_vectors;
RESET client_min_messages;

-- text form: Crockford base 32 and a check character; fixed vectors, computed apart from this code
CREATE TABLE form (n int, p twin_privacy.pseudonym);
INSERT INTO form VALUES
    (1, '0000000G0080000000000000000000000000$'),
    (2, '0ZZZZZZQZZZZZZZZZZZZZZZZZZZZZZZZZZZZ2');
SELECT n, p, twin_privacy.pseudonym_send(p) FROM form ORDER BY n;
-- lower case, hyphens, and the letters people confuse
SELECT '0000-000G-0080-0000-0000-0000-0000-0000-0000-$'::twin_privacy.pseudonym = p AS hyphens,
       'ooooooogoo8ooooooooooooooooooooooooo$'::twin_privacy.pseudonym = p AS letters
  FROM form WHERE n = 1;
-- not a pseudonym
SELECT ''::twin_privacy.pseudonym;
SELECT '0000000G00800000000000000000000000003'::twin_privacy.pseudonym;  -- check
SELECT '000000G0080000000000000000000000000$'::twin_privacy.pseudonym;   -- length
SELECT '0000000G0080000000000000000000000000$$'::twin_privacy.pseudonym;
SELECT 'U000000G0080000000000000000000000000$'::twin_privacy.pseudonym;  -- check character only
SELECT '2000000G0080000000000000000000000000$'::twin_privacy.pseudonym;  -- beyond 176 bits
SELECT '0000000000000000000000000000000000000'::twin_privacy.pseudonym;  -- domain 0
SELECT 'Max Mustermann'::twin_privacy.pseudonym;                         -- not repeated in the message
\set VERBOSITY default
SELECT 'Max Mustermann'::twin_privacy.pseudonym;
\set VERBOSITY terse

-- every single wrong character and every exchange of two is found
CREATE TABLE sample AS
SELECT twin_privacy.pseudonym_send(p) AS bytes, p::text AS t FROM form WHERE n = 2;
CREATE FUNCTION pg_temp.accepts(t text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM t::twin_privacy.pseudonym;
    RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;
SELECT twin_privacy.create_pseudonym_domain('TYPE-A'), twin_privacy.create_pseudonym_domain('TYPE-B');
CREATE TABLE texts AS SELECT twin_privacy.pseudonymize('TYPE-A', i)::text AS t FROM generate_series(1, 3) i;
SELECT count(*) > 3000 AS many, count(*) FILTER (WHERE pg_temp.accepts(changed)) AS accepted
  FROM (SELECT overlay(t placing c from i for 1) AS changed, t FROM texts, generate_series(1, 37) i,
               regexp_split_to_table('0123456789ABCDEFGHJKMNPQRSTVWXYZ', '') c) AS single WHERE changed <> t;
SELECT count(*) > 1000 AS many, count(*) FILTER (WHERE pg_temp.accepts(changed)) AS accepted
  FROM (SELECT overlay(overlay(t placing substr(t, i, 1) from j for 1) placing substr(t, j, 1) from i for 1) AS changed, t
          FROM texts, generate_series(1, 36) i, generate_series(1, 36) j WHERE i < j) AS exchange WHERE changed <> t;

-- text and binary turn round; COPY BINARY
CREATE TABLE a (p twin_privacy.pseudonym('TYPE-A') PRIMARY KEY, i int);
INSERT INTO a SELECT twin_privacy.pseudonymize('TYPE-A', i), i FROM generate_series(1, 2000) i;
SELECT count(*) FROM a WHERE p::text::twin_privacy.pseudonym = p AND length(p::text) = 37 AND length(twin_privacy.pseudonym_send(p)) = 22;
CREATE TABLE b (p twin_privacy.pseudonym('TYPE-B') PRIMARY KEY, i int);
INSERT INTO b SELECT twin_privacy.pseudonymize('TYPE-B', i), i FROM generate_series(1, 2000) i;

-- typmod: only that domain, on every way in
\d a
SELECT format_type('twin_privacy.pseudonym'::regtype, NULL), pg_typeof(p) FROM a LIMIT 1;
INSERT INTO a SELECT p, i FROM b LIMIT 1;
INSERT INTO a SELECT p::text::twin_privacy.pseudonym, i FROM b LIMIT 1;
SELECT p::twin_privacy.pseudonym('TYPE-A') FROM b LIMIT 1;
CREATE TABLE c (p twin_privacy.pseudonym('TYPE-A', 'TYPE-B'));
CREATE TABLE c (p twin_privacy.pseudonym(''));
CREATE TABLE c (p twin_privacy.pseudonym('#0'));
CREATE TABLE c (p twin_privacy.pseudonym('NOT-YET'));
INSERT INTO c SELECT p FROM a LIMIT 1;
\d c

-- comparing columns of two domains is refused before anything is read, whatever the join
SELECT * FROM a, b WHERE a.p = b.p;
SELECT * FROM a JOIN b USING (p);
SELECT * FROM a WHERE p IN (SELECT p FROM b);
SELECT * FROM a WHERE EXISTS (SELECT FROM b WHERE b.p = a.p);
SELECT * FROM a, b WHERE a.p < b.p;
EXPLAIN SELECT * FROM a, b WHERE a.p <> b.p;
-- where the types do not tell, they are never equal
SELECT count(*) FROM (SELECT p::text::twin_privacy.pseudonym AS p FROM a) x JOIN (SELECT p::text::twin_privacy.pseudonym AS p FROM b) y USING (p);
SELECT count(*) FROM (SELECT p::text::twin_privacy.pseudonym AS p FROM a UNION SELECT p FROM b) u;

-- the way the joins may go, all with one answer
-- (two tables: 18 knows that a join of one with itself by its key is no join)
CREATE TABLE a2 (LIKE a INCLUDING ALL);
INSERT INTO a2 TABLE a;
SET enable_nestloop = off; SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM a x JOIN a2 y USING (p);
SELECT count(*) FROM a x JOIN a2 y USING (p);
SET enable_mergejoin = on; SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM a x JOIN a2 y USING (p);
SELECT count(*) FROM a x JOIN a2 y USING (p);
SET enable_mergejoin = off; SET enable_nestloop = on;
SELECT count(*) FROM a x JOIN a2 y USING (p);
RESET enable_mergejoin; RESET enable_hashjoin; RESET enable_nestloop;
SELECT count(*), count(DISTINCT p), min(length(p::text)) FROM a;
SELECT count(*) FROM (SELECT p FROM a GROUP BY p) g;

-- sorting with abbreviated keys agrees with comparing
SELECT bool_and(ok) FROM (SELECT lag(p) OVER (ORDER BY p) < p IS NOT FALSE AS ok FROM a) o;
SELECT bool_and(ok) FROM (SELECT lag(p) OVER (ORDER BY p DESC) > p IS NOT FALSE AS ok FROM a) o;
-- order tells nothing of the source: as good as none of the neighbours stay neighbours
SELECT count(*) FILTER (WHERE step = 1) < 20 AS no_order FROM (SELECT i - lag(i) OVER (ORDER BY p) AS step FROM a) s;

-- statistics, hash index, foreign key, partitions, unique
ANALYZE a, a2;
SELECT n_distinct, correlation BETWEEN -0.2 AND 0.2 AS uncorrelated FROM pg_stats WHERE tablename = 'a' AND attname = 'p';
-- (how many rows the planner expects, as a share of the truth)
CREATE FUNCTION pg_temp.expected(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
CREATE TABLE skewed AS SELECT p FROM a UNION ALL SELECT (SELECT p FROM a WHERE i = 1) FROM generate_series(1, 2000);
ANALYZE skewed;
SELECT p AS common FROM skewed GROUP BY p HAVING count(*) > 1000 \gset
SELECT p AS rare FROM a WHERE i = 2 \gset
SELECT p AS middle FROM a ORDER BY p OFFSET 1000 LIMIT 1 \gset
SELECT pg_temp.expected(format('SELECT FROM skewed WHERE p = %L', :'common')) BETWEEN 1900 AND 2100 AS common,
       pg_temp.expected(format('SELECT FROM skewed WHERE p = %L', :'rare')) < 5 AS rare,
       pg_temp.expected(format('SELECT FROM a WHERE p < %L', :'middle')) BETWEEN 900 AND 1100 AS half,
       pg_temp.expected('SELECT FROM a JOIN a2 USING (p)') BETWEEN 1500 AND 2500 AS joined,
       pg_temp.expected('SELECT p FROM skewed GROUP BY p') BETWEEN 1800 AND 2200 AS groups;
CREATE INDEX a_hash ON a USING hash (p);
CREATE TABLE child (p twin_privacy.pseudonym('TYPE-A') REFERENCES a, n int);
INSERT INTO child SELECT p, 1 FROM a LIMIT 10;
INSERT INTO child SELECT twin_privacy.pseudonymize('TYPE-A', 0), 1;
INSERT INTO a SELECT p, i FROM a LIMIT 1;
CREATE TABLE parts (p twin_privacy.pseudonym('TYPE-A'), i int) PARTITION BY HASH (p);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT p, i FROM a;
SELECT count(*) FROM parts p JOIN a USING (p);
SELECT count(*) > 800 AS balanced FROM parts_0;
-- (one partition is left for one value)
CREATE FUNCTION pg_temp.scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN (SELECT count(*) FROM regexp_matches(plan::text, 'Relation Name', 'g'));
END $$;
SELECT pg_temp.scans(format('SELECT FROM parts WHERE p = %L', :'rare')) AS one, pg_temp.scans('SELECT FROM parts') AS all;
CREATE TABLE lists (p twin_privacy.pseudonym('TYPE-A'), i int) PARTITION BY LIST (p);
DO $$ BEGIN EXECUTE format('CREATE TABLE lists_rare PARTITION OF lists FOR VALUES IN (%L)', (SELECT p FROM a WHERE i = 2)); END $$;
CREATE TABLE lists_rest PARTITION OF lists DEFAULT;
INSERT INTO lists SELECT p, i FROM a;
SELECT (SELECT count(*) FROM lists_rare) AS rare, (SELECT count(*) FROM lists_rest) AS rest, pg_temp.scans(format('SELECT FROM lists WHERE p = %L', :'rare')) AS one;
CREATE TABLE ranges (p twin_privacy.pseudonym) PARTITION BY RANGE (p);
CREATE TABLE ranges_all PARTITION OF ranges FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
INSERT INTO ranges SELECT p FROM a;
SELECT count(*) FROM ranges;

-- parallel plans
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM a x JOIN parts y USING (p) WHERE x.p < y.p OR x.p = y.p;
SELECT count(*) FROM a x JOIN parts y USING (p) WHERE x.p < y.p OR x.p = y.p;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET enable_indexonlyscan;

DROP TABLE a, b, c, child, lists, skewed, parts, ranges, form, sample, texts;

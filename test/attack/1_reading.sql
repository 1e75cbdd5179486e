--! everybody analyst:RES owner:RES doc:CARE bypass:RES super:RES super:CARE nobody:none

--! attack plain_alias_star
SELECT * FROM clinic.patient;
SELECT p.* FROM clinic.patient AS p;
SELECT a, b, c FROM clinic.patient AS p (a, b, c);
TABLE clinic.patient;
SELECT * FROM clinic.lab_order, clinic.result, clinic.visit, clinic.base, clinic.diary LIMIT 5000;

--! attack whole_rows
SELECT p FROM clinic.patient p;
SELECT (p).name, (p).genome, p.* FROM clinic.patient p;
SELECT p::text, row(p.*), row(p), ARRAY[p], array_agg(p) OVER () FROM clinic.patient p;
SELECT name(p) FROM clinic.patient p;
SELECT v, v.tableoid::regclass FROM clinic.visit v;
SELECT b FROM clinic.base b;
SELECT d, d::clinic.base FROM clinic.derived d;
SELECT x.* FROM (SELECT (p).* FROM clinic.patient p) x;
SELECT count(DISTINCT p), min(p::text), max(p::text) FROM clinic.patient p;

--! attack json_and_arrays
SELECT row_to_json(p), to_jsonb(p), json_build_object('a', p), jsonb_build_array(p) FROM clinic.patient p;
SELECT json_agg(p), jsonb_object_agg(p.id, p), array_to_json(array_agg(p)), string_agg(p::text, ',') FROM clinic.patient p;
SELECT jsonb_path_query(to_jsonb(p), '$.*') FROM clinic.patient p;
SELECT jsonb_populate_record(p, '{}') FROM clinic.patient p;
SELECT (jsonb_populate_record(NULL::clinic.patient, to_jsonb(p))).genome FROM clinic.patient p;

--! attack xml_builders
SELECT xmlforest(p.name, p.genome, p.birth), xmlelement(name e, xmlattributes(p.name), p.secret) FROM clinic.patient p;

--! attack system_columns
SELECT ctid, xmin, xmax, cmin, cmax, tableoid, * FROM clinic.patient;
SELECT * FROM clinic.patient WHERE ctid = '(0,4)';
SELECT * FROM clinic.patient WHERE ctid IN ('(0,4)', '(0,5)') AND tableoid = 'clinic.patient'::regclass;
SELECT * FROM clinic.patient WHERE ctid > '(0,0)';

--! attack ctes_and_recursion
WITH p AS (SELECT * FROM clinic.patient) SELECT * FROM p;
WITH p AS MATERIALIZED (SELECT * FROM clinic.patient) SELECT * FROM p, clinic.patient q WHERE q.id = p.id;
WITH p AS NOT MATERIALIZED (SELECT p.* FROM clinic.patient p) SELECT p FROM p;
WITH RECURSIVE r AS (SELECT id, name, 1 AS n FROM clinic.patient UNION ALL SELECT p.id, r.name || p.name, n + 1 FROM r JOIN clinic.patient p USING (id) WHERE n < 3) SELECT * FROM r;
WITH RECURSIVE r AS (SELECT p FROM clinic.patient p UNION SELECT p FROM r) SELECT * FROM r;

--! attack lateral_and_sublinks
SELECT * FROM generate_series(1, 2) g, LATERAL (SELECT p.*, g FROM clinic.patient p) x;
SELECT (SELECT max(genome) FROM clinic.patient), ARRAY(SELECT name FROM clinic.patient), (SELECT p FROM clinic.patient p ORDER BY secret DESC LIMIT 1);
SELECT * FROM clinic.patient p WHERE EXISTS (SELECT 1 FROM clinic.lab_order o WHERE o.patient_id = p.id AND o.price > 1000);
SELECT * FROM clinic.patient p WHERE id IN (SELECT patient_id FROM clinic.lab_order) OR name = ANY (SELECT name FROM clinic.patient);
SELECT * FROM clinic.lab_order o, LATERAL (SELECT p, o.code FROM clinic.patient p WHERE p.id = o.patient_id OFFSET 0) x;
SELECT x.* FROM clinic.lab_order o, LATERAL (VALUES (o.code, o.price, o::text)) x;
SELECT (SELECT o2.price + o.price FROM clinic.lab_order o2 WHERE o2.ctid = o.ctid) FROM clinic.lab_order o;

--! attack set_operations
SELECT name, genome FROM clinic.patient UNION SELECT code, price::text FROM clinic.lab_order;
SELECT * FROM clinic.patient EXCEPT SELECT * FROM clinic.patient WHERE false;
(SELECT p FROM clinic.patient p) INTERSECT ALL (SELECT p FROM clinic.patient p);
SELECT name FROM (SELECT name FROM clinic.patient UNION ALL SELECT name FROM clinic.patient) u WHERE name LIKE 'C%' OR name LIKE 'I%';
SELECT * FROM (SELECT id, note FROM clinic.visit UNION ALL SELECT id, note FROM clinic.base) u WHERE id > 0 ORDER BY id LIMIT 100;

--! attack outer_joins
SELECT * FROM clinic.patient p FULL JOIN clinic.lab_order o ON o.patient_id = p.id FULL JOIN clinic.result r ON r.order_id = o.id;
SELECT p, o, r FROM clinic.patient p LEFT JOIN clinic.lab_order o ON o.patient_id = p.id AND o.price > 0 RIGHT JOIN clinic.result r ON true;
SELECT * FROM (clinic.patient p NATURAL JOIN clinic.patient q) JOIN clinic.diary d ON d.patient_id = id;
SELECT j FROM (clinic.lab_order o JOIN clinic.visit v USING (patient_id)) j;
SELECT j.*, patient_id FROM (clinic.lab_order o FULL JOIN clinic.visit v USING (patient_id)) AS j;

--! attack aggregates_windows_groups
SELECT first_value(name) OVER w, lag(genome) OVER w, array_agg(secret) OVER w FROM clinic.patient WINDOW w AS (ORDER BY secret DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
SELECT DISTINCT ON (sex) * FROM clinic.patient ORDER BY sex, secret DESC;
SELECT name, birth, max(genome), grouping(name) FROM clinic.patient GROUP BY GROUPING SETS ((name), (birth), ()) HAVING max(secret) > 0;
SELECT id, name, genome FROM clinic.patient GROUP BY id;
SELECT count(*), max(secret), min(birth), max(id), sum(secret), mode() WITHIN GROUP (ORDER BY name), percentile_disc(0.99) WITHIN GROUP (ORDER BY secret) FROM clinic.patient;
SELECT max(price), min(price), max(code) FROM clinic.lab_order;

--! attack order_by_and_limit_by_hidden
SELECT name FROM clinic.patient ORDER BY genome DESC LIMIT 1;
SELECT id FROM clinic.lab_order ORDER BY price DESC FETCH FIRST 1 ROWS WITH TIES;

--! attack tablesample
SELECT * FROM clinic.patient TABLESAMPLE SYSTEM (100);
SELECT p FROM clinic.patient p TABLESAMPLE BERNOULLI (100) REPEATABLE (1);
SELECT * FROM clinic.visit TABLESAMPLE BERNOULLI ((SELECT 100));

--! attack row_locks
SELECT * FROM clinic.patient FOR UPDATE;
SELECT p FROM clinic.patient p FOR SHARE SKIP LOCKED;
SELECT * FROM clinic.visit FOR KEY SHARE;
SELECT * FROM clinic.lab_order o, clinic.patient p WHERE p.id = o.patient_id FOR NO KEY UPDATE OF o;
SELECT * FROM (SELECT * FROM clinic.patient FOR UPDATE) x;

--! attack cursors
DECLARE c SCROLL CURSOR FOR SELECT p, p.* FROM clinic.patient p;
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c; MOVE FIRST FROM c; FETCH ABSOLUTE 4 FROM c;
DECLARE d CURSOR WITH HOLD FOR SELECT * FROM clinic.lab_order;
FETCH ALL FROM d;
DECLARE e BINARY CURSOR FOR SELECT name, genome FROM clinic.patient;
FETCH ALL FROM e;

--! attack cursor_with_hold_after_commit
BEGIN;
DECLARE d CURSOR WITH HOLD FOR SELECT p, p.* FROM clinic.patient p;
COMMIT;
FETCH ALL FROM d;
--! commit

--! attack copy_out
COPY clinic.patient TO STDOUT;
COPY clinic.patient (name, genome) TO STDOUT (FORMAT csv, HEADER);
COPY clinic.visit_1 TO STDOUT (FORMAT binary);
COPY (SELECT * FROM clinic.patient) TO STDOUT;
COPY (TABLE clinic.visit) TO STDOUT;
COPY clinic.base TO STDOUT;
COPY clinic.derived TO STDOUT;
COPY (DELETE FROM clinic.diary RETURNING left(body, 20)) TO STDOUT;
\copy clinic.lab_order to stdout

--! attack prepared_generic_plans
SET plan_cache_mode = force_generic_plan;
PREPARE p(int) AS SELECT * FROM clinic.patient WHERE secret > $1;
EXECUTE p(0); EXECUTE p(100);
PREPARE q AS SELECT p FROM clinic.patient p;
EXECUTE q; EXECUTE q;
EXPLAIN (ANALYZE, VERBOSE) EXECUTE q;

--! attack sql_functions
CREATE FUNCTION lair.f() RETURNS SETOF clinic.patient LANGUAGE sql STABLE AS 'SELECT * FROM clinic.patient';
CREATE FUNCTION lair.g() RETURNS text LANGUAGE sql STABLE AS 'SELECT string_agg(p::text, '','') FROM clinic.patient p';
CREATE FUNCTION lair.h(clinic.patient) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.name || $1.genome || $1.secret';
CREATE FUNCTION lair.i() RETURNS TABLE (n text, g text) LANGUAGE sql STABLE AS 'SELECT name, genome FROM clinic.patient';
SELECT * FROM lair.f(); SELECT lair.f(); SELECT lair.g(); SELECT lair.h(p) FROM clinic.patient p; SELECT * FROM lair.i() WHERE n > ' ';
SELECT f.* FROM generate_series(1, 2), LATERAL lair.f() f;

--! attack begin_atomic_functions
CREATE FUNCTION lair.f() RETURNS SETOF clinic.patient LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM clinic.patient; END;
CREATE FUNCTION lair.g() RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT max(price) FROM clinic.lab_order; END;
CREATE FUNCTION lair.h() RETURNS text LANGUAGE sql STABLE RETURN (SELECT string_agg(name || genome, ',') FROM clinic.patient);
SELECT * FROM lair.f(); SELECT lair.g(); SELECT lair.h();

--! attack plpgsql_and_dynamic_sql
CREATE FUNCTION lair.f() RETURNS SETOF clinic.patient LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT * FROM clinic.patient; RETURN QUERY EXECUTE 'SELECT * FROM clinic.patient'; END$$;
SELECT * FROM lair.f();
DO $$DECLARE r clinic.patient; BEGIN FOR r IN SELECT * FROM clinic.patient LOOP RAISE NOTICE '%', r; END LOOP; END$$;
DO $$DECLARE r clinic.patient; BEGIN SELECT p.* INTO r FROM clinic.patient p ORDER BY secret DESC LIMIT 1; RAISE NOTICE '%', r; END$$;
DO $$DECLARE t text; BEGIN EXECUTE 'SELECT string_agg(p::text, '','') FROM clinic.patient p' INTO t; RAISE LOG '%', t; RAISE NOTICE '%', t; END$$;
DO $$DECLARE t text; BEGIN t := (SELECT string_agg(code || price, ',') FROM clinic.lab_order); RAISE EXCEPTION '%', t; END$$;
DO $$BEGIN PERFORM 1 / 0 FROM clinic.patient WHERE genome > ''; EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'FOUND'; END$$;

--! attack security_definer_lends_nothing
SELECT * FROM lair.definer(); SELECT lair.definer_use(); SELECT lair.definer_role();
--! as analyst:RES analyst:none nobody:none
--! before
CREATE FUNCTION lair.definer() RETURNS SETOF clinic.patient LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM clinic.patient';
CREATE FUNCTION lair.definer_use() RETURNS SETOF clinic.patient LANGUAGE sql SECURITY DEFINER SET twin_privacy.use = 'CARE2' AS 'SELECT * FROM clinic.patient';
CREATE FUNCTION lair.definer_role() RETURNS SETOF clinic.patient LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN PERFORM twin_privacy.bind_use('CARE2', 'x'); RETURN QUERY SELECT * FROM clinic.patient; END$$;
ALTER FUNCTION lair.definer OWNER TO att_owner; ALTER FUNCTION lair.definer_role OWNER TO att_super;
--! after
DROP FUNCTION lair.definer, lair.definer_use, lair.definer_role;

--! attack views
SELECT * FROM lair.v_owner; SELECT * FROM lair.v_invoker; SELECT * FROM lair.v_barrier; SELECT v FROM lair.v_owner v;
SELECT * FROM lair.v_join WHERE price > 10; SELECT * FROM lair.v_super;
COPY (SELECT * FROM lair.v_super) TO STDOUT;
UPDATE lair.v_owner SET sex = sex RETURNING *;
--! before
CREATE VIEW lair.v_owner AS SELECT * FROM clinic.patient; ALTER VIEW lair.v_owner OWNER TO att_owner;
CREATE VIEW lair.v_super AS SELECT * FROM clinic.patient; ALTER VIEW lair.v_super OWNER TO att_super;
CREATE VIEW lair.v_invoker WITH (security_invoker) AS SELECT * FROM clinic.patient;
CREATE VIEW lair.v_barrier WITH (security_barrier) AS SELECT p, p.* FROM clinic.patient p WHERE secret > 0;
CREATE VIEW lair.v_join AS SELECT p.name, o.* FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id; ALTER VIEW lair.v_join OWNER TO att_bypass;
GRANT ALL ON ALL TABLES IN SCHEMA lair TO PUBLIC;
--! after
DROP VIEW lair.v_owner, lair.v_super, lair.v_invoker, lair.v_barrier, lair.v_join;

--! attack rules_on_own_tables
CREATE TABLE lair.bait (x int);
CREATE RULE r AS ON INSERT TO lair.bait DO ALSO SELECT * FROM clinic.patient;
CREATE RULE i AS ON UPDATE TO lair.bait DO INSTEAD SELECT p FROM clinic.patient p;
INSERT INTO lair.bait VALUES (1);
UPDATE lair.bait SET x = 2;
CREATE VIEW lair.select_rule AS SELECT 1;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO lair.select_rule DO INSTEAD SELECT name::text = '' AND false AS "?column?" FROM clinic.patient;

--! attack materialized_views
CREATE MATERIALIZED VIEW lair.m AS SELECT * FROM clinic.patient;
SELECT * FROM lair.m;
CREATE MATERIALIZED VIEW lair.m2 AS SELECT * FROM clinic.patient WITH NO DATA;
REFRESH MATERIALIZED VIEW lair.m2;
SELECT * FROM lair.m2;

--! attack parallel_plans
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET force_parallel_mode = on;
SELECT * FROM clinic.patient;
SELECT count(*), max(price) FROM clinic.lab_order;
SELECT p, o FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id;
SELECT * FROM clinic.visit; SELECT * FROM clinic.result;
EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM clinic.patient;

--! attack jit
SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;
SELECT p, p.* FROM clinic.patient p WHERE secret > 0;

--! attack join_methods
SET enable_hashjoin = off; SET enable_mergejoin = off;
SELECT * FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id JOIN clinic.result r ON r.order_id = o.id;
SET enable_nestloop = off; SET enable_mergejoin = on;
SELECT * FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id JOIN clinic.visit v ON v.patient_id = o.patient_id;
SET enable_hashjoin = on; SET enable_mergejoin = off; SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on;
SELECT v.*, w.* FROM clinic.visit v JOIN clinic.visit w USING (id);
SELECT id, max(bill), max(note) FROM clinic.visit GROUP BY id;

--! attack index_paths
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT * FROM clinic.patient WHERE id > 0;
SELECT id FROM clinic.patient ORDER BY id DESC;
SELECT id FROM clinic.lab_order WHERE id IN (3, 4, 5);
SELECT * FROM clinic.lab_order WHERE id = 4;

--! attack partitions_and_children_direct
SELECT * FROM clinic.visit_1; SELECT v FROM clinic.visit_2 v; SELECT * FROM ONLY clinic.visit;
SELECT * FROM ONLY clinic.base; SELECT * FROM clinic.derived; SELECT d.deep FROM clinic.derived d; SELECT * FROM clinic.base*;

--! attack row_labels
SELECT note, bill FROM clinic.visit WHERE labels = '{R}';
SELECT * FROM clinic.visit WHERE id = 3;
SELECT * FROM clinic.visit_2 WHERE id = 103;
--! canary CNRY|8675309

--! attack user_aggregate
CREATE FUNCTION lair.step(text, text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'step %', $2; RETURN $2; END$$;
CREATE AGGREGATE lair.agg(text) (SFUNC = lair.step, STYPE = text);
SELECT lair.agg(name), lair.agg(genome), lair.agg(secret::text), lair.agg(birth::text) FROM clinic.patient;
SELECT lair.agg(code), lair.agg(price::text) FROM clinic.lab_order;

--! attack composite_comparison_bisection
SELECT 'GUE' || 'SSED' FROM clinic.patient p WHERE (p.*) > (0, 'CN' || 'RX', NULL, NULL, NULL, NULL, NULL, NULL) AND p.genome LIKE 'C%';
SELECT 'GUE' || 'SSED' FROM clinic.lab_order WHERE price BETWEEN 8675308 AND 8675310;
SELECT 'GUE' || 'SSED' FROM clinic.patient WHERE genome BETWEEN 'CM' AND 'CO';
--! canary GUESSED

--! attack inferred_from_joins_on_raw_values
CREATE TABLE lair.dict (name text, birth date, zip text, id bigint);
INSERT INTO lair.dict SELECT 'IDN' || 'Tname' || n, date '1971-01-01' + 221 + n, '9021' || n, 550000000 * 10::bigint + n FROM generate_series(1, 3) n;
SELECT 'GUE' || 'SSED' FROM clinic.patient p JOIN lair.dict d USING (name);
SELECT 'GUE' || 'SSED' FROM clinic.patient p JOIN lair.dict d USING (birth);
SELECT 'GUE' || 'SSED' FROM clinic.patient p JOIN lair.dict d USING (zip);
SELECT 'GUE' || 'SSED' FROM clinic.patient p JOIN lair.dict d USING (id);
SELECT 'GUE' || 'SSED' FROM clinic.lab_order o JOIN lair.dict d ON d.id = o.patient_id;
--! canary GUESSED
--! as analyst:RES owner:RES super:RES

--! attack composite_type_column_functions
CREATE TYPE lair.pair AS (a clinic.patient, b text);
SELECT row(p, 'x')::lair.pair, (row(p, 'x')::lair.pair).a.genome FROM clinic.patient p;
SELECT (array_agg(p))[1].genome FROM clinic.patient p;

--! attack temp_views_and_shadowing
CREATE TEMP VIEW patient AS SELECT * FROM clinic.patient;
SELECT * FROM patient;
SET search_path = pg_temp, clinic;
SELECT * FROM patient; SELECT * FROM lab_order;

--! attack crosstab_like_queries_in_functions
SELECT * FROM query_to_xml('SELECT * FROM clinic.lab_order', true, false, '');
SELECT cursor_to_xmlschema('c', false, false, '');
SELECT * FROM pg_get_keywords() LIMIT 1;

--! attack big_tables_by_every_scan
EXPLAIN SELECT * FROM lair.big;
SELECT count(*), count(DISTINCT a), min(a), max(a), sum(n) FROM lair.big;
SELECT DISTINCT left(a, 8) FROM lair.big;
SELECT DISTINCT left(b::text, 9) FROM lair.big b, generate_series(1, 3);
SELECT DISTINCT left(b.a, 8), left(c.a, 8) FROM lair.big b JOIN lair.big c USING (n) WHERE c.n < 2000;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
SELECT DISTINCT left(b.a, 8) FROM generate_series(1, 3) g, LATERAL (SELECT * FROM lair.big WHERE n % 3 = g % 3 OFFSET 0) b;
SELECT DISTINCT left(a, 8) FROM lair.big TABLESAMPLE SYSTEM (90);
SELECT DISTINCT left(a, 8) FROM (SELECT * FROM lair.big FOR UPDATE) x;
SELECT DISTINCT left(a, 8) FROM lair.big WHERE ctid > '(3,0)';
SET enable_seqscan = off;
SELECT DISTINCT left(a, 8) FROM lair.big WHERE n > 100;
SELECT DISTINCT left(a, 8) FROM lair.big ORDER BY 1;
SET enable_indexscan = off;
SELECT DISTINCT left(a, 8) FROM lair.big WHERE n BETWEEN 100 AND 2000;
SET enable_seqscan = on; SET enable_bitmapscan = off;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT DISTINCT left(a, 8) FROM lair.big;
SELECT count(*), left(a, 8) FROM lair.big GROUP BY 2;
DECLARE c SCROLL CURSOR FOR SELECT left(a, 8) FROM lair.big;
FETCH 3 FROM c; FETCH LAST FROM c; FETCH BACKWARD 20 FROM c; FETCH ABSOLUTE 1500 FROM c;
--! before
CREATE TABLE lair.big (n int PRIMARY KEY, id bigint, a text);
INSERT INTO lair.big SELECT n, CASE n % 3 WHEN 1 THEN 5500000001 WHEN 2 THEN 5500000002 ELSE 7700000004 END, CASE n % 3 WHEN 0 THEN 'CNRYbig' ELSE 'IDNTbig' END || n FROM generate_series(1, 3000) n;
GRANT ALL ON lair.big TO PUBLIC;
SELECT twin_privacy.protect_table('lair.big', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.big', 'n', 'kind=plain') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.big', 'a', 'kind=identifier,mask=partial:0:0') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ANALYZE lair.big;
--! after
DROP TABLE lair.big;

--! attack table_builders
SELECT x.* FROM clinic.patient p, XMLTABLE('/r' PASSING xmlelement(name r, xmlforest(p.genome, p.name)) COLUMNS g text PATH 'genome', n text PATH 'name') x;
SELECT * FROM clinic.patient p, json_to_record(row_to_json(p)) AS x(genome text, secret text, name text);
SELECT * FROM clinic.patient p, jsonb_each_text(to_jsonb(p));
SELECT * FROM clinic.patient p, ROWS FROM (unnest(ARRAY[p.genome, p.name]), jsonb_object_keys(to_jsonb(p)), regexp_split_to_table(p::text, ',')) WITH ORDINALITY;
SELECT query_to_xml_and_xmlschema('SELECT * FROM clinic.patient', true, false, ''), table_to_xml_and_xmlschema('clinic.patient', true, false, ''), schema_to_xml_and_xmlschema('clinic', true, false, '');
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', genome || name) FROM clinic.patient');
SELECT * FROM json_populate_recordset(NULL::clinic.patient, (SELECT json_agg(p) FROM clinic.patient p));
SELECT unnest(array_agg(p)), (unnest(array_agg(p))).* FROM clinic.patient p;
SELECT * FROM pg_get_keywords(), LATERAL (SELECT string_agg(genome, '') FROM clinic.patient WHERE word > '') x LIMIT 2;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack search_cycle_windows_frames
WITH RECURSIVE r(id, name, genome) AS (SELECT id, name, genome FROM clinic.patient UNION ALL SELECT p.id, p.name, p.genome FROM r JOIN clinic.patient p ON p.id > r.id) SEARCH DEPTH FIRST BY name, genome SET o CYCLE genome, id SET c USING path SELECT * FROM r;
WITH RECURSIVE r AS (SELECT p FROM clinic.patient p UNION ALL SELECT r.p FROM r WHERE false) SEARCH BREADTH FIRST BY p SET o SELECT * FROM r;
SELECT array_agg(p) OVER (ORDER BY secret RANGE BETWEEN 1 PRECEDING AND 100000000 FOLLOWING EXCLUDE CURRENT ROW), last_value(p.genome) OVER (PARTITION BY sex ORDER BY genome GROUPS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), ntile(3) OVER (ORDER BY genome) FROM clinic.patient p;
SELECT string_agg(genome, ',') FILTER (WHERE genome > 'A'), string_agg(DISTINCT genome, ','), array_agg(name ORDER BY genome), rank(8675308) WITHIN GROUP (ORDER BY secret) FROM clinic.patient;
SELECT genome, name, grouping(genome, name), count(*) FROM clinic.patient GROUP BY CUBE (genome, name), ROLLUP (sex);
SELECT DISTINCT ON (genome) genome, name FROM clinic.patient ORDER BY genome DESC, name FETCH FIRST 3 ROWS WITH TIES;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack probes_of_places
SELECT currtid2('clinic.patient', '(0,4)'), pg_column_size(genome), pg_column_compression(genome), pg_column_size(p) FROM clinic.patient p;
SELECT left(body, 20), pg_column_size(body) FROM clinic.diary WHERE ctid = ANY (ARRAY(SELECT format('(%s,%s)', a, b)::tid FROM generate_series(0, 3) a, generate_series(1, 12) b));
SELECT left(body, 20) FROM clinic.diary WHERE tableoid = 'clinic.diary'::regclass AND xmin::text <> '' AND cmin::text <> '';
SELECT left(body, 20) FROM clinic.diary WHERE ctid BETWEEN '(0,1)' AND '(3,100)' FOR UPDATE;
DECLARE c CURSOR FOR SELECT left(body, 20) FROM clinic.diary FOR UPDATE;
FETCH 2 FROM c;
UPDATE clinic.diary SET body = body WHERE CURRENT OF c RETURNING left(body, 20);
FETCH ALL FROM c;
--! as doc:CARE owner:CARE bypass:CARE super:CARE

--! attack explain_variants
EXPLAIN (ANALYZE, VERBOSE, COSTS, SETTINGS, BUFFERS, WAL, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n < 40;
EXPLAIN (ANALYZE, VERBOSE, BUFFERS, FORMAT JSON, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n < 40;
EXPLAIN (ANALYZE, VERBOSE, BUFFERS, FORMAT XML, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big b JOIN lair.big c USING (n) WHERE n < 40;
EXPLAIN (ANALYZE, MEMORY, SERIALIZE) SELECT * FROM lair.big;
EXPLAIN (GENERIC_PLAN) SELECT * FROM lair.big WHERE n = $1;
SET enable_seqscan = off; SET enable_indexscan = off;
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n < 40;
SET enable_bitmapscan = off; SET enable_indexscan = on;
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT k FROM lair.big WHERE k = 3;
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT n FROM lair.big WHERE n = 3 OR n = 4 OR k = 5;
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT * FROM (SELECT DISTINCT k FROM lair.big) x, LATERAL (SELECT n FROM lair.big b WHERE b.k = x.k LIMIT 1) y;
--! canary rows=(39|3000)|[Rr]emoved[^0-9]*[1-9]|Heap Blocks|Heap Fetches: [1-9]|Index Searches: [2-9]
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.big (n int PRIMARY KEY, id bigint, a text, k int);
INSERT INTO lair.big SELECT n, CASE n % 3 WHEN 1 THEN 5500000001 ELSE 7700000004 END, 'x' || n, n % 50 FROM generate_series(1, 3000) n;
CREATE INDEX ON lair.big (k, n);
GRANT ALL ON lair.big TO PUBLIC;
SELECT twin_privacy.protect_table('lair.big', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.big', c, 'kind=plain') FROM unnest('{n,a,k}'::name[]) c, twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ANALYZE lair.big;
--! after
DROP TABLE lair.big;

--! attack copy_to_with_a_function
CREATE FUNCTION lair.tell(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
COPY (SELECT lair.tell(genome), lair.tell(secret::text) FROM clinic.patient ORDER BY lair.tell(name)) TO STDOUT (FORMAT csv, FORCE_QUOTE *);
COPY clinic.visit TO STDOUT;
COPY (SELECT * FROM ONLY clinic.visit) TO STDOUT;
COPY clinic.visit_2 (labels, note) TO STDOUT (FORMAT text, DELIMITER '|');
COPY (VALUES ((SELECT genome FROM clinic.patient LIMIT 1))) TO STDOUT;
COPY (SELECT 1 FROM clinic.patient WHERE genome LIKE 'C%') TO STDOUT;
COPY (UPDATE clinic.patient SET sex = sex RETURNING genome, patient) TO STDOUT;
--! as doc:CARE owner:CARE

--! attack leaky_operator_with_estimators
CREATE FUNCTION lair.leak(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.00001 AS $$BEGIN RAISE NOTICE 'told % %', $1, $2; RETURN true; END$$;
CREATE FUNCTION lair.leakn(numeric, numeric) RETURNS boolean LANGUAGE plpgsql COST 0.00001 AS $$BEGIN RAISE NOTICE 'told % %', $1, $2; RETURN true; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.leak, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel, COMMUTATOR = OPERATOR(lair.===), HASHES, MERGES);
CREATE OPERATOR lair.<<< (FUNCTION = lair.leak, LEFTARG = text, RIGHTARG = text, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR lair.=== (FUNCTION = lair.leakn, LEFTARG = numeric, RIGHTARG = numeric, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR lair.<<< (FUNCTION = lair.leakn, LEFTARG = numeric, RIGHTARG = numeric, RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
EXPLAIN SELECT * FROM clinic.visit WHERE note OPERATOR(lair.===) 'x' AND note OPERATOR(lair.<<<) 'x';
EXPLAIN SELECT * FROM clinic.visit_1 WHERE bill OPERATOR(lair.===) 1 AND bill OPERATOR(lair.<<<) 1;
EXPLAIN SELECT * FROM clinic.base b JOIN clinic.derived d ON b.note OPERATOR(lair.===) d.note;
SELECT * FROM clinic.base b JOIN clinic.derived d ON b.note OPERATOR(lair.===) d.note;
SELECT * FROM clinic.visit v JOIN clinic.lab_order o ON o.price OPERATOR(lair.===) v.bill;
SELECT * FROM clinic.patient WHERE genome OPERATOR(lair.===) 'x' OR name OPERATOR(lair.<<<) 'x';
SELECT note OPERATOR(lair.===) ANY (SELECT note FROM clinic.base) FROM clinic.visit;
SELECT * FROM clinic.patient WHERE (name, genome) OPERATOR(lair.===) ALL (SELECT name, genome FROM clinic.patient);
--! as analyst:RES doc:CARE owner:RES super:CARE bypass:CARE

--! attack custom_range_and_polymorphic
CREATE FUNCTION lair.poly(anyelement) RETURNS anyarray LANGUAGE sql AS 'SELECT ARRAY[$1]';
CREATE FUNCTION lair.polyrow(anyelement) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1::text; END$$;
CREATE FUNCTION lair.vari(VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_concat_ws';
CREATE TYPE lair.trange AS RANGE (subtype = text);
SELECT lair.poly(p), lair.polyrow(p), lair.polyrow(p.genome), lair.polyrow(p.birth) FROM clinic.patient p;
SELECT lair.trange(genome, NULL), range_agg(lair.trange(genome, genome, '[]')), numrange(secret, secret, '[]') FROM clinic.patient GROUP BY 1, 3;
SELECT concat_ws(',', VARIADIC ARRAY[genome, name]), format('%s %s', genome, p), concat(p) FROM clinic.patient p;
SELECT * FROM clinic.patient p, ROWS FROM (unnest(ARRAY[p]), generate_series(1, 2)) WITH ORDINALITY AS x;
SELECT (row(p.*) = row(q.*)), p IS DISTINCT FROM q, p < q, p *= q, record_image_cmp(p, q), hash_record(p) FROM clinic.patient p, clinic.patient q;
SELECT p FROM clinic.patient p ORDER BY p USING >;
SELECT min(p.name COLLATE "C") OVER (PARTITION BY p.genome) FROM clinic.patient p;
--! as analyst:RES doc:CARE owner:RES super:CARE bypass:CARE

--! attack ctid_and_currtid_probes
SELECT currtid2('clinic.patient', '(0,4)'), currtid2('clinic.patient', '(0,1)');
SELECT 'GUE' || 'SSED' FROM clinic.patient WHERE ctid = '(0,4)';
SELECT 'GUE' || 'SSED' FROM clinic.patient WHERE ctid = currtid2('clinic.patient', '(0,4)');
UPDATE clinic.patient SET sex = sex WHERE ctid = '(0,4)' RETURNING 'GUE' || 'SSED';
SELECT 'GUE' || 'SSED' FROM clinic.patient TABLESAMPLE SYSTEM (100) WHERE id > 700000000 * 10::bigint;
--! canary GUESSED
--! as doc:CARE owner:CARE

--! attack domain_and_cast_over_masked
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE DOMAIN lair.dom AS text CHECK (lair.tell(VALUE));
CREATE TYPE lair.box AS (v text);
CREATE FUNCTION lair.to_box(clinic.patient) RETURNS lair.box LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN row($1::text); END$$;
CREATE CAST (clinic.patient AS lair.box) WITH FUNCTION lair.to_box AS IMPLICIT;
SELECT genome::lair.dom, name::lair.dom, p::lair.box, birth::text::lair.dom FROM clinic.patient p;
SELECT ARRAY[genome, name]::lair.dom[] FROM clinic.patient;
SELECT x.* FROM clinic.patient p, jsonb_to_record(to_jsonb(p)) AS x(genome lair.dom, name lair.dom);
UPDATE clinic.patient SET zip = genome::lair.dom;
--! as analyst:RES doc:CARE owner:RES super:CARE bypass:CARE

--! attack skip_scans_counted
--! since 18
SET enable_seqscan = off; SET enable_bitmapscan = off;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT k, n FROM lair.big WHERE n = 5;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n = 5;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n = ANY ('{5,100,200,2999}');
SET enable_indexscan = off; SET enable_bitmapscan = on; SET enable_indexonlyscan = off;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n = 5;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT * FROM lair.big WHERE n IN (5, 1000);
EXPLAIN (ANALYZE, MEMORY, SERIALIZE TEXT, BUFFERS, WAL, TIMING OFF, SUMMARY OFF) SELECT * FROM lair.big WHERE n IN (5, 1000);
--! canary Index Searches"?: [1-9]|rows=3000|Heap Fetches: [1-9]
--! as doc:CARE owner:CARE super:CARE
--! before
CREATE TABLE lair.big (n int, id bigint, k int);
INSERT INTO lair.big SELECT n, CASE n % 3 WHEN 1 THEN 5500000001 ELSE 7700000004 END, n % 7 FROM generate_series(1, 3000) n;
CREATE INDEX ON lair.big (k, n);
GRANT ALL ON lair.big TO PUBLIC;
SELECT twin_privacy.protect_table('lair.big', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.label_column('lair.big', c, 'kind=plain') FROM unnest('{n,k}'::name[]) c, twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
VACUUM ANALYZE lair.big;
--! after
DROP TABLE lair.big;

--! attack json_tables_and_new_functions
--! since 17
SELECT jt.* FROM clinic.patient p, JSON_TABLE(jsonb_build_array(to_jsonb(p)), '$[*]' COLUMNS (n FOR ORDINALITY, g text PATH '$.genome', NESTED PATH '$' COLUMNS (s text PATH '$.secret', x json FORMAT JSON PATH '$'))) jt;
SELECT JSON_QUERY(to_jsonb(p), '$.genome' WITH WRAPPER), JSON_VALUE(to_jsonb(p), '$.genome'), JSON_EXISTS(to_jsonb(p), '$ ? (@.genome starts with "C")'), JSON_SERIALIZE(to_json(p)), JSON_SCALAR(genome) FROM clinic.patient p;
COPY (SELECT genome FROM clinic.patient) TO STDOUT (FORMAT csv, FORCE_QUOTE *);
\copy clinic.diary from program 'printf "x\tSTOR""EDcopy\n770000000""4\tSTOR""EDcopy\n"' with (on_error ignore, log_verbosity verbose)
SELECT random(1, 2), xmltext(genome), to_bin(1) FROM clinic.patient;
SELECT GREATEST(genome, name), any_value(genome), array_sample(array_agg(genome), 2), array_shuffle(array_agg(p.*)) FROM clinic.patient p GROUP BY 1;
SELECT pg_column_toast_chunk_id(body), pg_get_acl('pg_class'::regclass, 'clinic.patient'::regclass, 0), left(body, 20) FROM clinic.diary;
--! as doc:CARE owner:CARE super:CARE

--! attack policy_on_ones_own_table
CREATE TABLE lair.mine (x text); INSERT INTO lair.mine VALUES ('a'), ('b');
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE POLICY p ON lair.mine USING (EXISTS (SELECT FROM clinic.patient p WHERE lair.tell(p.genome) AND lair.tell(p::text)) AND lair.tell((SELECT max(name) FROM clinic.patient)));
ALTER TABLE lair.mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT * FROM lair.mine;
SELECT twin_privacy.unbind_use();
SELECT * FROM lair.mine;
SELECT 'GUE' || 'SSED' FROM lair.mine;
CREATE VIEW lair.v AS SELECT * FROM lair.mine WHERE x IN (SELECT genome FROM clinic.patient) WITH CHECK OPTION;
INSERT INTO lair.v SELECT 'CN' || 'RYgen1';
UPDATE lair.mine SET x = 'c' RETURNING 'GUE' || 'SSED';
--! canary CNRY|GUESSED
--! as owner:CARE analyst:RES

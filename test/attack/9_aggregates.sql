--! everybody analyst:AGG owner:AGG super:AGG analyst:DP owner:DP

--! attack rows_and_cells
SELECT * FROM clinic.cohort; SELECT c FROM clinic.cohort c; SELECT DISTINCT score FROM clinic.cohort; SELECT id FROM clinic.cohort ORDER BY score DESC LIMIT 1;
COPY clinic.cohort TO STDOUT; SELECT ctid FROM clinic.cohort WHERE score > 1000; TABLE clinic.cohort;
DECLARE c CURSOR FOR SELECT * FROM clinic.cohort; FETCH ALL FROM c;
SELECT * FROM clinic.patient;
--! canary 424242|LONE|56000000\d\d|CNRY|\(0,7\)

--! attack aggregates_that_single_out
SELECT max(score), min(tag) FROM clinic.cohort; SELECT sum(score) FROM clinic.cohort WHERE id = 560000000 * 10::bigint + 7;
SELECT sum(CASE WHEN id = 560000000 * 10::bigint + 7 THEN score END) FROM clinic.cohort;
SELECT sum(score) FILTER (WHERE tag <> 'tag') FROM clinic.cohort;
SELECT array_agg(score), string_agg(tag, ','), json_agg(c), jsonb_object_agg(id, score) FROM clinic.cohort c;
SELECT mode() WITHIN GROUP (ORDER BY score DESC), percentile_disc(1) WITHIN GROUP (ORDER BY score) FROM clinic.cohort;
SELECT (array_agg(score ORDER BY score DESC))[1] FROM clinic.cohort;
SELECT bit_or(score::bigint), range_agg(numrange(score, score, '[]')), xmlagg(xmlelement(name x, tag)) FROM clinic.cohort;
SELECT any_value(score ORDER BY score DESC) FROM clinic.cohort;
--! canary 424242|LONE|56000000\d\d

--! attack groups_of_one
SELECT id, sum(score) FROM clinic.cohort GROUP BY id; SELECT tag, count(*) FROM clinic.cohort GROUP BY tag;
SELECT score, count(*) FROM clinic.cohort GROUP BY 1 HAVING count(*) = 1; SELECT score FROM clinic.cohort GROUP BY score;
SELECT bucket, tag, sum(score) FROM clinic.cohort GROUP BY CUBE (bucket, tag);
SELECT width_bucket(score, 0, 500000, 10), min(score), max(score) FROM clinic.cohort GROUP BY 1;
--! canary 424242|LONE|56000000\d\d

--! attack windows_and_subqueries
SELECT sum(score) OVER (PARTITION BY id) FROM clinic.cohort; SELECT max(s) FROM (SELECT id, sum(score) s FROM clinic.cohort GROUP BY id) x;
SELECT (SELECT max(score) FROM clinic.cohort) FROM clinic.cohort GROUP BY bucket; WITH x AS (SELECT * FROM clinic.cohort) SELECT max(score) FROM x;
SELECT count(*), (SELECT max(score) FROM clinic.cohort c WHERE c.bucket = d.bucket) FROM clinic.cohort d GROUP BY d.bucket;
SELECT * FROM generate_series(1, 1) g, LATERAL (SELECT max(score) FROM clinic.cohort WHERE tag <> 'tag') x;
SELECT max(score) FROM clinic.cohort UNION SELECT min(score) FROM clinic.cohort ORDER BY 1;
--! canary 424242|LONE|56000000\d\d

--! attack user_code_below_the_aggregate
CREATE FUNCTION lair.tell(anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN $1; END$$;
CREATE FUNCTION lair.step(numeric, numeric) RETURNS numeric LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'told %', $2; RETURN $2; END$$;
CREATE AGGREGATE lair.agg(numeric) (SFUNC = lair.step, STYPE = numeric);
SELECT count(lair.tell(score)), sum(lair.tell(score)) FROM clinic.cohort; SELECT lair.agg(score) FROM clinic.cohort;
SELECT count(*) FROM clinic.cohort WHERE lair.tell(tag) <> ''; SELECT sum(1 / (score - 424241 - 1)) FROM clinic.cohort;
SELECT count(*) FROM clinic.cohort GROUP BY lair.tell(score); SELECT sum(tag::int) FROM clinic.cohort WHERE tag <> 'tag';
--! canary 424242|LONE|56000000\d\d|division by zero

--! attack duplicated_rows_reach_no_cohort
SELECT sum(score) FROM clinic.cohort, generate_series(1, 50) WHERE score > 1000;
SELECT 'AVG' || avg(score) FROM clinic.cohort c JOIN generate_series(1, 50) g ON true WHERE c.id = 560000000 * 10::bigint + 7;
SELECT count(*), max(score) FROM (SELECT score FROM clinic.cohort WHERE score > 1000 UNION ALL SELECT n FROM generate_series(1, 50) n) x;
--! canary 424242|21212100

--! attack small_cohort_in_the_clinic
--! as analyst:AGG owner:AGG super:AGG
SELECT 'N' || count(*) || 'S' || sum(secret) FROM clinic.patient; SELECT 'N' || count(*) FROM clinic.diary; SELECT 'N' || count(*) || max(code) FROM clinic.lab_order;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM clinic.patient;
--! canary N[36]\b|N[36]S|N[36]GLU|rows=[36]

--! attack aggregates_of_one_among_zeros
SELECT sum(CASE WHEN id = 560000000 * 10::bigint + 7 THEN score ELSE 0 END) FROM clinic.cohort;
SELECT sum(score * (id = 560000000 * 10::bigint + 7)::int) FROM clinic.cohort;
SELECT round(avg(CASE id WHEN 560000000 * 10::bigint + 7 THEN score ELSE 0 END) * 40) FROM clinic.cohort;
SELECT sum(coalesce(nullif(score, 1), 0) - score + CASE WHEN tag <> 'tag' THEN score ELSE 0 END) FROM clinic.cohort;
SELECT sum(least(score, 1e9) * greatest(0, 1 - abs(id - 560000000 * 10::bigint - 7))) FROM clinic.cohort;
SELECT sum(x) FROM (SELECT CASE WHEN id = 560000000 * 10::bigint + 7 THEN score ELSE 0 END AS x FROM clinic.cohort) q;
SELECT sum(score) FILTER (WHERE id = 560000000 * 10::bigint + 7) FROM clinic.cohort;
SELECT sum(v.w * score) FROM clinic.cohort JOIN (VALUES (560000000 * 10::bigint + 7, 1)) v(i, w) ON v.i = id;
SELECT sum(coalesce(v.w, 0) * score) FROM clinic.cohort LEFT JOIN (VALUES (560000000 * 10::bigint + 7, 1)) v(i, w) ON v.i = id;
--! as analyst:AGG owner:AGG super:AGG
--! canary 424242

--! attack yes_or_no_about_one
SELECT 'BOOL' || bool_or(score > 400000) FROM clinic.cohort;
SELECT 'BOOL' || NOT every(score < 400000) FROM clinic.cohort;
SELECT 'BOOL' || (bit_or((score > 400000)::int) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (max((score > 400000)::int) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (count(*) FILTER (WHERE score > 400000) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (count(CASE WHEN score > 400000 THEN 1 END) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (sum((score > 400000)::int) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (count(nullif(score > 400000, false)) = 1) FROM clinic.cohort;
SELECT 'BOOL' || (count(DISTINCT score > 400000) = 2) FROM clinic.cohort;
--! as analyst:AGG owner:AGG super:AGG
--! canary BOOLtrue

--! attack having_and_order_by_ask
SELECT 'TRUE' || 'ANS' FROM clinic.cohort HAVING max(score) = 42424 * 10 + 2;
SELECT 'TRUE' || 'ANS' FROM clinic.cohort HAVING sum(score) FILTER (WHERE id = 560000000 * 10::bigint + 7) > 400000;
SELECT 'TRUE' || 'ANS' FROM clinic.cohort HAVING bool_or(tag <> 'tag');
SELECT 'TRUE' || 'ANS' WHERE EXISTS (SELECT 1 FROM clinic.cohort WHERE tag <> 'tag');
SELECT 'TRUE' || 'ANS' WHERE (SELECT count(*) FROM clinic.cohort WHERE tag <> 'tag') = 1;
SELECT 'TRUE' || 'ANS' WHERE 424 * 1000 < ANY (SELECT score FROM clinic.cohort);
SELECT 'TRUE' || 'ANS' FROM generate_series(1, 50) g WHERE g IN (SELECT 7 FROM clinic.cohort WHERE tag <> 'tag');
SELECT CASE WHEN max(score) > 400000 THEN 'TRUE' || 'ANS' END FROM clinic.cohort;
SELECT b.bucket FROM (VALUES (0), (1)) b(bucket) ORDER BY (SELECT max(score) FROM clinic.cohort c WHERE c.bucket = b.bucket);
--! as analyst:AGG owner:AGG super:AGG
--! canary TRUEANS

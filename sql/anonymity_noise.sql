-- The noise itself: its distribution, and what it hides; each test also sees a broken noise.
SET client_min_messages = warning;
CREATE EXTENSION private_noise;
RESET client_min_messages;

-- Chi-square of n samples against the law, as standard deviations from what is expected of the law itself;
-- beyond 6 once in a billion runs.  Rare values are counted together.
CREATE FUNCTION pg_temp.chi_square(sampler text, law text, a bigint, b bigint, n int) RETURNS float8 LANGUAGE sql AS $$
    WITH s AS (SELECT value, count(*) AS seen FROM samples(sampler, a, b, n) AS value GROUP BY value),
    span AS (SELECT greatest(max(abs(value)), 40 * a / b + 10) AS k FROM s),
    law AS (SELECT x, exp(-least(700, CASE law WHEN 'laplace' THEN abs(x) * b::float8 / a ELSE x * x / (2.0::float8 * a * a) END)) AS p
            FROM span, generate_series(-k, k) AS x),
    expected AS (SELECT x, p * n / sum(p) OVER () AS e FROM law),
    bins AS (SELECT CASE WHEN e >= 10 THEN x END AS bin, sum(e) AS e, sum(coalesce(seen, 0)) AS seen
             FROM expected LEFT JOIN s ON s.value = x GROUP BY 1)
    SELECT (sum((seen - e) ^ 2 / e) - (count(*) - 1)) / sqrt(2.0 * (count(*) - 1)) FROM bins
$$;
SELECT sampler, a, b, abs(pg_temp.chi_square(sampler, sampler, a, b, 200000)) < 6 AS fits
FROM (VALUES ('laplace', 1, 1), ('laplace', 1, 3), ('laplace', 7, 3), ('laplace', 20, 1), ('laplace', 3000000, 100001),
             ('gaussian', 1, 1), ('gaussian', 2, 1), ('gaussian', 15, 1), ('gaussian', 100, 1)) AS v(sampler, a, b);
-- and what does not
SELECT sampler, a, b, pg_temp.chi_square(sampler, 'laplace', a, b, 200000) > 6 AS noticed
FROM (VALUES ('rounded', 2, 1), ('double_zero', 2, 1), ('narrow', 20, 1), ('gaussian', 3, 1)) AS v(sampler, a, b);
-- scales as large as sums need
SELECT a, b, abs(avg(abs(value)) * b / a - 1) < 0.05 AS right_size, abs(avg(value)) * b / a < 0.1 AS centred
FROM (VALUES (70000000000000000, 1), (70000000000000000, 1000000000), (16777216000000000, 100000000)) AS v(a, b),
     LATERAL samples('laplace', a, b, 20000) AS value GROUP BY a, b ORDER BY a / b;

-- Neighbours: the same people, and one more who has 1000 rows of the largest value (in three groups, where there are groups).
-- Whatever is asked, no outcome may be more than e^epsilon times as probable with as without; the worst excess in standard deviations.
CREATE TEMP TABLE world AS
SELECT grouped, with_one, array_agg(part) AS parts FROM (VALUES (false, 40), (true, 330)) AS g(grouped, people), (VALUES (false), (true)) AS w(with_one),
LATERAL (SELECT ARRAY[p, CASE WHEN grouped THEN p % 3 ELSE 0 END, 1 + p % 4, 10 + p % 7] AS part FROM generate_series(1, people) AS p
         UNION ALL SELECT ARRAY[1000, g, CASE g WHEN 0 THEN 997 ELSE 1 END, 100] FROM generate_series(0, CASE WHEN grouped THEN 2 ELSE 0 END) AS g WHERE with_one) AS parts
GROUP BY grouped, with_one;
CREATE FUNCTION pg_temp.excess(noise text, figure text, width float8, grouped boolean, epsilon float8, claimed float8, max_rows int, max_groups int, n int)
RETURNS float8 LANGUAGE sql AS $$
    WITH outcomes AS (SELECT w.with_one, floor(CASE figure WHEN 'rows' THEN r.rows WHEN 'total' THEN r.total ELSE r.subjects END / width) AS bin
                      FROM world AS w, releases(noise, w.parts, excess.grouped, epsilon, 1e-3, max_rows, max_groups, n) AS r
                      WHERE w.grouped = excess.grouped),
    bins AS (SELECT bin, count(*) FILTER (WHERE with_one) AS a, count(*) FILTER (WHERE NOT with_one) AS b FROM outcomes GROUP BY bin)
    -- what is very rare on one side is given a standard deviation of more
    SELECT max((abs(ln((a + 1.0) / (b + 1.0))) - claimed) / sqrt(1.0 / (a + 1) + 1.0 / (b + 1))) FROM bins WHERE a + b >= 200
$$;
-- with given caps each of the three figures may tell a third of epsilon; caps found from the data have their part of it
SELECT figure, max_rows, pg_temp.excess('exact', figure, width, false, 1, claimed, max_rows, 1, 20000) < 5 AS hidden
FROM (VALUES ('rows', 4, 4, 1 / 3.0::float8), ('total', 200, 4, 1 / 3.0::float8), ('subjects', 1, 4, 1 / 3.0::float8), ('rows', 1, 1, 1 / 3.0::float8),
             ('rows', 4, 0, 1), ('total', 200, 0, 1)) AS v(figure, width, max_rows, claimed);
SELECT noise, figure, pg_temp.excess(noise, figure, width, false, 1, 1 / 3.0::float8, 4, 1, 20000) > 5 AS noticed
FROM (VALUES ('none', 'rows', 3), ('half', 'rows', 4), ('half', 'total', 200), ('half', 'subjects', 1), ('bounded', 'rows', 4)) AS v(noise, figure, width);
-- with groups, whether this one of three shows tells a ninth, too
SELECT figure, pg_temp.excess('exact', figure, width, true, 1, claimed, 4, 3, 20000) < 5 AS hidden,
       pg_temp.excess('half', figure, width, true, 1, claimed, 4, 3, 20000) > 5 AS noticed
FROM (VALUES ('rows', 10, 4 / 9.0::float8), ('total', 600, 4 / 9.0::float8)) AS v(figure, width, claimed);
-- a release that is charged a thirtieth of what it tells
SELECT pg_temp.excess('exact', 'rows', 4, false, 30, 1 / 3.0::float8, 4, 1, 20000) > 5 AS noticed;

-- Groups: one that a single subject is in shows with probability delta at most, and the test could see it.
SELECT count(rows) <= 500 + 5 * sqrt(500) AS rare, count(rows) > 0 AS possible
FROM releases('exact', ARRAY[1, 0, 5, 100], true, 1, 0.01, 0, 0, 50000);
SELECT count(rows) > 0 AS shows_without_noise FROM releases('none', (SELECT array_agg(v) FROM generate_series(1, 100) AS p, unnest(ARRAY[p, 0, 1, 1]) AS v), true, 1, 0.01, 1, 1, 10);
-- one subject in a thousand groups of their own shows no more often
SELECT count(rows) <= 20 + 5 * sqrt(20) AS rare
FROM releases('exact', (SELECT array_agg(v) FROM generate_series(0, 999) AS g, unnest(ARRAY[1, g, 1, 1]) AS v), true, 1, 0.01, 5, 3, 2000);
-- nobody at all
SELECT count(rows) AS shown FROM releases('exact', '{}', false, 1, 0.01, 0, 0, 10);

-- Quantiles of groups: sixty people with a row each, in two groups and three bins; and one more with 500 rows in the last bin
-- of the first group (a), of both (b), or one more in each (c).  Half of epsilon says where the quantile is, half whether the group shows.
CREATE TEMP TABLE places AS
SELECT world, with_one, array_agg(part) AS parts FROM unnest('{a,b,c}'::text[]) AS world, (VALUES (false), (true)) AS w(with_one),
LATERAL (SELECT ARRAY[p, p % 2, 1 + p / 2 % 3, 1] AS part FROM generate_series(2, 61) AS p
         UNION ALL SELECT ARRAY[CASE world WHEN 'c' THEN 1000 + g ELSE 1000 END, g, 3, 500] FROM generate_series(0, CASE world WHEN 'a' THEN 0 ELSE 1 END) AS g WHERE with_one) AS parts
GROUP BY world, with_one;
CREATE FUNCTION pg_temp.quantile_excess(world text, noise text, quantile float8, claimed float8, n int) RETURNS float8 LANGUAGE sql AS $$
    WITH outcomes AS (SELECT p.with_one, q.first + CASE WHEN p.world <> 'a' THEN q.second ELSE 0 END AS bin
                      FROM places AS p, quantiles(noise, p.parts, 3, quantile, 2, 0.5, 4, 2, n) AS q WHERE p.world = quantile_excess.world),
    bins AS (SELECT bin, count(*) FILTER (WHERE with_one) AS a, count(*) FILTER (WHERE NOT with_one) AS b FROM outcomes GROUP BY bin)
    SELECT max((abs(ln((a + 1.0) / (b + 1.0))) - claimed) / sqrt(1.0 / (a + 1) + 1.0 / (b + 1))) FROM bins WHERE a + b >= 200
$$;
SELECT pg_temp.quantile_excess('a', 'exact', 0.5, 1, 20000) < 5 AS hidden, pg_temp.quantile_excess('a', 'exact', 0.9, 1, 20000) < 5 AS too,
       pg_temp.quantile_excess('a', 'rows', 0.5, 1, 30000) > 5 AS noticed;
-- who is in both groups tells no more by both together than by one, as the cap is for all their rows; two people would
SELECT pg_temp.quantile_excess('b', 'exact', 0.5, 0.6, 20000) < 5 AS shared, pg_temp.quantile_excess('c', 'exact', 0.5, 0.6, 20000) > 5 AS noticed;
-- and a group of one subject shows with probability delta at most
SELECT count(first) <= 500 + 5 * sqrt(500) AS rare, count(first) > 0 AS possible
FROM quantiles('exact', ARRAY[1, 0, 1, 3, 1, 0, 2, 2, 1, 0, 3, 1], 3, 0.5, 1, 0.01, 0, 0, 50000);
SELECT count(first) <= 5 + 5 * sqrt(5) AS rare
FROM quantiles('exact', (SELECT array_agg(v) FROM generate_series(0, 299) AS g, unnest(ARRAY[1, g, 1, 1]) AS v), 3, 0.5, 1, 0.01, 5, 3, 500);
DROP EXTENSION private_noise;

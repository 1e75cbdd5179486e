\echo Use "CREATE EXTENSION private_noise" to load this file. \quit

-- n samples of a sampler (laplace: scale a / b; gaussian: standard deviation a) or of a broken one
CREATE FUNCTION samples(sampler text, a bigint, b bigint, n int, OUT value bigint) RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pn_samples' LANGUAGE C STRICT;
-- the same without giving them: for timing
CREATE FUNCTION sample_loop(sampler text, a bigint, b bigint, n int) RETURNS bigint
AS 'MODULE_PATHNAME', 'pn_sample_loop' LANGUAGE C STRICT;

-- The figures of n releases under a noise (exact, or broken in a way named): parts is an array of
-- {subject, group, rows, value}; count, sum and subjects of group 0, NULL when it does not show.
CREATE FUNCTION releases(noise text, parts int[], grouped boolean, epsilon float8, delta float8, max_rows int, max_groups int, n int,
    OUT rows float8, OUT total float8, OUT subjects float8)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'pn_releases' LANGUAGE C STRICT;

-- The bins of n draws of a quantile for groups 0 and 1, NULL where one does not show: parts is an array of
-- {subject, group, bin, rows}; noise is exact, or rows (as if each of four rows and not each subject were hidden), half or none.
CREATE FUNCTION quantiles(noise text, parts int[], nbins int, quantile float8, epsilon float8, delta float8, max_rows int, max_groups int, n int,
    OUT first int, OUT second int)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'pn_quantiles' LANGUAGE C STRICT;

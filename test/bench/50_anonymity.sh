# shellcheck shell=bash
# 50_anonymity.sh - the same aggregates under an aggregate-only use and under an
# identified one, and a release of a table against one GROUP BY of its columns.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

patients=5000 rows=1000000
[ "$BENCH_SCALE" = small ] || patients=100000 rows=10000000

bench_login bench_admin bench_officer1 bench_officer2 bench_registrar bench_analyst
bench_sql 'GRANT twin_privacy_admin TO bench_admin;
	GRANT twin_privacy_officer TO bench_officer1, bench_officer2;
	GRANT twin_privacy_registrar TO bench_registrar'
bench_sql "
	CREATE SCHEMA clinic;
	CREATE TABLE clinic.observation (patient_id bigint NOT NULL, site int NOT NULL, day int NOT NULL, value float8 NOT NULL);
	INSERT INTO clinic.observation
		SELECT 1 + (hashint8(i)::bigint & 2147483647) % $patients, i % 20, i % 365, i % 1000 FROM generate_series(1, $rows) AS i;
	-- the same with a key, by which the guard tells rows apart
	CREATE TABLE clinic.keyed (id bigint PRIMARY KEY, LIKE clinic.observation);
	INSERT INTO clinic.keyed SELECT row_number() OVER (), * FROM clinic.observation;
	GRANT USAGE ON SCHEMA clinic TO PUBLIC;
	GRANT SELECT ON clinic.observation, clinic.keyed TO bench_analyst"
for table in observation keyed; do
	bench_sql "VACUUM (FREEZE, ANALYZE) clinic.$table"
	bench_sql -U bench_admin "SELECT twin_privacy.protect_table('clinic.$table', subject => 'patient_id', category => 'laboratory')" >/dev/null
done
for use in 'CARE identified' 'STATS aggregate'; do
	bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('${use% *}', purpose => 'HRESCH', recipient => 'ward',
		categories => '{laboratory}', disclosure => '${use#* }', valid => '[2020-01-01,)')" >/dev/null
	bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('${use% *}'), twin_privacy.grant_use('${use% *}', 'bench_analyst')" >/dev/null
done
bench_sql -U bench_registrar "DO \$\$
	BEGIN
		FOR i IN 1 .. $patients LOOP
			PERFORM twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH');
			IF i % 500 = 0 THEN COMMIT; END IF;
		END LOOP;
	END \$\$"
bench_sql "ALTER ROLE bench_analyst SET twin_privacy.ledger_commit = 'binding'"

# Under the aggregate-only use, against the identified one.
compare() {
	BENCH_ROUNDS=5 BENCH_ROLE=bench_analyst bench_ratio "$1" "$2" "SET twin_privacy.use = 'STATS'; $3" "SET twin_privacy.use = 'CARE'; $3"
}

# the guard is measured by itself below
bench_sql 'ALTER ROLE bench_analyst SET twin_privacy.differencing_guard = off'
compare cohort_total '<=1.15' 'SELECT count(*), sum(value), avg(value) FROM clinic.observation'
compare cohort_site '<=1.15' 'SELECT site, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY site'
compare cohort_day '<=1.15' 'SELECT day, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY day'
compare cohort_cells '<=1.15' 'SELECT site, day, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY site, day'
compare cohort_filter '<=1.15' 'SELECT site, count(*), avg(value) FILTER (WHERE value > 500) FROM clinic.observation GROUP BY site'
# With the differencing guard: sketches of every figure, judged and remembered.
bench_sql 'ALTER ROLE bench_analyst RESET twin_privacy.differencing_guard'
for table in observation keyed; do
	suffix=${table#observation} suffix=${suffix:+_$suffix}
	compare "cohort_guard_total$suffix" '<=1.4' "SELECT count(*), sum(value), avg(value) FROM clinic.$table"
	compare "cohort_guard_site$suffix" '<=1.4' "SELECT site, count(*), sum(value), avg(value) FROM clinic.$table GROUP BY site"
	compare "cohort_guard_filter$suffix" '<=1.4' "SELECT site, count(*), avg(value) FILTER (WHERE value > 500) FROM clinic.$table GROUP BY site"
done
compare cohort_guard_day '<=2' 'SELECT day, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY day'
compare cohort_guard_cells '<=3' 'SELECT site, day, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY site, day'

# The same under a private use.  Read only transactions keep no answers, so each round is charged and computed.
bench_sql -U bench_admin "SELECT twin_privacy.label_column('clinic.observation', 'value', 'kind=plain, bounds=0:1000')" >/dev/null
bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('NOISY', purpose => 'HRESCH', recipient => 'ward',
	categories => '{laboratory}', disclosure => 'private', epsilon => 100, valid => '[2020-01-01,)')" >/dev/null
bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('NOISY'), twin_privacy.grant_use('NOISY', 'bench_analyst')" >/dev/null
compare_private() {
	BENCH_ROUNDS=5 BENCH_ROLE=bench_analyst BENCH_SESSION='SET default_transaction_read_only = on; SET twin_privacy.query_epsilon = 1;' \
		bench_ratio "$1" "$2" "SET twin_privacy.use = 'NOISY'; $3" "SET twin_privacy.use = 'CARE'; $3"
}

compare_private private_total '<=1.5' 'SELECT count(*), sum(value), avg(value) FROM clinic.observation'
compare_private private_subjects '<=1.5' 'SELECT count(DISTINCT patient_id), count(*) FROM clinic.observation'
compare_private private_site '<=1.5' 'SELECT site, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY site'
compare_private private_day '<=1.5' 'SELECT day, count(*), sum(value), avg(value) FROM clinic.observation GROUP BY day'

# Samplers: nanoseconds a sample over the 200 that they may take.
bench_sql 'CREATE EXTENSION private_noise'
sampler() {
	bench_report "$1" "$(bench_sql "SELECT count(sample_loop('$2', $3, $4, 1000))" >/dev/null
		psql -X -q -A -t -c '\timing on' -c "SELECT count(sample_loop('$2', $3, $4, 1000000))" |
		awk '$1 == "Time:" { printf "%.3f", $2 / 200 }')" '<=1'
}
sampler private_laplace laplace 1000000000000 250000000
sampler private_laplace_unit laplace 1 1
sampler private_gaussian gaussian 1000 1

# Eight quasi-identifiers, as skewed as a census, and a release of 1,000,000 rows.
bench_sql "
	SELECT setseed(0.5);
	CREATE TABLE clinic.census AS SELECT (17 + 73 * power(random(), 1.6))::int AS age,
			'work ' || (7 * power(random(), 3))::int AS work, (1 + 15 * power(random(), 2))::int AS education,
			'marital ' || (6 * power(random(), 2))::int AS marital, 'occupation ' || (13 * power(random(), 1.5))::int AS occupation,
			'origin ' || (4 * power(random(), 4))::int AS origin, CASE WHEN random() < 0.66 THEN 'm' ELSE 'f' END AS sex,
			'country ' || (40 * power(random(), 12))::int AS country
		FROM generate_series(1, 1000000)" >/dev/null
bench_sql 'VACUUM (FREEZE, ANALYZE) clinic.census'
columns=age,work,education,marital,occupation,origin,sex,country
BENCH_ROUNDS=2 bench_ratio anonymize_mondrian '<=8' \
	"SELECT twin_privacy.anonymize('clinic.census', 'clinic.released', '{$columns}', 10); DROP TABLE clinic.released" \
	"SELECT count(*) FROM (SELECT $columns, count(*) FROM clinic.census GROUP BY $columns) AS c"
BENCH_ROUNDS=2 bench_ratio anonymize_measure '<=3' \
	"SELECT twin_privacy.k_anonymity('clinic.census', '{$columns}')" \
	"SELECT min(n) FROM (SELECT count(*) AS n FROM clinic.census GROUP BY $columns) AS c"

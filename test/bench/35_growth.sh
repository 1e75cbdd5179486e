# shellcheck shell=bash
# 35_growth.sh - the consent map as the population grows: what a row of a scan
# costs, what the map costs to build and to keep, and what catching up with a
# thousand changed patients costs, which must not grow.
#
# One directive a patient (30_consent.sh has three); always as many observations.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

sizes='10000 30000 100000' rows=500000 changed=1000
export BENCH_ROUNDS=5
[ "$BENCH_SCALE" = small ] || sizes='10000 100000 1000000 4000000' rows=2000000

bench_login bench_officer1 bench_officer2 bench_reader
bench_sql 'GRANT twin_privacy_officer TO bench_officer1, bench_officer2'
bench_sql "SET client_min_messages = error;
	SELECT twin_privacy.record_consent('form' || n, 'permit', 'HRESCH', c, NULL, '(,)')
		FROM (VALUES (1, '{laboratory}'::text[]), (2, '{vital_signs}')) AS form(n, c)" >/dev/null
bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('HRESCH', purpose => 'HRESCH', recipient => 'ward',
	categories => '{laboratory}', disclosure => 'identified', valid => '[2020-01-01,)')" >/dev/null
bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('HRESCH'), twin_privacy.grant_use('HRESCH', 'bench_reader')" >/dev/null
bench_sql "ALTER ROLE bench_reader SET twin_privacy.ledger_commit = 'binding'"
export BENCH_ROLE=bench_reader BENCH_SESSION="SET twin_privacy.use = 'HRESCH';"

# Adds patients up to a number, of whom 60 % permit, and lays out their observations.
grow() {
	bench_sql "SET twin_privacy.maintenance = on;
		INSERT INTO twin_privacy_internal.directive (consent_id, terms_id, valid_from, valid_until, given_at,
				recorded_at, changed, subject, recorded_by)
			SELECT nextval('twin_privacy_internal.consent_id_seq'), CASE WHEN i % 10 < 6 THEN 1 ELSE 2 END,
				now() - interval '1 day', 'infinity', now(), now(), pg_current_xact_id(), md5(i::text)::uuid::text, 'bench'
			FROM generate_series($1 + 1, $2) AS i;
		DROP TABLE IF EXISTS obs, obs_raw;
		CREATE TABLE obs_raw AS SELECT md5((1 + (hashint8(i)::bigint & 2147483647) % $2)::text)::uuid AS patient_id,
			i % 200 AS code FROM generate_series(1, $rows) AS i;
		CREATE TABLE obs AS TABLE obs_raw;
		GRANT SELECT ON obs, obs_raw TO bench_reader;
		SELECT twin_privacy.protect_table('obs', subject => 'patient_id', category => 'laboratory')" >/dev/null
	for table in twin_privacy_internal.directive obs obs_raw; do
		bench_sql "VACUUM (ANALYZE) $table"
	done
}

# Milliseconds by which a session's first statement after changes is slower than
# its next; the median over three lots of patients, the last of a population.
catch_up() {
	local lot last one="SELECT 1 FROM obs WHERE patient_id = md5('1')::uuid LIMIT 1;"
	for lot in 0 1 2; do
		last=$(($1 - lot * changed))
		cat >"$BENCH_TMP/changes.sql" <<-SQL
			SELECT count(twin_privacy.record_consent(md5(i::text)::uuid::text, 'deny', 'HRESCH', '{imaging}', NULL, '(,)'))
				FROM generate_series($((last - changed + 1)), $last) AS i;
		SQL
		printf '%s\n' '\o /dev/null' "$BENCH_SESSION" "$one" "$one" \
			"\\! psql -X -q -v ON_ERROR_STOP=1 -U $PGUSER -o /dev/null -f $BENCH_TMP/changes.sql" '\timing on' "$one" "$one" |
			psql -X -q -v ON_ERROR_STOP=1 -U bench_reader | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | paste -sd ' ' |
			awk '{ printf "%.1f\n", $1 - $2 }'
	done | median
}

before=0
for size in $sizes; do
	grow "$before" "$size"
	before=$size
	build=$(psql -X -q -A -t -v ON_ERROR_STOP=1 -c 'SELECT twin_privacy_internal.consent_map_build()')
	bench_report "growth_build_$size" "$(awk "BEGIN { printf \"%.3f\", $build / 1000 }")" \
		"<=$(awk "BEGIN { printf \"%.3f\", 1.5 * $size / 1000000 }")"
	bench_report "growth_bytes_$size" "$(bench_sql "SELECT round(bytes::numeric / $size, 1) FROM twin_privacy_internal.consent_map()")" '<=32'
	bench_ratio "growth_count_$size" '<=1.75' 'SELECT count(*) FROM obs' 'SELECT count(*) FROM obs_raw'
	bench_report "growth_catch_up_$size" "$(catch_up "$size")" '<=20'
done

# shellcheck shell=bash
# 30_consent.sh - asking the consent of a whole population: against unprotected
# reads, against row security written by hand, against a function called for each
# row; what the map costs to build, keep and bring up to date; writes.
#
# Three directives a patient.  Purpose HRESCH is permitted by 60 %, TREAT by all,
# PUBHLTH by 1 %.  Keys are uuids (the harder case; 10_core.sh has integers).
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

patients=100000 rows=1000000 changed=1000
export BENCH_ROUNDS=5
[ "$BENCH_SCALE" = small ] || patients=1000000 rows=10000000 BENCH_ROUNDS=7

bench_login bench_officer1 bench_officer2 bench_reader bench_byhand bench_naive
bench_sql 'GRANT twin_privacy_officer TO bench_officer1, bench_officer2'

# The patients' own order is no order of their keys, as with real uuids.
bench_sql "
	CREATE TABLE patient_raw AS SELECT md5(i::text)::uuid AS id, i, i % 50 AS ward FROM generate_series(1, $patients) AS i;
	CREATE TABLE obs_raw AS SELECT md5((1 + (hashint8(i)::bigint & 2147483647) % $patients)::text)::uuid AS patient_id,
			i % 200 AS code, (i % 1000)::float8 AS value, i AS at FROM generate_series(1, $rows) AS i;
	CREATE TABLE obs AS TABLE obs_raw;
	CREATE TABLE patient AS TABLE patient_raw;
	CREATE TABLE obs_exists AS TABLE obs_raw;
	CREATE TABLE obs_naive AS SELECT * FROM obs_raw LIMIT 50000;
	CREATE INDEX ON obs_raw (patient_id, at);
	CREATE INDEX ON obs (patient_id, at);
	ALTER TABLE patient ADD PRIMARY KEY (id);
	ALTER TABLE patient_raw ADD PRIMARY KEY (id);
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO bench_reader, bench_byhand, bench_naive"
bench_sql "SELECT twin_privacy.protect_table('obs', subject => 'patient_id', category => 'laboratory');
	SELECT twin_privacy.label_column('obs', c, 'kind=plain') FROM unnest('{code,value,at}'::name[]) AS c;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'laboratory');
	SELECT twin_privacy.label_column('patient', c, 'kind=plain') FROM unnest('{i,ward}'::name[]) AS c" >/dev/null

# The forms people sign come through the front door; a population of signatures
# is loaded as a restore loads it.
bench_sql "SET client_min_messages = error;
	SELECT twin_privacy.record_consent('form' || n, d, p, c, NULL, '(,)') FROM (VALUES
		(1, 'permit', 'HRESCH', '{laboratory}'::text[]), (2, 'permit', 'HRESCH', '{vital_signs}'),
		(3, 'permit', 'TREAT', NULL), (4, 'permit', 'PUBHLTH', '{laboratory}'),
		(5, 'deny', 'HRESCH', '{genomics}')) AS form(n, d, p, c)" >/dev/null
bench_sql "SET twin_privacy.maintenance = on;
	INSERT INTO twin_privacy_internal.directive (consent_id, terms_id, valid_from, valid_until, given_at,
			recorded_at, changed, subject, recorded_by)
	SELECT nextval('twin_privacy_internal.consent_id_seq'), form, now() - interval '1 day',
			CASE WHEN i % 10 = 0 THEN now() + interval '2 days' + i * interval '1 minute' ELSE 'infinity' END,
			now(), now(), pg_current_xact_id(), id::text, 'bench'
		FROM patient_raw, LATERAL (VALUES (CASE WHEN i % 10 < 6 THEN 1 ELSE 2 END), (3),
			(CASE WHEN i % 100 = 0 THEN 4 ELSE 5 END)) AS signed(form)"
bench_sql 'VACUUM (ANALYZE) twin_privacy_internal.directive'

# By hand: a table of permits, row security with EXISTS, and a function that asks
# for each row.
bench_sql "
	CREATE TABLE permit (patient_id uuid, purpose text, category text, PRIMARY KEY (patient_id, purpose, category));
	INSERT INTO permit SELECT id, 'HRESCH', CASE WHEN i % 10 < 6 THEN 'laboratory' ELSE 'vital_signs' END FROM patient_raw
		UNION ALL SELECT id, 'TREAT', 'all' FROM patient_raw UNION ALL SELECT id, 'HMARKT', 'laboratory' FROM patient_raw;
	CREATE FUNCTION may_see(uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS 'BEGIN
		RETURN EXISTS (SELECT FROM permit WHERE patient_id = \$1 AND purpose = ''HRESCH'' AND category = ''laboratory''); END';
	ALTER TABLE obs_exists ENABLE ROW LEVEL SECURITY;
	CREATE POLICY p ON obs_exists USING (EXISTS (SELECT FROM permit c
		WHERE c.patient_id = obs_exists.patient_id AND c.purpose = 'HRESCH' AND c.category = 'laboratory'));
	CREATE TABLE obs_few AS TABLE obs_naive;
	ALTER TABLE obs_naive ENABLE ROW LEVEL SECURITY;
	CREATE POLICY p ON obs_naive USING (may_see(patient_id));
	GRANT SELECT ON permit, obs_few TO bench_reader, bench_byhand, bench_naive"
for table in obs obs_raw obs_exists obs_naive obs_few patient patient_raw permit; do
	bench_sql "VACUUM (FREEZE, ANALYZE) $table"
done

for use in HRESCH TREAT PUBHLTH; do
	bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('$use', purpose => '$use', recipient => 'uh',
		categories => '{laboratory}', disclosure => 'identified', valid => '(,)')" >/dev/null
	bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('$use'), twin_privacy.grant_use('$use', 'bench_reader')" >/dev/null
done
bench_sql "ALTER ROLE bench_reader SET twin_privacy.ledger_commit = 'binding'"
export BENCH_ROLE=bench_reader

# Milliseconds a command takes in a session of its own, as \timing tells; the last one's.
milliseconds() {
	{ printf '%s\n' '\o /dev/null' '\timing on'; printf '%s;\n' "$@"; } |
		psql -X -q -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1
}

use() {
	export BENCH_SESSION="SET twin_privacy.use = '$1'; SET work_mem = '256MB';"
}

# A fast wrong answer is no figure.
use HRESCH
[ "$(bench_sql -U bench_reader "SET twin_privacy.use = 'HRESCH'; SELECT count(*), sum(value) FROM obs")" = \
	"$(bench_sql -U bench_byhand 'SELECT count(*), sum(value) FROM obs_exists')" ]

grouped='SELECT code, count(*), avg(value) FROM obs@ GROUP BY code'
counted='SELECT count(*) FROM obs@'
joined='SELECT p.ward, count(*), avg(o.value) FROM patient@ p JOIN obs@ o ON o.patient_id = p.id GROUP BY p.ward'

# Both sides of a figure: the protected tables, then their plain copies.
compare() {
	bench_ratio "$1" "$2" "${3//@/}" "${3//@/_raw}"
}

compare aggregate_uuid '<=1.15' "$grouped"
compare count_uuid '<=1.75' "$counted"
compare join_uuid '<=1.0' "$joined"
use TREAT
compare aggregate_uuid_all '<=1.35' "$grouped"
use PUBHLTH
compare aggregate_uuid_few '<=1.0' "$grouped"
compare count_uuid_few '<=1.0' "$counted"
use HRESCH
BENCH_SESSION="$BENCH_SESSION SET max_parallel_workers_per_gather = 2;"
compare aggregate_uuid_parallel '<=1.15' "$grouped"
compare count_uuid_parallel '<=1.75' "$counted"

prepare="PREPARE last@ (int) AS SELECT at, code, value FROM obs@ WHERE patient_id = md5(\$1::text)::uuid ORDER BY at DESC LIMIT 100;"
use HRESCH
BENCH_SESSION="$BENCH_SESSION ${prepare//@/} ${prepare//@/_raw}" BENCH_REPEAT=300 \
	compare lookup_uuid '<=1.25' 'EXECUTE last@(1 + %i * 10)'

# Against the ways people do it by hand: the slower side first.
byhand() {
	local ours theirs
	ours=$(for _ in 1 2 3 4 5; do PGUSER=bench_reader milliseconds "SET twin_privacy.use = 'HRESCH'" "${2//@/}"; done | median)
	theirs=$(for _ in 1 2 3 4 5; do PGUSER=bench_byhand milliseconds "SET work_mem = '256MB'" "${2//@/_exists}"; done | median)
	bench_report "$1" "$(echo "$theirs $ours" | awk '{ printf "%.2f", $1 / $2 }')" '>=4'
	printf '#   %s: by hand %s ms, ours %s ms\n' "$1" "$theirs" "$ours"
}
byhand aggregate_byhand_exists "$grouped"
byhand count_byhand_exists "$counted"
BENCH_ROLE=bench_naive BENCH_SESSION='' BENCH_ROUNDS=3 \
	bench_ratio count_naive_function '>=4' 'SELECT count(*) FROM obs_naive' 'SELECT count(*) FROM obs_few'

# The map: built by the first large statement of a server that has none.
build=$(psql -X -q -A -t -v ON_ERROR_STOP=1 <<-SQL | tail -1
	SET twin_privacy.consent_map_threshold = 0;
	SELECT twin_privacy_internal.consent_map_build();
SQL
)
bench_report map_build_seconds "$(awk "BEGIN { printf \"%.3f\", $build / 1000 }")" \
	"<=$(awk "BEGIN { printf \"%.2f\", 1.5 * $patients / 1000000 }")"
bench_report map_bytes_per_patient "$(bench_sql "SELECT round(bytes::numeric / $patients, 1) FROM twin_privacy_internal.consent_map()")" '<=32'
# Caught up by a session at work, after others recorded: the statement that first sees it against the next.
one="SELECT 1 FROM obs WHERE patient_id = md5('1')::uuid LIMIT 1;"
cat >"$BENCH_TMP/changes.sql" <<SQL
SELECT count(twin_privacy.record_consent(id::text, 'deny', 'HRESCH', '{imaging}', NULL, '(,)')) FROM patient_raw WHERE i <= $changed;
SQL
caught=$(printf '%s\n' '\o /dev/null' "SET twin_privacy.use = 'HRESCH';" "$one" "$one" \
	"\\! psql -X -q -U $PGUSER -o /dev/null -f $BENCH_TMP/changes.sql" '\timing on' "$one" "$one" |
	psql -X -q -v ON_ERROR_STOP=1 -U bench_reader | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | paste -sd ' ')
bench_report map_catch_up_ms "$(echo "$caught" | awk '{ printf "%.1f", $1 - $2 }')" '<=20'

# Writes: the collection consent of each row is checked.
bench_sql "CREATE TABLE stream_raw (patient_id uuid, at timestamptz, value float8);
	CREATE TABLE stream (LIKE stream_raw);
	GRANT SELECT, INSERT ON stream, stream_raw TO bench_reader;
	SELECT twin_privacy.protect_table('stream', subject => 'patient_id', category => 'laboratory');
	SELECT twin_privacy.label_column('stream', c, 'kind=plain') FROM unnest('{at,value}'::name[]) AS c" >/dev/null
samples=$((rows / 10))
bench_sql "COPY (SELECT md5((1 + i % 6 + 10 * (i % ($patients / 10 - 1)))::text)::uuid, now(), i FROM generate_series(1, $samples) i)
	TO STDOUT" >"$BENCH_TMP/stream.copy"
use TREAT
# As rates: the unprotected time over ours.  Batches of VALUES are what a gateway
# of sensors sends; INSERT ... SELECT of rows in no order is the hardest case, a
# patient out of the cache with each row.
for table in stream stream_raw; do
	bench_sql "SELECT 'INSERT INTO $table VALUES ' || string_agg(format('(%L, %L, %s)',
			md5((1 + i % 6 + 10 * (i % ($patients / 10 - 1)))::text)::uuid, timestamptz '2026-01-01 00:00Z' + i * interval '1 s', i), ', ') || ';'
		FROM generate_series(1, 100000) AS i GROUP BY i / 1000" >"$BENCH_TMP/$table.sql"
done
bench_ratio ingest_insert '>=0.85' "\\i $BENCH_TMP/stream_raw.sql \\\\ " "\\i $BENCH_TMP/stream.sql \\\\ "
bench_ratio ingest_insert_select '>=0.85' \
	"INSERT INTO stream_raw SELECT patient_id, now(), value FROM obs_raw LIMIT $samples" \
	"INSERT INTO stream SELECT patient_id, now(), value FROM obs_raw LIMIT $samples"
bench_ratio ingest_copy '>=0.85' "\\copy stream_raw FROM '$BENCH_TMP/stream.copy'" "\\copy stream FROM '$BENCH_TMP/stream.copy'"

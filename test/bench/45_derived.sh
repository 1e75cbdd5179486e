# shellcheck shell=bash
# 45_derived.sh - derived data: what it costs that a row asks for all it was made
# from, by category (derivations) and by row (provenance).
#
# Outputs of simulations with three inputs each, two readings of the same patient
# and one that in a tenth of them is another's; 60 % of the patients permit.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

patients=100000 rows=1000000
[ "$BENCH_SCALE" = full ] || patients=50000 rows=500000
export BENCH_ROUNDS=9

bench_login bench_officer1 bench_officer2 bench_reader
bench_sql 'GRANT twin_privacy_officer TO bench_officer1, bench_officer2'
bench_sql "
	CREATE TABLE reading AS SELECT i AS id, (1 + i % $patients)::bigint AS patient_id FROM generate_series(1, 3 * $patients) AS i;
	CREATE TABLE output AS SELECT i AS id, (1 + (hashint8(i)::bigint & 2147483647) % $patients)::bigint AS patient_id, i % 200 AS variable, (i % 1000)::float8 AS value
		FROM generate_series(1, $rows) AS i;
	CREATE TABLE untraced AS TABLE output;
	CREATE TABLE underived AS TABLE output;
	CREATE TABLE used AS SELECT o.id AS output_id, 1 + CASE WHEN k = 2 AND o.id % 10 = 0 THEN (o.id * 7919::bigint) % (3 * $patients)
			ELSE (o.patient_id - 2 + $patients) % $patients + k * $patients END AS reading_id
		FROM output AS o, generate_series(0, 2) AS k;
	ALTER TABLE reading ADD PRIMARY KEY (id);
	ALTER TABLE output ADD PRIMARY KEY (id);
	ALTER TABLE untraced ADD PRIMARY KEY (id);
	CREATE INDEX ON used (output_id);
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO bench_reader"
for table in reading output untraced underived used; do
	bench_sql "VACUUM (FREEZE, ANALYZE) $table"
done
bench_sql "SELECT twin_privacy.protect_table(t, subject => 'patient_id', category => c) FROM (VALUES
		('reading'::regclass, 'sensor_stream'), ('output', 'prediction'), ('untraced', 'prediction'), ('underived', 'clinical')) AS v(t, c);
	SELECT twin_privacy.label_column(t, c, 'kind=plain') FROM unnest('{output,untraced,underived}'::regclass[]) AS t, unnest('{id,variable,value}'::name[]) AS c;
	SELECT twin_privacy.declare_derivation('prediction', '{simulation}'), twin_privacy.declare_derivation('simulation', '{twin_state,twin_parameter}'),
		twin_privacy.declare_derivation('twin_state', '{sensor_stream,laboratory}');
	SELECT twin_privacy.declare_provenance('output', 'id', 'used', 'output_id', 'reading', 'reading_id', 'id')" >/dev/null
bench_sql "SET client_min_messages = error;
	SELECT twin_privacy.record_consent('form', 'permit', 'HRESCH', NULL, NULL, '(,)')" >/dev/null
bench_sql "SET twin_privacy.maintenance = on;
	INSERT INTO twin_privacy_internal.directive (consent_id, terms_id, valid_from, valid_until, given_at, recorded_at, changed, subject, recorded_by)
	SELECT nextval('twin_privacy_internal.consent_id_seq'), 1, now() - interval '1 day', 'infinity', now(), now(), pg_current_xact_id(), i::text, 'bench'
		FROM generate_series(1, $patients) AS i WHERE i % 10 < 6"
bench_sql 'VACUUM (ANALYZE) twin_privacy_internal.directive'
bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('LINE', purpose => 'HRESCH', recipient => 'university',
	categories => '{prediction,clinical}', disclosure => 'identified', valid => '[2020-01-01,)')" >/dev/null
bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('LINE'), twin_privacy.grant_use('LINE', 'bench_reader')" >/dev/null
bench_sql "ALTER ROLE bench_reader SET twin_privacy.ledger_commit = 'binding'"
session="SET twin_privacy.use = 'LINE'; SET twin_privacy.justification = 'bench';"
export BENCH_ROLE=bench_reader BENCH_SESSION=$session

# A fast wrong answer is no figure.
seen=$(bench_sql -U bench_reader "$session SELECT count(*), sum(value) FROM output")
[ "$seen" = "$(bench_sql "SET twin_privacy.maintenance = on; SELECT count(*), sum(value) FROM output o WHERE patient_id % 10 < 6 AND NOT EXISTS
	(SELECT FROM used u JOIN reading r ON r.id = u.reading_id WHERE u.output_id = o.id AND r.patient_id % 10 >= 6)")" ]

bench_ratio scan_derived '<=1.02' 'SELECT sum(value) FROM untraced' 'SELECT sum(value) FROM underived'
bench_ratio scan_provenance '<=1.5' 'SELECT sum(value) FROM output' 'SELECT sum(value) FROM untraced'
bench_ratio count_provenance '<=1.5' 'SELECT count(*) FROM output' 'SELECT count(*) FROM untraced'
export BENCH_REPEAT=200
bench_ratio lookup_provenance '<=2' 'SELECT value FROM output WHERE id = 1 + %i * 10' 'SELECT value FROM untraced WHERE id = 1 + %i * 10'

# What a session pays once: its first scan, beside one that has all it needs.
first=$(psql -X -q -U bench_reader -c "$session" -c '\timing on' -c "SELECT sum(value) FROM output" -c "SELECT sum(value) FROM output" | awk '$1 == "Time:" { print $2 }' | paste -sd' ')
echo "#   first scan of a session and second: $first ms ($((rows * 3)) rows of provenance)"

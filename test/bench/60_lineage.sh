# shellcheck shell=bash
# 60_lineage.sh - derived data: what a withdrawal leaves to do.
#
# A thousand patients, ten readings each; a parameter is calibrated from three
# readings of its patient, and patient 1 has ten thousand of them.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

patients=1000 dependents=10000

bench_sql "
	CREATE TABLE reading (id int PRIMARY KEY, patient_id int, value float8);
	CREATE TABLE param (id int PRIMARY KEY, patient_id int, value float8);
	CREATE TABLE param_used (param_id int, reading_id int);
	INSERT INTO reading SELECT p * 10 + i, p, i FROM generate_series(1, $patients) p, generate_series(0, 9) i;
	INSERT INTO param SELECT i, CASE WHEN i <= $dependents THEN 1 ELSE 2 + i % ($patients - 1) END, i FROM generate_series(1, 5 * $dependents) i;
	INSERT INTO param_used SELECT id, patient_id * 10 + (id + i) % 10 FROM param, generate_series(0, 2) i;
	CREATE INDEX ON reading (patient_id);
	CREATE INDEX ON param (patient_id);
	CREATE INDEX ON param_used (param_id);
	CREATE INDEX ON param_used (reading_id)"
bench_sql 'VACUUM ANALYZE'
bench_sql "SET client_min_messages = error;
	SELECT twin_privacy.protect_table('reading', subject => 'patient_id', category => 'sensor_stream');
	SELECT twin_privacy.protect_table('param', subject => 'patient_id', category => 'twin_parameter');
	SELECT twin_privacy.declare_provenance('param', 'id', 'param_used', 'param_id', 'reading', 'reading_id', 'id');
	SELECT count(twin_privacy.record_consent(p::text, 'permit', 'HRESCH', valid => '(,)')) FROM generate_series(1, $patients) p" >/dev/null

# Milliseconds from the withdrawal to the end of the list of all that hangs on it, median of five.
times=$(for ((round = 1; round <= 6; round++)); do
	printf '%s\n' "SELECT count(*) FROM twin_privacy.taint_report('2');" '\timing on' \
		"SELECT twin_privacy.withdraw_all_consent('1', 'bench');" \
		"SELECT count(*) FROM twin_privacy.taint_report('1');" '\timing off' \
		"SELECT twin_privacy.record_consent('1', 'permit', 'HRESCH', valid => '(,)') > 0;" |
		psql -X -q -A -t -v ON_ERROR_STOP=1 |
		awk -v n="$round" -v want="$dependents" '/^Time:/ { ms += $2 } /^[0-9]+$/ { last = $1 }
			END { if (last != want) { print "map_taint: " last " dependents" >"/dev/stderr"; exit 1 } if (n > 1) print ms }'
done)
bench_report map_taint "$(median <<<"$times")" '<=100'

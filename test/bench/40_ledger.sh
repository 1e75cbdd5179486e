# shellcheck shell=bash
# 40_ledger.sh - recorded reads against what bounds them: in mode statement one-row
# INSERT commits (both wait for one flush of the disk), in mode binding the same
# protected reads unrecorded, on a second server whose library does not record
# (test/modules/unrecorded); both beside the same reads recorded by pgAudit; whole scans with and without the set of subjects; breaking
# the glass to the first row.
#
# Neighbouring runs in one round are compared, because a disk's rate drifts.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=5 seconds=1 patients=50000 rows=500000
[ "$BENCH_SCALE" = small ] || { rounds=9; seconds=4; patients=1000000; rows=10000000; }

# Lays a server out: a few patients for point reads, a population for scans.
lay_out() {
	bench_login bench_admin bench_officer1 bench_officer2 bench_registrar bench_nurse
	bench_sql "GRANT twin_privacy_admin TO bench_admin;
		GRANT twin_privacy_officer TO bench_officer1, bench_officer2;
		GRANT twin_privacy_registrar TO bench_registrar;
		CREATE TABLE patient_raw (id int PRIMARY KEY, name text);
		INSERT INTO patient_raw SELECT i, 'patient ' || i FROM generate_series(1, 1000) AS i;
		CREATE TABLE patient AS SELECT * FROM patient_raw;
		ALTER TABLE patient ADD PRIMARY KEY (id);
		CREATE TABLE obs AS SELECT 1 + (hashint8(i)::bigint & 2147483647) % $patients AS patient_id,
			i % 1000 AS value FROM generate_series(1, $rows) AS i;
		CREATE TABLE target (i int);
		GRANT SELECT ON patient, patient_raw, obs TO bench_nurse;
		GRANT INSERT ON target TO bench_nurse"
	bench_sql -U bench_admin "SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
		SELECT twin_privacy.protect_table('obs', subject => 'patient_id', category => 'laboratory')" >/dev/null
	bench_sql -U bench_officer1 "
		SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
			categories => '{demographics,laboratory}', disclosure => 'identified');
		SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'ward',
			categories => '{demographics}', disclosure => 'identified')" >/dev/null
	bench_sql -U bench_officer2 "
		SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'bench_nurse'),
		       twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'bench_nurse')" >/dev/null
	# One signed form comes through the front door; a population of signatures is loaded as a restore loads it.
	bench_sql -U bench_registrar "SET client_min_messages = error;
		SELECT twin_privacy.record_consent('form', decision => 'permit', purpose => 'TREAT')" >/dev/null
	bench_sql "SET twin_privacy.maintenance = on;
		INSERT INTO twin_privacy_internal.directive (consent_id, terms_id, valid_from, valid_until, given_at,
				recorded_at, changed, subject, recorded_by)
			SELECT nextval('twin_privacy_internal.consent_id_seq'), 1, now() - interval '1 day', 'infinity',
				now(), now(), pg_current_xact_id(), i::text, 'bench' FROM generate_series(1, $patients) AS i"
	for table in patient patient_raw obs twin_privacy_internal.directive; do
		bench_sql "VACUUM (ANALYZE) $table"
	done
	bench_sql "ALTER ROLE bench_nurse SET twin_privacy.use = 'CARE'"
	bench_sql "ALTER ROLE bench_nurse SET twin_privacy.ledger_commit = 'statement'"
}

# Runs something on the server that does not record.
unrecorded() {
	PGHOST=$BENCH_UNRECORDED "$@"
}

lay_out
unrecorded psql -X -q -d postgres -c 'CREATE DATABASE bench_ledger'
unrecorded bench_sql 'SET client_min_messages = warning; CREATE EXTENSION twin_privacy CASCADE'
unrecorded lay_out

cat >"$BENCH_TMP/read.sql" <<'SQL'
\set id random(1, 1000)
SELECT name FROM patient WHERE id = :id;
SQL
cat >"$BENCH_TMP/plain.sql" <<'SQL'
\set id random(1, 1000)
SELECT name FROM patient_raw WHERE id = :id;
SQL
echo 'INSERT INTO target VALUES (1);' >"$BENCH_TMP/insert.sql"

# Transactions a second of a script with so many clients.
rate() {
	pgbench -n -U bench_nurse -M prepared -f "$BENCH_TMP/$1.sql" \
		-c "$2" -j 2 -T "$seconds" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# The same read where nobody records it.
rate_unrecorded() {
	unrecorded rate "$@"
}

# Prints the median over rounds of A's figure by B's, either first; A and B are commands.
compare() {
	local name=$1 target=$2 a b round ratios=''
	for ((round = 0; round < rounds; round++)); do
		if ((round % 2)); then
			a=$($3)
			b=$($4)
		else
			b=$($4)
			a=$($3)
		fi
		ratios+="$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }') "
	done
	bench_report "$name" "$(tr ' ' '\n' <<<"${ratios% }" | median)" "$target"
	printf '#   %s: %s, last a %.0f, b %.0f\n' "$name" "$ratios" "$a" "$b"
}

# The same read where pgAudit writes it to the server's log: the statement, not the patient, and when it may.
rate_audited() {
	PGHOST=$BENCH_AUDITED rate read "$1"
}

# Prints the figures of one mode beside pgAudit's.
compare_audited() {
	[ -n "$BENCH_AUDITED" ] || return 0
	compare "ledger_$1_pgaudit_c1" "$2" 'rate read 1' 'rate_audited 1'
	compare "ledger_$1_pgaudit_c8" "$2" 'rate read 8' 'rate_audited 8'
}

if [ -n "$BENCH_AUDITED" ]; then
	PGHOST=$BENCH_AUDITED psql -X -q -d postgres -c 'CREATE DATABASE bench_ledger'
	PGHOST=$BENCH_AUDITED bench_sql 'SET client_min_messages = warning; CREATE EXTENSION twin_privacy CASCADE'
	PGHOST=$BENCH_AUDITED lay_out
	PGHOST=$BENCH_AUDITED bench_sql "ALTER ROLE bench_nurse SET pgaudit.log = 'read'"
else
	echo '# pgaudit is not installed (postgresql-NN-pgaudit): not compared'
fi

compare ledger_statement_c1 '>=0.9' 'rate read 1' 'rate insert 1'
compare ledger_statement_c8 '>=0.9' 'rate read 8' 'rate insert 8'
# For the reader: durable before the first row, against a log that is not.
compare_audited statement '>=0'
bench_sql "ALTER ROLE bench_nurse SET twin_privacy.ledger_commit = 'binding'"
compare ledger_binding_c1 '>=0.85' 'rate read 1' 'rate_unrecorded read 1'
compare ledger_binding_c8 '>=0.85' 'rate read 8' 'rate_unrecorded read 8'
compare_audited binding '>=1.0'
# For the reader: what consent and record cost together beside a table that nobody protects.
compare ledger_binding_plain_c1 '>=0' 'rate read 1' 'rate plain 1'
compare ledger_binding_plain_c8 '>=0' 'rate read 8' 'rate plain 8'

# Milliseconds of a statement's second and third execution in a session.
scan_time() {
	printf '%s\n' '\o /dev/null' "$1;" '\timing on' "$1;" "$1;" | psql -X -q -v ON_ERROR_STOP=1 -U bench_nurse |
		awk '$1 == "Time:" { sum += $2 } END { print sum }'
}

count_time() {
	scan_time 'SELECT count(*) FROM obs'
}

count_time_unrecorded() {
	unrecorded count_time
}

sum_time() {
	scan_time 'SELECT sum(value) FROM obs WHERE value < 900'
}

sum_time_unrecorded() {
	unrecorded sum_time
}

compare ledger_scan_count '<=1.1' count_time count_time_unrecorded
compare ledger_scan_sum '<=1.1' sum_time sum_time_unrecorded

# The baseline is none if it records, or if this server does not (a few patients have no row to be told of).
recorded="SELECT count(*) > 0 AND count(*) FILTER (WHERE outcome = 'done' AND subject_count > $patients * 0.9) > 0
	FROM twin_privacy.disclosures"
[ "$(bench_sql "$recorded")" = t ] || { echo '# reads were not recorded'; exit 1; }
[ "$(unrecorded bench_sql 'SELECT count(*) FROM twin_privacy.disclosures')" = 0 ] ||
	{ echo '# the unrecorded server records'; exit 1; }

# From break_glass() to the first row, and back; the p99 in milliseconds.
bench_sql "ALTER ROLE bench_nurse SET twin_privacy.ledger_commit = 'statement'"
bench_sql "ALTER ROLE bench_nurse SET twin_privacy.break_glass_debt_limit = -1"
{
	printf '%s\n' '\o /dev/null' 'SET client_min_messages = error;' '\timing on'
	for ((i = 1; i <= 100; i++)); do
		printf '\\echo @a %s\n' "$i"
		printf "SELECT twin_privacy.break_glass('%s', 'benchmark of the emergency');\n" "$i"
		printf 'SELECT name FROM patient;\n\\timing off\nSELECT twin_privacy.end_break_glass();\n\\timing on\n'
	done
} >"$BENCH_TMP/glass.sql"
psql -X -q -v ON_ERROR_STOP=1 -U bench_nurse -f "$BENCH_TMP/glass.sql" >"$BENCH_TMP/glass.times"
p99=$(sum_times "$BENCH_TMP/glass.times" | awk '{ print $1 }' | sort -g | sed -n 99p)
bench_report break_glass_first_row_p99 "$(awk -v p="$p99" 'BEGIN { printf "%.3f", p / 1000 }')" '<=1.0'
printf '#   break_glass_first_row_p99: seconds to the first row, 99th of 100; median %.1f ms, p99 %.1f ms\n' \
	"$(sum_times "$BENCH_TMP/glass.times" | awk '{ print $1 }' | median)" "$p99"

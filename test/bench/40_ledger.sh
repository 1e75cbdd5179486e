# shellcheck shell=bash
# 40_ledger.sh - recorded point reads against what bounds them: in mode statement
# one-row INSERT commits (both wait for one flush of the disk), in mode binding
# unrecorded reads of a plain copy; breaking the glass to the first row.
#
# Neighbouring runs in one round are compared, because a disk's rate drifts.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=5 seconds=1
[ "$BENCH_SCALE" = small ] || { rounds=9; seconds=4; }

bench_login bench_admin bench_officer1 bench_officer2 bench_registrar bench_nurse
bench_sql "GRANT twin_privacy_admin TO bench_admin;
	GRANT twin_privacy_officer TO bench_officer1, bench_officer2;
	GRANT twin_privacy_registrar TO bench_registrar;
	CREATE TABLE patient_raw (id int PRIMARY KEY, name text);
	INSERT INTO patient_raw SELECT i, 'patient ' || i FROM generate_series(1, 1000) AS i;
	CREATE TABLE patient AS SELECT * FROM patient_raw;
	ALTER TABLE patient ADD PRIMARY KEY (id);
	CREATE TABLE target (i int);
	GRANT SELECT ON patient, patient_raw TO bench_nurse;
	GRANT INSERT ON target TO bench_nurse"
bench_sql 'VACUUM (ANALYZE) patient'
bench_sql 'VACUUM (ANALYZE) patient_raw'
bench_sql -U bench_admin "SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics')" >/dev/null
bench_sql -U bench_officer1 "
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
		categories => '{demographics}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'ward',
		categories => '{demographics}', disclosure => 'identified')" >/dev/null
bench_sql -U bench_officer2 "
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'bench_nurse'),
	       twin_privacy.approve_use('ER'), twin_privacy.grant_use('ER', 'bench_nurse')" >/dev/null
bench_sql -U bench_registrar "
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT')
	  FROM generate_series(1, 1000) AS i" >/dev/null

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
	PGOPTIONS="-c twin_privacy.use=CARE" pgbench -n -U bench_nurse -M prepared -f "$BENCH_TMP/$1.sql" \
		-c "$2" -j 2 -T "$seconds" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# Prints the median over rounds of rate(A)/rate(B), either first.
compare_rates() {
	local name=$1 target=$2 clients=$3 a b round ratios=''
	for ((round = 0; round < rounds; round++)); do
		if ((round % 2)); then
			a=$(rate "$4" "$clients")
			b=$(rate "$5" "$clients")
		else
			b=$(rate "$5" "$clients")
			a=$(rate "$4" "$clients")
		fi
		ratios+="$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }') "
	done
	bench_report "$name" "$(tr ' ' '\n' <<<"${ratios% }" | median)" "$target"
	printf '#   %s: %s, last a %.0f/s, b %.0f/s\n' "$name" "$ratios" "$a" "$b"
}

bench_sql "ALTER ROLE bench_nurse SET twin_privacy.ledger_commit = 'statement'"
compare_rates ledger_statement_c1 '>=0.9' 1 read insert
compare_rates ledger_statement_c8 '>=0.9' 8 read insert
bench_sql "ALTER ROLE bench_nurse SET twin_privacy.ledger_commit = 'binding'"
compare_rates ledger_binding_c1 '>=0.85' 1 read plain
compare_rates ledger_binding_c8 '>=0.85' 8 read plain

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

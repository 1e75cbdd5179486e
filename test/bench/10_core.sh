# shellcheck shell=bash
# 10_core.sh - protected against unprotected: a scan with a sum, a count, a grouped
# aggregate, a join and point lookups; 60 % of the patients permit.
#
# Patients are numbered by a bigint.  The unprotected side reads a copy.
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

patients=100000 rows=1000000
[ "$BENCH_SCALE" = small ] || patients=1000000 rows=10000000

bench_login bench_admin bench_officer1 bench_officer2 bench_registrar bench_analyst
bench_sql 'GRANT twin_privacy_admin TO bench_admin;
	GRANT twin_privacy_officer TO bench_officer1, bench_officer2;
	GRANT twin_privacy_registrar TO bench_registrar'

bench_sql "
	CREATE SCHEMA clinic;
	CREATE TABLE clinic.patient_raw (id bigint PRIMARY KEY, name text, birth_year int, ward int);
	INSERT INTO clinic.patient_raw
		SELECT i, 'patient ' || i, 1930 + i % 90, i % 50 FROM generate_series(1, $patients) AS i;
	CREATE TABLE clinic.observation_raw (id bigint, patient_id bigint NOT NULL, code int, value float8, at timestamptz);
	INSERT INTO clinic.observation_raw
		SELECT i, 1 + (hashint8(i)::bigint & 2147483647) % $patients, i % 200, i % 1000,
			timestamptz '2026-01-01 00:00Z' + i * interval '1 second'
		FROM generate_series(1, $rows) AS i;
	CREATE TABLE clinic.patient (LIKE clinic.patient_raw INCLUDING ALL);
	CREATE TABLE clinic.observation (LIKE clinic.observation_raw INCLUDING ALL);
	INSERT INTO clinic.patient SELECT * FROM clinic.patient_raw;
	INSERT INTO clinic.observation SELECT * FROM clinic.observation_raw;
	CREATE INDEX ON clinic.observation_raw (patient_id, at);
	CREATE INDEX ON clinic.observation (patient_id, at);
	GRANT USAGE ON SCHEMA clinic TO PUBLIC;
	GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO bench_analyst"
for table in patient patient_raw observation observation_raw; do
	bench_sql "VACUUM (FREEZE, ANALYZE) clinic.$table"
done

bench_sql -U bench_admin "
	SELECT twin_privacy.protect_table('clinic.patient', subject => 'id', category => 'demographics');
	SELECT twin_privacy.protect_table('clinic.observation', subject => 'patient_id', category => 'laboratory')" >/dev/null
bench_sql -U bench_officer1 "SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
	categories => '{demographics,laboratory}', disclosure => 'identified', valid => '[2020-01-01,)')" >/dev/null
bench_sql -U bench_officer2 "SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'bench_analyst')" >/dev/null
bench_sql -U bench_registrar "DO \$\$
	BEGIN
		FOR i IN 1 .. $patients LOOP
			CONTINUE WHEN i % 10 >= 6;
			PERFORM twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT');
			IF i % 500 = 0 THEN COMMIT; END IF;
		END LOOP;
	END \$\$"

# Both sides of a figure: the protected tables, then their plain copies.
compare() {
	bench_ratio "$1" "$2" "${3//@/}" "${3//@/_raw}"
}

export BENCH_ROLE=bench_analyst
bench_sql "ALTER ROLE bench_analyst SET twin_privacy.ledger_commit = 'binding'"
session="SET twin_privacy.use = 'CARE'; SET twin_privacy.justification = 'bench';"
export BENCH_SESSION=$session

# A fast wrong answer is no figure.
[ "$(bench_sql -U bench_analyst "$session SELECT count(*), sum(value) FROM clinic.observation")" = \
	"$(bench_sql "SELECT count(*), sum(value) FROM clinic.observation_raw WHERE patient_id % 10 < 6")" ]

compare scan '<=1.15' 'SELECT sum(value), min(at) FROM clinic.observation@'
compare count '<=1.5' 'SELECT count(*) FROM clinic.observation@'
compare aggregate '<=1.0' 'SELECT code, count(*), avg(value) FROM clinic.observation@ GROUP BY code'
compare join '<=1.0' 'SELECT p.ward, count(*), avg(o.value) FROM clinic.patient@ p
	JOIN clinic.observation@ o ON o.patient_id = p.id GROUP BY p.ward'

prepare="PREPARE last@ (bigint) AS SELECT at, code, value FROM clinic.observation@
	WHERE patient_id = \$1 ORDER BY at DESC LIMIT 100;"
export BENCH_REPEAT=300 BENCH_SESSION="$session ${prepare//@/} ${prepare//@/_raw}"
compare lookup '<=1.25' 'EXECUTE last@(1 + %i * 10)'

#!/usr/bin/env bash
# 20_pseudonym.sh - pseudonyms, sealed values, format-preserving encryption and
# date shift, against pgcrypto's hmac and against a bare C loop of the primitive.
#
# "vs_loop" compares "scan the table and compute" with "scan the table, and run
# the primitive in a C loop as many times": both pay for the same scan.
set -euo pipefail
# shellcheck source=test/bench/lib.sh
. "$(dirname "$0")/lib.sh"

# Against pgcrypto always a million values: fewer, and the statement's one durable
# ledger record shows in the figure.
MANY=1000000
ROWS=200000
[ "${BENCH_SCALE:-small}" = small ] || ROWS=1000000

bench_login bench_one bench_two bench_nurse bench_analyst
bench_sql "
	GRANT twin_privacy_officer TO bench_one, bench_two;
	CREATE EXTENSION crypto_vectors;
	CREATE TABLE v AS SELECT i, md5(i::text) AS t, md5(i::text)::uuid AS u, lpad(i::text, 16, '0') AS digits,
	       substr(md5(i::text), 1, 16) AS short, date '2000-01-01' + i % 9000 AS d FROM generate_series(1, $ROWS) i;
	CREATE TABLE many AS SELECT i, md5(i::text) AS t, date '2000-01-01' + i % 9000 AS d FROM generate_series(1, $MANY) i;
	GRANT SELECT ON v TO bench_nurse;
	SELECT twin_privacy.create_pseudonym_domain('BENCH');
	CREATE TABLE p1 AS SELECT twin_privacy.pseudonymize('BENCH', i)::twin_privacy.pseudonym('BENCH') AS k, i FROM v ORDER BY md5(t);
	CREATE TABLE p2 AS SELECT k, i FROM p1 ORDER BY hashint4(i);
	CREATE TABLE u1 AS SELECT gen_random_uuid() AS k, i FROM p1;
	CREATE TABLE u2 AS SELECT k, i FROM u1 ORDER BY hashint4(i);
	CREATE TABLE person AS SELECT i AS id, t AS mrn, u AS ref, d AS born FROM v;
	ALTER TABLE person ADD PRIMARY KEY (id);
	CREATE TABLE plain AS TABLE person;
	SELECT twin_privacy.protect_table('person', subject => 'id', category => 'demographics');
	SELECT twin_privacy.label_column('person', 'mrn', 'kind=identifier, mask=pseudonym');
	SELECT twin_privacy.label_column('person', 'ref', 'kind=identifier, mask=pseudonym');
	SELECT twin_privacy.label_column('person', 'born', 'kind=quasi, mask=date_shift');
	GRANT SELECT ON person, plain TO bench_analyst" >/dev/null
bench_sql 'VACUUM ANALYZE' >/dev/null
bench_sql -U bench_one "
	SELECT twin_privacy.propose_use('BENCH-CARE', purpose => 'TREAT', recipient => 'hospital', categories => '{clinical}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('BENCH-STUDY', purpose => 'HRESCH', recipient => 'university', categories => '{demographics}',
	       disclosure => 'pseudonymised', basis => 'legal_obligation')" >/dev/null
bench_sql -U bench_two "
	SELECT twin_privacy.approve_use('BENCH-CARE'), twin_privacy.grant_use('BENCH-CARE', 'bench_nurse');
	SELECT twin_privacy.approve_use('BENCH-STUDY'), twin_privacy.grant_use('BENCH-STUDY', 'bench_analyst')" >/dev/null

HMAC="SELECT count(hmac(t, '0123456789abcdef0123456789abcdef', 'sha256')) FROM"
export BENCH_ROUNDS=5

# Scans a column and runs a bare loop as often as there are rows.
loop() {
	echo "SELECT count($1), (SELECT $2($ROWS) IS NULL) FROM v"
}

BENCH_ROUNDS=3 bench_ratio pseudonym_vs_pgcrypto '>=5' "$HMAC many" "SELECT count(twin_privacy.pseudonymize('BENCH', t)) FROM many"
bench_ratio pseudonym_vs_loop '<=1.3' "SELECT count(twin_privacy.pseudonymize('BENCH', short)) FROM v" "$(loop short loop_hmac)"
bench_ratio pseudonym_integer_vs_loop '<=1.3' "SELECT count(twin_privacy.pseudonymize('BENCH', i)) FROM v" "$(loop i loop_hmac)"
bench_ratio pseudonym_uuid_vs_loop '<=1.3' "SELECT count(twin_privacy.pseudonymize('BENCH', u)) FROM v" "$(loop u loop_hmac)"

JOIN='SELECT count(*) FROM %s1 a JOIN %s2 b USING (k)'
for method in hash merge; do
	other='hash'
	[ "$method" != hash ] || other=merge
	export BENCH_SESSION="SET work_mem = 262144; SET enable_${other}join = off; SET enable_nestloop = off;"
	bench_ratio pseudonym_${method}_join '<=1.1' "${JOIN//%s/p}" "${JOIN//%s/u}"
done
export BENCH_SESSION=''

# Under a use: the whole price of a masked column, row rule and ledger record included.
export BENCH_ROLE=bench_analyst BENCH_SESSION="SELECT twin_privacy.bind_use('BENCH-STUDY', 'bench');"
bench_ratio pseudonym_mask_text_scan '<=12' 'SELECT count(mrn) FROM person' 'SELECT count(mrn) FROM plain'
bench_ratio pseudonym_mask_key_scan '<=12' 'SELECT count(id) FROM person' 'SELECT count(id) FROM plain'
bench_ratio date_shift_mask_scan '<=12' 'SELECT count(born) FROM person' 'SELECT count(born) FROM plain'
export BENCH_ROLE='' BENCH_SESSION=''

bench_ratio sealed_vs_pgcrypto '>=1.5' "$HMAC v" "SELECT count(twin_privacy.seal('BENCH', short)) FROM v"
bench_ratio sealed_vs_loop '<=1.3' "SELECT count(twin_privacy.seal('BENCH', short)) FROM v" "$(loop short loop_siv)"
BENCH_ROUNDS=3 bench_ratio date_shift_vs_pgcrypto '>=4' "$HMAC many" "SELECT count(twin_privacy.shift_date('BENCH', i, d)) FROM many"
bench_ratio date_shift_vs_loop '<=1.3' "SELECT count(twin_privacy.shift_date('BENCH', i, d)) FROM v" "$(loop d loop_hmac)"

export BENCH_ROLE=bench_nurse BENCH_SESSION="SELECT twin_privacy.bind_use('BENCH-CARE', 'bench');"
bench_ratio fpe_vs_pgcrypto '>=1' "$HMAC v" "SELECT count(twin_privacy.fpe_encrypt('BENCH-CARE', digits, 'digits', 'v')) FROM v"
bench_ratio fpe_vs_loop '<=1.3' "SELECT count(twin_privacy.fpe_encrypt('BENCH-CARE', digits, 'digits', 'v')) FROM v" "$(loop digits loop_ff1)"

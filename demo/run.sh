#!/usr/bin/env bash
# run.sh - a tour of twin_privacy: a small hospital, nine people, real output.
#
# Needs a throwaway cluster, its library preloaded and a master key configured, that
# lets local roles in without a password, and in it a database with the extension
# (PGHOST, PGPORT, PGDATABASE; PGUSER: a superuser).
set -euo pipefail
cd "$(dirname "$0")"
export PGOPTIONS='-c client_min_messages=warning' PAGER=
ADMIN=${PGUSER:-$(id -un)}

# Prints a heading and what to look at.
say() {
	printf '\n\033[1m%s\033[0m\n' "$1"
	shift
	[ $# = 0 ] || printf '%s\n' "$@"
	echo
}

# Runs the statements on standard input as a person, echoing each before its result.
as() {
	local person=$1
	psql -X -q -e -U "$person" -P footer=on 2>&1 | sed -e '/^$/d' -e "s/^/  $person | /" || true
}

psql -X -q -U "$ADMIN" -v ON_ERROR_STOP=1 -1 -f twin.sql -f hospital.sql -f lineage.sql
psql -X -q -U "$ADMIN" -v ON_ERROR_STOP=1 -o /dev/null -f policy.sql

say 'A hospital' \
	'Forty invented patients with diabetes wear glucose sensors; each has a digital' \
	'twin, a glucose-insulin model fitted to the person. Everybody below has SELECT' \
	'on every table. What they see is decided by an approved use and by consent.'
as olga <<'SQL'
SELECT code, purpose, recipient, disclosure, proposed_by, approved_by, granted_to FROM twin_privacy.approved_uses;
SQL

say '1. An analyst with SELECT, but for no stated use'
as anna <<'SQL'
SELECT avg(glucose) FROM clinic.glucose_stream;
SQL

say '2. The treating clinician'
as dr_chen <<'SQL'
SELECT twin_privacy.bind_use('CARE', 'ward round, morning');
SELECT patient_id, mrn, name, birth_date, phone, risk AS low_glucose_risk
  FROM clinic.patient JOIN clinic.prediction USING (patient_id) ORDER BY risk DESC LIMIT 4;
SQL

say '3. A researcher: the same tables, the same SQL' \
	'Keys are pseudonyms that still join, names are masked before any WHERE can see them,' \
	'and what a patient did not agree to is missing: a row here, a cell there.'
as rosa <<'SQL'
SET twin_privacy.use = 'TWIN-STUDY';
SET twin_privacy.justification = 'insulin sensitivity, protocol 7';
SELECT count(*) FROM clinic.patient;
SELECT twin_privacy.acknowledge_use('TWIN-STUDY');
SELECT count(*) FROM clinic.patient;
SELECT patient_id, mrn, name, birth_date, sex, zip, phone, risk AS low_glucose_risk
  FROM clinic.patient LEFT JOIN clinic.prediction USING (patient_id) ORDER BY birth_date, patient_id LIMIT 4;
SELECT count(*) AS named_ada FROM clinic.patient WHERE name LIKE 'Ada%';
SELECT p.name, round(avg(p.value)::numeric, 7) AS mean, count(*) AS twins
  FROM clinic.twin_parameter AS p JOIN clinic.twin USING (twin_id) GROUP BY 1 ORDER BY 1;
SELECT * FROM clinic.lab_result;
SQL

say '4. A patient withdraws, while the researcher is in the middle of a transaction' \
	'Patient 2 is gone from the very next statement, and only from the research.'
as rosa <<'SQL'
SELECT twin_privacy.bind_use('TWIN-STUDY', 'insulin sensitivity, protocol 7');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS patients, count(DISTINCT zip) AS areas FROM clinic.patient;
\! PGUSER=reni psql -X -q -e -f withdraw.sql 2>&1 | sed -e '/^$/d' -e 's/^/reni, meanwhile | /'
SELECT count(*) AS patients, count(DISTINCT zip) AS areas FROM clinic.patient;
COMMIT;
SQL

say '5. Another takes the glucose sensor back, and what was made from it follows' \
	'Her parameters, run and forecast are gone, and the model that was trained on her with others;' \
	'everybody else stays. Who made them is told what there is to do, the patient who dealt with it.'
as mila <<'SQL'
SELECT twin_privacy.bind_use('TWIN-LAB', 'nightly run');
SELECT (SELECT count(*) FROM lab.fit) AS fits, (SELECT count(*) FROM lab.run) AS runs, (SELECT count(*) FROM lab.forecast) AS forecasts, (SELECT count(*) FROM lab.model) AS models;
SQL
as reni <<'SQL'
SELECT twin_privacy.record_consent('7', decision => 'deny', purpose => 'TREAT', categories => '{sensor_stream}') > 0 AS recorded;
SQL
as mila <<'SQL'
SELECT twin_privacy.bind_use('TWIN-LAB', 'clean up');
SELECT (SELECT count(*) FROM lab.fit) AS fits, (SELECT count(*) FROM lab.run) AS runs, (SELECT count(*) FROM lab.forecast) AS forecasts, (SELECT count(*) FROM lab.model) AS models;
SELECT target, row_key FROM twin_privacy.tainted ORDER BY target::text;
SELECT twin_privacy.clear_taint('lab.model', 'pooled', 'trained anew without the patient');
SQL
as reni <<'SQL'
SELECT kind, object, row_key, cleared_by, note FROM twin_privacy.taint_report('7') WHERE object LIKE 'lab.%';
SQL

say '6. An insurer wants risk scores' \
	'Some purposes are closed to everybody: no officer can approve them, no consent opens them.'
as olga <<'SQL'
SELECT twin_privacy.propose_use('RISK-1', purpose => 'INSURANCE_RISK_SCORING', recipient => 'insurer',
  categories => '{prediction}', disclosure => 'identified', valid => '[2026-01-01,2027-01-01)');
SQL
as ivan <<'SQL'
SET twin_privacy.use = 'CARE';
SELECT * FROM clinic.prediction;
SQL

say '7. Who read what' 'Every read and every refusal left a record before its first row did. The records are' \
	'chained: an edit shows. And it is known which patients a statement was told of.'
as audrey <<'SQL'
SELECT session_role AS who, use_code AS use, array_to_string(tables, ', ') AS tables, row_count AS rows,
       subject_count AS patients, outcome
  FROM twin_privacy.disclosures ORDER BY record_id;
SELECT session_role AS who, use_code AS use, justification, outcome FROM twin_privacy.disclosures_of('2') ORDER BY record_id;
SELECT count(*) AS findings FROM twin_privacy.verify_ledger();
SQL
as reni <<'SQL'
SELECT twin_privacy.consent_summary('2');
SQL

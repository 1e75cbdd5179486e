-- Measures and releases of protected tables: under the bound use, its row rules and masks.
CREATE SCHEMA anon;
CREATE TABLE anon.patient (id int PRIMARY KEY, birth date NOT NULL, sex text NOT NULL, diagnosis text NOT NULL, secret text);
INSERT INTO anon.patient SELECT i, date '1980-01-01' + i, (ARRAY['f', 'm'])[1 + i % 2], 'd' || i % 5, 's' || i FROM generate_series(1, 60) AS i;
CREATE TABLE anon.obs (patient_id int NOT NULL REFERENCES anon.patient, day int NOT NULL, room text NOT NULL);
INSERT INTO anon.obs SELECT 1 + i % 60, i / 60, 'room ' || (1 + i % 60) / 31 FROM generate_series(0, 599) AS i;
CREATE ROLE anon_one LOGIN; CREATE ROLE anon_two LOGIN; CREATE ROLE anon_reader LOGIN;
GRANT twin_privacy_officer, twin_privacy_registrar TO anon_one, anon_two;
GRANT USAGE, CREATE ON SCHEMA anon TO anon_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA anon TO anon_reader;
SELECT twin_privacy.protect_table('anon.patient', 'id', 'demographics'), twin_privacy.protect_table('anon.obs', 'patient_id', 'demographics');
SELECT count(twin_privacy.label_column(t::regclass, c::name, l)::text) FROM (VALUES ('anon.patient', 'birth', 'kind=quasi, mask=year'), ('anon.patient', 'sex', 'kind=plain'),
    ('anon.patient', 'diagnosis', 'kind=sensitive'), ('anon.obs', 'day', 'kind=plain'), ('anon.obs', 'room', 'kind=plain')) AS v(t, c, l);
SET SESSION AUTHORIZATION anon_one;
SELECT twin_privacy.propose_use('INSIDE', purpose => 'HRESCH', recipient => 'u', categories => '{demographics}', disclosure => 'pseudonymised');
SELECT twin_privacy.propose_use('OUTSIDE', purpose => 'HRESCH', recipient => 'u', categories => '{demographics}', disclosure => 'pseudonymised', export => true);
-- ten patients have not permitted
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 50) AS i;
SET SESSION AUTHORIZATION anon_two;
SELECT count(twin_privacy.approve_use(u)::text || twin_privacy.grant_use(u, 'anon_reader')::text) FROM unnest('{INSIDE,OUTSIDE}'::text[]) AS u;
SET SESSION AUTHORIZATION anon_reader;

\set VERBOSITY sqlstate
SELECT twin_privacy.k_anonymity('anon.patient', '{sex}');
\set VERBOSITY default
SELECT twin_privacy.bind_use('INSIDE');
-- fifty are visible; births come as years, so their k is that of the years
SELECT records, subjects, k FROM twin_privacy.risk_report('anon.patient', '{birth}', 'diagnosis');
SELECT twin_privacy.k_anonymity('anon.patient', '{birth}'), twin_privacy.k_anonymity('anon.patient', '{sex,diagnosis}');
-- a column without a label is hidden: all agree in it
SELECT twin_privacy.k_anonymity('anon.patient', '{secret}');
-- k counts patients, not their ten rows each
SELECT records, subjects, classes, k FROM twin_privacy.risk_report('anon.obs', '{room}');
-- only labels that are missing are suggested, and no value is looked at
SELECT column_name, kind FROM twin_privacy.find_identifiers('anon.patient');

-- results may be stored in an unprotected table only under a use with export
SELECT twin_privacy.anonymize('anon.patient', 'anon.released', '{birth,sex}', 5, 'diagnosis');
SELECT to_regclass('anon.released') IS NULL AS nothing_stored;
SELECT twin_privacy.bind_use('OUTSIDE');
SELECT j ->> 'rows' AS rows, (j ->> 'k')::int >= 5 AS k FROM twin_privacy.anonymize('anon.patient', 'anon.released', '{birth,sex}', 5, 'diagnosis') AS j;
SELECT birth, sex, count(*) FROM anon.released GROUP BY 1, 2 ORDER BY 1, 2;
SELECT (j ->> 'k')::int >= 20 AS k, j ->> 'subjects' AS subjects FROM twin_privacy.anonymize('anon.obs', 'anon.rooms', '{room,day}', 20) AS j;
RESET SESSION AUTHORIZATION;
SELECT use_code, tables, outcome FROM twin_privacy.disclosures WHERE 'anon.patient' = ANY (tables) AND use_code = 'OUTSIDE' ORDER BY record_id;

SET client_min_messages = warning;
SELECT count(twin_privacy.unprotect_table(t, 'test ends')::text) FROM unnest('{anon.patient,anon.obs}'::regclass[]) AS t;
DROP OWNED BY anon_reader;
DROP SCHEMA anon CASCADE;
DROP ROLE anon_one, anon_two, anon_reader;

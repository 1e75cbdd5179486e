-- Measures of risk on a table whose classes can be counted by hand.
CREATE SCHEMA anon;
CREATE TABLE anon.visit (age int, sex text, ward text, diagnosis text, cost numeric);
INSERT INTO anon.visit VALUES
    (30, 'f', 'A', 'flu', 10), (30, 'f', 'A', 'flu', 20), (30, 'f', 'A', 'hiv', 30),
    (40, 'm', 'A', 'flu', 10), (40, 'm', 'A', 'asthma', 20),
    (NULL, 'm', 'B', 'flu', 10), (NULL, 'm', 'B', 'flu', 40);

SELECT twin_privacy.k_anonymity('anon.visit', '{age,sex}'), twin_privacy.k_anonymity('anon.visit', '{sex}'),
       twin_privacy.k_anonymity('anon.visit', '{age,diagnosis}');
\x
SELECT * FROM twin_privacy.risk_report('anon.visit', '{age,sex}', 'diagnosis');
-- equal distance of {flu 2} to {asthma 1/7, flu 5/7, hiv 1/7}: 2/7; ordered by value: (1/7 + 1/7) / 2
SELECT round(t_equal::numeric, 4) = round(2/7.0, 4) AS t_equal,
       round(t_ordered::numeric, 4) AS t_ordered FROM twin_privacy.risk_report('anon.visit', '{ward}', 'diagnosis');
-- recursive (c, 2): 2 < c * 1 for the first class
SELECT l_recursive FROM twin_privacy.risk_report('anon.visit', '{sex}', 'diagnosis', c => 2);
SELECT l_recursive FROM twin_privacy.risk_report('anon.visit', '{sex}', 'diagnosis', c => 5);
-- journalist: the least class of the population, prosecutor: of the table
CREATE TABLE anon.people AS SELECT a AS age, s AS sex FROM (VALUES (30, 'f'), (40, 'm'), (NULL, 'm')) v(a, s), generate_series(1, 20);
SELECT prosecutor_risk, journalist_risk FROM twin_privacy.risk_report('anon.visit', '{age,sex}', population => 'anon.people');
\x
-- an empty table tells nothing
CREATE TABLE anon.nothing (LIKE anon.visit);
SELECT twin_privacy.k_anonymity('anon.nothing', '{age}');
SELECT records, k, prosecutor_risk FROM twin_privacy.risk_report('anon.nothing', '{age}', 'diagnosis');

-- 1.0 and 1.00 are equal numbers that look different
CREATE TABLE anon.number AS SELECT v FROM (VALUES (1.0), (1.00)) n(v);
SELECT twin_privacy.k_anonymity('anon.number', '{v}');

-- clear errors
\set VERBOSITY terse
SELECT twin_privacy.k_anonymity(NULL, '{age}');
SELECT twin_privacy.k_anonymity('anon.visit', NULL);
SELECT twin_privacy.k_anonymity('anon.visit', '{}');
SELECT twin_privacy.k_anonymity('anon.visit', '{age,age}');
SELECT twin_privacy.k_anonymity('anon.visit', '{age,NULL}');
SELECT twin_privacy.k_anonymity('anon.visit', '{nope}');
SELECT twin_privacy.k_anonymity('anon.visit', '{ctid}');
SELECT twin_privacy.risk_report('anon.visit', '{age}', 'age');
\set VERBOSITY default

-- read as the caller, not as the extension
CREATE ROLE anon_reader;
SET ROLE anon_reader;
SELECT twin_privacy.k_anonymity('anon.visit', '{age}');
RESET ROLE;
GRANT USAGE ON SCHEMA anon TO anon_reader;
SET ROLE anon_reader;
SELECT twin_privacy.k_anonymity('anon.visit', '{age}');
SELECT twin_privacy.anonymize('anon.visit', 'anon.stolen', '{age}', 2);
RESET ROLE;

-- names, types and values of columns that identify
CREATE TABLE anon.person (id bigint, "firstName" text, contact text, birth_date date, zip varchar(5),
                          systolic numeric, notes text, code text, ip inet, diagnosis_code text, ok boolean);
INSERT INTO anon.person SELECT i, 'n', 'u' || i || '@example.org', '2000-01-01', '12345', i, 'x', 'c' || i, '10.0.0.1', 'J45', true
  FROM generate_series(1, 50) AS i;
SELECT * FROM twin_privacy.find_identifiers('anon.person');
SELECT twin_privacy.find_identifiers(NULL);

-- the gate: what was required, what there is
SELECT * FROM twin_privacy.check_release('anon.visit', '{age,sex}', 2, 'diagnosis', 2, 0.2, 0.5, 'anon.people');
SELECT * FROM twin_privacy.check_release('anon.person', '{zip}', 50);
SELECT twin_privacy.check_release('anon.person', '{zip}', 51, enforce => true);
SELECT * FROM twin_privacy.check_release('anon.nothing', '{age}', enforce => true);
SELECT twin_privacy.check_release('anon.visit', '{age}', 2, l => 2);
SELECT twin_privacy.check_release('anon.visit', NULL);

SET client_min_messages = warning;
DROP SCHEMA anon CASCADE;
DROP ROLE anon_reader;

-- Labels of rows: category codes and HL7 security labels, as text[] and as text.
-- Says how a statement fails: SQLSTATE, message, hint.
CREATE FUNCTION attempt(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || ' | ' || hint;
END $$;
CREATE ROLE el_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE el_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE el_reader LOGIN;
CREATE SCHEMA el;
GRANT USAGE ON SCHEMA el TO el_reader;
CREATE TABLE el.array_note (id int, patient_id bigint, labels text[]);
CREATE TABLE el.text_note (id int, patient_id bigint, labels text);
CREATE DOMAIN el.codes AS varchar(200);
CREATE TABLE el.domain_note (id int, patient_id bigint, labels el.codes);
INSERT INTO el.array_note SELECT row_number() OVER (ORDER BY l, p), p, l::text[] FROM unnest('{1,2,3}'::bigint[]) p,
    unnest(ARRAY[NULL, '{}', '{mental_health}', '{PSY}', '{HIV}', '{STD}', '{SEX}', '{ETH}', '{ETHUD}', '{GDIS}', '{SDV}', '{genomics}', '{laboratory}', '{clinical}',
    '{sensitive}', '{U}', '{L}', '{M}', '{N}', '{R}', '{V}', '{N,PSY}', '{PSY,HIV}', '{psy}', '{UNKNOWN}', '{N,UNKNOWN}', '{NULL}', '{N,NULL}', '{""}',
    '{" PSY"}', '{"N,PSY"}', '{{N,PSY},{M,N}}']) l;
INSERT INTO el.text_note SELECT row_number() OVER (ORDER BY l, p), p, l FROM unnest('{1,2,3}'::bigint[]) p,
    unnest(ARRAY[NULL, '', ' ', 'N', 'PSY', 'N,PSY', 'N PSY', E'N\t\n, PSY', 'PSY,,HIV', 'UNKNOWN', 'N UNKNOWN', 'PSY;HIV', 'mental_health', repeat('N,', 2000) || 'PSY']) l;
INSERT INTO el.domain_note SELECT id, patient_id, labels FROM el.text_note WHERE length(labels) < 200 OR labels IS NULL;
GRANT SELECT ON ALL TABLES IN SCHEMA el TO el_reader;
SELECT t, twin_privacy.protect_table(('el.' || t)::regclass, 'patient_id', 'clinical', label_column => 'labels') FROM unnest('{array_note,text_note,domain_note}'::text[]) t;
SELECT count(twin_privacy.label_column(('el.' || t)::regclass, c, 'kind=plain')::text) FROM unnest('{array_note,text_note,domain_note}'::text[]) t, unnest('{id,labels}'::name[]) c;
-- patient 1 permits everything, 2 everything but mental health, 3 only clinical data
SELECT count(twin_privacy.record_consent(s, decision => d, purpose => 'TREAT', categories => c::text[])) FROM (VALUES
    ('1', 'permit', NULL), ('2', 'permit', NULL), ('2', 'deny', '{mental_health}'), ('3', 'permit', '{clinical}')) AS x(s, d, c);
SET SESSION AUTHORIZATION el_one;
SELECT twin_privacy.propose_use('EL-ALL', 'TREAT', 'ward', '{clinical,sensitive}', 'identified', valid => '(,)'),
       twin_privacy.propose_use('EL-CLINICAL', 'TREAT', 'ward', '{clinical}', 'identified', valid => '(,)'),
       twin_privacy.propose_use('EL-PSY', 'TREAT', 'ward', '{clinical,mental_health}', 'pseudonymised', valid => '(,)');
SET SESSION AUTHORIZATION el_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'el_reader') FROM unnest('{EL-ALL,EL-CLINICAL,EL-PSY}'::text[]) AS code;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
SELECT count(*) AS rows, count(DISTINCT labels) AS labels FROM el.array_note;
RESET twin_privacy.maintenance;

SET SESSION AUTHORIZATION el_reader;
SET twin_privacy.use = 'EL-ALL';
SELECT labels, array_agg(patient_id ORDER BY patient_id) AS visible FROM el.array_note GROUP BY labels ORDER BY labels::text COLLATE "C";
SELECT left(labels, 30), array_agg(patient_id ORDER BY patient_id) AS visible FROM el.text_note GROUP BY labels ORDER BY labels COLLATE "C";
SELECT labels, array_agg(patient_id ORDER BY patient_id) AS visible FROM el.domain_note GROUP BY labels ORDER BY labels::text COLLATE "C";
-- what the use does not cover is closed for everybody's rows
SET twin_privacy.use = 'EL-CLINICAL';
SELECT labels, array_agg(patient_id ORDER BY patient_id) AS visible FROM el.array_note GROUP BY labels ORDER BY labels::text COLLATE "C";
SET twin_privacy.use = 'EL-PSY';
SELECT labels, count(*) AS visible FROM el.array_note GROUP BY labels ORDER BY labels::text COLLATE "C";
-- a parent's label asks for the parent: a permit for one child is not enough, a deny of one does not matter
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.record_consent('3', decision => 'permit', purpose => 'TREAT', categories => '{mental_health,sexual_health,substance_use,genomics,violence}') > 0 AS recorded;
SET SESSION AUTHORIZATION el_reader;
SET twin_privacy.use = 'EL-ALL';
SELECT labels FROM el.array_note WHERE patient_id = 3 AND labels && '{sensitive,R,V,PSY}' ORDER BY labels::text COLLATE "C";
-- a new category is a label at once
SELECT count(*) FROM el.array_note WHERE labels = '{UNKNOWN}';
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.add_category('UNKNOWN', 'clinical', 'known now');
SET SESSION AUTHORIZATION el_reader;
SELECT patient_id FROM el.array_note WHERE labels = '{UNKNOWN}' ORDER BY 1;
-- an error in a predicate tells of no hidden row
SELECT count(*) FROM el.array_note WHERE 1 / (CASE WHEN labels = '{psy}' THEN 0 ELSE 1 END) = 1;

-- the label column replaced and taken away; the row's labels count no more
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.protect_table('el.text_note', 'patient_id', 'clinical');
SET SESSION AUTHORIZATION el_reader;
SELECT count(*) FROM el.text_note WHERE labels = 'UNKNOWN';
SELECT count(*) FROM el.text_note WHERE labels = 'PSY;HIV';
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA el CASCADE;
DROP ROLE el_one, el_two, el_reader;

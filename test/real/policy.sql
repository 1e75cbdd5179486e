-- policy.sql - the same rules given to the extension.
CREATE ROLE real_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE real_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE real_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE real_reader LOGIN;
GRANT USAGE ON SCHEMA clinic TO real_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO real_reader;
GRANT USAGE ON SCHEMA plain TO real_registrar;
GRANT SELECT ON plain.consent, plain.person TO real_registrar;

SELECT twin_privacy.protect_table('clinic.patient', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('clinic.encounter', subject => 'patient_id', category => 'clinical');
SELECT twin_privacy.protect_table('clinic.condition', subject => 'encounter_id -> clinic.encounter(id).patient_id',
                                  category => 'condition', label_column => 'security_labels');
SELECT twin_privacy.protect_table('clinic.medication', subject => 'patient_id', category => 'medication');
SELECT twin_privacy.protect_table('clinic.observation', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.protect_table('clinic.twin', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('clinic.twin_parameter', subject => 'twin -> clinic.twin(name).patient_id',
                                  category => 'twin_parameter');
SELECT twin_privacy.protect_table('clinic.reading', subject => 'twin -> clinic.twin(name).patient_id',
                                  category => 'sensor_stream');

SELECT twin_privacy.label_column(t::regclass, c::name, l)
  FROM (VALUES
    ('clinic.patient', 'birth_date', 'kind=quasi, mask=year'),
    ('clinic.patient', 'ssn', 'category=identity, kind=identifier, mask=partial:0:4'),
    ('clinic.patient', 'first_name', 'category=identity, kind=identifier, mask=redact'),
    ('clinic.patient', 'last_name', 'category=identity, kind=identifier'),
    ('clinic.patient', 'race', 'kind=plain'),
    ('clinic.patient', 'gender', ''),
    ('clinic.patient', 'city', 'category=contact, kind=quasi, mask=partial:1:1'),
    ('clinic.patient', 'zip', 'category=contact, kind=quasi, mask=zip3'),
    ('clinic.patient', 'lat', 'category=contact, kind=quasi, mask=band:1'),
    ('clinic.patient', 'expenses', 'kind=quasi, mask=band:100000'),
    ('clinic.encounter', 'id', 'kind=plain'), ('clinic.encounter', 'started', 'kind=plain'),
    ('clinic.encounter', 'class', 'kind=plain'), ('clinic.encounter', 'description', 'kind=sensitive'),
    ('clinic.condition', 'id', 'kind=plain'), ('clinic.condition', 'encounter_id', 'kind=plain'),
    ('clinic.condition', 'started', 'kind=quasi, mask=month'), ('clinic.condition', 'code', 'kind=plain'),
    ('clinic.condition', 'description', 'kind=sensitive'),
    ('clinic.medication', 'id', 'kind=plain'), ('clinic.medication', 'encounter_id', 'kind=plain'),
    ('clinic.medication', 'started', 'kind=plain'), ('clinic.medication', 'description', 'kind=plain'),
    ('clinic.medication', 'cost', 'kind=plain'),
    ('clinic.observation', 'id', 'kind=plain'), ('clinic.observation', 'encounter_id', 'kind=plain'),
    ('clinic.observation', 'taken', 'kind=plain'), ('clinic.observation', 'category', 'kind=plain'),
    ('clinic.observation', 'code', 'kind=plain'), ('clinic.observation', 'description', 'kind=plain'),
    ('clinic.observation', 'value', 'kind=identifier'), ('clinic.observation', 'numeric_value', 'kind=quasi, mask=round:5'),
    ('clinic.observation', 'units', 'kind=plain'),
    ('clinic.twin', 'name', 'kind=identifier, mask=pseudonym'),
    ('clinic.twin_parameter', 'twin', 'kind=identifier, mask=pseudonym'),
    ('clinic.twin_parameter', 'name', 'kind=plain'), ('clinic.twin_parameter', 'value', 'kind=plain'),
    ('clinic.reading', 'twin', 'kind=identifier, mask=pseudonym'), ('clinic.reading', 'at', 'kind=plain'),
    ('clinic.reading', 'glucose', 'kind=plain'), ('clinic.reading', 'carbohydrate', 'kind=plain'),
    ('clinic.reading', 'insulin', 'kind=plain')) AS v(t, c, l)
 WHERE l <> '';
-- gender: a label that names only what is the default
SELECT twin_privacy.label_column('clinic.patient', 'gender', 'category=demographics');

\connect - real_one
SELECT twin_privacy.propose_use('ward', purpose => 'TREAT', recipient => 'hospital', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)',
         categories => '{identity,contact,demographics,clinical,sensitive,sensor_stream,twin_parameter}');
SELECT twin_privacy.propose_use('trial', purpose => 'CLINTRCH', recipient => 'university', disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)',
         categories => '{demographics,contact,clinical,sensor_stream,twin_parameter,substance_use,sexual_health}');
SELECT twin_privacy.propose_use('quality', purpose => 'HQUALIMP', recipient => 'hospital', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)',
         categories => '{demographics,laboratory,condition}');
SELECT twin_privacy.propose_use('outbreak', purpose => 'PUBHLTH', recipient => 'health-office', disclosure => 'pseudonymised', valid => '[2020-01-01,2100-01-01)',
         categories => '{demographics,contact,condition,sensitive}', basis => 'public_health');
\connect - real_two
SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'real_reader') FROM unnest('{ward,trial,quality,outbreak}'::text[]) AS u;
\connect - real_registrar
SELECT count(twin_privacy.record_consent(p.id::text, decision => c.decision, purpose => c.purpose, categories => c.categories,
             valid => tstzrange('2020-01-01', c.until)))
  FROM plain.consent AS c JOIN plain.person AS p USING (n);

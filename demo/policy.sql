-- Who works here, what is protected, which uses are approved, who agreed to what.
-- Each step is taken by the person whose task it is.

-- The DBA hires.
CREATE ROLE olga LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE piet LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE reni LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE audrey LOGIN IN ROLE twin_privacy_auditor;
CREATE ROLE anna LOGIN;
CREATE ROLE dr_chen LOGIN;
CREATE ROLE rosa LOGIN;
CREATE ROLE ivan LOGIN;
CREATE ROLE mila LOGIN;  -- runs the twins
GRANT USAGE ON SCHEMA clinic TO anna, dr_chen, rosa, ivan;
GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO anna, dr_chen, rosa, ivan;
GRANT USAGE ON SCHEMA lab TO mila;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA lab TO mila;

-- The DBA protects: where the patient's key is, and what kind of data it is about.
SELECT twin_privacy.protect_table('clinic.patient', subject => 'patient_id', category => 'demographics');
SELECT twin_privacy.protect_table('clinic.lab_result', subject => 'patient_id', category => 'laboratory');
SELECT twin_privacy.protect_table('clinic.glucose_stream', subject => 'patient_id', category => 'sensor_stream');
SELECT twin_privacy.protect_table('clinic.twin', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('clinic.twin_parameter', category => 'twin_parameter',
                                  subject => 'twin_id -> clinic.twin(twin_id).patient_id');
SELECT twin_privacy.protect_table('clinic.prediction', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.protect_table('clinic.simulation', category => 'simulation',
                                  subject => 'twin_id -> clinic.twin(twin_id).patient_id');
SELECT twin_privacy.protect_table('clinic.simulation_output', category => 'simulation',
    subject => 'simulation_id -> clinic.simulation(simulation_id).twin_id -> clinic.twin(twin_id).patient_id');

SELECT twin_privacy.label_column('clinic.patient', 'mrn', 'category=identity, kind=identifier, mask=pseudonym');
SELECT twin_privacy.label_column('clinic.patient', 'name', 'category=identity, kind=identifier, mask=redact');
SELECT twin_privacy.label_column('clinic.patient', 'birth_date', 'kind=quasi, mask=year');
SELECT twin_privacy.label_column('clinic.patient', 'sex', 'kind=plain');
SELECT twin_privacy.label_column('clinic.patient', 'zip', 'category=contact, kind=quasi, mask=zip3');
-- phone has no label: nobody sees it outside care
SELECT twin_privacy.label_column('clinic.lab_result', c, 'kind=plain')
  FROM unnest('{result_id,taken_on,test,value,unit}'::name[]) AS c;
SELECT twin_privacy.label_column('clinic.glucose_stream', c, 'kind=plain') FROM unnest('{at,glucose}'::name[]) AS c;
SELECT twin_privacy.label_column('clinic.twin', 'twin_id', 'kind=identifier, mask=pseudonym');
SELECT twin_privacy.label_column('clinic.twin', 'model', 'kind=plain');
SELECT twin_privacy.label_column('clinic.twin_parameter', 'twin_id', 'kind=identifier, mask=pseudonym');
SELECT twin_privacy.label_column('clinic.twin_parameter', c, 'kind=plain') FROM unnest('{name,value,unit}'::name[]) AS c;
SELECT twin_privacy.label_column('clinic.prediction', c, 'kind=plain') FROM unnest('{target,risk}'::name[]) AS c;

-- What the twins' laboratory makes is read only where all it was made from may be.
SELECT twin_privacy.protect_table('lab.fit', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('lab.run', subject => 'patient_id', category => 'simulation');
SELECT twin_privacy.protect_table('lab.forecast', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.protect_table('lab.model', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.declare_provenance('lab.fit', 'fit_id', 'lab.fitted_to', 'fit_id', 'clinic.glucose_stream', 'patient_id', 'patient_id');
SELECT twin_privacy.declare_provenance('lab.run', 'run_id', 'lab.simulated_with', 'run_id', 'lab.fit', 'fit_id', 'fit_id');
SELECT twin_privacy.declare_provenance('lab.forecast', 'forecast_id', 'lab.forecast_from', 'forecast_id', 'lab.run', 'run_id', 'run_id');
SELECT twin_privacy.declare_provenance('lab.model', 'model_id', 'lab.trained_on', 'model_id', 'lab.run', 'run_id', 'run_id');

-- One officer proposes, another approves.
\c - olga
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'city-hospital', disclosure => 'identified',
    categories => '{identity,contact,demographics,clinical,sensor_stream,twin_parameter,simulation,prediction}',
    valid => '[2026-01-01,2036-01-01)');
SELECT twin_privacy.propose_use('TWIN-STUDY', purpose => 'HRESCH', recipient => 'university', disclosure => 'pseudonymised',
    categories => '{identity,contact,demographics,sensor_stream,twin_parameter,prediction}',
    valid => '[2026-01-01,2036-01-01)', statement => 'I will not try to identify anyone.');
SELECT twin_privacy.propose_use('TWIN-LAB', purpose => 'TREAT', recipient => 'city-hospital', disclosure => 'identified',
    categories => '{sensor_stream,twin_parameter,simulation,prediction}', valid => '[2026-01-01,2036-01-01)');
\c - piet
SELECT twin_privacy.approve_use('CARE');
SELECT twin_privacy.approve_use('TWIN-STUDY');
SELECT twin_privacy.approve_use('TWIN-LAB');
SELECT twin_privacy.grant_use('CARE', 'dr_chen');
SELECT twin_privacy.grant_use('TWIN-STUDY', 'rosa');
SELECT twin_privacy.grant_use('TWIN-LAB', 'mila');

-- The registrar records what the patients signed: care for all; the study for four
-- of five; some of these keep what the twin predicts to themselves.
\c - reni
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'TREAT', recipients => '{city-hospital}'))
  FROM generate_series(1, 40) AS p;
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HRESCH', recipients => '{university}',
             categories => '{identity,contact,demographics,sensor_stream,twin_parameter}'))
  FROM generate_series(1, 40) AS p WHERE p % 5 <> 0;
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HRESCH', recipients => '{university}',
             categories => '{prediction}'))
  FROM generate_series(1, 40) AS p WHERE p % 5 <> 0 AND p % 3 <> 1;

-- lineage.sql - a laboratory of twins: parameters calibrated from each patient's
-- glucose sensor, a run with them, a prediction from the run, and a model pooled over
-- all; each with its provenance.  Everybody permits the laboratory's purpose.
CREATE SCHEMA lab;
CREATE TABLE lab.parameter (twin text PRIMARY KEY, patient_id uuid NOT NULL, gain float8);
CREATE TABLE lab.run (id int PRIMARY KEY, patient_id uuid NOT NULL, lowest float8);
CREATE TABLE lab.prediction (id int PRIMARY KEY, patient_id uuid NOT NULL, risk float8);
CREATE TABLE lab.model (id text PRIMARY KEY, patient_id uuid, coefficient float8);
CREATE TABLE lab.calibrated_from (parameter text, stream text);
CREATE TABLE lab.simulated_with (run int, parameter text);
CREATE TABLE lab.predicted_from (prediction int, run int);
CREATE TABLE lab.trained_on (model text, run int);
INSERT INTO lab.parameter
SELECT t.name, t.patient_id, avg(r.glucose) / 100 FROM plain.twin AS t JOIN plain.reading AS r ON r.twin = t.name GROUP BY 1, 2;
INSERT INTO lab.run
SELECT row_number() OVER (ORDER BY p.twin), p.patient_id, min(r.glucose) FROM lab.parameter AS p JOIN plain.reading AS r USING (twin) GROUP BY p.twin, p.patient_id;
INSERT INTO lab.prediction SELECT id, patient_id, 1 / (1 + exp(lowest - 70)) FROM lab.run;
INSERT INTO lab.model VALUES ('pooled', NULL, 0.5);
INSERT INTO lab.calibrated_from SELECT twin, twin FROM lab.parameter;
INSERT INTO lab.simulated_with SELECT id, twin FROM lab.run JOIN lab.parameter USING (patient_id);
INSERT INTO lab.predicted_from SELECT id, id FROM lab.run;
INSERT INTO lab.trained_on SELECT 'pooled', id FROM lab.run;
CREATE INDEX ON lab.calibrated_from (parameter);
CREATE INDEX ON lab.calibrated_from (stream);
CREATE INDEX ON lab.simulated_with (run);
CREATE INDEX ON lab.simulated_with (parameter);
CREATE INDEX ON lab.predicted_from (prediction);
CREATE INDEX ON lab.predicted_from (run);
CREATE INDEX ON lab.trained_on (model);
CREATE INDEX ON lab.trained_on (run);
GRANT USAGE ON SCHEMA lab TO real_reader;
GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA lab TO real_reader;

SELECT twin_privacy.protect_table('lab.parameter', subject => 'patient_id', category => 'twin_parameter');
SELECT twin_privacy.protect_table('lab.run', subject => 'patient_id', category => 'simulation');
SELECT twin_privacy.protect_table('lab.prediction', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.protect_table('lab.model', subject => 'patient_id', category => 'prediction');
SELECT twin_privacy.declare_provenance('lab.parameter', 'twin', 'lab.calibrated_from', 'parameter', 'clinic.reading', 'stream', 'twin');
SELECT twin_privacy.declare_provenance('lab.run', 'id', 'lab.simulated_with', 'run', 'lab.parameter', 'parameter', 'twin');
SELECT twin_privacy.declare_provenance('lab.prediction', 'id', 'lab.predicted_from', 'prediction', 'lab.run', 'run', 'id');
SELECT twin_privacy.declare_provenance('lab.model', 'id', 'lab.trained_on', 'model', 'lab.run', 'run', 'id');
SELECT twin_privacy.add_purpose('TWINLAB', NULL, 'the laboratory of twins');
\connect - real_one
SELECT twin_privacy.propose_use('lab', purpose => 'TWINLAB', recipient => 'hospital', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)',
         categories => '{sensor_stream,twin_parameter,simulation,prediction}');
\connect - real_two
SELECT twin_privacy.approve_use('lab'), twin_privacy.grant_use('lab', 'real_reader');
\connect - real_registrar
SELECT count(twin_privacy.record_consent(id::text, decision => 'permit', purpose => 'TWINLAB')) FROM plain.person;

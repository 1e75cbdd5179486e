-- What is made from what: the sensor's stream gives the twin's parameters, these a
-- run, the run a forecast; and a model is trained on the runs of everybody.
CREATE SCHEMA lab;
CREATE TABLE lab.fit (fit_id int PRIMARY KEY, patient_id int NOT NULL, gain numeric);
CREATE TABLE lab.run (run_id int PRIMARY KEY, patient_id int NOT NULL, lowest numeric);
CREATE TABLE lab.forecast (forecast_id int PRIMARY KEY, patient_id int NOT NULL, risk numeric);
CREATE TABLE lab.model (model_id text PRIMARY KEY, patient_id int, coefficient numeric);
-- the pipeline's own record of it
CREATE TABLE lab.fitted_to (fit_id int, patient_id int);
CREATE TABLE lab.simulated_with (run_id int, fit_id int);
CREATE TABLE lab.forecast_from (forecast_id int, run_id int);
CREATE TABLE lab.trained_on (model_id text, run_id int);
INSERT INTO lab.fit SELECT 100 + patient_id, patient_id, round(avg(glucose) / 100, 2) FROM clinic.glucose_stream GROUP BY patient_id;
INSERT INTO lab.run SELECT 200 + patient_id, patient_id, round(100 - 20 * gain, 1) FROM lab.fit;
INSERT INTO lab.forecast SELECT 300 + patient_id, patient_id, round(1 / (1 + exp((lowest - 70) / 6)), 3) FROM lab.run;
INSERT INTO lab.model VALUES ('pooled', NULL, 0.7);
INSERT INTO lab.fitted_to SELECT fit_id, patient_id FROM lab.fit;
INSERT INTO lab.simulated_with SELECT run_id, run_id - 100 FROM lab.run;
INSERT INTO lab.forecast_from SELECT forecast_id, forecast_id - 100 FROM lab.forecast;
INSERT INTO lab.trained_on SELECT 'pooled', run_id FROM lab.run;
CREATE INDEX ON lab.fitted_to (fit_id);
CREATE INDEX ON lab.fitted_to (patient_id);
CREATE INDEX ON lab.simulated_with (run_id);
CREATE INDEX ON lab.simulated_with (fit_id);
CREATE INDEX ON lab.forecast_from (forecast_id);
CREATE INDEX ON lab.forecast_from (run_id);
CREATE INDEX ON lab.trained_on (model_id);
CREATE INDEX ON lab.trained_on (run_id);

-- A small hospital: forty invented patients with diabetes, their sensors, their
-- laboratory and their twins. See twin.sql for the model.
CREATE SCHEMA clinic;

CREATE TABLE clinic.patient (
    patient_id int PRIMARY KEY,
    mrn text NOT NULL UNIQUE,
    name text NOT NULL,
    birth_date date NOT NULL,
    sex text NOT NULL,
    zip text NOT NULL,
    phone text
);
CREATE TABLE clinic.lab_result (
    result_id int PRIMARY KEY,
    patient_id int NOT NULL REFERENCES clinic.patient,
    taken_on date NOT NULL,
    test text NOT NULL,
    value numeric NOT NULL,
    unit text NOT NULL
);
CREATE TABLE clinic.twin (
    twin_id int PRIMARY KEY,
    patient_id int NOT NULL REFERENCES clinic.patient,
    model text NOT NULL
);
CREATE TABLE clinic.twin_parameter (
    twin_id int REFERENCES clinic.twin,
    name text,
    value float8 NOT NULL,
    unit text NOT NULL,
    PRIMARY KEY (twin_id, name)
);
CREATE TABLE clinic.glucose_stream (
    patient_id int NOT NULL REFERENCES clinic.patient,
    at timestamp NOT NULL,
    glucose numeric(5, 1) NOT NULL
) PARTITION BY RANGE (at);
CREATE TABLE clinic.glucose_stream_0302 PARTITION OF clinic.glucose_stream
    FOR VALUES FROM ('2026-03-02') TO ('2026-03-03');
CREATE TABLE clinic.glucose_stream_0303 PARTITION OF clinic.glucose_stream
    FOR VALUES FROM ('2026-03-03') TO ('2026-03-05');
CREATE INDEX ON clinic.glucose_stream (patient_id, at);
CREATE TABLE clinic.simulation (
    simulation_id int PRIMARY KEY,
    twin_id int NOT NULL REFERENCES clinic.twin,
    scenario text NOT NULL
);
CREATE TABLE clinic.simulation_output (
    simulation_id int REFERENCES clinic.simulation,
    minute int,
    glucose numeric(5, 1) NOT NULL,
    PRIMARY KEY (simulation_id, minute)
);
CREATE TABLE clinic.prediction (
    patient_id int PRIMARY KEY REFERENCES clinic.patient,
    target text NOT NULL,
    risk numeric(4, 3) NOT NULL
);

INSERT INTO clinic.patient
SELECT p, 'MRN-' || lpad((100000 + 7919 * p)::text, 7, '0'),
       (ARRAY['Ada','Ben','Chloe','David','Elif','Femi','Grace','Hugo','Ines','Jonas'])[1 + floor(10 * twin.uniform(p, 1))]
       || ' ' || (ARRAY['Abel','Brandt','Costa','Dubois','Eriksen','Fischer','Greco','Horvat','Ivanov','Jansen'])[1 + floor(10 * twin.uniform(p, 2))],
       date '1940-01-01' + floor(24000 * twin.uniform(p, 3))::int,
       (ARRAY['female', 'male'])[1 + floor(10 * twin.uniform(p, 1))::int % 2],
       (10000 + floor(9000 * twin.uniform(p, 5)))::text,
       '+49 30 ' || (1000000 + floor(8999999 * twin.uniform(p, 6)))::text
  FROM generate_series(1, 40) AS p;

INSERT INTO clinic.lab_result
SELECT p * 10 + k, p, date '2026-02-01' + 7 * k, 'HbA1c', round((6 + 3.5 * twin.uniform(p, 10 + k))::numeric, 1), '%'
  FROM generate_series(1, 40) AS p, generate_series(1, 3) AS k;

-- What the model was fitted to, patient by patient.
INSERT INTO clinic.twin SELECT 500 + p, p, 'bergman-minimal' FROM generate_series(1, 40) AS p;
INSERT INTO clinic.twin_parameter
SELECT 500 + p, name, value, unit
  FROM generate_series(1, 40) AS p,
       LATERAL (VALUES ('weight', round((55 + 40 * twin.uniform(p, 20))::numeric, 1), 'kg'),
                       ('p1', round((0.008 + 0.008 * twin.uniform(p, 21))::numeric, 5), '1/min'),
                       ('p2', round((0.015 + 0.010 * twin.uniform(p, 22))::numeric, 5), '1/min'),
                       ('p3', round((3.4e-6 + 3.6e-6 * twin.uniform(p, 23))::numeric, 9), 'l/mU/min2'),
                       ('Gb', round((105 + 40 * twin.uniform(p, 24))::numeric, 1), 'mg/dl')) AS v(name, value, unit);

-- Three meals a day for two days: minute, grams, units of insulin.
CREATE FUNCTION twin.meals(p int, insulin_factor float8) RETURNS float8[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(v ORDER BY d, m, k)
      FROM generate_series(0, 1) AS d,
           LATERAL (VALUES (1, 435, 45), (2, 755, 65), (3, 1140, 60)) AS meal(m, at, grams),
           LATERAL (SELECT grams * (0.8 + 0.4 * twin.uniform(p, 30 + 3 * d + m)) AS carbs) AS eaten,
           LATERAL (VALUES (1, 1440 * d + at + round(60 * twin.uniform(p, 40 + 3 * d + m))),
                           (2, carbs),
                           (3, insulin_factor * carbs / (7 + 5 * twin.uniform(p, 50)))) AS x(k, v)
$$;
CREATE VIEW twin.model AS
SELECT t.twin_id, t.patient_id,
       max(q.value) FILTER (WHERE q.name = 'weight') AS weight, max(q.value) FILTER (WHERE q.name = 'p1') AS p1,
       max(q.value) FILTER (WHERE q.name = 'p2') AS p2, max(q.value) FILTER (WHERE q.name = 'p3') AS p3,
       max(q.value) FILTER (WHERE q.name = 'Gb') AS gb
  FROM clinic.twin AS t JOIN clinic.twin_parameter AS q USING (twin_id)
 GROUP BY t.twin_id;

-- What the sensor saw: the model with a sensor's noise.
INSERT INTO clinic.glucose_stream
SELECT m.patient_id, timestamp '2026-03-02' + s.minute * interval '1 minute',
       round((s.glucose + 12 * (twin.uniform(m.patient_id, 1000 + s.minute) - 0.5))::numeric, 1)
  FROM twin.model AS m, twin.simulate(m.weight, m.p1, m.p2, m.p3, m.gb, twin.meals(m.patient_id, 1.0), 2875) AS s;

-- What the twin says of the next day with a fifth more insulin, and what it warns of.
INSERT INTO clinic.simulation SELECT 9000 + patient_id, twin_id, 'insulin +20 %' FROM clinic.twin;
INSERT INTO clinic.simulation_output
SELECT 9000 + m.patient_id, s.minute, round(s.glucose::numeric, 1)
  FROM twin.model AS m, twin.simulate(m.weight, m.p1, m.p2, m.p3, m.gb, twin.meals(m.patient_id, 1.2), 1440) AS s
 WHERE s.minute % 15 = 0;
INSERT INTO clinic.prediction
SELECT t.patient_id, 'hypoglycaemia within 24 h', round(1 / (1 + exp((min(o.glucose) - 70) / 6)), 3)
  FROM clinic.twin AS t JOIN clinic.simulation USING (twin_id) JOIN clinic.simulation_output AS o USING (simulation_id)
 GROUP BY t.patient_id;
ANALYZE;

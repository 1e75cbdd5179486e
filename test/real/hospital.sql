-- hospital.sql - a clinical schema made of the raw CSV tables in schema raw.
--
-- Synthea: patients, encounters, conditions, medications, observations. simglucose:
-- one virtual patient for each Synthea patient (in order of id), its parameters and
-- its run of two days as a sensor stream. Schema plain keeps an unprotected copy.
CREATE SCHEMA clinic;

CREATE TABLE clinic.patient (
    id uuid PRIMARY KEY, birth_date date NOT NULL, death_date date, ssn text NOT NULL, first_name text, last_name text,
    race text, gender text, city text, zip text, lat float8, expenses numeric
);
INSERT INTO clinic.patient
SELECT "Id"::uuid, "BIRTHDATE"::date, "DEATHDATE"::date, "SSN", "FIRST", "LAST", "RACE", "GENDER", "CITY", "ZIP",
       "LAT"::float8, "HEALTHCARE_EXPENSES"::numeric FROM raw.patients;

CREATE TABLE clinic.encounter (
    id uuid PRIMARY KEY, patient_id uuid NOT NULL REFERENCES clinic.patient, started timestamptz NOT NULL,
    class text NOT NULL, description text, cost numeric
);
INSERT INTO clinic.encounter
SELECT "Id"::uuid, "PATIENT"::uuid, "START"::timestamptz, "ENCOUNTERCLASS", "DESCRIPTION", "TOTAL_CLAIM_COST"::numeric
  FROM raw.encounters;

-- No patient column: the encounter knows. Rows carry HL7 sensitivity codes.
CREATE TABLE clinic.condition (
    id int PRIMARY KEY, encounter_id uuid NOT NULL REFERENCES clinic.encounter, started date NOT NULL,
    code text NOT NULL, description text NOT NULL, security_labels text[]
);
INSERT INTO clinic.condition
SELECT row_number() OVER (ORDER BY "ENCOUNTER", "START", "CODE", "STOP"), "ENCOUNTER"::uuid, "START"::date, "CODE", "DESCRIPTION",
       CASE WHEN "DESCRIPTION" ~ 'abuse' THEN '{R,SDV}' WHEN "DESCRIPTION" ~ 'alcohol' THEN '{ETHUD}'
            WHEN "DESCRIPTION" ~ 'overdose' THEN '{OPIOIDUD}' WHEN "DESCRIPTION" ~ 'Stress|isolation' THEN '{MH}'
            WHEN "DESCRIPTION" ~ 'pregnancy|Miscarriage|eclampsia' THEN '{PREGNANT}'
            WHEN "DESCRIPTION" ~ 'criminal' THEN '{no-such-label}'
            WHEN "DESCRIPTION" ~ 'employment' THEN '{N}' END::text[]
  FROM raw.conditions;

CREATE TABLE clinic.medication (
    id int PRIMARY KEY, patient_id uuid NOT NULL REFERENCES clinic.patient, encounter_id uuid NOT NULL REFERENCES clinic.encounter,
    started timestamptz NOT NULL, description text NOT NULL, cost numeric NOT NULL
);
INSERT INTO clinic.medication
SELECT row_number() OVER (ORDER BY "ENCOUNTER", "START", "CODE", "TOTALCOST"), "PATIENT"::uuid, "ENCOUNTER"::uuid, "START"::timestamptz,
       "DESCRIPTION", "TOTALCOST"::numeric FROM raw.medications;

CREATE TABLE clinic.observation (
    id int PRIMARY KEY, patient_id uuid NOT NULL REFERENCES clinic.patient, encounter_id uuid REFERENCES clinic.encounter,
    taken timestamptz NOT NULL, category text, code text NOT NULL, description text NOT NULL, value text, numeric_value numeric,
    units text
);
INSERT INTO clinic.observation
SELECT row_number() OVER (ORDER BY "PATIENT", "DATE", "CODE", "VALUE"), "PATIENT"::uuid, nullif("ENCOUNTER", '')::uuid, "DATE"::timestamptz,
       nullif("CATEGORY", ''), "CODE", "DESCRIPTION", "VALUE", CASE WHEN "TYPE" = 'numeric' THEN "VALUE"::numeric END, "UNITS"
  FROM raw.observations;

CREATE TABLE clinic.twin (
    name text PRIMARY KEY, patient_id uuid NOT NULL UNIQUE REFERENCES clinic.patient
);
INSERT INTO clinic.twin
SELECT t.name, p.id
  FROM (SELECT "Name" AS name, row_number() OVER (ORDER BY "Name" COLLATE "C") AS n FROM raw.vpatient_params) AS t
  JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM clinic.patient) AS p USING (n);

CREATE TABLE clinic.twin_parameter (
    twin text NOT NULL REFERENCES clinic.twin, name text NOT NULL, value float8 NOT NULL, PRIMARY KEY (twin, name)
);
INSERT INTO clinic.twin_parameter
SELECT v."Name", p.key, p.value::float8
  FROM raw.vpatient_params AS v JOIN clinic.twin AS t ON t.name = v."Name",
       LATERAL jsonb_each_text(to_jsonb(v) - 'Name') AS p WHERE p.value <> '';

CREATE TABLE clinic.reading (
    twin text NOT NULL REFERENCES clinic.twin, at timestamp NOT NULL, glucose float8 NOT NULL, carbohydrate float8, insulin float8
) PARTITION BY RANGE (at);
CREATE TABLE clinic.reading_day1 PARTITION OF clinic.reading FOR VALUES FROM ('2017-12-31') TO ('2018-01-01');
CREATE TABLE clinic.reading_day2 PARTITION OF clinic.reading FOR VALUES FROM ('2018-01-01') TO ('2018-01-02');
CREATE INDEX ON clinic.reading (twin, at);
INSERT INTO clinic.reading
SELECT t.name, r."Time"::timestamp, r."CGM"::float8, nullif(r."CHO", '')::float8, nullif(r."insulin", '')::float8
  FROM raw.run AS r JOIN clinic.twin AS t ON t.name = r.twin;

-- Views as applications have them; nothing about protection in them.
CREATE VIEW clinic.glycaemia AS
SELECT t.patient_id, r.at, r.glucose, r.glucose > 180 AS high FROM clinic.reading AS r JOIN clinic.twin AS t ON t.name = r.twin;
CREATE VIEW clinic.diagnosis AS
SELECT c.id, e.patient_id, c.started, c.description, e.class FROM clinic.condition AS c JOIN clinic.encounter AS e ON e.id = c.encounter_id;

CREATE SCHEMA plain;
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{patient,encounter,condition,medication,observation,twin,twin_parameter,reading}'::text[] LOOP
        EXECUTE format('CREATE TABLE plain.%1$I AS SELECT * FROM clinic.%1$I', t);
    END LOOP;
END $$;
CREATE TABLE plain.person AS
SELECT id, row_number() OVER (ORDER BY id)::int AS n FROM plain.patient;

-- Who agreed to what, by number of the patient; to whom is in the use.
CREATE TABLE plain.consent (n int, decision text, purpose text, categories text[], until date);
INSERT INTO plain.consent
SELECT n, 'permit', 'TREAT', NULL::text[], NULL::date FROM plain.person WHERE n <> 13
UNION ALL SELECT n, 'deny', 'TREAT', '{mental_health}', NULL FROM plain.person WHERE n % 9 = 0
UNION ALL SELECT n, 'permit', 'HRESCH', '{demographics,contact,clinical,sensor_stream}', NULL FROM plain.person WHERE n % 3 <> 0
UNION ALL SELECT n, 'permit', 'CLINTRCH', '{twin_parameter,sensitive}', NULL FROM plain.person WHERE n % 4 = 0
UNION ALL SELECT n, 'deny', 'HRESCH', '{medication}', NULL FROM plain.person WHERE n % 6 = 1
UNION ALL SELECT n, 'permit', 'HRESCH', '{genomics,twin_parameter}', date '2024-01-01' FROM plain.person WHERE n % 7 = 0
UNION ALL SELECT n, 'permit', 'HOPERAT', '{laboratory,condition}', NULL FROM plain.person WHERE n % 2 = 0
UNION ALL SELECT n, 'permit', 'HQUALIMP', '{demographics}', NULL FROM plain.person WHERE n % 4 = 2
UNION ALL SELECT n, 'deny', 'HQUALIMP', '{laboratory}', NULL FROM plain.person WHERE n % 10 = 0
UNION ALL SELECT n, 'deny', 'PUBHLTH', NULL, NULL FROM plain.person WHERE n % 5 = 2
UNION ALL SELECT n, 'deny', 'PUBHLTH', '{contact,violence}', NULL FROM plain.person WHERE n % 5 = 3;
ANALYZE;

-- oracle.sql - what each of four uses must see, as plain views over the plain copy.
--
-- Written by hand for each use: who is in a table, what is in a cell. Open: the
-- categories a use opens for a patient.
CREATE TABLE plain.category_above (code text, above text);
INSERT INTO plain.category_above
SELECT c, c FROM unnest('{identity,contact,demographics,clinical,condition,medication,laboratory,vital_signs,sensitive,mental_health,sexual_health,substance_use,genomics,violence,sensor_stream,twin_parameter}'::text[]) AS c
UNION ALL SELECT c, 'clinical' FROM unnest('{condition,medication,laboratory,vital_signs}'::text[]) AS c
UNION ALL SELECT c, 'sensitive' FROM unnest('{mental_health,sexual_health,substance_use,genomics,violence}'::text[]) AS c;

CREATE TABLE plain.use (code text, purposes text[], categories text[], missing_permits boolean);
INSERT INTO plain.use VALUES
    -- identified: care, everything
    ('ward', '{TREAT,PurposeOfUse}', NULL, false),
    -- pseudonymised: a trial
    ('trial', '{CLINTRCH,HRESCH,PurposeOfUse}', '{demographics,contact,clinical,sensor_stream,twin_parameter,substance_use,sexual_health}', false),
    -- identified: quality improvement, narrow
    ('quality', '{HQUALIMP,HOPERAT,PurposeOfUse}', '{demographics,laboratory,condition}', false),
    -- pseudonymised: public health, without consent but with respect for a deny
    ('outbreak', '{PUBHLTH,PurposeOfUse}', '{demographics,contact,condition,sensitive}', true);

CREATE TABLE plain.open AS
SELECT u.code AS use, p.id AS patient_id, c.code AS category
  FROM plain.use AS u CROSS JOIN plain.person AS p CROSS JOIN (SELECT DISTINCT code FROM plain.category_above) AS c
 WHERE (u.categories IS NULL OR EXISTS (SELECT FROM plain.category_above AS a WHERE a.code = c.code AND a.above = ANY (u.categories)))
   AND (SELECT CASE WHEN bool_or(d.decision = 'deny') THEN false WHEN bool_or(d.decision = 'permit') THEN true
                    ELSE u.missing_permits END
          FROM plain.consent AS d
         WHERE d.n = p.n AND d.purpose = ANY (u.purposes) AND (d.until IS NULL OR d.until > current_date)
           AND (d.categories IS NULL OR EXISTS (SELECT FROM plain.category_above AS a
                                                 WHERE a.code = c.code AND a.above = ANY (d.categories))));
CREATE UNIQUE INDEX ON plain.open (patient_id, use, category);
CREATE FUNCTION plain.open(use text, patient uuid, category text) RETURNS boolean LANGUAGE sql STABLE AS
'SELECT EXISTS (SELECT FROM plain.open AS o WHERE o.patient_id = $2 AND o.use = $1 AND o.category = $3)';

-- What the labels of a condition ask for; NULL when nobody knows.
CREATE TABLE plain.condition_needs AS
SELECT c.id, e.patient_id,
       CASE WHEN c.security_labels = '{R,SDV}' THEN '{sensitive,violence}' WHEN c.security_labels <@ '{ETHUD,OPIOIDUD}' THEN '{substance_use}'
            WHEN c.security_labels = '{MH}' THEN '{mental_health}' WHEN c.security_labels = '{PREGNANT}' THEN '{sexual_health}'
            WHEN c.security_labels IS NULL OR c.security_labels = '{N}' THEN '{}' END::text[] AS needs
  FROM plain.condition AS c JOIN plain.encounter AS e ON e.id = c.encounter_id;
CREATE FUNCTION plain.shows(use text, condition int) RETURNS boolean LANGUAGE sql STABLE AS
'SELECT plain.open($1, n.patient_id, ''condition'') AND n.needs IS NOT NULL
        AND NOT EXISTS (SELECT FROM unnest(n.needs) AS k WHERE NOT plain.open($1, n.patient_id, k))
   FROM plain.condition_needs AS n WHERE n.id = $2';

-- ward: identified
CREATE SCHEMA ward;
CREATE VIEW ward.patient AS SELECT * FROM plain.patient AS p WHERE plain.open('ward', p.id, 'demographics');
CREATE VIEW ward.encounter AS SELECT * FROM plain.encounter AS e WHERE plain.open('ward', e.patient_id, 'clinical');
CREATE VIEW ward.condition AS SELECT * FROM plain.condition AS c WHERE plain.shows('ward', c.id);
CREATE VIEW ward.medication AS SELECT * FROM plain.medication AS m WHERE plain.open('ward', m.patient_id, 'medication');
CREATE VIEW ward.observation AS SELECT * FROM plain.observation AS o WHERE plain.open('ward', o.patient_id, 'laboratory');
CREATE VIEW ward.twin AS SELECT * FROM plain.twin AS t WHERE plain.open('ward', t.patient_id, 'twin_parameter');
CREATE VIEW ward.twin_parameter AS SELECT q.* FROM plain.twin_parameter AS q JOIN plain.twin AS t ON t.name = q.twin
 WHERE plain.open('ward', t.patient_id, 'twin_parameter');
CREATE VIEW ward.reading AS SELECT r.* FROM plain.reading AS r JOIN plain.twin AS t ON t.name = r.twin
 WHERE plain.open('ward', t.patient_id, 'sensor_stream');

-- quality: identified, no contact, identity or clinical category: such cells are NULL,
-- and the tables of categories it does not name are refused
CREATE SCHEMA quality;
CREATE VIEW quality.patient AS
SELECT id, birth_date, death_date, NULL::text AS ssn, NULL::text AS first_name, NULL::text AS last_name, race, gender,
       NULL::text AS city, NULL::text AS zip, NULL::float8 AS lat, expenses
  FROM plain.patient AS p WHERE plain.open('quality', p.id, 'demographics');
CREATE VIEW quality.condition AS SELECT * FROM plain.condition AS c WHERE plain.shows('quality', c.id);
CREATE VIEW quality.observation AS SELECT * FROM plain.observation AS o WHERE plain.open('quality', o.patient_id, 'laboratory');

-- trial: pseudonymised; identity is not named, contact is
CREATE SCHEMA trial;
CREATE VIEW trial.patient AS
SELECT id, make_date(extract(year FROM birth_date)::int, 1, 1) AS birth_date, NULL::date AS death_date, NULL::text AS ssn,
       NULL::text AS first_name, NULL::text AS last_name, race, gender,
       CASE WHEN plain.open('trial', p.id, 'contact') THEN left(city, 1) || repeat('*', length(city) - 2) || right(city, 1) END AS city,
       CASE WHEN plain.open('trial', p.id, 'contact') THEN left(zip, 3) || repeat('0', length(zip) - 3) END AS zip,
       CASE WHEN plain.open('trial', p.id, 'contact') THEN floor(lat) END AS lat,
       floor(expenses / 100000) * 100000 AS expenses
  FROM plain.patient AS p WHERE plain.open('trial', p.id, 'demographics');
CREATE VIEW trial.encounter AS SELECT id, patient_id, started, class, description, NULL::numeric AS cost
  FROM plain.encounter AS e WHERE plain.open('trial', e.patient_id, 'clinical');
CREATE VIEW trial.condition AS
SELECT id, encounter_id, date_trunc('month', started)::date AS started, code, description, NULL::text[] AS security_labels
  FROM plain.condition AS c WHERE plain.shows('trial', c.id);
CREATE VIEW trial.medication AS SELECT id, patient_id, encounter_id, started, description, cost
  FROM plain.medication AS m WHERE plain.open('trial', m.patient_id, 'medication');
CREATE VIEW trial.observation AS
SELECT id, patient_id, encounter_id, taken, category, code, description, NULL::text AS value,
       sign(numeric_value) * floor(abs(numeric_value) / 5 + 0.5) * 5 AS numeric_value, units
  FROM plain.observation AS o WHERE plain.open('trial', o.patient_id, 'laboratory');
CREATE VIEW trial.twin AS SELECT * FROM plain.twin AS t WHERE plain.open('trial', t.patient_id, 'twin_parameter');
CREATE VIEW trial.twin_parameter AS SELECT q.* FROM plain.twin_parameter AS q JOIN plain.twin AS t ON t.name = q.twin
 WHERE plain.open('trial', t.patient_id, 'twin_parameter');
CREATE VIEW trial.reading AS SELECT r.* FROM plain.reading AS r JOIN plain.twin AS t ON t.name = r.twin
 WHERE plain.open('trial', t.patient_id, 'sensor_stream');

-- outbreak: pseudonymised
CREATE SCHEMA outbreak;
CREATE VIEW outbreak.patient AS
SELECT id, make_date(extract(year FROM birth_date)::int, 1, 1) AS birth_date, NULL::date AS death_date, NULL::text AS ssn,
       NULL::text AS first_name, NULL::text AS last_name, race, gender,
       CASE WHEN plain.open('outbreak', p.id, 'contact') THEN left(city, 1) || repeat('*', length(city) - 2) || right(city, 1) END AS city,
       CASE WHEN plain.open('outbreak', p.id, 'contact') THEN left(zip, 3) || repeat('0', length(zip) - 3) END AS zip,
       CASE WHEN plain.open('outbreak', p.id, 'contact') THEN floor(lat) END AS lat,
       floor(expenses / 100000) * 100000 AS expenses
  FROM plain.patient AS p WHERE plain.open('outbreak', p.id, 'demographics');
CREATE VIEW outbreak.condition AS
SELECT id, encounter_id, date_trunc('month', started)::date AS started, code, description, NULL::text[] AS security_labels
  FROM plain.condition AS c WHERE plain.shows('outbreak', c.id);

-- The applications' views, over each.
DO $$
DECLARE
    s text;
BEGIN
    FOREACH s IN ARRAY '{ward,trial}'::text[] LOOP
        EXECUTE format('CREATE VIEW %1$I.glycaemia AS SELECT t.patient_id, r.at, r.glucose, r.glucose > 180 AS high'
                       ' FROM %1$I.reading AS r JOIN %1$I.twin AS t ON t.name = r.twin', s);
        EXECUTE format('CREATE VIEW %1$I.diagnosis AS SELECT c.id, e.patient_id, c.started, c.description, e.class'
                       ' FROM %1$I.condition AS c JOIN %1$I.encounter AS e ON e.id = c.encounter_id', s);
    END LOOP;
END $$;

--! everybody doc:ALL owner:ALL super:ALL

--! attack instead_of_triggers
CREATE VIEW lair.v AS SELECT id, name FROM clinic.patient;
CREATE FUNCTION lair.trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE clinic.patient SET name = NEW.name WHERE id = OLD.id; RETURN NEW; END$$;
CREATE TRIGGER t INSTEAD OF UPDATE ON lair.v FOR EACH ROW EXECUTE FUNCTION lair.trig();
UPDATE lair.v SET name = 'through' WHERE id = 5500000001 RETURNING *;
SELECT name FROM clinic.patient WHERE id = 5500000001;

--! attack copy_out_of_a_partitioned_table
COPY clinic.visit TO STDOUT;

--! attack copy_in
COPY clinic.diary FROM STDIN;
5500000001	copied
5500000002	\N
\.
COPY clinic.patient (id, name, sex) FROM STDIN (FORMAT csv);
1,n,f
\.
COPY clinic.visit (id, patient_id) FROM STDIN WHERE id < 100;
70	5500000001
170	5500000001
\.
COPY clinic.visit_1 (id, patient_id, labels) FROM STDIN;
71	5500000001	{}
\.
COPY clinic.patient (id, name, sex) FROM STDIN;
1	twice	f
\.
COPY clinic.patient (id, name, sex) FROM STDIN;
x	broken	f
\.
SELECT count(*) FROM clinic.diary; SELECT * FROM clinic.patient WHERE id = 1; SELECT id, tableoid::regclass FROM clinic.visit WHERE id IN (70, 71, 170);
\copy clinic.diary from '/dev/null'

--! attack foreign_key_added_unbound
ALTER TABLE clinic.diary ADD FOREIGN KEY (patient_id) REFERENCES clinic.patient;
INSERT INTO clinic.diary VALUES (3, 'x');
--! as owner:none super:none


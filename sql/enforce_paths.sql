-- Rows whose subject is found through foreign keys of other tables.
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
CREATE ROLE ep_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ep_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ep_reader LOGIN;
CREATE SCHEMA ep;
GRANT USAGE ON SCHEMA ep TO ep_reader;
CREATE TABLE ep.patient (id bigint PRIMARY KEY, mrn text UNIQUE, key uuid UNIQUE);
CREATE TABLE ep.visit (nr int PRIMARY KEY, mrn text REFERENCES ep.patient (mrn), code varchar(10) UNIQUE);
CREATE TABLE ep.lab_order (id uuid PRIMARY KEY, visit_nr int REFERENCES ep.visit, labels text[]);
CREATE TABLE ep.result (id int PRIMARY KEY, order_id uuid REFERENCES ep.lab_order, value numeric, comment text);
CREATE TABLE ep.stay (id int, visit_code varchar(10) REFERENCES ep.visit (code), bed text);
CREATE TABLE ep.device (id int, owner text, serial text);
INSERT INTO ep.patient SELECT i, 'MRN-' || i, ('00000000-0000-0000-0000-00000000000' || i)::uuid FROM generate_series(1, 4) i;
INSERT INTO ep.visit SELECT 10 + i, 'MRN-' || i, 'V' || i FROM generate_series(1, 4) i;
INSERT INTO ep.visit VALUES (19, NULL, 'V9');
INSERT INTO ep.lab_order SELECT ('10000000-0000-0000-0000-00000000000' || i)::uuid, 10 + i, CASE i WHEN 2 THEN '{PSY}'::text[] END FROM generate_series(1, 4) i;
INSERT INTO ep.lab_order VALUES ('10000000-0000-0000-0000-000000000009', 19), ('10000000-0000-0000-0000-00000000000a', NULL);
INSERT INTO ep.result SELECT 100 + i, ('10000000-0000-0000-0000-00000000000' || i)::uuid, i * 1.5, 'of MRN-' || i FROM generate_series(1, 4) i;
INSERT INTO ep.result VALUES (109, '10000000-0000-0000-0000-000000000009', 9, 'of nobody'), (110, '10000000-0000-0000-0000-00000000000a', 9, 'order of nobody'), (111, NULL, 9, 'no order');
INSERT INTO ep.stay SELECT i, 'V' || i, 'bed ' || i FROM generate_series(1, 4) i;
INSERT INTO ep.stay VALUES (9, 'V9', 'bed 9'), (8, NULL, 'bed 8');
INSERT INTO ep.device SELECT i, 'MRN-' || i, 'S' || i FROM generate_series(1, 4) i;
INSERT INTO ep.device VALUES (5, 'MRN-5', 'S5');
GRANT SELECT ON ALL TABLES IN SCHEMA ep TO ep_reader;

-- none, one, two and three steps; the paths need not be foreign keys, but unique; the end of each is the same subject
SELECT t, twin_privacy.protect_table(('ep.' || t)::regclass, subject => p, category => 'laboratory') FROM (VALUES ('patient', 'id'),
    ('visit', 'mrn -> ep.patient(mrn).id'),
    ('lab_order', 'visit_nr -> ep.visit(nr).mrn -> ep.patient(mrn).id'),
    ('result', 'order_id->ep.lab_order( id ).visit_nr -> ep.visit(nr).mrn -> ep.patient(mrn).id'),
    ('stay', 'visit_code -> "ep"."visit"("code")."mrn" -> ep.patient(mrn).id'),
    ('device', 'owner -> ep.patient(mrn).id')) AS x(t, p);
SELECT c.target, c.column_name, twin_privacy.label_column(c.target, c.column_name, 'kind=plain') FROM twin_privacy.protected_columns c
 WHERE c.target::text LIKE 'ep.%' AND (c.target, c.column_name) NOT IN (('ep.patient'::regclass, 'id'), ('ep.visit'::regclass, 'mrn'), ('ep.result'::regclass, 'order_id'));
SELECT twin_privacy.label_column('ep.visit', 'mrn', 'category=identity, kind=identifier, mask=partial:4:0');
SELECT twin_privacy.label_column('ep.result', 'comment', 'category=genomics, kind=sensitive');
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => 'HRESCH', categories => c::text[])) FROM (VALUES ('1', '{laboratory}'), ('2', NULL), ('3', '{clinical,genomics}'), ('4', '{identity}'), ('0', NULL)) AS x(s, c);
SELECT twin_privacy.record_consent('2', decision => 'deny', purpose => 'HRESCH', categories => '{mental_health}') > 0 AS recorded;
SET SESSION AUTHORIZATION ep_one;
SELECT twin_privacy.propose_use('EP-STUDY', 'HRESCH', 'uni', '{laboratory,identity,genomics,mental_health}', 'pseudonymised', valid => '(,)'),
       twin_privacy.propose_use('EP-CARE', 'HRESCH', 'uni', '{laboratory,identity,genomics,mental_health}', 'identified', valid => '(,)');
SET SESSION AUTHORIZATION ep_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'ep_reader') FROM unnest('{EP-STUDY,EP-CARE}'::text[]) AS code;
SET SESSION AUTHORIZATION ep_reader;
SET twin_privacy.use = 'EP-CARE';
SELECT * FROM ep.patient ORDER BY id;
SELECT * FROM ep.visit ORDER BY nr;
SELECT * FROM ep.lab_order ORDER BY visit_nr;
SELECT * FROM ep.result ORDER BY id;
SELECT * FROM ep.stay ORDER BY id;
SELECT * FROM ep.device ORDER BY id;
SELECT p.id, v.nr, r.value FROM ep.patient p JOIN ep.visit v USING (mrn) JOIN ep.lab_order o ON o.visit_nr = v.nr LEFT JOIN ep.result r ON r.order_id = o.id ORDER BY 1;
SELECT count(*) FROM ep.result WHERE order_id IS NULL;
-- pseudonymised: the columns a path goes through are ordinary columns, masked by their labels
SET twin_privacy.use = 'EP-STUDY';
SELECT * FROM ep.visit ORDER BY nr;
SELECT id, order_id, value, comment FROM ep.result ORDER BY id;
SELECT id = ANY ('{1,2,3,4}'::bigint[]) AS raw_key, mrn FROM ep.patient ORDER BY mrn;
SELECT * FROM twin_privacy.why('ep.result', '1');

-- the same subject, row by row, when rows alternate; and with many rows of one subject
SET twin_privacy.use = 'EP-CARE';
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
INSERT INTO ep.result SELECT 1000 + i, ('10000000-0000-0000-0000-00000000000' || 1 + i % 4)::uuid, i % 4 + 1, 'x' FROM generate_series(1, 400) i;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION ep_reader;
SELECT value, count(*), count(comment) FROM ep.result WHERE id > 1000 GROUP BY 1 ORDER BY 1;

-- news reaches rows through their path at once: the order handed to another visit, the visit to another patient
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE ep.lab_order SET visit_nr = 14 WHERE visit_nr = 11;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION ep_reader;
SELECT id FROM ep.result WHERE id < 1000 ORDER BY id;
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
UPDATE ep.visit SET mrn = 'MRN-3' WHERE nr = 14;
RESET twin_privacy.maintenance;
SET SESSION AUTHORIZATION ep_reader;
SELECT id, value FROM ep.result WHERE id < 1000 ORDER BY id;

-- labels along a path: the child of a labelled order asks for what the order asks for
RESET SESSION AUTHORIZATION;
SELECT object, finding FROM twin_privacy.check_protection() WHERE finding LIKE '%row labels%';
SELECT twin_privacy.protect_table('ep.lab_order', 'visit_nr -> ep.visit(nr).mrn -> ep.patient(mrn).id', 'laboratory', label_column => 'labels');
SELECT object, finding FROM twin_privacy.check_protection() WHERE finding LIKE '%row labels%';
SET SESSION AUTHORIZATION ep_reader;
SELECT visit_nr FROM ep.lab_order ORDER BY 1;
SELECT id FROM ep.result WHERE id < 1000 ORDER BY id;
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.protect_table('ep.result', 'order_id -> ep.lab_order(id).visit_nr -> ep.visit(nr).mrn -> ep.patient(mrn).id', 'laboratory',
    label_column => 'order_id -> ep.lab_order(id).labels');
SELECT object, finding FROM twin_privacy.check_protection() WHERE finding LIKE '%row labels%';
SET SESSION AUTHORIZATION ep_reader;
SELECT id FROM ep.result WHERE id < 1000 ORDER BY id;

-- a path that no longer leads to one subject closes the table
RESET SESSION AUTHORIZATION;
ALTER TABLE ep.stay DROP CONSTRAINT stay_visit_code_fkey;
ALTER TABLE ep.visit DROP CONSTRAINT visit_code_key;
SELECT target, problem FROM twin_privacy.protected_tables WHERE problem IS NOT NULL;
SET SESSION AUTHORIZATION ep_reader;
SELECT attempt('SELECT * FROM ep.stay');
RESET SESSION AUTHORIZATION;
CREATE UNIQUE INDEX ON ep.visit (code) WHERE code > '';
CREATE UNIQUE INDEX ON ep.visit (code, nr);
SELECT problem FROM twin_privacy.protected_tables WHERE target = 'ep.stay'::regclass;
CREATE UNIQUE INDEX ON ep.visit (code);
SET SESSION AUTHORIZATION ep_reader;
SELECT id FROM ep.stay ORDER BY id;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA ep CASCADE;
DROP ROLE ep_one, ep_two, ep_reader;

-- Writing protected tables: only identified uses, only open rows and cells; nothing read is stored elsewhere.
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
\set SHOW_CONTEXT never
\set raw 'RESET SESSION AUTHORIZATION; SET twin_privacy.maintenance = on; SELECT * FROM ew.lab ORDER BY id; RESET twin_privacy.maintenance; SET SESSION AUTHORIZATION ew_doctor;'
\set refill 'RESET SESSION AUTHORIZATION; SET twin_privacy.maintenance = on; SELECT ew.fill(); RESET twin_privacy.maintenance; SET SESSION AUTHORIZATION ew_doctor;'
CREATE ROLE ew_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ew_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ew_doctor LOGIN;
CREATE SCHEMA ew;
GRANT USAGE, CREATE ON SCHEMA ew TO ew_doctor;
CREATE TABLE ew.lab (id int PRIMARY KEY, s bigint, value numeric, gene text, secret text DEFAULT 'd', labels text[]);
CREATE TABLE ew.copy (id int, s bigint, value numeric, gene text);
CREATE TABLE ew.plain (id int, s bigint, value numeric, t text);
GRANT ALL ON ALL TABLES IN SCHEMA ew TO ew_doctor;
CREATE FUNCTION ew.fill() RETURNS void LANGUAGE sql AS $$
    TRUNCATE ew.lab, ew.copy, ew.plain;
    INSERT INTO ew.lab VALUES (1, 1, 1, 'A1', 's1', NULL), (2, 2, 2, 'A2', 's2', NULL), (3, 3, 3, 'A3', 's3', NULL), (4, 1, 4, 'A4', 's4', '{PSY}'), (5, NULL, 5, 'A5', 's5', NULL);
$$;
SELECT ew.fill();
SELECT twin_privacy.protect_table('ew.lab', 's', 'laboratory', label_column => 'labels'), twin_privacy.protect_table('ew.copy', 's', 'laboratory');
SELECT count(twin_privacy.label_column('ew.lab', c, l)::text) FROM (VALUES ('id'::name, 'kind=plain'), ('value', 'kind=plain'), ('gene', 'category=genomics'),
    ('secret', 'category=violence, kind=sensitive'), ('labels', 'kind=plain')) AS x(c, l);
SELECT twin_privacy.label_column('ew.copy', 'gene', 'category=genomics');
-- patient 1 permits laboratory and genomics, 2 laboratory, 3 nothing, 7 laboratory and genomics
SELECT count(twin_privacy.record_consent(s, decision => 'permit', purpose => p, categories => c::text[])) FROM (VALUES ('1', '{laboratory,genomics}'), ('2', '{laboratory}'), ('7', '{laboratory,genomics}')) AS x(s, c),
    unnest('{TREAT,HRESCH}'::text[]) p;
SET SESSION AUTHORIZATION ew_one;
SELECT code, twin_privacy.propose_use(code, p, 'ward', c::text[], f, valid => '(,)', export => e) FROM (VALUES ('EW-CARE', 'TREAT', '{laboratory,genomics}', 'identified', false),
    ('EW-STUDY', 'HRESCH', '{laboratory,genomics}', 'pseudonymised', false), ('EW-EXPORT', 'HRESCH', '{laboratory,genomics}', 'pseudonymised', true),
    ('EW-ALL', 'TREAT', '{laboratory}', 'identified', true)) AS u(code, p, c, f, e);
SET SESSION AUTHORIZATION ew_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'ew_doctor') FROM unnest('{EW-CARE,EW-STUDY,EW-EXPORT,EW-ALL}'::text[]) AS code;
SET SESSION AUTHORIZATION ew_doctor;

-- without a use, and under a pseudonymised one: nothing is written
SELECT attempt(sql), sql FROM unnest(ARRAY['INSERT INTO ew.lab VALUES (9, 1, 9)', 'UPDATE ew.lab SET value = 9', 'DELETE FROM ew.lab', 'TRUNCATE ew.lab']) AS sql;
SET twin_privacy.use = 'EW-STUDY';
SELECT attempt(sql), sql FROM unnest(ARRAY['INSERT INTO ew.lab VALUES (9, 1, 9)', 'UPDATE ew.lab SET value = 9 WHERE false', 'DELETE FROM ew.lab WHERE id = 1', 'INSERT INTO ew.lab (id) VALUES (1) ON CONFLICT DO NOTHING',
    'MERGE INTO ew.lab l USING ew.plain p ON p.id = l.id WHEN MATCHED THEN DELETE', 'WITH d AS (DELETE FROM ew.lab RETURNING *) SELECT 1', 'INSERT INTO ew.copy SELECT id, s, value, gene FROM ew.lab',
    'SELECT * FROM ew.lab FOR UPDATE']) AS sql;
:raw

-- identified: INSERT where the subject's consent covers the table and each cell given
SET twin_privacy.use = 'EW-CARE';
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$INSERT INTO ew.lab (id, s, value) VALUES (11, 1, 11)$$,
    $$INSERT INTO ew.lab (id, s, value, gene) VALUES (12, 1, 12, 'A12')$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (13, 2, 13)$$,
    $$INSERT INTO ew.lab (id, s, value, gene) VALUES (14, 2, 14, 'A14')$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (15, 3, 15)$$,
    $$INSERT INTO ew.lab (id, value) VALUES (16, 16)$$,
    $$INSERT INTO ew.lab (id, s, labels) VALUES (17, 1, '{N}')$$,
    $$INSERT INTO ew.lab (id, s, labels) VALUES (18, 1, '{PSY}')$$,
    $$INSERT INTO ew.lab (id, s, labels) VALUES (19, 1, '{NONSENSE}')$$,
    $$INSERT INTO ew.lab (id, s, secret) VALUES (20, 1, 'x')$$,
    $$INSERT INTO ew.lab VALUES (21, 1, 21, 'A21')$$,
    $$INSERT INTO ew.lab (id, s, value) SELECT 30 + g, g, g FROM generate_series(1, 3) g$$,
    $$INSERT INTO ew.lab (id, s) VALUES (1, 1)$$]) AS sql;
INSERT INTO ew.lab (id, s, value, gene) VALUES (22, 1, 22, 'A22') RETURNING *;
INSERT INTO ew.lab (id, s, value) VALUES (23, 2, 23) RETURNING id, gene, secret, lab;
:raw

-- UPDATE: rows that are seen, cells that are open, and still open afterwards
:refill
UPDATE ew.lab SET value = value + 10 RETURNING id, value, gene;
UPDATE ew.lab SET value = 0 WHERE id IN (3, 4, 5) RETURNING id;
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$UPDATE ew.lab SET gene = 'new' WHERE id = 1$$,
    $$UPDATE ew.lab SET gene = 'new' WHERE id = 2$$,
    $$UPDATE ew.lab SET gene = 'new'$$,
    $$UPDATE ew.lab SET secret = 'new' WHERE id = 1$$,
    $$UPDATE ew.lab SET secret = DEFAULT WHERE id = 1$$,
    $$UPDATE ew.lab SET s = 3 WHERE id = 1$$,
    $$UPDATE ew.lab SET s = NULL WHERE id = 1$$,
    $$UPDATE ew.lab SET s = 7 WHERE id = 1$$,
    $$UPDATE ew.lab SET s = s, value = 1 WHERE id = 2$$,
    $$UPDATE ew.lab SET labels = '{PSY}' WHERE id = 1$$,
    $$UPDATE ew.lab SET value = length(gene) WHERE id = 2$$,
    $$UPDATE ew.lab SET value = 1 WHERE gene = 'A2'$$,
    $$UPDATE ew.lab SET (value, gene) = (SELECT 5, 'sub') WHERE id = 1$$]) AS sql;
UPDATE ew.lab SET value = 77 WHERE gene = 'A2' RETURNING id;
UPDATE ew.lab l SET value = 78 FROM ew.lab x WHERE x.id = l.id AND x.gene = 'A2' RETURNING l.id;
UPDATE ew.lab SET value = 79 WHERE secret = 's1' RETURNING id, secret;
:raw

-- DELETE: rows that are seen
:refill
DELETE FROM ew.lab WHERE gene = 'A2' RETURNING id;
DELETE FROM ew.lab WHERE id > 1 RETURNING id, value, gene, secret;
DELETE FROM ew.lab USING ew.plain RETURNING lab;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM ew.lab FOR UPDATE;
FETCH c;
UPDATE ew.lab SET value = 101 WHERE CURRENT OF c RETURNING id, value;
COMMIT;
:raw

-- ON CONFLICT: a hidden row is not overwritten
:refill
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$INSERT INTO ew.lab (id, s, value) VALUES (1, 1, 101) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (3, 1, 103) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (4, 1, 104) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (2, 2, 102) ON CONFLICT (id) DO UPDATE SET gene = 'stolen'$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (2, 2, 102) ON CONFLICT (id) DO UPDATE SET value = 102 WHERE lab.gene = 'A2'$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (2, 2, 102) ON CONFLICT (id) DO UPDATE SET value = length(lab.gene)$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (2, 3, 102) ON CONFLICT (id) DO NOTHING$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (3, 1, 102) ON CONFLICT (id) DO NOTHING$$,
    $$INSERT INTO ew.lab (id, s, value) VALUES (2, 2, 102) ON CONFLICT (id) DO UPDATE SET s = 3$$]) AS sql;
INSERT INTO ew.lab (id, s, value) VALUES (2, 2, 102) ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value RETURNING *;
:raw
-- by a key of another category: found where that is open, and where it is not nobody is told whose it is
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.lab ADD CONSTRAINT lab_gene UNIQUE (gene);
CREATE UNIQUE INDEX lab_lower ON ew.lab (lower(gene)) WHERE value IS NOT NULL;
SET SESSION AUTHORIZATION ew_doctor;
INSERT INTO ew.lab (id, s, gene) VALUES (50, 1, 'A1') ON CONFLICT (gene) DO UPDATE SET value = 201 RETURNING id, s, value, gene;
INSERT INTO ew.lab (id, s, gene) VALUES (50, 1, 'A1') ON CONFLICT ON CONSTRAINT lab_gene DO UPDATE SET value = 202 RETURNING id, s, value, gene;
INSERT INTO ew.lab (id, s, value, gene) VALUES (50, 1, 1, 'a1') ON CONFLICT (lower(gene)) WHERE value IS NOT NULL DO UPDATE SET value = 203 RETURNING id, s, value, gene;
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$INSERT INTO ew.lab (id, s, gene) VALUES (50, 1, 'A2') ON CONFLICT (gene) DO UPDATE SET value = 201$$,
    $$INSERT INTO ew.lab (id, s, gene) VALUES (50, 1, 'A2') ON CONFLICT ON CONSTRAINT lab_gene DO UPDATE SET value = 201$$,
    $$INSERT INTO ew.lab (id, s, value, gene) VALUES (50, 1, 1, 'a2') ON CONFLICT (lower(gene)) WHERE value IS NOT NULL DO UPDATE SET value = 203$$]) AS sql;
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.lab DROP CONSTRAINT lab_gene;
DROP INDEX ew.lab_lower;
SET SESSION AUTHORIZATION ew_doctor;
:raw

-- MERGE
:refill
INSERT INTO ew.plain SELECT g, g, g * 100 FROM generate_series(1, 8) g;
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$MERGE INTO ew.lab l USING ew.plain p ON p.id = l.id AND p.id IN (1, 2) WHEN MATCHED THEN UPDATE SET value = p.value$$,
    $$MERGE INTO ew.lab l USING ew.plain p ON p.id = l.id AND p.id IN (1, 2) WHEN MATCHED THEN UPDATE SET gene = 'merged'$$,
    $$MERGE INTO ew.lab l USING ew.plain p ON p.id = l.id WHEN MATCHED AND l.gene = 'A2' THEN DELETE$$,
    $$MERGE INTO ew.lab l USING (SELECT * FROM ew.plain WHERE id = 7) p ON p.id = l.id WHEN NOT MATCHED THEN INSERT (id, s, value, gene) VALUES (p.id, 7, p.value, 'A7')$$,
    $$MERGE INTO ew.lab l USING (SELECT * FROM ew.plain WHERE id = 8) p ON p.id = l.id WHEN NOT MATCHED THEN INSERT (id, s, value) VALUES (p.id, 3, p.value)$$,
    $$MERGE INTO ew.lab l USING (SELECT * FROM ew.plain WHERE id = 8) p ON p.id = l.id WHEN NOT MATCHED THEN INSERT (id, s, gene) VALUES (p.id, 2, 'A8')$$,
    $$MERGE INTO ew.lab l USING (SELECT * FROM ew.plain WHERE id = 1) p ON p.id = l.id WHEN MATCHED THEN UPDATE SET s = 3$$,
    $$MERGE INTO ew.lab l USING (SELECT * FROM ew.plain WHERE id = 1) p ON p.id = l.id WHEN MATCHED THEN DELETE$$]) AS sql;
:raw

-- data-modifying CTEs, views, functions
:refill
CREATE VIEW ew.v AS SELECT id, s, value, gene FROM ew.lab;
CREATE VIEW ew.v_check AS SELECT * FROM ew.lab WHERE value < 100 WITH CHECK OPTION;
UPDATE ew.v SET value = 50 RETURNING *;
SELECT attempt($$UPDATE ew.v SET gene = 'x' WHERE id = 2$$), attempt($$INSERT INTO ew.v (id, s) VALUES (40, 3)$$), attempt($$UPDATE ew.v_check SET value = 500 WHERE id = 1$$);
WITH u AS (UPDATE ew.lab SET value = 60 RETURNING id, gene) SELECT * FROM u ORDER BY id;
WITH d AS (DELETE FROM ew.lab WHERE id = 2 RETURNING id, s, value) INSERT INTO ew.copy (id, s, value) SELECT * FROM d RETURNING *;
:raw

-- protected rows stay in protected tables: the other table's own rules hold
SELECT attempt(sql), sql FROM unnest(ARRAY[
    $$INSERT INTO ew.copy (id, s, value) SELECT id, s, value FROM ew.lab$$,
    $$INSERT INTO ew.copy (id, s, gene) SELECT id, 2, gene FROM ew.lab$$,
    $$INSERT INTO ew.plain SELECT id, s, value, gene FROM ew.lab$$,
    $$INSERT INTO ew.plain (id) SELECT count(*) FROM ew.lab$$,
    $$UPDATE ew.plain p SET t = l.gene FROM ew.lab l$$,
    $$DELETE FROM ew.plain p USING ew.lab l WHERE l.id = p.id$$,
    $$MERGE INTO ew.plain p USING ew.lab l ON l.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (l.id)$$,
    $$CREATE TABLE ew.stolen AS SELECT * FROM ew.lab$$, $$CREATE TABLE ew.stolen AS TABLE ew.v$$, $$SELECT * INTO ew.stolen FROM ew.lab$$, $$CREATE TEMP TABLE stolen AS SELECT 1 FROM ew.lab$$,
    $$WITH r AS (SELECT gene FROM ew.lab) INSERT INTO ew.plain (t) SELECT gene FROM r$$,
    $$INSERT INTO ew.plain (t) VALUES ((SELECT max(gene) FROM ew.lab))$$, $$INSERT INTO ew.plain (t) SELECT 'x' WHERE EXISTS (SELECT FROM ew.lab)$$]) AS sql;
SELECT left(attempt('CREATE MATERIALIZED VIEW ew.stolen AS SELECT * FROM ew.lab'), 5) AS refused;
SELECT count(*) FROM ew.plain;
SELECT count(*) FROM pg_class WHERE relname = 'stolen';
-- unless the use may export; a materialized view never
SET twin_privacy.use = 'EW-EXPORT';
SELECT attempt(sql), sql FROM unnest(ARRAY[$$INSERT INTO ew.plain (id, t) SELECT id, gene FROM ew.lab$$, $$CREATE TABLE ew.taken AS SELECT id, gene FROM ew.lab$$]) AS sql;
SELECT left(attempt('CREATE MATERIALIZED VIEW ew.stolen AS SELECT * FROM ew.lab'), 5) AS refused;
SELECT id, t FROM ew.plain ORDER BY id;
SELECT * FROM ew.taken ORDER BY id;
-- a row does not change hands to show what is closed for its own subject
SET twin_privacy.use = 'EW-CARE';
:refill
SELECT attempt($$UPDATE ew.lab SET s = 7 WHERE id = 2$$);
SELECT attempt($$INSERT INTO ew.lab (id, s) VALUES (2, 2) ON CONFLICT (id) DO UPDATE SET s = 7$$);
SELECT attempt($$MERGE INTO ew.lab l USING (SELECT 2 AS id) p ON p.id = l.id WHEN MATCHED THEN UPDATE SET s = 7$$);
SELECT id, gene FROM ew.lab WHERE id = 2;
INSERT INTO ew.copy (id, s, gene) VALUES (1, 1, 'A1');
INSERT INTO ew.copy (id, s) VALUES (2, 2);
UPDATE ew.copy SET s = 7 WHERE id = 1 RETURNING *;
SELECT attempt($$UPDATE ew.copy SET s = 7 WHERE id = 2$$);
-- a use that does not name a column's category can not write it, nor read it to write it
SET twin_privacy.use = 'EW-ALL';
SELECT attempt(sql), sql FROM unnest(ARRAY[$$UPDATE ew.lab SET gene = 'x'$$, $$INSERT INTO ew.lab (id, s, gene) VALUES (50, 1, 'x')$$, $$INSERT INTO ew.lab (id, s, value) VALUES (51, 1, 1)$$,
    $$UPDATE ew.lab SET value = length(gene)$$, $$DELETE FROM ew.lab WHERE gene IS NOT NULL$$]) AS sql;
:raw
-- but may name it and leave it NULL, as programs do that write every column
SELECT attempt(sql), sql FROM unnest(ARRAY[$$INSERT INTO ew.lab VALUES (52, 1, 1, NULL, NULL, NULL)$$, $$INSERT INTO ew.lab (id, s, gene) VALUES (53, 1, DEFAULT), (54, 1, NULL)$$,
    $$INSERT INTO ew.lab (id, s, gene) VALUES (55, 1, NULL), (56, 1, 'x')$$, $$INSERT INTO ew.lab (id, s, gene) VALUES (57, 3, NULL)$$, $$INSERT INTO ew.lab (id, s, secret) VALUES (58, 1, DEFAULT)$$,
    $$INSERT INTO ew.lab (id, s, gene) VALUES (1, 1, NULL) ON CONFLICT (id) DO UPDATE SET value = 0$$, $$INSERT INTO ew.lab (id, s, gene) VALUES (1, 1, NULL) ON CONFLICT (id) DO UPDATE SET gene = excluded.gene$$,
    $$INSERT INTO ew.lab (id, s, gene) SELECT 60, 1, gene FROM ew.lab WHERE id = 1$$, $$UPDATE ew.lab SET gene = NULL$$]) AS sql;
COPY ew.lab (id, s, gene) FROM STDIN;
70	1	\N
\.
COPY ew.lab (id, s, gene) FROM STDIN;
71	1	\N
72	1	x
\.
:raw
-- a row that others' paths lead through may go when those are open, whatever is closed in itself
RESET SESSION AUTHORIZATION;
CREATE TABLE ew.ordered (id int PRIMARY KEY, s bigint, gene text);
CREATE TABLE ew.result (id int PRIMARY KEY, ordered int REFERENCES ew.ordered ON DELETE CASCADE, value int);
INSERT INTO ew.ordered VALUES (1, 1, 'A1'), (2, 1, 'A2'), (3, 3, 'A3');
INSERT INTO ew.result VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);
GRANT ALL ON ew.ordered, ew.result TO ew_doctor;
SELECT twin_privacy.protect_table('ew.ordered', 's', 'laboratory'), twin_privacy.protect_table('ew.result', 'ordered -> ew.ordered(id).s', 'laboratory');
SELECT twin_privacy.label_column('ew.ordered', 'gene', 'category=genomics');
SET SESSION AUTHORIZATION ew_doctor;
SELECT attempt($$DELETE FROM ew.ordered WHERE id = 1$$), attempt($$DELETE FROM ew.ordered WHERE id = 3$$);
SELECT * FROM ew.result;
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.result ADD gene text;
SELECT twin_privacy.label_column('ew.result', 'gene', 'category=genomics');
SET SESSION AUTHORIZATION ew_doctor;
SELECT attempt($$DELETE FROM ew.ordered WHERE id = 2$$);
-- TRUNCATE and COPY FROM
SELECT attempt('TRUNCATE ew.lab');
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.lab OWNER TO ew_doctor;
SET SESSION AUTHORIZATION ew_doctor;
SELECT attempt('TRUNCATE ew.lab');
COPY ew.lab (id, s, value) FROM STDIN;
61	1	61
\.
COPY ew.lab (id, s, value) FROM STDIN;
62	3	62
\.
-- as PostgreSQL, no condition on what is computed only when a row is stored
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.lab ADD COLUMN double int GENERATED ALWAYS AS (value * 2) STORED;
GRANT pg_read_server_files TO ew_doctor;
SET SESSION AUTHORIZATION ew_doctor;
COPY ew.lab (id, s, value) FROM '/dev/null' WHERE double < 10;
COPY ew.lab (id, s, value) FROM '/dev/null' WHERE lab IS NULL;
COPY ew.lab (id, s, value) FROM STDIN WHERE value < 10;
63	1	63
\.
RESET SESSION AUTHORIZATION;
ALTER TABLE ew.lab DROP COLUMN double;
-- constraint violations name no hidden value
ALTER TABLE ew.lab ADD CHECK (value < 1000);
SET SESSION AUTHORIZATION ew_doctor;
SET twin_privacy.use = 'EW-CARE';
UPDATE ew.lab SET value = 1000 WHERE id = 1;
INSERT INTO ew.lab (id, s, value) VALUES (1, 1, 1);
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA ew CASCADE;
DROP ROLE ew_one, ew_two, ew_doctor;

-- Which rows a statement sees: the subject's directives in force, through whatever door it comes.
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
CREATE ROLE er_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE er_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE er_reader LOGIN;
CREATE SCHEMA er;
GRANT USAGE, CREATE ON SCHEMA er TO er_reader;
CREATE TABLE er.lab (id int PRIMARY KEY, patient_id bigint, note text);
INSERT INTO er.lab VALUES (1, 1, 'permitted'), (2, 2, 'no directive'), (3, 3, 'permitted and denied'), (4, 4, 'permit is over'),
    (5, 5, 'permit to come'), (6, 6, 'permit for another recipient'), (7, 7, 'permit for treatment'), (8, 8, 'permit for all research'),
    (9, 9, 'permit for clinical data'), (10, 10, 'permit for other data'), (11, 11, 'permit withdrawn'), (12, 12, 'deny withdrawn'),
    (13, 13, 'denied for one recipient'), (14, 14, 'denied for a purpose below'), (15, 15, 'permit for a purpose below'),
    (16, NULL, 'nobody''s'), (17, 1, 'permitted too'), (18, 18, 'denied for all purposes'), (19, 19, 'deny is over');
CREATE TABLE er.stream (patient_id bigint, day date, v int) PARTITION BY RANGE (day);
CREATE TABLE er.stream_1 PARTITION OF er.stream FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE er.stream_2 PARTITION OF er.stream FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO er.stream SELECT p, day, p FROM generate_series(1, 3) p, unnest('{2026-01-05,2026-02-05}'::date[]) day;
CREATE TABLE er.base (patient_id bigint);
CREATE TABLE er.heir (own text) INHERITS (er.base);
INSERT INTO er.base VALUES (1), (2);
INSERT INTO er.heir VALUES (1, 'x'), (2, 'x');
CREATE TABLE er.genes (patient_id bigint);
CREATE TABLE er.plain (id int);
INSERT INTO er.plain SELECT generate_series(1, 19);
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA er TO er_reader;
SELECT t, twin_privacy.protect_table(('er.' || t)::regclass, subject => 'patient_id', category => c)
  FROM (VALUES ('lab', 'laboratory'), ('stream', 'laboratory'), ('base', 'laboratory'), ('genes', 'genomics')) AS x(t, c);
SELECT twin_privacy.label_column('er.lab', 'id', 'kind=plain'), twin_privacy.label_column('er.lab', 'note', 'kind=plain');
CREATE TEMP TABLE consent AS SELECT s, d, twin_privacy.record_consent(s::text, decision => d, purpose => p, categories => c::text[], recipients => r::text[], valid => v::tstzrange) AS id
  FROM (VALUES (1, 'permit', 'HRESCH', NULL, NULL, '(,)'),
    (3, 'permit', 'HRESCH', NULL, NULL, '(,)'), (3, 'deny', 'HRESCH', '{laboratory}', NULL, '(,)'),
    (4, 'permit', 'HRESCH', NULL, NULL, '[2020-01-01,2021-01-01)'), (5, 'permit', 'HRESCH', NULL, NULL, '[2100-01-01,)'),
    (6, 'permit', 'HRESCH', NULL, '{pharma}', '(,)'), (7, 'permit', 'TREAT', NULL, NULL, '(,)'), (8, 'permit', 'PurposeOfUse', NULL, NULL, '(,)'),
    (9, 'permit', 'HRESCH', '{clinical}', '{uni}', '(,)'), (10, 'permit', 'HRESCH', '{vital_signs,medication}', NULL, '(,)'),
    (11, 'permit', 'HRESCH', NULL, NULL, '(,)'), (12, 'permit', 'HRESCH', NULL, NULL, '(,)'), (12, 'deny', 'HRESCH', NULL, NULL, '(,)'),
    (13, 'permit', 'HRESCH', NULL, NULL, '(,)'), (13, 'deny', 'HRESCH', NULL, '{pharma}', '(,)'),
    (14, 'permit', 'HRESCH', NULL, NULL, '(,)'), (14, 'deny', 'CLINTRCH', NULL, NULL, '(,)'), (15, 'permit', 'CLINTRCH', NULL, NULL, '(,)'),
    (18, 'permit', 'HRESCH', NULL, NULL, '(,)'), (18, 'deny', 'PurposeOfUse', NULL, NULL, '(,)'),
    (19, 'permit', 'HRESCH', NULL, NULL, '(,)'), (19, 'deny', 'HRESCH', NULL, NULL, '(,2021-01-01)'),
    (0, 'permit', 'PurposeOfUse', NULL, NULL, '(,)')) AS x(s, d, p, c, r, v);
SELECT twin_privacy.withdraw_consent(id, 'changed mind') FROM consent WHERE s = 11 OR (s = 12 AND d = 'deny');
SET SESSION AUTHORIZATION er_one;
SELECT code, twin_privacy.propose_use(code, purpose => p, recipient => r, categories => '{laboratory}', disclosure => f, valid => '(,)', basis => b, overrides_deny => o)
  FROM (VALUES ('ER-UNI', 'HRESCH', 'uni', 'identified', 'consent', false), ('ER-TRIAL', 'CLINTRCH', 'uni', 'identified', 'consent', false),
    ('ER-PHARMA', 'HRESCH', 'pharma', 'identified', 'consent', false), ('ER-CARE', 'TREAT', 'ward', 'identified', 'consent', false),
    ('ER-PSEUDO', 'HRESCH', 'uni', 'pseudonymised', 'consent', false),
    ('ER-HEALTH', 'HRESCH', 'uni', 'identified', 'public_health', false), ('ER-LAW', 'HRESCH', 'uni', 'identified', 'legal_obligation', true)) AS u(code, p, r, f, b, o);
SET SESSION AUTHORIZATION er_two;
SELECT count(twin_privacy.approve_use(code)::text || twin_privacy.grant_use(code, 'er_reader')::text)
  FROM unnest('{ER-UNI,ER-TRIAL,ER-PHARMA,ER-CARE,ER-PSEUDO,ER-HEALTH,ER-LAW}'::text[]) AS code;
-- that there is something to hide
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
SELECT count(*) AS rows, (SELECT count(*) FROM er.stream) AS stream, (SELECT count(*) FROM er.base) AS base FROM er.lab;
RESET twin_privacy.maintenance;

-- the decision, use by use
SET SESSION AUTHORIZATION er_reader;
SET twin_privacy.use = 'ER-UNI';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-TRIAL';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-PHARMA';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-CARE';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-PSEUDO';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-HEALTH';
SELECT id, note FROM er.lab ORDER BY id;
SET twin_privacy.use = 'ER-LAW';
SELECT id, note FROM er.lab ORDER BY id;

-- decide() and the rows agree
SET twin_privacy.use = 'ER-UNI';
CREATE TEMP TABLE seen (patient_id bigint);
SELECT attempt($$INSERT INTO seen SELECT patient_id FROM er.lab$$);
RESET SESSION AUTHORIZATION;
SELECT p, twin_privacy.decide(p::text, 'HRESCH', 'laboratory', 'uni') FROM generate_series(1, 19) p
 WHERE (twin_privacy.decide(p::text, 'HRESCH', 'laboratory', 'uni') = 'permit') <> (p IN (1, 8, 9, 12, 13, 14, 19));

-- every way to read: the rows are those, and no predicate or error tells of others
SET SESSION AUTHORIZATION er_reader;
CREATE VIEW er.v AS SELECT * FROM er.lab;
CREATE VIEW er.v_barrier WITH (security_barrier) AS SELECT * FROM er.lab;
CREATE VIEW er.v_invoker WITH (security_invoker) AS SELECT * FROM er.lab;
CREATE FUNCTION er.f_sql() RETURNS SETOF er.lab LANGUAGE sql STABLE AS 'SELECT * FROM er.lab';
CREATE FUNCTION er.f_atomic() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM er.lab; END;
CREATE FUNCTION er.f_definer() RETURNS SETOF er.lab LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM er.lab';
CREATE FUNCTION er.f_dynamic() RETURNS bigint LANGUAGE plpgsql AS 'DECLARE n bigint; BEGIN EXECUTE ''SELECT count(*) FROM er.lab'' INTO n; RETURN n; END';
CREATE FUNCTION er.spy(x text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''spied: %'', x; RETURN true; END';
SELECT way, n FROM (VALUES
    ('count', (SELECT count(*) FROM er.lab)), ('only', (SELECT count(*) FROM ONLY er.lab)), ('view', (SELECT count(*) FROM er.v)),
    ('security_barrier view', (SELECT count(*) FROM er.v_barrier)), ('security_invoker view', (SELECT count(*) FROM er.v_invoker)),
    ('sql function', (SELECT count(*) FROM er.f_sql())), ('atomic function', er.f_atomic()), ('definer', (SELECT count(*) FROM er.f_definer())),
    ('dynamic', er.f_dynamic()), ('sublink', (SELECT count(*) FROM er.plain p WHERE EXISTS (SELECT FROM er.lab l WHERE l.id = p.id))),
    ('not in', 19 - (SELECT count(*) FROM er.plain WHERE id NOT IN (SELECT id FROM er.lab))),
    ('left join', (SELECT count(l.id) FROM er.plain p LEFT JOIN er.lab l USING (id))), ('full join', (SELECT count(l.id) FROM er.lab l FULL JOIN er.plain p USING (id))),
    ('lateral', (SELECT count(*) FROM er.plain p, LATERAL (SELECT l.id FROM er.lab l WHERE l.id = p.id OFFSET 0) x)),
    ('union', (SELECT count(*) FROM (SELECT id FROM er.lab UNION SELECT id FROM er.lab) u)),
    ('except', 19 - (SELECT count(*) FROM (SELECT id FROM er.plain EXCEPT SELECT id FROM er.lab) u)),
    ('distinct', (SELECT count(*) FROM (SELECT DISTINCT ON (id) note FROM er.lab) d)), ('window', (SELECT max(n) FROM (SELECT count(*) OVER () AS n FROM er.lab) w)),
    ('tablesample', (SELECT count(*) FROM er.lab TABLESAMPLE SYSTEM (100))), ('grouping sets', (SELECT max(c) FROM (SELECT count(*) AS c FROM er.lab GROUP BY GROUPING SETS ((), (id))) g)),
    ('null subject', (SELECT count(*) + 8 FROM er.lab WHERE patient_id IS NULL)), ('ctid', (SELECT count(*) + 8 FROM er.lab WHERE ctid = '(0,2)'))) AS x(way, n) WHERE n <> 8;
WITH RECURSIVE r(id, note) AS (SELECT id, note FROM er.lab WHERE id = 1 UNION ALL SELECT l.id, l.note FROM er.lab l JOIN r ON l.id > r.id AND l.id < 10) SELECT DISTINCT id FROM r ORDER BY 1;
WITH w AS MATERIALIZED (SELECT * FROM er.lab) SELECT count(*) FROM w;
SELECT count(*) FROM er.lab WHERE er.spy(note) AND id < 5;
SELECT count(*) FROM er.lab WHERE 1 / (id - 2) > -100;
SELECT id FROM er.lab WHERE note = 'no directive';
SELECT id FROM er.lab ORDER BY id FOR UPDATE;
SELECT l FROM er.lab l WHERE id < 9 ORDER BY id;
COPY er.lab TO STDOUT;
COPY er.lab (note) TO STDOUT;
COPY (SELECT id FROM er.lab WHERE id < 10 ORDER BY id) TO STDOUT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM er.lab ORDER BY id;
FETCH ALL FROM c;
FETCH BACKWARD 2 FROM c;
FETCH FIRST FROM c;
COMMIT;
SET enable_seqscan = off;
SELECT id FROM er.lab WHERE id IN (1, 2, 3, 8) ORDER BY id;
SELECT count(*) FROM er.lab WHERE id > 0;
SET enable_indexscan = off; SET enable_indexonlyscan = off;
SELECT id FROM er.lab WHERE id IN (1, 2, 3, 8) ORDER BY id;
RESET enable_seqscan; RESET enable_indexscan; RESET enable_indexonlyscan;

-- partitions and children: through the parent and by themselves
SELECT tableoid::regclass, patient_id, day FROM er.stream ORDER BY 1, 2, 3;
SELECT patient_id FROM er.stream_1;
SELECT count(*) FROM er.stream WHERE day > '2026-02-01';
SELECT patient_id FROM er.base;
SELECT patient_id FROM ONLY er.base;
SELECT * FROM er.heir;
SET enable_partitionwise_join = on;
SELECT count(*) FROM er.stream a JOIN er.stream b USING (patient_id, day);
RESET enable_partitionwise_join;

-- a table whose own category the use does not name is an error, also when it is empty and when nothing would be read
SELECT attempt(sql), sql FROM unnest(ARRAY['SELECT * FROM er.genes', 'SELECT count(*) FROM er.lab l LEFT JOIN er.genes g USING (patient_id) WHERE false',
    'SELECT 1 FROM er.lab WHERE false AND EXISTS (SELECT FROM er.genes)']) AS sql;
COPY er.genes TO STDOUT;
-- statistics and privileges tell nothing either
RESET SESSION AUTHORIZATION;
ANALYZE er.lab, er.stream;
SELECT count(*) > 0 AS statistics FROM pg_stats WHERE schemaname = 'er' AND tablename IN ('lab', 'stream_1');
SET SESSION AUTHORIZATION er_reader;
SELECT count(*) FROM pg_stats WHERE schemaname = 'er' AND tablename IN ('lab', 'stream_1');
RESET SESSION AUTHORIZATION;
REVOKE SELECT ON er.lab FROM er_reader;
SET SESSION AUTHORIZATION er_reader;
SELECT attempt('SELECT * FROM er.lab');

-- the owner and the superuser see what the use opens to them
RESET SESSION AUTHORIZATION;
ALTER TABLE er.lab OWNER TO er_reader;
SET SESSION AUTHORIZATION er_reader;
SELECT count(*) FROM er.lab;
SELECT count(*) FROM pg_stats WHERE schemaname = 'er' AND tablename = 'lab';
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM er.lab;

SET client_min_messages = warning;
DROP SCHEMA er CASCADE;
DROP ROLE er_one, er_two, er_reader;

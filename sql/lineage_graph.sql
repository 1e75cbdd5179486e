-- All provenance read at once gives what single look-ups give, and follows every change.
\set SHOW_CONTEXT never
SELECT current_user AS me \gset
SET client_min_messages = warning;
CREATE ROLE lg_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE lg_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE lg_reader LOGIN;
CREATE SCHEMA lg;
GRANT USAGE ON SCHEMA lg TO PUBLIC;
CREATE TABLE lg.reading (id int PRIMARY KEY, patient_id bigint, labels text[]) PARTITION BY RANGE (id);
CREATE TABLE lg.reading_1 PARTITION OF lg.reading FOR VALUES FROM (0) TO (300);
CREATE TABLE lg.reading_2 PARTITION OF lg.reading FOR VALUES FROM (300) TO (2000);
CREATE TABLE lg.state (id int PRIMARY KEY, patient_id bigint);
CREATE TABLE lg.forecast (id text PRIMARY KEY, patient_id bigint);
CREATE TABLE lg.state_used (state_id int, reading_id bigint);
CREATE TABLE lg.state_from (state_id int, from_id int);
CREATE TABLE lg.forecast_used (forecast_id text, state_id smallint);
CREATE INDEX ON lg.state_used (state_id);
CREATE INDEX ON lg.state_from (state_id);
CREATE INDEX ON lg.forecast_used (forecast_id);
CREATE FUNCTION lg.dice(i int, salt int, sides int) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT ((hashint8(i::bigint * 1000 + salt)::bigint & 2147483647) % sides)::int$$;
-- readings of forty patients, one of nobody; labels on some, an unknown one on one
INSERT INTO lg.reading SELECT i, CASE WHEN i <> 7 THEN lg.dice(i, 0, 40) END,
    CASE WHEN i = 9 THEN '{bogus}' WHEN lg.dice(i, 1, 20) = 0 THEN '{genomics}' WHEN i % 3 = 0 THEN '{N}' END::text[] FROM generate_series(1, 600) i;
-- states, most of them of the patient of their first reading, some of nobody's own; each from earlier ones too, a few from later
INSERT INTO lg.state SELECT i, CASE WHEN lg.dice(i, 2, 15) > 0 THEN (SELECT patient_id FROM lg.reading WHERE id = lg.dice(i, 3, 600) + 1) END FROM generate_series(1, 500) i;
INSERT INTO lg.state_used SELECT i, lg.dice(i, 3, 600) + 1 FROM generate_series(1, 500) i WHERE lg.dice(i, 4, 25) > 0
    UNION ALL SELECT i, lg.dice(i, 5, 600) + 1 FROM generate_series(1, 500) i WHERE lg.dice(i, 6, 6) = 0
    UNION ALL VALUES (33, NULL::int), (34, 5000);
INSERT INTO lg.state_from SELECT i, CASE WHEN lg.dice(i, 7, 30) = 0 THEN lg.dice(i, 8, 500) + 1 ELSE lg.dice(i, 9, greatest(i - 1, 1)) + 1 END
  FROM generate_series(2, 500) i WHERE lg.dice(i, 10, 3) = 0;
INSERT INTO lg.forecast SELECT 'f' || i, CASE WHEN i % 7 > 0 THEN lg.dice(i, 11, 40) END FROM generate_series(1, 400) i;
INSERT INTO lg.forecast_used SELECT 'f' || i, lg.dice(i, 11 + k, 500) + 1 FROM generate_series(1, 400) i, generate_series(1, 3) k WHERE lg.dice(i, 20 + k, 2) = 0;
-- one model of more people than a set copies, and what is made from it
INSERT INTO lg.state VALUES (601, NULL), (602, 1), (603, NULL);
INSERT INTO lg.state_used SELECT 601, (SELECT min(id) FROM lg.reading WHERE patient_id = p) FROM generate_series(1, 39) p;
INSERT INTO lg.state_from VALUES (602, 601), (603, 601), (603, 602);
SELECT count(twin_privacy.protect_table(t, subject => 'patient_id', category => c, label_column => l)::text) FROM (VALUES
    ('lg.reading'::regclass, 'sensor_stream', 'labels'), ('lg.state', 'twin_state', NULL), ('lg.forecast', 'prediction', NULL)) AS v(t, c, l);
SELECT count(twin_privacy.label_column(t, 'id', 'kind=plain')::text) FROM unnest('{lg.reading,lg.state,lg.forecast}'::regclass[]) t;
SELECT twin_privacy.declare_provenance('lg.state', 'id', 'lg.state_used', 'state_id', 'lg.reading', 'reading_id', 'id'),
       twin_privacy.declare_provenance('lg.state', 'id', 'lg.state_from', 'state_id', 'lg.state', 'from_id', 'id'),
       twin_privacy.declare_provenance('lg.forecast', 'id', 'lg.forecast_used', 'forecast_id', 'lg.state', 'state_id', 'id');
SELECT count(twin_privacy.record_consent(p::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(0, 39) p WHERE p % 8 > 0;
SELECT count(twin_privacy.record_consent(p::text, decision => 'deny', purpose => 'HRESCH', categories => '{genomics}')) FROM generate_series(0, 39) p WHERE p % 3 = 1;
SELECT count(twin_privacy.record_consent(p::text, decision => 'deny', purpose => 'HRESCH', categories => '{twin_state}')) FROM generate_series(0, 39) p WHERE p % 13 = 2;
GRANT SELECT ON ALL TABLES IN SCHEMA lg TO lg_reader;
CREATE FUNCTION lg.seen() RETURNS TABLE (what text, n bigint, ids text) LANGUAGE sql AS
$$SELECT 'state', count(*), string_agg(id::text, ' ' ORDER BY id) FROM lg.state UNION ALL SELECT 'forecast', count(*), string_agg(id, ' ' ORDER BY id) FROM lg.forecast$$;
SET SESSION AUTHORIZATION lg_one;
SELECT twin_privacy.propose_use('LG', purpose => 'HRESCH', recipient => 'us', categories => '{twin_state,prediction}', disclosure => 'identified', valid => '(,)');
SET SESSION AUTHORIZATION lg_two;
SELECT twin_privacy.approve_use('LG'), twin_privacy.grant_use('LG', 'lg_reader');

-- one look-up a row, then by the graph, by page and, where the index is used, row by row
SET SESSION AUTHORIZATION lg_reader;
SET twin_privacy.use = 'LG';
SET twin_privacy.provenance_threshold = 1000000;
SELECT string_agg(what || ' ' || n || ' ' || md5(ids), ', ') AS single, sum(n) > 100 AND sum(n) < 800 AS some_not_all FROM lg.seen() \gset
SELECT :'some_not_all' AS some_not_all;
SET twin_privacy.provenance_threshold = 0;
SELECT string_agg(what || ' ' || n || ' ' || md5(ids), ', ') = :'single' AS same FROM lg.seen();
SET enable_seqscan = off;
SELECT string_agg(what || ' ' || n || ' ' || md5(ids), ', ') = :'single' AS same FROM lg.seen();
RESET enable_seqscan;
RESET SESSION AUTHORIZATION;
-- too little memory for a graph
ALTER ROLE lg_reader SET twin_privacy.provenance_memory = 64;
\connect - lg_reader
SET twin_privacy.use = 'LG';
SET twin_privacy.provenance_threshold = 0;
SELECT string_agg(what || ' ' || n || ' ' || md5(ids), ', ') = :'single' AS same FROM lg.seen();
\connect - :me
SET client_min_messages = warning;
DROP SCHEMA lg CASCADE;
DROP ROLE lg_one, lg_two, lg_reader;

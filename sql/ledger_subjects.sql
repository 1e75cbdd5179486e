-- Sets of subjects of every kind and size come back as they were collected.
CREATE ROLE set_officer LOGIN;
CREATE ROLE set_chief LOGIN;
GRANT twin_privacy_officer TO set_officer, set_chief;
CREATE ROLE set_auditor LOGIN;
GRANT twin_privacy_auditor TO set_auditor;
CREATE ROLE set_reader LOGIN;
CREATE TABLE dense (id int PRIMARY KEY);
CREATE TABLE runs (id bigint PRIMARY KEY);
CREATE TABLE sparse (id bigint PRIMARY KEY);
CREATE TABLE ends (id bigint PRIMARY KEY);
CREATE TABLE by_uuid (id uuid PRIMARY KEY);
CREATE TABLE by_text (id text PRIMARY KEY);
INSERT INTO dense SELECT i * 3 % 6007 FROM generate_series(1, 3000) i ON CONFLICT DO NOTHING;
INSERT INTO runs SELECT -500000 + i + i / 100 * 1000 FROM generate_series(0, 4999) i;
INSERT INTO sparse SELECT (i::bigint * 7919 * 1000003) % 1000000007 - 500000000 FROM generate_series(1, 1000) i;
INSERT INTO ends VALUES (-9223372036854775808), (9223372036854775807), (0), (-1), (-9223372036854775807), (9223372036854775806);
INSERT INTO by_uuid SELECT md5(i::text)::uuid FROM generate_series(1, 500) i;
INSERT INTO by_text SELECT 'Pätient ' || i || repeat('x', i % 90) FROM generate_series(1, 3000) i;
INSERT INTO by_text VALUES ('17'), ('00000000-0000-0000-0000-000000000017');
INSERT INTO dense VALUES (6017) ON CONFLICT DO NOTHING;
SELECT twin_privacy.protect_table(t::regclass, subject => 'id', category => 'clinical')
  FROM unnest('{dense,runs,sparse,ends,by_uuid,by_text}'::text[]) t;
GRANT SELECT ON dense, runs, sparse, ends, by_uuid, by_text TO set_reader;
SET SESSION AUTHORIZATION set_officer;
SELECT twin_privacy.propose_use('REGISTRY', purpose => 'HOPERAT', recipient => 'agency', categories => '{clinical}',
                                disclosure => 'identified', basis => 'public_health');
SET SESSION AUTHORIZATION set_chief;
SELECT twin_privacy.approve_use('REGISTRY'), twin_privacy.grant_use('REGISTRY', 'set_reader');

SET SESSION AUTHORIZATION set_reader;
SET twin_privacy.use = 'REGISTRY';
SET twin_privacy.justification = 'dense';
SELECT count(id) FROM dense;
SET twin_privacy.justification = 'runs';
SELECT count(id) FROM runs;
SET twin_privacy.justification = 'sparse';
SELECT count(id) FROM sparse;
SET twin_privacy.justification = 'ends';
SELECT count(id) FROM ends;
SET twin_privacy.justification = 'by_uuid';
SELECT count(id) FROM by_uuid;
SET twin_privacy.justification = 'by_text';
SELECT count(id) FROM by_text;
SET twin_privacy.justification = 'all';
SELECT (SELECT count(id) FROM dense) + (SELECT count(id) FROM runs) + (SELECT count(id) FROM sparse) + (SELECT count(id) FROM ends)
     + (SELECT count(id) FROM by_uuid) + (SELECT count(id) FROM by_text) AS count;

RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
CREATE TEMP TABLE truth AS
    SELECT 'dense' AS source, id::text AS subject FROM dense UNION ALL SELECT 'runs', id::text FROM runs
    UNION ALL SELECT 'sparse', id::text FROM sparse UNION ALL SELECT 'ends', id::text FROM ends
    UNION ALL SELECT 'by_uuid', id::text FROM by_uuid UNION ALL SELECT 'by_text', id FROM by_text;
RESET twin_privacy.maintenance;
CREATE TEMP TABLE told AS
    SELECT d.justification AS source, s AS subject, d.subject_count
      FROM twin_privacy.disclosures d, twin_privacy.subjects_of(d.record_id) s WHERE d.session_role = 'set_reader';
SELECT t.source, count(*) AS told, min(subject_count) = count(*) AS counted, count(DISTINCT subject) = count(*) AS distinct_texts,
       (SELECT count(*) FROM (SELECT subject FROM told x WHERE x.source = t.source EXCEPT
                              SELECT subject FROM truth y WHERE y.source = t.source OR t.source = 'all') a) AS too_many,
       (SELECT count(*) FROM (SELECT subject FROM truth y WHERE y.source = t.source OR t.source = 'all' EXCEPT
                              SELECT subject FROM told x WHERE x.source = t.source) a) AS missing
  FROM told t GROUP BY t.source ORDER BY t.source;

-- one subject among them, by the index and by the set; texts that look like other kinds' keys count for each
SET SESSION AUTHORIZATION set_auditor;
SELECT s AS subject, (SELECT string_agg(justification, ' ' ORDER BY record_id) FROM twin_privacy.disclosures_of(s))
  FROM unnest('{17,6017,6008,-500000,-499900,-498900,9223372036854775807,-9223372036854775808,-1,c4ca4238-a0b9-2382-0dcc-509a6f75849b}'::text[]
              || 'Pätient 1x'::text || '00000000-0000-0000-0000-000000000017'::text || 'nobody'::text) s;
SELECT count(*) FROM twin_privacy.verify_ledger();
RESET SESSION AUTHORIZATION;
SELECT count(twin_privacy.unprotect_table(t::regclass, 'end of test')) FROM unnest('{dense,runs,sparse,ends,by_uuid,by_text}'::text[]) t;
DROP TABLE dense, runs, sparse, ends, by_uuid, by_text, truth, told;
SELECT twin_privacy.revoke_use('REGISTRY', 'set_reader');
DROP ROLE set_officer, set_chief, set_auditor, set_reader;

-- Cells: clear, masked or NULL, by category, kind, form and consent.
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
CREATE ROLE ec_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ec_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE ec_reader LOGIN;
CREATE SCHEMA ec;
GRANT USAGE, CREATE ON SCHEMA ec TO ec_reader;
CREATE TABLE ec.num (id int, s bigint, band_i2 smallint, band_i4 int, band_i8 bigint, round_i2 smallint, round_i4 int, round_i8 bigint,
    band_f4 real, band_f8 float8, round_f4 real, round_f8 float8, band_n numeric, round_n numeric, band_d numeric(6,2), round_x numeric);
INSERT INTO ec.num (id, s, band_i2, band_i4, band_i8, round_i2, round_i4, round_i8, band_f4, band_f8, round_f4, round_f8, band_n, round_n, band_d, round_x)
  SELECT id, 1, i, i, i, i, i, i, i, i, i, i, i, i, i, i FROM (VALUES (1, 0), (2, 1), (3, 4), (4, 5), (5, 14), (6, 15), (7, -1), (8, -5), (9, -4), (10, -10), (11, -15), (12, 9999)) v(id, i);
INSERT INTO ec.num (id, s, band_i2, band_i4, band_i8, round_i2, round_i4, round_i8, band_f4, band_f8, round_f4, round_f8, band_n, round_n, band_d, round_x) VALUES
    (20, 1, 32767, 2147483647, 9223372036854775807, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', 'NaN', 'NaN', 'NaN', 'Infinity', -0.01, 12.345678901234567890123),
    (21, 1, -32768, -2147483648, -9223372036854775808, -32768, -2147483648, -9223372036854775808, -0.5, 0.1, 2.5, -2.5, 1e30, -0.5, 9999.99, -0.005),
    (22, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE ec.txt (id int, s bigint, n text, redact text, redact_v varchar(12), redact_c char(9), partial text, partial_0 text, partial_v varchar(7), partial_c char(6), zip text, zip_v varchar(5));
INSERT INTO ec.txt SELECT id, 1, t, t, left(t, 12), left(t, 9), t, t, left(t, 7), left(t, 6), t, left(t, 5)
  FROM (VALUES (1, 'secret text'), (2, ''), (3, 'a'), (4, 'abc'), (5, 'abcd'), (6, 'Ærøskøbing'), (7, '臺北市信義區'), (8, '😀😃😄😁'), (9, 'e' || U&'\0301' || 'te'), (10, NULL)) v(id, t);
CREATE TABLE ec.tim (id int, s bigint, d_year date, d_month date, t_year timestamp, t_month timestamp, z_year timestamptz, z_month timestamptz);
INSERT INTO ec.tim SELECT id, 1, t::date, t::date, t, t, t AT TIME ZONE 'UTC', t AT TIME ZONE 'UTC'
  FROM (VALUES (1, '1950-03-04 12:34:56'::timestamp), (2, '2000-01-01 00:00:00'), (3, '1999-12-31 23:59:59.999999'), (4, '2024-02-29'), (5, '0044-03-15 10:00 BC'), (6, 'infinity'), (7, '-infinity'), (8, NULL), (9, '1969-12-31 23:00')) v(id, t);
INSERT INTO ec.tim VALUES (10, 1, '5874897-12-31', '4713-01-01 BC', '294276-12-31', '4713-01-01 BC', '294276-12-31 00:00Z', '4713-01-01 00:00Z BC');
CREATE TABLE ec.key (id int, s bigint, i2 smallint, i4 int, i8 bigint, u uuid, t text, v varchar(60), d date, ts timestamp, tz timestamptz);
INSERT INTO ec.key SELECT i, 1 + i % 2, i, i, i, ('00000000-0000-0000-0000-0000000000' || 10 + i)::uuid, 'T' || i, 'V' || i, date '1990-05-05' + i * 10, timestamp '1990-05-05 08:00' + i * interval '10 days', timestamptz '1990-05-05 08:00Z' + i * interval '10 days'
  FROM generate_series(1, 20) i;
INSERT INTO ec.key (id, s) VALUES (30, 1);
INSERT INTO ec.key VALUES (31, 1, 32767, 2147483647, 9223372036854775807, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '', repeat('x', 60), 'infinity', 'infinity', '-infinity');
CREATE TABLE ec.other (id int, s bigint, ref smallint, t text);
CREATE TABLE ec.narrow (id int, s int);
INSERT INTO ec.other SELECT i, 1 + i % 2, i, 'T' || i FROM generate_series(1, 20) i;
INSERT INTO ec.narrow SELECT id, s FROM ec.other;
CREATE TABLE ec.many (s bigint, d date);
INSERT INTO ec.many SELECT i, '2000-01-01' FROM generate_series(101, 160) i;
CREATE TABLE ec.by_uuid (s uuid, v int);
INSERT INTO ec.by_uuid VALUES ('00000000-0000-0000-0000-000000000001', 1);
CREATE TABLE ec.by_text (s text, v int);
INSERT INTO ec.by_text VALUES ('MRN-1', 1), ('', 2);
CREATE TABLE ec.mixed (gone text, s bigint, own text, vital numeric, gene text, plain_mask text, sensitive_mask text, quasi_bare text, identifier_bare text, unlabelled text, drop_me text);
INSERT INTO ec.mixed SELECT 'gone', i, 'own' || i, i, 'ACGT' || i, 'plain' || i, 'sensitive' || i, 'quasi' || i, 'identifier' || i, 'unlabelled' || i, 'x' FROM generate_series(1, 3) i;
ALTER TABLE ec.mixed DROP COLUMN gone, DROP COLUMN drop_me;
GRANT SELECT ON ALL TABLES IN SCHEMA ec TO ec_reader;
SELECT count(twin_privacy.protect_table(('ec.' || t)::regclass, 's', 'laboratory')::text) FROM unnest('{num,txt,tim,key,other,narrow,many,by_uuid,by_text,mixed}'::text[]) t;
SELECT count(twin_privacy.label_column(('ec.' || t)::regclass, c, l)::text) FROM (VALUES ('num', 'id'::name, 'kind=plain'), ('txt', 'id', 'kind=plain'), ('txt', 'n', 'kind=identifier, mask=null'),
    ('tim', 'id', 'kind=plain'), ('key', 'id', 'kind=plain'), ('other', 'id', 'kind=plain'), ('narrow', 'id', 'kind=plain'), ('many', 'd', 'kind=quasi, mask=date_shift'), ('by_uuid', 'v', 'kind=plain'), ('by_text', 'v', 'kind=plain'),
    ('num', 'band_i2', 'kind=quasi, mask=band:10'), ('num', 'band_i4', 'kind=quasi, mask=band:10'), ('num', 'band_i8', 'kind=quasi, mask=band:10'),
    ('num', 'round_i2', 'kind=quasi, mask=round:10'), ('num', 'round_i4', 'kind=quasi, mask=round:10'), ('num', 'round_i8', 'kind=quasi, mask=round:10'),
    ('num', 'band_f4', 'kind=quasi, mask=band:10'), ('num', 'band_f8', 'kind=quasi, mask=band:0.25'), ('num', 'round_f4', 'kind=quasi, mask=round:5'), ('num', 'round_f8', 'kind=quasi, mask=round:1'),
    ('num', 'band_n', 'kind=quasi, mask=band:2.5'), ('num', 'round_n', 'kind=quasi, mask=round:1'), ('num', 'band_d', 'kind=quasi, mask=band:100'), ('num', 'round_x', 'kind=quasi, mask=round:0.01'),
    ('txt', 'redact', 'kind=identifier, mask=redact'), ('txt', 'redact_v', 'kind=identifier, mask=redact'), ('txt', 'redact_c', 'kind=identifier, mask=redact'),
    ('txt', 'partial', 'kind=identifier, mask=partial:1:2'), ('txt', 'partial_0', 'kind=identifier, mask=partial:0:0'), ('txt', 'partial_v', 'kind=quasi, mask=partial:2:0'),
    ('txt', 'partial_c', 'kind=quasi, mask=partial:1:1'), ('txt', 'zip', 'kind=quasi, mask=zip3'), ('txt', 'zip_v', 'kind=quasi, mask=zip3'),
    ('tim', 'd_year', 'kind=quasi, mask=year'), ('tim', 'd_month', 'kind=quasi, mask=month'), ('tim', 't_year', 'kind=quasi, mask=year'), ('tim', 't_month', 'kind=quasi, mask=month'),
    ('tim', 'z_year', 'kind=quasi, mask=year'), ('tim', 'z_month', 'kind=quasi, mask=month'),
    ('key', 'i2', 'kind=identifier, mask=pseudonym'), ('key', 'i4', 'kind=identifier, mask=pseudonym'), ('key', 'i8', 'kind=identifier, mask=pseudonym'), ('key', 'u', 'kind=identifier, mask=pseudonym'),
    ('key', 't', 'kind=identifier, mask=pseudonym'), ('key', 'v', 'kind=identifier, mask=pseudonym'), ('key', 'd', 'kind=quasi, mask=date_shift'), ('key', 'ts', 'kind=quasi, mask=date_shift'), ('key', 'tz', 'kind=quasi, mask=date_shift'),
    ('other', 'ref', 'kind=identifier, mask=pseudonym'), ('other', 't', 'kind=identifier, mask=pseudonym'),
    ('mixed', 'own', 'kind=plain'), ('mixed', 'vital', 'category=vital_signs'), ('mixed', 'gene', 'category=genomics, kind=sensitive'), ('mixed', 'plain_mask', 'mask=redact'),
    ('mixed', 'sensitive_mask', 'kind=sensitive, mask=redact'), ('mixed', 'quasi_bare', 'kind=quasi'), ('mixed', 'identifier_bare', 'kind=identifier')) AS x(t, c, l);
SELECT count(twin_privacy.record_consent(s, decision => d, purpose => 'HRESCH', categories => c::text[])) FROM (VALUES ('1', 'permit', NULL), ('2', 'permit', '{laboratory,vital_signs}'), ('3', 'permit', NULL),
    ('3', 'deny', '{vital_signs}'), ('00000000-0000-0000-0000-000000000001', 'permit', NULL), ('MRN-1', 'permit', NULL)) AS x(s, d, c);
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(101, 160) i;
SET SESSION AUTHORIZATION ec_one;
SELECT code, twin_privacy.propose_use(code, 'HRESCH', 'uni', c::text[], f, valid => '(,)') FROM (VALUES ('EC-ONE', '{laboratory,vital_signs,genomics}', 'pseudonymised'),
    ('EC-TWO', '{laboratory,vital_signs}', 'pseudonymised'), ('EC-CLEAR', '{laboratory,vital_signs,genomics}', 'identified'), ('EC-LAB', '{laboratory}', 'identified')) AS u(code, c, f);
SET SESSION AUTHORIZATION ec_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'ec_reader') FROM unnest('{EC-ONE,EC-TWO,EC-CLEAR,EC-LAB}'::text[]) AS code;
SET SESSION AUTHORIZATION ec_reader;
SET extra_float_digits = 0;

-- numbers: band and round, negative, half, extreme, not a number; NULL when the step leaves the type's range
SET twin_privacy.use = 'EC-ONE';
SELECT id, band_i2, band_i4, band_i8, round_i2, round_i4, round_i8 FROM ec.num ORDER BY id;
SELECT id, band_f4, band_f8, round_f4, round_f8, band_n, round_n, band_d, round_x FROM ec.num ORDER BY id;
-- text: by characters, not bytes
SELECT id, n, redact, redact_v, redact_c FROM ec.txt ORDER BY id;
SELECT id, partial, partial_0, partial_v, partial_c, zip, zip_v FROM ec.txt ORDER BY id;
-- dates and times: the edges of a year are UTC's whatever the session's zone
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT id, d_year, d_month, t_year, t_month, z_year, z_month FROM ec.tim WHERE id <> 10 ORDER BY id;
SELECT d_year, d_month, t_year, t_month, z_year, z_month FROM ec.tim WHERE id = 10;
SET timezone = 'Pacific/Kiritimati';
SELECT id, z_year AT TIME ZONE 'UTC' AS z_year, z_month AT TIME ZONE 'UTC' AS z_month FROM ec.tim ORDER BY id;
RESET timezone;
-- unmasked under the identified form
SET twin_privacy.use = 'EC-CLEAR';
SELECT id, band_i2, round_x, band_f8 FROM ec.num WHERE id IN (3, 20, 21) ORDER BY id;
SELECT id, n, redact_v, partial, zip FROM ec.txt WHERE id IN (1, 6) ORDER BY id;

-- keyed masks: same type, not the value, one to one, the same in every table of the use and in every statement, another in another use
SET twin_privacy.use = 'EC-ONE';
SELECT pg_typeof(s), pg_typeof(i2), pg_typeof(i4), pg_typeof(i8), pg_typeof(u), pg_typeof(t), pg_typeof(v), pg_typeof(d), pg_typeof(ts), pg_typeof(tz) FROM ec.key LIMIT 1;
SELECT count(DISTINCT i2), count(DISTINCT i4), count(DISTINCT i8), count(DISTINCT u), count(DISTINCT t), count(DISTINCT v), count(*) FILTER (WHERE t IS NULL) AS nulls FROM ec.key;
SELECT count(*) FROM ec.key WHERE u::text LIKE '00000000%' OR t LIKE 'T%' OR v LIKE 'V%' OR i4 = id OR i8 = id;
SELECT count(*) FILTER (WHERE i2 = id) < 20 AS i2_permuted, count(DISTINCT length(t)) AS lengths, max(length(t)) <= 40 AS fits FROM ec.key WHERE id <= 20;
SELECT count(*) FROM ec.key k JOIN ec.other o ON k.id = o.id AND k.i2 = o.ref AND k.t = o.t AND k.s = o.s;
SELECT count(*) FROM ec.key k JOIN ec.other o ON k.i2 = o.ref;
SELECT count(*) FROM ec.key k JOIN ec.other o ON k.t = o.t;
SELECT count(DISTINCT s), count(*) FROM ec.key k JOIN ec.other o USING (s, id);
-- also where the key is of another width
SELECT count(*), count(DISTINCT n.s) FROM ec.narrow n JOIN ec.key k USING (s, id);
SELECT count(DISTINCT s), bool_or(s IN (1, 2)) AS raw FROM ec.key;
SELECT string_agg(t, ' ' ORDER BY id) || string_agg(u::text, ' ' ORDER BY id) || string_agg(s::text, ' ' ORDER BY id) AS one FROM ec.key \gset
SELECT string_agg(t, ' ' ORDER BY id) || string_agg(u::text, ' ' ORDER BY id) || string_agg(s::text, ' ' ORDER BY id) = :'one' AS same FROM ec.key;
SET twin_privacy.use = 'EC-TWO';
SELECT string_agg(t, ' ' ORDER BY id) || string_agg(u::text, ' ' ORDER BY id) || string_agg(s::text, ' ' ORDER BY id) = :'one' AS same,
       count(*) FILTER (WHERE position(t IN :'one') > 0 AND t <> '') AS shared FROM ec.key;
SELECT count(*) FROM ec.key WHERE s = ANY (SELECT twin_privacy.reveal(s, 1, 'laboratory') FROM generate_series(1::bigint, 3) s);
-- subject keys of each type
SET twin_privacy.use = 'EC-ONE';
SELECT pg_typeof(s), s = '00000000-0000-0000-0000-000000000001' AS raw, v FROM ec.by_uuid;
SELECT pg_typeof(s), length(s), s = 'MRN-1' AS raw, v FROM ec.by_text;
SELECT s = twin_privacy.pseudonymize('EC-ONE', 'MRN-1'::text)::text AS is_the_pseudonym FROM ec.by_text;
-- dates shifted by one offset a patient: intervals are kept, types agree, infinity stays
SELECT max(d) - min(d) AS days, max(ts) - min(ts) AS ts, max(tz) - min(tz) AS tz, max(ts)::date - max(d) AS between_types, count(DISTINCT d - (id * 10)) AS offsets
  FROM ec.key WHERE id <= 20 AND id % 2 = 0;
SELECT count(DISTINCT d - (id * 10)) <= 2 AS one_a_patient, bool_and(abs(d - date '1990-05-05' - id * 10) <= 182) AS in_range FROM ec.key WHERE id <= 20;
SELECT count(DISTINCT d) > 10 AS moved FROM ec.many;
SELECT d, ts, tz FROM ec.key WHERE id IN (30, 31) ORDER BY id;

-- per cell: the category of the column, consent of the row's subject, what the use names, the kind
SELECT own, vital, gene, plain_mask, sensitive_mask, quasi_bare, identifier_bare, unlabelled FROM ec.mixed ORDER BY own;
SET twin_privacy.use = 'EC-TWO';
SELECT own, vital, gene, plain_mask, sensitive_mask, quasi_bare, identifier_bare, unlabelled FROM ec.mixed ORDER BY own;
SET twin_privacy.use = 'EC-CLEAR';
SELECT * FROM ec.mixed ORDER BY s;
SET twin_privacy.use = 'EC-LAB';
SELECT * FROM ec.mixed ORDER BY s;

-- whole rows, and everything that is made of them
SET twin_privacy.use = 'EC-CLEAR';
SELECT m FROM ec.mixed m ORDER BY s;
SELECT to_jsonb(m) - 's' FROM ec.mixed m WHERE s = 2;
SELECT m::text FROM ec.mixed m WHERE s = 3;
SELECT (array_agg(m ORDER BY s))[2] FROM ec.mixed m;
SELECT m IS NULL, m.gene IS NULL FROM ec.mixed m WHERE s = 2;
CREATE FUNCTION ec.gene_of(m ec.mixed) RETURNS text LANGUAGE sql AS 'SELECT m.gene';
SELECT ec.gene_of(m) FROM ec.mixed m ORDER BY s;
SELECT query_to_xml('SELECT gene FROM ec.mixed WHERE s = 2', true, true, '')::text ~ 'ACGT' AS leaks;
SET twin_privacy.use = 'EC-ONE';
SELECT (m).own, (m).gene, (m).identifier_bare FROM (SELECT m FROM ec.mixed m) x ORDER BY 1;
SELECT to_jsonb(t) - 's' FROM ec.txt t WHERE id = 1;
SELECT t.*::text ~ 'secret' AS leaks FROM ec.txt t WHERE id = 1;

-- everything above the table sees the mask and never the value
SELECT count(*) FROM ec.txt WHERE redact = 'secret text';
SELECT count(*) FROM ec.txt WHERE redact = 'REDACTED';
SELECT count(*) FROM ec.txt WHERE n IS NOT NULL;
SELECT redact, count(*) FROM ec.txt GROUP BY redact ORDER BY redact;
SELECT count(DISTINCT zip) FROM ec.txt;
SELECT id FROM ec.num WHERE band_i4 BETWEEN 11 AND 19;
SELECT id FROM ec.num WHERE band_i4 = 10 ORDER BY round_i4, id;
SELECT x.id FROM ec.num x JOIN ec.num y ON x.band_i4 = y.round_i4 AND y.id = 6 ORDER BY 1;
SELECT sum(band_i4) FILTER (WHERE id < 13), avg(round_n) FILTER (WHERE id < 13) FROM ec.num;
SELECT id, rank() OVER (ORDER BY zip) FROM ec.txt ORDER BY id;
RESET SESSION AUTHORIZATION;
CREATE INDEX ON ec.txt (redact);
CREATE INDEX ON ec.num (band_i4);
SET SESSION AUTHORIZATION ec_reader;
SET enable_seqscan = off;
SELECT count(*) FROM ec.txt WHERE redact = 'secret text';
SELECT count(*) FROM ec.num WHERE band_i4 BETWEEN 11 AND 19;
SELECT band_i4 FROM ec.num WHERE id < 8 ORDER BY band_i4;
RESET enable_seqscan;

-- outer joins: the missing row is NULL, not masked
SELECT g, t.redact, t.id IS NULL AS missing, t IS NULL AS whole FROM generate_series(1, 2) g LEFT JOIN ec.txt t ON t.id = g * 10 - 9 ORDER BY g;
SELECT g, t.redact, to_jsonb(t) IS NULL AS whole FROM generate_series(10, 12) g LEFT JOIN ec.txt t ON t.id = g ORDER BY g;
SELECT count(t.redact), count(t), count(*) FROM generate_series(1, 20) g FULL JOIN ec.txt t ON t.id = g;
SELECT g, x.redact FROM generate_series(9, 11) g LEFT JOIN LATERAL (SELECT redact FROM ec.txt t WHERE t.id = g) x ON true ORDER BY g;
SELECT id, redact FROM generate_series(10, 11) AS id LEFT JOIN ec.txt USING (id) ORDER BY id;
SELECT id, t.redact, k.t IS NULL AS k_missing FROM ec.txt t NATURAL LEFT JOIN (SELECT id, t FROM ec.key WHERE id < 3) k ORDER BY id LIMIT 3;

-- children whose columns stand elsewhere
RESET SESSION AUTHORIZATION;
CREATE TABLE ec.late (own text, gone int, gene text, s bigint, vital numeric) ;
ALTER TABLE ec.late DROP COLUMN gone;
CREATE TABLE ec.parent (s bigint, vital numeric, gene text) PARTITION BY LIST (s);
ALTER TABLE ec.late DROP COLUMN own;
INSERT INTO ec.late VALUES ('ACGT1', 1, 1), ('ACGT2', 2, 2), ('ACGT3', 3, 3);
ALTER TABLE ec.parent ATTACH PARTITION ec.late FOR VALUES IN (1, 2, 3);
GRANT SELECT ON ec.parent, ec.late TO ec_reader;
SELECT twin_privacy.protect_table('ec.parent', 's', 'laboratory'), twin_privacy.label_column('ec.parent', 'vital', 'category=vital_signs, kind=quasi, mask=band:2'),
       twin_privacy.label_column('ec.parent', 'gene', 'category=genomics, kind=identifier, mask=partial:1:0');
SET SESSION AUTHORIZATION ec_reader;
SELECT vital, gene FROM ec.parent ORDER BY 1, 2;
SELECT vital, gene FROM ec.late ORDER BY 1, 2;
SET twin_privacy.use = 'EC-CLEAR';
SELECT * FROM ec.parent ORDER BY s;
SELECT p FROM ec.parent p ORDER BY s;
SELECT * FROM ec.late ORDER BY s;

-- a row's place and its writer are the same under every use: pseudonymised uses could be linked by them
SELECT count(*), count(ctid), count(xmin), count(cmin), count(xmax), count(cmax), count(tableoid) FROM ec.parent;
SET twin_privacy.use = 'EC-ONE';
SELECT count(*), count(ctid), count(xmin), count(cmin), count(xmax), count(cmax), count(tableoid) FROM ec.parent;
SELECT count(*) FROM ec.other WHERE ctid > '(0,0)';
SELECT count(o.ctid), count(o.*), count(DISTINCT o.id) FROM generate_series(1, 40) g LEFT JOIN ec.other o ON o.id = g;
BEGIN;
SELECT id, ctid FROM ec.other WHERE id = 3 FOR SHARE;
ROLLBACK;

RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
DROP SCHEMA ec CASCADE;
DROP ROLE ec_one, ec_two, ec_reader;

-- reference.sql - who sees what, in plain SQL over plain tables.
--
-- An evaluator independent of the extension: it knows neither its functions nor
-- its tables, and writes the trees out by hand.  It follows doc/sql-reference.md,
-- "The decision".  A world is one data subject with at most two directives out of
-- all there can be of: permit or deny; a purpose of three; all categories or one
-- or two of three; any recipient, ours among others, or only another; in force or not.
-- Subjects do not see each other, so all worlds live in one database.
CREATE SCHEMA model;

CREATE TABLE model.purpose_above (code text, above text);
INSERT INTO model.purpose_above VALUES
    ('HRESCH', 'HRESCH'),
    ('CLINTRCH', 'CLINTRCH'), ('CLINTRCH', 'HRESCH'),
    ('DSRCH', 'DSRCH'), ('DSRCH', 'HRESCH');

CREATE TABLE model.category_above (code text, above text);
INSERT INTO model.category_above VALUES
    ('sensitive', 'sensitive'),
    ('mental_health', 'mental_health'), ('mental_health', 'sensitive'),
    ('laboratory', 'laboratory'),
    ('twin_state', 'twin_state'), ('simulation', 'simulation'), ('prediction', 'prediction');

-- What is made from what, three steps deep and with two contributors; a source stands for all below it.
CREATE TABLE model.declared (category text, source text);
INSERT INTO model.declared VALUES
    ('prediction', 'simulation'), ('simulation', 'twin_state'), ('twin_state', 'laboratory'), ('twin_state', 'sensitive');
CREATE VIEW model.derived AS
WITH RECURSIVE made(category, source) AS (
    SELECT d.category, a.code FROM model.declared AS d JOIN model.category_above AS a ON a.above = d.source
    UNION
    SELECT m.category, a.code FROM made AS m JOIN model.declared AS d ON d.category = m.source
      JOIN model.category_above AS a ON a.above = d.source
) SELECT * FROM made;

-- Sets of labels a row may carry; needs NULL: one of them is unknown.
CREATE TABLE model.labels (variant int, labels text[], needs text[]);
INSERT INTO model.labels VALUES
    (0, NULL, '{}'), (1, '{}', '{}'), (2, '{N}', '{}'),
    (3, '{mental_health}', '{mental_health}'), (4, '{N,PSY}', '{mental_health}'),
    (5, '{R}', '{sensitive}'), (6, '{V,laboratory}', '{sensitive,laboratory}'),
    (7, '{U,bogus}', NULL), (8, ARRAY['N', NULL], NULL);

CREATE TABLE model.kind AS
SELECT row_number() OVER (ORDER BY decision, purpose, categories NULLS FIRST, ours, in_force) AS id, k.*
  FROM (SELECT decision, purpose, categories, ours, in_force
          FROM unnest('{permit,deny}'::text[]) AS decision,
               unnest('{HRESCH,CLINTRCH,DSRCH}'::text[]) AS purpose,
               (VALUES (NULL::text[]), ('{sensitive}'), ('{mental_health}'), ('{laboratory}'),
                       ('{laboratory,mental_health}'), ('{twin_state,simulation,prediction}')) AS c(categories),
               unnest('{true,false}'::boolean[]) AS ours,
               unnest('{true,false}'::boolean[]) AS in_force) AS k;

CREATE TABLE model.world AS
SELECT row_number() OVER (ORDER BY a, b) AS subject, a, b
  FROM (SELECT NULL::bigint AS a, NULL::bigint AS b
        UNION ALL SELECT id, NULL FROM model.kind
        UNION ALL SELECT one.id, two.id FROM model.kind AS one JOIN model.kind AS two ON one.id < two.id) AS w;

-- The ways of saying the same thing (any recipient or a list with ours; expired, not
-- yet or withdrawn) take turns.
CREATE TABLE model.directive AS
SELECT w.subject, n, k.decision, k.purpose, k.categories, k.in_force, k.ours,
       CASE WHEN NOT k.ours THEN '{elsewhere}'::text[]
            WHEN w.subject % 2 = 0 THEN '{elsewhere,ours}'::text[] END AS recipients,
       CASE WHEN k.in_force AND w.subject % 15 = 0 THEN NULL
            WHEN k.in_force THEN '[2021-01-01,2100-01-01)'
            WHEN w.subject % 3 = 0 THEN '[2020-01-01,2021-01-01)'
            WHEN w.subject % 3 = 1 THEN '[2100-01-01,)'
            ELSE '[2020-01-01,)' END AS valid,
       NOT k.in_force AND w.subject % 3 = 2 AS withdrawn
  FROM model.world AS w, LATERAL (VALUES (1, a), (2, b)) AS d(n, id) JOIN model.kind AS k USING (id);

CREATE VIEW model.said AS
SELECT w.subject, p.code AS purpose, c.code AS category,
       CASE WHEN bool_or(d.decision = 'deny') THEN 'deny'
            WHEN bool_or(d.decision = 'permit') THEN 'permit' ELSE 'none' END AS decision
  FROM model.world AS w
 CROSS JOIN (SELECT DISTINCT code FROM model.purpose_above) AS p
 CROSS JOIN (SELECT DISTINCT code FROM model.category_above) AS c
  LEFT JOIN model.directive AS d
    ON d.subject = w.subject AND d.in_force AND d.ours
   AND d.purpose IN (SELECT above FROM model.purpose_above WHERE code = p.code)
   AND (d.categories IS NULL OR EXISTS (SELECT FROM model.category_above AS a
                                         WHERE a.code = c.code AND a.above = ANY (d.categories)))
 GROUP BY w.subject, p.code, c.code;
-- With what it is derived from: a deny of one of them, before one that nobody permitted.
CREATE VIEW model.decision AS
WITH said AS MATERIALIZED (SELECT * FROM model.said)
SELECT s.subject, s.purpose, s.category,
       CASE WHEN bool_or(i.decision = 'deny') THEN 'deny'
            WHEN bool_or(i.decision = 'none') THEN 'none' ELSE 'permit' END AS decision
  FROM said AS s
  JOIN (SELECT category, source FROM model.derived UNION ALL SELECT DISTINCT code, code FROM model.category_above) AS d USING (category)
  JOIN said AS i ON i.subject = s.subject AND i.purpose = s.purpose AND i.category = d.source
 GROUP BY s.subject, s.purpose, s.category;
CREATE TABLE model.decided AS SELECT * FROM model.decision;

CREATE TABLE model.use (
    code text, purpose text, form text, categories text[], basis text, overrides_deny boolean
);
INSERT INTO model.use
SELECT 'U' || row_number() OVER (ORDER BY basis, overrides_deny, form, purpose, categories), purpose, form, categories, basis, overrides_deny
  FROM unnest('{HRESCH,CLINTRCH,DSRCH}'::text[]) AS purpose,
       (VALUES ('{sensitive}'::text[]), ('{mental_health}'), ('{laboratory,mental_health}'), ('{laboratory,sensitive}'),
               ('{twin_state,simulation,prediction}')) AS c(categories),
       unnest('{identified,pseudonymised}'::text[]) AS form,
       (VALUES ('consent', false), ('public_health', false), ('vital_interest', true)) AS b(basis, overrides_deny)
 WHERE basis = 'consent' OR (purpose <> 'DSRCH' AND categories IN ('{laboratory,sensitive}', '{twin_state,simulation,prediction}'));

-- The categories a use opens for a subject.
CREATE VIEW model.opening AS
SELECT u.code AS use, d.subject, array_agg(d.category) FILTER (WHERE
           EXISTS (SELECT FROM model.category_above AS a WHERE a.code = d.category AND a.above = ANY (u.categories))
           AND CASE d.decision WHEN 'permit' THEN true
                               WHEN 'none' THEN u.basis <> 'consent'
                               ELSE u.overrides_deny END) AS open
  FROM model.use AS u JOIN model.decided AS d USING (purpose)
 GROUP BY u.code, d.subject;
CREATE TABLE model.opened AS SELECT * FROM model.opening;
CREATE INDEX ON model.opened (use);

-- One table per category, the same rows in each.
CREATE TABLE model.row AS
SELECT row_number() OVER (ORDER BY w.subject, l.variant)::int AS id, w.subject::int AS subject, l.labels,
       'clear ' || w.subject AS v_own, CASE WHEN w.subject % 11 <> 0 THEN 'secret ' || w.subject END AS v_redact,
       (w.subject * 7 % 100 - 50)::int AS v_band, l.variant * 1.5 AS v_sensitive,
       'hidden ' || w.subject AS v_unmasked, 'new ' || w.subject AS v_unlabelled, l.needs
  FROM model.world AS w CROSS JOIN model.labels AS l;
-- Nobody's row is for nobody.
INSERT INTO model.row (id, subject, v_own, needs) VALUES (0, NULL, 'nobody', '{}');
ANALYZE;

-- Evaluates everything again after model.directive changed.
CREATE PROCEDURE model.evaluate() LANGUAGE sql AS $$
    DELETE FROM model.decided;
    INSERT INTO model.decided SELECT * FROM model.decision;
    DELETE FROM model.opened;
    INSERT INTO model.opened SELECT * FROM model.opening;
$$;

-- What a use must see of the table whose own category is named: rows and a digest
-- of all cells but the subject's key.  NULL: refused.
CREATE FUNCTION model.expected(use text, table_category text, OUT n bigint, OUT digest text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    u model.use;
BEGIN
    SELECT * INTO u FROM model.use AS m WHERE m.code = use;
    IF NOT EXISTS (SELECT FROM model.category_above AS a WHERE a.code = table_category AND a.above = ANY (u.categories)) THEN
        RETURN;
    END IF;
    SELECT count(*), md5(coalesce(string_agg(cells::text, E'\n' ORDER BY id), '')) INTO n, digest
      FROM (SELECT r.id, ROW(r.id,
                   CASE WHEN u.form = 'identified' THEN r.labels END,
                   r.v_own,
                   CASE WHEN NOT coalesce('mental_health' = ANY (o.open), false) OR r.v_redact IS NULL THEN NULL
                        WHEN u.form = 'identified' THEN r.v_redact ELSE 'REDACTED' END,
                   CASE WHEN NOT coalesce('laboratory' = ANY (o.open), false) THEN NULL
                        WHEN u.form = 'identified' THEN r.v_band ELSE floor(r.v_band / 10.0)::int * 10 END,
                   CASE WHEN coalesce('sensitive' = ANY (o.open), false) THEN r.v_sensitive END,
                   CASE WHEN coalesce('mental_health' = ANY (o.open), false) AND u.form = 'identified' THEN r.v_unmasked END,
                   CASE WHEN u.form = 'identified' THEN r.v_unlabelled END) AS cells
              FROM model.row AS r
              JOIN model.opened AS o ON o.subject = r.subject AND o.use = u.code
             WHERE table_category = ANY (o.open) AND r.needs <@ o.open) AS seen;
END $$;

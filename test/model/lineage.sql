-- lineage.sql - rows made from rows, and who sees them, in plain SQL; see reference.sql.
--
-- Three levels of derived rows over the rows of laboratory: level 1 is a twin's state, 2 a
-- simulation, 3 a prediction; level 2 may be made from other rows of level 2.  Most
-- contributors permit much, else no row of many would be seen.
CREATE TABLE model.level (level int, category text);
INSERT INTO model.level VALUES (1, 'twin_state'), (2, 'simulation'), (3, 'prediction');
-- Numbers that look thrown and are always the same.
CREATE FUNCTION model.dice(i int, salt int, sides int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN ((hashint8(i::bigint * 1000 + salt)::bigint & 2147483647) % sides)::int;

CREATE INDEX ON model.row (subject, id);
CREATE INDEX ON model.row (id);
CREATE TABLE model.contributor AS
SELECT row_number() OVER (ORDER BY subject)::int AS n, subject::int
  FROM (SELECT subject FROM model.decided WHERE decision = 'permit' GROUP BY subject HAVING count(*) >= 10) AS generous;
CREATE INDEX ON model.contributor (n);
CREATE FUNCTION model.contributor(i int, salt int) RETURNS int LANGUAGE sql STABLE
RETURN CASE WHEN model.dice(i, salt, 10) = 0 THEN 1 + model.dice(i, salt + 1, 4000)
            ELSE (SELECT subject FROM model.contributor WHERE n = 1 + model.dice(i, salt + 2, (SELECT count(*)::int FROM model.contributor))) END;

-- Rows: a tenth are nobody's own.
CREATE TABLE model.made AS
SELECT level, i AS id, CASE WHEN model.dice(i, level, 10) > 0 THEN model.contributor(i, 20 + level * 10) END AS subject
  FROM generate_series(1, 3) AS level, generate_series(1, 400) AS i;
-- What each is made from; source level 0 is laboratory.  A few inputs do not exist, a few rows have none.
CREATE TABLE model.edge (level int, id int, source_level int, source_id int);
CREATE INDEX ON model.edge (level, id);
INSERT INTO model.edge
SELECT m.level, m.id, 0, CASE WHEN model.dice(m.id, 60 + k, 60) = 0 THEN 100000000 + m.id
                              ELSE (SELECT min(r.id) FROM model.row AS r WHERE r.subject = CASE WHEN k = 1 THEN m.subject ELSE model.contributor(m.id, 70 + k * 3) END
                                                                           AND r.id % 9 < CASE WHEN model.dice(m.id, 65, 4) = 0 THEN 9 ELSE 4 END) END
  FROM model.made AS m, generate_series(1, 3) AS k
 WHERE m.level < 3 AND model.dice(m.id, 80 + k + m.level, 2) = 0;
INSERT INTO model.edge
SELECT m.level, m.id, m.level - 1, 1 + model.dice(m.id, 90 + k, 400)
  FROM model.made AS m, generate_series(1, 2) AS k WHERE m.level > 1 AND model.dice(m.id, 95 + k + m.level, 3) > 0
UNION ALL
SELECT 2, m.id, 2, 1 + model.dice(m.id, 100, m.id - 1)
  FROM model.made AS m WHERE m.level = 2 AND m.id > 1 AND model.dice(m.id, 101, 4) = 0;
DELETE FROM model.edge WHERE source_id IS NULL;

-- What a row asks, of whom; what never opens.
CREATE TABLE model.asks (level int, id int, subject int, needs text[]);
CREATE TABLE model.never (level int, id int);
CREATE INDEX ON model.asks (level, id);
CREATE INDEX ON model.never (level, id);
CREATE INDEX ON model.made (level, id);
ANALYZE;
DO $$
DECLARE
    m model.made;
    e model.edge;
    source model.row;
    used model.made;
BEGIN
    FOR m IN SELECT * FROM model.made ORDER BY level, id LOOP
        IF NOT EXISTS (SELECT FROM model.edge AS x WHERE (x.level, x.id) = (m.level, m.id)) THEN
            INSERT INTO model.never VALUES (m.level, m.id);
        END IF;
        FOR e IN SELECT * FROM model.edge AS x WHERE (x.level, x.id) = (m.level, m.id) LOOP
            IF e.source_level = 0 THEN
                SELECT * INTO source FROM model.row AS r WHERE r.id = e.source_id;
                IF NOT FOUND OR source.subject IS NULL OR source.needs IS NULL THEN
                    INSERT INTO model.never VALUES (m.level, m.id);
                ELSE
                    INSERT INTO model.asks VALUES (m.level, m.id, source.subject, source.needs || 'laboratory'::text);
                END IF;
            ELSE
                SELECT * INTO STRICT used FROM model.made AS x WHERE (x.level, x.id) = (e.source_level, e.source_id);
                IF EXISTS (SELECT FROM model.never AS n WHERE (n.level, n.id) = (used.level, used.id)) THEN
                    INSERT INTO model.never VALUES (m.level, m.id);
                END IF;
                INSERT INTO model.asks SELECT m.level, m.id, used.subject, ARRAY[l.category] FROM model.level AS l WHERE l.level = used.level AND used.subject IS NOT NULL;
                INSERT INTO model.asks SELECT DISTINCT m.level, m.id, a.subject, a.needs || CASE WHEN used.subject IS NULL THEN ARRAY[l.category] END
                  FROM model.asks AS a JOIN model.level AS l ON l.level = used.level WHERE (a.level, a.id) = (used.level, used.id);
            END IF;
        END LOOP;
    END LOOP;
END $$;
ANALYZE;

-- The rows of a level that a use sees.  An input asks its subject's consent for the use's purpose, whatever categories the use names;
-- a use that nothing stops asks nothing of inputs.
CREATE FUNCTION model.expected_made(use text, of_level int) RETURNS text LANGUAGE sql STABLE AS $$
    WITH u AS (
        SELECT * FROM model.use AS x WHERE x.code = use
    ), allowed AS MATERIALIZED (
        SELECT d.subject, d.category FROM u JOIN model.decided AS d ON d.purpose = u.purpose
         WHERE CASE d.decision WHEN 'permit' THEN true WHEN 'none' THEN u.basis <> 'consent' ELSE u.overrides_deny END
    ), closed AS MATERIALIZED (
        SELECT DISTINCT m.id
          FROM model.made AS m JOIN model.level AS l USING (level) JOIN model.asks AS a USING (level, id),
               unnest(a.needs || CASE WHEN m.subject IS NULL THEN ARRAY[l.category] END) AS need
         WHERE m.level = of_level AND NOT EXISTS (SELECT FROM allowed AS w WHERE (w.subject, w.category) = (a.subject, need))
    )
    SELECT count(*) || ' ' || coalesce(string_agg(m.id::text, ' ' ORDER BY m.id), '')
      FROM model.made AS m JOIN model.level AS l USING (level), u
     WHERE m.level = of_level AND l.category = ANY (u.categories)
       AND (u.overrides_deny OR (m.id NOT IN (SELECT id FROM closed) AND (m.level, m.id) NOT IN (SELECT level, id FROM model.never)))
       AND (m.subject IS NULL OR EXISTS (SELECT FROM allowed AS w WHERE (w.subject, w.category) = (m.subject, l.category)))
$$;

-- The same given to the extension.
DO $$
DECLARE
    l model.level;
BEGIN
    FOR l IN SELECT * FROM model.level ORDER BY level LOOP
        EXECUTE format('CREATE TABLE world.made_%1$s (id int PRIMARY KEY, subject int);
                        CREATE TABLE world.lab_%1$s (made_id int, row_id int);
                        CREATE TABLE world.from_%1$s (made_id int, source_id int);
                        CREATE INDEX ON world.lab_%1$s (made_id);
                        CREATE INDEX ON world.from_%1$s (made_id);
                        INSERT INTO world.made_%1$s SELECT id, subject FROM model.made WHERE level = %1$s;
                        INSERT INTO world.lab_%1$s SELECT id, source_id FROM model.edge WHERE level = %1$s AND source_level = 0;
                        INSERT INTO world.from_%1$s SELECT id, source_id FROM model.edge WHERE level = %1$s AND source_level = %1$s - 1 AND %1$s > 1;
                        GRANT SELECT ON world.made_%1$s TO model_reader', l.level);
        PERFORM twin_privacy.protect_table(format('world.made_%s', l.level)::regclass, subject => 'subject', category => l.category);
        PERFORM twin_privacy.label_column(format('world.made_%s', l.level)::regclass, 'id', 'kind=plain');
    END LOOP;
    CREATE TABLE world.self_2 (made_id int, source_id int);
    CREATE INDEX ON world.self_2 (made_id);
    INSERT INTO world.self_2 SELECT id, source_id FROM model.edge WHERE level = 2 AND source_level = 2;
    CREATE INDEX ON world.laboratory (id);
    FOR l IN SELECT * FROM model.level ORDER BY level LOOP
        IF l.level < 3 THEN
            PERFORM twin_privacy.declare_provenance(format('world.made_%s', l.level)::regclass, 'id', format('world.lab_%s', l.level)::regclass, 'made_id', 'world.laboratory', 'row_id', 'id');
        END IF;
        IF l.level > 1 THEN
            PERFORM twin_privacy.declare_provenance(format('world.made_%s', l.level)::regclass, 'id', format('world.from_%s', l.level)::regclass, 'made_id',
                format('world.made_%s', l.level - 1)::regclass, 'source_id', 'id');
        END IF;
    END LOOP;
    PERFORM twin_privacy.declare_provenance('world.made_2', 'id', 'world.self_2', 'made_id', 'world.made_2', 'source_id', 'id');
END $$;

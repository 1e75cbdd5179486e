-- Pseudonyms of two known domains are compared nowhere: refused when the query is planned or the constraint made.
-- Each statement is tried over empty tables, so that only planning can refuse it.
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT twin_privacy.create_pseudonym_domain('CMP-A'), twin_privacy.create_pseudonym_domain('CMP-B');
CREATE TABLE a (p twin_privacy.pseudonym('CMP-A') PRIMARY KEY, l twin_privacy.pseudonym('CMP-A')[], n int);
CREATE TABLE a2 (LIKE a);
CREATE TABLE b (p twin_privacy.pseudonym('CMP-B') PRIMARY KEY, l twin_privacy.pseudonym('CMP-B')[], n int);
CREATE TABLE u (p twin_privacy.pseudonym);
CREATE DOMAIN person_a AS twin_privacy.pseudonym('CMP-A');
CREATE TABLE da (p person_a);
CREATE TYPE pair_a AS (n int, p twin_privacy.pseudonym('CMP-A'));
CREATE TYPE pair_b AS (n int, p twin_privacy.pseudonym('CMP-B'));
CREATE VIEW vb AS SELECT p AS other FROM b;
CREATE VIEW mixed AS SELECT p FROM a UNION ALL SELECT p FROM b;

-- Says of each statement how it ends.
CREATE FUNCTION pg_temp.tried(statements text) RETURNS TABLE (state text, statement text) LANGUAGE plpgsql AS $$
BEGIN
    FOR statement IN SELECT btrim(s, E' \n') FROM regexp_split_to_table(statements, ';') s WHERE btrim(s, E' \n') <> '' LOOP
        BEGIN
            EXECUTE statement;
            state := 'runs';
        EXCEPTION WHEN OTHERS THEN
            state := SQLSTATE;
        END;
        RETURN NEXT;
    END LOOP;
END $$;

-- what compares two domains
SELECT * FROM pg_temp.tried($$
    SELECT FROM a, b WHERE a.p = b.p;
    SELECT FROM a, b WHERE a.p <> b.p;
    SELECT FROM a, b WHERE a.p >= b.p;
    SELECT FROM a, vb WHERE a.p = other;
    SELECT FROM a, b WHERE a.p IS DISTINCT FROM b.p;
    SELECT FROM a, b WHERE a.p IS NOT DISTINCT FROM b.p;
    SELECT NULLIF(a.p, b.p) FROM a, b;
    SELECT CASE a.p WHEN b.p THEN 1 END FROM a, b;
    SELECT GREATEST(a.p, b.p) FROM a, b;
    SELECT LEAST(a.p, b.p) FROM a, b;
    SELECT FROM a, b WHERE a.p BETWEEN b.p AND b.p;
    SELECT FROM a, b WHERE (a.n, a.p) = (b.n, b.p);
    SELECT FROM a, b WHERE (a.n, a.p) < (b.n, b.p);
    SELECT FROM a, b WHERE (a.n, a.p) IS DISTINCT FROM (b.n, b.p);
    SELECT FROM a, b WHERE a.* *= b.*;
    SELECT FROM a, b WHERE a.* = b.*;
    SELECT FROM (SELECT p FROM a) x, (SELECT p FROM b) y WHERE x.* = y.*;
    SELECT FROM (SELECT NULL::pair_a AS r) x, (SELECT NULL::pair_b AS r) y WHERE x.r = y.r;
    SELECT FROM a, b WHERE a.p IN (b.p, b.p);
    SELECT FROM a WHERE p IN ('0000000G0080000000000000000000000000$'::twin_privacy.pseudonym('#1'), '0000000G0080000000000000000000000000$');
    SELECT FROM a WHERE p = '0000000G0080000000000000000000000000$'::twin_privacy.pseudonym('#1');
    SELECT FROM a, b WHERE a.p = ANY (b.l);
    SELECT FROM a, b WHERE a.p <> ALL (b.l);
    SELECT FROM a, b WHERE a.p = b.l[1];
    SELECT FROM a, b WHERE a.l = b.l;
    SELECT FROM a, b WHERE a.l && b.l;
    SELECT FROM a, b WHERE a.l @> ARRAY[b.p];
    SELECT FROM a WHERE p = ANY (ARRAY(SELECT p FROM b));
    SELECT FROM a WHERE p = (SELECT p FROM b LIMIT 1);
    SELECT FROM a WHERE p IN (SELECT p FROM b);
    SELECT FROM a WHERE p NOT IN (SELECT p FROM b);
    SELECT FROM a WHERE (n, p) IN (SELECT n, p FROM b);
    SELECT FROM a WHERE (n, p) > ALL (SELECT n, p FROM b);
    SELECT FROM a WHERE EXISTS (SELECT FROM b WHERE b.p = a.p);
    SELECT FROM a JOIN b USING (p);
    SELECT FROM a NATURAL LEFT JOIN (SELECT p FROM b) b;
    SELECT FROM a FULL JOIN b USING (p);
    SELECT FROM a, LATERAL (SELECT FROM b WHERE b.p = a.p) l;
    SELECT p FROM a UNION SELECT p FROM b;
    SELECT p FROM a INTERSECT SELECT p FROM b;
    SELECT p FROM a INTERSECT ALL SELECT p FROM b;
    SELECT p FROM a EXCEPT SELECT p FROM b;
    SELECT p FROM u UNION ALL (SELECT p FROM a EXCEPT ALL SELECT p FROM b);
    (SELECT p FROM a UNION ALL SELECT p FROM u) UNION SELECT p FROM b;
    WITH RECURSIVE r AS (SELECT p FROM a UNION SELECT b.p FROM r, b WHERE false) SELECT FROM r;
    SELECT DISTINCT p FROM mixed;
    SELECT DISTINCT ON (p) p FROM mixed;
    SELECT p FROM mixed GROUP BY p;
    SELECT count(DISTINCT p) FROM mixed;
    SELECT p FROM mixed ORDER BY p;
    SELECT COALESCE(a.p, b.p) FROM a FULL JOIN b USING (n) GROUP BY 1;
    SELECT CASE WHEN a.n > 0 THEN a.p ELSE b.p END FROM a FULL JOIN b USING (n) GROUP BY 1;
    SELECT rank() OVER (PARTITION BY p) FROM mixed;
    SELECT rank() OVER (ORDER BY p) FROM mixed;
    SELECT array_agg(p ORDER BY p) FROM mixed;
    SELECT FROM a, mixed WHERE a.p = mixed.p;
    WITH m AS (SELECT p FROM b) SELECT FROM a JOIN m USING (p);
    WITH m AS MATERIALIZED (SELECT p FROM b) SELECT FROM a JOIN (SELECT p FROM m) x USING (p);
    SELECT FROM a, unnest((SELECT l FROM b LIMIT 1)) AS e (p) WHERE a.p = e.p;
    SELECT FROM a, (SELECT array_agg(p) AS l FROM b) x WHERE a.p = ANY (x.l);
    SELECT FROM a, (VALUES ((SELECT p FROM b LIMIT 1))) v (p) WHERE a.p = v.p;
    SELECT FROM (SELECT lag(p) OVER () AS p FROM a) x JOIN b USING (p);
    SELECT FROM da, b WHERE da.p = b.p;
    UPDATE a SET n = 1 FROM b WHERE a.p = b.p;
    DELETE FROM a USING b WHERE a.p = b.p;
    MERGE INTO a USING b ON a.p = b.p WHEN MATCHED THEN DELETE;
    WITH d AS (DELETE FROM b RETURNING p) SELECT FROM a JOIN d USING (p);
    INSERT INTO a SELECT p FROM a2 ON CONFLICT (p) DO UPDATE SET n = (SELECT 1 FROM b WHERE b.p = excluded.p);
    PREPARE q AS SELECT FROM a JOIN b USING (p);
    EXPLAIN SELECT FROM a JOIN b USING (p)
$$);
-- PREPARE only parses; executing plans
EXECUTE q;
-- a PL/pgSQL variable has a domain, too
DO $$ DECLARE x twin_privacy.pseudonym('CMP-A'); y twin_privacy.pseudonym('CMP-B'); BEGIN PERFORM x IS DISTINCT FROM y; END $$;
DO $$ DECLARE x twin_privacy.pseudonym('CMP-A'); BEGIN PERFORM FROM b WHERE p = x; END $$;

-- constraints, when they are made; also when a column's type changes under one
SELECT * FROM pg_temp.tried($$
    CREATE TABLE c (p twin_privacy.pseudonym('CMP-B') REFERENCES a);
    CREATE TABLE c (p twin_privacy.pseudonym('CMP-B'), CHECK (p IS DISTINCT FROM NULL::twin_privacy.pseudonym('CMP-A')));
    CREATE TABLE c (p twin_privacy.pseudonym('CMP-B'), q twin_privacy.pseudonym('CMP-A'), CHECK (p <> q));
    CREATE TABLE c (p twin_privacy.pseudonym('CMP-A') REFERENCES a);
    ALTER TABLE c ALTER p TYPE twin_privacy.pseudonym('CMP-B');
    ALTER TABLE b ADD FOREIGN KEY (p) REFERENCES a;
    ALTER TABLE b ADD FOREIGN KEY (p) REFERENCES a NOT VALID;
    ALTER TABLE a2 ADD FOREIGN KEY (p) REFERENCES a;
    ALTER TABLE u ADD FOREIGN KEY (p) REFERENCES a
$$);

-- what compares nothing, compares one domain, or compares where the type does not tell
SELECT * FROM pg_temp.tried($$
    SELECT FROM a JOIN a2 USING (p);
    SELECT FROM a, u WHERE a.p = u.p OR a.p IS NOT DISTINCT FROM u.p;
    SELECT FROM b, u WHERE b.p = ANY (ARRAY[u.p]);
    SELECT FROM a, b WHERE a.n = b.n;
    SELECT FROM a, b, u WHERE u.p IN (a.p, b.p);
    SELECT p FROM a UNION ALL SELECT p FROM b;
    SELECT p FROM a UNION SELECT p FROM a2;
    SELECT p FROM a UNION SELECT p FROM u;
    SELECT COALESCE(a.p, b.p), CASE WHEN a.n > 0 THEN a.p ELSE b.p END FROM a FULL JOIN b USING (n);
    SELECT CASE a.p WHEN a2.p THEN b.p END FROM a, a2, b;
    SELECT a.l || b.l FROM a, b;
    SELECT a.p, b.p FROM a, b ORDER BY a.p, b.p;
    SELECT DISTINCT a.p, b.p FROM a, b;
    SELECT FROM a, b WHERE (a.n, a.p) = (b.n, (SELECT p FROM u LIMIT 1));
    SELECT FROM a WHERE (p, n) IN (SELECT p, n FROM a2);
    SELECT FROM da JOIN a USING (p);
    SELECT count(*) FROM mixed;
    SELECT FROM a, b WHERE a.p::text = b.p::text;
    WITH RECURSIVE r AS (SELECT p, 1 AS n FROM a UNION SELECT a2.p, r.n FROM r JOIN a2 USING (p)) SELECT FROM r
$$);
-- values of two domains are never equal, known or not
INSERT INTO a SELECT twin_privacy.pseudonymize('CMP-A', i), NULL, i FROM generate_series(1, 100) i;
INSERT INTO b SELECT twin_privacy.pseudonymize('CMP-B', i), NULL, i FROM generate_series(1, 100) i;
INSERT INTO u SELECT p FROM a;
SELECT count(*) FILTER (WHERE a.p IS NOT NULL) AS of_a, count(*) FILTER (WHERE b.p IS NOT NULL) AS of_b FROM u LEFT JOIN a ON a.p = u.p LEFT JOIN b ON b.p = u.p;
DROP VIEW vb, mixed;
DROP TABLE IF EXISTS c, a2, b, u, da, a;
DROP DOMAIN person_a;
DROP TYPE pair_a, pair_b;

-- Purposes of use: the seeded tree, additions, prohibitions.
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

-- the whole tree of HL7, drawn
WITH RECURSIVE tree AS (
    SELECT code, 0 AS level, ARRAY[code] AS path FROM twin_privacy.purposes WHERE parent IS NULL
    UNION ALL
    SELECT p.code, t.level + 1, t.path || p.code FROM twin_privacy.purposes p JOIN tree t ON p.parent = t.code)
SELECT repeat('  ', level) || code AS purpose FROM tree ORDER BY path COLLATE "C";
SELECT count(*), count(*) FILTER (WHERE display = '') AS without_display FROM twin_privacy.purposes;
SELECT code, reason FROM twin_privacy.purposes WHERE prohibited ORDER BY code COLLATE "C";

-- who may
CREATE ROLE vocab_officer IN ROLE twin_privacy_officer;
CREATE ROLE vocab_admin IN ROLE twin_privacy_admin;
CREATE ROLE vocab_nobody;
SET ROLE vocab_nobody;
SELECT count(*) > 60 AS everybody_reads FROM twin_privacy.purposes;
SELECT attempt($$SELECT twin_privacy.add_purpose('X', NULL, 'x')$$);
SELECT attempt($$SELECT twin_privacy.prohibit_purpose('TREAT', 'x')$$);
SELECT attempt($$INSERT INTO twin_privacy.purposes VALUES ('X', NULL, 'x', false, NULL)$$);
SELECT attempt($$SELECT * FROM twin_privacy_internal.purpose$$);
SET ROLE vocab_admin;
SELECT attempt($$SELECT twin_privacy.add_purpose('X', NULL, 'x')$$);

-- additions
SET ROLE vocab_officer;
SELECT twin_privacy.add_purpose('CARDIO', 'DSRCH', 'cardiac research');
SELECT twin_privacy.add_purpose('CARDIO.TWIN-1:a_b', 'CARDIO', 'cardiac twins');
SELECT twin_privacy.add_purpose('LOCAL', NULL, 'a tree of our own');
SELECT * FROM twin_privacy.purposes WHERE code IN ('CARDIO', 'CARDIO.TWIN-1:a_b', 'LOCAL') ORDER BY code COLLATE "C";

-- bad input, each its own error and nothing done
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.add_purpose(NULL, 'TREAT', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', 'TREAT', NULL)$$,
    $$SELECT twin_privacy.add_purpose('', 'TREAT', 'x')$$,
    $$SELECT twin_privacy.add_purpose('two words', 'TREAT', 'x')$$,
    $$SELECT twin_privacy.add_purpose(repeat('x', 64), 'TREAT', 'x')$$,
    $$SELECT twin_privacy.add_purpose('é', 'TREAT', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', 'TREAT', E' \t\n')$$,
    $$SELECT twin_privacy.add_purpose('X', 'TREAT', repeat('x', 1001))$$,
    $$SELECT twin_privacy.add_purpose('X', 'X', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', '', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', 'HRESHC', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', 'treat', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', 'nothing at all like it', 'x')$$,
    $$SELECT twin_privacy.add_purpose('X', repeat('TREAT', 20), 'x')$$,
    $$SELECT twin_privacy.add_purpose('TREAT', 'HRESCH', 'x')$$,
    $$SELECT twin_privacy.add_purpose('CARDIO', 'HRESCH', 'x')$$,
    $$SELECT twin_privacy.prohibit_purpose(NULL, 'x')$$,
    $$SELECT twin_privacy.prohibit_purpose('HMARKT', NULL)$$,
    $$SELECT twin_privacy.prohibit_purpose('HMARKT', ' ')$$,
    $$SELECT twin_privacy.prohibit_purpose('hmarkt', 'x')$$,
    $$SELECT twin_privacy.prohibit_purpose('PurposeOfUse', 'x')$$,
    $$SELECT twin_privacy.prohibit_purpose('EMPLOYMENT_SCREENING', 'x')$$]) AS sql;
SELECT count(*) FROM twin_privacy.purposes WHERE code IN ('X', '');

-- a prohibition closes all below it; the nearest reason shows
SELECT twin_privacy.prohibit_purpose('DSRCH', 'ethics board 12/2026');
SELECT twin_privacy.prohibit_purpose('CARDIO.TWIN-1:a_b', 'a reason of its own');
SELECT twin_privacy.add_purpose('ONCO', 'DSRCH', 'cancer research');
SELECT code, prohibited, reason FROM twin_privacy.purposes
 WHERE code IN ('HRESCH', 'DSRCH', 'CARDIO', 'CARDIO.TWIN-1:a_b', 'ONCO') ORDER BY code COLLATE "C";

-- undone with its transaction, also for the copy the backend keeps
BEGIN;
SELECT twin_privacy.add_purpose('GONE', 'TREAT', 'x');
SELECT twin_privacy.add_purpose('GONE2', 'GONE', 'x');
ROLLBACK;
SELECT attempt($$SELECT twin_privacy.add_purpose('GONE2', 'GONE', 'x')$$);
BEGIN;
SAVEPOINT s;
SELECT twin_privacy.prohibit_purpose('HMARKT', 'x');
ROLLBACK TO s;
SELECT twin_privacy.prohibit_purpose('HMARKT', 'after all');
COMMIT;
SELECT reason FROM twin_privacy.purposes WHERE code = 'HMARKT';
RESET ROLE;

-- pg_dump takes what was added and leaves what was seeded
SELECT count(*) FROM twin_privacy_internal.purpose WHERE NOT seeded;
SELECT code FROM twin_privacy_internal.purpose_prohibition WHERE NOT seeded ORDER BY code;
SELECT c.relname, e.extcondition[array_position(e.extconfig, c.oid)] AS condition
  FROM pg_extension e JOIN pg_class c ON c.oid = ANY (e.extconfig)
 WHERE e.extname = 'twin_privacy' AND c.relname IN ('purpose', 'purpose_parent', 'purpose_prohibition', 'category')
 ORDER BY c.relname;

DROP FUNCTION attempt;
DROP ROLE vocab_officer, vocab_admin, vocab_nobody;

-- Categories of data and HL7 security labels.
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

SELECT c.code, c.parent, i.number FROM twin_privacy.categories c
  JOIN twin_privacy_internal.category i USING (code) ORDER BY i.number;
SELECT code, categories FROM twin_privacy_internal.security_label ORDER BY categories, code COLLATE "C";

-- every label asks for categories there are
SELECT l.code, k AS unknown FROM twin_privacy_internal.security_label l, unnest(l.categories) k
 WHERE k NOT IN (SELECT code FROM twin_privacy.categories);

-- who may
CREATE ROLE vocab_admin IN ROLE twin_privacy_admin;
CREATE ROLE vocab_officer IN ROLE twin_privacy_officer;
SET ROLE vocab_officer;
SELECT count(*) FROM twin_privacy.categories;
SELECT attempt($$SELECT twin_privacy.add_category('x', NULL, 'x')$$);
SELECT attempt($$DELETE FROM twin_privacy.categories$$);

-- additions
SET ROLE vocab_admin;
SELECT twin_privacy.add_category('ecg', 'vital_signs', 'electrocardiograms');
SELECT twin_privacy.add_category('ecg_12', 'ecg', 'twelve-lead');
SELECT twin_privacy.add_category('wearable', NULL, 'worn devices');
SELECT * FROM twin_privacy.categories WHERE code IN ('ecg', 'ecg_12', 'wearable') ORDER BY code;

-- bad input, each its own error and nothing done
SELECT attempt(sql) FROM unnest(ARRAY[
    $$SELECT twin_privacy.add_category(NULL, NULL, 'x')$$,
    $$SELECT twin_privacy.add_category('x', NULL, NULL)$$,
    $$SELECT twin_privacy.add_category('', NULL, 'x')$$,
    $$SELECT twin_privacy.add_category('a,b', NULL, 'x')$$,
    $$SELECT twin_privacy.add_category('{x}', NULL, 'x')$$,
    $$SELECT twin_privacy.add_category(repeat('x', 64), NULL, 'x')$$,
    $$SELECT twin_privacy.add_category('x', NULL, '')$$,
    $$SELECT twin_privacy.add_category('x', 'x', 'x')$$,
    $$SELECT twin_privacy.add_category('x', 'Clinical', 'x')$$,
    $$SELECT twin_privacy.add_category('laboratory', 'clinical', 'x')$$,
    $$SELECT twin_privacy.add_category('ecg', NULL, 'x')$$,
    $$SELECT twin_privacy.add_category('PSY', NULL, 'x')$$]) AS sql;

-- sixty-four at most
SELECT count(twin_privacy.add_category('extra_' || n, 'wearable', 'number ' || n)::text)
  FROM generate_series(1, 64 - (SELECT count(*) FROM twin_privacy.categories)) n;
SELECT count(*) FROM twin_privacy.categories;
SELECT attempt($$SELECT twin_privacy.add_category('one_too_many', NULL, 'x')$$);
RESET ROLE;
SELECT count(*), min(number), max(number) FROM twin_privacy_internal.category WHERE NOT seeded;

DROP FUNCTION attempt;
DROP ROLE vocab_admin, vocab_officer;

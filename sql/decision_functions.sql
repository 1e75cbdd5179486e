-- What application SQL may ask about its own bound use: permits, reveal, require_use, why.
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
CREATE ROLE df_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE df_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE df_reader LOGIN;
CREATE SCHEMA df;
GRANT USAGE ON SCHEMA df TO PUBLIC;
CREATE TABLE df.lab (patient_id bigint, name text, value numeric, gene text, zip text, born date, extra text, labels text[]);
INSERT INTO df.lab VALUES (1, 'Ada', 5.5, 'ACGT', '90210', '1950-03-04', 'x', NULL);
CREATE TABLE df.tall (patient_id uuid, height int);
CREATE TABLE df.free (id int);
GRANT SELECT ON ALL TABLES IN SCHEMA df TO PUBLIC;
SELECT twin_privacy.protect_table('df.lab', subject => 'patient_id', category => 'laboratory', label_column => 'labels');
SELECT twin_privacy.protect_table('df.tall', subject => 'patient_id', category => 'vital_signs');
SELECT c, twin_privacy.label_column('df.lab', c, l) FROM (VALUES ('name'::name, 'category=identity, kind=identifier, mask=pseudonym'),
    ('value', 'kind=plain'), ('gene', 'category=genomics, kind=sensitive'), ('zip', 'category=contact, kind=quasi, mask=zip3'),
    ('born', 'kind=quasi, mask=year'), ('labels', 'kind=identifier')) AS l(c, l);
SELECT count(twin_privacy.record_consent(s, decision => d, purpose => p, categories => c::text[])) FROM (VALUES
    ('1', 'permit', 'TREAT', '{laboratory,identity,contact}'), ('1', 'permit', 'HRESCH', '{laboratory,identity}'), ('2', 'permit', 'HRESCH', NULL),
    ('2', 'deny', 'HRESCH', '{genomics}'), ('3', 'permit', 'TREAT', '{vital_signs}'),
    ('abc', 'permit', 'HRESCH', '{laboratory}'), ('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'permit', 'HRESCH', '{vital_signs}')) AS t(s, d, p, c);
SET SESSION AUTHORIZATION df_one;
SELECT code, twin_privacy.propose_use(code, purpose => purpose, recipient => 'uni', categories => categories::text[],
    disclosure => form, valid => '(,)') FROM (VALUES ('DF-CARE', 'TREAT', '{laboratory,identity,contact,genomics}', 'identified'),
    ('DF-STUDY', 'CLINTRCH', '{laboratory,identity,vital_signs,genomics}', 'pseudonymised')) AS u(code, purpose, categories, form);
SET SESSION AUTHORIZATION df_two;
SELECT code, twin_privacy.approve_use(code), twin_privacy.grant_use(code, 'df_reader') FROM unnest('{DF-CARE,DF-STUDY}'::text[]) AS code;
SET SESSION AUTHORIZATION df_reader;

-- without a use: an error, from all of them
SELECT attempt(sql) FROM unnest(ARRAY[$$SELECT twin_privacy.permits(1, 'laboratory')$$, $$SELECT twin_privacy.reveal('x'::text, 1, 'laboratory')$$,
    $$SELECT twin_privacy.require_use('TREAT')$$, $$SELECT * FROM twin_privacy.why('df.lab', '1')$$]) AS sql;

-- permits: the use covers the category and the subject's directives permit it
SET twin_privacy.use = 'DF-STUDY';
SELECT s AS subject, category, twin_privacy.permits(s, category)
  FROM generate_series(1::bigint, 3) AS s, unnest('{laboratory,identity,genomics,contact,clinical}'::text[]) AS category ORDER BY 1, 2;
SELECT twin_privacy.permits(1::smallint, 'laboratory') AS int2, twin_privacy.permits(1, 'laboratory') AS int4, twin_privacy.permits('1'::text, 'laboratory') AS text,
       twin_privacy.permits('abc', 'laboratory') AS literal, twin_privacy.permits('abc'::varchar, 'laboratory') AS "varchar",
       twin_privacy.permits('6BA7B810-9dad-11d1-80b4-00c04fd430c8'::uuid, 'vital_signs') AS uuid,
       twin_privacy.permits(NULL::bigint, 'laboratory') AS none, twin_privacy.permits(NULL, 'laboratory') AS untyped;
SET twin_privacy.use = 'DF-CARE';
SELECT s AS subject, twin_privacy.permits(s, 'laboratory') FROM generate_series(1, 3) AS s;
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SELECT twin_privacy.permits(1, NULL)$$, $$SELECT twin_privacy.permits(1, '')$$,
    $$SELECT twin_privacy.permits(1, 'labs')$$, $$SELECT twin_privacy.permits(now(), 'laboratory')$$, $$SELECT twin_privacy.permits(1.5, 'laboratory')$$,
    $$SELECT twin_privacy.permits('{1}'::int[], 'laboratory')$$, $$SELECT twin_privacy.permits('017', 'laboratory')$$,
    $$SELECT twin_privacy.permits('6BA7B810-9dad-11d1-80b4-00c04fd430c8'::text, 'laboratory')$$, $$SELECT twin_privacy.permits('', 'laboratory')$$]) AS sql;

-- reveal: the value where permitted, else NULL; any type
SELECT s AS subject, twin_privacy.reveal(5.5, s, 'laboratory'), twin_privacy.reveal('secret'::text, s, 'laboratory'),
       twin_privacy.reveal('{1,2}'::int[], s, 'laboratory'), twin_privacy.reveal(NULL::date, s, 'laboratory'), twin_privacy.reveal(5.5, s, 'genomics')
  FROM unnest(ARRAY[1, 2, NULL]) AS s;

-- require_use: the purpose or one above it
SELECT twin_privacy.require_use('TREAT'), twin_privacy.require_use('HRESCH', 'TREAT'), twin_privacy.require_use('PurposeOfUse');
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SELECT twin_privacy.require_use('HRESCH')$$, $$SELECT twin_privacy.require_use('ETREAT', 'HRESCH')$$,
    $$SELECT twin_privacy.require_use('NOTHING')$$, $$SELECT twin_privacy.require_use(NULL)$$, $$SELECT twin_privacy.require_use(VARIADIC '{}')$$,
    $$SELECT twin_privacy.require_use(VARIADIC NULL)$$]) AS sql;
SET twin_privacy.use = 'DF-STUDY';
SELECT twin_privacy.require_use('HRESCH');
SELECT attempt($$SELECT twin_privacy.require_use('TREAT')$$);

-- why: for the caller's own use
SELECT * FROM twin_privacy.why('df.lab', '1');
SELECT * FROM twin_privacy.why('df.lab', '2');
SELECT * FROM twin_privacy.why('df.lab', '3');
SELECT * FROM twin_privacy.why('df.tall', '6ba7b810-9dad-11d1-80b4-00c04fd430c8');
SET twin_privacy.use = 'DF-CARE';
SELECT * FROM twin_privacy.why('df.lab', '1');
SELECT attempt(sql), sql FROM unnest(ARRAY[$$SELECT twin_privacy.why(NULL, '1')$$, $$SELECT twin_privacy.why('df.lab', NULL)$$,
    $$SELECT twin_privacy.why('df.lab', '017')$$, $$SELECT twin_privacy.why('df.lab', 'Ada')$$, $$SELECT twin_privacy.why('df.free', '1')$$,
    $$SELECT twin_privacy.why('df.tall', '6ba7b810-9dad-11d1-80b4-00c04fd430c8')$$]) AS sql;
-- and agrees with what a read gives
SET twin_privacy.use = 'DF-STUDY';
SELECT patient_id = 1 AS raw_key, name LIKE 'Ada' AS raw_name, value, gene, zip, born, extra, labels FROM df.lab;

-- a decision asked for inside a policy of the application, or a view
RESET SESSION AUTHORIZATION;
CREATE VIEW df.own AS SELECT s, twin_privacy.reveal('value of ' || s, s, 'laboratory') AS value FROM generate_series(1::bigint, 3) s;
GRANT SELECT ON df.own TO PUBLIC;
SET SESSION AUTHORIZATION df_reader;
SELECT * FROM df.own;
SET twin_privacy.use = 'DF-CARE';
SELECT * FROM df.own;
PREPARE own AS SELECT * FROM df.own WHERE twin_privacy.permits(s, 'laboratory');
EXECUTE own;
SET twin_privacy.use = 'DF-STUDY';
EXECUTE own;
-- withdrawn is out for the next statement, also inside REPEATABLE READ and inside a function that goes on
RESET SESSION AUTHORIZATION;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT twin_privacy.permits(2, 'laboratory');
SELECT twin_privacy.withdraw_all_consent('2', 'left');
SELECT twin_privacy.permits(2, 'laboratory');
ROLLBACK;
SELECT twin_privacy.permits(2, 'laboratory');
CREATE FUNCTION df.before_and_after(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answers text = '';
BEGIN
    FOR i IN 1..2 LOOP
        BEGIN
            answers = answers || CASE WHEN twin_privacy.permits(2, 'laboratory') THEN 'permitted ' ELSE 'not permitted ' END;
        EXCEPTION WHEN SQLSTATE 'TP002' THEN
            answers = answers || SQLERRM;
        END;
        IF i = 1 THEN EXECUTE change; END IF;
    END LOOP;
    RETURN answers;
END $$;
BEGIN;
SELECT df.before_and_after($$SELECT twin_privacy.withdraw_all_consent('2', 'left')$$);
ROLLBACK;
BEGIN;
SELECT df.before_and_after($$SET LOCAL ROLE df_one$$);
ROLLBACK;
BEGIN;
SELECT df.before_and_after($$SELECT twin_privacy.suspend_use('DF-STUDY', 'x')$$);
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT twin_privacy.permits(2, 'laboratory') FROM generate_series(1, 3);
FETCH c;
SELECT twin_privacy.withdraw_all_consent('2', 'left');
FETCH c;
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA df CASCADE;
DROP ROLE df_one, df_two, df_reader;

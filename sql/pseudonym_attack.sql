-- The dictionary attack: who is given pseudonyms tries every way to make that of a chosen value, and to learn of a domain
-- from how it is refused.
\set VERBOSITY terse
CREATE ROLE px_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE px_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE px_analyst LOGIN;
CREATE TABLE person (id int PRIMARY KEY, mrn text);
INSERT INTO person SELECT i, 'mrn-' || i FROM generate_series(1, 50) i;
SELECT twin_privacy.protect_table('person', subject => 'id', category => 'demographics');
SELECT twin_privacy.label_column('person', 'mrn', 'kind=identifier, mask=pseudonym');
SELECT twin_privacy.create_pseudonym_domain('SOMEBODYS');
SET SESSION AUTHORIZATION px_one;
SELECT twin_privacy.propose_use(c, purpose => 'HRESCH', recipient => 'university', categories => '{demographics}', disclosure => f, basis => 'legal_obligation', export => true)
  FROM (VALUES ('MINE', 'pseudonymised'), ('OTHERS', 'pseudonymised'), ('CARE', 'identified')) v (c, f);
SET SESSION AUTHORIZATION px_two;
SELECT twin_privacy.approve_use(c) FROM unnest('{MINE,OTHERS,CARE}'::text[]) c;
SELECT twin_privacy.grant_use('MINE', 'px_analyst');
RESET SESSION AUTHORIZATION;
-- the most an application could grant
CREATE SCHEMA px AUTHORIZATION px_analyst;
GRANT ALL ON person TO px_analyst;

SET SESSION AUTHORIZATION px_analyst;
SELECT twin_privacy.bind_use('MINE', 'test');
-- what the attacker holds: all pseudonyms there are.  Any call that gave one of these for a chosen value would have won.
CREATE TABLE px.loot AS SELECT id, mrn FROM person;
SELECT count(*) FROM px.loot;

-- Tries an expression; says how it was refused, or what it gave.
CREATE FUNCTION px.tried(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO result;
    RETURN CASE WHEN result IN (SELECT mrn FROM px.loot) OR result IN (SELECT id::text FROM px.loot) THEN 'WON' ELSE 'gave ' || result END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- every function that computes with a domain's key, in the use's own domain, another's, an admin's, and one that is not there: one answer
SELECT px.tried(format(f, d)) AS answer, count(*)
  FROM unnest('{MINE,OTHERS,CARE,SOMEBODYS,NOBODYS}'::text[]) d,
       unnest(ARRAY['twin_privacy.pseudonymize(%L, ''mrn-7''::text)', 'twin_privacy.pseudonymize(%L, 7)', 'twin_privacy.pseudonyms(%L, 7)', 'twin_privacy.pseudonymize(%L, NULL::int)',
                    'twin_privacy.shift_date(%L, 7, date ''2020-01-01'')', 'twin_privacy.seal(%L, ''mrn-7'')', 'twin_privacy.fpe_encrypt(%L, ''1234567'', ''digits'')',
                    'twin_privacy.fpe_decrypt(%L, ''1234567'', ''digits'')', 'twin_privacy.request_unseal(%L, 1, ''x'')']) f
 GROUP BY answer;
-- and for sealed values of a domain, a foreign one and none
SELECT px.tried(format('twin_privacy.unseal(%L)', domain || '0001ff' || repeat('00', 20))) AS answer, count(*)
  FROM (VALUES ('00000001'), (lpad(to_hex(('x' || encode(substr(sha256('CARE'), 1, 4), 'hex'))::bit(32)::int & 2147483647), 8, '0')),
               (lpad(to_hex(('x' || encode(substr(sha256('MINE'), 1, 4), 'hex'))::bit(32)::int & 2147483647), 8, '0'))) v (domain)
 GROUP BY answer;

-- the mask itself, called with a value of one's own: it has no name for the attacker
SELECT px.tried($$twin_privacy_internal.cell('mrn-7'::text, 'person'::regclass::oid, 0::bigint, 2::smallint, 7, 0::bigint)$$);
CREATE OPERATOR px.### (FUNCTION = twin_privacy_internal.cell, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION px.cell(anyelement, oid, bigint, smallint, "any", bigint) RETURNS anyelement AS '$libdir/twin_privacy', 'twp_enforce_cell' LANGUAGE C;

-- computing for oneself under another's name
CREATE FUNCTION px.lent(d text, v text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT twin_privacy.pseudonymize(d, v)::text $$;
SELECT px.tried($$px.lent('MINE', 'mrn-7')$$);
CREATE VIEW px.view AS SELECT twin_privacy.pseudonymize('MINE', 'mrn-7'::text)::text AS p;
SELECT px.tried($$(SELECT p FROM px.view)$$);
CREATE OPERATOR px.### (FUNCTION = twin_privacy.pseudonymize, LEFTARG = text, RIGHTARG = text);
SELECT px.tried($$'MINE'::text OPERATOR(px.###) 'mrn-7'::text$$);
CREATE TABLE px.defaults (v text, p text DEFAULT twin_privacy.pseudonymize('MINE', 'mrn-7'::text)::text);
INSERT INTO px.defaults VALUES ('x');
SET twin_privacy.use = 'CARE';
SELECT px.tried($$twin_privacy.pseudonymize('CARE', 7)$$);
SET twin_privacy.use = 'MINE';
SET ROLE twin_privacy_admin;

-- chosen values beside protected rows are never masked with them
SELECT count(*) FILTER (WHERE v = 7) AS sevens FROM (SELECT id AS v FROM person UNION ALL VALUES (7)) u;
SELECT count(*) FROM person p JOIN (VALUES (7), (8)) v (id) ON p.id = v.id;
SELECT count(*) FROM person p RIGHT JOIN (VALUES (7), (8)) v (id) USING (id) WHERE p.mrn IS NOT NULL OR v.id IN (SELECT id FROM px.loot);
-- nor can any be put among them, nor a table beneath them
INSERT INTO person VALUES (777, 'chosen');
UPDATE person SET mrn = 'chosen';
MERGE INTO person USING (VALUES (777)) v (id) ON person.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'chosen');
\copy person FROM '/dev/null'
CREATE TABLE px.child () INHERITS (person);
CREATE TABLE px.own (id int PRIMARY KEY, mrn text);
SECURITY LABEL FOR twin_privacy ON TABLE px.own IS 'subject=id, category=demographics';
SELECT twin_privacy.protect_table('px.own', subject => 'id', category => 'demographics');
-- a linkage of one's own
SELECT twin_privacy.propose_linkage('L', 'MINE', 'OTHERS', 'x');
SET twin_privacy.linkage = 'OTHERS';
SELECT count(id) FROM person;
RESET twin_privacy.linkage;

RESET SESSION AUTHORIZATION;
DROP SCHEMA px CASCADE;
DROP TABLE person;
DROP OWNED BY px_one, px_two, px_analyst;
DROP ROLE px_one, px_two, px_analyst;

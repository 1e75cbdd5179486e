-- What pseudonymize() takes, and the canonical form of each type.
\set VERBOSITY terse
SELECT twin_privacy.create_pseudonym_domain('VALUES');
CREATE FUNCTION pg_temp.p(v anyelement) RETURNS twin_privacy.pseudonym LANGUAGE sql AS
$$ SELECT twin_privacy.pseudonymize('VALUES', v) $$;

-- integers of every width agree, negative ones too
SELECT pg_temp.p(17::smallint) = pg_temp.p(17) AS int2_int4, pg_temp.p(17) = pg_temp.p(17::bigint) AS int4_int8,
       pg_temp.p((-1)::smallint) = pg_temp.p((-1)::bigint) AS negative, pg_temp.p(1) = pg_temp.p(-1) AS sign_differs;
-- text types agree; char without its padding; a composed letter and its parts are one (NFC)
SELECT pg_temp.p('ab'::text) = pg_temp.p('ab'::varchar(5)) AS varchar, pg_temp.p('ab'::text) = pg_temp.p('ab'::char(5)) AS char,
       pg_temp.p('ab'::text) = pg_temp.p('ab'::name) AS name, twin_privacy.pseudonymize('VALUES', 'ab') = pg_temp.p('ab'::text) AS literal,
       pg_temp.p('ab'::text) = pg_temp.p('ab '::text) AS blank_counts, pg_temp.p('ab'::text) = pg_temp.p('AB'::text) AS case_counts;
SELECT pg_temp.p(U&'M\00FCller'::text) = pg_temp.p(U&'Mu\0308ller'::text) AS nfc,
       pg_temp.p(U&'\1E9B\0323'::text) = pg_temp.p(U&'\017F\0323\0307'::text) AS reordered,
       pg_temp.p(U&'\FB01'::text) = pg_temp.p('fi'::text) AS not_nfkc,
       pg_temp.p(U&'\AC00'::text) = pg_temp.p(U&'\1100\1161'::text) AS hangul,
       pg_temp.p(repeat('x', 100000)) <> pg_temp.p(repeat('x', 100001)) AS long_differs;
-- kinds do not meet
SELECT count(DISTINCT p) FROM (VALUES (pg_temp.p(17)), (pg_temp.p('17'::text)), (pg_temp.p('\x3137'::bytea)), (pg_temp.p('2000-01-18'::date)),
       (pg_temp.p('00000000-0000-0000-0000-000000000017'::uuid)), (pg_temp.p('00000000-0000-0000-0000-000000000017'::text))) AS v (p);
-- a domain over a type counts as the type
CREATE DOMAIN patient_number AS bigint CHECK (VALUE > 0);
SELECT pg_temp.p(17::patient_number) = pg_temp.p(17) AS sql_domain;
-- infinity is a date, empty is a text
SELECT pg_temp.p('infinity'::date) <> pg_temp.p('-infinity'::date) AS infinity, pg_temp.p(''::text) IS NOT NULL AS empty,
       pg_temp.p('\x'::bytea) <> pg_temp.p(''::text) AS empty_bytes;
-- NULL in, NULL out; no domain, no value of another kind
SELECT pg_temp.p(NULL::int) IS NULL AS null_int, pg_temp.p(NULL::text) IS NULL AS null_text, twin_privacy.pseudonymize('VALUES', NULL) IS NULL AS null_literal;
SELECT twin_privacy.pseudonymize(NULL, 17);
SELECT twin_privacy.pseudonymize('', 17);
SELECT twin_privacy.pseudonymize('NONE', 17);
SELECT pg_temp.p(1.5);
SELECT pg_temp.p(true);
SELECT pg_temp.p(now());
SELECT pg_temp.p('{1,2}'::int[]);
-- a call site that meets several domains in one statement: rows, and PL/pgSQL's variables
SELECT twin_privacy.create_pseudonym_domain('VALUES-2');
SELECT count(DISTINCT twin_privacy.pseudonymize(d, 17)) AS rows FROM unnest('{VALUES,VALUES-2,VALUES,VALUES-2}'::text[]) d;
DO $$
DECLARE
    d text;
    made text[];
BEGIN
    FOREACH d IN ARRAY '{VALUES,VALUES-2,VALUES}'::text[] LOOP
        made := made || twin_privacy.pseudonymize(d, 17)::text;
    END LOOP;
    RAISE NOTICE 'two domains: %, first again: %', made[1] <> made[2], made[1] = made[3];
    PERFORM twin_privacy.rotate_pseudonym_key('VALUES-2');
    made := made || twin_privacy.pseudonymize('VALUES-2', 17)::text;
    RAISE NOTICE 'rotated in the same statement: %', made[2] <> made[4];
END $$;
-- the layout that doc/pseudonyms.md promises: HMAC-SHA-256 of the tag and the bytes under the HKDF of the data key.
-- With the master key and pgcrypto alone, and the slot unwrapped by the test module, the value comes out the same.
SET client_min_messages = warning;
CREATE EXTENSION crypto_vectors;
RESET client_min_messages;
CREATE FUNCTION pg_temp.data_key(domain text) RETURNS bytea LANGUAGE sql AS $$
    SELECT key_unwrap(hkdf_sha256(master, '', convert_to(format('twin_privacy/wrap/%s/%s', d.domain_id, k.version), 'UTF8'), 32), k.wrapped)
      FROM twin_privacy_internal.pseudonym_domain d JOIN twin_privacy_internal.pseudonym_key k USING (domain_id),
           (SELECT decode(trim(pg_read_file(current_setting('twin_privacy.master_key_file')), E'\n'), 'hex') AS master) AS m
     WHERE d.name = domain $$;
SET twin_privacy.maintenance = on;
CREATE TEMP TABLE k AS SELECT hkdf_sha256(pg_temp.data_key('VALUES'), '', 'twin_privacy/pseudonym', 32) AS key,
       (SELECT domain_id FROM twin_privacy_internal.pseudonym_domain WHERE name = 'VALUES') AS id;
RESET twin_privacy.maintenance;
SELECT twin_privacy.pseudonym_send(p) = substr(hmac(message, key, 'sha256'), 1, 16) || int4send(id) || int2send(1::int2) AS as_documented
  FROM k, (VALUES (pg_temp.p(17), 'i'::bytea || int8send(17)), (pg_temp.p(U&'\00FC'::text), '\x74c3bc'),
                  (pg_temp.p('00112233-4455-6677-8899-aabbccddeeff'::uuid), '\x7500112233445566778899aabbccddeeff'),
                  (pg_temp.p('2000-01-18'::date), 'd'::bytea || int4send(17)), (pg_temp.p('\x0001'::bytea), '\x620001')) AS v (p, message);
SELECT id = (('x' || encode(substr(sha256('VALUES'), 1, 4), 'hex'))::bit(32) & x'7FFFFFFF')::int AS id_from_name FROM k;
DROP TABLE k;
DROP DOMAIN patient_number;

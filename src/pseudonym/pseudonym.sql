-- pseudonym: one-way values that agree inside a domain and nowhere else.

CREATE TYPE twin_privacy.pseudonym;

CREATE FUNCTION twin_privacy.pseudonym_in(cstring, oid, int4) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_in'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_in(cstring, oid, int4) IS
    '(all) Input of type pseudonym: text with a check character. Errors: 22P02, 42804 of another domain than the column.';
CREATE FUNCTION twin_privacy.pseudonym_out(twin_privacy.pseudonym) RETURNS cstring
    AS 'MODULE_PATHNAME', 'twp_pseudonym_out'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_out(twin_privacy.pseudonym) IS
    '(all) Output of type pseudonym: 37 characters of Crockford base 32, the last of which checks the others.';
CREATE FUNCTION twin_privacy.pseudonym_recv(internal, oid, int4) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_recv'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_recv(internal, oid, int4) IS
    '(all) Binary input of type pseudonym: 22 bytes. Errors: 22P03, 42804 of another domain than the column.';
CREATE FUNCTION twin_privacy.pseudonym_send(twin_privacy.pseudonym) RETURNS bytea
    AS 'MODULE_PATHNAME', 'twp_pseudonym_send'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_send(twin_privacy.pseudonym) IS
    '(all) Binary output of type pseudonym: 16 bytes of MAC, 4 of domain, 2 of key version.';
CREATE FUNCTION twin_privacy.pseudonym_typmod_in(cstring[]) RETURNS int4
    AS 'MODULE_PATHNAME', 'twp_pseudonym_typmod_in'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_typmod_in(cstring[]) IS
    '(all) Type modifier of pseudonym: one domain name. Errors: 22023.';
CREATE FUNCTION twin_privacy.pseudonym_typmod_out(int4) RETURNS cstring
    AS 'MODULE_PATHNAME', 'twp_pseudonym_typmod_out'
    LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_typmod_out(int4) IS
    '(all) Type modifier of pseudonym as text: the domain''s name, or # and its number where the domain is not known.';

CREATE TYPE twin_privacy.pseudonym (
    INPUT = twin_privacy.pseudonym_in,
    OUTPUT = twin_privacy.pseudonym_out,
    RECEIVE = twin_privacy.pseudonym_recv,
    SEND = twin_privacy.pseudonym_send,
    TYPMOD_IN = twin_privacy.pseudonym_typmod_in,
    TYPMOD_OUT = twin_privacy.pseudonym_typmod_out,
    INTERNALLENGTH = 22,
    ALIGNMENT = char,
    STORAGE = plain
);
COMMENT ON TYPE twin_privacy.pseudonym IS
    'One-way pseudonym: HMAC-SHA-256 cut to 128 bits, with its domain and key version. pseudonym(''DOMAIN'') takes that domain only. '
    'Source: ISO 25237, RFC 2104.';

CREATE FUNCTION twin_privacy.pseudonym(twin_privacy.pseudonym, int4, boolean) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_enforce_typmod'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym(twin_privacy.pseudonym, int4, boolean) IS
    '(all) Cast to a column''s domain. Errors: 42804 of another domain. NULL: NULL.';
CREATE CAST (twin_privacy.pseudonym AS twin_privacy.pseudonym)
    WITH FUNCTION twin_privacy.pseudonym(twin_privacy.pseudonym, int4, boolean) AS IMPLICIT;

CREATE FUNCTION twin_privacy.pseudonym_compare_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'twp_pseudonym_compare_support'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_compare_support(internal) IS
    '(all) Planner support: refuses (42804) to compare columns of two known domains.';
CREATE FUNCTION twin_privacy.pseudonym_eq(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_eq'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_eq(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_ne(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_ne'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_ne(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_lt(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_lt'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_lt(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_le(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_le'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_le(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_gt(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_gt'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_gt(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_ge(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS boolean
    AS 'MODULE_PATHNAME', 'twp_pseudonym_ge'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT twin_privacy.pseudonym_compare_support;
COMMENT ON FUNCTION twin_privacy.pseudonym_ge(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Compares two pseudonyms by their bytes. NULL: NULL. Errors: 42804 when both types name different domains.';
CREATE FUNCTION twin_privacy.pseudonym_cmp(twin_privacy.pseudonym, twin_privacy.pseudonym) RETURNS int4
    AS 'MODULE_PATHNAME', 'twp_pseudonym_cmp'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_cmp(twin_privacy.pseudonym, twin_privacy.pseudonym) IS
    '(all) Orders two pseudonyms: negative, zero or positive. NULL: NULL.';
CREATE FUNCTION twin_privacy.pseudonym_sortsupport(internal) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_pseudonym_sortsupport'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_sortsupport(internal) IS
    '(all) Sort support of type pseudonym.';
CREATE FUNCTION twin_privacy.pseudonym_hash(twin_privacy.pseudonym) RETURNS int4
    AS 'MODULE_PATHNAME', 'twp_pseudonym_hash'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_hash(twin_privacy.pseudonym) IS
    '(all) Hash of a pseudonym. NULL: NULL.';
CREATE FUNCTION twin_privacy.pseudonym_hash_extended(twin_privacy.pseudonym, int8) RETURNS int8
    AS 'MODULE_PATHNAME', 'twp_pseudonym_hash_extended'
    LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.pseudonym_hash_extended(twin_privacy.pseudonym, int8) IS
    '(all) Seeded hash of a pseudonym. NULL: NULL.';

-- The operators live in pg_catalog, as those of built-in types do: joins, USING
-- and IN find operators by search_path, and a pseudonym column must join for
-- people who do not have this extension's schema on theirs.

CREATE OPERATOR pg_catalog.= (
    FUNCTION = twin_privacy.pseudonym_eq, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR pg_catalog.<> (
    FUNCTION = twin_privacy.pseudonym_ne, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
CREATE OPERATOR pg_catalog.< (
    FUNCTION = twin_privacy.pseudonym_lt, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);
CREATE OPERATOR pg_catalog.<= (
    FUNCTION = twin_privacy.pseudonym_le, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);
CREATE OPERATOR pg_catalog.> (
    FUNCTION = twin_privacy.pseudonym_gt, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);
CREATE OPERATOR pg_catalog.>= (
    FUNCTION = twin_privacy.pseudonym_ge, LEFTARG = twin_privacy.pseudonym, RIGHTARG = twin_privacy.pseudonym,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);

CREATE OPERATOR CLASS twin_privacy.pseudonym_ops DEFAULT FOR TYPE twin_privacy.pseudonym USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 twin_privacy.pseudonym_cmp(twin_privacy.pseudonym, twin_privacy.pseudonym),
    FUNCTION 2 twin_privacy.pseudonym_sortsupport(internal),
    FUNCTION 4 pg_catalog.btequalimage(oid);
CREATE OPERATOR CLASS twin_privacy.pseudonym_ops DEFAULT FOR TYPE twin_privacy.pseudonym USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 twin_privacy.pseudonym_hash(twin_privacy.pseudonym),
    FUNCTION 2 twin_privacy.pseudonym_hash_extended(twin_privacy.pseudonym, int8);

CREATE FUNCTION twin_privacy.pseudonymize(domain text, value anyelement) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_pseudonymize'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.pseudonymize(domain text, value anyelement) IS
    '(all) Pseudonym of a value in a domain; needs the domain''s permission (a bound use that owns it, or admin). value: integers of any width, '
    'text, varchar, char, name, uuid, date, bytea; NULL gives NULL. Recorded in the ledger. Errors: 42501 no permission (the same whether or not the domain '
    'exists), 22004 NULL domain, TP005 no such domain or key, 42804 other types. Source: RFC 2104, RFC 5869.';
CREATE FUNCTION twin_privacy.pseudonymize(domain text, value text) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_pseudonymize'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.pseudonymize(domain text, value text) IS
    '(all) Pseudonym of a value in a domain; needs the domain''s permission (a bound use that owns it, or admin). value: integers of any width, '
    'text, varchar, char, name, uuid, date, bytea; NULL gives NULL. Recorded in the ledger. Errors: 42501 no permission (the same whether or not the domain '
    'exists), 22004 NULL domain, TP005 no such domain or key, 42804 other types. Source: RFC 2104, RFC 5869.';


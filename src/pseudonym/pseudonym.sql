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
    '(all) Pseudonym of a value in a domain; needs the domain''s permission (a bound identified use that owns it, or admin). value: integers of any width, '
    'text, varchar, char, name, uuid, date, bytea; NULL gives NULL. Recorded in the ledger. Errors: 42501 no permission (the same whether or not the domain '
    'exists), 22004 NULL domain, TP005 no such domain or key, 42804 other types. Source: RFC 2104, RFC 5869.';
CREATE FUNCTION twin_privacy.pseudonymize(domain text, value text) RETURNS twin_privacy.pseudonym
    AS 'MODULE_PATHNAME', 'twp_pseudonym_pseudonymize'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.pseudonymize(domain text, value text) IS
    '(all) Pseudonym of a value in a domain; needs the domain''s permission (a bound identified use that owns it, or admin). value: integers of any width, '
    'text, varchar, char, name, uuid, date, bytea; NULL gives NULL. Recorded in the ledger. Errors: 42501 no permission (the same whether or not the domain '
    'exists), 22004 NULL domain, TP005 no such domain or key, 42804 other types. Source: RFC 2104, RFC 5869.';
CREATE FUNCTION twin_privacy.pseudonyms(domain text, value anyelement) RETURNS twin_privacy.pseudonym[]
    AS 'MODULE_PATHNAME', 'twp_pseudonym_pseudonyms'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.pseudonyms(text, anyelement) IS
    '(all) Pseudonyms of a value under every live key version of a domain, newest first: finds after a rotation what was stored before, as in '
    'p = ANY (twin_privacy.pseudonyms(...)). Arguments and errors as for pseudonymize().';
CREATE FUNCTION twin_privacy.pseudonyms(domain text, value text) RETURNS twin_privacy.pseudonym[]
    AS 'MODULE_PATHNAME', 'twp_pseudonym_pseudonyms'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.pseudonyms(text, text) IS
    '(all) Pseudonyms of a value under every live key version of a domain, newest first: finds after a rotation what was stored before, as in '
    'p = ANY (twin_privacy.pseudonyms(...)). Arguments and errors as for pseudonymize().';

CREATE FUNCTION twin_privacy.shift_date(domain text, subject "any", value date) RETURNS date
    AS 'MODULE_PATHNAME', 'twp_pseudonym_shift_date'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.shift_date(text, "any", date) IS
    '(all) Moves a date by the subject''s secret offset in the domain: whole days, never zero, within the domain''s limit, so intervals of one '
    'subject are kept. Needs the domain''s permission. value NULL gives NULL; domain or subject NULL: error 22004. Errors: 42501, TP005, 42804, 22008. '
    'Source: HIPAA 45 CFR 164.514, Google Sensitive Data Protection date shifting.';
CREATE FUNCTION twin_privacy.shift_date(domain text, subject "any", value timestamp) RETURNS timestamp
    AS 'MODULE_PATHNAME', 'twp_pseudonym_shift_date'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.shift_date(text, "any", timestamp) IS
    '(all) Moves a timestamp by the subject''s secret offset in the domain, keeping the time of day; otherwise as for date.';
CREATE FUNCTION twin_privacy.shift_date(domain text, subject "any", value timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'twp_pseudonym_shift_date'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.shift_date(text, "any", timestamptz) IS
    '(all) Moves a timestamp by the subject''s secret offset in the domain, in steps of 24 hours; otherwise as for date.';

-- sealed: stored like bytea, so bytea's comparison, hash and send functions serve it.

CREATE TYPE twin_privacy.sealed;

CREATE FUNCTION twin_privacy.sealed_in(cstring) RETURNS twin_privacy.sealed
    AS 'MODULE_PATHNAME', 'twp_sealed_in'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_in(cstring) IS
    '(all) Input of type sealed: hexadecimal digits. Errors: 22P02.';
CREATE FUNCTION twin_privacy.sealed_out(twin_privacy.sealed) RETURNS cstring
    AS 'MODULE_PATHNAME', 'twp_sealed_out'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_out(twin_privacy.sealed) IS
    '(all) Output of type sealed: hexadecimal digits.';
CREATE FUNCTION twin_privacy.sealed_recv(internal) RETURNS twin_privacy.sealed
    AS 'MODULE_PATHNAME', 'twp_sealed_recv'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_recv(internal) IS
    '(all) Binary input of type sealed. Errors: 22P03.';
CREATE FUNCTION twin_privacy.sealed_send(twin_privacy.sealed) RETURNS bytea
    AS 'byteasend'
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_send(twin_privacy.sealed) IS
    '(all) Binary output of type sealed: domain (4 bytes), key version (2), category (1), tag (16), cipher text.';

CREATE TYPE twin_privacy.sealed (
    INPUT = twin_privacy.sealed_in,
    OUTPUT = twin_privacy.sealed_out,
    RECEIVE = twin_privacy.sealed_recv,
    SEND = twin_privacy.sealed_send,
    INTERNALLENGTH = variable,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE twin_privacy.sealed IS
    'Reversible, deterministic, authenticated encryption of a text: AES-SIV under the domain''s key, with domain, key version and category '
    'as associated data. Equal texts of one domain, version and category are equal. Source: RFC 5297.';

CREATE FUNCTION twin_privacy.sealed_eq(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'byteaeq'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_eq(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_ne(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'byteane'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_ne(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_lt(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'bytealt'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_lt(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_le(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'byteale'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_le(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_gt(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'byteagt'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_gt(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_ge(twin_privacy.sealed, twin_privacy.sealed) RETURNS boolean
    AS 'byteage'
    LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_ge(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Compares two sealed values by their bytes. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_cmp(twin_privacy.sealed, twin_privacy.sealed) RETURNS int4
    AS 'byteacmp'
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_cmp(twin_privacy.sealed, twin_privacy.sealed) IS
    '(all) Orders two sealed values by their bytes: negative, zero or positive. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_sortsupport(internal) RETURNS void
    AS 'bytea_sortsupport'
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_sortsupport(internal) IS
    '(all) Sort support of type sealed.';
CREATE FUNCTION twin_privacy.sealed_hash(twin_privacy.sealed) RETURNS int4
    AS 'hashvarlena'
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_hash(twin_privacy.sealed) IS
    '(all) Hash of a sealed value. NULL: NULL.';
CREATE FUNCTION twin_privacy.sealed_hash_extended(twin_privacy.sealed, int8) RETURNS int8
    AS 'hashvarlenaextended'
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.sealed_hash_extended(twin_privacy.sealed, int8) IS
    '(all) Seeded hash of a sealed value. NULL: NULL.';

CREATE OPERATOR pg_catalog.= (
    FUNCTION = twin_privacy.sealed_eq, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR pg_catalog.<> (
    FUNCTION = twin_privacy.sealed_ne, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
CREATE OPERATOR pg_catalog.< (
    FUNCTION = twin_privacy.sealed_lt, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);
CREATE OPERATOR pg_catalog.<= (
    FUNCTION = twin_privacy.sealed_le, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);
CREATE OPERATOR pg_catalog.> (
    FUNCTION = twin_privacy.sealed_gt, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);
CREATE OPERATOR pg_catalog.>= (
    FUNCTION = twin_privacy.sealed_ge, LEFTARG = twin_privacy.sealed, RIGHTARG = twin_privacy.sealed,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);

CREATE OPERATOR CLASS twin_privacy.sealed_ops DEFAULT FOR TYPE twin_privacy.sealed USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 twin_privacy.sealed_cmp(twin_privacy.sealed, twin_privacy.sealed),
    FUNCTION 2 twin_privacy.sealed_sortsupport(internal),
    FUNCTION 4 pg_catalog.btequalimage(oid);
CREATE OPERATOR CLASS twin_privacy.sealed_ops DEFAULT FOR TYPE twin_privacy.sealed USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 twin_privacy.sealed_hash(twin_privacy.sealed),
    FUNCTION 2 twin_privacy.sealed_hash_extended(twin_privacy.sealed, int8);

CREATE FUNCTION twin_privacy.seal(domain text, value text, category text DEFAULT NULL) RETURNS twin_privacy.sealed
    AS 'MODULE_PATHNAME', 'twp_sealed_seal'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.seal(text, text, text) IS
    '(all) Seals a text in a domain, optionally bound to a category of data; needs the domain''s permission. Recorded in the ledger. value NULL gives NULL; '
    'domain NULL: error 22004. Errors: 42501 no permission, TP005 no such domain or key, 22023 no such category. Source: RFC 5297.';
CREATE FUNCTION twin_privacy.unseal(value twin_privacy.sealed) RETURNS text
    AS 'MODULE_PATHNAME', 'twp_sealed_unseal'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.unseal(twin_privacy.sealed) IS
    '(all) Opens a sealed value; needs a bound use of form identified, of the domain or, where no use has it, any; and beyond twin_privacy.unseal_limit values in 24 hours an '
    'approved order. Every call is recorded before the text is returned. NULL gives NULL. Errors: 42501 no permission, 22000 altered, TP003 over the limit, '
    'TP005 key destroyed. Source: RFC 5297.';

-- Four eyes for unsealing in bulk.

CREATE TABLE twin_privacy_internal.unseal_order (
    order_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain        text NOT NULL,
    max_values    int4 NOT NULL CHECK (max_values OPERATOR(pg_catalog.>) 0),
    reason        text NOT NULL,
    requested_by  name NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
    approved_by   name,
    approved_at   timestamptz,
    begun_at      timestamptz
);
COMMENT ON TABLE twin_privacy_internal.unseal_order IS
    'Requests to unseal more than twin_privacy.unseal_limit values: asked, approved under another login, begun once.';
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.unseal_order', '');

CREATE FUNCTION twin_privacy.request_unseal(domain text, max_values int4, reason text) RETURNS bigint
    AS 'MODULE_PATHNAME', 'twp_unseal_request'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.request_unseal(text, int4, text) IS
    '(all) Asks to unseal up to max_values values of a domain and returns the order''s number; needs permission to re-identify. NULL: error 22004. '
    'Errors: 42501 no permission, 22023 max_values below 1.';
CREATE FUNCTION twin_privacy.approve_unseal(order_id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_unseal_approve'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.approve_unseal(bigint) IS
    'Approves an order to unseal (officer, under another login than the one that asked). NULL: error 22004. Errors: 42501.';
REVOKE ALL ON FUNCTION twin_privacy.approve_unseal(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.approve_unseal(bigint) TO twin_privacy_officer;
CREATE FUNCTION twin_privacy.begin_unseal(order_id bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_unseal_begin'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.begin_unseal(bigint) IS
    '(all) Begins one''s approved order, once and within a day; its values may be unsealed in this session after the transaction commits. NULL: error 22004. '
    'Errors: 42501.';

CREATE FUNCTION twin_privacy.fpe_encrypt(domain text, value text, alphabet text, tweak text DEFAULT '') RETURNS text
    AS 'MODULE_PATHNAME', 'twp_fpe_encrypt'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.fpe_encrypt(text, text, text, text) IS
    '(all) Encrypts a text into one of the same length and alphabet (''digits'', ''alphanumeric'', or the characters themselves); tweak: name the column. '
    'Needs permission to re-identify. Recorded in the ledger. value NULL gives NULL, other NULLs: error 22004. Errors: 42501, TP005, 22023 characters outside the '
    'alphabet or fewer than 1,000,000 possible values. Source: NIST SP 800-38G, FF1.';
CREATE FUNCTION twin_privacy.fpe_decrypt(domain text, value text, alphabet text, tweak text DEFAULT '', version int4 DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME', 'twp_fpe_decrypt'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.fpe_decrypt(text, text, text, text, int4) IS
    '(all) Turns fpe_encrypt() back with the same alphabet and tweak; version: the key version it was made with, NULL the newest. Permission, limit and '
    'recording as for unseal(). The result of a wrong key or tweak is another text, not an error: use sealed where it fits. Errors: 42501, TP003, TP005, 22023.';


-- Forgetting a subject.

CREATE TABLE twin_privacy_internal.subject_salt (
    domain_id  int4 NOT NULL,
    version    int2 NOT NULL,
    tag        bytea NOT NULL CHECK (pg_catalog.octet_length(tag) OPERATOR(pg_catalog.=) 16),
    salt       bytea NOT NULL CHECK (pg_catalog.octet_length(salt) OPERATOR(pg_catalog.=) 16),
    PRIMARY KEY (domain_id, version, tag)
);
COMMENT ON TABLE twin_privacy_internal.subject_salt IS
    'Salts of forgotten subjects, and for numbers those they changed images with, hidden by the domain''s key; the tag is half a MAC, or a block, that no pseudonym shows.';
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.subject_salt', '');

CREATE FUNCTION twin_privacy.forget_pseudonyms(subject text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_pseudonym_forget_sql'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.forget_pseudonyms(text) IS
    'Gives a subject new random salts in every domain (registrar): its key and the identifiers in its rows lead to other pseudonyms, its dates to another offset from '
    'then on; integer identifiers that are not its key are masked by NULL. subject: its key in canonical text; NULL: error 22004. Errors: 42501, TP005, 54000 a smallint key has no image '
    'left. Source: GDPR article 17.';
REVOKE ALL ON FUNCTION twin_privacy.forget_pseudonyms(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.forget_pseudonyms(text) TO twin_privacy_registrar;

CREATE FUNCTION twin_privacy.erase_subject(subject text, reason text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM twin_privacy.withdraw_all_consent(subject, reason);
    PERFORM twin_privacy.forget_pseudonyms(subject);
END
$$;
COMMENT ON FUNCTION twin_privacy.erase_subject(text, text) IS
    'Closes a subject''s consents and destroys the mapping to its pseudonyms; the ledger is kept (registrar). NULL: error 22004. '
    'Errors: those of withdraw_all_consent() and forget_pseudonyms(). Source: GDPR article 17(3)(b).';
REVOKE ALL ON FUNCTION twin_privacy.erase_subject(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.erase_subject(text, text) TO twin_privacy_registrar;

-- Linkages.

CREATE TABLE twin_privacy_internal.linkage (
    code             text COLLATE "C" PRIMARY KEY,
    first_use        text NOT NULL,
    second_use       text NOT NULL,
    second_approver  name,
    revoked_by       name,
    first_approver   name,
    reason           text NOT NULL,
    proposed_by      name NOT NULL,
    proposed_at      timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
    revoked_at       timestamptz
);
COMMENT ON TABLE twin_privacy_internal.linkage IS
    'Approved linkages of two uses; each has a pseudonym domain of its own, named by its code.';
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.linkage', '');

CREATE FUNCTION twin_privacy.propose_linkage(code text, first_use text, second_use text, reason text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_linkage_propose'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.propose_linkage(text, text, text, text) IS
    'Proposes that the outputs of two approved uses may be linked (officer); two other officers must approve. Then, with twin_privacy.linkage set to its code, '
    'masks of either use come out in the linkage''s domain. NULL: error 22004. Errors: 42501, 22023 empty or equal, 42710 code taken, 42704 a use is not approved.';
REVOKE ALL ON FUNCTION twin_privacy.propose_linkage(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.propose_linkage(text, text, text, text) TO twin_privacy_officer;
CREATE FUNCTION twin_privacy.approve_linkage(code text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_linkage_approve'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.approve_linkage(text) IS
    'Approves a linkage (officer): takes two approvals, of logins other than the proposer''s and each other''s. NULL: error 22004. Errors: 42501, 55000.';
REVOKE ALL ON FUNCTION twin_privacy.approve_linkage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.approve_linkage(text) TO twin_privacy_officer;
CREATE FUNCTION twin_privacy.revoke_linkage(code text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_linkage_revoke'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.revoke_linkage(text) IS
    'Revokes a linkage for good (officer), from the next statement on. NULL: error 22004. Errors: 42501, 55000.';
REVOKE ALL ON FUNCTION twin_privacy.revoke_linkage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.revoke_linkage(text) TO twin_privacy_officer;

CREATE VIEW twin_privacy.linkages AS
    SELECT code, first_use, second_use, reason, proposed_by, proposed_at, first_approver, second_approver, revoked_by, revoked_at,
           second_approver IS NOT NULL AND revoked_by IS NULL AS in_force
      FROM twin_privacy_internal.linkage;
COMMENT ON VIEW twin_privacy.linkages IS
    'Linkages of two uses, proposed, approved and revoked (officer, auditor, admin).';
REVOKE ALL ON twin_privacy.linkages FROM PUBLIC;
GRANT SELECT ON twin_privacy.linkages TO twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;

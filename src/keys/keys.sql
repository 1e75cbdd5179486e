-- keys: pseudonym domains and their wrapped data keys.

CREATE TABLE twin_privacy_internal.pseudonym_domain (
    domain_id       int4 PRIMARY KEY CHECK (domain_id OPERATOR(pg_catalog.>) 0),
    name            text NOT NULL UNIQUE,
    max_shift_days  int4 NOT NULL DEFAULT 182
                    CHECK (max_shift_days OPERATOR(pg_catalog.>=) 1 AND max_shift_days OPERATOR(pg_catalog.<=) 3650),
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
    created_by      name NOT NULL DEFAULT SESSION_USER
);
COMMENT ON TABLE twin_privacy_internal.pseudonym_domain IS
    'Pseudonym domains; domain_id is 31 bits of the name''s SHA-256.';

-- No foreign key to the domain: pg_restore -j loads dumped tables in any order.
CREATE TABLE twin_privacy_internal.pseudonym_key (
    domain_id     int4 NOT NULL,
    version       int2 NOT NULL CHECK (version OPERATOR(pg_catalog.>) 0),
    wrapped       bytea CHECK (pg_catalog.octet_length(wrapped) OPERATOR(pg_catalog.=) 40),
    master_id     bytea CHECK (pg_catalog.octet_length(master_id) OPERATOR(pg_catalog.=) 8),
    created_at    timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
    created_by    name NOT NULL DEFAULT SESSION_USER,
    destroyed_at  timestamptz,
    destroyed_by  name,
    reason        text,
    PRIMARY KEY (domain_id, version),
    CHECK ((wrapped IS NULL) OPERATOR(pg_catalog.=) (destroyed_at IS NOT NULL)
           AND (wrapped IS NULL) OPERATOR(pg_catalog.=) (master_id IS NULL))
);
COMMENT ON TABLE twin_privacy_internal.pseudonym_key IS
    'Data keys wrapped by the master key (AES key wrap): useless without it. A destroyed key keeps its row.';

SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.pseudonym_domain', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.pseudonym_key', '');

CREATE FUNCTION twin_privacy.create_pseudonym_domain(name text, max_shift_days int4 DEFAULT 182) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_keys_create_pseudonym_domain'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.create_pseudonym_domain(text, int4) IS
    'Creates a pseudonym domain with its first key (admin). name: 1 to 128 bytes, not beginning with "#". max_shift_days: 1 to 3650, how far shift_date() may move a date either way; '
    'it cannot be changed later, because every offset would. NULL: error 22004. '
    'Errors: 42501 not an admin, 42710 exists, 22023 bad name, TP005 no master key. Source: NIST SP 800-108 (one key a context).';
REVOKE ALL ON FUNCTION twin_privacy.create_pseudonym_domain(text, int4) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.create_pseudonym_domain(text, int4) TO twin_privacy_admin;

CREATE FUNCTION twin_privacy.rotate_pseudonym_key(name text) RETURNS int4
    AS 'MODULE_PATHNAME', 'twp_keys_rotate_pseudonym_key'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.rotate_pseudonym_key(text) IS
    'Gives a domain a new key and returns its version (admin); values made before keep their version and stay readable. NULL: error 22004. '
    'Errors: 42501 not an admin, 42704 no such domain, TP005 no master key. Source: NIST SP 800-57 part 1.';
REVOKE ALL ON FUNCTION twin_privacy.rotate_pseudonym_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.rotate_pseudonym_key(text) TO twin_privacy_admin;

CREATE FUNCTION twin_privacy.destroy_pseudonym_key(name text, version int4, reason text) RETURNS void
    AS 'MODULE_PATHNAME', 'twp_keys_destroy_pseudonym_key'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.destroy_pseudonym_key(text, int4, text) IS
    'Destroys one key version for good (admin): nobody can make or turn back its values again. NULL: error 22004. '
    'Errors: 42501 not an admin, 42704 no such live version. Source: NIST SP 800-88 (cryptographic erase).';
REVOKE ALL ON FUNCTION twin_privacy.destroy_pseudonym_key(text, int4, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.destroy_pseudonym_key(text, int4, text) TO twin_privacy_admin;

CREATE FUNCTION twin_privacy.rewrap_pseudonym_keys() RETURNS int4
    AS 'MODULE_PATHNAME', 'twp_keys_rewrap_pseudonym_keys'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.rewrap_pseudonym_keys() IS
    'After a change of the master key: wraps every data key under the new one and returns how many were not (admin). The old one is named by '
    'twin_privacy.previous_master_key_file or _command until then. Data keys, and so all values, stay as they are. Errors: 42501, TP005 a key opens under neither.';
REVOKE ALL ON FUNCTION twin_privacy.rewrap_pseudonym_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.rewrap_pseudonym_keys() TO twin_privacy_admin;

CREATE VIEW twin_privacy.pseudonym_keys AS
    SELECT d.name AS domain, k.version,
           k.version OPERATOR(pg_catalog.=) pg_catalog.max(k.version) OVER (PARTITION BY k.domain_id) AS is_newest,
           k.created_at, k.created_by, k.destroyed_at, k.destroyed_by, k.reason
      FROM twin_privacy_internal.pseudonym_domain d
      JOIN twin_privacy_internal.pseudonym_key k ON k.domain_id OPERATOR(pg_catalog.=) d.domain_id;
COMMENT ON VIEW twin_privacy.pseudonym_keys IS
    'Domains and key versions, without key material (admin, auditor). destroyed_at is NULL for a live key.';
REVOKE ALL ON twin_privacy.pseudonym_keys FROM PUBLIC;
GRANT SELECT ON twin_privacy.pseudonym_keys TO twin_privacy_admin, twin_privacy_auditor;

-- For status(): the public name of the master key, TP005 when it cannot be read.
CREATE FUNCTION twin_privacy_internal.master_key_id() RETURNS bytea
    AS 'MODULE_PATHNAME', 'twp_keys_master_key_id'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.master_key_id() FROM PUBLIC;

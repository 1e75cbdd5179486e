\echo Use "CREATE EXTENSION crypto_vectors" to load this file. \quit

CREATE FUNCTION hmac_sha256(key bytea, message bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_hmac' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION hkdf_sha256(secret bytea, salt bytea, info bytea, length int) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_hkdf' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION cmac(key bytea, message bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_cmac' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION aes_block(key bytea, block bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_aes_block' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION key_wrap(kek bytea, key bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_wrap' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION key_unwrap(kek bytea, wrapped bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_unwrap' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION siv_seal(key bytea, ad bytea[], plain bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_siv_seal' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION siv_open(key bytea, ad bytea[], sealed bytea) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_siv_open' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION ff1(encrypt boolean, key bytea, radix int, tweak bytea, digits int[]) RETURNS int[] AS 'MODULE_PATHNAME', 'cv_ff1' LANGUAGE C IMMUTABLE STRICT;

-- how often a secret, given changed by 0x5a in each byte, stands in the backend's own memory
CREATE FUNCTION memory_holds(changed bytea) RETURNS int AS 'MODULE_PATHNAME', 'cv_memory_holds' LANGUAGE C STRICT;

-- the same primitive on 16-byte messages, n times, nothing else
CREATE FUNCTION loop_hmac(n int) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_loop_hmac' LANGUAGE C STRICT;
CREATE FUNCTION loop_siv(n int) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_loop_siv' LANGUAGE C STRICT;
CREATE FUNCTION loop_ff1(n int) RETURNS bytea AS 'MODULE_PATHNAME', 'cv_loop_ff1' LANGUAGE C STRICT;

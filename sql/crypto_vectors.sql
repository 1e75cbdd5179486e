-- Every published vector through the C code of the crypto room.
-- Each query prints the number of vectors and of those that do not hold.
\getenv data TWIN_PRIVACY_DATA
\set dir :data/crypto-vectors
SET client_min_messages = warning;
CREATE EXTENSION crypto_vectors;
RESET client_min_messages;

CREATE TEMP TABLE file (name text PRIMARY KEY, content jsonb);
INSERT INTO file
SELECT name, pg_read_file(:'dir' || '/' || name || '.json')::jsonb
  FROM unnest('{nist_ff1, rfc_vectors, wycheproof/aead_aes_siv_cmac_test, wycheproof/aes_cmac_test,
                wycheproof/aes_ff1_base10_test, wycheproof/aes_ff1_base36_test, wycheproof/aes_ff1_radix26_test,
                wycheproof/aes_siv_cmac_test, wycheproof/hkdf_sha256_test, wycheproof/hmac_sha256_test}'::text[]) AS name;

CREATE FUNCTION pg_temp.hex(v jsonb, field text) RETURNS bytea IMMUTABLE
RETURN decode(v ->> field, 'hex');

-- Wycheproof: one row a test, with its group's fields
CREATE TEMP VIEW wycheproof AS
SELECT substr(name, 12) AS name, (g - 'tests') || t AS v, t ->> 'result' = 'valid' AS valid
  FROM file, jsonb_array_elements(content -> 'testGroups') AS g, jsonb_array_elements(g -> 'tests') AS t
 WHERE name LIKE 'wycheproof/%';

-- RFC 4231: HMAC-SHA-256 (case 5 is cut to 128 bits)
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT substr(hmac_sha256(pg_temp.hex(v, 'key'), pg_temp.hex(v, 'data')), 1, length(pg_temp.hex(v, 'mac')))
               = pg_temp.hex(v, 'mac') AS ok
          FROM file, jsonb_array_elements(content -> 'rfc4231_hmac_sha256') AS v WHERE name = 'rfc_vectors') AS vectors;

-- Wycheproof: HMAC-SHA-256, with altered tags
SELECT count(*), count(*) FILTER (WHERE ok IS DISTINCT FROM valid) AS failed
  FROM (SELECT substr(hmac_sha256(pg_temp.hex(v, 'key'), pg_temp.hex(v, 'msg')), 1, (v ->> 'tagSize')::int / 8)
               = pg_temp.hex(v, 'tag') AS ok, valid
          FROM wycheproof WHERE name = 'hmac_sha256_test') AS vectors;

-- RFC 5869: HKDF-SHA-256
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT hkdf_sha256(pg_temp.hex(v, 'ikm'), pg_temp.hex(v, 'salt'), pg_temp.hex(v, 'info'), (v ->> 'length')::int)
               = pg_temp.hex(v, 'okm') AS ok
          FROM file, jsonb_array_elements(content -> 'rfc5869_hkdf_sha256') AS v WHERE name = 'rfc_vectors') AS vectors;

-- Wycheproof: HKDF-SHA-256; too long an output is refused
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT hkdf_sha256(pg_temp.hex(v, 'ikm'), pg_temp.hex(v, 'salt'), pg_temp.hex(v, 'info'), (v ->> 'size')::int)
               = pg_temp.hex(v, 'okm') AS ok
          FROM wycheproof WHERE name = 'hkdf_sha256_test' AND valid) AS vectors;
SELECT DISTINCT (v ->> 'size')::int AS size FROM wycheproof WHERE name = 'hkdf_sha256_test' AND NOT valid;
SELECT hkdf_sha256('\x00', '', '', 8161);

-- RFC 4493 and Wycheproof: AES-CMAC, on which AES-SIV stands
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT cmac(pg_temp.hex(v, 'key'), pg_temp.hex(v, 'message')) = pg_temp.hex(v, 'mac') AS ok
          FROM file, jsonb_array_elements(content -> 'rfc4493_aes_cmac') AS v WHERE name = 'rfc_vectors') AS vectors;
SELECT count(*), count(*) FILTER (WHERE ok IS DISTINCT FROM valid) AS failed
  FROM (SELECT (v ->> 'keySize') IN ('128', '192', '256')
               AND cmac(pg_temp.hex(v, 'key'), pg_temp.hex(v, 'msg')) = pg_temp.hex(v, 'tag') AS ok, valid
          FROM wycheproof WHERE name = 'aes_cmac_test') AS vectors;

-- RFC 5297: AES-SIV, several components of associated data, also none and an empty one
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT siv_seal(pg_temp.hex(v, 'key'), ad, pg_temp.hex(v, 'plaintext')) = sealed
               AND siv_open(pg_temp.hex(v, 'key'), ad, sealed) = pg_temp.hex(v, 'plaintext') AS ok
          FROM file, jsonb_array_elements(content -> 'rfc5297_aes_siv') AS v,
               LATERAL (SELECT ARRAY(SELECT decode(a, 'hex') FROM jsonb_array_elements_text(v -> 'ad') AS a) AS ad,
                               pg_temp.hex(v, 'tag') || pg_temp.hex(v, 'ciphertext') AS sealed) AS parts
         WHERE name = 'rfc_vectors') AS vectors;

-- Wycheproof: AES-SIV, deterministic and with a nonce
CREATE TEMP VIEW siv AS
SELECT name, valid, pg_temp.hex(v, 'key') AS key, pg_temp.hex(v, 'msg') AS plain,
       CASE WHEN v ? 'iv' THEN ARRAY[pg_temp.hex(v, 'aad'), pg_temp.hex(v, 'iv')] ELSE ARRAY[pg_temp.hex(v, 'aad')] END AS ad,
       CASE WHEN v ? 'iv' THEN pg_temp.hex(v, 'tag') ELSE '' END || pg_temp.hex(v, 'ct') AS sealed
  FROM wycheproof WHERE name IN ('aes_siv_cmac_test', 'aead_aes_siv_cmac_test');
SELECT name, count(*), count(*) FILTER (WHERE (siv_open(key, ad, sealed) IS NOT DISTINCT FROM plain) <> valid) AS failed_open,
       count(*) FILTER (WHERE valid AND siv_seal(key, ad, plain) IS DISTINCT FROM sealed) AS failed_seal
  FROM siv GROUP BY name ORDER BY name;

-- RFC 3394, section 4.6: 256 bits of key data under a key of 256 bits; altered, it does not unwrap
SELECT key_wrap(kek, key) = wrapped AS wraps, key_unwrap(kek, wrapped) = key AS unwraps,
       key_unwrap(kek, set_byte(wrapped, 39, 0)) IS NULL AS refuses_altered,
       key_unwrap(set_byte(kek, 0, 1), wrapped) IS NULL AS refuses_other_key
  FROM (VALUES ('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'::bytea,
                '\x00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f'::bytea,
                '\x28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21'::bytea)) AS rfc (kek, key, wrapped);

-- FIPS 197, appendix C: AES
SELECT aes_block('\x000102030405060708090a0b0c0d0e0f', p) = '\x69c4e0d86a7b0430d8cdb78070b4c55a' AS aes_128,
       aes_block('\x000102030405060708090a0b0c0d0e0f1011121314151617', p) = '\xdda97ca4864cdfe06eaf70a0ec0d7191' AS aes_192,
       aes_block('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', p) = '\x8ea2b7ca516745bfeafc49904b496089' AS aes_256
  FROM (VALUES ('\x00112233445566778899aabbccddeeff'::bytea)) AS fips (p);

-- FF1: numerals of a text in an alphabet; -1 for a character outside it
CREATE FUNCTION pg_temp.numerals(t text, alphabet text) RETURNS int[] IMMUTABLE
RETURN ARRAY(SELECT strpos(alphabet, c) - 1
               FROM regexp_split_to_table(nullif(t, ''), '') WITH ORDINALITY AS s (c, n) ORDER BY n);

-- NIST's samples
SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE) AS failed
  FROM (SELECT ff1(true, key, radix, tweak, plain) = cipher AND ff1(false, key, radix, tweak, cipher) = plain AS ok
          FROM (SELECT pg_temp.hex(v, 'key') AS key, (v ->> 'radix')::int AS radix, pg_temp.hex(v, 'tweak') AS tweak,
                       pg_temp.numerals(v ->> 'plaintext', '0123456789abcdefghijklmnopqrstuvwxyz') AS plain, pg_temp.numerals(v ->> 'ciphertext', '0123456789abcdefghijklmnopqrstuvwxyz') AS cipher
                  FROM file, jsonb_array_elements(content -> 'vectors') AS v WHERE name = 'nist_ff1') AS sample) AS vectors;

-- Wycheproof.  Messages of fewer than a million possibilities are "valid" there and refused here.
CREATE TEMP VIEW ff1_vector AS
SELECT name, valid AND power((v ->> 'radix')::numeric, cardinality(plain)) >= 1000000 AS valid, valid AS valid_there,
       (v ->> 'radix')::int AS radix, pg_temp.hex(v, 'key') AS key, pg_temp.hex(v, 'tweak') AS tweak, plain, cipher
  FROM wycheproof,
       LATERAL (SELECT CASE WHEN jsonb_typeof(v -> 'msg') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(v -> 'msg'))::int[]
                            ELSE pg_temp.numerals(v ->> 'msg', v ->> 'alphabet') END AS plain,
                       CASE WHEN jsonb_typeof(v -> 'ct') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(v -> 'ct'))::int[]
                            ELSE pg_temp.numerals(v ->> 'ct', v ->> 'alphabet') END AS cipher) AS parts
 WHERE name LIKE 'aes_ff1%';
SELECT name, count(*), count(*) FILTER (WHERE valid_there AND NOT valid) AS small_domain,
       count(*) FILTER (WHERE (ff1(true, key, radix, tweak, plain) IS NOT DISTINCT FROM cipher) <> valid) AS failed_encrypt,
       count(*) FILTER (WHERE valid AND ff1(false, key, radix, tweak, cipher) IS DISTINCT FROM plain) AS failed_decrypt
  FROM ff1_vector GROUP BY name ORDER BY name;

-- the widest radix, the longest message, and just beyond
SELECT ff1(false, k, r, '\x07', ff1(true, k, r, '\x07', d)) = d AS turns_back
  FROM (VALUES ('\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea)) AS key (k),
       (VALUES (65536, ARRAY[65535, 0]), (65536, array_fill(65535, ARRAY[1024])), (2, array_fill(1, ARRAY[20])),
               (10, array_fill(9, ARRAY[38])), (10, array_fill(9, ARRAY[39])), (10, array_fill(9, ARRAY[40]))) AS m (r, d);
SELECT ff1(true, k, 65537, '', '{1,2,3}') IS NULL AS radix, ff1(true, k, 10, '', array_fill(9, ARRAY[1025])) IS NULL AS long,
       ff1(true, k, 10, '', '{9,9,9,9,9}') IS NULL AS small_domain, ff1(true, k, 10, '', '{9,9,9,9,9,10}') IS NULL AS numeral
  FROM (VALUES ('\x00112233445566778899aabbccddeeff'::bytea)) AS key (k);

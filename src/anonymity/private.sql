--
-- anonymity: private uses, whose figures leave with noise.
--

CREATE TABLE twin_privacy_internal.private_answer (
    code text COLLATE "C" NOT NULL,
    question bytea NOT NULL,
    state bytea NOT NULL,
    answered_at timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    answer text[] NOT NULL
);
CREATE INDEX private_answer_question ON twin_privacy_internal.private_answer (code, question);

CREATE FUNCTION twin_privacy_internal.bounded_add(internal, bigint, bytea, "any", VARIADIC "any") RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_bounded_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.bounded_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_bounded_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.bounded_serialize(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_bounded_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.bounded_deserialize(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_anonymity_bounded_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.bounded_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'twp_anonymity_bounded_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
-- Called only within queries made by private releases; "any" arguments are not packed.
CREATE AGGREGATE twin_privacy_internal.bounded(bigint, bytea, "any", VARIADIC "any") (
    SFUNC = twin_privacy_internal.bounded_add, STYPE = internal, SSPACE = 65536,
    FINALFUNC = twin_privacy_internal.bounded_final, FINALFUNC_MODIFY = READ_WRITE,
    COMBINEFUNC = twin_privacy_internal.bounded_combine,
    SERIALFUNC = twin_privacy_internal.bounded_serialize,
    DESERIALFUNC = twin_privacy_internal.bounded_deserialize, PARALLEL = SAFE);

CREATE FUNCTION twin_privacy_internal.bucket_float8(double precision, double precision, double precision, integer) RETURNS integer
AS 'MODULE_PATHNAME', 'twp_anonymity_bucket_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twin_privacy_internal.bucket_numeric(numeric, numeric, numeric, integer) RETURNS integer
AS 'MODULE_PATHNAME', 'twp_anonymity_bucket_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION twin_privacy.last_noise(
    OUT group_key text, OUT figure text, OUT scale double precision, OUT error double precision,
    OUT confidence double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_anonymity_last_noise'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.last_noise() IS
'(all) The noise of the session''s last figures under a private use, one row a figure: group_key (values of the GROUP BY columns, comma-separated; NULL without groups), figure (output column or aggregate), scale (of the discrete Laplace noise, in the figure''s unit; of the underlying sum for means and variances), error (half the width of the interval that holds the figure without noise with probability confidence; for means and variances to first order), confidence. What clamping to bounds and the weighting of data subjects with many rows change is not part of error. No rows before the first such query. Errors: none.';

CREATE VIEW twin_privacy.privacy_budget AS
SELECT u.code AS use_code, u.epsilon,
       (a.epsilon_spent / 1000000000.0)::numeric(20, 9) AS spent,
       GREATEST(u.epsilon - (a.epsilon_spent / 1000000000.0)::numeric(20, 9), 0) AS "left",
       a.delta_spent / 1e15 AS delta_spent, 1e-6 AS delta, a.queries
FROM twin_privacy_internal.privacy_account AS a
JOIN twin_privacy_internal.approved_use AS u ON u.code OPERATOR(pg_catalog.=) a.code
WHERE u.disclosure OPERATOR(pg_catalog.=) 'private'
  AND (twin_privacy_internal.holds_role('admin', 'officer', 'auditor')
       OR EXISTS (SELECT FROM twin_privacy_internal.list_my_uses() AS m WHERE m.code OPERATOR(pg_catalog.=) u.code));
GRANT SELECT ON twin_privacy.privacy_budget TO PUBLIC;
COMMENT ON VIEW twin_privacy.privacy_budget IS
'Budgets of private uses: use_code, epsilon (approved), spent and left (never refunded; changed outside transactions), delta_spent and delta (the sum over grouped queries and its limit), queries (that were charged). Everybody sees those of their own uses; twin_privacy_admin, _officer and _auditor all.';

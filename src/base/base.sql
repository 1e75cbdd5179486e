--
-- base: who is who.
--

CREATE FUNCTION twin_privacy_internal.holds_role(VARIADIC roles text[])
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT pg_catalog.bool_or(pg_catalog.pg_has_role(current_user, 'twin_privacy_' || r, 'USAGE'))
    FROM pg_catalog.unnest(roles) AS r;
END;
COMMENT ON FUNCTION twin_privacy_internal.holds_role(text[]) IS
'(all) True when the current user has the privileges of one of our roles (admin, officer, registrar, auditor). Views ask it, because pg_read_all_data may read any view.';


-- grant.sql - gives a role of the tests the use that sees everything, and makes
-- it an administrator of protection, if the database has such; without it nothing happens, so that the tests say the same.
CREATE FUNCTION public.core_grant(who name) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
BEGIN
    EXECUTE format('SELECT twin_privacy.grant_use(%L, %L)', 'ALL', trim(both '"' FROM who));
    EXECUTE format('GRANT twin_privacy_admin TO %I', trim(both '"' FROM who));
EXCEPTION WHEN OTHERS THEN
    NULL;
END$$;

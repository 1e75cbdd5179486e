\echo Use "CREATE EXTENSION twin_privacy CASCADE" to load this file. \quit

-- The library first: without it nothing below means anything.
LOAD 'twin_privacy';

CREATE SCHEMA twin_privacy_internal;
REVOKE ALL ON SCHEMA twin_privacy_internal FROM PUBLIC;

-- Roles are cluster-wide: created once, kept when the extension goes.
DO $$
DECLARE
    role_name name;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['twin_privacy_admin', 'twin_privacy_officer',
                                     'twin_privacy_registrar', 'twin_privacy_auditor']::name[]
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) role_name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END
$$;


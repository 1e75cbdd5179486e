-- The extension as CREATE EXTENSION leaves it.
SELECT extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'twin_privacy') AS version_is_default
  FROM pg_extension WHERE extname = 'twin_privacy';

-- its roles exist and cannot log in
SELECT rolname, rolcanlogin, rolsuper, rolbypassrls FROM pg_roles
 WHERE rolname LIKE 'twin\_privacy\_%' ORDER BY rolname;

-- everybody may use the names, nobody the inside
SELECT has_schema_privilege('public', 'twin_privacy', 'USAGE') AS outside_usage,
       has_schema_privilege('public', 'twin_privacy', 'CREATE') AS outside_create,
       has_schema_privilege('public', 'twin_privacy_internal', 'USAGE') AS inside_usage;

-- no function that is not C runs under the caller's search_path
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace IN ('twin_privacy'::regnamespace, 'twin_privacy_internal'::regnamespace)
   AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
   AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
 ORDER BY p.oid::regprocedure::text;

-- nothing inside can be touched by PUBLIC
SELECT c.oid::regclass FROM pg_class c
 WHERE c.relnamespace = 'twin_privacy_internal'::regnamespace
   AND c.relkind IN ('r', 'v', 'm', 'p', 'S')
   AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
 ORDER BY c.oid::regclass::text;

-- it is installed into its own schema and cannot be moved
ALTER EXTENSION twin_privacy SET SCHEMA public;

-- it goes and comes back
SET client_min_messages = warning;
DROP EXTENSION twin_privacy;
CREATE EXTENSION twin_privacy;
SELECT count(*) FROM pg_extension WHERE extname = 'twin_privacy';

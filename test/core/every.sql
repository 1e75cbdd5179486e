-- every.sql - between test_setup and the other core tests: each table that
-- stands or is made from now on becomes protected, under a use that sees and may
-- do everything, if it has a column that can name a subject: of a key's type,
-- and NOT NULL, because rows without a subject are nobody's.
\set ON_ERROR_STOP 1
\ir protect.sql
CREATE SCHEMA core_every;
CREATE FUNCTION core_every.protect(target oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
    subject name := (SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
                     WHERE attrelid = target AND attnum > 0 AND attnotnull AND NOT attisdropped AND attgenerated = '' AND NOT relispartition
                         AND relkind IN ('r', 'p') AND relpersistence <> 't' AND reloftype = 0
                         AND atttypid IN ('int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype)
                     ORDER BY attnum LIMIT 1);
BEGIN
    IF subject IS NOT NULL THEN
        PERFORM twin_privacy.protect_table(target::regclass, subject => quote_ident(subject), category => 'clinical');
        IF current_setting('core_every.gated', true) = 'on' THEN
            PERFORM twin_privacy.label_column(target::regclass, attname, 'category=imaging, kind=plain')
            FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attname <> subject;
        END IF;
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'core_every: %: %', target::regclass, SQLERRM;
END$$;
CREATE FUNCTION core_every.born() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM core_every.protect(objid) FROM pg_event_trigger_ddl_commands()
    WHERE object_type = 'table' AND command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO');
END$$;
CREATE EVENT TRIGGER core_every ON ddl_command_end
    WHEN tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') EXECUTE FUNCTION core_every.born();
SELECT core_every.protect(oid) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND oid NOT IN (SELECT target FROM twin_privacy.protected_tables);

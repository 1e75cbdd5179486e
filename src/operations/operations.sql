--
-- operations: how the extension is doing. Each check is a function status_NAME
-- that gives (state, detail); status() calls them one by one, so that one that
-- fails - the library missing, the key unreadable - hides none of the others.
--

CREATE FUNCTION twin_privacy_internal.library_version() RETURNS text
    AS 'MODULE_PATHNAME', 'twp_operations_library_version'
    LANGUAGE C STABLE PARALLEL SAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.library_version() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_preload(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN p.loaded THEN 'ok' ELSE 'error' END,
           CASE WHEN p.loaded THEN 'the library is preloaded'
                ELSE 'protected tables are closed: add twin_privacy to shared_preload_libraries and restart' END
      FROM (SELECT 'twin_privacy' = ANY (string_to_array(translate(setting, ' "', ''), ',')) AS loaded
              FROM pg_settings WHERE name = 'shared_preload_libraries') AS p;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_preload() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_version(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN e.extversion = v.library AND e.extversion = a.default_version THEN 'ok' ELSE 'warning' END,
           'extension ' || e.extversion || ', library ' || v.library ||
           CASE WHEN e.extversion <> a.default_version
                THEN ': ALTER EXTENSION twin_privacy UPDATE leads to ' || a.default_version
                WHEN e.extversion <> v.library THEN ': restart the server to load the installed library' ELSE '' END
      FROM pg_extension AS e
      JOIN pg_available_extensions AS a ON a.name = e.extname
     CROSS JOIN (SELECT twin_privacy_internal.library_version() AS library) AS v
     WHERE e.extname = 'twin_privacy';
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_version() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_master_key(OUT state text, OUT detail text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN k.foreign_keys > 0 THEN 'warning' ELSE 'ok' END,
           'readable; data keys: ' || k.live ||
           CASE WHEN k.foreign_keys > 0
                THEN ', ' || k.foreign_keys || ' of them under another master key: call twin_privacy.rewrap_pseudonym_keys()'
                ELSE '' END
      FROM (SELECT count(p.wrapped) AS live, count(*) FILTER (WHERE p.master_id <> m.id) AS foreign_keys
              FROM (SELECT twin_privacy_internal.master_key_id() AS id) AS m
              LEFT JOIN twin_privacy_internal.pseudonym_key AS p ON p.wrapped IS NOT NULL) AS k;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_master_key() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_ledger(OUT state text, OUT detail text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- a segment of 16 MB is kept ready while the disk has room for one
    SELECT CASE WHEN l.state <> 'open' OR l.space_left < 262144 THEN 'error'
                WHEN l.space_left < 8388608 OR l.strange_chains > 0 OR l.max_bytes > 0 AND l.bytes > l.max_bytes * 0.8 THEN 'warning' ELSE 'ok' END,
           l.state || coalesce(' (' || l.reason || ')', '') || ', ' || pg_size_pretty(l.bytes) ||
           CASE WHEN l.max_bytes > 0 THEN ' of ' || pg_size_pretty(l.max_bytes) ELSE '' END || ' of segments' ||
           CASE WHEN l.space_left < 8388608 THEN ', room for ' || pg_size_pretty(l.space_left) || ' more: free space on its disk' ELSE '' END ||
           CASE WHEN l.strange_chains > 0 THEN '; chains of another cluster lie beside them: ' || l.strange_chains ||
                ': after pg_upgrade let an auditor call twin_privacy.adopt_ledger(reason)' ELSE '' END
      FROM twin_privacy_internal.ledger_figures() AS l;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_ledger() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_ledger_worker(OUT state text, OUT detail text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN l.worker_running THEN 'ok' ELSE 'error' END,
           CASE WHEN l.worker_running THEN 'running' ELSE 'not running: look at the server log' END
      FROM twin_privacy_internal.ledger_figures() AS l;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_ledger_worker() FROM PUBLIC;

-- What waits longest is one completion, some 10 ms; a megabyte waiting means that the disk does not keep up.
CREATE FUNCTION twin_privacy_internal.status_ledger_lag(OUT state text, OUT detail text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN l.waiting_bytes > 1024 * 1024 OR (pg_is_in_recovery() AND l.unshipped_segments > 2) THEN 'warning' ELSE 'ok' END,
           l.waiting_bytes || ' bytes wait to be durable' ||
           CASE WHEN pg_is_in_recovery() THEN ', ' || l.unshipped_segments || ' segments may not be on the primary yet' ELSE '' END
      FROM twin_privacy_internal.ledger_figures() AS l;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_ledger_lag() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_consent_map(OUT state text, OUT detail text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN s.setting = '0' THEN 'warning' ELSE 'ok' END,
           CASE WHEN s.setting = '0' THEN 'twin_privacy.consent_map_memory is 0: consents are looked up one by one'
                WHEN m.subjects IS NULL THEN 'none yet: the first large statement builds it'
                ELSE m.subjects || ' subjects, ' || m.profiles || ' profiles, ' || pg_size_pretty(m.bytes) END
      FROM pg_settings AS s LEFT JOIN twin_privacy_internal.consent_map() AS m ON true
     WHERE s.name = 'twin_privacy.consent_map_memory';
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_consent_map() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_protection(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN f.errors > 0 THEN 'error' WHEN f.warnings > 0 OR t.n = 0 THEN 'warning' ELSE 'ok' END,
           CASE WHEN t.n = 0 THEN 'no table is protected'
                ELSE 'tables: ' || t.n || '; twin_privacy.check_protection() finds errors: ' || f.errors || ', warnings: ' || f.warnings END
      FROM (SELECT count(*) AS n FROM twin_privacy.protected_tables) AS t
     CROSS JOIN (SELECT count(*) FILTER (WHERE severity = 'error') AS errors,
                        count(*) FILTER (WHERE severity = 'warning') AS warnings
                   FROM twin_privacy.check_protection()) AS f;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_protection() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_four_eyes(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN count(*) < 2 THEN 'warning' ELSE 'ok' END,
           'logins that are officers: ' || count(*) || CASE WHEN count(*) < 2 THEN '; no use can be approved' ELSE '' END
      FROM pg_roles AS r
     WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, 'twin_privacy_officer', 'MEMBER');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_four_eyes() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_uses(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN u.ending > 0 THEN 'warning' ELSE 'ok' END,
           'approved and in their period: ' || u.usable || ', of them for less than 30 days more: ' || u.ending ||
           '; waiting for approval: ' || u.proposed || '; suspended: ' || u.suspended
      FROM (SELECT count(*) FILTER (WHERE status = 'approved' AND valid @> now()) AS usable,
                   count(*) FILTER (WHERE status = 'approved' AND valid @> now()
                                      AND NOT valid @> (now() + interval '30 days')) AS ending,
                   count(*) FILTER (WHERE status = 'proposed') AS proposed,
                   count(*) FILTER (WHERE status = 'suspended') AS suspended
              FROM twin_privacy_internal.approved_use) AS u;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_uses() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_break_glass(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN count(*) > 0 THEN 'warning' ELSE 'ok' END, 'events waiting for review: ' || count(*)
      FROM twin_privacy_internal.break_glass_event WHERE verdict IS NULL;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_break_glass() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_replication(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN s.slots + p.publications > 0 THEN 'warning' ELSE 'ok' END,
           'logical slots: ' || s.slots || ', publications of all tables: ' || p.publications ||
           CASE WHEN s.slots + p.publications > 0 THEN '; decoding shows raw rows' ELSE '' END
      FROM (SELECT count(*) AS slots FROM pg_replication_slots
             WHERE slot_type = 'logical' AND database = current_database()) AS s
     CROSS JOIN (SELECT count(*) AS publications FROM pg_publication WHERE puballtables) AS p;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_replication() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.status_maintenance(OUT state text, OUT detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN m.n > 0 OR c.is_on THEN 'error' ELSE 'ok' END,
           CASE WHEN c.is_on THEN 'on in this session' ELSE 'off in this session' END ||
           CASE WHEN m.n > 0 THEN '; settings of roles or databases that turn it on at login: ' || m.n ELSE '' END
      FROM (SELECT count(*) AS n FROM pg_db_role_setting AS d CROSS JOIN unnest(d.setconfig) AS s(item)
             WHERE s.item ILIKE 'twin_privacy.maintenance=%' AND s.item !~* '=(off|false|no|0|f|n)$') AS m
     CROSS JOIN (SELECT coalesce(current_setting('twin_privacy.maintenance', true), 'off') = 'on' AS is_on) AS c;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.status_maintenance() FROM PUBLIC;

CREATE FUNCTION twin_privacy.status(OUT check_name text, OUT state text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOREACH check_name IN ARRAY ARRAY['preload', 'version', 'master_key', 'ledger', 'ledger_worker', 'ledger_lag',
                                      'consent_map', 'protection', 'four_eyes', 'uses', 'break_glass',
                                      'replication', 'maintenance']
    LOOP
        BEGIN
            EXECUTE format('SELECT s.state, s.detail FROM twin_privacy_internal.%I() AS s', 'status_' || check_name)
               INTO STRICT state, detail;
        EXCEPTION WHEN OTHERS THEN
            state := 'error';
            detail := SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION twin_privacy.status() IS
    'How the extension is doing in this database, one row a check: check_name, state (ok, warning, error), detail with what to do (the four roles and pg_monitor). '
    'Checks: preload, version, master_key, ledger, ledger_worker, ledger_lag, consent_map, protection, four_eyes, uses, break_glass, replication, maintenance. '
    'Works without the library, too.';
REVOKE ALL ON FUNCTION twin_privacy.status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.status()
    TO twin_privacy_admin, twin_privacy_officer, twin_privacy_registrar, twin_privacy_auditor, pg_monitor;

-- The figures of twin_privacy_stat; only the view can name it.
CREATE FUNCTION twin_privacy_internal.stat_rows(OUT metric text, OUT kind text, OUT label text, OUT value numeric)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT f.* FROM twin_privacy_internal.ledger_figures() AS l
     CROSS JOIN LATERAL (VALUES
        ('statements_total', 'counter', NULL::text, l.statements::numeric),
        ('refusals_total', 'counter', 'TP001', l.refused_tp001),
        ('refusals_total', 'counter', 'TP002', l.refused_tp002),
        ('refusals_total', 'counter', 'TP003', l.refused_tp003),
        ('refusals_total', 'counter', 'TP004', l.refused_tp004),
        ('refusals_total', 'counter', 'TP005', l.refused_tp005),
        ('refusals_total', 'counter', 'other', l.refused_other),
        ('events_total', 'counter', NULL, l.events),
        ('ledger_open', 'gauge', NULL, (l.state = 'open')::int),
        ('ledger_records', 'gauge', NULL, l.last_record),
        ('ledger_open_records', 'gauge', NULL, l.open_records),
        ('ledger_waiting_bytes', 'gauge', NULL, l.waiting_bytes),
        ('ledger_bytes', 'gauge', NULL, l.bytes),
        ('ledger_max_bytes', 'gauge', NULL, l.max_bytes)) AS f(metric, kind, label, value)
    UNION ALL
    SELECT f.* FROM (SELECT max(bytes) AS bytes, max(subjects) AS known
                       FROM twin_privacy_internal.consent_map()) AS m
     CROSS JOIN LATERAL (VALUES
        ('consent_map_subjects', 'gauge', NULL::text, coalesce(m.known, 0)::numeric),
        ('consent_map_bytes', 'gauge', NULL, coalesce(m.bytes, 0))) AS f(metric, kind, label, value)
    UNION ALL
    SELECT f.* FROM twin_privacy_internal.consent_counters() AS c
     CROSS JOIN LATERAL (VALUES
        ('consent_questions_total', 'counter', 'map', c.with_map::numeric),
        ('consent_questions_total', 'counter', 'index', c.without_map),
        ('consent_lookups_total', 'counter', NULL, c.lookups),
        ('consent_map_builds_total', 'counter', NULL, c.builds)) AS f(metric, kind, label, value)
    UNION ALL
    SELECT 'uses', 'gauge', s.status, (SELECT count(*) FROM twin_privacy_internal.approved_use AS u WHERE u.status = s.status)
      FROM (VALUES ('proposed'), ('approved'), ('suspended')) AS s(status)
    UNION ALL
    SELECT 'break_glass_unreviewed', 'gauge', NULL, count(*) FROM twin_privacy_internal.break_glass_event WHERE verdict IS NULL
    UNION ALL
    SELECT 'protection_findings', 'gauge', s.severity,
           (SELECT count(*) FROM twin_privacy.check_protection() AS c WHERE c.severity = s.severity)
      FROM (VALUES ('error'), ('warning')) AS s(severity);
END;

CREATE VIEW twin_privacy.twin_privacy_stat AS
    SELECT 'twin_privacy_' OPERATOR(pg_catalog.||) s.metric AS metric, s.kind, s.label, s.value
      FROM twin_privacy_internal.stat_rows() AS s;
REVOKE ALL ON twin_privacy.twin_privacy_stat FROM PUBLIC;
GRANT SELECT ON twin_privacy.twin_privacy_stat
    TO twin_privacy_admin, twin_privacy_officer, twin_privacy_registrar, twin_privacy_auditor, pg_monitor;
COMMENT ON VIEW twin_privacy.twin_privacy_stat IS
    'Figures for monitoring, one row a value: metric (name as for Prometheus), kind (counter, gauge), label (SQLSTATE, way, status or severity; NULL: none), value. '
    'Counters are the server''s and count from its start; ledger_* are the server''s, too; the rest is this database''s. For the four roles and pg_monitor.';

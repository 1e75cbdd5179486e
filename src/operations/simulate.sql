--
-- simulate: what a use would show, before it is approved, and expectations to
-- test a policy by. By the terms and consents alone: no row is read.
--

CREATE FUNCTION twin_privacy_internal.judge(use text, target oid, subject text, OUT column_name name, OUT verdict text, OUT reason text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_operations_judge'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.judge(text, oid, text) FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.count_open(use text, target oid, OUT known bigint, OUT visible bigint)
    AS 'MODULE_PATHNAME', 'twp_operations_count_open'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.count_open(text, oid) FROM PUBLIC;

CREATE FUNCTION twin_privacy.simulate_use(code text,
        OUT target text, OUT category text, OUT refused text, OUT subjects bigint, OUT subjects_visible bigint,
        OUT columns_clear bigint, OUT columns_masked bigint, OUT columns_aggregated bigint, OUT columns_hidden bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.target::text, t.category, j.refused, n.known, n.visible, j.clear, j.masked, j.aggregated, j.hidden
      FROM twin_privacy.protected_tables AS t
     CROSS JOIN LATERAL (
        SELECT max(v.reason) FILTER (WHERE v.verdict = 'refused') AS refused,
               count(*) FILTER (WHERE v.column_name IS NOT NULL AND v.verdict = 'clear') AS clear,
               count(*) FILTER (WHERE v.column_name IS NOT NULL AND v.verdict = 'masked') AS masked,
               count(*) FILTER (WHERE v.column_name IS NOT NULL AND v.verdict = 'aggregated') AS aggregated,
               count(*) FILTER (WHERE v.column_name IS NOT NULL AND v.verdict = 'hidden') AS hidden
          FROM twin_privacy_internal.judge(simulate_use.code, t.target::oid, NULL) AS v) AS j
     CROSS JOIN LATERAL twin_privacy_internal.count_open(simulate_use.code, t.target::oid) AS n
     WHERE t.source = t.target
     ORDER BY t.target::text COLLATE "C";
END;
COMMENT ON FUNCTION twin_privacy.simulate_use(text) IS
    'What a use would show if it were approved, granted and in its period, one row a protected table (officer, auditor, admin): refused (why nothing at all; NULL: not refused), subjects (with any directive, '
    'and a key of the table''s kind), subjects_visible (for whom the table''s category is open now; with a basis other than consent those without directives come on top), and how many columns come clear, masked, '
    'aggregated or hidden to one who permits everything. Reads consents, no row of the table. NULL: error 22004. Errors: 42704 no such use.';
REVOKE ALL ON FUNCTION twin_privacy.simulate_use(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.simulate_use(text) TO twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;

CREATE FUNCTION twin_privacy.test_policy(expectations jsonb,
        OUT number integer, OUT expectation text, OUT expected text, OUT actual text, OUT reason text, OUT passed boolean)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item jsonb;
    relation regclass;
    complaint text;
BEGIN
    IF expectations IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'expectations must not be null',
            HINT = 'Give an array of objects with "use", "table" and "expect".';
    END IF;
    IF jsonb_typeof(expectations) <> 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'expectations must be an array',
            HINT = 'Give an array of objects with "use", "table" and "expect".';
    END IF;
    number := 0;
    FOR item IN SELECT * FROM jsonb_array_elements(expectations)
    LOOP
        number := number + 1;
        complaint := CASE
            WHEN jsonb_typeof(item) <> 'object' THEN 'is not an object'
            WHEN NOT item ?& '{use,table,expect}' THEN 'lacks "use", "table" or "expect"'
            WHEN EXISTS (SELECT FROM jsonb_object_keys(item) AS k WHERE k <> ALL ('{use,table,column,subject,role,expect,because}'))
                THEN 'has a key that is not known'
            WHEN item->>'expect' <> ALL (CASE WHEN item ? 'column' THEN '{clear,masked,aggregated,hidden,refused}'
                                              ELSE '{visible,hidden,refused}' END::text[]) THEN 'expects what cannot be'
            END;
        IF complaint IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('expectation %s %s', number, complaint),
                HINT = 'Keys are use, table, column, subject, role, expect and because; expect is visible, hidden or refused, of a column clear, masked, aggregated, hidden or refused.';
        END IF;
        relation := (item->>'table')::regclass;
        expectation := concat_ws(' ', item->>'use', 'on', relation::text || coalesce('.' || quote_ident(item->>'column'), ''),
                                 'of ' || (item->>'subject'), 'for ' || (item->>'role'), '(' || (item->>'because') || ')');
        expected := item->>'expect';
        IF item ? 'column' AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attname = item->>'column' AND attnum > 0) THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_column',
                MESSAGE = format('column "%s" of the table does not exist', item->>'column'), HINT = 'Correct the expectation, or the table.';
        END IF;
        SELECT v.verdict, v.reason INTO actual, reason
          FROM twin_privacy_internal.judge(item->>'use', relation, item->>'subject') AS v
         WHERE v.column_name IS NULL OR v.column_name = (item->>'column')::name
         ORDER BY v.column_name IS NULL LIMIT 1;
        IF item ? 'role' AND NOT EXISTS (
            SELECT FROM twin_privacy_internal.use_grant AS g JOIN pg_roles AS r ON r.oid = g.grantee
             WHERE g.code = item->>'use' AND pg_has_role((item->>'role')::name, r.oid, 'USAGE')) THEN
            actual := 'refused';
            reason := 'the use is not granted to the role';
        END IF;
        passed := actual = expected;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION twin_privacy.test_policy(jsonb) IS
    'Tests expectations about uses, one row each with passed (officer, auditor, admin): an array of objects with use (code, as soon as it is proposed), table, expect, and where wanted column, subject (canonical key; without it: one who '
    'permits everything), role (to whom the use must be granted), because (free text). expect: visible, hidden or refused; of a column clear, masked, aggregated, hidden or refused. The terms count, not approval or period; '
    'row labels are not looked at. NULL: error 22004. Errors: 22023 not an expectation, 42704 no such use or role, 42P01, 42703, 55000 table not protected.';
REVOKE ALL ON FUNCTION twin_privacy.test_policy(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.test_policy(jsonb) TO twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;

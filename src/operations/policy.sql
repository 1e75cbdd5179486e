--
-- policy: what is allowed, as one document to keep under version control.
-- Nothing here writes: import_policy() calls the functions that people call,
-- with the caller's own rights, so four eyes and the ledger stay as they are.
--

-- An item of a table's label; NULL: the label does not have it.
CREATE FUNCTION twin_privacy_internal.policy_item(label text, item text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- every item in its turn: what stands in the quotes of one is no item
    SELECT btrim(m[2], E' \t\n\r\f\x0b') FROM regexp_matches(label, '([^=,\s]+)\s*=\s*((?:"[^"]*"|[^,"])*)', 'g') AS m WHERE m[1] = item LIMIT 1;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_item(text, text) FROM PUBLIC;

CREATE FUNCTION twin_privacy.export_policy() RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'format', 'twin_privacy policy 1',
        'purposes', (
            SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('code', p.code, 'parent', v.parent, 'display', p.display))
                                      ORDER BY p.code COLLATE "C"), '[]')
              FROM twin_privacy_internal.purpose AS p JOIN twin_privacy.purposes AS v ON v.code = p.code
             WHERE NOT p.seeded),
        'prohibitions', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', p.code, 'reason', p.reason) ORDER BY p.code COLLATE "C"), '[]')
              FROM twin_privacy_internal.purpose_prohibition AS p WHERE NOT p.seeded),
        'categories', (
            SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('code', c.code, 'parent', c.parent, 'display', c.display))
                                      ORDER BY c.code COLLATE "C"), '[]')
              FROM twin_privacy_internal.category AS c WHERE NOT c.seeded),
        'derivations', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('category', d.category, 'from_categories', to_jsonb(d.from_categories))
                                      ORDER BY d.category COLLATE "C"), '[]')
              FROM twin_privacy.derivations AS d),
        'tables', (
            SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                       'table', l.objoid::regclass::text, 'subject', t.subject, 'category', t.category, 'label_column', t.label_column,
                       'author', twin_privacy_internal.policy_item(o.label, 'author'), 'encounter', twin_privacy_internal.policy_item(o.label, 'encounter'),
                       'date', twin_privacy_internal.policy_item(o.label, 'date'),
                       'purpose_column', (parse_ident(twin_privacy_internal.policy_item(o.label, 'purpose')))[1],
                       'context', twin_privacy_internal.policy_item(o.label, 'context'),
                       'untraced', twin_privacy_internal.policy_item(o.label, 'untraced'),
                       'provenance', (
                           SELECT jsonb_agg(jsonb_build_object('key', p.target_key, 'table', p.provenance::text, 'derived_column', p.derived_column,
                                                               'source', p.source::text, 'source_column', p.source_column, 'source_key', p.source_key)
                                            ORDER BY p.provenance::text COLLATE "C", p.derived_column, p.source::text COLLATE "C", p.source_column, p.source_key)
                             FROM twin_privacy.traced_tables AS p WHERE p.target = l.objoid)))
                       || jsonb_build_object('columns', (
                           SELECT coalesce(jsonb_object_agg(a.attname, s.label), '{}')
                             FROM pg_seclabel AS s JOIN pg_attribute AS a ON a.attrelid = s.objoid AND a.attnum = s.objsubid
                            WHERE s.objoid = l.objoid AND s.classoid = 'pg_class'::regclass AND s.objsubid > 0
                              AND s.provider = 'twin_privacy'))
                       ORDER BY l.objoid::regclass::text COLLATE "C"), '[]')
              FROM (SELECT DISTINCT objoid FROM pg_seclabel
                     WHERE provider = 'twin_privacy' AND classoid = 'pg_class'::regclass) AS l
              LEFT JOIN pg_seclabel AS o ON o.objoid = l.objoid AND o.classoid = 'pg_class'::regclass AND o.objsubid = 0 AND o.provider = 'twin_privacy'
              LEFT JOIN twin_privacy.protected_tables AS t ON t.target = l.objoid AND t.source = l.objoid),
        'recipients', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('recipient', r.recipient, 'kind', r.kind) ORDER BY r.recipient), '[]')
              FROM twin_privacy_internal.recipient_kind AS r),
        'uses', (
            SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                       'code', u.code, 'purpose', u.purpose, 'recipient', u.recipient, 'categories', to_jsonb(u.categories),
                       'disclosure', u.disclosure, 'valid', u.valid::text, 'statement', u.statement, 'export', u.export,
                       'min_cohort', u.min_cohort, 'epsilon', u.epsilon, 'basis', u.basis, 'overrides_deny', u.overrides_deny,
                       'max_subjects_per_day', u.max_subjects_per_day, 'max_duration', u.max_duration::text))
                       || jsonb_build_object('grants', (
                           SELECT coalesce(jsonb_agg(r.rolname ORDER BY r.rolname COLLATE "C"), '[]')
                             FROM twin_privacy_internal.use_grant AS g JOIN pg_roles AS r ON r.oid = g.grantee
                            WHERE g.code = u.code))
                       ORDER BY u.code), '[]')
              FROM twin_privacy_internal.approved_use AS u
              JOIN twin_privacy.purposes AS p ON p.code = u.purpose AND NOT p.prohibited));
END;
COMMENT ON FUNCTION twin_privacy.export_policy() IS
    'The policy of this database as one document (admin, officer, auditor): own purposes, prohibitions and categories, derivations, labels of tables and columns, recipients that insure or employ people, uses with their grants. '
    'No consents, no keys, no approvals: a use imported elsewhere arrives as proposed. Uses of prohibited purposes are left out. The same policy gives the same text.';
REVOKE ALL ON FUNCTION twin_privacy.export_policy() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.export_policy() TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;

-- Raises 22023 for a document that import would misunderstand: what is not known must not be skipped.
CREATE FUNCTION twin_privacy_internal.policy_check(policy jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sections CONSTANT jsonb := '{
        "purposes": {"key": "code", "must": ["code", "display"], "may": ["parent"]},
        "prohibitions": {"key": "purpose", "must": ["purpose", "reason"], "may": []},
        "categories": {"key": "code", "must": ["code", "display"], "may": ["parent"]},
        "derivations": {"key": "category", "must": ["category", "from_categories"], "may": []},
        "tables": {"key": "table", "must": ["table"], "may": ["subject", "category", "label_column", "author", "encounter", "date",
                 "purpose_column", "context", "untraced", "provenance", "columns"]},
        "recipients": {"key": "recipient", "must": ["recipient", "kind"], "may": []},
        "uses": {"key": "code", "must": ["code", "purpose", "recipient", "categories", "disclosure"],
                 "may": ["valid", "statement", "export", "min_cohort", "epsilon", "basis", "overrides_deny",
                         "max_subjects_per_day", "max_duration", "grants"]}}';
    complaint text;
BEGIN
    IF policy IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'policy must not be null',
            HINT = 'Give a document as twin_privacy.export_policy() makes.';
    END IF;
    IF jsonb_typeof(policy) <> 'object' OR policy->>'format' IS DISTINCT FROM 'twin_privacy policy 1' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'not a policy of twin_privacy',
            HINT = 'It is an object whose "format" is "twin_privacy policy 1".';
    END IF;
    SELECT format('"%s" is no section of a policy', k) INTO complaint
      FROM jsonb_object_keys(policy) AS k WHERE k <> 'format' AND NOT sections ? k LIMIT 1;
    IF complaint IS NULL THEN
        SELECT format('"%s" must be an array', k) INTO complaint
          FROM jsonb_each(policy) AS e(k, v) WHERE k <> 'format' AND jsonb_typeof(v) <> 'array' LIMIT 1;
    END IF;
    IF complaint IS NULL THEN
        SELECT CASE WHEN jsonb_typeof(i) <> 'object' THEN format('an element of "%s" is not an object', s.k)
                    WHEN NOT i ?& ARRAY(SELECT jsonb_array_elements_text(s.v->'must')) OR i->>(s.v->>'key') IS NULL
                        THEN format('an element of "%s" lacks one of %s', s.k, s.v->>'must')
                    ELSE (SELECT format('"%s" is no key of an element of "%s"', k, s.k) FROM jsonb_object_keys(i) AS k
                           WHERE NOT (s.v->'must' ? k OR s.v->'may' ? k) LIMIT 1) END
          INTO complaint
          FROM jsonb_each(sections) AS s(k, v) CROSS JOIN jsonb_array_elements(policy->s.k) AS i
         WHERE jsonb_typeof(i) <> 'object' OR NOT i ?& ARRAY(SELECT jsonb_array_elements_text(s.v->'must'))
            OR i->>(s.v->>'key') IS NULL
            OR EXISTS (SELECT FROM jsonb_object_keys(i) AS k WHERE NOT (s.v->'must' ? k OR s.v->'may' ? k))
         LIMIT 1;
    END IF;
    IF complaint IS NULL THEN
        SELECT format('an element of "provenance" of table "%s" has other keys than key, table, derived_column, source, source_column, source_key', t->>'table')
          INTO complaint
          FROM jsonb_array_elements(policy->'tables') AS t CROSS JOIN jsonb_array_elements(t->'provenance') AS p
         WHERE jsonb_typeof(p) <> 'object' OR jsonb_strip_nulls(p) - '{key,table,derived_column,source,source_column,source_key}'::text[] <> '{}'
            OR NOT jsonb_strip_nulls(p) ?& '{key,table,derived_column,source,source_column,source_key}'::text[] LIMIT 1;
    END IF;
    IF complaint IS NULL THEN
        SELECT format('"%s" is listed twice in "%s"', i->>(s.v->>'key'), s.k) INTO complaint
          FROM jsonb_each(sections) AS s(k, v) CROSS JOIN jsonb_array_elements(policy->s.k) AS i
         GROUP BY s.k, i->>(s.v->>'key') HAVING count(*) > 1 LIMIT 1;
    END IF;
    IF complaint IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = complaint,
            HINT = 'Compare with a document that twin_privacy.export_policy() made.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_check(jsonb) FROM PUBLIC;

-- Codes with their depth below what exists already, so that parents come first; a circle is an error.
CREATE FUNCTION twin_privacy_internal.policy_terms(items jsonb) RETURNS TABLE (code text, parent text, display text, depth integer)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE listed AS (
        SELECT i->>'code' AS code, i->>'parent' AS parent, i->>'display' AS display FROM jsonb_array_elements(items) AS i
    ), tree AS (
        SELECT l.*, 0 AS depth FROM listed AS l WHERE NOT EXISTS (SELECT FROM listed AS x WHERE x.code = l.parent)
        UNION ALL
        SELECT l.*, t.depth + 1 FROM listed AS l JOIN tree AS t ON l.parent = t.code
    )
    SELECT * FROM tree;
    IF (SELECT count(*) FROM jsonb_array_elements(items)) <>
       (WITH RECURSIVE listed AS (
            SELECT i->>'code' AS code, i->>'parent' AS parent FROM jsonb_array_elements(items) AS i
        ), tree AS (
            SELECT l.code FROM listed AS l WHERE NOT EXISTS (SELECT FROM listed AS x WHERE x.code = l.parent)
            UNION ALL
            SELECT l.code FROM listed AS l JOIN tree AS t ON l.parent = t.code
        ) SELECT count(*) FROM tree) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition', MESSAGE = 'codes of the policy lie below themselves',
            HINT = 'Follow the parents of its purposes and categories.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_terms(jsonb) FROM PUBLIC;

-- The terms of a use with every default in place and every value in one spelling; no valid: from now on.
CREATE FUNCTION twin_privacy_internal.policy_use(item jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
BEGIN ATOMIC
    SELECT jsonb_strip_nulls('{"export": false, "min_cohort": 11, "basis": "consent", "overrides_deny": false}'::jsonb
        || jsonb_strip_nulls(item) || jsonb_build_object(
            'valid', (item->>'valid')::tstzrange::text,
            'max_duration', (item->>'max_duration')::interval::text,
            'categories', (SELECT jsonb_agg(DISTINCT c ORDER BY c) FROM jsonb_array_elements_text(item->'categories') AS c))) - 'grants';
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_use(jsonb) FROM PUBLIC;

-- A column label without its blanks and in order, to compare two.
CREATE FUNCTION twin_privacy_internal.policy_label(label text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(i, ', ' ORDER BY i COLLATE "C")
      FROM unnest(string_to_array(regexp_replace(label, '\s', '', 'g'), ',')) AS i;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_label(text) FROM PUBLIC;

-- Purposes, prohibitions and categories: they are added, never changed or taken away.
CREATE FUNCTION twin_privacy_internal.policy_vocabulary(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.rank * 100 + t.depth, CASE WHEN v.code IS NULL THEN 'add' ELSE 'conflict' END, t.kind, t.code,
           CASE WHEN v.code IS NULL THEN coalesce('below ' || t.parent || ': ', '') || t.display
                ELSE 'exists' || coalesce(' below ' || v.parent, '') || ' as "' || v.display || '", and cannot be changed' END,
           jsonb_build_object('code', t.code, 'parent', t.parent, 'display', t.display)
      FROM (SELECT 1 AS rank, 'purpose' AS kind, p.* FROM twin_privacy_internal.policy_terms(policy->'purposes') AS p
            UNION ALL
            SELECT 3, 'category', c.* FROM twin_privacy_internal.policy_terms(policy->'categories') AS c) AS t
      LEFT JOIN (SELECT 'purpose' AS kind, p.code, p.parent, p.display FROM twin_privacy.purposes AS p
                 UNION ALL
                 SELECT 'category', c.code, c.parent, c.display FROM twin_privacy.categories AS c) AS v
             ON v.kind = t.kind AND v.code = t.code
     WHERE v.code IS NULL OR v.parent IS DISTINCT FROM t.parent OR v.display <> t.display
    UNION ALL
    SELECT 200, 'add', 'prohibition', p->>'purpose', p->>'reason', p
      FROM jsonb_array_elements(policy->'prohibitions') AS p
     WHERE NOT EXISTS (SELECT FROM twin_privacy_internal.purpose_prohibition AS x WHERE x.code = p->>'purpose')
    UNION ALL
    SELECT 900, 'extra', s.kind, i->>s.key, 'is here and not in the policy; it stays', NULL
      FROM (VALUES ('purposes', 'purpose', 'code'), ('prohibitions', 'prohibition', 'purpose'),
                   ('categories', 'category', 'code')) AS s(section, kind, key)
     CROSS JOIN jsonb_array_elements(current->s.section) AS i
     WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(policy->s.section) AS w WHERE w->>s.key = i->>s.key)
       AND policy ? s.section;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_vocabulary(jsonb, jsonb) FROM PUBLIC;

-- Derivations: the policy's replaces the one here; those that are only here stay, which is the closed side.
CREATE FUNCTION twin_privacy_internal.policy_derivations(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        SELECT w->>'category' AS category, w,
               (SELECT string_agg(DISTINCT x, ', ' ORDER BY x) FROM jsonb_array_elements_text(w->'from_categories') AS x) AS wanted,
               (SELECT string_agg(DISTINCT x, ', ' ORDER BY x) FROM jsonb_array_elements_text(c->'from_categories') AS x) AS had
          FROM jsonb_array_elements(policy->'derivations') AS w
          LEFT JOIN jsonb_array_elements(current->'derivations') AS c ON c->>'category' = w->>'category'
    )
    SELECT 350, CASE WHEN l.had IS NULL THEN 'add' ELSE 'change' END, 'derivation', l.category,
           'from ' || concat_ws(' -> ', l.had, l.wanted), l.w
      FROM listed AS l WHERE l.wanted IS DISTINCT FROM l.had
    UNION ALL
    SELECT 900, 'extra', 'derivation', h->>'category', 'is here and not in the policy; it stays', NULL
      FROM jsonb_array_elements(current->'derivations') AS h
     WHERE policy ? 'derivations' AND NOT EXISTS (SELECT FROM listed AS l WHERE l.category = h->>'category');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_derivations(jsonb, jsonb) FROM PUBLIC;

-- Tables and columns. A table with no subject is only labelled: what protects it is above it.
CREATE FUNCTION twin_privacy_internal.policy_tables(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        SELECT w, (w->>'table')::regclass AS target, c
          FROM jsonb_array_elements(policy->'tables') AS w
          LEFT JOIN jsonb_array_elements(current->'tables') AS c ON (c->>'table')::regclass = (w->>'table')::regclass
    )
    SELECT 400, CASE WHEN l.c->>'subject' IS NULL THEN 'add' ELSE 'change' END, 'table', l.target::text,
           CASE WHEN l.c->>'subject' IS NULL THEN '' ELSE concat_ws(', ', l.c->>'subject', l.c->>'category', l.c->>'label_column', l.c->>'author', l.c->>'encounter', l.c->>'date') || ' -> ' END ||
           concat_ws(', ', l.w->>'subject', l.w->>'category', l.w->>'label_column', l.w->>'author', l.w->>'encounter', l.w->>'date'), l.w
      FROM listed AS l
     WHERE l.w->>'subject' IS NOT NULL
       AND (regexp_replace(l.w->>'subject', '\s', '', 'g'), l.w->>'category', regexp_replace(l.w->>'label_column', '\s', '', 'g'), l.w->>'author', l.w->>'encounter', l.w->>'date')
           IS DISTINCT FROM
           (regexp_replace(l.c->>'subject', '\s', '', 'g'), l.c->>'category', regexp_replace(l.c->>'label_column', '\s', '', 'g'), l.c->>'author', l.c->>'encounter', l.c->>'date')
    UNION ALL
    SELECT 500, CASE WHEN n.label IS NULL THEN 'remove' WHEN o.label IS NULL THEN 'add' ELSE 'change' END, 'column',
           l.target::text || '.' || quote_ident(coalesce(n.name, o.name)),
           concat_ws(' -> ', o.label, coalesce(n.label, 'no label: hidden')),
           jsonb_build_object('table', l.target::text, 'column', coalesce(n.name, o.name), 'label', n.label)
      FROM listed AS l
     CROSS JOIN (jsonb_each_text(l.w->'columns') AS n(name, label)
                         FULL JOIN jsonb_each_text(l.c->'columns') AS o(name, label) ON o.name = n.name)
     WHERE l.w ? 'columns'
       AND twin_privacy_internal.policy_label(n.label) IS DISTINCT FROM twin_privacy_internal.policy_label(o.label)
    UNION ALL
    SELECT 900, 'extra', 'table', h->>'table', 'is here and not in the policy; it stays', NULL
      FROM jsonb_array_elements(current->'tables') AS h
     WHERE policy ? 'tables' AND NOT EXISTS (SELECT FROM listed AS l WHERE l.target = (h->>'table')::regclass);
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_tables(jsonb, jsonb) FROM PUBLIC;

-- What tables' rows are made from, made for and kept for. Nothing of it is taken back: that opens rows.
CREATE FUNCTION twin_privacy_internal.policy_lineage(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        SELECT w, (w->>'table')::regclass AS target, coalesce(c, '{}') AS c, coalesce(w->>'untraced', 'closed') AS untraced, coalesce(c->>'untraced', 'closed') AS had_untraced
          FROM jsonb_array_elements(policy->'tables') AS w
          LEFT JOIN jsonb_array_elements(current->'tables') AS c ON (c->>'table')::regclass = (w->>'table')::regclass
    ), step AS (
        SELECT l.target, l.untraced, l.had_untraced, p || jsonb_build_object('table', (p->>'table')::regclass::text, 'source', (p->>'source')::regclass::text) AS p, l.c->'provenance' AS had
          FROM listed AS l CROSS JOIN jsonb_array_elements(l.w->'provenance') AS p
    )
    SELECT 550, CASE WHEN s.had @> jsonb_build_array(s.p) THEN 'change' ELSE 'add' END, 'provenance', s.target::text,
           concat_ws(', ', format('%s.%s -> %s.%s', s.p->>'table', s.p->>'source_column', s.p->>'source', s.p->>'source_key'), 'rows without it ' || s.untraced),
           s.p || jsonb_build_object('target', s.target::text, 'untraced', s.untraced)
      FROM step AS s WHERE NOT coalesce(s.had @> jsonb_build_array(s.p), false) OR s.untraced <> s.had_untraced
    UNION ALL
    SELECT 550, CASE WHEN l.c->>'purpose_column' IS NULL THEN 'add' ELSE 'change' END, 'purpose column', l.target::text,
           concat_ws(' -> ', l.c->>'purpose_column', l.w->>'purpose_column'), l.w
      FROM listed AS l WHERE l.w->>'purpose_column' IS NOT NULL AND l.w->>'purpose_column' IS DISTINCT FROM l.c->>'purpose_column'
    UNION ALL
    SELECT 550, CASE WHEN l.c->>'context' IS NULL THEN 'add' ELSE 'change' END, 'context', l.target::text,
           concat_ws(' -> ', l.c->>'context', l.w->>'context'), l.w
      FROM listed AS l WHERE l.w->>'context' IS NOT NULL AND l.w->>'context' IS DISTINCT FROM l.c->>'context'
    UNION ALL
    SELECT 900, 'extra', k.name, l.target::text, 'is here and not in the policy; it stays', NULL
      FROM listed AS l CROSS JOIN (VALUES ('purpose_column', 'purpose column'), ('context', 'context')) AS k(item, name)
     WHERE l.c->>k.item IS NOT NULL AND l.w->>k.item IS NULL
    UNION ALL
    SELECT 900, 'extra', 'provenance', l.target::text, 'is here and not in the policy; it stays', NULL
      FROM listed AS l CROSS JOIN jsonb_array_elements(l.c->'provenance') AS had
     WHERE NOT EXISTS (SELECT FROM step AS s WHERE s.target = l.target AND s.p = had);
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_lineage(jsonb, jsonb) FROM PUBLIC;

-- Recipients that insure or employ people: those that are only here stay, which is the closed side.
CREATE FUNCTION twin_privacy_internal.policy_recipients(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 590, CASE WHEN c IS NULL THEN 'add' ELSE 'change' END, 'recipient', w->>'recipient', concat_ws(' -> ', c->>'kind', w->>'kind'), w
      FROM jsonb_array_elements(policy->'recipients') AS w
      LEFT JOIN jsonb_array_elements(current->'recipients') AS c ON c->>'recipient' = w->>'recipient'
     WHERE c->>'kind' IS DISTINCT FROM w->>'kind'
    UNION ALL
    SELECT 900, 'extra', 'recipient', h->>'recipient', 'is here and not in the policy; it stays', NULL
      FROM jsonb_array_elements(current->'recipients') AS h
     WHERE policy ? 'recipients'
       AND NOT EXISTS (SELECT FROM jsonb_array_elements(policy->'recipients') AS w WHERE w->>'recipient' = h->>'recipient');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_recipients(jsonb, jsonb) FROM PUBLIC;

-- Uses and grants. An approved use is not changed under those who work with it.
CREATE FUNCTION twin_privacy_internal.policy_uses(policy jsonb, current jsonb)
    RETURNS TABLE (rank integer, action text, kind text, object text, detail text, terms jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        SELECT w->>'code' AS code, w, twin_privacy_internal.policy_use(w) AS wanted, twin_privacy_internal.policy_use(c) AS had,
               coalesce(c->'grants', '[]') AS grants, u.status
          FROM jsonb_array_elements(policy->'uses') AS w
          LEFT JOIN jsonb_array_elements(current->'uses') AS c ON c->>'code' = w->>'code'
          LEFT JOIN twin_privacy_internal.approved_use AS u ON u.code = w->>'code'
    ), differing AS (
        SELECT l.code, string_agg(format('%s: %s -> %s', coalesce(n.key, o.key), coalesce(o.value::text, 'none'), coalesce(n.value::text, 'none')),
                                  '; ' ORDER BY coalesce(n.key, o.key)) AS detail
          FROM listed AS l
         CROSS JOIN (jsonb_each(l.wanted) AS n FULL JOIN jsonb_each(l.had) AS o ON o.key = n.key)
         WHERE l.had IS NOT NULL AND n.value IS DISTINCT FROM o.value
           AND (coalesce(n.key, o.key) <> 'valid' OR n.value IS NOT NULL)
         GROUP BY l.code
    )
    SELECT 600, CASE WHEN l.status IS NULL THEN 'add' WHEN l.status = 'approved' THEN 'conflict' ELSE 'change' END, 'use', l.code,
           CASE WHEN l.status IS NULL THEN concat_ws(', ', l.w->>'purpose', l.w->>'recipient', l.w->>'disclosure') || ': proposed, for another officer to approve'
                WHEN l.status = 'approved' THEN 'is approved with other terms: ' || coalesce(d.detail, 'its purpose is prohibited')
                ELSE coalesce(d.detail, 'its purpose is prohibited') || ': proposed anew' END, l.w
      FROM listed AS l LEFT JOIN differing AS d ON d.code = l.code
     WHERE l.had IS NULL OR d.code IS NOT NULL
    UNION ALL
    SELECT 700, CASE WHEN n.role IS NULL THEN 'remove' ELSE 'add' END, 'grant', l.code || ' to ' || quote_ident(coalesce(n.role, o.role)),
           CASE WHEN n.role IS NULL THEN 'granted, and not in the policy'
                WHEN NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = n.role) THEN 'there is no such role' ELSE 'to be granted' END,
           jsonb_build_object('code', l.code, 'role', coalesce(n.role, o.role))
      FROM listed AS l
     CROSS JOIN (jsonb_array_elements_text(l.w->'grants') AS n(role)
                         FULL JOIN jsonb_array_elements_text(l.grants) AS o(role) ON o.role = n.role)
     WHERE l.w ? 'grants' AND (n.role IS NULL OR o.role IS NULL)
    UNION ALL
    SELECT 900, 'extra', 'use', h->>'code', 'is here and not in the policy; it stays', NULL
      FROM jsonb_array_elements(current->'uses') AS h
     WHERE policy ? 'uses' AND NOT EXISTS (SELECT FROM listed AS l WHERE l.code = h->>'code');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.policy_uses(jsonb, jsonb) FROM PUBLIC;

CREATE FUNCTION twin_privacy.compare_policy(policy jsonb, OUT action text, OUT kind text, OUT object text, OUT detail text, OUT terms jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current CONSTANT jsonb := twin_privacy.export_policy();
    missing text;
BEGIN
    PERFORM twin_privacy_internal.policy_check(policy);
    SELECT name INTO missing
      FROM jsonb_array_elements(policy->'tables') AS t
     CROSS JOIN LATERAL (SELECT t->>'table' AS name UNION ALL
                         SELECT n.name FROM jsonb_array_elements(t->'provenance') AS p CROSS JOIN LATERAL (VALUES (p->>'table'), (p->>'source')) AS n(name)) AS named
     WHERE to_regclass(name) IS NULL LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('table "%s" of the policy does not exist', missing),
            HINT = 'Create it first; a policy names tables with their schema.';
    END IF;
    RETURN QUERY
    SELECT d.action, d.kind, d.object, d.detail, d.terms
      FROM (SELECT * FROM twin_privacy_internal.policy_vocabulary(policy, current)
            UNION ALL
            SELECT * FROM twin_privacy_internal.policy_derivations(policy, current)
            UNION ALL
            SELECT * FROM twin_privacy_internal.policy_tables(policy, current)
            UNION ALL
            SELECT * FROM twin_privacy_internal.policy_lineage(policy, current)
            UNION ALL
            SELECT * FROM twin_privacy_internal.policy_recipients(policy, current)
            UNION ALL
            SELECT * FROM twin_privacy_internal.policy_uses(policy, current)) AS d
     ORDER BY d.rank, d.kind, d.object COLLATE "C";
END
$$;
COMMENT ON FUNCTION twin_privacy.compare_policy(jsonb) IS
    'How this database differs from a policy, in the order import_policy() would mend it (admin, officer, auditor): action (add, change, remove; conflict: cannot be mended by import; '
    'extra: here and not in the policy, left alone), kind (purpose, prohibition, category, derivation, table, column, provenance, purpose column, context, recipient, use, grant), object, detail, terms (those wanted). No rows: no difference. '
    'Sections and columns or grants that the policy does not have are not compared. NULL: error 22004. Errors: 22023 not a policy, 42P01 no such table, 42P17 circular codes.';
REVOKE ALL ON FUNCTION twin_privacy.compare_policy(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.compare_policy(jsonb) TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;

CREATE FUNCTION twin_privacy.import_policy(policy jsonb, dry_run boolean DEFAULT false,
                                           OUT action text, OUT kind text, OUT object text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    d record;
BEGIN
    IF dry_run IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'dry_run must not be null',
            HINT = 'Leave it out, or say true to see the differences only.';
    END IF;
    BEGIN
        FOR d IN SELECT * FROM twin_privacy.compare_policy(policy)
        LOOP
            action := d.action;
            kind := d.kind;
            object := d.object;
            detail := d.detail;
            RETURN NEXT;
            CONTINUE WHEN dry_run OR d.action = 'extra';
            IF d.action = 'conflict' THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                    MESSAGE = format('%s "%s" of the policy is in conflict with what is here', d.kind, d.object), DETAIL = d.detail || '.',
                    HINT = 'Nothing was imported. Suspend the use first, give the new version a code of its own, or correct the policy.';
            END IF;
            CASE d.kind
                WHEN 'purpose' THEN
                    PERFORM twin_privacy.add_purpose(d.terms->>'code', d.terms->>'parent', d.terms->>'display');
                WHEN 'prohibition' THEN
                    PERFORM twin_privacy.prohibit_purpose(d.terms->>'purpose', d.terms->>'reason');
                WHEN 'category' THEN
                    PERFORM twin_privacy.add_category(d.terms->>'code', d.terms->>'parent', d.terms->>'display');
                WHEN 'derivation' THEN
                    PERFORM twin_privacy.declare_derivation(d.terms->>'category', ARRAY(SELECT jsonb_array_elements_text(d.terms->'from_categories')));
                WHEN 'table' THEN
                    PERFORM twin_privacy.protect_table((d.terms->>'table')::regclass, d.terms->>'subject', d.terms->>'category', d.terms->>'label_column',
                                                       d.terms->>'author', d.terms->>'encounter', d.terms->>'date');
                WHEN 'column' THEN
                    PERFORM twin_privacy.label_column((d.terms->>'table')::regclass, (d.terms->>'column')::name, d.terms->>'label');
                WHEN 'provenance' THEN
                    PERFORM twin_privacy.declare_provenance((d.terms->>'target')::regclass, (d.terms->>'key')::name, (d.terms->>'table')::regclass,
                        (d.terms->>'derived_column')::name, (d.terms->>'source')::regclass, (d.terms->>'source_column')::name,
                        (d.terms->>'source_key')::name, d.terms->>'untraced');
                WHEN 'purpose column' THEN
                    PERFORM twin_privacy.declare_purpose_column((d.terms->>'table')::regclass, (d.terms->>'purpose_column')::name);
                WHEN 'context' THEN
                    PERFORM twin_privacy.label_context((d.terms->>'table')::regclass, d.terms->>'context');
                WHEN 'recipient' THEN
                    PERFORM twin_privacy.label_recipient(d.terms->>'recipient', d.terms->>'kind');
                WHEN 'use' THEN
                    PERFORM twin_privacy.propose_use(
                        code => d.terms->>'code', purpose => d.terms->>'purpose', recipient => d.terms->>'recipient',
                        categories => ARRAY(SELECT jsonb_array_elements_text(d.terms->'categories')), disclosure => d.terms->>'disclosure',
                        valid => (d.terms->>'valid')::tstzrange, statement => d.terms->>'statement',
                        export => coalesce((d.terms->>'export')::boolean, false), min_cohort => coalesce((d.terms->>'min_cohort')::integer, 11),
                        epsilon => (d.terms->>'epsilon')::numeric, basis => coalesce(d.terms->>'basis', 'consent'),
                        overrides_deny => coalesce((d.terms->>'overrides_deny')::boolean, false),
                        max_subjects_per_day => (d.terms->>'max_subjects_per_day')::integer,
                        max_duration => (d.terms->>'max_duration')::interval);
                WHEN 'grant' THEN
                    IF d.action = 'add' THEN
                        PERFORM twin_privacy.grant_use(d.terms->>'code', (d.terms->>'role')::name);
                    ELSE
                        PERFORM twin_privacy.revoke_use(d.terms->>'code', (d.terms->>'role')::name);
                    END IF;
            END CASE;
        END LOOP;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = SQLERRM,
            DETAIL = format('The policy wants: %s %s %s.', action, kind, object),
            HINT = 'Nothing was imported. An admin imports policy - ''{purposes,prohibitions,recipients,uses}''::text[], then an officer the whole.';
    END;
END
$$;
COMMENT ON FUNCTION twin_privacy.import_policy(jsonb, boolean) IS
    'Makes this database as a policy says, and lists what it did as compare_policy() does; dry_run only lists (admin, officer; dry_run also auditor). Each step needs the role it needs by hand: an admin '
    'imports policy - ''{purposes,prohibitions,recipients,uses}''::text[], an officer the rest. All or nothing, recorded step by step; twice is once. '
    'A use arrives as proposed and takes another officer''s approval; an approved one with other terms is an error. NULL: error 22004. '
    'Errors: those of compare_policy() and of the functions it calls, 55000 in conflict, 42501 not the caller''s task.';
REVOKE ALL ON FUNCTION twin_privacy.import_policy(jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.import_policy(jsonb, boolean) TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;

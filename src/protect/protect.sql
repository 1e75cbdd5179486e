--
-- protect: which tables and columns are protected, and how.
--

CREATE FUNCTION twin_privacy.protect_table(target regclass, subject text, category text,
                                           label_column text DEFAULT NULL, author text DEFAULT NULL,
                                           encounter text DEFAULT NULL, date text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_table'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.protect_table(regclass, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.protect_table(regclass, text, text, text, text, text, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.protect_table(regclass, text, text, text, text, text, text) IS
'Protects a table and its partitions and children: target, subject (column or foreign-key path to the data subject''s key), category (code of the table''s own category), label_column (column or path with row labels, or NULL); author, encounter, date (columns of the table that tell who wrote a row, in which encounter, and its clinical date, for consents that ask; or NULL). Needs twin_privacy_admin. Errors: 22004 NULL argument, 22023 unknown category or bad path, 42703 unknown column, 42804 wrong type, 42809 not a table, 2BP01 a materialized view reads the table.';

CREATE FUNCTION twin_privacy.unprotect_table(target regclass, reason text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_unprotect_table'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.unprotect_table(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.unprotect_table(regclass, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.unprotect_table(regclass, text) IS
'Ends a table''s protection: target, reason (recorded in the ledger, not empty). Needs twin_privacy_admin. Errors: 22004 NULL argument, 22023 empty reason, 55000 not protected.';

CREATE FUNCTION twin_privacy.label_column(target regclass, column_name name, label text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_label_column'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.label_column(regclass, name, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.label_column(regclass, name, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.label_column(regclass, name, text) IS
'Labels a column of a protected table, as SECURITY LABEL FOR twin_privacy ON COLUMN does: target, column_name, label (''category=CODE, kind=identifier|quasi|sensitive|plain, mask=MASK, bounds=LOW:HIGH, values=A|B|...'': bounds between which a number is taken to lie, and all values a key of groups may have, where figures are made private; NULL takes the label away, which hides the column). Needs twin_privacy_admin. Errors: 22004 NULL argument, 22023 label does not parse, 42703 unknown column, 42804 mask or bounds do not fit the type, 55000 table not protected.';

CREATE FUNCTION twin_privacy.declare_provenance(target regclass, target_key name, provenance regclass, derived_column name,
                                                source regclass, source_column name, source_key name,
                                                untraced text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_declare_provenance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.declare_provenance(regclass, name, regclass, name, regclass, name, name, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.declare_provenance(regclass, name, regclass, name, regclass, name, name, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.declare_provenance(regclass, name, regclass, name, regclass, name, name, text) IS
'Says that each row of the table provenance traces the row of target whose target_key stands in derived_column to the rows of source whose source_key stands in source_column (admin): from the next statement on, a row of target is seen only where its subject''s consent and that of every row it was made from allow it, through as many steps as there are. A row of target that no row of provenance tells of is closed; untraced => ''open'' leaves such rows of target to their subject''s consent (''closed'' takes that back, NULL leaves it as it is). Rows of provenance are added, never changed or taken away. Several may be declared of a target; the same twice is once. Keys are of type bigint, int, uuid or text. Errors: 22004 NULL argument, 22023 not an ordinary table, its own provenance, or untraced neither open nor closed, 42703 unknown column, 42804 keys of different kinds, 42501 not an admin or other owner, 55000 target or source not protected, 0A000 another key.';

CREATE FUNCTION twin_privacy.drop_provenance(target regclass, reason text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_drop_provenance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.drop_provenance(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.drop_provenance(regclass, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.drop_provenance(regclass, text) IS
'Takes all provenance of target back (admin): its rows are no longer traced. reason is recorded. Errors: 22004 NULL argument, 22023 empty reason, 55000 not protected or nothing declared, 42501 not an admin.';

CREATE FUNCTION twin_privacy.declare_purpose_column(target regclass, column_name name)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_declare_purpose_column'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.declare_purpose_column(regclass, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.declare_purpose_column(regclass, name) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.declare_purpose_column(regclass, name) IS
'Lets rows of target record in column_name (text) the purpose of the use they are written under, and be read for that purpose or one below it only, unless the subject''s consents permit the reader''s own purpose; NULL and unknown purposes are closed (admin). Sets the column''s default. Errors: 22004 NULL argument, 42703 unknown column, 42804 not text, 55000 not protected, 42501 not an admin.';

CREATE FUNCTION twin_privacy.drop_purpose_column(target regclass, reason text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_drop_purpose_column'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.drop_purpose_column(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.drop_purpose_column(regclass, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.drop_purpose_column(regclass, text) IS
'Takes the purpose column of target back, and its default (admin). reason is recorded. Errors: 22004 NULL argument, 22023 empty reason, 55000 not protected or nothing declared, 42501 not an admin.';

CREATE FUNCTION twin_privacy.label_context(target regclass, context text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_protect_label_context'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.label_context(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.label_context(regclass, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.label_context(regclass, text) IS
'Says that a table, protected or not, is kept for insurance or employment (context; NULL: for neither), as SECURITY LABEL FOR twin_privacy ON TABLE ... IS ''context=...'' does (admin). No command touches it together with protected tables, whatever the purpose. Errors: 22004 NULL target, 22023 unknown context, 42809 not a table, 42501 not an admin.';

CREATE FUNCTION twin_privacy_internal.list_protected_tables(
    OUT target regclass, OUT source regclass, OUT subject text, OUT category text,
    OUT label_column text, OUT problem text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_protect_list_tables'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE FUNCTION twin_privacy_internal.list_protected_columns(
    OUT target regclass, OUT column_name name, OUT labelled boolean, OUT category text,
    OUT kind text, OUT mask text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_protect_list_columns'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE VIEW twin_privacy.protected_tables AS
SELECT t.target, t.subject, t.category, t.label_column, t.source, t.problem
FROM twin_privacy_internal.list_protected_tables() AS t;
GRANT SELECT ON twin_privacy.protected_tables TO PUBLIC;
COMMENT ON VIEW twin_privacy.protected_tables IS
'Every protected table, partition and child: its subject, category and label column, the table whose label protects it (source), and why the label does not resolve (problem; such a table is refused to everybody).';

CREATE VIEW twin_privacy.protected_columns AS
SELECT c.target, c.column_name, c.labelled, c.category, c.kind, c.mask
FROM twin_privacy_internal.list_protected_columns() AS c;
GRANT SELECT ON twin_privacy.protected_columns TO PUBLIC;
COMMENT ON VIEW twin_privacy.protected_columns IS
'Every column of every protected table: whether it is labelled, and the category, kind and mask that hold for it.';

CREATE FUNCTION twin_privacy_internal.list_provenance(
    OUT target regclass, OUT target_key name, OUT provenance regclass, OUT derived_column name,
    OUT source regclass, OUT source_column name, OUT source_key name, OUT untraced text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_protect_list_provenance'
LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy_internal.list_provenance() IS
'(all) What declare_provenance() declared, as it resolves now.';

CREATE VIEW twin_privacy.traced_tables AS
SELECT p.target, p.target_key, p.provenance, p.derived_column, p.source, p.source_column, p.source_key, p.untraced
FROM twin_privacy_internal.list_provenance() AS p;
GRANT SELECT ON twin_privacy.traced_tables TO PUBLIC;
COMMENT ON VIEW twin_privacy.traced_tables IS
'One row a declared provenance, with the arguments of twin_privacy.declare_provenance: each row of provenance traces the row of target with the key in derived_column to the row of source with the key in source_column; untraced: what rows of target without provenance are (closed, or open to their subject''s consent).';

CREATE FUNCTION twin_privacy.check_protection(
    OUT severity text, OUT object text, OUT finding text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT f.* FROM (
    SELECT 'error' AS severity, t.target::text AS object, 'the label does not resolve: ' || t.problem AS finding,
           'Nobody can read the table until the label is mended with twin_privacy.protect_table.' AS hint
    FROM twin_privacy.protected_tables AS t
    WHERE t.problem IS NOT NULL
    UNION ALL
    SELECT 'error', t.target::text, 'row security is not enabled and forced',
           'Run ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY: it is what stays closed without the library.'
    FROM twin_privacy.protected_tables AS t JOIN pg_class AS c ON c.oid = t.target
    WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'warning', c.target::text || '.' || c.column_name::text, 'the column has no label',
           'It is hidden outside the identified form: label it with twin_privacy.label_column.'
    FROM twin_privacy.protected_columns AS c JOIN twin_privacy.protected_tables AS t USING (target)
    WHERE NOT c.labelled AND t.source = t.target
      AND c.column_name::text <> pg_catalog.split_part(t.subject, ' ', 1)
    UNION ALL
    SELECT 'warning', c.target::text || '.' || c.column_name::text, 'an identifier without a mask',
           'It comes out as NULL under pseudonymised uses: name a mask, or leave it if that is meant.'
    FROM twin_privacy.protected_columns AS c JOIN twin_privacy.protected_tables AS t USING (target)
    WHERE c.labelled AND c.kind = 'identifier' AND c.mask = 'null' AND t.source = t.target
    UNION ALL
    SELECT DISTINCT 'warning', c.target::text || '.' || c.column_name::text,
           'it is computed from ' || pg_catalog.quote_ident(b.attname) || ', which is masked, and is in the clear itself',
           'Give it a kind and a mask of its own, or leave it if what it shows is meant.'
    FROM twin_privacy.protected_columns AS c JOIN twin_privacy.protected_tables AS t USING (target)
    JOIN pg_attribute AS a ON a.attrelid = c.target AND a.attname = c.column_name AND a.attgenerated <> ''
    JOIN pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid <> a.attnum
     AND (d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
       OR d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)
    JOIN pg_attribute AS b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
    JOIN twin_privacy.protected_columns AS s ON s.target = c.target AND s.column_name = b.attname
    WHERE c.labelled AND c.kind IN ('plain', 'sensitive') AND t.source = t.target
      AND (s.labelled AND s.kind IN ('identifier', 'quasi') OR b.attname = pg_catalog.split_part(t.subject, ' ', 1))
    UNION ALL
    SELECT 'warning', t.target::text, 'trigger ' || pg_catalog.quote_ident(g.tgname) || ' sees raw rows',
           'Review the trigger: its function reads what no use was bound for.'
    FROM twin_privacy.protected_tables AS t JOIN pg_trigger AS g ON g.tgrelid = t.target
    WHERE NOT g.tgisinternal
    UNION ALL
    SELECT 'warning', t.target::text, 'rule ' || pg_catalog.quote_ident(r.rulename) || ' acts on raw rows',
           'Review the rule, or replace it by a function that binds a use.'
    FROM twin_privacy.protected_tables AS t JOIN pg_rewrite AS r ON r.ev_class = t.target
    UNION ALL
    SELECT 'warning', t.target::text, 'policy ' || pg_catalog.quote_ident(p.polname) || ' sees raw values',
           'Review the policy: its expression is evaluated on unmasked columns.'
    FROM twin_privacy.protected_tables AS t JOIN pg_policy AS p ON p.polrelid = t.target
    UNION ALL
    SELECT DISTINCT 'warning', t.target::text, 'function ' || p.oid::regprocedure::text || ' in an index, constraint or default sees raw values',
           'Review it and the functions it calls: who may replace one of those sees what it sees.'
    FROM twin_privacy.protected_tables AS t
    JOIN pg_depend AS d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384
     AND (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT i.indexrelid FROM pg_index AS i WHERE i.indrelid = t.target)
       OR d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT c.oid FROM pg_constraint AS c WHERE c.conrelid = t.target)
       OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT a.oid FROM pg_attrdef AS a WHERE a.adrelid = t.target))
    JOIN pg_proc AS p ON p.oid = d.refobjid
    UNION ALL
    SELECT 'warning', t.target::text, 'publication ' || pg_catalog.quote_ident(p.pubname) || ' sends raw rows',
           'Drop the table from the publication unless the subscriber is trusted as a superuser is.'
    FROM twin_privacy.protected_tables AS t
    JOIN pg_publication_rel AS r ON r.prrelid = t.target JOIN pg_publication AS p ON p.oid = r.prpubid
    UNION ALL
    SELECT 'warning', t.target::text, 'the table it belongs to, ' || s.target::text || ', has row labels, this one has none',
           'Labels do not travel along a subject path: give protect_table a label_column, which may be a path too.'
    FROM twin_privacy.protected_tables AS t
    JOIN pg_constraint AS f ON f.conrelid = t.target AND f.contype = 'f'
    JOIN twin_privacy.protected_tables AS s ON s.target = f.confrelid
    WHERE t.label_column IS NULL AND s.label_column IS NOT NULL AND s.target <> t.target
    UNION ALL
    SELECT DISTINCT 'warning', k.rel::text, 'no index begins with ' || pg_catalog.quote_ident(k.col) || ', by which rows of ' || t.target::text || ' are traced',
           'Create one: without it each statement reads the whole table.'
    FROM twin_privacy.traced_tables AS t
    CROSS JOIN LATERAL (VALUES (t.provenance, t.derived_column), (t.source, t.source_key)) AS k(rel, col)
    WHERE NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                      WHERE i.indrelid = k.rel AND i.indisvalid AND i.indpred IS NULL AND a.attname = k.col)
    UNION ALL
    SELECT DISTINCT 'error', t.provenance::text, 'it has another owner than ' || t.target::text || ', whose rows it traces',
           'Let both belong to one role: the owner of provenance could drop it together with what it traces.'
    FROM twin_privacy.traced_tables AS t JOIN pg_class AS p ON p.oid = t.provenance JOIN pg_class AS c ON c.oid = t.target
    WHERE p.relowner <> c.relowner
    ) AS f ORDER BY 1, 2, 3;
END;
COMMENT ON FUNCTION twin_privacy.check_protection() IS
'Lints the protection of all tables: severity (error, warning), object, finding, hint. (all) Source of the findings: labels, pg_class, pg_trigger, pg_rewrite, pg_policy, pg_publication_rel, pg_constraint.';

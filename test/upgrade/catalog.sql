-- The extension's catalog as text, one line a fact, without OIDs: what an upgraded
-- database must have in common with a fresh one.
SET search_path = pg_catalog;
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'twin_privacy'
), relation AS (
    SELECT c.* FROM pg_class AS c WHERE EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
), fact(object, what) AS (
    SELECT pg_describe_object(m.classid, m.objid, 0), 'member' FROM member AS m
    UNION ALL
    SELECT pg_describe_object(d.classoid, d.objoid, d.objsubid), 'comment ' || d.description
      FROM pg_description AS d JOIN member AS m ON m.classid = d.classoid AND m.objid = d.objoid
    UNION ALL
    SELECT p.oid::regprocedure::text, regexp_replace(pg_get_functiondef(p.oid), '\s+', ' ', 'g') || ' acl ' || coalesce(p.proacl::text, 'default') || ' owner ' || p.proowner::regrole
      FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid WHERE p.prokind <> 'a'
    UNION ALL
    SELECT r.oid::regclass::text, format('kind %s acl %s options %s persistence %s security %s %s', r.relkind, r.relacl, r.reloptions, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity)
      FROM relation AS r
    UNION ALL
    SELECT r.oid::regclass::text, format('column %s %s %s notnull %s default %s identity %s generated %s collation %s', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
           a.attnotnull, pg_get_expr(f.adbin, f.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation)
      FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef AS f ON f.adrelid = r.oid AND f.adnum = a.attnum
    UNION ALL
    SELECT r.oid::regclass::text, regexp_replace(pg_get_viewdef(r.oid), '\s+', ' ', 'g') FROM relation AS r WHERE r.relkind = 'v'
    UNION ALL
    SELECT c.conrelid::regclass::text, 'constraint ' || c.conname || ' ' || pg_get_constraintdef(c.oid)
      FROM pg_constraint AS c JOIN relation AS r ON r.oid = c.conrelid
    UNION ALL
    SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN relation AS r ON r.oid = i.indrelid
    UNION ALL
    SELECT t.tgrelid::regclass::text, pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
      FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT n.nspname, 'schema acl ' || coalesce(n.nspacl::text, 'default') FROM pg_namespace AS n
     WHERE n.nspname IN ('twin_privacy', 'twin_privacy_internal')
    UNION ALL
    SELECT o.oid::regoperator::text, format('function %s restrict %s join %s commutator %s negator %s hashes %s merges %s',
           o.oprcode, o.oprrest, o.oprjoin, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprcanhash, o.oprcanmerge)
      FROM pg_operator AS o JOIN member AS m ON m.classid = 'pg_operator'::regclass AND m.objid = o.oid
    UNION ALL
    SELECT format_type(t.oid, NULL), format('type %s %s %s %s %s %s %s', t.typlen, t.typbyval, t.typalign, t.typstorage, t.typinput, t.typoutput, t.typmodin)
      FROM pg_type AS t JOIN member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
    UNION ALL
    SELECT c.oid::regclass::text, 'dumped where ' || e.extcondition[n.ordinality]
      FROM pg_extension AS e CROSS JOIN unnest(e.extconfig) WITH ORDINALITY AS n(oid, ordinality) JOIN pg_class AS c ON c.oid = n.oid
     WHERE e.extname = 'twin_privacy'
    UNION ALL
    SELECT r.oid::regclass::text, 'row ' || x.line
      FROM relation AS r
     CROSS JOIN LATERAL unnest(xpath('/table/row', query_to_xml(format('SELECT * FROM %s', r.oid::regclass), true, false, ''))::text[]) AS x(line)
     WHERE r.relkind = 'r'
)
SELECT object || ': ' || what FROM fact WHERE what IS NOT NULL ORDER BY 1;

--
-- lineage: what withdrawals left to do.
--

-- What was ticked off the list; rows are only ever added, by clear_taint().
CREATE TABLE twin_privacy_internal.taint_clearance (
    target regclass NOT NULL,
    row_key text COLLATE "C",
    subject text COLLATE "C" NOT NULL,
    cause bigint NOT NULL,
    cleared_at timestamptz NOT NULL,
    cleared_by text NOT NULL,
    note text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (target, row_key, cause)
);
-- What was ticked off of a table that is gone; dumped as a number it might be another's elsewhere.
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.taint_clearance',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) target)');

CREATE FUNCTION twin_privacy_internal.list_taints(
    OUT target regclass, OUT row_key text, OUT subject text, OUT since timestamptz, OUT cause bigint,
    OUT everything boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_lineage_list_taints'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy_internal.list_taints() IS
'(all) The taints that the caller may be told of, ticked off or not. everything: subject and cause may be shown.';
CREATE FUNCTION twin_privacy_internal.list_taints_of(
    who text, OUT target regclass, OUT row_key text, OUT subject text, OUT since timestamptz, OUT cause bigint,
    OUT everything boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_lineage_list_taints_of'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.list_taints_of(text) FROM PUBLIC;

CREATE VIEW twin_privacy.tainted WITH (security_barrier) AS
SELECT t.target, t.row_key, CASE WHEN t.everything THEN t.subject END AS subject, t.since,
       CASE WHEN t.everything THEN NULLIF(t.cause, 0) END AS cause
FROM twin_privacy_internal.list_taints() AS t
WHERE NOT EXISTS (
    SELECT FROM twin_privacy_internal.taint_clearance AS c
    WHERE c.target OPERATOR(pg_catalog.=) t.target AND c.cause OPERATOR(pg_catalog.=) t.cause
      AND (c.row_key IS NULL) OPERATOR(pg_catalog.=) (t.row_key IS NULL)
      AND COALESCE(c.row_key, '') OPERATOR(pg_catalog.=) COALESCE(t.row_key, ''));
GRANT SELECT ON twin_privacy.tainted TO PUBLIC;
COMMENT ON VIEW twin_privacy.tainted IS
'Work list: derived rows that stand on data for which consent was taken back, to be deleted or made anew without it: target, row_key (NULL: all rows of the subject in a table that is derived by its category alone), subject who took it back, since when, cause (the consent withdrawn, or the deny; with several, a line each). A row made from rows that are gone is there without subject, since and cause. A row is off the list when it is gone, when the subject permits again, or by clear_taint. '
'Roles registrar, officer, auditor and admin see everything. Others see what their bound identified use has lost of tables they may update or delete from, without subject and cause; a use that overrides denies sees all of those. NOTIFY twin_privacy_taint tells that the list may have grown. Reading it is recorded. Errors: TP001, TP002, TP003 not the identified form.';

CREATE FUNCTION twin_privacy.clear_taint(target regclass, row_key text, note text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_lineage_clear_taint' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.clear_taint(regclass, text, text) IS
'(all) Ticks a row off the list twin_privacy.tainted, for its causes so far; a later withdrawal puts it there again, and the row stays closed. For twin_privacy_admin, and for whoever sees the row on the list under a use of their own: then for what that use has lost. row_key NULL: all rows of a table that is derived by its category. note: what was done, kept and not empty. Errors: 22004 target or note NULL, 22023 empty note, 55000 not on the list, TP001, TP002, TP003.';

CREATE FUNCTION twin_privacy_internal.list_losses(
    who text, OUT cause bigint, OUT since timestamptz, OUT purpose text, OUT categories text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_lineage_list_losses'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy_internal.list_losses(text) FROM PUBLIC;

-- What had been given out before it was taken back: a line for each use, form and cause.  Aggregates
-- do not record whom they count, so any of the same kind of data, for the same purpose, may count the subject.
CREATE FUNCTION twin_privacy_internal.list_releases(
    who text, OUT kind text, OUT use_code text, OUT since timestamptz, OUT cause bigint, OUT todo text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE losses AS (
        SELECT l.cause, l.since, l.purpose, l.categories FROM twin_privacy_internal.list_losses(who) AS l
    ), below AS (
        SELECT l.cause, l.purpose COLLATE "C" FROM losses AS l
        UNION
        SELECT b.cause, p.code FROM below AS b JOIN twin_privacy_internal.purpose_parent AS p ON p.parent = b.purpose
    ), told AS (
        SELECT d.record_id FROM twin_privacy.disclosures_of(who) AS d
    ), given AS (
        SELECT d.record_id, d.recorded_at, d.use_code, d.purpose, d.recipient, d.categories,
               d.form IN ('aggregate', 'private') AS counted
          FROM twin_privacy_internal.ledger_disclosures(
               (SELECT min(c.recorded_at) FROM twin_privacy_internal.directive AS c WHERE c.subject = who)) AS d
         WHERE d.outcome = 'done' AND coalesce(d.row_count, 1) > 0
           AND (d.form IN ('aggregate', 'private') OR d.record_id IN (SELECT t.record_id FROM told AS t))
    )
    SELECT CASE WHEN g.counted THEN 'release' ELSE 'disclosure' END, g.use_code, max(l.since), l.cause,
           CASE WHEN g.counted THEN 'withdraw or publish anew: statistics for ' ELSE 'ask to delete: rows given to ' END
           || g.recipient || ', ' || count(DISTINCT g.record_id) || ' in records ' || min(g.record_id) || ' to ' || max(g.record_id)
    FROM given AS g
    JOIN losses AS l ON g.recorded_at < l.since AND g.categories && l.categories
    WHERE EXISTS (SELECT FROM below AS b WHERE b.cause = l.cause AND b.purpose = g.purpose)
    GROUP BY g.counted, g.use_code, g.recipient, l.cause;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.list_releases(text) FROM PUBLIC;

CREATE FUNCTION twin_privacy.taint_report(
    subject text, OUT kind text, OUT object text, OUT row_key text, OUT since timestamptz, OUT cause bigint,
    OUT todo text, OUT cleared_at timestamptz, OUT cleared_by text, OUT note text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.category, t.target::text, t.row_key, t.since, t.cause,
           CASE WHEN t.row_key IS NULL THEN 'delete or make anew: all rows of the subject' ELSE 'delete or make anew' END,
           c.cleared_at, c.cleared_by, c.note
    FROM twin_privacy_internal.list_taints_of(taint_report.subject) AS t
    JOIN twin_privacy.protected_tables AS p ON p.target = t.target
    LEFT JOIN twin_privacy_internal.taint_clearance AS c
      ON c.target = t.target AND c.cause = t.cause AND (c.row_key IS NULL) = (t.row_key IS NULL)
     AND coalesce(c.row_key, '') = coalesce(t.row_key, '')
    UNION ALL
    SELECT r.kind, r.use_code, NULL, r.since, r.cause, r.todo, NULL, NULL, NULL
    FROM twin_privacy_internal.list_releases(taint_report.subject) AS r
    ORDER BY 5, 1, 2, 3;
END;
REVOKE ALL ON FUNCTION twin_privacy.taint_report(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.taint_report(text)
    TO twin_privacy_registrar, twin_privacy_officer, twin_privacy_auditor, twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.taint_report(text) IS
'What one subject''s withdrawals left to do, ticked off or not: kind (category of a derived table: parameters, runs, models; release: statistics, which may count the subject; disclosure: rows given to somebody before), object (table, or code of the use), row_key, since, cause (consent withdrawn, or deny), todo, and who ticked it off when with what note. Empty when the subject has taken nothing back. Reading it is recorded. Errors: 22004 NULL, 22023 other spelling of a key, 42501 none of the four roles. Source: GDPR articles 17 and 19.';

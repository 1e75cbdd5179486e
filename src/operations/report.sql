--
-- report: one page for the privacy officer. HTML with inline SVG, no script, nothing
-- from elsewhere; every text that comes from the database goes through html().
--

CREATE FUNCTION twin_privacy_internal.html(value text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT replace(replace(replace(replace(replace(coalesce(value, ''), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.html(text) FROM PUBLIC;

-- A table of texts: a heading row, then rows of the same width; numbers (columns named in right_columns) to the right.
CREATE FUNCTION twin_privacy_internal.report_table(headings text[], lines jsonb, right_columns integer[] DEFAULT '{}') RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN jsonb_array_length(coalesce(lines, '[]')) = 0 THEN '<p class="none">None.</p>' ELSE
        '<div class="scroll"><table><thead><tr>' ||
        (SELECT string_agg('<th scope="col"' || CASE WHEN h.i = ANY (right_columns) THEN ' class="n"' ELSE '' END || '>' || twin_privacy_internal.html(h.heading) || '</th>', '' ORDER BY h.i)
           FROM unnest(headings) WITH ORDINALITY AS h(heading, i)) || E'</tr></thead><tbody>\n' ||
        (SELECT string_agg('<tr>' || (
                   SELECT string_agg('<td' || CASE WHEN c.i = ANY (right_columns) THEN ' class="n"' ELSE '' END || '>' || twin_privacy_internal.html(c.cell) || '</td>', '' ORDER BY c.i)
                     FROM jsonb_array_elements_text(l.line) WITH ORDINALITY AS c(cell, i)) || '</tr>', E'\n' ORDER BY l.i)
           FROM jsonb_array_elements(lines) WITH ORDINALITY AS l(line, i)) || E'\n</tbody></table></div>' END;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_table(text[], jsonb, integer[]) FROM PUBLIC;

-- Smallest of 2, 4, 10 times a power of ten that is not below a count: the top of an axis whose half is whole, too.
CREATE FUNCTION twin_privacy_internal.report_axis(peak numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT min(m * p.power) FROM unnest('{1,2,4,10}'::numeric[]) AS m
     CROSS JOIN (SELECT 10 ^ floor(log(greatest(peak, 2))) AS power) AS p WHERE m * p.power >= greatest(peak, 2);
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_axis(numeric) FROM PUBLIC;

-- Stacked bars: points are [bucket, series, number]; beyond six the series are one, "others". The same figures follow as a table.
CREATE FUNCTION twin_privacy_internal.report_chart(caption text, buckets text[], points jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH point AS (
        SELECT p->>0 AS bucket, p->>1 AS series, (p->>2)::numeric AS n FROM jsonb_array_elements(points) AS p
    ), series AS (
        SELECT series, least(row_number() OVER (ORDER BY sum(n) DESC, series COLLATE "C"), 7) AS k, sum(n) AS n FROM point GROUP BY series
    ), stack AS (
        SELECT p.bucket, s.k, sum(p.n) AS n, array_position(buckets, p.bucket) - 1 AS i
          FROM point AS p JOIN series AS s USING (series) GROUP BY p.bucket, s.k
    ), placed AS (
        SELECT s.*, sum(n) OVER (PARTITION BY s.bucket ORDER BY s.k) AS top FROM stack AS s
    ), label AS (
        SELECT k, CASE WHEN k = 7 THEN 'others' ELSE max(series) END AS name, sum(n) AS n FROM series GROUP BY k
    ), axis AS (
        SELECT twin_privacy_internal.report_axis(max(t.total)) AS top, 664.0 / cardinality(buckets) AS step
          FROM (SELECT sum(n) AS total FROM point GROUP BY bucket) AS t
    )
    SELECT CASE WHEN NOT EXISTS (SELECT FROM point) THEN '<p class="none">None in this period.</p>' ELSE
        '<figure><figcaption>' || twin_privacy_internal.html(caption) || '</figcaption><svg viewBox="0 0 720 210" role="img" aria-label="' ||
        twin_privacy_internal.html(caption) || E'">\n' ||
        (SELECT string_agg(format('<line class="grid" x1="48" x2="712" y1="%s" y2="%1$s"/><text class="n" x="42" y="%s">%s</text>',
                                  round(180 - 170 * f, 1), round(184 - 170 * f, 1), trim_scale(a.top * f)), '' ORDER BY f)
           FROM axis AS a CROSS JOIN unnest('{0,0.5,1}'::numeric[]) AS f) || E'\n' ||
        (SELECT string_agg(format('<rect class="s%s" x="%s" y="%s" width="%s" height="%s"><title>%s, %s: %s</title></rect>', p.k,
                                  round(48 + a.step * p.i + a.step * 0.1, 1), round(180 - 170 * p.top / a.top, 1), round(a.step * 0.8, 1),
                                  round(170 * p.n / a.top, 1), twin_privacy_internal.html(p.bucket), twin_privacy_internal.html(l.name), p.n),
                           E'\n' ORDER BY p.i, p.k)
           FROM placed AS p JOIN label AS l USING (k) CROSS JOIN axis AS a) || E'\n' ||
        (SELECT string_agg(format('<text class="x" x="%s" y="200">%s</text>', round(48 + a.step * (b.i - 0.5), 1), twin_privacy_internal.html(b.bucket)), '' ORDER BY b.i)
           FROM unnest(buckets) WITH ORDINALITY AS b(bucket, i) CROSS JOIN axis AS a
          WHERE (b.i - 1) % ceil(cardinality(buckets) / 7.0)::int = 0) ||
        E'</svg><ul class="legend">' ||
        (SELECT string_agg(format('<li><span class="s%s"></span>%s (%s)</li>', l.k, twin_privacy_internal.html(l.name), l.n), '' ORDER BY l.k) FROM label AS l) ||
        '</ul></figure><details><summary>Figures</summary>' ||
        twin_privacy_internal.report_table('{from,what,number}', (SELECT jsonb_agg(jsonb_build_array(bucket, series, n) ORDER BY bucket, series) FROM point), '{3}') ||
        '</details>' END;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_chart(text, text[], jsonb) FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.report_style() RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT ':root{color-scheme:light dark;--bg:#fff;--fg:#1a1f24;--dim:#59636e;--line:#d1d9e0;--soft:#f3f5f7;--s1:#0072b2;--s2:#e69f00;--s3:#009e73;--s4:#cc79a7;--s5:#56b4e9;--s6:#d55e00;--s7:#8c959f}'
        '@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4ae;--line:#30363d;--soft:#161b22}}'
        'body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}'
        'h1{font-size:1.6rem;margin:0}h2{font-size:1.2rem;margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}'
        'p.sub,p.none,figcaption,summary{color:var(--dim)}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:1.5rem 0;padding:0;list-style:none}'
        '.tiles li{background:var(--soft);border-radius:.5rem;padding:.75rem 1rem}.tiles b{display:block;font-size:1.6rem;font-variant-numeric:tabular-nums}'
        '.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}th{white-space:nowrap}td{max-width:20rem;overflow-wrap:break-word}'
        'th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1rem 0}svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--dim)}text.n{text-anchor:end}text.x{text-anchor:middle}'
        '.grid{stroke:var(--line)}.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.9rem}.legend span{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}'
        '.s1{fill:var(--s1);background:var(--s1)}.s2{fill:var(--s2);background:var(--s2)}.s3{fill:var(--s3);background:var(--s3)}.s4{fill:var(--s4);background:var(--s4)}.s5{fill:var(--s5);background:var(--s5)}.s6{fill:var(--s6);background:var(--s6)}.s7{fill:var(--s7);background:var(--s7)}'
        '@media(max-width:40rem){svg text{font-size:16px}text.x:nth-of-type(odd){display:none}}'
        '@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#f3f5f7}body{max-width:none;padding:0;font-size:11pt}h2,figure,tr{break-inside:avoid}th{white-space:normal}td{overflow-wrap:anywhere}.scroll{overflow:visible}h2{break-after:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}';
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_style() FROM PUBLIC;

-- Begin of each bucket of a period: days, weeks or months, so that there are not too many bars.
CREATE FUNCTION twin_privacy_internal.report_unit(since timestamptz, until timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN until - since <= interval '45 days' THEN 'day' WHEN until - since <= interval '300 days' THEN 'week' ELSE 'month' END;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_unit(timestamptz, timestamptz) FROM PUBLIC;

-- What was read and refused; the ledger is read once.
CREATE FUNCTION twin_privacy_internal.report_reads(since timestamptz, until timestamptz, buckets text[]) RETURNS text
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH d AS MATERIALIZED (
        SELECT to_char(date_trunc(twin_privacy_internal.report_unit(since, until), l.recorded_at, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS bucket, l.*
          FROM twin_privacy_internal.ledger_disclosures(since) AS l WHERE l.recorded_at >= since AND l.recorded_at < until
    )
    SELECT format('<ul class="tiles"><li><b>%s</b>statements that read</li><li><b>%s</b>refused</li><li><b>%s</b>people who read</li><li><b>%s</b>without purpose, in maintenance</li></ul>',
                  count(*) FILTER (WHERE d.outcome <> 'refused'), count(*) FILTER (WHERE d.outcome = 'refused'),
                  count(DISTINCT coalesce(nullif(d.actor, ''), d.session_role)) FILTER (WHERE d.outcome <> 'refused'), count(*) FILTER (WHERE d.form = 'maintenance'))
        || '<h2>Reads by purpose</h2>' || twin_privacy_internal.report_chart('Statements that read protected data, by purpose', buckets, (
            SELECT jsonb_agg(jsonb_build_array(g.bucket, g.purpose, g.n))
              FROM (SELECT x.bucket, coalesce(x.purpose, x.form, 'none') AS purpose, count(*) AS n FROM d AS x WHERE x.outcome <> 'refused' GROUP BY 1, 2) AS g))
        || '<h2>Reads by use</h2>' || twin_privacy_internal.report_table('{use,purpose,recipient,form,statements,rows,not completed,last}', (
            SELECT jsonb_agg(jsonb_build_array(g.use_code, g.purpose, g.recipient, g.form, g.n, g.row_count, g.incomplete, to_char(g.last AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) ORDER BY g.n DESC, g.use_code, g.form)
              FROM (SELECT x.use_code, x.purpose, x.recipient, x.form, count(*) AS n, coalesce(sum(x.row_count), 0) AS row_count,
                           count(*) FILTER (WHERE x.outcome NOT IN ('done', 'open')) AS incomplete, max(x.recorded_at) AS last
                      FROM d AS x WHERE x.outcome <> 'refused' GROUP BY 1, 2, 3, 4) AS g), '{5,6,7}')
        || '<h2>Refusals</h2>' || twin_privacy_internal.report_table('{why,login,use claimed,number,last}', (
            SELECT jsonb_agg(jsonb_build_array(g.why, g.session_role, g.use_code, g.n, to_char(g.last AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')) ORDER BY g.n DESC, g.why, g.session_role)
              FROM (SELECT CASE x.sqlstate WHEN 'TP001' THEN 'no use bound' WHEN 'TP002' THEN 'use not usable' WHEN 'TP003' THEN 'outside the use'
                                           WHEN 'TP004' THEN 'ledger cannot record' WHEN 'TP005' THEN 'library or key missing' ELSE x.sqlstate END AS why,
                           x.session_role, x.use_code, count(*) AS n, max(x.recorded_at) AS last
                      FROM d AS x WHERE x.outcome = 'refused' GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 50) AS g), '{4}')
      FROM d;
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_reads(timestamptz, timestamptz, text[]) FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.report_consents(since timestamptz, until timestamptz, buckets text[]) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT '<h2>Consents and withdrawals</h2>' || twin_privacy_internal.report_chart('Directives recorded and withdrawn', buckets, (
        SELECT jsonb_agg(jsonb_build_array(g.bucket, g.what, g.n))
          FROM (SELECT to_char(date_trunc(twin_privacy_internal.report_unit(since, until), e.at, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS bucket, e.what, count(*) AS n
                  FROM (SELECT d.recorded_at AS at, CASE t.terms->>'decision' WHEN 'permit' THEN 'permits' ELSE 'denies' END AS what
                          FROM twin_privacy_internal.directive AS d JOIN twin_privacy_internal.terms AS t ON t.terms_id = d.terms_id
                        UNION ALL
                        SELECT w.withdrawn_at, 'withdrawals' FROM twin_privacy_internal.withdrawal AS w) AS e
                 WHERE e.at >= since AND e.at < until GROUP BY 1, 2) AS g));
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_consents(timestamptz, timestamptz, text[]) FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.quasi_risk(target oid, OUT memberships bigint, OUT smallest bigint, OUT alone bigint, OUT complete boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'twp_operations_risk'
    LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 1;
REVOKE ALL ON FUNCTION twin_privacy_internal.quasi_risk(oid) FROM PUBLIC;

-- Who stands alone with their quasi-identifiers, table by table: the worst case, before masks.
CREATE FUNCTION twin_privacy_internal.report_risk() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT '<h2>Re-identification risk</h2><p class="sub">How many patients share a combination of quasi-identifiers, by the values as stored. Uses of form pseudonymised show them masked.</p>'
        || twin_privacy_internal.report_table('{table,quasi-identifiers,patients counted,smallest group,alone,share alone}', (
            SELECT jsonb_agg(jsonb_build_array(t.target, t.quasi, r.memberships || CASE WHEN r.complete THEN '' ELSE ' (first rows only)' END, r.smallest, r.alone,
                                               round(100.0 * r.alone / nullif(r.memberships, 0), 1) || ' %') ORDER BY r.alone DESC, t.target)
              FROM (SELECT c.target::text AS target, c.target::oid AS relid, string_agg(c.column_name::text, ', ' ORDER BY c.column_name) AS quasi
                      FROM twin_privacy.protected_columns AS c JOIN twin_privacy.protected_tables AS p ON p.target = c.target AND p.source = p.target
                     WHERE c.labelled AND c.kind = 'quasi' GROUP BY c.target) AS t
             CROSS JOIN LATERAL twin_privacy_internal.quasi_risk(t.relid) AS r), '{3,4,5,6}');
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_risk() FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.report_state(since timestamptz, until timestamptz) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT '<h2>Emergencies</h2>' || twin_privacy_internal.report_table('{opened,login,person,patient,justification,verdict,reviewer,note}', (
            SELECT jsonb_agg(jsonb_build_array(to_char(b.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), b.session_role, b.actor, b.subject, b.justification,
                                               coalesce(b.verdict, 'not reviewed'), b.reviewer, b.note) ORDER BY b.verdict IS NOT NULL, b.opened_at)
              FROM twin_privacy_internal.break_glass_event AS b WHERE b.opened_at >= since AND b.opened_at < until OR b.verdict IS NULL))
        || '<h2>Uses</h2>' || twin_privacy_internal.report_table('{use,purpose,form,status,proposed by,approved by,valid,export,budget}', (
            SELECT jsonb_agg(jsonb_build_array(u.code, u.purpose, u.disclosure, CASE WHEN p.prohibited THEN 'purpose prohibited' ELSE u.status END, u.proposed_by, u.approved_by,
                                               coalesce(to_char(lower(u.valid) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'ever') || ' to ' || coalesce(to_char(upper(u.valid) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'further notice'),
                                               CASE WHEN u.export THEN 'yes' ELSE 'no' END, coalesce(trim_scale(b.spent) || ' of ' || trim_scale(b.epsilon) || ' spent', trim_scale(u.epsilon)::text)) ORDER BY u.code)
              FROM twin_privacy_internal.approved_use AS u LEFT JOIN twin_privacy.purposes AS p ON p.code = u.purpose
              LEFT JOIN twin_privacy.privacy_budget AS b ON b.use_code = u.code), '{9}')
        || '<h2>Protection</h2>' || twin_privacy_internal.report_table('{table,category,identifiers,quasi-identifiers,other columns,without label: hidden}', (
            SELECT jsonb_agg(jsonb_build_array(g.target, g.category, g.identifiers, g.quasi, g.others, g.unlabelled) ORDER BY g.target)
              FROM (SELECT t.target::text AS target, t.category, count(*) FILTER (WHERE c.labelled AND c.kind = 'identifier') AS identifiers,
                           count(*) FILTER (WHERE c.labelled AND c.kind = 'quasi') AS quasi, count(*) FILTER (WHERE c.labelled AND c.kind NOT IN ('identifier', 'quasi')) AS others,
                           string_agg(c.column_name::text, ', ' ORDER BY c.column_name) FILTER (WHERE NOT c.labelled AND quote_ident(c.column_name) <> t.subject) AS unlabelled
                      FROM twin_privacy.protected_tables AS t LEFT JOIN twin_privacy.protected_columns AS c ON c.target = t.target
                     WHERE t.source = t.target GROUP BY 1, 2) AS g), '{3,4,5}')
        || twin_privacy_internal.report_risk()
        || '<h2>What to look at</h2>' || twin_privacy_internal.report_table('{severity,where,finding,what to do}', (
            SELECT jsonb_agg(jsonb_build_array(f.severity, f.object, f.finding, f.hint) ORDER BY f.severity, f.object, f.finding) FROM twin_privacy.check_protection() AS f));
END;
REVOKE ALL ON FUNCTION twin_privacy_internal.report_state(timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION twin_privacy.report(since timestamptz, until timestamptz DEFAULT pg_catalog.now()) RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    buckets text[];
    unit text;
BEGIN
    IF since IS NULL OR until IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'since and until must not be null',
            HINT = 'Name the period, such as now() - interval ''30 days''; until is now when it is left out.';
    END IF;
    IF (CASE WHEN isfinite(since) AND isfinite(until) THEN since >= until OR until - since > interval '36600 days' ELSE true END) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the period of a report must be finite, forwards and at most a hundred years',
            HINT = 'Name an earlier since or a later until.';
    END IF;
    unit := twin_privacy_internal.report_unit(since, until);
    SELECT array_agg(to_char(b AT TIME ZONE 'UTC', 'YYYY-MM-DD') ORDER BY b) INTO buckets
      FROM generate_series(date_trunc(unit, since, 'UTC') AT TIME ZONE 'UTC', (until - interval '1 microsecond') AT TIME ZONE 'UTC', ('1 ' || unit)::interval) AS s(t)
     CROSS JOIN LATERAL (SELECT s.t AT TIME ZONE 'UTC' AS b) AS u;
    RETURN E'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>'
        || E'<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''"/>\n<title>Privacy report of '
        || twin_privacy_internal.html(current_database()) || '</title><style>' || twin_privacy_internal.report_style() || E'</style></head><body>\n<h1>Privacy report of '
        || twin_privacy_internal.html(current_database()) || '</h1><p class="sub">' || to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' to '
        || to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || E' UTC, from the ledger and the policy of twin_privacy. Uses, protection and findings are as of now.</p>\n'
        || twin_privacy_internal.report_reads(since, until, buckets) || twin_privacy_internal.report_consents(since, until, buckets)
        || twin_privacy_internal.report_state(since, until) || E'\n</body></html>\n';
END
$$;
COMMENT ON FUNCTION twin_privacy.report(timestamptz, timestamptz) IS
    'A page of HTML about a period, for the privacy officer (officer, auditor): reads by purpose over time and by use, refusals, consents and withdrawals, emergencies with their reviews (patients are named there), uses, '
    'protection, re-identification risk and what to look at. Self-contained: inline SVG and style, no script, every text escaped; for screen, telephone and paper, light and dark. since, until: [since, until). NULL: error 22004. Errors: 22023 empty or infinite period.';
REVOKE ALL ON FUNCTION twin_privacy.report(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.report(timestamptz, timestamptz) TO twin_privacy_officer, twin_privacy_auditor;

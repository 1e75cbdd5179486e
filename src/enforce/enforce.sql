--
-- enforce: the functions rewritten queries call.  Nobody has USAGE on their
-- schema, so nobody can name them; EXECUTE stays with PUBLIC because
-- PostgreSQL checks it for the role that runs the rewritten query.  (all)
--

CREATE FUNCTION twin_privacy_internal.row_visible_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'twp_enforce_row_visible_support' LANGUAGE C STRICT;
REVOKE ALL ON FUNCTION twin_privacy_internal.row_visible_support(internal) FROM PUBLIC;

CREATE FUNCTION twin_privacy_internal.row_visible(
    relation oid, stamp bigint, key "any", labels "any", author "any", encounter "any", date "any",
    purpose "any", traced_by "any", born xid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_row_visible'
LANGUAGE C STABLE PARALLEL SAFE COST 2
SUPPORT twin_privacy_internal.row_visible_support;
COMMENT ON FUNCTION twin_privacy_internal.row_visible(oid, bigint, "any", "any", "any", "any", "any", "any", "any", xid) IS
'(all) The row rule of a rewritten query.';

CREATE FUNCTION twin_privacy_internal.row_writable(
    relation oid, stamp bigint, key "any", labels "any", author "any", encounter "any", date "any",
    purpose "any", traced_by "any", born xid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_row_writable'
LANGUAGE C STABLE PARALLEL SAFE COST 2;
COMMENT ON FUNCTION twin_privacy_internal.row_writable(oid, bigint, "any", "any", "any", "any", "any", "any", "any", xid) IS
'(all) The check of a row about to be stored; TP003 when it may not.';

CREATE FUNCTION twin_privacy_internal.row_owed(
    relation oid, stamp bigint, key "any", labels "any", author "any", encounter "any", date "any",
    purpose "any", traced_by "any", born xid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_row_owed'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 2;
COMMENT ON FUNCTION twin_privacy_internal.row_owed(oid, bigint, "any", "any", "any", "any", "any", "any", "any", xid) IS
'(all) The check of a row about to be stored, made with those of the rows after it; TP003, before the statement ends, when it may not.';

CREATE FUNCTION twin_privacy_internal.subject_key(relation oid, start "any") RETURNS text
AS 'MODULE_PATHNAME', 'twp_enforce_subject_key'
LANGUAGE C STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION twin_privacy_internal.subject_key(oid, "any") IS
'Canonical key of the data subject that the path of a relation leads to from a row''s start value; NULL when it leads nowhere. Called by rewritten aggregate-only queries.';

CREATE FUNCTION twin_privacy_internal.cell(value anyelement, relation oid, stamp bigint, attno smallint, key "any", pin bigint)
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_enforce_cell'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.cell(anyelement, oid, bigint, smallint, "any", bigint) IS
'(all) A cell of a rewritten query: clear, masked or NULL.';

CREATE FUNCTION twin_privacy_internal.cell_strict(value anyelement, relation oid, stamp bigint, attno smallint, key "any")
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_enforce_cell_strict'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.cell_strict(anyelement, oid, bigint, smallint, "any") IS
'(all) A cell on the right of an assignment; TP003 when it is hidden.';

CREATE FUNCTION twin_privacy_internal.cell_write(value anyelement, relation oid, stamp bigint, attno smallint, key "any")
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_enforce_cell_write'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.cell_write(anyelement, oid, bigint, smallint, "any") IS
'(all) A value about to be stored in a cell; TP003 when the cell is hidden.';

CREATE FUNCTION twin_privacy_internal.cell_writable(value anyelement, relation oid, stamp bigint, attno smallint, key "any")
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_cell_writable'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.cell_writable(anyelement, oid, bigint, smallint, "any") IS
'(all) The check of a value about to be inserted; TP003 when its cell is hidden.';

CREATE FUNCTION twin_privacy_internal.subject_write(value anyelement, relation oid, stamp bigint, attno smallint, key "any", old anyelement)
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_enforce_subject_write'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.subject_write(anyelement, oid, bigint, smallint, "any", anyelement) IS
'(all) A new value of a column that decides whose row it is; TP003 when not all of the row is open.';

CREATE FUNCTION twin_privacy_internal.statistics_visible(catalog oid, object oid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_statistics_visible'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy_internal.statistics_visible(oid, oid) IS
'(all) False for rows of pg_statistic and pg_statistic_ext_data that tell of protected tables.';

CREATE FUNCTION twin_privacy.audit_replay(record_id bigint, OUT aspect text, OUT recorded text, OUT replayed text, OUT agrees boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_enforce_audit_replay'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.audit_replay(bigint) IS
'Decides a recorded disclosure again (auditor): the use, the policy hash as it is now, and every subject from the directives of the recorded consent '
'revision at the recorded time; subjects that do not agree are named. A policy changed since does not agree by its hash. record_id: from disclosures. '
'NULL: error 22004. Errors: 42501 not an auditor, 42704 no such record.';
REVOKE ALL ON FUNCTION twin_privacy.audit_replay(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.audit_replay(bigint) TO twin_privacy_auditor;

CREATE FUNCTION twin_privacy_internal.row_deletable(relation oid, stamp bigint, key "any", labels "any")
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_row_deletable'
LANGUAGE C STABLE PARALLEL SAFE COST 2;
COMMENT ON FUNCTION twin_privacy_internal.row_deletable(oid, bigint, "any", "any") IS
'(all) The check of a row about to be deleted that paths lead through; TP003 when it may not.';

CREATE FUNCTION twin_privacy_internal.row_noted(relation oid, stamp bigint, key "any", traced_by "any", born xid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_row_noted'
LANGUAGE C STABLE PARALLEL SAFE COST 2;
COMMENT ON FUNCTION twin_privacy_internal.row_noted(oid, bigint, "any", "any", xid) IS
'(all) The last filter of a scan in a rewritten query: notes the data subject of a row that passed all others, or those whose data a row of nobody''s own is made from.';

CREATE FUNCTION twin_privacy_internal.private_release(payload text, seal bytea)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_enforce_private_release'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION twin_privacy_internal.private_release(text, bytea) IS
'(all) Runs the grouping of a rewritten query under a private use: charges its budget, adds noise. Refuses what this session did not make.';

CREATE FUNCTION twin_privacy_internal.fixed_write(value anyelement, relation oid, stamp bigint, attno smallint, key "any", old anyelement)
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_enforce_fixed_write'
LANGUAGE C STABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION twin_privacy_internal.fixed_write(anyelement, oid, bigint, smallint, "any", anyelement) IS
'(all) A new value of a column that a row keeps (its purpose, a key of provenance); TP003 when it is another.';

CREATE FUNCTION twin_privacy_internal.purpose_written(relation oid, stamp bigint, purpose text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_purpose_written'
LANGUAGE C STABLE PARALLEL SAFE COST 2;
COMMENT ON FUNCTION twin_privacy_internal.purpose_written(oid, bigint, text) IS
'(all) The check of a new row''s purpose: that of the bound use; TP003 when it is another or NULL.';

CREATE FUNCTION twin_privacy_internal.untraced(relation oid, attno smallint, key "any")
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_enforce_untraced'
LANGUAGE C STABLE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION twin_privacy_internal.untraced(oid, smallint, "any") IS
'(all) True for a row of a provenance table whose derived row is gone: only such may be deleted.';

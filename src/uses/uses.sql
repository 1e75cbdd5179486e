--
-- uses: approved uses, grants, acknowledgements and the session's binding.
--

CREATE TABLE twin_privacy_internal.approved_use (
    code text COLLATE "C" PRIMARY KEY,
    purpose text NOT NULL,
    recipient text NOT NULL,
    categories text[] NOT NULL,
    disclosure text NOT NULL CHECK (disclosure IN ('identified', 'pseudonymised', 'aggregate', 'private')),
    valid tstzrange NOT NULL CHECK (NOT isempty(valid)),
    statement text,
    statement_version integer NOT NULL,
    export boolean NOT NULL,
    min_cohort integer NOT NULL,
    epsilon numeric,
    basis text NOT NULL CHECK (basis IN ('consent', 'vital_interest', 'legal_obligation', 'public_health')),
    overrides_deny boolean NOT NULL,
    max_subjects_per_day integer,
    max_duration interval,
    status text NOT NULL CHECK (status IN ('proposed', 'approved', 'suspended')),
    proposed_by name NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by name,
    approved_at timestamptz,
    suspended_by name,
    suspended_at timestamptz,
    suspend_reason text
);
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.approved_use', '');

-- What private uses have spent.  Rows are changed in place, outside any transaction (anonymity/budget.c):
-- the numbers come first, so that their place in the row is known.
CREATE TABLE twin_privacy_internal.privacy_account (
    epsilon_spent bigint NOT NULL,
    delta_spent bigint NOT NULL,
    queries bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    CONSTRAINT privacy_account_pkey PRIMARY KEY (code)
);
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.privacy_account', '');

CREATE TABLE twin_privacy_internal.use_grant (
    code text COLLATE "C" NOT NULL,
    grantee regrole NOT NULL,
    granted_by name NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (code, grantee)
);
-- A grant to a role that was dropped serves nobody; dumped as a number it might serve somebody else elsewhere.
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.use_grant',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) grantee)');

CREATE TABLE twin_privacy_internal.use_acknowledgement (
    code text COLLATE "C" NOT NULL,
    login regrole NOT NULL,
    statement_version integer NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    PRIMARY KEY (code, login, statement_version)
);
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.use_acknowledgement',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) login)');

CREATE FUNCTION twin_privacy.propose_use(
    code text, purpose text, recipient text, categories text[], disclosure text,
    valid tstzrange DEFAULT NULL, statement text DEFAULT NULL, export boolean DEFAULT false,
    min_cohort integer DEFAULT 11, epsilon numeric DEFAULT NULL, basis text DEFAULT 'consent',
    overrides_deny boolean DEFAULT false, max_subjects_per_day integer DEFAULT NULL,
    max_duration interval DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_propose_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.propose_use(text, text, text, text[], text, tstzrange, text, boolean, integer, numeric, text, boolean, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.propose_use(text, text, text, text[], text, tstzrange, text, boolean, integer, numeric, text, boolean, integer, interval) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.propose_use(text, text, text, text[], text, tstzrange, text, boolean, integer, numeric, text, boolean, integer, interval) IS
'Proposes an approved use: code, purpose (of twin_privacy.purposes), recipient, categories (of twin_privacy.categories), disclosure (identified, pseudonymised, aggregate, private), valid (NULL: from now on), statement (NULL: nothing to acknowledge), export, min_cohort (patients), epsilon (total privacy budget of a private use), basis, overrides_deny, max_subjects_per_day (NULL: no limit), max_duration (purpose BTG; NULL: 4 hours). A suspended or proposed use is replaced. Needs twin_privacy_officer. Errors: 22004 NULL argument, 22023 unknown or unfit value, 42710 approved already, TP002 prohibited purpose.';

CREATE FUNCTION twin_privacy.approve_use(code text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_approve_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.approve_use(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.approve_use(text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.approve_use(text) IS
'Approves a proposed use and creates its pseudonym domain. Needs twin_privacy_officer and another login than the proposer''s. Errors: 22004 NULL, 42501 same login, 42704 unknown use, 55000 not proposed, TP002 prohibited purpose, TP005 no master key.';

CREATE FUNCTION twin_privacy.grant_use(code text, role name)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_grant_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.grant_use(text, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.grant_use(text, name) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.grant_use(text, name) IS
'Grants a use to a role and its members. Needs twin_privacy_officer. Errors: 22004 NULL, 42704 unknown use or role, TP002 prohibited purpose.';

CREATE FUNCTION twin_privacy.revoke_use(code text, role name)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_revoke_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.revoke_use(text, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.revoke_use(text, name) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.revoke_use(text, name) IS
'Takes a grant back; holds from the next statement. Needs twin_privacy_officer. Errors: 22004 NULL, 42704 unknown use, role or grant.';

CREATE FUNCTION twin_privacy.suspend_use(code text, reason text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_suspend_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.suspend_use(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.suspend_use(text, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.suspend_use(text, text) IS
'Closes an approved use for everybody from the next statement on; reason is recorded. Needs twin_privacy_officer. Errors: 22004 NULL, 22023 empty reason, 42704 unknown use, 55000 not approved.';

CREATE FUNCTION twin_privacy.resume_use(code text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_resume_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.resume_use(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.resume_use(text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.resume_use(text) IS
'Opens a suspended use again. Needs twin_privacy_officer. Errors: 22004 NULL, 42704 unknown use, 55000 not suspended, TP002 prohibited purpose.';

CREATE FUNCTION twin_privacy.acknowledge_use(code text)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_acknowledge_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.acknowledge_use(text) IS
'(all) Records that the login (session_user) accepts the use''s present statement. Errors: 22004 NULL, 42704 unknown use, TP002 not granted.';

CREATE FUNCTION twin_privacy.bind_use(code text, justification text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_bind_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.bind_use(text, text) IS
'(all) Binds the session to an approved use, as SET twin_privacy.use does, after checking that it can be used; justification (NULL: none) is recorded with each statement. Errors: 22004 NULL code, 55000 in an emergency, TP002 not usable, with the reason.';

CREATE FUNCTION twin_privacy.unbind_use()
RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_unbind_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION twin_privacy.unbind_use() IS
'(all) Takes the session''s binding back. Errors: 55000 in an emergency.';

CREATE FUNCTION twin_privacy.current_use()
RETURNS text
AS 'MODULE_PATHNAME', 'twp_uses_current_use'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.current_use() IS
'(all) Code of the use the session claims to act under; NULL when none is bound.';

CREATE FUNCTION twin_privacy_internal.list_my_uses(
    OUT code text, OUT acknowledged boolean, OUT usable boolean, OUT problem text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_uses_list_mine'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE VIEW twin_privacy.my_uses AS
SELECT u.code, u.purpose, u.recipient, u.categories, u.disclosure, u.valid, u.status,
       u.statement, m.acknowledged, m.usable, m.problem
FROM twin_privacy_internal.list_my_uses() AS m
JOIN twin_privacy_internal.approved_use AS u ON u.code OPERATOR(pg_catalog.=) m.code;
GRANT SELECT ON twin_privacy.my_uses TO PUBLIC;
COMMENT ON VIEW twin_privacy.my_uses IS
'The uses granted to the role the session acts as: terms, whether the login has acknowledged the statement, whether bind_use would work now, and if not why.';

CREATE VIEW twin_privacy.approved_uses AS
SELECT u.code, u.purpose, u.recipient, u.categories, u.disclosure, u.valid, u.status,
       u.statement, u.statement_version, u.export, u.min_cohort, u.epsilon, u.basis,
       u.overrides_deny, u.max_subjects_per_day, u.max_duration,
       u.proposed_by, u.proposed_at, u.approved_by, u.approved_at,
       u.suspended_by, u.suspended_at, u.suspend_reason,
       ARRAY(SELECT g.grantee FROM twin_privacy_internal.use_grant AS g
             WHERE g.code OPERATOR(pg_catalog.=) u.code
               AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) g.grantee)
             ORDER BY g.grantee::text) AS granted_to
FROM twin_privacy_internal.approved_use AS u
WHERE twin_privacy_internal.holds_role('admin', 'officer', 'auditor');
GRANT SELECT ON twin_privacy.approved_uses TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;
COMMENT ON VIEW twin_privacy.approved_uses IS
'Every use with its terms, status, who proposed, approved and suspended it, and the roles it is granted to. For twin_privacy_admin, _officer and _auditor.';

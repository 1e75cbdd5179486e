--
-- scoring: recipients that insure or employ people, and what two officers
-- except from the rules that keep twin data from scoring them.
--

CREATE TABLE twin_privacy_internal.recipient_kind (
    recipient text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('insurance', 'employment')),
    labelled_by name NOT NULL,
    labelled_at timestamptz NOT NULL,
    release_by name
);
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.recipient_kind', '');

CREATE TABLE twin_privacy_internal.scoring_exception (
    exception_id bigint PRIMARY KEY,
    code text COLLATE "C" NOT NULL,
    terms bigint NOT NULL,
    target regclass NOT NULL,
    until timestamptz NOT NULL,
    reason text NOT NULL,
    proposed_by name NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by name,
    approved_at timestamptz,
    ended_by name,
    ended_at timestamptz
);
CREATE SEQUENCE twin_privacy_internal.scoring_exception_id_seq;
-- An exception for a table that was dropped serves nothing; dumped as a number it might serve another elsewhere.
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.scoring_exception',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) target)');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.scoring_exception_id_seq', '');

CREATE FUNCTION twin_privacy.label_recipient(recipient text, kind text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_label_recipient' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.label_recipient(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.label_recipient(text, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.label_recipient(text, text) IS
'Says that a recipient of uses insures or employs people (kind: insurance, employment), from the next statement on: uses for it give no derived data (twin_parameter, twin_state, simulation, prediction, what is declared to be derived or has provenance) of single persons or of cohorts below 11, whatever their purpose. Names are compared by their letters and digits, in whatever case. kind NULL takes the label away once two officers, each under a login of their own, have asked. Needs twin_privacy_officer. Errors: 22004 recipient NULL, 22023 empty recipient or unknown kind, 42501 not an officer or the same login again, 55000 no label. Source: EHDS (EU) 2025/327 art. 54.';

CREATE FUNCTION twin_privacy.propose_scoring_exception(code text, target regclass, until timestamptz, reason text) RETURNS bigint
AS 'MODULE_PATHNAME', 'twp_uses_propose_exception' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.propose_scoring_exception(text, regclass, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.propose_scoring_exception(text, regclass, timestamptz, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.propose_scoring_exception(text, regclass, timestamptz, text) IS
'Proposes that a use (code) may do with a table what the rules against scoring refuse, where they are wrong: with a table labelled context=insurance or employment, read it together with protected tables; with a protected table, give its derived data of single persons to a recipient of such a kind. until: its end, within a year. reason: recorded, not empty. Returns its number; it opens nothing until another officer approves it, and no longer than the use keeps its terms: proposing the use anew ends it, labelling its recipient closes it. Errors: 22004 NULL, 22023 until not within a year or empty reason, 42501 not an officer, 42704 unknown use, 55000 the table has neither label.';

CREATE FUNCTION twin_privacy.approve_scoring_exception(exception_id bigint) RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_approve_exception' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.approve_scoring_exception(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.approve_scoring_exception(bigint) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.approve_scoring_exception(bigint) IS
'Approves a proposed exception from the rules against scoring, from the next statement on. Needs twin_privacy_officer and another login than the proposer''s. Errors: 22004 NULL, 42501 not an officer or the same login, 42704 unknown number, 55000 not waiting for approval, or the use has other terms by now.';

CREATE FUNCTION twin_privacy.end_scoring_exception(exception_id bigint) RETURNS void
AS 'MODULE_PATHNAME', 'twp_uses_end_exception' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.end_scoring_exception(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.end_scoring_exception(bigint) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.end_scoring_exception(bigint) IS
'Ends an exception from the rules against scoring, or takes its proposal back, from the next statement on. Needs twin_privacy_officer. Errors: 22004 NULL, 42501 not an officer, 42704 unknown number, 55000 ended already.';

CREATE VIEW twin_privacy.labelled_recipients AS
SELECT r.recipient, r.kind, r.labelled_by, r.labelled_at, r.release_by
FROM twin_privacy_internal.recipient_kind AS r
WHERE twin_privacy_internal.holds_role('admin', 'officer', 'auditor');
GRANT SELECT ON twin_privacy.labelled_recipients TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;
COMMENT ON VIEW twin_privacy.labelled_recipients IS
'Recipients that insure or employ people, who said so, and who has asked to take the label away (release_by). For twin_privacy_admin, _officer and _auditor.';

CREATE VIEW twin_privacy.scoring_exceptions AS
SELECT e.exception_id, e.code, e.target, e.until, e.reason, e.proposed_by, e.proposed_at, e.approved_by, e.approved_at,
       e.ended_by, e.ended_at
FROM twin_privacy_internal.scoring_exception AS e
WHERE twin_privacy_internal.holds_role('admin', 'officer', 'auditor');
GRANT SELECT ON twin_privacy.scoring_exceptions TO twin_privacy_admin, twin_privacy_officer, twin_privacy_auditor;
COMMENT ON VIEW twin_privacy.scoring_exceptions IS
'Every exception from the rules against scoring ever proposed: use, table, until, reason, and who proposed, approved and ended it. For twin_privacy_admin, _officer and _auditor.';

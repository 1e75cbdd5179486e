-- protect.sql - between test_setup and the other core tests: the tables they
-- share become protected, under a use that sees and may do everything.
\set ON_ERROR_STOP 1
CREATE EXTENSION twin_privacy CASCADE;
CREATE ROLE core_officer1 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE core_officer2 LOGIN IN ROLE twin_privacy_officer;
SELECT twin_privacy.protect_table(t, subject => s, category => 'clinical')
FROM (VALUES ('tenk1'::regclass, 'unique1'), ('onek', 'unique1'), ('onek2', 'unique1'), ('int4_tbl', 'f1'),
             ('int8_tbl', 'q1'), ('text_tbl', 'f1'), ('person', 'name'), ('road', 'name')) AS v(t, s);
SET SESSION AUTHORIZATION core_officer1;
SELECT twin_privacy.propose_use('ALL', purpose => 'TREAT', recipient => 'core', basis => 'legal_obligation', export => true,
    categories => '{clinical}', disclosure => 'identified', valid => '[2000-01-01,2100-01-01)');
SET SESSION AUTHORIZATION core_officer2;
SELECT twin_privacy.approve_use('ALL');
SELECT twin_privacy.grant_use('ALL', 'postgres');
RESET SESSION AUTHORIZATION;
ALTER DATABASE regression SET twin_privacy.use = 'ALL';

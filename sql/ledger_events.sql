-- Changes of policy are events of the ledger, whatever becomes of their transaction.
CREATE ROLE ledger_officer LOGIN;
GRANT twin_privacy_officer TO ledger_officer;
CREATE ROLE ledger_auditor LOGIN;
GRANT twin_privacy_auditor TO ledger_auditor;
CREATE ROLE ledger_nobody LOGIN;

SET SESSION AUTHORIZATION ledger_officer;
SELECT twin_privacy.add_purpose('LEDGER_KEPT', 'TREAT', 'kept');
BEGIN;
SELECT twin_privacy.add_purpose('LEDGER_ROLLED_BACK', 'TREAT', 'rolled back');
ROLLBACK;
BEGIN;
SELECT twin_privacy.add_purpose('LEDGER_OUTER', 'TREAT', 'outer');
SAVEPOINT one;
SELECT twin_privacy.add_purpose('LEDGER_SAVEPOINT', 'TREAT', 'to a savepoint');
ROLLBACK TO one;
SAVEPOINT two;
SELECT twin_privacy.add_purpose('LEDGER_RELEASED', 'TREAT', 'released');
RELEASE two;
COMMIT;
BEGIN;
SAVEPOINT three;
SELECT twin_privacy.add_purpose('LEDGER_PARENT', 'TREAT', 'released, then rolled back');
RELEASE three;
ROLLBACK;
BEGIN;
SELECT twin_privacy.add_purpose('LEDGER_PREPARED', 'TREAT', 'prepared');
PREPARE TRANSACTION 'ledger';

-- the auditor reads them
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION ledger_auditor;
SELECT session_role, acting_role, kind, object, subject, outcome
  FROM twin_privacy.ledger_events WHERE object LIKE 'LEDGER\_%' ORDER BY event_id;
SELECT count(*) FROM twin_privacy.verify_ledger();
SELECT twin_privacy.ledger_head() ~ '^twp1:[0-9a-f]{32}:[0-9]+:[0-9a-f]{64}$' AS head;
SELECT twin_privacy.ledger_head() AS head \gset
SELECT count(*) FROM twin_privacy.verify_ledger(:'head');
-- a head of another history
SELECT finding FROM twin_privacy.verify_ledger(overlay(:'head' placing '0000000000000000' from 60));
SELECT finding FROM twin_privacy.verify_ledger(overlay(:'head' placing '00000000' from 6 for 8));
SELECT twin_privacy.verify_ledger('twp1:nonsense');

-- arguments
SELECT twin_privacy.subjects_of(NULL);
SELECT twin_privacy.subjects_of(-1);
SELECT count(*) FROM twin_privacy.subjects_of(1);
SELECT twin_privacy.disclosures_of(NULL);
SELECT twin_privacy.disclosure_report(NULL);
SELECT twin_privacy.audit_events(NULL);
SELECT twin_privacy.disclosure_report('nobody-we-know') LIKE E'Who was given data about nobody-we-know:\nNobody.%' AS nobody;

-- others read their own disclosures and nothing else
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION ledger_nobody;
SELECT count(*) FROM twin_privacy.disclosures;
SELECT count(*) FROM twin_privacy.ledger_events;
SELECT twin_privacy.verify_ledger();
SELECT twin_privacy.ledger_head();
SELECT twin_privacy.subjects_of(1);
SELECT twin_privacy.disclosures_of('1');
SELECT twin_privacy.disclosure_report('1');
SELECT twin_privacy.audit_events('-infinity');
SELECT twin_privacy_internal.ledger_events();
RESET SESSION AUTHORIZATION;

-- there is no table to edit
DELETE FROM twin_privacy.disclosures;
UPDATE twin_privacy.ledger_events SET outcome = 'done';

DROP ROLE ledger_officer, ledger_auditor, ledger_nobody;

--! everybody analyst:RES doc:CARE owner:CARE owner:RES super:RES nobody:none owner:none

--! attack our_functions_read_as_their_caller
SELECT twin_privacy.k_anonymity('clinic.patient', '{birth,zip,name,genome}');
SELECT twin_privacy.risk_report('clinic.patient', '{birth,zip}', 'genome');
SELECT twin_privacy.risk_report('clinic.patient', '{birth,zip}', 'name', 'clinic.patient');
SELECT * FROM twin_privacy.find_identifiers('clinic.patient');
SELECT * FROM twin_privacy.find_identifiers('clinic.diary');
SELECT twin_privacy.check_release('clinic.patient', '{birth,zip}', 2, 'genome', 2);
SELECT twin_privacy.check_release('clinic.patient', '{birth,zip}', 2, 'genome', 2, NULL, NULL, 'clinic.patient', true);
SELECT twin_privacy.why('clinic.patient', '77' || '00000004');
SELECT twin_privacy.check_protection();
SELECT * FROM clinic.patient;
--! open owner:none

--! attack our_functions_count_hidden_rows
SELECT 'ROWS' || (twin_privacy.risk_report('clinic.diary', '{patient_id}', NULL)::jsonb ->> 'rows');
SELECT 'ROWS' || count(*) FROM clinic.diary;
--! as analyst:RES doc:CARE
--! canary ROWS6

--! attack anonymize_stores_protected_rows
SELECT twin_privacy.anonymize('clinic.patient', 'lair.anon', '{sex}', 1);
SELECT * FROM lair.anon; SELECT * FROM anon;
CREATE TABLE lair.anon AS SELECT * FROM clinic.patient;
SELECT 'STORED' || count(*) FROM lair.anon;
--! canary STORED[1-9]
--! as analyst:RES owner:RES doc:CARE owner:CARE super:CARE

--! attack reveal_takes_no_raw_value
SELECT twin_privacy.reveal(genome, id, 'genomics') FROM clinic.patient;
SELECT twin_privacy.reveal(p, id, 'demographics') FROM clinic.patient p;
SELECT twin_privacy.reveal(name, 550000000 * 10::bigint + 1, 'identity') FROM clinic.patient;
SELECT name, genome FROM clinic.patient;

--! attack a_person_sees_only_their_disclosures
SELECT d::text FROM twin_privacy.disclosures d WHERE session_role <> session_user;
SELECT e::text FROM twin_privacy.break_glass_events e;
SELECT twin_privacy.subjects_of(record_id) FROM twin_privacy.disclosures;
SELECT twin_privacy.disclosures_of('5500000001');
SELECT * FROM twin_privacy.consents; SELECT twin_privacy.consent_summary('5500000001'); SELECT twin_privacy.export_consents('5500000001');
SELECT twin_privacy.explain_decision('5500000001', 'TREAT', 'demographics', 'ward');
SELECT twin_privacy.audit_events('2000-01-01'); SELECT twin_privacy.disclosure_report('5500000001');
SELECT twin_privacy.ledger_copy_nodes(); SELECT twin_privacy.export_policy();
SELECT 'SEE' || 'N' || decision || subject FROM twin_privacy.consents;
--! as analyst:RES doc:CARE owner:CARE nobody:none reader:none writer:none
--! open super:none
--! canary SEENpermit|postgres.*maintenance|"permit"|att_officer

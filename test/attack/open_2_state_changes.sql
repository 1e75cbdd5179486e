--! everybody doc:CARE owner:CARE bypass:CARE super:CARE

--! attack sorted_cursor_after_withdrawal
\o /dev/null
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
DECLARE c CURSOR FOR SELECT * FROM clinic.patient ORDER BY secret;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;

--! attack scroll_cursor_after_withdrawal
\o /dev/null
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
DECLARE c SCROLL CURSOR FOR SELECT p.*, o.* FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id;
FETCH ALL FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH BACKWARD ALL FROM c;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;

--! attack held_cursor_after_withdrawal
\o /dev/null
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGDATABASE :DBNAME
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
COMMIT;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! commit
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;

--! attack rebinding_and_a_held_cursor
\o /dev/null
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
COMMIT;
SET twin_privacy.use = 'RES';
\o
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c;
SET twin_privacy.use = '';
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c;
--! as owner:CARE super:CARE bypass:CARE
--! commit
--! canary IDNT


-- Consents that ask something of the row: labels, author, encounter, date.
CREATE ROLE rows_officer1 IN ROLE twin_privacy_officer;
CREATE ROLE rows_officer2 IN ROLE twin_privacy_officer;
CREATE ROLE rows_reader;
CREATE TABLE note (id int PRIMARY KEY, patient_id int, labels text[], written_by text, visit int, happened date, body text);
INSERT INTO note VALUES
    (1, 1, '{N}', 'dr-a', 10, '2025-05-05', 'normal, dr-a, visit 10, 2025'),
    (2, 1, '{R}', 'dr-a', 10, '2025-05-05', 'restricted'),
    (3, 1, '{PSY,R}', 'dr-b', 11, '2026-05-05', 'psychiatric, restricted, dr-b, visit 11, 2026'),
    (4, 1, '{PSY,V}', 'dr-b', 11, '2026-05-05', 'psychiatric, very restricted'),
    (5, 1, '{}', NULL, NULL, NULL, 'tells nothing of itself'),
    (6, 1, NULL, 'dr-b', 11, '2026-01-01', 'without labels, dr-b, visit 11, first day of 2026'),
    (7, 1, '{nonsense}', 'dr-a', 10, '2025-05-05', 'unknown label');
GRANT SELECT ON note TO rows_reader;
SELECT twin_privacy.protect_table('note', subject => 'patient_id', category => 'clinical',
    label_column => 'labels', author => 'written_by', encounter => 'visit', date => 'happened');
SELECT twin_privacy.label_column('note', c, 'kind=plain')
  FROM unnest('{id,labels,written_by,visit,happened,body}'::name[]) c;
SELECT label FROM pg_seclabel WHERE objoid = 'note'::regclass AND objsubid = 0;

SET SESSION AUTHORIZATION rows_officer1;
SELECT twin_privacy.propose_use('ROWS', purpose => 'TREAT', recipient => 'Practitioner/x',
    categories => '{clinical,sensitive}', disclosure => 'identified', valid => '(,)');
SET SESSION AUTHORIZATION rows_officer2;
SELECT twin_privacy.approve_use('ROWS');
SELECT twin_privacy.grant_use('ROWS', 'rows_reader');
RESET SESSION AUTHORIZATION;

-- Which rows are visible under one consent: as SQL reads them, and as the same
-- consent is evaluated for each row by itself.
CREATE FUNCTION consented(provision jsonb) RETURNS TABLE (rows text, evaluated text) LANGUAGE plpgsql AS $$
DECLARE
    resource jsonb := jsonb_build_object('resourceType', 'Consent', 'status', 'active',
        'patient', jsonb_build_object('reference', 'Patient/1'), 'provision', provision);
    consent bigint := twin_privacy.import_consent(resource);
BEGIN
    PERFORM set_config('role', 'rows_reader', true), set_config('twin_privacy.use', 'ROWS', true);
    EXECUTE 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM note' INTO rows;
    PERFORM set_config('role', 'none', true), set_config('twin_privacy.maintenance', 'on', true);
    SELECT string_agg(id::text, ' ' ORDER BY id) INTO evaluated FROM note
     WHERE labels IS DISTINCT FROM '{nonsense}'
       AND twin_privacy.evaluate_consent(resource, jsonb_build_object('purposeOfUse', 'TREAT',
           'actor', 'Practitioner/x', 'resource', jsonb_strip_nulls(jsonb_build_object(
               'security', labels, 'author', 'Practitioner/' || written_by,
               'encounter', 'Encounter/' || visit, 'date', happened)))) = 'permit';
    PERFORM set_config('twin_privacy.maintenance', 'off', true);
    PERFORM twin_privacy.withdraw_consent(consent, 'next');
    RETURN NEXT;
END $$;
CREATE FUNCTION label(VARIADIC codes text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('code', code)) FROM unnest(codes) code $$;

SELECT v.what, c.* FROM (VALUES
    (1, 'everything', '{"type": "permit"}'::jsonb),
    (2, 'normal data', jsonb_build_object('type', 'permit', 'securityLabel', label('N'))),
    (3, 'restricted data', jsonb_build_object('type', 'permit', 'securityLabel', label('R'))),
    (4, 'normal data, and psychiatric', jsonb_build_object('type', 'permit', 'securityLabel', label('N'),
        'provision', jsonb_build_array(jsonb_build_object('type', 'permit', 'securityLabel', label('PSY'))))),
    (5, 'everything but restricted data', jsonb_build_object('type', 'permit',
        'provision', jsonb_build_array(jsonb_build_object('type', 'deny', 'securityLabel', label('R'))))),
    (6, 'everything but psychiatric data', jsonb_build_object('type', 'permit',
        'provision', jsonb_build_array(jsonb_build_object('type', 'deny', 'securityLabel', label('PSY'))))),
    (7, 'what dr-a wrote', '{"type": "permit", "data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/dr-a"}}]}'),
    (8, 'everything but what dr-a wrote', '{"type": "permit", "provision": [{"type": "deny", "data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/dr-a"}}]}]}'),
    (9, 'visit 11', '{"type": "permit", "data": [{"meaning": "related", "reference": {"reference": "Encounter/11"}}]}'),
    (10, 'data of 2026', '{"type": "permit", "dataPeriod": {"start": "2026-01-01", "end": "2026-12-31"}}'),
    (11, 'everything but data of 2025', '{"type": "permit", "provision": [{"type": "deny", "dataPeriod": {"end": "2025-12-31"}}]}'),
    (12, 'observations', '{"type": "permit", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}'))
    v(nr, what, provision), LATERAL consented(v.provision) c ORDER BY v.nr;

-- names follow, columns that decide stay, and what does not fit is refused
ALTER TABLE note RENAME COLUMN written_by TO "the author";
SELECT label FROM pg_seclabel WHERE objoid = 'note'::regclass AND objsubid = 0;
ALTER TABLE note DROP COLUMN visit;
\set VERBOSITY terse
SELECT twin_privacy.protect_table('note', 'patient_id', 'clinical', date => 'body');
SELECT twin_privacy.protect_table('note', 'patient_id', 'clinical', author => 'nobody');
SELECT twin_privacy.protect_table('note', 'patient_id', 'clinical', encounter => ' ');
SECURITY LABEL FOR twin_privacy ON TABLE note IS 'subject=patient_id, category=clinical, date=happened, date=happened';

DROP TABLE note;
DROP ROLE rows_officer1, rows_officer2, rows_reader;

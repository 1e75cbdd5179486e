-- change.sql - some patients change their minds: permits withdrawn, denies added, and
-- permits for those who had nothing.
DO $$
DECLARE
    c record;
    done int := 0;
BEGIN
    FOR c IN SELECT consent_id FROM twin_privacy.consents
              WHERE withdrawn_at IS NULL AND subject::int % 9 = 4 ORDER BY consent_id LOOP
        PERFORM twin_privacy.withdraw_consent(c.consent_id, 'changed mind');
        done := done + 1;
        IF done % 400 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    COMMIT;
    FOR c IN SELECT subject FROM model.world WHERE subject % 9 = 7 ORDER BY subject LOOP
        PERFORM twin_privacy.record_consent(c.subject::text, decision => CASE WHEN c.subject % 2 = 0 THEN 'deny' ELSE 'permit' END,
            purpose => 'CLINTRCH', categories => '{mental_health,laboratory}', recipients => '{ours,a-third}');
        done := done + 1;
        IF done % 400 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;

-- engine.sql - the same worlds given to the extension; see reference.sql.
CREATE ROLE model_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE model_two LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE model_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE model_reader LOGIN;
GRANT USAGE ON SCHEMA model TO model_one, model_two, model_registrar;
GRANT SELECT ON ALL TABLES IN SCHEMA model TO model_one, model_two, model_registrar;

CREATE SCHEMA world;
GRANT USAGE ON SCHEMA world TO model_reader;
DO $$
DECLARE
    category text;
BEGIN
    FOREACH category IN ARRAY '{sensitive,mental_health,laboratory,twin_state,simulation,prediction}'::text[] LOOP
        EXECUTE format('CREATE TABLE world.%1$I AS SELECT id, subject, labels, v_own, v_redact, v_band, v_sensitive,'
                       ' v_unmasked, v_unlabelled FROM model.row', category);
        EXECUTE format('GRANT SELECT ON world.%I TO model_reader', category);
        PERFORM twin_privacy.protect_table(format('world.%I', category)::regclass, subject => 'subject',
                                           category => category, label_column => 'labels');
        PERFORM twin_privacy.label_column(format('world.%I', category)::regclass, c, l)
          FROM (VALUES ('id'::name, 'kind=plain'), ('v_own', 'kind=plain'),
                       ('v_redact', 'category=mental_health, kind=identifier, mask=redact'),
                       ('v_band', 'category=laboratory, kind=quasi, mask=band:10'),
                       ('v_sensitive', 'category=sensitive, kind=sensitive'),
                       ('v_unmasked', 'category=mental_health, kind=identifier')) AS v(c, l);
    END LOOP;
END $$;
SELECT count(twin_privacy.declare_derivation(category, array_agg(source))::text) OVER () AS derivations FROM model.declared GROUP BY category;

\connect - model_one
SELECT count(twin_privacy.propose_use(code, purpose => purpose, recipient => 'ours', categories => categories,
             disclosure => form, valid => '[2020-01-01,2100-01-01)', basis => basis,
             overrides_deny => overrides_deny)::text) AS proposed FROM model.use;
\connect - model_two
SELECT count(twin_privacy.approve_use(code)::text) AS approved FROM model.use;
SELECT count(twin_privacy.grant_use(code, 'model_reader')::text) AS granted FROM model.use;

\connect - model_registrar
-- What is withdrawn comes first: the same directive may be in force only once at a
-- time.  In portions, because the ledger keeps room for each change until commit.
DO $$
DECLARE
    d record;
    done int := 0;
    consent bigint;
BEGIN
    FOR d IN SELECT * FROM model.directive ORDER BY NOT withdrawn, subject, n LOOP
        consent := twin_privacy.record_consent(d.subject::text, decision => d.decision, purpose => d.purpose,
            categories => d.categories, recipients => d.recipients, valid => d.valid::tstzrange);
        IF d.withdrawn THEN
            PERFORM twin_privacy.withdraw_consent(consent, 'changed mind');
        END IF;
        done := done + 1;
        IF done % 400 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;

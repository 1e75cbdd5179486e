-- Deciding: coverage by ancestors, recipients, validity, combination, prohibition.
SET timezone = 'UTC'; SET datestyle = 'ISO';
CREATE FUNCTION d(subject text, purpose text, category text, recipient text DEFAULT 'uh',
                  at timestamptz DEFAULT '2026-06-01') RETURNS text
LANGUAGE sql AS $$ SELECT twin_privacy.decide($1, $2, $3, $4, $5) $$;

-- default deny: no directive, no data
SELECT d('a', 'TREAT', 'laboratory');

-- a purpose and a category are covered by their ancestors, never by what is below
SELECT twin_privacy.record_consent('a', 'permit', 'TREAT', '{clinical}', valid => '[2026-01-01,2027-01-01)') AS id \gset
SELECT d('a', 'TREAT', 'clinical') AS same, d('a', 'ETREAT', 'laboratory') AS below, d('a', 'BTG', 'imaging') AS far_below,
       d('a', 'PurposeOfUse', 'clinical') AS above_purpose, d('a', 'TREAT', 'identity') AS beside,
       d('a', 'TREAT', 'mental_health') AS other_tree;

-- validity: the lower bound belongs to it, the upper does not; at moves the test of time only
SELECT at, d('a', 'TREAT', 'clinical', at => at) FROM unnest('{2025-12-31 23:59:59.999999+00,2026-01-01 00:00+00,
  2026-12-31 23:59:59.999999+00,2027-01-01 00:00+00}'::timestamptz[]) at;
SELECT twin_privacy.withdraw_consent(:id, 'asked');
SELECT d('a', 'TREAT', 'clinical') AS withdrawn_is_out_for_all_of_time;

-- recipients: absent is any
SELECT twin_privacy.record_consent('b', 'permit', 'HRESCH', recipients => '{uh,lab}', valid => '(,)') IS NOT NULL;
SELECT d('b', 'HRESCH', 'laboratory', 'uh') AS named, d('b', 'HRESCH', 'laboratory', 'insurer') AS other;

-- any deny wins, however general or early
SELECT twin_privacy.record_consent('b', 'deny', 'HRESCH', '{genomics}', valid => '(,)') IS NOT NULL;
SELECT d('b', 'HRESCH', 'laboratory') AS beside, d('b', 'HRESCH', 'genomics') AS denied, d('b', 'CLINTRCH', 'genomics') AS below;
SELECT twin_privacy.record_consent('b', 'permit', 'CLINTRCH', '{genomics}', '{uh}', valid => '(,)') IS NOT NULL;
SELECT d('b', 'CLINTRCH', 'genomics') AS deny_overrides;
SET twin_privacy.consent_combining = latest;
SELECT d('b', 'CLINTRCH', 'genomics') AS latest, d('b', 'HRESCH', 'genomics') AS latest_that_applies;
SELECT consent_id - (SELECT min(consent_id) FROM twin_privacy.consents WHERE subject = 'b') AS nth, decision, decisive, reason
  FROM twin_privacy.explain_decision('b', 'CLINTRCH', 'genomics', 'uh');
RESET twin_privacy.consent_combining;
SELECT consent_id - (SELECT min(consent_id) FROM twin_privacy.consents WHERE subject = 'b') AS nth, decision, decisive, reason
  FROM twin_privacy.explain_decision('b', 'CLINTRCH', 'genomics', 'uh');
SELECT consent_id IS NULL AS none, decision, decisive, reason FROM twin_privacy.explain_decision('b', 'TREAT', 'genomics', 'uh');

-- nobody can permit what is prohibited
SELECT twin_privacy.record_consent('c', 'permit', 'PurposeOfUse', valid => '(,)') IS NOT NULL;
SELECT twin_privacy.record_consent('c', 'permit', 'REIDENTIFICATION', valid => '(,)') IS NOT NULL;
SELECT d('c', 'REIDENTIFICATION', 'identity') AS prohibited, d('c', 'TREAT', 'identity') AS not_prohibited;
SELECT consent_id IS NULL AS by_law, decision, decisive, reason
  FROM twin_privacy.explain_decision('c', 'REIDENTIFICATION', 'identity', 'uh');

-- plain words
SELECT regexp_replace(twin_privacy.consent_summary('b'), 'Consent \d+', 'Consent N', 'g');
SELECT twin_privacy.consent_summary('nobody');

-- errors
\set VERBOSITY sqlstate
SELECT twin_privacy.decide(NULL, 'TREAT', 'clinical', 'uh');
SELECT twin_privacy.decide('a', NULL, 'clinical', 'uh');
SELECT twin_privacy.decide('a', 'TREAT', NULL, 'uh');
SELECT twin_privacy.decide('a', 'TREAT', 'clinical', NULL);
SELECT twin_privacy.decide('a', 'TREAT', 'clinical', 'uh', NULL);
SELECT twin_privacy.decide('a', 'NOSUCH', 'clinical', 'uh');
SELECT twin_privacy.decide('a', 'TREAT', 'nosuch', 'uh');
SELECT twin_privacy.consent_summary(NULL);
SELECT twin_privacy.export_consents(NULL);
SELECT twin_privacy.evaluate_consent(NULL, '{}');
\set VERBOSITY default
-- how directives combine is the superuser's to say
CREATE ROLE consent_asker;
SET ROLE consent_asker;
SET twin_privacy.consent_combining = latest;
RESET ROLE;
DROP ROLE consent_asker;

-- what FHIR says in R4 comes back in R4
SELECT jsonb_pretty(e - 'identifier' - 'dateTime') FROM twin_privacy.export_consents('b') e LIMIT 1;

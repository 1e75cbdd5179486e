-- Purposes of use and categories of data. The tables are written only by the
-- functions below; users read the views.

CREATE TABLE twin_privacy_internal.purpose (
    code text COLLATE "C" PRIMARY KEY CHECK (code OPERATOR(pg_catalog.~) '^[A-Za-z0-9_.:-]{1,63}$'),
    display text NOT NULL CHECK (pg_catalog.octet_length(display) OPERATOR(pg_catalog.<=) 1000),
    seeded boolean NOT NULL DEFAULT false
);
-- HL7 lets a concept have several parents; number 1 is the one the view shows.
-- No foreign keys between these tables: pg_restore -j loads dumped tables in any order.
CREATE TABLE twin_privacy_internal.purpose_parent (
    code text COLLATE "C",
    number smallint,
    parent text COLLATE "C" NOT NULL,
    seeded boolean NOT NULL DEFAULT false,
    PRIMARY KEY (code, number)
);
-- A table of its own: a prohibition of a seeded purpose must survive pg_dump.
CREATE TABLE twin_privacy_internal.purpose_prohibition (
    code text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL CHECK (pg_catalog.octet_length(reason) OPERATOR(pg_catalog.<=) 1000),
    seeded boolean NOT NULL DEFAULT false
);
-- Seeded categories are numbered from 0 upwards, the users' own from 63
-- downwards, so that a later version may seed more and still take an old dump.
CREATE TABLE twin_privacy_internal.category (
    code text COLLATE "C" PRIMARY KEY CHECK (code OPERATOR(pg_catalog.~) '^[A-Za-z0-9_.:-]{1,63}$'),
    number smallint NOT NULL UNIQUE CHECK (number BETWEEN 0 AND 63),
    parent text COLLATE "C" REFERENCES twin_privacy_internal.category,
    display text NOT NULL CHECK (pg_catalog.octet_length(display) OPERATOR(pg_catalog.<=) 1000),
    seeded boolean NOT NULL DEFAULT false
);
-- What a row carrying an HL7 security label asks for, beside its own category.
CREATE TABLE twin_privacy_internal.security_label (
    code text COLLATE "C" PRIMARY KEY,
    categories text[] NOT NULL,
    display text NOT NULL
);
-- What a category's data is made from, one row a source.
CREATE TABLE twin_privacy_internal.derivation (
    category text COLLATE "C",
    source text COLLATE "C",
    PRIMARY KEY (category, source)
);

SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.derivation', '');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.purpose', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.purpose_parent', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.purpose_prohibition', 'WHERE NOT seeded');
SELECT pg_catalog.pg_extension_config_dump('twin_privacy_internal.category', 'WHERE NOT seeded');

-- HL7 v3 ActReason, value set PurposeOfUse (HL7 Terminology, CC0), complete.
INSERT INTO twin_privacy_internal.purpose (code, display, seeded) VALUES
    ('PurposeOfUse', 'purpose of use', true),
    ('HMARKT', 'healthcare marketing', true),
    ('HOPERAT', 'healthcare operations', true),
    ('CAREMGT', 'care management', true),
    ('DONAT', 'donation', true),
    ('FRAUD', 'fraud', true),
    ('GOV', 'government', true),
    ('HACCRED', 'health accreditation', true),
    ('HCOMPL', 'health compliance', true),
    ('HDECD', 'decedent', true),
    ('HDIRECT', 'directory', true),
    ('HDM', 'healthcare delivery management', true),
    ('HLEGAL', 'legal', true),
    ('HOUTCOMS', 'health outcome measure', true),
    ('HPRGRP', 'health program reporting', true),
    ('HQUALIMP', 'health quality improvement', true),
    ('HSYSADMIN', 'health system administration', true),
    ('LABELING', 'labeling', true),
    ('METAMGT', 'metadata management', true),
    ('MEMADMIN', 'member administration', true),
    ('MILCDM', 'military command', true),
    ('PATADMIN', 'patient administration', true),
    ('PATSFTY', 'patient safety', true),
    ('PERFMSR', 'performance measure', true),
    ('RECORDMGT', 'records management', true),
    ('SYSDEV', 'system development', true),
    ('HTEST', 'test health data', true),
    ('TRAIN', 'training', true),
    ('MLTRAINING', 'machine learning training', true),
    ('HPAYMT', 'healthcare payment', true),
    ('CLMATTCH', 'claim attachment', true),
    ('COVAUTH', 'coverage authorization', true),
    ('COVERAGE', 'coverage under policy or program', true),
    ('ELIGDTRM', 'eligibility determination', true),
    ('ELIGVER', 'eligibility verification', true),
    ('ENROLLM', 'enrollment', true),
    ('MILDCRG', 'military discharge', true),
    ('REMITADV', 'remittance advice', true),
    ('PMTDS', 'decision support assisted payment decision', true),
    ('HRESCH', 'healthcare research', true),
    ('BIORCH', 'biomedical research', true),
    ('CLINTRCH', 'clinical trial research', true),
    ('CLINTRCHNPC', 'clinical trial research without patient care', true),
    ('CLINTRCHPC', 'clinical trial research with patient care', true),
    ('PRECLINTRCH', 'preclinical trial research', true),
    ('DSRCH', 'disease specific healthcare research', true),
    ('POARCH', 'population origins or ancestry healthcare research', true),
    ('TRANSRCH', 'translational healthcare research', true),
    ('PATRQT', 'patient requested', true),
    ('FAMRQT', 'family requested', true),
    ('PWATRNY', 'power of attorney', true),
    ('SUPNWK', 'support network', true),
    ('PUBHLTH', 'public health', true),
    ('DISASTER', 'disaster', true),
    ('THREAT', 'threat', true),
    ('TREAT', 'treatment', true),
    ('CLINTRL', 'clinical trial', true),
    ('COC', 'coordination of care', true),
    ('ETREAT', 'Emergency Treatment', true),
    ('BTG', 'break the glass', true),
    ('ERTREAT', 'emergency room treatment', true),
    ('POPHLTH', 'population health', true),
    ('TREATDS', 'decision support assisted treatment decision', true),
    ('INSURANCE_RISK_SCORING', 'scoring a persons insurance risk or terms', true),
    ('EMPLOYMENT_SCREENING', 'screening job applicants or employees', true),
    ('REIDENTIFICATION', 'identifying the people behind pseudonymised data', true);

INSERT INTO twin_privacy_internal.purpose_parent (code, number, parent, seeded) VALUES
    ('HMARKT', 1, 'PurposeOfUse', true),
    ('HOPERAT', 1, 'PurposeOfUse', true),
    ('CAREMGT', 1, 'HOPERAT', true),
    ('DONAT', 1, 'HOPERAT', true),
    ('FRAUD', 1, 'HOPERAT', true),
    ('GOV', 1, 'HOPERAT', true),
    ('HACCRED', 1, 'HOPERAT', true),
    ('HCOMPL', 1, 'HOPERAT', true),
    ('HDECD', 1, 'HOPERAT', true),
    ('HDIRECT', 1, 'HOPERAT', true),
    ('HDM', 1, 'HOPERAT', true),
    ('HLEGAL', 1, 'HOPERAT', true),
    ('HOUTCOMS', 1, 'HOPERAT', true),
    ('HPRGRP', 1, 'HOPERAT', true),
    ('HQUALIMP', 1, 'HOPERAT', true),
    ('HSYSADMIN', 1, 'HOPERAT', true),
    ('LABELING', 1, 'HSYSADMIN', true),
    ('METAMGT', 1, 'HSYSADMIN', true),
    ('MEMADMIN', 1, 'HOPERAT', true),
    ('MILCDM', 1, 'HOPERAT', true),
    ('PATADMIN', 1, 'HOPERAT', true),
    ('PATSFTY', 1, 'HOPERAT', true),
    ('PERFMSR', 1, 'HOPERAT', true),
    ('RECORDMGT', 1, 'HOPERAT', true),
    ('SYSDEV', 1, 'HOPERAT', true),
    ('HTEST', 1, 'SYSDEV', true),
    ('TRAIN', 1, 'HOPERAT', true),
    ('MLTRAINING', 1, 'HOPERAT', true),
    ('HPAYMT', 1, 'PurposeOfUse', true),
    ('CLMATTCH', 1, 'HPAYMT', true),
    ('COVAUTH', 1, 'HPAYMT', true),
    ('COVERAGE', 1, 'HPAYMT', true),
    ('ELIGDTRM', 1, 'COVERAGE', true),
    ('ELIGVER', 1, 'COVERAGE', true),
    ('ENROLLM', 1, 'COVERAGE', true),
    ('MILDCRG', 1, 'COVERAGE', true),
    ('REMITADV', 1, 'HPAYMT', true),
    ('PMTDS', 1, 'HPAYMT', true),
    ('HRESCH', 1, 'PurposeOfUse', true),
    ('BIORCH', 1, 'HRESCH', true),
    ('CLINTRCH', 1, 'HRESCH', true),
    ('CLINTRCHNPC', 1, 'CLINTRCH', true),
    ('CLINTRCHPC', 1, 'CLINTRCH', true),
    ('PRECLINTRCH', 1, 'CLINTRCH', true),
    ('DSRCH', 1, 'HRESCH', true),
    ('POARCH', 1, 'HRESCH', true),
    ('TRANSRCH', 1, 'HRESCH', true),
    ('PATRQT', 1, 'PurposeOfUse', true),
    ('FAMRQT', 1, 'PATRQT', true),
    ('PWATRNY', 1, 'PATRQT', true),
    ('SUPNWK', 1, 'PATRQT', true),
    ('PUBHLTH', 1, 'PurposeOfUse', true),
    ('DISASTER', 1, 'PUBHLTH', true),
    ('THREAT', 1, 'PUBHLTH', true),
    ('TREAT', 1, 'PurposeOfUse', true),
    ('CLINTRL', 1, 'TREAT', true),
    ('COC', 1, 'TREAT', true),
    ('ETREAT', 1, 'TREAT', true),
    ('BTG', 1, 'ETREAT', true),
    ('ERTREAT', 1, 'ETREAT', true),
    ('POPHLTH', 1, 'TREAT', true),
    ('TREATDS', 1, 'TREAT', true),
    ('INSURANCE_RISK_SCORING', 1, 'HPAYMT', true),
    ('EMPLOYMENT_SCREENING', 1, 'PurposeOfUse', true),
    ('REIDENTIFICATION', 1, 'PurposeOfUse', true);

-- Regulation (EU) 2025/327 (European Health Data Space), articles 54 and 61.
INSERT INTO twin_privacy_internal.purpose_prohibition (code, reason, seeded) VALUES
    ('INSURANCE_RISK_SCORING', 'health data may not decide on the insurance of a person or its terms (EHDS art. 54)', true),
    ('EMPLOYMENT_SCREENING', 'health data may not decide on job offers or employment (EHDS art. 54)', true),
    ('REIDENTIFICATION', 'nobody may try to identify the people behind pseudonymised data (EHDS art. 61)', true);

INSERT INTO twin_privacy_internal.category (code, number, parent, display, seeded) VALUES
    ('identity', 0, NULL, 'who the person is: names, numbers, keys', true),
    ('contact', 1, NULL, 'how to reach the person: address, telephone, e-mail', true),
    ('demographics', 2, NULL, 'birth, sex, family state, language, origin', true),
    ('clinical', 3, NULL, 'clinical data of any kind', true),
    ('condition', 4, 'clinical', 'diagnoses and problems', true),
    ('medication', 5, 'clinical', 'prescriptions and administrations', true),
    ('laboratory', 6, 'clinical', 'laboratory results', true),
    ('vital_signs', 7, 'clinical', 'vital signs', true),
    ('imaging', 8, 'clinical', 'imaging studies and reports', true),
    ('procedure', 9, 'clinical', 'procedures and operations', true),
    ('sensitive', 10, NULL, 'specially protected data of any kind', true),
    ('mental_health', 11, 'sensitive', 'mental and behavioural health', true),
    ('sexual_health', 12, 'sensitive', 'sexuality, reproduction, HIV and other transmitted diseases', true),
    ('substance_use', 13, 'sensitive', 'alcohol, opioid and other substance use', true),
    ('genomics', 14, 'sensitive', 'genetic data and genetic disease', true),
    ('violence', 15, 'sensitive', 'violence, abuse and assault', true),
    ('sensor_stream', 16, NULL, 'measurements streamed by a device', true),
    ('twin_parameter', 17, NULL, 'parameters of a twin, fitted to the person', true),
    ('twin_state', 18, NULL, 'state of a twin over time', true),
    ('simulation', 19, NULL, 'runs of a twin and what they give', true),
    ('prediction', 20, NULL, 'predictions and alerts about the person', true);

-- HL7 v3 InformationSensitivityPolicy (ActCode, CC0) and Confidentiality. A code
-- not listed here hides its row. A heightened policy about an otherwise
-- ordinary kind of data asks for both: the kind and "sensitive".
INSERT INTO twin_privacy_internal.security_label (code, categories, display) VALUES
    ('PSY', '{mental_health}', 'psychiatry disorder information sensitivity'),
    ('MH', '{mental_health}', 'mental health information sensitivity'),
    ('BH', '{mental_health}', 'behavioral health information sensitivity'),
    ('COGN', '{mental_health}', 'cognitive disability information sensitivity'),
    ('DVD', '{mental_health}', 'developmental disability information sensitivity'),
    ('EMOTDIS', '{mental_health}', 'emotional disturbance information sensitivity'),
    ('PSYTHPN', '{mental_health}', 'psychotherapy note information sensitivity'),
    ('SEX', '{sexual_health}', 'sexuality and reproductive health information sensitivity'),
    ('HIV', '{sexual_health}', 'HIV/AIDS information sensitivity'),
    ('STD', '{sexual_health}', 'sexually transmitted disease information sensitivity'),
    ('PREGNANT', '{sexual_health}', 'pregnancy information sensitivity'),
    ('GENDER', '{sexual_health}', 'gender and sexual orientation information sensitivity'),
    ('ETH', '{substance_use}', 'substance abuse information sensitivity'),
    ('SUD', '{substance_use}', 'substance use disorder information sensitivity'),
    ('ETHUD', '{substance_use}', 'alcohol use disorder information sensitivity'),
    ('OPIOIDUD', '{substance_use}', 'opioid use disorder information sensitivity'),
    ('GDIS', '{genomics}', 'genetic disease information sensitivity'),
    ('SCA', '{genomics}', 'sickle cell anemia information sensitivity'),
    ('SICKLE', '{genomics}', 'sickle cell'),
    ('SDV', '{violence}', 'sexual assault, abuse, or domestic violence information sensitivity'),
    ('VIO', '{violence}', 'violence information sensitivity'),
    ('MST', '{violence}', 'military sexual trauma information sensitivity'),
    ('SPI', '{sensitive}', 'specially protected information sensitivity'),
    ('TBOO', '{sensitive}', 'taboo'),
    ('ADOL', '{sensitive}', 'adolescent information sensitivity'),
    ('CEL', '{sensitive}', 'celebrity information sensitivity'),
    ('VIP', '{sensitive}', 'celebrity information sensitivity'),
    ('PDS', '{sensitive}', 'patient default information sensitivity'),
    ('PHY', '{sensitive}', 'physician requested information sensitivity'),
    ('PRS', '{sensitive}', 'patient requested information sensitivity'),
    ('SSP', '{sensitive}', 'sensitive service provider information sensitivity'),
    ('EMP', '{sensitive}', 'employee information sensitivity'),
    ('EMPL', '{sensitive}', 'employer information sensitivity'),
    ('DIA', '{condition,sensitive}', 'diagnosis information sensitivity'),
    ('DRGIS', '{medication,sensitive}', 'drug information sensitivity'),
    ('DEMO', '{demographics,sensitive}', 'all demographic information sensitivity'),
    ('DOB', '{demographics,sensitive}', 'date of birth information sensitivity'),
    ('MARST', '{demographics,sensitive}', 'marital status information sensitivity'),
    ('RACE', '{demographics,sensitive}', 'race information sensitivity'),
    ('REL', '{demographics,sensitive}', 'religion information sensitivity'),
    ('LIVARG', '{contact,sensitive}', 'living arrangement information sensitivity'),
    ('PATLOC', '{contact,sensitive}', 'patient location'),
    ('LOCIS', '{contact,sensitive}', 'location information sensitivity'),
    ('IDS', '{identity,sensitive}', 'Identifier Sensitivity'),
    ('U', '{}', 'unrestricted'),
    ('L', '{}', 'low'),
    ('M', '{}', 'moderate'),
    ('N', '{}', 'normal'),
    ('R', '{sensitive}', 'restricted'),
    ('V', '{sensitive}', 'very restricted');

CREATE VIEW twin_privacy.purposes AS
WITH RECURSIVE closed(code, reason, distance) AS (
    SELECT p.code, p.reason, 0
      FROM twin_privacy_internal.purpose_prohibition AS p
    UNION ALL
    SELECT e.code, c.reason, c.distance OPERATOR(pg_catalog.+) 1
      FROM closed AS c
      JOIN twin_privacy_internal.purpose_parent AS e ON e.parent OPERATOR(pg_catalog.=) c.code
), nearest(code, reason) AS (
    SELECT DISTINCT ON (c.code) c.code, c.reason
      FROM closed AS c
     ORDER BY c.code, c.distance, c.reason
)
SELECT p.code, e.parent, p.display, n.code IS NOT NULL AS prohibited, n.reason
  FROM twin_privacy_internal.purpose AS p
  LEFT JOIN twin_privacy_internal.purpose_parent AS e
    ON e.code OPERATOR(pg_catalog.=) p.code AND e.number OPERATOR(pg_catalog.=) 1
  LEFT JOIN nearest AS n ON n.code OPERATOR(pg_catalog.=) p.code;
GRANT SELECT ON twin_privacy.purposes TO PUBLIC;
COMMENT ON VIEW twin_privacy.purposes IS
'Purposes of use: the HL7 v3 PurposeOfUse tree, the prohibited purposes and those added by officers. prohibited is true for a prohibited purpose and all below it; reason is that of the nearest prohibition.';

CREATE VIEW twin_privacy.categories AS
SELECT c.code, c.parent, c.display
  FROM twin_privacy_internal.category AS c;
GRANT SELECT ON twin_privacy.categories TO PUBLIC;
COMMENT ON VIEW twin_privacy.categories IS
'Categories of data, at most 64. What is said of a category holds for all below it.';

CREATE FUNCTION twin_privacy.add_purpose(code text, parent text, display text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_vocab_add_purpose' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.add_purpose(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.add_purpose(text, text, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.add_purpose(text, text, text) IS
'Adds a purpose of use below parent (NULL: a tree of its own). code: 1 to 63 ASCII letters, digits, "_", "-", ".", ":". Errors: 22004 code or display NULL, 22023 bad code, empty display or unknown parent, 42P17 its own parent, 42710 code taken, 42501 not an officer.';

CREATE FUNCTION twin_privacy.prohibit_purpose(code text, reason text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_vocab_prohibit_purpose' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.prohibit_purpose(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.prohibit_purpose(text, text) TO twin_privacy_officer;
COMMENT ON FUNCTION twin_privacy.prohibit_purpose(text, text) IS
'Prohibits a purpose and all below it, for everybody and for good: it holds for uses approved before, too. Errors: 22004 an argument is NULL, 22023 unknown purpose, the root of the tree or empty reason, 42710 already prohibited itself, 42501 not an officer.';

CREATE FUNCTION twin_privacy.add_category(code text, parent text, display text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_vocab_add_category' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.add_category(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.add_category(text, text, text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.add_category(text, text, text) IS
'Adds a category of data below parent (NULL: at the top). Rules for the parent cover it at once. code as for add_purpose. Errors: 22004 code or display NULL, 22023 bad code, empty display or unknown parent, 42P17 its own parent, 42710 code taken (also by an HL7 security label), 54000 a 65th category, 42501 not an admin.';

CREATE VIEW twin_privacy.derivations AS
SELECT d.category, pg_catalog.array_agg(d.source ORDER BY d.source) AS from_categories
  FROM twin_privacy_internal.derivation AS d
 GROUP BY d.category;
GRANT SELECT ON twin_privacy.derivations TO PUBLIC;
COMMENT ON VIEW twin_privacy.derivations IS
'Categories declared to be made from others, one row a declaration: reading the category, or one below it, needs consent for each of from_categories, for all below them, and for what those are made from.';

CREATE FUNCTION twin_privacy.declare_derivation(category text, from_categories text[]) RETURNS void
AS 'MODULE_PATHNAME', 'twp_vocab_declare_derivation' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.declare_derivation(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.declare_derivation(text, text[]) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.declare_derivation(text, text[]) IS
'Says that data of category is made from data of from_categories (admin): from the next statement on, reading it needs consent for those as well, and for what they are made from. Replaces the category''s earlier declaration. Errors: 22004 an argument or element is NULL, 22023 unknown category or no element, 42P17 a category would be made from itself, 42501 not an admin.';

CREATE FUNCTION twin_privacy.drop_derivation(category text) RETURNS void
AS 'MODULE_PATHNAME', 'twp_vocab_drop_derivation' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION twin_privacy.drop_derivation(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twin_privacy.drop_derivation(text) TO twin_privacy_admin;
COMMENT ON FUNCTION twin_privacy.drop_derivation(text) IS
'Takes the declaration of a category back (admin). Errors: 22004 NULL, 22023 unknown category, 55000 nothing declared of it, 42501 not an admin.';

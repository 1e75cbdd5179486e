-- The masks pseudonym and date_shift under bound uses: types kept, joins kept, uses apart, linkages, forgotten subjects.
\set VERBOSITY terse
CREATE ROLE pm_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE pm_officer1 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pm_officer2 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pm_officer3 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE pm_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE pm_analyst LOGIN;

CREATE TABLE person (id int PRIMARY KEY, small smallint, big bigint, ref uuid, mrn text, code varchar(40), padded char(40), born date, seen timestamp, called timestamptz);
INSERT INTO person SELECT i, i, i * 10000000000, md5(i::text)::uuid, 'mrn-' || i, 'c' || i, 'p' || i, date '1950-01-01' + i * 100,
       timestamp '2020-01-01 08:30' + i * interval '1 day', timestamptz '2020-01-01 08:30+00' + i * interval '1 day' FROM generate_series(1, 50) i;
INSERT INTO person (id) VALUES (51);
CREATE TABLE visit (id int PRIMARY KEY, person_id int REFERENCES person, person_big bigint, at date);
INSERT INTO visit SELECT i, 1 + i % 50, (1 + i % 50) * 10000000000, date '2021-01-01' + i FROM generate_series(1, 200) i;
SELECT twin_privacy.protect_table('person', subject => 'id', category => 'demographics');
SELECT twin_privacy.protect_table('visit', subject => 'person_id', category => 'demographics');
SELECT count(twin_privacy.label_column('person', c, 'kind=identifier, mask=pseudonym')) FROM unnest('{small,big,ref,mrn,code,padded}'::name[]) c;
SELECT count(twin_privacy.label_column('person', c, 'kind=quasi, mask=date_shift')) FROM unnest('{born,seen,called}'::name[]) c;
SELECT twin_privacy.label_column('visit', 'person_big', 'kind=identifier, mask=pseudonym'), twin_privacy.label_column('visit', 'at', 'kind=quasi, mask=date_shift'),
       twin_privacy.label_column('visit', 'id', 'kind=plain');
GRANT SELECT ON person, visit TO pm_analyst;
SET SESSION AUTHORIZATION pm_officer1;
SELECT twin_privacy.propose_use('MASK-A', purpose => 'HRESCH', recipient => 'university', categories => '{demographics}', disclosure => 'pseudonymised');
SELECT twin_privacy.propose_use('MASK-B', purpose => 'HRESCH', recipient => 'university', categories => '{demographics}', disclosure => 'pseudonymised');
SET SESSION AUTHORIZATION pm_officer2;
SELECT twin_privacy.approve_use('MASK-A'), twin_privacy.approve_use('MASK-B');
SELECT twin_privacy.grant_use('MASK-A', 'pm_analyst'), twin_privacy.grant_use('MASK-B', 'pm_analyst');
SET SESSION AUTHORIZATION pm_registrar;
SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH')) FROM generate_series(1, 51) i;

-- under a use: what the analyst sees
SET SESSION AUTHORIZATION pm_analyst;
SELECT twin_privacy.bind_use('MASK-A', 'test');
SELECT small, big, ref, mrn, code, padded, born, seen, called FROM person WHERE small IS NULL;
SELECT count(*), count(DISTINCT id) AS ids, count(DISTINCT small) AS smalls, count(DISTINCT big) AS bigs, count(DISTINCT ref) AS refs, count(DISTINCT mrn) AS mrns,
       count(DISTINCT code) AS codes, count(DISTINCT padded) AS paddeds FROM person;
SELECT count(*) FILTER (WHERE id BETWEEN 1 AND 51) AS real_ids, count(*) FILTER (WHERE small BETWEEN 1 AND 50) < 5 AS few_real_smalls,
       count(*) FILTER (WHERE mrn LIKE 'mrn%') AS real_mrns, bool_and(ref::text ~ '^.{14}8.{4}[89ab]') AS uuid_version_8,
       bool_and(length(mrn) = 37 AND length(code) = 37 AND length(padded) = 37) AS text_forms FROM person;
SELECT bool_and(mrn::twin_privacy.pseudonym('MASK-A') IS NOT NULL) AS parses FROM person WHERE mrn IS NOT NULL;
-- masked keys still join: subject keys, and others
SELECT count(*), count(DISTINCT v.person_id) FROM visit v JOIN person p ON p.id = v.person_id;
SELECT count(*) FROM visit v JOIN person p ON p.big = v.person_big;
-- dates move by whole days; intervals and times of day stay; one offset a patient in every table
SELECT bool_and(seen::time = '08:30') AS time_kept, count(DISTINCT seen::date - born) AS intervals, bool_and(seen AT TIME ZONE 'UTC' = called) AS one_offset FROM person WHERE seen IS NOT NULL;
SELECT count(DISTINCT v.at - p.born) > 40 AS intervals_across FROM visit v JOIN person p ON p.id = v.person_id;
SELECT count(*) FILTER (WHERE born IN (SELECT date '1950-01-01' + i * 100 FROM generate_series(1, 50) i)) < 10 AS moved FROM person;
-- the order of masked keys tells nothing, and predicates meet masks only
SELECT count(*) FROM person WHERE id = 7;
SELECT count(*) FROM person WHERE mrn = 'mrn-7';

-- parallel workers mask as the leader does
SELECT md5(string_agg(p::text, ',' ORDER BY id)) AS serial FROM person p \gset
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT count(mrn) FROM person;
SELECT md5(string_agg(p::text, ',' ORDER BY id)) = :'serial' AS same FROM person p;
SELECT count(DISTINCT mrn) FROM person;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET parallel_leader_participation;

-- two uses give two worlds
SELECT twin_privacy.bind_use('MASK-A', 'test');
SELECT array_agg(id) AS ids_a, array_agg(ref) AS refs_a, array_agg(mrn) AS mrns_a, array_agg(born) AS borns_a FROM person \gset
SELECT twin_privacy.bind_use('MASK-B', 'test');
SELECT count(*) FILTER (WHERE id = ANY (:'ids_a')) AS common_ids, count(*) FILTER (WHERE ref = ANY (:'refs_a')) AS common_refs,
       count(*) FILTER (WHERE mrn = ANY (:'mrns_a')) AS common_mrns FROM person;

-- a linkage takes three officers, then makes one world of the two for who asks
SET twin_privacy.linkage = 'LINK-AB';
SELECT count(id) FROM person;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION pm_officer1;
SELECT twin_privacy.propose_linkage('LINK-AB', 'MASK-A', 'MASK-A', 'follow-up');
SELECT twin_privacy.propose_linkage('LINK-AB', 'MASK-A', 'NO-USE', 'follow-up');
SELECT twin_privacy.propose_linkage('MASK-A', 'MASK-A', 'MASK-B', 'follow-up');
SELECT twin_privacy.propose_linkage('LINK-AB', 'MASK-A', 'MASK-B', '');
SELECT twin_privacy.propose_linkage('LINK-AB', 'MASK-A', 'MASK-B', 'follow-up');
SELECT twin_privacy.propose_linkage('LINK-AB', 'MASK-A', 'MASK-B', 'follow-up');
SELECT twin_privacy.approve_linkage('LINK-AB');
SET SESSION AUTHORIZATION pm_officer2;
SELECT twin_privacy.approve_linkage('LINK-AB');
SELECT twin_privacy.approve_linkage('LINK-AB');
SET SESSION AUTHORIZATION pm_analyst;
SELECT twin_privacy.propose_linkage('LINK-AC', 'MASK-A', 'MASK-B', 'mine');
SELECT twin_privacy.approve_linkage('LINK-AB');
SELECT twin_privacy.bind_use('MASK-A', 'test');
SET twin_privacy.linkage = 'LINK-AB';
SELECT count(id) FROM person;
SET SESSION AUTHORIZATION pm_officer3;
SELECT twin_privacy.approve_linkage('LINK-AB');
SELECT code, first_use, second_use, proposed_by, first_approver, second_approver, in_force FROM twin_privacy.linkages;
SET SESSION AUTHORIZATION pm_analyst;
SELECT twin_privacy.bind_use('MASK-A', 'test');
SET twin_privacy.linkage = 'LINK-AB';
SELECT array_agg(id) AS ids_l, array_agg(mrn) AS mrns_l FROM person \gset
SELECT count(*) FILTER (WHERE id = ANY (:'ids_a')) AS common_with_own FROM person;
-- who is given pseudonyms cannot make those of guesses, in neither domain
SELECT count(*) FROM person WHERE mrn = twin_privacy.pseudonymize('LINK-AB', 'mrn-7')::text;
SELECT count(*) FROM person WHERE mrn = twin_privacy.pseudonymize('MASK-A', 'mrn-7')::text;
SELECT twin_privacy.bind_use('MASK-B', 'test');
SELECT count(*) FILTER (WHERE id = ANY (:'ids_l')) AS common_ids, count(*) FILTER (WHERE mrn = ANY (:'mrns_l')) AS common_mrns FROM person;
RESET twin_privacy.linkage;
SELECT count(*) FILTER (WHERE id = ANY (:'ids_l')) AS common_without FROM person;
SET SESSION AUTHORIZATION pm_officer2;
SELECT twin_privacy.revoke_linkage('LINK-AB');
SELECT twin_privacy.revoke_linkage('LINK-AB');
SET SESSION AUTHORIZATION pm_analyst;
SELECT twin_privacy.bind_use('MASK-B', 'test');
SET twin_privacy.linkage = 'LINK-AB';
SELECT count(id) FROM person;
RESET twin_privacy.linkage;

-- shift_date by hand: the setting bounds it, whole days, never zero, infinity stays
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION pm_admin;
SELECT twin_privacy.create_pseudonym_domain('SHIFT-2', max_shift_days => 2);
SELECT days, count(*) > 100 AS many FROM (SELECT twin_privacy.shift_date('SHIFT-2', i, date '2020-01-01') - date '2020-01-01' AS days FROM generate_series(1, 1000) i) s
 GROUP BY days ORDER BY days;
SELECT twin_privacy.shift_date('SHIFT-2', 5, date '2020-01-01') - date '2020-01-01' = twin_privacy.shift_date('SHIFT-2', 5::bigint, date '2021-06-01') - date '2021-06-01' AS interval_kept,
       twin_privacy.shift_date('SHIFT-2', 'x', timestamp '2020-01-01 12:34:56.789')::time AS time_kept,
       twin_privacy.shift_date('SHIFT-2', 'x', date 'infinity') AS infinity, twin_privacy.shift_date('SHIFT-2', 'x', timestamptz '-infinity') AS minus_infinity,
       twin_privacy.shift_date('SHIFT-2', 'x', NULL::date) IS NULL AS null_value;
SELECT twin_privacy.shift_date('SHIFT-2', NULL::int, date '2020-01-01');
SELECT twin_privacy.shift_date(NULL, 1, date '2020-01-01');
SELECT twin_privacy.shift_date('SHIFT-2', 1.5, date '2020-01-01');
SELECT twin_privacy.shift_date('SHIFT-2', i, d) FROM generate_series(1, 9) i, (VALUES (date '5874897-12-31'), (date '4713-01-01 BC')) v (d);

-- a forgotten subject: other pseudonyms, another offset, nobody else touched
CREATE TEMP TABLE before AS SELECT i, twin_privacy.pseudonymize('SHIFT-2', i) AS p, twin_privacy.pseudonymize('SHIFT-2', i::text) AS t FROM generate_series(1, 20) i;
SET SESSION AUTHORIZATION pm_registrar;
SELECT twin_privacy.erase_subject('7', 'asked in writing');
SELECT twin_privacy.erase_subject(NULL, 'x');
SELECT twin_privacy.forget_pseudonyms(NULL);
SELECT count(*) FROM twin_privacy.consents WHERE subject = '7' AND withdrawn_at IS NULL;
SET SESSION AUTHORIZATION pm_analyst;
SELECT twin_privacy.forget_pseudonyms('8');
SELECT twin_privacy.erase_subject('8', 'x');
SET SESSION AUTHORIZATION pm_admin;
SELECT i, p = twin_privacy.pseudonymize('SHIFT-2', i) AS int_kept, t = twin_privacy.pseudonymize('SHIFT-2', i::text) AS text_kept FROM before
 WHERE p <> twin_privacy.pseudonymize('SHIFT-2', i) OR t <> twin_privacy.pseudonymize('SHIFT-2', i::text);
RESET SESSION AUTHORIZATION;
SET twin_privacy.maintenance = on;
SELECT count(*) > 0 AS salts, bool_and(length(tag) = 16 AND length(salt) = 16) AS lengths FROM twin_privacy_internal.subject_salt;
RESET twin_privacy.maintenance;

DROP TABLE visit, person, before;
DROP OWNED BY pm_analyst, pm_admin, pm_registrar, pm_officer1, pm_officer2, pm_officer3;
DROP ROLE pm_admin, pm_officer1, pm_officer2, pm_officer3, pm_registrar, pm_analyst;

-- status() tells what is wrong and what to do; twin_privacy_stat counts.
SET client_min_messages = warning;
CREATE ROLE status_watch LOGIN IN ROLE pg_monitor;
CREATE ROLE status_one LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE status_reader LOGIN;
CREATE TABLE public.chart (patient_id int NOT NULL, value int);
INSERT INTO public.chart VALUES (1, 10), (2, 20);
GRANT SELECT ON public.chart TO status_reader;

SET SESSION AUTHORIZATION status_reader;
SELECT * FROM twin_privacy.status();
SELECT * FROM twin_privacy.twin_privacy_stat;
SET SESSION AUTHORIZATION status_watch;
SELECT check_name, state, CASE WHEN check_name NOT IN ('ledger', 'ledger_lag', 'master_key') THEN detail END AS detail FROM twin_privacy.status() WHERE check_name <> 'four_eyes';
SELECT count(*) > 15 FROM twin_privacy.twin_privacy_stat;

-- What should be looked at is a warning.
RESET SESSION AUTHORIZATION;
SELECT twin_privacy.protect_table('public.chart', subject => 'patient_id', category => 'laboratory');
ALTER ROLE status_reader SET twin_privacy.maintenance = on;
SET client_min_messages = error;
CREATE PUBLICATION status_everything FOR ALL TABLES;
SET client_min_messages = warning;
CREATE ROLE status_two LOGIN IN ROLE twin_privacy_officer;
SET SESSION AUTHORIZATION status_one;
SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified',
    valid => tstzrange(now() - interval '1 day', now() + interval '10 days'));
SELECT twin_privacy.propose_use('LATER', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
SET SESSION AUTHORIZATION status_two;
SELECT twin_privacy.approve_use('CARE');
SET SESSION AUTHORIZATION status_watch;
SELECT check_name, state, detail FROM twin_privacy.status() WHERE check_name IN ('protection', 'uses', 'replication', 'maintenance');
RESET SESSION AUTHORIZATION;
DROP PUBLICATION status_everything;
ALTER ROLE status_reader RESET twin_privacy.maintenance;
SET twin_privacy.maintenance = on;
SELECT check_name, state, detail FROM twin_privacy.status() WHERE check_name IN ('replication', 'maintenance');
RESET twin_privacy.maintenance;

-- Every statement and refusal counts.
CREATE TEMP TABLE before AS SELECT * FROM twin_privacy.twin_privacy_stat;
GRANT SELECT ON before TO status_reader;
SELECT twin_privacy.grant_use('CARE', 'status_reader');
SET SESSION AUTHORIZATION status_reader;
SELECT count(*) FROM public.chart;
SET twin_privacy.use = 'LATER';
SELECT count(*) FROM public.chart;
SET twin_privacy.use = 'CARE';
SELECT count(*) FROM public.chart;
SELECT count(*) FROM public.chart;
RESET SESSION AUTHORIZATION;
SELECT metric, kind, label, a.value > b.value AS grew FROM twin_privacy.twin_privacy_stat AS a JOIN before AS b USING (metric, kind, label)
 WHERE label IN ('TP001', 'TP002') ORDER BY label;
SELECT metric, kind, a.value >= b.value + 2 AS grew FROM twin_privacy.twin_privacy_stat AS a JOIN before AS b USING (metric, kind)
 WHERE metric = 'twin_privacy_statements_total';
SELECT label, value FROM twin_privacy.twin_privacy_stat WHERE metric = 'twin_privacy_uses' ORDER BY label;
-- Consents were looked up one by one; with a map built, it answers.
SELECT twin_privacy_internal.consent_map_build() >= 0 AS built;
SET SESSION AUTHORIZATION status_reader;
SELECT count(*) FROM public.chart;
RESET SESSION AUTHORIZATION;
SELECT metric, kind, a.label, a.value > b.value AS grew FROM twin_privacy.twin_privacy_stat AS a JOIN before AS b USING (metric, kind)
 WHERE metric LIKE '%consent%total' AND a.label IS NOT DISTINCT FROM b.label ORDER BY metric, label;

RESET twin_privacy.use;
SET twin_privacy.maintenance = on;
DROP TABLE public.chart, before;
DROP ROLE status_watch, status_one, status_two, status_reader;

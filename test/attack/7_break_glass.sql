--! everybody doc:none owner:none super:none

--! attack glass_opens_one_subject_only
\o /dev/null
SELECT twin_privacy.break_glass('5500000001', 'unconscious in the emergency room');
\o
SELECT * FROM clinic.patient; SELECT p FROM clinic.patient p;
SELECT * FROM clinic.lab_order; SELECT * FROM clinic.result; SELECT * FROM clinic.visit; SELECT * FROM clinic.derived;
SELECT left(body, 20) FROM clinic.diary; COPY clinic.patient TO STDOUT;
UPDATE clinic.patient SET sex = sex RETURNING *;
--! canary CNRY|8675309|1944-06-06|770000000\d|IDNTname2|550000000[23]
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_ends
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH 1 FROM c; EXECUTE p;
SELECT twin_privacy.end_break_glass();
\o
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c;
EXECUTE p; SELECT * FROM clinic.patient;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_expires
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room', interval '1 second');
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH 1 FROM c; EXECUTE p;
SELECT pg_sleep(1.2);
\o
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c; FETCH ALL FROM h;
EXECUTE p; SELECT * FROM clinic.patient;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_expires_over_a_held_cursor
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room', interval '1 second');
BEGIN;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
COMMIT;
SELECT pg_sleep(1.2);
\o
FETCH ALL FROM h;
--! commit
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_use_is_not_bound
SET twin_privacy.use = 'GLASS';
SELECT * FROM clinic.patient;
SELECT twin_privacy.bind_use('GLASS', 'x');
SELECT * FROM clinic.patient;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_is_not_lent
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
SET ROLE att_nobody;
\o
SELECT * FROM clinic.patient;
SET SESSION AUTHORIZATION att_analyst;
SELECT * FROM clinic.patient;
--! as super:none
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_stores_nothing
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
\o
CREATE TABLE lair.kept AS SELECT * FROM clinic.patient;
SELECT twin_privacy.end_break_glass();
SELECT * FROM lair.kept;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_and_rollback
SAVEPOINT s;
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room', interval '1 second');
ROLLBACK TO s;
SELECT pg_sleep(1.2);
\o
SELECT * FROM clinic.patient;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_for_a_hidden_category
\o /dev/null
SELECT twin_privacy.break_glass('55' || '00000001', 'unconscious in the emergency room');
\o
SELECT genome FROM clinic.patient; SELECT deep FROM clinic.derived;
UPDATE clinic.patient SET sex = sex RETURNING genome;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

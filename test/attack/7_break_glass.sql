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

--! attack glass_swapped
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
SAVEPOINT s; FETCH 1 FROM c; ROLLBACK TO s; EXECUTE p; SAVEPOINT t;
SELECT twin_privacy.end_break_glass();
SELECT twin_privacy.break_glass('55' || '00000001', 'unconscious in the emergency room');
\o
FETCH ALL FROM c; FETCH BACKWARD ALL FROM c; EXECUTE p; ROLLBACK TO t; EXECUTE p; SELECT * FROM clinic.patient;
--! canary CNRY|8675309|1944-06-06|770000000\d|IDNTname2|550000000[23]
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_over_a_binding
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
SET twin_privacy.use = 'GLASS';
SET twin_privacy.actor = 'somebody else';
\o
SELECT * FROM clinic.patient;
RESET twin_privacy.actor; SELECT twin_privacy.end_break_glass();
SELECT * FROM clinic.patient;
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_by_functions
--! before
CREATE FUNCTION lair.rows() RETURNS SETOF clinic.patient LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM clinic.patient';
CREATE FUNCTION lair.loop() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS
$$ DECLARE r record; BEGIN FOR r IN SELECT * FROM clinic.patient LOOP RETURN NEXT r::text; END LOOP;
   BEGIN PERFORM twin_privacy.end_break_glass(); EXCEPTION WHEN OTHERS THEN NULL; END;
   FOR r IN SELECT * FROM clinic.patient LOOP RETURN NEXT r::text; END LOOP; END $$;
--! body
\o /dev/null
SELECT twin_privacy.break_glass('55' || '00000001', 'unconscious in the emergency room');
\o
SELECT lair.rows(); SELECT * FROM lair.rows(); SELECT lair.loop(); SELECT * FROM lair.loop();
SELECT query_to_xml('SELECT * FROM clinic.patient', true, false, '');
COPY (SELECT lair.rows()) TO STDOUT;
--! canary CNRY|8675309|1944-06-06|770000000\d|IDNTname2|550000000[23]
--! after
DROP FUNCTION lair.rows(), lair.loop();
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_to_a_program
--! as super:none
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
\o
COPY (SELECT * FROM clinic.patient) TO PROGRAM 'cat >/tmp/twin_privacy_attack.$PPID; cat /tmp/twin_privacy_attack.$PPID >&2; rm /tmp/twin_privacy_attack.$PPID';
--! after
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

--! attack glass_by_a_loop
--! as super:none
--! before
CREATE EXTENSION dblink;
--! body
\o /dev/null
SELECT twin_privacy.break_glass('77' || '00000004', 'unconscious in the emergency room');
\o
SELECT * FROM dblink(format('dbname=%s user=att_doc port=%s host=%s', current_database(), current_setting('port'),
    split_part(current_setting('unix_socket_directories'), ',', 1)), 'SELECT name FROM clinic.patient') AS t(n text);
--! after
DROP EXTENSION dblink;
SELECT twin_privacy.review_break_glass(event_id, 'justified', 'x') FROM twin_privacy.break_glass_events WHERE reviewed_at IS NULL;

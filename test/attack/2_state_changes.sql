--! everybody doc:CARE owner:CARE bypass:CARE super:CARE

--! attack cursor_after_withdrawal
\o /dev/null
DECLARE c CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack repeatable_read_after_withdrawal
\o /dev/null
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
EXECUTE p;
SELECT * FROM clinic.patient;
SELECT d.* FROM clinic.patient d WHERE id > 0;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack deny_recorded_in_the_same_transaction_of_another_session
\o /dev/null
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM clinic.patient;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.record_consent('5500000003', decision => 'deny', purpose => 'TREAT', categories => '{demographics}')"
\o
SELECT * FROM clinic.patient;
--! canary IDNTname3
--! after
SELECT twin_privacy.withdraw_consent(consent_id, 'x') FROM twin_privacy.consents WHERE decision = 'deny' AND withdrawn_at IS NULL;

--! attack consent_expires_while_a_cursor_is_open
\o /dev/null
DECLARE c CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
SELECT pg_sleep(1.2);
\o
FETCH ALL FROM c;
SELECT * FROM clinic.patient;
--! canary IDNTname3
--! before
SELECT twin_privacy.withdraw_all_consent('5500000003', 'x');
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', valid => tstzrange(now(), now() + interval '1 second'));
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack suspended_use
\o /dev/null
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH ALL FROM c; EXECUTE p;
\! psql -XAtq -U att_officer1 -c "SELECT twin_privacy.suspend_use('CARE', 'x')"
\o
FETCH BACKWARD ALL FROM c;
EXECUTE p;
SELECT * FROM clinic.patient;
--! canary IDNT
--! after
SELECT twin_privacy.resume_use('CARE');

--! attack revoked_use
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH ALL FROM c; EXECUTE p;
\! psql -XAtq -U att_officer1 -c "SELECT twin_privacy.revoke_use('CARE', 'att_doc')"
\o
FETCH BACKWARD ALL FROM c;
EXECUTE p;
SELECT * FROM clinic.patient;
--! as doc:CARE
--! canary IDNT
--! after
SELECT twin_privacy.grant_use('CARE', 'att_doc');

--! attack changed_label
\o /dev/null
PREPARE p AS SELECT extra FROM clinic.patient;
EXECUTE p;
ROLLBACK;
\! psql -XAtq -U postgres -c "SELECT twin_privacy.label_column('clinic.patient', 'extra', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass"
\o
EXECUTE p;
SELECT extra FROM clinic.patient;
--! canary IDNT
--! after
SELECT twin_privacy.label_column('clinic.patient', 'extra', NULL) FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;

--! attack changed_label_under_an_open_cursor
\o /dev/null
\setenv PGOPTIONS '-c statement_timeout=1s'
DECLARE c CURSOR FOR SELECT extra FROM clinic.patient;
FETCH 1 FROM c;
\! psql -XAtq -U postgres -c "SELECT twin_privacy.label_column('clinic.patient', 'extra', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass"
\o
\! psql -XAtq -U postgres -c "SELECT count(*) = 0 AS unchanged FROM twin_privacy.protected_columns WHERE target = 'clinic.patient'::regclass AND column_name = 'extra' AND category = 'genomics'" > /dev/null
FETCH ALL FROM c;
--! canary IDNT
--! after
SELECT twin_privacy.label_column('clinic.patient', 'extra', NULL) FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;

--! attack plan_from_before_the_protection
\o /dev/null
CREATE FUNCTION lair.f() RETURNS text LANGUAGE plpgsql AS $$DECLARE t text; BEGIN SELECT string_agg(a, '') INTO t FROM lair.late; RETURN t; END$$;
PREPARE p AS SELECT a FROM lair.late;
SET plan_cache_mode = force_generic_plan;
EXECUTE p; SELECT lair.f();
\! psql -XAtq -U postgres -c "SELECT twin_privacy.protect_table('lair.late', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass"
\o
EXECUTE p; SELECT lair.f();
COPY lair.late TO STDOUT;
DROP FUNCTION lair.f;
--! commit
--! before
CREATE TABLE lair.late (id bigint, a text); INSERT INTO lair.late VALUES (7700000004, 'CNRYlate');
GRANT ALL ON lair.late TO PUBLIC;
--! after
DROP TABLE lair.late;

--! attack held_cursor_from_before_the_protection
CREATE FUNCTION lair.f() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT a FROM lair.late; END$$;
DECLARE c CURSOR WITH HOLD FOR SELECT a FROM lair.late;
DECLARE d CURSOR WITH HOLD FOR SELECT lair.f();
DECLARE e CURSOR WITH HOLD FOR SELECT l.a, p.sex FROM lair.late l LEFT JOIN clinic.patient p USING (id);
COMMIT;
\! psql -XAtq -U postgres -c "SELECT twin_privacy.protect_table('lair.late', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass"
FETCH ALL FROM c; FETCH ALL FROM d; FETCH ALL FROM e;
DROP FUNCTION lair.f;
--! commit
--! before
CREATE TABLE lair.late (id bigint, a text); INSERT INTO lair.late VALUES (7700000004, 'CNRYlate');
GRANT ALL ON lair.late TO PUBLIC;
--! after
DROP TABLE lair.late;

--! attack rebinding_under_an_open_cursor
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
DECLARE d SCROLL CURSOR FOR SELECT * FROM clinic.patient ORDER BY name;
FETCH ALL FROM c; FETCH 1 FROM d;
SET twin_privacy.use = 'RES';
\o
FETCH BACKWARD ALL FROM c; FETCH ALL FROM d; FETCH BACKWARD ALL FROM d;
--! as owner:CARE super:CARE bypass:CARE
--! canary IDNT

--! attack unbinding_under_an_open_cursor
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH ALL FROM c;
SELECT twin_privacy.unbind_use();
\o
FETCH BACKWARD ALL FROM c;
SELECT * FROM clinic.patient;
--! canary IDNT

--! attack rebinding_and_cached_plans
\o /dev/null
CREATE FUNCTION lair.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT string_agg(p::text, '') FROM clinic.patient p); END$$;
CREATE FUNCTION lair.g() RETURNS text LANGUAGE sql AS 'SELECT string_agg(p::text, '''') FROM clinic.patient p';
PREPARE p AS SELECT * FROM clinic.patient;
SET plan_cache_mode = force_generic_plan;
EXECUTE p; SELECT lair.f(), lair.g();
SET twin_privacy.use = 'RES';
\o
EXECUTE p; SELECT lair.f(), lair.g();
SET LOCAL twin_privacy.use = '';
EXECUTE p; SELECT lair.f(), lair.g();
RESET twin_privacy.use;
EXECUTE p; SELECT lair.f(), lair.g();
--! as owner:CARE super:CARE bypass:CARE
--! canary IDNT

--! attack savepoints_and_set_local
SET twin_privacy.use = '';
SAVEPOINT s;
SET LOCAL twin_privacy.use = 'CARE';
\o /dev/null
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
\o
ROLLBACK TO s;
EXECUTE p;
SELECT * FROM clinic.patient;
--! canary IDNT

--! attack set_local_ends_with_the_transaction
SET twin_privacy.use = '';
BEGIN;
SET LOCAL twin_privacy.use = 'CARE';
\o /dev/null
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
\o
COMMIT;
EXECUTE p;
SELECT * FROM clinic.patient;
--! commit
--! canary IDNT

--! attack function_set_clause_ends
SET twin_privacy.use = '';
CREATE FUNCTION lair.f() RETURNS refcursor LANGUAGE plpgsql SET twin_privacy.use = 'CARE' AS $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT * FROM clinic.patient; RETURN c; END$$;
SELECT lair.f();
FETCH ALL FROM c;
--! canary IDNT

--! attack set_role_under_a_cursor
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH ALL FROM c; EXECUTE p;
SET ROLE att_nobody;
\o
FETCH BACKWARD ALL FROM c;
EXECUTE p;
SELECT * FROM clinic.patient;
--! as super:CARE
--! canary IDNT

--! attack reset_and_discard
\o /dev/null
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
RESET ALL;
\o
EXECUTE p; FETCH ALL FROM c;
DISCARD PLANS;
EXECUTE p;
SELECT * FROM clinic.patient;
--! canary IDNT

--! attack rebinding_while_a_query_runs
CREATE FUNCTION lair.swap(text, u text) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('twin_privacy.use', u, true); RETURN $1; END$$;
SET twin_privacy.use = 'RES';
SELECT lair.swap(name, 'CARE'), p FROM clinic.patient p;
SELECT p.name FROM (SELECT lair.swap('', 'CARE') OFFSET 0) x, clinic.patient p;
SELECT name FROM clinic.patient WHERE lair.swap('', 'CARE') = '';
--! as owner:RES super:RES bypass:RES
--! canary IDNT

--! attack nested_statement_under_another_use
CREATE FUNCTION lair.other() RETURNS text LANGUAGE plpgsql AS $$DECLARE t text; BEGIN PERFORM set_config('twin_privacy.use', 'CARE2', true); PERFORM count(*) FROM clinic.patient; PERFORM set_config('twin_privacy.use', 'RES', true); RETURN ''; END$$;
SELECT lair.other(), p, p.genome FROM clinic.patient p;
SELECT p, lair.other(), p FROM clinic.patient p;
--! as owner:RES super:RES bypass:RES

--! attack held_cursor_after_withdrawal
\o /dev/null
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
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

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

--! attack big_cursor_after_withdrawal
\o /dev/null
SET enable_indexscan = off;
DECLARE c CURSOR FOR SELECT * FROM lair.big;
DECLARE d CURSOR FOR SELECT b FROM lair.big b;
FETCH 1 FROM c; FETCH 1 FROM d;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c; FETCH ALL FROM d;
--! canary IDNTbig
--! before
CREATE TABLE lair.big (id bigint, a text); INSERT INTO lair.big SELECT 5500000003, 'IDNTbig' || n FROM generate_series(1, 3000) n;
GRANT ALL ON lair.big TO PUBLIC;
SELECT twin_privacy.protect_table('lair.big', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
ANALYZE lair.big;
--! after
DROP TABLE lair.big;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack row_changed_while_waiting
\! psql -XAtq -U postgres -c "SET twin_privacy.maintenance = on" -c "BEGIN" -c "UPDATE clinic.diary SET patient_id = 7700000009, body = 'CN' || 'RYepq' WHERE patient_id = 5500000001" -c "SELECT pg_sleep(1.5)" -c "COMMIT" >/dev/null &
SELECT lair.await_lock('clinic.diary', 'RowExclusiveLock');
\! sleep 0.2
SELECT patient_id, left(body, 20) FROM clinic.diary FOR UPDATE;
UPDATE clinic.diary SET body = body RETURNING patient_id, left(body, 20);
SELECT patient_id, left(body, 20) FROM clinic.diary;
--! canary CNRYepq
--! after
UPDATE clinic.diary SET patient_id = 5500000001, body = 'IDNTtoast' WHERE patient_id = 7700000009;

--! attack sorted_cursor_after_withdrawal
\o /dev/null
DECLARE c CURSOR FOR SELECT * FROM clinic.patient ORDER BY secret;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack scroll_cursor_after_withdrawal
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT p.*, o.* FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id;
FETCH ALL FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH BACKWARD ALL FROM c;
--! canary IDNTname3
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack returning_cursor_after_rebinding
\o /dev/null
CREATE FUNCTION lair.open() RETURNS text LANGUAGE plpgsql AS $$DECLARE c refcursor := 'c'; d refcursor := 'd'; BEGIN OPEN c FOR UPDATE clinic.patient SET sex = sex RETURNING *; MOVE FORWARD 1 FROM c;
 OPEN d FOR WITH u AS (UPDATE clinic.patient SET sex = sex RETURNING *) SELECT * FROM u; MOVE FORWARD 1 FROM d; RETURN c; END$$;
SELECT lair.open();
SET twin_privacy.use = 'RES';
\o
FETCH ALL FROM c;
FETCH ALL FROM d;
--! as owner:CARE bypass:CARE super:CARE
--! canary IDNT

--! attack function_scan_cursor_after_rebinding
\o /dev/null
CREATE FUNCTION lair.f() RETURNS SETOF clinic.patient LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT * FROM clinic.patient; END$$;
DECLARE c CURSOR FOR SELECT * FROM lair.f();
FETCH 1 FROM c;
SET twin_privacy.use = 'RES';
\o
FETCH ALL FROM c;
SELECT twin_privacy.unbind_use();
FETCH ALL FROM c;
--! as owner:CARE bypass:CARE super:CARE
--! canary IDNT

--! attack function_scan_cursor_after_withdrawal
\o /dev/null
SELECT lair.f();
DECLARE c CURSOR FOR SELECT * FROM lair.f();
DECLARE d CURSOR FOR SELECT x.* FROM (SELECT lair.f() AS x OFFSET 0) y ORDER BY 1;
FETCH 1 FROM c; FETCH 1 FROM d;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c; FETCH ALL FROM d;
--! canary IDNTname3
--! before
CREATE FUNCTION lair.f() RETURNS SETOF clinic.patient LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT * FROM clinic.patient; END$$;
--! after
DROP FUNCTION lair.f;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack immutable_function_folded_into_a_plan
\o /dev/null
PREPARE p AS SELECT lair.imm(1);
EXECUTE p;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
EXECUTE p;
--! canary IDNTname3
--! before
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT string_agg(name, ',') FROM clinic.patient); END$$;
--! after
DROP FUNCTION lair.imm;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack immutable_function_folded_for_another_role
\o /dev/null
PREPARE p AS SELECT lair.imm(1);
EXECUTE p;
SET ROLE att_nobody;
\o
EXECUTE p;
RESET ROLE;
SET twin_privacy.use = 'RES';
EXECUTE p;
SELECT twin_privacy.unbind_use();
EXECUTE p;
--! as super:CARE
--! canary IDNT
--! before
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT string_agg(name, ',') FROM clinic.patient); END$$;
--! after
DROP FUNCTION lair.imm;

--! attack immutable_function_after_expiry
\o /dev/null
PREPARE p AS SELECT lair.imm(1);
EXECUTE p;
SELECT pg_sleep(1.2);
\o
EXECUTE p;
--! canary IDNTname3
--! before
CREATE FUNCTION lair.imm(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN (SELECT string_agg(name, ',') FROM clinic.patient); END$$;
SELECT twin_privacy.withdraw_all_consent('5500000003', 'x');
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', valid => tstzrange(now(), now() + interval '1 second'));
--! after
DROP FUNCTION lair.imm;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack nested_loop_cursor_after_withdrawal
\o /dev/null
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_seqscan = off;
DECLARE c NO SCROLL CURSOR FOR SELECT p.name, p.birth, t.n FROM clinic.patient p, lair.three t WHERE p.id = 550000000 * 10::bigint + 3;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTname3|1971-08-13
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.three AS SELECT generate_series(1, 3) AS n; GRANT ALL ON lair.three TO PUBLIC;
--! after
DROP TABLE lair.three;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack project_set_cursor_after_withdrawal
\o /dev/null
DECLARE c CURSOR FOR SELECT unnest(ARRAY['x', name, name]) FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTname3
--! as doc:CARE owner:CARE
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack initplan_cursor_after_withdrawal
\o /dev/null
DECLARE c NO SCROLL CURSOR FOR SELECT n, CASE WHEN n > 1 THEN (SELECT name FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3) ELSE (SELECT left(name, 1) FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3) END FROM lair.three;
DECLARE d NO SCROLL CURSOR FOR SELECT n, (SELECT name FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3) FROM lair.three;
DECLARE e NO SCROLL CURSOR FOR SELECT n FROM lair.three WHERE (SELECT name FROM clinic.patient WHERE id = 550000000 * 10::bigint + 3) IS NOT NULL;
FETCH 1 FROM c; FETCH 1 FROM d; FETCH 1 FROM e;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM d;
FETCH ALL FROM e;
--! canary IDNTname3|^2$
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.three AS SELECT generate_series(1, 3) AS n; GRANT ALL ON lair.three TO PUBLIC;
--! after
DROP TABLE lair.three;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack hashed_subplan_cursor_after_withdrawal
\o /dev/null
DECLARE e NO SCROLL CURSOR FOR SELECT n, id IN (SELECT id FROM clinic.patient) OR id < 3 FROM lair.three;
FETCH 1 FROM e;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM e;
--! canary ^[23]\|t$
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.three AS SELECT n, 5500000003 AS id FROM generate_series(1, 3) n; GRANT ALL ON lair.three TO PUBLIC;
--! after
DROP TABLE lair.three;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack merge_append_cursor_after_withdrawal
\o /dev/null
SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off;
DECLARE c CURSOR FOR SELECT id, note FROM lair.a UNION ALL SELECT id, note FROM lair.b ORDER BY id;
FETCH 1 FROM c;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')"
\o
FETCH ALL FROM c;
--! canary IDNTb
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.a (id int PRIMARY KEY, patient_id bigint, note text); CREATE TABLE lair.b (id int PRIMARY KEY, patient_id bigint, note text);
INSERT INTO lair.a VALUES (1, 5500000001, 'IDNTa'), (3, 5500000003, 'IDNTa3'); INSERT INTO lair.b VALUES (2, 5500000003, 'IDNTb'), (4, 5500000003, 'IDNTb4'); GRANT ALL ON lair.a, lair.b TO PUBLIC;
SELECT twin_privacy.protect_table('lair.a', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
SELECT twin_privacy.protect_table('lair.b', subject => 'patient_id', category => 'clinical') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.a, lair.b;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack membership_revoked
\o /dev/null
SET twin_privacy.use = 'OATH2';
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
DECLARE d CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH 1 FROM c; EXECUTE p;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
\! psql -XAtq -U postgres -c "REVOKE att_ward FROM att_doc"
\o
FETCH ALL FROM c;
EXECUTE p;
FETCH ALL FROM d;
SELECT * FROM clinic.patient;
--! as doc:none
--! canary IDNT
--! before
CREATE ROLE att_ward; GRANT att_ward TO att_doc;
SET SESSION AUTHORIZATION att_officer1;
SELECT twin_privacy.propose_use('OATH2', purpose => 'TREAT', recipient => 'ward', categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SET SESSION AUTHORIZATION att_officer2;
SELECT twin_privacy.approve_use('OATH2'); SELECT twin_privacy.grant_use('OATH2', 'att_ward');
--! after
SET SESSION AUTHORIZATION att_officer1;
SELECT twin_privacy.suspend_use('OATH2', 'x');
RESET SESSION AUTHORIZATION;
DROP OWNED BY att_ward; DROP ROLE att_ward;

--! attack purpose_prohibited_meanwhile
\o /dev/null
SET twin_privacy.use = 'OATH3';
DECLARE d CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
\! psql -XAtq -U att_officer1 -c "SELECT twin_privacy.prohibit_purpose('ODD', 'x')"
\o
FETCH ALL FROM c;
EXECUTE p;
FETCH ALL FROM d;
SELECT * FROM clinic.patient;
--! as doc:none
--! canary IDNT
--! before
SELECT twin_privacy.add_purpose('ODD', 'TREAT', 'odd') WHERE NOT EXISTS (SELECT FROM twin_privacy.purposes WHERE code = 'ODD');
SET SESSION AUTHORIZATION att_officer1;
SELECT twin_privacy.propose_use('OATH3', purpose => 'ODD', recipient => 'ward', categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => '[2020-01-01,2100-01-01)');
SET SESSION AUTHORIZATION att_officer2;
SELECT twin_privacy.approve_use('OATH3'); SELECT twin_privacy.grant_use('OATH3', 'att_doc');

--! attack derivation_declared_meanwhile
\o /dev/null
DECLARE d CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
\! psql -XAtq -U att_admin -c "SELECT twin_privacy.declare_derivation('demographics', '{genomics}') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass"
\o
FETCH ALL FROM c;
EXECUTE p;
FETCH ALL FROM d;
SELECT * FROM clinic.patient;
--! as doc:CARE
--! canary IDNTname[12]
--! after
SELECT twin_privacy.drop_derivation('demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;

--! attack use_expires_meanwhile
\o /dev/null
SET twin_privacy.use = 'OATH4';
DECLARE d CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
SELECT pg_sleep(2.1);
\o
FETCH ALL FROM c;
EXECUTE p;
FETCH ALL FROM d;
SELECT * FROM clinic.patient;
--! as doc:none
--! canary IDNT
--! before
SET SESSION AUTHORIZATION att_officer1;
SELECT twin_privacy.propose_use('OATH4', purpose => 'TREAT', recipient => 'ward', categories => '{identity,demographics,clinical}', disclosure => 'identified', valid => tstzrange(now() - interval '1 day', clock_timestamp() + interval '2 s'));
SET SESSION AUTHORIZATION att_officer2;
SELECT twin_privacy.approve_use('OATH4'); SELECT twin_privacy.grant_use('OATH4', 'att_doc');

--! attack role_changes_while_a_query_runs
CREATE FUNCTION lair.become(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('role', 'att_nobody', true); RETURN $1; END$$;
SELECT lair.become(left(sex, 0)), name FROM clinic.patient;
SELECT name, lair.become('') FROM clinic.patient;
--! as super:CARE
--! canary IDNTname[23]

--! attack session_authorization_under_a_cursor
\o /dev/null
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
PREPARE p AS SELECT * FROM clinic.patient;
FETCH ALL FROM c; EXECUTE p;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
SET SESSION AUTHORIZATION att_nobody;
\o
FETCH ALL FROM c; FETCH ALL FROM h;
EXECUTE p;
SELECT * FROM clinic.patient;
--! as super:CARE
--! canary IDNT

--! attack maintenance_cursor_handed_on
\o /dev/null
SET twin_privacy.maintenance = on;
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
COMMIT;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
SET twin_privacy.maintenance = off;
SET ROLE att_nobody;
\o
FETCH ALL FROM c; FETCH ALL FROM h;
--! as super:none
--! canary IDNT|CNRY

--! attack prepared_in_maintenance
\o /dev/null
SET twin_privacy.maintenance = on;
PREPARE p AS SELECT * FROM clinic.patient;
SET plan_cache_mode = force_generic_plan;
EXECUTE p;
CREATE FUNCTION lair.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT string_agg(p::text, '') FROM clinic.patient p); END$$;
SELECT lair.f();
SET twin_privacy.maintenance = off;
\o
EXECUTE p;
SELECT lair.f();
SET twin_privacy.use = 'RES';
EXECUTE p;
SELECT lair.f();
--! as super:none
--! canary IDNT|CNRY

--! attack partition_read_before_and_after_attach
\o /dev/null
PREPARE p AS SELECT * FROM lair.loose;
SET plan_cache_mode = force_generic_plan;
EXECUTE p;
CREATE FUNCTION lair.f() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT string_agg(p::text, '') FROM lair.loose p); END$$;
SELECT lair.f();
ALTER TABLE clinic.visit ATTACH PARTITION lair.loose FOR VALUES FROM (700) TO (800);
\o
EXECUTE p;
SELECT lair.f();
--! as owner:none
--! canary CNRYloose
--! before
CREATE TABLE lair.loose (LIKE clinic.visit); INSERT INTO lair.loose VALUES (701, 7700000004, NULL, 'CNRYloose', NULL, 1); ALTER TABLE lair.loose OWNER TO att_owner;
GRANT ALL ON lair.loose TO PUBLIC;
--! after
DROP TABLE lair.loose;

--! attack savepoint_portal_and_rebinding
SET twin_privacy.use = '';
SAVEPOINT s;
SET LOCAL twin_privacy.use = 'CARE';
\o /dev/null
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM clinic.patient;
FETCH 1 FROM c;
RELEASE SAVEPOINT s;
SAVEPOINT t;
SET LOCAL twin_privacy.use = 'RES';
\o
FETCH ALL FROM c;
ROLLBACK TO t;
SET LOCAL twin_privacy.use = '';
FETCH ALL FROM c;
COMMIT;
FETCH ALL FROM c;
--! as owner:none
--! canary IDNT
--! commit

--! attack plpgsql_for_loop_over_a_cursor_rebound
CREATE FUNCTION lair.f() RETURNS void LANGUAGE plpgsql AS $$DECLARE r record; n int := 0; c CURSOR FOR SELECT name FROM clinic.patient; BEGIN FOR r IN c LOOP n := n + 1; IF n = 1 THEN PERFORM twin_privacy.unbind_use(); ELSE RAISE NOTICE 'got %', r.name; END IF; END LOOP; END$$;
SELECT lair.f();
--! canary IDNT
--! as doc:CARE owner:CARE

--! attack function_with_set_clause_and_cursor
CREATE FUNCTION lair.f(c refcursor) RETURNS refcursor LANGUAGE plpgsql SET twin_privacy.use = 'CARE2' AS $$BEGIN OPEN c FOR SELECT * FROM clinic.patient; RETURN c; END$$;
CREATE FUNCTION lair.g() RETURNS SETOF clinic.patient LANGUAGE sql SET twin_privacy.use = 'CARE' AS 'SELECT * FROM clinic.patient';
SET twin_privacy.use = 'RES';
SELECT lair.f('c');
FETCH ALL FROM c;
DECLARE d CURSOR FOR SELECT * FROM lair.g();
\o /dev/null
FETCH 1 FROM d;
\o
SET twin_privacy.use = '';
FETCH ALL FROM d;
--! as owner:CARE
--! canary IDNT

--! attack procedure_loop_held_by_its_commit
CREATE PROCEDURE lair.p() LANGUAGE plpgsql AS $$DECLARE n int := 0; r record; BEGIN FOR r IN SELECT a FROM lair.big LOOP n := n + 1; IF n = 1 THEN COMMIT; PERFORM twin_privacy.unbind_use(); COMMIT; ELSIF n > 70 THEN RAISE NOTICE 'got %', r.a; END IF; END LOOP; END$$;
CALL lair.p();
--! commit
--! canary got IDNTbig
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.big (id bigint, a text); INSERT INTO lair.big SELECT 5500000003, 'IDNTbig' || n FROM generate_series(1, 100) n;
GRANT ALL ON lair.big TO PUBLIC;
SELECT twin_privacy.protect_table('lair.big', subject => 'id', category => 'demographics') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;
--! after
DROP TABLE lair.big; DROP PROCEDURE IF EXISTS lair.p;

--! attack view_swap_under_prepared
CREATE VIEW lair.v AS SELECT 'x'::text AS name;
PREPARE p AS SELECT * FROM lair.v;
EXECUTE p;
CREATE OR REPLACE VIEW lair.v AS SELECT genome AS name FROM clinic.patient;
EXECUTE p;
CREATE FUNCTION lair.f() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT name FROM lair.v; END;
SELECT lair.f();
--! as owner:CARE analyst:RES

--! attack sql_functions_through_the_plan_cache
--! since 18
\o /dev/null
CREATE FUNCTION lair.g() RETURNS text LANGUAGE sql STABLE AS 'SELECT string_agg(p::text, '''') FROM clinic.patient p';
CREATE FUNCTION lair.h(int) RETURNS SETOF clinic.patient LANGUAGE sql STABLE AS 'SELECT * FROM clinic.patient WHERE secret > $1';
SELECT lair.g(), lair.h(0); SELECT lair.g(), lair.h(0);
SET twin_privacy.use = 'RES';
\o
SELECT lair.g(); SELECT * FROM lair.h(0);
SET twin_privacy.use = '';
SELECT lair.g(); SELECT * FROM lair.h(0);
--! as owner:CARE super:CARE
--! canary IDNT

--! attack withdrawal_by_a_prepared_transaction
\o /dev/null
PREPARE p AS SELECT * FROM clinic.patient;
EXECUTE p; SELECT count(*) FROM clinic.visit, clinic.diary;
\! psql -XAtq -U att_registrar -c "BEGIN" -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')" -c "PREPARE TRANSACTION 'w'" -c "COMMIT PREPARED 'w'" > /dev/null 2>&1
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x') WHERE EXISTS (SELECT FROM twin_privacy.consents WHERE subject = '5500000003' AND withdrawn_at IS NULL)" > /dev/null 2>&1
\o
EXECUTE p; SELECT * FROM clinic.patient;
--! canary IDNTname3
--! as doc:CARE owner:CARE
--! after
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

--! attack held_cursor_after_relabelling
\o /dev/null
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT extra FROM clinic.patient;
COMMIT;
\! psql -XAtq -U postgres -c "SELECT twin_privacy.label_column('clinic.patient', 'extra', 'category=genomics, kind=sensitive') FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass" >/dev/null
\o
FETCH ALL FROM h;
--! commit
--! canary IDNTextra[12]
--! as doc:CARE owner:CARE
--! after
SELECT twin_privacy.label_column('clinic.patient', 'extra', NULL) FROM twin_privacy.protected_tables WHERE target = 'clinic.patient'::regclass;

--! attack cursor_over_a_returning_cte_after_withdrawal
\o /dev/null
CREATE FUNCTION lair.open() RETURNS text LANGUAGE plpgsql AS $$DECLARE c refcursor := 'c'; BEGIN OPEN c NO SCROLL FOR SELECT name, generate_series(1, 3) FROM clinic.patient; MOVE FORWARD 1 FROM c; RETURN c; END$$;
SELECT lair.open();
DECLARE d NO SCROLL CURSOR FOR WITH x AS MATERIALIZED (SELECT * FROM clinic.patient) SELECT x.* FROM x;
DECLARE e NO SCROLL CURSOR FOR SELECT name, count(*) OVER () FROM clinic.patient;
DECLARE f NO SCROLL CURSOR FOR SELECT (SELECT p.birth FROM lair.three t WHERE t.n = 1), p.name, t.n FROM clinic.patient p, lair.three t;
DECLARE g NO SCROLL CURSOR FOR (SELECT name FROM clinic.patient UNION ALL SELECT genome FROM clinic.patient) LIMIT 100;
FETCH 1 FROM d; FETCH 1 FROM e; FETCH 1 FROM f; FETCH 1 FROM g;
\! psql -XAtq -U att_registrar -c "SELECT twin_privacy.withdraw_all_consent('5500000003', 'x')" > /dev/null
\o
FETCH ALL FROM c; FETCH ALL FROM d; FETCH ALL FROM e; FETCH ALL FROM f; FETCH ALL FROM g;
--! canary IDNTname3|1971-08-13
--! as doc:CARE owner:CARE
--! before
CREATE TABLE lair.three AS SELECT generate_series(1, 3) AS n; GRANT ALL ON lair.three TO PUBLIC;
--! after
DROP TABLE lair.three;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => p, categories => '{identity,demographics,clinical}') FROM unnest('{TREAT,HRESCH}'::text[]) p;
SELECT twin_privacy.record_consent('5500000003', decision => 'permit', purpose => 'TREAT', categories => '{genomics}');

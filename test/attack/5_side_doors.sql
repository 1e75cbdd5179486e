--! everybody analyst:RES owner:RES owner:CARE bypass:RES super:RES reader:RES reader:none nobody:none

--! attack read_through_a_new_parent
CREATE TABLE lair.parent AS SELECT id, name, birth FROM clinic.patient WITH NO DATA;
ALTER TABLE lair.parent ALTER id SET NOT NULL, ALTER name SET NOT NULL;
ALTER TABLE clinic.patient INHERIT lair.parent;
SELECT * FROM lair.parent;
COPY (SELECT * FROM lair.parent) TO STDOUT;
--! as owner:RES owner:CARE owner:none super:none

--! attack explain_estimates
CREATE FUNCTION lair.estimate(q text) RETURNS text LANGUAGE plpgsql AS $$DECLARE l text; BEGIN FOR l IN EXECUTE 'EXPLAIN ' || q LOOP IF l ~ 'rows=' THEN RETURN substring(l from 'rows=\d+'); END IF; END LOOP; END$$;
SELECT lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 867530' || '9') || CASE WHEN lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 867530' || '9') IS DISTINCT FROM lair.estimate('SELECT 1 FROM clinic.lab_order WHERE price = 2') THEN ' DIFFE' || 'RENT' END;
--! canary DIFFERENT
--! as analyst:RES owner:CARE super:RES

--! attack toast
SELECT 'pg_toast_' || 'clinic.diary'::regclass::oid AS toast \gset
SELECT convert_from(chunk_data, 'UTF8') FROM pg_toast.:"toast";
COPY pg_toast.:"toast" TO STDOUT;
--! as reader:none reader:RES super:RES super:none
--! canary CNRY|434e525974

--! attack maintenance_by_function_clause
SELECT lair.m(); SELECT lair.n();
SELECT * FROM clinic.patient;
--! as analyst:none owner:RES
--! before
CREATE FUNCTION lair.m() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN BEGIN PERFORM set_config('twin_privacy.maintenance', 'on', true); EXCEPTION WHEN insufficient_privilege THEN END; RETURN QUERY SELECT p::text FROM clinic.patient p; END$$;
CREATE FUNCTION lair.n() RETURNS SETOF text LANGUAGE plpgsql SET twin_privacy.maintenance = on AS $$BEGIN RETURN QUERY SELECT p::text FROM clinic.patient p; END$$;
--! after
DROP FUNCTION lair.m, lair.n;

--! attack session_replication_role
SET session_replication_role = replica;
SELECT * FROM clinic.patient;
UPDATE clinic.patient SET sex = sex RETURNING *;
--! as super:RES super:none

--! attack row_security_off
SET row_security = off;
SELECT * FROM clinic.patient;
COPY clinic.patient TO STDOUT;

--! attack catalog_edit_removes_rls
UPDATE pg_class SET relrowsecurity = false, relforcerowsecurity = false WHERE relname = 'patient';
SET ROLE att_owner;
SELECT * FROM clinic.patient;
--! as super:RES super:none

--! attack temp_schema_hijack
CREATE FUNCTION pg_temp.row_visible(oid, bigint, "any", "any") RETURNS boolean LANGUAGE internal AS 'booltrue';
SET search_path = pg_temp, pg_catalog, clinic, twin_privacy_internal;
CREATE FUNCTION pg_temp.cell(anyelement, oid, bigint, smallint, bigint) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION pg_temp.cell(text, oid, bigint, smallint, bigint) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE TEMP TABLE pg_seclabel AS SELECT * FROM pg_catalog.pg_seclabel WHERE false;
SELECT * FROM patient;

--! attack leaky_function_in_where
CREATE FUNCTION lair.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
SELECT count(*) FROM clinic.patient p WHERE lair.tell(name) AND lair.tell(secret::text) AND lair.tell(p::text) AND lair.tell(birth::text);
SELECT count(*) FROM clinic.lab_order WHERE lair.tell(price::text) AND lair.tell(code);

--! attack leaky_operator_and_estimator
CREATE FUNCTION lair.tell(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'told %', $1; RETURN true; END$$;
CREATE OPERATOR lair.=== (FUNCTION = lair.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
EXPLAIN SELECT * FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.visit_1 WHERE note OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.visit WHERE note OPERATOR(lair.===) 'x';
EXPLAIN SELECT * FROM clinic.base WHERE note OPERATOR(lair.===) 'x';
SELECT count(*) FROM clinic.lab_order WHERE code OPERATOR(lair.===) 'x';
SELECT count(*) FROM clinic.visit WHERE note OPERATOR(lair.===) 'x';

--! attack unique_violation_detail
UPDATE clinic.patient SET id = 550000000 * 10::bigint + 1;
CREATE UNIQUE INDEX ON clinic.lab_order (price);
ALTER TABLE clinic.lab_order ADD UNIQUE (code);
CREATE UNIQUE INDEX ON clinic.patient (birth);
ALTER TABLE clinic.patient ADD EXCLUDE USING btree (birth WITH =);
--! as owner:CARE owner:none super:CARE
--! canary CNRY|8675309|1944-06-06|770000000\d|code\)=|price\)=|birth\)=

--! attack xml_and_export_functions
SELECT table_to_xml('clinic.patient', true, false, '');
SELECT query_to_xml('SELECT * FROM clinic.patient', true, false, '');
SELECT schema_to_xml('clinic', true, false, '');
SELECT database_to_xml(true, false, '');
DO $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT * FROM clinic.patient; END$$;
SELECT cursor_to_xml('c', 10, true, false, '');

--! attack ts_stat_runs_a_query
SELECT * FROM ts_stat('SELECT to_tsvector(''simple'', name || birth || genome) FROM clinic.patient');
--! canary (?i:cnry|idnt|1971-08-1|1944)

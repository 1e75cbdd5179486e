--
-- decision: questions application SQL may ask about its own bound use.
--

CREATE FUNCTION twin_privacy.permits(subject "any", category text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_decision_permits'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.permits("any", text) IS
'(all) True where the bound use covers the category and the subject''s directives permit it: subject (bigint, int, uuid or text; NULL gives false), category (code). Errors: 22004 NULL category, 22023 unknown category, 42804 wrong type, TP001 no use bound, TP002 not usable.';

CREATE FUNCTION twin_privacy.reveal(value anyelement, subject "any", category text)
RETURNS anyelement
AS 'MODULE_PATHNAME', 'twp_decision_reveal'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.reveal(anyelement, "any", text) IS
'(all) The value where permits(subject, category) is true, else NULL. Errors as permits.';

CREATE FUNCTION twin_privacy.require_use(VARIADIC purposes text[])
RETURNS boolean
AS 'MODULE_PATHNAME', 'twp_decision_require_use'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy.require_use(text[]) IS
'(all) True when the bound use''s purpose is one of the purposes or below; an error otherwise. Errors: 22004 NULL, 22023 unknown purpose, TP001 no use bound, TP002 not usable, TP003 another purpose.';

CREATE FUNCTION twin_privacy.why(target regclass, subject text,
    OUT column_name name, OUT verdict text, OUT reason text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'twp_decision_why'
LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION twin_privacy.why(regclass, text) IS
'(all) For the caller''s own bound use: first whether rows of the subject are visible (column_name NULL), then each column''s verdict (clear, masked, hidden) and reason. Errors: 22004 NULL, 22023 subject is no key of the table''s type, 55000 table not protected, TP001, TP002, TP003.';

CREATE FUNCTION twin_privacy_internal.bound_purpose() RETURNS text
AS 'MODULE_PATHNAME', 'twp_decision_bound_purpose'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION twin_privacy_internal.bound_purpose() IS
'(all) Purpose of the bound use: the default of purpose columns. NULL in maintenance. Errors: TP001 no use bound, TP002 not usable.';

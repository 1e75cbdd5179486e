-- gated.sql - as every.sql, and each column but the subject is of a category of
-- its own: its cells are asked for one by one, and every reference to them is
-- rewritten.
SET core_every.gated = on;
ALTER DATABASE regression SET core_every.gated = on;
\ir every.sql

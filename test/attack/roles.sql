-- roles.sql - who attacks.  Roles are the cluster's, so they are made once.
\set ON_ERROR_STOP 1
CREATE ROLE att_admin LOGIN IN ROLE twin_privacy_admin;
CREATE ROLE att_officer1 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE att_officer2 LOGIN IN ROLE twin_privacy_officer;
CREATE ROLE att_registrar LOGIN IN ROLE twin_privacy_registrar;
CREATE ROLE att_owner LOGIN;
CREATE ROLE att_analyst LOGIN;
CREATE ROLE att_doc LOGIN;
CREATE ROLE att_viewer LOGIN;
CREATE ROLE att_nobody LOGIN;
CREATE ROLE att_reader LOGIN IN ROLE pg_read_all_data;
CREATE ROLE att_writer LOGIN IN ROLE pg_write_all_data;
CREATE ROLE att_bypass LOGIN BYPASSRLS;
CREATE ROLE att_super LOGIN SUPERUSER;

-- Whose tables these are, and what wrote their files.
select c.system_identifier::text as system_identifier, d.oid::bigint as database_oid, d.datname as database,
       current_setting('server_version') as postgres
  from pg_control_system() as c, pg_database as d
 where d.datname = current_database()

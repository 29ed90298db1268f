-- What the server says of itself.
select current_setting('server_version') as version, d.datname::text as database, session_user::text as role,
       pg_encoding_to_char(d.encoding)::text as encoding, pg_is_in_recovery() as is_standby,
       current_setting('default_transaction_read_only')::boolean as is_read_only,
       current_setting('autovacuum')::boolean as autovacuum, current_setting('track_counts')::boolean as track_counts,
       array(select c.oid::regclass::text
               from pg_class as c
              cross join lateral pg_options_to_table(c.reloptions) as o
              where c.relnamespace = to_regnamespace('bridge')
                and o.option_name = 'autovacuum_enabled' and not o.option_value::boolean
              order by 1) as unvacuumed
  from pg_database as d
 where d.datname = current_database()

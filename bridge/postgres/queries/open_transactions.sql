-- What is open longest of what may still commit events: sessions that have a transaction id, and prepared transactions.
-- Of other roles' sessions one without pg_read_all_stats sees the process and nothing else.
select pid, application, role, state, since, extract(epoch from clock_timestamp() - since)::float8 as seconds, gid
  from (select a.pid, a.application_name as application, a.usename::text as role, a.state, a.xact_start as since,
               null::text as gid
          from pg_stat_activity as a
         where a.datname = current_database() and a.backend_xid is not null and a.pid <> pg_backend_pid()
         union all
        select null, null, p.owner::text, 'prepared', p.prepared, p.gid
          from pg_prepared_xacts as p
         where p.database = current_database()) as open
 order by since nulls last
 limit %(most)s

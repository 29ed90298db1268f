-- Who keeps a table of bridge's from being written to, or even read: with a lock stronger than writers' own, for longer
-- than a migration or the keeper needs it, or for a time that our role is not told. Asks catalogues alone, which such a
-- lock does not keep from anybody.
select l.pid, a.application_name as application, c.relname::text as relation, l.mode, a.xact_start as since,
       extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
  from pg_locks as l
  join pg_class as c on c.oid = l.relation
  left join pg_stat_activity as a on a.pid = l.pid
 where l.locktype = 'relation' and l.granted and c.relnamespace = to_regnamespace('bridge')
   and l.database = (select oid from pg_database where datname = current_database())
   and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   and l.pid is distinct from pg_backend_pid()
   and coalesce(clock_timestamp() - a.xact_start > make_interval(secs => %(seconds)s), true)
 order by a.xact_start, l.pid, c.relname
 limit 1

-- Who holds a lock on a table, or on one of its table partitions, that track and untrack wait for. A prepared
-- transaction has no process.
select distinct l.pid, a.application_name as application, extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
  from pg_locks as l
  left join pg_stat_activity as a on a.pid = l.pid
 where l.locktype = 'relation' and l.granted and l.database = (select d.oid from pg_database as d where d.datname = current_database())
   and l.relation in (select %(table)s::oid union select m from bridge.member_tables(%(table)s::oid::regclass) as m)
   and l.pid is distinct from pg_backend_pid()
   and (%(any_lock)s or l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
                                   'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
 order by seconds desc nulls last, l.pid
 limit 10

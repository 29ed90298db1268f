-- Who holds back the oldest snapshot or transaction: nothing that was deleted or updated since can be cleaned up.
select h.kind, h.pid, h.name, h.role, age(h.xmin)::bigint as transactions, h.since,
       extract(epoch from clock_timestamp() - h.since)::float8 as seconds
  from (select 'session' as kind, a.pid, a.application_name as name, a.usename::text as role, x.xmin, a.xact_start as since
          from pg_stat_activity as a
         cross join lateral (select o.xmin from (values (a.backend_xmin), (a.backend_xid)) as o (xmin)
                              where o.xmin is not null order by age(o.xmin) desc limit 1) as x
         where a.pid <> pg_backend_pid() and (a.datname = current_database() or a.datname is null)
         union all
        select 'prepared transaction', null, p.gid, p.owner::text, p.transaction, p.prepared
          from pg_prepared_xacts as p
         where p.database = current_database()
         union all
        select 'replication slot', s.active_pid, s.slot_name::text, null, s.xmin, null
          from pg_replication_slots as s
         union all
        select 'standby', r.pid, r.application_name, r.usename::text, r.backend_xmin, null
          from pg_stat_replication as r) as h
 where h.xmin is not null
 order by age(h.xmin) desc, h.since nulls last
 limit 1

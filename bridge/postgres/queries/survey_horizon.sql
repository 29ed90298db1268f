-- Who holds the horizon: the oldest transaction or snapshot that vacuum (in this database) or a late commit (of any)
-- waits for; no row where nobody does. Since when is null where our role may not see it, and for slots.
select kind, pid, left(name, 63) as name, xid::text, transactions,
       extract(epoch from clock_timestamp() - since)::float8 as age_seconds
  from (select 'session' as kind, pid::text as pid, application_name as name, since,
               case when age(backend_xid) >= coalesce(age(own_xmin), 0) then backend_xid else own_xmin end as xid,
               greatest(age(backend_xid), age(own_xmin)) as transactions
          from (select pid, application_name, xact_start as since, backend_xid,
                       case when datname is null or datname = current_database() then backend_xmin end as own_xmin
                  from pg_stat_activity
                 where pid <> pg_backend_pid()) as activity
        union all
        select 'prepared', '', gid, prepared, transaction, age(transaction) from pg_prepared_xacts
        union all
        select 'slot', coalesce(active_pid::text, ''), slot_name, null, coalesce(xmin, catalog_xmin),
               greatest(age(xmin), age(catalog_xmin))
          from pg_replication_slots) as holders
 where transactions is not null
 order by transactions desc, since
 limit 1

-- Of which time events are compared, in microseconds since 1970, too, and about how many there are.
select s.since::text, s.until::text,
       (date_part('epoch', greatest(s.since, '0001-01-02Z')) * 1000000)::bigint as since_us,
       (date_part('epoch', least(s.until, '9999-12-30Z')) * 1000000)::bigint as until_us,
       (select sum(c.reltuples)::bigint
          from (values ('bridge.outbox'::regclass), ('bridge.history')) as p (parent)
         cross join lateral pg_partition_tree(p.parent) as t
          join pg_class as c on c.oid = t.relid
         where t.isleaf and c.reltuples > 0) as about
  from (select coalesce(%(since)s::timestamptz, clock_timestamp() - %(ago)s::interval, '-infinity') as since,
               case when %(since)s::timestamptz is null and %(ago)s::interval is null then 'infinity'
                    else clock_timestamp() end as until) as s

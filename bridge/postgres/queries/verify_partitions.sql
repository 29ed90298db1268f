-- The times of which bridge.outbox (0) and bridge.history (1) have a table partition, and those of which they have none
-- any more, because it was taken out, with when that was; in microseconds since 1970. One that is just being detached
-- shows no rows to anybody who begins now.
select source, (date_part('epoch', least(greatest(range_from, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint,
       (date_part('epoch', least(greatest(range_to, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint,
       (date_part('epoch', left_at) * 1000000)::bigint
  from (select case r.parent when 'bridge.outbox' then 0 else 1 end as source, r.range_from, r.range_to,
               r.detached_at as left_at
          from bridge.retired_partition as r
         where r.state <> 'restored' and r.parent in ('bridge.outbox', 'bridge.history')
        union all
        select p.source, b.range_from, b.range_to, case when i.inhdetachpending then clock_timestamp() end
          from (values (0, 'bridge.outbox'::regclass), (1, 'bridge.history')) as p (source, parent)
         cross join lateral bridge.partition_bounds(p.parent) as b
          join pg_inherits as i on i.inhrelid = b.leaf and i.inhparent = p.parent
         where not b.is_default) as known

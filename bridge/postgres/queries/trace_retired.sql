-- The table partitions of events that were taken out, of a time or of all times, the latest first. `relation`: the table
-- that one is now, if this role may read it; rights on the whole are none on what has left it. `location`: the manifest of
-- its cold files, once that is written.
select p.id, p.parent, p.leaf, c.oid::regclass::text as relation,
       case when isfinite(p.range_from) then p.range_from end as range_from,
       case when isfinite(p.range_to) then p.range_to end as range_to, p.state, p.expiry,
       case when p.checksum is not null then p.location end as location, p.detached_at
  from bridge.retired_partition as p
  left join pg_class as c on c.oid = p.relation and p.state <> 'dropped' and has_table_privilege(c.oid, 'select')
 where p.parent in ('bridge.outbox', 'bridge.history') and p.state <> 'restored'
   and (%(at)s::timestamptz is null or %(at)s >= p.range_from and %(at)s < p.range_to)
 order by p.range_to desc, p.id
 limit %(most)s

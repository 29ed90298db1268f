-- What was taken out for cold files and where it is, the oldest first.
select p.id, p.parent, p.leaf, case when isfinite(p.range_from) then p.range_from end as range_from,
       case when isfinite(p.range_to) then p.range_to end as range_to, p.state, p.rows, f.files, f.bytes, p.location, p.format,
       p.detached_at, p.changed_at, p.trouble
  from bridge.retired_partition as p
 cross join lateral (
       select count(*) as files, coalesce(sum(c.bytes), 0)::bigint as bytes
         from bridge.cold_file as c where c.partition = p.id
       ) as f
 where p.expiry = 'files'
 order by p.range_from, p.id

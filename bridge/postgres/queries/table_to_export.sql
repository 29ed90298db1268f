-- What is known of a table that is to be written to cold files: its bounds, if it is a table partition; where its
-- parent's policy wants them; its row in bridge.retired_partition, if it is on its way there.
select c.relkind = 'r' as is_table, coalesce(bridge.qualified_name(i.inhparent), r.parent) as parent,
       coalesce(b.range_from, r.range_from)::text as range_from, coalesce(b.range_to, r.range_to)::text as range_to,
       p.location, coalesce(p.format, 'avro') as format, r.id as retired_id
  from pg_catalog.pg_class as c
  left join pg_catalog.pg_inherits as i on i.inhrelid = c.oid
  left join bridge.partition_policy as p on p.parent = i.inhparent
  left join lateral bridge.partition_bounds(i.inhparent) as b on b.leaf = c.oid and p.parent is not null
  left join bridge.retired_partition as r on r.relation = c.oid and r.expiry = 'files'
                                             and r.state in ('detached', 'exported', 'verified')
 where c.oid = %(oid)s

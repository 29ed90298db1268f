-- Where a subject's rows may lie: table partitions, and tables that were some and are still there.
select b.leaf::oid::bigint as oid, bridge.qualified_name(b.leaf) as name, p.parent
  from unnest(%(parents)s::text[]) as p (parent)
 cross join lateral bridge.partition_bounds(p.parent::regclass) as b
union all
select c.oid::bigint, r.leaf, r.parent
  from bridge.retired_partition as r
  join pg_class as c on c.oid = r.relation and c.relkind = 'r' and not c.relispartition
 where r.parent = any (%(parents)s::text[]) and r.state not in ('dropped', 'restored')
   and bridge.qualified_name(c.oid) = r.leaf
 order by name

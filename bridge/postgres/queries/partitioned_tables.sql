-- What the keeper makes partitions for, bridge's own first: oid and name. By oid, because a name would ask for rights on
-- its schema.
select p.parent::oid::bigint, bridge.qualified_name(p.parent)
  from bridge.partition_policy as p
  join pg_class as c on c.oid = p.parent
 order by c.relnamespace <> 'bridge'::regnamespace, 2

select d.leaf::oid::bigint, bridge.qualified_name(d.leaf), d.parent::oid::bigint, d.obstacle
  from bridge.due_partitions() as d

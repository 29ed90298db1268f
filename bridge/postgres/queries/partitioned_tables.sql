-- What the keeper makes partitions for.
select bridge.qualified_name(p.parent) from bridge.partition_policy as p order by 1

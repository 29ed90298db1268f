-- What the keeper makes partitions for.
select p.parent::text from bridge.partition_policy as p order by p.parent::text

select d.leaf::text, d.obstacle from bridge.due_partitions() as d

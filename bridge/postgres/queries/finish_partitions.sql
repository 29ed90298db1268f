select bridge.finish_partitions()::text

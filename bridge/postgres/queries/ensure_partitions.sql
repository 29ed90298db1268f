-- Table partitions for what is to be written soon.
select bridge.ensure_partitions()

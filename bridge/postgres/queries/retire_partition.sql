select bridge.retire_partition(%(leaf)s::oid::regclass)

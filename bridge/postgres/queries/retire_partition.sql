select bridge.retire_partition(%(leaf)s::regclass)

select bridge.create_partition(%(parent)s::regclass, %(range_from)s::timestamptz, %(range_to)s::timestamptz)

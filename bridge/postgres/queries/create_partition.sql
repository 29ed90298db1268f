select bridge.create_partition(%(parent)s::oid::regclass, %(range_from)s::timestamptz, %(range_to)s::timestamptz)

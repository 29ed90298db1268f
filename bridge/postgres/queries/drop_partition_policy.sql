delete from bridge.partition_policy where parent = %(table)s::oid::regclass

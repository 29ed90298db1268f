select bridge.pin_table(%(table)s::oid::regclass)

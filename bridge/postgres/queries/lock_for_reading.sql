select bridge.lock_for_reading(%(table)s::oid::regclass)

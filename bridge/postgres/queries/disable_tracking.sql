select bridge.disable_tracking(%(table)s::oid::regclass)

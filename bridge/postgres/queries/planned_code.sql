select bridge.planned_code(%(table)s::oid::regclass)

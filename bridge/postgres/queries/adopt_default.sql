select bridge.adopt_default(%(parent)s::oid::regclass)

select bridge.adopt_default(%(parent)s::regclass)

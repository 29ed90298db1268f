select bridge.read_retired(%(id)s, %(after_place)s::tid)

select bridge.count_retired(%(id)s)

select bridge.drop_retired(%(id)s)

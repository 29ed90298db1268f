select bridge.drop_verified(%(id)s)

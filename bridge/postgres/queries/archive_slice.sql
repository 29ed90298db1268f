select bridge.archive_activity_slice(%(keep_for)s::interval, %(most)s)

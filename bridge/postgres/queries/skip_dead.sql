select bridge.skip_dead(%(event_id)s, %(reason)s)

select bridge.retry_dead(%(event_id)s)

select bridge.record_present(%(tracked_id)s, %(keys)s::text[])

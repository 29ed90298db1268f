insert into bridge_inbox.parked (consumer_group, topic, partition, kafka_offset, at, key, value, headers, event_type,
                                 state, attempts, due_at, reason)
values (%(group)s, %(topic)s, %(partition)s, %(offset)s, %(at)s, %(key)s, %(value)s, %(headers)s, %(event_type)s,
        %(state)s, %(attempts)s, now() + make_interval(secs => %(seconds)s), %(reason)s)

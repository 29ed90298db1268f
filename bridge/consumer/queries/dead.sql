select number, topic, partition, kafka_offset, key, event_type, attempts, reason, parked_at
  from bridge_inbox.parked
 where consumer_group = %(group)s and state = 'dead'
 order by number

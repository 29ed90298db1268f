select number, topic, partition, kafka_offset, at, key, value, headers::text, attempts
  from bridge_inbox.parked
 where consumer_group = %(group)s and state = 'retrying' and due_at <= now()
 order by due_at, number
 limit 1
   for update skip locked

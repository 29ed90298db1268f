select topic, partition, kafka_offset
  from bridge_inbox.progress
 where consumer_group = %(group)s

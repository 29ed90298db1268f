-- In one order, so that consumers that both believe partitions to be theirs do not wait for each other in a circle.
insert into bridge_inbox.progress (consumer_group, topic, partition, kafka_offset)
select %(group)s, p.topic, p.partition, p.kafka_offset
  from unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]) as p (topic, partition, kafka_offset)
 order by p.topic, p.partition
    on conflict (consumer_group, topic, partition) do update set kafka_offset = excluded.kafka_offset

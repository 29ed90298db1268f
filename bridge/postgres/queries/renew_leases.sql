-- Renews what this relay holds, also while a batch waits for Kafka.
update bridge.shard
   set lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
 where owner = %(owner)s and shard = any (%(shards)s::smallint[])

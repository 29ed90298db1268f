-- Renews what this relay holds, also while a batch waits for Kafka. A locked row is not waited for, or its shard would take
-- the others' leases with it: a claim renews its own, and who else locks it must not stop them.
update bridge.shard
   set lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
 where shard in (
    select shard from bridge.shard
     where owner = %(owner)s and shard = any (%(shards)s::smallint[])
       for update skip locked)

-- Gives back, at the end, what the thread of a shard could not give back itself because a server was away.
update bridge.shard
   set owner = null, lease_until = null, updated_at = clock_timestamp()
 where shard in (select shard from bridge.shard where owner = %(relay_id)s for update skip locked)

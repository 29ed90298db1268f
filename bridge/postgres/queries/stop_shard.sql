-- Stops a shard that is still ours, as we took it, and gives its lease back. No row: it was taken over meanwhile.
update bridge.shard
   set stopped = %(reason)s, renumber = %(renumber)s, owner = null, lease_until = null, updated_at = clock_timestamp()
 where shard = %(shard)s and owner = %(owner)s and generation = %(generation)s
returning shard

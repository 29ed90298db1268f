-- Gives the lease back; the ledger stays.
update bridge.shard
   set owner = null, lease_until = null, updated_at = clock_timestamp()
 where shard = %(shard)s and owner = %(owner)s and generation = %(generation)s

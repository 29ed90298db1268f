-- Takes a stopped shard, which no relay does, and reads the ledger. It stays stopped until the ledger is written.
update bridge.shard
   set owner = %(owner)s,
       generation = generation + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
       updated_at = clock_timestamp()
 where shard = %(shard)s
   and stopped is not null
returning generation, batch_no, batch_id, batch_event_queue, batch_entity_events, batch_dead, batch_from, batch_to,
          scan_from

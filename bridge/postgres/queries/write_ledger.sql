-- The claim: fence, ledger and lease in one update. No row: the lease is lost, the database has gone back in time, or the
-- server has crashed or is another one since the takeover, which a pooler hides.
update bridge.shard
   set batch_no = %(batch_no)s,
       batch_id = %(batch_id)s,
       previous_id = %(previous_id)s,
       in_flight = %(in_flight)s,
       scan_from = %(scan_from)s,
       cursor = %(cursor)s,
       snapshot = %(snapshot)s::pg_snapshot,
       late_cursor = %(late_cursor)s,
       late_snapshot = %(late_snapshot)s::pg_snapshot,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
       event_queue_processed = event_queue_processed + %(event_queue_processed)s,
       event_queue_dead = event_queue_dead + %(event_queue_dead)s,
       entity_events_processed = entity_events_processed + %(entity_events_processed)s,
       entity_events_dead = entity_events_dead + %(entity_events_dead)s,
       updated_at = clock_timestamp()
 where shard = %(shard)s
   and generation = %(generation)s
   and batch_id is not distinct from %(known_batch_id)s
   and exists (select from bridge.witness as w where w.shard = %(shard)s and w.nonce = %(nonce)s)
returning pg_current_xact_id()::text
